/* SPDX-License-Identifier: Apache-2.0 */

/* What each type of item may hold; how items look as text, and keys back from it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "tests/lib/dice.h"

static struct key file_key(uint8_t type, uint64_t off)
{
	return key_make(ZONE_FILE, 12, type, off);
}

/* A value in memory of its own size: the sanitizer sees who reads too far. */
static bool valid(struct key key, const void *val, size_t len)
{
	void *copy = malloc(len ? len : 1);
	bool ok;

	assert_non_null(copy);
	if (len)
		memcpy(copy, val, len);
	ok = item_is_valid(key, copy, len);
	free(copy);
	return ok;
}

/* @val is valid as it is, and in no other length. */
static void assert_only_len(struct key key, const void *val, size_t len)
{
	static uint8_t buf[ITEM_VALUE_MAX + 1];

	memset(buf, 0, sizeof(buf));
	memcpy(buf, val, len);
	for (size_t i = 0; i <= sizeof(buf); i++)
		assert_int_equal(valid(key, buf, i), i == len);
}

static void test_chunk(void **state)
{
	struct disk_chunk_item d = { le64_make(daddr_make(3, 256)) };

	assert_only_len(key_make(ZONE_VOLUME, 0, ITEM_CHUNK, 5), &d, sizeof(d));
	assert_false(valid(key_make(ZONE_VOLUME, 1, ITEM_CHUNK, 5), &d, sizeof(d)));
	assert_false(valid(key_make(ZONE_VOLUME, 0, ITEM_CHUNK, VOLUME_CHUNKS_MAX), &d, sizeof(d)));
	assert_false(valid(key_make(ZONE_VOLUME, 0, 2, 5), &d, sizeof(d)));
	d.daddr = le64_make(daddr_make(VOLUME_DEVICES_MAX, 256));
	assert_false(valid(key_make(ZONE_VOLUME, 0, ITEM_CHUNK, 5), &d, sizeof(d)));
	d.daddr = le64_make(1ULL << 56);
	assert_false(valid(key_make(ZONE_VOLUME, 0, ITEM_CHUNK, 5), &d, sizeof(d)));
}

static void test_free_space(void **state)
{
	struct disk_free d = { le64_make(10) };

	assert_only_len(key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 9), &d, sizeof(d));
	assert_false(valid(key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 8), &d, sizeof(d))); /* begins before block 0 */
	assert_true(valid(key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, daddr_make(63, 9)), &d, sizeof(d)));
	assert_false(valid(key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, daddr_make(63, 8)), &d, sizeof(d)));
	assert_false(valid(key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, daddr_make(64, 9)), &d, sizeof(d)));
	assert_false(valid(key_make(ZONE_FREE, 1, ITEM_FREE_ADDR, 9), &d, sizeof(d)));
	d.len = le64_make(0);
	assert_false(valid(key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 9), &d, sizeof(d)));
	d.len = le64_make(UINT64_MAX);
	assert_false(valid(key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 9), &d, sizeof(d)));

	assert_only_len(key_make(ZONE_FREE, 3, ITEM_FREE_SIZE, 7), "", 0);
	assert_false(valid(key_make(ZONE_FREE, 3, ITEM_FREE_SIZE, 6), NULL, 0));
	assert_false(valid(key_make(ZONE_FREE, 48, ITEM_FREE_SIZE, KEY_LOW_MAX >> 8), NULL, 0));
	assert_false(valid(key_make(ZONE_FREE, KEY_LOW_MAX, ITEM_FREE_SIZE, 6), NULL, 0));
	assert_false(valid(key_make(ZONE_FREE, 0, 3, 6), NULL, 0));
}

static void test_limbo_shared_orphan(void **state)
{
	struct disk_free run = { le64_make(10) };
	struct disk_shared shared = { le64_make(10), le32_make(2) };
	uint64_t last = (1ULL << DADDR_BLOCK_BITS) - 10;

	assert_only_len(key_make(ZONE_LIMBO, KEY_LOW_MAX, ITEM_LIMBO, last), &run, sizeof(run));
	assert_false(valid(key_make(ZONE_LIMBO, 1, ITEM_LIMBO, last + 1), &run, sizeof(run)));
	assert_false(valid(key_make(ZONE_LIMBO, 1, 2, last), &run, sizeof(run)));
	run.len = le64_make(0);
	assert_false(valid(key_make(ZONE_LIMBO, 1, ITEM_LIMBO, last), &run, sizeof(run)));

	assert_only_len(key_make(ZONE_SHARED, 0, ITEM_SHARED, last), &shared, sizeof(shared));
	assert_false(valid(key_make(ZONE_SHARED, 0, ITEM_SHARED, last + 1), &shared, sizeof(shared)));
	assert_false(valid(key_make(ZONE_SHARED, 1, ITEM_SHARED, last), &shared, sizeof(shared)));
	shared.refs = le32_make(1);
	assert_false(valid(key_make(ZONE_SHARED, 0, ITEM_SHARED, last), &shared, sizeof(shared)));

	assert_only_len(key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, 12), "", 0);
	assert_false(valid(key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, 0), NULL, 0));
	assert_false(valid(key_make(ZONE_ORPHAN, 1, ITEM_ORPHAN, 12), NULL, 0));
}

static struct disk_inode inode(void)
{
	return (struct disk_inode){ .mode = le32_make(0100644), .trim_from = le64_make(UINT64_MAX) };
}

#define ASSERT_INODE(expected, field, value)                                                                         \
	do {                                                                                                         \
		struct disk_inode x = inode();                                                                       \
                                                                                                                     \
		x.field = value;                                                                                     \
		assert_int_equal(valid(file_key(ITEM_INODE, 0), &x, sizeof(x)), expected);                           \
	} while (0)

static void test_inode(void **state)
{
	struct disk_inode d = inode();

	assert_only_len(file_key(ITEM_INODE, 0), &d, sizeof(d));
	assert_false(valid(file_key(ITEM_INODE, 1), &d, sizeof(d)));
	assert_false(valid(key_make(ZONE_FILE, 0, ITEM_INODE, 0), &d, sizeof(d)));
	for (uint32_t type = 0; type < 16; type++)
		ASSERT_INODE(type == 1 || type == 2 || type == 4 || type == 6 || type == 8 || type == 10 ||
				     type == 12,
			     mode, le32_make(type << 12 | 0755));
	ASSERT_INODE(true, mode, le32_make(0107777));
	ASSERT_INODE(false, mode, le32_make(0300644));
	ASSERT_INODE(true, atime.nsec, le32_make(999999999));
	ASSERT_INODE(false, atime.nsec, le32_make(1000000000));
	ASSERT_INODE(false, mtime.nsec, le32_make(1000000000));
	ASSERT_INODE(false, ctime.nsec, le32_make(UINT32_MAX));
	ASSERT_INODE(false, btime.nsec, le32_make(1000000000));
	ASSERT_INODE(true, btime.sec, le64_make(UINT64_MAX));
	ASSERT_INODE(true, size, le64_make(INT64_MAX));
	ASSERT_INODE(false, size, le64_make(1ULL << 63));
	ASSERT_INODE(false, blocks, le64_make(1ULL << 56));
	ASSERT_INODE(false, parent, le64_make(1ULL << 56));
	ASSERT_INODE(false, change, le64_make(1ULL << 63));
	ASSERT_INODE(false, nlink, le32_make(1u << 31));
	ASSERT_INODE(true, trim_from, le64_make(0));
	ASSERT_INODE(false, trim_from, le64_make(1ULL << 56));
}

static void test_symlink(void **state)
{
	static char target[ITEM_VALUE_MAX + 1];

	memset(target, 'x', sizeof(target));
	assert_true(valid(file_key(ITEM_SYMLINK, 0), target, 1));
	assert_true(valid(file_key(ITEM_SYMLINK, 1), target, ITEM_VALUE_MAX));
	assert_false(valid(file_key(ITEM_SYMLINK, 2), target, 1));
	assert_false(valid(file_key(ITEM_SYMLINK, 0), target, 0));
	assert_false(valid(file_key(ITEM_SYMLINK, 0), target, ITEM_VALUE_MAX + 1));
	assert_false(valid(file_key(ITEM_SYMLINK, 0), "a\0b", 3));
}

static void test_xattr(void **state)
{
	struct {
		struct disk_xattr head;
		char name[6];
		char value[10];
	} d = { { .value_len = le32_make(10), .name_len = 6 }, "user.x", "0123456789" }, bad;
	static uint8_t part[ITEM_VALUE_MAX + 1];

	assert_only_len(file_key(ITEM_XATTR, 0x12300), &d, sizeof(d));
	assert_false(valid(file_key(ITEM_XATTR, 0xff00), &d, sizeof(d)));
	bad = d;
	bad.head.name_len = 0;
	bad.head.value_len = le32_make(16);
	assert_false(valid(file_key(ITEM_XATTR, 0x12300), &bad, sizeof(bad)));
	bad = d;
	bad.name[2] = '\0';
	assert_false(valid(file_key(ITEM_XATTR, 0x12300), &bad, sizeof(bad)));
	bad = d;
	bad.head.reserved[1] = 1;
	assert_false(valid(file_key(ITEM_XATTR, 0x12300), &bad, sizeof(bad)));
	/* A value that goes on in other parts. */
	bad = d;
	bad.head.value_len = le32_make(65536);
	memset(part, 'v', sizeof(part));
	memcpy(part, &bad, sizeof(bad));
	assert_true(valid(file_key(ITEM_XATTR, 0x12300), part, ITEM_VALUE_MAX));
	assert_false(valid(file_key(ITEM_XATTR, 0x12300), part, ITEM_VALUE_MAX - 1));
	bad.head.value_len = le32_make(65537);
	memcpy(part, &bad, sizeof(bad));
	assert_false(valid(file_key(ITEM_XATTR, 0x12300), part, ITEM_VALUE_MAX));
	assert_true(valid(file_key(ITEM_XATTR, 0x12301), part, 1));
	assert_true(valid(file_key(ITEM_XATTR, 0x12316), part, ITEM_VALUE_MAX));
	assert_false(valid(file_key(ITEM_XATTR, 0x12317), part, 1));
	assert_false(valid(file_key(ITEM_XATTR, 0x12301), part, 0));
}

static bool dirent_valid(uint64_t off, const char *name, size_t name_len, uint64_t ino, uint8_t type)
{
	uint8_t buf[sizeof(struct disk_dirent) + 256];
	struct disk_dirent d = { .ino = le64_make(ino), .type = type, .name_len = (uint8_t)name_len };

	memcpy(buf, &d, sizeof(d));
	memcpy(buf + sizeof(d), name, name_len);
	return valid(file_key(ITEM_DIRENT, off), buf, sizeof(d) + name_len);
}

static void test_dirent(void **state)
{
	struct {
		struct disk_dirent head;
		char name[3];
	} d = { { .ino = le64_make(12), .type = 8, .name_len = 3 }, "abc" };
	char longest[255];

	assert_only_len(file_key(ITEM_DIRENT, 256), &d, sizeof(d));
	memset(longest, 'x', sizeof(longest));
	assert_true(dirent_valid(256, longest, 255, 1, 4));
	assert_false(dirent_valid(255, "abc", 3, 1, 4));
	assert_false(dirent_valid(256, "", 0, 1, 4));
	assert_false(dirent_valid(256, ".", 1, 1, 4));
	assert_false(dirent_valid(256, "..", 2, 1, 4));
	assert_true(dirent_valid(256, "...", 3, 1, 4));
	assert_true(dirent_valid(256, ".x", 2, 1, 4));
	assert_true(dirent_valid(256, "x", 1, 1, 4));
	assert_false(dirent_valid(256, "a/b", 3, 1, 4));
	assert_false(dirent_valid(256, "a\0b", 3, 1, 4));
	assert_false(dirent_valid(256, "abc", 3, 0, 4));
	assert_false(dirent_valid(256, "abc", 3, 1ULL << 56, 4));
	for (unsigned int type = 0; type < 256; type++)
		assert_int_equal(dirent_valid(256, "abc", 3, 1, (uint8_t)type),
				 type && type <= 12 && (type == 1 || type % 2 == 0));
}

static bool extent_valid(uint64_t off, uint64_t daddr, uint32_t len, uint8_t state, uint8_t flags, uint8_t reserved)
{
	struct disk_extent d = { .daddr = le64_make(daddr),
				 .len = le32_make(len),
				 .state = state,
				 .flags = flags,
				 .reserved = { 0, reserved } };

	assert_int_equal(valid(file_key(ITEM_EXTENT, off), &d, sizeof(d)),
			 valid(file_key(ITEM_COW, off), &d, sizeof(d)));
	return valid(file_key(ITEM_EXTENT, off), &d, sizeof(d));
}

static void test_extent(void **state)
{
	struct disk_extent d = { .daddr = le64_make(1000), .len = le32_make(16) };
	uint64_t end = 1ULL << 51;

	assert_only_len(file_key(ITEM_EXTENT, 0), &d, sizeof(d));
	assert_true(extent_valid(0, 1, 1, EXTENT_WRITTEN, EXTENT_FLAG_SHARED, 0));
	assert_false(extent_valid(0, 1, 0, 0, 0, 0));
	assert_false(extent_valid(0, 1, 1, 2, 0, 0));
	assert_false(extent_valid(0, 1, 1, 0, 2, 0));
	assert_false(extent_valid(0, 1, 1, 0, 0, 1));
	assert_true(extent_valid(0, daddr_make(63, (1ULL << 48) - 16), 16, 0, 0, 0));
	assert_false(extent_valid(0, daddr_make(62, (1ULL << 48) - 16), 17, 0, 0, 0)); /* into the next device */
	assert_false(extent_valid(0, daddr_make(64, 0), 1, 0, 0, 0));
	assert_false(extent_valid(0, 1ULL << 56, 1, 0, 0, 0));
	assert_true(extent_valid(end - 16, 1, 16, 0, 0, 0));
	assert_false(extent_valid(end - 16, 1, 17, 0, 0, 0));
	assert_false(extent_valid(end, 1, 1, 0, 0, 0));
	assert_false(extent_valid(KEY_LOW_MAX, 1, UINT32_MAX, 0, 0, 0));
}

static void test_others(void **state)
{
	static uint8_t val[ITEM_VALUE_MAX + 1];

	assert_true(valid(key_make(ZONE_STATE, 1, 200, 3), val, 0));
	assert_true(valid(key_make(ZONE_STATE, 1, 200, 3), val, ITEM_VALUE_MAX));
	assert_false(valid(key_make(ZONE_STATE, 1, 200, 3), val, ITEM_VALUE_MAX + 1));
	assert_false(valid(key_make(0, 0, 0, 0), val, 8));
	assert_false(valid(key_make(8, 0, 0, 0), val, 8));
	assert_false(valid(file_key(0, 0), val, 8));
	assert_false(valid(file_key(7, 0), val, 8));
}

/* Text */

static const char *text_of(struct key key, const void *val, size_t len)
{
	static char *text;
	size_t size;
	FILE *out;

	free(text);
	out = open_memstream(&text, &size);
	assert_non_null(out);
	item_print(out, key, val, len);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_print(void **state)
{
	struct disk_extent extent = { .daddr = le64_make(daddr_make(2, 1000)),
				      .len = le32_make(16),
				      .state = EXTENT_WRITTEN,
				      .flags = EXTENT_FLAG_SHARED };
	struct {
		struct disk_dirent head;
		char name[4];
	} dirent = { { .ino = le64_make(77), .type = 8, .name_len = 4 }, "a\n\"z" };
	struct {
		struct disk_xattr head;
		char name[7];
	} xattr = { { .value_len = le32_make(1), .name_len = 6 }, "user.xV" };
	struct disk_inode node = inode();

	assert_string_equal(text_of(file_key(ITEM_EXTENT, 40), &extent, sizeof(extent)),
			    "file 12 extent 40: 2:1000 16 blocks written shared");
	assert_string_equal(text_of(file_key(ITEM_DIRENT, 0xab00), &dirent, sizeof(dirent)),
			    "file 12 dirent 0xab00: \"a\\x0a\\\"z\" ino 77 file");
	assert_string_equal(text_of(file_key(ITEM_XATTR, 0x12300), &xattr, sizeof(xattr)),
			    "file 12 xattr 0x12300: \"user.x\" 1 bytes");
	assert_string_equal(text_of(file_key(ITEM_XATTR, 0x12301), "abcde", 5),
			    "file 12 xattr 0x12301: 5 bytes 61626364 65");
	assert_string_equal(text_of(key_make(ZONE_FREE, 3, ITEM_FREE_SIZE, 100), NULL, 0), "free order 3 to 0:100");
	assert_string_equal(text_of(key_make(ZONE_STATE, 9, 1, 16), "\x01", 1), "state 9 type 1 at 0x10: 1 bytes 01");
	assert_non_null(strstr(text_of(file_key(ITEM_INODE, 0), &node, sizeof(node)), "mode 100644"));
	assert_string_equal(text_of(file_key(ITEM_EXTENT, 40), "abc", 3),
			    "file 12 extent 40: damaged, 3 bytes 616263");
}

static void assert_parses(const char *text, struct key expected)
{
	struct key key;

	assert_int_equal(item_key_parse(text, &key), 0);
	assert_int_equal(key_cmp(key, expected), 0);
}

static void test_parse(void **state)
{
	static const char *const wrong[] = {
		"",
		"file",
		"file ",
		"file 12",
		"file 12 ",
		"file 12 extent",
		"file 12 extent ",
		"file 12 extent 4x",
		"file 12 extent 40 ",
		"file 12 extent -1",
		"file  12 extent 40",
		"file 12 extent 72057594037927936",
		"file 12 extent 99999999999999999999999",
		"file 12 extent 0x",
		"file 12 thing 0",
		"free to 0",
		"free to 0:",
		"free to 256:0",
		"free to 0:281474976710656",
		"zone 256 obj 0 type 0 at 0",
		"file 12 inode 0",
	};
	struct key key = KEY_MAX;

	assert_parses("file 12 extent 40", file_key(ITEM_EXTENT, 40));
	assert_parses("file 0xc extent 0x28", file_key(ITEM_EXTENT, 40));
	assert_parses("file 12 inode", file_key(ITEM_INODE, 0));
	assert_parses("volume chunk 3", key_make(ZONE_VOLUME, 0, ITEM_CHUNK, 3));
	assert_parses("limbo 5 from 1:2", key_make(ZONE_LIMBO, 5, ITEM_LIMBO, daddr_make(1, 2)));
	assert_parses("zone 6 obj 12 type 5 at 40", file_key(ITEM_EXTENT, 40));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(item_key_parse(wrong[i], &key), -EINVAL);
	assert_int_equal(key_cmp(key, KEY_MAX), 0);
}

static void test_random(void **state)
{
	struct dice dice = dice_seed(1);
	uint8_t val[300];

	for (unsigned int i = 0; i < 300000; i++) {
		struct key key = key_make((uint8_t)dice_below(&dice, 10),
					  dice_below(&dice, 2) ? dice_roll(&dice) >> (8 + dice_below(&dice, 56)) : 0,
					  (uint8_t)dice_below(&dice, 9),
					  dice_below(&dice, 2) ? dice_roll(&dice) >> (8 + dice_below(&dice, 56)) : 0);
		size_t len = dice_below(&dice, 3) ? dice_below(&dice, 24) : dice_below(&dice, sizeof(val));
		char *text;

		dice_fill(&dice, val, len);
		if (dice_below(&dice, 2))
			memset(val, 0, len / 2);
		(void)!valid(key, val, len);
		text = (char *)(uintptr_t)text_of(key, val, len);
		assert_null(strchr(text, '\n'));
		if (strstr(text, ": ")) /* an address has no blank behind its colon */
			*strstr(text, ": ") = '\0';
		assert_parses(text, key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunk),
		cmocka_unit_test(test_free_space),
		cmocka_unit_test(test_limbo_shared_orphan),
		cmocka_unit_test(test_inode),
		cmocka_unit_test(test_symlink),
		cmocka_unit_test(test_xattr),
		cmocka_unit_test(test_dirent),
		cmocka_unit_test(test_extent),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
