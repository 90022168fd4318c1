/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_SESSION_H
#define LAMINA_MDS_SESSION_H

/*
 * Sessions and their slots (RFC 8881, 2.10): the exact reply cache (I6).
 *
 * A slot remembers the last request's number and its reply.  What has changed something is also in an item, written
 * in the transaction of the change: the results so far, so that after a crash a repeated request is answered with
 * them and goes on behind them.  Requests that change nothing leave no item; so after a restart a slot accepts, once,
 * any number at or above what it remembers.
 */

#include "dev/list.h"
#include "extent/item.h"
#include "mds/fh.h"
#include "mds/mds.h"
#include "mds/table.h"
#include "proto/nfs4.h"

struct backchannel;
struct compound;
struct txn;

#define SESSION_SLOTS_MAX 4096 /* as many as the items' keys can tell apart */

/* What a slot has of the request whose number it remembers. */
enum slot_state {
	SLOT_UNUSED,   /* no request yet */
	SLOT_BUSY,     /* is being served */
	SLOT_CACHED,   /* the reply is here */
	SLOT_UNCACHED, /* it was served, the reply is not kept */
	SLOT_PARTIAL,  /* after a restart: the first results are here, the others are to be made again */
};

/* A file handle as bytes: it is looked at anew when it is used. */
struct slot_fh {
	bool is_set;
	uint8_t bytes[FH_SIZE];
};

struct slot {
	uint32_t seqid;
	enum slot_state state;
	bool unsure;	 /* loaded after a restart: higher numbers may have been used */
	uint64_t digest; /* of the request, to tell a false retry (2.10.6.1.3.1) */
	uint8_t *reply;	 /* COMPOUND4res as on the wire, or its first results */
	uint32_t reply_len;
	/* SLOT_PARTIAL */
	uint32_t nr_done; /* operations */
	struct slot_fh fh, saved_fh;
	bool has_stateid, has_saved_stateid;
	struct stateid4 stateid, saved_stateid;
	unsigned int nr_parts;	       /* items that it has on disk */
	uint32_t load_flags, load_len; /* while it is loaded */
};

struct session {
	sessionid4 id;
	uint64_t number; /* offset of its items */
	UT_hash_handle hh;
	struct client *client;
	struct list by_client;
	uint32_t flags; /* CREATE_SESSION4_FLAG_... as granted */
	struct channel_attrs4 fore, back;
	uint32_t cb_program;
	bool cb_has_sys; /* AUTH_SYS for callbacks, with */
	uint32_t cb_uid, cb_gid;
	uint32_t nr_slots;
	struct slot *slots;
	struct wait_queue slot_freed;
	unsigned int nr_in_use; /* compounds */
	bool gone;
	struct backchannel *backchannel; /* backchannel.c's */
	struct list conns;		 /* that serve it: struct conn_bind.by_session */
};

/*
 * A session of @client in memory, with the attributes as granted; its number is the client's create_seq.  NULL: no
 * memory.
 */
struct session *session_new(struct mds *mds, struct client *client, uint32_t number, uint32_t flags,
			    const struct channel_attrs4 *fore, const struct channel_attrs4 *back) MUST_CHECK;
/* Make it findable, and the other way round; it is freed when the last compound has let it go. */
void session_insert(struct mds *mds, struct session *session);
void session_remove(struct mds *mds, struct session *session);
/* Not inserted: free it. */
void session_free(struct session *session);
/* What @slots slots cost in memory, in bytes, each with a reply of @cached bytes; and a session's slots. */
uint64_t session_cost(uint32_t slots, uint32_t cached) MUST_CHECK;
uint64_t session_cache_bytes(const struct session *session) MUST_CHECK;

/* Its item, in a body; and deleting all its items, at most @max in one call: *@ret_more, come again. */
int session_put(struct txn *txn, const struct session *session) MUST_CHECK;
int session_erase(struct txn *txn, uint64_t client, uint64_t number, unsigned int max, bool *ret_more) MUST_CHECK;
/* An item of client @client: a session, a slot or a callback's number, when the server starts.  -EUCLEAN: makes no
 * sense. */
int session_load_item(struct mds *mds, struct client *client, const struct item *item) MUST_CHECK;

/* Item @part of slot @nr; parts come in order.  -EUCLEAN, -ENOMEM. */
int slot_load(struct mds *mds, struct session *session, uint32_t nr, unsigned int part, const struct item *item)
	MUST_CHECK;

struct session *session_find(const struct mds *mds, const char *id);
void session_hold(struct session *session);
void session_drop(struct mds *mds, struct session *session);

/* The record of c's running operation, with its result and the file handles as they are: see mds/compound.h. */
int slot_note(struct txn *txn, struct compound *c) MUST_CHECK;

#endif
