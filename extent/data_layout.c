/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What layouts do with files: granting them, what their holders have written, and what they leave.  Promise: whatever
 * clients write where they may, a reader finds only what was committed, or zeros (I2); and nothing changes under a
 * granted layout (I15), because grants are made with their range locked and all that changes a range locks it too.
 *
 * The end of file.  Whoever may write its block may leave anything behind the end: INODE_DIRTY_TAIL says so from the
 * grant on, and INODE_DIRTY_BEHIND from a commit that reaches behind the end.  While a client holds those blocks they
 * are its business, for nobody can tell what it wrote for good from what it did not; before somebody else gets them,
 * or what would let the file grow over them, they are made zeros.
 */

#include "extent/fs_int.h"

/* Granting */

static struct data_lock *hold_lock(struct data_hold *hold)
{
	static_assert(sizeof(struct data_lock) <= sizeof(hold->priv), "a hold has room for its lock");
	return (struct data_lock *)(void *)hold->priv;
}

static bool is_held(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end)
{
	return guard && guard->held && guard->held(guard, ino, first, end);
}

/* Whether nobody may be writing there, so that it may be made zeros. */
static bool nobody_holds(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end)
{
	return !is_held(guard, ino, first, end) && !data_guard_ask(guard, ino, first, end, DATA_REMAP);
}

/* Taking blocks of a range away that are of one kind, run by run; the range is locked alone. */

struct give {
	struct fs *fs;
	uint64_t ino;
	uint64_t generation;
	uint64_t first, end;
	bool behind; /* what is written wholly behind the end of file; else what is reserved */
	bool ask;    /* who may still commit something there, too */
	const struct data_guard *guard;
	uint64_t blk, stop; /* of the run */
};

static bool give_wants(const struct give *g, const struct data_run *run)
{
	uint64_t end = run->blk + run->nr;

	if (g->behind ? run->state != MAP_WRITTEN : run->in_place || run->lacks_space)
		return false;
	return g->ask ? nobody_holds(g->guard, g->ino, run->blk, end) : !is_held(g->guard, g->ino, run->blk, end);
}

static int give_body(struct txn *txn, void *arg)
{
	struct give *g = arg;
	uint64_t tag = data_limbo_tag(g->fs, g->ino), stop;
	struct inode inode;
	int err;

	err = data_get_file(txn, g->ino, g->generation, &inode);
	if (!err && g->behind && g->blk < data_blk_up(inode.size))
		return -EAGAIN;
	if (!err && g->behind)
		err = map_punch(txn, &inode, g->blk, g->stop - g->blk, tag, DATA_STEPS, &stop);
	else if (!err)
		err = map_unreserve(txn, &inode, g->blk, g->stop - g->blk, tag, DATA_STEPS, &stop);
	if (!err)
		err = inode_put(txn, &inode);
	if (!err)
		g->blk = stop;
	return err;
}

FIBER_FN static int give_run(struct give *g, const struct data_run *run)
{
	const struct txn_options opt = { .name = "give back",
					 .log_max = DATA_STEPS * MAP_PUNCH_LOG + INODE_LOG_PUT,
					 .frees_space = true };
	int err = 0;

	g->blk = run->blk;
	g->stop = run->blk + run->nr;
	while (!err && g->blk < g->stop)
		err = txn_run(g->fs, &opt, give_body, g, NULL);
	return err;
}

FIBER_FN static int give_part(struct give *g)
{
	struct data_look look;
	int err;

	err = data_look_init(&look, g->ino, g->generation, g->first, g->end);
	if (err)
		return err;
	err = data_look(g->fs, &look);
	for (unsigned int i = 0; i < look.nr && !err; i++)
		if (give_wants(g, &look.runs[i]))
			err = give_run(g, &look.runs[i]);
	if (!err)
		g->first = look.reached;
	data_look_release(&look);
	return err;
}

FIBER_FN static int give_all(struct give *g)
{
	int err = 0;

	g->end = min_u64(g->end, MAP_BLK_MAX);
	while (!err && g->first < g->end)
		err = give_part(g);
	return err;
}

/* Whether what is behind the end of file in these blocks is left to somebody. */
static bool is_answered(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end)
{
	if (guard && guard->answers)
		return guard->answers(guard, ino, first, end);
	return is_held(guard, ino, first, end);
}

/*
 * The block of the end of file gets zeros behind the end, if it is nobody's, and in the range or before it.  -EAGAIN:
 * it must be locked too, from *@from on.
 */
FIBER_FN static int hold_clean_tail(struct fs *fs, const struct data_hold *hold, const struct inode *inode,
				    const struct data_guard *guard, uint64_t *from)
{
	uint64_t off, blk;
	uint32_t len;

	if (!inode_dirty_tail(inode, &off, &len))
		return 0;
	blk = off >> DADDR_BLOCK_SHIFT;
	if (blk >= hold->end || is_answered(guard, hold->ino, blk, blk + 1))
		return 0;
	if (blk < *from) {
		*from = blk;
		return -EAGAIN;
	}
	return data_write_zero_tail(fs, inode, guard);
}

FIBER_FN static int hold_look(struct fs *fs, const struct data_hold *hold, uint64_t generation,
			      struct inode *ret_inode)
{
	struct data_look look;
	int err;

	err = data_look_init(&look, hold->ino, generation, 0, 0);
	if (!err)
		err = data_look(fs, &look);
	if (!err)
		*ret_inode = look.inode;
	return err;
}

FIBER_FN static int hold_prepare(struct fs *fs, const struct data_hold *hold, uint64_t generation, bool grow,
				 const struct data_guard *guard, uint64_t *from)
{
	struct give behind = { .fs = fs,
			       .ino = hold->ino,
			       .generation = generation,
			       .end = hold->end,
			       .behind = true,
			       .ask = true,
			       .guard = guard };
	struct inode inode;
	int err;

	err = hold_look(fs, hold, generation, &inode);
	if (err)
		return err;
	behind.first = max_u64(hold->first, data_blk_up(inode.size));
	if (inode.trim_from < hold->end)
		err = data_trim(fs, hold->ino);
	if (!err && grow)
		err = hold_clean_tail(fs, hold, &inode, guard, from);
	if (!err && grow && (inode.flags & INODE_DIRTY_BEHIND))
		err = give_all(&behind);
	return err;
}

int data_hold(struct fs *fs, struct data_hold *hold, uint64_t ino, uint64_t generation, uint64_t first, uint64_t end,
	      bool grow, const struct data_guard *guard)
{
	struct data_lock *lock = hold_lock(hold);
	uint64_t from = first;
	int err;

	if (first >= end)
		return -EINVAL;
	hold->ino = ino;
	hold->first = first;
	hold->end = end;
	do {
		*lock = (struct data_lock){ .ino = ino, .first = from, .end = end, .shared = !grow };
		data_lock_take(fs, lock, 1);
		err = hold_prepare(fs, hold, generation, grow, guard, &from);
		if (err)
			data_lock_give(fs, lock, 1);
	} while (err == -EAGAIN); /* the end of file has moved, or lies before the range */
	return err;
}

void data_unhold(struct fs *fs, struct data_hold *hold)
{
	data_lock_give(fs, hold_lock(hold), 1);
}

void data_hold_grant(struct inode *inode, uint64_t first, uint64_t end)
{
	uint64_t blk = inode->size >> DADDR_BLOCK_SHIFT;

	if (!is_aligned_u64(inode->size, DADDR_BLOCK_SIZE) && first <= blk && blk < end)
		inode->flags |= INODE_DIRTY_TAIL;
}

/* The end of file before somebody else lets it grow */

int data_ready_to_grow(struct fs *fs, uint64_t ino, uint64_t generation, const struct data_guard *guard)
{
	struct data_hold hold = { .ino = ino };
	struct data_lock lock = { .ino = ino, .end = DATA_END };
	struct inode inode;
	int err;

	do {
		err = hold_look(fs, &hold, generation, &inode);
		if (err)
			return err;
		lock.first = inode.size >> DADDR_BLOCK_SHIFT;
		data_lock_take(fs, &lock, 1);
		err = data_write_clean_tail(fs, ino, generation, lock.first, lock.end, guard);
		data_lock_give(fs, &lock, 1);
	} while (err == -EAGAIN);
	return err;
}

/* What a holder has written */

/* The end of the run that has @blk, or @blk. */
static uint64_t runs_pass(const struct data_layout_commit *c, uint64_t blk)
{
	for (unsigned int i = 0; i < c->nr; i++)
		if (blk - c->runs[i].blk < c->runs[i].nr)
			return c->runs[i].blk + c->runs[i].nr;
	return blk;
}

/* Whether the committer answers for what blocks [@first, @end) hold. */
static bool commit_holds(const struct data_layout_commit *c, uint64_t first, uint64_t end)
{
	uint64_t at = first;

	if (first >= end || (c->holds && c->holds(c->arg, first, end)))
		return true;
	do {
		first = at;
		at = runs_pass(c, first);
	} while (at > first && at < end);
	return at >= end;
}

static int commit_runs(struct txn *txn, const struct data_layout_commit *c, struct inode *inode)
{
	uint64_t tag = data_limbo_tag(txn_fs(txn), c->ino);
	unsigned int steps = 0;
	int err = 0;

	for (unsigned int i = 0; i < c->nr && !err; i++) {
		uint64_t blk = c->runs[i].blk, end;

		if (c->runs[i].nr == 0 || blk >= MAP_BLK_MAX || c->runs[i].nr > MAP_BLK_MAX - blk)
			return -EINVAL;
		end = blk + c->runs[i].nr;
		err = inode_may_map(inode, end - 1);
		while (!err && blk < end) {
			if (steps++ == DATA_COMMIT_STEPS)
				return -E2BIG;
			err = map_convert(txn, inode, blk, end - blk, tag, 1, &blk);
		}
	}
	return err;
}

/* May what lies between the old end of file and @size show? */
static int commit_may_grow(const struct data_layout_commit *c, const struct inode *inode, uint64_t size)
{
	uint64_t off, blk, end = data_blk_up(size);
	uint32_t len;

	if (size > INODE_SIZE_MAX)
		return -EFBIG;
	if (end > inode->trim_from)
		return -EAGAIN;
	if (inode_dirty_tail(inode, &off, &len)) {
		blk = off >> DADDR_BLOCK_SHIFT;
		if (!commit_holds(c, blk, blk + 1))
			return -EAGAIN;
	}
	if ((inode->flags & INODE_DIRTY_BEHIND) && !commit_holds(c, data_blk_up(inode->size), end))
		return -EAGAIN;
	return 0;
}

static int commit_end_of_file(const struct data_layout_commit *c, struct inode *inode)
{
	int err;

	if (c->has_size && c->size > inode->size) {
		err = commit_may_grow(c, inode, c->size);
		if (err)
			return err;
		inode->size = c->size;
		inode->flags &= ~INODE_DIRTY_TAIL;
		if (!is_aligned_u64(inode->size, DADDR_BLOCK_SIZE))
			inode->flags |= INODE_DIRTY_TAIL;
	}
	for (unsigned int i = 0; i < c->nr; i++) {
		data_hold_grant(inode, c->runs[i].blk, c->runs[i].blk + c->runs[i].nr);
		if (c->runs[i].blk + c->runs[i].nr > data_blk_up(inode->size))
			inode->flags |= INODE_DIRTY_BEHIND;
	}
	return 0;
}

int data_commit_layout(struct txn *txn, const struct data_layout_commit *commit, struct inode *ret_inode)
{
	struct inode inode;
	int err;

	if (commit->has_mtime && commit->mtime.nsec >= NSEC_PER_SEC)
		return -EINVAL;
	err = data_get_file(txn, commit->ino, commit->generation, &inode);
	if (!err)
		err = commit_runs(txn, commit, &inode);
	if (!err)
		err = commit_end_of_file(commit, &inode);
	if (err)
		return err;
	inode_touch(txn, &inode, true);
	if (commit->has_mtime)
		inode.mtime = commit->mtime;
	err = inode_put(txn, &inode);
	if (!err)
		*ret_inode = inode;
	return err;
}

/* What a layout leaves */

FIBER_FN static int unreserve_locked(struct give *g)
{
	struct data_hold range = { .ino = g->ino };
	struct inode inode;
	uint64_t first = g->first;
	int err;

	err = give_all(g);
	if (!err)
		err = hold_look(g->fs, &range, g->generation, &inode);
	if (err || !(inode.flags & INODE_DIRTY_BEHIND))
		return err;
	g->behind = true;
	g->first = max_u64(first, data_blk_up(inode.size));
	return give_all(g);
}

int data_unreserve(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t first, uint64_t end,
		   const struct data_guard *guard)
{
	struct data_lock lock = { .ino = ino, .first = first, .end = end };
	struct give g = {
		.fs = fs, .ino = ino, .generation = generation, .first = first, .end = end, .guard = guard
	};
	int err;

	if (first >= end)
		return 0;
	data_lock_take(fs, &lock, 1);
	do {
		g.first = first;
		g.behind = false;
		err = unreserve_locked(&g);
	} while (err == -EAGAIN); /* the end of file has moved */
	data_lock_give(fs, &lock, 1);
	return err;
}
