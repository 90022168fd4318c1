/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_PROBE_H
#define LAMINA_DEV_PROBE_H

/*
 * What is on a device already: so that nobody formats another's data by mistake.
 */

#include "dev/base.h"

#define PROBE_TEXT_MAX 256

/* How our own volumes are recognised; the folder that knows their format passes it in. */
struct probe_own {
	const char *what;   /* "Lamina volume" */
	uint64_t magic;	    /* little-endian, at @magic_off of a label */
	uint32_t magic_off; /* bytes; labels are at offset 0 and in the last whole block of @label_size */
	uint32_t label_size;
	uint32_t name_off; /* of a name of @name_len bytes, padded with zeros; @name_len 0: there is none */
	uint32_t name_len;
	uint32_t uuid_off; /* of 16 bytes; 0: there is none */
};

struct probe_result {
	bool found;
	bool is_own;		   /* one of ours is among it */
	char text[PROBE_TEXT_MAX]; /* "ext4 file system, label x, uuid y"; several are joined by "; " */
};

/*
 * Look for file systems, swap, RAID and LVM members, encrypted containers and partition tables on the block device or
 * file @fd, opened for reading without O_DIRECT, and for our own volumes as @own says (NULL: not).  Blocks: not on
 * the reactor's thread where that matters.  An error means that it could not be found out: then nothing may be
 * overwritten.
 */
int probe_fd(int fd, const struct probe_own *own, struct probe_result *ret_result) MUST_CHECK;
int probe_path(const char *path, const struct probe_own *own, struct probe_result *ret_result) MUST_CHECK;
/*
 * What probe_fd() finds of others on @fd, opened for writing too, is not found any more, by anybody; our own labels
 * stay.  Durable.  After an error some of it may be left.
 */
int probe_wipe(int fd) MUST_CHECK;
int probe_wipe_path(const char *path) MUST_CHECK;

#endif
