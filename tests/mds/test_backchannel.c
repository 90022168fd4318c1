// SPDX-License-Identifier: Apache-2.0
/* Callbacks over connections that the test makes up, one behaviour a test. */
#include "tests/mds/cb_lab.h"

/* RFC 8881, 2.10.3.1 and 20.9: program, version, credential, minor version; session, slot 0, number 1, not cached. */
static FIBER_FN void do_request(struct world *w)
{
	struct caller a;
	struct request *q;

	w->sessions[0].cb_has_sys = true;
	w->sessions[0].cb_uid = 77;
	w->sessions[0].cb_program = 0x40001234;
	call(&a, 5);
	q = next_request();
	CHECK_EQ(q->prog, 0x40001234);
	CHECK_EQ(q->vers, 1);
	CHECK_EQ(q->proc, CB_COMPOUND);
	CHECK_EQ(q->flavor, AUTH_SYS);
	CHECK_EQ(q->uid, 77);
	CHECK_EQ(q->minor, 2);
	CHECK_EQ(q->nr, 2);
	CHECK(memcmp(q->seq.csa_sessionid, w->sessions[0].id, NFS4_SESSIONID_SIZE) == 0);
	CHECK_EQ(q->seq.csa_sequenceid, 1);
	CHECK_EQ(q->seq.csa_slotid, 0);
	CHECK_EQ(q->seq.csa_highest_slotid, 0);
	CHECK(!q->seq.csa_cachethis);
	CHECK_EQ(q->keep, 5);
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
	CHECK_EQ(w->mds.counts.callbacks, 1);
	CHECK_EQ(w->mds.counts.callbacks_failed, 0);
}

static FIBER_FN void do_auth_none(struct world *w)
{
	struct caller a;
	struct request *q;

	w->client.minor = 1;
	call(&a, 0);
	q = next_request();
	CHECK_EQ(q->flavor, AUTH_NONE);
	CHECK_EQ(q->minor, 1);
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

/* 2.10.6.1: the number of a slot grows by one. */
static FIBER_FN void do_numbers(struct world *w)
{
	for (uint32_t i = 1; i <= 3; i++) {
		struct caller a;
		struct request *q;

		call(&a, i);
		q = next_request();
		CHECK_EQ(q->seq.csa_slotid, 0);
		CHECK_EQ(q->seq.csa_sequenceid, i);
		answer(q, NFS4_OK);
		expect(&a, 0, NFS4_OK);
	}
}

static FIBER_FN void do_operation_fails(struct world *w)
{
	struct caller a;

	call(&a, 0);
	answer_with(next_request(), NFS4_OK, NFS4ERR_REJECT_DELEG, 15);
	expect(&a, 0, NFS4ERR_REJECT_DELEG);
}

static FIBER_FN void do_parallel_slots(struct world *w)
{
	struct caller a, b;
	struct request *p, *q;

	call(&a, 0);
	p = next_request();
	call(&b, 0);
	q = next_request();
	CHECK_EQ(q->seq.csa_slotid, 1);
	CHECK_EQ(q->seq.csa_sequenceid, 1);
	CHECK_EQ(q->seq.csa_highest_slotid, 1);
	CHECK(p->xid != q->xid);
	answer(q, NFS4_OK);
	expect(&b, 0, NFS4_OK);
	CHECK(!a.done);
	answer(p, NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

/* As many as there are slots are under way, no more. */
static FIBER_FN void do_slots_are_the_bound(struct world *w)
{
	struct caller c[3];
	struct request *p;

	for (uint32_t i = 0; i < 3; i++)
		call(&c[i], i);
	p = next_request();
	next_request();
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK_EQ(w->nr_requests, 2);
	answer(p, NFS4_OK);
	p = next_request();
	CHECK_EQ(p->seq.csa_sequenceid, 2);
	answer(p, NFS4_OK);
	answer(&w->requests[1], NFS4_OK);
	for (uint32_t i = 0; i < 3; i++)
		expect(&c[i], 0, NFS4_OK);
}

static FIBER_FN void do_waiting_for_a_slot_ends(struct world *w)
{
	struct caller a, b;
	struct request *p;

	call(&a, 0);
	p = next_request();
	call_within(&b, 0, NSEC_PER_SEC);
	expect(&b, -ETIMEDOUT, 0);
	answer(p, NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

/* Nobody waits longer than he said, and the slot is good again when the answer comes after all. */
static FIBER_FN void do_late_answer(struct world *w)
{
	struct caller a, b;
	struct request *p;

	call_within(&a, 0, NSEC_PER_SEC);
	p = next_request();
	expect(&a, -ETIMEDOUT, 0);
	CHECK_EQ(w->mds.counts.callbacks_failed, 1);
	answer(p, NFS4_OK);
	call(&b, 0);
	p = next_request();
	CHECK_EQ(p->seq.csa_sequenceid, 2);
	answer(p, NFS4_OK);
	expect(&b, 0, NFS4_OK);
}

/* The next callback asks for the slot's number alone. */
static FIBER_FN struct request *next_probe(uint32_t slot, uint32_t seqid)
{
	struct request *q = next_request();

	CHECK_EQ(q->nr, 1);
	CHECK_EQ(q->seq.csa_slotid, slot);
	CHECK_EQ(q->seq.csa_sequenceid, seqid);
	return q;
}

/* An abandoned callback whose connection ends may have been carried out: that is found out first. */
static FIBER_FN void do_lost_answer(struct world *w)
{
	struct caller a, b;
	struct request *p;

	call_within(&a, 1, NSEC_PER_SEC);
	next_request();
	expect(&a, -ETIMEDOUT, 0);
	break_conn(0);
	bind_conn(1, 0);
	call(&b, 2);
	answer(next_probe(0, 1), NFS4ERR_RETRY_UNCACHED_REP);
	p = next_request();
	CHECK_EQ(p->seq.csa_sequenceid, 2);
	CHECK_EQ(p->keep, 2);
	answer(p, NFS4_OK);
	expect(&b, 0, NFS4_OK);
}

static FIBER_FN void do_no_connection(struct world *w)
{
	struct caller a;

	break_conn(0);
	call(&a, 0);
	expect(&a, -ENOTCONN, 0);
	CHECK_EQ(w->nr_requests, 0);
}

/* A connection that is bound for requests only is none for callbacks (18.34). */
static FIBER_FN void do_fore_only(struct world *w)
{
	struct caller a;

	w->binds[0].back = false;
	w->binds[0].fore = true;
	call(&a, 0);
	expect(&a, -ENOTCONN, 0);
}

/* 2.10.6.2: the same request, number and slot on another connection. */
static FIBER_FN void do_resent(struct world *w)
{
	struct caller a;
	struct request *p, *q;

	call(&a, 9);
	p = next_request();
	bind_conn(1, 0);
	break_conn(0);
	q = next_request();
	CHECK(q->conn == &w->conns[1]);
	CHECK_EQ(q->seq.csa_slotid, p->seq.csa_slotid);
	CHECK_EQ(q->seq.csa_sequenceid, p->seq.csa_sequenceid);
	CHECK_EQ(q->keep, 9);
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

static FIBER_FN void do_resent_after_reconnecting(struct world *w)
{
	struct caller a;
	struct request *q;

	call(&a, 9);
	next_request();
	break_conn(0);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK(!a.done);
	bind_conn(1, 0);
	q = next_request();
	CHECK_EQ(q->seq.csa_sequenceid, 1);
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

static FIBER_FN void do_nobody_reconnects(struct world *w)
{
	struct caller a;

	call(&a, 9);
	next_request();
	break_conn(0);
	expect(&a, -ENOTCONN, 0);
}

/* 20.9.3: the client has not begun; the same number is right. */
static FIBER_FN void do_delay(struct world *w)
{
	struct caller a;
	struct request *q;

	call(&a, 0);
	answer(next_request(), NFS4ERR_DELAY);
	q = next_request();
	CHECK_EQ(q->seq.csa_sequenceid, 1);
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

/* 2.10.6.1.3: a retry whose reply the client did not keep; Linux says so behind CB_SEQUENCE.  It is called anew. */
static FIBER_FN void do_retry_unknown(struct world *w)
{
	struct caller a;
	struct request *q;

	call(&a, 4);
	answer_with(next_request(), NFS4_OK, NFS4ERR_RETRY_UNCACHED_REP, 15);
	q = next_request();
	CHECK_EQ(q->seq.csa_sequenceid, 2);
	CHECK_EQ(q->keep, 4);
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

/* As after a restart: slot 0's number 7 was made durable, and sent or not. */
static FIBER_FN void remember(struct world *w, struct caller *a)
{
	CHECK_EQ(backchannel_load_number(&w->sessions[0], 0, 7), 0);
	w->stored[0][0] = 7;
	call(a, 1);
}

static FIBER_FN void expect_in_step(struct caller *a)
{
	struct request *q = next_request();

	CHECK_EQ(q->nr, 2);
	CHECK_EQ(q->seq.csa_slotid, 0);
	CHECK_EQ(q->seq.csa_sequenceid, 8);
	CHECK_EQ(q->keep, 1);
	answer(q, NFS4_OK);
	expect(a, 0, NFS4_OK);
}

/* 2.10.6.1: whether the number was sent before the restart, and whatever the client says then, the slot is in step.
 */
static FIBER_FN void do_remembered(struct world *w)
{
	static const nfsstat4 says[] = { NFS4_OK, NFS4ERR_RETRY_UNCACHED_REP, NFS4ERR_SEQ_FALSE_RETRY };

	for (unsigned int i = 0; i < 3; i++) {
		struct caller a;

		remember(w, &a);
		answer(next_probe(0, 7), says[i]);
		expect_in_step(&a);
		CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[0]), 0);
	}
}

/* The client has the reply of the callback that had this number, and says it again, with its operation. */
static FIBER_FN void do_remembered_reply(struct world *w)
{
	struct caller a;
	struct request *q;

	remember(w, &a);
	q = next_probe(0, 7);
	q->nr = 2;
	answer_with(q, NFS4_OK, NFS4ERR_BAD_STATEID, 15);
	expect_in_step(&a);
}

/* It is being carried out still. */
static FIBER_FN void do_remembered_delay(struct world *w)
{
	struct caller a;

	remember(w, &a);
	answer(next_probe(0, 7), NFS4ERR_DELAY);
	answer(next_probe(0, 7), NFS4ERR_DELAY);
	answer(next_probe(0, 7), NFS4ERR_RETRY_UNCACHED_REP);
	expect_in_step(&a);
}

static FIBER_FN void do_remembered_is_asked_again(struct world *w)
{
	struct caller a;

	remember(w, &a);
	next_probe(0, 7);
	bind_conn(1, 0);
	break_conn(0);
	answer(next_probe(0, 7), NFS4_OK);
	expect_in_step(&a);
}

/* Slots that were not used before begin with 1, without questions. */
static FIBER_FN void do_remembered_others(struct world *w)
{
	struct caller a, b;
	struct request *p, *q;

	remember(w, &a);
	p = next_probe(0, 7);
	call(&b, 2);
	q = next_request();
	CHECK_EQ(q->nr, 2);
	CHECK_EQ(q->seq.csa_slotid, 1);
	CHECK_EQ(q->seq.csa_sequenceid, 1);
	answer(q, NFS4_OK);
	expect(&b, 0, NFS4_OK);
	answer(p, NFS4_OK);
	expect_in_step(&a);
}

static FIBER_FN void do_remembered_nonsense(struct world *w)
{
	CHECK_EQ(backchannel_load_number(&w->sessions[0], 4, 7), -EUCLEAN);
	CHECK_EQ(backchannel_load_number(&w->sessions[1], 0, 7), -EUCLEAN);
}

/* A number that could not be made durable is not sent. */
static FIBER_FN void do_not_stored(struct world *w)
{
	struct caller a;
	struct request *q;

	w->store_err = -EIO;
	call(&a, 0);
	expect(&a, -EIO, 0);
	CHECK_EQ(w->nr_requests, 0);
	w->store_err = 0;
	call(&a, 0);
	q = next_request();
	CHECK_EQ(q->seq.csa_sequenceid, 1);
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

/* An operation's own DELAY is the caller's to judge. */
static FIBER_FN void do_delay_of_the_operation(struct world *w)
{
	struct caller a;

	call(&a, 0);
	answer_with(next_request(), NFS4_OK, NFS4ERR_DELAY, 15);
	expect(&a, 0, NFS4ERR_DELAY);
}

static FIBER_FN void do_again_and_again(struct world *w)
{
	struct caller a;

	call_within(&a, 0, NSEC_PER_SEC);
	while (!a.done) {
		if (w->nr_taken < w->nr_requests)
			answer(next_request(), NFS4ERR_DELAY);
		fiber_sleep_ns(MSEC);
	}
	expect(&a, -ETIMEDOUT, 0);
}

/* Numbers that the client takes for wrong: other slots are tried. */
static FIBER_FN void do_misordered(struct world *w)
{
	struct caller a;
	struct request *q;

	call(&a, 0);
	answer(next_request(), NFS4ERR_SEQ_MISORDERED);
	q = next_request();
	CHECK_EQ(q->seq.csa_slotid, 1);
	CHECK_EQ(q->seq.csa_sequenceid, 1);
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[0]), 0);
}

/* RFC 8881, 18.46.3: BACKCHANNEL_FAULT, upon which the client makes a new session. */
static FIBER_FN void do_all_slots_misordered(struct world *w)
{
	struct caller a;

	call(&a, 0);
	answer(next_request(), NFS4ERR_SEQ_MISORDERED);
	answer(next_request(), NFS4ERR_BADSLOT);
	expect(&a, -ENOTCONN, 0);
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[0]), SEQ4_STATUS_BACKCHANNEL_FAULT);
}

static FIBER_FN void do_bad_session(struct world *w)
{
	struct caller a;
	struct request *q;

	list_add_tail(&w->sessions[1].by_client, &w->client.sessions);
	CHECK_EQ(backchannel_init(&w->mds, &w->sessions[1]), 0);
	bind_conn(1, 1);
	call(&a, 0);
	answer(next_request(), NFS4ERR_BADSESSION);
	q = next_request();
	CHECK_EQ(q->seq.csa_sessionid[0], 2);
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[0]), SEQ4_STATUS_BACKCHANNEL_FAULT);
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[1]), 0);
}

static FIBER_FN void do_other_sequence_error(struct world *w)
{
	struct caller a;

	call(&a, 0);
	answer(next_request(), NFS4ERR_TOO_MANY_OPS);
	expect(&a, 0, NFS4ERR_TOO_MANY_OPS);
}

/* Answer @q with RPC's head alone; with @status, also with a compound without results. */
static void answer_short(const struct request *q, const struct wire_reply *reply, nfsstat4 status)
{
	struct wire_compound_in in = { .tag = (char *)(uintptr_t) "", .nr = 2 };
	struct wire_compound_out out;
	struct wire_enc enc;
	uint8_t buf[64];

	wire_enc_init(&enc, buf, sizeof(buf));
	CHECK_EQ(wire_reply_put(&enc, reply), 0);
	if (status != NFS4_OK) {
		CHECK_EQ(wire_cb_results_begin(&out, &enc, &in), 0);
		wire_results_end(&out, status);
	}
	CHECK(backchannel_reply(q->conn, q->xid, buf, wire_enc_pos(&enc)));
}

static FIBER_FN void do_malformed(struct world *w)
{
	struct caller a;
	struct request *q;
	struct wire_reply reply;

	call(&a, 0);
	q = next_request();
	reply = wire_reply_accepted(q->xid, SUCCESS);
	answer_short(q, &reply, NFS4_OK);
	expect(&a, -EPROTO, 0);
	CHECK(backchannel_status_flags(&w->client, &w->sessions[0]) & SEQ4_STATUS_BACKCHANNEL_FAULT);
}

static FIBER_FN void do_refused(struct world *w)
{
	struct caller a;
	struct request *q;
	struct wire_reply reply;

	call(&a, 0);
	q = next_request();
	reply = wire_reply_denied(q->xid, AUTH_BADCRED);
	answer_short(q, &reply, NFS4_OK);
	expect(&a, -EPROTO, 0);
}

/* Before the operations there was an error: the compound's status is all. */
static FIBER_FN void do_no_results(struct world *w)
{
	struct caller a;
	struct request *q;
	struct wire_reply reply;

	call(&a, 0);
	q = next_request();
	reply = wire_reply_accepted(q->xid, SUCCESS);
	answer_short(q, &reply, NFS4ERR_MINOR_VERS_MISMATCH);
	expect(&a, 0, NFS4ERR_MINOR_VERS_MISMATCH);
}

static FIBER_FN void do_unknown_xid(struct world *w)
{
	struct caller a;
	struct request *q;
	uint8_t buf[4] = { 0 };

	call(&a, 0);
	q = next_request();
	CHECK(!backchannel_reply(q->conn, q->xid + 1, buf, sizeof(buf)));
	CHECK(!backchannel_reply(&w->conns[1], q->xid, buf, sizeof(buf)));
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
	CHECK(!backchannel_reply(q->conn, q->xid, buf, sizeof(buf)));
}

/* 20.9.3: csr_target_highest_slotid is obeyed. */
static FIBER_FN void do_fewer_slots(struct world *w)
{
	struct caller a, b;
	struct request *p;

	call(&a, 0);
	answer_with(next_request(), NFS4_OK, NFS4_OK, 0);
	expect(&a, 0, NFS4_OK);
	call(&a, 0);
	call(&b, 0);
	p = next_request();
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK_EQ(w->nr_requests, 2);
	answer(p, NFS4_OK);
	answer(next_request(), NFS4_OK);
	expect(&a, 0, NFS4_OK);
	expect(&b, 0, NFS4_OK);
}

/* The session may be destroyed while its client is called. */
static FIBER_FN void do_session_goes(struct world *w)
{
	struct caller a, b;

	call(&a, 0);
	next_request();
	call(&b, 0);
	fiber_sleep_ns(MSEC);
	list_del(&w->sessions[0].by_client);
	backchannel_release(&w->sessions[0]);
	break_conn(0);
	expect(&a, -ENOTCONN, 0);
	expect(&b, -ENOTCONN, 0);
}

static FIBER_FN void do_too_big(struct world *w)
{
	struct caller a;

	w->sessions[0].back.ca_maxrequestsize = 64;
	call(&a, 0);
	expect(&a, -EMSGSIZE, 0);
	w->sessions[0].back.ca_maxrequestsize = 4096;
	call(&a, 0);
	answer(next_request(), NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

/* 18.46.3: up while true, and down as soon as it isn't. */
static FIBER_FN void do_path_flags(struct world *w)
{
	list_add_tail(&w->sessions[1].by_client, &w->client.sessions);
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[0]), 0);
	/* The other never asked for callbacks. */
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[1]), 0);
	CHECK(backchannel_has_path(&w->client));
	break_conn(0);
	CHECK(!backchannel_has_path(&w->client));
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[0]),
		 SEQ4_STATUS_CB_PATH_DOWN | SEQ4_STATUS_CB_PATH_DOWN_SESSION);
	CHECK_EQ(backchannel_init(&w->mds, &w->sessions[1]), 0);
	bind_conn(1, 1);
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[0]), SEQ4_STATUS_CB_PATH_DOWN_SESSION);
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[1]), 0);
	bind_conn(2, 0);
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[0]), 0);
}

static FIBER_FN void do_notify(struct world *w)
{
	struct nfs_cb_argop4 op = recall_any(3);
	struct request *q;

	backchannel_notify(&w->mds, &w->client, &op);
	CHECK_EQ(w->mds.nr_fibers, 1);
	memset(&op, 0xff, sizeof(op));
	q = next_request();
	CHECK_EQ(q->op, OP_CB_RECALL_ANY);
	CHECK_EQ(q->keep, 3);
	answer(q, NFS4_OK);
	while (w->mds.nr_fibers > 0)
		fiber_sleep_ns(MSEC);
	CHECK_EQ(w->mds.counts.callbacks_failed, 0);
}

static FIBER_FN void do_notify_without_path(struct world *w)
{
	struct nfs_cb_argop4 op = recall_any(3);

	break_conn(0);
	backchannel_notify(&w->mds, &w->client, &op);
	CHECK_EQ(w->mds.counts.callbacks, 1);
	CHECK_EQ(w->mds.counts.callbacks_failed, 1);
}

/* I11 */
static FIBER_FN void do_notify_is_bounded(struct world *w)
{
	struct nfs_cb_argop4 op = recall_any(3);

	for (int i = 0; i < 100; i++)
		backchannel_notify(&w->mds, &w->client, &op);
	CHECK_EQ(w->mds.nr_fibers, 64);
	CHECK_EQ(w->mds.counts.callbacks_failed, 36);
	while (w->mds.nr_fibers > 0) {
		if (w->nr_taken < w->nr_requests)
			answer(next_request(), NFS4_OK);
		fiber_sleep_ns(MSEC);
	}
	CHECK_EQ(w->nr_requests, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CB_TEST(do_request, 4),
		CB_TEST(do_auth_none, 4),
		CB_TEST(do_numbers, 4),
		CB_TEST(do_operation_fails, 4),
		CB_TEST(do_parallel_slots, 4),
		CB_TEST(do_slots_are_the_bound, 2),
		CB_TEST(do_waiting_for_a_slot_ends, 1),
		CB_TEST(do_late_answer, 1),
		CB_TEST(do_lost_answer, 1),
		CB_TEST(do_no_connection, 4),
		CB_TEST(do_fore_only, 4),
		CB_TEST(do_resent, 4),
		CB_TEST(do_resent_after_reconnecting, 4),
		CB_TEST(do_nobody_reconnects, 4),
		CB_TEST(do_delay, 4),
		CB_TEST(do_delay_of_the_operation, 4),
		CB_TEST(do_again_and_again, 4),
		CB_TEST(do_retry_unknown, 4),
		CB_TEST(do_remembered, 4),
		CB_TEST(do_remembered_reply, 4),
		CB_TEST(do_remembered_delay, 4),
		CB_TEST(do_remembered_is_asked_again, 4),
		CB_TEST(do_remembered_others, 4),
		CB_TEST(do_remembered_nonsense, 4),
		CB_TEST(do_not_stored, 4),
		CB_TEST(do_misordered, 2),
		CB_TEST(do_all_slots_misordered, 2),
		CB_TEST(do_bad_session, 4),
		CB_TEST(do_other_sequence_error, 4),
		CB_TEST(do_malformed, 4),
		CB_TEST(do_refused, 4),
		CB_TEST(do_no_results, 4),
		CB_TEST(do_unknown_xid, 4),
		CB_TEST(do_fewer_slots, 4),
		CB_TEST(do_session_goes, 1),
		CB_TEST(do_too_big, 4),
		CB_TEST(do_path_flags, 4),
		CB_TEST(do_notify, 4),
		CB_TEST(do_notify_without_path, 4),
		CB_TEST(do_notify_is_bounded, 1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
