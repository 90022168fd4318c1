/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_DEVICE_REPORT_H
#define LAMINA_TOOLS_DEVICE_REPORT_H

/*
 * Everything that can be found out about one device without changing it, and what follows from it.
 */

#include "dev/blklimits.h"
#include "dev/identity.h"
#include "dev/probe.h"

struct device_report {
	char path[256];
	int err; /* of looking at it; then only @message means something */
	char message[512];
	struct blklimits limits;
	struct identity identity;
	bool in_use;
	char in_use_by[512]; /* a sentence with the remedy */
	int probe_err;	     /* what is on it could not be found out */
	struct probe_result content;
	bool scsi_layouts;	/* it can serve them */
	const char *why_not;	/* a reason; NULL: none */
	const char *what_to_do; /* the remedy, or advice; NULL: none */
};

/* Look at @path.  Blocks, for seconds where a device does not answer. */
void device_report_make(const char *path, struct device_report *ret_report);

/* Fill scsi_layouts, why_not and what_to_do from limits and identity. */
void device_report_judge(struct device_report *report);

/* How a Lamina volume is recognised. */
extern const struct probe_own label_probe;

#endif
