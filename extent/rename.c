/* SPDX-License-Identifier: Apache-2.0 */

/*
 * name_rename.  All questions are asked before the first change, on copies of the inodes involved; the rules make
 * sure that these are different inodes, or the tree is damaged.
 */

#include <dirent.h>
#include <sys/stat.h>

#include "extent/name.h"

struct rename {
	const struct name_at *from;
	const struct name_at *to;
	bool exchange;
	bool same_dir;
	bool has_other;
	struct inode from_dir;
	struct inode to_dir_copy;
	struct inode *to_dir; /* from_dir where they are one */
	struct dir_entry from_entry;
	struct dir_entry to_entry; /* with has_other */
	struct inode moved;
	struct inode other; /* with has_other */
};

static int rename_find_other(struct txn *txn, struct rename *r)
{
	int err;

	err = dir_lookup(txn, r->to->dir, r->to->name, r->to->len, &r->to_entry);
	if (err == -ENOENT)
		return r->exchange ? -ENOENT : 0;
	if (err)
		return err;
	r->has_other = true;
	return name_get_target(txn, r->to_dir, &r->to_entry, &r->other);
}

static int rename_find(struct txn *txn, struct rename *r)
{
	int err;

	r->same_dir = r->from->dir == r->to->dir;
	r->to_dir = r->same_dir ? &r->from_dir : &r->to_dir_copy;
	err = name_get_dir(txn, r->from->dir, false, &r->from_dir);
	if (!err)
		err = name_get_dir(txn, r->to->dir, false, r->to_dir);
	if (!err)
		err = dir_check_name(r->to->name, r->to->len);
	if (!err)
		err = dir_lookup(txn, r->from->dir, r->from->name, r->from->len, &r->from_entry);
	if (!err)
		err = name_get_target(txn, &r->from_dir, &r->from_entry, &r->moved);
	if (!err && r->to_dir->nlink == 0)
		err = -ENOENT;
	return err ? err : rename_find_other(txn, r);
}

/* -EINVAL if directory @dir is @below or lies below it. */
static int rename_check_above(struct txn *txn, uint64_t dir, uint64_t below)
{
	struct inode inode;
	int err;

	for (unsigned int depth = 0; depth < NAME_DEPTH_MAX; depth++) {
		if (dir == below)
			return -EINVAL;
		if (dir == INO_ROOT)
			return 0;
		err = name_get_dir(txn, dir, true, &inode);
		if (err)
			return err == -ENOENT || err == -ENOTDIR ? -EUCLEAN : err;
		dir = inode.parent;
	}
	return -ELOOP;
}

/* No directory gets below itself. */
static int rename_check_loops(struct txn *txn, const struct rename *r)
{
	int err = 0;

	if (r->same_dir)
		return 0;
	if (S_ISDIR(r->moved.mode))
		err = rename_check_above(txn, r->to->dir, r->moved.ino);
	if (!err && r->exchange && S_ISDIR(r->other.mode))
		err = rename_check_above(txn, r->from->dir, r->other.ino);
	return err;
}

/* Whether what is at the new name may go. */
static int rename_check_replaced(struct txn *txn, const struct rename *r)
{
	bool empty;
	int err;

	if (!S_ISDIR(r->other.mode))
		return S_ISDIR(r->moved.mode) ? -ENOTDIR : 0;
	if (!S_ISDIR(r->moved.mode))
		return -EISDIR;
	err = dir_is_empty(txn, r->other.ino, &empty);
	if (err)
		return err;
	return empty ? 0 : -ENOTEMPTY;
}

static bool rename_is_dir_of_it(const struct rename *r, uint64_t ino)
{
	return ino == r->from_dir.ino || ino == r->to_dir->ino;
}

static int rename_check(struct txn *txn, const struct rename *r)
{
	int err;

	err = rename_check_loops(txn, r);
	if (!err && r->has_other && !r->exchange)
		err = rename_check_replaced(txn, r);
	if (err)
		return err;
	if (rename_is_dir_of_it(r, r->moved.ino) || (r->has_other && rename_is_dir_of_it(r, r->other.ino)))
		return -EUCLEAN;
	return 0;
}

/* An entry for a directory, or not, leaves @r's one directory and comes to the other. */
static int rename_count_move(struct inode *from, struct inode *to, bool is_dir)
{
	int err;

	err = name_dir_count(from, -1, is_dir);
	return err ? err : name_dir_count(to, 1, is_dir);
}

static int rename_count(struct rename *r)
{
	int err;

	if (r->has_other && !r->exchange) {
		err = name_dir_count(r->to_dir, -1, S_ISDIR(r->other.mode));
		if (err)
			return err;
	}
	err = rename_count_move(&r->from_dir, r->to_dir, S_ISDIR(r->moved.mode));
	if (!err && r->exchange)
		err = rename_count_move(r->to_dir, &r->from_dir, S_ISDIR(r->other.mode));
	return err;
}

static int rename_entries(struct txn *txn, const struct rename *r)
{
	uint8_t type = IFTODT(r->moved.mode);
	int err;

	if (r->exchange)
		err = dir_replace(txn, r->from->dir, &r->from_entry, r->other.ino, IFTODT(r->other.mode));
	else
		err = dir_remove(txn, r->from->dir, &r->from_entry);
	if (err)
		return err;
	if (r->has_other)
		return dir_replace(txn, r->to->dir, &r->to_entry, r->moved.ino, type);
	return dir_insert(txn, r->to->dir, r->to->name, r->to->len, r->moved.ino, type);
}

static int rename_put_moved(struct txn *txn, struct inode *inode, uint64_t parent)
{
	inode->parent = parent;
	inode_touch(txn, inode, false);
	return inode_put(txn, inode);
}

static int rename_put_dir(struct txn *txn, struct inode *dir)
{
	inode_touch(txn, dir, true);
	return inode_put(txn, dir);
}

static int rename_inodes(struct txn *txn, struct rename *r)
{
	int err;

	err = rename_put_moved(txn, &r->moved, r->to->dir);
	if (!err && r->exchange)
		err = rename_put_moved(txn, &r->other, r->from->dir);
	if (!err && r->has_other && !r->exchange)
		err = name_drop_link(txn, &r->other);
	if (!err)
		err = rename_put_dir(txn, &r->from_dir);
	if (!err && !r->same_dir)
		err = rename_put_dir(txn, r->to_dir);
	return err;
}

static void rename_report(const struct rename *r, bool nothing, struct name_rename_result *ret)
{
	*ret = (struct name_rename_result){
		.nothing = nothing,
		.from_dir = r->from_dir,
		.to_dir = *r->to_dir,
		.moved = r->moved,
		.has_other = r->has_other,
	};
	if (r->has_other)
		ret->other = r->other;
}

int name_rename(struct txn *txn, const struct name_at *from, const struct name_at *to, unsigned int flags,
		struct name_rename_result *ret)
{
	struct rename r = { .from = from, .to = to, .exchange = flags & NAME_EXCHANGE };
	int err;

	if ((flags & ~(NAME_NOREPLACE | NAME_EXCHANGE)) || flags == (NAME_NOREPLACE | NAME_EXCHANGE))
		return -EINVAL;
	err = rename_find(txn, &r);
	if (err)
		return err;
	if (r.has_other && (flags & NAME_NOREPLACE))
		return -EEXIST;
	if (r.has_other && r.moved.ino == r.other.ino) {
		rename_report(&r, true, ret);
		return 0;
	}
	err = rename_check(txn, &r);
	if (!err)
		err = rename_count(&r);
	if (!err)
		err = rename_entries(txn, &r);
	if (!err)
		err = rename_inodes(txn, &r);
	if (err)
		return err;
	rename_report(&r, false, ret);
	return 0;
}
