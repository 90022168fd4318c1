/* SPDX-License-Identifier: Apache-2.0 */
/* The stand-in itself: order, undo, restarts and injected failures, against an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mock/mock_txn.h"

#define KEYS 3000

struct step {
	struct mock_store *store;
	uint64_t *model;   /* value of key i, 0: none */
	uint64_t *scratch; /* what the body's last run made of it */
	int give_up;
};

static struct key key_of(uint64_t i)
{
	return key_make(ZONE_FILE, i / 7, ITEM_XATTR, i % 7);
}

static uint64_t number_of(struct key key)
{
	return key_obj(key) * 7 + key_off(key);
}

static int step_lookup(struct txn *txn, struct step *s, uint64_t i)
{
	struct item it;
	uint64_t want = i;
	int err;

	err = txn_next(txn, key_of(i), key_of(KEYS), &it);
	if (err && err != -ENOENT)
		return err;
	while (want < KEYS && !s->scratch[want])
		want++;
	assert_int_equal(err ? KEYS : number_of(it.key), want);
	if (!err)
		assert_memory_equal(it.val, &s->scratch[want], 8);
	err = txn_prev(txn, key_of(i), key_of(0), &it);
	if (err && err != -ENOENT)
		return err;
	for (want = i + 1; want > 0 && !s->scratch[want - 1];)
		want--;
	assert_int_equal(err ? 0 : number_of(it.key) + 1, want);
	return 0;
}

static int step_change(struct txn *txn, struct step *s, uint64_t i, uint64_t val)
{
	int err;

	if (val) {
		err = txn_put(txn, key_of(i), &val, sizeof(val));
	} else {
		err = txn_delete(txn, key_of(i));
		if (err == -ENOENT) {
			assert_int_equal(s->scratch[i], 0);
			err = 0;
		}
	}
	if (!err)
		s->scratch[i] = val;
	return err;
}

static int step_body(struct txn *txn, void *arg)
{
	struct step *s = arg;
	struct mock_store dice = { .dice = s->store->seq * 977 + 5 };
	int err;

	memcpy(s->scratch, s->model, KEYS * sizeof(*s->model));
	for (unsigned int n = 0; n < 8; n++) {
		uint64_t i = mock_random(&dice, KEYS);

		err = step_lookup(txn, s, i);
		if (err)
			return err;
		err = step_change(txn, s, i, mock_random(&dice, 3) ? mock_random(&dice, UINT64_MAX) + 1 : 0);
		if (err)
			return err;
	}
	return s->give_up;
}

static void test_against_array(void **state)
{
	struct mock_store store;
	struct step s = { .store = &store };

	s.model = calloc(KEYS + 1, sizeof(*s.model));
	s.scratch = calloc(KEYS + 1, sizeof(*s.scratch));
	mock_init(&store);
	store.dice = mock_seed(1);
	store.restart_odds = 50;
	for (unsigned int n = 0; n < 20000; n++) {
		int want = mock_random(&store, 8) ? 0 : -EEXIST;

		s.give_up = want;
		if (!want && !mock_random(&store, 8)) {
			store.fail_at = 1 + mock_random(&store, 16);
			store.fail_err = want = -ENOMEM;
		}
		int err = mock_run(&store, step_body, &s);

		assert_true(err == want || (!err && store.fail_at));
		store.fail_at = 0;
		if (!err)
			memcpy(s.model, s.scratch, KEYS * sizeof(*s.model));
		else
			store.seq++; /* other dice next time */
	}
	assert_true(store.restarts > 0);
	mock_release(&store);
	free(s.model);
	free(s.scratch);
}

static int fill_body(struct txn *txn, void *arg)
{
	uint64_t *at = arg;

	for (unsigned int i = 0; i < 1000; i++) {
		int err =
			txn_put(txn, key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, (*at + i) * 2654435761 % 1000003), at, 8);

		if (err)
			return err;
	}
	return 0;
}

static void test_million_and_copy(void **state)
{
	struct mock_store a, b;

	mock_init(&a);
	mock_init(&b);
	for (uint64_t at = 0; at < 200000; at += 1000)
		assert_int_equal(mock_run(&a, fill_body, &at), 0);
	assert_int_equal(a.nr_items, 200000);
	mock_copy(&b, &a);
	assert_true(mock_equal(&a, &b));
	mock_delete(&b, key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 0));
	assert_false(mock_equal(&a, &b));
	a.log_max = 100;
	assert_int_equal(mock_run(&a, fill_body, &(uint64_t){ 7 }), -E2BIG);
	assert_int_equal(mock_read(&a, fill_body, &(uint64_t){ 7 }), -EROFS);
	mock_release(&a);
	mock_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_array),
		cmocka_unit_test(test_million_and_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
