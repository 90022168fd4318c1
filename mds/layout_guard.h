/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_LAYOUT_GUARD_H
#define LAMINA_MDS_LAYOUT_GUARD_H

/* What changes of a file's contents ask about layouts (mds/layout_recall.h), where extent/data.h makes them. */

#include "extent/data.h"

struct client;
struct compound;
struct mds;

/* What an operation is going to do with a range. */
enum layout_clash {
	LAYOUT_CLASH_READ,  /* grant it for reading: in the way are others' GRANT_RW */
	LAYOUT_CLASH_WRITE, /* grant it for writing, or overwrite it in place: all that others hold */
	LAYOUT_CLASH_REMAP, /* change which blocks are behind it, or their state: all that anybody has (I15) */
	/*
	 * Take the blocks away: the same, but lost layouts are not in the way, since the blocks go to limbo with
	 * layout_limbo_tag().
	 */
	LAYOUT_CLASH_FREE,
};

/* For calls of extent/data.h: checks with the range locked. */
struct layout_guard {
	struct data_guard guard;
	struct compound *c; /* NULL: the server's own work, for */
	struct mds *mds;
	const struct client *client;
	enum layout_clash remap; /* what DATA_REMAP is: LAYOUT_CLASH_REMAP, or _FREE where it only takes away, in */
	uint64_t ino;		 /* this file; 0: none */
	bool quiet;		 /* what is in the way is not recalled */
};
void layout_guard_init(struct layout_guard *guard, struct compound *c);
/* For work of the server's own; @quiet: only where nobody minds. */
void layout_guard_init_own(struct layout_guard *guard, struct mds *mds, bool quiet);
/* DATA_REMAP only takes blocks away, from inode @ino. */
static inline void layout_guard_frees(struct layout_guard *guard, uint64_t ino)
{
	guard->remap = LAYOUT_CLASH_FREE;
	guard->ino = ino;
}

#endif
