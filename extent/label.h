/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_LABEL_H
#define LAMINA_EXTENT_LABEL_H

/*
 * Labels: which device of which volume this is.  One lies at offset 0, a copy in the last whole 4 KiB block of what
 * the volume uses of the device.
 */

#include "dev/blkdev.h"
#include "extent/feature.h"
#include "extent/format.h"
#include "extent/why.h"

struct label {
	uint8_t volume_uuid[UUID_LEN];
	uint8_t device_uuid[UUID_LEN];
	uint32_t device_index; /* below nr_devices */
	uint32_t nr_devices;   /* 1..VOLUME_DEVICES_MAX */
	uint64_t device_size;  /* bytes, a multiple of 4096: what the volume uses of the device */
	uint64_t created_sec;  /* since 1970 */
	struct features features;
	char volume_name[LABEL_NAME_LEN + 1];
};

#define LABEL_DEVICE_SIZE_MIN (1u << 20)
#define LABEL_DEVICE_SIZE_MAX ((uint64_t)1 << (DADDR_BLOCK_BITS + DADDR_BLOCK_SHIFT))

/* Where the copy of the label lies on a device of which @device_size bytes are used. */
uint64_t label_copy_offset(uint64_t device_size);

/* Make the LABEL_SIZE bytes of @label, which must be in range. */
void label_encode(const struct label *label, void *ret_block);

/*
 * Read a label out of LABEL_SIZE bytes that may hold anything.
 *   -EMEDIUMTYPE      there is no label
 *   -EBADMSG          the checksum is wrong
 *   -EPROTONOSUPPORT  another format version
 *   -EOPNOTSUPP       an incompatible feature that we don't know
 *   -EUCLEAN          the checksum is right, but what it says is impossible
 */
int label_decode(const void *block, struct label *ret_label, struct why *why) MUST_CHECK;

/* How the two copies of a label are.  0: good; else an error of label_decode() or of the device. */
struct label_report {
	int first_err;
	int copy_err;
	bool differ;	    /* both are good, but don't say the same: the first one counts */
	struct why trouble; /* empty if there is none: for the log */
};

/*
 * Read @dev's label: the first one, or if that is no good, the copy.  *@ret_report says how both are, also on
 * failure. Errors of label_decode() when neither is good (those of the first one, unless only the copy was there at
 * all); -EIO and other errors of the device; -ENXIO: @dev is smaller than its volume needs it; -ENOMEM.
 */
FIBER_FN int label_read(struct blkdev *dev, struct label *ret_label, struct label_report *ret_report, struct why *why)
	MUST_CHECK;

/*
 * Write both, the copy first, each durable before the next step: at any time one of them is whole.
 * @label->device_size says where the copy goes.
 */
FIBER_FN int label_write(struct blkdev *dev, const struct label *label) MUST_CHECK;

/*
 * Durably overwrite the label, and the copy that it or the device's size names, with zeros: there is no volume any
 * more.
 */
FIBER_FN int label_wipe(struct blkdev *dev) MUST_CHECK;

#endif
