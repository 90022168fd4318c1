/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_CHUNK_H
#define LAMINA_EXTENT_CHUNK_H

/*
 * Metadata chunks: where tree blocks lie.  A chunk is a piece of a device, aligned to its own size, that holds two
 * bitmap slots and then tree blocks.  In memory three sets of blocks are kept for each chunk:
 *
 *   used   the tree as it is now uses the block
 *   gone   the tree used it at the last checkpoint (or the one being written), but not any more
 *   busy   used, or needed by a checkpoint that a crash could still bring back: not to be given out
 *
 * A block that leaves the tree stays busy until the first checkpoint without it is durable, so nothing live is ever
 * overwritten.
 */

#include "extent/format.h"

struct block;

/* The chunk's part of the block cache is here too: a table from tree block to cached block, so look-ups need no hash.
 */
struct chunk {
	uint64_t daddr;
	uint32_t index;
	uint32_t nr_blocks; /* tree blocks */
	uint32_t nr_busy;
	uint32_t slot;	   /* the bitmap slot of the last durable checkpoint */
	uint64_t checksum; /* of the bitmap in that slot */
	bool changed;	   /* used has changed since that bitmap */
	bool has_gone;	   /* gone is not empty */
	bool has_freeing;  /* freeing is not empty */
	uint64_t *used;
	uint64_t *busy;
	uint64_t *gone;	   /* left the tree in the current epoch */
	uint64_t *freeing; /* left the tree in the epoch that is being written */
	struct block **cached;
	/* While a checkpoint is being written: */
	struct disk_bitmap *image; /* NULL: unchanged */
};

struct chunks {
	uint8_t uuid[UUID_LEN];
	uint64_t chunk_blocks; /* 4 KiB blocks of a chunk, a power of two */
	unsigned int chunk_shift;
	uint32_t nr;
	struct chunk *chunk[VOLUME_CHUNKS_MAX];
	uint16_t *by_place[VOLUME_DEVICES_MAX]; /* device, block >> chunk_shift -> index + 1; 0: no chunk there */
	uint64_t places[VOLUME_DEVICES_MAX];
	uint64_t total;	       /* tree blocks in all */
	uint64_t free;	       /* not busy */
	uint64_t nr_gone;      /* busy blocks that the next checkpoint will release */
	uint64_t nr_freeing;   /* busy blocks that the checkpoint being written will release */
	uint32_t cursor_chunk; /* next fit, so that blocks dirtied together lie together */
	uint32_t cursor_bit;
};

/* @dev_end[i]: end of device i in 4 KiB blocks.  -ENOMEM. */
int chunks_init(struct chunks *cs, const uint8_t uuid[UUID_LEN], uint64_t chunk_blocks, unsigned int nr_devs,
		const uint64_t *dev_end) MUST_CHECK;
void chunks_release(struct chunks *cs);
/* Chunks may lie on device @dev, too, which has none yet.  -ENOMEM. */
int chunks_add_device(struct chunks *cs, unsigned int dev, uint64_t dev_end) MUST_CHECK;

/* Tree blocks in a chunk of @chunk_blocks. */
uint32_t chunk_tree_blocks(uint64_t chunk_blocks);

/*
 * Add a chunk at @daddr with all blocks free, its bitmap not on disk yet.  -ENOMEM; -EUCLEAN: misaligned, off the
 * device, or overlapping; -ENOSPC: VOLUME_CHUNKS_MAX reached.
 */
int chunk_add(struct chunks *cs, uint64_t daddr) MUST_CHECK;

/* Where @daddr's cached block is kept; NULL if @daddr is not a tree block of any chunk. */
struct block **chunk_cached(struct chunks *cs, uint64_t daddr);
bool chunk_block_is_used(const struct chunks *cs, uint64_t daddr);

/* A free block for the current epoch, now used and busy.  -ENOSPC if fewer than @reserve would remain free. */
int chunk_alloc(struct chunks *cs, uint64_t reserve, uint64_t *ret_daddr) MUST_CHECK;
/* The tree does not use @daddr any more.  @fresh: no checkpoint ever had it, it is free at once. */
void chunk_free(struct chunks *cs, uint64_t daddr, bool fresh);

/*
 * The three steps of a checkpoint.  Freeze: make the images of all changed bitmaps for @epoch; may fail with -ENOMEM
 * before anything has changed.  Thaw: the superblock with them is durable, release what it does not need.  Write in
 * between each image to chunk_image_offset().
 */
int chunks_freeze(struct chunks *cs, uint64_t epoch) MUST_CHECK;
void chunks_thaw(struct chunks *cs);
/* Bytes on the chunk's device. */
uint64_t chunk_slot_offset(const struct chunk *c, uint32_t slot);
/* Over the bitmaps that are current once the frozen images are written. */
uint64_t chunks_bitmaps_checksum(const struct chunks *cs);
/* Which slot of chunk @i will be current. */
uint32_t chunk_next_slot(const struct chunk *c);

/* Load the bitmap of chunk @index from the bytes of its @slot.  -EUCLEAN with a reason. */
int chunk_load(struct chunks *cs, uint32_t index, uint32_t slot, const struct disk_bitmap *image,
	       const char **ret_why) MUST_CHECK;

#endif
