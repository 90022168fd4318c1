/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_TALLY_H
#define LAMINA_TESTS_LIB_TALLY_H

/*
 * Which operations are there: each one that commits also puts its number into an item of its tally.  After a crash
 * that item says how far the store got, which is never behind what was promised.
 */

#include "tests/lib/store.h"

#define TALLY_LOG 28u /* bytes of changes of tally_put() */

struct tally {
	struct store *store;
	uint64_t id;	     /* several tallies in one store have different ones */
	uint64_t nr;	     /* operations committed */
	uint64_t base_nr;    /* at the last mount */
	uint64_t durable_nr; /* promised */
	uint64_t lost;	     /* that crashes took, never promised */
};

/* In a body, before all else: *@ret_nr is the number that the operation has if it commits; it then sets tally->nr. */
int tally_put(struct txn *txn, const struct tally *tally, uint64_t *ret_nr) MUST_CHECK;
/* Operation @nr, with sequence number @seq, and all before it are durable when this returns 0. */
FIBER_FN int tally_wait(struct tally *tally, uint64_t nr, uint64_t seq) MUST_CHECK;
/* After a mount; with @crash what is in the store decides, and nr says it afterwards. */
FIBER_FN void tally_mounted(struct tally *tally, bool crash);

#endif
