/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_RING_H
#define LAMINA_EXTENT_RING_H

/*
 * Reading the journal's ring once around, in order, far ahead of the reader, so that it goes at the device's speed.
 * Positions are lsns: bytes ever written to the ring.  A block (RECORD_ALIGN bytes) that cannot be read costs only
 * those who look at it.
 */

#include "extent/journal.h"

struct ring;

/* Start reading at @lsn, a multiple of RECORD_ALIGN; the ring ends there again, one round later.  -ENOMEM. */
int ring_open(const struct journal_config *cfg, uint64_t lsn, struct ring **ret_ring) MUST_CHECK;
/* Waits for what is in flight. */
FIBER_FN void ring_close(struct ring *r);

/* Go on from @lsn, which may lie before what was read; not before ring_open()'s. */
FIBER_FN void ring_seek(struct ring *r, uint64_t lsn);
/*
 * The @len bytes at @lsn, a multiple of RECORD_ALIGN like @len, not before the last view's; they lie in one piece on
 * the ring and are at most RECORD_SIZE_MAX.  Good until the next call.  -EIO: a block of them cannot be read.
 */
FIBER_FN int ring_view(struct ring *r, uint64_t lsn, size_t len, const void **ret_bytes) MUST_CHECK;

#endif
