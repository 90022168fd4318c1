/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_LOCK_WAIT_H
#define LAMINA_MDS_LOCK_WAIT_H

/*
 * Who was denied a lock and waits for it (READW_LT, WRITEW_LT): told by CB_NOTIFY_LOCK when it could be had (RFC
 * 8881, 20.11).  Only a hint: the client asks again by itself too, so these are bounded, forgotten after a while and
 * by a restart, and the lock is kept for nobody.
 */

#include "mds/fh.h"
#include "mds/lock.h"

#define LOCK_WAITS_MAX 4096u
#define LOCK_WAIT_NS   (120u * NSEC_PER_SEC)

/* @owner waits for the range.  Without memory it doesn't. */
void lock_wait_add(struct mds *mds, struct file *file, const struct fh *fh, const struct lock_owner *owner,
		   uint64_t first, uint64_t last, bool write);
/* It has got it, or no longer wants it. */
void lock_wait_cancel(struct mds *mds, struct file *file, const struct lock_owner *owner);
/* Something of @file became free: call those who could have their range now. */
void lock_wait_wake(struct mds *mds, struct file *file);
/* @file goes. */
void lock_wait_forget(struct mds *mds, struct file *file);

#endif
