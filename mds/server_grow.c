/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adding a device to the volume that is served.  Promises: clients are told of it only when the volume has it, and
 * nobody is given blocks of it before the server can keep him out of it; where that cannot be had, the volume stays
 * as it is.
 */

#include "dev/blkdev.h"
#include "mds/layout.h"
#include "mds/mds.h"
#include "mds/server.h"

static FIBER_FN int grow_now(struct mds *mds, struct blkdev *dev, const struct layout_source *source, struct why *why)
{
	struct layouts *layouts = mds->layouts;
	unsigned int index = layouts->devices.nr;
	int err = fence_admit(layouts->fence, index, why);

	if (err)
		return err;
	err = fs_grow(mds->fs, dev, why);
	if (err)
		fence_dismiss(layouts->fence, index);
	else
		layout_device_adopt(&layouts->devices, mds->fs, source);
	return err;
}

FIBER_FN int server_grow(struct mds *mds, struct blkdev *dev, const struct layout_source *source, bool dry_run,
			 struct why *why)
{
	struct layouts *layouts = mds->layouts;
	int err;

	if (mds->stopping)
		return why_set(why, -ESHUTDOWN, "the server is stopping");
	if (layouts->growing)
		return why_set(why, -EBUSY, "another device is just being added; try again");
	/* As at the start: a reservation that nobody needs would only be in the way. */
	if (!(layout_kinds_wanted(mds->config) & LAYOUT_SCSI))
		source = NULL;
	err = fs_may_grow(mds->fs, dev, why);
	if (!err)
		err = layout_device_propose(&layouts->devices, dev, source, why);
	if (err || dry_run)
		return err;
	layouts->growing = true;
	err = grow_now(mds, dev, source, why);
	layouts->growing = false;
	return err;
}
