/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a run is a function of its seed, and when it ends everything is as the models say, on the disk too. */

#include "tests/lib/nfs_sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "tests/lib/nfs_sim_int.h"

#define STEPS_MAX 100

/* Limits are small, so that they are reached. */
static const char config_text[] =
	"listen = [ \"10.0.0.1:2049\" ];\n"
	"lease_seconds = 20;\n"
	"grace_seconds = 20;\n"
	"courtesy_seconds = 360000;\n"
	"limits = { buffer_bytes = \"64M\"; };\n"
	"exports = ( { path = \"/\"; pseudo = \"/\"; id = 1;\n"
	"  clients = ( { hosts = [ \"*\" ]; access = \"rw\"; squash = \"none\"; } ); } );\n";

uint64_t sim_now(const struct nfs_sim *sim)
{
	return reactor_now_ns(sim->store.r);
}

void sim_fail(const struct nfs_sim *sim, const struct sim_fiber *f, const char *check, const char *fmt, ...)
{
	char text[SIM_SEEDS_TEXT / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "seed %llu, %.6f s, %s, %s: [%s] %s\n", (unsigned long long)sim->seed,
		(double)sim_now(sim) / 1e9, f ? f->name : "world", f ? f->doing : "", check, text);
	_exit(SIM_SEEDS_FAILED);
}

void sim_bury(struct nfs_sim *sim, const struct nfs_fh *fh, uint64_t fileid)
{
	unsigned int i = sim->nr_dead++ % SIM_DEAD_MAX;

	if (!fileid) {
		sim->nr_dead--;
		return;
	}
	sim->dead[i].fh = *fh;
	sim->dead[i].fileid = fileid;
}

static FIBER_FN void home_dir(struct sim_fiber *f, const struct nfs_fh *parent, const char *name,
			      struct home_dir *ret_dir)
{
	uint32_t at, at_attrs;

	nfs_op_mkdir(sim_begin(f, parent), name, 0777);
	at = nfs_op_getfh(&f->c);
	at_attrs = nfs_op_getattr(&f->c, sim_asked);
	if (!sim_expect(f, NFS4_OK))
		sim_fail(f->sim, f, "setup", "no home");
	ret_dir->fh = sim_fh(f, at);
	ret_dir->change = sim_attrs(f, at_attrs).change;
	ret_dir->change_is = HOME_EXACT;
}

static FIBER_FN void home_make(struct sim_fiber *f)
{
	char name[16];
	uint32_t at;

	snprintf(name, sizeof(name), "home %u", f->nr);
	home_dir(f, &f->sim->root, name, &f->now->dirs[0]);
	home_dir(f, &f->now->dirs[0].fh, "sub", &f->now->dirs[1]);
	/* That has changed it. */
	at = nfs_op_getattr(sim_begin(f, &f->now->dirs[0].fh), sim_asked);
	if (!sim_expect(f, NFS4_OK))
		sim_fail(f->sim, f, "setup", "no home");
	f->now->dirs[0].change = sim_attrs(f, at).change;
}

/* After a crash of the client: find out what became of the last operation. */
static FIBER_FN void fiber_recover(struct sim_fiber *f)
{
	struct sim_client *client = f->client;

	f->is_stopped = true;
	wait_queue_wake_all(&client->changed);
	while (client->crashed)
		wait_queue_wait(&client->changed);
	f->is_stopped = false;
	home_forget_opens(f->now);
	if (f->in_doubt)
		home_forget_opens(f->next);
	for (unsigned int i = 0; i < f->nr_mids; i++)
		home_forget_opens(f->mids[i]);
	sim_shared_recover(f);
	if (!client->crashed)
		sim_verify(f);
}

static FIBER_FN void fiber_step(struct sim_fiber *f)
{
	uint64_t dice = sim_roll(f, 100);

	f->sim->report.steps++;
	if (dice < 3)
		sim_verify(f);
	else if (dice < 25)
		sim_open_step(f);
	else if (dice < 55)
		sim_file_step(f);
	else if (dice < 72)
		sim_name_step(f);
	else if (dice < 77)
		sim_chain_step(f);
	else
		sim_shared_step(f);
	sim_reactor_trace(f->sim->store.r, f->nr);
	dice = sim_roll(f, 100);
	if (dice < 1)
		fiber_sleep_ns(sim_roll(f, 15 * NSEC_PER_SEC));
	else if (dice < 8)
		fiber_sleep_ns(sim_roll(f, 100 * SIM_MS));
}

static FIBER_FN void fiber_main(void *arg)
{
	struct sim_fiber *f = arg;

	while (f->steps_left > 0 || f->client->crashed || f->in_doubt || f->pool_op) {
		if (f->client->crashed || f->in_doubt || f->pool_op) {
			if (!f->client->crashed)
				sim_fail(f->sim, f, "sim", "in doubt without a crash");
			fiber_recover(f);
			continue;
		}
		f->steps_left--;
		fiber_step(f);
	}
	f->is_done = true;
	wait_queue_wake_all(&f->client->changed);
}

static void client_init(struct nfs_sim *sim, struct sim_client *client, unsigned int nr)
{
	client->sim = sim;
	client->nr = nr;
	snprintf(client->addr, sizeof(client->addr), "10.0.0.%u", nr + 2);
	wait_queue_init(&client->changed);
	client->nr_slots = 1u << dice_below(&sim->dice, 5);
	client->nr_fibers = 1 + (unsigned int)dice_below(&sim->dice, SIM_FIBERS_MAX - 1);
	for (unsigned int i = 0; i < SIM_FIBERS_MAX; i++) {
		struct sim_fiber *f = &client->fibers[i];

		f->sim = sim;
		f->client = client;
		f->nr = nr * SIM_FIBERS_MAX + i;
		f->dice.state = dice_roll(&sim->dice);
		f->steps_left = 10 + (unsigned int)dice_below(&sim->dice, STEPS_MAX);
		snprintf(f->name, sizeof(f->name), "client %u fiber %u", nr, i);
		nfs_compound_init(&f->c);
		f->now = calloc(1, sizeof(*f->now));
		f->next = calloc(1, sizeof(*f->next));
		for (unsigned int m = 0; m < SIM_CHAIN_MAX; m++)
			f->mids[m] = calloc(1, sizeof(*f->mids[m]));
		if (!f->now || !f->next || !f->mids[0] || !f->mids[1] || !f->mids[2])
			abort();
	}
}

static void client_free(struct sim_client *client)
{
	for (unsigned int i = 0; i < SIM_FIBERS_MAX; i++) {
		nfs_compound_release(&client->fibers[i].c);
		free(client->fibers[i].now);
		free(client->fibers[i].next);
		for (unsigned int m = 0; m < SIM_CHAIN_MAX; m++)
			free(client->fibers[i].mids[m]);
	}
}

static FIBER_FN void work_start(struct nfs_sim *sim)
{
	sim->calm = true;
	for (unsigned int i = 0; i < sim->nr_clients; i++)
		sim_client_up(&sim->clients[i]);
	sim_shared_setup(&sim->clients[0].fibers[0]);
	for (unsigned int i = 0; i < sim->nr_clients; i++)
		for (unsigned int j = 0; j < sim->clients[i].nr_fibers; j++)
			home_make(&sim->clients[i].fibers[j]);
	sim->calm = false;
	sim->nr_running = sim->nr_clients;
	for (unsigned int i = 0; i < sim->nr_clients; i++) {
		for (unsigned int j = 0; j < sim->clients[i].nr_fibers; j++)
			if (fiber_spawn(sim->store.r, "sim", fiber_main, &sim->clients[i].fibers[j], NULL))
				abort();
		if (fiber_spawn(sim->store.r, "sim client", sim_client_main, &sim->clients[i], NULL))
			abort();
	}
}

/* What must be there when nobody has anything open. */
struct expected {
	uint64_t inodes;
	uint64_t blocks_max;
};

static void count_home(const struct home *home, struct expected *e)
{
	for (unsigned int i = 0; i < HOME_INODES; i++)
		if (home->inodes[i].type) {
			e->inodes++;
			e->blocks_max += home->inodes[i].type == NF4REG ? HOME_SIZE_MAX / HOME_BLOCK : 0;
		}
}

static struct expected count_all(const struct nfs_sim *sim)
{
	/* The root, the pool and what is always in it, records, sign. */
	struct expected e = { 4 + SIM_POOL_FIXED, 2 * SIM_RECORDS };

	for (unsigned int i = 0; i < SIM_POOL; i++)
		e.inodes += sim->pool[i].holder != NULL;
	for (unsigned int i = 0; i < sim->nr_clients; i++)
		for (unsigned int j = 0; j < SIM_FIBERS_MAX; j++) {
			const struct home *home = sim->clients[i].fibers[j].now;

			if (!home->dirs[0].fh.len)
				continue;
			e.inodes += 2;
			count_home(home, &e);
		}
	return e;
}

/* Orphans go by themselves, soon. */
static FIBER_FN void wait_orphans(struct nfs_sim *sim)
{
	struct fs_stats stats;

	for (unsigned int i = 0; i < 300; i++) {
		fs_stats(sim->store.fs, &stats);
		if (stats.orphans == 0)
			return;
		fiber_sleep_ns(100 * SIM_MS);
	}
	sim_fail(sim, NULL, "orphans", "%llu stay, though nobody has them open", (unsigned long long)stats.orphans);
}

static FIBER_FN void work_end(struct nfs_sim *sim)
{
	struct expected want;
	uint64_t inodes, blocks;

	sim->calm = true;
	sim_disk_release(sim->store.disks[0]);
	for (unsigned int i = 0; i < sim->nr_clients; i++)
		for (unsigned int j = 0; j < SIM_FIBERS_MAX; j++) {
			struct sim_fiber *f = &sim->clients[i].fibers[j];

			if (!f->now->dirs[0].fh.len)
				continue;
			sim_open_close_all(f);
			sim_verify(f);
			sim_pool_list(f);
		}
	wait_orphans(sim);
	for (unsigned int i = 0; i < sim->nr_clients; i++)
		sim_client_down(&sim->clients[i]);
	sim_chaos_stop(sim);
	sim_chaos_check(sim, &inodes, &blocks);
	want = count_all(sim);
	if (inodes != want.inodes)
		sim_fail(sim, NULL, "inodes", "%llu at the end, not %llu", (unsigned long long)inodes,
			 (unsigned long long)want.inodes);
	if (blocks > want.blocks_max)
		sim_fail(sim, NULL, "space", "%llu blocks at the end, not %llu at most", (unsigned long long)blocks,
			 (unsigned long long)want.blocks_max);
	store_unmount(&sim->store);
}

static FIBER_FN void sim_main(struct store *s, void *arg)
{
	struct nfs_sim *sim = arg;

	store_format(s);
	if (store_mount(s))
		sim_fail(sim, NULL, "setup", "no mount: %s", s->why.text);
	sim_chaos_serve(sim);
	work_start(sim);
	sim_chaos(sim);
	work_end(sim);
	sim->report.virtual_ns = sim_now(sim);
}

static void world_init(struct nfs_sim *sim, uint64_t seed)
{
	struct store_config cfg = { .seed = seed, .disk_size = 64ull << 20 };
	struct sim_net_rates rates = { .delay_min_ns = 10000, .delay_max_ns = 100000 };

	sim->seed = seed;
	sim->dice.state = seed * 7919;
	(void)dice_roll(&sim->dice);
	cfg.format.journal_size = 1 << (20 + dice_below(&sim->dice, 3));
	cfg.mount.cache_bytes = 1 << (20 + dice_below(&sim->dice, 4));
	cfg.mount.checkpoint_ns = 2 * NSEC_PER_SEC;
	rates.delay_max_ns <<= dice_below(&sim->dice, 6);
	rates.silence_ns = 10 * NSEC_PER_SEC;
	rates.connect_ns = 5 * NSEC_PER_SEC;
	if (dice_below(&sim->dice, 2)) {
		rates.break_ppm = 1000;
		rates.refuse_ppm = 10000;
		rates.accept_error_ppm = 10000;
	}
	store_init(&sim->store, &cfg);
	if (config_load_text(config_text, strlen(config_text), "sim", NULL, &sim->config, &sim->why))
		sim_fail(sim, NULL, "setup", "%s", sim->why.nr ? sim->why.items[0].text : "no memory");
	sim->net = sim_net_new(sim->store.r, seed, &rates);
	sim->server_host = sim_net_host(sim->net, "10.0.0.1");
	if (sock_addr_parse("10.0.0.1:2049", &sim->addr))
		abort();
	wait_queue_init(&sim->finished);
	sim->nr_clients = 2 + (unsigned int)dice_below(&sim->dice, SIM_CLIENTS_MAX - 1);
	for (unsigned int i = 0; i < sim->nr_clients; i++)
		client_init(sim, &sim->clients[i], i);
}

static void sim_run(uint64_t seed, void *ret_report)
{
	struct nfs_sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		abort();
	/* With the power gone the store complains, and rightly. */
	log_set_level(getenv("LAMINA_SIM_LOG") ? LOG_LEVEL_DEBUG : (enum log_level)0);
	sim_asked = NFS_ATTRS(FATTR4_TYPE, FATTR4_CHANGE, FATTR4_SIZE, FATTR4_FILEID, FATTR4_MODE, FATTR4_NUMLINKS);
	world_init(sim, seed);
	store_run(&sim->store, sim_main, sim);
	sim->report.hash = sim_reactor_trace_hash(sim->store.r) ^ sim_disk_trace_hash(sim->store.disks[0]);
	memcpy(ret_report, &sim->report, sizeof(sim->report));
	for (unsigned int i = 0; i < sim->nr_clients; i++)
		client_free(&sim->clients[i]);
	sim_net_free(sim->net);
	store_release(&sim->store);
	config_free(sim->config);
	free(sim);
}

#define COUNT(text, field, unit) SIM_COUNT(text, struct nfs_sim_report, field, unit)

static const struct sim_count counts[] = {
	COUNT("s of their time", virtual_ns, NSEC_PER_SEC),
	COUNT("steps", steps, 1),
	COUNT("requests", requests, 1),
	COUNT("compounds of several changes", chains, 1),
	COUNT("kills", kills, 1),
	COUNT("restarts", restarts, 1),
	COUNT("client crashes", crashes, 1),
	COUNT("cuts", cuts, 1),
	COUNT("resets", resets, 1),
	COUNT("slow disks", holds, 1),
	COUNT("requests sent twice", duplicates, 1),
	COUNT("connections dropped behind a request", drops, 1),
	COUNT("answers from a slot", replays, 1),
	COUNT("requests resumed after a kill", resumed, 1),
	COUNT("locks lost", lost_locks, 1),
};

const struct sim_kind nfs_sim_kind = {
	.run = sim_run,
	.report_size = sizeof(struct nfs_sim_report),
	.seconds_max = 300,
	.counts = counts,
	.nr_counts = ARRAY_SIZE(counts),
};
