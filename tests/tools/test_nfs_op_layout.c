/* SPDX-License-Identifier: Apache-2.0 */

/* Operations about layouts: what the other side reads is what was said, and the other way round. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/check.h"
#include "tests/lib/fake_world.h"
#include "tools/nfs_op_layout.h"

static const stateid4 some_stateid = { 7, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } };
static const char some_device[NFS4_DEVICEID4_SIZE] = { 1, 0, 2, 0, 3 };

/* What came last, and what its lists said: the message does not outlive the call. */
static struct nfs_argop4 came;
static struct pnfs_block_extent4 came_ranges[8];
static uint32_t came_nr;
static uint32_t came_body_len;
static device_error4 came_error;

/* A layout of two extents as the other side writes it, and a device. */
static uint8_t layout_body[256], device_body[256];
static layout4 layout;
static bool has_stateid;

static void take_commit(const LAYOUTCOMMIT4args *args)
{
	struct wire_extents_in in;

	came_body_len = args->loca_layoutupdate.lou_body.lou_body_len;
	came_nr = 0;
	if (wire_commit_open(&in, args->loca_layoutupdate.lou_type, args->loca_layoutupdate.lou_body.lou_body_val,
			     came_body_len))
		return;
	while (came_nr < ARRAY_SIZE(came_ranges) && wire_extents_next(&in, &came_ranges[came_nr]) == 0)
		came_nr++;
	CHECK_EQ(came_nr, in.nr);
}

static void put_layout(LAYOUTGET4resok *ok)
{
	struct pnfs_block_extent4 extents[] = {
		{ { 1 }, 4096, 8192, 65536, PNFS_BLOCK_READWRITE_DATA },
		{ { 1 }, 12288, 4096, 131072, PNFS_BLOCK_INVALID_DATA },
	};
	struct wire_extents_out out;

	CHECK_EQ(wire_layout_begin(&out, LAYOUT4_SCSI, layout_body, sizeof(layout_body)), 0);
	CHECK_EQ(wire_extents_add(&out, &extents[0]), 0);
	CHECK_EQ(wire_extents_add(&out, &extents[1]), 0);
	layout = (layout4){ 4096, 12288, LAYOUTIOMODE4_RW, { LAYOUT4_SCSI, { 0 } } };
	layout.lo_content.loc_body.loc_body_len = wire_extents_end(&out);
	layout.lo_content.loc_body.loc_body_val = (char *)layout_body;
	ok->logr_return_on_close = TRUE;
	ok->logr_stateid = some_stateid;
	ok->logr_layout.logr_layout_len = 1;
	ok->logr_layout.logr_layout_val = &layout;
}

static void put_device(GETDEVICEINFO4resok *ok)
{
	struct pnfs_block_volume4 volume = { .type = PNFS_SCSI_VOLUME_BASE };
	struct pnfs_block_deviceaddr4 addr = { { 1, &volume } };
	struct pnfs_scsi_base_volume_info4 *base = &volume.pnfs_block_volume4_u.sv_base_info;
	uint32_t len;

	base->sbv_code_set = PS_CODE_SET_BINARY;
	base->sbv_designator_type = PS_DESIGNATOR_NAA;
	base->sbv_designator.sbv_designator_len = 8;
	base->sbv_designator.sbv_designator_val = (char *)(uintptr_t) "designat";
	base->sbv_pr_key = 0x1234;
	CHECK_EQ(wire_device_encode(LAYOUT4_SCSI, &addr, device_body, sizeof(device_body), &len), 0);
	ok->gdir_device_addr.da_layout_type = LAYOUT4_SCSI;
	ok->gdir_device_addr.da_addr_body.da_addr_body_len = len;
	ok->gdir_device_addr.da_addr_body.da_addr_body_val = (char *)device_body;
	ok->gdir_notification = came.nfs_argop4_u.opgetdeviceinfo.gdia_notify_types;
}

static FIBER_FN bool take(void *owner, const struct fake_call *call, const struct nfs_argop4 *arg,
			  struct nfs_resop4 *res)
{
	came = *arg;
	switch (arg->argop) {
	case OP_LAYOUTGET:
		put_layout(&res->nfs_resop4_u.oplayoutget.LAYOUTGET4res_u.logr_resok4);
		return true;
	case OP_LAYOUTCOMMIT:
		take_commit(&arg->nfs_argop4_u.oplayoutcommit);
		return true;
	case OP_LAYOUTRETURN:
		res->nfs_resop4_u.oplayoutreturn.LAYOUTRETURN4res_u.lorr_stateid.lrs_present = has_stateid;
		res->nfs_resop4_u.oplayoutreturn.LAYOUTRETURN4res_u.lorr_stateid.layoutreturn_stateid_u.lrs_stateid =
			some_stateid;
		return true;
	case OP_GETDEVICEINFO:
		put_device(&res->nfs_resop4_u.opgetdeviceinfo.GETDEVICEINFO4res_u.gdir_resok4);
		return true;
	case OP_LAYOUTERROR:
		CHECK_EQ(arg->nfs_argop4_u.oplayouterror.lea_errors.lea_errors_len, 1);
		came_error = *arg->nfs_argop4_u.oplayouterror.lea_errors.lea_errors_val;
		return true;
	default:
		return false;
	}
}

static FIBER_FN int send_it(struct fake_world *w)
{
	w->server.script = (struct fake_nfs_script){ .on_op = take };
	return nfs_compound_send(&w->c, w->conn);
}

static FIBER_FN void layout_gets(struct fake_world *w)
{
	struct nfs_layoutget get = { LAYOUT4_SCSI, LAYOUTIOMODE4_RW, 4096, 12288, 8192, some_stateid, 0 };
	const LAYOUTGET4args *args = &came.nfs_argop4_u.oplayoutget;
	struct pnfs_block_extent4 extent;
	struct wire_extents_in in;
	LAYOUTGET4resok ok;
	uint32_t at = nfs_op_layoutget(&w->c, &get);

	CHECK_EQ(send_it(w), 0);
	CHECK_EQ(args->loga_layout_type, LAYOUT4_SCSI);
	CHECK_EQ(args->loga_iomode, LAYOUTIOMODE4_RW);
	CHECK_EQ(args->loga_offset, 4096);
	CHECK_EQ(args->loga_length, 12288);
	CHECK_EQ(args->loga_minlength, 8192);
	CHECK_EQ(args->loga_maxcount, 4096);
	CHECK_EQ(memcmp(&args->loga_stateid, &some_stateid, sizeof(some_stateid)), 0);
	CHECK_EQ(nfs_op_got_layout(&w->c, at, &ok), 0);
	CHECK(ok.logr_return_on_close);
	CHECK_EQ(ok.logr_stateid.seqid, 7);
	CHECK_EQ(ok.logr_layout.logr_layout_len, 1);
	CHECK_EQ(wire_layout_open(&in, ok.logr_layout.logr_layout_val[0].lo_content.loc_type,
				  ok.logr_layout.logr_layout_val[0].lo_content.loc_body.loc_body_val,
				  ok.logr_layout.logr_layout_val[0].lo_content.loc_body.loc_body_len),
		 0);
	CHECK_EQ(in.nr, 2);
	CHECK_EQ(wire_extents_next(&in, &extent), 0);
	CHECK_EQ(extent.bex_storage_offset, 65536);
	CHECK_EQ(nfs_op_got_layout(&w->c, at + 1, &ok), -ENODATA);
}

static void test_gets(void **state)
{
	fake_world_run(layout_gets, false);
}

static FIBER_FN void commit_as(struct fake_world *w, layouttype4 type, uint32_t size)
{
	const struct nfs_range ranges[] = { { 4096, 8192 }, { 65536, 4096 } };
	struct nfs_layoutcommit commit = { .type = type,
					   .stateid = some_stateid,
					   .length = 69632,
					   .has_last = true,
					   .last = 69000,
					   .ranges = ranges,
					   .nr = 2 };
	const LAYOUTCOMMIT4args *args = &came.nfs_argop4_u.oplayoutcommit;

	nfs_compound_begin(&w->c);
	nfs_op_layoutcommit(&w->c, &commit);
	CHECK_EQ(send_it(w), 0);
	CHECK_EQ(args->loca_length, 69632);
	CHECK(args->loca_last_write_offset.no_newoffset);
	CHECK_EQ(args->loca_last_write_offset.newoffset4_u.no_offset, 69000);
	CHECK(!args->loca_time_modify.nt_timechanged);
	CHECK(!args->loca_reclaim);
	CHECK_EQ(came_body_len, WIRE_LIST_HEAD + 2 * size);
	CHECK_EQ(came_nr, 2);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(came_ranges[i].bex_file_offset, ranges[i].offset);
		CHECK_EQ(came_ranges[i].bex_length, ranges[i].length);
		CHECK_EQ(came_ranges[i].bex_state, PNFS_BLOCK_READWRITE_DATA);
	}
}

static FIBER_FN void commits(struct fake_world *w)
{
	struct nfs_layoutcommit odd = {
		.type = LAYOUT4_SCSI, .has_mtime = true, .mtime = { 5, 6 }, .body = "odd", .body_len = 3
	};
	struct nfs_layoutcommit large = { .type = LAYOUT4_SCSI, .nr = UINT32_MAX };
	struct nfs_layoutcommit wrong = { .type = LAYOUT4_NFSV4_1_FILES };

	commit_as(w, LAYOUT4_SCSI, WIRE_RANGE_SIZE);
	commit_as(w, LAYOUT4_BLOCK_VOLUME, WIRE_EXTENT_SIZE);
	nfs_compound_begin(&w->c);
	nfs_op_layoutcommit(&w->c, &odd);
	CHECK_EQ(send_it(w), 0);
	CHECK_EQ(came_body_len, 3);
	CHECK_EQ(came.nfs_argop4_u.oplayoutcommit.loca_time_modify.newtime4_u.nt_time.seconds, 5);
	CHECK(!came.nfs_argop4_u.oplayoutcommit.loca_last_write_offset.no_newoffset);
	nfs_compound_begin(&w->c);
	nfs_op_layoutcommit(&w->c, &large);
	CHECK_EQ(send_it(w), -EMSGSIZE);
	nfs_compound_begin(&w->c);
	nfs_op_layoutcommit(&w->c, &wrong);
	CHECK_EQ(send_it(w), -EINVAL);
}

static void test_commits(void **state)
{
	fake_world_run(commits, false);
}

static FIBER_FN void returns(struct fake_world *w)
{
	struct nfs_layoutreturn ret = { .type = LAYOUT4_SCSI,
					.iomode = LAYOUTIOMODE4_ANY,
					.how = LAYOUTRETURN4_FILE,
					.offset = 4096,
					.length = 8192,
					.stateid = some_stateid };
	const layoutreturn4 *came_ret = &came.nfs_argop4_u.oplayoutreturn.lora_layoutreturn;
	layoutreturn_stateid stateid;
	uint32_t at = nfs_op_layoutreturn(&w->c, &ret);

	has_stateid = true;
	CHECK_EQ(send_it(w), 0);
	CHECK_EQ(came_ret->lr_returntype, LAYOUTRETURN4_FILE);
	CHECK_EQ(came_ret->layoutreturn4_u.lr_layout.lrf_offset, 4096);
	CHECK_EQ(came_ret->layoutreturn4_u.lr_layout.lrf_length, 8192);
	CHECK_EQ(came_ret->layoutreturn4_u.lr_layout.lrf_stateid.seqid, 7);
	CHECK_EQ(nfs_op_got_layoutreturn(&w->c, at, &stateid), 0);
	CHECK(stateid.lrs_present);
	CHECK_EQ(stateid.layoutreturn_stateid_u.lrs_stateid.seqid, 7);
	has_stateid = false;
	nfs_compound_begin(&w->c);
	ret.how = LAYOUTRETURN4_ALL;
	at = nfs_op_layoutreturn(&w->c, &ret);
	CHECK_EQ(send_it(w), 0);
	CHECK_EQ(came_ret->lr_returntype, LAYOUTRETURN4_ALL);
	CHECK_EQ(nfs_op_got_layoutreturn(&w->c, at, &stateid), 0);
	CHECK(!stateid.lrs_present);
}

static void test_returns(void **state)
{
	fake_world_run(returns, false);
}

static FIBER_FN void devices(struct fake_world *w)
{
	const GETDEVICEINFO4args *args = &came.nfs_argop4_u.opgetdeviceinfo;
	struct bitmap4 notify = NFS_ATTRS(1, 2);
	struct pnfs_block_deviceaddr4 addr;
	struct wire_arena arena;
	GETDEVICEINFO4resok ok;
	uint32_t at = nfs_op_getdeviceinfo(&w->c, LAYOUT4_SCSI, some_device, 65536, notify);

	CHECK_EQ(send_it(w), 0);
	CHECK_EQ(memcmp(args->gdia_device_id, some_device, sizeof(some_device)), 0);
	CHECK_EQ(args->gdia_maxcount, 65536);
	CHECK_EQ(args->gdia_layout_type, LAYOUT4_SCSI);
	CHECK_EQ(nfs_op_got_device(&w->c, at, &ok), 0);
	CHECK(wire_bitmap_test(&ok.gdir_notification, 1) && wire_bitmap_test(&ok.gdir_notification, 2));
	wire_arena_init(&arena, 65536);
	CHECK_EQ(wire_device_decode(ok.gdir_device_addr.da_layout_type,
				    ok.gdir_device_addr.da_addr_body.da_addr_body_val,
				    ok.gdir_device_addr.da_addr_body.da_addr_body_len, &arena, &addr),
		 0);
	CHECK_EQ(addr.bda_volumes.bda_volumes_len, 1);
	CHECK_EQ(addr.bda_volumes.bda_volumes_val[0].pnfs_block_volume4_u.sv_base_info.sbv_pr_key, 0x1234);
	wire_arena_release(&arena);
	nfs_compound_begin(&w->c);
	nfs_op_getdevicelist(&w->c, LAYOUT4_SCSI);
	CHECK_EQ(send_it(w), 0);
	CHECK_EQ(came.argop, OP_GETDEVICELIST);
	CHECK_EQ(came.nfs_argop4_u.opgetdevicelist.gdla_layout_type, LAYOUT4_SCSI);
}

static void test_devices(void **state)
{
	fake_world_run(devices, false);
}

static FIBER_FN void reports(struct fake_world *w)
{
	w->c.minorversion = 2;
	nfs_op_layouterror(&w->c, &some_stateid, some_device, NFS4ERR_NXIO);
	CHECK_EQ(send_it(w), 0);
	CHECK_EQ(came.argop, OP_LAYOUTERROR);
	CHECK_EQ(came_error.de_status, NFS4ERR_NXIO);
	CHECK_EQ(memcmp(came_error.de_deviceid, some_device, sizeof(some_device)), 0);
	nfs_compound_begin(&w->c);
	nfs_op_layoutstats(&w->c, &some_stateid, some_device);
	CHECK_EQ(send_it(w), 0);
	CHECK_EQ(came.argop, OP_LAYOUTSTATS);
	CHECK_EQ(came.nfs_argop4_u.oplayoutstats.lsa_stateid.seqid, 7);
}

static void test_reports(void **state)
{
	fake_world_run(reports, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gets),	cmocka_unit_test(test_commits), cmocka_unit_test(test_returns),
		cmocka_unit_test(test_devices), cmocka_unit_test(test_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
