/* SPDX-License-Identifier: Apache-2.0 */
/* `lamina check` on plain files: its exit codes and reports.  What it finds is the matter of test_check_run. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "tests/lib/program.h"

static const char *image(const char *name)
{
	static char path[2][128];
	static unsigned int next;
	char *p = path[next++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s", program_dir(), name);
	return p;
}

static void test_clean(void **state)
{
	const char *path = image("clean");

	assert_int_equal(program_run("format --name tidy --size 32M %s", path), 0);
	assert_int_equal(program_run("check %s", path), 0);
	assert_true(program_said("tidy: 1 inodes"));
	assert_true(program_said("clean"));
	assert_int_equal(program_run("check --quiet --memory 64K %s", path), 0);
	assert_false(program_said("clean"));
	assert_int_equal(program_run("check --json %s", path), 0);
	assert_true(program_said("\"clean\":true"));
	assert_true(program_said("\"findings\":["));
}

static void test_several_devices(void **state)
{
	const char *a = image("a"), *b = image("b");

	assert_int_equal(program_run("format --size 32M %s %s", a, b), 0);
	assert_int_equal(program_run("check %s %s", b, a), 0);
	assert_int_equal(program_run("check %s", a), 8);
}

static void test_called_wrongly(void **state)
{
	assert_int_equal(program_run("check"), 16);
	assert_int_equal(program_run("check --bogus x"), 16);
	assert_int_equal(program_run("check --memory much x"), 16);
	assert_true(program_said("not a size"));
	assert_int_equal(program_run("check --help"), 0);
	assert_true(program_said("usage: lamina check"));
}

static void test_no_volume(void **state)
{
	const char *path = image("empty");
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fseek(f, (16 << 20) - 1, SEEK_SET), 0);
	assert_int_equal(fputc(0, f), 0);
	fclose(f);
	assert_int_equal(program_run("check %s", path), 8);
	assert_int_equal(program_run("check %s.missing", path), 8);
}

/* Flip a bit in every tree block. */
static void damage(const char *path)
{
	FILE *f = fopen(path, "r+");
	struct disk_block head;
	unsigned int hits = 0;

	assert_non_null(f);
	for (long off = 0; off < 32 << 20; off += DADDR_BLOCK_SIZE) {
		assert_int_equal(fseek(f, off, SEEK_SET), 0);
		if (fread(&head, sizeof(head), 1, f) != 1 || le32_get(head.magic) != BLOCK_MAGIC)
			continue;
		assert_int_equal(fseek(f, off + 100, SEEK_SET), 0);
		assert_int_equal(fputc(0x55, f), 0x55);
		hits++;
	}
	assert_true(hits > 0);
	fclose(f);
}

static void test_damaged(void **state)
{
	const char *path = image("damaged");

	assert_int_equal(program_run("format --size 32M %s", path), 0);
	damage(path);
	assert_int_equal(program_run("check %s", path), 4);
	assert_int_equal(program_run("check --json %s", path), 4);
}

static int clean(void **state)
{
	program_clean();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),	       cmocka_unit_test(test_several_devices),
		cmocka_unit_test(test_called_wrongly), cmocka_unit_test(test_no_volume),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
