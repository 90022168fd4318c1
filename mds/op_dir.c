/* SPDX-License-Identifier: Apache-2.0 */

/*
 * LOOKUP, LOOKUPP, READLINK, SECINFO and SECINFO_NO_NAME: finding things by name.
 *
 * Promise: what a client may not see is not there for it.
 */

#include <sys/stat.h>

#include "extent/symlink.h"
#include "mds/mds.h"
#include "mds/ops.h"
#include "mds/place.h"
#include "mds/status.h"

/* RFC 8881, 18.13 */
FIBER_FN nfsstat4 op_lookup(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct attr_of of;
	nfsstat4 status;

	status = place_lookup(c, &arg->nfs_argop4_u.oplookup.objname, &of);
	if (!status)
		place_enter(c, &of.fh);
	return status;
}

/* RFC 8881, 18.14 */
FIBER_FN nfsstat4 op_lookupp(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct attr_of of;
	nfsstat4 status;

	status = place_lookup_parent(c, &of);
	if (!status)
		place_enter(c, &of.fh);
	return status;
}

struct readlink {
	const struct fh *fh;
	char *buf;
	size_t len;
};

static int readlink_body(struct txn *txn, void *arg)
{
	struct readlink *r = arg;
	struct inode inode;
	int err;

	err = inode_get_gen(txn, r->fh->ino, r->fh->generation, &inode);
	if (!err && !S_ISLNK(inode.mode))
		err = -EMEDIUMTYPE;
	return err ? err : symlink_get(txn, inode.ino, r->buf, &r->len);
}

/* RFC 8881, 18.24 */
FIBER_FN nfsstat4 op_readlink(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	linktext4 *link;
	struct readlink r = { .fh = &c->fh };
	int err;

	if (c->fh.kind == FH_PSEUDO)
		return NFS4ERR_WRONG_TYPE;
	r.buf = wire_arena_alloc(&c->arena, SYMLINK_MAX_LEN);
	if (!r.buf)
		return NFS4ERR_DELAY;
	err = compound_read(c, c->fh.ino, readlink_body, &r);
	if (err)
		return err == -EMEDIUMTYPE ? NFS4ERR_WRONG_TYPE : nfs_status(err);
	link = &res->nfs_resop4_u.opreadlink.READLINK4res_u.resok4.link;
	link->linktext4_val = r.buf;
	link->linktext4_len = (u_int)r.len;
	return NFS4_OK;
}

/* How a client may come: as a user, or as nobody in particular.  It takes the file handle with it (2.6.3.1.1.8). */
static nfsstat4 secinfo_answer(struct compound *c, struct SECINFO4res *res)
{
	static const uint32_t flavors[] = { AUTH_SYS, AUTH_NONE };
	SECINFO4resok *ok = &res->SECINFO4res_u.resok4;
	struct secinfo4 *list;

	list = wire_arena_alloc(&c->arena, sizeof(*list) * ARRAY_SIZE(flavors));
	if (!list)
		return NFS4ERR_DELAY;
	for (size_t i = 0; i < ARRAY_SIZE(flavors); i++)
		list[i].flavor = flavors[i];
	ok->SECINFO4resok_val = list;
	ok->SECINFO4resok_len = ARRAY_SIZE(flavors);
	place_enter(c, &(struct fh){ .kind = FH_NONE });
	return NFS4_OK;
}

/* RFC 8881, 18.29 */
FIBER_FN nfsstat4 op_secinfo(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct attr_of of;
	nfsstat4 status;

	status = place_lookup(c, &arg->nfs_argop4_u.opsecinfo.name, &of);
	return status ? status : secinfo_answer(c, &res->nfs_resop4_u.opsecinfo);
}

/* RFC 8881, 18.45 */
FIBER_FN nfsstat4 op_secinfo_no_name(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct attr_of of;
	nfsstat4 status = NFS4_OK;

	switch (arg->nfs_argop4_u.opsecinfo_no_name) {
	case SECINFO_STYLE4_CURRENT_FH:
		break;
	case SECINFO_STYLE4_PARENT:
		status = place_lookup_parent(c, &of);
		break;
	default:
		status = NFS4ERR_INVAL;
	}
	return status ? status : secinfo_answer(c, &res->nfs_resop4_u.opsecinfo_no_name);
}
