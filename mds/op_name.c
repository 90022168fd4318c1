/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CREATE, LINK, REMOVE and RENAME.
 *
 * Promise: each is one transaction, rights and result included, so change_info is atomic and a repeated request is
 * not done twice (I5, I6).  What loses its last name while somebody has it open lives on (I8).
 */

#include <string.h>
#include <sys/stat.h>

#include "dev/reactor.h"
#include "extent/name.h"
#include "extent/symlink.h"
#include "mds/deleg.h"
#include "mds/mds.h"
#include "mds/ops.h"
#include "mds/place.h"
#include "mds/reaper.h"
#include "mds/status.h"

/* What the bodies here share. */
struct name_op {
	struct compound *c;
	struct cred cred;
	nfsstat4 status; /* of a body that returned -ECANCELED */
	uint64_t lost;	 /* inode that has no name any more; 0: none */
};

static void name_op_init(struct name_op *op, struct compound *c)
{
	*op = (struct name_op){ .c = c, .cred = compound_cred(c, &c->fh) };
}

/* To be returned by a body: an answer that no errno stands for. */
static int name_refuse(struct name_op *op, nfsstat4 status)
{
	op->status = status;
	return -ECANCELED;
}

static nfsstat4 name_status(const struct name_op *op, int err)
{
	return err == -ECANCELED ? op->status : nfs_status(err);
}

static struct name_at name_at_of(const struct fh *dir, const component4 *name)
{
	return (struct name_at){ .dir = dir->ino, .name = name->component4_val, .len = name->component4_len };
}

/* The directory of @fh, whose entries @op's user may change. */
static int name_dir_get(struct txn *txn, struct name_op *op, const struct fh *fh, struct inode *ret_dir)
{
	int err;

	err = inode_get_gen(txn, fh->ino, fh->generation, ret_dir);
	if (err)
		return err;
	if (!S_ISDIR(ret_dir->mode))
		return name_refuse(op, place_is_dir(ret_dir));
	if (!place_may(&op->cred, ret_dir, CRED_W | CRED_X))
		return name_refuse(op, NFS4ERR_ACCESS);
	return 0;
}

/* A directory after a change: name.h raises the change attribute by one. */
static struct change_info4 cinfo_changed(const struct inode *dir)
{
	return (struct change_info4){ .atomic = TRUE, .before = dir->change - 1, .after = dir->change };
}

static struct change_info4 cinfo_same(const struct inode *dir)
{
	return (struct change_info4){ .atomic = TRUE, .before = dir->change, .after = dir->change };
}

/* A file is about to get or lose a name: nobody else has it delegated (RFC 8881, 10.4). */
static int name_check_delegs(struct name_op *op, const struct inode *inode)
{
	nfsstat4 status = S_ISREG(inode->mode) ? deleg_check(op->c, inode->ino, true) : NFS4_OK;

	return status ? name_refuse(op, status) : 0;
}

struct create {
	struct name_op op;
	const struct CREATE4args *args;
	struct CREATE4resok *ok;
	uint32_t type; /* S_IFMT */
	struct attr_set set;
	struct name_create how;
};

static int create_body(struct txn *txn, void *arg)
{
	struct create *x = arg;
	struct compound *c = x->op.c;
	struct name_at at = name_at_of(&c->fh, &x->args->objname);
	struct name_result r;
	struct inode dir;
	struct fh fh = c->fh;
	nfsstat4 status;
	int err;

	err = name_dir_get(txn, &x->op, &c->fh, &dir);
	if (err)
		return err;
	status = attr_create_as(&x->op.cred, &dir, x->type, S_ISDIR(x->type) ? 0755 : 0644, &x->set, &x->how);
	if (status)
		return name_refuse(&x->op, status);
	err = name_create(txn, &at, &x->how, &r);
	if (!err)
		err = attr_set_times(txn, &x->set, &r.inode);
	if (err)
		return err;
	x->ok->cinfo = cinfo_changed(&r.dir);
	x->ok->attrset = x->set.set;
	fh.ino = r.inode.ino;
	fh.generation = r.inode.generation;
	place_enter(c, &fh);
	return 0;
}

/* The target of a symbolic link as sent. */
static nfsstat4 create_take_link(struct create *x, const linktext4 *link)
{
	if (link->linktext4_len == 0 || memchr(link->linktext4_val, 0, link->linktext4_len))
		return NFS4ERR_INVAL;
	if (link->linktext4_len > SYMLINK_MAX_LEN)
		return NFS4ERR_NAMETOOLONG;
	x->how.target = link->linktext4_val;
	x->how.target_len = link->linktext4_len;
	return NFS4_OK;
}

static nfsstat4 create_take_type(struct create *x)
{
	const struct createtype4 *type = &x->args->objtype;

	switch (type->type) {
	case NF4DIR:
		x->type = S_IFDIR;
		return NFS4_OK;
	case NF4FIFO:
		x->type = S_IFIFO;
		return NFS4_OK;
	case NF4SOCK:
		x->type = S_IFSOCK;
		return NFS4_OK;
	case NF4LNK:
		x->type = S_IFLNK;
		return create_take_link(x, &type->createtype4_u.linkdata);
	case NF4BLK:
	case NF4CHR:
		x->type = type->type == NF4BLK ? S_IFBLK : S_IFCHR;
		x->how.rdev_major = type->createtype4_u.devdata.specdata1;
		x->how.rdev_minor = type->createtype4_u.devdata.specdata2;
		return x->op.cred.uid == 0 ? NFS4_OK : NFS4ERR_PERM; /* mknod(2) */
	default:
		return NFS4ERR_BADTYPE; /* regular files are made by OPEN */
	}
}

static nfsstat4 create_take_attrs(struct create *x)
{
	struct compound *c = x->op.c;
	struct inode_time now = inode_time_of(reactor_wall_ns(c->mds->reactor));
	struct bitmap4 allowed = attr_creatable(c);

	wire_bitmap_clear(&allowed, FATTR4_SIZE);
	return attr_decode(c, &x->args->createattrs, &allowed, now, &x->set);
}

/* RFC 8881, 18.4 */
FIBER_FN nfsstat4 op_create(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct create x = { .args = &arg->nfs_argop4_u.opcreate,
			    .ok = &res->nfs_resop4_u.opcreate.CREATE4res_u.resok4 };
	struct txn_options opt = { .name = "create", .log_max = NAME_LOG_SYMLINK + INODE_LOG_PUT };
	nfsstat4 status;

	status = compound_may_change(c, &c->fh);
	if (status)
		return status;
	name_op_init(&x.op, c);
	status = create_take_type(&x);
	if (!status)
		status = compound_check_name(&x.args->objname);
	if (!status)
		status = create_take_attrs(&x);
	if (status)
		return status;
	return name_status(&x.op, compound_run(c, &opt, create_body, &x));
}

struct link {
	struct name_op op;
	const struct LINK4args *args;
	struct LINK4resok *ok;
};

static int link_body(struct txn *txn, void *arg)
{
	struct link *x = arg;
	struct compound *c = x->op.c;
	struct name_at at = name_at_of(&c->fh, &x->args->newname);
	struct name_result r;
	struct inode inode, dir;
	int err;

	err = inode_get_gen(txn, c->saved_fh.ino, c->saved_fh.generation, &inode);
	if (!err && S_ISDIR(inode.mode))
		return name_refuse(&x->op, NFS4ERR_ISDIR);
	if (!err)
		err = name_dir_get(txn, &x->op, &c->fh, &dir);
	if (!err)
		err = name_check_delegs(&x->op, &inode);
	if (!err)
		err = name_link(txn, inode.ino, &at, &r);
	if (!err)
		x->ok->cinfo = cinfo_changed(&r.dir);
	return err;
}

/* Whether both file handles are of one export that may be changed. */
static nfsstat4 check_both(const struct compound *c)
{
	nfsstat4 status;

	status = compound_may_change(c, &c->saved_fh);
	if (!status)
		status = compound_may_change(c, &c->fh);
	if (status)
		return status;
	return c->fh.export == c->saved_fh.export ? NFS4_OK : NFS4ERR_XDEV;
}

/* RFC 8881, 18.9; the saved file handle may be of an orphan, which thereby gets a name again (I8). */
FIBER_FN nfsstat4 op_link(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct link x = { .args = &arg->nfs_argop4_u.oplink, .ok = &res->nfs_resop4_u.oplink.LINK4res_u.resok4 };
	struct txn_options opt = { .name = "link", .log_max = NAME_LOG_LINK };
	nfsstat4 status;

	status = check_both(c);
	if (!status)
		status = compound_check_name(&x.args->newname);
	if (status)
		return status;
	name_op_init(&x.op, c);
	return name_status(&x.op, compound_run(c, &opt, link_body, &x));
}

struct remove {
	struct name_op op;
	const struct REMOVE4args *args;
	struct REMOVE4resok *ok;
};

/* Whether @op's user may take away the entry of @dir that names @inode: RFC 8881 knows no NFS4ERR_PERM here. */
static int name_check_sticky(struct name_op *op, const struct inode *dir, const struct inode *inode)
{
	if (cred_may_delete(&op->cred, dir->mode, dir->uid, inode->uid))
		return 0;
	return name_refuse(op, NFS4ERR_ACCESS);
}

static int remove_body(struct txn *txn, void *arg)
{
	struct remove *x = arg;
	struct compound *c = x->op.c;
	struct name_at at = name_at_of(&c->fh, &x->args->target);
	struct name_result r;
	struct inode dir;
	int err;

	x->op.lost = 0;
	err = name_dir_get(txn, &x->op, &c->fh, &dir);
	if (!err)
		err = name_lookup(txn, &at, &r);
	if (!err)
		err = name_check_sticky(&x->op, &dir, &r.inode);
	if (!err)
		err = name_check_delegs(&x->op, &r.inode);
	if (!err)
		err = name_unlink(txn, &at, &r);
	if (err)
		return err;
	if (r.inode.nlink == 0)
		x->op.lost = r.inode.ino;
	x->ok->cinfo = cinfo_changed(&r.dir);
	return 0;
}

/* After the commit. */
static nfsstat4 name_finish(const struct name_op *op, int err)
{
	if (!err && op->lost)
		reaper_consider(op->c->mds, op->lost);
	return name_status(op, err);
}

/* RFC 8881, 18.25 */
FIBER_FN nfsstat4 op_remove(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct remove x = { .args = &arg->nfs_argop4_u.opremove,
			    .ok = &res->nfs_resop4_u.opremove.REMOVE4res_u.resok4 };
	struct txn_options opt = { .name = "remove", .log_max = NAME_LOG_UNLINK, .frees_space = true };
	nfsstat4 status;

	status = compound_may_change(c, &c->fh);
	if (!status)
		status = compound_check_name(&x.args->target);
	if (status)
		return status;
	name_op_init(&x.op, c);
	return name_finish(&x.op, compound_run(c, &opt, remove_body, &x));
}

struct rename_op {
	struct name_op op;
	const struct RENAME4args *args;
	struct RENAME4resok *ok;
};

/* What moves to another directory gets another "..", so a directory must be writable itself, as on Linux. */
static int rename_check_moved(struct txn *txn, struct rename_op *x, const struct inode *from_dir,
			      const struct inode *to_dir, const struct name_at *from)
{
	struct name_result r;
	int err;

	err = name_lookup(txn, from, &r);
	if (!err)
		err = name_check_sticky(&x->op, from_dir, &r.inode);
	if (!err)
		err = name_check_delegs(&x->op, &r.inode);
	if (err)
		return err;
	if (S_ISDIR(r.inode.mode) && from_dir->ino != to_dir->ino && !place_may(&x->op.cred, &r.inode, CRED_W))
		return name_refuse(&x->op, NFS4ERR_ACCESS);
	return 0;
}

static int rename_check_target(struct txn *txn, struct rename_op *x, const struct inode *to_dir,
			       const struct name_at *to)
{
	struct name_result r;
	int err;

	err = name_lookup(txn, to, &r);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = name_check_sticky(&x->op, to_dir, &r.inode);
	return err ? err : name_check_delegs(&x->op, &r.inode);
}

static int rename_body(struct txn *txn, void *arg)
{
	struct rename_op *x = arg;
	struct compound *c = x->op.c;
	struct name_at from = name_at_of(&c->saved_fh, &x->args->oldname);
	struct name_at to = name_at_of(&c->fh, &x->args->newname);
	struct inode from_dir, to_dir;
	struct name_rename_result r;
	int err;

	x->op.lost = 0;
	err = name_dir_get(txn, &x->op, &c->saved_fh, &from_dir);
	if (!err)
		err = name_dir_get(txn, &x->op, &c->fh, &to_dir);
	if (!err)
		err = rename_check_moved(txn, x, &from_dir, &to_dir, &from);
	if (!err)
		err = rename_check_target(txn, x, &to_dir, &to);
	if (!err)
		err = name_rename(txn, &from, &to, 0, &r);
	if (err)
		return err;
	if (r.has_other && !r.nothing && r.other.nlink == 0)
		x->op.lost = r.other.ino;
	x->ok->source_cinfo = r.nothing ? cinfo_same(&r.from_dir) : cinfo_changed(&r.from_dir);
	x->ok->target_cinfo = r.nothing ? cinfo_same(&r.to_dir) : cinfo_changed(&r.to_dir);
	return 0;
}

/* RFC 8881, 18.26.  What is in the way of each other is told as POSIX does: ISDIR, NOTDIR, NOTEMPTY. */
FIBER_FN nfsstat4 op_rename(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct rename_op x = { .args = &arg->nfs_argop4_u.oprename,
			       .ok = &res->nfs_resop4_u.oprename.RENAME4res_u.resok4 };
	struct txn_options opt = { .name = "rename", .log_max = NAME_LOG_RENAME };
	nfsstat4 status;

	status = check_both(c);
	if (!status)
		status = compound_check_name(&x.args->oldname);
	if (!status)
		status = compound_check_name(&x.args->newname);
	if (status)
		return status;
	name_op_init(&x.op, c);
	return name_finish(&x.op, compound_run(c, &opt, rename_body, &x));
}
