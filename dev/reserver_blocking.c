/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises: a fiber waits, the reactor does not; a helper thread is not away for longer than wait_ms.  A thread that
 * hangs in the kernel can't be ended, so it is left alone, with all that it still needs.
 */
#include "dev/reserver_int.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dev/log.h"
#include "dev/reactor.h"

struct blocking_call {
	struct reserver_blocking *b;
	struct reserver_command cmd;
};

static void put(struct reserver_blocking *b)
{
	if (__atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) == 0)
		b->end(b);
}

/* A command in a thread of its own. */
struct own_thread {
	pthread_mutex_t lock; /* guards over, left and result */
	pthread_cond_t ended;
	struct reserver_blocking *b;
	struct reserver_command cmd;
	struct reserver_view view;
	bool over, left;
	int result;
	unsigned int refs; /* atomic: the thread, and who waits for it */
};

static void own_thread_put(struct own_thread *t)
{
	if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	pthread_cond_destroy(&t->ended);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* Nobody waits any more for what has come at last. */
static void come_late(struct own_thread *t)
{
	log_warn("%s: a reservation command that hung has come back", t->b->res.name);
	__atomic_sub_fetch(&t->b->nr_hung, 1, __ATOMIC_ACQ_REL);
	if (t->result == 0 && t->cmd.what == RESERVER_VIEW)
		reserver_view_release(&t->view);
}

static void *own_thread_main(void *arg)
{
	struct own_thread *t = arg;
	int result = t->b->run(t->b, &t->cmd);
	bool left;

	pthread_mutex_lock(&t->lock);
	t->over = true;
	t->result = result;
	left = t->left;
	pthread_cond_signal(&t->ended);
	pthread_mutex_unlock(&t->lock);
	if (left)
		come_late(t);
	put(t->b);
	own_thread_put(t);
	return NULL;
}

static void *detached_main(void *arg)
{
	pthread_detach(pthread_self());
	return own_thread_main(arg);
}

static struct own_thread *own_thread_new(const struct blocking_call *c)
{
	struct own_thread *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;

	if (!t)
		return NULL;
	t->b = c->b;
	t->cmd = c->cmd;
	t->cmd.view = &t->view;
	t->refs = 2;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->ended, &attr);
	pthread_condattr_destroy(&attr);
	return t;
}

static struct timespec deadline_in(unsigned int ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= (long)NSEC_PER_SEC) {
		at.tv_nsec -= (long)NSEC_PER_SEC;
		at.tv_sec++;
	}
	return at;
}

static int await(struct own_thread *t, const struct reserver_command *cmd)
{
	struct timespec at = deadline_in(t->b->wait_ms);
	int err = 0, result = -EIO;

	pthread_mutex_lock(&t->lock);
	while (!t->over && err == 0)
		err = pthread_cond_timedwait(&t->ended, &t->lock, &at);
	if (t->over) {
		result = t->result;
		if (result == 0 && cmd->what == RESERVER_VIEW)
			*cmd->view = t->view;
	} else {
		t->left = true;
		__atomic_add_fetch(&t->b->nr_hung, 1, __ATOMIC_ACQ_REL);
		log_err("%s: a reservation command hangs in the device or its driver; if it stays so, the device or "
			"this host needs a restart",
			t->b->res.name);
	}
	pthread_mutex_unlock(&t->lock);
	return result;
}

static int run_in_own_thread(const struct blocking_call *c)
{
	struct own_thread *t;
	pthread_t thread;
	int err;

	if (__atomic_load_n(&c->b->nr_hung, __ATOMIC_ACQUIRE) >= RESERVER_HUNG_MAX)
		return -EIO;
	t = own_thread_new(c);
	if (!t)
		return -ENOMEM;
	__atomic_add_fetch(&c->b->refs, 1, __ATOMIC_ACQ_REL);
	err = pthread_create(&thread, NULL, detached_main, t);
	if (err) {
		/* Our caller's reference is still there. */
		__atomic_sub_fetch(&c->b->refs, 1, __ATOMIC_ACQ_REL);
		own_thread_put(t);
		own_thread_put(t);
		return -err;
	}
	err = await(t, &c->cmd);
	own_thread_put(t);
	return err;
}

static int run_call(void *arg)
{
	const struct blocking_call *c = arg;

	return c->b->wait_ms ? run_in_own_thread(c) : c->b->run(c->b, &c->cmd);
}

static FIBER_FN int call_helper(struct reserver *res, const struct reserver_command *cmd)
{
	struct blocking_call c = { .b = container_of(res, struct reserver_blocking, res), .cmd = *cmd };

	return reactor_call(res->reactor, run_call, &c);
}

static FIBER_FN int blocking_enlist(struct reserver *res, uint64_t key)
{
	return call_helper(res, &(struct reserver_command){ .what = RESERVER_REGISTER, .key = key });
}

static FIBER_FN int blocking_resign(struct reserver *res, uint64_t key)
{
	return call_helper(res, &(struct reserver_command){ .what = RESERVER_UNREGISTER, .key = key });
}

static FIBER_FN int blocking_reserve(struct reserver *res, uint64_t key, enum reservation_type type)
{
	return call_helper(res, &(struct reserver_command){ .what = RESERVER_RESERVE, .key = key, .type = type });
}

static FIBER_FN int blocking_release(struct reserver *res, uint64_t key, enum reservation_type type)
{
	return call_helper(res, &(struct reserver_command){ .what = RESERVER_RELEASE, .key = key, .type = type });
}

static FIBER_FN int blocking_preempt(struct reserver *res, uint64_t key, uint64_t victim, enum reservation_type type,
				     bool abort)
{
	return call_helper(
		res, &(struct reserver_command){
			     .what = RESERVER_PREEMPT, .key = key, .victim = victim, .type = type, .abort = abort });
}

static FIBER_FN int blocking_view(struct reserver *res, struct reserver_view *ret_view)
{
	return call_helper(res, &(struct reserver_command){ .what = RESERVER_VIEW, .view = ret_view });
}

static void blocking_shut(struct reserver *res)
{
	put(container_of(res, struct reserver_blocking, res));
}

void reserver_blocking_init(struct reserver_blocking *b, struct reactor *r, const char *name)
{
	static const struct reserver_ops ops = {
		.enlist = blocking_enlist,
		.resign = blocking_resign,
		.reserve = blocking_reserve,
		.release = blocking_release,
		.preempt = blocking_preempt,
		.view = blocking_view,
		.shut = blocking_shut,
	};

	b->res.ops = &ops;
	b->res.reactor = r;
	b->refs = 1;
	snprintf(b->res.name, sizeof(b->res.name), "%s", name);
}
