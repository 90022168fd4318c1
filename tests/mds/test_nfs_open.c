/* SPDX-License-Identifier: Apache-2.0 */
/* OPEN, CLOSE and OPEN_DOWNGRADE: creating, rights, claims, results. */

#include <string.h>

#include "tests/lib/nfs_state.h"

#define R  OPEN4_SHARE_ACCESS_READ
#define W  OPEN4_SHARE_ACCESS_WRITE
#define RW OPEN4_SHARE_ACCESS_BOTH

static const struct nfs_cred user = { .uid = 1000, .gid = 1000 };

static struct wire_attrs mode_of(uint32_t mode)
{
	return (struct wire_attrs){ .mask = NFS_ATTRS(FATTR4_MODE), .mode = mode };
}

/* Let everybody make files in the test's directory. */
FIBER_FN static void open_to_all(struct nfs_state *s)
{
	struct wire_attrs attrs = mode_of(0777);

	nfs_state_setattr(s, &s->dir, &attrs, NFS4_OK);
}

/* Creating */

FIBER_FN static void test_create_unchecked(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct wire_attrs attrs = mode_of(0640);
	struct nfs_open open = { .name = "f", .creates = true, .mode = UNCHECKED4, .attrs = &attrs };
	struct nfs_state_open got = nfs_state_open(&s, NULL, &open, NFS4_OK);

	attrs = nfs_state_getattr(&s, &got.fh, NFS_ATTRS(FATTR4_TYPE, FATTR4_MODE, FATTR4_SIZE, FATTR4_NUMLINKS));
	NFS_CHECK_EQ(t, attrs.type, NF4REG);
	NFS_CHECK_EQ(t, attrs.mode, 0640);
	NFS_CHECK_EQ(t, attrs.size, 0);
	NFS_CHECK_EQ(t, attrs.numlinks, 1);
}

FIBER_FN static void test_create_tells_what_was_set(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct wire_attrs attrs = mode_of(0600);
	struct nfs_open open = { .name = "f", .creates = true, .mode = GUARDED4, .attrs = &attrs };
	struct nfs_state_open got = nfs_state_open(&s, NULL, &open, NFS4_OK);

	NFS_CHECK(t, wire_bitmap_test(&got.ok.attrset, FATTR4_MODE));
	NFS_CHECK(t, !wire_bitmap_test(&got.ok.attrset, FATTR4_SIZE));
}

FIBER_FN static void test_create_with_size(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE, FATTR4_MODE), .size = 5000, .mode = 0600 };
	struct nfs_open open = { .name = "f", .creates = true, .mode = GUARDED4, .attrs = &attrs };
	struct nfs_state_open got = nfs_state_open(&s, NULL, &open, NFS4_OK);

	NFS_CHECK_EQ(t, nfs_state_getattr(&s, &got.fh, NFS_ATTRS(FATTR4_SIZE)).size, 5000);
}

FIBER_FN static void test_create_unchecked_keeps_what_is_there(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open first = nfs_state_make(&s, "f", NULL), again;
	struct wire_attrs attrs = mode_of(0600);
	struct nfs_open open = { .name = "f", .creates = true, .mode = UNCHECKED4, .attrs = &attrs };

	nfs_state_write(&s, &first.fh, &first.stateid, NFS4_OK);
	again = nfs_state_open(&s, NULL, &open, NFS4_OK);
	NFS_CHECK_EQ(t, first.fh.len, again.fh.len);
	NFS_CHECK(t, memcmp(first.fh.bytes, again.fh.bytes, first.fh.len) == 0);
	attrs = nfs_state_getattr(&s, &first.fh, NFS_ATTRS(FATTR4_MODE, FATTR4_SIZE));
	NFS_CHECK_EQ(t, attrs.mode, 0666);
	NFS_CHECK_EQ(t, attrs.size, 4);
}

FIBER_FN static void test_create_unchecked_truncates(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open first = nfs_state_make(&s, "f", NULL), again;
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE), .size = 0 };
	struct nfs_open open = { .name = "f", .creates = true, .mode = UNCHECKED4, .attrs = &attrs };

	nfs_state_write(&s, &first.fh, &first.stateid, NFS4_OK);
	again = nfs_state_open(&s, NULL, &open, NFS4_OK);
	NFS_CHECK(t, wire_bitmap_test(&again.ok.attrset, FATTR4_SIZE));
	NFS_CHECK(t, nfs_state_same(&first.stateid, &again.stateid));
	NFS_CHECK_EQ(t, again.stateid.seqid, first.stateid.seqid + 1);
	NFS_CHECK_EQ(t, nfs_state_getattr(&s, &first.fh, NFS_ATTRS(FATTR4_SIZE)).size, 0);
}

FIBER_FN static void test_truncate_needs_the_right_to_write(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open first = nfs_state_make(&s, "f", NULL);
	struct wire_attrs size = { .mask = NFS_ATTRS(FATTR4_SIZE), .size = 0 }, mode = mode_of(0644);
	struct nfs_open open = { .name = "f", .access = R, .creates = true, .mode = UNCHECKED4, .attrs = &size };

	nfs_state_write(&s, &first.fh, &first.stateid, NFS4_OK);
	nfs_state_setattr(&s, &first.fh, &mode, NFS4_OK);
	open_to_all(&s);
	s.cred = user;
	nfs_state_open(&s, NULL, &open, NFS4ERR_ACCESS);
	NFS_CHECK_EQ(t, nfs_state_getattr(&s, &first.fh, NFS_ATTRS(FATTR4_SIZE)).size, 4);
}

FIBER_FN static void test_create_guarded_exists(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_open open = { .name = "f", .creates = true, .mode = GUARDED4 };

	nfs_state_make(&s, "f", NULL);
	nfs_state_open(&s, NULL, &open, NFS4ERR_EXIST);
}

FIBER_FN static void create_exclusive(struct nfs_test *t, createmode4 mode)
{
	struct nfs_state s = nfs_state_first(t);
	struct wire_attrs attrs = mode_of(0604);
	struct nfs_open open = { .name = "f",
				 .creates = true,
				 .mode = mode,
				 .verifier = "abcdefg",
				 .attrs = mode == EXCLUSIVE4_1 ? &attrs : NULL };
	struct nfs_state_open first = nfs_state_open(&s, NULL, &open, NFS4_OK), again;

	/* The same again: its answer was lost, say. */
	again = nfs_state_open(&s, NULL, &open, NFS4_OK);
	NFS_CHECK(t, memcmp(first.fh.bytes, again.fh.bytes, first.fh.len) == 0);
	NFS_CHECK(t, nfs_state_same(&first.stateid, &again.stateid));
	open.verifier[0] = 'x';
	nfs_state_open(&s, NULL, &open, NFS4ERR_EXIST);
	if (mode == EXCLUSIVE4_1) {
		NFS_CHECK(t, wire_bitmap_test(&again.ok.attrset, FATTR4_MODE));
		NFS_CHECK_EQ(t, nfs_state_getattr(&s, &first.fh, NFS_ATTRS(FATTR4_MODE)).mode, 0604);
	}
}

FIBER_FN static void test_create_exclusive4(struct nfs_test *t)
{
	create_exclusive(t, EXCLUSIVE4);
}

FIBER_FN static void test_create_exclusive4_1(struct nfs_test *t)
{
	create_exclusive(t, EXCLUSIVE4_1);
}

FIBER_FN static void test_exclusive_of_another_owner(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_open open = { .name = "f", .owner = "a", .creates = true, .mode = EXCLUSIVE4_1 };
	struct nfs_state_open first = nfs_state_open(&s, NULL, &open, NFS4_OK), again;

	open.owner = "b";
	again = nfs_state_open(&s, NULL, &open, NFS4_OK);
	NFS_CHECK(t, !nfs_state_same(&first.stateid, &again.stateid));
}

FIBER_FN static void test_exclusive_leaves_times_alone(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_open open = { .name = "f", .creates = true, .mode = EXCLUSIVE4_1, .verifier = "zzzzzzz" };
	struct nfs_state_open got = nfs_state_open(&s, NULL, &open, NFS4_OK);
	struct wire_attrs attrs = nfs_state_getattr(&s, &got.fh, NFS_ATTRS(FATTR4_TIME_MODIFY, FATTR4_TIME_METADATA));

	NFS_CHECK_EQ(t, attrs.time_modify.seconds, attrs.time_metadata.seconds);
	NFS_CHECK_EQ(t, attrs.time_modify.nseconds, attrs.time_metadata.nseconds);
}

FIBER_FN static void test_create_changes_the_directory(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	uint64_t before = nfs_state_getattr(&s, &s.dir, NFS_ATTRS(FATTR4_CHANGE)).change;
	struct nfs_state_open got = nfs_state_make(&s, "f", NULL);
	uint64_t after = nfs_state_getattr(&s, &s.dir, NFS_ATTRS(FATTR4_CHANGE)).change;

	NFS_CHECK(t, after != before);
	NFS_CHECK(t, got.ok.cinfo.atomic);
	NFS_CHECK_EQ(t, got.ok.cinfo.before, before);
	NFS_CHECK_EQ(t, got.ok.cinfo.after, after);
}

FIBER_FN static void test_open_changes_no_directory(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open got;

	nfs_state_make(&s, "f", NULL);
	got = nfs_state_share(&s, "f", "b", R, 0, NFS4_OK);
	NFS_CHECK_EQ(t, got.ok.cinfo.before, got.ok.cinfo.after);
}

FIBER_FN static void test_create_needs_the_directory(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct wire_attrs attrs = mode_of(0755);
	struct nfs_open open = { .name = "f", .creates = true, .mode = GUARDED4 };

	nfs_state_setattr(&s, &s.dir, &attrs, NFS4_OK);
	s.cred = user;
	nfs_state_open(&s, NULL, &open, NFS4ERR_ACCESS);
}

FIBER_FN static void test_creator_may_whatever_the_mode(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct wire_attrs attrs = mode_of(0);
	struct nfs_open open = { .name = "f", .creates = true, .mode = GUARDED4, .attrs = &attrs };
	struct nfs_state_open got;

	open_to_all(&s);
	s.cred = user;
	got = nfs_state_open(&s, NULL, &open, NFS4_OK);
	nfs_state_write(&s, &got.fh, &got.stateid, NFS4_OK);
}

FIBER_FN static void test_create_belongs_to_who_asks(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open got;
	struct wire_attrs attrs;

	open_to_all(&s);
	s.cred = user;
	got = nfs_state_make(&s, "f", NULL);
	attrs = nfs_state_getattr(&s, &got.fh, NFS_ATTRS(FATTR4_OWNER));
	NFS_CHECK(t, attrs.owner.utf8string_len >= 4 && memcmp(attrs.owner.utf8string_val, "1000", 4) == 0);
}

FIBER_FN static void test_create_refuses_unknown_attributes(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_HIDDEN), .hidden = TRUE };
	struct nfs_open open = { .name = "f", .creates = true, .mode = GUARDED4, .attrs = &attrs };

	nfs_state_open(&s, NULL, &open, NFS4ERR_ATTRNOTSUPP);
	nfs_state_share(&s, "f", NULL, R, 0, NFS4ERR_NOENT);
}

/* Names, types, rights */

FIBER_FN static void test_open_missing(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	nfs_state_share(&s, "nothing", NULL, R, 0, NFS4ERR_NOENT);
}

FIBER_FN static void open_of_type(struct nfs_test *t, nfs_ftype4 type, nfsstat4 want)
{
	struct nfs_state s = nfs_state_first(t);
	specdata4 none = { 0 };

	nfs_session_begin(s.session, &t->c);
	nfs_op_putfh(&t->c, &s.dir);
	nfs_op_create_str(&t->c, type, nfs_str("x"), nfs_str("target"), none, NULL);
	NFS_SEND(t, &t->c, NFS4_OK);
	nfs_state_share(&s, "x", NULL, R, 0, want);
}

FIBER_FN static void test_open_directory(struct nfs_test *t)
{
	open_of_type(t, NF4DIR, NFS4ERR_ISDIR);
}

FIBER_FN static void test_open_symlink(struct nfs_test *t)
{
	open_of_type(t, NF4LNK, NFS4ERR_SYMLINK);
}

FIBER_FN static void test_open_fifo(struct nfs_test *t)
{
	open_of_type(t, NF4FIFO, NFS4ERR_WRONG_TYPE);
}

FIBER_FN static void test_open_in_a_file(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	struct nfs_open open = { .name = "g", .access = R };

	nfs_state_open(&s, &file.fh, &open, NFS4ERR_NOTDIR);
}

FIBER_FN static void test_open_empty_name(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	nfs_state_share(&s, "", NULL, R, 0, NFS4ERR_INVAL);
}

FIBER_FN static void test_open_long_name(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	char name[400];

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	nfs_state_share(&s, name, NULL, R, 0, NFS4ERR_NAMETOOLONG);
}

FIBER_FN static void test_open_without_handle(struct nfs_test *t)
{
	struct nfs_open open = { .name = "f", .access = R };

	nfs_session_begin(t->session, &t->c);
	nfs_op_open(&t->c, &open);
	NFS_SEND(t, &t->c, NFS4ERR_NOFILEHANDLE);
}

FIBER_FN static void test_open_needs_rights(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	struct wire_attrs attrs = mode_of(0640);

	nfs_state_setattr(&s, &file.fh, &attrs, NFS4_OK);
	open_to_all(&s);
	s.cred = user;
	nfs_state_share(&s, "f", NULL, R, 0, NFS4ERR_ACCESS);
	nfs_state_share(&s, "f", NULL, W, 0, NFS4ERR_ACCESS);
}

FIBER_FN static void test_open_to_run(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	struct wire_attrs attrs = mode_of(0711);

	nfs_state_setattr(&s, &file.fh, &attrs, NFS4_OK);
	open_to_all(&s);
	s.cred = user;
	nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	nfs_state_share(&s, "f", NULL, RW, 0, NFS4ERR_ACCESS);
}

/* Arguments and claims */

FIBER_FN static void test_open_no_access(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	nfs_state_make(&s, "f", NULL);
	nfs_state_share(&s, "f", NULL, OPEN4_SHARE_ACCESS_WANT_NO_DELEG, 0, NFS4ERR_INVAL);
}

FIBER_FN static void test_open_bad_deny(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	nfs_state_make(&s, "f", NULL);
	nfs_state_share(&s, "f", NULL, R, 4, NFS4ERR_INVAL);
}

FIBER_FN static void test_open_by_handle(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL), again;
	struct nfs_open open = { .owner = "b", .access = R };

	again = nfs_state_open(&s, &file.fh, &open, NFS4_OK);
	NFS_CHECK(t, memcmp(file.fh.bytes, again.fh.bytes, file.fh.len) == 0);
	nfs_state_read(&s, &file.fh, &again.stateid, NFS4_OK);
}

FIBER_FN static void test_open_directory_by_handle(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_open open = { .access = R };

	nfs_state_open(&s, &s.dir, &open, NFS4ERR_ISDIR);
}

FIBER_FN static void open_claim(struct nfs_test *t, const open_claim4 *claim, nfsstat4 want)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open file = nfs_state_make(&s, "f", NULL);
	struct nfs_argop4 op = { .argop = OP_OPEN };
	OPEN4args *args = &op.nfs_argop4_u.opopen;
	char owner[] = "owner";

	args->share_access = R;
	args->owner.owner.owner_len = 5;
	args->owner.owner.owner_val = owner;
	args->claim = *claim;
	nfs_session_begin(s.session, &t->c);
	nfs_op_putfh(&t->c, &file.fh);
	nfs_compound_add(&t->c, &op);
	NFS_SEND(t, &t->c, want);
}

FIBER_FN static void test_reclaim_without_grace(struct nfs_test *t)
{
	open_claim4 claim = { .claim = CLAIM_PREVIOUS };

	open_claim(t, &claim, NFS4ERR_NO_GRACE);
}

FIBER_FN static void test_claim_of_a_delegation(struct nfs_test *t)
{
	open_claim4 claim = { .claim = CLAIM_DELEG_CUR_FH };

	nfs_test_differs(t, "any refusal does");
	open_claim(t, &claim, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_claim_of_an_old_delegation(struct nfs_test *t)
{
	open_claim4 claim = { .claim = CLAIM_DELEG_PREV_FH };

	open_claim(t, &claim, NFS4ERR_NOTSUPP);
}

FIBER_FN static void test_open_before_reclaim_complete(struct nfs_test *t)
{
	struct nfs_session_options opt = { .skips_reclaim_complete = true };
	struct nfs_test_client *other = nfs_test_client_bare(t, NULL);
	struct nfs_state s = nfs_state_first(t);

	nfs_state_make(&s, "f", NULL);
	NFS_IS(t, nfs_client_exchange_id(&other->client, other->conn), 0);
	NFS_IS(t, nfs_session_open(&other->client, other->conn, &opt, &other->session), 0);
	s.session = other->session;
	nfs_state_share(&s, "f", NULL, R, 0, NFS4ERR_GRACE);
}

/* Results */

FIBER_FN static void test_result_flags(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open got = nfs_state_make(&s, "f", NULL);

	NFS_CHECK(t, got.ok.rflags & OPEN4_RESULT_LOCKTYPE_POSIX);
	NFS_CHECK(t, !(got.ok.rflags & OPEN4_RESULT_CONFIRM));
	nfs_test_differs(t, "both are the server's choice");
	NFS_CHECK(t, got.ok.rflags & OPEN4_RESULT_PRESERVE_UNLINKED);
	NFS_CHECK(t, got.ok.rflags & OPEN4_RESULT_MAY_NOTIFY_LOCK);
}

FIBER_FN static void test_no_delegation_wanted(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open got = nfs_state_make(&s, "f", NULL);

	got = nfs_state_share(&s, "f", "b", R | OPEN4_SHARE_ACCESS_WANT_NO_DELEG, 0, NFS4_OK);
	NFS_CHECK_EQ(t, got.ok.delegation.delegation_type, OPEN_DELEGATE_NONE_EXT);
	NFS_CHECK_EQ(t, got.ok.delegation.open_delegation4_u.od_whynone.ond_why, WND4_NOT_WANTED);
}

FIBER_FN static void test_delegation_wanted(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open got = nfs_state_make(&s, "f", NULL);

	got = nfs_state_share(&s, "f", "b", R | OPEN4_SHARE_ACCESS_WANT_READ_DELEG, 0, NFS4_OK);
	nfs_test_differs(t, "it may give one");
	NFS_CHECK_EQ(t, got.ok.delegation.delegation_type, OPEN_DELEGATE_NONE_EXT);
}

FIBER_FN static void test_no_preference(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open got = nfs_state_make(&s, "f", NULL);

	got = nfs_state_share(&s, "f", "b", R, 0, NFS4_OK);
	nfs_test_differs(t, "it may give one");
	NFS_CHECK_EQ(t, got.ok.delegation.delegation_type, OPEN_DELEGATE_NONE);
}

FIBER_FN static void test_current_stateid(struct nfs_test *t)
{
	struct wire_attrs attrs = mode_of(0600);
	struct nfs_open open = { .name = "f", .creates = true, .mode = GUARDED4, .attrs = &attrs };

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_open(&t->c, &open);
	nfs_op_write(&t->c, &nfs_stateid_current, 0, UNSTABLE4, "data", 4);
	nfs_op_close(&t->c, &nfs_stateid_current);
	NFS_SEND(t, &t->c, NFS4_OK);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_create_unchecked, "RFC 8881, 18.16.3"),
	NFS_TEST(test_create_tells_what_was_set, "RFC 8881, 18.16.3"),
	NFS_TEST(test_create_with_size, "RFC 8881, 18.16.3"),
	NFS_TEST(test_create_unchecked_keeps_what_is_there, "RFC 8881, 18.16.3"),
	NFS_TEST(test_create_unchecked_truncates, "RFC 8881, 18.16.3"),
	NFS_TEST_DIFFERS(test_truncate_needs_the_right_to_write, "RFC 8881, 18.16.3",
			 "an open-owner that has the file open gets more as another user, too"),
	NFS_TEST(test_create_guarded_exists, "RFC 8881, 18.16.3"),
	NFS_TEST(test_create_exclusive4, "RFC 8881, 18.16.3"),
	NFS_TEST(test_create_exclusive4_1, "RFC 8881, 18.16.3"),
	NFS_TEST(test_exclusive_of_another_owner, "RFC 8881, 18.16.3"),
	NFS_TEST_DIFFERS(test_exclusive_leaves_times_alone, "RFC 8881, 18.16.4", "the verifier may lie in times"),
	NFS_TEST_DIFFERS(test_create_changes_the_directory, "RFC 8881, 18.16.3", "cinfo need not be atomic"),
	NFS_TEST(test_open_changes_no_directory, "RFC 8881, 18.16.3"),
	NFS_TEST(test_create_needs_the_directory, "RFC 8881, 18.16.3"),
	NFS_TEST(test_creator_may_whatever_the_mode, "RFC 8881, 18.16.4"),
	NFS_TEST(test_create_belongs_to_who_asks, "RFC 8881, 18.16.3"),
	NFS_TEST(test_create_refuses_unknown_attributes, "RFC 8881, 18.16.3"),
	NFS_TEST(test_open_missing, "RFC 8881, 18.16.3"),
	NFS_TEST(test_open_directory, "RFC 8881, 18.16.3"),
	NFS_TEST(test_open_symlink, "RFC 8881, 18.16.3"),
	NFS_TEST_DIFFERS(test_open_fifo, "RFC 8881, 18.16.3", "NFS4ERR_SYMLINK was right in 4.0"),
	NFS_TEST(test_open_in_a_file, "RFC 8881, 18.16.3"),
	NFS_TEST(test_open_empty_name, "RFC 8881, 18.16.3"),
	NFS_TEST(test_open_long_name, "RFC 8881, 15.1.7.4"),
	NFS_TEST(test_open_without_handle, "RFC 8881, 18.16.3"),
	NFS_TEST_DIFFERS(test_open_needs_rights, "RFC 8881, 18.16.3",
			 "an open-owner that has the file open gets more as another user, too"),
	NFS_TEST_DIFFERS(test_open_to_run, "RFC 8881, 18.22.4",
			 "an open-owner that has the file open gets more as another user, too"),
	NFS_TEST(test_open_no_access, "RFC 8881, 18.16.3"),
	NFS_TEST(test_open_bad_deny, "RFC 8881, 18.16.3"),
	NFS_TEST(test_open_by_handle, "RFC 8881, 18.16.3"),
	NFS_TEST(test_open_directory_by_handle, "RFC 8881, 18.16.3"),
	NFS_TEST(test_reclaim_without_grace, "RFC 8881, 8.4.2.1"),
	NFS_TEST_DIFFERS(test_claim_of_a_delegation, "RFC 8881, 18.16.3",
			 "it has no delegations as it is set up here"),
	NFS_TEST(test_claim_of_an_old_delegation, "RFC 8881, 18.16.3"),
	NFS_TEST(test_open_before_reclaim_complete, "RFC 8881, 18.51.3"),
	NFS_TEST_DIFFERS(test_result_flags, "RFC 8881, 18.16.3", "both are the server's choice"),
	NFS_TEST_DIFFERS(test_no_delegation_wanted, "RFC 8881, 18.16.3", "OPEN_DELEGATE_NONE is allowed too"),
	NFS_TEST(test_delegation_wanted, "RFC 8881, 18.16.3"),
	NFS_TEST(test_no_preference, "RFC 8881, 18.16.3"),
	NFS_TEST(test_current_stateid, "RFC 8881, 16.2.3.1.2"),
};

NFS_TEST_MAIN(cases)
