/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: what they wait for before they write. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/format.h"
#include "tests/lib/check.h"
#include "tests/lib/store.h"

static bool in_journal(const struct blk_req *req, void *arg)
{
	const struct store *s = arg;

	return req->op != BLK_READ && req->off >= JOURNAL_OFFSET &&
	       req->off < JOURNAL_OFFSET + s->cfg.format.journal_size;
}

static int put_body(struct txn *txn, void *arg)
{
	return txn_put(txn, key_make(ZONE_STATE, 1, 1, 1), "value", 5);
}

FIBER_FN static void checkpoint_fiber(void *arg)
{
	struct store *s = arg;

	CHECK_EQ(fs_checkpoint(s->fs), 0);
}

static uint64_t writes(const struct store *s)
{
	struct sim_disk_stats stats = sim_disk_stats(s->disks[0]);

	return stats.writes + stats.durable_writes;
}

/*
 * A chunk of metadata may lie where a file had its blocks.  While the transaction that took them away can still be
 * lost, nothing may be written there.
 */
FIBER_FN static void do_wait_for_journal(struct store *s, void *arg)
{
	struct fiber *f;
	uint64_t before;

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	sim_disk_hold(s->disks[0], in_journal, s);
	CHECK_EQ(txn_run(s->fs, NULL, put_body, NULL, NULL), 0);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK_EQ(sim_disk_nr_held(s->disks[0]), 1);
	before = writes(s);
	CHECK_EQ(fiber_spawn(s->r, "checkpoint", checkpoint_fiber, s, &f), 0);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK_EQ(writes(s), before);
	sim_disk_release(s->disks[0]);
	fiber_join(f);
	CHECK(writes(s) > before);
	store_unmount(s);
}

static void test_checkpoint_waits_for_the_journal(void **state)
{
	struct store s;

	store_init(&s, &(struct store_config){ .seed = 1 });
	store_run(&s, do_wait_for_journal, NULL);
	store_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checkpoint_waits_for_the_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
