/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: extents are those of a layout that the server still grants, as far as a client can know: a reply that was
 * overtaken by a recall or a return counts no more, and another "other" in the layout stateid ends all that was
 * before (RFC 8881, 12.5.3 and 12.5.5.2).
 */

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "tools/pnfs_int.h"

/* Recalls between question and answer. */
#define GET_TRIES 16

void pnfs_inode_drop(struct pnfs_inode *inode, uint64_t off, uint64_t end)
{
	inode->drops++;
	/* No memory to cut one in two: then all of it goes, which is less than what the server thinks. */
	if (pnfs_extents_cut(inode, off, end))
		pnfs_extents_clear(inode);
}

void pnfs_inode_forget(struct pnfs_inode *inode)
{
	inode->has_layout = false;
	inode->has_barrier = false;
	inode->return_on_close = false;
	inode->epoch++;
	wait_queue_wake_all(&inode->idle);
	if (inode->needs_commit) {
		inode->losses++;
		inode->host->counts.lost++;
	}
	inode->needs_commit = false;
	inode->has_last = false;
	pnfs_kept_clear(inode);
	if (inode->host->faults.writes_late)
		return;
	inode->drops++;
	pnfs_extents_clear(inode);
}

FIBER_FN void pnfs_inode_settle(struct pnfs_inode *inode)
{
	while (inode->busy > 0)
		wait_queue_wait(&inode->idle);
}

FIBER_FN int pnfs_inode_calm(struct pnfs_inode *inode)
{
	uint64_t deadline = pnfs_now(inode->host) + PNFS_RETURN_WAIT_NS;
	int err = 0;

	while ((inode->recalled || inode->returning) && !err)
		err = wait_queue_wait_until(&inode->idle, deadline);
	return err;
}

void pnfs_inode_set_size(struct pnfs_inode *inode, uint64_t size, uint64_t grown)
{
	/* An answer that is older than what this client did. */
	if (grown != inode->grown && size < inode->size)
		return;
	inode->size = inode->has_last ? max_u64(size, inode->last + 1) : size;
}

bool pnfs_is_revoked(int status)
{
	return status == NFS4ERR_BAD_STATEID || status == NFS4ERR_EXPIRED || status == NFS4ERR_ADMIN_REVOKED ||
	       status == NFS4ERR_DELEG_REVOKED || status == NFS4ERR_STALE_STATEID;
}

FIBER_FN void pnfs_inode_revoked(struct pnfs_inode *inode, const stateid4 *stateid)
{
	struct nfs_session *session = inode->host->session;
	struct nfs_compound c;
	int err;

	inode->host->counts.revoked++;
	if (inode->has_layout && memcmp(inode->layout.other, stateid->other, sizeof(stateid->other)) == 0)
		pnfs_inode_forget(inode);
	nfs_compound_init(&c);
	nfs_session_begin(session, &c);
	nfs_op_free_stateid(&c, stateid);
	err = nfs_session_send(session, &c);
	/* Whether it was there to be freed is the server's business. */
	if (err)
		log_debug("pnfs: no FREE_STATEID: %s", strerror(-err));
	nfs_compound_release(&c);
}

/* A layout stateid from a reply (12.5.3): replies may come in any order. */
static int layout_take_stateid(struct pnfs_inode *inode, const stateid4 *stateid)
{
	if (!inode->has_layout) {
		inode->layout = *stateid;
		inode->has_layout = true;
		return 0;
	}
	if (memcmp(inode->layout.other, stateid->other, sizeof(stateid->other)) != 0) {
		log_warn("pnfs: another layout stateid while the old one is held: all is dropped");
		pnfs_inode_forget(inode);
		return -EAGAIN;
	}
	if (inode->has_barrier && !pnfs_seqid_newer(stateid->seqid, inode->recall.seqid))
		return -EAGAIN;
	if (pnfs_seqid_newer(stateid->seqid, inode->layout.seqid))
		inode->layout.seqid = stateid->seqid;
	return 0;
}

/*
 * What the reply grants is not taken, but the server has counted it: without its number the next recall would seem to
 * be about something that is still on its way, and be put off for ever.
 */
static void layout_skip_stateid(struct pnfs_inode *inode, const stateid4 *stateid)
{
	if (inode->has_layout && memcmp(inode->layout.other, stateid->other, sizeof(stateid->other)) == 0 &&
	    pnfs_seqid_newer(stateid->seqid, inode->layout.seqid))
		inode->layout.seqid = stateid->seqid;
}

/* What passed the checks becomes the client's; @epoch: of the question. */
static FIBER_FN int layout_take(struct pnfs_inode *inode, const LAYOUTGET4resok *ok, struct pnfs_reply *reply,
				uint64_t epoch)
{
	unsigned int device = 0;
	int err = 0, err_device = 0;

	inode->pending++;
	if (reply->has_device)
		err_device = pnfs_device_get(inode->host, reply->device_id, &device);
	inode->pending--;
	wait_queue_wake_all(&inode->idle);
	if (inode->epoch != epoch) {
		layout_skip_stateid(inode, &ok->logr_stateid);
		return -EAGAIN;
	}
	err = layout_take_stateid(inode, &ok->logr_stateid);
	if (err)
		return err;
	inode->return_on_close |= ok->logr_return_on_close;
	if (err_device)
		return err_device;
	for (unsigned int i = 0; i < reply->nr; i++)
		reply->extents[i].device = device;
	return pnfs_kept_add(inode, reply->extents, reply->nr);
}

static FIBER_FN int layout_check(struct pnfs_inode *inode, const struct nfs_layoutget *get, const LAYOUTGET4resok *ok,
				 uint64_t epoch)
{
	struct pnfs_asked asked = { .type = inode->host->type,
				    .iomode = get->iomode,
				    .off = get->offset,
				    .min = get->minlength,
				    .page = inode->host->page };
	struct pnfs_reply *reply = malloc(sizeof(*reply));
	int err = reply ? pnfs_reply_check(&asked, ok, reply) : -ENOMEM;

	if (err == -EBADMSG || err == -ENODATA)
		inode->host->counts.bad_layouts++;
	if (!err)
		err = layout_take(inode, ok, reply, epoch);
	else if (err == -EAGAIN)
		err = NFS4ERR_LAYOUTTRYLATER;
	else if (err == -ENODATA)
		err = NFS4ERR_BADLAYOUT;
	free(reply);
	return err;
}

static FIBER_FN int get_once(struct pnfs_inode *inode, const stateid4 *open, struct nfs_layoutget get)
{
	struct pnfs_host *host = inode->host;
	uint64_t epoch = inode->epoch, grown = inode->grown;
	struct nfs_compound c;
	struct wire_attrs attrs;
	LAYOUTGET4resok ok;
	uint32_t at, at_attr;
	bool by_layout = inode->has_layout;
	int err;

	get.stateid = by_layout ? inode->layout : *open;
	nfs_compound_init(&c);
	nfs_session_begin(host->session, &c);
	c.cachethis = false;
	nfs_op_putfh(&c, &inode->fh);
	at = nfs_op_layoutget(&c, &get);
	/* Whoever waited for others to give theirs back must know what they have done to the size. */
	at_attr = nfs_op_getattr(&c, NFS_ATTRS(FATTR4_SIZE));
	host->counts.gets++;
	err = pnfs_send(host, &c);
	if (err >= 0 && nfs_op_got_attrs(&c, at_attr, &attrs) == 0 && wire_bitmap_test(&attrs.mask, FATTR4_SIZE))
		pnfs_inode_set_size(inode, attrs.size, grown);
	if (err >= 0 && nfs_op_got_layout(&c, at, &ok) == 0)
		err = layout_check(inode, &get, &ok, epoch);
	else if (err == NFS4_OK)
		err = -EPROTO;
	nfs_compound_release(&c);
	if (!pnfs_is_revoked(err) || !by_layout)
		return err;
	/* Once more with the open's. */
	pnfs_inode_revoked(inode, &get.stateid);
	return -EAGAIN;
}

/* The first one of a file goes alone: two would be given two stateids. */
static FIBER_FN int get_in_turn(struct pnfs_inode *inode, const stateid4 *open, const struct nfs_layoutget *get)
{
	int err = pnfs_inode_calm(inode);

	while (!err && !inode->has_layout && inode->first_get) {
		wait_queue_wait(&inode->idle);
		err = pnfs_inode_calm(inode);
	}
	if (err)
		return err;
	if (inode->has_layout)
		return get_once(inode, open, *get);
	inode->first_get = true;
	err = get_once(inode, open, *get);
	inode->first_get = false;
	wait_queue_wake_all(&inode->idle);
	return err;
}

FIBER_FN int pnfs_inode_get(struct pnfs_inode *inode, const stateid4 *open, const struct nfs_layoutget *get)
{
	int err = -EAGAIN;

	for (int i = 0; i < GET_TRIES && err == -EAGAIN && !inode->is_gone; i++)
		err = get_in_turn(inode, open, get);
	return err;
}
