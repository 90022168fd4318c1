/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket.  Promises: whoever connects and stays silent, sends too much or does not read is cut off and
 * disturbs nobody; connections beyond the limit wait in the kernel; when control_stop() returns nothing of it runs.
 */
#include "mds/control.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/fiber_sync.h"
#include "dev/log.h"
#include "dev/sock.h"
#include "extent/txn.h"
#include "mds/client.h"
#include "mds/control_int.h"

#define JSON_DEPTH_MAX 4
#define AGAIN_NS       (100 * UINT64_C(1000000)) /* when the system has no files or memory for a connection */

struct control {
	struct control_options opt;
	struct reactor *reactor;
	struct listener *listener;
	struct fiber *acceptor;
	struct list conns;
	unsigned int nr_conns;
	bool stopping;
	struct wait_queue changed; /* nr_conns has gone down */
};

struct control_conn {
	struct control *control;
	struct list link;
	struct sock *sock;
	struct reactor_timer timer;
	char in[CONTROL_REQUEST_MAX + 1];
	struct control_out out;
};

/* ---- requests ---- */

static FIBER_FN void answer_status(struct control_conn *conn)
{
	struct json_object *o = control_status(&conn->control->opt);

	control_add_layouts(o, conn->control->opt.mds);
	control_out_json(&conn->out, o);
	json_object_put(o);
}

/* A member that is there and a text; NULL if not. */
static const char *text_of(struct json_object *request, const char *name)
{
	struct json_object *o = NULL;

	if (!json_object_object_get_ex(request, name, &o) || !json_object_is_type(o, json_type_string))
		return NULL;
	return json_object_get_string(o);
}

/* Take everything from the client with this id, as if it had been silent for too long.  NULL, or what is wrong. */
static FIBER_FN const char *evict(struct mds *mds, const char *id_text, bool force)
{
	struct client *client;
	uint64_t id, seq = 0;
	char *end = NULL;
	int err;

	errno = 0;
	id = id_text ? strtoull(id_text, &end, 16) : 0;
	client = !id_text || errno || end == id_text || *end ? NULL : client_find(mds, id);
	if (!client)
		return "there is no client with this id";
	if (!force && (client->nr_opens || client->nr_locks || client->nr_delegs || client->nr_layouts))
		return "the client has files open, locked or delegated, or layouts, and would lose them; ask with "
		       "--force if it shall";
	log_warn("client %016" PRIx64 " at %s is evicted, as asked on the control socket: %" PRIu64 " opens, %" PRIu64
		 " locks, %" PRIu64 " delegations, %" PRIu64 " layouts",
		 id, client->peer, client->nr_opens, client->nr_locks, client->nr_delegs, client->nr_layouts);
	err = client_destroy(mds, client, &seq);
	if (!err && seq > 0)
		err = txn_wait_durable(mds->fs, seq);
	if (!err)
		return NULL;
	return err == -EBUSY ? "the client is just changing; ask again" : strerror(-err);
}

static bool flag_of(struct json_object *request, const char *name)
{
	struct json_object *flag = NULL;

	return json_object_object_get_ex(request, name, &flag) && json_object_get_boolean(flag);
}

static bool is_forced(struct json_object *request)
{
	return flag_of(request, "force");
}

static FIBER_FN void answer_evict(struct control_conn *conn, struct json_object *request)
{
	const char *why = evict(conn->control->opt.mds, text_of(request, "client"), is_forced(request));

	if (why)
		control_out_error(&conn->out, why);
	else
		control_out_text(&conn->out, "{\"ok\":true}");
}

static FIBER_FN void answer_grow(struct control_conn *conn, struct json_object *request)
{
	struct control *control = conn->control;
	const struct control_grow ask = { .path = text_of(request, "device"),
					  .force = is_forced(request),
					  .dry_run = flag_of(request, "dry_run") };

	reactor_timer_cancel(control->reactor, &conn->timer);
	reactor_timer_arm(control->reactor, &conn->timer,
			  reactor_now_ns(control->reactor) + CONTROL_GROW_SECONDS * NSEC_PER_SEC);
	control_grow(&control->opt, &ask, &conn->out);
}

static FIBER_FN void answer(struct control_conn *conn, const char *command)
{
	if (strcmp(command, "status") == 0)
		answer_status(conn);
	else if (strcmp(command, "clients") == 0)
		control_clients(&conn->control->opt, &conn->out);
	else if (strcmp(command, "layouts") == 0)
		control_layouts(&conn->control->opt, NULL, &conn->out);
	else
		control_out_error(&conn->out, "there is no such request");
}

/* @line has an object in it. */
static FIBER_FN void answer_object(struct control_conn *conn, const char *line)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
	struct json_object *o = tokener ? json_tokener_parse_ex(tokener, line, (int)strlen(line)) : NULL;
	const char *command = text_of(o, "command");

	if (!command)
		control_out_error(&conn->out, "the request is not an object with a \"command\"");
	else if (strcmp(command, "evict") == 0)
		answer_evict(conn, o);
	else if (strcmp(command, "fence") == 0)
		control_fence(conn->control->opt.mds, text_of(o, "client"), is_forced(o), &conn->out);
	else if (strcmp(command, "unfence") == 0)
		control_unfence(conn->control->opt.mds, text_of(o, "client"), is_forced(o), &conn->out);
	else if (strcmp(command, "grow") == 0)
		answer_grow(conn, o);
	else if (strcmp(command, "layouts") == 0)
		control_layouts(&conn->control->opt, text_of(o, "file"), &conn->out);
	else
		answer(conn, command);
	json_object_put(o);
	if (tokener)
		json_tokener_free(tokener);
}

/* Read one line, without its end.  False: there is none. */
static FIBER_FN bool read_line(struct control_conn *conn)
{
	size_t len = 0;

	while (len < CONTROL_REQUEST_MAX) {
		ssize_t n = sock_recv(conn->sock, conn->in + len, CONTROL_REQUEST_MAX - len);
		char *end;

		if (n <= 0)
			return false;
		end = memchr(conn->in + len, '\n', (size_t)n);
		len += (size_t)n;
		if (end) {
			*end = '\0';
			return true;
		}
	}
	control_out_error(&conn->out, "the request is too long");
	return false;
}

/* ---- connections ---- */

static void conn_late(struct reactor_timer *t)
{
	struct control_conn *conn = t->owner;

	sock_shutdown(conn->sock);
}

static FIBER_FN void conn_serve(void *arg)
{
	struct control_conn *conn = arg;
	struct control *control = conn->control;

	if (read_line(conn)) {
		if (conn->in[0] == '{')
			answer_object(conn, conn->in);
		else
			answer(conn, conn->in);
	}
	if (conn->out.len > 0)
		control_out_text(&conn->out, "\n");
	control_out_flush(&conn->out);
	reactor_timer_cancel(control->reactor, &conn->timer);
	list_del(&conn->link);
	sock_close(conn->sock);
	free(conn);
	control->nr_conns--;
	wait_queue_wake_all(&control->changed);
}

/* Serve @sock, which is consumed. */
static void conn_start(struct control *control, struct sock *sock)
{
	struct control_conn *conn = calloc(1, sizeof(*conn));
	int err = conn ? 0 : -ENOMEM;

	if (!err) {
		conn->control = control;
		conn->sock = sock;
		conn->out.sock = sock;
		conn->timer = (struct reactor_timer){ .fire = conn_late, .owner = conn };
		err = fiber_spawn(control->reactor, "control connection", conn_serve, conn, NULL);
	}
	if (err) {
		log_warn("a connection to the control socket can't be served: %s", strerror(-err));
		free(conn);
		sock_close(sock);
		return;
	}
	list_add_tail(&conn->link, &control->conns);
	control->nr_conns++;
	reactor_timer_arm(control->reactor, &conn->timer,
			  reactor_now_ns(control->reactor) + CONTROL_SECONDS * NSEC_PER_SEC);
}

static FIBER_FN void control_accept(void *arg)
{
	struct control *control = arg;
	struct sock *sock = NULL;

	while (!control->stopping) {
		int err;

		if (control->nr_conns >= CONTROL_CONNS_MAX) {
			wait_queue_wait(&control->changed);
			continue;
		}
		err = listener_accept(control->listener, &sock);
		if (err == -ESHUTDOWN)
			break;
		if (err)
			fiber_sleep_ns(AGAIN_NS);
		else
			conn_start(control, sock);
	}
}

/* ---- start and stop ---- */

static int control_listen(struct control *control)
{
	struct sock_addr addr;
	int err = sock_addr_parse(control->opt.path, &addr);

	return err ? err : net_listen(control->opt.mds->net, &addr, &control->listener);
}

int control_start(const struct control_options *opt, struct control **ret_control)
{
	struct control *control = calloc(1, sizeof(*control));
	int err;

	if (!control)
		return -ENOMEM;
	control->opt = *opt;
	control->reactor = opt->mds->reactor;
	list_init(&control->conns);
	wait_queue_init(&control->changed);
	err = control_listen(control);
	if (!err)
		err = fiber_spawn(control->reactor, "control socket", control_accept, control, &control->acceptor);
	if (err) {
		listener_close(control->listener);
		free(control);
		return err;
	}
	*ret_control = control;
	return 0;
}

FIBER_FN void control_stop(struct control *control)
{
	if (!control)
		return;
	control->stopping = true;
	listener_shutdown(control->listener);
	wait_queue_wake_all(&control->changed);
	fiber_join(control->acceptor);
	list_for_each (pos, &control->conns)
		sock_shutdown(list_entry(pos, struct control_conn, link)->sock);
	while (control->nr_conns > 0)
		wait_queue_wait(&control->changed);
	listener_close(control->listener);
	free(control);
}
