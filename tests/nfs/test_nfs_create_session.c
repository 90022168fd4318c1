/* SPDX-License-Identifier: Apache-2.0 */

/* CREATE_SESSION: its own slot, what is negotiated, who may (RFC 8881, 18.36). */

#include <string.h>

#include "tests/lib/nfs_raw.h"

/* A client that is not confirmed, on a connection of its own. */
struct fresh {
	struct nfs_test_client *tc;
	struct nfs_conn *conn;
	struct nfs_raw_id id;
	CREATE_SESSION4args args;
};

static FIBER_FN struct fresh fresh(struct nfs_test *t)
{
	struct fresh f = { .tc = nfs_test_client_bare(t, NULL) };

	f.conn = f.tc->conn;
	f.id = nfs_raw_exchange(t, f.conn, &f.tc->client.identity, NFS4_OK);
	f.args = nfs_raw_create_args(&f.id);
	return f;
}

static FIBER_FN CREATE_SESSION4resok create(struct nfs_test *t, struct fresh *f, nfsstat4 want)
{
	return nfs_raw_create(t, f->conn, NULL, &f->args, want);
}

static FIBER_FN void test_confirms(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok ok = create(t, &f, NFS4_OK);
	struct nfs_raw_id id = nfs_raw_exchange(t, f.conn, &f.tc->client.identity, NFS4_OK);

	NFS_CHECK_EQ(t, id.clientid, f.id.clientid);
	NFS_CHECK_EQ(t, ok.csr_sequence, f.args.csa_sequence);
	NFS_CHECK(t, (id.flags & EXCHGID4_FLAG_CONFIRMED_R) != 0);
	nfs_raw_sequence(t, f.conn, ok.csr_sessionid, 0, 1, NFS4_OK);
}

static FIBER_FN void test_stale_clientid(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	f.args.csa_clientid ^= 0x5555;
	create(t, &f, NFS4ERR_STALE_CLIENTID);
}

static FIBER_FN void test_misordered_ahead(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	f.args.csa_sequence++;
	create(t, &f, NFS4ERR_SEQ_MISORDERED);
	f.args.csa_sequence--;
	create(t, &f, NFS4_OK);
}

static FIBER_FN void test_misordered_behind(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	f.args.csa_sequence--;
	create(t, &f, NFS4ERR_SEQ_MISORDERED);
}

static FIBER_FN void test_misordered_old(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	create(t, &f, NFS4_OK);
	f.args.csa_sequence++;
	create(t, &f, NFS4_OK);
	f.args.csa_sequence--;
	create(t, &f, NFS4ERR_SEQ_MISORDERED);
}

static void check_same(struct nfs_test *t, const CREATE_SESSION4resok *a, const CREATE_SESSION4resok *b)
{
	NFS_CHECK(t, memcmp(a->csr_sessionid, b->csr_sessionid, NFS4_SESSIONID_SIZE) == 0);
	NFS_CHECK_EQ(t, a->csr_sequence, b->csr_sequence);
	NFS_CHECK_EQ(t, a->csr_flags, b->csr_flags);
	NFS_CHECK_EQ(t, a->csr_fore_chan_attrs.ca_maxrequests, b->csr_fore_chan_attrs.ca_maxrequests);
	NFS_CHECK_EQ(t, a->csr_fore_chan_attrs.ca_maxresponsesize_cached,
		     b->csr_fore_chan_attrs.ca_maxresponsesize_cached);
	NFS_CHECK_EQ(t, a->csr_back_chan_attrs.ca_maxrequests, b->csr_back_chan_attrs.ca_maxrequests);
}

static FIBER_FN void test_replay(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok first = create(t, &f, NFS4_OK), again = create(t, &f, NFS4_OK);

	check_same(t, &first, &again);
	nfs_raw_sequence(t, f.conn, first.csr_sessionid, 0, 1, NFS4_OK);
}

static FIBER_FN void test_replay_after_crash(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok first = create(t, &f, NFS4_OK), again;

	nfs_raw_crash(t, f.conn);
	again = create(t, &f, NFS4_OK);
	check_same(t, &first, &again);
	f.args.csa_sequence++;
	again = create(t, &f, NFS4_OK);
	NFS_CHECK(t, memcmp(first.csr_sessionid, again.csr_sessionid, NFS4_SESSIONID_SIZE) != 0);
}

/* The answer was lost together with the server. */
static FIBER_FN void test_lost_in_crash(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok ok;

	create(t, &f, NFS4_OK);
	f.args.csa_sequence++;
	nfs_client_begin(&f.tc->client, &t->c);
	nfs_op_create_session(&t->c, &f.args);
	NFS_IS(t, nfs_compound_start(&t->c, f.conn, NULL), 0);
	nfs_test_restart(t);
	nfs_conn_drop(f.conn);
	(void)!nfs_compound_wait(&t->c, nfs_test_in_ms(t, 1000));
	NFS_IS(t, nfs_conn_reconnect(f.conn), 0);
	ok = create(t, &f, NFS4_OK);
	nfs_raw_sequence(t, f.conn, ok.csr_sessionid, 0, 1, NFS4_OK);
}

static FIBER_FN void test_replay_of_destroyed(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok first = create(t, &f, NFS4_OK), again;

	nfs_raw_destroy_session(t, f.conn, first.csr_sessionid, NFS4_OK);
	again = create(t, &f, NFS4_OK);
	check_same(t, &first, &again);
	nfs_raw_sequence(t, f.conn, first.csr_sessionid, 0, 1, NFS4ERR_BADSESSION);
}

static FIBER_FN void test_two_sessions(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok a = create(t, &f, NFS4_OK), b;

	f.args.csa_sequence++;
	b = create(t, &f, NFS4_OK);
	NFS_CHECK(t, memcmp(a.csr_sessionid, b.csr_sessionid, NFS4_SESSIONID_SIZE) != 0);
	nfs_raw_sequence(t, f.conn, a.csr_sessionid, 0, 1, NFS4_OK);
	nfs_raw_sequence(t, f.conn, b.csr_sessionid, 0, 1, NFS4_OK);
}

static void check_within(struct nfs_test *t, const struct channel_attrs4 *got, const struct channel_attrs4 *asked)
{
	NFS_CHECK(t, got->ca_maxrequestsize <= asked->ca_maxrequestsize);
	NFS_CHECK(t, got->ca_maxresponsesize <= asked->ca_maxresponsesize);
	NFS_CHECK(t, got->ca_maxresponsesize_cached <= asked->ca_maxresponsesize_cached);
	NFS_CHECK(t, got->ca_maxoperations <= asked->ca_maxoperations && got->ca_maxoperations > 0);
	NFS_CHECK(t, got->ca_maxrequests <= asked->ca_maxrequests && got->ca_maxrequests > 0);
	NFS_CHECK_EQ(t, got->ca_rdma_ird.ca_rdma_ird_len, 0);
}

static FIBER_FN void test_attributes_within(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok ok = create(t, &f, NFS4_OK);

	check_within(t, &ok.csr_fore_chan_attrs, &f.args.csa_fore_chan_attrs);
	check_within(t, &ok.csr_back_chan_attrs, &f.args.csa_back_chan_attrs);
}

static FIBER_FN void test_attributes_largest(struct nfs_test *t)
{
	static const struct channel_attrs4 largest = { .ca_headerpadsize = NFS4_UINT32_MAX,
						       .ca_maxrequestsize = NFS4_UINT32_MAX,
						       .ca_maxresponsesize = NFS4_UINT32_MAX,
						       .ca_maxresponsesize_cached = NFS4_UINT32_MAX,
						       .ca_maxoperations = NFS4_UINT32_MAX,
						       .ca_maxrequests = NFS4_UINT32_MAX };
	struct fresh f = fresh(t);
	CREATE_SESSION4resok ok;

	f.args.csa_fore_chan_attrs = f.args.csa_back_chan_attrs = largest;
	ok = create(t, &f, NFS4_OK);
	nfs_test_differs(t, "it grants any header padding");
	NFS_CHECK_EQ(t, ok.csr_fore_chan_attrs.ca_headerpadsize, 0);
	NFS_CHECK(t, ok.csr_fore_chan_attrs.ca_maxrequests <= 4096);
	nfs_test_differs(t, "and requests of any size");
	NFS_CHECK(t, ok.csr_fore_chan_attrs.ca_maxrequestsize <= 64 << 20);
	NFS_CHECK(t, ok.csr_fore_chan_attrs.ca_maxresponsesize_cached <= ok.csr_fore_chan_attrs.ca_maxresponsesize);
	nfs_raw_sequence(t, f.conn, ok.csr_sessionid, ok.csr_fore_chan_attrs.ca_maxrequests - 1, 1, NFS4_OK);
	nfs_raw_sequence(t, f.conn, ok.csr_sessionid, ok.csr_fore_chan_attrs.ca_maxrequests, 1, NFS4ERR_BADSLOT);
}

static FIBER_FN void test_attributes_smallest(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok ok;

	f.args.csa_fore_chan_attrs.ca_maxrequestsize = 512;
	f.args.csa_fore_chan_attrs.ca_maxresponsesize = 512;
	f.args.csa_fore_chan_attrs.ca_maxresponsesize_cached = 512;
	f.args.csa_fore_chan_attrs.ca_maxoperations = 2;
	f.args.csa_fore_chan_attrs.ca_maxrequests = 1;
	ok = create(t, &f, NFS4_OK);
	check_within(t, &ok.csr_fore_chan_attrs, &f.args.csa_fore_chan_attrs);
	nfs_raw_begin(t, ok.csr_sessionid, 0, 1);
	nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, f.conn, &t->c, NFS4_OK);
	nfs_raw_sequence(t, f.conn, ok.csr_sessionid, 1, 1, NFS4ERR_BADSLOT);
}

/* After a refusal the same number is used again. */
static FIBER_FN void too_small(struct nfs_test *t, struct fresh *f, uint32_t *value, uint32_t small)
{
	uint32_t good = *value;

	*value = small;
	create(t, f, NFS4ERR_TOOSMALL);
	*value = good;
	create(t, f, NFS4_OK);
}

static FIBER_FN void test_request_too_small(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	too_small(t, &f, &f.args.csa_fore_chan_attrs.ca_maxrequestsize, 20);
}

static FIBER_FN void test_response_too_small(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	too_small(t, &f, &f.args.csa_fore_chan_attrs.ca_maxresponsesize, 0);
}

static FIBER_FN void test_no_operations(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	too_small(t, &f, &f.args.csa_fore_chan_attrs.ca_maxoperations, 0);
}

static FIBER_FN void test_no_slots(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	too_small(t, &f, &f.args.csa_fore_chan_attrs.ca_maxrequests, 0);
}

static FIBER_FN void test_back_too_small(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	too_small(t, &f, &f.args.csa_back_chan_attrs.ca_maxrequestsize, 10);
}

static FIBER_FN void test_persist_asked(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	uint32_t flags;

	f.args.csa_flags |= CREATE_SESSION4_FLAG_PERSIST;
	flags = create(t, &f, NFS4_OK).csr_flags;
	nfs_test_differs(t, "persistent sessions are optional");
	NFS_CHECK(t, (flags & CREATE_SESSION4_FLAG_PERSIST) != 0);
}

static FIBER_FN void test_persist_not_asked(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	NFS_CHECK_EQ(t, create(t, &f, NFS4_OK).csr_flags & CREATE_SESSION4_FLAG_PERSIST, 0);
}

static FIBER_FN void test_rdma_not_granted(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	f.args.csa_flags |= CREATE_SESSION4_FLAG_CONN_RDMA;
	NFS_CHECK_EQ(t, create(t, &f, NFS4_OK).csr_flags & CREATE_SESSION4_FLAG_CONN_RDMA, 0);
}

static FIBER_FN void test_flags_unknown(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	f.args.csa_flags |= 0x10;
	create(t, &f, NFS4ERR_INVAL);
}

static FIBER_FN void test_back_channel(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok ok = create(t, &f, NFS4_OK);

	NFS_CHECK(t, (ok.csr_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN) != 0);
	nfs_raw_sequence(t, f.conn, ok.csr_sessionid, 0, 1, NFS4_OK);
	NFS_CHECK_EQ(t, nfs_raw_sequence_got(t).sr_status_flags, 0);
}

static FIBER_FN void test_no_back_channel(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	f.args.csa_flags = 0;
	NFS_CHECK_EQ(t, create(t, &f, NFS4_OK).csr_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN, 0);
}

static FIBER_FN void test_callback_user(struct nfs_test *t)
{
	callback_sec_parms4 sec[] = { { .cb_secflavor = RPCSEC_GSS }, { .cb_secflavor = AUTH_SYS } };
	struct fresh f = fresh(t);

	sec[1].callback_sec_parms4_u.cbsp_sys_cred.uid = 7;
	f.args.csa_sec_parms.csa_sec_parms_len = 2;
	f.args.csa_sec_parms.csa_sec_parms_val = sec;
	NFS_CHECK(t, (create(t, &f, NFS4_OK).csr_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN) != 0);
}

/* No way to call back that both know: there is no back channel, but a session. */
static FIBER_FN void test_callback_security_unknown(struct nfs_test *t)
{
	callback_sec_parms4 sec = { .cb_secflavor = RPCSEC_GSS };
	struct fresh f = fresh(t);

	f.args.csa_sec_parms.csa_sec_parms_val = &sec;
	NFS_CHECK_EQ(t, create(t, &f, NFS4_OK).csr_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN, 0);
}

static FIBER_FN void test_sessions_at_limit(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok first = create(t, &f, NFS4_OK);
	unsigned int nr = 1;

	if (t->is_external)
		nfs_test_skip(t, "its limit is not known");
	/* limits.sessions_per_client */
	for (; nr < 16; nr++) {
		f.args.csa_sequence++;
		create(t, &f, NFS4_OK);
	}
	f.args.csa_sequence++;
	create(t, &f, NFS4ERR_NOSPC);
	nfs_raw_destroy_session(t, f.conn, first.csr_sessionid, NFS4_OK);
	create(t, &f, NFS4_OK);
}

static FIBER_FN void test_unconfirmed_other_user(struct nfs_test *t)
{
	static const struct nfs_cred other = { .uid = 1001, .gid = 1001 };
	struct fresh f = fresh(t);

	nfs_raw_create(t, f.conn, &other, &f.args, NFS4ERR_CLID_INUSE);
	create(t, &f, NFS4_OK);
}

static FIBER_FN void test_not_alone(struct nfs_test *t)
{
	struct fresh f = fresh(t);

	nfs_client_begin(&f.tc->client, &t->c);
	nfs_op_create_session(&t->c, &f.args);
	nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, f.conn, &t->c, NFS4ERR_NOT_ONLY_OP);
	create(t, &f, NFS4_OK);
}

static FIBER_FN void test_in_session(struct nfs_test *t)
{
	struct nfs_raw_id id = { t->client->clientid, t->client->sequenceid, 0 };
	CREATE_SESSION4args args = nfs_raw_create_args(&id);

	nfs_op_create_session(&t->c, &args);
	nfs_op_putrootfh(&t->c);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_OP_IS(t, &t->c, 0, NFS4_OK);
	t->client->sequenceid++;
}

static FIBER_FN void test_session_survives_crash(struct nfs_test *t)
{
	struct fresh f = fresh(t);
	CREATE_SESSION4resok ok;

	f.args.csa_fore_chan_attrs.ca_maxoperations = 3;
	ok = create(t, &f, NFS4_OK);
	nfs_raw_crash(t, f.conn);
	nfs_raw_begin(t, ok.csr_sessionid, 0, 1);
	for (int i = 0; i < 3; i++)
		nfs_op_putrootfh(&t->c);
	/* It has what was negotiated. */
	NFS_SEND_OVER(t, f.conn, &t->c, NFS4ERR_TOO_MANY_OPS);
	nfs_raw_sequence(t, f.conn, ok.csr_sessionid, 7, 1, NFS4_OK);
	nfs_raw_sequence(t, f.conn, ok.csr_sessionid, 8, 1, NFS4ERR_BADSLOT);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST_BARE(test_confirms, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_stale_clientid, "RFC 8881, 18.36.4"),
	NFS_TEST_BARE(test_misordered_ahead, "RFC 8881, 18.36.4"),
	NFS_TEST_BARE(test_misordered_behind, "RFC 8881, 18.36.4"),
	NFS_TEST_BARE(test_misordered_old, "RFC 8881, 18.36.4"),
	NFS_TEST_BARE(test_replay, "RFC 8881, 18.36.4"),
	NFS_TEST_BARE(test_replay_after_crash, "RFC 8881, 18.36.4, 2.10.6.5"),
	NFS_TEST_BARE(test_lost_in_crash, "RFC 8881, 18.36.4, 2.10.6.5"),
	NFS_TEST_BARE(test_replay_of_destroyed, "RFC 8881, 18.36.4"),
	NFS_TEST_BARE(test_two_sessions, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_attributes_within, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_attributes_largest, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_attributes_smallest, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_request_too_small, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_response_too_small, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_no_operations, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_no_slots, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_back_too_small, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_persist_asked, "RFC 8881, 18.36.3, 2.10.6.5"),
	NFS_TEST_BARE(test_persist_not_asked, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_rdma_not_granted, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_flags_unknown, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_back_channel, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_no_back_channel, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_callback_user, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_callback_security_unknown, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_sessions_at_limit, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_unconfirmed_other_user, "RFC 8881, 18.36.4"),
	NFS_TEST_BARE(test_not_alone, "RFC 8881, 18.36.3"),
	NFS_TEST(test_in_session, "RFC 8881, 18.36.3"),
	NFS_TEST_BARE(test_session_survives_crash, "RFC 8881, 2.10.6.5"),
};

NFS_TEST_MAIN(cases)
