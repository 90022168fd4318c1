/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_REAPER_H
#define LAMINA_MDS_REAPER_H

/* Takes apart inodes without a name when nobody has them open any more (I8), one after the other in a fiber. */

#include "mds/mds.h"

/* @ino has lost its last name, or its last open: if it has neither now, reap it.  Never fails: a lost wish is found
 * at the next mount. */
void reaper_consider(struct mds *mds, uint64_t ino);
/* Start, after state_load(): what a crash left is found and taken apart. */
FIBER_FN int reaper_start(struct mds *mds) MUST_CHECK;
FIBER_FN void reaper_stop(struct mds *mds);

#endif
