/* SPDX-License-Identifier: Apache-2.0 */
/* Targets of symbolic links of every interesting length, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "tests/mock/call.h"

static struct mock_store store;
static char target[SYMLINK_MAX_LEN + 1];

static int setup(void **state)
{
	call_init(&store);
	for (size_t i = 0; i < sizeof(target); i++)
		target[i] = (char)('a' + i % 23);
	return 0;
}

static int teardown(void **state)
{
	mock_release(&store);
	return 0;
}

static void test_lengths(void **state)
{
	const size_t lens[] = { 1, 2, ITEM_VALUE_MAX - 1, ITEM_VALUE_MAX, ITEM_VALUE_MAX + 1, SYMLINK_MAX_LEN };
	char name[] = "l0", back[SYMLINK_MAX_LEN];
	struct name_result r;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		name[1] = (char)('0' + i);
		assert_int_equal(call_symlink(&store, INO_ROOT, name, target, lens[i], &r), 0);
		assert_int_equal(r.inode.size, lens[i]);
		assert_int_equal(call_readlink(&store, r.inode.ino, back, &len), 0);
		assert_int_equal(len, lens[i]);
		assert_memory_equal(back, target, len);
	}
	assert_true(store.log_bytes_max <= NAME_LOG_SYMLINK);
}

static void test_refused(void **state)
{
	uint64_t file = call_make(&store, INO_ROOT, "f", S_IFREG), items = store.nr_items;
	char back[SYMLINK_MAX_LEN];
	struct name_result r;
	size_t len;

	assert_int_equal(call_symlink(&store, INO_ROOT, "l", target, 0, &r), -EINVAL);
	assert_int_equal(call_symlink(&store, INO_ROOT, "l", target, SYMLINK_MAX_LEN + 1, &r), -ENAMETOOLONG);
	assert_int_equal(call_symlink(&store, INO_ROOT, "l", "a\0b", 3, &r), -EINVAL);
	assert_int_equal(call_readlink(&store, file, back, &len), -EINVAL);
	assert_int_equal(call_readlink(&store, file + 1, back, &len), -ENOENT);
	assert_int_equal(store.nr_items, items);
}

static void test_damage(void **state)
{
	char back[SYMLINK_MAX_LEN];
	struct name_result r;
	struct key part1;
	size_t len;

	assert_int_equal(call_symlink(&store, INO_ROOT, "l", target, 4000, &r), 0);
	part1 = key_make(ZONE_FILE, r.inode.ino, ITEM_SYMLINK, 1);
	mock_put(&store, part1, target, 4000 - ITEM_VALUE_MAX - 1);
	assert_int_equal(call_readlink(&store, r.inode.ino, back, &len), -EUCLEAN);
	assert_true(mock_delete(&store, part1));
	assert_int_equal(call_readlink(&store, r.inode.ino, back, &len), -EUCLEAN);
	mock_put(&store, part1, target, 0);
	assert_int_equal(call_readlink(&store, r.inode.ino, back, &len), -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
