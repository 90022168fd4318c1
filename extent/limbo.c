/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limbo.  A block enters it once and leaves it once, to free space; a tag's neighbouring runs are one item, so that
 * a truncated file costs as many items as it had pieces, not as it had extents.
 */
#include "extent/limbo.h"

#include "extent/format.h"

static struct key limbo_key(uint64_t tag, uint64_t daddr)
{
	return key_make(ZONE_LIMBO, tag, ITEM_LIMBO, daddr);
}

static int limbo_decode(const struct txn *txn, const struct item *it, struct limbo_run *ret_run)
{
	const struct disk_free *disk = it->val;
	struct limbo_run run = { .tag = key_obj(it->key), .daddr = key_off(it->key) };

	if (it->len != sizeof(*disk))
		return -EUCLEAN;
	run.len = le64_get(disk->len);
	if (key_type(it->key) != ITEM_LIMBO || !alloc_range_is_valid(txn, run.daddr, run.len))
		return -EUCLEAN;
	*ret_run = run;
	return 0;
}

/* Let @run swallow the runs of its tag that it touches.  Its own item is not there yet. */
static int limbo_join(struct txn *txn, struct limbo_run *run)
{
	struct limbo_run other;
	struct item it;
	int err;

	err = txn_next(txn, limbo_key(run->tag, run->daddr), limbo_key(run->tag, KEY_LOW_MAX), &it);
	if (!err) {
		err = limbo_decode(txn, &it, &other);
		if (!err && other.daddr < run->daddr + run->len)
			err = -EUCLEAN;
		if (!err && other.daddr == run->daddr + run->len && daddr_dev(other.daddr) == daddr_dev(run->daddr)) {
			run->len += other.len;
			err = txn_delete(txn, limbo_key(run->tag, other.daddr));
		}
	}
	if (err && err != -ENOENT)
		return err;
	if (!daddr_block(run->daddr))
		return 0;
	err = txn_prev(txn, limbo_key(run->tag, run->daddr - 1), limbo_key(run->tag, 0), &it);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = limbo_decode(txn, &it, &other);
	if (!err && other.daddr + other.len > run->daddr)
		err = -EUCLEAN;
	if (!err && other.daddr + other.len == run->daddr) {
		run->daddr = other.daddr;
		run->len += other.len;
	}
	return err;
}

int limbo_add(struct txn *txn, uint64_t tag, uint64_t daddr, uint64_t len)
{
	struct limbo_run run = { tag, daddr, len };
	struct disk_free disk;
	int err;

	if (tag == LIMBO_NONE)
		return alloc_give(txn, daddr, len);
	assert(tag <= LIMBO_TAG_MAX);
	if (!alloc_range_is_valid(txn, daddr, len))
		return -EUCLEAN;
	err = limbo_join(txn, &run);
	if (err)
		return err;
	disk = (struct disk_free){ .len = le64_make(run.len) };
	return txn_put(txn, limbo_key(tag, run.daddr), &disk, sizeof(disk));
}

int limbo_next(struct txn *txn, uint64_t tag, uint64_t daddr, struct limbo_run *ret_run)
{
	struct item it;
	int err;

	err = txn_next(txn, limbo_key(tag, daddr), limbo_key(LIMBO_TAG_MAX, KEY_LOW_MAX), &it);
	if (err)
		return err;
	return limbo_decode(txn, &it, ret_run);
}

int limbo_release(struct txn *txn, uint64_t tag, unsigned int max, bool *ret_more)
{
	struct limbo_run run;
	int err;

	assert(tag <= LIMBO_TAG_MAX && max > 0);
	for (unsigned int n = 0;; n++) {
		err = limbo_next(txn, tag, 0, &run);
		if (err && err != -ENOENT)
			return err;
		if (err || run.tag != tag || n == max) {
			*ret_more = !err && run.tag == tag;
			return 0;
		}
		err = txn_delete(txn, limbo_key(tag, run.daddr));
		if (err)
			return err;
		err = alloc_give(txn, run.daddr, run.len);
		if (err)
			return err;
	}
}
