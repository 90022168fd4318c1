/* SPDX-License-Identifier: Apache-2.0 */
/* Entries: names, collisions, cookies that stay, and reading while entries come and go. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "extent/namehash.h"
#include "tests/mock/call.h"

#define DIR   50
#define NAMES 600

static struct mock_store store;

static int setup(void **state)
{
	mock_init(&store);
	return 0;
}

static int teardown(void **state)
{
	mock_release(&store);
	namehash_narrow(64);
	return 0;
}

static size_t name_of(unsigned int i, char *name)
{
	return (size_t)snprintf(name, 32, "name-%u", i);
}

static int insert(unsigned int i)
{
	char name[32];
	size_t len = name_of(i, name);

	return call_dir_insert(&store, DIR, name, len, i + 100);
}

static int take(unsigned int i)
{
	char name[32];
	size_t len = name_of(i, name);

	return call_dir_remove(&store, DIR, name, len);
}

/* The cookie of name @i, 0 if there is none. */
static uint64_t cookie_of(unsigned int i)
{
	struct dir_entry entry;
	char name[32];
	size_t len = name_of(i, name);
	int err;

	err = call_dir_lookup(&store, DIR, name, len, &entry);
	if (err == -ENOENT)
		return 0;
	assert_int_equal(err, 0);
	assert_int_equal(entry.ino, i + 100);
	assert_int_equal(entry.name_len, len);
	assert_string_equal(entry.name, name);
	assert_true(entry.cookie >= DIR_COOKIE_FIRST);
	return entry.cookie;
}

static void test_bad_names(void **state)
{
	static const struct {
		const char *name;
		size_t len;
		int err;
	} bad[] = {
		{ "", 0, -EINVAL },  { ".", 1, -EINVAL },    { "..", 2, -EINVAL }, { "a/b", 3, -EINVAL },
		{ "/", 1, -EINVAL }, { "a\0b", 3, -EINVAL }, { "\0", 1, -EINVAL }, { "x/", 2, -EINVAL },
	};
	char longest[DIR_NAME_MAX + 1];
	struct dir_entry entry;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(dir_check_name(bad[i].name, bad[i].len), bad[i].err);
		assert_int_equal(call_dir_insert(&store, DIR, bad[i].name, bad[i].len, 1), bad[i].err);
		assert_int_equal(call_dir_lookup(&store, DIR, bad[i].name, bad[i].len, &entry), bad[i].err);
	}
	memset(longest, 'n', sizeof(longest));
	assert_int_equal(call_dir_insert(&store, DIR, longest, sizeof(longest), 1), -ENAMETOOLONG);
	assert_int_equal(store.nr_items, 0);
}

static void test_good_names(void **state)
{
	static const char *const good[] = { "...", ".a", "..a", "a.", " ", "\xff\xfe", "\n", "a", "A", "\xc3\xa4" };
	char longest[DIR_NAME_MAX];
	struct dir_entry entry;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(call_dir_insert(&store, DIR, good[i], strlen(good[i]), i + 1), 0);
		assert_int_equal(call_dir_insert(&store, DIR, good[i], strlen(good[i]), i + 1), -EEXIST);
	}
	memset(longest, 'n', sizeof(longest));
	assert_int_equal(call_dir_insert(&store, DIR, longest, sizeof(longest), 77), 0);
	assert_true(store.log_bytes_max <= DIR_LOG_PUT);
	assert_int_equal(call_dir_lookup(&store, DIR, longest, sizeof(longest), &entry), 0);
	assert_true(entry.ino == 77 && entry.type == DT_REG && entry.name_len == DIR_NAME_MAX);
	assert_int_equal(call_dir_lookup(&store, DIR, longest, sizeof(longest) - 1, &entry), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(call_dir_lookup(&store, DIR, good[i], strlen(good[i]), &entry), 0);
		assert_int_equal(entry.ino, i + 1);
		assert_int_equal(call_dir_lookup(&store, DIR + 1, good[i], strlen(good[i]), &entry), -ENOENT);
	}
}

/* With one hash for all, a directory holds 256 names; removing any leaves the others found. */
static void test_full_window(void **state)
{
	uint64_t cookies[256];

	namehash_narrow(1);
	for (unsigned int i = 0; i < 256; i++) {
		assert_int_equal(insert(i), 0);
		cookies[i] = cookie_of(i);
	}
	assert_int_equal(insert(256), -ENOSPC);
	assert_int_equal(insert(7), -EEXIST);
	for (unsigned int i = 0; i < 256; i += 3)
		assert_int_equal(take(i), 0);
	for (unsigned int i = 0; i < 256; i++)
		assert_int_equal(cookie_of(i), i % 3 ? cookies[i] : 0);
	assert_int_equal(insert(1000), 0);
	assert_int_equal(cookie_of(1000), cookies[0]); /* the lowest free place */
	assert_int_equal(insert(1001), 0);
	assert_int_equal(cookie_of(1001), cookies[3]);
	assert_int_equal(cookie_of(255), 0);
	assert_int_equal(cookie_of(254), cookies[254]);
}

static void test_iterate_all(void **state)
{
	uint64_t after = 0, prev_cookie = 0;
	bool seen[NAMES] = { false };
	struct dir_entry entry;
	unsigned int n = 0;
	int err;

	namehash_narrow(4);
	for (unsigned int i = 0; i < NAMES; i++)
		assert_int_equal(insert(i), 0);
	assert_int_equal(call_dir_insert(&store, DIR + 1, "other", 5, 9), 0);
	assert_int_equal(call_dir_insert(&store, DIR - 1, "other", 5, 9), 0);
	for (; !(err = call_dir_next(&store, DIR, after, &entry)); after = entry.cookie) {
		assert_true(entry.cookie > prev_cookie);
		prev_cookie = entry.cookie;
		assert_true(entry.ino >= 100 && entry.ino < 100 + NAMES);
		assert_false(seen[entry.ino - 100]);
		seen[entry.ino - 100] = true;
		n++;
	}
	assert_int_equal(err, -ENOENT);
	assert_int_equal(n, NAMES);
	assert_int_equal(call_dir_next(&store, DIR, KEY_LOW_MAX, &entry), -ENOENT);
	assert_int_equal(call_dir_next(&store, DIR, UINT64_MAX, &entry), -ENOENT);
}

/* Half of the names stay; the others come and go between any two steps of the reader. */
static void test_iterate_while_changing(void **state)
{
	bool there[NAMES] = { false };
	struct dir_entry entry;

	store.dice = mock_seed(20240501);
	namehash_narrow(5);
	for (unsigned int i = 0; i < NAMES; i += 2)
		assert_int_equal(insert(i), 0);
	for (unsigned int round = 0; round < 30; round++) {
		unsigned int seen[NAMES] = { 0 };

		for (uint64_t after = 0; !call_dir_next(&store, DIR, after, &entry); after = entry.cookie) {
			seen[entry.ino - 100]++;
			for (unsigned int k = 0; k < 3; k++) {
				unsigned int i = (unsigned int)mock_random(&store, NAMES / 2) * 2 + 1;

				assert_int_equal(there[i] ? take(i) : insert(i), 0);
				there[i] = !there[i];
			}
		}
		for (unsigned int i = 0; i < NAMES; i += 2)
			assert_int_equal(seen[i], 1);
	}
}

static int body_is_empty(struct txn *txn, void *arg)
{
	return dir_is_empty(txn, DIR, arg);
}

static void test_is_empty(void **state)
{
	bool empty = false;

	assert_int_equal(call_dir_insert(&store, DIR + 1, "other", 5, 9), 0);
	assert_int_equal(mock_read(&store, body_is_empty, &empty), 0);
	assert_true(empty);
	assert_int_equal(insert(1), 0);
	assert_int_equal(mock_read(&store, body_is_empty, &empty), 0);
	assert_false(empty);
	assert_int_equal(take(1), 0);
	assert_int_equal(take(1), -ENOENT);
	assert_int_equal(mock_read(&store, body_is_empty, &empty), 0);
	assert_true(empty);
}

struct replace {
	uint64_t ino;
	struct dir_entry entry;
};

static int body_replace(struct txn *txn, void *arg)
{
	struct replace *r = arg;
	int err;

	err = dir_lookup(txn, DIR, "name-3", 6, &r->entry);
	return err ? err : dir_replace(txn, DIR, &r->entry, r->ino, DT_DIR);
}

static void test_replace(void **state)
{
	struct replace r = { .ino = 4242 };
	struct dir_entry entry;

	assert_int_equal(insert(3), 0);
	assert_int_equal(mock_run(&store, body_replace, &r), 0);
	assert_int_equal(call_dir_lookup(&store, DIR, "name-3", 6, &entry), 0);
	assert_true(entry.ino == 4242 && entry.type == DT_DIR && entry.cookie == r.entry.cookie);
	assert_int_equal(store.nr_items, 1);
}

/* What the disk says is not believed blindly: every single byte of an entry in turn is any other value. */
static void test_damage(void **state)
{
	uint8_t good[64], bad[64];
	struct dir_entry entry;
	struct item item;
	struct key key;
	size_t len;
	int err;

	assert_int_equal(insert(5), 0);
	key = key_make(ZONE_FILE, DIR, ITEM_DIRENT, cookie_of(5));
	assert_true(mock_next(&store, key, &item));
	len = item.len;
	memcpy(good, item.val, len);
	for (size_t i = 0; i < len * 256; i++) {
		memcpy(bad, good, len);
		bad[i / 256] = (uint8_t)i;
		mock_put(&store, key, bad, len);
		err = call_dir_next(&store, DIR, 0, &entry);
		assert_true(err == 0 || err == -EUCLEAN);
		if (!err)
			assert_int_equal(dir_check_name(entry.name, entry.name_len), 0);
	}
	for (size_t n = 0; n < len; n++) {
		mock_put(&store, key, good, n);
		assert_int_equal(call_dir_next(&store, DIR, 0, &entry), -EUCLEAN);
		assert_int_equal(call_dir_lookup(&store, DIR, "name-5", 6, &entry), -EUCLEAN);
	}
	mock_delete(&store, key);
	mock_put(&store, key_make(ZONE_FILE, DIR, ITEM_DIRENT, 2), good, len);
	assert_int_equal(call_dir_next(&store, DIR, 0, &entry), -EUCLEAN);
}

static void test_errors(void **state)
{
	namehash_narrow(1);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(insert(i), 0);
	store.fail_err = -ENOMEM;
	for (unsigned int n = 1; n <= 6; n++) {
		store.fail_at = n;
		assert_int_equal(insert(5), -ENOMEM);
	}
	store.fail_at = 0;
	assert_int_equal(cookie_of(5), 0);
	store.restart_odds = 3;
	assert_int_equal(insert(5), 0);
	assert_true(cookie_of(5) > cookie_of(4));
}

/* A collision of the real hash is found the same way; here only that hashes spread and depend on the seed. */
static int body_hash(struct txn *txn, void *arg)
{
	uint64_t *hashes = arg;

	for (unsigned int i = 0; i < 1000; i++) {
		char name[32];
		size_t len = name_of(i, name);

		hashes[i] = namehash(txn, name, len, 48);
		assert_true(hashes[i] > 0 && hashes[i] < 1ULL << 48);
	}
	return 0;
}

static void test_hash(void **state)
{
	uint64_t a[1000], b[1000];

	assert_int_equal(mock_read(&store, body_hash, a), 0);
	store.hash_seed++;
	assert_int_equal(mock_read(&store, body_hash, b), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		assert_true(a[i] != b[i]);
		for (unsigned int k = 0; k < i; k++)
			assert_true(a[i] != a[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bad_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_good_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iterate_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iterate_while_changing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_is_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hash, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
