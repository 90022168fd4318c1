/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Getting layouts back (RFC 8881, 12.5.5).  Promises: a bounded number of fibers works at it, each on one layout at a
 * time, and the rest waits in a queue; so no number of conflicts stops other work.  A client that gives back what it
 * is asked for within the time for a recall, counted from when it was asked, loses nothing.
 */

#include "mds/layout_recall_int.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "mds/config.h"
#include "mds/op_layout.h"

#define RECALLS_MAX    1024u		    /* fibers */
#define RECALLS_CLIENT 64u		    /* of them for one client: who is slow holds up nobody else's */
#define RECALL_SOON_NS (NSEC_PER_SEC / 4)   /* after NFS4ERR_DELAY and the like */
#define PATIENT_DELAYS 4		    /* so many of these are believed */
#define RECALL_LATE_NS NSEC_PER_SEC	    /* after answers that say nothing, and where there is no path */
#define PROOF_SOON_NS  (NSEC_PER_SEC / 100) /* after NFS4ERR_DELAY of who has yet to see the answer to its return */
#define PROOF_DELAYS   8		    /* so many of these */
#define RECALL_SAVE_NS NSEC_PER_SEC	    /* a crash may make so much of the time come again */
/*
 * After NFS4_OK, at first and at most.  Linux keeps what it has written until it has committed it, and starts a
 * commit only when a recall comes: what was being written when the first one came is committed by the next one.  Else
 * two writers would wait for each other until one is fenced.
 */
#define RECALL_TOLD_NS	   (NSEC_PER_SEC / 10)
#define RECALL_TOLD_MAX_NS (3 * NSEC_PER_SEC)

/* Layout @number is to be given back, as far as its recall_first and recall_end say. */
struct recall {
	struct list link;
	struct mds *mds;
	struct client *client;
	uint64_t number;
};

/* One callback and what becomes of it. */
struct round {
	struct layout_range range;
	struct client *client;
	uint64_t spent_ns; /* of its time, before */
	uint64_t begin_ns;
	uint64_t saved_ns;	    /* up to there what has passed of its time is an item */
	uint64_t end_ns;	    /* then it is revoked */
	uint32_t seqid;		    /* of the recall; 0: none was sent */
	uint64_t ask_ns;	    /* not again before that */
	uint64_t pause_ns;	    /* after the last NFS4_OK; 0: none yet */
	unsigned int delays;	    /* answers in a row that put it off */
	enum layout_returned proof; /* what it had returned when it was asked last */
};

static uint64_t recall_ns(const struct mds *mds)
{
	return mds->config->recall_seconds * NSEC_PER_SEC;
}

/* When the client's lease is over. */
static uint64_t lease_end_ns(const struct round *round)
{
	return round->client->renewed_ns + round->range.mds->config->lease_seconds * NSEC_PER_SEC + 1;
}

/* The client will give it back. */
static void round_told(struct round *round)
{
	struct layout *layout = layout_range_find(&round->range);

	/* To be asked again is a new recall, with a new number (12.5.5.2.1.3). */
	round->pause_ns = round->pause_ns ? min_u64(2 * round->pause_ns, RECALL_TOLD_MAX_NS) : RECALL_TOLD_NS;
	round->seqid = 0;
	if (!layout || layout->told_ns)
		return;
	layout->told_ns = reactor_now_ns(round->range.mds->reactor);
	layout->told_first = round->range.first;
	layout->told_end = round->range.end;
}

/* What the answer means.  *@ret_pause: how long to wait before it is asked again. */
static FIBER_FN int round_learn(struct round *round, int err, nfsstat4 status, uint64_t *ret_pause)
{
	*ret_pause = RECALL_LATE_NS;
	round->delays = !err && status == NFS4ERR_DELAY ? round->delays + 1 : 0;
	if (err == -ENOENT)
		return 0;
	if (err)
		return err == -ENOTCONN || err == -ETIMEDOUT || err == -EPROTO || err == -EMSGSIZE ? 0 : err;
	switch (status) {
	case NFS4_OK:
		round_told(round);
		*ret_pause = round->pause_ns;
		return 0;
	case NFS4ERR_NOMATCHING_LAYOUT:
		/* It is gone, and no LAYOUTRETURN will come (20.3.3). */
		return layout_take(&round->range, GRANT_HELD, true);
	case NFS4ERR_DELAY:
		*ret_pause = round->proof != LAYOUT_NOT_RETURNED && round->delays <= PROOF_DELAYS ? PROOF_SOON_NS
												  : RECALL_SOON_NS;
		return 0;
	case NFS4ERR_OLD_STATEID:
		round->seqid = 0;
		*ret_pause = RECALL_SOON_NS;
		return 0;
	default:
		/* It may not have got the reply yet that this recall is about. */
		return 0;
	}
}

/*
 * A client puts off a recall whose seqid is more than one ahead of what it knows, since a reply to LAYOUTGET must be
 * on its way to it (12.5.5.2.1; Linux does just that).  If that reply was lost, and its connection with it, none will
 * ever come, and the client would put off the recall until it is fenced.  So after a while the seqids behind are
 * tried.
 */
static unsigned int round_back(const struct round *round)
{
	return round->delays < PATIENT_DELAYS ? 0 : round->delays - PATIENT_DELAYS + 1;
}

/* A server that is killed again and again must not give its clients ever more time. */
static FIBER_FN int round_save(struct round *round)
{
	uint64_t now = reactor_now_ns(round->range.mds->reactor);
	struct layout *layout = layout_range_find(&round->range);
	int err;

	if (!layout)
		return 0;
	layout->recall_ns = round->spent_ns + now - round->begin_ns;
	if (now - round->saved_ns < RECALL_SAVE_NS)
		return 0;
	round->saved_ns = now;
	err = layout_save_recall(&round->range);
	return err == -ENOENT ? 0 : err;
}

/* Whether it has returned more, and was not asked since. */
static bool round_is_returned(const struct round *round)
{
	const struct layout *layout = layout_range_find(&round->range);

	return layout && layout->returned > round->proof;
}

static void round_note_proof(struct round *round)
{
	const struct layout *layout = layout_range_find(&round->range);

	if (layout)
		round->proof = layout->returned;
}

/* Ask for the range until nothing is held there any more, or the time is over. */
static FIBER_FN int round_run(struct round *round)
{
	struct mds *mds = round->range.mds;
	uint64_t pause = 0;

	while (!mds->stopping && layout_range_has(&round->range, GRANT_HELD)) {
		uint64_t now = reactor_now_ns(mds->reactor), until = min_u64(round->end_ns, lease_end_ns(round));
		nfsstat4 status = NFS4_OK;
		int err;

		if (now >= round->end_ns || client_is_courteous(mds, round->client))
			return -ETIME;
		if (now >= round->ask_ns || round_is_returned(round)) {
			round_note_proof(round);
			err = round_save(round);
			if (err)
				return err;
			err = layout_callback(&round->range, until, round_back(round), &round->seqid, &status);
			err = round_learn(round, err, status, &pause);
			if (err)
				return err;
			if (!layout_range_has(&round->range, GRANT_HELD))
				break;
			round->ask_ns = reactor_now_ns(mds->reactor) + pause;
		}
		until = min_u64(until, round->ask_ns);
		/* Whatever wakes it, it looks again. */
		if (wait_queue_wait_until(&mds->layouts->gone, until))
			continue;
	}
	return 0;
}

/* The client loses all it has. */
static FIBER_FN int recall_lose(const struct recall *r)
{
	int err = layout_revoke_client(r->mds, r->client);
	struct state *state = state_lookup(r->mds, r->number, STATE_LAYOUT);

	if (!err && state && state->revoked)
		layout_lost_add(r->mds, container_of(state, struct layout, state), r->client->peer);
	return err;
}

/*
 * What has passed of the client's time in the lives of the server before this one.  Nobody else waits for a recall of
 * then if none has come since for as long as that.
 */
static uint64_t recall_spent(const struct mds *mds, const struct layout_range *range)
{
	const struct layout *layout = layout_range_find(range);

	if (!layout || reactor_now_ns(mds->reactor) - mds->layouts->started_ns > recall_ns(mds))
		return 0;
	return layout->recall_ns;
}

/* What is held in the range goes, in the client's good time or not. */
static FIBER_FN int recall_held(const struct recall *r, const struct layout_range *range)
{
	struct mds *mds = r->mds;
	uint64_t now = reactor_now_ns(mds->reactor), spent = recall_spent(mds, range);
	struct round round = {
		.range = *range,
		.client = r->client,
		.spent_ns = spent,
		.begin_ns = now,
		.saved_ns = now,
		.end_ns = now + recall_ns(mds) - min_u64(spent, recall_ns(mds)),
	};
	struct layout *layout;
	int err;

	/* It would keep what it knows of the rest (client rule 10). */
	if (quirk_of(r->client->impl).whole_file_recalls) {
		round.range.first = 0;
		round.range.end = GRANT_END;
	}
	mds->layouts->counts.recalls++;
	err = round_run(&round);
	layout = layout_range_find(range);
	if (!err && layout && !mds->stopping)
		layout->recall_ns = 0;
	/* Nobody else wants anything of it: its holder can prove what it has returned when it comes again. */
	if (err != -ETIME || (layout && layout->recall_first >= layout->recall_end))
		return err;
	/* Rather than cut it off for an answer to that. */
	if (layout && !layout_is_held(layout))
		return layout_take(&round.range, GRANT_HELD, true);
	log_warn("client %lx (%s) did not give a layout back in time: all its layouts are revoked, and it is fenced",
		 (unsigned long)r->client->id, r->client->peer);
	return recall_lose(r);
}

static FIBER_FN int recall_step(const struct recall *r, const struct layout_range *range)
{
	const struct layout *layout;

	if (layout_range_has(range, GRANT_HELD))
		return recall_held(r, range);
	r->mds->layouts->counts.lates++;
	layout = layout_range_find(range);
	/* After its last close nothing comes late, nowhere. */
	if (layout && !layout_is_open(layout->file, r->client, true))
		return layout_settle(r->mds, r->number, 0, GRANT_END);
	return layout_settle(r->mds, r->number, range->first, range->end);
}

/* What is wanted back, and all that its holder says it has returned. */
static FIBER_FN int recall_all(const struct recall *r)
{
	struct layout_range range = { .mds = r->mds, .number = r->number };
	const struct layout *layout;
	int err = 0;

	while (!err && !r->mds->stopping && (layout = layout_range_find(&range))) {
		bool returned = layout->returned != LAYOUT_NOT_RETURNED && grants_have(&layout->grants, GRANT_HELD);

		range.first = returned ? 0 : layout->recall_first;
		range.end = returned ? GRANT_END : layout->recall_end;
		if (!layout_range_has(&range, GRANT_ANY))
			break;
		err = recall_step(r, &range);
	}
	return err;
}

static FIBER_FN void recall_one(const struct recall *r)
{
	struct layout_range range = { .mds = r->mds, .number = r->number };
	struct layout *layout;
	int err = recall_all(r);

	/* Who asks next tries again. */
	if (err)
		log_warn("a layout of client %lx cannot be taken back now: %s", (unsigned long)r->client->id,
			 strerror(-err));
	layout = layout_range_find(&range);
	if (!layout)
		return;
	layout->recalled = false;
	layout->recall_first = layout->recall_end = layout->recall_ns = layout->told_ns = 0;
	if (!grants_have(&layout->grants, GRANT_HELD))
		layout->returned = LAYOUT_NOT_RETURNED;
	layout_closed(r->mds, r->client, layout->ino);
	/* Its holder may ask again. */
	wait_queue_wake_all(&r->mds->layouts->gone);
}

static void recall_free(struct recall *r)
{
	client_drop(r->mds, r->client);
	free(r);
}

/* The first in the queue whose client has not too many already; NULL: none. */
static struct recall *recall_next(struct layouts *layouts)
{
	list_for_each (pos, &layouts->recalls) {
		struct recall *r = list_entry(pos, struct recall, link);

		if (r->client->nr_recalls >= RECALLS_CLIENT)
			continue;
		list_del(&r->link);
		r->client->nr_recalls++;
		return r;
	}
	return NULL;
}

static FIBER_FN void recall_worker(void *arg)
{
	struct recall *r = arg;
	struct mds *mds = r->mds;

	for (; r; r = recall_next(mds->layouts)) {
		recall_one(r);
		r->client->nr_recalls--;
		recall_free(r);
	}
	mds->layouts->nr_recalls--;
	mds->nr_fibers--;
	wait_queue_wake_all(&mds->deleg_gone);
	wait_queue_wake_all(&mds->idle);
}

static int recall_launch(struct mds *mds, struct recall *r)
{
	struct layouts *layouts = mds->layouts;
	int err;

	if (layouts->nr_recalls >= RECALLS_MAX || r->client->nr_recalls >= RECALLS_CLIENT) {
		list_add_tail(&r->link, &layouts->recalls);
		return 0;
	}
	err = fiber_spawn(mds->reactor, "layout recall", recall_worker, r, NULL);
	if (err)
		return err;
	layouts->nr_recalls++;
	r->client->nr_recalls++;
	mds->nr_fibers++;
	return 0;
}

static void recall_want(struct mds *mds, struct layout *layout, uint64_t first, uint64_t end)
{
	struct recall *r;

	if (mds->stopping)
		return;
	if (layout->recalled) {
		layout->recall_first = min_u64(layout->recall_first, first);
		layout->recall_end = max_u64(layout->recall_end, end);
		return;
	}
	r = malloc(sizeof(*r));
	if (!r)
		return;
	*r = (struct recall){ .mds = mds, .client = layout->state.client, .number = layout->state.number };
	client_hold(r->client);
	if (recall_launch(mds, r)) {
		recall_free(r);
		return;
	}
	layout->recalled = true;
	layout->recall_first = first;
	layout->recall_end = end;
}

void layout_prove_return(struct mds *mds, struct layout *layout)
{
	assert(layout->returned != LAYOUT_NOT_RETURNED);
	if (layout->recalled)
		wait_queue_wake_all(&mds->layouts->gone);
	else
		recall_want(mds, layout, 0, 0);
}

bool layout_is_told(const struct layout *layout, uint64_t first, uint64_t end)
{
	return layout->told_ns && first >= layout->told_first && end <= layout->told_end;
}

/* Which bits of @layout in [@first, @end) are in the way of @client. */
static uint32_t bits_in_the_way(const struct layout *layout, const struct client *client, uint64_t first,
				uint64_t end, enum layout_clash clash)
{
	bool lost = layout->state.revoked, own = layout->state.client == client && !lost;
	bool writers = clash == LAYOUT_CLASH_READ || clash == LAYOUT_CLASH_TAIL;
	uint32_t bits = writers ? GRANT_RW : GRANT_HELD;

	if (lost)
		return clash == LAYOUT_CLASH_FREE ? 0 : bits;
	if (own && (clash == LAYOUT_CLASH_READ || clash == LAYOUT_CLASH_WRITE))
		return 0;
	if (own && clash == LAYOUT_CLASH_FILL && layout_is_told(layout, first, end))
		return GRANT_LATE;
	return clash == LAYOUT_CLASH_READ ? bits : bits | GRANT_LATE;
}

nfsstat4 layout_check(struct mds *mds, const struct client *client, uint64_t ino, uint64_t first, uint64_t end,
		      uint64_t more_end, enum layout_clash clash)
{
	struct file *file = mds->layouts && mds->layouts->nr > 0 ? file_find(mds, ino) : NULL;
	nfsstat4 status = NFS4_OK;

	if (!file || file->nr_layouts == 0 || first >= end)
		return NFS4_OK;
	list_for_each (pos, &file->layouts) {
		struct layout *layout = list_entry(pos, struct layout, by_file);
		uint32_t bits = bits_in_the_way(layout, client, first, end, clash);

		if (!bits || !grants_find(&layout->grants, first, end, bits))
			continue;
		status = NFS4ERR_DELAY;
		file->no_ahead |= layout->is_ahead;
		if (!layout->state.revoked)
			recall_want(mds, layout, first, more_end);
		else if (!layout_lost_is_under_way(mds, layout->key))
			layout_lost_add(mds, layout, layout->state.client->peer);
	}
	mds->layouts->counts.conflicts += status != NFS4_OK;
	return status;
}

nfsstat4 layout_check_op(struct compound *c, uint64_t ino, uint64_t first, uint64_t end, enum layout_clash clash)
{
	nfsstat4 status = layout_check(c->mds, c->client, ino, first, end, end, clash);

	if (status)
		c->recalling = ino;
	return status;
}

void layout_recall_file(struct mds *mds, uint64_t ino)
{
	struct file *file = mds->layouts ? file_find(mds, ino) : NULL;

	if (!file || file->nr_layouts == 0)
		return;
	list_for_each (pos, &file->layouts) {
		struct layout *layout = list_entry(pos, struct layout, by_file);

		if (!layout->state.revoked)
			recall_want(mds, layout, 0, GRANT_END);
	}
}

bool layout_recall_is_under_way(const struct mds *mds, uint64_t ino)
{
	const struct file *file = mds->layouts ? file_find(mds, ino) : NULL;

	if (!file)
		return false;
	list_for_each (pos, &file->layouts) {
		const struct layout *layout = list_entry(pos, struct layout, by_file);

		if (layout->recalled || layout->state.revoked)
			return true;
	}
	return false;
}

/* Hosts that had lost layouts when the server went down. */
static void recall_find_lost(struct mds *mds, const struct client *client)
{
	if (client->nr_layouts_revoked == 0)
		return;
	list_for_each (pos, &client->states) {
		const struct state *state = list_entry(pos, struct state, by_client);
		const struct layout *layout = container_of(state, struct layout, state);

		if (state->kind == STATE_LAYOUT && state->revoked && layout->file)
			layout_lost_add(mds, layout, NULL);
	}
}

int layout_recall_start(struct mds *mds)
{
	struct layouts *layouts = mds->layouts;
	struct client *client, *next;

	if (!layouts)
		return 0;
	list_init(&layouts->recalls);
	list_init(&layouts->lost);
	wait_queue_init(&layouts->lost_work);
	data_set_limbo(mds->fs, layout_limbo_tag, mds);
	recall_find_lost(mds, layouts->nobody);
	HASH_ITER (hh, mds->clients, client, next)
		recall_find_lost(mds, client);
	return layout_limbo_sweep(mds);
}

void layout_recall_interrupt(struct mds *mds)
{
	/* It may not have been started. */
	if (!mds->layouts || !mds->layouts->lost.next)
		return;
	wait_queue_wake_all(&mds->layouts->gone);
	wait_queue_wake_all(&mds->layouts->lost_work);
}

void layout_recall_stop(struct mds *mds)
{
	if (!mds->layouts)
		return;
	if (mds->layouts->lost.next) {
		data_set_limbo(mds->fs, NULL, NULL);
		layout_lost_forget(mds->layouts);
	}
	free(mds->layouts->nobody);
	mds->layouts->nobody = NULL;
}
