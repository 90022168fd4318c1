/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_INODE_H
#define LAMINA_EXTENT_INODE_H

/*
 * Inodes in host form.  A file handle needs only (ino, generation); inode numbers are never reused, and the
 * generation is checked all the same (I7).
 *
 * Shrinking a file.  A transaction is bounded and a map is not, so a shrink only moves the size and marks, in the
 * same instant, everything from trim_from on as going away; transactions after it take the mappings in bounded steps
 * (inode_trim_step, in extent/orphan.h).  Until the last of them
 *   - whoever reads the map takes everything at and behind trim_from for a hole;
 *   - nobody maps blocks there, and the file does not grow beyond it: inode_may_map() and inode_may_grow() say
 *     -EAGAIN, and the caller runs the steps first;
 *   - the inode has an item in ZONE_ORPHAN, so that a mount finds the work (extent/orphan.h).
 * Where the new size lies inside a block, the bytes behind it in that block are still there and must be zeros before
 * the file grows: INODE_DIRTY_TAIL remembers it, across crashes too.  Data I/O belongs to the server: it zeroes
 * what inode_dirty_tail() names and then calls inode_tail_zeroed().
 *
 * The size of a directory is the number of its entries.  Bytes of changes are given as INODE_LOG_..., for
 * txn_options.log_max.
 */

#include "extent/txn.h"

#define INO_ROOT	 1
#define INODE_NO_TRIM	 UINT64_MAX
#define INODE_SIZE_MAX	 ((uint64_t)INT64_MAX) /* bytes */
#define INODE_CHANGE_MAX ((uint64_t)INT64_MAX)
#define INODE_NLINK_MAX	 ((uint32_t)INT32_MAX)

/* Bits of flags; others are kept as they are. */
#define INODE_DIRTY_TAIL   1u /* between size and the end of its block may be old bytes */
#define INODE_REAPING	   2u /* orphan_reap_step() has begun to take it apart */
#define INODE_DIRTY_BEHIND 4u /* blocks wholly behind the end may be written, with anything in them */

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

#define INODE_LOG_PUT 148u

/*
 * Any @ino may be asked for.  -ENOENT: there is no such inode (never was, is freed, or orphan_reap_step() has begun
 * to take it apart).  -EUCLEAN: it is damaged.
 */
int inode_get(struct txn *txn, uint64_t ino, struct inode *ret_inode) MUST_CHECK;
/* As inode_get(), and also one that is being taken apart (INODE_REAPING): some of what it had may be gone. */
int inode_get_any(struct txn *txn, uint64_t ino, struct inode *ret_inode) MUST_CHECK;
/* The inode of a file handle; -ESTALE where there is none with this number and generation. */
int inode_get_gen(struct txn *txn, uint64_t ino, uint64_t generation, struct inode *ret_inode) MUST_CHECK;
/* Write @inode as it is (INODE_LOG_PUT).  -EUCLEAN: inode_get would refuse it; nothing is written. */
int inode_put(struct txn *txn, const struct inode *inode) MUST_CHECK;
/* Set ctime to now and raise the change attribute of @inode in memory; with @data mtime too.  The caller puts it. */
void inode_touch(struct txn *txn, struct inode *inode, bool data);
/* @ns of the wall clock as a time of an inode. */
struct inode_time inode_time_of(uint64_t ns);
/* The time of this run of the body. */
struct inode_time inode_time_now(const struct txn *txn);

/*
 * Make an inode with a number and a generation that never were, nlink 2 for a directory and 1 for all others, and
 * write it (INODE_LOG_PUT).  The caller gives it its name in @parent (a directory's number) in the same transaction,
 * and a symbolic link its target (symlink_set, before that its size is 0 and inode_get refuses it).
 * @mode: type and permissions.  @rdev_major and @rdev_minor: of devices, else 0.  -EINVAL: no such type or bits.
 */
int inode_create(struct txn *txn, uint32_t mode, uint32_t uid, uint32_t gid, uint32_t rdev_major, uint32_t rdev_minor,
		 uint64_t parent, struct inode *ret_inode) MUST_CHECK;
/* The root directory of a new volume: INO_ROOT, its own parent.  @mode: permissions only.  INODE_LOG_PUT. */
int inode_create_root(struct txn *txn, uint32_t mode, uint32_t uid, uint32_t gid) MUST_CHECK;

enum inode_attr_mask {
	INODE_SET_MODE = 1 << 0,
	INODE_SET_UID = 1 << 1,
	INODE_SET_GID = 1 << 2,
	INODE_SET_SIZE = 1 << 3,
	INODE_SET_ATIME = 1 << 4,
	INODE_SET_MTIME = 1 << 5,
	INODE_SET_BTIME = 1 << 6,
};

struct inode_attrs {
	unsigned int mask; /* of enum inode_attr_mask: which of these are to be set */
	uint32_t mode;	   /* permissions, 07777 at most */
	uint32_t uid;
	uint32_t gid;
	uint64_t size;
	struct inode_time atime, mtime, btime;
};

#define INODE_LOG_SETATTR (INODE_LOG_PUT + 20u)

/*
 * Set what @attrs->mask names, all of it or nothing; ctime and change follow, with a size mtime too.  Who may, and
 * what happens to set-user-ID bits, is the server's business.  A smaller size begins a trim as said above.
 * -EINVAL: permission bits or times out of range, or a size for what is neither file nor directory; -EISDIR: a size
 * for a directory; -EFBIG: more than INODE_SIZE_MAX; -EAGAIN: as inode_may_grow().
 */
int inode_setattr(struct txn *txn, uint64_t ino, const struct inode_attrs *attrs, struct inode *ret_inode) MUST_CHECK;

/* -EAGAIN: @blk (4 KiB) lies in a part of the file whose old mappings are still being taken away. */
int inode_may_map(const struct inode *inode, uint64_t blk) MUST_CHECK;
/*
 * -EAGAIN: finish the trim, zero the tail and trim what is written behind the end before the size becomes @size
 * (smaller ones always may).
 */
int inode_may_grow(const struct inode *inode, uint64_t size) MUST_CHECK;
/* Whether bytes [*ret_off, *ret_off + *ret_len), all in one block, must be made zeros (where written) before growth.
 */
bool inode_dirty_tail(const struct inode *inode, uint64_t *ret_off, uint32_t *ret_len);
/*
 * In memory: everything behind the end of file goes away, as if it had just been cut there (the caller puts @inode).
 * ORPHAN_LOG_ADD.
 */
int inode_trim_behind(struct txn *txn, struct inode *inode) MUST_CHECK;
/* The server has zeroed the tail of a file of @size bytes, durably.  -ESTALE: its size is another now. */
int inode_tail_zeroed(struct txn *txn, uint64_t ino, uint64_t size) MUST_CHECK;

#endif
