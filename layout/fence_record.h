/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_LAYOUT_FENCE_RECORD_H
#define LAMINA_LAYOUT_FENCE_RECORD_H

/* Keys and fences on disk: items of ZONE_STATE, obj 0 (docs/format.md). */

#include "dev/le.h"
#include "extent/item.h"

#define FENCE_RECORD_KEY 13u /* mds/state_record.h keeps the numbers */

/* off = place in the table of keys, below FENCE_KEYS_MAX. The owner's bytes follow. */
struct disk_fence_key {
	struct le64 key;
	struct le64 since_ns; /* wall clock when the fence was begun; 0: never */
	struct le64 took_ns;  /* until it was proved; 0: it is not */
	struct le32 tries;
	uint8_t state;	   /* enum fence_state */
	uint8_t proof;	   /* enum fence_proof */
	uint8_t undrained; /* 1: its registration was taken away somewhere, its commands were not aborted */
	uint8_t held;	   /* 1: a person fenced it */
};

static_assert(sizeof(struct disk_fence_key) == 32, "key");

#endif
