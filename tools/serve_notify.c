/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `lamina serve` tells systemd.  Promises: without a listening systemd there is no timer; a status is sent only
 * when it has changed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "extent/fs.h"
#include "mds/mds.h"
#include "tools/serve_int.h"

#define STATUS_EVERY_NS (30 * NSEC_PER_SEC)

static void notify_status(struct notify *n)
{
	const struct mds *mds = n->mds;
	const char *error = fs_error(mds->fs);
	char status[sizeof(n->status)];

	if (error)
		snprintf(status, sizeof(status), "STATUS=Read-only: %s", error);
	else
		snprintf(status, sizeof(status), "STATUS=Serving %u clients, %" PRIu64 " opens", mds->nr_clients,
			 mds->nr_opens);
	if (strcmp(status, n->status) == 0)
		return;
	memcpy(n->status, status, sizeof(status));
	sd_notify(0, status);
}

static void notify_fire(struct reactor_timer *t)
{
	struct notify *n = t->owner;

	if (n->watchdog)
		sd_notify(0, "WATCHDOG=1");
	notify_status(n);
	reactor_timer_arm(n->reactor, &n->timer, reactor_now_ns(n->reactor) + n->every_ns);
}

void notify_start(struct notify *n, struct reactor *r, const struct mds *mds)
{
	uint64_t watchdog_us = 0;

	*n = (struct notify){ .reactor = r, .mds = mds, .timer = { .fire = notify_fire, .owner = n } };
	if (!getenv("NOTIFY_SOCKET"))
		return;
	n->every_ns = STATUS_EVERY_NS;
	if (sd_watchdog_enabled(0, &watchdog_us) > 0 && watchdog_us > 0) {
		n->watchdog = true;
		n->every_ns = min_u64(n->every_ns, watchdog_us * 1000 / 2);
	}
	sd_notify(0, "READY=1");
	notify_fire(&n->timer);
}

void notify_stop(struct notify *n)
{
	if (n->every_ns == 0)
		return;
	reactor_timer_cancel(n->reactor, &n->timer);
	n->every_ns = 0;
	sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
}
