/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as events: each is told in the loop, also one that came before anybody listened, and none of others. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/fiber_sync.h"
#include "dev/reactor.h"
#include "dev/signals.h"
#include "tests/lib/check.h"

static const int nrs[] = { SIGUSR1, SIGUSR2 };

struct seen {
	unsigned int nr[2];
	struct wait_queue changed;
};

static void on_signal(void *arg, int nr)
{
	struct seen *seen = arg;

	assert_null(fiber_self());
	seen->nr[nr == SIGUSR2]++;
	wait_queue_wake_all(&seen->changed);
}

static FIBER_FN int wait_for_both(void *arg)
{
	struct seen *seen = arg;

	while (seen->nr[0] == 0)
		wait_queue_wait(&seen->changed);
	CHECK_EQ(kill(getpid(), SIGUSR2), 0);
	while (seen->nr[1] == 0)
		wait_queue_wait(&seen->changed);
	/* The same kind once more: who listens goes on listening. */
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	while (seen->nr[0] == 1)
		wait_queue_wait(&seen->changed);
	return 0;
}

static void run_with(enum reactor_backend backend)
{
	const struct reactor_options options = { .backend = backend };
	struct signals *signals = NULL;
	struct seen seen = { .nr = { 0 } };
	struct reactor *r;

	wait_queue_init(&seen.changed);
	signals_hold(nrs, ARRAY_SIZE(nrs));
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	if (reactor_open(&options, &r)) {
		skip();
		return;
	}
	assert_int_equal(signals_open(r, nrs, ARRAY_SIZE(nrs), on_signal, &seen, &signals), 0);
	assert_int_equal(reactor_run(r, wait_for_both, &seen), 0);
	assert_int_equal(seen.nr[0], 2);
	assert_int_equal(seen.nr[1], 1);
	reactor_close(r);
	signals_close(signals);
}

static void test_uring(void **state)
{
	run_with(REACTOR_URING);
}

static void test_libaio(void **state)
{
	run_with(REACTOR_LIBAIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uring),
		cmocka_unit_test(test_libaio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
