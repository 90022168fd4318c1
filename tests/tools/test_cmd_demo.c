/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina demo` as its user sees it: a real process is killed, twice, and everything is found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/program.h"

static char image[64];

static void test_two_kills(void **state)
{
	int code = program_run("demo --file %s --kills 2 --seconds 0.4 --seed 7", image);

	if (code)
		fputs(program_output, stderr);
	assert_int_equal(code, 0);
	assert_non_null(strstr(program_output, "seed 7"));
	assert_non_null(strstr(program_output, "every one found again"));
	assert_int_not_equal(access(image, F_OK), 0);
}

static void test_server_is_killed_and_nobody_notices(void **state)
{
	int code = program_run("demo --file %s --size 1G --kills 2 --seconds 0.4 nfs", image);

	if (code)
		fputs(program_output, stderr);
	assert_int_equal(code, 0);
	assert_non_null(strstr(program_output, "2 kills"));
	assert_non_null(strstr(program_output, "none failed"));
	assert_int_not_equal(access(image, F_OK), 0);
}

static void test_hosts_write_by_layouts_while_the_server_is_killed(void **state)
{
	int code = program_run("demo --file %s --size 2G --kills 2 --seconds 0.7 layouts", image);

	if (code)
		fputs(program_output, stderr);
	assert_int_equal(code, 0);
	assert_non_null(strstr(program_output, "2 kills"));
	assert_non_null(strstr(program_output, "0 lost, 0 stale, 0 misplaced"));
	/* Some data went straight to the image, and the bad hosts were refused. */
	assert_null(strstr(program_output, " 0 writes straight to a device"));
	assert_int_not_equal(access(image, F_OK), 0);
}

static void test_does_not_touch_what_is_there(void **state)
{
	FILE *file = fopen(image, "w");

	assert_non_null(file);
	fputs("precious", file);
	fclose(file);
	assert_int_equal(program_run("demo --file %s", image), 1);
	assert_non_null(strstr(program_output, "is there already"));
	assert_int_equal(program_run("demo --file %s nfs", image), 1);
	assert_non_null(strstr(program_output, "is there already"));
	file = fopen(image, "r");
	assert_non_null(file);
	assert_non_null(fgets(program_output, sizeof(program_output), file));
	fclose(file);
	assert_string_equal(program_output, "precious");
	unlink(image);
}

static void test_wrong_calls(void **state)
{
	assert_int_equal(program_run("demo --kills 0"), 2);
	assert_int_equal(program_run("demo --kills x"), 2);
	assert_int_equal(program_run("demo --seconds -1"), 2);
	assert_int_equal(program_run("demo something"), 2);
	assert_int_equal(program_run("demo --no-such-option"), 2);
}

static int prepare(void **state)
{
	snprintf(image, sizeof(image), "/var/tmp/test-demo.%d", (int)getpid());
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_kills),
		cmocka_unit_test(test_server_is_killed_and_nobody_notices),
		cmocka_unit_test(test_hosts_write_by_layouts_while_the_server_is_killed),
		cmocka_unit_test(test_does_not_touch_what_is_there),
		cmocka_unit_test(test_wrong_calls),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
