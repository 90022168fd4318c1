// SPDX-License-Identifier: Apache-2.0
/* COPY, OFFLOAD_STATUS, OFFLOAD_CANCEL (RFC 7862, 4, 15.2, 15.8, 15.9, 16.1), one behaviour a test. */
#include "mds/state_record.h"
#include "tests/mds/io_lab.h"

/* More than one synchronous COPY does where nothing can be shared. */
#define LONG_COPY (COPY_SYNC_MAX + 100u)

static FIBER_FN nfsstat4 copy_with(const COPY4args *args, struct data_file *src, struct data_file *dst,
				   struct COPY4resok *ret_ok)
{
	struct nfs_argop4 arg = { .argop = OP_COPY };
	nfsstat4 status;

	arg.nfs_argop4_u.opcopy = *args;
	lab.saved_fh = lab_fh(src);
	lab.fh = lab_fh(dst);
	status = lab_run(op_copy, &arg);
	*ret_ok = lab.res.nfs_resop4_u.opcopy.COPY4res_u.cr_resok4;
	return status;
}

/* Synchronous or not, as the server likes. */
static FIBER_FN nfsstat4 copy_any(struct data_file *src, uint64_t src_off, struct data_file *dst, uint64_t dst_off,
				  uint64_t len, struct COPY4resok *ret_ok)
{
	COPY4args args = {
		.ca_src_offset = src_off,
		.ca_dst_offset = dst_off,
		.ca_count = len,
		.ca_consecutive = TRUE,
	};

	return copy_with(&args, src, dst, ret_ok);
}

/* It is synchronous, and all of it is done. */
static FIBER_FN void copy_whole(struct data_file *src, uint64_t src_off, struct data_file *dst, uint64_t dst_off,
				uint64_t len)
{
	struct COPY4resok ok;

	CHECK_EQ(copy_any(src, src_off, dst, dst_off, len, &ok), NFS4_OK);
	CHECK_EQ(ok.cr_response.wr_callback_id.wr_callback_id_len, 0);
	CHECK_EQ(ok.cr_response.wr_count, len);
	CHECK(ok.cr_requirements.cr_synchronous);
	CHECK(ok.cr_requirements.cr_consecutive);
}

static FIBER_FN nfsstat4 copy_range(struct data_file *src, uint64_t src_off, struct data_file *dst, uint64_t dst_off,
				    uint64_t len)
{
	struct COPY4resok ok;

	return copy_any(src, src_off, dst, dst_off, len, &ok);
}

static struct data_file other;

static FIBER_FN nfsstat4 copy_to(struct data_file *f)
{
	return copy_range(&other, 0, f, 0, BLK);
}

static FIBER_FN nfsstat4 copy_from(struct data_file *f)
{
	return copy_range(f, 0, &other, 0, BLK);
}

static FIBER_FN void do_types(struct store *s)
{
	other = data_file_new(s, "other");
	lab_fill(&other, 0, BLK, 0);
	lab_check_types(s, copy_to);
	data_file_unlink(s, "gone");
	lab_check_types(s, copy_from);
}

/* Where blocks lie alike they are shared: no space is needed, however much it is. */
static FIBER_FN void do_shares(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct fs_stats before, after;

	lab_fill(&f, 0, 20 * MIB, 0);
	data_file_sync(&f);
	fs_stats(s->fs, &before);
	copy_whole(&f, 0, &g, 0, 20 * MIB);
	CHECK(lab.recorded);
	CHECK(lab.waits > 0);
	fs_stats(s->fs, &after);
	CHECK_EQ(before.free_blocks, after.free_blocks);
	lab_expect(&g, 0, 20 * MIB, 0);
}

/* 15.2.3: a copy, not a link: later writes to either are not seen in the other. */
static FIBER_FN void do_independent(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 4 * BLK, 0);
	copy_whole(&f, 0, &g, 0, 4 * BLK);
	lab_fill(&f, BLK, 10, 777);
	lab_fill(&g, 2 * BLK, 10, 888);
	lab_expect(&g, 0, 2 * BLK, 0);
	lab_expect(&f, 2 * BLK, 2 * BLK, 2 * BLK);
}

/* The parts of blocks before and behind those that are shared. */
static FIBER_FN void do_odd_ends(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 10 * BLK, 0);
	lab_fill(&g, 0, 30 * BLK, 99);
	copy_whole(&f, 100, &g, 20 * BLK + 100, 5 * BLK + 7);
	lab_expect(&g, 0, 20 * BLK + 100, 99);
	lab_expect(&g, 20 * BLK + 100, 5 * BLK + 7, 100);
	lab_expect(&g, 25 * BLK + 107, 4 * BLK, 99 + 25 * BLK + 107);
}

static FIBER_FN void do_odd_offsets(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 3 * MIB, 0);
	copy_whole(&f, 123, &g, 7, 2 * MIB + 5);
	lab_expect(&g, 7, 2 * MIB + 5, 123);
	CHECK_EQ(data_file_size(&g), 2 * MIB + 12);
}

static FIBER_FN void do_short_ranges(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 3 * BLK, 0);
	for (uint64_t off = BLK - 2; off <= BLK + 2; off++)
		for (uint64_t len = 1; len <= 4; len++) {
			copy_whole(&f, off, &g, off, len);
			lab_expect(&g, off, len, off);
		}
}

/* ca_count 0: all from the offset on. */
static FIBER_FN void do_to_the_end(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct COPY4resok ok;

	lab_fill(&f, 0, 2 * BLK + 100, 0);
	CHECK_EQ(copy_any(&f, BLK, &g, 0, 0, &ok), NFS4_OK);
	CHECK_EQ(ok.cr_response.wr_count, BLK + 100);
	lab_expect(&g, 0, BLK + 100, BLK);
	CHECK_EQ(data_file_size(&g), BLK + 100);
}

static FIBER_FN void do_nothing(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct COPY4resok ok;
	struct inode before = data_file_inode(&g);

	lab_fill(&f, 0, BLK, 0);
	CHECK_EQ(copy_any(&f, BLK, &g, 0, 0, &ok), NFS4_OK);
	CHECK_EQ(ok.cr_response.wr_count, 0);
	CHECK_EQ(data_file_inode(&g).change, before.change);
}

/* "If the source offset or the source offset plus count is greater than the size of the source file: NFS4ERR_INVAL"
 */
static FIBER_FN void do_beyond_the_source(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 2 * BLK, 0);
	CHECK_EQ(copy_range(&f, 0, &g, 0, 2 * BLK + 1), NFS4ERR_INVAL);
	CHECK_EQ(copy_range(&f, 2 * BLK + 1, &g, 0, 0), NFS4ERR_INVAL);
	CHECK_EQ(copy_range(&f, BLK, &g, 0, UINT64_MAX), NFS4ERR_INVAL);
	CHECK_EQ(data_file_size(&g), 0);
}

static FIBER_FN void do_destination_too_far(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, 2 * BLK, 0);
	CHECK_EQ(copy_range(&f, 0, &g, UINT64_MAX, 2), NFS4ERR_INVAL);
	CHECK_EQ(copy_range(&f, 0, &g, INODE_SIZE_MAX, 2), NFS4ERR_FBIG);
}

static FIBER_FN void expect_zeros(struct data_file *f, uint64_t off, uint64_t end)
{
	uint8_t *buf = malloc(MIB);

	CHECK(buf);
	for (uint64_t at = off; at < end; at += MIB) {
		uint32_t part = (uint32_t)min_u64(MIB, end - at);

		CHECK_EQ(data_file_read(f, at, buf, part), part);
		CHECK(data_file_is_zero(buf, part));
	}
	free(buf);
}

static FIBER_FN void do_within_one_file(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_fill(&f, 0, 4 * BLK, 0);
	copy_whole(&f, 0, &f, 2 * BLK, 2 * BLK);
	copy_whole(&f, 1, &f, 101, 100);
	lab_expect(&f, 2 * BLK, 2 * BLK, 0);
	lab_expect(&f, 101, 100, 1);
}

static FIBER_FN void do_overlap(struct store *s)
{
	struct data_file f = data_file_new(s, "f");

	lab_fill(&f, 0, 4 * BLK, 0);
	CHECK_EQ(copy_range(&f, 0, &f, 99, 100), NFS4ERR_INVAL);
	CHECK_EQ(copy_range(&f, 99, &f, 0, 100), NFS4ERR_INVAL);
	CHECK_EQ(copy_range(&f, 0, &f, 0, 4 * BLK), NFS4ERR_INVAL);
	lab_expect(&f, 0, 4 * BLK, 0);
}

/* As WRITE: the level that was reached, and the verifier that COMMIT has too. */
static FIBER_FN void do_verifier(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct COPY4resok ok;

	lab_fill(&f, 0, BLK, 0);
	CHECK_EQ(copy_any(&f, 0, &g, 0, BLK, &ok), NFS4_OK);
	CHECK(!memcmp(ok.cr_response.wr_writeverf, "verifier", 8));
}

static FIBER_FN void do_other_server(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	netloc4 where = { .nl_type = NL4_NAME };
	COPY4args args = { .ca_count = 1 };
	struct COPY4resok ok;

	lab_fill(&f, 0, BLK, 0);
	args.ca_source_server.ca_source_server_len = 1;
	args.ca_source_server.ca_source_server_val = &where;
	CHECK_EQ(copy_with(&args, &f, &g, &ok), NFS4ERR_NOTSUPP);
}

static FIBER_FN void do_read_only(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, BLK, 0);
	lab.may_change = NFS4ERR_ROFS;
	CHECK_EQ(copy_range(&f, 0, &g, 0, BLK), NFS4ERR_ROFS);
}

static FIBER_FN void do_set_user_id(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, BLK, 0);
	lab_chmod(&g, 04755, LAB_USER);
	lab.cred = (struct cred){ .uid = LAB_USER, .gid = LAB_USER };
	CHECK_EQ(copy_range(&f, 0, &g, 0, BLK), NFS4_OK);
	CHECK_EQ(data_file_inode(&g).mode & 07777, 0755);
}

/* No space: what was copied counts, and the client comes again. */
static FIBER_FN void do_no_space(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g"), h = data_file_new(s, "h");
	struct COPY4resok ok;
	struct fs_stats stats;
	struct inode inode;
	uint64_t seq;

	lab_fill(&f, 0, 8 * MIB, 0);
	fs_stats(s->fs, &stats);
	CHECK_EQ(data_allocate(s->fs, h.ino, h.generation, 0, (stats.free_blocks - 700) * BLK, NULL, &inode, &seq),
		 0);
	CHECK_EQ(copy_any(&f, 1, &g, 0, 8 * MIB - 1, &ok), NFS4_OK);
	CHECK(lab.recorded);
	CHECK(ok.cr_response.wr_count > 0 && ok.cr_response.wr_count < 8 * MIB - 1);
	CHECK_EQ(data_file_size(&g), ok.cr_response.wr_count);
	lab_expect(&g, 0, ok.cr_response.wr_count, 1);
	CHECK_EQ(copy_any(&f, 1 + ok.cr_response.wr_count, &g, ok.cr_response.wr_count, 4 * MIB, &ok), NFS4ERR_NOSPC);
}

/* The client wants it synchronous: it gets a first part. */
static FIBER_FN void do_must_be_synchronous(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	COPY4args args = { .ca_src_offset = 1, .ca_count = LONG_COPY, .ca_synchronous = TRUE };
	struct COPY4resok ok;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	CHECK_EQ(copy_with(&args, &f, &g, &ok), NFS4_OK);
	CHECK_EQ(ok.cr_response.wr_callback_id.wr_callback_id_len, 0);
	CHECK(ok.cr_requirements.cr_synchronous);
	CHECK_EQ(ok.cr_response.wr_count, COPY_SYNC_MAX);
	lab_expect(&g, 0, COPY_SYNC_MAX, 1);
}

/* So does who cannot be called back. */
static FIBER_FN void do_no_callbacks(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct COPY4resok ok;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	lab.has_path = false;
	CHECK_EQ(copy_any(&f, 1, &g, 0, LONG_COPY, &ok), NFS4_OK);
	CHECK_EQ(ok.cr_response.wr_callback_id.wr_callback_id_len, 0);
	CHECK_EQ(ok.cr_response.wr_count, COPY_SYNC_MAX);
}

/* Begin a long copy from f to g. */
static FIBER_FN struct stateid4 copy_begin(struct data_file *f, struct data_file *g)
{
	struct COPY4resok ok;

	CHECK_EQ(copy_any(f, 1, g, 0, LONG_COPY, &ok), NFS4_OK);
	CHECK_EQ(ok.cr_response.wr_callback_id.wr_callback_id_len, 1);
	CHECK_EQ(ok.cr_response.wr_count, 0);
	CHECK(!ok.cr_requirements.cr_synchronous);
	CHECK(lab.recorded);
	return ok.cr_response.wr_callback_id.wr_callback_id_val[0];
}

static FIBER_FN nfsstat4 copy_status(struct data_file *g, const struct stateid4 *stateid,
				     struct OFFLOAD_STATUS4resok *ret_ok)
{
	struct nfs_argop4 arg = { .argop = OP_OFFLOAD_STATUS };
	nfsstat4 status;

	arg.nfs_argop4_u.opoffload_status.osa_stateid = *stateid;
	lab.fh = lab_fh(g);
	status = lab_run(op_offload_status, &arg);
	*ret_ok = lab.res.nfs_resop4_u.opoffload_status.OFFLOAD_STATUS4res_u.osr_resok4;
	return status;
}

static FIBER_FN nfsstat4 copy_stop(struct data_file *g, const struct stateid4 *stateid)
{
	struct nfs_argop4 arg = { .argop = OP_OFFLOAD_CANCEL };

	arg.nfs_argop4_u.opoffload_cancel.oca_stateid = *stateid;
	lab.fh = lab_fh(g);
	return lab_run(op_offload_cancel, &arg);
}

/* Items of asynchronous copies. */
struct items {
	unsigned int nr;
};

static int count_body(struct txn *txn, void *arg)
{
	struct items *items = arg;
	struct key from = record_key(lab.client.id, RECORD_COPY, 0);
	struct key last = record_key(lab.client.id, RECORD_COPY, KEY_LOW_MAX);
	struct item item;
	int err;

	items->nr = 0;
	while (!(err = txn_next(txn, from, last, &item))) {
		items->nr++;
		from = key_next(item.key);
	}
	return err == -ENOENT ? 0 : err;
}

static FIBER_FN unsigned int nr_items(struct store *s)
{
	struct items items;

	CHECK_EQ(txn_read(s->fs, count_body, &items), 0);
	return items.nr;
}

static FIBER_FN void wait_for_end(void)
{
	while (lab.mds.nr_fibers > 0)
		fiber_sleep_ns(NSEC_PER_SEC / 1000);
}

/* 16.1: CB_OFFLOAD says how it ended; then the stateid is no more. */
static FIBER_FN void do_asynchronous(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	const struct write_response4 *ok = &lab.cb.coa_offload_info.offload_info4_u.coa_resok4;
	struct OFFLOAD_STATUS4resok status;
	struct stateid4 stateid;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	stateid = copy_begin(&f, &g);
	CHECK_EQ(copy_status(&g, &stateid, &status), NFS4_OK);
	CHECK_EQ(status.osr_complete.osr_complete_len, 0);
	CHECK(status.osr_count < LONG_COPY);
	CHECK_EQ(nr_items(s), 1);
	wait_for_end();
	CHECK_EQ(nr_items(s), 0);
	CHECK_EQ(lab.nr_callbacks, 1);
	CHECK(!memcmp(&lab.cb.coa_stateid, &stateid, sizeof(stateid)));
	CHECK_EQ(lab.cb.coa_fh.nfs_fh4_len, FH_SIZE);
	CHECK_EQ(lab.cb.coa_offload_info.coa_status, NFS4_OK);
	CHECK_EQ(ok->wr_count, LONG_COPY);
	CHECK_EQ(ok->wr_committed, FILE_SYNC4);
	CHECK(!memcmp(ok->wr_writeverf, "verifier", 8));
	lab_expect(&g, 0, LONG_COPY, 1);
	CHECK_EQ(copy_status(&g, &stateid, &status), NFS4ERR_BAD_STATEID);
	CHECK_EQ(copy_stop(&g, &stateid), NFS4ERR_BAD_STATEID);
}

/* What CB_OFFLOAD has promised is there after a power cut. */
static FIBER_FN void do_asynchronous_is_durable(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	copy_begin(&f, &g);
	wait_for_end();
	CHECK_EQ(lab.nr_callbacks, 1);
	store_power_cut(s, 1);
	CHECK_EQ(store_mount(s), 0);
	lab.mds.fs = s->fs;
	lab_expect(&g, 0, LONG_COPY, 1);
}

/* While the client does not take the callback, the end can be asked for (15.9.3). */
static FIBER_FN void do_finished(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct OFFLOAD_STATUS4resok status;
	struct stateid4 stateid;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	lab.cb_status = NFS4ERR_DELAY;
	stateid = copy_begin(&f, &g);
	while (lab.nr_callbacks < 2)
		fiber_sleep_ns(NSEC_PER_SEC / 1000);
	CHECK_EQ(copy_status(&g, &stateid, &status), NFS4_OK);
	CHECK_EQ(status.osr_count, LONG_COPY);
	CHECK_EQ(status.osr_complete.osr_complete_len, 1);
	CHECK_EQ(status.osr_complete.osr_complete_val[0], NFS4_OK);
	CHECK_EQ(copy_stop(&g, &stateid), NFS4ERR_COMPLETE_ALREADY);
	lab.cb_status = NFS4_OK;
	wait_for_end();
	CHECK_EQ(copy_status(&g, &stateid, &status), NFS4ERR_BAD_STATEID);
}

/* A client that cannot be reached is called until it has heard it, with pauses. */
static FIBER_FN void do_unreachable(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct OFFLOAD_STATUS4resok status;
	struct stateid4 stateid;
	unsigned int before;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	lab.cb_err = -ENOTCONN;
	stateid = copy_begin(&f, &g);
	fiber_sleep_ns(1000 * NSEC_PER_SEC);
	CHECK(lab.nr_callbacks > 90 && lab.nr_callbacks < 120);
	before = lab.nr_callbacks;
	CHECK_EQ(copy_status(&g, &stateid, &status), NFS4_OK);
	CHECK_EQ(status.osr_complete.osr_complete_len, 1);
	/* Now it knows. */
	wait_for_end();
	CHECK(lab.nr_callbacks <= before + 1);
	CHECK_EQ(nr_items(s), 0);
}

/* 15.8.3: nothing is written after that, and no callback comes. */
static FIBER_FN void do_cancel(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct OFFLOAD_STATUS4resok status;
	struct stateid4 stateid;
	uint64_t change;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	stateid = copy_begin(&f, &g);
	while (data_file_size(&g) == 0)
		fiber_yield();
	CHECK_EQ(copy_stop(&g, &stateid), NFS4_OK);
	CHECK(lab.recorded);
	CHECK(data_file_size(&g) < LONG_COPY);
	change = data_file_inode(&g).change;
	CHECK_EQ(copy_status(&g, &stateid, &status), NFS4ERR_BAD_STATEID);
	wait_for_end();
	CHECK_EQ(data_file_inode(&g).change, change);
	CHECK_EQ(lab.nr_callbacks, 0);
	CHECK_EQ(nr_items(s), 0);
}

/* The stateid counts for its client and file only. */
static FIBER_FN void do_stateid_of_others(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct OFFLOAD_STATUS4resok status;
	struct stateid4 stateid, bad;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	stateid = copy_begin(&f, &g);
	CHECK_EQ(copy_status(&f, &stateid, &status), NFS4ERR_BAD_STATEID);
	CHECK_EQ(copy_stop(&f, &stateid), NFS4ERR_BAD_STATEID);
	bad = stateid;
	bad.seqid++;
	CHECK_EQ(copy_status(&g, &bad, &status), NFS4ERR_BAD_STATEID);
	bad.seqid = 0;
	CHECK_EQ(copy_status(&g, &bad, &status), NFS4_OK);
	bad.other[0]++;
	CHECK_EQ(copy_status(&g, &bad, &status), NFS4ERR_BAD_STATEID);
	wait_for_end();
}

/* An error ends it, with how far it came (16.1.1). */
static FIBER_FN void do_asynchronous_error(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g"), h = data_file_new(s, "h");
	struct fs_stats stats;
	struct inode inode;
	uint64_t seq;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	fs_stats(s->fs, &stats);
	CHECK_EQ(data_allocate(s->fs, h.ino, h.generation, 0, (stats.free_blocks - 1500) * BLK, NULL, &inode, &seq),
		 0);
	copy_begin(&f, &g);
	wait_for_end();
	CHECK_EQ(lab.nr_callbacks, 1);
	CHECK_EQ(lab.cb.coa_offload_info.coa_status, NFS4ERR_NOSPC);
	CHECK_EQ(lab.cb.coa_offload_info.offload_info4_u.coa_bytes_copied, data_file_size(&g));
	CHECK(data_file_size(&g) > 0);
}

/* I11: a client's fifth is synchronous. */
static FIBER_FN void do_bounded(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct COPY4resok ok;
	struct stateid4 stateids[COPY_ASYNC_CLIENT_MAX];

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	for (unsigned int i = 0; i < COPY_ASYNC_CLIENT_MAX; i++) {
		stateids[i] = copy_begin(&f, &g);
		for (unsigned int k = 0; k < i; k++)
			CHECK(memcmp(&stateids[i], &stateids[k], sizeof(stateids[i])) != 0);
	}
	CHECK_EQ(copy_any(&f, 1, &g, 0, LONG_COPY, &ok), NFS4_OK);
	CHECK_EQ(ok.cr_response.wr_callback_id.wr_callback_id_len, 0);
	wait_for_end();
	CHECK_EQ(lab.nr_callbacks, COPY_ASYNC_CLIENT_MAX);
}

/* A server that stops, and another one that starts with what was recorded. */
static FIBER_FN void start_anew(void)
{
	lab.mds.stopping = true;
	copy_stop_all(&lab.mds);
	wait_for_end();
	CHECK(!lab.mds.copies);
	lab.mds.stopping = false;
	if (!lab.mds.clients)
		HASH_ADD(hh, lab.mds.clients, id, sizeof(lab.client.id), &lab.client);
	CHECK_EQ(copy_load(&lab.mds), 0);
}

/* After a restart it goes on behind what was done, not from the start. */
static FIBER_FN void do_goes_on(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct OFFLOAD_STATUS4resok status;
	struct stateid4 stateid;
	uint64_t before;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	stateid = copy_begin(&f, &g);
	for (unsigned int i = 0; i < 5; i++) {
		before = data_file_size(&g);
		while (data_file_size(&g) == before)
			fiber_yield();
		start_anew();
		CHECK_EQ(copy_status(&g, &stateid, &status), NFS4_OK);
		CHECK_EQ(status.osr_count, data_file_size(&g));
		CHECK(status.osr_count > before);
		CHECK_EQ(status.osr_complete.osr_complete_len, 0);
	}
	wait_for_end();
	CHECK_EQ(lab.nr_callbacks, 1);
	CHECK(!memcmp(&lab.cb.coa_stateid, &stateid, sizeof(stateid)));
	CHECK_EQ(lab.cb.coa_offload_info.coa_status, NFS4_OK);
	CHECK_EQ(lab.cb.coa_offload_info.offload_info4_u.coa_resok4.wr_count, LONG_COPY);
	lab_expect(&g, 0, LONG_COPY, 1);
	CHECK_EQ(nr_items(s), 0);
}

static FIBER_FN void do_cancel_after_start(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct stateid4 stateid;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	stateid = copy_begin(&f, &g);
	start_anew();
	CHECK_EQ(copy_stop(&g, &stateid), NFS4_OK);
	CHECK_EQ(nr_items(s), 0);
	start_anew();
	wait_for_end();
	CHECK_EQ(lab.nr_callbacks, 0);
}

/* How it ended is known after a restart, too, and told again. */
static FIBER_FN void do_end_after_start(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g"), h = data_file_new(s, "h");
	struct fs_stats stats;
	struct inode inode;
	uint64_t seq;

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	fs_stats(s->fs, &stats);
	CHECK_EQ(data_allocate(s->fs, h.ino, h.generation, 0, (stats.free_blocks - 1500) * BLK, NULL, &inode, &seq),
		 0);
	lab.cb_err = -ENOTCONN;
	copy_begin(&f, &g);
	while (lab.nr_callbacks == 0)
		fiber_sleep_ns(NSEC_PER_SEC / 1000);
	start_anew();
	lab.nr_callbacks = 0;
	lab.cb_err = 0;
	wait_for_end();
	CHECK_EQ(lab.nr_callbacks, 1);
	CHECK_EQ(lab.cb.coa_offload_info.coa_status, NFS4ERR_NOSPC);
	CHECK_EQ(lab.cb.coa_offload_info.offload_info4_u.coa_bytes_copied, data_file_size(&g));
	CHECK_EQ(nr_items(s), 0);
}

/* I12: an item that makes no sense is damage. */
static int damage_body(struct txn *txn, void *arg)
{
	return txn_put(txn, record_key(lab.client.id, RECORD_COPY, 77), arg, sizeof(struct record_copy));
}

static FIBER_FN void do_damaged_item(struct store *s)
{
	struct record_copy good = { .len = le64_make(BLK) }, bad[5];

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].done = le64_make(BLK + 1);
	bad[1].written = le64_make(1);
	bad[2].finished = 2;
	bad[3].dst.off = le64_make(INODE_SIZE_MAX - 10);
	bad[4].src.off = le64_make(UINT64_MAX);
	HASH_ADD(hh, lab.mds.clients, id, sizeof(lab.client.id), &lab.client);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(txn_run(s->fs, NULL, damage_body, &bad[i], NULL), 0);
		CHECK_EQ(copy_load(&lab.mds), -EUCLEAN);
	}
	/* A file that is no more is none. */
	CHECK_EQ(txn_run(s->fs, NULL, damage_body, &good, NULL), 0);
	CHECK_EQ(copy_load(&lab.mds), 0);
	wait_for_end();
	CHECK_EQ(lab.cb.coa_offload_info.coa_status, NFS4ERR_STALE);
}

/* Long holes stay holes also where nothing can be shared, and replace what the destination has there. */
static FIBER_FN void do_holes(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	static const uint64_t at[] = { 0, 3 * MIB + 777, 9 * MIB };
	struct fs_stats before, after;

	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++)
		lab_fill(&f, at[i], 5000, at[i]);
	data_file_truncate(&f, 12 * MIB + 5);
	lab_fill(&g, 0, 2 * MIB, 99);
	data_file_sync(&g);
	fs_stats(s->fs, &before);
	copy_whole(&f, 0, &g, 1, 12 * MIB + 5);
	fs_stats(s->fs, &after);
	CHECK(after.free_blocks > before.free_blocks + 400);
	CHECK_EQ(data_file_size(&g), 12 * MIB + 6);
	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++)
		lab_expect(&g, at[i] + 1, 5000, at[i]);
	expect_zeros(&g, 5001, 3 * MIB + 778);
	expect_zeros(&g, 3 * MIB + 5778, 9 * MIB + 1);
	expect_zeros(&g, 9 * MIB + 5001, 12 * MIB + 6);
}

static FIBER_FN void do_all_hole(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	struct fs_stats before, after;

	data_file_truncate(&f, 10 * MIB);
	fs_stats(s->fs, &before);
	copy_whole(&f, 0, &g, 100, 10 * MIB);
	fs_stats(s->fs, &after);
	CHECK(before.free_blocks <= after.free_blocks + 2);
	CHECK_EQ(data_file_size(&g), 10 * MIB + 100);
	expect_zeros(&g, 0, 10 * MIB + 100);
}

/* It stops with its client, and with the server. */
static FIBER_FN void do_client_goes(struct store *s)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");

	lab_fill(&f, 0, LONG_COPY + 1, 0);
	copy_begin(&f, &g);
	lab.client.gone = true;
	wait_for_end();
	CHECK(data_file_size(&g) < LONG_COPY);
	CHECK_EQ(lab.nr_callbacks, 0);
	lab.client.gone = false;
	copy_begin(&f, &g);
	lab.mds.stopping = true;
	wait_for_end();
	CHECK_EQ(lab.nr_callbacks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(do_types),
		LAB_TEST(do_shares),
		LAB_TEST(do_independent),
		LAB_TEST(do_odd_ends),
		LAB_TEST(do_odd_offsets),
		LAB_TEST(do_short_ranges),
		LAB_TEST(do_to_the_end),
		LAB_TEST(do_nothing),
		LAB_TEST(do_beyond_the_source),
		LAB_TEST(do_destination_too_far),
		LAB_TEST(do_within_one_file),
		LAB_TEST(do_overlap),
		LAB_TEST(do_verifier),
		LAB_TEST(do_other_server),
		LAB_TEST(do_read_only),
		LAB_TEST(do_set_user_id),
		LAB_TEST(do_no_space),
		LAB_TEST(do_must_be_synchronous),
		LAB_TEST(do_no_callbacks),
		LAB_TEST(do_asynchronous),
		LAB_TEST(do_asynchronous_is_durable),
		LAB_TEST(do_finished),
		LAB_TEST(do_unreachable),
		LAB_TEST(do_cancel),
		LAB_TEST(do_stateid_of_others),
		LAB_TEST(do_asynchronous_error),
		LAB_TEST(do_bounded),
		LAB_TEST(do_goes_on),
		LAB_TEST(do_cancel_after_start),
		LAB_TEST(do_end_after_start),
		LAB_TEST(do_damaged_item),
		LAB_TEST(do_holes),
		LAB_TEST(do_all_hole),
		LAB_TEST(do_client_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
