/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_MAP_INT_H
#define LAMINA_EXTENT_MAP_INT_H

/* What the files of the map share: finding, measuring and editing.  Nobody else's business. */

#include "extent/map.h"

/*
 * The item that holds @blk, as a whole; or if there is none, the hole from @blk to the next item or @end.  For a hole
 * only blk, nr and state mean something.
 */
int map_find(struct txn *txn, uint64_t ino, enum map_fork fork, uint64_t blk, uint64_t end,
	     struct map_extent *ret_extent) MUST_CHECK;

/* The last item that begins before @blk, or -ENOENT. */
int map_find_before(struct txn *txn, uint64_t ino, enum map_fork fork, uint64_t blk, struct map_extent *ret_extent)
	MUST_CHECK;

/* Blocks that are alike: [blk, blk + nr) in one item (or hole) of both maps, with one count of owners. */
struct map_run {
	uint64_t blk;
	uint64_t nr;
	struct map_extent data; /* the whole item, as of map_find() */
	struct map_extent cow;
	uint32_t refs; /* of the data */
};

/* The longest run from @blk on, before @end. */
int map_measure(struct txn *txn, uint64_t ino, uint64_t blk, uint64_t end, struct map_run *ret_run) MUST_CHECK;

/* The device block behind @blk of @extent. */
static inline uint64_t map_daddr(const struct map_extent *extent, uint64_t blk)
{
	return extent->daddr + (blk - extent->blk);
}

/*
 * Replace [@blk, @blk + @nr), which lies in @old, as of map_find(), by blocks from @daddr on in @state (MAP_HOLE:
 * nothing), and join what continues.
 */
int map_edit(struct txn *txn, uint64_t ino, enum map_fork fork, const struct map_extent *old, uint64_t blk,
	     uint64_t nr, uint64_t daddr, enum map_state state, bool shared) MUST_CHECK;

/* Take @run's data block, its copy-on-write blocks, or both away. */
int map_drop_data(struct txn *txn, struct inode *inode, const struct map_run *run, uint64_t tag) MUST_CHECK;
int map_drop_cow(struct txn *txn, struct inode *inode, const struct map_run *run, uint64_t tag) MUST_CHECK;
int map_drop(struct txn *txn, struct inode *inode, const struct map_run *run, uint64_t tag) MUST_CHECK;

/* One owner less for blocks that leave a data map; into limbo with those that have none left. */
int map_disown(struct txn *txn, uint64_t daddr, uint64_t nr, bool shared, uint64_t tag) MUST_CHECK;

/* -EUCLEAN: it has not so many. */
int map_count_down(struct inode *inode, uint64_t nr) MUST_CHECK;

/* -EINVAL: empty, or beyond MAP_BLK_MAX. */
int map_check_range(uint64_t blk, uint64_t nr) MUST_CHECK;

struct map_walk {
	struct txn *txn;
	struct inode *inode;
	uint64_t end; /* of the range */
	uint64_t tag;
	const void *arg;
};

/*
 * Treat the range run by run, at most @max of them.  @step does with @run what it wants, and shortens run->nr if it
 * did not get to its end.
 */
int map_walk(struct map_walk *walk, uint64_t blk, uint64_t nr, unsigned int max,
	     int (*step)(struct map_walk *walk, struct map_run *run), uint64_t *ret_stop) MUST_CHECK;

#endif
