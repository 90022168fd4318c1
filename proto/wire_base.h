/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_PROTO_WIRE_BASE_H
#define LAMINA_PROTO_WIRE_BASE_H

/*
 * Under the code that rpcgen makes: the two types of NFSv4 that are not described in nfs4.x, and what the generated
 * code is made to call instead of libtirpc's functions that allocate (proto/CMakeLists.txt renames the calls).
 *
 * Names of RFCs and of rpcgen are as they have them, typedefs included.
 */

#include <rpc/xdr.h>

#include "dev/base.h"

/* Attributes, and operations in state_protect_ops4, have numbers below 96. */
#define WIRE_BITMAP_WORDS 3
#define WIRE_BITMAP_BITS  (WIRE_BITMAP_WORDS * 32)
/* Words of a bitmap on the wire: more than that is a malformed message. */
#define WIRE_BITMAP_WORDS_MAX 64

/* Of a longer bitmap only whether a bit behind the last word was set is remembered; it is never sent. */
struct bitmap4 {
	uint32_t bitmap4_len; /* words that are in use or were sent, at most WIRE_BITMAP_WORDS */
	uint32_t bitmap4_val[WIRE_BITMAP_WORDS];
	bool_t bitmap4_beyond;
};
typedef struct bitmap4 bitmap4;

/*
 * READDIR's entries as they lie on the wire, each with the flag in front that says it is there, so that a list needs
 * neither memory nor recursion: wire_dir.h makes and walks them.
 */
struct dirlist4 {
	uint32_t entries_len; /* bytes, a multiple of 4 */
	char *entries;
	bool_t eof;
};
typedef struct dirlist4 dirlist4;

bool_t xdr_bitmap4(XDR *xdrs, bitmap4 *map);
bool_t xdr_dirlist4(XDR *xdrs, dirlist4 *list);

/* Like xdr_bytes(), but decoding gives a pointer into the message, not to be written through. */
bool_t wire_xdr_bytes(XDR *xdrs, char **bytes, u_int *len, u_int len_max);
/* Like xdr_array(), but decoding takes memory from the arena, after it has seen that the elements can be there. */
bool_t wire_xdr_array(XDR *xdrs, char **array, u_int *nr, u_int nr_max, u_int elem_size, xdrproc_t elem);

#endif
