/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Inode items.  What inode_get returns is sane by itself: its type is one of the seven, its times are times, its
 * size and counts are in range; so the code above needs no second look.  What the disk says otherwise is -EUCLEAN.
 */

#include "extent/inode.h"

#include <string.h>
#include <sys/stat.h>

#include "extent/format.h"
#include "extent/orphan.h"

#define SYMLINK_SIZE_MAX 4096u

static_assert(INODE_LOG_PUT == sizeof(struct disk_change) + sizeof(struct disk_inode), "log size of an inode");

static struct key inode_key(uint64_t ino)
{
	return key_make(ZONE_FILE, ino, ITEM_INODE, 0);
}

static bool ino_is_valid(uint64_t ino)
{
	return ino > 0 && ino <= KEY_LOW_MAX;
}

static bool size_is_valid(const struct inode *inode)
{
	switch (inode->mode & S_IFMT) {
	case S_IFREG:
		return inode->size <= INODE_SIZE_MAX;
	case S_IFDIR:
		return inode->size <= KEY_LOW_MAX;
	case S_IFLNK:
		return inode->size > 0 && inode->size <= SYMLINK_SIZE_MAX;
	default:
		return inode->size == 0;
	}
}

static bool trim_is_valid(const struct inode *inode)
{
	if (inode->trim_from == INODE_NO_TRIM)
		return true;
	return S_ISREG(inode->mode) && inode->trim_from <= KEY_LOW_MAX;
}

static bool times_are_valid(const struct inode *inode)
{
	return inode->atime.nsec < NSEC_PER_SEC && inode->mtime.nsec < NSEC_PER_SEC &&
	       inode->ctime.nsec < NSEC_PER_SEC && inode->btime.nsec < NSEC_PER_SEC;
}

static bool links_are_valid(const struct inode *inode)
{
	if (inode->nlink > INODE_NLINK_MAX || inode->parent > KEY_LOW_MAX)
		return false;
	return !S_ISDIR(inode->mode) || (inode->nlink != 1 && inode->parent != 0);
}

static bool inode_is_valid(const struct inode *inode)
{
	return ino_is_valid(inode->ino) && item_mode_is_valid(inode->mode) && size_is_valid(inode) &&
	       links_are_valid(inode) && times_are_valid(inode) && trim_is_valid(inode) &&
	       inode->blocks <= KEY_LOW_MAX && inode->change <= INODE_CHANGE_MAX;
}

static struct inode_time time_decode(struct disk_time t)
{
	return (struct inode_time){ (int64_t)le64_get(t.sec), le32_get(t.nsec) };
}

static struct disk_time time_encode(struct inode_time t)
{
	return (struct disk_time){ le64_make((uint64_t)t.sec), le32_make(t.nsec) };
}

static void inode_decode(uint64_t ino, const struct disk_inode *d, struct inode *inode)
{
	*inode = (struct inode){
		.ino = ino,
		.mode = le32_get(d->mode),
		.uid = le32_get(d->uid),
		.gid = le32_get(d->gid),
		.nlink = le32_get(d->nlink),
		.size = le64_get(d->size),
		.blocks = le64_get(d->blocks),
		.change = le64_get(d->change),
		.generation = le64_get(d->generation),
		.atime = time_decode(d->atime),
		.mtime = time_decode(d->mtime),
		.ctime = time_decode(d->ctime),
		.btime = time_decode(d->btime),
		.parent = le64_get(d->parent),
		.rdev_major = le32_get(d->rdev_major),
		.rdev_minor = le32_get(d->rdev_minor),
		.flags = le32_get(d->flags),
		.nr_xattrs = le32_get(d->nr_xattrs),
		.trim_from = le64_get(d->trim_from),
	};
}

static void inode_encode(const struct inode *inode, struct disk_inode *d)
{
	*d = (struct disk_inode){
		.mode = le32_make(inode->mode),
		.uid = le32_make(inode->uid),
		.gid = le32_make(inode->gid),
		.nlink = le32_make(inode->nlink),
		.size = le64_make(inode->size),
		.blocks = le64_make(inode->blocks),
		.change = le64_make(inode->change),
		.generation = le64_make(inode->generation),
		.atime = time_encode(inode->atime),
		.mtime = time_encode(inode->mtime),
		.ctime = time_encode(inode->ctime),
		.btime = time_encode(inode->btime),
		.parent = le64_make(inode->parent),
		.rdev_major = le32_make(inode->rdev_major),
		.rdev_minor = le32_make(inode->rdev_minor),
		.flags = le32_make(inode->flags),
		.nr_xattrs = le32_make(inode->nr_xattrs),
		.trim_from = le64_make(inode->trim_from),
	};
}

int inode_get_any(struct txn *txn, uint64_t ino, struct inode *ret_inode)
{
	struct disk_inode disk;
	struct inode inode;
	struct item item;
	int err;

	if (!ino_is_valid(ino))
		return -ENOENT;
	err = txn_get(txn, inode_key(ino), &item);
	if (err)
		return err;
	if (item.len != sizeof(disk))
		return -EUCLEAN;
	memcpy(&disk, item.val, sizeof(disk));
	inode_decode(ino, &disk, &inode);
	if (!inode_is_valid(&inode))
		return -EUCLEAN;
	*ret_inode = inode;
	return 0;
}

int inode_get(struct txn *txn, uint64_t ino, struct inode *ret_inode)
{
	struct inode inode;
	int err;

	err = inode_get_any(txn, ino, &inode);
	if (err)
		return err;
	if (inode.flags & INODE_REAPING)
		return -ENOENT;
	*ret_inode = inode;
	return 0;
}

int inode_get_gen(struct txn *txn, uint64_t ino, uint64_t generation, struct inode *ret_inode)
{
	struct inode inode;
	int err;

	err = inode_get(txn, ino, &inode);
	if (err)
		return err == -ENOENT ? -ESTALE : err;
	if (inode.generation != generation)
		return -ESTALE;
	*ret_inode = inode;
	return 0;
}

/* Written as it is: a symbolic link without its target yet passes here only. */
static int inode_write(struct txn *txn, const struct inode *inode)
{
	struct disk_inode disk;

	inode_encode(inode, &disk);
	return txn_put(txn, inode_key(inode->ino), &disk, sizeof(disk));
}

int inode_put(struct txn *txn, const struct inode *inode)
{
	if (!inode_is_valid(inode))
		return -EUCLEAN;
	return inode_write(txn, inode);
}

struct inode_time inode_time_of(uint64_t ns)
{
	return (struct inode_time){ (int64_t)(ns / NSEC_PER_SEC), (uint32_t)(ns % NSEC_PER_SEC) };
}

struct inode_time inode_time_now(const struct txn *txn)
{
	return inode_time_of(txn_wall_ns(txn));
}

void inode_touch(struct txn *txn, struct inode *inode, bool data)
{
	inode->change++;
	inode->ctime = inode_time_now(txn);
	if (data)
		inode->mtime = inode->ctime;
}

/*
 * A one-to-one scrambling of the sequence number, so that no two transactions give the same generation, and nobody
 * without the volume's seed guesses a handle by counting.
 */
static uint64_t inode_generation(const struct txn *txn, uint64_t seq)
{
	uint64_t x = seq ^ txn_hash_seed(txn);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static struct inode inode_new(struct txn *txn, uint64_t ino, uint32_t mode, uint64_t parent)
{
	struct inode_time now = inode_time_now(txn);

	return (struct inode){
		.ino = ino,
		.mode = mode,
		.nlink = S_ISDIR(mode) ? 2 : 1,
		.change = 1,
		.generation = inode_generation(txn, txn_seq(txn)),
		.atime = now,
		.mtime = now,
		.ctime = now,
		.btime = now,
		.parent = parent,
		.trim_from = INODE_NO_TRIM,
	};
}

int inode_create(struct txn *txn, uint32_t mode, uint32_t uid, uint32_t gid, uint32_t rdev_major, uint32_t rdev_minor,
		 uint64_t parent, struct inode *ret_inode)
{
	bool is_device = S_ISBLK(mode) || S_ISCHR(mode);
	struct inode inode;
	int err;

	if (!item_mode_is_valid(mode) || !ino_is_valid(parent) || (!is_device && (rdev_major || rdev_minor)))
		return -EINVAL;
	inode = inode_new(txn, txn_new_ino(txn), mode, parent);
	inode.uid = uid;
	inode.gid = gid;
	inode.rdev_major = rdev_major;
	inode.rdev_minor = rdev_minor;
	err = inode_write(txn, &inode);
	if (err)
		return err;
	*ret_inode = inode;
	return 0;
}

int inode_create_root(struct txn *txn, uint32_t mode, uint32_t uid, uint32_t gid)
{
	struct inode inode;

	if (mode & ~(uint32_t)07777)
		return -EINVAL;
	inode = inode_new(txn, INO_ROOT, S_IFDIR | mode, INO_ROOT);
	inode.uid = uid;
	inode.gid = gid;
	return inode_put(txn, &inode);
}

static uint64_t size_in_blocks(uint64_t size)
{
	return (size >> DADDR_BLOCK_SHIFT) + ((size & (DADDR_BLOCK_SIZE - 1)) != 0);
}

int inode_may_map(const struct inode *inode, uint64_t blk)
{
	return blk >= inode->trim_from ? -EAGAIN : 0;
}

int inode_may_grow(const struct inode *inode, uint64_t size)
{
	if (size <= inode->size)
		return 0;
	if (inode->flags & (INODE_DIRTY_TAIL | INODE_DIRTY_BEHIND))
		return -EAGAIN;
	return size_in_blocks(size) > inode->trim_from ? -EAGAIN : 0;
}

bool inode_dirty_tail(const struct inode *inode, uint64_t *ret_off, uint32_t *ret_len)
{
	uint32_t into = (uint32_t)(inode->size & (DADDR_BLOCK_SIZE - 1));

	if (!(inode->flags & INODE_DIRTY_TAIL) || into == 0)
		return false;
	*ret_off = inode->size;
	*ret_len = DADDR_BLOCK_SIZE - into;
	return true;
}

int inode_tail_zeroed(struct txn *txn, uint64_t ino, uint64_t size)
{
	struct inode inode;
	int err;

	err = inode_get(txn, ino, &inode);
	if (err)
		return err;
	if (inode.size != size)
		return -ESTALE;
	if (!(inode.flags & INODE_DIRTY_TAIL))
		return 0;
	inode.flags &= ~INODE_DIRTY_TAIL;
	return inode_put(txn, &inode);
}

/* Nothing is mapped where blocks is 0: then there is nothing to trim, and no tail. */
int inode_trim_behind(struct txn *txn, struct inode *inode)
{
	inode->flags &= ~INODE_DIRTY_BEHIND;
	if (inode->blocks == 0)
		return 0;
	inode->trim_from = min_u64(inode->trim_from, size_in_blocks(inode->size));
	return orphan_add(txn, inode->ino);
}

static int inode_shrink(struct txn *txn, struct inode *inode, uint64_t size)
{
	inode->size = size;
	inode->flags &= ~INODE_DIRTY_TAIL;
	if (inode->blocks && !is_aligned_u64(size, DADDR_BLOCK_SIZE))
		inode->flags |= INODE_DIRTY_TAIL;
	return inode_trim_behind(txn, inode);
}

static int inode_set_size(struct txn *txn, struct inode *inode, uint64_t size)
{
	int err;

	if (S_ISDIR(inode->mode))
		return -EISDIR;
	if (!S_ISREG(inode->mode))
		return -EINVAL;
	if (size > INODE_SIZE_MAX)
		return -EFBIG;
	if (size < inode->size)
		return inode_shrink(txn, inode, size);
	err = inode_may_grow(inode, size);
	if (err)
		return err;
	inode->size = size;
	return 0;
}

static bool attrs_are_valid(const struct inode_attrs *a)
{
	return !((a->mask & INODE_SET_MODE) && (a->mode & ~(uint32_t)07777)) &&
	       !((a->mask & INODE_SET_ATIME) && a->atime.nsec >= NSEC_PER_SEC) &&
	       !((a->mask & INODE_SET_MTIME) && a->mtime.nsec >= NSEC_PER_SEC) &&
	       !((a->mask & INODE_SET_BTIME) && a->btime.nsec >= NSEC_PER_SEC);
}

static void inode_apply_attrs(struct inode *inode, const struct inode_attrs *a)
{
	if (a->mask & INODE_SET_MODE)
		inode->mode = (inode->mode & S_IFMT) | a->mode;
	if (a->mask & INODE_SET_UID)
		inode->uid = a->uid;
	if (a->mask & INODE_SET_GID)
		inode->gid = a->gid;
	if (a->mask & INODE_SET_ATIME)
		inode->atime = a->atime;
	if (a->mask & INODE_SET_MTIME)
		inode->mtime = a->mtime;
	if (a->mask & INODE_SET_BTIME)
		inode->btime = a->btime;
}

int inode_setattr(struct txn *txn, uint64_t ino, const struct inode_attrs *attrs, struct inode *ret_inode)
{
	bool sized = attrs->mask & INODE_SET_SIZE;
	struct inode inode;
	int err;

	if (!attrs_are_valid(attrs))
		return -EINVAL;
	err = inode_get(txn, ino, &inode);
	if (!err && sized)
		err = inode_set_size(txn, &inode, attrs->size);
	if (err)
		return err;
	if (attrs->mask) {
		inode_touch(txn, &inode, sized);
		inode_apply_attrs(&inode, attrs);
		err = inode_put(txn, &inode);
		if (err)
			return err;
	}
	*ret_inode = inode;
	return 0;
}
