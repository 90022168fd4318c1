/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_LOCK_H
#define LAMINA_MDS_LOCK_H

/*
 * Byte-range locks as POSIX has them (RFC 8881, 9.1 to 9.6): of one owner no two ranges overlap, and neighbours of
 * one kind are one range.
 *
 * A lock stateid belongs to a lock_holder: a lock-owner (bytes) of a client, on a file, through one open.  An owner
 * that uses two opens of one file has two holders there, whose ranges are those of one owner.
 */

#include <string.h>

#include "mds/file.h"
#include "mds/open.h"
#include "mds/state.h"
#include "mds/state_record.h"

struct lock_holder {
	struct state state;
	struct open *open; /* NULL: revoked */
	struct list by_open;
	struct list locks; /* struct lock.by_holder */
	unsigned int nr_locks;
	uint32_t owner_len;
	uint8_t owner[];
};

/* A range. */
struct lock {
	uint64_t number; /* of its item */
	struct lock_holder *holder;
	struct list by_holder;
	struct list by_file; /* file.locks */
	uint64_t first, last;
	bool write;
};

/* Ranges of one file, and of one holder, so that a change of them has a bound (I11) and fits any journal. */
#define LOCK_FILE_MAX	16384u
#define LOCK_HOLDER_MAX 2048u

#define LOCK_LOG_HOLDER (20u + (uint32_t)sizeof(struct record_locks) + NFS4_OPAQUE_LIMIT)
#define LOCK_LOG_RANGE	(20u + (uint32_t)sizeof(struct record_lock))

struct lock_holder *lock_holder_alloc(struct client *client, const void *owner, uint32_t owner_len);
/* The holder of @owner through @open, or NULL. */
struct lock_holder *lock_holder_find(const struct open *open, const void *owner, uint32_t owner_len);
int lock_holder_write(struct txn *txn, const struct lock_holder *holder, uint64_t number, uint64_t open_number,
		      uint32_t seqid, nfsstat4 revoked) MUST_CHECK;
/* In memory: a new holder through @open; out of its open (all its ranges are gone). */
void lock_holder_add(struct mds *mds, struct lock_holder *holder, struct open *open);
void lock_holder_detach(struct lock_holder *holder);

int lock_write(struct txn *txn, const struct lock_holder *holder, uint64_t holder_number, uint64_t number,
	       uint64_t first, uint64_t last, bool write) MUST_CHECK;
/* In memory: put @lock, filled in, into its places; take it out of them. */
void lock_add(struct mds *mds, struct lock *lock);
void lock_remove(struct mds *mds, struct lock *lock);

/* Somebody for whom conflicts are looked for: ranges of the same client and owner are none. */
struct lock_owner {
	const struct client *client;
	const void *owner;
	uint32_t owner_len;
};
static inline bool lock_is_of(const struct lock *lock, const struct lock_owner *owner)
{
	const struct lock_holder *holder = lock->holder;

	return holder->state.client == owner->client && holder->owner_len == owner->owner_len &&
	       (owner->owner_len == 0 || memcmp(holder->owner, owner->owner, owner->owner_len) == 0);
}
/* The first range of somebody else that keeps @owner from locking [@first, @last], or NULL. */
struct lock *lock_conflict(const struct file *file, const struct lock_owner *owner, uint64_t first, uint64_t last,
			   bool write);

#endif
