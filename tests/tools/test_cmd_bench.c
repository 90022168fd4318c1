/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina bench store` as its user sees it, in small: every part runs, the JSON is whole, nothing is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "dev/base.h"
#include "tests/lib/member.h"
#include "tests/lib/program.h"

static char dir[] = "/var/tmp/test-bench-XXXXXX";

/* Returns the exit code; program_output has what is not told to a person meanwhile. */
static int run(const char *args)
{
	return program_run("bench %s 2>/dev/null", args);
}

static void assert_load(struct json_object *load)
{
	assert_true(json_object_get_double(member(load, "rate_per_s")) > 0);
	assert_true(json_object_get_double(member(load, "p50_us")) > 0);
	assert_true(json_object_get_double(member(load, "max_us")) >= json_object_get_double(member(load, "p99_us")));
}

/* How many loads of the program_output have this name; each of them must have run. */
static unsigned int count_loads(struct json_object *top, const char *name)
{
	struct json_object *loads = member(top, "loads");
	unsigned int nr = 0;

	for (size_t i = 0; i < json_object_array_length(loads); i++) {
		struct json_object *load = json_object_array_get_idx(loads, i);

		assert_load(load);
		nr += strcmp(json_object_get_string(member(load, "name")), name) == 0;
	}
	return nr;
}

static unsigned int count_facts(struct json_object *top, const char *what)
{
	struct json_object *facts = member(top, "facts");
	unsigned int nr = 0;

	for (size_t i = 0; i < json_object_array_length(facts); i++) {
		struct json_object *fact = json_object_array_get_idx(facts, i);

		assert_true(json_object_get_double(member(fact, "value")) >= 0);
		nr += strcmp(json_object_get_string(member(fact, "what")), what) == 0;
	}
	return nr;
}

static void test_all_parts(void **state)
{
	char args[512];
	struct json_object *top;

	snprintf(args, sizeof(args),
		 "store --dir %s --size 64G --seconds 0.15 --repeats 1 --files 500 --limit 1000 --json", dir);
	assert_int_equal(run(args), 0);
	top = json_tokener_parse(program_output);
	assert_non_null(top);
	assert_int_equal(count_loads(top, "raw"), 5);
	assert_int_equal(count_loads(top, "store"), 4);
	assert_int_equal(count_facts(top, "mount after a kill"), 1);
	assert_int_equal(count_facts(top, "memory for an item"), 1);
	assert_int_equal(count_facts(top, "look up, by extents in the file"), 1);
	json_object_put(top);
	assert_int_equal(rmdir(dir), 0); /* it is empty */
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void test_wrong_calls(void **state)
{
	assert_int_equal(run(""), 2);
	assert_int_equal(run("something"), 2);
	assert_int_equal(run("store --seconds x"), 2);
	assert_int_equal(run("store --only raw,everything"), 2);
	assert_int_equal(run("store --repeats 1000"), 2);
	assert_int_equal(run("store --no-such-option"), 2);
	assert_int_equal(run("store --dir /nonexistent --only raw --seconds 0.01 --repeats 1"), 1);
}

static int prepare(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int clean_up(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_parts),
		cmocka_unit_test(test_wrong_calls),
	};

	return cmocka_run_group_tests(tests, prepare, clean_up);
}
