/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_LOCK_RANGES_H
#define LAMINA_MDS_LOCK_RANGES_H

/* What locking or unlocking a range does to the ranges that its owner has: pure arithmetic, planned, then done. */

#include "mds/lock.h"

enum lock_ranges_how {
	LOCK_RANGES_UNLOCK,
	LOCK_RANGES_READ,
	LOCK_RANGES_WRITE,
};

/* A range that is there becomes [first, last], or goes. */
struct lock_change {
	struct lock *lock;
	uint64_t first, last;
	bool gone;
};

/* A range that comes. */
struct lock_fresh {
	struct lock_holder *holder; /* NULL: the one that asks, who may not exist yet */
	uint64_t first, last;
	bool write;
};

struct lock_plan {
	struct lock_change *changes; /* the caller's memory for */
	unsigned int max_changes;
	unsigned int nr_changes;
	struct lock_fresh fresh[2];
	unsigned int nr_fresh;
	bool frees; /* others may lock more than before */
};

/* How many of @owner's ranges lie in or at [@first, @last]: changes that a plan may need. */
unsigned int lock_ranges_count(const struct file *file, const struct lock_owner *owner, uint64_t first, uint64_t last)
	MUST_CHECK;
/*
 * Plan what @how does with [@first, @last].  New ranges are @holder's (NULL: of one that comes with them); only
 * ranges of the same holder become one.  False: more changes than @plan has room for.
 */
bool lock_ranges_plan(const struct file *file, const struct lock_owner *owner, const struct lock_holder *holder,
		      uint64_t first, uint64_t last, enum lock_ranges_how how, struct lock_plan *plan) MUST_CHECK;

#endif
