/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_BENCH_STORE_H
#define LAMINA_TOOLS_BENCH_STORE_H

/* A store in an image file, and the benchmark's workload on it. */

#include "extent/fs.h"
#include "extent/map.h"
#include "tools/bench.h"
#include "tools/bench_work.h"

#define BENCH_STORE_DEPTH_MAX 256
#define BENCH_STORE_CACHE     (2ULL << 30) /* bytes: everything fits */

struct bench_store {
	struct reactor *reactor;
	struct blkdev *dev;
	struct fs *fs; /* NULL: not mounted */
	char path[4096];
	uint64_t next; /* file */
	uint64_t dirs[BENCH_WORK_DIRS];
};

/* Format and mount an image with the directories of the workload in it. */
int bench_store_open(struct bench_env *env, const char *name, struct bench_store **ret_store) MUST_CHECK;
/* Remove it again. */
void bench_store_close(struct bench_store *s);
/* Mount s->dev as s->fs. */
FIBER_FN int bench_store_mount(struct bench_store *s) MUST_CHECK;
/* Make files until there are @files, waiting for nothing. */
FIBER_FN int bench_store_load(struct bench_store *s, uint64_t files) MUST_CHECK;
/* Make the next file. */
FIBER_FN int bench_store_create(struct bench_store *s, uint64_t *ret_seq) MUST_CHECK;
int bench_store_run(struct bench_env *env, const struct bench_load *load, uint64_t ns, struct bench_run *ret_run)
	MUST_CHECK;

#endif
