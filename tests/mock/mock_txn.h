/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_MOCK_TXN_H
#define LAMINA_TESTS_MOCK_TXN_H

/*
 * A stand-in for extent/txn.c: every function of extent/txn.h over items in plain memory, so that item code is
 * tested without tree, journal and fibers, at full speed and with trouble on demand.  A test that uses it lies in
 * tests/mock (tests/CMakeLists.txt says why).
 *
 * It is strict where the real one is only entitled to be: a value that was read is overwritten and freed at the next
 * change, so that using it too long is seen; and it aborts when a body goes on after an error, returns another
 * error than it got, or returns 0 after one (-ENOENT aside).
 */

#include <stdio.h>

#include "extent/txn.h"

#define MOCK_DEVICES_MAX 8

struct mock_chunk;

struct mock_device {
	uint64_t first; /* allocatable blocks [first, end) */
	uint64_t end;
};

/* What a test may set or read; the rest belongs to mock_txn.c.  mock_init() sets one device [0, 1024). */
struct mock_store {
	unsigned int nr_devices;
	struct mock_device devices[MOCK_DEVICES_MAX];
	uint64_t hash_seed;
	uint64_t next_ino;
	uint64_t wall_ns; /* grows by one with every run of a body */
	uint64_t seq;	  /* of the last transaction that changed something */
	size_t log_max;	  /* for mock_run(); -E2BIG above it */

	/* Trouble. */
	uint64_t dice;		   /* state of the random numbers: set it from the test's seed */
	unsigned int restart_odds; /* one item call in so many gives -ERESTART; 0: none */
	uint64_t fail_at;	   /* the n-th item call from now on (1: the next) gives fail_err; 0: none */
	int fail_err;

	/* What happened. */
	uint64_t calls;	      /* item calls so far */
	uint64_t changes;     /* puts and deletes among them */
	uint64_t restarts;    /* injected so far */
	size_t log_bytes;     /* of the last body that ran */
	size_t log_bytes_max; /* of all of them */

	uint64_t nr_items;
	struct mock_chunk **chunks;
	size_t nr_chunks, max_chunks;
};

void mock_init(struct mock_store *store);
void mock_release(struct mock_store *store);

/*
 * Run @body as txn_run() would: again after -ERESTART, undone after any error.  Returns what its last run returned.
 * A store with its trouble set to none always runs the body once.
 */
int mock_run(struct mock_store *store, int (*body)(struct txn *txn, void *arg), void *arg);

/* As mock_run(); a body that changes something gets -EROFS. */
int mock_read(struct mock_store *store, int (*body)(struct txn *txn, void *arg), void *arg);

/* For code that calls txn_run() itself: pass this as its fs. */
struct fs *mock_fs(struct mock_store *store);

/* Items behind the code's back: to plant and to look.  No trouble, no counting. */
void mock_put(struct mock_store *store, struct key key, const void *val, size_t len);
bool mock_delete(struct mock_store *store, struct key key);
/* The first item at or after @from; false if there is none.  Good until the next change. */
bool mock_next(const struct mock_store *store, struct key from, struct item *ret_item);

void mock_copy(struct mock_store *to, const struct mock_store *from);	 /* the items; @to is initialised and kept */
bool mock_equal(const struct mock_store *a, const struct mock_store *b); /* the items */
void mock_dump(const struct mock_store *store, FILE *out);		 /* keys and values in hexadecimal */

/* A random number below @below, from store->dice. */
uint64_t mock_random(struct mock_store *store, uint64_t below);

/* The seed of a randomised test: LAMINA_SEED from the environment, or @otherwise.  Prints it. */
uint64_t mock_seed(uint64_t otherwise);

#endif
