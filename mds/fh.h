/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_FH_H
#define LAMINA_MDS_FH_H

/*
 * File handles (RFC 8881, 4; I7).  A handle names volume, export, inode and generation, or a node of the pseudo file
 * system, and holds nothing else: it can always be made from these and stays good across rename, unlink while open,
 * and restart.  The export is in it because one volume may be exported in parts, with other rights, and a file does
 * not know in which part it lies.
 */

#include "mds/export.h"
#include "proto/nfs4.h"

struct mds;

#define FH_SIZE 32 /* bytes of every handle */

enum fh_kind {
	FH_NONE = 0, /* there is no current (or saved) file handle */
	FH_FILE = 1,
	FH_PSEUDO = 2, /* directory of the pseudo file system: ino is the node's id */
};

/* A handle that was looked at: with export and rule, and so with the rights of who asks. */
struct fh {
	enum fh_kind kind;
	uint64_t ino;
	uint64_t generation;
	const struct export *export;	/* FH_FILE */
	const struct export_rule *rule; /* FH_FILE: what holds for this peer */
};

void fh_encode(const struct mds *mds, const struct fh *fh, uint8_t ret_bytes[FH_SIZE]);
/*
 * NFS4ERR_BADHANDLE: not a handle of ours; NFS4ERR_STALE: of another volume, or of an export or node that is no more;
 * NFS4ERR_ACCESS: of an export that @peer must not see.  Whether the inode still is there is not looked at.
 */
nfsstat4 fh_decode(const struct mds *mds, const nfs_fh4 *bytes, const struct sockaddr_storage *peer,
		   struct fh *ret_fh) MUST_CHECK;
bool fh_equal(const struct fh *a, const struct fh *b) MUST_CHECK;

#endif
