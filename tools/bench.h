/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_BENCH_H
#define LAMINA_TOOLS_BENCH_H

/*
 * `lamina bench store`: what its files share.  A load is one way to keep something busy; a round runs every load
 * once, so that all see the same machine; of several rounds the medians are reported.
 */

#include <stdio.h>

#include "tools/bench_run.h"

struct reactor;
struct blkdev;
struct fs;
struct bench_env;
struct bench_peer;

#define BENCH_REPEATS_MAX 31
#define BENCH_LOADS_MAX	  64
#define BENCH_PEERS	  2
#define BENCH_FACTS_MAX	  128
#define BENCH_TARGETS_MAX 16

enum bench_part {
	BENCH_RAW = 1 << 0,
	BENCH_STORE = 1 << 1,
	BENCH_PEER = 1 << 2,
	BENCH_SPACE = 1 << 3,
	BENCH_MOUNT = 1 << 4,
	BENCH_GROWTH = 1 << 5,
	BENCH_ALL = (1 << 6) - 1,
};

struct bench_options {
	const char *dir; /* for the files; everything made there is removed at the end */
	uint64_t size;	 /* bytes of the volume's image */
	double seconds;	 /* of one load in one round */
	unsigned int repeats;
	uint64_t files; /* loaded before measuring */
	unsigned int parts;
	bool busy;	/* every load once more with a busy process on each processor */
	uint64_t limit; /* of inodes and extents, for mount and growth */
	bool json;
	const char *plot; /* prefix of the plot files, or NULL */
};

/* How a load's numbers were made. */
struct bench_load {
	const char *name;
	unsigned int outstanding;
	size_t bytes; /* of a raw append */
	bool busy;
	bool volatile_ok;   /* nobody waits for durability */
	bool checkpointing; /* one checkpoint after the other all the time */
	unsigned int peer;  /* index in the environment */
	int (*run)(struct bench_env *env, const struct bench_load *load, uint64_t ns, struct bench_run *ret_run);
	unsigned int nr_runs;
	struct bench_run runs[BENCH_REPEATS_MAX];
};

/* A number that is measured once. */
struct bench_fact {
	const char *what;
	const char *unit;
	double at; /* how large things were; 0: does not apply */
	double value;
};

struct bench_target {
	const char *what;
	bool at_most; /* else at least */
	double want;
	double got;
};

/* Names that the targets look for. */
#define BENCH_STORE_CHECKPOINTING "store, checkpointing"
#define BENCH_MOUNT_KILLED	  "mount after a kill"
#define BENCH_GROWTH_ALLOC	  "allocate, by extents in the file"
#define BENCH_GROWTH_CONVERT	  "convert, by extents in the file"
#define BENCH_GROWTH_LOOKUP	  "look up, by extents in the file"
#define BENCH_VOLUME_ALLOC	  "allocate, by files in the volume"
#define BENCH_VOLUME_CONVERT	  "convert, by files in the volume"
#define BENCH_VOLUME_LOOKUP	  "look up, by files in the volume"

struct bench_env {
	const struct bench_options *opt;
	struct reactor *reactor;
	struct blkdev *raw_dev;
	uint64_t raw_next; /* bytes: where the next append goes */
	struct bench_store *store;
	struct bench_peer *peers[BENCH_PEERS];
	struct bench_load loads[BENCH_LOADS_MAX];
	unsigned int nr_loads;
	struct bench_fact facts[BENCH_FACTS_MAX];
	unsigned int nr_facts;
};

/* Medians over the rounds, each number for itself. */
struct bench_median {
	double rate; /* per second */
	double p50_us, p99_us, max_us;
	double cpu_us;
};

/* @load has run at least once. */
struct bench_median bench_load_median(const struct bench_load *load);
/* The median of @nr values, 1 to BENCH_REPEATS_MAX. */
double bench_median_of(const double *values, unsigned int nr);
/* The load with these properties, or NULL. */
const struct bench_load *bench_find(const struct bench_env *env, const char *name, unsigned int outstanding,
				    bool busy);

/* bench_plan.c: everything that @opt asks for. */
int bench_store_all(const struct bench_options *opt) MUST_CHECK;

/* bench_raw.c: durable appends through our own block device. */
int bench_raw_open(struct bench_env *env) MUST_CHECK;
int bench_raw_run(struct bench_env *env, const struct bench_load *load, uint64_t ns, struct bench_run *ret_run)
	MUST_CHECK;
void bench_raw_close(struct bench_env *env);

/* bench_growth.c: facts about size. */
int bench_space(struct bench_env *env) MUST_CHECK;
int bench_growth(struct bench_env *env) MUST_CHECK;
int bench_mount(struct bench_env *env) MUST_CHECK;

/* bench_peer.c: another store, in a process of its own.  -ENOENT: not built with it. */
int bench_peer_open(const struct bench_options *opt, const char *name, struct bench_peer **ret_peer) MUST_CHECK;
int bench_peer_run(struct bench_env *env, const struct bench_load *load, uint64_t ns, struct bench_run *ret_run)
	MUST_CHECK;
void bench_peer_close(struct bench_peer *peer);
const char *bench_peer_name(const struct bench_peer *peer);

/* bench_busy.c: a process on each processor that does nothing but run.  Start them before any thread. */
int bench_busy_start(void) MUST_CHECK;
void bench_busy_set(bool on);
void bench_busy_stop(void);

/* bench_file.c: files in opt->dir. */
/* A path "DIR/bench-NAME.PID" in @buf. */
void bench_path(const struct bench_options *opt, const char *name, char *buf, size_t len);
/* Make a file of @size bytes there. */
int bench_file_make(const char *path, uint64_t size) MUST_CHECK;
/* Remove a file, or a directory with the files in it. */
void bench_file_remove(const char *path);
/* Bytes that the file, or the files in the directory, take on the disk. */
uint64_t bench_file_usage(const char *path);

/* bench_facts.c */
struct json_object;

/* Facts of one name follow one another, the smallest @at first; @at 0: there is only one. */
void bench_fact_add(struct bench_env *env, const char *what, const char *unit, double at, double value);
void bench_facts_text(const struct bench_env *env, FILE *out);
void bench_facts_json(const struct bench_env *env, struct json_object *top);
/* The targets whose numbers were measured. */
unsigned int bench_targets(const struct bench_env *env, struct bench_target targets[BENCH_TARGETS_MAX]);
bool bench_target_met(const struct bench_target *t);

/* bench_report.c */
void bench_report_text(const struct bench_env *env, FILE *out);
void bench_report_json(const struct bench_env *env, FILE *out);
/* Write PREFIX.dat and PREFIX.gp. */
int bench_report_plot(const struct bench_env *env, const char *prefix) MUST_CHECK;

#endif
