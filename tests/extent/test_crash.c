/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts at every write, and at every write of the recovery (tests/sim/crash.h).
 *
 *   LAMINA_CRASH_SEEDS=N    so many seeds instead of the default
 *   LAMINA_SEED=N           only this seed
 *   LAMINA_CRASH_AT=PLACE   of that seed only this cut, as a failure names it
 *   LAMINA_CRASH_DUMP=FILE  write what the failing cut left to FILE.0, FILE.1
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/sim/crash.h"
#include "tests/sim/sim_util.h"

#ifdef __SANITIZE_ADDRESS__
#define SEEDS	   4
#define DEEP_EVERY 16
#else
#define SEEDS	   16
#define DEEP_EVERY 1
#endif

static void run_seed(uint64_t seed, struct crash_report *sum)
{
	struct crash_config cfg = {
		.seed = seed,
		.deep_every = DEEP_EVERY,
		.only = getenv("LAMINA_CRASH_AT"),
		.dump = getenv("LAMINA_CRASH_DUMP"),
	};
	struct crash_report rep;

	crash_run(&cfg, &rep);
	if (rep.failed)
		fail_msg("seed %llu: %s\nagain: LAMINA_SEED=%llu LAMINA_CRASH_AT=%s tests/test_crash",
			 (unsigned long long)seed, rep.what, (unsigned long long)seed, rep.at);
	sum->commits += rep.commits;
	sum->checkpoints += rep.checkpoints;
	sum->rounds += rep.rounds;
	sum->points += rep.points;
	sum->states += rep.states;
	sum->deep_states += rep.deep_states;
	sum->torn += rep.torn;
	sum->behind += rep.behind;
}

static void test_every_cut(void **state)
{
	const char *seeds = getenv("LAMINA_CRASH_SEEDS"), *one = getenv("LAMINA_SEED");
	uint64_t first = one ? sim_seed(1) : 1, nr = one ? 1 : seeds ? strtoull(seeds, NULL, 10) : SEEDS;
	struct crash_report sum = { 0 };

	for (uint64_t seed = first; seed < first + nr; seed++)
		run_seed(seed, &sum);
	print_message(
		"%llu seeds: %llu commits, %llu checkpoints, %llu rounds of the journal; %llu points, %llu crash "
		"states, %llu after a second crash; %llu with a torn record, %llu that lost something unpromised\n",
		(unsigned long long)nr, (unsigned long long)sum.commits, (unsigned long long)sum.checkpoints,
		(unsigned long long)sum.rounds, (unsigned long long)sum.points, (unsigned long long)sum.states,
		(unsigned long long)sum.deep_states, (unsigned long long)sum.torn, (unsigned long long)sum.behind);
	if (one || seeds || nr < 8)
		return;
	/* The default seeds really get into the corners. */
	assert_true(sum.checkpoints > 5 * nr);
	assert_true(sum.rounds > nr / 2);
	assert_true(sum.torn > 0);
	assert_true(sum.behind > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
