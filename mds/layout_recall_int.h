/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_LAYOUT_RECALL_INT_H
#define LAMINA_MDS_LAYOUT_RECALL_INT_H

/* What the files about taking layouts back share. */

#include "mds/layout_recall.h"

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
 * Take @bits away in the range; with @late, what loses GRANT_RW and is not committed becomes GRANT_LATE.  A layout of
 * which nothing is left is gone.  0, also if it was gone already; the volume's errors; -ENOMEM, -E2BIG.
 */
FIBER_FN int layout_take(const struct layout_range *range, uint32_t bits, bool late) MUST_CHECK;
/* All that @client holds is lost from now on, durably: revoked, and still binding. */
FIBER_FN int layout_revoke_client(struct mds *mds, struct client *client) MUST_CHECK;
/* The same of all clients of the host with @key. */
FIBER_FN int layout_revoke_key(struct mds *mds, uint64_t key) MUST_CHECK;
/* Whether @client has layouts, whose host has that key. */
bool layout_client_key_is(const struct client *client, uint64_t key) MUST_CHECK;
/* A lost layout with @key that still binds, and its inode; 0: there is none (any more). */
uint64_t layout_lost_next(const struct mds *mds, uint64_t key, uint64_t *ret_ino) MUST_CHECK;
/*
 * It binds no more: its holder is fenced.  Space that was taken for it and never written is given back.  It is gone
 * then, or stays without grants until its client has freed the stateid.
 */
FIBER_FN int layout_lost_end(struct mds *mds, uint64_t number) MUST_CHECK;
/* Out of all tables, and freed. */
void layout_forget(struct mds *mds, struct layout *layout);

/* layout_settle.c */
/* In a body: what is late in [@first, @end) of @grants and committed is not late any more. */
int layout_settle_written(struct txn *txn, uint64_t ino, uint64_t first, uint64_t end, struct grants *grants)
	MUST_CHECK;

/* layout_lost.c */
/* The host of @layout, which is lost, is to be fenced; @address is for people, and may be NULL. */
void layout_lost_add(struct mds *mds, const struct layout *layout, const char *address);
bool layout_lost_is_under_way(const struct mds *mds, uint64_t key) MUST_CHECK;
void layout_lost_forget(struct layouts *layouts);

/* layout_limbo.c */
/* Whether blocks that leave the map of @ino must wait, for a lost layout's holder. */
bool layout_limbo_is_bound(const struct mds *mds, uint64_t ino) MUST_CHECK;
/* For data_set_limbo(); @arg is the mds. */
uint64_t layout_limbo_tag(void *arg, uint64_t ino) MUST_CHECK;
/* Free what waits of @ino, unless it is bound (again). */
FIBER_FN int layout_limbo_release(struct mds *mds, uint64_t ino) MUST_CHECK;
/* At the start: free what nothing binds, in a fiber.  -ENOMEM. */
int layout_limbo_sweep(struct mds *mds) MUST_CHECK;

/* layout_callback.c */
/*
 * Ask for the range, with stateid seqid *@seqid if that is still the layout's, else with a new one that is durable
 * before it is sent, and put there.  *@ret_status is the client's answer.  -ENOENT: it is gone; errors of
 * backchannel_call() and of the volume.  @back: the stateid's seqid is so many behind the layout's, as far as there
 * are any, if the client has the replies to all LAYOUTGETs that it will ever get.
 */
FIBER_FN int layout_callback(const struct layout_range *range, uint64_t deadline_ns, unsigned int back,
			     uint32_t *seqid, nfsstat4 *ret_status) MUST_CHECK;

/*
 * How long the layout has been asked for becomes an item, as layout->recall_ns says.  Not waited for: what is lost in
 * a crash is little.
 */
FIBER_FN int layout_save_recall(const struct layout_range *range) MUST_CHECK;

#endif
