/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs of granted blocks against an array that has the bits of each block: the same bits afterwards, in runs that are
 * in order, apart or different, and read back from their bytes as they were; and any 16 bytes are a run or are
 * refused. The input: bytes of a run; then changes, each a byte that says which, and two blocks.
 */

#include <stdlib.h>
#include <string.h>

#include "extent/map.h"
#include "layout/grant.h"
#include "tests/lib/fuzz.h"

#define BLOCKS	    256u
#define CHANGES_MAX 64u

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint8_t changes[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 2, 0,
					   8, 0, 2, 8, 9, 1, 4, 6, 6, 3, 7, 4, 0, 64, 5, 2, 9 };

	if (fuzz_seed_dir()) {
		fuzz_seed_write("changes", changes, sizeof(changes));
		exit(0);
	}
	return 0;
}

static void fuzz_decode(struct fuzz_input *in)
{
	uint8_t bytes[GRANT_DISK_SIZE] = { 0 }, again[GRANT_DISK_SIZE];
	struct grant grant;

	fuzz_bytes(in, bytes, sizeof(bytes));
	if (grant_decode(bytes, &grant))
		return;
	fuzz_require(grant.nr > 0 && grant.blk + grant.nr > grant.blk && grant.blk + grant.nr <= MAP_BLK_MAX + 1);
	fuzz_require(grant.bits & GRANT_ANY);
	grant_encode(&grant, again);
	fuzz_require(memcmp(bytes, again, sizeof(bytes)) == 0);
}

static uint32_t bits_at(const struct grants *g, uint64_t blk)
{
	const struct grant *run = grants_find(g, blk, blk + 1, GRANT_ANY);

	return run ? run->bits : 0;
}

static void check_grants(const struct grants *g, const uint32_t model[BLOCKS])
{
	for (unsigned int i = 0; i < g->nr; i++) {
		const struct grant *run = &g->v[i], *next = i + 1 < g->nr ? run + 1 : NULL;
		uint8_t bytes[GRANT_DISK_SIZE];
		struct grant again;

		fuzz_require(run->nr > 0 && run->bits & GRANT_ANY);
		if (next)
			fuzz_require(run->blk + run->nr < next->blk ||
				     (run->blk + run->nr == next->blk && run->bits != next->bits));
		grant_encode(run, bytes);
		fuzz_require(grant_decode(bytes, &again) == 0);
		fuzz_require(again.blk == run->blk && again.nr == run->nr && again.bits == run->bits);
	}
	for (uint64_t blk = 0; blk < BLOCKS; blk++) {
		fuzz_require(bits_at(g, blk) == model[blk]);
		fuzz_require(grants_cover(g, blk, blk + 1, GRANT_RW) == ((model[blk] & GRANT_RW) != 0));
	}
}

static uint32_t model_take(uint32_t old, uint32_t bits, bool late)
{
	uint32_t left = old & ~bits;

	if (late && (old & bits & GRANT_RW))
		left |= GRANT_LATE;
	return left & GRANT_ANY ? left : 0;
}

static void fuzz_change(struct fuzz_input *in, struct grants *g, uint32_t model[BLOCKS])
{
	static const uint32_t adds[] = { GRANT_READ, GRANT_RW, GRANT_RW | GRANT_FRESH };
	static const uint32_t takes[] = { GRANT_READ, GRANT_RW, GRANT_HELD, GRANT_LATE };
	uint8_t what = fuzz_u8(in), from = fuzz_u8(in), len = fuzz_u8(in);
	uint64_t end = min_u64(from + (len ? len : 1u), BLOCKS);
	bool adds_some = what & 1, late = what & 2;
	uint32_t bits = adds_some ? adds[(what >> 2) % 3] : takes[(what >> 2) % 4];
	struct grants next;

	if (adds_some)
		fuzz_require(grants_add(g, from, end, bits, &next) == 0);
	else
		fuzz_require(grants_take(g, from, end, bits, late, &next) == 0);
	for (uint64_t blk = from; blk < end; blk++)
		model[blk] =
			adds_some ? (model[blk] | bits) & ~(uint32_t)GRANT_LATE : model_take(model[blk], bits, late);
	grants_release(g);
	*g = next;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint32_t model[BLOCKS] = { 0 };
	struct grants g;

	fuzz_decode(&in);
	grants_init(&g);
	for (unsigned int i = 0; i < CHANGES_MAX && in.size > 0; i++) {
		fuzz_change(&in, &g, model);
		check_grants(&g, model);
	}
	grants_release(&g);
	return 0;
}
