/* SPDX-License-Identifier: Apache-2.0 */
/* Opens, locks and revocations are the same after kill -9 as before; nobody reclaims anything. */

#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/nfs_state.h"

#define R  OPEN4_SHARE_ACCESS_READ
#define W  OPEN4_SHARE_ACCESS_WRITE
#define RW OPEN4_SHARE_ACCESS_BOTH

static struct nfs_lock range(nfs_lock_type4 type, uint64_t off, uint64_t len)
{
	return (struct nfs_lock){ .type = type, .offset = off, .length = len };
}

FIBER_FN static void test_open_goes_on(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL), again;

	nfs_state_write(&s, &f.fh, &f.stateid, NFS4_OK);
	nfs_test_restart(t);
	nfs_state_read(&s, &f.fh, &f.stateid, NFS4_OK);
	again = nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	NFS_CHECK(t, nfs_state_same(&again.stateid, &f.stateid));
	NFS_CHECK_EQ(t, again.stateid.seqid, f.stateid.seqid + 1);
	nfs_state_close(&s, &f.fh, &again.stateid, NFS4_OK);
}

FIBER_FN static void test_close_stays_closed(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &f.fh, &f.stateid, NFS4_OK);
	nfs_test_restart(t);
	nfs_state_close(&s, &f.fh, &f.stateid, NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_deny_goes_on(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);

	nfs_state_close(&s, &f.fh, &f.stateid, NFS4_OK);
	nfs_state_share(&s, "f", NULL, R, OPEN4_SHARE_DENY_WRITE, NFS4_OK);
	nfs_test_restart(t);
	nfs_state_share(&other, "f", NULL, W, 0, NFS4ERR_SHARE_DENIED);
	nfs_state_share(&other, "f", NULL, R, 0, NFS4_OK);
}

FIBER_FN static void test_downgrade_goes_on(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	stateid4 now;

	nfs_state_close(&s, &f.fh, &f.stateid, NFS4_OK);
	nfs_state_share(&s, "f", NULL, R, 0, NFS4_OK);
	f = nfs_state_share(&s, "f", NULL, W, 0, NFS4_OK);
	nfs_test_restart(t);
	/* Both OPENs are remembered each by itself. */
	now = nfs_state_downgrade(&s, &f.fh, &f.stateid, R, 0, NFS4_OK);
	nfs_test_restart(t);
	nfs_state_write(&s, &f.fh, &now, NFS4ERR_OPENMODE);
}

FIBER_FN static void test_exclusive_create_is_recognised(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_open open = { .name = "f", .creates = true, .mode = EXCLUSIVE4_1, .verifier = "1234567" };
	struct nfs_state_open f = nfs_state_open(&s, NULL, &open, NFS4_OK), again;

	nfs_test_restart(t);
	again = nfs_state_open(&s, NULL, &open, NFS4_OK);
	NFS_CHECK(t, memcmp(f.fh.bytes, again.fh.bytes, f.fh.len) == 0);
	open.verifier[3] ^= 1;
	nfs_state_open(&s, NULL, &open, NFS4ERR_EXIST);
}

FIBER_FN static void test_locks_go_on(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);
	struct nfs_lock lock = range(WRITE_LT, 0, 100), probe = range(READ_LT, 39, 1), more = range(WRITE_LT, 500, 1);
	stateid4 stateid = nfs_state_lock_first(&s, &f, &lock, NFS4_OK);

	stateid = nfs_state_unlock(&s, &f.fh, &stateid, 40, 20, NFS4_OK);
	nfs_test_restart(t);
	nfs_state_lockt(&other, &f.fh, &probe, NFS4ERR_DENIED, NULL);
	probe.offset = 60;
	nfs_state_lockt(&other, &f.fh, &probe, NFS4ERR_DENIED, NULL);
	probe.offset = 50;
	nfs_state_lockt(&other, &f.fh, &probe, NFS4_OK, NULL);
	stateid = nfs_state_lock(&s, &f.fh, &stateid, &more, NFS4_OK);
	nfs_state_unlock(&s, &f.fh, &stateid, 0, UINT64_MAX, NFS4_OK);
	nfs_test_restart(t);
	probe = range(WRITE_LT, 0, UINT64_MAX);
	nfs_state_lockt(&other, &f.fh, &probe, NFS4_OK, NULL);
}

FIBER_FN static void test_new_stateids_are_new(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL), g;

	nfs_state_close(&s, &f.fh, &f.stateid, NFS4_OK);
	nfs_test_restart(t);
	for (unsigned int i = 0; i < 20; i++) {
		g = nfs_state_make(&s, "g", NULL);
		NFS_CHECK(t, !nfs_state_same(&f.stateid, &g.stateid));
		nfs_state_close(&s, &g.fh, &g.stateid, NFS4_OK);
	}
}

FIBER_FN static void test_unlinked_lives_on(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open f = nfs_state_make(&s, "f", NULL);

	nfs_state_write(&s, &f.fh, &f.stateid, NFS4_OK);
	nfs_state_remove(&s, "f");
	nfs_test_restart(t);
	nfs_state_read(&s, &f.fh, &f.stateid, NFS4_OK);
	fiber_sleep_ns(5 * NSEC_PER_SEC);
	nfs_state_read(&s, &f.fh, &f.stateid, NFS4_OK);
}

FIBER_FN static void test_revoked_stays_revoked(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), silent = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&silent, "f", "a");

	if (t->is_external)
		nfs_test_skip(t, "it is not ours to restart");
	nfs_state_close(&silent, &f.fh, &f.stateid, NFS4_OK);
	f = nfs_state_share(&silent, "f", "a", R, OPEN4_SHARE_DENY_WRITE, NFS4_OK);
	for (unsigned int i = 0; i < 12; i++) {
		fiber_sleep_ns(10 * NSEC_PER_SEC);
		NFS_IS(t, nfs_session_ping(s.session), 0);
	}
	nfs_state_share(&s, "f", NULL, RW, 0, NFS4_OK);
	nfs_test_restart(t);
	NFS_CHECK_EQ(t, nfs_state_test(&silent, &f.stateid), NFS4ERR_EXPIRED);
	nfs_state_free(&silent, &f.stateid, NFS4_OK);
	nfs_test_restart(t);
	NFS_CHECK_EQ(t, nfs_state_test(&silent, &f.stateid), NFS4ERR_BAD_STATEID);
}

FIBER_FN static void test_courtesy_goes_on(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), silent = nfs_state_other(t, NULL);
	struct nfs_state_open f = nfs_state_make(&silent, "f", NULL), g;
	struct nfs_lock lock = range(WRITE_LT, 0, 10);

	nfs_state_lock_first(&silent, &f, &lock, NFS4_OK);
	nfs_test_restart(t);
	g = nfs_state_share(&s, "f", NULL, RW, 0, NFS4_OK);
	/* Its lease begins anew with the server. */
	nfs_state_lock_first(&s, &g, &lock, NFS4ERR_DENIED);
	for (unsigned int i = 0; i < 12; i++) {
		fiber_sleep_ns(10 * NSEC_PER_SEC);
		NFS_IS(t, nfs_session_ping(s.session), 0);
	}
	nfs_state_lock_first(&s, &g, &lock, NFS4_OK);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_open_goes_on, "RFC 8881, 8.4.2"),
	NFS_TEST(test_close_stays_closed, "RFC 8881, 8.4.2"),
	NFS_TEST(test_deny_goes_on, "RFC 8881, 8.4.2"),
	NFS_TEST(test_downgrade_goes_on, "RFC 8881, 18.18.3"),
	NFS_TEST(test_exclusive_create_is_recognised, "RFC 8881, 18.16.3"),
	NFS_TEST(test_locks_go_on, "RFC 8881, 8.4.2"),
	NFS_TEST(test_new_stateids_are_new, "RFC 8881, 8.2.1"),
	NFS_TEST(test_unlinked_lives_on, "RFC 8881, 18.16.3"),
	NFS_TEST(test_revoked_stays_revoked, "RFC 8881, 8.4.3"),
	NFS_TEST(test_courtesy_goes_on, "RFC 8881, 8.4.2.4"),
};

NFS_TEST_MAIN(cases)
