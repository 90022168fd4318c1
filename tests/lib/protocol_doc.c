/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: it is that of the tree that the test was built from. */

#include "tests/lib/protocol_doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"

#define DOC_MAX (1u << 20)

char *protocol_doc_read(void)
{
	size_t root = strlen(__FILE__) - strlen("tests/lib/protocol_doc.c"), len;
	char path[4096], *text = calloc(1, DOC_MAX);
	FILE *in;

	snprintf(path, sizeof(path), "%.*sdocs/protocol.md", (int)root, __FILE__);
	in = fopen(path, "r");
	CHECK(in && text);
	len = fread(text, 1, DOC_MAX - 1, in);
	CHECK(len > 0 && len < DOC_MAX - 1);
	fclose(in);
	return text;
}
