/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_POLLSET_H
#define LAMINA_DEV_POLLSET_H

/*
 * Polls (IO_POLL) for a back end whose kernel interface has none that can be relied on: epoll, one set for reading
 * and one for writing, so that a file is in each set once and an entry stands for one request.
 *
 * The kernel's own asynchronous poll for libaio (IOCB_CMD_POLL) would be the other way.  It came late (4.18), is
 * missing in some containers, and takes from fs.aio-max-nr, which all processes share, for every idle connection.
 */

#include <poll.h>

#include "dev/base.h"
#include "dev/list.h"

#define POLLSET_FDS 2 /* to sleep on */

struct pollset {
	int fd[POLLSET_FDS]; /* epoll: of POLLIN, of POLLOUT */
	unsigned int nr[POLLSET_FDS];
};

/* Negative errno of epoll_create1(2); then pollset_close() is allowed. */
int pollset_open(struct pollset *s) MUST_CHECK;
/* Polls in flight are dropped.  Harmless twice. */
void pollset_close(struct pollset *s);

/* What to give to poll(2), to sleep until pollset_deliver() has something to do. */
void pollset_fds(const struct pollset *s, struct pollfd ret_fds[POLLSET_FDS]);
/* Start the requests of @queue, by io_req.link.  Returns how many of them ended, with an error. */
unsigned int pollset_start(struct pollset *s, struct list *queue);
/* Call done() of what is ready; does not wait. */
void pollset_deliver(struct pollset *s);

#endif
