/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at maps and editing them.  An item is decoded in one place and checked there; an edit leaves neighbours
 * joined wherever file block, device block and state continue, so a file written in order stays one item.
 */
#include "extent/format.h"
#include "extent/map_int.h"

static struct key map_key(uint64_t ino, enum map_fork fork, uint64_t blk)
{
	return key_make(ZONE_FILE, ino, fork == MAP_COW ? ITEM_COW : ITEM_EXTENT, blk);
}

static int map_decode(const struct txn *txn, const struct item *it, struct map_extent *ret_extent)
{
	const struct disk_extent *disk = it->val;
	struct map_extent e = { .blk = key_off(it->key) };

	if (it->len != sizeof(*disk) || disk->state > EXTENT_WRITTEN || (disk->flags & ~EXTENT_FLAG_SHARED))
		return -EUCLEAN;
	e.nr = le32_get(disk->len);
	e.daddr = le64_get(disk->daddr);
	e.state = disk->state == EXTENT_WRITTEN ? MAP_WRITTEN : MAP_UNWRITTEN;
	e.shared = disk->flags & EXTENT_FLAG_SHARED;
	if (e.blk >= MAP_BLK_MAX || e.nr > MAP_BLK_MAX - e.blk || !alloc_range_is_valid(txn, e.daddr, e.nr))
		return -EUCLEAN;
	if (e.state == MAP_WRITTEN ? key_type(it->key) == ITEM_COW : e.shared)
		return -EUCLEAN;
	*ret_extent = e;
	return 0;
}

/* The first item that begins in [@blk, @end), or -ENOENT. */
static int map_find_after(struct txn *txn, uint64_t ino, enum map_fork fork, uint64_t blk, uint64_t end,
			  struct map_extent *ret_extent)
{
	struct item it;
	int err;

	if (blk >= end)
		return -ENOENT;
	err = txn_next(txn, map_key(ino, fork, blk), map_key(ino, fork, end - 1), &it);
	if (err)
		return err;
	return map_decode(txn, &it, ret_extent);
}

int map_find_before(struct txn *txn, uint64_t ino, enum map_fork fork, uint64_t blk, struct map_extent *ret_extent)
{
	struct item it;
	int err;

	if (!blk)
		return -ENOENT;
	err = txn_prev(txn, map_key(ino, fork, blk - 1), map_key(ino, fork, 0), &it);
	if (err)
		return err;
	return map_decode(txn, &it, ret_extent);
}

int map_find(struct txn *txn, uint64_t ino, enum map_fork fork, uint64_t blk, uint64_t end,
	     struct map_extent *ret_extent)
{
	struct map_extent e;
	int err;

	err = map_find_before(txn, ino, fork, blk + 1, &e);
	if (!err && e.blk + e.nr > blk) {
		*ret_extent = e;
		return 0;
	}
	if (err && err != -ENOENT)
		return err;
	err = map_find_after(txn, ino, fork, blk + 1, end, &e);
	if (err && err != -ENOENT)
		return err;
	*ret_extent = (struct map_extent){ .blk = blk, .nr = (err ? end : e.blk) - blk, .state = MAP_HOLE };
	return 0;
}

int map_measure(struct txn *txn, uint64_t ino, uint64_t blk, uint64_t end, struct map_run *ret_run)
{
	struct map_run run = { .blk = blk, .cow = { .state = MAP_HOLE }, .refs = 1 };
	int err;

	err = map_find(txn, ino, MAP_DATA, blk, end, &run.data);
	if (err)
		return err;
	run.nr = min_u64(run.data.blk + run.data.nr, end) - blk;
	if (run.data.shared) { /* else there can be neither */
		err = map_find(txn, ino, MAP_COW, blk, blk + run.nr, &run.cow);
		if (err)
			return err;
		run.nr = min_u64(run.nr, run.cow.blk + run.cow.nr - blk);
		err = share_lookup(txn, map_daddr(&run.data, blk), run.nr, &run.refs, &run.nr);
		if (err)
			return err;
	}
	*ret_run = run;
	return 0;
}

static bool map_continues(const struct map_extent *a, const struct map_extent *b)
{
	return a->blk + a->nr == b->blk && a->state == b->state && a->shared == b->shared &&
	       (a->state == MAP_HOLE || a->daddr + a->nr == b->daddr);
}

static int map_put(struct txn *txn, uint64_t ino, enum map_fork fork, const struct map_extent *e)
{
	struct disk_extent disk = { .daddr = le64_make(e->daddr),
				    .len = le32_make((uint32_t)e->nr),
				    .state = e->state == MAP_WRITTEN ? EXTENT_WRITTEN : EXTENT_UNWRITTEN,
				    .flags = e->shared ? EXTENT_FLAG_SHARED : 0 };

	assert(e->nr > 0 && e->nr <= UINT32_MAX);
	return txn_put(txn, map_key(ino, fork, e->blk), &disk, sizeof(disk));
}

/* Let @e swallow the item before it, if @e continues that. */
static int map_join_left(struct txn *txn, uint64_t ino, enum map_fork fork, struct map_extent *e)
{
	struct map_extent left;
	int err;

	err = map_find_before(txn, ino, fork, e->blk, &left);
	if (err)
		return err == -ENOENT ? 0 : err;
	if (left.blk + left.nr > e->blk)
		return -EUCLEAN;
	if (map_continues(&left, e) && left.nr + e->nr <= UINT32_MAX) {
		left.nr += e->nr;
		*e = left;
	}
	return 0;
}

static int map_join_right(struct txn *txn, uint64_t ino, enum map_fork fork, struct map_extent *e)
{
	uint64_t end = e->blk + e->nr;
	struct map_extent right;
	int err;

	err = map_find_after(txn, ino, fork, end, end + 1, &right);
	if (err)
		return err == -ENOENT ? 0 : err;
	if (!map_continues(e, &right) || right.nr + e->nr > UINT32_MAX)
		return 0;
	e->nr += right.nr;
	return txn_delete(txn, map_key(ino, fork, end));
}

/* What @e, the new piece, becomes together with its neighbours. */
static int map_join(struct txn *txn, uint64_t ino, enum map_fork fork, bool left, bool right, struct map_extent *e)
{
	int err;

	if (left) {
		err = map_join_left(txn, ino, fork, e);
		if (err)
			return err;
	}
	return right ? map_join_right(txn, ino, fork, e) : 0;
}

int map_edit(struct txn *txn, uint64_t ino, enum map_fork fork, const struct map_extent *old, uint64_t blk,
	     uint64_t nr, uint64_t daddr, enum map_state state, bool shared)
{
	struct map_extent new = { .blk = blk, .nr = nr, .daddr = daddr, .state = state, .shared = shared };
	struct map_extent left = *old, right = *old;
	bool had = old->state != MAP_HOLE;
	int err = 0;

	left.nr = had ? blk - old->blk : 0;
	right.blk = blk + nr;
	right.nr = had ? old->blk + old->nr - right.blk : 0;
	right.daddr = had ? map_daddr(old, right.blk) : 0;
	if (state != MAP_HOLE)
		err = map_join(txn, ino, fork, !left.nr, !right.nr, &new);
	if (!err && had && !left.nr && (state == MAP_HOLE || new.blk != blk)) {
		err = txn_delete(txn, map_key(ino, fork, blk));
		if (err == -ENOENT)
			err = -EUCLEAN;
	}
	if (!err && left.nr)
		err = map_put(txn, ino, fork, &left);
	if (!err && state != MAP_HOLE)
		err = map_put(txn, ino, fork, &new);
	if (!err && right.nr)
		err = map_put(txn, ino, fork, &right);
	return err;
}

int map_check_range(uint64_t blk, uint64_t nr)
{
	return nr == 0 || blk >= MAP_BLK_MAX || nr > MAP_BLK_MAX - blk ? -EINVAL : 0;
}

int map_walk(struct map_walk *walk, uint64_t blk, uint64_t nr, unsigned int max,
	     int (*step)(struct map_walk *walk, struct map_run *run), uint64_t *ret_stop)
{
	struct map_run run;
	int err;

	err = map_check_range(blk, nr);
	if (err)
		return err;
	assert(max > 0);
	walk->end = blk + nr;
	for (unsigned int n = 0; n < max && blk < walk->end; n++) {
		err = map_measure(walk->txn, walk->inode->ino, blk, walk->end, &run);
		if (err)
			return err;
		err = step(walk, &run);
		if (err)
			return err;
		blk += run.nr;
	}
	*ret_stop = blk;
	return 0;
}

/* The next run from @pos on, where the item before it began at @last (or @pos is where we begin). */
static int map_read_on(struct txn *txn, uint64_t ino, enum map_fork fork, uint64_t last, uint64_t pos, uint64_t end,
		       struct map_extent *ret_extent)
{
	struct map_extent e;
	int err;

	err = map_find_after(txn, ino, fork, last + 1, end, &e);
	if (err && err != -ENOENT)
		return err;
	if (!err && e.blk < pos)
		return -EUCLEAN;
	if (err || e.blk > pos)
		e = (struct map_extent){ .blk = pos, .nr = (err ? end : e.blk) - pos, .state = MAP_HOLE };
	*ret_extent = e;
	return 0;
}

static void map_clip(struct map_extent *e, uint64_t blk, uint64_t end)
{
	uint64_t skip = blk - e->blk;

	e->blk = blk;
	e->daddr += skip;
	e->nr = min_u64(e->nr - skip, end - blk);
}

int map_read(struct txn *txn, uint64_t ino, enum map_fork fork, uint64_t blk, uint64_t nr, unsigned int max,
	     struct map_extent *ret_extents, unsigned int *ret_nr)
{
	uint64_t end = blk + nr, last;
	struct map_extent e;
	unsigned int n = 0;
	int err;

	err = map_check_range(blk, nr);
	if (err)
		return err;
	assert(max > 0);
	err = map_find(txn, ino, fork, blk, end, &e);
	for (; !err; err = map_read_on(txn, ino, fork, last, blk, end, &e)) {
		last = e.state == MAP_HOLE ? e.blk + e.nr - 1 : e.blk;
		map_clip(&e, blk, end);
		blk = e.blk + e.nr;
		if (n && map_continues(&ret_extents[n - 1], &e))
			ret_extents[n - 1].nr += e.nr;
		else if (n < max)
			ret_extents[n++] = e;
		else
			break;
		if (blk == end)
			break;
	}
	if (err)
		return err;
	*ret_nr = n;
	return 0;
}

int map_next(struct txn *txn, uint64_t ino, enum map_fork fork, uint64_t blk, struct map_extent *ret_extent)
{
	struct map_extent e;
	int err;

	err = map_check_range(blk, 1);
	if (err)
		return err;
	err = map_find(txn, ino, fork, blk, MAP_BLK_MAX, &e);
	if (!err && e.state == MAP_HOLE)
		err = map_find_after(txn, ino, fork, blk + 1, MAP_BLK_MAX, &e);
	if (err)
		return err;
	map_clip(&e, max_u64(blk, e.blk), MAP_BLK_MAX);
	*ret_extent = e;
	return 0;
}
