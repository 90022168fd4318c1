/* SPDX-License-Identifier: Apache-2.0 */

/*
 * All layers together, as on one connection: a client calls with a compound, the server answers it and calls back
 * meanwhile, and the client's answer to that comes in the same stream, cut anywhere.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire_attr.h"
#include "proto/wire_compound.h"
#include "proto/wire_record.h"
#include "proto/wire_rpc.h"

static const struct wire_program nfs = { 100003, 4, 4, 2 };
static const struct wire_program callback = { 0x40000000, 1, 1, 2 };

struct stream {
	uint8_t bytes[4096];
	uint32_t len;
};

static struct wire_enc message_begin(struct stream *stream)
{
	struct wire_enc enc;

	wire_enc_init(&enc, stream->bytes + stream->len + WIRE_RECORD_MARK, 1024);
	return enc;
}

static void message_end(struct stream *stream, struct wire_enc *enc)
{
	wire_record_mark(stream->bytes + stream->len, wire_enc_pos(enc));
	stream->len += WIRE_RECORD_MARK + wire_enc_pos(enc);
}

static void client_call(struct stream *stream)
{
	struct nfs_argop4 ops[] = { { .argop = OP_PUTROOTFH }, { .argop = OP_GETATTR } };
	struct wire_call call = { .xid = 11, .prog = nfs.prog, .vers = 4, .proc = NFSPROC4_COMPOUND };
	struct wire_authsys sys = { .machine = (char *)"box", .machine_len = 3, .uid = 1000 };
	struct wire_enc enc = message_begin(stream);
	struct wire_compound_out out;
	uint8_t body[MAX_AUTH_BYTES];

	assert_int_equal(wire_authsys_put(&sys, body, &call.cred), 0);
	assert_int_equal(wire_call_put(&enc, &call), 0);
	wire_bitmap_set(&ops[1].nfs_argop4_u.opgetattr.attr_request, FATTR4_SIZE);
	wire_bitmap_set(&ops[1].nfs_argop4_u.opgetattr.attr_request, FATTR4_HIDDEN);
	assert_int_equal(wire_args_begin(&out, &enc, "ls", 2, 1), 0);
	assert_int_equal(wire_args_add(&out, &ops[0]), 0);
	assert_int_equal(wire_args_add(&out, &ops[1]), 0);
	wire_args_end(&out);
	message_end(stream, &enc);
}

static void client_answer(struct stream *stream, uint32_t xid)
{
	struct wire_compound_in request = { .nr = 1 };
	struct wire_reply reply = wire_reply_accepted(xid, SUCCESS);
	struct wire_enc enc = message_begin(stream);
	struct wire_compound_out out;

	assert_int_equal(wire_reply_put(&enc, &reply), 0);
	assert_int_equal(wire_cb_results_begin(&out, &enc, &request), 0);
	assert_int_equal(wire_cb_results_fail(&out, OP_CB_SEQUENCE, NFS4ERR_DELAY), 0);
	wire_results_end(&out, NFS4ERR_DELAY);
	message_end(stream, &enc);
}

/* The server: has 4711 bytes to report, and does not know what is hidden. */
static void serve(struct wire_dec *dec, struct stream *to)
{
	struct wire_attrs attrs = { .size = 4711 };
	struct wire_compound_in in;
	struct wire_compound_out out;
	struct wire_authsys sys;
	struct wire_reply reply;
	struct wire_call call;
	struct nfs_argop4 op;
	struct nfs_resop4 res = { .resop = OP_PUTROOTFH };
	uint8_t vals[64];
	struct wire_enc enc = message_begin(to);

	assert_int_equal(wire_call_get(dec, &call), 0);
	assert_false(wire_call_is_refused(&call, &nfs, &reply));
	assert_int_equal(wire_authsys_get(&call.cred, &sys), 0);
	assert_int_equal(sys.uid, 1000);
	reply = wire_reply_accepted(call.xid, SUCCESS);
	assert_int_equal(wire_reply_put(&enc, &reply), 0);
	assert_int_equal(wire_args_open(&in, dec), 0);
	assert_int_equal(wire_results_begin(&out, &enc, &in), 0);
	assert_int_equal(wire_args_next(&in, &op), 0);
	assert_int_equal(op.argop, OP_PUTROOTFH);
	assert_int_equal(wire_results_add(&out, &res), 0);
	assert_int_equal(wire_args_next(&in, &op), 0);
	assert_int_equal(op.argop, OP_GETATTR);
	wire_bitmap_set(&attrs.mask, FATTR4_SIZE);
	wire_bitmap_set(&attrs.mask, FATTR4_TYPE);
	res = (struct nfs_resop4){ .resop = OP_GETATTR };
	assert_int_equal(wire_attrs_encode(&attrs, &op.nfs_argop4_u.opgetattr.attr_request, vals, sizeof(vals),
					   &res.nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes),
			 0);
	assert_int_equal(wire_results_add(&out, &res), 0);
	assert_int_equal(wire_args_next(&in, &op), -ENOENT);
	wire_results_end(&out, NFS4_OK);
	message_end(to, &enc);
}

static void server_calls_back(struct stream *to)
{
	struct wire_call call = { .xid = 99, .prog = callback.prog, .vers = NFS_CB, .proc = CB_COMPOUND };
	struct nfs_cb_argop4 op = { .argop = OP_CB_SEQUENCE };
	struct wire_enc enc = message_begin(to);
	struct wire_compound_out out;

	assert_int_equal(wire_call_put(&enc, &call), 0);
	assert_int_equal(wire_cb_args_begin(&out, &enc, NULL, 0, 1), 0);
	assert_int_equal(wire_cb_args_add(&out, &op), 0);
	wire_args_end(&out);
	message_end(to, &enc);
}

static void client_gets_reply(struct wire_dec *dec)
{
	struct bitmap4 supported = wire_attr_readable();
	struct wire_compound_in in;
	struct wire_reply reply;
	struct wire_attrs attrs;
	struct nfs_resop4 res;

	assert_int_equal(wire_reply_get(dec, &reply), 0);
	assert_int_equal(reply.xid, 11);
	assert_int_equal(wire_results_open(&in, dec), 0);
	assert_int_equal(in.status, NFS4_OK);
	assert_memory_equal(in.tag, "ls", 2);
	assert_int_equal(wire_results_next(&in, &res), 0);
	assert_int_equal(wire_results_next(&in, &res), 0);
	assert_int_equal(wire_attrs_decode(&res.nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes,
					   &supported, NULL, &attrs),
			 0);
	assert_int_equal(attrs.size, 4711);
	assert_int_equal(wire_bitmap_next(&attrs.mask, 0), FATTR4_SIZE);
	assert_int_equal(wire_bitmap_next(&attrs.mask, FATTR4_SIZE + 1), WIRE_BITMAP_BITS);
}

static void client_gets_callback(struct wire_dec *dec, struct stream *to)
{
	struct wire_compound_in in;
	struct nfs_cb_argop4 op;
	struct wire_reply refusal;
	struct wire_call call;

	assert_int_equal(wire_call_get(dec, &call), 0);
	assert_true(wire_call_is_refused(&call, &nfs, &refusal));
	assert_false(wire_call_is_refused(&call, &callback, &refusal));
	assert_int_equal(wire_cb_args_open(&in, dec), 0);
	assert_int_equal(wire_cb_args_next(&in, &op), 0);
	assert_int_equal(op.argop, OP_CB_SEQUENCE);
	client_answer(to, call.xid);
}

static void server_gets_reply(struct wire_dec *dec)
{
	struct wire_compound_in in;
	struct nfs_cb_resop4 res;
	struct wire_reply reply;

	assert_int_equal(wire_reply_get(dec, &reply), 0);
	assert_int_equal(reply.xid, 99);
	assert_int_equal(wire_cb_results_open(&in, dec), 0);
	assert_int_equal(wire_cb_results_next(&in, &res), 0);
	assert_int_equal(res.nfs_cb_resop4_u.opcbsequence.csr_status, NFS4ERR_DELAY);
}

/* Take everything out of @from; returns how many messages there were. */
static int receive(const struct stream *from, size_t step, bool is_server, struct stream *to)
{
	struct wire_record record;
	enum msg_type type;
	struct wire_dec dec;
	size_t pos = 0, used;
	uint32_t xid;
	int done, nr = 0;

	wire_record_init(&record, 4096, 4);
	while (pos < from->len) {
		done = wire_record_feed(&record, from->bytes + pos, step < from->len - pos ? step : from->len - pos,
					&used);
		assert_true(done >= 0);
		pos += used;
		if (!done)
			continue;
		nr++;
		wire_dec_init(&dec, record.buf, record.len, NULL);
		assert_int_equal(wire_rpc_peek(record.buf, record.len, &xid, &type), 0);
		if (type == CALL && is_server)
			serve(&dec, to);
		else if (type == CALL)
			client_gets_callback(&dec, to);
		else if (is_server)
			server_gets_reply(&dec);
		else
			client_gets_reply(&dec);
		wire_record_drop(&record);
	}
	wire_record_release(&record);
	return nr;
}

static void test_conversation(void **state)
{
	for (size_t step = 1; step < 300; step++) {
		struct stream up = { .len = 0 }, down = { .len = 0 }, up_again = { .len = 0 };

		client_call(&up);
		client_call(&up);
		assert_int_equal(receive(&up, step, true, &down), 2);
		server_calls_back(&down);
		assert_int_equal(receive(&down, step, false, &up_again), 3);
		client_call(&up_again);
		assert_int_equal(receive(&up_again, step, true, &down), 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_conversation) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
