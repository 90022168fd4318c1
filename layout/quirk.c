/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of clients.  Promise: a client that is not known is taken for the most demanding one there is.
 */
#include "layout/quirk.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PAGE_SMALL   4096u
#define PAGE_LARGEST 65536u

/*
 * ext_tree_prepare_commit() of Linux before 6.17 encodes what fits in a page and forgets the rest: 4 bytes, then 44
 * for each extent of the block type, 16 for each range of the SCSI type (fs/nfs/blocklayout/extent_tree.c).
 */
#define LOST_FIXED_MAJOR 6u
#define LOST_FIXED_MINOR 17u
#define LOST_BLOCK	 93u
#define LOST_SCSI	 255u

/* Page sizes by machine: what "uname -m" says, which Linux puts at the end of its implementation id. */
static uint32_t page_of(const char *machine)
{
	static const char *const small[] = { "x86_64", "i686", "i586", "i386", "s390x", "riscv64", "armv7l" };

	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
		if (strcmp(machine, small[i]) == 0)
			return PAGE_SMALL;
	}
	return PAGE_LARGEST; /* aarch64, ppc64le: 4, 16 or 64 KiB, as the kernel was built */
}

/* "Linux RELEASE VERSION MACHINE", VERSION being several words (nfs4_xdr_enc_exchange_id). */
static struct quirk quirk_of_linux(const char *impl)
{
	struct quirk quirk = { .page_size = PAGE_LARGEST,
			       .commit_max_block = LOST_BLOCK,
			       .commit_max_scsi = LOST_SCSI,
			       .whole_file_recalls = true,
			       .keeps_returned = true,
			       .why = "Linux before 6.17: keeps extents after a recall of a range or a return, and "
				      "forgets what does not fit in one LAYOUTCOMMIT" };
	const char *machine = strrchr(impl, ' ');
	unsigned int major = 0, minor = 0;

	if (sscanf(impl, "Linux %5u.%5u", &major, &minor) != 2)
		return quirk;
	quirk.page_size = page_of(machine + 1);
	if (major > LOST_FIXED_MAJOR || (major == LOST_FIXED_MAJOR && minor >= LOST_FIXED_MINOR)) {
		quirk.commit_max_block = 0;
		quirk.commit_max_scsi = 0;
		quirk.why = "Linux: keeps extents after a recall of a range or a return";
	}
	return quirk;
}

struct quirk quirk_of(const char *impl)
{
	if (strncmp(impl, "Linux ", strlen("Linux ")) == 0)
		return quirk_of_linux(impl);
	if (strncasecmp(impl, "Lamina ", strlen("Lamina ")) == 0)
		return (struct quirk){ .page_size = PAGE_SMALL, .why = "Lamina's own" };
	return (struct quirk){ .page_size = PAGE_LARGEST,
			       .commit_max_block = LOST_BLOCK,
			       .commit_max_scsi = LOST_SCSI,
			       .whole_file_recalls = true,
			       .why = "not known: as the most demanding" };
}
