/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks for a file.  A file keeps the distance between two of its blocks on the device, too, where it can: what is
 * written next to each other in the end lies next to each other, in whatever order it came.
 */
#include "extent/map_int.h"

#define MAP_ALIGN 16 /* blocks: 64 KiB */

/* Where the blocks before @blk say that it should go; false: they say nothing. */
static bool map_goal_after(struct txn *txn, const struct map_extent *before, uint64_t blk, uint64_t *ret_goal)
{
	uint64_t piece = alloc_piece_blocks(txn), goal;

	if (before->blk / piece != blk / piece)
		return false;
	goal = map_daddr(before, blk);
	if (!alloc_range_is_valid(txn, goal, 1) || daddr_dev(goal) != daddr_dev(before->daddr))
		return false;
	*ret_goal = goal;
	return true;
}

/* Goal and device of blocks for @run in @fork. */
static int map_place(struct map_walk *walk, const struct map_run *run, enum map_fork fork, struct alloc_want *a)
{
	const struct map_want *want = walk->arg;
	struct map_extent before;
	bool near = false;
	int err;

	err = map_find_before(walk->txn, walk->inode->ino, fork, run->blk, &before);
	if (err && err != -ENOENT)
		return err;
	if (!err)
		near = map_goal_after(walk->txn, &before, run->blk, &a->goal);
	if (!near && fork == MAP_COW) {
		a->goal = map_daddr(&run->data, run->blk);
		near = true;
	}
	if (!near && want->has_goal) {
		a->goal = want->goal;
		near = true;
	}
	if (want->has_dev)
		a->dev = (int)want->dev;
	else if (near)
		a->dev = (int)daddr_dev(a->goal);
	else
		a->dev = (int)alloc_piece_device(walk->txn, walk->inode->ino, run->blk);
	return 0;
}

/* Unwritten blocks for the beginning of @run, as many as one piece of free space has. */
static int map_reserve(struct map_walk *walk, struct map_run *run, enum map_fork fork)
{
	const struct map_want *want = walk->arg;
	uint64_t piece = alloc_piece_blocks(walk->txn), align = want->align ? want->align : MAP_ALIGN, daddr, nr;
	struct alloc_want a = { .min_align = want->min_align, .phase = run->blk, .goal = ALLOC_ANY };
	int err;

	a.len = min_u64(min_u64(run->nr, UINT32_MAX), piece - run->blk % piece);
	a.align = a.len >= align ? align : 0; /* a small file does not leave a hole behind */
	err = map_place(walk, run, fork, &a);
	if (err)
		return err;
	err = alloc_take(walk->txn, &a, &daddr, &nr);
	if (err == -ENOSPC && !want->has_dev) {
		a.dev = ALLOC_DEV_ANY;
		err = alloc_take(walk->txn, &a, &daddr, &nr);
	}
	if (err)
		return err;
	err = map_edit(walk->txn, walk->inode->ino, fork, fork == MAP_COW ? &run->cow : &run->data, run->blk, nr,
		       daddr, MAP_UNWRITTEN, false);
	if (err)
		return err;
	walk->inode->blocks += nr;
	run->nr = nr;
	return 0;
}

static int map_alloc_step(struct map_walk *walk, struct map_run *run)
{
	if (run->data.state == MAP_HOLE)
		return map_reserve(walk, run, MAP_DATA);
	if (!run->data.shared || run->cow.state != MAP_HOLE)
		return 0;
	if (run->refs > 1)
		return map_reserve(walk, run, MAP_COW);
	return map_edit(walk->txn, walk->inode->ino, MAP_DATA, &run->data, run->blk, run->nr,
			map_daddr(&run->data, run->blk), MAP_WRITTEN, false);
}

int map_alloc(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t nr, const struct map_want *want,
	      unsigned int max, uint64_t *ret_stop)
{
	struct map_walk walk = { .txn = txn, .inode = inode, .arg = want };

	return map_walk(&walk, blk, nr, max, map_alloc_step, ret_stop);
}
