/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_BENCH_WORK_H
#define LAMINA_TOOLS_BENCH_WORK_H

/* The workload that the store and its peers have in common: file number i, its name and its directory. */

#include <stdio.h>

#include "dev/base.h"

#define BENCH_WORK_DIRS	    64u
#define BENCH_WORK_NAME_MAX 24u

static inline uint64_t bench_work_dir(uint64_t i)
{
	return i % BENCH_WORK_DIRS;
}

/* Writes the name of file @i and a NUL into @buf of BENCH_WORK_NAME_MAX + 1; returns its length. */
static inline size_t bench_work_name(char *buf, uint64_t i)
{
	return (size_t)snprintf(buf, BENCH_WORK_NAME_MAX + 1, "file-%07llu", (unsigned long long)i);
}

#endif
