/* SPDX-License-Identifier: Apache-2.0 */

/*
 * LAYOUTRETURN (RFC 8881, 18.44).  Promises: what is returned is nobody's any more when the answer leaves, also after
 * a crash; what the client may have written there and not committed is kept for it until it closes the file or
 * another wants the blocks.  Returns that make no sense harm only their sender.
 *
 * A client that may go on using what it has returned (client rule 10) is not believed: its answer says that the
 * layout is still there, and nothing is free before it has proved that it keeps nothing (layout_prove_return()).
 */

#include <string.h>

#include "mds/layout_recall.h"
#include "mds/layout_recall_int.h"
#include "mds/op_layout.h"
#include "mds/open.h"
#include "mds/ops.h"
#include "mds/status.h"

#define LAYOUTRETURN_STATUS (-EPROTO) /* the body says more in w->status */

struct layoutreturn {
	struct compound *c;
	const struct stateid4 *stateid; /* NULL: of the layout with this number */
	uint64_t number;
	uint32_t bits;
	uint64_t first, end;
	layoutreturn_stateid *ret; /* NULL: not the last transaction */
	/* Of the last run of the body */
	nfsstat4 status;
	struct layout *layout;
	struct grants grants;
	uint32_t seqid;
	bool is_late;
	bool is_doubtful;
};

/* Blocks that are wholly returned. */
static void layoutreturn_range(struct layoutreturn *w, uint64_t off, uint64_t len)
{
	w->first = off / DADDR_BLOCK_SIZE + !is_aligned_u64(off, DADDR_BLOCK_SIZE);
	w->end = len == NFS4_UINT64_MAX ? GRANT_END : (off + len) / DADDR_BLOCK_SIZE;
}

static struct layout *layoutreturn_by_number(const struct layoutreturn *w)
{
	struct state *state = state_lookup(w->c->mds, w->number, STATE_LAYOUT);

	return state && state->client == w->c->client && !state->revoked ? container_of(state, struct layout, state)
									 : NULL;
}

static nfsstat4 layoutreturn_find(struct layoutreturn *w)
{
	if (w->stateid)
		return layout_find(w->c, w->stateid, &w->layout);
	w->layout = layoutreturn_by_number(w);
	return w->layout ? NFS4_OK : NFS4ERR_BAD_STATEID;
}

/*
 * Whether the client may have the file open after this compound.  Return on close comes with CLOSE, or with
 * OPEN_DOWNGRADE, or alone where somebody else of the client has it open.
 */
static bool layoutreturn_stays_open(const struct layoutreturn *w)
{
	unsigned int nr = 0;

	list_for_each (pos, &w->layout->file->opens) {
		const struct open *open = list_entry(pos, struct open, by_file);

		if (open->state.client != w->c->client)
			continue;
		/* Of several kinds: OPEN_DOWNGRADE may follow. */
		nr += open->share.combos & (open->share.combos - 1u) ? 2 : 1;
	}
	return nr > 1;
}

/*
 * Linux empties its tree of extents when nothing uses the layout any more, or when it answers a recall with
 * NOMATCHING_LAYOUT.  So it keeps some if it returns one iomode and has the other, and may keep them if it does
 * something with the file at that moment: if it was recalled (a LAYOUTGET may wait for that), or other opens go on.
 * Where it returns all it has by itself and at once, it empties the tree before.  Who has returned all is asked once
 * more, not twice.
 */
static bool layoutreturn_is_doubtful(const struct layoutreturn *w)
{
	const struct layout *layout = w->layout;
	bool with_close = w->c->op_index + 1 < w->c->nr_ops;

	if (!quirk_of(w->c->client->impl).keeps_returned || layout->returned == LAYOUT_ALL_RETURNED ||
	    w->first != 0 || w->end != GRANT_END)
		return false;
	if (layout->recalled || layout->returned != LAYOUT_NOT_RETURNED || layout->is_old ||
	    grants_have(&layout->grants, GRANT_HELD & ~w->bits))
		return true;
	return with_close && layoutreturn_stays_open(w);
}

/* The grants as they will be. */
static int layoutreturn_take(struct txn *txn, struct layoutreturn *w)
{
	const struct file *file = w->layout->file;
	bool may_commit = layout_is_open(file, w->c->client, true);
	int err;

	grants_release(&w->grants);
	if (w->first >= w->end || w->is_doubtful)
		return grants_take(&w->layout->grants, 0, GRANT_END, 0, false, &w->grants);
	/* Without an open nothing is late, but the space must be given back. */
	w->is_late = !may_commit;
	err = grants_take(&w->layout->grants, w->first, w->end, w->bits, true, &w->grants);
	return err ? err : layout_settle_written(txn, w->layout->ino, w->first, w->end, &w->grants);
}

static int layoutreturn_body(struct txn *txn, void *arg)
{
	struct layoutreturn *w = arg;
	bool present;
	int err;

	w->is_late = false;
	w->status = layoutreturn_find(w);
	if (w->status)
		return LAYOUTRETURN_STATUS;
	/* Also in a second run, by what the first one found. */
	w->is_doubtful |= layoutreturn_is_doubtful(w);
	if (w->is_doubtful)
		w->layout->returned = grants_have(&w->layout->grants, GRANT_HELD & ~w->bits) ? LAYOUT_PART_RETURNED
											     : LAYOUT_ALL_RETURNED;
	err = layoutreturn_take(txn, w);
	if (err)
		return err;
	w->seqid = state_next_seqid(w->layout->state.seqid);
	present = grants_have(&w->grants, GRANT_HELD);
	if (w->grants.nr == 0)
		err = layout_delete(txn, w->layout);
	else
		err = layout_write(txn, w->layout, w->layout->state.number, w->seqid, &w->grants,
				   w->layout->grants.nr, NFS4_OK);
	if (err || !w->ret)
		return err;
	*w->ret = (layoutreturn_stateid){ .lrs_present = present };
	if (present)
		state_stateid(w->c->mds, STATE_LAYOUT, w->layout->state.number, w->seqid,
			      &w->ret->layoutreturn_stateid_u.lrs_stateid);
	return 0;
}

static void layoutreturn_apply(struct layoutreturn *w)
{
	struct mds *mds = w->c->mds;
	struct layout *layout = w->layout;

	mds->layouts->counts.returns++;
	if (w->grants.nr == 0) {
		layout_forget(mds, layout);
		return;
	}
	layout->state.seqid = w->seqid;
	layout_set_grants(mds, layout, &w->grants);
	if (w->is_doubtful) {
		/* The recall waits until the client has this answer. */
		layout_note_call(layout, w->c);
		layout_prove_return(mds, layout);
	}
	if (w->is_late && !grants_have(&layout->grants, GRANT_HELD))
		layout_settle_later(mds, layout->state.number);
}

static FIBER_FN nfsstat4 layoutreturn_run(struct layoutreturn *w)
{
	struct txn_options opt = { .name = "layoutreturn", .log_max = LAYOUT_LOG(GRANTS_MAX), .frees_space = true };
	uint64_t seq = 0;
	int err;

	w->is_doubtful = false;
	if (w->ret)
		err = compound_run(w->c, &opt, layoutreturn_body, w);
	else
		err = txn_run(w->c->mds->fs, &opt, layoutreturn_body, w, &seq);
	if (!err) {
		compound_did(w->c, seq);
		layoutreturn_apply(w);
	}
	grants_release(&w->grants);
	return err == LAYOUTRETURN_STATUS ? w->status : nfs_status(err);
}

static FIBER_FN nfsstat4 layoutreturn_file(struct layoutreturn *w, const layoutreturn_file4 *args)
{
	struct stateid4 stateid;
	nfsstat4 status;

	if (args->lrf_length == 0 ||
	    (args->lrf_length != NFS4_UINT64_MAX && args->lrf_length > NFS4_UINT64_MAX - args->lrf_offset))
		return NFS4ERR_INVAL;
	status = compound_stateid(w->c, &args->lrf_stateid, &stateid);
	if (status)
		return status;
	w->stateid = &stateid;
	layoutreturn_range(w, args->lrf_offset, args->lrf_length);
	return layoutreturn_run(w);
}

/* Handles of one export begin alike (mds/fh.c). */
#define FH_EXPORT_BYTES 16u

/* The client's next layout behind number @after, of the export of handle @fh (NULL: any).  0: there is none. */
static uint64_t layoutreturn_next(const struct layoutreturn *w, uint64_t after, const uint8_t *fh)
{
	uint64_t best = 0;

	list_for_each (pos, &w->c->client->states) {
		const struct state *state = list_entry(pos, struct state, by_client);
		const struct layout *layout = container_of(state, struct layout, state);

		if (state->kind != STATE_LAYOUT || state->revoked || state->number <= after ||
		    (best && state->number >= best) || !grants_have(&layout->grants, w->bits))
			continue;
		if (fh && memcmp(layout->fh, fh, FH_EXPORT_BYTES) != 0)
			continue;
		best = state->number;
	}
	return best;
}

static int layoutreturn_all_body(struct txn *txn, void *arg)
{
	layoutreturn_stateid *ret = arg;

	*ret = (layoutreturn_stateid){ .lrs_present = false };
	return 0;
}

/* LAYOUTRETURN4_FSID and _ALL: a transaction each, and one that records the answer. */
static FIBER_FN nfsstat4 layoutreturn_many(struct layoutreturn *w, bool fsid)
{
	struct txn_options opt = { .name = "layoutreturn all" };
	layoutreturn_stateid *ret = w->ret;
	uint8_t fh[FH_SIZE];

	if (fsid)
		fh_encode(w->c->mds, &w->c->fh, fh);
	w->ret = NULL;
	w->end = GRANT_END;
	while ((w->number = layoutreturn_next(w, w->number, fsid ? fh : NULL)) != 0) {
		nfsstat4 status = layoutreturn_run(w);

		if (status && status != NFS4ERR_BAD_STATEID)
			return status;
	}
	return nfs_status(compound_run(w->c, &opt, layoutreturn_all_body, ret));
}

static uint32_t layoutreturn_bits(layoutiomode4 iomode)
{
	switch (iomode) {
	case LAYOUTIOMODE4_READ:
		return GRANT_READ;
	case LAYOUTIOMODE4_RW:
		return GRANT_RW;
	case LAYOUTIOMODE4_ANY:
		return GRANT_HELD;
	default:
		return 0;
	}
}

FIBER_FN nfsstat4 op_layoutreturn(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct LAYOUTRETURN4args *args = &arg->nfs_argop4_u.oplayoutreturn;
	const layoutreturn4 *what = &args->lora_layoutreturn;
	struct layoutreturn w = {
		.c = c,
		.bits = layoutreturn_bits(args->lora_iomode),
		.ret = &res->nfs_resop4_u.oplayoutreturn.LAYOUTRETURN4res_u.lorr_stateid,
	};

	if (args->lora_layout_type != LAYOUT4_SCSI && args->lora_layout_type != LAYOUT4_BLOCK_VOLUME)
		return NFS4ERR_UNKNOWN_LAYOUTTYPE;
	if (!w.bits)
		return NFS4ERR_BADIOMODE;
	/* Nothing of before a restart is to be reclaimed: it is all still there. */
	if (args->lora_reclaim && !c->mds->in_grace)
		return NFS4ERR_NO_GRACE;
	switch (what->lr_returntype) {
	case LAYOUTRETURN4_FILE:
		if (c->fh.kind != FH_FILE)
			return NFS4ERR_NOFILEHANDLE;
		return layoutreturn_file(&w, &what->layoutreturn4_u.lr_layout);
	case LAYOUTRETURN4_FSID:
		return c->fh.kind == FH_FILE ? layoutreturn_many(&w, true) : NFS4ERR_NOFILEHANDLE;
	case LAYOUTRETURN4_ALL:
		return layoutreturn_many(&w, false);
	}
	return NFS4ERR_INVAL;
}
