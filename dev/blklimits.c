/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds out what a device can do, by asking only: nothing on it changes.  Where the kernel does not tell, the careful
 * answer is taken: there is a volatile cache, there is no FUA, and nothing can be discarded.
 */
#include "dev/blklimits.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/sysfs.h"

#define SECTOR_MIN 512u
#define SECTOR_MAX 4096u

static bool disk_has(const struct sysfs_block *sys, const char *attr)
{
	uint64_t value;

	return sysfs_read_u64(sys->disk, attr, &value) == 0 && value > 0;
}

/* "write through" is the only answer that promises that nothing is lost. */
static bool disk_has_volatile_cache(const struct sysfs_block *sys)
{
	char text[32];

	return sysfs_read_text(sys->disk, "queue/write_cache", text, sizeof(text)) != 0 ||
	       strcmp(text, "write through") != 0;
}

static void ask_queue(dev_t rdev, struct blklimits *l)
{
	struct sysfs_block sys;

	l->volatile_cache = true;
	if (sysfs_block_find(rdev, &sys) != 0)
		return;
	l->is_partition = sys.is_partition;
	l->volatile_cache = disk_has_volatile_cache(&sys);
	l->fua = disk_has(&sys, "queue/fua");
	l->can_discard = disk_has(&sys, "queue/discard_max_bytes");
	l->can_write_zeroes = disk_has(&sys, "queue/write_zeroes_max_bytes");
}

static int get_block(int fd, dev_t rdev, struct blklimits *l)
{
	int logical = 0, read_only = 0;
	unsigned int physical = 0;

	if (ioctl(fd, BLKGETSIZE64, &l->size) != 0 || ioctl(fd, BLKSSZGET, &logical) != 0)
		return -errno;
	if (ioctl(fd, BLKPBSZGET, &physical) != 0)
		physical = (unsigned int)logical;
	if (ioctl(fd, BLKROGET, &read_only) != 0)
		return -errno;
	if (logical <= 0)
		return -EOPNOTSUPP;
	l->is_block = true;
	l->direct = true;
	l->logical_sector = (uint32_t)logical;
	l->physical_sector = physical;
	l->read_only = read_only != 0;
	ask_queue(rdev, l);
	return 0;
}

/* Punching a hole behind the end changes nothing and tells whether holes can be punched. */
static bool file_can_punch(int fd, uint64_t size)
{
	return size <= INT64_MAX - SECTOR_MAX &&
	       fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)size, SECTOR_MAX) == 0;
}

static int get_file(int fd, const struct stat *st, struct blklimits *l)
{
	int flags = fcntl(fd, F_GETFL);
	struct statx sx = { 0 };

	if (flags < 0)
		return -errno;
	l->size = (uint64_t)st->st_size;
	l->direct = true;
	l->logical_sector = SECTOR_MAX;
	l->physical_sector = SECTOR_MAX;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) == 0 && (sx.stx_mask & STATX_DIOALIGN)) {
		l->direct = sx.stx_dio_offset_align != 0;
		l->logical_sector = (uint32_t)max_u64(sx.stx_dio_offset_align, sx.stx_dio_mem_align);
	}
	if (l->logical_sector < SECTOR_MIN)
		l->logical_sector = SECTOR_MIN;
	l->volatile_cache = true;
	if ((flags & O_ACCMODE) != O_RDONLY) {
		l->can_discard = file_can_punch(fd, l->size);
		l->can_write_zeroes = l->can_discard;
	}
	return 0;
}

int blklimits_get(int fd, struct blklimits *ret_limits)
{
	struct blklimits l = { 0 };
	struct stat st;
	int err;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		err = get_block(fd, st.st_rdev, &l);
	else if (S_ISREG(st.st_mode))
		err = get_file(fd, &st, &l);
	else
		err = -ENOTBLK;
	if (err)
		return err;
	if (!is_power_of_2_u64(l.logical_sector) || l.logical_sector < SECTOR_MIN || l.logical_sector > SECTOR_MAX)
		return -EOPNOTSUPP;
	if (!is_power_of_2_u64(l.physical_sector) || l.physical_sector < l.logical_sector)
		l.physical_sector = l.logical_sector;
	l.size = round_down_u64(l.size, l.logical_sector);
	if (l.size == 0)
		return -ENOMEDIUM;
	*ret_limits = l;
	return 0;
}

/* Who uses it: the kernel names stacked devices (RAID, LVM, multipath) as holders. */
static bool find_holder(const char *path, char *buf, size_t len)
{
	struct sysfs_block sys;
	struct stat st;

	return stat(path, &st) == 0 && S_ISBLK(st.st_mode) && sysfs_block_find(st.st_rdev, &sys) == 0 &&
	       sysfs_first_entry(sys.dir, "holders", buf, len) == 0;
}

static void explain_busy(const char *path, char *buf, size_t len)
{
	char holder[64];
	struct stat st;

	if (find_holder(path, holder, sizeof(holder)))
		snprintf(buf, len, "%s is in use: it is part of %s; take it out of there, or give another device",
			 path, holder);
	else if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		snprintf(buf, len,
			 "%s is in use by another lamina process; stop that one first (`fuser -v %s` shows it)", path,
			 path);
	else
		snprintf(buf, len,
			 "%s is in use: it, or a partition of it, is mounted, is swap, or another program has it "
			 "open; "
			 "unmount it or stop that program (`lsblk %s` and `fuser -v %s` show more)",
			 path, path, path);
}

void blklimits_explain(const char *path, int err, char *buf, size_t len)
{
	switch (err) {
	case -EBUSY:
		explain_busy(path, buf, len);
		break;
	case -ENOENT:
		snprintf(buf, len, "%s does not exist; `lamina devices` shows what there is", path);
		break;
	case -ENOTBLK:
		snprintf(buf, len,
			 "%s is neither a block device nor a plain file; `lamina devices` shows what there is", path);
		break;
	case -ENOMEDIUM:
		snprintf(buf, len,
			 "%s is empty: it has no medium or no size; a plain file gets one by `truncate -s SIZE %s`",
			 path, path);
		break;
	case -EROFS:
		snprintf(buf, len, "%s is read-only; allow writing (`blockdev --setrw %s`) or open it read-only",
			 path, path);
		break;
	case -EACCES:
	case -EPERM:
		snprintf(buf, len, "%s: no permission; run as root or allow this user to use it", path);
		break;
	case -EOPNOTSUPP:
		snprintf(buf, len, "%s has sectors larger than %u bytes, which Lamina can't use", path, SECTOR_MAX);
		break;
	default:
		snprintf(buf, len, "%s: %s", path, strerror(-err));
	}
}
