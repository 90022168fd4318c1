/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_ATTR_H
#define LAMINA_MDS_ATTR_H

/*
 * Attributes (RFC 8881, 5; 7862, 12.2; 8276): which there are, and their values from an inode.
 */

#include "extent/inode.h"
#include "mds/compound.h"
#include "proto/wire_attr.h"

/* supported_attrs in this minor version, and suppattr_exclcreat. */
struct bitmap4 attr_supported(const struct compound *c) MUST_CHECK;
struct bitmap4 attr_exclcreat(const struct compound *c) MUST_CHECK;

/*
 * The attributes of @fh in @asked (unknown ones are left out) into *@ret_attrs; strings lie in c->arena.  @inode: of
 * FH_FILE, as read in a transaction; NULL for the pseudo file system.  NFS4ERR_INVAL: an attribute that can only be
 * set is asked for; NFS4ERR_DELAY: no memory.
 */
nfsstat4 attr_get(struct compound *c, const struct fh *fh, const struct inode *inode, const struct bitmap4 *asked,
		  struct wire_attrs *ret_attrs) MUST_CHECK;
/* The same, encoded into memory of c->arena, at most @size bytes: NFS4ERR_TOOSMALL if it doesn't fit. */
nfsstat4 attr_encode(struct compound *c, const struct fh *fh, const struct inode *inode, const struct bitmap4 *asked,
		     uint32_t size, struct fattr4 *ret_fattr) MUST_CHECK;

/* What SETATTR, CREATE or OPEN is to set. */
struct attr_set {
	struct inode_attrs attrs; /* for inode_setattr(); mode without type */
	bool has_mode_umask;
	struct bitmap4 set; /* what the reply names as set */
};
/*
 * Decode and check @fattr against what may be set: NFS4ERR_ATTRNOTSUPP, _INVAL, _BADXDR, _BADOWNER, _FBIG.  Owners
 * are numeric strings (RFC 8881, 5.9), "N" or "N@anything" is refused with BADOWNER if it does not begin with digits
 * only. Times "set to server time" are @now.
 */
nfsstat4 attr_decode(struct compound *c, const struct fattr4 *fattr, const struct bitmap4 *allowed,
		     struct inode_time now, struct attr_set *ret_set) MUST_CHECK;
/*
 * Whether @cred may make these changes to @inode (POSIX chmod, chown, utimes, truncate): NFS4ERR_PERM or _ACCESS.
 * @size_ok: a stateid gives the right to change the size.  Adjusts @set: clears set-user-ID and set-group-ID bits
 * where POSIX demands.
 */
nfsstat4 attr_may_set(const struct cred *cred, const struct inode *inode, struct attr_set *set, bool size_ok)
	MUST_CHECK;

#endif
