/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing the metadata: a free, aligned piece of a device becomes a chunk, in a transaction of its own.  One fiber
 * does it at a time; others that need it wait for its result.
 */

#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "extent/alloc.h"
#include "extent/fs_int.h"

#define RESERVE_MIN 16
#define RESERVE_MAX 1024
/* After growth failed, it is tried again before it is urgent only so many transactions later. */
#define GROW_RETRY_TXNS 4096

uint64_t fs_metadata_reserve(const struct fs *fs)
{
	uint64_t part = fs->chunks.total / 8;

	return part < RESERVE_MIN ? RESERVE_MIN : min_u64(part, RESERVE_MAX);
}

static int grow_body(struct txn *txn, void *arg)
{
	struct fs *fs = txn_fs(txn);
	uint64_t *ret_daddr = arg, daddr, len;
	struct alloc_want want = {
		.len = fs->chunks.chunk_blocks,
		.min_len = fs->chunks.chunk_blocks,
		.align = fs->chunks.chunk_blocks,
		.min_align = fs->chunks.chunk_blocks,
		.goal = ALLOC_ANY,
		.dev = ALLOC_DEV_ANY,
	};
	struct disk_chunk_item item;
	int err = alloc_take(txn, &want, &daddr, &len);

	if (err)
		return err;
	item.daddr = le64_make(daddr);
	err = txn_put(txn, key_make(ZONE_VOLUME, 0, ITEM_CHUNK, fs->chunks.nr), &item, sizeof(item));
	if (!err)
		*ret_daddr = daddr;
	return err;
}

FIBER_FN static int grow_once(struct fs *fs)
{
	static const struct txn_options opt = { .name = "grow metadata", .frees_space = true };
	uint64_t daddr;
	int err;

	if (fs->chunks.nr == VOLUME_CHUNKS_MAX)
		return -ENOSPC;
	err = txn_run(fs, &opt, grow_body, &daddr, NULL);
	if (err)
		return err;
	/* Nothing has switched since the commit, so nobody has seen an item without its chunk. */
	err = chunk_add(&fs->chunks, daddr);
	if (err)
		fs_fail(fs, "no memory for a metadata chunk: mount again");
	return err;
}

int fs_grow_metadata(struct fs *fs)
{
	int err;

	if (!fs->journal)
		return -ENOSPC;
	if (fs->grower == fiber_self())
		return -ENOSPC; /* growing itself lacks space */
	txn_wait_held(fs);
	if (fs->grower) {
		wait_queue_wait(&fs->grown);
		return fs->grow_result;
	}
	fs->grower = fiber_self();
	err = grow_once(fs);
	fs->grower = NULL;
	fs->grow_result = err;
	if (err)
		fs->grow_retry_seq = fs->txn_seq + GROW_RETRY_TXNS;
	wait_queue_wake_all(&fs->grown);
	return err;
}

void fs_grow_early(struct fs *fs)
{
	if (!fs->journal || fs->chunks.free >= fs->chunks.total / 4 || fs->grower || fs->txn_seq < fs->grow_retry_seq)
		return;
	/* Without it things go on, with more checkpoints. */
	if (fs_grow_metadata(fs) == 0)
		log_debug("volume \"%s\": metadata grew to %u chunks", fs->name, fs->chunks.nr);
}
