/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_BASE_H
#define LAMINA_DEV_BASE_H

/*
 * What every file of Lamina may use without thinking: sized types, a few arithmetic helpers, and the two
 * markers that the checks of tests/tidy rely on.
 *
 *   MUST_CHECK  the caller must look at the result.
 *   FIBER_FN    the function may switch to another fiber.  A function without it never switches, so what it
 *               checked at its top still holds at its bottom.  tests/tidy follows the compiler's call graph
 *               and fails on an unmarked function that calls a marked one; at run time a section between
 *               fiber_no_switch_begin() and fiber_no_switch_end() aborts on any switch.
 *
 * Errors are 0 or a negative errno; outputs (ret_x) are untouched on failure.  -EUCLEAN is corruption,
 * -ESTALE something superseded, -EAGAIN try later, -ERESTART a transaction body to be run again.
 * assert() guards our own promises and stays on in release builds; outside input never reaches one (I13).
 */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef NDEBUG
#error "Lamina keeps its asserts in every build: do not define NDEBUG"
#endif

#define MUST_CHECK __attribute__((warn_unused_result))
#define FIBER_FN
#define PRINTF_FMT(fmt, args)		__attribute__((format(printf, fmt, args)))

#define NSEC_PER_SEC			UINT64_C(1000000000)
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* @align is a power of two. */
static inline uint64_t round_down_u64(uint64_t x, uint64_t align)
{
	return x & ~(align - 1);
}

/* @align is a power of two; the caller knows that the sum does not wrap. */
static inline uint64_t round_up_u64(uint64_t x, uint64_t align)
{
	return (x + align - 1) & ~(align - 1);
}

static inline bool is_aligned_u64(uint64_t x, uint64_t align)
{
	return (x & (align - 1)) == 0;
}

static inline bool is_power_of_2_u64(uint64_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

#endif
