/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_FEATURE_H
#define LAMINA_EXTENT_FEATURE_H

/*
 * Format version and feature bits, as label and superblock carry them.  A bit that we don't know in incompat forbids
 * everything, in ro_compat writing, in compat nothing.
 */

#include "extent/format.h"
#include "extent/why.h"

struct features {
	uint64_t compat;
	uint64_t ro_compat;
	uint64_t incompat;
};

/*
 * Whether we can read a structure of this @version with these features; @what names it ("label").
 * -EPROTONOSUPPORT: another format version.  -EOPNOTSUPP: an incompatible feature that we don't know.
 */
int feature_check(const struct features *f, uint32_t version, const char *what, struct why *why) MUST_CHECK;
/* Whether we may also write the volume. */
bool feature_allows_writing(const struct features *f);
/* Whether bytes that we call reserved may have got a meaning that we don't know. */
bool feature_is_newer(const struct features *f);

#endif
