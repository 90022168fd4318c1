/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: what is sent is what was added, byte for byte, also when it is sent again; results are those of the
 * operations that were sent, in their order, all but the last NFS4_OK, unless the caller has turned that check off.
 *
 * Operations are encoded when they are added.  The head (RPC, tag, SEQUENCE) is encoded when it is sent, since slot
 * and xid are not known before, and goes out in front of them without a copy.
 */

#include "tools/nfs_compound.h"

#include <stdlib.h>
#include <string.h>

#include "dev/reactor.h"
#include "proto/wire_compound.h"

#define BODY_ROOM 4096
#define TAG_MAX	  256

void nfs_compound_init(struct nfs_compound *c)
{
	*c = (struct nfs_compound){ .minorversion = 1, .timeout_ns = NFS_CONN_TIMEOUT_DEFAULT_NS };
	wire_arena_init(&c->args_arena, NFS_COMPOUND_SIZE_MAX);
	wire_arena_init(&c->arena, NFS_COMPOUND_MEMORY);
	nfs_compound_begin(c);
}

static void compound_forget(struct nfs_compound *c)
{
	if (c->conn)
		nfs_conn_forget(c->conn, &c->call);
	c->conn = NULL;
	free(c->call.reply);
	c->call = (struct nfs_call){ 0 };
	c->status = NFS4_OK;
	c->nr_results = 0;
	c->has_sequence = false;
	c->res_tag_len = 0;
	c->reply_len = 0;
	c->rpc = (struct wire_reply){ 0 };
	wire_arena_reset(&c->arena);
}

void nfs_compound_release(struct nfs_compound *c)
{
	compound_forget(c);
	wire_arena_release(&c->args_arena);
	wire_arena_release(&c->arena);
	free(c->body);
	free(c->ops);
	free(c->results);
	c->body = NULL;
	c->ops = NULL;
	c->results = NULL;
	c->body_room = 0;
	c->nr_room = 0;
}

void nfs_compound_begin(struct nfs_compound *c)
{
	compound_forget(c);
	wire_arena_reset(&c->args_arena);
	c->tag = NULL;
	c->sets_xid = false;
	c->sets_nr_ops = false;
	c->cachethis = true;
	c->resends = true;
	c->checks = true;
	c->via = NULL;
	c->session = NULL;
	c->rpc_prog = NFS4_PROGRAM;
	c->rpc_vers = NFS_V4;
	c->rpc_proc = NFSPROC4_COMPOUND;
	c->err = 0;
	c->nr_ops = 0;
	c->body_len = 0;
	c->head_len = 0;
}

static void compound_fail(struct nfs_compound *c, int err)
{
	if (!c->err)
		c->err = err;
}

/* A result for each operation, and one for SEQUENCE. */
static int compound_grow_ops(struct nfs_compound *c)
{
	uint32_t room = c->nr_room ? 2 * c->nr_room : 16;
	struct nfs_resop4 *results;
	uint32_t *ops;

	if (c->nr_ops >= NFS_COMPOUND_OPS_MAX)
		return -EMSGSIZE;
	if (c->nr_ops + 1 < c->nr_room)
		return 0;
	ops = realloc(c->ops, room * sizeof(*ops));
	if (!ops)
		return -ENOMEM;
	c->ops = ops;
	results = realloc(c->results, room * sizeof(*results));
	if (!results)
		return -ENOMEM;
	c->results = results;
	c->nr_room = room;
	return 0;
}

static int compound_grow_body(struct nfs_compound *c, uint32_t want)
{
	uint32_t room = c->body_room ? c->body_room : BODY_ROOM;
	uint8_t *body;

	if (want > NFS_COMPOUND_SIZE_MAX)
		return -EMSGSIZE;
	while (room < want)
		room *= 2;
	if (room == c->body_room)
		return 0;
	body = realloc(c->body, room);
	if (!body)
		return -ENOMEM;
	c->body = body;
	c->body_room = room;
	return 0;
}

/* Encode behind what is there; -EMSGSIZE: there is no room yet, or never will be. */
static int compound_encode_op(struct nfs_compound *c, const struct nfs_argop4 *op)
{
	struct wire_enc enc;
	int err;

	if (c->body_len >= c->body_room)
		return -EMSGSIZE;
	wire_enc_init(&enc, c->body + c->body_len, c->body_room - c->body_len);
	err = wire_put(&enc, nfs_argop4, (struct nfs_argop4 *)(uintptr_t)op);
	if (!err)
		c->body_len += wire_enc_pos(&enc);
	return err;
}

static uint32_t compound_added(struct nfs_compound *c, uint32_t op, int err)
{
	if (err)
		compound_fail(c, err);
	else
		c->ops[c->nr_ops] = op;
	return c->nr_ops++;
}

uint32_t nfs_compound_add(struct nfs_compound *c, const struct nfs_argop4 *op)
{
	int err = c->err ? c->err : compound_grow_ops(c);

	if (!err)
		err = compound_encode_op(c, op);
	while (err == -EMSGSIZE && !c->err) {
		err = compound_grow_body(c, c->body_room + 1);
		if (err)
			break;
		err = compound_encode_op(c, op);
	}
	/* What was lent to it is encoded now. */
	wire_arena_reset(&c->args_arena);
	return compound_added(c, op->argop, err);
}

uint32_t nfs_compound_add_raw(struct nfs_compound *c, uint32_t op, const void *bytes, uint32_t len)
{
	int err = c->err ? c->err : compound_grow_ops(c);

	if (!err)
		err = len > NFS_COMPOUND_SIZE_MAX ? -EMSGSIZE : compound_grow_body(c, c->body_len + len);
	if (!err && len) {
		memcpy(c->body + c->body_len, bytes, len);
		c->body_len += len;
	}
	return compound_added(c, op, err);
}

static int compound_encode_cred(const struct nfs_cred *cred, void *body, struct wire_auth *ret_auth)
{
	struct wire_authsys sys = { .machine = (char *)(uintptr_t) "lamina",
				    .machine_len = 6,
				    .uid = cred->uid,
				    .gid = cred->gid,
				    .nr_gids = cred->nr_gids };

	*ret_auth = (struct wire_auth){ .flavor = AUTH_NONE };
	if (cred->is_none)
		return 0;
	if (cred->nr_gids > WIRE_AUTHSYS_GIDS_MAX)
		return -EMSGSIZE;
	memcpy(sys.gids, cred->gids, cred->nr_gids * sizeof(sys.gids[0]));
	return wire_authsys_put(&sys, body, ret_auth);
}

static int compound_encode_head(struct nfs_compound *c, const SEQUENCE4args *sequence)
{
	struct wire_call call = { .xid = c->xid, .prog = c->rpc_prog, .vers = c->rpc_vers, .proc = c->rpc_proc };
	struct nfs_argop4 op = { .argop = OP_SEQUENCE };
	uint32_t tag_len = c->tag ? (uint32_t)strnlen(c->tag, TAG_MAX) : 0;
	uint8_t auth[MAX_AUTH_BYTES];
	struct wire_compound_out out;
	struct wire_enc enc;
	int err;

	wire_enc_init(&enc, c->head, sizeof(c->head));
	err = compound_encode_cred(&c->cred, auth, &call.cred);
	if (!err)
		err = wire_call_put(&enc, &call);
	if (!err && c->rpc_proc != NFSPROC4_NULL) {
		err = wire_args_begin(&out, &enc, c->tag, tag_len, c->minorversion);
		if (!err && sequence) {
			op.nfs_argop4_u.opsequence = *sequence;
			err = wire_args_add(&out, &op);
		}
		if (err)
			return err;
		out.nr = c->sets_nr_ops ? c->claimed_nr_ops : out.nr + c->nr_ops;
		wire_args_end(&out);
	}
	c->head_len = wire_enc_pos(&enc);
	c->sequence_is_ours = sequence;
	return err;
}

FIBER_FN int nfs_compound_duplicate(struct nfs_compound *c, struct nfs_conn *conn)
{
	struct iovec iov[] = { { c->head, c->head_len }, { c->body, c->body_len } };

	return nfs_conn_send(conn, iov, c->body_len ? 2 : 1);
}

FIBER_FN int nfs_compound_again(struct nfs_compound *c, struct nfs_conn *conn)
{
	int err;

	/* Its flight, if any, is over: only what it was answered counts. */
	compound_forget(c);
	c->call.xid = c->xid;
	err = nfs_conn_expect(conn, &c->call);
	if (err)
		return err;
	c->conn = conn;
	err = nfs_compound_duplicate(c, conn);
	if (err) {
		nfs_conn_forget(conn, &c->call);
		c->conn = NULL;
	}
	return err;
}

FIBER_FN int nfs_compound_start(struct nfs_compound *c, struct nfs_conn *conn, const SEQUENCE4args *sequence)
{
	int err = c->err;

	if (!err && !c->nr_room)
		err = compound_grow_ops(c);
	if (err)
		return err;
	if (!c->sets_xid)
		c->xid = nfs_conn_xid(conn);
	err = compound_encode_head(c, sequence);
	return err ? err : nfs_compound_again(c, conn);
}

uint64_t nfs_compound_deadline(const struct nfs_compound *c, struct reactor *r)
{
	return reactor_now_ns(r) + c->timeout_ns;
}

static int compound_rpc_error(const struct wire_reply *rpc)
{
	if (rpc->stat == MSG_DENIED)
		return rpc->reject == AUTH_ERROR ? -EACCES : -EOPNOTSUPP;
	switch (rpc->accept) {
	case SUCCESS:
		return 0;
	case PROG_UNAVAIL:
	case PROG_MISMATCH:
	case PROC_UNAVAIL:
		return -EOPNOTSUPP;
	case GARBAGE_ARGS:
		return -EBADRQC;
	default:
		return -EIO;
	}
}

/* All results begin with their status. */
static uint32_t result_status(const struct nfs_resop4 *res)
{
	uint32_t status;

	memcpy(&status, &res->nfs_resop4_u, sizeof(status));
	return status;
}

static bool compound_op_fits(const struct nfs_compound *c, uint32_t at, const struct nfs_resop4 *res)
{
	if (c->sequence_is_ours && at == 0)
		return res->resop == OP_SEQUENCE;
	at -= c->sequence_is_ours;
	return at < c->nr_ops && (res->resop == c->ops[at] || res->resop == OP_ILLEGAL);
}

/* Whether the results belong to the request: the right operations, OK but for the last, which has the status. */
static bool compound_fits(const struct nfs_compound *c, const struct wire_compound_in *in)
{
	for (uint32_t i = 0; i < in->nr; i++) {
		uint32_t status = result_status(&c->results[i]);

		if (!compound_op_fits(c, i, &c->results[i]))
			return false;
		if (i + 1 < in->nr ? status != NFS4_OK : status != in->status)
			return false;
	}
	if (in->nr == 0)
		return in->status != NFS4_OK || (c->nr_ops == 0 && !c->sequence_is_ours);
	return in->status != NFS4_OK || in->nr == c->nr_ops + c->sequence_is_ours;
}

static int compound_decode_results(struct nfs_compound *c, struct wire_dec *dec)
{
	struct wire_compound_in in;
	uint32_t room;
	int err = wire_results_open(&in, dec);

	if (err)
		return err;
	c->status = (nfsstat4)in.status;
	c->res_tag = in.tag;
	c->res_tag_len = in.tag_len;
	room = c->nr_ops + c->sequence_is_ours;
	if (in.nr > room && c->checks)
		return -EPROTO;
	if (in.nr > room)
		in.nr = room;
	for (uint32_t i = 0; i < in.nr && !err; i++)
		err = wire_results_next(&in, &c->results[i]);
	if (err)
		return err;
	if (wire_dec_left(dec) && c->checks)
		return -EBADMSG;
	if (c->checks && !compound_fits(c, &in))
		return -EPROTO;
	c->nr_results = in.nr;
	/* The caller counts its own operations. */
	if (c->sequence_is_ours && in.nr > 0 && c->results[0].resop == OP_SEQUENCE) {
		c->has_sequence = true;
		c->sequence = c->results[0].nfs_resop4_u.opsequence;
		memmove(c->results, c->results + 1, (in.nr - 1) * sizeof(c->results[0]));
		c->nr_results--;
	}
	return 0;
}

FIBER_FN int nfs_compound_wait(struct nfs_compound *c, uint64_t deadline_ns)
{
	struct wire_dec dec;
	int err;

	if (!c->conn)
		return -ENOTCONN;
	err = nfs_conn_wait(c->conn, &c->call, deadline_ns);
	c->conn = NULL;
	if (err)
		return err;
	c->reply_len = c->call.reply_len;
	wire_dec_init(&dec, c->call.reply, c->call.reply_len, &c->arena);
	err = wire_reply_get(&dec, &c->rpc);
	if (!err)
		err = compound_rpc_error(&c->rpc);
	if (err || c->rpc_proc == NFSPROC4_NULL)
		return err;
	return compound_decode_results(c, &dec);
}

FIBER_FN int nfs_compound_send(struct nfs_compound *c, struct nfs_conn *conn)
{
	int err = nfs_compound_start(c, conn, NULL);

	return err ? err : nfs_compound_wait(c, nfs_compound_deadline(c, nfs_conn_reactor(conn)));
}

const struct nfs_resop4 *nfs_compound_result(const struct nfs_compound *c, uint32_t index, uint32_t op)
{
	return index < c->nr_results && c->results[index].resop == op ? &c->results[index] : NULL;
}

uint32_t nfs_compound_op_status(const struct nfs_compound *c, uint32_t index)
{
	return index < c->nr_results ? result_status(&c->results[index]) : NFS_COMPOUND_NOT_REACHED;
}
