/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_COPY_JOB_H
#define LAMINA_MDS_COPY_JOB_H

/*
 * Copies within the volume (RFC 7862, 4 and 15.2): bytes of one file become bytes of another, or of another part of
 * the same, from the front to the back, in bounded steps.
 *
 * A COPY promises independent data, and a shared block is that: whoever writes to one of its files first gets a block
 * of his own there (extent/map.h).  So what lies alike in both files' blocks is shared, and only the rest is read and
 * written.  Long holes stay holes.
 */

#include "extent/data.h"

/* Bytes of one step, which nothing can stop: read and written; or shared, or made a hole. */
#define COPY_STEP	(1u << 20)
#define COPY_CLONE_STEP (1ull << 30)
/* A shorter hole is read and written like data. */
#define COPY_HOLE_MIN (64u << 10)

struct copy_job {
	struct fs *fs;
	struct data_range src, dst;
	uint64_t len;
	uint64_t done;	  /* bytes from the front */
	uint64_t written; /* up to there the destination is as long as it should be: behind it only holes were made */
	uint64_t seq;	  /* transaction to wait for */
	bool never_shares; /* a step found that blocks cannot be shared */
	/*
	 * Each step's bytes are on stable storage before its last transaction, with which @also goes: so what this
	 * records of @next survives a crash together with them.
	 */
	bool in_steps;
	uint64_t next;		/* what done will be after the step that runs */
	struct data_also plain; /* of a step that is not the last: who is asked, and nothing else */
	void *buf;		/* COPY_STEP bytes */
};

/* -ENOMEM.  @len > 0; [off, off + len) of both are within what files can hold, and do not overlap in one file. */
int copy_job_init(struct copy_job *job, struct fs *fs, const struct data_range *src, const struct data_range *dst,
		  uint64_t len) MUST_CHECK;
void copy_job_release(struct copy_job *job);
/*
 * One step.  @also goes with the last one, and with all if in_steps; its guard is asked in all.  A source that has
 * become shorter ends the job there: then len is done, and @also was not used.  Errors of data_read(), data_write(),
 * data_clone(), data_deallocate(), data_commit(), and of @also.
 */
FIBER_FN int copy_job_step(struct copy_job *job, const struct data_also *also) MUST_CHECK;
/* Bytes that would have to be read and written, as far as one can see. */
uint64_t copy_job_cost(const struct copy_job *job) MUST_CHECK;

#endif
