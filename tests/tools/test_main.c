/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `lamina` itself: help, version, and what it says to a wrong name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OUTPUT_MAX 8192

static char program[512];
static char output[OUTPUT_MAX];

/* Run `lamina @args`, both outputs into output[]; the exit code, or -1. */
static int run(const char *args)
{
	char command[1024];
	FILE *pipe;
	size_t n;
	int status;

	snprintf(command, sizeof(command), "'%s' %s 2>&1", program, args);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_help(void **state)
{
	assert_int_equal(run("--help"), 0);
	assert_non_null(strstr(output, "usage: lamina COMMAND"));
}

static void test_version(void **state)
{
	assert_int_equal(run("--version"), 0);
	assert_string_equal(output, "lamina " LAMINA_VERSION "\n");
}

static void test_no_command(void **state)
{
	assert_int_equal(run(""), 2);
	assert_non_null(strstr(output, "usage: lamina COMMAND"));
}

static void test_bad_option(void **state)
{
	assert_int_equal(run("--what"), 2);
	assert_non_null(strstr(output, "lamina --help"));
}

static void test_unknown_command(void **state)
{
	assert_int_equal(run("absolutely-not-a-command-and-a-very-long-name-too"), 2);
	assert_non_null(strstr(output, "there is no command"));
	assert_non_null(strstr(output, "`lamina --help` lists them"));
}

/* The program lies one directory above the tests. */
static int find_program(void **state)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 16);
	char *slash;

	assert_true(n > 0);
	program[n] = '\0';
	slash = strrchr(program, '/');
	assert_non_null(slash);
	snprintf(slash, (size_t)(program + sizeof(program) - slash), "/../lamina");
	return access(program, X_OK);
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

	return cmocka_run_group_tests(tests, find_program, NULL);
}
