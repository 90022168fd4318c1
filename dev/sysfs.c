/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads attributes of block devices under /sys.  Nothing here trusts what it finds: a missing or strange attribute is
 * an error that the caller replaces by the careful assumption.
 */
#include "dev/sysfs.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int sysfs_block_find(dev_t rdev, struct sysfs_block *ret_block)
{
	char link[64], *dir, *slash;

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(rdev), minor(rdev));
	dir = realpath(link, NULL);
	if (!dir)
		return -ENOENT;
	if (strlen(dir) >= SYSFS_PATH_MAX) {
		free(dir);
		return -ENAMETOOLONG;
	}
	snprintf(ret_block->dir, SYSFS_PATH_MAX, "%s", dir);
	snprintf(ret_block->disk, SYSFS_PATH_MAX, "%s", dir);
	free(dir);
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u/partition", major(rdev), minor(rdev));
	ret_block->is_partition = access(link, F_OK) == 0;
	slash = strrchr(ret_block->disk, '/');
	if (ret_block->is_partition && slash)
		*slash = '\0';
	return 0;
}

int sysfs_read_text(const char *dir, const char *attr, char *buf, size_t len)
{
	char path[SYSFS_PATH_MAX + 64];
	ssize_t n;
	int fd;

	assert(len > 0);
	if (snprintf(path, sizeof(path), "%s/%s", dir, attr) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	if (n < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	close(fd);
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

int sysfs_read_u64(const char *dir, const char *attr, uint64_t *ret_value)
{
	char text[32] = "", *end;
	unsigned long long value;
	int err = sysfs_read_text(dir, attr, text, sizeof(text));

	if (err)
		return err;
	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int sysfs_first_entry(const char *dir, const char *sub, char *buf, size_t len)
{
	char path[SYSFS_PATH_MAX + 64];
	struct dirent *e;
	DIR *d;

	if (snprintf(path, sizeof(path), "%s/%s", dir, sub) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	d = opendir(path);
	if (!d)
		return -errno;
	do {
		e = readdir(d);
	} while (e && e->d_name[0] == '.');
	if (e)
		snprintf(buf, len, "%s", e->d_name);
	closedir(d);
	return e ? 0 : -ENOENT;
}
