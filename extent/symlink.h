/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_SYMLINK_H
#define LAMINA_EXTENT_SYMLINK_H

/* Targets of symbolic links: written once, when the link is made; in parts, since an item holds less than the
 * longest. */

#include "extent/inode.h"

#define SYMLINK_MAX_LEN 4096u

/* Bytes of changes of symlink_set. */
#define SYMLINK_LOG_SET (SYMLINK_MAX_LEN + 2 * 20u + INODE_LOG_PUT)

/*
 * Give @inode, a symbolic link made in this transaction, its target of 1..SYMLINK_MAX_LEN bytes without NUL; sets
 * its size and puts it.  -EINVAL: empty or with a NUL; -ENAMETOOLONG.
 */
int symlink_set(struct txn *txn, struct inode *inode, const char *target, size_t len) MUST_CHECK;
/*
 * Read the target of @ino into @buf, which has room for SYMLINK_MAX_LEN bytes; no NUL follows.  -EINVAL: not a
 * symbolic link.  -EUCLEAN: its parts do not add up to its size.
 */
int symlink_get(struct txn *txn, uint64_t ino, char *buf, size_t *ret_len) MUST_CHECK;

#endif
