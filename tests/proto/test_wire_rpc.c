/* SPDX-License-Identifier: Apache-2.0 */

/* Headers of calls and replies are RFC 5531's bytes, and nothing that differs from them is taken for one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire_rpc.h"

/* COMPOUND as root with the group 4, from a host named "box"; RFC 5531, 9 and appendix A. */
static const uint8_t call_bytes[] = {
	1, 2, 3,    4,			    /* xid */
	0, 0, 0,    0,			    /* CALL */
	0, 0, 0,    2,			    /* RPC version */
	0, 1, 0x86, 0xa3,		    /* program 100003 */
	0, 0, 0,    4,			    /* version */
	0, 0, 0,    1,			    /* COMPOUND */
	0, 0, 0,    1,			    /* AUTH_SYS */
	0, 0, 0,    28,			    /* bytes of it */
	0, 0, 0,    9,			    /* stamp */
	0, 0, 0,    3,	  'b', 'o', 'x', 0, /* machine */
	0, 0, 0,    0,			    /* uid */
	0, 0, 0,    0,			    /* gid */
	0, 0, 0,    1,	  0,   0,   0,	 4, /* gids */
	0, 0, 0,    0,			    /* AUTH_NONE */
	0, 0, 0,    0,			    /* bytes of it */
};

static const struct wire_program nfs = { 100003, 4, 4, 2 };

static int get_call(const void *bytes, uint32_t len, struct wire_call *call)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct wire_dec dec;
	int err;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	wire_dec_init(&dec, copy, len, NULL);
	err = wire_call_get(&dec, call);
	free(copy);
	return err;
}

static void test_call(void **state)
{
	uint8_t body[MAX_AUTH_BYTES], buf[sizeof(call_bytes)];
	struct wire_authsys sys = {
		.stamp = 9, .machine = (char *)"box", .machine_len = 3, .nr_gids = 1, .gids = { 4 }
	};
	struct wire_call call = { .xid = 0x01020304, .prog = 100003, .vers = 4, .proc = 1 }, got;
	enum msg_type type;
	struct wire_enc enc;
	struct wire_dec dec;
	uint32_t xid;

	assert_int_equal(wire_authsys_put(&sys, body, &call.cred), 0);
	for (uint32_t size = 0; size < sizeof(buf); size++) {
		wire_enc_init(&enc, buf, size);
		assert_int_equal(wire_call_put(&enc, &call), -EMSGSIZE);
		assert_int_equal(wire_enc_pos(&enc), 0);
		assert_int_equal(get_call(call_bytes, size, &got), -EBADMSG);
	}
	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_call_put(&enc, &call), 0);
	assert_memory_equal(buf, call_bytes, sizeof(buf));

	assert_int_equal(wire_rpc_peek(call_bytes, 8, &xid, &type), 0);
	assert_int_equal(xid, 0x01020304);
	assert_int_equal(type, CALL);
	assert_int_equal(wire_rpc_peek(call_bytes, 7, &xid, &type), -EBADMSG);
	wire_dec_init(&dec, call_bytes, sizeof(call_bytes), NULL);
	assert_int_equal(wire_call_get(&dec, &got), 0);
	assert_int_equal(wire_dec_left(&dec), 0);
	assert_int_equal(got.proc, 1);
	memset(&sys, 0xff, sizeof(sys));
	assert_int_equal(wire_authsys_get(&got.cred, &sys), 0);
	assert_int_equal(sys.stamp, 9);
	assert_memory_equal(sys.machine, "box", 3);
	assert_int_equal(sys.uid, 0);
	assert_int_equal(sys.nr_gids, 1);
	assert_int_equal(sys.gids[0], 4);
}

static void test_bad_calls(void **state)
{
	uint8_t buf[sizeof(call_bytes) + 512] = { 0 };
	struct wire_call call;
	enum msg_type type;
	uint32_t xid;

	memcpy(buf, call_bytes, sizeof(call_bytes));
	buf[7] = 2;
	assert_int_equal(wire_rpc_peek(buf, sizeof(buf), &xid, &type), -EBADMSG);
	assert_int_equal(get_call(buf, sizeof(buf), &call), -EBADMSG);
	buf[7] = 1;
	assert_int_equal(get_call(buf, sizeof(buf), &call), -EBADMSG);
	buf[7] = 0;
	buf[11] = 3;
	assert_int_equal(get_call(buf, sizeof(buf), &call), -EPROTONOSUPPORT);
	buf[11] = 2;
	/* A credential may have 400 bytes. */
	buf[30] = 1;
	buf[31] = 0x90;
	assert_int_equal(get_call(buf, sizeof(buf), &call), 0);
	buf[31] = 0x91;
	assert_int_equal(get_call(buf, sizeof(buf), &call), -EBADMSG);
	buf[28] = 0xff;
	assert_int_equal(get_call(buf, sizeof(buf), &call), -EBADMSG);
}

static void test_refusals(void **state)
{
	struct wire_call call = { .xid = 5, .prog = 100003, .vers = 4, .proc = 1 };
	struct wire_reply reply;

	assert_false(wire_call_is_refused(&call, &nfs, &reply));
	call.proc = 2;
	assert_true(wire_call_is_refused(&call, &nfs, &reply));
	assert_int_equal(reply.accept, PROC_UNAVAIL);
	call.vers = 3;
	assert_true(wire_call_is_refused(&call, &nfs, &reply));
	assert_int_equal(reply.accept, PROG_MISMATCH);
	assert_int_equal(reply.low, 4);
	assert_int_equal(reply.high, 4);
	call.prog = 100005;
	assert_true(wire_call_is_refused(&call, &nfs, &reply));
	assert_int_equal(reply.stat, MSG_ACCEPTED);
	assert_int_equal(reply.accept, PROG_UNAVAIL);
	for (uint32_t flavor = 1; flavor <= WIRE_AUTH_TLS; flavor++) {
		/* An empty body is no AUTH_SYS either. */
		call.cred.flavor = flavor;
		assert_true(wire_call_is_refused(&call, &nfs, &reply));
		assert_int_equal(reply.xid, 5);
		assert_int_equal(reply.stat, MSG_DENIED);
		assert_int_equal(reply.reject, AUTH_ERROR);
		assert_int_equal(reply.auth, AUTH_BADCRED);
	}
}

static void test_authsys_bounds(void **state)
{
	char name[WIRE_AUTHSYS_NAME_MAX + 1] = "";
	struct wire_authsys sys = { .machine = name,
				    .machine_len = WIRE_AUTHSYS_NAME_MAX,
				    .nr_gids = WIRE_AUTHSYS_GIDS_MAX },
			    got;
	uint8_t body[MAX_AUTH_BYTES], bad[MAX_AUTH_BYTES];
	struct wire_auth auth, cut;

	assert_int_equal(wire_authsys_put(&sys, body, &auth), 0);
	assert_int_equal(wire_authsys_get(&auth, &got), 0);
	assert_int_equal(got.nr_gids, WIRE_AUTHSYS_GIDS_MAX);
	for (cut = auth; cut.len--;)
		assert_int_equal(wire_authsys_get(&cut, &got), -EBADMSG);
	cut.len = auth.len + 4;
	assert_int_equal(wire_authsys_get(&cut, &got), -EBADMSG);
	sys.nr_gids++;
	assert_int_equal(wire_authsys_put(&sys, bad, &cut), -EMSGSIZE);
	sys.nr_gids = 0;
	sys.machine_len++;
	assert_int_equal(wire_authsys_put(&sys, bad, &cut), -EMSGSIZE);
	/* 17 groups, and a name of 256 bytes. */
	memcpy(bad, body, sizeof(bad));
	cut = auth;
	cut.body = (char *)bad;
	bad[8 + 256 + 8 + 3] = WIRE_AUTHSYS_GIDS_MAX + 1;
	cut.len = auth.len + 4;
	assert_int_equal(wire_authsys_get(&cut, &got), -EBADMSG);
	cut.len = auth.len;
	memcpy(bad, body, sizeof(bad));
	bad[6] = 1;
	bad[7] = 0;
	assert_int_equal(wire_authsys_get(&cut, &got), -EBADMSG);
	auth.flavor = AUTH_NONE;
	assert_int_equal(wire_authsys_get(&auth, &got), -EBADMSG);
}

/* Every reply comes back, and no part of it passes for one. */
static void check_reply(const struct wire_reply *reply, const void *bytes, uint32_t len)
{
	struct wire_reply got;
	uint8_t buf[128];
	struct wire_enc enc;
	struct wire_dec dec;

	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_reply_put(&enc, reply), 0);
	assert_int_equal(wire_enc_pos(&enc), len);
	assert_memory_equal(buf, bytes, len);
	for (uint32_t size = 0; size < len; size++) {
		wire_enc_init(&enc, buf, size);
		assert_int_equal(wire_reply_put(&enc, reply), -EMSGSIZE);
		wire_dec_init(&dec, bytes, size, NULL);
		assert_int_equal(wire_reply_get(&dec, &got), -EBADMSG);
	}
	wire_dec_init(&dec, bytes, len, NULL);
	assert_int_equal(wire_reply_get(&dec, &got), 0);
	assert_int_equal(got.xid, reply->xid);
	assert_int_equal(got.stat, reply->stat);
	assert_int_equal(got.accept, reply->accept);
	assert_int_equal(got.reject, reply->reject);
	assert_int_equal(got.auth, reply->auth);
	assert_int_equal(got.low, reply->low);
	assert_int_equal(got.high, reply->high);
}

static void test_replies(void **state)
{
	struct wire_reply reply = wire_reply_accepted(7, SUCCESS);

	check_reply(&reply, "\0\0\0\7\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
	reply = wire_reply_accepted(7, GARBAGE_ARGS);
	check_reply(&reply, "\0\0\0\7\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\4", 24);
	reply = wire_reply_accepted(7, PROG_MISMATCH);
	reply.low = 4;
	reply.high = 5;
	check_reply(&reply, "\0\0\0\7\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\4\0\0\0\5", 32);
	reply = wire_reply_rpc_mismatch(7);
	check_reply(&reply, "\0\0\0\7\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\2", 24);
	reply = wire_reply_denied(7, AUTH_TOOWEAK);
	check_reply(&reply, "\0\0\0\7\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\5", 20);
}

static void test_bad_replies(void **state)
{
	static const char *const bad[] = {
		"\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", /* a call */
		"\0\0\0\7\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0", /* neither accepted nor denied */
		"\0\0\0\7\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\6", /* accepted how? */
		"\0\0\0\7\0\0\0\1\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0", /* denied how? */
		"\0\0\0\7\0\0\0\1\0\0\0\0\0\0\0\0\0\0\2\0\0\0\0\0", /* a verifier of 512 bytes */
	};
	struct wire_reply got;
	struct wire_dec dec;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		wire_dec_init(&dec, bad[i], 24, NULL);
		assert_int_equal(wire_reply_get(&dec, &got), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),	 cmocka_unit_test(test_bad_calls),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_authsys_bounds),
		cmocka_unit_test(test_replies),	 cmocka_unit_test(test_bad_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
