/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a value is encoded and decoded by the same line, so both sides agree; nothing is taken for an attribute
 * that was not asked for by number.
 */

#include "proto/wire_attr.h"

/* Encode or decode one value. */
static bool_t attr_xdr(XDR *xdrs, struct wire_attrs *attrs, uint32_t attr)
{
	switch (attr) {
#define ATTR_XDR(name, field, access)                                                                                \
	case FATTR4_##name:                                                                                          \
		return xdr_fattr4_##field(xdrs, &attrs->field);
		WIRE_ATTRS(ATTR_XDR)
	default:
		return FALSE;
	}
}

const char *wire_attr_name(uint32_t attr)
{
	switch (attr) {
#define ATTR_NAME(name, field, access)                                                                               \
	case FATTR4_##name:                                                                                          \
		return #field;
		WIRE_ATTRS(ATTR_NAME)
	default:
		return NULL;
	}
}

enum attr_access {
	ATTR_R = 1,
	ATTR_W = 2,
	ATTR_RW = ATTR_R | ATTR_W,
};

static struct bitmap4 attrs_with(enum attr_access access)
{
	static const uint8_t table[WIRE_BITMAP_BITS] = {
#define ATTR_ACCESS(name, field, access) [FATTR4_##name] = ATTR_##access,
		WIRE_ATTRS(ATTR_ACCESS)
	};
	struct bitmap4 map = { 0 };

	for (uint32_t attr = 0; attr < WIRE_BITMAP_BITS; attr++) {
		if (table[attr] & access)
			wire_bitmap_set(&map, attr);
	}
	return map;
}

struct bitmap4 wire_attr_readable(void)
{
	return attrs_with(ATTR_R);
}

struct bitmap4 wire_attr_settable(void)
{
	return attrs_with(ATTR_W);
}

int wire_attrs_decode(const struct fattr4 *fattr, const struct bitmap4 *supported, struct wire_arena *arena,
		      struct wire_attrs *ret_attrs)
{
	struct wire_dec dec;
	int err;

	if (!wire_bitmap_is_subset(&fattr->attrmask, supported))
		return -EOPNOTSUPP;
	wire_dec_init(&dec, fattr->attr_vals.attrlist4_val, fattr->attr_vals.attrlist4_len, arena);
	wire_bitmap_for_each(attr, &fattr->attrmask)
	{
		err = wire_dec_result(&dec, attr_xdr(&dec.xdr, ret_attrs, attr));
		if (err)
			return err;
	}
	if (wire_dec_left(&dec))
		return -EBADMSG;
	ret_attrs->mask = fattr->attrmask;
	return 0;
}

int wire_attrs_encode(const struct wire_attrs *attrs, const struct bitmap4 *asked, void *buf, uint32_t size,
		      struct fattr4 *ret_fattr)
{
	struct bitmap4 mask = wire_bitmap_and(&attrs->mask, asked);
	struct wire_enc enc;

	wire_enc_init(&enc, buf, size);
	wire_bitmap_for_each(attr, &mask)
	{
		/* Encoding does not change what it encodes. */
		if (!attr_xdr(&enc.xdr, (struct wire_attrs *)(uintptr_t)attrs, attr))
			return -EMSGSIZE;
	}
	ret_fattr->attrmask = mask;
	ret_fattr->attr_vals.attrlist4_val = buf;
	ret_fattr->attr_vals.attrlist4_len = wire_enc_pos(&enc);
	return 0;
}
