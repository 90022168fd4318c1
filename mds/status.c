/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From errno to nfsstat4.  Promises: every error has one translation, and one that nobody foresaw is logged.
 */

#include "mds/status.h"

#include "dev/log.h"

static const struct {
	int err;
	nfsstat4 status;
} translations[] = {
	{ EPERM, NFS4ERR_PERM },
	{ ENOENT, NFS4ERR_NOENT },
	{ EIO, NFS4ERR_IO },
	{ EACCES, NFS4ERR_ACCESS },
	{ EEXIST, NFS4ERR_EXIST },
	{ EXDEV, NFS4ERR_XDEV },
	{ ENOTDIR, NFS4ERR_NOTDIR },
	{ EISDIR, NFS4ERR_ISDIR },
	{ EINVAL, NFS4ERR_INVAL },
	{ EFBIG, NFS4ERR_FBIG },
	{ ENOSPC, NFS4ERR_NOSPC },
	{ EROFS, NFS4ERR_ROFS },
	{ EMLINK, NFS4ERR_MLINK },
	{ ENAMETOOLONG, NFS4ERR_NAMETOOLONG },
	{ ENOTEMPTY, NFS4ERR_NOTEMPTY },
	{ EDQUOT, NFS4ERR_DQUOT },
	{ ESTALE, NFS4ERR_STALE },
	{ EOPNOTSUPP, NFS4ERR_NOTSUPP },
	{ ENXIO, NFS4ERR_NXIO },
	{ ENODATA, NFS4ERR_NOXATTR },
	{ E2BIG, NFS4ERR_XATTR2BIG },
	{ ELOOP, NFS4ERR_INVAL },
	{ EBADMSG, NFS4ERR_BADXDR },
	{ EMSGSIZE, NFS4ERR_REP_TOO_BIG },
	/* Try later: for want of memory or of room in a table, or because something is under way. */
	{ EAGAIN, NFS4ERR_DELAY },
	{ EBUSY, NFS4ERR_DELAY },
	{ ENOBUFS, NFS4ERR_DELAY },
	{ ENOMEM, NFS4ERR_DELAY },
	/* Damage, or a device that went away: the volume is read-only by now and has said why. */
	{ EUCLEAN, NFS4ERR_IO },
	{ ENODEV, NFS4ERR_IO },
};

nfsstat4 nfs_status(int err)
{
	if (!err)
		return NFS4_OK;
	for (size_t i = 0; i < ARRAY_SIZE(translations); i++) {
		if (translations[i].err == -err)
			return translations[i].status;
	}
	log_err("error %d has no meaning in NFS; the client is told SERVERFAULT: please report this", -err);
	return NFS4ERR_SERVERFAULT;
}
