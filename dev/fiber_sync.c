/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Wait queues, and the mutex and semaphore on top of them.  Promises: strictly first in, first out, also for a large
 * request of a semaphore; what is released is handed to the waiter at once, so nobody who comes later can overtake
 * it between its wake and its run.
 */

#include "dev/fiber_sync.h"
#include "dev/fiber.h"
#include "dev/fiber_int.h"
#include "dev/reactor.h"

/* Lives on the waiting fiber's stack. */
struct waiter {
	struct list link;
	struct fiber *fiber;
	uint64_t units; /* of a semaphore */
	bool woken;
	bool timed_out;
	struct reactor_timer timer;
};

static struct waiter *waiter_first(struct wait_queue *q)
{
	return list_entry(q->waiters.next, struct waiter, link);
}

static void waiter_wake(struct waiter *w)
{
	list_del(&w->link);
	w->woken = true;
	fiber_wake(w->fiber);
}

static void waiter_join_queue(struct waiter *w, struct wait_queue *q)
{
	w->fiber = fiber_self();
	assert(w->fiber);
	list_add_tail(&w->link, &q->waiters);
}

static FIBER_FN void waiter_wait(struct waiter *w, struct wait_queue *q)
{
	waiter_join_queue(w, q);
	while (!w->woken)
		fiber_park();
}

void wait_queue_init(struct wait_queue *q)
{
	list_init(&q->waiters);
}

bool wait_queue_is_empty(const struct wait_queue *q)
{
	return list_is_empty(&q->waiters);
}

void wait_queue_wait(struct wait_queue *q)
{
	struct waiter w = { 0 };

	waiter_wait(&w, q);
}

static void waiter_time_out(struct reactor_timer *t)
{
	struct waiter *w = t->owner;

	if (w->woken)
		return;
	list_del(&w->link);
	w->timed_out = true;
	fiber_wake(w->fiber);
}

int wait_queue_wait_until(struct wait_queue *q, uint64_t deadline_ns)
{
	struct waiter w = { .timer = { .fire = waiter_time_out, .owner = &w } };

	waiter_join_queue(&w, q);
	reactor_timer_arm(fiber_reactor(), &w.timer, deadline_ns);
	while (!w.woken && !w.timed_out)
		fiber_park();
	reactor_timer_cancel(fiber_reactor(), &w.timer);
	return w.woken ? 0 : -ETIMEDOUT;
}

void wait_queue_wake_one(struct wait_queue *q)
{
	if (!wait_queue_is_empty(q))
		waiter_wake(waiter_first(q));
}

void wait_queue_wake_all(struct wait_queue *q)
{
	while (!wait_queue_is_empty(q))
		waiter_wake(waiter_first(q));
}

void fiber_mutex_init(struct fiber_mutex *m)
{
	m->owner = NULL;
	wait_queue_init(&m->waiters);
}

static void fiber_mutex_own(struct fiber_mutex *m, struct fiber *f)
{
	m->owner = f;
	f->locks_held++;
}

bool fiber_mutex_trylock(struct fiber_mutex *m)
{
	assert(fiber_self());
	if (m->owner)
		return false;
	fiber_mutex_own(m, fiber_self());
	return true;
}

void fiber_mutex_lock(struct fiber_mutex *m)
{
	struct waiter w = { 0 };

	assert(m->owner != fiber_self());
	if (fiber_mutex_trylock(m))
		return;
	waiter_wait(&w, &m->waiters);
	assert(m->owner == fiber_self());
}

void fiber_mutex_unlock(struct fiber_mutex *m)
{
	assert(m->owner && m->owner == fiber_self());
	m->owner->locks_held--;
	m->owner = NULL;
	if (wait_queue_is_empty(&m->waiters))
		return;
	fiber_mutex_own(m, waiter_first(&m->waiters)->fiber);
	wait_queue_wake_one(&m->waiters);
}

void fiber_sem_init(struct fiber_sem *s, uint64_t limit)
{
	s->free = limit;
	s->limit = limit;
	wait_queue_init(&s->waiters);
}

bool fiber_sem_try_take(struct fiber_sem *s, uint64_t n)
{
	assert(n <= s->limit);
	if (n > s->free || !wait_queue_is_empty(&s->waiters))
		return false;
	s->free -= n;
	return true;
}

void fiber_sem_take(struct fiber_sem *s, uint64_t n)
{
	struct waiter w = { .units = n };

	if (!fiber_sem_try_take(s, n))
		waiter_wait(&w, &s->waiters);
}

void fiber_sem_give(struct fiber_sem *s, uint64_t n)
{
	assert(n <= s->limit - s->free);
	s->free += n;
	while (!wait_queue_is_empty(&s->waiters) && waiter_first(&s->waiters)->units <= s->free) {
		s->free -= waiter_first(&s->waiters)->units;
		wait_queue_wake_one(&s->waiters);
	}
}
