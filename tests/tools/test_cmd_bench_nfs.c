/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina bench nfs` as its user sees it, in small: every work runs, numbers are there, nothing is left behind. */
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
#include "tools/bench_nfs.h"

/* Small and short. */
#define SMALL "--size 4G --files 64 --data 16M --seconds 0.05 --repeats 1"

static char dir[] = "/var/tmp/test-bench-nfs-XXXXXX";

/* Returns the exit code; program_output has what is not told to a person meanwhile. */
static int run(const char *args)
{
	return program_run("bench nfs %s 2>/dev/null", args);
}

static double number(struct json_object *from, const char *key)
{
	return json_object_get_double(member(from, key));
}

static struct json_object *measure(const char *more)
{
	struct json_object *top;
	char args[1024];

	snprintf(args, sizeof(args), "--dir %s --json " SMALL " %s", dir, more);
	assert_int_equal(run(args), 0);
	top = json_tokener_parse(program_output);
	assert_non_null(top);
	return top;
}

/* How many loads of the program_output are of this work; each of them must have run. */
static unsigned int count_loads(struct json_object *top, const char *work)
{
	struct json_object *loads = member(top, "loads");
	unsigned int nr = 0;

	for (size_t i = 0; i < json_object_array_length(loads); i++) {
		struct json_object *load = json_object_array_get_idx(loads, i);

		if (strcmp(json_object_get_string(member(load, "work")), work) != 0)
			continue;
		assert_true(number(load, "rate_per_s") > 0);
		assert_true(number(load, "p50_us") > 0);
		assert_true(number(load, "p99_us") >= number(load, "p50_us"));
		assert_non_null(member(load, "server_cpu_us"));
		assert_non_null(member(load, "journal_bytes"));
		nr++;
	}
	return nr;
}

static struct json_object *first_load(struct json_object *top, const char *work)
{
	struct json_object *loads = member(top, "loads");

	for (size_t i = 0; i < json_object_array_length(loads); i++) {
		struct json_object *load = json_object_array_get_idx(loads, i);

		if (strcmp(json_object_get_string(member(load, "work")), work) == 0)
			return load;
	}
	fail();
	return NULL;
}

static void assert_dir_is_empty(void)
{
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void test_all_works(void **state)
{
	struct json_object *top = measure("--outstanding 1,8 --dirs both --minor 1");

	for (unsigned int i = 0; i < bench_nfs_nr_works; i++)
		assert_int_equal(count_loads(top, bench_nfs_works[i].name), bench_nfs_works[i].in_dirs ? 4 : 2);
	assert_true(number(member(top, "store"), "rate_per_s") > 0);
	/* What is made durable is in the journal; a file that is made more so. */
	assert_true(number(first_load(top, "create"), "journal_bytes") > 100);
	assert_true(number(first_load(top, "readdir"), "entries_per_s") > 0);
	assert_true(number(first_load(top, "read-1m"), "bytes_per_s") > 0);
	json_object_put(top);
	assert_dir_is_empty();
}

static void test_sessions(void **state)
{
	struct json_object *top = measure("--no-store --outstanding 4,8 --sessions 1,2,8 stat rename");

	/* Not more sessions than requests. */
	assert_int_equal(count_loads(top, "stat"), 5);
	assert_int_equal(count_loads(top, "rename"), 5);
	assert_int_equal(count_loads(top, "create"), 0);
	assert_false(json_object_object_get_ex(top, "store", NULL));
	json_object_put(top);
}

static void test_targets(void **state)
{
	struct json_object *top = measure("--outstanding 64 create"), *targets = member(top, "targets");

	assert_int_equal(json_object_array_length(targets), 1);
	assert_true(number(json_object_array_get_idx(targets, 0), "measured") > 0);
	json_object_put(top);
}

static void test_layouts(void **state)
{
	struct json_object *top = measure("--no-store --outstanding 2 --extents 2000 --holders 1,5 layout-get");
	struct json_object *gets = member(top, "layoutget"), *recalls = member(top, "recalls");

	assert_int_equal(json_object_array_length(gets), 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(number(json_object_array_get_idx(gets, i), "p50_us") > 0);
	assert_true(number(json_object_array_get_idx(gets, 1), "extents") >= 2000);
	/* Each with holders that answer at once and with slow ones. */
	assert_int_equal(json_object_array_length(recalls), 4);
	assert_true(number(json_object_array_get_idx(recalls, 3), "holders") == 5);
	assert_true(number(json_object_array_get_idx(recalls, 3), "ms") >= BENCH_NFS_ANSWER_MS);
	assert_int_equal(json_object_array_length(member(top, "targets")), 2);
	json_object_put(top);
	assert_dir_is_empty();
}

static void test_text(void **state)
{
	char args[1024];

	snprintf(args, sizeof(args), "--dir %s --no-store " SMALL " --outstanding 2 remove", dir);
	assert_int_equal(run(args), 0);
	assert_non_null(strstr(program_output, "remove, many"));
}

static void test_wrong_calls(void **state)
{
	assert_int_equal(run("no-such-work"), 2);
	assert_int_equal(run("--no-such-option"), 2);
	assert_int_equal(run("--seconds x"), 2);
	assert_int_equal(run("--minor 0"), 2);
	assert_int_equal(run("--minor 3"), 2);
	assert_int_equal(run("--outstanding 0"), 2);
	assert_int_equal(run("--outstanding 1,2,3,4,5,6,7,8,9"), 2);
	assert_int_equal(run("--sessions 65"), 2);
	assert_int_equal(run("--dirs some"), 2);
	assert_int_equal(run("--extents 999"), 2);
	assert_int_equal(run("--holders 2049"), 2);
	assert_int_equal(run("--data 1M"), 2);
	assert_int_equal(run("--dir /nonexistent"), 1);
	assert_int_equal(run("--server nonsense"), 1);
	/* Nobody listens there. */
	assert_int_equal(run("--server 127.0.0.1:1"), 1);
	assert_dir_is_empty();
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
		cmocka_unit_test(test_all_works), cmocka_unit_test(test_sessions), cmocka_unit_test(test_targets),
		cmocka_unit_test(test_layouts),	  cmocka_unit_test(test_text),	   cmocka_unit_test(test_wrong_calls),
	};

	return cmocka_run_group_tests(tests, prepare, clean_up);
}
