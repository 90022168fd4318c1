/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: an extent that was read has a length, and neither of its ends wraps; volumes that were read can be walked
 * from the root without meeting one twice on the way down or one that is not there.
 */

#include "proto/wire_pnfs.h"

static bool type_is_ours(layouttype4 type)
{
	return type == LAYOUT4_BLOCK_VOLUME || type == LAYOUT4_SCSI;
}

static uint32_t entry_size(bool is_ranges)
{
	return is_ranges ? WIRE_RANGE_SIZE : WIRE_EXTENT_SIZE;
}

static int extents_open(struct wire_extents_in *in, bool is_ranges, const void *body, uint32_t len)
{
	*in = (struct wire_extents_in){ .is_ranges = is_ranges };
	wire_dec_init(&in->dec, body, len, NULL);
	if (!xdr_uint32_t(&in->dec.xdr, &in->nr))
		return -EBADMSG;
	return (uint64_t)in->nr * entry_size(is_ranges) == wire_dec_left(&in->dec) ? 0 : -EBADMSG;
}

int wire_layout_open(struct wire_extents_in *in, layouttype4 type, const void *body, uint32_t len)
{
	return type_is_ours(type) ? extents_open(in, false, body, len) : -EINVAL;
}

int wire_commit_open(struct wire_extents_in *in, layouttype4 type, const void *body, uint32_t len)
{
	return type_is_ours(type) ? extents_open(in, type == LAYOUT4_SCSI, body, len) : -EINVAL;
}

static bool_t range_xdr(XDR *xdrs, struct pnfs_block_extent4 *extent)
{
	return xdr_uint64_t(xdrs, &extent->bex_file_offset) && xdr_uint64_t(xdrs, &extent->bex_length);
}

static int extent_check(const struct pnfs_block_extent4 *extent)
{
	if ((uint32_t)extent->bex_state > PNFS_BLOCK_NONE_DATA)
		return -EBADMSG;
	if (extent->bex_length == 0 || extent->bex_length > UINT64_MAX - extent->bex_file_offset ||
	    extent->bex_length > UINT64_MAX - extent->bex_storage_offset)
		return -EINVAL;
	return 0;
}

int wire_extents_next(struct wire_extents_in *in, struct pnfs_block_extent4 *ret_extent)
{
	struct pnfs_block_extent4 extent = { .bex_state = PNFS_BLOCK_READWRITE_DATA };
	XDR *xdrs = &in->dec.xdr;
	int err;

	if (in->next >= in->nr)
		return -ENOENT;
	if (!(in->is_ranges ? range_xdr(xdrs, &extent) : xdr_pnfs_block_extent4(xdrs, &extent)))
		return -EBADMSG;
	err = extent_check(&extent);
	if (err)
		return err;
	in->next++;
	*ret_extent = extent;
	return 0;
}

static int extents_begin(struct wire_extents_out *out, bool is_ranges, void *body, uint32_t size)
{
	*out = (struct wire_extents_out){ .is_ranges = is_ranges };
	wire_enc_init(&out->enc, body, size);
	return wire_put_u32(&out->enc, 0);
}

int wire_layout_begin(struct wire_extents_out *out, layouttype4 type, void *body, uint32_t size)
{
	return type_is_ours(type) ? extents_begin(out, false, body, size) : -EINVAL;
}

int wire_commit_begin(struct wire_extents_out *out, layouttype4 type, void *body, uint32_t size)
{
	return type_is_ours(type) ? extents_begin(out, type == LAYOUT4_SCSI, body, size) : -EINVAL;
}

int wire_extents_add(struct wire_extents_out *out, const struct pnfs_block_extent4 *extent)
{
	struct pnfs_block_extent4 copy = *extent;
	uint32_t pos = wire_enc_pos(&out->enc);
	XDR *xdrs = &out->enc.xdr;
	int err;

	err = wire_enc_result(&out->enc, pos,
			      out->is_ranges ? range_xdr(xdrs, &copy) : xdr_pnfs_block_extent4(xdrs, &copy));
	if (err)
		return err;
	out->nr++;
	return 0;
}

uint32_t wire_extents_end(struct wire_extents_out *out)
{
	wire_enc_patch_u32(&out->enc, 0, out->nr);
	return wire_enc_pos(&out->enc);
}

static bool simple_is_sound(const struct pnfs_block_simple_volume_info4 *simple)
{
	if (simple->bsv_ds.bsv_ds_len == 0)
		return false;
	for (uint32_t i = 0; i < simple->bsv_ds.bsv_ds_len; i++) {
		if (simple->bsv_ds.bsv_ds_val[i].bsc_contents.bsc_contents_len == 0)
			return false;
	}
	return true;
}

static bool slice_is_sound(const struct pnfs_block_slice_volume_info4 *slice, uint32_t index)
{
	return slice->bsv_volume < index && slice->bsv_length > 0 &&
	       slice->bsv_length <= UINT64_MAX - slice->bsv_start;
}

static bool members_are_before(const uint32_t *volumes, uint32_t nr, uint32_t index)
{
	for (uint32_t i = 0; i < nr; i++) {
		if (volumes[i] >= index)
			return false;
	}
	return nr > 0;
}

static bool volume_is_sound(layouttype4 type, const struct pnfs_block_volume4 *volume, uint32_t index)
{
	const struct pnfs_block_concat_volume_info4 *concat = &volume->pnfs_block_volume4_u.bv_concat_info;
	const struct pnfs_block_stripe_volume_info4 *stripe = &volume->pnfs_block_volume4_u.bv_stripe_info;

	switch (volume->type) {
	case PNFS_BLOCK_VOLUME_SIMPLE:
		return type == LAYOUT4_BLOCK_VOLUME && simple_is_sound(&volume->pnfs_block_volume4_u.bv_simple_info);
	case PNFS_BLOCK_VOLUME_SLICE:
		return slice_is_sound(&volume->pnfs_block_volume4_u.bv_slice_info, index);
	case PNFS_BLOCK_VOLUME_CONCAT:
		return members_are_before(concat->bcv_volumes.bcv_volumes_val, concat->bcv_volumes.bcv_volumes_len,
					  index);
	case PNFS_BLOCK_VOLUME_STRIPE:
		return stripe->bsv_stripe_unit > 0 && members_are_before(stripe->bsv_volumes.bsv_volumes_val,
									 stripe->bsv_volumes.bsv_volumes_len, index);
	case PNFS_SCSI_VOLUME_BASE:
		return type == LAYOUT4_SCSI &&
		       volume->pnfs_block_volume4_u.sv_base_info.sbv_designator.sbv_designator_len > 0;
	}
	return false;
}

bool wire_device_is_sound(layouttype4 type, const struct pnfs_block_deviceaddr4 *addr)
{
	for (uint32_t i = 0; i < addr->bda_volumes.bda_volumes_len; i++) {
		if (!volume_is_sound(type, &addr->bda_volumes.bda_volumes_val[i], i))
			return false;
	}
	return type_is_ours(type) && addr->bda_volumes.bda_volumes_len > 0;
}

int wire_device_decode(layouttype4 type, const void *body, uint32_t len, struct wire_arena *arena,
		       struct pnfs_block_deviceaddr4 *ret_addr)
{
	struct pnfs_block_deviceaddr4 addr;
	struct wire_dec dec;
	int err;

	if (!type_is_ours(type))
		return -EINVAL;
	wire_dec_init(&dec, body, len, arena);
	err = wire_get(&dec, pnfs_block_deviceaddr4, &addr);
	if (err)
		return err;
	if (wire_dec_left(&dec) || !wire_device_is_sound(type, &addr))
		return -EBADMSG;
	*ret_addr = addr;
	return 0;
}

int wire_device_encode(layouttype4 type, const struct pnfs_block_deviceaddr4 *addr, void *body, uint32_t size,
		       uint32_t *ret_len)
{
	struct pnfs_block_deviceaddr4 copy = *addr;
	struct wire_enc enc;
	int err;

	assert(wire_device_is_sound(type, addr));
	wire_enc_init(&enc, body, size);
	err = wire_put(&enc, pnfs_block_deviceaddr4, &copy);
	if (err)
		return err;
	*ret_len = wire_enc_pos(&enc);
	return 0;
}
