/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_MESSAGE_H
#define LAMINA_TESTS_LIB_MESSAGE_H

/*
 * Any XDR type through encoder and decoder.  Random values come from decoding random messages, most of whose words
 * are small, so that counts and discriminants are often valid; so no type needs a generator of its own.
 */

#include "proto/wire_xdr.h"
#include "tests/lib/dice.h"

struct message_type {
	const char *name;
	bool_t (*xdr)(XDR *xdrs, void *val);
	size_t size; /* of the C type */
};

/* A message_type for an XDR type and a function that gives it. */
#define MESSAGE_TYPE(type)                                                                                           \
	static bool_t message_xdr_##type(XDR *xdrs, void *val)                                                       \
	{                                                                                                            \
		return xdr_##type(xdrs, val);                                                                        \
	}                                                                                                            \
	static const struct message_type message_##type = { #type, message_xdr_##type, sizeof(type) };

/* Fill @buf with such words. */
void message_random(struct dice *dice, uint8_t *buf, uint32_t len);

/*
 * Decode a value from the start of @buf, in memory of exactly @len bytes.  Where that succeeds: encode it, decode and
 * encode it again, and require that both encodings are the same bytes, that wire_size()
 * agrees, that no buffer shorter than that is enough, and that no shorter part of the message can be
 * decoded.  Returns the bytes decoded, 0 if there is no value.
 */
uint32_t message_check(const struct message_type *type, const uint8_t *buf, uint32_t len);

#endif
