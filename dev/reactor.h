/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_REACTOR_H
#define LAMINA_DEV_REACTOR_H

/*
 * The reactor seam: time, chance and run order.  One thread runs a loop: runnable fibers first, then what has
 * arrived (completions, timers), then sleep until something does.  A real reactor (reactor_open) sleeps in io_uring
 * or libaio; a simulated one (tests/sim) advances a virtual clock and draws order from a seed.
 */

#include "dev/base.h"
#include "dev/list.h"

struct reactor;
struct fiber;

/* A callback at a time.  Lives in its owner's memory. */
struct reactor_timer {
	uint64_t deadline_ns;
	uint64_t order;	 /* the reactor's */
	size_t heap_pos; /* the reactor's; 0: not armed */
	void (*fire)(struct reactor_timer *t);
	void *owner;
};

/* Work for the helper pool: run() in some other thread, then done() in the reactor's. */
struct reactor_work {
	void (*run)(struct reactor_work *w);
	void (*done)(struct reactor_work *w);
	void *owner;
	struct list link; /* the reactor's */
};

struct reactor_ops {
	/* Nanoseconds from an arbitrary start, never going back. */
	uint64_t (*now_ns)(struct reactor *r);
	/* Nanoseconds since 1970, for time stamps only. */
	uint64_t (*wall_ns)(struct reactor *r);
	uint64_t (*random)(struct reactor *r);
	/* Which of @nr (> 0) runnable fibers runs next, 0 being the one that waits longest.  NULL: always 0. */
	size_t (*pick)(struct reactor *r, size_t nr);
	/* Deliver what has arrived; if nothing has, wait for it until @deadline_ns (0: do not wait). */
	void (*poll)(struct reactor *r, uint64_t deadline_ns);
	/* Queue @w for a helper (a simulated reactor may run it by itself, later). */
	void (*offload)(struct reactor *r, struct reactor_work *w);
	void (*close)(struct reactor *r);
};

uint64_t reactor_now_ns(struct reactor *r);
uint64_t reactor_wall_ns(struct reactor *r);
uint64_t reactor_random(struct reactor *r);
/* Uniform in [0, bound), bound > 0. */
uint64_t reactor_random_below(struct reactor *r, uint64_t bound);

/* Arm @t for @deadline_ns (reactor time); re-arming moves it.  fire() runs in the loop, not in a fiber. */
void reactor_timer_arm(struct reactor *r, struct reactor_timer *t, uint64_t deadline_ns);
/* After this fire() will not be called. Harmless if not armed. */
void reactor_timer_cancel(struct reactor *r, struct reactor_timer *t);

void reactor_offload(struct reactor *r, struct reactor_work *w);
/* Run @fn(@arg) in a helper thread and wait for it; returns what @fn returned. */
FIBER_FN int reactor_call(struct reactor *r, int (*fn)(void *arg), void *arg) MUST_CHECK;

/*
 * Run fibers and events until @fn, started as the first fiber, has returned; its result is returned.  Fibers left
 * over stay as they are and go on in the next call.  Not from inside a fiber.
 */
int reactor_run(struct reactor *r, int (*fn)(void *arg), void *arg) MUST_CHECK;

enum reactor_backend {
	REACTOR_AUTO, /* io_uring, or libaio where the kernel or container refuses it */
	REACTOR_URING,
	REACTOR_LIBAIO,
};

struct reactor_options {
	enum reactor_backend backend;
	unsigned int queue_depth; /* requests in flight at most; 0: default */
	unsigned int helpers;	  /* threads of the pool; 0: default */
	unsigned int max_fibers;  /* 0: default */
	size_t stack_size;	  /* bytes for each fiber; 0: default; -EINVAL if absurd */
	uint64_t seed;		  /* of reactor_random; 0: from the system */
};

/*
 * @opt NULL: all defaults.  The environment variable LAMINA_IO (uring, libaio, auto) overrides @opt's back end.  One
 * line in the log says which was taken and why.  A reactor belongs to the thread that opened it.  -EINVAL: options
 * out of range, or LAMINA_IO is none of those; -ENOSYS and others: no back end can be had, as the log says.
 */
int reactor_open(const struct reactor_options *opt, struct reactor **ret_r) MUST_CHECK;
/*
 * Waits for file I/O in flight and for helpers at work, without delivering anything any more; discards what else is
 * queued and all fibers left over.  Not while it runs.  NULL is allowed.
 */
void reactor_close(struct reactor *r);
const char *reactor_backend_name(const struct reactor *r);

#endif
