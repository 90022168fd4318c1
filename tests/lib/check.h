/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_CHECK_H
#define LAMINA_TESTS_LIB_CHECK_H

/* Checks for use inside fibers: cmocka's own leave a failed test by longjmp, which must not cross stacks. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "dev/base.h"

#define CHECK(cond)    check_at((cond), #cond, __FILE__, __LINE__)
#define CHECK_EQ(a, b) check_eq_at((uint64_t)(a), (uint64_t)(b), #a " == " #b, __FILE__, __LINE__)

static inline void check_at(bool cond, const char *text, const char *file, int line)
{
	if (cond)
		return;
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
	abort();
}

static inline void check_eq_at(uint64_t a, uint64_t b, const char *text, const char *file, int line)
{
	if (a == b)
		return;
	fprintf(stderr, "%s:%d: not true: %s; %" PRId64 " is not %" PRId64 "\n", file, line, text, (int64_t)a,
		(int64_t)b);
	abort();
}

#endif
