/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of owners.  Items never overlap, never hold a count below two, and neighbours with equal counts are one
 * item; so a range that is shared and unshared again leaves nothing behind.
 */
#include "extent/share.h"

#include "extent/alloc.h"
#include "extent/format.h"

/* Blocks [first, end) with one count. */
struct share_run {
	uint64_t first;
	uint64_t end;
	uint32_t refs;
};

static struct key share_key(uint64_t daddr)
{
	return key_make(ZONE_SHARED, 0, ITEM_SHARED, daddr);
}

static int share_decode(const struct txn *txn, const struct item *it, struct share_run *ret_run)
{
	const struct disk_shared *disk = it->val;
	uint64_t len;

	if (it->len != sizeof(*disk))
		return -EUCLEAN;
	len = le64_get(disk->len);
	if (!alloc_range_is_valid(txn, key_off(it->key), len) || le32_get(disk->refs) < 2)
		return -EUCLEAN;
	*ret_run = (struct share_run){ key_off(it->key), key_off(it->key) + len, le32_get(disk->refs) };
	return 0;
}

/* The item that holds @daddr, or, if there is none, what is free of items around it as one run with refs 1. */
static int share_find(struct txn *txn, uint64_t daddr, uint64_t end, struct share_run *ret_run)
{
	struct share_run run;
	struct item it;
	int err;

	err = txn_prev(txn, share_key(daddr), share_key(0), &it);
	if (!err) {
		err = share_decode(txn, &it, &run);
		if (err)
			return err;
		if (run.end > daddr) {
			*ret_run = run;
			return 0;
		}
	} else if (err != -ENOENT) {
		return err;
	}
	err = txn_next(txn, share_key(daddr), share_key(end - 1), &it);
	if (err && err != -ENOENT)
		return err;
	*ret_run = (struct share_run){ daddr, err ? end : key_off(it.key), 1 };
	return 0;
}

static int share_put(struct txn *txn, const struct share_run *run)
{
	struct disk_shared disk = { .len = le64_make(run->end - run->first), .refs = le32_make(run->refs) };

	if (run->refs < 2 || run->first == run->end)
		return 0;
	return txn_put(txn, share_key(run->first), &disk, sizeof(disk));
}

/* Let @run swallow the item that ends where it begins, if the counts are equal. */
static int share_join_left(struct txn *txn, struct share_run *run)
{
	struct share_run left;
	struct item it;
	int err;

	if (!daddr_block(run->first))
		return 0;
	err = txn_prev(txn, share_key(run->first - 1), share_key(0), &it);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = share_decode(txn, &it, &left);
	if (err)
		return err;
	if (left.end > run->first)
		return -EUCLEAN;
	if (left.end == run->first && left.refs == run->refs)
		run->first = left.first;
	return 0;
}

static int share_join_right(struct txn *txn, struct share_run *run)
{
	struct share_run right;
	struct item it;
	int err;

	if (run->end > KEY_LOW_MAX || !daddr_block(run->end))
		return 0;
	err = txn_get(txn, share_key(run->end), &it);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = share_decode(txn, &it, &right);
	if (err || right.refs != run->refs)
		return err;
	run->end = right.end;
	return txn_delete(txn, share_key(right.first));
}

/* Give [daddr, end), which lies in @old, the count @refs. */
static int share_set(struct txn *txn, const struct share_run *old, uint64_t daddr, uint64_t end, uint32_t refs)
{
	struct share_run left = { old->first, daddr, old->refs }, right = { end, old->end, old->refs };
	struct share_run run = { daddr, end, refs };
	int err;

	if (refs > 1 && left.first == left.end) {
		err = share_join_left(txn, &run);
		if (err)
			return err;
	}
	if (refs > 1 && right.first == right.end) {
		err = share_join_right(txn, &run);
		if (err)
			return err;
	}
	if (old->refs > 1 && old->first == daddr && (refs < 2 || run.first != daddr)) {
		err = txn_delete(txn, share_key(daddr)); /* no item begins here any more */
		if (err)
			return err;
	}
	err = share_put(txn, &left);
	if (err)
		return err;
	err = share_put(txn, &run);
	if (err)
		return err;
	return share_put(txn, &right);
}

int share_lookup(struct txn *txn, uint64_t daddr, uint64_t len, uint32_t *ret_refs, uint64_t *ret_len)
{
	struct share_run run;
	int err;

	if (!alloc_range_is_valid(txn, daddr, len))
		return -EUCLEAN;
	err = share_find(txn, daddr, daddr + len, &run);
	if (err)
		return err;
	*ret_refs = run.refs;
	*ret_len = min_u64(run.end, daddr + len) - daddr;
	return 0;
}

/* As share_find(), cut: @ret_end is where the part of [daddr, daddr + len) with one count ends. */
static int share_find_part(struct txn *txn, uint64_t daddr, uint64_t len, struct share_run *ret_run,
			   uint64_t *ret_end)
{
	int err;

	if (!alloc_range_is_valid(txn, daddr, len))
		return -EUCLEAN;
	err = share_find(txn, daddr, daddr + len, ret_run);
	if (err)
		return err;
	*ret_end = min_u64(ret_run->end, daddr + len);
	if (ret_run->refs < 2)
		*ret_run = (struct share_run){ daddr, *ret_end, 1 };
	return 0;
}

int share_add(struct txn *txn, uint64_t daddr, uint64_t len, uint64_t *ret_len)
{
	struct share_run run;
	uint64_t end;
	int err;

	err = share_find_part(txn, daddr, len, &run, &end);
	if (err)
		return err;
	if (run.refs == SHARE_REFS_MAX)
		return -EMLINK;
	err = share_set(txn, &run, daddr, end, run.refs + 1);
	if (err)
		return err;
	*ret_len = end - daddr;
	return 0;
}

int share_drop(struct txn *txn, uint64_t daddr, uint64_t len, uint64_t *ret_len, bool *ret_unowned)
{
	struct share_run run;
	uint64_t end;
	int err;

	err = share_find_part(txn, daddr, len, &run, &end);
	if (err)
		return err;
	txn_note_freed(txn); /* what has one owner left may be written in place */
	if (run.refs > 1) {
		err = share_set(txn, &run, daddr, end, run.refs - 1);
		if (err)
			return err;
	}
	*ret_len = end - daddr;
	*ret_unowned = run.refs == 1;
	return 0;
}
