/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One fiber that takes inodes without name and users apart.  The queue holds hints only, at most REAPER_QUEUE_MAX;
 * the list of orphans on disk is the truth, and is gone through at start and whenever a hint was lost.
 */

#include "mds/reaper.h"

#include <stdlib.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "extent/data.h"
#include "extent/orphan.h"
#include "mds/layout_recall.h"
#include "mds/state.h"

#define REAPER_QUEUE_MAX 4096u

struct reaper_hint {
	struct list link;
	uint64_t ino;
};

/*
 * A file that is held by layouts alone: nobody gives those back by himself.  As long as it is open they are of use,
 * and it comes here again when it is closed.
 */
static void reaper_ask(struct mds *mds, uint64_t ino)
{
	const struct file *file = file_find(mds, ino);

	if (file && file->nr_opens == 0 && file->nr_delegs == 0)
		layout_recall_file(mds, ino);
}

void reaper_consider(struct mds *mds, uint64_t ino)
{
	struct reaper_hint *hint;

	/* Before the start nothing is lost: it begins with all orphans. */
	if (!mds->reap_runs)
		return;
	if (state_file_is_open(mds, ino)) {
		reaper_ask(mds, ino);
		return;
	}
	hint = mds->nr_reap < REAPER_QUEUE_MAX ? calloc(1, sizeof(*hint)) : NULL;
	if (hint) {
		hint->ino = ino;
		list_add_tail(&hint->link, &mds->reap_queue);
		mds->nr_reap++;
	} else {
		mds->reap_scan = true;
	}
	wait_queue_wake_all(&mds->reap_work);
}

bool reaper_has(const struct mds *mds, uint64_t ino)
{
	return mds->reaping == ino;
}

struct reaper_look {
	uint64_t ino;
	bool there, trim;
};

static int reaper_look_body(struct txn *txn, void *arg)
{
	struct reaper_look *look = arg;
	struct inode inode;
	int err;

	err = inode_get_any(txn, look->ino, &inode);
	if (err && err != -ENOENT)
		return err;
	look->there = !err && inode.nlink == 0;
	look->trim = !err && inode.nlink > 0 && inode.trim_from != INODE_NO_TRIM;
	return 0;
}

FIBER_FN static void reaper_take(struct mds *mds, uint64_t ino)
{
	struct reaper_look look = { .ino = ino };
	int err;

	err = txn_read(mds->fs, reaper_look_body, &look);
	if (err)
		return;
	if (look.trim) {
		err = data_trim(mds->fs, ino);
	} else if (look.there && !state_file_is_open(mds, ino)) {
		/* No switch since it was looked at: from here on OPEN refuses it. */
		mds->reaping = ino;
		err = data_reap(mds->fs, ino);
		mds->reaping = 0;
	}
	/* -EBUSY: LINK has given it a name again.  Others were logged where they came from, and stop the volume. */
	if (err && err != -ENOENT && err != -EBUSY && err != -EROFS && err != -ESTALE)
		log_warn("inode %llu without a name stays for now (error %d)", (unsigned long long)ino, -err);
}

struct reaper_next {
	uint64_t after, ino;
};

static int reaper_next_body(struct txn *txn, void *arg)
{
	struct reaper_next *next = arg;

	return orphan_next(txn, next->after, &next->ino);
}

/* All orphans, in bounded memory; those that are open come again when they are closed. */
FIBER_FN static void reaper_scan(struct mds *mds)
{
	struct reaper_next next = { .after = 0 };

	while (!mds->reap_stop && !txn_read(mds->fs, reaper_next_body, &next)) {
		if (!state_file_is_open(mds, next.ino))
			reaper_take(mds, next.ino);
		else
			reaper_ask(mds, next.ino);
		next.after = next.ino;
	}
}

FIBER_FN static void reaper_run(void *arg)
{
	struct mds *mds = arg;

	while (!mds->reap_stop) {
		if (!list_is_empty(&mds->reap_queue)) {
			struct reaper_hint *hint = list_first_entry(&mds->reap_queue, struct reaper_hint, link);
			uint64_t ino = hint->ino;

			list_del(&hint->link);
			mds->nr_reap--;
			free(hint);
			reaper_take(mds, ino);
		} else if (mds->reap_scan) {
			mds->reap_scan = false;
			reaper_scan(mds);
		} else {
			wait_queue_wait(&mds->reap_work);
		}
	}
	mds->reap_runs = false;
	wait_queue_wake_all(&mds->reap_work);
}

FIBER_FN int reaper_start(struct mds *mds)
{
	int err;

	list_init(&mds->reap_queue);
	wait_queue_init(&mds->reap_work);
	mds->nr_reap = 0;
	mds->reap_stop = false;
	mds->reap_scan = true;
	err = fiber_spawn(mds->reactor, "reaper", reaper_run, mds, NULL);
	mds->reap_runs = !err;
	return err;
}

FIBER_FN void reaper_stop(struct mds *mds)
{
	mds->reap_stop = true;
	while (mds->reap_runs) {
		wait_queue_wake_all(&mds->reap_work);
		wait_queue_wait(&mds->reap_work);
	}
	while (mds->reap_queue.next && !list_is_empty(&mds->reap_queue)) {
		struct reaper_hint *hint = list_first_entry(&mds->reap_queue, struct reaper_hint, link);

		list_del(&hint->link);
		free(hint);
	}
	mds->nr_reap = 0;
}
