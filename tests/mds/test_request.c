/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers when the journal fails: a change that nobody can promise is not told as done, neither at once nor to a
 * client that repeats its request on another connection (I1, I6).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mds/config.h"
#include "mds/server.h"
#include "tests/lib/check.h"
#include "tests/lib/store.h"
#include "tests/sim/sim_net.h"
#include "tools/nfs_file.h"

#define SERVER "10.0.0.1"
#define CLIENT "10.0.0.2"

struct world {
	struct store store;
	struct sim_net *n;
	struct net *server_host, *client_host;
	struct config *config;
	struct mds *mds;
	struct nfs_client client;
	struct nfs_conn *conn;
	struct nfs_session *session;
	struct nfs_fh root;
};

static FIBER_FN void world_start(struct world *w)
{
	struct nfs_identity identity = nfs_identity_random(w->store.r);
	struct why why = { "" };
	struct sock_addr addr;

	store_format(&w->store);
	CHECK_EQ(store_mount(&w->store), 0);
	CHECK_EQ(server_start(w->store.r, w->store.fs, w->server_host, w->config, NULL, &w->mds, &why), 0);
	nfs_client_init(&w->client, w->store.r, &identity);
	CHECK_EQ(sock_addr_parse(SERVER ":2049", &addr), 0);
	CHECK_EQ(nfs_client_connect(&w->client, w->client_host, &addr, &w->conn), 0);
	CHECK_EQ(nfs_client_exchange_id(&w->client, w->conn), 0);
	CHECK_EQ(nfs_session_open(&w->client, w->conn, NULL, &w->session), 0);
	CHECK_EQ(nfs_file_walk(w->session, NULL, "/", &w->root), 0);
}

static FIBER_FN void world_stop(struct world *w)
{
	nfs_session_discard(w->session);
	nfs_conn_close(w->conn);
	nfs_client_release(&w->client);
	server_stop(w->mds);
	fs_abandon(w->store.fs);
	w->store.fs = NULL;
}

static FIBER_FN void fail_body(struct store *s, void *arg)
{
	const struct sim_fault fault = {
		.kind = SIM_FAULT_ERROR, .ops = SIM_OPS_WRITES, .nth = 1, .times = UINT64_MAX, .error = -EIO
	};
	struct world *w = arg;
	struct nfs_fh made;

	world_start(w);
	CHECK_EQ(nfs_file_mkdir(w->session, &w->root, "before", 0755, &made), 0);
	sim_disk_fault(s->disks[0], &fault);
	CHECK(nfs_file_mkdir(w->session, &w->root, "lost", 0755, &made) != 0);
	/* What is durable can be read for as long as the server runs. */
	CHECK_EQ(nfs_file_walk(w->session, NULL, "/before", &made), 0);
	world_stop(w);
}

static void test_journal_fails(void **state)
{
	const struct store_config cfg = { .seed = store_seed(1),
					  .disk_size = 256ull << 20,
					  .format.journal_size = 16 << 20,
					  .mount.cache_bytes = 32 << 20 };
	struct world *w = calloc(1, sizeof(*w));
	struct why_list *why = calloc(1, sizeof(*why));
	static const char text[] =
		"listen = [ \"" SERVER ":2049\" ];\n"
		"exports = ( { path = \"/\"; clients = ( { hosts = [ \"*\" ]; squash = \"none\"; } ); } );\n";

	assert_non_null(w);
	assert_non_null(why);
	assert_int_equal(config_load_text(text, sizeof(text) - 1, "test", NULL, &w->config, why), 0);
	store_init(&w->store, &cfg);
	w->n = sim_net_new(w->store.r, cfg.seed, NULL);
	w->server_host = sim_net_host(w->n, SERVER);
	w->client_host = sim_net_host(w->n, CLIENT);
	store_run(&w->store, fail_body, w);
	sim_net_free(w->n);
	store_release(&w->store);
	config_free(w->config);
	free(why);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
