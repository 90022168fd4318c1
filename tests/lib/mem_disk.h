/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_MEM_DISK_H
#define LAMINA_TESTS_LIB_MEM_DISK_H

/*
 * A block device that is nothing but the caller's memory, for fuzzers and measurements that need speed and no faults:
 * each request is done in the next round of the reactor's loop.  tests/sim has the disk with faults.
 */

#include "dev/blkdev.h"

struct mem_disk {
	struct blkdev dev;
	uint8_t *bytes;
	uint64_t nr_writes;
};

/* @size bytes at @bytes, a multiple of 512; they stay the caller's.  The disk needs no end. */
void mem_disk_init(struct mem_disk *d, struct reactor *r, uint8_t *bytes, uint64_t size);

#endif
