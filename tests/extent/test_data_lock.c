/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of ranges: who waits for whom, in which order, and that two locks at once never end in a circle. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/fs_int.h"
#include "tests/lib/check.h"
#include "tests/lib/dice.h"
#include "tests/lib/store.h"

#define MS 1000000ull

/* One that takes its locks, says so, and gives them back when told to. */
struct user {
	struct store *store;
	struct data_lock locks[2];
	unsigned int nr;
	char name;
	bool release;
	char *log;
};

FIBER_FN static void user_main(void *arg)
{
	struct user *u = arg;

	data_lock_take(u->store->fs, u->locks, u->nr);
	u->log[strlen(u->log)] = u->name;
	while (!u->release)
		fiber_sleep_ns(MS);
	data_lock_give(u->store->fs, u->locks, u->nr);
}

FIBER_FN static void enter(struct user *u)
{
	CHECK_EQ(fiber_spawn(u->store->r, "user", user_main, u, NULL), 0);
	fiber_sleep_ns(5 * MS);
}

FIBER_FN static void release(struct user *u)
{
	u->release = true;
	fiber_sleep_ns(20 * MS);
}

FIBER_FN static void do_order(struct store *s, void *arg)
{
	char log[16] = "";
	struct user a = { s, { { .ino = 1, .first = 0, .end = 4, .shared = true } }, 1, 'a', false, log };
	struct user b = { s, { { .ino = 1, .first = 2, .end = 6, .shared = true } }, 1, 'b', false, log };
	struct user c = { s, { { .ino = 1, .first = 5, .end = DATA_END } }, 1, 'c', false, log };
	struct user d = { s, { { .ino = 1, .first = 9, .end = 10, .shared = true } }, 1, 'd', false, log };
	struct user e = { s, { { .ino = 1, .first = 4, .end = 5 } }, 1, 'e', false, log };
	struct user f = { s, { { .ino = 2, .first = 9, .end = 10 } }, 1, 'f', false, log };

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	enter(&a);
	enter(&b); /* readers share */
	enter(&c); /* waits for b */
	enter(&d); /* nobody has it, but c came first */
	enter(&f); /* another file */
	CHECK(!strcmp(log, "abf"));
	release(&a);
	CHECK(!strcmp(log, "abf"));
	enter(&e); /* waits for b, not for c */
	release(&b);
	CHECK(!strcmp(log, "abfce") || !strcmp(log, "abfec"));
	release(&c);
	CHECK_EQ(log[5], 'd');
	release(&d);
	release(&e);
	release(&f);
	store_unmount(s);
}

static void test_order(void **state)
{
	struct store s;

	store_init(&s, &(struct store_config){ .seed = 1 });
	store_run(&s, do_order, NULL);
	store_release(&s);
}

/* Many with two locks each, and some that want all of a file: everybody gets to the end. */

#define USERS  8
#define ROUNDS 200
#define BLOCKS 6

struct crowd {
	struct store *store;
	struct dice dice;
	int held[2][BLOCKS]; /* readers, or -1: a writer */
};

static void hold(struct crowd *crowd, const struct data_lock *lock, bool on)
{
	for (uint64_t blk = lock->first; blk < min_u64(lock->end, BLOCKS); blk++) {
		int *held = &crowd->held[lock->ino][blk];

		if (lock->shared) {
			CHECK(*held >= 0);
			*held += on ? 1 : -1;
		} else {
			CHECK_EQ(*held, on ? 0 : -1);
			*held = on ? -1 : 0;
		}
	}
}

FIBER_FN static void crowd_main(void *arg)
{
	struct crowd *crowd = arg;

	for (unsigned int n = 0; n < ROUNDS; n++) {
		unsigned int nr = 1 + (unsigned int)dice_below(&crowd->dice, 2);
		struct data_lock locks[2];

		for (unsigned int i = 0; i < 2; i++) {
			uint64_t first = dice_below(&crowd->dice, BLOCKS / 2);

			/* In two files, or at two places of one. */
			locks[i] = (struct data_lock){ .ino = dice_below(&crowd->dice, 2),
						       .first = first + i * BLOCKS / 2,
						       .end = first + i * BLOCKS / 2 + 1,
						       .shared = dice_below(&crowd->dice, 2) };
		}
		if (nr == 1 && !dice_below(&crowd->dice, 4))
			locks[0].end = DATA_END;
		data_lock_take(crowd->store->fs, locks, nr);
		for (unsigned int i = 0; i < nr; i++)
			hold(crowd, &locks[i], true);
		fiber_sleep_ns(dice_below(&crowd->dice, MS));
		for (unsigned int i = 0; i < nr; i++)
			hold(crowd, &locks[i], false);
		data_lock_give(crowd->store->fs, locks, nr);
	}
}

FIBER_FN static void do_crowd(struct store *s, void *arg)
{
	struct crowd crowd = { .store = s, .dice = { s->cfg.seed } };
	struct fiber *users[USERS];

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	for (unsigned int i = 0; i < USERS; i++)
		CHECK_EQ(fiber_spawn(s->r, "user", crowd_main, &crowd, &users[i]), 0);
	for (unsigned int i = 0; i < USERS; i++)
		fiber_join(users[i]);
	store_unmount(s);
}

static void test_no_circle(void **state)
{
	struct store s;

	store_init(&s, &(struct store_config){ .seed = store_seed(1) });
	store_run(&s, do_crowd, NULL);
	store_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_no_circle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
