/* SPDX-License-Identifier: Apache-2.0 */

/* CLOSE and OPEN_DOWNGRADE (RFC 8881, 18.2 and 18.18). */

#include <stdlib.h>

#include "mds/drop.h"
#include "mds/layout.h"
#include "mds/ops.h"
#include "mds/status.h"

#define OP_CLOSE_STATUS (-ECANCELED)
#define OP_CLOSE_MORE	(-EINPROGRESS)

/* The open of @stateid, of the current file handle. */
static nfsstat4 op_close_find(const struct compound *c, const struct stateid4 *stateid, struct open **ret_open)
{
	struct state *state;
	struct open *open;
	nfsstat4 status;

	status = state_find(c, stateid, STATE_OPEN, &state);
	if (status)
		return status;
	open = container_of(state, struct open, state);
	if (c->fh.kind != FH_FILE || open->ino != c->fh.ino || open->generation != c->fh.generation)
		return NFS4ERR_BAD_STATEID;
	*ret_open = open;
	return NFS4_OK;
}

struct op_close {
	struct compound *c;
	const struct stateid4 *stateid;
	struct stateid4 *ret_stateid;
	nfsstat4 status;
	struct drop drop;
};

/* Closing gives locks up, as with POSIX (18.2.3 leaves the choice). */
static int op_close_body(struct txn *txn, void *arg)
{
	struct op_close *w = arg;
	struct open *open = NULL;

	drop_init(&w->drop, w->c->mds, NFS4_OK);
	w->status = op_close_find(w->c, w->stateid, &open);
	if (w->status)
		return OP_CLOSE_STATUS;
	if (!drop_open(&w->drop, open))
		return OP_CLOSE_MORE;
	*w->ret_stateid = state_invalid_stateid;
	compound_set_stateid(w->c, w->ret_stateid);
	return drop_write(txn, &w->drop);
}

/* A step before the last: some of the locks. */
static int op_close_some_body(struct txn *txn, void *arg)
{
	struct op_close *w = arg;
	struct open *open = NULL;

	drop_init(&w->drop, w->c->mds, NFS4_OK);
	w->status = op_close_find(w->c, w->stateid, &open);
	if (w->status)
		return OP_CLOSE_STATUS;
	if (drop_open(&w->drop, open))
		/* There are fewer now: it fits the last step. */
		drop_init(&w->drop, w->c->mds, NFS4_OK);
	return drop_write(txn, &w->drop);
}

FIBER_FN static int op_close_do(struct op_close *w)
{
	struct txn_options opt = { .name = "close", .log_max = DROP_LOG, .frees_space = true };
	int err;

	while ((err = compound_run(w->c, &opt, op_close_body, w)) == OP_CLOSE_MORE) {
		err = txn_run(w->c->mds->fs, &opt, op_close_some_body, w, NULL);
		if (err)
			return err;
		drop_apply(&w->drop);
	}
	if (!err)
		drop_apply(&w->drop);
	return err;
}

FIBER_FN nfsstat4 op_close(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	uint64_t ino = c->fh.ino;
	struct stateid4 stateid;
	struct op_close *w;
	nfsstat4 status;
	int err;

	status = compound_stateid(c, &arg->nfs_argop4_u.opclose.open_stateid, &stateid);
	if (status)
		return status;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NFS4ERR_DELAY;
	w->c = c;
	w->stateid = &stateid;
	w->ret_stateid = &res->nfs_resop4_u.opclose.CLOSE4res_u.open_stateid;
	err = op_close_do(w);
	status = err == OP_CLOSE_STATUS ? w->status : nfs_status(err);
	if (!status)
		layout_closed(c->mds, c->client, ino);
	free(w);
	return status;
}

struct op_downgrade {
	struct compound *c;
	const struct stateid4 *stateid;
	uint8_t access, deny;
	OPEN_DOWNGRADE4resok *ok;
	nfsstat4 status;
	struct open *open;
	struct open_share share;
	uint32_t seqid;
};

static int op_downgrade_body(struct txn *txn, void *arg)
{
	struct op_downgrade *w = arg;
	int err;

	w->status = op_close_find(w->c, w->stateid, &w->open);
	if (!w->status && !open_share_downgrade(&w->open->share, w->access, w->deny, &w->share))
		w->status = NFS4ERR_INVAL;
	if (w->status)
		return OP_CLOSE_STATUS;
	w->seqid = state_next_seqid(w->open->state.seqid);
	err = open_write(txn, w->open, w->open->state.number, w->seqid, &w->share, NFS4_OK);
	if (err)
		return err;
	state_stateid(w->c->mds, STATE_OPEN, w->open->state.number, w->seqid, &w->ok->open_stateid);
	compound_set_stateid(w->c, &w->ok->open_stateid);
	return 0;
}

FIBER_FN nfsstat4 op_open_downgrade(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const OPEN_DOWNGRADE4args *args = &arg->nfs_argop4_u.opopen_downgrade;
	struct txn_options opt = { .name = "open downgrade", .log_max = OPEN_LOG_PUT };
	uint32_t wants = OPEN4_SHARE_ACCESS_WANT_DELEG_MASK | OPEN4_SHARE_ACCESS_WANT_SIGNAL_DELEG_WHEN_RESRC_AVAIL |
			 OPEN4_SHARE_ACCESS_WANT_PUSH_DELEG_WHEN_UNCONTENDED;
	uint32_t access = args->share_access & ~wants;
	struct op_downgrade w = {
		.c = c,
		.ok = &res->nfs_resop4_u.opopen_downgrade.OPEN_DOWNGRADE4res_u.resok4,
	};
	struct stateid4 stateid;
	nfsstat4 status;
	int err;

	if (access == 0 || access > OPEN4_SHARE_ACCESS_BOTH || args->share_deny > OPEN4_SHARE_DENY_BOTH)
		return NFS4ERR_INVAL;
	status = compound_stateid(c, &args->open_stateid, &stateid);
	if (status)
		return status;
	w.stateid = &stateid;
	w.access = (uint8_t)access;
	w.deny = (uint8_t)args->share_deny;
	err = compound_run(c, &opt, op_downgrade_body, &w);
	if (err)
		return err == OP_CLOSE_STATUS ? w.status : nfs_status(err);
	w.open->state.seqid = w.seqid;
	open_set_share(w.open, &w.share);
	return NFS4_OK;
}
