/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_SIGNALS_H
#define LAMINA_DEV_SIGNALS_H

/*
 * Signals of the process as events of a reactor: nothing is interrupted, and nobody runs in a handler.
 */

#include "dev/base.h"

struct reactor;
struct signals;

/*
 * Keep signals @nrs[0..nr) from their usual effect until signals_open() takes them; they wait meanwhile.  Before the
 * reactor is opened, so that its threads don't get them either.
 */
void signals_hold(const int *nrs, unsigned int nr);
/*
 * From now on @fn(@arg, signal number) is called for them, in @r's loop and not in a fiber.  One open at a time.
 * -ENOMEM, -EMFILE and others of signalfd(2).
 */
int signals_open(struct reactor *r, const int *nrs, unsigned int nr, void (*fn)(void *arg, int nr), void *arg,
		 struct signals **ret_signals) MUST_CHECK;
/* After reactor_close() of its reactor.  The signals stay held.  NULL is allowed. */
void signals_close(struct signals *s);

#endif
