/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_NAME_H
#define LAMINA_EXTENT_NAME_H

/*
 * Names: what makes, links, unlinks and renames.  Each function changes entries, inodes, link counts, times and the
 * list of orphans together (I5), and raises the change attribute of everything it touches by exactly one, so that
 * the value before is known from the value after.  The body that called one returns its error: half of its changes
 * may have been made.
 *
 * A directory's nlink is 2 + its subdirectories, its size the number of its entries, its parent the directory that
 * names it.  What loses its last name gets nlink 0 and is kept, listed in ZONE_ORPHAN, until orphan_reap_step().
 *
 * Common errors, besides those of the transaction: -ENOENT (also for a new name in a directory that is itself
 * removed), -ENOTDIR (where a directory is needed), -EINVAL and -ENAMETOOLONG (dir_check_name), -EUCLEAN (the tree of
 * names contradicts itself).
 */

#include "extent/dir.h"
#include "extent/inode.h"

/* Where a name is or will be. */
struct name_at {
	uint64_t dir; /* inode number; need not be a directory's: -ENOENT, -ENOTDIR */
	const char *name;
	size_t len;
};

/* What an operation left behind. */
struct name_result {
	struct inode dir;
	struct inode inode;
};

/* "." and ".." are found too; ".." of the root is the root, and of a removed directory -ENOENT. */
int name_lookup(struct txn *txn, const struct name_at *at, struct name_result *ret) MUST_CHECK;

struct name_create {
	uint32_t mode; /* type and permissions; the server has done umask and the set-group-ID inheritance */
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev_major, rdev_minor; /* of devices */
	const char *target;		 /* of a symbolic link */
	size_t target_len;
};

/* Bytes of changes, for txn_options.log_max. */
#define NAME_LOG_CREATE	 (2 * INODE_LOG_PUT + DIR_LOG_PUT)
#define NAME_LOG_SYMLINK (NAME_LOG_CREATE + 4096u + 2 * 20u + INODE_LOG_PUT)
#define NAME_LOG_LINK	 (2 * INODE_LOG_PUT + DIR_LOG_PUT + 20u)
#define NAME_LOG_UNLINK	 (2 * INODE_LOG_PUT + DIR_LOG_REMOVE + 20u)
#define NAME_LOG_RENAME	 (4 * INODE_LOG_PUT + 2 * DIR_LOG_PUT + 20u)

/* Make an inode of any type with its first name.  -EEXIST, -EMLINK (too many subdirectories), -ENOSPC (dir_insert).
 */
int name_create(struct txn *txn, const struct name_at *at, const struct name_create *how, struct name_result *ret)
	MUST_CHECK;
/*
 * Give inode @ino another name; an orphan thereby lives again (I8), unless its reaping has begun: -ENOENT.
 * -EISDIR: it is a directory; -EEXIST, -EMLINK, -ENOSPC as above.
 */
int name_link(struct txn *txn, uint64_t ino, const struct name_at *at, struct name_result *ret) MUST_CHECK;
/* Take a name away, a directory's only when that is empty (-ENOTEMPTY).  With the last one the inode is an orphan. */
int name_unlink(struct txn *txn, const struct name_at *at, struct name_result *ret) MUST_CHECK;

#define NAME_NOREPLACE 1u /* -EEXIST if the new name is there */
#define NAME_EXCHANGE  2u /* swap the two; both must be there */

#define NAME_DEPTH_MAX 4096 /* levels that a rename walks up to see that no directory gets into itself */

struct name_rename_result {
	bool nothing; /* both names were the same inode already: nothing has changed, not even times */
	struct inode from_dir;
	struct inode to_dir; /* equals from_dir within one directory */
	struct inode moved;
	bool has_other; /* there was something at the new name: replaced (then its nlink is lower), or exchanged */
	struct inode other;
};

/*
 * Rename as renameat2(2) with @flags.  A name that is replaced keeps its cookie.
 * -EISDIR: a directory would be replaced by something else; -ENOTDIR: the reverse; -ENOTEMPTY; -EEXIST; -EMLINK;
 * -EINVAL: a directory would get below itself, or bad flags; -ELOOP: a directory moves between directories, and the
 * new place is deeper than NAME_DEPTH_MAX.
 */
int name_rename(struct txn *txn, const struct name_at *from, const struct name_at *to, unsigned int flags,
		struct name_rename_result *ret) MUST_CHECK;

/* What name.c and rename.c share. */

/* A directory; with @alive one that still has a name (-ENOENT). */
int name_get_dir(struct txn *txn, uint64_t ino, bool alive, struct inode *ret_dir) MUST_CHECK;
/* The inode that @entry of @dir names; -EUCLEAN if the two do not fit together. */
int name_get_target(struct txn *txn, const struct inode *dir, const struct dir_entry *entry, struct inode *ret_inode)
	MUST_CHECK;
/* Count one entry more (@delta 1) or less (-1), or none, in @dir, one of them a directory if @is_dir; in memory. */
int name_dir_count(struct inode *dir, int delta, bool is_dir) MUST_CHECK;
/* @inode has lost a name (a directory: its name): count, touch and write it, orphan it at zero. */
int name_drop_link(struct txn *txn, struct inode *inode) MUST_CHECK;

#endif
