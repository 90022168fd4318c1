/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Server and clients from one seed (tests/lib/nfs_sim.h): 200 seeds, or LAMINA_SEEDS of them, or the one of
 * LAMINA_SEED, and that a seed repeats.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/lib/nfs_sim.h"

#define SEEDS 200

static void test_seeds(void **state)
{
	sim_seeds_test(&nfs_sim_kind, 1, SEEDS);
}

static void test_repeats(void **state)
{
	sim_seeds_test_repeats(&nfs_sim_kind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
