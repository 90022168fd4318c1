/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_IDENTITY_H
#define LAMINA_DEV_IDENTITY_H

/*
 * Which device this is, in terms that another host understands: what a layout of the SCSI type (RFC 8154, and RFC
 * 9561 for NVMe) tells a client to look for, and whether the device has the reservations that fence a client off.
 *
 * The parsers are pure functions over bytes that a device sent: any bytes are fine.
 */

#include "dev/base.h"

/* The numbers are those of SPC-4, and RFC 8154 uses the same. */
enum designator_type {
	DESIGNATOR_T10 = 1,
	DESIGNATOR_EUI64 = 2,
	DESIGNATOR_NAA = 3,
	DESIGNATOR_SCSI_NAME = 8,
};

enum designator_code_set {
	CODE_SET_BINARY = 1,
	CODE_SET_ASCII = 2,
	CODE_SET_UTF8 = 3,
};

#define DESIGNATOR_MAX	256 /* bytes */
#define DESIGNATORS_MAX 16

struct designator {
	enum designator_type type;
	enum designator_code_set code_set;
	unsigned int len;
	uint8_t bytes[DESIGNATOR_MAX];
};

/* Types of persistent reservation: bit n is SCSI's type n. NVMe's are mapped to them. */
enum reservation_type {
	RESERVATION_WRITE_EXCLUSIVE = 1,
	RESERVATION_EXCLUSIVE_ACCESS = 3,
	RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY = 5,
	RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY = 6,
	RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS = 7,
	RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS = 8,
};

#define RESERVATION_BIT(type) (1u << (type))
#define RESERVATION_REGISTRANTS_ONLY                                                                                 \
	(RESERVATION_BIT(RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY) |                                             \
	 RESERVATION_BIT(RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY))

struct reservation_caps {
	bool supported;
	bool types_known; /* else the device does not tell, and @types is 0 */
	unsigned int types;
	bool persists;	  /* can keep them through a power loss */
	bool keys_known;  /* @nr_keys was read */
	uint32_t nr_keys; /* registered at the moment */
};

enum identity_kind {
	IDENTITY_FILE, /* a plain file: it has no identity but its label */
	IDENTITY_SCSI,
	IDENTITY_NVME,
	IDENTITY_OTHER, /* virtio, loop, ...: the device can't be asked */
};

struct identity {
	enum identity_kind kind;
	bool is_partition; /* the rest is then about the whole disk */
	char vendor[16];
	char model[48];
	char serial[256];
	char transport[16]; /* "iscsi", "fc", "sas", "ata", "usb", "pcie", "tcp", "rdma", "loop", "virtio", ""  */
	unsigned int nr_designators; /* the best first */
	struct designator designators[DESIGNATORS_MAX];
	bool has_nvme_uuid; /* for people only: RFC 9561 has no use for it */
	uint8_t nvme_uuid[16];
	struct reservation_caps reservations;
};

/*
 * Ask the open device @fd.  Blocks, on a bad path for long: in a helper thread where that matters.  What a
 * device does not tell is left empty; errors are those of fstat.
 */
int identity_read(int fd, struct identity *ret_identity) MUST_CHECK;

/*
 * The designator to put into a layout: the best one that Linux clients take (NAA, or EUI-64 of 8 or 16 bytes), else
 * NULL.
 */
const struct designator *identity_layout_designator(const struct identity *id);

/* Parsers: -EUCLEAN if the bytes are not such a page at all; what is bad or cut off inside is left out. */

/* VPD page 0x83: add the designators of the logical unit to @id, each once, and order all by preference. */
int identity_parse_vpd83(const uint8_t *page, size_t len, struct identity *id) MUST_CHECK;
/* VPD page 0x80: the serial number. */
int identity_parse_vpd80(const uint8_t *page, size_t len, struct identity *id) MUST_CHECK;
/* Standard INQUIRY data: vendor and model. */
int identity_parse_inquiry(const uint8_t *data, size_t len, struct identity *id) MUST_CHECK;
/* PERSISTENT RESERVE IN, REPORT CAPABILITIES. */
int identity_parse_pr_caps(const uint8_t *data, size_t len, struct reservation_caps *caps) MUST_CHECK;
/* PERSISTENT RESERVE IN, READ KEYS: how many there are. */
int identity_parse_pr_keys(const uint8_t *data, size_t len, struct reservation_caps *caps) MUST_CHECK;
/* NVMe Identify Namespace: NGUID, EUI-64, reservation capabilities. */
int identity_parse_nvme_ns(const uint8_t *data, size_t len, struct identity *id) MUST_CHECK;
/* NVMe Namespace Identification Descriptor list: the same, and the UUID. */
int identity_parse_nvme_descs(const uint8_t *data, size_t len, struct identity *id) MUST_CHECK;
/* NVMe Identify Controller: model and serial number. */
int identity_parse_nvme_ctrl(const uint8_t *data, size_t len, struct identity *id) MUST_CHECK;

/* The transport of a SCSI or virtio disk by its directory in sysfs; "" if it does not tell. */
const char *identity_transport_of(const char *sysfs_dir);

/* A way to send SCSI commands, so that a test can be the target. */
struct identity_scsi {
	/* Send @cdb and read at most @len bytes into @buf: how many came, or negative errno. */
	int (*command)(struct identity_scsi *scsi, const uint8_t *cdb, unsigned int cdb_len, uint8_t *buf,
		       unsigned int len);
};

/* Ask the device behind @scsi; -ENOTTY if it does not even answer INQUIRY. */
int identity_read_scsi(struct identity_scsi *scsi, struct identity *id) MUST_CHECK;

#endif
