/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_FILE_H
#define LAMINA_MDS_FILE_H

/* Files that somebody has open, delegated or a layout of: in memory only, while there is one such. */

#include "dev/list.h"
#include "mds/mds.h"
#include "mds/table.h"

struct file {
	uint64_t ino;
	uint64_t generation;
	UT_hash_handle hh;			      /* mds.files */
	struct list opens;			      /* struct open.by_file */
	struct list locks;			      /* struct lock.by_file, by first byte */
	struct list delegs;			      /* struct deleg.by_file */
	struct list layouts;			      /* struct layout.by_file */
	struct list waits;			      /* struct lock_wait.by_file */
	unsigned int nr_opens, nr_delegs, nr_layouts; /* it goes with the last one */
	unsigned int nr_locks;
	/* Opens with OPEN4_SHARE_ACCESS_READ and _WRITE, and with OPEN4_SHARE_DENY_READ and _WRITE. */
	unsigned int nr_access[2], nr_deny[2];
	bool no_ahead; /* layouts are what is asked for: somebody wanted what another one had been given besides */
};

struct file *file_find(const struct mds *mds, uint64_t ino);
/* Memory for a file that may be needed; NULL: none. */
struct file *file_alloc(void);
/* The file @ino in the table: it is there, or becomes *@spare (then *@spare is NULL afterwards). */
struct file *file_get(struct mds *mds, uint64_t ino, uint64_t generation, struct file **spare);
/* An open, a delegation or a layout is gone; with the last one the file is freed. */
void file_drop_open(struct mds *mds, struct file *file);
void file_drop_deleg(struct mds *mds, struct file *file);
void file_drop_layout(struct mds *mds, struct file *file);

#endif
