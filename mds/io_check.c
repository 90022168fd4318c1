// SPDX-License-Identifier: Apache-2.0
/*
 * The questions are asked in this order: what the file handle is, whether its export may be changed, what the stateid
 * allows, what the mode allows.  So a client that has the wrong object learns that, and not that its stateid does not
 * fit the object.
 *
 * A file's owner may read and write it whatever its mode says: a client asks for rights when it opens, and a file may
 * be created with a mode that denies its maker.  Who may execute may read, since a client reads what it executes.
 */

#include "mds/io_check.h"

#include <sys/stat.h>

#include "extent/data.h"
#include "mds/mds.h"
#include "mds/status.h"

struct inode_read {
	const struct fh *fh;
	struct inode inode;
};

static int read_inode(struct txn *txn, void *arg)
{
	struct inode_read *r = arg;

	return inode_get_gen(txn, r->fh->ino, r->fh->generation, &r->inode);
}

static nfsstat4 check_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return NFS4_OK;
	case S_IFDIR:
		return NFS4ERR_ISDIR;
	case S_IFLNK:
		return NFS4ERR_SYMLINK;
	default:
		return NFS4ERR_WRONG_TYPE;
	}
}

static nfsstat4 check_mode(const struct compound *c, enum state_access access, const struct inode *inode)
{
	struct cred cred = compound_cred(c, &c->fh);
	uint32_t wanted = access == STATE_WRITE ? CRED_W : CRED_R | CRED_X;

	if (cred.uid == inode->uid || cred_access(&cred, inode->mode, inode->uid, inode->gid) & wanted)
		return NFS4_OK;
	return NFS4ERR_ACCESS;
}

FIBER_FN nfsstat4 io_check_object(struct compound *c, struct inode *ret_inode)
{
	struct inode_read r = { .fh = &c->fh };
	nfsstat4 status;

	if (c->fh.kind != FH_FILE)
		return NFS4ERR_ISDIR;
	status = nfs_status(compound_read(c, c->fh.ino, read_inode, &r));
	if (status == NFS4_OK)
		status = check_type(r.inode.mode);
	if (status == NFS4_OK)
		*ret_inode = r.inode;
	return status;
}

FIBER_FN nfsstat4 io_check(struct compound *c, const struct stateid4 *stateid, enum state_access access,
			   struct inode *ret_inode)
{
	struct inode inode;
	struct stateid4 meant;
	bool owner_may = false;
	nfsstat4 status = io_check_object(c, &inode);

	if (status == NFS4_OK && access == STATE_WRITE)
		status = compound_may_change(c, &c->fh);
	if (status == NFS4_OK)
		status = compound_stateid(c, stateid, &meant);
	if (status == NFS4_OK)
		status = state_check_io(c, &meant, access, &owner_may);
	if (status == NFS4_OK && !owner_may)
		status = check_mode(c, access, &inode);
	if (status == NFS4_OK)
		*ret_inode = inode;
	return status;
}

/* Current and saved file handle, each with its stateid, change places. */
static void swap_saved(struct compound *c)
{
	struct fh fh = c->fh;
	struct stateid4 stateid = c->stateid;
	bool has_stateid = c->has_stateid;

	c->fh = c->saved_fh;
	c->stateid = c->saved_stateid;
	c->has_stateid = c->has_saved_stateid;
	c->saved_fh = fh;
	c->saved_stateid = stateid;
	c->has_saved_stateid = has_stateid;
}

FIBER_FN nfsstat4 io_check_saved(struct compound *c, const struct stateid4 *stateid, struct inode *ret_inode)
{
	nfsstat4 status;

	swap_saved(c);
	status = io_check(c, stateid, STATE_READ, ret_inode);
	swap_saved(c);
	return status;
}

FIBER_FN nfsstat4 io_check_suid(struct compound *c, const struct inode *inode)
{
	struct inode_attrs attrs = { .mask = INODE_SET_MODE, .mode = inode->mode & 07777 & ~(uint32_t)S_ISUID };
	struct cred cred = compound_cred(c, &c->fh);
	struct inode after;
	uint64_t seq;
	int err;

	if ((inode->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		attrs.mode &= ~(uint32_t)S_ISGID;
	if (attrs.mode == (inode->mode & 07777) || cred.uid == 0)
		return NFS4_OK;
	err = data_setattr(c->mds->fs, inode->ino, inode->generation, &attrs, NULL, &after, &seq);
	if (!err)
		err = txn_wait_durable(c->mds->fs, seq);
	return nfs_status(err);
}

nfsstat4 io_check_range(uint64_t off, uint64_t len)
{
	if (len > UINT64_MAX - off)
		return NFS4ERR_INVAL;
	return off + len > INODE_SIZE_MAX ? NFS4ERR_FBIG : NFS4_OK;
}
