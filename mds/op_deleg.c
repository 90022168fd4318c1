/* SPDX-License-Identifier: Apache-2.0 */

/* DELEGRETURN and DELEGPURGE (RFC 8881, 18.6 and 18.5). */

#include <stdlib.h>

#include "mds/drop.h"
#include "mds/ops.h"
#include "mds/status.h"

#define OP_DELEG_STATUS (-ECANCELED)

struct op_delegreturn {
	struct compound *c;
	const struct stateid4 *stateid;
	nfsstat4 status;
	struct drop drop;
};

/* One that was revoked is not returned but freed (18.6.3). */
static int op_delegreturn_body(struct txn *txn, void *arg)
{
	struct op_delegreturn *w = arg;
	struct deleg *deleg;
	struct state *state;
	bool fits;

	drop_init(&w->drop, w->c->mds, NFS4_OK);
	w->status = state_find(w->c, w->stateid, STATE_DELEG, &state);
	if (w->status)
		return OP_DELEG_STATUS;
	deleg = container_of(state, struct deleg, state);
	if (w->c->fh.kind != FH_FILE || deleg->ino != w->c->fh.ino || deleg->generation != w->c->fh.generation) {
		w->status = NFS4ERR_BAD_STATEID;
		return OP_DELEG_STATUS;
	}
	fits = drop_deleg(&w->drop, deleg);
	assert(fits);
	return drop_write(txn, &w->drop);
}

FIBER_FN nfsstat4 op_delegreturn(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct txn_options opt = { .name = "delegreturn", .log_max = DROP_LOG, .frees_space = true };
	struct op_delegreturn *w;
	struct stateid4 stateid;
	nfsstat4 status;
	int err;

	status = compound_stateid(c, &arg->nfs_argop4_u.opdelegreturn.deleg_stateid, &stateid);
	if (status)
		return status;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NFS4ERR_DELAY;
	w->c = c;
	w->stateid = &stateid;
	err = compound_run(c, &opt, op_delegreturn_body, w);
	if (!err)
		drop_apply(&w->drop);
	status = err == OP_DELEG_STATUS ? w->status : nfs_status(err);
	free(w);
	return status;
}

FIBER_FN nfsstat4 op_delegpurge(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	/* Only for servers that know CLAIM_DELEGATE_PREV (18.5.3). */
	return NFS4ERR_NOTSUPP;
}
