/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket seam's front.  Promises: a call reaches the implementation that made the object, and nothing else.
 */

#include "dev/sock.h"

int net_listen(struct net *net, const struct sock_addr *addr, struct listener **ret_listener)
{
	return net->ops->listen(net, addr, ret_listener);
}

FIBER_FN int net_connect(struct net *net, const struct sock_addr *addr, struct sock **ret_sock)
{
	return net->ops->connect(net, addr, ret_sock);
}

FIBER_FN int listener_accept(struct listener *l, struct sock **ret_sock)
{
	return l->ops->accept(l, ret_sock);
}

void listener_shutdown(struct listener *l)
{
	l->ops->shutdown(l);
}

void listener_close(struct listener *l)
{
	if (l)
		l->ops->close(l);
}

FIBER_FN ssize_t sock_recv(struct sock *s, void *buf, size_t len)
{
	assert(len > 0);
	return s->ops->recv(s, buf, len);
}

FIBER_FN int sock_send(struct sock *s, const struct iovec *iov, unsigned int nr_iov)
{
	return s->ops->send(s, iov, nr_iov);
}

void sock_shutdown(struct sock *s)
{
	s->ops->shutdown(s);
}

void sock_close(struct sock *s)
{
	if (s)
		s->ops->close(s);
}
