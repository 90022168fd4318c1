/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_DATA_HOLDER_H
#define LAMINA_TESTS_DATA_HOLDER_H

/*
 * Holders of layouts for writing, without a protocol: they get ranges of files, write to the devices where the blocks
 * were when they got them, commit and give back, as LAYOUTGET, LAYOUTCOMMIT and LAYOUTRETURN do it with
 * extent/data.h.  What changes files through the server asks data_asker's guard.  Tests may put holders for reading
 * among them.
 */

#include "tests/lib/data_file.h"

#define DATA_HOLDINGS_MAX 64
#define DATA_HOLDING_BLKS 32

struct data_holding {
	uint64_t ino;
	uint64_t first, end;
	unsigned int owner;
	bool reads;			   /* and does not write */
	uint64_t daddr[DATA_HOLDING_BLKS]; /* where its holder writes */
};

struct data_holders {
	struct data_holding v[DATA_HOLDINGS_MAX];
	unsigned int nr;
};

/* One who asks: a holder, or, with owner 0, somebody who never is one. */
struct data_asker {
	struct data_guard guard;
	struct data_holders *all;
	unsigned int owner;
	bool zero; /* what it gets is made zeros first */
	/* What was asked last, and how often, and how often it was refused */
	uint64_t first, end;
	enum data_touch touch;
	unsigned int asked, refused;
};

void data_asker_init(struct data_asker *asker, struct data_holders *all, unsigned int owner);
/* Whether @owner (0: anybody) has for writing all blocks (@all), or one of them, in [@first, @end). */
bool data_holders_have(const struct data_holders *all, unsigned int owner, uint64_t ino, uint64_t first, uint64_t end,
		       bool every);

/* -EBUSY: another has a part of it; -ENOSPC and errors of the volume.  At most DATA_HOLDING_BLKS blocks. */
FIBER_FN int data_holder_get(struct data_asker *asker, struct data_file *f, uint64_t first, uint64_t end) MUST_CHECK;
/* Whole blocks, which it has; volatile. */
FIBER_FN int data_holder_write(struct data_asker *asker, struct data_file *f, uint64_t blk, uint64_t nr,
			       const void *buf) MUST_CHECK;
/* Flush and commit; errors of data_commit_layout(), or -EFBIG if the file has become larger than @max meanwhile. */
FIBER_FN int data_holder_commit(struct data_asker *asker, struct data_file *f, uint64_t blk, uint64_t nr,
				bool has_size, uint64_t size, uint64_t max, uint64_t *ret_seq) MUST_CHECK;
/* All that it has of the file; what is reserved and not committed goes. */
FIBER_FN int data_holder_return(struct data_asker *asker, struct data_file *f) MUST_CHECK;

#endif
