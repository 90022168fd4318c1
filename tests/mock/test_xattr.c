/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: every length around a part's end, replaced by every other, collisions, listing, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "extent/namehash.h"
#include "tests/mock/call.h"

static struct mock_store store;
static uint64_t file;
static uint8_t value[XATTR_VALUE_MAX + 1], back[XATTR_VALUE_MAX + 1];

static int setup(void **state)
{
	call_init(&store);
	file = call_make(&store, INO_ROOT, "f", S_IFREG);
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i * 7 + i / 251);
	return 0;
}

static int teardown(void **state)
{
	mock_release(&store);
	namehash_narrow(64);
	return 0;
}

static void check_value(const char *name, const void *want, size_t want_len)
{
	size_t len = 0;

	assert_int_equal(call_xattr_get(&store, file, name, NULL, 0, &len), 0);
	assert_int_equal(len, want_len);
	assert_int_equal(call_xattr_get(&store, file, name, back, sizeof(back), &len), 0);
	assert_int_equal(len, want_len);
	assert_memory_equal(back, want, want_len);
}

static unsigned int nr_parts(void)
{
	struct key from = key_make(ZONE_FILE, file, ITEM_XATTR, 0);
	struct item item;
	unsigned int n = 0;

	while (mock_next(&store, from, &item) && key_obj(item.key) == file && key_type(item.key) == ITEM_XATTR) {
		from = (struct key){ item.key.hi, item.key.lo + 1 };
		n++;
	}
	return n;
}

static void test_lengths(void **state)
{
	const size_t first = ITEM_VALUE_MAX - 8 - 6; /* of "user.a" */
	const size_t lens[] = { 0,
				1,
				100,
				first - 1,
				first,
				first + 1,
				first + ITEM_VALUE_MAX - 1,
				first + ITEM_VALUE_MAX,
				first + ITEM_VALUE_MAX + 1,
				XATTR_VALUE_MAX - 1,
				XATTR_VALUE_MAX };
	struct inode inode;

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		for (size_t k = 0; k < ARRAY_SIZE(lens); k++) {
			assert_int_equal(call_xattr_set(&store, file, "user.a", value, lens[i], 0, &inode), 0);
			assert_int_equal(call_xattr_set(&store, file, "user.a", value + 1, lens[k], 0, &inode), 0);
			assert_int_equal(inode.nr_xattrs, 1);
			check_value("user.a", value + 1, lens[k]);
			assert_int_equal(nr_parts(), (8 + 6 + lens[k] + ITEM_VALUE_MAX - 1) / ITEM_VALUE_MAX);
		}
	assert_int_equal(call_xattr_set(&store, file, "user.a", value, sizeof(value), 0, &inode), -E2BIG);
	check_value("user.a", value + 1, XATTR_VALUE_MAX);
	assert_int_equal(call_xattr_remove(&store, file, "user.a", &inode), 0);
	assert_int_equal(inode.nr_xattrs, 0);
	assert_int_equal(nr_parts(), 0);
}

static void test_how(void **state)
{
	struct inode before, inode;
	size_t len;

	before = call_inode(&store, file);
	assert_int_equal(call_xattr_set(&store, file, "a", "1", 1, XATTR_EXISTING, &inode), -ENODATA);
	assert_int_equal(call_xattr_get(&store, file, "a", back, 1, &len), -ENODATA);
	assert_int_equal(call_xattr_remove(&store, file, "a", &inode), -ENODATA);
	assert_int_equal(call_inode(&store, file).change, before.change);
	assert_int_equal(call_xattr_set(&store, file, "a", "1", 1, XATTR_NEW, &inode), 0);
	assert_int_equal(inode.change, before.change + 1);
	assert_true(inode.ctime.nsec > before.ctime.nsec && inode.mtime.nsec == before.mtime.nsec);
	assert_int_equal(call_xattr_set(&store, file, "a", "2", 1, XATTR_NEW, &inode), -EEXIST);
	check_value("a", "1", 1);
	assert_int_equal(call_xattr_set(&store, file, "a", "22", 2, XATTR_EXISTING, &inode), 0);
	assert_int_equal(inode.change, before.change + 2);
	assert_int_equal(call_xattr_set(&store, file, "a", "333", 3, XATTR_EITHER, &inode), 0);
	check_value("a", "333", 3);
	assert_int_equal(call_xattr_get(&store, file, "a", back, 2, &len), -ERANGE);
	assert_int_equal(call_xattr_get(&store, file, "a", back, 3, &len), 0);
	assert_int_equal(call_xattr_remove(&store, file, "a", &inode), 0);
	assert_int_equal(inode.change, before.change + 4);
}

static void test_names(void **state)
{
	char longest[XATTR_NAME_MAX + 2] = { 0 };
	struct xattr_entry entry;
	struct inode inode;
	size_t len;

	memset(longest, 'n', XATTR_NAME_MAX);
	assert_int_equal(call_xattr_set(&store, file, longest, value, XATTR_VALUE_MAX, 0, &inode), 0);
	check_value(longest, value, XATTR_VALUE_MAX);
	assert_true(store.log_bytes_max <= XATTR_LOG_SET(XATTR_VALUE_MAX));
	assert_int_equal(call_xattr_next(&store, file, 0, &entry), 0);
	assert_string_equal(entry.name, longest);
	longest[XATTR_NAME_MAX] = 'n';
	assert_int_equal(call_xattr_set(&store, file, longest, value, 1, 0, &inode), -ENAMETOOLONG);
	assert_int_equal(call_xattr_set(&store, file, "", value, 1, 0, &inode), -EINVAL);
	assert_int_equal(call_xattr_get(&store, file, "", value, 1, &len), -EINVAL);
	assert_int_equal(call_xattr_remove(&store, file, "", &inode), -EINVAL);
	assert_int_equal(call_xattr_set(&store, file + 1, "a", value, 1, 0, &inode), -ENOENT);
	assert_int_equal(call_xattr_next(&store, 0, 0, &entry), -ENOENT);
	assert_int_equal(call_xattr_next(&store, UINT64_MAX, 0, &entry), -ENOENT);
	assert_int_equal(call_xattr_next(&store, file, UINT64_MAX, &entry), -ENOENT);
}

static void name_of(unsigned int i, char *name)
{
	snprintf(name, 32, "user.%u", i);
}

/* Values of one and of several parts in one window; reading on while others go. */
static void test_collisions(void **state)
{
	bool seen[200] = { false };
	struct xattr_entry entry;
	struct inode inode;
	char name[32];

	namehash_narrow(2);
	for (unsigned int i = 0; i < 200; i++) {
		name_of(i, name);
		assert_int_equal(call_xattr_set(&store, file, name, value + i, i * 37, XATTR_NEW, &inode), 0);
	}
	for (unsigned int i = 0; i < 200; i += 2) {
		name_of(i, name);
		assert_int_equal(call_xattr_remove(&store, file, name, &inode), 0);
	}
	assert_int_equal(inode.nr_xattrs, 100);
	for (unsigned int i = 1; i < 200; i += 2) {
		name_of(i, name);
		check_value(name, value + i, i * 37);
	}
	for (uint64_t after = 0; !call_xattr_next(&store, file, after, &entry); after = entry.cookie) {
		unsigned int i;

		assert_int_equal(sscanf(entry.name, "user.%u", &i), 1);
		assert_false(seen[i]);
		seen[i] = true;
		assert_int_equal(entry.value_len, i % 2 ? i * 37 : 1);
		assert_int_equal(call_xattr_remove(&store, file, entry.name, &inode), 0);
	}
	for (unsigned int i = 1; i < 200; i += 2)
		assert_true(seen[i]);
	assert_int_equal(nr_parts(), 0);
}

static void test_limits(void **state)
{
	struct inode inode;
	char name[32];

	for (unsigned int i = 0; i < XATTR_NR_MAX; i++) {
		name_of(i, name);
		assert_int_equal(call_xattr_set(&store, file, name, "v", 1, XATTR_NEW, &inode), 0);
	}
	assert_int_equal(call_xattr_set(&store, file, "one more", "v", 1, 0, &inode), -ENOSPC);
	assert_int_equal(call_xattr_set(&store, file, "user.7", "vv", 2, 0, &inode), 0);
	namehash_narrow(1);
	file = call_make(&store, INO_ROOT, "g", S_IFREG);
	for (unsigned int i = 0; i < 256; i++) {
		name_of(i, name);
		assert_int_equal(call_xattr_set(&store, file, name, "v", 1, XATTR_NEW, &inode), 0);
	}
	assert_int_equal(call_xattr_set(&store, file, "one more", "v", 1, 0, &inode), -ENOSPC);
}

static void test_damage(void **state)
{
	struct xattr_entry entry;
	struct inode inode;
	uint8_t bad[9] = { 0 };
	struct key part0;
	size_t len;

	assert_int_equal(call_xattr_set(&store, file, "a", value, 9000, 0, &inode), 0);
	assert_int_equal(call_xattr_next(&store, file, 0, &entry), 0);
	part0 = key_make(ZONE_FILE, file, ITEM_XATTR, entry.cookie);
	mock_put(&store, (struct key){ part0.hi, part0.lo + 1 }, value, 7);
	assert_int_equal(call_xattr_get(&store, file, "a", back, sizeof(back), &len), -EUCLEAN);
	assert_true(mock_delete(&store, (struct key){ part0.hi, part0.lo + 1 }));
	assert_int_equal(call_xattr_get(&store, file, "a", back, sizeof(back), &len), -EUCLEAN);
	assert_int_equal(call_xattr_remove(&store, file, "a", &inode), -EUCLEAN);
	for (size_t n = 0; n <= sizeof(bad); n++) { /* too short, no name, a value that is not there */
		mock_put(&store, part0, bad, n);
		assert_int_equal(call_xattr_next(&store, file, 0, &entry), -EUCLEAN);
		bad[3] = (uint8_t)n;
	}
	mock_delete(&store, part0); /* a part without its first */
	assert_int_equal(call_xattr_get(&store, file, "a", back, sizeof(back), &len), -EUCLEAN);
	assert_int_equal(call_xattr_next(&store, file, 0, &entry), -EUCLEAN);
}

/* A replacement that fails at any call leaves the old value whole. */
static void test_errors(void **state)
{
	struct mock_store before;
	struct inode inode;
	uint64_t n = 0;
	int err;

	assert_int_equal(call_xattr_set(&store, file, "a", value, 30000, 0, &inode), 0);
	mock_init(&before);
	mock_copy(&before, &store);
	store.fail_err = -EIO;
	do {
		assert_true(mock_equal(&before, &store));
		store.fail_at = ++n;
		err = call_xattr_set(&store, file, "a", value + 9, 10000, 0, &inode);
	} while (err == -EIO);
	assert_int_equal(err, 0);
	assert_true(n > 10);
	store.fail_at = 0;
	store.restart_odds = 4;
	check_value("a", value + 9, 10000);
	mock_release(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_how, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_collisions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
