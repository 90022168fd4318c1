/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_SHARE_H
#define LAMINA_EXTENT_SHARE_H

/*
 * Blocks with more than one owner, with their number of owners.  A block without an item here has one owner (or is
 * free, or metadata: this file does not know).  Neighbouring blocks with equal counts are one item.
 *
 * Each call treats the longest first part of its range that has one count, and says how long it was: the caller
 * comes again for the rest, so each call is bounded.  All run inside a transaction body.
 */

#include "extent/txn.h"

/* Bytes of changes that one share_add() or share_drop() makes at most: three puts of 32, two deletes of 20. */
#define SHARE_LOG      136u

#define SHARE_REFS_MAX UINT32_MAX

/* The count of the blocks [@daddr, @daddr + *@ret_len), at most @len > 0 of them; 1 if they have no item. */
int share_lookup(struct txn *txn, uint64_t daddr, uint64_t len, uint32_t *ret_refs, uint64_t *ret_len) MUST_CHECK;

/* One owner more.  -EMLINK: the blocks have SHARE_REFS_MAX. */
int share_add(struct txn *txn, uint64_t daddr, uint64_t len, uint64_t *ret_len) MUST_CHECK;

/* One owner less.  *@ret_unowned: that was the last one, and the caller frees the blocks. */
int share_drop(struct txn *txn, uint64_t daddr, uint64_t len, uint64_t *ret_len, bool *ret_unowned) MUST_CHECK;

#endif
