/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A superblock that was torn in one crash stays unfinished in the next one: the first checkpoint of the life in
 * between writes one of the same epoch to the same slot, and what a crash leaves of that may not complete the old
 * one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "extent/fs.h"
#include "extent/super.h"
#include "extent/txn.h"
#include "tests/lib/store.h"
#include "tests/sim/sim_disk.h"

#define SECTOR 512u

static int put_body(struct txn *txn, void *arg)
{
	return txn_put(txn, key_make(ZONE_STATE, 1, 1, 1), arg, 8);
}

static FIBER_FN void put(struct store *s, const char *bytes)
{
	assert_int_equal(txn_run(s->fs, NULL, put_body, (void *)(uintptr_t)bytes, NULL), 0);
}

/* The newest epoch that a reader finds on the disk if the power goes now, and what is in flight gets lost. */
static FIBER_FN uint64_t epoch_after_cut(const struct store *s)
{
	struct sim_disk *d = sim_disk_reboot(s->disks[0], &(struct sim_cut){ .style = SIM_CUT_NOTHING, .seed = 1 });
	struct blkdev *dev = sim_disk_open(d, s->r);
	struct super_report rep;
	struct super super;
	struct why why;

	assert_int_equal(super_read(dev, NULL, &super, &rep, &why), 0);
	blkdev_close(dev);
	sim_disk_free(d);
	return super.epoch;
}

static bool is_super(const struct blk_req *req, void *arg)
{
	return req->op == BLK_WRITE_DURABLE && req->len == SUPER_SIZE;
}

static FIBER_FN void checkpoint_main(void *arg)
{
	assert_int_equal(fs_checkpoint(arg), 0);
}

static FIBER_FN void do_torn(struct store *s, void *arg)
{
	uint8_t zeros[SECTOR] = { 0 }, other[SECTOR];
	struct fiber *f;
	uint64_t epoch, end;

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	put(s, "version1");
	store_unmount(s);
	epoch = epoch_after_cut(s);

	/* The power went when all of it but its last sector, zeros, was on the disk. */
	end = SUPER_OFFSET(super_slot(epoch)) + SUPER_SIZE - SECTOR;
	memset(other, 'x', sizeof(other));
	sim_disk_poke(s->disks[0], end, other, sizeof(other));
	assert_int_equal(epoch_after_cut(s), epoch - 1);

	/* And again, when nothing but the last sector of the next one was. */
	assert_int_equal(store_mount(s), 0);
	put(s, "version2");
	sim_disk_hold(s->disks[0], is_super, NULL);
	assert_int_equal(fiber_spawn(s->r, "checkpoint", checkpoint_main, s->fs, &f), 0);
	while (sim_disk_nr_held(s->disks[0]) == 0)
		fiber_sleep_ns(1000000);
	sim_disk_poke(s->disks[0], end, zeros, sizeof(zeros));
	assert_int_equal(epoch_after_cut(s), epoch - 1);

	sim_disk_release(s->disks[0]);
	fiber_join(f);
	assert_int_equal(epoch_after_cut(s), epoch);
	store_unmount(s);
}

static void test_torn_stays_torn(void **state)
{
	struct store s;

	store_init(&s, &(struct store_config){ .seed = 3 });
	store_run(&s, do_torn, NULL);
	store_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_torn_stays_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
