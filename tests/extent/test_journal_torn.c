/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A torn record that a recovery has given up stays lost: the next life's first record lies at the same place, and if
 * it is torn too, what there is of it must not complete the old one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/journal.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_reactor.h"

#define PLACE  4096u /* of the ring on the disk */
#define SECTOR 512u

struct bench {
	struct reactor *r;
	struct sim_disk *d;
	struct journal_config cfg;
	unsigned int applied;
};

static int count_txn(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr)
{
	struct bench *b = arg;

	b->applied++;
	return 0;
}

static FIBER_FN void replay(struct bench *b, struct journal_replay_result *ret)
{
	b->applied = 0;
	assert_int_equal(journal_replay(&b->cfg, (struct journal_pos){ 0 }, 0, count_txn, b, ret), 0);
}

static FIBER_FN struct journal *life(struct bench *b, unsigned int expected)
{
	struct journal_replay_result res;
	struct journal *j;

	replay(b, &res);
	assert_int_equal(b->applied, expected);
	assert_int_equal(journal_open(&b->cfg, res.end, 0, res.next_seq, &j), 0);
	return j;
}

static FIBER_FN uint64_t commit(struct journal *j, uint8_t byte)
{
	struct disk_change c = { .hi = le64_make(byte), .len = le16_make(0), .op = CHANGE_PUT };

	assert_int_equal(journal_wait_room(j, sizeof(c)), 0);
	memcpy(journal_begin(j), &c, sizeof(c));
	return journal_commit(j, sizeof(c), 1);
}

/* All writes of records; not what is written to make the place clean. */
static bool is_record(const struct blk_req *req, void *arg)
{
	struct disk_record head;

	if (req->op != BLK_WRITE_DURABLE)
		return false;
	memcpy(&head, req->iov[0].iov_base, sizeof(head));
	return le32_get(head.magic) == RECORD_MAGIC;
}

static FIBER_FN int torn_life(void *arg)
{
	struct bench *b = arg;
	uint8_t zeros[SECTOR] = { 0 }, other[SECTOR];
	uint64_t last_sector = PLACE + RECORD_ALIGN - SECTOR;
	struct journal_replay_result res;
	struct journal *j;

	assert_int_equal(journal_format(&b->cfg), 0);
	j = life(b, 0);
	assert_int_equal(journal_wait_durable(j, commit(j, 1)), 0);
	journal_close(j);
	replay(b, &res);
	assert_int_equal(b->applied, 1);

	/* The power went when all of it but its last sector, zeros, was on the disk: it is lost. */
	memset(other, 'x', sizeof(other));
	sim_disk_poke(b->d, last_sector, other, sizeof(other));
	j = life(b, 0);

	/* And again, when nothing but the last sector of the next one was. */
	sim_disk_hold(b->d, is_record, NULL);
	commit(j, 2);
	while (sim_disk_nr_held(b->d) == 0)
		fiber_sleep_ns(1000000);
	sim_disk_poke(b->d, last_sector, zeros, sizeof(zeros));
	replay(b, &res);
	assert_int_equal(b->applied, 0);

	sim_disk_release(b->d);
	journal_close(j);
	replay(b, &res);
	assert_int_equal(b->applied, 1);
	return 0;
}

static void test_lost_stays_lost(void **state)
{
	struct bench b = { .r = sim_reactor_new(sim_seed(1)) };

	b.d = sim_disk_new(&(struct sim_disk_config){ .size = 4u << 20, .allow_overlap = true });
	b.cfg = (struct journal_config){
		.reactor = b.r, .dev = sim_disk_open(b.d, b.r), .off = PLACE, .size = JOURNAL_SIZE_MIN, .era = 77
	};
	assert_int_equal(reactor_run(b.r, torn_life, &b), 0);
	blkdev_close(b.cfg.dev);
	sim_disk_free(b.d);
	reactor_close(b.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_stays_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
