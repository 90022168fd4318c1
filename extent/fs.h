/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_FS_H
#define LAMINA_EXTENT_FS_H

/*
 * The store as a whole: format, mount, checkpoint, unmount.  What lies in it is reached through transactions
 * (extent/txn.h).
 *
 * A store that meets damage or an I/O error in its metadata turns read-only, says why once, and stays so until it is
 * unmounted: transactions that read go on where they can, all others get -EROFS (I12).
 */

#include "dev/blkdev.h"
#include "extent/format.h"
#include "extent/why.h"

struct fs;
struct reactor;

struct fs_format_options {
	char name[LABEL_NAME_LEN]; /* of the volume; may be empty */
	uint64_t journal_size;	   /* bytes; 0: chosen by the size of device 0 */
	uint64_t chunk_size; /* bytes of a metadata chunk, power of two, 1 MiB to 256 MiB; 0: by the volume's size */
};

#define FS_DEVICE_SIZE_MIN (8u << 20)

/*
 * Make an empty volume on @devs[0..nr), whatever is on them.  Durable when it returns 0; interrupted before that, the
 * devices hold no volume, or the whole new one once a copy of device 0's label is there.  -EINVAL: an option or a
 * device does not do, see @why; -EIO; -ENOMEM.
 */
FIBER_FN int fs_format(struct reactor *r, struct blkdev **devs, unsigned int nr, const struct fs_format_options *opt,
		       struct why *why) MUST_CHECK;

struct fs_mount_options {
	bool read_only;		       /* replays in memory, writes nothing */
	bool forget_damage;	       /* go on where the journal is damaged in its middle, losing what came after */
	uint64_t cache_bytes;	       /* of tree blocks in memory; 0: 256 MiB */
	uint64_t dirty_bytes;	       /* of those waiting for a checkpoint; 0: half of the cache */
	uint64_t checkpoint_log_bytes; /* begin a checkpoint when the journal holds so much; 0: 64 MiB or a quarter of
					  the ring */
	uint64_t checkpoint_ns;	       /* and at the latest so long after the last; 0: 30 s */
	unsigned int checkpoint_depth; /* writes in flight; 0: 8 */
	size_t record_max;	       /* bytes of a journal record; 0: default */
	/* Derived */
	uint64_t dirty_blocks_max;
};

/*
 * Mount the volume on @devs, in any order; the devices stay the caller's and must outlive the mount.  Replays the
 * journal, so that everything that was promised durable is there.  -EINVAL: not a volume, a device is missing or
 * foreign, unknown features; -EUCLEAN: damaged; -EROFS: must be mounted read-only; -EIO; -ENOMEM; *@why says it in
 * words.
 */
FIBER_FN int fs_mount(struct reactor *r, struct blkdev **devs, unsigned int nr, const struct fs_mount_options *opt,
		      struct fs **ret_fs, struct why *why) MUST_CHECK;

/* Wait for what runs, write a checkpoint, free @fs.  0: the next mount replays nothing.  An error loses nothing
 * durable. */
FIBER_FN int fs_unmount(struct fs *fs) MUST_CHECK;
/* Free @fs without writing anything more than what is in flight: as after a crash. */
FIBER_FN void fs_abandon(struct fs *fs);

/* Write everything committed so far into the tree on disk.  Transactions go on meanwhile. */
FIBER_FN int fs_checkpoint(struct fs *fs) MUST_CHECK;

/*
 * Loading much at once: between these two, transactions are not journaled.  They are durable when fs_bulk_end() has
 * returned 0; a crash before that leaves some first part of them.  Keys in ascending order fill the leaves
 * completely. Begin waits for nothing; end writes a checkpoint, and until it has returned no other transaction may
 * run.
 */
void fs_bulk_begin(struct fs *fs);
FIBER_FN int fs_bulk_end(struct fs *fs) MUST_CHECK;

/* What the labels of a device, at its start and its end, say of it; damaged ones count, too. */
enum fs_stranger {
	FS_STRANGER,	    /* nothing of this volume */
	FS_STRANGER_BEGUN,  /* to be added to this volume, and that was interrupted: it holds nothing */
	FS_STRANGER_MEMBER, /* it is in this volume, or is a copy of a device that is */
};
FIBER_FN int fs_stranger(struct fs *fs, struct blkdev *dev, enum fs_stranger *ret_is) MUST_CHECK;

/* Whether @dev can be added at all, apart from what is on it; the errors of fs_grow(). */
int fs_may_grow(const struct fs *fs, const struct blkdev *dev, struct why *why) MUST_CHECK;

/*
 * Add @dev, whatever is on it, to the mounted volume, as its last device, with a UUID of its own.  Transactions go on
 * meanwhile, but for the time of a small checkpoint.  0: it is durable, and nothing has switched since the first
 * moment in which blocks of it can be given out.  A crash before that leaves the volume as it was, and a device that
 * fs_stranger() knows; the whole new volume after it.
 *
 * -EINVAL: it is too small or too large, or the volume has as many as it can have; -EEXIST: FS_STRANGER_MEMBER;
 * -EROFS: device or volume; -EBUSY: another one is just being added; -ENOSPC: no room for metadata; -EIO; -ENOMEM. If
 * fs_nr_devices() has risen all the same, the store has failed in the middle of it, and @dev must outlive the mount.
 */
FIBER_FN int fs_grow(struct fs *fs, struct blkdev *dev, struct why *why) MUST_CHECK;

struct fs_ckpt_stats {
	uint64_t nr;
	uint64_t blocks;  /* tree blocks written */
	uint64_t last_ns; /* how long the last one took */
};

struct fs_stats {
	uint64_t inodes, orphans, items;
	uint64_t total_blocks; /* allocatable 4 KiB blocks of all devices */
	uint64_t free_blocks;
	uint64_t limbo_blocks;
	uint64_t metadata_blocks;		 /* 4 KiB blocks in metadata chunks */
	uint64_t tree_blocks, tree_blocks_total; /* 16 KiB blocks: busy, and in all chunks */
	uint64_t cache_blocks, cache_dirty, cache_misses, cache_evictions;
	uint64_t txns, restarts, undone;
	uint64_t txn_seq, durable_seq;
	uint64_t journal_size, journal_used, journal_records, journal_bytes, journal_waits;
	uint64_t replayed_txns, replayed_records; /* at mount */
	bool replayed_torn;
	uint64_t epoch;
	unsigned int tree_height;
	struct fs_ckpt_stats ckpt;
};

void fs_stats(const struct fs *fs, struct fs_stats *ret_stats);

/*
 * Durable before visible (I1) for readers: the transaction to wait for (txn_wait_durable()) before anything is told
 * that was read of inode @ino: attributes, entries, xattrs, maps.  Asked at the reading or any time after it.  Exact
 * or a little too late, never too early; 0 where nothing has changed since the mount.
 */
uint64_t fs_last_change(const struct fs *fs, uint64_t ino);
/* The last transaction that has committed, durable or not: what anybody may have seen. */
uint64_t fs_last_seq(const struct fs *fs);
/* Everything up to this transaction is durable: whoever needs no more need not wait. */
uint64_t fs_durable_seq(const struct fs *fs);
bool fs_is_read_only(const struct fs *fs);
/* Why it has failed, or NULL. */
const char *fs_error(const struct fs *fs);
const char *fs_name(const struct fs *fs);
const uint8_t *fs_uuid(const struct fs *fs);
/* Devices by their index, as in daddr; the UUID is the one in the device's label, for ever. */
unsigned int fs_nr_devices(const struct fs *fs);
struct blkdev *fs_device(const struct fs *fs, unsigned int index);
const uint8_t *fs_device_uuid(const struct fs *fs, unsigned int index);

#endif
