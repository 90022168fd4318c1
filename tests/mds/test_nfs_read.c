// SPDX-License-Identifier: Apache-2.0
/* READ (RFC 8881, 18.22) as a client sees it: stateids, users, sessions' limits.  tests/mds/test_op_read.c has more.
 */
#include <string.h>

#include "tests/lib/nfs_test.h"

#define USER 1000u

static FIBER_FN struct nfs_file file_with(struct nfs_test *t, const void *bytes, size_t len)
{
	struct nfs_file f;

	NFS_IS(t, nfs_file_create(t->session, &t->dir, "f", &f), 0);
	if (len > 0)
		NFS_IS(t, nfs_file_write(&f, 0, bytes, len, FILE_SYNC4), 0);
	return f;
}

static FIBER_FN READ4resok read_ok(struct nfs_test *t, const struct nfs_file *f, const stateid4 *stateid,
				   uint64_t off, uint32_t count)
{
	READ4resok ok;
	uint32_t at;

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &f->fh);
	at = nfs_op_read(&t->c, stateid, off, count);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_read(&t->c, at, &ok), 0);
	return ok;
}

static FIBER_FN void read_is(struct nfs_test *t, const struct nfs_fh *fh, const stateid4 *stateid, nfsstat4 status)
{
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, fh);
	nfs_op_read(&t->c, stateid, 0, 10);
	NFS_SEND(t, &t->c, status);
}

static FIBER_FN void test_read_bytes(struct nfs_test *t)
{
	struct nfs_file f = file_with(t, "0123456789", 10);
	READ4resok ok = read_ok(t, &f, &f.stateid, 3, 4);

	NFS_CHECK_EQ(t, ok.data.data_len, 4);
	NFS_CHECK(t, !memcmp(ok.data.data_val, "3456", 4));
	NFS_CHECK(t, !ok.eof);
}

static FIBER_FN void test_read_eof(struct nfs_test *t)
{
	struct nfs_file f = file_with(t, "0123456789", 10);

	NFS_CHECK(t, read_ok(t, &f, &f.stateid, 3, 7).eof);
	NFS_CHECK(t, !read_ok(t, &f, &f.stateid, 3, 6).eof);
	NFS_CHECK(t, read_ok(t, &f, &f.stateid, 10, 1).eof);
	NFS_CHECK(t, read_ok(t, &f, &f.stateid, 1ull << 40, 1).eof);
}

static FIBER_FN void test_read_count_0(struct nfs_test *t)
{
	struct nfs_file f = file_with(t, "0123456789", 10);
	READ4resok ok = read_ok(t, &f, &f.stateid, 3, 0);

	NFS_CHECK_EQ(t, ok.data.data_len, 0);
	NFS_CHECK(t, !ok.eof);
}

static FIBER_FN void test_read_anonymous(struct nfs_test *t)
{
	struct nfs_file f = file_with(t, "0123456789", 10);

	NFS_CHECK_EQ(t, read_ok(t, &f, &nfs_stateid_anonymous, 0, 10).data.data_len, 10);
}

static FIBER_FN void test_read_bypass(struct nfs_test *t)
{
	struct nfs_file f = file_with(t, "0123456789", 10);

	NFS_CHECK_EQ(t, read_ok(t, &f, &nfs_stateid_bypass, 0, 10).data.data_len, 10);
}

/* 16.2.3.1.2: the stateid that OPEN left. */
static FIBER_FN void test_read_current_stateid(struct nfs_test *t)
{
	struct nfs_open how = { .access = NFS_OPEN_READ, .name = "f" };
	struct nfs_file f = file_with(t, "0123456789", 10);
	READ4resok ok;
	uint32_t at;

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_open(&t->c, &how);
	at = nfs_op_read(&t->c, &nfs_stateid_current, 0, 10);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_read(&t->c, at, &ok), 0);
	NFS_CHECK_EQ(t, ok.data.data_len, 10);
	NFS_CHECK_EQ(t, f.fh.len > 0, 1);
}

static FIBER_FN void test_read_closed(struct nfs_test *t)
{
	struct nfs_file f = file_with(t, "0123456789", 10);
	stateid4 stateid = f.stateid;

	NFS_IS(t, nfs_file_close(&f), 0);
	read_is(t, &f.fh, &stateid, NFS4ERR_BAD_STATEID);
}

static FIBER_FN void test_read_directory(struct nfs_test *t)
{
	read_is(t, &t->dir, &nfs_stateid_anonymous, NFS4ERR_ISDIR);
}

static FIBER_FN void test_read_symlink(struct nfs_test *t)
{
	struct nfs_fh fh;

	NFS_IS(t, nfs_file_symlink(t->session, &t->dir, "l", "target"), 0);
	NFS_IS(t, nfs_file_walk(t->session, &t->dir, "l", &fh), 0);
	read_is(t, &fh, &nfs_stateid_anonymous, NFS4ERR_SYMLINK);
}

/* Somebody else may only what the mode says. */
static FIBER_FN void test_read_other_user(struct nfs_test *t)
{
	struct nfs_file f = file_with(t, "0123456789", 10);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0600 };

	NFS_IS(t, nfs_file_setattr(t->session, &f.fh, &attrs), 0);
	nfs_session_begin(t->session, &t->c);
	t->c.cred = (struct nfs_cred){ .uid = USER, .gid = USER };
	nfs_op_putfh(&t->c, &f.fh);
	nfs_op_read(&t->c, &nfs_stateid_anonymous, 0, 10);
	NFS_SEND(t, &t->c, NFS4ERR_ACCESS);
}

/* A session with small replies: short, and no eof. */
static FIBER_FN void test_read_small_session(struct nfs_test *t)
{
	struct nfs_session_options opt = { .max_response = 2000 };
	struct nfs_file f;
	struct nfs_session *small;
	char bytes[5000];
	READ4resok ok;
	uint32_t at;

	memset(bytes, 'a', sizeof(bytes));
	f = file_with(t, bytes, sizeof(bytes));
	NFS_IS(t, nfs_session_open(t->client, t->conn, &opt, &small), 0);
	nfs_session_begin(small, &t->c);
	t->c.cachethis = false;
	nfs_op_putfh(&t->c, &f.fh);
	at = nfs_op_read(&t->c, &f.stateid, 0, sizeof(bytes));
	NFS_SEND_IN(t, small, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_read(&t->c, at, &ok), 0);
	NFS_CHECK(t, ok.data.data_len > 1000 && ok.data.data_len < 2000);
	NFS_CHECK(t, !ok.eof);
	NFS_IS(t, nfs_session_close(small), 0);
}

/* Reading never makes clients look again. */
static FIBER_FN void test_read_keeps_change(struct nfs_test *t)
{
	struct nfs_file f = file_with(t, "0123456789", 10);
	struct wire_attrs before, after;

	NFS_IS(t, nfs_file_getattr(t->session, &f.fh, NFS_ATTRS(FATTR4_CHANGE), &before), 0);
	read_ok(t, &f, &f.stateid, 0, 10);
	NFS_IS(t, nfs_file_getattr(t->session, &f.fh, NFS_ATTRS(FATTR4_CHANGE), &after), 0);
	NFS_CHECK_EQ(t, before.change, after.change);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_read_bytes, "RFC 8881, 18.22.3"),
	NFS_TEST(test_read_eof, "RFC 8881, 18.22.3"),
	NFS_TEST(test_read_count_0, "RFC 8881, 18.22.3"),
	NFS_TEST(test_read_anonymous, "RFC 8881, 8.2.3"),
	NFS_TEST(test_read_bypass, "RFC 8881, 8.2.3"),
	NFS_TEST(test_read_current_stateid, "RFC 8881, 16.2.3.1.2"),
	NFS_TEST(test_read_closed, "RFC 8881, 8.2.4"),
	NFS_TEST(test_read_directory, "RFC 8881, 18.22.3"),
	NFS_TEST_DIFFERS(test_read_symlink, "RFC 8881, 18.22.3", "some say INVAL, as before RFC 5661"),
	NFS_TEST(test_read_other_user, "RFC 8881, 18.22.3"),
	NFS_TEST_DIFFERS(test_read_small_session, "RFC 8881, 18.22.3", "may refuse with REP_TOO_BIG"),
	NFS_TEST(test_read_keeps_change, "RFC 8881, 5.8.1.4"),
};

NFS_TEST_MAIN(cases)
