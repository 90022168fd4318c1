/* SPDX-License-Identifier: Apache-2.0 */
/* What a device can be used for: one case for each reason against it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "extent/format.h"
#include "tools/device_report.h"

static struct device_report good;

static int setup(void **state)
{
	struct identity *id = &good.identity;

	good = (struct device_report){ .limits.is_block = true };
	id->kind = IDENTITY_SCSI;
	id->nr_designators = 1;
	id->designators[0] = (struct designator){ .type = DESIGNATOR_NAA, .code_set = CODE_SET_BINARY, .len = 8 };
	id->reservations = (struct reservation_caps){ .supported = true,
						      .types_known = true,
						      .types = RESERVATION_REGISTRANTS_ONLY };
	return 0;
}

/* @good as it now is can't serve; the reason and the remedy have these words. */
static void check_refused(const char *why, const char *remedy)
{
	device_report_judge(&good);
	assert_false(good.scsi_layouts);
	assert_non_null(strstr(good.why_not, why));
	assert_non_null(strstr(good.what_to_do, remedy));
}

static void test_good(void **state)
{
	device_report_judge(&good);
	assert_true(good.scsi_layouts);
	assert_null(good.why_not);
	assert_null(good.what_to_do);
	good.identity.reservations.types_known = false;
	good.identity.reservations.types = 0;
	device_report_judge(&good);
	assert_true(good.scsi_layouts);
}

static void test_local(void **state)
{
	good.identity.kind = IDENTITY_NVME;
	snprintf(good.identity.transport, sizeof(good.identity.transport), "pcie");
	device_report_judge(&good);
	assert_true(good.scsi_layouts);
	assert_non_null(strstr(good.what_to_do, "this host alone"));
}

static void test_kinds(void **state)
{
	good.identity.kind = IDENTITY_FILE;
	check_refused("plain file", "trying out");
	good.identity.kind = IDENTITY_OTHER;
	check_refused("neither a SCSI disk nor an NVMe", "persistent reservations");
}

static void test_partition(void **state)
{
	good.identity.is_partition = true;
	check_refused("partition", "whole device");
}

static void test_read_only(void **state)
{
	good.limits.read_only = true;
	check_refused("read-only", "writable");
}

static void test_no_designator(void **state)
{
	good.identity.designators[0].type = DESIGNATOR_T10;
	check_refused("no designator", "NAA");
	good.identity.nr_designators = 0;
	good.identity.kind = IDENTITY_NVME;
	check_refused("NGUID", "device_nguid");
}

static void test_no_reservations(void **state)
{
	good.identity.reservations.types = RESERVATION_BIT(RESERVATION_WRITE_EXCLUSIVE);
	check_refused("registrants only", "firmware");
	good.identity.reservations.supported = false;
	check_refused("no persistent reservations", "target");
	good.identity.kind = IDENTITY_NVME;
	check_refused("no persistent reservations", "resv_enable");
}

/* The constants by which a volume is recognised agree with the format. */
static void test_label_probe(void **state)
{
	struct disk_label label = { .magic = le64_make(LABEL_MAGIC), .volume_name = "tank" };
	char path[] = "lamina-report-XXXXXX";
	struct device_report report;
	int fd = mkstemp(path);

	memset(label.volume_uuid, 0x11, sizeof(label.volume_uuid));
	assert_int_equal(write(fd, &label, sizeof(label)), sizeof(label));
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	device_report_make(path, &report);
	close(fd);
	unlink(path);
	assert_int_equal(report.err, 0);
	assert_int_equal(report.limits.size, 1 << 20);
	assert_true(report.content.is_own);
	assert_string_equal(report.content.text,
			    "Lamina volume, name tank, uuid 11111111-1111-1111-1111-111111111111");
	assert_false(report.in_use);
	assert_false(report.scsi_layouts);
}

static void test_missing(void **state)
{
	struct device_report report;

	device_report_make("/does/not/exist", &report);
	assert_int_equal(report.err, -ENOENT);
	assert_non_null(strstr(report.message, "/does/not/exist"));
}

#define CASE(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_good),      CASE(test_local),		CASE(test_kinds),	    CASE(test_partition),
		CASE(test_read_only), CASE(test_no_designator), CASE(test_no_reservations), CASE(test_label_probe),
		CASE(test_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
