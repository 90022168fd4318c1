/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUTFH, PUTROOTFH, PUTPUBFH, GETFH, SAVEFH, RESTOREFH (RFC 8881, 18.19-21, 18.8, 18.28, 18.27).  Promises: the
 * current file handle is one that this peer may use, of something that was there.
 */

#include <string.h>

#include "mds/conn.h"
#include "mds/ops.h"
#include "mds/place.h"
#include "mds/status.h"

struct exists {
	const struct fh *fh;
	struct inode inode;
};

static int exists_body(struct txn *txn, void *arg)
{
	struct exists *a = arg;

	return inode_get_gen(txn, a->fh->ino, a->fh->generation, &a->inode);
}

FIBER_FN nfsstat4 op_putfh(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct fh fh;
	struct exists a = { .fh = &fh };
	nfsstat4 status = fh_decode(c->mds, &arg->nfs_argop4_u.opputfh.object, &c->conn->sock->peer.ss, &fh);

	(void)res;
	if (status == NFS4_OK && fh.kind == FH_FILE)
		status = nfs_status(compound_read(c, fh.ino, exists_body, &a));
	if (status == NFS4_OK)
		place_enter(c, &fh);
	return status;
}

FIBER_FN nfsstat4 op_putrootfh(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct export_node *root = export_root(c->mds->exports, place_peer(c));
	struct attr_of of;
	nfsstat4 status;

	(void)arg;
	(void)res;
	/* Who may see nothing has no root either. */
	status = root ? place_of_node(c, root, &of) : NFS4ERR_ACCESS;
	if (status == NFS4_OK)
		place_enter(c, &of.fh);
	return status;
}

FIBER_FN nfsstat4 op_getfh(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	nfs_fh4 *object = &res->nfs_resop4_u.opgetfh.GETFH4res_u.resok4.object;

	(void)arg;
	object->nfs_fh4_val = wire_arena_alloc(&c->arena, FH_SIZE);
	if (!object->nfs_fh4_val)
		return NFS4ERR_DELAY;
	object->nfs_fh4_len = FH_SIZE;
	fh_encode(c->mds, &c->fh, (uint8_t *)object->nfs_fh4_val);
	return NFS4_OK;
}

FIBER_FN nfsstat4 op_savefh(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	(void)arg;
	(void)res;
	c->saved_fh = c->fh;
	c->saved_stateid = c->stateid;
	c->has_saved_stateid = c->has_stateid;
	return NFS4_OK;
}

FIBER_FN nfsstat4 op_restorefh(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	(void)arg;
	(void)res;
	/* Without a saved one: NFS4ERR_NOFILEHANDLE in 4.1 (18.27.3); the table has seen to it. */
	c->fh = c->saved_fh;
	c->stateid = c->saved_stateid;
	c->has_stateid = c->has_saved_stateid;
	return NFS4_OK;
}
