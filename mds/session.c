/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions in memory and as items.  Promises: a session that is removed is found by nobody, and lives until the last
 * compound in it is over; what is read from items is checked before it is believed.
 *
 * A session id is the client's id, the session's number and a part of the volume's tag: never used again, since
 * client ids are not, and numbers only grow.
 */

#include "mds/session.h"

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "extent/txn.h"
#include "mds/backchannel.h"
#include "mds/callback_number.h"
#include "mds/client.h"
#include "mds/client_record.h"
#include "mds/conn.h"

static void session_make_id(const struct mds *mds, uint64_t client, uint32_t number, char id[NFS4_SESSIONID_SIZE])
{
	uint64_t be_client = htobe64(client);
	uint32_t be_number = htobe32(number);

	memcpy(id, &be_client, 8);
	memcpy(id + 8, &be_number, 4);
	memcpy(id + 12, mds->volume_tag, 4);
}

uint64_t session_cost(uint32_t slots, uint32_t cached)
{
	return slots * (sizeof(struct slot) + cached);
}

uint64_t session_cache_bytes(const struct session *session)
{
	return session_cost(session->nr_slots, session->fore.ca_maxresponsesize_cached);
}

struct session *session_new(struct mds *mds, struct client *client, uint32_t number, uint32_t flags,
			    const struct channel_attrs4 *fore, const struct channel_attrs4 *back)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->slots = calloc(fore->ca_maxrequests, sizeof(*s->slots));
	if (!s->slots) {
		free(s);
		return NULL;
	}
	session_make_id(mds, client->id, number, s->id);
	s->number = number;
	s->client = client;
	s->flags = flags;
	s->fore = *fore;
	s->back = *back;
	s->nr_slots = fore->ca_maxrequests;
	list_init(&s->conns);
	wait_queue_init(&s->slot_freed);
	return s;
}

void session_free(struct session *session)
{
	for (uint32_t i = 0; i < session->nr_slots; i++)
		free(session->slots[i].reply);
	free(session->slots);
	free(session);
}

void session_insert(struct mds *mds, struct session *session)
{
	struct client *client = session->client;

	HASH_ADD(hh, mds->sessions, id, NFS4_SESSIONID_SIZE, session);
	list_add_tail(&session->by_client, &client->sessions);
	client->nr_sessions++;
	mds->nr_sessions++;
	mds->reply_cache_bytes += session_cache_bytes(session);
}

void session_remove(struct mds *mds, struct session *session)
{
	assert(!session->gone);
	HASH_DEL(mds->sessions, session);
	list_del(&session->by_client);
	session->client->nr_sessions--;
	mds->nr_sessions--;
	mds->reply_cache_bytes -= session_cache_bytes(session);
	session->gone = true;
	wait_queue_wake_all(&session->slot_freed);
	conn_unbind_session(session);
	backchannel_release(session);
	if (session->nr_in_use == 0)
		session_free(session);
}

struct session *session_find(const struct mds *mds, const char *id)
{
	struct session *s;

	HASH_FIND(hh, mds->sessions, id, NFS4_SESSIONID_SIZE, s);
	return s;
}

void session_hold(struct session *session)
{
	session->nr_in_use++;
}

void session_drop(struct mds *mds, struct session *session)
{
	assert(session->nr_in_use > 0);
	if (--session->nr_in_use == 0 && session->gone)
		session_free(session);
}

static struct record_channel channel_pack(const struct channel_attrs4 *a)
{
	return (struct record_channel){
		.request_max = le32_make(a->ca_maxrequestsize),
		.response_max = le32_make(a->ca_maxresponsesize),
		.cached_max = le32_make(a->ca_maxresponsesize_cached),
		.operations = le32_make(a->ca_maxoperations),
		.requests = le32_make(a->ca_maxrequests),
	};
}

static struct channel_attrs4 channel_unpack(const struct record_channel *r)
{
	return (struct channel_attrs4){
		.ca_maxrequestsize = le32_get(r->request_max),
		.ca_maxresponsesize = le32_get(r->response_max),
		.ca_maxresponsesize_cached = le32_get(r->cached_max),
		.ca_maxoperations = le32_get(r->operations),
		.ca_maxrequests = le32_get(r->requests),
	};
}

int session_put(struct txn *txn, const struct session *session)
{
	struct record_session rec = {
		.flags = le32_make(session->flags),
		.cb_flags = le32_make(session->cb_has_sys ? RECORD_SESSION_CB_SYS : 0),
		.cb_program = le32_make(session->cb_program),
		.cb_uid = le32_make(session->cb_uid),
		.cb_gid = le32_make(session->cb_gid),
		.fore = channel_pack(&session->fore),
		.back = channel_pack(&session->back),
	};

	return txn_put(txn, record_key(session->client->id, RECORD_SESSION, session->number), &rec, sizeof(rec));
}

int session_erase(struct txn *txn, uint64_t client, uint64_t number, unsigned int max, bool *ret_more)
{
	struct key last = record_key(client, RECORD_SLOT, record_slot_off(number + 1, 0, 0) - 1);
	struct item item;
	int err;

	for (unsigned int i = 0; i < max; i++) {
		err = txn_next(txn, record_key(client, RECORD_SLOT, record_slot_off(number, 0, 0)), last, &item);
		if (err == -ENOENT) {
			*ret_more = false;
			err = callback_number_erase(txn, client, number);
			if (err)
				return err;
			err = txn_delete(txn, record_key(client, RECORD_SESSION, number));
			return err == -ENOENT ? 0 : err;
		}
		if (!err)
			err = txn_delete(txn, item.key);
		if (err)
			return err;
	}
	*ret_more = true;
	return 0;
}

static int session_load(struct mds *mds, struct client *client, const struct item *item)
{
	const struct record_session *rec = item->val;
	struct channel_attrs4 fore, back;
	struct session *s;
	uint64_t number = key_off(item->key);

	if (item->len != sizeof(*rec) || number > UINT32_MAX)
		return -EUCLEAN;
	fore = channel_unpack(&rec->fore);
	back = channel_unpack(&rec->back);
	if (fore.ca_maxrequests == 0 || fore.ca_maxrequests > SESSION_SLOTS_MAX)
		return -EUCLEAN;
	s = session_new(mds, client, (uint32_t)number, le32_get(rec->flags), &fore, &back);
	if (!s)
		return -ENOMEM;
	s->cb_program = le32_get(rec->cb_program);
	s->cb_has_sys = (le32_get(rec->cb_flags) & RECORD_SESSION_CB_SYS) != 0;
	s->cb_uid = le32_get(rec->cb_uid);
	s->cb_gid = le32_get(rec->cb_gid);
	for (uint32_t i = 0; i < s->nr_slots; i++)
		s->slots[i].unsure = true;
	if ((s->flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN) && backchannel_init(mds, s)) {
		session_free(s);
		return -ENOMEM;
	}
	session_insert(mds, s);
	return 0;
}

int session_load_item(struct mds *mds, struct client *client, const struct item *item)
{
	char id[NFS4_SESSIONID_SIZE];
	struct session *s;
	uint64_t off = key_off(item->key);
	uint32_t nr = off >> 8 & 0xfff;
	bool is_callback;

	if (key_type(item->key) == RECORD_SESSION)
		return session_load(mds, client, item);
	is_callback = key_type(item->key) == RECORD_CALLBACK;
	session_make_id(mds, client->id, (uint32_t)(off >> (is_callback ? 8 : 20)), id);
	s = session_find(mds, id);
	if (s && is_callback)
		return callback_number_load(s, item);
	if (!s || nr >= s->nr_slots)
		return -EUCLEAN;
	return slot_load(mds, s, nr, off & 0xff, item);
}
