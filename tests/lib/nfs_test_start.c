/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: each test gets a server of its own, on a volume of its own, in a simulated world that LAMINA_SEED repeats.
 */

#include "tests/lib/nfs_test_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/blkdev.h"
#include "dev/fiber.h"
#include "extent/check_run.h"
#include "extent/data.h"
#include "layout/device.h"
#include "mds/server.h"
#include "tests/lib/store.h"
#include "tests/sim/sim_net.h"

#define SERVER_ADDR	 "10.0.0.1"
#define CLIENT_ADDR	 "10.0.0.2"
#define SERVER_INITIATOR "server"

/* Limits are small, so that tests reach them. */
static const char config_text[] = "listen = [ \"" SERVER_ADDR ":2049\" ];\n"
				  "lease_seconds = 30;\n"
				  "grace_seconds = 30;\n"
				  "courtesy_seconds = 3600;\n";

const char *nfs_test_exports = "exports = ( { path = \"/\"; pseudo = \"/\"; id = 1;\n"
			       "  clients = ( { hosts = [ \"*\" ]; access = \"rw\"; squash = \"none\"; } ); } );\n";
const char *nfs_test_path = "/";
const char *nfs_test_limits = "buffer_bytes = \"64M\";";
unsigned int nfs_test_devices = 1;
unsigned int nfs_test_spares;
bool nfs_test_has_reservations;
uint64_t nfs_test_device_size = 256ull << 20;

#define WORLD_HOSTS_MAX 40 /* more than a test has clients */

/* A device as a host reaches it. */
struct world_path {
	char host[16];
	unsigned int index;
	struct blkdev *dev;
	struct reserver *res;
};

struct nfs_world {
	struct store store;
	struct sim_net *net;
	struct net *server_host;
	struct config *config;
	struct mds *mds;
	struct why_list why;
	/* With reservations: */
	struct sim_reserve *reserves[STORE_DISKS_MAX];
	struct identity identities[STORE_DISKS_MAX];
	bool growing;
	unsigned int nr_paths;
	struct world_path paths[WORLD_HOSTS_MAX * STORE_DISKS_MAX];
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

void nfs_test_naa(unsigned int index, uint8_t ret_naa[NFS_TEST_NAA_LEN])
{
	memset(ret_naa, 0, NFS_TEST_NAA_LEN);
	ret_naa[0] = 0x60; /* registered, extended */
	ret_naa[NFS_TEST_NAA_LEN - 1] = (uint8_t)(index + 1);
}

static void world_identify(struct nfs_world *w, unsigned int index)
{
	struct identity *id = &w->identities[index];

	*id = (struct identity){ .kind = IDENTITY_SCSI, .nr_designators = 1 };
	id->designators[0] =
		(struct designator){ .type = DESIGNATOR_NAA, .code_set = CODE_SET_BINARY, .len = NFS_TEST_NAA_LEN };
	nfs_test_naa(index, id->designators[0].bytes);
	id->reservations = (struct reservation_caps){
		.supported = true, .types_known = true, .types = RESERVATION_REGISTRANTS_ONLY, .persists = true
	};
}

static int world_reserve(struct nfs_world *w)
{
	int err = 0;
	unsigned int nr = w->store.cfg.nr_disks + w->store.cfg.nr_spare;

	for (unsigned int i = 0; nfs_test_has_reservations && i < nr && !err; i++) {
		char name[16];

		snprintf(name, sizeof(name), "sim%u", i);
		world_identify(w, i);
		err = sim_reserve_open(w->store.r, w->store.cfg.seed + 2000 + i, name, &w->reserves[i]);
	}
	return err;
}

static struct world_path *world_path(struct nfs_world *w, const char *host, unsigned int index)
{
	struct world_path *path;

	for (unsigned int i = 0; i < w->nr_paths; i++)
		if (w->paths[i].index == index && strcmp(w->paths[i].host, host) == 0)
			return &w->paths[i];
	if (w->nr_paths == ARRAY_SIZE(w->paths)) {
		fprintf(stderr, "too many hosts\n");
		abort();
	}
	path = &w->paths[w->nr_paths++];
	path->index = index;
	snprintf(path->host, sizeof(path->host), "%s", host);
	if (sim_reserve_attach(w->reserves[index], host, w->store.devs[index], &path->dev, &path->res)) {
		fprintf(stderr, "no path to device %u\n", index);
		abort();
	}
	return path;
}

static void world_cut_paths(struct nfs_world *w)
{
	while (w->nr_paths > 0) {
		struct world_path *path = &w->paths[--w->nr_paths];

		blkdev_close(path->dev);
		reserver_close(path->res);
	}
}

struct blkdev *nfs_test_device(struct nfs_test *t, const char *host, unsigned int index, struct reserver **ret_res)
{
	struct nfs_world *w = t->world;
	struct world_path *path;

	if (!w->reserves[index]) {
		*ret_res = NULL;
		return w->store.devs[index];
	}
	path = world_path(w, host, index);
	*ret_res = path->res;
	return path->dev;
}

struct sim_reserve *nfs_test_reserve(struct nfs_test *t, unsigned int index)
{
	const struct nfs_world *w = t->world;

	return w->reserves[index];
}

struct sim_disk *nfs_test_disk(struct nfs_test *t, unsigned int index)
{
	const struct nfs_world *w = t->world;

	return w->store.disks[index];
}

int nfs_test_start(struct nfs_test *t)
{
	struct nfs_world *w = calloc(1, sizeof(*w));
	const struct sim_net_rates rates = { .delay_min_ns = 10000, .delay_max_ns = 100000 };
	struct store_config cfg = { .seed = store_seed(1),
				    .nr_disks = nfs_test_devices,
				    .nr_spare = nfs_test_spares,
				    .disk_size = nfs_test_device_size };
	int err;

	if (!w)
		return -ENOMEM;
	cfg.format.journal_size = 16 << 20;
	cfg.mount.cache_bytes = 32 << 20;
	store_init(&w->store, &cfg);
	w->config = world_config(w);
	err = world_reserve(w);
	if (err)
		return err;
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

static FIBER_FN struct layout_source world_source(struct nfs_world *w, unsigned int i)
{
	return (struct layout_source){ .dev = w->store.devs[i],
				       .identity = &w->identities[i],
				       .reserver = world_path(w, SERVER_INITIATOR, i)->res };
}

static FIBER_FN int world_serve(struct nfs_world *w, bool discard_state)
{
	struct layout_source sources[STORE_DISKS_MAX];
	struct server_options opt = { .discard_state = discard_state };
	struct why why = { "" };
	int err;

	for (unsigned int i = 0; w->reserves[0] && i < w->store.cfg.nr_disks; i++) {
		sources[i] = world_source(w, i);
		opt.sources = sources;
		opt.nr_sources = i + 1;
	}
	err = server_start(w->store.r, w->store.fs, w->server_host, w->config, &opt, &w->mds, &why);
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
	for (unsigned int i = 0; i < w->store.cfg.nr_disks + w->store.cfg.nr_spare; i++)
		sim_disk_power_off(w->store.disks[i], SIM_POWER_ERRORS);
	sim_net_host_crash(w->net, w->server_host);
	while (w->growing)
		fiber_sleep_ns(1000000);
	server_stop(w->mds);
	w->mds = NULL;
	world_cut_paths(w);
	store_power_cut(&w->store, reactor_random(w->store.r));
	w->server_host = sim_net_host(w->net, SERVER_ADDR);
	err = store_mount_grown(&w->store);
	return err ? err : world_serve(w, discard_state);
}

FIBER_FN int nfs_test_grow(struct nfs_test *t, struct why *ret_why)
{
	struct nfs_world *w = t->world;
	unsigned int index = w->store.cfg.nr_disks;
	struct layout_source source;
	int err;

	w->growing = true;
	source = w->reserves[index] ? world_source(w, index) : (struct layout_source){ 0 };
	err = server_grow(w->mds, w->store.devs[index], w->reserves[index] ? &source : NULL, false, ret_why);
	if (!err)
		store_grown(&w->store);
	w->growing = false;
	return err;
}

unsigned int nfs_test_nr_devices(const struct nfs_test *t)
{
	const struct nfs_world *w = t->world;

	return w->store.cfg.nr_disks;
}

FIBER_FN int nfs_test_kill(struct nfs_test *t)
{
	return world_restart(t, false);
}

FIBER_FN int nfs_test_kill_discard(struct nfs_test *t)
{
	return world_restart(t, true);
}

static void world_found(void *arg, enum check_severity severity, const char *sentence)
{
	struct nfs_test *t = arg;

	if (severity == CHECK_ERROR && !t->why[0])
		snprintf(t->why, sizeof(t->why), "the volume is damaged: %.400s", sentence);
}

/* Whatever the test did, the volume's own rules hold (I10). */
static FIBER_FN int world_check(struct nfs_test *t)
{
	struct nfs_world *w = t->world;
	struct check_options opt = { .memory = 8 << 20, .report = world_found, .arg = t };
	struct check_result result;
	int err;

	if (t->is_skipped)
		return 0;
	t->why[0] = '\0';
	/* Trims go on in the background. */
	data_settle(w->store.fs);
	err = check_run(w->store.fs, &opt, &result);
	if (err && !t->why[0])
		snprintf(t->why, sizeof(t->why), "the volume cannot be checked: %s", strerror(-err));
	return err ? err : result.errors > 0 ? -EUCLEAN : 0;
}

FIBER_FN int nfs_test_unserve(struct nfs_test *t)
{
	struct nfs_world *w = t->world;
	int err;

	server_stop(w->mds);
	w->mds = NULL;
	world_cut_paths(w);
	err = world_check(t);
	store_unmount(&w->store);
	return err;
}

void nfs_test_stop(struct nfs_test *t)
{
	struct nfs_world *w = t->world;

	world_cut_paths(w);
	for (unsigned int i = 0; i < STORE_DISKS_MAX; i++)
		sim_reserve_close(w->reserves[i]);
	sim_net_free(w->net);
	store_release(&w->store);
	config_free(w->config);
	free(w);
}
