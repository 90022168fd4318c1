/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a silent client's opens and locks: kept until somebody needs them, then revoked. */

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/lib/nfs_state.h"

#define R  OPEN4_SHARE_ACCESS_READ
#define W  OPEN4_SHARE_ACCESS_WRITE
#define RW OPEN4_SHARE_ACCESS_BOTH

static struct nfs_lock range(nfs_lock_type4 type, uint64_t off, uint64_t len)
{
	return (struct nfs_lock){ .type = type, .offset = off, .length = len };
}

/* Let everybody but the test's first client be silent for somewhat more than a lease. */
FIBER_FN static void outlast_the_lease(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	uint64_t lease_s = nfs_state_getattr(&s, &s.dir, NFS_ATTRS(FATTR4_LEASE_TIME)).lease_time;

	if (t->is_external)
		nfs_test_skip(t, "it takes minutes of true time");
	for (uint64_t i = 0; i < lease_s + 20; i += 10) {
		fiber_sleep_ns(10 * NSEC_PER_SEC);
		NFS_IS(t, nfs_session_ping(t->session), 0);
	}
}

FIBER_FN static void test_kept_while_nobody_needs_it(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), silent = nfs_state_other(t, NULL);
	struct nfs_state_open f;

	f = nfs_state_make(&silent, "f", NULL);
	outlast_the_lease(t);
	nfs_state_share(&s, "f", NULL, RW, 0, NFS4_OK);
	nfs_state_write(&silent, &f.fh, &f.stateid, NFS4_OK);
	NFS_CHECK_EQ(t, silent.session->status_flags, 0);
}

FIBER_FN static void test_deny_gives_way(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), silent = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&silent, "f", "a"), g;

	nfs_state_close(&silent, &f.fh, &f.stateid, NFS4_OK);
	f = nfs_state_share(&silent, "f", "a", R, OPEN4_SHARE_DENY_WRITE, NFS4_OK);
	nfs_state_share(&s, "f", NULL, RW, 0, NFS4ERR_SHARE_DENIED);
	outlast_the_lease(t);
	g = nfs_state_share(&s, "f", NULL, RW, 0, NFS4_OK);
	nfs_state_write(&s, &g.fh, &g.stateid, NFS4_OK);
	nfs_state_read(&silent, &f.fh, &f.stateid, NFS4ERR_EXPIRED);
	NFS_CHECK(t, silent.session->status_flags &
			     (SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED | SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED));
	NFS_CHECK_EQ(t, nfs_state_test(&silent, &f.stateid), NFS4ERR_EXPIRED);
	nfs_state_free(&silent, &f.stateid, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_test(&silent, &f.stateid), NFS4ERR_BAD_STATEID);
	NFS_IS(t, nfs_session_ping(silent.session), 0);
	NFS_CHECK_EQ(t, silent.session->status_flags, 0);
}

FIBER_FN static void test_lock_gives_way(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), silent = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&silent, "f", NULL), g;
	struct nfs_lock lock = range(WRITE_LT, 0, 10);
	stateid4 old;

	old = nfs_state_lock_first(&silent, &f, &lock, NFS4_OK);
	g = nfs_state_share(&s, "f", NULL, RW, 0, NFS4_OK);
	nfs_state_lock_first(&s, &g, &lock, NFS4ERR_DENIED);
	outlast_the_lease(t);
	nfs_state_lock_first(&s, &g, &lock, NFS4_OK);
	nfs_state_write(&silent, &f.fh, &old, NFS4ERR_EXPIRED);
	nfs_state_unlock(&silent, &f.fh, &old, 0, 10, NFS4ERR_EXPIRED);
	/* The open was in nobody's way. */
	nfs_state_write(&silent, &f.fh, &f.stateid, NFS4_OK);
	nfs_state_free(&silent, &old, NFS4_OK);
}

FIBER_FN static void test_lockt_does_not_see_it(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), silent = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&silent, "f", NULL);
	struct nfs_lock lock = range(WRITE_LT, 0, 10);

	nfs_state_lock_first(&silent, &f, &lock, NFS4_OK);
	outlast_the_lease(t);
	nfs_state_lockt(&s, &f.fh, &lock, NFS4_OK, NULL);
}

FIBER_FN static void test_anonymous_io_does_not_stop_at_it(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), silent = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&silent, "f", NULL);

	nfs_state_close(&silent, &f.fh, &f.stateid, NFS4_OK);
	f = nfs_state_share(&silent, "f", NULL, R, OPEN4_SHARE_DENY_BOTH, NFS4_OK);
	nfs_state_read(&s, &f.fh, &nfs_stateid_anonymous, NFS4ERR_LOCKED);
	outlast_the_lease(t);
	nfs_state_read(&s, &f.fh, &nfs_stateid_anonymous, NFS4_OK);
}

FIBER_FN static void test_who_comes_back_in_time_keeps_all(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), silent = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&silent, "f", NULL), g;
	struct nfs_lock lock = range(WRITE_LT, 0, 10);

	nfs_state_lock_first(&silent, &f, &lock, NFS4_OK);
	g = nfs_state_share(&s, "f", NULL, RW, 0, NFS4_OK);
	outlast_the_lease(t);
	NFS_IS(t, nfs_session_ping(silent.session), 0);
	nfs_state_lock_first(&s, &g, &lock, NFS4ERR_DENIED);
}

FIBER_FN static void test_locks_go_with_a_revoked_open(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), silent = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&silent, "f", NULL), g;
	struct nfs_lock lock = range(WRITE_LT, 0, 10);
	stateid4 old;

	nfs_state_close(&silent, &f.fh, &f.stateid, NFS4_OK);
	f = nfs_state_share(&silent, "f", NULL, RW, OPEN4_SHARE_DENY_WRITE, NFS4_OK);
	old = nfs_state_lock_first(&silent, &f, &lock, NFS4_OK);
	outlast_the_lease(t);
	g = nfs_state_share(&s, "f", NULL, RW, 0, NFS4_OK);
	nfs_state_lock_first(&s, &g, &lock, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_state_test(&silent, &f.stateid), NFS4ERR_EXPIRED);
	NFS_CHECK_EQ(t, nfs_state_test(&silent, &old), NFS4ERR_EXPIRED);
	nfs_state_free(&silent, &f.stateid, NFS4_OK);
	nfs_state_free(&silent, &old, NFS4_OK);
}

FIBER_FN static void test_waiter_is_told_of_nothing_revoked(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), silent = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&silent, "f", NULL), g;
	struct nfs_lock lock = range(WRITE_LT, 0, 10), waits = range(WRITEW_LT, 0, 10);

	nfs_state_lock_first(&silent, &f, &lock, NFS4_OK);
	g = nfs_state_share(&s, "f", NULL, RW, 0, NFS4_OK);
	nfs_state_lock_first(&s, &g, &waits, NFS4ERR_DENIED);
	outlast_the_lease(t);
	/* It asks again by itself, and gets it. */
	nfs_state_lock_first(&s, &g, &waits, NFS4_OK);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_kept_while_nobody_needs_it, "RFC 8881, 8.4.2.4"),
	NFS_TEST(test_deny_gives_way, "RFC 8881, 8.4.3"),
	NFS_TEST(test_lock_gives_way, "RFC 8881, 8.4.3"),
	NFS_TEST(test_lockt_does_not_see_it, "RFC 8881, 8.4.3"),
	NFS_TEST(test_anonymous_io_does_not_stop_at_it, "RFC 8881, 8.4.3"),
	NFS_TEST(test_who_comes_back_in_time_keeps_all, "RFC 8881, 8.3"),
	NFS_TEST(test_locks_go_with_a_revoked_open, "RFC 8881, 8.5"),
	NFS_TEST(test_waiter_is_told_of_nothing_revoked, "RFC 8881, 8.4.3"),
};

NFS_TEST_MAIN(cases)
