/* SPDX-License-Identifier: Apache-2.0 */

/*
 * LAYOUTCOMMIT (RFC 8881, 18.42; RFC 8154, 2.3; RFC 5663, 2.3).  Promises: exactly the listed ranges become readable,
 * never "up to the size" (I2), and only where this client may have written; they, the size and the times change
 * together (I5); a volatile cache of a device is flushed after the request arrived and before the answer leaves
 * (I14); a commit that comes twice, in pieces, out of order or after the layout was returned does no harm.
 *
 * A list longer than one transaction takes is converted in several, in its order, the last of which has size, times
 * and answer: what a crash leaves is as after a shorter list, and the client sends all of it again.
 */

#include <stdlib.h>

#include "extent/data.h"
#include "mds/io_check.h"
#include "mds/layout_guard.h"
#include "mds/op_layout.h"
#include "mds/ops.h"
#include "mds/status.h"

#define COMMIT_RUNS_MAX	    65536u /* in a list */
#define COMMIT_RUNS_AT_ONCE 64u
#define COMMIT_STEPS	    128u /* of the map, in one transaction, unless a range needs more */
#define COMMIT_TRIES	    4u

#define LAYOUTCOMMIT_STATUS (-EPROTO) /* the body says more in w->status */

struct layoutcommit {
	struct compound *c;
	const LAYOUTCOMMIT4args *args;
	LAYOUTCOMMIT4resok *ok;
	struct stateid4 stateid;
	struct data_commit_run *runs;
	unsigned int nr, done;
	bool last; /* the transaction that runs is */
	unsigned int at_once, steps;
	bool trusts; /* those who have layouts of the end and behind it */
	nfsstat4 status;
};

/* Arguments */

static nfsstat4 layoutcommit_check_offset(const LAYOUTCOMMIT4args *args)
{
	uint64_t end = args->loca_offset + args->loca_length,
		 last = args->loca_last_write_offset.newoffset4_u.no_offset;
	bool to_end = args->loca_length == NFS4_UINT64_MAX;

	if (!to_end && end < args->loca_offset)
		return NFS4ERR_INVAL;
	if (!args->loca_last_write_offset.no_newoffset)
		return NFS4_OK;
	if (last >= INODE_SIZE_MAX)
		return NFS4ERR_FBIG;
	/* 18.42.3: it lies in the range. Linux says a length of 0 where it does not know. */
	if (last < args->loca_offset || (args->loca_length && !to_end && last >= end))
		return NFS4ERR_INVAL;
	return NFS4_OK;
}

/* One range of the list, behind or next to those before it or not. */
static nfsstat4 layoutcommit_add(struct layoutcommit *w, const struct pnfs_block_extent4 *e)
{
	struct data_commit_run *last = w->nr ? &w->runs[w->nr - 1] : NULL;
	struct data_commit_run run = { e->bex_file_offset / DADDR_BLOCK_SIZE, e->bex_length / DADDR_BLOCK_SIZE };

	/* All extents that are granted are whole blocks, and clients write whole pages. */
	if (e->bex_state != PNFS_BLOCK_READWRITE_DATA || !is_aligned_u64(e->bex_file_offset, DADDR_BLOCK_SIZE) ||
	    !is_aligned_u64(e->bex_length, DADDR_BLOCK_SIZE) || e->bex_file_offset > INODE_SIZE_MAX ||
	    e->bex_length > INODE_SIZE_MAX)
		return NFS4ERR_INVAL;
	if (last && last->blk + last->nr == run.blk)
		last->nr += run.nr;
	else
		w->runs[w->nr++] = run;
	return NFS4_OK;
}

static nfsstat4 layoutcommit_parse(struct layoutcommit *w)
{
	const layoutupdate4 *update = &w->args->loca_layoutupdate;
	struct pnfs_block_extent4 extent;
	struct wire_extents_in in;
	nfsstat4 status = NFS4_OK;
	int err;

	err = wire_commit_open(&in, update->lou_type, update->lou_body.lou_body_val, update->lou_body.lou_body_len);
	if (err)
		return err == -EINVAL ? NFS4ERR_UNKNOWN_LAYOUTTYPE : NFS4ERR_BADXDR;
	if (in.nr > COMMIT_RUNS_MAX)
		return NFS4ERR_INVAL;
	w->runs = calloc(max_u64(in.nr, 1), sizeof(*w->runs));
	if (!w->runs)
		return NFS4ERR_DELAY;
	while (!status && (err = wire_extents_next(&in, &extent)) == 0)
		status = layoutcommit_add(w, &extent);
	if (!status && err != -ENOENT)
		status = err == -EBADMSG ? NFS4ERR_BADXDR : NFS4ERR_INVAL;
	return status;
}

/* Whether the client may have written it: neither what it never had nor what others have by now. */
static nfsstat4 layoutcommit_check(const struct layoutcommit *w, const struct data_commit_run *runs, unsigned int nr)
{
	const newoffset4 *last = &w->args->loca_last_write_offset;
	struct layout *layout = NULL;
	nfsstat4 status = layout_find(w->c, &w->stateid, &layout);

	/* Linux takes it for success, and what it has written would vanish without a word (client rule 8). */
	if (status == NFS4ERR_DELEG_REVOKED)
		return NFS4ERR_BAD_STATEID;
	if (status)
		return status;
	if (layout_wire_type(layout->kind) != w->args->loca_layoutupdate.lou_type)
		return NFS4ERR_INVAL;
	/*
	 * Not NFS4ERR_BADLAYOUT, which Linux takes for success: data that cannot be taken any more must not vanish
	 * silently.
	 */
	for (unsigned int i = 0; i < nr; i++)
		if (!grants_cover(&layout->grants, runs[i].blk, runs[i].blk + runs[i].nr, GRANT_RW | GRANT_LATE))
			return NFS4ERR_INVAL;
	if (last->no_newoffset) {
		uint64_t blk = last->newoffset4_u.no_offset / DADDR_BLOCK_SIZE;

		if (!grants_cover(&layout->grants, blk, blk + 1, GRANT_RW | GRANT_LATE))
			return NFS4ERR_INVAL;
	}
	return NFS4_OK;
}

/* The transactions */

static void layoutcommit_answer(struct layoutcommit *w, uint64_t size_before, const struct inode *inode)
{
	newsize4 *size = &w->ok->locr_newsize;

	size->ns_sizechanged = inode->size != size_before;
	size->newsize4_u.ns_size = inode->size;
}

/* Whether the block of the old end is in the client's hands. */
static bool layoutcommit_holds(void *arg, uint64_t first, uint64_t end)
{
	const struct layoutcommit *w = arg;
	struct layout *layout = NULL;

	if (w->trusts)
		return true;
	return layout_find(w->c, &w->stateid, &layout) == NFS4_OK && first < end &&
	       grants_cover(&layout->grants, first, first + 1, GRANT_RW);
}

static int layoutcommit_body(struct txn *txn, void *arg)
{
	struct layoutcommit *w = arg;
	const newtime4 *mtime = &w->args->loca_time_modify;
	const newoffset4 *last = &w->args->loca_last_write_offset;
	struct data_layout_commit commit = {
		.ino = w->c->fh.ino,
		.generation = w->c->fh.generation,
		.runs = w->runs + w->done,
		.nr = w->nr - w->done,
		.holds = layoutcommit_holds,
		.arg = w,
	};
	struct inode inode;
	uint64_t size;
	int err;

	w->last = commit.nr <= w->at_once;
	if (!w->last)
		commit.nr = w->at_once;
	w->status = layoutcommit_check(w, commit.runs, commit.nr);
	if (w->status)
		return LAYOUTCOMMIT_STATUS;
	err = inode_get_gen(txn, commit.ino, commit.generation, &inode);
	if (err)
		return err;
	size = inode.size;
	if (w->last && last->no_newoffset) {
		commit.has_size = true;
		commit.size = last->newoffset4_u.no_offset + 1;
	}
	if (w->last && mtime->nt_timechanged) {
		commit.has_mtime = true;
		commit.mtime =
			(struct inode_time){ mtime->newtime4_u.nt_time.seconds, mtime->newtime4_u.nt_time.nseconds };
	}
	err = data_commit_layout(txn, &commit, &inode);
	if (!err && w->last)
		layoutcommit_answer(w, size, &inode);
	return err;
}

static FIBER_FN int layoutcommit_step(struct layoutcommit *w)
{
	struct txn_options opt = { .name = "layoutcommit", .log_max = DATA_COMMIT_LOG(w->steps) };
	struct compound *c = w->c;
	uint64_t seq = 0;
	int err;

	if (w->nr - w->done <= w->at_once)
		return compound_run(c, &opt, layoutcommit_body, w);
	err = txn_run(c->mds->fs, &opt, layoutcommit_body, w, &seq);
	if (!err) {
		compound_did(c, seq);
		w->done += w->at_once;
	}
	return err;
}

/*
 * The file is not fit to grow yet: what is behind its old end is made zeros first.  Not where somebody has a layout
 * for writing there, or may still commit something: he answers for what he leaves behind the end (RFC 8154, 2.3.4),
 * and nobody's layout is recalled for a LAYOUTCOMMIT, which the holder may be waiting for.
 *
 * Who only reads the block of the end answers for nothing and is not in the way (DATA_TAIL), unless that block is
 * shared.  Then there are zeros behind the end already: LAYOUTGET for what lies behind it has seen to that, and CLONE
 * shares no block with anything else there.
 */
static FIBER_FN int layoutcommit_clean(struct layoutcommit *w)
{
	struct compound *c = w->c;
	struct layout_guard guard;
	int err;

	layout_guard_init_own(&guard, c->mds, true);
	err = data_ready_to_grow(c->mds->fs, c->fh.ino, c->fh.generation, &guard.guard);
	w->trusts = err == -EBUSY;
	return w->trusts ? 0 : err;
}

static FIBER_FN nfsstat4 layoutcommit_run(struct layoutcommit *w)
{
	unsigned int tries = 0;
	int err = 0;

	w->at_once = COMMIT_RUNS_AT_ONCE;
	w->steps = COMMIT_STEPS;
	w->last = false;
	while (!err && !w->last) {
		err = layoutcommit_step(w);
		if (err == -E2BIG && w->at_once > 1) {
			/* A range covers many pieces of the map. */
			w->at_once = w->at_once / 8 + (w->at_once < 8);
			err = 0;
			w->last = false;
		} else if (err == -E2BIG && w->steps < DATA_COMMIT_STEPS) {
			w->steps = (unsigned int)min_u64(8ull * w->steps, DATA_COMMIT_STEPS);
			err = 0;
			w->last = false;
		} else if (err == -EAGAIN && tries++ < COMMIT_TRIES) {
			err = layoutcommit_clean(w);
			w->last = false;
		}
	}
	if (err == LAYOUTCOMMIT_STATUS)
		return w->status;
	/* A hole behind a grant cannot be; the client hears of it as of a range that it does not have. */
	return err == -ENXIO ? NFS4ERR_INVAL : nfs_status(err);
}

static FIBER_FN nfsstat4 layoutcommit_all(struct layoutcommit *w)
{
	struct compound *c = w->c;
	struct inode inode;
	nfsstat4 status;

	/* What is granted is still there after a restart: there is nothing to reclaim. */
	if (w->args->loca_reclaim)
		return c->mds->in_grace ? NFS4ERR_RECLAIM_BAD : NFS4ERR_NO_GRACE;
	status = layoutcommit_check_offset(w->args);
	if (!status && w->args->loca_time_modify.nt_timechanged &&
	    w->args->loca_time_modify.newtime4_u.nt_time.nseconds >= NSEC_PER_SEC)
		status = NFS4ERR_INVAL;
	if (!status)
		status = layoutcommit_parse(w);
	if (!status)
		status = io_check_object(c, &inode);
	if (!status)
		status = compound_may_change(c, &c->fh);
	if (!status)
		status = compound_stateid(c, &w->args->loca_stateid, &w->stateid);
	if (!status)
		status = layoutcommit_check(w, w->runs, w->nr);
	if (!status)
		status = nfs_status(data_flush_devices(c->mds->fs));
	return status ? status : layoutcommit_run(w);
}

FIBER_FN nfsstat4 op_layoutcommit(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct layoutcommit w = {
		.c = c,
		.args = &arg->nfs_argop4_u.oplayoutcommit,
		.ok = &res->nfs_resop4_u.oplayoutcommit.LAYOUTCOMMIT4res_u.locr_resok4,
	};
	nfsstat4 status = layoutcommit_all(&w);

	if (!status)
		c->mds->layouts->counts.commits++;
	free(w.runs);
	return status;
}
