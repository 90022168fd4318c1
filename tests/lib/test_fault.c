/* SPDX-License-Identifier: Apache-2.0 */
/* The allocations of our libraries, and only those, fail when they are told to. */
#include "tests/lib/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/blkdev.h"
#include "dev/fiber.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_reactor.h"

static void test_libraries_are_counted(void **state)
{
	void *a, *b, *c;

	fault_alloc_arm(2, 1);
	a = blkdev_buf_alloc(100);
	b = blkdev_buf_alloc(100);
	c = blkdev_buf_alloc(100);
	assert_int_equal(fault_alloc_disarm(), 3);
	assert_int_equal(fault_alloc_failed(), 1);
	assert_non_null(a);
	assert_null(b);
	assert_non_null(c);
	blkdev_buf_free(a);
	blkdev_buf_free(c);

	fault_alloc_arm(1, UINT64_MAX);
	assert_null(blkdev_buf_alloc(100));
	assert_null(blkdev_buf_alloc(100));
	assert_int_equal(fault_alloc_disarm(), 2);
	a = blkdev_buf_alloc(100);
	assert_non_null(a);
	blkdev_buf_free(a);
}

static void nothing(void *arg)
{
}

static FIBER_FN int spawn(void *arg)
{
	struct fiber *f;
	int err = fiber_spawn(fiber_reactor(), "f", nothing, NULL, &f);

	if (!err)
		fiber_join(f);
	return err;
}

/* Every n-th one in turn: clean errors, then success. */
static void test_each_in_turn(void **state)
{
	struct reactor *r = sim_reactor_new(1);
	unsigned int errors = 0;

	for (uint64_t n = 1;; n++) {
		int err;

		fault_alloc_arm(n, 1);
		err = reactor_run(r, spawn, NULL);
		if (fault_alloc_disarm() < n) {
			assert_int_equal(err, 0);
			break;
		}
		assert_int_equal(err, -ENOMEM);
		errors++;
	}
	assert_true(errors >= 2);
	reactor_close(r);
}

static void test_others_are_not_counted(void **state)
{
	struct sim_disk *d;
	char *s;

	fault_alloc_arm(1, UINT64_MAX);
	s = strdup("mine");
	d = sim_disk_new(&(struct sim_disk_config){ .size = 1u << 20 });
	assert_int_equal(fault_alloc_disarm(), 0);
	assert_non_null(s);
	sim_disk_free(d);
	free(s);
}

/* The kinds that the libraries may begin to use tomorrow. */
static void test_all_kinds(void **state)
{
	void *p = NULL;
	char *s;

	fault_alloc_arm(1, 8);
	assert_null(fault_malloc(1));
	assert_null(fault_calloc(1, 1));
	assert_null(fault_realloc(NULL, 1));
	assert_null(fault_reallocarray(NULL, 1, 1));
	assert_null(fault_aligned_alloc(64, 64));
	assert_int_equal(fault_posix_memalign(&p, 64, 64), ENOMEM);
	assert_null(fault_strdup("a"));
	assert_null(fault_strndup("a", 1));
	p = fault_malloc(1);
	assert_non_null(p);
	p = fault_realloc(p, 2);
	assert_non_null(p);
	p = fault_reallocarray(p, 3, 3);
	assert_non_null(p);
	free(p);
	assert_int_equal(fault_posix_memalign(&p, 64, 64), 0);
	free(p);
	s = fault_strndup("abc", 2);
	assert_string_equal(s, "ab");
	free(s);
	assert_int_equal(fault_alloc_disarm(), 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libraries_are_counted),
		cmocka_unit_test(test_each_in_turn),
		cmocka_unit_test(test_others_are_not_counted),
		cmocka_unit_test(test_all_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
