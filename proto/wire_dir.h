/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_PROTO_WIRE_DIR_H
#define LAMINA_PROTO_WIRE_DIR_H

/* The list of entries in READDIR's reply (RFC 8881, 18.23): made and walked entry by entry, in place. */

#include "proto/nfs4.h"
#include "proto/wire_xdr.h"

/* READDIR4resok without its entries: what maxcount counts besides them. */
#define WIRE_DIR_OVERHEAD (NFS4_VERIFIER_SIZE + 8)

struct wire_dir_writer {
	struct wire_enc enc;
};

/* Entries go into the @size bytes at @buf, which the list then points into. */
void wire_dir_begin(struct wire_dir_writer *writer, void *buf, uint32_t size);
/* -EMSGSIZE: no room, nothing added. */
int wire_dir_add(struct wire_dir_writer *writer, const struct entry4 *entry) MUST_CHECK;
/* The list of all that was added. */
void wire_dir_end(struct wire_dir_writer *writer, bool eof, struct dirlist4 *ret_list);

struct wire_dir_reader {
	struct wire_dec dec;
};

/* @list was decoded, so what it contains is well-formed.  Entries point into the message; no memory is needed. */
void wire_dir_open(struct wire_dir_reader *reader, const struct dirlist4 *list);
/* -ENOENT: that was all; -EBADMSG: never for a decoded list. */
int wire_dir_next(struct wire_dir_reader *reader, struct entry4 *ret_entry) MUST_CHECK;

#endif
