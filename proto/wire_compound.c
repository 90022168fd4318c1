/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: at every moment what was written is a compound of whole operations, and what was read is one; an operation
 * that fails to fit or to decode changes nothing of that.
 */

#include "proto/wire_compound.h"

#include <string.h>

bool wire_op_is_known(uint32_t minorversion, uint32_t op)
{
	return op >= OP_ACCESS &&
	       op <= (minorversion >= 2 ? (uint32_t)OP_REMOVEXATTR : (uint32_t)OP_RECLAIM_COMPLETE);
}

bool wire_cb_op_is_known(uint32_t minorversion, uint32_t op)
{
	return op >= OP_CB_GETATTR &&
	       op <= (minorversion >= 2 ? (uint32_t)OP_CB_OFFLOAD : (uint32_t)OP_CB_NOTIFY_DEVICEID);
}

const char *wire_op_name(uint32_t op)
{
	static const char *const names[] = {
#define OP_NAME(name) [OP_##name] = #name
		OP_NAME(ACCESS),
		OP_NAME(CLOSE),
		OP_NAME(COMMIT),
		OP_NAME(CREATE),
		OP_NAME(DELEGPURGE),
		OP_NAME(DELEGRETURN),
		OP_NAME(GETATTR),
		OP_NAME(GETFH),
		OP_NAME(LINK),
		OP_NAME(LOCK),
		OP_NAME(LOCKT),
		OP_NAME(LOCKU),
		OP_NAME(LOOKUP),
		OP_NAME(LOOKUPP),
		OP_NAME(NVERIFY),
		OP_NAME(OPEN),
		OP_NAME(OPENATTR),
		OP_NAME(OPEN_CONFIRM),
		OP_NAME(OPEN_DOWNGRADE),
		OP_NAME(PUTFH),
		OP_NAME(PUTPUBFH),
		OP_NAME(PUTROOTFH),
		OP_NAME(READ),
		OP_NAME(READDIR),
		OP_NAME(READLINK),
		OP_NAME(REMOVE),
		OP_NAME(RENAME),
		OP_NAME(RENEW),
		OP_NAME(RESTOREFH),
		OP_NAME(SAVEFH),
		OP_NAME(SECINFO),
		OP_NAME(SETATTR),
		OP_NAME(SETCLIENTID),
		OP_NAME(SETCLIENTID_CONFIRM),
		OP_NAME(VERIFY),
		OP_NAME(WRITE),
		OP_NAME(RELEASE_LOCKOWNER),
		OP_NAME(BACKCHANNEL_CTL),
		OP_NAME(BIND_CONN_TO_SESSION),
		OP_NAME(EXCHANGE_ID),
		OP_NAME(CREATE_SESSION),
		OP_NAME(DESTROY_SESSION),
		OP_NAME(FREE_STATEID),
		OP_NAME(GET_DIR_DELEGATION),
		OP_NAME(GETDEVICEINFO),
		OP_NAME(GETDEVICELIST),
		OP_NAME(LAYOUTCOMMIT),
		OP_NAME(LAYOUTGET),
		OP_NAME(LAYOUTRETURN),
		OP_NAME(SECINFO_NO_NAME),
		OP_NAME(SEQUENCE),
		OP_NAME(SET_SSV),
		OP_NAME(TEST_STATEID),
		OP_NAME(WANT_DELEGATION),
		OP_NAME(DESTROY_CLIENTID),
		OP_NAME(RECLAIM_COMPLETE),
		OP_NAME(ALLOCATE),
		OP_NAME(COPY),
		OP_NAME(COPY_NOTIFY),
		OP_NAME(DEALLOCATE),
		OP_NAME(IO_ADVISE),
		OP_NAME(LAYOUTERROR),
		OP_NAME(LAYOUTSTATS),
		OP_NAME(OFFLOAD_CANCEL),
		OP_NAME(OFFLOAD_STATUS),
		OP_NAME(READ_PLUS),
		OP_NAME(SEEK),
		OP_NAME(WRITE_SAME),
		OP_NAME(CLONE),
		OP_NAME(GETXATTR),
		OP_NAME(SETXATTR),
		OP_NAME(LISTXATTRS),
		OP_NAME(REMOVEXATTR),
#undef OP_NAME
	};

	return op < ARRAY_SIZE(names) ? names[op] : NULL;
}

static bool get_tag(struct wire_compound_in *in)
{
	return wire_get_bytes(in->dec, WIRE_TAG_MAX, &in->tag, &in->tag_len) == 0;
}

static bool get_u32(struct wire_compound_in *in, uint32_t *ret)
{
	return xdr_uint32_t(&in->dec->xdr, ret);
}

/* Every operation takes at least its number. */
static bool get_count(struct wire_compound_in *in)
{
	return get_u32(in, &in->nr) && in->nr <= wire_dec_left(in->dec) / BYTES_PER_XDR_UNIT;
}

int wire_args_open(struct wire_compound_in *in, struct wire_dec *dec)
{
	*in = (struct wire_compound_in){ .dec = dec };
	return get_tag(in) && get_u32(in, &in->minorversion) && get_count(in) ? 0 : -EBADMSG;
}

int wire_results_open(struct wire_compound_in *in, struct wire_dec *dec)
{
	*in = (struct wire_compound_in){ .dec = dec };
	return get_u32(in, &in->status) && get_tag(in) && get_count(in) ? 0 : -EBADMSG;
}

int wire_cb_args_open(struct wire_compound_in *in, struct wire_dec *dec)
{
	*in = (struct wire_compound_in){ .dec = dec };
	return get_tag(in) && get_u32(in, &in->minorversion) && get_u32(in, &in->callback_ident) && get_count(in)
		       ? 0
		       : -EBADMSG;
}

int wire_cb_results_open(struct wire_compound_in *in, struct wire_dec *dec)
{
	return wire_results_open(in, dec);
}

/* Look at the number of the next operation, leaving it for the decoder. */
static int next_op(struct wire_compound_in *in)
{
	uint32_t pos = wire_dec_pos(in->dec);

	if (in->next >= in->nr)
		return -ENOENT;
	if (!get_u32(in, &in->op) || !xdr_setpos(&in->dec->xdr, pos))
		return -EBADMSG;
	return 0;
}

static int op_done(struct wire_compound_in *in, bool_t ok)
{
	if (ok)
		in->next++;
	return wire_dec_result(in->dec, ok);
}

int wire_args_next(struct wire_compound_in *in, struct nfs_argop4 *ret_op)
{
	int err = next_op(in);

	if (err)
		return err;
	if (!wire_op_is_known(in->minorversion, in->op))
		return -EOPNOTSUPP;
	return op_done(in, xdr_nfs_argop4(&in->dec->xdr, ret_op));
}

int wire_results_next(struct wire_compound_in *in, struct nfs_resop4 *ret_op)
{
	int err = next_op(in);

	return err ? err : op_done(in, xdr_nfs_resop4(&in->dec->xdr, ret_op));
}

int wire_cb_args_next(struct wire_compound_in *in, struct nfs_cb_argop4 *ret_op)
{
	int err = next_op(in);

	if (err)
		return err;
	if (!wire_cb_op_is_known(in->minorversion, in->op))
		return -EOPNOTSUPP;
	return op_done(in, xdr_nfs_cb_argop4(&in->dec->xdr, ret_op));
}

int wire_cb_results_next(struct wire_compound_in *in, struct nfs_cb_resop4 *ret_op)
{
	int err = next_op(in);

	return err ? err : op_done(in, xdr_nfs_cb_resop4(&in->dec->xdr, ret_op));
}

static bool put_tag(struct wire_enc *enc, const char *tag, uint32_t tag_len)
{
	assert(tag_len <= WIRE_TAG_MAX);
	return wire_put_bytes(enc, tag, tag_len) == 0;
}

static bool put_u32(struct wire_enc *enc, uint32_t val)
{
	return wire_put_u32(enc, val) == 0;
}

static bool put_open_u32(struct wire_enc *enc, uint32_t *ret_pos)
{
	return wire_enc_reserve_u32(enc, ret_pos) == 0;
}

static void out_init(struct wire_compound_out *out, struct wire_enc *enc)
{
	*out = (struct wire_compound_out){ .enc = enc, .limit = enc->limit };
}

int wire_args_begin(struct wire_compound_out *out, struct wire_enc *enc, const char *tag, uint32_t tag_len,
		    uint32_t minorversion)
{
	uint32_t pos = wire_enc_pos(enc);

	out_init(out, enc);
	return wire_enc_result(enc, pos,
			       put_tag(enc, tag, tag_len) && put_u32(enc, minorversion) &&
				       put_open_u32(enc, &out->nr_pos));
}

int wire_cb_args_begin(struct wire_compound_out *out, struct wire_enc *enc, const char *tag, uint32_t tag_len,
		       uint32_t minorversion)
{
	uint32_t pos = wire_enc_pos(enc);

	out_init(out, enc);
	return wire_enc_result(enc, pos,
			       put_tag(enc, tag, tag_len) && put_u32(enc, minorversion) && put_u32(enc, 0) &&
				       put_open_u32(enc, &out->nr_pos));
}

int wire_results_begin(struct wire_compound_out *out, struct wire_enc *enc, const struct wire_compound_in *request)
{
	uint32_t pos = wire_enc_pos(enc);

	out_init(out, enc);
	out->nr_max = request->nr;
	return wire_enc_result(enc, pos,
			       put_open_u32(enc, &out->status_pos) && put_tag(enc, request->tag, request->tag_len) &&
				       put_open_u32(enc, &out->nr_pos));
}

int wire_cb_results_begin(struct wire_compound_out *out, struct wire_enc *enc, const struct wire_compound_in *request)
{
	return wire_results_begin(out, enc, request);
}

void wire_compound_limit(struct wire_compound_out *out, uint32_t limit)
{
	out->limit = limit < out->enc->size ? limit : out->enc->size;
	wire_enc_limit(out->enc, out->limit);
}

uint32_t wire_compound_size(const struct wire_compound_out *out)
{
	return wire_enc_pos(out->enc);
}

/* Before one operation: leave @spare bytes below the limit.  Returns where it begins. */
static uint32_t op_begin(struct wire_compound_out *out, uint32_t spare)
{
	wire_enc_limit(out->enc, out->limit > spare ? out->limit - spare : 0);
	return wire_enc_pos(out->enc);
}

/* A failure must find room, unless this is the result that could be one. */
static uint32_t result_spare(const struct wire_compound_out *out)
{
	return out->nr + 1 < out->nr_max ? WIRE_RESULT_FAIL_MAX : 0;
}

static uint32_t result_begin(struct wire_compound_out *out)
{
	assert(out->nr < out->nr_max);
	return op_begin(out, result_spare(out));
}

void *wire_results_place(const struct wire_compound_out *out, uint32_t head, uint32_t *ret_room)
{
	uint64_t pos = (uint64_t)wire_enc_pos(out->enc) + head;
	uint64_t end = out->limit - min_u64(out->limit, result_spare(out));

	*ret_room = (uint32_t)round_down_u64(end - min_u64(end, pos), BYTES_PER_XDR_UNIT);
	return out->enc->buf + min_u64(pos, out->enc->size);
}

static int op_end(struct wire_compound_out *out, uint32_t pos, bool_t ok)
{
	int err = wire_enc_result(out->enc, pos, ok);

	wire_enc_limit(out->enc, out->limit);
	if (err)
		return err;
	out->last = pos;
	out->nr++;
	return 0;
}

/* The encoders take pointers for both directions; encoding does not change what it encodes. */
#define UNCONST(type, op) ((type *)(uintptr_t)(op))

int wire_args_add(struct wire_compound_out *out, const struct nfs_argop4 *op)
{
	uint32_t pos = op_begin(out, 0);

	return op_end(out, pos, xdr_nfs_argop4(&out->enc->xdr, UNCONST(nfs_argop4, op)));
}

int wire_results_add(struct wire_compound_out *out, const struct nfs_resop4 *op)
{
	uint32_t pos = result_begin(out);

	return op_end(out, pos, xdr_nfs_resop4(&out->enc->xdr, UNCONST(nfs_resop4, op)));
}

int wire_cb_args_add(struct wire_compound_out *out, const struct nfs_cb_argop4 *op)
{
	uint32_t pos = op_begin(out, 0);

	return op_end(out, pos, xdr_nfs_cb_argop4(&out->enc->xdr, UNCONST(nfs_cb_argop4, op)));
}

int wire_cb_results_add(struct wire_compound_out *out, const struct nfs_cb_resop4 *op)
{
	uint32_t pos = result_begin(out);

	return op_end(out, pos, xdr_nfs_cb_resop4(&out->enc->xdr, UNCONST(nfs_cb_resop4, op)));
}

/* All results begin with their status, so all zeros behind it is an error result of any operation. */
int wire_results_fail(struct wire_compound_out *out, uint32_t op, nfsstat4 status)
{
	struct nfs_resop4 res = { .resop = (nfs_opnum4)op };
	uint32_t pos = op_begin(out, 0);

	assert(status != NFS4_OK);
	memcpy(&res.nfs_resop4_u, &status, sizeof(status));
	return op_end(out, pos, xdr_nfs_resop4(&out->enc->xdr, &res));
}

int wire_cb_results_fail(struct wire_compound_out *out, uint32_t op, nfsstat4 status)
{
	struct nfs_cb_resop4 res = { .resop = (nfs_cb_opnum4)op };
	uint32_t pos = op_begin(out, 0);

	assert(status != NFS4_OK);
	memcpy(&res.nfs_cb_resop4_u, &status, sizeof(status));
	return op_end(out, pos, xdr_nfs_cb_resop4(&out->enc->xdr, &res));
}

void wire_compound_undo(struct wire_compound_out *out)
{
	assert(out->nr > 0);
	assert(out->last);
	wire_enc_rewind(out->enc, out->last);
	out->nr--;
	out->last = 0;
}

void wire_args_end(struct wire_compound_out *out)
{
	wire_enc_patch_u32(out->enc, out->nr_pos, out->nr);
}

void wire_results_end(struct wire_compound_out *out, nfsstat4 status)
{
	wire_enc_patch_u32(out->enc, out->status_pos, status);
	wire_enc_patch_u32(out->enc, out->nr_pos, out->nr);
}
