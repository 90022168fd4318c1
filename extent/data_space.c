/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks for a write, before it is known whether it will succeed.  What is taken is unwritten: so a crash leaves
 * blocks that read as zeros and belong to the file until it is cut, written there or deallocated; a failure without a
 * crash gives back exactly what was taken, and nothing that was reserved before.
 */

#include "extent/fs_int.h"

struct take {
	const struct data_look *look;
	uint64_t blk; /* where the next step begins */
};

static int take_body(struct txn *txn, void *arg)
{
	static const struct map_want want = { 0 };
	struct take *t = arg;
	struct inode inode;
	uint64_t stop;
	int err;

	err = data_get_file(txn, t->look->ino, t->look->generation, &inode);
	if (!err)
		err = inode_may_map(&inode, t->look->reached - 1);
	if (!err)
		err = map_alloc(txn, &inode, t->blk, t->look->reached - t->blk, &want, DATA_STEPS, &stop);
	if (!err)
		err = inode_put(txn, &inode);
	if (!err)
		t->blk = stop;
	return err;
}

FIBER_FN static int take_all(struct fs *fs, const struct data_look *look)
{
	const struct txn_options opt = { .name = "data space",
					 .log_max = DATA_STEPS * MAP_ALLOC_LOG + INODE_LOG_PUT };
	struct take t = { .look = look, .blk = look->first };
	int err = 0;

	while (!err && t.blk < look->reached)
		err = txn_run(fs, &opt, take_body, &t, NULL);
	return err;
}

/* Blocks that are missing for certain; what is shared may have lost its other owners. */
static bool look_is_hopeless(const struct fs *fs, const struct data_look *look)
{
	uint64_t missing = 0;

	for (unsigned int i = 0; i < look->nr; i++)
		if (look->runs[i].lacks_space && look->runs[i].state == MAP_HOLE)
			missing += look->runs[i].nr;
	return missing > fs->counts.free_blocks;
}

static bool look_lacks_space(const struct data_look *look)
{
	for (unsigned int i = 0; i < look->nr; i++)
		if (look->runs[i].lacks_space)
			return true;
	return false;
}

FIBER_FN static int take_once(struct fs *fs, const struct data_look *look)
{
	int err;

	/* Do not take from all others, step by step, what has to be given back in the end. */
	if (look_is_hopeless(fs, look))
		return -ENOSPC;
	err = take_all(fs, look);
	if (err)
		data_space_undo(fs, look->ino, look->generation, look->runs, look->nr);
	return err;
}

int data_space_take(struct fs *fs, const struct data_look *look)
{
	int err;

	if (!look_lacks_space(look))
		return 0;
	err = take_once(fs, look);
	/* Space that only waits for a trim is space. */
	if (err == -ENOSPC && data_settle(fs))
		err = take_once(fs, look);
	return err;
}

struct undo {
	uint64_t ino;
	uint64_t generation;
	const struct data_run *run;
	uint64_t blk;
};

static int undo_body(struct txn *txn, void *arg)
{
	struct undo *u = arg;
	uint64_t nr = u->run->blk + u->run->nr - u->blk, stop;
	struct inode inode;
	int err;

	err = data_get_file(txn, u->ino, u->generation, &inode);
	if (err)
		return err;
	if (u->run->state == MAP_HOLE)
		err = map_unreserve(txn, &inode, u->blk, nr, data_limbo_tag(txn_fs(txn), u->ino), DATA_STEPS, &stop);
	else
		err = map_cow_cancel(txn, &inode, u->blk, nr, data_limbo_tag(txn_fs(txn), u->ino), DATA_STEPS, &stop);
	if (!err)
		err = inode_put(txn, &inode);
	if (!err)
		u->blk = stop;
	return err;
}

/* Where this fails the blocks stay the file's, unwritten, as after a crash. */
void data_space_undo(struct fs *fs, uint64_t ino, uint64_t generation, const struct data_run *runs, unsigned int nr)
{
	const struct txn_options opt = { .name = "data space back",
					 .log_max = DATA_STEPS * MAP_PUNCH_LOG + INODE_LOG_PUT,
					 .frees_space = true };
	int err = 0;

	for (unsigned int i = 0; i < nr && !err; i++) {
		struct undo u = { .ino = ino, .generation = generation, .run = &runs[i], .blk = runs[i].blk };

		while (u.run->lacks_space && !err && u.blk < u.run->blk + u.run->nr)
			err = txn_run(fs, &opt, undo_body, &u, NULL);
	}
}
