/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_HELPERS_H
#define LAMINA_DEV_HELPERS_H

/* The helper threads behind reactor_offload(), for blocking calls that have no asynchronous form. */

#include "dev/base.h"
#include "dev/reactor.h"

struct helpers;

/*
 * Up to @nr_max threads, the first one at once, the others when needed; @wake_fd is an eventfd to be written when
 * helpers_deliver() has something to do.  -ENOMEM, -EAGAIN (limit of threads).
 */
int helpers_open(unsigned int nr_max, int wake_fd, struct helpers **ret_h) MUST_CHECK;

/* Waits for what runs; works that have not begun never do, and nothing is delivered any more.  NULL is allowed. */
void helpers_close(struct helpers *h);

void helpers_queue(struct helpers *h, struct reactor_work *w);

/* Call done() of the works that have run, in the order of their ends. */
void helpers_deliver(struct helpers *h);

#endif
