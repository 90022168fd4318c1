/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_COMPOUND_INT_H
#define LAMINA_MDS_COMPOUND_INT_H

/* What compound.c, request.c and slot.c share. */

#include "mds/compound.h"

struct slot;

/* Execute what is left of the compound; results are in c->out.  With c->replay set there are none to be sent. */
FIBER_FN nfsstat4 compound_execute(struct compound *c) MUST_CHECK;

/*
 * SEQUENCE (RFC 8881, 18.46), always the first operation: finds session and slot, which then belong to this compound
 * until slot_finish().  c->replay: this request was answered before, and c->slot->reply is the answer.
 */
FIBER_FN nfsstat4 session_sequence(struct compound *c, const struct SEQUENCE4args *args, struct SEQUENCE4res *res)
	MUST_CHECK;
/* slot_note()'s transaction has committed. */
void slot_noted(struct compound *c);
/*
 * The compound is over: keep its reply, if that is to be kept, and free the slot for the next request.  @reply NULL:
 * there is none that may be told, not to who repeats the request either.
 */
void slot_finish(struct compound *c, const void *reply, uint32_t len);

/* One request, in its own fiber: @msg is a whole RPC message, its length @len, and is freed. */
FIBER_FN void request_serve(struct conn *conn, uint8_t *msg, uint32_t len);

#endif
