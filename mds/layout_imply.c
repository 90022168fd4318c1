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

/* What the client may have written from the end of file up to byte @size is its own. */
static bool imply_is_own(const struct imply *w, const struct inode *inode, uint64_t size)
{
	uint64_t end = size / DADDR_BLOCK_SIZE + !is_aligned_u64(size, DADDR_BLOCK_SIZE);

	return size > inode->size && imply_holds((void *)(uintptr_t)w, inode->size / DADDR_BLOCK_SIZE, end);
}

/*
 * The new size; 0: nothing is implied.  A client that has said it will give the layout back and writes through the
 * server may wait for that with what it has in use: then what is behind the end of file cannot be had back first.
 */
static uint64_t imply_size(const struct imply *w, const struct inode *inode, uint64_t off, uint32_t count)
{
	const struct layout *layout = layout_of(file_find(w->c->mds, w->c->fh.ino), w->c->client);

	if (layout && layout->told_ns && imply_is_own(w, inode, off + count))
		return off + count;
	if ((layout && layout->told_ns) || inode->flags & INODE_DIRTY_BEHIND)
		return imply_is_own(w, inode, off) ? off : 0;
	return 0;
}

FIBER_FN nfsstat4 layout_imply_commit(struct compound *c, const struct inode *inode, uint64_t off, uint32_t count)
{
	const struct txn_options opt = { .name = "implied commit", .log_max = DATA_COMMIT_LOG(1) };
	struct imply w = { .c = c };
	uint64_t seq = 0;
	int err;

	w.size = imply_size(&w, inode, off, count);
	if (w.size == 0)
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
