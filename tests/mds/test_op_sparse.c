// SPDX-License-Identifier: Apache-2.0
/* ALLOCATE, DEALLOCATE, READ_PLUS, SEEK (RFC 7862, 15.1, 15.4, 15.10, 15.11), one behaviour a test. */
#include "tests/mds/io_lab.h"

static FIBER_FN nfsstat4 allocate(struct data_file *f, uint64_t off, uint64_t len)
{
	struct nfs_argop4 arg = { .argop = OP_ALLOCATE };

	arg.nfs_argop4_u.opallocate = (ALLOCATE4args){ .aa_offset = off, .aa_length = len };
	lab.fh = lab_fh(f);
	return lab_run(op_allocate, &arg);
}

static FIBER_FN nfsstat4 deallocate(struct data_file *f, uint64_t off, uint64_t len)
{
	struct nfs_argop4 arg = { .argop = OP_DEALLOCATE };

	arg.nfs_argop4_u.opdeallocate = (DEALLOCATE4args){ .da_offset = off, .da_length = len };
	lab.fh = lab_fh(f);
	return lab_run(op_deallocate, &arg);
}

static FIBER_FN nfsstat4 seek(struct data_file *f, uint64_t off, uint32_t what, struct seek_res4 *ret)
{
	struct nfs_argop4 arg = { .argop = OP_SEEK };
	nfsstat4 status;

	arg.nfs_argop4_u.opseek = (SEEK4args){ .sa_offset = off, .sa_what = what };
	lab.fh = lab_fh(f);
	status = lab_run(op_seek, &arg);
	*ret = lab.res.nfs_resop4_u.opseek.SEEK4res_u.resok4;
	return status;
}

static FIBER_FN nfsstat4 read_plus(struct data_file *f, uint64_t off, uint32_t count, struct read_plus_res4 *ret)
{
	struct nfs_argop4 arg = { .argop = OP_READ_PLUS };
	nfsstat4 status;

	arg.nfs_argop4_u.opread_plus = (READ_PLUS4args){ .rpa_offset = off, .rpa_count = count };
	lab.fh = lab_fh(f);
	status = lab_run(op_read_plus, &arg);
	*ret = lab.res.nfs_resop4_u.opread_plus.READ_PLUS4res_u.rp_resok4;
	return status;
}

static void expect_hole(const struct read_plus_res4 *res, unsigned int i, uint64_t off, uint64_t len)
{
	const struct read_plus_content *piece = &res->rpr_contents.rpr_contents_val[i];

	CHECK(i < res->rpr_contents.rpr_contents_len);
	CHECK_EQ(piece->rpc_content, NFS4_CONTENT_HOLE);
	CHECK_EQ(piece->read_plus_content_u.rpc_hole.di_offset, off);
	CHECK_EQ(piece->read_plus_content_u.rpc_hole.di_length, len);
}

/* Data as lab_fill() with the same offsets. */
static void expect_data(const struct read_plus_res4 *res, unsigned int i, uint64_t off, uint32_t len)
{
	const struct read_plus_content *piece = &res->rpr_contents.rpr_contents_val[i];
	const struct data4 *data = &piece->read_plus_content_u.rpc_data;
	uint8_t *want = malloc(len);

	CHECK(want && i < res->rpr_contents.rpr_contents_len);
	CHECK_EQ(piece->rpc_content, NFS4_CONTENT_DATA);
	CHECK_EQ(data->d_offset, off);
	CHECK_EQ(data->d_data.d_data_len, len);
	lab_pattern(want, len, off);
	CHECK(!memcmp(data->d_data.d_data_val, want, len));
	free(want);
}

/* Blocks 2 and 3 of 8 have data. */
static FIBER_FN struct data_file sparse_file(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_fill(&f, 2 * BLK, 2 * BLK, 2 * BLK);
	data_file_truncate(&f, 8 * BLK);
	return f;
}

static FIBER_FN nfsstat4 seek_one(struct data_file *f)
{
	struct seek_res4 res;

	return seek(f, 0, NFS4_CONTENT_HOLE, &res);
}

static FIBER_FN nfsstat4 read_plus_one(struct data_file *f)
{
	struct read_plus_res4 res;

	return read_plus(f, 0, 1, &res);
}

static FIBER_FN nfsstat4 allocate_one(struct data_file *f)
{
	return allocate(f, 0, 1);
}

static FIBER_FN nfsstat4 deallocate_one(struct data_file *f)
{
	return deallocate(f, 0, 1);
}

static FIBER_FN void do_types(struct store *s)
{
	lab_check_types(s, seek_one);
	data_file_unlink(s, "gone");
	lab_check_types(s, read_plus_one);
	data_file_unlink(s, "gone");
	lab_check_types(s, allocate_one);
	data_file_unlink(s, "gone");
	lab_check_types(s, deallocate_one);
}

static FIBER_FN void do_rights(struct store *s)
{
	struct data_file f = sparse_file(s);

	CHECK_EQ(seek_one(&f), NFS4_OK);
	CHECK_EQ(lab.asked, STATE_READ);
	CHECK_EQ(read_plus_one(&f), NFS4_OK);
	CHECK_EQ(lab.asked, STATE_READ);
	CHECK_EQ(allocate_one(&f), NFS4_OK);
	CHECK_EQ(lab.asked, STATE_WRITE);
	CHECK_EQ(deallocate_one(&f), NFS4_OK);
	CHECK_EQ(lab.asked, STATE_WRITE);
	lab.may_change = NFS4ERR_ROFS;
	CHECK_EQ(allocate_one(&f), NFS4ERR_ROFS);
	CHECK_EQ(deallocate_one(&f), NFS4ERR_ROFS);
	CHECK_EQ(read_plus_one(&f), NFS4_OK);
}

static FIBER_FN void do_seek_data(struct store *s)
{
	struct data_file f = sparse_file(s);
	struct seek_res4 res;

	CHECK_EQ(seek(&f, 5, NFS4_CONTENT_DATA, &res), NFS4_OK);
	CHECK_EQ(res.sr_offset, 2 * BLK);
	CHECK(!res.sr_eof);
	CHECK_EQ(seek(&f, 2 * BLK + 5, NFS4_CONTENT_DATA, &res), NFS4_OK);
	CHECK_EQ(res.sr_offset, 2 * BLK + 5);
}

static FIBER_FN void do_seek_hole(struct store *s)
{
	struct data_file f = sparse_file(s);
	struct seek_res4 res;

	CHECK_EQ(seek(&f, 5, NFS4_CONTENT_HOLE, &res), NFS4_OK);
	CHECK_EQ(res.sr_offset, 5);
	CHECK(!res.sr_eof);
	CHECK_EQ(seek(&f, 3 * BLK, NFS4_CONTENT_HOLE, &res), NFS4_OK);
	CHECK_EQ(res.sr_offset, 4 * BLK);
	CHECK(!res.sr_eof);
}

/* "All files MUST have a virtual hole at the end of the file." */
static FIBER_FN void do_seek_hole_at_the_end(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct seek_res4 res;

	lab_fill(&f, 0, 5000, 0);
	CHECK_EQ(seek(&f, 0, NFS4_CONTENT_HOLE, &res), NFS4_OK);
	CHECK_EQ(res.sr_offset, 5000);
	CHECK(res.sr_eof);
}

/* "If the server cannot find a corresponding sa_what, then the status will still be NFS4_OK, but sr_eof TRUE." */
static FIBER_FN void do_seek_data_none(struct store *s)
{
	struct data_file f = sparse_file(s);
	struct seek_res4 res;

	CHECK_EQ(seek(&f, 4 * BLK, NFS4_CONTENT_DATA, &res), NFS4_OK);
	CHECK(res.sr_eof);
}

static FIBER_FN void do_seek_beyond(struct store *s)
{
	static const uint64_t offs[] = { 8 * BLK, 8 * BLK + 1, INODE_SIZE_MAX + 1, UINT64_MAX };
	struct data_file f = sparse_file(s);
	struct seek_res4 res;

	for (size_t i = 0; i < ARRAY_SIZE(offs); i++) {
		CHECK_EQ(seek(&f, offs[i], NFS4_CONTENT_DATA, &res), NFS4ERR_NXIO);
		CHECK_EQ(seek(&f, offs[i], NFS4_CONTENT_HOLE, &res), NFS4ERR_NXIO);
	}
}

static FIBER_FN void do_seek_unknown(struct store *s)
{
	struct data_file f = sparse_file(s);
	struct seek_res4 res;

	CHECK_EQ(seek(&f, 0, 2, &res), NFS4ERR_UNION_NOTSUPP);
}

/* Space that was only reserved is a hole. */
static FIBER_FN void do_seek_allocated(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct seek_res4 res;

	CHECK_EQ(allocate(&f, 0, 4 * BLK), NFS4_OK);
	CHECK_EQ(seek(&f, 0, NFS4_CONTENT_HOLE, &res), NFS4_OK);
	CHECK_EQ(res.sr_offset, 0);
	CHECK_EQ(seek(&f, 0, NFS4_CONTENT_DATA, &res), NFS4_OK);
	CHECK(res.sr_eof);
}

static FIBER_FN void do_allocate_grows(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	uint8_t buf[100];
	struct inode before = data_file_inode(&f);

	CHECK_EQ(allocate(&f, 5000, 100), NFS4_OK);
	CHECK(lab.recorded);
	CHECK(lab.waits > 0);
	CHECK_EQ(data_file_size(&f), 5100);
	CHECK_EQ(data_file_read(&f, 5000, buf, 100), 100);
	CHECK(data_file_is_zero(buf, 100));
	CHECK(data_file_inode(&f).blocks > 0);
	CHECK(data_file_inode(&f).change > before.change);
}

static FIBER_FN void do_allocate_keeps(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_fill(&f, 0, 3 * BLK, 0);
	CHECK_EQ(allocate(&f, BLK, BLK), NFS4_OK);
	CHECK_EQ(data_file_size(&f), 3 * BLK);
	lab_expect(&f, 0, 3 * BLK, 0);
}

static FIBER_FN void do_allocate_too_much(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct inode before = data_file_inode(&f);

	CHECK_EQ(allocate(&f, 0, 1ull << 40), NFS4ERR_NOSPC);
	CHECK_EQ(data_file_size(&f), 0);
	CHECK_EQ(data_file_inode(&f).blocks, before.blocks);
}

static FIBER_FN void do_allocate_bad_range(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	CHECK_EQ(allocate(&f, 0, 0), NFS4ERR_INVAL);
	CHECK_EQ(allocate(&f, UINT64_MAX, 1), NFS4ERR_INVAL);
	CHECK_EQ(allocate(&f, INODE_SIZE_MAX, 1), NFS4ERR_FBIG);
}

static FIBER_FN void do_deallocate_zeroes(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	uint8_t buf[2 * BLK];
	struct inode before;

	lab_fill(&f, 0, 4 * BLK, 0);
	before = data_file_inode(&f);
	CHECK_EQ(deallocate(&f, 100, 2 * BLK), NFS4_OK);
	CHECK(lab.recorded);
	CHECK_EQ(data_file_size(&f), 4 * BLK);
	lab_expect(&f, 0, 100, 0);
	lab_expect(&f, 2 * BLK + 100, 2 * BLK - 100, 2 * BLK + 100);
	CHECK_EQ(data_file_read(&f, 100, buf, 2 * BLK), 2 * BLK);
	CHECK(data_file_is_zero(buf, 2 * BLK));
	CHECK(data_file_inode(&f).blocks < before.blocks);
	CHECK(data_file_inode(&f).change > before.change);
}

/* The range may go beyond the end, and beyond all that can be; the size stays (15.4.3). */
static FIBER_FN void do_deallocate_beyond(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_fill(&f, 0, 4 * BLK, 0);
	CHECK_EQ(deallocate(&f, 2 * BLK, INODE_SIZE_MAX), NFS4_OK);
	CHECK_EQ(data_file_size(&f), 4 * BLK);
	lab_expect(&f, 0, 2 * BLK, 0);
	CHECK_EQ(deallocate(&f, 100 * BLK, BLK), NFS4_OK);
	CHECK_EQ(deallocate(&f, UINT64_MAX - 1, 1), NFS4_OK);
	CHECK_EQ(data_file_size(&f), 4 * BLK);
}

static FIBER_FN void do_deallocate_bad_range(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	CHECK_EQ(deallocate(&f, 0, 0), NFS4ERR_INVAL);
	CHECK_EQ(deallocate(&f, UINT64_MAX, 1), NFS4ERR_INVAL);
}

/* Changing contents takes set-user-ID away, as WRITE does. */
static FIBER_FN void do_set_user_id(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_fill(&f, 0, BLK, 0);
	lab.cred = (struct cred){ .uid = LAB_USER, .gid = LAB_USER };
	lab_chmod(&f, 04755, LAB_USER);
	CHECK_EQ(deallocate(&f, 0, 1), NFS4_OK);
	CHECK_EQ(data_file_inode(&f).mode & 07777, 0755);
}

static FIBER_FN void do_plus_data(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct read_plus_res4 res;

	lab_fill(&f, 0, 3 * BLK, 0);
	CHECK_EQ(read_plus(&f, 10, 5001, &res), NFS4_OK);
	CHECK_EQ(res.rpr_contents.rpr_contents_len, 1);
	expect_data(&res, 0, 10, 5001);
	CHECK(!res.rpr_eof);
}

static FIBER_FN void do_plus_hole(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct read_plus_res4 res;

	data_file_truncate(&f, 10ull << 40);
	CHECK_EQ(read_plus(&f, 10, 1u << 30, &res), NFS4_OK);
	CHECK_EQ(res.rpr_contents.rpr_contents_len, 1);
	expect_hole(&res, 0, 10, 1u << 30);
	CHECK(!res.rpr_eof);
}

/* In order, without gaps, and the end. */
static FIBER_FN void do_plus_mixed(struct store *s)
{
	struct data_file f = sparse_file(s);
	struct read_plus_res4 res;

	CHECK_EQ(read_plus(&f, 5, 1u << 20, &res), NFS4_OK);
	CHECK_EQ(res.rpr_contents.rpr_contents_len, 3);
	expect_hole(&res, 0, 5, 2 * BLK - 5);
	expect_data(&res, 1, 2 * BLK, 2 * BLK);
	expect_hole(&res, 2, 4 * BLK, 4 * BLK);
	CHECK(res.rpr_eof);
}

static void expect_zeros(const struct read_plus_res4 *res, uint64_t off, uint32_t len)
{
	const struct read_plus_content *piece = res->rpr_contents.rpr_contents_val;
	const struct data4 *data = &piece->read_plus_content_u.rpc_data;

	CHECK_EQ(res->rpr_contents.rpr_contents_len, 1);
	CHECK_EQ(piece->rpc_content, NFS4_CONTENT_DATA);
	CHECK_EQ(data->d_offset, off);
	CHECK_EQ(data->d_data.d_data_len, len);
	CHECK(data_file_is_zero(data->d_data.d_data_val, len));
}

/* A piece of a hole that is shorter than what says so on the wire, or hardly longer, is data. */
static FIBER_FN void do_plus_short_hole(struct store *s)
{
	static const uint32_t counts[] = { 1, 19, 100, BLK - 1 };
	struct data_file f = sparse_file(s);
	struct read_plus_res4 res;

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		CHECK_EQ(read_plus(&f, 5 * BLK - 7, counts[i], &res), NFS4_OK);
		expect_zeros(&res, 5 * BLK - 7, counts[i]);
		CHECK(!res.rpr_eof);
	}
	CHECK_EQ(read_plus(&f, 8 * BLK - 1, 1000, &res), NFS4_OK);
	expect_zeros(&res, 8 * BLK - 1, 1);
	CHECK(res.rpr_eof);
}

/* Before data it is one piece with that; behind it one more. */
static FIBER_FN void do_plus_short_hole_and_data(struct store *s)
{
	struct data_file f = sparse_file(s);
	struct read_plus_res4 res;
	const struct data4 *data;

	CHECK_EQ(read_plus(&f, 2 * BLK - 3, 2 * BLK + 3 + 5, &res), NFS4_OK);
	CHECK_EQ(res.rpr_contents.rpr_contents_len, 2);
	data = &res.rpr_contents.rpr_contents_val[0].read_plus_content_u.rpc_data;
	CHECK_EQ(data->d_offset, 2 * BLK - 3);
	CHECK_EQ(data->d_data.d_data_len, 2 * BLK + 3);
	CHECK(data_file_is_zero(data->d_data.d_data_val, 3));
	data = &res.rpr_contents.rpr_contents_val[1].read_plus_content_u.rpc_data;
	CHECK_EQ(res.rpr_contents.rpr_contents_val[1].rpc_content, NFS4_CONTENT_DATA);
	CHECK_EQ(data->d_offset, 4 * BLK);
	CHECK_EQ(data->d_data.d_data_len, 5);
}

/* Two pieces of data with a length that needs padding before the second. */
static FIBER_FN void do_plus_padding(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct read_plus_res4 res;

	lab_fill(&f, 0, BLK, 0);
	lab_fill(&f, 2 * BLK, 101, 2 * BLK);
	CHECK_EQ(read_plus(&f, 1, 1u << 20, &res), NFS4_OK);
	CHECK_EQ(res.rpr_contents.rpr_contents_len, 3);
	expect_data(&res, 0, 1, BLK - 1);
	expect_hole(&res, 1, BLK, BLK);
	expect_data(&res, 2, 2 * BLK, 101);
	CHECK(res.rpr_eof);
}

/* Blocks that were only reserved hold nothing. */
static FIBER_FN void do_plus_allocated(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct read_plus_res4 res;

	CHECK_EQ(allocate(&f, 0, 4 * BLK), NFS4_OK);
	CHECK_EQ(read_plus(&f, 0, 4 * BLK, &res), NFS4_OK);
	CHECK_EQ(res.rpr_contents.rpr_contents_len, 1);
	expect_hole(&res, 0, 0, 4 * BLK);
	CHECK(res.rpr_eof);
}

static FIBER_FN void do_plus_beyond(struct store *s)
{
	static const uint64_t offs[] = { 8 * BLK, 8 * BLK + 1, INODE_SIZE_MAX + 1, UINT64_MAX };
	struct data_file f = sparse_file(s);
	struct read_plus_res4 res;

	for (size_t i = 0; i < ARRAY_SIZE(offs); i++) {
		CHECK_EQ(read_plus(&f, offs[i], UINT32_MAX, &res), NFS4_OK);
		CHECK_EQ(res.rpr_contents.rpr_contents_len, 0);
		CHECK(res.rpr_eof);
	}
}

static FIBER_FN void do_plus_count_0(struct store *s)
{
	struct data_file f = sparse_file(s);
	struct read_plus_res4 res;

	CHECK_EQ(read_plus(&f, 0, 0, &res), NFS4_OK);
	CHECK_EQ(res.rpr_contents.rpr_contents_len, 0);
	CHECK(!res.rpr_eof);
}

/* A file torn to pieces: a bounded number of them, and the next asks on. */
static FIBER_FN void do_plus_many_pieces(struct store *s)
{
	struct data_file f = data_file_new(s, "f");
	struct read_plus_res4 res;
	uint64_t pos = 0;
	unsigned int answers = 0;

	for (uint64_t i = 0; i < 200; i++)
		lab_fill(&f, 2 * i * BLK, BLK, 2 * i * BLK);
	do {
		CHECK_EQ(read_plus(&f, pos, 4 * MIB, &res), NFS4_OK);
		CHECK(res.rpr_contents.rpr_contents_len > 0 && res.rpr_contents.rpr_contents_len <= 64);
		for (unsigned int i = 0; i < res.rpr_contents.rpr_contents_len; i++, pos += BLK)
			if (pos / BLK % 2 == 0)
				expect_data(&res, i, pos, BLK);
			else
				expect_hole(&res, i, pos, BLK);
		answers++;
	} while (!res.rpr_eof);
	CHECK_EQ(pos, 399 * BLK);
	CHECK(answers > 4 && answers < 10);
}

/* As much as the session's reply holds. */
static FIBER_FN void do_plus_reply_is_small(struct store *s)
{
	struct data_file f = sparse_file(s);
	struct read_plus_res4 res;

	for (uint32_t max = 12 + 16 + 20; max < 200; max++) {
		lab.reply_max = max;
		CHECK_EQ(read_plus(&f, 0, 8 * BLK, &res), NFS4_OK);
		expect_hole(&res, 0, 0, 2 * BLK);
		CHECK(!res.rpr_eof);
	}
	CHECK(res.rpr_contents.rpr_contents_len == 2);
	lab.reply_max = 40;
	CHECK_EQ(read_plus(&f, 0, 8 * BLK, &res), NFS4ERR_REP_TOO_BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(do_types),
		LAB_TEST(do_rights),
		LAB_TEST(do_seek_data),
		LAB_TEST(do_seek_hole),
		LAB_TEST(do_seek_hole_at_the_end),
		LAB_TEST(do_seek_data_none),
		LAB_TEST(do_seek_beyond),
		LAB_TEST(do_seek_unknown),
		LAB_TEST(do_seek_allocated),
		LAB_TEST(do_allocate_grows),
		LAB_TEST(do_allocate_keeps),
		LAB_TEST(do_allocate_too_much),
		LAB_TEST(do_allocate_bad_range),
		LAB_TEST(do_deallocate_zeroes),
		LAB_TEST(do_deallocate_beyond),
		LAB_TEST(do_deallocate_bad_range),
		LAB_TEST(do_set_user_id),
		LAB_TEST(do_plus_data),
		LAB_TEST(do_plus_hole),
		LAB_TEST(do_plus_mixed),
		LAB_TEST(do_plus_short_hole),
		LAB_TEST(do_plus_short_hole_and_data),
		LAB_TEST(do_plus_padding),
		LAB_TEST(do_plus_allocated),
		LAB_TEST(do_plus_beyond),
		LAB_TEST(do_plus_count_0),
		LAB_TEST(do_plus_many_pieces),
		LAB_TEST(do_plus_reply_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
