/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OPEN (RFC 8881, 18.16): the arguments, and what belongs to no single run of the body.  Everything that OPEN does,
 * the new file with its name and attributes included, happens in one transaction (mds/open_body.c), so that after a
 * crash there is all of it or nothing.
 */

#include <stdlib.h>
#include <string.h>

#include "mds/config.h"
#include "mds/drop.h"
#include "mds/open_body.h"
#include "mds/ops.h"
#include "mds/place.h"
#include "mds/status.h"

#define OPEN_WANTS                                                                                                   \
	(OPEN4_SHARE_ACCESS_WANT_SIGNAL_DELEG_WHEN_RESRC_AVAIL |                                                     \
	 OPEN4_SHARE_ACCESS_WANT_PUSH_DELEG_WHEN_UNCONTENDED | OPEN4_SHARE_ACCESS_WANT_DELEG_TIMESTAMPS |            \
	 OPEN4_SHARE_ACCESS_WANT_OPEN_XOR_DELEGATION)
/* How often a body may find that what it was prepared for has changed. */
#define OPEN_TRIES 8

static nfsstat4 op_open_check_share(const OPEN4args *args)
{
	uint32_t want = args->share_access & OPEN4_SHARE_ACCESS_WANT_DELEG_MASK;
	uint32_t access = args->share_access & OPEN4_SHARE_ACCESS_BOTH;

	if (access == 0 || args->share_deny & ~(uint32_t)OPEN4_SHARE_DENY_BOTH)
		return NFS4ERR_INVAL;
	if (want > OPEN4_SHARE_ACCESS_WANT_CANCEL || args->share_access & ~(access | want | OPEN_WANTS))
		return NFS4ERR_INVAL;
	return NFS4_OK;
}

/* What the claim says before anything is looked at (18.16.3). */
static nfsstat4 op_open_check_claim(const struct compound *c, const OPEN4args *args)
{
	bool creates = args->openhow.opentype == OPEN4_CREATE;

	switch (args->claim.claim) {
	case CLAIM_NULL:
		return compound_check_name(open_body_name(args));
	case CLAIM_FH:
	case CLAIM_PREVIOUS:
		return creates ? NFS4ERR_INVAL : NFS4_OK;
	case CLAIM_DELEGATE_CUR:
		return creates ? NFS4ERR_INVAL : compound_check_name(open_body_name(args));
	case CLAIM_DELEG_CUR_FH:
		return creates ? NFS4ERR_INVAL : NFS4_OK;
	case CLAIM_DELEGATE_PREV:
	case CLAIM_DELEG_PREV_FH:
		return NFS4ERR_NOTSUPP;
	}
	return NFS4ERR_INVAL;
}

/* In the pseudo file system there are directories only, and nothing can be made. */
static nfsstat4 op_open_check_pseudo(const struct compound *c, const OPEN4args *args)
{
	const component4 *name = open_body_name(args);
	bool creates = args->openhow.opentype == OPEN4_CREATE;
	const struct export_node *node;

	if (c->fh.kind == FH_FILE)
		return NFS4_OK;
	if (!open_body_has_name(args))
		return NFS4ERR_ISDIR;
	node = export_node_by_id(c->mds->exports, c->fh.ino);
	if (node && export_child(node, name->component4_val, name->component4_len, place_peer(c)))
		return creates && args->openhow.openflag4_u.how.mode != UNCHECKED4 ? NFS4ERR_EXIST : NFS4ERR_ISDIR;
	return creates ? NFS4ERR_ROFS : NFS4ERR_NOENT;
}

static nfsstat4 op_open_decode_how(struct open_body *b)
{
	const OPEN4args *args = b->args;
	const createhow4 *how = &args->openhow.openflag4_u.how;
	struct inode_time time = inode_time_of(reactor_wall_ns(b->c->mds->reactor));
	struct bitmap4 allowed = attr_supported(b->c), exclusive = attr_exclcreat(b->c);

	if (args->openhow.opentype != OPEN4_CREATE)
		return NFS4_OK;
	b->creates = true;
	switch (how->mode) {
	case UNCHECKED4:
	case GUARDED4:
		b->guarded = how->mode == GUARDED4;
		return attr_decode(b->c, &how->createhow4_u.createattrs, &allowed, time, &b->set);
	case EXCLUSIVE4:
		b->exclusive = true;
		memcpy(b->verifier, how->createhow4_u.createverf, sizeof(b->verifier));
		return NFS4_OK;
	case EXCLUSIVE4_1:
		b->exclusive = true;
		memcpy(b->verifier, how->createhow4_u.ch_createboth.cva_verf, sizeof(b->verifier));
		return attr_decode(b->c, &how->createhow4_u.ch_createboth.cva_attrs, &exclusive, time, &b->set);
	}
	return NFS4ERR_INVAL;
}

static int op_open_fill(struct txn *txn, const struct inode *inode, void *arg)
{
	struct open_body *b = arg;

	b->truncated = inode;
	return open_body_run(txn, b);
}

/* Open an existing file with its size set to 0, in the transaction of data_setattr(). */
FIBER_FN static int op_open_truncate(struct open_body *b)
{
	struct compound *c = b->c;
	struct fh dir = c->fh;
	struct compound_also also;
	struct inode inode;
	uint64_t seq;
	int err;

	compound_also_init(&also, c, op_open_fill, b);
	layout_guard_frees(&also.guard, b->ino, 0, UINT64_MAX);
	also.also.log_max += OPEN_BODY_LOG;
	err = data_setattr(c->mds->fs, b->ino, b->generation, &b->truncate.attrs, &also.also, &inode, &seq);
	if (!err)
		compound_did(c, seq);
	else
		c->fh = dir;
	b->truncated = NULL;
	/* It has gone since it was looked up: look again. */
	return err == -ESTALE ? OPEN_BODY_CHANGED : err;
}

FIBER_FN static nfsstat4 op_open_do(struct open_body *b)
{
	struct txn_options opt = { .name = "open", .log_max = OPEN_BODY_LOG };
	unsigned int tries = 0, revoked = 0;
	int err;

	for (;;) {
		err = compound_run(b->c, &opt, open_body_run, b);
		if (err == OPEN_BODY_TRUNCATE)
			err = op_open_truncate(b);
		if (!err) {
			open_body_apply(b);
			return NFS4_OK;
		}
		if (err == OPEN_BODY_CHANGED && tries++ < OPEN_TRIES)
			continue;
		if (err == OPEN_BODY_VICTIM && revoked++ < DROP_REVOKE_MAX) {
			err = drop_revoke(b->c->mds, b->victim, STATE_OPEN);
			if (!err || err == -EBUSY)
				continue;
		}
		if (err == OPEN_BODY_STATUS)
			return b->status;
		if (err == OPEN_BODY_CHANGED || err == OPEN_BODY_VICTIM)
			return NFS4ERR_DELAY;
		return nfs_status(err);
	}
}

/* The delegation that an open of the client's own goes by. */
static nfsstat4 op_open_deleg_stateid(const struct compound *c, const OPEN4args *args, struct stateid4 *ret_stateid)
{
	const open_claim4 *claim = &args->claim;

	if (claim->claim == CLAIM_DELEGATE_CUR)
		return compound_stateid(c, &claim->open_claim4_u.delegate_cur_info.delegate_stateid, ret_stateid);
	if (claim->claim == CLAIM_DELEG_CUR_FH)
		return compound_stateid(c, &claim->open_claim4_u.oc_delegate_stateid, ret_stateid);
	return NFS4_OK;
}

FIBER_FN nfsstat4 op_open(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const OPEN4args *args = &arg->nfs_argop4_u.opopen;
	struct open_body b = { .c = c, .args = args, .ok = &res->nfs_resop4_u.opopen.OPEN4res_u.resok4 };
	nfsstat4 status;

	status = op_open_check_share(args);
	if (!status)
		status = op_open_check_claim(c, args);
	if (!status)
		status = state_check_grace(c, args->claim.claim == CLAIM_PREVIOUS);
	if (!status)
		status = op_open_check_pseudo(c, args);
	if (!status)
		status = op_open_decode_how(&b);
	if (!status)
		status = op_open_deleg_stateid(c, args, &b.deleg_stateid);
	if (status)
		return status;
	b.cred = compound_cred(c, &c->fh);
	b.access = args->share_access & OPEN4_SHARE_ACCESS_BOTH;
	b.deny = (uint8_t)args->share_deny;
	b.fresh = open_alloc(c->client, args->owner.owner.owner_val, args->owner.owner.owner_len);
	b.spare = file_alloc();
	status = NFS4ERR_DELAY;
	if (c->mds->config->delegations != DELEGATIONS_NONE)
		b.deleg = deleg_alloc(c->client);
	if (b.fresh && b.spare && (b.deleg || c->mds->config->delegations == DELEGATIONS_NONE))
		status = op_open_do(&b);
	free(b.fresh);
	free(b.spare);
	free(b.deleg);
	return status;
}
