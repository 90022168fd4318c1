/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_COPY_H
#define LAMINA_MDS_COPY_H

/*
 * Copies within the volume (RFC 7862, 4 and 15.2): bytes of one file become bytes of another, or of another part of
 * the same, from the front to the back, in bounded steps.
 *
 * A COPY promises independent data, and a shared block is that: whoever writes to one of its files first gets a block
 * of his own there (extent/map.h).  So what lies alike in both files' blocks is shared, and only the rest is read and
 * written.
 *
 * An asynchronous copy runs in a fiber of its own and lives in memory: it ends with the server.
 */

#include "dev/fiber_sync.h"
#include "extent/data.h"
#include "mds/compound.h"

struct client;

/* Bytes of one step, which nothing can stop: read and written, or shared. */
#define COPY_STEP	(1u << 20)
#define COPY_CLONE_STEP (1ull << 30)
/* What one COPY does before it answers, at most. */
#define COPY_SYNC_MAX	    (16u << 20)
#define COPY_SYNC_CLONE_MAX (8ull << 30)
/* Asynchronous copies at a time, each with a buffer of COPY_STEP bytes. */
#define COPY_ASYNC_MAX	      16u
#define COPY_ASYNC_CLIENT_MAX 4u

struct copy_job {
	struct fs *fs;
	struct data_range src, dst;
	uint64_t len;
	uint64_t done;	   /* bytes from the front */
	uint64_t seq;	   /* transaction to wait for */
	bool never_shares; /* a step found that blocks cannot be shared */
	void *buf;	   /* COPY_STEP bytes */
};

/* -ENOMEM.  @len > 0; [off, off + len) of both are within what files can hold, and do not overlap in one file. */
int copy_job_init(struct copy_job *job, struct fs *fs, const struct data_range *src, const struct data_range *dst,
		  uint64_t len) MUST_CHECK;
void copy_job_release(struct copy_job *job);
/*
 * One step.  If it is the last, @also goes with it.  A source that has become shorter ends the job there: then len
 * is done, and @also was not used.  Errors of data_read(), data_write(), data_clone().
 */
FIBER_FN int copy_job_step(struct copy_job *job, const struct data_also *also) MUST_CHECK;
/* Bytes that would have to be read and written, as far as one can see. */
uint64_t copy_job_cost(const struct copy_job *job) MUST_CHECK;

/* An asynchronous copy. */
struct copy {
	struct mds *mds;
	struct client *client;
	struct fh fh; /* of the destination */
	struct stateid4 stateid;
	struct copy *next; /* in mds.copies */
	struct copy_job job;
	bool cancelled;
	bool finished;		   /* status says how; the client is being told */
	nfsstat4 status;	   /* NFS4_OK: all that there was is on stable storage */
	struct wait_queue stopped; /* who cancels waits for this */
	unsigned int nr_users;	   /* its fiber, and those */
};

/* Whether c's client may have one more. */
bool copy_may_start(const struct compound *c) MUST_CHECK;
/*
 * Begin, with c->fh as destination and @job, which is the copy's from then on.  The end is told by CB_OFFLOAD; until
 * the client has answered that, the copy can be asked for.  -ENOMEM, -EAGAIN: no fiber; @job is still the caller's.
 */
int copy_start(struct compound *c, const struct copy_job *job, struct stateid4 *ret_stateid) MUST_CHECK;
/* c's client's copy to c->fh, or NFS4ERR_BAD_STATEID. */
nfsstat4 copy_find(const struct compound *c, const struct stateid4 *stateid, struct copy **ret_copy) MUST_CHECK;
/*
 * Stop it: when this returns nothing is written any more, and no CB_OFFLOAD is sent.  NFS4ERR_COMPLETE_ALREADY: it
 * has come to its end, and the client is being told.  Do not use @copy any more.
 */
FIBER_FN nfsstat4 copy_cancel(struct copy *copy) MUST_CHECK;

#endif
