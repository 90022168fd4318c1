/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of sizes and maps that must not meet a read or write on its way: each locks what it changes first.  Long
 * ones are many transactions, and a crash between two leaves a file that is as if the call had been for a shorter
 * range.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/fs_int.h"

/* Runs that an allocation remembers, to give them back if it does not come to its end. */
#define ALLOCATE_RUNS_MAX 65536u

/* What all of them are about. */
struct change {
	struct fs *fs;
	uint64_t ino;
	uint64_t generation;
	const struct data_also *also;
	uint64_t blk, end; /* blocks that are left to do */
	/* Results */
	struct inode inode;
	uint64_t seq;
};

static size_t also_log(const struct data_also *also)
{
	return also ? also->log_max : 0;
}

/* Put the inode; and with @last the caller's part. */
static int change_put(struct txn *txn, struct change *c, struct inode *inode, bool last)
{
	int err;

	err = inode_put(txn, inode);
	if (!err && last)
		err = data_also_run(txn, c->also, inode);
	if (!err)
		c->inode = *inode;
	return err;
}

FIBER_FN static int change_look(struct change *c, struct inode *ret_inode)
{
	struct data_look look;
	int err;

	err = data_look_init(&look, c->ino, c->generation, 0, 0);
	if (!err)
		err = data_look(c->fs, &look);
	if (!err)
		*ret_inode = look.inode;
	return err;
}

/* Attributes */

struct setattr {
	struct change c;
	const struct inode_attrs *attrs;
	uint64_t first; /* locked from there on; DATA_END: nothing is */
	bool shrinks;
	bool relock; /* the size has become smaller than what is locked */
};

/* The first block that a change of the size is about. */
static uint64_t setattr_first(const struct setattr *s, const struct inode *inode)
{
	if (!(s->attrs->mask & INODE_SET_SIZE) || !S_ISREG(inode->mode))
		return DATA_END;
	return min_u64(inode->size, min_u64(s->attrs->size, INODE_SIZE_MAX)) >> DADDR_BLOCK_SHIFT;
}

static int setattr_look_body(struct txn *txn, void *arg)
{
	struct setattr *s = arg;
	struct inode inode;
	int err;

	err = inode_get_gen(txn, s->c.ino, s->c.generation, &inode);
	if (err)
		return err;
	s->first = setattr_first(s, &inode);
	s->shrinks = s->first != DATA_END && s->attrs->size < inode.size;
	return 0;
}

static int setattr_body(struct txn *txn, void *arg)
{
	struct setattr *s = arg;
	struct inode inode;
	int err;

	err = inode_get_gen(txn, s->c.ino, s->c.generation, &inode);
	if (err)
		return err;
	s->relock = setattr_first(s, &inode) < s->first;
	if (s->relock)
		return -EAGAIN;
	if (s->first != DATA_END && s->attrs->size < inode.size)
		err = data_guard_ask(data_also_guard(s->c.also), s->c.ino, s->attrs->size >> DADDR_BLOCK_SHIFT,
				     DATA_END, DATA_REMAP);
	if (!err)
		err = inode_setattr(txn, s->c.ino, s->attrs, &inode);
	if (!err)
		err = data_also_run(txn, s->c.also, &inode);
	if (!err)
		s->c.inode = inode;
	return err;
}

FIBER_FN static int setattr_try(struct setattr *s)
{
	const struct txn_options opt = { .name = "setattr",
					 .log_max = INODE_LOG_SETATTR + also_log(s->c.also),
					 .frees_space = s->shrinks };
	struct data_lock lock = { .ino = s->c.ino, .first = s->first, .end = DATA_END };
	bool locked = s->first != DATA_END;
	int err;

	if (locked)
		data_lock_take(s->c.fs, &lock, 1);
	err = txn_run(s->c.fs, &opt, setattr_body, s, &s->c.seq);
	if (err == -EAGAIN && !s->relock) {
		err = data_write_clean_tail(s->c.fs, s->c.ino, s->c.generation, lock.first, lock.end,
					    data_also_guard(s->c.also));
		if (!err)
			err = txn_run(s->c.fs, &opt, setattr_body, s, &s->c.seq);
	}
	if (locked)
		data_lock_give(s->c.fs, &lock, 1);
	return err;
}

int data_setattr(struct fs *fs, uint64_t ino, uint64_t generation, const struct inode_attrs *attrs,
		 const struct data_also *also, struct inode *ret_inode, uint64_t *ret_seq)
{
	struct setattr s = { .c = { .fs = fs, .ino = ino, .generation = generation, .also = also },
			     .attrs = attrs,
			     .first = DATA_END };
	int err = 0;

	do {
		if (attrs->mask & INODE_SET_SIZE)
			err = txn_read(fs, setattr_look_body, &s);
		if (!err)
			err = setattr_try(&s);
	} while (err == -EAGAIN);
	if (err)
		return err;
	if (s.c.inode.trim_from != INODE_NO_TRIM)
		data_trim_later(fs, ino);
	*ret_inode = s.c.inode;
	*ret_seq = s.c.seq;
	return 0;
}

/* Allocation */

struct allocate {
	struct change c;
	uint64_t size; /* the file has at least so many bytes afterwards */
	uint64_t lock_first, lock_end;
	struct data_run *taken;
	unsigned int nr, max;
};

/* What cannot be remembered is not given back. */
static void allocate_remember(struct allocate *a, const struct data_look *look)
{
	for (unsigned int i = 0; i < look->nr; i++) {
		const struct data_run *run = &look->runs[i];
		struct data_run *last = a->nr ? &a->taken[a->nr - 1] : NULL;

		if (!run->lacks_space)
			continue;
		if (last && last->blk + last->nr == run->blk && last->state == run->state)
			last->nr += run->nr;
		else if (a->nr < a->max)
			a->taken[a->nr++] = *run;
	}
}

static int allocate_make_room(struct allocate *a, unsigned int nr)
{
	unsigned int max = (unsigned int)min_u64(max_u64(2ull * a->max, a->nr + nr), ALLOCATE_RUNS_MAX);
	struct data_run *mem;

	if (a->nr + nr <= a->max || a->max >= ALLOCATE_RUNS_MAX)
		return 0;
	mem = realloc(a->taken, max * sizeof(*mem));
	if (!mem)
		return -ENOMEM;
	a->taken = mem;
	a->max = max;
	return 0;
}

/* What lacks space gets other blocks, or another state. */
static int allocate_ask(const struct allocate *a, const struct data_look *look)
{
	int err = 0;

	for (unsigned int i = 0; i < look->nr && !err; i++)
		if (look->runs[i].lacks_space)
			err = data_guard_ask(data_also_guard(a->c.also), a->c.ino, look->runs[i].blk,
					     look->runs[i].blk + look->runs[i].nr, DATA_REMAP);
	return err;
}

/* Blocks for the first part of what is left. */
FIBER_FN static int allocate_part(struct allocate *a)
{
	struct data_look look;
	int err;

	err = data_look_init(&look, a->c.ino, a->c.generation, a->c.blk, a->c.end);
	if (err)
		return err;
	err = data_look(a->c.fs, &look);
	if (!err)
		err = allocate_ask(a, &look);
	if (!err)
		err = allocate_make_room(a, look.nr);
	if (!err)
		err = data_space_take(a->c.fs, &look);
	if (!err) {
		allocate_remember(a, &look);
		a->c.blk = look.reached;
	}
	data_look_release(&look);
	return err;
}

static int allocate_end_body(struct txn *txn, void *arg)
{
	struct allocate *a = arg;
	struct inode inode;
	int err;

	err = data_get_file(txn, a->c.ino, a->c.generation, &inode);
	if (!err)
		err = inode_may_grow(&inode, a->size);
	if (err)
		return err;
	inode.size = max_u64(inode.size, a->size);
	inode_touch(txn, &inode, true);
	return change_put(txn, &a->c, &inode, true);
}

/* Before it grows: the end of file, and what of it is not clean. */
static bool allocate_has_locked(const struct allocate *a, const struct inode *inode)
{
	return inode->size >> DADDR_BLOCK_SHIFT >= a->lock_first &&
	       (a->lock_end == DATA_END || !(inode->flags & INODE_DIRTY_BEHIND));
}

FIBER_FN static int allocate_locked(struct allocate *a)
{
	const struct txn_options opt = { .name = "allocate", .log_max = INODE_LOG_PUT + also_log(a->c.also) };
	struct inode inode;
	int err;

	err = change_look(&a->c, &inode);
	if (!err && a->size > inode.size && !allocate_has_locked(a, &inode))
		return -EAGAIN;
	if (!err && a->size > inode.size)
		err = data_write_clean_tail(a->c.fs, a->c.ino, a->c.generation, a->lock_first, a->lock_end,
					    data_also_guard(a->c.also));
	else if (!err && inode.trim_from < a->c.end)
		err = data_trim(a->c.fs, a->c.ino);
	while (!err && a->c.blk < a->c.end)
		err = allocate_part(a);
	if (!err)
		err = txn_run(a->c.fs, &opt, allocate_end_body, a, &a->c.seq);
	/* What was shared may be written in place from now on: not before the others have let go for good. */
	return err ? err : data_io_wait_freed(a->c.fs);
}

FIBER_FN static int allocate_try(struct allocate *a)
{
	struct data_lock lock = { .ino = a->c.ino };
	struct inode inode;
	int err;

	err = change_look(&a->c, &inode);
	if (err)
		return err;
	a->lock_first = a->c.blk;
	a->lock_end = a->c.end;
	if (a->size > inode.size)
		a->lock_first = min_u64(a->lock_first, inode.size >> DADDR_BLOCK_SHIFT);
	if (a->size > inode.size && (inode.flags & INODE_DIRTY_BEHIND))
		a->lock_end = DATA_END;
	lock.first = a->lock_first;
	lock.end = a->lock_end;
	data_lock_take(a->c.fs, &lock, 1);
	err = allocate_locked(a);
	if (err && err != -EAGAIN)
		data_space_undo(a->c.fs, a->c.ino, a->c.generation, a->taken, a->nr);
	data_lock_give(a->c.fs, &lock, 1);
	return err;
}

int data_allocate(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, uint64_t len,
		  const struct data_also *also, struct inode *ret_inode, uint64_t *ret_seq)
{
	struct allocate a = { .c = { .fs = fs, .ino = ino, .generation = generation, .also = also } };
	int err;

	if (len == 0)
		return -EINVAL;
	if (len > INODE_SIZE_MAX || off > INODE_SIZE_MAX - len)
		return -EFBIG;
	a.size = off + len;
	do {
		a.c.blk = off >> DADDR_BLOCK_SHIFT;
		a.c.end = data_blk_up(off + len);
		err = allocate_try(&a);
	} while (err == -EAGAIN);
	free(a.taken);
	if (err)
		return err;
	*ret_inode = a.c.inode;
	*ret_seq = a.c.seq;
	return 0;
}

/* Deallocation */

static int punch_body(struct txn *txn, void *arg)
{
	struct change *c = arg;
	uint64_t stop = c->end;
	struct inode inode;
	int err;

	err = data_get_file(txn, c->ino, c->generation, &inode);
	if (!err && c->blk < c->end)
		err = map_punch(txn, &inode, c->blk, c->end - c->blk, data_limbo_tag(c->fs, c->ino), DATA_STEPS,
				&stop);
	if (err)
		return err;
	inode_touch(txn, &inode, true);
	err = change_put(txn, c, &inode, stop >= c->end);
	if (!err)
		c->blk = stop;
	return err;
}

/* Zeros in the blocks of which [@off, @end) has only a part; the whole ones are left to be punched. */
FIBER_FN static int deallocate_edges(struct change *c, uint64_t off, uint64_t end, uint64_t size)
{
	uint64_t head_end = min_u64(end, round_up_u64(off, DADDR_BLOCK_SIZE)), tail;
	int err = 0;

	if (end >= size) /* nothing of the last block remains */
		end = round_up_u64(end, DADDR_BLOCK_SIZE);
	tail = max_u64(head_end, round_down_u64(end, DADDR_BLOCK_SIZE));
	if (off < head_end)
		err = data_write_zeros(c->fs, c->ino, c->generation, off, (uint32_t)(head_end - off), false);
	if (!err && tail < end)
		err = data_write_zeros(c->fs, c->ino, c->generation, tail, (uint32_t)(end - tail), false);
	c->blk = data_blk_up(head_end);
	c->end = max_u64(c->blk, end >> DADDR_BLOCK_SHIFT);
	return err;
}

FIBER_FN static int deallocate_locked(struct change *c, uint64_t off, uint64_t end)
{
	const struct txn_options opt = { .name = "deallocate",
					 .log_max = DATA_STEPS * MAP_PUNCH_LOG + INODE_LOG_PUT + also_log(c->also),
					 .frees_space = true };
	struct inode inode;
	int err;

	err = change_look(c, &inode);
	if (!err)
		err = deallocate_edges(c, off, end, inode.size);
	if (err)
		return err;
	do
		err = txn_run(c->fs, &opt, punch_body, c, &c->seq);
	while (!err && c->blk < c->end);
	return err;
}

int data_deallocate(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, uint64_t len,
		    const struct data_also *also, struct inode *ret_inode, uint64_t *ret_seq)
{
	struct change c = { .fs = fs, .ino = ino, .generation = generation, .also = also };
	uint64_t end_max = MAP_BLK_MAX << DADDR_BLOCK_SHIFT;
	struct data_lock lock = { .ino = ino };
	int err;

	if (len == 0 || off > INODE_SIZE_MAX)
		return -EINVAL;
	len = min_u64(len, end_max - off);
	lock.first = off >> DADDR_BLOCK_SHIFT;
	lock.end = data_blk_up(off + len);
	data_lock_take(fs, &lock, 1);
	err = data_guard_ask(data_also_guard(also), ino, lock.first, lock.end, DATA_REMAP);
	if (!err)
		err = deallocate_locked(&c, off, off + len);
	data_lock_give(fs, &lock, 1);
	if (err)
		return err;
	*ret_inode = c.inode;
	*ret_seq = c.seq;
	return 0;
}
