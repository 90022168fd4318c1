// SPDX-License-Identifier: Apache-2.0
/* WRITE and COMMIT (RFC 8881, 18.32, 18.3) as a client sees them.  tests/mds/test_op_write.c has more. */
#include <string.h>

#include "tests/lib/nfs_test.h"

static FIBER_FN struct nfs_file file_new(struct nfs_test *t)
{
	struct nfs_file f;

	NFS_IS(t, nfs_file_create(t->session, &t->dir, "f", &f), 0);
	return f;
}

static FIBER_FN void write_is(struct nfs_test *t, const struct nfs_fh *fh, const stateid4 *stateid, uint64_t off,
			      nfsstat4 status)
{
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, fh);
	nfs_op_write(&t->c, stateid, off, UNSTABLE4, "xy", 2);
	NFS_SEND(t, &t->c, status);
}

static FIBER_FN WRITE4resok write_ok(struct nfs_test *t, const struct nfs_file *f, uint64_t off, stable_how4 stable,
				     const void *bytes, uint32_t len)
{
	WRITE4resok ok;
	uint32_t at;

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &f->fh);
	at = nfs_op_write(&t->c, &f->stateid, off, stable, bytes, len);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_write(&t->c, at, &ok), 0);
	return ok;
}

static FIBER_FN void content_is(struct nfs_test *t, struct nfs_file *f, const void *bytes, size_t len)
{
	char buf[8192];
	size_t got;
	bool eof;

	NFS_CHECK(t, len < sizeof(buf));
	NFS_IS(t, nfs_file_read(f, 0, buf, sizeof(buf), &got, &eof), 0);
	NFS_CHECK_EQ(t, got, len);
	NFS_CHECK(t, !memcmp(buf, bytes, len));
	NFS_CHECK(t, eof);
}

static FIBER_FN void test_write_bytes(struct nfs_test *t)
{
	struct nfs_file f = file_new(t);

	NFS_CHECK_EQ(t, write_ok(t, &f, 0, UNSTABLE4, "hello", 5).count, 5);
	NFS_CHECK_EQ(t, write_ok(t, &f, 3, UNSTABLE4, "p!", 2).count, 2);
	content_is(t, &f, "help!", 5);
}

static FIBER_FN void test_write_gap(struct nfs_test *t)
{
	struct nfs_file f = file_new(t);

	write_ok(t, &f, 0, UNSTABLE4, "a", 1);
	write_ok(t, &f, 5, UNSTABLE4, "b", 1);
	content_is(t, &f, "a\0\0\0\0b", 6);
}

static FIBER_FN void test_write_levels(struct nfs_test *t)
{
	struct nfs_file f = file_new(t);

	for (stable_how4 level = UNSTABLE4; level <= FILE_SYNC4; level++)
		NFS_CHECK(t, write_ok(t, &f, 0, level, "a", 1).committed >= level);
}

static FIBER_FN void test_write_verifier(struct nfs_test *t)
{
	struct nfs_file f = file_new(t);
	WRITE4resok ok = write_ok(t, &f, 0, UNSTABLE4, "a", 1);
	const struct nfs_resop4 *res;
	uint32_t at;

	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &f.fh);
	at = nfs_op_commit(&t->c, 0, 0);
	NFS_SEND(t, &t->c, NFS4_OK);
	res = nfs_compound_result(&t->c, at, OP_COMMIT);
	NFS_CHECK(t, res != NULL);
	NFS_CHECK(t, !memcmp(ok.writeverf, res->nfs_resop4_u.opcommit.COMMIT4res_u.resok4.writeverf,
			     NFS4_VERIFIER_SIZE));
}

static FIBER_FN void test_write_nothing(struct nfs_test *t)
{
	struct nfs_file f = file_new(t);

	NFS_CHECK_EQ(t, write_ok(t, &f, 100, FILE_SYNC4, "", 0).count, 0);
	content_is(t, &f, "", 0);
}

static FIBER_FN void test_write_changes(struct nfs_test *t)
{
	struct nfs_file f = file_new(t);
	struct wire_attrs before, after;

	NFS_IS(t, nfs_file_getattr(t->session, &f.fh, NFS_ATTRS(FATTR4_CHANGE), &before), 0);
	write_ok(t, &f, 0, UNSTABLE4, "a", 1);
	NFS_IS(t, nfs_file_getattr(t->session, &f.fh, NFS_ATTRS(FATTR4_CHANGE, FATTR4_SIZE), &after), 0);
	NFS_CHECK(t, after.change > before.change);
	NFS_CHECK_EQ(t, after.size, 1);
}

static FIBER_FN void test_write_read_only_open(struct nfs_test *t)
{
	struct nfs_open how = { .access = NFS_OPEN_READ, .name = "f" };
	struct nfs_file f = file_new(t), r;

	NFS_IS(t, nfs_file_close(&f), 0);
	NFS_IS(t, nfs_file_open(t->session, &t->dir, &how, &r), 0);
	write_is(t, &r.fh, &r.stateid, 0, NFS4ERR_OPENMODE);
}

static FIBER_FN void test_write_directory(struct nfs_test *t)
{
	write_is(t, &t->dir, &nfs_stateid_anonymous, 0, NFS4ERR_ISDIR);
}

static FIBER_FN void test_write_too_far(struct nfs_test *t)
{
	struct nfs_file f = file_new(t);

	write_is(t, &f.fh, &f.stateid, UINT64_MAX - 1, NFS4ERR_FBIG);
}

static FIBER_FN void test_write_anonymous(struct nfs_test *t)
{
	struct nfs_file f = file_new(t);

	write_is(t, &f.fh, &nfs_stateid_anonymous, 0, NFS4_OK);
	content_is(t, &f, "xy", 2);
}

/* 8.2.3: all ones is for reading; as a stateid to write with it is the anonymous one. */
static FIBER_FN void test_write_bypass(struct nfs_test *t)
{
	struct nfs_file f = file_new(t);

	write_is(t, &f.fh, &nfs_stateid_bypass, 0, NFS4_OK);
}

static FIBER_FN void test_write_unlinked(struct nfs_test *t)
{
	struct nfs_file f = file_new(t);

	NFS_IS(t, nfs_file_remove(t->session, &t->dir, "f"), 0);
	write_is(t, &f.fh, &f.stateid, 0, NFS4_OK);
	content_is(t, &f, "xy", 2);
}

static FIBER_FN void test_commit_directory(struct nfs_test *t)
{
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_commit(&t->c, 0, 0);
	NFS_SEND(t, &t->c, NFS4ERR_ISDIR);
}

/* A mebibyte at an odd place, there and back. */
static FIBER_FN void test_write_large(struct nfs_test *t)
{
	static char out[1 << 20], in[1 << 20];
	struct nfs_file f = file_new(t);
	size_t got;
	bool eof;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i % 251);
	NFS_IS(t, nfs_file_write(&f, 777, out, sizeof(out), UNSTABLE4), 0);
	NFS_IS(t, nfs_file_commit(&f), 0);
	NFS_IS(t, nfs_file_read(&f, 777, in, sizeof(in), &got, &eof), 0);
	NFS_CHECK_EQ(t, got, sizeof(in));
	NFS_CHECK(t, !memcmp(in, out, sizeof(in)));
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_write_bytes, "RFC 8881, 18.32.3"),
	NFS_TEST(test_write_gap, "RFC 8881, 18.32.3"),
	NFS_TEST(test_write_levels, "RFC 8881, 18.32.3"),
	NFS_TEST(test_write_verifier, "RFC 8881, 18.3.3"),
	NFS_TEST(test_write_nothing, "RFC 8881, 18.32.3"),
	NFS_TEST(test_write_changes, "RFC 8881, 5.8.1.4"),
	NFS_TEST(test_write_read_only_open, "RFC 8881, 9.1.2"),
	NFS_TEST(test_write_directory, "RFC 8881, 18.32.3"),
	NFS_TEST_DIFFERS(test_write_too_far, "RFC 8881, 15.1.4.3", "a store may hold other sizes"),
	NFS_TEST(test_write_anonymous, "RFC 8881, 8.2.3"),
	NFS_TEST(test_write_bypass, "RFC 8881, 8.2.3"),
	NFS_TEST(test_write_unlinked, "RFC 8881, 18.25.4"),
	NFS_TEST(test_commit_directory, "RFC 8881, 18.3.3"),
	NFS_TEST(test_write_large, "RFC 8881, 18.32.3"),
};

NFS_TEST_MAIN(cases)
