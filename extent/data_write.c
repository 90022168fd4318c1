/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes.  Promise: whatever happens, a reader finds in every byte what the file's writes put there, or zeros.  So
 * blocks get their contents, whole and durable, while readers cannot see them yet (unwritten, or in the copy-on-write
 * map), and one transaction shows them and moves the size with them.  Only blocks that readers see already are
 * overwritten in place.
 *
 * The block of the end of file needs care.  Behind the size it must hold zeros, or the file must say that it may not
 * (INODE_DIRTY_TAIL); a write that grows the file inside such a block in place may get there without its transaction.
 * So the mark is durable before the write begins.  It stays while further writes grow the file within the block: they
 * know where the size was and clean what lies between.
 */

#include <string.h>

#include "extent/fs_int.h"
#include "extent/orphan.h"

enum job_kind {
	JOB_WRITE,
	JOB_ZERO, /* one block, if it is written */
	JOB_TAIL, /* the same, behind the end of file: no change of what readers see */
};

struct job {
	struct fs *fs;
	enum job_kind kind;
	uint64_t ino;
	uint64_t generation;
	uint64_t off;
	uint32_t len;
	const void *buf; /* NULL: zeros */
	bool durable;
	const struct data_also *also;
	uint64_t lock_first; /* locked from there on, at least to the end */
	uint64_t lock_end;
	struct data_look before; /* as found, if space was taken */
	struct data_look look;	 /* as it is written */
	uint64_t size;		 /* of the file when it was looked at */
	bool covers_tail;	 /* the file grows, and the block of its old end is written */
	bool tail_in_place;	 /* and in place */
	bool convert;		 /* something becomes readable */
	uint64_t blk;		 /* where the next step of the commit begins */
	/* Results */
	struct inode inode;
	bool ret_durable;
	uint64_t seq;
};

static uint64_t job_end(const struct job *job)
{
	return job->off + job->len;
}

static bool job_grows(const struct job *job)
{
	return job->kind == JOB_WRITE && job_end(job) > job->size;
}

static const struct data_run *job_run_of(const struct job *job, uint64_t blk)
{
	for (unsigned int i = 0; i < job->look.nr; i++)
		if (blk - job->look.runs[i].blk < job->look.runs[i].nr)
			return &job->look.runs[i];
	assert(!"a block that was not looked at");
	return NULL;
}

/* The mark of a tail that gets dirty */

static int mark_body(struct txn *txn, void *arg)
{
	const struct job *job = arg;
	struct inode inode;
	int err;

	err = data_get_file(txn, job->ino, job->generation, &inode);
	if (err || (inode.flags & INODE_DIRTY_TAIL))
		return err;
	if (inode.size != job->size)
		return -EAGAIN;
	inode.flags |= INODE_DIRTY_TAIL;
	return inode_put(txn, &inode);
}

FIBER_FN static int job_mark_tail(struct job *job)
{
	const struct txn_options opt = { .name = "mark tail", .log_max = INODE_LOG_PUT };
	int err = 0;

	if (!(job->look.inode.flags & INODE_DIRTY_TAIL))
		err = txn_run(job->fs, &opt, mark_body, job, NULL);
	/* And the cut that left the tail: or what it cut off would come back, partly overwritten. */
	return err ? err : txn_wait_durable(job->fs, fs_last_change(job->fs, job->ino));
}

/* Looking */

FIBER_FN static int job_look(struct job *job)
{
	int err;

	err = data_look(job->fs, &job->look);
	while (!err && job->look.inode.trim_from < job->look.end) {
		err = data_trim(job->fs, job->ino);
		if (!err)
			err = data_look(job->fs, &job->look);
	}
	job->size = job->look.inode.size;
	return err;
}

/*
 * Behind the old end of file there must be zeros up to where the write begins.  Everything in its own range is
 * written, or zeroed.
 */
FIBER_FN static int job_prepare_tail(struct job *job)
{
	bool behind = job->look.inode.flags & INODE_DIRTY_BEHIND;
	uint64_t tail_off, blk = job->size >> DADDR_BLOCK_SHIFT;
	uint32_t tail_len;
	int err;

	if (!job_grows(job) || blk >= job->look.first ||
	    !((behind && data_blk_up(job->size) < job->look.first) ||
	      inode_dirty_tail(&job->look.inode, &tail_off, &tail_len)))
		return 0;
	if (blk < job->lock_first || (behind && job->lock_end != DATA_END)) {
		job->lock_first = min_u64(job->lock_first, blk);
		job->lock_end = behind ? DATA_END : job->lock_end;
		return -EAGAIN;
	}
	err = data_write_clean_tail(job->fs, job->ino, job->generation, job->lock_first, job->lock_end,
				    data_also_guard(job->also));
	return err ? err : job_look(job);
}

/*
 * May it be done?  The zeros behind the old end of file, in the same block, would hit what a layout's holder has put
 * there and not committed.
 */
static int job_ask(const struct job *job)
{
	const struct data_look *look = &job->look;
	enum data_touch touch = DATA_OVERWRITE;

	for (unsigned int i = 0; i < look->nr; i++)
		if (!look->runs[i].in_place)
			touch = DATA_FILL;
	if (job_grows(job) && (look->inode.flags & (INODE_DIRTY_TAIL | INODE_DIRTY_BEHIND)))
		touch = DATA_REMAP;
	return data_guard_ask(data_also_guard(job->also), job->ino, look->first, look->end, touch);
}

/* Have blocks for everything. */
FIBER_FN static int job_take_space(struct job *job)
{
	struct data_look found = job->look;
	bool lacks = false;
	int err;

	for (unsigned int i = 0; i < found.nr; i++)
		lacks |= found.runs[i].lacks_space;
	if (!lacks)
		return 0;
	err = data_look_init(&job->look, job->ino, job->generation, found.first, found.end);
	if (err) {
		job->look = found;
		return err;
	}
	err = data_space_take(job->fs, &found);
	if (err) {
		data_look_release(&found);
		return err;
	}
	job->before = found;
	return job_look(job);
}

/* What this write means for the tail, and whether it shows anything new. */
static void job_judge(struct job *job)
{
	uint64_t tail = job->size >> DADDR_BLOCK_SHIFT;

	job->covers_tail = job_grows(job) && tail >= job->look.first && !is_aligned_u64(job->size, DADDR_BLOCK_SIZE);
	job->tail_in_place = job->covers_tail && job_run_of(job, tail)->in_place;
	job->convert = false;
	for (unsigned int i = 0; i < job->look.nr; i++)
		job->convert |= !job->look.runs[i].in_place;
}

/* Writing */

static void job_zero_behind_end(const struct job *job, struct data_image *image, uint64_t blk)
{
	uint64_t end = (blk + 1) << DADDR_BLOCK_SHIFT;

	if (job_grows(job) && end > job->size)
		data_image_zero(image, max_u64(job->size, blk << DADDR_BLOCK_SHIFT), end);
}

/* Blocks of which only a part is written: the old bytes, then the new ones over them. */
FIBER_FN static int job_fill(const struct job *job, struct data_image *image)
{
	uint64_t first = job->look.first, last = job->look.end - 1;
	bool head = !is_aligned_u64(job->off, DADDR_BLOCK_SIZE);
	bool tail = !is_aligned_u64(job_end(job), DADDR_BLOCK_SIZE);
	struct data_run part[2];
	unsigned int nr = 0;
	int err;

	if (head || (tail && first == last))
		part[nr++].blk = first;
	if (tail && first != last)
		part[nr++].blk = last;
	for (unsigned int i = 0; i < nr; i++) {
		const struct data_run *run = job_run_of(job, part[i].blk);

		part[i].nr = 1;
		part[i].state = run->state;
		part[i].daddr = run->daddr + (part[i].blk - run->blk);
	}
	err = nr ? data_io_read(job->fs, part, nr, image) : 0;
	if (err)
		return err;
	for (unsigned int i = 0; i < nr; i++)
		job_zero_behind_end(job, image, part[i].blk);
	data_image_copy_in(image);
	return 0;
}

FIBER_FN static int job_write(struct job *job)
{
	/* Behind the end there may be anything, which the new size would show after a power cut. */
	bool behind = job_grows(job) && (job->look.inode.flags & INODE_DIRTY_BEHIND);
	bool durable = job->durable || job->tail_in_place || behind || job->kind != JOB_WRITE;
	struct data_image image;
	int err;

	err = data_image_init(job->fs, &image, job->off, job->len, (void *)(uintptr_t)job->buf);
	if (err)
		return err;
	err = job_fill(job, &image);
	if (!err && (job->tail_in_place || job->kind == JOB_TAIL))
		err = job_mark_tail(job);
	if (!err && (job->convert || job->before.runs))
		err = data_io_wait_freed(job->fs);
	if (!err)
		err = data_io_write(job->fs, job->look.runs, job->look.nr, &image, durable, &job->ret_durable);
	data_image_release(job->fs, &image);
	return err;
}

/* The commit */

static int commit_size(const struct job *job, struct inode *inode, uint64_t stop)
{
	uint64_t size = min_u64(job_end(job), stop << DADDR_BLOCK_SHIFT), old = inode->size;
	bool dirty = inode->flags & INODE_DIRTY_TAIL;
	bool within = size >> DADDR_BLOCK_SHIFT == old >> DADDR_BLOCK_SHIFT;

	if (size <= old)
		return 0;
	/* Somebody has made or found a dirty tail that we did not clean. */
	if (dirty && !(job->covers_tail && old == job->size) && !is_aligned_u64(old, DADDR_BLOCK_SIZE))
		return -EAGAIN;
	if ((inode->flags & INODE_DIRTY_BEHIND) && data_blk_up(old) < job->look.first)
		return -EAGAIN;
	if (!(job->tail_in_place && within))
		inode->flags &= ~INODE_DIRTY_TAIL;
	inode->size = size;
	return 0;
}

static int commit_tail(const struct job *job, struct inode *inode)
{
	if (inode->size != job->off)
		return -EAGAIN;
	inode->flags &= ~INODE_DIRTY_TAIL;
	return 0;
}

static int commit_body(struct txn *txn, void *arg)
{
	struct job *job = arg;
	uint64_t stop = job->look.end;
	struct inode inode;
	int err;

	err = data_get_file(txn, job->ino, job->generation, &inode);
	if (!err && job->convert)
		err = map_convert(txn, &inode, job->blk, job->look.end - job->blk, data_limbo_tag(job->fs, job->ino),
				  DATA_STEPS, &stop);
	if (!err && job->kind == JOB_WRITE)
		err = commit_size(job, &inode, stop);
	if (!err && job->kind == JOB_TAIL)
		err = commit_tail(job, &inode);
	if (err)
		return err;
	if (job->kind != JOB_TAIL)
		inode_touch(txn, &inode, true);
	err = inode_put(txn, &inode);
	if (!err && stop == job->look.end)
		err = data_also_run(txn, job->also, &inode);
	if (err)
		return err;
	job->blk = stop;
	job->inode = inode;
	return 0;
}

FIBER_FN static int job_commit(struct job *job)
{
	struct txn_options opt = { .name = "write", .log_max = INODE_LOG_PUT };
	int err = 0;

	if (job->also)
		opt.log_max += job->also->log_max;
	if (job->convert)
		opt.log_max += DATA_STEPS * MAP_CONVERT_LOG;
	job->blk = job->look.first;
	while (!err && job->blk < job->look.end)
		err = txn_run(job->fs, &opt, commit_body, job, &job->seq);
	return err;
}

/* The whole, once.  -EAGAIN: the file was another when it should be committed, or more of it must be locked. */
FIBER_FN static int job_try_looked(struct job *job)
{
	int err;

	err = job_look(job);
	if (!err)
		err = job_ask(job);
	if (!err)
		err = job_prepare_tail(job);
	if (err)
		return err;
	if (job->kind != JOB_WRITE && job->look.runs[0].state != MAP_WRITTEN) {
		job->convert = false; /* zeros already */
		return job->kind == JOB_TAIL ? job_commit(job) : 0;
	}
	err = job_take_space(job);
	if (err)
		return err;
	job_judge(job);
	err = job_write(job);
	return err ? err : job_commit(job);
}

FIBER_FN static int job_try(struct job *job)
{
	int err;

	job->before = (struct data_look){ 0 };
	err = data_look_init(&job->look, job->ino, job->generation, job->off >> DADDR_BLOCK_SHIFT,
			     data_blk_up(job_end(job)));
	if (err)
		return err;
	err = job_try_looked(job);
	if (err && job->before.runs)
		data_space_undo(job->fs, job->ino, job->generation, job->before.runs, job->before.nr);
	data_look_release(&job->before);
	data_look_release(&job->look);
	return err;
}

int data_write(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, const void *buf, uint32_t len,
	       enum data_sync sync, const struct data_also *also, struct inode *ret_inode, bool *ret_durable,
	       uint64_t *ret_seq)
{
	struct job job = { .fs = fs,
			   .ino = ino,
			   .generation = generation,
			   .off = off,
			   .len = len,
			   .buf = buf,
			   .durable = sync == DATA_DURABLE,
			   .also = also };
	int err;

	if (len == 0 || len > DATA_IO_MAX)
		return -EINVAL;
	if (off > INODE_SIZE_MAX - len)
		return -EFBIG;
	job.lock_first = off >> DADDR_BLOCK_SHIFT;
	job.lock_end = data_blk_up(off + len);
	do {
		struct data_lock lock = { .ino = ino, .first = job.lock_first, .end = job.lock_end };

		data_lock_take(fs, &lock, 1);
		err = job_try(&job);
		data_lock_give(fs, &lock, 1);
	} while (err == -EAGAIN);
	if (err)
		return err;
	*ret_inode = job.inode;
	*ret_durable = job.ret_durable;
	*ret_seq = job.seq;
	return 0;
}

int data_write_zeros(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, uint32_t len, bool tail)
{
	struct job job = { .fs = fs,
			   .kind = tail ? JOB_TAIL : JOB_ZERO,
			   .ino = ino,
			   .generation = generation,
			   .off = off,
			   .len = len };

	return job_try(&job);
}

/* What is written behind the end is cut off, as if it had just been. */

struct behind_cut {
	uint64_t ino;
	uint64_t generation;
	uint64_t size; /* as it was looked at */
};

static int behind_cut_body(struct txn *txn, void *arg)
{
	const struct behind_cut *cut = arg;
	struct inode inode;
	int err;

	err = data_get_file(txn, cut->ino, cut->generation, &inode);
	if (err)
		return err;
	if (inode.size != cut->size)
		return -EAGAIN;
	err = inode_trim_behind(txn, &inode);
	return err ? err : inode_put(txn, &inode);
}

/* Where the block stays what it is, those who only read it need not know. */
FIBER_FN static int tail_ask(struct fs *fs, const struct inode *inode, uint64_t blk, const struct data_guard *guard)
{
	struct data_look look;
	bool stays;
	int err;

	err = data_look_init(&look, inode->ino, inode->generation, blk, blk + 1);
	if (err)
		return err;
	err = data_look(fs, &look);
	stays = !err && (look.runs[0].in_place || look.runs[0].state != MAP_WRITTEN);
	data_look_release(&look);
	return err ? err : data_guard_ask(guard, inode->ino, blk, blk + 1, stays ? DATA_TAIL : DATA_REMAP);
}

int data_write_zero_tail(struct fs *fs, const struct inode *inode, const struct data_guard *guard)
{
	uint64_t off;
	uint32_t len;
	int err;

	if (!inode_dirty_tail(inode, &off, &len))
		return 0;
	err = tail_ask(fs, inode, off >> DADDR_BLOCK_SHIFT, guard);
	return err ? err : data_write_zeros(fs, inode->ino, inode->generation, off, len, true);
}

FIBER_FN static int cut_behind(struct fs *fs, const struct inode *inode)
{
	const struct txn_options opt = { .name = "cut behind the end",
					 .log_max = INODE_LOG_PUT + ORPHAN_LOG_ADD,
					 .frees_space = true };
	struct behind_cut cut = { .ino = inode->ino, .generation = inode->generation, .size = inode->size };
	int err;

	err = txn_run(fs, &opt, behind_cut_body, &cut, NULL);
	return err ? err : data_trim(fs, inode->ino);
}

int data_write_clean_tail(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t lock_first, uint64_t lock_end,
			  const struct data_guard *guard)
{
	struct data_look look;
	int err, busy = 0;
	uint64_t off, blk;
	uint32_t len;
	bool behind;

	err = data_look_init(&look, ino, generation, 0, 0);
	if (!err)
		err = data_look(fs, &look);
	if (err)
		return err;
	blk = look.inode.size >> DADDR_BLOCK_SHIFT;
	behind = look.inode.flags & INODE_DIRTY_BEHIND;
	if ((behind || inode_dirty_tail(&look.inode, &off, &len)) &&
	    (blk < lock_first || blk >= lock_end || (behind && lock_end != DATA_END)))
		return -EAGAIN;
	/* Both are asked for at once. */
	if (behind)
		busy = data_guard_ask(guard, ino, data_blk_up(look.inode.size), DATA_END, DATA_REMAP);
	if (look.inode.trim_from != INODE_NO_TRIM)
		err = data_trim(fs, ino);
	if (!err)
		err = data_write_zero_tail(fs, &look.inode, guard);
	if (!err && behind && !busy)
		err = cut_behind(fs, &look.inode);
	return err ? err : busy;
}
