/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina status`, `lamina clients` and `lamina layouts` without a server: what they say and how they end. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/program.h"
#include "tools/ask.h"

static const char *const names[] = { "status", "clients", "layouts" };

static void test_no_server(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(program_run("%s -s %s/none", names[i], program_dir()), 1);
		assert_true(program_said("no server is listening there"));
		assert_int_equal(program_run("%s --json -s %s", names[i], program_dir()), 1);
		assert_int_equal(program_run("%s -s 127.0.0.1:1", names[i]), 1);
		assert_true(program_said("not the path of a socket"));
	}
}

static void test_called_wrongly(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(program_run("%s --bogus", names[i]), 2);
		assert_int_equal(program_run("%s surplus surplus", names[i]), 2);
		assert_int_equal(program_run("%s --help", names[i]), 0);
		assert_true(program_said("usage: lamina"));
	}
}

static void test_evict_wrongly(void **state)
{
	assert_int_equal(program_run("clients --force"), 2);
	assert_int_equal(program_run("clients --evict"), 2);
	assert_int_equal(program_run("clients --evict ''"), 2);
	assert_int_equal(program_run("clients --evict '1\",'"), 2);
	assert_int_equal(program_run("clients --evict 12345678901234567"), 2);
	assert_int_equal(program_run("clients --evict 12 -s %s/none", program_dir()), 1);
}

static void test_bar(void **state)
{
	char empty[ASK_BAR_MAX], little[ASK_BAR_MAX], full[ASK_BAR_MAX], more[ASK_BAR_MAX];

	assert_string_equal(ask_bar(0, 10, empty), "[........................................]");
	assert_string_equal(ask_bar(1, 1e9, little), "[#.......................................]");
	assert_string_equal(ask_bar(10, 10, full), "[########################################]");
	assert_string_equal(ask_bar(99, 10, more), full);
	assert_string_equal(ask_bar(0, 0, more), empty);
	assert_string_equal(ask_bar(-5, 10, more), empty);
}

static void test_time(void **state)
{
	char text[ASK_TIME_MAX];

	assert_string_equal(ask_time(0.25, text), "0.2 s");
	assert_string_equal(ask_time(59, text), "59 s");
	assert_string_equal(ask_time(61, text), "1 min 1 s");
	assert_string_equal(ask_time(7300, text), "2 h 1 min");
	assert_string_equal(ask_time(90000, text), "1 d 1 h");
}

static int clean(void **state)
{
	program_clean();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_server),     cmocka_unit_test(test_called_wrongly),
		cmocka_unit_test(test_evict_wrongly), cmocka_unit_test(test_bar),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
