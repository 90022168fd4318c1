/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_MDS_CB_LAB_H
#define LAMINA_TESTS_MDS_CB_LAB_H

/*
 * A backchannel with a client that the test plays: it reads what is sent and answers it.  What a backchannel needs of
 * connections and clients is defined here, so nothing else of the server is linked.  To be included once in a test
 * program.
 */

#include "mds/backchannel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "mds/callback_number.h"
#include "mds/conn.h"
#include "proto/wire_compound.h"
#include "proto/wire_rpc.h"
#include "tests/lib/check.h"
#include "tests/sim/sim_reactor.h"

#define MSEC	     1000000ull
#define NR_SESSIONS  2
#define NR_CONNS     3
#define REQUESTS_MAX 256
#define SLOTS_MAX    16

/* A callback as the client reads it. */
struct request {
	struct conn *conn;
	uint32_t xid, prog, vers, proc, flavor, uid, minor, nr;
	struct CB_SEQUENCE4args seq;
	uint32_t op;   /* 0: none, CB_SEQUENCE is alone */
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
	unsigned int nr_held;			 /* clients */
	uint32_t stored[NR_SESSIONS][SLOTS_MAX]; /* numbers of slots that are durable */
	int store_err;
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

FIBER_FN int callback_number_write(struct mds *mds, const struct session *session, uint32_t slot, uint32_t seqid)
{
	fiber_sleep_ns(MSEC);
	if (!world->store_err)
		world->stored[session - world->sessions][slot] = seqid;
	return world->store_err;
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
	CHECK_EQ(world->stored[q->seq.csa_sessionid[0] - 1][q->seq.csa_slotid], q->seq.csa_sequenceid);
	if (q->nr > 1) {
		CHECK_EQ(wire_cb_args_next(&in, &op), 0);
		q->op = op.argop;
	}
	if (op.argop == OP_CB_RECALL_ANY)
		q->keep = op.nfs_cb_argop4_u.opcbrecall_any.craa_objects_to_keep;
	world->nr_requests++;
	wire_arena_release(&arena);
	free(msg);
	return 0;
}

/* The next callback that arrives at the client. */
static inline FIBER_FN struct request *next_request(void)
{
	for (unsigned int i = 0; world->nr_taken == world->nr_requests; i++) {
		CHECK(i < 100000);
		fiber_sleep_ns(MSEC);
	}
	return &world->requests[world->nr_taken++];
}

/* Answer @q: CB_SEQUENCE says @seq_status, the operation @status. */
static inline void answer_with(const struct request *q, nfsstat4 seq_status, nfsstat4 status, uint32_t target)
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
	if (seq_status == NFS4_OK && q->nr > 1) {
		res = (struct nfs_cb_resop4){ .resop = OP_CB_RECALL_ANY };
		res.nfs_cb_resop4_u.opcbrecall_any.crar_status = status;
		CHECK_EQ(wire_cb_results_add(&out, &res), 0);
	}
	wire_results_end(&out, seq_status != NFS4_OK ? seq_status : status);
	CHECK(backchannel_reply(q->conn, q->xid, buf, wire_compound_size(&out)));
}

static inline void answer(const struct request *q, nfsstat4 seq_status)
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

static inline FIBER_FN void caller_main(void *arg)
{
	struct caller *me = arg;
	struct nfs_cb_argop4 op = recall_any(me->keep);

	me->status = (nfsstat4)-1;
	me->err = backchannel_call(&world->mds, &world->client, &op, me->deadline_ns, &me->status);
	me->done = true;
}

static inline void call_within(struct caller *caller, uint32_t keep, uint64_t ns)
{
	*caller = (struct caller){ .keep = keep, .deadline_ns = reactor_now_ns(world->r) + ns };
	CHECK_EQ(fiber_spawn(world->r, "caller", caller_main, caller, &caller->fiber), 0);
}

static inline void call(struct caller *caller, uint32_t keep)
{
	call_within(caller, keep, 10 * NSEC_PER_SEC);
}

static inline FIBER_FN void expect(struct caller *caller, int err, nfsstat4 status)
{
	fiber_join(caller->fiber);
	CHECK_EQ(caller->err, err);
	if (!err)
		CHECK_EQ(caller->status, status);
}

static inline void bind_conn(unsigned int nr, unsigned int session)
{
	struct conn_bind *bind = &world->binds[nr];

	*bind = (struct conn_bind){ .conn = &world->conns[nr], .session = &world->sessions[session], .back = true };
	list_add_tail(&bind->by_session, &bind->session->conns);
	list_add_tail(&bind->by_conn, &bind->conn->binds);
	bind->conn->closed = false;
	bind->conn->last_ns = reactor_now_ns(world->r);
}

static inline void break_conn(unsigned int nr)
{
	world->conns[nr].closed = true;
	list_del(&world->binds[nr].by_session);
	list_del(&world->binds[nr].by_conn);
	backchannel_conn_gone(&world->conns[nr]);
}

/* A client with one session of @slots slots and one connection. */
static inline void world_open(struct world *w, uint32_t slots)
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

static inline void world_close(struct world *w)
{
	for (unsigned int i = 0; i < NR_CONNS; i++)
		backchannel_conn_gone(&w->conns[i]);
	for (unsigned int i = 0; i < NR_SESSIONS; i++)
		backchannel_release(&w->sessions[i]);
	CHECK_EQ(w->nr_held, 0);
	CHECK_EQ(w->mds.nr_fibers, 0);
}

struct cb_case {
	FIBER_FN void (*cb_body)(struct world *w);
	uint32_t slots;
};

static FIBER_FN int cb_main(void *arg)
{
	const struct cb_case *test = arg;

	world_open(world, test->slots);
	test->cb_body(world);
	world_close(world);
	return 0;
}

static void cb_test(void **state)
{
	static struct world w;

	world = &w;
	w.r = sim_reactor_new(1);
	assert_int_equal(reactor_run(w.r, cb_main, *state), 0);
	reactor_close(w.r);
}

#define CB_TEST(fn, nr_slots)                                                                                        \
	{                                                                                                            \
		.name = #fn, .test_func = cb_test, .initial_state = &(struct cb_case)                                \
		{                                                                                                    \
			fn, nr_slots                                                                                 \
		}                                                                                                    \
	}

#endif
