/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EXCHANGE_ID, DESTROY_CLIENTID, RECLAIM_COMPLETE (RFC 8881, 18.35, 18.50, 18.51).  Promises: nobody takes over or
 * removes another's client while it holds anything; a client that is not confirmed costs no more than memory within
 * the limit.
 */

#include <stdio.h>
#include <string.h>

#include "mds/client.h"
#include "mds/conn.h"
#include "mds/grace.h"
#include "mds/layout.h"
#include "mds/ops.h"
#include "mds/session.h"
#include "mds/state.h"
#include "mds/status.h"

/* SUPP_FENCE_OPS (RFC 7862, 14.1) is for fencing between servers' copies: refused, as knfsd does in all versions. */
#define EXCHANGE_FLAGS_KNOWN                                                                                         \
	(EXCHGID4_FLAG_SUPP_MOVED_REFER | EXCHGID4_FLAG_SUPP_MOVED_MIGR | EXCHGID4_FLAG_BIND_PRINC_STATEID |         \
	 EXCHGID4_FLAG_MASK_PNFS | EXCHGID4_FLAG_UPD_CONFIRMED_REC_A)

static bool same_principal(const struct compound *c, const struct client *client)
{
	return c->has_cred == client->has_cred && (!c->has_cred || c->cred.uid == client->cred.uid);
}

static bool same_verifier(const struct EXCHANGE_ID4args *args, const struct client *client)
{
	return memcmp(args->eia_clientowner.co_verifier, client->verifier, NFS4_VERIFIER_SIZE) == 0;
}

/* Text for people, from outside: without control characters. */
static void print_impl(const struct EXCHANGE_ID4args *args, char text[CLIENT_IMPL_MAX])
{
	const struct nfs_impl_id4 *impl;
	uint32_t len;

	text[0] = '\0';
	if (args->eia_client_impl_id.eia_client_impl_id_len == 0)
		return;
	impl = args->eia_client_impl_id.eia_client_impl_id_val;
	len = (uint32_t)min_u64(impl->nii_name.utf8string_len, CLIENT_IMPL_MAX - 1);
	for (uint32_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)impl->nii_name.utf8string_val[i];

		text[i] = byte < ' ' || byte == 0x7f ? '?' : (char)byte;
	}
	text[len] = '\0';
}

static nfsstat4 exchange_check(const struct EXCHANGE_ID4args *args)
{
	if (args->eia_flags & ~EXCHANGE_FLAGS_KNOWN)
		return NFS4ERR_INVAL;
	switch (args->eia_state_protect.spa_how) {
	case SP4_NONE:
		return NFS4_OK;
	case SP4_MACH_CRED:
		/* Needs RPCSEC_GSS, and without that in the request it is an invalid argument (2.10.8.3). */
		return NFS4ERR_INVAL;
	case SP4_SSV:
		return NFS4ERR_ENCR_ALG_UNSUPP;
	}
	return NFS4ERR_INVAL;
}

static struct client *exchange_new(struct compound *c, const struct EXCHANGE_ID4args *args, bool can_reclaim)
{
	const struct client_owner4 *owner = &args->eia_clientowner;
	struct mds *mds = c->mds;
	struct client *client, *old;

	/* Of an owner there is one that is not confirmed (18.35.4, case 4). */
	old = client_find_owner(mds, false, owner->co_ownerid.co_ownerid_val, owner->co_ownerid.co_ownerid_len);
	if (old && !old->busy)
		client_forget(mds, old);
	else if (old)
		return NULL;
	client = client_new(mds, owner->co_ownerid.co_ownerid_val, owner->co_ownerid.co_ownerid_len,
			    owner->co_verifier);
	if (!client) {
		mds->clients_wanted = true;
		wait_queue_wake_all(&mds->lease_work);
		return NULL;
	}
	client->flags = args->eia_flags;
	client->has_cred = c->has_cred;
	client->cred = c->cred;
	client->minor = c->minor;
	client->can_reclaim = can_reclaim;
	if (can_reclaim)
		grace_extend(mds);
	print_impl(args, client->impl);
	sock_addr_print(&c->conn->sock->peer, client->peer);
	return client;
}

/* EXCHGID4_FLAG_UPD_CONFIRMED_REC_A: cases 6 to 9. */
static nfsstat4 exchange_update(struct compound *c, const struct EXCHANGE_ID4args *args, struct client *old)
{
	if (!old || old->discarded)
		return NFS4ERR_NOENT;
	if (!same_verifier(args, old))
		return NFS4ERR_NOT_SAME;
	if (!same_principal(c, old))
		return NFS4ERR_PERM;
	print_impl(args, old->impl);
	return NFS4_OK;
}

/* The table of 18.35.4: *@ret_client is the client whose id is answered. */
static FIBER_FN nfsstat4 exchange_find(struct compound *c, const struct EXCHANGE_ID4args *args,
				       struct client **ret_client)
{
	const struct client_owner4 *owner = &args->eia_clientowner;
	struct mds *mds = c->mds;
	struct client *old =
		client_find_owner(mds, true, owner->co_ownerid.co_ownerid_val, owner->co_ownerid.co_ownerid_len);
	bool can_reclaim = old && (old->discarded || old->can_reclaim);
	nfsstat4 status;
	uint64_t seq = 0;
	int err;

	if (old && old->busy)
		return NFS4ERR_DELAY;
	if (args->eia_flags & EXCHGID4_FLAG_UPD_CONFIRMED_REC_A) {
		status = exchange_update(c, args, old);
		if (status == NFS4_OK)
			*ret_client = old;
		return status;
	}
	if (old && !old->discarded) {
		if (!same_principal(c, old)) {
			/* Case 3: not while the owner of the name holds anything and is alive. */
			if (state_client_has_any(old) && !client_is_courteous(mds, old))
				return NFS4ERR_CLID_INUSE;
			if (old->nr_sessions > 0 && !client_is_courteous(mds, old))
				return NFS4ERR_CLID_INUSE;
			err = client_destroy(mds, old, &seq);
			if (err)
				return err == -EBUSY ? NFS4ERR_DELAY : nfs_status(err);
			compound_did(c, seq);
		} else if (same_verifier(args, old)) {
			*ret_client = old; /* case 2 */
			return NFS4_OK;
		}
	}
	/* Cases 1, 4 and 5: what is confirmed stays until the new one is (18.36.4). */
	*ret_client = exchange_new(c, args, can_reclaim);
	return *ret_client ? NFS4_OK : NFS4ERR_DELAY;
}

static void exchange_answer(struct compound *c, const struct client *client, struct EXCHANGE_ID4resok *ok)
{
	static const char impl_domain[] = "lamina", impl_name[] = "Lamina " LAMINA_VERSION;
	struct nfs_impl_id4 *impl = wire_arena_alloc(&c->arena, sizeof(*impl));

	ok->eir_clientid = client->id;
	ok->eir_sequenceid = client->create_seq + 1;
	/* Never both (18.35.3).  A Linux client gives up its keys at the end only if it was told of a metadata
	 * server. */
	ok->eir_flags =
		c->mds->layouts && c->mds->layouts->kinds ? EXCHGID4_FLAG_USE_PNFS_MDS : EXCHGID4_FLAG_USE_NON_PNFS;
	if (client->confirmed)
		ok->eir_flags |= EXCHGID4_FLAG_CONFIRMED_R;
	ok->eir_state_protect.spr_how = SP4_NONE;
	/* The volume's UUID: the same on all addresses, after a restart and on another host (I7, trunking 2.10.5). */
	ok->eir_server_owner.so_minor_id = 0;
	ok->eir_server_owner.so_major_id.so_major_id_val = c->mds->owner_text;
	ok->eir_server_owner.so_major_id.so_major_id_len = (u_int)strlen(c->mds->owner_text);
	ok->eir_server_scope.eir_server_scope_val = c->mds->owner_text;
	ok->eir_server_scope.eir_server_scope_len = (u_int)strlen(c->mds->owner_text);
	if (!impl)
		return;
	impl->nii_domain.utf8string_val = (char *)impl_domain;
	impl->nii_domain.utf8string_len = sizeof(impl_domain) - 1;
	impl->nii_name.utf8string_val = (char *)impl_name;
	impl->nii_name.utf8string_len = sizeof(impl_name) - 1;
	ok->eir_server_impl_id.eir_server_impl_id_len = 1;
	ok->eir_server_impl_id.eir_server_impl_id_val = impl;
}

FIBER_FN nfsstat4 op_exchange_id(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct EXCHANGE_ID4args *args = &arg->nfs_argop4_u.opexchange_id;
	struct client *client = NULL;
	nfsstat4 status = exchange_check(args);

	if (status == NFS4_OK)
		status = exchange_find(c, args, &client);
	if (status == NFS4_OK) {
		assert(client);
		exchange_answer(c, client, &res->nfs_resop4_u.opexchange_id.EXCHANGE_ID4res_u.eir_resok4);
	}
	return status;
}

FIBER_FN nfsstat4 op_destroy_clientid(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	struct client *client = client_find(c->mds, arg->nfs_argop4_u.opdestroy_clientid.dca_clientid);
	uint64_t seq = 0;
	int err;

	(void)res;
	if (!client || client->discarded)
		return NFS4ERR_STALE_CLIENTID;
	if (client->nr_sessions > 0 || state_client_has_any(client))
		return NFS4ERR_CLIENTID_BUSY;
	err = client_destroy(c->mds, client, &seq);
	compound_did(c, seq);
	return nfs_status(err);
}

static int complete_body(struct txn *txn, void *arg)
{
	struct compound *c = arg;
	struct client after = *c->client;

	/* A client that is being destroyed must not come back as an item. */
	if (c->session->gone)
		return -EBUSY;
	after.reclaim_complete = true;
	return client_put(txn, &after);
}

FIBER_FN nfsstat4 op_reclaim_complete(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	static const struct txn_options opt = { .name = "reclaim complete", .log_max = CLIENT_LOG_PUT };
	int err;

	(void)res;
	if (arg->nfs_argop4_u.opreclaim_complete.rca_one_fs)
		return c->fh.kind == FH_NONE ? NFS4ERR_NOFILEHANDLE : NFS4_OK;
	if (c->client->reclaim_complete)
		return NFS4ERR_COMPLETE_ALREADY;
	err = compound_run(c, &opt, complete_body, c);
	if (err)
		return nfs_status(err);
	c->client->reclaim_complete = true;
	grace_consider(c->mds);
	return NFS4_OK;
}
