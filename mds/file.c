/* SPDX-License-Identifier: Apache-2.0 */

/* Keeps the table of open files: one entry for each inode with at least one open or
 * delegation, none without. */

#include "mds/file.h"

#include <stdlib.h>

#include "mds/lock_wait.h"

struct file *file_find(const struct mds *mds, uint64_t ino)
{
	struct file *file;

	HASH_FIND(hh, mds->files, &ino, sizeof(ino), file);
	return file;
}

struct file *file_alloc(void)
{
	struct file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	list_init(&file->opens);
	list_init(&file->locks);
	list_init(&file->delegs);
	list_init(&file->layouts);
	list_init(&file->waits);
	return file;
}

struct file *file_get(struct mds *mds, uint64_t ino, uint64_t generation, struct file **spare)
{
	struct file *file = file_find(mds, ino);

	if (file) {
		/* An inode number never comes again. */
		assert(file->generation == generation);
		return file;
	}
	file = *spare;
	*spare = NULL;
	file->ino = ino;
	file->generation = generation;
	HASH_ADD(hh, mds->files, ino, sizeof(file->ino), file);
	return file;
}

static void file_consider(struct mds *mds, struct file *file)
{
	if (file->nr_opens > 0 || file->nr_delegs > 0 || file->nr_layouts > 0)
		return;
	assert(list_is_empty(&file->opens) && list_is_empty(&file->locks) && list_is_empty(&file->delegs) &&
	       list_is_empty(&file->layouts));
	lock_wait_forget(mds, file);
	HASH_DELETE(hh, mds->files, file);
	free(file);
}

void file_drop_open(struct mds *mds, struct file *file)
{
	assert(file->nr_opens > 0);
	file->nr_opens--;
	file_consider(mds, file);
}

void file_drop_deleg(struct mds *mds, struct file *file)
{
	assert(file->nr_delegs > 0);
	file->nr_delegs--;
	file_consider(mds, file);
}

void file_drop_layout(struct mds *mds, struct file *file)
{
	assert(file->nr_layouts > 0);
	file->nr_layouts--;
	file_consider(mds, file);
}
