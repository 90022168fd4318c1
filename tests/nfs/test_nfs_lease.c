/* SPDX-License-Identifier: Apache-2.0 */

/* Leases: what a silent client keeps, and for how long (RFC 8881, 8.3, 8.4.3). */

#include "dev/fiber.h"
#include "tests/lib/nfs_raw.h"
#include "tests/lib/nfs_state.h"

/* Of our own server in tests; another's would take too long. */
#define LEASE	 (30 * NSEC_PER_SEC)
#define COURTESY (3600 * NSEC_PER_SEC)

static void ours(struct nfs_test *t)
{
	if (t->is_external)
		nfs_test_skip(t, "its lease is too long");
}

static FIBER_FN void test_lease_time_told(struct nfs_test *t)
{
	struct wire_attrs attrs;

	ours(t);
	NFS_IS(t, nfs_file_getattr(t->session, &t->dir, NFS_ATTRS(FATTR4_LEASE_TIME), &attrs), 0);
	NFS_CHECK_EQ(t, attrs.lease_time, LEASE / NSEC_PER_SEC);
}

/* Nobody wants what it holds: it goes on as if it had not slept. */
static FIBER_FN void test_courtesy(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);

	ours(t);
	fiber_sleep_ns(20 * LEASE);
	NFS_IS(t, nfs_session_ping(t->session), 0);
	NFS_CHECK_EQ(t, t->session->status_flags, 0);
	nfs_state_write(&s, &open.fh, &open.stateid, NFS4_OK);
}

static FIBER_FN void test_courtesy_ends(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	ours(t);
	nfs_state_make(&s, "f", NULL);
	fiber_sleep_ns(COURTESY + 4 * LEASE);
	NFS_IS(t, nfs_session_ping(t->session), NFS4ERR_BADSESSION);
	nfs_raw_destroy_client(t, t->conn, t->client->clientid, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_courtesy_ends_for_orphans(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other;
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);

	ours(t);
	nfs_state_remove(&s, "f");
	fiber_sleep_ns(COURTESY + 4 * LEASE);
	other = nfs_state_other(t, NULL);
	nfs_session_begin(other.session, &t->c);
	nfs_op_putfh(&t->c, &open.fh);
	NFS_SEND_IN(t, other.session, &t->c, NFS4ERR_STALE);
}

/* Whoever wants what a silent client denies gets it; the silent one is told. */
static FIBER_FN void test_conflict_takes_share(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other;
	struct nfs_open open = { .name = "f", .creates = true, .deny = OPEN4_SHARE_DENY_BOTH };
	struct nfs_state_open mine = nfs_state_open(&s, NULL, &open, NFS4_OK);

	ours(t);
	fiber_sleep_ns(2 * LEASE);
	other = nfs_state_other(t, NULL);
	nfs_state_share(&other, "f", NULL, NFS_OPEN_BOTH, 0, NFS4_OK);
	NFS_IS(t, nfs_session_ping(t->session), 0);
	NFS_CHECK(t, (t->session->status_flags &
		      (SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED | SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED)) != 0);
	NFS_CHECK_EQ(t, nfs_state_test(&s, &mine.stateid), NFS4ERR_EXPIRED);
}

static FIBER_FN void test_conflict_takes_lock(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other;
	struct nfs_state_open mine = nfs_state_make(&s, "f", NULL), theirs;
	struct nfs_lock lock = { .type = WRITE_LT, .length = 10 };

	ours(t);
	nfs_state_lock_first(&s, &mine, &lock, NFS4_OK);
	fiber_sleep_ns(2 * LEASE);
	other = nfs_state_other(t, NULL);
	theirs = nfs_state_make(&other, "f", NULL);
	nfs_state_lock_first(&other, &theirs, &lock, NFS4_OK);
}

/* In its lease it loses nothing. */
static FIBER_FN void test_no_conflict_within_lease(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_open open = { .name = "f", .creates = true, .deny = OPEN4_SHARE_DENY_BOTH };

	ours(t);
	nfs_state_open(&s, NULL, &open, NFS4_OK);
	for (int i = 0; i < 5; i++) {
		fiber_sleep_ns(LEASE - 3 * NSEC_PER_SEC);
		NFS_IS(t, nfs_session_ping(t->session), 0);
		nfs_state_share(&other, "f", NULL, NFS_OPEN_READ, 0, NFS4ERR_SHARE_DENIED);
	}
}

/* A replayed SEQUENCE renews the lease as well. */
static FIBER_FN void test_replay_renews(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_open open = { .name = "f", .creates = true, .deny = OPEN4_SHARE_DENY_BOTH };
	struct nfs_raw_id id = { t->client->clientid, t->client->sequenceid, 0 };
	CREATE_SESSION4args args = nfs_raw_create_args(&id);
	CREATE_SESSION4resok ok;

	ours(t);
	nfs_state_open(&s, NULL, &open, NFS4_OK);
	ok = nfs_raw_create(t, t->conn, NULL, &args, NFS4_OK);
	for (int i = 0; i < 4; i++) {
		nfs_raw_sequence(t, t->conn, ok.csr_sessionid, 0, 1, NFS4_OK);
		fiber_sleep_ns(LEASE - 3 * NSEC_PER_SEC);
		nfs_state_share(&other, "f", NULL, NFS_OPEN_READ, 0, NFS4ERR_SHARE_DENIED);
	}
}

/* A SEQUENCE that fails does not. */
static FIBER_FN void test_failure_does_not_renew(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), other = nfs_state_other(t, NULL);
	struct nfs_open open = { .name = "f", .creates = true, .deny = OPEN4_SHARE_DENY_BOTH };

	ours(t);
	nfs_state_open(&s, NULL, &open, NFS4_OK);
	fiber_sleep_ns(LEASE - 3 * NSEC_PER_SEC);
	nfs_raw_sequence(t, t->conn, t->session->sessionid, 5, 77, NFS4ERR_SEQ_MISORDERED);
	fiber_sleep_ns(10 * NSEC_PER_SEC);
	nfs_state_share(&other, "f", NULL, NFS_OPEN_READ, 0, NFS4_OK);
}

static FIBER_FN void test_session_of_silent_client_returns(struct nfs_test *t)
{
	struct nfs_fh fh;

	ours(t);
	fiber_sleep_ns(10 * LEASE);
	NFS_IS(t, nfs_file_mkdir(t->session, &t->dir, "after", 0755, &fh), 0);
}

/* Its name is wanted by another user. */
static FIBER_FN void test_silent_client_gives_up_its_name(struct nfs_test *t)
{
	struct nfs_identity other = t->client->identity;

	ours(t);
	other.cred = (struct nfs_cred){ .uid = 1001, .gid = 1001 };
	nfs_raw_exchange(t, t->conn, &other, NFS4ERR_CLID_INUSE);
	fiber_sleep_ns(2 * LEASE);
	nfs_raw_session(t, t->conn, &other);
}

/* After a crash, too, a client that does not come back is kept for its courtesy only. */
static FIBER_FN void test_courtesy_ends_after_crash(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	nfs_state_make(&s, "f", NULL);
	nfs_test_restart(t);
	fiber_sleep_ns(COURTESY + 4 * LEASE);
	nfs_conn_drop(t->conn);
	NFS_IS(t, nfs_conn_reconnect(t->conn), 0);
	nfs_raw_sequence(t, t->conn, t->session->sessionid, 0, 100, NFS4ERR_BADSESSION);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_lease_time_told, "RFC 8881, 5.8.1.11"),
	NFS_TEST(test_courtesy, "RFC 8881, 8.3"),
	NFS_TEST(test_courtesy_ends, "RFC 8881, 8.3"),
	NFS_TEST(test_courtesy_ends_for_orphans, "RFC 8881, 8.3"),
	NFS_TEST(test_conflict_takes_share, "RFC 8881, 8.4.3"),
	NFS_TEST(test_conflict_takes_lock, "RFC 8881, 8.4.3"),
	NFS_TEST(test_no_conflict_within_lease, "RFC 8881, 8.3"),
	NFS_TEST(test_replay_renews, "RFC 8881, 8.3"),
	NFS_TEST(test_failure_does_not_renew, "RFC 8881, 18.46.3"),
	NFS_TEST(test_session_of_silent_client_returns, "RFC 8881, 8.3"),
	NFS_TEST(test_silent_client_gives_up_its_name, "RFC 8881, 18.35.4, case 3"),
	NFS_TEST(test_courtesy_ends_after_crash, "RFC 8881, 8.3"),
};

NFS_TEST_MAIN(cases)
