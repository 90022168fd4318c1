/* SPDX-License-Identifier: Apache-2.0 */

/* XXH3 under the volume's seed.  The disk depends on it: another hash is another format. */

#include "extent/namehash.h"

#include <xxhash.h>

static unsigned int namehash_bits = 64;

uint64_t namehash(const struct txn *txn, const void *name, size_t len, unsigned int bits)
{
	uint64_t hash = XXH3_64bits_withSeed(name, len, txn_hash_seed(txn));

	assert(bits >= 1 && bits <= 64);
	bits = (unsigned int)min_u64(bits, namehash_bits);
	hash >>= 64 - bits;
	return hash ? hash : 1;
}

void namehash_narrow(unsigned int bits)
{
	assert(bits >= 1 && bits <= 64);
	namehash_bits = bits;
}
