/* SPDX-License-Identifier: Apache-2.0 */

/* How a grace period begins and ends, after the state was discarded (RFC 8881, 8.4.2). */

#include "dev/fiber.h"
#include "tests/lib/nfs_raw.h"
#include "tests/lib/nfs_state.h"
#include "tests/lib/nfs_test_start.h"

#define GRACE (30 * NSEC_PER_SEC)

static FIBER_FN void discard(struct nfs_test *t)
{
	if (t->is_external)
		nfs_test_skip(t, "it is not ours to restart");
	NFS_IS(t, nfs_test_kill_discard(t), 0);
}

/* A client comes (back); it has not said that it has reclaimed everything. */
static FIBER_FN struct nfs_state come(struct nfs_test *t, const struct nfs_identity *identity)
{
	struct nfs_session_options opt = { .skips_reclaim_complete = true };
	struct nfs_test_client *tc = nfs_test_client_bare(t, identity);

	NFS_IS(t, nfs_client_exchange_id(&tc->client, tc->conn), 0);
	NFS_IS(t, nfs_session_open(&tc->client, tc->conn, &opt, &tc->session), 0);
	return (struct nfs_state){ .t = t, .session = tc->session, .dir = t->dir };
}

static FIBER_FN void complete(struct nfs_state *s, nfsstat4 want)
{
	nfs_session_begin(s->session, &s->t->c);
	nfs_op_reclaim_complete(&s->t->c, false);
	NFS_SEND_IN(s->t, s->session, &s->t->c, want);
}

static FIBER_FN void open_new(struct nfs_state *s, nfsstat4 want)
{
	struct nfs_open open = { .name = "new", .creates = true };

	nfs_state_open(s, NULL, &open, want);
}

static FIBER_FN void test_old_session_is_unknown(struct nfs_test *t)
{
	discard(t);
	nfs_conn_drop(t->conn);
	NFS_IS(t, nfs_conn_reconnect(t->conn), 0);
	nfs_raw_sequence(t, t->conn, t->session->sessionid, 0, 100, NFS4ERR_BADSESSION);
}

static FIBER_FN void test_old_client_is_stale(struct nfs_test *t)
{
	struct nfs_raw_id id = { t->client->clientid, t->client->sequenceid, 0 };
	CREATE_SESSION4args args = nfs_raw_create_args(&id);

	discard(t);
	nfs_conn_drop(t->conn);
	NFS_IS(t, nfs_conn_reconnect(t->conn), 0);
	nfs_raw_create(t, t->conn, NULL, &args, NFS4ERR_STALE_CLIENTID);
	nfs_raw_destroy_client(t, t->conn, id.clientid, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_grace_refuses_new(struct nfs_test *t)
{
	struct nfs_state s;

	discard(t);
	s = come(t, NULL);
	open_new(&s, NFS4ERR_GRACE);
}

static FIBER_FN void test_grace_ends_by_time(struct nfs_test *t)
{
	struct nfs_state s;

	discard(t);
	s = come(t, NULL);
	complete(&s, NFS4_OK);
	open_new(&s, NFS4ERR_GRACE);
	fiber_sleep_ns(GRACE + 20 * NSEC_PER_SEC);
	open_new(&s, NFS4_OK);
}

/* All who may reclaim have: nobody needs to wait any more. */
static FIBER_FN void test_grace_ends_early(struct nfs_test *t)
{
	struct nfs_state s, other;

	discard(t);
	s = come(t, &t->client->identity);
	other = come(t, NULL);
	complete(&other, NFS4_OK);
	open_new(&other, NFS4ERR_GRACE);
	complete(&s, NFS4_OK);
	open_new(&other, NFS4_OK);
}

static FIBER_FN void test_grace_waits_for_all(struct nfs_test *t)
{
	struct nfs_test_client *second = nfs_test_client(t, NULL);
	struct nfs_state s, s2;

	discard(t);
	s = come(t, &t->client->identity);
	complete(&s, NFS4_OK);
	open_new(&s, NFS4ERR_GRACE);
	s2 = come(t, &second->client.identity);
	open_new(&s, NFS4ERR_GRACE);
	complete(&s2, NFS4_OK);
	open_new(&s, NFS4_OK);
}

/* Nobody was there before: nobody has anything to reclaim. */
static FIBER_FN void test_no_grace_without_clients(struct nfs_test *t)
{
	struct nfs_state s;

	nfs_raw_destroy_session(t, t->conn, t->session->sessionid, NFS4_OK);
	nfs_raw_destroy_client(t, t->conn, t->client->clientid, NFS4_OK);
	discard(t);
	s = come(t, NULL);
	complete(&s, NFS4_OK);
	open_new(&s, NFS4_OK);
}

/* Nothing new before RECLAIM_COMPLETE, whether there is grace or not. */
static FIBER_FN void test_nothing_new_before_complete(struct nfs_test *t)
{
	struct nfs_state s = come(t, NULL);

	open_new(&s, NFS4ERR_GRACE);
	complete(&s, NFS4_OK);
	open_new(&s, NFS4_OK);
}

static FIBER_FN void test_complete_once(struct nfs_test *t)
{
	struct nfs_state s;

	discard(t);
	s = come(t, &t->client->identity);
	complete(&s, NFS4_OK);
	complete(&s, NFS4ERR_COMPLETE_ALREADY);
}

/* The server is killed again in its grace period: whoever was about to reclaim still may. */
static FIBER_FN void test_crash_in_grace(struct nfs_test *t)
{
	/* Another one never comes back. */
	struct nfs_test_client *lost = nfs_test_client(t, NULL);
	struct nfs_test_client *back;
	struct nfs_state s, stranger;

	discard(t);
	s = come(t, &t->client->identity);
	back = t->clients[t->nr_clients - 1];
	nfs_test_restart(t);
	nfs_conn_drop(back->conn);
	stranger = come(t, NULL);
	complete(&stranger, NFS4_OK);
	open_new(&stranger, NFS4ERR_GRACE);
	complete(&s, NFS4_OK);
	open_new(&s, NFS4ERR_GRACE);
	NFS_CHECK(t, lost->session != NULL);
}

/* The same, and he was the only one. */
static FIBER_FN void test_crash_while_the_last_reclaims(struct nfs_test *t)
{
	struct nfs_test_client *back;
	struct nfs_state s, stranger;

	discard(t);
	s = come(t, &t->client->identity);
	back = t->clients[t->nr_clients - 1];
	nfs_test_restart(t);
	nfs_conn_drop(back->conn);
	stranger = come(t, NULL);
	complete(&stranger, NFS4_OK);
	open_new(&stranger, NFS4ERR_GRACE);
	complete(&s, NFS4_OK);
	open_new(&stranger, NFS4_OK);
}

static FIBER_FN void test_files_stay(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_fh fh;

	nfs_state_make(&s, "f", NULL);
	discard(t);
	s = come(t, NULL);
	NFS_IS(t, nfs_file_walk(s.session, &t->dir, "f", &fh), 0);
}

/* Who had opened an unlinked file and does not come back no longer keeps it. */
static FIBER_FN void test_orphans_go_when_grace_ends(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);

	nfs_state_remove(&s, "f");
	discard(t);
	fiber_sleep_ns(GRACE + 20 * NSEC_PER_SEC);
	s = come(t, NULL);
	nfs_session_begin(s.session, &t->c);
	nfs_op_putfh(&t->c, &open.fh);
	NFS_SEND_IN(t, s.session, &t->c, NFS4ERR_STALE);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_old_session_is_unknown, "RFC 8881, 8.4.2"),
	NFS_TEST(test_old_client_is_stale, "RFC 8881, 8.4.2"),
	NFS_TEST(test_grace_refuses_new, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_grace_ends_by_time, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_grace_ends_early, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_grace_waits_for_all, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_no_grace_without_clients, "RFC 8881, 8.4.2.1"),
	NFS_TEST(test_nothing_new_before_complete, "RFC 8881, 18.51.3"),
	NFS_TEST(test_complete_once, "RFC 8881, 18.51.3"),
	NFS_TEST(test_crash_in_grace, "RFC 8881, 8.4.2"),
	NFS_TEST(test_crash_while_the_last_reclaims, "RFC 8881, 8.4.2"),
	NFS_TEST(test_files_stay, "RFC 8881, 8.4.2"),
	NFS_TEST(test_orphans_go_when_grace_ends, "RFC 8881, 8.4.2, 18.25.4"),
};

NFS_TEST_MAIN(cases)
