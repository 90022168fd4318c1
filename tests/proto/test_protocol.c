/* SPDX-License-Identifier: Apache-2.0 */

/* docs/protocol.md has a row for every operation, callback and attribute, with its number, and no other rows. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire_attr.h"
#include "proto/wire_compound.h"
#include "tests/lib/protocol_doc.h"

static int expect_row(const char *doc, const char *name, uint32_t nr)
{
	char row[128];

	snprintf(row, sizeof(row), "\n| %s | %u | ", name, nr);
	if (!strstr(doc, row))
		fail_msg("docs/protocol.md lacks the row%s", row);
	return 1;
}

/* Rows of tables, without their heads. */
static int count_rows(const char *doc)
{
	int nr = 0;

	for (; (doc = strstr(doc, "\n| ")); doc++)
		nr += strncmp(doc, "\n| ---", 6) != 0;
	return nr;
}

static void test_rows(void **state)
{
	char *doc = protocol_doc_read();
	int rows = 3; /* heads */

	for (uint32_t op = 0; op < 200; op++) {
		if (wire_op_is_known(2, op))
			rows += expect_row(doc, wire_op_name(op), op);
	}
	for (uint32_t attr = 0; attr < WIRE_BITMAP_BITS; attr++) {
		if (wire_attr_name(attr))
			rows += expect_row(doc, wire_attr_name(attr), attr);
	}
	rows += expect_row(doc, "CB_GETATTR", OP_CB_GETATTR);
	rows += expect_row(doc, "CB_RECALL", OP_CB_RECALL);
	rows += expect_row(doc, "CB_LAYOUTRECALL", OP_CB_LAYOUTRECALL);
	rows += expect_row(doc, "CB_NOTIFY", OP_CB_NOTIFY);
	rows += expect_row(doc, "CB_PUSH_DELEG", OP_CB_PUSH_DELEG);
	rows += expect_row(doc, "CB_RECALL_ANY", OP_CB_RECALL_ANY);
	rows += expect_row(doc, "CB_RECALLABLE_OBJ_AVAIL", OP_CB_RECALLABLE_OBJ_AVAIL);
	rows += expect_row(doc, "CB_RECALL_SLOT", OP_CB_RECALL_SLOT);
	rows += expect_row(doc, "CB_SEQUENCE", OP_CB_SEQUENCE);
	rows += expect_row(doc, "CB_WANTS_CANCELLED", OP_CB_WANTS_CANCELLED);
	rows += expect_row(doc, "CB_NOTIFY_LOCK", OP_CB_NOTIFY_LOCK);
	rows += expect_row(doc, "CB_NOTIFY_DEVICEID", OP_CB_NOTIFY_DEVICEID);
	rows += expect_row(doc, "CB_OFFLOAD", OP_CB_OFFLOAD);
	assert_int_equal(count_rows(doc), rows);
	free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
