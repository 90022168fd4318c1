/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that may lie on a device is named; signatures are made by the real tools, or by hand where they lack. */
#include <errno.h>
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

#include "dev/le.h"
#include "dev/probe.h"

#define IMAGE_SIZE (32u << 20)
#define LABEL_SIZE 4096u
#define MAGIC	   0x1122334455667788ULL

static const struct probe_own own = { .what = "Lamina volume",
				      .magic = MAGIC,
				      .magic_off = 8,
				      .label_size = LABEL_SIZE,
				      .name_off = 64,
				      .name_len = 16,
				      .uuid_off = 32 };
static char image[64];
static int fd;

static int setup(void **state)
{
	snprintf(image, sizeof(image), "lamina-probe-XXXXXX");
	fd = mkstemp(image);
	return fd < 0 ? -1 : ftruncate(fd, IMAGE_SIZE);
}

static int teardown(void **state)
{
	close(fd);
	return unlink(image);
}

static struct probe_result probe(void)
{
	struct probe_result res;

	assert_int_equal(probe_fd(fd, &own, &res), 0);
	return res;
}

static void put(uint64_t off, const void *bytes, size_t len)
{
	assert_int_equal(pwrite(fd, bytes, len, (off_t)off), (ssize_t)len);
}

/* Whether @command (with one %s for the image) ran; else the test is skipped. */
static void run_tool(const char *tool, const char *args)
{
	char command[256];

	snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin %s %s %s >/dev/null 2>&1", tool, args, image);
	if (system(command) != 0) {
		print_message("skipped: no %s here\n", tool);
		skip();
	}
}

static void put_label(uint64_t off)
{
	uint8_t label[LABEL_SIZE] = { 0 };
	struct le64 magic = le64_make(MAGIC);

	memcpy(label + 8, &magic, sizeof(magic));
	memset(label + 32, 0xab, 16);
	memcpy(label + 64, "tank", 4);
	put(off, label, sizeof(label));
}

static void test_nothing(void **state)
{
	struct probe_result res = probe();

	assert_false(res.found);
	assert_false(res.is_own);
	assert_string_equal(res.text, "");
}

static void test_ext4(void **state)
{
	struct probe_result res;

	run_tool("mkfs.ext4", "-q -F -L books -U 11111111-2222-3333-4444-555555555555");
	res = probe();
	assert_true(res.found);
	assert_false(res.is_own);
	assert_string_equal(res.text, "ext4 file system, label books, uuid 11111111-2222-3333-4444-555555555555");
}

static void test_swap(void **state)
{
	struct probe_result res;

	run_tool("mkswap", "-L pages");
	res = probe();
	assert_true(res.found);
	assert_ptr_equal(strstr(res.text, "swap, label pages, uuid "), res.text);
}

static void test_encrypted(void **state)
{
	uint8_t header[592] = { 'L', 'U', 'K', 'S', 0xba, 0xbe, 0, 1 };

	memcpy(header + 168, "11111111-2222-3333-4444-555555555555", 36);
	put(0, header, sizeof(header));
	assert_true(probe().found);
	assert_string_equal(probe().text,
			    "crypto_LUKS, an encrypted container, uuid 11111111-2222-3333-4444-555555555555");
}

static void test_dos_partitions(void **state)
{
	uint8_t sector[512] = { 0 };

	sector[446 + 4] = 0x83;
	sector[446 + 8 + 1] = 0x08; /* from sector 2048 */
	sector[446 + 12 + 1] = 0x10;
	sector[510] = 0x55;
	sector[511] = 0xaa;
	put(0, sector, sizeof(sector));
	assert_true(probe().found);
	assert_non_null(strstr(probe().text, "dos partition table"));
}

static void test_lvm_member(void **state)
{
	uint8_t label[512] = "LABELONE";

	label[8] = 1;	  /* sector */
	label[20] = 0x20; /* offset of the header */
	memcpy(label + 24, "LVM2 001", 8);
	memcpy(label + 32, "abcdefghijklmnopqrstuvwxyz012345", 32);
	put(512, label, sizeof(label));
	assert_true(probe().found);
	assert_non_null(strstr(probe().text, "LVM2_member, a member of a RAID or volume group"));
}

static void test_raid_member(void **state)
{
	struct {
		struct le32 magic, major, features, pad;
		uint8_t uuid[16];
		char name[32];
		uint8_t rest[64];
		struct le64 data_offset, data_size, super_offset;
	} super = { 0 };

	super.magic = le32_make(0xa92b4efc);
	super.major = le32_make(1);
	memset(super.uuid, 0x5a, 16);
	memcpy(super.name, "host:stripes", 12);
	super.super_offset = le64_make(8); /* sectors: version 1.2 */
	put(4096, &super, sizeof(super));
	assert_true(probe().found);
	assert_non_null(strstr(probe().text, "linux_raid_member"));
	assert_non_null(strstr(probe().text, "host:stripes"));
}

static void test_own(void **state)
{
	struct probe_result res;

	put_label(0);
	res = probe();
	assert_true(res.found);
	assert_true(res.is_own);
	assert_string_equal(res.text, "Lamina volume, name tank, uuid abababab-abab-abab-abab-abababababab");
	assert_int_equal(probe_fd(fd, NULL, &res), 0);
	assert_false(res.found);
}

static void test_own_copy(void **state)
{
	assert_int_equal(ftruncate(fd, IMAGE_SIZE + 777), 0);
	put_label(IMAGE_SIZE - LABEL_SIZE);
	assert_true(probe().is_own);
	assert_non_null(strstr(probe().text, "only the copy of its label"));
}

static void test_several(void **state)
{
	run_tool("mkswap", "");
	put_label(IMAGE_SIZE - LABEL_SIZE);
	assert_non_null(strstr(probe().text, "Lamina volume"));
	assert_non_null(strstr(probe().text, "; swap"));
}

/* Where no label of ours would come to lie, too. */
static void test_wipe(void **state)
{
	put(65536 + 64, "_BHRfS_M", 8);
	test_raid_member(state);
	put_label(0);
	assert_int_equal(probe_wipe(fd), 0);
	assert_string_equal(probe().text, "Lamina volume, name tank, uuid abababab-abab-abab-abab-abababababab");
	assert_int_equal(probe_wipe(fd), 0);
	assert_int_not_equal(probe_wipe(-1), 0);
}

static void test_paths(void **state)
{
	struct probe_result res;

	run_tool("mkswap", "");
	assert_int_equal(probe_path(image, &own, &res), 0);
	assert_non_null(strstr(res.text, "swap"));
	assert_int_equal(probe_wipe_path(image), 0);
	assert_int_equal(probe_path(image, &own, &res), 0);
	assert_false(res.found);
	assert_int_equal(probe_path("no/such", &own, &res), -ENOENT);
	assert_int_equal(probe_wipe_path("no/such"), -ENOENT);
}

/* A name on the disk can't forge a line of the terminal. */
static void test_hostile_name(void **state)
{
	put_label(0);
	put(64, "a\033[2J\nb", 7);
	assert_non_null(strstr(probe().text, "name a?[2J?b"));
}

static void test_errors(void **state)
{
	struct probe_result res = { .text = "untouched" };
	int dir = open(".", O_RDONLY | O_CLOEXEC);

	assert_int_not_equal(probe_fd(-1, &own, &res), 0);
	assert_int_not_equal(probe_fd(dir, &own, &res), 0);
	assert_string_equal(res.text, "untouched");
	close(dir);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_nothing),	   CASE(test_ext4),	  CASE(test_swap),	   CASE(test_encrypted),
		CASE(test_dos_partitions), CASE(test_lvm_member), CASE(test_raid_member),  CASE(test_own),
		CASE(test_own_copy),	   CASE(test_several),	  CASE(test_hostile_name), CASE(test_errors),
		CASE(test_wipe),	   CASE(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
