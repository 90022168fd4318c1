/* SPDX-License-Identifier: Apache-2.0 */

/* SEQUENCE and the rules of slots: each request once, whatever the network does (RFC 8881, 2.10.6, 18.46). */

#include <string.h>

#include "tests/lib/nfs_raw.h"

/* A session of a fresh client, used by hand. */
struct raw {
	struct nfs_conn *conn;
	struct nfs_test_client *tc;
	CREATE_SESSION4resok s;
};

static FIBER_FN struct raw raw_with(struct nfs_test *t, const struct channel_attrs4 *fore)
{
	struct raw r = { .tc = nfs_test_client_bare(t, NULL) };
	struct nfs_raw_id id = nfs_raw_exchange(t, r.tc->conn, &r.tc->client.identity, NFS4_OK);
	CREATE_SESSION4args args = nfs_raw_create_args(&id);

	if (fore)
		args.csa_fore_chan_attrs = *fore;
	r.conn = r.tc->conn;
	r.s = nfs_raw_create(t, r.conn, NULL, &args, NFS4_OK);
	return r;
}

static FIBER_FN struct raw raw(struct nfs_test *t)
{
	return raw_with(t, NULL);
}

static void begin(struct nfs_test *t, const struct raw *r, uint32_t slot, uint32_t seqid)
{
	nfs_raw_begin(t, r->s.csr_sessionid, slot, seqid);
}

static FIBER_FN void ping(struct nfs_test *t, const struct raw *r, uint32_t slot, uint32_t seqid, nfsstat4 want)
{
	nfs_raw_sequence(t, r->conn, r->s.csr_sessionid, slot, seqid, want);
}

/* A change that succeeds once. */
static void begin_mkdir(struct nfs_test *t, const struct raw *r, uint32_t seqid, const char *name)
{
	begin(t, r, 0, seqid);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_mkdir(&t->c, name, 0755);
}

static FIBER_FN void test_answer(struct nfs_test *t)
{
	struct raw r = raw(t);
	SEQUENCE4resok ok;

	ping(t, &r, 3, 1, NFS4_OK);
	ok = nfs_raw_sequence_got(t);
	NFS_CHECK(t, memcmp(ok.sr_sessionid, r.s.csr_sessionid, NFS4_SESSIONID_SIZE) == 0);
	NFS_CHECK_EQ(t, ok.sr_sequenceid, 1);
	NFS_CHECK_EQ(t, ok.sr_slotid, 3);
	NFS_CHECK(t, ok.sr_highest_slotid < r.s.csr_fore_chan_attrs.ca_maxrequests);
	NFS_CHECK(t, ok.sr_target_highest_slotid <= ok.sr_highest_slotid);
	NFS_CHECK_EQ(t, ok.sr_status_flags, 0);
}

static FIBER_FN void test_unknown_session(struct nfs_test *t)
{
	struct raw r = raw(t);

	r.s.csr_sessionid[0] ^= 0x40;
	ping(t, &r, 0, 1, NFS4ERR_BADSESSION);
}

static FIBER_FN void test_bad_slot(struct nfs_test *t)
{
	struct raw r = raw(t);

	ping(t, &r, r.s.csr_fore_chan_attrs.ca_maxrequests, 1, NFS4ERR_BADSLOT);
	ping(t, &r, NFS4_UINT32_MAX, 1, NFS4ERR_BADSLOT);
}

static FIBER_FN void test_first_number(struct nfs_test *t)
{
	struct raw r = raw(t);

	ping(t, &r, 0, 0, NFS4ERR_SEQ_MISORDERED);
	ping(t, &r, 0, 2, NFS4ERR_SEQ_MISORDERED);
	ping(t, &r, 0, 1, NFS4_OK);
}

static FIBER_FN void test_misordered(struct nfs_test *t)
{
	struct raw r = raw(t);

	ping(t, &r, 0, 1, NFS4_OK);
	ping(t, &r, 0, 2, NFS4_OK);
	ping(t, &r, 0, 4, NFS4ERR_SEQ_MISORDERED);
	ping(t, &r, 0, 1, NFS4ERR_SEQ_MISORDERED);
	ping(t, &r, 0, NFS4_UINT32_MAX, NFS4ERR_SEQ_MISORDERED);
	ping(t, &r, 0, 3, NFS4_OK);
}

static FIBER_FN void test_slots_are_independent(struct nfs_test *t)
{
	struct raw r = raw(t);

	ping(t, &r, 0, 1, NFS4_OK);
	ping(t, &r, 0, 2, NFS4_OK);
	ping(t, &r, 1, 2, NFS4ERR_SEQ_MISORDERED);
	ping(t, &r, 1, 1, NFS4_OK);
	ping(t, &r, 0, 3, NFS4_OK);
}

static FIBER_FN void test_replay_of_change(struct nfs_test *t)
{
	struct raw r = raw(t);

	begin_mkdir(t, &r, 1, "once");
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4_OK);
	nfs_raw_again(t, r.conn, NFS4_OK);
	NFS_CHECK_EQ(t, t->c.nr_results, 3);
	nfs_raw_again(t, r.conn, NFS4_OK);
	ping(t, &r, 0, 2, NFS4_OK);
}

/* Linux repeats a request with what is its highest slot by then, not as it was. */
static FIBER_FN void test_replay_with_another_highest_slot(struct nfs_test *t)
{
	struct raw r = raw(t);

	begin_mkdir(t, &r, 1, "once");
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4_OK);
	nfs_raw_begin_highest(t, r.s.csr_sessionid, 0, 1, 3);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_mkdir(&t->c, "once", 0755);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4_OK);
	ping(t, &r, 0, 2, NFS4_OK);
}

/* What failed is repeated as failed, though it would succeed by now. */
static FIBER_FN void test_replay_of_failure(struct nfs_test *t)
{
	struct raw r = raw(t);
	struct nfs_compound failing;
	struct nfs_fh fh;

	begin(t, &r, 0, 1);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_remove(&t->c, "late");
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_NOENT);
	failing = t->c;
	nfs_compound_init(&t->c);
	NFS_IS(t, nfs_file_mkdir(t->session, &t->dir, "late", 0755, &fh), 0);
	nfs_compound_release(&t->c);
	t->c = failing;
	nfs_raw_again(t, r.conn, NFS4ERR_NOENT);
	NFS_IS(t, nfs_file_walk(t->session, &t->dir, "late", &fh), 0);
}

static FIBER_FN void test_replay_other_connection(struct nfs_test *t)
{
	struct raw r = raw(t);
	struct nfs_conn *second = nfs_test_connect(t, r.tc);

	begin_mkdir(t, &r, 1, "once");
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4_OK);
	nfs_raw_again(t, second, NFS4_OK);
	nfs_conn_close(second);
}

static FIBER_FN void test_replay_after_break(struct nfs_test *t)
{
	struct raw r = raw(t);

	begin_mkdir(t, &r, 1, "once");
	NFS_IS(t, nfs_compound_start(&t->c, r.conn, NULL), 0);
	nfs_conn_drop(r.conn);
	(void)!nfs_compound_wait(&t->c, nfs_test_in_ms(t, 1000));
	NFS_IS(t, nfs_conn_reconnect(r.conn), 0);
	nfs_raw_again(t, r.conn, NFS4_OK);
}

/* It comes twice before there is an answer: once executed, both answered alike. */
static FIBER_FN void test_replay_while_running(struct nfs_test *t)
{
	struct raw r = raw(t);
	struct nfs_conn *second = nfs_test_connect(t, r.tc);

	begin_mkdir(t, &r, 1, "once");
	NFS_IS(t, nfs_compound_start(&t->c, r.conn, NULL), 0);
	NFS_IS(t, nfs_compound_duplicate(&t->c, second), 0);
	NFS_IS(t, nfs_compound_wait(&t->c, nfs_test_in_ms(t, 20000)), 0);
	NFS_CHECK_EQ(t, t->c.status, NFS4_OK);
	nfs_raw_again(t, second, NFS4_OK);
	nfs_conn_close(second);
}

/* A new request in a slot whose last one has no answer yet. */
static FIBER_FN void test_next_while_running(struct nfs_test *t)
{
	struct raw r = raw(t);
	struct nfs_compound first;

	begin_mkdir(t, &r, 1, "first");
	/* One that is in flight stays where it is: the connection has it in a list. */
	first = t->c;
	nfs_compound_init(&t->c);
	NFS_IS(t, nfs_compound_start(&first, r.conn, NULL), 0);
	begin(t, &r, 0, 2);
	NFS_IS(t, nfs_compound_send(&t->c, r.conn), 0);
	NFS_CHECK(t, t->c.status == NFS4ERR_SEQ_MISORDERED || t->c.status == NFS4ERR_DELAY || t->c.status == NFS4_OK);
	NFS_IS(t, nfs_compound_wait(&first, nfs_test_in_ms(t, 20000)), 0);
	NFS_CHECK_EQ(t, first.status, NFS4_OK);
	nfs_compound_release(&first);
}

/* Two requests in one slot with the same number; the second is no repetition. */
static FIBER_FN void test_false_retry(struct nfs_test *t)
{
	struct raw r = raw(t);
	struct nfs_fh fh;

	begin_mkdir(t, &r, 1, "first");
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4_OK);
	begin_mkdir(t, &r, 1, "other");
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_SEQ_FALSE_RETRY);
	NFS_IS(t, nfs_file_walk(t->session, &t->dir, "other", &fh), NFS4ERR_NOENT);
	ping(t, &r, 0, 2, NFS4_OK);
}

static FIBER_FN void test_false_retry_other_user(struct nfs_test *t)
{
	struct raw r = raw(t);

	begin_mkdir(t, &r, 1, "first");
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4_OK);
	begin_mkdir(t, &r, 1, "first");
	t->c.cred = (struct nfs_cred){ .uid = 1001, .gid = 1001 };
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_SEQ_FALSE_RETRY);
}

static FIBER_FN void test_replay_uncached(struct nfs_test *t)
{
	struct raw r = raw(t);
	struct nfs_readdir all = { .dircount = 60000, .maxcount = 60000, .attrs = NFS_ATTRS(FATTR4_FILEID) };
	struct nfs_fh fh;
	char name[120];

	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "%0100d", i);
		NFS_IS(t, nfs_file_mkdir(t->session, &t->dir, name, 0755, &fh), 0);
	}
	nfs_raw_begin_uncached(t, r.s.csr_sessionid, 0, 1);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_readdir(&t->c, &all);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4_OK);
	NFS_CHECK(t, t->c.reply_len > r.s.csr_fore_chan_attrs.ca_maxresponsesize_cached);
	nfs_raw_again(t, r.conn, NFS4ERR_RETRY_UNCACHED_REP);
	ping(t, &r, 0, 2, NFS4_OK);
}

static FIBER_FN void test_too_many_operations(struct nfs_test *t)
{
	struct raw r = raw(t);
	uint32_t max = r.s.csr_fore_chan_attrs.ca_maxoperations;

	begin(t, &r, 0, 1);
	for (uint32_t i = 0; i < max; i++)
		nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_TOO_MANY_OPS);
	/* SEQUENCE failed, so the number is not used up. */
	begin(t, &r, 0, 1);
	for (uint32_t i = 0; i + 1 < max; i++)
		nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4_OK);
}

static const struct channel_attrs4 narrow = { .ca_maxrequestsize = 1024,
					      .ca_maxresponsesize = 1024,
					      .ca_maxresponsesize_cached = 512,
					      .ca_maxoperations = 16,
					      .ca_maxrequests = 2 };

static FIBER_FN void test_request_too_big(struct nfs_test *t)
{
	struct raw r = raw_with(t, &narrow);
	static const char zeros[2000];

	begin(t, &r, 0, 1);
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_write(&t->c, &nfs_stateid_anonymous, 0, FILE_SYNC4, zeros, sizeof(zeros));
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_REQ_TOO_BIG);
	ping(t, &r, 0, 1, NFS4_OK);
}

/* GETFH, many times, is more than the reply may have. */
static void add_long_results(struct nfs_test *t, unsigned int nr)
{
	nfs_op_putfh(&t->c, &t->dir);
	for (unsigned int i = 0; i < nr; i++)
		nfs_op_getattr(&t->c, NFS_ATTRS(FATTR4_SUPPORTED_ATTRS, FATTR4_FSID, FATTR4_FILEID, FATTR4_OWNER,
						FATTR4_TIME_MODIFY, FATTR4_TIME_METADATA, FATTR4_TIME_ACCESS));
}

static FIBER_FN void test_reply_too_big(struct nfs_test *t)
{
	struct raw r = raw_with(t, &narrow);

	nfs_raw_begin_uncached(t, r.s.csr_sessionid, 0, 1);
	add_long_results(t, 14);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_REP_TOO_BIG);
	NFS_CHECK(t, t->c.reply_len <= narrow.ca_maxresponsesize);
	/* What fits is there. */
	NFS_CHECK(t, t->c.nr_results > 2);
	ping(t, &r, 0, 2, NFS4_OK);
}

static FIBER_FN void test_reply_too_big_to_cache(struct nfs_test *t)
{
	struct raw r = raw_with(t, &narrow);

	begin(t, &r, 0, 1);
	add_long_results(t, 6);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_REP_TOO_BIG_TO_CACHE);
	NFS_CHECK(t, t->c.reply_len <= narrow.ca_maxresponsesize_cached);
	/* Uncached it is not too big. */
	nfs_raw_begin_uncached(t, r.s.csr_sessionid, 0, 2);
	add_long_results(t, 4);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4_OK);
}

/* A change is not made if its answer would not fit. */
static FIBER_FN void test_no_change_without_room(struct nfs_test *t)
{
	struct raw r = raw_with(t, &narrow);
	struct nfs_fh fh;

	begin(t, &r, 0, 1);
	add_long_results(t, 2);
	nfs_op_mkdir(&t->c, "unanswered", 0755);
	NFS_IS(t, nfs_compound_send(&t->c, r.conn), 0);
	if (t->c.status == NFS4_OK)
		nfs_test_skip(t, "it fits here");
	NFS_CHECK_EQ(t, t->c.status, NFS4ERR_REP_TOO_BIG_TO_CACHE);
	NFS_IS(t, nfs_file_walk(t->session, &t->dir, "unanswered", &fh), NFS4ERR_NOENT);
}

/* Nothing can be remembered in this session: not even SEQUENCE may be asked to be, and the slot stays as it is. */
static FIBER_FN void test_cached_size_zero(struct nfs_test *t)
{
	struct channel_attrs4 fore = narrow;
	struct raw r;

	fore.ca_maxresponsesize_cached = 0;
	r = raw_with(t, &fore);
	begin(t, &r, 0, 1);
	nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_REP_TOO_BIG_TO_CACHE);
	nfs_raw_begin_uncached(t, r.s.csr_sessionid, 0, 1);
	nfs_op_putrootfh(&t->c);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4_OK);
	nfs_raw_again(t, r.conn, NFS4ERR_RETRY_UNCACHED_REP);
}

static FIBER_FN void test_position(struct nfs_test *t)
{
	struct raw r = raw(t);
	SEQUENCE4args second = { .sa_sequenceid = 1, .sa_slotid = 1 };

	memcpy(second.sa_sessionid, r.s.csr_sessionid, sizeof(second.sa_sessionid));
	begin(t, &r, 0, 1);
	nfs_op_putrootfh(&t->c);
	nfs_op_sequence(&t->c, &second);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_SEQUENCE_POS);
	NFS_OP_IS(t, &t->c, 1, NFS4_OK);
	NFS_OP_IS(t, &t->c, 2, NFS4ERR_SEQUENCE_POS);
	ping(t, &r, 1, 1, NFS4_OK);
}

static FIBER_FN void test_behind_other_operation(struct nfs_test *t)
{
	struct raw r = raw(t);
	SEQUENCE4args args = { .sa_sequenceid = 1 };

	memcpy(args.sa_sessionid, r.s.csr_sessionid, sizeof(args.sa_sessionid));
	nfs_client_begin(&r.tc->client, &t->c);
	nfs_op_putrootfh(&t->c);
	nfs_op_sequence(&t->c, &args);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_OP_NOT_IN_SESSION);
}

static FIBER_FN void test_no_session(struct nfs_test *t)
{
	static const uint32_t ops[] = { OP_PUTROOTFH, OP_GETFH, OP_RECLAIM_COMPLETE, OP_BACKCHANNEL_CTL };

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		nfs_client_begin(t->client, &t->c);
		nfs_op_plain(&t->c, ops[i]);
		NFS_SEND_OVER(t, t->conn, &t->c, NFS4ERR_OP_NOT_IN_SESSION);
	}
}

static FIBER_FN void test_empty_compound(struct nfs_test *t)
{
	nfs_client_begin(t->client, &t->c);
	NFS_SEND_OVER(t, t->conn, &t->c, NFS4_OK);
	NFS_CHECK_EQ(t, t->c.nr_results, 0);
}

static FIBER_FN void test_illegal_operation(struct nfs_test *t)
{
	static const uint8_t number[4] = { 0, 0, 0x27, 0x10 };
	struct raw r = raw(t);

	begin(t, &r, 0, 1);
	nfs_op_putrootfh(&t->c);
	nfs_compound_add_raw(&t->c, 10000, number, sizeof(number));
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_OP_ILLEGAL);
	NFS_CHECK_EQ(t, t->c.nr_results, 3);
	NFS_CHECK_EQ(t, t->c.results[2].resop, OP_ILLEGAL);
	/* It was a request like others: the slot goes on. */
	ping(t, &r, 0, 2, NFS4_OK);
}

static FIBER_FN void test_numbers_below_the_first(struct nfs_test *t)
{
	for (uint8_t number = 0; number < OP_ACCESS; number++) {
		uint8_t bytes[4] = { 0, 0, 0, number };

		nfs_session_begin(t->session, &t->c);
		nfs_compound_add_raw(&t->c, number, bytes, sizeof(bytes));
		NFS_SEND(t, &t->c, NFS4ERR_OP_ILLEGAL);
	}
}

/* What 4.1 forbids of 4.0 is not illegal, but not to be used. */
static FIBER_FN void test_operations_of_minor_version_0(struct nfs_test *t)
{
	static const uint32_t ops[] = { OP_OPEN_CONFIRM, OP_RENEW, OP_SETCLIENTID_CONFIRM, OP_RELEASE_LOCKOWNER };

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		nfs_session_begin(t->session, &t->c);
		nfs_op_putfh(&t->c, &t->dir);
		nfs_op_plain(&t->c, ops[i]);
		NFS_SEND(t, &t->c, NFS4ERR_NOTSUPP);
	}
}

static FIBER_FN void test_operation_of_later_minor_version(struct nfs_test *t)
{
	struct nfs_session *session = t->session;

	nfs_session_begin(session, &t->c);
	t->c.minorversion = 1;
	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_seek(&t->c, &nfs_stateid_anonymous, 0, NFS4_CONTENT_DATA);
	NFS_SEND(t, &t->c, NFS4ERR_OP_ILLEGAL);
}

static FIBER_FN void test_minor_versions(struct nfs_test *t)
{
	static const uint32_t wrong[] = { 3, 4, 1000, NFS4_UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		nfs_client_begin(t->client, &t->c);
		t->c.minorversion = wrong[i];
		nfs_op_putrootfh(&t->c);
		NFS_SEND_OVER(t, t->conn, &t->c, NFS4ERR_MINOR_VERS_MISMATCH);
		NFS_CHECK_EQ(t, t->c.nr_results, 0);
	}
}

static FIBER_FN void test_tag_comes_back(struct nfs_test *t)
{
	t->c.tag = "a tag with \xc3\xa4 and \x01";
	nfs_op_putrootfh(&t->c);
	NFS_SEND(t, &t->c, NFS4_OK);
	NFS_CHECK_EQ(t, t->c.res_tag_len, strlen("a tag with \xc3\xa4 and \x01"));
	NFS_CHECK(t, memcmp(t->c.res_tag, "a tag with \xc3\xa4 and \x01", t->c.res_tag_len) == 0);
}

static FIBER_FN void test_tag_comes_back_with_failure(struct nfs_test *t)
{
	t->c.tag = "failing";
	nfs_op_getfh(&t->c);
	NFS_SEND(t, &t->c, NFS4ERR_NOFILEHANDLE);
	NFS_CHECK_EQ(t, t->c.res_tag_len, 7);
}

/* An operation in the middle cannot be decoded: what came before is done and answered, nothing behind it is. */
static FIBER_FN void test_bad_xdr_in_the_middle(struct nfs_test *t)
{
	/* LOOKUP of a name that claims 4 GiB. */
	static const uint8_t bad[] = { 0, 0, 0, OP_LOOKUP, 0xff, 0xff, 0xff, 0xff };
	struct raw r = raw(t);
	struct nfs_fh fh;

	begin_mkdir(t, &r, 1, "before");
	nfs_compound_add_raw(&t->c, OP_LOOKUP, bad, sizeof(bad));
	nfs_op_getfh(&t->c);
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_BADXDR);
	NFS_CHECK_EQ(t, t->c.nr_results, 4);
	NFS_OP_IS(t, &t->c, 2, NFS4_OK);
	NFS_OP_IS(t, &t->c, 3, NFS4ERR_BADXDR);
	NFS_IS(t, nfs_file_walk(t->session, &t->dir, "before", &fh), 0);
	nfs_raw_again(t, r.conn, NFS4ERR_BADXDR);
	ping(t, &r, 0, 2, NFS4_OK);
}

static FIBER_FN void test_fewer_operations_than_claimed(struct nfs_test *t)
{
	struct raw r = raw(t);

	begin(t, &r, 0, 1);
	nfs_op_putrootfh(&t->c);
	t->c.sets_nr_ops = true;
	t->c.claimed_nr_ops = 3;
	t->c.checks = false;
	NFS_SEND_OVER(t, r.conn, &t->c, NFS4ERR_BADXDR);
	NFS_OP_IS(t, &t->c, 1, NFS4_OK);
}

/* No message can have so many. */
static FIBER_FN void test_absurd_number_of_operations(struct nfs_test *t)
{
	nfs_client_begin(t->client, &t->c);
	nfs_op_putrootfh(&t->c);
	t->c.sets_nr_ops = true;
	t->c.claimed_nr_ops = NFS4_UINT32_MAX;
	NFS_IS(t, nfs_compound_send(&t->c, t->conn), -EBADRQC);
	NFS_IS(t, nfs_session_ping(t->session), 0);
}

static FIBER_FN void test_stops_at_first_failure(struct nfs_test *t)
{
	struct nfs_fh fh;

	nfs_op_putfh(&t->c, &t->dir);
	nfs_op_lookup(&t->c, "nothing");
	nfs_op_mkdir(&t->c, "behind", 0755);
	NFS_SEND(t, &t->c, NFS4ERR_NOENT);
	NFS_CHECK_EQ(t, t->c.nr_results, 2);
	NFS_IS(t, nfs_file_walk(t->session, &t->dir, "behind", &fh), NFS4ERR_NOENT);
}

static FIBER_FN void test_wrong_program(struct nfs_test *t)
{
	nfs_client_begin(t->client, &t->c);
	t->c.rpc_prog = 100005;
	NFS_IS(t, nfs_compound_send(&t->c, t->conn), -EOPNOTSUPP);
	NFS_CHECK_EQ(t, t->c.rpc.accept, PROG_UNAVAIL);
}

static FIBER_FN void test_wrong_version(struct nfs_test *t)
{
	nfs_client_begin(t->client, &t->c);
	t->c.rpc_vers = 3;
	NFS_IS(t, nfs_compound_send(&t->c, t->conn), -EOPNOTSUPP);
	NFS_CHECK_EQ(t, t->c.rpc.accept, PROG_MISMATCH);
}

static FIBER_FN void test_wrong_procedure(struct nfs_test *t)
{
	nfs_client_begin(t->client, &t->c);
	t->c.rpc_proc = 17;
	NFS_IS(t, nfs_compound_send(&t->c, t->conn), -EOPNOTSUPP);
	NFS_CHECK_EQ(t, t->c.rpc.accept, PROC_UNAVAIL);
}

/* Two sessions have slots of their own. */
static FIBER_FN void test_sessions_are_independent(struct nfs_test *t)
{
	struct raw a = raw(t), b = raw(t);

	ping(t, &a, 0, 1, NFS4_OK);
	ping(t, &a, 0, 2, NFS4_OK);
	ping(t, &b, 0, 2, NFS4ERR_SEQ_MISORDERED);
	ping(t, &b, 0, 1, NFS4_OK);
}

static FIBER_FN void test_all_slots_at_once(struct nfs_test *t)
{
	struct nfs_compound c[8];
	struct raw r = raw(t);
	char name[8];

	for (uint32_t i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "%u", i);
		begin(t, &r, i, 1);
		nfs_op_putfh(&t->c, &t->dir);
		nfs_op_mkdir(&t->c, name, 0755);
		c[i] = t->c;
		nfs_compound_init(&t->c);
	}
	for (uint32_t i = 0; i < 8; i++)
		NFS_IS(t, nfs_compound_start(&c[i], r.conn, NULL), 0);
	for (uint32_t i = 0; i < 8; i++) {
		NFS_IS(t, nfs_compound_wait(&c[i], nfs_test_in_ms(t, 20000)), 0);
		NFS_CHECK_EQ(t, c[i].status, NFS4_OK);
		nfs_compound_release(&c[i]);
	}
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_answer, "RFC 8881, 18.46.3"),
	NFS_TEST(test_unknown_session, "RFC 8881, 18.46.3"),
	NFS_TEST(test_bad_slot, "RFC 8881, 18.46.3"),
	NFS_TEST_DIFFERS(test_first_number, "RFC 8881, 2.10.6.1",
			 "it says NFS4ERR_RETRY_UNCACHED_REP for the number 0 of a slot that was never used"),
	NFS_TEST(test_misordered, "RFC 8881, 2.10.6.1"),
	NFS_TEST(test_slots_are_independent, "RFC 8881, 2.10.6.1"),
	NFS_TEST(test_replay_of_change, "RFC 8881, 2.10.6.1.3"),
	NFS_TEST(test_replay_with_another_highest_slot, "RFC 8881, 18.46.3"),
	NFS_TEST(test_replay_of_failure, "RFC 8881, 2.10.6.1.3"),
	NFS_TEST(test_replay_other_connection, "RFC 8881, 2.10.6.2"),
	NFS_TEST(test_replay_after_break, "RFC 8881, 2.10.6.2"),
	NFS_TEST(test_replay_while_running, "RFC 8881, 2.10.6.2"),
	NFS_TEST(test_next_while_running, "RFC 8881, 2.10.6.1"),
	NFS_TEST_DIFFERS(test_false_retry, "RFC 8881, 2.10.6.1.3.1",
			 "it does not compare what is repeated; 2.10.6.1.3.1 leaves that to servers"),
	NFS_TEST_DIFFERS(test_false_retry_other_user, "RFC 8881, 2.10.6.1.3.1",
			 "it does not compare what is repeated; 2.10.6.1.3.1 leaves that to servers"),
	NFS_TEST(test_replay_uncached, "RFC 8881, 2.10.6.1.3"),
	NFS_TEST_DIFFERS(test_too_many_operations, "RFC 8881, 2.10.6.4, 18.46.3",
			 "its answer has not the results that were promised"),
	NFS_TEST_DIFFERS(test_request_too_big, "RFC 8881, 2.10.6.4, 18.46.3",
			 "it does not look at the size of requests"),
	NFS_TEST_DIFFERS(test_reply_too_big, "RFC 8881, 2.10.6.4", "it does not keep to the size of replies"),
	NFS_TEST_DIFFERS(test_reply_too_big_to_cache, "RFC 8881, 2.10.6.4",
			 "it does not keep to the size of replies"),
	NFS_TEST(test_no_change_without_room, "RFC 8881, 2.10.6.4"),
	NFS_TEST_DIFFERS(test_cached_size_zero, "RFC 8881, 2.10.6.4, 18.46.3",
			 "it refuses also what need not be kept"),
	NFS_TEST(test_position, "RFC 8881, 18.46.3"),
	NFS_TEST(test_behind_other_operation, "RFC 8881, 2.10.2.1"),
	NFS_TEST(test_no_session, "RFC 8881, 2.10.2.1"),
	NFS_TEST(test_empty_compound, "RFC 8881, 16.2.3"),
	NFS_TEST(test_illegal_operation, "RFC 8881, 16.2.3, 18.52"),
	NFS_TEST(test_numbers_below_the_first, "RFC 8881, 16.2.3"),
	NFS_TEST(test_operations_of_minor_version_0, "RFC 8881, 17"),
	NFS_TEST(test_operation_of_later_minor_version, "RFC 8178, 8.2"),
	NFS_TEST(test_minor_versions, "RFC 8881, 16.2.3"),
	NFS_TEST(test_tag_comes_back, "RFC 8881, 16.2.3"),
	NFS_TEST(test_tag_comes_back_with_failure, "RFC 8881, 16.2.3"),
	NFS_TEST_DIFFERS(test_bad_xdr_in_the_middle, "RFC 8881, 16.2.3, 15.1.1.1",
			 "what cannot be decoded is GARBAGE_ARGS of RPC there"),
	NFS_TEST_DIFFERS(test_fewer_operations_than_claimed, "RFC 8881, 15.1.1.1",
			 "what cannot be decoded is GARBAGE_ARGS of RPC there"),
	NFS_TEST(test_absurd_number_of_operations, "RFC 5531, 9"),
	NFS_TEST(test_stops_at_first_failure, "RFC 8881, 16.2.3"),
	NFS_TEST(test_wrong_program, "RFC 5531, 9"),
	NFS_TEST(test_wrong_version, "RFC 5531, 9"),
	NFS_TEST(test_wrong_procedure, "RFC 5531, 9"),
	NFS_TEST(test_sessions_are_independent, "RFC 8881, 2.10.6.1"),
	NFS_TEST(test_all_slots_at_once, "RFC 8881, 2.10.6.1"),
};

NFS_TEST_MAIN(cases)
