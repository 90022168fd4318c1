/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_COPY_H
#define LAMINA_MDS_COPY_H

/*
 * Asynchronous copies (RFC 7862, 4.2, 15.2): each runs in a fiber of its own, and is an item of its client's
 * (RECORD_COPY), written with the COPY, with each step, and with the end.  So it goes on after a restart, under its
 * stateid, and its client is told the end until it has heard it.
 */

#include "dev/fiber_sync.h"
#include "mds/compound.h"
#include "mds/copy_job.h"

struct client;

/* What one COPY does before it answers, at most. */
#define COPY_SYNC_MAX	    (16u << 20)
#define COPY_SYNC_CLONE_MAX (8ull << 30)
/* Asynchronous copies at a time, each with a buffer of COPY_STEP bytes. */
#define COPY_ASYNC_MAX	      16u
#define COPY_ASYNC_CLIENT_MAX 4u

struct copy {
	struct mds *mds;
	struct client *client;
	uint64_t number;     /* state number: of COPY's transaction; 0: that has not run */
	uint8_t fh[FH_SIZE]; /* of the destination */
	struct copy *next;   /* in mds.copies */
	struct copy_job job;
	bool begun; /* its item is there */
	bool cancelled;
	bool finished;		   /* status says how; the client is being told */
	bool asked;		   /* the client knows the end by OFFLOAD_STATUS */
	nfsstat4 status;	   /* NFS4_OK: all that there was is on stable storage */
	struct wait_queue wake;	   /* its fiber waits for news */
	struct wait_queue stopped; /* who cancels waits for this */
	unsigned int nr_users;	   /* its fiber, and those */
};

/* Whether c's client may have one more. */
bool copy_may_start(const struct compound *c) MUST_CHECK;
/*
 * One with c->fh as destination and @job, which is the copy's from then on; it waits for copy_go(), which must
 * follow.  The end is told by CB_OFFLOAD; until the client has answered that, the copy can be asked for.  -ENOMEM,
 * -EAGAIN: no fiber; @job is still the caller's.
 */
int copy_new(struct compound *c, const struct copy_job *job, struct copy **ret_copy) MUST_CHECK;
/* In the body of COPY's transaction: the item.  *@ret_stateid is the copy's, if this is committed. */
int copy_write(struct txn *txn, struct copy *copy, struct stateid4 *ret_stateid) MUST_CHECK;
#define COPY_LOG_WRITE 256u
/* That transaction has committed, or with @goes false it has not, and there is no copy.  Do not use @copy any more.
 */
void copy_go(struct copy *copy, bool goes);
/* c's client's copy to c->fh, or NFS4ERR_BAD_STATEID. */
nfsstat4 copy_find(const struct compound *c, const struct stateid4 *stateid, struct copy **ret_copy) MUST_CHECK;
/* OFFLOAD_STATUS has told the end. */
void copy_was_asked(struct copy *copy);
/*
 * Stop it: when this returns nothing is written any more, no CB_OFFLOAD is sent, and with c's result its item is
 * gone. NFS4ERR_COMPLETE_ALREADY: it has come to its end, and the client is being told.  Do not use @copy any more.
 */
FIBER_FN nfsstat4 copy_cancel(struct compound *c, struct copy *copy) MUST_CHECK;

/* copy_load.c: those of before go on, after state_load().  -EUCLEAN: an item makes no sense. */
FIBER_FN int copy_load(struct mds *mds) MUST_CHECK;
/* The server is stopping: they end, and their items stay. */
void copy_stop_all(struct mds *mds);

/* For copy_load.c: a copy of @client with @number, fiber and buffer, that waits for copy_go().  As copy_new(). */
int copy_make(struct mds *mds, struct client *client, const struct copy_job *job, struct copy **ret_copy) MUST_CHECK;

#endif
