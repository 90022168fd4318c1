/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/base.h"
#include "tests/lib/sim_seeds.h"

/* What these seeds do; all others are well. */
enum {
	SEED_FAILS = 100,
	SEED_ABORTS,
	SEED_HANGS,
	SEED_TALKS,
};

struct toy_report {
	uint64_t hash;
	uint64_t steps;
};

static bool is_planted;

static void plant(void)
{
	is_planted = true;
}

static void toy_run(uint64_t seed, void *ret_report)
{
	struct toy_report *report = ret_report;

	if (is_planted && seed == 3) {
		fprintf(stderr, "seed 3: [planted] it\nand more\n");
		_exit(SIM_SEEDS_FAILED);
	}
	switch (seed) {
	case SEED_FAILS:
		fprintf(stderr, "seed %d: [odd] failed\n\n", SEED_FAILS);
		_exit(SIM_SEEDS_FAILED);
	case SEED_ABORTS:
		abort();
	case SEED_HANGS:
		pause();
		break;
	case SEED_TALKS:
		for (unsigned int i = 0; i < SIM_SEEDS_TEXT; i++)
			fprintf(stderr, "word %u ", i);
		_exit(SIM_SEEDS_FAILED);
	default:
		*report = (struct toy_report){ .hash = seed * 7, .steps = seed };
	}
}

static const struct sim_count counts[] = {
	SIM_COUNT("steps", struct toy_report, steps, 1),
};

static const struct sim_kind toy = {
	.run = toy_run,
	.report_size = sizeof(struct toy_report),
	.seconds_max = 1,
	.counts = counts,
	.nr_counts = ARRAY_SIZE(counts),
};

static void test_well(void **state)
{
	struct toy_report report = { 0 };
	char text[SIM_SEEDS_TEXT];

	assert_true(sim_seeds_fork(&toy, 5, NULL, &report, text));
	assert_int_equal(report.hash, 35);
	assert_int_equal(report.steps, 5);
	assert_string_equal(text, "");
	assert_int_equal(sim_seeds_many(&toy, 1, 5), 0);
	sim_seeds_test_repeats(&toy);
}

static void test_fails(void **state)
{
	struct toy_report report = { .hash = 1 };
	char text[SIM_SEEDS_TEXT];

	assert_false(sim_seeds_fork(&toy, SEED_FAILS, NULL, &report, text));
	assert_int_equal(report.hash, 1);
	assert_string_equal(text, "seed 100: [odd] failed");
	assert_false(sim_seeds_fork(&toy, SEED_ABORTS, NULL, NULL, text));
	assert_non_null(strstr(text, "[died] seed 101: Aborted"));
	assert_false(sim_seeds_fork(&toy, SEED_HANGS, NULL, NULL, text));
	assert_non_null(strstr(text, "[died] seed 102: Alarm clock"));
}

/* Others go on. */
static void test_fail_among_many(void **state)
{
	assert_int_equal(sim_seeds_many(&toy, SEED_FAILS - 3, 10), 4);
}

static void test_last_words(void **state)
{
	char text[SIM_SEEDS_TEXT], last[32];

	assert_false(sim_seeds_fork(&toy, SEED_TALKS, NULL, NULL, text));
	assert_int_equal(strlen(text), SIM_SEEDS_TEXT - 1);
	snprintf(last, sizeof(last), "word %d ", SIM_SEEDS_TEXT - 1);
	assert_string_equal(text + strlen(text) - strlen(last), last);
}

/* LAMINA_SIM_LOG shows all that is said, not only the end. */
static void test_log(void **state)
{
	int kept = dup(STDERR_FILENO);
	FILE *log = tmpfile();
	char text[SIM_SEEDS_TEXT], line[64] = "";

	assert_non_null(log);
	dup2(fileno(log), STDERR_FILENO);
	setenv("LAMINA_SIM_LOG", "1", 1);
	assert_false(sim_seeds_fork(&toy, SEED_TALKS, NULL, NULL, text));
	unsetenv("LAMINA_SIM_LOG");
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(log);
	assert_non_null(fgets(line, sizeof(line), log));
	assert_memory_equal(line, "word 0 word 1 ", 14);
	fclose(log);
}

static void test_caught(void **state)
{
	sim_seeds_test_caught(&toy, plant, 3, "[other][planted]");
	sim_seeds_test_harmless(&toy, plant, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well),
		cmocka_unit_test(test_fails),
		cmocka_unit_test(test_fail_among_many),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
