/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: what is handed out is the result of the very operation that was asked for, and it had succeeded. */

#include "tools/nfs_op.h"

#include <string.h>

/* The result if the operation succeeded. */
static const struct nfs_resop4 *got(const struct nfs_compound *c, uint32_t index, uint32_t op)
{
	return nfs_compound_op_status(c, index) == NFS4_OK ? nfs_compound_result(c, index, op) : NULL;
}

int nfs_op_got_fh(const struct nfs_compound *c, uint32_t index, struct nfs_fh *ret_fh)
{
	const struct nfs_resop4 *res = got(c, index, OP_GETFH);
	const nfs_fh4 *fh;

	if (!res)
		return -ENODATA;
	fh = &res->nfs_resop4_u.opgetfh.GETFH4res_u.resok4.object;
	ret_fh->len = fh->nfs_fh4_len;
	memcpy(ret_fh->bytes, fh->nfs_fh4_val, fh->nfs_fh4_len);
	return 0;
}

int nfs_op_attrs_of(struct nfs_compound *c, const struct fattr4 *fattr, struct wire_attrs *ret_attrs)
{
	struct bitmap4 known = wire_attr_readable();

	return wire_attrs_decode(fattr, &known, &c->arena, ret_attrs);
}

int nfs_op_got_attrs(struct nfs_compound *c, uint32_t index, struct wire_attrs *ret_attrs)
{
	const struct nfs_resop4 *res = got(c, index, OP_GETATTR);

	return res ? nfs_op_attrs_of(c, &res->nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes, ret_attrs)
		   : -ENODATA;
}

int nfs_op_got_open(const struct nfs_compound *c, uint32_t index, OPEN4resok *ret_open)
{
	const struct nfs_resop4 *res = got(c, index, OP_OPEN);

	if (!res)
		return -ENODATA;
	*ret_open = res->nfs_resop4_u.opopen.OPEN4res_u.resok4;
	return 0;
}

int nfs_op_got_read(const struct nfs_compound *c, uint32_t index, READ4resok *ret_read)
{
	const struct nfs_resop4 *res = got(c, index, OP_READ);

	if (!res)
		return -ENODATA;
	*ret_read = res->nfs_resop4_u.opread.READ4res_u.resok4;
	return 0;
}

int nfs_op_got_write(const struct nfs_compound *c, uint32_t index, WRITE4resok *ret_write)
{
	const struct nfs_resop4 *res = got(c, index, OP_WRITE);

	if (!res)
		return -ENODATA;
	*ret_write = res->nfs_resop4_u.opwrite.WRITE4res_u.resok4;
	return 0;
}

static const stateid4 *stateid_of(const struct nfs_resop4 *res)
{
	switch (res->resop) {
	case OP_OPEN:
		return &res->nfs_resop4_u.opopen.OPEN4res_u.resok4.stateid;
	case OP_CLOSE:
		return &res->nfs_resop4_u.opclose.CLOSE4res_u.open_stateid;
	case OP_OPEN_DOWNGRADE:
		return &res->nfs_resop4_u.opopen_downgrade.OPEN_DOWNGRADE4res_u.resok4.open_stateid;
	case OP_LOCK:
		return &res->nfs_resop4_u.oplock.LOCK4res_u.resok4.lock_stateid;
	case OP_LOCKU:
		return &res->nfs_resop4_u.oplocku.LOCKU4res_u.lock_stateid;
	default:
		return NULL;
	}
}

int nfs_op_got_stateid(const struct nfs_compound *c, uint32_t index, stateid4 *ret_stateid)
{
	const stateid4 *stateid;

	if (nfs_compound_op_status(c, index) != NFS4_OK)
		return -ENODATA;
	stateid = stateid_of(&c->results[index]);
	if (!stateid)
		return -ENODATA;
	*ret_stateid = *stateid;
	return 0;
}

int nfs_op_got_readdir(const struct nfs_compound *c, uint32_t index, READDIR4resok *ret_dir)
{
	const struct nfs_resop4 *res = got(c, index, OP_READDIR);

	if (!res)
		return -ENODATA;
	*ret_dir = res->nfs_resop4_u.opreaddir.READDIR4res_u.resok4;
	return 0;
}

static const change_info4 *change_of(const struct nfs_resop4 *res)
{
	switch (res->resop) {
	case OP_CREATE:
		return &res->nfs_resop4_u.opcreate.CREATE4res_u.resok4.cinfo;
	case OP_OPEN:
		return &res->nfs_resop4_u.opopen.OPEN4res_u.resok4.cinfo;
	case OP_REMOVE:
		return &res->nfs_resop4_u.opremove.REMOVE4res_u.resok4.cinfo;
	case OP_LINK:
		return &res->nfs_resop4_u.oplink.LINK4res_u.resok4.cinfo;
	case OP_RENAME:
		return &res->nfs_resop4_u.oprename.RENAME4res_u.resok4.target_cinfo;
	default:
		return NULL;
	}
}

int nfs_op_got_change(const struct nfs_compound *c, uint32_t index, change_info4 *ret_change)
{
	const change_info4 *change;

	if (nfs_compound_op_status(c, index) != NFS4_OK)
		return -ENODATA;
	change = change_of(&c->results[index]);
	if (!change)
		return -ENODATA;
	*ret_change = *change;
	return 0;
}
