/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts allocations of our libraries and fails the chosen ones.  Promise: what does not fail is done by the C
 * library (or the sanitizer) as ever, and free() needs to know nothing.  Helper threads may allocate too: hence the
 * atomics.
 */
#include "tests/lib/fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t seen;
static _Atomic uint64_t failed;
static _Atomic uint64_t first; /* 0: none fails */
static _Atomic uint64_t times;

void fault_alloc_arm(uint64_t nth, uint64_t nr)
{
	first = 0;
	seen = 0;
	failed = 0;
	times = nr;
	first = nth;
}

uint64_t fault_alloc_disarm(void)
{
	first = 0;
	return seen;
}

uint64_t fault_alloc_failed(void)
{
	return failed;
}

static bool fails(void)
{
	uint64_t n = ++seen;

	if (first == 0 || n < first || n - first >= times)
		return false;
	failed++;
	errno = ENOMEM;
	return true;
}

void *fault_malloc(size_t len)
{
	return fails() ? NULL : malloc(len);
}

void *fault_calloc(size_t nr, size_t len)
{
	return fails() ? NULL : calloc(nr, len);
}

void *fault_realloc(void *old, size_t len)
{
	return fails() ? NULL : realloc(old, len);
}

void *fault_reallocarray(void *old, size_t nr, size_t len)
{
	return fails() ? NULL : reallocarray(old, nr, len);
}

void *fault_aligned_alloc(size_t align, size_t len)
{
	return fails() ? NULL : aligned_alloc(align, len);
}

int fault_posix_memalign(void **ret_ptr, size_t align, size_t len)
{
	return fails() ? ENOMEM : posix_memalign(ret_ptr, align, len);
}

char *fault_strdup(const char *s)
{
	return fails() ? NULL : strdup(s);
}

char *fault_strndup(const char *s, size_t len)
{
	return fails() ? NULL : strndup(s, len);
}
