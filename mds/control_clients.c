/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document about clients.  Promises: members keep their names, lamina-clients(8) has them; it is made and sent
 * client by client, others get their turn between, and a client that comes or goes meanwhile is in it or not.  Those
 * that read and write through the server are in the status document, too, the latest of them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mds/client.h"
#include "mds/conn.h"
#include "mds/control_int.h"
#include "mds/detour.h"
#include "mds/layout.h"
#include "mds/session.h"

#define DETOURS_MAX 16 /* that status shows */
#define NS	    1e9

static struct client *find(const struct mds *mds, uint64_t id)
{
	struct client *client = NULL;

	HASH_FIND(hh, mds->clients, &id, sizeof(id), client);
	return client;
}

static void add_id(struct json_object *o, const struct client *client)
{
	char id[17];

	snprintf(id, sizeof(id), "%016" PRIx64, client->id);
	control_add_text(o, "id", id);
}

/* Bytes as digits. */
static void add_hex(struct json_object *o, const char *name, const uint8_t *bytes, size_t len)
{
	char text[2 * NFS4_OPAQUE_LIMIT + 1] = "";

	for (size_t i = 0; i < len && 2 * i + 2 < sizeof(text); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	json_object_object_add(o, name, json_object_new_string(text));
}

/* What clients send as their owner is text as a rule; what can't be shown becomes '?'. */
static void add_owner(struct json_object *o, const struct client *client)
{
	char text[NFS4_OPAQUE_LIMIT + 1];
	size_t len = min_u64(client->owner_len, NFS4_OPAQUE_LIMIT);

	for (size_t i = 0; i < len; i++)
		text[i] = client->owner[i] ? (char)client->owner[i] : '?';
	text[len] = '\0';
	control_add_text(o, "owner", text);
}

/* The release of a Linux kernel in "Linux 6.12.1 #1 SMP ... x86_64"; null for others. */
static void add_kernel(struct json_object *o, const struct client *client)
{
	char release[CLIENT_IMPL_MAX];

	control_add_text(o, "kernel", sscanf(client->impl, "Linux %255s", release) == 1 ? release : NULL);
}

/* Where it is now; if it has no connection, where it was when it introduced itself, unless that is too long ago. */
static void add_address(struct json_object *o, const struct client *client)
{
	list_for_each (pos, &client->sessions) {
		const struct session *session = list_entry(pos, struct session, by_client);
		char text[SOCK_ADDR_TEXT_MAX];

		if (list_is_empty(&session->conns))
			continue;
		sock_addr_print(&list_first_entry(&session->conns, struct conn_bind, by_session)->conn->sock->peer,
				text);
		control_add_text(o, "address", text);
		return;
	}
	control_add_text(o, "address", client->peer[0] ? client->peer : NULL);
}

static void add_io(struct json_object *o, const struct mds *mds, const struct client *client)
{
	uint64_t now = reactor_now_ns(mds->reactor);

	control_add_u64(o, "reads_by_server", client->nr_reads);
	control_add_u64(o, "writes_by_server", client->nr_writes);
	if (!list_is_empty(&client->by_detour))
		control_add_double(o, "by_server_seconds", (double)(now - client->detour_ns) / NS);
	control_add_u64(o, "layoutgets", client->nr_layoutgets);
	control_add_text(o, "why_by_server", detour_why(mds, client));
}

void control_add_detours(struct json_object *top, const struct mds *mds)
{
	struct json_object *o = control_add_object(top, "by_server"), *list = control_add_array(o, "clients");
	bool has_layouts = mds->layouts && mds->layouts->kinds;
	unsigned int nr = 0;
	struct list *pos = mds->detours.prev;

	for (; has_layouts && nr < DETOURS_MAX && pos != &mds->detours; pos = pos->prev, nr++) {
		const struct client *client = list_entry(pos, struct client, by_detour);
		struct json_object *of;

		if (!detour_is_on(mds, client))
			break;
		of = json_object_new_object();
		add_id(of, client);
		add_address(of, client);
		add_io(of, mds, client);
		json_object_array_add(list, of);
	}
	control_add_bool(o, "more", nr == DETOURS_MAX && pos != &mds->detours);
}

static const char *backchannel_state(const struct session *session, bool has_back)
{
	if (!(session->flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN) && !has_back)
		return "none";
	return has_back ? "up" : "down";
}

/* Returns how many connections it has. */
static unsigned int add_session(struct json_object *sessions, const struct session *session)
{
	struct json_object *o = json_object_new_object();
	struct json_object *conns;
	unsigned int nr_conns = 0, nr_busy = 0, nr_used = 0;
	bool has_back = false;

	add_hex(o, "id", (const uint8_t *)session->id, NFS4_SESSIONID_SIZE);
	for (uint32_t i = 0; i < session->nr_slots; i++) {
		nr_used += session->slots[i].state != SLOT_UNUSED;
		nr_busy += session->slots[i].state == SLOT_BUSY;
	}
	control_add_u64(o, "slots", session->nr_slots);
	control_add_u64(o, "slots_used", nr_used);
	control_add_u64(o, "slots_busy", nr_busy);
	conns = control_add_array(o, "connections");
	list_for_each (pos, &session->conns) {
		const struct conn_bind *bind = list_entry(pos, struct conn_bind, by_session);

		json_object_array_add(conns, json_object_new_uint64(bind->conn->number));
		has_back = has_back || (bind->back && !bind->conn->closed);
		nr_conns++;
	}
	control_add_text(o, "backchannel", backchannel_state(session, has_back));
	json_object_array_add(sessions, o);
	return nr_conns;
}

static struct json_object *client_json(const struct mds *mds, const struct client *client)
{
	struct json_object *o = json_object_new_object();
	uint64_t now = reactor_now_ns(mds->reactor);
	struct json_object *sessions;
	unsigned int nr_conns = 0;

	add_id(o, client);
	add_owner(o, client);
	add_address(o, client);
	control_add_text(o, "implementation", client->impl);
	add_kernel(o, client);
	control_add_u64(o, "minor_version", client->minor);
	control_add_bool(o, "confirmed", client->confirmed);
	control_add_bool(o, "reclaim_complete", client->reclaim_complete);
	control_add_bool(o, "courtesy", client->courtesy);
	control_add_double(o, "silent_seconds",
			   now > client->renewed_ns ? (double)(now - client->renewed_ns) / NS : 0);
	control_add_u64(o, "opens", client->nr_opens);
	control_add_u64(o, "locks", client->nr_locks);
	control_add_u64(o, "delegations", client->nr_delegs);
	control_add_u64(o, "layouts", client->nr_layouts);
	add_io(o, mds, client);
	control_add_u64(o, "revoked", client->nr_revoked);
	sessions = control_add_array(o, "sessions");
	list_for_each (pos, &client->sessions)
		nr_conns += add_session(sessions, list_entry(pos, struct session, by_client));
	control_add_u64(o, "connections", nr_conns);
	return o;
}

static int id_cmp(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

/* The ids of all clients there are now, in order; NULL: no memory. */
static uint64_t *ids_of(const struct mds *mds, size_t *ret_nr)
{
	size_t room = HASH_COUNT(mds->clients), nr = 0;
	uint64_t *ids = calloc(room + 1, sizeof(*ids));

	if (!ids)
		return NULL;
	for (const struct client *client = mds->clients; client && nr < room; client = client->hh.next)
		ids[nr++] = client->id;
	qsort(ids, nr, sizeof(*ids), id_cmp);
	*ret_nr = nr;
	return ids;
}

struct ids {
	const struct mds *mds;
	const uint64_t *list;
};

static struct json_object *client_element(const void *arg, size_t i)
{
	const struct ids *ids = arg;
	const struct client *client = find(ids->mds, ids->list[i]);

	return client ? client_json(ids->mds, client) : NULL;
}

FIBER_FN void control_clients(const struct control_options *opt, struct control_out *out)
{
	const struct mds *mds = opt->mds;
	size_t nr = 0;
	uint64_t *list = ids_of(mds, &nr);
	struct ids ids = { mds, list };
	char text[64];

	if (!list) {
		control_out_error(out, "no memory");
		return;
	}
	snprintf(text, sizeof(text), "{\"lease_seconds\":%" PRIu64 ",\"clients\":", mds->config->lease_seconds);
	control_out_text(out, text);
	control_out_list(out, nr, client_element, &ids);
	control_out_text(out, "}");
	free(list);
}
