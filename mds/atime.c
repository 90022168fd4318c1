// SPDX-License-Identifier: Apache-2.0
/*
 * The time of the last access is kept as most systems do it by default (relatime): a read that returns data sets it
 * if it is not later than the last change, or more than a day old.  So it tells whether a file was read since it was
 * written, and a file that is read all the time costs one small transaction a day.  Nobody waits until that is
 * durable, and neither ctime nor the change attribute tell of it.
 */

#include "mds/atime.h"

#include "dev/log.h"
#include "mds/mds.h"

#define ATIME_AGE_SEC (24 * 3600)

static bool time_before(const struct inode_time *a, const struct inode_time *b)
{
	return a->sec != b->sec ? a->sec < b->sec : a->nsec < b->nsec;
}

/* A change whose time lies in the future would make it old after every read. */
static bool read_since(const struct inode *inode, const struct inode_time *change, const struct inode_time *now)
{
	return time_before(change, &inode->atime) || time_before(now, change);
}

static bool atime_is_old(const struct inode *inode, const struct inode_time *now)
{
	return !read_since(inode, &inode->mtime, now) || !read_since(inode, &inode->ctime, now) ||
	       now->sec - inode->atime.sec >= ATIME_AGE_SEC;
}

static int atime_body(struct txn *txn, void *arg)
{
	const struct fh *fh = arg;
	struct inode_time now = inode_time_now(txn);
	struct inode inode;
	int err = inode_get_gen(txn, fh->ino, fh->generation, &inode);

	if (err || !atime_is_old(&inode, &now))
		return err;
	inode.atime = now;
	return inode_put(txn, &inode);
}

FIBER_FN void atime_note(struct compound *c, const struct inode *inode)
{
	static const struct txn_options opt = { .name = "atime", .log_max = INODE_LOG_PUT };
	struct inode_time now = inode_time_of(reactor_wall_ns(c->mds->reactor));
	int err;

	if (!atime_is_old(inode, &now) || compound_may_change(c, &c->fh) != NFS4_OK)
		return;
	/* A read succeeds also where this does not: no space for metadata, or the file is gone. */
	err = txn_run(c->mds->fs, &opt, atime_body, &c->fh, NULL);
	if (err && err != -ENOSPC && err != -EROFS && err != -ESTALE)
		log_debug("access time of inode %llu: error %d", (unsigned long long)c->fh.ino, -err);
}
