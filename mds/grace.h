/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_GRACE_H
#define LAMINA_MDS_GRACE_H

/*
 * The grace period (RFC 8881, 8.4.2), which exists only after a start that discarded the state: clients of before may
 * reclaim opens and locks, nobody else gets any.  It ends when all have said RECLAIM_COMPLETE, or with its time.
 */

#include "mds/mds.h"

/* Begins it if there is a client that may reclaim. */
void grace_start(struct mds *mds);
/*
 * Somebody has just reclaimed something, or come to do so: it lasts for another lease at least, so that many clients
 * have the time they need, but no longer than ten times config's grace time.
 */
void grace_extend(struct mds *mds);
/* Ends it if there is nobody left to wait for, or its time is over. */
void grace_consider(struct mds *mds);
/* The owner of before with whom it is over and who never came back; NULL: none.  The caller removes it. */
struct client *grace_leftover(const struct mds *mds);

#endif
