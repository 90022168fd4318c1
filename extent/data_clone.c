/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clones.  Source and destination are locked together, so what is shared is one instant of the source, and what
 * leaves the destination has no reader any more.  The size follows the blocks step by step.  A block that is shared
 * has zeros behind the end of both files.
 */

#include "extent/fs_int.h"

#define CLONE_STEPS 16

struct clone {
	struct fs *fs;
	const struct data_range *src, *dst;
	const struct data_also *also;
	uint64_t want; /* bytes as asked for; 0: to the end of the source */
	/* The plan, as source and destination are now */
	uint64_t len; /* bytes */
	uint64_t nr;  /* blocks */
	bool grows;
	bool tail_behind; /* and the old end lies before the range */
	bool dirty_tail;  /* what lies behind the end of the source, whose last block is shared, may not be zeros */
	bool behind;	  /* and something is written behind it */
	bool trim;
	uint64_t lock_first;
	/* Where the next step begins, from the start of the range */
	uint64_t done;
	/* Results */
	struct inode inode;
	uint64_t seq;
};

static int clone_check(const struct clone *c, const struct inode *src, const struct inode *dst)
{
	uint64_t src_off = c->src->off, dst_off = c->dst->off;

	if (!is_aligned_u64(src_off | dst_off, DADDR_BLOCK_SIZE) || src_off > src->size ||
	    c->len > src->size - src_off)
		return -EINVAL;
	if (dst_off > INODE_SIZE_MAX || c->len > INODE_SIZE_MAX - dst_off)
		return -EFBIG;
	if (!is_aligned_u64(c->len, DADDR_BLOCK_SIZE) &&
	    (src_off + c->len != src->size || dst_off + c->len < dst->size))
		return -EINVAL;
	if (src->ino == dst->ino && src_off < dst_off + c->len && dst_off < src_off + c->len)
		return -EINVAL;
	return 0;
}

static int clone_plan_body(struct txn *txn, void *arg)
{
	struct clone *c = arg;
	struct inode src, dst;
	uint64_t first = c->dst->off >> DADDR_BLOCK_SHIFT, tail;
	int err;

	err = data_get_file(txn, c->src->ino, c->src->generation, &src);
	if (!err)
		err = data_get_file(txn, c->dst->ino, c->dst->generation, &dst);
	if (err)
		return err;
	c->len = c->want || c->src->off > src.size ? c->want : src.size - c->src->off;
	err = clone_check(c, &src, &dst);
	if (err)
		return err;
	tail = dst.size >> DADDR_BLOCK_SHIFT;
	c->nr = data_blk_up(c->len);
	c->grows = c->dst->off + c->len > dst.size && c->len;
	c->tail_behind = c->grows && tail < first && (dst.flags & INODE_DIRTY_TAIL);
	c->dirty_tail = !is_aligned_u64(c->len, DADDR_BLOCK_SIZE) && (src.flags & INODE_DIRTY_TAIL);
	c->trim = first + c->nr > dst.trim_from;
	c->behind = c->grows && (dst.flags & INODE_DIRTY_BEHIND);
	c->lock_first = c->tail_behind || c->behind ? min_u64(tail, first) : first;
	return 0;
}

static int clone_grow(const struct clone *c, struct inode *inode, uint64_t stop)
{
	uint64_t end = c->dst->off + c->len, size = min_u64(end, stop << DADDR_BLOCK_SHIFT);

	if (size > inode->size) {
		/* Somebody has made the tail dirty since the plan. */
		if ((inode->flags & INODE_DIRTY_TAIL) && inode->size < c->dst->off)
			return -EAGAIN;
		if (inode->flags & INODE_DIRTY_BEHIND)
			return -EAGAIN;
		inode->size = size;
		inode->flags &= ~INODE_DIRTY_TAIL;
	}
	return 0;
}

static int clone_body(struct txn *txn, void *arg)
{
	struct clone *c = arg;
	uint64_t src = c->src->off >> DADDR_BLOCK_SHIFT, dst = c->dst->off >> DADDR_BLOCK_SHIFT, stop = dst;
	struct inode inode;
	int err;

	err = data_get_file(txn, c->src->ino, c->src->generation, &inode);
	if (!err)
		err = data_get_file(txn, c->dst->ino, c->dst->generation, &inode);
	if (!err && c->nr)
		err = map_clone(txn, c->src->ino, src + c->done, &inode, dst + c->done, c->nr - c->done,
				data_limbo_tag(c->fs, c->dst->ino), CLONE_STEPS, &stop);
	if (!err && c->nr)
		err = clone_grow(c, &inode, stop);
	if (err)
		return err;
	inode_touch(txn, &inode, true);
	err = inode_put(txn, &inode);
	if (!err && stop - dst == c->nr)
		err = data_also_run(txn, c->also, &inode);
	if (err)
		return err;
	c->done = stop - dst;
	c->inode = inode;
	return 0;
}

static int clone_ask(const struct clone *c)
{
	const struct data_guard *guard = data_also_guard(c->also);
	uint64_t src = c->src->off >> DADDR_BLOCK_SHIFT, dst = c->dst->off >> DADDR_BLOCK_SHIFT;
	int err;

	err = data_guard_ask(guard, c->src->ino, src, src + c->nr, DATA_REMAP);
	return err ? err : data_guard_ask(guard, c->dst->ino, dst, dst + c->nr, DATA_REMAP);
}

/*
 * The block of the source's end is shared only with zeros behind the end: nobody could make them in its place any
 * more.  Nobody has it (clone_ask()).
 */
FIBER_FN static int clone_clean_source(const struct clone *c)
{
	uint64_t end = c->src->off + c->len;
	uint32_t len = (uint32_t)(round_up_u64(end, DADDR_BLOCK_SIZE) - end);

	return c->dirty_tail ? data_write_zeros(c->fs, c->src->ino, c->src->generation, end, len, true) : 0;
}

/* @locks of the source and the destination.  -EAGAIN: more must be locked. */
FIBER_FN static int clone_locked(struct clone *c, const struct data_lock locks[2], uint64_t lock_nr)
{
	const struct data_lock *lock = &locks[1];
	struct txn_options opt = { .name = "clone", .log_max = CLONE_STEPS * MAP_CLONE_LOG + INODE_LOG_PUT };
	int err;

	if (c->also)
		opt.log_max += c->also->log_max;
	err = txn_read(c->fs, clone_plan_body, c);
	if (!err && (c->lock_first < lock->first || c->nr > lock_nr || (c->behind && lock->end != DATA_END) ||
		     (c->dirty_tail && locks[0].shared)))
		err = -EAGAIN;
	if (!err)
		err = clone_ask(c);
	if (!err)
		err = clone_clean_source(c);
	if (!err && (c->tail_behind || c->behind))
		err = data_write_clean_tail(c->fs, c->dst->ino, c->dst->generation, lock->first, lock->end,
					    data_also_guard(c->also));
	if (!err && c->trim)
		err = data_trim(c->fs, c->dst->ino);
	if (!err && (c->dirty_tail || c->tail_behind || c->behind || c->trim)) /* the source may be the same file */
		err = txn_read(c->fs, clone_plan_body, c);
	if (err)
		return err;
	c->done = 0;
	do
		err = txn_run(c->fs, &opt, clone_body, c, &c->seq);
	while (!err && c->done < c->nr);
	return err;
}

FIBER_FN static int clone_try(struct clone *c)
{
	uint64_t src = c->src->off >> DADDR_BLOCK_SHIFT, dst = c->dst->off >> DADDR_BLOCK_SHIFT, nr, first;
	struct data_lock locks[2];
	int err;

	err = txn_read(c->fs, clone_plan_body, c);
	if (err)
		return err;
	first = c->lock_first;
	nr = max_u64(c->nr, 1);
	locks[0] = (struct data_lock){ .ino = c->src->ino, .first = src, .end = src + nr, .shared = !c->dirty_tail };
	locks[1] = (struct data_lock){ .ino = c->dst->ino, .first = first, .end = c->behind ? DATA_END : dst + nr };
	data_lock_take(c->fs, locks, 2);
	err = clone_locked(c, locks, nr);
	data_lock_give(c->fs, locks, 2);
	return err;
}

int data_clone(struct fs *fs, const struct data_range *src, const struct data_range *dst, uint64_t len,
	       const struct data_also *also, struct inode *ret_inode, uint64_t *ret_seq)
{
	struct clone c = { .fs = fs, .src = src, .dst = dst, .also = also, .want = len };
	int err;

	do
		err = clone_try(&c);
	while (err == -EAGAIN);
	if (err)
		return err;
	*ret_inode = c.inode;
	*ret_seq = c.seq;
	return 0;
}
