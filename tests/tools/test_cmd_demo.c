/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina demo` as its user sees it: a real process is killed, twice, and everything is found again. */
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

#include "dev/base.h"

static char program[4096];
static char output[8192];
static char image[64];

static int run(const char *args)
{
	char command[8192];
	FILE *pipe;
	int status;

	snprintf(command, sizeof(command), "%s demo %s 2>&1", program, args);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	output[fread(output, 1, sizeof(output) - 1, pipe)] = '\0';
	status = pclose(pipe);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_two_kills(void **state)
{
	char args[256];
	int code;

	snprintf(args, sizeof(args), "--file %s --kills 2 --seconds 0.4 --seed 7", image);
	code = run(args);
	if (code)
		fputs(output, stderr);
	assert_int_equal(code, 0);
	assert_non_null(strstr(output, "seed 7"));
	assert_non_null(strstr(output, "every one found again"));
	assert_int_not_equal(access(image, F_OK), 0);
}

static void test_does_not_touch_what_is_there(void **state)
{
	FILE *file = fopen(image, "w");
	char args[256];

	assert_non_null(file);
	fputs("precious", file);
	fclose(file);
	snprintf(args, sizeof(args), "--file %s", image);
	assert_int_equal(run(args), 1);
	assert_non_null(strstr(output, "is there already"));
	file = fopen(image, "r");
	assert_non_null(file);
	assert_non_null(fgets(output, sizeof(output), file));
	fclose(file);
	assert_string_equal(output, "precious");
	unlink(image);
}

static void test_wrong_calls(void **state)
{
	assert_int_equal(run("--kills 0"), 2);
	assert_int_equal(run("--kills x"), 2);
	assert_int_equal(run("--seconds -1"), 2);
	assert_int_equal(run("something"), 2);
	assert_int_equal(run("--no-such-option"), 2);
}

/* The program lies one directory above the tests. */
static int prepare(void **state)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 16);
	char *slash;

	assert_true(n > 0);
	program[n] = '\0';
	slash = strrchr(program, '/');
	assert_non_null(slash);
	snprintf(slash, 16, "/../lamina");
	snprintf(image, sizeof(image), "/var/tmp/test-demo.%d", (int)getpid());
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_kills),
		cmocka_unit_test(test_does_not_touch_what_is_there),
		cmocka_unit_test(test_wrong_calls),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
