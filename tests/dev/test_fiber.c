/* SPDX-License-Identifier: Apache-2.0 */

/* Fibers: order of runs, wakes that are not lost, ends, stacks and the aborts on misuse. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/fiber_int.h"
#include "dev/fiber_sync.h"
#include "dev/reactor.h"
#include "dev/reactor_int.h"
#include "tests/lib/child.h"

#define MILLISECOND UINT64_C(1000000)

static struct reactor *open_reactor(const struct reactor_options *opt)
{
	struct reactor *r;

	assert_int_equal(reactor_open(opt, &r), 0);
	return r;
}

static int setup(void **state)
{
	*state = open_reactor(NULL);
	return 0;
}

static int teardown(void **state)
{
	reactor_close(*state);
	return 0;
}

/* ---- order ---- */

struct trace {
	char text[256];
	size_t len;
};

static void trace_add(struct trace *t, char c)
{
	assert_true(t->len + 1 < sizeof(t->text));
	t->text[t->len++] = c;
}

struct speaker {
	struct trace *trace;
	char letter;
};

static FIBER_FN void speak_three_times(void *arg)
{
	struct speaker *s = arg;
	int i;

	for (i = 0; i < 3; i++) {
		trace_add(s->trace, s->letter);
		fiber_yield();
	}
}

static FIBER_FN int run_three_speakers(void *arg)
{
	struct trace *trace = arg;
	struct speaker speakers[] = { { trace, 'a' }, { trace, 'b' }, { trace, 'c' } };
	struct fiber *fibers[3];
	size_t i;

	for (i = 0; i < 3; i++)
		assert_int_equal(fiber_spawn(fiber_reactor(), "speaker", speak_three_times, &speakers[i], &fibers[i]),
				 0);
	assert_int_equal(trace->len, 0);
	for (i = 0; i < 3; i++)
		fiber_join(fibers[i]);
	return 7;
}

static void test_yield_goes_round(void **state)
{
	struct trace trace = { 0 };

	assert_int_equal(reactor_run(*state, run_three_speakers, &trace), 7);
	assert_string_equal(trace.text, "abcabcabc");
}

/* ---- wakes ---- */

static FIBER_FN void park_once(void *arg)
{
	bool *woken = arg;

	fiber_park();
	*woken = true;
}

static FIBER_FN int wake_before_park(void *arg)
{
	fiber_wake(fiber_self());
	fiber_park(); /* would sleep for ever */
	return 0;
}

static void test_early_wake_is_remembered(void **state)
{
	assert_int_equal(reactor_run(*state, wake_before_park, NULL), 0);
}

static FIBER_FN int wake_parked(void *arg)
{
	bool woken = false;
	struct fiber *f;

	assert_int_equal(fiber_spawn(fiber_reactor(), "sleeper", park_once, &woken, &f), 0);
	fiber_yield();
	fiber_yield();
	assert_false(woken);
	fiber_wake(f);
	fiber_wake(f);
	assert_false(woken);
	fiber_join(f);
	assert_true(woken);
	return 0;
}

static void test_wake_ends_park(void **state)
{
	assert_int_equal(reactor_run(*state, wake_parked, NULL), 0);
}

static FIBER_FN int sleep_twice(void *arg)
{
	uint64_t start = reactor_now_ns(fiber_reactor());

	fiber_sleep_ns(0);
	fiber_wake(fiber_self()); /* must not cut the sleep short */
	fiber_sleep_ns(3 * MILLISECOND);
	assert_true(reactor_now_ns(fiber_reactor()) - start >= 3 * MILLISECOND);
	return 0;
}

static void test_sleep_lasts(void **state)
{
	assert_int_equal(reactor_run(*state, sleep_twice, NULL), 0);
}

/* ---- ends ---- */

static void return_at_once(void *arg)
{
	int *count = arg;

	(*count)++;
}

static FIBER_FN int join_the_ended(void *arg)
{
	int count = 0;
	struct fiber *f;

	assert_int_equal(fiber_spawn(fiber_reactor(), "short", return_at_once, &count, &f), 0);
	assert_string_equal(fiber_name(f), "short");
	fiber_yield();
	assert_int_equal(count, 1);
	fiber_join(f);
	assert_int_equal(fiber_spawn(fiber_reactor(), "detached", return_at_once, &count, NULL), 0);
	fiber_yield();
	assert_int_equal(count, 2);
	return 0;
}

static void test_join_after_end(void **state)
{
	struct reactor *r = *state;

	assert_int_equal(reactor_run(r, join_the_ended, NULL), 0);
	assert_int_equal(r->nr_fibers, 0);
}

static FIBER_FN int spawn_too_many(void *arg)
{
	int count = 0;
	struct fiber *f = NULL;
	int i;

	for (i = 0; i < 4; i++)
		assert_int_equal(fiber_spawn(fiber_reactor(), "one of few", return_at_once, &count, NULL), 0);
	assert_int_equal(fiber_spawn(fiber_reactor(), "one too many", return_at_once, &count, &f), -EAGAIN);
	assert_null(f);
	fiber_yield();
	assert_int_equal(count, 4);
	assert_int_equal(fiber_spawn(fiber_reactor(), "again", return_at_once, &count, NULL), 0);
	fiber_yield();
	return count;
}

static void test_limit_of_fibers(void **state)
{
	const struct reactor_options opt = { .max_fibers = 5 };
	struct reactor *r = open_reactor(&opt);

	assert_int_equal(reactor_run(r, spawn_too_many, NULL), 5);
	reactor_close(r);
}

static FIBER_FN int leave_one_parked(void *arg)
{
	assert_int_equal(fiber_spawn(fiber_reactor(), "left over", park_once, arg, NULL), 0);
	fiber_yield();
	return 0;
}

static void test_leftover_fibers_are_discarded(void **state)
{
	struct reactor *r = open_reactor(NULL);
	bool woken = false;

	assert_int_equal(reactor_run(r, leave_one_parked, &woken), 0);
	assert_int_equal(r->nr_fibers, 1);
	reactor_close(r);
	assert_false(woken);
}

/* ---- registers ---- */

/* Many live values across a switch: callee-saved registers and spilled ones. */
static FIBER_FN void churn(void *arg)
{
	uint64_t *seed = arg;
	volatile double x = (double)*seed;
	uint64_t a = *seed, b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13, g = a * 17;
	int i;

	for (i = 0; i < 100; i++) {
		fiber_yield();
		a += 1, b += 2, c += 3, d += 4, e += 5, f += 6, g += 7;
		x = x + 1.5;
	}
	assert_int_equal(a + b + c + d + e + f + g, *seed * 57 + 2800);
	assert_true(x == (double)*seed + 150.0);
}

static FIBER_FN int run_churners(void *arg)
{
	uint64_t seeds[8];
	struct fiber *fibers[8];
	size_t i;

	for (i = 0; i < 8; i++) {
		seeds[i] = 1000 + i;
		assert_int_equal(fiber_spawn(fiber_reactor(), "churn", churn, &seeds[i], &fibers[i]), 0);
	}
	for (i = 0; i < 8; i++)
		fiber_join(fibers[i]);
	return 0;
}

static void test_registers_survive(void **state)
{
	assert_int_equal(reactor_run(*state, run_churners, NULL), 0);
}

#ifdef __x86_64__
static uint32_t mxcsr_get(void)
{
	uint32_t x;

	__asm__ volatile("stmxcsr %0" : "=m"(x));
	return x;
}

static void mxcsr_set(uint32_t x)
{
	__asm__ volatile("ldmxcsr %0" : : "m"(x));
}

static FIBER_FN void round_otherwise(void *arg)
{
	uint32_t mine = mxcsr_get() ^ 0x6000; /* rounding towards zero */

	mxcsr_set(mine);
	fiber_yield();
	assert_int_equal(mxcsr_get(), mine);
}

static FIBER_FN int rounding_modes(void *arg)
{
	uint32_t mine = mxcsr_get();
	struct fiber *f;

	assert_int_equal(fiber_spawn(fiber_reactor(), "rounding", round_otherwise, NULL, &f), 0);
	fiber_yield();
	assert_int_equal(mxcsr_get(), mine);
	fiber_join(f);
	assert_int_equal(mxcsr_get(), mine);
	return 0;
}

static void test_rounding_mode_belongs_to_fiber(void **state)
{
	assert_int_equal(reactor_run(*state, rounding_modes, NULL), 0);
}
#endif

/* ---- stacks ---- */

static void use_stack(void *arg)
{
	volatile char buf[24 << 10];
	size_t i;

	for (i = 0; i < sizeof(buf); i++)
		buf[i] = 1;
	*(volatile char *)arg = buf[17];
}

static FIBER_FN int run_stack_user(void *arg)
{
	char c = 0;
	struct fiber *f;

	assert_int_equal(fiber_spawn(fiber_reactor(), "deep", use_stack, &c, &f), 0);
	fiber_join(f);
	assert_int_equal(c, 1);
	return 0;
}

static void test_high_water(void **state)
{
	struct reactor *r = open_reactor(NULL);

	assert_int_equal(reactor_run(r, run_stack_user, NULL), 0);
	reactor_close(r);
	assert_true(fiber_stack_high_water() >= (24 << 10));
	assert_true(fiber_stack_high_water() <= FIBER_STACK_DEFAULT);
}

static FIBER_FN int reuse_one_stack(void *arg)
{
	struct reactor *r = fiber_reactor();
	int count = 0;
	int i;

	for (i = 0; i < 1000; i++) {
		assert_int_equal(fiber_spawn(r, "short", return_at_once, &count, NULL), 0);
		fiber_yield();
	}
	assert_int_equal(r->stacks.nr_unused, 1);
	return count;
}

static void test_stacks_are_reused(void **state)
{
	assert_int_equal(reactor_run(*state, reuse_one_stack, NULL), 1000);
}

static FIBER_FN int spawn_many(void *arg)
{
	int count = 0;
	int i;

	for (i = 0; i < 600; i++)
		assert_int_equal(fiber_spawn(fiber_reactor(), "one of many", return_at_once, &count, NULL), 0);
	fiber_yield();
	return count;
}

static void test_pool_is_bounded(void **state)
{
	struct reactor *r = *state;

	assert_int_equal(reactor_run(r, spawn_many, NULL), 600);
	assert_true(r->stacks.nr_unused > 0);
	assert_true(r->stacks.nr_unused <= r->stacks.max_unused);
}

static void test_stack_size_is_checked(void **state)
{
	const struct reactor_options small = { .stack_size = 100 };
	const struct reactor_options large = { .stack_size = (size_t)1 << 40 };
	struct reactor *r = NULL;

	assert_int_equal(reactor_open(&small, &r), -EINVAL);
	assert_int_equal(reactor_open(&large, &r), -EINVAL);
	assert_null(r);
}

/* ---- deaths ---- */

static void run_in_new_reactor(int (*fn)(void *arg))
{
	struct reactor *r;

	if (reactor_open(NULL, &r) || reactor_run(r, fn, NULL))
		_exit(98);
}

#define EXIT_GUARD_HIT 42

static char *deep_stack_low;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	char *addr = info->si_addr;

	_exit(addr < deep_stack_low && addr >= deep_stack_low - FIBER_STACK_GUARD ? EXIT_GUARD_HIT : 97);
}

static volatile int depth_max = INT32_MAX;

static int __attribute__((noinline)) dig(int depth)
{
	volatile char frame[1000];

	frame[0] = (char)depth;
	if (depth == depth_max)
		return 0;
	return dig(depth + 1) + frame[0];
}

static int overflow(void *arg)
{
	deep_stack_low = fiber_self()->stack->low;
	return dig(0);
}

static void overflow_body(void)
{
	static char alternative[64 << 10];
	const stack_t ss = { .ss_sp = alternative, .ss_size = sizeof(alternative) };
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	run_in_new_reactor(overflow);
}

static void test_overflow_hits_guard(void **state)
{
	assert_int_equal(child_exit_status(overflow_body), EXIT_GUARD_HIT);
}

static FIBER_FN int switch_in_no_switch(void *arg)
{
	fiber_no_switch_begin();
	fiber_no_switch_begin();
	fiber_no_switch_end();
	fiber_yield();
	return 0;
}

static void switch_in_no_switch_body(void)
{
	run_in_new_reactor(switch_in_no_switch);
}

static FIBER_FN int wake_in_no_switch(void *arg)
{
	fiber_no_switch_begin();
	fiber_wake(fiber_self());
	fiber_no_switch_end();
	fiber_yield();
	return 0;
}

static void test_no_switch(void **state)
{
	assert_int_equal(reactor_run(*state, wake_in_no_switch, NULL), 0);
	assert_true(child_aborts(switch_in_no_switch_body));
}

static FIBER_FN void end_with_mutex(void *arg)
{
	fiber_mutex_lock(arg);
}

static FIBER_FN int spawn_end_with_mutex(void *arg)
{
	struct fiber_mutex m;
	struct fiber *f;

	fiber_mutex_init(&m);
	assert_int_equal(fiber_spawn(fiber_reactor(), "greedy", end_with_mutex, &m, &f), 0);
	fiber_join(f);
	return 0;
}

static void end_with_mutex_body(void)
{
	run_in_new_reactor(spawn_end_with_mutex);
}

static void test_end_with_mutex_aborts(void **state)
{
	assert_true(child_aborts(end_with_mutex_body));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_yield_goes_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early_wake_is_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wake_ends_park, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sleep_lasts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_join_after_end, setup, teardown),
		cmocka_unit_test(test_limit_of_fibers),
		cmocka_unit_test(test_leftover_fibers_are_discarded),
		cmocka_unit_test_setup_teardown(test_registers_survive, setup, teardown),
#ifdef __x86_64__
		cmocka_unit_test_setup_teardown(test_rounding_mode_belongs_to_fiber, setup, teardown),
#endif
		cmocka_unit_test(test_high_water),
		cmocka_unit_test_setup_teardown(test_stacks_are_reused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pool_is_bounded, setup, teardown),
		cmocka_unit_test(test_stack_size_is_checked),
		cmocka_unit_test(test_overflow_hits_guard),
		cmocka_unit_test_setup_teardown(test_no_switch, setup, teardown),
		cmocka_unit_test(test_end_with_mutex_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
