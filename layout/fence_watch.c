/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watch over reservations.  Promises: a device that lost them has them again within a period; a fenced host that
 * registered by itself is cut off again; what is wrong with a device is said once, not every time.
 */
#include <inttypes.h>
#include <string.h>

#include "dev/blkdev.h"
#include "dev/fiber.h"
#include "dev/log.h"
#include "layout/fence_int.h"

#define WATCH_OFTENER 12

static FIBER_FN void watch_device(struct fence *fence, unsigned int index)
{
	struct fence_device *dev = &fence->devs[index];
	struct why why = { "" };
	int err;

	if (!fence->devices->v[index].reserver)
		return;
	fiber_mutex_lock(&dev->mutex);
	err = fence_look(fence, index, &why);
	fiber_mutex_unlock(&dev->mutex);
	if (err && !dev->is_ill)
		log_err("%s; clients that are fenced may be able to write there", why.text);
	else if (!err && dev->is_ill)
		log_info("%s: its reservation is as it should be again", fence->devices->v[index].dev->info.name);
	dev->is_ill = err != 0;
}

/* Hosts stay as long as the fence, so the walk may switch. */
static FIBER_FN void watch_hosts(struct fence *fence)
{
	for (struct fence_host *host = fence->hosts; host; host = host->hh.next) {
		enum fence_proof proof;
		int err;

		if (!host->is_back)
			continue;
		host->is_back = false;
		if (host->entry.state == FENCE_NONE || atomic_load(&fence->stopping))
			continue;
		log_warn("key 0x%016" PRIx64 ", \"%s\", is fenced and was registered again by itself",
			 host->entry.key, host->entry.owner);
		err = fence_client(fence, host->entry.key, LAYOUT_SCSI, "-", &proof);
		/* The next time again, if nobody else has done it by then. */
		host->is_back = err == -EBUSY;
		if (err && err != -EBUSY)
			log_err("it could not be fenced again: %s", strerror(-err));
	}
}

/*
 * A host that was paused between getting a layout and registering does so when it wakes, fenced meanwhile: no device
 * can refuse that.  So it is looked for more often while somebody is fenced.
 */
static uint64_t period(const struct fence *fence)
{
	return fence_has_other(fence, NULL) ? fence->opt.watch_ns / WATCH_OFTENER : fence->opt.watch_ns;
}

static FIBER_FN void watch_main(void *arg)
{
	struct fence *fence = arg;

	while (fence_wait(fence, period(fence)) == 0) {
		for (unsigned int i = 0; i < fence->devices->nr; i++)
			watch_device(fence, i);
		watch_hosts(fence);
	}
}

int fence_watch_start(struct fence *fence)
{
	return fiber_spawn(fence->reactor, "fence watch", watch_main, fence, &fence->watcher);
}

FIBER_FN void fence_watch_stop(struct fence *fence)
{
	if (!fence->watcher)
		return;
	fence_interrupt(fence);
	fiber_join(fence->watcher);
	fence->watcher = NULL;
}
