/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_FAULT_H
#define LAMINA_TESTS_LIB_FAULT_H

/*
 * Failing memory allocations on order.
 *
 * A test that includes this header is linked with a copy of our libraries in which every reference to malloc and its
 * kin goes here instead (tests/CMakeLists.txt does it to the object files, so nothing of it is in the sources).  So
 * exactly the allocations of dev/ and extent/ are counted and fail: not those of the test, of the simulated world, of
 * cmocka or of the C library itself.
 *
 * The usual loop: for n = 1, 2, ...: fault_alloc_arm(n, 1); do it; if fault_alloc_disarm() < n, it never came so far:
 * that was the last round.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Count from now.  Allocations number @nth .. @nth + @times - 1, from 1, give NULL (or ENOMEM); @times UINT64_MAX:
 * all from there on.  @nth 0: only count.
 */
void fault_alloc_arm(uint64_t nth, uint64_t times);
/* All succeed again.  How many were tried since it was armed. */
uint64_t fault_alloc_disarm(void);
/* How many have failed since it was armed. */
uint64_t fault_alloc_failed(void);

/* What the libraries' references were turned into. */
void *fault_malloc(size_t len);
void *fault_calloc(size_t nr, size_t len);
void *fault_realloc(void *old, size_t len);
void *fault_reallocarray(void *old, size_t nr, size_t len);
void *fault_aligned_alloc(size_t align, size_t len);
int fault_posix_memalign(void **ret_ptr, size_t align, size_t len);
char *fault_strdup(const char *s);
char *fault_strndup(const char *s, size_t len);

#endif
