/* SPDX-License-Identifier: Apache-2.0 */

/* Promises nothing of its own. */

#include "tests/lib/life.h"

#include "extent/check_run.h"
#include "tests/lib/check.h"

void life_begin(struct life *life, enum life_kind kind, struct store *store, struct dice dice)
{
	*life = (struct life){ .store = store };
	if (kind == LIFE_NAMES)
		life->tree = tree_life_new(store, dice);
	else
		life->map = map_life_new(store, dice);
}

void life_end(struct life *life)
{
	if (life->tree)
		tree_life_free(life->tree);
	else
		map_life_free(life->map);
}

int life_step(struct life *life, uint64_t wait_odds)
{
	return life->tree ? tree_life_step(life->tree, wait_odds) : map_life_step(life->map, wait_odds);
}

void life_mounted(struct life *life, bool crash)
{
	if (life->tree)
		tree_life_mounted(life->tree, crash);
	else
		map_life_mounted(life->map, crash);
}

static void say(void *arg, enum check_severity severity, const char *sentence)
{
	if (severity == CHECK_ERROR) /* an empty leaf may stay while its neighbours are not in memory */
		fprintf(stderr, "check: %s\n", sentence);
}

FIBER_FN static void life_walk(struct life *life)
{
	struct check_options opt = { .report = say };
	struct check_result res;

	CHECK_EQ(check_run(life->store->fs, &opt, &res), 0);
	CHECK_EQ(res.errors, 0);
	if (!life->map)
		return;
	CHECK_EQ(res.reserved_blocks, map_model_cow_blocks(&life->map->model));
	CHECK_EQ(res.data_blocks, life->map->model.owned - res.reserved_blocks);
	CHECK_EQ(res.limbo_blocks, life->map->model.limbo[0] + life->map->model.limbo[1] + life->map->eaten);
}

void life_check(struct life *life, bool walk)
{
	if (life->tree)
		tree_life_check(life->tree);
	else
		map_life_check(life->map);
	if (walk)
		life_walk(life);
}

const struct tally *life_tally(const struct life *life)
{
	return life->tree ? &life->tree->tally : &life->map->tally;
}
