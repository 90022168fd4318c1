/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_LIFE_H
#define LAMINA_TESTS_LIB_LIFE_H

/* A store with a model beside it, of names or of maps: what tests of the whole store need of either. */

#include "tests/lib/map_life.h"
#include "tests/lib/tree_life.h"

enum life_kind {
	LIFE_NAMES,
	LIFE_MAPS,
};

struct life {
	struct store *store;
	struct tree_life *tree; /* or NULL */
	struct map_life *map;	/* or NULL */
};

/* @store is mounted, newly formatted. */
FIBER_FN void life_begin(struct life *life, enum life_kind kind, struct store *store, struct dice dice);
void life_end(struct life *life);
FIBER_FN int life_step(struct life *life, uint64_t wait_odds) MUST_CHECK;
FIBER_FN void life_mounted(struct life *life, bool crash);
/* Compare with the model; and with @walk also check the whole volume, while nobody else uses it. */
FIBER_FN void life_check(struct life *life, bool walk);
const struct tally *life_tally(const struct life *life);

#endif
