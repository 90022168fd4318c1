/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_SUM_H
#define LAMINA_EXTENT_SUM_H

/*
 * The checksum of everything on disk: XXH3 (64 bits, seed 0) over the whole structure.  It lies in the structure's
 * first eight bytes, which count as zeros.  @len is in bytes, at least 8.
 */

#include "dev/base.h"

uint64_t sum_compute(const void *data, size_t len);
void sum_set(void *data, size_t len);
bool sum_is_good(const void *data, size_t len);
/* What the first eight bytes say. */
uint64_t sum_get(const void *data);

#endif
