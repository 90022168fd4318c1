/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a volume.  Promises: while it is being made the devices carry no label, so an interrupted format is no
 * volume; the labels are written last, device 0 after all others.
 *
 * The first tree is made by ordinary transactions without a journal, on a store with one chunk, and written by an
 * ordinary checkpoint.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/reactor.h"
#include "extent/alloc.h"
#include "extent/btree.h"
#include "extent/fs_int.h"
#include "extent/inode.h"
#include "extent/label.h"

#define JOURNAL_SIZE_MAX (256u << 20)
#define CHUNK_SIZE_MIN	 (SUPER_CHUNK_BLOCKS_MIN * DADDR_BLOCK_SIZE)
#define CHUNK_SIZE_MAX	 (SUPER_CHUNK_BLOCKS_MAX * DADDR_BLOCK_SIZE)
#define MIB		 (1u << 20)

static void random_bytes(struct reactor *r, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)reactor_random(r);
}

/* Version 4, from the reactor's dice so that a simulated world makes the same volume again. */
static void random_uuid(struct reactor *r, uint8_t uuid[UUID_LEN])
{
	random_bytes(r, uuid, UUID_LEN);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

static uint64_t power_of_2_below(uint64_t x)
{
	return 1ULL << (63 - __builtin_clzll(x));
}

static uint64_t default_journal_size(uint64_t device_size)
{
	uint64_t size = round_down_u64(device_size / 32, MIB);

	return size < JOURNAL_SIZE_MIN ? JOURNAL_SIZE_MIN : min_u64(size, JOURNAL_SIZE_MAX);
}

static uint64_t default_chunk_size(uint64_t volume_size)
{
	uint64_t size = power_of_2_below(volume_size / 256 + 1);

	return size < CHUNK_SIZE_MIN ? CHUNK_SIZE_MIN : min_u64(size, CHUNK_SIZE_MAX);
}

static int format_check(struct blkdev **devs, unsigned int nr, const struct fs_format_options *opt, struct why *why)
{
	if (nr == 0 || nr > VOLUME_DEVICES_MAX)
		return why_set(why, -EINVAL, "a volume has 1 to %u devices, not %u", VOLUME_DEVICES_MAX, nr);

	for (unsigned int i = 0; i < nr; i++) {
		const struct blkdev_info *info = &devs[i]->info;

		if (info->size < FS_DEVICE_SIZE_MIN)
			return why_set(why, -EINVAL, "%s: %llu bytes are too small, a device needs %u MiB",
				       info->name, (unsigned long long)info->size, FS_DEVICE_SIZE_MIN / MIB);

		if (info->read_only)
			return why_set(why, -EROFS, "%s: is read-only", info->name);
	}
	if (opt->chunk_size && (!is_power_of_2_u64(opt->chunk_size) || opt->chunk_size < CHUNK_SIZE_MIN ||
				opt->chunk_size > CHUNK_SIZE_MAX))
		return why_set(why, -EINVAL, "the chunk size must be a power of two from 1 MiB to 256 MiB");

	if (opt->journal_size &&
	    (!is_aligned_u64(opt->journal_size, MIB) || opt->journal_size > devs[0]->info.size / 2))
		return why_set(why, -EINVAL,
			       "the journal's size must be a multiple of 1 MiB, at most half of the first device");

	return 0;
}

void fs_device_init(struct super_device *sd, struct reactor *r, const struct blkdev *dev, uint64_t first_byte)
{
	uint64_t blocks = dev->info.size >> DADDR_BLOCK_SHIFT;

	random_uuid(r, sd->uuid);
	sd->size = blocks << DADDR_BLOCK_SHIFT;
	sd->first_block = first_byte >> DADDR_BLOCK_SHIFT;
	sd->end_block = blocks - LABEL_SIZE / DADDR_BLOCK_SIZE;
}

static void format_super(struct super *super, struct reactor *r, struct blkdev **devs, unsigned int nr,
			 const struct fs_format_options *opt)
{
	uint64_t total = 0;

	super->nr_devices = nr;
	random_uuid(r, super->volume_uuid);
	super->hash_seed = reactor_random(r);
	super->journal_size = opt->journal_size ? opt->journal_size : default_journal_size(devs[0]->info.size);
	super->journal_era = reactor_random(r) | 1;
	for (unsigned int i = 0; i < nr; i++) {
		fs_device_init(&super->devices[i], r, devs[i],
			       i == 0 ? JOURNAL_OFFSET + super->journal_size : DATA_OFFSET_OTHERS);
		total += super->devices[i].size;
	}
	super->chunk_blocks = (opt->chunk_size ? opt->chunk_size : default_chunk_size(total)) >> DADDR_BLOCK_SHIFT;
	super->next_ino = INO_ROOT + 1;
}

/* The first items: chunk 0, the root directory, and all the rest as free space. */
static int format_body(struct txn *txn, void *arg)
{
	struct fs *fs = txn_fs(txn);
	uint64_t chunk = fs->chunks.chunk[0]->daddr;
	struct disk_chunk_item item = { .daddr = le64_make(chunk) };
	int err = txn_put(txn, key_make(ZONE_VOLUME, 0, ITEM_CHUNK, 0), &item, sizeof(item));

	if (!err)
		err = inode_create_root(txn, 0755, 0, 0);
	for (unsigned int i = 0; i < fs->nr_devs && !err; i++) {
		uint64_t first = fs->device[i].first_block, end = fs->device[i].end_block;

		if (i == 0 && daddr_block(chunk) > first)
			err = alloc_give(txn, daddr_make(0, first), daddr_block(chunk) - first);
		if (i == 0)
			first = daddr_block(chunk) + fs->super.chunk_blocks;
		if (!err && first < end)
			err = alloc_give(txn, daddr_make(i, first), end - first);
	}
	return err;
}

FIBER_FN static int format_wipe(struct blkdev **devs, unsigned int nr)
{
	uint8_t *zeros = blkdev_buf_alloc(2 * SUPER_SIZE);
	int err = zeros ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < nr && !err; i++)
		err = label_wipe(devs[i]);
	if (!err)
		err = blkdev_write_durable(devs[0], SUPER_OFFSET(0), zeros, 2 * SUPER_SIZE);
	blkdev_buf_free(zeros);
	return err;
}

int fs_label_device(struct fs *fs, unsigned int index, unsigned int nr, const struct super_device *sd,
		    struct blkdev *dev)
{
	struct label label = {
		.device_index = index,
		.device_size = sd->size,
		.nr_devices = nr,
		.created_sec = reactor_wall_ns(fs->reactor) / NSEC_PER_SEC,
		.features = fs->super.features,
	};

	memcpy(label.volume_uuid, fs->super.volume_uuid, UUID_LEN);
	memcpy(label.device_uuid, sd->uuid, UUID_LEN);
	memcpy(label.volume_name, fs->name, sizeof(label.volume_name));
	return label_write(dev, &label);
}

FIBER_FN static int format_labels(struct fs *fs, const struct fs_format_options *opt)
{
	int err = 0;

	snprintf(fs->name, sizeof(fs->name), "%.*s", LABEL_NAME_LEN, opt->name);
	for (unsigned int i = fs->nr_devs; i-- > 0 && !err;)
		err = fs_label_device(fs, i, fs->nr_devs, &fs->device[i], fs->devs[i]);
	return err;
}

FIBER_FN static int format_tree(struct fs *fs)
{
	uint64_t first = round_up_u64(fs->super.devices[0].first_block, fs->super.chunk_blocks);
	int err;

	if (first + fs->super.chunk_blocks > fs->super.devices[0].end_block)
		return -ENOSPC;
	err = chunk_add(&fs->chunks, daddr_make(0, first));
	if (!err)
		err = btree_create(fs);
	if (!err)
		err = txn_run_unlogged(fs, format_body, NULL);
	return err ? err : ckpt_write(fs);
}

int fs_format(struct reactor *r, struct blkdev **devs, unsigned int nr, const struct fs_format_options *opt,
	      struct why *why)
{
	struct journal_config cfg;
	struct super *super;
	struct fs *fs = NULL;
	int err = format_check(devs, nr, opt, why);

	if (err)
		return err;
	super = calloc(1, sizeof(*super));
	if (!super)
		return why_set(why, -ENOMEM, "out of memory");
	format_super(super, r, devs, nr, opt);
	err = fs_create(r, devs, super, NULL, &fs);
	free(super);
	if (!err)
		err = format_wipe(devs, nr);
	if (!err) {
		fs_journal_config(fs, &cfg);
		err = journal_format(&cfg);
	}
	if (!err)
		err = format_tree(fs);
	if (!err)
		err = format_labels(fs, opt);
	if (err)
		why_set(why, err, "%s: the volume could not be written: %s", devs[0]->info.name,
			err == -ENOSPC ? "the device is too small for its journal and metadata" : strerror(-err));
	fs_destroy(fs);
	return err;
}
