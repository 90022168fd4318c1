/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_PLACE_H
#define LAMINA_MDS_PLACE_H

/*
 * Where things are for a client: the pseudo file system, the exports that its junctions lead to, and the directories
 * in them, as one tree (RFC 8881, 7).  Who goes from one to another goes through here.
 */

#include "mds/attr.h"

struct export_node;

const struct sockaddr_storage *place_peer(const struct compound *c) MUST_CHECK;
/* Whether @cred has all of @want (CRED_...) on @inode. */
bool place_may(const struct cred *cred, const struct inode *inode, uint32_t want) MUST_CHECK;
/* NFS4_OK for a directory, else what operations in directories answer: NFS4ERR_NOTDIR. */
nfsstat4 place_is_dir(const struct inode *inode) MUST_CHECK;

/* In a body: what @fh names.  -ESTALE: nothing any more. */
int place_get(struct txn *txn, const struct compound *c, const struct fh *fh, struct attr_of *ret_of) MUST_CHECK;
/* The same in a transaction of its own; the reply waits for what was seen.  Of the pseudo file system only fh is set.
 */
FIBER_FN nfsstat4 place_read(struct compound *c, const struct fh *fh, struct attr_of *ret_of) MUST_CHECK;

/*
 * What the peer finds at @node, which it sees: the node, or the root of the export that lies there.  NFS4ERR_NOENT:
 * its directory is not there (or is none), which is logged.
 */
FIBER_FN nfsstat4 place_of_node(struct compound *c, const struct export_node *node, struct attr_of *ret_of)
	MUST_CHECK;

/*
 * In a body: @of, the directory found as @name in @dir, is the root of an export that is nested in @dir's and lets
 * the peer in: then *@of becomes that.
 */
int place_cross(struct txn *txn, const struct compound *c, const struct fh *dir, const void *name, size_t len,
		struct attr_of *of) MUST_CHECK;

/*
 * @name in the directory c->fh, for who asks: NFS4ERR_NOTDIR, _SYMLINK (c->fh is one), _ACCESS (no right to search),
 * _NOENT, or as compound_check_name().
 */
FIBER_FN nfsstat4 place_lookup(struct compound *c, const component4 *name, struct attr_of *ret_of) MUST_CHECK;
/* The directory that the directory c->fh is in.  NFS4ERR_NOENT: it is the root, or removed; others as above. */
FIBER_FN nfsstat4 place_lookup_parent(struct compound *c, struct attr_of *ret_of) MUST_CHECK;

/* Make @fh the current file handle; there is no current stateid then (RFC 8881, 16.2.3.1.2). */
void place_enter(struct compound *c, const struct fh *fh);

#endif
