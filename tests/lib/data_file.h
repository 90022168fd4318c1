/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_DATA_FILE_H
#define LAMINA_TESTS_DATA_FILE_H

/*
 * Files with contents, for tests: on disks that are full of a pattern at first, which no read may ever give.  What is
 * not said to return an error ends the test on one.
 */

#include "extent/data.h"
#include "tests/lib/store.h"

#define DATA_FILE_STRANGER 0xe7 /* a byte of the pattern */

struct data_file {
	struct store *store;
	uint64_t ino;
	uint64_t generation;
};

/*
 * Run @fn on a formatted and mounted store with disks full of strangers' bytes; afterwards check the volume, which
 * @fn left mounted and in peace, and unmount it.
 */
void data_file_run(const struct store_config *cfg, void (*fn)(struct store *s, void *arg), void *arg);

/* The store's disks as they come from a stranger; before the format. */
void data_file_soil(struct store *s);
/* check_run() finds nothing. */
FIBER_FN void data_file_check_volume(struct store *s);

/* A new file in the root directory. */
FIBER_FN struct data_file data_file_new(struct store *s, const char *name);
FIBER_FN void data_file_unlink(struct store *s, const char *name);
FIBER_FN uint64_t data_file_generation(struct store *s, uint64_t ino);
FIBER_FN struct inode data_file_inode(struct data_file *f);
FIBER_FN uint64_t data_file_size(struct data_file *f);

FIBER_FN void data_file_write(struct data_file *f, uint64_t off, const void *buf, uint32_t len, enum data_sync sync);
/* How many bytes it gave; a stranger's byte ends the test. */
FIBER_FN uint32_t data_file_read(struct data_file *f, uint64_t off, void *buf, uint32_t len);
FIBER_FN void data_file_truncate(struct data_file *f, uint64_t size);
/* Everything is durable. */
FIBER_FN void data_file_sync(struct data_file *f);

bool data_file_is_zero(const void *buf, size_t len);

#endif
