/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every memory allocation of the store and every request to its disks fails in turn, once: while it works, while it
 * is unmounted, and while it is mounted with a journal to replay.  The error is one that the interface names, the
 * program goes on, and the next mount finds all that was promised and nothing by half, in a volume without fault.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/check.h"
#include "tests/lib/fault.h"
#include "tests/lib/life.h"
#include "tests/lib/tree_model.h"

#define STEPS 400
#define DISKS 2

enum what {
	WORK,	/* the fault comes while operations run, or the unmount after them */
	MOUNT,	/* or in the mount after a crash */
	FORMAT, /* or while the volume is made */
};

struct round {
	uint64_t seed;
	enum what what;
	enum life_kind kind; /* of the operations */
	unsigned int disk;   /* whose request fails */
	bool io;	     /* a request fails, else an allocation */
	uint64_t n;	     /* which */
	bool hit;	     /* it came so far */
	uint64_t nr;	     /* failures that the caller saw */
};

static void arm(struct store *s, const struct round *round)
{
	if (round->io)
		sim_disk_fault(s->disks[round->disk], &(struct sim_fault){ .kind = SIM_FAULT_ERROR,
									   .ops = SIM_OPS_ALL,
									   .nth = round->n,
									   .times = 1,
									   .error = -EIO });
	else
		fault_alloc_arm(round->n, 1);
}

static void disarm(struct store *s, struct round *round)
{
	if (round->io) {
		round->hit = sim_disk_stats(s->disks[round->disk]).errors > 0;
		sim_disk_clear_faults(s->disks[round->disk]);
	} else {
		fault_alloc_disarm();
		round->hit = fault_alloc_failed() > 0;
	}
}

/* What one fault may come out as. */
static void note(struct round *round, int err)
{
	if (!err)
		return;
	round->nr++;
	if (err != -EIO && err != -EROFS && (round->io || err != -ENOMEM))
		tree_fail("%s number %" PRIu64 " came out as %d", round->io ? "request" : "allocation", round->n,
			  err);
}

FIBER_FN static void operate(struct life *life, struct round *round)
{
	for (unsigned int i = 0; i < STEPS; i++) {
		note(round, life_step(life, 3));
		if (i == STEPS / 2)
			note(round, fs_checkpoint(life->store->fs));
	}
}

FIBER_FN static void mount_with_fault(struct store *s, struct round *round)
{
	int err;

	arm(s, round);
	err = store_mount(s);
	note(round, err);
	disarm(s, round);
	if (!err)
		return;
	CHECK(s->fs == NULL);
	CHECK_EQ(store_mount(s), 0);
}

FIBER_FN static void format_with_fault(struct store *s, void *arg)
{
	struct round *round = arg;
	struct why why = { { 0 } };
	int err, mount_err;

	arm(s, round);
	err = fs_format(s->r, s->devs, s->cfg.nr_disks, &s->cfg.format, &why);
	note(round, err);
	disarm(s, round);
	CHECK_EQ(err != 0, why.text[0] != '\0');
	mount_err = store_mount(s);
	CHECK(mount_err == 0 || (err && mount_err == -EMEDIUMTYPE)); /* all or nothing */
	if (!mount_err)
		store_unmount(s);
}

FIBER_FN static void do_round(struct store *s, void *arg)
{
	struct round *round = arg;
	struct life life;

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	life_begin(&life, round->kind, s, (struct dice){ round->seed });
	if (round->what == WORK) {
		arm(s, round);
		operate(&life, round);
		note(round, fs_unmount(s->fs));
		disarm(s, round);
		s->fs = NULL;
		CHECK_EQ(store_mount(s), 0);
	} else {
		operate(&life, round);
		CHECK_EQ(round->nr, 0);
		fs_abandon(s->fs);
		s->fs = NULL;
		mount_with_fault(s, round);
	}
	life_mounted(&life, true);
	life_check(&life, true);
	for (unsigned int i = 0; i < STEPS / 4; i++) /* a mount after a failure is as good as any */
		CHECK(life_step(&life, 3) == 0 || fs_is_read_only(s->fs));
	if (fs_is_read_only(s->fs)) {
		fs_abandon(s->fs);
		s->fs = NULL;
	} else {
		life_check(&life, true);
		store_unmount(s);
	}
	life_end(&life);
}

static bool fail_one(const struct round *how, uint64_t n, uint64_t *seen)
{
	struct store_config cfg = {
		.seed = how->seed, .nr_disks = DISKS, .disk_size = 16 << 20, .mount = { .cache_bytes = 1 << 20 }
	};
	struct round round = *how;
	struct store s;

	round.n = n;
	store_init(&s, &cfg);
	store_run(&s, how->what == FORMAT ? format_with_fault : do_round, &round);
	store_release(&s);
	*seen += round.nr > 0;
	return round.hit;
}

static void every(uint64_t fallback, enum what what, enum life_kind kind, bool io)
{
	struct round how = { .seed = dice_seed(fallback).state, .what = what, .kind = kind, .io = io };
	uint64_t failures = 0, seen = 0;

	for (how.disk = 0; how.disk < (io ? DISKS : 1); how.disk++)
		for (uint64_t n = 1; fail_one(&how, n, &seen); n++)
			failures++;
	print_message("%" PRIu64 " failures, %" PRIu64 " of them seen outside\n", failures, seen);
	assert_true(failures > 5);
}

static void test_work_allocations(void **state)
{
	every(21, WORK, LIFE_NAMES, false);
	every(31, WORK, LIFE_MAPS, false);
}

static void test_work_requests(void **state)
{
	every(22, WORK, LIFE_NAMES, true);
	every(32, WORK, LIFE_MAPS, true);
}

static void test_mount_allocations(void **state)
{
	every(23, MOUNT, LIFE_NAMES, false);
	every(33, MOUNT, LIFE_MAPS, false);
}

static void test_mount_requests(void **state)
{
	every(24, MOUNT, LIFE_NAMES, true);
	every(34, MOUNT, LIFE_MAPS, true);
}

static void test_format_allocations(void **state)
{
	every(25, FORMAT, LIFE_NAMES, false);
}

static void test_format_requests(void **state)
{
	every(26, FORMAT, LIFE_NAMES, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_work_allocations),   cmocka_unit_test(test_work_requests),
		cmocka_unit_test(test_mount_allocations),  cmocka_unit_test(test_mount_requests),
		cmocka_unit_test(test_format_allocations), cmocka_unit_test(test_format_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
