/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The living journal: groups form, numbers have no gaps, durable means durable, a full ring pushes back and lets
 * everybody through in order, a failed write ends it cleanly.  Crashes and damage are test_journal_replay.c's.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/journal.h"
#include "extent/record.h"
#include "extent/txn.h"
#include "tests/lib/check.h"
#include "tests/lib/fault.h"
#include "tests/lib/sample_txn.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_reactor.h"

#define DISK_SIZE (32u << 20)
#define RING_OFF  (1u << 20)

struct world {
	struct reactor *reactor;
	struct sim_disk *disk;
	struct blkdev *dev;
	struct journal_config cfg;
	struct journal *j;
	struct sample_check check;
	/* The model of a checkpoint: what a superblock would say. */
	struct journal_pos super;
	uint64_t super_seq;
	uint64_t checkpoint_ns; /* how long one takes */
	bool checkpoint_wanted;
	bool checkpoint_over;
	struct fiber *checkpointer;
	uint64_t nr_low;
	uint64_t nr_failed;
	uint64_t nr_small;
	uint64_t promised; /* the highest number reported durable */
	uint64_t order[8]; /* of who got through */
	unsigned int nr_order;
	int log_lines;
};

static void low(void *arg)
{
	struct world *w = arg;

	w->nr_low++;
	w->checkpoint_wanted = true;
	if (w->checkpointer)
		fiber_wake(w->checkpointer);
}

static void count_line(void *owner, enum log_level level, const char *msg)
{
	struct world *w = owner;

	w->log_lines++;
}

static int world_setup(void **state)
{
	struct world *w = sim_alloc(sizeof(*w));
	uint64_t seed = sim_seed(7);
	struct sim_disk_config disk = { .size = DISK_SIZE, .seed = seed };

	fprintf(stderr, "LAMINA_SEED=%llu\n", (unsigned long long)seed);
	w->reactor = sim_reactor_new(seed);
	w->disk = sim_disk_new(&disk);
	w->dev = sim_disk_open(w->disk, w->reactor);
	w->check.nr_lives = 1;
	w->super.chain = 99;
	w->checkpoint_ns = 10000000;
	w->cfg = (struct journal_config){
		.reactor = w->reactor,
		.dev = w->dev,
		.off = RING_OFF,
		.size = JOURNAL_SIZE_MIN,
		.volume_uuid = "0123456789abcde",
		.era = 0x1234567890abcdef,
		.low = low,
		.low_arg = w,
	};
	log_set_sink(count_line, w);
	*state = w;
	return 0;
}

static int world_teardown(void **state)
{
	struct world *w = *state;

	log_set_sink(NULL, NULL);
	blkdev_close(w->dev);
	sim_disk_free(w->disk);
	reactor_close(w->reactor);
	free(w);
	return 0;
}

static void world_run(void **state, int (*fn)(void *arg))
{
	struct world *w = *state;

	CHECK_EQ(reactor_run(w->reactor, fn, w), 0);
}

/* Checkpoints: make everything durable, take some time, trim. */
FIBER_FN static void checkpoint_main(void *arg)
{
	struct world *w = arg;

	while (!w->checkpoint_over) {
		struct journal_pos mark = journal_mark(w->j);
		uint64_t seq = journal_next_seq(w->j) - 1;

		if (!w->checkpoint_wanted) {
			fiber_park();
			continue;
		}
		w->checkpoint_wanted = false;
		if (journal_wait_durable(w->j, seq))
			return;
		fiber_sleep_ns(w->checkpoint_ns);
		w->super = mark;
		w->super_seq = seq;
		journal_trim(w->j, mark.lsn);
	}
}

static void checkpoint_start(struct world *w)
{
	CHECK_EQ(fiber_spawn(w->reactor, "checkpoint", checkpoint_main, w, &w->checkpointer), 0);
}

FIBER_FN static void checkpoint_stop(struct world *w)
{
	w->checkpoint_over = true;
	fiber_wake(w->checkpointer);
	fiber_join(w->checkpointer);
	w->checkpointer = NULL;
	w->checkpoint_over = false;
}

static void open_first(struct world *w)
{
	CHECK_EQ(journal_open(&w->cfg, w->super, w->super.lsn, 1, &w->j), 0);
}

FIBER_FN static struct journal_replay_result replay_good(struct world *w, uint64_t last_seq)
{
	struct journal_replay_result res;

	w->check.last_seq = w->super_seq;
	CHECK_EQ(journal_replay(&w->cfg, w->super, w->super_seq, sample_check_txn, &w->check, &res), 0);
	CHECK_EQ(w->check.last_seq, last_seq);
	CHECK_EQ(res.next_seq, last_seq + 1);
	CHECK_EQ(res.nr_txns, last_seq - w->super_seq);
	CHECK(!res.torn);
	return res;
}

/* Many fibers at once */

#define NR_FIBERS 50
#define NR_EACH	  80

FIBER_FN static void committer(void *arg)
{
	struct world *w = arg;

	for (int i = 0; i < NR_EACH; i++) {
		uint64_t seq;

		CHECK_EQ(sample_txn_add(w->j, 0, &seq), 0);
		if (i % 7 == 3)
			continue; /* not everybody waits */
		CHECK_EQ(journal_wait_durable(w->j, seq), 0);
		CHECK(journal_durable_seq(w->j) >= seq);
	}
}

FIBER_FN static void committers_run(struct world *w)
{
	struct fiber *fibers[NR_FIBERS];

	for (int i = 0; i < NR_FIBERS; i++)
		CHECK_EQ(fiber_spawn(w->reactor, "committer", committer, w, &fibers[i]), 0);
	for (int i = 0; i < NR_FIBERS; i++)
		fiber_join(fibers[i]);
}

FIBER_FN static int groups(void *arg)
{
	struct world *w = arg;
	struct journal_replay_result res;
	struct journal_stats stats;

	w->cfg.size = 2 << 20;
	open_first(w);
	checkpoint_start(w);
	committers_run(w);
	CHECK_EQ(journal_next_seq(w->j), NR_FIBERS * NR_EACH + 1);
	CHECK_EQ(journal_wait_durable(w->j, NR_FIBERS * NR_EACH), 0);
	stats = journal_stats(w->j);
	CHECK_EQ(stats.txns, NR_FIBERS * NR_EACH);
	CHECK(stats.records * 10 < stats.txns);
	CHECK(w->nr_low > 0); /* more than the ring was written */
	checkpoint_stop(w);
	journal_close(w->j);
	res = replay_good(w, NR_FIBERS * NR_EACH);
	CHECK(res.end.lsn > w->cfg.size);
	return 0;
}

static void test_groups(void **state)
{
	world_run(state, groups);
}

/* The same through a ring that is much too small, with slow checkpoints, in several lives. */
FIBER_FN static int push_back(void *arg)
{
	struct world *w = arg;
	struct journal_replay_result res = { .end = w->super, .next_seq = 1 };

	w->checkpoint_ns = NSEC_PER_SEC;
	CHECK_EQ(journal_format(&w->cfg), 0);
	for (unsigned int life = 1; life <= 5; life++) {
		CHECK_EQ(journal_open(&w->cfg, res.end, w->super.lsn, res.next_seq, &w->j), 0);
		checkpoint_start(w);
		committers_run(w);
		checkpoint_stop(w);
		CHECK(journal_stats(w->j).waits_for_room > 0);
		journal_close(w->j);
		res = replay_good(w, NR_FIBERS * NR_EACH * life);
	}
	CHECK(res.end.lsn > 8 * w->cfg.size);
	return 0;
}

static void test_push_back(void **state)
{
	world_run(state, push_back);
}

/* First come, first served: a large one is not starved by small ones behind it */

FIBER_FN static void add_plain(struct world *w, size_t value_len, uint64_t id)
{
	static const uint8_t zeros[ITEM_VALUE_MAX];
	struct record_change c = { .key = { id, 0 }, .op = CHANGE_PUT, .val = zeros, .len = ITEM_VALUE_MAX };
	size_t one = record_change_size(c.len);
	uint32_t nr = (uint32_t)(value_len / one + 1);
	uint8_t *at;

	CHECK_EQ(journal_wait_room(w->j, nr * one), 0);
	at = journal_begin(w->j);
	CHECK(at == journal_begin(w->j));
	for (uint32_t i = 0; i < nr; i++)
		record_change_write(at + i * one, &c);
	(void)journal_commit(w->j, nr * one, nr);
	if (id < ARRAY_SIZE(w->order))
		w->order[w->nr_order++] = id;
}

FIBER_FN static void large_main(void *arg)
{
	add_plain(arg, 320000, 0);
}

FIBER_FN static void small_main(void *arg)
{
	struct world *w = arg;

	add_plain(w, 10, ++w->nr_small);
}

FIBER_FN static int fairness(void *arg)
{
	struct world *w = arg;
	struct fiber *f[5];

	open_first(w);
	CHECK_EQ(journal_txn_max(w->j), round_down_u64(w->cfg.size / 3, RECORD_ALIGN) - 80);
	CHECK_EQ(journal_wait_room(w->j, journal_txn_max(w->j) + 1), -E2BIG);
	/* Full, but for less than the large one wants and more than a small one needs; nobody trims. */
	while (w->cfg.size - journal_used(w->j) > 300000) {
		add_plain(w, 30000, 100);
		CHECK_EQ(journal_wait_durable(w->j, journal_next_seq(w->j) - 1), 0);
	}
	CHECK_EQ(w->nr_low, 1);
	CHECK_EQ(fiber_spawn(w->reactor, "large", large_main, w, &f[0]), 0);
	fiber_sleep_ns(1000000);
	for (int i = 1; i < 5; i++) {
		CHECK_EQ(fiber_spawn(w->reactor, "small", small_main, w, &f[i]), 0);
		fiber_sleep_ns(1000000);
	}
	CHECK_EQ(w->nr_order, 0);
	CHECK_EQ(w->nr_low, 1);
	/* Too little of a trim: asked again. */
	journal_trim(w->j, 8192);
	fiber_sleep_ns(1000000);
	CHECK_EQ(w->nr_order, 0);
	CHECK_EQ(w->nr_low, 2);
	journal_trim(w->j, journal_mark(w->j).lsn);
	for (int i = 0; i < 5; i++)
		fiber_join(f[i]);
	for (unsigned int i = 0; i < 5; i++)
		CHECK_EQ(w->order[i], i);
	CHECK_EQ(journal_stats(w->j).waits_for_room, 5);
	journal_close(w->j);
	return 0;
}

static void test_fairness(void **state)
{
	world_run(state, fairness);
}

/* The largest transaction fits wherever the empty ring begins. */
FIBER_FN static int largest_anywhere(void *arg)
{
	struct world *w = arg;

	for (uint64_t lsn = 0; lsn < w->cfg.size; lsn += 64 * RECORD_ALIGN) {
		struct journal_replay_result res;

		w->super = (struct journal_pos){ lsn, 5 };
		open_first(w);
		checkpoint_start(w);
		add_plain(w, journal_txn_max(w->j) - ITEM_VALUE_MAX - 20, 100);
		add_plain(w, 3, 100);
		add_plain(w, journal_txn_max(w->j) - ITEM_VALUE_MAX - 20, 100);
		checkpoint_stop(w);
		journal_close(w->j);
		w->check.last_seq = w->super_seq;
		CHECK_EQ(journal_replay(&w->cfg, w->super, 3, sample_check_txn, &w->check, &res), 0);
		CHECK_EQ(res.next_seq, 4);
		w->super_seq = 0;
	}
	w->cfg.size = 16 << 20;
	open_first(w);
	CHECK(journal_txn_max(w->j) >= TXN_LOG_MAX);
	journal_close(w->j);
	return 0;
}

static void test_largest(void **state)
{
	world_run(state, largest_anywhere);
}

/* One trim is enough for anybody, although the record that gathered at the mark stays, with a filler before it. */
FIBER_FN static int one_trim(void *arg)
{
	struct world *w = arg;

	for (uint64_t lsn = 0; lsn < w->cfg.size; lsn += 3 * RECORD_ALIGN) {
		struct journal_pos mark;

		w->super = (struct journal_pos){ lsn, 5 };
		open_first(w);
		add_plain(w, journal_txn_max(w->j) - ITEM_VALUE_MAX - 20, 100);
		mark = journal_mark(w->j);
		CHECK_EQ(journal_wait_durable(w->j, 1), 0);
		journal_trim(w->j, mark.lsn);
		CHECK_EQ(journal_wait_room(w->j, journal_txn_max(w->j)), 0);
		CHECK_EQ(journal_stats(w->j).waits_for_room, 0);
		journal_close(w->j);
	}
	return 0;
}

static void test_one_trim(void **state)
{
	world_run(state, one_trim);
}

/* Two thirds full, near its end: what has room in bytes has none in one piece. */
FIBER_FN static int filler_counts(void *arg)
{
	struct world *w = arg;
	uint64_t largest = round_down_u64(w->cfg.size / 3, RECORD_ALIGN);
	struct journal_replay_result res;
	uint64_t seq;

	w->super.lsn = largest - 4 * RECORD_ALIGN;
	open_first(w);
	while (journal_used(w->j) < w->cfg.size - largest) {
		add_plain(w, 3000, 100);
		CHECK_EQ(journal_wait_durable(w->j, journal_next_seq(w->j) - 1), 0);
	}
	CHECK_EQ(journal_used(w->j), w->cfg.size - largest);
	CHECK_EQ(journal_stats(w->j).waits_for_room, 0);
	checkpoint_start(w); /* for which it has to wait now */
	add_plain(w, journal_txn_max(w->j) - ITEM_VALUE_MAX - 20, 100);
	CHECK_EQ(journal_stats(w->j).waits_for_room, 1);
	checkpoint_stop(w);
	seq = journal_next_seq(w->j) - 1;
	journal_close(w->j);
	CHECK_EQ(journal_replay(&w->cfg, w->super, seq, sample_check_txn, &w->check, &res), 0);
	CHECK_EQ(res.nr_records, 2); /* the filler and the large one */
	return 0;
}

static void test_filler_counts(void **state)
{
	world_run(state, filler_counts);
}

/* A write fails */

FIBER_FN static void unlucky_main(void *arg)
{
	struct world *w = arg;
	uint64_t seq = 0;
	int err;

	for (;;) {
		err = sample_txn_add(w->j, 0, &seq);
		if (!err)
			err = journal_wait_durable(w->j, seq);
		if (err)
			break;
		w->promised = max_u64(w->promised, seq);
	}
	CHECK_EQ(err, -EIO);
	w->nr_failed++;
}

FIBER_FN static int failure(void *arg)
{
	struct world *w = arg;
	struct sim_fault fault = { .kind = SIM_FAULT_ERROR, .ops = SIM_OPS_WRITES, .times = 1, .error = -EIO };
	struct journal_replay_result res;
	struct fiber *f[20];
	uint64_t seq, promised;

	fault.nth = 30;
	sim_disk_fault(w->disk, &fault);
	open_first(w);
	checkpoint_start(w);
	for (size_t i = 0; i < ARRAY_SIZE(f); i++)
		CHECK_EQ(fiber_spawn(w->reactor, "unlucky", unlucky_main, w, &f[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(f); i++)
		fiber_join(f[i]);
	CHECK_EQ(w->nr_failed, ARRAY_SIZE(f));
	CHECK(journal_has_failed(w->j));
	CHECK_EQ(w->log_lines, 1);
	CHECK_EQ(journal_wait_room(w->j, 100), -EIO);
	CHECK_EQ(sample_txn_add(w->j, 0, &seq), -EIO);
	CHECK_EQ(journal_wait_durable(w->j, journal_next_seq(w->j) - 1), -EIO);
	promised = journal_durable_seq(w->j);
	CHECK(promised > 0 && promised == w->promised);
	CHECK_EQ(journal_wait_durable(w->j, promised), 0);
	checkpoint_stop(w);
	journal_close(w->j);
	w->check.last_seq = w->super_seq;
	CHECK_EQ(journal_replay(&w->cfg, w->super, w->super_seq, sample_check_txn, &w->check, &res), 0);
	CHECK(w->check.last_seq >= promised);
	return 0;
}

static void test_failure(void **state)
{
	world_run(state, failure);
}

/* Somebody waits for room in a ring that nobody will ever trim, when a write fails, or when the journal is closed. */
FIBER_FN static void stuck_main(void *arg)
{
	struct world *w = arg;

	CHECK_EQ(journal_wait_room(w->j, 300000), -EIO);
	w->nr_failed++;
}

FIBER_FN static int stuck(void *arg)
{
	struct world *w = arg;
	struct fiber *f[3];

	open_first(w);
	while (journal_used(w->j) < 800000) {
		add_plain(w, 30000, 100);
		CHECK_EQ(journal_wait_durable(w->j, journal_next_seq(w->j) - 1), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(f); i++)
		CHECK_EQ(fiber_spawn(w->reactor, "stuck", stuck_main, w, &f[i]), 0);
	fiber_sleep_ns(1000000);
	journal_close(w->j);
	CHECK_EQ(w->nr_failed, 3);
	for (size_t i = 0; i < ARRAY_SIZE(f); i++)
		fiber_join(f[i]);
	return 0;
}

static void test_stuck(void **state)
{
	world_run(state, stuck);
}

/* Closing is waiting for what was committed. */
FIBER_FN static int closing(void *arg)
{
	struct world *w = arg;
	uint64_t seq = 0;

	open_first(w);
	journal_close(w->j);
	open_first(w);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(sample_txn_add(w->j, 0, &seq), 0);
	journal_close(w->j);
	(void)replay_good(w, 100);
	return 0;
}

static void test_closing(void **state)
{
	world_run(state, closing);
}

static void test_bad_arguments(void **state)
{
	struct world *w = *state;
	struct journal_pos pos = { 8192, 0 };
	struct journal_config good = w->cfg;
	struct journal *j = NULL;

	CHECK_EQ(journal_open(&w->cfg, pos, 4096, 0, &j), -EINVAL);
	CHECK_EQ(journal_open(&w->cfg, pos, 12288, 1, &j), -EINVAL);
	CHECK_EQ(journal_open(&w->cfg, pos, 4097, 1, &j), -EINVAL);
	pos.lsn += w->cfg.size;
	CHECK_EQ(journal_open(&w->cfg, pos, 4096, 1, &j), -EINVAL);
	pos.lsn = 1ULL << 63;
	CHECK_EQ(journal_open(&w->cfg, pos, pos.lsn, 1, &j), -EINVAL);
	w->cfg.size = JOURNAL_SIZE_MIN - RECORD_ALIGN;
	CHECK(!journal_config_is_possible(&w->cfg));
	w->cfg.size = JOURNAL_SIZE_MIN + 512;
	CHECK(!journal_config_is_possible(&w->cfg));
	w->cfg.size = DISK_SIZE - RING_OFF + RECORD_ALIGN;
	CHECK(!journal_config_is_possible(&w->cfg));
	w->cfg.size = UINT64_MAX - RECORD_ALIGN + 1;
	CHECK(!journal_config_is_possible(&w->cfg));
	w->cfg = good;
	w->cfg.off = UINT64_MAX - RECORD_ALIGN + 1;
	CHECK(!journal_config_is_possible(&w->cfg));
	w->cfg = good;
	CHECK(journal_config_is_possible(&w->cfg));
	CHECK(!j);
}

/* Every allocation of format, open and replay fails once. */
FIBER_FN static int out_of_memory(void *arg)
{
	struct world *w = arg;
	struct journal_replay_result res;
	uint64_t nth = 0;
	int err;

	do {
		fault_alloc_arm(++nth, 1);
		err = journal_format(&w->cfg);
		if (!err)
			err = journal_replay(&w->cfg, w->super, 0, sample_check_txn, &w->check, &res);
		if (!err)
			err = journal_open(&w->cfg, w->super, 0, 1, &w->j);
		fault_alloc_disarm();
		CHECK_EQ(err, fault_alloc_failed() ? -ENOMEM : 0);
	} while (err);
	CHECK(nth > 11);
	journal_close(w->j);
	return 0;
}

static void test_out_of_memory(void **state)
{
	world_run(state, out_of_memory);
}

#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_groups),	WORLD_TEST(test_push_back),	WORLD_TEST(test_fairness),
		WORLD_TEST(test_largest),	WORLD_TEST(test_filler_counts), WORLD_TEST(test_one_trim),
		WORLD_TEST(test_failure),	WORLD_TEST(test_stuck),		WORLD_TEST(test_closing),
		WORLD_TEST(test_bad_arguments), WORLD_TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
