/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at files: what their maps show in one instant, reads, seeks, and the flush behind a commit.  A read holds
 * its range until the last block has arrived, so no block that it reads is given to anybody else meanwhile; except by
 * the commit of a layout, which waits for nobody: a read finds out and reads again.
 */

#include "extent/data.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/fs_int.h"

#define LOOK_RUNS 8  /* fetched at a time */
#define SEEK_RUNS 64 /* looked at in one transaction */

void data_state_init(struct data_state *state)
{
	for (unsigned int i = 0; i < DATA_LOCK_BUCKETS; i++)
		list_init(&state->locks[i]);
	fiber_sem_init(&state->bounce, DATA_BOUNCE_MAX);
	wait_queue_init(&state->trimmed);
	list_init(&state->flushes);
}

int data_get_file(struct txn *txn, uint64_t ino, uint64_t generation, struct inode *ret_inode)
{
	struct inode inode;
	int err;

	err = inode_get_gen(txn, ino, generation, &inode);
	if (err)
		return err;
	if (!S_ISREG(inode.mode))
		return S_ISDIR(inode.mode) ? -EISDIR : -EINVAL;
	*ret_inode = inode;
	return 0;
}

int data_also_run(struct txn *txn, const struct data_also *also, struct inode *inode)
{
	struct inode now;
	int err;

	if (!also || !also->body)
		return 0;
	err = also->body(txn, inode, also->arg);
	if (!err)
		err = inode_get(txn, inode->ino, &now);
	if (!err)
		*inode = now;
	return err;
}

/* What a look finds */

int data_look_init(struct data_look *look, uint64_t ino, uint64_t generation, uint64_t first, uint64_t end)
{
	*look = (struct data_look){ .ino = ino, .generation = generation, .first = first, .end = end };
	if (first == end)
		return 0;
	look->max = (unsigned int)min_u64(end - first, DATA_LOOK_RUNS);
	look->runs = malloc(look->max * sizeof(*look->runs));
	return look->runs ? 0 : -ENOMEM;
}

void data_look_release(struct data_look *look)
{
	free(look->runs);
	look->runs = NULL;
}

/* What does not fit is left for another look. */
static void look_add(struct data_look *look, const struct data_run *run)
{
	if (look->nr == look->max)
		return;
	look->runs[look->nr++] = *run;
	look->reached = run->blk + run->nr;
}

/* Shared blocks go where the copy-on-write map says. */
static int look_add_shared(struct txn *txn, struct data_look *look, const struct map_extent *e)
{
	struct map_extent cow[LOOK_RUNS];
	uint64_t blk = e->blk, end = e->blk + e->nr;
	unsigned int nr;
	int err;

	while (blk < end && look->nr < look->max) {
		err = map_read(txn, look->ino, MAP_COW, blk, end - blk, LOOK_RUNS, cow, &nr);
		if (err)
			return err;
		for (unsigned int i = 0; i < nr; i++) {
			look_add(look, &(struct data_run){ .blk = cow[i].blk,
							   .nr = cow[i].nr,
							   .state = MAP_WRITTEN,
							   .daddr = e->daddr + (cow[i].blk - e->blk),
							   .target = cow[i].daddr,
							   .lacks_space = cow[i].state == MAP_HOLE });
			blk = cow[i].blk + cow[i].nr;
		}
	}
	return 0;
}

static int look_add_extent(struct txn *txn, struct data_look *look, const struct map_extent *e)
{
	if (e->shared)
		return look_add_shared(txn, look, e);
	look_add(look, &(struct data_run){ .blk = e->blk,
					   .nr = e->nr,
					   .state = e->state,
					   .daddr = e->daddr,
					   .target = e->daddr,
					   .in_place = e->state == MAP_WRITTEN,
					   .lacks_space = e->state == MAP_HOLE });
	return 0;
}

static int look_body(struct txn *txn, void *arg)
{
	struct data_look *look = arg;
	struct map_extent e[LOOK_RUNS];
	uint64_t blk = look->first, end;
	unsigned int nr;
	int err;

	look->nr = 0;
	look->reached = look->first;
	err = data_get_file(txn, look->ino, look->generation, &look->inode);
	if (err)
		return err;
	end = max_u64(min_u64(look->end, look->inode.trim_from), blk);
	while (blk < end && look->nr < look->max) {
		err = map_read(txn, look->ino, MAP_DATA, blk, end - blk, LOOK_RUNS, e, &nr);
		for (unsigned int i = 0; i < nr && !err; i++) {
			err = look_add_extent(txn, look, &e[i]);
			blk = e[i].blk + e[i].nr;
		}
		if (err)
			return err;
	}
	if (end < look->end && look->reached == end)
		look_add(look, &(struct data_run){ .blk = end, .nr = look->end - end, .lacks_space = true });
	return 0;
}

int data_look(struct fs *fs, struct data_look *look)
{
	return txn_read(fs, look_body, look);
}

/* Reads */

FIBER_FN static int read_blocks(struct fs *fs, const struct data_look *look, uint64_t off, uint8_t *buf, uint32_t len)
{
	struct data_image image;
	int err;

	err = data_image_init(fs, &image, off, len, buf);
	if (err)
		return err;
	/* The file may have ended before the range does. */
	for (unsigned int i = 0; i < look->nr && look->runs[i].blk < image.end; i++) {
		struct data_run *run = &look->runs[i];

		run->nr = min_u64(run->nr, image.end - run->blk);
		if (run->state != MAP_WRITTEN)
			data_image_zero(&image, run->blk << DADDR_BLOCK_SHIFT,
					(run->blk + run->nr) << DADDR_BLOCK_SHIFT);
	}
	err = data_io_read(fs, look->runs, look->nr, &image);
	if (!err)
		data_image_copy_out(&image);
	data_image_release(fs, &image);
	return err;
}

/* Whether each block that @before has is still where it was. */
static bool look_is_same(const struct data_look *before, const struct data_look *now)
{
	unsigned int at = 0;

	for (unsigned int i = 0; i < before->nr; i++) {
		const struct data_run *run = &before->runs[i], *is;

		for (uint64_t blk = run->blk; run->state == MAP_WRITTEN && blk < run->blk + run->nr;) {
			while (at < now->nr && now->runs[at].blk + now->runs[at].nr <= blk)
				at++;
			is = &now->runs[at];
			if (at == now->nr || is->state != MAP_WRITTEN ||
			    is->daddr + (blk - is->blk) != run->daddr + (blk - run->blk))
				return false;
			blk = is->blk + is->nr;
		}
	}
	return true;
}

/* 0, or 1: what was read lay elsewhere in the end, and must be read again. */
FIBER_FN static int read_has_moved(struct fs *fs, const struct data_look *look)
{
	struct data_look now;
	int err;

	err = data_look_init(&now, look->ino, look->generation, look->first, look->end);
	if (err)
		return err;
	err = data_look(fs, &now);
	if (!err)
		err = !look_is_same(look, &now);
	data_look_release(&now);
	return err;
}

FIBER_FN static int read_once(struct fs *fs, struct data_look *look, uint64_t off, void *buf, uint32_t len,
			      uint32_t *ret_len, bool *ret_eof)
{
	uint64_t size, seq;
	int err;

	err = data_look(fs, look);
	if (err)
		return err;
	seq = fs_last_change(fs, look->ino);
	size = look->inode.size;
	if (off >= size)
		len = 0;
	else
		len = (uint32_t)min_u64(len, size - off);
	while (look->nr && look->runs[look->nr - 1].blk >= data_blk_up(off + len))
		look->nr--;
	if (len)
		err = read_blocks(fs, look, off, buf, len);
	if (!err && len && fs_last_change(fs, look->ino) != seq)
		err = read_has_moved(fs, look);
	if (err)
		return err;
	*ret_len = len;
	*ret_eof = off + len >= size;
	return 0;
}

FIBER_FN static int read_locked(struct fs *fs, struct data_look *look, uint64_t off, void *buf, uint32_t len,
				uint32_t *ret_len, bool *ret_eof)
{
	int err;

	do
		err = read_once(fs, look, off, buf, len, ret_len, ret_eof);
	while (err > 0);
	return err;
}

int data_read(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, void *buf, uint32_t len,
	      uint32_t *ret_len, bool *ret_eof)
{
	struct data_lock lock = { .ino = ino, .shared = true };
	struct data_look look;
	int err;

	if (len > DATA_IO_MAX)
		return -EINVAL;
	off = min_u64(off, INODE_SIZE_MAX); /* no file goes on there */
	len = (uint32_t)min_u64(len, INODE_SIZE_MAX - off);
	lock.first = off >> DADDR_BLOCK_SHIFT;
	lock.end = len ? data_blk_up(off + len) : lock.first;
	err = data_look_init(&look, ino, generation, lock.first, lock.end);
	if (err)
		return err;
	if (len)
		data_lock_take(fs, &lock, 1);
	err = read_locked(fs, &look, off, buf, len, ret_len, ret_eof);
	if (len)
		data_lock_give(fs, &lock, 1);
	data_look_release(&look);
	return err;
}

int data_commit(struct fs *fs, uint64_t ino, uint64_t generation)
{
	struct data_look look;
	int err;

	err = data_look_init(&look, ino, generation, 0, 0);
	if (!err)
		err = data_look(fs, &look);
	return err ? err : data_flush_devices(fs);
}

/* Seek */

struct seek {
	uint64_t ino;
	uint64_t generation;
	uint64_t off;
	bool want_data;
	bool found;
	bool eof;
};

static void seek_end(struct seek *s, uint64_t size)
{
	s->off = size;
	s->found = true;
	s->eof = true;
}

static int seek_body(struct txn *txn, void *arg)
{
	struct seek *s = arg;
	struct map_extent e[SEEK_RUNS];
	struct inode inode;
	uint64_t blk = s->off >> DADDR_BLOCK_SHIFT, end;
	unsigned int nr = 0;
	int err;

	err = data_get_file(txn, s->ino, s->generation, &inode);
	if (err)
		return err;
	if (s->off >= inode.size)
		return -ENXIO;
	end = min_u64(data_blk_up(inode.size), inode.trim_from);
	if (blk < end)
		err = map_read(txn, s->ino, MAP_DATA, blk, end - blk, SEEK_RUNS, e, &nr);
	if (err)
		return err;
	for (unsigned int i = 0; i < nr; i++) {
		if ((e[i].state == MAP_WRITTEN) == s->want_data) {
			s->off = max_u64(s->off, e[i].blk << DADDR_BLOCK_SHIFT);
			s->found = true;
			return 0;
		}
		blk = e[i].blk + e[i].nr;
	}
	if (blk >= end)
		seek_end(s, inode.size);
	else
		s->off = blk << DADDR_BLOCK_SHIFT;
	return 0;
}

int data_seek(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, bool want_data, uint64_t *ret_off,
	      bool *ret_eof)
{
	struct seek s = { .ino = ino, .generation = generation, .off = off, .want_data = want_data };
	int err = 0;

	while (!s.found && !err) {
		err = txn_read(fs, seek_body, &s);
		if (err == -ENXIO && s.off != off) { /* the file got shorter since the first look */
			seek_end(&s, off);
			err = 0;
		}
	}
	if (err)
		return err;
	*ret_off = s.off;
	*ret_eof = s.eof;
	return 0;
}
