// SPDX-License-Identifier: Apache-2.0
/* CLONE (RFC 7862, 15.13), one behaviour a test. */
#include "tests/mds/io_lab.h"

static FIBER_FN nfsstat4 clone_range(struct data_file *src, uint64_t src_off, struct data_file *dst, uint64_t dst_off,
				     uint64_t len)
{
	struct nfs_argop4 arg = { .argop = OP_CLONE };

	arg.nfs_argop4_u.opclone =
		(CLONE4args){ .cl_src_offset = src_off, .cl_dst_offset = dst_off, .cl_count = len };
	lab.saved_fh = lab_fh(src);
	lab.fh = lab_fh(dst);
	return lab_run(op_clone, &arg);
}

static struct data_file other;

static FIBER_FN nfsstat4 clone_to(struct data_file *f)
{
	return clone_range(&other, 0, f, 0, BLK);
}

static FIBER_FN nfsstat4 clone_from(struct data_file *f)
{
	return clone_range(f, 0, &other, 0, BLK);
}

static FIBER_FN void do_types(struct store *s)
{
	other = data_file_new(s, "other");
	lab_fill(&other, 0, BLK, 0);
	lab_check_types(s, clone_to);
	data_file_unlink(s, "gone");
	lab_check_types(s, clone_from);
}

static FIBER_FN void do_shares(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct fs_stats before, after;
	struct inode inode;

	lab_fill(&f, 0, 64 * BLK, 0);
	data_file_sync(&f);
	inode = data_file_inode(&g);
	fs_stats(s->fs, &before);
	CHECK_EQ(clone_range(&f, 0, &g, 0, 64 * BLK), NFS4_OK);
	CHECK(lab.recorded);
	CHECK(lab.waits > 0);
	fs_stats(s->fs, &after);
	CHECK_EQ(before.free_blocks, after.free_blocks);
	CHECK_EQ(data_file_size(&g), 64 * BLK);
	CHECK(data_file_inode(&g).change > inode.change);
	lab_expect(&g, 0, 64 * BLK, 0);
}

/* Whoever writes first writes for himself. */
static FIBER_FN void do_independent(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 4 * BLK, 0);
	CHECK_EQ(clone_range(&f, 0, &g, 0, 4 * BLK), NFS4_OK);
	lab_fill(&f, BLK + 1, 10, 777);
	lab_fill(&g, 3 * BLK, BLK, 888);
	lab_expect(&f, 0, BLK + 1, 0);
	lab_expect(&f, BLK + 1, 10, 777);
	lab_expect(&f, BLK + 11, 3 * BLK - 11, BLK + 11);
	lab_expect(&g, 0, 3 * BLK, 0);
	lab_expect(&g, 3 * BLK, BLK, 888);
}

/* cl_count 0: up to the end of the source, also within a block. */
static FIBER_FN void do_to_the_end(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 2 * BLK + 100, 0);
	CHECK_EQ(clone_range(&f, BLK, &g, 0, 0), NFS4_OK);
	CHECK_EQ(data_file_size(&g), BLK + 100);
	lab_expect(&g, 0, BLK + 100, BLK);
}

static FIBER_FN void do_nothing(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct inode before = data_file_inode(&g);

	CHECK_EQ(clone_range(&f, 0, &g, 0, 0), NFS4_OK);
	lab_fill(&f, 0, BLK, 0);
	CHECK_EQ(clone_range(&f, BLK, &g, 0, 0), NFS4_OK);
	CHECK_EQ(data_file_inode(&g).change, before.change);
}

/* Offsets must be multiples of clone_blksize, and the length too, unless it ends with the source. */
static FIBER_FN void do_alignment(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 4 * BLK, 0);
	lab_fill(&g, 0, 4 * BLK, 99);
	CHECK_EQ(clone_range(&f, 1, &g, 0, BLK), NFS4ERR_INVAL);
	CHECK_EQ(clone_range(&f, 512, &g, 512, BLK), NFS4ERR_INVAL);
	CHECK_EQ(clone_range(&f, 0, &g, 512, BLK), NFS4ERR_INVAL);
	CHECK_EQ(clone_range(&f, 0, &g, 0, BLK + 512), NFS4ERR_INVAL);
	lab_expect(&g, 0, 4 * BLK, 99);
}

/* The rest of the destination's block would be lost. */
static FIBER_FN void do_end_within_the_destination(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 100, 0);
	lab_fill(&g, 0, 4 * BLK, 99);
	CHECK_EQ(clone_range(&f, 0, &g, 0, 100), NFS4ERR_INVAL);
	lab_expect(&g, 0, 4 * BLK, 99);
}

static FIBER_FN void do_beyond_the_source(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 2 * BLK, 0);
	CHECK_EQ(clone_range(&f, 0, &g, 0, 3 * BLK), NFS4ERR_INVAL);
	CHECK_EQ(clone_range(&f, 3 * BLK, &g, 0, 0), NFS4ERR_INVAL);
	CHECK_EQ(clone_range(&f, BLK, &g, 0, UINT64_MAX - 1), NFS4ERR_INVAL);
	CHECK_EQ(data_file_size(&g), 0);
}

static FIBER_FN void do_destination_too_far(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 2 * BLK, 0);
	CHECK_EQ(clone_range(&f, 0, &g, round_down_u64(UINT64_MAX, BLK), 2 * BLK), NFS4ERR_INVAL);
	CHECK_EQ(clone_range(&f, 0, &g, round_down_u64(INODE_SIZE_MAX, BLK), 2 * BLK), NFS4ERR_FBIG);
}

static FIBER_FN void do_within_one_file(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_fill(&f, 0, 4 * BLK, 0);
	CHECK_EQ(clone_range(&f, 0, &f, 2 * BLK, 2 * BLK), NFS4_OK);
	lab_expect(&f, 0, 2 * BLK, 0);
	lab_expect(&f, 2 * BLK, 2 * BLK, 0);
}

/* "If the SAVED_FH and the CURRENT_FH refer to the same file and the ranges overlap: NFS4ERR_INVAL." */
static FIBER_FN void do_overlap(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_fill(&f, 0, 4 * BLK, 0);
	CHECK_EQ(clone_range(&f, 0, &f, BLK, 2 * BLK), NFS4ERR_INVAL);
	CHECK_EQ(clone_range(&f, BLK, &f, 0, 2 * BLK), NFS4ERR_INVAL);
	CHECK_EQ(clone_range(&f, 0, &f, 0, 4 * BLK), NFS4ERR_INVAL);
	lab_expect(&f, 0, 4 * BLK, 0);
}

/* Into the middle of a longer file: what lies around it stays. */
static FIBER_FN void do_middle(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 8 * BLK, 0);
	lab_fill(&g, 0, 8 * BLK, 99);
	CHECK_EQ(clone_range(&f, 5 * BLK, &g, 2 * BLK, 2 * BLK), NFS4_OK);
	lab_expect(&g, 0, 2 * BLK, 99);
	lab_expect(&g, 2 * BLK, 2 * BLK, 5 * BLK);
	lab_expect(&g, 4 * BLK, 4 * BLK, 99 + 4 * BLK);
}

static FIBER_FN void do_read_only(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, BLK, 0);
	lab.may_change = NFS4ERR_ROFS;
	CHECK_EQ(clone_range(&f, 0, &g, 0, BLK), NFS4ERR_ROFS);
}

static FIBER_FN void do_stateids(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, BLK, 0);
	lab.io_status = NFS4ERR_OPENMODE;
	CHECK_EQ(clone_range(&f, 0, &g, 0, BLK), NFS4ERR_OPENMODE);
	CHECK_EQ(lab.asked, STATE_READ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(do_types),
		LAB_TEST(do_shares),
		LAB_TEST(do_independent),
		LAB_TEST(do_to_the_end),
		LAB_TEST(do_nothing),
		LAB_TEST(do_alignment),
		LAB_TEST(do_end_within_the_destination),
		LAB_TEST(do_beyond_the_source),
		LAB_TEST(do_destination_too_far),
		LAB_TEST(do_within_one_file),
		LAB_TEST(do_overlap),
		LAB_TEST(do_middle),
		LAB_TEST(do_read_only),
		LAB_TEST(do_stateids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
