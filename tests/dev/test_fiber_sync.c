/* SPDX-License-Identifier: Apache-2.0 */

/* Waiting between fibers: order, hand-over, timeouts, and the asserts on misuse. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/fiber_sync.h"
#include "dev/reactor.h"
#include "tests/lib/child.h"

#define MILLISECOND UINT64_C(1000000)
#define MAX_GUESTS  8

static int setup(void **state)
{
	struct reactor *r;

	assert_int_equal(reactor_open(NULL, &r), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	reactor_close(*state);
	return 0;
}

/* A fiber that waits for one thing, and leaves its letter once it has it. */
struct guest {
	struct house *house;
	char letter;
	uint64_t units;
};

struct house {
	struct wait_queue queue;
	struct fiber_mutex mutex;
	struct fiber_sem sem;
	struct guest guests[MAX_GUESTS];
	struct fiber *fibers[MAX_GUESTS];
	size_t nr_guests;
	char done[MAX_GUESTS + 1];
	size_t nr_done;
};

static void house_init(struct house *h)
{
	*h = (struct house){ 0 };
	wait_queue_init(&h->queue);
	fiber_mutex_init(&h->mutex);
}

static void house_note(struct guest *g)
{
	g->house->done[g->house->nr_done++] = g->letter;
}

/* Starts with the next turn. */
static struct fiber *house_invite(struct house *h, void (*fn)(void *arg), char letter, uint64_t units)
{
	struct guest *g = &h->guests[h->nr_guests];

	*g = (struct guest){ .house = h, .letter = letter, .units = units };
	assert_int_equal(fiber_spawn(fiber_reactor(), "guest", fn, g, &h->fibers[h->nr_guests]), 0);
	return h->fibers[h->nr_guests++];
}

static FIBER_FN void house_join(struct house *h)
{
	size_t i;

	for (i = 0; i < h->nr_guests; i++)
		fiber_join(h->fibers[i]);
}

/* ---- wait queues ---- */

static FIBER_FN void guest_waits(void *arg)
{
	struct guest *g = arg;

	wait_queue_wait(&g->house->queue);
	house_note(g);
}

static FIBER_FN int wake_one_then_all(void *arg)
{
	struct house h;

	house_init(&h);
	assert_true(wait_queue_is_empty(&h.queue));
	wait_queue_wake_one(&h.queue); /* nobody is there: not remembered */
	house_invite(&h, guest_waits, 'a', 0);
	house_invite(&h, guest_waits, 'b', 0);
	house_invite(&h, guest_waits, 'c', 0);
	fiber_yield();
	assert_false(wait_queue_is_empty(&h.queue));
	assert_int_equal(h.nr_done, 0);
	wait_queue_wake_one(&h.queue);
	fiber_yield();
	assert_string_equal(h.done, "a");
	wait_queue_wake_all(&h.queue);
	assert_true(wait_queue_is_empty(&h.queue));
	house_join(&h);
	assert_string_equal(h.done, "abc");
	return 0;
}

static void test_wake_order(void **state)
{
	assert_int_equal(reactor_run(*state, wake_one_then_all, NULL), 0);
}

/* A stray fiber_wake() must not look like a wake of the queue. */
static FIBER_FN int wake_stray(void *arg)
{
	struct house h;
	struct fiber *f;

	house_init(&h);
	f = house_invite(&h, guest_waits, 'a', 0);
	fiber_yield();
	fiber_wake(f);
	fiber_yield();
	fiber_yield();
	assert_int_equal(h.nr_done, 0);
	wait_queue_wake_one(&h.queue);
	house_join(&h);
	assert_string_equal(h.done, "a");
	return 0;
}

static void test_no_spurious_return(void **state)
{
	assert_int_equal(reactor_run(*state, wake_stray, NULL), 0);
}

static FIBER_FN int wait_too_long(void *arg)
{
	struct reactor *r = fiber_reactor();
	uint64_t deadline = reactor_now_ns(r) + 2 * MILLISECOND;
	struct wait_queue q;

	wait_queue_init(&q);
	assert_int_equal(wait_queue_wait_until(&q, deadline), -ETIMEDOUT);
	assert_true(reactor_now_ns(r) >= deadline);
	assert_true(wait_queue_is_empty(&q));
	assert_int_equal(wait_queue_wait_until(&q, 1), -ETIMEDOUT);
	assert_true(wait_queue_is_empty(&q));
	return 0;
}

static void test_timeout(void **state)
{
	assert_int_equal(reactor_run(*state, wait_too_long, NULL), 0);
}

static FIBER_FN void guest_waits_for_ever(void *arg)
{
	struct guest *g = arg;

	assert_int_equal(wait_queue_wait_until(&g->house->queue, UINT64_MAX), 0);
	house_note(g);
}

/* Waits until a time that has passed when the wake comes, in the turn before the timer can fire. */
static FIBER_FN void guest_waits_until_now(void *arg)
{
	struct guest *g = arg;

	assert_int_equal(wait_queue_wait_until(&g->house->queue, 1), 0);
	house_note(g);
}

static FIBER_FN int wake_before_timeout(void *arg)
{
	struct house h;

	house_init(&h);
	house_invite(&h, guest_waits_for_ever, 'a', 0);
	fiber_yield();
	wait_queue_wake_one(&h.queue);
	house_join(&h);
	assert_string_equal(h.done, "a");
	return 0;
}

static FIBER_FN void guest_wakes_queue(void *arg)
{
	struct guest *g = arg;

	wait_queue_wake_all(&g->house->queue);
}

static FIBER_FN int wake_beats_timeout(void *arg)
{
	struct house h;

	house_init(&h);
	house_invite(&h, guest_waits_until_now, 'a', 0);
	house_invite(&h, guest_wakes_queue, 'b', 0); /* runs in the same turn, before any timer fires */
	house_join(&h);
	assert_string_equal(h.done, "a");
	return 0;
}

static void test_wake_wins(void **state)
{
	assert_int_equal(reactor_run(*state, wake_before_timeout, NULL), 0);
	assert_int_equal(reactor_run(*state, wake_beats_timeout, NULL), 0);
}

/* ---- mutex ---- */

static FIBER_FN void guest_locks(void *arg)
{
	struct guest *g = arg;

	fiber_mutex_lock(&g->house->mutex);
	house_note(g);
	fiber_yield();
	fiber_mutex_unlock(&g->house->mutex);
}

static FIBER_FN int lock_in_order(void *arg)
{
	struct house h;

	house_init(&h);
	assert_true(fiber_mutex_trylock(&h.mutex));
	assert_false(fiber_mutex_trylock(&h.mutex));
	house_invite(&h, guest_locks, 'a', 0);
	house_invite(&h, guest_locks, 'b', 0);
	fiber_yield();
	assert_int_equal(h.nr_done, 0);
	fiber_mutex_unlock(&h.mutex);
	/* Handed over: nobody can get between the unlock and the first waiter's run. */
	assert_false(fiber_mutex_trylock(&h.mutex));
	fiber_mutex_lock(&h.mutex);
	assert_string_equal(h.done, "ab");
	fiber_mutex_unlock(&h.mutex);
	house_join(&h);
	return 0;
}

static void test_mutex_is_fair(void **state)
{
	assert_int_equal(reactor_run(*state, lock_in_order, NULL), 0);
}

static FIBER_FN int lock_twice(void *arg)
{
	struct fiber_mutex m;

	fiber_mutex_init(&m);
	fiber_mutex_lock(&m);
	fiber_mutex_lock(&m);
	return 0;
}

static FIBER_FN void unlock_foreign(void *arg)
{
	fiber_mutex_unlock(arg);
}

static FIBER_FN int have_foreign_unlock(void *arg)
{
	struct fiber_mutex m;
	struct fiber *f;

	fiber_mutex_init(&m);
	fiber_mutex_lock(&m);
	assert_int_equal(fiber_spawn(fiber_reactor(), "thief", unlock_foreign, &m, &f), 0);
	fiber_join(f);
	return 0;
}

static void run_in_new_reactor(int (*fn)(void *arg))
{
	struct reactor *r;

	if (reactor_open(NULL, &r) || reactor_run(r, fn, NULL))
		_exit(98);
}

static void lock_twice_body(void)
{
	run_in_new_reactor(lock_twice);
}

static void foreign_unlock_body(void)
{
	run_in_new_reactor(have_foreign_unlock);
}

static void test_mutex_misuse_aborts(void **state)
{
	assert_true(child_aborts(lock_twice_body));
	assert_true(child_aborts(foreign_unlock_body));
}

/* ---- semaphore ---- */

static FIBER_FN void guest_takes(void *arg)
{
	struct guest *g = arg;

	fiber_sem_take(&g->house->sem, g->units);
	house_note(g);
}

static FIBER_FN int take_in_order(void *arg)
{
	struct house h;

	house_init(&h);
	fiber_sem_init(&h.sem, 4);
	fiber_sem_take(&h.sem, 3);
	house_invite(&h, guest_takes, 'l', 4); /* large */
	house_invite(&h, guest_takes, 's', 1); /* small: must not overtake */
	fiber_yield();
	assert_int_equal(h.nr_done, 0);
	assert_false(fiber_sem_try_take(&h.sem, 1));
	fiber_sem_give(&h.sem, 2);
	fiber_yield();
	assert_int_equal(h.nr_done, 0);
	fiber_sem_give(&h.sem, 1);
	fiber_yield();
	assert_string_equal(h.done, "l");
	assert_int_equal(h.sem.free, 0);
	fiber_sem_give(&h.sem, 4);
	house_join(&h);
	assert_string_equal(h.done, "ls");
	assert_int_equal(h.sem.free, 3);
	assert_true(fiber_sem_try_take(&h.sem, 3));
	assert_false(fiber_sem_try_take(&h.sem, 1));
	return 0;
}

static void test_sem_does_not_starve(void **state)
{
	assert_int_equal(reactor_run(*state, take_in_order, NULL), 0);
}

static FIBER_FN int give_wakes_several(void *arg)
{
	struct house h;

	house_init(&h);
	fiber_sem_init(&h.sem, 4);
	fiber_sem_take(&h.sem, 4);
	house_invite(&h, guest_takes, 'a', 1);
	house_invite(&h, guest_takes, 'b', 2);
	house_invite(&h, guest_takes, 'c', 2);
	fiber_yield();
	fiber_sem_give(&h.sem, 4);
	fiber_yield();
	assert_string_equal(h.done, "ab");
	assert_int_equal(h.sem.free, 1);
	fiber_sem_give(&h.sem, 1);
	house_join(&h);
	assert_string_equal(h.done, "abc");
	return 0;
}

static void test_sem_gives_to_several(void **state)
{
	assert_int_equal(reactor_run(*state, give_wakes_several, NULL), 0);
}

static void give_too_much_body(void)
{
	struct fiber_sem s;

	fiber_sem_init(&s, 4);
	fiber_sem_give(&s, 1);
}

static void test_sem_misuse_aborts(void **state)
{
	assert_true(child_aborts(give_too_much_body));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wake_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_spurious_return, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wake_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mutex_is_fair, setup, teardown),
		cmocka_unit_test(test_mutex_misuse_aborts),
		cmocka_unit_test_setup_teardown(test_sem_does_not_starve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sem_gives_to_several, setup, teardown),
		cmocka_unit_test(test_sem_misuse_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
