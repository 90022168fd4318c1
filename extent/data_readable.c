/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New blocks that are readable from the start, because they were made zeros, or copies of what they stand for, before
 * anybody gets them.  A block is converted when that is on stable storage, so a crash leaves what was there before,
 * or the same bytes in new blocks.
 */

#include "extent/fs_int.h"

struct readable {
	struct fs *fs;
	uint64_t ino;
	uint64_t generation;
	uint64_t first, end;
	uint64_t copy_end; /* what is shared behind it stays so */
	const struct data_guard *guard;
	uint64_t blk, stop; /* what is still to be converted */
};

/* Of nobody, and not written, or not the file's alone. */
static bool readable_wants(const struct readable *r, const struct data_run *run)
{
	uint64_t end = run->blk + run->nr;

	return !run->in_place && run->nr > 0 &&
	       !(r->guard && r->guard->held && r->guard->held(r->guard, r->ino, run->blk, end)) &&
	       !data_guard_ask(r->guard, r->ino, run->blk, end, DATA_REMAP);
}

/* What of the look is wanted stays in it. */
static void readable_choose(const struct readable *r, struct data_look *look)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < look->nr; i++) {
		struct data_run run = look->runs[i];

		if (run.state == MAP_WRITTEN)
			run.nr = min_u64(run.nr, r->copy_end - min_u64(r->copy_end, run.blk));
		if (readable_wants(r, &run))
			look->runs[nr++] = run;
	}
	look->nr = nr;
}

/* Blocks for what lacks them. */
FIBER_FN static int readable_take(const struct readable *r, const struct data_look *look)
{
	int err = 0;

	for (unsigned int i = 0; i < look->nr && !err; i++) {
		struct data_run *run = &look->runs[i];
		const struct data_look hole = { .ino = r->ino,
						.generation = r->generation,
						.first = run->blk,
						.end = run->blk + run->nr,
						.runs = run,
						.nr = 1,
						.reached = run->blk + run->nr };

		err = data_space_take(r->fs, &hole);
	}
	return err;
}

static int readable_body(struct txn *txn, void *arg)
{
	struct readable *r = arg;
	struct inode inode;
	uint64_t stop;
	int err;

	err = data_get_file(txn, r->ino, r->generation, &inode);
	if (!err)
		err = map_convert(txn, &inode, r->blk, r->stop - r->blk, data_limbo_tag(r->fs, r->ino), DATA_STEPS,
				  &stop);
	if (err)
		return err;
	if (stop > data_blk_up(inode.size))
		inode.flags |= INODE_DIRTY_BEHIND;
	err = inode_put(txn, &inode);
	if (!err)
		r->blk = stop;
	return err;
}

FIBER_FN static int readable_convert(struct readable *r, uint64_t first, uint64_t end)
{
	const struct txn_options opt = { .name = "make readable",
					 .log_max = DATA_STEPS * MAP_CONVERT_LOG + INODE_LOG_PUT };
	int err = 0;

	r->blk = first;
	r->stop = end;
	while (!err && r->blk < end)
		err = txn_run(r->fs, &opt, readable_body, r, NULL);
	return err;
}

/* What readers get of a shared run, to where its owner will be alone with it. */
FIBER_FN static int readable_copy(struct fs *fs, const struct data_run *shared)
{
	uint64_t blk = shared->blk, end = shared->blk + shared->nr;
	int err = 0;

	while (blk < end && !err) {
		uint64_t nr = min_u64(end - blk, DATA_IO_MAX / DADDR_BLOCK_SIZE), at = blk - shared->blk;
		const struct data_run run = { .blk = blk,
					      .nr = nr,
					      .state = shared->state,
					      .daddr = shared->daddr + at,
					      .target = shared->target + at };
		struct data_image image;
		bool durable;

		err = data_image_init(fs, &image, blk << DADDR_BLOCK_SHIFT, (uint32_t)(nr << DADDR_BLOCK_SHIFT),
				      NULL);
		if (err)
			return err;
		err = data_io_read(fs, &run, 1, &image);
		if (!err)
			err = data_io_write(fs, &run, 1, &image, true, &durable);
		data_image_release(fs, &image);
		blk += nr;
	}
	return err;
}

/* All runs of the look, which have blocks.  Who was the last to share some need do nothing. */
FIBER_FN static int readable_fill(const struct readable *r, struct data_look *look)
{
	unsigned int nr = 0;
	int err = 0;

	for (unsigned int i = 0; i < look->nr && !err; i++)
		if (look->runs[i].state == MAP_WRITTEN && !look->runs[i].in_place)
			err = readable_copy(r->fs, &look->runs[i]);
	if (err)
		return err;
	/* The others at the same time, as the devices like it. */
	for (unsigned int i = 0; i < look->nr; i++)
		if (look->runs[i].state != MAP_WRITTEN)
			look->runs[nr++] = look->runs[i];
	look->nr = nr;
	return nr ? data_io_zero(r->fs, look->runs, nr) : 0;
}

/* A run that was wanted, where it is now that it has blocks. */
FIBER_FN static int readable_run(struct readable *r, const struct data_run *wanted)
{
	uint64_t blk = wanted->blk, end = blk + wanted->nr;
	int err = 0;

	while (!err && blk < end) {
		struct data_look look;

		err = data_look_init(&look, r->ino, r->generation, blk, end);
		if (err)
			return err;
		err = data_look(r->fs, &look);
		if (!err)
			err = readable_fill(r, &look);
		if (!err)
			err = readable_convert(r, blk, look.reached);
		blk = look.reached;
		data_look_release(&look);
	}
	return err;
}

FIBER_FN static int readable_write(struct readable *r, const struct data_look *wanted)
{
	int err = 0;

	for (unsigned int i = 0; i < wanted->nr && !err; i++)
		err = readable_run(r, &wanted->runs[i]);
	return err;
}

FIBER_FN static int readable_part(struct readable *r)
{
	struct data_look look;
	int err;

	err = data_look_init(&look, r->ino, r->generation, r->first, r->end);
	if (err)
		return err;
	err = data_look(r->fs, &look);
	if (!err) {
		r->first = look.reached;
		readable_choose(r, &look);
		err = readable_take(r, &look);
	}
	/* The owners before must have lost them for good. */
	if (!err && look.nr)
		err = data_io_wait_freed(r->fs);
	if (!err)
		err = readable_write(r, &look);
	if (err && look.nr)
		data_space_undo(r->fs, r->ino, r->generation, look.runs, look.nr);
	data_look_release(&look);
	return err;
}

int data_make_readable(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t first, uint64_t end,
		       uint64_t copy_end, const struct data_guard *guard)
{
	struct readable r = { .fs = fs,
			      .ino = ino,
			      .generation = generation,
			      .first = first,
			      .end = min_u64(end, MAP_BLK_MAX),
			      .copy_end = copy_end,
			      .guard = guard };
	int err = 0;

	while (!err && r.first < r.end)
		err = readable_part(&r);
	return err;
}
