/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The loop, the timers and the calls that pass through the seam; no system call of its own except for memory.
 * Promises: fibers run in turns (those runnable when a turn begins run once each, then what has arrived is
 * delivered), so neither fibers nor completions starve; the loop sleeps whenever nothing is to do; and given equal
 * answers from the seam the order of events is equal.
 */

#include <string.h>
#include <sys/mman.h>

#include "dev/backend.h"
#include "dev/reactor_int.h"

#define HEAP_BYTES ((REACTOR_TIMERS_MAX + 1) * sizeof(struct reactor_timer *))

/* ---- timers: a binary heap, element i having its children at 2i and 2i + 1 ---- */

static bool timer_is_before(const struct reactor_timer *a, const struct reactor_timer *b)
{
	if (a->deadline_ns != b->deadline_ns)
		return a->deadline_ns < b->deadline_ns;
	return a->order < b->order;
}

static void heap_set(struct reactor *r, size_t pos, struct reactor_timer *t)
{
	r->heap[pos] = t;
	t->heap_pos = pos;
}

/* Put @t at @pos or further up. */
static void heap_rise(struct reactor *r, size_t pos, struct reactor_timer *t)
{
	for (; pos > 1 && timer_is_before(t, r->heap[pos / 2]); pos /= 2)
		heap_set(r, pos, r->heap[pos / 2]);
	heap_set(r, pos, t);
}

/* Put @t at @pos or further down. */
static void heap_sink(struct reactor *r, size_t pos, struct reactor_timer *t)
{
	size_t child;

	while ((child = 2 * pos) <= r->nr_timers) {
		if (child < r->nr_timers && timer_is_before(r->heap[child + 1], r->heap[child]))
			child++;
		if (!timer_is_before(r->heap[child], t))
			break;
		heap_set(r, pos, r->heap[child]);
		pos = child;
	}
	heap_set(r, pos, t);
}

void reactor_timer_cancel(struct reactor *r, struct reactor_timer *t)
{
	size_t pos = t->heap_pos;
	struct reactor_timer *last;

	if (pos == 0)
		return;
	assert(r->heap[pos] == t);
	t->heap_pos = 0;
	last = r->heap[r->nr_timers--];
	if (last == t)
		return;
	if (pos > 1 && timer_is_before(last, r->heap[pos / 2]))
		heap_rise(r, pos, last);
	else
		heap_sink(r, pos, last);
}

void reactor_timer_arm(struct reactor *r, struct reactor_timer *t, uint64_t deadline_ns)
{
	reactor_timer_cancel(r, t);
	assert(r->nr_timers < REACTOR_TIMERS_MAX);
	t->deadline_ns = deadline_ns;
	t->order = r->next_order++;
	heap_rise(r, ++r->nr_timers, t);
}

uint64_t reactor_next_deadline_ns(const struct reactor *r)
{
	return r->nr_timers ? r->heap[1]->deadline_ns : UINT64_MAX;
}

/* A callback may arm timers that are due at once: these wait for the next round. */
static void reactor_fire_timers(struct reactor *r)
{
	size_t left = r->nr_timers;
	uint64_t now;

	if (left == 0)
		return;
	now = reactor_now_ns(r);
	for (; left > 0 && reactor_next_deadline_ns(r) <= now && r->nr_timers > 0; left--) {
		struct reactor_timer *t = r->heap[1];

		reactor_timer_cancel(r, t);
		t->fire(t);
	}
}

/* ---- the loop ---- */

void reactor_enqueue(struct reactor *r, struct fiber *f)
{
	assert(list_is_empty(&f->queue_link));
	list_add_tail(&f->queue_link, &r->runnable);
	r->nr_runnable++;
}

/* Take the @i-th fiber of this turn. */
static struct fiber *turn_take(struct reactor *r, size_t i)
{
	struct list *pos = r->turn.next;

	assert(i < r->nr_turn);
	for (; i > 0; i--)
		pos = pos->next;
	list_del(pos);
	r->nr_turn--;
	return list_entry(pos, struct fiber, queue_link);
}

/* Run each fiber that is runnable now once, or until *@stop. */
static void reactor_turn(struct reactor *r, const bool *stop)
{
	list_splice_tail(&r->runnable, &r->turn);
	r->nr_turn += r->nr_runnable;
	r->nr_runnable = 0;
	while (r->nr_turn > 0 && !*stop)
		fiber_resume(turn_take(r, r->ops->pick ? r->ops->pick(r, r->nr_turn) : 0));
}

struct first_fiber {
	int (*fn)(void *arg);
	void *arg;
	int result;
	bool over;
};

static void first_fiber_main(void *arg)
{
	struct first_fiber *first = arg;

	first->result = first->fn(first->arg);
	first->over = true;
}

int reactor_run(struct reactor *r, int (*fn)(void *arg), void *arg)
{
	struct first_fiber first = { .fn = fn, .arg = arg };
	int err;

	assert(!r->running);
	assert(!fiber_self());
	err = fiber_spawn(r, "first", first_fiber_main, &first, NULL);
	if (err)
		return err;
	r->running = true;
	for (;;) {
		reactor_turn(r, &first.over);
		if (first.over)
			break;
		r->ops->poll(r, r->nr_runnable ? 0 : reactor_next_deadline_ns(r));
		reactor_fire_timers(r);
	}
	r->running = false;
	return first.result;
}

/* ---- set-up ---- */

/*
 * Arming a timer must not fail, so room for all that may ever be armed is reserved as address space; memory is
 * used only as far as the heap has ever grown.
 */
static int heap_map(struct reactor *r)
{
	void *map =
		mmap(NULL, HEAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return -ENOMEM;
	r->heap = map;
	return 0;
}

int reactor_init(struct reactor *r, const struct reactor_ops *ops, const char *name,
		 const struct reactor_options *opt)
{
	int err;

	memset(r, 0, sizeof(*r));
	r->ops = ops;
	r->name = name;
	r->max_fibers = opt && opt->max_fibers ? opt->max_fibers : REACTOR_FIBERS_MAX_DEFAULT;
	list_init(&r->runnable);
	list_init(&r->turn);
	list_init(&r->fibers);
	err = fiber_stack_pool_init(&r->stacks, opt ? opt->stack_size : 0);
	if (err)
		return err;
	return heap_map(r);
}

void reactor_release(struct reactor *r)
{
	assert(!r->running);
	list_for_each_safe (pos, &r->fibers)
		fiber_discard(list_entry(pos, struct fiber, all_link));
	assert(r->nr_fibers == 0);
	fiber_stack_pool_release(&r->stacks);
	munmap(r->heap, HEAP_BYTES);
}

void reactor_close(struct reactor *r)
{
	if (!r)
		return;
	assert(!r->running);
	r->ops->close(r);
}

/* ---- through the seam ---- */

uint64_t reactor_now_ns(struct reactor *r)
{
	return r->ops->now_ns(r);
}

uint64_t reactor_wall_ns(struct reactor *r)
{
	return r->ops->wall_ns(r);
}

uint64_t reactor_random(struct reactor *r)
{
	return r->ops->random(r);
}

uint64_t reactor_random_below(struct reactor *r, uint64_t bound)
{
	uint64_t uneven;
	uint64_t x;

	assert(bound > 0);
	/* The lowest 2^64 mod @bound numbers would make some results likelier than others. */
	uneven = -bound % bound;
	do
		x = reactor_random(r);
	while (x < uneven);
	return x % bound;
}

void reactor_offload(struct reactor *r, struct reactor_work *w)
{
	r->ops->offload(r, w);
}

struct helper_call {
	struct reactor_work work;
	int (*fn)(void *arg);
	void *arg;
	int result;
	struct fiber *caller;
	bool over;
};

static void helper_call_run(struct reactor_work *w)
{
	struct helper_call *call = w->owner;

	call->result = call->fn(call->arg);
}

static void helper_call_done(struct reactor_work *w)
{
	struct helper_call *call = w->owner;

	call->over = true;
	fiber_wake(call->caller);
}

int reactor_call(struct reactor *r, int (*fn)(void *arg), void *arg)
{
	struct helper_call call = {
		.work = { .run = helper_call_run, .done = helper_call_done, .owner = &call },
		.fn = fn,
		.arg = arg,
		.caller = fiber_self(),
	};

	assert(call.caller && fiber_reactor() == r);
	reactor_offload(r, &call.work);
	while (!call.over)
		fiber_park();
	return call.result;
}

const char *reactor_backend_name(const struct reactor *r)
{
	return r->name;
}

void io_req_submit(struct reactor *r, struct io_req *req)
{
	assert(r->io_ops);
	r->io_ops->submit(r, req);
}

uint64_t io_req_len(const struct io_req *req)
{
	uint64_t len = 0;
	unsigned int i;

	for (i = 0; i < req->nr_iov; i++)
		len += req->iov[i].iov_len;
	return len;
}

bool io_is_supported(const struct reactor *r, enum io_op op)
{
	return r->io_ops && r->io_ops->is_supported(r, op);
}
