/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_LAYOUT_QUIRK_H
#define LAMINA_LAYOUT_QUIRK_H

/*
 * What a client can take (decision 9): one table of what is known of clients by the implementation id that they send
 * (RFC 8881, 3.3.21), each row with its source.  docs/clients.md shows the table.
 */

#include "dev/base.h"

struct quirk {
	uint32_t page_size; /* bytes: extents are multiples of it in file and on the device */
	/* Runs of blocks that it can say in one LAYOUTCOMMIT; more it loses.  0: any number. */
	uint32_t commit_max_block, commit_max_scsi;
	bool whole_file_recalls; /* keeps stale extents after a recall of a range */
	/* Keeps them too after a return, unless that was of all it has and nothing else is going on with the file. */
	bool keeps_returned;
	const char *why; /* of the row, for people */
};

/* @impl: as struct client keeps it, "" if it sent none. */
struct quirk quirk_of(const char *impl) MUST_CHECK;

#endif
