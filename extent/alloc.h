/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_ALLOC_H
#define LAMINA_EXTENT_ALLOC_H

/*
 * Free space of the volume's devices, as items: every run of free blocks once by its address (by its last block, so
 * that taking from its front changes only the value) and once by its size class floor(log2(length)).  All lengths
 * are 4 KiB blocks, all addresses daddrs.  Every call costs a bounded number of item calls, however many runs there
 * are: ALLOC_CALLS_MAX, in a tree of n items O(log n) each.
 *
 * Everything here runs inside a transaction body (extent/txn.h), and returns the errors of item calls as they are.
 */

#include "extent/txn.h"

#define ALLOC_ANY     UINT64_MAX /* no goal */
#define ALLOC_DEV_ANY (-1)

/* Bytes of changes that one alloc_take() or alloc_give() makes at most: two puts of 28, three keys of 20. */
#define ALLOC_LOG 116u

/*
 * Item calls of one alloc_take() at most, with alignments up to 64 KiB: three searches (aligned, less aligned, part
 * of the length), each of at most 5 classes whose runs may not fit (17 calls) and 43 without a run on the device (3).
 */
#define ALLOC_CALLS_MAX (3 * (5 * 17 + 43 * 3) + 6)

struct alloc_want {
	uint64_t len;	  /* blocks, > 0 */
	uint64_t min_len; /* a shorter run is no use; 0 counts as 1; at most len */
	uint64_t align; /* power of two, or 0: start where (daddr - phase) is a multiple of this, if there is room */
	uint64_t min_align; /* power of two, or 0: and never where it is not a multiple of this */
	uint64_t phase;
	uint64_t goal; /* daddr: at best here (then align does not matter), else near it; or ALLOC_ANY */
	int dev;       /* only there; or ALLOC_DEV_ANY */
};

/*
 * Take one run out of free space: the blocks from the goal on as far as they are free; else @wish->len blocks in the
 * run that fits best; else the longest run that the search meets, cut so that its end is aligned to min_align, too.
 * The caller comes again for the rest.  -ENOSPC: there is none; exact for min_len and min_align of 1, else runs below
 * twice min_len + min_align may be overlooked.  -EUCLEAN: the items contradict each other.
 */
int alloc_take(struct txn *txn, const struct alloc_want *wish, uint64_t *ret_daddr, uint64_t *ret_len) MUST_CHECK;

/* Make a run free.  -EUCLEAN: it is not inside a device, or (part of it) is free already. */
int alloc_give(struct txn *txn, uint64_t daddr, uint64_t len) MUST_CHECK;

/* The first free run that ends at or after @from.  -ENOENT: there is none. */
int alloc_next(struct txn *txn, uint64_t from, uint64_t *ret_daddr, uint64_t *ret_len) MUST_CHECK;

/* Whether @len > 0 blocks from @daddr on are allocatable blocks of one device.  Any numbers may be asked. */
bool alloc_range_is_valid(const struct txn *txn, uint64_t daddr, uint64_t len);

/*
 * Where a file's blocks should go when nothing else speaks: files are cut in pieces of so many blocks, each
 * piece on one device, chosen by hash so that devices fill in proportion to their size.
 */
uint64_t alloc_piece_blocks(const struct txn *txn);
unsigned int alloc_piece_device(const struct txn *txn, uint64_t ino, uint64_t blk);

#endif
