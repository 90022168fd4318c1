/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_ATTR_H
#define LAMINA_MDS_ATTR_H

/*
 * Attributes (RFC 8881, 5; 7862, 12.2; 8275; 8276): which there are, their values from an inode, and what a client
 * may set.
 */

#include "extent/inode.h"
#include "mds/compound.h"
#include "proto/wire_attr.h"

struct name_create;

/* supported_attrs in this minor version; what SETATTR, and CREATE and OPEN, can set; suppattr_exclcreat. */
struct bitmap4 attr_supported(const struct compound *c) MUST_CHECK;
struct bitmap4 attr_settable(const struct compound *c) MUST_CHECK;
struct bitmap4 attr_creatable(const struct compound *c) MUST_CHECK;
struct bitmap4 attr_exclcreat(const struct compound *c) MUST_CHECK;

/* Whose attributes. */
struct attr_of {
	struct fh fh;
	struct inode inode;  /* FH_FILE: as read in a transaction */
	uint64_t mounted_on; /* mounted_on_fileid of an export's root, or 0: the same as fileid */
};

/*
 * The attributes of @of in @asked (unknown ones are left out) into *@ret_attrs; strings lie in @mem.
 * NFS4ERR_INVAL: an attribute that can only be set is asked for; NFS4ERR_STALE: a node of the pseudo file system that
 * is no more.  After an error *@ret_attrs, which is large, holds anything.
 */
struct attr_mem {
	char owner[12], group[12];
	uint8_t fh[FH_SIZE];
	layouttype4 layout_types[2];
};
nfsstat4 attr_get(const struct compound *c, const struct attr_of *of, const struct bitmap4 *asked,
		  struct attr_mem *mem, struct wire_attrs *ret_attrs) MUST_CHECK;
/* The same, encoded into the @size bytes at @buf: NFS4ERR_TOOSMALL if it doesn't fit.  ATTR_BYTES_MAX always do. */
#define ATTR_BYTES_MAX 1024
nfsstat4 attr_encode(const struct compound *c, const struct attr_of *of, const struct bitmap4 *asked, void *buf,
		     uint32_t size, struct fattr4 *ret_fattr) MUST_CHECK;
/* In READDIR, for an entry whose attributes cannot be had (RFC 8881, 5.8.1.12): rdattr_error alone. */
nfsstat4 attr_encode_error(nfsstat4 error, void *buf, uint32_t size, struct fattr4 *ret_fattr) MUST_CHECK;

/* What SETATTR, CREATE or OPEN is to set. */
struct attr_set {
	struct inode_attrs attrs;  /* for inode_setattr(); mode without type */
	bool has_mode_umask;	   /* mode came with a umask, which is applied already: there are no default ACLs */
	bool atime_now, mtime_now; /* to the server's time, which @attrs has too */
	struct bitmap4 set;	   /* what the reply names as set */
};
/*
 * Decode and check @fattr against what may be set: NFS4ERR_ATTRNOTSUPP; _INVAL (not in @allowed, or no such value),
 * _BADXDR, _BADOWNER, _FBIG.  Owners are numbers as strings (RFC 8881, 5.9), alone or before "@..."; others get
 * BADOWNER.  Times "set to server time" are @now.
 */
nfsstat4 attr_decode(struct compound *c, const struct fattr4 *fattr, const struct bitmap4 *allowed,
		     struct inode_time now, struct attr_set *ret_set) MUST_CHECK;
/*
 * Whether @cred may make these changes to @inode (POSIX chmod, chown, utimes, truncate): NFS4ERR_PERM or _ACCESS; a
 * size for what is no file: NFS4ERR_ISDIR or _INVAL.  @size_ok: a stateid gives the right to change the size.
 * Adjusts @set: clears set-user-ID and set-group-ID bits where POSIX, or Linux, does.
 */
nfsstat4 attr_may_set(const struct cred *cred, const struct inode *inode, struct attr_set *set, bool size_ok)
	MUST_CHECK;
/*
 * Owner, group and mode of what @cred makes in @dir; @type is of S_IFMT, @mode what it gets if @set doesn't say.  A
 * set-group-ID directory gives its group, and the bit to directories.  NFS4ERR_PERM: @set names an owner or group
 * that
 * @cred may not give away to.  Times in @set are not looked at: attr_set_times().
 */
nfsstat4 attr_create_as(const struct cred *cred, const struct inode *dir, uint32_t type, uint32_t mode,
			const struct attr_set *set, struct name_create *how) MUST_CHECK;
/* Give a new inode the times in @set, and put it if there are any (INODE_LOG_PUT). */
int attr_set_times(struct txn *txn, const struct attr_set *set, struct inode *inode) MUST_CHECK;

#endif
