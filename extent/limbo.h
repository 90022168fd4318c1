/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_LIMBO_H
#define LAMINA_EXTENT_LIMBO_H

/*
 * Limbo (I3): blocks that left a map while a layout might still reach them.  They belong to nobody and are not free
 * until the owner of the layouts releases their tag.  Tags are numbers up to LIMBO_TAG_MAX, the owner's to choose;
 * limbo survives a crash.  All run inside a transaction body.
 */

#include "extent/alloc.h"

#define LIMBO_TAG_MAX KEY_LOW_MAX
#define LIMBO_NONE    UINT64_MAX /* as a tag: no layout can reach the blocks, they are free at once */

/* Bytes of changes at most: of one limbo_add(), and of limbo_release() for each run. */
#define LIMBO_LOG	  ALLOC_LOG
#define LIMBO_RELEASE_LOG (20u + ALLOC_LOG)

/* -EUCLEAN: the range is not inside a device, or in this tag's limbo (with LIMBO_NONE: free) already. */
int limbo_add(struct txn *txn, uint64_t tag, uint64_t daddr, uint64_t len) MUST_CHECK;

/* Free at most @max > 0 runs of @tag.  *@ret_more: there are others, come again. */
int limbo_release(struct txn *txn, uint64_t tag, unsigned int max, bool *ret_more) MUST_CHECK;

struct limbo_run {
	uint64_t tag;
	uint64_t daddr;
	uint64_t len; /* blocks */
};

/* The first run in order of (tag, daddr) at or after this one.  -ENOENT: there is none. */
int limbo_next(struct txn *txn, uint64_t tag, uint64_t daddr, struct limbo_run *ret_run) MUST_CHECK;

#endif
