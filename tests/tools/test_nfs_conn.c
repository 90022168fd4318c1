/* SPDX-License-Identifier: Apache-2.0 */

/* One connection: matching, order, misbehaviour of either side, the end. */

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

/* A script that does one thing at the call with a number and nothing else to others. */
struct at {
	uint64_t number;
	enum fake_action action;
};
static struct at at;

static FIBER_FN enum fake_action act_at(void *owner, const struct fake_call *call)
{
	return call->number == at.number ? at.action : FAKE_ANSWER;
}

static FIBER_FN int putrootfh(struct fake_world *w)
{
	nfs_compound_begin(&w->c);
	nfs_op_putrootfh(&w->c);
	return nfs_compound_send(&w->c, w->conn);
}

static FIBER_FN void answers(struct fake_world *w)
{
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(putrootfh(w), 0);
		CHECK_EQ(w->c.status, NFS4_OK);
		CHECK_EQ(w->c.nr_results, 1);
		CHECK(nfs_compound_result(&w->c, 0, OP_PUTROOTFH));
		CHECK(!nfs_compound_result(&w->c, 0, OP_GETFH));
		CHECK(!nfs_compound_result(&w->c, 1, OP_PUTROOTFH));
	}
	CHECK_EQ(w->server.executed[OP_PUTROOTFH], 10);
}

static void test_answers(void **state)
{
	fake_world_run(answers, false);
}

/* The first waits longest. */
static FIBER_FN enum fake_action slow_first(void *owner, const struct fake_call *call)
{
	if (call->number < 20)
		fiber_sleep_ns((20 - call->number) * 10000000);
	return FAKE_ANSWER;
}

static FIBER_FN bool put_number(void *owner, const struct fake_call *call, const struct nfs_argop4 *arg,
				struct nfs_resop4 *ret_res)
{
	ACCESS4resok *ok = &ret_res->nfs_resop4_u.opaccess.ACCESS4res_u.resok4;

	if (arg->argop != OP_ACCESS)
		return false;
	ok->supported = arg->nfs_argop4_u.opaccess.access;
	return true;
}

static FIBER_FN void pipelines(struct fake_world *w)
{
	struct nfs_compound c[20];

	w->server.script = (struct fake_nfs_script){ .on_call = slow_first, .on_op = put_number };
	for (uint32_t i = 0; i < 20; i++) {
		nfs_compound_init(&c[i]);
		nfs_op_access(&c[i], i);
		CHECK_EQ(nfs_compound_start(&c[i], w->conn, NULL), 0);
	}
	for (uint32_t i = 0; i < 20; i++) {
		const struct nfs_resop4 *res;

		CHECK_EQ(nfs_compound_wait(&c[i], fake_world_in_ms(w, 10000)), 0);
		res = nfs_compound_result(&c[i], 0, OP_ACCESS);
		CHECK(res);
		CHECK_EQ(res->nfs_resop4_u.opaccess.ACCESS4res_u.resok4.supported, i);
		nfs_compound_release(&c[i]);
	}
}

static void test_pipelines(void **state)
{
	fake_world_run(pipelines, false);
}

/* Fibers that send at the same time over a connection that batches. */
#define CROWD 40

struct crowd {
	struct fake_world *w;
	struct nfs_conn *conn;
	uint32_t next;
	uint32_t answered;
	int err; /* what all of them got; 1: nothing yet */
};

static FIBER_FN void crowd_member(void *arg)
{
	struct crowd *crowd = arg;
	uint32_t number = ++crowd->next;
	const struct nfs_resop4 *res;
	struct nfs_compound c;
	int err;

	nfs_compound_init(&c);
	nfs_op_access(&c, number);
	err = nfs_compound_send(&c, crowd->conn);
	res = err ? NULL : nfs_compound_result(&c, 0, OP_ACCESS);
	if (res && res->nfs_resop4_u.opaccess.ACCESS4res_u.resok4.supported == number)
		crowd->answered++;
	if (crowd->err == 1)
		crowd->err = err;
	CHECK_EQ(err != 0, crowd->err != 0);
	nfs_compound_release(&c);
}

static FIBER_FN void crowd_send(struct crowd *crowd)
{
	struct fiber *members[CROWD];

	crowd->err = 1;
	crowd->next = crowd->answered = 0;
	for (uint32_t i = 0; i < CROWD; i++)
		CHECK_EQ(fiber_spawn(crowd->w->reactor, "member", crowd_member, crowd, &members[i]), 0);
	for (uint32_t i = 0; i < CROWD; i++)
		fiber_join(members[i]);
}

static FIBER_FN void batches(struct fake_world *w)
{
	struct nfs_conn_options opt = { .batches = true };
	struct crowd crowd = { .w = w };

	CHECK_EQ(nfs_conn_open(w->client_net, nfs_conn_addr(w->conn), &opt, &crowd.conn), 0);
	w->server.script = (struct fake_nfs_script){ .on_op = put_number };
	crowd_send(&crowd);
	CHECK_EQ(crowd.err, 0);
	CHECK_EQ(crowd.answered, CROWD);
	CHECK_EQ(nfs_conn_stats(crowd.conn).sent, CROWD);
	nfs_conn_drop(crowd.conn);
	crowd_send(&crowd);
	CHECK(crowd.err < 0);
	CHECK_EQ(crowd.answered, 0);
	CHECK_EQ(nfs_conn_reconnect(crowd.conn), 0);
	crowd_send(&crowd);
	CHECK_EQ(crowd.answered, CROWD);
	nfs_conn_close(crowd.conn);
}

static void test_batches(void **state)
{
	fake_world_run(batches, false);
}

static FIBER_FN void batch_breaker(void *arg)
{
	struct crowd *crowd = arg;

	nfs_conn_drop(crowd->conn);
	/* Made again before the first of them goes on: what they have gathered is not for this one. */
	CHECK_EQ(nfs_conn_reconnect(crowd->conn), 0);
}

/* The connection breaks between gathering and sending. */
static FIBER_FN void batch_breaks(struct fake_world *w)
{
	struct nfs_conn_options opt = { .batches = true };
	struct crowd crowd = { .w = w, .err = 1 };
	struct fiber *members[3];

	CHECK_EQ(nfs_conn_open(w->client_net, nfs_conn_addr(w->conn), &opt, &crowd.conn), 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(members); i++)
		CHECK_EQ(
			fiber_spawn(w->reactor, "member", i == 2 ? batch_breaker : crowd_member, &crowd, &members[i]),
			0);
	for (uint32_t i = 0; i < ARRAY_SIZE(members); i++)
		fiber_join(members[i]);
	CHECK(crowd.err < 0);
	CHECK(nfs_conn_is_up(crowd.conn));
	crowd_send(&crowd);
	CHECK_EQ(crowd.err, 0);
	nfs_conn_close(crowd.conn);
}

static void test_batch_breaks(void **state)
{
	fake_world_run(batch_breaks, false);
}

static FIBER_FN void times_out(struct fake_world *w)
{
	at = (struct at){ 1, FAKE_IGNORE };
	w->server.script = (struct fake_nfs_script){ .on_call = act_at };
	w->c.timeout_ns = NSEC_PER_SEC;
	CHECK_EQ(putrootfh(w), -ETIMEDOUT);
	CHECK(nfs_conn_is_up(w->conn));
	CHECK_EQ(putrootfh(w), 0);
}

static void test_times_out(void **state)
{
	fake_world_run(times_out, false);
}

static FIBER_FN void comes_back(struct fake_world *w)
{
	int err;

	at = (struct at){ 2, FAKE_DROP };
	w->server.script = (struct fake_nfs_script){ .on_call = act_at };
	CHECK_EQ(putrootfh(w), 0);
	err = putrootfh(w);
	CHECK(err == -ECONNRESET || err == -EPIPE);
	CHECK(!nfs_conn_is_up(w->conn));
	CHECK_EQ(putrootfh(w), -ENOTCONN);
	CHECK_EQ(nfs_conn_reconnect(w->conn), 0);
	CHECK_EQ(nfs_conn_generation(w->conn), 2);
	CHECK_EQ(nfs_conn_reconnect(w->conn), 0);
	CHECK_EQ(nfs_conn_generation(w->conn), 2);
	CHECK_EQ(putrootfh(w), 0);
}

static void test_comes_back(void **state)
{
	fake_world_run(comes_back, false);
}

static FIBER_FN void half_answer(struct fake_world *w)
{
	int err;

	at = (struct at){ 1, FAKE_HALF };
	w->server.script = (struct fake_nfs_script){ .on_call = act_at };
	err = putrootfh(w);
	CHECK(err == -ECONNRESET || err == -EPIPE);
	CHECK_EQ(nfs_conn_reconnect(w->conn), 0);
	CHECK_EQ(putrootfh(w), 0);
}

static void test_half_answer(void **state)
{
	fake_world_run(half_answer, false);
}

static FIBER_FN void garbage(struct fake_world *w)
{
	at = (struct at){ 1, FAKE_GARBAGE };
	w->server.script = (struct fake_nfs_script){ .on_call = act_at };
	CHECK_EQ(putrootfh(w), -EBADMSG);
	CHECK_EQ(w->c.nr_results, 0);
	CHECK_EQ(putrootfh(w), 0);
}

static void test_garbage(void **state)
{
	fake_world_run(garbage, false);
}

/* An answer that comes twice goes to nobody the second time. */
static FIBER_FN void twice(struct fake_world *w)
{
	at = (struct at){ 1, FAKE_ANSWER_TWICE };
	w->server.script = (struct fake_nfs_script){ .on_call = act_at };
	CHECK_EQ(putrootfh(w), 0);
	CHECK_EQ(putrootfh(w), 0);
	CHECK_EQ(nfs_conn_stats(w->conn).unmatched, 1);
	CHECK_EQ(nfs_conn_stats(w->conn).received, 3);
}

static void test_twice(void **state)
{
	fake_world_run(twice, false);
}

/* The same request twice, and its two answers to two calls with one xid. */
static FIBER_FN void duplicates(struct fake_world *w)
{
	struct nfs_call second;

	nfs_op_putrootfh(&w->c);
	CHECK_EQ(nfs_compound_start(&w->c, w->conn, NULL), 0);
	second = (struct nfs_call){ .xid = w->c.xid };
	CHECK_EQ(nfs_conn_expect(w->conn, &second), 0);
	CHECK_EQ(nfs_compound_duplicate(&w->c, w->conn), 0);
	CHECK_EQ(nfs_compound_wait(&w->c, fake_world_in_ms(w, 10000)), 0);
	CHECK_EQ(nfs_conn_wait(w->conn, &second, fake_world_in_ms(w, 10000)), 0);
	CHECK_EQ(second.reply_len, w->c.reply_len);
	free(second.reply);
	CHECK_EQ(w->server.executed[OP_PUTROOTFH], 2);
}

static void test_duplicates(void **state)
{
	fake_world_run(duplicates, false);
}

static FIBER_FN void raw_bytes(struct fake_world *w)
{
	uint8_t head[WIRE_RECORD_MARK], nothing[8] = { 0 };

	/* Two bytes that shift all that follows: a length beyond all limits. */
	CHECK_EQ(nfs_conn_send_bytes(w->conn, "\xff\xff", 2), 0);
	CHECK(putrootfh(w) < 0);
	CHECK_EQ(nfs_conn_wait_down(w->conn, fake_world_in_ms(w, 60000)), 0);
	CHECK_EQ(nfs_conn_reconnect(w->conn), 0);
	/* A record of four bytes, in pieces: not an RPC message. */
	wire_record_mark(head, 4);
	CHECK_EQ(nfs_conn_send_bytes(w->conn, head, 1), 0);
	CHECK_EQ(nfs_conn_send_bytes(w->conn, head + 1, 3), 0);
	CHECK_EQ(nfs_conn_send_bytes(w->conn, nothing, 4), 0);
	CHECK_EQ(nfs_conn_wait_down(w->conn, fake_world_in_ms(w, 60000)), 0);
}

static void test_raw_bytes(void **state)
{
	fake_world_run(raw_bytes, false);
}

static FIBER_FN void own_xid(struct fake_world *w)
{
	nfs_op_putrootfh(&w->c);
	w->c.sets_xid = true;
	w->c.xid = 42;
	CHECK_EQ(nfs_compound_send(&w->c, w->conn), 0);
	CHECK_EQ(w->c.rpc.xid, 42);
}

static void test_own_xid(void **state)
{
	fake_world_run(own_xid, false);
}

/* What does not fit the request is no answer. */
static FIBER_FN bool wrong_op(void *owner, const struct fake_call *call, const struct nfs_argop4 *arg,
			      struct nfs_resop4 *ret_res)
{
	ret_res->resop = OP_LOOKUP;
	return arg->argop == OP_PUTROOTFH;
}

static FIBER_FN void wrong_result(struct fake_world *w)
{
	w->server.script = (struct fake_nfs_script){ .on_op = wrong_op };
	CHECK_EQ(putrootfh(w), -EPROTO);
	nfs_compound_begin(&w->c);
	nfs_op_putrootfh(&w->c);
	w->c.checks = false;
	CHECK_EQ(nfs_compound_send(&w->c, w->conn), 0);
	CHECK(!nfs_compound_result(&w->c, 0, OP_PUTROOTFH));
	CHECK(nfs_compound_result(&w->c, 0, OP_LOOKUP));
}

static void test_wrong_result(void **state)
{
	fake_world_run(wrong_result, false);
}

static FIBER_FN void close_under_way(void *arg)
{
	struct fake_world *w = arg;

	fiber_sleep_ns(100000000);
	nfs_conn_close(w->conn);
	w->conn = NULL;
}

static FIBER_FN void closes(struct fake_world *w)
{
	struct fiber *closer;

	at = (struct at){ 1, FAKE_IGNORE };
	w->server.script = (struct fake_nfs_script){ .on_call = act_at };
	CHECK_EQ(fiber_spawn(w->reactor, "closer", close_under_way, w, &closer), 0);
	CHECK_EQ(putrootfh(w), -ESHUTDOWN);
	fiber_join(closer);
}

static void test_closes(void **state)
{
	fake_world_run(closes, false);
}

static FIBER_FN void large(struct fake_world *w)
{
	static char data[1 << 20];

	nfs_op_putrootfh(&w->c);
	nfs_op_write(&w->c, &nfs_stateid_anonymous, 0, FILE_SYNC4, data, sizeof(data));
	CHECK_EQ(nfs_compound_send(&w->c, w->conn), 0);
	CHECK_EQ(w->server.executed[OP_WRITE], 1);
	/* Beyond what may be built. */
	nfs_compound_begin(&w->c);
	for (int i = 0; i < 9; i++)
		nfs_op_write(&w->c, &nfs_stateid_anonymous, 0, FILE_SYNC4, data, sizeof(data));
	CHECK_EQ(nfs_compound_send(&w->c, w->conn), -EMSGSIZE);
	nfs_compound_begin(&w->c);
	for (int i = 0; i <= NFS_COMPOUND_OPS_MAX; i++)
		nfs_op_putrootfh(&w->c);
	CHECK_EQ(nfs_compound_send(&w->c, w->conn), -EMSGSIZE);
}

static void test_large(void **state)
{
	fake_world_run(large, false);
}

/* Answers with some wrong bytes: an error, or a compound that holds together; never anything else. */
static FIBER_FN enum fake_action flip_all(void *owner, const struct fake_call *call)
{
	return FAKE_FLIP;
}

static FIBER_FN void look_at_all(struct nfs_compound *c)
{
	struct wire_attrs attrs;
	READDIR4resok dir;
	struct nfs_fh fh;
	stateid4 stateid;
	READ4resok read;

	for (uint32_t i = 0; i < c->nr_results; i++) {
		CHECK(nfs_compound_op_status(c, i) == NFS4_OK || i + 1 == c->nr_results);
		CHECK(nfs_op_got_attrs(c, i, &attrs) <= 0);
		CHECK(nfs_op_got_readdir(c, i, &dir) <= 0);
		CHECK(nfs_op_got_fh(c, i, &fh) != 0 || fh.len <= NFS4_FHSIZE);
		CHECK(nfs_op_got_stateid(c, i, &stateid) <= 0);
		CHECK(nfs_op_got_read(c, i, &read) <= 0);
	}
}

static FIBER_FN void flipped(struct fake_world *w)
{
	struct nfs_readdir readdir = { .maxcount = 4096, .dircount = 4096 };
	struct nfs_open open = { .name = "x" };
	unsigned int nr_ok = 0;

	w->server.script = (struct fake_nfs_script){ .on_call = flip_all };
	for (int i = 0; i < 2000; i++) {
		nfs_compound_begin(&w->c);
		nfs_op_putrootfh(&w->c);
		nfs_op_getfh(&w->c);
		nfs_op_getattr(&w->c, NFS_ATTRS(FATTR4_SIZE));
		nfs_op_open(&w->c, &open);
		nfs_op_read(&w->c, &nfs_stateid_current, 0, 100);
		nfs_op_readdir(&w->c, &readdir);
		nfs_op_test_stateid(&w->c, &nfs_stateid_current, 1);
		if (nfs_compound_send(&w->c, w->conn) == 0)
			nr_ok++;
		look_at_all(&w->c);
	}
	CHECK(nr_ok > 0 && nr_ok < 2000);
}

static void test_flipped(void **state)
{
	fake_world_run(flipped, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),	     cmocka_unit_test(test_pipelines),
		cmocka_unit_test(test_times_out),    cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_half_answer),  cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_twice),	     cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_raw_bytes),    cmocka_unit_test(test_own_xid),
		cmocka_unit_test(test_wrong_result), cmocka_unit_test(test_closes),
		cmocka_unit_test(test_large),	     cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_batches),	     cmocka_unit_test(test_batch_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
