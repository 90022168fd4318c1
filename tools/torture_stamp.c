/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: whatever is not byte for byte what some torture test wrote into this sector of some file is told apart
 * from it.
 */

#include <string.h>
#include <xxhash.h>

#include "tools/torture_int.h"

#define STAMP_MAGIC UINT64_C(0x65727574726f7421)
#define NR_WORDS    ((TORTURE_SECTOR - sizeof(struct torture_stamp)) / sizeof(uint64_t))

static uint64_t stamp_sum(const struct torture_stamp *stamp, const void *words)
{
	return XXH3_64bits_withSeed(words, NR_WORDS * sizeof(uint64_t),
				    XXH3_64bits(stamp, offsetof(struct torture_stamp, sum)));
}

void torture_stamp_block(void *block, const struct torture_stamp *stamp)
{
	uint8_t *at = block;
	struct torture_stamp s = *stamp;
	uint64_t words[NR_WORDS];

	s.magic = STAMP_MAGIC;
	for (uint32_t off = 0; off < TORTURE_BLOCK; off += TORTURE_SECTOR) {
		s.off = stamp->off + off;
		for (size_t i = 0; i < NR_WORDS; i++)
			words[i] = (s.gen * 2654435761u + off + i) * UINT64_C(0x9e3779b97f4a7c15);
		s.sum = stamp_sum(&s, words);
		memcpy(at + off, &s, sizeof(s));
		memcpy(at + off + sizeof(s), words, sizeof(words));
	}
}

static bool all_zeros(const uint8_t *bytes)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, TORTURE_SECTOR - 1) == 0;
}

enum torture_bytes torture_stamp_look(const void *sector, struct torture_stamp *ret_stamp)
{
	if (all_zeros(sector))
		return TORTURE_ZEROS;
	memcpy(ret_stamp, sector, sizeof(*ret_stamp));
	if (ret_stamp->magic != STAMP_MAGIC ||
	    ret_stamp->sum != stamp_sum(ret_stamp, (const uint8_t *)sector + sizeof(*ret_stamp)))
		return TORTURE_TORN;
	return TORTURE_STAMPED;
}
