/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: one definition of the checksum for label, superblock, tree block, bitmap and journal record.  Nothing is
 * written by looking: a checksum can be verified in memory that somebody else reads.
 */

#include "extent/sum.h"

#define XXH_STATIC_LINKING_ONLY /* the streaming state on the stack */
#include <xxhash.h>

#include "dev/le.h"

uint64_t sum_compute(const void *data, size_t len)
{
	static const uint8_t zeros[sizeof(struct le64)];
	XXH3_state_t state;

	assert(len >= sizeof(zeros));
	XXH3_INITSTATE(&state);
	/* These fail only for null pointers. */
	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, zeros, sizeof(zeros));
	XXH3_64bits_update(&state, (const uint8_t *)data + sizeof(zeros), len - sizeof(zeros));
	return XXH3_64bits_digest(&state);
}

void sum_set(void *data, size_t len)
{
	struct le64 sum = { { 0 } };

	assert(len >= sizeof(sum));
	memcpy(data, &sum, sizeof(sum));
	sum = le64_make(XXH3_64bits(data, len)); /* the bytes count as zeros, and are: no need to stream */
	memcpy(data, &sum, sizeof(sum));
}

bool sum_is_good(const void *data, size_t len)
{
	return sum_get(data) == sum_compute(data, len);
}

uint64_t sum_get(const void *data)
{
	struct le64 sum;

	memcpy(&sum, data, sizeof(sum));
	return le64_get(sum);
}
