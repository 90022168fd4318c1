/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_TREE_LIFE_H
#define LAMINA_TESTS_LIB_TREE_LIFE_H

/*
 * The life of a tree of names (tests/lib/tree_model.h) in a store, through mounts and crashes.  Each committed
 * operation also counts in an item of its own; so after a crash that item says which of them are there, these are
 * made once more on the state of the last mount, and the store must hold exactly that: nothing promised is missing,
 * nothing is there by half.
 */

#include "tests/lib/tally.h"
#include "tests/lib/tree_model.h"

#define TREE_LIFE_OPS 8192 /* changes between two mounts, at most */

struct tree_life {
	struct store *store;
	struct dice dice;
	struct tree tree;
	struct tally tally;
	struct tree base_tree; /* at the last mount */
	uint8_t *log;	       /* of the operations since */
};

/* @store is mounted, newly formatted. */
FIBER_FN struct tree_life *tree_life_new(struct store *store, struct dice dice);
void tree_life_free(struct tree_life *life);
/*
 * A random operation, one time in @wait_odds with waiting for its durability.  0: it did what the model says, or
 * trouble: -EIO, -EROFS, -ENOMEM, -ENOSPC.  Several fibers may step one life.
 */
FIBER_FN int tree_life_step(struct tree_life *life, uint64_t wait_odds) MUST_CHECK;
/* The store has been mounted again, with @crash after something that may have cost what was not promised. */
FIBER_FN void tree_life_mounted(struct tree_life *life, bool crash);
/* Compare all. */
FIBER_FN void tree_life_check(struct tree_life *life);

#endif
