/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina format` on plain files: what it makes, what it refuses, and that a refusal touches nothing. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/program.h"

static const char *image(const char *name)
{
	static char path[2][128];
	static unsigned int next;
	char *p = path[next++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s", program_dir(), name);
	return p;
}

static void make_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), (off_t)size), 0);
	fclose(f);
}

static void test_new_file(void **state)
{
	assert_int_equal(program_run("format --name trial --size 64M %s", image("new")), 0);
	assert_true(program_said("trial"));
	assert_true(program_said("journal 2 MiB"));
	assert_true(program_said("64 MiB"));
}

static void test_json_report(void **state)
{
	assert_int_equal(program_run("format --json --name j --size 64M %s", image("json")), 0);
	assert_true(program_said("\"name\":\"j\""));
	assert_true(program_said("\"journal_bytes\":2097152"));
}

static void test_several_files(void **state)
{
	assert_int_equal(program_run("format --size 32M %s %s", image("a"), image("b")), 0);
	assert_true(program_said("/a"));
	assert_true(program_said("/b"));
}

static void test_volume_is_not_overwritten(void **state)
{
	const char *path = image("kept");

	assert_int_equal(program_run("format --name first --size 32M %s", path), 0);
	assert_int_equal(program_run("format --name second %s", path), 1);
	assert_true(program_said("Lamina volume"));
	assert_true(program_said("first"));
	assert_true(program_said("--force"));
	assert_int_equal(program_run("format --name second %s", path), 1);
	assert_true(program_said("first"));
	assert_int_equal(program_run("format --force --name second %s", path), 0);
	assert_true(program_said("overwriting"));
	assert_int_equal(program_run("format %s", path), 1);
	assert_true(program_said("second"));
}

/* One of two is taken: neither is touched. */
static void test_all_or_none(void **state)
{
	const char *taken = image("taken"), *free_one = image("free");

	assert_int_equal(program_run("format --name t --size 32M %s", taken), 0);
	make_file(free_one, 32 << 20);
	assert_int_equal(program_run("format %s %s", free_one, taken), 1);
	assert_int_equal(program_run("format --dry-run %s", free_one), 0);
	assert_true(program_said("would become"));
}

static void test_swap_is_recognised(void **state)
{
	const char *path = image("swap");
	FILE *f;

	make_file(path, 32 << 20);
	f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, 1024, SEEK_SET), 0);
	assert_int_equal(fwrite("\1\0\0\0\377\37\0\0\0\0\0\0", 1, 12, f), 12);
	assert_int_equal(fseek(f, 4086, SEEK_SET), 0);
	assert_int_equal(fwrite("SWAPSPACE2", 1, 10, f), 10);
	fclose(f);
	assert_int_equal(program_run("format %s", path), 1);
	assert_true(program_said("swap"));
}

/* Also what lies where nothing of ours is written at first. */
static void test_what_was_there_is_not_found_again(void **state)
{
	const char *path = image("wiped");
	char magic[8] = "_BHRfS_M";
	int fd;

	make_file(path, 32 << 20);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, magic, sizeof(magic), 65536 + 64), sizeof(magic));
	assert_int_equal(program_run("format %s", path), 1);
	assert_true(program_said("btrfs"));
	assert_int_equal(program_run("format --force --dry-run %s", path), 0);
	assert_int_equal(program_run("format %s", path), 1);
	assert_int_equal(program_run("format --force %s", path), 0);
	assert_int_equal(program_run("format %s", path), 1);
	assert_true(program_said("Lamina volume"));
	assert_false(program_said("btrfs"));
	close(fd);
}

static void test_dry_run_touches_nothing(void **state)
{
	const char *path = image("dry");

	make_file(path, 32 << 20);
	assert_int_equal(program_run("format --dry-run %s", path), 0);
	assert_true(program_said("would become device 1"));
	assert_int_equal(program_run("format --name real %s", path), 0); /* nothing there to refuse */
}

static void test_file_in_use(void **state)
{
	const char *path = image("used");
	FILE *f;

	make_file(path, 32 << 20);
	f = fopen(path, "r+");
	assert_non_null(f);
	if (flock(fileno(f), LOCK_EX) == 0) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

		assert_int_equal(fcntl(fileno(f), F_OFD_SETLK, &lock), 0);
		assert_int_equal(program_run("format %s", path), 1);
		assert_true(program_said("used"));
	}
	fclose(f);
}

static void test_bad_calls(void **state)
{
	assert_int_equal(program_run("format"), 2);
	assert_true(program_said("at least one device"));
	assert_int_equal(program_run("format --size 12Q %s", image("x")), 2);
	assert_true(program_said("'12Q' is not a size"));
	assert_int_equal(program_run("format --size -1 %s", image("x")), 2);
	assert_int_equal(program_run("format --size 99999999999999999999 %s", image("x")), 2);
	assert_int_equal(program_run("format --frobnicate %s", image("x")), 2);
	assert_true(program_said("--help"));
	assert_int_equal(program_run("format --name %065d %s", 7, image("x")), 2);
	assert_true(program_said("64 bytes"));
	assert_int_equal(access(image("x"), F_OK), -1);
}

static void test_bad_devices(void **state)
{
	assert_int_equal(program_run("format %s", image("absent")), 1);
	assert_true(program_said("absent"));
	assert_int_equal(program_run("format %s", program_dir()), 1);
	assert_int_equal(program_run("format --size 4M %s", image("small")), 1);
	assert_true(program_said("too small"));
	assert_int_equal(program_run("format --size 64M --chunk-size 3M %s", image("odd")), 1);
	assert_true(program_said("chunk size"));
	assert_int_equal(program_run("format --size 64M --journal-size 40M %s", image("odd")), 1);
	assert_true(program_said("journal"));
}

static void test_help(void **state)
{
	assert_int_equal(program_run("format --help"), 0);
	assert_true(program_said("usage: lamina format"));
}

static int clean(void **state)
{
	program_clean();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_file),
		cmocka_unit_test(test_json_report),
		cmocka_unit_test(test_several_files),
		cmocka_unit_test(test_volume_is_not_overwritten),
		cmocka_unit_test(test_all_or_none),
		cmocka_unit_test(test_swap_is_recognised),
		cmocka_unit_test(test_what_was_there_is_not_found_again),
		cmocka_unit_test(test_dry_run_touches_nothing),
		cmocka_unit_test(test_file_in_use),
		cmocka_unit_test(test_bad_calls),
		cmocka_unit_test(test_bad_devices),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
