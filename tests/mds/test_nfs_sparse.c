// SPDX-License-Identifier: Apache-2.0
/* ALLOCATE, DEALLOCATE, READ_PLUS, SEEK (RFC 7862, 15) as a client sees them.  tests/mds/test_op_sparse.c has more.
 */
#include <string.h>

#include "tests/lib/nfs_test.h"

#define HOLE (64u << 10)

/* A hole of 64 KiB, 4 KiB of data, a hole up to 256 KiB. */
static FIBER_FN struct nfs_file sparse_file(struct nfs_test *t)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE), .size = 4 * HOLE };
	struct nfs_file f;
	char buf[4096];

	memset(buf, 'd', sizeof(buf));
	NFS_IS(t, nfs_file_create(t->session, &t->dir, "f", &f), 0);
	NFS_IS(t, nfs_file_setattr(t->session, &f.fh, &attrs), 0);
	NFS_IS(t, nfs_file_write(&f, HOLE, buf, sizeof(buf), FILE_SYNC4), 0);
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &f.fh);
	return f;
}

static FIBER_FN struct seek_res4 seek_ok(struct nfs_test *t, const struct nfs_file *f, uint64_t off,
					 data_content4 what)
{
	const struct nfs_resop4 *res;
	uint32_t at = nfs_op_seek(&t->c, &f->stateid, off, what);

	NFS_SEND(t, &t->c, NFS4_OK);
	res = nfs_compound_result(&t->c, at, OP_SEEK);
	NFS_CHECK(t, res != NULL);
	return res->nfs_resop4_u.opseek.SEEK4res_u.resok4;
}

static FIBER_FN void test_seek_data(struct nfs_test *t)
{
	struct nfs_file f = sparse_file(t);
	struct seek_res4 res = seek_ok(t, &f, 0, NFS4_CONTENT_DATA);

	NFS_CHECK_EQ(t, res.sr_offset, HOLE);
	NFS_CHECK(t, !res.sr_eof);
}

static FIBER_FN void test_seek_hole(struct nfs_test *t)
{
	struct nfs_file f = sparse_file(t);

	NFS_CHECK_EQ(t, seek_ok(t, &f, HOLE, NFS4_CONTENT_HOLE).sr_offset, HOLE + 4096);
}

static FIBER_FN void test_seek_beyond(struct nfs_test *t)
{
	struct nfs_file f = sparse_file(t);

	nfs_op_seek(&t->c, &f.stateid, 4 * HOLE + 1, NFS4_CONTENT_DATA);
	NFS_SEND(t, &t->c, NFS4ERR_NXIO);
}

static FIBER_FN void test_seek_no_data(struct nfs_test *t)
{
	struct nfs_file f = sparse_file(t);

	NFS_CHECK(t, seek_ok(t, &f, 2 * HOLE, NFS4_CONTENT_DATA).sr_eof);
}

static FIBER_FN void test_allocate_size(struct nfs_test *t)
{
	struct nfs_file f = sparse_file(t);
	struct wire_attrs attrs;

	nfs_op_allocate(&t->c, &f.stateid, 4 * HOLE, 100);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_file_getattr(t->session, &f.fh, NFS_ATTRS(FATTR4_SIZE), &attrs), 0);
	NFS_CHECK_EQ(t, attrs.size, 4 * HOLE + 100);
}

static FIBER_FN void test_deallocate_zeros(struct nfs_test *t)
{
	struct nfs_file f = sparse_file(t);
	char buf[4096], zeros[4096] = { 0 };
	size_t got;
	bool eof;

	nfs_op_deallocate(&t->c, &f.stateid, HOLE, 4096);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_file_read(&f, HOLE, buf, sizeof(buf), &got, &eof), 0);
	NFS_CHECK_EQ(t, got, sizeof(buf));
	NFS_CHECK(t, !memcmp(buf, zeros, sizeof(buf)));
	nfs_session_begin(t->session, &t->c);
	nfs_op_putfh(&t->c, &f.fh);
	NFS_CHECK(t, seek_ok(t, &f, 0, NFS4_CONTENT_DATA).sr_eof);
}

static FIBER_FN void test_read_plus_pieces(struct nfs_test *t)
{
	struct nfs_file f = sparse_file(t);
	const struct nfs_resop4 *res;
	const struct read_plus_res4 *ok;
	uint64_t pos = 0;
	bool data = false;
	uint32_t at;

	t->c.cachethis = false;
	at = nfs_op_read_plus(&t->c, &f.stateid, 0, 4 * HOLE);
	NFS_SEND(t, &t->c, NFS4_OK);
	res = nfs_compound_result(&t->c, at, OP_READ_PLUS);
	NFS_CHECK(t, res != NULL);
	ok = &res->nfs_resop4_u.opread_plus.READ_PLUS4res_u.rp_resok4;
	for (uint32_t i = 0; i < ok->rpr_contents.rpr_contents_len; i++) {
		const struct read_plus_content *piece = &ok->rpr_contents.rpr_contents_val[i];

		if (piece->rpc_content == NFS4_CONTENT_HOLE) {
			NFS_CHECK_EQ(t, piece->read_plus_content_u.rpc_hole.di_offset, pos);
			pos += piece->read_plus_content_u.rpc_hole.di_length;
			continue;
		}
		NFS_CHECK_EQ(t, piece->read_plus_content_u.rpc_data.d_offset, pos);
		pos += piece->read_plus_content_u.rpc_data.d_data.d_data_len;
		data = true;
	}
	NFS_CHECK(t, data);
	NFS_CHECK_EQ(t, pos, 4 * HOLE);
	NFS_CHECK(t, ok->rpr_eof);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_seek_data, "RFC 7862, 15.11.3"),
	NFS_TEST(test_seek_hole, "RFC 7862, 15.11.3"),
	NFS_TEST(test_seek_beyond, "RFC 7862, 15.11.3"),
	NFS_TEST_DIFFERS(test_seek_no_data, "RFC 7862, 15.11.3", "some say NXIO, as lseek(2) does"),
	NFS_TEST(test_allocate_size, "RFC 7862, 15.1.3"),
	NFS_TEST(test_deallocate_zeros, "RFC 7862, 15.4.3"),
	NFS_TEST_DIFFERS(test_read_plus_pieces, "RFC 7862, 15.10.3", "holes may be sent as data"),
};

NFS_TEST_MAIN(cases)
