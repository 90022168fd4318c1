/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File maps against the model: what every block of every file reads as, through whatever blocks the maps name; and
 * after it all, that every block of the devices is free, in limbo, or owned exactly as often as its count says (I10).
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "tests/lib/map_model.h"
#include "tests/mock/mock_txn.h"

#define FILES	3
#define DEVS	2
#define DEV_END 160
#define STEPS	600000

struct world {
	struct mock_store store;
	struct map_model model;
	struct map_op op;
	int give_up;
	struct inode inode; /* as the body's last run left it */
	unsigned int seen[MAP_KINDS], refused, nospace, shared_seen, cow_seen;
};

static const struct mock_device devices[DEVS] = { { 8, DEV_END }, { 0, 70 } };

static void inode_fill(struct world *w)
{
	w->inode = (struct inode){ .ino = w->model.ino[w->op.file],
				   .blocks = w->model.files[w->op.file].blocks,
				   .trim_from = INODE_NO_TRIM };
}

static int op_body(struct txn *txn, void *arg)
{
	struct world *w = arg;
	int err;

	inode_fill(w);
	err = map_op_run(txn, &w->model, &w->op, &w->inode);
	if (!err)
		err = w->give_up;
	if (!err)
		map_op_commit(&w->model, &w->op);
	return err;
}

/* Everything at once */

struct ledger {
	unsigned int others[DEVS][DEV_END]; /* free, limbo */
	unsigned int shared[DEVS][DEV_END];
};

static void count(unsigned int (*where)[DEV_END], uint64_t daddr, uint64_t len, unsigned int n)
{
	assert_true(daddr_dev(daddr) < DEVS && daddr_block(daddr) + len <= DEV_END);
	for (uint64_t i = 0; i < len; i++)
		where[daddr_dev(daddr)][daddr_block(daddr) + i] += n;
}

static void check_space(struct world *w)
{
	struct key from = KEY_MIN;
	struct ledger l;
	struct item it;

	memset(&l, 0, sizeof(l));
	for (; mock_next(&w->store, from, &it) && key_zone(it.key) < ZONE_FILE; from = it.key, from.lo++) {
		const struct disk_shared *disk = it.val; /* its length lies where that of struct disk_free does */
		uint64_t len = it.len ? le64_get(disk->len) : 0;

		if (key_zone(it.key) == ZONE_FREE && key_type(it.key) == ITEM_FREE_ADDR)
			count(l.others, key_off(it.key) + 1 - len, len, 1);
		if (key_zone(it.key) == ZONE_LIMBO)
			count(l.others, key_off(it.key), len, 1);
		if (key_zone(it.key) == ZONE_SHARED)
			count(l.shared, key_off(it.key), len, le32_get(disk->refs));
	}
	for (unsigned int d = 0; d < DEVS; d++)
		for (uint64_t b = devices[d].first; b < devices[d].end; b++) {
			uint32_t owners = map_place(&w->model, daddr_make(d, b))->owners;

			assert_int_equal(l.others[d][b] + (owners > 0), 1);
			assert_int_equal(l.shared[d][b], owners > 1 ? owners : 0);
			w->shared_seen += owners > 1;
		}
	w->cow_seen += (unsigned int)map_model_cow_blocks(&w->model);
}

/* What continues is one item. */
static void check_joined(struct world *w)
{
	struct key from = key_make(ZONE_FILE, 0, ITEM_EXTENT, 0), last_key = KEY_MIN;
	struct disk_extent last = { .len = le32_make(0) }, disk;
	struct item it;

	for (; mock_next(&w->store, from, &it); from = it.key, from.lo++) {
		memcpy(&disk, it.val, sizeof(disk));
		assert_false(it.key.hi == last_key.hi && it.key.lo == last_key.lo + le32_get(last.len) &&
			     le64_get(disk.daddr) == le64_get(last.daddr) + le32_get(last.len) &&
			     disk.state == last.state && disk.flags == last.flags);
		last_key = it.key;
		last = disk;
	}
}

static void check_world(struct world *w)
{
	struct map_check check = { .m = &w->model };
	unsigned int odds = w->store.restart_odds;

	w->store.restart_odds = 0;
	for (check.file = 0; check.file < FILES; check.file++)
		assert_int_equal(mock_read(&w->store, map_check_file_body, &check), 0);
	assert_int_equal(mock_read(&w->store, map_check_limbo_body, &check), 0);
	w->store.restart_odds = odds;
	check_space(w);
	check_joined(w);
}

static uint64_t free_blocks(struct world *w, bool has_dev, unsigned int dev)
{
	struct key from = key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 0);
	uint64_t sum = 0;
	struct item it;

	for (; mock_next(&w->store, from, &it) && key_zone(it.key) == ZONE_FREE && key_type(it.key) == ITEM_FREE_ADDR;
	     from = it.key, from.lo++) {
		const struct disk_free *disk = it.val;

		if (!has_dev || daddr_dev(key_off(it.key)) == dev)
			sum += le64_get(disk->len);
	}
	return sum;
}

/* -ENOSPC is right only if there are fewer free blocks than the range could need. */
static void check_nospace(struct world *w)
{
	const struct map_op *op = &w->op;

	assert_true(op->want.min_align > 1 ||
		    map_op_need(&w->model, op) > free_blocks(w, op->want.has_dev, op->want.dev));
	w->nospace++;
}

static void world_step(struct world *w, struct dice *dice)
{
	struct mock_store *s = &w->store;
	int err;

	map_op_draw(&w->model, dice, &w->op);
	w->give_up = dice_below(dice, 20) ? 0 : -EDOM;
	if (w->op.kind == MAP_CONVERT)
		map_op_client_writes(&w->model, &w->op, true);
	s->fail_at = dice_below(dice, 25) ? 0 : 1 + dice_below(dice, 60);
	s->fail_err = dice_below(dice, 2) ? -ENOMEM : -EIO;
	err = mock_run(s, op_body, w);
	s->fail_at = 0;
	assert_true(s->log_bytes <= map_op_log(&w->op));
	if (err == -ENOSPC && w->op.kind == MAP_ALLOC)
		check_nospace(w);
	else
		assert_true(err == 0 || err == -EINVAL || err == -ENXIO || err == w->give_up || err == s->fail_err);
	w->refused += err != 0;
	w->seen[w->op.kind] += !err;
}

static int format_body(struct txn *txn, void *arg)
{
	for (unsigned int dev = 0; dev < txn_nr_devices(txn); dev++) {
		uint64_t first, end;
		int err;

		txn_device_range(txn, dev, &first, &end);
		err = alloc_give(txn, daddr_make(dev, first), end - first);
		if (err)
			return err;
	}
	return 0;
}

static void world_init(struct world *w, uint64_t seed)
{
	static const uint64_t ends[DEVS] = { DEV_END, DEV_END };

	memset(w, 0, sizeof(*w));
	mock_init(&w->store);
	w->store.dice = seed;
	w->store.nr_devices = DEVS;
	w->store.log_max = 4u << 20;
	memcpy(w->store.devices, devices, sizeof(devices));
	map_model_init(&w->model, DEVS, ends, FILES);
	for (unsigned int i = 0; i < FILES; i++)
		w->model.ino[i] = i + 10;
	assert_int_equal(mock_run(&w->store, format_body, NULL), 0);
}

static void world_release(struct world *w)
{
	map_model_release(&w->model);
	mock_release(&w->store);
}

/* The operation alone, without the model, which knows nothing of what tests plant. */
static int bare_body(struct txn *txn, void *arg)
{
	struct world *w = arg;

	inode_fill(w);
	return map_op_bare(txn, &w->model, &w->op, &w->inode);
}

static int bare_run(struct world *w)
{
	return mock_run(&w->store, bare_body, w);
}

struct reading {
	unsigned int file;
	uint64_t nr;
	unsigned int got;
	struct map_extent runs[9];
};

static int read_body(struct txn *txn, void *arg)
{
	struct reading *r = arg;

	return map_read(txn, r->file + 10, MAP_DATA, 0, r->nr, ARRAY_SIZE(r->runs), r->runs, &r->got);
}

static void test_model(void **state)
{
	struct dice dice = dice_seed(1);
	struct world w;

	world_init(&w, dice.state);
	w.store.restart_odds = 400;
	for (unsigned int n = 0; n < STEPS; n++) {
		world_step(&w, &dice);
		if (n % 8 == 0)
			check_world(&w);
	}
	for (unsigned int k = 0; k < MAP_KINDS; k++)
		assert_true(w.seen[k] > 1000);
	assert_true(w.refused > 1000 && w.nospace > 100 && w.shared_seen > 1000 && w.cow_seen > 1000);
	print_message("%u operations, %u of them refused, %u for want of space\n", STEPS, w.refused, w.nospace);
	world_release(&w);
}

/* Files written in order, or in the opposite order, or by turns with space ahead, are one extent. */
static void test_stay_together(void **state)
{
	struct reading r = { .nr = MAP_BLK_MAX };
	struct world w;

	for (unsigned int how = 0; how < 2; how++) {
		world_init(&w, 1);
		for (unsigned int n = 0; n < 16; n++) {
			w.op = (struct map_op){
				.kind = MAP_ALLOC, .blk = how ? n * 2 % 16 + n / 8 : n, .nr = 1, .max = 9
			};
			assert_int_equal(mock_run(&w.store, op_body, &w), 0);
		}
		assert_int_equal(mock_read(&w.store, read_body, &r), 0);
		assert_int_equal(r.got, 2);
		assert_int_equal(r.runs[0].nr, 16);
		world_release(&w);
	}
}

static void test_damaged_items(void **state)
{
	const struct {
		uint64_t daddr;
		uint32_t len;
		uint8_t state, flags;
		size_t size;
		uint64_t blk;
	} cases[] = {
		{ 10, 0, 1, 0, 16, 3 },		 /* empty */
		{ 10, 3, 1, 0, 15, 3 },		 /* short */
		{ 10, 3, 2, 0, 16, 3 },		 /* no such state */
		{ 10, 3, 1, 2, 16, 3 },		 /* no such flag */
		{ 10, 3, 0, 1, 16, 3 },		 /* unwritten, but shared */
		{ DEV_END - 1, 3, 1, 0, 16, 3 }, /* over the device's end */
		{ 3, 3, 1, 0, 16, 3 },		 /* before its first block */
		{ daddr_make(7, 3), 3, 1, 0, 16, 3 },
		{ UINT64_MAX, 3, 1, 0, 16, 3 },
		{ 10, 3, 1, 0, 16, KEY_LOW_MAX }, /* beyond all files: never met */
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct disk_extent disk = { .daddr = le64_make(cases[i].daddr),
					    .len = le32_make(cases[i].len),
					    .state = cases[i].state,
					    .flags = cases[i].flags };

		for (unsigned int k = 0; k <= MAP_COW_CANCEL; k++) {
			struct world w;
			int want = cases[i].blk == 3 ? -EUCLEAN : k == MAP_CONVERT ? -ENXIO : 0;

			world_init(&w, 1);
			mock_put(&w.store, key_make(ZONE_FILE, 10, ITEM_EXTENT, cases[i].blk), &disk, cases[i].size);
			w.op = (struct map_op){ .kind = k, .blk = 3, .nr = 4, .tag = LIMBO_NONE, .max = 9 };
			assert_int_equal(bare_run(&w), want);
			world_release(&w);
		}
	}
}

/* Items that are right each but not together. */
static void test_contradictions(void **state)
{
	struct disk_extent disk = { .daddr = le64_make(20), .len = le32_make(8), .state = EXTENT_WRITTEN };
	struct reading r = { .nr = 20 };
	struct world w;

	world_init(&w, 1);
	w.model.files[0].blocks = 100;
	mock_put(&w.store, key_make(ZONE_FILE, 10, ITEM_EXTENT, 4), &disk, sizeof(disk));
	w.op = (struct map_op){ .kind = MAP_PUNCH, .blk = 0, .nr = 20, .tag = LIMBO_NONE, .max = 9 };
	assert_int_equal(bare_run(&w), -EUCLEAN); /* the blocks are free */
	mock_put(&w.store, key_make(ZONE_FILE, 10, ITEM_EXTENT, 9), &disk, sizeof(disk));
	assert_int_equal(mock_read(&w.store, read_body, &r), -EUCLEAN); /* overlapping */
	w.model.files[0].blocks = 3;
	w.op = (struct map_op){ .kind = MAP_PUNCH, .blk = 4, .nr = 5, .tag = 1, .max = 9 };
	assert_int_equal(bare_run(&w), -EUCLEAN); /* the inode has not so many */
	w.op = (struct map_op){ .kind = MAP_PUNCH, .blk = MAP_BLK_MAX, .nr = 1, .tag = 1, .max = 9 };
	assert_int_equal(bare_run(&w), -EINVAL);
	w.op = (struct map_op){ .kind = MAP_PUNCH, .blk = 1, .nr = UINT64_MAX, .tag = 1, .max = 9 };
	assert_int_equal(bare_run(&w), -EINVAL);
	w.op.nr = 0;
	assert_int_equal(bare_run(&w), -EINVAL);
	world_release(&w);
}

/* When the other owner is gone, blocks are written in place again, and none are reserved. */
static void test_unshare(void **state)
{
	static const struct {
		enum map_kind kind;
		unsigned int file;
	} ops[] = { { MAP_ALLOC, 0 },	   { MAP_CONVERT, 0 }, { MAP_CLONE, 1 }, { MAP_ALLOC, 1 },
		    { MAP_COW_CANCEL, 1 }, { MAP_PUNCH, 0 },   { MAP_ALLOC, 1 } };
	static const uint64_t blocks[] = { 8, 8, 8, 16, 8, 0, 8 };
	struct reading r = { .file = 1, .nr = MAP_BLK_MAX };
	struct world w;

	world_init(&w, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		w.op = (struct map_op){
			.kind = ops[i].kind, .file = ops[i].file, .nr = 8, .tag = LIMBO_NONE, .max = 9
		};
		assert_int_equal(mock_run(&w.store, op_body, &w), 0);
		assert_int_equal(w.inode.blocks, blocks[i]);
	}
	assert_int_equal(mock_read(&w.store, read_body, &r), 0);
	assert_true(r.runs[0].nr == 8 && r.runs[0].state == MAP_WRITTEN && !r.runs[0].shared);
	world_release(&w);
}

struct next {
	uint64_t blk;
	struct map_extent e;
};

static int next_body(struct txn *txn, void *arg)
{
	struct next *n = arg;

	return map_next(txn, 10, MAP_DATA, n->blk, &n->e);
}

static void test_next(void **state)
{
	struct disk_extent disk = { .daddr = le64_make(20), .len = le32_make(8), .state = EXTENT_WRITTEN };
	struct next n = { .blk = 0 };
	struct world w;

	world_init(&w, 1);
	mock_put(&w.store, key_make(ZONE_FILE, 10, ITEM_EXTENT, 1000), &disk, sizeof(disk));
	assert_int_equal(mock_read(&w.store, next_body, &n), 0);
	assert_true(n.e.blk == 1000 && n.e.nr == 8 && n.e.daddr == 20 && n.e.state == MAP_WRITTEN);
	n.blk = 1003;
	assert_int_equal(mock_read(&w.store, next_body, &n), 0);
	assert_true(n.e.blk == 1003 && n.e.nr == 5 && n.e.daddr == 23);
	n.blk = 1008;
	assert_int_equal(mock_read(&w.store, next_body, &n), -ENOENT);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),	      cmocka_unit_test(test_stay_together),
		cmocka_unit_test(test_damaged_items), cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_next),	      cmocka_unit_test(test_unshare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
