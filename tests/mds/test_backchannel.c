// SPDX-License-Identifier: Apache-2.0
/*
 * Callbacks over connections that are made up here: the test is the client, reads what is sent and answers it.  What
 * a backchannel needs of connections and clients is defined below, so nothing else of the server is linked.
 */
#include "mds/backchannel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "mds/conn.h"
#include "proto/wire_compound.h"
#include "proto/wire_rpc.h"
#include "tests/lib/check.h"
#include "tests/sim/sim_reactor.h"

#define SECOND	     1000000000ull
#define MSEC	     1000000ull
#define NR_SESSIONS  2
#define NR_CONNS     3
#define REQUESTS_MAX 256

/* A callback as the client reads it. */
struct request {
	struct conn *conn;
	uint32_t xid, prog, vers, proc, flavor, uid, minor, nr;
	struct CB_SEQUENCE4args seq;
	uint32_t op;
	uint32_t keep; /* of CB_RECALL_ANY: which callback it is */
};

struct world {
	struct reactor *r;
	struct mds mds;
	struct client client;
	struct session sessions[NR_SESSIONS];
	struct conn conns[NR_CONNS];
	struct conn_bind binds[NR_CONNS];
	struct request requests[REQUESTS_MAX];
	unsigned int nr_requests, nr_taken;
	unsigned int nr_held; /* clients */
};

static struct world *world;

void client_hold(struct client *client)
{
	world->nr_held++;
}

void client_drop(struct mds *mds, struct client *client)
{
	world->nr_held--;
}

int conn_send(struct conn *conn, void *msg, uint32_t len)
{
	struct request *q = &world->requests[world->nr_requests];
	struct wire_authsys sys;
	struct wire_compound_in in;
	struct wire_arena arena;
	struct wire_call call;
	struct nfs_cb_argop4 op;
	struct wire_dec dec;

	if (conn->closed) {
		free(msg);
		return -EPIPE;
	}
	CHECK(world->nr_requests < REQUESTS_MAX);
	wire_arena_init(&arena, 4096);
	wire_dec_init(&dec, msg, len, &arena);
	CHECK_EQ(wire_call_get(&dec, &call), 0);
	*q = (struct request){ .conn = conn, .xid = call.xid, .prog = call.prog, .vers = call.vers };
	q->proc = call.proc;
	q->flavor = call.cred.flavor;
	if (q->flavor == AUTH_SYS) {
		CHECK_EQ(wire_authsys_get(&call.cred, &sys), 0);
		q->uid = sys.uid;
	}
	CHECK_EQ(wire_cb_args_open(&in, &dec), 0);
	q->minor = in.minorversion;
	q->nr = in.nr;
	CHECK_EQ(wire_cb_args_next(&in, &op), 0);
	CHECK_EQ(op.argop, OP_CB_SEQUENCE);
	q->seq = op.nfs_cb_argop4_u.opcbsequence;
	CHECK_EQ(wire_cb_args_next(&in, &op), 0);
	q->op = op.argop;
	if (op.argop == OP_CB_RECALL_ANY)
		q->keep = op.nfs_cb_argop4_u.opcbrecall_any.craa_objects_to_keep;
	world->nr_requests++;
	wire_arena_release(&arena);
	free(msg);
	return 0;
}

/* The next callback that arrives at the client. */
static FIBER_FN struct request *next_request(void)
{
	for (unsigned int i = 0; world->nr_taken == world->nr_requests; i++) {
		CHECK(i < 100000);
		fiber_sleep_ns(MSEC);
	}
	return &world->requests[world->nr_taken++];
}

/* Answer @q: CB_SEQUENCE says @seq_status, the operation @status. */
static void answer_with(const struct request *q, nfsstat4 seq_status, nfsstat4 status, uint32_t target)
{
	struct wire_reply reply = wire_reply_accepted(q->xid, SUCCESS);
	struct nfs_cb_resop4 res = { .resop = OP_CB_SEQUENCE };
	struct CB_SEQUENCE4res *seq = &res.nfs_cb_resop4_u.opcbsequence;
	struct CB_SEQUENCE4resok *ok = &seq->CB_SEQUENCE4res_u.csr_resok4;
	struct wire_compound_in in = { .tag = (char *)(uintptr_t) "", .nr = 2 };
	struct wire_compound_out out;
	struct wire_enc enc;
	uint8_t buf[512];

	wire_enc_init(&enc, buf, sizeof(buf));
	CHECK_EQ(wire_reply_put(&enc, &reply), 0);
	CHECK_EQ(wire_cb_results_begin(&out, &enc, &in), 0);
	seq->csr_status = seq_status;
	memcpy(ok->csr_sessionid, q->seq.csa_sessionid, sizeof(ok->csr_sessionid));
	ok->csr_sequenceid = q->seq.csa_sequenceid;
	ok->csr_slotid = q->seq.csa_slotid;
	ok->csr_highest_slotid = ok->csr_target_highest_slotid = target;
	CHECK_EQ(wire_cb_results_add(&out, &res), 0);
	if (seq_status == NFS4_OK) {
		res = (struct nfs_cb_resop4){ .resop = OP_CB_RECALL_ANY };
		res.nfs_cb_resop4_u.opcbrecall_any.crar_status = status;
		CHECK_EQ(wire_cb_results_add(&out, &res), 0);
	}
	wire_results_end(&out, seq_status != NFS4_OK ? seq_status : status);
	CHECK(backchannel_reply(q->conn, q->xid, buf, wire_compound_size(&out)));
}

static void answer(const struct request *q, nfsstat4 seq_status)
{
	answer_with(q, seq_status, NFS4_OK, 15);
}

/* One call in a fiber of its own. */
struct caller {
	struct fiber *fiber;
	uint32_t keep;
	uint64_t deadline_ns;
	bool done;
	int err;
	nfsstat4 status;
};

static struct nfs_cb_argop4 recall_any(uint32_t keep)
{
	struct nfs_cb_argop4 op = { .argop = OP_CB_RECALL_ANY };

	op.nfs_cb_argop4_u.opcbrecall_any.craa_objects_to_keep = keep;
	return op;
}

static FIBER_FN void caller_main(void *arg)
{
	struct caller *me = arg;
	struct nfs_cb_argop4 op = recall_any(me->keep);

	me->status = (nfsstat4)-1;
	me->err = backchannel_call(&world->mds, &world->client, &op, me->deadline_ns, &me->status);
	me->done = true;
}

static void call_within(struct caller *caller, uint32_t keep, uint64_t ns)
{
	*caller = (struct caller){ .keep = keep, .deadline_ns = reactor_now_ns(world->r) + ns };
	CHECK_EQ(fiber_spawn(world->r, "caller", caller_main, caller, &caller->fiber), 0);
}

static void call(struct caller *caller, uint32_t keep)
{
	call_within(caller, keep, 10 * SECOND);
}

static FIBER_FN void expect(struct caller *caller, int err, nfsstat4 status)
{
	fiber_join(caller->fiber);
	CHECK_EQ(caller->err, err);
	if (!err)
		CHECK_EQ(caller->status, status);
}

static void bind_conn(unsigned int nr, unsigned int session)
{
	struct conn_bind *bind = &world->binds[nr];

	*bind = (struct conn_bind){ .conn = &world->conns[nr], .session = &world->sessions[session], .back = true };
	list_add_tail(&bind->by_session, &bind->session->conns);
	list_add_tail(&bind->by_conn, &bind->conn->binds);
	bind->conn->closed = false;
	bind->conn->last_ns = reactor_now_ns(world->r);
}

static void break_conn(unsigned int nr)
{
	world->conns[nr].closed = true;
	list_del(&world->binds[nr].by_session);
	list_del(&world->binds[nr].by_conn);
	backchannel_conn_gone(&world->conns[nr]);
}

/* A client with one session of @slots slots and one connection. */
static void world_open(struct world *w, uint32_t slots)
{
	*w = (struct world){ .r = w->r };
	w->mds.reactor = w->r;
	wait_queue_init(&w->mds.idle);
	list_init(&w->client.sessions);
	for (unsigned int i = 0; i < NR_CONNS; i++) {
		list_init(&w->conns[i].calls);
		list_init(&w->conns[i].binds);
	}
	for (unsigned int i = 0; i < NR_SESSIONS; i++) {
		struct session *s = &w->sessions[i];

		s->client = &w->client;
		s->id[0] = (char)(i + 1);
		s->cb_program = 0x40000000;
		s->back.ca_maxrequestsize = s->back.ca_maxresponsesize = 4096;
		s->back.ca_maxoperations = 2;
		s->back.ca_maxrequests = slots;
		list_init(&s->conns);
	}
	list_add_tail(&w->sessions[0].by_client, &w->client.sessions);
	CHECK_EQ(backchannel_init(&w->mds, &w->sessions[0]), 0);
	bind_conn(0, 0);
}

static void world_close(struct world *w)
{
	for (unsigned int i = 0; i < NR_CONNS; i++)
		backchannel_conn_gone(&w->conns[i]);
	for (unsigned int i = 0; i < NR_SESSIONS; i++)
		backchannel_release(&w->sessions[i]);
	CHECK_EQ(w->nr_held, 0);
	CHECK_EQ(w->mds.nr_fibers, 0);
}

struct test {
	FIBER_FN void (*body)(struct world *w);
	struct world w;
	uint32_t slots;
};

static FIBER_FN int test_main(void *arg)
{
	struct test *t = arg;

	world = &t->w;
	world_open(&t->w, t->slots);
	t->body(&t->w);
	world_close(&t->w);
	return 0;
}

static void run_body(FIBER_FN void (*body)(struct world *w), uint32_t slots)
{
	static struct test t;

	t = (struct test){ .body = body, .slots = slots };
	t.w.r = sim_reactor_new(1);
	assert_int_equal(reactor_run(t.w.r, test_main, &t), 0);
	reactor_close(t.w.r);
}

#define TEST(name, slots)                                                                                            \
	static FIBER_FN void body_##name(struct world *w);                                                           \
	static void test_##name(void **state)                                                                        \
	{                                                                                                            \
		run_body(body_##name, slots);                                                                        \
	}                                                                                                            \
	static FIBER_FN void body_##name(struct world *w)

/* RFC 8881, 2.10.3.1 and 20.9: program, version, credential, minor version; session, slot 0, number 1, not cached. */
TEST(request, 4)
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

TEST(auth_none, 4)
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
TEST(numbers, 4)
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

TEST(operation_fails, 4)
{
	struct caller a;

	call(&a, 0);
	answer_with(next_request(), NFS4_OK, NFS4ERR_REJECT_DELEG, 15);
	expect(&a, 0, NFS4ERR_REJECT_DELEG);
}

TEST(parallel_slots, 4)
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
TEST(slots_are_the_bound, 2)
{
	struct caller c[3];
	struct request *p;

	for (uint32_t i = 0; i < 3; i++)
		call(&c[i], i);
	p = next_request();
	next_request();
	fiber_sleep_ns(SECOND);
	CHECK_EQ(w->nr_requests, 2);
	answer(p, NFS4_OK);
	p = next_request();
	CHECK_EQ(p->seq.csa_sequenceid, 2);
	answer(p, NFS4_OK);
	answer(&w->requests[1], NFS4_OK);
	for (uint32_t i = 0; i < 3; i++)
		expect(&c[i], 0, NFS4_OK);
}

TEST(waiting_for_a_slot_ends, 1)
{
	struct caller a, b;
	struct request *p;

	call(&a, 0);
	p = next_request();
	call_within(&b, 0, SECOND);
	expect(&b, -ETIMEDOUT, 0);
	answer(p, NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

/* Nobody waits longer than he said, and the slot is good again when the answer comes after all. */
TEST(late_answer, 1)
{
	struct caller a, b;
	struct request *p;

	call_within(&a, 0, SECOND);
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

/* An abandoned callback whose connection ends may have been carried out: the next one with its number finds out. */
TEST(lost_answer, 1)
{
	struct caller a, b;
	struct request *p;

	call_within(&a, 1, SECOND);
	next_request();
	expect(&a, -ETIMEDOUT, 0);
	break_conn(0);
	bind_conn(1, 0);
	call(&b, 2);
	p = next_request();
	CHECK_EQ(p->seq.csa_sequenceid, 1);
	CHECK_EQ(p->keep, 2);
	answer(p, NFS4ERR_RETRY_UNCACHED_REP);
	p = next_request();
	CHECK_EQ(p->seq.csa_sequenceid, 2);
	CHECK_EQ(p->keep, 2);
	answer(p, NFS4_OK);
	expect(&b, 0, NFS4_OK);
}

TEST(no_connection, 4)
{
	struct caller a;

	break_conn(0);
	call(&a, 0);
	expect(&a, -ENOTCONN, 0);
	CHECK_EQ(w->nr_requests, 0);
}

/* A connection that is bound for requests only is none for callbacks (18.34). */
TEST(fore_only, 4)
{
	struct caller a;

	w->binds[0].back = false;
	w->binds[0].fore = true;
	call(&a, 0);
	expect(&a, -ENOTCONN, 0);
}

/* 2.10.6.2: the same request, number and slot on another connection. */
TEST(resent, 4)
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

TEST(resent_after_reconnecting, 4)
{
	struct caller a;
	struct request *q;

	call(&a, 9);
	next_request();
	break_conn(0);
	fiber_sleep_ns(SECOND);
	CHECK(!a.done);
	bind_conn(1, 0);
	q = next_request();
	CHECK_EQ(q->seq.csa_sequenceid, 1);
	answer(q, NFS4_OK);
	expect(&a, 0, NFS4_OK);
}

TEST(nobody_reconnects, 4)
{
	struct caller a;

	call(&a, 9);
	next_request();
	break_conn(0);
	expect(&a, -ENOTCONN, 0);
}

/* 20.9.3: the client has not begun; the same number is right. */
TEST(delay, 4)
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

/* An operation's own DELAY is the caller's to judge. */
TEST(delay_of_the_operation, 4)
{
	struct caller a;

	call(&a, 0);
	answer_with(next_request(), NFS4_OK, NFS4ERR_DELAY, 15);
	expect(&a, 0, NFS4ERR_DELAY);
}

TEST(again_and_again, 4)
{
	struct caller a;

	call_within(&a, 0, SECOND);
	while (!a.done) {
		if (w->nr_taken < w->nr_requests)
			answer(next_request(), NFS4ERR_DELAY);
		fiber_sleep_ns(MSEC);
	}
	expect(&a, -ETIMEDOUT, 0);
}

/* Numbers that the client takes for wrong, as after a restart of the server: other slots are tried. */
TEST(misordered, 2)
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
TEST(all_slots_misordered, 2)
{
	struct caller a;

	call(&a, 0);
	answer(next_request(), NFS4ERR_SEQ_MISORDERED);
	answer(next_request(), NFS4ERR_BADSLOT);
	expect(&a, -ENOTCONN, 0);
	CHECK_EQ(backchannel_status_flags(&w->client, &w->sessions[0]), SEQ4_STATUS_BACKCHANNEL_FAULT);
}

TEST(bad_session, 4)
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

TEST(other_sequence_error, 4)
{
	struct caller a;

	call(&a, 0);
	answer(next_request(), NFS4ERR_TOO_MANY_OPS);
	expect(&a, 0, NFS4ERR_TOO_MANY_OPS);
}

TEST(malformed, 4)
{
	struct caller a;
	struct request *q;
	uint8_t buf[64];
	struct wire_enc enc;
	struct wire_reply reply;

	call(&a, 0);
	q = next_request();
	wire_enc_init(&enc, buf, sizeof(buf));
	reply = wire_reply_accepted(q->xid, SUCCESS);
	CHECK_EQ(wire_reply_put(&enc, &reply), 0);
	CHECK(backchannel_reply(q->conn, q->xid, buf, wire_enc_pos(&enc)));
	expect(&a, -EPROTO, 0);
	CHECK(backchannel_status_flags(&w->client, &w->sessions[0]) & SEQ4_STATUS_BACKCHANNEL_FAULT);
}

TEST(refused, 4)
{
	struct caller a;
	struct request *q;
	uint8_t buf[64];
	struct wire_enc enc;
	struct wire_reply reply;

	call(&a, 0);
	q = next_request();
	wire_enc_init(&enc, buf, sizeof(buf));
	reply = wire_reply_denied(q->xid, AUTH_BADCRED);
	CHECK_EQ(wire_reply_put(&enc, &reply), 0);
	CHECK(backchannel_reply(q->conn, q->xid, buf, wire_enc_pos(&enc)));
	expect(&a, -EPROTO, 0);
}

/* Before the operations there was an error: the compound's status is all. */
TEST(no_results, 4)
{
	struct caller a;
	struct request *q;
	struct wire_compound_in in = { .tag = (char *)(uintptr_t) "", .nr = 2 };
	struct wire_compound_out out;
	uint8_t buf[64];
	struct wire_enc enc;
	struct wire_reply reply;

	call(&a, 0);
	q = next_request();
	wire_enc_init(&enc, buf, sizeof(buf));
	reply = wire_reply_accepted(q->xid, SUCCESS);
	CHECK_EQ(wire_reply_put(&enc, &reply), 0);
	CHECK_EQ(wire_cb_results_begin(&out, &enc, &in), 0);
	wire_results_end(&out, NFS4ERR_MINOR_VERS_MISMATCH);
	CHECK(backchannel_reply(q->conn, q->xid, buf, wire_compound_size(&out)));
	expect(&a, 0, NFS4ERR_MINOR_VERS_MISMATCH);
}

TEST(unknown_xid, 4)
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
TEST(fewer_slots, 4)
{
	struct caller a, b;
	struct request *p;

	call(&a, 0);
	answer_with(next_request(), NFS4_OK, NFS4_OK, 0);
	expect(&a, 0, NFS4_OK);
	call(&a, 0);
	call(&b, 0);
	p = next_request();
	fiber_sleep_ns(SECOND);
	CHECK_EQ(w->nr_requests, 2);
	answer(p, NFS4_OK);
	answer(next_request(), NFS4_OK);
	expect(&a, 0, NFS4_OK);
	expect(&b, 0, NFS4_OK);
}

/* The session may be destroyed while its client is called. */
TEST(session_goes, 1)
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

TEST(too_big, 4)
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
TEST(path_flags, 4)
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

TEST(notify, 4)
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

TEST(notify_without_path, 4)
{
	struct nfs_cb_argop4 op = recall_any(3);

	break_conn(0);
	backchannel_notify(&w->mds, &w->client, &op);
	CHECK_EQ(w->mds.counts.callbacks, 1);
	CHECK_EQ(w->mds.counts.callbacks_failed, 1);
}

/* I11 */
TEST(notify_is_bounded, 1)
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
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_auth_none),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_operation_fails),
		cmocka_unit_test(test_parallel_slots),
		cmocka_unit_test(test_slots_are_the_bound),
		cmocka_unit_test(test_waiting_for_a_slot_ends),
		cmocka_unit_test(test_late_answer),
		cmocka_unit_test(test_lost_answer),
		cmocka_unit_test(test_no_connection),
		cmocka_unit_test(test_fore_only),
		cmocka_unit_test(test_resent),
		cmocka_unit_test(test_resent_after_reconnecting),
		cmocka_unit_test(test_nobody_reconnects),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_delay_of_the_operation),
		cmocka_unit_test(test_again_and_again),
		cmocka_unit_test(test_misordered),
		cmocka_unit_test(test_all_slots_misordered),
		cmocka_unit_test(test_bad_session),
		cmocka_unit_test(test_other_sequence_error),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_results),
		cmocka_unit_test(test_unknown_xid),
		cmocka_unit_test(test_fewer_slots),
		cmocka_unit_test(test_session_goes),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_path_flags),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_notify_without_path),
		cmocka_unit_test(test_notify_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
