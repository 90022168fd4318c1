/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model test of names, attributes and directories: random operations against the model, with restarts and errors
 * injected, few hashes so that names collide, and directories read while they change.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "extent/namehash.h"
#include "tests/lib/tree_model.h"
#include "tests/mock/call.h"

#define STEPS	    300000u
#define CHECK_EVERY 5000u

static struct mock_store store;
static struct tree tree;

static int run_read(int (*body)(struct txn *txn, void *arg), void *arg)
{
	int err;

	do
		err = mock_read(&store, body, arg);
	while (err == -EIO || err == -ENOMEM);
	return err;
}

static void check_all(void)
{
	struct tree_check check = { .tree = &tree };
	uint64_t items;

	for (check.node = 0; check.node < TREE_NODES; check.node++)
		assert_int_equal(run_read(tree_check_node_body, &check), 0);
	assert_int_equal(run_read(tree_check_orphans_body, &check), 0);
	if (tree_count_items(&tree, &items))
		assert_int_equal(items, store.nr_items);
}

static void step(struct dice *dice)
{
	struct tree_op op;
	int err;

	tree_op_draw(&tree, dice, &op);
	store.log_max = tree_op_log(&op);
	store.fail_at = dice_below(dice, 20) ? 0 : 1 + dice_below(dice, 30);
	store.fail_err = dice_below(dice, 2) ? -EIO : -ENOMEM;
	err = mock_run(&store, tree_op_body, &op);
	store.fail_at = 0;
	if (err != op.err)
		tree_fail("the body returned %d, not %d", op.err, err);
}

static void run(struct dice dice, unsigned int hash_bits, unsigned int restart_odds)
{
	struct inode root;

	call_init(&store);
	namehash_narrow(hash_bits);
	store.dice = dice_roll(&dice);
	store.restart_odds = restart_odds;
	root = call_inode(&store, INO_ROOT);
	tree_init(&tree, &root);
	for (unsigned int i = 0; i < STEPS; i++) {
		step(&dice);
		if (i % CHECK_EVERY == 0)
			check_all();
	}
	check_all();
	mock_release(&store);
	namehash_narrow(64);
	print_message("%u operations\n", STEPS);
}

static void test_wide(void **state)
{
	run(dice_seed(1), 64, 0);
}

static void test_restarts(void **state)
{
	run(dice_seed(2), 64, 40);
}

static void test_collisions(void **state)
{
	run(dice_seed(3), 2, 200);
}

static void test_one_hash(void **state)
{
	run(dice_seed(4), 1, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_restarts),
		cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_one_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
