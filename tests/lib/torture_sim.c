/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a run is a function of its seed, and nothing that is wrong at its end is forgotten. */

#include "tests/lib/torture_sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "mds/mds.h"
#include "tests/lib/torture_sim_int.h"

static const char config_text[] = "listen = [ \"10.0.0.1:2049\" ];\n"
				  "lease_seconds = 20;\n"
				  "grace_seconds = 20;\n"
				  "courtesy_seconds = 360000;\n"
				  "limits = { buffer_bytes = \"64M\"; };\n"
				  "exports = ( { path = \"/\"; pseudo = \"/\"; id = 1;\n"
				  "  clients = ( { hosts = [ \"*\" ]; access = \"rw\"; squash = \"none\"; layouts = "
				  "[ \"scsi\", \"block\" ]; } ); } );\n";

void torture_sim_fail(const struct torture_sim *sim, const char *check, const char *fmt, ...)
{
	char text[SIM_SEEDS_TEXT / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "seed %llu, %.6f s: [%s] %s\n", (unsigned long long)sim->seed,
		(double)reactor_now_ns(sim->r) / 1e9, check, text);
	_exit(SIM_SEEDS_FAILED);
}

/* What the tester asks of its world. */

static struct net *world_net(void *owner, unsigned int host)
{
	struct torture_sim *sim = owner;
	char addr[16];

	snprintf(addr, sizeof(addr), "10.0.1.%u", host + 1);
	sim->hosts[host].net = sim_net_host(sim->net, addr);
	return sim->hosts[host].net;
}

static void world_crashed(void *owner, unsigned int host)
{
	struct torture_sim *sim = owner;

	if (sim->hosts[host].net)
		sim_net_host_crash(sim->net, sim->hosts[host].net);
	sim->hosts[host].net = NULL;
}

static void world_begin(void *owner, struct torture *t)
{
	struct torture_sim *sim = owner;

	sim->torture = t;
	if (fiber_spawn(sim->r, "torture chaos", torture_sim_chaos, sim, &sim->chaos))
		abort();
}

static FIBER_FN void world_calm_down(void *owner)
{
	struct torture_sim *sim = owner;

	sim->is_calm = true;
	wait_queue_wake_all(&sim->calm);
	fiber_join(sim->chaos);
	sim->chaos = NULL;
}

static bool is_by_signature(const struct torture_sim_disk *d, const pnfs_block_sig_component4 *sig)
{
	uint64_t at = sig->bsc_sig_offset >= 0 ? (uint64_t)sig->bsc_sig_offset
					       : d->base->info.size - (uint64_t)-sig->bsc_sig_offset;
	uint64_t begin = round_down_u64(at, 4096);
	uint8_t bytes[2 * 4096];

	return sig->bsc_contents.bsc_contents_len <= 4096 && begin + sizeof(bytes) <= d->base->info.size &&
	       sim_disk_peek(d->disk, begin, bytes, sizeof(bytes)) == 0 &&
	       memcmp(bytes + (at - begin), sig->bsc_contents.bsc_contents_val, sig->bsc_contents.bsc_contents_len) ==
		       0;
}

static bool is_meant(const struct torture_sim_disk *d, const pnfs_block_volume4 *volume)
{
	const struct designator *mine = &d->identity.designators[0];
	const pnfs_scsi_base_volume_info4 *base = &volume->pnfs_block_volume4_u.sv_base_info;
	const pnfs_block_simple_volume_info4 *simple = &volume->pnfs_block_volume4_u.bv_simple_info;

	if (volume->type == PNFS_SCSI_VOLUME_BASE)
		return base->sbv_designator.sbv_designator_len == mine->len &&
		       memcmp(base->sbv_designator.sbv_designator_val, mine->bytes, mine->len) == 0;
	if (volume->type != PNFS_BLOCK_VOLUME_SIMPLE || simple->bsv_ds.bsv_ds_len == 0)
		return false;
	for (u_int i = 0; i < simple->bsv_ds.bsv_ds_len; i++)
		if (!is_by_signature(d, &simple->bsv_ds.bsv_ds_val[i]))
			return false;
	return true;
}

static FIBER_FN int world_find(void *owner, layouttype4 type, const struct pnfs_block_deviceaddr4 *addr,
			       struct pnfs_device *ret_device)
{
	struct torture_sim_host *host = owner;
	struct torture_sim *sim = host->sim;
	char name[16];

	snprintf(name, sizeof(name), "host%u", host->nr);
	if (addr->bda_volumes.bda_volumes_len != 1)
		torture_sim_fail(sim, "device", "%u volumes in a device", addr->bda_volumes.bda_volumes_len);
	for (unsigned int i = 0; i < sim->nr_all; i++) {
		struct torture_sim_disk *d = &sim->disks[i];

		if (is_meant(d, &addr->bda_volumes.bda_volumes_val[0]))
			return sim_reserve_attach(d->sr, name, d->base, &ret_device->dev, &ret_device->reserver);
	}
	torture_sim_fail(sim, "device", "a device that there is not");
}

static struct pnfs_finder world_finder(void *owner, unsigned int host)
{
	struct torture_sim *sim = owner;

	return (struct pnfs_finder){ .find = world_find, .owner = &sim->hosts[host] };
}

/* The machinery. */

/* The server's way to its disks. */
FIBER_FN void torture_sim_attach(struct torture_sim *sim)
{
	for (unsigned int i = 0; i < sim->nr_all; i++) {
		struct torture_sim_disk *d = &sim->disks[i];

		if (sim_reserve_attach(d->sr, "server", d->base, &d->path, &d->reserver))
			abort();
		if (!d->valve)
			d->valve = torture_valve_new(d->path, dice_roll(&sim->dice));
		else
			torture_valve_reset(d->valve, d->path);
	}
}

/* Some targets are as bad as real ones have been seen to be. */
static void disk_faults(struct torture_sim *sim, struct torture_sim_disk *d)
{
	d->faults.preempt_lies = dice_below(&sim->dice, 8) == 0;
	d->faults.preempt_abort_hangs = dice_below(&sim->dice, 8) == 0;
	/* Not by the dice, which would make other worlds of all seeds. */
	d->faults.unregister_keeps_host = sim->seed % 4 == 1;
	sim_reserve_set_faults(d->sr, &d->faults);
}

static void disk_init(struct torture_sim *sim, unsigned int i)
{
	struct sim_disk_config cfg = { .size = 64ull << 20, .allow_overlap = true, .seed = sim->seed + 1000 + i };
	struct torture_sim_disk *d = &sim->disks[i];
	struct designator *naa = &d->identity.designators[0];
	char name[16];

	snprintf(name, sizeof(name), "disk%u", i);
	/* Some disks keep what they were given. */
	cfg.no_volatile_cache = dice_below(&sim->dice, 4) == 0;
	cfg.no_fua = dice_below(&sim->dice, 4) == 0;
	cfg.latency_max_ns = SIM_MS / 2;
	d->disk = sim_disk_new(&cfg);
	d->base = sim_disk_open(d->disk, sim->r);
	if (sim_reserve_open(sim->r, sim->seed + 2000 + i, name, &d->sr))
		abort();
	disk_faults(sim, d);
	d->identity.kind = IDENTITY_SCSI;
	d->identity.nr_designators = 1;
	naa->type = DESIGNATOR_NAA;
	naa->code_set = CODE_SET_BINARY;
	naa->len = 16;
	memset(naa->bytes, 0x60 + (int)i, naa->len);
	naa->bytes[15] = (uint8_t)i;
	d->identity.reservations = (struct reservation_caps){
		.supported = true, .types_known = true, .types = RESERVATION_REGISTRANTS_ONLY, .persists = true
	};
}

static FIBER_FN void sim_format(struct torture_sim *sim)
{
	struct blkdev *devs[TORTURE_SIM_DISKS_MAX];
	struct fs_format_options opt = { .journal_size = 1ull << (20 + dice_below(&sim->dice, 3)),
					 .chunk_size = 1 << 20 };
	struct why why = { "" };

	for (unsigned int i = 0; i < sim->nr_disks; i++)
		devs[i] = torture_valve_dev(sim->disks[i].valve);
	if (fs_format(sim->r, devs, sim->nr_disks, &opt, &why))
		torture_sim_fail(sim, "setup", "format: %s", why.text);
}

static FIBER_FN int sim_main(void *arg)
{
	struct torture_world world = { .net = world_net,
				       .finder = world_finder,
				       .crashed = world_crashed,
				       .begin = world_begin,
				       .calm_down = world_calm_down };
	struct torture_sim *sim = arg;
	struct why why = { "" };
	int err;

	torture_sim_attach(sim);
	sim_format(sim);
	torture_sim_mount(sim);
	torture_sim_serve(sim);
	world.reactor = sim->r;
	world.addr = sim->addr;
	world.owner = sim;
	err = torture_run(&sim->opt, &world, &sim->report.torture, &why);
	if (err)
		torture_sim_fail(sim, "setup", "torture: %s", why.text);
	torture_sim_stop(sim);
	torture_sim_check(sim);
	if (fs_unmount(sim->fs))
		torture_sim_fail(sim, "unmount", "it fails");
	return 0;
}

static void options_init(struct torture_sim *sim)
{
	struct torture_options *opt = &sim->opt;
	static const uint64_t sizes[] = { 256 << 10, 512 << 10, 1 << 20 };

	opt->seed = sim->seed;
	opt->hosts = 2 + (unsigned int)dice_below(&sim->dice, 4);
	opt->fibers = 1 + (unsigned int)dice_below(&sim->dice, 3);
	/* Some seeds do one thing only, and so much of it. */
	opt->works = dice_below(&sim->dice, 3) ? 0 : 1ull << dice_below(&sim->dice, TORTURE_WORKS);
	opt->steps = 10 + dice_below(&sim->dice, 40);
	opt->end_ns = TORTURE_SIM_END_NS;
	opt->file_bytes = sizes[dice_below(&sim->dice, ARRAY_SIZE(sizes))];
	opt->type = dice_below(&sim->dice, 8) ? LAYOUT4_SCSI : LAYOUT4_BLOCK_VOLUME;
	opt->minorversion = 2;
	opt->ranges = dice_below(&sim->dice, 3) != 0;
	/* Not by the dice, which would make other worlds of all seeds. */
	opt->keeps = sim->seed / 4 % 2 == 1;
	opt->sleeps = true;
	opt->removes = dice_below(&sim->dice, 2) == 0;
	opt->timeout_ns = 600 * NSEC_PER_SEC;
}

static void sim_init(struct torture_sim *sim, uint64_t seed)
{
	struct sim_net_rates rates = { .delay_min_ns = 10000, .delay_max_ns = 100000 };
	struct why_list why = { 0 };

	sim->seed = seed;
	sim->dice.state = seed * 7919 + 13;
	(void)dice_roll(&sim->dice);
	sim->r = sim_reactor_new(seed);
	sim->nr_disks = 1 + (dice_below(&sim->dice, 4) == 0);
	sim->nr_all = sim->nr_disks + (seed >= TORTURE_SIM_GROWS);
	for (unsigned int i = 0; i < sim->nr_all; i++)
		disk_init(sim, i);
	sim->mount.cache_bytes = 1 << (21 + dice_below(&sim->dice, 3));
	sim->mount.checkpoint_ns = 2 * NSEC_PER_SEC;
	sim->mount.record_max = 128 << 10;
	rates.delay_max_ns <<= dice_below(&sim->dice, 5);
	rates.silence_ns = 10 * NSEC_PER_SEC;
	rates.connect_ns = 5 * NSEC_PER_SEC;
	if (dice_below(&sim->dice, 3) == 0)
		rates.break_ppm = 500;
	if (config_load_text(config_text, strlen(config_text), "sim", NULL, &sim->config, &why))
		torture_sim_fail(sim, "setup", "%s", why.nr ? why.items[0].text : "no memory");
	sim->config->zero_new_space = seed % 4 == 0;
	sim->net = sim_net_new(sim->r, seed, &rates);
	sim->server_host = sim_net_host(sim->net, "10.0.0.1");
	if (sock_addr_parse("10.0.0.1:2049", &sim->addr))
		abort();
	wait_queue_init(&sim->calm);
	for (unsigned int i = 0; i < TORTURE_HOSTS_MAX; i++)
		sim->hosts[i] = (struct torture_sim_host){ .sim = sim, .nr = i };
	options_init(sim);
}

static void sim_release(struct torture_sim *sim)
{
	sim_net_free(sim->net);
	for (unsigned int i = 0; i < sim->nr_all; i++) {
		struct torture_sim_disk *d = &sim->disks[i];

		torture_valve_free(d->valve);
		blkdev_close(d->path);
		reserver_close(d->reserver);
		sim_reserve_close(d->sr);
		blkdev_close(d->base);
		sim_disk_free(d->disk);
	}
	reactor_close(sim->r);
	config_free(sim->config);
	free(sim);
}

static void sim_judge(const struct torture_sim *sim)
{
	const struct torture_report *report = &sim->report.torture;

	if (torture_is_clean(report))
		return;
	for (unsigned int i = 0; i < report->nr_findings && i < 5; i++)
		fprintf(stderr, "seed %llu: [%s] %s\n", (unsigned long long)sim->seed, report->findings[i].what,
			report->findings[i].text);
	_exit(SIM_SEEDS_FAILED);
}

static void sim_run(uint64_t seed, void *ret_report)
{
	struct torture_sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		abort();
	/* With the power gone the store complains, and rightly. */
	log_set_level(getenv("LAMINA_SIM_LOG") ? LOG_LEVEL_DEBUG : (enum log_level)0);
	sim_init(sim, seed);
	if (reactor_run(sim->r, sim_main, sim))
		abort();
	sim->report.hash = sim_reactor_trace_hash(sim->r) ^ sim->report.torture.hash;
	for (unsigned int i = 0; i < sim->nr_all; i++) {
		sim->report.hash ^= sim_disk_trace_hash(sim->disks[i].disk);
		sim->report.conflicts += sim_reserve_conflicts(sim->disks[i].sr);
	}
	sim_judge(sim);
	memcpy(ret_report, &sim->report, sizeof(sim->report));
	sim_release(sim);
}

#define COUNT(text, field, unit) SIM_COUNT(text, struct torture_sim_report, field, unit)

static const struct sim_count counts[] = {
	COUNT("s of their time", torture.virtual_ns, NSEC_PER_SEC),
	COUNT("steps", torture.steps, 1),
	COUNT("writes", torture.writes, 1),
	COUNT("reads", torture.reads, 1),
	COUNT("blocks read back", torture.blocks, 1),
	COUNT("LAYOUTGETs", torture.pnfs.gets, 1),
	COUNT("LAYOUTCOMMITs", torture.pnfs.commits, 1),
	COUNT("LAYOUTRETURNs", torture.pnfs.returns, 1),
	COUNT("recalls", torture.pnfs.recalls, 1),
	COUNT("returns that left extents behind", torture.pnfs.kept, 1),
	COUNT("layouts that met them", torture.pnfs.kept_meet, 1),
	COUNT("direct reads", torture.pnfs.direct_reads, 1),
	COUNT("direct writes", torture.pnfs.direct_writes, 1),
	COUNT("reads by the server", torture.pnfs.server_reads, 1),
	COUNT("writes by the server", torture.pnfs.server_writes, 1),
	COUNT("requests refused by disks", conflicts, 1),
	COUNT("late writes refused", torture.late_refused, 1),
	COUNT("times that a host misbehaved", torture.misbehaved, 1),
	COUNT("times that a host began anew", torture.losses, 1),
	COUNT("layouts revoked", revoked, 1),
	COUNT("fences", fences, 1),
	COUNT("kills", kills, 1),
	COUNT("power outages", outages, 1),
	COUNT("restarts", restarts, 1),
	COUNT("host crashes", crashes, 1),
	COUNT("cuts", cuts, 1),
	COUNT("resets", resets, 1),
	COUNT("slow disks", holds, 1),
	COUNT("times that nobody could be fenced", unfenced, 1),
	COUNT("disks added", grown, 1),
};

const struct sim_kind torture_sim_kind = {
	.run = sim_run,
	.report_size = sizeof(struct torture_sim_report),
	.seconds_max = 120,
	.counts = counts,
	.nr_counts = ARRAY_SIZE(counts),
};
