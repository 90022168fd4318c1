/* SPDX-License-Identifier: Apache-2.0 */
/* What devices say about themselves: pages put together as the standards have them, and broken ones. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/identity.h"

/* A page 0x83 being put together. */
struct page {
	uint8_t bytes[4096];
	size_t len;
};

static void page_init(struct page *p)
{
	*p = (struct page){ .bytes = { 0, 0x83 }, .len = 4 };
}

static void page_set_len(struct page *p)
{
	p->bytes[2] = (uint8_t)((p->len - 4) >> 8);
	p->bytes[3] = (uint8_t)(p->len - 4);
}

static void page_add_of(struct page *p, uint8_t association, uint8_t type, uint8_t code_set, const void *bytes,
			uint8_t len)
{
	uint8_t *d = p->bytes + p->len;

	d[0] = code_set;
	d[1] = (uint8_t)(association << 4 | type);
	d[2] = 0;
	d[3] = len;
	memcpy(d + 4, bytes, len);
	p->len += 4u + len;
	page_set_len(p);
}

static void page_add(struct page *p, uint8_t type, uint8_t code_set, const void *bytes, uint8_t len)
{
	page_add_of(p, 0, type, code_set, bytes, len);
}

static const uint8_t naa2[8] = { 0x21, 2, 3, 4, 5, 6, 7, 8 };
static const uint8_t naa3[8] = { 0x31, 2, 3, 4, 5, 6, 7, 8 };
static const uint8_t naa5[8] = { 0x50, 1, 0x40, 4, 5, 6, 7, 8 };
static const uint8_t naa6[16] = { 0x60, 1, 0x40, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
static const uint8_t eui8[8] = { 0, 0x11, 0x22, 3, 4, 5, 6, 7 };
static const uint8_t eui12[12] = { 0, 0x11, 0x22, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
static const uint8_t eui16[16] = { 9, 9, 9, 9, 9, 9, 9, 9, 0, 0x11, 0x22, 3, 4, 5, 6, 7 };
static const char t10[] = "ACME    disk 4711";
static const char name[] = "iqn.2001-04.com.example:disk";

static struct identity parse(const struct page *p, size_t len)
{
	struct identity id = { 0 };
	uint8_t *copy = malloc(len ? len : 1); /* so that the sanitizer sees any step outside */

	memcpy(copy, p->bytes, len);
	assert_int_equal(identity_parse_vpd83(copy, len, &id), 0);
	free(copy);
	return id;
}

static void check_designator(const struct identity *id, unsigned int i, enum designator_type type,
			     enum designator_code_set code_set, const void *bytes, unsigned int len)
{
	assert_in_range(i, 0, id->nr_designators - 1);
	assert_int_equal(id->designators[i].type, type);
	assert_int_equal(id->designators[i].code_set, code_set);
	assert_int_equal(id->designators[i].len, len);
	assert_memory_equal(id->designators[i].bytes, bytes, len);
}

static void test_each_kind(void **state)
{
	static const struct {
		uint8_t type, code_set;
		const void *bytes;
		uint8_t len;
		bool for_layout;
	} kinds[] = {
		{ 3, 1, naa2, 8, true },
		{ 3, 1, naa3, 8, true },
		{ 3, 1, naa5, 8, true },
		{ 3, 1, naa6, 16, true },
		{ 2, 1, eui8, 8, true },
		{ 2, 1, eui12, 12, false },
		{ 2, 1, eui16, 16, true },
		{ 1, 2, t10, sizeof(t10) - 1, false },
		{ 8, 3, name, sizeof(name), false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct page p;
		struct identity id;

		page_init(&p);
		page_add(&p, kinds[i].type, kinds[i].code_set, kinds[i].bytes, kinds[i].len);
		id = parse(&p, p.len);
		assert_int_equal(id.nr_designators, 1);
		check_designator(&id, 0, kinds[i].type, kinds[i].code_set, kinds[i].bytes, kinds[i].len);
		assert_ptr_equal(identity_layout_designator(&id), kinds[i].for_layout ? &id.designators[0] : NULL);
	}
}

static void test_preference(void **state)
{
	struct page p;
	struct identity id;

	page_init(&p);
	page_add(&p, 8, 3, name, sizeof(name));
	page_add(&p, 1, 2, t10, sizeof(t10) - 1);
	page_add(&p, 3, 1, naa3, 8);
	page_add(&p, 2, 1, eui8, 8);
	page_add(&p, 2, 1, eui12, 12);
	page_add(&p, 2, 1, eui16, 16);
	page_add(&p, 3, 1, naa2, 8);
	page_add(&p, 3, 1, naa5, 8);
	page_add(&p, 3, 1, naa6, 16);
	page_add(&p, 3, 1, naa6, 16); /* again */
	id = parse(&p, p.len);
	assert_int_equal(id.nr_designators, 9);
	check_designator(&id, 0, DESIGNATOR_NAA, CODE_SET_BINARY, naa6, 16);
	check_designator(&id, 1, DESIGNATOR_NAA, CODE_SET_BINARY, naa5, 8);
	check_designator(&id, 2, DESIGNATOR_NAA, CODE_SET_BINARY, naa2, 8);
	check_designator(&id, 3, DESIGNATOR_EUI64, CODE_SET_BINARY, eui16, 16);
	check_designator(&id, 4, DESIGNATOR_EUI64, CODE_SET_BINARY, eui8, 8);
	check_designator(&id, 5, DESIGNATOR_EUI64, CODE_SET_BINARY, eui12, 12);
	check_designator(&id, 6, DESIGNATOR_NAA, CODE_SET_BINARY, naa3, 8);
	check_designator(&id, 7, DESIGNATOR_T10, CODE_SET_ASCII, t10, sizeof(t10) - 1);
	check_designator(&id, 8, DESIGNATOR_SCSI_NAME, CODE_SET_UTF8, name, sizeof(name));
}

static void test_left_out(void **state)
{
	static const uint8_t naa_bad[8] = { 0x41 };
	static const uint8_t zeros[16];
	struct page p;

	page_init(&p);
	page_add_of(&p, 1, 3, 1, naa5, 8); /* of the port */
	page_add_of(&p, 2, 3, 1, naa5, 8); /* of the target */
	page_add(&p, 0, 2, "vendor's own", 12);
	page_add(&p, 4, 1, "\0\0\0\1", 4); /* relative port */
	page_add(&p, 3, 2, naa5, 8);	   /* NAA in ASCII */
	page_add(&p, 3, 1, naa5, 7);
	page_add(&p, 3, 1, naa6, 8);
	page_add(&p, 3, 1, naa_bad, 8);
	page_add(&p, 3, 1, naa5, 0);
	page_add(&p, 2, 1, eui16, 10);
	page_add(&p, 2, 1, zeros, 16);
	page_add(&p, 1, 2, t10, 8); /* a vendor and nothing else */
	page_add(&p, 8, 2, name, sizeof(name));
	page_add(&p, 8, 3, name, sizeof(name) - 1); /* not terminated */
	assert_int_equal(parse(&p, p.len).nr_designators, 0);
}

/* However short the page is cut, what was whole is kept. */
static void test_truncated(void **state)
{
	struct page p;
	struct identity id = { 0 };

	page_init(&p);
	page_add(&p, 3, 1, naa5, 8);
	page_add(&p, 2, 1, eui8, 8);
	for (size_t len = 4; len <= p.len; len++)
		assert_int_equal(parse(&p, len).nr_designators, len < 16 ? 0 : len < 28 ? 1 : 2);
	for (size_t len = 0; len < 4; len++)
		assert_int_equal(identity_parse_vpd83(p.bytes, len, &id), -EUCLEAN);
	p.bytes[1] = 0x80;
	assert_int_equal(identity_parse_vpd83(p.bytes, p.len, &id), -EUCLEAN);
}

static void test_hostile_lengths(void **state)
{
	struct page p;

	page_init(&p);
	page_add(&p, 3, 1, naa5, 8);
	page_add(&p, 2, 1, eui8, 8);
	p.bytes[2] = p.bytes[3] = 0xff; /* the page claims 64 KiB */
	assert_int_equal(parse(&p, p.len).nr_designators, 2);
	p.bytes[4 + 12 + 3] = 0xff; /* and the last designator 255 bytes */
	assert_int_equal(parse(&p, p.len).nr_designators, 1);
	page_init(&p);
	page_set_len(&p);
	assert_int_equal(parse(&p, p.len).nr_designators, 0);
}

static void test_too_many(void **state)
{
	struct page p;
	struct identity id;
	uint8_t naa[8] = { 0x50 };

	page_init(&p);
	for (unsigned int i = 0; i < 100; i++) {
		naa[7] = (uint8_t)i;
		page_add(&p, 3, 1, naa, 8);
	}
	page_add(&p, 3, 1, naa6, 16);
	id = parse(&p, p.len);
	assert_int_equal(id.nr_designators, DESIGNATORS_MAX);
	check_designator(&id, 0, DESIGNATOR_NAA, CODE_SET_BINARY, naa6, 16);
	assert_int_equal(id.designators[DESIGNATORS_MAX - 1].bytes[7], DESIGNATORS_MAX - 2);
}

static void test_serial_and_model(void **state)
{
	static const uint8_t page80[] = { 0, 0x80, 0, 10, ' ', ' ', 'S', 'N', '-', '1', 7, '2', ' ', 0 };
	uint8_t inquiry[36] = { 0, 0, 6, 2, 31 };
	struct identity id = { 0 };

	memcpy(inquiry + 8, "ACME    Big Disk        0001", 28);
	assert_int_equal(identity_parse_vpd80(page80, sizeof(page80), &id), 0);
	assert_string_equal(id.serial, "SN-1?2");
	assert_int_equal(identity_parse_vpd80(page80, 8, &id), 0);
	assert_string_equal(id.serial, "SN");
	assert_int_equal(identity_parse_vpd80(page80, 3, &id), -EUCLEAN);
	assert_int_equal(identity_parse_inquiry(inquiry, sizeof(inquiry), &id), 0);
	assert_string_equal(id.vendor, "ACME");
	assert_string_equal(id.model, "Big Disk");
	assert_int_equal(identity_parse_inquiry(inquiry, 31, &id), -EUCLEAN);
}

static void test_reservations(void **state)
{
	static const uint8_t all[8] = { 0, 8, 0x01, 0x80, 0xea, 0x01 };
	static const uint8_t untold[8] = { 0, 8, 0, 0, 0xff, 0xff };
	static const uint8_t keys[24] = { 0, 0, 0, 7, 0, 0, 0, 16 };
	static const uint8_t odd[8] = { 0, 0, 0, 7, 0, 0, 0, 15 };
	struct reservation_caps caps = { 0 };

	assert_int_equal(identity_parse_pr_caps(all, sizeof(all), &caps), 0);
	assert_true(caps.supported && caps.persists && caps.types_known);
	assert_int_equal(caps.types, 0x1ea);
	assert_int_equal(caps.types & RESERVATION_REGISTRANTS_ONLY, RESERVATION_REGISTRANTS_ONLY);
	assert_int_equal(identity_parse_pr_caps(untold, sizeof(untold), &caps), 0);
	assert_false(caps.types_known);
	assert_int_equal(caps.types, 0);
	assert_int_equal(identity_parse_pr_caps(all, 7, &caps), -EUCLEAN);
	assert_int_equal(identity_parse_pr_keys(keys, sizeof(keys), &caps), 0);
	assert_int_equal(caps.nr_keys, 2);
	assert_int_equal(identity_parse_pr_keys(odd, sizeof(odd), &caps), -EUCLEAN);
	assert_int_equal(identity_parse_pr_keys(keys, 7, &caps), -EUCLEAN);
}

static void test_nvme(void **state)
{
	uint8_t ns[4096] = { 0 }, ctrl[4096] = { 0 };
	struct identity id = { 0 };

	ns[31] = 0x19; /* persist through power loss, write exclusive RO, exclusive access RO */
	memcpy(ns + 104, eui16, 16);
	assert_int_equal(identity_parse_nvme_ns(ns, sizeof(ns), &id), 0);
	assert_int_equal(id.nr_designators, 1); /* an EUI-64 of zeros is none */
	check_designator(&id, 0, DESIGNATOR_EUI64, CODE_SET_BINARY, eui16, 16);
	assert_true(id.reservations.supported && id.reservations.persists);
	assert_int_equal(id.reservations.types, RESERVATION_REGISTRANTS_ONLY);
	ns[31] = 0x81;
	assert_int_equal(identity_parse_nvme_ns(ns, sizeof(ns), &id), 0);
	assert_false(id.reservations.supported);
	assert_int_equal(identity_parse_nvme_ns(ns, 127, &id), -EUCLEAN);
	memset(ctrl + 4, ' ', 60);
	memcpy(ctrl + 4, "S123", 4);
	memcpy(ctrl + 24, "Fast Drive", 10);
	assert_int_equal(identity_parse_nvme_ctrl(ctrl, sizeof(ctrl), &id), 0);
	assert_string_equal(id.serial, "S123");
	assert_string_equal(id.model, "Fast Drive");
	assert_int_equal(identity_parse_nvme_ctrl(ctrl, 71, &id), -EUCLEAN);
}

static void test_nvme_descs(void **state)
{
	uint8_t list[64] = { 0 };
	struct identity id = { 0 };

	list[0] = 3;
	list[1] = 16;
	memset(list + 4, 0xcd, 16);
	list[20] = 1;
	list[21] = 8;
	memcpy(list + 24, eui8, 8);
	list[32] = 2;
	list[33] = 200; /* more than there is */
	assert_int_equal(identity_parse_nvme_descs(list, sizeof(list), &id), 0);
	assert_true(id.has_nvme_uuid);
	assert_int_equal(id.nvme_uuid[0], 0xcd);
	assert_int_equal(id.nr_designators, 1);
	check_designator(&id, 0, DESIGNATOR_EUI64, CODE_SET_BINARY, eui8, 8);
	assert_int_equal(identity_parse_nvme_descs(list, 3, &id), -EUCLEAN);
}

static void test_transport(void **state)
{
	static const char *const cases[][2] = {
		{ "/sys/devices/platform/host3/session1/target3:0:0/3:0:0:0/block/sda", "iscsi" },
		{ "/sys/devices/pci0000:00/0000:03:00.0/host7/rport-7:0-2/target7:0:0/7:0:0:1/block/sdb", "fc" },
		{ "/sys/devices/pci0000:00/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sdc", "sas" },
		{ "/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sdd", "ata" },
		{ "/sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda", "virtio" },
		{ "/sys/devices/virtual/block/loop0", "loop" },
		{ "/sys/devices/virtual/block/dm-0", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(identity_transport_of(cases[i][0]), cases[i][1]);
}

/* ---- a target that answers commands ---- */

struct target {
	struct identity_scsi scsi;
	bool is_disk;
	bool has_caps; /* REPORT CAPABILITIES */
	bool is_mad;   /* answers with what was never asked for */
};

static int answer(const void *bytes, size_t size, uint8_t *buf, unsigned int len)
{
	size_t n = size < len ? size : len;

	memcpy(buf, bytes, n);
	return (int)n;
}

static int target_inquiry(const uint8_t *cdb, uint8_t *buf, unsigned int len)
{
	uint8_t standard[96] = { 0, 0, 6, 2, 91 };
	struct page p;

	assert_int_equal(cdb[3] << 8 | cdb[4], len);
	if (!(cdb[1] & 1)) {
		memcpy(standard + 8, "LIO-ORG disk            4.0 ", 28);
		return answer(standard, sizeof(standard), buf, len);
	}
	page_init(&p);
	if (cdb[2] == 0x83) {
		page_add(&p, 1, 2, t10, sizeof(t10) - 1);
		page_add(&p, 3, 1, naa6, 16);
		return answer(p.bytes, p.len, buf, len);
	}
	return cdb[2] == 0x80 ? answer("\0\x80\0\4disk", 8, buf, len) : -EIO;
}

static int target_command(struct identity_scsi *scsi, const uint8_t *cdb, unsigned int cdb_len, uint8_t *buf,
			  unsigned int len)
{
	const struct target *t = container_of(scsi, struct target, scsi);

	if (!t->is_disk)
		return -ENOTTY;
	if (t->is_mad) {
		memset(buf, 0xff, len);
		return (int)len;
	}
	if (cdb[0] == 0x12)
		return target_inquiry(cdb, buf, len);
	assert_int_equal(cdb[0], 0x5e);
	assert_int_equal(cdb[7] << 8 | cdb[8], len);
	if (cdb[1] == 2)
		return t->has_caps ? answer("\0\10\1\200\352\1\0\0", 8, buf, len) : -EIO;
	assert_int_equal(cdb[1], 0);
	return answer("\0\0\0\1\0\0\0\10keykeyke", 16, buf, len);
}

static void test_scsi_target(void **state)
{
	struct target t = { .scsi.command = target_command, .is_disk = true, .has_caps = true };
	struct identity id = { 0 };

	assert_int_equal(identity_read_scsi(&t.scsi, &id), 0);
	assert_int_equal(id.kind, IDENTITY_SCSI);
	assert_string_equal(id.vendor, "LIO-ORG");
	assert_string_equal(id.model, "disk");
	assert_string_equal(id.serial, "disk");
	assert_int_equal(id.nr_designators, 2);
	check_designator(&id, 0, DESIGNATOR_NAA, CODE_SET_BINARY, naa6, 16);
	assert_int_equal(id.reservations.types, 0x1ea);
	assert_int_equal(id.reservations.nr_keys, 1);

	t.has_caps = false; /* READ KEYS alone tells that there are reservations */
	id = (struct identity){ 0 };
	assert_int_equal(identity_read_scsi(&t.scsi, &id), 0);
	assert_true(id.reservations.supported);
	assert_false(id.reservations.types_known);

	t.is_mad = true;
	assert_int_equal(identity_read_scsi(&t.scsi, &id), 0);

	t.is_disk = false;
	assert_int_equal(identity_read_scsi(&t.scsi, &id), -ENOTTY);
}

static void test_plain_file(void **state)
{
	char path[] = "lamina-identity-XXXXXX";
	struct identity id;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(identity_read(fd, &id), 0);
	assert_int_equal(id.kind, IDENTITY_FILE);
	assert_int_equal(id.nr_designators, 0);
	assert_false(id.reservations.supported);
	close(fd);
	unlink(path);
	assert_int_equal(identity_read(-1, &id), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind),
		cmocka_unit_test(test_preference),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_hostile_lengths),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_serial_and_model),
		cmocka_unit_test(test_reservations),
		cmocka_unit_test(test_nvme),
		cmocka_unit_test(test_nvme_descs),
		cmocka_unit_test(test_transport),
		cmocka_unit_test(test_scsi_target),
		cmocka_unit_test(test_plain_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
