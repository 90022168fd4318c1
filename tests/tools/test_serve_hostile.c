/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina serve` as a process among hostile peers on real sockets: its resident memory stays within the bounds of its
 * configuration, and afterwards it serves as before.  What each attack cost is printed.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/reactor.h"
#include "dev/sock.h"
#include "tests/lib/check.h"
#include "tests/lib/program.h"
#include "tools/nfs_file.h"

#define MIB	   (1u << 20)
#define CONNS	   400u
#define CACHE	   (16u * MIB)
#define REPLIES	   (8u * MIB)
#define BUFFERS	   (32u * MIB)
#define CONN_BYTES (64u << 10) /* two fibers with their stacks, and what the C library keeps */
#ifdef __SANITIZE_ADDRESS__
#define FIXED (1024u * MIB) /* the sanitizer has memory of its own, many times the program's */
#else
#define FIXED (16u * MIB) /* program, libraries, tables */
#endif

static char out[128];
static unsigned int port;
static pid_t pid;

/* Resident memory of the server, in bytes. */
static uint64_t resident(void)
{
	unsigned long pages = 0;
	char path[64];
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_int_equal(fscanf(in, "%*u %lu", &pages), 1);
	fclose(in);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int start(void **state)
{
	char conf[128];
	FILE *f;

	snprintf(conf, sizeof(conf), "%s/conf", program_dir());
	snprintf(out, sizeof(out), "%s/out", program_dir());
	port = program_port();
	f = fopen(conf, "w");
	assert_non_null(f);
	fprintf(f,
		"devices = [ \"%s/volume\" ]; listen = [ \"127.0.0.1:%u\" ]; control = \"%s/run/control\";\n"
		"exports = ( { path = \"/\"; clients = ( { hosts = [ \"127.0.0.0/8\" ]; squash = \"none\"; } ); } "
		");\n"
		"limits = { connections = %u; connections_per_address = %u; clients = 1000;\n"
		"  buffer_bytes = %u; reply_cache_bytes = %u; };\n"
		"store = { cache_bytes = %u; };\n",
		program_dir(), port, program_dir(), CONNS, CONNS, BUFFERS, REPLIES, CACHE);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(program_run("format --size 64M --name tray %s/volume", program_dir()), 0);
	pid = program_start(out, "serve -c %s", conf);
	assert_true(program_awaits(out, "control socket "));
	return 0;
}

static int stop(void **state)
{
	program_end(pid, SIGTERM);
	program_clean();
	return 0;
}

/* A connection whose sends and receives never wait; -1: refused. */
static int attack(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				    .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* As much of it as goes. */
static size_t pour(int fd, const void *bytes, size_t len)
{
	ssize_t sent = fd < 0 ? -1 : send(fd, bytes, len, MSG_NOSIGNAL);

	return sent > 0 ? (size_t)sent : 0;
}

static void close_all(int *fds, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void check_memory(const char *what, uint64_t before)
{
	uint64_t bound = (uint64_t)CACHE + REPLIES + BUFFERS + (uint64_t)CONNS * CONN_BYTES + FIXED;
	uint64_t now = resident();

	printf("%s: resident %.1f MiB before, %.1f MiB now, bound %.1f MiB\n", what, (double)before / MIB,
	       (double)now / MIB, (double)bound / MIB);
	assert_true(now <= bound);
}

/* A client that knows how to behave: it gets in, and what it does works. */
static FIBER_FN int good_client(void *arg)
{
	struct reactor *r = arg;
	struct nfs_identity identity = nfs_identity_random(r);
	struct nfs_session *session;
	struct nfs_client client;
	struct nfs_conn *conn;
	struct sock_addr addr;
	struct nfs_fh root, fh;
	struct net *net;
	char text[64];

	nfs_client_init(&client, r, &identity);
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	CHECK_EQ(sock_addr_parse(text, &addr), 0);
	CHECK_EQ(net_open(r, &net), 0);
	CHECK_EQ(nfs_client_connect(&client, net, &addr, &conn), 0);
	CHECK_EQ(nfs_client_exchange_id(&client, conn), 0);
	CHECK_EQ(nfs_session_open(&client, conn, NULL, &session), 0);
	CHECK_EQ(nfs_file_walk(session, NULL, "/", &root), 0);
	CHECK_EQ(nfs_file_mkdir(session, &root, "good", 0755, &fh), 0);
	CHECK_EQ(nfs_file_remove(session, &root, "good"), 0);
	CHECK_EQ(nfs_session_close(session), 0);
	CHECK_EQ(nfs_client_destroy(&client, conn), 0);
	nfs_conn_close(conn);
	nfs_client_release(&client);
	net_close(net);
	return 0;
}

static void check_serves(void)
{
	struct reactor *r;

	/* What was closed is noticed soon. */
	poll(NULL, 0, 300);
	assert_int_equal(reactor_open(NULL, &r), 0);
	assert_int_equal(reactor_run(r, good_client, r), 0);
	reactor_close(r);
}

/* On every connection a megabyte that never becomes a request. */
static void test_half_records(void **state)
{
	static uint8_t msg[MIB];
	const uint32_t head = htonl(0x80000000u | MIB);
	uint64_t before = resident();
	int fds[CONNS];

	memset(msg, 0x5a, sizeof(msg));
	memcpy(msg, &head, sizeof(head));
	for (unsigned int i = 0; i < CONNS; i++) {
		size_t done = 0, more;

		fds[i] = attack();
		for (unsigned int tries = 0; tries < 20 && done < sizeof(msg); tries++) {
			more = pour(fds[i], msg + done, sizeof(msg) - done);
			done += more;
			if (!more)
				poll(NULL, 0, 1);
		}
	}
	check_memory("half records", before);
	close_all(fds, CONNS);
	check_serves();
}

/* Calls of NULL without end, and nobody reads the answers. */
static void test_floods(void **state)
{
	static uint8_t msgs[1000][44];
	const uint32_t words[] = { 0x80000000u | 40, 1, 0, 2, NFS4_PROGRAM, NFS_V4, 0, 0, 0, 0, 0 };
	uint64_t before = resident();
	int fds[CONNS / 2];

	for (unsigned int i = 0; i < 1000; i++)
		for (unsigned int j = 0; j < 11; j++) {
			uint32_t word = htonl(words[j]);

			memcpy(msgs[i] + (size_t)4 * j, &word, 4);
		}
	for (unsigned int i = 0; i < CONNS / 2; i++)
		fds[i] = attack();
	for (unsigned int round = 0; round < 30; round++)
		for (unsigned int i = 0; i < CONNS / 2; i++)
			pour(fds[i], msgs, sizeof(msgs));
	check_memory("floods of NULL", before);
	/* Others are served meanwhile. */
	check_serves();
	close_all(fds, CONNS / 2);
}

static void test_garbage(void **state)
{
	static uint8_t noise[65536];
	uint64_t before = resident();
	uint32_t x = 1;

	for (unsigned int i = 0; i < 1000; i++) {
		int fd = attack();

		for (size_t j = 0; j < sizeof(noise); j++) {
			x = x * 1664525 + 1013904223;
			noise[j] = (uint8_t)(x >> 24);
		}
		/* Small heads let it in. */
		memcpy(noise, (uint8_t[]){ 0x80, 0, 0x10, 0 }, 4);
		pour(fd, noise, sizeof(noise));
		close_all(&fd, 1);
	}
	check_memory("garbage", before);
	check_serves();
}

static void test_connections(void **state)
{
	uint64_t before = resident();
	int fds[900];

	for (unsigned int i = 0; i < 900; i++)
		fds[i] = attack();
	check_memory("900 connections", before);
	close_all(fds, 900);
	check_serves();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_half_records, start, stop),
		cmocka_unit_test_setup_teardown(test_floods, start, stop),
		cmocka_unit_test_setup_teardown(test_garbage, start, stop),
		cmocka_unit_test_setup_teardown(test_connections, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
