/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina devices` as people and programs see it. */
#include <getopt.h>
#include <json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/cmd.h"

static char file[] = "lamina-devices-XXXXXX";
static char output[65536];

/* Call the subcommand with its standard output caught. */
static int run(int argc, const char *const *args)
{
	FILE *capture = tmpfile();
	int saved = dup(STDOUT_FILENO), code;
	char *argv[8] = { NULL };
	size_t n;

	assert_non_null(capture);
	for (int i = 0; i < argc; i++)
		argv[i] = strdup(args[i]);
	fflush(stdout);
	dup2(fileno(capture), STDOUT_FILENO);
	optind = 0;
	code = cmd_devices(argc, argv);
	for (int i = 0; i < 8; i++)
		free(argv[i]);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	rewind(capture);
	n = fread(output, 1, sizeof(output) - 1, capture);
	output[n] = '\0';
	fclose(capture);
	return code;
}

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	assert_true(json_object_object_get_ex(object, key, &value));
	return value;
}

static void test_help(void **state)
{
	const char *args[] = { "devices", "--help" };

	assert_int_equal(run(2, args), CMD_OK);
	assert_non_null(strstr(output, "Exit code"));
}

static void test_usage(void **state)
{
	const char *args[] = { "devices", "--all" };

	assert_int_equal(run(2, args), CMD_USAGE);
	assert_string_equal(output, "");
}

static void test_table(void **state)
{
	const char *args[] = { "devices", file };

	assert_int_equal(run(2, args), CMD_OK);
	assert_non_null(strstr(output, "SCSI LAYOUTS"));
	assert_non_null(strstr(output, "8.0 MiB"));
	assert_non_null(strstr(output, "why not       it is a plain file"));
	assert_non_null(strstr(output, "holds         nothing that is known"));
}

static void test_json(void **state)
{
	const char *args[] = { "devices", "-j", file, "/does/not/exist" };
	struct json_object *top, *devices, *device;

	assert_int_equal(run(4, args), CMD_FAILED);
	top = json_tokener_parse(output);
	assert_non_null(top);
	devices = get(top, "devices");
	assert_int_equal(json_object_array_length(devices), 2);
	device = json_object_array_get_idx(devices, 0);
	assert_string_equal(json_object_get_string(get(device, "path")), file);
	assert_string_equal(json_object_get_string(get(device, "kind")), "file");
	assert_int_equal(json_object_get_uint64(get(device, "size")), 8 << 20);
	assert_null(get(device, "model"));
	assert_false(json_object_get_boolean(get(device, "scsi_layouts")));
	device = json_object_array_get_idx(devices, 1);
	assert_non_null(strstr(json_object_get_string(get(device, "error")), "does not exist"));
	json_object_put(top);
}

/* Whatever this machine has. */
static void test_all(void **state)
{
	const char *args[] = { "devices", "--json" };
	struct json_object *top;

	assert_in_range(run(2, args), CMD_OK, CMD_FAILED);
	top = json_tokener_parse(output);
	assert_non_null(top);
	assert_true(json_object_is_type(get(top, "devices"), json_type_array));
	json_object_put(top);
}

static int make_file(void **state)
{
	int fd = mkstemp(file);

	if (fd < 0 || ftruncate(fd, 8 << 20) != 0)
		return -1;
	return close(fd);
}

static int remove_file(void **state)
{
	return unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_help), cmocka_unit_test(test_usage), cmocka_unit_test(test_table),
		cmocka_unit_test(test_json), cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
