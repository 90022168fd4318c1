/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_TXN_H
#define LAMINA_EXTENT_TXN_H

/*
 * Transactions: the only way to look at or change items.
 *
 * A transaction is a function, its body.  The body never switches fibers, so it sees and makes one instant of the
 * whole store: no locks, no half states, full isolation.  If it needs a tree block that is not in memory, the item
 * functions return -ERESTART; the body passes that up at once, everything it changed is undone, the block is read,
 * and the body runs again from its start.  So a body
 *   - may run several times, and must set its caller's outputs only from what its last run found;
 *   - returns every error of the functions below as it is;
 *   - does a bounded amount of work: a long job is many transactions.  (A body that needs more than 16,384 blocks
 * which are not in memory gets -E2BIG.)
 *
 * Any error from the body undoes all its changes: nothing is left, in memory or on disk.  A body that returns 0 is
 * committed: visible at once to everybody in this process, and durable when txn_wait_durable(fs, seq) returns 0.
 */

#include "extent/item.h"

struct fs;
struct txn;

#define TXN_LOG_DEFAULT 65536u /* bytes of changes that a body may make unless it asks for more */
#define TXN_LOG_MAX	(4u << 20)

struct txn_options {
	const char *name; /* for reports */
	/*
	 * Bytes of changes at most, 20 + value length each; 0: TXN_LOG_DEFAULT.  A record of the journal must hold
	 * it, and a third of the ring a record: a ring below 12 MiB takes less than TXN_LOG_MAX (-E2BIG).
	 */
	size_t log_max;
	bool frees_space; /* may use the reserve that is kept for deleting on a full volume */
};

/*
 * Run @body(@txn, @arg) as a changing transaction.  0: committed, *@ret_seq (may be NULL) is its sequence number, 0
 * if it changed nothing; or the body's error, or -ENOSPC (no room for metadata), -EROFS (volume read-only), -EIO,
 * -EUCLEAN (a metadata block could not be read or is damaged: the volume is read-only from then on), -ENOMEM.
 */
FIBER_FN int txn_run(struct fs *fs, const struct txn_options *opt, int (*body)(struct txn *txn, void *arg), void *arg,
		     uint64_t *ret_seq) MUST_CHECK;

/* As txn_run for a body that changes nothing; works on a read-only volume too. */
FIBER_FN int txn_read(struct fs *fs, int (*body)(struct txn *txn, void *arg), void *arg) MUST_CHECK;

/* Until every transaction up to @seq survives a crash.  0, or -EIO: the journal failed, the volume is read-only. */
FIBER_FN int txn_wait_durable(struct fs *fs, uint64_t seq) MUST_CHECK;

/*
 * Inside a body.  All return 0, -ENOENT where said, or -ERESTART, -EIO, -EUCLEAN, -ENOMEM; changes also -E2BIG (more
 * than log_max) and -EROFS.  Values are at most ITEM_VALUE_MAX bytes.  Pointers in struct item are good until the
 * next put or delete, or the end of the body.
 */

/* The item with exactly @key, or -ENOENT. */
int txn_get(struct txn *txn, struct key key, struct item *ret_item) MUST_CHECK;
/* The first item with @from <= key <= @last, or -ENOENT. */
int txn_next(struct txn *txn, struct key from, struct key last, struct item *ret_item) MUST_CHECK;
/* The last item with @first <= key <= @from, or -ENOENT. */
int txn_prev(struct txn *txn, struct key from, struct key first, struct item *ret_item) MUST_CHECK;
/* Insert or replace. @val may not point into the tree (copy it first). */
int txn_put(struct txn *txn, struct key key, const void *val, size_t len) MUST_CHECK;
/* -ENOENT if there is none. */
int txn_delete(struct txn *txn, struct key key) MUST_CHECK;

struct fs *txn_fs(struct txn *txn);
/* In this transaction blocks become free or lose an owner: nobody writes to them before it is durable
 * (extent/data.h).
 */
void txn_note_freed(struct txn *txn);
/* Wall clock of this run of the body, nanoseconds since 1970. */
uint64_t txn_wall_ns(const struct txn *txn);
/* The sequence number that this transaction will have when it commits. */
uint64_t txn_seq(const struct txn *txn);
/* A fresh inode number; taken back if the body fails. */
uint64_t txn_new_ino(struct txn *txn);
/* Seed of the hashes of names, secret to the volume, fixed for its life. */
uint64_t txn_hash_seed(const struct txn *txn);
/* Devices of the volume, and the allocatable blocks [*ret_first, *ret_end) of one. */
unsigned int txn_nr_devices(const struct txn *txn);
void txn_device_range(const struct txn *txn, unsigned int dev, uint64_t *ret_first, uint64_t *ret_end);

#endif
