/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_SIM_CRASH_LOAD_H
#define LAMINA_TESTS_SIM_CRASH_LOAD_H

/*
 * What the crash test does to a store while it lives, and what it remembers of it: several fibers run random
 * transactions, and after every commit the state of the whole volume is noted, as a hash over all items, under the
 * commit's sequence number.  A body doesn't switch, so it can take that hash at its own end.
 *
 * Items of ZONE_STATE are also held against a model of their own: a value tells its version, by which all its bytes
 * are known.
 */

#include "extent/fs.h"
#include "extent/txn.h"
#include "tests/sim/sim_tape.h"
#include "tests/sim/sim_util.h"

/* States by sequence number.  A hash of 0: unknown, a transaction of the store's own made it. */
struct history {
	uint64_t base; /* sequence number of hash[0] */
	uint64_t *hash;
	size_t nr, room;
};

void history_init(struct history *h, uint64_t base, uint64_t hash);
void history_release(struct history *h);
void history_set(struct history *h, uint64_t seq, uint64_t hash);
uint64_t history_get(const struct history *h, uint64_t seq);

#define LOAD_KEYS 96

/* What the items of ZONE_STATE should be; 0: no item. */
struct load_model {
	uint64_t version[LOAD_KEYS];
	uint64_t next_version;
};

/* A look at everything in the volume. */
struct load_view {
	uint64_t hash;
	uint64_t items, inodes, orphans, free_blocks, limbo_blocks;
	uint64_t version[LOAD_KEYS];
	char wrong[160]; /* what cannot be; empty: nothing */
};

/* Inside a body.  Errors are the transaction's. */
int load_look(struct txn *txn, struct load_view *ret_view) MUST_CHECK;
/* Its own transaction; *@ret_view also says how it fits what the store counts. */
FIBER_FN int load_look_at(struct fs *fs, struct load_view *ret_view) MUST_CHECK;

/* Marks on the tape. */
enum load_mark {
	LOAD_FORMATTED,
	LOAD_COMMITTED, /* value: sequence number */
	LOAD_PROMISED,	/* value: up to this sequence number all is durable */
};

/* What a seed makes of the workload. */
struct load_shape {
	uint64_t seed;
	unsigned int fibers;
	unsigned int txns; /* of each fiber */
	unsigned int puts; /* of a transaction, at most */
	unsigned int keys; /* at most LOAD_KEYS */
	unsigned int value_max;
	unsigned int names;	 /* of 8 transactions so many are about names and files */
	unsigned int checkpoint; /* of 64 steps so many are a checkpoint */
};

struct load {
	struct load_shape shape;
	struct fs *fs;
	struct sim_tape *tape; /* NULL: no marks */
	struct history *history;
	struct load_model model;
	uint64_t last_seq;
	uint64_t commits;
	char wrong[256]; /* the first thing that went wrong; empty: nothing */
};

/* Run it to its end.  False: something is wrong, and said in @l->wrong. */
FIBER_FN bool load_run(struct load *l);

#endif
