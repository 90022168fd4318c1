/* SPDX-License-Identifier: Apache-2.0 */

/* LAYOUTRETURN (RFC 8881, 18.44): what is left, for whom, and what becomes of the space. */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/pnfs_test.h"

#define B   PNFS_BLOCK
#define RD  LAYOUTIOMODE4_READ
#define RW  LAYOUTIOMODE4_RW
#define ANY LAYOUTIOMODE4_ANY

/* A peer and another one, with a file of 16 blocks that both have open. */
struct two {
	struct pnfs_peer *a, *b;
	struct pnfs_peer_file fa, fb;
};

static FIBER_FN void two_open_as(struct nfs_test *t, struct two *w, const char *impl)
{
	w->a = pnfs_peer_new(t, impl, NULL);
	w->b = pnfs_peer_new(t, impl, NULL);
	pnfs_peer_open(w->a, "f", &w->fa);
	pnfs_peer_open(w->b, "f", &w->fb);
	pnfs_peer_put(&w->fa, 0, 16 * B, 'a');
	/* Who returns nothing shows what is still held. */
	w->a->manner = PNFS_SAYS_OK;
	w->b->manner = PNFS_SAYS_OK;
}

static FIBER_FN void two_open(struct nfs_test *t, struct two *w)
{
	two_open_as(t, w, NULL);
}

static FIBER_FN void two_close(struct two *w)
{
	pnfs_peer_free(w->a);
	pnfs_peer_free(w->b);
}

/* Whether @b may write there, at once. */
static FIBER_FN bool is_free(struct two *w, uint64_t off, uint64_t len)
{
	nfsstat4 status = pnfs_peer_ask(&w->fb, RW, off, len, len);

	if (status == NFS4_OK)
		pnfs_peer_return(&w->fb, ANY, 0, PNFS_ALL, NFS4_OK);
	return status == NFS4_OK;
}

static FIBER_FN void test_a_range_is_returned(struct nfs_test *t)
{
	struct two w;

	two_open(t, &w);
	pnfs_peer_get(&w.fa, RW, 0, 16 * B, 16 * B, NFS4_OK);
	pnfs_peer_return(&w.fa, ANY, 4 * B, 4 * B, NFS4_OK);
	NFS_CHECK(t, w.fa.has_layout);
	NFS_CHECK(t, is_free(&w, 4 * B, 4 * B));
	NFS_CHECK_EQ(t, w.a->nr_recalls, 0);
	NFS_CHECK(t, !is_free(&w, 3 * B, B));
	two_close(&w);
}

/* Blocks that are returned in part are still held. */
static FIBER_FN void test_parts_of_blocks_are_not_returned(struct nfs_test *t)
{
	struct two w;

	two_open(t, &w);
	pnfs_peer_get(&w.fa, RW, 0, 16 * B, 16 * B, NFS4_OK);
	pnfs_peer_return(&w.fa, ANY, B + 1, 2 * B, NFS4_OK);
	NFS_CHECK(t, is_free(&w, 2 * B, B));
	NFS_CHECK(t, !is_free(&w, B, B));
	two_close(&w);
}

/* Returned piece by piece, in an odd order: with the last one the layout is gone. */
static FIBER_FN void test_all_ranges_are_the_whole(struct nfs_test *t)
{
	static const uint64_t order[] = { 3, 0, 2, 1 };
	struct two w;

	two_open(t, &w);
	pnfs_peer_get(&w.fa, RW, 0, 16 * B, 16 * B, NFS4_OK);
	for (unsigned int i = 0; i < 4; i++) {
		NFS_CHECK(t, w.fa.has_layout);
		pnfs_peer_return(&w.fa, ANY, order[i] * 4 * B, 4 * B, NFS4_OK);
	}
	/* What was granted beyond that. */
	if (w.fa.has_layout)
		pnfs_peer_return(&w.fa, ANY, 16 * B, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, !w.fa.has_layout);
	two_close(&w);
}

static FIBER_FN void test_iomodes(struct nfs_test *t)
{
	struct two w;

	/* Linux is not believed that (tests/nfs/test_pnfs_proof.c). */
	two_open_as(t, &w, "Lamina test");
	pnfs_peer_get(&w.fa, RD, 0, 8 * B, 8 * B, NFS4_OK);
	pnfs_peer_get(&w.fa, RW, 8 * B, 8 * B, 8 * B, NFS4_OK);
	pnfs_peer_return(&w.fa, RW, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, w.fa.has_layout);
	NFS_CHECK(t, is_free(&w, 8 * B, 8 * B));
	NFS_IS(t, (int)pnfs_peer_ask(&w.fb, RD, 0, 8 * B, 8 * B), NFS4_OK);
	pnfs_peer_return(&w.fb, ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_return(&w.fa, RD, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, !w.fa.has_layout);
	NFS_CHECK(t, is_free(&w, 0, 16 * B));
	NFS_CHECK_EQ(t, w.a->nr_recalls, 0);
	two_close(&w);
}

static FIBER_FN void test_returns_of_nothing(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
	/* Held by nobody, but not nonsense. */
	pnfs_peer_return(&f, ANY, 1ull << 40, B, NFS4_OK);
	NFS_CHECK(t, f.has_layout);
	pnfs_peer_return(&f, ANY, 0, 0, NFS4ERR_INVAL);
	pnfs_peer_return(&f, ANY, PNFS_ALL - 5, 10, NFS4ERR_INVAL);
	pnfs_peer_return(&f, (layoutiomode4)4, 0, PNFS_ALL, NFS4ERR_BADIOMODE);
	pnfs_peer_return(&f, ANY, 0, PNFS_ALL, NFS4_OK);
	NFS_CHECK(t, !f.has_layout);
	pnfs_peer_free(peer);
}

static FIBER_FN void test_return_stateids(struct nfs_test *t)
{
	struct two w;
	stateid4 mine;

	two_open(t, &w);
	pnfs_peer_get(&w.fa, RD, 0, B, B, NFS4_OK);
	pnfs_peer_get(&w.fb, RD, 0, B, B, NFS4_OK);
	mine = w.fa.layout;
	w.fa.layout = w.fb.layout;
	pnfs_peer_return(&w.fa, ANY, 0, PNFS_ALL, NFS4ERR_BAD_STATEID);
	w.fa.layout = w.fa.open.stateid;
	pnfs_peer_return(&w.fa, ANY, 0, PNFS_ALL, NFS4ERR_BAD_STATEID);
	w.fa.layout = nfs_stateid_anonymous;
	pnfs_peer_return(&w.fa, ANY, 0, PNFS_ALL, NFS4ERR_BAD_STATEID);
	w.fa.layout = nfs_state_seqid(&mine, mine.seqid + 1);
	pnfs_peer_return(&w.fa, ANY, 0, PNFS_ALL, NFS4ERR_BAD_STATEID);
	NFS_CHECK_EQ(t, nfs_state_test(&w.b->s, &w.fb.layout), NFS4_OK);
	w.fa.layout = mine;
	pnfs_peer_return(&w.fa, ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_return(&w.fa, ANY, 0, PNFS_ALL, NFS4ERR_BAD_STATEID);
	two_close(&w);
}

/* LAYOUTRETURN4_FSID and _ALL: of this client, of every file, and nobody else's. */
static FIBER_FN void return_many(struct pnfs_peer *peer, const struct nfs_fh *fh, layoutreturn_type4 how,
				 layoutiomode4 iomode)
{
	struct nfs_layoutreturn ret = { .type = LAYOUT4_SCSI, .iomode = iomode, .how = how };
	struct nfs_compound *c = &peer->s.t->c;
	layoutreturn_stateid left;
	uint32_t at;

	nfs_session_begin(peer->s.session, c);
	nfs_op_putfh(c, fh);
	at = nfs_op_layoutreturn(c, &ret);
	NFS_SEND_IN(peer->s.t, peer->s.session, c, NFS4_OK);
	NFS_IS(peer->s.t, nfs_op_got_layoutreturn(c, at, &left), 0);
	NFS_CHECK(peer->s.t, !left.lrs_present);
}

static FIBER_FN void many_files(struct nfs_test *t, layoutreturn_type4 how)
{
	struct pnfs_peer_file files[3];
	char name[16];
	struct two w;

	two_open(t, &w);
	pnfs_peer_get(&w.fb, RD, 0, B, B, NFS4_OK);
	for (unsigned int i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(name, sizeof(name), "f%u", i);
		pnfs_peer_open(w.a, name, &files[i]);
		pnfs_peer_get(&files[i], RW, 0, 4 * B, 4 * B, NFS4_OK);
	}
	return_many(w.a, &files[0].open.fh, how, RD);
	NFS_CHECK_EQ(t, nfs_state_test(&w.a->s, &files[0].layout), NFS4_OK);
	return_many(w.a, &files[0].open.fh, how, ANY);
	for (unsigned int i = 0; i < ARRAY_SIZE(files); i++) {
		files[i].has_layout = false;
		pnfs_peer_get(&files[i], RW, 0, B, B, NFS4_OK);
	}
	NFS_CHECK_EQ(t, nfs_state_test(&w.b->s, &w.fb.layout), NFS4_OK);
	return_many(w.a, &files[0].open.fh, how, ANY);
	return_many(w.a, &files[0].open.fh, how, ANY);
	two_close(&w);
}

static FIBER_FN void test_return_of_a_file_system(struct nfs_test *t)
{
	many_files(t, LAYOUTRETURN4_FSID);
}

static FIBER_FN void test_return_of_everything(struct nfs_test *t)
{
	many_files(t, LAYOUTRETURN4_ALL);
}

/* Sent again after a broken connection it is the same return, not a second one (I6). */
static FIBER_FN void test_return_across_a_kill(struct nfs_test *t)
{
	/* Linux would be asked once more (tests/nfs/test_pnfs_proof.c). */
	struct pnfs_peer *peer = pnfs_peer_new(t, "Lamina test", NULL);
	struct nfs_compound *c = &t->c;
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	for (unsigned int i = 0; i < 6; i++) {
		struct nfs_layoutreturn ret = {
			.type = LAYOUT4_SCSI, .iomode = ANY, .how = LAYOUTRETURN4_FILE, .length = PNFS_ALL
		};

		f.has_layout = false;
		pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
		ret.stateid = f.layout;
		nfs_session_begin(peer->s.session, c);
		nfs_op_putfh(c, &f.open.fh);
		nfs_op_layoutreturn(c, &ret);
		NFS_IS(t, nfs_session_start(peer->s.session, c), 0);
		fiber_sleep_ns(i * 60000ull);
		nfs_test_restart(t);
		nfs_conn_drop(peer->tc->conn);
		NFS_IS(t, nfs_session_wait(peer->s.session, c), 0);
		NFS_IS(t, (int)c->status, NFS4_OK);
	}
	pnfs_peer_free(peer);
}

static FIBER_FN uint64_t space_free(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	return nfs_state_getattr(&s, &t->dir, NFS_ATTRS(FATTR4_SPACE_FREE)).space_free;
}

static FIBER_FN void space_comes_back(struct nfs_test *t, const char *impl)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, impl, NULL);
	uint64_t before, held;
	struct pnfs_peer_file f;

	pnfs_peer_make(peer, "f", 4 * B, 'x', &f);
	pnfs_peer_close(&f, NFS4_OK);
	fiber_sleep_ns(5000000000);
	before = space_free(t);
	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 4 * B, 8 << 20, 8 << 20, NFS4_OK);
	held = space_free(t);
	NFS_CHECK(t, held + (8 << 20) <= before);
	pnfs_peer_return(&f, ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_close(&f, NFS4_OK);
	for (unsigned int i = 0; i < 20 && space_free(t) + (1 << 20) < before; i++)
		fiber_sleep_ns(NSEC_PER_SEC);
	NFS_CHECK(t, space_free(t) + (1 << 20) >= before);
	f.open = nfs_state_share(&peer->s, "f", NULL, NFS_OPEN_READ, 0, NFS4_OK);
	pnfs_peer_expect(&f, 0, 4 * B, 'x');
	pnfs_peer_free(peer);
}

/* Space that was taken ahead comes back with the file closed, whether it is unwritten or was made zeros. */
static FIBER_FN void test_space_comes_back(struct nfs_test *t)
{
	space_comes_back(t, pnfs_linux_new);
	space_comes_back(t, pnfs_linux_old);
}

/* What was written and not committed is not given to anybody with its contents (I2, I3). */
static FIBER_FN void test_returned_space_is_not_shown(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL), *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 << 20, 8 << 20, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, 8 << 20, 's'), 0);
	pnfs_peer_return(&f, ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_close(&f, NFS4_OK);
	fiber_sleep_ns(2000000000);
	pnfs_peer_open(other, "g", &g);
	pnfs_peer_put(&g, 16 << 20, 1, 'g');
	pnfs_peer_get(&g, RW, 0, 16 << 20, 16 << 20, NFS4_OK);
	pnfs_peer_commit(&g, NULL, 0, 0, NFS4_OK);
	pnfs_peer_expect(&g, 0, 16 << 20, 0);
	pnfs_peer_free(peer);
	pnfs_peer_free(other);
}

/* CLOSE without LAYOUTRETURN: the layout goes on as the server said (return_on_close), and is good for reading. */
static FIBER_FN void test_close_without_a_return(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;
	struct nfs_layoutget get;

	pnfs_peer_make(peer, "f", 4 * B, 'x', &f);
	pnfs_peer_close(&f, NFS4_OK);
	f.open = nfs_state_share(&peer->s, "f", NULL, NFS_OPEN_READ, 0, NFS4_OK);
	pnfs_peer_get(&f, RD, 0, 4 * B, 4 * B, NFS4_OK);
	NFS_CHECK(t, !f.got.return_on_close);
	pnfs_peer_close(&f, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_test(&peer->s, &f.layout), NFS4_OK);
	f.open = nfs_state_share(&peer->s, "f", NULL, NFS_OPEN_READ, 0, NFS4_OK);
	get = (struct nfs_layoutget){
		.type = LAYOUT4_SCSI, .iomode = RD, .length = B, .minlength = B, .stateid = f.layout
	};
	pnfs_peer_get_as(&f, &get, NFS4_OK);
	pnfs_peer_free(peer);
}

/*
 * A client that has nothing in use answers a recall so, and sends no LAYOUTRETURN: blocks that it has committed are
 * then another's in one piece, and not one after the other as far as each is asked for.
 */
static FIBER_FN void test_no_match_of_committed_blocks(struct nfs_test *t)
{
	struct two w;

	two_open(t, &w);
	pnfs_peer_get(&w.fa, RW, 0, 16 * B, 16 * B, NFS4_OK);
	w.a->manner = PNFS_NO_MATCH;
	pnfs_peer_get(&w.fb, RW, 0, 16 * B, B, NFS4_OK);
	NFS_CHECK_EQ(t, w.a->nr_recalls, 1);
	NFS_CHECK_EQ(t, w.fb.got.len, 16 * B);
	two_close(&w);
}

/* So are those that it may have written, when it has closed the file. */
static FIBER_FN void test_no_match_after_close(struct nfs_test *t)
{
	struct two w;

	two_open(t, &w);
	pnfs_peer_get(&w.fa, RW, 16 * B, 16 * B, 16 * B, NFS4_OK);
	w.a->manner = PNFS_NO_MATCH;
	pnfs_peer_close(&w.fa, NFS4_OK);
	pnfs_peer_get(&w.fb, RW, 16 * B, 16 * B, B, NFS4_OK);
	NFS_CHECK_EQ(t, w.fb.got.len, 16 * B);
	two_close(&w);
}

/* FREE_STATEID of what is held is refused (18.38.3). */
static FIBER_FN void test_free_stateid(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, B, B, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_test(&peer->s, &f.layout), NFS4_OK);
	nfs_state_free(&peer->s, &f.layout, NFS4ERR_LOCKS_HELD);
	pnfs_peer_return(&f, ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_free(peer);
}

/* A layout is what keeps a client id alive (18.50.3). */
static FIBER_FN void test_destroy_clientid(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_make(peer, "f", B, 'x', &f);
	pnfs_peer_get(&f, RD, 0, B, B, NFS4_OK);
	pnfs_peer_close(&f, NFS4_OK);
	NFS_IS(t, nfs_session_close(peer->tc->session), 0);
	peer->tc->session = NULL;
	NFS_IS(t, nfs_client_destroy(&peer->tc->client, peer->tc->conn), NFS4ERR_CLIENTID_BUSY);
	pnfs_peer_free(peer);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_a_range_is_returned, "RFC 8881, 18.44.3"),
	NFS_TEST(test_parts_of_blocks_are_not_returned, "RFC 8881, 18.44.3"),
	NFS_TEST(test_all_ranges_are_the_whole, "RFC 8881, 18.44.3"),
	NFS_TEST(test_iomodes, "RFC 8881, 18.44.3"),
	NFS_TEST(test_returns_of_nothing, "RFC 8881, 18.44.3"),
	NFS_TEST(test_return_stateids, "RFC 8881, 12.5.3"),
	NFS_TEST(test_return_of_a_file_system, "RFC 8881, 18.44.3"),
	NFS_TEST(test_return_of_everything, "RFC 8881, 18.44.3"),
	NFS_TEST(test_return_across_a_kill, "RFC 8881, 2.10.6"),
	NFS_TEST(test_space_comes_back, "RFC 8154, 2.3.1"),
	NFS_TEST(test_returned_space_is_not_shown, "RFC 8154, 2.3.1"),
	NFS_TEST(test_close_without_a_return, "RFC 8881, 18.43.3"),
	NFS_TEST(test_no_match_of_committed_blocks, "RFC 8881, 20.3.3"),
	NFS_TEST(test_no_match_after_close, "RFC 8881, 20.3.3"),
	NFS_TEST(test_free_stateid, "RFC 8881, 18.38.3"),
	NFS_TEST(test_destroy_clientid, "RFC 8881, 18.50.3"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
