/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's sockets through the seam, with each back end: TCP over IPv4 and IPv6, and local sockets. */
#include "dev/sock.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/lib/check.h"

#define MILLISECOND UINT64_C(1000000)
#define BIG	    ((size_t)24 << 20)

struct env {
	struct reactor *r;
	struct net *net;
	char dir[32];
	char path[64];
};

static int setup(void **state, enum reactor_backend backend)
{
	const struct reactor_options opt = { .backend = backend, .max_fibers = 8192 };
	struct env *e = calloc(1, sizeof(*e));

	assert_int_equal(reactor_open(&opt, &e->r), 0);
	assert_int_equal(net_open(e->r, &e->net), 0);
	snprintf(e->dir, sizeof(e->dir), P_tmpdir "/lamina-sock-XXXXXX");
	assert_non_null(mkdtemp(e->dir));
	snprintf(e->path, sizeof(e->path), "%s/s", e->dir);
	*state = e;
	return 0;
}

static int setup_uring(void **state)
{
	return setup(state, REACTOR_URING);
}

static int setup_libaio(void **state)
{
	return setup(state, REACTOR_LIBAIO);
}

static int teardown(void **state)
{
	struct env *e = *state;

	net_close(e->net);
	reactor_close(e->r);
	assert_int_equal(rmdir(e->dir), 0); /* no path is left */
	free(e);
	return 0;
}

static struct sock_addr address(const char *text)
{
	struct sock_addr addr = { .len = 0 };

	CHECK_EQ(sock_addr_parse(text, &addr), 0);
	return addr;
}

static struct listener *listen_at(struct env *e, const char *text)
{
	struct sock_addr addr = address(text);
	struct listener *l = NULL;

	CHECK_EQ(net_listen(e->net, &addr, &l), 0);
	return l;
}

/* Both ends of a new connection. */
struct ends {
	struct sock *client, *server;
};

static FIBER_FN struct ends connect_to(struct env *e, struct listener *l)
{
	struct ends ends = { NULL, NULL };

	CHECK_EQ(net_connect(e->net, &l->addr, &ends.client), 0);
	CHECK_EQ(listener_accept(l, &ends.server), 0);
	return ends;
}

static void ends_close(struct ends ends)
{
	sock_close(ends.client);
	sock_close(ends.server);
}

static FIBER_FN struct ends ends_new(struct env *e)
{
	struct listener *l = listen_at(e, "127.0.0.1:0");
	struct ends ends = connect_to(e, l);

	listener_close(l);
	return ends;
}

static FIBER_FN void recv_all(struct sock *s, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t ret = sock_recv(s, (char *)buf + done, len - done);

		CHECK(ret > 0);
		done += (size_t)ret;
	}
}

static FIBER_FN int send_all(struct sock *s, const void *buf, size_t len)
{
	const struct iovec iov = { (void *)(uintptr_t)buf, len };

	return sock_send(s, &iov, 1);
}

/* ---- echo ---- */

/* Until the peer has ended its side. */
static FIBER_FN void echo_main(void *arg)
{
	struct sock *s = arg;
	char buf[4096];
	ssize_t ret;

	while ((ret = sock_recv(s, buf, sizeof(buf))) > 0)
		CHECK_EQ(send_all(s, buf, (size_t)ret), 0);
	CHECK_EQ(ret, 0);
	sock_close(s);
}

static FIBER_FN void echo_over(struct env *e, const char *text)
{
	struct listener *l = listen_at(e, text);
	struct ends ends = connect_to(e, l);
	struct fiber *f;
	char buf[100];
	unsigned int i;

	CHECK_EQ(fiber_spawn(e->r, "echo", echo_main, ends.server, &f), 0);
	for (i = 0; i < 100; i++) {
		memset(buf, 'x', sizeof(buf));
		CHECK_EQ(send_all(ends.client, "hello", 5), 0);
		recv_all(ends.client, buf, 5);
		CHECK(memcmp(buf, "hello", 5) == 0);
	}
	CHECK_EQ(ends.client->peer.len, l->addr.len);
	CHECK(memcmp(&ends.client->peer.ss, &l->addr.ss, l->addr.len) == 0);
	sock_close(ends.client);
	fiber_join(f);
	listener_close(l);
}

static FIBER_FN int echo_ipv4(void *arg)
{
	echo_over(arg, "127.0.0.1:0");
	return 0;
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&in6, sizeof(in6)) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static FIBER_FN int echo_ipv6(void *arg)
{
	echo_over(arg, "[::1]:0");
	return 0;
}

static FIBER_FN int echo_local(void *arg)
{
	struct env *e = arg;
	struct stat st;

	echo_over(e, e->path);
	CHECK(lstat(e->path, &st) < 0);
	return 0;
}

/* Who listens on all addresses is found under an IPv4 one, and sees its peer as such. */
static FIBER_FN int listen_everywhere(void *arg)
{
	struct env *e = arg;
	struct listener *l = listen_at(e, "*:0");
	struct sock_addr addr = address("127.0.0.1:0");
	struct sockaddr_in in;
	struct ends ends;
	char text[SOCK_ADDR_TEXT_MAX];

	memcpy(&in, &addr.ss, sizeof(in));
	/* The port is at the same place in IPv4 and IPv6. */
	in.sin_port = ((const struct sockaddr_in *)&l->addr.ss)->sin_port;
	CHECK(in.sin_port != 0);
	memcpy(&addr.ss, &in, sizeof(in));
	CHECK_EQ(net_connect(e->net, &addr, &ends.client), 0);
	CHECK_EQ(listener_accept(l, &ends.server), 0);
	sock_addr_print(&ends.server->peer, text);
	CHECK(strncmp(text, "127.0.0.1:", 10) == 0);
	sock_addr_print(&ends.server->local, text);
	CHECK(strncmp(text, "127.0.0.1:", 10) == 0);
	ends_close(ends);
	listener_close(l);
	return 0;
}

static void test_echo(void **state)
{
	struct env *e = *state;

	assert_int_equal(reactor_run(e->r, echo_ipv4, e), 0);
	assert_int_equal(reactor_run(e->r, echo_local, e), 0);
	assert_int_equal(reactor_run(e->r, listen_everywhere, e), 0);
	if (has_ipv6())
		assert_int_equal(reactor_run(e->r, echo_ipv6, e), 0);
	else
		print_message("no IPv6 here\n");
}

/* ---- big transfers ---- */

/* Sends BIG bytes in pieces of all sizes, empty ones and more than one call of the kernel takes among them. */
static FIBER_FN void big_send_main(void *arg)
{
	struct sock *s = arg;
	unsigned char *data = malloc(BIG);
	struct iovec *iov = calloc(2000, sizeof(*iov));
	unsigned int nr = 0;
	size_t off = 0;
	size_t i;

	CHECK(data && iov);
	for (i = 0; i < BIG; i++)
		data[i] = (unsigned char)(i * 31 + (i >> 8));
	for (; nr < 1999; nr++) {
		size_t len = nr % 7 == 0 ? 0 : nr * 5;

		iov[nr] = (struct iovec){ data + off, len };
		off += len;
	}
	iov[nr++] = (struct iovec){ data + off, BIG - off };
	CHECK_EQ(sock_send(s, iov, nr), 0);
	free(iov);
	free(data);
}

static FIBER_FN int big_transfer(void *arg)
{
	struct env *e = arg;
	struct ends ends = ends_new(e);
	unsigned char *buf = malloc(BIG);
	struct fiber *f[2];
	size_t i;

	CHECK(buf);
	/* Both ways at the same time. */
	CHECK_EQ(fiber_spawn(e->r, "sender", big_send_main, ends.client, &f[0]), 0);
	CHECK_EQ(fiber_spawn(e->r, "sender", big_send_main, ends.server, &f[1]), 0);
	fiber_sleep_ns(20 * MILLISECOND); /* now the buffers are full, and the senders wait */
	recv_all(ends.server, buf, BIG);
	for (i = 0; i < BIG; i++)
		CHECK(buf[i] == (unsigned char)(i * 31 + (i >> 8)));
	memset(buf, 0, BIG);
	recv_all(ends.client, buf, BIG);
	for (i = 0; i < BIG; i++)
		CHECK(buf[i] == (unsigned char)(i * 31 + (i >> 8)));
	fiber_join(f[0]);
	fiber_join(f[1]);
	CHECK_EQ(sock_send(ends.client, NULL, 0), 0);
	free(buf);
	ends_close(ends);
	return 0;
}

static void test_big_transfer(void **state)
{
	struct env *e = *state;

	assert_int_equal(reactor_run(e->r, big_transfer, e), 0);
}

/* ---- fairness ---- */

static FIBER_FN void count_main(void *arg)
{
	unsigned int *turns = arg;

	for (*turns = 0; *turns < 1000000; ++*turns)
		fiber_yield();
}

/* A connection that always has something doesn't keep the others out. */
static FIBER_FN int always_ready(void *arg)
{
	struct env *e = arg;
	struct ends ends = ends_new(e);
	static unsigned int turns;
	char data[1000] = { 0 };
	unsigned int before, i;

	CHECK_EQ(send_all(ends.client, data, sizeof(data)), 0);
	CHECK_EQ(fiber_spawn(e->r, "counter", count_main, &turns, NULL), 0);
	fiber_sleep_ns(MILLISECOND);
	before = turns;
	for (i = 0; i < sizeof(data); i++)
		CHECK_EQ(sock_recv(ends.server, data, 1), 1);
	CHECK(turns - before >= 10);
	turns = 1000000;
	fiber_yield();
	ends_close(ends);
	return 0;
}

static void test_fairness(void **state)
{
	struct env *e = *state;

	assert_int_equal(reactor_run(e->r, always_ready, e), 0);
}

/* ---- ends ---- */

struct receiver {
	struct sock *s;
	ssize_t result;
};

static FIBER_FN void receiver_main(void *arg)
{
	struct receiver *me = arg;
	char byte;

	me->result = sock_recv(me->s, &byte, 1);
}

static FIBER_FN void sender_main(void *arg)
{
	struct receiver *me = arg;
	char *data = calloc(1, BIG);

	CHECK(data);
	me->result = send_all(me->s, data, BIG);
	free(data);
}

static FIBER_FN int shutdown_wakes(void *arg)
{
	struct env *e = arg;
	struct ends ends = ends_new(e);
	struct receiver in = { .s = ends.client };
	struct receiver out = { .s = ends.client };
	struct fiber *f[2];
	char *buf = malloc(BIG);
	ssize_t ret;

	CHECK(buf);
	CHECK_EQ(fiber_spawn(e->r, "receiver", receiver_main, &in, &f[0]), 0);
	CHECK_EQ(fiber_spawn(e->r, "sender", sender_main, &out, &f[1]), 0);
	fiber_sleep_ns(20 * MILLISECOND);
	sock_shutdown(ends.client);
	sock_shutdown(ends.client);
	fiber_join(f[0]);
	fiber_join(f[1]);
	CHECK_EQ(in.result, -ESHUTDOWN);
	CHECK_EQ(out.result, -ESHUTDOWN);
	CHECK_EQ(sock_recv(ends.client, buf, 1), -ESHUTDOWN);
	CHECK_EQ(send_all(ends.client, "x", 1), -ESHUTDOWN);
	/* The peer gets what was sent, and then the end. */
	while ((ret = sock_recv(ends.server, buf, BIG)) > 0)
		;
	CHECK_EQ(ret, 0);
	/* Who sends to somebody that is gone learns it, soon, by an error and not by a signal. */
	while ((ret = send_all(ends.server, "x", 1)) == 0)
		fiber_sleep_ns(MILLISECOND);
	CHECK(ret == -EPIPE || ret == -ECONNRESET);
	free(buf);
	ends_close(ends);
	sock_close(NULL);
	return 0;
}

static void test_shutdown_wakes(void **state)
{
	struct env *e = *state;

	assert_int_equal(reactor_run(e->r, shutdown_wakes, e), 0);
}

struct acceptor {
	struct listener *l;
	int result;
	struct fiber **echo; /* one for each connection */
};

static FIBER_FN void acceptor_main(void *arg)
{
	struct acceptor *me = arg;
	struct sock *s;

	me->result = listener_accept(me->l, &s);
}

static FIBER_FN void shutdown_listener(struct env *e, const char *text)
{
	struct acceptor a = { .l = listen_at(e, text) };
	struct sock *s;
	struct fiber *f;

	CHECK_EQ(fiber_spawn(e->r, "acceptor", acceptor_main, &a, &f), 0);
	fiber_sleep_ns(MILLISECOND);
	listener_shutdown(a.l);
	listener_shutdown(a.l);
	fiber_join(f);
	CHECK_EQ(a.result, -ESHUTDOWN);
	CHECK_EQ(listener_accept(a.l, &s), -ESHUTDOWN);
	CHECK_EQ(net_connect(e->net, &a.l->addr, &s), -ECONNREFUSED);
	listener_close(a.l);
}

static FIBER_FN int listener_ends(void *arg)
{
	struct env *e = arg;

	shutdown_listener(e, "127.0.0.1:0");
	shutdown_listener(e, "*:0");
	shutdown_listener(e, e->path);
	listener_close(NULL);
	return 0;
}

static void test_listener_shutdown(void **state)
{
	struct env *e = *state;

	assert_int_equal(reactor_run(e->r, listener_ends, e), 0);
}

static FIBER_FN int refused(void *arg)
{
	struct env *e = arg;
	struct listener *l = listen_at(e, "127.0.0.1:0");
	struct sock_addr addr = l->addr;
	struct listener *second;
	struct sock *s;

	CHECK_EQ(net_listen(e->net, &addr, &second), -EADDRINUSE);
	listener_close(l);
	CHECK_EQ(net_connect(e->net, &addr, &s), -ECONNREFUSED);
	addr = address(e->path);
	CHECK_EQ(net_connect(e->net, &addr, &s), -ENOENT);
	/* An address for documentation: nobody's. */
	addr = address("192.0.2.1:0");
	CHECK_EQ(net_listen(e->net, &addr, &second), -EADDRNOTAVAIL);
	return 0;
}

static void test_refused(void **state)
{
	struct env *e = *state;

	assert_int_equal(reactor_run(e->r, refused, e), 0);
}

/* ---- local sockets' paths ---- */

static FIBER_FN int local_paths(void *arg)
{
	struct env *e = arg;
	struct sock_addr addr = address(e->path);
	struct listener *l = listen_at(e, e->path);
	struct listener *second;
	struct stat st;
	int fd;

	CHECK_EQ(lstat(e->path, &st), 0);
	CHECK_EQ(st.st_mode, S_IFSOCK | S_IRUSR | S_IWUSR);
	CHECK_EQ(net_listen(e->net, &addr, &second), -EADDRINUSE);
	/* Taken away, and another in its place: that one stays. */
	CHECK_EQ(unlink(e->path), 0);
	second = listen_at(e, e->path);
	listener_close(l);
	CHECK_EQ(lstat(e->path, &st), 0);
	listener_close(second);
	CHECK(lstat(e->path, &st) < 0);
	/* What a killed server leaves. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(fd, (const struct sockaddr *)&addr.ss, addr.len), 0);
	close(fd);
	listener_close(listen_at(e, e->path));
	/* Other files are not replaced. */
	fd = open(e->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(net_listen(e->net, &addr, &second), -EADDRINUSE);
	CHECK_EQ(unlink(e->path), 0);
	return 0;
}

static void test_local_paths(void **state)
{
	struct env *e = *state;

	assert_int_equal(reactor_run(e->r, local_paths, e), 0);
}

/* ---- many ---- */

#define MANY 1000

static FIBER_FN void serve_main(void *arg)
{
	struct acceptor *me = arg;
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		struct sock *s;

		CHECK_EQ(listener_accept(me->l, &s), 0);
		CHECK_EQ(fiber_spawn(fiber_reactor(), "echo", echo_main, s, &me->echo[i]), 0);
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static FIBER_FN int many_connections(void *arg)
{
	struct env *e = arg;
	struct acceptor a = { .l = listen_at(e, "127.0.0.1:0"), .echo = calloc(MANY, sizeof(struct fiber *)) };
	struct sock **s = calloc(MANY, sizeof(*s));
	struct fiber *server;
	uint64_t before;
	unsigned int i;

	CHECK(s && a.echo);
	CHECK_EQ(fiber_spawn(e->r, "server", serve_main, &a, &server), 0);
	for (i = 0; i < MANY; i++)
		CHECK_EQ(net_connect(e->net, &a.l->addr, &s[i]), 0);
	fiber_join(server);
	/* They wait, and that costs nothing. */
	before = cpu_ns();
	fiber_sleep_ns(200 * MILLISECOND);
	CHECK(cpu_ns() - before < 100 * MILLISECOND);
	for (i = 0; i < MANY; i++)
		CHECK_EQ(send_all(s[i], &i, sizeof(i)), 0);
	for (i = 0; i < MANY; i++) {
		unsigned int echo;

		recv_all(s[i], &echo, sizeof(echo));
		CHECK_EQ(echo, i);
		sock_close(s[i]);
	}
	for (i = 0; i < MANY; i++)
		fiber_join(a.echo[i]);
	free(a.echo);
	free(s);
	listener_close(a.l);
	return 0;
}

static void test_many_connections(void **state)
{
	struct env *e = *state;
	struct rlimit files;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_max < 3 * MANY) {
		print_message("not enough open files allowed\n");
		return;
	}
	files.rlim_cur = 3 * MANY;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(reactor_run(e->r, many_connections, e), 0);
}

/* ---- addresses in text ---- */

static void test_addresses(void **state)
{
	static const char *const good[] = {
		"192.0.2.1:2049", "0.0.0.0:0", "[2001:db8::1]:2049", "[::1]:65535", "[fe80::1%3]:1",
		"*:2049",	  "/",	       "/run/lamina.sock",
	};
	static const char *const bad[] = {
		"",
		":",
		"*",
		"*:",
		"*:-1",
		"*:+1",
		"*: 1",
		"*:1 ",
		"*:65536",
		"*:99999999999999999999999",
		"*:0x10",
		"**:1",
		":2049",
		"1.2.3:1",
		"1.2.3.4",
		"1.2.3.4.5:1",
		"1.2.3.256:1",
		" 1.2.3.4:1",
		"::1:2049",
		"[::1]",
		"[::1]2049",
		"[::1:2049",
		"::1]:2049",
		"[]:1",
		"[:1",
		"]:1",
		"[1.2.3.4]:1",
		"[::1%]:1",
		"[::1%eth0]:1",
		"[::1%99999999999]:1",
		"localhost:2049",
		"relative/path",
	};
	struct sock_addr addr = { .len = 77 };
	char text[SOCK_ADDR_TEXT_MAX];
	char path[300];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(sock_addr_parse(good[i], &addr), 0);
		sock_addr_print(&addr, text);
		assert_string_equal(text, good[i]);
	}
	addr.len = 77;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(sock_addr_parse(bad[i], &addr), -EINVAL);
		assert_int_equal(addr.len, 77);
	}
	/* A path has room for 107 characters. */
	memset(path, '/', sizeof(path));
	for (i = 100; i < sizeof(path); i++) {
		path[i] = '\0';
		assert_int_equal(sock_addr_parse(path, &addr), i <= 107 ? 0 : -EINVAL);
		if (i == 107) {
			sock_addr_print(&addr, text);
			assert_string_equal(text, path);
		}
		path[i] = '/';
	}
	addr = (struct sock_addr){ .len = 0 };
	sock_addr_print(&addr, text);
	assert_string_equal(text, "unknown");
	addr = (struct sock_addr){ .ss.ss_family = AF_UNIX, .len = sizeof(sa_family_t) };
	sock_addr_print(&addr, text);
	assert_string_equal(text, "local");
}

#define BOTH(test)                                                                                                   \
	{ #test " (io_uring)", test, setup_uring, teardown, NULL },                                                  \
	{                                                                                                            \
#test " (libaio)", test, setup_libaio, teardown, NULL                                                \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_echo),	   BOTH(test_big_transfer),	 BOTH(test_fairness),
		BOTH(test_shutdown_wakes), BOTH(test_listener_shutdown), BOTH(test_refused),
		BOTH(test_local_paths),	   BOTH(test_many_connections),	 cmocka_unit_test(test_addresses),
	};

	unsetenv("LAMINA_IO");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
