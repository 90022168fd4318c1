/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises: what block_get() returns has passed every check of node_check(); a frozen block's memory is never
 * changed; memory stays within the configured bound as far as blocks can be evicted (I11).
 */

#include "extent/block.h"

#include <stdlib.h>
#include <string.h>

#include "extent/chunk.h"
#include "extent/fs_int.h"
#include "extent/node.h"

#define SPARE_MAX 256

void block_cache_init(struct block_cache *cache, uint64_t max_blocks)
{
	memset(cache, 0, sizeof(*cache));
	list_init(&cache->clean);
	list_init(&cache->dirty);
	list_init(&cache->frozen);
	list_init(&cache->spare);
	cache->max = max_blocks;
}

static struct block *block_alloc_memory(struct fs *fs)
{
	struct block_cache *cache = &fs->cache;
	struct block *b;
	void *data;

	if (!list_is_empty(&cache->spare)) {
		b = list_first_entry(&cache->spare, struct block, link);
		list_del(&b->link);
		cache->nr_spare--;
		data = b->data;
	} else {
		b = malloc(sizeof(*b));
		data = b ? aligned_alloc(DADDR_BLOCK_SIZE, BLOCK_SIZE) : NULL;
		if (!data) {
			free(b);
			return NULL;
		}
	}
	memset(b, 0, sizeof(*b));
	b->fs = fs;
	b->data = data;
	list_init(&b->link);
	wait_queue_init(&b->waiters);
	cache->nr++;
	return b;
}

static void block_free_memory(struct fs *fs, struct block *b)
{
	struct block_cache *cache = &fs->cache;

	assert(b->pins == 0);
	btree_forget_fingers(fs);
	list_del(&b->link);
	cache->nr--;
	if (cache->nr_spare < SPARE_MAX) {
		list_add_head(&b->link, &cache->spare);
		cache->nr_spare++;
		return;
	}
	free(b->data);
	free(b);
}

/* @b, out of the table, goes now or when the last pin does. */
static void block_retire(struct fs *fs, struct block *b, int err)
{
	btree_forget_fingers(fs);
	b->state = BLOCK_GONE;
	b->error = err;
	if (b->pins == 0)
		block_free_memory(fs, b);
	else
		list_del(&b->link);
}

static struct block **block_place(struct fs *fs, uint64_t daddr)
{
	struct block **place = chunk_cached(&fs->chunks, daddr);

	assert(place);
	return place;
}

/* Take @b out of the table: its address names nothing in memory any more. */
static void block_forget(struct fs *fs, struct block *b)
{
	struct block **place = block_place(fs, b->daddr);

	assert(*place == b);
	*place = NULL;
}

static void block_set_clean(struct fs *fs, struct block *b)
{
	b->state = BLOCK_CLEAN;
	b->referenced = true;
	list_move_tail(&b->link, &fs->cache.clean);
	fs->cache.nr_clean++;
}

void block_cache_shrink(struct fs *fs)
{
	struct block_cache *cache = &fs->cache;
	uint64_t looks = 2 * cache->nr_clean;

	while (cache->nr > cache->max && cache->nr_clean > 0 && looks-- > 0) {
		struct block *b = list_first_entry(&cache->clean, struct block, link);

		if (b->pins > 0 || b->referenced) {
			b->referenced = false;
			list_move_tail(&b->link, &cache->clean);
			continue;
		}
		block_forget(fs, b);
		cache->nr_clean--;
		cache->evictions++;
		block_free_memory(fs, b);
	}
}

static void block_drop_list(struct fs *fs, struct list *head)
{
	list_for_each_safe (pos, head) {
		struct block *b = list_entry(pos, struct block, link);

		block_forget(fs, b);
		block_free_memory(fs, b);
	}
}

void block_cache_release(struct fs *fs)
{
	struct block_cache *cache = &fs->cache;

	assert(list_is_empty(&cache->frozen));
	block_drop_list(fs, &cache->clean);
	block_drop_list(fs, &cache->dirty);
	assert(cache->nr == 0);
	list_for_each_safe (pos, &cache->spare) {
		struct block *b = list_entry(pos, struct block, link);

		list_del(&b->link);
		free(b->data);
		free(b);
	}
	block_cache_init(cache, cache->max);
}

static void block_read_done(struct blk_req *req)
{
	struct block *b = req->owner;
	struct fs *fs = b->fs;
	const char *why = "cannot be read";
	int err = req->result;

	assert(b->state == BLOCK_READING);
	fs->nr_reading--;
	if (!err)
		err = node_check(b->data, b->daddr, b->epoch, fs->super.volume_uuid, b->level, &why);
	if (!err) {
		block_set_clean(fs, b);
	} else {
		fs_fail_block(fs, b->daddr, err, why);
		wait_queue_wake_all(&b->waiters);
		block_forget(fs, b);
		block_retire(fs, b, err == -EUCLEAN ? err : -EIO);
		return;
	}
	wait_queue_wake_all(&b->waiters);
}

static int block_read_start(struct fs *fs, uint64_t daddr, uint64_t epoch, unsigned int level, struct block **place)
{
	struct block *b;

	block_cache_shrink(fs);
	b = block_alloc_memory(fs);
	if (!b)
		return -ENOMEM;
	b->daddr = daddr;
	b->epoch = epoch;
	b->level = (uint8_t)level;
	b->state = BLOCK_READING;
	*place = b;
	fs->nr_reading++;
	fs->cache.misses++;
	b->iov.iov_base = b->data;
	b->iov.iov_len = BLOCK_SIZE;
	b->req.op = BLK_READ;
	b->req.off = daddr_block(daddr) << DADDR_BLOCK_SHIFT;
	b->req.len = BLOCK_SIZE;
	b->req.iov = &b->iov;
	b->req.nr_iov = 1;
	b->req.done = block_read_done;
	b->req.owner = b;
	blkdev_submit(fs->devs[daddr_dev(daddr)], &b->req);
	return 0;
}

int block_get(struct fs *fs, uint64_t daddr, uint64_t epoch, unsigned int level, struct block **ret_block)
{
	struct block **place = chunk_cached(&fs->chunks, daddr);
	struct block *b;
	int err;

	if (!place) {
		fs_fail_block(fs, daddr, -EUCLEAN, "reference to a place outside of the metadata chunks");
		return -EUCLEAN;
	}
	b = *place;
	if (b && b->state != BLOCK_READING) {
		if (b->epoch != epoch || b->level != level || b->replaced) {
			fs_fail_block(fs, daddr, -EUCLEAN, "two references to one block");
			return -EUCLEAN;
		}
		b->referenced = true;
		*ret_block = b;
		return 0;
	}
	if (!b) {
		if (!chunk_block_is_used(&fs->chunks, daddr)) {
			fs_fail_block(fs, daddr, -EUCLEAN, "reference to a block that the bitmap calls free");
			return -EUCLEAN;
		}
		err = block_read_start(fs, daddr, epoch, level, place);
		if (err)
			return err;
	}
	*ret_block = *place;
	return -ERESTART;
}

void block_pin(struct block *b)
{
	b->pins++;
}

void block_unpin(struct block *b)
{
	assert(b->pins > 0);
	b->pins--;
	if (b->pins == 0 && b->state == BLOCK_GONE)
		block_free_memory(b->fs, b);
}

int block_wait(struct block *b)
{
	assert(b->pins > 0);
	while (b->state == BLOCK_READING)
		wait_queue_wait(&b->waiters);
	return b->state == BLOCK_GONE && b->error != -ESTALE ? b->error : 0;
}

static void block_set_dirty(struct fs *fs, struct block *b, uint64_t daddr)
{
	struct block **place = block_place(fs, daddr);

	assert(!*place);
	*place = b;
	b->daddr = daddr;
	b->epoch = fs->epoch;
	b->state = BLOCK_CHANGED;
	list_move_tail(&b->link, &fs->cache.dirty);
	fs->cache.nr_dirty++;
}

int block_new(struct fs *fs, unsigned int level, uint64_t reserve, struct block **ret_block)
{
	uint64_t daddr;
	struct block *b = block_alloc_memory(fs);
	int err;

	if (!b)
		return -ENOMEM;
	err = chunk_alloc(&fs->chunks, reserve, &daddr);
	if (err) {
		block_free_memory(fs, b);
		return err;
	}
	b->level = (uint8_t)level;
	node_init(b->data, level, fs->super.volume_uuid);
	block_set_dirty(fs, b, daddr);
	*ret_block = b;
	return 0;
}

/* @old is frozen: leave it to the checkpoint and go on with a copy. */
static int block_copy_frozen(struct fs *fs, struct block *old, uint64_t daddr, struct block **ret_block)
{
	struct block *b = block_alloc_memory(fs);

	if (!b)
		return -ENOMEM;
	memcpy(b->data, old->data, BLOCK_SIZE);
	b->level = old->level;
	old->replaced = true;
	btree_forget_fingers(fs);
	chunk_free(&fs->chunks, old->daddr, false);
	block_set_dirty(fs, b, daddr);
	*ret_block = b;
	return 0;
}

int block_writable(struct fs *fs, struct block *b, uint64_t reserve, struct block **ret_block)
{
	uint64_t daddr;
	int err;

	if (block_is_dirty(b)) {
		*ret_block = b;
		return 0;
	}
	assert(b->state != BLOCK_READING);
	assert(b->state != BLOCK_GONE);
	assert(!b->replaced);
	err = chunk_alloc(&fs->chunks, reserve, &daddr);
	if (err)
		return err;
	if (b->state == BLOCK_CHANGED) {
		err = block_copy_frozen(fs, b, daddr, ret_block);
		if (err)
			chunk_free(&fs->chunks, daddr, true);
		return err;
	}
	/* What is on disk at the old address stays there for the last checkpoint; the memory moves on. */
	block_forget(fs, b);
	chunk_free(&fs->chunks, b->daddr, false);
	fs->cache.nr_clean--;
	block_set_dirty(fs, b, daddr);
	*ret_block = b;
	return 0;
}

bool block_is_dirty(const struct block *b)
{
	return b->state == BLOCK_CHANGED && b->epoch == b->fs->epoch;
}

struct block *block_peek(struct fs *fs, uint64_t daddr)
{
	struct block **place = chunk_cached(&fs->chunks, daddr);

	return place && *place && (*place)->state != BLOCK_READING ? *place : NULL;
}

void block_free(struct fs *fs, struct block *b)
{
	bool dirty = block_is_dirty(b);

	chunk_free(&fs->chunks, b->daddr, dirty);
	if (b->state == BLOCK_CHANGED && !dirty) {
		b->replaced = true;
		return;
	}
	if (dirty)
		fs->cache.nr_dirty--;
	else
		fs->cache.nr_clean--;
	block_forget(fs, b);
	block_retire(fs, b, -ESTALE);
}

void block_freeze_all(struct fs *fs)
{
	struct block_cache *cache = &fs->cache;

	assert(list_is_empty(&cache->frozen));
	list_splice_tail(&cache->dirty, &cache->frozen);
	cache->nr_frozen = cache->nr_dirty;
	cache->nr_dirty = 0;
}

void block_thaw(struct fs *fs, struct block *b)
{
	assert(b->state == BLOCK_CHANGED);
	assert(!block_is_dirty(b));
	fs->cache.nr_frozen--;
	if (!b->replaced) {
		block_set_clean(fs, b);
		return;
	}
	block_forget(fs, b);
	block_retire(fs, b, -ESTALE);
}
