/* SPDX-License-Identifier: Apache-2.0 */

/* What all reactors share: timers, run order and the loop, on a simulated machine of a few lines. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "dev/reactor_int.h"
#include "tests/lib/dice.h"

/* ---- a machine of a few lines: time stands still until the loop waits ---- */

struct toy {
	struct reactor r;
	uint64_t now_ns;
	unsigned int nr_polls;
	uint64_t last_deadline_ns;
};

static uint64_t toy_now(struct reactor *r)
{
	return container_of(r, struct toy, r)->now_ns;
}

static uint64_t toy_random(struct reactor *r)
{
	return 0;
}

static size_t toy_pick_last(struct reactor *r, size_t nr)
{
	return nr - 1;
}

static void toy_poll(struct reactor *r, uint64_t deadline_ns)
{
	struct toy *toy = container_of(r, struct toy, r);

	toy->nr_polls++;
	toy->last_deadline_ns = deadline_ns;
	assert_int_not_equal(deadline_ns, UINT64_MAX); /* it would sleep for ever */
	toy->now_ns = max_u64(toy->now_ns, deadline_ns);
}

static const struct reactor_ops toy_ops = {
	.now_ns = toy_now,
	.wall_ns = toy_now,
	.random = toy_random,
	.poll = toy_poll,
};

static const struct reactor_ops toy_ops_pick_last = {
	.now_ns = toy_now,
	.wall_ns = toy_now,
	.random = toy_random,
	.pick = toy_pick_last,
	.poll = toy_poll,
};

static void toy_open(struct toy *toy, const struct reactor_ops *ops)
{
	*toy = (struct toy){ 0 };
	assert_int_equal(reactor_init(&toy->r, ops, "toy", NULL), 0);
}

/* ---- timers ---- */

#define NR_TIMERS 1000

struct timer_test {
	struct toy toy;
	struct reactor_timer timers[NR_TIMERS];
	struct reactor_timer *fired[NR_TIMERS];
	size_t nr_fired;
};

static void note_fire(struct reactor_timer *t)
{
	struct timer_test *test = t->owner;

	assert_true(t->deadline_ns <= test->toy.now_ns);
	assert_int_equal(t->heap_pos, 0);
	assert_true(test->nr_fired < NR_TIMERS);
	test->fired[test->nr_fired++] = t;
}

static FIBER_FN int sleep_till_end(void *arg)
{
	fiber_sleep_ns(1000);
	return 0;
}

static void timer_test_run(struct timer_test *test, struct dice *dice)
{
	bool armed[NR_TIMERS] = { false };
	size_t nr_armed = 0;
	size_t i;

	for (i = 0; i < 3 * NR_TIMERS; i++) {
		size_t which = dice_below(dice, NR_TIMERS);

		/* Few distinct times, so that many are equal. */
		armed[which] = dice_below(dice, 4) > 0;
		if (armed[which])
			reactor_timer_arm(&test->toy.r, &test->timers[which], dice_below(dice, 50));
		else
			reactor_timer_cancel(&test->toy.r, &test->timers[which]);
	}
	for (i = 0; i < NR_TIMERS; i++)
		nr_armed += armed[i];
	assert_int_equal(reactor_run(&test->toy.r, sleep_till_end, NULL), 0);
	assert_int_equal(test->nr_fired, nr_armed);
	for (i = 0; i < nr_armed; i++)
		assert_true(armed[test->fired[i] - test->timers]);
}

static void test_timers_fire_in_order(void **state)
{
	struct dice dice = dice_seed(1);
	struct timer_test *test = calloc(1, sizeof(*test));
	size_t i;

	toy_open(&test->toy, &toy_ops);
	for (i = 0; i < NR_TIMERS; i++)
		test->timers[i] = (struct reactor_timer){ .fire = note_fire, .owner = test };
	timer_test_run(test, &dice);
	for (i = 1; i < test->nr_fired; i++) {
		const struct reactor_timer *a = test->fired[i - 1];
		const struct reactor_timer *b = test->fired[i];

		assert_true(a->deadline_ns < b->deadline_ns ||
			    (a->deadline_ns == b->deadline_ns && a->order < b->order));
	}
	reactor_release(&test->toy.r);
	free(test);
}

struct rearm_test {
	struct toy toy;
	struct reactor_timer timer;
	unsigned int nr_fired;
};

static void fire_again_at_once(struct reactor_timer *t)
{
	struct rearm_test *test = t->owner;

	test->nr_fired++;
	reactor_timer_arm(&test->toy.r, t, 0);
}

static FIBER_FN int yield_thrice(void *arg)
{
	fiber_yield();
	fiber_yield();
	fiber_yield();
	return 0;
}

/* A timer that is always due must not keep fibers from running. */
static void test_timer_does_not_hog_the_loop(void **state)
{
	struct rearm_test test;

	toy_open(&test.toy, &toy_ops);
	test.timer = (struct reactor_timer){ .fire = fire_again_at_once, .owner = &test };
	test.nr_fired = 0;
	reactor_timer_arm(&test.toy.r, &test.timer, 0);
	assert_int_equal(reactor_run(&test.toy.r, yield_thrice, NULL), 0);
	assert_int_equal(test.nr_fired, 3); /* once each time around */
	reactor_timer_cancel(&test.toy.r, &test.timer);
	reactor_timer_cancel(&test.toy.r, &test.timer);
	assert_int_equal(reactor_next_deadline_ns(&test.toy.r), UINT64_MAX);
	reactor_release(&test.toy.r);
}

/* ---- the loop ---- */

static FIBER_FN int look_at_polls(void *arg)
{
	struct toy *toy = arg;

	assert_int_equal(toy->nr_polls, 0);
	fiber_yield();
	assert_int_equal(toy->nr_polls, 1); /* between two turns: without waiting */
	assert_int_equal(toy->last_deadline_ns, 0);
	fiber_sleep_ns(70);
	assert_int_equal(toy->nr_polls, 2); /* nothing to do: one wait, until the timer */
	assert_int_equal(toy->last_deadline_ns, 70);
	assert_int_equal(toy->now_ns, 70);
	return -EXDEV;
}

static void test_polls_once_a_turn(void **state)
{
	struct toy toy;

	toy_open(&toy, &toy_ops);
	assert_int_equal(reactor_run(&toy.r, look_at_polls, &toy), -EXDEV);
	reactor_release(&toy.r);
}

struct letters {
	char text[32];
	size_t len;
};

struct letter {
	struct letters *all;
	char letter;
};

static FIBER_FN void write_letter_twice(void *arg)
{
	struct letter *l = arg;

	l->all->text[l->all->len++] = l->letter;
	fiber_yield();
	l->all->text[l->all->len++] = l->letter;
}

static FIBER_FN int write_letters(void *arg)
{
	struct letter letters[3];
	struct fiber *fibers[3];
	size_t i;

	for (i = 0; i < 3; i++) {
		letters[i] = (struct letter){ .all = arg, .letter = (char)('a' + i) };
		assert_int_equal(fiber_spawn(fiber_reactor(), "letter", write_letter_twice, &letters[i], &fibers[i]),
				 0);
	}
	for (i = 0; i < 3; i++)
		fiber_join(fibers[i]);
	return 0;
}

/* The last of those left each time; each fiber still runs once a turn. */
static void test_pick_is_honoured(void **state)
{
	struct letters letters = { 0 };
	struct toy toy;

	toy_open(&toy, &toy_ops_pick_last);
	assert_int_equal(reactor_run(&toy.r, write_letters, &letters), 0);
	assert_string_equal(letters.text, "cbaabc");
	reactor_release(&toy.r);
}

static FIBER_FN void count_turns(void *arg)
{
	unsigned int *nr = arg;

	for (;;) {
		(*nr)++;
		fiber_yield();
	}
}

static FIBER_FN int spawn_counter(void *arg)
{
	unsigned int *nr = arg;

	assert_int_equal(fiber_spawn(fiber_reactor(), "one", count_turns, &nr[0], NULL), 0);
	assert_int_equal(fiber_spawn(fiber_reactor(), "two", count_turns, &nr[1], NULL), 0);
	fiber_yield();
	return 0;
}

/* What the first fiber's end leaves over goes on in the next run, nobody twice and nobody forgotten. */
static void test_run_continues(void **state)
{
	unsigned int nr[2] = { 0 };
	struct toy toy;

	toy_open(&toy, &toy_ops);
	assert_int_equal(reactor_run(&toy.r, spawn_counter, nr), 0);
	assert_int_equal(nr[0], 1);
	assert_int_equal(nr[1], 1);
	assert_int_equal(reactor_run(&toy.r, yield_thrice, NULL), 0);
	assert_int_equal(nr[0], 4 + 1); /* they stand before the new first fiber in the queue */
	assert_int_equal(nr[1], 4 + 1);
	reactor_release(&toy.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_fire_in_order), cmocka_unit_test(test_timer_does_not_hog_the_loop),
		cmocka_unit_test(test_polls_once_a_turn),    cmocka_unit_test(test_pick_is_honoured),
		cmocka_unit_test(test_run_continues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
