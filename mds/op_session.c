/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CREATE_SESSION and DESTROY_SESSION, BIND_CONN_TO_SESSION, BACKCHANNEL_CTL (RFC 8881, 18.36, 18.37, 18.34, 18.33).
 * Promises: a session is durable before its id is told; what it promises to remember fits into the configured memory.
 */

#include <string.h>

#include "dev/log.h"
#include "mds/backchannel.h"
#include "mds/client.h"
#include "mds/conn.h"
#include "mds/grace.h"
#include "mds/ops.h"
#include "mds/session.h"
#include "mds/state.h"
#include "mds/status.h"

#define CREATE_FLAGS_KNOWN                                                                                           \
	(CREATE_SESSION4_FLAG_PERSIST | CREATE_SESSION4_FLAG_CONN_BACK_CHAN | CREATE_SESSION4_FLAG_CONN_RDMA)
/* Less than this is of no use: SEQUENCE and one operation, with its failure. */
#define REQUEST_BYTES_MIN  256u
#define RESPONSE_BYTES_MIN 256u
#define REPLY_CACHE_SHARE  8u /* of what is left of the reply cache, one session gets an 8th at most */
#define BACK_SLOTS_MAX	   16u
#define BACK_BYTES_MAX	   4096u
#define BACK_OPS_MAX	   8u

static uint32_t at_most(uint32_t asked, uint64_t limit)
{
	return (uint32_t)min_u64(asked, limit);
}

/* The fore channel as it can be granted (18.36.3): NFS4ERR_TOOSMALL if what is asked for is of no use. */
static nfsstat4 fore_negotiate(const struct mds *mds, const struct channel_attrs4 *asked, struct channel_attrs4 *ret)
{
	const struct config_limits *l = &mds->config->limits;
	uint64_t left;

	if (asked->ca_maxrequestsize < REQUEST_BYTES_MIN || asked->ca_maxresponsesize < RESPONSE_BYTES_MIN ||
	    asked->ca_maxoperations == 0 || asked->ca_maxrequests == 0)
		return NFS4ERR_TOOSMALL;
	*ret = (struct channel_attrs4){
		.ca_maxrequestsize = at_most(asked->ca_maxrequestsize, l->request_bytes),
		.ca_maxresponsesize = at_most(asked->ca_maxresponsesize, l->response_bytes),
		.ca_maxresponsesize_cached = at_most(asked->ca_maxresponsesize_cached, l->cached_reply_bytes),
		.ca_maxoperations = at_most(asked->ca_maxoperations, l->operations_per_compound),
		.ca_maxrequests = at_most(asked->ca_maxrequests, min_u64(l->slots_per_session, SESSION_SLOTS_MAX)),
	};
	ret->ca_maxresponsesize_cached = at_most(ret->ca_maxresponsesize_cached, ret->ca_maxresponsesize);
	/*
	 * As many slots as there is memory for, and no more than a share of what is left: so those who came first and
	 * asked for much leave something to others.  One at least, or the client must wait.
	 */
	left = l->reply_cache_bytes - min_u64(mds->reply_cache_bytes, l->reply_cache_bytes);
	while (ret->ca_maxrequests > 1 &&
	       session_cost(ret->ca_maxrequests, ret->ca_maxresponsesize_cached) > left / REPLY_CACHE_SHARE)
		ret->ca_maxrequests /= 2;
	if (session_cost(1, ret->ca_maxresponsesize_cached) > left)
		return NFS4ERR_DELAY;
	return NFS4_OK;
}

static nfsstat4 back_negotiate(const struct channel_attrs4 *asked, struct channel_attrs4 *ret)
{
	if (asked->ca_maxrequestsize < REQUEST_BYTES_MIN || asked->ca_maxresponsesize < RESPONSE_BYTES_MIN ||
	    asked->ca_maxoperations < 2 || asked->ca_maxrequests == 0)
		return NFS4ERR_TOOSMALL;
	*ret = (struct channel_attrs4){
		.ca_maxrequestsize = at_most(asked->ca_maxrequestsize, BACK_BYTES_MAX),
		.ca_maxresponsesize = at_most(asked->ca_maxresponsesize, BACK_BYTES_MAX),
		.ca_maxresponsesize_cached = at_most(asked->ca_maxresponsesize_cached, BACK_BYTES_MAX),
		.ca_maxoperations = at_most(asked->ca_maxoperations, BACK_OPS_MAX),
		.ca_maxrequests = at_most(asked->ca_maxrequests, BACK_SLOTS_MAX),
	};
	return NFS4_OK;
}

/* The first of the credentials for callbacks that we can use; false: none. */
static bool callback_security(const struct callback_sec_parms4 *parms, uint32_t nr, bool *ret_sys, uint32_t *ret_uid,
			      uint32_t *ret_gid)
{
	*ret_sys = false;
	for (uint32_t i = 0; i < nr; i++) {
		if (parms[i].cb_secflavor == AUTH_NONE)
			return true;
		if (parms[i].cb_secflavor == AUTH_SYS) {
			*ret_sys = true;
			*ret_uid = parms[i].callback_sec_parms4_u.cbsp_sys_cred.uid;
			*ret_gid = parms[i].callback_sec_parms4_u.cbsp_sys_cred.gid;
			return true;
		}
	}
	return nr == 0;
}

struct create {
	struct compound *c;
	struct client *client;
	struct session *session;
	struct CREATE_SESSION4resok ok;
};

static int create_body(struct txn *txn, void *arg)
{
	struct create *a = arg;
	struct client after = *a->client;
	int err;

	after.create_seq = (uint32_t)a->session->number;
	err = client_put(txn, &after);
	return err ? err : session_put(txn, a->session);
}

static nfsstat4 create_check(const struct compound *c, const struct CREATE_SESSION4args *args,
			     const struct client *client)
{
	if (args->csa_flags & ~CREATE_FLAGS_KNOWN)
		return NFS4ERR_INVAL;
	/* Who has been confirmed may come as another user (18.36.3). */
	if (!client->confirmed &&
	    (client->has_cred != c->has_cred || (c->has_cred && client->cred.uid != c->cred.uid)))
		return NFS4ERR_CLID_INUSE;
	if (args->csa_sequence != client->create_seq + 1)
		return NFS4ERR_SEQ_MISORDERED;
	if (client->nr_sessions >= c->mds->config->limits.sessions_per_client)
		return NFS4ERR_NOSPC;
	return NFS4_OK;
}

/* A session in memory, with a back channel on this connection if wanted. */
static nfsstat4 create_prepare(struct create *a, const struct CREATE_SESSION4args *args)
{
	struct mds *mds = a->c->mds;
	struct channel_attrs4 fore, back = { 0 };
	uint32_t flags = args->csa_flags & CREATE_SESSION4_FLAG_PERSIST;
	nfsstat4 status = fore_negotiate(mds, &args->csa_fore_chan_attrs, &fore);
	bool sys = false;
	uint32_t uid = 0, gid = 0;

	if (status != NFS4_OK)
		return status;
	/* Also a session without a back channel may get one later, by BIND_CONN_TO_SESSION. */
	status = back_negotiate(&args->csa_back_chan_attrs, &back);
	if (status != NFS4_OK &&
	    (args->csa_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN || args->csa_back_chan_attrs.ca_maxrequests > 0))
		return status;
	if (!callback_security(args->csa_sec_parms.csa_sec_parms_val, args->csa_sec_parms.csa_sec_parms_len, &sys,
			       &uid, &gid))
		back = (struct channel_attrs4){ 0 };
	if (back.ca_maxrequests > 0)
		flags |= args->csa_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN;
	a->session = session_new(mds, a->client, a->client->create_seq + 1, flags, &fore, &back);
	if (!a->session)
		return NFS4ERR_DELAY;
	a->session->cb_program = args->csa_cb_program;
	a->session->cb_has_sys = sys;
	a->session->cb_uid = uid;
	a->session->cb_gid = gid;
	if ((flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN) && backchannel_init(mds, a->session)) {
		session_free(a->session);
		return NFS4ERR_DELAY;
	}
	return NFS4_OK;
}

static FIBER_FN nfsstat4 create_commit(struct create *a)
{
	static const struct txn_options opt = { .name = "create session", .log_max = CLIENT_LOG_PUT + 256 };
	struct client *client = a->client, *old;
	struct mds *mds = a->c->mds;
	uint64_t seq = 0;
	int err = 0;

	/* A client that was started anew: what it had before goes first (18.36.4). */
	if (!client->confirmed) {
		old = client_find_owner(mds, true, client->owner, client->owner_len);
		if (old)
			err = client_destroy(mds, old, &seq);
	}
	compound_did(a->c, seq);
	if (!err)
		err = txn_run(mds->fs, &opt, create_body, a, &seq);
	if (err)
		return nfs_status(err);
	compound_did(a->c, seq);
	if (!client->confirmed)
		client_confirm(mds, client);
	return NFS4_OK;
}

static void create_answer(const struct session *s, struct CREATE_SESSION4res *res)
{
	struct CREATE_SESSION4resok *ok = &res->CREATE_SESSION4res_u.csr_resok4;

	memcpy(ok->csr_sessionid, s->id, NFS4_SESSIONID_SIZE);
	ok->csr_sequence = (uint32_t)s->number;
	ok->csr_flags = s->flags;
	ok->csr_fore_chan_attrs = s->fore;
	ok->csr_back_chan_attrs = s->back;
}

/* The number that was answered last comes again (18.36.4).  False: what was answered is not known any more. */
static bool create_repeat(const struct client *client, struct CREATE_SESSION4res *res)
{
	const struct session *s;

	if (client->create_cached) {
		*res = client->create_res;
		return true;
	}
	/* After a restart: the session itself tells, if it still is there. */
	list_for_each_entry(s, &client->sessions, by_client)
	{
		if (s->number == client->create_seq) {
			create_answer(s, res);
			return true;
		}
	}
	return false;
}

static void create_finish(struct create *a, struct CREATE_SESSION4res *res)
{
	struct session *s = a->session;
	bool back = (s->flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN) != 0;

	session_insert(a->c->mds, s);
	client_renew(a->c->mds, a->client);
	if (conn_bind(a->c->conn, s, true, back))
		log_debug("connection %lu: no memory to bind it", (unsigned long)a->c->conn->number);
	create_answer(s, res);
	a->client->create_seq = (uint32_t)s->number;
	a->client->create_res = *res;
	a->client->create_cached = true;
}

FIBER_FN nfsstat4 op_create_session(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct CREATE_SESSION4args *args = &arg->nfs_argop4_u.opcreate_session;
	struct create a = { .c = c, .client = client_find(c->mds, args->csa_clientid) };
	nfsstat4 status;

	if (!a.client || a.client->discarded)
		return NFS4ERR_STALE_CLIENTID;
	if (a.client->busy)
		return NFS4ERR_DELAY;
	if (args->csa_sequence == a.client->create_seq &&
	    create_repeat(a.client, &res->nfs_resop4_u.opcreate_session))
		return NFS4_OK;
	status = create_check(c, args, a.client);
	if (status == NFS4_OK)
		status = create_prepare(&a, args);
	if (status != NFS4_OK)
		return status;
	a.client->busy = true;
	client_hold(a.client);
	status = create_commit(&a);
	a.client->busy = false;
	if (status == NFS4_OK && !a.client->gone) {
		create_finish(&a, &res->nfs_resop4_u.opcreate_session);
	} else {
		backchannel_release(a.session);
		session_free(a.session);
	}
	client_drop(c->mds, a.client);
	return status;
}

struct destroy {
	uint64_t client, number;
	bool more;
};

static int destroy_body(struct txn *txn, void *arg)
{
	struct destroy *a = arg;

	return session_erase(txn, a->client, a->number, 128, &a->more);
}

FIBER_FN nfsstat4 op_destroy_session(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	static const struct txn_options opt = { .name = "destroy session", .frees_space = true };
	struct session *s = session_find(c->mds, arg->nfs_argop4_u.opdestroy_session.dsa_sessionid);
	struct destroy a = { .more = true };
	uint64_t seq = 0;
	int err = 0;

	(void)res;
	if (!s)
		return NFS4ERR_BADSESSION;
	if (s == c->session && c->op_index + 1 != c->nr_ops)
		return NFS4ERR_NOT_ONLY_OP;
	if (!conn_bound(c->conn, s))
		return NFS4ERR_CONN_NOT_BOUND_TO_SESSION;
	if (s->client->busy || s->nr_in_use > (s == c->session ? 1u : 0u))
		return NFS4ERR_DELAY;
	a.client = s->client->id;
	a.number = s->number;
	client_renew(c->mds, s->client);
	session_remove(c->mds, s);
	while (!err && a.more)
		err = txn_run(c->mds->fs, &opt, destroy_body, &a, &seq);
	compound_did(c, seq);
	return nfs_status(err);
}

struct add_back {
	const struct session *session;
	struct session after;
};

static int add_back_body(struct txn *txn, void *arg)
{
	struct add_back *a = arg;

	return a->session->gone ? -EBUSY : session_put(txn, &a->after);
}

/* A session that was made without a back channel has one from now on, also after a restart. */
static FIBER_FN nfsstat4 session_add_back(struct compound *c, struct session *s)
{
	static const struct txn_options opt = { .name = "add back channel", .log_max = 512 };
	struct add_back a = { .session = s, .after = *s };
	uint64_t seq = 0;
	int err;

	a.after.flags |= CREATE_SESSION4_FLAG_CONN_BACK_CHAN;
	session_hold(s);
	err = txn_run(c->mds->fs, &opt, add_back_body, &a, &seq);
	if (!err && !s->backchannel)
		err = backchannel_init(c->mds, s);
	if (!err)
		s->flags = a.after.flags;
	session_drop(c->mds, s);
	compound_did(c, seq);
	return nfs_status(err);
}

FIBER_FN nfsstat4 op_bind_conn_to_session(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct BIND_CONN_TO_SESSION4args *args = &arg->nfs_argop4_u.opbind_conn_to_session;
	struct BIND_CONN_TO_SESSION4resok *ok =
		&res->nfs_resop4_u.opbind_conn_to_session.BIND_CONN_TO_SESSION4res_u.bctsr_resok4;
	struct session *s = session_find(c->mds, args->bctsa_sessid);
	bool fore, back, has_back;
	nfsstat4 status;

	if (!s)
		return NFS4ERR_BADSESSION;
	if (args->bctsa_dir != CDFC4_FORE && args->bctsa_dir != CDFC4_BACK && args->bctsa_dir != CDFC4_FORE_OR_BOTH &&
	    args->bctsa_dir != CDFC4_BACK_OR_BOTH)
		return NFS4ERR_BADXDR;
	has_back = s->back.ca_maxrequests > 0;
	fore = args->bctsa_dir != CDFC4_BACK;
	back = args->bctsa_dir != CDFC4_FORE;
	if ((args->bctsa_dir == CDFC4_BACK || args->bctsa_dir == CDFC4_BACK_OR_BOTH) && !has_back)
		return NFS4ERR_INVAL;
	back = back && has_back;
	if (back && !s->backchannel) {
		status = session_add_back(c, s);
		if (status != NFS4_OK)
			return status;
	}
	if (conn_bind(c->conn, s, fore, back))
		return NFS4ERR_DELAY;
	client_renew(c->mds, s->client);
	memcpy(ok->bctsr_sessid, s->id, NFS4_SESSIONID_SIZE);
	ok->bctsr_dir = fore && back ? CDFS4_BOTH : fore ? CDFS4_FORE : CDFS4_BACK;
	return NFS4_OK;
}

struct control {
	struct compound *c;
	struct session after;
};

static int control_body(struct txn *txn, void *arg)
{
	struct control *a = arg;

	/* Its client may have been destroyed meanwhile: nothing of it must come back. */
	return a->c->session->gone ? -EBUSY : session_put(txn, &a->after);
}

FIBER_FN nfsstat4 op_backchannel_ctl(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	static const struct txn_options opt = { .name = "backchannel control", .log_max = 512 };
	const struct BACKCHANNEL_CTL4args *args = &arg->nfs_argop4_u.opbackchannel_ctl;
	struct control a = { .c = c, .after = *c->session };
	int err;

	(void)res;
	if (!callback_security(args->bca_sec_parms.bca_sec_parms_val, args->bca_sec_parms.bca_sec_parms_len,
			       &a.after.cb_has_sys, &a.after.cb_uid, &a.after.cb_gid))
		return NFS4ERR_NOENT;
	a.after.cb_program = args->bca_cb_program;
	err = compound_run(c, &opt, control_body, &a);
	if (err)
		return nfs_status(err);
	c->session->cb_program = a.after.cb_program;
	c->session->cb_has_sys = a.after.cb_has_sys;
	c->session->cb_uid = a.after.cb_uid;
	c->session->cb_gid = a.after.cb_gid;
	return NFS4_OK;
}
