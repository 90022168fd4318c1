/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_BLOCK_H
#define LAMINA_EXTENT_BLOCK_H

/*
 * The block cache: tree blocks in memory, bounded by configuration, and copy-on-write by checkpoint epoch.
 *
 *               block_get                      read and checked
 *     (absent) -----------> READING ------------------------------> CLEAN
 *                              |                                    |   ^
 *                              | damaged, unreadable                |   | written,
 *                              v                  block_writable:   |   | not replaced
 *                            GONE               takes a new address v   |
 *     block_new                                 (same memory)         FROZEN
 *     ------------------------------------------------------> DIRTY --^ | ^
 *                                                               checkpoint| block_writable: a dirty copy at a
 *                                                               begins    | new address replaces it; it is
 *                                                                         v freed once it is written
 *
 * Dirty belongs to the epoch that gathers changes, frozen to the checkpoint that is being written: both are
 * BLOCK_CHANGED, told apart by their epoch, so that beginning a checkpoint costs nothing per block.  Neither is
 * evicted.  GONE is a block that left the cache while somebody had it pinned.
 */

#include "dev/blkdev.h"
#include "dev/fiber_sync.h"
#include "dev/list.h"
#include "extent/format.h"

struct fs;

enum block_state {
	BLOCK_READING,
	BLOCK_CLEAN,
	BLOCK_CHANGED,
	BLOCK_GONE,
};

struct block {
	struct list link; /* the cache's list of its state */
	struct fs *fs;
	uint64_t daddr;
	uint64_t epoch; /* of the checkpoint that wrote or will write it */
	uint32_t pins;
	uint8_t state; /* enum block_state */
	uint8_t level;
	bool referenced;	   /* since eviction last looked */
	bool replaced;		   /* FROZEN: a newer copy is in the tree */
	void *data;		   /* BLOCK_SIZE bytes, struct disk_block first */
	int error;		   /* FAILED: why */
	struct wait_queue waiters; /* READING */
	struct blk_req req;
	struct iovec iov;
};

struct block_cache {
	struct list clean; /* oldest look first */
	struct list dirty;
	struct list frozen;
	struct list spare; /* memory for new ones, kept from freed ones */
	uint64_t nr;	   /* blocks in memory, spare ones not counted */
	uint64_t nr_clean, nr_dirty, nr_frozen, nr_spare;
	uint64_t max; /* blocks: eviction keeps below it what can be evicted */
	uint64_t misses, evictions;
};

void block_cache_init(struct block_cache *cache, uint64_t max_blocks);
/* Nothing may be pinned, being read or frozen; dirty blocks are dropped. */
void block_cache_release(struct fs *fs);
/* Drop clean blocks until the cache is within its bound, or none are left. */
void block_cache_shrink(struct fs *fs);

/*
 * The block that a reference names.  0 and the block, readable; -ERESTART and the block, whose reading has been
 * started: pin it and wait with block_wait(); -EUCLEAN: the reference is bad; -ENOMEM.
 */
int block_get(struct fs *fs, uint64_t daddr, uint64_t epoch, unsigned int level, struct block **ret_block) MUST_CHECK;
void block_pin(struct block *b);
void block_unpin(struct block *b);
/*
 * Wait until pinned @b is not being read any more.  0: look again (it is here, or somebody has freed it meanwhile);
 * or why it could not be had: -EIO, -EUCLEAN.
 */
FIBER_FN int block_wait(struct block *b) MUST_CHECK;

/* An empty block of @level in the current epoch.  -ENOSPC: fewer than @reserve metadata blocks would stay free;
 * -ENOMEM. */
int block_new(struct fs *fs, unsigned int level, uint64_t reserve, struct block **ret_block) MUST_CHECK;
/*
 * A block with @b's contents that may be changed in the current epoch: @b itself if it is dirty already, else one
 * with a new address, which the caller puts into the reference that led to @b.  Errors as block_new, nothing changed.
 */
int block_writable(struct fs *fs, struct block *b, uint64_t reserve, struct block **ret_block) MUST_CHECK;
/* The tree does not use @b any more. */
void block_free(struct fs *fs, struct block *b);
/* Whether @b may be changed as it is. */
bool block_is_dirty(const struct block *b);
/* The block at @daddr if it is in memory and readable, else NULL. */
struct block *block_peek(struct fs *fs, uint64_t daddr);

/* For the checkpoint: all dirty blocks become frozen. */
void block_freeze_all(struct fs *fs);
/* @b, frozen, is on disk. */
void block_thaw(struct fs *fs, struct block *b);

#endif
