/* SPDX-License-Identifier: Apache-2.0 */
/* Plans of byte-range locks, against an array that says for each byte who has it how. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mds/lock_ranges.h"
#include "tests/lib/dice.h"

#define BYTES	   48u
#define OWNERS	   3
#define HOLDERS	   4 /* the last two are of one owner */
#define STEPS	   20000
#define CHANGES	   64
#define NOBODY	   0xff
#define TOP(first) (UINT64_MAX - BYTES + 1 + (first))

struct world {
	struct client client;
	struct file file;
	struct lock_holder *holders[HOLDERS];
	uint64_t base; /* of the model's byte 0 */
	/* Of each byte and owner: LOCK_RANGES_..., and which holder has it */
	uint8_t how[OWNERS][BYTES];
	uint8_t by[OWNERS][BYTES];
};

static unsigned int owner_of(unsigned int holder)
{
	return holder < OWNERS ? holder : OWNERS - 1;
}

static void world_open(struct world *w, uint64_t base)
{
	memset(w, 0, sizeof(*w));
	w->base = base;
	list_init(&w->file.locks);
	for (unsigned int i = 0; i < HOLDERS; i++) {
		w->holders[i] = calloc(1, sizeof(struct lock_holder) + 1);
		assert_non_null(w->holders[i]);
		w->holders[i]->state.client = &w->client;
		w->holders[i]->owner_len = 1;
		w->holders[i]->owner[0] = (uint8_t)owner_of(i);
		list_init(&w->holders[i]->locks);
	}
	memset(w->by, NOBODY, sizeof(w->by));
}

static void world_close(struct world *w)
{
	while (!list_is_empty(&w->file.locks)) {
		struct lock *lock = list_first_entry(&w->file.locks, struct lock, by_file);

		list_del(&lock->by_file);
		free(lock);
	}
	for (unsigned int i = 0; i < HOLDERS; i++)
		free(w->holders[i]);
}

static void world_insert(struct world *w, struct lock *lock)
{
	struct list *where = w->file.locks.prev;

	while (where != &w->file.locks && list_entry(where, struct lock, by_file)->first > lock->first)
		where = where->prev;
	list_add_after(&lock->by_file, where);
}

static void world_apply(struct world *w, const struct lock_plan *plan, struct lock_holder *asker)
{
	for (unsigned int i = 0; i < plan->nr_changes; i++) {
		struct lock *lock = plan->changes[i].lock;

		list_del(&lock->by_file);
		if (plan->changes[i].gone) {
			free(lock);
			continue;
		}
		lock->first = plan->changes[i].first;
		lock->last = plan->changes[i].last;
		world_insert(w, lock);
	}
	for (unsigned int i = 0; i < plan->nr_fresh; i++) {
		struct lock *lock = calloc(1, sizeof(*lock));

		assert_non_null(lock);
		lock->holder = plan->fresh[i].holder ? plan->fresh[i].holder : asker;
		lock->first = plan->fresh[i].first;
		lock->last = plan->fresh[i].last;
		lock->write = plan->fresh[i].write;
		world_insert(w, lock);
	}
}

static struct lock_plan world_do(struct world *w, unsigned int holder, unsigned int first, unsigned int last,
				 enum lock_ranges_how how)
{
	static struct lock_change changes[CHANGES];
	struct lock_holder *h = w->holders[holder];
	struct lock_owner owner = { &w->client, h->owner, h->owner_len };
	struct lock_plan plan = { .changes = changes };
	uint64_t a = w->base + first, b = w->base + last;

	plan.max_changes = lock_ranges_count(&w->file, &owner, a, b);
	assert_true(plan.max_changes <= CHANGES);
	assert_true(lock_ranges_plan(&w->file, &owner, h, a, b, how, &plan));
	world_apply(w, &plan, h);
	for (unsigned int i = first; i <= last; i++) {
		/* What its owner has already in the same way through another open becomes this one's. */
		w->how[owner_of(holder)][i] = (uint8_t)how;
		w->by[owner_of(holder)][i] = how == LOCK_RANGES_UNLOCK ? NOBODY : (uint8_t)holder;
	}
	return plan;
}

/* The ranges say what the model says, do not overlap, and could not be fewer. */
static void world_check(struct world *w)
{
	uint8_t how[OWNERS][BYTES] = { { 0 } };
	uint8_t by[OWNERS][BYTES];
	unsigned int nr = 0, runs = 0;
	uint64_t before = 0;

	memset(by, NOBODY, sizeof(by));
	list_for_each (pos, &w->file.locks) {
		struct lock *lock = list_entry(pos, struct lock, by_file);
		unsigned int owner = lock->holder->owner[0];

		assert_true(lock->first <= lock->last && lock->first >= before);
		assert_true(lock->first >= w->base && lock->last - w->base < BYTES);
		before = lock->first;
		nr++;
		for (uint64_t i = lock->first - w->base; i <= lock->last - w->base; i++) {
			assert_int_equal(by[owner][i], NOBODY);
			how[owner][i] = lock->write ? LOCK_RANGES_WRITE : LOCK_RANGES_READ;
			for (unsigned int h = 0; h < HOLDERS; h++)
				if (w->holders[h] == lock->holder)
					by[owner][i] = (uint8_t)h;
		}
	}
	assert_memory_equal(how, w->how, sizeof(how));
	assert_memory_equal(by, w->by, sizeof(by));
	for (unsigned int o = 0; o < OWNERS; o++)
		for (unsigned int i = 0; i < BYTES; i++)
			if (how[o][i] && (i == 0 || how[o][i] != how[o][i - 1] || by[o][i] != by[o][i - 1]))
				runs++;
	assert_int_equal(nr, runs);
}

static void random_against_model(uint64_t base)
{
	struct dice dice = dice_seed(1);
	struct world w;

	world_open(&w, base);
	for (unsigned int i = 0; i < STEPS; i++) {
		unsigned int holder = (unsigned int)dice_below(&dice, HOLDERS);
		unsigned int first = (unsigned int)dice_below(&dice, BYTES);
		unsigned int len = 1 + (unsigned int)dice_below(&dice, dice_below(&dice, 4) ? 6 : BYTES);
		unsigned int last = first + len > BYTES ? BYTES - 1 : first + len - 1;

		world_do(&w, holder, first, last, (enum lock_ranges_how)dice_below(&dice, 3));
		world_check(&w);
	}
	world_close(&w);
}

static void test_random(void **state)
{
	random_against_model(0);
}

static void test_random_at_the_end(void **state)
{
	random_against_model(TOP(0));
}

static void test_split(void **state)
{
	struct lock_plan plan;
	struct world w;

	world_open(&w, 0);
	world_do(&w, 0, 10, 19, LOCK_RANGES_WRITE);
	plan = world_do(&w, 0, 13, 15, LOCK_RANGES_UNLOCK);
	world_check(&w);
	assert_int_equal(plan.nr_fresh, 1);
	assert_int_equal(plan.nr_changes, 1);
	assert_true(plan.frees);
	world_close(&w);
}

static void test_nothing_to_do(void **state)
{
	struct lock_plan plan;
	struct world w;

	world_open(&w, 0);
	world_do(&w, 0, 10, 19, LOCK_RANGES_READ);
	plan = world_do(&w, 0, 12, 15, LOCK_RANGES_READ);
	assert_int_equal(plan.nr_fresh + plan.nr_changes, 0);
	assert_false(plan.frees);
	world_close(&w);
}

static void test_upgrade_frees_nothing(void **state)
{
	struct lock_plan plan;
	struct world w;

	world_open(&w, 0);
	world_do(&w, 0, 10, 19, LOCK_RANGES_READ);
	plan = world_do(&w, 0, 10, 19, LOCK_RANGES_WRITE);
	assert_false(plan.frees);
	plan = world_do(&w, 0, 10, 19, LOCK_RANGES_READ);
	assert_true(plan.frees);
	world_check(&w);
	world_close(&w);
}

static void test_neighbours_become_one(void **state)
{
	struct lock_plan plan;
	struct world w;

	world_open(&w, 0);
	world_do(&w, 0, 0, 9, LOCK_RANGES_READ);
	world_do(&w, 0, 20, 29, LOCK_RANGES_READ);
	plan = world_do(&w, 0, 10, 19, LOCK_RANGES_READ);
	assert_int_equal(plan.nr_fresh, 0);
	assert_int_equal(plan.nr_changes, 2);
	world_check(&w);
	world_close(&w);
}

static void test_no_room(void **state)
{
	struct lock_change one;
	struct lock_plan plan = { .changes = &one, .max_changes = 1 };
	struct lock_owner owner;
	struct world w;

	world_open(&w, 0);
	owner = (struct lock_owner){ &w.client, w.holders[0]->owner, 1 };
	world_do(&w, 0, 0, 9, LOCK_RANGES_READ);
	world_do(&w, 0, 20, 29, LOCK_RANGES_READ);
	assert_false(lock_ranges_plan(&w.file, &owner, w.holders[0], 0, 29, LOCK_RANGES_UNLOCK, &plan));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_random_at_the_end),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_nothing_to_do),
		cmocka_unit_test(test_upgrade_frees_nothing),
		cmocka_unit_test(test_neighbours_become_one),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
