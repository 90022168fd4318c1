/* SPDX-License-Identifier: Apache-2.0 */
/* What a client does next, and what that does to its directory: pure functions. */
#include "tools/demo.h"

/* A well-mixed number from a counter (splitmix64). */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static enum demo_kind choose_kind(const struct demo_slot *slot, uint64_t dice)
{
	if (slot->id == 0)
		return DEMO_CREATE;
	if (slot->written < slot->chunks && dice % 2 == 0)
		return DEMO_WRITE;
	if (slot->chunks < DEMO_CHUNKS_MAX && dice % 4 != 1)
		return DEMO_ALLOC;
	return dice % 8 < 4 ? DEMO_RENAME : DEMO_UNLINK;
}

void demo_choose(uint64_t seed, unsigned int client, uint64_t done, const struct demo_state *state,
		 struct demo_op *ret_op)
{
	uint64_t dice = mix(mix(seed ^ client) ^ done);
	unsigned int slot = (unsigned int)(dice % DEMO_SLOTS);

	dice = mix(dice);
	ret_op->slot = slot;
	ret_op->to = (slot + 1 + (unsigned int)(dice >> 32) % (DEMO_SLOTS - 1)) % DEMO_SLOTS;
	ret_op->id = (uint32_t)done + 1;
	ret_op->kind = choose_kind(&state->slots[slot], dice);
}

void demo_apply(const struct demo_op *op, const struct demo_state *before, struct demo_state *ret_after)
{
	struct demo_slot *slot = &ret_after->slots[op->slot];

	*ret_after = *before;
	switch (op->kind) {
	case DEMO_CREATE:
		*slot = (struct demo_slot){ .id = op->id, .chunks = 1 };
		break;
	case DEMO_UNLINK:
		*slot = (struct demo_slot){ 0 };
		break;
	case DEMO_RENAME:
		ret_after->slots[op->to] = *slot;
		*slot = (struct demo_slot){ 0 };
		break;
	case DEMO_ALLOC:
		slot->chunks++;
		break;
	case DEMO_WRITE:
		slot->written = slot->chunks;
		break;
	}
}
