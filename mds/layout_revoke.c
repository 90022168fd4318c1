/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Changes of layouts that their holders did not ask for.  Promise: items and memory change together; the blocks of a
 * revoked layout stay bound until somebody proves that its holder cannot reach them (I3, I4).
 */

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "mds/layout_recall_int.h"
#include "mds/reaper.h"

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
	bool orphan;
};

static int take_body(struct txn *txn, void *arg)
{
	struct take_work *w = arg;
	const struct layout *layout = layout_range_find(w->range);
	struct inode inode;
	int err;

	grants_release(&w->grants);
	if (!layout || !grants_find(&layout->grants, w->range->first, w->range->end, w->bits))
		return -ENOENT;
	err = grants_take(&layout->grants, w->range->first, w->range->end, w->bits, w->late, &w->grants);
	if (err)
		return err;
	err = inode_get_any(txn, layout->ino, &inode);
	if (err && err != -ENOENT)
		return err;
	w->orphan = !err && inode.nlink == 0;
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
	uint64_t ino;
	int err;

	err = txn_run(mds->fs, &opt, take_body, &w, NULL);
	if (err) {
		grants_release(&w.grants);
		return err == -ENOENT ? 0 : err;
	}
	layout = layout_range_find(range);
	assert(layout);
	ino = layout->ino;
	if (w.grants.nr == 0) {
		grants_release(&w.grants);
		layout_forget(mds, layout);
		if (w.orphan)
			reaper_consider(mds, ino);
	} else {
		layout_set_grants(mds, layout, &w.grants);
	}
	return 0;
}

#define REVOKE_STEP 16u /* layouts in one transaction */

struct revoke_work {
	const struct client *client;
	struct layout *layouts[REVOKE_STEP];
	unsigned int nr;
	bool more;
};

static int revoke_body(struct txn *txn, void *arg)
{
	struct revoke_work *w = arg;
	int err = 0;

	w->nr = 0;
	w->more = false;
	list_for_each (pos, &w->client->states) {
		struct layout *layout = container_of(list_entry(pos, struct state, by_client), struct layout, state);

		if (layout->state.kind != STATE_LAYOUT || layout->state.revoked)
			continue;
		if (w->nr == REVOKE_STEP) {
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
	static const struct txn_options opt = {
		.name = "revoke layouts",
		.log_max = REVOKE_STEP * LAYOUT_LOG(GRANTS_MAX),
		.frees_space = true,
	};
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
