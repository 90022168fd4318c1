/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Keeps the list of inodes with unfinished work: an inode is on it exactly while it has no name or a trim to do, for
 * every change of either is made together with the change of the list.
 */

#include "extent/orphan.h"

static struct key orphan_key(uint64_t ino)
{
	return key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, ino);
}

int orphan_add(struct txn *txn, uint64_t ino)
{
	struct item item;
	int err;

	err = txn_get(txn, orphan_key(ino), &item);
	if (err != -ENOENT)
		return err;
	return txn_put(txn, orphan_key(ino), NULL, 0);
}

int orphan_drop(struct txn *txn, const struct inode *inode)
{
	int err;

	if (inode->nlink == 0 || inode->trim_from != INODE_NO_TRIM)
		return 0;
	err = txn_delete(txn, orphan_key(inode->ino));
	return err == -ENOENT ? 0 : err;
}

int orphan_next(struct txn *txn, uint64_t after, uint64_t *ret_ino)
{
	struct item item;
	int err;

	if (after >= KEY_LOW_MAX)
		return -ENOENT;
	err = txn_next(txn, orphan_key(after + 1), orphan_key(KEY_LOW_MAX), &item);
	if (err)
		return err;
	*ret_ino = key_off(item.key);
	return 0;
}
