/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: the state is gone from the items and from memory together, or neither. */

#include "mds/op_drop.h"

#include <stdlib.h>

#include "mds/layout_recall.h"
#include "mds/status.h"

#define OP_DROP_LOG (DROP_LOG + LAYOUT_LOG_RELEASE(GRANTS_MAX))

FIBER_FN nfsstat4 op_drop_run(struct compound *c, const struct stateid4 *arg, const char *name,
			      int (*drop_body)(struct txn *txn, void *arg))
{
	struct txn_options opt = { .name = name, .log_max = OP_DROP_LOG, .frees_space = true };
	struct stateid4 stateid;
	struct op_drop *w;
	nfsstat4 status;
	int err;

	status = compound_stateid(c, arg, &stateid);
	if (status)
		return status;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NFS4ERR_DELAY;
	w->c = c;
	w->stateid = &stateid;
	err = compound_run(c, &opt, drop_body, w);
	if (!err)
		drop_apply(&w->drop);
	status = err == OP_DROP_STATUS ? w->status : nfs_status(err);
	free(w);
	return status;
}
