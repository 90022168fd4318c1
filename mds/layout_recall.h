/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_LAYOUT_RECALL_H
#define LAMINA_MDS_LAYOUT_RECALL_H

/*
 * Getting layouts back (RFC 8881, 12.5.5, 20.3).  Promise: nobody waits inside of the server for a client.  What is
 * in the way is recalled by a fiber, the request parks for a moment and is then answered NFS4ERR_DELAY (or what the
 * operation has for it); when the deadline has passed the layout is revoked, its holder fenced, and only when that is
 * proved do its grants end (I3, I4).
 */

#include "mds/layout.h"
#include "mds/layout_guard.h"

/*
 * Whether nothing is in the way in blocks [@first, @end) of @ino for @client (NULL: the server's own): NFS4_OK; or
 * NFS4ERR_DELAY: it is being recalled, up to @more_end from who is in the way: @client is about to want that too.
 * Does not switch: also for bodies.
 */
nfsstat4 layout_check(struct mds *mds, const struct client *client, uint64_t ino, uint64_t first, uint64_t end,
		      uint64_t more_end, enum layout_clash clash) MUST_CHECK;
/* The same for an operation; deleg_recall_wait() then waits for these too. */
nfsstat4 layout_check_op(struct compound *c, uint64_t ino, uint64_t first, uint64_t end, enum layout_clash clash)
	MUST_CHECK;

/* Whether the holder has said that it will give back all of [@first, @end). */
bool layout_is_told(const struct layout *layout, uint64_t first, uint64_t end) MUST_CHECK;

/*
 * The holder of @layout says that it has given back all or some of it (layout->returned), and may keep some of its
 * extents for all that (client rule 10): it is asked for the whole, and what it holds ends when it answers
 * NOMATCHING_LAYOUT, or returns all of it once more.
 */
void layout_prove_return(struct mds *mds, struct layout *layout);

/* The file is without a name: whoever has a layout of it is asked to give it back. */
void layout_recall_file(struct mds *mds, uint64_t ino);
/* Whether one is being recalled, or its holder fenced, that keeps @client from something. */
bool layout_recall_is_under_way(const struct mds *mds, uint64_t ino);
/* A LAYOUTGET is being answered: recalls will name it until its reply has surely been received. */
void layout_note_call(struct layout *layout, const struct compound *c);

/*
 * The client is gone or was given up (its lease is over and somebody wants what it holds, or it is evicted): what it
 * has is lost and binds on without it, until its host is fenced, which goes on by itself.  In client_destroy(),
 * before its states go.
 */
FIBER_FN int layout_release_client(struct mds *mds, struct client *client) MUST_CHECK;
#define LAYOUT_LOG_RELEASE(runs) (LAYOUT_LOG(runs) + 20u * ((runs) / LAYOUT_RUNS_PER_ITEM + 2u))
/*
 * In a body, LAYOUT_LOG_RELEASE: @layout, which is lost and binds, belongs to nobody from now on; and in memory after
 * the transaction.
 */
int layout_release_write(struct txn *txn, struct mds *mds, const struct layout *layout) MUST_CHECK;
void layout_release_apply(struct mds *mds, struct layout *layout);
/*
 * What clients were told to have lost, and did not free by FREE_STATEID within a lease in which they were there, is
 * forgotten: the Linux client never frees it.
 */
FIBER_FN void layout_release_told(struct mds *mds);
/*
 * The host with @key wants layouts again: if it is fenced, and its clients have nothing that they lost and do not
 * know of, the fence is lifted.  False: not yet.
 */
FIBER_FN bool layout_lift(struct mds *mds, uint64_t key) MUST_CHECK;

/* Who has what clients lost that are gone: before layout_load().  -ENOMEM. */
int layout_nobody_init(struct mds *mds) MUST_CHECK;
/* After layout_load(), before anything else runs: fences that were under way go on. */
int layout_recall_start(struct mds *mds) MUST_CHECK;
/* The server stops: nothing waits any more; and when no fiber is left. */
void layout_recall_interrupt(struct mds *mds);
void layout_recall_stop(struct mds *mds);

#endif
