/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layouts when the server starts and stops.  Promise: what clients could reach before the start is fenced off or
 * known again before anybody is answered; a device that cannot be protected costs its layouts, never the server.
 */

#include <stdlib.h>
#include <string.h>

#include "layout/fence_record.h"
#include "mds/compound.h"
#include "mds/layout.h"

#define DRAIN_NS (30 * NSEC_PER_SEC) /* a command to a disk: Linux gives it up after so long */

#define WATCH_NS (60 * NSEC_PER_SEC)

static_assert(RECORD_KEY == FENCE_RECORD_KEY, "one number");
static_assert((int)LAYOUT_SCSI == (int)EXPORT_LAYOUT_SCSI && (int)LAYOUT_BLOCK == (int)EXPORT_LAYOUT_BLOCK, "bits");

unsigned int layout_kinds_wanted(const struct config *config)
{
	unsigned int kinds = 0;

	for (unsigned int i = 0; i < config->nr_exports; i++) {
		for (unsigned int j = 0; j < config->exports[i].nr_rules; j++)
			kinds |= config->exports[i].rules[j].layouts;
	}
	return kinds;
}

static FIBER_FN int start_fence(struct mds *mds, struct layouts *layouts, struct why *why)
{
	const struct config *config = mds->config;
	const struct fence_options opt = {
		.type = (enum reservation_type)config->reservation,
		.command = config->fence_command[0] ? config->fence_command : NULL,
		.block_wait_ns = config->block_wait_seconds * NSEC_PER_SEC,
		.drain_ns = DRAIN_NS,
		.watch_ns = WATCH_NS,
	};

	return fence_open(mds->reactor, mds->fs, &layouts->devices, &opt, &layouts->fence, why);
}

FIBER_FN int layout_start(struct mds *mds, const struct layout_source *sources, unsigned int nr, struct why *why)
{
	unsigned int wanted = layout_kinds_wanted(mds->config);
	struct layouts *layouts = calloc(1, sizeof(*layouts));
	int err;

	if (!layouts)
		return why_set(why, -ENOMEM, "no memory for layouts");
	wait_queue_init(&layouts->gone);
	/* A reservation that nobody needs would only be in the way. */
	err = layout_devices_open(mds->fs, wanted & LAYOUT_SCSI ? sources : NULL, nr, &layouts->devices);
	if (err) {
		free(layouts);
		return why_set(why, err, "the devices cannot be offered to clients: %s", strerror(-err));
	}
	err = start_fence(mds, layouts, why);
	if (err) {
		layout_devices_close(&layouts->devices);
		free(layouts);
		return err;
	}
	layouts->kinds = layouts->devices.offers & wanted;
	layouts->started_ns = reactor_now_ns(mds->reactor);
	mds->layouts = layouts;
	return 0;
}

void layout_interrupt(struct mds *mds)
{
	if (!mds->layouts)
		return;
	fence_interrupt(mds->layouts->fence);
	wait_queue_wake_all(&mds->layouts->gone);
}

FIBER_FN void layout_stop(struct mds *mds)
{
	if (!mds->layouts)
		return;
	fence_close(mds->layouts->fence);
	layout_devices_close(&mds->layouts->devices);
	free(mds->layouts);
	mds->layouts = NULL;
}

unsigned int layout_kinds_of(const struct compound *c, const struct fh *fh)
{
	if (!c->mds->layouts || fh->kind != FH_FILE)
		return 0;
	return c->mds->layouts->kinds & fh->rule->layouts;
}
