/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: every status of nfsstat4 has its name. */

#include "tools/nfs_status.h"

#define STATUSES(X)                                                                                                  \
	X(PERM)                                                                                                      \
	X(NOENT)                                                                                                     \
	X(IO)                                                                                                        \
	X(NXIO)                                                                                                      \
	X(ACCESS)                                                                                                    \
	X(EXIST)                                                                                                     \
	X(XDEV)                                                                                                      \
	X(NOTDIR)                                                                                                    \
	X(ISDIR)                                                                                                     \
	X(INVAL)                                                                                                     \
	X(FBIG)                                                                                                      \
	X(NOSPC)                                                                                                     \
	X(ROFS)                                                                                                      \
	X(MLINK)                                                                                                     \
	X(NAMETOOLONG)                                                                                               \
	X(NOTEMPTY)                                                                                                  \
	X(DQUOT)                                                                                                     \
	X(STALE)                                                                                                     \
	X(BADHANDLE)                                                                                                 \
	X(BAD_COOKIE)                                                                                                \
	X(NOTSUPP)                                                                                                   \
	X(TOOSMALL)                                                                                                  \
	X(SERVERFAULT)                                                                                               \
	X(BADTYPE)                                                                                                   \
	X(DELAY)                                                                                                     \
	X(SAME)                                                                                                      \
	X(DENIED)                                                                                                    \
	X(EXPIRED)                                                                                                   \
	X(LOCKED)                                                                                                    \
	X(GRACE)                                                                                                     \
	X(FHEXPIRED)                                                                                                 \
	X(SHARE_DENIED)                                                                                              \
	X(WRONGSEC)                                                                                                  \
	X(CLID_INUSE)                                                                                                \
	X(RESOURCE)                                                                                                  \
	X(MOVED)                                                                                                     \
	X(NOFILEHANDLE)                                                                                              \
	X(MINOR_VERS_MISMATCH)                                                                                       \
	X(STALE_CLIENTID)                                                                                            \
	X(STALE_STATEID)                                                                                             \
	X(OLD_STATEID)                                                                                               \
	X(BAD_STATEID)                                                                                               \
	X(BAD_SEQID)                                                                                                 \
	X(NOT_SAME)                                                                                                  \
	X(LOCK_RANGE)                                                                                                \
	X(SYMLINK)                                                                                                   \
	X(RESTOREFH)                                                                                                 \
	X(LEASE_MOVED)                                                                                               \
	X(ATTRNOTSUPP)                                                                                               \
	X(NO_GRACE)                                                                                                  \
	X(RECLAIM_BAD)                                                                                               \
	X(RECLAIM_CONFLICT)                                                                                          \
	X(BADXDR)                                                                                                    \
	X(LOCKS_HELD)                                                                                                \
	X(OPENMODE)                                                                                                  \
	X(BADOWNER)                                                                                                  \
	X(BADCHAR)                                                                                                   \
	X(BADNAME)                                                                                                   \
	X(BAD_RANGE)                                                                                                 \
	X(LOCK_NOTSUPP)                                                                                              \
	X(OP_ILLEGAL)                                                                                                \
	X(DEADLOCK)                                                                                                  \
	X(FILE_OPEN)                                                                                                 \
	X(ADMIN_REVOKED)                                                                                             \
	X(CB_PATH_DOWN)                                                                                              \
	X(BADIOMODE)                                                                                                 \
	X(BADLAYOUT)                                                                                                 \
	X(BAD_SESSION_DIGEST)                                                                                        \
	X(BADSESSION)                                                                                                \
	X(BADSLOT)                                                                                                   \
	X(COMPLETE_ALREADY)                                                                                          \
	X(CONN_NOT_BOUND_TO_SESSION)                                                                                 \
	X(DELEG_ALREADY_WANTED)                                                                                      \
	X(BACK_CHAN_BUSY)                                                                                            \
	X(LAYOUTTRYLATER)                                                                                            \
	X(LAYOUTUNAVAILABLE)                                                                                         \
	X(NOMATCHING_LAYOUT)                                                                                         \
	X(RECALLCONFLICT)                                                                                            \
	X(UNKNOWN_LAYOUTTYPE)                                                                                        \
	X(SEQ_MISORDERED)                                                                                            \
	X(SEQUENCE_POS)                                                                                              \
	X(REQ_TOO_BIG)                                                                                               \
	X(REP_TOO_BIG)                                                                                               \
	X(REP_TOO_BIG_TO_CACHE)                                                                                      \
	X(RETRY_UNCACHED_REP)                                                                                        \
	X(UNSAFE_COMPOUND)                                                                                           \
	X(TOO_MANY_OPS)                                                                                              \
	X(OP_NOT_IN_SESSION)                                                                                         \
	X(HASH_ALG_UNSUPP)                                                                                           \
	X(CLIENTID_BUSY)                                                                                             \
	X(PNFS_IO_HOLE)                                                                                              \
	X(SEQ_FALSE_RETRY)                                                                                           \
	X(BAD_HIGH_SLOT)                                                                                             \
	X(DEADSESSION)                                                                                               \
	X(ENCR_ALG_UNSUPP)                                                                                           \
	X(PNFS_NO_LAYOUT)                                                                                            \
	X(NOT_ONLY_OP)                                                                                               \
	X(WRONG_CRED)                                                                                                \
	X(WRONG_TYPE)                                                                                                \
	X(DIRDELEG_UNAVAIL)                                                                                          \
	X(REJECT_DELEG)                                                                                              \
	X(RETURNCONFLICT)                                                                                            \
	X(DELEG_REVOKED)                                                                                             \
	X(PARTNER_NOTSUPP)                                                                                           \
	X(PARTNER_NO_AUTH)                                                                                           \
	X(UNION_NOTSUPP)                                                                                             \
	X(OFFLOAD_DENIED)                                                                                            \
	X(WRONG_LFS)                                                                                                 \
	X(BADLABEL)                                                                                                  \
	X(OFFLOAD_NO_REQS)                                                                                           \
	X(NOXATTR)                                                                                                   \
	X(XATTR2BIG)

const char *nfs_status_name(uint32_t status)
{
	switch (status) {
	case NFS4_OK:
		return "OK";
#define STATUS_NAME(name)                                                                                            \
	case NFS4ERR_##name:                                                                                         \
		return #name;
		STATUSES(STATUS_NAME)
#undef STATUS_NAME
	default:
		return "?";
	}
}
