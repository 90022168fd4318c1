/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volume's devices as clients know them.  Promises: what a client is told of a device never changes while the
 * volume lives, whatever its path is and however it grows; a type is offered only where every device has it, and
 * where it is not, there is a reason and a remedy.
 */
#include "layout/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/blkdev.h"
#include "extent/fs.h"

#define NAA_LEN	       16
#define NAA_REGISTERED 0x60u /* high half of the first byte: a number of 16 bytes */

static void refuse(struct layout_device *d, const char *why)
{
	snprintf(d->why_not_scsi, sizeof(d->why_not_scsi), "%s", why);
}

/* A plain file has no name at any target; this one is Lamina's own, and no target has one like it. */
static void designator_of_file(struct layout_device *d)
{
	d->designator = (struct designator){ .type = DESIGNATOR_NAA, .code_set = CODE_SET_BINARY, .len = NAA_LEN };
	memcpy(d->designator.bytes, d->id, NAA_LEN);
	d->designator.bytes[0] = (uint8_t)(NAA_REGISTERED | (d->designator.bytes[0] & 0x0f));
}

static bool judge_kind(struct layout_device *d, const struct identity *id)
{
	if (!id)
		refuse(d, "nothing is known of it");
	else if (id->kind == IDENTITY_FILE)
		refuse(d,
		       "it is a plain file, which clients cannot reach; to try it out: file_reservations = \"on\"");
	else if (id->kind == IDENTITY_OTHER)
		refuse(d, "it is neither a SCSI disk nor an NVMe namespace; serve it by a target with persistent "
			  "reservations");
	else if (id->is_partition)
		refuse(d, "it is a partition, and clients know devices only as a whole; give the whole device");
	else
		return true;
	return false;
}

static bool judge_reserver(struct layout_device *d, const struct identity *id, const struct reserver *res)
{
	const struct reservation_caps *caps = &id->reservations;

	if (!res)
		refuse(d, "it has no persistent reservations, so no client could be fenced off; turn them on at the "
			  "target");
	else if (caps->types_known && !(caps->types & RESERVATION_REGISTRANTS_ONLY))
		refuse(d, "its reservations have no type for registrants only; use a target that has one");
	else
		return true;
	return false;
}

static bool judge_designator(struct layout_device *d, const struct identity *id)
{
	const struct designator *best = identity_layout_designator(id);

	if (!best) {
		refuse(d, "it has no name that clients take (NAA, or EUI-64 or NGUID); set one at the target");
		return false;
	}
	d->designator = *best;
	return true;
}

static void judge(struct layout_device *d, const struct layout_source *source)
{
	const struct identity *id = source ? source->identity : NULL;
	struct reserver *res = source ? source->reserver : NULL;

	d->offers = LAYOUT_BLOCK;
	d->reserver = res;
	if (res && res->is_emulated)
		designator_of_file(d);
	else if (!judge_kind(d, id) || !judge_reserver(d, id, res) || !judge_designator(d, id))
		return;
	/* Who is not registered cannot use the device any more: so it is one type or the other. */
	d->offers = LAYOUT_SCSI;
}

/*
 * One type for all: where some devices cannot have reservations none gets one, since a client with layouts of the
 * block type is not registered and would be shut out.
 */
static void agree(struct layout_devices *devices)
{
	unsigned int offers = LAYOUT_SCSI | LAYOUT_BLOCK;

	for (unsigned int i = 0; i < devices->nr; i++)
		offers &= devices->v[i].offers;
	for (unsigned int i = 0; !offers && i < devices->nr; i++) {
		struct layout_device *d = &devices->v[i];

		if (d->offers & LAYOUT_SCSI)
			refuse(d, "another device of the volume cannot have layouts of the SCSI type");
		d->offers = LAYOUT_BLOCK;
	}
	devices->offers = offers ? offers : LAYOUT_BLOCK;
}

static const struct layout_source *source_of(const struct layout_source *sources, unsigned int nr,
					     const struct blkdev *dev)
{
	for (unsigned int i = 0; sources && i < nr; i++) {
		if (sources[i].dev == dev)
			return &sources[i];
	}
	return NULL;
}

int layout_devices_open(struct fs *fs, const struct layout_source *sources, unsigned int nr,
			struct layout_devices *ret_devices)
{
	struct layout_devices devices = { .nr = fs_nr_devices(fs) };

	static_assert(LAYOUT_DEVICE_ID_LEN == UUID_LEN, "device ids are UUIDs");
	/* All that there can be: nothing moves when one is added. */
	devices.v = calloc(VOLUME_DEVICES_MAX, sizeof(*devices.v));
	if (!devices.v)
		return -ENOMEM;
	for (unsigned int i = 0; i < devices.nr; i++) {
		struct layout_device *d = &devices.v[i];

		d->index = i;
		memcpy(d->id, fs_device_uuid(fs, i), UUID_LEN);
		d->dev = fs_device(fs, i);
		d->size = d->dev->info.size;
		judge(d, source_of(sources, nr, d->dev));
	}
	agree(&devices);
	*ret_devices = devices;
	return 0;
}

/* As judge(), of one that comes to others. */
static void judge_added(const struct layout_devices *devices, struct layout_device *d,
			const struct layout_source *source)
{
	judge(d, source);
	if (!(d->offers & LAYOUT_SCSI) || (devices->offers & LAYOUT_SCSI))
		return;
	refuse(d, "another device of the volume cannot have layouts of the SCSI type");
	d->offers = LAYOUT_BLOCK;
}

int layout_device_propose(struct layout_devices *devices, struct blkdev *dev, const struct layout_source *source,
			  struct why *why)
{
	struct layout_device *d = &devices->v[devices->nr];

	assert(devices->nr < VOLUME_DEVICES_MAX);
	if (!devices->offers)
		return why_set(
			why, -EINVAL,
			"%s: a device of the volume should have layouts of the SCSI type and has none; \"lamina "
			"status\" says why, and that must be repaired first",
			dev->info.name);
	*d = (struct layout_device){ .index = devices->nr, .dev = dev, .size = dev->info.size };
	judge_added(devices, d, source);
	if ((devices->offers & LAYOUT_SCSI) && !(d->offers & LAYOUT_SCSI))
		return why_set(why, -EINVAL,
			       "%s: cannot have layouts of the SCSI type, and with it the volume would have none: %s",
			       dev->info.name, d->why_not_scsi);
	return 0;
}

void layout_device_adopt(struct layout_devices *devices, struct fs *fs, const struct layout_source *source)
{
	struct layout_device *d = &devices->v[devices->nr];

	assert(fs_nr_devices(fs) == devices->nr + 1 && fs_device(fs, devices->nr) == d->dev);
	memcpy(d->id, fs_device_uuid(fs, d->index), UUID_LEN);
	judge_added(devices, d, source); /* a plain file's designator is made of the id */
	devices->nr++;
}

void layout_devices_close(struct layout_devices *devices)
{
	free(devices->v);
	*devices = (struct layout_devices){ 0 };
}

void layout_device_withdraw(struct layout_devices *devices, unsigned int index, const char *why)
{
	struct layout_device *d = &devices->v[index];

	assert(index < devices->nr);
	d->offers &= ~(unsigned int)LAYOUT_SCSI;
	devices->offers &= ~(unsigned int)LAYOUT_SCSI;
	refuse(d, why);
}

const struct layout_device *layout_device_find(const struct layout_devices *devices,
					       const uint8_t id[LAYOUT_DEVICE_ID_LEN])
{
	for (unsigned int i = 0; i < devices->nr; i++) {
		if (memcmp(devices->v[i].id, id, LAYOUT_DEVICE_ID_LEN) == 0)
			return &devices->v[i];
	}
	return NULL;
}

/* The two UUIDs in the label, which stand side by side and stay when all else in it changes. */
void layout_device_signature(const struct fs *fs, const struct layout_device *device,
			     struct layout_signature *ret_signature)
{
	struct layout_signature *sig = ret_signature;

	static_assert(offsetof(struct disk_label, device_uuid) == offsetof(struct disk_label, volume_uuid) + UUID_LEN,
		      "UUIDs of a label");
	static_assert(2 * UUID_LEN <= LAYOUT_SIGNATURE_MAX, "signature");
	*sig = (struct layout_signature){ .off = offsetof(struct disk_label, volume_uuid), .len = 2 * UUID_LEN };
	memcpy(sig->bytes, fs_uuid(fs), UUID_LEN);
	memcpy(sig->bytes + UUID_LEN, device->id, UUID_LEN);
}
