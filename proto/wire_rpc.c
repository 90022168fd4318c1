/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a header that does not follow RFC 5531 to the letter is an error, never a guess; what follows a header is
 * left to whoever knows the program.
 */

#include "proto/wire_rpc.h"

#include <string.h>

#define RPC_VERSION 2

static bool get_u32(struct wire_dec *dec, uint32_t *ret)
{
	return xdr_uint32_t(&dec->xdr, ret);
}

static bool get_auth(struct wire_dec *dec, struct wire_auth *ret)
{
	return get_u32(dec, &ret->flavor) && wire_get_bytes(dec, MAX_AUTH_BYTES, &ret->body, &ret->len) == 0;
}

static bool put_u32(struct wire_enc *enc, uint32_t val)
{
	return wire_put_u32(enc, val) == 0;
}

static bool put_auth(struct wire_enc *enc, const struct wire_auth *auth)
{
	return auth->len <= MAX_AUTH_BYTES && put_u32(enc, auth->flavor) &&
	       wire_put_bytes(enc, auth->body, auth->len) == 0;
}

int wire_rpc_peek(const void *msg, uint32_t len, uint32_t *ret_xid, enum msg_type *ret_type)
{
	struct wire_dec dec;
	uint32_t xid, type;

	wire_dec_init(&dec, msg, len, NULL);
	if (!get_u32(&dec, &xid) || !get_u32(&dec, &type) || type > REPLY)
		return -EBADMSG;
	*ret_xid = xid;
	*ret_type = (enum msg_type)type;
	return 0;
}

int wire_call_get(struct wire_dec *dec, struct wire_call *ret_call)
{
	struct wire_call call;
	uint32_t type, version;

	if (!get_u32(dec, &call.xid) || !get_u32(dec, &type) || type != CALL || !get_u32(dec, &version))
		return -EBADMSG;
	if (version != RPC_VERSION)
		return -EPROTONOSUPPORT;
	if (!get_u32(dec, &call.prog) || !get_u32(dec, &call.vers) || !get_u32(dec, &call.proc) ||
	    !get_auth(dec, &call.cred) || !get_auth(dec, &call.verf))
		return -EBADMSG;
	*ret_call = call;
	return 0;
}

int wire_call_put(struct wire_enc *enc, const struct wire_call *call)
{
	uint32_t pos = wire_enc_pos(enc);

	return wire_enc_result(enc, pos,
			       put_u32(enc, call->xid) && put_u32(enc, CALL) && put_u32(enc, RPC_VERSION) &&
				       put_u32(enc, call->prog) && put_u32(enc, call->vers) &&
				       put_u32(enc, call->proc) && put_auth(enc, &call->cred) &&
				       put_auth(enc, &call->verf));
}

static bool get_range(struct wire_dec *dec, struct wire_reply *reply)
{
	return get_u32(dec, &reply->low) && get_u32(dec, &reply->high);
}

static bool get_accepted(struct wire_dec *dec, struct wire_reply *reply)
{
	uint32_t accept;

	if (!get_auth(dec, &reply->verf) || !get_u32(dec, &accept) || accept > SYSTEM_ERR)
		return false;
	reply->accept = (enum accept_stat)accept;
	return accept != PROG_MISMATCH || get_range(dec, reply);
}

static bool get_denied(struct wire_dec *dec, struct wire_reply *reply)
{
	uint32_t reject, auth;

	if (!get_u32(dec, &reject) || reject > AUTH_ERROR)
		return false;
	reply->reject = (enum reject_stat)reject;
	if (reject == RPC_MISMATCH)
		return get_range(dec, reply);
	if (!get_u32(dec, &auth))
		return false;
	reply->auth = (enum auth_stat)auth;
	return true;
}

int wire_reply_get(struct wire_dec *dec, struct wire_reply *ret_reply)
{
	struct wire_reply reply = { 0 };
	uint32_t type, stat;

	if (!get_u32(dec, &reply.xid) || !get_u32(dec, &type) || type != REPLY || !get_u32(dec, &stat) ||
	    stat > MSG_DENIED)
		return -EBADMSG;
	reply.stat = (enum reply_stat)stat;
	if (!(stat == MSG_ACCEPTED ? get_accepted(dec, &reply) : get_denied(dec, &reply)))
		return -EBADMSG;
	*ret_reply = reply;
	return 0;
}

static bool put_range(struct wire_enc *enc, const struct wire_reply *reply)
{
	return put_u32(enc, reply->low) && put_u32(enc, reply->high);
}

static bool put_accepted(struct wire_enc *enc, const struct wire_reply *reply)
{
	return put_auth(enc, &reply->verf) && put_u32(enc, reply->accept) &&
	       (reply->accept != PROG_MISMATCH || put_range(enc, reply));
}

static bool put_denied(struct wire_enc *enc, const struct wire_reply *reply)
{
	return put_u32(enc, reply->reject) &&
	       (reply->reject == RPC_MISMATCH ? put_range(enc, reply) : put_u32(enc, reply->auth));
}

int wire_reply_put(struct wire_enc *enc, const struct wire_reply *reply)
{
	uint32_t pos = wire_enc_pos(enc);

	return wire_enc_result(
		enc, pos,
		put_u32(enc, reply->xid) && put_u32(enc, REPLY) && put_u32(enc, reply->stat) &&
			(reply->stat == MSG_ACCEPTED ? put_accepted(enc, reply) : put_denied(enc, reply)));
}

struct wire_reply wire_reply_accepted(uint32_t xid, enum accept_stat accept)
{
	return (struct wire_reply){ .xid = xid, .stat = MSG_ACCEPTED, .accept = accept };
}

struct wire_reply wire_reply_denied(uint32_t xid, enum auth_stat auth)
{
	return (struct wire_reply){ .xid = xid, .stat = MSG_DENIED, .reject = AUTH_ERROR, .auth = auth };
}

struct wire_reply wire_reply_rpc_mismatch(uint32_t xid)
{
	return (struct wire_reply){
		.xid = xid, .stat = MSG_DENIED, .reject = RPC_MISMATCH, .low = RPC_VERSION, .high = RPC_VERSION
	};
}

static bool cred_is_taken(const struct wire_auth *cred)
{
	struct wire_authsys sys;

	return cred->flavor == AUTH_NONE || (cred->flavor == AUTH_SYS && wire_authsys_get(cred, &sys) == 0);
}

bool wire_call_is_refused(const struct wire_call *call, const struct wire_program *program,
			  struct wire_reply *ret_reply)
{
	if (!cred_is_taken(&call->cred)) {
		*ret_reply = wire_reply_denied(call->xid, AUTH_BADCRED);
	} else if (call->prog != program->prog) {
		*ret_reply = wire_reply_accepted(call->xid, PROG_UNAVAIL);
	} else if (call->vers < program->vers_low || call->vers > program->vers_high) {
		*ret_reply = wire_reply_accepted(call->xid, PROG_MISMATCH);
		ret_reply->low = program->vers_low;
		ret_reply->high = program->vers_high;
	} else if (call->proc >= program->nr_procs) {
		*ret_reply = wire_reply_accepted(call->xid, PROC_UNAVAIL);
	} else {
		return false;
	}
	return true;
}

int wire_authsys_get(const struct wire_auth *auth, struct wire_authsys *ret_sys)
{
	struct wire_authsys sys = { 0 };
	struct wire_dec dec;

	if (auth->flavor != AUTH_SYS)
		return -EBADMSG;
	wire_dec_init(&dec, auth->body, auth->len, NULL);
	if (!get_u32(&dec, &sys.stamp) ||
	    wire_get_bytes(&dec, WIRE_AUTHSYS_NAME_MAX, &sys.machine, &sys.machine_len) || !get_u32(&dec, &sys.uid) ||
	    !get_u32(&dec, &sys.gid) || !get_u32(&dec, &sys.nr_gids) || sys.nr_gids > WIRE_AUTHSYS_GIDS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < sys.nr_gids; i++) {
		if (!get_u32(&dec, &sys.gids[i]))
			return -EBADMSG;
	}
	if (wire_dec_left(&dec))
		return -EBADMSG;
	*ret_sys = sys;
	return 0;
}

int wire_authsys_put(const struct wire_authsys *sys, void *body, struct wire_auth *ret_auth)
{
	struct wire_enc enc;

	wire_enc_init(&enc, body, MAX_AUTH_BYTES);
	if (sys->machine_len > WIRE_AUTHSYS_NAME_MAX || sys->nr_gids > WIRE_AUTHSYS_GIDS_MAX ||
	    !put_u32(&enc, sys->stamp) || wire_put_bytes(&enc, sys->machine, sys->machine_len) ||
	    !put_u32(&enc, sys->uid) || !put_u32(&enc, sys->gid) || !put_u32(&enc, sys->nr_gids))
		return -EMSGSIZE;
	for (uint32_t i = 0; i < sys->nr_gids; i++) {
		if (!put_u32(&enc, sys->gids[i]))
			return -EMSGSIZE;
	}
	*ret_auth = (struct wire_auth){ .flavor = AUTH_SYS, .len = wire_enc_pos(&enc), .body = body };
	return 0;
}
