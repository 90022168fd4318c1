/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `lamina` itself: help, version, and what it says to a wrong name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/program.h"

static void test_help(void **state)
{
	assert_int_equal(program_run("--help"), 0);
	assert_non_null(strstr(program_output, "usage: lamina COMMAND"));
}

static void test_version(void **state)
{
	assert_int_equal(program_run("--version"), 0);
	assert_string_equal(program_output, "lamina " LAMINA_VERSION "\n");
}

static void test_no_command(void **state)
{
	assert_int_equal(program_run("%s", ""), 2);
	assert_non_null(strstr(program_output, "usage: lamina COMMAND"));
}

static void test_bad_option(void **state)
{
	assert_int_equal(program_run("--what"), 2);
	assert_non_null(strstr(program_output, "lamina --help"));
}

static void test_unknown_command(void **state)
{
	assert_int_equal(program_run("absolutely-not-a-command-and-a-very-long-name-too"), 2);
	assert_non_null(strstr(program_output, "there is no command"));
	assert_non_null(strstr(program_output, "`lamina --help` lists them"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_no_command),
		cmocka_unit_test(test_bad_option),
		cmocka_unit_test(test_unknown_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
