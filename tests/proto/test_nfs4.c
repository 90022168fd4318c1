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

#define SIZE 700
#define WANT 8

static void check_type(struct dice *dice, const struct message_type *type, bool has_op, uint32_t op)
{
	uint8_t buf[SIZE];
	int found = 0;

	for (int tries = 0; tries < 3000 && found < WANT; tries++) {
		message_random(dice, buf, sizeof(buf));
		if (has_op) {
			memset(buf, 0, 4);
			buf[2] = (uint8_t)(op >> 8);
			buf[3] = (uint8_t)op;
		}
		/* The good case of a result must be seen, too. */
		if (has_op && found % 2)
			memset(buf + 4, 0, 4);
		found += message_check(type, buf, sizeof(buf)) != 0;
	}
	if (found < WANT)
		print_error("%s of operation %u: only %d values\n", type->name, op, found);
	assert_int_equal(found, WANT);
}

static void test_operations(void **state)
{
	struct dice dice = dice_seed(3);

	for (uint32_t op = OP_ACCESS; op <= OP_REMOVEXATTR; op++) {
		check_type(&dice, &message_nfs_argop4, true, op);
		check_type(&dice, &message_nfs_resop4, true, op);
	}
	check_type(&dice, &message_nfs_resop4, true, OP_ILLEGAL);
}

static void test_callbacks(void **state)
{
	struct dice dice = dice_seed(4);

	for (uint32_t op = OP_CB_GETATTR; op <= OP_CB_OFFLOAD; op++) {
		check_type(&dice, &message_nfs_cb_argop4, true, op);
		check_type(&dice, &message_nfs_cb_resop4, true, op);
	}
	check_type(&dice, &message_nfs_cb_resop4, true, OP_CB_ILLEGAL);
}

static void test_notifications(void **state)
{
	static const struct message_type *const types[] = {
		&message_notify_add4,	   &message_notify_rename4,	     &message_notify_attr4,
		&message_notify_verifier4, &message_notify_deviceid_change4, &message_notify_deviceid_delete4,
	};
	struct dice dice = dice_seed(5);

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		check_type(&dice, types[i], false, 0);
}

static void test_unknown_operations(void **state)
{
	static const uint32_t ops[] = { 0, 1, 2, 76, 77, 10043, 10045, 0xffffffff };
	uint8_t buf[SIZE] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		for (int b = 0; b < 4; b++)
			buf[b] = (uint8_t)(ops[i] >> (24 - 8 * b));
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
		cmocka_unit_test(test_unknown_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
