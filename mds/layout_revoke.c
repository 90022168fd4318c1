/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Changes of layouts that their holders did not ask for.  Promise: items and memory change together; the blocks of a
 * revoked layout stay bound until somebody proves that its holder cannot reach them (I3, I4).
 */

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "mds/layout_recall_int.h"

struct layout *layout_range_find(const struct layout_range *range)
{
	struct state *state = state_lookup(range->mds, range->number, STATE_LAYOUT);

	return state && !state->revoked ? container_of(state, struct layout, state) : NULL;
}

bool layout_range_has(const struct layout_range *range, uint32_t bits)
{
	const struct layout *layout = layout_range_find(range);

	return layout && grants_find(&layout->grants, range->first, range->end, bits);
}

void layout_forget(struct mds *mds, struct layout *layout)
{
	if (layout->file)
		layout_detach(mds, layout);
	state_remove(mds, &layout->state);
	layout_free(layout);
}

struct take_work {
	const struct layout_range *range;
	uint32_t bits;
	bool late;
	struct grants grants; /* what is left */
};

static int take_body(struct txn *txn, void *arg)
{
	struct take_work *w = arg;
	const struct layout *layout = layout_range_find(w->range);
	int err;

	grants_release(&w->grants);
	if (!layout || !grants_find(&layout->grants, w->range->first, w->range->end, w->bits))
		return -ENOENT;
	err = grants_take(&layout->grants, w->range->first, w->range->end, w->bits, w->late, &w->grants);
	if (!err && w->late)
		err = layout_settle_written(txn, layout->ino, w->range->first, w->range->end, &w->grants);
	if (err)
		return err;
	if (w->grants.nr == 0)
		return layout_delete(txn, layout);
	return layout_write(txn, layout, layout->state.number, layout->state.seqid, &w->grants, layout->grants.nr,
			    NFS4_OK);
}

FIBER_FN int layout_take(const struct layout_range *range, uint32_t bits, bool late)
{
	static const struct txn_options opt = { .name = "take layout", .frees_space = true };
	struct take_work w = { .range = range, .bits = bits, .late = late };
	struct mds *mds = range->mds;
	struct layout *layout;
	int err;

	err = txn_run(mds->fs, &opt, take_body, &w, NULL);
	if (err) {
		grants_release(&w.grants);
		return err == -ENOENT ? 0 : err;
	}
	layout = layout_range_find(range);
	assert(layout);
	if (w.grants.nr == 0) {
		grants_release(&w.grants);
		layout_forget(mds, layout);
	} else {
		layout_set_grants(mds, layout, &w.grants);
	}
	return 0;
}

#define REVOKE_STEP 16u /* layouts in one transaction, if they fit */

struct revoke_work {
	const struct client *client;
	struct layout *layouts[REVOKE_STEP];
	unsigned int nr;
	bool more;
};

static int revoke_body(struct txn *txn, void *arg)
{
	struct revoke_work *w = arg;
	size_t cost = 0;
	int err = 0;

	w->nr = 0;
	w->more = false;
	list_for_each (pos, &w->client->states) {
		struct layout *layout = container_of(list_entry(pos, struct state, by_client), struct layout, state);

		if (layout->state.kind != STATE_LAYOUT || layout->state.revoked)
			continue;
		cost += LAYOUT_LOG(layout->grants.nr);
		if (w->nr == REVOKE_STEP || (w->nr > 0 && cost > TXN_LOG_DEFAULT)) {
			w->more = true;
			break;
		}
		w->layouts[w->nr++] = layout;
		err = layout_write(txn, layout, layout->state.number, layout->state.seqid, &layout->grants,
				   layout->grants.nr, NFS4ERR_DELEG_REVOKED);
		if (err)
			break;
	}
	return err;
}

FIBER_FN int layout_revoke_client(struct mds *mds, struct client *client)
{
	static const struct txn_options opt = { .name = "revoke layouts", .frees_space = true };
	struct revoke_work w = { .client = client };
	uint64_t seq = 0;
	int err;

	do {
		err = txn_run(mds->fs, &opt, revoke_body, &w, &seq);
		for (unsigned int i = 0; !err && i < w.nr; i++) {
			struct state *state = &w.layouts[i]->state;

			state_mark_revoked(state, NFS4ERR_DELEG_REVOKED);
			/* Behind those that the next step looks for. */
			list_del(&state->by_client);
			list_add_tail(&state->by_client, &client->states);
			mds->layouts->counts.revoked++;
		}
	} while (!err && w.more);
	wait_queue_wake_all(&mds->layouts->gone);
	return err ? err : txn_wait_durable(mds->fs, seq);
}

bool layout_client_key_is(const struct client *client, uint64_t key)
{
	list_for_each (pos, &client->states) {
		const struct state *state = list_entry(pos, struct state, by_client);

		/* All layouts of a client have one key. */
		if (state->kind == STATE_LAYOUT)
			return container_of(state, struct layout, state)->key == key;
	}
	return false;
}

/* A client of the host that has layouts which are not revoked. */
static struct client *revoke_next(const struct mds *mds, uint64_t key)
{
	struct client *client, *next;

	HASH_ITER (hh, mds->clients, client, next) {
		if (client->nr_layouts == 0 || !layout_client_key_is(client, key))
			continue;
		list_for_each (pos, &client->states) {
			const struct state *state = list_entry(pos, struct state, by_client);

			if (state->kind == STATE_LAYOUT && !state->revoked)
				return client;
		}
	}
	return NULL;
}

FIBER_FN int layout_revoke_key(struct mds *mds, uint64_t key)
{
	struct client *client;
	int err = 0;

	while (!err && (client = revoke_next(mds, key))) {
		client_hold(client);
		err = layout_revoke_client(mds, client);
		client_drop(mds, client);
	}
	return err;
}

static const struct layout *lost_of(const struct client *client, uint64_t key)
{
	list_for_each (pos, &client->states) {
		const struct state *state = list_entry(pos, struct state, by_client);
		const struct layout *layout = container_of(state, struct layout, state);

		if (state->kind == STATE_LAYOUT && state->revoked && layout->file && layout->key == key)
			return layout;
	}
	return NULL;
}

uint64_t layout_lost_next(const struct mds *mds, uint64_t key, uint64_t *ret_ino)
{
	const struct layout *layout = lost_of(mds->layouts->nobody, key);
	const struct client *client, *next;

	if (!layout) {
		HASH_ITER (hh, mds->clients, client, next) {
			if (client->nr_layouts_revoked > 0)
				layout = lost_of(client, key);
			if (layout)
				break;
		}
	}
	if (layout && ret_ino)
		*ret_ino = layout->ino;
	return layout ? layout->state.number : 0;
}

struct end_work {
	struct data_guard guard;
	struct mds *mds;
	uint64_t number;
};

static struct layout *end_find(const struct end_work *w)
{
	struct state *state = state_lookup(w->mds, w->number, STATE_LAYOUT);
	struct layout *layout = state ? container_of(state, struct layout, state) : NULL;

	return layout && state->revoked && layout->file ? layout : NULL;
}

/* Others than the lost layout hold blocks there. */
static bool end_held(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end)
{
	const struct end_work *w = container_of(guard, struct end_work, guard);
	const struct file *file = file_find(w->mds, ino);

	if (!file)
		return false;
	list_for_each (pos, &file->layouts) {
		const struct layout *layout = list_entry(pos, struct layout, by_file);

		if (layout->state.number != w->number && grants_find(&layout->grants, first, end, GRANT_ANY))
			return true;
	}
	return false;
}

static int end_check(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end,
		     enum data_touch touch)
{
	return end_held(guard, ino, first, end) ? -EBUSY : 0;
}

/* Before the grants go, so that a crash in between leaves them to be gone through again. */
static FIBER_FN int end_space(struct end_work *w)
{
	const struct layout *layout;
	uint64_t at = 0;
	int err = 0;

	while (!err && (layout = end_find(w))) {
		const struct grant *run = grants_find(&layout->grants, at, GRANT_END, GRANT_FRESH);

		if (!run)
			break;
		at = run->blk + run->nr;
		err = data_unreserve(w->mds->fs, layout->ino, layout->generation, run->blk, at, &w->guard);
		/* Gone, or others have it by now. */
		if (err == -ESTALE || err == -EBUSY)
			err = 0;
	}
	return err;
}

static int end_body(struct txn *txn, void *arg)
{
	const struct end_work *w = arg;
	const struct layout *layout = end_find(w);
	const struct grants none = { 0 };

	if (!layout)
		return -ENOENT;
	if (layout->state.client == w->mds->layouts->nobody)
		return layout_delete(txn, layout);
	return layout_write(txn, layout, w->number, layout->state.seqid, &none, layout->grants.nr,
			    layout->state.revoked_status);
}

FIBER_FN int layout_lost_end(struct mds *mds, uint64_t number)
{
	static const struct txn_options opt = { .name = "end layout", .frees_space = true };
	struct end_work w = { { .check = end_check, .held = end_held }, mds, number };
	struct client *client;
	struct layout *layout;
	int err;

	err = end_space(&w);
	if (!err)
		err = txn_run(mds->fs, &opt, end_body, &w, NULL);
	if (err)
		return err == -ENOENT ? 0 : err;
	layout = end_find(&w);
	assert(layout);
	client = layout->state.client;
	if (client == mds->layouts->nobody) {
		layout_forget(mds, layout);
		return 0;
	}
	layout_detach(mds, layout);
	list_del(&layout->state.by_client);
	list_add_tail(&layout->state.by_client, &client->states);
	client->layouts_ended_ns = reactor_now_ns(mds->reactor);
	return 0;
}
