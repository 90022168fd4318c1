/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: each test has a world of its own, which is a function of the seed. */

#include "tests/lib/fake_world.h"

#include <stdlib.h>

#include "dev/reactor.h"
#include "tests/lib/check.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_reactor.h"

struct run {
	struct fake_world *world;
	FIBER_FN void (*world_test)(struct fake_world *w);
	bool has_session;
};

uint64_t fake_world_in_ms(const struct fake_world *w, uint64_t ms)
{
	return reactor_now_ns(w->reactor) + ms * 1000000;
}

static FIBER_FN int run_fiber(void *arg)
{
	struct run *run = arg;
	struct fake_world *w = run->world;
	struct nfs_identity identity = nfs_identity_random(w->reactor);
	struct sock_addr addr;

	CHECK_EQ(sock_addr_parse("192.0.2.2:2049", &addr), 0);
	fake_nfs_start(&w->server, w->server_net, &addr);
	nfs_client_init(&w->client, w->reactor, &identity);
	nfs_compound_init(&w->c);
	CHECK_EQ(nfs_client_connect(&w->client, w->client_net, &addr, &w->conn), 0);
	if (run->has_session) {
		CHECK_EQ(nfs_client_exchange_id(&w->client, w->conn), 0);
		CHECK_EQ(nfs_session_open(&w->client, w->conn, NULL, &w->session), 0);
	}
	run->world_test(w);
	nfs_compound_release(&w->c);
	nfs_session_discard(w->session);
	nfs_conn_close(w->conn);
	nfs_client_release(&w->client);
	fake_nfs_stop(&w->server);
	return 0;
}

void fake_world_run(void (*test)(struct fake_world *w), bool has_session)
{
	const char *seed_text = getenv("LAMINA_SEED");
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 0) : 1;
	struct fake_world *w = calloc(1, sizeof(*w));
	struct run run = { w, test, has_session };

	CHECK(w);
	w->reactor = sim_reactor_new(seed);
	w->sim = sim_net_new(w->reactor, seed, NULL);
	w->client_net = sim_net_host(w->sim, "192.0.2.1");
	w->server_net = sim_net_host(w->sim, "192.0.2.2");
	CHECK_EQ(reactor_run(w->reactor, run_fiber, &run), 0);
	sim_net_free(w->sim);
	reactor_close(w->reactor);
	free(w);
}
