/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grace period.  Promises: it is never longer than config's grace time, or while clients reclaim ten times that,
 * and there is none after a normal restart.
 */

#include "mds/grace.h"

#include "dev/log.h"
#include "mds/client.h"

#define GRACE_TIMES_MAX 10 /* config's grace time */

/* Whether somebody may still reclaim something. */
static bool grace_is_awaited(const struct mds *mds)
{
	struct client *client, *next;

	HASH_ITER (hh, mds->clients, client, next) {
		if (client->discarded || (client->can_reclaim && !client->reclaim_complete))
			return true;
	}
	return false;
}

void grace_start(struct mds *mds)
{
	mds->in_grace = grace_is_awaited(mds);
	if (!mds->in_grace)
		return;
	mds->grace_begin_ns = reactor_now_ns(mds->reactor);
	mds->grace_end_ns = mds->grace_begin_ns + mds->config->grace_seconds * NSEC_PER_SEC;
	log_info("%u clients may reclaim what they had, for %lu s at most", mds->nr_clients,
		 (unsigned long)mds->config->grace_seconds);
}

void grace_extend(struct mds *mds)
{
	uint64_t lease_ns = mds->config->lease_seconds * NSEC_PER_SEC;
	uint64_t grace_ns = mds->config->grace_seconds * NSEC_PER_SEC;
	uint64_t last_ns = mds->grace_begin_ns + GRACE_TIMES_MAX * grace_ns;

	if (mds->in_grace)
		mds->grace_end_ns =
			max_u64(mds->grace_end_ns, min_u64(reactor_now_ns(mds->reactor) + lease_ns, last_ns));
}

void grace_consider(struct mds *mds)
{
	bool over;

	if (!mds->in_grace)
		return;
	over = reactor_now_ns(mds->reactor) >= mds->grace_end_ns;
	if (!over && grace_is_awaited(mds))
		return;
	mds->in_grace = false;
	log_info("the grace period is over%s", over ? ": its time has passed" : ": all clients are back");
}

struct client *grace_leftover(const struct mds *mds)
{
	struct client *client, *next;

	if (mds->in_grace)
		return NULL;
	HASH_ITER (hh, mds->clients, client, next) {
		if (client->discarded && !client->busy)
			return client;
	}
	return NULL;
}
