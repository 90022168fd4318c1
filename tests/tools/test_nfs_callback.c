/* SPDX-License-Identifier: Apache-2.0 */

/* The callback service: RFC 8881, 2.10.6 and 20, and what goes wrong with it on order. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "proto/wire_rpc.h"
#include "tests/lib/check.h"
#include "tests/lib/fake_world.h"

/* An answer, taken apart. */
struct answer {
	int err;
	uint32_t status;
	uint32_t nr;
	struct nfs_cb_resop4 res[4];
	uint8_t *msg;
};

static FIBER_FN struct answer call_ops(struct fake_world *w, const struct nfs_cb_argop4 *ops, uint32_t nr)
{
	struct fake_nfs_session *session = &w->server.sessions[0];
	struct answer a = { 0 };
	struct wire_compound_in in;
	struct wire_dec dec;

	a.err = fake_nfs_call_back(&w->server, session->back, session->cb_program, ops, nr, 2000000000, &dec, &in,
				   &a.msg);
	if (a.err)
		return a;
	a.status = in.status;
	while (a.nr < 4 && wire_cb_results_next(&in, &a.res[a.nr]) == 0)
		a.nr++;
	CHECK_EQ(a.nr, in.nr);
	return a;
}

/* CB_SEQUENCE and one more operation. */
static FIBER_FN struct answer call_back(struct fake_world *w, uint32_t slot, uint32_t sequenceid, uint32_t op)
{
	struct nfs_cb_argop4 ops[2] = { fake_nfs_cb_sequence(&w->server.sessions[0], slot, sequenceid),
					{ .argop = (nfs_cb_opnum4)op } };

	if (op == OP_CB_LAYOUTRECALL)
		ops[1].nfs_cb_argop4_u.opcblayoutrecall = (CB_LAYOUTRECALL4args){
			LAYOUT4_SCSI, LAYOUTIOMODE4_ANY, FALSE, { .lor_recalltype = LAYOUTRECALL4_ALL }
		};
	return call_ops(w, ops, 2);
}

static FIBER_FN void good(struct fake_world *w)
{
	struct nfs_callback_event *event;
	struct answer a = call_back(w, 0, 1, OP_CB_NOTIFY_LOCK);

	CHECK_EQ(a.err, 0);
	CHECK_EQ(a.status, NFS4_OK);
	CHECK_EQ(a.nr, 2);
	CHECK_EQ(a.res[0].nfs_cb_resop4_u.opcbsequence.CB_SEQUENCE4res_u.csr_resok4.csr_sequenceid, 1);
	free(a.msg);
	CHECK_EQ(nfs_callback_wait(&w->client.callback, OP_CB_NOTIFY_LOCK, fake_world_in_ms(w, 100), &event), 0);
	CHECK(nfs_callback_arg(event, OP_CB_NOTIFY_LOCK));
	CHECK(!nfs_callback_arg(event, OP_CB_RECALL));
	CHECK_EQ(event->sequence.csa_sequenceid, 1);
	nfs_callback_done(event);
	CHECK_EQ(nfs_callback_wait(&w->client.callback, 0, fake_world_in_ms(w, 100), &event), -ETIMEDOUT);
}

static void test_good(void **state)
{
	fake_world_run(good, true);
}

static FIBER_FN void expect(struct fake_world *w, uint32_t slot, uint32_t sequenceid, uint32_t op, uint32_t status)
{
	struct answer a = call_back(w, slot, sequenceid, op);

	CHECK_EQ(a.err, 0);
	CHECK_EQ(a.status, status);
	free(a.msg);
}

static FIBER_FN void sequences(struct fake_world *w)
{
	expect(w, 0, 2, OP_CB_NOTIFY_LOCK, NFS4ERR_SEQ_MISORDERED);
	expect(w, 16, 1, OP_CB_NOTIFY_LOCK, NFS4ERR_BADSLOT);
	expect(w, 0, 1, OP_CB_NOTIFY_LOCK, NFS4_OK);
	expect(w, 0, 1, OP_CB_NOTIFY_LOCK, NFS4_OK);
	CHECK_EQ(w->client.callback.stats.compounds, 1);
	CHECK_EQ(w->client.callback.stats.replays, 1);
	expect(w, 0, 3, OP_CB_NOTIFY_LOCK, NFS4ERR_SEQ_MISORDERED);
	expect(w, 0, 2, OP_CB_NOTIFY_LOCK, NFS4_OK);
	w->server.sessions[0].sessionid[5] ^= 1;
	expect(w, 0, 3, OP_CB_NOTIFY_LOCK, NFS4ERR_BADSESSION);
	w->server.sessions[0].sessionid[5] ^= 1;
	CHECK_EQ(w->client.callback.stats.refused, 4);
}

static void test_sequences(void **state)
{
	fake_world_run(sequences, true);
}

static FIBER_FN void positions(struct fake_world *w)
{
	struct nfs_cb_argop4 lone = { .argop = OP_CB_NOTIFY_LOCK };
	struct nfs_cb_argop4 two[2] = { fake_nfs_cb_sequence(&w->server.sessions[0], 0, 1),
					fake_nfs_cb_sequence(&w->server.sessions[0], 1, 1) };
	struct answer a = call_ops(w, &lone, 1);

	CHECK_EQ(a.status, NFS4ERR_OP_NOT_IN_SESSION);
	free(a.msg);
	a = call_ops(w, two, 2);
	CHECK_EQ(a.status, NFS4ERR_SEQUENCE_POS);
	CHECK_EQ(a.nr, 2);
	free(a.msg);
}

static void test_positions(void **state)
{
	fake_world_run(positions, true);
}

static FIBER_FN nfsstat4 take_recall(void *owner, const struct nfs_cb_argop4 *arg, struct nfs_cb_resop4 *ret_res)
{
	struct fake_world *w = owner;

	/* A hook may use the session. */
	CHECK_EQ(arg->argop, OP_CB_LAYOUTRECALL);
	CHECK_EQ(nfs_session_ping(w->session), 0);
	return NFS4_OK;
}

static FIBER_FN void hooks(struct fake_world *w)
{
	expect(w, 0, 1, OP_CB_LAYOUTRECALL, NFS4ERR_NOMATCHING_LAYOUT);
	w->client.callback.hooks[OP_CB_LAYOUTRECALL] = (struct nfs_callback_hook){ take_recall, w };
	expect(w, 0, 2, OP_CB_LAYOUTRECALL, NFS4_OK);
}

static void test_hooks(void **state)
{
	fake_world_run(hooks, true);
}

static FIBER_FN void faults(struct fake_world *w)
{
	struct nfs_callback *cb = &w->client.callback;
	struct nfs_callback_event *event;
	struct answer a;

	cb->fault = (struct nfs_callback_fault){ .nr = 1, .is_silent = true };
	CHECK_EQ(call_back(w, 0, 1, OP_CB_NOTIFY_LOCK).err, -ETIMEDOUT);
	CHECK_EQ(nfs_callback_wait(cb, OP_CB_NOTIFY_LOCK, fake_world_in_ms(w, 100), &event), 0);
	nfs_callback_done(event);
	/* It was executed: the retry is answered from memory. */
	expect(w, 0, 1, OP_CB_NOTIFY_LOCK, NFS4_OK);
	CHECK_EQ(cb->stats.replays, 1);
	cb->fault = (struct nfs_callback_fault){ .nr = 1, .sequence = NFS4ERR_DELAY };
	expect(w, 0, 2, OP_CB_NOTIFY_LOCK, NFS4ERR_DELAY);
	cb->fault = (struct nfs_callback_fault){ .nr = 1, .has_wrong_xid = true };
	CHECK_EQ(call_back(w, 0, 2, OP_CB_NOTIFY_LOCK).err, -ETIMEDOUT);
	cb->fault = (struct nfs_callback_fault){ .nr = 1, .delay_ns = NSEC_PER_SEC };
	expect(w, 1, 1, OP_CB_NOTIFY_LOCK, NFS4_OK);
	cb->fault = (struct nfs_callback_fault){ .nr = 1, .is_garbage = true };
	a = call_back(w, 2, 1, OP_CB_NOTIFY_LOCK);
	CHECK_EQ(a.err, -EBADMSG);
	free(a.msg);
	cb->fault = (struct nfs_callback_fault){ .nr = 1, .drops = true };
	CHECK(call_back(w, 3, 1, OP_CB_NOTIFY_LOCK).err < 0);
	/* The session binds a new connection for callbacks. */
	CHECK_EQ(nfs_session_ping(w->session), 0);
	expect(w, 3, 1, OP_CB_NOTIFY_LOCK, NFS4_OK);
}

static void test_faults(void **state)
{
	fake_world_run(faults, true);
}

/* Nobody takes the events: the oldest go. */
static FIBER_FN void bounded(struct fake_world *w)
{
	struct nfs_callback_event *event;

	for (uint32_t i = 1; i <= NFS_CALLBACK_EVENTS_MAX + 10; i++)
		expect(w, 0, i, OP_CB_NOTIFY_LOCK, NFS4_OK);
	CHECK_EQ(w->client.callback.stats.lost, 10);
	CHECK_EQ(nfs_callback_wait(&w->client.callback, 0, fake_world_in_ms(w, 100), &event), 0);
	CHECK_EQ(event->sequence.csa_sequenceid, 11);
	nfs_callback_done(event);
	nfs_callback_clear(&w->client.callback);
	CHECK_EQ(w->client.callback.nr_events, 0);
}

static void test_bounded(void **state)
{
	fake_world_run(bounded, true);
}

static FIBER_FN void recalls_slots(struct fake_world *w)
{
	struct nfs_cb_argop4 ops[2] = { fake_nfs_cb_sequence(&w->server.sessions[0], 0, 1),
					{ .argop = OP_CB_RECALL_SLOT } };
	uint32_t first, second;
	struct answer a;

	ops[1].nfs_cb_argop4_u.opcbrecall_slot.rsa_target_highest_slotid = 0;
	a = call_ops(w, ops, 2);
	CHECK_EQ(a.status, NFS4_OK);
	free(a.msg);
	CHECK_EQ(nfs_session_slot_take(w->session, fake_world_in_ms(w, 100), &first), 0);
	CHECK_EQ(nfs_session_slot_take(w->session, fake_world_in_ms(w, 100), &second), -ETIMEDOUT);
	nfs_session_slot_give(w->session, first);
}

static void test_recalls_slots(void **state)
{
	fake_world_run(recalls_slots, true);
}

/* A server that sends nonsense: the service answers or not, and goes on. */
static FIBER_FN void nonsense(struct fake_world *w)
{
	struct nfs_conn *conn = w->server.sessions[0].back;
	uint8_t msg[256];
	struct iovec iov;

	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t len = 8 + 4 * (uint32_t)reactor_random_below(w->reactor, 60);
		struct wire_call call = {
			.xid = i, .prog = NFS_CALLBACK_PROGRAM, .vers = NFS_CB, .proc = CB_COMPOUND
		};
		struct wire_enc enc;

		memset(msg, 0, sizeof(msg));
		for (uint32_t at = 3; at < sizeof(msg); at += 4)
			msg[at] = (uint8_t)reactor_random_below(w->reactor,
								reactor_random_below(w->reactor, 2) ? 3 : 16);
		wire_enc_init(&enc, msg, sizeof(msg));
		if (i % 4)
			CHECK_EQ(wire_call_put(&enc, &call), 0);
		else
			memset(msg + 4, 0, 4);
		iov = (struct iovec){ msg, len };
		CHECK_EQ(nfs_conn_send(conn, &iov, 1), 0);
		/* No more at a time than it takes. */
		fiber_sleep_ns(20000000);
	}
	CHECK(nfs_conn_is_up(w->conn));
	expect(w, 0, w->session->channel.slots[0].sequenceid + 1, OP_CB_NOTIFY_LOCK, NFS4_OK);
}

static void test_nonsense(void **state)
{
	fake_world_run(nonsense, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	      cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_positions),     cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_faults),	      cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_recalls_slots), cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
