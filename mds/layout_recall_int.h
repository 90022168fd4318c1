/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_LAYOUT_RECALL_INT_H
#define LAMINA_MDS_LAYOUT_RECALL_INT_H

/* What the files about taking layouts back share. */

#include "mds/layout_recall.h"

#define LAYOUT_SEC_NS 1000000000ull

/* Blocks [first, end) of one layout, which is found by its number: it may go at any time. */
struct layout_range {
	struct mds *mds;
	uint64_t number;
	uint64_t first, end;
};

/* The layout, while it is neither gone nor revoked; NULL. */
struct layout *layout_range_find(const struct layout_range *range);
/* Something of it in the range has one of @bits. */
bool layout_range_has(const struct layout_range *range, uint32_t bits);

/* layout_revoke.c */
/*
 * Take @bits away in the range; with @late, what loses GRANT_RW becomes GRANT_LATE.  A layout of which nothing is
 * left is gone.  0, also if it was gone already; the volume's errors; -ENOMEM, -E2BIG.
 */
FIBER_FN int layout_take(const struct layout_range *range, uint32_t bits, bool late) MUST_CHECK;
/* All that @client holds is lost from now on, durably: revoked, and still binding. */
FIBER_FN int layout_revoke_client(struct mds *mds, struct client *client) MUST_CHECK;
/* Out of all tables, and freed. */
void layout_forget(struct mds *mds, struct layout *layout);

/* layout_callback.c */
/*
 * Ask for the range, with stateid seqid *@seqid if that is still the layout's, else with a new one that is durable
 * before it is sent, and put there.  *@ret_status is the client's answer.  -ENOENT: it is gone; errors of
 * backchannel_call() and of the volume.
 */
FIBER_FN int layout_callback(const struct layout_range *range, uint64_t deadline_ns, uint32_t *seqid,
			     nfsstat4 *ret_status) MUST_CHECK;

#endif
