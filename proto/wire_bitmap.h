/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_PROTO_WIRE_BITMAP_H
#define LAMINA_PROTO_WIRE_BITMAP_H

/* Sets of small numbers: attributes, operations, hints.  Bits are below WIRE_BITMAP_BITS. */

#include "proto/wire_base.h"

static inline bool wire_bitmap_test(const struct bitmap4 *map, uint32_t bit)
{
	return bit < WIRE_BITMAP_BITS && (map->bitmap4_val[bit / 32] & 1u << bit % 32) != 0;
}

void wire_bitmap_set(struct bitmap4 *map, uint32_t bit);
void wire_bitmap_clear(struct bitmap4 *map, uint32_t bit);
/* The first bit that is set at or above @from; WIRE_BITMAP_BITS: none. */
uint32_t wire_bitmap_next(const struct bitmap4 *map, uint32_t from) MUST_CHECK;
#define wire_bitmap_for_each(bit, map)                                                                               \
	for (uint32_t bit = wire_bitmap_next(map, 0); bit < WIRE_BITMAP_BITS; bit = wire_bitmap_next(map, bit + 1))

/* Whether nothing is set, also behind the last word. */
bool wire_bitmap_is_empty(const struct bitmap4 *map) MUST_CHECK;
/* Whether everything in @map is in @of; never, if @map has bits behind the last word. */
bool wire_bitmap_is_subset(const struct bitmap4 *map, const struct bitmap4 *of) MUST_CHECK;
/* What is in both, in as few words as will do. */
struct bitmap4 wire_bitmap_and(const struct bitmap4 *a, const struct bitmap4 *b) MUST_CHECK;
/* What is in @a and not in @b, likewise. */
struct bitmap4 wire_bitmap_without(const struct bitmap4 *a, const struct bitmap4 *b) MUST_CHECK;

#endif
