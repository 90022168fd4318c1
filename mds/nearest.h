/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_NEAREST_H
#define LAMINA_MDS_NEAREST_H

/* Which known name a mistyped one was meant to be. */

#include "dev/base.h"

#define NEAREST_LEN_MAX 48 /* longer names are like no other */
#define NEAREST_FAR	UINT32_MAX

/* Letters to insert, delete, replace or swap with their neighbour until @a is @b; NEAREST_FAR: more than a slip. */
unsigned int nearest_distance(const char *a, const char *b) MUST_CHECK;

/* The best of those that were tried. */
struct nearest {
	const char *name; /* what was written */
	const char *best; /* NULL: none is near */
	unsigned int distance;
};

struct nearest nearest_to(const char *name) MUST_CHECK;
void nearest_try(struct nearest *n, const char *candidate);

#endif
