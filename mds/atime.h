/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_ATIME_H
#define LAMINA_MDS_ATIME_H

/* When a file was last read. */

#include "extent/inode.h"
#include "mds/compound.h"

/* Data of c->fh, which was as *@inode says, were read.  On an export or volume that cannot be changed: nothing. */
FIBER_FN void atime_note(struct compound *c, const struct inode *inode);

#endif
