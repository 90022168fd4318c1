/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fences on a target that keeps hosts which have unregistered, as Linux's NVMe target does: registered with key 0,
 * and able to write.
 */

#include "tests/layout/fence_lab.h"

static const struct sim_reserve_faults keeps = { .unregister_keeps_host = true, .preempt_lies = true };

static FIBER_FN void host_leave(struct host *h, uint64_t key)
{
	for (unsigned int i = 0; i < DISKS; i++) {
		assert_int_equal(reserver_unregister(h->res[i], key), 0);
		assert_int_equal(host_write(h, i), 0);
	}
}

/* Its key is not there, and it can write: the fence finds it, and nobody else loses anything. */
static FIBER_FN void keyless_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);
	struct reserver_view view = { 0 };
	uint64_t begin;

	world_up(w);
	host_join(&w->victim, w->key);
	host_join(&w->other, key_of(w, "other"));
	faults(w, &keeps);
	host_leave(&w->victim, w->key);
	begin = now(w);
	fence_it(w, w->key);
	assert_true(now(w) - begin < 100 * MS);
	check_fenced(w);
	assert_int_equal(host_write(&w->other, 0), 0);
	assert_int_equal(fence_read_device(w->fence, 2, &view), 0);
	assert_true(view.reserved && view.nr_keys == 2 && view.holder == fence_own_key(w->fence));
	reserver_view_release(&view);
	world_down(w);
}

/* Nothing can be aborted: what it has in the device is waited for, also in the next life of the server. */
static FIBER_FN void hangs_main(struct store *s, void *arg)
{
	struct sim_reserve_faults hangs = keeps;
	struct world *w = world_of(s);
	struct reserver_view view = { 0 };
	uint64_t begin;

	hangs.preempt_abort_hangs = true;
	world_up(w);
	host_join(&w->victim, w->key);
	faults(w, &hangs);
	host_leave(&w->victim, w->key);
	assert_int_equal(fiber_spawn(s->r, "fence", fence_stopped, w, NULL), 0);
	fiber_sleep_ns(10 * 1000 * MS);
	assert_true(fence_is_busy(w->fence, w->key));
	/* The device is nobody's meanwhile. */
	begin = now(w);
	assert_int_equal(fence_read_device(w->fence, 0, &view), 0);
	assert_true(now(w) - begin < 100 * MS && view.nr_keys == 1);
	reserver_view_release(&view);
	fence_interrupt(w->fence);
	fiber_sleep_ns(MS);
	world_restart(w);
	begin = now(w);
	fence_it(w, w->key);
	assert_true(now(w) - begin >= DRAIN);
	check_fenced(w);
	world_down(w);
}

/* Two are fenced: no moment may come in which the first can write. */
static FIBER_FN void second_main(struct store *s, void *arg)
{
	const struct sim_reserve_faults lies = { .preempt_lies = true };
	struct world *w = world_of(s);
	struct host third;
	uint64_t other;

	world_up(w);
	host_open(w, "third", &third);
	other = key_of(w, "other");
	host_join(&w->victim, w->key);
	host_join(&w->other, other);
	host_join(&third, key_of(w, "third"));
	faults(w, &keeps);
	fence_it(w, other);
	host_leave(&w->victim, w->key);
	fence_fails(w);
	for (unsigned int i = 0; i < DISKS; i++) {
		assert_int_equal(host_write(&w->other, i), -EBADE);
		assert_int_equal(host_write(&third, i), 0);
	}
	/* When nobody else is registered there is another way. */
	faults(w, &lies);
	for (unsigned int i = 0; i < DISKS; i++)
		assert_int_equal(reserver_unregister(third.res[i], key_of(w, "third")), 0);
	fence_it(w, w->key);
	check_fenced(w);
	assert_int_equal(host_write(&w->other, 0), -EBADE);
	host_close(&third);
	world_down(w);
}

/* Whose host it is has been seen: another one's stands against no fence. */
static FIBER_FN void known_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);
	uint64_t other;

	w->opt.watch_ns = 60 * 1000 * MS;
	world_up(w);
	other = key_of(w, "other");
	host_join(&w->other, other);
	fiber_sleep_ns(61 * 1000 * MS);
	faults(w, &keeps);
	host_leave(&w->other, other);
	fence_it(w, w->key);
	for (unsigned int i = 0; i < DISKS; i++)
		assert_int_equal(host_write(&w->other, i), 0);
	world_down(w);
}

/* One that nobody has seen with a key, but the victim was seen, and is another: it can be proved while others are
 * fenced. */
static FIBER_FN void leftover_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);
	struct host third, fourth;
	uint64_t third_key;

	world_up(w);
	host_open(w, "third", &third);
	host_open(w, "fourth", &fourth);
	third_key = key_of(w, "third");
	faults(w, &keeps);
	host_join(&third, third_key);
	host_join(&fourth, key_of(w, "fourth"));
	host_join(&w->victim, w->key);
	fence_it(w, third_key);
	host_join(&w->other, key_of(w, "other"));
	host_leave(&w->other, key_of(w, "other"));
	fence_it(w, w->key);
	check_fenced(w);
	assert_int_equal(host_write(&third, 0), -EBADE);
	assert_int_equal(host_write(&fourth, 0), 0);
	host_close(&third);
	host_close(&fourth);
	world_down(w);
}

/* A fenced host registers by itself and unregisters, between two looks. */
static FIBER_FN void back_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);

	w->opt.watch_ns = 60 * 1000 * MS;
	world_up(w);
	host_join(&w->victim, w->key);
	faults(w, &keeps);
	fence_it(w, w->key);
	host_join(&w->victim, w->key);
	host_leave(&w->victim, w->key);
	fiber_sleep_ns(100 * 1000 * MS);
	check_fenced(w);
	world_down(w);
}

static FIBER_FN void come_and_go(struct world *w)
{
	host_leave(&w->victim, w->key);
	for (unsigned int i = 0; i < DISKS; i++) {
		assert_int_equal(reserver_register(w->victim.res[i], w->key), -EBUSY);
		fence_welcome(w->fence, i);
	}
	host_join(&w->victim, w->key);
	for (unsigned int i = 0; i < DISKS; i++)
		assert_int_equal(host_write(&w->other, i), 0);
}

/* It comes again, and may register. */
static FIBER_FN void welcome_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);
	uint64_t other;

	world_up(w);
	other = key_of(w, "other");
	host_join(&w->victim, w->key);
	host_join(&w->other, other);
	faults(w, &keeps);
	come_and_go(w);
	come_and_go(w);
	/* After a fence there is a reservation of all registrants. */
	fence_it(w, other);
	assert_int_equal(fence_lift(w->fence, other), 0);
	host_join(&w->other, other);
	come_and_go(w);
	world_down(w);
}

FENCE_TEST(keyless)
FENCE_TEST(hangs)
FENCE_TEST(second)
FENCE_TEST(known)
FENCE_TEST(leftover)
FENCE_TEST(back)
FENCE_TEST(welcome)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keyless), cmocka_unit_test(test_hangs),	 cmocka_unit_test(test_second),
		cmocka_unit_test(test_known),	cmocka_unit_test(test_leftover), cmocka_unit_test(test_back),
		cmocka_unit_test(test_welcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
