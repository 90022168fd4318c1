/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Understands what devices say about themselves.  Everything here reads bytes from outside: each function looks only
 * inside of what it was given, takes what is sound and leaves out what is not.
 *
 * References: SPC-4 7.8.6 (VPD page 0x83), 7.8.15 (0x80), 6.16 (PERSISTENT RESERVE IN); NVMe base specification,
 * Identify.
 */
#include "dev/identity.h"

#include <stdlib.h>
#include <string.h>

#define VPD_HEADER	  4
#define DESIGNATOR_HEADER 4
#define ASSOCIATION_LU	  0
#define T10_VENDOR_LEN	  8

static uint32_t be16_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32_at(const uint8_t *p)
{
	return be16_at(p) << 16 | be16_at(p + 2);
}

static bool is_all_zeros(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

/* Text fields are padded with blanks on either side and should be, but need not be, printable. */
static void copy_text(char *to, size_t size, const uint8_t *from, size_t len)
{
	size_t n = 0;

	while (len > 0 && (from[0] == ' ' || from[0] == '\0')) {
		from++;
		len--;
	}
	while (len > 0 && (from[len - 1] == ' ' || from[len - 1] == '\0'))
		len--;
	for (; n < len && n + 1 < size; n++)
		to[n] = from[n] >= 0x20 && from[n] < 0x7f ? (char)from[n] : '?';
	to[n] = '\0';
}

/* Designators */

/* NAA 2, 3 and 5 have 8 bytes, NAA 6 has 16. */
static bool naa_is_sound(const struct designator *d)
{
	unsigned int naa = d->len > 0 ? d->bytes[0] >> 4 : 0;

	if (d->code_set != CODE_SET_BINARY)
		return false;
	return naa == 6 ? d->len == 16 : (naa == 2 || naa == 3 || naa == 5) && d->len == 8;
}

static bool eui64_is_sound(const struct designator *d)
{
	return d->code_set == CODE_SET_BINARY && (d->len == 8 || d->len == 12 || d->len == 16) &&
	       !is_all_zeros(d->bytes, d->len);
}

static bool t10_is_sound(const struct designator *d)
{
	return d->code_set >= CODE_SET_BINARY && d->code_set <= CODE_SET_UTF8 && d->len > T10_VENDOR_LEN;
}

/* "iqn.", "eui." or "naa." and more, in UTF-8, with at least one zero at the end. */
static bool scsi_name_is_sound(const struct designator *d)
{
	return d->code_set == CODE_SET_UTF8 && d->len > 4 && d->bytes[d->len - 1] == 0 && d->bytes[0] != 0;
}

static bool designator_is_sound(const struct designator *d)
{
	switch (d->type) {
	case DESIGNATOR_NAA:
		return naa_is_sound(d);
	case DESIGNATOR_EUI64:
		return eui64_is_sound(d);
	case DESIGNATOR_T10:
		return t10_is_sound(d);
	case DESIGNATOR_SCSI_NAME:
		return scsi_name_is_sound(d);
	default:
		return false; /* vendor specific, ports and groups: they do not name a logical unit */
	}
}

/* Smaller is better.  NAA 3 is unique only where its administrator took care. */
static unsigned int designator_rank(const struct designator *d)
{
	switch (d->type) {
	case DESIGNATOR_NAA:
		return d->bytes[0] >> 4 == 6 ? 0 : d->bytes[0] >> 4 == 5 ? 1 : d->bytes[0] >> 4 == 2 ? 2 : 6;
	case DESIGNATOR_EUI64:
		return d->len == 16 ? 3 : d->len == 8 ? 4 : 5;
	case DESIGNATOR_T10:
		return 7;
	default:
		return 8;
	}
}

static bool designator_is_equal(const struct designator *a, const struct designator *b)
{
	return a->type == b->type && a->code_set == b->code_set && a->len == b->len &&
	       memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* Keep @d at its place by rank; of equal rank the first stays first.  When there are too many the worst goes. */
static void add_designator(struct identity *id, const struct designator *d)
{
	unsigned int i = 0, last;

	if (!designator_is_sound(d))
		return;
	for (unsigned int k = 0; k < id->nr_designators; k++) {
		if (designator_is_equal(&id->designators[k], d))
			return;
	}
	while (i < id->nr_designators && designator_rank(&id->designators[i]) <= designator_rank(d))
		i++;
	if (i == DESIGNATORS_MAX)
		return;
	if (id->nr_designators < DESIGNATORS_MAX)
		id->nr_designators++;
	last = id->nr_designators - 1;
	memmove(&id->designators[i + 1], &id->designators[i], (last - i) * sizeof(*d));
	id->designators[i] = *d;
}

static void add_bytes(struct identity *id, enum designator_type type, enum designator_code_set code_set,
		      const uint8_t *bytes, unsigned int len)
{
	struct designator d = { .type = type, .code_set = code_set, .len = len };

	assert(len <= DESIGNATOR_MAX);
	memcpy(d.bytes, bytes, len);
	add_designator(id, &d);
}

int identity_parse_vpd83(const uint8_t *page, size_t len, struct identity *id)
{
	size_t pos = VPD_HEADER, end;

	if (len < VPD_HEADER || page[1] != 0x83)
		return -EUCLEAN;
	end = min_u64(len, VPD_HEADER + be16_at(page + 2));
	while (end - pos >= DESIGNATOR_HEADER) {
		const uint8_t *d = page + pos;
		unsigned int d_len = d[3];

		if (d_len > end - pos - DESIGNATOR_HEADER)
			break;
		if ((d[1] >> 4 & 3) == ASSOCIATION_LU)
			add_bytes(id, d[1] & 0xf, d[0] & 0xf, d + DESIGNATOR_HEADER, d_len);
		pos += DESIGNATOR_HEADER + d_len;
	}
	return 0;
}

const struct designator *identity_layout_designator(const struct identity *id)
{
	for (unsigned int i = 0; i < id->nr_designators; i++) {
		const struct designator *d = &id->designators[i];

		if (d->type == DESIGNATOR_NAA || (d->type == DESIGNATOR_EUI64 && d->len != 12))
			return d;
	}
	return NULL;
}

/* Other SCSI data */

int identity_parse_vpd80(const uint8_t *page, size_t len, struct identity *id)
{
	if (len < VPD_HEADER || page[1] != 0x80)
		return -EUCLEAN;
	copy_text(id->serial, sizeof(id->serial), page + VPD_HEADER, min_u64(len - VPD_HEADER, be16_at(page + 2)));
	return 0;
}

int identity_parse_inquiry(const uint8_t *data, size_t len, struct identity *id)
{
	if (len < 32)
		return -EUCLEAN;
	copy_text(id->vendor, sizeof(id->vendor), data + 8, 8);
	copy_text(id->model, sizeof(id->model), data + 16, 16);
	return 0;
}

int identity_parse_pr_caps(const uint8_t *data, size_t len, struct reservation_caps *caps)
{
	const unsigned int known = 1u << 1 | 1u << 3 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8;

	if (len < 8 || be16_at(data) < 8)
		return -EUCLEAN;
	caps->supported = true;
	caps->persists = data[2] & 1;
	caps->types_known = data[3] & 0x80;
	caps->types = caps->types_known ? (data[4] | (unsigned int)data[5] << 8) & known : 0;
	return 0;
}

int identity_parse_pr_keys(const uint8_t *data, size_t len, struct reservation_caps *caps)
{
	if (len < 8 || be32_at(data + 4) % 8 != 0)
		return -EUCLEAN;
	caps->supported = true;
	caps->keys_known = true;
	caps->nr_keys = be32_at(data + 4) / 8;
	return 0;
}

/* NVMe */

#define NVME_NS_RESCAP	 31
#define NVME_NS_NGUID	 104
#define NVME_NS_EUI64	 120
#define NVME_NS_LEN	 128
#define NVME_CTRL_SERIAL 4
#define NVME_CTRL_MODEL	 24
#define NVME_CTRL_LEN	 72
#define NVME_DESC_HEADER 4
#define NVME_DESC_EUI64	 1
#define NVME_DESC_NGUID	 2
#define NVME_DESC_UUID	 3

static void add_nguid(struct identity *id, const uint8_t *bytes)
{
	add_bytes(id, DESIGNATOR_EUI64, CODE_SET_BINARY, bytes, 16);
}

static void add_eui64(struct identity *id, const uint8_t *bytes)
{
	add_bytes(id, DESIGNATOR_EUI64, CODE_SET_BINARY, bytes, 8);
}

static void parse_rescap(uint8_t rescap, struct reservation_caps *caps)
{
	static const enum reservation_type types[] = {
		RESERVATION_WRITE_EXCLUSIVE,
		RESERVATION_EXCLUSIVE_ACCESS,
		RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY,
		RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY,
		RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS,
		RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS,
	};

	caps->persists = rescap & 1;
	caps->types_known = true;
	caps->types = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		if (rescap & 1u << (i + 1))
			caps->types |= RESERVATION_BIT(types[i]);
	}
	caps->supported = caps->types != 0;
}

int identity_parse_nvme_ns(const uint8_t *data, size_t len, struct identity *id)
{
	if (len < NVME_NS_LEN)
		return -EUCLEAN;
	add_nguid(id, data + NVME_NS_NGUID);
	add_eui64(id, data + NVME_NS_EUI64);
	parse_rescap(data[NVME_NS_RESCAP], &id->reservations);
	return 0;
}

static void parse_nvme_desc(uint8_t type, const uint8_t *bytes, unsigned int len, struct identity *id)
{
	if (type == NVME_DESC_EUI64 && len == 8) {
		add_eui64(id, bytes);
	} else if (type == NVME_DESC_NGUID && len == 16) {
		add_nguid(id, bytes);
	} else if (type == NVME_DESC_UUID && len == 16 && !is_all_zeros(bytes, len)) {
		id->has_nvme_uuid = true;
		memcpy(id->nvme_uuid, bytes, sizeof(id->nvme_uuid));
	}
}

int identity_parse_nvme_descs(const uint8_t *data, size_t len, struct identity *id)
{
	size_t pos = 0;

	if (len < NVME_DESC_HEADER)
		return -EUCLEAN;
	/* type 0 ends the list */
	while (len - pos >= NVME_DESC_HEADER && data[pos] != 0) {
		unsigned int d_len = data[pos + 1];

		if (d_len > len - pos - NVME_DESC_HEADER)
			break;
		parse_nvme_desc(data[pos], data + pos + NVME_DESC_HEADER, d_len, id);
		pos += NVME_DESC_HEADER + d_len;
	}
	return 0;
}

int identity_parse_nvme_ctrl(const uint8_t *data, size_t len, struct identity *id)
{
	if (len < NVME_CTRL_LEN)
		return -EUCLEAN;
	copy_text(id->serial, sizeof(id->serial), data + NVME_CTRL_SERIAL, 20);
	copy_text(id->model, sizeof(id->model), data + NVME_CTRL_MODEL, 40);
	return 0;
}

/* Transport */

const char *identity_transport_of(const char *sysfs_dir)
{
	static const struct {
		const char *part;
		const char *name;
	} parts[] = {
		{ "/session", "iscsi" }, { "/rport-", "fc" },	  { "/end_device-", "sas" }, { "/ata", "ata" },
		{ "/usb", "usb" },	 { "/virtio", "virtio" }, { "/block/loop", "loop" },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
		if (strstr(sysfs_dir, parts[i].part))
			return parts[i].name;
	}
	return "";
}
