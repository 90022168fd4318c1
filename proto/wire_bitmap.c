/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a bitmap from the wire is taken whatever its length up to the bound; bits that have no place here are not
 * forgotten but remembered as one.  A bitmap that we built is sent without zero words at its end; one that came from
 * the wire is sent with the words that it came with.
 */

#include "proto/wire_bitmap.h"

#include <string.h>

static void bitmap_shrink(struct bitmap4 *map)
{
	map->bitmap4_len = WIRE_BITMAP_WORDS;
	while (map->bitmap4_len && map->bitmap4_val[map->bitmap4_len - 1] == 0)
		map->bitmap4_len--;
}

void wire_bitmap_set(struct bitmap4 *map, uint32_t bit)
{
	assert(bit < WIRE_BITMAP_BITS);
	map->bitmap4_val[bit / 32] |= 1u << bit % 32;
	if (map->bitmap4_len <= bit / 32)
		map->bitmap4_len = bit / 32 + 1;
}

void wire_bitmap_clear(struct bitmap4 *map, uint32_t bit)
{
	assert(bit < WIRE_BITMAP_BITS);
	map->bitmap4_val[bit / 32] &= ~(1u << bit % 32);
	bitmap_shrink(map);
}

uint32_t wire_bitmap_next(const struct bitmap4 *map, uint32_t from)
{
	for (; from < WIRE_BITMAP_BITS; from = (from / 32 + 1) * 32) {
		uint32_t rest = map->bitmap4_val[from / 32] >> from % 32;

		if (rest)
			return from + (uint32_t)__builtin_ctz(rest);
	}
	return WIRE_BITMAP_BITS;
}

bool wire_bitmap_is_empty(const struct bitmap4 *map)
{
	return !map->bitmap4_beyond && wire_bitmap_next(map, 0) == WIRE_BITMAP_BITS;
}

struct bitmap4 wire_bitmap_and(const struct bitmap4 *a, const struct bitmap4 *b)
{
	struct bitmap4 map = { 0 };

	for (int i = 0; i < WIRE_BITMAP_WORDS; i++)
		map.bitmap4_val[i] = a->bitmap4_val[i] & b->bitmap4_val[i];
	bitmap_shrink(&map);
	return map;
}

struct bitmap4 wire_bitmap_without(const struct bitmap4 *a, const struct bitmap4 *b)
{
	struct bitmap4 map = { .bitmap4_beyond = a->bitmap4_beyond };

	for (int i = 0; i < WIRE_BITMAP_WORDS; i++)
		map.bitmap4_val[i] = a->bitmap4_val[i] & ~b->bitmap4_val[i];
	bitmap_shrink(&map);
	return map;
}

bool wire_bitmap_is_subset(const struct bitmap4 *map, const struct bitmap4 *of)
{
	struct bitmap4 rest = wire_bitmap_without(map, of);

	return wire_bitmap_is_empty(&rest);
}

static bool_t bitmap_decode(XDR *xdrs, struct bitmap4 *map)
{
	uint32_t nr, word;

	memset(map, 0, sizeof(*map));
	if (!xdr_uint32_t(xdrs, &nr) || nr > WIRE_BITMAP_WORDS_MAX)
		return FALSE;
	for (uint32_t i = 0; i < nr; i++) {
		if (!xdr_uint32_t(xdrs, &word))
			return FALSE;
		if (i < WIRE_BITMAP_WORDS)
			map->bitmap4_val[i] = word;
		else if (word)
			map->bitmap4_beyond = TRUE;
	}
	map->bitmap4_len = nr < WIRE_BITMAP_WORDS ? nr : WIRE_BITMAP_WORDS;
	return TRUE;
}

bool_t xdr_bitmap4(XDR *xdrs, bitmap4 *map)
{
	if (xdrs->x_op == XDR_DECODE)
		return bitmap_decode(xdrs, map);
	assert(map->bitmap4_len <= WIRE_BITMAP_WORDS);
	if (!xdr_uint32_t(xdrs, &map->bitmap4_len))
		return FALSE;
	for (uint32_t i = 0; i < map->bitmap4_len; i++) {
		if (!xdr_uint32_t(xdrs, &map->bitmap4_val[i]))
			return FALSE;
	}
	return TRUE;
}
