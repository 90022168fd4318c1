/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_FIBER_STACK_H
#define LAMINA_DEV_FIBER_STACK_H

/*
 * Stacks of fibers: mapped memory with an inaccessible guard below, so that an overflow faults instead of spoiling a
 * neighbour.  Each reactor has a pool that keeps a bounded number of used ones, as mapping costs more than a fiber's
 * whole life.
 */

#include "dev/base.h"
#include "dev/list.h"

/* Sanitizers make frames several times larger. */
#if defined(__SANITIZE_ADDRESS__)
#define FIBER_STACK_DEFAULT (256 << 10)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_STACK_DEFAULT (256 << 10)
#endif
#endif
#ifndef FIBER_STACK_DEFAULT
#define FIBER_STACK_DEFAULT (64 << 10)
#endif

#define FIBER_STACK_MIN	  (16 << 10)
#define FIBER_STACK_MAX	  (64 << 20)
#define FIBER_STACK_GUARD (64 << 10) /* more than any one frame, so that no frame can step over it */

struct fiber_stack {
	char *low;   /* first usable byte */
	size_t size; /* usable bytes */
	struct list link;
	unsigned int uses;
	unsigned int valgrind_id;
};

struct fiber_stack_pool {
	size_t stack_size;
	struct list unused;
	size_t nr_unused;
	size_t max_unused;
};

/* @stack_size 0: default; else bytes, FIBER_STACK_MIN to _MAX, rounded up to pages (-EINVAL). */
int fiber_stack_pool_init(struct fiber_stack_pool *pool, size_t stack_size) MUST_CHECK;
/* Unmaps what the pool holds; stacks that are still out must have been put before. */
void fiber_stack_pool_release(struct fiber_stack_pool *pool);

/* -ENOMEM: no memory, or the kernel's limit of mappings (vm.max_map_count) is reached. */
int fiber_stack_get(struct fiber_stack_pool *pool, struct fiber_stack **ret_stack) MUST_CHECK;
/* Not on @stack itself. */
void fiber_stack_put(struct fiber_stack_pool *pool, struct fiber_stack *stack);

#endif
