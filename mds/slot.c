/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots: exactly once (I6; RFC 8881, 2.10.6).  Promises: a number is executed once; repeated, it gets the first
 *reply, or if a crash came between, the results that were recorded with each change, and what follows them is done
 *then.
 *
 *	SLOT_UNUSED -> SLOT_BUSY -> SLOT_CACHED | SLOT_UNCACHED -> SLOT_BUSY ...
 *	(mount)     -> SLOT_PARTIAL | SLOT_UNCACHED             -> SLOT_BUSY ...
 */

#include <stdlib.h>
#include <string.h>

#include "mds/client.h"
#include "mds/client_record.h"
#include "mds/compound_int.h"
#include "mds/conn.h"
#include "mds/session.h"

#define SLOT_AWAIT_NS (10 * NSEC_PER_SEC)

struct note {
	uint8_t bytes[sizeof(struct record_slot) + RECORD_SLOT_BYTES_MAX];
	uint32_t len;
	uint32_t flags;
};

static void note_add(struct note *n, const void *bytes, uint32_t len, uint32_t flag)
{
	assert(n->len + len <= sizeof(n->bytes));
	memcpy(n->bytes + n->len, bytes, len);
	n->len += len;
	n->flags |= flag;
}

static void note_context(struct note *n, const struct compound *c)
{
	uint8_t fh[FH_SIZE];

	if (c->fh.kind != FH_NONE) {
		fh_encode(c->mds, &c->fh, fh);
		note_add(n, fh, sizeof(fh), RECORD_SLOT_FH);
	}
	if (c->saved_fh.kind != FH_NONE) {
		fh_encode(c->mds, &c->saved_fh, fh);
		note_add(n, fh, sizeof(fh), RECORD_SLOT_SAVED_FH);
	}
	if (c->has_stateid)
		note_add(n, &c->stateid, sizeof(c->stateid), RECORD_SLOT_STATEID);
	if (c->has_saved_stateid)
		note_add(n, &c->saved_stateid, sizeof(c->saved_stateid), RECORD_SLOT_SAVED_STATEID);
}

/* The results so far, and that of the operation that runs: encoded where it will be encoded again. */
static int note_results(struct note *n, struct compound *c)
{
	uint32_t start = c->out.nr_pos + 4, len;
	int err = wire_results_add(&c->out, &c->res);

	if (err)
		return err;
	len = wire_enc_pos(&c->enc) - start;
	if (len <= sizeof(n->bytes) - n->len)
		note_add(n, c->enc.buf + start, len, 0);
	else
		n->flags |= RECORD_SLOT_UNCACHED;
	wire_compound_undo(&c->out);
	return 0;
}

static struct key slot_key(const struct compound *c, unsigned int part)
{
	uint32_t nr = (uint32_t)(c->slot - c->session->slots);

	return record_key(c->client->id, RECORD_SLOT, record_slot_off(c->session->number, nr, part));
}

int slot_note(struct txn *txn, struct compound *c)
{
	struct note n = { .len = sizeof(struct record_slot) };
	struct record_slot rec;
	unsigned int parts = 0;
	int err;

	/* Of a session that is being taken apart nothing may be left behind. */
	if (!c->slot || c->session->gone)
		return 0;
	note_context(&n, c);
	err = note_results(&n, c);
	if (err)
		return err;
	for (uint32_t off = 0; off < n.len; off += ITEM_VALUE_MAX)
		parts++;
	rec = (struct record_slot){
		.seqid = le32_make(c->slot->seqid),
		.nr_done = le32_make(c->op_index + 1),
		.digest = le64_make(c->digest),
		.len = le32_make(n.len - (uint32_t)sizeof(rec)),
		.nr_parts = le16_make((uint16_t)parts),
		.flags = le16_make((uint16_t)n.flags),
	};
	memcpy(n.bytes, &rec, sizeof(rec));
	for (unsigned int part = 0; part < parts; part++) {
		uint32_t off = part * ITEM_VALUE_MAX;

		err = txn_put(txn, slot_key(c, part), n.bytes + off, min_u64(n.len - off, ITEM_VALUE_MAX));
		if (err)
			return err;
	}
	for (unsigned int part = parts; part < c->slot->nr_parts; part++) {
		err = txn_delete(txn, slot_key(c, part));
		if (err)
			return err;
	}
	c->note_parts = parts;
	c->noted = true;
	return 0;
}

void slot_noted(struct compound *c)
{
	if (c->slot && c->noted)
		c->slot->nr_parts = c->note_parts;
}

static void slot_forget_reply(struct slot *slot)
{
	free(slot->reply);
	slot->reply = NULL;
	slot->reply_len = 0;
}

static nfsstat4 slot_take_fh(const struct compound *c, const struct slot_fh *from, struct fh *ret_fh)
{
	nfs_fh4 bytes = { .nfs_fh4_len = FH_SIZE, .nfs_fh4_val = (char *)from->bytes };

	return from->is_set ? fh_decode(c->mds, &bytes, &c->conn->sock->peer.ss, ret_fh) : NFS4_OK;
}

/* Go on with what a crash interrupted: results, file handles and stateids as recorded. */
static nfsstat4 slot_resume(struct compound *c, struct slot *slot)
{
	nfsstat4 status = slot_take_fh(c, &slot->fh, &c->fh);

	if (status == NFS4_OK)
		status = slot_take_fh(c, &slot->saved_fh, &c->saved_fh);
	if (status != NFS4_OK)
		return status;
	if (!xdr_opaque(&c->enc.xdr, (char *)slot->reply, slot->reply_len))
		return NFS4ERR_SERVERFAULT;
	c->out.nr = slot->nr_done;
	c->out.last = 0;
	c->skip = slot->nr_done;
	c->has_stateid = slot->has_stateid;
	c->stateid = slot->stateid;
	c->has_saved_stateid = slot->has_saved_stateid;
	c->saved_stateid = slot->saved_stateid;
	c->changed = true;
	c->slot = slot;
	slot->state = SLOT_BUSY;
	c->mds->counts.resumed++;
	return NFS4_OK;
}

/* The number that the slot remembers comes again. */
static nfsstat4 slot_repeat(struct compound *c, struct slot *slot)
{
	if (slot->state == SLOT_BUSY)
		return NFS4ERR_DELAY;
	if (slot->state == SLOT_UNUSED)
		return NFS4ERR_SEQ_MISORDERED;
	if (slot->digest != c->digest)
		return NFS4ERR_SEQ_FALSE_RETRY;
	c->mds->counts.replays++;
	switch (slot->state) {
	case SLOT_CACHED:
		c->replay = true;
		c->replay_bytes = slot->reply;
		c->replay_len = slot->reply_len;
		return NFS4_OK;
	case SLOT_PARTIAL:
		return slot_resume(c, slot);
	default:
		c->retry_uncached = true;
		return NFS4_OK;
	}
}

/* RFC 8881, 2.10.6.1. */
static nfsstat4 slot_take(struct compound *c, struct slot *slot, uint32_t seqid)
{
	uint32_t ahead = seqid - slot->seqid;

	if (ahead == 0)
		return slot_repeat(c, slot);
	if (slot->state == SLOT_BUSY || (ahead != 1 && !(slot->unsure && ahead < 1u << 31)))
		return NFS4ERR_SEQ_MISORDERED;
	slot_forget_reply(slot);
	slot->seqid = seqid;
	slot->state = SLOT_BUSY;
	slot->unsure = false;
	slot->digest = c->digest;
	c->slot = slot;
	return NFS4_OK;
}

/* How long the reply may be. */
static uint32_t sequence_limit(const struct session *session, const struct SEQUENCE4args *args)
{
	uint32_t limit = session->fore.ca_maxresponsesize;

	return args->sa_cachethis ? (uint32_t)min_u64(limit, session->fore.ca_maxresponsesize_cached) : limit;
}

/* SEQUENCE's own result, and a failure behind it. */
#define SEQUENCE_RESULT_MAX 64u

/* What makes SEQUENCE fail, so that the slot stays as it was (18.46.3). */
static nfsstat4 sequence_check(struct compound *c, const struct session *session, const struct SEQUENCE4args *args)
{
	if (args->sa_slotid >= session->nr_slots)
		return NFS4ERR_BADSLOT;
	if (c->nr_ops > session->fore.ca_maxoperations)
		return NFS4ERR_TOO_MANY_OPS;
	if (c->request_len > session->fore.ca_maxrequestsize)
		return NFS4ERR_REQ_TOO_BIG;
	if (sequence_limit(session, args) < wire_enc_pos(&c->enc) + SEQUENCE_RESULT_MAX)
		return args->sa_cachethis ? NFS4ERR_REP_TOO_BIG_TO_CACHE : NFS4ERR_REP_TOO_BIG;
	return NFS4_OK;
}

/* The same request is being served still, perhaps for a connection that broke: the answer will be the same for both.
 */
static FIBER_FN void slot_await(struct compound *c, struct session *session, const struct slot *slot, uint32_t seqid)
{
	uint64_t deadline;

	if (slot->state != SLOT_BUSY || slot->seqid != seqid)
		return;
	deadline = reactor_now_ns(c->mds->reactor) + SLOT_AWAIT_NS;
	session_hold(session);
	while (slot->state == SLOT_BUSY && slot->seqid == seqid && !session->gone && !c->conn->closed) {
		if (wait_queue_wait_until(&session->slot_freed, deadline))
			break;
	}
	session_drop(c->mds, session);
}

FIBER_FN nfsstat4 session_sequence(struct compound *c, const struct SEQUENCE4args *args, struct SEQUENCE4res *res)
{
	struct session *session = session_find(c->mds, args->sa_sessionid);
	struct SEQUENCE4resok *ok = &res->SEQUENCE4res_u.sr_resok4;
	nfsstat4 status;

	if (!session)
		return NFS4ERR_BADSESSION;
	if (conn_bind(c->conn, session, true, false))
		return NFS4ERR_DELAY;
	status = sequence_check(c, session, args);
	if (status != NFS4_OK)
		return status;
	slot_await(c, session, &session->slots[args->sa_slotid], args->sa_sequenceid);
	session = session_find(c->mds, args->sa_sessionid);
	if (!session)
		return NFS4ERR_BADSESSION;
	status = slot_take(c, &session->slots[args->sa_slotid], args->sa_sequenceid);
	if (status != NFS4_OK)
		return status;
	client_renew(c->mds, session->client);
	session->client->minor = c->minor;
	if (c->replay)
		return NFS4_OK;
	session_hold(session);
	client_hold(session->client);
	c->session = session;
	c->client = session->client;
	c->cachethis = args->sa_cachethis;
	wire_compound_limit(&c->out, sequence_limit(session, args));

	memcpy(ok->sr_sessionid, session->id, NFS4_SESSIONID_SIZE);
	ok->sr_sequenceid = args->sa_sequenceid;
	ok->sr_slotid = args->sa_slotid;
	ok->sr_highest_slotid = session->nr_slots - 1;
	ok->sr_target_highest_slotid = session->nr_slots - 1;
	ok->sr_status_flags = client_status_flags(c->mds, session->client, session);
	return NFS4_OK;
}

void slot_finish(struct compound *c, const void *reply, uint32_t len)
{
	struct slot *slot = c->slot;

	assert(slot->state == SLOT_BUSY);
	slot_forget_reply(slot);
	slot->state = SLOT_UNCACHED;
	/* Also what was not asked for: the room is promised anyway, and a kept reply is the better answer. */
	if (reply && len <= c->session->fore.ca_maxresponsesize_cached) {
		slot->reply = malloc(len);
		if (slot->reply) {
			memcpy(slot->reply, reply, len);
			slot->reply_len = len;
			slot->state = SLOT_CACHED;
		}
	}
	c->slot = NULL;
	wait_queue_wake_all(&c->session->slot_freed);
}
