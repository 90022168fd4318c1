/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina grow` in the server: open the device, look at it, add it.  Promises: a device that is in the volume is not
 * touched, whatever its path; one that holds something only if that is asked for; nothing is written before all
 * that can be known of it is known.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "dev/log.h"
#include "dev/probe.h"
#include "extent/fs.h"
#include "mds/control.h"
#include "mds/server.h"
#include "tools/device_report.h"
#include "tools/serve_int.h"
#include "tools/serve_source.h"

static_assert(sizeof(((struct control_grown *)0)->held) >= PROBE_TEXT_MAX, "what a device held");

/* Whether both are one disk, or one file. */
static bool is_same(const char *a, const char *b)
{
	struct stat at_a, at_b;

	if (stat(a, &at_a) || stat(b, &at_b))
		return false;
	if (S_ISBLK(at_a.st_mode) && S_ISBLK(at_b.st_mode))
		return at_a.st_rdev == at_b.st_rdev;
	return at_a.st_dev == at_b.st_dev && at_a.st_ino == at_b.st_ino;
}

struct look {
	const char *path;
	bool is_begun; /* with our label, which is nothing */
	struct probe_result result;
};

/* In a helper thread. */
static int look_run(void *arg)
{
	struct look *look = arg;

	return probe_path(look->path, look->is_begun ? NULL : &label_probe, &look->result);
}

/* In a helper thread. */
static int wipe_run(void *arg)
{
	return probe_wipe_path(arg);
}

/* What would be lost with it, and whether it may be. */
static FIBER_FN int grow_look(struct serve *s, const struct control_grow *ask, char held[PROBE_TEXT_MAX],
			      struct why *why)
{
	struct look look = { .path = ask->path };
	enum fs_stranger is = FS_STRANGER;
	int err = fs_stranger(s->fs, s->devs[s->nr_devs], &is);

	look.is_begun = is == FS_STRANGER_BEGUN;
	if (!err)
		err = reactor_call(s->reactor, look_run, &look);
	if (err)
		return why_set(why, err, "%s: cannot be looked at: %s", ask->path, strerror(-err));
	if (is == FS_STRANGER_MEMBER)
		return why_set(
			why, -EEXIST,
			"%s: is in the volume already, by another path, or is a copy of a device that is: then "
			"overwrite its first and last MiB before you add it",
			ask->path);
	if (look.result.found && !ask->force)
		return why_set(why, -EEXIST, "%s holds: %s; --force overwrites it", ask->path, look.result.text);
	snprintf(held, PROBE_TEXT_MAX, "%s", look.result.text);
	return 0;
}

/* What other programs would still find beside the new label. */
static FIBER_FN int grow_wipe(struct serve *s, const struct control_grow *ask, struct why *why)
{
	int err = reactor_call(s->reactor, wipe_run, (void *)(uintptr_t)ask->path);

	return err ? why_set(why, err, "%s: what it holds cannot be wiped: %s", ask->path, strerror(-err)) : 0;
}

/* With the device opened, and what is known of it. */
static FIBER_FN int grow_opened(struct serve *s, const struct control_grow *ask, struct control_grown *grown,
				struct why *why)
{
	unsigned int index = s->nr_devs;
	struct blkdev *dev = s->devs[index];
	int err = fs_may_grow(s->fs, dev, why);

	if (!err)
		err = grow_look(s, ask, grown->held, why);
	if (!err && *grown->held && !ask->dry_run)
		err = grow_wipe(s, ask, why);
	if (!err)
		err = server_grow(s->mds, dev, &s->sources->v[index], ask->dry_run, why);
	grown->index = index;
	grown->size = dev->info.size;
	return err;
}

static FIBER_FN int grow_next(struct serve *s, const struct control_grow *ask, struct control_grown *grown,
			      struct why *why)
{
	unsigned int index = s->nr_devs;
	int err = serve_open_device(s, ask->path, false, why);

	if (err)
		return err;
	source_open_next(s, index);
	err = grow_opened(s, ask, grown, why);
	/* A store that failed in the middle of it has it until the end. */
	if (fs_nr_devices(s->fs) == index) {
		source_close(s, index);
		serve_close_device(s, index);
		return err;
	}
	s->nr_devs++;
	s->sources->nr++;
	return err;
}

FIBER_FN int serve_grow(void *arg, const struct control_grow *ask, struct control_grown *ret_grown, struct why *why)
{
	struct control_grown grown = { .index = 0 };
	struct serve *s = arg;
	int err;

	if (s->growing)
		return why_set(why, -EBUSY, "another device is just being added; try again");
	if (s->nr_devs == VOLUME_DEVICES_MAX)
		return why_set(why, -EINVAL, "the volume has %u devices already, and can have no more", s->nr_devs);
	for (unsigned int i = 0; i < s->nr_devs; i++)
		if (is_same(s->paths[i], ask->path))
			return why_set(why, -EEXIST, "%s: is in the volume already", ask->path);
	s->growing = true;
	err = grow_next(s, ask, &grown, why);
	s->growing = false;
	if (err) {
		log_warn("grow, as asked on the control socket: %s", why->text);
		return err;
	}
	if (!ask->dry_run)
		log_warn("device %s was added, as asked on the control socket; the next start needs it, too, in "
			 "\"devices\" of the configuration or on the command line",
			 ask->path);
	grown.paths = (const char *const *)s->paths;
	grown.nr_paths = s->nr_devs;
	*ret_grown = grown;
	return 0;
}
