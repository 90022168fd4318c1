/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices and fences in documents of the control socket.  Promises: keys are those that the devices say now; a device
 * that does not answer is said to be one, after two seconds, and holds nothing up.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uuid/uuid.h>

#include "dev/fiber.h"
#include "mds/control_int.h"
#include "mds/layout.h"
#include "mds/mds.h"

#define LOOK_NS	  (2 * NSEC_PER_SEC)
#define KEYS_MAX  64u /* of a device that are shown */
#define UUID_TEXT 37
#define HEX_TEXT  19
#define NS	  1e9

/* Asking all devices at a time; freed by the last that has to do with it. */
struct look {
	struct mds *mds;
	unsigned int refs, nr, nr_done;
	struct wait_queue done;
	struct look_device {
		struct look *look;
		bool is_done;
		int err;
		struct reserver_view view;
	} devices[];
};

static void look_put(struct look *look)
{
	if (--look->refs > 0)
		return;
	for (unsigned int i = 0; i < look->nr; i++)
		reserver_view_release(&look->devices[i].view);
	free(look);
}

static FIBER_FN void look_main(void *arg)
{
	struct look_device *d = arg;
	struct look *look = d->look;
	struct mds *mds = look->mds;

	d->err = fence_read_device(mds->layouts->fence, (unsigned int)(d - look->devices), &d->view);
	d->is_done = true;
	look->nr_done++;
	wait_queue_wake_all(&look->done);
	look_put(look);
	mds->nr_fibers--;
	wait_queue_wake_all(&mds->idle);
}

/* NULL: no memory. */
static FIBER_FN struct look *look_at_devices(struct mds *mds)
{
	unsigned int nr = mds->layouts->devices.nr;
	uint64_t deadline = reactor_now_ns(mds->reactor) + LOOK_NS;
	struct look *look = calloc(1, sizeof(*look) + nr * sizeof(look->devices[0]));

	if (!look)
		return NULL;
	look->mds = mds;
	look->nr = nr;
	look->refs = 1;
	wait_queue_init(&look->done);
	for (unsigned int i = 0; i < nr; i++) {
		struct look_device *d = &look->devices[i];

		d->look = look;
		d->err = mds->stopping ? -ESHUTDOWN : fiber_spawn(mds->reactor, "look", look_main, d, NULL);
		if (d->err) {
			d->is_done = true;
			look->nr_done++;
			continue;
		}
		look->refs++;
		mds->nr_fibers++;
	}
	while (look->nr_done < nr) {
		if (wait_queue_wait_until(&look->done, deadline))
			break;
	}
	return look;
}

static void add_hex(struct json_object *o, const char *name, uint64_t value)
{
	char text[HEX_TEXT];

	snprintf(text, sizeof(text), "0x%016" PRIx64, value);
	control_add_text(o, name, text);
}

static const char *type_word(enum reservation_type type)
{
	switch (type) {
	case RESERVATION_WRITE_EXCLUSIVE:
		return "write exclusive";
	case RESERVATION_EXCLUSIVE_ACCESS:
		return "exclusive access";
	case RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY:
		return "write exclusive, registrants only";
	case RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY:
		return "exclusive access, registrants only";
	case RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS:
		return "write exclusive, all registrants";
	case RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS:
		return "exclusive access, all registrants";
	}
	return "unknown";
}

static void add_view(struct json_object *o, const struct look_device *d)
{
	struct json_object *keys;

	if (!d->is_done || d->err) {
		control_add_text(o, "error", d->is_done ? strerror(-d->err) : "no answer");
		return;
	}
	control_add_text(o, "error", NULL);
	control_add_text(o, "reservation", d->view.reserved ? type_word(d->view.type) : NULL);
	if (d->view.reserved && d->view.holder)
		add_hex(o, "holder", d->view.holder);
	else
		control_add_text(o, "holder", NULL);
	control_add_u64(o, "nr_keys", d->view.nr_keys);
	keys = control_add_array(o, "keys");
	for (unsigned int i = 0; i < d->view.nr_keys && i < KEYS_MAX; i++) {
		char text[HEX_TEXT];

		snprintf(text, sizeof(text), "0x%016" PRIx64, d->view.keys[i].key);
		json_object_array_add(keys, json_object_new_string(text));
	}
}

void control_add_types(struct json_object *o, unsigned int kinds)
{
	struct json_object *types = control_add_array(o, "types");

	if (kinds & LAYOUT_SCSI)
		json_object_array_add(types, json_object_new_string("scsi"));
	if (kinds & LAYOUT_BLOCK)
		json_object_array_add(types, json_object_new_string("block"));
}

FIBER_FN void control_add_devices(struct json_object *top, struct mds *mds, uint64_t key, bool *ret_seen)
{
	const struct layout_devices *devices = &mds->layouts->devices;
	struct json_object *array = control_add_array(top, "devices");
	struct look *look = look_at_devices(mds);
	bool seen = !look;

	/* One may have been added since they were asked. */
	for (unsigned int i = 0; look && i < look->nr; i++) {
		const struct layout_device *d = &devices->v[i];
		const struct look_device *at = &look->devices[i];
		struct json_object *o = json_object_new_object();
		char id[UUID_TEXT];

		uuid_unparse_lower(d->id, id);
		control_add_text(o, "path", d->dev->info.name);
		control_add_text(o, "id", id);
		control_add_types(o, d->offers);
		control_add_text(o, "why_not_scsi", d->why_not_scsi[0] ? d->why_not_scsi : NULL);
		control_add_bool(o, "emulated", d->reserver && d->reserver->is_emulated);
		if (d->reserver)
			add_view(o, at);
		if (d->reserver && (!at->is_done || at->err || reserver_view_has(&at->view, key)))
			seen = true;
		json_object_array_add(array, o);
	}
	if (look)
		look_put(look);
	if (ret_seen)
		*ret_seen = seen;
}

static const char *state_word(const struct fence_entry *e)
{
	return e->state == FENCE_PROVED ? "proved" : e->state == FENCE_BEGUN ? "not proved" : "none";
}

static const char *proof_word(enum fence_proof proof)
{
	switch (proof) {
	case FENCE_BY_NOTHING:
		return NULL;
	case FENCE_BY_KEYS:
		return "keys";
	case FENCE_BY_COMMAND:
		return "command";
	case FENCE_BY_TIME:
		return "time";
	case FENCE_BY_ADMIN:
		return "admin";
	}
	return NULL;
}

void control_fill_fence(struct json_object *o, const struct fence_entry *e)
{
	add_hex(o, "key", e->key);
	control_add_text(o, "owner", e->owner);
	control_add_text(o, "state", state_word(e));
	control_add_text(o, "proof", proof_word(e->proof));
	control_add_double(o, "since", (double)e->since_ns / NS);
	control_add_double(o, "took_seconds", (double)e->took_ns / NS);
	control_add_u64(o, "tries", e->tries);
	control_add_text(o, "why", e->why[0] ? e->why : NULL);
}

static void add_counts(struct json_object *o, const struct layouts *layouts)
{
	control_add_u64(o, "gets", layouts->counts.gets);
	control_add_u64(o, "commits", layouts->counts.commits);
	control_add_u64(o, "returns", layouts->counts.returns);
	control_add_u64(o, "recalls", layouts->counts.recalls);
	control_add_u64(o, "revoked", layouts->counts.revoked);
	control_add_u64(o, "late", layouts->counts.lates);
	control_add_u64(o, "conflicts", layouts->counts.conflicts);
}

FIBER_FN void control_add_layouts(struct json_object *top, struct mds *mds)
{
	const struct layouts *layouts = mds->layouts;
	struct json_object *o, *fences;
	struct fence_entry e;

	if (!layouts)
		return;
	o = control_add_object(top, "layouts");
	control_add_u64(o, "now", layouts->nr);
	control_add_u64(o, "limit", mds->config->limits.layouts);
	control_add_types(o, layouts->kinds);
	add_hex(o, "server_key", fence_own_key(layouts->fence));
	add_counts(o, layouts);
	control_add_devices(o, mds, 0, NULL);
	fences = control_add_array(o, "fences");
	for (unsigned int i = 0; i < CONTROL_FENCES_MAX && fence_entry(layouts->fence, i, &e); i++) {
		struct json_object *f = json_object_new_object();

		control_fill_fence(f, &e);
		json_object_array_add(fences, f);
	}
}
