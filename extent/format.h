/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_FORMAT_H
#define LAMINA_EXTENT_FORMAT_H

/*
 * The disk: every structure and constant that reaches a device, and nothing else.  docs/format.md describes it
 * offset by offset; the asserts at the end keep both honest.
 *
 * A device:
 *
 *   0         label (4 KiB)
 *   64 KiB    superblock slot 0 (32 KiB)  } device 0 only
 *   96 KiB    superblock slot 1 (32 KiB)  }
 *   1 MiB     journal                     }
 *   ...       allocatable blocks: metadata chunks and data, in any order
 *   end       copy of the label in the last whole 4 KiB block
 *
 * Checksums are XXH3 (64 bits, seed 0) over the structure's whole length with the checksum field taken as zero.
 */

#include "dev/le.h"
#include "extent/item.h"

#define FORMAT_VERSION	   1

#define LABEL_MAGIC	   0x314c414e494d414cULL /* "LAMINAL1" */
#define SUPER_MAGIC	   0x3153414e494d414cULL /* "LAMINAS1" */
#define BLOCK_MAGIC	   0x314b4c42		 /* "BLK1" */
#define RECORD_MAGIC	   0x314c4e52		 /* "RNL1" */
#define BITMAP_MAGIC	   0x3150414d		 /* "MAP1" */

#define UUID_LEN	   16
#define LABEL_NAME_LEN	   64
#define LABEL_SIZE	   4096
#define SUPER_SIZE	   32768
#define SUPER_OFFSET(slot) (65536u + (slot)*SUPER_SIZE) /* bytes on device 0; slot 0 or 1 */
#define JOURNAL_OFFSET	   1048576u			/* bytes on device 0 */
#define DATA_OFFSET_OTHERS 1048576u			/* bytes; first allocatable byte on devices 1.. */
#define VOLUME_DEVICES_MAX 64
#define VOLUME_CHUNKS_MAX  2048

/* Features: a bit that we don't know in incompat forbids mounting, in ro_compat writing, in compat nothing. */
#define FEATURE_COMPAT_KNOWN	0ULL
#define FEATURE_RO_COMPAT_KNOWN 0ULL
#define FEATURE_INCOMPAT_KNOWN	0ULL

/* At offset 0 of every device, and once more in its last whole 4 KiB block. */
struct disk_label {
	struct le64 checksum;
	struct le64 magic;
	struct le32 version;
	struct le32 device_index;
	uint8_t volume_uuid[UUID_LEN];
	uint8_t device_uuid[UUID_LEN];
	struct le64 device_size; /* bytes that the volume uses of it */
	struct le32 nr_devices;	 /* when the label was written; the superblock knows better */
	struct le32 reserved0;
	struct le64 feature_compat;
	struct le64 feature_ro_compat;
	struct le64 feature_incompat;
	struct le64 created_sec;	  /* since 1970 */
	char volume_name[LABEL_NAME_LEN]; /* UTF-8, padded with zeros */
	uint8_t reserved1[LABEL_SIZE - 168];
};

/* A reference to a tree block. */
struct disk_ref {
	struct le64 daddr;
	struct le64 epoch; /* the checkpoint that wrote it; the block's header must agree */
};

struct disk_super_device {
	uint8_t uuid[UUID_LEN];
	struct le64 size;	 /* bytes */
	struct le64 first_block; /* allocatable: [first_block, end_block) */
	struct le64 end_block;
	struct le64 flags;
	struct le64 reserved[2];
};

/* Counters that hold at the moment of the checkpoint; replay carries them on. */
struct disk_super_counts {
	struct le64 inodes;
	struct le64 orphans;
	struct le64 free_blocks;
	struct le64 limbo_blocks;
	struct le64 items;
	struct le64 reserved[3];
};

/* A consistent state of the whole tree.  The valid slot with the higher epoch is the volume. */
struct disk_super {
	struct le64 checksum;
	struct le64 magic;
	struct le32 version;
	struct le32 nr_devices;
	uint8_t volume_uuid[UUID_LEN];
	struct le64 epoch; /* of this checkpoint, from 1 */
	struct le64 feature_compat;
	struct le64 feature_ro_compat;
	struct le64 feature_incompat;
	struct disk_ref root;
	struct le32 root_level;
	struct le32 nr_chunks;
	struct le64 chunk_blocks; /* 4 KiB blocks of one metadata chunk */
	struct le64 txn_seq;	  /* of the last transaction in this tree */
	struct le64 next_ino;
	struct le64 journal_size;  /* bytes of the ring */
	struct le64 journal_era;   /* records of another era are not ours */
	struct le64 journal_lsn;   /* where replay begins: bytes ever written to the ring */
	struct le64 journal_chain; /* checksum of the record before it */
	uint8_t hash_seed[8];	   /* of directory and xattr name hashes */
	struct disk_super_counts counts;
	struct le64 bitmaps_checksum;		    /* of all current bitmaps: see below */
	uint8_t chunk_slots[VOLUME_CHUNKS_MAX / 8]; /* bit i: which bitmap slot of chunk i is the current one */
	uint8_t reserved[2848 - 8 - VOLUME_CHUNKS_MAX / 8];
	struct disk_super_device devices[VOLUME_DEVICES_MAX];
	struct le64 chunks[VOLUME_CHUNKS_MAX]; /* daddr of each chunk's first block, a multiple of chunk_blocks */
	uint8_t reserved1[SUPER_SIZE - 3072 - 64 * VOLUME_DEVICES_MAX - 8 * VOLUME_CHUNKS_MAX];
};

/* Tree blocks */

#define BLOCK_SIZE	16384u
#define BLOCK_DADDRS	(BLOCK_SIZE / DADDR_BLOCK_SIZE)
#define BLOCK_LEVEL_MAX 10

struct disk_block {
	struct le64 checksum;
	struct le32 magic;
	struct le16 level; /* 0: leaf */
	struct le16 nr;	   /* slots */
	struct le64 daddr; /* where it lies */
	struct le64 epoch; /* the checkpoint that wrote it */
	uint8_t volume_uuid[UUID_LEN];
	struct le16 heap; /* leaf: lowest byte of the values; interior: 0 */
	struct le16 frag; /* leaf: bytes of dead values above heap */
	struct le32 reserved0;
	struct le64 reserved1;
};

/* Leaf: slots grow up from the header, values grow down from the block's end. */
struct disk_leaf_slot {
	struct le64 hi;
	struct le64 lo;
	struct le16 val_off; /* from the start of the block */
	struct le16 val_len;
};

/* Interior: child i holds keys >= its own key and < the next one's; the first key of the leftmost path is KEY_MIN. */
struct disk_node_slot {
	struct le64 hi;
	struct le64 lo;
	struct disk_ref child;
};

#define ITEM_VALUE_MAX 3072u /* bytes: at least four of the largest fit in a leaf */

/*
 * Metadata chunks: two bitmap slots, then tree blocks.  A checkpoint that changes a chunk's bitmap writes the slot
 * that is not current; the superblock says which one is.  Its bitmaps_checksum is XXH3 over the checksum field of
 * chunk 0's bitmap with seed 0, then over that of chunk 1 with the result as seed, and so on.
 */

#define CHUNK_BITMAP_SIZE     4096u
#define CHUNK_BITMAP_SLOTS    2
#define CHUNK_HEADER_DADDRS   4 /* 4 KiB blocks before the first tree block: the slots, padded to a tree block */
#define CHUNK_TREE_BLOCKS_MAX 16384u

struct disk_bitmap {
	struct le64 checksum;
	struct le32 magic;
	struct le32 chunk; /* index */
	struct le64 epoch; /* the checkpoint that wrote it */
	struct le32 nr_tree_blocks;
	struct le32 nr_used;
	uint8_t volume_uuid[UUID_LEN];
	struct le64 daddr;
	struct le64 reserved;
	uint8_t bits[CHUNK_TREE_BLOCKS_MAX / 8]; /* bit set: the tree of that checkpoint uses the block */
	uint8_t reserved1[CHUNK_BITMAP_SIZE - 64 - CHUNK_TREE_BLOCKS_MAX / 8];
};

/*
 * Journal: a ring of records, each a multiple of 4 KiB, written with one durable write.  A record holds whole
 * transactions, a transaction holds item changes.  A record never wraps: where it would not fit before the end of the
 * ring, the rest is filled by a record without transactions; only the first RECORD_ALIGN bytes of such a filler are
 * written and checksummed.
 */

#define RECORD_ALIGN	4096u
#define RECORD_SIZE_MAX (8u << 20)

struct disk_record {
	struct le64 checksum;
	struct le32 magic;
	struct le32 size; /* bytes, this header and the padding included; a multiple of RECORD_ALIGN */
	struct le64 era;
	struct le64 lsn;       /* bytes written to the ring before this record; place = lsn mod ring size */
	struct le64 chain;     /* checksum of the record before */
	struct le64 first_seq; /* of its first transaction */
	struct le32 nr_txns;
	struct le32 used; /* bytes after this header that hold transactions; the rest are zeros */
	uint8_t volume_uuid[UUID_LEN];
};

struct disk_txn {
	struct le32 len; /* bytes of the changes that follow */
	struct le32 nr;	 /* changes */
};

#define CHANGE_PUT    1
#define CHANGE_DELETE 2

struct disk_change {
	struct le64 hi;
	struct le64 lo;
	struct le16 len; /* of the value that follows; 0 for DELETE */
	uint8_t op;
	uint8_t reserved;
};

/* Values of items */

struct disk_chunk_item {
	struct le64 daddr;
};

struct disk_free {
	struct le64 len; /* 4 KiB blocks, > 0 */
};

struct disk_shared {
	struct le64 len;  /* 4 KiB blocks, > 0 */
	struct le32 refs; /* >= 2 */
};

#define EXTENT_UNWRITTEN   0 /* reads as zeros; the blocks hold anything */
#define EXTENT_WRITTEN	   1
#define EXTENT_FLAG_SHARED 1 /* some of its blocks may have an item in ZONE_SHARED */

struct disk_extent {
	struct le64 daddr;
	struct le32 len; /* 4 KiB blocks, > 0 */
	uint8_t state;
	uint8_t flags;
	uint8_t reserved[2];
};

struct disk_time {
	struct le64 sec; /* signed, since 1970 */
	struct le32 nsec;
};

struct disk_inode {
	struct le32 mode; /* type and permissions as in stat(2) */
	struct le32 uid;
	struct le32 gid;
	struct le32 nlink;
	struct le64 size;
	struct le64 blocks; /* 4 KiB blocks that its maps own or share */
	struct le64 change; /* change attribute (I9) */
	struct le64 generation;
	struct disk_time atime;
	struct disk_time mtime;
	struct disk_time ctime;
	struct disk_time btime;
	struct le64 parent; /* of a directory; of another file the directory it was made in: a hint */
	struct le32 rdev_major;
	struct le32 rdev_minor;
	struct le32 flags;
	struct le32 nr_xattrs;
	struct le64 trim_from; /* 4 KiB blocks: mappings at or behind it are being taken away; all ones: none are */
};

struct disk_dirent {
	struct le64 ino;
	uint8_t type;	  /* DT_REG and so on */
	uint8_t name_len; /* 1..255 */
			  /* name follows */
};

struct disk_xattr {
	struct le32 value_len; /* of the whole value */
	uint8_t name_len;      /* 1..255, without NUL */
	uint8_t reserved[3];
	/* in part 0 the name follows, then the value's first bytes; other parts are bare value bytes */
};

static_assert(sizeof(struct disk_label) == LABEL_SIZE, "label");
static_assert(sizeof(struct disk_super_device) == 64, "super device");
static_assert(sizeof(struct disk_super) == SUPER_SIZE, "superblock");
static_assert(offsetof(struct disk_super, devices) == 3072, "superblock head");
static_assert(sizeof(struct disk_block) == 64, "block header");
static_assert(sizeof(struct disk_leaf_slot) == 20, "leaf slot");
static_assert(sizeof(struct disk_node_slot) == 32, "node slot");
static_assert(sizeof(struct disk_bitmap) == CHUNK_BITMAP_SIZE, "bitmap");
static_assert(CHUNK_BITMAP_SLOTS * CHUNK_BITMAP_SIZE <= CHUNK_HEADER_DADDRS * DADDR_BLOCK_SIZE, "bitmap slots");
static_assert(sizeof(struct disk_record) == 72, "record header");
static_assert(sizeof(struct disk_txn) == 8, "transaction header");
static_assert(sizeof(struct disk_change) == 20, "change");
static_assert(sizeof(struct disk_extent) == 16, "extent");
static_assert(sizeof(struct disk_inode) == 128, "inode");
static_assert(sizeof(struct disk_dirent) == 10, "dirent");
static_assert(ITEM_VALUE_MAX * 4 + sizeof(struct disk_block) + 4 * sizeof(struct disk_leaf_slot) <= BLOCK_SIZE,
	      "values");

#endif
