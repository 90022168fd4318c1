/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: every call in flight ends, by its answer, by its time or by the connection's end; an answer reaches one
 * call at most; what the other side sends takes no more memory than the limits allow.
 *
 * One fiber receives as long as the socket lives, and closes it when it ends.  Senders take turns.
 */

#include "tools/nfs_conn.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "proto/wire_rpc.h"

#define BUCKETS	      256
#define RECV_SIZE     (64 << 10)
#define FRAGMENTS_MAX 4096
#define BATCH_SIZE    (64 << 10)
#define BATCH_RECORD  (8 << 10) /* larger ones are not worth a copy */

/* Records, with their marks, that go out in one piece. */
struct batch {
	size_t len;
	uint8_t bytes[BATCH_SIZE];
};

struct nfs_conn {
	struct net *net;
	struct sock_addr addr;
	uint32_t record_max;
	struct nfs_conn_server server;
	struct sock *sock; /* NULL: not up */
	int down_err;	   /* why it is going down */
	bool is_closing;
	bool keeps_unmatched;
	bool batches;
	struct batch *batch;	/* that is being gathered; NULL: none */
	bool has_reader;	/* the fiber that receives has not ended */
	unsigned int nr_inside; /* fibers that use this struct: handlers, waiters */
	unsigned int nr_served;
	uint64_t generation;
	uint32_t next_xid;
	uint32_t nr_flight;
	struct nfs_conn_stats stats;
	struct list flight[BUCKETS];
	struct fiber_mutex send_lock;
	struct fiber_mutex connect_lock;
	struct wait_queue idle; /* somebody left */
	struct wait_queue down; /* the reader has ended */
	struct wait_queue stray_came;
	uint8_t *stray;
	uint32_t stray_len;
	struct wire_record record;
	uint8_t recv_buf[RECV_SIZE];
};

/* A call of the other side on its way to the handler. */
struct served {
	struct nfs_conn *conn;
	uint8_t *msg;
	uint32_t len;
};

bool nfs_conn_is_up(const struct nfs_conn *conn)
{
	return conn->sock && !conn->down_err;
}

uint64_t nfs_conn_generation(const struct nfs_conn *conn)
{
	return conn->generation;
}

struct nfs_conn_stats nfs_conn_stats(const struct nfs_conn *conn)
{
	return conn->stats;
}

struct reactor *nfs_conn_reactor(const struct nfs_conn *conn)
{
	return conn->net->reactor;
}

const struct sock_addr *nfs_conn_addr(const struct nfs_conn *conn)
{
	return &conn->addr;
}

void nfs_conn_serve(struct nfs_conn *conn, struct nfs_conn_server server)
{
	conn->server = server;
}

static struct list *conn_bucket(struct nfs_conn *conn, uint32_t xid)
{
	return &conn->flight[xid % BUCKETS];
}

static struct nfs_call *conn_find(struct nfs_conn *conn, uint32_t xid)
{
	list_for_each (pos, conn_bucket(conn, xid)) {
		struct nfs_call *call = list_entry(pos, struct nfs_call, link);

		if (call->xid == xid)
			return call;
	}
	return NULL;
}

uint32_t nfs_conn_xid(struct nfs_conn *conn)
{
	do
		conn->next_xid++;
	while (conn_find(conn, conn->next_xid));
	return conn->next_xid;
}

static void call_end(struct nfs_conn *conn, struct nfs_call *call, int err)
{
	list_del(&call->link);
	conn->nr_flight--;
	call->err = err;
	call->is_done = true;
	wait_queue_wake_all(&call->done);
}

static void conn_end_calls(struct nfs_conn *conn, int err)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		while (!list_is_empty(&conn->flight[i]))
			call_end(conn, list_first_entry(&conn->flight[i], struct nfs_call, link), err);
}

/* The first reason counts. */
static void conn_break(struct nfs_conn *conn, int err)
{
	if (!conn->sock || conn->down_err)
		return;
	conn->down_err = err;
	sock_shutdown(conn->sock);
	conn_end_calls(conn, err);
}

void nfs_conn_drop(struct nfs_conn *conn)
{
	conn_break(conn, -ECONNRESET);
}

static void conn_leave(struct nfs_conn *conn)
{
	conn->nr_inside--;
	wait_queue_wake_all(&conn->idle);
}

static void conn_take_reply(struct nfs_conn *conn, uint32_t xid, uint8_t *msg, uint32_t len)
{
	struct nfs_call *call = conn_find(conn, xid);

	conn->stats.received++;
	if (call) {
		call->reply = msg;
		call->reply_len = len;
		call_end(conn, call, 0);
		return;
	}
	conn->stats.unmatched++;
	if (!conn->keeps_unmatched) {
		free(msg);
		return;
	}
	free(conn->stray);
	conn->stray = msg;
	conn->stray_len = len;
	wait_queue_wake_all(&conn->stray_came);
}

static FIBER_FN void serve_fiber(void *arg)
{
	struct served *served = arg;
	struct nfs_conn *conn = served->conn;

	if (conn->server.serve)
		conn->server.serve(conn->server.owner, conn, served->msg, served->len);
	else
		free(served->msg);
	free(served);
	conn->nr_served--;
	conn_leave(conn);
}

static int conn_take_call(struct nfs_conn *conn, uint8_t *msg, uint32_t len)
{
	struct served *served;
	int err;

	conn->stats.served++;
	if (!conn->server.serve) {
		free(msg);
		return 0;
	}
	served = conn->nr_served < NFS_CONN_SERVED_MAX ? malloc(sizeof(*served)) : NULL;
	if (!served) {
		free(msg);
		return -ENOBUFS;
	}
	*served = (struct served){ .conn = conn, .msg = msg, .len = len };
	err = fiber_spawn(conn->net->reactor, "nfs callback", serve_fiber, served, NULL);
	if (err) {
		free(msg);
		free(served);
		return err;
	}
	conn->nr_served++;
	conn->nr_inside++;
	return 0;
}

/* The record is whole. */
static int conn_take_record(struct nfs_conn *conn)
{
	uint32_t len, xid;
	uint8_t *msg = wire_record_take(&conn->record, &len);
	enum msg_type type;

	if (wire_rpc_peek(msg, len, &xid, &type)) {
		free(msg);
		return -EPROTO;
	}
	if (type == CALL)
		return conn_take_call(conn, msg, len);
	conn_take_reply(conn, xid, msg, len);
	return 0;
}

static int conn_take_bytes(struct nfs_conn *conn, size_t len)
{
	size_t pos = 0, used;

	while (pos < len) {
		int done = wire_record_feed(&conn->record, conn->recv_buf + pos, len - pos, &used);

		if (done < 0)
			return done;
		pos += used;
		if (done)
			done = conn_take_record(conn);
		if (done < 0)
			return done;
	}
	return 0;
}

/* Small records come many at a time through a buffer, the rest of a large one goes where it belongs. */
static FIBER_FN int conn_recv(struct nfs_conn *conn)
{
	bool direct = conn->record.left >= RECV_SIZE;
	void *at = conn->recv_buf;
	size_t room = RECV_SIZE;
	ssize_t len;
	int done;

	if (direct) {
		done = wire_record_space(&conn->record, &at, &room);
		if (done < 0)
			return done;
	}
	len = sock_recv(conn->sock, at, room);
	if (len < 0)
		return (int)len;
	if (len == 0)
		return -ECONNRESET;
	if (!direct)
		return conn_take_bytes(conn, (size_t)len);
	done = wire_record_filled(&conn->record, (size_t)len);
	return done > 0 ? conn_take_record(conn) : done;
}

static FIBER_FN void reader_fiber(void *arg)
{
	struct nfs_conn *conn = arg;
	int err = 0;

	wire_record_init(&conn->record, conn->record_max, FRAGMENTS_MAX);
	while (!err && !conn->down_err)
		err = conn_recv(conn);
	conn_break(conn, err ? err : -ECONNRESET);
	wire_record_release(&conn->record);
	/* Whoever sends has seen the shutdown and lets go soon. */
	fiber_mutex_lock(&conn->send_lock);
	sock_close(conn->sock);
	conn->sock = NULL;
	fiber_mutex_unlock(&conn->send_lock);
	conn->has_reader = false;
	wait_queue_wake_all(&conn->down);
	conn_leave(conn);
}

/* With a socket, which is closed if this fails. */
static int conn_begin(struct nfs_conn *conn, struct sock *sock)
{
	int err = fiber_spawn(conn->net->reactor, "nfs reader", reader_fiber, conn, NULL);

	if (err) {
		sock_close(sock);
		return err;
	}
	conn->sock = sock;
	conn->down_err = 0;
	conn->has_reader = true;
	conn->nr_inside++;
	conn->generation++;
	conn->stats.connects++;
	return 0;
}

static FIBER_FN int conn_connect(struct nfs_conn *conn)
{
	struct sock *sock;
	int err = conn->addr.len ? net_connect(conn->net, &conn->addr, &sock) : -ENOTCONN;

	return err ? err : conn_begin(conn, sock);
}

static struct nfs_conn *conn_new(struct net *net, const struct nfs_conn_options *opt)
{
	struct nfs_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->net = net;
	conn->record_max = opt && opt->record_max ? opt->record_max : NFS_CONN_RECORD_MAX;
	if (opt) {
		conn->server = opt->server;
		conn->keeps_unmatched = opt->keeps_unmatched;
		conn->batches = opt->batches;
	}
	conn->next_xid = (uint32_t)reactor_random(net->reactor);
	for (unsigned int i = 0; i < BUCKETS; i++)
		list_init(&conn->flight[i]);
	fiber_mutex_init(&conn->send_lock);
	fiber_mutex_init(&conn->connect_lock);
	wait_queue_init(&conn->idle);
	wait_queue_init(&conn->down);
	wait_queue_init(&conn->stray_came);
	return conn;
}

FIBER_FN int nfs_conn_open(struct net *net, const struct sock_addr *addr, const struct nfs_conn_options *opt,
			   struct nfs_conn **ret_conn)
{
	struct nfs_conn *conn = conn_new(net, opt);
	int err;

	if (!conn)
		return -ENOMEM;
	conn->addr = *addr;
	err = conn_connect(conn);
	if (err) {
		free(conn);
		return err;
	}
	*ret_conn = conn;
	return 0;
}

int nfs_conn_adopt(struct net *net, struct sock *sock, const struct nfs_conn_options *opt, struct nfs_conn **ret_conn)
{
	struct nfs_conn *conn = conn_new(net, opt);
	int err;

	if (!conn) {
		sock_close(sock);
		return -ENOMEM;
	}
	err = conn_begin(conn, sock);
	if (err) {
		free(conn);
		return err;
	}
	*ret_conn = conn;
	return 0;
}

FIBER_FN void nfs_conn_close(struct nfs_conn *conn)
{
	if (!conn)
		return;
	conn->is_closing = true;
	conn_break(conn, -ESHUTDOWN);
	wait_queue_wake_all(&conn->stray_came);
	while (conn->nr_inside > 0)
		wait_queue_wait(&conn->idle);
	free(conn->stray);
	free(conn);
}

FIBER_FN int nfs_conn_reconnect(struct nfs_conn *conn)
{
	int err = 0;

	conn->nr_inside++;
	fiber_mutex_lock(&conn->connect_lock);
	if (!nfs_conn_is_up(conn)) {
		while (conn->has_reader)
			wait_queue_wait(&conn->down);
		err = conn->is_closing ? -ESHUTDOWN : conn_connect(conn);
	}
	/* Closed while it was being made. */
	if (!err && conn->is_closing) {
		conn_break(conn, -ESHUTDOWN);
		err = -ESHUTDOWN;
	}
	fiber_mutex_unlock(&conn->connect_lock);
	conn_leave(conn);
	return err;
}

/* With the lock held. */
static FIBER_FN int conn_push(struct nfs_conn *conn, const struct iovec *iov, unsigned int nr_iov)
{
	int err;

	if (!nfs_conn_is_up(conn))
		return conn->is_closing ? -ESHUTDOWN : -ENOTCONN;
	err = sock_send(conn->sock, iov, nr_iov);
	if (!err)
		return 0;
	/* If it was broken under our hands, that is the reason. */
	conn_break(conn, err);
	return conn->down_err;
}

static FIBER_FN int conn_send_locked(struct nfs_conn *conn, const struct iovec *iov, unsigned int nr_iov)
{
	int err;

	conn->nr_inside++;
	fiber_mutex_lock(&conn->send_lock);
	err = conn_push(conn, iov, nr_iov);
	fiber_mutex_unlock(&conn->send_lock);
	conn_leave(conn);
	return err;
}

static void batch_add(struct batch *b, const struct iovec *iov, unsigned int nr_iov)
{
	for (unsigned int i = 0; i < nr_iov; i++) {
		if (iov[i].iov_len)
			memcpy(b->bytes + b->len, iov[i].iov_base, iov[i].iov_len);
		b->len += iov[i].iov_len;
	}
}

/* The first who has something to send lets the others add theirs, then sends it all. */
static FIBER_FN int conn_send_batched(struct nfs_conn *conn, const struct iovec *iov, unsigned int nr_iov, size_t len)
{
	uint64_t generation = conn->generation;
	struct iovec all;
	struct batch *b;
	int err = -ECONNRESET;

	if (!nfs_conn_is_up(conn))
		return conn->is_closing ? -ESHUTDOWN : -ENOTCONN;
	if (conn->batch && conn->batch->len + len <= sizeof(conn->batch->bytes)) {
		batch_add(conn->batch, iov, nr_iov);
		return 0;
	}
	b = conn->batch ? NULL : malloc(sizeof(*b));
	if (!b)
		return conn_send_locked(conn, iov, nr_iov);
	b->len = 0;
	batch_add(b, iov, nr_iov);
	conn->batch = b;
	conn->nr_inside++;
	fiber_yield();
	conn->batch = NULL;
	all = (struct iovec){ b->bytes, b->len };
	/* If it is another one by now, what was gathered has ended with the old one. */
	if (conn->generation == generation)
		err = conn_send_locked(conn, &all, 1);
	conn_leave(conn);
	free(b);
	return err;
}

FIBER_FN int nfs_conn_send(struct nfs_conn *conn, const struct iovec *iov, unsigned int nr_iov)
{
	struct iovec all[NFS_CONN_IOV_MAX + 1];
	uint8_t head[WIRE_RECORD_MARK];
	uint64_t len = 0;
	int err;

	assert(nr_iov <= NFS_CONN_IOV_MAX);
	for (unsigned int i = 0; i < nr_iov; i++) {
		all[i + 1] = iov[i];
		len += iov[i].iov_len;
	}
	if (len > WIRE_FRAGMENT_MAX)
		return -EMSGSIZE;
	wire_record_mark(head, (uint32_t)len);
	all[0] = (struct iovec){ head, sizeof(head) };
	if (conn->batches && len <= BATCH_RECORD)
		err = conn_send_batched(conn, all, nr_iov + 1, len + sizeof(head));
	else
		err = conn_send_locked(conn, all, nr_iov + 1);
	if (!err)
		conn->stats.sent++;
	return err;
}

FIBER_FN int nfs_conn_send_bytes(struct nfs_conn *conn, const void *bytes, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, len };

	return len ? conn_send_locked(conn, &iov, 1) : 0;
}

int nfs_conn_expect(struct nfs_conn *conn, struct nfs_call *call)
{
	if (!nfs_conn_is_up(conn))
		return conn->is_closing ? -ESHUTDOWN : -ENOTCONN;
	if (conn->nr_flight >= NFS_CONN_FLIGHT_MAX)
		return -EAGAIN;
	*call = (struct nfs_call){ .xid = call->xid };
	wait_queue_init(&call->done);
	list_add_tail(&call->link, conn_bucket(conn, call->xid));
	conn->nr_flight++;
	return 0;
}

FIBER_FN int nfs_conn_wait(struct nfs_conn *conn, struct nfs_call *call, uint64_t deadline_ns)
{
	int err = 0;

	while (!call->is_done && !err)
		err = wait_queue_wait_until(&call->done, deadline_ns);
	if (call->is_done)
		return call->err;
	nfs_conn_forget(conn, call);
	return err;
}

void nfs_conn_forget(struct nfs_conn *conn, struct nfs_call *call)
{
	if (!call->link.next || call->is_done)
		return;
	call_end(conn, call, -ECANCELED);
}

FIBER_FN int nfs_conn_stray(struct nfs_conn *conn, uint64_t deadline_ns, uint8_t **ret_msg, uint32_t *ret_len)
{
	int err = 0;

	conn->nr_inside++;
	while (!conn->stray && !err)
		err = conn->is_closing ? -ESHUTDOWN : wait_queue_wait_until(&conn->stray_came, deadline_ns);
	if (!err) {
		*ret_msg = conn->stray;
		*ret_len = conn->stray_len;
		conn->stray = NULL;
	}
	conn_leave(conn);
	return err;
}

FIBER_FN int nfs_conn_wait_down(struct nfs_conn *conn, uint64_t deadline_ns)
{
	int err = 0;

	conn->nr_inside++;
	while (conn->has_reader && !err)
		err = wait_queue_wait_until(&conn->down, deadline_ns);
	conn_leave(conn);
	return err;
}
