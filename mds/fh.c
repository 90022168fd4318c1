/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File handles.  Promises: the same thing always gives the same bytes; bytes that we did not make, or that mean
 * nothing any more, give an error and nothing else.
 *
 *	0	version 1
 *	1	kind: 1 file, 2 node of the pseudo file system
 *	2	export's id, 16 bits; 0 of a node
 *	4	zeros
 *	8	the volume's tag
 *	16	inode number, or node id
 *	24	generation; 0 of a node
 */

#include "mds/fh.h"

#include <string.h>

#include "dev/le.h"
#include "mds/mds.h"

#define FH_VERSION 1

struct fh_bytes {
	uint8_t version;
	uint8_t kind;
	struct le16 export_id;
	struct le32 zeros;
	uint8_t tag[8];
	struct le64 ino;
	struct le64 generation;
};
static_assert(sizeof(struct fh_bytes) == FH_SIZE, "handle");

void fh_encode(const struct mds *mds, const struct fh *fh, uint8_t ret_bytes[FH_SIZE])
{
	struct fh_bytes b = { .version = FH_VERSION, .kind = (uint8_t)fh->kind };

	assert(fh->kind == FH_FILE || fh->kind == FH_PSEUDO);
	memcpy(b.tag, mds->volume_tag, sizeof(b.tag));
	b.ino = le64_make(fh->ino);
	if (fh->kind == FH_FILE) {
		b.export_id = le16_make((uint16_t)fh->export->id);
		b.generation = le64_make(fh->generation);
	}
	memcpy(ret_bytes, &b, sizeof(b));
}

static nfsstat4 fh_decode_file(const struct mds *mds, const struct fh_bytes *b, const struct sockaddr_storage *peer,
			       struct fh *ret_fh)
{
	struct fh fh = { .kind = FH_FILE, .ino = le64_get(b->ino), .generation = le64_get(b->generation) };

	fh.export = export_by_id(mds->exports, le16_get(b->export_id));
	if (!fh.export)
		return NFS4ERR_STALE;
	fh.rule = export_rule_for(fh.export, peer);
	if (!fh.rule)
		return NFS4ERR_ACCESS;
	*ret_fh = fh;
	return NFS4_OK;
}

nfsstat4 fh_decode(const struct mds *mds, const nfs_fh4 *bytes, const struct sockaddr_storage *peer,
		   struct fh *ret_fh)
{
	const struct export_node *node;
	struct fh_bytes b;

	if (bytes->nfs_fh4_len != FH_SIZE)
		return NFS4ERR_BADHANDLE;
	memcpy(&b, bytes->nfs_fh4_val, sizeof(b));
	if (b.version != FH_VERSION || le32_get(b.zeros) != 0)
		return NFS4ERR_BADHANDLE;
	if (memcmp(b.tag, mds->volume_tag, sizeof(b.tag)) != 0)
		return NFS4ERR_STALE;
	if (b.kind == FH_FILE)
		return fh_decode_file(mds, &b, peer, ret_fh);
	if (b.kind != FH_PSEUDO || le16_get(b.export_id) != 0 || le64_get(b.generation) != 0)
		return NFS4ERR_BADHANDLE;
	node = export_node_by_id(mds->exports, le64_get(b.ino));
	if (!node || !export_node_visible(node, peer))
		return NFS4ERR_STALE;
	*ret_fh = (struct fh){ .kind = FH_PSEUDO, .ino = node->id };
	return NFS4_OK;
}

bool fh_equal(const struct fh *a, const struct fh *b)
{
	return a->kind == b->kind && a->ino == b->ino && a->generation == b->generation && a->export == b->export;
}
