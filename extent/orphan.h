/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_ORPHAN_H
#define LAMINA_EXTENT_ORPHAN_H

/*
 * Inodes with unfinished work.  One item in ZONE_ORPHAN names each inode that has lost its last name (nlink 0, I8) or
 * whose mappings are being trimmed (trim_from set), or both; the inode itself says which.  So a mount finds them
 * all without looking at every inode.
 */

#include "extent/inode.h"

#define ORPHAN_LOG_ADD 20u

/* Enter @ino; harmless if it is there. */
int orphan_add(struct txn *txn, uint64_t ino) MUST_CHECK;
/* Take @inode's item away if, as @inode stands, no work is left; harmless if there is none. */
int orphan_drop(struct txn *txn, const struct inode *inode) MUST_CHECK;

#endif
