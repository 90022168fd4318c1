/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: the first of equally near names wins; at most a third of the letters differ, and never all. */

#include "mds/nearest.h"

#include <string.h>

static unsigned int min_of(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

unsigned int nearest_distance(const char *a, const char *b)
{
	size_t len_a = strlen(a), len_b = strlen(b);
	unsigned int rows[3][NEAREST_LEN_MAX + 1];
	unsigned int *two_above = rows[0], *above = rows[1], *row = rows[2], *free_row;

	if (len_a > NEAREST_LEN_MAX || len_b > NEAREST_LEN_MAX)
		return NEAREST_FAR;
	for (size_t j = 0; j <= len_b; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; i <= len_a; i++) {
		free_row = two_above;
		two_above = above;
		above = row;
		row = free_row;
		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= len_b; j++) {
			row[j] = min_of(min_of(above[j] + 1, row[j - 1] + 1), above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min_of(row[j], two_above[j - 2] + 1);
		}
	}
	/* Names of two letters are always near something. */
	if (row[len_b] > (unsigned int)(len_a + len_b) / 6 + 1 || row[len_b] >= len_b)
		return NEAREST_FAR;
	return row[len_b];
}

struct nearest nearest_to(const char *name)
{
	return (struct nearest){ .name = name, .distance = NEAREST_FAR };
}

void nearest_try(struct nearest *n, const char *candidate)
{
	unsigned int distance = nearest_distance(n->name, candidate);

	if (distance < n->distance) {
		n->distance = distance;
		n->best = candidate;
	}
}
