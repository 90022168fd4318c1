/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated network, held against its own description: what arrives is what was sent, or the beginning of it;
 * who waits is woken; and everything that may happen does happen for some seed.
 */
#include "tests/sim/sim_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/lib/check.h"
#include "tests/sim/sim_reactor.h"
#include "tests/sim/sim_util.h"

#define CLIENT_ADDR "192.0.2.1"
#define SERVER_ADDR "2001:db8::2"
#define SERVICE	    "[2001:db8::2]:2049"
#define BIG	    ((size_t)1 << 20)

struct world {
	struct reactor *r;
	struct sim_net *n;
	struct net *client, *server;
	uint64_t seed;
	uint64_t bytes; /* what arrived in the test, and how it ended */
	ssize_t end;
};

/* Run @fn in a world of @seed; the trace's hash. */
static uint64_t world_run(struct world *w, uint64_t seed, const struct sim_net_rates *rates, int (*fn)(void *arg))
{
	uint64_t hash;

	*w = (struct world){ .r = sim_reactor_new(seed), .seed = seed };
	w->n = sim_net_new(w->r, seed, rates);
	w->client = sim_net_host(w->n, CLIENT_ADDR);
	w->server = sim_net_host(w->n, SERVER_ADDR);
	assert_int_equal(reactor_run(w->r, fn, w), 0);
	hash = sim_reactor_trace_hash(w->r);
	sim_net_free(w->n);
	reactor_close(w->r);
	return hash;
}

static struct sock_addr address(const char *text)
{
	struct sock_addr addr = { .len = 0 };

	CHECK_EQ(sock_addr_parse(text, &addr), 0);
	return addr;
}

static struct listener *listen_at(struct net *net, const char *text)
{
	struct sock_addr addr = address(text);
	struct listener *l = NULL;

	CHECK_EQ(net_listen(net, &addr, &l), 0);
	return l;
}

static int try_listen(struct net *net, const char *text)
{
	struct sock_addr addr = address(text);
	struct listener *l = NULL;
	int err = net_listen(net, &addr, &l);

	listener_close(l);
	return err;
}

static FIBER_FN int try_connect(struct net *net, const char *text)
{
	struct sock_addr addr = address(text);
	struct sock *s = NULL;
	int err = net_connect(net, &addr, &s);

	sock_close(s);
	return err;
}

struct ends {
	struct sock *client, *server;
};

static FIBER_FN struct ends ends_at(struct net *client, struct net *server, const char *where, const char *to)
{
	struct listener *l = listen_at(server, where);
	struct sock_addr addr = address(to);
	struct ends ends = { NULL, NULL };

	CHECK_EQ(net_connect(client, &addr, &ends.client), 0);
	CHECK_EQ(listener_accept(l, &ends.server), 0);
	listener_close(l);
	return ends;
}

static FIBER_FN struct ends ends_new(struct world *w)
{
	return ends_at(w->client, w->server, SERVICE, SERVICE);
}

static void ends_close(struct ends ends)
{
	sock_close(ends.client);
	sock_close(ends.server);
}

static FIBER_FN int send_byte(struct sock *s)
{
	char byte = 'x';
	struct iovec iov = { &byte, 1 };

	return sock_send(s, &iov, 1);
}

/* ---- fibers that send and receive a pattern ---- */

struct stream {
	struct sock *s;
	size_t len; /* to send, or that arrived */
	ssize_t end;
	struct fiber *fiber;
};

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static FIBER_FN void send_main(void *arg)
{
	struct stream *me = arg;
	uint8_t *data = sim_alloc(me->len);
	struct iovec iov[3];
	size_t i;

	for (i = 0; i < me->len; i++)
		data[i] = pattern(i);
	iov[0] = (struct iovec){ data, me->len / 3 };
	iov[1] = (struct iovec){ data, 0 };
	iov[2] = (struct iovec){ data + me->len / 3, me->len - me->len / 3 };
	me->end = sock_send(me->s, iov, ARRAY_SIZE(iov));
	free(data);
}

static FIBER_FN void recv_main(void *arg)
{
	struct stream *me = arg;
	uint8_t buf[3000];
	ssize_t got;
	ssize_t i;

	me->len = 0;
	while ((got = sock_recv(me->s, buf, sizeof(buf))) > 0) {
		CHECK((size_t)got <= sizeof(buf));
		for (i = 0; i < got; i++)
			CHECK(buf[i] == pattern(me->len + (size_t)i));
		me->len += (size_t)got;
	}
	me->end = got;
}

static void stream_start(struct stream *me, void (*fn)(void *arg), struct sock *s, size_t len)
{
	me->s = s;
	me->len = len;
	me->end = 1; /* it has not ended */
	CHECK_EQ(fiber_spawn(fiber_reactor(), "stream", fn, me, &me->fiber), 0);
}

/* ---- the same as on a real network ---- */

static FIBER_FN void transfer_both_ways(struct ends ends)
{
	struct stream out[2], in[2];

	stream_start(&out[0], send_main, ends.client, BIG);
	stream_start(&out[1], send_main, ends.server, BIG);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK(out[0].end == 1 && out[1].end == 1); /* nobody reads: they wait */
	stream_start(&in[0], recv_main, ends.server, 0);
	stream_start(&in[1], recv_main, ends.client, 0);
	fiber_join(out[0].fiber);
	fiber_join(out[1].fiber);
	CHECK(out[0].end == 0 && out[1].end == 0);
	/* Everything has been sent, and will arrive. */
	while (in[0].len < BIG || in[1].len < BIG)
		fiber_sleep_ns(NSEC_PER_SEC);
	sock_shutdown(ends.client);
	fiber_join(in[0].fiber);
	fiber_join(in[1].fiber);
	CHECK(in[0].len == BIG && in[0].end == 0);
	CHECK(in[1].len == BIG && in[1].end == -ESHUTDOWN);
	CHECK_EQ(send_byte(ends.client), -ESHUTDOWN);
	ends_close(ends);
}

static FIBER_FN int transfer(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	char text[SOCK_ADDR_TEXT_MAX];

	sock_addr_print(&ends.server->peer, text);
	CHECK(strncmp(text, CLIENT_ADDR ":", strlen(CLIENT_ADDR ":")) == 0);
	sock_addr_print(&ends.client->peer, text);
	CHECK(strcmp(text, SERVICE) == 0);
	transfer_both_ways(ends);
	transfer_both_ways(ends_at(w->client, w->server, "*:111", "[2001:db8::2]:111"));
	transfer_both_ways(ends_at(w->server, w->server, "*:111", "127.0.0.1:111"));
	transfer_both_ways(ends_at(w->server, w->server, "/run/x", "/run/x"));
	return 0;
}

static void test_transfer(void **state)
{
	struct world w;

	world_run(&w, sim_seed(1), NULL, transfer);
}

static FIBER_FN int closed_after_send(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct stream out, in;

	stream_start(&out, send_main, ends.client, 1000);
	fiber_join(out.fiber);
	sock_close(ends.client);
	stream_start(&in, recv_main, ends.server, 0);
	fiber_join(in.fiber);
	CHECK(in.len == 1000 && in.end == 0);
	/* He who still sends learns it in the end. */
	do
		stream_start(&out, send_main, ends.server, 1000);
	while (fiber_join(out.fiber), out.end == 0);
	CHECK_EQ(out.end, -ECONNRESET);
	sock_close(ends.server);
	return 0;
}

static FIBER_FN int shutdown_wakes(void *arg)
{
	struct ends ends = ends_new(arg);
	struct stream out, in;

	stream_start(&out, send_main, ends.client, BIG);
	stream_start(&in, recv_main, ends.client, 0);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK(out.end == 1 && in.end == 1);
	sock_shutdown(ends.client);
	sock_shutdown(ends.client);
	fiber_join(out.fiber);
	fiber_join(in.fiber);
	CHECK(out.end == -ESHUTDOWN && in.end == -ESHUTDOWN);
	ends_close(ends);
	return 0;
}

struct acceptor {
	struct listener *l;
	struct fiber *fiber;
	int result;
};

static FIBER_FN void accept_main(void *arg)
{
	struct acceptor *me = arg;
	struct sock *s;

	me->result = listener_accept(me->l, &s);
}

static FIBER_FN int listener_ends(void *arg)
{
	struct world *w = arg;
	struct acceptor a = { .l = listen_at(w->server, "*:2049") };
	struct sock_addr addr = address(SERVICE);
	struct stream in;
	struct sock *s;

	CHECK_EQ(try_listen(w->server, SERVICE), -EADDRINUSE);
	CHECK_EQ(try_listen(w->server, "192.0.2.1:2049"), -EADDRNOTAVAIL);
	CHECK_EQ(try_listen(w->server, "*:0"), 0);
	CHECK_EQ(try_connect(w->client, "[2001:db8::2]:1"), -ECONNREFUSED);
	CHECK_EQ(try_connect(w->client, "192.0.2.77:1"), -EHOSTUNREACH);
	CHECK_EQ(try_connect(w->client, "/run/x"), -ENOENT);
	CHECK_EQ(fiber_spawn(w->r, "acceptor", accept_main, &a, &a.fiber), 0);
	fiber_sleep_ns(NSEC_PER_SEC);
	listener_shutdown(a.l);
	fiber_join(a.fiber);
	CHECK_EQ(a.result, -ESHUTDOWN);
	CHECK_EQ(listener_accept(a.l, &s), -ESHUTDOWN);
	CHECK_EQ(try_connect(w->client, SERVICE), -ECONNREFUSED);
	listener_close(a.l);
	/* Who was waiting to be accepted is reset. */
	a.l = listen_at(w->server, "*:2049");
	CHECK_EQ(net_connect(w->client, &addr, &s), 0);
	listener_close(a.l);
	stream_start(&in, recv_main, s, 0);
	fiber_join(in.fiber);
	CHECK(in.len == 0 && in.end == -ECONNRESET);
	sock_close(s);
	listener_close(NULL);
	return 0;
}

static void test_ends(void **state)
{
	struct world w;
	uint64_t seed = sim_seed(2);
	uint64_t i;

	for (i = 0; i < 20; i++) {
		world_run(&w, seed + i, NULL, closed_after_send);
		world_run(&w, seed + i, NULL, shutdown_wakes);
		world_run(&w, seed + i, NULL, listener_ends);
	}
}

/* ---- partition ---- */

static FIBER_FN int short_cut(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct stream out, in;
	size_t before;

	stream_start(&out, send_main, ends.client, BIG);
	stream_start(&in, recv_main, ends.server, 0);
	fiber_sleep_ns(2000000);
	sim_net_cut(w->n, w->client, w->server, true);
	fiber_sleep_ns(NSEC_PER_SEC / 10); /* what has arrived is being read */
	before = in.len;
	CHECK(before < BIG);
	fiber_sleep_ns(50 * NSEC_PER_SEC);
	CHECK_EQ(in.len, before);
	CHECK_EQ(try_connect(w->client, SERVICE), -ETIMEDOUT);
	sock_shutdown(ends.client);
	sock_shutdown(ends.server);
	fiber_join(out.fiber);
	fiber_join(in.fiber);
	ends_close(ends);
	return 0;
}

/* It ends before anybody gives up. */
static FIBER_FN int healed_cut(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct stream out, in;

	sim_net_cut(w->n, w->server, w->client, true);
	stream_start(&out, send_main, ends.client, BIG);
	stream_start(&in, recv_main, ends.server, 0);
	fiber_sleep_ns(50 * NSEC_PER_SEC);
	CHECK(in.len == 0 && out.end == 1);
	sim_net_cut(w->n, w->client, w->server, false);
	fiber_join(out.fiber);
	CHECK_EQ(out.end, 0);
	sock_shutdown(ends.client);
	fiber_join(in.fiber);
	CHECK(in.len == BIG && in.end == 0);
	ends_close(ends);
	return 0;
}

/* Both give up, each by itself, idle or not. */
static FIBER_FN int long_cut(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct stream in[2];
	uint64_t began = reactor_now_ns(w->r);

	stream_start(&in[0], recv_main, ends.client, 0);
	stream_start(&in[1], recv_main, ends.server, 0);
	sim_net_cut(w->n, w->server, w->client, true);
	fiber_join(in[0].fiber);
	fiber_join(in[1].fiber);
	CHECK(reactor_now_ns(w->r) - began >= 60 * NSEC_PER_SEC);
	CHECK(in[0].end == -ETIMEDOUT && in[1].end == -ETIMEDOUT);
	CHECK_EQ(sim_net_stats(w->n).timeouts, 2);
	sim_net_cut(w->n, w->server, w->client, false);
	ends_close(ends);
	transfer_both_ways(ends_new(w));
	return 0;
}

/* It ends when one of them has given up: the other hears of it. */
static FIBER_FN int half_open(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct stream in[2];

	stream_start(&in[0], recv_main, ends.client, 0);
	stream_start(&in[1], recv_main, ends.server, 0);
	sim_net_cut(w->n, w->server, w->client, true);
	while (in[0].end == 1 && in[1].end == 1)
		fiber_sleep_ns(NSEC_PER_SEC / 10);
	sim_net_cut(w->n, w->server, w->client, false);
	fiber_join(in[0].fiber);
	fiber_join(in[1].fiber);
	CHECK(in[0].end == -ETIMEDOUT || in[1].end == -ETIMEDOUT);
	CHECK(in[0].end < 0 && in[1].end < 0);
	ends_close(ends);
	return 0;
}

static void test_partition(void **state)
{
	struct world w;
	uint64_t seed = sim_seed(3);
	uint64_t i;

	for (i = 0; i < 10; i++) {
		world_run(&w, seed + i, NULL, short_cut);
		world_run(&w, seed + i, NULL, healed_cut);
		world_run(&w, seed + i, NULL, long_cut);
		world_run(&w, seed + i, NULL, half_open);
	}
}

/* ---- resets ---- */

static FIBER_FN int reset_on_order(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct stream out, in;

	stream_start(&out, send_main, ends.client, 100 * BIG);
	stream_start(&in, recv_main, ends.server, 0);
	fiber_sleep_ns(20000000);
	CHECK(out.end == 1 && in.end == 1);
	sim_net_reset(w->n, w->client, w->server);
	fiber_join(in.fiber);
	CHECK_EQ(in.end, -ECONNRESET);
	fiber_join(out.fiber);
	/* Before it hears of the reset it sends into nothing. */
	CHECK(out.end == -ECONNRESET || out.end == 0);
	stream_start(&out, recv_main, ends.client, 0);
	fiber_join(out.fiber);
	CHECK_EQ(out.end, -ECONNRESET);
	CHECK_EQ(sim_net_stats(w->n).resets, 2);
	ends_close(ends);
	return 0;
}

/* Connections that break at random, and a client that tries again. */
static FIBER_FN int breaking(void *arg)
{
	struct world *w = arg;
	unsigned int i;

	for (i = 0; i < 30; i++) {
		struct listener *l = listen_at(w->server, SERVICE);
		struct sock_addr addr = address(SERVICE);
		struct ends ends = { NULL, NULL };
		struct stream out, in;
		int err = net_connect(w->client, &addr, &ends.client);

		CHECK(err == 0 || err == -ECONNREFUSED);
		w->bytes += err == -ECONNREFUSED;
		if (err) {
			listener_close(l);
			continue;
		}
		while ((err = listener_accept(l, &ends.server)) == -EMFILE)
			w->end++;
		CHECK_EQ(err, 0);
		listener_close(l);
		stream_start(&out, send_main, ends.client, BIG / 4);
		stream_start(&in, recv_main, ends.server, 0);
		fiber_join(out.fiber);
		CHECK(out.end == 0 || out.end == -ECONNRESET);
		sock_shutdown(ends.client);
		fiber_join(in.fiber);
		CHECK(in.end == -ECONNRESET || (in.end == 0 && in.len == BIG / 4));
		ends_close(ends);
	}
	return 0;
}

static void test_breaking(void **state)
{
	const struct sim_net_rates rates = { .break_ppm = 20000, .refuse_ppm = 100000, .accept_error_ppm = 100000 };
	uint64_t seed = sim_seed(4);
	struct world w;
	uint64_t refused = 0;
	uint64_t i;

	for (i = 0; i < 10; i++)
		world_run(&w, seed + i, NULL, reset_on_order);
	world_run(&w, seed, &rates, breaking);
	refused = w.bytes;
	assert_true(refused > 0 && refused < 15);
	assert_true(w.end > 0 && w.end < 30);
}

/* ---- crash ---- */

static FIBER_FN int crash_of_sender(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct listener *l = listen_at(w->server, SERVICE);
	struct acceptor a = { .l = l };
	struct stream out, in, idle;
	struct net *reborn;

	stream_start(&out, send_main, ends.server, 20 * BIG);
	stream_start(&idle, recv_main, ends.server, 0);
	stream_start(&in, recv_main, ends.client, 0);
	CHECK_EQ(fiber_spawn(w->r, "acceptor", accept_main, &a, &a.fiber), 0);
	fiber_sleep_ns(30000000);
	CHECK(out.end == 1);
	sim_net_host_crash(w->n, w->server);
	/* The dead host's own fibers end. */
	fiber_join(out.fiber);
	fiber_join(idle.fiber);
	fiber_join(a.fiber);
	CHECK(out.end == -ENETDOWN && idle.end == -ENETDOWN && a.result == -ENETDOWN);
	CHECK_EQ(try_listen(w->server, "*:1"), -ENETDOWN);
	CHECK_EQ(try_connect(w->server, SERVICE), -ENETDOWN);
	CHECK_EQ(try_connect(w->client, SERVICE), -ECONNREFUSED);
	/* Another life, while the old one still holds its sockets. */
	reborn = sim_net_host(w->n, SERVER_ADDR);
	CHECK(reborn != w->server);
	CHECK(reborn == sim_net_host(w->n, SERVER_ADDR));
	transfer_both_ways(ends_at(w->client, reborn, SERVICE, SERVICE));
	fiber_join(in.fiber);
	CHECK(in.end == 0 || in.end == -ECONNRESET);
	w->bytes = in.len;
	w->end = in.end;
	listener_close(l);
	ends_close(ends);
	return 0;
}

/* An answer that was sent, and nothing read of it yet: whether it arrives nobody knows. */
static FIBER_FN int crash_after_answer(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct stream out, in;

	stream_start(&out, send_main, ends.server, 4000);
	fiber_join(out.fiber);
	CHECK_EQ(out.end, 0);
	if (w->seed % 2)
		sim_net_host_crash(w->n, w->server);
	else
		sim_net_reset(w->n, w->client, w->server);
	stream_start(&in, recv_main, ends.client, 0);
	fiber_join(in.fiber);
	CHECK(in.end == -ECONNRESET || (in.end == 0 && in.len == 4000));
	w->bytes = in.len;
	ends_close(ends);
	return 0;
}

/* Requests to a server that dies: the client hears of it, idle or not. */
static FIBER_FN int crash_of_receiver(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct stream out, in;

	stream_start(&in, recv_main, ends.client, 0);
	sim_net_host_crash(w->n, w->server);
	fiber_join(in.fiber);
	CHECK(in.len == 0 && (in.end == 0 || in.end == -ECONNRESET));
	do
		stream_start(&out, send_main, ends.client, 100);
	while (fiber_join(out.fiber), out.end == 0);
	CHECK_EQ(out.end, -ECONNRESET);
	ends_close(ends);
	return 0;
}

/* Crash behind a cut: silence, until the cut ends. */
static FIBER_FN int crash_behind_cut(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct stream in;

	stream_start(&in, recv_main, ends.client, 0);
	sim_net_cut(w->n, w->client, w->server, true);
	sim_net_host_crash(w->n, w->server);
	fiber_sleep_ns(50 * NSEC_PER_SEC);
	CHECK_EQ(in.end, 1);
	sim_net_cut(w->n, w->client, sim_net_host(w->n, SERVER_ADDR), false);
	fiber_join(in.fiber);
	CHECK(in.end == 0 || in.end == -ECONNRESET);
	ends_close(ends);
	return 0;
}

static void test_crash(void **state)
{
	uint64_t seed = sim_seed(5);
	unsigned int ended = 0;
	unsigned int reset = 0;
	struct world w;
	uint64_t last = 0;
	unsigned int different = 0;
	uint64_t i;

	for (i = 0; i < 30; i++) {
		world_run(&w, seed + i, NULL, crash_of_sender);
		ended += w.end == 0;
		reset += w.end < 0;
		different += w.bytes != last;
		last = w.bytes;
		world_run(&w, seed + i, NULL, crash_of_receiver);
		world_run(&w, seed + i, NULL, crash_behind_cut);
	}
	assert_true(ended > 0 && reset > 0);
	assert_true(different > 20);
}

static void test_in_flight(void **state)
{
	uint64_t seed = sim_seed(8);
	unsigned int none = 0;
	unsigned int part = 0;
	unsigned int all = 0;
	struct world w;
	uint64_t i;

	for (i = 0; i < 400; i++) {
		world_run(&w, seed + i, NULL, crash_after_answer);
		none += w.bytes == 0;
		part += w.bytes > 0 && w.bytes < 4000;
		all += w.bytes == 4000;
	}
	assert_true(none > 0 && part > 0 && all > 0);
}

/* ---- one seed, one run ---- */

static FIBER_FN int a_bit_of_all(void *arg)
{
	struct world *w = arg;
	struct ends ends;

	breaking(w);
	sim_net_set_rates(w->n, NULL);
	ends = ends_new(w);
	sim_net_reset(w->n, w->client, w->server);
	ends_close(ends);
	half_open(w);
	crash_of_sender(w);
	return 0;
}

static void test_one_seed_one_run(void **state)
{
	const struct sim_net_rates rates = { .break_ppm = 10000, .refuse_ppm = 100000, .accept_error_ppm = 100000 };
	uint64_t seed = sim_seed(6);
	struct world w;
	uint64_t hash = world_run(&w, seed, &rates, a_bit_of_all);

	assert_int_equal(world_run(&w, seed, &rates, a_bit_of_all), hash);
	assert_int_not_equal(world_run(&w, seed + 1, &rates, a_bit_of_all), hash);
}

/* What nobody closed is freed with the network. */
static FIBER_FN int leave_all_open(void *arg)
{
	struct world *w = arg;
	struct ends ends = ends_new(w);
	struct sock_addr addr = address(SERVICE);
	struct acceptor a = { .l = listen_at(w->server, SERVICE) };
	struct sock *s;

	CHECK(ends.client);
	CHECK_EQ(net_connect(w->client, &addr, &s), 0);
	CHECK_EQ(send_byte(s), 0);
	CHECK(a.l);
	return 0;
}

static void test_leftovers_are_freed(void **state)
{
	struct world w;

	world_run(&w, sim_seed(7), NULL, leave_all_open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transfer),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_partition),
		cmocka_unit_test(test_breaking),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_one_seed_one_run),
		cmocka_unit_test(test_leftovers_are_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
