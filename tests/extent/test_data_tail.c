/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Old bytes in the block of the end of file, and layouts of it and behind it: they are made zeros before anybody can
 * let the file grow who does not answer for them, and nobody is asked for more than that needs.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "tests/lib/check.h"
#include "tests/lib/data_party.h"

#define BLK DADDR_BLOCK_SIZE

static void run(void (*fn)(struct store *s, void *arg))
{
	data_file_run(&(struct store_config){ .seed = store_seed(1) }, fn, NULL);
}

FIBER_FN static bool tail_is_dirty(struct data_file *f)
{
	return data_file_inode(f).flags & INODE_DIRTY_TAIL;
}

/* Once a block is shared its tail could be cleaned only in another one. */
FIBER_FN static void do_clone_cleans(struct store *s, void *arg)
{
	struct party *p = party_new(s);

	CHECK_EQ(party_put(p, 0, 100), 0);
	CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 1), 0);
	party_scribble(p, &p->a, 0, 1, 'a');
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	CHECK(tail_is_dirty(&p->f));
	CHECK_EQ(party_share(p, &p->f, 0, &p->g, 0, 0), 0);
	CHECK(!tail_is_dirty(&p->f) && !tail_is_dirty(&p->g));
	data_file_truncate(&p->g, BLK);
	CHECK_EQ(party_resize(p, BLK), 0);
	party_expect(p, 0, 100, 'a');
	party_expect(p, 100, BLK, 0);
	CHECK_EQ(data_file_read(&p->g, 0, p->buf, BLK), BLK);
	CHECK(p->buf[99] == 'a' && p->buf[100] == 0 && p->buf[BLK - 1] == 0);
	free(p);
}

static void test_clone_cleans(void **state)
{
	run(do_clone_cleans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clone_cleans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
