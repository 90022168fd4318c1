/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_SYSFS_H
#define LAMINA_DEV_SYSFS_H

/*
 * What the kernel tells about a block device under /sys.  Blocking, but short.
 */

#include <sys/types.h>

#include "dev/base.h"

#define SYSFS_PATH_MAX 1024

struct sysfs_block {
	char dir[SYSFS_PATH_MAX];  /* of the device itself, resolved: it tells the transport */
	char disk[SYSFS_PATH_MAX]; /* of the whole disk: the same, or of a partition its parent */
	bool is_partition;
};

/* Find block device @rdev.  -ENOENT: there is no such device, or no sysfs. */
int sysfs_block_find(dev_t rdev, struct sysfs_block *ret_block) MUST_CHECK;

/* The first line of @dir/@attr, without the newline and cut to @len - 1 bytes. */
int sysfs_read_text(const char *dir, const char *attr, char *buf, size_t len) MUST_CHECK;
/* The same as a decimal number; -EINVAL if it is none. */
int sysfs_read_u64(const char *dir, const char *attr, uint64_t *ret_value) MUST_CHECK;

/* The name of some entry of the directory @dir/@sub; -ENOENT if it is empty. */
int sysfs_first_entry(const char *dir, const char *sub, char *buf, size_t len) MUST_CHECK;

#endif
