/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: that of nfs_op.c and nfs_op_got.c, for operations about layouts and devices. */

#include "tools/nfs_op_layout.h"

#include <string.h>

#define MAXCOUNT 4096

uint32_t nfs_op_layoutget(struct nfs_compound *c, const struct nfs_layoutget *get)
{
	struct nfs_argop4 arg = { .argop = OP_LAYOUTGET };

	arg.nfs_argop4_u.oplayoutget = (LAYOUTGET4args){ .loga_layout_type = get->type,
							 .loga_iomode = get->iomode,
							 .loga_offset = get->offset,
							 .loga_length = get->length,
							 .loga_minlength = get->minlength,
							 .loga_stateid = get->stateid,
							 .loga_maxcount = get->maxcount ? get->maxcount : MAXCOUNT };
	return nfs_compound_add(c, &arg);
}

static void compound_remember(struct nfs_compound *c, int err)
{
	if (err && !c->err)
		c->err = err;
}

/* The ranges as a body of the commit's type, in memory that lives until the operation is added. */
static int commit_body(struct nfs_compound *c, const struct nfs_layoutcommit *commit, layoutupdate4 *update)
{
	uint64_t size = WIRE_LIST_HEAD + (uint64_t)commit->nr * WIRE_EXTENT_SIZE;
	struct wire_extents_out out;
	void *body;
	int err;

	if (size > NFS4_BODY_MAX)
		return -EMSGSIZE;
	body = wire_arena_alloc(&c->args_arena, size);
	if (!body)
		return -ENOMEM;
	err = wire_commit_begin(&out, commit->type, body, (uint32_t)size);
	for (uint32_t i = 0; i < commit->nr && !err; i++) {
		struct pnfs_block_extent4 extent = { .bex_file_offset = commit->ranges[i].offset,
						     .bex_length = commit->ranges[i].length,
						     .bex_state = PNFS_BLOCK_READWRITE_DATA };

		err = wire_extents_add(&out, &extent);
	}
	if (err)
		return err;
	update->lou_body.lou_body_len = wire_extents_end(&out);
	update->lou_body.lou_body_val = body;
	return 0;
}

uint32_t nfs_op_layoutcommit(struct nfs_compound *c, const struct nfs_layoutcommit *commit)
{
	struct nfs_argop4 arg = { .argop = OP_LAYOUTCOMMIT };
	LAYOUTCOMMIT4args *args = &arg.nfs_argop4_u.oplayoutcommit;

	args->loca_offset = commit->offset;
	args->loca_length = commit->length;
	args->loca_reclaim = commit->reclaim;
	args->loca_stateid = commit->stateid;
	args->loca_last_write_offset.no_newoffset = commit->has_last;
	args->loca_last_write_offset.newoffset4_u.no_offset = commit->last;
	args->loca_time_modify.nt_timechanged = commit->has_mtime;
	args->loca_time_modify.newtime4_u.nt_time = commit->mtime;
	args->loca_layoutupdate.lou_type = commit->type;
	if (commit->body) {
		args->loca_layoutupdate.lou_body.lou_body_len = commit->body_len;
		args->loca_layoutupdate.lou_body.lou_body_val = (char *)(uintptr_t)commit->body;
	} else {
		compound_remember(c, commit_body(c, commit, &args->loca_layoutupdate));
	}
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_layoutreturn(struct nfs_compound *c, const struct nfs_layoutreturn *ret)
{
	struct nfs_argop4 arg = { .argop = OP_LAYOUTRETURN };
	LAYOUTRETURN4args *args = &arg.nfs_argop4_u.oplayoutreturn;

	args->lora_reclaim = ret->reclaim;
	args->lora_layout_type = ret->type;
	args->lora_iomode = ret->iomode;
	args->lora_layoutreturn.lr_returntype = ret->how;
	args->lora_layoutreturn.layoutreturn4_u.lr_layout = (layoutreturn_file4){ .lrf_offset = ret->offset,
										  .lrf_length = ret->length,
										  .lrf_stateid = ret->stateid };
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_getdeviceinfo(struct nfs_compound *c, layouttype4 type, const char id[NFS4_DEVICEID4_SIZE],
			      uint32_t maxcount, struct bitmap4 notify)
{
	struct nfs_argop4 arg = { .argop = OP_GETDEVICEINFO };
	GETDEVICEINFO4args *args = &arg.nfs_argop4_u.opgetdeviceinfo;

	memcpy(args->gdia_device_id, id, NFS4_DEVICEID4_SIZE);
	args->gdia_layout_type = type;
	args->gdia_maxcount = maxcount;
	args->gdia_notify_types = notify;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_getdevicelist(struct nfs_compound *c, layouttype4 type)
{
	struct nfs_argop4 arg = { .argop = OP_GETDEVICELIST };

	arg.nfs_argop4_u.opgetdevicelist.gdla_layout_type = type;
	arg.nfs_argop4_u.opgetdevicelist.gdla_maxdevices = NFS4_DEVICES_MAX;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_layouterror(struct nfs_compound *c, const stateid4 *stateid, const char id[NFS4_DEVICEID4_SIZE],
			    nfsstat4 error)
{
	struct nfs_argop4 arg = { .argop = OP_LAYOUTERROR };
	LAYOUTERROR4args *args = &arg.nfs_argop4_u.oplayouterror;
	device_error4 device = { .de_status = error, .de_opnum = OP_WRITE };

	memcpy(device.de_deviceid, id, NFS4_DEVICEID4_SIZE);
	args->lea_length = NFS4_UINT64_MAX;
	args->lea_stateid = *stateid;
	args->lea_errors.lea_errors_len = 1;
	args->lea_errors.lea_errors_val = &device;
	return nfs_compound_add(c, &arg);
}

uint32_t nfs_op_layoutstats(struct nfs_compound *c, const stateid4 *stateid, const char id[NFS4_DEVICEID4_SIZE])
{
	struct nfs_argop4 arg = { .argop = OP_LAYOUTSTATS };
	LAYOUTSTATS4args *args = &arg.nfs_argop4_u.oplayoutstats;

	args->lsa_length = NFS4_UINT64_MAX;
	args->lsa_stateid = *stateid;
	memcpy(args->lsa_deviceid, id, NFS4_DEVICEID4_SIZE);
	args->lsa_layoutupdate.lou_type = LAYOUT4_SCSI;
	return nfs_compound_add(c, &arg);
}

/* The result if the operation succeeded. */
static const struct nfs_resop4 *got_layout_op(const struct nfs_compound *c, uint32_t index, uint32_t op)
{
	return nfs_compound_op_status(c, index) == NFS4_OK ? nfs_compound_result(c, index, op) : NULL;
}

int nfs_op_got_layout(const struct nfs_compound *c, uint32_t index, LAYOUTGET4resok *ret_get)
{
	const struct nfs_resop4 *res = got_layout_op(c, index, OP_LAYOUTGET);

	if (!res)
		return -ENODATA;
	*ret_get = res->nfs_resop4_u.oplayoutget.LAYOUTGET4res_u.logr_resok4;
	return 0;
}

int nfs_op_got_layoutreturn(const struct nfs_compound *c, uint32_t index, layoutreturn_stateid *ret_stateid)
{
	const struct nfs_resop4 *res = got_layout_op(c, index, OP_LAYOUTRETURN);

	if (!res)
		return -ENODATA;
	*ret_stateid = res->nfs_resop4_u.oplayoutreturn.LAYOUTRETURN4res_u.lorr_stateid;
	return 0;
}

int nfs_op_got_device(const struct nfs_compound *c, uint32_t index, GETDEVICEINFO4resok *ret_device)
{
	const struct nfs_resop4 *res = got_layout_op(c, index, OP_GETDEVICEINFO);

	if (!res)
		return -ENODATA;
	*ret_device = res->nfs_resop4_u.opgetdeviceinfo.GETDEVICEINFO4res_u.gdir_resok4;
	return 0;
}
