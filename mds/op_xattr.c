/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Extended attributes (RFC 8276): of regular files and directories, in the one name space of users.
 *
 * Promise: names are kept as they are sent, so another server's prefixes are names like others.  LISTXATTRS goes on
 * behind its cookie as READDIR does.
 */

#include <string.h>
#include <sys/stat.h>

#include "extent/xattr.h"
#include "mds/deleg.h"
#include "mds/mds.h"
#include "mds/ops.h"
#include "mds/place.h"
#include "mds/status.h"

/* What the bodies here share. */
struct xattr_op {
	struct compound *c;
	struct cred cred;
	const xattrkey4 *name;
	nfsstat4 status; /* of a body that returned -ECANCELED */
};

static int xattr_refuse(struct xattr_op *op, nfsstat4 status)
{
	op->status = status;
	return -ECANCELED;
}

static nfsstat4 xattr_status(const struct xattr_op *op, int err)
{
	switch (err) {
	case -ECANCELED:
		return op->status;
	case -ENODATA:
		return NFS4ERR_NOXATTR;
	case -E2BIG:
		return NFS4ERR_XATTR2BIG;
	default:
		return nfs_status(err);
	}
}

static nfsstat4 xattr_check_name(const xattrkey4 *name)
{
	if (name->component4_len == 0)
		return NFS4ERR_INVAL;
	if (name->component4_len > XATTR_NAME_MAX)
		return NFS4ERR_NAMETOOLONG;
	return memchr(name->component4_val, 0, name->component4_len) ? NFS4ERR_BADCHAR : NFS4_OK;
}

/* The object of c->fh, if it can have attributes and @op's user has @want (CRED_R, CRED_W) on it. */
static int xattr_inode_get(struct txn *txn, struct xattr_op *op, uint32_t want, nfsstat4 if_other,
			   struct inode *ret_inode)
{
	struct inode inode;
	nfsstat4 status;
	int err;

	err = inode_get_gen(txn, op->c->fh.ino, op->c->fh.generation, &inode);
	if (err)
		return err;
	if (!S_ISREG(inode.mode) && !S_ISDIR(inode.mode))
		return xattr_refuse(op, if_other);
	if (!place_may(&op->cred, &inode, want))
		return xattr_refuse(op, NFS4ERR_ACCESS);
	/* xattr(7): in a sticky directory everybody may write, but its attributes are its owner's. */
	if (want == CRED_W && S_ISDIR(inode.mode) && !cred_may_delete(&op->cred, inode.mode, inode.uid, inode.uid))
		return xattr_refuse(op, NFS4ERR_PERM);
	status = want == CRED_W ? deleg_check(op->c, inode.ino, true) : NFS4_OK;
	if (status)
		return xattr_refuse(op, status);
	*ret_inode = inode;
	return 0;
}

static struct change_info4 xattr_cinfo(const struct inode *inode)
{
	return (struct change_info4){ .atomic = TRUE, .before = inode->change - 1, .after = inode->change };
}

struct getxattr {
	struct xattr_op op;
	char *buf;
	size_t size; /* 0: only the length is asked for */
	size_t len;
};

static int getxattr_body(struct txn *txn, void *arg)
{
	struct getxattr *x = arg;
	struct inode inode;
	int err;

	err = xattr_inode_get(txn, &x->op, CRED_R, NFS4ERR_NOXATTR, &inode);
	if (err)
		return err;
	return xattr_get(txn, inode.ino, x->op.name->component4_val, x->op.name->component4_len, x->buf, x->size,
			 &x->len);
}

#define GETXATTR_TRIES 8 /* while its length changes between asking and reading */

/* RFC 8276, 8.4.1 */
FIBER_FN nfsstat4 op_getxattr(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct getxattr x = { .op = { .c = c, .name = &arg->nfs_argop4_u.opgetxattr.gxa_name } };
	xattrvalue4 *value = &res->nfs_resop4_u.opgetxattr.GETXATTR4res_u.gxr_value;
	nfsstat4 status;
	int err;

	status = xattr_check_name(x.op.name);
	if (status)
		return status;
	if (c->fh.kind == FH_PSEUDO)
		return NFS4ERR_NOXATTR;
	x.op.cred = compound_cred(c, &c->fh);
	for (unsigned int i = 0; i < GETXATTR_TRIES; i++) {
		err = compound_read(c, c->fh.ino, getxattr_body, &x);
		if (err && err != -ERANGE)
			return xattr_status(&x.op, err);
		if (!err && x.len <= x.size) {
			value->xattrvalue4_val = x.buf;
			value->xattrvalue4_len = (u_int)x.len;
			return NFS4_OK;
		}
		/* Either the length is known now, or there is none that would do. */
		x.size = err ? 0 : x.len;
		x.buf = x.size ? wire_arena_alloc(&c->arena, x.size) : NULL;
		if (x.size && !x.buf)
			return NFS4ERR_DELAY;
	}
	return NFS4ERR_DELAY;
}

struct setxattr {
	struct xattr_op op;
	const struct SETXATTR4args *args;
	enum xattr_how how;
	struct change_info4 *cinfo;
};

static int setxattr_body(struct txn *txn, void *arg)
{
	struct setxattr *x = arg;
	const xattrvalue4 *value = &x->args->sxa_value;
	struct inode inode;
	int err;

	err = xattr_inode_get(txn, &x->op, CRED_W, NFS4ERR_PERM, &inode);
	if (!err)
		err = xattr_set(txn, inode.ino, x->op.name->component4_val, x->op.name->component4_len,
				value->xattrvalue4_val, value->xattrvalue4_len, x->how, &inode);
	if (!err)
		*x->cinfo = xattr_cinfo(&inode);
	return err;
}

static nfsstat4 setxattr_how(enum setxattr_option4 option, enum xattr_how *ret_how)
{
	switch (option) {
	case SETXATTR4_EITHER:
		*ret_how = XATTR_EITHER;
		return NFS4_OK;
	case SETXATTR4_CREATE:
		*ret_how = XATTR_NEW;
		return NFS4_OK;
	case SETXATTR4_REPLACE:
		*ret_how = XATTR_EXISTING;
		return NFS4_OK;
	default:
		return NFS4ERR_INVAL;
	}
}

/* RFC 8276, 8.4.2 */
FIBER_FN nfsstat4 op_setxattr(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct setxattr x = { .op = { .c = c, .name = &arg->nfs_argop4_u.opsetxattr.sxa_key },
			      .args = &arg->nfs_argop4_u.opsetxattr,
			      .cinfo = &res->nfs_resop4_u.opsetxattr.SETXATTR4res_u.sxr_info };
	struct txn_options opt = { .name = "setxattr" };
	nfsstat4 status;

	status = compound_may_change(c, &c->fh);
	if (!status)
		status = xattr_check_name(x.op.name);
	if (!status)
		status = setxattr_how(x.args->sxa_option, &x.how);
	if (!status && x.args->sxa_value.xattrvalue4_len > XATTR_VALUE_MAX)
		status = NFS4ERR_XATTR2BIG;
	if (status)
		return status;
	x.op.cred = compound_cred(c, &c->fh);
	opt.log_max = XATTR_LOG_SET(x.args->sxa_value.xattrvalue4_len);
	return xattr_status(&x.op, compound_run(c, &opt, setxattr_body, &x));
}

struct removexattr {
	struct xattr_op op;
	struct change_info4 *cinfo;
};

static int removexattr_body(struct txn *txn, void *arg)
{
	struct removexattr *x = arg;
	struct inode inode;
	int err;

	err = xattr_inode_get(txn, &x->op, CRED_W, NFS4ERR_PERM, &inode);
	if (!err)
		err = xattr_remove(txn, inode.ino, x->op.name->component4_val, x->op.name->component4_len, &inode);
	if (!err)
		*x->cinfo = xattr_cinfo(&inode);
	return err;
}

/* RFC 8276, 8.4.4 */
FIBER_FN nfsstat4 op_removexattr(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct removexattr x = { .op = { .c = c, .name = &arg->nfs_argop4_u.opremovexattr.rxa_name },
				 .cinfo = &res->nfs_resop4_u.opremovexattr.REMOVEXATTR4res_u.rxr_info };
	struct txn_options opt = { .name = "removexattr", .log_max = XATTR_LOG_REMOVE, .frees_space = true };
	nfsstat4 status;

	status = compound_may_change(c, &c->fh);
	if (!status)
		status = xattr_check_name(x.op.name);
	if (status)
		return status;
	x.op.cred = compound_cred(c, &c->fh);
	return xattr_status(&x.op, compound_run(c, &opt, removexattr_body, &x));
}

/* LISTXATTRS4resok without names: what maxcount counts besides them. */
#define LIST_OVERHEAD  (8 + 4 + 4)
#define LIST_NAMES_MAX 256 /* in one reply */

struct listxattrs {
	struct xattr_op op;
	uint64_t after;
	uint32_t size; /* bytes for names */
	struct xattrkey_list {
		unsigned int nr;
		uint32_t used;
		uint64_t cookie;
		bool eof;
	} list;
	xattrkey4 *names; /* LIST_NAMES_MAX */
	char *text;	  /* LIST_NAMES_MAX times XATTR_NAME_MAX */
};

/* One name more.  False: no room. */
static bool list_add(struct listxattrs *x, const struct xattr_entry *e)
{
	struct xattrkey_list *list = &x->list;
	uint32_t bytes = 4 + (uint32_t)round_up_u64(e->name_len, 4);
	char *text = x->text + list->nr * XATTR_NAME_MAX;

	if (list->nr == LIST_NAMES_MAX || list->used + bytes > x->size)
		return false;
	memcpy(text, e->name, e->name_len);
	x->names[list->nr].component4_val = text;
	x->names[list->nr].component4_len = e->name_len;
	list->nr++;
	list->used += bytes;
	list->cookie = e->cookie;
	return true;
}

static int listxattrs_body(struct txn *txn, void *arg)
{
	struct listxattrs *x = arg;
	struct xattr_entry entry;
	struct inode inode;
	int err;

	x->list = (struct xattrkey_list){ .cookie = x->after };
	err = xattr_inode_get(txn, &x->op, CRED_R, NFS4_OK, &inode);
	if (err == -ECANCELED && x->op.status == NFS4_OK) { /* it cannot have any */
		x->list.eof = true;
		return 0;
	}
	while (!err) {
		err = xattr_next(txn, inode.ino, x->list.cookie, &entry);
		if (!err && !list_add(x, &entry))
			return 0;
	}
	if (err != -ENOENT)
		return err;
	x->list.eof = true;
	return 0;
}

static nfsstat4 listxattrs_size(struct listxattrs *x, uint32_t maxcount)
{
	struct compound *c = x->op.c;
	uint32_t used = wire_compound_size(&c->out);
	uint32_t left = (uint32_t)min_u64(wire_enc_left(&c->enc), c->out.limit > used ? c->out.limit - used : 0);

	left -= (uint32_t)min_u64(left, 8 + 4 * WIRE_RESULT_FAIL_MAX);
	if (maxcount < LIST_OVERHEAD)
		return NFS4ERR_TOOSMALL;
	if (left < LIST_OVERHEAD)
		return NFS4ERR_REP_TOO_BIG;
	x->size = (uint32_t)min_u64(left, maxcount) - LIST_OVERHEAD;
	x->names = wire_arena_alloc(&c->arena, LIST_NAMES_MAX * sizeof(*x->names));
	x->text = wire_arena_alloc(&c->arena, LIST_NAMES_MAX * XATTR_NAME_MAX);
	return x->names && x->text ? NFS4_OK : NFS4ERR_DELAY;
}

/* RFC 8276, 8.4.3 */
FIBER_FN nfsstat4 op_listxattrs(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct LISTXATTRS4args *args = &arg->nfs_argop4_u.oplistxattrs;
	struct LISTXATTRS4resok *ok = &res->nfs_resop4_u.oplistxattrs.LISTXATTRS4res_u.lxr_value;
	struct listxattrs x = { .op = { .c = c }, .after = args->lxa_cookie, .list = { .eof = true } };
	nfsstat4 status;

	if (args->lxa_cookie > KEY_LOW_MAX)
		return NFS4ERR_BAD_COOKIE;
	status = listxattrs_size(&x, args->lxa_maxcount);
	if (!status && c->fh.kind == FH_FILE) {
		x.op.cred = compound_cred(c, &c->fh);
		status = xattr_status(&x.op, compound_read(c, c->fh.ino, listxattrs_body, &x));
	}
	if (status)
		return status;
	if (x.list.nr == 0 && !x.list.eof)
		return x.size + LIST_OVERHEAD == args->lxa_maxcount ? NFS4ERR_TOOSMALL : NFS4ERR_REP_TOO_BIG;
	ok->lxr_cookie = x.list.cookie;
	ok->lxr_names.lxr_names_val = x.names;
	ok->lxr_names.lxr_names_len = x.list.nr;
	ok->lxr_eof = x.list.eof;
	return NFS4_OK;
}
