/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses the cheapest way of a durable write and goes on looking whether it still is.
 *
 * A method's cost is the mean of its latest samples without the two worst: one hiccup of the device says nothing
 * about a method, three bad writes do.  So a method that collapses is left after three writes.
 *
 * The other methods are tried now and then, the sooner the worse the current one is against what was possible of
 * late. A trial is up to TRIAL_SAMPLES writes; it ends at once when they are clearly worse.  What it cost beyond the
 * current method is paid from a budget of that method, which grows by a fixed part of all time spent in durable
 * writes, and there is no next trial while it is overspent: a method nearly as good is tried often, one that is
 * thirty times worse seldom, and all trials together cost about DURABLE_METHODS - 1 such parts.  What is remembered
 * of a method does not keep it from being tried: it may be long ago.
 */
#include "dev/durable.h"

#include <string.h>

#define TRIAL_SAMPLES	     8
#define TRIAL_EVERY	     64	 /* times the floor: from one trial of a method to its next */
#define FLOOR_RISES	     256 /* the floor forgets by 1/256 of the difference with each write */
#define TRIAL_TIME_PART	     128 /* a method's budget grows by 1/128 of the time */
#define TRIAL_TIME_PART_SLOW 8	 /* the same while the current method has collapsed */
#define COLLAPSE	     4	 /* times the floor */
#define TRIAL_LOSES_PERCENT  140 /* of the current cost: a trial ends early */
#define TRIAL_AWFUL_PERCENT  300 /* the same on the first samples, where a single bad one proves nothing */
#define SWITCH_PERCENT	     92	 /* of the current cost: good enough to change over */
#define OUTLIERS	     2
#define COST_CLAMP	     256 /* times the current cost: nothing counts as worse than that */

static const char *const method_names[DURABLE_METHODS] = { "dsync", "linked", "thread" };

static uint8_t class_of(uint64_t len)
{
	return len <= 16384 ? 0 : len <= 131072 ? 1 : 2;
}

static bool is_allowed(const struct durable *d, enum durable_method m)
{
	return d->allowed & (1u << m);
}

static enum durable_method first_allowed(const struct durable *d)
{
	enum durable_method m = 0;

	while (!is_allowed(d, m))
		m++;
	return m;
}

void durable_init(struct durable *d, unsigned int allowed)
{
	assert(allowed != 0 && allowed < (1u << DURABLE_METHODS));
	*d = (struct durable){ .allowed = allowed };
	for (unsigned int i = 0; i < DURABLE_CLASSES; i++) {
		d->classes[i].current = first_allowed(d);
		d->classes[i].trial = DURABLE_METHODS;
	}
}

/* The mean without the worst samples; while there are few, without fewer of them. */
static uint64_t cost_of(const struct durable_cost *c)
{
	uint64_t sum = 0, worst[OUTLIERS] = { 0, 0 };
	unsigned int drop = c->nr >= 8 ? 2 : c->nr >= 3 ? 1 : 0;

	for (unsigned int i = 0; i < c->nr; i++) {
		uint64_t s = c->samples_ns[i];

		sum += s;
		if (s > worst[0]) {
			worst[1] = worst[0];
			worst[0] = s;
		} else if (s > worst[1]) {
			worst[1] = s;
		}
	}
	for (unsigned int i = 0; i < drop; i++)
		sum -= worst[i];
	return sum / (c->nr - drop);
}

static void add_sample(struct durable_cost *c, uint64_t latency_ns)
{
	c->samples_ns[c->next] = latency_ns;
	c->next = (c->next + 1) % DURABLE_WINDOW;
	if (c->nr < DURABLE_WINDOW)
		c->nr++;
	c->cost_ns = cost_of(c);
}

static void forget_samples(struct durable_cost *c)
{
	c->nr = 0;
	c->next = 0;
}

/* What one write by @m is expected to cost beyond the current method. */
static int64_t extra_cost(const struct durable_class *k, uint64_t cost_ns)
{
	uint64_t current = k->costs[k->current].cost_ns;

	if (cost_ns <= current)
		return 0;
	return (int64_t)min_u64(cost_ns - current, COST_CLAMP * current);
}

/* An unknown method is tried first; a known one when it is its turn and its last trials are paid for. */
static bool trial_is_due(const struct durable_class *k, enum durable_method m)
{
	const struct durable_cost *c = &k->costs[m];

	if (c->nr == 0)
		return true;
	return c->since_trial_ns >= TRIAL_EVERY * k->floor_ns && c->trial_budget_ns >= 0;
}

static void begin_trial_if_due(struct durable *d, struct durable_class *k)
{
	if (k->trial != DURABLE_METHODS || k->costs[k->current].nr < TRIAL_SAMPLES)
		return;
	for (enum durable_method m = 0; m < DURABLE_METHODS; m++) {
		if (m == k->current || !is_allowed(d, m) || !trial_is_due(k, m))
			continue;
		k->trial = m;
		forget_samples(&k->costs[m]);
		return;
	}
}

void durable_start(struct durable *d, uint64_t len, struct durable_ticket *ret_ticket)
{
	uint8_t size_class = class_of(len);
	struct durable_class *k = &d->classes[size_class];

	begin_trial_if_due(d, k);
	*ret_ticket = (struct durable_ticket){ .method = k->current, .size_class = size_class };
	if (k->trial != DURABLE_METHODS && !k->trial_in_flight) {
		ret_ticket->method = k->trial;
		ret_ticket->is_trial = true;
		k->trial_in_flight = true;
	}
	d->nr_writes[ret_ticket->method]++;
}

static void end_trial(struct durable_class *k)
{
	k->costs[k->trial].since_trial_ns = 0;
	k->trial = DURABLE_METHODS;
}

static void judge_trial(struct durable *d, struct durable_class *k)
{
	const struct durable_cost *c = &k->costs[k->trial];
	uint64_t current = k->costs[k->current].cost_ns;

	if (c->cost_ns > current / 100 * (c->nr < 3 ? TRIAL_AWFUL_PERCENT : TRIAL_LOSES_PERCENT)) {
		end_trial(k);
	} else if (c->nr >= TRIAL_SAMPLES) {
		enum durable_method m = k->trial;

		end_trial(k);
		if (c->cost_ns < current / 100 * SWITCH_PERCENT) {
			k->costs[k->current].since_trial_ns = 0;
			k->current = m;
			d->nr_switches++;
		}
	}
}

/* The current method may have become worse than what is remembered of another. */
static void judge_current(struct durable *d, struct durable_class *k)
{
	enum durable_method best = k->current;

	for (enum durable_method m = 0; m < DURABLE_METHODS; m++) {
		if (is_allowed(d, m) && m != k->trial && k->costs[m].nr > 0 &&
		    k->costs[m].cost_ns < k->costs[best].cost_ns)
			best = m;
	}
	if (k->costs[best].cost_ns >= k->costs[k->current].cost_ns / 100 * SWITCH_PERCENT)
		return;
	k->costs[k->current].since_trial_ns = 0;
	k->current = best;
	d->nr_switches++;
}

/* The current method is far from what was possible of late: then it is worth more to look around. */
static bool is_collapsed(const struct durable_class *k)
{
	return k->costs[k->current].cost_ns > COLLAPSE * k->floor_ns;
}

static void grow_budgets(struct durable_class *k, uint64_t latency_ns)
{
	uint64_t part = is_collapsed(k) ? TRIAL_TIME_PART_SLOW : TRIAL_TIME_PART;

	for (enum durable_method m = 0; m < DURABLE_METHODS; m++) {
		struct durable_cost *c = &k->costs[m];
		int64_t limit = (int64_t)(2 * COST_CLAMP * k->costs[k->current].cost_ns);

		c->since_trial_ns += latency_ns;
		c->trial_budget_ns += (int64_t)(latency_ns / part);
		if (c->trial_budget_ns > limit)
			c->trial_budget_ns = limit;
	}
}

static void move_floor(struct durable_class *k)
{
	uint64_t cost = k->costs[k->current].cost_ns;

	if (k->floor_ns == 0 || cost < k->floor_ns)
		k->floor_ns = cost;
	else
		k->floor_ns += (cost - k->floor_ns) / FLOOR_RISES;
}

void durable_finish(struct durable *d, const struct durable_ticket *t, uint64_t latency_ns)
{
	struct durable_class *k = &d->classes[t->size_class];
	struct durable_cost *c = &k->costs[t->method];

	if (t->is_trial)
		k->trial_in_flight = false;
	add_sample(c, latency_ns);
	grow_budgets(k, latency_ns);
	if (t->is_trial && t->method == k->trial) {
		c->trial_budget_ns -= extra_cost(k, latency_ns);
		judge_trial(d, k);
	} else if (t->method == k->current) {
		judge_current(d, k);
		move_floor(k);
	}
}

void durable_cancel(struct durable *d, const struct durable_ticket *t)
{
	if (t->is_trial)
		d->classes[t->size_class].trial_in_flight = false;
}

int durable_forbid(struct durable *d, enum durable_method method)
{
	unsigned int left = d->allowed & ~(1u << method);

	if (left == 0)
		return -EOPNOTSUPP;
	d->allowed = left;
	for (unsigned int i = 0; i < DURABLE_CLASSES; i++) {
		struct durable_class *k = &d->classes[i];

		forget_samples(&k->costs[method]);
		if (k->trial == method)
			k->trial = DURABLE_METHODS;
		if (k->current == method)
			k->current = first_allowed(d);
	}
	return 0;
}

enum durable_method durable_current(const struct durable *d, uint64_t len)
{
	return d->classes[class_of(len)].current;
}

const char *durable_method_name(enum durable_method method)
{
	assert(method < DURABLE_METHODS);
	return method_names[method];
}

int durable_parse(const char *name, unsigned int *ret_allowed)
{
	if (!name || strcmp(name, "auto") == 0) {
		*ret_allowed = (1u << DURABLE_METHODS) - 1;
		return 0;
	}
	for (enum durable_method m = 0; m < DURABLE_METHODS; m++) {
		if (strcmp(name, method_names[m]) == 0) {
			*ret_allowed = 1u << m;
			return 0;
		}
	}
	return -EINVAL;
}
