/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_PROTO_WIRE_COMPOUND_H
#define LAMINA_PROTO_WIRE_COMPOUND_H

/*
 * COMPOUND and CB_COMPOUND (RFC 8881, 16.2 and 19.2), operation by operation, so that a server executes one before it
 * decodes the next, and stops encoding where the session's limits end.
 *
 *	server		wire_args_open, wire_args_next ...		wire_results_begin, _add ..., _end
 *	client		wire_args_begin, wire_args_add ..., _end	wire_results_open, wire_results_next ...
 *	callbacks	the same with wire_cb_, the roles exchanged
 */

#include "proto/nfs4.h"
#include "proto/wire_xdr.h"

/* Linux sends no tag; nobody needs more than some words. */
#define WIRE_TAG_MAX 1024

/* A compound that is being read. */
struct wire_compound_in {
	struct wire_dec *dec;
	char *tag; /* in the message */
	uint32_t tag_len;
	uint32_t minorversion;	 /* of arguments */
	uint32_t callback_ident; /* of a callback's arguments; means nothing since 4.1 */
	uint32_t status;	 /* of results: an nfsstat4 */
	uint32_t nr;		 /* operations that it claims to have */
	uint32_t next;		 /* how many were decoded */
	uint32_t op;		 /* number of the operation that was decoded, or not, by the last call */
};

/* Whether @op is an operation, or callback operation, of @minorversion (1 or 2). */
bool wire_op_is_known(uint32_t minorversion, uint32_t op) MUST_CHECK;
bool wire_cb_op_is_known(uint32_t minorversion, uint32_t op) MUST_CHECK;
/* Name without its OP_, in capitals; NULL: none such. */
const char *wire_op_name(uint32_t op) MUST_CHECK;

/*
 * What comes before the operations.  -EBADMSG: malformed, a tag beyond WIRE_TAG_MAX, or more operations than could be
 * in what is left.  Whether minorversion and number of operations are acceptable is for the caller to say.
 */
int wire_args_open(struct wire_compound_in *in, struct wire_dec *dec) MUST_CHECK;
int wire_results_open(struct wire_compound_in *in, struct wire_dec *dec) MUST_CHECK;
int wire_cb_args_open(struct wire_compound_in *in, struct wire_dec *dec) MUST_CHECK;
int wire_cb_results_open(struct wire_compound_in *in, struct wire_dec *dec) MUST_CHECK;

/*
 * The next operation; what it points to lives in the message and in the decoder's arena.  -ENOENT: that was the last;
 * -EOPNOTSUPP: @in->op is no operation of this minor version, the answer is OP_ILLEGAL; -EBADMSG: malformed, for
 * arguments NFS4ERR_BADXDR as the result of @in->op; -ENOBUFS, -ENOMEM: of the arena.  After an error other than
 * -ENOENT *@ret_op holds anything, and nothing more can be decoded.
 */
int wire_args_next(struct wire_compound_in *in, struct nfs_argop4 *ret_op) MUST_CHECK;
int wire_results_next(struct wire_compound_in *in, struct nfs_resop4 *ret_op) MUST_CHECK;
int wire_cb_args_next(struct wire_compound_in *in, struct nfs_cb_argop4 *ret_op) MUST_CHECK;
int wire_cb_results_next(struct wire_compound_in *in, struct nfs_cb_resop4 *ret_op) MUST_CHECK;

/* A compound that is being written. */
struct wire_compound_out {
	struct wire_enc *enc;
	uint32_t limit;	     /* bytes of the encoder that may be used */
	uint32_t status_pos; /* of results */
	uint32_t nr_pos;
	uint32_t nr;
	uint32_t nr_max; /* of results: operations of the request */
	uint32_t last;	 /* where the last operation begins; 0: it cannot be undone */
};

/*
 * What comes before the operations.  Results repeat the request's tag, and are as many as its operations at most.
 * -EMSGSIZE: does not fit; nothing written.
 */
int wire_args_begin(struct wire_compound_out *out, struct wire_enc *enc, const char *tag, uint32_t tag_len,
		    uint32_t minorversion) MUST_CHECK;
int wire_results_begin(struct wire_compound_out *out, struct wire_enc *enc, const struct wire_compound_in *request)
	MUST_CHECK;
int wire_cb_args_begin(struct wire_compound_out *out, struct wire_enc *enc, const char *tag, uint32_t tag_len,
		       uint32_t minorversion) MUST_CHECK;
int wire_cb_results_begin(struct wire_compound_out *out, struct wire_enc *enc, const struct wire_compound_in *request)
	MUST_CHECK;

/*
 * From here on use @limit bytes of the encoder: if that began with the RPC header, this is the session's
 * ca_maxresponsesize.  More than the buffer's size changes nothing.
 */
void wire_compound_limit(struct wire_compound_out *out, uint32_t limit);

/*
 * Append one operation.  -EMSGSIZE: does not fit; nothing written.  While results of other operations may follow
 * there always remains room for one error result, so wire_results_fail() can then say NFS4ERR_REP_TOO_BIG.
 * wire_size(nfs_resop4, &res) tells the size beforehand.
 */
int wire_args_add(struct wire_compound_out *out, const struct nfs_argop4 *op) MUST_CHECK;
int wire_results_add(struct wire_compound_out *out, const struct nfs_resop4 *op) MUST_CHECK;
int wire_cb_args_add(struct wire_compound_out *out, const struct nfs_cb_argop4 *op) MUST_CHECK;
int wire_cb_results_add(struct wire_compound_out *out, const struct nfs_cb_resop4 *op) MUST_CHECK;

/*
 * Where opaque data of the next result will lie if @head bytes of the result come before them, its number and status
 * and their own length included; *@ret_room is how many bytes of them and what follows fit, a multiple of 4.  Data
 * that was put there, and that the result points to, is not copied again by wire_results_add().
 */
void *wire_results_place(const struct wire_compound_out *out, uint32_t head, uint32_t *ret_room) MUST_CHECK;

/* Bytes of the longest result that wire_results_fail() writes: one with four bytes or a length 0 behind the status.
 */
#define WIRE_RESULT_FAIL_MAX 16

/*
 * Append the result of @op that says @status, not NFS4_OK, and nothing else: what an operation has to say beyond its
 * status is 0 or empty.  Not for NFS4ERR_DENIED, which has to say something.  @op OP_ILLEGAL: the number was unknown.
 * -EMSGSIZE: the last operation's failure does not fit either, or there was a failure before.
 */
int wire_results_fail(struct wire_compound_out *out, uint32_t op, nfsstat4 status) MUST_CHECK;
int wire_cb_results_fail(struct wire_compound_out *out, uint32_t op, nfsstat4 status) MUST_CHECK;

/* Take back the last operation that was appended; once. */
void wire_compound_undo(struct wire_compound_out *out);
/* Bytes of the encoder that are in use. */
uint32_t wire_compound_size(const struct wire_compound_out *out) MUST_CHECK;

/* Write what was left open. */
void wire_args_end(struct wire_compound_out *out);
void wire_results_end(struct wire_compound_out *out, nfsstat4 status);

#endif
