/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_LAYOUT_GUARD_H
#define LAMINA_MDS_LAYOUT_GUARD_H

/* What changes of a file's contents ask about layouts (mds/layout_recall.h), where extent/data.h makes them. */

#include "extent/data.h"
#include "extent/format.h"

struct client;
struct compound;
struct mds;

/* What an operation is going to do with a range. */
enum layout_clash {
	LAYOUT_CLASH_READ,  /* grant it for reading: in the way are others' GRANT_RW */
	LAYOUT_CLASH_WRITE, /* grant it for writing, or overwrite it in place: all that others hold */
	/*
	 * Write what is not written, or not the file's alone, through the server: the same as the next, but not what
	 * its own client has said it will give back.  It begins nothing there any more, and what it has begun may
	 * wait for this.
	 */
	LAYOUT_CLASH_FILL,
	/*
	 * Make zeros behind the end of file, in the same block: all that anybody may write or still commit.  Who only
	 * reads sees no difference.
	 */
	LAYOUT_CLASH_TAIL,
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
	/* Of this inode DATA_REMAP only takes these blocks away; 0: of none. */
	uint64_t frees_ino, frees_first, frees_end;
	bool quiet;    /* what is in the way is not recalled */
	uint32_t held; /* grants that data_guard.held() tells of: GRANT_RW if not said otherwise */
};
void layout_guard_init(struct layout_guard *guard, struct compound *c);
/* For work of the server's own; @quiet: only where nobody minds. */
void layout_guard_init_own(struct layout_guard *guard, struct mds *mds, bool quiet);

/*
 * What is done with bytes [@off, @end) of inode @ino (@end UINT64_MAX: all that follow) takes whole blocks away.  Not
 * those of which bytes stay: they are zeroed where they are.
 */
static inline void layout_guard_frees(struct layout_guard *guard, uint64_t ino, uint64_t off, uint64_t end)
{
	guard->frees_ino = ino;
	guard->frees_first = off / DADDR_BLOCK_SIZE + (off % DADDR_BLOCK_SIZE != 0);
	guard->frees_end = end == UINT64_MAX ? DATA_END : end / DADDR_BLOCK_SIZE;
}

#endif
