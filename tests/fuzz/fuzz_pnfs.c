/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a layout's, a commit's or a device's body: what can be read is sound and can be written as the same
 * bytes.  The input is a byte that says what it is and of which type, then the body.
 */

#include <stdlib.h>
#include <string.h>

#include "proto/wire_pnfs.h"
#include "tests/lib/fuzz.h"

#define BUDGET	 (1 << 20)
#define BODY_MAX (1 << 18)

enum {
	LAYOUT,
	COMMIT,
	DEVICE
};

static uint8_t room[BODY_MAX];

static void seed_list(const char *name, uint8_t kind, layouttype4 type)
{
	struct pnfs_block_extent4 extent = { .bex_file_offset = 4096, .bex_length = 8192 };
	uint8_t buf[256] = { (uint8_t)(kind + 3 * (type == LAYOUT4_SCSI)) };
	struct wire_extents_out out;

	fuzz_require((kind == LAYOUT ? wire_layout_begin : wire_commit_begin)(&out, type, buf + 1, 255) == 0);
	for (int i = 0; i < 3; i++)
		fuzz_require(wire_extents_add(&out, &extent) == 0);
	fuzz_seed_write(name, buf, 1 + wire_extents_end(&out));
}

static void seed_device(const char *name, layouttype4 type, struct pnfs_block_volume4 *volumes, uint32_t nr)
{
	struct pnfs_block_deviceaddr4 addr = { .bda_volumes = { .bda_volumes_len = nr, .bda_volumes_val = volumes } };
	uint8_t buf[256] = { (uint8_t)(DEVICE + 3 * (type == LAYOUT4_SCSI)) };
	uint32_t len;

	fuzz_require(wire_device_encode(type, &addr, buf + 1, 255, &len) == 0);
	fuzz_seed_write(name, buf, 1 + len);
}

static void seeds(void)
{
	struct pnfs_block_volume4 v[3] = { { .type = PNFS_SCSI_VOLUME_BASE },
					   { .type = PNFS_BLOCK_VOLUME_SLICE },
					   { .type = PNFS_BLOCK_VOLUME_STRIPE } };
	struct pnfs_block_sig_component4 part = { .bsc_contents = { .bsc_contents_len = 4,
								    .bsc_contents_val = (char *)"sign" } };
	uint32_t members[] = { 0, 1 };

	seed_list("layout-block", LAYOUT, LAYOUT4_BLOCK_VOLUME);
	seed_list("layout-scsi", LAYOUT, LAYOUT4_SCSI);
	seed_list("commit-block", COMMIT, LAYOUT4_BLOCK_VOLUME);
	seed_list("commit-scsi", COMMIT, LAYOUT4_SCSI);
	v[0].pnfs_block_volume4_u.sv_base_info.sbv_designator.sbv_designator_val = (char *)"desi";
	v[0].pnfs_block_volume4_u.sv_base_info.sbv_designator.sbv_designator_len = 4;
	v[1].pnfs_block_volume4_u.bv_slice_info.bsv_length = 1 << 20;
	v[2].pnfs_block_volume4_u.bv_stripe_info.bsv_stripe_unit = 65536;
	v[2].pnfs_block_volume4_u.bv_stripe_info.bsv_volumes.bsv_volumes_val = members;
	v[2].pnfs_block_volume4_u.bv_stripe_info.bsv_volumes.bsv_volumes_len = 2;
	seed_device("device-scsi", LAYOUT4_SCSI, v, 1);
	seed_device("device-scsi-set", LAYOUT4_SCSI, v, 3);
	v[0] = (struct pnfs_block_volume4){ .type = PNFS_BLOCK_VOLUME_SIMPLE };
	v[0].pnfs_block_volume4_u.bv_simple_info.bsv_ds.bsv_ds_len = 1;
	v[0].pnfs_block_volume4_u.bv_simple_info.bsv_ds.bsv_ds_val = &part;
	seed_device("device-block", LAYOUT4_BLOCK_VOLUME, v, 3);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (fuzz_seed_dir()) {
		seeds();
		exit(0);
	}
	return 0;
}

static void fuzz_list(bool is_commit, layouttype4 type, const uint8_t *body, uint32_t len)
{
	struct pnfs_block_extent4 extent;
	struct wire_extents_out out;
	struct wire_extents_in in;
	int err;

	if ((is_commit ? wire_commit_open : wire_layout_open)(&in, type, body, len))
		return;
	fuzz_require((is_commit ? wire_commit_begin : wire_layout_begin)(&out, type, room, sizeof(room)) == 0);
	while ((err = wire_extents_next(&in, &extent)) == 0) {
		fuzz_require(extent.bex_length &&
			     extent.bex_file_offset + extent.bex_length > extent.bex_file_offset);
		fuzz_require(wire_extents_add(&out, &extent) == 0);
	}
	fuzz_require(err == -ENOENT || err == -EBADMSG || err == -EINVAL);
	if (err == -ENOENT)
		fuzz_require(wire_extents_end(&out) == len && memcmp(room, body, len) == 0);
}

static void fuzz_device(layouttype4 type, const uint8_t *body, uint32_t len)
{
	struct pnfs_block_deviceaddr4 addr;
	struct wire_arena arena;
	uint32_t got;

	wire_arena_init(&arena, BUDGET);
	if (wire_device_decode(type, body, len, &arena, &addr) == 0) {
		fuzz_require(wire_device_encode(type, &addr, room, sizeof(room), &got) == 0);
		/* Padding may have been anything. */
		fuzz_require(got == len);
	}
	wire_arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint8_t what = fuzz_u8(&in) % 6;
	layouttype4 type = what < 3 ? LAYOUT4_BLOCK_VOLUME : LAYOUT4_SCSI;

	if (in.size > BODY_MAX)
		return 0;
	if (what % 3 == DEVICE)
		fuzz_device(type, in.data, (uint32_t)in.size);
	else
		fuzz_list(what % 3 == COMMIT, type, in.data, (uint32_t)in.size);
	return 0;
}
