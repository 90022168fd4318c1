/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients, sessions and slots when the server starts.  Promises: what was durable is there again, so that a client
 * which resends its request notices nothing; a new boot number is durable before any client is answered.  With the
 * state discarded only the owners remain, who may reclaim in the grace period (RFC 8881, 8.4.2).
 */

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "extent/txn.h"
#include "mds/client.h"
#include "mds/client_int.h"
#include "mds/client_record.h"
#include "mds/session.h"
#include "mds/state_record.h"

#define LOAD_STEP    256
#define DISCARD_STEP 16 /* a transaction that any journal takes */

static int boot_body(struct txn *txn, void *arg)
{
	struct mds *mds = arg;
	struct key key = record_key(0, RECORD_SERVER, 0);
	struct record_server rec = { 0 };
	struct item item;
	int err = txn_get(txn, key, &item);

	if (err && err != -ENOENT)
		return err;
	if (!err) {
		if (item.len != sizeof(rec))
			return -EUCLEAN;
		memcpy(&rec, item.val, sizeof(rec));
	}
	mds->boot = le32_get(rec.boot) + 1;
	if (mds->boot >= 1u << 24)
		return -EUCLEAN; /* sixteen million starts; the ids would no longer fit */
	rec.boot = le32_make(mds->boot);
	return txn_put(txn, key, &rec, sizeof(rec));
}

static int client_load_one(struct mds *mds, const struct item *item)
{
	const struct record_client *rec = item->val;
	const uint8_t *bytes = item->val;
	struct client *client;
	uint32_t owner_len, impl_len, flags;

	if (item->len < sizeof(*rec))
		return -EUCLEAN;
	owner_len = le16_get(rec->owner_len);
	impl_len = le16_get(rec->impl_len);
	flags = le32_get(rec->flags);
	bytes += sizeof(*rec);
	if (owner_len > NFS4_OPAQUE_LIMIT || impl_len >= CLIENT_IMPL_MAX ||
	    item->len != sizeof(*rec) + owner_len + impl_len)
		return -EUCLEAN;
	if (client_find_owner(mds, true, bytes, owner_len))
		return -EUCLEAN;
	client = client_make(mds, key_obj(item->key), true, bytes, owner_len);
	if (!client)
		return -ENOMEM;
	memcpy(client->verifier, rec->verifier, NFS4_VERIFIER_SIZE);
	client->create_seq = le32_get(rec->create_seq);
	client->flags = le32_get(rec->exchange_flags);
	client->reclaim_complete = (flags & RECORD_CLIENT_RECLAIM_COMPLETE) != 0;
	client->has_cred = (flags & RECORD_CLIENT_HAS_CRED) != 0;
	client->cred.uid = le32_get(rec->uid);
	client->cred.gid = le32_get(rec->gid);
	client->can_reclaim = (flags & RECORD_CLIENT_CAN_RECLAIM) != 0;
	client->discarded = (flags & RECORD_CLIENT_DISCARDED) != 0;
	memcpy(client->impl, bytes + owner_len, impl_len);
	return 0;
}

struct load_arg {
	struct mds *mds;
	struct key from;
	struct item items[LOAD_STEP];
	uint8_t *values;
	unsigned int nr;
	bool more;
};

/* Up to LOAD_STEP items of clients, copied: what they say is done outside of the body, which may run again. */
static int load_body(struct txn *txn, void *arg)
{
	struct load_arg *a = arg;
	struct key key = a->from, last = key_make(ZONE_STATE, KEY_LOW_MAX, 0xff, KEY_LOW_MAX);
	int err;

	for (a->nr = 0; a->nr < LOAD_STEP; a->nr++) {
		struct item item;

		err = txn_next(txn, key, last, &item);
		if (err == -ENOENT)
			break;
		if (err)
			return err;
		a->items[a->nr] = item;
		a->items[a->nr].val = a->values + (size_t)a->nr * ITEM_VALUE_MAX;
		memcpy(a->values + (size_t)a->nr * ITEM_VALUE_MAX, item.val, item.len);
		key = key_next(item.key);
	}
	a->more = a->nr == LOAD_STEP;
	return 0;
}

static int load_item(struct mds *mds, const struct item *item)
{
	struct client *client;

	switch (key_type(item->key)) {
	case RECORD_CLIENT:
		return client_load_one(mds, item);
	case RECORD_SESSION:
	case RECORD_SLOT:
	case RECORD_CALLBACK:
		client = client_find(mds, key_obj(item->key));
		return client ? session_load_item(mds, client, item) : -EUCLEAN;
	default:
		return 0; /* state_load() */
	}
}

static FIBER_FN int load_all(struct mds *mds)
{
	struct load_arg *a = calloc(1, sizeof(*a));
	int err = 0;

	if (!a)
		return -ENOMEM;
	a->mds = mds;
	a->from = key_make(ZONE_STATE, 1, 0, 0);
	a->values = malloc((size_t)LOAD_STEP * ITEM_VALUE_MAX);
	if (!a->values)
		err = -ENOMEM;
	a->more = true;
	while (!err && a->more) {
		err = txn_read(mds->fs, load_body, a);
		for (unsigned int i = 0; !err && i < a->nr; i++) {
			err = load_item(mds, &a->items[i]);
			if (err == -EUCLEAN)
				log_err("the state of client %lx is damaged (item type %u): start with "
					"--discard-state",
					(unsigned long)key_obj(a->items[i].key), key_type(a->items[i].key));
			a->from = key_next(a->items[i].key);
		}
	}
	free(a->values);
	free(a);
	return err;
}

struct discard_arg {
	struct key from;
	struct key next;
	bool more;
};

/*
 * A layout and what it grants: nobody's from now on, and lost, since its holder may go on writing by it until it is
 * fenced (I3, I4), which the start then does.
 */
static int discard_layout(struct txn *txn, const struct item *item)
{
	struct record_layout rec;

	if (item->len != sizeof(rec))
		return 0;
	memcpy(&rec, item->val, sizeof(rec));
	if (le32_get(rec.nr_grants) == 0)
		return 0;
	rec.revoked = le32_make(NFS4ERR_DELEG_REVOKED);
	return txn_put(txn, record_key(0, RECORD_LAYOUT, key_off(item->key)), &rec, sizeof(rec));
}

static int discard_grants(struct txn *txn, const struct item *item)
{
	uint8_t bytes[ITEM_VALUE_MAX];

	if (item->len > sizeof(bytes))
		return 0;
	memcpy(bytes, item->val, item->len);
	return txn_put(txn, record_key(0, RECORD_GRANTS, key_off(item->key)), bytes, item->len);
}

static int discard_item(struct txn *txn, const struct item *item)
{
	struct key key = item->key;
	int err = 0;

	if (key_type(key) == RECORD_LAYOUT)
		err = discard_layout(txn, item);
	else if (key_type(key) == RECORD_GRANTS)
		err = discard_grants(txn, item);
	return err ? err : txn_delete(txn, key);
}

/* Clients stay as owners who may reclaim, and what layouts bind stays bound; everything else of them goes. */
static int discard_body(struct txn *txn, void *arg)
{
	struct discard_arg *a = arg;
	struct key key = a->from, last = key_make(ZONE_STATE, KEY_LOW_MAX, 0xff, KEY_LOW_MAX);
	struct item item;
	int err = 0;

	a->more = true;
	for (unsigned int i = 0; i < DISCARD_STEP && !err; i++) {
		err = txn_next(txn, key, last, &item);
		if (err == -ENOENT) {
			a->more = false;
			return 0;
		}
		if (err)
			return err;
		key = key_next(item.key);
		a->next = key;
		if (key_type(item.key) == RECORD_CLIENT && item.len >= sizeof(struct record_client) &&
		    item.len <= ITEM_VALUE_MAX) {
			uint8_t bytes[ITEM_VALUE_MAX];
			struct record_client rec;

			memcpy(bytes, item.val, item.len);
			memcpy(&rec, bytes, sizeof(rec));
			rec.flags = le32_make(le32_get(rec.flags) | RECORD_CLIENT_DISCARDED);
			memcpy(bytes, &rec, sizeof(rec));
			err = txn_put(txn, item.key, bytes, item.len);
		} else {
			err = discard_item(txn, &item);
		}
	}
	return err;
}

static FIBER_FN int discard_all(struct mds *mds)
{
	static const struct txn_options opt = {
		.name = "discard state",
		.log_max = DISCARD_STEP * (40u + ITEM_VALUE_MAX),
		.frees_space = true,
	};
	struct discard_arg arg = { .from = key_make(ZONE_STATE, 1, 0, 0), .more = true };
	int err = 0;

	while (!err && arg.more) {
		err = txn_run(mds->fs, &opt, discard_body, &arg, NULL);
		if (!err)
			arg.from = arg.next;
	}
	return err;
}

FIBER_FN int client_load(struct mds *mds, bool discard_state)
{
	static const struct txn_options opt = { .name = "boot" };
	uint64_t seq = 0;
	int err = txn_run(mds->fs, &opt, boot_body, mds, &seq);

	if (!err && discard_state)
		err = discard_all(mds);
	if (!err)
		err = load_all(mds);
	if (!err)
		err = txn_wait_durable(mds->fs, seq);
	return err;
}

void client_unload(struct mds *mds)
{
	struct client *client, *next;

	HASH_ITER (hh, mds->clients, client, next) {
		while (!list_is_empty(&client->sessions))
			session_remove(mds, container_of(client->sessions.next, struct session, by_client));
		client_remove(mds, client);
	}
}
