/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Plans what becomes of an owner's ranges when one more is locked or unlocked, such that afterwards each byte in the
 * range is as asked and each other byte as before, no two ranges overlap, and equal neighbours of a holder are one.
 */

#include "mds/lock_ranges.h"

/* Whether [@a, @b] ends right before @c, without wrapping. */
static bool lock_ranges_touch(uint64_t b, uint64_t c)
{
	return b != UINT64_MAX && b + 1 == c;
}

unsigned int lock_ranges_count(const struct file *file, const struct lock_owner *owner, uint64_t first, uint64_t last)
{
	unsigned int nr = 0;

	list_for_each (pos, &file->locks) {
		const struct lock *lock = list_entry(pos, struct lock, by_file);
		bool near = (lock->last >= first || lock_ranges_touch(lock->last, first)) &&
			    (lock->first <= last || lock_ranges_touch(last, lock->first));

		if (near && lock_is_of(lock, owner))
			nr++;
	}
	return nr;
}

static bool lock_ranges_change(struct lock_plan *plan, struct lock *lock, uint64_t first, uint64_t last, bool gone)
{
	if (plan->nr_changes == plan->max_changes)
		return false;
	plan->changes[plan->nr_changes++] =
		(struct lock_change){ .lock = lock, .first = first, .last = last, .gone = gone };
	return true;
}

/* Take [@first, @last] away from @lock, which overlaps it. */
static bool lock_ranges_cut(struct lock_plan *plan, struct lock *lock, uint64_t first, uint64_t last)
{
	bool left = lock->first<first, right = lock->last> last;

	if (left && right)
		plan->fresh[plan->nr_fresh++] =
			(struct lock_fresh){ lock->holder, last + 1, lock->last, lock->write };
	if (left)
		return lock_ranges_change(plan, lock, lock->first, first - 1, false);
	if (right)
		return lock_ranges_change(plan, lock, last + 1, lock->last, false);
	return lock_ranges_change(plan, lock, lock->first, lock->last, true);
}

bool lock_ranges_plan(const struct file *file, const struct lock_owner *owner, const struct lock_holder *holder,
		      uint64_t first, uint64_t last, enum lock_ranges_how how, struct lock_plan *plan)
{
	bool write = how == LOCK_RANGES_WRITE;
	struct lock_fresh all = { NULL, first, last, write };
	struct lock_change *kept = NULL; /* the first of those that become one with the new range */

	plan->nr_changes = plan->nr_fresh = 0;
	plan->frees = false;
	list_for_each (pos, &file->locks) {
		struct lock *lock = list_entry(pos, struct lock, by_file);
		bool overlaps = lock->last >= first && lock->first <= last;
		bool beside = lock_ranges_touch(lock->last, first) || lock_ranges_touch(last, lock->first);

		if ((!overlaps && !beside) || !lock_is_of(lock, owner))
			continue;
		if (how != LOCK_RANGES_UNLOCK && holder && lock->holder == holder && lock->write == write) {
			if (lock->first <= first && lock->last >= last) {
				/* It has all of it already, and then nothing else of this owner is there. */
				plan->nr_changes = 0;
				return true;
			}
			if (!lock_ranges_change(plan, lock, 0, 0, kept != NULL))
				return false;
			if (!kept)
				kept = &plan->changes[plan->nr_changes - 1];
			all.first = min_u64(all.first, lock->first);
			all.last = max_u64(all.last, lock->last);
		} else if (overlaps) {
			plan->frees |= lock->write || how == LOCK_RANGES_UNLOCK;
			if (!lock_ranges_cut(plan, lock, first, last))
				return false;
		}
	}
	if (kept) {
		kept->first = all.first;
		kept->last = all.last;
	} else if (how != LOCK_RANGES_UNLOCK) {
		plan->fresh[plan->nr_fresh++] = all;
	}
	return true;
}
