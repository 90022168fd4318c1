/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated reactor: one seed, one run; and a deadlock is a report, not a hang. */
#include "tests/sim/sim_reactor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/fiber_sync.h"
#include "tests/sim/sim_util.h"

#define FIBERS 5

struct world {
	struct reactor *r;
	char order[256];
	size_t len;
};

struct walker {
	struct world *w;
	char letter;
};

static int helper_job(void *arg)
{
	return *(int *)arg + 1;
}

/* Does a little of everything whose order is drawn. */
static FIBER_FN void walker_main(void *arg)
{
	struct walker *me = arg;

	for (int i = 0; i < 6; i++) {
		me->w->order[me->w->len++] = me->letter;
		switch (reactor_random_below(me->w->r, 3)) {
		case 0:
			fiber_yield();
			break;
		case 1:
			fiber_sleep_ns(reactor_random_below(me->w->r, 5000));
			break;
		default:
			assert_int_equal(reactor_call(me->w->r, helper_job, &i), i + 1);
		}
	}
}

static FIBER_FN int walk_all(void *arg)
{
	struct world *w = arg;
	struct walker walker[FIBERS];
	struct fiber *f[FIBERS];

	for (int i = 0; i < FIBERS; i++) {
		walker[i] = (struct walker){ .w = w, .letter = (char)('a' + i) };
		assert_int_equal(fiber_spawn(w->r, "walker", walker_main, &walker[i], &f[i]), 0);
	}
	for (int i = 0; i < FIBERS; i++)
		fiber_join(f[i]);
	return 7;
}

static uint64_t run(uint64_t seed, struct world *w)
{
	uint64_t hash;

	*w = (struct world){ .r = sim_reactor_new(seed) };
	assert_int_equal(reactor_run(w->r, walk_all, w), 7);
	hash = sim_reactor_trace_hash(w->r);
	reactor_close(w->r);
	return hash;
}

static void test_one_seed_one_run(void **state)
{
	struct world a, b, c;
	uint64_t seed = sim_seed(1);

	assert_int_equal(run(seed, &a), run(seed, &b));
	assert_string_equal(a.order, b.order);
	assert_int_equal(strlen(a.order), FIBERS * 6);
	assert_int_not_equal(run(seed, &a), run(seed + 1, &c));
	assert_string_not_equal(a.order, c.order);
}

static FIBER_FN int sleep_long(void *arg)
{
	struct reactor *r = arg;
	uint64_t before = reactor_now_ns(r), wall = reactor_wall_ns(r);

	fiber_sleep_ns(3600 * NSEC_PER_SEC);
	assert_true(reactor_now_ns(r) >= before + 3600 * NSEC_PER_SEC);
	assert_int_equal(reactor_wall_ns(r) - wall, reactor_now_ns(r) - before);
	/* A fiber that polls the clock ends as well. */
	before = reactor_now_ns(r);
	while (reactor_now_ns(r) < before + 1000000)
		fiber_yield();
	return 0;
}

static void test_waiting_takes_no_time(void **state)
{
	struct reactor *r = sim_reactor_new(sim_seed(2));

	assert_int_equal(reactor_run(r, sleep_long, r), 0);
	reactor_close(r);
}

static FIBER_FN void wait_for_ever(void *arg)
{
	struct wait_queue *q = arg;

	wait_queue_wait(q);
}

static FIBER_FN int leave_one_waiting(void *arg)
{
	static struct wait_queue q;

	wait_queue_init(&q);
	assert_int_equal(fiber_spawn(fiber_reactor(), "the-forgotten", wait_for_ever, &q, NULL), 0);
	fiber_sleep_ns(1000);
	if (arg)
		wait_queue_wait(&q);
	return 0;
}

static void test_left_over_fibers_are_discarded(void **state)
{
	struct reactor *r = sim_reactor_new(sim_seed(3));

	assert_int_equal(reactor_run(r, leave_one_waiting, NULL), 0);
	reactor_close(r);
}

static void die_in_deadlock(int fd)
{
	struct reactor *r = sim_reactor_new(3);

	dup2(fd, STDERR_FILENO);
	_exit(reactor_run(r, leave_one_waiting, r));
}

static void test_deadlock_is_reported(void **state)
{
	char report[4096] = "";
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		die_in_deadlock(fds[1]);
	close(fds[1]);
	for (size_t len = 0; (n = read(fds[0], report + len, sizeof(report) - 1 - len)) > 0; len += (size_t)n)
		;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_non_null(strstr(report, "deadlock"));
	assert_non_null(strstr(report, "the-forgotten"));
	assert_non_null(strstr(report, "first"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_seed_one_run),
		cmocka_unit_test(test_waiting_takes_no_time),
		cmocka_unit_test(test_left_over_fibers_are_discarded),
		cmocka_unit_test(test_deadlock_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
