/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_BLKFILE_H
#define LAMINA_DEV_BLKFILE_H

/*
 * The real block device: a whole disk, a partition, a loop device or a plain file, opened with O_DIRECT on a real
 * reactor.  A file system that does no direct I/O (tmpfs) is used through the page cache, with fdatasync for what
 * must be durable.
 */

#include "dev/blkdev.h"
#include "dev/durable.h"

struct reactor;

#define BLKFILE_READ_ONLY 1u
/*
 * Refuse a device that is in use (-EBUSY), and keep others who ask for the same from using it: O_EXCL on a block
 * device, a lock on a file.  Read-only users of one file do not exclude each other.
 */
#define BLKFILE_EXCLUSIVE 2u

/*
 * Open @path.  Blocks shortly; may be called inside a fiber or outside.  How durable writes are done is measured,
 * unless the environment variable LAMINA_DURABLE names a method (durable_parse()).
 *
 * -EBUSY (in use), -EROFS and -EACCES (can't be written, or not by us), -ENOENT, -ENOMEDIUM (no size),
 * -ENOTBLK (neither block device nor plain file), -EOPNOTSUPP (sectors above 4096 bytes), -EINVAL (LAMINA_DURABLE),
 * -ENOMEM or what the kernel said.  blklimits_explain() makes a message of it.
 */
int blkfile_open(struct reactor *r, const char *path, unsigned int flags, struct blkdev **ret_dev) MUST_CHECK;

/* How @dev has chosen so far; @dev was made by blkfile_open(). */
const struct durable *blkfile_durable(const struct blkdev *dev);

#endif
