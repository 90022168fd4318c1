/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to blocks after they were allocated: they get written, or leave.  A block leaves a data map by losing
 * an owner, and only the last owner's goes to limbo; blocks of the copy-on-write map have no other owner ever.
 */
#include "extent/map_int.h"

int map_count_down(struct inode *inode, uint64_t nr)
{
	if (inode->blocks < nr)
		return -EUCLEAN;
	inode->blocks -= nr;
	return 0;
}

int map_disown(struct txn *txn, uint64_t daddr, uint64_t nr, bool shared, uint64_t tag)
{
	bool unowned = true;
	int err;

	for (uint64_t len = nr; nr; daddr += len, nr -= len) {
		if (shared) {
			err = share_drop(txn, daddr, nr, &len, &unowned);
			if (err)
				return err;
		}
		if (unowned) {
			err = limbo_add(txn, tag, daddr, len);
			if (err)
				return err;
		}
	}
	return 0;
}

int map_drop_data(struct txn *txn, struct inode *inode, const struct map_run *run, uint64_t tag)
{
	int err;

	if (run->data.state == MAP_HOLE)
		return 0;
	err = map_disown(txn, map_daddr(&run->data, run->blk), run->nr, run->data.shared, tag);
	if (err)
		return err;
	err = map_edit(txn, inode->ino, MAP_DATA, &run->data, run->blk, run->nr, 0, MAP_HOLE, false);
	if (err)
		return err;
	return map_count_down(inode, run->nr);
}

int map_drop_cow(struct txn *txn, struct inode *inode, const struct map_run *run, uint64_t tag)
{
	int err;

	if (run->cow.state == MAP_HOLE)
		return 0;
	err = limbo_add(txn, tag, map_daddr(&run->cow, run->blk), run->nr);
	if (err)
		return err;
	err = map_edit(txn, inode->ino, MAP_COW, &run->cow, run->blk, run->nr, 0, MAP_HOLE, false);
	if (err)
		return err;
	return map_count_down(inode, run->nr);
}

int map_drop(struct txn *txn, struct inode *inode, const struct map_run *run, uint64_t tag)
{
	int err;

	err = map_drop_cow(txn, inode, run, tag);
	if (err)
		return err;
	return map_drop_data(txn, inode, run, tag);
}

/* The copy-on-write blocks take the place of the shared ones. */
static int map_replace(struct map_walk *walk, const struct map_run *run)
{
	uint64_t ino = walk->inode->ino;
	int err;

	err = map_disown(walk->txn, map_daddr(&run->data, run->blk), run->nr, true, walk->tag);
	if (err)
		return err;
	err = map_edit(walk->txn, ino, MAP_COW, &run->cow, run->blk, run->nr, 0, MAP_HOLE, false);
	if (err)
		return err;
	err = map_edit(walk->txn, ino, MAP_DATA, &run->data, run->blk, run->nr, map_daddr(&run->cow, run->blk),
		       MAP_WRITTEN, false);
	if (err)
		return err;
	return map_count_down(walk->inode, run->nr);
}

static int map_convert_step(struct map_walk *walk, struct map_run *run)
{
	if (run->data.state == MAP_HOLE)
		return -ENXIO;
	if (run->cow.state != MAP_HOLE)
		return map_replace(walk, run);
	if (run->data.state == MAP_WRITTEN)
		return 0;
	return map_edit(walk->txn, walk->inode->ino, MAP_DATA, &run->data, run->blk, run->nr,
			map_daddr(&run->data, run->blk), MAP_WRITTEN, false);
}

int map_convert(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t nr, uint64_t tag, unsigned int max,
		uint64_t *ret_stop)
{
	struct map_walk walk = { .txn = txn, .inode = inode, .tag = tag };

	return map_walk(&walk, blk, nr, max, map_convert_step, ret_stop);
}

static int map_punch_step(struct map_walk *walk, struct map_run *run)
{
	return map_drop(walk->txn, walk->inode, run, walk->tag);
}

int map_punch(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t nr, uint64_t tag, unsigned int max,
	      uint64_t *ret_stop)
{
	struct map_walk walk = { .txn = txn, .inode = inode, .tag = tag };

	return map_walk(&walk, blk, nr, max, map_punch_step, ret_stop);
}

int map_truncate(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t tag, unsigned int max, bool *ret_more)
{
	struct map_extent rest;
	uint64_t stop;
	int err;

	/* From the first mapping on: a step spent on the hole that the last call has left would get nowhere. */
	err = blk < MAP_BLK_MAX ? map_next(txn, inode->ino, MAP_DATA, blk, &rest) : -ENOENT;
	if (!err)
		err = map_punch(txn, inode, rest.blk, MAP_BLK_MAX - rest.blk, tag, max, &stop);
	if (!err)
		err = stop < MAP_BLK_MAX ? map_next(txn, inode->ino, MAP_DATA, stop, &rest) : -ENOENT;
	if (err && err != -ENOENT)
		return err;
	*ret_more = !err;
	return 0;
}

static int map_unreserve_step(struct map_walk *walk, struct map_run *run)
{
	if (run->data.state == MAP_UNWRITTEN)
		return map_drop_data(walk->txn, walk->inode, run, walk->tag);
	return map_drop_cow(walk->txn, walk->inode, run, walk->tag);
}

int map_unreserve(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t nr, uint64_t tag, unsigned int max,
		  uint64_t *ret_stop)
{
	struct map_walk walk = { .txn = txn, .inode = inode, .tag = tag };

	return map_walk(&walk, blk, nr, max, map_unreserve_step, ret_stop);
}

static int map_cow_cancel_step(struct map_walk *walk, struct map_run *run)
{
	return map_drop_cow(walk->txn, walk->inode, run, walk->tag);
}

int map_cow_cancel(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t nr, uint64_t tag, unsigned int max,
		   uint64_t *ret_stop)
{
	struct map_walk walk = { .txn = txn, .inode = inode, .tag = tag };

	return map_walk(&walk, blk, nr, max, map_cow_cancel_step, ret_stop);
}
