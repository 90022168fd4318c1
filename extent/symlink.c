/* SPDX-License-Identifier: Apache-2.0 */

/* Symbolic links.  The inode's size is the target's length, and all parts but the last are full. */

#include "extent/symlink.h"

#include <string.h>
#include <sys/stat.h>

#include "extent/format.h"

static struct key symlink_key(uint64_t ino, uint64_t part)
{
	return key_make(ZONE_FILE, ino, ITEM_SYMLINK, part);
}

int symlink_set(struct txn *txn, struct inode *inode, const char *target, size_t len)
{
	int err;

	assert(S_ISLNK(inode->mode));
	if (len > SYMLINK_MAX_LEN)
		return -ENAMETOOLONG;
	if (len == 0 || memchr(target, '\0', len))
		return -EINVAL;
	for (size_t at = 0; at < len; at += ITEM_VALUE_MAX) {
		err = txn_put(txn, symlink_key(inode->ino, at / ITEM_VALUE_MAX), target + at,
			      min_u64(len - at, ITEM_VALUE_MAX));
		if (err)
			return err;
	}
	inode->size = len;
	return inode_put(txn, inode);
}

int symlink_get(struct txn *txn, uint64_t ino, char *buf, size_t *ret_len)
{
	struct inode inode;
	struct item item;
	int err;

	err = inode_get(txn, ino, &inode);
	if (err)
		return err;
	if (!S_ISLNK(inode.mode))
		return -EINVAL;
	for (size_t at = 0; at < inode.size; at += item.len) {
		err = txn_get(txn, symlink_key(ino, at / ITEM_VALUE_MAX), &item);
		if (err)
			return err == -ENOENT ? -EUCLEAN : err;
		if (item.len != min_u64(inode.size - at, ITEM_VALUE_MAX))
			return -EUCLEAN;
		memcpy(buf + at, item.val, item.len);
	}
	*ret_len = inode.size;
	return 0;
}
