/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_MEMBER_H
#define LAMINA_TESTS_LIB_MEMBER_H

/* Members of JSON objects that must be there: the test fails otherwise. */

#include <json-c/json.h>

#include "tests/lib/check.h"

static inline struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *m = NULL;

	CHECK(json_object_object_get_ex(o, name, &m));
	return m;
}

#endif
