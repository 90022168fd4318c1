/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: attributes from clients are checked whole before anything is set, and who may set them follows POSIX;
 * where that leaves a choice, Linux on a local file system.
 */

#include <string.h>
#include <sys/stat.h>

#include "extent/name.h"
#include "mds/attr.h"

#define SET_IDS ((uint32_t)(S_ISUID | S_ISGID))

/* "N" or "N@anything". */
static nfsstat4 owner_decode(const utf8string *s, uint32_t *ret_id)
{
	uint64_t id = 0;
	uint32_t i;

	if (s->utf8string_len == 0)
		return NFS4ERR_INVAL;
	for (i = 0; i < s->utf8string_len && s->utf8string_val[i] != '@'; i++) {
		if (s->utf8string_val[i] < '0' || s->utf8string_val[i] > '9')
			return NFS4ERR_BADOWNER;
		id = id * 10 + (uint64_t)(s->utf8string_val[i] - '0');
		if (id >= UINT32_MAX) /* that one means "no change" to chown(2) */
			return NFS4ERR_BADOWNER;
	}
	if (i == 0)
		return NFS4ERR_BADOWNER;
	*ret_id = (uint32_t)id;
	return NFS4_OK;
}

static nfsstat4 time_decode(const struct nfstime4 *t, struct inode_time *ret_time)
{
	if (t->nseconds >= NSEC_PER_SEC)
		return NFS4ERR_INVAL;
	*ret_time = (struct inode_time){ .sec = t->seconds, .nsec = t->nseconds };
	return NFS4_OK;
}

static nfsstat4 settime_decode(const struct settime4 *t, struct inode_time now, bool *ret_now,
			       struct inode_time *ret_time)
{
	if (t->set_it == SET_TO_CLIENT_TIME4)
		return time_decode(&t->settime4_u.time, ret_time);
	*ret_now = true;
	*ret_time = now;
	return NFS4_OK;
}

/* Mode with a umask (RFC 8275): without default ACLs the umask simply counts. */
static nfsstat4 mode_decode(const struct wire_attrs *a, struct attr_set *set)
{
	bool plain = wire_bitmap_test(&a->mask, FATTR4_MODE);
	const struct mode_umask4 *mu = &a->mode_umask;

	set->has_mode_umask = wire_bitmap_test(&a->mask, FATTR4_MODE_UMASK);
	if (!plain && !set->has_mode_umask)
		return NFS4_OK;
	if (plain && set->has_mode_umask)
		return NFS4ERR_INVAL;
	if (plain ? (a->mode & ~07777u) != 0 : (mu->mu_mode & ~07777u) != 0 || (mu->mu_umask & ~0777u) != 0)
		return NFS4ERR_INVAL;
	set->attrs.mode = plain ? a->mode : mu->mu_mode & ~mu->mu_umask;
	set->attrs.mask |= INODE_SET_MODE;
	return NFS4_OK;
}

static nfsstat4 owners_decode(const struct wire_attrs *a, struct attr_set *set)
{
	nfsstat4 status = NFS4_OK;

	if (wire_bitmap_test(&a->mask, FATTR4_OWNER)) {
		status = owner_decode(&a->owner, &set->attrs.uid);
		set->attrs.mask |= INODE_SET_UID;
	}
	if (!status && wire_bitmap_test(&a->mask, FATTR4_OWNER_GROUP)) {
		status = owner_decode(&a->owner_group, &set->attrs.gid);
		set->attrs.mask |= INODE_SET_GID;
	}
	return status;
}

static nfsstat4 times_decode(const struct wire_attrs *a, struct inode_time now, struct attr_set *set)
{
	nfsstat4 status = NFS4_OK;

	if (wire_bitmap_test(&a->mask, FATTR4_TIME_ACCESS_SET)) {
		status = settime_decode(&a->time_access_set, now, &set->atime_now, &set->attrs.atime);
		set->attrs.mask |= INODE_SET_ATIME;
	}
	if (!status && wire_bitmap_test(&a->mask, FATTR4_TIME_MODIFY_SET)) {
		status = settime_decode(&a->time_modify_set, now, &set->mtime_now, &set->attrs.mtime);
		set->attrs.mask |= INODE_SET_MTIME;
	}
	if (!status && wire_bitmap_test(&a->mask, FATTR4_TIME_CREATE)) {
		status = time_decode(&a->time_create, &set->attrs.btime);
		set->attrs.mask |= INODE_SET_BTIME;
	}
	return status;
}

nfsstat4 attr_decode(struct compound *c, const struct fattr4 *fattr, const struct bitmap4 *allowed,
		     struct inode_time now, struct attr_set *ret_set)
{
	struct bitmap4 supported = attr_supported(c);
	struct attr_set set = { .set = fattr->attrmask };
	struct wire_attrs a = { .size = 0 };
	nfsstat4 status;
	int err;

	if (!wire_bitmap_is_subset(&fattr->attrmask, &supported))
		return NFS4ERR_ATTRNOTSUPP;
	if (!wire_bitmap_is_subset(&fattr->attrmask, allowed))
		return NFS4ERR_INVAL;
	err = wire_attrs_decode(fattr, allowed, &c->arena, &a);
	if (err)
		return err == -EBADMSG ? NFS4ERR_BADXDR : NFS4ERR_DELAY;
	if (wire_bitmap_test(&a.mask, FATTR4_SIZE)) {
		if (a.size > INODE_SIZE_MAX)
			return NFS4ERR_FBIG;
		set.attrs.size = a.size;
		set.attrs.mask |= INODE_SET_SIZE;
	}
	status = mode_decode(&a, &set);
	if (!status)
		status = owners_decode(&a, &set);
	if (!status)
		status = times_decode(&a, now, &set);
	if (!status)
		*ret_set = set;
	return status;
}

static bool has_access(const struct cred *cred, const struct inode *inode, uint32_t want)
{
	return (cred_access(cred, inode->mode, inode->uid, inode->gid) & want) == want;
}

/* chown: only root gives away; an owner may change to a group of his. */
static nfsstat4 may_chown(const struct cred *cred, const struct inode *inode, const struct inode_attrs *a)
{
	if (cred->uid == 0 || !(a->mask & (INODE_SET_UID | INODE_SET_GID)))
		return NFS4_OK;
	if (cred->uid != inode->uid)
		return NFS4ERR_PERM;
	if ((a->mask & INODE_SET_UID) && a->uid != inode->uid)
		return NFS4ERR_PERM;
	if ((a->mask & INODE_SET_GID) && a->gid != inode->gid && !cred_in_group(cred, a->gid))
		return NFS4ERR_PERM;
	return NFS4_OK;
}

/* chmod and times: the owner; times "now" also who may write. */
static nfsstat4 may_change_as_owner(const struct cred *cred, const struct inode *inode, const struct attr_set *set)
{
	unsigned int owners = set->attrs.mask & (INODE_SET_MODE | INODE_SET_BTIME);
	bool now = false;

	if (cred->uid == 0 || cred->uid == inode->uid)
		return NFS4_OK;
	if (set->attrs.mask & INODE_SET_ATIME) {
		now |= set->atime_now;
		owners |= !set->atime_now;
	}
	if (set->attrs.mask & INODE_SET_MTIME) {
		now |= set->mtime_now;
		owners |= !set->mtime_now;
	}
	if (owners)
		return NFS4ERR_PERM;
	return now && !has_access(cred, inode, CRED_W) ? NFS4ERR_ACCESS : NFS4_OK;
}

static nfsstat4 may_resize(const struct cred *cred, const struct inode *inode, const struct inode_attrs *a,
			   bool size_ok)
{
	if (!(a->mask & INODE_SET_SIZE))
		return NFS4_OK;
	if (S_ISDIR(inode->mode))
		return NFS4ERR_ISDIR;
	if (!S_ISREG(inode->mode))
		return NFS4ERR_INVAL;
	return size_ok || has_access(cred, inode, CRED_W) ? NFS4_OK : NFS4ERR_ACCESS;
}

/*
 * A program that changes hands, or whose content somebody changes, no longer runs with its owner's rights. Set-group-
 * ID without execution by the group is no such right; directories mean something else by these bits.
 */
static void drop_set_ids(const struct cred *cred, const struct inode *inode, struct inode_attrs *a)
{
	bool chown = a->mask & (INODE_SET_UID | INODE_SET_GID);
	bool resize = (a->mask & INODE_SET_SIZE) && cred->uid != 0;
	uint32_t mode = a->mask & INODE_SET_MODE ? a->mode : inode->mode & 07777;
	uint32_t gid = a->mask & INODE_SET_GID ? a->gid : inode->gid;
	uint32_t drop = 0;

	if (!S_ISDIR(inode->mode) && (chown || resize))
		drop = mode & S_IXGRP ? SET_IDS : S_ISUID;
	/* chmod: who is not in the group does not get programs to run with its rights. */
	if ((a->mask & INODE_SET_MODE) && cred->uid != 0 && !cred_in_group(cred, gid))
		drop |= S_ISGID;
	if (mode & drop) {
		a->mode = mode & ~drop;
		a->mask |= INODE_SET_MODE;
	}
}

nfsstat4 attr_may_set(const struct cred *cred, const struct inode *inode, struct attr_set *set, bool size_ok)
{
	nfsstat4 status;

	status = may_resize(cred, inode, &set->attrs, size_ok);
	if (!status)
		status = may_chown(cred, inode, &set->attrs);
	if (!status)
		status = may_change_as_owner(cred, inode, set);
	if (!status)
		drop_set_ids(cred, inode, &set->attrs);
	return status;
}

nfsstat4 attr_create_as(const struct cred *cred, const struct inode *dir, uint32_t type, uint32_t mode,
			const struct attr_set *set, struct name_create *how)
{
	const struct inode_attrs *a = &set->attrs;
	bool inherit = dir->mode & S_ISGID;
	struct inode born = { .mode = type, .uid = cred->uid, .gid = inherit ? dir->gid : cred->gid };

	if (a->mask & INODE_SET_MODE)
		mode = a->mode;
	if (may_chown(cred, &born, a) != NFS4_OK)
		return NFS4ERR_PERM;
	if (a->mask & INODE_SET_UID)
		born.uid = a->uid;
	if (a->mask & INODE_SET_GID)
		born.gid = a->gid;
	if (S_ISLNK(type))
		mode = 0777;
	if (S_ISDIR(type) && inherit)
		mode |= S_ISGID;
	else if (!S_ISDIR(type) && (mode & S_IXGRP) && cred->uid != 0 && !cred_in_group(cred, born.gid))
		mode &= ~(uint32_t)S_ISGID;
	how->mode = type | mode;
	how->uid = born.uid;
	how->gid = born.gid;
	return NFS4_OK;
}

int attr_set_times(struct txn *txn, const struct attr_set *set, struct inode *inode)
{
	const struct inode_attrs *a = &set->attrs;

	if (!(a->mask & (INODE_SET_ATIME | INODE_SET_MTIME | INODE_SET_BTIME)))
		return 0;
	if (a->mask & INODE_SET_ATIME)
		inode->atime = a->atime;
	if (a->mask & INODE_SET_MTIME)
		inode->mtime = a->mtime;
	if (a->mask & INODE_SET_BTIME)
		inode->btime = a->btime;
	return inode_put(txn, inode);
}
