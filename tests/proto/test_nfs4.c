/* SPDX-License-Identifier: Apache-2.0 */

/* Every operation of proto/nfs4.x, both ways: random values come back, and no part of a message passes for a whole.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/nfs4.h"
#include "proto/wire_compound.h"
#include "tests/lib/message.h"

MESSAGE_TYPE(nfs_argop4)
MESSAGE_TYPE(nfs_resop4)
MESSAGE_TYPE(nfs_cb_argop4)
MESSAGE_TYPE(nfs_cb_resop4)
/* What no operation contains. */
MESSAGE_TYPE(notify_add4)
MESSAGE_TYPE(notify_rename4)
MESSAGE_TYPE(notify_attr4)
MESSAGE_TYPE(notify_verifier4)
MESSAGE_TYPE(notify_deviceid_change4)
MESSAGE_TYPE(notify_deviceid_delete4)

/* Unions that random operations hardly ever reach, each with its greatest discriminant. */
MESSAGE_TYPE(settime4)
MESSAGE_TYPE(createtype4)
MESSAGE_TYPE(openflag4)
MESSAGE_TYPE(createhow4)
MESSAGE_TYPE(open_claim4)
MESSAGE_TYPE(nfs_space_limit4)
MESSAGE_TYPE(open_none_delegation4)
MESSAGE_TYPE(open_delegation4)
MESSAGE_TYPE(callback_sec_parms4)
MESSAGE_TYPE(state_protect4_a)
MESSAGE_TYPE(state_protect4_r)
MESSAGE_TYPE(read_plus_content)
MESSAGE_TYPE(netloc4)
MESSAGE_TYPE(layoutrecall4)
MESSAGE_TYPE(layout4)

#define SIZE 700
#define WANT 8

static void put_word(uint8_t *at, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(word >> (24 - 8 * i));
}

/* Values of @type whose first @nr_words words are these. */
static void check_type(struct dice *dice, const struct message_type *type, const uint32_t *words, int nr_words)
{
	uint8_t buf[SIZE];
	int found = 0;

	for (int tries = 0; tries < 3000 && found < WANT; tries++) {
		message_random(dice, buf, sizeof(buf));
		for (int i = 0; i < nr_words; i++)
			put_word(buf + 4 * i, words[i]);
		found += message_check(type, buf, sizeof(buf)) != 0;
	}
	if (found < WANT)
		print_error("%s %u: only %d values\n", type->name, nr_words ? words[0] : 0, found);
	assert_int_equal(found, WANT);
}

/* Results with every status behind which something stands for some operation. */
static void check_results(struct dice *dice, const struct message_type *type, uint32_t op)
{
	static const uint32_t stats[] = { NFS4_OK,
					  NFS4ERR_DENIED,
					  NFS4ERR_TOOSMALL,
					  NFS4ERR_CLID_INUSE,
					  NFS4ERR_LAYOUTTRYLATER,
					  NFS4ERR_OFFLOAD_NO_REQS,
					  NFS4ERR_DELAY };

	for (size_t i = 0; i < ARRAY_SIZE(stats); i++)
		check_type(dice, type, (uint32_t[]){ op, stats[i] }, 2);
}

static void test_operations(void **state)
{
	struct dice dice = dice_seed(3);

	for (uint32_t op = OP_ACCESS; op <= OP_REMOVEXATTR; op++) {
		check_type(&dice, &message_nfs_argop4, &op, 1);
		check_results(&dice, &message_nfs_resop4, op);
	}
	check_results(&dice, &message_nfs_resop4, OP_ILLEGAL);
}

static void test_callbacks(void **state)
{
	struct dice dice = dice_seed(4);

	for (uint32_t op = OP_CB_GETATTR; op <= OP_CB_OFFLOAD; op++) {
		check_type(&dice, &message_nfs_cb_argop4, &op, 1);
		check_results(&dice, &message_nfs_cb_resop4, op);
	}
	check_results(&dice, &message_nfs_cb_resop4, OP_CB_ILLEGAL);
}

static void test_notifications(void **state)
{
	static const struct message_type *const types[] = {
		&message_notify_add4,	   &message_notify_rename4,	     &message_notify_attr4,
		&message_notify_verifier4, &message_notify_deviceid_change4, &message_notify_deviceid_delete4,
	};
	struct dice dice = dice_seed(5);

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		check_type(&dice, types[i], NULL, 0);
}

static void test_unions(void **state)
{
	static const struct {
		const struct message_type *type;
		uint32_t first, last;
	} unions[] = {
		{ &message_settime4, SET_TO_SERVER_TIME4, SET_TO_CLIENT_TIME4 },
		{ &message_createtype4, NF4REG, NF4NAMEDATTR },
		{ &message_openflag4, OPEN4_NOCREATE, OPEN4_CREATE },
		{ &message_createhow4, UNCHECKED4, EXCLUSIVE4_1 },
		{ &message_open_claim4, CLAIM_NULL, CLAIM_DELEG_PREV_FH },
		{ &message_nfs_space_limit4, NFS_LIMIT_SIZE, NFS_LIMIT_BLOCKS },
		{ &message_open_none_delegation4, WND4_NOT_WANTED, WND4_IS_DIR },
		{ &message_open_delegation4, OPEN_DELEGATE_NONE, OPEN_DELEGATE_WRITE_ATTRS_DELEG },
		{ &message_callback_sec_parms4, AUTH_NONE, AUTH_SYS },
		{ &message_callback_sec_parms4, RPCSEC_GSS, RPCSEC_GSS },
		{ &message_state_protect4_a, SP4_NONE, SP4_SSV },
		{ &message_state_protect4_r, SP4_NONE, SP4_SSV },
		{ &message_read_plus_content, NFS4_CONTENT_DATA, NFS4_CONTENT_HOLE },
		{ &message_netloc4, NL4_NAME, NL4_NETADDR },
		{ &message_layoutrecall4, LAYOUTRECALL4_FILE, LAYOUTRECALL4_ALL },
		{ &message_layout4, 0, 0 },
	};
	struct dice dice = dice_seed(6);

	for (size_t i = 0; i < ARRAY_SIZE(unions); i++) {
		for (uint32_t d = unions[i].first; d <= unions[i].last; d++)
			check_type(&dice, unions[i].type, &d, 1);
	}
}

/* Bytes that the RFC says, by hand: all are read, and written again. */
static void check_vector(const struct message_type *type, const uint8_t *bytes, uint32_t len, void *val)
{
	struct wire_dec dec;
	struct wire_enc enc;
	uint8_t buf[512];

	assert_int_equal(message_check(type, bytes, len), len);
	wire_dec_init(&dec, bytes, len, NULL);
	assert_int_equal(wire_dec_result(&dec, type->xdr(&dec.xdr, val)), 0);
	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_enc_result(&enc, 0, type->xdr(&enc.xdr, val)), 0);
	assert_int_equal(wire_enc_pos(&enc), len);
	assert_memory_equal(buf, bytes, len);
}

/* RFC 8881, 18.16.1: create "a", mode 0600, exclusively. */
static const uint8_t open_bytes[] = {
	0,   0,	  0,   18,				     /* OPEN */
	0,   0,	  0,   0,				     /* seqid */
	0,   0,	  0,   2,				     /* share access: write */
	0,   0,	  0,   1,				     /* share deny: read */
	0,   0,	  0,   0,   0,	 0,   0,   5,		     /* owner's client id */
	0,   0,	  0,   3,   'o', 'w', 'n', 0,		     /* owner */
	0,   0,	  0,   1,				     /* OPEN4_CREATE */
	0,   0,	  0,   3,				     /* EXCLUSIVE4_1 */
	'v', 'e', 'r', 'i', 'f', 'i', 'e', 'r',		     /* verifier */
	0,   0,	  0,   2,   0,	 0,   0,   0,	 0, 0, 0, 2, /* bit 33 */
	0,   0,	  0,   4,   0,	 0,   1,   0x80,	     /* 0600 */
	0,   0,	  0,   0,				     /* CLAIM_NULL */
	0,   0,	  0,   1,   'a', 0,   0,   0,		     /* name */
};

/* RFC 8881, 18.43.2: granted, to be returned on close, nothing in it. */
static const uint8_t layoutget_bytes[] = {
	0, 0, 0, 50, 0, 0, 0, 0,			    /* LAYOUTGET, NFS4_OK */
	0, 0, 0, 1,					    /* return on close */
	0, 0, 0, 9,  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, /* state id */
	0, 0, 0, 0,					    /* no layouts */
};

/* RFC 8881, 18.42.1: a commit of SCSI ranges up to byte 8191, without a time. */
static const uint8_t layoutcommit_bytes[] = {
	0, 0, 0, 49,						     /* LAYOUTCOMMIT */
	0, 0, 0, 0,  0, 0, 0,	 0,				     /* offset */
	0, 0, 0, 0,  0, 0, 0x20, 0,				     /* length */
	0, 0, 0, 0,						     /* reclaim */
	0, 0, 0, 9,  1, 2, 3,	 4, 5, 6, 7,	8,    9, 10, 11, 12, /* state id */
	0, 0, 0, 1,  0, 0, 0,	 0, 0, 0, 0x1f, 0xff,		     /* last byte written */
	0, 0, 0, 0,						     /* no time */
	0, 0, 0, 5,						     /* SCSI */
	0, 0, 0, 4,  0, 0, 0,	 0,				     /* body: no ranges */
};

/* RFC 8881, 18.35.1: a client that protects no state and says nothing of its implementation. */
static const uint8_t exchange_id_bytes[] = {
	0,   0,	  0,   42,			/* EXCHANGE_ID */
	'v', 'e', 'r', 'i', 'f', 'i', 'e', 'r', /* verifier */
	0,   0,	  0,   4,   'b', 'o', 'x', '1', /* owner */
	0,   0,	  1,   1,			/* SUPP_MOVED_REFER, BIND_PRINC_STATEID */
	0,   0,	  0,   0,			/* SP4_NONE */
	0,   0,	  0,   0,			/* no implementation id */
};

static void test_vectors(void **state)
{
	struct nfs_argop4 arg;
	struct nfs_resop4 res;
	const LAYOUTCOMMIT4args *commit = &arg.nfs_argop4_u.oplayoutcommit;
	const OPEN4args *open = &arg.nfs_argop4_u.opopen;

	check_vector(&message_nfs_argop4, open_bytes, sizeof(open_bytes), &arg);
	assert_int_equal(open->share_deny, OPEN4_SHARE_DENY_READ);
	assert_int_equal(open->owner.clientid, 5);
	assert_memory_equal(open->claim.open_claim4_u.file.component4_val, "a", 1);
	check_vector(&message_nfs_argop4, layoutcommit_bytes, sizeof(layoutcommit_bytes), &arg);
	assert_int_equal(commit->loca_length, 8192);
	assert_int_equal(commit->loca_last_write_offset.newoffset4_u.no_offset, 8191);
	assert_int_equal(commit->loca_layoutupdate.lou_type, LAYOUT4_SCSI);
	check_vector(&message_nfs_argop4, exchange_id_bytes, sizeof(exchange_id_bytes), &arg);
	assert_int_equal(arg.nfs_argop4_u.opexchange_id.eia_flags,
			 EXCHGID4_FLAG_SUPP_MOVED_REFER | EXCHGID4_FLAG_BIND_PRINC_STATEID);
	check_vector(&message_nfs_resop4, layoutget_bytes, sizeof(layoutget_bytes), &res);
	assert_int_equal(res.nfs_resop4_u.oplayoutget.LAYOUTGET4res_u.logr_resok4.logr_stateid.seqid, 9);
}

/* RFC 8881, 3.3.13: one layout as it stands in LAYOUTGET's reply. */
static const uint8_t layout_bytes[] = {
	0,    0,    0,	  0,	0,    0,    0x10, 0,	/* offset */
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* to the end */
	0,    0,    0,	  2,				/* RW */
	0,    0,    0,	  5,				/* SCSI */
	0,    0,    0,	  4,	'b',  'o',  'd',  'y',	/* body */
};

static void test_layout_vector(void **state)
{
	layout4 layout;

	check_vector(&message_layout4, layout_bytes, sizeof(layout_bytes), &layout);
	assert_int_equal(layout.lo_offset, 4096);
	assert_int_equal(layout.lo_iomode, LAYOUTIOMODE4_RW);
	assert_int_equal(layout.lo_content.loc_type, LAYOUT4_SCSI);
}

static void test_unknown_operations(void **state)
{
	static const uint32_t ops[] = { 0, 1, 2, 76, 77, 10043, 10045, 0xffffffff };
	uint8_t buf[SIZE] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		put_word(buf, ops[i]);
		assert_int_equal(message_check(&message_nfs_argop4, buf, sizeof(buf)), 0);
		assert_int_equal(message_check(&message_nfs_resop4, buf, sizeof(buf)), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_callbacks),
		cmocka_unit_test(test_notifications),
		cmocka_unit_test(test_unions),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_layout_vector),
		cmocka_unit_test(test_unknown_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
