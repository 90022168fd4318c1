/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_FIBER_H
#define LAMINA_DEV_FIBER_H

/*
 * Fibers: stackful coroutines that run on one reactor's thread and switch only inside functions marked FIBER_FN.
 * Each has its own guarded stack.  A fiber belongs to its reactor for ever, and its end is collected by
 * fiber_join() or, if it was spawned detached, by the reactor itself.
 */

#include "dev/base.h"

struct fiber;
struct reactor;

/*
 * Make a fiber that will run @fn(@arg) on @r; it starts when the reactor next picks it, never at once.
 * @name is shown in reports and must outlive the fiber.  @ret_fiber NULL: detached, nobody joins it; else it must
 * be joined exactly once.  May be called from a fiber or from the reactor's callbacks.  -ENOMEM, -EAGAIN (the
 * reactor's limit of fibers is reached).
 */
int fiber_spawn(struct reactor *r, const char *name, void (*fn)(void *arg), void *arg, struct fiber **ret_fiber)
	MUST_CHECK;

/* The fiber that runs now; NULL outside of any fiber. */
struct fiber *fiber_self(void);

/* The reactor of the running fiber. */
struct reactor *fiber_reactor(void);

const char *fiber_name(const struct fiber *f);

/* Wait until @f's function has returned, then free it. */
FIBER_FN void fiber_join(struct fiber *f);

/* Let the other runnable fibers run once. */
FIBER_FN void fiber_yield(void);

/*
 * Sleep until fiber_wake().  A wake that came since the last park is not lost: park then returns at once.  Wake-ups
 * may be spurious: the caller checks its condition in a loop.
 */
FIBER_FN void fiber_park(void);

/* Make @f runnable if it is parked, else remember the wake.  Never switches; any callback may call it. */
void fiber_wake(struct fiber *f);

FIBER_FN void fiber_sleep_ns(uint64_t ns);

/* Between these two, any switch aborts the program: for code whose promise is not to switch.  They nest. */
void fiber_no_switch_begin(void);
void fiber_no_switch_end(void);

/* The most stack that any fiber of this process has used so far, in bytes, as far as ended fibers tell. */
size_t fiber_stack_high_water(void);

#endif
