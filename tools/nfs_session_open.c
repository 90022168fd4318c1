/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a session that is handed out stands on the server with what both sides agreed on, or was adopted. */

#include <stdlib.h>
#include <string.h>

#include "dev/reactor.h"
#include "tools/nfs_op.h"
#include "tools/nfs_session.h"

#define SLOTS	    64
#define BACK_SLOTS  16
#define CACHED_SIZE (8 << 10)
#define OPS	    64
#define SIZE	    ((1 << 20) + 4096)

static uint32_t or_default(uint32_t val, uint32_t otherwise)
{
	return val ? val : otherwise;
}

CREATE_SESSION4args nfs_session_create_args(const struct nfs_client *client, const struct nfs_session_options *opt)
{
	static callback_sec_parms4 sec = { .cb_secflavor = AUTH_NONE };
	CREATE_SESSION4args args = { .csa_clientid = client->clientid,
				     .csa_sequence = client->sequenceid,
				     .csa_cb_program = client->callback.program };

	if (!opt->has_no_back_channel)
		args.csa_flags |= CREATE_SESSION4_FLAG_CONN_BACK_CHAN;
	if (opt->asks_persist)
		args.csa_flags |= CREATE_SESSION4_FLAG_PERSIST;
	args.csa_fore_chan_attrs = (struct channel_attrs4){ .ca_maxrequestsize = or_default(opt->max_request, SIZE),
							    .ca_maxresponsesize = or_default(opt->max_response, SIZE),
							    .ca_maxresponsesize_cached =
								    or_default(opt->max_response_cached, CACHED_SIZE),
							    .ca_maxoperations = or_default(opt->max_ops, OPS),
							    .ca_maxrequests = or_default(opt->slots, SLOTS) };
	args.csa_back_chan_attrs =
		(struct channel_attrs4){ .ca_maxrequestsize = NFS_CALLBACK_REPLY_MAX,
					 .ca_maxresponsesize = NFS_CALLBACK_REPLY_MAX,
					 .ca_maxresponsesize_cached = NFS_CALLBACK_REPLY_MAX,
					 .ca_maxoperations = NFS_CALLBACK_OPS_MAX,
					 .ca_maxrequests = or_default(opt->back_slots, BACK_SLOTS) };
	args.csa_sec_parms.csa_sec_parms_len = 1;
	args.csa_sec_parms.csa_sec_parms_val = &sec;
	return args;
}

int nfs_session_adopt(struct nfs_client *client, struct nfs_conn *conn, const CREATE_SESSION4resok *ok,
		      struct nfs_session **ret_session)
{
	struct nfs_session *session = calloc(1, sizeof(*session));

	if (!session)
		return -ENOMEM;
	session->client = client;
	memcpy(session->sessionid, ok->csr_sessionid, sizeof(session->sessionid));
	session->flags = ok->csr_flags;
	session->fore = ok->csr_fore_chan_attrs;
	session->back = ok->csr_back_chan_attrs;
	session->nr_slots = (uint32_t)min_u64(session->fore.ca_maxrequests, NFS_SESSION_SLOTS_MAX);
	session->target_highest = NFS4_UINT32_MAX;
	session->answered_ns = reactor_now_ns(client->reactor);
	for (uint32_t i = 0; i < session->nr_slots; i++)
		session->slots[i].sequenceid = 1;
	wait_queue_init(&session->slot_came);
	wait_queue_init(&session->renew_end);
	fiber_mutex_init(&session->bind_lock);
	session->conns[0] = (struct nfs_session_conn){
		conn, session->flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN ? CDFC4_FORE_OR_BOTH : CDFC4_FORE,
		nfs_conn_generation(conn)
	};
	session->nr_conns = 1;
	memcpy(session->channel.sessionid, session->sessionid, sizeof(session->sessionid));
	session->channel.nr_slots = (uint32_t)min_u64(session->back.ca_maxrequests, NFS_CALLBACK_SLOTS_MAX);
	nfs_callback_channel_add(&client->callback, &session->channel);
	*ret_session = session;
	return 0;
}

static FIBER_FN int session_create(struct nfs_client *client, struct nfs_conn *conn,
				   const struct nfs_session_options *opt, struct nfs_compound *c,
				   struct nfs_session **ret_session)
{
	CREATE_SESSION4args args = nfs_session_create_args(client, opt);
	const struct nfs_resop4 *res;
	int err;

	nfs_client_begin(client, c);
	nfs_op_create_session(c, &args);
	err = nfs_compound_send(c, conn);
	if (err || c->status != NFS4_OK)
		return err ? err : (int)c->status;
	res = nfs_compound_result(c, 0, OP_CREATE_SESSION);
	if (!res)
		return -EPROTO;
	client->sequenceid++;
	return nfs_session_adopt(client, conn, &res->nfs_resop4_u.opcreate_session.CREATE_SESSION4res_u.csr_resok4,
				 ret_session);
}

static FIBER_FN int session_reclaim_complete(struct nfs_session *session, struct nfs_compound *c)
{
	int err;

	nfs_session_begin(session, c);
	nfs_op_reclaim_complete(c, false);
	err = nfs_session_send(session, c);
	if (err)
		return err;
	/* Another session of this client has said it. */
	return c->status == NFS4ERR_COMPLETE_ALREADY ? 0 : (int)c->status;
}

FIBER_FN int nfs_session_open(struct nfs_client *client, struct nfs_conn *conn, const struct nfs_session_options *opt,
			      struct nfs_session **ret_session)
{
	static const struct nfs_session_options defaults;
	struct nfs_session *session = NULL;
	struct nfs_compound c;
	int err;

	if (!opt)
		opt = &defaults;
	nfs_compound_init(&c);
	client->callback.nr_pending++;
	err = session_create(client, conn, opt, &c, &session);
	client->callback.nr_pending--;
	if (!err && !opt->skips_reclaim_complete)
		err = session_reclaim_complete(session, &c);
	nfs_compound_release(&c);
	if (err) {
		nfs_session_discard(session);
		return err;
	}
	*ret_session = session;
	return 0;
}

FIBER_FN void nfs_session_discard(struct nfs_session *session)
{
	if (!session)
		return;
	nfs_session_renew_stop(session);
	nfs_callback_channel_remove(&session->channel);
	free(session);
}

FIBER_FN int nfs_session_close(struct nfs_session *session)
{
	struct nfs_conn *conn = session->nr_conns ? session->conns[0].conn : NULL;
	struct nfs_compound c;
	int err = -ENOTCONN;

	nfs_session_renew_stop(session);
	nfs_compound_init(&c);
	nfs_session_begin(session, &c);
	nfs_op_destroy_session(&c, session->sessionid);
	if (conn)
		err = nfs_conn_is_up(conn) ? 0 : nfs_conn_reconnect(conn);
	if (!err)
		err = nfs_compound_send(&c, conn);
	if (!err)
		err = (int)c.status;
	nfs_compound_release(&c);
	nfs_session_discard(session);
	return err;
}
