/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of the kernel.  Promises: nothing blocks the thread: what the kernel can't do at once waits for
 * readiness as a poll of the reactor's, and is tried again; a shutdown wakes who waits there; a fiber that always
 * finds more to receive lets others run all the same; a local socket's path is replaced only when nobody listens, and
 * removed only while it is ours.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dev/fiber.h"
#include "dev/io.h"
#include "dev/sock.h"

#define EAGER_MAX	  16 /* calls that the kernel served at once, before others get their turn */
#define IOV_BATCH	  64 /* pieces given to the kernel at a time */
#define LOCAL_RETRIES_MAX 500
#define LOCAL_RETRY_NS	  (10 * 1000 * 1000)

/* A peer that vanished is found out after KEEP_IDLE_S + KEEP_TRIES * KEEP_INTERVAL_S seconds of silence. */
#define KEEP_IDLE_S	60
#define KEEP_INTERVAL_S 10
#define KEEP_TRIES	6

struct real_net {
	struct net net;
	uint64_t nr_open; /* sockets and listeners */
};

struct real_listener {
	struct listener l;
	struct real_net *net;
	int fd;
	bool shut;
	unsigned int eager;
	dev_t path_dev; /* of a local socket: which file is ours */
	ino_t path_ino;
};

struct real_sock {
	struct sock s;
	struct real_net *net;
	int fd;
	bool shut;
	unsigned int eager;
};

/* ---- waiting ---- */

struct poll_wait {
	struct io_req req;
	struct fiber *fiber;
	bool over;
};

static void poll_wait_done(struct io_req *req)
{
	struct poll_wait *w = req->owner;

	w->over = true;
	fiber_wake(w->fiber);
}

/* Until @fd is ready for @events, or was shut down. */
static FIBER_FN int poll_wait(struct real_net *net, int fd, short events)
{
	struct poll_wait w = {
		.req = { .op = IO_POLL, .fd = fd, .events = events, .done = poll_wait_done, .owner = &w },
		.fiber = fiber_self(),
	};

	io_req_submit(net->net.reactor, &w.req);
	while (!w.over)
		fiber_park();
	return w.req.result < 0 ? (int)w.req.result : 0;
}

/* The kernel had something for us at once. */
static FIBER_FN void eager_count(unsigned int *eager)
{
	if (++*eager < EAGER_MAX)
		return;
	*eager = 0;
	fiber_yield();
}

/* ---- connections ---- */

static struct real_sock *to_sock(struct sock *s)
{
	return container_of(s, struct real_sock, s);
}

static FIBER_FN ssize_t real_recv(struct sock *sock, void *buf, size_t len)
{
	struct real_sock *s = to_sock(sock);

	eager_count(&s->eager);
	while (!s->shut) {
		ssize_t ret = recv(s->fd, buf, len, 0);
		int err;

		if (ret >= 0)
			return ret;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		s->eager = 0;
		err = poll_wait(s->net, s->fd, POLLIN);
		if (err)
			return err;
	}
	return -ESHUTDOWN;
}

/* How far a send has come. */
struct send_pos {
	const struct iovec *iov;
	unsigned int nr_iov;
	size_t off; /* in the first */
};

/* Skip @done bytes, and what is empty. */
static void send_pos_advance(struct send_pos *pos, size_t done)
{
	pos->off += done;
	while (pos->nr_iov > 0 && pos->off >= pos->iov->iov_len) {
		pos->off -= pos->iov->iov_len;
		pos->iov++;
		pos->nr_iov--;
	}
}

/* Give the kernel what one call takes; what it took, or negative errno. */
static ssize_t send_part(int fd, const struct send_pos *pos)
{
	struct iovec part[IOV_BATCH];
	unsigned int nr = (unsigned int)min_u64(pos->nr_iov, IOV_BATCH);
	struct msghdr msg = { .msg_iov = part, .msg_iovlen = nr };
	ssize_t ret;

	memcpy(part, pos->iov, nr * sizeof(part[0]));
	part[0].iov_base = (char *)part[0].iov_base + pos->off;
	part[0].iov_len -= pos->off;
	ret = sendmsg(fd, &msg, MSG_NOSIGNAL | (nr < pos->nr_iov ? MSG_MORE : 0));
	return ret < 0 ? -errno : ret;
}

static FIBER_FN int real_send(struct sock *sock, const struct iovec *iov, unsigned int nr_iov)
{
	struct real_sock *s = to_sock(sock);
	struct send_pos pos = { .iov = iov, .nr_iov = nr_iov };

	send_pos_advance(&pos, 0);
	while (pos.nr_iov > 0) {
		ssize_t ret;

		if (s->shut)
			return -ESHUTDOWN;
		ret = send_part(s->fd, &pos);
		if (ret == -EAGAIN)
			ret = poll_wait(s->net, s->fd, POLLOUT);
		if (ret < 0 && ret != -EINTR)
			return s->shut ? -ESHUTDOWN : (int)ret;
		send_pos_advance(&pos, ret > 0 ? (size_t)ret : 0);
	}
	return 0;
}

static void real_sock_shutdown(struct sock *sock)
{
	struct real_sock *s = to_sock(sock);

	if (s->shut)
		return;
	s->shut = true;
	/* The only failure, ENOTCONN, is that of a connection that has broken: it wakes as well. */
	if (shutdown(s->fd, SHUT_RDWR) < 0)
		assert(errno == ENOTCONN);
}

static void real_sock_close(struct sock *sock)
{
	struct real_sock *s = to_sock(sock);

	close(s->fd);
	s->net->nr_open--;
	free(s);
}

/* An IPv4 peer of a socket that takes both is an IPv4 peer. */
static void addr_unmap(struct sock_addr *addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6;

	if (addr->ss.ss_family != AF_INET6)
		return;
	memcpy(&in6, &addr->ss, sizeof(in6));
	if (!IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		return;
	memcpy(&in.sin_addr, &in6.sin6_addr.s6_addr[12], sizeof(in.sin_addr));
	in.sin_port = in6.sin6_port;
	*addr = (struct sock_addr){ .len = sizeof(in) };
	memcpy(&addr->ss, &in, sizeof(in));
}

/* One of getsockname(2) and getpeername(2); a connection that has broken already may have no name left. */
static void addr_ask(int (*ask)(int fd, struct sockaddr *addr, socklen_t *len), int fd, struct sock_addr *ret_addr)
{
	struct sock_addr addr = { .len = sizeof(addr.ss) };

	if (ask(fd, (struct sockaddr *)&addr.ss, &addr.len) < 0)
		addr = (struct sock_addr){ .len = 0 };
	addr_unmap(&addr);
	*ret_addr = addr;
}

static void option_set(int fd, int level, int name, int value)
{
	/* None of these is needed for right results. */
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
		return;
}

static void tcp_tune(int fd)
{
	option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	option_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	option_set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_TRIES);
}

/* A connection of @fd, which is consumed, also on failure. */
static int real_sock_new(struct real_net *net, int fd, struct sock **ret_sock)
{
	static const struct sock_ops ops = {
		.recv = real_recv,
		.send = real_send,
		.shutdown = real_sock_shutdown,
		.close = real_sock_close,
	};
	struct real_sock *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->s.ops = &ops;
	s->net = net;
	s->fd = fd;
	addr_ask(getsockname, fd, &s->s.local);
	addr_ask(getpeername, fd, &s->s.peer);
	if (s->s.local.ss.ss_family != AF_UNIX)
		tcp_tune(fd);
	net->nr_open++;
	*ret_sock = &s->s;
	return 0;
}

/* ---- connecting ---- */

static struct real_net *to_net(struct net *net)
{
	return container_of(net, struct real_net, net);
}

static int fd_open(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static FIBER_FN int fd_connect(struct real_net *net, int fd, const struct sock_addr *addr)
{
	unsigned int retries = 0;
	socklen_t len;
	int err;

	while (connect(fd, (const struct sockaddr *)&addr->ss, addr->len) < 0) {
		if (errno == EINPROGRESS)
			break;
		/* A local listener has too many waiting; the kernel tells nobody when it has fewer. */
		if (errno != EAGAIN || addr->ss.ss_family != AF_UNIX)
			return -errno;
		if (++retries > LOCAL_RETRIES_MAX)
			return -ETIMEDOUT;
		fiber_sleep_ns(LOCAL_RETRY_NS);
	}
	err = poll_wait(net, fd, POLLOUT);
	if (err)
		return err;
	len = sizeof(err);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? -errno : -err;
}

static FIBER_FN int real_connect(struct net *n, const struct sock_addr *addr, struct sock **ret_sock)
{
	struct real_net *net = to_net(n);
	int fd = fd_open(addr->ss.ss_family);
	int err;

	if (fd < 0)
		return fd;
	net->nr_open++;
	err = fd_connect(net, fd, addr);
	net->nr_open--;
	if (err) {
		close(fd);
		return err;
	}
	return real_sock_new(net, fd, ret_sock);
}

/* ---- listening ---- */

static struct real_listener *to_listener(struct listener *l)
{
	return container_of(l, struct real_listener, l);
}

/* What accept(2) says of a connection that has gone already; the next one may be well. */
static bool accept_lost_one(int err)
{
	switch (err) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case EPERM: /* of a firewall */
	case ENOPROTOOPT:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

static FIBER_FN int real_accept(struct listener *listener, struct sock **ret_sock)
{
	struct real_listener *l = to_listener(listener);

	for (;;) {
		int err = 0;
		int fd;

		eager_count(&l->eager);
		if (l->shut)
			return -ESHUTDOWN;
		fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			return real_sock_new(l->net, fd, ret_sock);
		if (errno == EAGAIN)
			err = poll_wait(l->net, l->fd, POLLIN);
		else if (!accept_lost_one(errno))
			err = -errno;
		if (err)
			return l->shut ? -ESHUTDOWN : err;
	}
}

static void real_listener_shutdown(struct listener *listener)
{
	struct real_listener *l = to_listener(listener);

	if (l->shut)
		return;
	l->shut = true;
	/* On Linux that wakes who polls a listening socket, of TCP and local, and new connections are refused. */
	if (shutdown(l->fd, SHUT_RDWR) < 0)
		assert(errno == ENOTCONN);
}

static const char *local_path(const struct sock_addr *addr)
{
	return (const char *)&addr->ss + offsetof(struct sockaddr_un, sun_path);
}

static void real_listener_close(struct listener *listener)
{
	struct real_listener *l = to_listener(listener);
	struct stat st;

	/* Somebody may have removed the path, and somebody else taken it. */
	if (l->path_ino && lstat(local_path(&l->l.addr), &st) == 0 && st.st_dev == l->path_dev &&
	    st.st_ino == l->path_ino)
		unlink(local_path(&l->l.addr));
	close(l->fd);
	l->net->nr_open--;
	free(l);
}

static int fd_bind(int fd, const struct sock_addr *addr)
{
	return bind(fd, (const struct sockaddr *)&addr->ss, addr->len) < 0 ? -errno : 0;
}

/* Whether the path of @addr is a local socket that nobody listens on: what a server leaves that was killed. */
static bool local_is_stale(const struct sock_addr *addr)
{
	struct stat st;
	bool stale;
	int fd;

	if (lstat(local_path(addr), &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = fd_open(AF_UNIX);
	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)&addr->ss, addr->len) < 0 && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int local_bind(int fd, const struct sock_addr *addr)
{
	int err;

	/* The path gets the mode of the socket, less the umask: so nobody else can be quicker than a chmod. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) < 0)
		return -errno;
	err = fd_bind(fd, addr);
	if (err != -EADDRINUSE || !local_is_stale(addr))
		return err;
	if (unlink(local_path(addr)) < 0)
		return -errno;
	return fd_bind(fd, addr);
}

static int inet_bind(int fd, const struct sock_addr *addr)
{
	const int on = 1;
	const int off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (addr->ss.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	return fd_bind(fd, addr);
}

/* A listening socket, or negative errno. */
static int fd_listen(const struct sock_addr *addr)
{
	int fd = fd_open(addr->ss.ss_family);
	int err;

	if (fd < 0)
		return fd;
	err = addr->ss.ss_family == AF_UNIX ? local_bind(fd, addr) : inet_bind(fd, addr);
	if (!err && listen(fd, SOMAXCONN) < 0)
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* If @addr is all addresses: all of IPv4. */
static bool addr_any_ipv4(const struct sock_addr *addr, struct sock_addr *ret_addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6;

	memcpy(&in6, &addr->ss, sizeof(in6));
	if (in6.sin6_family != AF_INET6 || !IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr))
		return false;
	in.sin_port = in6.sin6_port;
	*ret_addr = (struct sock_addr){ .len = sizeof(in) };
	memcpy(&ret_addr->ss, &in, sizeof(in));
	return true;
}

static int real_listen(struct net *n, const struct sock_addr *addr, struct listener **ret_listener)
{
	static const struct listener_ops ops = {
		.accept = real_accept,
		.shutdown = real_listener_shutdown,
		.close = real_listener_close,
	};
	struct real_net *net = to_net(n);
	struct real_listener *l = calloc(1, sizeof(*l));
	struct sock_addr ipv4;
	struct stat st;

	if (!l)
		return -ENOMEM;
	l->l.ops = &ops;
	l->net = net;
	l->fd = fd_listen(addr);
	if ((l->fd == -EAFNOSUPPORT || l->fd == -EADDRNOTAVAIL) && addr_any_ipv4(addr, &ipv4))
		l->fd = fd_listen(&ipv4); /* a kernel without IPv6 */
	if (l->fd < 0) {
		int err = l->fd;

		free(l);
		return err;
	}
	addr_ask(getsockname, l->fd, &l->l.addr);
	if (addr->ss.ss_family == AF_UNIX && lstat(local_path(addr), &st) == 0) {
		l->path_dev = st.st_dev;
		l->path_ino = st.st_ino;
	}
	net->nr_open++;
	*ret_listener = &l->l;
	return 0;
}

/* ---- the network ---- */

int net_open(struct reactor *r, struct net **ret_net)
{
	static const struct net_ops ops = {
		.listen = real_listen,
		.connect = real_connect,
	};
	struct real_net *net = calloc(1, sizeof(*net));

	if (!net)
		return -ENOMEM;
	net->net.ops = &ops;
	net->net.reactor = r;
	*ret_net = &net->net;
	return 0;
}

void net_close(struct net *n)
{
	struct real_net *net = to_net(n);

	assert(net->nr_open == 0);
	free(net);
}
