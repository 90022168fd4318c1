/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients on a detour.  Promises: they are on mds.detours in the order of their last READ or WRITE, the latest last,
 * and stay there until they are gone; whether that was lately is the reader's to ask.
 */

#include "mds/detour.h"

#include "mds/backchannel.h"
#include "mds/client.h"
#include "mds/layout.h"

#define SECTOR 512u /* what clients' direct I/O to a device begins and ends at */

void detour_note(struct mds *mds, struct client *client, uint64_t offset, uint64_t count, bool to_end)
{
	/* A request of a client that is gone by now: it would be freed on the list. */
	if (client->gone)
		return;
	client->detour_ns = reactor_now_ns(mds->reactor);
	client->detour_is_odd = offset % SECTOR != 0 || (!to_end && count % SECTOR != 0);
	list_del(&client->by_detour);
	list_add_tail(&client->by_detour, &mds->detours);
}

void detour_error(const struct mds *mds, struct client *client)
{
	client->device_failed = true;
	client->device_error_ns = reactor_now_ns(mds->reactor);
}

static bool is_recent(const struct mds *mds, uint64_t ns)
{
	return reactor_now_ns(mds->reactor) - ns < DETOUR_SECONDS * NSEC_PER_SEC;
}

bool detour_is_on(const struct mds *mds, const struct client *client)
{
	return !list_is_empty(&client->by_detour) && is_recent(mds, client->detour_ns);
}

/* It gets layouts, as far as its last LAYOUTGET tells. */
static const char *why_unused(const struct mds *mds, const struct client *client)
{
	if (client->device_failed && is_recent(mds, client->device_error_ns))
		return "it reported an error of a device";
	if (!detour_is_on(mds, client))
		return NULL;
	if (client->detour_is_odd)
		return "its I/O does not begin and end at sectors";
	return "it gets layouts and does not use them: it does not reach or find a device, or had an I/O error there";
}

const char *detour_why(const struct mds *mds, const struct client *client)
{
	if (!mds->layouts || !mds->layouts->kinds)
		return "the server offers no layouts";
	if (client->key && fence_state_of(mds->layouts->fence, client->key) != FENCE_NONE)
		return "it is fenced";
	if (client->nr_layouts_revoked > 0)
		return "its layouts were taken away, and it has not said that it knows";
	if (!backchannel_has_path(client))
		return "it cannot be called back";
	if (client->nr_layoutgets == 0 && client->nr_layouts == 0)
		return "it does not ask for layouts";
	switch (client->layout_refused) {
	case NFS4_OK:
		return why_unused(mds, client);
	case NFS4ERR_RECALLCONFLICT:
	case NFS4ERR_DELAY:
		return NULL;
	case NFS4ERR_BADLAYOUT:
		return "what it asked for last cannot be laid out for it";
	case NFS4ERR_LAYOUTUNAVAILABLE:
		return "its export gives it no layouts";
	default:
		return "its last LAYOUTGET was refused";
	}
}
