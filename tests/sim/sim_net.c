/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated network's hosts: who listens where, who may reach whom.  Promise: all of it follows from the seed and
 * from what is asked for when.
 */
#include "tests/sim/sim_net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "dev/fiber.h"
#include "tests/sim/sim_net_int.h"

#define BACKLOG_MAX 128
#define FIRST_PORT  40000 /* of those that nobody asked for by number */
#define RETRY_NS    UINT64_C(500000000)

struct sim_listener {
	struct listener l;
	struct sim_host *host;
	struct list queue; /* sim_conn.queue_link */
	size_t nr_queue;
	struct wait_queue wait;
	bool shut;
	struct list link; /* sim_host.listeners */
};

/* ---- chance and trace ---- */

void sim_net_trace(struct sim_net *n, enum sim_event event, uint64_t what, uint64_t how)
{
	sim_reactor_trace(n->r, event);
	sim_reactor_trace(n->r, what);
	sim_reactor_trace(n->r, how);
}

uint64_t sim_net_delay(struct sim_net *n)
{
	uint64_t max = n->rates.delay_max_ns;
	uint64_t delay = sim_rng_between(&n->dice, n->rates.delay_min_ns, max);

	if (sim_rng_chance(&n->dice, 1, 32))
		delay += sim_rng_below(&n->dice, 9 * max + 1);
	return delay;
}

bool sim_net_chance(struct sim_net *n, uint32_t ppm)
{
	return ppm > 0 && sim_rng_chance(&n->dice, ppm, 1000000);
}

FIBER_FN void sim_net_dither(struct sim_net *n)
{
	if (sim_rng_chance(&n->dice, 1, 4))
		fiber_yield();
}

/* ---- addresses ---- */

static struct sim_host *to_host(struct net *net)
{
	return container_of(net, struct sim_host, net);
}

static in_port_t *addr_port(struct sock_addr *addr)
{
	/* At the same place in both. */
	_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port), "port");
	return &((struct sockaddr_in *)&addr->ss)->sin_port;
}

static bool addr_is_local(const struct sock_addr *addr)
{
	return addr->ss.ss_family == AF_UNIX;
}

static bool addr_is_equal(const struct sock_addr *a, const struct sock_addr *b)
{
	return a->len == b->len && memcmp(&a->ss, &b->ss, a->len) == 0;
}

static struct sock_addr addr_with_port(const struct sock_addr *addr, in_port_t port)
{
	struct sock_addr with = *addr;

	*addr_port(&with) = port;
	return with;
}

static bool addr_is_any(const struct sock_addr *addr)
{
	static const struct in6_addr zeros;

	if (addr->ss.ss_family == AF_INET)
		return ((const struct sockaddr_in *)&addr->ss)->sin_addr.s_addr == 0;
	return addr->ss.ss_family == AF_INET6 &&
	       memcmp(&((const struct sockaddr_in6 *)&addr->ss)->sin6_addr, &zeros, sizeof(zeros)) == 0;
}

static bool addr_is_loopback(const struct sock_addr *addr)
{
	if (addr->ss.ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)&addr->ss)->sin_addr.s_addr) >> 24 == 127;
	return addr->ss.ss_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&addr->ss)->sin6_addr);
}

/* The number of the host with IP address @addr; nr_places: there is none. */
static unsigned int place_find(const struct sim_net *n, const struct sock_addr *addr)
{
	struct sock_addr ip = addr_with_port(addr, 0);
	unsigned int i;

	for (i = 0; i < n->nr_places && !addr_is_equal(&n->place[i], &ip); i++)
		;
	return i;
}

static in_port_t port_take(struct sim_host *h)
{
	if (h->next_port < FIRST_PORT)
		h->next_port = FIRST_PORT;
	return htons(h->next_port++);
}

/* ---- listening ---- */

static struct sim_listener *to_listener(struct listener *l)
{
	return container_of(l, struct sim_listener, l);
}

/* Whether connections to @addr, one of its host's addresses, come to @l. */
static bool listener_is_for(const struct sim_listener *l, const struct sock_addr *addr)
{
	struct sock_addr mine = l->l.addr;
	struct sock_addr to = *addr;

	if (l->shut || addr_is_local(&mine) || addr_is_local(&to))
		return !l->shut && addr_is_equal(&mine, &to);
	if (*addr_port(&mine) != *addr_port(&to))
		return false;
	return addr_is_any(&mine) || addr_is_equal(&mine, &to);
}

static struct sim_listener *listener_find(const struct sim_host *h, const struct sock_addr *addr)
{
	list_for_each (pos, &h->listeners) {
		struct sim_listener *l = list_entry(pos, struct sim_listener, link);

		if (listener_is_for(l, addr))
			return l;
	}
	return NULL;
}

static FIBER_FN int sim_accept(struct listener *listener, struct sock **ret_sock)
{
	struct sim_listener *l = to_listener(listener);
	struct sim_net *n = l->host->n;
	struct sim_conn *c;

	sim_net_dither(n);
	while (!l->shut && !l->host->crashed && list_is_empty(&l->queue))
		wait_queue_wait(&l->wait);
	if (l->shut)
		return -ESHUTDOWN;
	if (l->host->crashed)
		return -ENETDOWN;
	if (sim_net_chance(n, n->rates.accept_error_ppm))
		return -EMFILE;
	c = list_first_entry(&l->queue, struct sim_conn, queue_link);
	list_del(&c->queue_link);
	l->nr_queue--;
	*ret_sock = &c->end[1].s;
	return 0;
}

static void listener_refuse_queue(struct sim_listener *l)
{
	while (!list_is_empty(&l->queue))
		sim_conn_refuse(list_first_entry(&l->queue, struct sim_conn, queue_link));
	l->nr_queue = 0;
	wait_queue_wake_all(&l->wait);
}

static void sim_listener_shutdown(struct listener *listener)
{
	struct sim_listener *l = to_listener(listener);

	l->shut = true;
	listener_refuse_queue(l);
}

static void sim_listener_close(struct listener *listener)
{
	struct sim_listener *l = to_listener(listener);

	assert(wait_queue_is_empty(&l->wait));
	sim_listener_shutdown(listener);
	list_del(&l->link);
	free(l);
}

static int sim_listen(struct net *net, const struct sock_addr *addr, struct listener **ret_listener)
{
	static const struct listener_ops ops = {
		.accept = sim_accept,
		.shutdown = sim_listener_shutdown,
		.close = sim_listener_close,
	};
	struct sim_host *h = to_host(net);
	struct sim_listener *l;
	struct sock_addr mine = *addr;

	if (h->crashed)
		return -ENETDOWN;
	if (!addr_is_local(addr)) {
		if (!addr_is_any(addr) && !addr_is_loopback(addr) && place_find(h->n, addr) != h->place)
			return -EADDRNOTAVAIL;
		if (*addr_port(&mine) == 0)
			*addr_port(&mine) = port_take(h);
	}
	if (listener_find(h, &mine))
		return -EADDRINUSE;
	l = sim_alloc(sizeof(*l));
	l->l.ops = &ops;
	l->l.addr = mine;
	l->host = h;
	list_init(&l->queue);
	wait_queue_init(&l->wait);
	list_add_tail(&l->link, &h->listeners);
	*ret_listener = &l->l;
	return 0;
}

/* ---- connecting ---- */

/* The number of the host where @addr leads from @h; nr_places: nowhere. */
static unsigned int route(const struct sim_host *h, const struct sock_addr *addr)
{
	if (addr_is_local(addr) || addr_is_any(addr) || addr_is_loopback(addr))
		return h->place;
	return place_find(h->n, addr);
}

static struct sim_conn *conn_open(struct sim_host *h, struct sim_listener *l, const struct sock_addr *addr)
{
	struct sock_addr mine = { .ss.ss_family = AF_UNIX, .len = sizeof(sa_family_t) };
	struct sim_conn *c;

	if (!addr_is_local(addr))
		mine = addr_with_port(addr_is_loopback(addr) ? addr : &h->n->place[h->place], port_take(h));
	c = sim_conn_new(h, &mine, l->host, addr);
	list_add_tail(&c->queue_link, &l->queue);
	l->nr_queue++;
	wait_queue_wake_all(&l->wait);
	return c;
}

/* One try: 0, -EAGAIN if nothing came back, or an error for good. */
static int connect_try(struct sim_host *h, unsigned int place, const struct sock_addr *addr,
		       struct sim_conn **ret_conn)
{
	struct sim_net *n = h->n;
	struct sim_listener *l;

	if (n->cut[h->place][place])
		return -EAGAIN;
	if (sim_net_chance(n, n->rates.refuse_ppm))
		return -ECONNREFUSED;
	l = n->living[place] ? listener_find(n->living[place], addr) : NULL;
	if (!l)
		return addr_is_local(addr) ? -ENOENT : -ECONNREFUSED;
	if (l->nr_queue >= BACKLOG_MAX)
		return -EAGAIN;
	*ret_conn = conn_open(h, l, addr);
	return 0;
}

static FIBER_FN int connect_wait(struct sim_host *h, const struct sock_addr *addr, struct sim_conn **ret_conn)
{
	struct sim_net *n = h->n;
	uint64_t deadline = reactor_now_ns(n->r) + n->rates.connect_ns;
	unsigned int place = route(h, addr);
	int err;

	if (place == n->nr_places)
		return -EHOSTUNREACH;
	for (;;) {
		fiber_sleep_ns(sim_net_delay(n));
		if (h->crashed)
			return -ENETDOWN;
		err = connect_try(h, place, addr, ret_conn);
		if (err != -EAGAIN)
			return err;
		if (reactor_now_ns(n->r) >= deadline)
			return -ETIMEDOUT;
		fiber_sleep_ns(min_u64(RETRY_NS, deadline - reactor_now_ns(n->r)));
	}
}

static FIBER_FN int sim_connect(struct net *net, const struct sock_addr *addr, struct sock **ret_sock)
{
	struct sim_host *h = to_host(net);
	struct sim_net *n = h->n;
	struct sim_conn *c = NULL;
	int err = connect_wait(h, addr, &c);

	if (!err) {
		/* The way back; who gets our first bytes late is the listener's affair. */
		fiber_sleep_ns(sim_net_delay(n));
		err = h->crashed ? -ENETDOWN : c->end[0].error;
		if (err)
			sock_close(&c->end[0].s);
	}
	sim_net_trace(n, SIM_NET_CONNECT, h->place, (uint64_t)-err);
	if (err)
		return err;
	n->stats.connects++;
	*ret_sock = &c->end[0].s;
	return 0;
}

/* ---- hosts ---- */

static struct sock_addr ip_parse(const char *text)
{
	struct sock_addr ip = { .len = 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&ip.ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ip.ss;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		ip.len = sizeof(*in);
		return ip;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1) {
		fprintf(stderr, "not an IP address of a simulated host: %s\n", text);
		abort();
	}
	in6->sin6_family = AF_INET6;
	ip.len = sizeof(*in6);
	return ip;
}

struct net *sim_net_host(struct sim_net *n, const char *addr)
{
	static const struct net_ops ops = { .listen = sim_listen, .connect = sim_connect };
	struct sock_addr ip = ip_parse(addr);
	unsigned int place = place_find(n, &ip);
	struct sim_host *h;

	if (place == n->nr_places) {
		assert(n->nr_places < SIM_NET_HOSTS_MAX);
		n->place[n->nr_places++] = ip;
	}
	if (n->living[place])
		return &n->living[place]->net;
	h = sim_alloc(sizeof(*h));
	h->net = (struct net){ .ops = &ops, .reactor = n->r };
	h->n = n;
	h->place = place;
	/* A new life doesn't begin with the ports of the last. */
	h->next_port = (uint16_t)(FIRST_PORT + sim_rng_below(&n->dice, 10000));
	list_init(&h->listeners);
	list_add_tail(&h->link, &n->hosts);
	n->living[place] = h;
	return &h->net;
}

void sim_net_host_crash(struct sim_net *n, struct net *net)
{
	struct sim_host *h = to_host(net);

	assert(!h->crashed && n->living[h->place] == h);
	sim_net_trace(n, SIM_NET_CRASH, h->place, 0);
	h->crashed = true;
	n->living[h->place] = NULL;
	list_for_each (pos, &n->conns)
		sim_conn_crash(list_entry(pos, struct sim_conn, link), h);
	list_for_each (pos, &h->listeners)
		listener_refuse_queue(list_entry(pos, struct sim_listener, link));
}

static bool conn_is_between(const struct sim_conn *c, unsigned int a, unsigned int b)
{
	unsigned int x = c->end[0].host->place;
	unsigned int y = c->end[1].host->place;

	return (x == a && y == b) || (x == b && y == a);
}

static unsigned int place_of(const struct net *net)
{
	return container_of(net, const struct sim_host, net)->place;
}

void sim_net_cut(struct sim_net *n, const struct net *host_a, const struct net *host_b, bool cut)
{
	unsigned int a = place_of(host_a);
	unsigned int b = place_of(host_b);

	assert(a != b);
	if (n->cut[a][b] == cut)
		return;
	sim_net_trace(n, SIM_NET_CUT, (uint64_t)a << 32 | b, cut);
	n->cut[a][b] = n->cut[b][a] = cut;
	list_for_each (pos, &n->conns) {
		struct sim_conn *c = list_entry(pos, struct sim_conn, link);

		if (conn_is_between(c, a, b))
			sim_conn_cut(c, cut);
	}
}

void sim_net_reset(struct sim_net *n, const struct net *a, const struct net *b)
{
	list_for_each (pos, &n->conns) {
		struct sim_conn *c = list_entry(pos, struct sim_conn, link);

		if (conn_is_between(c, place_of(a), place_of(b)))
			sim_conn_reset(c);
	}
}

/* ---- the network ---- */

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
	return value ? value : otherwise;
}

void sim_net_set_rates(struct sim_net *n, const struct sim_net_rates *rates)
{
	static const struct sim_net_rates none;
	struct sim_net_rates r = rates ? *rates : none;

	r.delay_min_ns = or_default(r.delay_min_ns, 10 * 1000);
	r.delay_max_ns = max_u64(or_default(r.delay_max_ns, 1000 * 1000), r.delay_min_ns);
	r.silence_ns = or_default(r.silence_ns, UINT64_C(60000000000));
	r.connect_ns = or_default(r.connect_ns, UINT64_C(20000000000));
	r.buffer_max = or_default(r.buffer_max, 65536);
	n->rates = r;
}

struct sim_net *sim_net_new(struct reactor *r, uint64_t seed, const struct sim_net_rates *rates)
{
	struct sim_net *n = sim_alloc(sizeof(*n));

	n->r = r;
	n->dice = sim_rng_make(seed, 0x6e6574);
	list_init(&n->hosts);
	list_init(&n->conns);
	sim_net_set_rates(n, rates);
	return n;
}

void sim_net_free(struct sim_net *n)
{
	list_for_each_safe (pos, &n->conns)
		sim_conn_free(list_entry(pos, struct sim_conn, link));
	list_for_each_safe (pos, &n->hosts) {
		struct sim_host *h = list_entry(pos, struct sim_host, link);

		list_for_each_safe (at, &h->listeners)
			free(list_entry(at, struct sim_listener, link));
		free(h);
	}
	free(n);
}

struct sim_net_stats sim_net_stats(const struct sim_net *n)
{
	return n->stats;
}
