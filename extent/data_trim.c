/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking away what nobody uses any more: mappings behind the end of a file that was cut, and inodes without a name.
 * Nobody reads or writes what lies behind a cut from the instant of the cut on, which waited for those who did: so
 * trims need no lock.  One fiber does them in the background while there are some; what it has not done when the
 * volume is unmounted or crashes, the list of orphans remembers.
 */

#include "dev/fiber.h"
#include "extent/fs_int.h"
#include "extent/orphan.h"

struct trim {
	uint64_t ino;
	bool more;
};

static int trim_body(struct txn *txn, void *arg)
{
	struct trim *t = arg;

	return inode_trim_step(txn, t->ino, data_limbo_tag(txn_fs(txn), t->ino), DATA_STEPS, &t->more);
}

static int reap_body(struct txn *txn, void *arg)
{
	struct trim *t = arg;

	return orphan_reap_step(txn, t->ino, data_limbo_tag(txn_fs(txn), t->ino), DATA_STEPS, &t->more);
}

/* With @background only until the volume is to be left alone. */
FIBER_FN static int trim_file(struct fs *fs, uint64_t ino, bool background)
{
	const struct txn_options opt = { .name = "trim", .log_max = INODE_LOG_TRIM(DATA_STEPS), .frees_space = true };
	struct trim t = { .ino = ino, .more = true };
	int err = 0;

	while (t.more && !err && !(background && fs->data.stopping))
		err = txn_run(fs, &opt, trim_body, &t, NULL);
	return err == -ENOENT ? 0 : err;
}

int data_trim(struct fs *fs, uint64_t ino)
{
	return trim_file(fs, ino, false);
}

int data_reap(struct fs *fs, uint64_t ino)
{
	const struct txn_options opt = { .name = "reap",
					 .log_max = ORPHAN_LOG_REAP(DATA_STEPS),
					 .frees_space = true };
	struct data_lock lock = { .ino = ino, .first = 0, .end = DATA_END };
	struct trim t = { .ino = ino, .more = true };
	int err = 0;

	data_lock_take(fs, &lock, 1);
	while (t.more && !err)
		err = txn_run(fs, &opt, reap_body, &t, NULL);
	data_lock_give(fs, &lock, 1);
	return err;
}

/* In the background */

struct trim_next {
	uint64_t after;
	uint64_t ino;
};

static int trim_next_body(struct txn *txn, void *arg)
{
	struct trim_next *next = arg;

	return orphan_next(txn, next->after, &next->ino);
}

/* An error has been said, or will be met by the next who needs the space: the list of orphans remembers the work. */
FIBER_FN static void trim_listed(struct fs *fs)
{
	struct trim_next next = { .after = 0 };

	while (!fs->data.stopping && !txn_read(fs, trim_next_body, &next) && !trim_file(fs, next.ino, true))
		next.after = next.ino;
}

FIBER_FN static void trim_fiber(void *arg)
{
	struct fs *fs = arg;
	struct data_state *state = &fs->data;

	while (!state->stopping && (state->nr_trims || state->trim_all)) {
		if (state->trim_all) {
			state->trim_all = false;
			state->nr_trims = 0;
			trim_listed(fs);
		} else if (trim_file(fs, state->trims[--state->nr_trims], true)) {
			break;
		}
	}
	state->nr_trims = 0;
	state->trim_all = false;
	state->trimming = false;
	wait_queue_wake_all(&state->trimmed);
}

void data_trim_later(struct fs *fs, uint64_t ino)
{
	struct data_state *state = &fs->data;

	if (state->stopping)
		return;
	if (state->nr_trims < DATA_TRIMS_MAX)
		state->trims[state->nr_trims++] = ino;
	else
		state->trim_all = true;
	/* Without a fiber it waits for the next cut, the next write there, or the next mount. */
	if (!state->trimming && !fiber_spawn(fs->reactor, "trim", trim_fiber, fs, NULL))
		state->trimming = true;
}

bool data_settle(struct fs *fs)
{
	bool any = fs->data.trimming;

	while (fs->data.trimming)
		wait_queue_wait(&fs->data.trimmed);
	return any;
}

void data_trim_stop(struct fs *fs)
{
	fs->data.stopping = true;
	data_settle(fs);
}
