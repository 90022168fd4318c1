/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of ranges.  A lock knows how many earlier ones are in its way and is granted when none is left.  All locks of
 * a call are entered in one instant, so calls have one order, and each waits only for earlier ones: there is no
 * circle, whatever they lock.
 */

#include "extent/fs_int.h"

static struct list *lock_bucket(struct fs *fs, uint64_t ino)
{
	return &fs->data.locks[((ino * 0x9e3779b97f4a7c15ULL) >> 32) % DATA_LOCK_BUCKETS];
}

static bool locks_collide(const struct data_lock *a, const struct data_lock *b)
{
	return a->ino == b->ino && a->first < b->end && b->first < a->end && !(a->shared && b->shared);
}

static void lock_enter(struct fs *fs, struct data_lock *lock, const struct data_lock *locks, unsigned int nr)
{
	struct list *bucket = lock_bucket(fs, lock->ino);

	assert(lock->first < lock->end);
	wait_queue_init(&lock->granted);
	lock->nr_before = 0;
	list_for_each (pos, bucket) {
		const struct data_lock *other = list_entry(pos, struct data_lock, link);

		if ((other < locks || other >= locks + nr) && locks_collide(lock, other))
			lock->nr_before++;
	}
	list_add_tail(&lock->link, bucket);
}

void data_lock_take(struct fs *fs, struct data_lock *locks, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		lock_enter(fs, &locks[i], locks, nr);
	for (unsigned int i = 0; i < nr; i++)
		while (locks[i].nr_before)
			wait_queue_wait(&locks[i].granted);
}

static void lock_leave(struct fs *fs, struct data_lock *lock, const struct data_lock *locks, unsigned int nr)
{
	struct list *bucket = lock_bucket(fs, lock->ino);

	/* Those behind it in the list came later and counted it. */
	for (struct list *pos = lock->link.next; pos != bucket; pos = pos->next) {
		struct data_lock *other = list_entry(pos, struct data_lock, link);

		if ((other >= locks && other < locks + nr) || !locks_collide(lock, other))
			continue;
		assert(other->nr_before > 0);
		if (--other->nr_before == 0)
			wait_queue_wake_all(&other->granted);
	}
	list_del(&lock->link);
}

void data_lock_give(struct fs *fs, struct data_lock *locks, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		lock_leave(fs, &locks[i], locks, nr);
}
