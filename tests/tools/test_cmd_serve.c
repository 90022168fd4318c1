/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina serve --check-config`: exit codes and output.  What is wrong with a file is the matter of test_config. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <json-c/json.h>

#include "tests/lib/program.h"

static const char *file_with(const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", program_dir(), name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

#define EXPORTS "exports = ( { path = \"/\"; clients = ( { hosts = [ \"10.0.0.0/8\" ]; } ); } );\n"

/* What is printed is a configuration file too, and means the same. */
static void test_effective(void **state)
{
	char first[PROGRAM_OUTPUT_MAX];
	const char *path = file_with(
		"good", "devices = [ \"/dev/a\\\"b\" ]; lease_seconds = 30;\n"
			"limits: { locks = 7; }; store: { dirty_bytes = \"8M\"; };\n"
			"exports = ( { path = \"/\\\\x\"; clients = ("
			" { hosts = [ \"10.0.0.0/8\" ]; layouts = [ \"scsi\", \"block\" ]; access = \"ro\"; },"
			" { hosts = [ \"*\" ]; layouts = [ ]; squash = \"all\"; anon_uid = 5; } ); } );");
	assert_int_equal(program_run("serve --check-config -c %s", path), 0);
	assert_true(program_said("lease_seconds = 30;"));
	assert_true(program_said("locks_per_client = 7;"));
	assert_true(program_said("dirty_bytes = 8388608;"));
	memcpy(first, program_output, sizeof(first));
	path = file_with("again", first);
	assert_int_equal(program_run("serve --check-config -c %s", path), 0);
	assert_string_equal(program_output, first);
}

static struct json_object *output_json(void)
{
	struct json_object *o = json_tokener_parse(program_output);

	assert_non_null(o);
	return o;
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *m = NULL;

	assert_true(json_object_object_get_ex(o, name, &m));
	return m;
}

static void test_json(void **state)
{
	const char *path = file_with("json", "lease_seconds = 30;\n" EXPORTS);
	struct json_object *o, *config, *rule;

	assert_int_equal(program_run("serve --check-config --json -c %s", path), 0);
	o = output_json();
	assert_true(json_object_get_boolean(member(o, "ok")));
	config = member(o, "config");
	assert_int_equal(json_object_get_int(member(config, "lease_seconds")), 30);
	assert_int_equal(json_object_get_int(member(member(config, "limits"), "operations_per_compound")), 64);
	assert_null(member(member(config, "store"), "dirty_bytes"));
	rule = json_object_array_get_idx(member(json_object_array_get_idx(member(config, "exports"), 0), "clients"),
					 0);
	assert_string_equal(json_object_get_string(member(rule, "squash")), "root");
	json_object_put(o);
}

static void test_mistakes(void **state)
{
	const char *path = file_with("bad", "lease_seconds = 3;\nlog_levl = \"info\";\n" EXPORTS);
	struct json_object *o, *at;
	char want[300];

	assert_int_equal(program_run("serve --check-config -c %s", path), 1);
	snprintf(want, sizeof(want), "%s:1: lease_seconds: out of range", path);
	assert_true(program_said(want));
	snprintf(want, sizeof(want), "%s:2: log_levl: there is no such setting; did you mean log_level?", path);
	assert_true(program_said(want));
	assert_int_equal(program_run("serve --check-config --json -c %s", path), 1);
	o = output_json();
	assert_false(json_object_get_boolean(member(o, "ok")));
	assert_null(member(o, "config"));
	assert_int_equal(json_object_array_length(member(o, "mistakes")), 2);
	at = json_object_array_get_idx(member(o, "mistakes"), 1);
	assert_int_equal(json_object_get_int(member(at, "line")), 2);
	assert_string_equal(json_object_get_string(member(at, "file")), path);
	json_object_put(o);
	assert_int_equal(program_run("serve --check-config -c %s.missing", path), 1);
	assert_true(program_said("No such file"));
	assert_int_equal(program_run("serve --check-config -c %s", program_dir()), 1);
	assert_true(program_said("Is a directory"));
}

static void test_devices(void **state)
{
	const char *path = file_with("devices", "devices = [ \"/dev/x\" ];\n" EXPORTS);

	assert_int_equal(program_run("serve --check-config /dev/y /dev/z"), 0);
	assert_true(program_said("devices = [ \"/dev/y\", \"/dev/z\" ];"));
	assert_true(program_said("127.0.0.0/8"));
	assert_int_equal(program_run("serve --check-config -c %s /dev/y", path), 0);
	assert_true(program_said("devices = [ \"/dev/y\" ];"));
	assert_true(program_said("10.0.0.0/8"));
	assert_int_equal(program_run("serve --check-config /dev/y /dev/y"), 1);
	assert_true(program_said("/dev/y is named twice"));
}

static void test_called_wrongly(void **state)
{
	assert_int_equal(program_run("serve --bogus"), 2);
	assert_int_equal(program_run("serve --help"), 0);
	assert_true(program_said("usage: lamina serve"));
}

static int clean(void **state)
{
	program_clean();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_effective),      cmocka_unit_test(test_json),
		cmocka_unit_test(test_mistakes),       cmocka_unit_test(test_devices),
		cmocka_unit_test(test_called_wrongly),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
