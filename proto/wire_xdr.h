/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_PROTO_WIRE_XDR_H
#define LAMINA_PROTO_WIRE_XDR_H

/*
 * Bounded XDR (RFC 4506) over libtirpc's memory streams.
 *
 * Decoding reads one message that lies whole in memory and never looks beyond its end.  Opaque data is not copied: it
 * is a pointer into the message, which therefore must live as long as what was decoded.  Arrays lie in an arena that
 * is emptied as a whole and gives out no more than its budget.  An array that claims more elements than the rest of
 * the message can hold fails before anything is allocated.
 *
 * Encoding writes into a buffer of fixed size and never beyond it, nor beyond a lower limit set meanwhile.  What does
 * not fit leaves the buffer's used part as it was.  Lengths that are known only later are reserved, then patched.
 */

#include "proto/wire_base.h"

/* Memory for what is decoded. */
struct wire_arena {
	struct wire_chunk *chunks; /* the newest first */
	size_t budget;		   /* bytes that may be given out, in all */
	size_t used;		   /* bytes given out, alignment included */
	bool refused;		   /* something was refused for the budget since the last reset */
};

/*
 * Nothing is allocated before it is needed.  What malloc() is asked for stays below 2 * @budget + WIRE_CHUNK_SIZE;
 * @budget 0: decode only what needs no memory.
 */
#define WIRE_CHUNK_SIZE 4096
void wire_arena_init(struct wire_arena *arena, size_t budget);
/*
 * Lend it @size bytes, at @mem aligned to 16, that are used before any are allocated; they must live as long as the
 * arena.  Right after init.
 */
#define WIRE_LENT_MIN 256
void wire_arena_lend(struct wire_arena *arena, void *mem, size_t size);
/* Zeroed memory, aligned to 16; NULL: over the budget (@refused) or no memory. */
void *wire_arena_alloc(struct wire_arena *arena, size_t size) MUST_CHECK;
/* Take back all that was given out, keeping the first chunk for the next message. */
void wire_arena_reset(struct wire_arena *arena);
void wire_arena_release(struct wire_arena *arena);

struct wire_dec {
	XDR xdr;
	const uint8_t *buf;
	struct wire_arena *arena;
	bool no_memory; /* the last failure was for want of memory, not for the message */
};

/* Decode the @len bytes at @buf, which needs no alignment.  Nothing to release. */
void wire_dec_init(struct wire_dec *dec, const void *buf, uint32_t len, struct wire_arena *arena);
/* Bytes read, and bytes left. */
uint32_t wire_dec_pos(struct wire_dec *dec);
uint32_t wire_dec_left(struct wire_dec *dec);
/* 0; -EBADMSG: malformed, truncated or beyond a bound; -ENOBUFS: beyond the arena's budget; -ENOMEM. */
int wire_dec_result(struct wire_dec *dec, bool_t ok) MUST_CHECK;

/*
 * Decode one value of the XDR type @type into *@ret.  Errors of wire_dec_result(); after one, *@ret holds anything
 * and the decoder is of no further use.
 */
#define wire_get(dec, type, ret) wire_dec_result(dec, xdr_##type(&(dec)->xdr, ret))

/* Opaque data of at most @len_max bytes, as a pointer into the message. */
int wire_get_bytes(struct wire_dec *dec, uint32_t len_max, char **ret_bytes, uint32_t *ret_len) MUST_CHECK;

struct wire_enc {
	XDR xdr;
	uint8_t *buf;
	uint32_t size;
	uint32_t limit; /* at most size */
};

/* Encode into the @size bytes at @buf. */
void wire_enc_init(struct wire_enc *enc, void *buf, uint32_t size);
/* Bytes written, and how many more fit. */
uint32_t wire_enc_pos(struct wire_enc *enc);
uint32_t wire_enc_left(struct wire_enc *enc);
/* Write no further than @limit bytes from the start: the buffer's size at most; if less than is there, nothing more.
 */
void wire_enc_limit(struct wire_enc *enc, uint32_t limit);
/* Forget what lies behind @pos, a position that wire_enc_pos() gave. */
void wire_enc_rewind(struct wire_enc *enc, uint32_t pos);
/* 0; -EMSGSIZE, and the position is @pos again. */
int wire_enc_result(struct wire_enc *enc, uint32_t pos, bool_t ok) MUST_CHECK;

/* Encode *@val, of the XDR type @type.  -EMSGSIZE: it does not fit, or breaks a bound; nothing was written. */
#define wire_put(enc, type, val) wire_enc_result(enc, wire_enc_pos(enc), xdr_##type(&(enc)->xdr, val))

int wire_put_u32(struct wire_enc *enc, uint32_t val) MUST_CHECK;
/* Opaque data with its length in front. */
int wire_put_bytes(struct wire_enc *enc, const void *bytes, uint32_t len) MUST_CHECK;
/* Room for @len bytes and zeros up to the next multiple of 4, to be filled in place; NULL: does not fit. */
void *wire_put_space(struct wire_enc *enc, uint32_t len) MUST_CHECK;
/* Four bytes for wire_enc_patch_u32(). */
int wire_enc_reserve_u32(struct wire_enc *enc, uint32_t *ret_pos) MUST_CHECK;
void wire_enc_patch_u32(struct wire_enc *enc, uint32_t pos, uint32_t val);
/*
 * Opaque data that is itself encoded: begin, encode (always whole XDR units), end.  The mark is where its length
 * stands.
 */
int wire_enc_opaque_begin(struct wire_enc *enc, uint32_t *ret_mark) MUST_CHECK;
void wire_enc_opaque_end(struct wire_enc *enc, uint32_t mark);

/* Bytes that a value would have on the wire; the same for all encoders. */
#define wire_size(type, val) xdr_sizeof((xdrproc_t)xdr_##type, val)

#endif
