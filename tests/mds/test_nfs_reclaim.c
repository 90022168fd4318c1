/* SPDX-License-Identifier: Apache-2.0 */
/* Grace and reclaim, after the state of clients was discarded. */

#include "dev/fiber.h"
#include "tests/lib/nfs_state.h"
#include "tests/lib/nfs_test_start.h"

#define R  OPEN4_SHARE_ACCESS_READ
#define W  OPEN4_SHARE_ACCESS_WRITE
#define RW OPEN4_SHARE_ACCESS_BOTH

/* The test's first client after the server has forgotten it; it had "f" open for reading and writing. */
struct back {
	struct nfs_state s;
	struct nfs_test_client *tc;
	struct nfs_state_open f;
};

/* Come to the server again, as @identity, without RECLAIM_COMPLETE. */
FIBER_FN static struct nfs_test_client *come(struct nfs_test *t, const struct nfs_identity *identity)
{
	struct nfs_session_options opt = { .skips_reclaim_complete = true };
	struct nfs_test_client *tc = nfs_test_client_bare(t, identity);

	NFS_IS(t, nfs_client_exchange_id(&tc->client, tc->conn), 0);
	NFS_IS(t, nfs_session_open(&tc->client, tc->conn, &opt, &tc->session), 0);
	return tc;
}

FIBER_FN static struct back come_back(struct nfs_test *t)
{
	struct back b = { .s = nfs_state_first(t) };

	if (t->is_external)
		nfs_test_skip(t, "it is not ours to restart");
	b.f = nfs_state_make(&b.s, "f", NULL);
	NFS_IS(t, nfs_test_kill_discard(t), 0);
	b.tc = come(t, &t->client->identity);
	b.s.session = b.tc->session;
	return b;
}

FIBER_FN static stateid4 reclaim(struct back *b, uint32_t access, nfsstat4 want)
{
	struct nfs_compound *c = &b->s.t->c;
	struct nfs_argop4 op = { .argop = OP_OPEN };
	OPEN4args *args = &op.nfs_argop4_u.opopen;
	stateid4 stateid = { 0 };
	char owner[] = "owner";
	uint32_t at;

	args->share_access = access;
	args->owner.owner.owner_len = 5;
	args->owner.owner.owner_val = owner;
	args->claim.claim = CLAIM_PREVIOUS;
	nfs_session_begin(b->s.session, c);
	nfs_op_putfh(c, &b->f.fh);
	at = nfs_compound_add(c, &op);
	NFS_SEND_IN(b->s.t, b->s.session, c, want);
	if (!want)
		NFS_IS(b->s.t, nfs_op_got_stateid(c, at, &stateid), 0);
	return stateid;
}

FIBER_FN static void complete(struct back *b, nfsstat4 want)
{
	nfs_session_begin(b->s.session, &b->s.t->c);
	nfs_op_reclaim_complete(&b->s.t->c, false);
	NFS_SEND_IN(b->s.t, b->s.session, &b->s.t->c, want);
}

FIBER_FN static void test_reclaim_an_open(struct nfs_test *t)
{
	struct back b = come_back(t);
	stateid4 stateid = reclaim(&b, RW, NFS4_OK);

	nfs_state_write(&b.s, &b.f.fh, &stateid, NFS4_OK);
	complete(&b, NFS4_OK);
	nfs_state_write(&b.s, &b.f.fh, &stateid, NFS4_OK);
	nfs_state_close(&b.s, &b.f.fh, &stateid, NFS4_OK);
}

FIBER_FN static void test_old_stateids_are_gone(struct nfs_test *t)
{
	struct back b = come_back(t);

	NFS_CHECK_EQ(t, nfs_state_test(&b.s, &b.f.stateid), NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_nothing_new_in_grace(struct nfs_test *t)
{
	struct back b = come_back(t);

	nfs_state_share(&b.s, "f", NULL, R, 0, NFS4ERR_GRACE);
	nfs_state_read(&b.s, &b.f.fh, &nfs_stateid_anonymous, NFS4ERR_GRACE);
}

FIBER_FN static void test_nothing_to_reclaim_once_complete(struct nfs_test *t)
{
	struct back b = come_back(t);

	complete(&b, NFS4_OK);
	reclaim(&b, R, NFS4ERR_NO_GRACE);
}

FIBER_FN static void test_reclaim_a_lock(struct nfs_test *t)
{
	struct back b = come_back(t);
	struct nfs_lock lock = { .type = WRITE_LT, .offset = 0, .length = 10 };
	struct nfs_state_open again = { .fh = b.f.fh, .stateid = reclaim(&b, RW, NFS4_OK) };

	nfs_state_lock_first(&b.s, &again, &lock, NFS4ERR_GRACE);
	lock.reclaim = true;
	nfs_state_lock_first(&b.s, &again, &lock, NFS4_OK);
	complete(&b, NFS4_OK);
	lock.reclaim = false;
	lock.owner = "else";
	nfs_state_lock_first(&b.s, &again, &lock, NFS4ERR_DENIED);
}

FIBER_FN static void test_strangers_reclaim_nothing(struct nfs_test *t)
{
	struct back b = come_back(t);

	b.s.session = come(t, NULL)->session;
	reclaim(&b, R, NFS4ERR_RECLAIM_BAD);
	nfs_state_share(&b.s, "f", NULL, R, 0, NFS4ERR_GRACE);
}

/* config's grace time, see nfs_test_start.c */
#define GRACE_NS (30 * NSEC_PER_SEC)

FIBER_FN static void test_grace_lasts_while_somebody_reclaims(struct nfs_test *t)
{
	struct back b = come_back(t);

	fiber_sleep_ns(GRACE_NS / 3 * 2);
	reclaim(&b, RW, NFS4_OK);
	fiber_sleep_ns(GRACE_NS / 3 * 2);
	nfs_state_share(&b.s, "f", NULL, R, 0, NFS4ERR_GRACE);
	fiber_sleep_ns(2 * GRACE_NS);
	NFS_IS(t, nfs_session_ping(b.s.session), 0);
	reclaim(&b, RW, NFS4ERR_NO_GRACE);
}

FIBER_FN static void test_grace_goes_on_after_a_normal_restart(struct nfs_test *t)
{
	struct back b = come_back(t);
	stateid4 stateid;

	NFS_IS(t, nfs_test_kill(t), 0);
	nfs_state_share(&b.s, "f", NULL, R, 0, NFS4ERR_GRACE);
	stateid = reclaim(&b, RW, NFS4_OK);
	complete(&b, NFS4_OK);
	nfs_state_write(&b.s, &b.f.fh, &stateid, NFS4_OK);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_reclaim_an_open, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_old_stateids_are_gone, "RFC 8881, 8.4.2"),
	NFS_TEST(test_nothing_new_in_grace, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_nothing_to_reclaim_once_complete, "RFC 8881, 18.51.3"),
	NFS_TEST(test_reclaim_a_lock, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_strangers_reclaim_nothing, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_grace_lasts_while_somebody_reclaims, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_grace_goes_on_after_a_normal_restart, "RFC 8881, 8.4.2.1"),
};

NFS_TEST_MAIN(cases)
