/* SPDX-License-Identifier: Apache-2.0 */

/* Compounds are RFC 8881's bytes, taken apart and put together one operation at a time, within limits. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire_compound.h"

/* SEQUENCE, PUTROOTFH, GETATTR of type and mounted_on_fileid: RFC 8881, 16.2.3, 18.46.1, 18.21.1, 18.7.1. */
static const uint8_t args_bytes[] = {
	0,   0,	  0,   2,   'h', 'i', 0,   0, /* tag */
	0,   0,	  0,   1,		      /* minor version */
	0,   0,	  0,   3,		      /* operations */
	0,   0,	  0,   53,		      /* SEQUENCE */
	's', 'e', 's', 's', 'i', 'o', 'n', ' ', '0', '1',  '2', '3', '4', '5', '6', '7', 0, 0, 0, 1, /* sequence id */
	0,   0,	  0,   2,									     /* slot */
	0,   0,	  0,   3,					   /* highest slot */
	0,   0,	  0,   1,					   /* cachethis */
	0,   0,	  0,   24,					   /* PUTROOTFH */
	0,   0,	  0,   9,					   /* GETATTR */
	0,   0,	  0,   2,   0,	 0,   0,   2,	0,   0x80, 0,	0, /* bits 1, 55 */
};

/* What comes back: status, tag, then each operation's number and status. */
static const uint8_t results_bytes[] = {
	0,   0,	  0,   2,		      /* NFS4ERR_NOENT */
	0,   0,	  0,   2,   'h', 'i', 0,   0, /* tag */
	0,   0,	  0,   3,		      /* operations */
	0,   0,	  0,   53,  0,	 0,   0,   0, /* SEQUENCE */
	's', 'e', 's', 's', 'i', 'o', 'n', ' ', '0', '1', '2', '3', '4', '5', '6', '7', 0, 0, 0,
	1,   0,	  0,   0,   2,	 0,   0,   0,	3,   0,	  0,   0,   4,	 0,   0,   0,	5, /* sequence id, slots,
											      flags */
	0,   0,	  0,   24,  0,	 0,   0,   0,						   /* PUTROOTFH */
	0,   0,	  0,   34,  0,	 0,   0,   2,	0,   0,	  0,   0, /* SETATTR: NOENT, no attributes set */
};

static struct nfs_argop4 sequence_args(void)
{
	struct nfs_argop4 op = { .argop = OP_SEQUENCE };
	SEQUENCE4args *args = &op.nfs_argop4_u.opsequence;

	memcpy(args->sa_sessionid, "session 01234567", NFS4_SESSIONID_SIZE);
	args->sa_sequenceid = 1;
	args->sa_slotid = 2;
	args->sa_highest_slotid = 3;
	args->sa_cachethis = TRUE;
	return op;
}

static struct nfs_resop4 sequence_res(void)
{
	struct nfs_resop4 op = { .resop = OP_SEQUENCE };
	SEQUENCE4resok *res = &op.nfs_resop4_u.opsequence.SEQUENCE4res_u.sr_resok4;

	memcpy(res->sr_sessionid, "session 01234567", NFS4_SESSIONID_SIZE);
	res->sr_sequenceid = 1;
	res->sr_slotid = 2;
	res->sr_highest_slotid = 3;
	res->sr_target_highest_slotid = 4;
	res->sr_status_flags = 5;
	return op;
}

/* As if it were read: a request that results answer. */
static struct wire_compound_in request_of(const char *tag, uint32_t nr)
{
	return (struct wire_compound_in){ .tag = (char *)(uintptr_t)tag, .tag_len = (uint32_t)strlen(tag), .nr = nr };
}

static void test_args_vector(void **state)
{
	struct nfs_argop4 ops[] = { sequence_args(), { .argop = OP_PUTROOTFH }, { .argop = OP_GETATTR } }, op;
	struct bitmap4 *request = &ops[2].nfs_argop4_u.opgetattr.attr_request;
	struct wire_compound_out out;
	struct wire_compound_in in;
	uint8_t buf[256];
	struct wire_enc enc;
	struct wire_dec dec;

	*request = (struct bitmap4){ .bitmap4_len = 2, .bitmap4_val = { 2, 0x800000 } };
	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_args_begin(&out, &enc, "hi", 2, 1), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(wire_args_add(&out, &ops[i]), 0);
	wire_args_end(&out);
	assert_int_equal(wire_compound_size(&out), sizeof(args_bytes));
	assert_memory_equal(buf, args_bytes, sizeof(args_bytes));

	wire_dec_init(&dec, args_bytes, sizeof(args_bytes), NULL);
	assert_int_equal(wire_args_open(&in, &dec), 0);
	assert_int_equal(in.minorversion, 1);
	assert_int_equal(in.nr, 3);
	assert_memory_equal(in.tag, "hi", 2);
	assert_int_equal(wire_args_next(&in, &op), 0);
	assert_int_equal(op.argop, OP_SEQUENCE);
	assert_int_equal(op.nfs_argop4_u.opsequence.sa_highest_slotid, 3);
	assert_int_equal(wire_args_next(&in, &op), 0);
	assert_int_equal(op.argop, OP_PUTROOTFH);
	assert_int_equal(wire_args_next(&in, &op), 0);
	assert_int_equal(op.nfs_argop4_u.opgetattr.attr_request.bitmap4_val[1], 0x800000);
	assert_int_equal(wire_args_next(&in, &op), -ENOENT);
	assert_int_equal(wire_dec_left(&dec), 0);
}

static void test_results_vector(void **state)
{
	struct nfs_resop4 seq = sequence_res(), put = { .resop = OP_PUTROOTFH }, op;
	struct wire_compound_in request = request_of("hi", 3);
	struct wire_compound_out out;
	struct wire_compound_in in;
	uint8_t buf[256];
	struct wire_enc enc;
	struct wire_dec dec;

	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_results_begin(&out, &enc, &request), 0);
	assert_int_equal(wire_results_add(&out, &seq), 0);
	assert_int_equal(wire_results_add(&out, &put), 0);
	assert_int_equal(wire_results_fail(&out, OP_SETATTR, NFS4ERR_NOENT), 0);
	wire_results_end(&out, NFS4ERR_NOENT);
	assert_int_equal(wire_compound_size(&out), sizeof(results_bytes));
	assert_memory_equal(buf, results_bytes, sizeof(results_bytes));

	wire_dec_init(&dec, results_bytes, sizeof(results_bytes), NULL);
	assert_int_equal(wire_results_open(&in, &dec), 0);
	assert_int_equal(in.status, NFS4ERR_NOENT);
	assert_int_equal(wire_results_next(&in, &op), 0);
	assert_int_equal(op.nfs_resop4_u.opsequence.SEQUENCE4res_u.sr_resok4.sr_status_flags, 5);
	assert_int_equal(wire_results_next(&in, &op), 0);
	assert_int_equal(wire_results_next(&in, &op), 0);
	assert_int_equal(op.resop, OP_SETATTR);
	assert_int_equal(op.nfs_resop4_u.opsetattr.status, NFS4ERR_NOENT);
	assert_int_equal(wire_results_next(&in, &op), -ENOENT);
}

/* Read all operations; returns what ended it. */
static int read_args(const void *bytes, uint32_t len, uint32_t *nr, uint32_t *op)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct wire_compound_in in;
	struct nfs_argop4 arg;
	struct wire_dec dec;
	int err;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	wire_dec_init(&dec, copy, len, NULL);
	err = wire_args_open(&in, &dec);
	while (!err)
		err = wire_args_next(&in, &arg);
	*nr = in.next;
	*op = in.op;
	free(copy);
	return err;
}

static void test_truncated(void **state)
{
	uint32_t nr, op;

	for (uint32_t len = 0; len < sizeof(args_bytes); len++) {
		assert_int_equal(read_args(args_bytes, len, &nr, &op), -EBADMSG);
		/* What was whole was handed out before. */
		assert_int_equal(nr, len < 52 ? 0 : len < 56 ? 1 : 2);
	}
	assert_int_equal(read_args(args_bytes, sizeof(args_bytes), &nr, &op), -ENOENT);
	assert_int_equal(nr, 3);
}

static void test_bad_args(void **state)
{
	uint8_t buf[sizeof(args_bytes)];
	uint32_t nr, op;

	/* More operations than there can be. */
	memcpy(buf, args_bytes, sizeof(buf));
	buf[12] = 0x10;
	assert_int_equal(read_args(buf, sizeof(buf), &nr, &op), -EBADMSG);
	assert_int_equal(nr, 0);
	/* One more than there are. */
	memcpy(buf, args_bytes, sizeof(buf));
	buf[15] = 4;
	assert_int_equal(read_args(buf, sizeof(buf), &nr, &op), -EBADMSG);
	assert_int_equal(nr, 3);
	/* A tag beyond the bound. */
	memcpy(buf, args_bytes, sizeof(buf));
	buf[2] = 4;
	assert_int_equal(read_args(buf, sizeof(buf), &nr, &op), -EBADMSG);
	/* An operation that is none, and one of the next minor version. */
	memcpy(buf, args_bytes, sizeof(buf));
	buf[55] = 76;
	assert_int_equal(read_args(buf, sizeof(buf), &nr, &op), -EOPNOTSUPP);
	assert_int_equal(op, 76);
	assert_int_equal(nr, 1);
	buf[55] = OP_SEEK;
	assert_int_equal(read_args(buf, sizeof(buf), &nr, &op), -EOPNOTSUPP);
	buf[11] = 2;
	assert_int_equal(read_args(buf, sizeof(buf), &nr, &op), -EBADMSG);
	assert_int_equal(op, OP_SEEK);
}

static void test_limits(void **state)
{
	struct nfs_resop4 put = { .resop = OP_PUTROOTFH };
	struct wire_compound_in request = request_of("", 4);
	struct wire_compound_out out;
	uint8_t buf[256];
	struct wire_enc enc;

	/* 12 bytes of head; 8 an operation; 16 kept for a failure. */
	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_results_begin(&out, &enc, &request), 0);
	wire_compound_limit(&out, 12 + 2 * 8 + WIRE_RESULT_FAIL_MAX);
	assert_int_equal(wire_size(nfs_resop4, &put), 8);
	assert_int_equal(wire_results_add(&out, &put), 0);
	assert_int_equal(wire_results_add(&out, &put), 0);
	assert_int_equal(wire_results_add(&out, &put), -EMSGSIZE);
	assert_int_equal(wire_compound_size(&out), 28);
	assert_int_equal(out.nr, 2);
	wire_compound_undo(&out);
	assert_int_equal(wire_compound_size(&out), 20);
	assert_int_equal(wire_results_add(&out, &put), 0);
	assert_int_equal(wire_results_add(&out, &put), -EMSGSIZE);
	assert_int_equal(wire_results_fail(&out, OP_READ, NFS4ERR_REP_TOO_BIG), 0);
	wire_results_end(&out, NFS4ERR_REP_TOO_BIG);
	assert_int_equal(wire_compound_size(&out), 36);
	assert_memory_equal(buf, "\0\0\x27\x52\0\0\0\0\0\0\0\3", 12);
	assert_memory_equal(buf + 28, "\0\0\0\x19\0\0\x27\x52", 8);
	/* A head that does not fit. */
	wire_enc_init(&enc, buf, 11);
	assert_int_equal(wire_results_begin(&out, &enc, &request), -EMSGSIZE);
	assert_int_equal(wire_args_begin(&out, &enc, "", 0, 1), -EMSGSIZE);
}

/* Data that was put where the next result's will lie stays there, and as much fits as was said. */
static void test_results_place(void **state)
{
	struct nfs_resop4 put = { .resop = OP_PUTROOTFH };
	struct nfs_resop4 res = { .resop = OP_READ };
	struct READ4resok *ok = &res.nfs_resop4_u.opread.READ4res_u.resok4;
	struct wire_compound_in request = request_of("", 3);
	struct wire_compound_out out;
	uint8_t buf[128];
	struct wire_enc enc;
	uint32_t room;
	char *at;

	memset(buf, 0xff, sizeof(buf));
	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_results_begin(&out, &enc, &request), 0);
	assert_int_equal(wire_results_add(&out, &put), 0);
	wire_compound_limit(&out, 101);
	at = wire_results_place(&out, 16, &room);
	assert_ptr_equal(at, buf + 12 + 8 + 16);
	assert_int_equal(room, 48); /* 101 - 36 - WIRE_RESULT_FAIL_MAX, rounded */
	memcpy(at, "abcde", 5);
	ok->data.data_val = at;
	ok->data.data_len = room + 1;
	assert_int_equal(wire_results_add(&out, &res), -EMSGSIZE);
	ok->data.data_len = 5;
	assert_int_equal(wire_results_add(&out, &res), 0);
	assert_memory_equal(buf + 32, "\0\0\0\5abcde\0\0\0", 12);
	assert_int_equal(buf[44], 0xff);
	assert_int_equal(wire_compound_size(&out), 44);
	/* The last result: nothing is kept for a failure.  And beyond the end there is no room. */
	at = wire_results_place(&out, 16, &room);
	assert_int_equal(room, 40);
	at = wire_results_place(&out, 1000, &room);
	assert_int_equal(room, 0);
	assert_ptr_equal(at, buf + sizeof(buf));
}

/* The last result needs no room for another one's failure. */
static void test_last_result(void **state)
{
	struct nfs_resop4 put = { .resop = OP_PUTROOTFH };
	struct wire_compound_in request = request_of("", 2);
	struct wire_compound_out out;
	uint8_t buf[256];
	struct wire_enc enc;

	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_results_begin(&out, &enc, &request), 0);
	wire_compound_limit(&out, 12 + 8 + WIRE_RESULT_FAIL_MAX);
	assert_int_equal(wire_results_add(&out, &put), 0);
	wire_compound_limit(&out, 12 + 2 * 8);
	assert_int_equal(wire_results_add(&out, &put), 0);
	wire_compound_undo(&out);
	wire_compound_limit(&out, 12 + 2 * 8 - 1);
	assert_int_equal(wire_results_add(&out, &put), -EMSGSIZE);
}

static void test_fail_is_short(void **state)
{
	struct wire_compound_in request = request_of("", 2);
	static const nfsstat4 stats[] = { NFS4ERR_DELAY,	  NFS4ERR_REP_TOO_BIG, NFS4ERR_TOOSMALL,
					  NFS4ERR_LAYOUTTRYLATER, NFS4ERR_CLID_INUSE,  NFS4ERR_OFFLOAD_NO_REQS };
	struct wire_compound_out out;
	uint8_t buf[256];
	struct wire_enc enc;

	for (uint32_t op = OP_ACCESS; op <= OP_REMOVEXATTR; op++) {
		for (size_t i = 0; i < ARRAY_SIZE(stats); i++) {
			wire_enc_init(&enc, buf, 12 + WIRE_RESULT_FAIL_MAX);
			assert_int_equal(wire_results_begin(&out, &enc, &request), 0);
			assert_int_equal(wire_results_fail(&out, op, stats[i]), 0);
		}
	}
	for (uint32_t op = OP_CB_GETATTR; op <= OP_CB_OFFLOAD; op++) {
		wire_enc_init(&enc, buf, 12 + WIRE_RESULT_FAIL_MAX);
		assert_int_equal(wire_cb_results_begin(&out, &enc, &request), 0);
		assert_int_equal(wire_cb_results_fail(&out, op, NFS4ERR_DELAY), 0);
	}
	assert_int_equal(wire_results_fail(&out, OP_ILLEGAL, NFS4ERR_OP_ILLEGAL), 0);
}

/* CB_SEQUENCE and a recall of everything: RFC 8881, 19.2.1, 20.9.1, 20.3.1. */
static const uint8_t cb_bytes[] = {
	0, 0, 0, 0,					 /* no tag */
	0, 0, 0, 2,					 /* minor version */
	0, 0, 0, 0,					 /* callback_ident */
	0, 0, 0, 2,					 /* operations */
	0, 0, 0, 11,					 /* CB_SEQUENCE */
	0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* session */
	0, 0, 0, 7,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* sequence id, slots, cachethis */
	0, 0, 0, 0,					 /* no referring calls */
	0, 0, 0, 5,					 /* CB_LAYOUTRECALL */
	0, 0, 0, 5,  0, 0, 0, 3, 0, 0, 0, 0,		 /* SCSI, any iomode, not changed */
	0, 0, 0, 3,					 /* all */
};

static void test_callback(void **state)
{
	struct nfs_cb_argop4 seq = { .argop = OP_CB_SEQUENCE }, recall = { .argop = OP_CB_LAYOUTRECALL }, op;
	CB_LAYOUTRECALL4args *args = &recall.nfs_cb_argop4_u.opcblayoutrecall;
	struct wire_compound_in in, request = request_of("", 2);
	struct nfs_cb_resop4 res;
	struct wire_compound_out out;
	uint8_t buf[256];
	struct wire_enc enc;
	struct wire_dec dec;

	seq.nfs_cb_argop4_u.opcbsequence.csa_sequenceid = 7;
	args->clora_type = LAYOUT4_SCSI;
	args->clora_iomode = LAYOUTIOMODE4_ANY;
	args->clora_recall.lor_recalltype = LAYOUTRECALL4_ALL;
	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_cb_args_begin(&out, &enc, NULL, 0, 2), 0);
	assert_int_equal(wire_cb_args_add(&out, &seq), 0);
	assert_int_equal(wire_cb_args_add(&out, &recall), 0);
	wire_args_end(&out);
	assert_int_equal(wire_compound_size(&out), sizeof(cb_bytes));
	assert_memory_equal(buf, cb_bytes, sizeof(cb_bytes));

	wire_dec_init(&dec, cb_bytes, sizeof(cb_bytes), NULL);
	assert_int_equal(wire_cb_args_open(&in, &dec), 0);
	assert_int_equal(wire_cb_args_next(&in, &op), 0);
	assert_int_equal(op.nfs_cb_argop4_u.opcbsequence.csa_sequenceid, 7);
	assert_int_equal(wire_cb_args_next(&in, &op), 0);
	assert_int_equal(op.nfs_cb_argop4_u.opcblayoutrecall.clora_recall.lor_recalltype, LAYOUTRECALL4_ALL);
	assert_int_equal(wire_cb_args_next(&in, &op), -ENOENT);

	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_cb_results_begin(&out, &enc, &request), 0);
	assert_int_equal(wire_cb_results_fail(&out, OP_CB_SEQUENCE, NFS4ERR_BADSESSION), 0);
	wire_results_end(&out, NFS4ERR_BADSESSION);
	wire_dec_init(&dec, buf, wire_compound_size(&out), NULL);
	assert_int_equal(wire_cb_results_open(&in, &dec), 0);
	assert_int_equal(in.status, NFS4ERR_BADSESSION);
	assert_int_equal(wire_cb_results_next(&in, &res), 0);
	assert_int_equal(res.nfs_cb_resop4_u.opcbsequence.csr_status, NFS4ERR_BADSESSION);
	assert_int_equal(wire_cb_results_next(&in, &res), -ENOENT);
}

static void test_known_operations(void **state)
{
	for (uint32_t op = 0; op < 200; op++) {
		assert_int_equal(wire_op_is_known(1, op), op >= 3 && op <= 58);
		assert_int_equal(wire_op_is_known(2, op), op >= 3 && op <= 75);
		assert_int_equal(wire_op_is_known(2, op), wire_op_name(op) != NULL);
		assert_int_equal(wire_cb_op_is_known(1, op), op >= 3 && op <= 14);
		assert_int_equal(wire_cb_op_is_known(2, op), op >= 3 && op <= 15);
	}
	assert_false(wire_op_is_known(2, OP_ILLEGAL));
	assert_string_equal(wire_op_name(OP_LAYOUTCOMMIT), "LAYOUTCOMMIT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args_vector), cmocka_unit_test(test_results_vector),
		cmocka_unit_test(test_truncated),   cmocka_unit_test(test_bad_args),
		cmocka_unit_test(test_limits),	    cmocka_unit_test(test_results_place),
		cmocka_unit_test(test_last_result), cmocka_unit_test(test_fail_is_short),
		cmocka_unit_test(test_callback),    cmocka_unit_test(test_known_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
