/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_NFS_TEST_H
#define LAMINA_TESTS_LIB_NFS_TEST_H

/*
 * Protocol tests: the same test runs against our server, started in the test over simulated network and disks, or
 * against any server that the environment names:
 *
 *	LAMINA_NFS_SERVER=192.0.2.1:2049	address and port
 *	LAMINA_NFS_PATH=/export/dir		a directory that user 0 may write to, from the pseudo root
 *	LAMINA_NFS_MINOR=1			minor version of the tests that don't choose; 2 if not set
 *
 * With minor version 1 the tests of RFC 7862 and of what extends it are skipped.
 *
 * A test is a function; it gets a fresh client with a session, and a fresh directory:
 *
 *	static FIBER_FN void test_remove_missing(struct nfs_test *t)
 *	{
 *		nfs_session_begin(t->session, &t->c);
 *		nfs_op_putfh(&t->c, &t->dir);
 *		nfs_op_remove(&t->c, "nothing");
 *		NFS_SEND(t, &t->c, NFS4ERR_NOENT);
 *	}
 *
 *	static const struct nfs_test_case cases[] = { NFS_TEST(test_remove_missing, "RFC 8881, 18.25.3") };
 *	NFS_TEST_MAIN(cases)
 *
 * A check that fails ends that test only.  `test_x --list` prints the tests with their sections, `test_x --run GLOB`
 * runs those whose name fits.
 */

#include <setjmp.h>
#include <stdio.h>

#include "tools/nfs_file.h"

#define NFS_TEST_CLIENTS_MAX 32

/* A client of the test's with a session over one connection. */
struct nfs_test_client {
	struct nfs_client client;
	struct nfs_conn *conn;	     /* NULL: closed */
	struct nfs_session *session; /* NULL: none, or closed */
};

struct nfs_test {
	const struct nfs_test_case *test_case;
	/* The world: nfs_test_start() sets these for our own server. */
	bool is_external;
	struct reactor *reactor;
	struct net *net; /* the client's host */
	struct sock_addr addr;
	char path[512]; /* where directories are made */
	void *world;	/* of nfs_test_start() */

	/* For the test; NFS_TEST_BARE makes none of them but c. */
	struct nfs_test_client *client_of; /* the first client: */
	struct nfs_client *client;
	struct nfs_conn *conn;
	struct nfs_session *session; /* set it and client_of->session to NULL after closing it */
	struct nfs_fh dir;
	struct nfs_compound c;

	/* The harness'. */
	uint32_t minorversion;
	char dir_name[128];
	bool has_dir;
	unsigned int nr_clients;
	struct nfs_test_client *clients[NFS_TEST_CLIENTS_MAX];
	struct fiber *fiber;
	const char *differs;
	char why[512]; /* it failed; "": no */
	bool is_skipped;
	jmp_buf env;
};

enum {
	NFS_TEST_IS_BARE = 1, /* neither client nor directory */
};

struct nfs_test_case {
	const char *name;
	const char *rfc; /* "RFC 8881, 18.16.3" */
	FIBER_FN void (*nfs_test_body)(struct nfs_test *t);
	unsigned int flags;
	const char *differs; /* with an external server it may fail, and why that is right or no matter; NULL: no */
};

#define NFS_TEST(fn, section)                                                                                        \
	{                                                                                                            \
#fn, section, fn, 0, NULL                                                                            \
	}
#define NFS_TEST_BARE(fn, section)                                                                                   \
	{                                                                                                            \
#fn, section, fn, NFS_TEST_IS_BARE, NULL                                                             \
	}
#define NFS_TEST_DIFFERS(fn, section, because)                                                                       \
	{                                                                                                            \
#fn, section, fn, 0, because                                                                         \
	}

#define NFS_TEST_MAIN(cases)                                                                                         \
	int main(int argc, char **argv)                                                                              \
	{                                                                                                            \
		return nfs_test_main(argc, argv, cases, sizeof(cases) / sizeof((cases)[0]));                         \
	}
int nfs_test_main(int argc, char **argv, const struct nfs_test_case *cases, size_t nr);

/* Another client with a session; @identity NULL: a random one.  The harness closes it. */
FIBER_FN struct nfs_test_client *nfs_test_client(struct nfs_test *t, const struct nfs_identity *identity);
/* Another client that is only connected. */
FIBER_FN struct nfs_test_client *nfs_test_client_bare(struct nfs_test *t, const struct nfs_identity *identity);
/* Another connection of that client; the caller's to close. */
FIBER_FN struct nfs_conn *nfs_test_connect(struct nfs_test *t, struct nfs_test_client *tc);
/* An identity with the tests' minor version. */
struct nfs_identity nfs_test_identity(struct nfs_test *t);
uint64_t nfs_test_in_ms(const struct nfs_test *t, uint64_t ms);

/* Our own server is killed and started again; with an external one the test ends here as skipped. */
FIBER_FN void nfs_test_restart(struct nfs_test *t);

/* With an external server, the next check may find something else, which is reported and the test goes on. */
void nfs_test_differs(struct nfs_test *t, const char *because);
/* The test ends here as skipped. */
void nfs_test_skip(struct nfs_test *t, const char *because) __attribute__((noreturn));

/* Checks: the test's fiber only, not other fibers of the test. */
#define NFS_CHECK(t, cond)    nfs_test_check_at(t, cond, #cond, __FILE__, __LINE__)
#define NFS_CHECK_EQ(t, a, b) nfs_test_eq_at(t, (uint64_t)(a), (uint64_t)(b), #a " == " #b, __FILE__, __LINE__)
/* The result of a function that returns 0, a negative errno or an nfsstat4. */
#define NFS_IS(t, result, want) nfs_test_is_at(t, result, want, #result, __FILE__, __LINE__)
/* Send a compound through the test's session, or another, or without SEQUENCE; it must have that status. */
#define NFS_SEND(t, c, want)		    NFS_SEND_IN(t, (t)->session, c, want)
#define NFS_SEND_IN(t, in_session, c, want) nfs_test_send_at(t, in_session, NULL, c, want, __FILE__, __LINE__)
#define NFS_SEND_OVER(t, conn, c, want)	    nfs_test_send_at(t, NULL, conn, c, want, __FILE__, __LINE__)
/* The operation with this index has this status. */
#define NFS_OP_IS(t, c, index, want) nfs_test_op_at(t, c, index, want, __FILE__, __LINE__)

void nfs_test_check_at(struct nfs_test *t, bool cond, const char *text, const char *file, int line);
void nfs_test_eq_at(struct nfs_test *t, uint64_t a, uint64_t b, const char *text, const char *file, int line);
void nfs_test_is_at(struct nfs_test *t, int result, int want, const char *text, const char *file, int line);
FIBER_FN void nfs_test_send_at(struct nfs_test *t, struct nfs_session *session, struct nfs_conn *conn,
			       struct nfs_compound *c, nfsstat4 want, const char *file, int line);
void nfs_test_op_at(struct nfs_test *t, const struct nfs_compound *c, uint32_t index, uint32_t want, const char *file,
		    int line);

#endif
