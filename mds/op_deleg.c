/* SPDX-License-Identifier: Apache-2.0 */

/* DELEGRETURN and DELEGPURGE (RFC 8881, 18.6 and 18.5). */

#include "mds/op_drop.h"
#include "mds/ops.h"

/* One that was revoked is not returned but freed (18.6.3). */
static int op_delegreturn_body(struct txn *txn, void *arg)
{
	struct op_drop *w = arg;
	struct deleg *deleg;
	struct state *state;
	bool fits;

	drop_init(&w->drop, w->c->mds, NFS4_OK);
	w->status = state_find(w->c, w->stateid, STATE_DELEG, &state);
	if (w->status)
		return OP_DROP_STATUS;
	deleg = container_of(state, struct deleg, state);
	if (w->c->fh.kind != FH_FILE || deleg->ino != w->c->fh.ino || deleg->generation != w->c->fh.generation) {
		w->status = NFS4ERR_BAD_STATEID;
		return OP_DROP_STATUS;
	}
	fits = drop_deleg(&w->drop, deleg);
	assert(fits);
	return drop_write(txn, &w->drop);
}

FIBER_FN nfsstat4 op_delegreturn(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	return op_drop_run(c, &arg->nfs_argop4_u.opdelegreturn.deleg_stateid, "delegreturn", op_delegreturn_body);
}

FIBER_FN nfsstat4 op_delegpurge(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	/* Only for servers that know CLAIM_DELEGATE_PREV (18.5.3). */
	return NFS4ERR_NOTSUPP;
}
