/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Layouts and kill -9: grants, stateids, keys, recalls and fences go on as if nothing had been (RFC
 * 8881, 8.4, 12.7.4). Where the state was discarded on purpose they end, and their holders cannot touch the blocks
 * any more (I3).
 */

#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/pnfs_test.h"

#define B  PNFS_BLOCK
#define RD LAYOUTIOMODE4_READ
#define RW LAYOUTIOMODE4_RW

static FIBER_FN void crash_with(struct nfs_test *t, struct pnfs_peer *a, struct pnfs_peer *b)
{
	nfs_test_restart(t);
	nfs_conn_drop(t->conn);
	if (a)
		nfs_conn_drop(a->tc->conn);
	if (b)
		nfs_conn_drop(b->tc->conn);
}

/* They have noticed, and are there for callbacks again. */
static FIBER_FN void reconnect(struct nfs_test *t, struct pnfs_peer *a, struct pnfs_peer *b)
{
	NFS_IS(t, nfs_session_ping(a->s.session), 0);
	NFS_IS(t, nfs_session_ping(b->s.session), 0);
}

/* Seconds, while these clients stay alive. */
static FIBER_FN void live_on(struct nfs_test *t, struct pnfs_peer *a, struct pnfs_peer *b, unsigned int seconds)
{
	for (unsigned int i = 0; i < seconds; i += 5) {
		fiber_sleep_ns(5000000000);
		NFS_IS(t, nfs_session_ping(t->session), 0);
		if (a)
			NFS_IS(t, nfs_session_ping(a->s.session), 0);
		if (b)
			NFS_IS(t, nfs_session_ping(b->s.session), 0);
	}
}

static FIBER_FN void test_layouts_go_on(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f;

	pnfs_peer_open(peer, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	for (uint64_t i = 0; i < 4; i++) {
		NFS_IS(t, pnfs_peer_dev_write(&f, i * B, B, 'x'), 0);
		crash_with(t, peer, NULL);
		NFS_CHECK_EQ(t, nfs_state_test(&peer->s, &f.layout), NFS4_OK);
		/* What was not flushed before the power went is the client's to write again. */
		NFS_IS(t, pnfs_peer_dev_write(&f, i * B, B, 'x'), 0);
		pnfs_peer_commit_range(&f, i * B, B);
		pnfs_peer_expect(&f, i * B, B, 'x');
		pnfs_peer_get(&f, RW, (100 + i) * B, B, B, NFS4_OK);
		pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	}
	NFS_CHECK_EQ(t, peer->nr_recalls, 0);
	pnfs_peer_return(&f, LAYOUTIOMODE4_ANY, 0, PNFS_ALL, NFS4_OK);
	pnfs_peer_free(peer);
}

/* What was granted before is in the way of others afterwards (I4). */
static FIBER_FN void test_grants_still_exclude(struct nfs_test *t)
{
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, NULL), *b = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file fa, fb;

	a->manner = PNFS_RETURNS;
	pnfs_peer_open(a, "f", &fa);
	pnfs_peer_open(b, "f", &fb);
	pnfs_peer_get(&fa, RW, 0, 8 * B, 8 * B, NFS4_OK);
	pnfs_peer_get(&fb, RW, 8 * B, 8 * B, 8 * B, NFS4_OK);
	crash_with(t, a, b);
	reconnect(t, a, b);
	NFS_IS(t, (int)pnfs_peer_insist(&fb, RW, 4 * B, B, 10), NFS4_OK);
	NFS_CHECK_EQ(t, a->nr_recalls, 1);
	NFS_CHECK_EQ(t, b->nr_recalls, 0);
	pnfs_peer_free(a);
	pnfs_peer_free(b);
}

/* The reply was lost with the server: the client sends the LAYOUTGET again, and what it gets is whole. */
static FIBER_FN void test_get_across_a_kill(struct nfs_test *t)
{
	struct pnfs_peer *peer = pnfs_peer_new(t, NULL, NULL);
	struct nfs_compound *c = &t->c;
	struct pnfs_peer_file f;
	LAYOUTGET4resok ok;

	pnfs_peer_open(peer, "f", &f);
	for (unsigned int i = 0; i < 10; i++) {
		struct nfs_layoutget get = { .type = LAYOUT4_SCSI,
					     .iomode = RW,
					     .offset = i * 8 * B,
					     .length = 8 * B,
					     .minlength = 8 * B,
					     .stateid = f.has_layout ? f.layout : f.open.stateid };
		uint32_t at;

		nfs_session_begin(peer->s.session, c);
		nfs_op_putfh(c, &f.open.fh);
		at = nfs_op_layoutget(c, &get);
		NFS_IS(t, nfs_session_start(peer->s.session, c), 0);
		fiber_sleep_ns(i * 60000ull);
		crash_with(t, peer, NULL);
		NFS_IS(t, nfs_session_wait(peer->s.session, c), 0);
		NFS_IS(t, (int)c->status, NFS4_OK);
		NFS_IS(t, nfs_op_got_layout(c, at, &ok), 0);
		f.layout = ok.logr_stateid;
		f.has_layout = true;
		pnfs_peer_get(&f, RW, i * 8 * B, 8 * B, 8 * B, NFS4_OK);
		NFS_IS(t, pnfs_peer_dev_write(&f, i * 8 * B, 8 * B, 'x'), 0);
		pnfs_peer_commit_range(&f, i * 8 * B, 8 * B);
	}
	pnfs_peer_expect(&f, 0, 80 * B, 'x');
	pnfs_peer_free(peer);
}

/* Nobody waits longer because of it: what the holder does not give back is taken, before or after. */
static FIBER_FN void test_recall_across_a_kill(struct nfs_test *t)
{
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, NULL), *b = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file fa, fb;

	a->manner = PNFS_SAYS_OK;
	pnfs_peer_open(a, "f", &fa);
	pnfs_peer_open(b, "f", &fb);
	pnfs_peer_get(&fa, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&fa, 0, B, 'a'), 0);
	NFS_CHECK(t, pnfs_peer_ask(&fb, RW, 0, B, B) != NFS4_OK);
	live_on(t, a, b, 10);
	crash_with(t, a, b);
	NFS_IS(t, (int)pnfs_peer_insist(&fb, RW, 0, B, 120), NFS4_OK);
	NFS_CHECK(t, !sim_reserve_has_key(nfs_test_reserve(t, 0), a->key[0]));
	NFS_IS(t, pnfs_peer_dev_write(&fa, 0, B, 'z'), -EBADE);
	pnfs_peer_free(a);
	pnfs_peer_free(b);
}

/* Not even where the server is killed so often that none of its lives is as long as the time for a recall. */
static FIBER_FN void recall_across_kills(struct nfs_test *t, enum pnfs_manner manner)
{
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, NULL), *b = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file fa, fb;
	nfsstat4 status = NFS4ERR_DELAY;
	unsigned int kills = 0;

	a->manner = manner;
	pnfs_peer_open(a, "f", &fa);
	pnfs_peer_open(b, "f", &fb);
	pnfs_peer_get(&fa, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&fa, 0, B, 'a'), 0);
	while (status != NFS4_OK && kills < 60) {
		status = pnfs_peer_insist(&fb, RW, 0, B, 5);
		if (status == NFS4_OK)
			break;
		crash_with(t, a, b);
		reconnect(t, a, b);
		kills++;
	}
	printf("killed %u times\n", kills);
	NFS_IS(t, (int)status, NFS4_OK);
	NFS_CHECK(t, kills > 2 && kills < 40);
	NFS_CHECK(t, !sim_reserve_has_key(nfs_test_reserve(t, 0), a->key[0]));
	NFS_IS(t, pnfs_peer_dev_write(&fa, 0, B, 'z'), -EBADE);
	pnfs_peer_free(a);
	pnfs_peer_free(b);
}

static FIBER_FN void test_recall_across_many_kills(struct nfs_test *t)
{
	recall_across_kills(t, PNFS_SAYS_OK);
}

static FIBER_FN void test_recall_put_off_across_many_kills(struct nfs_test *t)
{
	recall_across_kills(t, PNFS_SAYS_DELAY);
}

/* The fence has begun and the device does not obey; the server dies; its successor goes on until it is proved. */
static FIBER_FN void test_fence_across_a_kill(struct nfs_test *t)
{
	struct sim_reserve_faults faults = { .preempt_fails = true, .preempt_abort_hangs = true };
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, NULL), *b = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file fa, fb;

	a->manner = PNFS_SAYS_OK;
	pnfs_peer_open(a, "f", &fa);
	pnfs_peer_open(b, "f", &fb);
	pnfs_peer_get(&fa, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&fa, 0, B, 'a'), 0);
	sim_reserve_set_faults(nfs_test_reserve(t, 0), &faults);
	NFS_CHECK(t, pnfs_peer_insist(&fb, RW, 0, B, 90) != NFS4_OK);
	crash_with(t, a, b);
	NFS_CHECK(t, pnfs_peer_insist(&fb, RW, 0, B, 30) != NFS4_OK);
	faults = (struct sim_reserve_faults){ 0 };
	sim_reserve_set_faults(nfs_test_reserve(t, 0), &faults);
	NFS_IS(t, (int)pnfs_peer_insist(&fb, RW, 0, B, 180), NFS4_OK);
	NFS_CHECK(t, !sim_reserve_has_key(nfs_test_reserve(t, 0), a->key[0]));
	pnfs_peer_free(a);
	pnfs_peer_free(b);
}

/* A client that boots anew: what it had is gone, and it gets layouts again. */
static FIBER_FN void test_client_reboots(struct nfs_test *t)
{
	struct pnfs_peer *old = pnfs_peer_new(t, NULL, "Linux NFSv4.2 reboots.example"), *again;
	struct pnfs_peer *other = pnfs_peer_new(t, NULL, NULL);
	struct pnfs_peer_file f, g;

	pnfs_peer_open(old, "f", &f);
	pnfs_peer_get(&f, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&f, 0, B, 'o'), 0);
	again = pnfs_peer_new(t, NULL, "Linux NFSv4.2 reboots.example");
	pnfs_peer_open(other, "f", &g);
	NFS_IS(t, (int)pnfs_peer_insist(&g, RW, 0, B, 60), NFS4_OK);
	pnfs_peer_expect(&g, 0, 0, 0);
	pnfs_peer_open(again, "h", &g);
	NFS_IS(t, (int)pnfs_peer_insist(&g, RW, 0, B, 60), NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&g, 0, B, 'n'), 0);
	pnfs_peer_commit_range(&g, 0, B);
	pnfs_peer_expect(&g, 0, B, 'n');
	pnfs_peer_free(old);
	pnfs_peer_free(again);
	pnfs_peer_free(other);
}

/* Whoever gets the blocks next is alone with them. */
static FIBER_FN void test_discarded_state(struct nfs_test *t)
{
	struct pnfs_peer *a = pnfs_peer_new(t, NULL, NULL), *b;
	struct pnfs_peer_file fa, fb;

	pnfs_peer_make(a, "f", 8 * B, 'x', &fa);
	pnfs_peer_get(&fa, RW, 0, 8 * B, 8 * B, NFS4_OK);
	NFS_IS(t, nfs_test_kill_discard(t), 0);
	nfs_conn_drop(t->conn);
	nfs_conn_drop(a->tc->conn);
	fiber_sleep_ns(40000000000); /* the grace period */
	b = pnfs_peer_new(t, NULL, NULL);
	pnfs_peer_open(b, "f", &fb);
	NFS_IS(t, (int)pnfs_peer_insist(&fb, RW, 0, 8 * B, 120), NFS4_OK);
	NFS_IS(t, pnfs_peer_dev_write(&fb, 0, 8 * B, 'b'), 0);
	NFS_IS(t, pnfs_peer_dev_write(&fa, 0, 8 * B, 'z'), -EBADE);
	pnfs_peer_expect(&fb, 0, 8 * B, 'b');
	pnfs_peer_free(a);
	pnfs_peer_free(b);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_layouts_go_on, "RFC 8881, 12.7.4"),
	NFS_TEST(test_grants_still_exclude, "RFC 8881, 12.5.4"),
	NFS_TEST(test_get_across_a_kill, "RFC 8881, 2.10.6"),
	NFS_TEST(test_recall_across_a_kill, "RFC 8881, 12.5.5"),
	NFS_TEST(test_recall_across_many_kills, "RFC 8881, 12.5.5"),
	NFS_TEST(test_recall_put_off_across_many_kills, "RFC 8881, 12.5.5"),
	NFS_TEST(test_fence_across_a_kill, "RFC 8154, 2.4.10"),
	NFS_TEST(test_client_reboots, "RFC 8881, 12.7.1"),
	NFS_TEST(test_discarded_state, "RFC 8881, 12.7.4"),
};

int main(int argc, char **argv)
{
	pnfs_test_configure(LAYOUT4_SCSI);
	return nfs_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
