/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_OP_DROP_H
#define LAMINA_MDS_OP_DROP_H

/* Operations that give up one state, named by a stateid: FREE_STATEID and DELEGRETURN. */

#include "mds/compound.h"
#include "mds/drop.h"

struct op_drop {
	struct compound *c;
	const struct stateid4 *stateid;
	nfsstat4 status; /* what the body found against it */
	struct drop drop;
};

/* A body's result for "status says it". */
#define OP_DROP_STATUS (-ECANCELED)

/*
 * Run @body with a struct op_drop of @arg, the stateid as it was sent: it finds the state, takes it into drop and
 * writes that.  @name is the transaction's.
 */
FIBER_FN nfsstat4 op_drop_run(struct compound *c, const struct stateid4 *arg, const char *name,
			      int (*drop_body)(struct txn *txn, void *arg)) MUST_CHECK;

#endif
