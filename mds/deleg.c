/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Delegations in memory and as items, and who gets one.  Promise: none is given that contradicts an open or a
 * delegation of another client.
 */

#include "mds/deleg.h"

#include <stdlib.h>
#include <string.h>

#include "mds/backchannel.h"
#include "mds/config.h"
#include "mds/open.h"

struct deleg *deleg_alloc(struct client *client)
{
	struct deleg *deleg = calloc(1, sizeof(*deleg));

	if (!deleg)
		return NULL;
	deleg->state.kind = STATE_DELEG;
	deleg->state.client = client;
	deleg->state.seqid = 1;
	list_init(&deleg->state.by_client);
	list_init(&deleg->by_file);
	return deleg;
}

int deleg_write(struct txn *txn, const struct deleg *deleg, uint64_t number, nfsstat4 revoked)
{
	struct record_deleg rec = {
		.ino = le64_make(deleg->ino),
		.generation = le64_make(deleg->generation),
		.change = le64_make(deleg->change),
		.revoked = le32_make(revoked),
		.write = deleg->write,
	};

	static_assert(sizeof(rec.fh) == sizeof(deleg->fh), "handle");
	memcpy(rec.fh, deleg->fh, sizeof(rec.fh));
	return txn_put(txn, record_key(deleg->state.client->id, RECORD_DELEG, number), &rec, sizeof(rec));
}

void deleg_add(struct mds *mds, struct deleg *deleg, struct file **spare)
{
	deleg->file = file_get(mds, deleg->ino, deleg->generation, spare);
	deleg->file->nr_delegs++;
	list_add_tail(&deleg->by_file, &deleg->file->delegs);
	state_add(mds, &deleg->state);
	mds->nr_delegs++;
	deleg->state.client->nr_delegs++;
}

void deleg_detach(struct mds *mds, struct deleg *deleg)
{
	struct file *file = deleg->file;

	list_del(&deleg->by_file);
	deleg->file = NULL;
	mds->nr_delegs--;
	deleg->state.client->nr_delegs--;
	file_drop_deleg(mds, file);
	wait_queue_wake_all(&mds->deleg_gone);
}

struct deleg *deleg_of(const struct file *file, const struct client *client)
{
	list_for_each (pos, &file->delegs) {
		struct deleg *deleg = list_entry(pos, struct deleg, by_file);

		if (deleg->state.client == client)
			return deleg;
	}
	return NULL;
}

struct deleg *deleg_conflict(const struct file *file, const struct client *client, bool changes)
{
	if (!file || file->nr_delegs == 0)
		return NULL;
	list_for_each (pos, &file->delegs) {
		struct deleg *deleg = list_entry(pos, struct deleg, by_file);

		if (deleg->state.client != client && (deleg->write || changes))
			return deleg;
	}
	return NULL;
}

/* Whether another client has @file open (for writing). */
static bool deleg_is_open_elsewhere(const struct file *file, const struct client *client, bool writing)
{
	if (!file || (writing && file->nr_access[1] == 0))
		return false;
	list_for_each (pos, &file->opens) {
		const struct open *open = list_entry(pos, struct open, by_file);

		if (open->state.client != client && (!writing || open->share.access & OPEN4_SHARE_ACCESS_WRITE))
			return true;
	}
	return false;
}

static bool deleg_is_room(const struct mds *mds, const struct client *client)
{
	const struct config_limits *l = &mds->config->limits;

	return mds->nr_delegs + mds->nr_opens < l->opens &&
	       client->nr_delegs + client->nr_opens < l->opens_per_client &&
	       client->nr_states < l->opens_per_client + l->locks_per_client;
}

/* What is asked for, as far as the configuration has it; OPEN_DELEGATE_NONE: nothing. */
static open_delegation_type4 deleg_asked(const struct mds *mds, const struct deleg_wish *wish)
{
	bool writes = wish->access & OPEN4_SHARE_ACCESS_WRITE && mds->config->delegations == DELEGATIONS_WRITE;

	if (mds->config->delegations == DELEGATIONS_NONE)
		return OPEN_DELEGATE_NONE;
	if (wish->reclaim) {
		if (wish->type == OPEN_DELEGATE_WRITE || wish->type == OPEN_DELEGATE_WRITE_ATTRS_DELEG)
			return mds->config->delegations == DELEGATIONS_WRITE ? OPEN_DELEGATE_WRITE
									     : OPEN_DELEGATE_NONE;
		return wish->type == OPEN_DELEGATE_NONE ? OPEN_DELEGATE_NONE : OPEN_DELEGATE_READ;
	}
	switch (wish->access & OPEN4_SHARE_ACCESS_WANT_DELEG_MASK) {
	case OPEN4_SHARE_ACCESS_WANT_READ_DELEG:
		return OPEN_DELEGATE_READ;
	case OPEN4_SHARE_ACCESS_WANT_WRITE_DELEG:
		return writes ? OPEN_DELEGATE_WRITE : OPEN_DELEGATE_NONE;
	case OPEN4_SHARE_ACCESS_WANT_ANY_DELEG:
		return writes ? OPEN_DELEGATE_WRITE : OPEN_DELEGATE_READ;
	default:
		return OPEN_DELEGATE_NONE;
	}
}

/* Whether it can be given; else *@ret_why. */
static bool deleg_may(const struct mds *mds, const struct deleg_wish *wish, bool write, why_no_delegation4 *ret_why)
{
	const struct file *file = file_find(mds, wish->ino);
	const struct deleg *own = file ? deleg_of(file, wish->client) : NULL;
	const struct deleg_refusal *refusal = &mds->deleg_refusals[wish->ino % DELEG_REFUSALS];

	*ret_why = WND4_RESOURCE;
	if (own) {
		if (write && !own->write)
			*ret_why = WND4_NOT_SUPP_UPGRADE;
		return false;
	}
	if (!deleg_is_room(mds, wish->client) || !backchannel_has_path(wish->client))
		return false;
	*ret_why = WND4_CONTENTION;
	if (refusal->ino == wish->ino && reactor_now_ns(mds->reactor) < refusal->until_ns)
		return false;
	return !deleg_is_open_elsewhere(file, wish->client, !write) && !deleg_conflict(file, wish->client, write);
}

open_delegation_type4 deleg_choose(const struct mds *mds, const struct deleg_wish *wish, why_no_delegation4 *ret_why)
{
	uint32_t want = wish->access & OPEN4_SHARE_ACCESS_WANT_DELEG_MASK;
	open_delegation_type4 type = deleg_asked(mds, wish);

	if (type != OPEN_DELEGATE_NONE && deleg_may(mds, wish, type == OPEN_DELEGATE_WRITE, ret_why))
		return type;
	if (wish->reclaim || !want)
		return OPEN_DELEGATE_NONE;
	if (want == OPEN4_SHARE_ACCESS_WANT_NO_DELEG)
		*ret_why = WND4_NOT_WANTED;
	else if (want == OPEN4_SHARE_ACCESS_WANT_CANCEL)
		*ret_why = WND4_CANCELLED;
	else if (type == OPEN_DELEGATE_NONE)
		*ret_why = WND4_RESOURCE;
	return OPEN_DELEGATE_NONE_EXT;
}
