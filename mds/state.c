/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table of stateids: what a stateid means, and whether it may be used.  A number is in the table exactly while
 * its item is in the store (but for kinds that have none), revoked states included.
 */

#include "mds/state.h"
#include "mds/grace.h"

#include <stdlib.h>
#include <string.h>

#include "mds/config.h"
#include "mds/drop.h"

/* Of a number; it must fit into a key's offset too. */
#define STATE_NUMBER_BYTES 7
#define STATE_TAG_BYTES	   4

const struct stateid4 state_invalid_stateid = { .seqid = NFS4_UINT32_MAX };

/* @nr more (1, 0, or -1) of its client's are revoked. */
static void state_count_revoked(const struct state *state, int nr)
{
	state->client->nr_revoked += (unsigned int)nr;
	if (state->kind == STATE_DELEG)
		state->client->nr_delegs_revoked += (unsigned int)nr;
	if (state->kind == STATE_LAYOUT)
		state->client->nr_layouts_revoked += (unsigned int)nr;
}

void state_add(struct mds *mds, struct state *state)
{
	struct client *client = state->client;

	HASH_ADD(hh, mds->states, number, sizeof(state->number), state);
	list_add_tail(&state->by_client, &client->states);
	client->nr_states++;
	state_count_revoked(state, state->revoked);
}

void state_remove(struct mds *mds, struct state *state)
{
	struct client *client = state->client;

	HASH_DELETE(hh, mds->states, state);
	list_del(&state->by_client);
	client->nr_states--;
	state_count_revoked(state, -(int)state->revoked);
}

void state_mark_revoked(struct state *state, nfsstat4 status)
{
	assert(!state->revoked);
	state->revoked = true;
	state->revoked_status = status;
	state_count_revoked(state, 1);
}

struct state *state_lookup(const struct mds *mds, uint64_t number, enum state_kind kind)
{
	struct state *state;

	HASH_FIND(hh, mds->states, &number, sizeof(number), state);
	return state && (kind == STATE_ANY || state->kind == kind) ? state : NULL;
}

uint32_t state_next_seqid(uint32_t seqid)
{
	return seqid == UINT32_MAX ? 1 : seqid + 1;
}

void state_stateid(const struct mds *mds, enum state_kind kind, uint64_t number, uint32_t seqid,
		   struct stateid4 *ret_stateid)
{
	struct le64 le = le64_make(number);

	memset(ret_stateid, 0, sizeof(*ret_stateid));
	ret_stateid->seqid = seqid;
	memcpy(ret_stateid->other, le.b, STATE_NUMBER_BYTES);
	ret_stateid->other[STATE_NUMBER_BYTES] = (char)kind;
	memcpy(ret_stateid->other + STATE_NUMBER_BYTES + 1, mds->volume_tag, STATE_TAG_BYTES);
}

enum state_kind state_kind_of(const struct stateid4 *stateid)
{
	return (enum state_kind)(uint8_t)stateid->other[STATE_NUMBER_BYTES];
}

void state_make_stateid(const struct mds *mds, const struct state *state, struct stateid4 *ret_stateid)
{
	state_stateid(mds, state->kind, state->number, state->seqid, ret_stateid);
}

nfsstat4 state_find_any(const struct compound *c, const struct stateid4 *stateid, enum state_kind kind,
			struct state **ret_state)
{
	struct le64 le = { 0 };
	struct stateid4 again;
	struct state *state;

	memcpy(le.b, stateid->other, STATE_NUMBER_BYTES);
	state = state_lookup(c->mds, le64_get(le), kind);
	if (!state || state->client != c->client)
		return NFS4ERR_BAD_STATEID;
	state_make_stateid(c->mds, state, &again);
	if (memcmp(again.other, stateid->other, sizeof(again.other)) != 0)
		return NFS4ERR_BAD_STATEID;
	/* A lost layout is lost whatever recall or reply the client has not seen. */
	if (stateid->seqid != 0 && stateid->seqid != state->seqid && !(state->kind == STATE_LAYOUT && state->revoked))
		/* Numbers go round, so older is what lies in the half behind. */
		return (int32_t)(stateid->seqid - state->seqid) < 0 ? NFS4ERR_OLD_STATEID : NFS4ERR_BAD_STATEID;
	*ret_state = state;
	return NFS4_OK;
}

nfsstat4 state_find(const struct compound *c, const struct stateid4 *stateid, enum state_kind kind,
		    struct state **ret_state)
{
	struct state *state = NULL;
	nfsstat4 status;

	status = state_find_any(c, stateid, kind, &state);
	if (status)
		return status;
	if (state->revoked)
		return state->revoked_status;
	*ret_state = state;
	return NFS4_OK;
}

bool state_file_is_open(const struct mds *mds, uint64_t ino)
{
	return file_find(mds, ino) != NULL;
}

nfsstat4 state_check_grace(const struct compound *c, bool reclaim)
{
	if (!reclaim)
		/* 18.51.3: nothing new before RECLAIM_COMPLETE either. */
		return c->mds->in_grace || !c->client->reclaim_complete ? NFS4ERR_GRACE : NFS4_OK;
	if (!c->mds->in_grace || c->client->reclaim_complete)
		return NFS4ERR_NO_GRACE;
	if (!c->client->can_reclaim)
		return NFS4ERR_RECLAIM_BAD;
	grace_extend(c->mds);
	return NFS4_OK;
}

static bool state_other_is(const struct stateid4 *stateid, char byte)
{
	for (size_t i = 0; i < sizeof(stateid->other); i++)
		if (stateid->other[i] != byte)
			return false;
	return true;
}

/* What READ or WRITE goes by. */
struct state_io {
	struct open *open;   /* NULL: a special stateid, or */
	struct deleg *deleg; /* this */
	bool bypass;	     /* share reservations do not count */
};

static bool state_is_of_fh(const struct compound *c, uint64_t ino, uint64_t generation)
{
	return c->fh.kind == FH_FILE && ino == c->fh.ino && generation == c->fh.generation;
}

static nfsstat4 state_io_find(const struct compound *c, const struct stateid4 *stateid, enum state_access access,
			      struct state_io *ret_io)
{
	bool anonymous = stateid->seqid == 0 && state_other_is(stateid, 0);
	bool bypass = stateid->seqid == UINT32_MAX && state_other_is(stateid, (char)0xff);
	struct state *state = NULL;
	struct open *open;
	nfsstat4 status;

	*ret_io = (struct state_io){ .bypass = bypass && access == STATE_READ };
	if (anonymous || bypass)
		/* What was open before may forbid it, and is not known yet. */
		return c->mds->in_grace ? NFS4ERR_GRACE : NFS4_OK;
	status = state_find(c, stateid, STATE_ANY, &state);
	if (status)
		return status;
	assert(state);
	if (state->kind == STATE_DELEG) {
		ret_io->deleg = container_of(state, struct deleg, state);
		return state_is_of_fh(c, ret_io->deleg->ino, ret_io->deleg->generation) ? NFS4_OK
											: NFS4ERR_BAD_STATEID;
	}
	if (state->kind == STATE_OPEN)
		open = container_of(state, struct open, state);
	else if (state->kind == STATE_LOCK)
		open = container_of(state, struct lock_holder, state)->open;
	else
		return NFS4ERR_BAD_STATEID;
	if (!state_is_of_fh(c, open->ino, open->generation))
		return NFS4ERR_BAD_STATEID;
	ret_io->open = open;
	return NFS4_OK;
}

/* Stateid and share reservations. */
FIBER_FN static nfsstat4 state_check_share(struct compound *c, const struct stateid4 *stateid,
					   enum state_access access, bool *ret_owner_may)
{
	for (unsigned int i = 0; i < DROP_REVOKE_MAX; i++) {
		const struct file *file = c->fh.kind == FH_FILE ? file_find(c->mds, c->fh.ino) : NULL;
		struct state_io io;
		struct open *other;
		nfsstat4 status;
		int err;

		status = state_io_find(c, stateid, access, &io);
		if (status)
			return status;
		if (io.deleg && access == STATE_WRITE && !io.deleg->write)
			return NFS4ERR_OPENMODE;
		/* Nobody else has it open against a delegation. */
		if (io.deleg || (io.open && io.open->share.access & access)) {
			*ret_owner_may = true;
			return NFS4_OK;
		}
		/* Reading with an open for writing is allowed where the file's mode allows it (9.1.2). */
		if (io.open && access != STATE_READ)
			return NFS4ERR_OPENMODE;
		other = file && !io.bypass ? open_conflict(file, (uint8_t)access, 0, io.open) : NULL;
		if (!other) {
			*ret_owner_may = false;
			return NFS4_OK;
		}
		if (!client_is_courteous(c->mds, other->state.client))
			return NFS4ERR_LOCKED;
		err = drop_revoke(c->mds, other->state.number, STATE_OPEN);
		if (err)
			return err == -EBUSY ? NFS4ERR_LOCKED : NFS4ERR_DELAY;
	}
	return NFS4ERR_DELAY;
}

FIBER_FN nfsstat4 state_check_io(struct compound *c, const struct stateid4 *stateid, enum state_access access,
				 bool *ret_owner_may)
{
	bool owner_may;
	nfsstat4 status = state_check_share(c, stateid, access, &owner_may);

	if (!status && c->fh.kind == FH_FILE)
		status = deleg_check(c, c->fh.ino, access == STATE_WRITE);
	if (!status)
		*ret_owner_may = owner_may;
	return status;
}

bool state_client_has_any(const struct client *client)
{
	if (client->nr_states == client->nr_revoked)
		return false;
	if (client->nr_layouts == 0)
		return true;
	list_for_each (pos, &client->states) {
		const struct state *state = list_entry(pos, struct state, by_client);

		if (!state->revoked &&
		    (state->kind != STATE_LAYOUT || layout_is_held(container_of(state, struct layout, state))))
			return true;
	}
	return false;
}

/* Kinds that have no items. */
static void state_forget_memory(struct mds *mds, struct client *client)
{
	list_for_each_safe (pos, &client->states) {
		struct state *state = list_entry(pos, struct state, by_client);

		if (state->forget) {
			state_remove(mds, state);
			state->forget(mds, state);
		}
	}
}

struct state_release_work {
	struct drop drop;
	struct mds *mds;
	struct client *client;
	bool all;
};

static int state_release_body(struct txn *txn, void *arg)
{
	struct state_release_work *w = arg;

	drop_init(&w->drop, w->mds, NFS4_OK);
	w->all = drop_client(&w->drop, w->client);
	return drop_write(txn, &w->drop);
}

FIBER_FN int state_release_client(struct mds *mds, struct client *client, uint64_t *ret_seq)
{
	struct txn_options opt = { .name = "release client", .log_max = DROP_LOG, .frees_space = true };
	struct state_release_work *w;
	uint64_t seq;
	int err;

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	client->ends = true;
	state_forget_memory(mds, client);
	w->mds = mds;
	w->client = client;
	do {
		err = txn_run(mds->fs, &opt, state_release_body, w, &seq);
		if (!err) {
			drop_apply(&w->drop);
			*ret_seq = max_u64(*ret_seq, seq);
		}
	} while (!err && !w->all);
	client->ends = !err;
	free(w);
	return err;
}
