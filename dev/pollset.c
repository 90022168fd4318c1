/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Polls through epoll.  Promises: a request ends once, with what is ready or with the kernel's error; a file that was
 * closed meanwhile leaves nothing behind; and done() may start the next poll of the same file.
 *
 * An entry that has reported stays in the set, disarmed (EPOLLONESHOT), until it is armed again or the file is
 * closed.  A disarmed entry reports nothing, so the request that it still points to is not looked at any more.
 */
#include "dev/pollset.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "dev/backend.h"

#define POLLSET_BATCH 64 /* events taken at a time */

int pollset_open(struct pollset *s)
{
	unsigned int i;

	*s = (struct pollset){ .fd = { -1, -1 } };
	for (i = 0; i < POLLSET_FDS; i++) {
		s->fd[i] = epoll_create1(EPOLL_CLOEXEC);
		if (s->fd[i] < 0)
			return -errno;
	}
	return 0;
}

void pollset_close(struct pollset *s)
{
	unsigned int i;

	for (i = 0; i < POLLSET_FDS; i++) {
		if (s->fd[i] >= 0)
			close(s->fd[i]);
		s->fd[i] = -1;
	}
}

void pollset_fds(const struct pollset *s, struct pollfd ret_fds[POLLSET_FDS])
{
	unsigned int i;

	for (i = 0; i < POLLSET_FDS; i++)
		ret_fds[i] = (struct pollfd){ .fd = s->fd[i], .events = POLLIN };
}

static int pollset_add(int set, struct io_req *req)
{
	struct epoll_event event = { .events = (uint32_t)req->events | EPOLLONESHOT, .data.ptr = req };

	if (epoll_ctl(set, EPOLL_CTL_MOD, req->fd, &event) == 0)
		return 0;
	if (errno == ENOENT && epoll_ctl(set, EPOLL_CTL_ADD, req->fd, &event) == 0)
		return 0;
	return -errno;
}

unsigned int pollset_start(struct pollset *s, struct list *queue)
{
	unsigned int failed = 0;

	while (!list_is_empty(queue) && s->nr[0] + s->nr[1] < BACKEND_POLLS_MAX) {
		struct io_req *req = list_first_entry(queue, struct io_req, link);
		unsigned int which = req->events & POLLIN ? 0 : 1;
		int err = pollset_add(s->fd[which], req);

		list_del(&req->link);
		if (!err) {
			s->nr[which]++;
			continue;
		}
		failed++;
		req->result = err;
		req->done(req);
	}
	return failed;
}

static int pollset_deliver_one(struct pollset *s, unsigned int which)
{
	struct epoll_event events[POLLSET_BATCH];
	int nr = epoll_wait(s->fd[which], events, POLLSET_BATCH, 0);
	int i;

	for (i = 0; i < nr; i++) {
		struct io_req *req = events[i].data.ptr;

		assert(s->nr[which] > 0);
		s->nr[which]--;
		req->result = events[i].events;
		req->done(req);
	}
	return nr;
}

void pollset_deliver(struct pollset *s)
{
	unsigned int i;

	for (i = 0; i < POLLSET_FDS; i++) {
		while (s->nr[i] > 0 && pollset_deliver_one(s, i) == POLLSET_BATCH)
			;
	}
}
