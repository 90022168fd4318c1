/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount and unmount.  Promises: a mount either finds the whole tree of the newest checkpoint and everything that was
 * promised durable after it, or fails and says why, having written nothing; with the option to mount read-only it
 * never writes at all.
 */

#include "extent/fs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/fs_int.h"
#include "extent/label.h"

#define CACHE_BYTES_DEFAULT (256ull << 20)
#define CACHE_BLOCKS_MIN    64
#define CKPT_LOG_DEFAULT    (64ull << 20)
#define CKPT_NS_DEFAULT	    30000000000ull
#define CKPT_DEPTH_DEFAULT  8

void fs_fail(struct fs *fs, const char *fmt, ...)
{
	va_list ap;

	if (fs->failed)
		return;
	fs->failed = true;
	va_start(ap, fmt);
	vsnprintf(fs->error, sizeof(fs->error), fmt, ap);
	va_end(ap);
	log_err("volume on %s is read-only from now on: %s; unmount it and run \"lamina check\"",
		fs->devs[0]->info.name, fs->error);
	if (fs->ckpt.fiber)
		wait_queue_wake_all(&fs->ckpt.changed);
}

void fs_fail_block(struct fs *fs, uint64_t daddr, int err, const char *why)
{
	unsigned int dev = daddr_dev(daddr);

	fs_fail(fs, "tree block at %s byte %llu: %s (%s)", dev < fs->nr_devs ? fs->devs[dev]->info.name : "no device",
		(unsigned long long)daddr_block(daddr) << DADDR_BLOCK_SHIFT, why, strerror(-err));
}

static void fs_default_options(struct fs *fs, const struct fs_mount_options *opt)
{
	struct fs_mount_options *o = &fs->opt;
	uint64_t cache_blocks;

	if (opt)
		*o = *opt;
	cache_blocks =
		max_u64((o->cache_bytes ? o->cache_bytes : CACHE_BYTES_DEFAULT) / BLOCK_SIZE, CACHE_BLOCKS_MIN);
	o->cache_bytes = cache_blocks * BLOCK_SIZE;
	o->dirty_blocks_max = o->dirty_bytes ? o->dirty_bytes / BLOCK_SIZE : cache_blocks / 2;
	o->dirty_blocks_max = max_u64(o->dirty_blocks_max, CACHE_BLOCKS_MIN / 2);
	if (!o->checkpoint_log_bytes)
		o->checkpoint_log_bytes = min_u64(CKPT_LOG_DEFAULT, fs->super.journal_size / 4);
	if (!o->checkpoint_ns)
		o->checkpoint_ns = CKPT_NS_DEFAULT;
	if (!o->checkpoint_depth)
		o->checkpoint_depth = CKPT_DEPTH_DEFAULT;
	o->checkpoint_depth = (unsigned int)min_u64(o->checkpoint_depth, CKPT_DEPTH_MAX);
}

int fs_create(struct reactor *r, struct blkdev **devs, const struct super *super, const struct fs_mount_options *opt,
	      struct fs **ret_fs)
{
	uint64_t ends[VOLUME_DEVICES_MAX];
	struct fs *fs = calloc(1, sizeof(*fs));
	int err;

	if (!fs)
		return -ENOMEM;
	fs->reactor = r;
	fs->super = *super;
	fs->nr_devs = super->nr_devices;
	for (unsigned int i = 0; i < fs->nr_devs; i++) {
		fs->devs[i] = devs[i];
		fs->device[i] = super->devices[i];
		ends[i] = super->devices[i].end_block;
	}
	fs_default_options(fs, opt);
	fs->read_only = fs->opt.read_only;
	fs->root = (struct fs_root){ super->root_daddr, super->root_epoch, super->root_level };
	fs->epoch = super->epoch + 1;
	fs->counts = super->counts;
	fs->next_ino = super->next_ino;
	fs->txn_seq = super->txn_seq;
	wait_queue_init(&fs->grown);
	wait_queue_init(&fs->held);
	data_state_init(&fs->data);
	block_cache_init(&fs->cache, fs->opt.cache_bytes / BLOCK_SIZE);
	err = chunks_init(&fs->chunks, super->volume_uuid, super->chunk_blocks, fs->nr_devs, ends);
	if (err) {
		free(fs);
		return err;
	}
	*ret_fs = fs;
	return 0;
}

void fs_destroy(struct fs *fs)
{
	if (!fs)
		return;
	assert(!fs->journal);
	assert(!fs->ckpt.fiber);
	while (fs->nr_reading > 0)
		fiber_sleep_ns(100000);
	block_cache_release(fs);
	chunks_release(&fs->chunks);
	txn_release(fs);
	free(fs);
}

static void fs_journal_low(void *arg)
{
	struct fs *fs = arg;

	if (fs->ckpt.fiber)
		ckpt_request(fs);
}

void fs_journal_config(struct fs *fs, struct journal_config *ret_cfg)
{
	*ret_cfg = (struct journal_config){
		.reactor = fs->reactor,
		.dev = fs->devs[0],
		.off = JOURNAL_OFFSET,
		.size = fs->super.journal_size,
		.era = fs->super.journal_era,
		.record_max = fs->opt.record_max,
		.low = fs_journal_low,
		.low_arg = fs,
	};
	memcpy(ret_cfg->volume_uuid, fs->super.volume_uuid, UUID_LEN);
}

int fs_checkpoint(struct fs *fs)
{
	if (fs->failed || fs->read_only)
		return -EROFS;
	return ckpt_wait(fs);
}

void fs_bulk_begin(struct fs *fs)
{
	assert(!fs->bulk);
	fs->bulk = true;
}

int fs_bulk_end(struct fs *fs)
{
	int err = fs_checkpoint(fs);

	assert(fs->bulk);
	fs->bulk = false;
	return err;
}

void fs_abandon(struct fs *fs)
{
	if (!fs)
		return;
	data_trim_stop(fs);
	ckpt_stop(fs);
	if (fs->journal)
		journal_close(fs->journal);
	fs->journal = NULL;
	fs_destroy(fs);
}

int fs_unmount(struct fs *fs)
{
	int err = 0;

	data_trim_stop(fs);
	if (!fs->read_only)
		err = fs_checkpoint(fs);
	fs_abandon(fs);
	return err;
}

void fs_stats(const struct fs *fs, struct fs_stats *ret_stats)
{
	struct fs_stats s = {
		.inodes = fs->counts.inodes,
		.orphans = fs->counts.orphans,
		.items = fs->counts.items,
		.free_blocks = fs->counts.free_blocks,
		.limbo_blocks = fs->counts.limbo_blocks,
		.metadata_blocks = fs->chunks.nr * fs->chunks.chunk_blocks,
		.tree_blocks = fs->chunks.total - fs->chunks.free,
		.tree_blocks_total = fs->chunks.total,
		.cache_blocks = fs->cache.nr,
		.cache_dirty = fs->cache.nr_dirty + fs->cache.nr_frozen,
		.cache_misses = fs->cache.misses,
		.cache_evictions = fs->cache.evictions,
		.txns = fs->nr_txns,
		.restarts = fs->nr_restarts,
		.undone = fs->nr_undone,
		.txn_seq = fs->txn_seq,
		.durable_seq = fs->txn_seq,
		.journal_size = fs->super.journal_size,
		.replayed_txns = fs->replay.nr_txns,
		.replayed_records = fs->replay.nr_records,
		.replayed_torn = fs->replay.torn,
		.epoch = fs->super.epoch,
		.tree_height = fs->root.level + 1,
		.ckpt = fs->ckpt.stats,
	};

	for (unsigned int i = 0; i < fs->nr_devs; i++)
		s.total_blocks += fs->device[i].end_block - fs->device[i].first_block;
	if (fs->journal) {
		struct journal_stats js = journal_stats(fs->journal);

		s.durable_seq = fs_durable_seq(fs);
		s.journal_used = journal_used(fs->journal);
		s.journal_records = js.records;
		s.journal_bytes = js.bytes;
		s.journal_waits = js.waits_for_room;
	}
	*ret_stats = s;
}

static size_t fs_change_index(uint64_t ino)
{
	return (ino * 0x9e3779b97f4a7c15ULL) >> (64 - FS_CHANGES_BITS);
}

void fs_note_change(struct fs *fs, uint64_t ino)
{
	/* What a replay finds was durable before. */
	if (fs->journal)
		fs->changes[fs_change_index(ino)] = journal_next_seq(fs->journal);
}

uint64_t fs_last_change(const struct fs *fs, uint64_t ino)
{
	return min_u64(fs->changes[fs_change_index(ino)], fs->txn_seq);
}

uint64_t fs_last_seq(const struct fs *fs)
{
	return fs->txn_seq;
}

uint64_t fs_durable_seq(const struct fs *fs)
{
	return fs->journal ? journal_durable_seq(fs->journal) : fs->txn_seq;
}

bool fs_is_read_only(const struct fs *fs)
{
	return fs->failed || fs->read_only;
}

const char *fs_error(const struct fs *fs)
{
	return fs->failed ? fs->error : NULL;
}

const char *fs_name(const struct fs *fs)
{
	return fs->name;
}

const uint8_t *fs_uuid(const struct fs *fs)
{
	return fs->super.volume_uuid;
}

unsigned int fs_nr_devices(const struct fs *fs)
{
	return fs->nr_devs;
}

struct blkdev *fs_device(const struct fs *fs, unsigned int index)
{
	assert(index < fs->nr_devs);
	return fs->devs[index];
}

const uint8_t *fs_device_uuid(const struct fs *fs, unsigned int index)
{
	assert(index < fs->nr_devs);
	return fs->device[index].uuid;
}
