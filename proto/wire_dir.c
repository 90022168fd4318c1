/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a list of any length is made and walked with constant memory and stack. */

#include "proto/wire_dir.h"

void wire_dir_begin(struct wire_dir_writer *writer, void *buf, uint32_t size)
{
	wire_enc_init(&writer->enc, buf, size);
}

int wire_dir_add(struct wire_dir_writer *writer, const struct entry4 *entry)
{
	struct wire_enc *enc = &writer->enc;
	uint32_t pos = wire_enc_pos(enc);
	struct entry4 copy = *entry; /* XDR's functions take pointers to what they might change */
	bool_t follows = TRUE;

	return wire_enc_result(enc, pos, xdr_bool(&enc->xdr, &follows) && xdr_entry4(&enc->xdr, &copy));
}

void wire_dir_end(struct wire_dir_writer *writer, bool eof, struct dirlist4 *ret_list)
{
	ret_list->entries = (char *)writer->enc.buf;
	ret_list->entries_len = wire_enc_pos(&writer->enc);
	ret_list->eof = eof;
}

void wire_dir_open(struct wire_dir_reader *reader, const struct dirlist4 *list)
{
	wire_dec_init(&reader->dec, list->entries, list->entries_len, NULL);
}

int wire_dir_next(struct wire_dir_reader *reader, struct entry4 *ret_entry)
{
	struct wire_dec *dec = &reader->dec;
	struct entry4 entry;
	bool_t follows;
	int err;

	if (wire_dec_left(dec) == 0)
		return -ENOENT;
	err = wire_dec_result(dec, xdr_bool(&dec->xdr, &follows) && follows && xdr_entry4(&dec->xdr, &entry));
	if (err)
		return err;
	*ret_entry = entry;
	return 0;
}

static bool_t dirlist_decode(XDR *xdrs, struct dirlist4 *list)
{
	struct wire_dec *dec = (void *)xdrs->x_public;
	uint32_t from = wire_dec_pos(dec), to;
	struct entry4 entry;
	bool_t follows;

	for (;;) {
		to = wire_dec_pos(dec);
		if (!xdr_bool(xdrs, &follows))
			return FALSE;
		if (!follows)
			break;
		if (!xdr_entry4(xdrs, &entry))
			return FALSE;
	}
	list->entries = (char *)(uintptr_t)dec->buf + from;
	list->entries_len = to - from;
	return xdr_bool(xdrs, &list->eof);
}

bool_t xdr_dirlist4(XDR *xdrs, dirlist4 *list)
{
	bool_t none = FALSE;

	if (xdrs->x_op == XDR_DECODE)
		return dirlist_decode(xdrs, list);
	assert(is_aligned_u64(list->entries_len, BYTES_PER_XDR_UNIT));
	return xdr_opaque(xdrs, list->entries, list->entries_len) && xdr_bool(xdrs, &none) &&
	       xdr_bool(xdrs, &list->eof);
}
