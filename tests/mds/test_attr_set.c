/* SPDX-License-Identifier: Apache-2.0 */

/* What clients may set: decoding of attributes, and POSIX's rules for who may set what. */

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "extent/name.h"
#include "mds/attr.h"

#define OWNER 1000
#define GROUP 100
#define OTHER 2000

static const struct inode_time now = { .sec = 5000, .nsec = 7 };

struct input {
	struct compound c;
	struct fattr4 fattr;
	uint8_t buf[1024];
};

static int setup(void **state)
{
	static struct input in;

	memset(&in, 0, sizeof(in));
	in.c.minor = 2;
	wire_arena_init(&in.c.arena, 65536);
	*state = &in;
	return 0;
}

static int teardown(void **state)
{
	struct input *in = *state;

	wire_arena_release(&in->c.arena);
	return 0;
}

static void attrs_add(struct wire_attrs *a, uint32_t attr)
{
	wire_bitmap_set(&a->mask, attr);
}

static nfsstat4 decode_allowed(struct input *in, const struct wire_attrs *a, const struct bitmap4 *allowed,
			       struct attr_set *ret_set)
{
	assert_int_equal(wire_attrs_encode(a, &a->mask, in->buf, sizeof(in->buf), &in->fattr), 0);
	return attr_decode(&in->c, &in->fattr, allowed, now, ret_set);
}

static nfsstat4 decode(struct input *in, const struct wire_attrs *a, struct attr_set *ret_set)
{
	struct bitmap4 allowed = attr_creatable(&in->c);

	return decode_allowed(in, a, &allowed, ret_set);
}

static nfsstat4 decode_owner(struct input *in, const char *text, uint32_t *ret_uid)
{
	struct wire_attrs a = { .owner = { .utf8string_val = (char *)(uintptr_t)text,
					   .utf8string_len = (u_int)strlen(text) } };
	struct attr_set set;
	nfsstat4 status;

	attrs_add(&a, FATTR4_OWNER);
	status = decode(in, &a, &set);
	if (!status) {
		assert_int_equal(set.attrs.mask, INODE_SET_UID);
		*ret_uid = set.attrs.uid;
	}
	return status;
}

/* RFC 8881, 5.9: numbers as strings. */
static void test_owner_is_a_number(void **state)
{
	uint32_t uid = 0;

	assert_int_equal(decode_owner(*state, "1000", &uid), NFS4_OK);
	assert_int_equal(uid, 1000);
	assert_int_equal(decode_owner(*state, "4294967294", &uid), NFS4_OK);
	assert_int_equal(uid, 4294967294u);
}

static void test_owner_may_have_a_domain_behind_its_number(void **state)
{
	uint32_t uid = 0;

	assert_int_equal(decode_owner(*state, "77@example.org", &uid), NFS4_OK);
	assert_int_equal(uid, 77);
}

static void test_owner_by_name_is_badowner(void **state)
{
	uint32_t uid;

	assert_int_equal(decode_owner(*state, "root@example.org", &uid), NFS4ERR_BADOWNER);
	assert_int_equal(decode_owner(*state, "10x", &uid), NFS4ERR_BADOWNER);
	assert_int_equal(decode_owner(*state, "@", &uid), NFS4ERR_BADOWNER);
	assert_int_equal(decode_owner(*state, "-1", &uid), NFS4ERR_BADOWNER);
}

static void test_owner_beyond_32_bits_is_badowner(void **state)
{
	uint32_t uid;

	assert_int_equal(decode_owner(*state, "4294967295", &uid), NFS4ERR_BADOWNER);
	assert_int_equal(decode_owner(*state, "4294967296", &uid), NFS4ERR_BADOWNER);
	assert_int_equal(decode_owner(*state, "99999999999999999999999999", &uid), NFS4ERR_BADOWNER);
}

static void test_empty_owner_is_inval(void **state)
{
	uint32_t uid;

	assert_int_equal(decode_owner(*state, "", &uid), NFS4ERR_INVAL);
}

static void test_mode_beyond_07777_is_inval(void **state)
{
	struct wire_attrs a = { .mode = 010000 };
	struct attr_set set;

	attrs_add(&a, FATTR4_MODE);
	assert_int_equal(decode(*state, &a, &set), NFS4ERR_INVAL);
}

/* RFC 8275, 4.1.1 */
static void test_umask_takes_bits_from_the_mode(void **state)
{
	struct wire_attrs a = { .mode_umask = { .mu_mode = 0666, .mu_umask = 027 } };
	struct attr_set set;

	attrs_add(&a, FATTR4_MODE_UMASK);
	assert_int_equal(decode(*state, &a, &set), NFS4_OK);
	assert_int_equal(set.attrs.mode, 0640);
	assert_true(set.has_mode_umask);
	assert_true(wire_bitmap_test(&set.set, FATTR4_MODE_UMASK));
}

static void test_mode_and_umask_together_are_inval(void **state)
{
	struct wire_attrs a = { .mode = 0600, .mode_umask = { .mu_mode = 0666, .mu_umask = 027 } };
	struct attr_set set;

	attrs_add(&a, FATTR4_MODE);
	attrs_add(&a, FATTR4_MODE_UMASK);
	assert_int_equal(decode(*state, &a, &set), NFS4ERR_INVAL);
}

static void test_umask_beyond_0777_is_inval(void **state)
{
	struct wire_attrs a = { .mode_umask = { .mu_mode = 0666, .mu_umask = 01000 } };
	struct attr_set set;

	attrs_add(&a, FATTR4_MODE_UMASK);
	assert_int_equal(decode(*state, &a, &set), NFS4ERR_INVAL);
}

static void test_umask_is_not_for_setattr(void **state)
{
	struct input *in = *state;
	struct bitmap4 allowed = attr_settable(&in->c);
	struct wire_attrs a = { .mode_umask = { .mu_mode = 0666 } };
	struct attr_set set;

	attrs_add(&a, FATTR4_MODE_UMASK);
	assert_int_equal(decode_allowed(in, &a, &allowed, &set), NFS4ERR_INVAL);
}

static void test_umask_is_not_in_minor_version_1(void **state)
{
	struct input *in = *state;
	struct wire_attrs a = { .mode_umask = { .mu_mode = 0666 } };
	struct attr_set set;

	in->c.minor = 1;
	attrs_add(&a, FATTR4_MODE_UMASK);
	assert_int_equal(decode(in, &a, &set), NFS4ERR_ATTRNOTSUPP);
}

/* RFC 8881, 5.5 */
static void test_attribute_that_is_only_read_is_inval(void **state)
{
	struct wire_attrs a = { .numlinks = 2 };
	struct attr_set set;

	attrs_add(&a, FATTR4_NUMLINKS);
	assert_int_equal(decode(*state, &a, &set), NFS4ERR_INVAL);
}

static void test_attribute_that_is_not_supported_is_attrnotsupp(void **state)
{
	struct wire_attrs a = { .hidden = TRUE };
	struct attr_set set;

	attrs_add(&a, FATTR4_HIDDEN);
	assert_int_equal(decode(*state, &a, &set), NFS4ERR_ATTRNOTSUPP);
}

static void test_size_beyond_63_bits_is_fbig(void **state)
{
	struct wire_attrs a = { .size = (uint64_t)INT64_MAX + 1 };
	struct attr_set set;

	attrs_add(&a, FATTR4_SIZE);
	assert_int_equal(decode(*state, &a, &set), NFS4ERR_FBIG);
	a.size--;
	assert_int_equal(decode(*state, &a, &set), NFS4_OK);
}

static void test_nanoseconds_of_a_second_or_more_are_inval(void **state)
{
	struct wire_attrs a = { .time_create = { .seconds = 1, .nseconds = 1000000000 } };
	struct attr_set set;

	attrs_add(&a, FATTR4_TIME_CREATE);
	assert_int_equal(decode(*state, &a, &set), NFS4ERR_INVAL);
}

static void test_server_time_is_the_time_of_the_server(void **state)
{
	struct wire_attrs a = { .time_modify_set = { .set_it = SET_TO_SERVER_TIME4 } };
	struct attr_set set;

	attrs_add(&a, FATTR4_TIME_MODIFY_SET);
	assert_int_equal(decode(*state, &a, &set), NFS4_OK);
	assert_true(set.mtime_now);
	assert_int_equal(set.attrs.mtime.sec, now.sec);
	assert_int_equal(set.attrs.mask, INODE_SET_MTIME);
}

static void test_client_time_is_taken(void **state)
{
	struct wire_attrs a = { .time_access_set = { .set_it = SET_TO_CLIENT_TIME4,
						     .settime4_u = { .time = { .seconds = -3, .nseconds = 9 } } } };
	struct attr_set set;

	attrs_add(&a, FATTR4_TIME_ACCESS_SET);
	assert_int_equal(decode(*state, &a, &set), NFS4_OK);
	assert_false(set.atime_now);
	assert_true(set.attrs.atime.sec == -3 && set.attrs.atime.nsec == 9);
}

static void test_values_that_do_not_fit_their_mask_are_badxdr(void **state)
{
	struct input *in = *state;
	struct bitmap4 allowed = attr_settable(&in->c);
	struct wire_attrs a = { .mode = 0600 };
	struct attr_set set;

	attrs_add(&a, FATTR4_MODE);
	assert_int_equal(decode(in, &a, &set), NFS4_OK);
	in->fattr.attr_vals.attrlist4_len = 0;
	assert_int_equal(attr_decode(&in->c, &in->fattr, &allowed, now, &set), NFS4ERR_BADXDR);
	in->fattr.attr_vals.attrlist4_len = 8;
	assert_int_equal(attr_decode(&in->c, &in->fattr, &allowed, now, &set), NFS4ERR_BADXDR);
}

static void test_failure_leaves_the_output_alone(void **state)
{
	struct wire_attrs a = { .mode = 010000 };
	struct attr_set set = { .attrs = { .mode = 0123 } };

	attrs_add(&a, FATTR4_MODE);
	assert_int_equal(decode(*state, &a, &set), NFS4ERR_INVAL);
	assert_int_equal(set.attrs.mode, 0123);
}

/* RFC 8881, 18.16.3: the verifier lies in the times. */
static void test_exclusive_create_does_not_take_times(void **state)
{
	struct input *in = *state;
	struct bitmap4 map = attr_exclcreat(&in->c);

	assert_false(wire_bitmap_test(&map, FATTR4_TIME_ACCESS_SET));
	assert_false(wire_bitmap_test(&map, FATTR4_TIME_MODIFY_SET));
	assert_true(wire_bitmap_test(&map, FATTR4_MODE));
}

static const struct inode file = { .ino = 5, .mode = S_IFREG | 0644, .uid = OWNER, .gid = GROUP };
static const struct cred root = { .uid = 0, .gid = 0 };
static const struct cred owner = { .uid = OWNER, .gid = GROUP, .nr_gids = 1, .gids = { 101 } };
static const struct cred other = { .uid = OTHER, .gid = OTHER };

static struct attr_set set_of(unsigned int mask)
{
	return (struct attr_set){ .attrs = { .mask = mask, .uid = OWNER, .gid = GROUP, .mode = 0600 } };
}

static void test_chmod_is_for_the_owner_and_root(void **state)
{
	struct attr_set set = set_of(INODE_SET_MODE);

	assert_int_equal(attr_may_set(&owner, &file, &set, false), NFS4_OK);
	assert_int_equal(attr_may_set(&root, &file, &set, false), NFS4_OK);
	assert_int_equal(attr_may_set(&other, &file, &set, false), NFS4ERR_PERM);
}

static void test_only_root_gives_files_away(void **state)
{
	struct attr_set set = set_of(INODE_SET_UID);

	set.attrs.uid = OTHER;
	assert_int_equal(attr_may_set(&owner, &file, &set, false), NFS4ERR_PERM);
	assert_int_equal(attr_may_set(&other, &file, &set, false), NFS4ERR_PERM);
	assert_int_equal(attr_may_set(&root, &file, &set, false), NFS4_OK);
}

static void test_owner_may_set_the_owner_to_himself(void **state)
{
	struct attr_set set = set_of(INODE_SET_UID);

	assert_int_equal(attr_may_set(&owner, &file, &set, false), NFS4_OK);
}

static void test_owner_may_change_to_a_group_of_his(void **state)
{
	struct attr_set set = set_of(INODE_SET_GID);

	set.attrs.gid = 101;
	assert_int_equal(attr_may_set(&owner, &file, &set, false), NFS4_OK);
	set.attrs.gid = 102;
	assert_int_equal(attr_may_set(&owner, &file, &set, false), NFS4ERR_PERM);
}

static void test_chown_clears_set_id_bits(void **state)
{
	struct inode program = file;
	struct attr_set set = set_of(INODE_SET_GID);

	program.mode = S_IFREG | 06755;
	assert_int_equal(attr_may_set(&owner, &program, &set, false), NFS4_OK);
	assert_true(set.attrs.mask & INODE_SET_MODE);
	assert_int_equal(set.attrs.mode, 0755);
}

static void test_chown_keeps_set_group_id_where_nobody_executes(void **state)
{
	struct inode program = file;
	struct attr_set set = set_of(INODE_SET_GID);

	program.mode = S_IFREG | 06745;
	assert_int_equal(attr_may_set(&owner, &program, &set, false), NFS4_OK);
	assert_int_equal(set.attrs.mode, 02745);
}

static void test_chown_of_a_directory_keeps_its_bits(void **state)
{
	struct inode dir = file;
	struct attr_set set = set_of(INODE_SET_GID);

	dir.mode = S_IFDIR | 02755;
	assert_int_equal(attr_may_set(&owner, &dir, &set, false), NFS4_OK);
	assert_false(set.attrs.mask & INODE_SET_MODE);
}

static void test_chmod_loses_set_group_id_outside_of_the_group(void **state)
{
	struct inode foreign = file;
	struct attr_set set = set_of(INODE_SET_MODE);

	foreign.gid = 999;
	set.attrs.mode = 02755;
	assert_int_equal(attr_may_set(&owner, &foreign, &set, false), NFS4_OK);
	assert_int_equal(set.attrs.mode, 0755);
	set.attrs.mode = 02755;
	assert_int_equal(attr_may_set(&root, &foreign, &set, false), NFS4_OK);
	assert_int_equal(set.attrs.mode, 02755);
}

static void test_any_time_is_for_the_owner(void **state)
{
	struct attr_set set = set_of(INODE_SET_MTIME);
	struct inode open_to_all = file;

	open_to_all.mode = S_IFREG | 0666;
	assert_int_equal(attr_may_set(&other, &open_to_all, &set, false), NFS4ERR_PERM);
	assert_int_equal(attr_may_set(&owner, &open_to_all, &set, false), NFS4_OK);
}

static void test_time_now_is_for_who_may_write(void **state)
{
	struct attr_set set = set_of(INODE_SET_MTIME | INODE_SET_ATIME);
	struct inode open_to_all = file;

	set.mtime_now = true;
	set.atime_now = true;
	open_to_all.mode = S_IFREG | 0666;
	assert_int_equal(attr_may_set(&other, &open_to_all, &set, false), NFS4_OK);
	assert_int_equal(attr_may_set(&other, &file, &set, false), NFS4ERR_ACCESS);
}

static void test_one_time_now_and_one_any_is_for_the_owner(void **state)
{
	struct attr_set set = set_of(INODE_SET_MTIME | INODE_SET_ATIME);
	struct inode open_to_all = file;

	set.mtime_now = true;
	open_to_all.mode = S_IFREG | 0666;
	assert_int_equal(attr_may_set(&other, &open_to_all, &set, false), NFS4ERR_PERM);
}

static void test_truncate_wants_write_or_a_stateid(void **state)
{
	struct attr_set set = set_of(INODE_SET_SIZE);

	assert_int_equal(attr_may_set(&other, &file, &set, false), NFS4ERR_ACCESS);
	assert_int_equal(attr_may_set(&other, &file, &set, true), NFS4_OK);
	assert_int_equal(attr_may_set(&owner, &file, &set, false), NFS4_OK);
}

static void test_truncate_clears_set_id_bits_unless_by_root(void **state)
{
	struct inode program = file;
	struct attr_set set = set_of(INODE_SET_SIZE);

	program.mode = S_IFREG | 06755;
	assert_int_equal(attr_may_set(&owner, &program, &set, false), NFS4_OK);
	assert_int_equal(set.attrs.mode, 0755);
	set = set_of(INODE_SET_SIZE);
	assert_int_equal(attr_may_set(&root, &program, &set, false), NFS4_OK);
	assert_false(set.attrs.mask & INODE_SET_MODE);
}

static void test_only_files_have_a_size_to_set(void **state)
{
	struct attr_set set = set_of(INODE_SET_SIZE);
	struct inode odd = file;

	odd.mode = S_IFDIR | 0777;
	assert_int_equal(attr_may_set(&root, &odd, &set, true), NFS4ERR_ISDIR);
	odd.mode = S_IFIFO | 0777;
	assert_int_equal(attr_may_set(&root, &odd, &set, true), NFS4ERR_INVAL);
}

static void test_create_belongs_to_who_asks(void **state)
{
	struct inode dir = { .mode = S_IFDIR | 0777, .uid = 7, .gid = 8 };
	struct attr_set set = set_of(INODE_SET_MODE);
	struct name_create how = { .mode = 0 };

	assert_int_equal(attr_create_as(&owner, &dir, S_IFDIR, 0755, &set, &how), NFS4_OK);
	assert_int_equal(how.uid, OWNER);
	assert_int_equal(how.gid, GROUP);
	assert_int_equal(how.mode, S_IFDIR | 0600);
}

static void test_create_without_mode_gets_the_default(void **state)
{
	struct inode dir = { .mode = S_IFDIR | 0777 };
	struct attr_set set = set_of(0);
	struct name_create how = { .mode = 0 };

	assert_int_equal(attr_create_as(&owner, &dir, S_IFIFO, 0644, &set, &how), NFS4_OK);
	assert_int_equal(how.mode, S_IFIFO | 0644);
}

static void test_set_group_id_directory_gives_its_group(void **state)
{
	struct inode dir = { .mode = S_IFDIR | 02777, .uid = 7, .gid = 8 };
	struct attr_set set = set_of(INODE_SET_MODE);
	struct name_create how = { .mode = 0 };

	assert_int_equal(attr_create_as(&owner, &dir, S_IFREG, 0644, &set, &how), NFS4_OK);
	assert_int_equal(how.gid, 8);
	assert_int_equal(how.mode, S_IFREG | 0600);
	assert_int_equal(attr_create_as(&owner, &dir, S_IFDIR, 0755, &set, &how), NFS4_OK);
	assert_int_equal(how.gid, 8);
	assert_int_equal(how.mode, S_IFDIR | 02600);
}

static void test_create_for_another_owner_is_for_root(void **state)
{
	struct inode dir = { .mode = S_IFDIR | 0777 };
	struct attr_set set = set_of(INODE_SET_UID);
	struct name_create how = { .mode = 0 };

	set.attrs.uid = OTHER;
	assert_int_equal(attr_create_as(&owner, &dir, S_IFREG, 0644, &set, &how), NFS4ERR_PERM);
	assert_int_equal(attr_create_as(&root, &dir, S_IFREG, 0644, &set, &how), NFS4_OK);
	assert_int_equal(how.uid, OTHER);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_owner_is_a_number),
		T(test_owner_may_have_a_domain_behind_its_number),
		T(test_owner_by_name_is_badowner),
		T(test_owner_beyond_32_bits_is_badowner),
		T(test_empty_owner_is_inval),
		T(test_mode_beyond_07777_is_inval),
		T(test_umask_takes_bits_from_the_mode),
		T(test_mode_and_umask_together_are_inval),
		T(test_umask_beyond_0777_is_inval),
		T(test_umask_is_not_for_setattr),
		T(test_umask_is_not_in_minor_version_1),
		T(test_attribute_that_is_only_read_is_inval),
		T(test_attribute_that_is_not_supported_is_attrnotsupp),
		T(test_size_beyond_63_bits_is_fbig),
		T(test_nanoseconds_of_a_second_or_more_are_inval),
		T(test_server_time_is_the_time_of_the_server),
		T(test_client_time_is_taken),
		T(test_values_that_do_not_fit_their_mask_are_badxdr),
		T(test_failure_leaves_the_output_alone),
		T(test_exclusive_create_does_not_take_times),
		T(test_chmod_is_for_the_owner_and_root),
		T(test_only_root_gives_files_away),
		T(test_owner_may_set_the_owner_to_himself),
		T(test_owner_may_change_to_a_group_of_his),
		T(test_chown_clears_set_id_bits),
		T(test_chown_keeps_set_group_id_where_nobody_executes),
		T(test_chown_of_a_directory_keeps_its_bits),
		T(test_chmod_loses_set_group_id_outside_of_the_group),
		T(test_any_time_is_for_the_owner),
		T(test_time_now_is_for_who_may_write),
		T(test_one_time_now_and_one_any_is_for_the_owner),
		T(test_truncate_wants_write_or_a_stateid),
		T(test_truncate_clears_set_id_bits_unless_by_root),
		T(test_only_files_have_a_size_to_set),
		T(test_create_belongs_to_who_asks),
		T(test_create_without_mode_gets_the_default),
		T(test_set_group_id_directory_gives_its_group),
		T(test_create_for_another_owner_is_for_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
