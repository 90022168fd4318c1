/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New space that is readable from the start, because it was made zeros before anybody gets it.  A block is converted
 * when its zeros are on stable storage, so a crash leaves blocks that are still unwritten, or zeros.
 */

#include "extent/fs_int.h"

struct zero {
	struct fs *fs;
	uint64_t ino;
	uint64_t generation;
	uint64_t first, end;
	const struct data_guard *guard;
	const struct data_run *run; /* that is converted */
	uint64_t blk;		    /* from there on */
};

/* Holes and unwritten blocks of nobody. */
static bool zero_wants(const struct zero *z, const struct data_run *run)
{
	return run->state != MAP_WRITTEN &&
	       !(z->guard && z->guard->held && z->guard->held(z->guard, z->ino, run->blk, run->blk + run->nr)) &&
	       !data_guard_ask(z->guard, z->ino, run->blk, run->blk + run->nr, DATA_REMAP);
}

/* What of the look is wanted stays in it. */
static void zero_choose(const struct zero *z, struct data_look *look)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < look->nr; i++)
		if (zero_wants(z, &look->runs[i]))
			look->runs[nr++] = look->runs[i];
	look->nr = nr;
}

/* Blocks for the holes among the runs. */
FIBER_FN static int zero_take(const struct zero *z, const struct data_look *look)
{
	int err = 0;

	for (unsigned int i = 0; i < look->nr && !err; i++) {
		struct data_run *run = &look->runs[i];
		const struct data_look hole = { .ino = z->ino,
						.generation = z->generation,
						.first = run->blk,
						.end = run->blk + run->nr,
						.runs = run,
						.nr = 1,
						.reached = run->blk + run->nr };

		err = data_space_take(z->fs, &hole);
	}
	return err;
}

static int zero_body(struct txn *txn, void *arg)
{
	struct zero *z = arg;
	uint64_t end = z->run->blk + z->run->nr, stop;
	struct inode inode;
	int err;

	err = data_get_file(txn, z->ino, z->generation, &inode);
	if (!err)
		err = map_convert(txn, &inode, z->blk, end - z->blk, data_limbo_tag(z->fs, z->ino), DATA_STEPS,
				  &stop);
	if (err)
		return err;
	if (stop > data_blk_up(inode.size))
		inode.flags |= INODE_DIRTY_BEHIND;
	err = inode_put(txn, &inode);
	if (!err)
		z->blk = stop;
	return err;
}

FIBER_FN static int zero_convert(struct zero *z, const struct data_look *look)
{
	const struct txn_options opt = { .name = "zero", .log_max = DATA_STEPS * MAP_CONVERT_LOG + INODE_LOG_PUT };
	int err = 0;

	for (unsigned int i = 0; i < look->nr && !err; i++) {
		z->run = &look->runs[i];
		z->blk = z->run->blk;
		while (!err && z->blk < z->run->blk + z->run->nr)
			err = txn_run(z->fs, &opt, zero_body, z, NULL);
	}
	return err;
}

/* Where the wanted runs are, now that all have blocks. */
FIBER_FN static int zero_write(struct zero *z, const struct data_look *wanted)
{
	struct data_look look;
	int err = 0;

	for (unsigned int i = 0; i < wanted->nr && !err; i++) {
		uint64_t blk = wanted->runs[i].blk, end = blk + wanted->runs[i].nr;

		while (!err && blk < end) {
			err = data_look_init(&look, z->ino, z->generation, blk, end);
			if (err)
				return err;
			err = data_look(z->fs, &look);
			if (!err)
				err = data_io_zero(z->fs, look.runs, look.nr);
			if (!err)
				err = zero_convert(z, &look);
			blk = look.reached;
			data_look_release(&look);
		}
	}
	return err;
}

FIBER_FN static int zero_part(struct zero *z)
{
	struct data_look look;
	int err;

	err = data_look_init(&look, z->ino, z->generation, z->first, z->end);
	if (err)
		return err;
	err = data_look(z->fs, &look);
	if (!err) {
		z->first = look.reached;
		zero_choose(z, &look);
		err = zero_take(z, &look);
	}
	/* The owners before must have lost them for good. */
	if (!err && look.nr)
		err = data_io_wait_freed(z->fs);
	if (!err)
		err = zero_write(z, &look);
	if (err && look.nr)
		data_space_undo(z->fs, z->ino, z->generation, look.runs, look.nr);
	data_look_release(&look);
	return err;
}

int data_zero(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t first, uint64_t end,
	      const struct data_guard *guard)
{
	struct zero z = { .fs = fs,
			  .ino = ino,
			  .generation = generation,
			  .first = first,
			  .end = min_u64(end, MAP_BLK_MAX),
			  .guard = guard };
	int err = 0;

	while (!err && z.first < z.end)
		err = zero_part(&z);
	return err;
}
