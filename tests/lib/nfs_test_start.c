/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: each test gets a server of its own, on a volume of its own, in a simulated world that LAMINA_SEED repeats.
 */

#include "tests/lib/nfs_test_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mds/server.h"
#include "tests/lib/store.h"
#include "tests/sim/sim_net.h"

#define SERVER_ADDR "10.0.0.1"
#define CLIENT_ADDR "10.0.0.2"

/* Limits are small, so that tests reach them. */
static const char config_text[] = "listen = [ \"" SERVER_ADDR ":2049\" ];\n"
				  "lease_seconds = 30;\n"
				  "grace_seconds = 30;\n"
				  "courtesy_seconds = 3600;\n";

const char *nfs_test_exports = "exports = ( { path = \"/\"; pseudo = \"/\"; id = 1;\n"
			       "  clients = ( { hosts = [ \"*\" ]; access = \"rw\"; squash = \"none\"; } ); } );\n";
const char *nfs_test_path = "/";
const char *nfs_test_limits = "buffer_bytes = \"64M\";";

struct nfs_world {
	struct store store;
	struct sim_net *net;
	struct net *server_host;
	struct config *config;
	struct mds *mds;
	struct why_list why;
};

static struct config *world_config(struct nfs_world *w)
{
	char text[4096];
	struct config *config;

	snprintf(text, sizeof(text), "%slimits = { %s };\n%s", config_text, nfs_test_limits, nfs_test_exports);
	if (config_load_text(text, strlen(text), "test", NULL, &config, &w->why)) {
		fprintf(stderr, "the test's configuration: %s\n", w->why.nr ? w->why.items[0].text : "no memory");
		abort();
	}
	return config;
}

int nfs_test_start(struct nfs_test *t)
{
	struct nfs_world *w = calloc(1, sizeof(*w));
	const struct sim_net_rates rates = { .delay_min_ns = 10000, .delay_max_ns = 100000 };
	struct store_config cfg = { .seed = store_seed(1), .disk_size = 256ull << 20 };

	if (!w)
		return -ENOMEM;
	cfg.format.journal_size = 16 << 20;
	cfg.mount.cache_bytes = 32 << 20;
	store_init(&w->store, &cfg);
	w->config = world_config(w);
	w->net = sim_net_new(w->store.r, cfg.seed, &rates);
	w->server_host = sim_net_host(w->net, SERVER_ADDR);
	t->world = w;
	t->reactor = w->store.r;
	t->net = sim_net_host(w->net, CLIENT_ADDR);
	snprintf(t->path, sizeof(t->path), "%s", nfs_test_path);
	return sock_addr_parse(SERVER_ADDR ":2049", &t->addr);
}

struct net *nfs_test_host(struct nfs_test *t, const char *addr)
{
	struct nfs_world *w = t->world;

	return sim_net_host(w->net, addr);
}

const struct config *nfs_test_config(const struct nfs_test *t)
{
	const struct nfs_world *w = t->world;

	return w->config;
}

static FIBER_FN int world_serve(struct nfs_world *w, bool discard_state)
{
	const struct server_options opt = { .discard_state = discard_state };
	struct why why = { "" };
	int err = server_start(w->store.r, w->store.fs, w->server_host, w->config, &opt, &w->mds, &why);

	if (err)
		fprintf(stderr, "the server does not start: %s\n", why.text);
	return err;
}

FIBER_FN int nfs_test_serve(struct nfs_test *t)
{
	struct nfs_world *w = t->world;
	int err;

	store_format(&w->store);
	err = store_mount(&w->store);
	return err ? err : world_serve(w, false);
}

static FIBER_FN int world_restart(struct nfs_test *t, bool discard_state)
{
	struct nfs_world *w = t->world;
	int err;

	/* From now on nothing reaches the disk or the network; what still runs fails and ends. */
	for (unsigned int i = 0; i < w->store.cfg.nr_disks; i++)
		sim_disk_power_off(w->store.disks[i], SIM_POWER_ERRORS);
	sim_net_host_crash(w->net, w->server_host);
	server_stop(w->mds);
	w->mds = NULL;
	store_power_cut(&w->store, reactor_random(w->store.r));
	w->server_host = sim_net_host(w->net, SERVER_ADDR);
	err = store_mount(&w->store);
	return err ? err : world_serve(w, discard_state);
}

FIBER_FN int nfs_test_kill(struct nfs_test *t)
{
	return world_restart(t, false);
}

FIBER_FN int nfs_test_kill_discard(struct nfs_test *t)
{
	return world_restart(t, true);
}

FIBER_FN void nfs_test_unserve(struct nfs_test *t)
{
	struct nfs_world *w = t->world;

	server_stop(w->mds);
	w->mds = NULL;
	store_unmount(&w->store);
}

void nfs_test_stop(struct nfs_test *t)
{
	struct nfs_world *w = t->world;

	sim_net_free(w->net);
	store_release(&w->store);
	config_free(w->config);
	free(w);
}
