/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases (RFC 8881, 8.3).  Promises: a client that is not heard of keeps what it has until the courtesy time is over;
 * one that was never confirmed goes with its lease; and a silent one makes room for another when there is
 * no place left.  Looks twice a lease while there are clients, and sleeps when
 * there are none.
 */

#include "dev/fiber.h"
#include "dev/log.h"
#include "mds/client.h"
#include "mds/grace.h"
#include "mds/layout_recall.h"

/* The next client whose time is over; NULL: none. */
static struct client *lease_over(struct mds *mds)
{
	uint64_t now = reactor_now_ns(mds->reactor);
	uint64_t lease_ns = mds->config->lease_seconds * NSEC_PER_SEC;
	uint64_t keep_ns = lease_ns + mds->config->courtesy_seconds * NSEC_PER_SEC;
	struct client *client = grace_leftover(mds);

	if (client)
		return client;
	list_for_each_entry(client, &mds->clients_by_lease, by_lease)
	{
		uint64_t silent = now - client->renewed_ns;

		if (silent <= lease_ns)
			break;
		client->courtesy = true;
		if (!client->busy && (mds->clients_wanted || !client->confirmed || silent > keep_ns))
			return client;
	}
	mds->clients_wanted = false;
	return NULL;
}

static FIBER_FN void lease_main(void *arg)
{
	struct mds *mds = arg;
	uint64_t half_ns = mds->config->lease_seconds * NSEC_PER_SEC / 2;
	struct client *client;

	while (!mds->stopping) {
		grace_consider(mds);
		while (!mds->stopping && (client = lease_over(mds))) {
			mds->clients_wanted = false;
			if (client->confirmed)
				log_info("client %lx (%s) was silent for too long: what it held is given up",
					 (unsigned long)client->id, client->peer);
			if (client_destroy(mds, client, NULL))
				break;
			mds->counts.clients_expired++;
		}
		layout_release_told(mds);
		if (mds->stopping)
			break;
		if (mds->nr_clients == 0)
			wait_queue_wait(&mds->lease_work);
		else if (wait_queue_wait_until(&mds->lease_work, reactor_now_ns(mds->reactor) + half_ns))
			continue;
	}
}

int lease_start(struct mds *mds)
{
	return fiber_spawn(mds->reactor, "lease", lease_main, mds, &mds->lease_fiber);
}

FIBER_FN void lease_stop(struct mds *mds)
{
	if (!mds->lease_fiber)
		return;
	wait_queue_wake_all(&mds->lease_work);
	fiber_join(mds->lease_fiber);
	mds->lease_fiber = NULL;
}
