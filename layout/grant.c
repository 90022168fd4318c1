/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs of granted blocks.  Promise: after every change the runs are in order, do not overlap or touch alike
 * neighbours, and none is empty or without a meaning; a change in a copy made by grants_copy() cannot fail.
 */

#include "layout/grant.h"

#include <stdlib.h>
#include <string.h>

#include "dev/le.h"
#include "extent/map.h"

#define GRANT_BITS_ALL (GRANT_ANY | GRANT_FRESH)

static uint64_t grant_end(const struct grant *grant)
{
	return grant->blk + grant->nr;
}

void grants_init(struct grants *g)
{
	*g = (struct grants){ 0 };
}

void grants_release(struct grants *g)
{
	free(g->v);
	grants_init(g);
}

/* The first run that ends behind @blk. */
static unsigned int grants_at(const struct grants *g, uint64_t blk)
{
	unsigned int low = 0, high = g->nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (grant_end(&g->v[mid]) <= blk)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct grant *grants_find(const struct grants *g, uint64_t first, uint64_t end, uint32_t bits)
{
	for (unsigned int i = grants_at(g, first); i < g->nr && g->v[i].blk < end; i++)
		if (g->v[i].bits & bits)
			return &g->v[i];
	return NULL;
}

bool grants_cover(const struct grants *g, uint64_t first, uint64_t end, uint32_t bits)
{
	uint64_t at = first;

	for (unsigned int i = grants_at(g, first); i < g->nr && at < end; i++) {
		if (g->v[i].blk > at || !(g->v[i].bits & bits))
			return false;
		at = grant_end(&g->v[i]);
	}
	return at >= end;
}

bool grants_have(const struct grants *g, uint32_t bits)
{
	return grants_find(g, 0, GRANT_END, bits) != NULL;
}

/* How a change makes new bits of old ones; 0 is where nothing is granted. */
struct grants_rule {
	uint64_t first, end;
	uint32_t clear, set;
	bool late; /* what loses GRANT_RW becomes late */
};

static uint32_t rule_bits(const struct grants_rule *rule, uint32_t old)
{
	uint32_t bits = (old & ~rule->clear) | rule->set;

	if (rule->late && old & GRANT_RW && !(bits & GRANT_RW))
		bits |= GRANT_LATE;
	return bits & GRANT_ANY ? bits : 0;
}

static void grants_append(struct grants *g, uint64_t first, uint64_t end, uint32_t bits)
{
	struct grant *last = g->nr ? &g->v[g->nr - 1] : NULL;

	if (first >= end || !bits)
		return;
	if (last && grant_end(last) == first && last->bits == bits) {
		last->nr += end - first;
		return;
	}
	assert(g->nr < g->max);
	g->v[g->nr++] = (struct grant){ first, end - first, bits };
}

static void grants_apply(const struct grants *g, const struct grants_rule *rule, struct grants *out)
{
	uint64_t at = rule->first;

	for (unsigned int i = 0; i < g->nr; i++) {
		const struct grant *old = &g->v[i];
		uint64_t in_first = max_u64(old->blk, rule->first), in_end = min_u64(grant_end(old), rule->end);

		grants_append(out, old->blk, min_u64(grant_end(old), rule->first), old->bits);
		if (in_first < in_end) {
			grants_append(out, at, in_first, rule_bits(rule, 0));
			grants_append(out, in_first, in_end, rule_bits(rule, old->bits));
			at = in_end;
		}
		if (grant_end(old) > rule->end) {
			grants_append(out, at, rule->end, rule_bits(rule, 0));
			at = rule->end;
		}
		grants_append(out, max_u64(old->blk, rule->end), grant_end(old), old->bits);
	}
	grants_append(out, at, rule->end, rule_bits(rule, 0));
}

static int grants_make(const struct grants *g, const struct grants_rule *rule, struct grants *ret_grants)
{
	/* Two runs are cut at the rule's ends, and what was not granted between runs may become runs. */
	struct grants out = { .max = 2 * g->nr + 4 };

	assert(rule->first < rule->end);
	grants_init(ret_grants);
	out.v = calloc(out.max, sizeof(*out.v));
	if (!out.v)
		return -ENOMEM;
	grants_apply(g, rule, &out);
	if (out.nr > GRANTS_MAX) {
		grants_release(&out);
		return -E2BIG;
	}
	*ret_grants = out;
	return 0;
}

int grants_add(const struct grants *g, uint64_t first, uint64_t end, uint32_t bits, struct grants *ret_grants)
{
	/* Granted anew it is not late any more. */
	const struct grants_rule rule = { .first = first, .end = end, .clear = GRANT_LATE, .set = bits };

	return grants_make(g, &rule, ret_grants);
}

int grants_take(const struct grants *g, uint64_t first, uint64_t end, uint32_t bits, bool late,
		struct grants *ret_grants)
{
	const struct grants_rule rule = { .first = first, .end = end, .clear = bits, .late = late };

	return grants_make(g, &rule, ret_grants);
}

void grant_encode(const struct grant *grant, uint8_t bytes[GRANT_DISK_SIZE])
{
	const struct le64 le[2] = { le64_make(grant->blk), le64_make(grant->nr | (uint64_t)grant->bits << 56) };

	static_assert(sizeof(le) == GRANT_DISK_SIZE, "run");
	memcpy(bytes, le, sizeof(le));
}

int grant_decode(const uint8_t bytes[GRANT_DISK_SIZE], struct grant *ret_grant)
{
	struct le64 le[2];
	uint64_t nr;

	memcpy(le, bytes, sizeof(le));
	nr = le64_get(le[1]);
	*ret_grant = (struct grant){ le64_get(le[0]), nr & KEY_LOW_MAX, (uint32_t)(nr >> 56) };
	if (!(ret_grant->bits & GRANT_ANY) || ret_grant->bits & ~(uint32_t)GRANT_BITS_ALL || ret_grant->nr == 0 ||
	    ret_grant->blk >= MAP_BLK_MAX || ret_grant->nr > MAP_BLK_MAX - ret_grant->blk)
		return -EUCLEAN;
	return 0;
}
