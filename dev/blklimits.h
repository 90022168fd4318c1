/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_BLKLIMITS_H
#define LAMINA_DEV_BLKLIMITS_H

/*
 * What a block device or plain file is and can do, found out before anything is done with it.
 */

#include "dev/base.h"

/* What is known of a device before anything is done with it. */
struct blklimits {
	uint64_t size; /* bytes, a multiple of the logical sector */
	uint32_t logical_sector;
	uint32_t physical_sector;
	bool is_block; /* a block device, not a plain file */
	bool is_partition;
	bool direct; /* O_DIRECT works */
	bool read_only;
	bool volatile_cache;
	bool fua;
	bool can_discard;
	bool can_write_zeroes;
};

/* Find out about the open file @fd, which is not changed.  Errors as blkfile_open(). */
int blklimits_get(int fd, struct blklimits *ret_limits) MUST_CHECK;

/* Write into @buf what @err of blkfile_open(@path) means and what can be done about it. Blocks shortly. */
void blklimits_explain(const char *path, int err, char *buf, size_t len);

#endif
