/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_CHECK_RUN_H
#define LAMINA_EXTENT_CHECK_RUN_H

/*
 * Walk a whole mounted store and verify what can be verified at rest: every tree block against the reference to it,
 * its place and the bitmaps; that each block of the devices is free, in limbo, metadata, or owned as often as its
 * count of owners says (I10); that maps, names, link counts, parents and orphans agree; and the volume's counters.
 * Nothing is changed.  Memory is bounded: where the volume is larger than that allows, it is walked several times.
 */

#include "dev/base.h"

struct fs;

enum check_severity {
	CHECK_WARNING, /* harmless, or not looked at */
	CHECK_ERROR,   /* an invariant does not hold */
};

struct check_options {
	uint64_t memory; /* bytes, about; 0: 128 MiB */
	/* Each finding as one sentence without full stop; never switches. */
	void (*report)(void *arg, enum check_severity severity, const char *sentence);
	/* May be NULL; never switches.  @done grows to @total, both in no particular unit. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

struct check_result {
	uint64_t errors;
	uint64_t warnings;
	uint64_t items;
	uint64_t inodes;
	uint64_t tree_blocks;
	uint64_t free_blocks; /* 4 KiB, like the following */
	uint64_t limbo_blocks;
	uint64_t data_blocks;	  /* with an owner; shared ones counted once */
	uint64_t shared_blocks;	  /* of those with more than one owner */
	uint64_t reserved_blocks; /* of copy-on-write maps */
	uint64_t metadata_blocks;
};

/*
 * Check @fs, which nobody else may use meanwhile.  0: done, whatever was found is in *@ret_result; -ENOMEM, or -EIO
 * or -EUCLEAN: metadata cannot be read (reported, too), and the findings so far are in *@ret_result all the same.
 */
FIBER_FN int check_run(struct fs *fs, const struct check_options *opt, struct check_result *ret_result) MUST_CHECK;

#endif
