/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_XATTR_H
#define LAMINA_EXTENT_XATTR_H

/*
 * Extended attributes.  A value lies in parts of ITEM_VALUE_MAX bytes, the first of which begins with the name; key
 * off = 40 bits of the name's hash, a collision number of 8, the part in 8.  The off of part 0 is the attribute's
 * cookie, its own for its whole life.  Names are bytes without NUL; what prefixes mean is the server's business.
 */

#include "extent/inode.h"

#define XATTR_NAME_MAX	255
#define XATTR_VALUE_MAX 65536u
#define XATTR_NR_MAX	1024u /* of one inode: so all of them are at most 64 MiB */

enum xattr_how {
	XATTR_EITHER,
	XATTR_NEW,	/* -EEXIST if it is there */
	XATTR_EXISTING, /* -ENODATA if it is not */
};

struct xattr_entry {
	uint64_t cookie; /* 65536..KEY_LOW_MAX */
	uint32_t value_len;
	uint8_t name_len;
	char name[XATTR_NAME_MAX + 1]; /* a NUL follows */
};

/* Bytes of changes: new parts, old parts deleted, the name, the inode. */
#define XATTR_PARTS_MAX		 23u
#define XATTR_LOG_SET(value_len) ((value_len) + XATTR_PARTS_MAX * 40u + 8u + XATTR_NAME_MAX + INODE_LOG_PUT)
#define XATTR_LOG_REMOVE	 (XATTR_PARTS_MAX * 20u + INODE_LOG_PUT)

/*
 * Set attribute @name of @ino to @len bytes (may be 0).  ctime and change follow; *@ret_inode is the inode after it.
 * -ENOENT: no such inode; -EINVAL: bad name; -ENAMETOOLONG; -E2BIG: value too long; -EEXIST, -ENODATA: see @how;
 * -ENOSPC: XATTR_NR_MAX are there already.
 */
int xattr_set(struct txn *txn, uint64_t ino, const char *name, size_t name_len, const void *value, size_t len,
	      enum xattr_how how, struct inode *ret_inode) MUST_CHECK;
/* -ENODATA: there is none of that name. */
int xattr_remove(struct txn *txn, uint64_t ino, const char *name, size_t name_len, struct inode *ret_inode)
	MUST_CHECK;
/*
 * Its whole value into @buf of @size bytes, which is undefined after an error.  With @size 0 only the length.
 * -ERANGE: @size is too small; -ENODATA; -ENOENT: no such inode.
 */
int xattr_get(struct txn *txn, uint64_t ino, const char *name, size_t name_len, void *buf, size_t size,
	      size_t *ret_len) MUST_CHECK;
/*
 * The attribute with the smallest cookie > @after (any number; 0 begins), or -ENOENT: that was the last.  What comes
 * and goes meanwhile does not disturb the others.
 */
int xattr_next(struct txn *txn, uint64_t ino, uint64_t after, struct xattr_entry *ret_entry) MUST_CHECK;

#endif
