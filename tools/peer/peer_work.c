/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The items that the store writes when a file with one extent is created, with the same keys and values of the same
 * size: the file's inode, its extent, its directory entry, the directory's inode again, and the rest of the free
 * space.
 */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "dev/le.h"
#include "extent/format.h"
#include "tools/bench_work.h"
#include "tools/peer/peer.h"

/* So that memcmp() orders as key_cmp(). */
static void key_pack(struct key key, uint64_t buf[2])
{
	buf[0] = htobe64(key.hi);
	buf[1] = htobe64(key.lo);
}

static int put(const struct peer_ops *ops, struct peer *p, struct key key, const void *val, size_t len)
{
	uint64_t buf[2];

	key_pack(key, buf);
	return ops->put(p, buf, sizeof(buf), val, len);
}

static int put_inode(const struct peer_ops *ops, struct peer *p, uint64_t ino, uint64_t change)
{
	struct disk_inode inode;

	memset(&inode, 0, sizeof(inode));
	inode.mode = le32_make(0100644);
	inode.nlink = le32_make(1);
	inode.change = le64_make(change);
	inode.generation = le64_make(ino * 0x9e3779b97f4a7c15ULL);
	inode.mtime.sec = le64_make(1700000000 + change);
	return put(ops, p, key_make(ZONE_FILE, ino, ITEM_INODE, 0), &inode, sizeof(inode));
}

static int put_dirent(const struct peer_ops *ops, struct peer *p, uint64_t dir, uint64_t ino, uint64_t i)
{
	uint8_t buf[sizeof(struct disk_dirent) + BENCH_WORK_NAME_MAX];
	struct disk_dirent *entry = (struct disk_dirent *)buf;
	char name[BENCH_WORK_NAME_MAX + 1];
	size_t len = bench_work_name(name, i);
	uint64_t hash = XXH3_64bits(name, len) >> 16;

	entry->ino = le64_make(ino);
	entry->type = 8;
	entry->name_len = (uint8_t)len;
	memcpy(buf + sizeof(*entry), name, len);
	return put(ops, p, key_make(ZONE_FILE, dir, ITEM_DIRENT, hash << 8), buf, sizeof(*entry) + len);
}

int peer_work_put(const struct peer_ops *ops, struct peer *p, uint64_t i)
{
	uint64_t ino = BENCH_WORK_DIRS + 2 + i;
	uint64_t dir = 2 + bench_work_dir(i);
	struct disk_extent extent = { .daddr = le64_make(i), .len = le32_make(1) };
	struct disk_free rest = { .len = le64_make(KEY_LOW_MAX - i) };
	int err;

	err = put_inode(ops, p, ino, 1);
	if (err)
		return err;
	err = put(ops, p, key_make(ZONE_FILE, ino, ITEM_EXTENT, 0), &extent, sizeof(extent));
	if (err)
		return err;
	err = put_dirent(ops, p, dir, ino, i);
	if (err)
		return err;
	err = put_inode(ops, p, dir, i);
	if (err)
		return err;
	return put(ops, p, key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, KEY_LOW_MAX), &rest, sizeof(rest));
}
