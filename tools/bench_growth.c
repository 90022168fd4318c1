/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens as things grow: the cost of allocating, converting and looking up one extent in a file that has more
 * and more of them, and in a volume that has; and how long a mount takes with more and more inodes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/name.h"
#include "tools/bench_store.h"

#define SAMPLES	  1000
#define STRIDE	  4	 /* file blocks from one extent to the next: they never merge */
#define FILL_STEP 128	 /* extents in one transaction of filling */
#define REPLAYED  200000 /* transactions in the journal when the store is abandoned, at most */

enum op {
	OP_ALLOC,
	OP_CONVERT,
	OP_LOOKUP,
	OPS
};

struct growth {
	struct bench_env *env;
	struct bench_store *store;
	uint64_t limit;
	uint64_t ino;
	uint64_t extents; /* in the file: at blocks 0, STRIDE, 2 * STRIDE, ... */
	uint64_t blk;	  /* of the operation that runs, or where filling starts */
	uint64_t nr;	  /* to fill */
	uint64_t samples[SAMPLES];
	struct bench_hist hist;
};

static int make_file_body(struct txn *txn, void *arg)
{
	const struct name_create how = { .mode = S_IFREG | 0644 };
	struct growth *g = arg;
	char name[32];
	struct name_at at = { .dir = INO_ROOT, .name = name };
	struct name_result made;
	int err;

	at.len = (size_t)snprintf(name, sizeof(name), "grow-%llu", (unsigned long long)txn_seq(txn));
	err = name_create(txn, &at, &how, &made);
	if (!err)
		g->ino = made.inode.ino;
	return err;
}

static int alloc_at(struct txn *txn, struct inode *inode, uint64_t blk)
{
	const struct map_want want = { .align = 1 };
	uint64_t stop;

	return map_alloc(txn, inode, blk, 1, &want, 1, &stop);
}

static int fill_body(struct txn *txn, void *arg)
{
	struct growth *g = arg;
	struct inode inode;
	int err = inode_get(txn, g->ino, &inode);

	for (uint64_t i = 0; !err && i < g->nr; i++)
		err = alloc_at(txn, &inode, g->blk + i * STRIDE);
	return err ? err : inode_put(txn, &inode);
}

static FIBER_FN int run_txn(struct growth *g, int (*body)(struct txn *txn, void *arg))
{
	static const struct txn_options options = { .name = "growth" };

	return txn_run(g->store->fs, &options, body, g, NULL);
}

static FIBER_FN int fill_file(struct growth *g, uint64_t extents)
{
	while (g->extents < extents) {
		int err;

		g->blk = g->extents * STRIDE;
		g->nr = min_u64(FILL_STEP, extents - g->extents);
		err = run_txn(g, fill_body);
		if (err)
			return err;
		g->extents += g->nr;
		fiber_yield();
	}
	return 0;
}

static int alloc_body(struct txn *txn, void *arg)
{
	struct growth *g = arg;
	struct inode inode;
	int err = inode_get(txn, g->ino, &inode);

	if (!err)
		err = alloc_at(txn, &inode, g->blk);
	return err ? err : inode_put(txn, &inode);
}

static int convert_body(struct txn *txn, void *arg)
{
	struct growth *g = arg;
	struct inode inode;
	uint64_t stop;
	int err = inode_get(txn, g->ino, &inode);

	if (!err)
		err = map_convert(txn, &inode, g->blk, 1, 0, 1, &stop);
	return err ? err : inode_put(txn, &inode);
}

static int lookup_body(struct txn *txn, void *arg)
{
	struct growth *g = arg;
	struct map_extent extent;
	unsigned int nr;

	return map_read(txn, g->ino, MAP_DATA, g->blk, 1, 1, &extent, &nr);
}

static int punch_body(struct txn *txn, void *arg)
{
	struct growth *g = arg;
	struct inode inode;
	uint64_t stop;
	int err = inode_get(txn, g->ino, &inode);

	if (!err)
		err = map_punch(txn, &inode, g->blk, 1, 0, 1, &stop);
	return err ? err : inode_put(txn, &inode);
}

static FIBER_FN int run_op(struct growth *g, enum op op)
{
	if (op == OP_ALLOC)
		return run_txn(g, alloc_body);
	if (op == OP_CONVERT)
		return run_txn(g, convert_body);
	return txn_read(g->store->fs, lookup_body, g);
}

/* Every sample is one transaction, at a block between two extents of the file; nobody waits for the disk. */
static FIBER_FN int measure_op(struct growth *g, enum op op, double *ret_us)
{
	bench_hist_reset(&g->hist);
	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t begin;
		int err;

		g->blk = g->samples[i];
		begin = reactor_now_ns(g->store->reactor);
		err = run_op(g, op);
		if (err)
			return err;
		bench_hist_add(&g->hist, reactor_now_ns(g->store->reactor) - begin, 1);
	}
	*ret_us = (double)bench_hist_percentile(&g->hist, 50) / 1e3;
	return 0;
}

/* Different blocks between extents, in random order. */
static void choose_samples(struct growth *g)
{
	uint64_t gap = g->extents > SAMPLES ? g->extents / SAMPLES : 1;

	for (unsigned int i = 0; i < SAMPLES; i++)
		g->samples[i] = i * gap * STRIDE + STRIDE / 2;
	for (unsigned int i = SAMPLES - 1; i > 0; i--) {
		uint64_t j = reactor_random_below(g->store->reactor, i + 1), swap = g->samples[i];

		g->samples[i] = g->samples[j];
		g->samples[j] = swap;
	}
}

static FIBER_FN int undo_samples(struct growth *g)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < SAMPLES; i++) {
		g->blk = g->samples[i];
		err = run_txn(g, punch_body);
	}
	return err;
}

static FIBER_FN int measure_ops(struct growth *g, const char *const names[OPS], uint64_t at)
{
	choose_samples(g);
	for (enum op op = OP_ALLOC; op < OPS; op++) {
		double us = 0;
		int err = measure_op(g, op, &us);

		if (err)
			return err;
		bench_fact_add(g->env, names[op], "us (p50)", (double)at, us);
	}
	return undo_samples(g);
}

static FIBER_FN int grow_file(void *arg)
{
	static const char *const names[OPS] = { BENCH_GROWTH_ALLOC, BENCH_GROWTH_CONVERT, BENCH_GROWTH_LOOKUP };
	struct growth *g = arg;
	int err = run_txn(g, make_file_body);

	for (uint64_t at = 1000; !err && at <= g->limit; at *= 10) {
		err = fill_file(g, at);
		if (!err)
			err = measure_ops(g, names, at);
	}
	return err;
}

static FIBER_FN int grow_volume(void *arg)
{
	static const char *const names[OPS] = { BENCH_VOLUME_ALLOC, BENCH_VOLUME_CONVERT, BENCH_VOLUME_LOOKUP };
	struct growth *g = arg;
	int err = 0;

	for (uint64_t at = 1000; !err && at <= g->limit; at *= 10) {
		err = bench_store_load(g->store, at);
		if (!err)
			err = run_txn(g, make_file_body);
		if (!err)
			err = measure_ops(g, names, at);
	}
	return err;
}

static int with_store(struct bench_env *env, const char *name, int (*fn)(void *arg))
{
	struct growth *g = calloc(1, sizeof(*g));
	int err;

	if (!g)
		return -ENOMEM;
	g->env = env;
	g->limit = env->opt->limit;
	err = bench_store_open(env, name, &g->store);
	if (!err) {
		err = reactor_run(env->reactor, fn, g);
		bench_store_close(g->store);
	}
	free(g);
	return err;
}

int bench_growth(struct bench_env *env)
{
	int err = with_store(env, "growth-file", grow_file);

	if (!err)
		err = with_store(env, "growth-volume", grow_volume);
	return err;
}

static FIBER_FN int timed_mount(struct growth *g, const char *what, uint64_t at)
{
	uint64_t begin = reactor_now_ns(g->store->reactor);
	int err = bench_store_mount(g->store);

	if (!err)
		bench_fact_add(g->env, what, "s", (double)at,
			       (double)(reactor_now_ns(g->store->reactor) - begin) / 1e9);
	return err;
}

/* Leave a journal full of work behind a checkpoint, and stop at once. */
static FIBER_FN int crash(struct growth *g)
{
	uint64_t seq = 0;
	int err = fs_checkpoint(g->store->fs);

	if (!err)
		err = bench_store_load(g->store, g->store->next + min_u64(REPLAYED, 2 * g->store->next));
	if (!err)
		err = bench_store_create(g->store, &seq);
	if (!err)
		err = txn_wait_durable(g->store->fs, seq);
	if (err)
		return err;
	fs_abandon(g->store->fs);
	g->store->fs = NULL;
	return 0;
}

static FIBER_FN int unmount(struct growth *g)
{
	struct fs *fs = g->store->fs;

	g->store->fs = NULL;
	return fs_unmount(fs);
}

static FIBER_FN int grow_mount(void *arg)
{
	struct growth *g = arg;
	int err = 0;

	for (uint64_t at = min_u64(g->limit, 100000); !err && at <= g->limit; at *= 10) {
		struct fs_stats stats;

		err = bench_store_load(g->store, at);
		if (!err)
			err = crash(g);
		if (!err)
			err = timed_mount(g, BENCH_MOUNT_KILLED, at);
		if (err)
			return err;
		fs_stats(g->store->fs, &stats);
		bench_fact_add(g->env, "transactions replayed then", "number", (double)at,
			       (double)stats.replayed_txns);
		err = unmount(g);
		if (!err)
			err = timed_mount(g, "mount after an unmount", at);
	}
	return err;
}

int bench_mount(struct bench_env *env)
{
	return with_store(env, "mount", grow_mount);
}

/* Bytes of memory that this process has in use. */
static uint64_t resident(void)
{
	FILE *in = fopen("/proc/self/statm", "r");
	unsigned long long pages = 0;

	if (in) {
		if (fscanf(in, "%*u %llu", &pages) != 1)
			pages = 0;
		fclose(in);
	}
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static FIBER_FN int fill_space(void *arg)
{
	struct growth *g = arg;
	uint64_t before = resident(), used;
	struct fs_stats stats;
	int err = bench_store_load(g->store, g->env->opt->files);

	if (!err)
		err = fs_checkpoint(g->store->fs);
	if (err)
		return err;
	used = resident();
	used -= min_u64(used, before);
	fs_stats(g->store->fs, &stats);
	bench_fact_add(g->env, "items in the volume", "number", 0, (double)stats.items);
	bench_fact_add(g->env, "disk for an item", "bytes", 0,
		       (double)stats.tree_blocks * BLOCK_SIZE / (double)stats.items);
	bench_fact_add(g->env, "disk for an inode with name and extent", "bytes", 0,
		       (double)stats.tree_blocks * BLOCK_SIZE / (double)stats.inodes);
	bench_fact_add(g->env, "memory for an item", "bytes", 0, (double)used / (double)stats.items);
	bench_fact_add(g->env, "memory for an inode with name and extent", "bytes", 0,
		       (double)used / (double)stats.inodes);
	return 0;
}

int bench_space(struct bench_env *env)
{
	return with_store(env, "space", fill_space);
}
