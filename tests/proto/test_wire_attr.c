/* SPDX-License-Identifier: Apache-2.0 */

/* Attributes and bitmaps: every value comes back, known ones as known bytes, unknown ones not at all. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire_attr.h"
#include "tests/lib/dice.h"
#include "tests/lib/message.h"

#define BUDGET (1 << 20)

static struct bitmap4 all_attrs(void)
{
	struct bitmap4 map = { 0 };

	for (uint32_t attr = 0; attr <= FATTR4_OPEN_ARGUMENTS; attr++)
		wire_bitmap_set(&map, attr);
	return map;
}

static struct bitmap4 only(uint32_t attr)
{
	struct bitmap4 map = { 0 };

	wire_bitmap_set(&map, attr);
	return map;
}

static void test_bitmap(void **state)
{
	struct bitmap4 a = { 0 }, b = { 0 }, c;

	assert_true(wire_bitmap_is_empty(&a));
	assert_int_equal(wire_bitmap_next(&a, 0), WIRE_BITMAP_BITS);
	wire_bitmap_set(&a, 0);
	wire_bitmap_set(&a, 31);
	wire_bitmap_set(&a, 95);
	assert_int_equal(a.bitmap4_len, 3);
	assert_int_equal(wire_bitmap_next(&a, 1), 31);
	assert_int_equal(wire_bitmap_next(&a, 32), 95);
	assert_int_equal(wire_bitmap_next(&a, 96), WIRE_BITMAP_BITS);
	assert_false(wire_bitmap_test(&a, 96));
	wire_bitmap_set(&b, 31);
	wire_bitmap_set(&b, 33);
	c = wire_bitmap_and(&a, &b);
	assert_int_equal(c.bitmap4_len, 1);
	assert_int_equal(c.bitmap4_val[0], 0x80000000);
	assert_true(wire_bitmap_is_subset(&c, &b));
	assert_false(wire_bitmap_is_subset(&a, &b));
	c = wire_bitmap_without(&a, &b);
	assert_int_equal(c.bitmap4_val[0], 1);
	wire_bitmap_clear(&a, 95);
	assert_int_equal(a.bitmap4_len, 1);
}

static int get_bitmap(const void *buf, uint32_t len, struct bitmap4 *map)
{
	struct wire_dec dec;

	wire_dec_init(&dec, buf, len, NULL);
	return wire_get(&dec, bitmap4, map);
}

static void test_long_bitmap(void **state)
{
	uint8_t buf[4 + 4 * (WIRE_BITMAP_WORDS_MAX + 1)] = { 0, 0, 0, 5, 0, 0, 0, 1 };
	struct bitmap4 map, of = all_attrs();

	assert_int_equal(get_bitmap(buf, 24, &map), 0);
	assert_int_equal(map.bitmap4_len, 3);
	assert_false(map.bitmap4_beyond);
	assert_true(wire_bitmap_is_subset(&map, &of));
	buf[23] = 1;
	assert_int_equal(get_bitmap(buf, 24, &map), 0);
	assert_true(map.bitmap4_beyond);
	assert_false(wire_bitmap_is_subset(&map, &of));
	assert_int_equal(get_bitmap(buf, 23, &map), -EBADMSG);
	buf[3] = WIRE_BITMAP_WORDS_MAX;
	assert_int_equal(get_bitmap(buf, sizeof(buf), &map), 0);
	buf[3] = WIRE_BITMAP_WORDS_MAX + 1;
	assert_int_equal(get_bitmap(buf, sizeof(buf), &map), -EBADMSG);
}

/* RFC 8881, 18.7 and 5.8: type, change, size, mode, owner as a server sends them. */
static const uint8_t stat_bytes[] = {
	0,    0, 0, 2,				/* two words */
	0,    0, 0, 0x1a, 0,   0,   0,	  0x12, /* 1, 3, 4; 33, 36 */
	0,    0, 0, 32,				/* bytes of values */
	0,    0, 0, 1,				/* NF4REG */
	0,    0, 0, 0,	  0,   0,   0x12, 0x34, /* change */
	0,    0, 0, 1,	  0,   0,   0,	  0,	/* size 4 GiB */
	0,    0, 1, 0xa4,			/* 0644 */
	0,    0, 0, 4,	  '1', '0', '0',  '0',	/* owner */
	0xff,
};

static void test_vector(void **state)
{
	struct wire_attrs attrs = { .type = NF4REG,
				    .change = 0x1234,
				    .size = 1ULL << 32,
				    .mode = 0644,
				    .owner = { .utf8string_val = (char *)"1000", .utf8string_len = 4 } };
	struct bitmap4 asked = all_attrs();
	uint8_t vals[256], buf[256];
	struct wire_attrs got;
	struct wire_arena arena;
	struct fattr4 fattr;
	struct wire_enc enc;
	struct wire_dec dec;

	wire_bitmap_set(&attrs.mask, FATTR4_TYPE);
	wire_bitmap_set(&attrs.mask, FATTR4_CHANGE);
	wire_bitmap_set(&attrs.mask, FATTR4_SIZE);
	wire_bitmap_set(&attrs.mask, FATTR4_MODE);
	wire_bitmap_set(&attrs.mask, FATTR4_OWNER);
	assert_int_equal(wire_attrs_encode(&attrs, &asked, vals, sizeof(vals), &fattr), 0);
	wire_enc_init(&enc, buf, sizeof(buf));
	assert_int_equal(wire_put(&enc, fattr4, &fattr), 0);
	assert_int_equal(wire_enc_pos(&enc), sizeof(stat_bytes) - 1);
	assert_memory_equal(buf, stat_bytes, sizeof(stat_bytes) - 1);

	wire_arena_init(&arena, 0);
	wire_dec_init(&dec, stat_bytes, sizeof(stat_bytes) - 1, &arena);
	assert_int_equal(wire_get(&dec, fattr4, &fattr), 0);
	assert_int_equal(wire_attrs_decode(&fattr, &asked, &arena, &got), 0);
	assert_int_equal(got.size, 1ULL << 32);
	assert_int_equal(got.mode, 0644);
	assert_memory_equal(got.owner.utf8string_val, "1000", 4);
	/* One byte more or less than the mask says is malformed; a buffer one byte short is too small. */
	fattr.attr_vals.attrlist4_len += 1;
	assert_int_equal(wire_attrs_decode(&fattr, &asked, &arena, &got), -EBADMSG);
	fattr.attr_vals.attrlist4_len -= 2;
	assert_int_equal(wire_attrs_decode(&fattr, &asked, &arena, &got), -EBADMSG);
	assert_int_equal(wire_attrs_encode(&attrs, &asked, vals, 31, &fattr), -EMSGSIZE);
	assert_int_equal(wire_attrs_encode(&attrs, &asked, vals, 32, &fattr), 0);
	/* Only what is asked. */
	asked = only(FATTR4_SIZE);
	assert_int_equal(wire_attrs_encode(&attrs, &asked, vals, 8, &fattr), 0);
	assert_int_equal(fattr.attrmask.bitmap4_len, 1);
	assert_int_equal(fattr.attr_vals.attrlist4_len, 8);
}

static void test_unknown(void **state)
{
	struct bitmap4 supported = all_attrs();
	struct fattr4 fattr = { .attrmask = only(87) };
	struct wire_attrs got;

	assert_int_equal(wire_attrs_decode(&fattr, &supported, NULL, &got), -EOPNOTSUPP);
	fattr.attrmask = only(FATTR4_HIDDEN);
	wire_bitmap_clear(&supported, FATTR4_HIDDEN);
	assert_int_equal(wire_attrs_decode(&fattr, &supported, NULL, &got), -EOPNOTSUPP);
	fattr.attrmask = (struct bitmap4){ .bitmap4_beyond = TRUE };
	assert_int_equal(wire_attrs_decode(&fattr, &supported, NULL, &got), -EOPNOTSUPP);
	/* Even somebody who calls it supported does not get it decoded. */
	supported = only(90);
	fattr.attrmask = supported;
	assert_int_equal(wire_attrs_decode(&fattr, &supported, NULL, &got), -EBADMSG);
}

static void test_names_and_access(void **state)
{
	struct bitmap4 readable = wire_attr_readable(), settable = wire_attr_settable();

	for (uint32_t attr = 0; attr <= FATTR4_OPEN_ARGUMENTS; attr++) {
		assert_non_null(wire_attr_name(attr));
		assert_true(wire_bitmap_test(&readable, attr) || wire_bitmap_test(&settable, attr));
	}
	assert_null(wire_attr_name(FATTR4_OPEN_ARGUMENTS + 1));
	assert_string_equal(wire_attr_name(FATTR4_LAYOUT_BLKSIZE), "layout_blksize");
	assert_false(wire_bitmap_test(&readable, FATTR4_TIME_MODIFY_SET));
	assert_false(wire_bitmap_test(&settable, FATTR4_TIME_MODIFY));
	assert_true(wire_bitmap_test(&settable, FATTR4_SIZE));
}

/* Try random values until they are some for @attr; then both encodings must be the same. */
static bool round_trip(struct dice *dice, uint32_t attr)
{
	static uint8_t in[1024], out[1024];
	static struct wire_attrs one, two;
	struct bitmap4 supported = all_attrs(), mask = only(attr);
	struct fattr4 fattr = { .attrmask = mask }, again;
	struct wire_arena arena;
	bool found = false;

	wire_arena_init(&arena, BUDGET);
	message_random(dice, in, sizeof(in));
	fattr.attr_vals.attrlist4_val = (char *)in;
	/* How long a value is shows only in trying. */
	for (uint32_t len = 4; len <= sizeof(in) && !found; len += 4) {
		fattr.attr_vals.attrlist4_len = len;
		found = wire_attrs_decode(&fattr, &supported, &arena, &one) == 0;
		if (!found)
			wire_arena_reset(&arena);
	}
	if (found) {
		assert_int_equal(wire_attrs_encode(&one, &supported, out, sizeof(out), &again), 0);
		assert_int_equal(wire_attrs_decode(&again, &supported, &arena, &two), 0);
		assert_true(again.attr_vals.attrlist4_len <= fattr.attr_vals.attrlist4_len);
		for (uint32_t len = 0; len < again.attr_vals.attrlist4_len; len++) {
			struct fattr4 cut = again;

			cut.attr_vals.attrlist4_len = len;
			assert_int_equal(wire_attrs_decode(&cut, &supported, &arena, &two), -EBADMSG);
		}
	}
	wire_arena_release(&arena);
	return found;
}

static void test_round_trips(void **state)
{
	struct dice dice = dice_seed(1);

	for (uint32_t attr = 0; attr <= FATTR4_OPEN_ARGUMENTS; attr++) {
		int found = 0;

		for (int tries = 0; tries < 2000 && found < 20; tries++)
			found += round_trip(&dice, attr);
		if (found < 20)
			print_error("attribute %s: only %d values\n", wire_attr_name(attr), found);
		assert_int_equal(found, 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bitmap),		 cmocka_unit_test(test_long_bitmap),
		cmocka_unit_test(test_vector),		 cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_names_and_access), cmocka_unit_test(test_round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
