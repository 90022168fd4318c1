/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_REACTOR_INT_H
#define LAMINA_DEV_REACTOR_INT_H

/*
 * The part that all reactors share: run queue, timers and the loop itself.  A particular reactor (the real one, or a
 * simulated one) embeds struct reactor as its first member, calls reactor_init() with its operations, and undoes
 * that with reactor_release() from its close operation.
 *
 * What its operations may rely on:
 * - poll() is called from the loop, never inside a fiber.  It calls the done functions of what has arrived, which may
 *   wake and spawn fibers and arm timers.  @deadline_ns is 0 while a fiber is runnable, else the time of the first
 * timer, or UINT64_MAX if no timer is armed.  It may return early.  The loop fires due timers itself, after each
 * poll.
 * - pick() draws among the fibers left of this turn.
 * - Nothing but now_ns(), wall_ns(), random() and the order in which poll() delivers comes from outside: runs with
 *   equal answers are equal.  Timers fire by deadline, then in the order in which they were armed.
 */

#include "dev/fiber_int.h"
#include "dev/io.h"
#include "dev/list.h"
#include "dev/reactor.h"

/* The asynchronous file I/O of a real reactor; a simulated one has none. */
struct io_ops {
	void (*submit)(struct reactor *r, struct io_req *req);
	bool (*is_supported)(const struct reactor *r, enum io_op op);
};

struct reactor {
	const struct reactor_ops *ops;
	const struct io_ops *io_ops; /* NULL: none; set after reactor_init() */
	const char *name;	     /* of the back end, for messages */
	bool running;		     /* inside reactor_run() */

	struct list runnable; /* fibers for the next turn, the longest waiting first */
	size_t nr_runnable;
	struct list turn; /* fibers left of this turn, in the same order */
	size_t nr_turn;

	struct list fibers; /* all of them, by all_link */
	size_t nr_fibers;
	size_t max_fibers;
	struct fiber_stack_pool stacks;
	struct fiber_context loop; /* where a fiber that switches away goes on */
	void *asan_fake_stack;
	const void *asan_stack_low;
	size_t asan_stack_size;

	struct reactor_timer **heap; /* heap[1] is the next; room for REACTOR_TIMERS_MAX */
	size_t nr_timers;
	uint64_t next_order;
};

/* Timers armed at one time: far more than fibers, connections and clients together can have. */
#define REACTOR_TIMERS_MAX	   ((size_t)1 << 22)
#define REACTOR_FIBERS_MAX_DEFAULT 4096

/*
 * Set up the common part; @opt (NULL: all defaults) gives limits, its other members do not matter here.  -ENOMEM,
 * -EINVAL (options out of range).
 */
int reactor_init(struct reactor *r, const struct reactor_ops *ops, const char *name,
		 const struct reactor_options *opt) MUST_CHECK;

/* Discard all fibers (what their frames own is lost), forget all timers, free the common part. */
void reactor_release(struct reactor *r);

/* Put @f, which is on no queue, at the end of the run queue. */
void reactor_enqueue(struct reactor *r, struct fiber *f);

/* When the first timer is due; UINT64_MAX: none is armed. */
uint64_t reactor_next_deadline_ns(const struct reactor *r);

#endif
