// SPDX-License-Identifier: Apache-2.0
/* READ (RFC 8881, 18.22), one behaviour a test. */
#include "tests/mds/io_lab.h"

static FIBER_FN nfsstat4 read_one(struct data_file *f)
{
	struct READ4resok ok;

	return lab_read(f, 0, 1, &ok);
}

static FIBER_FN void do_types(struct store *s)
{
	lab_check_types(s, read_one);
}

static FIBER_FN void do_pseudo(struct store *s)
{
	struct nfs_argop4 arg = { .argop = OP_READ };

	lab.fh = (struct fh){ .kind = FH_PSEUDO, .ino = 3 };
	CHECK_EQ(lab_run(op_read, &arg), NFS4ERR_ISDIR);
}

static FIBER_FN void do_bytes(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;
	uint8_t want[5000];

	lab_fill(&f, 0, 10000, 0);
	CHECK_EQ(lab_read(&f, 123, 5000, &ok), NFS4_OK);
	CHECK_EQ(ok.data.data_len, 5000);
	CHECK(!ok.eof);
	lab_pattern(want, sizeof(want), 123);
	CHECK(!memcmp(ok.data.data_val, want, sizeof(want)));
	CHECK_EQ(lab.asked, STATE_READ);
}

/* Of who reads here it is known, and whether a device would have read that. */
static FIBER_FN void do_is_noted(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;

	lab_fill(&f, 0, 10000, 0);
	CHECK(!detour_is_on(&lab.mds, &lab.client));
	CHECK_EQ(lab_read(&f, 4096, 4096, &ok), NFS4_OK);
	CHECK(detour_is_on(&lab.mds, &lab.client) && !lab.client.detour_is_odd);
	CHECK_EQ(lab_read(&f, 123, 4096, &ok), NFS4_OK);
	CHECK(lab.client.detour_is_odd);
	CHECK_EQ(lab_read(&f, 8192, 4096, &ok), NFS4_OK);
	CHECK(ok.eof && !lab.client.detour_is_odd);
	CHECK_EQ(lab.client.nr_reads, 3);
}

/* Nothing but data and padding comes, and the padding is zeros. */
static FIBER_FN void do_padding(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;

	lab_fill(&f, 0, 100, 0);
	memset(lab.reply, 0xff, 200);
	CHECK_EQ(lab_read(&f, 0, 5, &ok), NFS4_OK);
	CHECK_EQ(ok.data.data_len, 5);
	CHECK(!memcmp(ok.data.data_val + 5, "\0\0\0", 3));
	CHECK_EQ((uint8_t)ok.data.data_val[8], 0xff);
}

/* offset + count is the size: eof. */
static FIBER_FN void do_eof_exactly(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;

	lab_fill(&f, 0, 1000, 0);
	CHECK_EQ(lab_read(&f, 900, 100, &ok), NFS4_OK);
	CHECK_EQ(ok.data.data_len, 100);
	CHECK(ok.eof);
}

static FIBER_FN void do_eof_not_yet(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;

	lab_fill(&f, 0, 1000, 0);
	CHECK_EQ(lab_read(&f, 900, 99, &ok), NFS4_OK);
	CHECK_EQ(ok.data.data_len, 99);
	CHECK(!ok.eof);
}

static FIBER_FN void do_eof_across(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;

	lab_fill(&f, 0, 1000, 0);
	CHECK_EQ(lab_read(&f, 900, 5000, &ok), NFS4_OK);
	CHECK_EQ(ok.data.data_len, 100);
	CHECK(ok.eof);
}

/* At and behind the size: no data, and no error. */
static FIBER_FN void do_beyond(struct store *s)
{
	static const uint64_t offs[] = { 1000, 1001, 5000, INODE_SIZE_MAX, INODE_SIZE_MAX + 1, UINT64_MAX };
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;

	lab_fill(&f, 0, 1000, 0);
	for (size_t i = 0; i < ARRAY_SIZE(offs); i++) {
		CHECK_EQ(lab_read(&f, offs[i], UINT32_MAX, &ok), NFS4_OK);
		CHECK_EQ(ok.data.data_len, 0);
		CHECK(ok.eof);
	}
}

static FIBER_FN void do_count_0(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;

	lab_fill(&f, 0, 1000, 0);
	CHECK_EQ(lab_read(&f, 10, 0, &ok), NFS4_OK);
	CHECK_EQ(ok.data.data_len, 0);
	CHECK(!ok.eof);
	CHECK_EQ(lab_read(&f, 1000, 0, &ok), NFS4_OK);
	CHECK(ok.eof);
	/* "Again subject to access permissions checking." */
	lab.io_status = NFS4ERR_OPENMODE;
	CHECK_EQ(lab_read(&f, 10, 0, &ok), NFS4ERR_OPENMODE);
}

static FIBER_FN void do_empty_file(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;

	CHECK_EQ(lab_read(&f, 0, 100, &ok), NFS4_OK);
	CHECK_EQ(ok.data.data_len, 0);
	CHECK(ok.eof);
}

static FIBER_FN void do_hole(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;

	data_file_truncate(&f, 100000);
	CHECK_EQ(lab_read(&f, 10, 50000, &ok), NFS4_OK);
	CHECK_EQ(ok.data.data_len, 50000);
	CHECK(data_file_is_zero(ok.data.data_val, 50000));
}

/* As much as the session's reply holds, and no eof. */
static FIBER_FN void do_reply_is_small(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;

	lab_fill(&f, 0, 10000, 0);
	lab.reply_max = 1000;
	CHECK_EQ(lab_read(&f, 0, 5000, &ok), NFS4_OK);
	CHECK(ok.data.data_len > 900 && ok.data.data_len < 1000);
	CHECK(!ok.eof);
	/* The whole file asked for: what is left out is not the end either. */
	CHECK_EQ(lab_read(&f, 0, 10000, &ok), NFS4_OK);
	CHECK(!ok.eof);
	lab.reply_max = 28;
	CHECK_EQ(lab_read(&f, 0, 5000, &ok), NFS4ERR_REP_TOO_BIG);
}

static FIBER_FN void do_largest(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct READ4resok ok;
	uint8_t *want = malloc(4 * MIB);

	CHECK(want);
	lab_pattern(want, 4 * MIB, 0);
	lab_fill(&f, 0, 5 * MIB, 0);
	CHECK_EQ(lab_read(&f, 0, UINT32_MAX, &ok), NFS4_OK);
	CHECK_EQ(ok.data.data_len, NFS4_DATA_MAX);
	CHECK(!memcmp(want, ok.data.data_val, 4 * MIB));
	CHECK(!ok.eof);
	free(want);
}

/* RFC 8881, 8.2.5 and 15.1: what the stateid's check says comes first. */
static FIBER_FN void do_stateid(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab.io_status = NFS4ERR_BAD_STATEID;
	CHECK_EQ(read_one(&f), NFS4ERR_BAD_STATEID);
	lab.io_status = NFS4ERR_LOCKED;
	CHECK_EQ(read_one(&f), NFS4ERR_LOCKED);
}

static FIBER_FN void do_mode_denies(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_chmod(&f, 0600, 0);
	lab.cred = (struct cred){ .uid = LAB_USER, .gid = LAB_USER };
	lab.owner_may = false;
	CHECK_EQ(read_one(&f), NFS4ERR_ACCESS);
	lab_chmod(&f, 0604, 0);
	CHECK_EQ(read_one(&f), NFS4_OK);
}

/* An open that lets it pass is asked once. */
static FIBER_FN void do_open_overrides_mode(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_chmod(&f, 0, 0);
	lab.cred = (struct cred){ .uid = LAB_USER, .gid = LAB_USER };
	CHECK_EQ(read_one(&f), NFS4_OK);
}

static FIBER_FN void do_owner_overrides_mode(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_chmod(&f, 0, LAB_USER);
	lab.cred = (struct cred){ .uid = LAB_USER, .gid = LAB_USER };
	lab.owner_may = false;
	CHECK_EQ(read_one(&f), NFS4_OK);
}

/* Who may execute reads what he executes. */
static FIBER_FN void do_execute_is_read(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_chmod(&f, 0711, 0);
	lab.cred = (struct cred){ .uid = LAB_USER, .gid = LAB_USER };
	lab.owner_may = false;
	CHECK_EQ(read_one(&f), NFS4_OK);
}

/* The access time: set by the first read after a change, kept by the next; never a reason for clients to look again.
 */
static FIBER_FN void do_access_time(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct inode before, after;

	lab_fill(&f, 0, 100, 0);
	fiber_sleep_ns(NSEC_PER_SEC);
	before = data_file_inode(&f);
	CHECK_EQ(read_one(&f), NFS4_OK);
	after = data_file_inode(&f);
	CHECK(after.atime.sec > before.atime.sec);
	CHECK_EQ(after.change, before.change);
	CHECK_EQ(after.ctime.sec, before.ctime.sec);
	CHECK_EQ(lab.waits, 0);
	fiber_sleep_ns(10 * NSEC_PER_SEC);
	before = after;
	CHECK_EQ(read_one(&f), NFS4_OK);
	after = data_file_inode(&f);
	CHECK_EQ(after.atime.sec, before.atime.sec);
	fiber_sleep_ns(25 * 3600 * NSEC_PER_SEC);
	CHECK_EQ(read_one(&f), NFS4_OK);
	CHECK(data_file_inode(&f).atime.sec > before.atime.sec);
}

static FIBER_FN void do_access_time_read_only(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct inode before;

	lab_fill(&f, 0, 100, 0);
	fiber_sleep_ns(NSEC_PER_SEC);
	before = data_file_inode(&f);
	lab.may_change = NFS4ERR_ROFS;
	CHECK_EQ(read_one(&f), NFS4_OK);
	CHECK_EQ(data_file_inode(&f).atime.sec, before.atime.sec);
}

/* A time of change in the future doesn't make every read a change. */
static FIBER_FN void do_access_time_and_the_future(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct inode_attrs attrs = { .mask = INODE_SET_MTIME };
	struct inode inode;
	uint64_t seq;

	lab_fill(&f, 0, 100, 0);
	attrs.mtime.sec = data_file_inode(&f).mtime.sec + 1000000;
	CHECK_EQ(data_setattr(s->fs, f.ino, f.generation, &attrs, NULL, &inode, &seq), 0);
	CHECK_EQ(read_one(&f), NFS4_OK);
	fiber_sleep_ns(NSEC_PER_SEC);
	inode = data_file_inode(&f);
	CHECK_EQ(read_one(&f), NFS4_OK);
	CHECK_EQ(data_file_inode(&f).atime.sec, inode.atime.sec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(do_types),
		LAB_TEST(do_pseudo),
		LAB_TEST(do_bytes),
		LAB_TEST(do_is_noted),
		LAB_TEST(do_padding),
		LAB_TEST(do_eof_exactly),
		LAB_TEST(do_eof_not_yet),
		LAB_TEST(do_eof_across),
		LAB_TEST(do_beyond),
		LAB_TEST(do_count_0),
		LAB_TEST(do_empty_file),
		LAB_TEST(do_hole),
		LAB_TEST(do_reply_is_small),
		LAB_TEST(do_largest),
		LAB_TEST(do_stateid),
		LAB_TEST(do_mode_denies),
		LAB_TEST(do_open_overrides_mode),
		LAB_TEST(do_owner_overrides_mode),
		LAB_TEST(do_execute_is_read),
		LAB_TEST(do_access_time),
		LAB_TEST(do_access_time_read_only),
		LAB_TEST(do_access_time_and_the_future),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
