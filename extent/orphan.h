/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_ORPHAN_H
#define LAMINA_EXTENT_ORPHAN_H

/*
 * Inodes with unfinished work.  One item in ZONE_ORPHAN names each inode that has lost its last name (nlink 0, I8) or
 * whose mappings are being trimmed (trim_from set), or both; the inode itself says which.  So a mount finds them
 * all without looking at every inode.
 */

#include "extent/inode.h"
#include "extent/map.h"

#define ORPHAN_LOG_ADD 20u

/* Enter @ino; harmless if it is there. */
int orphan_add(struct txn *txn, uint64_t ino) MUST_CHECK;
/* Take @inode's item away if, as @inode stands, no work is left; harmless if there is none. */
int orphan_drop(struct txn *txn, const struct inode *inode) MUST_CHECK;

/* The listed inode with the smallest number > @after (0 begins).  -ENOENT: that was the last. */
int orphan_next(struct txn *txn, uint64_t after, uint64_t *ret_ino) MUST_CHECK;

/* Bytes of changes of one orphan_reap_step() with this @max. */
#define ORPHAN_LOG_REAP(max) ((max) * (MAP_PUNCH_LOG + 20u) + INODE_LOG_PUT + 2 * 20u)

/*
 * Take apart an inode that has no name, when its last open and layout are gone: mappings (to limbo under
 * @limbo_tag), attributes, target, and at last the inode itself with its entry in this list; at most @max > 0
 * mappings and as many other items in one call.  *@ret_more: there is more to do, come again in another transaction,
 * whatever happened in between, a crash too.  From the first step on inode_get() does not know it any more. -ENOENT:
 * there is no such inode (any more); -EBUSY: it has a name; -EUCLEAN: it is not on the list, or owns what its type
 * cannot.
 */
int orphan_reap_step(struct txn *txn, uint64_t ino, uint64_t limbo_tag, unsigned int max, bool *ret_more) MUST_CHECK;

/* Bytes of changes of one inode_trim_step() with this @max. */
#define INODE_LOG_TRIM(max) ((max)*MAP_PUNCH_LOG + INODE_LOG_PUT + 20u)

/*
 * Take away at most @max > 0 of the mappings that a shrink of @ino has left behind (to limbo under @limbo_tag).
 * *@ret_more: there are others, come again in another transaction.  Without a trim to do, nothing happens.  -ENOENT:
 * no such inode.
 */
int inode_trim_step(struct txn *txn, uint64_t ino, uint64_t limbo_tag, unsigned int max, bool *ret_more) MUST_CHECK;

#endif
