/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Brings opens, locks and delegations back into memory when the server starts, and frees all states when it ends.
 * Items that contradict each other are damage (-EUCLEAN): nothing is guessed (I12).
 */

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "mds/drop.h"

#define STATE_LOAD_BATCH 64u
#define STATE_LOAD_VALUE (sizeof(struct record_open) + NFS4_OPAQUE_LIMIT)

struct state_load_item {
	struct key key;
	size_t len;
	uint8_t val[STATE_LOAD_VALUE];
};

struct state_load_work {
	struct mds *mds;
	struct client *client;
	struct key from, last;
	unsigned int nr;
	bool too_long;
	struct state_load_item items[STATE_LOAD_BATCH];
};

static int state_load_body(struct txn *txn, void *arg)
{
	struct state_load_work *w = arg;
	struct key from = w->from;
	struct item item;
	int err = 0;

	w->nr = 0;
	w->too_long = false;
	while (w->nr < STATE_LOAD_BATCH) {
		struct state_load_item *it = &w->items[w->nr];

		err = txn_next(txn, from, w->last, &item);
		if (err)
			break;
		w->too_long |= item.len > sizeof(it->val);
		it->key = item.key;
		it->len = item.len;
		memcpy(it->val, item.val, item.len < sizeof(it->val) ? item.len : sizeof(it->val));
		w->nr++;
		/* Offsets are below 2^56, and behind the last one comes another type. */
		from = (struct key){ item.key.hi, item.key.lo + 1 };
	}
	return err == -ENOENT ? 0 : err;
}

static int state_load_open(struct mds *mds, struct client *client, const struct state_load_item *it)
{
	struct record_open rec;
	struct file *spare;
	struct open *open;

	if (it->len < sizeof(rec))
		return -EUCLEAN;
	memcpy(&rec, it->val, sizeof(rec));
	if (!(rec.access & 3) || rec.access & ~3 || rec.deny & ~3 || rec.exclusive > 1)
		return -EUCLEAN;
	open = open_alloc(client, it->val + sizeof(rec), (uint32_t)(it->len - sizeof(rec)));
	spare = file_alloc();
	if (!open || !spare) {
		free(open);
		free(spare);
		return -ENOMEM;
	}
	open->state.number = key_off(it->key);
	open->state.seqid = le32_get(rec.seqid);
	open->share = (struct open_share){ rec.access, rec.deny, le16_get(rec.combos) };
	open->exclusive = rec.exclusive;
	memcpy(open->verifier, rec.verifier, sizeof(open->verifier));
	open_set_file(open, le64_get(rec.ino), le64_get(rec.generation));
	if (le32_get(rec.revoked)) {
		open->state.revoked = true;
		open->state.revoked_status = le32_get(rec.revoked);
		state_add(mds, &open->state);
	} else {
		struct file *file = file_find(mds, open->ino);

		if (open_find(mds, open) || (file && file->generation != open->generation)) {
			free(open);
			free(spare);
			return -EUCLEAN;
		}
		open_add(mds, open, &spare);
	}
	free(spare);
	return 0;
}

static int state_load_holder(struct mds *mds, struct client *client, const struct state_load_item *it)
{
	struct record_locks rec;
	struct lock_holder *holder;
	struct state *state = NULL;

	if (it->len < sizeof(rec) || it->len > sizeof(rec) + NFS4_OPAQUE_LIMIT)
		return -EUCLEAN;
	memcpy(&rec, it->val, sizeof(rec));
	if (!le32_get(rec.revoked)) {
		state = state_lookup(mds, le64_get(rec.open), STATE_OPEN);
		if (!state || state->client != client || state->revoked)
			return -EUCLEAN;
	}
	holder = lock_holder_alloc(client, it->val + sizeof(rec), (uint32_t)(it->len - sizeof(rec)));
	if (!holder)
		return -ENOMEM;
	holder->state.number = key_off(it->key);
	holder->state.seqid = le32_get(rec.seqid);
	holder->state.revoked = le32_get(rec.revoked) != 0;
	holder->state.revoked_status = le32_get(rec.revoked);
	if (state)
		lock_holder_add(mds, holder, container_of(state, struct open, state));
	else
		state_add(mds, &holder->state);
	return 0;
}

static int state_load_lock(struct mds *mds, struct client *client, const struct state_load_item *it)
{
	struct record_lock rec;
	struct state *state;
	struct lock *lock;

	if (it->len != sizeof(rec))
		return -EUCLEAN;
	memcpy(&rec, it->val, sizeof(rec));
	state = state_lookup(mds, le64_get(rec.holder), STATE_LOCK);
	if (!state || state->client != client || state->revoked || le64_get(rec.first) > le64_get(rec.last))
		return -EUCLEAN;
	lock = calloc(1, sizeof(*lock));
	if (!lock)
		return -ENOMEM;
	lock->number = key_off(it->key);
	lock->holder = container_of(state, struct lock_holder, state);
	lock->first = le64_get(rec.first);
	lock->last = le64_get(rec.last);
	lock->write = rec.write;
	lock_add(mds, lock);
	mds->next_lock = max_u64(mds->next_lock, lock->number + 1);
	return 0;
}

static int state_load_deleg(struct mds *mds, struct client *client, const struct state_load_item *it)
{
	struct record_deleg rec;
	struct file *spare, *file;
	struct deleg *deleg;

	if (it->len != sizeof(rec))
		return -EUCLEAN;
	memcpy(&rec, it->val, sizeof(rec));
	if (rec.write > 1)
		return -EUCLEAN;
	deleg = deleg_alloc(client);
	spare = file_alloc();
	if (!deleg || !spare) {
		free(deleg);
		free(spare);
		return -ENOMEM;
	}
	deleg->state.number = key_off(it->key);
	deleg->ino = le64_get(rec.ino);
	deleg->generation = le64_get(rec.generation);
	deleg->change = le64_get(rec.change);
	deleg->write = rec.write;
	memcpy(deleg->fh, rec.fh, sizeof(deleg->fh));
	file = file_find(mds, deleg->ino);
	if (le32_get(rec.revoked)) {
		deleg->state.revoked = true;
		deleg->state.revoked_status = le32_get(rec.revoked);
		state_add(mds, &deleg->state);
	} else if (file && (file->generation != deleg->generation || deleg_of(file, client) ||
			    deleg_conflict(file, client, deleg->write))) {
		free(deleg);
		free(spare);
		return -EUCLEAN;
	} else {
		deleg_add(mds, deleg, &spare);
	}
	free(spare);
	return 0;
}

static int state_load_item(struct mds *mds, struct client *client, const struct state_load_item *it)
{
	/* They lie between: the session's, and layouts, which come when all else is there (mds/layout.c). */
	if (key_type(it->key) == RECORD_CALLBACK || key_type(it->key) == RECORD_LAYOUT)
		return 0;
	/* Behind 2^55 are states that have no items, and would meet those of this run. */
	if (key_type(it->key) != RECORD_LOCK &&
	    (key_off(it->key) >> 55 || state_lookup(mds, key_off(it->key), STATE_ANY)))
		return -EUCLEAN;
	switch (key_type(it->key)) {
	case RECORD_OPEN:
		return state_load_open(mds, client, it);
	case RECORD_LOCKS:
		return state_load_holder(mds, client, it);
	case RECORD_LOCK:
		return state_load_lock(mds, client, it);
	case RECORD_DELEG:
		return state_load_deleg(mds, client, it);
	default:
		return -EUCLEAN;
	}
}

/* Opens come before holders before ranges: each finds what it hangs on. */
FIBER_FN static int state_load_client(struct state_load_work *w)
{
	int err;

	w->from = record_key(w->client->id, RECORD_OPEN, 0);
	w->last = record_key(w->client->id, RECORD_DELEG, KEY_LOW_MAX);
	do {
		err = txn_read(w->mds->fs, state_load_body, w);
		if (!err && w->too_long)
			err = -EUCLEAN;
		for (unsigned int i = 0; i < w->nr && !err; i++)
			err = state_load_item(w->mds, w->client, &w->items[i]);
		if (w->nr > 0)
			w->from = (struct key){ w->items[w->nr - 1].key.hi, w->items[w->nr - 1].key.lo + 1 };
	} while (!err && w->nr == STATE_LOAD_BATCH);
	return err;
}

FIBER_FN int state_load(struct mds *mds)
{
	struct state_load_work *w = calloc(1, sizeof(*w));
	struct client *client, *next;
	int err = 0;

	if (!w)
		return -ENOMEM;
	w->mds = mds;
	mds->next_lock = max_u64(mds->next_lock, 1);
	HASH_ITER (hh, mds->clients, client, next) {
		w->client = client;
		err = state_load_client(w);
		if (err)
			break;
	}
	free(w);
	if (err == -EUCLEAN)
		log_err("opens, locks or delegations of a client contradict each other");
	return err;
}

static void state_unload_client(struct mds *mds, struct client *client, struct drop *drop)
{
	bool all;

	do {
		drop_init(drop, mds, NFS4_OK);
		all = drop_client(drop, client);
		drop_apply(drop);
	} while (!all);
}

void state_unload(struct mds *mds)
{
	struct client *client, *next;
	struct drop drop;

	HASH_ITER (hh, mds->clients, client, next) {
		list_for_each_safe (pos, &client->states) {
			struct state *state = list_entry(pos, struct state, by_client);

			if (!state->forget)
				continue;
			state_remove(mds, state);
			state->forget(mds, state);
		}
		state_unload_client(mds, client, &drop);
	}
}
