/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_PROTO_WIRE_RECORD_H
#define LAMINA_PROTO_WIRE_RECORD_H

/*
 * Records over TCP (RFC 5531, section 11): a record is one RPC message, sent as fragments, each with four bytes in
 * front that give its length and whether it is the last.
 *
 * A reader puts one record together from bytes as they arrive.  Memory grows with what has arrived, not with what a
 * fragment's head claims: at most twice that, at least WIRE_RECORD_ROOM, never more than the longest record allowed.
 */

#include "dev/base.h"

#define WIRE_RECORD_MARK 4
#define WIRE_RECORD_ROOM 4096
/* The longest fragment that the four bytes can express. */
#define WIRE_FRAGMENT_MAX 0x7fffffff

struct wire_record {
	uint32_t size_max;	/* bytes of a record */
	uint32_t fragments_max; /* fragments of a record, empty ones included */
	uint8_t *buf;
	uint32_t room;	       /* bytes allocated */
	uint32_t len;	       /* bytes of the record so far */
	uint32_t left;	       /* bytes of the fragment still to come */
	uint32_t nr_fragments; /* heads seen */
	uint32_t head_len;     /* bytes of the next head so far */
	uint8_t head[WIRE_RECORD_MARK];
	bool is_last;  /* the fragment being read is the last */
	bool is_whole; /* the record is there: take it, or drop it */
};

/* Both limits above 0. */
void wire_record_init(struct wire_record *record, uint32_t size_max, uint32_t fragments_max);
void wire_record_release(struct wire_record *record);

/*
 * Take bytes from the stream, up to the end of a record at most; *@ret_used says how many.  0: all were taken, the
 * record is not whole yet; 1: it is, and bytes may be left over.  -EMSGSIZE: longer than allowed; -EPROTO: more
 * fragments than allowed; -ENOMEM.  After an error the stream has no meaning any more: end the connection.
 */
int wire_record_feed(struct wire_record *record, const void *bytes, size_t len, size_t *ret_used) MUST_CHECK;

/*
 * Without a copy: where the next bytes of the stream belong, at least one, and none beyond the record's end.  Then
 * say how many came.  Errors, and 0 or 1, as for wire_record_feed().
 */
int wire_record_space(struct wire_record *record, void **ret_at, size_t *ret_len) MUST_CHECK;
int wire_record_filled(struct wire_record *record, size_t len) MUST_CHECK;

/* The whole record, now the caller's to free(); the next begins.  A record may be empty, and the pointer NULL. */
void *wire_record_take(struct wire_record *record, uint32_t *ret_len);
/* The next begins, in the same memory. */
void wire_record_drop(struct wire_record *record);

/* Write the head of a message sent as one fragment of @len bytes. */
void wire_record_mark(uint8_t head[WIRE_RECORD_MARK], uint32_t len);

#endif
