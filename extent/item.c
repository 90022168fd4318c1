/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: item_is_valid() knows every type of item that this version writes, and nothing that it accepts can make
 * a decoder read beyond the value, wrap a sum of addresses or offsets, or meet a number that its type cannot have.
 * What needs a second item to tell (owners, overlaps, link counts) is the business of check.
 */

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/dir.h"
#include "extent/format.h"
#include "extent/inode.h"
#include "extent/item.h"
#include "extent/xattr.h"

#define SYMLINK_PARTS	   2u
#define FILE_BLOCKS_MAX	   ((INODE_SIZE_MAX >> DADDR_BLOCK_SHIFT) + 1)
#define XATTR_PART_MASK	   0xffu
#define XATTR_COOKIE_FIRST 65536u

static bool addr_is_valid(uint64_t daddr)
{
	return daddr <= KEY_LOW_MAX && daddr_dev(daddr) < VOLUME_DEVICES_MAX;
}

/* @len > 0 blocks from @daddr on are inside of what a device can have. */
static bool run_is_valid(uint64_t daddr, uint64_t len)
{
	return addr_is_valid(daddr) && len > 0 && len <= (1ULL << DADDR_BLOCK_BITS) - daddr_block(daddr);
}

/* The same for a run that ends with block @last. */
static bool run_to_is_valid(uint64_t last, uint64_t len)
{
	return addr_is_valid(last) && len > 0 && len <= daddr_block(last) + 1;
}

static bool ino_is_valid(uint64_t ino)
{
	return ino > 0 && ino <= KEY_LOW_MAX;
}

static bool chunk_is_valid(struct key key, const void *val, size_t len)
{
	struct disk_chunk_item d;

	if (key_obj(key) != 0 || key_off(key) >= VOLUME_CHUNKS_MAX || len != sizeof(d))
		return false;
	memcpy(&d, val, sizeof(d));
	return addr_is_valid(le64_get(d.daddr));
}

static bool free_addr_is_valid(struct key key, const void *val, size_t len)
{
	struct disk_free d;

	if (key_obj(key) != 0 || len != sizeof(d))
		return false;
	memcpy(&d, val, sizeof(d));
	return run_to_is_valid(key_off(key), le64_get(d.len));
}

static bool free_size_is_valid(struct key key, const void *val, size_t len)
{
	uint64_t order = key_obj(key);

	return len == 0 && order < DADDR_BLOCK_BITS && run_to_is_valid(key_off(key), 1ULL << order);
}

static bool limbo_is_valid(struct key key, const void *val, size_t len)
{
	struct disk_free d;

	if (len != sizeof(d))
		return false;
	memcpy(&d, val, sizeof(d));
	return run_is_valid(key_off(key), le64_get(d.len));
}

static bool shared_is_valid(struct key key, const void *val, size_t len)
{
	struct disk_shared d;

	if (key_obj(key) != 0 || len != sizeof(d))
		return false;
	memcpy(&d, val, sizeof(d));
	return run_is_valid(key_off(key), le64_get(d.len)) && le32_get(d.refs) >= 2;
}

static bool orphan_is_valid(struct key key, const void *val, size_t len)
{
	return key_obj(key) == 0 && ino_is_valid(key_off(key)) && len == 0;
}

bool item_mode_is_valid(uint32_t mode)
{
	if (mode & ~(uint32_t)(S_IFMT | 07777))
		return false;
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFBLK:
	case S_IFCHR:
		return true;
	default:
		return false;
	}
}

static bool time_is_valid(struct disk_time t)
{
	return le32_get(t.nsec) < NSEC_PER_SEC;
}

static bool inode_value_is_valid(struct key key, const void *val, size_t len)
{
	struct disk_inode d;

	if (key_off(key) != 0 || len != sizeof(d))
		return false;
	memcpy(&d, val, sizeof(d));
	return item_mode_is_valid(le32_get(d.mode)) && time_is_valid(d.atime) && time_is_valid(d.mtime) &&
	       time_is_valid(d.ctime) && time_is_valid(d.btime) && le64_get(d.size) <= INODE_SIZE_MAX &&
	       le64_get(d.blocks) <= KEY_LOW_MAX && le64_get(d.parent) <= KEY_LOW_MAX &&
	       le64_get(d.change) <= INODE_CHANGE_MAX && le32_get(d.nlink) <= INODE_NLINK_MAX &&
	       (le64_get(d.trim_from) <= KEY_LOW_MAX || le64_get(d.trim_from) == INODE_NO_TRIM);
}

static bool symlink_is_valid(struct key key, const void *val, size_t len)
{
	return key_off(key) < SYMLINK_PARTS && len > 0 && len <= ITEM_VALUE_MAX && !memchr(val, '\0', len);
}

/* Part 0 of an attribute: head, name and what of the value still fits. */
static bool xattr_head_is_valid(const void *val, size_t len)
{
	struct disk_xattr d;
	const uint8_t *name = (const uint8_t *)val + sizeof(d);

	if (len < sizeof(d))
		return false;
	memcpy(&d, val, sizeof(d));
	return d.name_len > 0 && le32_get(d.value_len) <= XATTR_VALUE_MAX &&
	       len == min_u64(sizeof(d) + d.name_len + le32_get(d.value_len), ITEM_VALUE_MAX) &&
	       !memchr(name, '\0', d.name_len) && d.reserved[0] == 0 && d.reserved[1] == 0 && d.reserved[2] == 0;
}

static bool xattr_is_valid(struct key key, const void *val, size_t len)
{
	unsigned int part = key_off(key) & XATTR_PART_MASK;

	if (key_off(key) < XATTR_COOKIE_FIRST || part >= XATTR_PARTS_MAX)
		return false;
	return part ? len > 0 && len <= ITEM_VALUE_MAX : xattr_head_is_valid(val, len);
}

bool item_dirent_type_is_valid(uint8_t type)
{
	switch (type) {
	case DT_REG:
	case DT_DIR:
	case DT_LNK:
	case DT_FIFO:
	case DT_SOCK:
	case DT_BLK:
	case DT_CHR:
		return true;
	default:
		return false;
	}
}

static bool name_is_valid(const char *name, size_t len)
{
	if (len == 0 || memchr(name, '/', len) || memchr(name, '\0', len))
		return false;
	return name[0] != '.' || (len > 1 && (len > 2 || name[1] != '.'));
}

static bool dirent_is_valid(struct key key, const void *val, size_t len)
{
	struct disk_dirent d;

	if (len < sizeof(d) || key_off(key) < DIR_COOKIE_FIRST)
		return false;
	memcpy(&d, val, sizeof(d));
	return len == sizeof(d) + d.name_len && name_is_valid((const char *)val + sizeof(d), d.name_len) &&
	       ino_is_valid(le64_get(d.ino)) && item_dirent_type_is_valid(d.type);
}

static bool extent_is_valid(struct key key, const void *val, size_t len)
{
	struct disk_extent d;

	if (len != sizeof(d))
		return false;
	memcpy(&d, val, sizeof(d));
	return run_is_valid(le64_get(d.daddr), le32_get(d.len)) && key_off(key) < FILE_BLOCKS_MAX &&
	       le32_get(d.len) <= FILE_BLOCKS_MAX - key_off(key) && d.state <= EXTENT_WRITTEN &&
	       (d.flags & ~EXTENT_FLAG_SHARED) == 0 && d.reserved[0] == 0 && d.reserved[1] == 0;
}

static bool file_item_is_valid(struct key key, const void *val, size_t len)
{
	if (!ino_is_valid(key_obj(key)))
		return false;
	switch (key_type(key)) {
	case ITEM_INODE:
		return inode_value_is_valid(key, val, len);
	case ITEM_SYMLINK:
		return symlink_is_valid(key, val, len);
	case ITEM_XATTR:
		return xattr_is_valid(key, val, len);
	case ITEM_DIRENT:
		return dirent_is_valid(key, val, len);
	case ITEM_EXTENT:
	case ITEM_COW:
		return extent_is_valid(key, val, len);
	default:
		return false;
	}
}

bool item_is_valid(struct key key, const void *val, size_t len)
{
	switch (key_zone(key)) {
	case ZONE_VOLUME:
		return key_type(key) == ITEM_CHUNK && chunk_is_valid(key, val, len);
	case ZONE_FREE:
		return (key_type(key) == ITEM_FREE_ADDR && free_addr_is_valid(key, val, len)) ||
		       (key_type(key) == ITEM_FREE_SIZE && free_size_is_valid(key, val, len));
	case ZONE_LIMBO:
		return key_type(key) == ITEM_LIMBO && limbo_is_valid(key, val, len);
	case ZONE_SHARED:
		return key_type(key) == ITEM_SHARED && shared_is_valid(key, val, len);
	case ZONE_ORPHAN:
		return key_type(key) == ITEM_ORPHAN && orphan_is_valid(key, val, len);
	case ZONE_FILE:
		return file_item_is_valid(key, val, len);
	case ZONE_STATE:
		return len <= ITEM_VALUE_MAX;
	default:
		return false;
	}
}
