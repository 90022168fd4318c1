/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A client of the simulation: connects, works, crashes, comes back.
 *
 * Promise: whatever happens to network and server, a request is answered in the end, exactly once; only a crash of
 * the client itself leaves its fibers in doubt.
 */

#include <stdio.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/lib/nfs_sim_int.h"
#include "tools/nfs_status.h"

#define PATIENCE (3000 * NSEC_PER_SEC)

uint64_t sim_roll(struct sim_fiber *f, uint64_t below)
{
	return dice_below(&f->dice, below);
}

static FIBER_FN int client_try(struct sim_client *client)
{
	struct nfs_conn *conn2 = NULL;
	const struct nfs_session_options opt = { .slots = client->nr_slots };
	int err = nfs_conn_is_up(client->conn) ? 0 : nfs_conn_reconnect(client->conn);

	if (!err)
		err = nfs_client_exchange_id(&client->client, client->conn);
	if (!err)
		err = nfs_session_open(&client->client, client->conn, &opt, &client->session);
	if (err || dice_below(&client->sim->dice, 2))
		return err;
	/* A second connection, if that goes at once. */
	if (nfs_client_connect(&client->client, client->host, &client->sim->addr, &conn2) == 0 &&
	    nfs_session_add_conn(client->session, conn2, CDFC4_FORE) == 0)
		client->conn2 = conn2;
	else
		nfs_conn_close(conn2);
	return 0;
}

FIBER_FN void sim_client_up(struct sim_client *client)
{
	struct nfs_sim *sim = client->sim;
	struct nfs_identity identity = { .has_impl = true, .impl_domain = "lamina.invalid", .impl_name = "sim" };
	uint64_t until = sim_now(sim) + PATIENCE;
	char owner[32];
	int err;

	client->incarnation++;
	snprintf(owner, sizeof(owner), "client %u", client->nr);
	nfs_identity_set_owner(&identity, owner);
	memcpy(identity.verifier, &client->incarnation, sizeof(client->incarnation));
	identity.minorversion = 2;
	client->host = sim_net_host(sim->net, client->addr);
	nfs_client_init(&client->client, sim->store.r, &identity);
	client->client.timeout_ns = 40 * NSEC_PER_SEC;
	do {
		err = nfs_client_connect(&client->client, client->host, &sim->addr, &client->conn);
		if (err)
			fiber_sleep_ns(100 * SIM_MS);
	} while (err && sim_now(sim) < until);
	while (!err && (err = client_try(client)) != 0 && sim_now(sim) < until) {
		/* A server that starts again has forgotten who was not confirmed. */
		if (err > 0 && err != NFS4ERR_DELAY && err != NFS4ERR_STALE_CLIENTID)
			break;
		fiber_sleep_ns(100 * SIM_MS);
		err = 0;
	}
	if (err)
		sim_fail(sim, NULL, "client", "client %u does not get a session: %s", client->nr,
			 err > 0 ? nfs_status_name((uint32_t)err) : strerror(-err));
	client->heard_ns = sim_now(sim);
	client->gap_ns = 0;
	client->client.timeout_ns = PATIENCE;
	client->crashed = false;
	client->is_up = true;
	wait_queue_wake_all(&client->changed);
}

/* Its fibers are stopped, or done. */
FIBER_FN void sim_client_down(struct sim_client *client)
{
	client->is_up = false;
	if (client->crashed) {
		nfs_session_discard(client->session);
	} else {
		client->client.timeout_ns = 60 * NSEC_PER_SEC;
		if (nfs_session_close(client->session) == 0)
			(void)!nfs_client_destroy(&client->client, client->conn);
	}
	nfs_conn_close(client->conn);
	nfs_conn_close(client->conn2);
	nfs_client_release(&client->client);
	client->session = NULL;
	client->conn = client->conn2 = NULL;
}

void sim_client_crash(struct sim_client *client)
{
	uint64_t now = sim_now(client->sim);

	client->crashed = true;
	client->is_up = false;
	client->down_ns =
		now + (dice_below(&client->sim->dice, 3) ? dice_below(&client->sim->dice, 2 * NSEC_PER_SEC)
							 : dice_below(&client->sim->dice, 60 * NSEC_PER_SEC));
	for (unsigned int i = 0; i < SIM_FIBERS_MAX; i++) {
		client->fibers[i].c.resends = false;
		client->fibers[i].c.deadline_ns = now;
	}
	sim_net_host_crash(client->sim->net, client->host);
	wait_queue_wake_all(&client->changed);
}

static bool all_stopped(const struct sim_client *client)
{
	for (unsigned int i = 0; i < client->nr_fibers; i++)
		if (!client->fibers[i].is_stopped && !client->fibers[i].is_done)
			return false;
	return true;
}

static bool all_done(const struct sim_client *client)
{
	for (unsigned int i = 0; i < client->nr_fibers; i++)
		if (!client->fibers[i].is_done)
			return false;
	return true;
}

/* Looks after the client: brings it back after a crash, keeps its lease while nobody has anything to do. */
FIBER_FN void sim_client_main(void *arg)
{
	struct sim_client *client = arg;
	struct nfs_sim *sim = client->sim;
	struct sim_fiber *pinger = &client->fibers[SIM_FIBERS_MAX - 1];

	while (!all_done(client) || client->crashed) {
		if (client->crashed && all_stopped(client)) {
			for (unsigned int i = 0; i < client->nr_fibers; i++)
				home_forget_opens(client->fibers[i].now);
			sim_client_down(client);
			if (sim_now(sim) < client->down_ns)
				fiber_sleep_ns(client->down_ns - sim_now(sim));
			sim_client_up(client);
			continue;
		}
		if (wait_queue_wait_until(&client->changed, sim_now(sim) + SIM_LEASE_S * NSEC_PER_SEC / 3) == 0 ||
		    client->crashed)
			continue;
		nfs_session_begin(client->session, &pinger->c);
		snprintf(pinger->doing, sizeof(pinger->doing), "ping");
		(void)!sim_send(pinger);
	}
	client->nr_fibers = 0;
	sim->nr_running--;
	wait_queue_wake_all(&sim->finished);
}

struct nfs_compound *sim_begin(struct sim_fiber *f, const struct nfs_fh *fh)
{
	if (!f->client->session || f->client->crashed) {
		/* Nobody will send it. */
		nfs_compound_begin(&f->c);
		nfs_op_putrootfh(&f->c);
		return &f->c;
	}
	nfs_session_begin(f->client->session, &f->c);
	if (fh)
		nfs_op_putfh(&f->c, fh);
	return &f->c;
}

static FIBER_FN int send_once(struct sim_fiber *f)
{
	struct sim_client *client = f->client;
	struct nfs_sim *sim = f->sim;
	uint64_t dice = sim->calm ? 99 : sim_roll(f, 64);
	uint64_t start = sim_now(sim);
	int err = nfs_session_start(client->session, &f->c);

	if (err)
		return err;
	if (dice < 4 && !client->crashed) {
		sim->report.duplicates++;
		if (dice < 2)
			fiber_sleep_ns(sim_roll(f, 2 * SIM_MS));
		/* Once more the same bytes; the connection may just break, no matter. */
		if (!client->crashed)
			(void)!nfs_compound_duplicate(&f->c, f->c.sent_via);
	} else if (dice < 7 && !client->crashed) {
		sim->report.drops++;
		if (dice < 6)
			fiber_sleep_ns(sim_roll(f, 3 * SIM_MS));
		if (!client->crashed)
			nfs_conn_drop(f->c.sent_via);
	}
	err = nfs_session_wait(client->session, &f->c);
	if (!err) {
		sim->report.requests++;
		if (sim_now(sim) - client->heard_ns >= SIM_LEASE_S * NSEC_PER_SEC)
			client->gap_ns = sim_now(sim);
		if (start > client->heard_ns)
			client->heard_ns = start;
	}
	return err;
}

FIBER_FN int sim_send(struct sim_fiber *f)
{
	uint64_t pause = 5 * SIM_MS;
	int err;

	for (;;) {
		if (f->client->crashed)
			return -ENETDOWN;
		f->c.timeout_ns = PATIENCE;
		err = send_once(f);
		if (f->client->crashed)
			return -ENETDOWN;
		if (err)
			sim_fail(f->sim, f, "answer", "no usable answer: %s", strerror(-err));
		if (!f->c.has_sequence || (f->c.sequence.sr_status && f->c.sequence.sr_status != NFS4ERR_DELAY))
			sim_fail(f->sim, f, "session", "SEQUENCE is refused: %s", nfs_status_name(f->c.status));
		/* A lost reply that nobody was to keep: the request is asked anew. */
		if (f->c.status == NFS4ERR_RETRY_UNCACHED_REP && !f->c.cachethis)
			continue;
		if ((f->c.status != NFS4ERR_DELAY && f->c.status != NFS4ERR_GRACE) ||
		    (f->ends_at_delay && !f->c.sequence.sr_status))
			return (int)f->c.status;
		fiber_sleep_ns(pause);
		pause = min_u64(2 * pause, NSEC_PER_SEC);
	}
}

FIBER_FN bool sim_expect(struct sim_fiber *f, int want)
{
	int got = sim_send(f);

	if (got < 0)
		return false;
	if (got != want)
		sim_fail(f->sim, f, "result", "%s, not %s (operation %u)", nfs_status_name((uint32_t)got),
			 nfs_status_name((uint32_t)want), f->c.nr_results);
	return true;
}

struct wire_attrs sim_attrs(struct sim_fiber *f, uint32_t at)
{
	struct wire_attrs attrs;

	if (nfs_op_got_attrs(&f->c, at, &attrs))
		sim_fail(f->sim, f, "answer", "no attributes");
	return attrs;
}

struct nfs_fh sim_fh(struct sim_fiber *f, uint32_t at)
{
	struct nfs_fh fh;

	if (nfs_op_got_fh(&f->c, at, &fh))
		sim_fail(f->sim, f, "answer", "no file handle");
	return fh;
}

change_info4 sim_change(struct sim_fiber *f, uint32_t at)
{
	change_info4 change;

	if (nfs_op_got_change(&f->c, at, &change))
		sim_fail(f->sim, f, "answer", "no change_info");
	return change;
}
