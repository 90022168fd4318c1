/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: nobody writes to a volume that has a feature which he would break. */

#include "extent/feature.h"

#include <inttypes.h>

int feature_check(const struct features *f, uint32_t version, const char *what, struct why *why)
{
	uint64_t unknown = f->incompat & ~FEATURE_INCOMPAT_KNOWN;

	if (version != FORMAT_VERSION)
		return why_set(why, -EPROTONOSUPPORT,
			       "the %s has format version %u, this program knows version %u: use the program that "
			       "belongs to the volume",
			       what, version, FORMAT_VERSION);
	if (unknown)
		return why_set(why, -EOPNOTSUPP,
			       "the %s has features that this program does not know (incompatible, bits 0x%" PRIx64
			       "): use a newer program",
			       what, unknown);
	return 0;
}

bool feature_allows_writing(const struct features *f)
{
	return (f->ro_compat & ~FEATURE_RO_COMPAT_KNOWN) == 0;
}

bool feature_is_newer(const struct features *f)
{
	return ((f->compat & ~FEATURE_COMPAT_KNOWN) | (f->ro_compat & ~FEATURE_RO_COMPAT_KNOWN)) != 0;
}
