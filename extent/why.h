/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_WHY_H
#define LAMINA_EXTENT_WHY_H

/* A sentence for the user beside an error number: what is wrong, and what to do about it. */

#include "dev/base.h"

struct why {
	char text[512];
};

/* Say it, and return @err: so a check is one return statement.  @why may be NULL. */
int why_set(struct why *why, int err, const char *fmt, ...) PRINTF_FMT(3, 4);

#endif
