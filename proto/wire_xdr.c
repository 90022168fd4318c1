/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: whatever the message says, decoding reads only the message, takes only what the arena's budget allows, and
 * ends; encoding writes only below the encoder's limit.
 *
 * The streams are libtirpc's xdrmem; a decoder hangs itself into the stream's x_public, where wire_xdr_bytes() and
 * wire_xdr_array() find it.  Those two are all that the generated code can call to get memory.
 */

#include "proto/wire_xdr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN 16

struct wire_chunk {
	struct wire_chunk *next;
	size_t size;
	size_t used;
	bool is_lent; /* not ours to free */
	_Alignas(ARENA_ALIGN) uint8_t data[];
};

void wire_arena_init(struct wire_arena *arena, size_t budget)
{
	*arena = (struct wire_arena){ .budget = budget };
}

void wire_arena_lend(struct wire_arena *arena, void *mem, size_t size)
{
	struct wire_chunk *chunk = mem;

	assert(!arena->chunks);
	assert(size >= WIRE_LENT_MIN);
	assert((uintptr_t)mem % ARENA_ALIGN == 0);
	chunk->size = (size - sizeof(*chunk)) / ARENA_ALIGN * ARENA_ALIGN;
	chunk->used = 0;
	chunk->next = NULL;
	chunk->is_lent = true;
	arena->chunks = chunk;
}

/* At least twice the size of the chunk before: so all chunks together are less than twice what was given out. */
static struct wire_chunk *arena_grow(struct wire_arena *arena, size_t size)
{
	size_t want = arena->chunks ? max_u64(2 * arena->chunks->size, WIRE_CHUNK_SIZE) : WIRE_CHUNK_SIZE;
	size_t left = arena->budget - arena->used;
	struct wire_chunk *chunk;

	if (want > left)
		want = left;
	if (want < size)
		want = size;
	chunk = malloc(sizeof(*chunk) + want);
	if (!chunk)
		return NULL;
	chunk->size = want;
	chunk->used = 0;
	chunk->is_lent = false;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void *wire_arena_alloc(struct wire_arena *arena, size_t size)
{
	struct wire_chunk *chunk = arena->chunks;
	void *mem;

	if (size > arena->budget - arena->used) {
		arena->refused = true;
		return NULL;
	}
	size = round_up_u64(size, ARENA_ALIGN);
	if (size > arena->budget - arena->used) {
		arena->refused = true;
		return NULL;
	}
	if (!chunk || size > chunk->size - chunk->used)
		chunk = arena_grow(arena, size);
	if (!chunk)
		return NULL;
	mem = chunk->data + chunk->used;
	chunk->used += size;
	arena->used += size;
	memset(mem, 0, size);
	return mem;
}

static void arena_free(struct wire_arena *arena, struct wire_chunk *keep)
{
	struct wire_chunk *chunk = arena->chunks, *next;

	for (; chunk != keep; chunk = next) {
		next = chunk->next;
		if (!chunk->is_lent)
			free(chunk);
	}
	arena->chunks = keep;
	arena->used = 0;
	arena->refused = false;
}

void wire_arena_reset(struct wire_arena *arena)
{
	struct wire_chunk *first = arena->chunks;

	while (first && first->next)
		first = first->next;
	/* An unusual message may have begun with an unusual array. */
	if (first && first->size > WIRE_CHUNK_SIZE)
		first = NULL;
	arena_free(arena, first);
	if (first)
		first->used = 0;
}

void wire_arena_release(struct wire_arena *arena)
{
	arena_free(arena, NULL);
}

void wire_dec_init(struct wire_dec *dec, const void *buf, uint32_t len, struct wire_arena *arena)
{
	*dec = (struct wire_dec){ .buf = buf, .arena = arena };
	/* The stream takes a pointer for both directions; a decoding one never writes. */
	xdrmem_create(&dec->xdr, (char *)(uintptr_t)buf, len, XDR_DECODE);
	dec->xdr.x_public = (char *)dec;
}

static struct wire_dec *dec_of(XDR *xdrs)
{
	struct wire_dec *dec = (void *)xdrs->x_public;

	assert(dec && &dec->xdr == xdrs);
	return dec;
}

uint32_t wire_dec_pos(struct wire_dec *dec)
{
	return xdr_getpos(&dec->xdr);
}

uint32_t wire_dec_left(struct wire_dec *dec)
{
	return dec->xdr.x_handy;
}

int wire_dec_result(struct wire_dec *dec, bool_t ok)
{
	if (ok)
		return 0;
	if (!dec->no_memory)
		return -EBADMSG;
	return dec->arena->refused ? -ENOBUFS : -ENOMEM;
}

/* What @len bytes take on the wire. */
static uint64_t padded(uint64_t len)
{
	return round_up_u64(len, BYTES_PER_XDR_UNIT);
}

static bool_t decode_bytes(struct wire_dec *dec, char **bytes, u_int len)
{
	uint32_t pos = wire_dec_pos(dec);

	if (padded(len) > wire_dec_left(dec))
		return FALSE;
	*bytes = (char *)(uintptr_t)dec->buf + pos;
	return xdr_setpos(&dec->xdr, (u_int)(pos + padded(len)));
}

/* What lies where it belongs already, as wire_results_place() has it, is not copied. */
static bool_t encode_bytes(XDR *xdrs, char *bytes, u_int len)
{
	if (len == 0 || xdrs->x_op != XDR_ENCODE || (char *)xdrs->x_private != bytes)
		return xdr_opaque(xdrs, bytes, len);
	assert(bytes);
	if (padded(len) > xdrs->x_handy || !xdr_setpos(xdrs, (u_int)(xdr_getpos(xdrs) + padded(len))))
		return FALSE;
	memset(bytes + len, 0, padded(len) - len);
	return TRUE;
}

bool_t wire_xdr_bytes(XDR *xdrs, char **bytes, u_int *len, u_int len_max)
{
	if (!xdr_u_int(xdrs, len) || *len > len_max)
		return FALSE;
	return xdrs->x_op == XDR_DECODE ? decode_bytes(dec_of(xdrs), bytes, *len) : encode_bytes(xdrs, *bytes, *len);
}

/* Memory for @nr elements, each of which takes at least one unit of what is left of the message. */
static bool_t decode_array(struct wire_dec *dec, char **array, u_int nr, u_int elem_size)
{
	*array = NULL;
	if (nr == 0)
		return TRUE;
	if (nr > wire_dec_left(dec) / BYTES_PER_XDR_UNIT)
		return FALSE;
	*array = wire_arena_alloc(dec->arena, (size_t)nr * elem_size);
	dec->no_memory = !*array;
	return *array != NULL;
}

bool_t wire_xdr_array(XDR *xdrs, char **array, u_int *nr, u_int nr_max, u_int elem_size, xdrproc_t elem)
{
	if (!xdr_u_int(xdrs, nr) || *nr > nr_max)
		return FALSE;
	if (xdrs->x_op == XDR_DECODE && !decode_array(dec_of(xdrs), array, *nr, elem_size))
		return FALSE;
	for (u_int i = 0; i < *nr; i++) {
		if (!elem(xdrs, *array + (size_t)i * elem_size))
			return FALSE;
	}
	return TRUE;
}

int wire_get_bytes(struct wire_dec *dec, uint32_t len_max, char **ret_bytes, uint32_t *ret_len)
{
	char *bytes = NULL;
	u_int len = 0;

	if (!wire_xdr_bytes(&dec->xdr, &bytes, &len, len_max))
		return -EBADMSG;
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

void wire_enc_init(struct wire_enc *enc, void *buf, uint32_t size)
{
	*enc = (struct wire_enc){ .buf = buf, .size = size, .limit = size };
	xdrmem_create(&enc->xdr, buf, size, XDR_ENCODE);
}

uint32_t wire_enc_pos(struct wire_enc *enc)
{
	return xdr_getpos(&enc->xdr);
}

uint32_t wire_enc_left(struct wire_enc *enc)
{
	return enc->xdr.x_handy;
}

void wire_enc_limit(struct wire_enc *enc, uint32_t limit)
{
	uint32_t pos = wire_enc_pos(enc);

	enc->limit = limit < enc->size ? limit : enc->size;
	enc->xdr.x_handy = enc->limit > pos ? enc->limit - pos : 0;
}

void wire_enc_rewind(struct wire_enc *enc, uint32_t pos)
{
	assert(pos <= wire_enc_pos(enc));
	/* Only forward can it fail. */
	if (!xdr_setpos(&enc->xdr, pos))
		assert(!"rewinding an encoder");
	wire_enc_limit(enc, enc->limit);
}

int wire_enc_result(struct wire_enc *enc, uint32_t pos, bool_t ok)
{
	if (ok)
		return 0;
	wire_enc_rewind(enc, pos);
	return -EMSGSIZE;
}

int wire_put_u32(struct wire_enc *enc, uint32_t val)
{
	return wire_put(enc, uint32_t, &val);
}

int wire_put_bytes(struct wire_enc *enc, const void *bytes, uint32_t len)
{
	uint32_t pos = wire_enc_pos(enc);
	char *val = (char *)(uintptr_t)bytes;

	return wire_enc_result(enc, pos, wire_xdr_bytes(&enc->xdr, &val, &len, UINT32_MAX));
}

void *wire_put_space(struct wire_enc *enc, uint32_t len)
{
	uint32_t pos = wire_enc_pos(enc);

	if (padded(len) > wire_enc_left(enc))
		return NULL;
	if (!xdr_setpos(&enc->xdr, (u_int)(pos + padded(len))))
		return NULL;
	memset(enc->buf + pos + len, 0, padded(len) - len);
	return enc->buf + pos;
}

int wire_enc_reserve_u32(struct wire_enc *enc, uint32_t *ret_pos)
{
	uint32_t pos = wire_enc_pos(enc);
	int err = wire_put_u32(enc, 0);

	if (err)
		return err;
	*ret_pos = pos;
	return 0;
}

void wire_enc_patch_u32(struct wire_enc *enc, uint32_t pos, uint32_t val)
{
	assert(pos + sizeof(val) <= wire_enc_pos(enc));
	val = htonl(val);
	memcpy(enc->buf + pos, &val, sizeof(val));
}

int wire_enc_opaque_begin(struct wire_enc *enc, uint32_t *ret_mark)
{
	return wire_enc_reserve_u32(enc, ret_mark);
}

void wire_enc_opaque_end(struct wire_enc *enc, uint32_t mark)
{
	uint32_t len = wire_enc_pos(enc) - mark - (uint32_t)sizeof(len);

	assert(is_aligned_u64(len, BYTES_PER_XDR_UNIT));
	wire_enc_patch_u32(enc, mark, len);
}
