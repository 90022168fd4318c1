/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server as a whole.  Promises: it answers only when all that clients had is loaded again; when server_stop()
 * returns nothing of it runs any more.  More connections than the limits allow cost an accept and nothing else.
 */

#include "mds/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/sock.h"
#include "mds/client.h"
#include "mds/conn_int.h"
#include "mds/copy.h"
#include "mds/grace.h"
#include "mds/layout_recall.h"
#include "mds/reaper.h"
#include "mds/state.h"

#define ACCEPT_WAIT_NS (NSEC_PER_SEC / 10) /* when there are no descriptors or no memory */
#define USELESS_NS     (10 * NSEC_PER_SEC) /* silent and in no session: makes room for another connection */

struct server_listener {
	struct mds *mds;
	struct listener *listener;
	struct fiber *fiber;
};

struct server {
	struct server_listener listeners[CONFIG_LISTEN_MAX];
	unsigned int nr_listeners;
};

static unsigned int conns_of_address(const struct mds *mds, const struct sock_addr *addr)
{
	const struct conn *conn;
	unsigned int nr = 0;

	list_for_each_entry(conn, &mds->conns, by_mds) nr += sock_addr_same_host(&conn->sock->peer, addr);
	return nr;
}

/* Whether there is room for a connection from there. */
static bool server_admit(struct mds *mds, const struct sock_addr *peer)
{
	const struct config_limits *l = &mds->config->limits;
	struct conn *useless;

	if (conns_of_address(mds, peer) >= l->connections_per_address)
		return false;
	if (mds->nr_conns < l->connections)
		return true;
	useless = conn_useless(mds);
	if (useless && reactor_now_ns(mds->reactor) - useless->last_ns > USELESS_NS)
		conn_cut(useless, "it was silent, and others want to connect");
	return false;
}

static FIBER_FN void accept_main(void *arg)
{
	struct server_listener *l = arg;
	struct mds *mds = l->mds;
	struct sock *sock;

	while (!mds->stopping) {
		int err = listener_accept(l->listener, &sock);

		if (err == -ESHUTDOWN)
			return;
		if (err) {
			log_warn("a connection cannot be accepted: %s", strerror(-err));
			fiber_sleep_ns(ACCEPT_WAIT_NS);
			continue;
		}
		if (server_admit(mds, &sock->peer)) {
			err = conn_start(mds, sock);
			if (err)
				log_warn("a connection cannot be served: %s", strerror(-err));
		} else {
			mds->counts.connections_refused++;
			sock_close(sock);
		}
	}
}

static FIBER_FN int server_listen(struct mds *mds, struct why *why)
{
	struct server *server = mds->server;

	for (unsigned int i = 0; i < mds->config->nr_listen; i++) {
		struct server_listener *l = &server->listeners[i];
		char text[SOCK_ADDR_TEXT_MAX];
		int err;

		sock_addr_print(&mds->config->listen[i], text);
		l->mds = mds;
		err = net_listen(mds->net, &mds->config->listen[i], &l->listener);
		if (err)
			return why_set(why, err, "cannot listen on %s: %s; is another server running?", text,
				       strerror(-err));
		server->nr_listeners++;
		err = fiber_spawn(mds->reactor, "accept", accept_main, l, &l->fiber);
		if (err)
			return why_set(why, err, "cannot serve %s: %s", text, strerror(-err));
	}
	return 0;
}

static void mds_init(struct mds *mds, struct reactor *r, struct fs *fs, struct net *net, const struct config *config)
{
	const struct config_limits *l = &config->limits;
	const uint8_t *uuid = fs_uuid(fs);
	uint64_t verifier = reactor_random(r);
	uint64_t requests;

	mds->reactor = r;
	mds->fs = fs;
	mds->net = net;
	mds->config = config;
	mds->started_ns = reactor_wall_ns(r);
	memcpy(mds->write_verifier, &verifier, sizeof(mds->write_verifier));
	for (size_t i = 0; i < sizeof(mds->volume_tag); i++)
		mds->volume_tag[i] = uuid[i] ^ uuid[i + 8];
	snprintf(mds->owner_text, sizeof(mds->owner_text), "lamina:");
	for (size_t i = 0; i < UUID_LEN; i++)
		snprintf(mds->owner_text + 7 + 2 * i, 3, "%02x", uuid[i]);
	list_init(&mds->clients_by_lease);
	list_init(&mds->detours);
	list_init(&mds->reap_queue);
	list_init(&mds->conns);
	list_init(&mds->buffers);
	wait_queue_init(&mds->reap_work);
	wait_queue_init(&mds->lease_work);
	wait_queue_init(&mds->deleg_gone);
	wait_queue_init(&mds->idle);
	/* Each request in flight has a request and a reply of the largest size at most. */
	requests = l->buffer_bytes / 2 / (l->request_bytes + l->response_bytes + 2 * (uint64_t)CONN_RECORD_SLACK);
	fiber_sem_init(&mds->requests, max_u64(1, min_u64(l->requests, requests)));
}

static FIBER_FN int server_load(struct mds *mds, const struct server_options *opt, struct why *why)
{
	int err = export_tree_open(mds->config->exports, mds->config->nr_exports, &mds->exports);

	if (err)
		return why_set(why, err, "the exports cannot be served: %s", strerror(-err));
	err = layout_start(mds, opt ? opt->sources : NULL, opt ? opt->nr_sources : 0, why);
	if (err)
		return err;
	err = client_load(mds, opt && opt->discard_state);
	if (!err)
		err = state_load(mds);
	if (!err)
		err = copy_load(mds);
	if (!err)
		err = layout_nobody_init(mds);
	if (!err)
		err = layout_load(mds);
	if (!err)
		err = layout_recall_start(mds);
	if (err)
		return why_set(why, err,
			       "the state of clients cannot be loaded: %s; --discard-state goes on without it",
			       strerror(-err));
	grace_start(mds);
	err = reaper_start(mds);
	if (!err)
		err = layout_settle_start(mds);
	if (!err)
		err = lease_start(mds);
	if (err)
		return why_set(why, err, "cannot start: %s", strerror(-err));
	return server_listen(mds, why);
}

FIBER_FN int server_start(struct reactor *r, struct fs *fs, struct net *net, const struct config *config,
			  const struct server_options *opt, struct mds **ret_mds, struct why *why)
{
	struct mds *mds = calloc(1, sizeof(*mds));
	int err = -ENOMEM;

	if (mds)
		mds->server = calloc(1, sizeof(*mds->server));
	if (!mds || !mds->server) {
		free(mds);
		return why_set(why, err, "no memory to start");
	}
	mds_init(mds, r, fs, net, config);
	err = server_load(mds, opt, why);
	if (err) {
		server_stop(mds);
		return err;
	}
	*ret_mds = mds;
	return 0;
}

static FIBER_FN void server_stop_listening(struct server *server)
{
	for (unsigned int i = 0; i < server->nr_listeners; i++)
		listener_shutdown(server->listeners[i].listener);
	for (unsigned int i = 0; i < server->nr_listeners; i++) {
		if (server->listeners[i].fiber)
			fiber_join(server->listeners[i].fiber);
		listener_close(server->listeners[i].listener);
	}
	server->nr_listeners = 0;
}

FIBER_FN void server_stop(struct mds *mds)
{
	struct conn *conn;

	mds->stopping = true;
	server_stop_listening(mds->server);
	list_for_each_entry(conn, &mds->conns, by_mds) conn_cut(conn, NULL);
	wait_queue_wake_all(&mds->deleg_gone);
	layout_interrupt(mds);
	layout_recall_interrupt(mds);
	copy_stop_all(mds);
	while (mds->nr_conns > 0 || mds->nr_fibers > 0)
		wait_queue_wait(&mds->idle);
	lease_stop(mds);
	reaper_stop(mds);
	layout_unload(mds);
	layout_recall_stop(mds);
	state_unload(mds);
	client_unload(mds);
	layout_stop(mds);
	export_tree_close(mds->exports);
	message_pool_release(mds);
	free(mds->server);
	free(mds);
}
