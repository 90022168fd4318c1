/* SPDX-License-Identifier: Apache-2.0 */

/* Sessions: slots, exactly once over broken connections, doubt, binding, leases. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/lib/check.h"
#include "tests/lib/fake_world.h"
#include "tools/nfs_op.h"

struct at {
	uint64_t number;
	enum fake_action action;
};
static struct at at;

static FIBER_FN enum fake_action act_at(void *owner, const struct fake_call *call)
{
	return call->number == at.number ? at.action : FAKE_ANSWER;
}

static FIBER_FN int mkdir_once(struct fake_world *w, struct nfs_compound *c)
{
	nfs_session_begin(w->session, c);
	nfs_op_putrootfh(c);
	nfs_op_mkdir(c, "x", 0755);
	return nfs_session_send(w->session, c);
}

static FIBER_FN void sends(struct fake_world *w)
{
	for (uint32_t i = 0; i < 5; i++) {
		CHECK_EQ(mkdir_once(w, &w->c), 0);
		CHECK_EQ(w->c.status, NFS4_OK);
		CHECK(w->c.has_sequence);
		CHECK_EQ(w->c.nr_results, 2);
		CHECK(nfs_compound_result(&w->c, 1, OP_CREATE));
	}
	CHECK_EQ(w->server.executed[OP_CREATE], 5);
	/* RECLAIM_COMPLETE was the first. */
	CHECK_EQ(w->server.executed[OP_RECLAIM_COMPLETE], 1);
	CHECK_EQ(w->session->slots[0].sequenceid, 7);
	CHECK_EQ(w->session->slots[1].sequenceid, 1);
}

static void test_sends(void **state)
{
	fake_world_run(sends, true);
}

/* Whatever happens to the answer, the request is executed once and its answer arrives. */
static FIBER_FN void exactly_once(struct fake_world *w)
{
	static const enum fake_action bad[] = { FAKE_DROP, FAKE_ANSWER_DROP, FAKE_HALF };
	at = (struct at){ 0, FAKE_ANSWER };
	w->server.script = (struct fake_nfs_script){ .on_call = act_at };
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		at = (struct at){ w->server.nr_calls + 1, bad[i] };
		CHECK_EQ(mkdir_once(w, &w->c), 0);
		CHECK_EQ(w->c.status, NFS4_OK);
		CHECK_EQ(w->server.executed[OP_CREATE], i + 1);
	}
	CHECK_EQ(w->server.nr_replays, 2);
	/* The back channel was bound again each time. */
	CHECK_EQ(w->server.executed[OP_BIND_CONN_TO_SESSION], 3);
}

static void test_exactly_once(void **state)
{
	fake_world_run(exactly_once, true);
}

/* Who does not want that gets the error, and the slot finds out by itself what became of the request. */
static FIBER_FN void in_doubt(struct fake_world *w)
{
	static const enum fake_action bad[] = { FAKE_DROP, FAKE_ANSWER_DROP };
	at = (struct at){ 0, FAKE_ANSWER };
	w->server.script = (struct fake_nfs_script){ .on_call = act_at };
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		at = (struct at){ w->server.nr_calls + 1, bad[i] };
		nfs_session_begin(w->session, &w->c);
		w->c.resends = false;
		nfs_op_mkdir(&w->c, "x", 0755);
		CHECK(nfs_session_send(w->session, &w->c) < 0);
		CHECK(w->session->slots[0].is_in_doubt);
		CHECK_EQ(mkdir_once(w, &w->c), 0);
		CHECK_EQ(w->c.status, NFS4_OK);
		CHECK(!w->session->slots[0].is_in_doubt);
	}
	/* The first of them was never executed. */
	CHECK_EQ(w->server.executed[OP_CREATE], 3);
}

static void test_in_doubt(void **state)
{
	fake_world_run(in_doubt, true);
}

static FIBER_FN void lost_answer(struct fake_world *w)
{
	at = (struct at){ w->server.nr_calls + 1, FAKE_IGNORE };
	w->server.script = (struct fake_nfs_script){ .on_call = act_at };
	nfs_session_begin(w->session, &w->c);
	nfs_op_mkdir(&w->c, "x", 0755);
	w->c.timeout_ns = NSEC_PER_SEC;
	CHECK_EQ(nfs_session_send(w->session, &w->c), -ETIMEDOUT);
	CHECK_EQ(mkdir_once(w, &w->c), 0);
	CHECK_EQ(w->c.status, NFS4_OK);
	CHECK_EQ(w->server.executed[OP_CREATE], 1);
	w->c.timeout_ns = NFS_CONN_TIMEOUT_DEFAULT_NS;
}

static void test_lost_answer(void **state)
{
	fake_world_run(lost_answer, true);
}

struct crowd {
	struct fake_world *w;
	uint32_t running;
	uint32_t highest_running;
	uint32_t highest_slot;
	uint32_t done;
};

static FIBER_FN enum fake_action slow(void *owner, const struct fake_call *call)
{
	struct crowd *crowd = owner;
	uint32_t slot = call->ops[0].nfs_argop4_u.opsequence.sa_slotid;

	CHECK_EQ(call->ops[0].argop, OP_SEQUENCE);
	crowd->running++;
	crowd->highest_running = (uint32_t)max_u64(crowd->highest_running, crowd->running);
	crowd->highest_slot = (uint32_t)max_u64(crowd->highest_slot, slot);
	fiber_sleep_ns(5000000);
	crowd->running--;
	return FAKE_ANSWER;
}

static FIBER_FN void one_of_crowd(void *arg)
{
	struct crowd *crowd = arg;
	struct nfs_compound c;

	nfs_compound_init(&c);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(mkdir_once(crowd->w, &c), 0);
		CHECK_EQ(c.status, NFS4_OK);
	}
	nfs_compound_release(&c);
	crowd->done++;
}

static FIBER_FN void run_crowd(struct crowd *crowd, unsigned int nr)
{
	struct fiber *fibers[100];

	for (unsigned int i = 0; i < nr; i++)
		CHECK_EQ(fiber_spawn(crowd->w->reactor, "crowd", one_of_crowd, crowd, &fibers[i]), 0);
	for (unsigned int i = 0; i < nr; i++)
		fiber_join(fibers[i]);
	CHECK_EQ(crowd->done, nr);
}

/* More fibers than slots: they wait, and all slots are used. */
static FIBER_FN void crowded(struct fake_world *w)
{
	struct nfs_session_options opt = { .slots = 8 };
	struct crowd crowd = { .w = w };

	nfs_session_discard(w->session);
	CHECK_EQ(nfs_session_open(&w->client, w->conn, &opt, &w->session), 0);
	w->server.script = (struct fake_nfs_script){ .on_call = slow, .owner = &crowd };
	run_crowd(&crowd, 40);
	CHECK_EQ(crowd.highest_running, 8);
	CHECK_EQ(crowd.highest_slot, 7);
	CHECK_EQ(w->server.executed[OP_CREATE], 200);
}

static void test_crowded(void **state)
{
	fake_world_run(crowded, true);
}

/* RFC 8881, 2.10.6.1: the server asks for fewer slots. */
static FIBER_FN void fewer_slots(struct fake_world *w)
{
	struct crowd crowd = { .w = w };

	w->server.target_highest = 1;
	CHECK_EQ(nfs_session_ping(w->session), 0);
	w->server.script = (struct fake_nfs_script){ .on_call = slow, .owner = &crowd };
	run_crowd(&crowd, 20);
	CHECK_EQ(crowd.highest_slot, 1);
}

static void test_fewer_slots(void **state)
{
	fake_world_run(fewer_slots, true);
}

/* Connections break all the time, many fibers send: each request is executed once. */
static FIBER_FN enum fake_action often_bad(void *owner, const struct fake_call *call)
{
	switch (call->number % 7) {
	case 2:
		return FAKE_ANSWER_DROP;
	case 4:
		return FAKE_DROP;
	default:
		return FAKE_ANSWER;
	}
}

static FIBER_FN void storm(struct fake_world *w)
{
	struct crowd crowd = { .w = w };

	w->server.script = (struct fake_nfs_script){ .on_call = often_bad };
	run_crowd(&crowd, 5);
	CHECK_EQ(w->server.executed[OP_CREATE], 25);
	CHECK(w->server.nr_replays > 0);
	w->server.script = (struct fake_nfs_script){ .on_call = NULL };
}

static void test_storm(void **state)
{
	fake_world_run(storm, true);
}

static FIBER_FN void two_conns(struct fake_world *w)
{
	struct nfs_conn *second;

	CHECK_EQ(nfs_client_connect(&w->client, w->client_net, fake_nfs_addr(&w->server), &second), 0);
	CHECK_EQ(nfs_session_add_conn(w->session, second, CDFC4_FORE), 0);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(mkdir_once(w, &w->c), 0);
	CHECK_EQ(nfs_conn_stats(second).sent, 6);
	/* One of them is enough. */
	nfs_conn_drop(w->conn);
	CHECK_EQ(mkdir_once(w, &w->c), 0);
	nfs_session_remove_conn(w->session, second);
	nfs_conn_close(second);
	CHECK_EQ(mkdir_once(w, &w->c), 0);
	CHECK_EQ(w->server.executed[OP_CREATE], 12);
}

static void test_two_conns(void **state)
{
	fake_world_run(two_conns, true);
}

/* What goes wrong on purpose is sent as it is. */
static FIBER_FN void own_sequence(struct fake_world *w)
{
	SEQUENCE4args args;
	uint32_t slot;

	CHECK_EQ(nfs_session_slot_take(w->session, fake_world_in_ms(w, 1000), &slot), 0);
	args = nfs_session_sequence(w->session, slot);
	args.sa_sequenceid += 5;
	nfs_session_begin(w->session, &w->c);
	nfs_op_sequence(&w->c, &args);
	nfs_op_putrootfh(&w->c);
	CHECK_EQ(nfs_compound_send(&w->c, w->conn), 0);
	CHECK_EQ(w->c.status, NFS4ERR_SEQ_MISORDERED);
	CHECK_EQ(nfs_compound_op_status(&w->c, 0), NFS4ERR_SEQ_MISORDERED);
	CHECK_EQ(nfs_compound_op_status(&w->c, 1), NFS_COMPOUND_NOT_REACHED);
	args.sa_sequenceid -= 5;
	nfs_session_begin(w->session, &w->c);
	nfs_op_sequence(&w->c, &args);
	CHECK_EQ(nfs_compound_send(&w->c, w->conn), 0);
	CHECK_EQ(w->c.status, NFS4_OK);
	nfs_session_slot_used(w->session, slot);
	nfs_session_slot_give(w->session, slot);
	CHECK_EQ(mkdir_once(w, &w->c), 0);
	CHECK_EQ(w->c.status, NFS4_OK);
	/* The same bytes again: the first answer. */
	CHECK_EQ(nfs_compound_again(&w->c, w->conn), 0);
	CHECK_EQ(nfs_compound_wait(&w->c, fake_world_in_ms(w, 1000)), 0);
	CHECK_EQ(w->server.executed[OP_CREATE], 1);
	CHECK_EQ(w->server.nr_replays, 1);
}

static void test_own_sequence(void **state)
{
	fake_world_run(own_sequence, true);
}

/* The session is gone: the caller learns it, nothing hangs. */
static FIBER_FN void bad_session(struct fake_world *w)
{
	fake_nfs_forget(&w->server);
	CHECK_EQ(mkdir_once(w, &w->c), 0);
	CHECK_EQ(w->c.status, NFS4ERR_BADSESSION);
	fake_nfs_drop_all(&w->server);
	CHECK_EQ(mkdir_once(w, &w->c), 0);
	CHECK_EQ(w->c.status, NFS4ERR_BADSESSION);
	CHECK_EQ(nfs_session_close(w->session), NFS4ERR_BADSESSION);
	w->session = NULL;
}

static void test_bad_session(void **state)
{
	fake_world_run(bad_session, true);
}

static FIBER_FN void renews(struct fake_world *w)
{
	uint64_t before;

	CHECK_EQ(nfs_session_renew_start(w->session, 10 * NSEC_PER_SEC), 0);
	before = w->server.executed[OP_SEQUENCE];
	fiber_sleep_ns(65 * NSEC_PER_SEC);
	CHECK_EQ(w->server.executed[OP_SEQUENCE], before + 6);
	nfs_session_renew_stop(w->session);
	fiber_sleep_ns(65 * NSEC_PER_SEC);
	CHECK_EQ(w->server.executed[OP_SEQUENCE], before + 6);
}

static void test_renews(void **state)
{
	fake_world_run(renews, true);
}

/* A server out of reach does not end the fiber that renews. */
static FIBER_FN enum fake_action drop_until_second_100(void *owner, const struct fake_call *call)
{
	return reactor_now_ns(fiber_reactor()) < 100 * NSEC_PER_SEC ? FAKE_DROP : FAKE_ANSWER;
}

static FIBER_FN void renews_later(struct fake_world *w)
{
	uint64_t before = w->server.executed[OP_SEQUENCE];

	w->client.timeout_ns = 2000000000;
	w->server.script = (struct fake_nfs_script){ .on_call = drop_until_second_100 };
	CHECK_EQ(nfs_session_renew_start(w->session, 10 * NSEC_PER_SEC), 0);
	fiber_sleep_ns(90 * NSEC_PER_SEC);
	CHECK_EQ(w->server.executed[OP_SEQUENCE], before);
	fiber_sleep_ns(60 * NSEC_PER_SEC);
	CHECK(w->server.executed[OP_SEQUENCE] > before + 2);
}

static void test_renews_later(void **state)
{
	fake_world_run(renews_later, true);
}

static FIBER_FN void closes(struct fake_world *w)
{
	CHECK_EQ(nfs_session_renew_start(w->session, 10 * NSEC_PER_SEC), 0);
	CHECK_EQ(nfs_session_close(w->session), 0);
	w->session = NULL;
	CHECK_EQ(w->server.executed[OP_DESTROY_SESSION], 1);
	CHECK_EQ(nfs_client_destroy(&w->client, w->conn), 0);
	CHECK_EQ(w->server.executed[OP_DESTROY_CLIENTID], 1);
}

static void test_closes(void **state)
{
	fake_world_run(closes, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sends),	     cmocka_unit_test(test_exactly_once),
		cmocka_unit_test(test_in_doubt),     cmocka_unit_test(test_lost_answer),
		cmocka_unit_test(test_crowded),	     cmocka_unit_test(test_fewer_slots),
		cmocka_unit_test(test_storm),	     cmocka_unit_test(test_two_conns),
		cmocka_unit_test(test_own_sequence), cmocka_unit_test(test_bad_session),
		cmocka_unit_test(test_renews),	     cmocka_unit_test(test_closes),
		cmocka_unit_test(test_renews_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
