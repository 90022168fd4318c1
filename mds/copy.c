// SPDX-License-Identifier: Apache-2.0
/*
 * Promises: what a copy's item says was done is on stable storage; after a crash the copy goes on behind it.  Its
 * fiber stops between two steps when the copy is cancelled, its client goes or the server stops; only the last leaves
 * the item where it is.  No item is written for a client that is going.
 */

#include "mds/copy.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "mds/backchannel.h"
#include "mds/client.h"
#include "mds/layout_guard.h"
#include "mds/mds.h"
#include "mds/state.h"
#include "mds/state_record.h"
#include "mds/status.h"

/* A client that has learnt the end by asking is called back as often. */
#define COPY_TELL_ASKED 10u
#define AGAIN_NS	NSEC_PER_SEC /* when a layout is in the way */

static bool is_abandoned(const struct copy *copy)
{
	return copy->cancelled || copy->client->ends || copy->client->gone || copy->mds->stopping;
}

static struct key copy_key(const struct copy *copy)
{
	return record_key(copy->client->id, RECORD_COPY, copy->number);
}

/* Its item, with @done bytes done; @finished: with the status. */
static int put_item(struct txn *txn, const struct copy *copy, uint64_t done, bool finished)
{
	const struct copy_job *job = &copy->job;
	static_assert(sizeof(((struct record_copy *)0)->fh) == FH_SIZE, "file handle");
	struct record_copy rec = {
		.src = { le64_make(job->src.ino), le64_make(job->src.generation), le64_make(job->src.off) },
		.dst = { le64_make(job->dst.ino), le64_make(job->dst.generation), le64_make(job->dst.off) },
		.len = le64_make(job->len),
		.done = le64_make(done),
		.written = le64_make(job->written),
		.status = le32_make(finished ? copy->status : NFS4_OK),
		.finished = finished,
	};

	memcpy(rec.fh, copy->fh, sizeof(rec.fh));
	return txn_put(txn, copy_key(copy), &rec, sizeof(rec));
}

static int step_body(struct txn *txn, const struct inode *inode, void *arg)
{
	const struct copy *copy = arg;

	(void)inode;
	return is_abandoned(copy) ? -ECANCELED : put_item(txn, copy, copy->job.next, false);
}

static FIBER_FN int run_job(struct copy *copy)
{
	struct layout_guard guard;
	const struct data_also also = {
		.body = step_body,
		.arg = copy,
		.log_max = COPY_LOG_WRITE,
		.guard = &guard.guard,
	};
	struct mds *mds = copy->mds;
	struct copy_job *job = &copy->job;
	int err = 0;

	layout_guard_init_own(&guard, mds, false);
	while (!err && job->done < job->len) {
		err = is_abandoned(copy) ? -ECANCELED : copy_job_step(job, &also);
		if (err != -EBUSY)
			continue;
		/* A layout is in the way, and is being recalled. */
		err = 0;
		if (wait_queue_wait_until(&mds->deleg_gone, reactor_now_ns(mds->reactor) + AGAIN_NS))
			continue;
	}
	return err ? err : txn_wait_durable(job->fs, job->seq);
}

static int end_body(struct txn *txn, void *arg)
{
	const struct copy *copy = arg;

	return is_abandoned(copy) ? -ECANCELED : put_item(txn, copy, copy->job.done, true);
}

/* The end is durable before it is told, or else another one might be told after a restart. */
static FIBER_FN void finish(struct copy *copy, int result)
{
	static const struct txn_options opt = { .name = "copy ends", .log_max = COPY_LOG_WRITE, .frees_space = true };
	struct fs *fs = copy->mds->fs;
	uint64_t seq = 0;
	int err;

	copy->status = nfs_status(result);
	err = txn_run(fs, &opt, end_body, copy, &seq);
	if (!err)
		err = txn_wait_durable(fs, seq);
	if (err == -ECANCELED)
		return;
	copy->finished = true;
	/* From here on it cannot be cancelled; who tries to is told. */
	copy->cancelled = false;
	if (err)
		log_warn("client %llx: the end of a copy cannot be recorded: %s",
			 (unsigned long long)copy->client->id, strerror(-err));
}

static void fill_offload(struct copy *copy, struct nfs_cb_argop4 *ret_op)
{
	struct CB_OFFLOAD4args *args = &ret_op->nfs_cb_argop4_u.opcboffload;
	struct write_response4 *ok = &args->coa_offload_info.offload_info4_u.coa_resok4;

	*ret_op = (struct nfs_cb_argop4){ .argop = OP_CB_OFFLOAD };
	args->coa_fh.nfs_fh4_len = FH_SIZE;
	args->coa_fh.nfs_fh4_val = (char *)copy->fh;
	state_stateid(copy->mds, STATE_COPY, copy->number, 1, &args->coa_stateid);
	args->coa_offload_info.coa_status = copy->status;
	if (copy->status != NFS4_OK) {
		args->coa_offload_info.offload_info4_u.coa_bytes_copied = copy->job.written;
		return;
	}
	ok->wr_count = copy->job.done;
	ok->wr_committed = FILE_SYNC4;
	memcpy(ok->wr_writeverf, copy->mds->write_verifier, NFS4_VERIFIER_SIZE);
}

/*
 * Until there is an answer, whatever it says: a client that waits for this and hears nothing waits for ever.  It may
 * be away, or have no connection for callbacks, so there are pauses, up to a lease.
 */
static FIBER_FN void tell_client(struct copy *copy)
{
	struct mds *mds = copy->mds;
	uint64_t lease_ns = mds->config->lease_seconds * NSEC_PER_SEC, pause_ns = NSEC_PER_SEC;
	struct nfs_cb_argop4 op;
	nfsstat4 status;
	int err;

	fill_offload(copy, &op);
	for (unsigned int tries = 1; !is_abandoned(copy); tries++) {
		err = backchannel_call(mds, copy->client, &op, reactor_now_ns(mds->reactor) + lease_ns, &status);
		if (!err && status != NFS4ERR_DELAY)
			return;
		if (copy->asked && tries >= COPY_TELL_ASKED)
			return;
		if (is_abandoned(copy))
			return;
		err = wait_queue_wait_until(&copy->wake, reactor_now_ns(mds->reactor) + pause_ns);
		pause_ns = err ? min_u64(2 * pause_ns, max_u64(lease_ns, NSEC_PER_SEC)) : NSEC_PER_SEC;
	}
}

static int erase_body(struct txn *txn, void *arg)
{
	int err = txn_delete(txn, copy_key(arg));

	return err == -ENOENT ? 0 : err;
}

/* If this fails it is told once more after a restart, which harms nobody. */
static FIBER_FN void erase(struct copy *copy)
{
	static const struct txn_options opt = { .name = "copy", .log_max = COPY_LOG_WRITE, .frees_space = true };
	int err = txn_run(copy->mds->fs, &opt, erase_body, copy, NULL);

	if (err)
		log_debug("client %llx: the item of a copy stays: %s", (unsigned long long)copy->client->id,
			  strerror(-err));
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

/* From the beginning, or from wherever a restart found it. */
static FIBER_FN void run(struct copy *copy)
{
	int err = copy->finished ? 0 : run_job(copy);

	copy_job_release(&copy->job);
	if (!copy->finished && err != -ECANCELED)
		finish(copy, err);
	wait_queue_wake_all(&copy->stopped);
	if (copy->finished)
		tell_client(copy);
	/* Who cancels takes the item away himself, with his answer. */
	if (!is_abandoned(copy))
		erase(copy);
}

static FIBER_FN void copy_fiber(void *arg)
{
	struct copy *copy = arg;
	struct mds *mds = copy->mds;

	while (!copy->begun && !copy->cancelled)
		wait_queue_wait(&copy->wake);
	if (copy->begun)
		run(copy);
	copy_job_release(&copy->job);
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

int copy_make(struct mds *mds, struct client *client, const struct copy_job *job, struct copy **ret_copy)
{
	struct copy *copy = malloc(sizeof(*copy));
	int err;

	if (!copy)
		return -ENOMEM;
	*copy = (struct copy){ .mds = mds, .client = client, .job = *job, .nr_users = 1 };
	copy->job.in_steps = true;
	wait_queue_init(&copy->wake);
	wait_queue_init(&copy->stopped);
	err = fiber_spawn(mds->reactor, "copy", copy_fiber, copy, NULL);
	if (err) {
		free(copy);
		return err;
	}
	copy->next = mds->copies;
	mds->copies = copy;
	mds->nr_fibers++;
	client_hold(client);
	*ret_copy = copy;
	return 0;
}

int copy_new(struct compound *c, const struct copy_job *job, struct copy **ret_copy)
{
	int err = copy_make(c->mds, c->client, job, ret_copy);

	if (!err)
		fh_encode(c->mds, &c->fh, (*ret_copy)->fh);
	return err;
}

int copy_write(struct txn *txn, struct copy *copy, struct stateid4 *ret_stateid)
{
	copy->number = txn_seq(txn);
	state_stateid(copy->mds, STATE_COPY, copy->number, 1, ret_stateid);
	return put_item(txn, copy, copy->job.done, false);
}

void copy_go(struct copy *copy, bool goes)
{
	copy->begun = goes;
	copy->cancelled = !goes;
	wait_queue_wake_all(&copy->wake);
}

nfsstat4 copy_find(const struct compound *c, const struct stateid4 *stateid, struct copy **ret_copy)
{
	uint8_t fh[FH_SIZE];

	fh_encode(c->mds, &c->fh, fh);
	for (struct copy *copy = c->mds->copies; copy; copy = copy->next) {
		struct stateid4 its;

		state_stateid(c->mds, STATE_COPY, copy->number, 1, &its);
		if (!copy->begun || copy->cancelled || memcmp(its.other, stateid->other, sizeof(its.other)) != 0)
			continue;
		if (copy->client != c->client || memcmp(copy->fh, fh, sizeof(fh)) != 0)
			break;
		if (stateid->seqid != 0 && stateid->seqid != its.seqid)
			break;
		*ret_copy = copy;
		return NFS4_OK;
	}
	return NFS4ERR_BAD_STATEID;
}

void copy_was_asked(struct copy *copy)
{
	copy->asked = true;
	wait_queue_wake_all(&copy->wake);
}

FIBER_FN nfsstat4 copy_cancel(struct compound *c, struct copy *copy)
{
	static const struct txn_options opt = { .name = "copy", .log_max = COPY_LOG_WRITE, .frees_space = true };
	nfsstat4 status;

	if (copy->finished)
		return NFS4ERR_COMPLETE_ALREADY;
	copy->cancelled = true;
	copy->nr_users++;
	wait_queue_wait(&copy->stopped);
	/* Its last step may have been its end. */
	status = copy->finished ? NFS4ERR_COMPLETE_ALREADY : NFS4_OK;
	if (status == NFS4_OK)
		status = nfs_status(compound_run(c, &opt, erase_body, copy));
	put(copy);
	return status;
}

void copy_stop_all(struct mds *mds)
{
	for (struct copy *copy = mds->copies; copy; copy = copy->next)
		wait_queue_wake_all(&copy->wake);
}
