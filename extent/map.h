/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_MAP_H
#define LAMINA_EXTENT_MAP_H

/*
 * File maps: which blocks of a device hold which blocks of a file, and whether they hold anything yet.  Positions
 * and lengths are 4 KiB blocks below MAP_BLK_MAX.
 *
 * A file has two maps.  In its data map a block is a hole, unwritten (allocated, reads as zeros whatever the device
 * holds) or written; written blocks may be shared with other places (extent/share.h).  Its copy-on-write map holds
 * the blocks, always unwritten, to which the next write of shared blocks will go: a block there stands behind a
 * shared written block of the data map, which readers get until map_convert() puts the new one in its place.
 *
 * All functions run inside a transaction body.  Those that change a map
 *   - do at most @max > 0 steps, a step being a run of blocks that is alike in both maps and in its count of owners.
 *     Where they stopped is *@ret_stop; they are done when it is the end of the range, else the caller comes again,
 *     in the same transaction or another;
 *   - need, for each step, so many bytes of changes (struct txn_options.log_max) as the constants below say;
 *   - take the inode as the caller has read it in this run of the body, and change its blocks in memory: the caller
 *     puts it;
 *   - leave everything else about the inode alone: change attribute, times and size are the caller's;
 *   - put blocks that leave a map into limbo under @tag (extent/limbo.h).
 * -EINVAL: the range is empty or reaches beyond MAP_BLK_MAX.  -EUCLEAN: the items contradict each other, or name
 * blocks outside of the devices.
 */

#include "extent/alloc.h"
#include "extent/inode.h"
#include "extent/limbo.h"
#include "extent/share.h"

#define MAP_BLK_MAX (1ULL << 51) /* blocks of 4 KiB below 2^63 bytes */

/*
 * Bytes of changes.  One edit of a map splits and merges at most: three puts of 36 and two deletes of 20.
 *   alloc:   take space, one edit
 *   convert: drop an owner, one run to limbo, edits of both maps
 *   punch:   drop an owner, runs of both maps to limbo, edits of both
 *   clone:   punch (in two parts where blocks are in both), add an owner, edit source and destination
 */
#define MAP_EDIT_LOG	148u
#define MAP_ALLOC_LOG	(ALLOC_LOG + MAP_EDIT_LOG)
#define MAP_CONVERT_LOG (SHARE_LOG + LIMBO_LOG + 2 * MAP_EDIT_LOG)
#define MAP_PUNCH_LOG	(SHARE_LOG + 2 * LIMBO_LOG + 2 * MAP_EDIT_LOG)
#define MAP_CLONE_LOG	(2 * MAP_PUNCH_LOG + SHARE_LOG + 2 * MAP_EDIT_LOG)

enum map_fork {
	MAP_DATA,
	MAP_COW,
};

enum map_state {
	MAP_HOLE,
	MAP_UNWRITTEN,
	MAP_WRITTEN,
};

struct map_extent {
	uint64_t blk;
	uint64_t nr;	/* > 0 */
	uint64_t daddr; /* not of a hole */
	enum map_state state;
	bool shared; /* some of its blocks may have other owners: not to be written in place */
};

/*
 * The runs of one map from @blk on, in order and without gaps, holes included, until @max runs or @nr > 0 blocks.
 * Neighbours are one run when blocks, device blocks and state continue.  *@ret_nr >= 1 runs are in @ret_extents, of
 * which undefined entries may be overwritten on failure.
 */
int map_read(struct txn *txn, uint64_t ino, enum map_fork fork, uint64_t blk, uint64_t nr, unsigned int max,
	     struct map_extent *ret_extents, unsigned int *ret_nr) MUST_CHECK;

/* The first run at or after @blk that is no hole, from @blk on.  -ENOENT: there is none before MAP_BLK_MAX. */
int map_next(struct txn *txn, uint64_t ino, enum map_fork fork, uint64_t blk, struct map_extent *ret_extent)
	MUST_CHECK;

/* How map_alloc() should choose blocks.  {0} has no wishes. */
struct map_want {
	uint64_t
		align; /* power of two, or 0 for 64 KiB: device block and file block agree modulo this, if possible */
	uint64_t min_align; /* power of two, or 0: they agree modulo this at any rate */
	bool has_goal;	    /* where the file has no blocks nearby, start at goal */
	uint64_t goal;	    /* daddr */
	bool has_dev;	    /* only on dev, -ENOSPC when that is full */
	unsigned int dev;
};

/*
 * Have blocks behind every block of the range, so that it can be written: holes become unwritten, and what is shared
 * gets blocks in the copy-on-write map (or, where all other owners are gone meanwhile, stops being shared).  After
 * that a written block may be written in place exactly if it is not shared.  -ENOSPC: not for all of these steps;
 * the caller's body must fail, as for every error.
 */
int map_alloc(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t nr, const struct map_want *want,
	      unsigned int max, uint64_t *ret_stop) MUST_CHECK;

/*
 * The range was written by its owner: blocks in the copy-on-write map take their place in the data map, unwritten
 * ones become written, and written ones stay as they are (a commit may be repeated).  -ENXIO: part of it is a hole;
 * nobody can have written there, and nothing may be changed.
 */
int map_convert(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t nr, uint64_t tag, unsigned int max,
		uint64_t *ret_stop) MUST_CHECK;

/* Make the range a hole, in both maps. */
int map_punch(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t nr, uint64_t tag, unsigned int max,
	      uint64_t *ret_stop) MUST_CHECK;

/* Punch everything at and behind @blk.  *@ret_more: not done yet. */
int map_truncate(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t tag, unsigned int max, bool *ret_more)
	MUST_CHECK;

/* Give back what is reserved in the range but was never written: unwritten blocks, and the copy-on-write map. */
int map_unreserve(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t nr, uint64_t tag, unsigned int max,
		  uint64_t *ret_stop) MUST_CHECK;

/* As map_unreserve(), for the copy-on-write map only. */
int map_cow_cancel(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t nr, uint64_t tag, unsigned int max,
		   uint64_t *ret_stop) MUST_CHECK;

/*
 * Make [@blk, @blk + @nr) of @inode show the same as [@src_blk, ...) of file @src_ino, which may be the same file:
 * written blocks become shared by both, anything else becomes a hole.  What was there before is punched as the clone
 * advances, so up to *@ret_stop (in @inode) all is new and behind it all is old.  -EINVAL: the ranges overlap.
 * -EMLINK: blocks with too many owners.
 */
int map_clone(struct txn *txn, uint64_t src_ino, uint64_t src_blk, struct inode *inode, uint64_t blk, uint64_t nr,
	      uint64_t tag, unsigned int max, uint64_t *ret_stop) MUST_CHECK;

#endif
