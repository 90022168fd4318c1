/* SPDX-License-Identifier: Apache-2.0 */

/* What operations on a file's contents ask about layouts, with the blocks locked. */

#include "mds/layout_guard.h"

#include "mds/layout_recall.h"

static enum layout_clash clash_of(const struct layout_guard *g, uint64_t ino, enum data_touch touch)
{
	if (touch == DATA_OVERWRITE)
		return LAYOUT_CLASH_WRITE;
	return g->remap == LAYOUT_CLASH_FREE && ino == g->ino ? LAYOUT_CLASH_FREE : LAYOUT_CLASH_REMAP;
}

static int guard_check(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end,
		       enum data_touch touch)
{
	const struct layout_guard *g = container_of(guard, struct layout_guard, guard);
	enum layout_clash clash = clash_of(g, ino, touch);
	nfsstat4 status;

	if (g->quiet)
		return layout_conflict(file_find(g->mds, ino), NULL, first, end, GRANT_ANY) ? -EBUSY : 0;
	if (g->c)
		status = layout_check_op(g->c, ino, first, end, clash);
	else
		status = layout_check(g->mds, g->client, ino, first, end, clash);
	return status ? -EBUSY : 0;
}

void layout_guard_init(struct layout_guard *guard, struct compound *c)
{
	*guard = (struct layout_guard){
		.guard.check = guard_check,
		.c = c,
		.mds = c->mds,
		.client = c->client,
		.remap = LAYOUT_CLASH_REMAP,
	};
}

void layout_guard_init_own(struct layout_guard *guard, struct mds *mds, bool quiet)
{
	*guard = (struct layout_guard){
		.guard.check = guard_check,
		.mds = mds,
		.remap = LAYOUT_CLASH_REMAP,
		.quiet = quiet,
	};
}
