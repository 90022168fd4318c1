/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The end of what was returned but may still be committed (GRANT_LATE), and of layouts whose file was closed.
 * Promise: space that was taken for a grant and never written goes back to the volume, once, and only when nobody can
 * write there any more; a crash in between leaves the grants, and the next start goes on.
 */

#include <stdlib.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "extent/data.h"
#include "extent/map.h"
#include "mds/layout_recall_int.h"
#include "mds/op_layout.h"

#define SETTLE_FIBERS_MAX 64u /* more are left to whoever needs the blocks */

#define SETTLE_LOOK	  64u /* extents that are looked at in one run */

/*
 * Whether all of it is committed: then nothing can come late, and no space is to be given back.  Space that was made
 * zeros ahead is written, too; what of it is still behind the end of file goes back.
 */
static int settle_is_written(struct txn *txn, uint64_t ino, const struct grant *run, bool *ret_written)
{
	struct map_extent extents[SETTLE_LOOK];
	uint64_t end = run->blk;
	struct inode inode;
	unsigned int nr;
	int err;

	*ret_written = false;
	err = inode_get(txn, ino, &inode);
	if (err)
		return err == -ENOENT ? 0 : err;
	if (run->bits & GRANT_FRESH && (run->blk + run->nr - 1) << DADDR_BLOCK_SHIFT >= inode.size)
		return 0;
	err = map_read(txn, ino, MAP_DATA, run->blk, run->nr, SETTLE_LOOK, extents, &nr);
	if (err)
		return err;
	for (unsigned int i = 0; i < nr; i++) {
		if (extents[i].state != MAP_WRITTEN || extents[i].shared)
			return 0;
		end = extents[i].blk + extents[i].nr;
	}
	*ret_written = end == run->blk + run->nr;
	return 0;
}

int layout_settle_written(struct txn *txn, uint64_t ino, uint64_t first, uint64_t end, struct grants *grants)
{
	const struct grant *run;

	while (first < end && (run = grants_find(grants, first, end, GRANT_LATE))) {
		const struct grant late = *run;
		struct grants next;
		bool written;
		int err;

		first = late.blk + late.nr;
		err = settle_is_written(txn, ino, &late, &written);
		if (!err && !written)
			continue;
		if (!err)
			err = grants_take(grants, late.blk, first, GRANT_LATE, false, &next);
		if (err)
			return err;
		grants_release(grants);
		*grants = next;
	}
	return 0;
}

/* Give back the fresh space of what is late. */
static FIBER_FN int settle_space(const struct layout_range *range)
{
	struct layout_guard guard;
	uint64_t at = range->first;
	int err = 0;

	layout_guard_init_own(&guard, range->mds, true);
	while (!err && at < range->end) {
		const struct layout *layout = layout_range_find(range);
		const struct grant *run = layout ? grants_find(&layout->grants, at, range->end, GRANT_LATE) : NULL;
		uint64_t first, end;

		if (!run)
			break;
		first = max_u64(run->blk, at);
		end = min_u64(run->blk + run->nr, range->end);
		if (run->bits & GRANT_FRESH && !(run->bits & GRANT_HELD))
			err = data_unreserve(range->mds->fs, layout->ino, layout->generation, first, end,
					     &guard.guard);
		if (err == -ESTALE)
			err = 0;
		at = end;
	}
	return err;
}

FIBER_FN int layout_settle(struct mds *mds, uint64_t number, uint64_t first, uint64_t end)
{
	const struct layout_range range = { .mds = mds, .number = number, .first = first, .end = end };
	int err = settle_space(&range);

	return err ? err : layout_take(&range, GRANT_LATE, false);
}

struct settle_later {
	struct mds *mds;
	uint64_t number;
};

static FIBER_FN void settle_main(void *arg)
{
	struct settle_later *later = arg;
	struct mds *mds = later->mds;
	int err = layout_settle(mds, later->number, 0, GRANT_END);

	if (err && err != -EROFS)
		log_warn("space of a returned layout cannot be given back now (error %d)", -err);
	free(later);
	mds->layouts->nr_settling--;
	mds->nr_fibers--;
	wait_queue_wake_all(&mds->idle);
}

void layout_settle_later(struct mds *mds, uint64_t number)
{
	struct settle_later *later;

	if (mds->stopping || mds->layouts->nr_settling >= SETTLE_FIBERS_MAX)
		return;
	later = malloc(sizeof(*later));
	if (!later)
		return;
	*later = (struct settle_later){ mds, number };
	if (fiber_spawn(mds->reactor, "settle", settle_main, later, NULL)) {
		free(later);
		return;
	}
	mds->layouts->nr_settling++;
	mds->nr_fibers++;
}

void layout_closed(struct mds *mds, struct client *client, uint64_t ino)
{
	struct file *file = file_find(mds, ino);
	struct layout *layout = layout_of(file, client);

	if (!layout || layout_is_open(file, client, false))
		return;
	if (grants_have(&layout->grants, GRANT_LATE))
		layout_settle_later(mds, layout->state.number);
}

/* The next one that is only late, of a file that its client has not open; 0: there is none. */
static uint64_t settle_next(const struct mds *mds, uint64_t after)
{
	const struct file *file, *next;
	uint64_t best = 0;

	HASH_ITER (hh, mds->files, file, next) {
		list_for_each (pos, &file->layouts) {
			const struct layout *layout = list_entry(pos, struct layout, by_file);
			uint64_t number = layout->state.number;

			if (number <= after || (best && number >= best) || grants_have(&layout->grants, GRANT_HELD) ||
			    layout_is_open(file, layout->state.client, false))
				continue;
			best = number;
		}
	}
	return best;
}

static FIBER_FN void settle_all_main(void *arg)
{
	struct mds *mds = arg;
	uint64_t number = 0;

	while (!mds->stopping && (number = settle_next(mds, number)) != 0)
		if (layout_settle(mds, number, 0, GRANT_END))
			break;
	mds->nr_fibers--;
	wait_queue_wake_all(&mds->idle);
}

int layout_settle_start(struct mds *mds)
{
	int err;

	if (settle_next(mds, 0) == 0)
		return 0;
	err = fiber_spawn(mds->reactor, "settle all", settle_all_main, mds, NULL);
	if (!err)
		mds->nr_fibers++;
	return err;
}
