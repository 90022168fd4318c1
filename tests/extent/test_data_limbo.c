/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks that a lost layout may still reach: whatever takes them out of their file's map leaves them in limbo, where
 * nobody gets them, across power cuts and mounts, until their tag is released.  And flushes that are shared.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "tests/lib/check.h"
#include "tests/lib/data_holder.h"

#define BLK DADDR_BLOCK_SIZE
#define TAG 77

struct lost {
	struct data_file f, g;
	struct data_holders all;
	struct data_asker a;
	uint64_t ino; /* whose blocks go to limbo */
	uint8_t buf[8 * BLK];
	struct inode inode;
	uint64_t seq;
};

static uint64_t tag_of(void *arg, uint64_t ino)
{
	const struct lost *l = arg;

	return ino == l->ino ? TAG : LIMBO_NONE;
}

FIBER_FN static struct lost *lost_new(struct store *s)
{
	struct lost *l = calloc(1, sizeof(*l));

	data_asker_init(&l->a, &l->all, 1);
	l->f = data_file_new(s, "f");
	l->g = data_file_new(s, "g");
	memset(l->buf, 'f', sizeof(l->buf));
	data_file_write(&l->f, 0, l->buf, 8 * BLK, DATA_DURABLE);
	data_file_write(&l->g, 0, l->buf, 8 * BLK, DATA_DURABLE);
	l->ino = l->f.ino;
	data_set_limbo(s->fs, tag_of, l);
	return l;
}

FIBER_FN static uint64_t in_limbo(struct store *s)
{
	struct fs_stats stats;

	data_settle(s->fs);
	fs_stats(s->fs, &stats);
	return stats.limbo_blocks;
}

FIBER_FN static void share(struct data_file *src, struct data_file *dst, uint64_t off)
{
	struct data_range from = { src->ino, src->generation, 0 }, to = { dst->ino, dst->generation, off };
	struct inode inode;
	uint64_t seq;

	CHECK_EQ(data_clone(src->store->fs, &from, &to, 0, NULL, &inode, &seq), 0);
}

/* Every way out of a map. */

FIBER_FN static void do_ways(struct store *s, void *arg)
{
	struct lost *l = lost_new(s);
	struct fs_stats before, after;

	fs_stats(s->fs, &before);
	CHECK_EQ(in_limbo(s), 0);
	data_file_truncate(&l->g, 7 * BLK);
	CHECK_EQ(in_limbo(s), 0);
	data_file_truncate(&l->f, 7 * BLK);
	CHECK_EQ(in_limbo(s), 1);
	CHECK_EQ(data_deallocate(s->fs, l->f.ino, l->f.generation, 5 * BLK, BLK, NULL, &l->inode, &l->seq), 0);
	CHECK_EQ(in_limbo(s), 2);
	CHECK_EQ(data_holder_get(&l->a, &l->f, 10, 14), 0);
	CHECK_EQ(data_holder_return(&l->a, &l->f), 0);
	CHECK_EQ(in_limbo(s), 6);
	/* Shared: not before the last owner is gone; what it is when a write replaces them. */
	share(&l->g, &l->f, 0);
	CHECK_EQ(in_limbo(s), 12);
	data_file_truncate(&l->g, 0);
	CHECK_EQ(in_limbo(s), 12);
	share(&l->f, &l->g, 0);
	l->ino = l->g.ino;
	data_file_write(&l->g, 0, "g", 1, DATA_UNSTABLE);
	CHECK_EQ(in_limbo(s), 12); /* f has it still */
	data_file_unlink(s, "g");
	CHECK_EQ(data_reap(s->fs, l->g.ino), 0);
	CHECK_EQ(in_limbo(s), 13); /* its own one block */
	l->ino = l->f.ino;
	data_file_unlink(s, "f");
	CHECK_EQ(data_reap(s->fs, l->f.ino), 0);
	CHECK_EQ(in_limbo(s), 13 + 7);
	data_file_check_volume(s);
	CHECK_EQ(data_limbo_release(s->fs, TAG + 1), 0);
	CHECK_EQ(in_limbo(s), 20);
	CHECK_EQ(data_limbo_release(s->fs, LIMBO_NONE), -EINVAL);
	CHECK_EQ(data_limbo_release(s->fs, TAG), 0);
	CHECK_EQ(in_limbo(s), 0);
	fs_stats(s->fs, &after);
	CHECK_EQ(after.free_blocks, before.free_blocks + 16);
	free(l);
}

static void test_every_way_out(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_ways, NULL);
}

/* The lost holder goes on writing, and hits nobody: everything else that is free is taken by another file. */

static void drop_message(void *arg, enum log_level level, const char *text)
{
}

FIBER_FN static void fill(struct store *s, struct data_file *f)
{
	uint8_t *buf = malloc(64 * BLK);
	uint64_t off = 0, seq;
	struct inode inode;
	bool durable;

	memset(buf, 'x', 64 * BLK);
	for (uint32_t len = 64 * BLK; len >= BLK;) {
		int err = data_write(s->fs, f->ino, f->generation, off, buf, len, DATA_UNSTABLE, NULL, &inode,
				     &durable, &seq);

		CHECK(!err || err == -ENOSPC);
		if (err)
			len /= 2;
		else
			off += len;
	}
	free(buf);
}

FIBER_FN static void check_full_of(struct data_file *f, uint8_t byte)
{
	uint64_t size = data_file_size(f);
	uint8_t *buf = malloc(64 * BLK);

	for (uint64_t off = 0; off < size; off += 64 * BLK) {
		uint32_t got = data_file_read(f, off, buf, 64 * BLK);

		for (uint32_t i = 0; i < got; i++)
			CHECK_EQ(buf[i], byte);
	}
	free(buf);
}

FIBER_FN static void do_late_writes(struct store *s, void *arg)
{
	struct lost *l = lost_new(s);
	struct data_file h = data_file_new(s, "h");
	struct data_holding held;
	bool cut = s->cfg.seed % 2;

	CHECK_EQ(data_holder_get(&l->a, &l->f, 0, 8), 0);
	held = l->all.v[0];
	l->all.nr = 0; /* lost */
	data_file_truncate(&l->f, 0);
	data_file_sync(&l->f);
	CHECK_EQ(in_limbo(s), 8);
	if (cut) {
		store_power_cut(s, s->cfg.seed);
	} else {
		store_unmount(s);
	}
	CHECK_EQ(store_mount(s), 0);
	data_set_limbo(s->fs, tag_of, l);
	CHECK_EQ(in_limbo(s), 8);
	data_file_check_volume(s);
	h.store = s;
	fill(s, &h);
	l->all.v[l->all.nr++] = held;
	memset(l->buf, DATA_FILE_STRANGER, sizeof(l->buf));
	CHECK_EQ(data_holder_write(&l->a, &l->f, 0, 8, l->buf), 0);
	l->all.nr = 0;
	check_full_of(&h, 'x');
	CHECK_EQ(data_limbo_release(s->fs, TAG), 0); /* it is fenced */
	CHECK_EQ(in_limbo(s), 0);
	fill(s, &h);
	check_full_of(&h, 'x');
	free(l);
}

static void test_late_writes(void **state)
{
	log_set_sink(drop_message, NULL);
	for (uint64_t seed = 1; seed <= 4; seed++)
		data_file_run(&(struct store_config){ .seed = seed, .disk_size = 16 << 20 }, do_late_writes, NULL);
	log_set_sink(NULL, NULL);
}

/* More than one transaction's worth. */
FIBER_FN static void do_much(struct store *s, void *arg)
{
	struct lost *l = lost_new(s);
	struct fs_stats before, after;

	fs_stats(s->fs, &before);
	/* In turn with another file, so that neighbours don't become one. */
	for (uint64_t blk = 8; blk < 1000; blk++) {
		data_file_write(&l->f, blk * BLK, l->buf, BLK, DATA_UNSTABLE);
		CHECK_EQ(data_deallocate(s->fs, l->f.ino, l->f.generation, blk * BLK, blk % 2 * BLK + 1, NULL,
					 &l->inode, &l->seq),
			 0);
	}
	data_file_truncate(&l->f, 8 * BLK);
	CHECK(in_limbo(s) > 600);
	CHECK_EQ(data_limbo_release(s->fs, TAG), 0);
	CHECK_EQ(in_limbo(s), 0);
	fs_stats(s->fs, &after);
	CHECK_EQ(after.free_blocks + after.metadata_blocks, before.free_blocks + before.metadata_blocks);
	free(l);
}

static void test_release_of_much(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_much, NULL);
}

/* Flushes */

#define CALLS 12

struct flush {
	struct store *store;
	int result;
	bool done;
};

FIBER_FN static void flush_main(void *arg)
{
	struct flush *f = arg;

	f->result = data_flush_devices(f->store->fs);
	f->done = true;
}

static bool is_flush(const struct blk_req *req, void *arg)
{
	return req->op == BLK_FLUSH;
}

FIBER_FN static void flush_begin(struct store *s, struct flush *f)
{
	*f = (struct flush){ .store = s };
	CHECK_EQ(fiber_spawn(s->r, "flush", flush_main, f, NULL), 0);
}

FIBER_FN static void flush_wait(struct flush *f)
{
	while (!f->done)
		fiber_sleep_ns(1000);
}

FIBER_FN static void do_flush(struct store *s, void *arg)
{
	struct flush first, other[CALLS];
	uint64_t before = sim_disk_stats(s->disks[0]).flushes;

	sim_disk_hold(s->disks[0], is_flush, NULL);
	flush_begin(s, &first);
	while (!sim_disk_nr_held(s->disks[0]))
		fiber_sleep_ns(1000);
	for (unsigned int i = 0; i < CALLS; i++)
		flush_begin(s, &other[i]);
	fiber_sleep_ns(1000000);
	CHECK_EQ(sim_disk_stats(s->disks[0]).flushes, before + 1);
	sim_disk_release(s->disks[0]);
	flush_wait(&first);
	/* What had begun before they came does not serve them; one flush serves them all. */
	for (unsigned int i = 0; i < CALLS; i++)
		CHECK(!other[i].done);
	for (unsigned int i = 0; i < CALLS; i++)
		flush_wait(&other[i]);
	CHECK_EQ(sim_disk_stats(s->disks[0]).flushes, before + 2);
	CHECK_EQ(data_flush_devices(s->fs), 0);
	CHECK_EQ(sim_disk_stats(s->disks[0]).flushes, before + 3);
}

static void test_flushes_are_shared(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_flush, NULL);
}

/* All whom it serves hear of an error, and the next ones don't. */
FIBER_FN static void do_flush_error(struct store *s, void *arg)
{
	struct flush first, other[CALLS];

	sim_disk_hold(s->disks[0], is_flush, NULL);
	flush_begin(s, &first);
	while (!sim_disk_nr_held(s->disks[0]))
		fiber_sleep_ns(1000);
	for (unsigned int i = 0; i < CALLS; i++)
		flush_begin(s, &other[i]);
	sim_disk_fault(s->disks[0],
		       &(struct sim_fault){ .ops = SIM_OP(BLK_FLUSH), .nth = 1, .times = 1, .error = -EIO });
	sim_disk_release(s->disks[0]);
	flush_wait(&first);
	for (unsigned int i = 0; i < CALLS; i++)
		flush_wait(&other[i]);
	CHECK_EQ(first.result, 0);
	for (unsigned int i = 0; i < CALLS; i++)
		CHECK_EQ(other[i].result, -EIO);
	CHECK_EQ(data_flush_devices(s->fs), 0);
}

static void test_flush_errors(void **state)
{
	log_set_sink(drop_message, NULL);
	data_file_run(&(struct store_config){ .seed = 1 }, do_flush_error, NULL);
	log_set_sink(NULL, NULL);
}

/* Everybody is served in the end, whatever comes when. */

struct crowd_member {
	struct store *store;
	unsigned int left;
};

FIBER_FN static void crowd_main(void *arg)
{
	struct crowd_member *m = arg;

	for (; m->left; m->left--) {
		uint64_t before = sim_disk_stats(m->store->disks[0]).flushes;

		CHECK_EQ(data_flush_devices(m->store->fs), 0);
		CHECK(sim_disk_stats(m->store->disks[0]).flushes > before);
		fiber_sleep_ns(m->left * 7919 % 100000);
	}
}

FIBER_FN static void do_crowd(struct store *s, void *arg)
{
	struct crowd_member members[CALLS];
	struct fiber *fibers[CALLS];
	uint64_t before = sim_disk_stats(s->disks[0]).flushes;

	for (unsigned int i = 0; i < CALLS; i++) {
		members[i] = (struct crowd_member){ s, 50 + i };
		CHECK_EQ(fiber_spawn(s->r, "crowd", crowd_main, &members[i], &fibers[i]), 0);
	}
	for (unsigned int i = 0; i < CALLS; i++)
		fiber_join(fibers[i]);
	CHECK(sim_disk_stats(s->disks[0]).flushes - before < CALLS * 50 / 2);
}

static void test_crowd(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_crowd, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_way_out),	cmocka_unit_test(test_late_writes),
		cmocka_unit_test(test_release_of_much), cmocka_unit_test(test_flushes_are_shared),
		cmocka_unit_test(test_flush_errors),	cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
