/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections.  Promises: replies and callbacks go out whole and in the order of conn_send(); memory for requests
 * that arrive, are served and are answered stays within the limits, whatever the peers do; who stops reading, or
 * sends what is no RPC, is cut off and nobody else notices.
 *
 * Two fibers each: one reads records and starts a fiber for each request, one writes.  A connection lives until both
 * and all its requests are gone.
 */

#include "mds/conn.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "mds/backchannel.h"
#include "mds/compound_int.h"
#include "mds/conn_int.h"
#include "mds/session.h"
#include "proto/wire_rpc.h"

#define SEND_STALL_NS (30 * NSEC_PER_SEC) /* without progress: the peer does not read */
#define SEND_PRESS_NS (2 * NSEC_PER_SEC)  /* the same, while others wait for the memory that it holds */
#define SEND_BATCH    32		  /* messages in one call */
#define SEND_BYTES    (1u << 20)	  /* begin no further message in that call: how fine progress is seen */
#define POOL_KEEP     64		  /* free buffers */
#define SMALL_MAX     4096		  /* bytes of a short reply */
#define SMALL_SHARE   8u		  /* of buffer_bytes, an 8th is for those that wait to be sent */
#define PARTIAL_LARGE 8192u		  /* a record that has grown so far is cut when memory is short */
#define FRAGMENTS_MAX 1024

struct message *message_take(struct mds *mds)
{
	struct message *m;
	uint32_t room = (uint32_t)mds->config->limits.response_bytes + CONN_RECORD_SLACK;

	if (!list_is_empty(&mds->buffers)) {
		m = container_of(mds->buffers.next, struct message, link);
		list_del(&m->link);
		mds->nr_buffers--;
		return m;
	}
	m = malloc(sizeof(*m) + room);
	if (!m)
		return NULL;
	*m = (struct message){ .data = (uint8_t *)(m + 1), .room = room, .is_reply = true };
	return m;
}

void message_release(struct mds *mds, struct message *m)
{
	if (!m->is_reply) {
		free(m->data);
		free(m);
		return;
	}
	if (m->is_small) {
		mds->small_bytes -= m->room;
		free(m);
		return;
	}
	fiber_sem_give(&mds->requests, 1);
	if (mds->nr_buffers >= POOL_KEEP) {
		free(m);
		return;
	}
	/* The one used last is the first to be used again: so few are ever touched. */
	list_add_head(&m->link, &mds->buffers);
	mds->nr_buffers++;
}

struct message *message_shrink(struct mds *mds, struct message *m)
{
	uint32_t room = (uint32_t)sizeof(*m) + m->len;
	struct message *small;

	if (m->len > SMALL_MAX || mds->small_bytes + room > mds->config->limits.buffer_bytes / SMALL_SHARE)
		return m;
	small = malloc(room);
	if (!small)
		return m;
	*small = (struct message){
		.data = (uint8_t *)(small + 1), .len = m->len, .room = room, .is_reply = true, .is_small = true
	};
	memcpy(small->data, m->data, m->len);
	mds->small_bytes += room;
	message_release(mds, m);
	return small;
}

void message_pool_release(struct mds *mds)
{
	while (!list_is_empty(&mds->buffers)) {
		struct message *m = container_of(mds->buffers.next, struct message, link);

		list_del(&m->link);
		free(m);
	}
	mds->nr_buffers = 0;
}

void conn_hold(struct conn *conn)
{
	conn->nr_refs++;
}

static void conn_drop_messages(struct conn *conn)
{
	while (!list_is_empty(&conn->outgoing)) {
		struct message *m = container_of(conn->outgoing.next, struct message, link);

		list_del(&m->link);
		if (m->is_reply)
			conn->nr_requests--;
		message_release(conn->mds, m);
	}
	conn->outgoing_bytes = 0;
}

void conn_drop(struct conn *conn)
{
	struct mds *mds = conn->mds;

	assert(conn->nr_refs > 0);
	if (--conn->nr_refs > 0)
		return;
	assert(conn->closed);
	conn_drop_messages(conn);
	reactor_timer_cancel(mds->reactor, &conn->send_timer);
	sock_close(conn->sock);
	list_del(&conn->by_mds);
	mds->nr_conns--;
	free(conn);
	wait_queue_wake_all(&mds->idle);
}

static void bind_free(struct conn_bind *b)
{
	list_del(&b->by_conn);
	list_del(&b->by_session);
	free(b);
}

void conn_cut(struct conn *conn, const char *why)
{
	if (conn->closed)
		return;
	conn->closed = true;
	if (why) {
		char peer[SOCK_ADDR_TEXT_MAX];

		sock_addr_print(&conn->sock->peer, peer);
		log_warn("connection %lu from %s is cut off: %s", (unsigned long)conn->number, peer, why);
		conn->mds->counts.connections_cut++;
	}
	backchannel_conn_gone(conn);
	while (!list_is_empty(&conn->binds))
		bind_free(container_of(conn->binds.next, struct conn_bind, by_conn));
	sock_shutdown(conn->sock);
	wait_queue_wake_all(&conn->send_work);
	wait_queue_wake_all(&conn->changed);
}

void conn_queue(struct conn *conn, struct message *m)
{
	if (conn->closed) {
		if (m->is_reply)
			conn->nr_requests--;
		message_release(conn->mds, m);
		return;
	}
	wire_record_mark(m->mark, m->len);
	list_add_tail(&m->link, &conn->outgoing);
	conn->outgoing_bytes += m->len;
	wait_queue_wake_all(&conn->send_work);
}

int conn_send(struct conn *conn, void *msg, uint32_t len)
{
	struct message *m;

	if (conn->closed) {
		free(msg);
		return -EPIPE;
	}
	m = malloc(sizeof(*m));
	if (!m) {
		free(msg);
		return -ENOMEM;
	}
	*m = (struct message){ .data = msg, .len = len };
	conn_queue(conn, m);
	return 0;
}

static void send_stalled(struct reactor_timer *t)
{
	struct conn *conn = t->owner;
	struct mds *mds = conn->mds;

	if (mds->nr_waiting == 0 && reactor_now_ns(mds->reactor) < conn->send_since_ns + SEND_STALL_NS)
		reactor_timer_arm(mds->reactor, t, reactor_now_ns(mds->reactor) + SEND_PRESS_NS);
	else
		conn_cut(conn, "it does not read its replies");
}

/* Send what is queued, a batch in one call. */
static FIBER_FN int send_batch(struct conn *conn)
{
	struct message *batch[SEND_BATCH];
	struct iovec iov[2 * SEND_BATCH];
	unsigned int nr = 0;
	uint64_t bytes = 0;
	int err;

	while (nr < SEND_BATCH && bytes < SEND_BYTES && !list_is_empty(&conn->outgoing)) {
		struct message *m = container_of(conn->outgoing.next, struct message, link);

		list_del(&m->link);
		conn->outgoing_bytes -= m->len;
		iov[(size_t)2 * nr] = (struct iovec){ m->mark, sizeof(m->mark) };
		iov[(size_t)2 * nr + 1] = (struct iovec){ m->data, m->len };
		bytes += m->len;
		batch[nr++] = m;
	}
	conn->send_since_ns = reactor_now_ns(conn->mds->reactor);
	reactor_timer_arm(conn->mds->reactor, &conn->send_timer, conn->send_since_ns + SEND_PRESS_NS);
	err = sock_send(conn->sock, iov, 2 * nr);
	reactor_timer_cancel(conn->mds->reactor, &conn->send_timer);
	for (unsigned int i = 0; i < nr; i++) {
		conn->bytes_out += batch[i]->len;
		if (batch[i]->is_reply)
			conn->nr_requests--;
		message_release(conn->mds, batch[i]);
	}
	wait_queue_wake_all(&conn->changed);
	return err;
}

static FIBER_FN void send_main(void *arg)
{
	struct conn *conn = arg;

	while (!conn->closed) {
		if (list_is_empty(&conn->outgoing))
			wait_queue_wait(&conn->send_work);
		else if (send_batch(conn))
			conn_cut(conn, NULL);
	}
	conn_drop_messages(conn);
	conn_drop(conn);
}

struct request {
	struct conn *conn;
	uint8_t *msg;
	uint32_t len;
};

static FIBER_FN void request_main(void *arg)
{
	struct request *request = arg;
	struct conn *conn = request->conn;

	request_serve(conn, request->msg, request->len);
	free(request);
	conn_drop(conn);
}

/* Start a request, when there is a place for it. */
static FIBER_FN void start_request(struct conn *conn, uint8_t *msg, uint32_t len)
{
	struct mds *mds = conn->mds;
	struct request *request;

	while (!conn->closed && conn->nr_requests >= mds->config->limits.requests_per_connection)
		wait_queue_wait(&conn->changed);
	mds->nr_waiting++;
	fiber_sem_take(&mds->requests, 1);
	mds->nr_waiting--;
	conn->nr_requests++;
	request = conn->closed ? NULL : malloc(sizeof(*request));
	if (request) {
		*request = (struct request){ conn, msg, len };
		conn_hold(conn);
		if (fiber_spawn(mds->reactor, "request", request_main, request, NULL) == 0)
			return;
		conn_drop(conn);
		free(request);
	}
	conn_cut(conn, conn->closed ? NULL : "no memory to serve it");
	free(msg);
	conn->nr_requests--;
	fiber_sem_give(&mds->requests, 1);
}

/* The memory of the record that is being received has changed. */
static void partial_count(struct conn *conn)
{
	conn->mds->partial_bytes += conn->record.room;
	conn->mds->partial_bytes -= conn->partial_bytes;
	conn->partial_bytes = conn->record.room;
}

/* Records that have begun may hold no more memory than three 8ths of what there is: the oldest goes. */
static void partial_limit(struct mds *mds)
{
	struct conn *conn, *oldest = NULL;

	if (mds->partial_bytes <= mds->config->limits.buffer_bytes / 8 * 3)
		return;
	list_for_each_entry(conn, &mds->conns, by_mds)
	{
		if (!conn->closed && conn->record.room >= PARTIAL_LARGE &&
		    (!oldest || conn->last_ns < oldest->last_ns))
			oldest = conn;
	}
	if (oldest)
		conn_cut(oldest, "its request arrives too slowly, and memory is short");
}

/* A whole record is there. */
static FIBER_FN void take_record(struct conn *conn)
{
	enum msg_type type;
	uint32_t len, xid;
	uint8_t *msg = wire_record_take(&conn->record, &len);

	partial_count(conn);
	conn->last_ns = reactor_now_ns(conn->mds->reactor);
	conn->bytes_in += len;
	if (wire_rpc_peek(msg, len, &xid, &type)) {
		free(msg);
		conn_cut(conn, "what it sends is not RPC");
	} else if (type == REPLY) {
		if (!backchannel_reply(conn, xid, msg, len))
			log_debug("connection %lu: a reply that nobody waits for", (unsigned long)conn->number);
		free(msg);
	} else {
		start_request(conn, msg, len);
	}
}

/* A record that grows may make memory short. */
static void watch_room(struct conn *conn)
{
	if (conn->record.room > conn->partial_bytes) {
		partial_count(conn);
		partial_limit(conn->mds);
	}
}

/* The rest of a large record, without a copy.  Errors of wire_record_filled(); -EPIPE: the connection has ended. */
static FIBER_FN int read_direct(struct conn *conn)
{
	ssize_t got;
	size_t len;
	void *at;
	int err = wire_record_space(&conn->record, &at, &len);

	if (err)
		return err;
	watch_room(conn);
	got = conn->closed ? -EPIPE : sock_recv(conn->sock, at, len);
	if (got <= 0)
		return -EPIPE;
	err = wire_record_filled(&conn->record, (size_t)got);
	if (err > 0)
		take_record(conn);
	return err < 0 ? err : 0;
}

/* All that has come, maybe many records. */
static FIBER_FN int read_input(struct conn *conn)
{
	ssize_t got = sock_recv(conn->sock, conn->input, sizeof(conn->input));
	size_t pos = 0, used;

	if (got <= 0)
		return -EPIPE;
	while (pos < (size_t)got && !conn->closed) {
		int err = wire_record_feed(&conn->record, conn->input + pos, (size_t)got - pos, &used);

		if (err < 0)
			return err;
		pos += used;
		watch_room(conn);
		if (err > 0)
			take_record(conn);
	}
	return 0;
}

static const char *why_cut(int err)
{
	switch (err) {
	case -EPIPE:
		return NULL;
	case -EMSGSIZE:
		return "a request longer than the limit";
	case -EPROTO:
		return "a request in too many fragments";
	default:
		return "no memory for its request";
	}
}

static FIBER_FN void read_main(void *arg)
{
	struct conn *conn = arg;

	while (!conn->closed) {
		int err = conn->record.left >= CONN_INPUT ? read_direct(conn) : read_input(conn);

		if (err)
			conn_cut(conn, why_cut(err));
	}
	wire_record_release(&conn->record);
	partial_count(conn);
	conn_drop(conn);
}

int conn_start(struct mds *mds, struct sock *sock)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn) {
		sock_close(sock);
		return -ENOMEM;
	}
	conn->mds = mds;
	conn->sock = sock;
	conn->number = ++mds->next_conn;
	conn->last_ns = reactor_now_ns(mds->reactor);
	conn->nr_refs = 1;
	wait_queue_init(&conn->changed);
	wait_queue_init(&conn->send_work);
	list_init(&conn->outgoing);
	list_init(&conn->binds);
	list_init(&conn->calls);
	conn->send_timer.fire = send_stalled;
	conn->send_timer.owner = conn;
	wire_record_init(&conn->record, (uint32_t)mds->config->limits.request_bytes + CONN_RECORD_SLACK,
			 FRAGMENTS_MAX);
	list_add_tail(&conn->by_mds, &mds->conns);
	mds->nr_conns++;
	mds->counts.connections++;
	conn_hold(conn);
	if (fiber_spawn(mds->reactor, "connection", read_main, conn, NULL)) {
		conn_drop(conn);
		conn_cut(conn, "no fiber to serve it");
		conn_drop(conn);
		return -EAGAIN;
	}
	if (fiber_spawn(mds->reactor, "sender", send_main, conn, NULL)) {
		conn_cut(conn, "no fiber to serve it");
		conn_drop(conn);
		return -EAGAIN;
	}
	return 0;
}

struct conn *conn_useless(struct mds *mds)
{
	struct conn *conn, *found = NULL;

	list_for_each_entry(conn, &mds->conns, by_mds)
	{
		if (!conn->closed && list_is_empty(&conn->binds) && (!found || conn->last_ns < found->last_ns))
			found = conn;
	}
	return found;
}

int conn_bind(struct conn *conn, struct session *session, bool fore, bool back)
{
	struct conn_bind *b = (struct conn_bind *)conn_bound(conn, session);

	if (!b) {
		if (conn->closed)
			return -EPIPE;
		b = malloc(sizeof(*b));
		if (!b)
			return -ENOMEM;
		*b = (struct conn_bind){ .conn = conn, .session = session };
		list_add_tail(&b->by_conn, &conn->binds);
		list_add_tail(&b->by_session, &session->conns);
	}
	b->fore = b->fore || fore;
	b->back = b->back || back;
	return 0;
}

const struct conn_bind *conn_bound(const struct conn *conn, const struct session *session)
{
	const struct conn_bind *b;

	list_for_each_entry(b, &conn->binds, by_conn)
	{
		if (b->session == session)
			return b;
	}
	return NULL;
}

void conn_unbind_session(struct session *session)
{
	while (!list_is_empty(&session->conns))
		bind_free(container_of(session->conns.next, struct conn_bind, by_session));
}
