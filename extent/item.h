/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_ITEM_H
#define LAMINA_EXTENT_ITEM_H

/*
 * Items: everything that the store remembers is a (key, value) pair in one ordered tree.  A key is two 64-bit
 * numbers compared as one of 128 bits:
 *
 *     hi = zone:8 | obj:56        lo = type:8 | off:56
 *
 * so that a file's inode, names, attributes and extents lie side by side, ordered by offset.
 *
 * Device addresses (daddr) name a 4 KiB block of the volume in 56 bits: device index:8 | block number:48.
 */

#include <stdio.h>

#include "dev/base.h"

struct key {
	uint64_t hi;
	uint64_t lo;
};

enum item_zone {
	ZONE_VOLUME = 1, /* the volume's own */
	ZONE_FREE = 2,	 /* free space of the devices */
	ZONE_LIMBO = 3,	 /* freed, but a layout may still reach it (I3); obj = tag */
	ZONE_SHARED = 4, /* reference counts of blocks with more than one owner */
	ZONE_ORPHAN = 5, /* inodes without a name that wait for their last user (I8) */
	ZONE_FILE = 6,	 /* obj = inode number */
	ZONE_STATE = 7,	 /* the server's; obj, type and off as it likes */
};

enum item_type {
	/* ZONE_VOLUME, obj 0 */
	ITEM_CHUNK = 1, /* off = index of a metadata chunk; struct disk_chunk_item */
	/* ZONE_FREE */
	ITEM_FREE_ADDR = 1, /* obj 0, off = daddr of the LAST block; struct disk_free */
	ITEM_FREE_SIZE = 2, /* obj = floor(log2(length in blocks)), off = daddr of the LAST block; no value */
	/* ZONE_LIMBO */
	ITEM_LIMBO = 1, /* obj = tag, off = daddr of the first block; struct disk_free */
	/* ZONE_SHARED */
	ITEM_SHARED = 1, /* obj 0, off = daddr of the first block; struct disk_shared */
	/* ZONE_ORPHAN */
	ITEM_ORPHAN = 1, /* obj 0, off = inode number; no value */
	/* ZONE_FILE */
	ITEM_INODE = 1,	  /* off 0; struct disk_inode */
	ITEM_SYMLINK = 2, /* off = part; the target's bytes */
	ITEM_XATTR = 3,	  /* off = hash of the name, collision number, part */
	ITEM_DIRENT = 4,  /* off = hash of the name, collision number: the cookie; struct disk_dirent */
	ITEM_EXTENT = 5,  /* off = file offset in 4 KiB blocks; struct disk_extent */
	ITEM_COW = 6,	  /* as EXTENT: where the next write of a shared block will go */
};

#define KEY_BITS_LOW 56
#define KEY_LOW_MAX  ((1ULL << KEY_BITS_LOW) - 1)

/* @obj and @off are at most KEY_LOW_MAX. */
static inline struct key key_make(uint8_t zone, uint64_t obj, uint8_t type, uint64_t off)
{
	assert(obj <= KEY_LOW_MAX);
	assert(off <= KEY_LOW_MAX);
	return (struct key){ (uint64_t)zone << KEY_BITS_LOW | obj, (uint64_t)type << KEY_BITS_LOW | off };
}

static inline uint8_t key_zone(struct key k)
{
	return (uint8_t)(k.hi >> KEY_BITS_LOW);
}

static inline uint64_t key_obj(struct key k)
{
	return k.hi & KEY_LOW_MAX;
}

static inline uint8_t key_type(struct key k)
{
	return (uint8_t)(k.lo >> KEY_BITS_LOW);
}

static inline uint64_t key_off(struct key k)
{
	return k.lo & KEY_LOW_MAX;
}

static inline int key_cmp(struct key a, struct key b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	if (a.lo != b.lo)
		return a.lo < b.lo ? -1 : 1;
	return 0;
}

/* The smallest key above @k, which is not the largest there is. */
static inline struct key key_next(struct key k)
{
	k.lo++;
	if (k.lo == 0)
		k.hi++;
	return k;
}

#define KEY_MIN ((struct key){ 0, 0 })
#define KEY_MAX ((struct key){ UINT64_MAX, UINT64_MAX })

/* One item as read: @val points into the tree and is good until the next change in the transaction, or its end. */
struct item {
	struct key key;
	const void *val;
	size_t len;
};

#define DADDR_BLOCK_SHIFT 12 /* 4 KiB: the unit of allocation */
#define DADDR_BLOCK_SIZE  (1u << DADDR_BLOCK_SHIFT)
#define DADDR_BLOCK_BITS  48
#define DADDR_DEV_MAX	  255

static inline uint64_t daddr_make(unsigned int dev, uint64_t block)
{
	assert(dev <= DADDR_DEV_MAX);
	assert(block < 1ULL << DADDR_BLOCK_BITS);
	return (uint64_t)dev << DADDR_BLOCK_BITS | block;
}

static inline unsigned int daddr_dev(uint64_t daddr)
{
	return (unsigned int)(daddr >> DADDR_BLOCK_BITS);
}

static inline uint64_t daddr_block(uint64_t daddr)
{
	return daddr & ((1ULL << DADDR_BLOCK_BITS) - 1);
}

/* Print an item's key, and its value in words where its type is known, on one line without newline. */
void item_print(FILE *out, struct key key, const void *val, size_t len);
/* Read a key in the form item_print gives it ("file 12 extent 40").  -EINVAL if it is not one. */
int item_key_parse(const char *text, struct key *ret_key) MUST_CHECK;
/*
 * Whether the value of a known type has a length and contents that its type can have, as far as one item alone can
 * tell.  Types of ZONE_STATE are the server's and pass.  What this accepts, the rest of extent/ decodes safely.
 */
bool item_is_valid(struct key key, const void *val, size_t len);
/* A mode with a file type and permissions, nothing else; the d_type of a directory entry. */
bool item_mode_is_valid(uint32_t mode);
bool item_dirent_type_is_valid(uint8_t type);

#endif
