/* SPDX-License-Identifier: Apache-2.0 */

/* See the header: the counting item, the record of operations since the last mount, and the comparison after one. */

#include "tests/lib/tree_life.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"

#define OP_SIZE offsetof(struct tree_op, got)

struct counted {
	struct tree_life *life;
	struct tree_op op;
	uint64_t nr; /* this operation's */
};

/* The counter first, since the operation's last act is the change of the model. */
static int counted_body(struct txn *txn, void *arg)
{
	struct counted *c = arg;
	struct tree_life *life = c->life;
	int err;

	err = tally_put(txn, &life->tally, &c->nr);
	if (!err)
		err = tree_op_body(txn, &c->op);
	if (err)
		return err;
	CHECK(c->nr - life->tally.base_nr <= TREE_LIFE_OPS);
	memcpy(life->log + (c->nr - life->tally.base_nr - 1) * OP_SIZE, &c->op, OP_SIZE);
	life->tally.nr = c->nr;
	return 0;
}

static int root_body(struct txn *txn, void *arg)
{
	return inode_get(txn, INO_ROOT, arg);
}

struct tree_life *tree_life_new(struct store *store, struct dice dice)
{
	struct tree_life *life;
	struct inode root;

	life = calloc(1, sizeof(*life));
	CHECK(life != NULL);
	life->log = malloc(TREE_LIFE_OPS * OP_SIZE);
	CHECK(life->log != NULL);
	life->store = store;
	life->tally.store = store;
	life->dice = dice;
	CHECK_EQ(txn_read(store->fs, root_body, &root), 0);
	tree_init(&life->tree, &root);
	life->base_tree = life->tree;
	return life;
}

void tree_life_free(struct tree_life *life)
{
	free(life->log);
	free(life);
}

static bool is_trouble(int err)
{
	return err == -EIO || err == -EROFS || err == -ENOMEM || err == -ENOSPC;
}

FIBER_FN static int life_change(struct tree_life *life, struct counted *c, uint64_t wait_odds)
{
	struct txn_options opt = { .name = "model",
				   .log_max = tree_op_log(&c->op) + TALLY_LOG,
				   .frees_space = tree_op_frees(&c->op) };
	uint64_t seq;
	int err;

	err = txn_run(life->store->fs, &opt, counted_body, c, &seq);
	if (err)
		return err;
	CHECK_EQ(seq, c->op.seq);
	if (dice_below(&life->dice, wait_odds))
		return 0;
	return tally_wait(&life->tally, c->nr, seq);
}

int tree_life_step(struct tree_life *life, uint64_t wait_odds)
{
	struct counted c = { .life = life };
	int err;

	tree_op_draw(&life->tree, &life->dice, &c.op);
	if (tree_op_changes(&c.op))
		err = life_change(life, &c, wait_odds);
	else
		err = txn_read(life->store->fs, tree_op_body, &c.op);
	if (is_trouble(err))
		return err;
	if (err != c.op.err)
		tree_fail("a transaction returned %d, its body %d", err, c.op.err);
	return 0;
}

static void life_replay(struct tree_life *life, uint64_t nr_ops)
{
	life->tree = life->base_tree;
	for (uint64_t i = 0; i < nr_ops; i++) {
		struct tree_op op;

		memset(&op, 0, sizeof(op));
		memcpy(&op, life->log + i * OP_SIZE, OP_SIZE);
		tree_op_replay(&life->tree, &op);
	}
	memset(life->tree.readers, 0, sizeof(life->tree.readers));
}

void tree_life_mounted(struct tree_life *life, bool crash)
{
	uint64_t base_nr = life->tally.base_nr;

	tally_mounted(&life->tally, crash);
	if (crash)
		life_replay(life, life->tally.nr - base_nr);
	life->base_tree = life->tree;
}

void tree_life_check(struct tree_life *life)
{
	struct tree_check check = { .tree = &life->tree };
	uint64_t used = 0, orphans = 0;
	struct fs_stats stats;

	for (check.node = 0; check.node < TREE_NODES; check.node++)
		CHECK_EQ(txn_read(life->store->fs, tree_check_node_body, &check), 0);
	CHECK_EQ(txn_read(life->store->fs, tree_check_orphans_body, &check), 0);
	fs_stats(life->store->fs, &stats);
	for (unsigned int i = 0; i < TREE_NODES; i++) {
		used += life->tree.nodes[i].used;
		orphans += life->tree.nodes[i].used && life->tree.nodes[i].inode.nlink == 0;
	}
	CHECK_EQ(stats.inodes, used);
	CHECK_EQ(stats.orphans, orphans);
}
