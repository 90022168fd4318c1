/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What goes wrong in a simulation, and the server that goes through it.
 *
 * Promise: after each power cut the volume is checked as a whole before the server starts on it.
 */

#include <stdio.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/check_run.h"
#include "mds/mds.h"
#include "tests/lib/nfs_sim_int.h"

struct finding {
	const struct nfs_sim *sim;
	char text[256];
};

static void chaos_report(void *arg, enum check_severity severity, const char *sentence)
{
	struct finding *finding = arg;

	if (severity == CHECK_ERROR && !finding->text[0])
		snprintf(finding->text, sizeof(finding->text), "%s", sentence);
}

FIBER_FN void sim_chaos_check(struct nfs_sim *sim, uint64_t *ret_inodes, uint64_t *ret_data_blocks)
{
	struct finding finding = { .sim = sim };
	struct check_options opt = { .memory = 8 << 20, .report = chaos_report, .arg = &finding };
	struct check_result result;
	int err = check_run(sim->store.fs, &opt, &result);

	/* With the power it all goes. */
	if (!sim_disk_has_power(sim->store.disks[0]))
		return;
	if (err || result.errors > 0)
		sim_fail(sim, NULL, "volume", "%llu errors (%d): %s", (unsigned long long)result.errors, -err,
			 finding.text);
	*ret_inodes = result.inodes;
	*ret_data_blocks = result.data_blocks;
}

static FIBER_FN int chaos_start(struct nfs_sim *sim, struct why *why)
{
	const struct server_options opt = { .discard_state = false };

	return server_start(sim->store.r, sim->store.fs, sim->server_host, sim->config, &opt, &sim->mds, why);
}

FIBER_FN void sim_chaos_serve(struct nfs_sim *sim)
{
	struct why why = { "" };

	if (chaos_start(sim, &why))
		sim_fail(sim, NULL, "start", "the server does not start: %s", why.text);
}

/* The server ends, however. */
FIBER_FN void sim_chaos_stop(struct nfs_sim *sim)
{
	sim->report.replays += sim->mds->counts.replays;
	sim->report.resumed += sim->mds->counts.resumed;
	server_stop(sim->mds);
	sim->mds = NULL;
}

static bool has_power(const struct nfs_sim *sim)
{
	return sim_disk_has_power(sim->store.disks[0]);
}

/* A power cut that was ordered for later does not come. */
static void chaos_disarm(struct nfs_sim *sim)
{
	sim_disk_power_off_at(sim->store.disks[0], UINT64_C(1) << 40, false, SIM_POWER_ERRORS);
}

/* Stopped as by an administrator, unmounted, and started again. */
static FIBER_FN void chaos_restart(struct nfs_sim *sim)
{
	sim->report.restarts++;
	sim_chaos_stop(sim);
	store_unmount(&sim->store);
	if (store_mount(&sim->store))
		sim_fail(sim, NULL, "mount", "%s", sim->store.why.text);
	sim_chaos_serve(sim);
}

/* After a power cut.  False: there was another one before the server stood. */
static FIBER_FN bool chaos_recover(struct nfs_sim *sim)
{
	struct why why = { "" };
	uint64_t inodes, blocks;
	int err;

	store_power_cut(&sim->store, dice_roll(&sim->dice));
	sim->server_host = sim_net_host(sim->net, "10.0.0.1");
	if (dice_below(&sim->dice, 4) == 0)
		sim_disk_power_off_at(sim->store.disks[0], 1 + dice_below(&sim->dice, 4), false, SIM_POWER_ERRORS);
	err = store_mount(&sim->store);
	if (!has_power(sim))
		return false;
	if (err)
		sim_fail(sim, NULL, "mount", "%s", sim->store.why.text);
	sim_chaos_check(sim, &inodes, &blocks);
	if (dice_below(&sim->dice, 3) == 0)
		fiber_sleep_ns(dice_below(&sim->dice,
					  dice_below(&sim->dice, 3) ? NSEC_PER_SEC : 2 * SIM_LEASE_S * NSEC_PER_SEC));
	err = chaos_start(sim, &why);
	if (err && has_power(sim))
		sim_fail(sim, NULL, "start", "the server does not start: %s", why.text);
	chaos_disarm(sim);
	if (!err && has_power(sim))
		return true;
	sim_net_host_crash(sim->net, sim->server_host);
	if (!err)
		sim_chaos_stop(sim);
	return false;
}

static FIBER_FN void chaos_kill(struct nfs_sim *sim)
{
	/* At times it goes on for a little and nobody hears of it: what is done then was never answered. */
	bool unheard = dice_below(&sim->dice, 3) == 0;

	sim->report.kills++;
	if (unheard) {
		sim_net_host_crash(sim->net, sim->server_host);
		fiber_sleep_ns(dice_below(&sim->dice, 20 * SIM_MS));
	}
	/* From now on nothing reaches the disk or the network; what still runs fails and ends. */
	sim_disk_power_off(sim->store.disks[0], SIM_POWER_ERRORS);
	if (!unheard)
		sim_net_host_crash(sim->net, sim->server_host);
	sim_chaos_stop(sim);
	while (!chaos_recover(sim))
		sim->report.kills++;
}

static struct sim_client *chaos_client(struct nfs_sim *sim)
{
	return &sim->clients[dice_below(&sim->dice, sim->nr_clients)];
}

/* Shorter than the lease, or longer. */
static FIBER_FN void chaos_cut(struct nfs_sim *sim)
{
	struct sim_client *client = chaos_client(sim);
	struct net *server = sim->server_host, *host = client->host;
	uint64_t ns = dice_below(&sim->dice, 3) ? dice_below(&sim->dice, 3 * NSEC_PER_SEC)
						: dice_below(&sim->dice, 5 * SIM_LEASE_S * NSEC_PER_SEC);

	if (!client->is_up)
		return;
	sim->report.cuts++;
	sim_net_cut(sim->net, server, host, true);
	fiber_sleep_ns(ns);
	sim_net_cut(sim->net, server, host, false);
}

static FIBER_FN void chaos_slow(struct nfs_sim *sim)
{
	sim->report.holds++;
	sim_disk_hold(sim->store.disks[0], NULL, NULL);
	fiber_sleep_ns(dice_below(&sim->dice, dice_below(&sim->dice, 4) ? 20 * SIM_MS : 2 * NSEC_PER_SEC));
	if (dice_below(&sim->dice, 3) == 0)
		chaos_kill(sim);
	else
		sim_disk_release(sim->store.disks[0]);
}

static FIBER_FN void chaos_one(struct nfs_sim *sim)
{
	struct sim_client *client;

	switch (dice_below(&sim->dice, 13)) {
	case 12:
		return chaos_restart(sim);
	case 0:
	case 1:
	case 2:
	case 3:
		return chaos_kill(sim);
	case 4:
	case 5:
		client = chaos_client(sim);
		if (client->is_up) {
			sim->report.resets++;
			sim_net_reset(sim->net, sim->server_host, client->host);
		}
		return;
	case 6:
	case 7:
		return chaos_cut(sim);
	case 8:
		client = chaos_client(sim);
		if (client->is_up && client->nr_fibers > 0) {
			sim->report.crashes++;
			sim_client_crash(client);
		}
		return;
	default:
		return chaos_slow(sim);
	}
}

FIBER_FN void sim_chaos(struct nfs_sim *sim)
{
	while (sim->nr_running > 0) {
		uint64_t ns = SIM_MS << dice_below(&sim->dice, 8);

		if (wait_queue_wait_until(&sim->finished, sim_now(sim) + dice_below(&sim->dice, ns)))
			chaos_one(sim);
	}
}
