/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of the method of durable writes, fed with made-up latencies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dev/durable.h"

#define ALL ((1u << DURABLE_METHODS) - 1)
#define US  1000ull
#define MS  1000000ull

/* A machine: what a write by each method takes, and what all of them have cost so far. */
struct machine {
	struct durable d;
	uint64_t latency_ns[DURABLE_METHODS];
	uint64_t spent_ns;
	uint32_t noise; /* state; 0: exact latencies */
};

static void machine_init(struct machine *m, uint64_t dsync, uint64_t linked, uint64_t thread)
{
	durable_init(&m->d, ALL);
	m->latency_ns[DURABLE_DSYNC] = dsync;
	m->latency_ns[DURABLE_LINKED] = linked;
	m->latency_ns[DURABLE_THREAD] = thread;
	m->spent_ns = 0;
	m->noise = 0;
}

/* Mostly 0.9 to 1.2 times @ns, one in 50 three times. */
static uint64_t with_noise(struct machine *m, uint64_t ns)
{
	if (m->noise == 0)
		return ns;
	m->noise = m->noise * 1664525u + 1013904223u;
	if ((m->noise >> 8) % 50 == 0)
		return 3 * ns;
	return ns * (90 + (m->noise >> 16) % 31) / 100;
}

static enum durable_method write_one(struct machine *m, uint64_t len)
{
	struct durable_ticket t;
	uint64_t ns;

	durable_start(&m->d, len, &t);
	ns = with_noise(m, m->latency_ns[t.method]);
	m->spent_ns += ns;
	durable_finish(&m->d, &t, ns);
	return t.method;
}

static void write_many(struct machine *m, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		(void)write_one(m, 4096);
}

static void test_finds_the_best(void **state)
{
	for (enum durable_method best = 0; best < DURABLE_METHODS; best++) {
		struct machine m;

		machine_init(&m, 200 * US, 200 * US, 200 * US);
		m.latency_ns[best] = 130 * US;
		m.noise = 1;
		write_many(&m, 100);
		assert_int_equal(durable_current(&m.d, 4096), best);
	}
}

static void test_leaves_a_collapsed_method_fast(void **state)
{
	struct machine m;
	unsigned int bad = 0;

	machine_init(&m, 125 * US, 140 * US, 135 * US);
	write_many(&m, 1000);
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_DSYNC);
	m.latency_ns[DURABLE_DSYNC] = 4 * MS;
	while (durable_current(&m.d, 4096) == DURABLE_DSYNC && bad < 100)
		bad += write_one(&m, 4096) == DURABLE_DSYNC;
	assert_in_range(bad, 1, 3);
}

/* Everything but one gets bad at once, and what is remembered of the others is wrong. */
static void test_finds_the_one_that_is_left(void **state)
{
	struct machine m;
	uint64_t before;

	machine_init(&m, 100 * US, 120 * US, 200 * US);
	write_many(&m, 1000);
	m.latency_ns[DURABLE_DSYNC] = 4 * MS;
	m.latency_ns[DURABLE_LINKED] = 5 * MS;
	before = m.spent_ns;
	for (unsigned int i = 0; durable_current(&m.d, 4096) != DURABLE_THREAD && i < 100; i++)
		write_many(&m, 1);
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_THREAD);
	assert_true(m.spent_ns - before < 40 * MS);
}

/* What is remembered of the others is as bad as what the current one has become, but no longer true. */
static void test_bad_memory_does_not_bind(void **state)
{
	struct machine m;
	uint64_t before;

	machine_init(&m, 100 * US, 5 * MS, 6 * MS);
	write_many(&m, 3000);
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_DSYNC);
	m.latency_ns[DURABLE_DSYNC] = 4 * MS;
	m.latency_ns[DURABLE_LINKED] = 90 * US;
	before = m.spent_ns;
	while (durable_current(&m.d, 4096) != DURABLE_LINKED && m.spent_ns - before < 5000 * MS)
		write_many(&m, 1);
	assert_true(m.spent_ns - before < 100 * MS);
}

static void test_comes_back_when_it_is_good_again(void **state)
{
	struct machine m;
	uint64_t before;

	machine_init(&m, 4 * MS, 200 * US, 180 * US);
	write_many(&m, 10000);
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_THREAD);
	m.latency_ns[DURABLE_DSYNC] = 120 * US;
	before = m.spent_ns;
	while (durable_current(&m.d, 4096) != DURABLE_DSYNC && m.spent_ns - before < 10000 * MS)
		write_many(&m, 1);
	assert_true(m.spent_ns - before < 1000 * MS);
}

/* Trials of two awful methods cost 2 % of the time at most. */
static void test_trials_are_cheap(void **state)
{
	struct machine m;
	uint64_t ideal = 100000 * 130 * US;

	machine_init(&m, 130 * US, 4 * MS, 20 * MS);
	write_many(&m, 100000);
	assert_true(m.spent_ns < ideal / 100 * 102 + 50 * MS);
	/* and yet they go on */
	assert_true(m.d.nr_writes[DURABLE_LINKED] > 10);
	assert_true(m.d.nr_writes[DURABLE_THREAD] > 3);
}

static void test_noise_costs_little(void **state)
{
	struct machine m, fixed;

	machine_init(&m, 130 * US, 145 * US, 150 * US);
	m.noise = 7;
	write_many(&m, 50000);
	machine_init(&fixed, 130 * US, 145 * US, 150 * US);
	durable_init(&fixed.d, 1u << DURABLE_DSYNC);
	fixed.noise = 7;
	write_many(&fixed, 50000);
	assert_true(m.spent_ns < fixed.spent_ns / 100 * 105);
}

static void test_a_hiccup_is_forgiven(void **state)
{
	struct machine m;

	machine_init(&m, 120 * US, 300 * US, 300 * US);
	write_many(&m, 1000);
	m.latency_ns[DURABLE_DSYNC] = 200 * MS;
	write_many(&m, 1);
	m.latency_ns[DURABLE_DSYNC] = 120 * US;
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_DSYNC);
	write_many(&m, 50);
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_DSYNC);
}

/* Many writes at once: no more than one of them tries something. */
static void test_one_trial_in_flight(void **state)
{
	struct machine m;

	machine_init(&m, 130 * US, 4 * MS, 4 * MS);
	for (unsigned int round = 0; round < 500; round++) {
		struct durable_ticket t[16];
		unsigned int trials = 0;

		for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
			durable_start(&m.d, 4096, &t[i]);
			trials += t[i].is_trial;
		}
		assert_in_range(trials, 0, 1);
		for (unsigned int i = 0; i < ARRAY_SIZE(t); i++)
			durable_finish(&m.d, &t[i], m.latency_ns[t[i].method]);
	}
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_DSYNC);
}

static void test_sizes_are_judged_apart(void **state)
{
	struct machine m;

	machine_init(&m, 100 * US, 200 * US, 300 * US);
	for (unsigned int i = 0; i < 500; i++) {
		m.latency_ns[DURABLE_DSYNC] = 100 * US;
		(void)write_one(&m, 16384);
		m.latency_ns[DURABLE_DSYNC] = 900 * US;
		(void)write_one(&m, 131072);
	}
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_DSYNC);
	assert_int_equal(durable_current(&m.d, 65536), DURABLE_LINKED);
}

static void test_fixed(void **state)
{
	struct machine m;

	machine_init(&m, 100 * US, 200 * US, 4 * MS);
	durable_init(&m.d, 1u << DURABLE_THREAD);
	write_many(&m, 1000);
	assert_int_equal(m.d.nr_writes[DURABLE_THREAD], 1000);
}

static void test_forbid(void **state)
{
	struct machine m;

	machine_init(&m, 100 * US, 200 * US, 300 * US);
	write_many(&m, 200);
	assert_int_equal(durable_forbid(&m.d, DURABLE_DSYNC), 0);
	m.d.nr_writes[DURABLE_DSYNC] = 0;
	write_many(&m, 1000);
	assert_int_equal(m.d.nr_writes[DURABLE_DSYNC], 0);
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_LINKED);
	assert_int_equal(durable_forbid(&m.d, DURABLE_LINKED), 0);
	assert_int_equal(durable_forbid(&m.d, DURABLE_THREAD), -EOPNOTSUPP);
	assert_int_equal(write_one(&m, 4096), DURABLE_THREAD);
}

/* The trial of a method whose writes fail neither blocks other trials' end nor counts. */
static void test_cancel(void **state)
{
	struct machine m;
	struct durable_ticket t;

	machine_init(&m, 100 * US, 200 * US, 300 * US);
	for (unsigned int i = 0; i < 1000; i++) {
		durable_start(&m.d, 4096, &t);
		if (t.is_trial)
			durable_cancel(&m.d, &t);
		else
			durable_finish(&m.d, &t, 100 * US);
	}
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_DSYNC);
	m.latency_ns[DURABLE_THREAD] = 50 * US;
	write_many(&m, 1000);
	assert_int_equal(durable_current(&m.d, 4096), DURABLE_THREAD);
}

static void test_parse(void **state)
{
	unsigned int allowed = 77;

	assert_int_equal(durable_parse("fast", &allowed), -EINVAL);
	assert_int_equal(allowed, 77);
	assert_int_equal(durable_parse(NULL, &allowed), 0);
	assert_int_equal(allowed, ALL);
	assert_int_equal(durable_parse("auto", &allowed), 0);
	assert_int_equal(allowed, ALL);
	for (enum durable_method m = 0; m < DURABLE_METHODS; m++) {
		assert_int_equal(durable_parse(durable_method_name(m), &allowed), 0);
		assert_int_equal(allowed, 1u << m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_the_best),
		cmocka_unit_test(test_leaves_a_collapsed_method_fast),
		cmocka_unit_test(test_finds_the_one_that_is_left),
		cmocka_unit_test(test_bad_memory_does_not_bind),
		cmocka_unit_test(test_comes_back_when_it_is_good_again),
		cmocka_unit_test(test_trials_are_cheap),
		cmocka_unit_test(test_noise_costs_little),
		cmocka_unit_test(test_a_hiccup_is_forgiven),
		cmocka_unit_test(test_one_trial_in_flight),
		cmocka_unit_test(test_sizes_are_judged_apart),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_forbid),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
