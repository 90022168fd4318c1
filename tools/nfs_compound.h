/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_NFS_COMPOUND_H
#define LAMINA_TOOLS_NFS_COMPOUND_H

/*
 * One COMPOUND of a client (RFC 8881, 16.2): put together operation by operation, sent over a connection, its results
 * walked.  Made once, it serves any number of compounds one after the other with the same memory.
 *
 *	nfs_compound_begin(c);
 *	nfs_op_putrootfh(c);				tools/nfs_op.h has a function for each operation
 *	at = nfs_op_getfh(c);
 *	err = nfs_session_send(session, c);		or nfs_compound_send(c, conn): as it is, without SEQUENCE
 *	if (!err && c->status == NFS4_OK)
 *		res = nfs_compound_result(c, at, OP_GETFH);
 *
 * A reply is outside input: it is checked against what was asked before anybody sees it.
 */

#include "proto/nfs4.h"
#include "proto/wire_rpc.h"
#include "proto/wire_xdr.h"
#include "tools/nfs_conn.h"

struct nfs_session;

#define NFS_COMPOUND_SIZE_MAX (8 << 20)	 /* bytes of the operations */
#define NFS_COMPOUND_OPS_MAX  4096	 /* operations */
#define NFS_COMPOUND_MEMORY   (16 << 20) /* what the results' arrays may take */
#define NFS_COMPOUND_HEAD_MAX 2048

/* A user, as AUTH_SYS says it. */
struct nfs_cred {
	bool is_none; /* AUTH_NONE instead */
	uint32_t uid;
	uint32_t gid;
	uint32_t nr_gids;
	uint32_t gids[WIRE_AUTHSYS_GIDS_MAX];
};

struct nfs_compound {
	/* For the caller to set after nfs_compound_begin(), which sets the defaults named here. */
	uint32_t minorversion; /* stays; 1 after init */
	struct nfs_cred cred;  /* stays; user 0 after init */
	const char *tag;       /* NULL: empty; at most 256 bytes */
	uint64_t timeout_ns;   /* stays; NFS_CONN_TIMEOUT_DEFAULT_NS after init */
	bool sets_xid;	       /* false: an xid that is free */
	bool sets_nr_ops;      /* false: the number of operations that there are */
	bool cachethis;	       /* of SEQUENCE: ask the server to remember the reply; true */
	bool resends;	       /* through a session: again after a broken connection; true */
	bool checks;	       /* a reply that does not fit the request is an error; true */
	uint32_t xid;	       /* used, or to be used */
	uint32_t claimed_nr_ops;
	struct nfs_conn *via; /* through a session: the connection to use; NULL: each in turn */
	uint32_t rpc_prog;    /* NFS4_PROGRAM, NFS_V4, NFSPROC4_COMPOUND */
	uint32_t rpc_vers;
	uint32_t rpc_proc;

	/* After an answer: */
	struct wire_reply rpc; /* RPC's head */
	nfsstat4 status;       /* of the compound */
	uint32_t nr_results;   /* without SEQUENCE, if the session has put that in front */
	bool has_sequence;     /* the session put a SEQUENCE in front and it was answered: */
	SEQUENCE4res sequence;
	const char *res_tag;
	uint32_t res_tag_len;
	uint32_t reply_len; /* bytes of the whole reply */

	/* Not for callers. */
	int err; /* the first failure of building, told when it is sent */
	uint32_t nr_ops;
	uint32_t body_len;
	uint32_t body_room;
	uint8_t *body; /* the operations, encoded */
	uint32_t head_len;
	bool sequence_is_ours; /* the head has a SEQUENCE */
	uint32_t *ops;	       /* their numbers, nr_room of them */
	struct nfs_resop4 *results;
	uint32_t nr_room;
	struct wire_arena args_arena; /* what lives until it is encoded */
	struct wire_arena arena;
	struct nfs_call call;
	struct nfs_conn *conn;	     /* where it is in flight */
	struct nfs_session *session; /* that it holds a slot of; the following are that session's */
	uint32_t slot;
	uint64_t deadline_ns;
	uint64_t generation; /* of the connection it was sent over */
	struct nfs_conn *sent_via;
	uint8_t head[NFS_COMPOUND_HEAD_MAX];
};

void nfs_compound_init(struct nfs_compound *c);
/* Not in flight.  Results are gone. */
void nfs_compound_release(struct nfs_compound *c);
/* Empty, not in flight; what the last one got is gone. */
void nfs_compound_begin(struct nfs_compound *c);

/*
 * Append an operation; returns its index.  What it points to is not needed afterwards.  A failure (beyond the limits
 * above, no memory) is remembered and told by whoever sends.
 */
uint32_t nfs_compound_add(struct nfs_compound *c, const struct nfs_argop4 *op);
/* Append an operation as bytes, its number included: malformed ones.  @op is what is expected to be answered. */
uint32_t nfs_compound_add_raw(struct nfs_compound *c, uint32_t op, const void *bytes, uint32_t len);

/* Send and wait for the answer, without any SEQUENCE but what was added.  Errors of _start() and _wait(). */
FIBER_FN int nfs_compound_send(struct nfs_compound *c, struct nfs_conn *conn) MUST_CHECK;

/*
 * In two steps, so that something may happen between.  @sequence: put it in front; NULL: nothing.  Errors of
 * nfs_conn_expect() and nfs_conn_send(); -EMSGSIZE, -ENOMEM: it could not be built.
 */
FIBER_FN int nfs_compound_start(struct nfs_compound *c, struct nfs_conn *conn, const SEQUENCE4args *sequence)
	MUST_CHECK;
/*
 * Wait until reactor time @deadline_ns and take the answer apart.  0: there is one, and results for it, maybe none;
 * errors of nfs_conn_wait(); -EBADMSG: it is malformed; -EPROTO: it does not fit the request, or contradicts itself;
 * -EOPNOTSUPP, -EACCES, -EBADRQC: RPC says that program, version or procedure are not there, that the credential is
 * refused, that the arguments are garbage: c->rpc has the details; -EIO: another failure of RPC.
 */
FIBER_FN int nfs_compound_wait(struct nfs_compound *c, uint64_t deadline_ns) MUST_CHECK;
/* Send the same bytes again, in the same flight or, when that has ended, a new one. */
FIBER_FN int nfs_compound_again(struct nfs_compound *c, struct nfs_conn *conn) MUST_CHECK;
/* Send the same bytes again without waiting for another answer. */
FIBER_FN int nfs_compound_duplicate(struct nfs_compound *c, struct nfs_conn *conn) MUST_CHECK;
/* When its time is over, counted from now. */
uint64_t nfs_compound_deadline(const struct nfs_compound *c, struct reactor *r) MUST_CHECK;

/* The result of the operation with this index, or NULL: it has none, or it is not of @op. */
const struct nfs_resop4 *nfs_compound_result(const struct nfs_compound *c, uint32_t index, uint32_t op) MUST_CHECK;
/* The status of the operation with this index; NFS_COMPOUND_NOT_REACHED: it has no result. */
#define NFS_COMPOUND_NOT_REACHED 0xffffffffu
uint32_t nfs_compound_op_status(const struct nfs_compound *c, uint32_t index) MUST_CHECK;

#endif
