/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_LAYOUT_FILL_H
#define LAMINA_LAYOUT_FILL_H

/*
 * From a file's map to the extents of one LAYOUTGET reply, as all rules of the protocol and of real clients want them
 * (RFC 5663, 2.3; RFC 8154, 2.3): gapless, on one device, aligned to the client's page, holes filled with unwritten
 * blocks where it wants to write.
 */

#include "extent/map.h"
#include "layout/quirk.h"

#define FILL_EXTENTS_MAX 92u /* the Linux client takes no more in 4096 bytes */

enum fill_state {
	/* The numbers of the wire. */
	FILL_READ_WRITE = 0,
	FILL_READ = 1,
	FILL_INVALID = 2,
	FILL_NONE = 3,
};

struct fill_extent {
	uint64_t blk, nr;
	uint64_t daddr; /* not of FILL_NONE */
	enum fill_state state;
};

struct fill {
	/* Asked for */
	bool write;	     /* RW */
	uint64_t first, end; /* blocks: multiples of the page */
	uint64_t need_end;   /* must reach at least there */
	uint64_t page;	     /* blocks of 4 KiB in a page of the client */
	uint64_t fresh_max;  /* holes are filled at most up to this block; behind it only what is mapped already */
	unsigned int max;    /* extents */
	/* Blocks of FILL_INVALID at most, besides what the client has for writing already; UINT64_MAX: any */
	uint64_t invalid_max;
	const struct grants *has; /* by the client; NULL: nothing */
	/* Answered */
	struct fill_extent extents[FILL_EXTENTS_MAX];
	unsigned int nr;
	uint64_t ret_end; /* [first, ret_end) is in extents */
	uint64_t invalid; /* blocks of FILL_INVALID, of those that invalid_max is about */
	/* Holes that were filled. */
	struct fill_hole {
		uint64_t blk, nr;
	} holes[FILL_EXTENTS_MAX];
	unsigned int nr_holes;
	unsigned int device; /* all lie on it */
};

/* Bytes of changes at most. */
#define FILL_LOG (FILL_EXTENTS_MAX * MAP_ALLOC_LOG)

/*
 * In a body; changes @inode's count of blocks, the caller puts it.  -ENODATA: the client cannot have a layout that
 * reaches @need_end there (no alignment, too many pieces, another device): it must go through the server.  -ENOSPC.
 * -EAGAIN: blocks are being cut off there.
 */
int fill_run(struct txn *txn, struct inode *inode, struct fill *fill) MUST_CHECK;

#endif
