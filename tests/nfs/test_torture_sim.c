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

static uint64_t env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void test_seeds(void **state)
{
	uint64_t first = env("LAMINA_SEED", 1);

	assert_int_equal(torture_sim_many(first, env("LAMINA_SEEDS", getenv("LAMINA_SEED") ? 1 : SEEDS)), 0);
}

static void test_growing(void **state)
{
	if (getenv("LAMINA_SEED"))
		skip();
	assert_int_equal(torture_sim_many(TORTURE_SIM_GROWS, env("LAMINA_SEEDS", GROWS)), 0);
}

/* Other addresses: nothing may depend on them. */
static void shift_memory(void)
{
	for (unsigned int i = 1; i < 500; i++) {
		void *volatile unused = malloc(i * 24);

		(void)unused;
	}
}

static void test_repeats(void **state)
{
	uint64_t seed = env("LAMINA_SEED", 7);
	struct torture_sim_report a, b, other;
	char text[TORTURE_SIM_TEXT];

	if (!torture_sim_fork(seed, NULL, &a, text) || !torture_sim_fork(seed, shift_memory, &b, text) ||
	    !torture_sim_fork(seed + 1, NULL, &other, text))
		fail_msg("%s", text);
	print_message("seed %llu: trace %016llx\n", (unsigned long long)seed, (unsigned long long)a.hash);
	assert_int_equal(a.hash, b.hash);
	assert_int_equal(a.torture.steps, b.torture.steps);
	assert_int_not_equal(a.hash, other.hash);
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
