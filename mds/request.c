/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request from its RPC header to its reply.  Promises: every call that can be told from noise gets exactly one
 * reply; none leaves before what it tells is durable (I1); a slot is free again when its reply is on its way.
 */

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "dev/log.h"
#include "mds/client.h"
#include "mds/compound_int.h"
#include "mds/conn_int.h"
#include "mds/session.h"
#include "proto/wire_rpc.h"

/* Arrays of arguments, and what handlers need for their results. */
#define ARENA_BYTES (256u << 10)
/* Of them on the stack: most requests need no more. */
#define LENT_BYTES 1024u
/* A repeated request is known by so many bytes, and its length: to hash the data of a write would cost more than it
 * helps. */
#define DIGEST_BYTES 4096u
/* Of SEQUENCE as it is sent: its number, session, sequence id, slot, highest slot, sa_cachethis. */
#define SEQUENCE_BYTES (4u + NFS4_SESSIONID_SIZE + 4 * 4u)

static const struct wire_program program = { NFS4_PROGRAM, NFS_V4, NFS_V4, 2 };

/* Queue a reply that is a header alone. */
static void reply_header(struct conn *conn, struct message *m, const struct wire_reply *reply)
{
	struct wire_enc enc;

	wire_enc_init(&enc, m->data, m->room);
	if (wire_reply_put(&enc, reply)) {
		conn_cut(conn, "a reply that cannot be written");
		return;
	}
	m->len = wire_enc_pos(&enc);
}

/* Who asks.  False: the credential is malformed. */
static bool request_cred(struct compound *c, const struct wire_call *call)
{
	struct wire_authsys sys;

	if (call->cred.flavor != AUTH_SYS)
		return true;
	if (wire_authsys_get(&call->cred, &sys))
		return false;
	c->has_cred = true;
	c->cred.uid = sys.uid;
	c->cred.gid = sys.gid;
	c->cred.nr_gids = (unsigned int)min_u64(sys.nr_gids, CRED_GIDS_MAX);
	memcpy(c->cred.gids, sys.gids, c->cred.nr_gids * sizeof(sys.gids[0]));
	return true;
}

/*
 * Of what follows SEQUENCE at @pos.  Not of SEQUENCE itself: Linux encodes a request anew to repeat it, and says what
 * its highest slot is by then.
 */
static uint64_t request_digest(const struct compound *c, uint32_t pos)
{
	uint32_t begin = (uint32_t)min_u64(pos + SEQUENCE_BYTES, c->request_len), len = c->request_len - begin;
	uint64_t seed = (uint64_t)c->cred.uid << 32 | len;

	return XXH3_64bits_withSeed(c->dec.buf + begin, min_u64(len, DIGEST_BYTES), seed);
}

static FIBER_FN nfsstat4 compound_run_all(struct compound *c)
{
	if (c->in.minorversion < 1 || c->in.minorversion > 2)
		return NFS4ERR_MINOR_VERS_MISMATCH;
	c->minor = c->in.minorversion;
	c->nr_ops = c->in.nr;
	return compound_execute(c);
}

/* The compound is over: wait until it may be told, and leave the slot to the next. */
static FIBER_FN void compound_settle(struct compound *c, struct message *m)
{
	struct mds *mds = c->mds;

	/*
	 * What was changed, or failed for what was changed before, may never have been: nobody may hear of it (I1).
	 * What can be read can be read for as long as the server runs.
	 */
	bool is_lost = c->wait_seq > 0 && txn_wait_durable(mds->fs, c->wait_seq) && (c->changed || c->failed);

	if (is_lost)
		conn_cut(c->conn, "what the answer tells cannot be made durable: the volume is read-only");
	m->len = wire_enc_pos(&c->enc);
	/* Whoever repeats a request that was lost must not get its results from the slot. */
	if (c->slot && is_lost)
		slot_finish(c, NULL, 0);
	else if (c->slot)
		slot_finish(c, m->data + c->results_pos, m->len - c->results_pos);
	if (c->session)
		session_drop(mds, c->session);
	if (c->client)
		client_drop(mds, c->client);
}

/* The slot had the whole reply: it goes out under the new xid. */
static void reply_replay(struct compound *c, struct message *m)
{
	wire_enc_rewind(&c->enc, c->results_pos);
	if (c->replay_len > m->room - c->results_pos) {
		conn_cut(c->conn, "a kept reply that is too long");
		return;
	}
	memcpy(m->data + c->results_pos, c->replay_bytes, c->replay_len);
	m->len = c->results_pos + c->replay_len;
}

static FIBER_FN void serve_compound(struct compound *c, struct message *m, const struct wire_call *call)
{
	struct wire_reply reply = wire_reply_accepted(call->xid, SUCCESS);
	nfsstat4 status;

	c->mds->counts.requests++;
	if (!request_cred(c, call)) {
		reply = wire_reply_denied(call->xid, AUTH_BADCRED);
		reply_header(c->conn, m, &reply);
		return;
	}
	if (wire_args_open(&c->in, &c->dec)) {
		c->mds->counts.refused++;
		reply = wire_reply_accepted(call->xid, GARBAGE_ARGS);
		reply_header(c->conn, m, &reply);
		return;
	}
	c->digest = request_digest(c, wire_dec_pos(&c->dec));
	wire_enc_init(&c->enc, m->data, m->room);
	if (wire_reply_put(&c->enc, &reply)) {
		conn_cut(c->conn, "a reply that cannot be written");
		return;
	}
	c->results_pos = wire_enc_pos(&c->enc);
	if (wire_results_begin(&c->out, &c->enc, &c->in)) {
		conn_cut(c->conn, "a reply that cannot be written");
		return;
	}
	status = compound_run_all(c);
	if (c->replay) {
		reply_replay(c, m);
		return;
	}
	wire_results_end(&c->out, status);
	compound_settle(c, m);
}

/* The answer to @msg in @m; m->len 0: none. */
static FIBER_FN void serve_call(struct conn *conn, struct message *m, uint8_t *msg, uint32_t len)
{
	struct compound c = { .mds = conn->mds, .conn = conn, .request_len = len };
	_Alignas(16) uint8_t lent[LENT_BYTES];
	struct wire_reply reply;
	struct wire_call call;
	int err;

	wire_arena_init(&c.arena, ARENA_BYTES);
	wire_arena_lend(&c.arena, lent, sizeof(lent));
	wire_dec_init(&c.dec, msg, len, &c.arena);
	err = wire_call_get(&c.dec, &call);
	if (err == -EPROTONOSUPPORT) {
		reply = wire_reply_rpc_mismatch(call.xid);
		reply_header(conn, m, &reply);
	} else if (err) {
		conn_cut(conn, "a call that is malformed");
	} else if (wire_call_is_refused(&call, &program, &reply)) {
		reply_header(conn, m, &reply);
	} else if (call.proc == NFSPROC4_NULL) {
		reply = wire_reply_accepted(call.xid, SUCCESS);
		reply_header(conn, m, &reply);
	} else {
		serve_compound(&c, m, &call);
	}
	wire_arena_release(&c.arena);
}

FIBER_FN void request_serve(struct conn *conn, uint8_t *msg, uint32_t len)
{
	struct message *m = message_take(conn->mds);

	if (!m) {
		conn_cut(conn, "no memory to answer it");
		conn->nr_requests--;
		fiber_sem_give(&conn->mds->requests, 1);
		free(msg);
		return;
	}
	m->len = 0;
	serve_call(conn, m, msg, len);
	free(msg);
	if (m->len == 0 && !conn->closed)
		conn_cut(conn, "a request without an answer");
	conn_queue(conn, m->len ? message_shrink(conn->mds, m) : m);
}
