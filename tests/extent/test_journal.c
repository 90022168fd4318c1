/* SPDX-License-Identifier: Apache-2.0 */

/* Group commit, push back and life of the journal, on a disk that is memory.  Crashes are in test_journal_replay.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/journal.h"
#include "extent/record.h"
#include "tests/lib/mem_disk.h"

#define DISK_SIZE (4u << 20)
#define RING_OFF  (1u << 20)

struct world {
	struct reactor *reactor;
	struct mem_disk disk;
	struct journal_config cfg;
	struct journal *journal;
	uint64_t trim_to; /* low() was called: what a checkpoint would make unneeded */
	uint64_t nr_low;
	uint64_t seen_seq;
	uint64_t seen_sum;
};

static void low(void *arg)
{
	struct world *w = arg;

	w->nr_low++;
}

static int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	uint8_t *bytes = malloc(DISK_SIZE);

	assert_true(w && bytes);
	assert_int_equal(reactor_open(NULL, &w->reactor), 0);
	memset(bytes, 0xaa, DISK_SIZE);
	mem_disk_init(&w->disk, w->reactor, bytes, DISK_SIZE);
	w->cfg = (struct journal_config){
		.reactor = w->reactor,
		.dev = &w->disk.dev,
		.off = RING_OFF,
		.size = JOURNAL_SIZE_MIN,
		.volume_uuid = "0123456789abcde",
		.era = 0x1234567890abcdef,
		.low = low,
		.low_arg = w,
	};
	*state = w;
	return 0;
}

static int world_teardown(void **state)
{
	struct world *w = *state;

	reactor_close(w->reactor);
	free(w->disk.bytes);
	free(w);
	return 0;
}

/* The value of transaction @seq: its length and bytes follow from the number. */
static size_t txn_value(uint64_t seq, uint8_t *val)
{
	size_t len = seq * 7919 % 2000;

	memset(val, (int)(seq * 31 % 251), len);
	return len;
}

FIBER_FN static void add_txn(struct journal *j)
{
	uint64_t seq = journal_next_seq(j);
	uint8_t val[2000];
	struct record_change c = { .key = { seq, ~seq }, .op = CHANGE_PUT, .val = val };
	size_t len;

	c.len = (uint16_t)txn_value(seq, val);
	assert_int_equal(journal_wait_room(j, record_change_size(c.len)), 0);
	len = record_change_write(journal_begin(j), &c);
	assert_int_equal(journal_commit(j, len, 1), seq);
}

static int check_txn(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr)
{
	struct world *w = arg;
	struct record_changes it = record_changes(changes, len, nr);
	struct record_change c;
	uint8_t val[2000];

	assert_int_equal(seq, w->seen_seq + 1);
	assert_int_equal(record_change_next(&it, &c), 0);
	assert_int_equal(c.key.hi, seq);
	assert_int_equal(c.len, txn_value(seq, val));
	assert_memory_equal(c.val, val, c.len);
	assert_int_equal(record_change_next(&it, &c), -ENOENT);
	w->seen_seq = seq;
	return 0;
}

FIBER_FN static void replay_all(struct world *w, struct journal_pos pos, uint64_t after_seq, uint64_t last_seq)
{
	struct journal_replay_result res;

	w->seen_seq = after_seq;
	assert_int_equal(journal_replay(&w->cfg, pos, after_seq, check_txn, w, &res), 0);
	assert_int_equal(w->seen_seq, last_seq);
	assert_int_equal(res.next_seq, last_seq + 1);
	assert_int_equal(res.nr_txns, last_seq - after_seq);
	assert_false(res.torn);
}

/* Many lives and many generations of a small ring; every life replays what the one before left. */
FIBER_FN static int generations(void *arg)
{
	struct world *w = arg;
	struct journal_pos tail = { .lsn = 0, .chain = 99 };
	struct journal_pos mark = tail;
	struct journal_replay_result res;
	uint64_t tail_seq = 0;
	uint64_t mark_seq = 0;

	assert_int_equal(journal_format(&w->cfg), 0);
	for (int life = 0; life < 10; life++) {
		w->seen_seq = tail_seq;
		assert_int_equal(journal_replay(&w->cfg, tail, tail_seq, check_txn, w, &res), 0);
		assert_int_equal(res.next_seq, w->seen_seq + 1);
		assert_int_equal(journal_open(&w->cfg, res.end, tail.lsn, res.next_seq, &w->journal), 0);
		for (int i = 0; i < 2000; i++) {
			add_txn(w->journal);
			if (i % 10 == 0)
				assert_int_equal(journal_wait_durable(w->journal, journal_next_seq(w->journal) - 1),
						 0);
			if (i % 100 == 0) {
				tail = mark;
				tail_seq = mark_seq;
				journal_trim(w->journal, tail.lsn);
				mark = journal_mark(w->journal);
				mark_seq = journal_durable_seq(w->journal);
			}
		}
		mark_seq = journal_next_seq(w->journal) - 1;
		journal_close(w->journal);
		mark_seq = tail_seq;
		mark = tail;
		replay_all(w, tail, tail_seq, 2000 * (uint64_t)(life + 1));
	}
	assert_true(tail.lsn > 5 * w->cfg.size);
	return 0;
}

static void test_generations(void **state)
{
	struct world *w = *state;

	assert_int_equal(reactor_run(w->reactor, generations, w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_generations, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
