/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CONN_H
#define LAMINA_MDS_CONN_H

/*
 * A connection: requests come in, a fiber serves each, replies and callbacks go out.  Bounded in requests in flight;
 * whoever breaks the rules of the stream is cut off.
 */

#include "dev/list.h"
#include "dev/sock.h"
#include "mds/mds.h"
#include "proto/wire_record.h"

struct backchannel_call;

/* Bytes: short requests come many at a time; the rest of a longer one is received where it belongs. */
#define CONN_INPUT 8192u

struct conn {
	struct mds *mds;
	struct list by_mds;
	struct sock *sock;
	uint64_t number; /* for logs and status */
	unsigned int nr_refs;
	unsigned int nr_requests; /* in flight */
	bool closed;		  /* nothing more can be sent */
	struct wait_queue changed;
	struct wire_record record; /* being received */
	uint8_t input[CONN_INPUT]; /* what has come and not been taken apart */
	uint32_t partial_bytes;	   /* its memory, as counted in mds.partial_bytes */
	struct reactor_timer send_timer;
	uint64_t send_since_ns; /* what is being sent was begun then */
	struct list outgoing;	/* struct message */
	uint64_t outgoing_bytes;
	struct wait_queue send_work;
	struct list binds; /* struct conn_bind.by_conn: sessions it serves */
	struct list calls; /* struct backchannel_call: callbacks that wait for their reply, by xid */
	uint64_t last_ns;  /* reactor time of the last record */
	uint64_t bytes_in, bytes_out;
};

/* A connection's place in a session (RFC 8881, 2.10.3.1). */
struct conn_bind {
	struct conn *conn;
	struct session *session;
	struct list by_conn, by_session;
	bool fore, back;
};

void conn_hold(struct conn *conn);
void conn_drop(struct conn *conn);
/*
 * Queue an RPC message of @len bytes, which becomes the connection's to free(); sent in order.  -EPIPE: closed
 * (freed); the same if more is queued than the limit: who doesn't read is cut off.
 */
int conn_send(struct conn *conn, void *msg, uint32_t len) MUST_CHECK;
/* End it; who waits for its replies gets -EPIPE. */
void conn_cut(struct conn *conn, const char *why);
/* Bind @conn to @session for these directions; they add up.  -ENOMEM. */
int conn_bind(struct conn *conn, struct session *session, bool fore, bool back) MUST_CHECK;
const struct conn_bind *conn_bound(const struct conn *conn, const struct session *session);
/* The session is going: forget all its connections. */
void conn_unbind_session(struct session *session);

#endif
