/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CB_LAYOUTRECALL (RFC 8881, 20.3).  Promise: each recall has a seqid of its own, which no crash makes come again,
 * and names the LAYOUTGETs whose replies the client may not have seen (12.5.5.2.1).
 */

#include <string.h>

#include "mds/backchannel.h"
#include "mds/compound.h"
#include "mds/layout_recall_int.h"
#include "mds/session.h"

static_assert(LAYOUT_CALLS <= BACKCHANNEL_REFS_MAX, "all can be named");

struct number_work {
	const struct layout_range *range;
	uint32_t seqid;
};

static int number_body(struct txn *txn, void *arg)
{
	struct number_work *w = arg;
	const struct layout *layout = layout_range_find(w->range);

	if (!layout)
		return -ENOENT;
	w->seqid = state_next_seqid(layout->state.seqid);
	return layout_write(txn, layout, layout->state.number, w->seqid, &layout->grants, layout->grants.nr, NFS4_OK);
}

static int save_body(struct txn *txn, void *arg)
{
	const struct layout *layout = layout_range_find(arg);

	if (!layout)
		return -ENOENT;
	return layout_write(txn, layout, layout->state.number, layout->state.seqid, &layout->grants,
			    layout->grants.nr, NFS4_OK);
}

FIBER_FN int layout_save_recall(const struct layout_range *range)
{
	static const struct txn_options opt = { .name = "recall time", .frees_space = true };
	struct layout_range r = *range;

	return txn_run(range->mds->fs, &opt, save_body, &r, NULL);
}

/* The layout's next seqid, durable. */
static FIBER_FN int number_next(const struct layout_range *range, uint32_t *ret_seqid)
{
	static const struct txn_options opt = { .name = "recall layout", .frees_space = true };
	struct number_work w = { .range = range };
	struct fs *fs = range->mds->fs;
	struct layout *layout;
	uint64_t seq = 0;
	int err;

	static_assert(LAYOUT_LOG(GRANTS_MAX) <= TXN_LOG_DEFAULT, "a layout fits");
	err = txn_run(fs, &opt, number_body, &w, &seq);
	if (err)
		return err;
	layout = layout_range_find(range);
	assert(layout);
	layout->state.seqid = w.seqid;
	*ret_seqid = w.seqid;
	return txn_wait_durable(fs, seq);
}

static void fill_recall(const struct layout_range *range, const struct layout *layout, uint8_t fh[FH_SIZE],
			struct nfs_cb_argop4 *ret_op)
{
	struct CB_LAYOUTRECALL4args *args = &ret_op->nfs_cb_argop4_u.opcblayoutrecall;
	layoutrecall_file4 *file = &args->clora_recall.layoutrecall4_u.lor_layout;

	*ret_op = (struct nfs_cb_argop4){ .argop = OP_CB_LAYOUTRECALL };
	args->clora_type = layout->kind == LAYOUT_SCSI ? LAYOUT4_SCSI : LAYOUT4_BLOCK_VOLUME;
	args->clora_iomode = LAYOUTIOMODE4_ANY;
	args->clora_recall.lor_recalltype = LAYOUTRECALL4_FILE;
	memcpy(fh, layout->fh, FH_SIZE);
	file->lor_fh.nfs_fh4_val = (char *)fh;
	file->lor_fh.nfs_fh4_len = FH_SIZE;
	file->lor_offset = range->first * DADDR_BLOCK_SIZE;
	file->lor_length = range->end == GRANT_END ? NFS4_UINT64_MAX : (range->end - range->first) * DADDR_BLOCK_SIZE;
	state_make_stateid(range->mds, &layout->state, &file->lor_stateid);
}

void layout_note_call(struct layout *layout, const struct compound *c)
{
	struct layout_call *call = &layout->gets[layout->nr_gets++ % LAYOUT_CALLS];

	memcpy(call->session, c->session->id, sizeof(call->session));
	call->slot = (uint32_t)(c->slot - c->session->slots);
	call->seqid = c->slot->seqid;
}

/* Whether the reply may not have been received: who has used the slot since, has it. */
static bool is_open(const struct mds *mds, const struct layout_call *call)
{
	const struct session *session = session_find(mds, call->session);

	return session && call->slot < session->nr_slots && session->slots[call->slot].seqid == call->seqid;
}

static void fill_refs(const struct mds *mds, const struct layout *layout, struct backchannel_refs *ret_refs)
{
	ret_refs->nr = 0;
	for (unsigned int i = 0; i < LAYOUT_CALLS && i < layout->nr_gets; i++) {
		const struct layout_call *call = &layout->gets[i];
		struct backchannel_ref *ref = &ret_refs->v[ret_refs->nr];

		if (!is_open(mds, call))
			continue;
		memcpy(ref->session, call->session, sizeof(ref->session));
		ref->slot = call->slot;
		ref->seqid = call->seqid;
		ret_refs->nr++;
	}
}

/*
 * After a restart nobody knows which LAYOUTGETs were answered before it: each request whose stored answer may not
 * have been received could be one.  A client that has none of them under way does not wait.
 */
static void fill_old_refs(const struct client *client, struct backchannel_refs *refs)
{
	list_for_each (pos, &client->sessions) {
		const struct session *session = list_entry(pos, struct session, by_client);

		for (uint32_t i = 0; i < session->nr_slots && refs->nr < BACKCHANNEL_REFS_MAX; i++) {
			struct backchannel_ref *ref = &refs->v[refs->nr];

			if (!session->slots[i].unsure || session->slots[i].reply_len == 0)
				continue;
			memcpy(ref->session, session->id, sizeof(ref->session));
			ref->slot = i;
			ref->seqid = session->slots[i].seqid;
			refs->nr++;
		}
	}
}

FIBER_FN int layout_callback(const struct layout_range *range, uint64_t deadline_ns, unsigned int back,
			     uint32_t *seqid, nfsstat4 *ret_status)
{
	stateid4 *stateid;
	struct layout *layout = layout_range_find(range);
	struct backchannel_refs refs;
	struct nfs_cb_argop4 op;
	uint8_t fh[FH_SIZE];
	int err;

	if (layout && layout->state.seqid != *seqid) {
		err = number_next(range, seqid);
		if (err)
			return err;
		layout = layout_range_find(range);
	}
	if (!layout)
		return -ENOENT;
	fill_recall(range, layout, fh, &op);
	fill_refs(range->mds, layout, &refs);
	stateid = &op.nfs_cb_argop4_u.opcblayoutrecall.clora_recall.layoutrecall4_u.lor_layout.lor_stateid;
	if (refs.nr == 0)
		stateid->seqid -= (uint32_t)min_u64(back, stateid->seqid - 1);
	fill_old_refs(layout->state.client, &refs);
	return backchannel_call_after(range->mds, layout->state.client, &op, &refs, deadline_ns, ret_status);
}
