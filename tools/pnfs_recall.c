/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a recall is answered as the Linux client answers it: NFS4ERR_NOMATCHING_LAYOUT when the layout is gone at
 * once, NFS4_OK when a LAYOUTRETURN follows, NFS4ERR_DELAY when it cannot tell yet; nothing that was recalled is used
 * after that answer or that return (RFC 8881, 12.5.5 and 20.3), unless a fault was asked for.
 */

#include <string.h>

#include "dev/log.h"
#include "proto/wire_xdr.h"
#include "tools/pnfs_int.h"

#define REFERRING_WAIT_NS (500 * 1000000ull) /* as Linux */
#define PENDING_WAIT_NS	  (5000 * 1000000ull)

/* The callback that @arg is a part of, to see what it refers to. */
static const struct nfs_callback_event *recall_event(struct nfs_callback *cb, const struct nfs_cb_argop4 *arg)
{
	list_for_each (pos, &cb->events) {
		struct nfs_callback_event *event = list_entry(pos, struct nfs_callback_event, link);

		if (arg >= event->ops && arg < event->ops + event->nr_ops)
			return event;
	}
	return NULL;
}

/* Whether a request of this session that the server had in mind is not yet answered here (RFC 8881, 2.10.6.3). */
static bool refers_to_open_call(const struct nfs_session *session, const CB_SEQUENCE4args *sequence)
{
	for (unsigned int i = 0; i < sequence->csa_referring_call_lists.csa_referring_call_lists_len; i++) {
		const referring_call_list4 *list =
			&sequence->csa_referring_call_lists.csa_referring_call_lists_val[i];

		if (memcmp(list->rcl_sessionid, session->sessionid, NFS4_SESSIONID_SIZE) != 0)
			continue;
		for (unsigned int j = 0; j < list->rcl_referring_calls.rcl_referring_calls_len; j++) {
			const referring_call4 *call = &list->rcl_referring_calls.rcl_referring_calls_val[j];

			if (call->rc_slotid < session->nr_slots && session->slots[call->rc_slotid].is_busy &&
			    session->slots[call->rc_slotid].sequenceid == call->rc_sequenceid)
				return true;
		}
	}
	return false;
}

/* *@ret_refers: it names some, and so says that it knows what this client has not seen. */
static FIBER_FN bool referring_calls_end(struct pnfs_host *host, const struct nfs_cb_argop4 *arg, bool *ret_refers)
{
	const struct nfs_callback_event *event = recall_event(&host->session->client->callback, arg);
	uint64_t deadline = pnfs_now(host) + REFERRING_WAIT_NS;

	*ret_refers = event && event->sequence.csa_referring_call_lists.csa_referring_call_lists_len > 0;
	/* The event is the service's as long as it answers. */
	while (event && refers_to_open_call(host->session, &event->sequence)) {
		if (pnfs_now(host) >= deadline)
			return false;
		fiber_sleep_ns(PNFS_PAUSE_MIN_NS / 10);
	}
	return true;
}

static struct pnfs_inode *recall_find(struct pnfs_host *host, const layoutrecall_file4 *file)
{
	struct pnfs_inode *found = NULL;

	list_for_each (pos, &host->inodes) {
		struct pnfs_inode *inode = list_entry(pos, struct pnfs_inode, by_host);

		if (inode->has_layout &&
		    memcmp(inode->layout.other, file->lor_stateid.other, sizeof(inode->layout.other)) == 0)
			return inode;
		if (inode->fh.len == file->lor_fh.nfs_fh4_len &&
		    memcmp(inode->fh.bytes, file->lor_fh.nfs_fh4_val, inode->fh.len) == 0)
			found = inode;
	}
	return found;
}

/* An answer to a LAYOUTGET came before the recall and is not taken yet. */
static FIBER_FN bool pending_ends(struct pnfs_inode *inode)
{
	uint64_t deadline = pnfs_now(inode->host) + PENDING_WAIT_NS;
	int err = 0;

	while (inode->pending > 0 && !err)
		err = wait_queue_wait_until(&inode->idle, deadline);
	return inode->pending == 0;
}

/* Whether this recall is the next thing that this client should hear of. NFS4_OK: it is. */
static nfsstat4 recall_check(const struct pnfs_inode *inode, const stateid4 *stateid, bool refers)
{
	if (inode->is_gone || !inode->has_layout)
		return NFS4ERR_NOMATCHING_LAYOUT;
	if (memcmp(inode->layout.other, stateid->other, sizeof(stateid->other)) != 0)
		return NFS4ERR_BAD_STATEID;
	if (inode->returning)
		return NFS4ERR_DELAY;
	if (inode->recalled && pnfs_seqid_newer(inode->recall.seqid, stateid->seqid))
		return NFS4ERR_OLD_STATEID;
	if (inode->recalled && stateid->seqid != inode->recall.seqid)
		return NFS4ERR_DELAY;
	if (inode->recalled)
		return NFS4_OK;
	if (!pnfs_seqid_newer(stateid->seqid, inode->layout.seqid))
		return NFS4ERR_OLD_STATEID;
	/* An answer that this client does not know yet; one that the server knows of has been waited for. */
	return refers || stateid->seqid == inode->layout.seqid + 1 ? NFS4_OK : NFS4ERR_DELAY;
}

static FIBER_FN void recall_give_back(struct pnfs_inode *inode)
{
	int err;

	pnfs_inode_settle(inode);
	err = pnfs_inode_commit(inode);
	if (err)
		log_warn("pnfs: what is recalled could not be committed: %d", err);
	if (inode->has_layout && !inode->is_gone)
		err = pnfs_inode_return(inode, inode->recall, inode->recall_off, inode->recall_end);
	if (err < 0)
		log_warn("pnfs: what is recalled could not be returned: %s", strerror(-err));
	inode->recalled = false;
	wait_queue_wake_all(&inode->idle);
}

static bool recall_is_idle(struct pnfs_inode *inode)
{
	return inode->busy == 0 && !inode->needs_commit && inode->commit_lock.owner == NULL;
}

static nfsstat4 recall_begin(struct pnfs_inode *inode, const layoutrecall_file4 *file)
{
	struct pnfs_host *host = inode->host;

	inode->recall = file->lor_stateid;
	inode->recall_off = 0;
	inode->recall_end = NFS4_UINT64_MAX;
	if (host->honours_ranges) {
		inode->recall_off = file->lor_offset;
		if (file->lor_length < NFS4_UINT64_MAX - file->lor_offset)
			inode->recall_end = file->lor_offset + file->lor_length;
	}
	if (host->faults.keeps_layouts)
		return NFS4_OK;
	inode->layout.seqid = inode->recall.seqid;
	inode->has_barrier = true;
	inode->epoch++;
	if (recall_is_idle(inode)) {
		if (inode->recall_off == 0 && inode->recall_end == NFS4_UINT64_MAX)
			pnfs_inode_forget(inode);
		else
			pnfs_inode_drop(inode, inode->recall_off, inode->recall_end);
		return NFS4ERR_NOMATCHING_LAYOUT;
	}
	inode->recalled = true;
	if (pnfs_spawn(inode, recall_give_back) == 0)
		return NFS4_OK;
	inode->recalled = false;
	inode->layout.seqid--;
	return NFS4ERR_DELAY;
}

static FIBER_FN nfsstat4 recall_file(struct pnfs_host *host, const layoutrecall_file4 *file, bool refers)
{
	struct pnfs_inode *inode = recall_find(host, file);
	nfsstat4 status;
	bool is_calm;

	if (!inode)
		return NFS4ERR_NOMATCHING_LAYOUT;
	inode->refs++;
	is_calm = pending_ends(inode);
	status = is_calm ? recall_check(inode, &file->lor_stateid, refers) : NFS4ERR_DELAY;
	if (status == NFS4_OK) {
		host->counts.recalls_matched++;
		/* The same once more: the return is under way. */
		if (!inode->recalled)
			status = recall_begin(inode, file);
	}
	pnfs_inode_put(inode);
	return status;
}

/* Of a recall of all: committed and then forgotten, without LAYOUTRETURN. */
static FIBER_FN void recall_forget(struct pnfs_inode *inode)
{
	int err;

	pnfs_inode_settle(inode);
	err = pnfs_inode_commit(inode);
	if (err)
		log_warn("pnfs: what is recalled could not be committed: %d", err);
	if (inode->has_layout)
		pnfs_inode_forget(inode);
	inode->recalled = false;
	wait_queue_wake_all(&inode->idle);
}

static nfsstat4 recall_all(struct pnfs_host *host)
{
	nfsstat4 status = NFS4ERR_NOMATCHING_LAYOUT;

	list_for_each (pos, &host->inodes) {
		struct pnfs_inode *inode = list_entry(pos, struct pnfs_inode, by_host);

		if (!inode->has_layout)
			continue;
		host->counts.recalls_matched++;
		if (host->faults.keeps_layouts)
			return NFS4_OK;
		if (!inode->recalled && !inode->returning && recall_is_idle(inode)) {
			pnfs_inode_forget(inode);
			continue;
		}
		status = NFS4ERR_DELAY;
		if (inode->recalled || inode->returning)
			continue;
		inode->epoch++;
		inode->recall = inode->layout;
		inode->recalled = true;
		if (pnfs_spawn(inode, recall_forget))
			inode->recalled = false;
	}
	return status;
}

static FIBER_FN nfsstat4 recall_do(struct pnfs_host *host, const struct nfs_cb_argop4 *arg)
{
	const CB_LAYOUTRECALL4args *args = &arg->nfs_cb_argop4_u.opcblayoutrecall;
	bool refers;

	if (host->faults.ignores_recalls)
		return NFS_CALLBACK_SILENT;
	if (host->faults.delays_recalls || !referring_calls_end(host, arg, &refers))
		return NFS4ERR_DELAY;
	if (args->clora_recall.lor_recalltype == LAYOUTRECALL4_FILE)
		return recall_file(host, &args->clora_recall.layoutrecall4_u.lor_layout, refers);
	return recall_all(host);
}

static FIBER_FN nfsstat4 answer_recall(void *owner, const struct nfs_cb_argop4 *arg, struct nfs_cb_resop4 *ret_res)
{
	struct pnfs_host *host = owner;
	nfsstat4 status;

	host->counts.recalls++;
	host->nr_fibers++;
	status = recall_do(host, arg);
	host->nr_fibers--;
	wait_queue_wake_all(&host->changed);
	return status;
}

static FIBER_FN void any_give_back(struct pnfs_inode *inode)
{
	int err = pnfs_inode_give_back(inode);

	if (err)
		log_warn("pnfs: a layout could not be given back: %d", err);
}

/* Linux gives all back when it is asked for layouts of files, and none when for those of blocks. */
static FIBER_FN nfsstat4 answer_recall_any(void *owner, const struct nfs_cb_argop4 *arg,
					   struct nfs_cb_resop4 *ret_res)
{
	const CB_RECALL_ANY4args *args = &arg->nfs_cb_argop4_u.opcbrecall_any;
	struct pnfs_host *host = owner;

	if (!wire_bitmap_test(&args->craa_type_mask, RCA4_TYPE_MASK_FILE_LAYOUT) &&
	    !(host->honours_ranges && wire_bitmap_test(&args->craa_type_mask, RCA4_TYPE_MASK_BLK_LAYOUT)))
		return NFS4_OK;
	list_for_each (pos, &host->inodes) {
		struct pnfs_inode *inode = list_entry(pos, struct pnfs_inode, by_host);

		if (inode->has_layout && pnfs_spawn(inode, any_give_back))
			return NFS4ERR_DELAY;
	}
	return NFS4_OK;
}

/* RFC 8881, 20.12: a change or deletion; the device is asked for anew before it is used for another layout. */
static FIBER_FN nfsstat4 answer_notify(void *owner, const struct nfs_cb_argop4 *arg, struct nfs_cb_resop4 *ret_res)
{
	const CB_NOTIFY_DEVICEID4args *args = &arg->nfs_cb_argop4_u.opcbnotify_deviceid;
	struct pnfs_host *host = owner;

	for (unsigned int i = 0; i < args->cnda_changes.cnda_changes_len; i++) {
		const notify4 *n = &args->cnda_changes.cnda_changes_val[i];
		bool is_change = wire_bitmap_test(&n->notify_mask, NOTIFY_DEVICEID4_CHANGE);
		bool is_delete = wire_bitmap_test(&n->notify_mask, NOTIFY_DEVICEID4_DELETE);

		if (is_change == is_delete || n->notify_vals.notifylist4_len != (is_change ? 24 : 20))
			return NFS4ERR_INVAL;
		for (unsigned int d = 0; d < host->nr_devices; d++)
			if (memcmp(host->devices[d].id, n->notify_vals.notifylist4_val + 4, NFS4_DEVICEID4_SIZE) == 0)
				host->devices[d].known = false;
	}
	return NFS4_OK;
}

/* Whether the server still has the layout. */
static FIBER_FN bool layout_is_there(struct pnfs_inode *inode)
{
	const struct nfs_resop4 *res;
	struct nfs_compound c;
	bool there = true;
	uint32_t at;

	nfs_compound_init(&c);
	nfs_session_begin(inode->host->session, &c);
	at = nfs_op_test_stateid(&c, &inode->layout, 1);
	if (nfs_session_send(inode->host->session, &c) == 0 && nfs_compound_op_status(&c, at) == NFS4_OK) {
		res = nfs_compound_result(&c, at, OP_TEST_STATEID);
		if (res && res->nfs_resop4_u.optest_stateid.TEST_STATEID4res_u.tsr_resok4.tsr_status_codes
					   .tsr_status_codes_len == 1)
			there = res->nfs_resop4_u.optest_stateid.TEST_STATEID4res_u.tsr_resok4.tsr_status_codes
					.tsr_status_codes_val[0] == NFS4_OK;
	}
	nfs_compound_release(&c);
	return there;
}

static struct pnfs_inode *check_next(struct pnfs_host *host)
{
	list_for_each (pos, &host->inodes) {
		struct pnfs_inode *inode = list_entry(pos, struct pnfs_inode, by_host);

		if (inode->has_layout && inode->round != host->round)
			return inode;
	}
	return NULL;
}

/* Linux gives up all layouts then; here those that are still there are returned in order. */
static FIBER_FN void check_all(struct pnfs_inode *first)
{
	struct pnfs_host *host = first->host;
	struct pnfs_inode *inode;

	host->round++;
	while (!host->is_closing && (inode = check_next(host))) {
		stateid4 stateid = inode->layout;

		inode->round = host->round;
		inode->refs++;
		if (layout_is_there(inode))
			any_give_back(inode);
		else
			pnfs_inode_revoked(inode, &stateid);
		pnfs_inode_put(inode);
	}
	host->is_checking = false;
}

void pnfs_recall_check(struct pnfs_host *host)
{
	if (host->is_checking || host->is_closing)
		return;
	list_for_each (pos, &host->inodes) {
		struct pnfs_inode *inode = list_entry(pos, struct pnfs_inode, by_host);

		if (!inode->has_layout)
			continue;
		host->is_checking = pnfs_spawn(inode, check_all) == 0;
		return;
	}
}

FIBER_FN int pnfs_send(struct pnfs_host *host, struct nfs_compound *c)
{
	int err = nfs_session_send(host->session, c);

	if (err)
		return err;
	if (host->session->status_flags & SEQ4_STATUS_RECALLABLE_STATE_REVOKED)
		pnfs_recall_check(host);
	return (int)c->status;
}

void pnfs_recall_open(struct pnfs_host *host)
{
	struct nfs_callback_hook *hooks = host->session->client->callback.hooks;

	hooks[OP_CB_LAYOUTRECALL] = (struct nfs_callback_hook){ answer_recall, host };
	hooks[OP_CB_RECALL_ANY] = (struct nfs_callback_hook){ answer_recall_any, host };
	hooks[OP_CB_NOTIFY_DEVICEID] = (struct nfs_callback_hook){ answer_notify, host };
}

void pnfs_recall_close(struct pnfs_host *host)
{
	struct nfs_callback_hook *hooks = host->session->client->callback.hooks;

	hooks[OP_CB_LAYOUTRECALL] = (struct nfs_callback_hook){ NULL, NULL };
	hooks[OP_CB_RECALL_ANY] = (struct nfs_callback_hook){ NULL, NULL };
	hooks[OP_CB_NOTIFY_DEVICEID] = (struct nfs_callback_hook){ NULL, NULL };
}
