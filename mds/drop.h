/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_DROP_H
#define LAMINA_MDS_DROP_H

/*
 * Taking opens, locks, delegations and what is left of layouts away, a bounded number in one transaction: collected
 * and deleted (or marked as revoked) in its body, then taken out of memory.
 */

#include "mds/deleg.h"
#include "mds/layout.h"
#include "mds/lock.h"

#define DROP_MAX 128u

struct drop {
	struct mds *mds;
	nfsstat4 revoke; /* NFS4_OK: delete; else states stay, answered with this */
	unsigned int nr; /* of both kinds */
	unsigned int nr_locks, nr_states;
	struct lock *locks[DROP_MAX];
	struct state *states[DROP_MAX]; /* holders before the opens that they hang on */
	bool orphan[DROP_MAX];		/* of states: the file has no name */
};

#define DROP_REVOKE_STATES 16u /* of these, at once: each is written again */
#define DROP_LOG	   (DROP_MAX * 20u)
#define DROP_LOG_REVOKE	   (DROP_LOG + DROP_REVOKE_STATES * OPEN_LOG_PUT)

/* Begin anew, at the start of a body too. */
void drop_init(struct drop *drop, struct mds *mds, nfsstat4 revoke);
/* Take @holder (or @open) with all that hangs on it.  False: it did not all fit, and goes on in another transaction.
 */
bool drop_holder(struct drop *drop, struct lock_holder *holder) MUST_CHECK;
bool drop_open(struct drop *drop, struct open *open) MUST_CHECK;
bool drop_deleg(struct drop *drop, struct deleg *deleg) MUST_CHECK;
/* One that is revoked: if it still binds it passes to nobody, for which drop_write() needs LAYOUT_LOG_RELEASE more.
 */
bool drop_layout(struct drop *drop, struct layout *layout) MUST_CHECK;
/* As many of @client's as fit.  True: that was all of them. */
bool drop_client(struct drop *drop, struct client *client) MUST_CHECK;
/* In a body: the items. */
int drop_write(struct txn *txn, struct drop *drop) MUST_CHECK;
/* After the transaction: the mirror. */
void drop_apply(struct drop *drop);

/*
 * Take a silent client's state @number away, for somebody who needs it (RFC 8881, 8.4.2.4 and 8.4.3): it is
 * NFS4ERR_EXPIRED from then on.  0: gone, or was gone already; -EBUSY: the client is back.
 */
FIBER_FN int drop_revoke(struct mds *mds, uint64_t number, enum state_kind kind) MUST_CHECK;

/* How many revocations a request does before it says NFS4ERR_DELAY. */
#define DROP_REVOKE_MAX 64u

#endif
