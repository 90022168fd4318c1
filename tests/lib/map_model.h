/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_MAP_MODEL_H
#define LAMINA_TESTS_LIB_MAP_MODEL_H

/*
 * A model of file maps: what every block of every file reads as, and through which blocks of the devices.  A device
 * block holds a version, a number that clients choose anew with each write; so a clone must keep its version whatever
 * happens to the original, and a conversion must bring the one that was written.
 *
 * An operation is drawn, and run in a body (map_op_run); it does the real thing first, reads what has become of the
 * map, and compares with what the model says.  map_op_commit(), the body's last act, makes it the model's new state.
 * So restarts and injected trouble leave the model alone.  Whatever differs ends the test with a message.
 */

#include "extent/map.h"
#include "tests/lib/dice.h"

#define MAP_SPOTS     64 /* blocks of a file that we use: 32 at its start, 32 around the border of two pieces */
#define MAP_SPOTS_FAR (4096 - 16)
#define MAP_FILES_MAX 12
#define MAP_DEVS_MAX  4
#define MAP_TAGS      2

enum map_kind {
	MAP_ALLOC,
	MAP_CONVERT,
	MAP_PUNCH,
	MAP_TRUNCATE,
	MAP_UNRESERVE,
	MAP_COW_CANCEL,
	MAP_CLONE,
	MAP_RELEASE, /* of limbo; no file */
	MAP_KINDS
};

struct map_spot {
	enum map_state state;
	uint64_t daddr;
	uint64_t version; /* what a written one reads as */
	bool shared;	  /* as the map said last */
	bool cow;
	uint64_t cow_daddr;
};

struct map_file {
	uint64_t blocks;
	struct map_spot spots[MAP_SPOTS];
};

struct map_place {
	uint64_t content; /* version */
	uint32_t owners;  /* in all maps */
};

struct map_model {
	unsigned int nr_devs;
	unsigned int nr_used; /* of them the store has so many by now */
	uint64_t dev_end[MAP_DEVS_MAX];
	struct map_place *places[MAP_DEVS_MAX];
	uint64_t version;
	unsigned int nr_files;
	uint64_t ino[MAP_FILES_MAX];
	struct map_file files[MAP_FILES_MAX];
	uint64_t limbo[MAP_TAGS]; /* blocks */
	uint64_t owned;		  /* places with owners */
};

struct map_op {
	enum map_kind kind;
	unsigned int file, src;
	uint64_t blk, src_blk, nr, tag;
	struct map_want want;
	unsigned int max;
	/* What the last run found */
	uint64_t stop;
	bool more;
	uint64_t limbo_left;
	struct map_file after;
};

/* Devices of @dev_end[0..nr_devs) blocks. */
void map_model_init(struct map_model *m, unsigned int nr_devs, const uint64_t *dev_end, unsigned int nr_files);
void map_model_release(struct map_model *m);
/* @file is like this now. */
void map_model_set(struct map_model *m, unsigned int file, const struct map_file *state);
uint64_t map_model_cow_blocks(const struct map_model *m);
struct map_place *map_place(const struct map_model *m, uint64_t daddr);
uint64_t map_spot_blk(unsigned int spot);

void map_op_draw(const struct map_model *m, struct dice *dice, struct map_op *op);
/* For txn_options.log_max, of one step. */
size_t map_op_log(const struct map_op *op);
/*
 * The client writes the range of @op where the map of its file lets it, before it commits; what is written already
 * only with @in_place.
 */
void map_op_client_writes(struct map_model *m, const struct map_op *op, bool in_place);
/*
 * In a body: do @op to the real map, whose inode is @inode.  Returns an error that the model expects, or trouble of
 * the store: -ERESTART, -EIO, -ENOMEM, -EROFS, -ENOSPC, -E2BIG.
 */
int map_op_run(struct txn *txn, const struct map_model *m, struct map_op *op, struct inode *inode) MUST_CHECK;
/* The part of that which is the real thing, and nothing else; any error. */
int map_op_bare(struct txn *txn, const struct map_model *m, struct map_op *op, struct inode *inode) MUST_CHECK;
/* The part after the real thing: see what has become of the file, and whether it is right. */
int map_op_follow(struct txn *txn, const struct map_model *m, struct map_op *op) MUST_CHECK;
void map_op_commit(struct map_model *m, const struct map_op *op);
/* Free blocks that an allocation may take at most. */
uint64_t map_op_need(const struct map_model *m, const struct map_op *op);

/* In bodies: compare everything. */
struct map_check {
	const struct map_model *m;
	unsigned int file;
};
int map_check_file_body(struct txn *txn, void *arg);
int map_check_limbo_body(struct txn *txn, void *arg);

#endif
