/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of owners against an array of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "extent/share.h"
#include "tests/mock/mock_txn.h"

#define BLOCKS 200
#define STEPS  1000000

struct world {
	struct mock_store store;
	uint32_t refs[BLOCKS]; /* owners of block i of device 1; 0: free */
	bool add;
	uint64_t at, len;
	uint64_t done; /* what the last run did */
	bool unowned;
	uint32_t found;
	int give_up;
};

static uint64_t daddr_of(uint64_t at)
{
	return daddr_make(1, 16 + at);
}

static int world_body(struct txn *txn, void *arg)
{
	struct world *w = arg;
	uint64_t len;
	int err;

	err = share_lookup(txn, daddr_of(w->at), w->len, &w->found, &len);
	if (err)
		return err;
	if (w->add)
		err = share_add(txn, daddr_of(w->at), w->len, &w->done);
	else
		err = share_drop(txn, daddr_of(w->at), w->len, &w->done, &w->unowned);
	if (err)
		return err;
	assert_int_equal(len, w->done);
	return w->give_up;
}

/* Items are the longest runs of equal counts of two and more, nothing else. */
static void check_items(struct world *w)
{
	uint64_t items = 0, run;
	struct item it;

	for (uint64_t at = 0; at < BLOCKS; at += run) {
		const struct disk_shared *disk;

		for (run = 1; at + run < BLOCKS && w->refs[at + run] == w->refs[at];)
			run++;
		if (w->refs[at] < 2)
			continue;
		assert_true(mock_next(&w->store, key_make(ZONE_SHARED, 0, ITEM_SHARED, daddr_of(at)), &it));
		disk = it.val;
		assert_int_equal(key_off(it.key), daddr_of(at));
		assert_int_equal(le64_get(disk->len), run);
		assert_int_equal(le32_get(disk->refs), w->refs[at]);
		items++;
	}
	assert_int_equal(items, w->store.nr_items);
}

static void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	mock_init(&w->store);
	w->store.dice = seed;
	w->store.nr_devices = 2;
	w->store.devices[1] = (struct mock_device){ 16, 16 + BLOCKS };
}

static void world_step(struct world *w)
{
	struct mock_store *s = &w->store;
	uint64_t equal = 1, max;
	int err;

	w->at = mock_random(s, BLOCKS);
	max = min_u64(BLOCKS - w->at, mock_random(s, 8) ? 12 : BLOCKS);
	w->len = 1 + mock_random(s, max);
	w->add = mock_random(s, 100) < (w->refs[w->at] > 4 ? 20 : 55);
	w->give_up = mock_random(s, 10) ? 0 : -EDOM;
	s->fail_at = mock_random(s, 20) ? 0 : 1 + mock_random(s, 8);
	s->fail_err = -ENOMEM;
	while (equal < w->len && max_u64(w->refs[w->at + equal], 1) == max_u64(w->refs[w->at], 1))
		equal++; /* free and owned once look the same */
	err = mock_run(s, world_body, w);
	s->fail_at = 0;
	assert_true(!err || err == w->give_up || err == -ENOMEM);
	assert_true(s->log_bytes <= SHARE_LOG);
	if (err)
		return;
	assert_int_equal(w->done, equal);
	assert_int_equal(w->found, max_u64(w->refs[w->at], 1));
	if (!w->add)
		assert_int_equal(w->unowned, w->refs[w->at] < 2);
	for (uint64_t i = 0; i < equal; i++)
		w->refs[w->at + i] = (uint32_t)max_u64(w->refs[w->at + i], 1) + (w->add ? 1 : -1u);
}

static void test_model(void **state)
{
	struct world w;

	world_init(&w, mock_seed(1));
	w.store.restart_odds = 100;
	for (unsigned int n = 0; n < STEPS; n++) {
		world_step(&w);
		if (n % 16 == 0)
			check_items(&w);
	}
	check_items(&w);
	mock_release(&w.store);
}

static void plant(struct world *w, uint64_t at, uint64_t len, uint32_t refs)
{
	struct disk_shared disk = { .len = le64_make(len), .refs = le32_make(refs) };

	mock_put(&w->store, key_make(ZONE_SHARED, 0, ITEM_SHARED, daddr_of(at)), &disk, sizeof(disk));
}

static void test_limits(void **state)
{
	struct world w;

	world_init(&w, 1);
	plant(&w, 10, 5, UINT32_MAX - 1);
	w.at = 12;
	w.len = 1;
	w.add = true;
	assert_int_equal(mock_run(&w.store, world_body, &w), 0);
	assert_int_equal(mock_run(&w.store, world_body, &w), -EMLINK);
	w.at = BLOCKS - 1;
	w.len = 2; /* over the device's end */
	assert_int_equal(mock_run(&w.store, world_body, &w), -EUCLEAN);
	plant(&w, 20, 5, 1); /* such a count needs no item */
	w.at = 22;
	w.len = 1;
	assert_int_equal(mock_run(&w.store, world_body, &w), -EUCLEAN);
	plant(&w, 20, BLOCKS, 2);
	assert_int_equal(mock_run(&w.store, world_body, &w), -EUCLEAN);
	plant(&w, 20, 12, 2);
	plant(&w, 30, 5, 3); /* overlaps */
	w.at = 30;
	w.len = 5;
	w.add = false;
	assert_int_equal(mock_run(&w.store, world_body, &w), -EUCLEAN);
	mock_release(&w.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model), cmocka_unit_test(test_limits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
