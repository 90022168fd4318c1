/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_FIBER_SYNC_H
#define LAMINA_DEV_FIBER_SYNC_H

/*
 * Waiting between the fibers of one reactor.  Everything is first in, first out, and none of it is a lock against
 * other threads.  Structures live in the caller's memory; _init needs no _release, but nobody may wait at the end.
 */

#include "dev/base.h"
#include "dev/list.h"

struct fiber;

/* Fibers that wait for something to be true. */
struct wait_queue {
	struct list waiters;
};

void wait_queue_init(struct wait_queue *q);
bool wait_queue_is_empty(const struct wait_queue *q);
/* Wait for the next wake of @q.  No spurious returns: exactly one wake_one or wake_all ended this wait. */
FIBER_FN void wait_queue_wait(struct wait_queue *q);
/* As above, but at most until reactor time @deadline_ns: -ETIMEDOUT if nobody woke us. */
FIBER_FN int wait_queue_wait_until(struct wait_queue *q, uint64_t deadline_ns) MUST_CHECK;
/* Neither switches. */
void wait_queue_wake_one(struct wait_queue *q);
void wait_queue_wake_all(struct wait_queue *q);

struct fiber_mutex {
	struct fiber *owner;
	struct wait_queue waiters;
};

void fiber_mutex_init(struct fiber_mutex *m);
FIBER_FN void fiber_mutex_lock(struct fiber_mutex *m);
bool fiber_mutex_trylock(struct fiber_mutex *m) MUST_CHECK;
/* Hands the mutex to the first waiter; does not switch. */
void fiber_mutex_unlock(struct fiber_mutex *m);

/* A semaphore with a bound: at most @limit units are out at a time. */
struct fiber_sem {
	uint64_t free;
	uint64_t limit;
	struct wait_queue waiters;
};

void fiber_sem_init(struct fiber_sem *s, uint64_t limit);
/* @n of at most @limit units; large requests are not starved by small ones. */
FIBER_FN void fiber_sem_take(struct fiber_sem *s, uint64_t n);
bool fiber_sem_try_take(struct fiber_sem *s, uint64_t n) MUST_CHECK;
void fiber_sem_give(struct fiber_sem *s, uint64_t n);

#endif
