/* SPDX-License-Identifier: Apache-2.0 */

/*
 * LAYOUTGET (RFC 8881, 18.43; RFC 8154, 2.3; RFC 5663, 2.3).  Promises: nobody else may touch the blocks in a way
 * that the grant excludes (I4); space and grant are one transaction, and durable before the answer leaves (I1); what
 * cannot be granted here and now is answered so that the client waits or goes through the server, never so that an
 * application sees an error.
 *
 * How much: a client that is alone with the file gets what is there already to its end, and where it writes one piece
 * after the other ever larger pieces ahead.  As soon as somebody else has the file too, each gets what it asks for,
 * and ahead only as much as it has right before that twice over: so writers of parts of a file soon have all of their
 * part, and those of stripes nothing of each other's.  Where somebody then wanted what another one had got so, nobody
 * gets anything ahead any more.
 */

#include <stdlib.h>
#include <string.h>

#include "extent/data.h"
#include "layout/fill.h"
#include "mds/backchannel.h"
#include "mds/config.h"
#include "mds/io_check.h"
#include "mds/layout_recall.h"
#include "mds/op_layout.h"
#include "mds/open.h"
#include "mds/ops.h"
#include "mds/status.h"

#define MIB_BLKS	 ((1u << 20) / DADDR_BLOCK_SIZE)
#define AHEAD_FIRST_BLKS (64 * MIB_BLKS)   /* for a writer of large pieces, or of one after the other */
#define AHEAD_MAX_BLKS	 (1024 * MIB_BLKS) /* however long it goes on */
#define AHEAD_ZERO_BLKS	 (64 * MIB_BLKS)   /* where it is made zeros first, and the client waits for that */
#define COPY_MAX_BLKS	 (4 * MIB_BLKS)	   /* of shared blocks that are copied first */
#define AHEAD_SPACE	 16		   /* and not more than this part of the free space */
#define TRIM_TRIES	 4u
/* That a LAYOUTGET waits for what it had recalled: a client that is told to come again comes after 0.1 s to 15 s. */
#define RECALL_WAIT_NS 100000000ull
/*
 * A client that does not give back for so long what it has said it would, and asks for more, may wait for itself: in
 * Linux one writes back a page and waits for this, and another one waits for that page and has what is recalled in
 * use.  Through the server the page gets away.
 */
#define STUCK_NS	 3000000000ull
#define LAYOUT_HEAD	 32u /* bytes of a layout4 besides its body, which loga_maxcount counts too */

#define LAYOUTGET_STATUS (-EPROTO) /* the body says more in w->status */

struct layoutget {
	struct compound *c;
	const LAYOUTGET4args *args;
	LAYOUTGET4resok *ok;
	struct stateid4 stateid;
	struct quirk quirk;
	enum layout_kind kind;
	bool write;
	uint64_t key;
	uint64_t page; /* in blocks, as all that follows */
	uint64_t first, need_end, asked_end, end, fresh_max, eof;
	bool is_ahead; /* more than was asked for, although others have the file too */
	bool zero;     /* new blocks up to fresh_max are made zeros first, or copies */
	uint8_t *body;
	uint32_t body_size;
	struct layout4 *answer;
	/* Spare memory */
	struct layout *spare;
	struct file *spare_file;
	/* Of the last run of the body */
	nfsstat4 status;
	bool own_recalled;     /* what the client has of the file is to come back first */
	struct layout *layout; /* NULL: a new one, the spare */
	struct fill fill;
	struct grants grants;
	uint32_t seqid;
	uint64_t number;
	uint64_t zeroed_first, zeroed_end; /* what of the range is zeros behind the end of file; none: equal */
};

static uint64_t blk_of(uint64_t bytes)
{
	return bytes >> DADDR_BLOCK_SHIFT;
}

/* The block behind @bytes, in whole pages. */
static uint64_t blk_end(const struct layoutget *w, uint64_t bytes)
{
	uint64_t blk = blk_of(bytes) + !is_aligned_u64(bytes, DADDR_BLOCK_SIZE);

	return round_up_u64(blk, w->page);
}

/* Arguments */

static nfsstat4 layoutget_check_range(const LAYOUTGET4args *args)
{
	uint64_t room = UINT64_MAX - args->loga_offset;

	/* All ones: as far as there is. */
	if (args->loga_length == 0 || args->loga_length < args->loga_minlength)
		return NFS4ERR_INVAL;
	if (args->loga_length != NFS4_UINT64_MAX && args->loga_length > room)
		return NFS4ERR_INVAL;
	if (args->loga_minlength > room && args->loga_minlength != NFS4_UINT64_MAX)
		return NFS4ERR_INVAL;
	return args->loga_offset > INODE_SIZE_MAX ? NFS4ERR_INVAL : NFS4_OK;
}

static nfsstat4 layoutget_check_args(struct layoutget *w)
{
	const LAYOUTGET4args *args = w->args;
	nfsstat4 status = layout_check_type(w->c, args->loga_layout_type, &w->kind);

	if (status)
		return status;
	if (args->loga_iomode != LAYOUTIOMODE4_READ && args->loga_iomode != LAYOUTIOMODE4_RW)
		return NFS4ERR_BADIOMODE;
	status = layoutget_check_range(args);
	if (status)
		return status;
	/* Two: a shared block has a source and a target. */
	return args->loga_maxcount < LAYOUT_HEAD + WIRE_LIST_HEAD + 2 * WIRE_EXTENT_SIZE ? NFS4ERR_TOOSMALL : NFS4_OK;
}

/* Whether the client may have any layout now. */
static nfsstat4 layoutget_check_client(const struct layoutget *w)
{
	struct client *client = w->c->client;
	const struct mds *mds = w->c->mds;

	if (client->ends)
		return NFS4ERR_DELAY;
	if (fence_state_of(mds->layouts->fence, w->key) != FENCE_NONE || client->nr_layouts_revoked > 0)
		return NFS4ERR_LAYOUTUNAVAILABLE;
	/* What cannot be recalled is not granted. */
	if (!backchannel_has_path(client))
		return NFS4ERR_LAYOUTTRYLATER;
	return layout_is_room(mds, client) ? NFS4_OK : NFS4ERR_LAYOUTTRYLATER;
}

/* The layout of before, if there is one; and whether the stateid is good for it. */
static nfsstat4 layoutget_find(struct layoutget *w)
{
	struct layout *layout = NULL;
	nfsstat4 status;

	w->layout = NULL;
	if (layout_is_stateid(&w->stateid)) {
		status = layout_find(w->c, &w->stateid, &layout);
		if (status)
			return status;
		if (!layout_is_open(layout->file, w->c->client, w->write))
			return NFS4ERR_OPENMODE;
	} else {
		/* What an open's stateid allows was checked; a layout that is there already goes on. */
		layout = layout_of(file_find(w->c->mds, w->c->fh.ino), w->c->client);
	}
	if (layout && layout->kind != w->kind)
		return NFS4ERR_LAYOUTUNAVAILABLE;
	/* A recall that it answers is all that is missing, or found no fiber. */
	if (layout && layout->returned != LAYOUT_NOT_RETURNED && !layout->recalled)
		layout_prove_return(w->c->mds, layout);
	/* What is only late ends without the client. */
	w->own_recalled = layout && layout->recalled && layout->returned == LAYOUT_NOT_RETURNED &&
			  grants_find(&layout->grants, layout->recall_first, layout->recall_end, GRANT_HELD);
	if (w->own_recalled && layout->told_ns && reactor_now_ns(w->c->mds->reactor) - layout->told_ns >= STUCK_NS)
		return NFS4ERR_BADLAYOUT;
	if (layout && layout->recalled)
		return NFS4ERR_RECALLCONFLICT;
	w->layout = layout;
	return NFS4_OK;
}

static FIBER_FN nfsstat4 layoutget_check_file(struct layoutget *w, struct inode *ret_inode)
{
	struct compound *c = w->c;
	nfsstat4 status;

	switch (state_kind_of(&w->stateid)) {
	case STATE_LAYOUT:
		status = io_check_object(c, ret_inode);
		if (!status && w->write)
			status = compound_may_change(c, &c->fh);
		if (!status)
			status = layoutget_find(w);
		break;
	case STATE_OPEN:
	case STATE_LOCK:
	case STATE_DELEG:
		status = io_check(c, &w->stateid, w->write ? STATE_WRITE : STATE_READ, ret_inode);
		break;
	default:
		/* The special ones are for READ and WRITE: nobody's open stands behind them (18.43.3). */
		status = NFS4ERR_BAD_STATEID;
	}
	if (!status && w->write)
		status = io_check_suid(c, ret_inode);
	return status;
}

/* How much */

/* Nobody else has the file so that he might write it or, if it is for writing, at all. */
static bool layoutget_is_alone(const struct layoutget *w)
{
	const struct file *file = file_find(w->c->mds, w->c->fh.ino);

	if (!file)
		return true;
	list_for_each (pos, &file->opens) {
		const struct open *open = list_entry(pos, struct open, by_file);

		if (open->state.client != w->c->client && (w->write || open->share.access & OPEN4_SHARE_ACCESS_WRITE))
			return false;
	}
	return !layout_conflict(file, w->c->client, 0, GRANT_END, w->write ? GRANT_ANY : GRANT_RW | GRANT_LATE);
}

/* Blocks right before @first that the client has already: it goes on one piece after the other. */
static uint64_t layoutget_run_before(const struct layoutget *w)
{
	const struct grant *run;

	if (!w->layout || w->first == 0)
		return 0;
	run = grants_find(&w->layout->grants, w->first - 1, w->first, w->write ? GRANT_RW | GRANT_LATE : GRANT_HELD);
	return run ? w->first - run->blk : 0;
}

static bool layoutget_is_rest(const struct layoutget *w)
{
	return w->layout && w->first > w->layout->asked_first && w->first < w->layout->asked_end;
}

/* How much from the first block on is for somebody who goes on like that, at most; 0: what he asks for. */
static uint64_t layoutget_window(const struct layoutget *w, uint64_t asked_end, bool alone)
{
	/* What is left of a larger run need not begin on one of the client's pages. */
	uint64_t before = round_down_u64(layoutget_run_before(w), w->page);

	/* Who asks for the rest of what he did not get at once need not go on behind it. */
	if (!alone && (file_find(w->c->mds, w->c->fh.ino)->no_ahead || layoutget_is_rest(w)))
		return 0;
	if (!alone)
		return min_u64(2 * before, AHEAD_MAX_BLKS);
	if (before > 0 || asked_end - w->first >= MIB_BLKS)
		return min_u64(max_u64(AHEAD_FIRST_BLKS, 2 * before),
			       w->c->mds->config->zero_new_space ? AHEAD_ZERO_BLKS : AHEAD_MAX_BLKS);
	return 0;
}

/* How far holes are filled for a writer. */
static uint64_t layoutget_ahead(const struct layoutget *w, uint64_t asked_end, bool alone)
{
	uint64_t window = layoutget_window(w, asked_end, alone);
	struct fs_stats stats;

	fs_stats(w->c->mds->fs, &stats);
	window = min_u64(window, round_down_u64(stats.free_blocks / AHEAD_SPACE, w->page));
	return max_u64(asked_end, w->first + window);
}

static nfsstat4 layoutget_choose_read(struct layoutget *w, uint64_t asked_end, uint64_t eof)
{
	/* Behind the end there is nothing to read from a device. */
	if (w->first >= eof)
		return w->args->loga_minlength == 0 ? NFS4ERR_LAYOUTTRYLATER : NFS4ERR_BADLAYOUT;
	w->need_end = min_u64(max_u64(w->need_end, w->first + w->page), eof);
	w->asked_end = min_u64(eof, max_u64(asked_end, w->need_end));
	w->fresh_max = 0;
	w->is_ahead = false;
	w->end = eof;
	if (layoutget_is_alone(w))
		return NFS4_OK;
	w->end = min_u64(eof, max_u64(w->asked_end, w->first + layoutget_window(w, asked_end, false)));
	w->is_ahead = w->end > w->asked_end;
	return NFS4_OK;
}

/* How many blocks more the client may have unwritten of this file: it loses what it cannot say in one commit. */
static uint64_t layoutget_unwritten_max(const struct layoutget *w)
{
	uint32_t most = w->kind == LAYOUT_SCSI ? w->quirk.commit_max_scsi : w->quirk.commit_max_block;
	uint32_t had = w->layout ? w->layout->nr_unwritten : 0;

	if (most == 0)
		return UINT64_MAX;
	return had < most ? (most - had) * w->page : 0;
}

/* A device that makes zeros by itself costs little. */
static bool layoutget_zeroes_fast(const struct layoutget *w)
{
	const struct fs *fs = w->c->mds->fs;

	for (unsigned int i = 0; i < fs_nr_devices(fs); i++)
		if (!fs_device(fs, i)->info.can_write_zeroes)
			return false;
	return true;
}

/*
 * What a client that loses commits (client rule 7) gets unwritten are the first pages that it appends, so that small
 * files cost nothing; all else is made zeros and is readable from the start.  Zeros within the file stay: so no more
 * of them ahead than it has.  Behind its end they are given back: there all that would be given ahead, if that is
 * fast.
 */
static void layoutget_choose_zero(struct layoutget *w, uint64_t asked_end, uint64_t eof)
{
	uint64_t room = layoutget_unwritten_max(w), before = layoutget_run_before(w), most;

	w->zero = w->c->mds->config->zero_new_space;
	if (w->zero || room == UINT64_MAX)
		return;
	if (w->first >= eof && (w->first == eof || before > 0) && asked_end - w->first <= room) {
		w->fresh_max = min_u64(w->fresh_max, w->first + room);
		return;
	}
	w->zero = true;
	most = max_u64(asked_end - w->first, before);
	if (w->first >= eof && layoutget_zeroes_fast(w))
		most = AHEAD_ZERO_BLKS;
	most = min_u64(most, AHEAD_ZERO_BLKS);
	w->fresh_max = max_u64(w->need_end, min_u64(w->fresh_max, w->first + most));
}

static void layoutget_choose_write(struct layoutget *w, uint64_t asked_end, uint64_t eof)
{
	uint64_t most = w->first + AHEAD_MAX_BLKS;
	bool alone = layoutget_is_alone(w);

	w->need_end = max_u64(w->need_end, w->first + w->page);
	if (w->args->loga_length == NFS4_UINT64_MAX)
		asked_end = max_u64(w->need_end, min_u64(eof, most));
	w->asked_end = asked_end = max_u64(w->need_end, min_u64(asked_end, most));
	w->fresh_max = layoutget_ahead(w, asked_end, alone);
	w->end = alone ? max_u64(w->fresh_max, eof) : w->fresh_max;
	w->is_ahead = !alone && w->end > asked_end;
	layoutget_choose_zero(w, asked_end, eof);
}

/* The ranges, from what is known now: others may come while this waits. */
static nfsstat4 layoutget_choose(struct layoutget *w, const struct inode *inode)
{
	const LAYOUTGET4args *args = w->args;
	uint64_t most = INODE_SIZE_MAX - args->loga_offset, eof = blk_end(w, inode->size);
	uint64_t asked_end = blk_end(w, args->loga_offset + min_u64(args->loga_length, most));

	if (args->loga_minlength != NFS4_UINT64_MAX && args->loga_minlength > most)
		return NFS4ERR_BADLAYOUT;
	w->first = round_down_u64(blk_of(args->loga_offset), w->page);
	w->eof = eof;
	w->need_end = blk_end(w, args->loga_offset + min_u64(args->loga_minlength, most));
	if (args->loga_minlength == NFS4_UINT64_MAX)
		w->need_end = eof;
	if (!w->write)
		return layoutget_choose_read(w, asked_end, eof);
	layoutget_choose_write(w, asked_end, eof);
	return NFS4_OK;
}

/* The transaction */

/* What others have behind the asked part ends the grant; in that part it must be recalled. */
static nfsstat4 layoutget_clip(struct layoutget *w)
{
	const struct compound *c = w->c;
	uint32_t bits = w->write ? GRANT_HELD : GRANT_RW;
	const struct file *file = file_find(c->mds, c->fh.ino);

	/* A client needs a page and asks for what it is about to write: else it would get that page by page. */
	if (layout_check(c->mds, c->client, c->fh.ino, w->first, w->need_end, w->asked_end,
			 w->write ? LAYOUT_CLASH_WRITE : LAYOUT_CLASH_READ))
		return NFS4ERR_RECALLCONFLICT;
	w->fill.end = w->end;
	if (!file)
		return NFS4_OK;
	list_for_each (pos, &file->layouts) {
		const struct layout *layout = list_entry(pos, struct layout, by_file);
		const struct grant *run;

		if (layout->state.client == c->client && !layout->state.revoked)
			continue;
		/* What is late of somebody else may yet be committed: it is asked for where it is needed, not ahead.
		 */
		run = grants_find(&layout->grants, w->need_end, w->fill.end, w->write ? bits | GRANT_LATE : bits);
		if (run && run->blk < w->fill.end)
			w->fill.end = max_u64(w->need_end, round_down_u64(run->blk, w->page));
	}
	return NFS4_OK;
}

static int layoutget_grants_put(struct layoutget *w, uint64_t first, uint64_t end, uint32_t bits)
{
	struct grants next;
	int err;

	err = grants_add(&w->grants, first, end, bits, &next);
	if (err)
		return err;
	grants_release(&w->grants);
	w->grants = next;
	return 0;
}

/* What was made zeros and never becomes part of the file is given back with the grant. */
static int layoutget_grant_zeroed(struct layoutget *w)
{
	uint64_t end = min_u64(w->zeroed_end, w->fill.ret_end);

	return w->zeroed_first < end ? layoutget_grants_put(w, w->zeroed_first, end, GRANT_FRESH) : 0;
}

/* The grants as they will be: w->grants is the caller's to release. */
static int layoutget_grants(struct layoutget *w)
{
	int err;

	grants_release(&w->grants);
	err = grants_add(w->layout ? &w->layout->grants : &(struct grants){ 0 }, w->first, w->fill.ret_end,
			 w->write ? GRANT_RW : GRANT_READ, &w->grants);
	for (unsigned int i = 0; i < w->fill.nr_holes && !err; i++) {
		const struct fill_hole *hole = &w->fill.holes[i];
		uint64_t end = min_u64(hole->blk + hole->nr, w->fill.ret_end);

		/* What was filled for a grant that ends before it stays the file's, as ALLOCATE leaves it. */
		if (hole->blk < end)
			err = layoutget_grants_put(w, hole->blk, end, GRANT_FRESH);
	}
	return err ? err : layoutget_grant_zeroed(w);
}

static void layoutget_extent(const struct layoutget *w, const struct fill_extent *e,
			     struct pnfs_block_extent4 *ret_extent)
{
	const struct layout_device *device = &w->c->mds->layouts->devices.v[w->fill.device];

	*ret_extent = (struct pnfs_block_extent4){
		.bex_file_offset = e->blk << DADDR_BLOCK_SHIFT,
		.bex_length = e->nr << DADDR_BLOCK_SHIFT,
		.bex_storage_offset = e->state == FILL_NONE ? 0 : daddr_block(e->daddr) << DADDR_BLOCK_SHIFT,
		.bex_state = (enum pnfs_block_extent_state4)e->state,
	};
	static_assert(sizeof(ret_extent->bex_vol_id) == sizeof(device->id), "device id");
	memcpy(ret_extent->bex_vol_id, device->id, sizeof(device->id));
}

static int layoutget_fill_body(struct layoutget *w, layoutiomode4 iomode)
{
	struct wire_extents_out out;
	int err;

	err = wire_layout_begin(&out, w->args->loga_layout_type, w->body, w->body_size);
	for (unsigned int i = 0; i < w->fill.nr && !err; i++) {
		struct pnfs_block_extent4 extent;

		layoutget_extent(w, &w->fill.extents[i], &extent);
		err = wire_extents_add(&out, &extent);
	}
	if (err)
		return err;
	*w->answer = (struct layout4){
		.lo_offset = w->first << DADDR_BLOCK_SHIFT,
		.lo_length = (w->fill.ret_end - w->first) << DADDR_BLOCK_SHIFT,
		.lo_iomode = iomode,
		.lo_content = { .loc_type = w->args->loga_layout_type,
				.loc_body = { .loc_body_len = wire_extents_end(&out),
					      .loc_body_val = (char *)w->body } },
	};
	w->ok->logr_layout.logr_layout_len = 1;
	w->ok->logr_layout.logr_layout_val = w->answer;
	return 0;
}

/* A layout with space that is not written yet is wanted back when the file is closed. */
static bool layoutget_returns_on_close(const struct layoutget *w)
{
	if (w->zeroed_first < w->zeroed_end)
		return true;
	for (unsigned int i = 0; i < w->fill.nr; i++)
		if (w->fill.extents[i].state == FILL_INVALID)
			return true;
	return false;
}

static int layoutget_record(struct txn *txn, struct layoutget *w)
{
	struct layout *layout = w->layout ? w->layout : w->spare;
	/* With the rest: of one part alone it could not be believed. */
	bool on_close = layoutget_returns_on_close(w) || (w->quirk.keeps_returned && layout->return_on_close);
	unsigned int nr_before = w->layout ? w->layout->grants.nr : 0;
	int err;

	w->number = w->layout ? w->layout->state.number : txn_seq(txn);
	w->seqid = w->layout ? state_next_seqid(w->layout->state.seqid) : 1;
	layout->return_on_close |= on_close;
	err = layout_write(txn, layout, w->number, w->seqid, &w->grants, nr_before, NFS4_OK);
	if (!err)
		err = layoutget_fill_body(w, w->args->loga_iomode);
	if (err)
		return err;
	w->ok->logr_return_on_close = on_close;
	state_stateid(w->c->mds, STATE_LAYOUT, w->number, w->seqid, &w->ok->logr_stateid);
	compound_set_stateid(w->c, &w->ok->logr_stateid);
	return 0;
}

static int layoutget_body(struct txn *txn, void *arg)
{
	struct layoutget *w = arg;
	struct inode inode;
	uint64_t blocks;
	int err;

	w->status = layoutget_check_client(w);
	if (!w->status)
		w->status = layoutget_find(w);
	if (!w->status)
		w->status = layoutget_clip(w);
	if (w->status)
		return LAYOUTGET_STATUS;
	err = inode_get_gen(txn, w->c->fh.ino, w->c->fh.generation, &inode);
	if (err)
		return err;
	blocks = inode.blocks;
	w->fill.write = w->write;
	w->fill.first = w->first;
	w->fill.need_end = w->need_end;
	w->fill.page = w->page;
	w->fill.fresh_max = w->fresh_max;
	w->fill.max = (unsigned int)min_u64(FILL_EXTENTS_MAX, wire_extents_fit(w->body_size));
	w->fill.invalid_max = layoutget_unwritten_max(w);
	w->fill.has = w->layout ? &w->layout->grants : NULL;
	err = fill_run(txn, &inode, &w->fill);
	if (err)
		return err;
	if (w->write)
		data_hold_grant(&inode, w->first, w->fill.ret_end);
	if (w->write || inode.blocks != blocks)
		err = inode_put(txn, &inode);
	if (!err)
		err = layoutget_grants(w);
	return err ? err : layoutget_record(txn, w);
}

static void layoutget_count_unwritten(const struct layoutget *w, struct layout *layout)
{
	uint64_t nr = layout->nr_unwritten + w->fill.invalid / w->page;

	layout->nr_unwritten = (uint32_t)min_u64(nr, UINT32_MAX);
}

/* After the transaction, without a switch. */
static void layoutget_apply(struct layoutget *w)
{
	struct mds *mds = w->c->mds;
	struct layout *layout = w->layout;

	if (!layout) {
		layout = w->spare;
		w->spare = NULL;
		layout->state.number = w->number;
		layout->grants = w->grants;
		grants_init(&w->grants);
		layout->state.seqid = w->seqid;
		layout_add(mds, layout, &w->spare_file);
	} else {
		layout->state.seqid = w->seqid;
		layout_set_grants(mds, layout, &w->grants);
	}
	layout->is_ahead |= w->is_ahead;
	layoutget_count_unwritten(w, layout);
	layout->asked_first = w->first;
	layout->asked_end = w->asked_end;
	layout_note_call(layout, w->c);
	mds->layouts->counts.gets++;
}

/* All of it */

/*
 * With w->zero: what the transaction would fill with unwritten blocks is readable by then, as zeros, or as copies of
 * what is shared.  Not where the transaction will refuse.
 */
static FIBER_FN int layoutget_make_readable(struct layoutget *w, struct layout_guard *guard)
{
	struct compound *c = w->c;
	uint64_t end;
	int err;

	w->zeroed_first = w->zeroed_end = 0;
	if (!w->write || !w->zero || layoutget_check_client(w) || layoutget_find(w) || layoutget_clip(w))
		return 0;
	/* What its client reads by a layout may become unwritten, but not written: it would have to give it back. */
	if (layoutget_unwritten_max(w) > 0)
		guard->held = GRANT_HELD;
	end = min_u64(w->fill.end, w->fresh_max);
	err = data_make_readable(c->mds->fs, c->fh.ino, c->fh.generation, w->first, end,
				 min_u64(w->asked_end, w->first + COPY_MAX_BLKS), &guard->guard);
	if (err)
		return err;
	w->zeroed_first = max_u64(w->first, w->eof);
	w->zeroed_end = end;
	return 0;
}

static FIBER_FN int layoutget_hold_and_run(struct layoutget *w)
{
	struct txn_options opt = { .name = "layoutget",
				   .log_max = FILL_LOG + INODE_LOG_PUT + LAYOUT_LOG(GRANTS_MAX) };
	struct compound *c = w->c;
	struct layout_guard guard;
	struct data_hold hold;
	int err;

	layout_guard_init(&guard, c);
	err = data_hold(c->mds->fs, &hold, c->fh.ino, c->fh.generation, w->first, w->end, w->write, &guard.guard);
	if (err)
		return err;
	err = layoutget_make_readable(w, &guard);
	if (!err)
		err = compound_run(c, &opt, layoutget_body, w);
	if (!err)
		layoutget_apply(w);
	data_unhold(c->mds->fs, &hold);
	return err;
}

static FIBER_FN nfsstat4 layoutget_run(struct layoutget *w)
{
	int err = -EAGAIN;
	nfsstat4 status;

	for (unsigned int i = 0; i < TRIM_TRIES && err == -EAGAIN; i++) {
		err = layoutget_hold_and_run(w);
		if (err == -ENOSPC && w->fresh_max > w->need_end) {
			/* Nothing ahead, then. */
			w->fresh_max = w->end = w->need_end;
			err = -EAGAIN;
		} else if (err == -EAGAIN) {
			err = data_trim(w->c->mds->fs, w->c->fh.ino);
			err = err && err != -ENOENT ? err : -EAGAIN;
		}
	}
	switch (err) {
	case LAYOUTGET_STATUS:
		return w->status;
	case -ENODATA:
	case -E2BIG:
	case -ENOSPC:
	case -EROFS:
		/* Through the server, which can do it or says what is wrong (client rule 9). */
		return NFS4ERR_BADLAYOUT;
	case -EBUSY:
		/* Something is being recalled by now, maybe of the client itself. */
		status = layoutget_find(w);
		return status ? status : NFS4ERR_RECALLCONFLICT;
	default:
		return nfs_status(err);
	}
}

static FIBER_FN nfsstat4 layoutget_prepare(struct layoutget *w)
{
	struct compound *c = w->c;
	struct inode inode;
	nfsstat4 status;

	status = layoutget_check_args(w);
	if (!status)
		status = state_check_grace(c, false);
	if (!status)
		status = compound_stateid(c, &w->args->loga_stateid, &w->stateid);
	if (!status)
		status = layoutget_check_file(w, &inode);
	if (!status)
		status = layout_client_key(c, &w->key);
	/* A host that was fenced and has nothing left that it lost may come back. */
	if (!status && !layout_lift(c->mds, w->key))
		status = NFS4ERR_LAYOUTUNAVAILABLE;
	if (!status)
		status = layoutget_check_client(w);
	if (!status)
		status = layoutget_find(w);
	if (!status)
		status = layoutget_choose(w, &inode);
	return status;
}

/*
 * With what others have in the way recalled: until it has gone, for a moment.  (Not where the client itself must give
 * something back: it may do that only after this answer.)
 */
static FIBER_FN nfsstat4 layoutget_wait_and_run(struct layoutget *w)
{
	struct mds *mds = w->c->mds;
	uint64_t end_ns = reactor_now_ns(mds->reactor) + RECALL_WAIT_NS;
	nfsstat4 status = layoutget_run(w);

	while (status == NFS4ERR_RECALLCONFLICT && !w->own_recalled && !mds->stopping &&
	       wait_queue_wait_until(&mds->layouts->gone, end_ns) == 0)
		status = layoutget_run(w);
	return status;
}

static nfsstat4 layoutget_take_memory(struct layoutget *w)
{
	struct compound *c = w->c;
	uint32_t most = WIRE_LIST_HEAD + FILL_EXTENTS_MAX * WIRE_EXTENT_SIZE;

	w->body_size = (uint32_t)min_u64(w->args->loga_maxcount - LAYOUT_HEAD, most);
	w->body = wire_arena_alloc(&c->arena, w->body_size);
	w->answer = wire_arena_alloc(&c->arena, sizeof(*w->answer));
	w->spare = layout_alloc(c->client);
	w->spare_file = file_alloc();
	if (!w->body || !w->answer || !w->spare || !w->spare_file)
		return NFS4ERR_DELAY;
	w->spare->ino = c->fh.ino;
	w->spare->generation = c->fh.generation;
	w->spare->kind = w->kind;
	w->spare->key = w->key;
	fh_encode(c->mds, &c->fh, w->spare->fh);
	return NFS4_OK;
}

FIBER_FN nfsstat4 op_layoutget(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct layoutget *w;
	nfsstat4 status;

	if (!c->mds->layouts || !c->mds->layouts->fence)
		return NFS4ERR_LAYOUTUNAVAILABLE;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NFS4ERR_DELAY;
	w->c = c;
	w->args = &arg->nfs_argop4_u.oplayoutget;
	w->ok = &res->nfs_resop4_u.oplayoutget.LAYOUTGET4res_u.logr_resok4;
	w->write = w->args->loga_iomode == LAYOUTIOMODE4_RW;
	w->quirk = quirk_of(c->client->impl);
	w->page = w->quirk.page_size / DADDR_BLOCK_SIZE;
	status = layoutget_prepare(w);
	if (!status)
		status = layoutget_take_memory(w);
	if (!status)
		status = layoutget_wait_and_run(w);
	/* The result was the last run's, which may have failed. */
	if (status)
		memset(w->ok, 0, sizeof(*w->ok));
	c->client->nr_layoutgets++;
	c->client->layout_refused = status;
	if (status == NFS4ERR_RECALLCONFLICT)
		c->mds->layouts->counts.conflicts++;
	grants_release(&w->grants);
	layout_free(w->spare);
	free(w->spare_file);
	free(w);
	return status;
}
