/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Making, linking and unlinking.  Everything is checked first and changed after, each inode is written once, and
 * what the disk says about a name in two places (entry and inode) must agree.
 */

#include "extent/name.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/orphan.h"
#include "extent/symlink.h"

static_assert(NAME_LOG_SYMLINK == NAME_LOG_CREATE + SYMLINK_LOG_SET, "log of a symbolic link");

int name_get_dir(struct txn *txn, uint64_t ino, bool alive, struct inode *ret_dir)
{
	struct inode dir;
	int err;

	err = inode_get(txn, ino, &dir);
	if (err)
		return err;
	if (!S_ISDIR(dir.mode))
		return -ENOTDIR;
	if (alive && dir.nlink == 0)
		return -ENOENT;
	*ret_dir = dir;
	return 0;
}

int name_get_target(struct txn *txn, const struct inode *dir, const struct dir_entry *entry, struct inode *ret_inode)
{
	struct inode inode;
	int err;

	err = inode_get(txn, entry->ino, &inode);
	if (err)
		return err == -ENOENT ? -EUCLEAN : err;
	if (IFTODT(inode.mode) != entry->type || inode.nlink == 0)
		return -EUCLEAN;
	if (S_ISDIR(inode.mode) && (inode.parent != dir->ino || inode.ino == dir->ino))
		return -EUCLEAN;
	*ret_inode = inode;
	return 0;
}

int name_dir_count(struct inode *dir, int delta, bool is_dir)
{
	if (delta > 0 && is_dir && dir->nlink == INODE_NLINK_MAX)
		return -EMLINK;
	if (delta < 0 && (dir->size == 0 || (is_dir && dir->nlink <= 2)))
		return -EUCLEAN;
	dir->size += (uint64_t)(int64_t)delta;
	if (is_dir)
		dir->nlink += (uint32_t)delta;
	return 0;
}

int name_drop_link(struct txn *txn, struct inode *inode)
{
	int err;

	inode->nlink = S_ISDIR(inode->mode) ? 0 : inode->nlink - 1;
	inode_touch(txn, inode, false);
	err = inode_put(txn, inode);
	if (err || inode->nlink > 0)
		return err;
	return orphan_add(txn, inode->ino);
}

static int name_lookup_parent(struct txn *txn, const struct inode *dir, struct inode *ret_parent)
{
	int err;

	if (dir->nlink == 0)
		return -ENOENT;
	err = name_get_dir(txn, dir->parent, true, ret_parent);
	return err == -ENOENT || err == -ENOTDIR ? -EUCLEAN : err;
}

int name_lookup(struct txn *txn, const struct name_at *at, struct name_result *ret)
{
	struct dir_entry entry;
	struct name_result r;
	int err;

	err = name_get_dir(txn, at->dir, false, &r.dir);
	if (err)
		return err;
	if (at->len == 1 && at->name[0] == '.') {
		r.inode = r.dir;
	} else if (at->len == 2 && memcmp(at->name, "..", 2) == 0) {
		err = name_lookup_parent(txn, &r.dir, &r.inode);
	} else {
		err = dir_lookup(txn, at->dir, at->name, at->len, &entry);
		if (!err)
			err = name_get_target(txn, &r.dir, &entry, &r.inode);
	}
	if (err)
		return err;
	*ret = r;
	return 0;
}

/* Enter @inode at @at, count it in the directory, and write the directory. */
static int name_enter(struct txn *txn, const struct name_at *at, struct inode *dir, const struct inode *inode)
{
	int err;

	err = dir_insert(txn, at->dir, at->name, at->len, inode->ino, IFTODT(inode->mode));
	if (!err)
		err = name_dir_count(dir, 1, S_ISDIR(inode->mode));
	if (err)
		return err;
	inode_touch(txn, dir, true);
	return inode_put(txn, dir);
}

/* -EEXIST before anything is changed, and before the name is found to be too much for its directory. */
static int name_check_new(struct txn *txn, const struct name_at *at)
{
	struct dir_entry entry;
	int err;

	err = dir_lookup(txn, at->dir, at->name, at->len, &entry);
	if (err == -ENOENT)
		return 0;
	return err ? err : -EEXIST;
}

int name_create(struct txn *txn, const struct name_at *at, const struct name_create *how, struct name_result *ret)
{
	struct name_result r;
	int err;

	err = name_get_dir(txn, at->dir, true, &r.dir);
	if (!err)
		err = name_check_new(txn, at);
	if (!err)
		err = inode_create(txn, how->mode, how->uid, how->gid, how->rdev_major, how->rdev_minor, at->dir,
				   &r.inode);
	if (!err && S_ISLNK(how->mode))
		err = symlink_set(txn, &r.inode, how->target, how->target_len);
	if (!err)
		err = name_enter(txn, at, &r.dir, &r.inode);
	if (err)
		return err;
	*ret = r;
	return 0;
}

static int name_may_link(const struct inode *inode)
{
	if (S_ISDIR(inode->mode))
		return -EISDIR;
	return inode->nlink >= INODE_NLINK_MAX ? -EMLINK : 0;
}

int name_link(struct txn *txn, uint64_t ino, const struct name_at *at, struct name_result *ret)
{
	struct name_result r;
	int err;

	err = name_get_dir(txn, at->dir, true, &r.dir);
	if (!err)
		err = inode_get(txn, ino, &r.inode);
	if (!err)
		err = name_may_link(&r.inode);
	if (!err)
		err = name_check_new(txn, at);
	if (err)
		return err;
	if (r.inode.nlink == 0)
		r.inode.parent = at->dir;
	r.inode.nlink++;
	inode_touch(txn, &r.inode, false);
	err = inode_put(txn, &r.inode);
	if (!err)
		err = orphan_drop(txn, &r.inode);
	if (!err)
		err = name_enter(txn, at, &r.dir, &r.inode);
	if (err)
		return err;
	*ret = r;
	return 0;
}

static int name_may_unlink(struct txn *txn, const struct inode *inode)
{
	bool empty;
	int err;

	if (!S_ISDIR(inode->mode))
		return 0;
	err = dir_is_empty(txn, inode->ino, &empty);
	if (err)
		return err;
	return empty ? 0 : -ENOTEMPTY;
}

int name_unlink(struct txn *txn, const struct name_at *at, struct name_result *ret)
{
	struct dir_entry entry;
	struct name_result r;
	int err;

	err = name_get_dir(txn, at->dir, false, &r.dir);
	if (!err)
		err = dir_lookup(txn, at->dir, at->name, at->len, &entry);
	if (!err)
		err = name_get_target(txn, &r.dir, &entry, &r.inode);
	if (!err)
		err = name_may_unlink(txn, &r.inode);
	if (!err)
		err = name_dir_count(&r.dir, -1, S_ISDIR(r.inode.mode));
	if (!err)
		err = dir_remove(txn, at->dir, &entry);
	if (!err)
		err = name_drop_link(txn, &r.inode);
	if (err)
		return err;
	inode_touch(txn, &r.dir, true);
	err = inode_put(txn, &r.dir);
	if (err)
		return err;
	*ret = r;
	return 0;
}
