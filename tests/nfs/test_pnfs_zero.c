/* SPDX-License-Identifier: Apache-2.0 */

/*
 * New space as zeros (zero_new_space): a client that loses what it should have committed loses no data, and nobody
 * sees what was on the blocks before.
 */

#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/pnfs_test.h"

#define B  PNFS_BLOCK
#define RW LAYOUTIOMODE4_RW

/* Blocks that held something else before, for a new file to get. */
static FIBER_FN void soil(struct pnfs_peer *peer)
{
	struct pnfs_peer_file old;

	pnfs_peer_make(peer, "old", 8 << 20, 'o', &old);
	pnfs_peer_set_size(&old, 0, NFS4_OK);
	pnfs_peer_close(&old, NFS4_OK);
}

static FIBER_FN void check_all_written(struct pnfs_peer_file *f)
{
	for (uint32_t i = 0; i < f->got.nr; i++)
		NFS_CHECK_EQ(f->peer->s.t, f->got.extents[i].bex_state, PNFS_BLOCK_READWRITE_DATA);
}

static FIBER_FN void test_readable_at_once(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, pnfs_linux_old, NULL);
	struct pnfs_peer_file f;

	soil(peer);
	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 4 << 20, B, NFS4_OK);
	check_all_written(&f);
	NFS_CHECK(t, f.got.len >= 4 << 20);
	NFS_IS(t, pnfs_peer_dev_expect(&f, 0, 4 << 20, 0), 0);
	/* Also where it does not write in order: client rule 7 needs no limit here. */
	pnfs_peer_get(&f, RW, 32 << 20, 4 << 20, B, NFS4_OK);
	check_all_written(&f);
	NFS_CHECK(t, f.got.len >= 4 << 20);
	pnfs_peer_free(peer);
}

/* Within the file's size: the layout comes back, a commit never does. */
static FIBER_FN void test_a_lost_commit(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;

	soil(peer);
	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_set_size(&f, 64 * B, NFS4_OK);
	pnfs_peer_get(&f, RW, 8 * B, 8 * B, B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 10 * B, 2 * B, 'w'), 0);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_close(&f, NFS4_OK);
	pnfs_peer_open(other, "f", &theirs);
	pnfs_peer_expect(&theirs, 0, 10 * B, 0);
	pnfs_peer_expect(&theirs, 10 * B, 2 * B, 'w');
	pnfs_peer_expect(&theirs, 12 * B, 52 * B, 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/*
 * What Linux does after an I/O error: it returns the layout, forgets what it should commit, and writes again through
 * the server what has failed.  What had not failed lies before that, behind the end of file.
 */
static FIBER_FN void test_after_an_error(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;

	soil(peer);
	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 1 << 20, B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 8 * B, 'w'), 0);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_put(&f, 8 * B, B, 'x');
	pnfs_peer_close(&f, NFS4_OK);
	pnfs_peer_open(other, "f", &theirs);
	NFS_CHECK_EQ(t, pnfs_peer_size(&theirs), 9 * B);
	pnfs_peer_expect(&theirs, 0, 8 * B, 'w');
	pnfs_peer_expect(&theirs, 8 * B, B, 'x');
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* What was never written is neither kept nor seen. */
static FIBER_FN void test_given_back(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;
	uint64_t used = 0;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 1 << 20, B, NFS4_OK);
	NFS_CHECK(t, f.got.return_on_close);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 4 * B, 'w'), 0);
	pnfs_peer_commit(&f, NULL, 0, 2 * B - 1, NFS4_OK);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_close(&f, NFS4_OK);
	pnfs_peer_open(other, "f", &theirs);
	for (unsigned int i = 0; i < 100; i++) {
		used = nfs_state_getattr(&other->s, &theirs.open.fh, NFS_ATTRS(FATTR4_SPACE_USED)).space_used;
		if (used <= 2 * B)
			break;
		fiber_sleep_ns(100000000);
	}
	NFS_CHECK_EQ(t, used, 2 * B);
	/* Somebody else lets it grow: zeros, whatever the first one wrote there. */
	pnfs_peer_set_size(&theirs, 8 * B, NFS4_OK);
	pnfs_peer_expect(&theirs, 0, 2 * B, 'w');
	pnfs_peer_expect(&theirs, 2 * B, 6 * B, 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* Granted, killed, and nothing else was ever seen: zeros, not what was there before. */
static FIBER_FN void test_across_a_kill(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	soil(peer);
	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_set_size(&f, 64 * B, NFS4_OK);
	pnfs_peer_get(&f, RW, 0, 64 * B, B, NFS4_OK);
	NFS_IS(t, nfs_test_kill(t), 0);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_expect(&f, 0, 64 * B, 0);
	pnfs_peer_close(&f, NFS4_OK);
	pnfs_peer_free(peer);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_readable_at_once, "RFC 8154, 2.3.1"), NFS_TEST(test_a_lost_commit, "client rule 7"),
	NFS_TEST(test_after_an_error, "client rule 7"),	    NFS_TEST(test_given_back, "RFC 8154, 2.3.3"),
	NFS_TEST(test_across_a_kill, "RFC 8154, 2.3.1"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	nfs_test_exports = "zero_new_space = \"on\";\n"
			   "exports = ( { path = \"/\"; pseudo = \"/\"; id = 1;\n"
			   "  clients = ( { hosts = [ \"*\" ]; access = \"rw\"; squash = \"none\"; } ); } );\n";
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
