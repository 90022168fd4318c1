/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_DEMO_NFS_H
#define LAMINA_TOOLS_DEMO_NFS_H

/* lamina demo nfs: clients at work over NFS while their server is killed, again and again. */

#include "dev/base.h"

struct demo_nfs_options {
	const char *file; /* the volume's image, made for this */
	uint64_t size;	  /* bytes */
	unsigned int kills;
	double seconds; /* between them */
	bool keep;
};

/* 0: every request was answered as if nothing had been, and everything acknowledged is there; else it has been said.
 */
int demo_nfs_run(const struct demo_nfs_options *opt) MUST_CHECK;

#endif
