/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Layouts of clients that go, and what clients have to say about layouts that they lost.  Promise: nothing that may
 * still be written is forgotten with its client: it passes to nobody, with client id 0, and binds on (I4).
 */

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "mds/config.h"
#include "mds/drop.h"
#include "mds/layout_recall_int.h"

#define RELEASE_STEP 16u /* layouts in one transaction, if they fit */

int layout_nobody_init(struct mds *mds)
{
	struct client *nobody;

	if (!mds->layouts || mds->layouts->nobody)
		return 0;
	nobody = calloc(1, sizeof(*nobody));
	if (!nobody)
		return -ENOMEM;
	list_init(&nobody->sessions);
	list_init(&nobody->states);
	nobody->confirmed = true;
	mds->layouts->nobody = nobody;
	return 0;
}

int layout_release_write(struct txn *txn, struct mds *mds, const struct layout *layout)
{
	struct layout later = *layout;
	int err = layout_delete(txn, layout);

	if (err)
		return err;
	later.state.client = mds->layouts->nobody;
	return layout_write(txn, &later, layout->state.number, layout->state.seqid, &layout->grants, 0,
			    NFS4ERR_DELEG_REVOKED);
}

void layout_release_apply(struct mds *mds, struct layout *layout)
{
	struct client *nobody = mds->layouts->nobody;

	assert(layout->file);
	state_remove(mds, &layout->state);
	layout->state.client->nr_layouts--;
	layout->state.client = nobody;
	layout->state.revoked = true;
	layout->state.revoked_status = NFS4ERR_DELEG_REVOKED;
	nobody->nr_layouts++;
	state_add(mds, &layout->state);
}

struct release_work {
	struct mds *mds;
	struct client *client;
	struct layout *layouts[RELEASE_STEP];
	unsigned int nr;
};

static struct layout *release_next(const struct client *client, struct list **pos)
{
	for (; *pos != &client->states; *pos = (*pos)->next) {
		struct state *state = list_entry(*pos, struct state, by_client);
		struct layout *layout = container_of(state, struct layout, state);

		if (state->kind != STATE_LAYOUT || !layout->file)
			continue;
		*pos = (*pos)->next;
		return layout;
	}
	return NULL;
}

static int release_body(struct txn *txn, void *arg)
{
	struct release_work *w = arg;
	struct list *pos = w->client->states.next;
	struct layout *layout;
	size_t cost = 0;
	int err = 0;

	for (w->nr = 0; w->nr < RELEASE_STEP && !err && (layout = release_next(w->client, &pos)); w->nr++) {
		cost += LAYOUT_LOG_RELEASE(layout->grants.nr);
		if (w->nr > 0 && cost > TXN_LOG_DEFAULT)
			break;
		w->layouts[w->nr] = layout;
		err = layout_release_write(txn, w->mds, layout);
	}
	return err;
}

/*
 * What is only late hinders nobody and needs no fence; nor does what was returned and not proved: extents that are
 * kept are used by a later layout only, and there will be none.
 */
static FIBER_FN int release_returned(struct mds *mds, struct client *client)
{
	struct list *pos;
	struct layout_range range = { .mds = mds, .end = GRANT_END };
	struct layout *layout;
	int err = 0;

	do {
		pos = client->states.next;
		while ((layout = release_next(client, &pos)))
			if (!layout->state.revoked && !layout_is_held(layout))
				break;
		if (!layout)
			break;
		range.number = layout->state.number;
		err = layout_take(&range, GRANT_HELD, true);
		if (!err)
			err = layout_settle(mds, range.number, 0, GRANT_END);
	} while (!err && layout);
	return err;
}

static FIBER_FN int release_held(struct mds *mds, struct client *client)
{
	static const struct txn_options opt = { .name = "lose layouts", .frees_space = true };
	struct release_work w = { .mds = mds, .client = client };
	int err;

	static_assert(LAYOUT_LOG_RELEASE(GRANTS_MAX) <= TXN_LOG_DEFAULT, "the largest fits");
	do {
		err = txn_run(mds->fs, &opt, release_body, &w, NULL);
		for (unsigned int i = 0; !err && i < w.nr; i++) {
			layout_release_apply(mds, w.layouts[i]);
			layout_lost_add(mds, w.layouts[i], client->peer);
		}
		mds->layouts->counts.revoked += err ? 0 : w.nr;
	} while (!err && w.nr > 0);
	wait_queue_wake_all(&mds->layouts->gone);
	return err;
}

FIBER_FN int layout_release_client(struct mds *mds, struct client *client)
{
	bool ends = client->ends;
	int err;

	if (!mds->layouts || client->nr_layouts == 0)
		return 0;
	/* It gets none from here on. */
	client->ends = true;
	err = release_returned(mds, client);
	if (!err && client->nr_layouts > 0) {
		log_info("client %lx (%s) is gone and had %lu layouts: its host is fenced", (unsigned long)client->id,
			 client->peer, (unsigned long)client->nr_layouts);
		err = release_held(mds, client);
	}
	if (err)
		client->ends = ends;
	return err;
}

/* A client that has had a lease's time to learn of its loss, and nothing that binds any more. */
static struct client *told_next(struct mds *mds)
{
	uint64_t now = reactor_now_ns(mds->reactor), lease_ns = mds->config->lease_seconds * NSEC_PER_SEC;
	struct client *client, *next;

	HASH_ITER (hh, mds->clients, client, next) {
		if (client->nr_layouts_revoked == 0 || client->busy || client_is_courteous(mds, client))
			continue;
		if (client->layouts_ended_ns == 0)
			client->layouts_ended_ns = now;
		if (now - client->layouts_ended_ns > lease_ns && client->nr_layouts == 0)
			return client;
	}
	return NULL;
}

struct told_work {
	struct drop drop;
	struct mds *mds;
	struct client *client;
};

static int told_body(struct txn *txn, void *arg)
{
	struct told_work *w = arg;

	drop_init(&w->drop, w->mds, NFS4_OK);
	list_for_each (pos, &w->client->states) {
		struct state *state = list_entry(pos, struct state, by_client);
		struct layout *layout = container_of(state, struct layout, state);

		if (state->kind == STATE_LAYOUT && state->revoked && !layout->file && !drop_layout(&w->drop, layout))
			break;
	}
	return drop_write(txn, &w->drop);
}

FIBER_FN void layout_release_told(struct mds *mds)
{
	struct txn_options opt = { .name = "forget layouts", .log_max = DROP_LOG, .frees_space = true };
	struct told_work *w;
	struct client *client;
	int err = 0;

	if (!mds->layouts)
		return;
	w = calloc(1, sizeof(*w));
	if (!w)
		return;
	w->mds = mds;
	while (!err && !mds->stopping && (client = told_next(mds))) {
		w->client = client;
		client_hold(client);
		err = txn_run(mds->fs, &opt, told_body, w, NULL);
		if (!err)
			drop_apply(&w->drop);
		client_drop(mds, client);
	}
	free(w);
}
