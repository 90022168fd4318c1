/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Takes opens, locks, delegations and revoked layouts away: items and mirror together, whoever asked for it.  After
 * drop_apply() nothing points to what was dropped, waiters for its ranges were called, and a file without name and
 * users is on its way to the reaper.
 */

#include "mds/drop.h"

#include <stdlib.h>

#include "mds/layout_recall.h"
#include "mds/lock_wait.h"
#include "mds/reaper.h"

void drop_init(struct drop *drop, struct mds *mds, nfsstat4 revoke)
{
	drop->mds = mds;
	drop->revoke = revoke;
	drop->nr = drop->nr_locks = drop->nr_states = 0;
}

static bool drop_state(struct drop *drop, struct state *state)
{
	if (drop->nr == DROP_MAX || (drop->revoke && drop->nr_states == DROP_REVOKE_STATES))
		return false;
	drop->orphan[drop->nr_states] = false;
	drop->states[drop->nr_states++] = state;
	drop->nr++;
	return true;
}

bool drop_holder(struct drop *drop, struct lock_holder *holder)
{
	list_for_each (pos, &holder->locks) {
		if (drop->nr == DROP_MAX)
			return false;
		drop->locks[drop->nr_locks++] = list_entry(pos, struct lock, by_holder);
		drop->nr++;
	}
	return drop_state(drop, &holder->state);
}

bool drop_open(struct drop *drop, struct open *open)
{
	list_for_each (pos, &open->holders)
		if (!drop_holder(drop, list_entry(pos, struct lock_holder, by_open)))
			return false;
	return drop_state(drop, &open->state);
}

bool drop_deleg(struct drop *drop, struct deleg *deleg)
{
	return drop_state(drop, &deleg->state);
}

bool drop_layout(struct drop *drop, struct layout *layout)
{
	assert(layout->state.revoked);
	return drop_state(drop, &layout->state);
}

bool drop_client(struct drop *drop, struct client *client)
{
	/* Opens bring their holders; revoked holders hang on nothing. */
	list_for_each (pos, &client->states) {
		struct state *state = list_entry(pos, struct state, by_client);
		bool fits = true;

		if (state->kind == STATE_OPEN)
			fits = drop_open(drop, container_of(state, struct open, state));
		else if (state->kind == STATE_DELEG || (state->kind == STATE_LOCK && state->revoked))
			fits = drop_state(drop, state);
		else if (state->kind == STATE_LAYOUT)
			/* What binds has passed to nobody. */
			fits = drop_layout(drop, container_of(state, struct layout, state));
		if (!fits)
			return false;
	}
	return true;
}

/* Whether the file that somebody lets go of has no name. */
static int drop_find_orphan(struct txn *txn, uint64_t ino, bool *ret_orphan)
{
	struct inode inode;
	int err;

	err = inode_get_any(txn, ino, &inode);
	if (err && err != -ENOENT)
		return err;
	*ret_orphan = !err && inode.nlink == 0;
	return 0;
}

static int drop_write_deleg(struct txn *txn, struct drop *drop, struct deleg *deleg, bool *orphan)
{
	int err = deleg->file ? drop_find_orphan(txn, deleg->ino, orphan) : 0;

	if (err)
		return err;
	if (drop->revoke)
		return deleg_write(txn, deleg, deleg->state.number, drop->revoke);
	return txn_delete(txn, record_key(deleg->state.client->id, RECORD_DELEG, deleg->state.number));
}

static int drop_write_open(struct txn *txn, struct drop *drop, struct open *open, bool *orphan)
{
	int err = open->file ? drop_find_orphan(txn, open->ino, orphan) : 0;

	if (err)
		return err;
	if (drop->revoke)
		return open_write(txn, open, open->state.number, open->state.seqid, &open->share, drop->revoke);
	return txn_delete(txn, record_key(open->state.client->id, RECORD_OPEN, open->state.number));
}

static int drop_write_holder(struct txn *txn, struct drop *drop, struct lock_holder *holder)
{
	if (drop->revoke)
		return lock_holder_write(txn, holder, holder->state.number, holder->open->state.number,
					 holder->state.seqid, drop->revoke);
	return txn_delete(txn, record_key(holder->state.client->id, RECORD_LOCKS, holder->state.number));
}

static int drop_write_layout(struct txn *txn, struct drop *drop, struct layout *layout)
{
	return layout->file ? layout_release_write(txn, drop->mds, layout) : layout_delete(txn, layout);
}

int drop_write(struct txn *txn, struct drop *drop)
{
	int err;

	for (unsigned int i = 0; i < drop->nr_locks; i++) {
		const struct lock *lock = drop->locks[i];

		err = txn_delete(txn, record_key(lock->holder->state.client->id, RECORD_LOCK, lock->number));
		if (err)
			return err;
	}
	for (unsigned int i = 0; i < drop->nr_states; i++) {
		struct state *state = drop->states[i];

		if (state->kind == STATE_OPEN)
			err = drop_write_open(txn, drop, container_of(state, struct open, state), &drop->orphan[i]);
		else if (state->kind == STATE_DELEG)
			err = drop_write_deleg(txn, drop, container_of(state, struct deleg, state), &drop->orphan[i]);
		else if (state->kind == STATE_LAYOUT)
			err = drop_write_layout(txn, drop, container_of(state, struct layout, state));
		else
			err = drop_write_holder(txn, drop, container_of(state, struct lock_holder, state));
		if (err)
			return err;
	}
	return 0;
}

static void drop_apply_holder(struct drop *drop, struct lock_holder *holder)
{
	struct file *file = holder->open ? holder->open->file : NULL;

	if (file) {
		lock_holder_detach(holder);
		lock_wait_wake(drop->mds, file);
	}
	if (drop->revoke) {
		state_mark_revoked(&holder->state, drop->revoke);
		return;
	}
	state_remove(drop->mds, &holder->state);
	free(holder);
}

static void drop_apply_open(struct drop *drop, struct open *open, bool orphan)
{
	if (open->file)
		open_detach(drop->mds, open);
	if (orphan)
		reaper_consider(drop->mds, open->ino);
	if (drop->revoke) {
		state_mark_revoked(&open->state, drop->revoke);
		return;
	}
	state_remove(drop->mds, &open->state);
	free(open);
}

static void drop_apply_deleg(struct drop *drop, struct deleg *deleg, bool orphan)
{
	if (deleg->file)
		deleg_detach(drop->mds, deleg);
	if (orphan)
		reaper_consider(drop->mds, deleg->ino);
	if (drop->revoke) {
		state_mark_revoked(&deleg->state, drop->revoke);
		return;
	}
	state_remove(drop->mds, &deleg->state);
	free(deleg);
}

static void drop_apply_layout(struct drop *drop, struct layout *layout)
{
	if (layout->file) {
		layout_release_apply(drop->mds, layout);
		return;
	}
	state_remove(drop->mds, &layout->state);
	layout_free(layout);
}

void drop_apply(struct drop *drop)
{
	for (unsigned int i = 0; i < drop->nr_locks; i++) {
		lock_remove(drop->mds, drop->locks[i]);
		free(drop->locks[i]);
	}
	for (unsigned int i = 0; i < drop->nr_states; i++) {
		struct state *state = drop->states[i];

		if (state->kind == STATE_OPEN)
			drop_apply_open(drop, container_of(state, struct open, state), drop->orphan[i]);
		else if (state->kind == STATE_DELEG)
			drop_apply_deleg(drop, container_of(state, struct deleg, state), drop->orphan[i]);
		else if (state->kind == STATE_LAYOUT)
			drop_apply_layout(drop, container_of(state, struct layout, state));
		else
			drop_apply_holder(drop, container_of(state, struct lock_holder, state));
	}
}

struct drop_revoke_work {
	struct drop drop;
	struct mds *mds;
	uint64_t number;
	enum state_kind kind;
	bool all;
};

static int drop_revoke_body(struct txn *txn, void *arg)
{
	struct drop_revoke_work *w = arg;
	struct state *state = state_lookup(w->mds, w->number, w->kind);

	drop_init(&w->drop, w->mds, NFS4ERR_EXPIRED);
	if (!state || state->revoked)
		return -ENOENT;
	if (!client_is_courteous(w->mds, state->client))
		return -EBUSY;
	if (w->kind == STATE_OPEN)
		w->all = drop_open(&w->drop, container_of(state, struct open, state));
	else
		w->all = drop_holder(&w->drop, container_of(state, struct lock_holder, state));
	return drop_write(txn, &w->drop);
}

FIBER_FN int drop_revoke(struct mds *mds, uint64_t number, enum state_kind kind)
{
	struct txn_options opt = { .name = "revoke", .log_max = DROP_LOG_REVOKE, .frees_space = true };
	struct drop_revoke_work *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->mds = mds;
	w->number = number;
	w->kind = kind;
	do {
		err = txn_run(mds->fs, &opt, drop_revoke_body, w, NULL);
		if (!err)
			drop_apply(&w->drop);
	} while (!err && !w->all);
	free(w);
	return err == -ENOENT ? 0 : err;
}
