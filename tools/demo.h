/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_DEMO_H
#define LAMINA_TOOLS_DEMO_H

/*
 * The random workload of `lamina demo`, and a model of what it must leave behind.  Each client works in a directory
 * of its own with a fixed number of names.  What it does next follows from the seed and its state alone, so whoever
 * knows how many of its operations were acknowledged knows what must be there.
 */

#include "extent/fs.h"
#include "extent/txn.h"
#include "tools/bench_hist.h"

#define DEMO_CLIENTS	  64
#define DEMO_SLOTS	  64
#define DEMO_CHUNK_BLOCKS 16 /* 64 KiB */
#define DEMO_CHUNKS_MAX	  8

struct demo_slot {
	uint32_t id;	  /* of the file that has this name, 0: none */
	uint16_t chunks;  /* allocated, from the file's start */
	uint16_t written; /* of them */
};

struct demo_state {
	struct demo_slot slots[DEMO_SLOTS];
};

enum demo_kind {
	DEMO_CREATE,
	DEMO_UNLINK,
	DEMO_RENAME,
	DEMO_ALLOC,
	DEMO_WRITE
};

struct demo_op {
	enum demo_kind kind;
	unsigned int slot;
	unsigned int to; /* of RENAME: the other slot, whose file is replaced if there is one */
	uint32_t id;	 /* of CREATE */
};

/* After @done operations states[@done % 2] is what must be there: so a kill never finds a half-changed state. */
struct demo_client {
	uint64_t dir;
	uint64_t done;
	struct demo_state states[2];
};

/* Memory that the process which is killed shares with the one that looks afterwards. */
struct demo_log {
	uint64_t seed;
	struct demo_client clients[DEMO_CLIENTS];
	struct bench_hist hist;
};

void demo_choose(uint64_t seed, unsigned int client, uint64_t done, const struct demo_state *state,
		 struct demo_op *ret_op);
void demo_apply(const struct demo_op *op, const struct demo_state *before, struct demo_state *ret_after);

/* Make the directory of every client. */
FIBER_FN int demo_prepare(struct fs *fs, struct demo_log *log) MUST_CHECK;
/*
 * Run all clients until one fails, or each has done @max operations in its life.  Latencies go to log->hist,
 * acknowledgements to the clients.
 */
FIBER_FN int demo_run(struct fs *fs, struct demo_log *log, uint64_t max) MUST_CHECK;

struct demo_verdict {
	uint64_t acknowledged; /* operations of all clients so far, and every one of them is there */
	uint64_t in_flight;    /* operations that nobody was told about, but that are there */
	uint64_t files;
	unsigned int wrong; /* clients whose directory is neither as acknowledged nor one operation further */
};

/* Compare @fs with the model, and let the model go on from what is there. */
FIBER_FN int demo_verify(struct fs *fs, struct demo_log *log, struct demo_verdict *ret_verdict) MUST_CHECK;

#endif
