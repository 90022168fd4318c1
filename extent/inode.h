/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_INODE_H
#define LAMINA_EXTENT_INODE_H

/*
 * Inodes in host form.  A file handle needs only (ino, generation); inode numbers are never reused, and the
 * generation is checked all the same (I7).
 */

#include "extent/txn.h"

#define INO_ROOT      1
#define INODE_NO_TRIM UINT64_MAX

struct inode_time {
	int64_t sec;
	uint32_t nsec;
};

struct inode {
	uint64_t ino;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
	uint64_t size;
	uint64_t blocks; /* 4 KiB blocks */
	uint64_t change;
	uint64_t generation;
	struct inode_time atime, mtime, ctime, btime;
	uint64_t parent;
	uint32_t rdev_major, rdev_minor;
	uint32_t flags;
	uint32_t nr_xattrs;
	uint64_t trim_from; /* 4 KiB blocks, or INODE_NO_TRIM */
};

/* -ENOENT: there is no such inode (never was, or is freed). */
int inode_get(struct txn *txn, uint64_t ino, struct inode *ret_inode) MUST_CHECK;
/* Write @inode as it is. */
int inode_put(struct txn *txn, const struct inode *inode) MUST_CHECK;
/* Set ctime to now and raise the change attribute of @inode in memory; with @data mtime too.  The caller puts it. */
void inode_touch(struct txn *txn, struct inode *inode, bool data);

#endif
