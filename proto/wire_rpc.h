/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_PROTO_WIRE_RPC_H
#define LAMINA_PROTO_WIRE_RPC_H

/*
 * ONC RPC version 2 (RFC 5531): headers of calls and replies, for both sides.  Either side of a connection may call,
 * so a message is first asked what it is (wire_rpc_peek).
 *
 * Credentials are AUTH_NONE or AUTH_SYS.  RPCSEC_GSS and the probe for TLS (RFC 9289) are refused as a server that
 * has not heard of them refuses them, upon which clients go on without.
 */

#include <rpc/rpc_msg.h>

#include "proto/wire_xdr.h"

/* RFC 9289 */
#define WIRE_AUTH_TLS 7

/* Credential or verifier; the body points into the message. */
struct wire_auth {
	uint32_t flavor;
	uint32_t len; /* at most MAX_AUTH_BYTES */
	char *body;
};

struct wire_call {
	uint32_t xid;
	uint32_t prog;
	uint32_t vers;
	uint32_t proc;
	struct wire_auth cred;
	struct wire_auth verf;
};

struct wire_reply {
	uint32_t xid;
	enum reply_stat stat;	 /* which of the following count */
	enum accept_stat accept; /* MSG_ACCEPTED; results follow if SUCCESS */
	enum reject_stat reject; /* MSG_DENIED */
	enum auth_stat auth;	 /* AUTH_ERROR */
	uint32_t low;		 /* PROG_MISMATCH, RPC_MISMATCH: versions that there are */
	uint32_t high;
	struct wire_auth verf; /* MSG_ACCEPTED */
};

/* -EBADMSG: neither a call nor a reply. */
int wire_rpc_peek(const void *msg, uint32_t len, uint32_t *ret_xid, enum msg_type *ret_type) MUST_CHECK;

/*
 * A call's header; its arguments follow in @dec.  -EBADMSG: nothing that could be answered; -EPROTONOSUPPORT: another
 * RPC version, to be answered with wire_reply_rpc_mismatch().
 */
int wire_call_get(struct wire_dec *dec, struct wire_call *ret_call) MUST_CHECK;
/* -EMSGSIZE: does not fit. */
int wire_call_put(struct wire_enc *enc, const struct wire_call *call) MUST_CHECK;

/* A reply's header; results follow if it was accepted with SUCCESS.  -EBADMSG: malformed. */
int wire_reply_get(struct wire_dec *dec, struct wire_reply *ret_reply) MUST_CHECK;
int wire_reply_put(struct wire_enc *enc, const struct wire_reply *reply) MUST_CHECK;

/* Replies.  An accepted one has a verifier of AUTH_NONE. */
struct wire_reply wire_reply_accepted(uint32_t xid, enum accept_stat accept) MUST_CHECK;
struct wire_reply wire_reply_denied(uint32_t xid, enum auth_stat auth) MUST_CHECK;
struct wire_reply wire_reply_rpc_mismatch(uint32_t xid) MUST_CHECK;

/* A program that is served. */
struct wire_program {
	uint32_t prog;
	uint32_t vers_low;
	uint32_t vers_high;
	uint32_t nr_procs;
};

/* Whether @call is not for @program or has a credential that is not taken; then *@ret_reply is the whole answer. */
bool wire_call_is_refused(const struct wire_call *call, const struct wire_program *program,
			  struct wire_reply *ret_reply) MUST_CHECK;

/* AUTH_SYS: RFC 5531, appendix A. */
#define WIRE_AUTHSYS_NAME_MAX 255
#define WIRE_AUTHSYS_GIDS_MAX 16
struct wire_authsys {
	uint32_t stamp;
	char *machine; /* not terminated */
	uint32_t machine_len;
	uint32_t uid;
	uint32_t gid;
	uint32_t nr_gids;
	uint32_t gids[WIRE_AUTHSYS_GIDS_MAX];
};

/* -EBADMSG: @auth is not a well-formed AUTH_SYS credential.  The name points into it. */
int wire_authsys_get(const struct wire_auth *auth, struct wire_authsys *ret_sys) MUST_CHECK;
/* The credential in the MAX_AUTH_BYTES bytes at @body, which *@ret_auth then points into.  -EMSGSIZE: beyond a bound.
 */
int wire_authsys_put(const struct wire_authsys *sys, void *body, struct wire_auth *ret_auth) MUST_CHECK;

#endif
