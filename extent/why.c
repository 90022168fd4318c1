/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: the text is always terminated; one that is too long ends where the room ends. */

#include "extent/why.h"

#include <stdarg.h>
#include <stdio.h>

int why_set(struct why *why, int err, const char *fmt, ...)
{
	va_list args;

	if (!why)
		return err;
	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
	return err;
}
