/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_DURABLE_H
#define LAMINA_DEV_DURABLE_H

/*
 * How a durable write is carried out: the choice between several ways that promise the same and differ in speed,
 * by measuring all the time.  Which one is best depends on the device, the kernel and on how busy the processors
 * are, and it changes while we run: asynchronous RWF_DSYNC is the fastest on an idle machine and can be thirty times
 * slower than the others on a busy one.
 *
 * This is the decision alone: it does no I/O and reads no clock.  Each write takes a ticket before and gives its
 * latency back after.
 */

#include "dev/base.h"

enum durable_method {
	DURABLE_DSYNC,	/* asynchronous write with RWF_DSYNC */
	DURABLE_LINKED, /* asynchronous write, linked to an fdatasync */
	DURABLE_THREAD, /* write and fdatasync in a helper thread */
	DURABLE_METHODS,
};

#define DURABLE_CLASSES 3  /* of sizes: up to 16 KiB, up to 128 KiB, above; each is judged by itself */
#define DURABLE_WINDOW	32 /* latest samples that make a method's cost */

struct durable_cost {
	uint64_t samples_ns[DURABLE_WINDOW]; /* a ring */
	unsigned int nr;		     /* valid samples */
	unsigned int next;
	uint64_t cost_ns;	 /* what one write by this method costs; meaningful if nr > 0 */
	int64_t trial_budget_ns; /* what trying it may cost beyond the current method; < 0: overspent */
	uint64_t since_trial_ns; /* time that writes of the class took, by any method */
};

struct durable_class {
	struct durable_cost costs[DURABLE_METHODS];
	enum durable_method current;
	enum durable_method trial; /* the method that is being tried; DURABLE_METHODS: none */
	bool trial_in_flight;
	uint64_t floor_ns; /* about the best cost of late, whichever method had it */
};

struct durable {
	unsigned int allowed; /* bit per method */
	struct durable_class classes[DURABLE_CLASSES];
	uint64_t nr_writes[DURABLE_METHODS];
	uint64_t nr_switches;
};

struct durable_ticket {
	enum durable_method method;
	uint8_t size_class;
	bool is_trial;
};

/* @allowed has a bit for each method that may be used (1u << DURABLE_x), at least one.  With one bit it is fixed. */
void durable_init(struct durable *d, unsigned int allowed);

/* Choose the method of a write of @len bytes.  The ticket goes to durable_finish() or durable_cancel(), once. */
void durable_start(struct durable *d, uint64_t len, struct durable_ticket *ret_ticket);
/* The write of @t succeeded and took @latency_ns. */
void durable_finish(struct durable *d, const struct durable_ticket *t, uint64_t latency_ns);
/* The write of @t failed: nothing is learnt. */
void durable_cancel(struct durable *d, const struct durable_ticket *t);

/* @method does not work here.  -EOPNOTSUPP: it was the last one, and stays. */
int durable_forbid(struct durable *d, enum durable_method method) MUST_CHECK;

/* The method that a write of @len bytes takes at present, trials aside. */
enum durable_method durable_current(const struct durable *d, uint64_t len);
const char *durable_method_name(enum durable_method method);
/*
 * "dsync", "linked", "thread": that one; "auto" or NULL: all of them.  As bits for durable_init(); -EINVAL for
 * anything else.
 */
int durable_parse(const char *name, unsigned int *ret_allowed) MUST_CHECK;

#endif
