/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What goes wrong in the torture tester's world, and the server that goes through it.
 *
 * Promise: after each kill the volume is checked as a whole before the server starts on it.
 */

#include <stdio.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/check_run.h"
#include "mds/layout.h"
#include "mds/mds.h"
#include "tests/lib/torture_sim_int.h"

static uint64_t roll(struct torture_sim *sim, uint64_t below)
{
	return dice_below(&sim->dice, below);
}

static bool is_dead(const struct torture_sim *sim)
{
	for (unsigned int i = 0; i < sim->nr_all; i++)
		if (torture_valve_is_shut(sim->disks[i].valve))
			return true;
	return false;
}

static FIBER_FN int mount_try(struct torture_sim *sim, struct why *why)
{
	struct blkdev *devs[TORTURE_SIM_DISKS_MAX];

	for (unsigned int i = 0; i < sim->nr_disks; i++)
		devs[i] = torture_valve_dev(sim->disks[i].valve);
	return fs_mount(sim->r, devs, sim->nr_disks, &sim->mount, &sim->fs, why);
}

/* It died while it added a disk: whether it has it is seen now. */
static FIBER_FN int mount_grown(struct torture_sim *sim, struct why *why)
{
	int err = mount_try(sim, why);

	if (err != -EINVAL || sim->nr_disks == sim->nr_all || !strstr(why->text, "is missing"))
		return err;
	sim->nr_disks++;
	sim->report.grown++;
	return mount_try(sim, why);
}

static struct layout_source source_of(struct torture_sim *sim, unsigned int i)
{
	return (struct layout_source){ .dev = torture_valve_dev(sim->disks[i].valve),
				       .identity = &sim->disks[i].identity,
				       .reserver = sim->disks[i].reserver };
}

static FIBER_FN int serve_try(struct torture_sim *sim, struct why *why)
{
	struct layout_source sources[TORTURE_SIM_DISKS_MAX];
	struct server_options opt = { .sources = sources, .nr_sources = sim->nr_disks };

	for (unsigned int i = 0; i < sim->nr_disks; i++)
		sources[i] = source_of(sim, i);
	return server_start(sim->r, sim->fs, sim->server_host, sim->config, &opt, &sim->mds, why);
}

FIBER_FN void torture_sim_mount(struct torture_sim *sim)
{
	struct why why = { "" };

	if (mount_try(sim, &why))
		torture_sim_fail(sim, "mount", "%s", why.text);
}

FIBER_FN void torture_sim_serve(struct torture_sim *sim)
{
	struct why why = { "" };

	if (serve_try(sim, &why))
		torture_sim_fail(sim, "start", "the server does not start: %s", why.text);
}

struct finding {
	char text[256];
};

static void check_report(void *arg, enum check_severity severity, const char *sentence)
{
	struct finding *finding = arg;

	if (severity == CHECK_ERROR && !finding->text[0])
		snprintf(finding->text, sizeof(finding->text), "%s", sentence);
}

FIBER_FN void torture_sim_check(struct torture_sim *sim)
{
	struct finding finding = { "" };
	struct check_options opt = { .memory = 8 << 20, .report = check_report, .arg = &finding };
	struct check_result result;
	int err = check_run(sim->fs, &opt, &result);

	if (is_dead(sim))
		return;
	if (err || result.errors > 0)
		torture_sim_fail(sim, "volume", "%llu errors (%d): %s", (unsigned long long)result.errors, -err,
				 finding.text);
}

FIBER_FN void torture_sim_stop(struct torture_sim *sim)
{
	const struct layouts *layouts = sim->mds->layouts;

	if (layouts) {
		sim->report.grants += layouts->counts.gets;
		sim->report.recalls += layouts->counts.recalls;
		sim->report.revoked += layouts->counts.revoked;
		sim->report.fences += layouts->counts.fences;
	}
	server_stop(sim->mds);
	sim->mds = NULL;
}

/* What the dead machine had under way has ended. */
static FIBER_FN void wait_idle(struct torture_sim *sim)
{
	for (unsigned int i = 0; i < sim->nr_all; i++)
		while (torture_valve_in_flight(sim->disks[i].valve) > 0)
			fiber_sleep_ns(SIM_MS);
}

/* False: it died again before it stood. */
static FIBER_FN bool recover(struct torture_sim *sim)
{
	struct why why = { "" };
	int err;

	sim->server_host = sim_net_host(sim->net, "10.0.0.1");
	if (roll(sim, 4) == 0)
		torture_valve_shut_at(sim->disks[roll(sim, sim->nr_disks)].valve, 1 + roll(sim, 6));
	err = mount_grown(sim, &why);
	if (err && !is_dead(sim))
		torture_sim_fail(sim, "mount", "%s", why.text);
	if (err)
		return false;
	torture_sim_check(sim);
	if (roll(sim, 3) == 0)
		fiber_sleep_ns(roll(sim, roll(sim, 4) ? NSEC_PER_SEC : 2 * TORTURE_SIM_LEASE_S * NSEC_PER_SEC));
	err = serve_try(sim, &why);
	if (err && !is_dead(sim))
		torture_sim_fail(sim, "start", "the server does not start: %s", why.text);
	for (unsigned int i = 0; i < sim->nr_all; i++)
		torture_valve_shut_at(sim->disks[i].valve, 0);
	if (!err && !is_dead(sim))
		return true;
	sim_net_host_crash(sim->net, sim->server_host);
	if (!err)
		torture_sim_stop(sim);
	return false;
}

/* The dead server's remains go. */
static FIBER_FN void bury(struct torture_sim *sim)
{
	while (sim->growing)
		fiber_sleep_ns(SIM_MS);
	if (sim->mds)
		torture_sim_stop(sim);
	if (sim->fs)
		fs_abandon(sim->fs);
	sim->fs = NULL;
	wait_idle(sim);
	for (unsigned int i = 0; i < sim->nr_all; i++) {
		blkdev_close(sim->disks[i].path);
		reserver_close(sim->disks[i].reserver);
	}
}

static FIBER_FN void revive(struct torture_sim *sim)
{
	torture_sim_attach(sim);
	while (!recover(sim)) {
		sim->report.kills++;
		bury(sim);
		torture_sim_attach(sim);
	}
}

static FIBER_FN void chaos_kill(struct torture_sim *sim)
{
	bool unheard = roll(sim, 3) == 0;

	sim->report.kills++;
	/* At times it goes on for a little and nobody hears of it: what is done then was never answered. */
	if (unheard) {
		sim_net_host_crash(sim->net, sim->server_host);
		fiber_sleep_ns(roll(sim, 20 * SIM_MS));
	}
	for (unsigned int i = 0; i < sim->nr_all; i++)
		torture_valve_shut(sim->disks[i].valve);
	if (!unheard)
		sim_net_host_crash(sim->net, sim->server_host);
	bury(sim);
	revive(sim);
}

/* For the whole house. */
static FIBER_FN void chaos_outage(struct torture_sim *sim)
{
	struct sim_cut cut = { .style = SIM_CUT_ANY };

	sim->report.outages++;
	for (unsigned int i = 0; i < sim->nr_all; i++) {
		sim_disk_power_off(sim->disks[i].disk, SIM_POWER_ERRORS);
		torture_valve_shut(sim->disks[i].valve);
	}
	sim_net_host_crash(sim->net, sim->server_host);
	torture_power_off(sim->torture);
	bury(sim);
	for (unsigned int i = 0; i < sim->nr_all; i++) {
		struct torture_sim_disk *d = &sim->disks[i];
		struct sim_disk *after;

		cut.seed = dice_roll(&sim->dice);
		after = sim_disk_reboot(d->disk, &cut);
		blkdev_close(d->base);
		sim_disk_free(d->disk);
		d->disk = after;
		d->base = sim_disk_open(after, sim->r);
	}
	revive(sim);
	torture_power_on(sim->torture);
}

static FIBER_FN void chaos_restart(struct torture_sim *sim)
{
	sim->report.restarts++;
	torture_sim_stop(sim);
	if (fs_unmount(sim->fs))
		torture_sim_fail(sim, "unmount", "it fails");
	sim->fs = NULL;
	torture_sim_mount(sim);
	torture_sim_serve(sim);
}

static FIBER_FN void chaos_cut(struct torture_sim *sim)
{
	unsigned int nr = (unsigned int)roll(sim, torture_nr_hosts(sim->torture));
	struct net *server = sim->server_host, *host = sim->hosts[nr].net;
	uint64_t ns = roll(sim, 3) ? roll(sim, 3 * NSEC_PER_SEC) : roll(sim, 4 * TORTURE_SIM_LEASE_S * NSEC_PER_SEC);

	if (!host)
		return;
	sim->report.cuts++;
	torture_excuse(sim->torture, nr);
	sim_net_cut(sim->net, server, host, true);
	fiber_sleep_ns(ns);
	sim_net_cut(sim->net, server, host, false);
	torture_excuse(sim->torture, nr);
}

static FIBER_FN void chaos_crash(struct torture_sim *sim)
{
	unsigned int nr = (unsigned int)roll(sim, torture_nr_hosts(sim->torture));

	sim->report.crashes++;
	torture_crash(sim->torture, nr, roll(sim, 3) ? roll(sim, 2 * NSEC_PER_SEC) : roll(sim, 60 * NSEC_PER_SEC));
}

static FIBER_FN void chaos_slow(struct torture_sim *sim)
{
	struct sim_disk *disk = sim->disks[roll(sim, sim->nr_disks)].disk;

	sim->report.holds++;
	sim_disk_hold(disk, NULL, NULL);
	fiber_sleep_ns(roll(sim, roll(sim, 4) ? 20 * SIM_MS : 2 * NSEC_PER_SEC));
	sim_disk_release(disk);
}

/* For a while nobody can be fenced. */
static FIBER_FN void chaos_unfenced(struct torture_sim *sim)
{
	struct torture_sim_disk *d = &sim->disks[roll(sim, sim->nr_disks)];
	struct sim_reserve_faults faults = d->faults;

	sim->report.unfenced++;
	faults.preempt_fails = faults.preempt_abort_hangs = true;
	sim_reserve_set_faults(d->sr, &faults);
	(void)!wait_queue_wait_until(&sim->calm,
				     reactor_now_ns(sim->r) + roll(sim, 2 * TORTURE_SIM_LEASE_S * NSEC_PER_SEC));
	if (roll(sim, 2))
		chaos_kill(sim);
	sim_reserve_set_faults(d->sr, &d->faults);
}

static FIBER_FN void grow_main(void *arg)
{
	struct torture_sim *sim = arg;
	struct layout_source source = source_of(sim, sim->nr_disks);
	struct why why = { "" };
	int err = server_grow(sim->mds, source.dev, &source, false, &why);

	if (err && !is_dead(sim))
		torture_sim_fail(sim, "grow", "%s", why.text);
	sim->nr_disks += !err;
	sim->report.grown += !err;
	sim->growing = false;
}

static FIBER_FN void chaos_grow(struct torture_sim *sim)
{
	if (sim->nr_disks == sim->nr_all)
		return;
	sim->growing = true;
	if (fiber_spawn(sim->r, "grow", grow_main, sim, NULL))
		abort();
	if (roll(sim, 2)) {
		fiber_sleep_ns(roll(sim, 20 * SIM_MS));
		chaos_kill(sim);
	}
	while (sim->growing)
		fiber_sleep_ns(SIM_MS);
}

static FIBER_FN void chaos_one(struct torture_sim *sim)
{
	unsigned int nr = (unsigned int)roll(sim, torture_nr_hosts(sim->torture));

	if (sim->seed >= TORTURE_SIM_GROWS && roll(sim, 8) == 0)
		return chaos_grow(sim);
	switch (roll(sim, 17)) {
	case 0:
	case 1:
	case 2:
	case 3:
		return chaos_kill(sim);
	case 4:
		return chaos_outage(sim);
	case 5:
		return chaos_restart(sim);
	case 6:
	case 7:
		if (!sim->hosts[nr].net)
			return;
		sim->report.resets++;
		sim_net_reset(sim->net, sim->server_host, sim->hosts[nr].net);
		return;
	case 8:
	case 9:
		return chaos_cut(sim);
	case 10:
	case 11:
		return chaos_crash(sim);
	case 12:
		return chaos_unfenced(sim);
	default:
		return chaos_slow(sim);
	}
}

FIBER_FN void torture_sim_chaos(void *arg)
{
	struct torture_sim *sim = arg;

	while (!sim->is_calm && torture_is_running(sim->torture)) {
		uint64_t ns = SIM_MS << roll(sim, 10);

		if (wait_queue_wait_until(&sim->calm, reactor_now_ns(sim->r) + roll(sim, ns)))
			chaos_one(sim);
	}
}
