/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adding a device to a mounted volume.  Promises: the volume has the device from the instant on in which a superblock
 * that names it is durable, and with it all its free space; before that nothing that is durable knows of it.  A
 * device that is in the volume is never taken for a new one.
 *
 *   label       copy, then label, durable: from now on fs_stranger() tells what was begun
 *   checkpoint  so that little is left for the next one
 *   hold        transactions of others wait: what they took of the new space could be in the journal, and durable,
 *               before the superblock is
 *   free space  the device's, in a transaction that is not journaled
 *   checkpoint  the tree with that space, and the superblock with the device
 *   unhold
 */

#include <inttypes.h>
#include <string.h>

#include "dev/log.h"
#include "extent/alloc.h"
#include "extent/fs_int.h"
#include "extent/label.h"

struct grow {
	struct fs *fs;
	struct blkdev *dev;
	struct super_device sd;
};

/* ---- what a device is ---- */

/* What one label says, whole or damaged: a torn one is as good a witness. */
static enum fs_stranger stranger_of(const struct fs *fs, const struct disk_label *label)
{
	if (le64_get(label->magic) != LABEL_MAGIC || memcmp(label->volume_uuid, fs->super.volume_uuid, UUID_LEN) != 0)
		return FS_STRANGER;
	for (unsigned int i = 0; i < fs->nr_devs; i++)
		if (memcmp(label->device_uuid, fs->device[i].uuid, UUID_LEN) == 0)
			return FS_STRANGER_MEMBER;
	return FS_STRANGER_BEGUN;
}

int fs_stranger(struct fs *fs, struct blkdev *dev, enum fs_stranger *ret_is)
{
	const uint64_t places[] = { 0, label_copy_offset(dev->info.size) };
	struct disk_label *label = blkdev_buf_alloc(LABEL_SIZE);
	enum fs_stranger is = FS_STRANGER;
	int err = label ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(places) && !err; i++) {
		err = blkdev_read(dev, places[i], label, LABEL_SIZE);
		if (!err && stranger_of(fs, label) > is)
			is = stranger_of(fs, label);
	}
	blkdev_buf_free(label);
	if (!err)
		*ret_is = is;
	return err;
}

int fs_may_grow(const struct fs *fs, const struct blkdev *dev, struct why *why)
{
	const struct blkdev_info *info = &dev->info;

	if (fs_is_read_only(fs))
		return why_set(why, -EROFS, "the volume is read-only%s%s", fs->failed ? ": " : "",
			       fs->failed ? fs->error : "");
	for (unsigned int i = 0; i < fs->nr_devs; i++)
		if (fs->devs[i] == dev)
			return why_set(why, -EEXIST, "%s: is in the volume already", info->name);
	if (fs->nr_devs == VOLUME_DEVICES_MAX)
		return why_set(why, -EINVAL, "the volume has %u devices already, and can have no more", fs->nr_devs);
	if (info->read_only)
		return why_set(why, -EROFS, "%s: is read-only", info->name);
	if (info->size < FS_DEVICE_SIZE_MIN)
		return why_set(why, -EINVAL, "%s: %" PRIu64 " bytes are too small, a device needs %u MiB", info->name,
			       info->size, FS_DEVICE_SIZE_MIN >> 20);
	if (info->size > LABEL_DEVICE_SIZE_MAX)
		return why_set(why, -EINVAL, "%s: %" PRIu64 " bytes are more than a device of a volume can have",
			       info->name, info->size);
	return 0;
}

/* ---- adding it ---- */

FIBER_FN static int grow_look(const struct grow *g, struct why *why)
{
	enum fs_stranger is;
	int err = fs_stranger(g->fs, g->dev, &is);

	if (err)
		return why_set(why, err, "%s: cannot be read: %s", g->dev->info.name, strerror(-err));
	if (is == FS_STRANGER_MEMBER)
		return why_set(why, -EEXIST,
			       "%s: is in the volume already, perhaps by another path, or is a copy of a device that "
			       "is; a copy must lose its labels before it can be used",
			       g->dev->info.name);
	return 0;
}

/* An old label is gone before the new one is there: a device of two volumes would be one too many. */
FIBER_FN static int grow_label(const struct grow *g, struct why *why)
{
	struct fs *fs = g->fs;
	int err = label_wipe(g->dev);

	if (!err)
		err = fs_label_device(fs, fs->nr_devs, fs->nr_devs + 1, &g->sd, g->dev);
	if (err)
		return why_set(why, err, "%s: its label cannot be written: %s", g->dev->info.name, strerror(-err));
	return 0;
}

/* The device and its space come in one instant, and go in one if the space cannot be noted. */
static int grow_body(struct txn *txn, void *arg)
{
	const struct grow *g = arg;
	struct fs *fs = g->fs;
	unsigned int index = fs->nr_devs;
	int err;

	fs->devs[index] = g->dev;
	fs->device[index] = g->sd;
	fs->nr_devs = index + 1;
	err = alloc_give(txn, daddr_make(index, g->sd.first_block), g->sd.end_block - g->sd.first_block);
	if (err) {
		fs->nr_devs = index;
		fs->devs[index] = NULL;
		memset(&fs->device[index], 0, sizeof(fs->device[index]));
	}
	return err;
}

FIBER_FN static int grow_flip(struct grow *g, struct why *why)
{
	static const struct txn_options opt = { .name = "add device", .frees_space = true };
	struct fs *fs = g->fs;
	int err, ckpt_err;

	err = fs_checkpoint(fs);
	if (err)
		return why_set(why, -EROFS, "the volume is read-only");
	txn_hold(fs);
	err = txn_run(fs, &opt, grow_body, g, NULL);
	/* Also after an error: a chunk may have been added, and that was not journaled. */
	ckpt_err = fs_bulk_end(fs);
	txn_unhold(fs);
	if (ckpt_err)
		return why_set(why, -EIO, "%s: was not added, or only half: %s", g->dev->info.name,
			       fs->failed ? fs->error : strerror(-ckpt_err));
	if (err)
		return why_set(why, err, "%s: cannot be added: %s", g->dev->info.name,
			       err == -ENOSPC ? "the volume is too full to note the new space; remove files first"
					      : strerror(-err));
	return 0;
}

FIBER_FN static int grow_device(struct grow *g, struct why *why)
{
	struct fs *fs = g->fs;
	int err;

	fs_device_init(&g->sd, fs->reactor, g->dev, DATA_OFFSET_OTHERS);
	err = chunks_add_device(&fs->chunks, fs->nr_devs, g->sd.end_block);
	if (err)
		return why_set(why, err, "out of memory");
	err = grow_label(g, why);
	return err ? err : grow_flip(g, why);
}

int fs_grow(struct fs *fs, struct blkdev *dev, struct why *why)
{
	struct grow g = { .fs = fs, .dev = dev };
	int err = fs_may_grow(fs, dev, why);

	if (err)
		return err;
	if (fs->growing)
		return why_set(why, -EBUSY, "another device is just being added; try again");
	fs->growing = true;
	err = grow_look(&g, why);
	if (!err)
		err = grow_device(&g, why);
	fs->growing = false;
	if (!err)
		log_info("volume \"%s\": %s is device %u of it now, with %" PRIu64 " MiB", fs->name, dev->info.name,
			 fs->nr_devs, (g.sd.end_block - g.sd.first_block) >> (20 - DADDR_BLOCK_SHIFT));
	return err;
}
