/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Maps, reuses and measures fibers' stacks.  Promise: below every stack lie FIBER_STACK_GUARD inaccessible bytes; a
 * pool holds at most FIBER_STACK_UNUSED_MAX stacks; and the high-water mark is at least what the unmapped stacks
 * have used.  It is found afterwards from the pages that have become resident, so running fibers pay nothing; a
 * reused stack keeps its pages, so it is enough to look now and then and when it is unmapped.
 */

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dev/fiber.h"
#include "dev/fiber_stack.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0
#define VALGRIND_STACK_DEREGISTER(id)	    ((void)(id))
#define RUNNING_ON_VALGRIND		    0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_STACK_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_STACK_ASAN
#endif
#endif

#ifdef FIBER_STACK_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

#define FIBER_STACK_UNUSED_MAX	  256
#define FIBER_STACK_MEASURE_EVERY 64 /* uses */

static size_t high_water; /* atomic: reactors of several threads share it */

static void high_water_raise(size_t used)
{
	size_t old = __atomic_load_n(&high_water, __ATOMIC_RELAXED);

	while (used > old &&
	       !__atomic_compare_exchange_n(&high_water, &old, used, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

size_t fiber_stack_high_water(void)
{
	return __atomic_load_n(&high_water, __ATOMIC_RELAXED);
}

/* The unused bytes at the low end of the resident page [@page, @page + @size): what was never used is zero. */
__attribute__((no_sanitize("address"))) static size_t page_unused(const char *page, size_t size)
{
	size_t i;

	if (RUNNING_ON_VALGRIND) /* it calls reading below the stack pointer an error */
		return 0;
	for (i = 0; i < size && page[i] == 0; i++)
		;
	return i;
}

static void fiber_stack_measure(const struct fiber_stack *stack)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char resident[256]; /* pages looked at in one go */
	size_t off;
	size_t i;

	for (off = 0; off < stack->size; off += ARRAY_SIZE(resident) * page_size) {
		size_t len = (size_t)min_u64(stack->size - off, ARRAY_SIZE(resident) * page_size);

		if (mincore(stack->low + off, len, resident))
			return;
		for (i = 0; i < len / page_size; i++) {
			if (!(resident[i] & 1))
				continue;
			off += i * page_size;
			high_water_raise(stack->size - off - page_unused(stack->low + off, page_size));
			return;
		}
	}
}

static int fiber_stack_map(size_t size, struct fiber_stack **ret_stack)
{
	struct fiber_stack *stack = calloc(1, sizeof(*stack));
	char *map;

	if (!stack)
		return -ENOMEM;
	map = mmap(NULL, FIBER_STACK_GUARD + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK,
		   -1, 0);
	if (map == MAP_FAILED)
		goto err_free;
	if (mprotect(map + FIBER_STACK_GUARD, size, PROT_READ | PROT_WRITE))
		goto err_unmap;
	stack->low = map + FIBER_STACK_GUARD;
	stack->size = size;
	list_init(&stack->link);
	stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->low, stack->low + size);
	*ret_stack = stack;
	return 0;

err_unmap:
	munmap(map, FIBER_STACK_GUARD + size);
err_free:
	free(stack);
	return -ENOMEM;
}

static void fiber_stack_unmap(struct fiber_stack *stack)
{
	fiber_stack_measure(stack);
	VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
	ASAN_UNPOISON_MEMORY_REGION(stack->low, stack->size);
	munmap(stack->low - FIBER_STACK_GUARD, FIBER_STACK_GUARD + stack->size);
	free(stack);
}

int fiber_stack_pool_init(struct fiber_stack_pool *pool, size_t stack_size)
{
	if (stack_size == 0)
		stack_size = FIBER_STACK_DEFAULT;
	if (stack_size < FIBER_STACK_MIN || stack_size > FIBER_STACK_MAX)
		return -EINVAL;
	*pool = (struct fiber_stack_pool){
		.stack_size = round_up_u64(stack_size, (uint64_t)sysconf(_SC_PAGESIZE)),
		.max_unused = FIBER_STACK_UNUSED_MAX,
	};
	list_init(&pool->unused);
	return 0;
}

void fiber_stack_pool_release(struct fiber_stack_pool *pool)
{
	list_for_each_safe (pos, &pool->unused) {
		list_del(pos);
		fiber_stack_unmap(list_entry(pos, struct fiber_stack, link));
	}
	pool->nr_unused = 0;
}

int fiber_stack_get(struct fiber_stack_pool *pool, struct fiber_stack **ret_stack)
{
	struct fiber_stack *stack;

	if (list_is_empty(&pool->unused))
		return fiber_stack_map(pool->stack_size, ret_stack);
	/* The one used last is the one most likely still in the processor's caches. */
	stack = list_first_entry(&pool->unused, struct fiber_stack, link);
	list_del(&stack->link);
	pool->nr_unused--;
	/* The last fiber ended in the middle of its frames, whose red zones are still poisoned. */
	ASAN_UNPOISON_MEMORY_REGION(stack->low, stack->size);
	*ret_stack = stack;
	return 0;
}

void fiber_stack_put(struct fiber_stack_pool *pool, struct fiber_stack *stack)
{
	if (pool->nr_unused >= pool->max_unused) {
		fiber_stack_unmap(stack);
		return;
	}
	if (stack->uses++ % FIBER_STACK_MEASURE_EVERY == 0)
		fiber_stack_measure(stack);
	list_add_head(&stack->link, &pool->unused);
	pool->nr_unused++;
}
