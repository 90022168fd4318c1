// SPDX-License-Identifier: Apache-2.0
/*
 * Copies go from the front to the back, so what was done is always a first part, and its length says all.
 *
 * A step shares whole blocks where source and destination lie alike in theirs, and copies through a buffer elsewhere:
 * before the first and behind the last whole block, everywhere if they don't lie alike, and where sharing is refused
 * (the file has changed its length meanwhile, or a block has as many owners as it can have).
 *
 * An asynchronous copy is seen by its client only as long as it makes sense: its fiber stops when the client is gone
 * or the server is stopping, and gives up telling the end after some leases.  Its stateid has a number that begins
 * with the time of the server's start, so that none is used again after a restart.
 */

#include "mds/copy.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/format.h"
#include "mds/backchannel.h"
#include "mds/client.h"
#include "mds/mds.h"
#include "mds/state.h"
#include "mds/status.h"

/* How often CB_OFFLOAD is tried, a lease each at most, before the client will have to ask. */
#define COPY_TELL_MAX 10u
#define NSEC_PER_SEC  1000000000ull

int copy_job_init(struct copy_job *job, struct fs *fs, const struct data_range *src, const struct data_range *dst,
		  uint64_t len)
{
	void *buf = aligned_alloc(DADDR_BLOCK_SIZE, COPY_STEP);

	if (!buf)
		return -ENOMEM;
	*job = (struct copy_job){ .fs = fs, .src = *src, .dst = *dst, .len = len, .buf = buf };
	return 0;
}

void copy_job_release(struct copy_job *job)
{
	free(job->buf);
	job->buf = NULL;
}

static bool lies_alike(const struct copy_job *job)
{
	return !job->never_shares && is_aligned_u64(job->src.off ^ job->dst.off, DADDR_BLOCK_SIZE);
}

uint64_t copy_job_cost(const struct copy_job *job)
{
	return lies_alike(job) ? min_u64(job->len, 2 * DADDR_BLOCK_SIZE) : job->len;
}

struct two_sizes {
	const struct copy_job *job;
	uint64_t src, dst;
};

static int read_sizes(struct txn *txn, void *arg)
{
	struct two_sizes *s = arg;
	struct inode inode;
	int err = inode_get_gen(txn, s->job->src.ino, s->job->src.generation, &inode);

	if (err)
		return err;
	s->src = inode.size;
	err = inode_get_gen(txn, s->job->dst.ino, s->job->dst.generation, &inode);
	if (err)
		return err;
	s->dst = inode.size;
	return 0;
}

/*
 * How many bytes at the job's place can be shared, 0 if none.  The part of a block at the source's end can, if it is
 * the end of the destination too.
 */
static FIBER_FN int shareable(const struct copy_job *job, uint64_t *ret_len)
{
	struct two_sizes sizes = { .job = job };
	uint64_t from = job->src.off + job->done;
	uint64_t left = job->len - job->done;
	int err;

	*ret_len = 0;
	if (!lies_alike(job) || !is_aligned_u64(from, DADDR_BLOCK_SIZE))
		return 0;
	err = txn_read(job->fs, read_sizes, &sizes);
	if (err)
		return err;
	if (left > COPY_CLONE_STEP)
		*ret_len = COPY_CLONE_STEP;
	else if (from + left == sizes.src && job->dst.off + job->len >= sizes.dst)
		*ret_len = left;
	else
		*ret_len = round_down_u64(left, DADDR_BLOCK_SIZE);
	return 0;
}

static FIBER_FN int share(struct copy_job *job, uint64_t len, const struct data_also *also)
{
	struct data_range src = job->src, dst = job->dst;
	struct inode inode;
	uint64_t seq;
	int err;

	src.off += job->done;
	dst.off += job->done;
	err = data_clone(job->fs, &src, &dst, len, also, &inode, &seq);
	if (err == -EINVAL || err == -EMLINK) {
		job->never_shares = true;
		return 0;
	}
	if (err)
		return err;
	job->seq = max_u64(job->seq, seq);
	job->done += len;
	return 0;
}

static FIBER_FN int copy_bytes(struct copy_job *job, const struct data_also *also)
{
	uint64_t from = job->src.off + job->done;
	uint64_t left = job->len - job->done;
	uint32_t len = (uint32_t)min_u64(left, COPY_STEP);
	uint32_t got;
	struct inode inode;
	bool eof, durable;
	uint64_t seq;
	int err;

	if (lies_alike(job) && !is_aligned_u64(from, DADDR_BLOCK_SIZE))
		len = (uint32_t)min_u64(len, round_up_u64(from, DADDR_BLOCK_SIZE) - from);
	err = data_read(job->fs, job->src.ino, job->src.generation, from, job->buf, len, &got, &eof);
	if (err)
		return err;
	if (got < len)
		job->len = job->done + got;
	if (got == 0)
		return 0;
	err = data_write(job->fs, job->dst.ino, job->dst.generation, job->dst.off + job->done, job->buf, got,
			 DATA_UNSTABLE, job->done + got == job->len ? also : NULL, &inode, &durable, &seq);
	if (err)
		return err;
	job->seq = max_u64(job->seq, seq);
	job->done += got;
	return 0;
}

FIBER_FN int copy_job_step(struct copy_job *job, const struct data_also *also)
{
	uint64_t len;
	int err = shareable(job, &len);

	if (err)
		return err;
	if (len > 0)
		return share(job, len, job->done + len == job->len ? also : NULL);
	return copy_bytes(job, also);
}

static bool is_abandoned(const struct copy *copy)
{
	return copy->cancelled || copy->client->gone || copy->mds->stopping;
}

static FIBER_FN int run_job(struct copy *copy)
{
	struct copy_job *job = &copy->job;
	int err = 0;

	while (!err && job->done < job->len)
		err = is_abandoned(copy) ? -ECANCELED : copy_job_step(job, NULL);
	/* What was shared may still be on its way to the device for the source. */
	if (!err)
		err = data_commit(job->fs, job->src.ino, job->src.generation);
	if (!err)
		err = data_commit(job->fs, job->dst.ino, job->dst.generation);
	if (!err)
		err = txn_wait_durable(job->fs, job->seq);
	return err;
}

static void fill_offload(const struct copy *copy, uint8_t fh[FH_SIZE], struct nfs_cb_argop4 *ret_op)
{
	struct CB_OFFLOAD4args *args = &ret_op->nfs_cb_argop4_u.opcboffload;
	struct write_response4 *ok = &args->coa_offload_info.offload_info4_u.coa_resok4;

	*ret_op = (struct nfs_cb_argop4){ .argop = OP_CB_OFFLOAD };
	fh_encode(copy->mds, &copy->fh, fh);
	args->coa_fh.nfs_fh4_len = FH_SIZE;
	args->coa_fh.nfs_fh4_val = (char *)fh;
	args->coa_stateid = copy->stateid;
	args->coa_offload_info.coa_status = copy->status;
	if (copy->status != NFS4_OK) {
		args->coa_offload_info.offload_info4_u.coa_bytes_copied = copy->job.done;
		return;
	}
	ok->wr_count = copy->job.done;
	ok->wr_committed = FILE_SYNC4;
	memcpy(ok->wr_writeverf, copy->mds->write_verifier, NFS4_VERIFIER_SIZE);
}

static FIBER_FN void tell_client(struct copy *copy)
{
	struct mds *mds = copy->mds;
	uint64_t lease_ns = mds->config->lease_seconds * NSEC_PER_SEC;
	uint8_t fh[FH_SIZE];
	struct nfs_cb_argop4 op;
	nfsstat4 status;
	int err;

	fill_offload(copy, fh, &op);
	for (unsigned int i = 0; i < COPY_TELL_MAX && !is_abandoned(copy); i++) {
		err = backchannel_call(mds, copy->client, &op, reactor_now_ns(mds->reactor) + lease_ns, &status);
		if (!err && status != NFS4ERR_DELAY)
			return;
		fiber_sleep_ns(NSEC_PER_SEC);
	}
	log_debug("client %llx: the end of a copy could not be told", (unsigned long long)copy->client->id);
}

static void forget(struct copy *copy)
{
	struct copy **at = &copy->mds->copies;

	while (*at != copy)
		at = &(*at)->next;
	*at = copy->next;
}

static void put(struct copy *copy)
{
	if (--copy->nr_users == 0)
		free(copy);
}

static FIBER_FN void copy_fiber(void *arg)
{
	struct copy *copy = arg;
	struct mds *mds = copy->mds;
	int err = run_job(copy);

	copy_job_release(&copy->job);
	if (err != -ECANCELED) {
		copy->status = nfs_status(err);
		copy->finished = true;
	}
	wait_queue_wake_all(&copy->stopped);
	if (copy->finished && !copy->cancelled)
		tell_client(copy);
	forget(copy);
	client_drop(mds, copy->client);
	put(copy);
	mds->nr_fibers--;
	wait_queue_wake_all(&mds->idle);
}

bool copy_may_start(const struct compound *c)
{
	unsigned int nr = 0, nr_client = 0;

	for (const struct copy *copy = c->mds->copies; copy; copy = copy->next) {
		nr++;
		nr_client += copy->client == c->client;
	}
	return nr < COPY_ASYNC_MAX && nr_client < COPY_ASYNC_CLIENT_MAX && !c->mds->stopping;
}

int copy_start(struct compound *c, const struct copy_job *job, struct stateid4 *ret_stateid)
{
	struct mds *mds = c->mds;
	struct copy *copy = malloc(sizeof(*copy));
	int err;

	if (!copy)
		return -ENOMEM;
	*copy = (struct copy){ .mds = mds, .client = c->client, .fh = c->fh, .job = *job, .nr_users = 1 };
	wait_queue_init(&copy->stopped);
	err = fiber_spawn(mds->reactor, "copy", copy_fiber, copy, NULL);
	if (err) {
		free(copy);
		return err;
	}
	state_stateid(mds, STATE_COPY, state_memory_number(mds), 1, &copy->stateid);
	copy->next = mds->copies;
	mds->copies = copy;
	mds->nr_fibers++;
	client_hold(copy->client);
	*ret_stateid = copy->stateid;
	return 0;
}

nfsstat4 copy_find(const struct compound *c, const struct stateid4 *stateid, struct copy **ret_copy)
{
	for (struct copy *copy = c->mds->copies; copy; copy = copy->next) {
		if (copy->cancelled || memcmp(copy->stateid.other, stateid->other, sizeof(stateid->other)) != 0)
			continue;
		if (copy->client != c->client || !fh_equal(&copy->fh, &c->fh))
			break;
		if (stateid->seqid != 0 && stateid->seqid != copy->stateid.seqid)
			break;
		*ret_copy = copy;
		return NFS4_OK;
	}
	return NFS4ERR_BAD_STATEID;
}

FIBER_FN nfsstat4 copy_cancel(struct copy *copy)
{
	nfsstat4 status;

	if (copy->finished)
		return NFS4ERR_COMPLETE_ALREADY;
	copy->cancelled = true;
	copy->nr_users++;
	wait_queue_wait(&copy->stopped);
	/* Its last step may have been its end. */
	status = copy->finished ? NFS4ERR_COMPLETE_ALREADY : NFS4_OK;
	put(copy);
	return status;
}
