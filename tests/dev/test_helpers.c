/* SPDX-License-Identifier: Apache-2.0 */

/* The helper pool: where works run, in which order they begin, that the pool grows only so far, and how it ends. */

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/helpers.h"
#include "dev/reactor.h"

#define NR_JOBS 200

struct pool {
	struct helpers *h;
	int wake_fd;
	unsigned int nr_done;
	int nr_running; /* atomic, and so is the next */
	int max_running;
	pthread_barrier_t barrier;
};

struct job {
	struct reactor_work work;
	struct pool *pool;
	pthread_t ran_in;
	unsigned int order;
};

static void pool_open(struct pool *p, unsigned int nr)
{
	*p = (struct pool){ .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	assert_true(p->wake_fd >= 0);
	assert_int_equal(helpers_open(nr, p->wake_fd, &p->h), 0);
}

static void pool_close(struct pool *p)
{
	helpers_close(p->h);
	close(p->wake_fd);
}

/* Deliver until @nr works are done; the eventfd must say whenever there is something. */
static void pool_wait(struct pool *p, unsigned int nr)
{
	struct pollfd pfd = { .fd = p->wake_fd, .events = POLLIN };
	uint64_t count;

	while (p->nr_done < nr) {
		assert_int_equal(poll(&pfd, 1, 60000), 1);
		assert_int_equal(read(p->wake_fd, &count, sizeof(count)), sizeof(count));
		helpers_deliver(p->h);
	}
}

static void job_done(struct reactor_work *w)
{
	struct job *j = w->owner;

	j->order = j->pool->nr_done++;
}

static void job_note_thread(struct reactor_work *w)
{
	struct job *j = w->owner;

	j->ran_in = pthread_self();
}

static void job_queue(struct job *j, struct pool *p, void (*run)(struct reactor_work *w))
{
	*j = (struct job){ .work = { .run = run, .done = job_done, .owner = j }, .pool = p };
	helpers_queue(p->h, &j->work);
}

static void test_one_helper_keeps_order(void **state)
{
	struct job *jobs = calloc(NR_JOBS, sizeof(*jobs));
	struct pool p;
	unsigned int i;

	pool_open(&p, 1);
	for (i = 0; i < NR_JOBS; i++)
		job_queue(&jobs[i], &p, job_note_thread);
	assert_int_equal(p.nr_done, 0); /* done() comes only from helpers_deliver() */
	pool_wait(&p, NR_JOBS);
	for (i = 0; i < NR_JOBS; i++) {
		assert_int_equal(jobs[i].order, i);
		assert_false(pthread_equal(jobs[i].ran_in, pthread_self()));
		assert_true(pthread_equal(jobs[i].ran_in, jobs[0].ran_in));
	}
	pool_close(&p);
	free(jobs);
}

static void job_meet(struct reactor_work *w)
{
	struct job *j = w->owner;

	pthread_barrier_wait(&j->pool->barrier);
}

/*
 * Three works that wait for each other end only if three threads run at once, also when they are queued faster than
 * the one idle thread wakes up.
 */
static void test_pool_grows(void **state)
{
	struct job first;
	struct job jobs[3];
	struct pool p;
	unsigned int i;

	pool_open(&p, 3);
	job_queue(&first, &p, job_note_thread);
	pool_wait(&p, 1);
	assert_int_equal(poll(NULL, 0, 10), 0); /* most likely the thread is idle then */
	assert_int_equal(pthread_barrier_init(&p.barrier, NULL, 3), 0);
	for (i = 0; i < 3; i++)
		job_queue(&jobs[i], &p, job_meet);
	pool_wait(&p, 4);
	pool_close(&p);
	pthread_barrier_destroy(&p.barrier);
}

static void job_count_running(struct reactor_work *w)
{
	struct job *j = w->owner;
	int now = __atomic_add_fetch(&j->pool->nr_running, 1, __ATOMIC_SEQ_CST);
	int max = __atomic_load_n(&j->pool->max_running, __ATOMIC_SEQ_CST);

	while (now > max && !__atomic_compare_exchange_n(&j->pool->max_running, &max, now, false, __ATOMIC_SEQ_CST,
							 __ATOMIC_SEQ_CST))
		;
	sched_yield();
	__atomic_sub_fetch(&j->pool->nr_running, 1, __ATOMIC_SEQ_CST);
}

static void test_pool_is_bounded(void **state)
{
	struct job *jobs = calloc(NR_JOBS, sizeof(*jobs));
	struct pool p;
	unsigned int i;

	pool_open(&p, 2);
	for (i = 0; i < NR_JOBS; i++)
		job_queue(&jobs[i], &p, job_count_running);
	pool_wait(&p, NR_JOBS);
	assert_in_range(p.max_running, 1, 2);
	pool_close(&p);
	free(jobs);
}

/* Closing waits for what runs, drops the rest, and delivers nothing. */
static void test_close_drops_the_rest(void **state)
{
	struct job *jobs = calloc(NR_JOBS, sizeof(*jobs));
	struct pool p;
	unsigned int i;

	pool_open(&p, 2);
	for (i = 0; i < NR_JOBS; i++)
		job_queue(&jobs[i], &p, job_count_running);
	pool_close(&p);
	assert_int_equal(p.nr_done, 0);
	assert_int_equal(p.nr_running, 0);
	free(jobs);
	helpers_close(NULL);
}

/* ---- the same through a reactor ---- */

static int is_other_thread(void *arg)
{
	pthread_t *caller = arg;

	return !pthread_equal(*caller, pthread_self());
}

static FIBER_FN void call_repeatedly(void *arg)
{
	unsigned int *nr = arg;
	pthread_t self = pthread_self();
	int i;

	for (i = 0; i < 50; i++) {
		assert_int_equal(reactor_call(fiber_reactor(), is_other_thread, &self), 1);
		(*nr)++;
	}
}

static FIBER_FN int call_from_many(void *arg)
{
	struct fiber *fibers[8];
	unsigned int nr = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fibers); i++)
		assert_int_equal(fiber_spawn(fiber_reactor(), "caller", call_repeatedly, &nr, &fibers[i]), 0);
	for (i = 0; i < ARRAY_SIZE(fibers); i++)
		fiber_join(fibers[i]);
	return (int)nr;
}

static void run_calls(enum reactor_backend backend)
{
	const struct reactor_options opt = { .backend = backend, .helpers = 3 };
	struct reactor *r;

	assert_int_equal(reactor_open(&opt, &r), 0);
	assert_int_equal(reactor_run(r, call_from_many, NULL), 400);
	reactor_close(r);
}

static void test_calls_wake_the_reactor(void **state)
{
	run_calls(REACTOR_LIBAIO);
	run_calls(REACTOR_AUTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_helper_keeps_order), cmocka_unit_test(test_pool_grows),
		cmocka_unit_test(test_pool_is_bounded),	       cmocka_unit_test(test_close_drops_the_rest),
		cmocka_unit_test(test_calls_wake_the_reactor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
