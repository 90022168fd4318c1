/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What operations on a file's contents ask about layouts, with the blocks locked.  Promise: blocks that a lost layout
 * may still write only leave the file, and go to limbo; nothing else is done with them (I3, I4).
 */

#include "mds/layout_guard.h"

#include "mds/layout_recall.h"

static nfsstat4 guard_ask(const struct layout_guard *g, uint64_t ino, uint64_t first, uint64_t end,
			  enum layout_clash clash)
{
	if (first >= end)
		return NFS4_OK;
	if (g->c)
		return layout_check_op(g->c, ino, first, end, clash);
	return layout_check(g->mds, g->client, ino, first, end, end, clash);
}

static bool guard_answers(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end)
{
	const struct layout_guard *g = container_of(guard, struct layout_guard, guard);

	return layout_conflict(file_find(g->mds, ino), NULL, first, end, GRANT_RW | GRANT_LATE) != NULL;
}

static int guard_check(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end,
		       enum data_touch touch)
{
	const struct layout_guard *g = container_of(guard, struct layout_guard, guard);
	uint64_t from, to;
	nfsstat4 status;

	if (g->quiet && touch == DATA_TAIL)
		return guard_answers(guard, ino, first, end) ? -EBUSY : 0;
	if (g->quiet)
		return layout_conflict(file_find(g->mds, ino), NULL, first, end, GRANT_ANY) ? -EBUSY : 0;
	if (touch == DATA_OVERWRITE)
		return guard_ask(g, ino, first, end, LAYOUT_CLASH_WRITE) ? -EBUSY : 0;
	if (touch == DATA_TAIL)
		return guard_ask(g, ino, first, end, LAYOUT_CLASH_TAIL) ? -EBUSY : 0;
	if (touch == DATA_FILL)
		return guard_ask(g, ino, first, end, LAYOUT_CLASH_FILL) ? -EBUSY : 0;
	if (ino != g->frees_ino || g->frees_first >= g->frees_end)
		return guard_ask(g, ino, first, end, LAYOUT_CLASH_REMAP) ? -EBUSY : 0;
	from = min_u64(max_u64(first, g->frees_first), end);
	to = max_u64(min_u64(end, g->frees_end), from);
	/* All are asked for at once, whichever is in the way. */
	status = guard_ask(g, ino, from, to, LAYOUT_CLASH_FREE);
	if (guard_ask(g, ino, first, from, LAYOUT_CLASH_REMAP))
		status = NFS4ERR_DELAY;
	if (guard_ask(g, ino, to, end, LAYOUT_CLASH_REMAP))
		status = NFS4ERR_DELAY;
	return status ? -EBUSY : 0;
}

static bool guard_held(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end)
{
	const struct layout_guard *g = container_of(guard, struct layout_guard, guard);

	return layout_conflict(file_find(g->mds, ino), NULL, first, end, g->held) != NULL;
}

void layout_guard_init(struct layout_guard *guard, struct compound *c)
{
	*guard = (struct layout_guard){
		.guard = { .check = guard_check, .held = guard_held, .answers = guard_answers },
		.c = c,
		.mds = c->mds,
		.client = c->client,
		.held = GRANT_RW,
	};
}

void layout_guard_init_own(struct layout_guard *guard, struct mds *mds, bool quiet)
{
	*guard = (struct layout_guard){
		.guard = { .check = guard_check, .held = guard_held, .answers = guard_answers },
		.mds = mds,
		.quiet = quiet,
		.held = GRANT_RW,
	};
}
