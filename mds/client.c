/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients.  Promises: an id is never used again, not even after a crash; of one owner there is at most one confirmed
 * client, which has an item, and one that is not, which has none; who is removed is found by nobody and lives until
 * the last compound has let go of it.
 */

#include "mds/client.h"

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "extent/txn.h"
#include "mds/backchannel.h"
#include "mds/client_int.h"
#include "mds/client_record.h"
#include "mds/layout_recall.h"
#include "mds/session.h"
#include "mds/state.h"

#define CLIENT_ERASE_STEP 64

struct client *client_find(const struct mds *mds, uint64_t id)
{
	struct client *client;

	HASH_FIND(hh, mds->clients, &id, sizeof(id), client);
	return client;
}

struct client *client_find_owner(const struct mds *mds, bool confirmed, const void *owner, uint32_t len)
{
	struct client *client;

	HASH_FIND(by_owner, mds->owners[confirmed], owner, len, client);
	return client;
}

static void client_insert(struct mds *mds, struct client *client)
{
	HASH_ADD(hh, mds->clients, id, sizeof(client->id), client);
	HASH_ADD_KEYPTR(by_owner, mds->owners[client->confirmed], client->owner, client->owner_len, client);
	client->renewed_ns = reactor_now_ns(mds->reactor);
	list_add_tail(&client->by_lease, &mds->clients_by_lease);
	mds->nr_clients++;
	wait_queue_wake_all(&mds->lease_work);
}

void client_remove(struct mds *mds, struct client *client)
{
	assert(!client->gone);
	assert(list_is_empty(&client->sessions));
	HASH_DEL(mds->clients, client);
	HASH_DELETE(by_owner, mds->owners[client->confirmed], client);
	list_del(&client->by_lease);
	list_del(&client->by_detour);
	mds->nr_clients--;
	client->gone = true;
	if (client->nr_in_use == 0)
		free(client);
}

/* The longest silent client that was never confirmed. */
static struct client *client_unconfirmed(const struct mds *mds)
{
	struct client *client;

	list_for_each_entry(client, &mds->clients_by_lease, by_lease)
	{
		if (!client->confirmed && !client->busy)
			return client;
	}
	return NULL;
}

struct client *client_make(struct mds *mds, uint64_t id, bool confirmed, const void *owner, uint32_t len)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->id = id;
	client->confirmed = confirmed;
	memcpy(client->owner, owner, len);
	client->owner_len = len;
	list_init(&client->sessions);
	list_init(&client->states);
	list_init(&client->by_detour);
	client_insert(mds, client);
	return client;
}

struct client *client_new(struct mds *mds, const void *owner, uint32_t len, const char *verifier)
{
	struct client *client;

	assert(len <= NFS4_OPAQUE_LIMIT);
	if (mds->nr_clients >= mds->config->limits.clients) {
		client = client_unconfirmed(mds);
		if (!client)
			return NULL;
		client_remove(mds, client);
	}
	client = client_make(mds, (uint64_t)mds->boot << 32 | ++mds->next_client, false, owner, len);
	if (client)
		memcpy(client->verifier, verifier, NFS4_VERIFIER_SIZE);
	return client;
}

void client_forget(struct mds *mds, struct client *client)
{
	assert(!client->confirmed);
	assert(!client->busy);
	client_remove(mds, client);
}

void client_confirm(struct mds *mds, struct client *client)
{
	assert(!client->confirmed);
	HASH_DELETE(by_owner, mds->owners[0], client);
	client->confirmed = true;
	HASH_ADD_KEYPTR(by_owner, mds->owners[1], client->owner, client->owner_len, client);
}

int client_put(struct txn *txn, const struct client *client)
{
	uint8_t bytes[sizeof(struct record_client) + NFS4_OPAQUE_LIMIT + CLIENT_IMPL_MAX];
	size_t impl_len = strlen(client->impl);
	struct record_client rec = {
		.create_seq = le32_make(client->create_seq),
		.flags = le32_make((client->reclaim_complete ? RECORD_CLIENT_RECLAIM_COMPLETE : 0) |
				   (client->has_cred ? RECORD_CLIENT_HAS_CRED : 0) |
				   (client->can_reclaim ? RECORD_CLIENT_CAN_RECLAIM : 0)),
		.exchange_flags = le32_make(client->flags),
		.uid = le32_make(client->cred.uid),
		.gid = le32_make(client->cred.gid),
		.owner_len = le16_make((uint16_t)client->owner_len),
		.impl_len = le16_make((uint16_t)impl_len),
	};

	memcpy(rec.verifier, client->verifier, NFS4_VERIFIER_SIZE);
	memcpy(bytes, &rec, sizeof(rec));
	memcpy(bytes + sizeof(rec), client->owner, client->owner_len);
	memcpy(bytes + sizeof(rec) + client->owner_len, client->impl, impl_len);
	return txn_put(txn, record_key(client->id, RECORD_CLIENT, 0), bytes,
		       sizeof(rec) + client->owner_len + impl_len);
}

void client_renew(struct mds *mds, struct client *client)
{
	client->renewed_ns = reactor_now_ns(mds->reactor);
	client->courtesy = false;
	list_del(&client->by_lease);
	list_add_tail(&client->by_lease, &mds->clients_by_lease);
}

bool client_is_courteous(const struct mds *mds, const struct client *client)
{
	return reactor_now_ns(mds->reactor) - client->renewed_ns > mds->config->lease_seconds * NSEC_PER_SEC;
}

void client_hold(struct client *client)
{
	client->nr_in_use++;
}

void client_drop(struct mds *mds, struct client *client)
{
	assert(client->nr_in_use > 0);
	if (--client->nr_in_use == 0 && client->gone)
		free(client);
}

struct erase_arg {
	const struct client *client;
	bool more;
};

/* What is left of a client's items: sessions and slots first, itself last. */
static int erase_body(struct txn *txn, void *arg)
{
	struct erase_arg *a = arg;
	struct key first = record_key(a->client->id, RECORD_SESSION, 0);
	struct key last = record_key(a->client->id, (enum record_type)0xff, KEY_LOW_MAX);
	struct item item;
	int err;

	a->more = true;
	for (unsigned int i = 0; i < CLIENT_ERASE_STEP; i++) {
		err = txn_next(txn, first, last, &item);
		if (err == -ENOENT) {
			a->more = false;
			err = txn_delete(txn, record_key(a->client->id, RECORD_CLIENT, 0));
			return err == -ENOENT ? 0 : err;
		}
		if (!err)
			err = txn_delete(txn, item.key);
		if (err)
			return err;
	}
	return 0;
}

static FIBER_FN int client_erase(struct mds *mds, struct client *client, uint64_t *ret_seq)
{
	static const struct txn_options opt = { .name = "remove client", .frees_space = true };
	struct erase_arg arg = { .client = client };
	int err;

	do {
		err = txn_run(mds->fs, &opt, erase_body, &arg, ret_seq);
	} while (!err && arg.more);
	return err;
}

FIBER_FN int client_destroy(struct mds *mds, struct client *client, uint64_t *ret_seq)
{
	uint64_t seq = 0;
	int err = 0;

	if (client->busy || client->gone)
		return -EBUSY;
	client->busy = true;
	client_hold(client);
	while (!list_is_empty(&client->sessions))
		session_remove(mds, container_of(client->sessions.next, struct session, by_client));
	if (client->confirmed) {
		err = layout_release_client(mds, client);
		if (!err)
			err = state_release_client(mds, client, &seq);
		if (!err)
			err = client_erase(mds, client, &seq);
	}
	client->busy = false;
	if (!err)
		client_remove(mds, client);
	client_drop(mds, client);
	if (!err && ret_seq)
		*ret_seq = seq;
	return err;
}

uint32_t client_status_flags(const struct mds *mds, const struct client *client, const struct session *session)
{
	uint32_t flags = backchannel_status_flags(client, session);
	unsigned int recallable = client->nr_delegs_revoked + client->nr_layouts_revoked;

	if (recallable > 0)
		flags |= SEQ4_STATUS_RECALLABLE_STATE_REVOKED;
	if (client->nr_revoked > recallable)
		flags |= client->nr_states > client->nr_revoked ? SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED
								: SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED;
	(void)mds;
	return flags;
}
