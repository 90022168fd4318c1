/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina serve` as a process, with a client over TCP: it starts, tells, stops, is killed and goes on, and what
 * stands in its way is named.
 */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <json-c/json.h>

#include "dev/reactor.h"
#include "dev/sock.h"
#include "tests/lib/check.h"
#include "tests/lib/member.h"
#include "tests/lib/program.h"
#include "tools/nfs_file.h"

static char dir[64], conf[128], out[128], sock[128];
static unsigned int port;

static int in_reactor(int (*fn)(void *arg))
{
	struct reactor *r;
	int ret;

	assert_int_equal(reactor_open(NULL, &r), 0);
	ret = reactor_run(r, fn, r);
	reactor_close(r);
	return ret;
}

/* A volume, and a configuration for it with these settings more. */
static void prepare(const char *settings)
{
	FILE *f;

	snprintf(dir, sizeof(dir), "%s", program_dir());
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(sock, sizeof(sock), "%s/run/control", dir);
	port = program_port();
	f = fopen(conf, "w");
	assert_non_null(f);
	fprintf(f,
		"devices = [ \"%s/volume\" ]; listen = [ \"127.0.0.1:%u\" ]; control = \"%s\";\n"
		"exports = ( { path = \"/\"; clients = ( { hosts = [ \"127.0.0.0/8\" ]; squash = \"none\"; } ); } "
		");\n"
		"%s\n",
		dir, port, sock, settings);
	assert_int_equal(fclose(f), 0);
}

static void format(void)
{
	assert_int_equal(program_run("format --size 64M --name tray %s/volume", dir), 0);
}

static pid_t serve(const char *options)
{
	pid_t pid = program_start(out, "serve -c %s %s", conf, options);

	CHECK(program_awaits(out, "control socket "));
	return pid;
}

static struct json_object *answer(const char *command)
{
	struct json_object *o;

	CHECK_EQ(program_run("%s --json -s %s", command, sock), 0);
	o = json_tokener_parse(program_output);
	CHECK(o != NULL);
	return o;
}

static uint64_t now_of(struct json_object *o, const char *name)
{
	return json_object_get_uint64(member(member(o, name), "now"));
}

/* ---- with a client ---- */

struct visit {
	struct nfs_client client;
	struct net *net;
	struct nfs_conn *conn;
	struct nfs_session *session;
	struct nfs_fh root;
	struct nfs_file file;
};

static FIBER_FN void visit_begin(struct visit *v, struct reactor *r)
{
	struct nfs_identity identity = nfs_identity_random(r);
	struct sock_addr addr;
	char text[64];

	identity.has_impl = true;
	identity.impl_domain = "kernel.org";
	identity.impl_name = "Linux 6.12.9 #1 SMP x86_64";
	nfs_client_init(&v->client, r, &identity);
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	CHECK_EQ(sock_addr_parse(text, &addr), 0);
	CHECK_EQ(net_open(r, &v->net), 0);
	CHECK_EQ(nfs_client_connect(&v->client, v->net, &addr, &v->conn), 0);
	CHECK_EQ(nfs_client_exchange_id(&v->client, v->conn), 0);
	CHECK_EQ(nfs_session_open(&v->client, v->conn, NULL, &v->session), 0);
	CHECK_EQ(nfs_file_walk(v->session, NULL, "/", &v->root), 0);
	CHECK_EQ(nfs_file_create(v->session, &v->root, "note", &v->file), 0);
	CHECK_EQ(nfs_file_write(&v->file, 0, "remember", 8, FILE_SYNC4), 0);
}

static FIBER_FN void visit_end(struct visit *v)
{
	nfs_session_discard(v->session);
	nfs_conn_close(v->conn);
	nfs_client_release(&v->client);
	net_close(v->net);
}

/* The file can be read under the same open. */
static FIBER_FN void visit_read(struct visit *v)
{
	char text[16];
	size_t len = 0;
	bool eof = false;

	CHECK_EQ(nfs_file_read(&v->file, 0, text, sizeof(text), &len, &eof), 0);
	CHECK_EQ(len, 8);
	CHECK(memcmp(text, "remember", 8) == 0);
}

/* Sent away, which takes force while it has a file open; it learns of it with its next request. */
static FIBER_FN void evict(struct visit *v)
{
	CHECK_EQ(program_run("clients --evict 123456 -s %s", sock), 1);
	CHECK(program_said("there is no client with this id"));
	CHECK_EQ(program_run("clients --evict %" PRIx64 " -s %s", v->client.clientid, sock), 1);
	CHECK(program_said("--force"));
	visit_read(v);
	CHECK_EQ(program_run("clients --force --evict %" PRIx64 " -s %s", v->client.clientid, sock), 0);
	CHECK_EQ(program_run("clients -s %s", sock), 0);
	CHECK(program_said("no clients"));
	CHECK_EQ(nfs_session_ping(v->session), NFS4ERR_BADSESSION);
}

static FIBER_FN int visit_body(void *arg)
{
	struct visit *v = calloc(1, sizeof(*v));
	struct json_object *o, *client;
	pid_t pid;

	CHECK(v != NULL);
	pid = serve("");
	visit_begin(v, arg);
	o = answer("status");
	CHECK_EQ(now_of(o, "clients"), 1);
	CHECK_EQ(now_of(o, "sessions"), 1);
	CHECK_EQ(now_of(o, "opens"), 1);
	CHECK_EQ(now_of(o, "connections"), 1);
	CHECK_EQ(json_object_get_uint64(member(member(member(o, "operations"), "OPEN"), "count")), 1);
	json_object_put(o);
	o = answer("clients");
	client = json_object_array_get_idx(member(o, "clients"), 0);
	CHECK(strcmp(json_object_get_string(member(client, "kernel")), "6.12.9") == 0);
	CHECK(strncmp(json_object_get_string(member(client, "address")), "127.0.0.1", 9) == 0);
	CHECK_EQ(json_object_get_uint64(member(client, "opens")), 1);
	CHECK_EQ(json_object_array_length(member(client, "sessions")), 1);
	json_object_put(o);
	CHECK_EQ(program_run("status -s %s", sock), 0);
	CHECK(program_said("volume \"tray\""));
	CHECK_EQ(program_run("clients -s %s", sock), 0);
	CHECK(program_said("6.12.9"));

	/* Killed: the client notices a broken connection and nothing else. */
	CHECK_EQ(program_end(pid, SIGKILL), -SIGKILL);
	pid = serve("");
	CHECK(program_said("did not stop cleanly"));
	CHECK(program_said("taken over: 1 clients, 1 sessions, 1 opens, 0 locks"));
	visit_read(v);

	/* Stopped: the same, and nothing has to be replayed. */
	CHECK_EQ(program_end(pid, SIGTERM), 0);
	CHECK(program_awaits(out, "stopped, everything is on disk"));
	pid = serve("");
	CHECK(!strstr(program_output, "did not stop cleanly"));
	CHECK(program_said("taken over: 1 clients, 1 sessions, 1 opens, 0 locks"));
	visit_read(v);
	o = answer("clients");
	client = json_object_array_get_idx(member(o, "clients"), 0);
	CHECK(strncmp(json_object_get_string(member(client, "address")), "127.0.0.1", 9) == 0);
	CHECK_EQ(json_object_get_uint64(member(client, "minor_version")), 1);
	json_object_put(o);

	evict(v);
	visit_end(v);
	CHECK_EQ(program_end(pid, SIGINT), 0);
	free(v);
	return 0;
}

static void test_visit(void **state)
{
	prepare("");
	format();
	assert_int_equal(in_reactor(visit_body), 0);
	assert_int_equal(program_run("check %s/volume", dir), 0);
}

/* With its state discarded the client is known, and has nothing. */
static FIBER_FN int discard_body(void *arg)
{
	struct visit *v = calloc(1, sizeof(*v));
	struct json_object *o;
	pid_t pid;

	CHECK(v != NULL);
	pid = serve("");
	visit_begin(v, arg);
	visit_end(v);
	free(v);
	CHECK_EQ(program_end(pid, SIGKILL), -SIGKILL);
	pid = serve("--discard-state");
	CHECK(program_said("was discarded, as asked"));
	o = answer("status");
	CHECK_EQ(now_of(o, "sessions"), 0);
	CHECK_EQ(now_of(o, "opens"), 0);
	CHECK(json_object_get_boolean(member(member(o, "grace"), "active")));
	json_object_put(o);
	CHECK_EQ(program_end(pid, SIGTERM), 0);
	return 0;
}

static void test_discard(void **state)
{
	prepare("");
	format();
	assert_int_equal(in_reactor(discard_body), 0);
}

/* ---- without ---- */

static void test_signals(void **state)
{
	pid_t pid;

	prepare("");
	format();
	pid = serve("");
	assert_int_equal(kill(pid, SIGHUP), 0);
	assert_true(program_awaits(out, "SIGHUP: the configuration is read at the start only"));
	assert_int_equal(program_run("status -s %s", sock), 0);
	assert_int_equal(program_end(pid, SIGTERM), 0);
	assert_int_equal(program_run("status -s %s", sock), 1);
	/* Nobody listens, but the path is there, as after a kill. */
	pid = serve("");
	assert_int_equal(program_end(pid, SIGKILL), -SIGKILL);
	pid = serve("");
	assert_int_equal(program_run("status -s %s", sock), 0);
	assert_int_equal(program_end(pid, SIGTERM), 0);
}

/* How often the process has gone to sleep so far, which it does once for each time that something woke it. */
static uint64_t sleeps_of(pid_t pid)
{
	char path[64], line[256];
	unsigned long long nr = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	in = fopen(path, "r");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &nr) == 1)
			break;
	}
	fclose(in);
	return nr;
}

/* Nothing to do, nothing done: a server that polls would wake many times. */
static void test_idle(void **state)
{
	uint64_t before;
	pid_t pid;

	prepare("");
	format();
	pid = serve("");
	assert_int_equal(program_run("status -s %s", sock), 0);
	poll(NULL, 0, 500);
	before = sleeps_of(pid);
	assert_true(before > 0);
	poll(NULL, 0, 2000);
	assert_in_range(sleeps_of(pid) - before, 0, 4);
	assert_int_equal(program_end(pid, SIGTERM), 0);
}

/* What systemd hears. */
static void test_notify(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PROGRAM_PATIENCE_MS / 1000 };
	char text[1024] = "";
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	prepare("");
	format();
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", addr.sun_path, 1), 0);
	assert_int_equal(setenv("WATCHDOG_USEC", "100000", 1), 0);
	pid = serve("");
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	assert_int_equal(unsetenv("WATCHDOG_USEC"), 0);
	assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "READY=1");
	for (unsigned int watchdogs = 0, states = 0; watchdogs < 3 || states < 1;) {
		ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

		assert_true(n > 0);
		text[n] = '\0';
		watchdogs += strcmp(text, "WATCHDOG=1") == 0;
		states += strcmp(text, "STATUS=Serving 0 clients, 0 opens") == 0;
	}
	assert_int_equal(program_end(pid, SIGTERM), 0);
	do {
		ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

		assert_true(n > 0);
		text[n] = '\0';
	} while (strncmp(text, "STOPPING=1", 10) != 0);
	close(fd);
}

/* What stands in the way is named, and nothing is left behind. */
static void test_in_the_way(void **state)
{
	pid_t pid;

	prepare("");
	assert_int_equal(program_run("serve -c %s", conf), 1);
	assert_true(program_said("/volume"));
	format();
	pid = serve("");
	assert_int_equal(program_run("serve -c %s", conf), 1);
	assert_true(program_said("/volume is in use"));
	assert_int_equal(program_run("check %s/volume", dir), 8);

	/* The same port and the same control socket, but another volume. */
	assert_int_equal(program_run("format --size 64M %s/other", dir), 0);
	assert_int_equal(program_run("serve -c %s %s/other", conf, dir), 1);
	assert_true(program_said("127.0.0.1:"));
	assert_true(program_said("Address already in use"));
	assert_int_equal(program_run("status -s %s", sock), 0);
	assert_int_equal(program_end(pid, SIGTERM), 0);
	assert_int_equal(program_run("check %s/other", dir), 0);

	prepare("control_typo = 1;");
	assert_int_equal(program_run("serve -c %s", conf), 1);
	assert_true(program_said("control_typo: there is no such setting"));
	assert_int_equal(program_run("serve --json -c %s", conf), 2);
}

static int clean(void **state)
{
	program_clean();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_visit, clean),	cmocka_unit_test_teardown(test_discard, clean),
		cmocka_unit_test_teardown(test_signals, clean), cmocka_unit_test_teardown(test_idle, clean),
		cmocka_unit_test_teardown(test_notify, clean),	cmocka_unit_test_teardown(test_in_the_way, clean),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
