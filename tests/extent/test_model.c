/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model test through the whole store: several fibers run random operations on one tree of names or on the maps of
 * files, with a cache so small that bodies are restarted all the time, through checkpoints, clean mounts and power
 * cuts.  LAMINA_SCALE in the environment makes it so many times as long.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "extent/namehash.h"
#include "tests/lib/check.h"
#include "tests/lib/life.h"
#include "tests/lib/tree_model.h"

#define FIBERS_MAX 8
#define ROUNDS	   100
#define FILLERS	   16000 /* items of 200 bytes, some 60 to a leaf */
#define FILLERS_AT 1000

struct world {
	struct store *store;
	enum life_kind kind;
	struct life life;
	uint64_t rounds, steps;
	struct dice dice;
	uint64_t left; /* operations to do before the next mount */
	bool filled;
	uint64_t leave; /* blocks of free space; 0: all */
	bool crash;	/* the power goes in this round */
	bool down;	/* the store has failed, as it should after a power cut */
	uint64_t crashes, restarts, evictions, checkpoints;
	uint64_t grown; /* devices that were added */
	uint64_t begun; /* and that were not, because the power went */
};

/* Items that are not the model's, so many that going through them drives everything else out of the cache. */

static struct key filler_key(uint64_t i)
{
	return key_make(ZONE_STATE, 0, 0, FILLERS_AT + i);
}

static int fill_body(struct txn *txn, void *arg)
{
	static const uint8_t val[200];
	uint64_t from = *(const uint64_t *)arg;
	int err = 0;

	for (uint64_t i = from; i < from + 250 && !err; i++)
		err = txn_put(txn, filler_key(i), val, sizeof(val));
	return err;
}

FIBER_FN static void fill(struct store *s)
{
	for (uint64_t i = 0; i < FILLERS; i += 250)
		CHECK_EQ(txn_run(s->fs, NULL, fill_body, &i, NULL), 0);
}

static int look_body(struct txn *txn, void *arg)
{
	struct item item;

	return txn_get(txn, filler_key(*(const uint64_t *)arg), &item);
}

FIBER_FN static void drive_out(struct world *w)
{
	for (uint64_t i = 0; i < FILLERS && !w->down; i += 60)
		if (txn_read(w->store->fs, look_body, &i))
			w->down = true;
}

static bool has_power(const struct store *s)
{
	for (unsigned int i = 0; i < s->cfg.nr_disks + s->cfg.nr_spare; i++)
		if (!sim_disk_has_power(s->disks[i]))
			return false;
	return true;
}

FIBER_FN static void worker(void *arg)
{
	struct world *w = arg;

	while (w->left > 0 && !w->down) {
		int err;

		w->left--;
		w->steps++;
		err = life_step(&w->life, 4);
		if (err && has_power(w->store))
			tree_fail("an operation gave %d with nothing wrong", err);
		if (err)
			w->down = true;
		if (w->filled && !w->down && !dice_below(&w->dice, 200))
			drive_out(w);
		if (!dice_below(&w->dice, 64))
			fiber_sleep_ns(dice_below(&w->dice, 3000000));
	}
}

/* Some time while the others work. */
FIBER_FN static void grower(void *arg)
{
	struct world *w = arg;
	struct store *s = w->store;
	int err;

	fiber_sleep_ns(dice_below(&w->dice, 50000000));
	/* In the middle of it. */
	if (w->crash && has_power(s))
		sim_disk_power_off_at(s->disks[dice_below(&w->dice, s->cfg.nr_disks + 1)],
				      1 + dice_below(&w->dice, 12), true, SIM_POWER_ERRORS);
	err = w->down ? 0 : store_grow(s);
	if (err && has_power(s))
		tree_fail("growing gave %d with nothing wrong: %s", err, s->why.text);
	w->begun += err != 0;
}

FIBER_FN static void work(struct world *w)
{
	bool grows = w->store->cfg.nr_spare > 0 && dice_below(&w->dice, 2);
	struct fiber *fibers[FIBERS_MAX + 1];
	unsigned int nr = 1 + (unsigned int)dice_below(&w->dice, FIBERS_MAX);

	w->left = dice_below(&w->dice, 4000);
	w->down = false;
	for (unsigned int i = 0; i < nr; i++)
		CHECK_EQ(fiber_spawn(w->store->r, "worker", worker, w, &fibers[i]), 0);
	if (grows)
		CHECK_EQ(fiber_spawn(w->store->r, "grower", grower, w, &fibers[nr++]), 0);
	for (unsigned int i = 0; i < nr; i++)
		fiber_join(fibers[i]);
}

static void note_stats(struct world *w)
{
	struct fs_stats stats;

	fs_stats(w->store->fs, &stats);
	w->restarts += stats.restarts;
	w->evictions += stats.cache_evictions;
	w->checkpoints += stats.ckpt.nr;
}

FIBER_FN static void mount_again(struct world *w, bool crash)
{
	note_stats(w);
	if (crash)
		store_power_cut(w->store, dice_roll(&w->dice));
	else
		store_unmount(w->store);
	if (store_mount_grown(w->store))
		tree_fail("mount: %s", w->store->why.text);
	life_mounted(&w->life, crash);
	w->crashes += crash;
}

FIBER_FN static void live(struct store *s, void *arg)
{
	struct world *w = arg;

	w->store = s;
	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	w->filled = w->kind == LIFE_MAPS && s->cfg.nr_disks + s->cfg.nr_spare == 1 && !w->leave;
	if (w->filled)
		fill(s);
	life_begin(&w->life, w->kind, s, w->dice);
	if (w->leave)
		map_life_eat(w->life.map, w->leave);
	dice_roll(&w->dice);
	for (uint64_t i = 0; i < w->rounds; i++) {
		bool crash = w->crash = dice_below(&w->dice, 2);

		if (crash)
			sim_disk_power_off_at(s->disks[dice_below(&w->dice, s->cfg.nr_disks)],
					      1 + dice_below(&w->dice, 600), true, SIM_POWER_ERRORS);
		work(w);
		if (!crash)
			life_check(&w->life, i % 8 == 0);
		mount_again(w, crash);
		life_check(&w->life, i % 4 == 0 || crash);
	}
	note_stats(w);
	store_unmount(s);
}

static uint64_t scale(void)
{
	const char *text = getenv("LAMINA_SCALE");

	return text ? strtoull(text, NULL, 0) : 1;
}

static void run_world(struct world *w, const struct store_config *shape, unsigned int hash_bits)
{
	struct store_config cfg = *shape;
	struct store s;

	cfg.seed = dice_roll(&w->dice);
	namehash_narrow(hash_bits);
	store_init(&s, &cfg);
	store_run(&s, live, w);
	w->grown = cfg.nr_spare - s.cfg.nr_spare;
	store_release(&s);
	namehash_narrow(64);
	print_message("%" PRIu64 " steps: %" PRIu64 " changes kept, %" PRIu64 " lost; %" PRIu64 " mounts, %" PRIu64
		      " of them after a power cut; %" PRIu64 " restarts, %" PRIu64 " evictions, %" PRIu64
		      " checkpoints\n",
		      w->steps, life_tally(&w->life)->nr, life_tally(&w->life)->lost, w->rounds, w->crashes,
		      w->restarts, w->evictions, w->checkpoints);
	if (w->leave)
		CHECK(w->life.map->nospace > 1000);
	life_end(&w->life);
}

static void run_full(uint64_t fallback, enum life_kind kind, const struct store_config *shape, unsigned int hash_bits,
		     uint64_t leave)
{
	struct world w = { .kind = kind, .leave = leave, .dice = dice_seed(fallback), .rounds = ROUNDS * scale() };

	run_world(&w, shape, hash_bits);
}

static void run(uint64_t fallback, enum life_kind kind, const struct store_config *shape, unsigned int hash_bits)
{
	run_full(fallback, kind, shape, hash_bits, 0);
}

static void test_small_cache(void **state)
{
	run(11, LIFE_NAMES, &(struct store_config){ .mount = { .cache_bytes = 1 << 20 } }, 64);
}

static void test_collisions(void **state)
{
	run(12, LIFE_NAMES, &(struct store_config){ .mount = { .checkpoint_log_bytes = 64 << 10 } }, 2);
}

static void test_two_disks(void **state)
{
	run(13, LIFE_NAMES, &(struct store_config){ .nr_disks = 2, .disk_size = 32 << 20 }, 64);
}

static void test_maps(void **state)
{
	run(14, LIFE_MAPS, &(struct store_config){ .mount = { .cache_bytes = 1 << 20 } }, 64);
}

static void test_maps_two_disks(void **state)
{
	run(15, LIFE_MAPS,
	    &(struct store_config){
		    .nr_disks = 2, .disk_size = 32 << 20, .mount = { .checkpoint_log_bytes = 64 << 10 } },
	    64);
}

/*
 * Devices are added meanwhile.  Short, and many times: a life grows three times at most.
 */
static void run_growing(uint64_t fallback, enum life_kind kind)
{
	const struct store_config shape = { .nr_spare = 3,
					    .disk_size = 24 << 20,
					    .mount = { .cache_bytes = 1 << 20, .checkpoint_log_bytes = 64 << 10 } };
	uint64_t grown = 0, begun = 0;

	for (uint64_t i = 0; i < 8 * scale(); i++) {
		struct world w = { .kind = kind, .dice = dice_seed(fallback + i), .rounds = 12 };

		run_world(&w, &shape, 64);
		grown += w.grown;
		begun += w.begun;
	}
	print_message("%" PRIu64 " devices added, %" PRIu64 " not quite\n", grown, begun);
	assert_true(grown > 8);
	assert_true(begun > 2);
}

static void test_growing(void **state)
{
	run_growing(20, LIFE_NAMES);
}

static void test_maps_growing(void **state)
{
	run_growing(30, LIFE_MAPS);
}

static void test_maps_full(void **state)
{
	run_full(16, LIFE_MAPS, &(struct store_config){ .nr_disks = 2, .disk_size = 16 << 20 }, 64, 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_cache),    cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_two_disks),      cmocka_unit_test(test_maps),
		cmocka_unit_test(test_maps_two_disks), cmocka_unit_test(test_maps_full),
		cmocka_unit_test(test_growing),	       cmocka_unit_test(test_maps_growing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
