/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as fattr4: what can be decoded encodes to bytes that decode and encode to themselves. */

#include <stdlib.h>
#include <string.h>

#include "proto/wire_attr.h"
#include "tests/lib/fuzz.h"

#define BUDGET	 (1 << 20)
#define VALS_MAX (1 << 18)

static uint8_t room[2][VALS_MAX];

static struct bitmap4 all_attrs(void)
{
	struct bitmap4 map = { 0 };

	for (uint32_t attr = 0; attr <= FATTR4_OPEN_ARGUMENTS; attr++)
		wire_bitmap_set(&map, attr);
	return map;
}

static void seed(const char *name, const struct bitmap4 *mask)
{
	struct wire_attrs attrs = { .mask = *mask };
	struct bitmap4 all = all_attrs();
	struct fattr4 fattr;
	struct wire_enc enc;

	fuzz_require(wire_attrs_encode(&attrs, &all, room[0], VALS_MAX, &fattr) == 0);
	wire_enc_init(&enc, room[1], VALS_MAX);
	fuzz_require(wire_put(&enc, fattr4, &fattr) == 0);
	fuzz_seed_write(name, room[1], wire_enc_pos(&enc));
}

static void seeds(void)
{
	struct bitmap4 map = all_attrs();

	seed("all", &map);
	wire_bitmap_for_each(attr, &map)
	{
		struct bitmap4 only = { 0 };

		wire_bitmap_set(&only, attr);
		seed(wire_attr_name(attr), &only);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (fuzz_seed_dir()) {
		seeds();
		exit(0);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire_attrs attrs, again;
	struct bitmap4 all = all_attrs();
	struct fattr4 fattr, one, two;
	struct wire_arena arena;
	struct wire_dec dec;

	if (size > VALS_MAX)
		return 0;
	wire_arena_init(&arena, BUDGET);
	wire_dec_init(&dec, data, (uint32_t)size, &arena);
	if (wire_get(&dec, fattr4, &fattr) == 0 && wire_attrs_decode(&fattr, &all, &arena, &attrs) == 0) {
		fuzz_require(wire_attrs_encode(&attrs, &all, room[0], VALS_MAX, &one) == 0);
		fuzz_require(wire_attrs_decode(&one, &all, &arena, &again) == 0 || arena.refused);
		if (!arena.refused) {
			fuzz_require(wire_attrs_encode(&again, &all, room[1], VALS_MAX, &two) == 0);
			fuzz_require(one.attr_vals.attrlist4_len == two.attr_vals.attrlist4_len);
			fuzz_require(memcmp(room[0], room[1], one.attr_vals.attrlist4_len) == 0);
		}
	}
	wire_arena_release(&arena);
	return 0;
}
