/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_MAP_LIFE_H
#define LAMINA_TESTS_LIB_MAP_LIFE_H

/*
 * The life of files with maps (tests/lib/map_model.h) in a store, through mounts and crashes: they are made, mapped,
 * written, cloned, shrunk, trimmed, unlinked, and taken apart.  After a crash the tally says which operations are
 * there, and every file must be as the last of these left it.
 */

#include "tests/lib/map_model.h"
#include "tests/lib/tally.h"

#define MAP_LIFE_OPS 4096 /* changes between two mounts, at most */

/* A file as one operation left it, and limbo with it. */
struct map_life_state {
	unsigned int slot;
	struct map_file file;
	struct inode inode; /* ino 0: there is none */
	uint64_t limbo[MAP_TAGS];
};

struct map_life {
	struct tally tally;
	struct dice dice;
	struct map_model model;
	struct inode inodes[MAP_FILES_MAX];
	uint64_t last_nr[MAP_FILES_MAX];	    /* operation that changed it last */
	struct map_life_state *last[MAP_FILES_MAX]; /* what that left, in base or log */
	struct map_life_state base[MAP_FILES_MAX];  /* at the last mount */
	struct map_life_state *log;		    /* since */
	uint64_t last_seq;
	uint64_t max_ino, base_ino; /* given so far; at the last mount */
	uint64_t eaten;		    /* blocks that map_life_eat() has put into limbo for ever */
	uint64_t refused, nospace;
};

/* @store is mounted, newly formatted. */
FIBER_FN struct map_life *map_life_new(struct store *store, struct dice dice);
void map_life_free(struct map_life *life);
/* Take space away until @leave blocks are free; from then on allocations may find none, and everything else goes on.
 */
FIBER_FN void map_life_eat(struct map_life *life, uint64_t leave);
/* As tree_life_step(). */
FIBER_FN int map_life_step(struct map_life *life, uint64_t wait_odds) MUST_CHECK;
/* The store has been mounted again, with @crash after something that may have cost what was not promised. */
FIBER_FN void map_life_mounted(struct map_life *life, bool crash);
/* Compare all. */
FIBER_FN void map_life_check(struct map_life *life);

#endif
