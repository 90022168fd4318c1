/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator against an array of blocks, with restarts and failures; and its cost in the worst fragmentation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/alloc.h"
#include "extent/format.h"
#include "tests/mock/mock_txn.h"

#define DEVS   3
#define BLOCKS 700 /* of the largest device */
#define OPS    4   /* in one body */
#define STEPS  1000000

static const struct mock_device devices[DEVS] = { { 256, 956 }, { 0, 300 }, { 64, 65 } };

struct op {
	bool take;
	struct alloc_want want;
	uint64_t daddr, len; /* to give; or taken */
	int err;
};

struct world {
	struct mock_store store;
	bool used[DEVS][BLOCKS];
	uint64_t nr_free;
	struct op ops[OPS];
	unsigned int nr_ops;
	unsigned int nr_run; /* of ops, in the last run */
	int give_up;
	uint64_t nr_enospc, nr_partial, nr_corrupt, nr_failed;
};

static bool *block_of(struct world *w, uint64_t daddr)
{
	unsigned int dev = daddr_dev(daddr);
	uint64_t block = daddr_block(daddr);

	if (dev >= DEVS || block < devices[dev].first || block >= devices[dev].end)
		return NULL;
	return &w->used[dev][block - devices[dev].first];
}

static bool is_free(struct world *w, uint64_t daddr)
{
	bool *used = block_of(w, daddr);

	return used && !*used;
}

static void set_used(struct world *w, uint64_t daddr, uint64_t len, bool used)
{
	for (uint64_t i = 0; i < len; i++) {
		assert_int_equal(*block_of(w, daddr + i), !used);
		*block_of(w, daddr + i) = used;
	}
	w->nr_free += used ? -len : len;
}

/* Both indexes say exactly what the array says. */
static void check_items(struct world *w)
{
	uint64_t nr_items = 0;
	struct item it;

	for (unsigned int dev = 0; dev < DEVS; dev++) {
		uint64_t len = 0;

		for (uint64_t b = devices[dev].first; b < devices[dev].end; b++) {
			uint64_t daddr = daddr_make(dev, b);
			const struct disk_free *disk;

			if (!is_free(w, daddr)) {
				len = 0;
				continue;
			}
			len++;
			if (is_free(w, daddr + 1))
				continue;
			assert_true(mock_next(&w->store, key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, daddr), &it));
			assert_int_equal(key_off(it.key), daddr);
			disk = it.val;
			assert_int_equal(le64_get(disk->len), len);
			uint64_t class = 63 - (uint64_t)__builtin_clzll(len);

			assert_true(mock_next(&w->store, key_make(ZONE_FREE, class, ITEM_FREE_SIZE, daddr), &it));
			assert_int_equal(key_off(it.key), daddr);
			assert_int_equal(key_obj(it.key), class);
			nr_items += 2;
		}
	}
	assert_int_equal(nr_items, w->store.nr_items);
}

static int ops_body(struct txn *txn, void *arg)
{
	struct world *w = arg;

	for (w->nr_run = 0; w->nr_run < w->nr_ops; w->nr_run++) {
		struct op *op = &w->ops[w->nr_run];

		op->err = op->take ? alloc_take(txn, &op->want, &op->daddr, &op->len)
				   : alloc_give(txn, op->daddr, op->len);
		if (op->err)
			return op->err;
	}
	return w->give_up;
}

/* The longest free run that starts at an allowed place, as far as @want could use it. */
static uint64_t best_room(struct world *w, const struct alloc_want *want)
{
	uint64_t best = 0;

	for (unsigned int dev = 0; dev < DEVS; dev++) {
		if (want->dev >= 0 && want->dev != (int)dev)
			continue;
		for (uint64_t b = devices[dev].first; b < devices[dev].end; b++) {
			uint64_t daddr = daddr_make(dev, b), len = 0;

			while (is_free(w, daddr + len))
				len++;
			if (len > best && (!want->min_align || (daddr - want->phase) % want->min_align == 0))
				best = len;
			if (len && (!want->min_align || want->min_align == 1))
				b += len - 1;
		}
	}
	return best;
}

static void check_taken(struct world *w, const struct op *op)
{
	const struct alloc_want *want = &op->want;
	uint64_t min_align = want->min_align ? want->min_align : 1;

	assert_in_range(op->len, want->min_len ? want->min_len : 1, want->len);
	assert_int_equal((op->daddr - want->phase) % min_align, 0);
	if (op->len < want->len)
		assert_int_equal((op->daddr + op->len) % min_align, 0);
	if (want->dev >= 0)
		assert_int_equal(daddr_dev(op->daddr), want->dev);
	if (want->goal != ALLOC_ANY && is_free(w, want->goal) && min_align == 1 && want->min_len <= 1 &&
	    (want->dev < 0 || daddr_dev(want->goal) == (unsigned int)want->dev))
		assert_int_equal(op->daddr, want->goal);
	else if (op->daddr != want->goal && op->len < want->len)
		assert_true(best_room(w, want) < 2 * (want->len + min_align)); /* else a certain fit was missed */
	if (op->len < want->len)
		w->nr_partial++;
}

static void check_refused(struct world *w, const struct op *op)
{
	uint64_t room = best_room(w, &op->want);
	uint64_t min_len = op->want.min_len ? op->want.min_len : 1;
	uint64_t min_align = op->want.min_align ? op->want.min_align : 1;

	if (min_len == 1 && min_align == 1)
		assert_int_equal(room, 0);
	assert_true(room < 2 * (min_len + min_align));
	w->nr_enospc++;
}

static void make_want(struct world *w, struct op *op)
{
	struct mock_store *s = &w->store;

	op->take = true;
	op->want = (struct alloc_want){ .len = 1 + mock_random(s, mock_random(s, 4) ? 20 : 200),
					.align = mock_random(s, 2) ? 16 : 0,
					.min_align = mock_random(s, 4) ? 0 : 1ULL << mock_random(s, 5),
					.phase = mock_random(s, 2) ? mock_random(s, 1000) : 0,
					.goal = ALLOC_ANY,
					.dev = (int)mock_random(s, DEVS + 3) };
	if (op->want.dev >= DEVS)
		op->want.dev = ALLOC_DEV_ANY;
	if (!mock_random(s, 4))
		op->want.min_len = mock_random(s, op->want.len + 1);
	if (mock_random(s, 2))
		op->want.goal = daddr_make((unsigned int)mock_random(s, DEVS + 1), mock_random(s, 1200));
}

/* Blocks in use, mostly; sometimes nonsense. */
static void make_give(struct world *w, struct op *op)
{
	struct mock_store *s = &w->store;
	unsigned int dev = (unsigned int)mock_random(s, DEVS);
	uint64_t len = 0, want = 1 + mock_random(s, 40);
	bool nonsense = !mock_random(s, 30);

	op->take = false;
	op->daddr = daddr_make(dev, mock_random(s, devices[dev].end + 1));
	for (unsigned int n = 0; n < 100 && !nonsense && (!block_of(w, op->daddr) || is_free(w, op->daddr)); n++)
		op->daddr = daddr_make(dev, mock_random(s, devices[dev].end));
	while (len < want && (nonsense || (block_of(w, op->daddr + len) && !is_free(w, op->daddr + len))))
		len++;
	op->len = len;
}

static int expected_give(struct world *w, const struct op *op)
{
	for (uint64_t i = 0; i < op->len; i++)
		if (!block_of(w, op->daddr + i) || is_free(w, op->daddr + i))
			return -EUCLEAN;
	return op->len ? 0 : -EUCLEAN;
}

/* Follow in the array what the last run says it did. */
static void follow(struct world *w, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct op *op = &w->ops[i];

		if (op->take) {
			check_taken(w, op);
		} else {
			assert_int_equal(expected_give(w, op), 0);
		}
		set_used(w, op->daddr, op->len, op->take);
	}
}

static void unfollow(struct world *w, unsigned int nr)
{
	while (nr--)
		set_used(w, w->ops[nr].daddr, w->ops[nr].len, !w->ops[nr].take);
}

static void run_step(struct world *w)
{
	struct mock_store *s = &w->store;
	bool giving = mock_random(s, 1000) < 300 + (s->seq / 1000 % 2) * 400;
	int err;

	w->nr_ops = 1 + (unsigned int)mock_random(s, giving ? 1 : OPS); /* what is given must be known before */
	for (unsigned int i = 0; i < w->nr_ops; i++) {
		if (giving)
			make_give(w, &w->ops[i]);
		else
			make_want(w, &w->ops[i]);
	}
	w->give_up = mock_random(s, 20) ? 0 : -EDOM;
	s->fail_at = mock_random(s, 20) ? 0 : 1 + mock_random(s, 30);
	s->fail_err = mock_random(s, 2) ? -ENOMEM : -EIO;
	err = mock_run(s, ops_body, w);
	s->fail_at = 0;
	follow(w, w->nr_run);
	if (err) {
		if (err == -ENOSPC)
			check_refused(w, &w->ops[w->nr_run]);
		else if (err != -EUCLEAN)
			assert_true(err == w->give_up || err == s->fail_err);
		else if (++w->nr_corrupt)
			assert_int_equal(expected_give(w, &w->ops[w->nr_run]), -EUCLEAN);
		unfollow(w, w->nr_run);
		w->nr_failed++;
	}
	assert_true(s->log_bytes <= w->nr_ops * ALLOC_LOG);
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
	memset(w, 0, sizeof(*w));
	mock_init(&w->store);
	w->store.dice = seed;
	w->store.nr_devices = DEVS;
	memcpy(w->store.devices, devices, sizeof(devices));
	assert_int_equal(mock_run(&w->store, format_body, NULL), 0);
	for (unsigned int dev = 0; dev < DEVS; dev++)
		w->nr_free += devices[dev].end - devices[dev].first;
	check_items(w);
}

static void test_model(void **state)
{
	struct world w;

	world_init(&w, mock_seed(1));
	w.store.restart_odds = 300;
	for (unsigned int n = 0; n < STEPS; n++) {
		run_step(&w);
		if (n % 32 == 0)
			check_items(&w);
	}
	check_items(&w);
	assert_true(w.nr_enospc > 100 && w.nr_partial > 100 && w.nr_corrupt > 100 && w.nr_failed > 1000);
	mock_release(&w.store);
}

/* Fill the volume block by block until it says no: not one block may be left, and nothing may change by asking. */
static void test_last_block(void **state)
{
	struct mock_store before;
	struct world w;

	world_init(&w, 1);
	w.nr_ops = 1;
	for (;;) {
		w.ops[0] = (struct op){ .take = true,
					.want = { .len = 7, .goal = ALLOC_ANY, .dev = ALLOC_DEV_ANY, .align = 16 } };
		if (mock_run(&w.store, ops_body, &w))
			break;
		set_used(&w, w.ops[0].daddr, w.ops[0].len, true);
	}
	assert_int_equal(w.ops[0].err, -ENOSPC);
	assert_int_equal(w.nr_free, 0);
	assert_int_equal(w.store.nr_items, 0);
	w.ops[0] = (struct op){ .take = false, .daddr = daddr_make(0, 300), .len = 3 };
	assert_int_equal(mock_run(&w.store, ops_body, &w), 0);
	mock_init(&before);
	mock_copy(&before, &w.store);
	w.ops[0] = (struct op){ .take = true, .want = { .len = 4, .min_len = 4, .goal = ALLOC_ANY, .dev = -1 } };
	assert_int_equal(mock_run(&w.store, ops_body, &w), -ENOSPC);
	assert_true(mock_equal(&before, &w.store));
	mock_release(&before);
	mock_release(&w.store);
}

static void test_damaged_items(void **state)
{
	struct disk_free free3 = { .len = le64_make(3) }, zero = { .len = le64_make(0) },
			 huge = { .len = le64_make(UINT64_MAX) };
	struct key addr = key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 500),
		   size = key_make(ZONE_FREE, 1, ITEM_FREE_SIZE, 500);
	const struct {
		const void *addr;
		size_t addr_len;
		uint64_t class;
		bool no_size;
	} cases[] = { { NULL, 0, 1, false },   { &zero, 8, 1, false },	{ &huge, 8, 1, false },
		      { &free3, 7, 1, false }, { &free3, 8, 5, false }, { &free3, 8, 1, true } };

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w = { .nr_ops = 1 };

		mock_init(&w.store);
		if (cases[i].addr)
			mock_put(&w.store, addr, cases[i].addr, cases[i].addr_len);
		size.hi = key_make(ZONE_FREE, cases[i].class, ITEM_FREE_SIZE, 500).hi;
		if (!cases[i].no_size)
			mock_put(&w.store, size, NULL, 0);
		w.ops[0] = (struct op){ .take = true, .want = { .len = 2, .goal = ALLOC_ANY, .dev = -1 } };
		if (cases[i].no_size)
			w.ops[0].want.goal = 498;
		assert_int_equal(mock_run(&w.store, ops_body, &w), -EUCLEAN);
		mock_release(&w.store);
	}
}

static void plant_run(struct mock_store *s, uint64_t first, uint64_t len)
{
	struct disk_free disk = { .len = le64_make(len) };
	uint64_t last = first + len - 1, class = 63 - (uint64_t)__builtin_clzll(len);

	mock_put(s, key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, last), &disk, sizeof(disk));
	mock_put(s, key_make(ZONE_FREE, class, ITEM_FREE_SIZE, last), NULL, 0);
}

/* @nr runs that almost fit: the right class, but too short or not aligned. */
static uint64_t worst_calls(unsigned int nr_devices, uint64_t nr, uint64_t step, uint64_t len, struct alloc_want want)
{
	struct world w = { .nr_ops = 1 };
	uint64_t worst = 0;

	mock_init(&w.store);
	w.store.nr_devices = nr_devices;
	for (unsigned int dev = 0; dev < nr_devices; dev++) {
		w.store.devices[dev] = (struct mock_device){ 0, 1ULL << 36 }; /* 256 TiB */
		for (uint64_t i = 0; i < nr; i++)
			plant_run(&w.store, daddr_make(dev, 1 + i * step), len);
		for (unsigned int class = 0; class < 34; class ++) /* something in every class */
			plant_run(&w.store, daddr_make(dev, (1ULL << 34) + (2ULL << class) + 1), 1ULL << class);
	}
	for (unsigned int n = 0; n < 20; n++) {
		uint64_t calls = w.store.calls;

		w.ops[0] = (struct op){ .take = true, .want = want };
		if (want.goal != ALLOC_ANY)
			w.ops[0].want.goal += n * 1000;
		assert_int_equal(mock_run(&w.store, ops_body, &w), 0);
		worst = max_u64(worst, w.store.calls - calls);
	}
	mock_release(&w.store);
	return worst;
}

static void test_worst_fragmentation(void **state)
{
	const struct alloc_want wants[] = {
		{ .len = 1, .goal = ALLOC_ANY, .dev = -1 },
		{ .len = 1, .goal = ALLOC_ANY, .dev = -1, .align = 16, .min_align = 16 },
		{ .len = 15, .goal = 50001, .dev = -1, .align = 16 },
		{ .len = 15, .goal = 50001, .dev = -1, .align = 1 << 14, .min_align = 1 << 14 },
		{ .len = 15, .goal = 50001, .dev = 1, .align = 16, .min_align = 16 },
		{ .len = 1ULL << 33, .goal = 50001, .dev = 1, .align = 16, .min_align = 16 },
	};
	uint64_t worst = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(wants); i++) {
		uint64_t small, large;

		/* Runs of 9..15 in the class of 15 blocks, none aligned: the number of them must not matter. */
		small = worst_calls(2, 1000, 16, 9 + i, wants[i]);
		large = worst_calls(2, 100000, 16, 9 + i, wants[i]);
		assert_true(large <= small + small / 2);
		worst = max_u64(worst, max_u64(small, large));
	}
	print_message("worst allocation: %u item calls\n", (unsigned int)worst);
	assert_true(worst <= ALLOC_CALLS_MAX);
	/* And the everyday: one run after another out of a large one. */
	assert_true(worst_calls(1, 10, 16, 9, (struct alloc_want){ .len = 1 << 20, .goal = ALLOC_ANY, .dev = -1 }) <=
		    16);
}

static int place_body(struct txn *txn, void *arg)
{
	unsigned int *count = arg;
	uint64_t piece = alloc_piece_blocks(txn);

	assert_true(is_power_of_2_u64(piece));
	memset(count, 0, 3 * sizeof(*count));
	for (uint64_t ino = 1; ino <= 3000; ino++) {
		unsigned int dev = alloc_piece_device(txn, ino, ino % 5 * piece);

		assert_true(dev < txn_nr_devices(txn));
		assert_int_equal(dev, alloc_piece_device(txn, ino, ino % 5 * piece + piece - 1));
		count[dev]++;
	}
	return 0;
}

static void test_placing(void **state)
{
	struct mock_store store;
	unsigned int count[3];

	mock_init(&store);
	store.nr_devices = 3;
	store.devices[0] = (struct mock_device){ 0, 1000000 };
	store.devices[1] = (struct mock_device){ 1000, 2001000 };
	store.devices[2] = (struct mock_device){ 0, 3000000 };
	assert_int_equal(mock_read(&store, place_body, count), 0);
	assert_in_range(count[0], 400, 600);
	assert_in_range(count[1], 850, 1150);
	assert_in_range(count[2], 1300, 1700);
	mock_release(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),	      cmocka_unit_test(test_last_block),
		cmocka_unit_test(test_damaged_items), cmocka_unit_test(test_worst_fragmentation),
		cmocka_unit_test(test_placing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
