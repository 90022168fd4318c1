/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_NFS_CONN_H
#define LAMINA_TOOLS_NFS_CONN_H

/*
 * One connection of an RPC client (RFC 5531): calls in flight together, answers matched by xid, calls of the other
 * side (RFC 8881, 2.10.3.1: the back channel) handed to whoever serves them.
 *
 * Bytes are sent as they are given, so that a test can send anything, at any time, in pieces.  A connection that
 * breaks ends all calls in flight with an error; it can be made again, and keeps its identity then.
 */

#include "dev/fiber_sync.h"
#include "dev/list.h"
#include "dev/sock.h"
#include "proto/wire_record.h"

struct nfs_conn;

/* A call in flight, in its owner's memory; all zeros before it is used. */
struct nfs_call {
	uint32_t xid;
	uint8_t *reply; /* the whole record, for the owner to free() */
	uint32_t reply_len;
	int err; /* negative errno: what ended it instead of an answer */
	bool is_done;
	struct list link; /* the connection's */
	struct wait_queue done;
};

/*
 * Takes a call of the other side, @msg being a whole record of @len bytes that is now the handler's to free().  It
 * runs in a fiber of its own, NFS_CONN_SERVED_MAX at most at a time; a call beyond that ends the connection.
 */
#define NFS_CONN_SERVED_MAX 64
struct nfs_conn_server {
	FIBER_FN void (*serve)(void *owner, struct nfs_conn *conn, uint8_t *msg, uint32_t len);
	void *owner;
};

#define NFS_CONN_FLIGHT_MAX	    4096		/* calls in flight, at most */
#define NFS_CONN_RECORD_MAX	    (6 << 20)		/* bytes of a record that is taken, unless said otherwise */
#define NFS_CONN_TIMEOUT_DEFAULT_NS (30 * NSEC_PER_SEC) /* of a call */

struct nfs_conn_stats {
	uint64_t sent; /* records */
	uint64_t received;
	uint64_t unmatched; /* answers that nobody waited for */
	uint64_t served;    /* calls of the other side */
	uint64_t connects;
};

struct nfs_conn_options {
	uint32_t record_max;	       /* 0: NFS_CONN_RECORD_MAX */
	struct nfs_conn_server server; /* serve NULL: calls of the other side are dropped */
	bool keeps_unmatched;	       /* the last answer that nobody waited for is kept, for nfs_conn_stray() */
	bool batches; /* small records of fibers that run at the same time go out in one piece, after a copy */
};

/* Connect.  @opt NULL: all defaults.  Errors of net_connect(); -ENOMEM, -EAGAIN. */
FIBER_FN int nfs_conn_open(struct net *net, const struct sock_addr *addr, const struct nfs_conn_options *opt,
			   struct nfs_conn **ret_conn) MUST_CHECK;
/* The same with a connection that was accepted, now this one's: it cannot be made again.  -ENOMEM, -EAGAIN. */
int nfs_conn_adopt(struct net *net, struct sock *sock, const struct nfs_conn_options *opt, struct nfs_conn **ret_conn)
	MUST_CHECK;
/* Ends it and waits until nobody is inside.  Calls in flight end with -ESHUTDOWN.  NULL is allowed. */
FIBER_FN void nfs_conn_close(struct nfs_conn *conn);

/* Whether it stands, as far as we know. */
bool nfs_conn_is_up(const struct nfs_conn *conn) MUST_CHECK;
/* How often it was made: what was bound to it in an older generation is to be bound again. */
uint64_t nfs_conn_generation(const struct nfs_conn *conn) MUST_CHECK;
struct nfs_conn_stats nfs_conn_stats(const struct nfs_conn *conn) MUST_CHECK;
struct reactor *nfs_conn_reactor(const struct nfs_conn *conn) MUST_CHECK;
const struct sock_addr *nfs_conn_addr(const struct nfs_conn *conn) MUST_CHECK;
/* From now on @server takes the calls of the other side; serve NULL: nobody. */
void nfs_conn_serve(struct nfs_conn *conn, struct nfs_conn_server server);

/* Break it, as a lost network would: calls in flight end with -ECONNRESET. */
void nfs_conn_drop(struct nfs_conn *conn);
/*
 * Make it again unless it stands, at the same address.  One that is not up comes back by this only.  Errors of
 * net_connect(); -ESHUTDOWN: it is being closed; -ENOTCONN: it was accepted.
 */
FIBER_FN int nfs_conn_reconnect(struct nfs_conn *conn) MUST_CHECK;

/* An xid that is not in flight. */
uint32_t nfs_conn_xid(struct nfs_conn *conn) MUST_CHECK;

/*
 * Send a record made of @nr_iov pieces as one fragment.  -ENOTCONN: it is not up; -EMSGSIZE: longer than a fragment
 * can be; errors of sock_send(), after which the connection is down.  With opt.batches 0 may mean that another fiber
 * is about to send it: if it fails, the connection breaks.
 */
#define NFS_CONN_IOV_MAX 8
FIBER_FN int nfs_conn_send(struct nfs_conn *conn, const struct iovec *iov, unsigned int nr_iov) MUST_CHECK;
/* Send bytes as they are, not a record: heads, halves, nonsense. */
FIBER_FN int nfs_conn_send_bytes(struct nfs_conn *conn, const void *bytes, size_t len) MUST_CHECK;

/*
 * From now on an answer to call->xid belongs to @call.  If several calls in flight have the same xid, an answer goes
 * to the one that waits longest.  -EAGAIN: NFS_CONN_FLIGHT_MAX are in flight; -ENOTCONN: it is not up.
 */
int nfs_conn_expect(struct nfs_conn *conn, struct nfs_call *call) MUST_CHECK;
/*
 * Wait for @call until reactor time @deadline_ns; afterwards it is not in flight any more.  0: its reply is there;
 * -ETIMEDOUT; -ECONNRESET and other errors of sock_recv(): the connection broke; -ESHUTDOWN: it is being closed;
 * -EPROTO, -EMSGSIZE: the stream of the other side was no stream of records within our limits.
 */
FIBER_FN int nfs_conn_wait(struct nfs_conn *conn, struct nfs_call *call, uint64_t deadline_ns) MUST_CHECK;
/* Forget @call: an answer that comes later is unmatched.  Harmless if it is not in flight. */
void nfs_conn_forget(struct nfs_conn *conn, struct nfs_call *call);

/* Wait for the next answer that nobody expects (opt.keeps_unmatched); now the caller's to free(). */
FIBER_FN int nfs_conn_stray(struct nfs_conn *conn, uint64_t deadline_ns, uint8_t **ret_msg, uint32_t *ret_len)
	MUST_CHECK;
/* Wait until the other side has ended the connection, or it broke.  -ETIMEDOUT: it still stands. */
FIBER_FN int nfs_conn_wait_down(struct nfs_conn *conn, uint64_t deadline_ns) MUST_CHECK;

#endif
