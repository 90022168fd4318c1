/* SPDX-License-Identifier: Apache-2.0 */

/* Bodies of layouts are the bytes of RFC 5663 and 8154; what is not sound is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire_pnfs.h"
#include "tests/lib/message.h"

MESSAGE_TYPE(pnfs_block_deviceaddr4)
MESSAGE_TYPE(pnfs_block_extent4)
MESSAGE_TYPE(pnfs_scsi_range4)

#define BUDGET 65536

/* RFC 5663, 2.3: one extent at 1 MiB of the file, 64 KiB, at 4 GiB of the volume, not yet valid. */
static const uint8_t layout_bytes[] = {
	0,   0,	  0,   1, /* extents */
	'd', 'e', 'v', 'i', 'c', 'e', ' ', 'i', 'd', ' ',  'o', 'f',
	' ', '1', '6', '.', 0,	 0,   0,   0,	0,   0x10, 0,	0, /* file offset */
	0,   0,	  0,   0,   0,	 1,   0,   0,			   /* length */
	0,   0,	  0,   1,   0,	 0,   0,   0,			   /* storage offset */
	0,   0,	  0,   2,					   /* INVALID_DATA */
};

/* RFC 8154, 2.4.5: the commit of two ranges. */
static const uint8_t scsi_commit_bytes[] = {
	0, 0, 0, 2,		      /* ranges */
	0, 0, 0, 0, 0, 0x10, 0,	   0, /* file offset */
	0, 0, 0, 0, 0, 0,    0x10, 0, /* length */
	0, 0, 0, 0, 0, 0x20, 0,	   0, /* file offset */
	0, 0, 0, 0, 0, 0,    0x20, 0, /* length */
};

/* RFC 8154, 2.4.1: one LU, told by a binary NAA designator, with a key. */
static const uint8_t scsi_device_bytes[] = {
	0,    0, 0, 1,						 /* volumes */
	0,    0, 0, 4,						 /* BASE */
	0,    0, 0, 1,						 /* binary */
	0,    0, 0, 3,						 /* NAA */
	0,    0, 0, 8,						 /* bytes */
	0x60, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0x12, 0x34, /* designator, key */
};

/* RFC 5663, 2.2.2: two disks told by signatures, striped. */
static const uint8_t block_device_bytes[] = {
	0,    0,    0,	  3,							     /* volumes */
	0,    0,    0,	  0,	0,    0,    0,	  1,				     /* SIMPLE, one part */
	0,    0,    0,	  0,	0,    0,    0,	  0, 0, 0, 0, 4, 's', 'i', 'g', '1', /* at 0 */
	0,    0,    0,	  0,	0,    0,    0,	  1,				     /* SIMPLE, one part */
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 2, 's', '2', 0,	0,   /* 256 before the end */
	0,    0,    0,	  3,							     /* STRIPE */
	0,    0,    0,	  0,	0,    1,    0,	  0,				     /* 64 KiB */
	0,    0,    0,	  2,	0,    0,    0,	  0, 0, 0, 0, 1,		     /* of both */
};

static struct pnfs_block_extent4 sample_extent(void)
{
	struct pnfs_block_extent4 extent = { .bex_file_offset = 1 << 20,
					     .bex_length = 1 << 16,
					     .bex_storage_offset = 1ULL << 32,
					     .bex_state = PNFS_BLOCK_INVALID_DATA };

	memcpy(extent.bex_vol_id, "device id of 16.", NFS4_DEVICEID4_SIZE);
	return extent;
}

static void check_extent_list(layouttype4 type, bool is_commit)
{
	struct pnfs_block_extent4 extent = sample_extent(), got;
	struct wire_extents_out out;
	struct wire_extents_in in;
	uint8_t buf[100];

	assert_int_equal((is_commit ? wire_commit_begin : wire_layout_begin)(&out, type, buf, 91), 0);
	assert_int_equal(wire_extents_add(&out, &extent), 0);
	assert_int_equal(wire_extents_add(&out, &extent), -EMSGSIZE);
	assert_int_equal(wire_extents_end(&out), sizeof(layout_bytes));
	assert_memory_equal(buf, layout_bytes, sizeof(layout_bytes));
	for (uint32_t len = 0; len < sizeof(layout_bytes); len++)
		assert_int_equal((is_commit ? wire_commit_open : wire_layout_open)(&in, type, layout_bytes, len),
				 -EBADMSG);
	assert_int_equal(
		(is_commit ? wire_commit_open : wire_layout_open)(&in, type, layout_bytes, sizeof(layout_bytes)), 0);
	assert_int_equal(in.nr, 1);
	assert_int_equal(wire_extents_next(&in, &got), 0);
	assert_memory_equal(&got, &extent, sizeof(got));
	assert_int_equal(wire_extents_next(&in, &got), -ENOENT);
}

static void test_extents(void **state)
{
	check_extent_list(LAYOUT4_BLOCK_VOLUME, false);
	check_extent_list(LAYOUT4_BLOCK_VOLUME, true);
	check_extent_list(LAYOUT4_SCSI, false);
	assert_int_equal(wire_extents_fit(4096), 93);
	assert_int_equal(wire_extents_fit(47), 0);
	assert_int_equal(wire_extents_fit(48), 1);
	assert_int_equal(wire_extents_fit(3), 0);
}

static void test_scsi_commit(void **state)
{
	struct pnfs_block_extent4 extent = sample_extent(), got;
	struct wire_extents_out out;
	struct wire_extents_in in;
	uint8_t buf[36];

	assert_int_equal(wire_commit_begin(&out, LAYOUT4_SCSI, buf, sizeof(buf)), 0);
	extent.bex_length = 0x1000;
	assert_int_equal(wire_extents_add(&out, &extent), 0);
	extent.bex_file_offset = 0x200000;
	extent.bex_length = 0x2000;
	assert_int_equal(wire_extents_add(&out, &extent), 0);
	assert_int_equal(wire_extents_add(&out, &extent), -EMSGSIZE);
	assert_int_equal(wire_extents_end(&out), sizeof(scsi_commit_bytes));
	assert_memory_equal(buf, scsi_commit_bytes, sizeof(buf));
	for (uint32_t len = 0; len < sizeof(buf); len++)
		assert_int_equal(wire_commit_open(&in, LAYOUT4_SCSI, buf, len), -EBADMSG);
	assert_int_equal(wire_commit_open(&in, LAYOUT4_SCSI, buf, sizeof(buf)), 0);
	assert_int_equal(wire_extents_next(&in, &got), 0);
	assert_int_equal(got.bex_file_offset, 1 << 20);
	assert_int_equal(got.bex_state, PNFS_BLOCK_READWRITE_DATA);
	assert_int_equal(wire_extents_next(&in, &got), 0);
	assert_int_equal(got.bex_length, 0x2000);
	assert_int_equal(wire_extents_next(&in, &got), -ENOENT);
	/* An empty list is usual; the same bytes are no list of extents. */
	assert_int_equal(wire_commit_open(&in, LAYOUT4_SCSI, "\0\0\0", 4), 0);
	assert_int_equal(wire_extents_next(&in, &got), -ENOENT);
	assert_int_equal(wire_commit_open(&in, LAYOUT4_BLOCK_VOLUME, buf, sizeof(buf)), -EBADMSG);
	/* A count whose product with the size wraps in 32 bits to what is there. */
	memcpy(buf, "\x10\0\0\2", 4);
	assert_int_equal(wire_commit_open(&in, LAYOUT4_SCSI, buf, sizeof(buf)), -EBADMSG);
}

static int next_of(const uint8_t *body, int byte, uint8_t value)
{
	struct pnfs_block_extent4 got;
	struct wire_extents_in in;
	uint8_t buf[sizeof(layout_bytes)];

	memcpy(buf, body, sizeof(buf));
	buf[byte] = value;
	assert_int_equal(wire_layout_open(&in, LAYOUT4_SCSI, buf, sizeof(buf)), 0);
	return wire_extents_next(&in, &got);
}

static void test_bad_extents(void **state)
{
	uint8_t full[sizeof(layout_bytes)];

	assert_int_equal(next_of(layout_bytes, 47, 3), 0);
	assert_int_equal(next_of(layout_bytes, 47, 4), -EBADMSG);
	assert_int_equal(next_of(layout_bytes, 44, 0xff), -EBADMSG);
	assert_int_equal(next_of(layout_bytes, 33, 0), -EINVAL);
	/* To the end of what can be addressed, and one further. */
	memcpy(full, layout_bytes, sizeof(full));
	memset(full + 20, 0xff, 8);
	memset(full + 28, 0, 8);
	full[35] = 1;
	full[27] = 0xfe;
	assert_int_equal(next_of(full, 27, 0xfe), 0);
	full[35] = 2;
	assert_int_equal(next_of(full, 27, 0xfe), -EINVAL);
	memcpy(full, layout_bytes, sizeof(full));
	memset(full + 36, 0xff, 8);
	assert_int_equal(next_of(full, 0, 0), -EINVAL);
}

static int decode_device(layouttype4 type, const void *bytes, uint32_t len)
{
	struct pnfs_block_deviceaddr4 addr, again;
	uint8_t *copy = malloc(len ? len : 1), *buf = malloc(len ? len : 1);
	struct wire_arena arena;
	uint32_t got;
	int err;

	assert_non_null(copy);
	assert_non_null(buf);
	memcpy(copy, bytes, len);
	wire_arena_init(&arena, BUDGET);
	err = wire_device_decode(type, copy, len, &arena, &addr);
	if (!err) {
		again = addr;
		assert_int_equal(wire_size(pnfs_block_deviceaddr4, &again), len);
		assert_int_equal(wire_device_encode(type, &addr, buf, len - 1, &got), -EMSGSIZE);
		assert_int_equal(wire_device_encode(type, &addr, buf, len, &got), 0);
		assert_int_equal(got, len);
		assert_memory_equal(buf, copy, len);
	}
	wire_arena_release(&arena);
	free(copy);
	free(buf);
	return err;
}

static void check_device(layouttype4 type, const uint8_t *bytes, uint32_t len)
{
	uint8_t longer[256] = { 0 };

	assert_int_equal(decode_device(type, bytes, len), 0);
	for (uint32_t cut = 0; cut < len; cut++)
		assert_int_equal(decode_device(type, bytes, cut), -EBADMSG);
	memcpy(longer, bytes, len);
	assert_int_equal(decode_device(type, longer, len + 4), -EBADMSG);
	/* The other type has other LUs. */
	type = type == LAYOUT4_SCSI ? LAYOUT4_BLOCK_VOLUME : LAYOUT4_SCSI;
	assert_int_equal(decode_device(type, bytes, len), -EBADMSG);
	assert_int_equal(decode_device(LAYOUT4_FLEX_FILES, bytes, len), -EINVAL);
}

static void test_devices(void **state)
{
	check_device(LAYOUT4_SCSI, scsi_device_bytes, sizeof(scsi_device_bytes));
	check_device(LAYOUT4_BLOCK_VOLUME, block_device_bytes, sizeof(block_device_bytes));
}

static void put_words(uint8_t *buf, const uint32_t *words, size_t nr)
{
	for (size_t i = 0; i < 4 * nr; i++)
		buf[i] = (uint8_t)(words[i / 4] >> (24 - 8 * (i % 4)));
}

static int decode_words(const uint32_t *words, size_t nr)
{
	uint8_t buf[128];

	assert_true(4 * nr <= sizeof(buf));
	put_words(buf, words, nr);
	return decode_device(LAYOUT4_SCSI, buf, (uint32_t)(4 * nr));
}
#define DECODE_WORDS(...)                                                                                            \
	decode_words((uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

#define BASE 4, 1, 3, 4, 0x60010203, 0, 0x1234

static void test_unsound_devices(void **state)
{
	assert_int_equal(DECODE_WORDS(1, BASE), 0);
	assert_int_equal(DECODE_WORDS(0), -EBADMSG);
	/* A designator of no bytes. */
	assert_int_equal(DECODE_WORDS(1, 4, 1, 3, 0, 0, 1), -EBADMSG);
	/* Slices: of the volume before, of itself, of one behind, of no length, beyond the end. */
	assert_int_equal(DECODE_WORDS(2, BASE, 1, 0, 0, 0, 9, 0), 0);
	assert_int_equal(DECODE_WORDS(2, BASE, 1, 0, 0, 0, 9, 1), -EBADMSG);
	assert_int_equal(DECODE_WORDS(2, 1, 0, 0, 0, 9, 1, BASE), -EBADMSG);
	assert_int_equal(DECODE_WORDS(2, BASE, 1, 0, 0, 0, 0, 0), -EBADMSG);
	assert_int_equal(DECODE_WORDS(2, BASE, 1, 0xffffffff, 0xffffffff, 0, 1, 0), -EBADMSG);
	/* Sets: of one, of none, of itself. */
	assert_int_equal(DECODE_WORDS(2, BASE, 2, 1, 0), 0);
	assert_int_equal(DECODE_WORDS(2, BASE, 2, 0), -EBADMSG);
	assert_int_equal(DECODE_WORDS(2, BASE, 2, 2, 0, 1), -EBADMSG);
	/* Stripes: of 64 KiB, of nothing, of none, of one that is not there. */
	assert_int_equal(DECODE_WORDS(2, BASE, 3, 0, 0x10000, 1, 0), 0);
	assert_int_equal(DECODE_WORDS(2, BASE, 3, 0, 0, 1, 0), -EBADMSG);
	assert_int_equal(DECODE_WORDS(2, BASE, 3, 0, 0x10000, 0), -EBADMSG);
	assert_int_equal(DECODE_WORDS(2, BASE, 3, 0, 0x10000, 1, 0xffffffff), -EBADMSG);
	/* No such volume; more than the bound; more than there are. */
	assert_int_equal(DECODE_WORDS(1, 5), -EBADMSG);
	assert_int_equal(DECODE_WORDS(257, BASE), -EBADMSG);
	assert_int_equal(DECODE_WORDS(2, BASE), -EBADMSG);
	assert_int_equal(DECODE_WORDS(2, BASE, 2, 257, 0), -EBADMSG);
}

static void test_wrong_types(void **state)
{
	struct wire_extents_out out;
	struct wire_extents_in in;
	uint8_t buf[64] = { 0 };

	assert_int_equal(wire_layout_open(&in, LAYOUT4_NFSV4_1_FILES, buf, 4), -EINVAL);
	assert_int_equal(wire_commit_open(&in, 0, buf, 4), -EINVAL);
	assert_int_equal(wire_layout_begin(&out, LAYOUT4_OSD2_OBJECTS, buf, 64), -EINVAL);
	assert_int_equal(wire_commit_begin(&out, 6, buf, 64), -EINVAL);
	assert_int_equal(wire_layout_begin(&out, LAYOUT4_SCSI, buf, 3), -EMSGSIZE);
}

static void test_round_trips(void **state)
{
	static const struct message_type *const types[] = { &message_pnfs_block_deviceaddr4,
							    &message_pnfs_block_extent4, &message_pnfs_scsi_range4 };
	struct dice dice = dice_seed(8);
	uint8_t buf[600];

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		int found = 0;

		for (int tries = 0; tries < 3000 && found < 50; tries++) {
			message_random(&dice, buf, sizeof(buf));
			found += message_check(types[i], buf, sizeof(buf)) != 0;
		}
		assert_int_equal(found, 50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extents),		cmocka_unit_test(test_scsi_commit),
		cmocka_unit_test(test_bad_extents),	cmocka_unit_test(test_devices),
		cmocka_unit_test(test_unsound_devices), cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
