// SPDX-License-Identifier: Apache-2.0
/* WRITE, COMMIT (RFC 8881, 18.32, 18.3) and IO_ADVISE (RFC 7862, 15.5), one behaviour a test. */
#include "tests/mds/io_lab.h"

static FIBER_FN nfsstat4 write_one(struct data_file *f)
{
	struct WRITE4resok ok;

	return lab_write(f, 0, "x", 1, UNSTABLE4, &ok);
}

static FIBER_FN nfsstat4 write_none(struct data_file *f)
{
	struct WRITE4resok ok;

	return lab_write(f, 0, NULL, 0, UNSTABLE4, &ok);
}

static FIBER_FN nfsstat4 commit_range(struct data_file *f, uint64_t off, uint32_t count)
{
	struct nfs_argop4 arg = { .argop = OP_COMMIT };

	arg.nfs_argop4_u.opcommit = (COMMIT4args){ off, count };
	lab.fh = lab_fh(f);
	return lab_run(op_commit, &arg);
}

static FIBER_FN nfsstat4 commit_all(struct data_file *f)
{
	return commit_range(f, 0, 0);
}

static FIBER_FN void do_types(struct store *s)
{
	lab_check_types(s, write_one);
}

static FIBER_FN void do_types_of_nothing(struct store *s)
{
	lab_check_types(s, write_none);
}

static FIBER_FN void do_bytes(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct WRITE4resok ok;
	uint8_t buf[5000];

	lab_pattern(buf, sizeof(buf), 77);
	CHECK_EQ(lab_write(&f, 77, buf, sizeof(buf), UNSTABLE4, &ok), NFS4_OK);
	CHECK_EQ(ok.count, sizeof(buf));
	CHECK_EQ(lab.asked, STATE_WRITE);
	CHECK_EQ(data_file_size(&f), 77 + sizeof(buf));
	lab_expect(&f, 77, sizeof(buf), 77);
}

/* Of who writes here it is known, and whether a device would have taken that. */
static FIBER_FN void do_is_noted(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct WRITE4resok ok;
	uint8_t buf[5000] = { 0 };

	lab.io_status = NFS4ERR_OPENMODE;
	CHECK_EQ(lab_write(&f, 0, buf, 4096, UNSTABLE4, &ok), NFS4ERR_OPENMODE);
	CHECK(!detour_is_on(&lab.mds, &lab.client));
	lab.io_status = NFS4_OK;
	CHECK_EQ(lab_write(&f, 0, buf, 5000, UNSTABLE4, &ok), NFS4_OK);
	CHECK(detour_is_on(&lab.mds, &lab.client) && !lab.client.detour_is_odd);
	CHECK_EQ(lab_write(&f, 0, buf, 1000, UNSTABLE4, &ok), NFS4_OK);
	CHECK(lab.client.detour_is_odd);
	CHECK_EQ(lab_write(&f, 0, buf, 4096, UNSTABLE4, &ok), NFS4_OK);
	CHECK(!lab.client.detour_is_odd);
	CHECK_EQ(lab.client.nr_writes, 3);
}

static FIBER_FN void do_neighbours_stay(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct WRITE4resok ok;

	lab_fill(&f, 0, 3 * BLK, 0);
	CHECK_EQ(lab_write(&f, BLK + 5, "xyz", 3, FILE_SYNC4, &ok), NFS4_OK);
	lab_expect(&f, 0, BLK + 5, 0);
	lab_expect(&f, BLK + 8, 2 * BLK - 8, BLK + 8);
	CHECK_EQ(data_file_size(&f), 3 * BLK);
}

/* What lies between the old end and the write reads as zeros. */
static FIBER_FN void do_gap(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct WRITE4resok ok;
	uint8_t buf[1000];

	lab_fill(&f, 0, 10, 0);
	CHECK_EQ(lab_write(&f, 1000, "xyz", 3, UNSTABLE4, &ok), NFS4_OK);
	CHECK_EQ(data_file_read(&f, 10, buf, 990), 990);
	CHECK(data_file_is_zero(buf, 990));
}

/* 18.32.3: never less than was asked for, with the server's verifier. */
static FIBER_FN void do_levels(struct store *s)
{
	static const stable_how4 levels[] = { UNSTABLE4, DATA_SYNC4, FILE_SYNC4 };
	struct data_file f = data_file_new(s, "f");
	struct WRITE4resok ok;

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		CHECK_EQ(lab_write(&f, 0, "x", 1, levels[i], &ok), NFS4_OK);
		CHECK(ok.committed >= levels[i]);
		CHECK(!memcmp(ok.writeverf, "verifier", 8));
	}
}

static FIBER_FN void do_no_such_level(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct WRITE4resok ok;

	CHECK_EQ(lab_write(&f, 0, "x", 1, 3, &ok), NFS4ERR_BADXDR);
	CHECK_EQ(data_file_size(&f), 0);
}

/* FILE_SYNC4 survives a power cut once the reply has waited; so does UNSTABLE4 after COMMIT. */
static FIBER_FN void do_durable(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct data_file g = data_file_new(s, "g");
	struct WRITE4resok ok;

	lab_fill(&f, 0, BLK, 5);
	lab_fill(&g, 0, BLK, 5);
	CHECK_EQ(lab_write(&f, 0, "file_sync", 9, FILE_SYNC4, &ok), NFS4_OK);
	CHECK(lab.waits > 0);
	CHECK_EQ(txn_wait_durable(s->fs, lab.waits), 0);
	CHECK_EQ(lab_write(&g, 0, "unstable", 8, UNSTABLE4, &ok), NFS4_OK);
	CHECK_EQ(txn_wait_durable(s->fs, lab.waits), 0);
	CHECK_EQ(commit_all(&g), NFS4_OK);
	for (uint64_t seed = 1; seed <= 3; seed++) {
		char buf[9];

		store_power_cut(s, seed);
		CHECK_EQ(store_mount(s), 0);
		lab.mds.fs = s->fs;
		CHECK_EQ(data_file_read(&f, 0, buf, 9), 9);
		CHECK(!memcmp(buf, "file_sync", 9));
		CHECK_EQ(data_file_read(&g, 0, buf, 8), 8);
		CHECK(!memcmp(buf, "unstable", 8));
	}
}

/* The result goes with the change, so that a repeated request finds it (I6). */
static FIBER_FN void do_recorded(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	CHECK_EQ(write_one(&f), NFS4_OK);
	CHECK(lab.recorded);
}

static FIBER_FN void do_nothing(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct WRITE4resok ok;
	struct inode before;

	lab_fill(&f, 0, 10, 0);
	before = data_file_inode(&f);
	CHECK_EQ(lab_write(&f, 100, NULL, 0, FILE_SYNC4, &ok), NFS4_OK);
	CHECK_EQ(ok.count, 0);
	CHECK(!memcmp(ok.writeverf, "verifier", 8));
	CHECK_EQ(data_file_size(&f), 10);
	CHECK_EQ(data_file_inode(&f).change, before.change);
	lab.io_status = NFS4ERR_OPENMODE;
	CHECK_EQ(lab_write(&f, 100, NULL, 0, FILE_SYNC4, &ok), NFS4ERR_OPENMODE);
}

static FIBER_FN void do_change_and_times(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct inode before, after;

	lab_fill(&f, 0, 10, 0);
	before = data_file_inode(&f);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK_EQ(write_one(&f), NFS4_OK);
	after = data_file_inode(&f);
	CHECK(after.change > before.change);
	CHECK(after.mtime.sec > before.mtime.sec);
	CHECK(after.ctime.sec > before.ctime.sec);
}

static FIBER_FN void do_too_far(struct store *s)
{
	static const uint64_t offs[] = { INODE_SIZE_MAX, INODE_SIZE_MAX - 1, UINT64_MAX, UINT64_MAX - 1 };
	struct data_file f = data_file_new(s, "f");
	struct WRITE4resok ok;

	for (size_t i = 0; i < ARRAY_SIZE(offs); i++)
		CHECK_EQ(lab_write(&f, offs[i], "xy", 2, UNSTABLE4, &ok), NFS4ERR_FBIG);
	CHECK_EQ(data_file_size(&f), 0);
}

static FIBER_FN void do_stateid(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab.io_status = NFS4ERR_OPENMODE;
	CHECK_EQ(write_one(&f), NFS4ERR_OPENMODE);
	CHECK_EQ(data_file_size(&f), 0);
}

static FIBER_FN void do_read_only_export(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab.may_change = NFS4ERR_ROFS;
	CHECK_EQ(write_one(&f), NFS4ERR_ROFS);
	CHECK_EQ(write_none(&f), NFS4ERR_ROFS);
	CHECK_EQ(commit_all(&f), NFS4ERR_ROFS);
}

/* Reading or executing is no right to write. */
static FIBER_FN void do_mode_denies(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_chmod(&f, 0755, 0);
	lab.cred = (struct cred){ .uid = LAB_USER, .gid = LAB_USER };
	lab.owner_may = false;
	CHECK_EQ(write_one(&f), NFS4ERR_ACCESS);
	lab_chmod(&f, 0602, 0);
	CHECK_EQ(write_one(&f), NFS4_OK);
	lab_chmod(&f, 0, LAB_USER);
	CHECK_EQ(write_one(&f), NFS4_OK);
}

/* POSIX write(2): set-user-ID goes, unless it is the superuser who writes. */
static FIBER_FN void do_set_user_id(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_chmod(&f, 04755, LAB_USER);
	CHECK_EQ(write_one(&f), NFS4_OK);
	CHECK_EQ(data_file_inode(&f).mode & 07777, 04755);
	lab.cred = (struct cred){ .uid = LAB_USER, .gid = LAB_USER };
	CHECK_EQ(write_none(&f), NFS4_OK);
	CHECK_EQ(data_file_inode(&f).mode & 07777, 04755);
	CHECK_EQ(write_one(&f), NFS4_OK);
	CHECK_EQ(data_file_inode(&f).mode & 07777, 0755);
}

/* Set-group-ID too, if the group may execute; else it means mandatory locks and stays. */
static FIBER_FN void do_set_group_id(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab.cred = (struct cred){ .uid = LAB_USER, .gid = LAB_USER };
	lab_chmod(&f, 02745, LAB_USER);
	CHECK_EQ(write_one(&f), NFS4_OK);
	CHECK_EQ(data_file_inode(&f).mode & 07777, 02745);
	lab_chmod(&f, 06755, LAB_USER);
	CHECK_EQ(write_one(&f), NFS4_OK);
	CHECK_EQ(data_file_inode(&f).mode & 07777, 0755);
}

static FIBER_FN void do_no_space(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct WRITE4resok ok;
	uint8_t *buf = calloc(1, 4 * MIB);
	nfsstat4 status = NFS4_OK;
	uint64_t off = 0;

	CHECK(buf);
	for (; status == NFS4_OK; off += 4 * MIB)
		status = lab_write(&f, off, buf, 4 * MIB, UNSTABLE4, &ok);
	CHECK_EQ(status, NFS4ERR_NOSPC);
	CHECK_EQ(data_file_size(&f), off - 4 * MIB);
	free(buf);
}

static FIBER_FN void do_commit(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	CHECK_EQ(write_one(&f), NFS4_OK);
	CHECK_EQ(commit_range(&f, 0, 1), NFS4_OK);
	CHECK(!memcmp(lab.res.nfs_resop4_u.opcommit.COMMIT4res_u.resok4.writeverf, "verifier", 8));
	CHECK(!lab.recorded);
	/* Beyond the end there is nothing to do. */
	CHECK_EQ(commit_range(&f, 1ull << 40, 1), NFS4_OK);
}

static FIBER_FN void do_commit_types(struct store *s)
{
	lab_check_types(s, commit_all);
}

static FIBER_FN void do_commit_wraps(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	CHECK_EQ(commit_range(&f, UINT64_MAX, 1), NFS4ERR_INVAL);
	CHECK_EQ(commit_range(&f, UINT64_MAX - 1, 1), NFS4_OK);
}

static FIBER_FN nfsstat4 advise(struct data_file *f)
{
	struct nfs_argop4 arg = { .argop = OP_IO_ADVISE };

	arg.nfs_argop4_u.opio_advise.iaa_hints = (struct bitmap4){ 1, { 1u << IO_ADVISE4_WILLNEED }, FALSE };
	lab.fh = lab_fh(f);
	return lab_run(op_io_advise, &arg);
}

/* RFC 7862, 15.5.3: the answer names the hints that are followed. */
static FIBER_FN void do_advise(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_check_types(s, advise);
	CHECK_EQ(advise(&f), NFS4_OK);
	CHECK_EQ(lab.res.nfs_resop4_u.opio_advise.IO_ADVISE4res_u.resok4.ior_hints.bitmap4_len, 0);
	lab.io_status = NFS4ERR_BAD_STATEID;
	CHECK_EQ(advise(&f), NFS4ERR_BAD_STATEID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(do_types),	   LAB_TEST(do_types_of_nothing), LAB_TEST(do_bytes),
		LAB_TEST(do_is_noted),	   LAB_TEST(do_neighbours_stay),  LAB_TEST(do_gap),
		LAB_TEST(do_levels),	   LAB_TEST(do_no_such_level),	  LAB_TEST(do_durable),
		LAB_TEST(do_recorded),	   LAB_TEST(do_nothing),	  LAB_TEST(do_change_and_times),
		LAB_TEST(do_too_far),	   LAB_TEST(do_stateid),	  LAB_TEST(do_read_only_export),
		LAB_TEST(do_mode_denies),  LAB_TEST(do_set_user_id),	  LAB_TEST(do_set_group_id),
		LAB_TEST(do_no_space),	   LAB_TEST(do_commit),		  LAB_TEST(do_commit_types),
		LAB_TEST(do_commit_wraps), LAB_TEST(do_advise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
