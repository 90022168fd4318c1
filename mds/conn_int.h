/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CONN_INT_H
#define LAMINA_MDS_CONN_INT_H

/* What conn.c, request.c and server.c share. */

#include "mds/conn.h"
#include "proto/wire_record.h"

/* A message on its way out. */
struct message {
	struct list link;
	uint8_t mark[WIRE_RECORD_MARK];
	uint8_t *data;
	uint32_t len;
	uint32_t room; /* of a reply: bytes at data */
	bool is_small; /* memory of its own, no place among the requests in flight */
	bool is_reply; /* counts as a request in flight until it is sent, and its memory goes back to the pool */
};

/*
 * Memory for a reply of the largest size, from the pool.  Whoever takes it counts as a request in flight of mds, and
 * has been counted (mds.requests).  NULL: no memory.
 */
struct message *message_take(struct mds *mds) MUST_CHECK;
/*
 * A reply that is written: if it is short it moves to memory of its size, and the large buffer and the request's
 * place are free at once; so who is slow to read holds little.
 */
struct message *message_shrink(struct mds *mds, struct message *m) MUST_CHECK;
/* Give it back, and the request's place with it. */
void message_release(struct mds *mds, struct message *m);
void message_pool_release(struct mds *mds);

/* Queue @m; it is released when it was sent or cannot be. */
void conn_queue(struct conn *conn, struct message *m);

/* A connection that was accepted: it serves until it breaks.  Owns @sock at once.  -ENOMEM, -EAGAIN. */
int conn_start(struct mds *mds, struct sock *sock) MUST_CHECK;
/* The longest silent connection that serves no session; NULL: none. */
struct conn *conn_useless(struct mds *mds);

/* Bytes around what a session's attributes count. */
#define CONN_RECORD_SLACK 4096u

#endif
