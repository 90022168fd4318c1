/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a label that decodes has every number in range, so nothing behind it needs a second look; and a device
 * whose label is damaged in one place is still known by the other.
 */

#include "extent/label.h"

#include <inttypes.h>
#include <string.h>

#include "extent/sum.h"

static bool uuid_is_null(const uint8_t uuid[UUID_LEN])
{
	static const uint8_t null[UUID_LEN];

	return memcmp(uuid, null, UUID_LEN) == 0;
}

static bool is_zero(const void *data, size_t len)
{
	const uint8_t *bytes = data;

	return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

uint64_t label_copy_offset(uint64_t device_size)
{
	assert(device_size >= LABEL_SIZE);
	return round_down_u64(device_size, LABEL_SIZE) - LABEL_SIZE;
}

void label_encode(const struct label *label, void *ret_block)
{
	struct disk_label *d = ret_block;
	size_t name_len = strnlen(label->volume_name, LABEL_NAME_LEN);

	assert(label->device_index < label->nr_devices && label->nr_devices <= VOLUME_DEVICES_MAX);
	assert(label->device_size >= LABEL_DEVICE_SIZE_MIN && label->device_size <= LABEL_DEVICE_SIZE_MAX);
	assert(is_aligned_u64(label->device_size, LABEL_SIZE));
	assert(!uuid_is_null(label->volume_uuid) && !uuid_is_null(label->device_uuid));

	*d = (struct disk_label){
		.magic = le64_make(LABEL_MAGIC),
		.version = le32_make(FORMAT_VERSION),
		.device_index = le32_make(label->device_index),
		.device_size = le64_make(label->device_size),
		.nr_devices = le32_make(label->nr_devices),
		.feature_compat = le64_make(label->features.compat),
		.feature_ro_compat = le64_make(label->features.ro_compat),
		.feature_incompat = le64_make(label->features.incompat),
		.created_sec = le64_make(label->created_sec),
	};
	memcpy(d->volume_uuid, label->volume_uuid, UUID_LEN);
	memcpy(d->device_uuid, label->device_uuid, UUID_LEN);
	memcpy(d->volume_name, label->volume_name, name_len);
	sum_set(d, LABEL_SIZE);
}

static struct features label_features(const struct disk_label *d)
{
	return (struct features){ le64_get(d->feature_compat), le64_get(d->feature_ro_compat),
				  le64_get(d->feature_incompat) };
}

static bool size_is_valid(uint64_t size)
{
	return size >= LABEL_DEVICE_SIZE_MIN && size <= LABEL_DEVICE_SIZE_MAX && is_aligned_u64(size, LABEL_SIZE);
}

/* What is impossible in a label with a good checksum; NULL: nothing. */
static const char *label_contents_why(const struct disk_label *d)
{
	struct features features = label_features(d);
	uint32_t nr = le32_get(d->nr_devices);
	size_t name_len = strnlen(d->volume_name, LABEL_NAME_LEN);

	if (nr == 0 || nr > VOLUME_DEVICES_MAX)
		return "the number of devices is out of range";
	if (le32_get(d->device_index) >= nr)
		return "the device's index is not below the number of devices";
	if (uuid_is_null(d->volume_uuid) || uuid_is_null(d->device_uuid))
		return "an identifier is all zeros";
	if (!size_is_valid(le64_get(d->device_size)))
		return "the device's size is out of range or no multiple of 4096";
	if (!is_zero(d->volume_name + name_len, LABEL_NAME_LEN - name_len))
		return "there is something behind the volume's name";
	if (!feature_is_newer(&features) &&
	    (le32_get(d->reserved0) != 0 || !is_zero(d->reserved1, sizeof(d->reserved1))))
		return "reserved bytes are not zero";
	return NULL;
}

static int label_check(const struct disk_label *d, struct why *why)
{
	struct features features = label_features(d);
	const char *reason;
	int err;

	if (le64_get(d->magic) != LABEL_MAGIC)
		return why_set(why, -EMEDIUMTYPE,
			       "there is no label of a Lamina volume: name another device, or format this one");
	if (!sum_is_good(d, LABEL_SIZE))
		return why_set(why, -EBADMSG, "the label is damaged: its checksum is wrong");
	err = feature_check(&features, le32_get(d->version), "label", why);
	if (err)
		return err;
	reason = label_contents_why(d);
	if (reason)
		return why_set(why, -EUCLEAN, "the label is impossible, though its checksum is right: %s", reason);
	return 0;
}

int label_decode(const void *block, struct label *ret_label, struct why *why)
{
	const struct disk_label *d = block;
	int err = label_check(d, why);

	if (err)
		return err;
	*ret_label = (struct label){
		.device_index = le32_get(d->device_index),
		.nr_devices = le32_get(d->nr_devices),
		.device_size = le64_get(d->device_size),
		.created_sec = le64_get(d->created_sec),
		.features = label_features(d),
	};
	memcpy(ret_label->volume_uuid, d->volume_uuid, UUID_LEN);
	memcpy(ret_label->device_uuid, d->device_uuid, UUID_LEN);
	memcpy(ret_label->volume_name, d->volume_name, LABEL_NAME_LEN);
	return 0;
}

/* Devices */

FIBER_FN static int label_read_at(struct blkdev *dev, uint64_t off, void *buf, struct label *label, struct why *why)
{
	int err = blkdev_read(dev, off, buf, LABEL_SIZE);

	if (err)
		return why_set(why, err, "the label at byte %" PRIu64 " cannot be read: %s", off, strerror(-err));
	return label_decode(buf, label, why);
}

/* What somebody should know, though a label was found. */
static void label_note(struct label_report *rep, uint64_t copy_off, const struct why *first, const struct why *copy)
{
	if (rep->first_err)
		why_set(&rep->trouble, 0,
			"only the copy of the label at byte %" PRIu64 " is good (the first one: %s); find out what "
			"wrote over the device's start before you trust it",
			copy_off, first->text);
	else if (rep->copy_err)
		why_set(&rep->trouble, 0,
			"only the first label is good (the copy at byte %" PRIu64 ": %s); find out what wrote over "
			"the device's end before you trust it",
			copy_off, copy->text);
	else if (rep->differ)
		why_set(&rep->trouble, 0,
			"the label and its copy at byte %" PRIu64 " differ, the first one counts: writing them was "
			"interrupted",
			copy_off);
}

/* Which of two is taken; the error to report if neither is good is the one that says more. */
static int label_pick(const struct label_report *rep, const struct why *first, const struct why *copy,
		      struct why *why)
{
	if (!rep->first_err || !rep->copy_err)
		return 0;
	if (rep->first_err == -EMEDIUMTYPE && rep->copy_err != -EMEDIUMTYPE)
		return why_set(why, rep->copy_err, "%s", copy->text);
	return why_set(why, rep->first_err, "%s", first->text);
}

static int label_check_size(const struct blkdev *dev, const struct label *label, struct why *why)
{
	if (label->device_size > dev->info.size)
		return why_set(why, -ENXIO,
			       "the device has %" PRIu64 " bytes, but the volume uses %" PRIu64
			       " of it: make it as large as it was",
			       dev->info.size, label->device_size);
	return 0;
}

FIBER_FN static int label_read_both(struct blkdev *dev, uint8_t *buf, struct label *label, struct label_report *rep,
				    struct why *why)
{
	struct label first, copy;
	struct why first_why, copy_why;
	uint64_t size = dev->info.size;
	int err;

	rep->first_err = label_read_at(dev, 0, buf, &first, &first_why);
	if (!rep->first_err) {
		err = label_check_size(dev, &first, why);
		if (err)
			return err;
		size = first.device_size;
	}
	rep->copy_err = label_read_at(dev, label_copy_offset(size), buf + LABEL_SIZE, &copy, &copy_why);
	err = label_pick(rep, &first_why, &copy_why, why);
	if (err)
		return err;
	if (rep->first_err) {
		err = label_check_size(dev, &copy, why);
		if (err)
			return err;
	}
	rep->differ = !rep->first_err && !rep->copy_err && memcmp(buf, buf + LABEL_SIZE, LABEL_SIZE) != 0;
	label_note(rep, label_copy_offset(size), &first_why, &copy_why);
	*label = rep->first_err ? copy : first;
	return 0;
}

int label_read(struct blkdev *dev, struct label *ret_label, struct label_report *ret_report, struct why *why)
{
	uint8_t *buf;
	int err;

	*ret_report = (struct label_report){ 0 };
	if (dev->info.size < LABEL_DEVICE_SIZE_MIN)
		return why_set(why, -EMEDIUMTYPE, "the device is too small for a Lamina volume");
	buf = blkdev_buf_alloc(2 * LABEL_SIZE);
	if (!buf)
		return why_set(why, -ENOMEM, "out of memory");
	err = label_read_both(dev, buf, ret_label, ret_report, why);
	blkdev_buf_free(buf);
	return err;
}

/* Write @buf to both places, the copy first. */
FIBER_FN static int label_put(struct blkdev *dev, uint64_t copy_off, const void *buf)
{
	int err = blkdev_write_durable(dev, copy_off, buf, LABEL_SIZE);

	return err ? err : blkdev_write_durable(dev, 0, buf, LABEL_SIZE);
}

int label_write(struct blkdev *dev, const struct label *label)
{
	void *buf = blkdev_buf_alloc(LABEL_SIZE);
	int err;

	assert(label->device_size <= dev->info.size);
	if (!buf)
		return -ENOMEM;
	label_encode(label, buf);
	err = label_put(dev, label_copy_offset(label->device_size), buf);
	blkdev_buf_free(buf);
	return err;
}

int label_wipe(struct blkdev *dev)
{
	uint8_t *buf = blkdev_buf_alloc(LABEL_SIZE);
	uint64_t end = label_copy_offset(dev->info.size), old = end;
	struct label label;
	int err;

	if (!buf)
		return -ENOMEM;
	/* Whatever cannot be read as a label names no copy. */
	if (!label_read_at(dev, 0, buf, &label, NULL) && label.device_size <= dev->info.size)
		old = label_copy_offset(label.device_size);
	memset(buf, 0, LABEL_SIZE);
	err = label_put(dev, end, buf);
	if (!err && old != end)
		err = blkdev_write_durable(dev, old, buf, LABEL_SIZE);
	blkdev_buf_free(buf);
	return err;
}
