// SPDX-License-Identifier: Apache-2.0
/*
 * Copies go from the front to the back, so what was done is always a first part, and its length says all.
 *
 * A step shares whole blocks where source and destination lie alike in theirs, and copies through a buffer elsewhere:
 * before the first and behind the last whole block, everywhere if they don't lie alike, and where sharing is refused
 * (the file has changed its length meanwhile, or a block has as many owners as it can have).  There a long hole of
 * the source is made one of the destination, but for its last block at the job's end, which is written: so the
 * destination gets its length as by any write, and there is no moment at which it could become shorter.
 */

#include "mds/copy_job.h"

#include <stdlib.h>

#include "extent/format.h"

int copy_job_init(struct copy_job *job, struct fs *fs, const struct data_range *src, const struct data_range *dst,
		  uint64_t len)
{
	void *buf = aligned_alloc(DADDR_BLOCK_SIZE, COPY_STEP);

	if (!buf)
		return -ENOMEM;
	*job = (struct copy_job){ .fs = fs, .src = *src, .dst = *dst, .len = len, .buf = buf };
	return 0;
}

void copy_job_release(struct copy_job *job)
{
	free(job->buf);
	job->buf = NULL;
}

static bool lies_alike(const struct copy_job *job)
{
	return !job->never_shares && is_aligned_u64(job->src.off ^ job->dst.off, DADDR_BLOCK_SIZE);
}

uint64_t copy_job_cost(const struct copy_job *job)
{
	return lies_alike(job) ? min_u64(job->len, 2 * DADDR_BLOCK_SIZE) : job->len;
}

struct two_sizes {
	const struct copy_job *job;
	uint64_t src, dst;
};

static int read_sizes(struct txn *txn, void *arg)
{
	struct two_sizes *s = arg;
	struct inode inode;
	int err = inode_get_gen(txn, s->job->src.ino, s->job->src.generation, &inode);

	if (err)
		return err;
	s->src = inode.size;
	err = inode_get_gen(txn, s->job->dst.ino, s->job->dst.generation, &inode);
	if (err)
		return err;
	s->dst = inode.size;
	return 0;
}

/*
 * How many bytes at the job's place can be shared, 0 if none.  The part of a block at the source's end can, if it is
 * the end of the destination too.
 */
static FIBER_FN int shareable(const struct copy_job *job, uint64_t *ret_len)
{
	struct two_sizes sizes = { .job = job };
	uint64_t from = job->src.off + job->done;
	uint64_t left = job->len - job->done;
	int err;

	*ret_len = 0;
	if (!lies_alike(job) || !is_aligned_u64(from, DADDR_BLOCK_SIZE))
		return 0;
	err = txn_read(job->fs, read_sizes, &sizes);
	if (err)
		return err;
	if (left > COPY_CLONE_STEP)
		*ret_len = COPY_CLONE_STEP;
	else if (from + left == sizes.src && job->dst.off + job->len >= sizes.dst)
		*ret_len = left;
	else
		*ret_len = round_down_u64(left, DADDR_BLOCK_SIZE);
	return 0;
}

/* The step that is begun does @len bytes: what goes with it. */
static const struct data_also *also_now(struct copy_job *job, uint64_t len, const struct data_also *also)
{
	job->next = job->done + len;
	job->plain = (struct data_also){ .guard = also ? also->guard : NULL };
	return job->in_steps || job->next == job->len ? also : &job->plain;
}

static void job_did(struct copy_job *job, uint64_t seq, bool written)
{
	job->seq = max_u64(job->seq, seq);
	job->done = job->next;
	if (written)
		job->written = job->done;
}

static FIBER_FN int share(struct copy_job *job, uint64_t len, const struct data_also *also)
{
	struct data_range src = job->src, dst = job->dst;
	struct inode inode;
	uint64_t seq;
	int err = 0;

	src.off += job->done;
	dst.off += job->done;
	/* What is shared may still be on its way to the device for the source. */
	if (job->in_steps)
		err = data_commit(job->fs, src.ino, src.generation);
	if (!err)
		err = data_clone(job->fs, &src, &dst, len, also_now(job, len, also), &inode, &seq);
	if (err == -EINVAL || err == -EMLINK) {
		job->never_shares = true;
		return 0;
	}
	if (err)
		return err;
	job_did(job, seq, true);
	return 0;
}

/*
 * The length of the hole at the job's place, 0 if there is none worth it.  Of a hole that reaches to the end of the
 * range the last block is left out.
 */
static FIBER_FN int hole_here(const struct copy_job *job, uint64_t *ret_len)
{
	uint64_t from = job->src.off + job->done, left = job->len - job->done, data;
	bool eof;
	int err;

	*ret_len = 0;
	if (left < COPY_HOLE_MIN + DADDR_BLOCK_SIZE)
		return 0;
	err = data_seek(job->fs, job->src.ino, job->src.generation, from, true, &data, &eof);
	if (err == -ENXIO) /* the source has become shorter: reading finds out */
		return 0;
	if (err)
		return err;
	if (data - from >= COPY_HOLE_MIN)
		*ret_len = min_u64(min_u64(data - from, left - DADDR_BLOCK_SIZE), COPY_CLONE_STEP);
	return 0;
}

static FIBER_FN int make_hole(struct copy_job *job, uint64_t len, const struct data_also *also)
{
	struct inode inode;
	uint64_t seq;
	int err = data_deallocate(job->fs, job->dst.ino, job->dst.generation, job->dst.off + job->done, len,
				  also_now(job, len, also), &inode, &seq);

	if (err)
		return err;
	job_did(job, seq, false);
	return 0;
}

/* Of @len bytes at the job's place those before the next long hole. */
static FIBER_FN int bytes_here(const struct copy_job *job, uint32_t *len)
{
	uint64_t from = job->src.off + job->done, hole, data;
	bool eof;
	int err = data_seek(job->fs, job->src.ino, job->src.generation, from, false, &hole, &eof);

	if (!err && !eof && hole - from < *len)
		err = data_seek(job->fs, job->src.ino, job->src.generation, hole, true, &data, &eof);
	else
		return err == -ENXIO ? 0 : err;
	if (!err && hole > from && data - hole >= COPY_HOLE_MIN)
		*len = (uint32_t)(hole - from);
	return err == -ENXIO ? 0 : err;
}

static FIBER_FN int copy_bytes(struct copy_job *job, const struct data_also *also)
{
	uint64_t from = job->src.off + job->done;
	uint64_t left = job->len - job->done;
	uint32_t len = (uint32_t)min_u64(left, COPY_STEP);
	uint32_t got;
	struct inode inode;
	bool eof, durable;
	uint64_t seq;
	int err;

	if (lies_alike(job) && !is_aligned_u64(from, DADDR_BLOCK_SIZE))
		len = (uint32_t)min_u64(len, round_up_u64(from, DADDR_BLOCK_SIZE) - from);
	err = bytes_here(job, &len);
	if (err)
		return err;
	err = data_read(job->fs, job->src.ino, job->src.generation, from, job->buf, len, &got, &eof);
	if (err)
		return err;
	if (got < len)
		job->len = job->done + got;
	if (got == 0)
		return 0;
	err = data_write(job->fs, job->dst.ino, job->dst.generation, job->dst.off + job->done, job->buf, got,
			 job->in_steps ? DATA_DURABLE : DATA_UNSTABLE, also_now(job, got, also), &inode, &durable,
			 &seq);
	if (err)
		return err;
	job_did(job, seq, true);
	return 0;
}

FIBER_FN int copy_job_step(struct copy_job *job, const struct data_also *also)
{
	uint64_t len;
	int err = shareable(job, &len);

	if (err)
		return err;
	if (len > 0)
		return share(job, len, also);
	err = hole_here(job, &len);
	if (err)
		return err;
	if (len > 0)
		return make_hole(job, len, also);
	return copy_bytes(job, also);
}
