/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_STORE_H
#define LAMINA_TESTS_STORE_H

/*
 * A volume on simulated disks in a simulated reactor: what most tests of the mounted store begin with.  Small by
 * default, so that checkpoints, ring wraps, evictions and full metadata happen in short tests.
 */

#include "extent/fs.h"
#include "extent/txn.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_reactor.h"

#define STORE_DISKS_MAX 4

struct store_config {
	uint64_t seed;
	unsigned int nr_disks;		 /* of the volume; 0: 1 */
	unsigned int nr_spare;		 /* behind them: not in the volume until store_grow() */
	uint64_t disk_size;		 /* bytes; 0: 64 MiB */
	uint32_t logical_sector;	 /* bytes; 0: 512 */
	bool no_write_zeroes;		 /* the disks cannot do that */
	bool overlap;			 /* requests of blocks that others write are no mistake */
	bool no_fua;			 /* the disks say that a durable write is a write and a flush */
	struct fs_format_options format; /* zeros: 1 MiB journal, 1 MiB chunks */
	struct fs_mount_options mount;	 /* zeros: 2 MiB cache */
	struct sim_disk_rates rates;
};

struct store {
	struct store_config cfg;
	struct reactor *r;
	struct sim_disk *disks[STORE_DISKS_MAX];
	struct blkdev *devs[STORE_DISKS_MAX];
	struct fs *fs; /* NULL: not mounted */
	struct why why;
};

/* Disks and reactor; nothing formatted.  Aborts on failure, as do all of these unless they return an error. */
void store_init(struct store *s, const struct store_config *cfg);
void store_release(struct store *s);

/* Run @fn(@arg) in a fiber of the store's reactor until it returns. */
void store_run(struct store *s, void (*fn)(struct store *s, void *arg), void *arg);

/* In a fiber: */
FIBER_FN void store_format(struct store *s);
FIBER_FN int store_mount(struct store *s) MUST_CHECK;
FIBER_FN void store_unmount(struct store *s);
/* Add the first spare disk: then it is one of cfg.nr_disks.  Errors of fs_grow(). */
FIBER_FN int store_grow(struct store *s) MUST_CHECK;
/* A spare disk was added in another way than by store_grow(). */
void store_grown(struct store *s);
/* Mount as after a crash in the middle of store_grow(): with the first spare disk, if the volume has it. */
FIBER_FN int store_mount_grown(struct store *s) MUST_CHECK;
/* Drop the mounted store, cut the power with @seed deciding what survives, and open what is left. */
FIBER_FN void store_power_cut(struct store *s, uint64_t seed);

/* The seed of a randomised test: LAMINA_SEED if set, else @fallback; it is printed for failures. */
uint64_t store_seed(uint64_t fallback);

#endif
