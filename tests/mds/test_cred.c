/* SPDX-License-Identifier: Apache-2.0 */
/* Squashing and the bits of a mode. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "mds/cred.h"
#include "mds/export.h"

static const struct export_rule root_rule = { .squash = EXPORT_SQUASH_ROOT, .anon_uid = 65534, .anon_gid = 65533 };
static const struct export_rule all_rule = { .squash = EXPORT_SQUASH_ALL, .anon_uid = 7, .anon_gid = 8 };
static const struct export_rule none_rule = { .squash = EXPORT_SQUASH_NONE, .anon_uid = 7, .anon_gid = 8 };

static void test_squash_root(void **state)
{
	struct cred root = { .uid = 0, .gid = 0, .nr_gids = 3, .gids = { 5, 0, 9 } };
	struct cred user = { .uid = 1000, .gid = 0, .nr_gids = 1, .gids = { 6 } };

	cred_squash(&root_rule, &root);
	assert_int_equal(root.uid, 65534);
	assert_int_equal(root.gid, 65533);
	assert_int_equal(root.nr_gids, 3);
	assert_int_equal(root.gids[0], 5);
	assert_int_equal(root.gids[1], 65533);
	assert_int_equal(root.gids[2], 9);
	assert_false(cred_in_group(&root, 0));
	cred_squash(&root_rule, &user);
	assert_int_equal(user.uid, 1000);
	assert_int_equal(user.gid, 65533);
	assert_int_equal(user.gids[0], 6);
}

static void test_squash_all(void **state)
{
	struct cred user = { .uid = 1000, .gid = 1000, .nr_gids = 2, .gids = { 5, 6 } };

	cred_squash(&all_rule, &user);
	assert_int_equal(user.uid, 7);
	assert_int_equal(user.gid, 8);
	assert_int_equal(user.nr_gids, 0);
	assert_false(cred_in_group(&user, 5));
}

static void test_squash_none(void **state)
{
	struct cred root = { .uid = 0, .gid = 0, .nr_gids = 1, .gids = { 0 } }, anon = cred_anonymous(&none_rule);

	cred_squash(&none_rule, &root);
	assert_int_equal(root.uid, 0);
	assert_true(cred_in_group(&root, 0));
	assert_int_equal(anon.uid, 7);
	assert_int_equal(anon.gid, 8);
	assert_int_equal(anon.nr_gids, 0);
}

static void test_groups(void **state)
{
	struct cred full = { .uid = 1, .gid = 2, .nr_gids = CRED_GIDS_MAX };

	for (unsigned int i = 0; i < CRED_GIDS_MAX; i++)
		full.gids[i] = 100 + i;
	assert_true(cred_in_group(&full, 2));
	assert_true(cred_in_group(&full, 100));
	assert_true(cred_in_group(&full, 100 + CRED_GIDS_MAX - 1));
	assert_false(cred_in_group(&full, 1));
	assert_false(cred_in_group(&full, 100 + CRED_GIDS_MAX));
	full.nr_gids = 0;
	assert_false(cred_in_group(&full, 100));
}

/* One class decides, also when another would give more (POSIX.1-2017, 4.5). */
static void test_one_class_decides(void **state)
{
	struct cred c = { .uid = 10, .gid = 20, .nr_gids = 1, .gids = { 21 } };

	assert_int_equal(cred_access(&c, S_IFREG | 0754, 10, 20), 7);
	assert_int_equal(cred_access(&c, S_IFREG | 0754, 11, 20), 5);
	assert_int_equal(cred_access(&c, S_IFREG | 0754, 11, 21), 5);
	assert_int_equal(cred_access(&c, S_IFREG | 0754, 11, 22), 4);
	assert_int_equal(cred_access(&c, S_IFREG | 0077, 10, 20), 0);
	assert_int_equal(cred_access(&c, S_IFREG | 0707, 11, 21), 0);
	/* set-id and sticky bits are no rights */
	assert_int_equal(cred_access(&c, S_IFREG | 07000, 10, 20), 0);
}

static void test_root(void **state)
{
	struct cred root = { .uid = 0, .gid = 0 };

	assert_int_equal(cred_access(&root, S_IFREG | 0000, 1, 1), CRED_R | CRED_W);
	assert_int_equal(cred_access(&root, S_IFREG | 0644, 1, 1), CRED_R | CRED_W);
	assert_int_equal(cred_access(&root, S_IFREG | 0100, 1, 1), 7);
	assert_int_equal(cred_access(&root, S_IFREG | 0010, 1, 1), 7);
	assert_int_equal(cred_access(&root, S_IFREG | 0001, 1, 1), 7);
	assert_int_equal(cred_access(&root, S_IFDIR | 0000, 1, 1), 7);
	/* User 0 is above the bits of its own class too. */
	assert_int_equal(cred_access(&root, S_IFREG | 0000, 0, 0), CRED_R | CRED_W);
}

static void test_sticky(void **state)
{
	struct cred root = { .uid = 0 }, c = { .uid = 10, .gid = 10 };

	assert_true(cred_may_delete(&c, S_IFDIR | 0777, 1, 2));
	assert_false(cred_may_delete(&c, S_IFDIR | 01777, 1, 2));
	assert_true(cred_may_delete(&c, S_IFDIR | 01777, 10, 2));
	assert_true(cred_may_delete(&c, S_IFDIR | 01777, 1, 10));
	assert_true(cred_may_delete(&root, S_IFDIR | 01777, 1, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_squash_root),
		cmocka_unit_test(test_squash_all),
		cmocka_unit_test(test_squash_none),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_one_class_decides),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_sticky),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
