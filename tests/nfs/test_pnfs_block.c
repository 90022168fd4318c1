/* SPDX-License-Identifier: Apache-2.0 */

/* Layouts of the block type (RFC 5663), where an export allows them and the device has no reservations. */

#include <string.h>

#include "tests/lib/pnfs_test.h"

#define B  PNFS_BLOCK
#define RD LAYOUTIOMODE4_READ
#define RW LAYOUTIOMODE4_RW

static FIBER_FN void test_the_type_is_offered(struct nfs_test *t)
{
	struct nfs_compound *c = &t->c;
	struct wire_attrs attrs;
	uint32_t at;

	nfs_session_begin(t->session, c);
	nfs_op_putfh(c, &t->dir);
	at = nfs_op_getattr(c, NFS_ATTRS(FATTR4_FS_LAYOUT_TYPES, FATTR4_LAYOUT_BLKSIZE));
	NFS_SEND(t, c, NFS4_OK);
	NFS_IS(t, nfs_op_got_attrs(c, at, &attrs), 0);
	NFS_CHECK_EQ(t, attrs.fs_layout_types.fattr4_fs_layout_types_len, 1);
	NFS_CHECK_EQ(t, attrs.fs_layout_types.fattr4_fs_layout_types_val[0], LAYOUT4_BLOCK_VOLUME);
}

/* The device is found by its signature; what is written there and committed is in the file. */
static FIBER_FN void test_write_and_read(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;

	pnfs_peer_make(peer, "f", 64 * B, 'x', &f);
	pnfs_peer_open(other, "f", &g);
	pnfs_peer_expect(&g, 0, 64 * B, 'x');
	pnfs_peer_get(&g, RD, 0, 64 * B, 64 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_expect(&g, 0, 64 * B, 'x'), 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* The list of a commit has whole extents here, of which only file offset and length count. */
static FIBER_FN void test_commit_of_extents(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	static const struct nfs_range ranges[] = { { B, B }, { 5 * B, 2 * B } };
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 8 * B, 'x'), 0);
	pnfs_peer_commit(&f, ranges, 2, 8 * B - 1, NFS4_OK);
	pnfs_peer_expect(&f, 0, B, 0);
	pnfs_peer_expect(&f, B, B, 'x');
	pnfs_peer_expect(&f, 2 * B, 3 * B, 0);
	pnfs_peer_expect(&f, 5 * B, 2 * B, 'x');
	pnfs_peer_expect(&f, 7 * B, B, 0);
	pnfs_peer_free(peer);
}

/* A state other than READ_WRITE_DATA in a commit makes no sense. */
static FIBER_FN void test_commit_of_odd_states(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	uint8_t body[WIRE_LIST_HEAD + WIRE_EXTENT_SIZE] = { 0 };
	struct nfs_layoutcommit commit = {
		.type = LAYOUT4_BLOCK_VOLUME, .length = PNFS_ALL, .body = body, .body_len = sizeof(body)
	};
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	commit.stateid = f.layout;
	body[3] = 1;
	body[WIRE_LIST_HEAD + NFS4_DEVICEID4_SIZE + 14] = B >> 8;
	for (uint8_t state = 1; state < 6; state++) {
		nfsstat4 status;

		body[sizeof(body) - 1] = state;
		status = pnfs_peer_try_commit(&f, &commit);
		NFS_CHECK(t, status == NFS4ERR_INVAL || status == NFS4ERR_BADXDR);
	}
	body[sizeof(body) - 1] = PNFS_BLOCK_READWRITE_DATA;
	pnfs_peer_commit_as(&f, &commit, NFS4_OK);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_the_other_type(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct nfs_layoutget get = { .type = LAYOUT4_SCSI, .iomode = RW, .length = B, .minlength = B };
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	get.stateid = f.open.stateid;
	pnfs_peer_get_as(&f, &get, NFS4ERR_LAYOUTUNAVAILABLE);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_it_goes_on_after_a_kill(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	nfs_test_restart(t);
	nfs_conn_drop(peer->tc->conn);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 8 * B, 'x'), 0);
	pnfs_peer_commit_range(&f, 0, 8 * B);
	pnfs_peer_expect(&f, 0, 8 * B, 'x');
	pnfs_peer_free(peer);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_the_type_is_offered, "RFC 5663, 2"),
	NFS_TEST(test_write_and_read, "RFC 5663, 2.2.1"),
	NFS_TEST(test_commit_of_extents, "RFC 5663, 2.3.2"),
	NFS_TEST(test_commit_of_odd_states, "RFC 5663, 2.3.2"),
	NFS_TEST(test_the_other_type, "RFC 8881, 18.43.3"),
	NFS_TEST(test_it_goes_on_after_a_kill, "RFC 5663, 2.3.2"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_BLOCK_VOLUME);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
