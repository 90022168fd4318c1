/* SPDX-License-Identifier: Apache-2.0 */

/* Lock holders and their ranges in memory and as items, and who is in whose way. */

#include "mds/lock.h"

#include <stdlib.h>
#include <string.h>

struct lock_holder *lock_holder_alloc(struct client *client, const void *owner, uint32_t owner_len)
{
	struct lock_holder *holder = calloc(1, sizeof(*holder) + owner_len);

	if (!holder)
		return NULL;
	holder->state.kind = STATE_LOCK;
	holder->state.client = client;
	list_init(&holder->state.by_client);
	list_init(&holder->by_open);
	list_init(&holder->locks);
	holder->owner_len = owner_len;
	if (owner_len > 0)
		memcpy(holder->owner, owner, owner_len);
	return holder;
}

struct lock_holder *lock_holder_find(const struct open *open, const void *owner, uint32_t owner_len)
{
	list_for_each (pos, &open->holders) {
		struct lock_holder *holder = list_entry(pos, struct lock_holder, by_open);

		if (holder->owner_len == owner_len &&
		    (owner_len == 0 || memcmp(holder->owner, owner, owner_len) == 0))
			return holder;
	}
	return NULL;
}

int lock_holder_write(struct txn *txn, const struct lock_holder *holder, uint64_t number, uint64_t open_number,
		      uint32_t seqid, nfsstat4 revoked)
{
	struct {
		struct record_locks head;
		uint8_t owner[NFS4_OPAQUE_LIMIT];
	} rec = { 0 };

	assert(holder->owner_len <= NFS4_OPAQUE_LIMIT);
	rec.head.open = le64_make(open_number);
	rec.head.seqid = le32_make(seqid);
	rec.head.revoked = le32_make(revoked);
	memcpy(rec.owner, holder->owner, holder->owner_len);
	return txn_put(txn, record_key(holder->state.client->id, RECORD_LOCKS, number), &rec,
		       sizeof(rec.head) + holder->owner_len);
}

void lock_holder_add(struct mds *mds, struct lock_holder *holder, struct open *open)
{
	holder->open = open;
	list_add_tail(&holder->by_open, &open->holders);
	state_add(mds, &holder->state);
}

void lock_holder_detach(struct lock_holder *holder)
{
	assert(list_is_empty(&holder->locks));
	list_del(&holder->by_open);
	holder->open = NULL;
}

int lock_write(struct txn *txn, const struct lock_holder *holder, uint64_t holder_number, uint64_t number,
	       uint64_t first, uint64_t last, bool write)
{
	struct record_lock rec = {
		.holder = le64_make(holder_number),
		.first = le64_make(first),
		.last = le64_make(last),
		.write = write,
	};

	return txn_put(txn, record_key(holder->state.client->id, RECORD_LOCK, number), &rec, sizeof(rec));
}

void lock_add(struct mds *mds, struct lock *lock)
{
	struct file *file = lock->holder->open->file;
	struct list *where = file->locks.prev;

	while (where != &file->locks && list_entry(where, struct lock, by_file)->first > lock->first)
		where = where->prev;
	list_add_after(&lock->by_file, where);
	list_add_tail(&lock->by_holder, &lock->holder->locks);
	file->nr_locks++;
	lock->holder->nr_locks++;
	mds->nr_locks++;
	lock->holder->state.client->nr_locks++;
}

void lock_remove(struct mds *mds, struct lock *lock)
{
	list_del(&lock->by_file);
	list_del(&lock->by_holder);
	lock->holder->open->file->nr_locks--;
	lock->holder->nr_locks--;
	mds->nr_locks--;
	lock->holder->state.client->nr_locks--;
}

struct lock *lock_conflict(const struct file *file, const struct lock_owner *owner, uint64_t first, uint64_t last,
			   bool write)
{
	list_for_each (pos, &file->locks) {
		struct lock *lock = list_entry(pos, struct lock, by_file);

		if (lock->first > last)
			break;
		if (lock->last >= first && (write || lock->write) && !lock_is_of(lock, owner))
			return lock;
	}
	return NULL;
}
