/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_NAMEHASH_H
#define LAMINA_EXTENT_NAMEHASH_H

/*
 * The hash by which names of entries and attributes are found.  The volume's secret seed keeps anybody from
 * inventing names that collide.
 */

#include "extent/txn.h"

/* @bits of hash, 1..64, never 0: so nothing that starts with it equals a small reserved number. */
uint64_t namehash(const struct txn *txn, const void *name, size_t len, unsigned int bits);

/* For tests of collisions: keep only @bits of every hash from now on, in this process; 64: all. */
void namehash_narrow(unsigned int bits);

#endif
