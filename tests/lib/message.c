/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: what message_check() requires holds, or the program ends with the type's name. */

#include "tests/lib/message.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"

#define BUDGET (4 << 20)

void message_random(struct dice *dice, uint8_t *buf, uint32_t len)
{
	memset(buf, 0, len);
	for (uint32_t i = 0; i + 4 <= len; i += 4) {
		uint64_t kind = dice_below(dice, 16);

		if (kind == 0)
			dice_fill(dice, buf + i, 4);
		else if (kind < 3)
			buf[i + 3] = (uint8_t)dice_below(dice, 90);
		else if (kind < 10)
			buf[i + 3] = (uint8_t)dice_below(dice, 7);
	}
}

/* A copy in memory of exactly its size, so that a sanitizer sees every step beyond. */
static uint8_t *exact(const void *buf, uint32_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	CHECK(copy);
	if (len)
		memcpy(copy, buf, len);
	return copy;
}

struct decoded {
	uint8_t *buf;
	struct wire_arena arena;
	void *val;
	int err;
	uint32_t used;
};

static struct decoded decode(const struct message_type *type, const uint8_t *buf, uint32_t len)
{
	struct decoded d = { .buf = exact(buf, len), .val = malloc(type->size) };
	struct wire_dec dec;

	CHECK(d.val);
	memset(d.val, 0x5a, type->size);
	wire_arena_init(&d.arena, BUDGET);
	wire_dec_init(&dec, d.buf, len, &d.arena);
	d.err = wire_dec_result(&dec, type->xdr(&dec.xdr, d.val));
	d.used = wire_dec_pos(&dec);
	return d;
}

static void decoded_release(struct decoded *d)
{
	wire_arena_release(&d->arena);
	free(d->val);
	free(d->buf);
}

static uint8_t *encode(const struct message_type *type, void *val, uint32_t len)
{
	uint8_t *buf = exact(NULL, 0);
	struct wire_enc enc;

	CHECK_EQ(xdr_sizeof((xdrproc_t)type->xdr, val), len);
	for (uint32_t size = 0; size < len; size += size + 36 < len ? 1 + size / 3 : 1) {
		free(buf);
		buf = malloc(size + 1);
		CHECK(buf);
		wire_enc_init(&enc, buf, size);
		CHECK_EQ(wire_enc_result(&enc, 0, type->xdr(&enc.xdr, val)), -EMSGSIZE);
		CHECK_EQ(wire_enc_pos(&enc), 0);
	}
	free(buf);
	buf = malloc(len + 1);
	CHECK(buf);
	wire_enc_init(&enc, buf, len);
	CHECK_EQ(wire_enc_result(&enc, 0, type->xdr(&enc.xdr, val)), 0);
	CHECK_EQ(wire_enc_pos(&enc), len);
	return buf;
}

static void check_truncated(const struct message_type *type, const uint8_t *buf, uint32_t len)
{
	struct decoded d;

	/* Every point near the end and the start, some between. */
	for (uint32_t size = 0; size<len; size += size> 128 && size + 64 < len ? 1 + size / 16 : 1) {
		d = decode(type, buf, size);
		CHECK_EQ(d.err, -EBADMSG);
		decoded_release(&d);
	}
}

uint32_t message_check(const struct message_type *type, const uint8_t *buf, uint32_t len)
{
	struct decoded one = decode(type, buf, len), two;
	uint8_t *first, *second;
	uint32_t used = one.used, size;

	CHECK(!one.err || one.err == -EBADMSG || one.err == -ENOBUFS);
	if (one.err) {
		decoded_release(&one);
		return 0;
	}
	/* The words of a bitmap that have no place are not sent again, so this may be shorter. */
	size = (uint32_t)xdr_sizeof((xdrproc_t)type->xdr, one.val);
	CHECK(size <= used);
	first = encode(type, one.val, size);
	two = decode(type, first, size);
	if (two.err || two.used != size)
		fprintf(stderr, "type %s\n", type->name);
	CHECK_EQ(two.err, 0);
	CHECK_EQ(two.used, size);
	second = encode(type, two.val, size);
	CHECK(memcmp(first, second, size) == 0);
	check_truncated(type, first, size);
	free(first);
	free(second);
	decoded_release(&one);
	decoded_release(&two);
	return used;
}
