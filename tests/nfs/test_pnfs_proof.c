/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a client returns that keeps its extents for all that (client rule 10): Linux with a layout of which it
 * returned one iomode, or while something else was going on with the file, writes by its old extents as soon as it
 * gets a new layout of them.  It is asked once more, and nothing is anybody else's, or its own again, before it has
 * answered.
 */

#include "dev/fiber.h"
#include "tests/lib/pnfs_test.h"

#define B   PNFS_BLOCK
#define ANY LAYOUTIOMODE4_ANY
#define RD  LAYOUTIOMODE4_READ
#define RW  LAYOUTIOMODE4_RW

/* LAYOUTRETURN of all its @iomode and CLOSE, as with return on close. */
static FIBER_FN layoutreturn_stateid return_and_close(struct pnfs_peer_file *f, layoutiomode4 iomode)
{
	struct nfs_layoutreturn ret = { .type = LAYOUT4_SCSI,
					.iomode = iomode,
					.how = LAYOUTRETURN4_FILE,
					.length = PNFS_ALL,
					.stateid = f->layout };
	struct nfs_test *t = f->peer->s.t;
	layoutreturn_stateid left;
	uint32_t at;

	nfs_session_begin(f->peer->s.session, &t->c);
	nfs_op_putfh(&t->c, &f->open.fh);
	at = nfs_op_layoutreturn(&t->c, &ret);
	nfs_op_close(&t->c, &f->open.stateid);
	NFS_SEND_IN(t, f->peer->s.session, &t->c, NFS4_OK);
	NFS_IS(t, nfs_op_got_layoutreturn(&t->c, at, &left), 0);
	return left;
}

static FIBER_FN uint64_t used_by(struct pnfs_peer_file *f)
{
	return nfs_state_getattr(&f->peer->s, &f->open.fh, NFS_ATTRS(FATTR4_SPACE_USED)).space_used;
}

/* Blocks 0 to 7 of a file for reading, 8 to 15 for writing. */
static FIBER_FN void get_both(struct pnfs_peer *peer, struct pnfs_peer_file *ret_file)
{
	pnfs_peer_make(peer, "f", 8 * B, 'a', ret_file);
	pnfs_peer_get(ret_file, RD, 0, 8 * B, 8 * B, NFS4_OK);
	pnfs_peer_get(ret_file, RW, 8 * B, 8 * B, 8 * B, NFS4_OK);
}

/* It is asked, and answers. */
static FIBER_FN void wait_until_gone(const struct pnfs_peer_file *f)
{
	for (unsigned int i = 0; i < 1000 && f->has_layout; i++)
		fiber_sleep_ns(1000000);
}

static FIBER_FN void restart_under(struct nfs_test *t, struct pnfs_peer *peer)
{
	nfs_test_restart(t);
	nfs_conn_drop(t->conn);
	nfs_conn_drop(peer->tc->conn);
	NFS_IS(t, nfs_session_ping(peer->s.session), 0);
}

/* @other wants a file of which @peer returns all, and puts off for ever to prove it. */
static FIBER_FN void return_and_say_nothing(struct pnfs_peer *peer, struct pnfs_peer *other,
					    struct pnfs_peer_file *ret_file, struct pnfs_peer_file *ret_theirs)
{
	pnfs_peer_open(peer, "f", ret_file);
	pnfs_peer_open(other, "f", ret_theirs);
	pnfs_peer_get(ret_file, RW, 0, 8 * B, 8 * B, NFS4_OK);
	peer->manner = PNFS_SAYS_OK;
	pnfs_peer_get(ret_theirs, RW, 0, B, B, NFS4ERR_RECALLCONFLICT);
	ret_file->is_mute = true;
	pnfs_peer_return(ret_file, ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(peer->s.t, ret_file->has_layout);
}

/* As soon as it has returned the one, it is asked for the other. */
static FIBER_FN void test_one_iomode_is_returned(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;

	get_both(peer, &f);
	pnfs_peer_open(other, "f", &theirs);
	pnfs_peer_return(&f, RW, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, f.has_layout);
	wait_until_gone(&f);
	NFS_CHECK_EQ(t, peer->nr_recalls, 1);
	NFS_CHECK_EQ(t, peer->recalled.lor_offset, 0);
	NFS_CHECK_EQ(t, peer->recalled.lor_length, PNFS_ALL);
	NFS_CHECK(t, !f.has_layout);
	pnfs_peer_get(&theirs, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_CHECK_EQ(t, peer->nr_recalls, 1);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* Its next LAYOUTGET is not answered before: new extents would lose against the old ones. */
static FIBER_FN void test_no_layout_before_the_proof(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	get_both(peer, &f);
	peer->manner = PNFS_SAYS_DELAY;
	pnfs_peer_return(&f, RW, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_get(&f, RW, 8 * B, B, B, NFS4ERR_RECALLCONFLICT);
	pnfs_peer_get(&f, RD, 0, B, B, NFS4ERR_RECALLCONFLICT);
	peer->manner = PNFS_NO_MATCH;
	NFS_CHECK_EQ(t, pnfs_peer_insist(&f, RW, 8 * B, B, 10), NFS4_OK);
	pnfs_peer_free(peer);
}

/* Also by the server of after a kill -9. */
static FIBER_FN void test_proof_after_a_restart(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	get_both(peer, &f);
	peer->manner = PNFS_SAYS_DELAY;
	pnfs_peer_return(&f, RW, 0, PNFS_ALL, NFS4_OK);
	restart_under(t, peer);
	pnfs_peer_get(&f, RW, 8 * B, B, B, NFS4ERR_RECALLCONFLICT);
	peer->manner = PNFS_NO_MATCH;
	peer->nr_recalls = 0;
	NFS_CHECK_EQ(t, pnfs_peer_insist(&f, RW, 8 * B, B, 10), NFS4_OK);
	NFS_CHECK(t, peer->nr_recalls > 0);
	pnfs_peer_free(peer);
}

/* The server that had recalled it is gone, and the next one does not know. */
static FIBER_FN void test_return_after_a_restart(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	restart_under(t, peer);
	pnfs_peer_return(&f, ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, f.has_layout);
	pnfs_peer_settle(peer);
	NFS_CHECK(t, !f.has_layout);
	NFS_CHECK_EQ(t, peer->nr_proofs, 1);
	pnfs_peer_free(peer);
}

/* What was recalled and is returned late is asked for again, and the other gets it then. */
static FIBER_FN void test_a_recalled_layout_is_returned(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_open(other, "f", &theirs);
	peer->manner = PNFS_RETURNS;
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_CHECK_EQ(t, pnfs_peer_insist(&theirs, RW, 4 * B, B, 10), NFS4_OK);
	NFS_CHECK_EQ(t, peer->nr_recalls, 1);
	NFS_CHECK_EQ(t, peer->nr_proofs, 1);
	NFS_CHECK(t, !f.has_layout);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* Who says a second time that all is returned is believed, not before. */
static FIBER_FN void test_asked_once(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	get_both(peer, &f);
	peer->manner = PNFS_SAYS_OK;
	pnfs_peer_return(&f, RW, 0, PNFS_ALL, NFS4_OK);
	fiber_sleep_ns(50000000);
	/* The rest, late: as with what was recalled. */
	f.is_mute = true;
	pnfs_peer_return(&f, ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, f.has_layout);
	fiber_sleep_ns(50000000);
	pnfs_peer_return(&f, ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, !f.has_layout);
	f.is_mute = false;
	pnfs_peer_get(&f, RW, 8 * B, B, B, NFS4_OK);
	pnfs_peer_free(peer);
}

/* All of it, by itself, or with its last CLOSE: gone at once, and nobody is asked. */
static FIBER_FN void test_who_is_believed(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	pnfs_peer_return(&f, ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, !f.has_layout);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_CHECK(t, !return_and_close(&f, RW).lrs_present);
	fiber_sleep_ns(50000000);
	NFS_CHECK_EQ(t, peer->nr_recalls + peer->nr_proofs, 0);
	pnfs_peer_free(peer);
}

/* Another program of the client has the file open: it may be reading by these extents. */
static FIBER_FN void test_closed_by_one_of_two(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	nfs_state_share(&peer->s, "f", "reader", NFS_OPEN_READ, 0, NFS4_OK);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_CHECK(t, return_and_close(&f, RW).lrs_present);
	wait_until_gone(&f);
	NFS_CHECK(t, !f.has_layout);
	NFS_CHECK_EQ(t, peer->nr_recalls, 1);
	pnfs_peer_free(peer);
}

/* Who returns all and then says nothing is believed after the time for a recall, and not cut off. */
static FIBER_FN void test_no_proof_ever(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;
	nfsstat4 status = NFS4ERR_RECALLCONFLICT;
	unsigned int i;

	return_and_say_nothing(peer, other, &f, &theirs);
	for (i = 0; i < 100 && status == NFS4ERR_RECALLCONFLICT; i++) {
		fiber_sleep_ns(2000000000);
		NFS_IS(t, nfs_session_ping(peer->s.session), 0);
		NFS_IS(t, nfs_session_ping(t->session), 0);
		status = pnfs_peer_ask(&theirs, RW, 0, B, B);
	}
	NFS_CHECK(t, i > 5);
	NFS_CHECK_EQ(t, status, NFS4_OK);
	f.has_layout = false;
	f.is_mute = false;
	pnfs_peer_get(&f, RW, 4 * B, B, B, NFS4_OK);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* Who unmounts before it is asked has nothing more, and is not cut off for it. */
static FIBER_FN void test_destroyed_before_the_proof(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, theirs;

	return_and_say_nothing(peer, other, &f, &theirs);
	pnfs_peer_close(&f, NFS4_OK);
	NFS_IS(t, nfs_session_close(peer->tc->session), 0);
	peer->tc->session = NULL;
	NFS_IS(t, nfs_client_destroy(&peer->tc->client, peer->tc->conn), 0);
	NFS_CHECK_EQ(t, pnfs_peer_insist(&theirs, RW, 0, B, 5), NFS4_OK);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* What was taken and not written is given back after the proof as after a return. */
static FIBER_FN void test_space_comes_back(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;
	uint64_t before, used;

	pnfs_peer_make(peer, "f", 8 * B, 'a', &f);
	pnfs_peer_close(&f, NFS4_OK);
	before = used_by(&f);
	f.open = nfs_state_share(&peer->s, "f", NULL, NFS_OPEN_READ, 0, NFS4_OK);
	pnfs_peer_get(&f, RD, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_CHECK(t, !f.got.return_on_close);
	f.open = nfs_state_share(&peer->s, "f", NULL, NFS_OPEN_BOTH, 0, NFS4_OK);
	pnfs_peer_get(&f, RW, 8 * B, 64 * B, B, NFS4_OK);
	NFS_CHECK(t, f.got.return_on_close);
	NFS_CHECK(t, used_by(&f) > before);
	NFS_CHECK(t, return_and_close(&f, RW).lrs_present);
	for (unsigned int i = 0; i < 2000; i++) {
		used = used_by(&f);
		if (used == before)
			break;
		fiber_sleep_ns(1000000);
	}
	NFS_CHECK_EQ(t, used, before);
	pnfs_peer_free(peer);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_one_iomode_is_returned, "RFC 8881, 18.44.3; client rule 10"),
	NFS_TEST(test_no_layout_before_the_proof, "RFC 8881, 18.43.3; client rule 10"),
	NFS_TEST(test_proof_after_a_restart, "RFC 8881, 8.4; client rule 10"),
	NFS_TEST(test_return_after_a_restart, "RFC 8881, 8.4; client rule 10"),
	NFS_TEST(test_a_recalled_layout_is_returned, "RFC 8881, 12.5.5; client rule 10"),
	NFS_TEST(test_asked_once, "RFC 8881, 18.44.3; client rule 10"),
	NFS_TEST(test_who_is_believed, "RFC 8881, 18.44.4; client rule 10"),
	NFS_TEST(test_closed_by_one_of_two, "RFC 8881, 18.44.4; client rule 10"),
	NFS_TEST(test_no_proof_ever, "RFC 8881, 12.5.5; client rule 10"),
	NFS_TEST(test_destroyed_before_the_proof, "RFC 8881, 18.50.3; client rule 10"),
	NFS_TEST(test_space_comes_back, "RFC 8154, 2.3.1; client rule 10"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
