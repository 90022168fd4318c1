/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated back end of the reactor: all there is to answer is what time it is, who runs next, and that waiting
 * for a timer takes no time at all.  Promise: the answers follow from the seed and from what was asked before.
 */
#include "tests/sim/sim_reactor.h"

#include <inttypes.h>

#include "dev/reactor_int.h"
#include "tests/sim/sim_util.h"

#define START_NS       NSEC_PER_SEC
#define WALL_START_NS  1700000000000000000ULL /* some day in 2023 */
#define PICK_NS_MAX    2000		      /* how long a fiber runs */
#define OFFLOAD_NS_MAX 3000000
#define EARLY_ONE_IN   32	/* while fibers want to run, how often the next timer comes all the same, */
#define EARLY_NS_MAX   30000000 /* if it is no farther away than this: they are not so slow */

struct sim_reactor {
	struct reactor base;
	uint64_t seed;
	uint64_t now_ns;
	struct sim_rng order;	/* of fibers and times */
	struct sim_rng numbers; /* for who asks for chance */
	uint64_t trace;
	struct list offloads;
};

struct offload {
	struct reactor_timer timer;
	struct reactor_work *work;
	struct list link; /* sim_reactor.offloads */
};

static struct sim_reactor *sim_of(struct reactor *r)
{
	return container_of(r, struct sim_reactor, base);
}

static uint64_t sim_now_ns(struct reactor *r)
{
	return sim_of(r)->now_ns;
}

static uint64_t sim_wall_ns(struct reactor *r)
{
	return WALL_START_NS + sim_of(r)->now_ns;
}

static uint64_t sim_random(struct reactor *r)
{
	uint64_t x = sim_rng_next(&sim_of(r)->numbers);

	sim_reactor_trace(r, x);
	return x;
}

static size_t sim_pick(struct reactor *r, size_t nr)
{
	struct sim_reactor *s = sim_of(r);
	size_t choice = sim_rng_below(&s->order, nr);

	s->now_ns += 1 + sim_rng_below(&s->order, PICK_NS_MAX);
	sim_reactor_trace(r, (uint64_t)nr << 32 | choice);
	return choice;
}

static void report_deadlock(struct sim_reactor *s)
{
	fprintf(stderr,
		"deadlock at %" PRIu64 " ns (seed %" PRIu64 "): no fiber can run, no timer is armed; parked:\n",
		s->now_ns, s->seed);
	list_for_each (pos, &s->base.fibers) {
		const struct fiber *f = list_entry(pos, struct fiber, all_link);

		if (f->state == FIBER_PARKED)
			fprintf(stderr, "  %s\n", f->name);
	}
	abort();
}

static void sim_poll(struct reactor *r, uint64_t deadline_ns)
{
	struct sim_reactor *s = sim_of(r);
	uint64_t next = reactor_next_deadline_ns(r);

	if (deadline_ns == UINT64_MAX)
		report_deadlock(s);
	if (deadline_ns == 0 && (next > s->now_ns + EARLY_NS_MAX || !sim_rng_chance(&s->order, 1, EARLY_ONE_IN)))
		return;
	s->now_ns = max_u64(s->now_ns, next);
}

static void offload_fire(struct reactor_timer *t)
{
	struct offload *o = t->owner;
	struct reactor_work *work = o->work;

	list_del(&o->link);
	free(o);
	work->run(work);
	work->done(work);
}

static void sim_offload(struct reactor *r, struct reactor_work *w)
{
	struct sim_reactor *s = sim_of(r);
	struct offload *o = sim_alloc(sizeof(*o));

	o->timer.fire = offload_fire;
	o->timer.owner = o;
	o->work = w;
	list_add_tail(&o->link, &s->offloads);
	reactor_timer_arm(r, &o->timer, s->now_ns + 1 + sim_rng_below(&s->order, OFFLOAD_NS_MAX));
}

static void sim_close(struct reactor *r)
{
	struct sim_reactor *s = sim_of(r);

	reactor_release(r);
	list_for_each_safe (pos, &s->offloads)
		free(list_entry(pos, struct offload, link));
	free(s);
}

struct reactor *sim_reactor_new(uint64_t seed)
{
	static const struct reactor_ops ops = {
		.now_ns = sim_now_ns,
		.wall_ns = sim_wall_ns,
		.random = sim_random,
		.pick = sim_pick,
		.poll = sim_poll,
		.offload = sim_offload,
		.close = sim_close,
	};
	struct sim_reactor *s = sim_alloc(sizeof(*s));

	if (reactor_init(&s->base, &ops, "simulated", NULL)) {
		fprintf(stderr, "no memory for a simulated reactor\n");
		abort();
	}
	s->seed = seed;
	s->now_ns = START_NS;
	s->order = sim_rng_make(seed, 0x0de);
	s->numbers = sim_rng_make(seed, 0x4a4d);
	list_init(&s->offloads);
	return &s->base;
}

uint64_t sim_reactor_trace_hash(const struct reactor *r)
{
	return container_of(r, const struct sim_reactor, base)->trace;
}

void sim_reactor_trace(struct reactor *r, uint64_t event)
{
	struct sim_reactor *s = sim_of(r);

	sim_hash_add(&s->trace, s->now_ns);
	sim_hash_add(&s->trace, event);
}
