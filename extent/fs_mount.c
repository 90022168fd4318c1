/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting, step by step: which devices these are (labels), which tree is the newest (superblock), which blocks it
 * uses (bitmaps), what was promised after it (journal).  Each step checks what it reads and says what is wrong.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/fs_int.h"
#include "extent/label.h"

/* Transactions are replayed in lots, so that the leaves of a lot are read side by side. */
#define REPLAY_LOT_BYTES (4u << 20)
#define REPLAY_LOT_TXNS	 16384

struct replay_txn {
	uint64_t seq;
	size_t off;
	size_t len;
};

struct replay_lot {
	struct fs *fs;
	uint8_t *bytes;
	size_t used;
	struct replay_txn *txns;
	unsigned int nr;
};

FIBER_FN static void lot_prefetch(const struct replay_lot *lot)
{
	struct key last = KEY_MIN;

	for (size_t off = 0; off < lot->used;) {
		struct disk_change c;
		struct key key;

		memcpy(&c, lot->bytes + off, sizeof(c));
		off += sizeof(c) + le16_get(c.len);
		key = (struct key){ le64_get(c.hi), le64_get(c.lo) };
		if (key.hi != last.hi || key_type(key) != key_type(last))
			txn_prefetch(lot->fs, key);
		last = key;
	}
}

FIBER_FN static int lot_apply(struct replay_lot *lot)
{
	int err = 0;

	lot_prefetch(lot);
	for (unsigned int i = 0; i < lot->nr && !err; i++)
		err = txn_replay(lot->fs, lot->txns[i].seq, lot->bytes + lot->txns[i].off, lot->txns[i].len);
	lot->nr = 0;
	lot->used = 0;
	return err;
}

FIBER_FN static int lot_add(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr)
{
	struct replay_lot *lot = arg;

	if (lot->nr == REPLAY_LOT_TXNS || lot->used + len > REPLAY_LOT_BYTES) {
		int err = lot_apply(lot);

		if (err)
			return err;
	}
	assert(len <= REPLAY_LOT_BYTES);
	memcpy(lot->bytes + lot->used, changes, len);
	lot->txns[lot->nr++] = (struct replay_txn){ .seq = seq, .off = lot->used, .len = len };
	lot->used += len;
	return 0;
}

/* A journal that is damaged in its middle: say so, or go on without what came after. */
FIBER_FN static int mount_damaged(struct fs *fs, struct journal_pos *end, struct why *why)
{
	const struct journal_replay_result *res = &fs->replay;
	int err;

	if (!fs->opt.forget_damage)
		return why_set(
			why, -EUCLEAN,
			"%s: the journal is damaged at record %llu, but goes on at %llu: this is no torn tail. "
			"Restore the device, or mount with forget-damage to lose every change from there on",
			fs->devs[0]->info.name, (unsigned long long)res->damaged_lsn,
			(unsigned long long)res->next_good_lsn);

	log_warn("%s: journal damaged at record %llu: forgetting every change from there on, as told",
		 fs->devs[0]->info.name, (unsigned long long)res->damaged_lsn);
	/* The records behind the damage must never be taken for ours again: a new era begins, at a new superblock. */
	fs->super.journal_era = reactor_random(fs->reactor) | 1;
	fs->super.journal_lsn = end->lsn;
	fs->super.journal_chain = end->chain;
	err = fs->read_only ? 0 : ckpt_write(fs);
	if (err)
		why_set(why, err, "%s: the checkpoint after the damage in the journal could not be written: %s",
			fs->devs[0]->info.name, strerror(-err));
	return err;
}

FIBER_FN static int mount_replay(struct fs *fs, struct why *why)
{
	struct journal_pos pos = { fs->super.journal_lsn, fs->super.journal_chain };
	struct journal_replay_result *res = &fs->replay;
	struct replay_lot lot = { .fs = fs };
	struct journal_config cfg;
	int err = -ENOMEM, damage = 0;

	fs_journal_config(fs, &cfg);
	lot.bytes = malloc(REPLAY_LOT_BYTES);
	lot.txns = calloc(REPLAY_LOT_TXNS, sizeof(*lot.txns));
	if (lot.bytes && lot.txns) {
		err = journal_replay(&cfg, pos, fs->super.txn_seq, lot_add, &lot, res);
		if (err == -EUCLEAN && res->damaged) {
			damage = err;
			err = 0;
		}
		if (!err)
			err = lot_apply(&lot);
	}
	free(lot.bytes);
	free(lot.txns);
	if (err) {
		why_set(why, err, "%s: the journal could not be replayed: %s%s%s", fs->devs[0]->info.name,
			strerror(-err), fs->failed ? "; " : "", fs->failed ? fs->error : "");
		return err;
	}
	if (damage)
		return mount_damaged(fs, &res->end, why);
	return 0;
}

FIBER_FN static int mount_journal(struct fs *fs, struct why *why)
{
	uint64_t tail = fs->super.journal_lsn;
	struct journal_config cfg;
	int err = mount_replay(fs, why);

	if (err || fs->read_only)
		return err;
	fs_journal_config(fs, &cfg);
	err = journal_open(&cfg, fs->replay.end, max_u64(tail, fs->super.journal_lsn), fs->replay.next_seq,
			   &fs->journal);
	if (!err)
		err = ckpt_start(fs);
	if (err)
		why_set(why, err, "%s: %s", fs->devs[0]->info.name, strerror(-err));
	return err;
}

/* Add chunk @i of the superblock and load its bitmap. */
FIBER_FN static int mount_chunk(struct fs *fs, uint32_t i, struct disk_bitmap *buf, struct why *why)
{
	uint64_t daddr = fs->super.chunks[i];
	uint32_t slot = fs->super.chunk_slots[i];
	const char *reason;
	int err = chunk_add(&fs->chunks, daddr);

	reason = err == -ENOMEM ? "out of memory" : "lies outside of the device or over another one";
	if (!err) {
		reason = "its bitmap cannot be read";
		err = blkdev_read(fs->devs[daddr_dev(daddr)], chunk_slot_offset(fs->chunks.chunk[i], slot), buf,
				  sizeof(*buf));
	}
	if (!err)
		err = chunk_load(&fs->chunks, i, slot, buf, &reason);
	if (err)
		why_set(why, err, "%s: metadata chunk %u: %s (%s); run \"lamina check\"", fs->devs[0]->info.name, i,
			reason, strerror(-err));
	return err;
}

FIBER_FN static int mount_chunks(struct fs *fs, struct why *why)
{
	struct disk_bitmap *buf = blkdev_buf_alloc(sizeof(*buf));
	int err = buf ? 0 : why_set(why, -ENOMEM, "out of memory");

	for (uint32_t i = 0; i < fs->super.nr_chunks && !err; i++)
		err = mount_chunk(fs, i, buf, why);
	blkdev_buf_free(buf);
	if (err)
		return err;
	if (chunks_bitmaps_checksum(&fs->chunks) != fs->super.bitmaps_checksum)
		return why_set(
			why, -EUCLEAN,
			"%s: the bitmaps of the metadata chunks are not those of the newest checkpoint: a write was "
			"lost; run \"lamina check\"",
			fs->devs[0]->info.name);
	return 0;
}

struct mount_volume {
	struct blkdev *devs[VOLUME_DEVICES_MAX]; /* by index */
	struct label labels[VOLUME_DEVICES_MAX]; /* of the devices as given */
	struct super super;
};

static int mount_same(const struct mount_volume *vol, uint32_t index, const struct blkdev *dev, struct why *why)
{
	return why_set(why, -EINVAL, "%s and %s are the same device of the volume; give each once",
		       vol->devs[index]->info.name, dev->info.name);
}

/* Read all labels and find the first device: the others are those that its superblock names. */
FIBER_FN static int mount_identify(struct blkdev **devs, unsigned int nr, struct mount_volume *vol, struct why *why)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct label *label = &vol->labels[i];
		struct label_report report;
		struct why reason;
		int err = label_read(devs[i], label, &report, &reason);

		if (err)
			return why_set(why, err, "%s: %.400s", devs[i]->info.name, reason.text);
		if (report.trouble.text[0])
			log_warn("%s: %s", devs[i]->info.name, report.trouble.text);
		if (memcmp(label->volume_uuid, vol->labels[0].volume_uuid, UUID_LEN) != 0)
			return why_set(why, -EINVAL, "%s and %s belong to different volumes; give the devices of one",
				       devs[0]->info.name, devs[i]->info.name);
		if (label->device_index == 0 && vol->devs[0])
			return mount_same(vol, 0, devs[i], why);
		if (label->device_index == 0)
			vol->devs[0] = devs[i];
	}
	if (!vol->devs[0])
		return why_set(why, -EINVAL, "the first device of the volume is missing; %s is number %u of %u",
			       devs[0]->info.name, vol->labels[0].device_index + 1, vol->labels[0].nr_devices);
	return 0;
}

/* Put @dev into its place, if @label is what the superblock says of it. */
static int mount_place_device(struct mount_volume *vol, struct blkdev *dev, const struct label *label,
			      struct why *why)
{
	uint32_t i = label->device_index;
	const struct super_device *sd = &vol->super.devices[i];

	if (i >= vol->super.nr_devices || memcmp(label->device_uuid, sd->uuid, UUID_LEN) != 0)
		return why_set(why, -EINVAL,
			       "%s: is not one of the volume's %u devices: adding it was interrupted, and it holds "
			       "nothing; start without it, and then add it again with \"lamina grow\"",
			       dev->info.name, vol->super.nr_devices);
	if (vol->devs[i] && vol->devs[i] != dev)
		return mount_same(vol, i, dev, why);
	if (dev->info.size < sd->size)
		return why_set(why, -EINVAL, "%s: has %llu bytes, but the volume uses %llu of it: is it cut short?",
			       dev->info.name, (unsigned long long)dev->info.size, (unsigned long long)sd->size);
	vol->devs[i] = dev;
	return 0;
}

static int mount_check_missing(const struct mount_volume *vol, struct why *why)
{
	for (uint32_t i = 0; i < vol->super.nr_devices; i++) {
		char uuid[UUID_STR_LEN];

		if (vol->devs[i])
			continue;
		uuid_unparse_lower(vol->super.devices[i].uuid, uuid);
		return why_set(
			why, -EINVAL,
			"device %u of the volume's %u is missing: %llu MiB, with UUID %s; name all of them, also "
			"those that were added later, in \"devices\" of the configuration or on the command "
			"line",
			i + 1, vol->super.nr_devices, (unsigned long long)vol->super.devices[i].size >> 20, uuid);
	}
	return 0;
}

FIBER_FN static int mount_super(struct mount_volume *vol, struct blkdev **devs, unsigned int nr, bool read_only,
				struct why *why)
{
	struct super_report report;
	struct why reason;
	int err = super_read(vol->devs[0], vol->labels[0].volume_uuid, &vol->super, &report, &reason);

	if (err)
		return why_set(why, err, "%s: %.400s", vol->devs[0]->info.name, reason.text);
	if (report.trouble.text[0])
		log_warn("%s: %s", vol->devs[0]->info.name, report.trouble.text);
	for (unsigned int i = 0; i < nr && !err; i++)
		err = mount_place_device(vol, devs[i], &vol->labels[i], why);
	if (!err)
		err = mount_check_missing(vol, why);
	for (unsigned int i = 0; i < nr && !err && !read_only; i++)
		if (devs[i]->info.read_only)
			err = why_set(why, -EROFS, "%s: is read-only; mount the volume read-only",
				      devs[i]->info.name);
	if (!err && !read_only && !feature_allows_writing(&vol->super.features))
		err = why_set(
			why, -EROFS,
			"%s: the volume uses features (0x%llx) that this version of Lamina cannot write; mount it "
			"read-only, or use a newer version",
			devs[0]->info.name, (unsigned long long)vol->super.features.ro_compat);
	return err;
}

FIBER_FN static int mount_volume(struct reactor *r, struct mount_volume *vol, const struct fs_mount_options *opt,
				 struct fs **ret_fs, struct why *why)
{
	struct fs *fs;
	int err = fs_create(r, vol->devs, &vol->super, opt, &fs);

	if (err)
		return why_set(why, err, "%s: %s", vol->devs[0]->info.name, strerror(-err));
	memcpy(fs->name, vol->labels[0].volume_name, sizeof(fs->name));
	err = mount_chunks(fs, why);
	if (!err)
		err = mount_journal(fs, why);
	if (err) {
		fs_abandon(fs);
		return err;
	}
	*ret_fs = fs;
	return 0;
}

int fs_mount(struct reactor *r, struct blkdev **devs, unsigned int nr, const struct fs_mount_options *opt,
	     struct fs **ret_fs, struct why *why)
{
	struct mount_volume *vol;
	int err;

	if (nr == 0 || nr > VOLUME_DEVICES_MAX)
		return why_set(why, -EINVAL, "a volume has 1 to %u devices, not %u", VOLUME_DEVICES_MAX, nr);
	vol = calloc(1, sizeof(*vol));
	if (!vol)
		return why_set(why, -ENOMEM, "out of memory");
	err = mount_identify(devs, nr, vol, why);
	if (!err)
		err = mount_super(vol, devs, nr, opt && opt->read_only, why);
	if (!err)
		err = mount_volume(r, vol, opt, ret_fs, why);
	free(vol);
	return err;
}
