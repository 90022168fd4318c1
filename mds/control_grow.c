/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lamina grow`, of one device.  Promises: the answer says that the device was added only if it is in the volume for
 * good; it is added, or not, also if who asked has left.
 */
#include <stdio.h>
#include <string.h>

#include <uuid/uuid.h>

#include "extent/fs.h"
#include "mds/control_int.h"
#include "mds/layout.h"
#include "mds/mds.h"

static bool is_path(const char *text)
{
	if (!text || text[0] != '/')
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static void add_space(struct json_object *o, const struct fs *fs)
{
	struct json_object *volume = control_add_object(o, "volume");
	struct fs_stats stats;

	fs_stats(fs, &stats);
	control_add_u64(volume, "size_bytes", stats.total_blocks * DADDR_BLOCK_SIZE);
	control_add_u64(volume, "free_bytes", stats.free_blocks * DADDR_BLOCK_SIZE);
}

static struct json_object *document(const struct mds *mds, const struct control_grow *ask,
				    const struct control_grown *grown)
{
	const struct layout_device *d = &mds->layouts->devices.v[grown->index];
	struct json_object *o = json_object_new_object(), *devices;
	char id[UUID_STR_LEN];

	control_add_text(o, "path", ask->path);
	control_add_bool(o, "added", !ask->dry_run);
	control_add_u64(o, "number", grown->index + 1);
	if (!ask->dry_run)
		uuid_unparse_lower(d->id, id);
	control_add_text(o, "id", ask->dry_run ? NULL : id);
	control_add_u64(o, "size_bytes", grown->size);
	control_add_text(o, "held", grown->held[0] ? grown->held : NULL);
	control_add_types(o, d->offers);
	add_space(o, mds->fs);
	devices = control_add_array(o, "devices");
	for (unsigned int i = 0; i < grown->nr_paths; i++)
		json_object_array_add(devices, json_object_new_string(grown->paths[i]));
	return o;
}

FIBER_FN void control_grow(const struct control_options *opt, const struct control_grow *ask, struct control_out *out)
{
	struct control_grown grown = { .index = 0 };
	struct json_object *o;
	struct why why = { "" };
	int err;

	if (!is_path(ask->path)) {
		control_out_error(out, "\"device\" must be an absolute path");
		return;
	}
	if (!opt->grow || !opt->mds->layouts) {
		control_out_error(out, "this server cannot add devices");
		return;
	}
	err = opt->grow(opt->grow_arg, ask, &grown, &why);
	if (err) {
		control_out_error(out, why.text[0] ? why.text : strerror(-err));
		return;
	}
	o = document(opt->mds, ask, &grown);
	control_out_json(out, o);
	json_object_put(o);
}
