/* SPDX-License-Identifier: Apache-2.0 */
/* Limbo against an array that says of every block whether it is in use, free, or in which tag's limbo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "extent/limbo.h"
#include "tests/mock/mock_txn.h"

#define BLOCKS 300
#define TAGS   4
#define STEPS  500000

enum {
	USED = 100,
	FREE = 101
}; /* else a number of a tag */

static const uint64_t tags[TAGS] = { 0, 7, 8, LIMBO_TAG_MAX };

struct world {
	struct mock_store store;
	unsigned char where[BLOCKS];
	bool release, take;
	unsigned int tag; /* TAGS: none */
	uint64_t at, len;
	unsigned int max;
	bool more;
	int give_up;
};

static int world_body(struct txn *txn, void *arg)
{
	struct world *w = arg;
	int err;

	if (w->take) {
		struct alloc_want want = { .len = w->len, .goal = ALLOC_ANY, .dev = ALLOC_DEV_ANY };

		err = alloc_take(txn, &want, &w->at, &w->len);
	} else if (w->release) {
		err = limbo_release(txn, tags[w->tag], w->max, &w->more);
	} else {
		err = limbo_add(txn, w->tag == TAGS ? LIMBO_NONE : tags[w->tag], w->at, w->len);
	}
	return err ? err : w->give_up;
}

static int list_body(struct txn *txn, void *arg)
{
	struct world *w = arg;
	struct limbo_run run;
	uint64_t tag = 0, daddr = 0, seen = 0, here = 0;
	int err;

	for (;;) {
		unsigned int t = 0;

		err = limbo_next(txn, tag, daddr, &run);
		if (err)
			break;
		while (tags[t] != run.tag)
			t++;
		assert_true(t < TAGS);
		for (uint64_t i = 0; i < run.len; i++)
			assert_int_equal(w->where[run.daddr + i], t);
		assert_true(run.daddr == 0 || w->where[run.daddr - 1] != t);
		assert_true(run.daddr + run.len == BLOCKS || w->where[run.daddr + run.len] != t);
		seen += run.len;
		tag = run.tag;
		daddr = run.daddr + 1;
	}
	if (err != -ENOENT)
		return err;
	for (unsigned int i = 0; i < BLOCKS; i++)
		here += w->where[i] < TAGS;
	assert_int_equal(here, seen);
	return 0;
}

/* What is free is what the array says, run by run. */
static int free_body(struct txn *txn, void *arg)
{
	struct world *w = arg;
	uint64_t daddr, len, from = 0, here = 0;

	while (!alloc_next(txn, from, &daddr, &len)) {
		for (uint64_t i = 0; i < len; i++)
			assert_int_equal(w->where[daddr + i], FREE);
		here += len;
		from = daddr + len;
	}
	for (unsigned int i = 0; i < BLOCKS; i++)
		here -= w->where[i] == FREE;
	assert_int_equal(here, 0);
	return 0;
}

/* The first @w->max runs of the tag become free. */
static void follow_release(struct world *w)
{
	unsigned int runs = 0;
	bool more = false;

	for (unsigned int i = 0; i < BLOCKS; i++) {
		if (w->where[i] != w->tag)
			continue;
		if (runs++ == w->max) {
			more = true;
			break;
		}
		while (i < BLOCKS && w->where[i] == w->tag)
			w->where[i++] = FREE;
	}
	assert_int_equal(w->more, more);
}

static void world_step(struct world *w)
{
	struct mock_store *s = &w->store;
	bool bad = false;
	int err;

	w->take = !mock_random(s, 3);
	w->release = mock_random(s, 3) == 0;
	w->tag = (unsigned int)mock_random(s, w->release ? TAGS : TAGS + 1);
	w->at = mock_random(s, BLOCKS);
	w->len = 1 + mock_random(s, w->take ? 30 : 6);
	w->max = 1 + (unsigned int)mock_random(s, 3);
	w->give_up = mock_random(s, 10) ? 0 : -EDOM;
	for (uint64_t i = w->at; i < w->at + w->len;
	     i++) /* used already somewhere else: the caller's fault, not shown */
		if (!w->take && !w->release && (i >= BLOCKS || w->where[i] != USED)) {
			if (i < BLOCKS && w->where[i] != (w->tag == TAGS ? FREE : w->tag))
				return;
			bad = true;
		}
	s->fail_at = mock_random(s, 20) ? 0 : 1 + mock_random(s, 20);
	s->fail_err = -EIO;
	err = mock_run(s, world_body, w);
	s->fail_at = 0;
	assert_true(s->log_bytes <= (w->release ? w->max * LIMBO_RELEASE_LOG : LIMBO_LOG));
	if (bad)
		assert_true(err == -EUCLEAN || err == -EIO);
	else
		assert_true(!err || err == w->give_up || err == -EIO || (w->take && err == -ENOSPC));
	if (err)
		return;
	if (!w->take && w->release)
		follow_release(w);
	else
		memset(&w->where[w->at], w->take ? USED : w->tag == TAGS ? FREE : (int)w->tag, w->len);
}

static void test_model(void **state)
{
	struct world w = { .take = false };

	memset(w.where, USED, sizeof(w.where));
	mock_init(&w.store);
	w.store.devices[0] = (struct mock_device){ 0, BLOCKS };
	w.store.dice = mock_seed(1);
	for (unsigned int n = 0; n < STEPS; n++) {
		w.store.restart_odds = 100;
		world_step(&w);
		w.store.restart_odds = 0;
		if (n % 64)
			continue;
		assert_int_equal(mock_read(&w.store, list_body, &w), 0);
		assert_int_equal(mock_read(&w.store, free_body, &w), 0);
	}
	mock_release(&w.store);
}

static void test_damaged_items(void **state)
{
	struct disk_free disks[] = { { le64_make(0) }, { le64_make(BLOCKS) }, { le64_make(UINT64_MAX) } };
	struct world w = { .release = true, .max = 1 };

	mock_init(&w.store);
	w.store.devices[0] = (struct mock_device){ 0, BLOCKS };
	for (unsigned int i = 0; i < ARRAY_SIZE(disks); i++) {
		mock_put(&w.store, key_make(ZONE_LIMBO, 0, ITEM_LIMBO, 5), &disks[i], sizeof(disks[i]));
		assert_int_equal(mock_run(&w.store, world_body, &w), -EUCLEAN);
	}
	mock_put(&w.store, key_make(ZONE_LIMBO, 0, ITEM_LIMBO, 5), &disks[0], 3);
	assert_int_equal(mock_run(&w.store, world_body, &w), -EUCLEAN);
	mock_release(&w.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model), cmocka_unit_test(test_damaged_items) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
