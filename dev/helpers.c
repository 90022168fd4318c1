/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A small pool of threads.  Promises: works begin in the order in which they were queued; run() happens in a helper
 * thread and done() in the reactor's; helpers never touch anything of the reactor except through the two lists here
 * and the eventfd.  Signals go to other threads.
 */

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "dev/helpers.h"
#include "dev/list.h"
#include "dev/log.h"

struct helpers {
	pthread_mutex_t lock; /* guards what follows, up to the blank line */
	pthread_cond_t work_queued;
	struct list queued;
	unsigned int nr_queued;
	struct list ended;
	unsigned int nr_idle; /* waiting, or already called but not yet running again */
	bool stopping;

	int wake_fd;
	bool any_ended; /* atomic: ended may not be empty */
	unsigned int nr_threads;
	unsigned int nr_max;
	pthread_t threads[];
};

static void helpers_wake_reactor(struct helpers *h)
{
	uint64_t one = 1;
	ssize_t done;

	__atomic_store_n(&h->any_ended, true, __ATOMIC_RELEASE);
	do
		done = write(h->wake_fd, &one, sizeof(one));
	while (done < 0 && errno == EINTR);
	/* EAGAIN: the counter is at its maximum, so the descriptor is readable anyway. */
	assert(done == sizeof(one) || errno == EAGAIN);
}

/* The next work, or NULL at the end.  Called and returns with the lock held. */
static struct reactor_work *helpers_next_locked(struct helpers *h)
{
	struct list *first;

	while (list_is_empty(&h->queued) && !h->stopping) {
		h->nr_idle++;
		pthread_cond_wait(&h->work_queued, &h->lock);
		h->nr_idle--;
	}
	if (h->stopping)
		return NULL;
	first = h->queued.next;
	list_del(first);
	h->nr_queued--;
	return list_entry(first, struct reactor_work, link);
}

static void *helper_main(void *arg)
{
	struct helpers *h = arg;
	struct reactor_work *w;

	pthread_mutex_lock(&h->lock);
	while ((w = helpers_next_locked(h))) {
		pthread_mutex_unlock(&h->lock);
		w->run(w);
		pthread_mutex_lock(&h->lock);
		list_add_tail(&w->link, &h->ended);
		helpers_wake_reactor(h);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static int helpers_add_thread(struct helpers *h)
{
	sigset_t all;
	sigset_t old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&h->threads[h->nr_threads], NULL, helper_main, h);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	h->nr_threads++;
	return 0;
}

int helpers_open(unsigned int nr_max, int wake_fd, struct helpers **ret_h)
{
	struct helpers *h;
	int err;

	assert(nr_max > 0);
	h = calloc(1, sizeof(*h) + nr_max * sizeof(h->threads[0]));
	if (!h)
		return -ENOMEM;
	h->wake_fd = wake_fd;
	h->nr_max = nr_max;
	list_init(&h->queued);
	list_init(&h->ended);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->work_queued, NULL);
	err = helpers_add_thread(h);
	if (err) {
		helpers_close(h);
		return err;
	}
	*ret_h = h;
	return 0;
}

void helpers_close(struct helpers *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	pthread_cond_broadcast(&h->work_queued);
	pthread_mutex_unlock(&h->lock);
	while (h->nr_threads > 0)
		pthread_join(h->threads[--h->nr_threads], NULL);
	pthread_cond_destroy(&h->work_queued);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void helpers_queue(struct helpers *h, struct reactor_work *w)
{
	bool enough;

	pthread_mutex_lock(&h->lock);
	list_add_tail(&w->link, &h->queued);
	enough = ++h->nr_queued <= h->nr_idle;
	pthread_cond_signal(&h->work_queued);
	pthread_mutex_unlock(&h->lock);
	if (enough || h->nr_threads == h->nr_max)
		return;
	if (helpers_add_thread(h)) {
		log_warn("cannot start another helper thread, going on with %u: raise the limit of threads",
			 h->nr_threads);
		h->nr_max = h->nr_threads;
	}
}

void helpers_deliver(struct helpers *h)
{
	struct list ended;

	if (!__atomic_load_n(&h->any_ended, __ATOMIC_ACQUIRE))
		return;
	list_init(&ended);
	pthread_mutex_lock(&h->lock);
	list_splice_tail(&h->ended, &ended);
	__atomic_store_n(&h->any_ended, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&h->lock);
	while (!list_is_empty(&ended)) {
		struct reactor_work *w = list_first_entry(&ended, struct reactor_work, link);

		list_del(&w->link);
		w->done(w);
	}
}
