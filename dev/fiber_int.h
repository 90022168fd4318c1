/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_FIBER_INT_H
#define LAMINA_DEV_FIBER_INT_H

/* The inside of a fiber, for the reactor's loop and for fiber_sync.c. */

#include "dev/fiber.h"
#include "dev/fiber_stack.h"
#include "dev/fiber_switch.h"
#include "dev/list.h"

/*
 *   RUNNABLE -> RUNNING              the loop picks it
 *   RUNNING  -> RUNNABLE             fiber_yield
 *   RUNNING  -> PARKED -> RUNNABLE   fiber_park, fiber_wake
 *   RUNNING  -> ENDED                its function has returned; its stack goes back at once
 */
enum fiber_state {
	FIBER_RUNNABLE,
	FIBER_RUNNING,
	FIBER_PARKED,
	FIBER_ENDED,
};

struct fiber {
	struct reactor *reactor;
	const char *name;
	void (*fn)(void *arg);
	void *arg;
	enum fiber_state state;
	bool detached;
	bool wake_pending;	 /* fiber_wake() was called since the last fiber_park() returned */
	unsigned int locks_held; /* mutexes; none may be left at the end */
	struct fiber *joiner;	 /* parked in fiber_join() on us */
	struct list queue_link;	 /* reactor.runnable or reactor.turn while RUNNABLE */
	struct list all_link;	 /* reactor.fibers */
	struct fiber_context context;
	struct fiber_stack *stack; /* NULL once ENDED */
	void *asan_fake_stack;
};

/* From the loop: run @f, which is runnable and on no queue, until it switches away; then tidy up if it has ended. */
void fiber_resume(struct fiber *f);

/* From the loop: forget @f wherever it stands.  What its frames own is lost. */
void fiber_discard(struct fiber *f);

#endif
