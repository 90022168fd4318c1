/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New space that is zeros, or a copy, before anybody gets it: what becomes readable and what stays as it is, on
 * devices that can make zeros themselves and on others, through errors and power cuts; and that a commit which is
 * lost loses nothing.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/log.h"
#include "tests/lib/check.h"
#include "tests/lib/data_holder.h"

#define BLK DADDR_BLOCK_SIZE

struct scene {
	struct data_file f, g;
	struct data_holders all;
	struct data_asker a, b;
	uint8_t buf[32 * BLK];
	struct inode inode;
	uint64_t seq;
};

FIBER_FN static struct scene *scene_new(struct store *s)
{
	struct scene *c = calloc(1, sizeof(*c));

	data_asker_init(&c->a, &c->all, 1);
	data_asker_init(&c->b, &c->all, 2);
	c->f = data_file_new(s, "f");
	c->g = data_file_new(s, "g");
	return c;
}

FIBER_FN static void expect(struct scene *c, uint64_t blk, uint64_t end, uint8_t byte)
{
	CHECK_EQ(data_file_read(&c->f, blk * BLK, c->buf, (uint32_t)((end - blk) * BLK)), (end - blk) * BLK);
	for (uint64_t i = 0; i < (end - blk) * BLK; i++)
		CHECK_EQ(c->buf[i], byte);
}

/* Whether [@blk, @end) is data for those who look for it. */
FIBER_FN static void expect_data(struct scene *c, uint64_t blk, uint64_t end)
{
	uint64_t off;
	bool eof;

	CHECK_EQ(data_seek(c->f.store->fs, c->f.ino, c->f.generation, blk * BLK, true, &off, &eof), 0);
	CHECK_EQ(off, blk * BLK);
	CHECK_EQ(data_seek(c->f.store->fs, c->f.ino, c->f.generation, blk * BLK, false, &off, &eof), 0);
	CHECK(off >= end * BLK);
}

FIBER_FN static int zero(struct scene *c, uint64_t blk, uint64_t end)
{
	return data_make_readable(c->f.store->fs, c->f.ino, c->f.generation, blk, end, end, &c->a.guard);
}

FIBER_FN static void do_what(struct store *s, void *arg)
{
	struct scene *c = scene_new(s);
	struct data_range from = { c->f.ino, c->f.generation, 0 }, to = { c->g.ino, c->g.generation, 0 };
	struct inode before;

	memset(c->buf, 'f', sizeof(c->buf));
	data_file_write(&c->f, 0, c->buf, 4 * BLK, DATA_UNSTABLE);
	CHECK_EQ(data_clone(s->fs, &from, &to, 2 * BLK, NULL, &c->inode, &c->seq), 0);
	data_file_truncate(&c->f, 20 * BLK);
	CHECK_EQ(data_allocate(s->fs, c->f.ino, c->f.generation, 6 * BLK, 4 * BLK, NULL, &c->inode, &c->seq), 0);
	CHECK_EQ(data_holder_get(&c->b, &c->f, 12, 14), 0);
	memset(c->buf, 'b', sizeof(c->buf));
	CHECK_EQ(data_holder_write(&c->b, &c->f, 12, 2, c->buf), 0);
	before = data_file_inode(&c->f);
	CHECK_EQ(zero(c, 0, 20), 0);
	CHECK_EQ(data_file_inode(&c->f).blocks, 20);
	CHECK_EQ(data_file_inode(&c->f).change, before.change); /* nobody sees a difference */
	CHECK(!(data_file_inode(&c->f).flags & INODE_DIRTY_BEHIND));
	expect(c, 0, 4, 'f');
	expect(c, 4, 20, 0);
	expect_data(c, 0, 12);
	expect_data(c, 14, 20);
	/* What was shared is its own: the other file stays as it is, without a commit. */
	CHECK_EQ(data_holder_get(&c->a, &c->f, 0, 2), 0);
	memset(c->buf, 'x', sizeof(c->buf));
	CHECK_EQ(data_holder_write(&c->a, &c->f, 0, 1, c->buf), 0);
	expect(c, 0, 1, 'x');
	expect(c, 1, 4, 'f');
	CHECK_EQ(data_file_read(&c->g, 0, c->buf, 2 * BLK), 2 * BLK);
	for (unsigned int i = 0; i < 2 * BLK; i++)
		CHECK_EQ(c->buf[i], 'f');
	CHECK_EQ(data_holder_return(&c->a, &c->f), 0);
	/* What its holder has written and not committed is still there. */
	CHECK_EQ(data_holder_commit(&c->b, &c->f, 12, 2, false, 0, UINT64_MAX, &c->seq), 0);
	expect(c, 12, 14, 'b');
	expect(c, 14, 20, 0);
	CHECK_EQ(data_holder_return(&c->b, &c->f), 0);
	CHECK_EQ(data_file_inode(&c->f).blocks, 20);
	CHECK_EQ(data_make_readable(s->fs, c->f.ino, c->f.generation + 1, 0, 1, 1, NULL), -ESTALE);
	free(c);
}

static void test_what_becomes_zeros(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_what, NULL);
	data_file_run(&(struct store_config){ .seed = 2, .no_write_zeroes = true }, do_what, NULL);
	data_file_run(&(struct store_config){ .seed = 3, .nr_disks = 3, .no_fua = true }, do_what, NULL);
}

/* Larger than a request, and by the device itself where it can. */
FIBER_FN static void do_much(struct store *s, void *arg)
{
	struct scene *c = scene_new(s);
	struct sim_disk_stats before = sim_disk_stats(s->disks[0]), after;

	CHECK_EQ(zero(c, 0, 5000), 0);
	after = sim_disk_stats(s->disks[0]);
	CHECK_EQ(data_file_inode(&c->f).blocks, 5000);
	if (s->cfg.no_write_zeroes)
		CHECK(after.bytes_written - before.bytes_written >= 5000 * BLK);
	else
		CHECK(after.zeroes > before.zeroes && after.zeroes - before.zeroes < 20);
	data_file_truncate(&c->f, 100); /* what is there behind the end goes, and is zeros nevertheless */
	data_file_truncate(&c->f, 5000 * BLK);
	for (uint64_t blk = 0; blk < 5000; blk += 8)
		expect(c, blk, blk + 8, 0);
	free(c);
}

static void test_much(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_much, NULL);
	data_file_run(&(struct store_config){ .seed = 1, .no_write_zeroes = true }, do_much, NULL);
}

/* Errors */

FIBER_FN static void do_errors(struct store *s, void *arg)
{
	struct scene *c = scene_new(s);
	struct sim_fault fault = { .ops = SIM_OP(BLK_WRITE_ZEROES), .nth = 1, .times = 1, .error = -EIO };
	struct fs_stats before, after;

	data_file_truncate(&c->f, 16 * BLK);
	fs_stats(s->fs, &before);
	sim_disk_fault(s->disks[0], &fault);
	CHECK_EQ(zero(c, 0, 16), -EIO);
	fs_stats(s->fs, &after);
	CHECK_EQ(after.free_blocks, before.free_blocks);
	CHECK_EQ(data_file_inode(&c->f).blocks, 0);
	expect(c, 0, 16, 0);
	CHECK_EQ(zero(c, 0, 1ull << 30), -ENOSPC);
	/* A device that says that it can, and cannot. */
	fault.error = -EOPNOTSUPP;
	fault.times = UINT64_MAX;
	sim_disk_fault(s->disks[0], &fault);
	CHECK_EQ(zero(c, 0, 16), 0);
	expect(c, 0, 16, 0);
	expect_data(c, 0, 16);
	free(c);
}

static void test_errors(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_errors, NULL);
}

/* The client dies after a write, and its LAYOUTCOMMIT never came, or came without the ranges. */

FIBER_FN static void do_lost_commit(struct store *s, void *arg)
{
	struct scene *c = scene_new(s);

	c->a.zero = true;
	CHECK_EQ(data_holder_get(&c->a, &c->f, 0, 16), 0);
	memset(c->buf, 'a', sizeof(c->buf));
	CHECK_EQ(data_holder_write(&c->a, &c->f, 3, 5, c->buf), 0);
	CHECK_EQ(data_holder_commit(&c->a, &c->f, 0, 0, true, 8 * BLK, UINT64_MAX, &c->seq), 0);
	CHECK_EQ(txn_wait_durable(s->fs, c->seq), 0);
	CHECK_EQ(data_holder_write(&c->a, &c->f, 9, 4, c->buf), 0); /* nobody ever hears of these */
	if (s->cfg.seed % 2) {
		store_power_cut(s, s->cfg.seed);
		CHECK_EQ(store_mount(s), 0);
	}
	expect(c, 0, 3, 0);
	expect(c, 3, 8, 'a');
	CHECK(data_file_inode(&c->f).flags & INODE_DIRTY_BEHIND);
	if (s->cfg.seed % 4 < 2) {
		CHECK_EQ(data_holder_return(&c->a, &c->f), 0);
		CHECK_EQ(data_file_inode(&c->f).blocks, 8);
	}
	c->all.nr = 0;
	data_file_truncate(&c->f, 16 * BLK);
	expect(c, 3, 8, 'a');
	expect(c, 8, 16, 0);
	free(c);
}

static void test_lost_commit(void **state)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		data_file_run(&(struct store_config){ .seed = seed, .no_fua = seed > 4 }, do_lost_commit, NULL);
}

/* Cuts at every moment: zeros, whatever is there. */

static void drop_message(void *arg, enum log_level level, const char *text)
{
}

FIBER_FN static void do_cuts(struct store *s, void *arg)
{
	struct scene *c = scene_new(s);
	int err;

	data_file_truncate(&c->f, 24 * BLK);
	CHECK_EQ(data_allocate(s->fs, c->f.ino, c->f.generation, 4 * BLK, 8 * BLK, NULL, &c->inode, &c->seq), 0);
	data_file_sync(&c->f);
	sim_disk_power_off_at(s->disks[0], 1 + s->cfg.seed % 12, true, SIM_POWER_ERRORS);
	err = zero(c, 0, 24);
	if (!err)
		err = txn_wait_durable(s->fs, fs_last_change(s->fs, c->f.ino));
	store_power_cut(s, s->cfg.seed);
	CHECK_EQ(store_mount(s), 0);
	expect(c, 0, 24, 0);
	if (!err)
		expect_data(c, 0, 24);
	free(c);
}

static void test_power_cuts(void **state)
{
	log_set_sink(drop_message, NULL);
	for (uint64_t seed = 1; seed <= 60; seed++)
		data_file_run(&(struct store_config){ .seed = seed, .no_write_zeroes = seed % 2, .no_fua = seed % 3 },
			      do_cuts, NULL);
	log_set_sink(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_becomes_zeros),
		cmocka_unit_test(test_much),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_lost_commit),
		cmocka_unit_test(test_power_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
