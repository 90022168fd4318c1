/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_LAYOUT_GRANT_H
#define LAMINA_LAYOUT_GRANT_H

/*
 * What one client may do with which blocks of one file: runs in order, not overlapping, neighbours that are alike are
 * one.  Pure memory and arithmetic; blocks are 4 KiB blocks of the file.
 */

#include "dev/base.h"

enum grant_bits {
	GRANT_READ = 1,
	GRANT_RW = 2,
	/*
	 * It was returned, and blocks in it may have been written and not committed: a late LAYOUTCOMMIT is taken
	 * until somebody else wants the blocks or the client closes the file (docs/layout.md).  Hinders nobody.
	 */
	GRANT_LATE = 4,
	GRANT_FRESH = 8, /* holes in it were filled for this grant: what is not committed is given back with it */
};

#define GRANT_HELD (GRANT_READ | GRANT_RW) /* its holder may use the blocks */
#define GRANT_ANY  (GRANT_HELD | GRANT_LATE)
#define GRANT_END  UINT64_MAX /* of a range: all that follows */

struct grant {
	uint64_t blk;
	uint64_t nr;
	uint32_t bits;
};

#define GRANTS_MAX 2048u /* runs of one client on one file */

struct grants {
	struct grant *v;
	unsigned int nr, max;
};

void grants_init(struct grants *g);
void grants_release(struct grants *g);
/*
 * In a new set what is in @g, changed in blocks [@first, @end), which are not none.  -ENOMEM; -E2BIG: more runs than
 * GRANTS_MAX.
 */
/* @bits are set, and what was late is not any more. */
int grants_add(const struct grants *g, uint64_t first, uint64_t end, uint32_t bits, struct grants *ret_grants)
	MUST_CHECK;
/* @bits are taken away; with @late, what loses GRANT_RW becomes GRANT_LATE. */
int grants_take(const struct grants *g, uint64_t first, uint64_t end, uint32_t bits, bool late,
		struct grants *ret_grants) MUST_CHECK;

/* The first run that overlaps [@first, @end) and has one of @bits; NULL: none. */
const struct grant *grants_find(const struct grants *g, uint64_t first, uint64_t end, uint32_t bits);
/* Whether every block of [@first, @end) has one of @bits. */
bool grants_cover(const struct grants *g, uint64_t first, uint64_t end, uint32_t bits) MUST_CHECK;
bool grants_have(const struct grants *g, uint32_t bits) MUST_CHECK;

/* On disk (docs/format.md): 16 bytes a run. */
#define GRANT_DISK_SIZE 16u
void grant_encode(const struct grant *grant, uint8_t bytes[GRANT_DISK_SIZE]);
/* -EUCLEAN: no such bits, empty, or beyond MAP_BLK_MAX. */
int grant_decode(const uint8_t bytes[GRANT_DISK_SIZE], struct grant *ret_grant) MUST_CHECK;

#endif
