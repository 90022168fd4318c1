/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A client never waits for itself.  Linux writes a file from several places at once (fsync, the flusher, mmap): one
 * of them may wait for a page that another one has locked, while it holds what the other one's LAYOUTGET would have
 * recalled.
 */

#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/pnfs_test.h"

#define B      PNFS_BLOCK
#define RD     LAYOUTIOMODE4_READ
#define RW     LAYOUTIOMODE4_RW

#define SHARED UINT64_C(0x400000)

/* Holes under its own READ layout become writable at once, as long as one commit can name what it got unwritten. */
static FIBER_FN void reader_writes(struct nfs_test *t, const char *impl)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, impl, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;

	pnfs_peer_make(peer, "f", 8 * B, 'a', &f);
	pnfs_peer_set_size(&f, 4096 * B, NFS4_OK);
	peer->manner = PNFS_SAYS_OK;
	pnfs_peer_get(&f, RD, 0, 4096 * B, B, NFS4_OK);
	for (uint64_t off = 8 * B; off < 2048 * B; off *= 2) {
		pnfs_peer_get(&f, RW, off, 3 * B, B, NFS4_OK);
		NFS_IS(t, pnfs_peer_dev_write(&f, off, B, 'b'), 0);
		pnfs_peer_commit_range(&f, off, B);
	}
	NFS_CHECK_EQ(t, peer->nr_recalls, 0);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_close(&f, NFS4_OK);
	pnfs_peer_open(other, "f", &theirs);
	pnfs_peer_expect(&theirs, 0, 8 * B, 'a');
	for (uint64_t off = 8 * B; off < 2048 * B; off *= 2) {
		pnfs_peer_expect(&theirs, off, B, 'b');
		pnfs_peer_expect(&theirs, off + B, B, 0);
	}
	nfs_state_remove(&other->s, "f");
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

static FIBER_FN void test_reader_becomes_writer(struct nfs_test *t)
{
	reader_writes(t, pnfs_linux_old);
	reader_writes(t, pnfs_linux_new);
}

/* What is shared after CLONE, written in order without a commit in between: more than one commit can name. */
static FIBER_FN void test_shared_blocks_of_an_old_client(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, pnfs_linux_old, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct nfs_range ranges[SHARED / (128 * B)];
	struct pnfs_peer_file f, g, theirs;
	uint32_t nr = 0;

	pnfs_peer_make(peer, "f", SHARED, 'a', &f);
	pnfs_peer_open(peer, "g", &g);
	pnfs_peer_clone(&f, &g, NFS4_OK);
	for (uint64_t off = 0; off < SHARED; off = f.got.off + f.got.len) {
		pnfs_peer_get(&f, RW, off, 1 << 20, B, NFS4_OK);
		for (uint64_t at = round_up_u64(off, 128 * B); at < min_u64(f.got.off + f.got.len, SHARED);
		     at += 128 * B) {
			NFS_IS(t, pnfs_peer_dev_write(&f, at, B, 'b'), 0);
			ranges[nr++] = (struct nfs_range){ at, B };
		}
	}
	pnfs_peer_commit(&f, ranges, nr, PNFS_ALL, NFS4_OK);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_open(other, "f", &theirs);
	for (uint64_t at = 0; at < SHARED; at += 128 * B) {
		pnfs_peer_expect(&theirs, at, B, 'b');
		pnfs_peer_expect(&theirs, at + B, B, 'a');
	}
	pnfs_peer_open(other, "g", &theirs);
	for (uint64_t at = 0; at < SHARED; at += 128 * B)
		pnfs_peer_expect(&theirs, at, 2 * B, 'a');
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/*
 * It has said that it will give back what another one wants, and does not: because what it waits for is the answer to
 * its own requests.  It gets through with them by the server, and nothing of what it had in use is lost.
 */
static FIBER_FN void test_who_waits_for_itself(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;

	pnfs_peer_make(peer, "f", 2 * B, 'a', &f);
	peer->manner = PNFS_SAYS_OK;
	pnfs_peer_get(&f, RW, B, 8 * B, B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 2 * B, 2 * B, 'b'), 0);
	pnfs_peer_open(other, "f", &theirs);
	pnfs_peer_get(&theirs, RW, B, B, B, NFS4ERR_RECALLCONFLICT);
	pnfs_peer_get(&f, RW, 4 * B, B, B, NFS4ERR_RECALLCONFLICT);
	fiber_sleep_ns(3500000000);
	pnfs_peer_get(&f, RW, 4 * B, B, B, NFS4ERR_BADLAYOUT);
	/* Unwritten, readable, and behind all that it has. */
	pnfs_peer_put(&f, 4 * B, B, 'c');
	pnfs_peer_put(&f, 0, 2 * B, 'd');
	pnfs_peer_put(&f, 5 * B, 100, 'e');
	NFS_CHECK_EQ(t, pnfs_peer_size(&f), 5 * B + 100);
	pnfs_peer_commit_range(&f, 2 * B, 2 * B);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_peer_insist(&theirs, RW, B, B, 10), NFS4_OK);
	pnfs_peer_expect(&theirs, 0, 2 * B, 'd');
	pnfs_peer_expect(&theirs, 2 * B, 2 * B, 'b');
	pnfs_peer_expect(&theirs, 4 * B, B, 'c');
	pnfs_peer_expect(&theirs, 5 * B, 100, 'e');
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* The reply to its LAYOUTGET was lost, and with it what the server knew of how much the client may have to commit. */
static FIBER_FN void test_granted_again_after_a_restart(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, pnfs_linux_old, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, B, NFS4_OK);
	NFS_CHECK_EQ(t, f.got.extents[0].bex_state, PNFS_BLOCK_INVALID_DATA);
	NFS_IS(t, nfs_test_kill(t), 0);
	f.has_layout = false;
	NFS_CHECK_EQ(t, pnfs_peer_insist(&f, RW, 0, 8 * B, 10), NFS4_OK);
	NFS_CHECK_EQ(t, f.got.extents[0].bex_state, PNFS_BLOCK_INVALID_DATA);
	/* But no more than it had. */
	NFS_CHECK(t, f.got.len <= 255 * B);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 8 * B, 'a'), 0);
	pnfs_peer_commit_range(&f, 0, 8 * B);
	pnfs_peer_expect(&f, 0, 8 * B, 'a');
	pnfs_peer_free(peer);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_reader_becomes_writer, "RFC 8881, 12.5.5"),
	NFS_TEST(test_shared_blocks_of_an_old_client, "client rule 7"),
	NFS_TEST(test_who_waits_for_itself, "RFC 8881, 12.5.5.1"),
	NFS_TEST(test_granted_again_after_a_restart, "client rule 7"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
