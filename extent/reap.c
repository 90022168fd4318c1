/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Finishes the work that the list of orphans names: trims of shrunken files, and the taking apart of inodes without a
 * name.  Each step is a piece of work of its own, recorded by its being gone: so after a crash the next step goes on
 * where the last durable one ended, and nothing is freed twice.
 */

#include <sys/stat.h>

#include "extent/orphan.h"

/* Punch from @blk on; *@ret_more as map_truncate(). */
static int reap_maps(struct txn *txn, struct inode *inode, uint64_t blk, uint64_t tag, unsigned int max,
		     bool *ret_more)
{
	if (blk < MAP_BLK_MAX)
		return map_truncate(txn, inode, blk, tag, max, ret_more);
	*ret_more = false;
	return 0;
}

int inode_trim_step(struct txn *txn, uint64_t ino, uint64_t limbo_tag, unsigned int max, bool *ret_more)
{
	struct inode inode;
	bool more = false;
	int err;

	err = inode_get(txn, ino, &inode);
	if (err)
		return err;
	if (inode.trim_from != INODE_NO_TRIM) {
		err = reap_maps(txn, &inode, inode.trim_from, limbo_tag, max, &more);
		if (err)
			return err;
		if (!more)
			inode.trim_from = INODE_NO_TRIM;
		err = inode_put(txn, &inode);
		if (!err)
			err = orphan_drop(txn, &inode);
		if (err)
			return err;
	}
	*ret_more = more;
	return 0;
}

/* Delete at most @max of the items that an inode has besides its maps. */
static int reap_items(struct txn *txn, uint64_t ino, unsigned int max, bool *ret_more)
{
	struct key first = key_make(ZONE_FILE, ino, ITEM_SYMLINK, 0);
	struct key last = key_make(ZONE_FILE, ino, ITEM_XATTR, KEY_LOW_MAX);
	struct item item;
	int err;

	static_assert(ITEM_XATTR == ITEM_SYMLINK + 1, "one range");
	for (unsigned int n = 0; n <= max; n++) {
		err = txn_next(txn, first, last, &item);
		if (err == -ENOENT) {
			*ret_more = false;
			return 0;
		}
		if (!err && n < max)
			err = txn_delete(txn, item.key);
		if (err)
			return err;
	}
	*ret_more = true;
	return 0;
}

/* Nothing may be left of it but inode and list entry. */
static int reap_inode(struct txn *txn, uint64_t ino)
{
	struct key first = key_make(ZONE_FILE, ino, 0, 0);
	struct item item;
	int err;

	err = txn_delete(txn, key_make(ZONE_FILE, ino, ITEM_INODE, 0));
	if (!err)
		err = txn_delete(txn, key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, ino));
	if (err)
		return err == -ENOENT ? -EUCLEAN : err;
	err = txn_next(txn, first, (struct key){ first.hi, UINT64_MAX }, &item);
	if (err == -ENOENT)
		return 0;
	return err ? err : -EUCLEAN;
}

int orphan_reap_step(struct txn *txn, uint64_t ino, uint64_t limbo_tag, unsigned int max, bool *ret_more)
{
	struct inode inode;
	bool more = false;
	int err;

	err = inode_get_any(txn, ino, &inode);
	if (err)
		return err;
	if (inode.nlink > 0)
		return -EBUSY;
	if (S_ISREG(inode.mode)) {
		inode.trim_from = 0;
		err = reap_maps(txn, &inode, 0, limbo_tag, max, &more);
	}
	if (!err && !more)
		err = reap_items(txn, ino, max, &more);
	if (err)
		return err;
	if (more) {
		inode.flags |= INODE_REAPING;
		err = inode_put(txn, &inode);
	} else {
		err = reap_inode(txn, ino);
	}
	if (err)
		return err;
	*ret_more = more;
	return 0;
}
