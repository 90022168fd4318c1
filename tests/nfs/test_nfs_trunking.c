/* SPDX-License-Identifier: Apache-2.0 */

/* Connections of sessions, back channels, and how sessions and clients end (RFC 8881, 18.33, 18.34, 18.37, 18.50). */

#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/nfs_raw.h"
#include "tests/lib/nfs_state.h"

#define PATH_FLAGS (SEQ4_STATUS_CB_PATH_DOWN | SEQ4_STATUS_CB_PATH_DOWN_SESSION)

/* A session made without a back channel. */
static FIBER_FN CREATE_SESSION4resok fore_only(struct nfs_test *t, struct nfs_test_client *tc)
{
	struct nfs_raw_id id = nfs_raw_exchange(t, tc->conn, &tc->client.identity, NFS4_OK);
	CREATE_SESSION4args args = nfs_raw_create_args(&id);

	args.csa_flags = 0;
	return nfs_raw_create(t, tc->conn, NULL, &args, NFS4_OK);
}

static FIBER_FN void bind_is(struct nfs_test *t, channel_dir_from_client4 dir, uint32_t granted)
{
	struct nfs_conn *second = nfs_test_connect(t, t->client_of);

	NFS_CHECK_EQ(t, nfs_raw_bind(t, second, t->session->sessionid, dir, NFS4_OK), granted);
	nfs_conn_close(second);
}

static FIBER_FN void test_bind_fore(struct nfs_test *t)
{
	bind_is(t, CDFC4_FORE, CDFS4_FORE);
}

static FIBER_FN void test_bind_back(struct nfs_test *t)
{
	bind_is(t, CDFC4_BACK, CDFS4_BACK);
}

static FIBER_FN void test_bind_fore_or_both(struct nfs_test *t)
{
	bind_is(t, CDFC4_FORE_OR_BOTH, CDFS4_BOTH);
}

static FIBER_FN void test_bind_back_or_both(struct nfs_test *t)
{
	bind_is(t, CDFC4_BACK_OR_BOTH, CDFS4_BOTH);
}

static FIBER_FN void test_bind_unknown_session(struct nfs_test *t)
{
	char sessionid[NFS4_SESSIONID_SIZE] = { 1, 2, 3 };

	nfs_raw_bind(t, t->conn, sessionid, CDFC4_FORE, NFS4ERR_BADSESSION);
}

static FIBER_FN void test_bind_twice(struct nfs_test *t)
{
	for (int i = 0; i < 3; i++)
		NFS_CHECK_EQ(t, nfs_raw_bind(t, t->conn, t->session->sessionid, CDFC4_FORE_OR_BOTH, NFS4_OK),
			     CDFS4_BOTH);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN void test_bind_behind_sequence(struct nfs_test *t)
{
	nfs_op_bind_conn(&t->c, t->session->sessionid, CDFC4_FORE);
	NFS_SEND(t, &t->c, NFS4ERR_NOT_ONLY_OP);
}

static FIBER_FN void test_bind_not_alone(struct nfs_test *t)
{
	nfs_client_begin(t->client, &t->c);
	nfs_op_bind_conn(&t->c, t->session->sessionid, CDFC4_FORE);
	nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, t->conn, &t->c, NFS4ERR_NOT_ONLY_OP);
}

static FIBER_FN void test_bind_bad_direction(struct nfs_test *t)
{
	nfs_raw_bind(t, t->conn, t->session->sessionid, (channel_dir_from_client4)9, NFS4ERR_BADXDR);
}

/* A session made without one gets its back channel later. */
static FIBER_FN void test_bind_back_channel_later(struct nfs_test *t)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);
	CREATE_SESSION4resok ok = fore_only(t, tc);

	NFS_CHECK_EQ(t, nfs_raw_bind(t, tc->conn, ok.csr_sessionid, CDFC4_BACK, NFS4_OK) & CDFS4_BACK, CDFS4_BACK);
	nfs_raw_sequence(t, tc->conn, ok.csr_sessionid, 0, 1, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_raw_sequence_got(t).sr_status_flags & PATH_FLAGS, 0);
}

static FIBER_FN void test_sequence_over_any_connection(struct nfs_test *t)
{
	struct nfs_conn *second = nfs_test_connect(t, t->client_of);
	CREATE_SESSION4resok ok;
	struct nfs_test_client *tc = nfs_test_client_bare(t, NULL);

	ok = fore_only(t, tc);
	nfs_raw_sequence(t, second, ok.csr_sessionid, 0, 1, NFS4_OK);
	nfs_raw_sequence(t, tc->conn, ok.csr_sessionid, 0, 2, NFS4_OK);
	nfs_conn_close(second);
}

static FIBER_FN void test_session_trunking(struct nfs_test *t)
{
	struct nfs_conn *more[3];

	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		more[i] = nfs_test_connect(t, t->client_of);
		NFS_IS(t, nfs_session_add_conn(t->session, more[i], CDFC4_FORE), 0);
	}
	for (int i = 0; i < 8; i++)
		NFS_IS(t, nfs_session_ping(t->session), 0);
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		NFS_CHECK(t, nfs_conn_stats(more[i]).received >= 3);
		nfs_session_remove_conn(t->session, more[i]);
		nfs_conn_close(more[i]);
	}
}

/* State belongs to the client, whichever of its sessions is used. */
static FIBER_FN void test_client_trunking(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t), by_second = s;
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);
	struct nfs_session *second;

	NFS_IS(t, nfs_session_open(t->client, t->conn, NULL, &second), 0);
	by_second.session = second;
	nfs_state_write(&by_second, &open.fh, &open.stateid, NFS4_OK);
	nfs_state_close(&by_second, &open.fh, &open.stateid, NFS4_OK);
	NFS_IS(t, nfs_session_close(second), 0);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN uint32_t status_flags(struct nfs_test *t)
{
	NFS_IS(t, nfs_session_ping(t->session), 0);
	return t->session->status_flags;
}

static FIBER_FN void test_path_down_and_up(struct nfs_test *t)
{
	struct nfs_conn *second = nfs_test_connect(t, t->client_of);

	NFS_CHECK_EQ(t, status_flags(t) & PATH_FLAGS, 0);
	NFS_IS(t, nfs_session_add_conn(t->session, second, CDFC4_FORE), 0);
	nfs_session_remove_conn(t->session, t->conn);
	nfs_conn_drop(t->conn);
	fiber_sleep_ns(100000000);
	NFS_CHECK_EQ(t, status_flags(t) & PATH_FLAGS, PATH_FLAGS);
	nfs_raw_bind(t, second, t->session->sessionid, CDFC4_FORE_OR_BOTH, NFS4_OK);
	NFS_CHECK_EQ(t, status_flags(t) & PATH_FLAGS, 0);
	nfs_session_remove_conn(t->session, second);
	nfs_conn_close(second);
	NFS_IS(t, nfs_conn_reconnect(t->conn), 0);
	NFS_IS(t, nfs_session_add_conn(t->session, t->conn, CDFC4_FORE_OR_BOTH), 0);
}

/* One session has no path, but the client has. */
static FIBER_FN void test_path_of_other_session(struct nfs_test *t)
{
	struct nfs_conn *second = nfs_test_connect(t, t->client_of);
	struct nfs_session *other;

	NFS_IS(t, nfs_session_open(t->client, second, NULL, &other), 0);
	NFS_IS(t, nfs_session_add_conn(t->session, second, CDFC4_FORE), 0);
	nfs_session_remove_conn(t->session, t->conn);
	nfs_conn_drop(t->conn);
	fiber_sleep_ns(100000000);
	NFS_CHECK_EQ(t, status_flags(t) & PATH_FLAGS, SEQ4_STATUS_CB_PATH_DOWN_SESSION);
	NFS_IS(t, nfs_session_close(other), 0);
	NFS_CHECK_EQ(t, status_flags(t) & PATH_FLAGS, PATH_FLAGS);
	nfs_session_remove_conn(t->session, second);
	nfs_conn_close(second);
	NFS_IS(t, nfs_conn_reconnect(t->conn), 0);
	NFS_IS(t, nfs_session_add_conn(t->session, t->conn, CDFC4_FORE_OR_BOTH), 0);
}

static void add_backchannel_ctl(struct nfs_test *t, uint32_t program, callback_sec_parms4 *sec, uint32_t nr)
{
	struct nfs_argop4 op = { .argop = OP_BACKCHANNEL_CTL };

	op.nfs_argop4_u.opbackchannel_ctl.bca_cb_program = program;
	op.nfs_argop4_u.opbackchannel_ctl.bca_sec_parms.bca_sec_parms_len = nr;
	op.nfs_argop4_u.opbackchannel_ctl.bca_sec_parms.bca_sec_parms_val = sec;
	nfs_session_begin(t->session, &t->c);
	nfs_compound_add(&t->c, &op);
}

/* A lock that another client waits for is given up: a callback follows. */
static FIBER_FN void provoke_callback(struct nfs_test *t, struct nfs_test_client *holder)
{
	struct nfs_state waits = nfs_state_first(t), holds = waits;
	struct nfs_lock lock = { .type = WRITEW_LT, .length = 5 };
	struct nfs_state_open held, wanted;
	stateid4 stateid;

	holds.session = holder->session;
	held = nfs_state_make(&holds, "f", NULL);
	wanted = nfs_state_make(&waits, "f", NULL);
	stateid = nfs_state_lock_first(&holds, &held, &lock, NFS4_OK);
	nfs_state_lock_first(&waits, &wanted, &lock, NFS4ERR_DENIED);
	nfs_state_unlock(&holds, &held.fh, &stateid, 0, 5, NFS4_OK);
}

static FIBER_FN void test_backchannel_ctl_program(struct nfs_test *t)
{
	callback_sec_parms4 sec = { .cb_secflavor = AUTH_NONE };
	struct nfs_test_client *holder = nfs_test_client(t, NULL);
	struct nfs_callback_event *event;

	add_backchannel_ctl(t, NFS_CALLBACK_PROGRAM + 5, &sec, 1);
	NFS_SEND(t, &t->c, NFS4_OK);
	t->client->callback.program = NFS_CALLBACK_PROGRAM + 5;
	provoke_callback(t, holder);
	NFS_IS(t, nfs_callback_wait(&t->client->callback, OP_CB_NOTIFY_LOCK, nfs_test_in_ms(t, 5000), &event), 0);
	nfs_callback_done(event);
}

static FIBER_FN void test_backchannel_ctl_unknown_security(struct nfs_test *t)
{
	callback_sec_parms4 sec = { .cb_secflavor = RPCSEC_GSS };

	add_backchannel_ctl(t, NFS_CALLBACK_PROGRAM, &sec, 1);
	NFS_SEND(t, &t->c, NFS4ERR_NOENT);
}

static FIBER_FN void test_backchannel_ctl_outside(struct nfs_test *t)
{
	add_backchannel_ctl(t, NFS_CALLBACK_PROGRAM, NULL, 0);
	NFS_SEND_OVER(t, t->conn, &t->c, NFS4ERR_OP_NOT_IN_SESSION);
}

static FIBER_FN void test_destroyed_session(struct nfs_test *t)
{
	nfs_raw_destroy_session(t, t->conn, t->session->sessionid, NFS4_OK);
	NFS_IS(t, nfs_session_ping(t->session), NFS4ERR_BADSESSION);
	nfs_raw_destroy_session(t, t->conn, t->session->sessionid, NFS4ERR_BADSESSION);
	nfs_raw_bind(t, t->conn, t->session->sessionid, CDFC4_FORE, NFS4ERR_BADSESSION);
}

static FIBER_FN void test_destroyed_session_keeps_state(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);
	struct nfs_state_open open = nfs_state_make(&s, "f", NULL);
	struct nfs_session *second;

	NFS_IS(t, nfs_session_open(t->client, t->conn, NULL, &second), 0);
	nfs_raw_destroy_session(t, t->conn, t->session->sessionid, NFS4_OK);
	s.session = second;
	nfs_state_write(&s, &open.fh, &open.stateid, NFS4_OK);
	nfs_state_close(&s, &open.fh, &open.stateid, NFS4_OK);
	NFS_IS(t, nfs_session_close(second), 0);
}

static FIBER_FN void test_destroyed_session_is_gone_after_crash(struct nfs_test *t)
{
	char sessionid[NFS4_SESSIONID_SIZE];

	memcpy(sessionid, t->session->sessionid, sizeof(sessionid));
	nfs_raw_destroy_session(t, t->conn, sessionid, NFS4_OK);
	nfs_raw_crash(t, t->conn);
	nfs_raw_sequence(t, t->conn, sessionid, 0, 1, NFS4ERR_BADSESSION);
}

static FIBER_FN void test_destroy_session_unbound_connection(struct nfs_test *t)
{
	struct nfs_conn *second = nfs_test_connect(t, t->client_of);

	nfs_raw_destroy_session(t, second, t->session->sessionid, NFS4ERR_CONN_NOT_BOUND_TO_SESSION);
	nfs_raw_bind(t, second, t->session->sessionid, CDFC4_FORE, NFS4_OK);
	nfs_raw_destroy_session(t, second, t->session->sessionid, NFS4_OK);
	nfs_conn_close(second);
}

static FIBER_FN void test_destroy_own_session_last(struct nfs_test *t)
{
	nfs_op_putrootfh(&t->c);
	nfs_op_destroy_session(&t->c, t->session->sessionid);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_session_ping(t->session), NFS4ERR_BADSESSION);
}

static FIBER_FN void test_destroy_own_session_not_last(struct nfs_test *t)
{
	nfs_op_destroy_session(&t->c, t->session->sessionid);
	nfs_op_putrootfh(&t->c);
	NFS_SEND(t, &t->c, NFS4ERR_NOT_ONLY_OP);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN void test_destroy_session_in_other(struct nfs_test *t)
{
	struct nfs_session *other;
	char sessionid[NFS4_SESSIONID_SIZE];

	NFS_IS(t, nfs_session_open(t->client, t->conn, NULL, &other), 0);
	memcpy(sessionid, other->sessionid, sizeof(sessionid));
	nfs_session_begin(t->session, &t->c);
	nfs_op_destroy_session(&t->c, sessionid);
	nfs_op_putrootfh(&t->c);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_IS(t, nfs_session_ping(other), NFS4ERR_BADSESSION);
	nfs_session_discard(other);
}

static FIBER_FN void test_destroy_client_with_session(struct nfs_test *t)
{
	nfs_raw_destroy_client(t, t->conn, t->client->clientid, NFS4ERR_CLIENTID_BUSY);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN void test_destroy_client_with_opens(struct nfs_test *t)
{
	struct nfs_state s = nfs_state_first(t);

	nfs_state_make(&s, "f", NULL);
	nfs_raw_destroy_session(t, t->conn, t->session->sessionid, NFS4_OK);
	nfs_raw_destroy_client(t, t->conn, t->client->clientid, NFS4ERR_CLIENTID_BUSY);
}

static FIBER_FN void test_destroy_client(struct nfs_test *t)
{
	nfs_raw_destroy_session(t, t->conn, t->session->sessionid, NFS4_OK);
	nfs_raw_destroy_client(t, t->conn, t->client->clientid, NFS4_OK);
	nfs_raw_destroy_client(t, t->conn, t->client->clientid, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_destroy_client_unconfirmed(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);
	struct nfs_raw_id id = nfs_raw_exchange(t, t->conn, &identity, NFS4_OK);

	nfs_raw_destroy_client(t, t->conn, id.clientid, NFS4_OK);
	nfs_raw_destroy_client(t, t->conn, id.clientid, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_destroy_client_unknown(struct nfs_test *t)
{
	nfs_raw_destroy_client(t, t->conn, 0, NFS4ERR_STALE_CLIENTID);
	nfs_raw_destroy_client(t, t->conn, UINT64_MAX, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_destroy_other_client_in_session(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_test_identity(t);
	struct nfs_raw_id id = nfs_raw_exchange(t, t->conn, &identity, NFS4_OK);

	nfs_session_begin(t->session, &t->c);
	nfs_op_destroy_clientid(&t->c, id.clientid);
	nfs_op_putrootfh(&t->c);
	NFS_SEND(t, &t->c, NFS4_OK);
}

static FIBER_FN void test_destroy_client_not_alone(struct nfs_test *t)
{
	nfs_client_begin(t->client, &t->c);
	nfs_op_destroy_clientid(&t->c, t->client->clientid);
	nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, t->conn, &t->c, NFS4ERR_NOT_ONLY_OP);
}

static FIBER_FN void test_destroyed_client_is_gone_after_crash(struct nfs_test *t)
{
	nfs_raw_destroy_session(t, t->conn, t->session->sessionid, NFS4_OK);
	nfs_raw_destroy_client(t, t->conn, t->client->clientid, NFS4_OK);
	nfs_raw_crash(t, t->conn);
	nfs_raw_destroy_client(t, t->conn, t->client->clientid, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_callback_after_bind_elsewhere(struct nfs_test *t)
{
	struct nfs_conn *second = nfs_test_connect(t, t->client_of);
	struct nfs_test_client *holder = nfs_test_client(t, NULL);
	struct nfs_callback_event *event;

	NFS_IS(t, nfs_session_add_conn(t->session, second, CDFC4_FORE_OR_BOTH), 0);
	nfs_session_remove_conn(t->session, t->conn);
	nfs_conn_drop(t->conn);
	fiber_sleep_ns(100000000);
	provoke_callback(t, holder);
	NFS_IS(t, nfs_callback_wait(&t->client->callback, OP_CB_NOTIFY_LOCK, nfs_test_in_ms(t, 5000), &event), 0);
	nfs_callback_done(event);
	NFS_CHECK(t, nfs_conn_stats(second).served >= 1);
	nfs_session_remove_conn(t->session, second);
	nfs_conn_close(second);
	NFS_IS(t, nfs_conn_reconnect(t->conn), 0);
	NFS_IS(t, nfs_session_add_conn(t->session, t->conn, CDFC4_FORE), 0);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_bind_fore, "RFC 8881, 18.34.3"),
	NFS_TEST(test_bind_back, "RFC 8881, 18.34.3"),
	NFS_TEST(test_bind_fore_or_both, "RFC 8881, 18.34.3"),
	NFS_TEST(test_bind_back_or_both, "RFC 8881, 18.34.3"),
	NFS_TEST(test_bind_unknown_session, "RFC 8881, 18.34.3"),
	NFS_TEST(test_bind_twice, "RFC 8881, 18.34.3"),
	NFS_TEST(test_bind_behind_sequence, "RFC 8881, 18.34.3"),
	NFS_TEST(test_bind_not_alone, "RFC 8881, 18.34.3"),
	NFS_TEST_DIFFERS(test_bind_bad_direction, "RFC 8881, 18.34.1", "it takes any direction"),
	NFS_TEST_DIFFERS(test_bind_back_channel_later, "RFC 8881, 18.34.3, 18.36.3",
			 "its flags for callback paths are others"),
	NFS_TEST(test_sequence_over_any_connection, "RFC 8881, 2.10.3.1"),
	NFS_TEST(test_session_trunking, "RFC 8881, 2.10.5"),
	NFS_TEST(test_client_trunking, "RFC 8881, 2.10.5"),
	NFS_TEST_DIFFERS(test_path_down_and_up, "RFC 8881, 18.46.3", "its flags for callback paths are others"),
	NFS_TEST_DIFFERS(test_path_of_other_session, "RFC 8881, 18.46.3", "its flags for callback paths are others"),
	NFS_TEST_DIFFERS(test_backchannel_ctl_program, "RFC 8881, 18.33.3",
			 "it does not have BACKCHANNEL_CTL, which 17 requires"),
	NFS_TEST_DIFFERS(test_backchannel_ctl_unknown_security, "RFC 8881, 18.33.3",
			 "it does not have BACKCHANNEL_CTL, which 17 requires"),
	NFS_TEST(test_backchannel_ctl_outside, "RFC 8881, 18.33.3"),
	NFS_TEST(test_destroyed_session, "RFC 8881, 18.37.3"),
	NFS_TEST(test_destroyed_session_keeps_state, "RFC 8881, 18.37.3"),
	NFS_TEST(test_destroyed_session_is_gone_after_crash, "RFC 8881, 18.37.3"),
	NFS_TEST(test_destroy_session_unbound_connection, "RFC 8881, 18.37.3"),
	NFS_TEST(test_destroy_own_session_last, "RFC 8881, 18.37.3"),
	NFS_TEST(test_destroy_own_session_not_last, "RFC 8881, 18.37.3"),
	NFS_TEST(test_destroy_session_in_other, "RFC 8881, 18.37.3"),
	NFS_TEST(test_destroy_client_with_session, "RFC 8881, 18.50.3"),
	NFS_TEST_DIFFERS(test_destroy_client_with_opens, "RFC 8881, 18.50.3",
			 "it destroys what is in use, against 18.50.3"),
	NFS_TEST(test_destroy_client, "RFC 8881, 18.50.3"),
	NFS_TEST(test_destroy_client_unconfirmed, "RFC 8881, 18.50.3"),
	NFS_TEST(test_destroy_client_unknown, "RFC 8881, 18.50.3"),
	NFS_TEST(test_destroy_other_client_in_session, "RFC 8881, 18.50.3"),
	NFS_TEST(test_destroy_client_not_alone, "RFC 8881, 18.50.3"),
	NFS_TEST(test_destroyed_client_is_gone_after_crash, "RFC 8881, 18.50.3"),
	NFS_TEST_DIFFERS(test_callback_after_bind_elsewhere, "RFC 8881, 2.10.3.1", "CB_NOTIFY_LOCK is optional"),
};

NFS_TEST_MAIN(cases)
