/* SPDX-License-Identifier: Apache-2.0 */

/* The generator is SplitMix64: any seed is a good one. */

#include "tests/lib/dice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct dice dice_seed(uint64_t otherwise)
{
	const char *text = getenv("LAMINA_SEED");
	struct dice dice = { text ? strtoull(text, NULL, 0) : otherwise };

	fprintf(stderr, "LAMINA_SEED=%" PRIu64 "\n", dice.state);
	return dice;
}

uint64_t dice_roll(struct dice *dice)
{
	uint64_t x = dice->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

uint64_t dice_below(struct dice *dice, uint64_t below)
{
	return (uint64_t)(((unsigned __int128)dice_roll(dice) * below) >> 64);
}

void dice_fill(struct dice *dice, void *buf, uint64_t len)
{
	uint8_t *bytes = buf;

	for (uint64_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)dice_roll(dice);
}
