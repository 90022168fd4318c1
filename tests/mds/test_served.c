/* SPDX-License-Identifier: Apache-2.0 */

/* What docs/protocol.md says is served is what the tables in the code have. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mds/ops.h"
#include "proto/wire_compound.h"
#include "tests/lib/protocol_doc.h"

/* Whether the row of @name ends with this state. */
static bool row_says(const char *doc, const char *name, uint32_t nr, const char *state)
{
	char start[128], end[64];
	const char *row, *stop;

	snprintf(start, sizeof(start), "\n| %s | %u | ", name, nr);
	snprintf(end, sizeof(end), "| %s |", state);
	row = strstr(doc, start);
	if (!row)
		fail_msg("docs/protocol.md has no row for %s", name);
	stop = strchr(row + 1, '\n');
	return (size_t)(stop - row) > strlen(end) && strncmp(stop - strlen(end), end, strlen(end)) == 0;
}

static void test_operations(void **state)
{
	char *doc = protocol_doc_read();

	for (uint32_t nr = 0; nr <= OP_REMOVEXATTR; nr++) {
		bool served;

		if (!wire_op_is_known(2, nr))
			continue;
		/* SEQUENCE is part of every compound and has no handler. */
		served = nr == OP_SEQUENCE || op_find(nr)->execute;
		if (row_says(doc, wire_op_name(nr), nr, "served") != served)
			fail_msg("docs/protocol.md is wrong about %s", wire_op_name(nr));
	}
	free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
