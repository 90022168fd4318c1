/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_UTIL_H
#define LAMINA_TESTS_SIM_UTIL_H

/* What every part of the simulated world needs: dice from a seed, memory that never fails, a hash of what happened.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/base.h"

/* Dice.  The state is the seed: copying it forks the sequence. */
struct sim_rng {
	uint64_t state;
};

static inline uint64_t sim_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* Different for every pair, so that one seed can give many independent dice. */
static inline struct sim_rng sim_rng_make(uint64_t seed, uint64_t stream)
{
	return (struct sim_rng){ sim_mix(seed + 0x9e3779b97f4a7c15ULL) ^
				 sim_mix(stream * 0xd1342543de82ef95ULL + 1) };
}

static inline uint64_t sim_rng_next(struct sim_rng *rng)
{
	rng->state += 0x9e3779b97f4a7c15ULL;
	return sim_mix(rng->state);
}

/* In [0, @bound), @bound > 0. */
static inline uint64_t sim_rng_below(struct sim_rng *rng, uint64_t bound)
{
	assert(bound > 0);
	return (uint64_t)((unsigned __int128)sim_rng_next(rng) * bound >> 64);
}

/* In [@lo, @hi]. */
static inline uint64_t sim_rng_between(struct sim_rng *rng, uint64_t lo, uint64_t hi)
{
	assert(lo <= hi);
	return hi - lo == UINT64_MAX ? sim_rng_next(rng) : lo + sim_rng_below(rng, hi - lo + 1);
}

/* True @n times out of @of. */
static inline bool sim_rng_chance(struct sim_rng *rng, uint64_t n, uint64_t of)
{
	return sim_rng_below(rng, of) < n;
}

/* The tests cannot go on without memory, and the planned failures of allocations are not for them. */
static inline void *sim_alloc(size_t len)
{
	void *p = calloc(1, len ? len : 1);

	if (!p) {
		fprintf(stderr, "the simulation is out of memory\n");
		abort();
	}
	return p;
}

static inline void *sim_realloc(void *old, size_t len)
{
	void *p = realloc(old, len ? len : 1);

	if (!p) {
		fprintf(stderr, "the simulation is out of memory\n");
		abort();
	}
	return p;
}

/* A running hash of events: two runs went the same way exactly if it is the same. */
static inline void sim_hash_add(uint64_t *hash, uint64_t event)
{
	*hash = sim_mix(*hash ^ sim_mix(event + 0x2545f4914f6cdd1dULL)) * 3 + 1;
}

/* The seed of a randomised test: from the environment variable LAMINA_SEED, else @otherwise. */
static inline uint64_t sim_seed(uint64_t otherwise)
{
	const char *text = getenv("LAMINA_SEED");

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

#endif
