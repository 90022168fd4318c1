/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: layouts as RFC 8881, 12 and RFC 8154 have them, for one file, unless the test orders otherwise. */

#include "tests/lib/fake_layout.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/lib/check.h"

#define SERVER_KEY 1

static const char device_id[NFS4_DEVICEID4_SIZE] = "fake device";

static enum pnfs_block_extent_state4 state_of(const struct fake_layout *f, uint64_t blk, bool is_rw)
{
	if (is_rw)
		return f->written[blk] ? PNFS_BLOCK_READWRITE_DATA : PNFS_BLOCK_INVALID_DATA;
	return f->written[blk] ? PNFS_BLOCK_READ_DATA : PNFS_BLOCK_NONE_DATA;
}

static void put_extents(struct fake_layout *f, struct wire_extents_out *out, uint64_t from, uint64_t end, bool is_rw)
{
	while (from < end) {
		enum pnfs_block_extent_state4 state = state_of(f, from, is_rw);
		struct pnfs_block_extent4 e = { .bex_file_offset = from * FAKE_LAYOUT_BLOCK, .bex_state = state };
		uint64_t to = from + 1;

		while (to < end && state_of(f, to, is_rw) == state)
			to++;
		e.bex_length = (to - from) * FAKE_LAYOUT_BLOCK;
		if (state != PNFS_BLOCK_NONE_DATA)
			e.bex_storage_offset = FAKE_LAYOUT_AT + f->moved + e.bex_file_offset;
		memcpy(e.bex_vol_id, device_id, sizeof(e.bex_vol_id));
		CHECK_EQ(wire_extents_add(out, &e), 0);
		from = to;
	}
}

static stateid4 layout_stateid(const struct fake_layout *f)
{
	stateid4 stateid = { .seqid = f->seqid };

	memset(stateid.other, f->other, sizeof(stateid.other));
	return stateid;
}

static FIBER_FN nfsstat4 do_get(struct fake_layout *f, const LAYOUTGET4args *args, LAYOUTGET4resok *ok)
{
	uint64_t from = args->loga_offset / FAKE_LAYOUT_BLOCK, end = FAKE_LAYOUT_BLOCKS;
	struct wire_extents_out out;

	f->get = *args;
	if (f->nr_get_status > 0) {
		f->nr_get_status--;
		return f->get_status;
	}
	if (args->loga_length < NFS4_UINT64_MAX - args->loga_offset)
		end = min_u64(end,
			      (args->loga_offset + args->loga_length + FAKE_LAYOUT_BLOCK - 1) / FAKE_LAYOUT_BLOCK);
	CHECK_EQ(wire_layout_begin(&out, LAYOUT4_SCSI, f->body, sizeof(f->body)), 0);
	put_extents(f, &out, from, end, args->loga_iomode == LAYOUTIOMODE4_RW);
	f->layout = (layout4){ from * FAKE_LAYOUT_BLOCK,
			       (end - from) * FAKE_LAYOUT_BLOCK - f->lacks_byte,
			       args->loga_iomode,
			       { LAYOUT4_SCSI, { 0 } } };
	f->lacks_byte = false;
	f->layout.lo_content.loc_body.loc_body_len = wire_extents_end(&out);
	f->layout.lo_content.loc_body.loc_body_val = (char *)f->body;
	f->seqid++;
	ok->logr_return_on_close = f->return_on_close;
	ok->logr_stateid = layout_stateid(f);
	ok->logr_layout.logr_layout_len = 1;
	ok->logr_layout.logr_layout_val = &f->layout;
	if (f->get_delay_ns)
		fiber_sleep_ns(f->get_delay_ns);
	f->get_delay_ns = 0;
	return NFS4_OK;
}

static nfsstat4 do_commit(struct fake_layout *f, const LAYOUTCOMMIT4args *args)
{
	const newoffset4 *last = &args->loca_last_write_offset;
	struct pnfs_block_extent4 e;
	struct wire_extents_in in;

	f->commit = *args;
	if (f->nr_commit_status > 0) {
		f->nr_commit_status--;
		return f->commit_status;
	}
	CHECK_EQ(wire_commit_open(&in, LAYOUT4_SCSI, args->loca_layoutupdate.lou_body.lou_body_val,
				  args->loca_layoutupdate.lou_body.lou_body_len),
		 0);
	f->nr_ranges = in.nr;
	while (wire_extents_next(&in, &e) == 0)
		for (uint64_t off = e.bex_file_offset; off < e.bex_file_offset + e.bex_length;
		     off += FAKE_LAYOUT_BLOCK)
			f->written[off / FAKE_LAYOUT_BLOCK] = true;
	if (last->no_newoffset)
		f->size = max_u64(f->size, last->newoffset4_u.no_offset + 1);
	return NFS4_OK;
}

static nfsstat4 do_device(struct fake_layout *f, const GETDEVICEINFO4args *args, GETDEVICEINFO4resok *ok)
{
	struct pnfs_block_volume4 volume = { .type = PNFS_SCSI_VOLUME_BASE };
	struct pnfs_block_deviceaddr4 addr = { { 1, &volume } };
	struct pnfs_scsi_base_volume_info4 *base = &volume.pnfs_block_volume4_u.sv_base_info;
	uint32_t len;

	CHECK_EQ(memcmp(args->gdia_device_id, device_id, sizeof(device_id)), 0);
	base->sbv_code_set = PS_CODE_SET_BINARY;
	base->sbv_designator_type = PS_DESIGNATOR_NAA;
	base->sbv_designator.sbv_designator_len = 8;
	base->sbv_designator.sbv_designator_val = (char *)(uintptr_t) "fakedisk";
	base->sbv_pr_key = FAKE_LAYOUT_KEY;
	CHECK_EQ(wire_device_encode(LAYOUT4_SCSI, &addr, f->body, sizeof(f->body), &len), 0);
	ok->gdir_device_addr.da_layout_type = LAYOUT4_SCSI;
	ok->gdir_device_addr.da_addr_body.da_addr_body_len = len;
	ok->gdir_device_addr.da_addr_body.da_addr_body_val = (char *)f->body;
	ok->gdir_notification = args->gdia_notify_types;
	return NFS4_OK;
}

static nfsstat4 do_getattr(struct fake_layout *f, GETATTR4resok *ok)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE), .size = f->size };

	CHECK_EQ(wire_attrs_encode(&attrs, &attrs.mask, f->attrs, sizeof(f->attrs), &ok->obj_attributes), 0);
	return NFS4_OK;
}

static nfsstat4 do_read(struct fake_layout *f, const READ4args *args, READ4resok *ok)
{
	uint64_t left = f->size > args->offset ? f->size - args->offset : 0;

	ok->data.data_len = (uint32_t)min_u64(args->count, left);
	ok->data.data_val = (char *)f->disk.bytes + FAKE_LAYOUT_AT + args->offset;
	ok->eof = args->offset + ok->data.data_len >= f->size;
	return NFS4_OK;
}

static nfsstat4 do_write(struct fake_layout *f, const WRITE4args *args, WRITE4resok *ok)
{
	memcpy(f->disk.bytes + FAKE_LAYOUT_AT + args->offset, args->data.data_val, args->data.data_len);
	f->size = max_u64(f->size, args->offset + args->data.data_len);
	ok->count = args->data.data_len;
	ok->committed = FILE_SYNC4;
	for (uint64_t at = args->offset; at < args->offset + args->data.data_len; at += FAKE_LAYOUT_BLOCK)
		f->written[at / FAKE_LAYOUT_BLOCK] = true;
	return NFS4_OK;
}

static nfsstat4 do_test(struct fake_layout *f, TEST_STATEID4resok *ok)
{
	f->test_result = f->test_status;
	ok->tsr_status_codes.tsr_status_codes_len = 1;
	ok->tsr_status_codes.tsr_status_codes_val = &f->test_result;
	return NFS4_OK;
}

static nfsstat4 do_return(struct fake_layout *f, const LAYOUTRETURN4args *args, layoutreturn_stateid *left)
{
	f->ret = *args;
	f->seqid++;
	left->lrs_present = f->leaves_layout;
	if (f->leaves_layout)
		left->layoutreturn_stateid_u.lrs_stateid = layout_stateid(f);
	return NFS4_OK;
}

static FIBER_FN nfsstat4 do_layout_op(struct fake_layout *f, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	switch (arg->argop) {
	case OP_LAYOUTGET:
		return do_get(f, &arg->nfs_argop4_u.oplayoutget,
			      &res->nfs_resop4_u.oplayoutget.LAYOUTGET4res_u.logr_resok4);
	case OP_LAYOUTCOMMIT:
		return do_commit(f, &arg->nfs_argop4_u.oplayoutcommit);
	case OP_LAYOUTRETURN:
		return do_return(f, &arg->nfs_argop4_u.oplayoutreturn,
				 &res->nfs_resop4_u.oplayoutreturn.LAYOUTRETURN4res_u.lorr_stateid);
	case OP_GETDEVICEINFO:
		return do_device(f, &arg->nfs_argop4_u.opgetdeviceinfo,
				 &res->nfs_resop4_u.opgetdeviceinfo.GETDEVICEINFO4res_u.gdir_resok4);
	case OP_TEST_STATEID:
		return do_test(f, &res->nfs_resop4_u.optest_stateid.TEST_STATEID4res_u.tsr_resok4);
	default:
		return NFS4ERR_NOTSUPP;
	}
}

static FIBER_FN bool on_op(void *owner, const struct fake_call *call, const struct nfs_argop4 *arg,
			   struct nfs_resop4 *res)
{
	struct fake_layout *f = owner;
	nfsstat4 status;

	switch (arg->argop) {
	case OP_GETFH:
		res->nfs_resop4_u.opgetfh.GETFH4res_u.resok4.object = (nfs_fh4){ 4, (char *)(uintptr_t) "file" };
		return true;
	case OP_GETATTR:
		status = do_getattr(f, &res->nfs_resop4_u.opgetattr.GETATTR4res_u.resok4);
		break;
	case OP_READ:
		status = do_read(f, &arg->nfs_argop4_u.opread, &res->nfs_resop4_u.opread.READ4res_u.resok4);
		break;
	case OP_WRITE:
		status = do_write(f, &arg->nfs_argop4_u.opwrite, &res->nfs_resop4_u.opwrite.WRITE4res_u.resok4);
		break;
	default:
		status = do_layout_op(f, arg, res);
		if (status == NFS4ERR_NOTSUPP)
			return false;
		break;
	}
	memcpy(&res->nfs_resop4_u, &status, sizeof(status));
	return true;
}

static FIBER_FN int find_device(void *owner, layouttype4 type, const struct pnfs_block_deviceaddr4 *addr,
				struct pnfs_device *ret_device)
{
	struct fake_layout *f = owner;

	CHECK_EQ(addr->bda_volumes.bda_volumes_len, 1);
	return sim_reserve_attach(f->reserve, "client", &f->disk.dev, &ret_device->dev, &ret_device->reserver);
}

FIBER_FN struct pnfs_file fake_layout_open(struct fake_layout *f)
{
	struct nfs_open open = { .name = "file", .creates = true };
	struct pnfs_file file;

	CHECK_EQ(pnfs_open(&f->host, NULL, &open, &file), 0);
	return file;
}

FIBER_FN uint32_t fake_layout_call(struct fake_layout *f, const struct nfs_cb_argop4 *op)
{
	struct fake_nfs_session *session = &f->world->server.sessions[0];
	struct nfs_cb_argop4 ops[2] = { fake_nfs_cb_sequence(session, 0, f->cb_sequence + 1), *op };
	struct wire_compound_in in;
	struct wire_dec dec;
	CB_SEQUENCE4args *sequence = &ops[0].nfs_cb_argop4_u.opcbsequence;
	uint8_t *msg = NULL;
	int err;

	sequence->csa_referring_call_lists.csa_referring_call_lists_len = f->refers != NULL;
	sequence->csa_referring_call_lists.csa_referring_call_lists_val = f->refers;
	err = fake_nfs_call_back(&f->world->server, session->back, session->cb_program, ops, 2, 8000000000, &dec, &in,
				 &msg);

	free(msg);
	if (err)
		return 0xffff;
	f->cb_sequence++;
	return in.status;
}

FIBER_FN uint32_t fake_layout_recall(struct fake_layout *f, char other, uint32_t seqid, uint64_t off, uint64_t len)
{
	struct nfs_cb_argop4 op = { .argop = OP_CB_LAYOUTRECALL };
	layoutrecall_file4 file = { { 4, (char *)(uintptr_t) "file" }, off, len, { .seqid = seqid } };

	memset(file.lor_stateid.other, other, sizeof(file.lor_stateid.other));
	op.nfs_cb_argop4_u.opcblayoutrecall = (CB_LAYOUTRECALL4args){
		LAYOUT4_SCSI, LAYOUTIOMODE4_ANY, FALSE, { .lor_recalltype = LAYOUTRECALL4_FILE }
	};
	op.nfs_cb_argop4_u.opcblayoutrecall.clora_recall.layoutrecall4_u.lor_layout = file;
	return fake_layout_call(f, &op);
}

static void (*the_test)(struct fake_layout *f);

static FIBER_FN void run_in_world(struct fake_world *w)
{
	struct fake_layout *f = calloc(1, sizeof(*f));
	uint64_t size = FAKE_LAYOUT_AT + (uint64_t)FAKE_LAYOUT_BLOCKS * FAKE_LAYOUT_BLOCK;
	uint8_t *bytes = calloc(1, size);

	CHECK(f && bytes);
	f->world = w;
	f->other = 'l';
	f->test_status = NFS4ERR_ADMIN_REVOKED;
	w->server.script = (struct fake_nfs_script){ .on_op = on_op, .owner = f };
	mem_disk_init(&f->disk, w->reactor, bytes, size);
	CHECK_EQ(sim_reserve_open(w->reactor, 1, "disk", &f->reserve), 0);
	CHECK_EQ(sim_reserve_attach(f->reserve, "server", &f->disk.dev, &f->server_dev, &f->server_reserver), 0);
	CHECK_EQ(reserver_register(f->server_reserver, SERVER_KEY), 0);
	CHECK_EQ(reserver_reserve(f->server_reserver, SERVER_KEY, RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY), 0);
	CHECK_EQ(pnfs_host_open(&f->host, w->session, LAYOUT4_SCSI,
				(struct pnfs_finder){ .find = find_device, .owner = f }),
		 0);
	the_test(f);
	pnfs_host_close(&f->host, true);
	CHECK(!sim_reserve_has_key(f->reserve, FAKE_LAYOUT_KEY));
	blkdev_close(f->server_dev);
	reserver_close(f->server_reserver);
	sim_reserve_close(f->reserve);
	free(bytes);
	free(f);
}

void fake_layout_run(void (*test)(struct fake_layout *f))
{
	the_test = test;
	fake_world_run(run_in_world, true);
}
