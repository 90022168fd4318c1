/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_REAPER_H
#define LAMINA_MDS_REAPER_H

/* Takes apart inodes without a name when nobody has them open any more (I8), one after the other in a fiber. */

#include "mds/mds.h"

/*
 * @ino has lost its last name, or its last open: if it has neither now, reap it.  Does not switch and never fails:
 * what the queue cannot hold is found by going through all orphans later.
 */
void reaper_consider(struct mds *mds, uint64_t ino);
/* Whether the reaper has begun with @ino: nobody may open it any more, though it may still be there. */
bool reaper_has(const struct mds *mds, uint64_t ino);
/* Start, after state_load(): what a crash left is found and taken apart.  -ENOMEM, -EAGAIN: no fiber. */
FIBER_FN int reaper_start(struct mds *mds) MUST_CHECK;
/* Until it has ended; what is left in the queue is found at the next start. */
FIBER_FN void reaper_stop(struct mds *mds);

#endif
