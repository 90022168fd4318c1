/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a client says without a LAYOUTCOMMIT.  After an I/O error Linux returns the layout, forgets what it has
 * written and not committed, and writes again through the server only what has failed; what it wrote before that lies
 * behind the end of file and would be cut off when the file grows.  Promise: where all of that was made zeros for
 * this client and nobody else had it since, it stays as the client left it.
 */

#include "extent/data.h"
#include "mds/op_layout.h"
#include "mds/status.h"

struct imply {
	struct compound *c;
	uint64_t size;
};

/* By what is known now: it may have changed while this waited. */
static bool imply_holds(void *arg, uint64_t first, uint64_t end)
{
	const struct imply *w = arg;
	const struct layout *layout = layout_of(file_find(w->c->mds, w->c->fh.ino), w->c->client);

	return layout && first < end && grants_cover(&layout->grants, first, end, GRANT_RW | GRANT_LATE);
}

static int imply_body(struct txn *txn, void *arg)
{
	struct imply *w = arg;
	const struct data_layout_commit commit = {
		.ino = w->c->fh.ino,
		.generation = w->c->fh.generation,
		.has_size = true,
		.size = w->size,
		.holds = imply_holds,
		.arg = w,
	};
	struct inode inode;

	return data_commit_layout(txn, &commit, &inode);
}

FIBER_FN nfsstat4 layout_imply_commit(struct compound *c, const struct inode *inode, uint64_t off)
{
	const struct txn_options opt = { .name = "implied commit", .log_max = DATA_COMMIT_LOG(1) };
	struct imply w = { .c = c, .size = off };
	uint64_t first = inode->size / DADDR_BLOCK_SIZE;
	uint64_t end = off / DADDR_BLOCK_SIZE + !is_aligned_u64(off, DADDR_BLOCK_SIZE);
	uint64_t seq = 0;
	int err;

	if (!(inode->flags & INODE_DIRTY_BEHIND) || off <= inode->size || !imply_holds(&w, first, end))
		return NFS4_OK;
	err = data_flush_devices(c->mds->fs);
	/* By itself: the request's kept answer comes with its WRITE. */
	if (!err)
		err = txn_run(c->mds->fs, &opt, imply_body, &w, &seq);
	if (!err)
		compound_did(c, seq);
	/* The end of file has moved, or is about to: what happens then is as if nobody had anything there. */
	return err == -EAGAIN ? NFS4_OK : nfs_status(err);
}
