/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that never come back, or late. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "dev/reserver_int.h"

/* A device that can be stopped. */
struct device {
	struct reserver_blocking base;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopped;
	unsigned int nr_run;
};

static bool ended; /* atomic */

static int device_run(const struct reserver_blocking *b, const struct reserver_command *cmd)
{
	struct device *d = container_of(b, struct device, base);

	pthread_mutex_lock(&d->lock);
	while (d->stopped)
		pthread_cond_wait(&d->changed, &d->lock);
	d->nr_run++;
	pthread_mutex_unlock(&d->lock);
	if (cmd->what == RESERVER_VIEW) {
		*cmd->view = (struct reserver_view){ .generation = 7, .nr_keys = 1 };
		cmd->view->keys = calloc(1, sizeof(cmd->view->keys[0]));
	}
	return cmd->what == RESERVER_PREEMPT ? -EBUSY : 0;
}

static void device_end(struct reserver_blocking *b)
{
	struct device *d = container_of(b, struct device, base);

	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d);
	__atomic_store_n(&ended, true, __ATOMIC_RELEASE);
}

static struct device *device_new(struct reactor *r, unsigned int wait_ms)
{
	struct device *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	ended = false;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	reserver_blocking_init(&d->base, r, "disk");
	d->base.run = device_run;
	d->base.end = device_end;
	d->base.wait_ms = wait_ms;
	return d;
}

static void device_stop(struct device *d, bool stopped)
{
	pthread_mutex_lock(&d->lock);
	d->stopped = stopped;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

static FIBER_FN int body_answers(void *arg)
{
	struct device *d = arg;
	struct reserver_view v;

	assert_int_equal(reserver_register(&d->base.res, 1), 0);
	assert_int_equal(reserver_preempt(&d->base.res, 1, 2, 6, true), -EBUSY);
	assert_int_equal(reserver_read(&d->base.res, &v), 0);
	assert_true(v.generation == 7 && v.nr_keys == 1);
	reserver_view_release(&v);
	return 0;
}

static FIBER_FN int body_hangs(void *arg)
{
	struct device *d = arg;
	struct reserver_view v = { 0 };
	uint64_t began = reactor_now_ns(d->base.res.reactor);

	device_stop(d, true);
	assert_int_equal(reserver_preempt(&d->base.res, 1, 2, 6, true), -EIO);
	for (unsigned int i = 1; i < RESERVER_HUNG_MAX; i++)
		assert_int_equal(reserver_read(&d->base.res, &v), -EIO);
	assert_true(reactor_now_ns(d->base.res.reactor) - began >= 4 * 50 * 1000000ull);
	/* Enough: no more threads. */
	began = reactor_now_ns(d->base.res.reactor);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(reserver_register(&d->base.res, 1), -EIO);
	assert_true(reactor_now_ns(d->base.res.reactor) - began < 30 * NSEC_PER_SEC);
	assert_int_equal(__atomic_load_n(&d->base.nr_hung, __ATOMIC_ACQUIRE), RESERVER_HUNG_MAX);
	return 0;
}

static FIBER_FN int body_comes_back(void *arg)
{
	struct device *d = arg;

	assert_int_equal(body_hangs(d), 0);
	device_stop(d, false);
	while (__atomic_load_n(&d->base.nr_hung, __ATOMIC_ACQUIRE) > 0)
		fiber_sleep_ns(1000000);
	assert_int_equal(d->nr_run, RESERVER_HUNG_MAX);
	/* It answers from now on, though on a busy machine not at once. */
	d->base.wait_ms = 10000;
	return body_answers(d);
}

static struct reactor *real_reactor(void)
{
	struct reactor *r;

	assert_int_equal(reactor_open(NULL, &r), 0);
	return r;
}

static FIBER_FN int body_await_end(void *arg)
{
	while (!__atomic_load_n(&ended, __ATOMIC_ACQUIRE))
		fiber_sleep_ns(1000000);
	return 0;
}

static void run_device(unsigned int wait_ms, int (*body)(void *arg))
{
	struct reactor *r = real_reactor();
	struct device *d = device_new(r, wait_ms);

	assert_int_equal(reactor_run(r, body, d), 0);
	reserver_close(&d->base.res);
	assert_int_equal(reactor_run(r, body_await_end, NULL), 0);
	reactor_close(r);
}

static void test_answers(void **state)
{
	run_device(0, body_answers);
	run_device(10000, body_answers);
}

static void test_comes_back(void **state)
{
	run_device(50, body_comes_back);
}

/* All is closed, and the reactor too, while commands hang: what they need stays. */
static void test_closed_meanwhile(void **state)
{
	struct reactor *r = real_reactor();
	struct device *d = device_new(r, 50);

	assert_int_equal(reactor_run(r, body_hangs, d), 0);
	reserver_close(&d->base.res);
	reactor_close(r);
	assert_false(__atomic_load_n(&ended, __ATOMIC_ACQUIRE));
	device_stop(d, false);
	r = real_reactor();
	assert_int_equal(reactor_run(r, body_await_end, NULL), 0);
	reactor_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_closed_meanwhile),
	};

	log_set_level((enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
