/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GETATTR, SETATTR, VERIFY, NVERIFY and ACCESS.
 *
 * Promise: SETATTR sets all it is asked for or nothing, in one transaction, and its right to do so is that of the
 * moment in which it does.
 */

#include <string.h>
#include <sys/stat.h>

#include "dev/reactor.h"
#include "mds/deleg.h"
#include "mds/mds.h"
#include "mds/ops.h"
#include "mds/place.h"
#include "mds/state.h"
#include "mds/status.h"

/* RFC 8881, 18.7 */
FIBER_FN nfsstat4 op_getattr(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct GETATTR4args *args = &arg->nfs_argop4_u.opgetattr;
	struct fattr4 *fattr = &res->nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes;
	uint8_t buf[ATTR_BYTES_MAX];
	struct fattr4 encoded;
	struct attr_of of;
	nfsstat4 status;
	char *copy;

	status = place_read(c, &c->fh, &of);
	if (!status)
		status = deleg_getattr(c, &args->attr_request, &of);
	if (!status)
		status = attr_encode(c, &of, &args->attr_request, buf, sizeof(buf), &encoded);
	if (status)
		return status;
	copy = wire_arena_alloc(&c->arena, encoded.attr_vals.attrlist4_len + 1);
	if (!copy)
		return NFS4ERR_DELAY;
	memcpy(copy, buf, encoded.attr_vals.attrlist4_len);
	*fattr = encoded;
	fattr->attr_vals.attrlist4_val = copy;
	return NFS4_OK;
}

/* Whether the object has the attributes in @given, byte by byte: the encoding is canonical. */
static FIBER_FN nfsstat4 attrs_compare(struct compound *c, const struct fattr4 *given, bool *ret_same)
{
	struct bitmap4 supported = attr_supported(c);
	struct wire_attrs decoded;
	uint8_t buf[ATTR_BYTES_MAX];
	struct fattr4 ours;
	struct attr_of of;
	nfsstat4 status;
	int err;

	if (!wire_bitmap_is_subset(&given->attrmask, &supported))
		return NFS4ERR_ATTRNOTSUPP;
	if (wire_bitmap_test(&given->attrmask, FATTR4_RDATTR_ERROR))
		return NFS4ERR_INVAL;
	err = wire_attrs_decode(given, &supported, &c->arena, &decoded);
	if (err)
		return err == -EBADMSG ? NFS4ERR_BADXDR : NFS4ERR_DELAY;
	status = place_read(c, &c->fh, &of);
	if (!status)
		status = attr_encode(c, &of, &given->attrmask, buf, sizeof(buf), &ours);
	if (status)
		return status;
	*ret_same = ours.attr_vals.attrlist4_len == given->attr_vals.attrlist4_len &&
		    memcmp(buf, given->attr_vals.attrlist4_val, ours.attr_vals.attrlist4_len) == 0;
	return NFS4_OK;
}

/* RFC 8881, 18.31 */
FIBER_FN nfsstat4 op_verify(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	nfsstat4 status;
	bool same;

	status = attrs_compare(c, &arg->nfs_argop4_u.opverify.obj_attributes, &same);
	if (status)
		return status;
	return same ? NFS4_OK : NFS4ERR_NOT_SAME;
}

/* RFC 8881, 18.15 */
FIBER_FN nfsstat4 op_nverify(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	nfsstat4 status;
	bool same;

	status = attrs_compare(c, &arg->nfs_argop4_u.opnverify.obj_attributes, &same);
	if (status)
		return status;
	return same ? NFS4ERR_SAME : NFS4_OK;
}

#define ACCESS_CHANGES (ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE | ACCESS4_XAWRITE)
#define ACCESS_XATTRS  (ACCESS4_XAREAD | ACCESS4_XAWRITE | ACCESS4_XALIST) /* RFC 8276, 8.5 */
#define ACCESS_ALL                                                                                                   \
	(ACCESS4_READ | ACCESS4_LOOKUP | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE | ACCESS4_EXECUTE |        \
	 ACCESS_XATTRS)

/* The bits that mean something for this type. */
static uint32_t access_meant(uint32_t mode)
{
	if (S_ISDIR(mode))
		return ACCESS4_READ | ACCESS4_LOOKUP | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE |
		       ACCESS_XATTRS;
	if (S_ISREG(mode))
		return ACCESS4_READ | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_EXECUTE | ACCESS_XATTRS;
	return ACCESS4_READ | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_EXECUTE;
}

/* What the mode allows, whatever was asked. */
static uint32_t access_granted(const struct cred *cred, const struct inode *inode)
{
	uint32_t have = cred_access(cred, inode->mode, inode->uid, inode->gid);
	bool is_dir = S_ISDIR(inode->mode);
	uint32_t bits = 0;

	if (have & CRED_R)
		bits |= ACCESS4_READ | ACCESS4_XAREAD | ACCESS4_XALIST;
	if (have & CRED_W)
		bits |= ACCESS4_XAWRITE;
	if ((have & CRED_W) && (!is_dir || (have & CRED_X)))
		bits |= ACCESS4_MODIFY | ACCESS4_EXTEND | (is_dir ? ACCESS4_DELETE : 0);
	if (have & CRED_X)
		bits |= is_dir ? ACCESS4_LOOKUP : ACCESS4_EXECUTE;
	return bits;
}

/* RFC 8881, 18.1 */
FIBER_FN nfsstat4 op_access(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	uint32_t asked = arg->nfs_argop4_u.opaccess.access;
	struct ACCESS4resok *ok = &res->nfs_resop4_u.opaccess.ACCESS4res_u.resok4;
	struct attr_of of;
	struct cred cred;
	nfsstat4 status;

	if (asked & ~(uint32_t)(c->minor >= 2 ? ACCESS_ALL : ACCESS_ALL & ~ACCESS_XATTRS))
		return NFS4ERR_INVAL;
	status = place_read(c, &c->fh, &of);
	if (status)
		return status;
	if (c->fh.kind == FH_PSEUDO) {
		ok->supported = asked & access_meant(S_IFDIR) & ~ACCESS_XATTRS;
		ok->access = asked & (ACCESS4_READ | ACCESS4_LOOKUP);
		return NFS4_OK;
	}
	cred = compound_cred(c, &c->fh);
	ok->supported = asked & access_meant(of.inode.mode);
	ok->access = ok->supported & access_granted(&cred, &of.inode);
	if (compound_may_change(c, &c->fh) != NFS4_OK)
		ok->access &= ~(uint32_t)ACCESS_CHANGES;
	return NFS4_OK;
}

struct setattr {
	struct compound *c;
	struct SETATTR4res *res;
	struct cred cred;
	struct attr_set asked;
	bool size_ok;
	nfsstat4 status;
	/* with a size */
	struct attr_set set;
	struct inode before;
};

static int setattr_body(struct txn *txn, void *arg)
{
	struct setattr *s = arg;
	struct attr_set set = s->asked;
	struct inode inode;
	int err;

	err = inode_get_gen(txn, s->c->fh.ino, s->c->fh.generation, &inode);
	if (err)
		return err;
	s->status = attr_may_set(&s->cred, &inode, &set, false);
	if (!s->status)
		s->status = deleg_check(s->c, inode.ino, true);
	if (s->status)
		return -ECANCELED;
	err = inode_setattr(txn, inode.ino, &set.attrs, &inode);
	if (err)
		return err;
	s->res->attrsset = s->asked.set;
	return 0;
}

static FIBER_FN nfsstat4 setattr_plain(struct setattr *s)
{
	struct txn_options opt = { .name = "setattr", .log_max = INODE_LOG_SETATTR, .frees_space = true };
	int err;

	err = compound_run(s->c, &opt, setattr_body, s);
	return err == -ECANCELED ? s->status : nfs_status(err);
}

/*
 * data_setattr() sets what it was given, so the right to do it was found before.  Here is seen whether it still is
 * so: only owner and mode count, and a change of these raises the change attribute.
 */
static int setattr_fill(struct txn *txn, const struct inode *after, void *arg)
{
	struct setattr *s = arg;
	const struct inode *before = &s->before;
	bool same;

	if (s->set.attrs.mask & (INODE_SET_MODE | INODE_SET_UID | INODE_SET_GID))
		same = after->change == before->change + 1;
	else
		same = after->mode == before->mode && after->uid == before->uid && after->gid == before->gid;
	if (!same)
		return -ECANCELED;
	if (deleg_check(s->c, after->ino, true))
		return -EBUSY;
	s->res->attrsset = s->asked.set;
	return 0;
}

#define SETATTR_TRIES 16 /* while others change the file's owner or mode */

static FIBER_FN nfsstat4 setattr_sized(struct setattr *s)
{
	struct compound *c = s->c;
	struct compound_also also;
	struct inode after;
	struct attr_of of;
	nfsstat4 status;
	uint64_t seq;
	int err;

	for (unsigned int i = 0; i < SETATTR_TRIES; i++) {
		status = place_read(c, &c->fh, &of);
		if (status)
			return status;
		s->before = of.inode;
		s->set = s->asked;
		status = attr_may_set(&s->cred, &of.inode, &s->set, s->size_ok);
		if (status)
			return status;
		compound_also_init(&also, c, setattr_fill, s);
		layout_guard_frees(&also.guard, c->fh.ino, s->set.attrs.size, UINT64_MAX);
		err = data_setattr(c->mds->fs, c->fh.ino, c->fh.generation, &s->set.attrs, &also.also, &after, &seq);
		if (!err)
			compound_did(c, seq);
		if (err != -ECANCELED)
			return nfs_status(err);
	}
	return NFS4ERR_DELAY;
}

/* The stateid counts only where the size is set.  Types are looked at first: stateids are of files. */
static FIBER_FN nfsstat4 setattr_check_size(struct setattr *s, const struct stateid4 *arg)
{
	struct stateid4 stateid;
	struct attr_of of;
	nfsstat4 status;

	status = place_read(s->c, &s->c->fh, &of);
	if (status)
		return status;
	if (!S_ISREG(of.inode.mode))
		return S_ISDIR(of.inode.mode) ? NFS4ERR_ISDIR : NFS4ERR_INVAL;
	status = compound_stateid(s->c, arg, &stateid);
	if (status)
		return status;
	return state_check_io(s->c, &stateid, STATE_WRITE, &s->size_ok);
}

/* RFC 8881, 18.30 */
FIBER_FN nfsstat4 op_setattr(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct SETATTR4args *args = &arg->nfs_argop4_u.opsetattr;
	struct setattr s = { .c = c, .res = &res->nfs_resop4_u.opsetattr };
	struct inode_time now = inode_time_of(reactor_wall_ns(c->mds->reactor));
	struct bitmap4 settable = attr_settable(c);
	nfsstat4 status;

	status = compound_may_change(c, &c->fh);
	if (!status)
		status = attr_decode(c, &args->obj_attributes, &settable, now, &s.asked);
	if (status)
		return status;
	s.cred = compound_cred(c, &c->fh);
	if (!(s.asked.attrs.mask & INODE_SET_SIZE))
		return setattr_plain(&s);
	status = setattr_check_size(&s, &args->stateid);
	return status ? status : setattr_sized(&s);
}
