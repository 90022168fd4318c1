/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model test through the whole store: several fibers run random operations on one tree of names, with a cache so
 * small that bodies are restarted all the time, through checkpoints, clean mounts and power cuts.  Each committed
 * operation also counts in an item of its own; so after a crash that item says which of them are there, these are
 * made once more on the state of the last mount, and the store must hold exactly that: nothing promised is missing,
 * nothing is there by half.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "extent/namehash.h"
#include "extent/orphan.h"
#include "tests/lib/store.h"
#include "tests/lib/tree_model.h"

#define FIBERS_MAX 8
#define LOG_MAX	   8192 /* operations between two mounts */

#define OP_SIZE	   offsetof(struct tree_op, got)

struct world {
	struct store *store;
	struct dice dice;
	struct tree tree;
	uint64_t nr;	       /* operations committed */
	struct tree base_tree; /* at the last mount */
	uint64_t base_nr;
	uint64_t durable_nr; /* promised */
	uint8_t *log;	     /* OP_SIZE bytes each of the operations since */
	uint64_t left;	     /* to do before the next mount */
	bool down;	     /* the store has failed, as it should after a power cut */
	uint64_t crashes, mounts, restarts, lost, evictions, checkpoints;
};

static struct key counter_key(void)
{
	return key_make(ZONE_STATE, 0, 0, 0);
}

struct counted {
	struct world *world;
	struct tree_op op;
	uint64_t nr; /* this operation's */
};

/* The counter first, since the operation's last act is the change of the model. */
static int counted_body(struct txn *txn, void *arg)
{
	struct counted *c = arg;
	struct world *w = c->world;
	uint64_t nr = w->nr + 1;
	int err;

	err = txn_put(txn, counter_key(), &nr, sizeof(nr));
	if (!err)
		err = tree_op_body(txn, &c->op);
	if (err)
		return err;
	if (nr - w->base_nr > LOG_MAX)
		tree_fail("too many operations between two mounts");
	memcpy(w->log + (nr - w->base_nr - 1) * OP_SIZE, &c->op, OP_SIZE);
	w->nr = c->nr = nr;
	return 0;
}

static int counter_body(struct txn *txn, void *arg)
{
	struct item item;
	int err;

	err = txn_get(txn, counter_key(), &item);
	if (!err)
		memcpy(arg, item.val, sizeof(uint64_t));
	return err;
}

FIBER_FN static int step_change(struct world *w, struct counted *c)
{
	struct txn_options opt = { .name = "model",
				   .log_max = tree_op_log(&c->op) + 28,
				   .frees_space = tree_op_frees(&c->op) };
	uint64_t seq;
	int err;

	c->op.err = 0;
	err = txn_run(w->store->fs, &opt, counted_body, c, &seq);
	if (err)
		return err;
	if (seq != c->op.seq)
		tree_fail("a transaction has number %" PRIu64 " and said %" PRIu64, seq, c->op.seq);
	if (dice_below(&w->dice, 4))
		return 0;
	err = txn_wait_durable(w->store->fs, seq);
	if (!err)
		w->durable_nr = max_u64(w->durable_nr, c->nr);
	return err;
}

static bool is_down(int err)
{
	return err == -EIO || err == -EROFS;
}

FIBER_FN static void worker(void *arg)
{
	struct world *w = arg;
	struct counted c = { .world = w };
	int err;

	while (w->left > 0 && !w->down) {
		w->left--;
		tree_op_draw(&w->tree, &w->dice, &c.op);
		if (tree_op_changes(&c.op))
			err = step_change(w, &c);
		else
			err = txn_read(w->store->fs, tree_op_body, &c.op);
		if (is_down(err) && !sim_disk_has_power(w->store->disks[0]))
			w->down = true;
		else if (err && err != c.op.err)
			tree_fail("a transaction returned %d, its body %d", err, c.op.err);
		else if (err == -ENOSPC || is_down(err))
			tree_fail("a transaction returned %d", err);
		if (!dice_below(&w->dice, 64))
			fiber_sleep_ns(dice_below(&w->dice, 3000000));
	}
}

FIBER_FN static void work(struct world *w)
{
	struct fiber *fibers[FIBERS_MAX];
	unsigned int nr = 1 + (unsigned int)dice_below(&w->dice, FIBERS_MAX);

	w->left = dice_below(&w->dice, 4000);
	w->down = false;
	for (unsigned int i = 0; i < nr; i++)
		assert_int_equal(fiber_spawn(w->store->r, "worker", worker, w, &fibers[i]), 0);
	for (unsigned int i = 0; i < nr; i++)
		fiber_join(fibers[i]);
}

FIBER_FN static void check_all(struct world *w)
{
	struct tree_check check = { .tree = &w->tree };
	struct fs_stats stats;
	uint64_t used = 0, orphans = 0;

	for (check.node = 0; check.node < TREE_NODES; check.node++)
		assert_int_equal(txn_read(w->store->fs, tree_check_node_body, &check), 0);
	assert_int_equal(txn_read(w->store->fs, tree_check_orphans_body, &check), 0);
	fs_stats(w->store->fs, &stats);
	for (unsigned int i = 0; i < TREE_NODES; i++) {
		used += w->tree.nodes[i].used;
		orphans += w->tree.nodes[i].used && w->tree.nodes[i].inode.nlink == 0;
	}
	assert_int_equal(stats.inodes, used);
	assert_int_equal(stats.orphans, orphans);
}

/* What is in the store decides which operations have happened. */
FIBER_FN static void roll_back(struct world *w)
{
	uint64_t nr = 0;
	int err;

	err = txn_read(w->store->fs, counter_body, &nr);
	assert_true(err == 0 || err == -ENOENT);
	if (nr < w->durable_nr || nr > w->nr)
		tree_fail("%" PRIu64 " operations are there; %" PRIu64 " were promised, %" PRIu64 " made", nr,
			  w->durable_nr, w->nr);
	w->lost += w->nr - nr;
	w->tree = w->base_tree;
	for (uint64_t i = w->base_nr; i < nr; i++) {
		struct tree_op op;

		memcpy(&op, w->log + (i - w->base_nr) * OP_SIZE, OP_SIZE);
		tree_op_replay(&w->tree, &op);
	}
	memset(w->tree.readers, 0, sizeof(w->tree.readers));
	w->nr = nr;
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
	if (store_mount(w->store))
		tree_fail("mount: %s", w->store->why.text);
	if (crash)
		roll_back(w);
	else
		w->durable_nr = w->nr;
	w->base_tree = w->tree;
	w->base_nr = w->nr;
	w->mounts++;
	w->crashes += crash;
}

static int root_body(struct txn *txn, void *arg)
{
	return inode_get(txn, INO_ROOT, arg);
}

FIBER_FN static void start(struct world *w)
{
	struct inode root;

	store_format(w->store);
	assert_int_equal(store_mount(w->store), 0);
	assert_int_equal(txn_read(w->store->fs, root_body, &root), 0);
	tree_init(&w->tree, &root);
	w->base_tree = w->tree;
}

FIBER_FN static void live(struct store *s, void *arg)
{
	struct world *w = arg;
	uint64_t rounds = 100;

	w->store = s;
	start(w);
	for (uint64_t i = 0; i < rounds; i++) {
		bool crash = dice_below(&w->dice, 2);

		if (crash)
			sim_disk_power_off_at(s->disks[0], 1 + dice_below(&w->dice, 600), true, SIM_POWER_ERRORS);
		work(w);
		if (!crash)
			check_all(w);
		mount_again(w, crash);
		check_all(w);
	}
	note_stats(w);
	store_unmount(s);
}

static void run(uint64_t fallback, const struct store_config *shape, unsigned int hash_bits)
{
	struct store_config cfg = *shape;
	struct world *w;
	struct store s;

	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->log = malloc(LOG_MAX * OP_SIZE);
	assert_non_null(w->log);
	w->dice = dice_seed(fallback);
	cfg.seed = dice_roll(&w->dice);
	namehash_narrow(hash_bits);
	store_init(&s, &cfg);
	store_run(&s, live, w);
	store_release(&s);
	namehash_narrow(64);
	print_message("%" PRIu64 " operations kept, %" PRIu64 " lost, %" PRIu64 " mounts, %" PRIu64
		      " of them after a power cut, %" PRIu64 " restarts, %" PRIu64 " evictions, %" PRIu64
		      " checkpoints\n",
		      w->nr, w->lost, w->mounts, w->crashes, w->restarts, w->evictions, w->checkpoints);
	free(w->log);
	free(w);
}

static void test_small_cache(void **state)
{
	run(11, &(struct store_config){ .mount = { .cache_bytes = 1 << 20 } }, 64);
}

static void test_collisions(void **state)
{
	run(12, &(struct store_config){ .mount = { .checkpoint_log_bytes = 64 << 10 } }, 2);
}

static void test_two_disks(void **state)
{
	run(13, &(struct store_config){ .nr_disks = 2, .disk_size = 32 << 20 }, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_cache),
		cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_two_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
