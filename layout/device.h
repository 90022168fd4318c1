/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_LAYOUT_DEVICE_H
#define LAMINA_LAYOUT_DEVICE_H

/*
 * The devices of the volume as clients know them (RFC 8881, 12.2.10; RFC 8154, 2.1; RFC 5663, 2.2): one device id for
 * each, for ever, and what stands in a device address.  A device is offered for a type of layout or not, and says
 * why.
 */

#include "dev/identity.h"
#include "dev/reserver.h"
#include "extent/format.h"
#include "extent/why.h"

struct blkdev;
struct fs;

enum layout_kind {
	LAYOUT_SCSI = 1, /* bits; as EXPORT_LAYOUT_... */
	LAYOUT_BLOCK = 2,
};

#define LAYOUT_DEVICE_ID_LEN 16

struct layout_device {
	unsigned int index;		  /* in daddr */
	uint8_t id[LAYOUT_DEVICE_ID_LEN]; /* deviceid4: the device's UUID in its label */
	struct blkdev *dev;		  /* the store's */
	uint64_t size;			  /* bytes */
	struct designator designator;	  /* LAYOUT_SCSI */
	struct reserver *reserver;	  /* NULL: none */
	unsigned int offers;		  /* bits of enum layout_kind */
	char why_not_scsi[192];		  /* "" : it is offered */
};

/* What who opened the devices knows of each; of the store's device with the same dev. */
struct layout_source {
	struct blkdev *dev;
	const struct identity *identity; /* NULL: nothing is known */
	struct reserver *reserver;	 /* NULL: none; stays the caller's */
};

struct layout_devices {
	unsigned int nr;	 /* may rise, never falls */
	struct layout_device *v; /* by index; stay where they are */
	/* All devices have it: a volume offers a type only then, since any file may lie anywhere. */
	unsigned int offers;
};

/*
 * @sources may be fewer than the devices, or NULL: what is missing there is offered for LAYOUT_BLOCK only, and what
 * is offered for LAYOUT_SCSI is not for LAYOUT_BLOCK: its reservation shuts out who has no key.  -ENOMEM.
 */
int layout_devices_open(struct fs *fs, const struct layout_source *sources, unsigned int nr,
			struct layout_devices *ret_devices) MUST_CHECK;
void layout_devices_close(struct layout_devices *devices);
/*
 * Adding one to those that clients use.  First v[nr] is made of @dev, which is not the store's yet; it counts only
 * after layout_device_adopt().  -EINVAL, said in @why: with it the volume would lose a type of layout that it has.
 */
int layout_device_propose(struct layout_devices *devices, struct blkdev *dev, const struct layout_source *source,
			  struct why *why) MUST_CHECK;
/* The store has it now: without a switch since fs_grow(). */
void layout_device_adopt(struct layout_devices *devices, struct fs *fs, const struct layout_source *source);
/* Device @index cannot have layouts of the SCSI type after all, and so the volume cannot. */
void layout_device_withdraw(struct layout_devices *devices, unsigned int index, const char *why);
/* NULL: no such device. */
const struct layout_device *layout_device_find(const struct layout_devices *devices,
					       const uint8_t id[LAYOUT_DEVICE_ID_LEN]);

/*
 * A signature by which blkmapd tells the device of a LAYOUT_BLOCK layout: bytes of its label, which never change.  At
 * most 128 bytes, a multiple of 4.
 */
#define LAYOUT_SIGNATURE_MAX 128u
struct layout_signature {
	uint64_t off; /* bytes from the start of the device */
	unsigned int len;
	uint8_t bytes[LAYOUT_SIGNATURE_MAX];
};
void layout_device_signature(const struct fs *fs, const struct layout_device *device,
			     struct layout_signature *ret_signature);

#endif
