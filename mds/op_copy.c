// SPDX-License-Identifier: Apache-2.0
/*
 * CLONE and COPY within the volume, OFFLOAD_STATUS and OFFLOAD_CANCEL (RFC 7862, 15.13, 15.2, 15.9, 15.8).  All
 * exports lie on one volume, so no pair of files is too far apart (NFS4ERR_XDEV).  Copies between servers are not
 * served.
 *
 * CLONE shares blocks: what was written to the source is made safe first, so that its answer promises safe data.
 *
 * COPY is synchronous if it may be soon done, or the client wants it so, or cannot be called back, or has too many
 * others.  A synchronous one does a bounded first part and says how much that was; the client goes on behind it.  It
 * is answered UNSTABLE4, an asynchronous one FILE_SYNC4 at its end.  Bytes are always copied in their order.
 */

#include <string.h>

#include "extent/format.h"
#include "mds/backchannel.h"
#include "mds/copy.h"
#include "mds/io_check.h"
#include "mds/mds.h"
#include "mds/ops.h"
#include "mds/status.h"

/* Two ranges as they come with CLONE and COPY. */
struct pair {
	struct data_range src, dst;
	uint64_t len;
};

/*
 * Both file handles and both ranges, whose offsets are in @pair; its @len 0 becomes the rest of the source (and stays
 * 0 if there is none).  *@ret_inode is the destination.
 */
static FIBER_FN nfsstat4 check_pair(struct compound *c, const struct stateid4 *src_stateid,
				    const struct stateid4 *dst_stateid, struct pair *pair, struct inode *ret_inode)
{
	struct inode src;
	nfsstat4 status = io_check_saved(c, src_stateid, &src);

	if (status == NFS4_OK)
		status = io_check(c, dst_stateid, STATE_WRITE, ret_inode);
	if (status != NFS4_OK)
		return status;
	pair->src.ino = src.ino;
	pair->src.generation = src.generation;
	pair->dst.ino = ret_inode->ino;
	pair->dst.generation = ret_inode->generation;
	if (pair->src.off > src.size || pair->len > src.size - pair->src.off)
		return NFS4ERR_INVAL;
	if (pair->len == 0)
		pair->len = src.size - pair->src.off;
	status = io_check_range(pair->dst.off, pair->len);
	if (status != NFS4_OK)
		return status;
	if (src.ino == ret_inode->ino && pair->src.off < pair->dst.off + pair->len &&
	    pair->dst.off < pair->src.off + pair->len)
		return NFS4ERR_INVAL;
	return NFS4_OK;
}

FIBER_FN nfsstat4 op_clone(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct CLONE4args *args = &arg->nfs_argop4_u.opclone;
	struct pair pair = {
		.src.off = args->cl_src_offset,
		.dst.off = args->cl_dst_offset,
		.len = args->cl_count,
	};
	struct fs *fs = c->mds->fs;
	struct compound_also also;
	struct inode inode, after;
	nfsstat4 status = check_pair(c, &args->cl_src_stateid, &args->cl_dst_stateid, &pair, &inode);
	uint64_t seq;

	if (status == NFS4_OK && !is_aligned_u64(pair.src.off | pair.dst.off, DADDR_BLOCK_SIZE))
		status = NFS4ERR_INVAL;
	if (status != NFS4_OK || pair.len == 0)
		return status;
	status = io_check_suid(c, &inode);
	if (status == NFS4_OK)
		status = nfs_status(data_commit(fs, pair.src.ino, pair.src.generation));
	if (status != NFS4_OK)
		return status;
	compound_also_init(&also, c, NULL, NULL);
	if (pair.src.ino != pair.dst.ino)
		layout_guard_frees(&also.guard, pair.dst.ino, pair.dst.off, pair.dst.off + pair.len);
	/* A length that does not end with a block or with both files gets -EINVAL there. */
	status = nfs_status(data_clone(fs, &pair.src, &pair.dst, pair.len, &also.also, &after, &seq));
	if (status == NFS4_OK) {
		compound_did(c, seq);
		compound_saw(c, pair.src.ino);
	}
	return status;
}

static void fill_copy(const struct mds *mds, uint64_t count, bool sync, struct COPY4resok *ok)
{
	ok->cr_response.wr_count = count;
	ok->cr_response.wr_committed = UNSTABLE4;
	memcpy(ok->cr_response.wr_writeverf, mds->write_verifier, NFS4_VERIFIER_SIZE);
	ok->cr_requirements.cr_consecutive = TRUE;
	ok->cr_requirements.cr_synchronous = sync;
}

struct copy_now {
	const struct mds *mds;
	const struct copy_job *job;
	struct COPY4resok *ok;
	bool filled;
};

static int fill_copy_body(struct txn *txn, const struct inode *inode, void *arg)
{
	struct copy_now *now = arg;

	fill_copy(now->mds, now->job->len, true, now->ok);
	now->filled = true;
	return 0;
}

static int note_copy_body(struct txn *txn, void *arg)
{
	return fill_copy_body(txn, NULL, arg);
}

/*
 * The result goes with the last step.  Where that does not come (the source became shorter, or an error after some
 * steps, which counts as a shorter copy) it is noted by itself.
 */
static FIBER_FN nfsstat4 copy_now(struct compound *c, struct copy_job *job, struct COPY4resok *ok)
{
	static const struct txn_options opt = { .name = "copy", .log_max = 64 };
	struct copy_now now = { .mds = c->mds, .job = job, .ok = ok };
	struct compound_also also;
	int err = 0;

	job->len = min_u64(job->len, copy_job_cost(job) < job->len ? COPY_SYNC_CLONE_MAX : COPY_SYNC_MAX);
	while (!err && job->done < job->len) {
		/* Where blocks cannot be shared after all it must not take so much longer. */
		if (job->never_shares)
			job->len = min_u64(job->len, round_up_u64(job->done + 1, COPY_SYNC_MAX));
		now.filled = false;
		compound_also_init(&also, c, fill_copy_body, &now);
		err = copy_job_step(job, &also.also);
	}
	if (err && job->written == 0)
		return nfs_status(err);
	compound_saw(c, job->src.ino);
	compound_did(c, job->seq);
	if (!err && now.filled)
		return NFS4_OK;
	job->len = err ? job->written : job->done;
	return nfs_status(compound_run(c, &opt, note_copy_body, &now));
}

static bool wants_async(const struct compound *c, const struct COPY4args *args, const struct copy_job *job)
{
	uint64_t max = copy_job_cost(job) < job->len ? COPY_SYNC_CLONE_MAX : COPY_SYNC_MAX;

	return !args->ca_synchronous && job->len > max && copy_may_start(c) && backchannel_has_path(c->client);
}

struct copy_later {
	const struct mds *mds;
	struct copy *copy;
	struct COPY4resok *ok;
	struct stateid4 *stateid;
};

static int copy_later_body(struct txn *txn, void *arg)
{
	struct copy_later *later = arg;

	fill_copy(later->mds, 0, false, later->ok);
	later->ok->cr_response.wr_callback_id.wr_callback_id_len = 1;
	later->ok->cr_response.wr_callback_id.wr_callback_id_val = later->stateid;
	return copy_write(txn, later->copy, later->stateid);
}

/* Its record goes with the answer: who repeats the request, even after a crash, asks for the same copy. */
static FIBER_FN nfsstat4 copy_later(struct compound *c, struct copy_job *job, struct COPY4resok *ok)
{
	static const struct txn_options opt = { .name = "copy", .log_max = COPY_LOG_WRITE };
	struct copy_later later = { .mds = c->mds, .ok = ok };
	int err = -ENOMEM;

	later.stateid = wire_arena_alloc(&c->arena, sizeof(*later.stateid));
	if (later.stateid)
		err = copy_new(c, job, &later.copy);
	if (err) {
		copy_job_release(job);
		return NFS4ERR_DELAY;
	}
	err = compound_run(c, &opt, copy_later_body, &later);
	copy_go(later.copy, !err);
	return nfs_status(err);
}

FIBER_FN nfsstat4 op_copy(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct COPY4args *args = &arg->nfs_argop4_u.opcopy;
	struct COPY4resok *ok = &res->nfs_resop4_u.opcopy.COPY4res_u.cr_resok4;
	struct pair pair = {
		.src.off = args->ca_src_offset,
		.dst.off = args->ca_dst_offset,
		.len = args->ca_count,
	};
	struct copy_job job;
	struct inode inode;
	nfsstat4 status;

	if (args->ca_source_server.ca_source_server_len > 0)
		return NFS4ERR_NOTSUPP;
	status = check_pair(c, &args->ca_src_stateid, &args->ca_dst_stateid, &pair, &inode);
	if (status == NFS4_OK && pair.len == 0) {
		fill_copy(c->mds, 0, true, ok);
		return NFS4_OK;
	}
	if (status == NFS4_OK)
		status = io_check_suid(c, &inode);
	if (status != NFS4_OK)
		return status;
	if (copy_job_init(&job, c->mds->fs, &pair.src, &pair.dst, pair.len) != 0)
		return NFS4ERR_DELAY;
	if (wants_async(c, args, &job))
		return copy_later(c, &job, ok);
	status = copy_now(c, &job, ok);
	copy_job_release(&job);
	return status;
}

FIBER_FN nfsstat4 op_offload_status(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct OFFLOAD_STATUS4args *args = &arg->nfs_argop4_u.opoffload_status;
	struct OFFLOAD_STATUS4resok *ok = &res->nfs_resop4_u.opoffload_status.OFFLOAD_STATUS4res_u.osr_resok4;
	struct stateid4 stateid;
	struct copy *copy;
	nfsstat4 *complete;
	nfsstat4 status = compound_stateid(c, &args->osa_stateid, &stateid);

	if (status == NFS4_OK)
		status = copy_find(c, &stateid, &copy);
	if (status != NFS4_OK)
		return status;
	ok->osr_count = copy->job.done;
	compound_saw(c, copy->job.dst.ino);
	if (!copy->finished)
		return NFS4_OK;
	complete = wire_arena_alloc(&c->arena, sizeof(*complete));
	if (!complete)
		return NFS4ERR_DELAY;
	*complete = copy->status;
	copy_was_asked(copy);
	ok->osr_complete.osr_complete_len = 1;
	ok->osr_complete.osr_complete_val = complete;
	return NFS4_OK;
}

FIBER_FN nfsstat4 op_offload_cancel(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct OFFLOAD_CANCEL4args *args = &arg->nfs_argop4_u.opoffload_cancel;
	struct stateid4 stateid;
	struct copy *copy;
	nfsstat4 status = compound_stateid(c, &args->oca_stateid, &stateid);

	if (status == NFS4_OK)
		status = copy_find(c, &stateid, &copy);
	return status == NFS4_OK ? copy_cancel(c, copy) : status;
}
