/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Blocks that leave a file which lost layouts may still write (I3).  Promise: they are in limbo, with the file's
 * inode number as tag, until no lost layout of the file binds any more; also across a crash.
 */

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "extent/limbo.h"
#include "mds/layout_recall_int.h"

#define RELEASE_STEP 64u

bool layout_limbo_is_bound(const struct mds *mds, uint64_t ino)
{
	const struct file *file = mds->layouts ? file_find(mds, ino) : NULL;

	if (!file || file->nr_layouts == 0)
		return false;
	list_for_each (pos, &file->layouts) {
		const struct layout *layout = list_entry(pos, struct layout, by_file);

		if (layout->state.revoked && grants_have(&layout->grants, GRANT_HELD))
			return true;
	}
	return false;
}

uint64_t layout_limbo_tag(void *arg, uint64_t ino)
{
	return layout_limbo_is_bound(arg, ino) ? ino : LIMBO_NONE;
}

struct release_work {
	struct mds *mds;
	uint64_t ino;
	bool more;
};

static int release_limbo_body(struct txn *txn, void *arg)
{
	struct release_work *w = arg;

	w->more = false;
	/* Somebody may have lost another layout of it between two steps: then all waits for that one. */
	if (layout_limbo_is_bound(w->mds, w->ino))
		return 0;
	return limbo_release(txn, w->ino, RELEASE_STEP, &w->more);
}

FIBER_FN int layout_limbo_release(struct mds *mds, uint64_t ino)
{
	static const struct txn_options opt = {
		.name = "release limbo",
		.log_max = RELEASE_STEP * LIMBO_RELEASE_LOG,
		.frees_space = true,
	};
	struct release_work w = { .mds = mds, .ino = ino };
	int err;

	do {
		err = txn_run(mds->fs, &opt, release_limbo_body, &w, NULL);
	} while (!err && w.more);
	return err;
}

struct sweep_work {
	uint64_t from;
	struct limbo_run run;
};

static int sweep_body(struct txn *txn, void *arg)
{
	struct sweep_work *w = arg;

	return limbo_next(txn, w->from, 0, &w->run);
}

static FIBER_FN void sweep_main(void *arg)
{
	struct mds *mds = arg;
	struct sweep_work w = { .from = 0 };
	int err = 0;

	while (!mds->stopping && w.from <= LIMBO_TAG_MAX) {
		err = txn_read(mds->fs, sweep_body, &w);
		if (!err)
			err = layout_limbo_release(mds, w.run.tag);
		if (err)
			break;
		w.from = w.run.tag + 1;
	}
	if (err && err != -ENOENT && err != -EROFS)
		log_warn("blocks in limbo are not looked through: %s", strerror(-err));
	mds->nr_fibers--;
	wait_queue_wake_all(&mds->idle);
}

int layout_limbo_sweep(struct mds *mds)
{
	int err = fiber_spawn(mds->reactor, "limbo", sweep_main, mds, NULL);

	if (!err)
		mds->nr_fibers++;
	return err;
}
