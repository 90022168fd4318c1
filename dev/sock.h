/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_SOCK_H
#define LAMINA_DEV_SOCK_H

/*
 * The socket seam: stream connections, real (dev/sock_real.c) or simulated (tests/sim/sim_net.h), and the network
 * that makes them.
 *
 * A connection delivers bytes in order or breaks.  One fiber may receive and one send at the same time, no more of
 * either.  sock_shutdown() ends both from outside; only who knows that nobody is inside closes.
 */

#include <sys/socket.h>
#include <sys/uio.h>

#include "dev/base.h"

struct reactor;
struct net;
struct sock;
struct listener;

/*
 * An address in text: "192.0.2.1:2049", "[2001:db8::1]:2049", "*:2049" (to listen on all addresses, IPv6 and IPv4),
 * or a path that begins with '/' for a local socket.  Names are not looked up.  Port 0, to listen, is any free one.
 */
#define SOCK_ADDR_TEXT_MAX 128
struct sock_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};
/* -EINVAL: none of these. */
int sock_addr_parse(const char *text, struct sock_addr *ret_addr) MUST_CHECK;
/* Whether both are addresses of the same host, whatever the ports; local sockets are all of this host. */
bool sock_addr_same_host(const struct sock_addr *a, const struct sock_addr *b) MUST_CHECK;
void sock_addr_print(const struct sock_addr *addr, char text[SOCK_ADDR_TEXT_MAX]);

struct net_ops {
	int (*listen)(struct net *net, const struct sock_addr *addr, struct listener **ret_listener);
	FIBER_FN int (*connect)(struct net *net, const struct sock_addr *addr, struct sock **ret_sock);
};

/* A host's network: embed it first in what implements it. */
struct net {
	const struct net_ops *ops;
	struct reactor *reactor;
};

struct listener_ops {
	FIBER_FN int (*accept)(struct listener *l, struct sock **ret_sock);
	void (*shutdown)(struct listener *l);
	void (*close)(struct listener *l);
};

struct listener {
	const struct listener_ops *ops;
	struct sock_addr addr; /* with the port that was taken */
};

struct sock_ops {
	FIBER_FN ssize_t (*recv)(struct sock *s, void *buf, size_t len);
	FIBER_FN int (*send)(struct sock *s, const struct iovec *iov, unsigned int nr_iov);
	void (*shutdown)(struct sock *s);
	void (*close)(struct sock *s);
};

struct sock {
	const struct sock_ops *ops;
	struct sock_addr peer;
	struct sock_addr local;
};

/* The network of this host.  -ENOMEM.  Closed when no listener or socket of it is left. */
int net_open(struct reactor *r, struct net **ret_net) MUST_CHECK;
void net_close(struct net *net);

/* -EADDRINUSE, -EADDRNOTAVAIL, -EACCES and others of listen(2).  A local socket that nobody listens on is replaced.
 */
int net_listen(struct net *net, const struct sock_addr *addr, struct listener **ret_listener) MUST_CHECK;
/* -ECONNREFUSED, -ETIMEDOUT and others of connect(2). */
FIBER_FN int net_connect(struct net *net, const struct sock_addr *addr, struct sock **ret_sock) MUST_CHECK;

/*
 * The next connection.  -ESHUTDOWN: listener_shutdown(); -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS: not now, the caller
 * waits a little and comes again.
 */
FIBER_FN int listener_accept(struct listener *l, struct sock **ret_sock) MUST_CHECK;
/* Whoever accepts gets -ESHUTDOWN, now and later. */
void listener_shutdown(struct listener *l);
/* Nobody may be accepting.  NULL is allowed. */
void listener_close(struct listener *l);

/* At least one byte, at most @len > 0; 0: the peer has ended its side; negative errno: broken, or shut down. */
FIBER_FN ssize_t sock_recv(struct sock *s, void *buf, size_t len) MUST_CHECK;
/* All of it.  After an error nobody knows how much arrived: the connection is of no use any more. */
FIBER_FN int sock_send(struct sock *s, const struct iovec *iov, unsigned int nr_iov) MUST_CHECK;
/* Ends both directions: who waits in recv or send returns, and so does the peer.  Harmless twice. */
void sock_shutdown(struct sock *s);
/* Nobody may be inside.  What was sent is still delivered.  NULL is allowed. */
void sock_close(struct sock *s);

#endif
