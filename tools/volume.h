/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_VOLUME_H
#define LAMINA_TOOLS_VOLUME_H

/*
 * What subcommands that work on a volume's devices share: opening what the command line names, a reactor, and a fiber
 * to work in.
 */

#include "dev/blkdev.h"
#include "dev/blkfile.h"
#include "extent/format.h"

struct volume {
	struct reactor *r;
	struct blkdev *devs[VOLUME_DEVICES_MAX]; /* in the order of the command line */
	unsigned int nr;
};

/*
 * Open @paths with @flags (BLKFILE_...), run @fn(@v, @arg) in a fiber, close everything, and return what @fn
 * returned: an exit code.  What cannot be opened is explained on standard error, @fn is not called, and @failed is
 * returned.
 */
int volume_run(const char *command, char *const *paths, unsigned int nr, unsigned int flags, int failed,
	       int (*fn)(struct volume *v, void *arg), void *arg) MUST_CHECK;

/*
 * Read a size in bytes: a number with an optional K, M, G or T (powers of 1024; "KiB" and so on too).  -EINVAL if it
 * is none, -ERANGE if it is more than 2^62.
 */
int size_parse(const char *text, uint64_t *ret_bytes) MUST_CHECK;
/* As "1.5 GiB" into @buf; returns @buf. */
#define SIZE_TEXT_MAX 32
const char *size_text(uint64_t bytes, char buf[SIZE_TEXT_MAX]);

#endif
