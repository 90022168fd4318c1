/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The torture tester in the simulated world (tests/lib/torture_sim.h): 500 seeds, or LAMINA_SEEDS of them, or the one
 * of LAMINA_SEED, some in which the volume grows, and that a seed repeats.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/lib/torture_sim.h"

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 60 /* each takes much longer */
#define GROWS 15
#else
#define SEEDS 500
#define GROWS 60
#endif

static void test_seeds(void **state)
{
	sim_seeds_test(&torture_sim_kind, 1, SEEDS);
}

static void test_growing(void **state)
{
	if (getenv("LAMINA_SEED"))
		skip();
	sim_seeds_test(&torture_sim_kind, TORTURE_SIM_GROWS, GROWS);
}

static void test_repeats(void **state)
{
	sim_seeds_test_repeats(&torture_sim_kind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_growing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
