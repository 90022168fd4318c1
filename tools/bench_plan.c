/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which loads are measured, and in which order: rounds of all of them, so that a slow minute of the machine hits all
 * alike and ratios stand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/reactor.h"
#include "tools/bench_store.h"

static const unsigned int depths[] = { 1, 16, 64, 256 };
static const char *const peer_names[BENCH_PEERS] = { "lmdb", "rocksdb" };

static struct bench_load *add(struct bench_env *env, const char *name, unsigned int outstanding)
{
	struct bench_load *load = &env->loads[env->nr_loads++];

	assert(env->nr_loads <= BENCH_LOADS_MAX);
	*load = (struct bench_load){ .name = name, .outstanding = outstanding };
	return load;
}

static void add_raw(struct bench_env *env, size_t bytes, bool busy)
{
	struct bench_load *load = add(env, "raw", 1);

	load->bytes = bytes;
	load->busy = busy;
	load->run = bench_raw_run;
}

static void plan_raw(struct bench_env *env)
{
	add_raw(env, 4096, false);
	if (env->opt->busy)
		add_raw(env, 4096, true);
	if (!(env->opt->parts & BENCH_RAW))
		return;
	for (size_t bytes = 16384; bytes <= 1u << 20; bytes *= 4)
		add_raw(env, bytes, false);
}

static struct bench_load *add_store(struct bench_env *env, const char *name, unsigned int outstanding)
{
	struct bench_load *load = add(env, name, outstanding);

	load->run = bench_store_run;
	return load;
}

static void plan_store(struct bench_env *env)
{
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++)
		add_store(env, "store", depths[i]);
	add_store(env, BENCH_STORE_CHECKPOINTING, 64)->checkpointing = true;
	add_store(env, "store, not durable", 1)->volatile_ok = true;
	if (!env->opt->busy)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++)
		add_store(env, "store", depths[i])->busy = true;
}

static void plan_peer(struct bench_env *env, unsigned int peer)
{
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		struct bench_load *load = add(env, peer_names[peer], depths[i]);

		load->peer = peer;
		load->run = bench_peer_run;
	}
}

static int open_peers(struct bench_env *env)
{
	for (unsigned int i = 0; i < BENCH_PEERS; i++) {
		int err = bench_peer_open(env->opt, peer_names[i], &env->peers[i]);

		if (err == -ENOENT) {
			fprintf(stderr, "lamina bench: built without %s; going on without it\n", peer_names[i]);
			continue;
		}
		if (err)
			return err;
		plan_peer(env, i);
	}
	return 0;
}

static void show_progress(const struct bench_env *env, unsigned int round, const struct bench_load *load)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[Kround %u of %u: %s, %u outstanding", round + 1, env->opt->repeats,
			load->name, load->outstanding);
}

static int run_rounds(struct bench_env *env)
{
	uint64_t ns = (uint64_t)(env->opt->seconds * 1e9);

	for (unsigned int round = 0; round < env->opt->repeats; round++) {
		for (unsigned int i = 0; i < env->nr_loads; i++) {
			struct bench_load *load = &env->loads[i];
			int err;

			show_progress(env, round, load);
			bench_busy_set(load->busy);
			err = load->run(env, load, ns, &load->runs[load->nr_runs]);
			bench_busy_set(false);
			if (err)
				return err;
			load->nr_runs++;
		}
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return 0;
}

static FIBER_FN int load_files(void *arg)
{
	struct bench_env *env = arg;

	return bench_store_load(env->store, env->opt->files);
}

static int open_store(struct bench_env *env)
{
	int err = bench_store_open(env, "store", &env->store);

	return err ? err : reactor_run(env->reactor, load_files, env);
}

/* The loads, in rounds. */
static int measure_loads(struct bench_env *env)
{
	int err = bench_raw_open(env);

	if (err)
		return err;
	plan_raw(env);
	if (env->opt->parts & BENCH_STORE) {
		plan_store(env);
		err = open_store(env);
	}
	if (!err && env->opt->parts & BENCH_PEER)
		err = open_peers(env);
	return err ? err : run_rounds(env);
}

/* The facts, one after the other. */
static int measure_facts(struct bench_env *env)
{
	int err = 0;

	if (env->opt->parts & BENCH_SPACE)
		err = bench_space(env);
	if (!err && env->opt->parts & BENCH_MOUNT)
		err = bench_mount(env);
	if (!err && env->opt->parts & BENCH_GROWTH)
		err = bench_growth(env);
	return err;
}

/* Memory and disk that the loads took are not the facts' concern. */
static void close_all(struct bench_env *env)
{
	for (unsigned int i = 0; i < BENCH_PEERS; i++) {
		bench_peer_close(env->peers[i]);
		env->peers[i] = NULL;
	}
	bench_store_close(env->store);
	env->store = NULL;
	if (env->raw_dev)
		bench_raw_close(env);
	env->raw_dev = NULL;
}

static int measure(struct bench_env *env)
{
	int err = 0;

	if (env->opt->parts & (BENCH_RAW | BENCH_STORE | BENCH_PEER))
		err = measure_loads(env);
	close_all(env);
	return err ? err : measure_facts(env);
}

static int report(const struct bench_env *env)
{
	if (env->opt->json)
		bench_report_json(env, stdout);
	else
		bench_report_text(env, stdout);
	return env->opt->plot ? bench_report_plot(env, env->opt->plot) : 0;
}

static int open_measure_report(struct bench_env *env)
{
	int err = reactor_open(NULL, &env->reactor);

	if (err)
		return err;
	err = measure(env);
	if (!err)
		err = report(env);
	reactor_close(env->reactor);
	return err;
}

int bench_store_all(const struct bench_options *opt)
{
	struct bench_env *env = calloc(1, sizeof(*env));
	int err;

	if (!env)
		return -ENOMEM;
	env->opt = opt;
	err = opt->busy ? bench_busy_start() : 0;
	if (!err)
		err = open_measure_report(env);
	bench_busy_stop();
	free(env);
	return err;
}

const struct bench_load *bench_find(const struct bench_env *env, const char *name, unsigned int outstanding,
				    bool busy)
{
	for (unsigned int i = 0; i < env->nr_loads; i++) {
		const struct bench_load *load = &env->loads[i];

		if (strcmp(load->name, name) == 0 && load->outstanding == outstanding && load->busy == busy &&
		    load->nr_runs > 0)
			return load;
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned int nr)
{
	qsort(values, nr, sizeof(*values), compare);
	return nr % 2 ? values[nr / 2] : (values[nr / 2 - 1] + values[nr / 2]) / 2;
}

double bench_median_of(const double *values, unsigned int nr)
{
	double copy[BENCH_REPEATS_MAX];

	assert(nr > 0 && nr <= BENCH_REPEATS_MAX);
	memcpy(copy, values, nr * sizeof(*values));
	return median(copy, nr);
}

struct bench_median bench_load_median(const struct bench_load *load)
{
	double v[5][BENCH_REPEATS_MAX];
	unsigned int nr = load->nr_runs;

	assert(nr > 0);
	for (unsigned int i = 0; i < nr; i++) {
		const struct bench_run *r = &load->runs[i];

		v[0][i] = bench_run_rate(r);
		v[1][i] = (double)r->p50_ns / 1e3;
		v[2][i] = (double)r->p99_ns / 1e3;
		v[3][i] = (double)r->max_ns / 1e3;
		v[4][i] = r->cpu_us;
	}
	return (struct bench_median){
		.rate = median(v[0], nr),
		.p50_us = median(v[1], nr),
		.p99_us = median(v[2], nr),
		.max_us = median(v[3], nr),
		.cpu_us = median(v[4], nr),
	};
}
