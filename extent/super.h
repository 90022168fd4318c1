/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_SUPER_H
#define LAMINA_EXTENT_SUPER_H

/*
 * Superblocks in host form.  A checkpoint of epoch e writes slot e mod 2, so the slot of the checkpoint before it
 * stays as it is until the new one is durable.
 *
 * When one slot is damaged and the other good, nothing on disk tells whether the damaged one is
 *   - the newer, torn by a crash in the act of writing: then it was never in force, nothing that the older one needs
 *     has been reused, and the older one plus the journal is the volume;
 *   - the older, gone bad later: it was needed for nothing, the good one is the volume; or
 *   - the newer, gone bad after it had been in force: then places of the older tree may have been reused, and records
 *     after it overwritten.
 * In the first two cases the good one is right, and the first is what crashes do; so the good one is taken.  In the
 * third case that cannot give wrong data, only -EUCLEAN: every block is verified by address, epoch and checksum
 * against the reference to it, the bitmaps by bitmaps_checksum, and a journal whose first record is missing while
 * later ones are there counts as damaged.
 */

#include "dev/blkdev.h"
#include "extent/feature.h"
#include "extent/format.h"
#include "extent/why.h"

struct super_device {
	uint8_t uuid[UUID_LEN];
	uint64_t size;	      /* bytes */
	uint64_t first_block; /* allocatable: [first_block, end_block), in 4 KiB blocks */
	uint64_t end_block;
	uint64_t flags; /* 0 */
};

/* Exact at the checkpoint. */
struct super_counts {
	uint64_t inodes;
	uint64_t orphans;
	uint64_t free_blocks;
	uint64_t limbo_blocks;
	uint64_t items;
};

/* About 23 KiB: mind the stack. */
struct super {
	uint8_t volume_uuid[UUID_LEN];
	uint64_t epoch;
	struct features features;
	uint64_t root_daddr;
	uint64_t root_epoch;
	unsigned int root_level;
	uint32_t nr_devices;
	uint32_t nr_chunks;
	uint64_t chunk_blocks; /* 4 KiB blocks, a power of two, SUPER_CHUNK_BLOCKS_MIN..MAX */
	uint64_t txn_seq;
	uint64_t next_ino;
	uint64_t journal_size; /* bytes */
	uint64_t journal_era;
	uint64_t journal_lsn;
	uint64_t journal_chain;
	uint64_t hash_seed;
	struct super_counts counts;
	uint64_t bitmaps_checksum;
	struct super_device devices[VOLUME_DEVICES_MAX];
	uint64_t chunks[VOLUME_CHUNKS_MAX];	/* daddr */
	uint8_t chunk_slots[VOLUME_CHUNKS_MAX]; /* 0 or 1 */
};

#define SUPER_CHUNK_BLOCKS_MIN 256u   /* 1 MiB */
#define SUPER_CHUNK_BLOCKS_MAX 65536u /* 256 MiB */

/* The slot that the checkpoint of @epoch writes. */
static inline unsigned int super_slot(uint64_t epoch)
{
	return epoch % 2;
}

/* Make the SUPER_SIZE bytes of @super, which must be in range. */
void super_encode(const struct super *super, void *ret_block);

/*
 * Read a superblock out of the SUPER_SIZE bytes of slot @slot, which may hold anything.
 *   -EMEDIUMTYPE      there is no superblock
 *   -EBADMSG          the checksum is wrong
 *   -EPROTONOSUPPORT  another format version
 *   -EOPNOTSUPP       an incompatible feature that we don't know
 *   -EXDEV            of another volume than @uuid (NULL: of any)
 *   -EUCLEAN          the checksum is right, but what it says is impossible
 */
int super_decode(const void *block, unsigned int slot, const uint8_t *uuid, struct super *ret_super, struct why *why)
	MUST_CHECK;

/* How the two slots are.  0: good; else an error of super_decode() or of the device. */
struct super_report {
	int slot_err[2];
	unsigned int chosen; /* slot */
	struct why trouble;  /* empty if there is none: for the log */
};

/*
 * Read both slots from @dev, device 0, and take the good one with the higher epoch.  *@ret_report is set on failure
 * too.  -EPROTONOSUPPORT or -EOPNOTSUPP if either slot says so: it may be the newer one; otherwise, if neither slot
 * is good, the error of one of them, and -ENOMEM.
 */
FIBER_FN int super_read(struct blkdev *dev, const uint8_t *uuid, struct super *ret_super,
			struct super_report *ret_report, struct why *why) MUST_CHECK;

#endif
