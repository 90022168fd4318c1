/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket on a simulated network: what it answers, to how many, and how long it waits.  The server behind
 * it is its memory only, filled in by hand.
 */
#include "mds/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <json-c/json.h>

#include "dev/fiber.h"
#include "mds/backchannel.h"
#include "mds/client.h"
#include "mds/conn.h"
#include "mds/control_int.h"
#include "mds/detour.h"
#include "mds/layout.h"
#include "mds/session.h"
#include "tests/lib/check.h"
#include "tests/lib/member.h"
#include "tests/lib/store.h"
#include "tests/sim/sim_net.h"

#define CONTROL	   "/run/control"
#define NR_CLIENTS 100
#define ANSWER_MAX (1u << 20)

struct world {
	struct store store;
	struct sim_net *n;
	struct net *net;
	struct config *config;
	struct mds mds;
	struct control *control;
	struct client clients[NR_CLIENTS];
	struct session session;
	struct slot slots[4];
	struct conn conn;
	struct sock sock;
	struct conn_bind bind;
	/* `grow`: what was asked, and what is done about it */
	struct layouts layouts;
	struct layout_device grown;
	unsigned int nr_grows, nr_grows_done;
	struct control_grow asked;
	char asked_path[CONTROL_REQUEST_MAX];
	uint64_t grow_ns;
	const char *grow_why; /* NULL: it works */
	char answer[ANSWER_MAX];
};

static void fill_clients(struct world *w)
{
	for (unsigned int i = 0; i < NR_CLIENTS; i++) {
		struct client *c = &w->clients[i];

		c->id = 1000 - i;
		c->owner_len = 12;
		memcpy(c->owner, "Linux\0NFS\xff\"4x", 12);
		snprintf(c->impl, sizeof(c->impl), i ? "torture" : "Linux 6.12.1-x #1 SMP x86_64");
		snprintf(c->peer, sizeof(c->peer), "192.0.2.%u:700", i);
		c->minor = 2;
		list_init(&c->sessions);
		list_init(&c->by_detour);
		HASH_ADD(hh, w->mds.clients, id, sizeof(c->id), c);
	}
	w->mds.nr_clients = NR_CLIENTS;
	w->conn.number = 77;
	w->conn.sock = &w->sock;
	CHECK_EQ(sock_addr_parse("198.51.100.9:888", &w->sock.peer), 0);
	w->bind = (struct conn_bind){ .conn = &w->conn, .session = &w->session, .fore = true, .back = true };
	w->slots[1].state = SLOT_CACHED;
	w->session = (struct session){ .client = &w->clients[0],
				       .flags = CREATE_SESSION4_FLAG_CONN_BACK_CHAN,
				       .nr_slots = 4,
				       .slots = w->slots };
	memset(w->session.id, 0xa5, sizeof(w->session.id));
	list_init(&w->session.conns);
	list_add_tail(&w->bind.by_session, &w->session.conns);
	list_add_tail(&w->session.by_client, &w->clients[0].sessions);
}

static FIBER_FN int fake_grow(void *arg, const struct control_grow *ask, struct control_grown *ret_grown,
			      struct why *why)
{
	static const char *const paths[] = { "/dev/a", "/dev/b" };
	struct world *w = arg;

	w->nr_grows++;
	w->asked = *ask;
	snprintf(w->asked_path, sizeof(w->asked_path), "%s", ask->path);
	fiber_sleep_ns(w->grow_ns);
	w->nr_grows_done++;
	if (w->grow_why)
		return why_set(why, -EINVAL, "%s", w->grow_why);
	*ret_grown =
		(struct control_grown){ .index = 0, .size = 1 << 20, .held = "xfs", .paths = paths, .nr_paths = 2 };
	return 0;
}

static FIBER_FN void world_start(struct world *w)
{
	struct control_options options = { .mds = &w->mds, .path = CONTROL, .grow = fake_grow, .grow_arg = w };

	store_format(&w->store);
	CHECK_EQ(store_mount(&w->store), 0);
	w->mds = (struct mds){ .reactor = w->store.r, .fs = w->store.fs, .net = w->net, .config = w->config };
	list_init(&w->mds.detours);
	fiber_sem_init(&w->mds.requests, w->config->limits.requests);
	fill_clients(w);
	CHECK_EQ(control_start(&options, &w->control), 0);
}

static FIBER_FN void world_stop(struct world *w)
{
	control_stop(w->control);
	HASH_CLEAR(hh, w->mds.clients);
	store_unmount(&w->store);
}

static void world_run(void (*fn)(struct store *s, void *arg))
{
	const struct store_config cfg = { .seed = store_seed(1) };
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->config = config_default();
	assert_non_null(w->config);
	store_init(&w->store, &cfg);
	w->n = sim_net_new(w->store.r, cfg.seed, NULL);
	w->net = sim_net_host(w->n, "192.0.2.1");
	store_run(&w->store, fn, w);
	sim_net_free(w->n);
	store_release(&w->store);
	config_free(w->config);
	free(w);
}

static FIBER_FN struct sock *dial(struct world *w)
{
	struct sock_addr addr;
	struct sock *s = NULL;

	CHECK_EQ(sock_addr_parse(CONTROL, &addr), 0);
	CHECK_EQ(net_connect(w->net, &addr, &s), 0);
	return s;
}

static FIBER_FN int say(struct sock *s, const char *text)
{
	const struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) };

	return sock_send(s, &iov, 1);
}

/* All that comes until the end, into w->answer. */
static FIBER_FN void hear(struct world *w, struct sock *s)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = sock_recv(s, w->answer + len, sizeof(w->answer) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	w->answer[len] = '\0';
}

static FIBER_FN struct json_object *ask(struct world *w, const char *request)
{
	struct sock *s = dial(w);
	struct json_object *o;

	CHECK_EQ(say(s, request), 0);
	hear(w, s);
	sock_close(s);
	CHECK(strlen(w->answer) > 0 && w->answer[strlen(w->answer) - 1] == '\n');
	o = json_tokener_parse(w->answer);
	CHECK(o != NULL);
	return o;
}

static uint64_t number(struct json_object *o, const char *name)
{
	return json_object_get_uint64(member(o, name));
}

static FIBER_FN void status_body(struct store *s, void *arg)
{
	struct world *w = arg;
	struct json_object *o, *ops;

	world_start(w);
	w->mds.nr_opens = 42;
	w->mds.nr_delegs = 43;
	w->mds.counts.ops[OP_GETATTR] = 7;
	fiber_sem_take(&w->mds.requests, 3);
	o = ask(w, "status\n");
	CHECK_EQ(number(member(o, "opens"), "now"), 42);
	CHECK_EQ(number(member(o, "opens"), "limit"), w->config->limits.opens);
	CHECK_EQ(number(o, "delegations"), 43);
	CHECK_EQ(number(member(o, "clients"), "now"), NR_CLIENTS);
	CHECK_EQ(number(member(o, "requests"), "now"), 3);
	ops = member(o, "operations");
	CHECK_EQ(json_object_object_length(ops), 1);
	CHECK_EQ(number(member(ops, "GETATTR"), "count"), 7);
	CHECK_EQ(number(member(o, "volume"), "inodes"), 1);
	CHECK(number(member(o, "volume"), "size_bytes") > number(member(o, "volume"), "free_bytes"));
	CHECK(member(member(o, "volume"), "error") == NULL);
	CHECK_EQ(json_object_array_length(member(member(o, "volume"), "devices")), 1);
	json_object_put(o);
	world_stop(w);
}

static int put_body(struct txn *txn, void *arg)
{
	return txn_put(txn, key_make(ZONE_STATE, 1, 1, 1), "x", 1);
}

/* A volume that fails is still told about, and why it is read-only. */
static FIBER_FN void failed_body(struct store *s, void *arg)
{
	const struct sim_fault fault = {
		.kind = SIM_FAULT_ERROR, .ops = SIM_OPS_WRITES, .nth = 1, .times = UINT64_MAX, .error = -EIO
	};
	struct world *w = arg;
	struct json_object *o;
	uint64_t seq = 0;

	world_start(w);
	o = ask(w, "status\n");
	CHECK(!json_object_get_boolean(member(member(o, "volume"), "read_only")));
	json_object_put(o);
	sim_disk_fault(s->disks[0], &fault);
	CHECK_EQ(txn_run(s->fs, NULL, put_body, NULL, &seq), 0);
	CHECK_EQ(txn_wait_durable(s->fs, seq), -EIO);
	o = ask(w, "status\n");
	CHECK(json_object_get_boolean(member(member(o, "volume"), "read_only")));
	CHECK(strcmp(json_object_get_string(member(member(o, "volume"), "error")), fs_error(s->fs)) == 0);
	json_object_put(o);
	control_stop(w->control);
	HASH_CLEAR(hh, w->mds.clients);
	fs_abandon(s->fs);
	s->fs = NULL;
}

static FIBER_FN void clients_body(struct store *s, void *arg)
{
	struct world *w = arg;
	struct json_object *o, *list, *last, *other, *session;

	world_start(w);
	client_find(&w->mds, 0x3e8)->nr_reads = 3;
	o = ask(w, "{\"command\": \"clients\"}\n");
	list = member(o, "clients");
	CHECK_EQ(json_object_array_length(list), NR_CLIENTS);
	/* In the order of their ids: the one that was made first has the highest. */
	last = json_object_array_get_idx(list, NR_CLIENTS - 1);
	CHECK(strcmp(json_object_get_string(member(last, "id")), "00000000000003e8") == 0);
	CHECK(strcmp(json_object_get_string(member(last, "owner")), "Linux?NFS?\"4") == 0);
	CHECK(strcmp(json_object_get_string(member(last, "kernel")), "6.12.1-x") == 0);
	CHECK(strcmp(json_object_get_string(member(last, "address")), "198.51.100.9:888") == 0);
	CHECK_EQ(number(last, "minor_version"), 2);
	CHECK_EQ(number(last, "connections"), 1);
	CHECK_EQ(number(last, "reads_by_server"), 3);
	CHECK_EQ(number(last, "writes_by_server"), 0);
	CHECK(strcmp(json_object_get_string(member(last, "why_by_server")), "the server offers no layouts") == 0);
	CHECK_EQ(json_object_array_length(member(last, "sessions")), 1);
	session = json_object_array_get_idx(member(last, "sessions"), 0);
	CHECK(strcmp(json_object_get_string(member(session, "backchannel")), "up") == 0);
	CHECK_EQ(number(session, "slots"), 4);
	CHECK_EQ(number(session, "slots_used"), 1);
	CHECK_EQ(json_object_get_uint64(json_object_array_get_idx(member(session, "connections"), 0)), 77);
	other = json_object_array_get_idx(list, 0);
	CHECK(member(other, "kernel") == NULL);
	CHECK(strcmp(json_object_get_string(member(other, "address")), "192.0.2.99:700") == 0);
	json_object_put(o);
	w->conn.closed = true;
	o = ask(w, "clients\n");
	last = json_object_array_get_idx(member(o, "clients"), NR_CLIENTS - 1);
	session = json_object_array_get_idx(member(last, "sessions"), 0);
	CHECK(strcmp(json_object_get_string(member(session, "backchannel")), "down") == 0);
	json_object_put(o);
	world_stop(w);
}

static bool text_is(struct json_object *o, const char *name, const char *text)
{
	return strcmp(json_object_get_string(member(o, name)), text) == 0;
}

static FIBER_FN struct json_object *ask_layouts(struct world *w, const char *request, size_t nr)
{
	struct json_object *o = ask(w, request), *list = member(o, "layouts");

	CHECK_EQ(json_object_array_length(list), nr);
	json_object_get(list);
	json_object_put(o);
	return list;
}

/* Element @i of those who read and write through the server; @ret_all to be put. */
static struct json_object *detour(struct world *w, size_t nr, size_t i, struct json_object **ret_all)
{
	struct json_object *clients;

	*ret_all = json_object_new_object();
	control_add_detours(*ret_all, &w->mds);
	clients = member(member(*ret_all, "by_server"), "clients");
	CHECK_EQ(json_object_array_length(clients), nr);
	return json_object_array_get_idx(clients, i);
}

static void check_why(struct world *w, const char *why)
{
	struct json_object *all, *o = detour(w, 2, 0, &all);

	CHECK(text_is(o, "id", "00000000000003e8"));
	CHECK(why ? text_is(o, "why_by_server", why) : member(o, "why_by_server") == NULL);
	json_object_put(all);
}

/* Two clients of a server that gives out layouts; only the first has a backchannel. */
static FIBER_FN void detours_body(struct store *s, void *arg)
{
	struct layouts layouts = { .kinds = 1u << LAYOUT_SCSI };
	struct world *w = arg;
	struct client *first = &w->clients[0];
	struct json_object *all, *o;

	world_start(w);
	CHECK_EQ(backchannel_init(&w->mds, &w->session), 0);
	detour_note(&w->mds, first, 0, 4096, false);
	detour(w, 0, 0, &all); /* nobody has a choice */
	json_object_put(all);
	w->mds.layouts = &layouts;
	fiber_sleep_ns(100 * NSEC_PER_SEC);
	detour_note(&w->mds, &w->clients[1], 0, 4096, false);
	o = detour(w, 2, 0, &all);
	CHECK(text_is(o, "id", "00000000000003e7"));
	CHECK(text_is(o, "why_by_server", "it cannot be called back"));
	o = json_object_array_get_idx(member(member(all, "by_server"), "clients"), 1);
	CHECK_EQ((unsigned int)json_object_get_double(member(o, "by_server_seconds")), 100);
	CHECK(!json_object_get_boolean(member(member(all, "by_server"), "more")));
	json_object_put(all);
	detour_note(&w->mds, first, 4096, 512, false);
	check_why(w, "it does not ask for layouts");
	first->nr_layouts = 1; /* from before the server was started */
	check_why(w, "it gets layouts and does not use them: it does not reach or find a device, or had an I/O error "
		     "there");
	detour_note(&w->mds, first, 100, 4096, false);
	check_why(w, "its I/O does not begin and end at sectors");
	detour_note(&w->mds, first, 0, 100, true);
	check_why(w, "it gets layouts and does not use them: it does not reach or find a device, or had an I/O error "
		     "there");
	detour_error(&w->mds, first);
	check_why(w, "it reported an error of a device");
	first->layout_refused = NFS4ERR_BADLAYOUT;
	check_why(w, "what it asked for last cannot be laid out for it");
	first->layout_refused = NFS4ERR_DELAY;
	check_why(w, NULL);
	fiber_sleep_ns((DETOUR_SECONDS + 1) * NSEC_PER_SEC);
	detour(w, 0, 0, &all);
	json_object_put(all);
	CHECK(!detour_why(&w->mds, first));
	for (unsigned int i = 0; i < NR_CLIENTS; i++)
		detour_note(&w->mds, &w->clients[i], 0, 1, false);
	o = detour(w, 16, 15, &all);
	CHECK(text_is(o, "id", "0000000000000394"));
	CHECK(json_object_get_boolean(member(member(all, "by_server"), "more")));
	json_object_put(all);
	list_del(&first->by_detour);
	first->gone = true;
	detour_note(&w->mds, first, 0, 1, false);
	CHECK(list_is_empty(&first->by_detour));
	w->mds.layouts = NULL;
	backchannel_release(&w->session);
	o = ask(w, "status\n");
	CHECK_EQ(json_object_array_length(member(member(o, "by_server"), "clients")), 0);
	json_object_put(o);
	world_stop(w);
}

/* One that is recalled, and one that is lost and nobody's any more. */
static FIBER_FN void layouts_body(struct store *s, void *arg)
{
	struct world *w = arg;
	struct client nobody = { 0 };
	struct file file = { .ino = 7 };
	struct layout *v[2] = { layout_alloc(&w->clients[0]), layout_alloc(&nobody) };
	struct json_object *list, *o, *grant;

	world_start(w);
	for (unsigned int i = 0; i < 2; i++) {
		CHECK(v[i] != NULL);
		v[i]->state.number = 90 - i;
		v[i]->kind = LAYOUT_SCSI;
		v[i]->ino = 9 - 2 * i;
		v[i]->key = 0xabc;
		v[i]->file = &file;
		CHECK_EQ(grants_add(&(struct grants){ 0 }, 2, 5, i ? GRANT_READ : GRANT_RW | GRANT_FRESH,
				    &v[i]->grants),
			 0);
		HASH_ADD(hh, w->mds.states, number, sizeof(v[i]->state.number), &v[i]->state);
	}
	v[0]->recalled = true;
	v[1]->state.revoked = true;
	list = ask_layouts(w, "layouts\n", 2);
	o = json_object_array_get_idx(list, 0);
	CHECK_EQ(number(o, "inode"), 7);
	CHECK(member(o, "client") == NULL);
	CHECK(text_is(o, "state", "lost"));
	CHECK(text_is(o, "fence", "none"));
	o = json_object_array_get_idx(list, 1);
	CHECK(text_is(o, "client", "00000000000003e8"));
	CHECK(text_is(o, "address", "192.0.2.0:700"));
	CHECK(text_is(o, "state", "recalled"));
	CHECK(text_is(o, "type", "scsi"));
	CHECK(text_is(o, "key", "0x0000000000000abc"));
	grant = json_object_array_get_idx(member(o, "grants"), 0);
	CHECK_EQ(number(grant, "offset"), 8192);
	CHECK_EQ(number(grant, "length"), 12288);
	CHECK(text_is(grant, "mode", "write"));
	CHECK(json_object_get_boolean(member(grant, "fresh")));
	json_object_put(list);
	v[0]->returned = LAYOUT_ALL_RETURNED;
	list = ask_layouts(w, "{\"command\":\"layouts\",\"file\":\"9\"}\n", 1);
	CHECK(text_is(json_object_array_get_idx(list, 0), "state", "returned"));
	json_object_put(list);
	json_object_put(ask_layouts(w, "{\"command\":\"layouts\",\"file\":\"//\"}\n", 0));
	o = ask(w, "{\"command\":\"layouts\",\"file\":\"/a/b\"}\n");
	CHECK(text_is(o, "error", "there is no such file on the volume"));
	json_object_put(o);
	HASH_CLEAR(hh, w->mds.states);
	for (unsigned int i = 0; i < 2; i++)
		layout_free(v[i]);
	world_stop(w);
}

/* A server with layouts, as far as `grow` looks at them. */
static void with_layouts(struct world *w)
{
	w->grown.offers = LAYOUT_SCSI;
	memset(w->grown.id, 0xab, sizeof(w->grown.id));
	w->layouts.devices = (struct layout_devices){ .nr = 1, .v = &w->grown };
	w->mds.layouts = &w->layouts;
}

static FIBER_FN void grow_body(struct store *s, void *arg)
{
	struct world *w = arg;
	struct json_object *o;

	world_start(w);
	with_layouts(w);
	o = ask(w, "{\"command\":\"grow\",\"device\":\"/dev/b\"}\n");
	CHECK(!w->asked.force && !w->asked.dry_run);
	CHECK(strcmp(w->asked_path, "/dev/b") == 0);
	CHECK(text_is(o, "path", "/dev/b"));
	CHECK(json_object_get_boolean(member(o, "added")));
	CHECK_EQ(number(o, "number"), 1);
	CHECK(text_is(o, "id", "abababab-abab-abab-abab-abababababab"));
	CHECK_EQ(number(o, "size_bytes"), 1 << 20);
	CHECK(text_is(o, "held", "xfs"));
	CHECK_EQ(json_object_array_length(member(o, "types")), 1);
	CHECK(number(member(o, "volume"), "size_bytes") > number(member(o, "volume"), "free_bytes"));
	CHECK_EQ(json_object_array_length(member(o, "devices")), 2);
	json_object_put(o);
	/* It may take longer than other requests. */
	w->grow_ns = 6 * CONTROL_SECONDS * NSEC_PER_SEC;
	o = ask(w, "{\"command\":\"grow\",\"device\":\"/x y\",\"force\":true,\"dry_run\":true}\n");
	CHECK(w->asked.force && w->asked.dry_run);
	CHECK(!json_object_get_boolean(member(o, "added")));
	CHECK(member(o, "id") == NULL);
	json_object_put(o);
	w->grow_ns = 0;
	w->grow_why = "it is \"full\"";
	o = ask(w, "{\"command\":\"grow\",\"device\":\"/dev/b\"}\n");
	CHECK(text_is(o, "error", "it is \"full\""));
	json_object_put(o);
	world_stop(w);
}

/* Nothing of this reaches who would open something. */
static FIBER_FN void bad_grow_body(struct store *s, void *arg)
{
	static const char *const members[] = {
		"",
		"\"device\":null",
		"\"device\":7",
		"\"device\":[\"/dev/b\"]",
		"\"device\":{\"/dev/b\":1}",
		"\"device\":\"\"",
		"\"device\":\"dev/b\"",
		"\"device\":\"/dev/b\\n\"",
		"\"device\":\"\\u0000/dev/b\"",
		"\"device\":\"/dev/\\u001b[2J\"",
		"\"device\":\"/dev/b",
		"\"devices\":\"/dev/b\"",
	};
	struct world *w = arg;
	char big[2 * CONTROL_REQUEST_MAX];
	struct json_object *o;
	struct sock *gone;

	world_start(w);
	/* A server without layouts cannot be asked at all. */
	o = ask(w, "{\"command\":\"grow\",\"device\":\"/dev/b\"}\n");
	CHECK(json_object_is_type(member(o, "error"), json_type_string));
	json_object_put(o);
	with_layouts(w);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		snprintf(big, sizeof(big), "{\"command\":\"grow\",%s}\n", members[i]);
		o = ask(w, big);
		CHECK(json_object_is_type(member(o, "error"), json_type_string));
		json_object_put(o);
	}
	snprintf(big, sizeof(big), "{\"command\":\"grow\",\"device\":\"/%0*d\"}\n", CONTROL_REQUEST_MAX, 0);
	o = ask(w, big);
	CHECK(json_object_is_type(member(o, "error"), json_type_string));
	json_object_put(o);
	CHECK_EQ(w->nr_grows, 0);
	/* Flags that are none are what json-c makes of them; who does not wait for the answer is served all the same.
	 */
	w->grow_ns = NSEC_PER_SEC;
	gone = dial(w);
	CHECK_EQ(say(gone, "{\"command\":\"grow\",\"device\":\"/dev/b\",\"force\":\"\",\"dry_run\":[]}\n"), 0);
	while (w->nr_grows == 0)
		fiber_sleep_ns(NSEC_PER_SEC / 100);
	CHECK(!w->asked.force);
	sock_close(gone);
	CHECK_EQ(w->nr_grows_done, 0);
	world_stop(w);
	CHECK_EQ(w->nr_grows_done, 1);
}

static FIBER_FN void nonsense_body(struct store *s, void *arg)
{
	static const char *const requests[] = { "\n",
						"stat\n",
						"{\n",
						"{}\n",
						"{\"command\": 3}\n",
						"{\"command\": \"quit\"}\n",
						"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}\n",
						"[\"status\"]\n" };
	struct world *w = arg;
	char big[CONTROL_REQUEST_MAX + 1];
	struct json_object *o;

	world_start(w);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		o = ask(w, requests[i]);
		CHECK(json_object_is_type(member(o, "error"), json_type_string));
		json_object_put(o);
	}
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	o = ask(w, big);
	CHECK(json_object_is_type(member(o, "error"), json_type_string));
	json_object_put(o);
	world_stop(w);
}

/* Silent ones take all places; who comes after them is served when their time is over. */
static FIBER_FN void silent_body(struct store *s, void *arg)
{
	struct sock *silent[CONTROL_CONNS_MAX];
	struct world *w = arg;
	struct json_object *o;
	uint64_t begin, took;

	world_start(w);
	begin = reactor_now_ns(s->r);
	for (unsigned int i = 0; i < CONTROL_CONNS_MAX; i++) {
		silent[i] = dial(w);
		CHECK_EQ(say(silent[i], "stat"), 0);
	}
	o = ask(w, "status\n");
	took = reactor_now_ns(s->r) - begin;
	CHECK(took >= (CONTROL_SECONDS - 1) * NSEC_PER_SEC && took < (CONTROL_SECONDS + 5) * NSEC_PER_SEC);
	json_object_put(o);
	for (unsigned int i = 0; i < CONTROL_CONNS_MAX; i++) {
		hear(w, silent[i]);
		CHECK_EQ(strlen(w->answer), 0);
		sock_close(silent[i]);
	}
	world_stop(w);
}

/* The end does not wait for those who are silent, nor for one who does not read. */
static FIBER_FN void stop_body(struct store *s, void *arg)
{
	struct world *w = arg;
	struct sock *silent, *deaf;
	uint64_t begin;

	world_start(w);
	silent = dial(w);
	deaf = dial(w);
	CHECK_EQ(say(deaf, "clients\n"), 0);
	fiber_sleep_ns(NSEC_PER_SEC);
	begin = reactor_now_ns(s->r);
	world_stop(w);
	CHECK(reactor_now_ns(s->r) - begin < NSEC_PER_SEC);
	sock_close(silent);
	sock_close(deaf);
}

static void test_status(void **state)
{
	world_run(status_body);
}

static void test_failed(void **state)
{
	world_run(failed_body);
}

static void test_clients(void **state)
{
	world_run(clients_body);
}

static void test_layouts(void **state)
{
	world_run(layouts_body);
}

static void test_detours(void **state)
{
	world_run(detours_body);
}

static void test_grow(void **state)
{
	world_run(grow_body);
}

static void test_bad_grow(void **state)
{
	world_run(bad_grow_body);
}

static void test_nonsense(void **state)
{
	world_run(nonsense_body);
}

static void test_silent(void **state)
{
	world_run(silent_body);
}

static void test_stop(void **state)
{
	world_run(stop_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),	 cmocka_unit_test(test_failed),	  cmocka_unit_test(test_clients),
		cmocka_unit_test(test_layouts),	 cmocka_unit_test(test_nonsense), cmocka_unit_test(test_silent),
		cmocka_unit_test(test_stop),	 cmocka_unit_test(test_detours),  cmocka_unit_test(test_grow),
		cmocka_unit_test(test_bad_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
