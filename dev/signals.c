/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals through a signalfd that the reactor polls.  Promises: without signals nothing runs; each that arrives is
 * told once, and several of the same kind that arrive together perhaps as one.
 */
#include "dev/signals.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "dev/io.h"
#include "dev/log.h"

struct signals {
	struct reactor *reactor;
	struct io_req poll;
	int fd;
	void (*fn)(void *arg, int nr);
	void *arg;
};

static sigset_t set_of(const int *nrs, unsigned int nr)
{
	sigset_t set;

	sigemptyset(&set);
	for (unsigned int i = 0; i < nr; i++)
		sigaddset(&set, nrs[i]);
	return set;
}

void signals_hold(const int *nrs, unsigned int nr)
{
	sigset_t set = set_of(nrs, nr);
	int err = pthread_sigmask(SIG_BLOCK, &set, NULL);

	assert(!err);
}

static void signals_arrived(struct io_req *req)
{
	struct signals *s = req->owner;
	struct signalfd_siginfo info;

	if (req->result < 0) {
		log_err("signals can't be waited for any more: error %d; only SIGKILL ends this process",
			(int)-req->result);
		return;
	}
	while (read(s->fd, &info, sizeof(info)) == sizeof(info))
		s->fn(s->arg, (int)info.ssi_signo);
	io_req_submit(s->reactor, &s->poll);
}

int signals_open(struct reactor *r, const int *nrs, unsigned int nr, void (*fn)(void *arg, int nr), void *arg,
		 struct signals **ret_signals)
{
	struct signals *s = calloc(1, sizeof(*s));
	sigset_t set = set_of(nrs, nr);

	if (!s)
		return -ENOMEM;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0) {
		int err = -errno;

		free(s);
		return err;
	}
	s->reactor = r;
	s->fn = fn;
	s->arg = arg;
	s->poll =
		(struct io_req){ .op = IO_POLL, .fd = s->fd, .events = POLLIN, .done = signals_arrived, .owner = s };
	io_req_submit(r, &s->poll);
	*ret_signals = s;
	return 0;
}

void signals_close(struct signals *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}
