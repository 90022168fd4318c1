/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_IO_CHECK_H
#define LAMINA_MDS_IO_CHECK_H

/* What READ, WRITE and all that are alike ask before they touch a file's contents. */

#include "extent/inode.h"
#include "mds/compound.h"
#include "mds/state.h"

/* c->fh is a regular file: else NFS4ERR_ISDIR, _SYMLINK, _WRONG_TYPE (RFC 8881, 18.22.3), or _STALE. */
FIBER_FN nfsstat4 io_check_object(struct compound *c, struct inode *ret_inode) MUST_CHECK;
/*
 * c->fh is a regular file that may be read or changed: by its export, by @stateid, and by its mode unless an open
 * lets it pass.  NFS4ERR_ROFS, _ACCESS, and what io_check_object(), compound_stateid() and
 * state_check_io() say.
 */
FIBER_FN nfsstat4 io_check(struct compound *c, const struct stateid4 *stateid, enum state_access access,
			   struct inode *ret_inode) MUST_CHECK;
/* The same of the saved file handle, to be read; the stateid "current" means the saved one there. */
FIBER_FN nfsstat4 io_check_saved(struct compound *c, const struct stateid4 *stateid, struct inode *ret_inode)
	MUST_CHECK;
/*
 * c->fh's contents are about to change: whoever is not user 0 takes the bits set-user-ID and set-group-ID (with the
 * right to execute) away from @inode.  Durable when it returns, so that no crash leaves them on what he wrote.
 */
FIBER_FN nfsstat4 io_check_suid(struct compound *c, const struct inode *inode) MUST_CHECK;
/*
 * NFS4ERR_INVAL: [@off, @off + @len) ends behind 2^64 - 1; NFS4ERR_FBIG: or behind what a file can hold (RFC 7862,
 * 15.1).
 */
nfsstat4 io_check_range(uint64_t off, uint64_t len) MUST_CHECK;

#endif
