/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: each test has a client, a directory and, with our own server, a world of its own; one that fails leaves
 * the others alone, and what it leaves behind is lost but harms nobody.
 */

#include "tests/lib/nfs_test.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "proto/wire_compound.h"
#include "tests/lib/nfs_test_start.h"
#include "tools/nfs_status.h"

uint64_t nfs_test_in_ms(const struct nfs_test *t, uint64_t ms)
{
	return reactor_now_ns(t->reactor) + ms * 1000000;
}

static void leave(struct nfs_test *t) __attribute__((noreturn));
static void leave(struct nfs_test *t)
{
	if (fiber_self() != t->fiber) {
		fprintf(stderr, "%s\n", t->why);
		abort();
	}
	/* The same stack: the fiber's first function has set it. */
	longjmp(t->env, 1);
}

static void mismatch(struct nfs_test *t, const char *file, int line, const char *fmt, ...) PRINTF_FMT(4, 5);
static void mismatch(struct nfs_test *t, const char *file, int line, const char *fmt, ...)
{
	const char *differs = t->differs;
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	t->differs = NULL;
	if (differs && t->is_external) {
		printf("%s:%d: %s, as known: %s\n", file, line, text, differs);
		return;
	}
	snprintf(t->why, sizeof(t->why), "%s:%d: %s", file, line, text);
	leave(t);
}

void nfs_test_differs(struct nfs_test *t, const char *because)
{
	t->differs = because;
}

void nfs_test_skip(struct nfs_test *t, const char *because)
{
	snprintf(t->why, sizeof(t->why), "%s", because);
	t->is_skipped = true;
	leave(t);
}

static void fits(struct nfs_test *t)
{
	t->differs = NULL;
}

void nfs_test_check_at(struct nfs_test *t, bool cond, const char *text, const char *file, int line)
{
	if (!cond)
		mismatch(t, file, line, "not true: %s", text);
	fits(t);
}

void nfs_test_eq_at(struct nfs_test *t, uint64_t a, uint64_t b, const char *text, const char *file, int line)
{
	if (a != b)
		mismatch(t, file, line, "not true: %s; %lld is not %lld", text, (long long)a, (long long)b);
	fits(t);
}

/* "NOENT", or an errno's text for what is negative. */
static const char *result_name(int result)
{
	return result < 0 ? strerror(-result) : nfs_status_name((uint32_t)result);
}

void nfs_test_is_at(struct nfs_test *t, int result, int want, const char *text, const char *file, int line)
{
	if (result != want)
		mismatch(t, file, line, "%s is %s (%d), not %s", text, result_name(result), result,
			 result_name(want));
	fits(t);
}

/* The operation that the compound stopped at. */
static const char *last_op(const struct nfs_compound *c)
{
	const char *name = c->nr_results ? wire_op_name(c->results[c->nr_results - 1].resop) : NULL;

	if (name)
		return name;
	return c->nr_results ? "ILLEGAL" : "SEQUENCE or before";
}

FIBER_FN void nfs_test_send_at(struct nfs_test *t, struct nfs_session *session, struct nfs_conn *conn,
			       struct nfs_compound *c, nfsstat4 want, const char *file, int line)
{
	int err = session ? nfs_session_send(session, c) : nfs_compound_send(c, conn);

	if (err)
		mismatch(t, file, line, "no answer: %s", strerror(-err));
	else if (c->status != want)
		mismatch(t, file, line, "%s is %s (%d), not %s", last_op(c), nfs_status_name(c->status),
			 (int)c->status, nfs_status_name(want));
	fits(t);
}

void nfs_test_op_at(struct nfs_test *t, const struct nfs_compound *c, uint32_t index, uint32_t want, const char *file,
		    int line)
{
	uint32_t status = nfs_compound_op_status(c, index);

	if (status != want)
		mismatch(t, file, line, "operation %u is %s, not %s", index,
			 status == NFS_COMPOUND_NOT_REACHED ? "not reached" : nfs_status_name(status),
			 nfs_status_name(want));
	fits(t);
}

struct nfs_identity nfs_test_identity(struct nfs_test *t)
{
	struct nfs_identity identity = nfs_identity_random(t->reactor);

	identity.minorversion = t->minorversion;
	return identity;
}

FIBER_FN struct nfs_conn *nfs_test_connect(struct nfs_test *t, struct nfs_test_client *tc)
{
	struct nfs_conn *conn = NULL;

	NFS_IS(t, nfs_client_connect(&tc->client, t->net, &t->addr, &conn), 0);
	return conn;
}

FIBER_FN struct nfs_test_client *nfs_test_client_bare(struct nfs_test *t, const struct nfs_identity *identity)
{
	struct nfs_identity random = nfs_test_identity(t);
	struct nfs_test_client *tc = calloc(1, sizeof(*tc));

	NFS_CHECK(t, tc && t->nr_clients < NFS_TEST_CLIENTS_MAX);
	nfs_client_init(&tc->client, t->reactor, identity ? identity : &random);
	t->clients[t->nr_clients++] = tc;
	tc->conn = nfs_test_connect(t, tc);
	return tc;
}

FIBER_FN struct nfs_test_client *nfs_test_client(struct nfs_test *t, const struct nfs_identity *identity)
{
	struct nfs_test_client *tc = nfs_test_client_bare(t, identity);

	NFS_IS(t, nfs_client_exchange_id(&tc->client, tc->conn), 0);
	NFS_IS(t, nfs_session_open(&tc->client, tc->conn, NULL, &tc->session), 0);
	return tc;
}

/* Its state too; what the server says to that is no matter here. */
static FIBER_FN void client_close(struct nfs_test_client *tc)
{
	tc->client.timeout_ns = 5000000000;
	if (tc->session && nfs_session_close(tc->session) == 0 && tc->conn)
		(void)!nfs_client_destroy(&tc->client, tc->conn);
	nfs_conn_close(tc->conn);
	nfs_client_release(&tc->client);
	free(tc);
}

static FIBER_FN void clients_close(struct nfs_test *t)
{
	while (t->nr_clients > 0)
		client_close(t->clients[--t->nr_clients]);
}

FIBER_FN void nfs_test_restart(struct nfs_test *t)
{
	if (t->is_external)
		nfs_test_skip(t, "it is not ours to restart");
	NFS_IS(t, nfs_test_kill(t), 0);
}

static FIBER_FN void dir_make(struct nfs_test *t, struct nfs_session *session)
{
	static unsigned int counter;
	struct nfs_fh base;

	snprintf(t->dir_name, sizeof(t->dir_name), "%.80s.%d.%u", t->test_case->name, (int)getpid(), counter++);
	NFS_IS(t, nfs_file_walk(session, NULL, t->path, &base), 0);
	NFS_IS(t, nfs_file_mkdir(session, &base, t->dir_name, 0777, &t->dir), 0);
	t->has_dir = true;
}

/* By a client of its own: what the test has done to its own is its own affair. */
static FIBER_FN void dir_remove(struct nfs_test *t)
{
	struct nfs_test_client *tc;
	struct nfs_fh base;
	int err;

	if (!t->has_dir || !t->is_external)
		return;
	tc = nfs_test_client(t, NULL);
	err = nfs_file_walk(tc->session, NULL, t->path, &base);
	if (!err)
		err = nfs_file_remove_tree(tc->session, &base, t->dir_name);
	if (err)
		printf("%s: %s stays behind: %s\n", t->test_case->name, t->dir_name, result_name(err));
	clients_close(t);
}

/* Returns whether it went through. */
static FIBER_FN bool protocol_body(struct nfs_test *t)
{
	if (setjmp(t->env))
		return false;
	if (!(t->test_case->flags & NFS_TEST_IS_BARE)) {
		t->client_of = nfs_test_client(t, NULL);
		t->client = &t->client_of->client;
		t->conn = t->client_of->conn;
		t->session = t->client_of->session;
		dir_make(t, t->session);
		nfs_session_begin(t->session, &t->c);
	}
	t->test_case->nfs_test_body(t);
	return true;
}

static FIBER_FN bool tidy_up(struct nfs_test *t)
{
	if (setjmp(t->env))
		return false;
	clients_close(t);
	dir_remove(t);
	return true;
}

/* 0; 1: it failed or was skipped, and nothing is as it should be. */
static FIBER_FN int test_fiber(void *arg)
{
	struct nfs_test *t = arg;
	int err = t->is_external ? 0 : nfs_test_serve(t);

	t->fiber = fiber_self();
	if (err) {
		snprintf(t->why, sizeof(t->why), "the server does not start: %s", strerror(-err));
		return 1;
	}
	nfs_compound_init(&t->c);
	if (!protocol_body(t) && !t->is_skipped) {
		for (unsigned int i = 0; i < t->nr_clients; i++)
			if (t->clients[i]->conn)
				nfs_conn_drop(t->clients[i]->conn);
		return 1;
	}
	nfs_compound_release(&t->c);
	if (!tidy_up(t))
		return 1;
	return t->is_external ? 0 : nfs_test_unserve(t);
}

static int world_open(struct nfs_test *t)
{
	const char *server = getenv("LAMINA_NFS_SERVER"), *path = getenv("LAMINA_NFS_PATH");
	const char *minor = getenv("LAMINA_NFS_MINOR");
	int err;

	t->minorversion = minor ? (uint32_t)strtoul(minor, NULL, 10) : 2;
	if (!server)
		return nfs_test_start(t);
	t->is_external = true;
	snprintf(t->path, sizeof(t->path), "%s", path ? path : "/");
	err = sock_addr_parse(server, &t->addr);
	if (!err)
		err = reactor_open(NULL, &t->reactor);
	if (err)
		return err;
	err = net_open(t->reactor, &t->net);
	if (err)
		reactor_close(t->reactor);
	return err;
}

static void world_close(struct nfs_test *t)
{
	if (!t->is_external) {
		nfs_test_stop(t);
		return;
	}
	net_close(t->net);
	reactor_close(t->reactor);
}

static void report_failure(const struct nfs_test *t)
{
	const char *differs = t->is_external ? t->test_case->differs : NULL;

	if (differs)
		printf("%s: %s\nas known: %s\n", t->test_case->name, t->why, differs);
	else
		print_error("%s (%s)\n%s\n", t->test_case->name, t->test_case->rfc, t->why);
	if (differs)
		skip();
	fail();
}

/* What these describe is not in minor version 1. */
static bool is_of_minor_2(const char *rfc)
{
	static const char *const rfcs[] = { "RFC 7862", "RFC 8275", "RFC 8276", "RFC 9754" };

	for (size_t i = 0; i < sizeof(rfcs) / sizeof(rfcs[0]); i++)
		if (strncmp(rfc, rfcs[i], strlen(rfcs[i])) == 0)
			return true;
	return false;
}

static void test_run(void **state)
{
	struct nfs_test *t = calloc(1, sizeof(*t));
	bool is_skipped;
	int err;

	assert_non_null(t);
	t->test_case = *state;
	err = world_open(t);
	if (err == -ENOSYS) {
		free(t);
		skip();
	}
	if (err)
		fail_msg("no world: %s", strerror(-err));
	if (t->minorversion == 1 && is_of_minor_2(t->test_case->rfc)) {
		world_close(t);
		free(t);
		skip();
	}
	/* What a failed test leaves behind has sockets and fibers in it: it stays. */
	if (reactor_run(t->reactor, test_fiber, t))
		report_failure(t);
	world_close(t);
	is_skipped = t->is_skipped;
	if (is_skipped)
		printf("%s: skipped: %s\n", t->test_case->name, t->why);
	free(t);
	if (is_skipped)
		skip();
}

int nfs_test_main(int argc, char **argv, const struct nfs_test_case *cases, size_t nr)
{
	const char *glob = argc == 3 && strcmp(argv[1], "--run") == 0 ? argv[2] : "*";
	bool lists = argc == 2 && strcmp(argv[1], "--list") == 0;
	struct CMUnitTest *tests = calloc(nr, sizeof(*tests));
	size_t chosen = 0;
	int ret = 0;

	if (!tests || (argc > 1 && !lists && argc != 3)) {
		fprintf(stderr, "usage: %s [--list | --run GLOB]\n", argv[0]);
		free(tests);
		return 2;
	}
	log_set_level(LOG_LEVEL_WARN);
	/* That is for checks that cannot get back to cmocka's stack; ours can. */
	unsetenv("CMOCKA_TEST_ABORT");
	for (size_t i = 0; i < nr; i++) {
		if (lists)
			printf("%-40s %s\n", cases[i].name, cases[i].rfc);
		if (fnmatch(glob, cases[i].name, 0) == 0)
			tests[chosen++] = (struct CMUnitTest){ cases[i].name, test_run, NULL, NULL,
							       (void *)(uintptr_t)&cases[i] };
	}
	if (!lists)
		ret = _cmocka_run_group_tests("nfs", tests, chosen, NULL, NULL);
	free(tests);
	return ret;
}
