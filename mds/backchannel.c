// SPDX-License-Identifier: Apache-2.0
/*
 * A callback keeps its slot and its sequence number until there is an answer, over as many connections as that takes;
 * so the client carries it out once (RFC 8881, 2.10.6.1).  Nobody waits longer than he said.  When he has gone, the
 * callback stays behind alone, in its slot, until an answer comes or its connection ends.
 *
 * What becomes of a slot is said by CB_SEQUENCE's answer:
 *   - its number was used up: NFS4_OK; or NFS4ERR_RETRY_UNCACHED_REP and NFS4ERR_SEQ_FALSE_RETRY, after which nobody
 *     knows how the operation ended and it is sent once more, as a new one;
 *   - it was not: NFS4ERR_DELAY;
 *   - client and server disagree about it: NFS4ERR_SEQ_MISORDERED, NFS4ERR_BADSLOT.  It is not used again.
 * A session without good slots, or that the client does not know, or that answers nonsense, has a fault, and the
 * client is told so in its next SEQUENCE and makes a new session.
 *
 * A number is durable before it is sent.  So after a restart, as after an answer that never came, it is known which
 * one the client may have seen: the slot is asked with that number and CB_SEQUENCE alone before it is used again.
 * Whether the client takes it for new, or as a retry, in whatever words: then it is used up.
 *
 * The session may go, and its struct with it, while somebody waits here: struct backchannel outlives it, and says so.
 */

#include "mds/backchannel.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "mds/callback_number.h"
#include "mds/conn.h"
#include "proto/wire_attr.h"
#include "proto/wire_bitmap.h"
#include "proto/wire_compound.h"
#include "proto/wire_rpc.h"

#define BACKCHANNEL_SLOTS_MAX  16u
#define BACKCHANNEL_NOTIFY_MAX 64u /* that a session's backchannel has on their way, each in a fiber */
#define BACKCHANNEL_TRIES_MAX  16u /* answers to one callback that say: again */
/* Bytes of a callback, and of an operation that nobody waits for. */
#define BACKCHANNEL_CALL_MAX 4096u
#define BACKCHANNEL_OP_MAX   2048u
#define BACKCHANNEL_ARENA    8192u

#define NSEC_PER_MSEC	     1000000ull
#define AGAIN_NS	     (100 * NSEC_PER_MSEC)   /* after NFS4ERR_DELAY, and between looks for a connection */
#define RECONNECT_NS	     (2000 * NSEC_PER_MSEC)  /* how long a broken connection may take to be replaced */
#define NOTIFY_LIMIT_NS	     (15000 * NSEC_PER_MSEC) /* nobody waits for these, but they don't stay for ever */

struct backchannel_slot {
	uint32_t seqid;	 /* of the last request that was used up */
	uint32_t stored; /* in the slot's item: what may be sent */
	bool unsure;	 /* the next number may have been used up already */
	bool busy;
	bool dead;
};

struct backchannel {
	struct mds *mds;
	struct session *session; /* NULL: it is gone */
	unsigned int nr_users;	 /* the session, and calls */
	unsigned int nr_notify;
	bool fault;
	uint32_t next_xid;
	struct wait_queue changed; /* a slot is free or dead, or the session is gone */
	uint32_t nr_usable;	   /* slots that the client wants to be used */
	uint32_t nr_slots;
	struct backchannel_slot slots[];
};

/* What is asked. */
struct question {
	const struct nfs_cb_argop4 *op;
	const struct backchannel_refs *refs; /* NULL: none */
};

/* What a reply said. */
struct answer {
	nfsstat4 sequence; /* CB_SEQUENCE's status; the compound's if there was none */
	nfsstat4 status;   /* the operation's */
	bool has_target;
	uint32_t target; /* the highest slot that the client would like to be used */
	struct backchannel_attrs attrs;
};

/* A request that waits for its reply. */
struct backchannel_call {
	struct backchannel *bc;
	struct backchannel_slot *slot;
	struct list by_conn;
	uint32_t xid;
	bool finished;
	bool abandoned; /* nobody waits any more */
	bool alone;	/* CB_SEQUENCE without an operation */
	int err;	/* -EPIPE: the connection ended; -EPROTO */
	struct answer answer;
	struct wait_queue done;
};

int backchannel_init(struct mds *mds, struct session *session)
{
	uint32_t nr = (uint32_t)min_u64(session->back.ca_maxrequests, BACKCHANNEL_SLOTS_MAX);
	struct backchannel *bc;

	if (nr == 0)
		nr = 1;
	bc = calloc(1, sizeof(*bc) + nr * sizeof(bc->slots[0]));
	if (!bc)
		return -ENOMEM;
	bc->mds = mds;
	bc->session = session;
	bc->nr_users = 1;
	bc->nr_slots = bc->nr_usable = nr;
	bc->next_xid = (uint32_t)reactor_random(mds->reactor);
	wait_queue_init(&bc->changed);
	session->backchannel = bc;
	return 0;
}

int backchannel_load_number(struct session *session, uint32_t slot, uint32_t seqid)
{
	struct backchannel *bc = session->backchannel;

	if (!bc || slot >= bc->nr_slots)
		return -EUCLEAN;
	bc->slots[slot].seqid = seqid - 1;
	bc->slots[slot].stored = seqid;
	bc->slots[slot].unsure = true;
	return 0;
}

static void put(struct backchannel *bc)
{
	if (--bc->nr_users == 0)
		free(bc);
}

void backchannel_release(struct session *session)
{
	struct backchannel *bc = session->backchannel;

	if (!bc)
		return;
	session->backchannel = NULL;
	bc->session = NULL;
	wait_queue_wake_all(&bc->changed);
	put(bc);
}

/* The connection to use: of those bound for it, the one that was heard of last. */
static struct conn *path(const struct session *session)
{
	struct conn *best = NULL;

	list_for_each (pos, &session->conns) {
		const struct conn_bind *bind = list_entry(pos, struct conn_bind, by_session);

		if (bind->back && !bind->conn->closed && (!best || bind->conn->last_ns > best->last_ns))
			best = bind->conn;
	}
	return best;
}

static struct backchannel_slot *free_slot(struct backchannel *bc)
{
	for (uint32_t i = 0; i < bc->nr_usable; i++)
		if (!bc->slots[i].busy && !bc->slots[i].dead)
			return &bc->slots[i];
	return NULL;
}

static bool has_good_slot(const struct backchannel *bc)
{
	for (uint32_t i = 0; i < bc->nr_slots; i++)
		if (!bc->slots[i].dead)
			return true;
	return false;
}

/* A backchannel that works, rather one with a free slot.  NULL: none. */
static struct backchannel *choose(const struct client *client)
{
	struct backchannel *best = NULL;

	list_for_each (pos, &client->sessions) {
		struct session *session = list_entry(pos, struct session, by_client);
		struct backchannel *bc = session->backchannel;

		if (!bc || bc->fault || session->gone || !path(session))
			continue;
		if (free_slot(bc))
			return bc;
		best = bc;
	}
	return best;
}

bool backchannel_has_path(const struct client *client)
{
	return choose(client) != NULL;
}

static void slot_free(struct backchannel *bc, struct backchannel_slot *slot)
{
	slot->busy = false;
	wait_queue_wake_one(&bc->changed);
}

static void slot_kill(struct backchannel *bc, struct backchannel_slot *slot)
{
	slot->dead = true;
	slot->busy = false;
	/* A client that wanted few slots used must make do with others now. */
	bc->nr_usable = bc->nr_slots;
	bc->fault = bc->fault || !has_good_slot(bc);
	wait_queue_wake_all(&bc->changed);
}

/* -EAGAIN: look for another backchannel; -ETIMEDOUT. */
static FIBER_FN int slot_take(struct backchannel *bc, uint64_t deadline_ns, struct backchannel_slot **ret_slot)
{
	struct backchannel_slot *slot;

	while (!(slot = free_slot(bc))) {
		int err;

		if (!bc->session || bc->fault)
			return -EAGAIN;
		err = wait_queue_wait_until(&bc->changed, deadline_ns);
		if (err)
			return err;
	}
	if (!bc->session || bc->fault) {
		wait_queue_wake_one(&bc->changed);
		return -EAGAIN;
	}
	slot->busy = true;
	*ret_slot = slot;
	return 0;
}

static bool is_retry(nfsstat4 status)
{
	return status == NFS4ERR_RETRY_UNCACHED_REP || status == NFS4ERR_SEQ_FALSE_RETRY;
}

/*
 * What the sequence says, to the slot alone.  True: the number was used up, and the operation's status is known.  A
 * retry is told by CB_SEQUENCE itself, or by the operation behind it, as Linux does.
 */
static bool slot_learn(struct backchannel *bc, struct backchannel_slot *slot, const struct answer *answer)
{
	if (answer->has_target)
		bc->nr_usable = (uint32_t)min_u64((uint64_t)answer->target + 1, bc->nr_slots);
	switch (answer->sequence) {
	case NFS4_OK:
		bc->fault = false;
		slot->seqid++;
		slot->unsure = false;
		return !is_retry(answer->status);
	case NFS4ERR_RETRY_UNCACHED_REP:
	case NFS4ERR_SEQ_FALSE_RETRY:
		slot->seqid++;
		slot->unsure = false;
		return false;
	case NFS4ERR_DELAY:
		/* It was not begun, or is still going on: the number alone does not tell. */
		return false;
	default:
		slot->unsure = false;
		return false;
	}
}

static void call_end(struct backchannel_call *call, int err, const struct answer *answer)
{
	struct backchannel *bc = call->bc;

	list_del(&call->by_conn);
	call->finished = true;
	call->err = err;
	if (answer)
		call->answer = *answer;
	if (!call->abandoned) {
		wait_queue_wake_all(&call->done);
		return;
	}
	/* If there was no answer the number may or may not be used up: the slot stays unsure. */
	if (!err)
		slot_learn(bc, call->slot, answer);
	slot_free(bc, call->slot);
	put(bc);
	free(call);
}

void backchannel_conn_gone(struct conn *conn)
{
	list_for_each_safe (pos, &conn->calls)
		call_end(list_entry(pos, struct backchannel_call, by_conn), -EPIPE, NULL);
}

static void answer_read_attrs(const struct CB_GETATTR4res *res, struct wire_arena *arena,
			      struct backchannel_attrs *ret_attrs)
{
	const struct fattr4 *fattr = &res->CB_GETATTR4res_u.resok4.obj_attributes;
	struct bitmap4 expected = { 0 }, known;
	struct wire_attrs *attrs;

	wire_bitmap_set(&expected, FATTR4_CHANGE);
	wire_bitmap_set(&expected, FATTR4_SIZE);
	/* Times that were not asked for do no harm. */
	known = expected;
	wire_bitmap_set(&known, FATTR4_TIME_DELEG_ACCESS);
	wire_bitmap_set(&known, FATTR4_TIME_DELEG_MODIFY);
	attrs = malloc(sizeof(*attrs));
	if (!attrs)
		return;
	if (wire_attrs_decode(fattr, &known, arena, attrs) == 0) {
		ret_attrs->is_whole = wire_bitmap_is_subset(&expected, &attrs->mask);
		ret_attrs->change = attrs->change;
		ret_attrs->size = attrs->size;
	}
	free(attrs);
}

/*
 * -EPROTO: not the results of CB_SEQUENCE and at most one operation behind it.  @alone: there was none; but what
 * comes may be the answer that the client remembers of another request with this number.
 */
static int answer_read(struct wire_dec *dec, bool alone, struct wire_arena *arena, struct answer *ret_answer)
{
	struct answer answer = { 0 };
	struct wire_compound_in in;
	struct nfs_cb_resop4 res;
	const struct CB_SEQUENCE4res *seq = &res.nfs_cb_resop4_u.opcbsequence;

	if (wire_cb_results_open(&in, dec) != 0 || in.nr > 2)
		return -EPROTO;
	answer.sequence = answer.status = (nfsstat4)in.status;
	if (in.nr == 0) {
		*ret_answer = answer;
		return in.status == NFS4_OK ? -EPROTO : 0;
	}
	if (wire_cb_results_next(&in, &res) != 0 || res.resop != OP_CB_SEQUENCE)
		return -EPROTO;
	answer.sequence = seq->csr_status;
	if (seq->csr_status == NFS4_OK) {
		answer.has_target = true;
		answer.target = seq->CB_SEQUENCE4res_u.csr_resok4.csr_target_highest_slotid;
		/* Every operation's result begins with its status, which the compound repeats. */
		if (!alone && (in.nr != 2 || wire_cb_results_next(&in, &res) != 0))
			return -EPROTO;
		if (!alone && res.resop == OP_CB_GETATTR && answer.status == NFS4_OK)
			answer_read_attrs(&res.nfs_cb_resop4_u.opcbgetattr, arena, &answer.attrs);
	}
	*ret_answer = answer;
	return 0;
}

bool backchannel_reply(struct conn *conn, uint32_t xid, const void *msg, uint32_t len)
{
	struct backchannel_call *call = NULL;
	struct wire_arena arena;
	struct wire_reply reply;
	struct wire_dec dec;
	struct answer answer;
	int err;

	list_for_each (pos, &conn->calls) {
		call = list_entry(pos, struct backchannel_call, by_conn);
		if (call->xid == xid)
			break;
		call = NULL;
	}
	if (!call)
		return false;
	wire_arena_init(&arena, BACKCHANNEL_ARENA);
	wire_dec_init(&dec, msg, len, &arena);
	err = wire_reply_get(&dec, &reply);
	if (!err && (reply.stat != MSG_ACCEPTED || reply.accept != SUCCESS))
		err = -EPROTO;
	if (!err)
		err = answer_read(&dec, call->alone, &arena, &answer);
	wire_arena_release(&arena);
	call_end(call, err ? -EPROTO : 0, err ? NULL : &answer);
	return true;
}

static int put_header(struct wire_enc *enc, const struct session *session, uint32_t xid)
{
	static char machine[] = "lamina";
	struct wire_call call = {
		.xid = xid,
		.prog = session->cb_program,
		.vers = NFS_CB,
		.proc = CB_COMPOUND,
	};
	struct wire_authsys sys = {
		.machine = machine,
		.machine_len = sizeof(machine) - 1,
		.uid = session->cb_uid,
		.gid = session->cb_gid,
	};
	char body[MAX_AUTH_BYTES];

	if (session->cb_has_sys && wire_authsys_put(&sys, body, &call.cred) != 0)
		return -EMSGSIZE;
	return wire_call_put(enc, &call);
}

static uint32_t highest_slot(const struct backchannel *bc)
{
	uint32_t highest = 0;

	for (uint32_t i = 0; i < bc->nr_slots; i++)
		if (bc->slots[i].busy)
			highest = i;
	return highest;
}

/* CB_SEQUENCE's list of requests. */
struct referring {
	struct referring_call_list4 lists[BACKCHANNEL_REFS_MAX];
	struct referring_call4 calls[BACKCHANNEL_REFS_MAX];
};

static void put_refs(const struct backchannel_refs *refs, struct referring *r, struct CB_SEQUENCE4args *args)
{
	unsigned int nr = refs ? refs->nr : 0;

	for (unsigned int i = 0; i < nr; i++) {
		const struct backchannel_ref *ref = &refs->v[i];

		r->calls[i] = (struct referring_call4){ .rc_sequenceid = ref->seqid, .rc_slotid = ref->slot };
		memcpy(r->lists[i].rcl_sessionid, ref->session, sizeof(ref->session));
		r->lists[i].rcl_referring_calls.rcl_referring_calls_len = 1;
		r->lists[i].rcl_referring_calls.rcl_referring_calls_val = &r->calls[i];
	}
	args->csa_referring_call_lists.csa_referring_call_lists_len = nr;
	args->csa_referring_call_lists.csa_referring_call_lists_val = r->lists;
}

/* The whole request, for free(); @ask NULL: CB_SEQUENCE alone.  -EMSGSIZE: more than the client takes. */
static int request_make(struct backchannel_call *call, const struct question *ask, void **ret_msg, uint32_t *ret_len)
{
	struct backchannel *bc = call->bc;
	const struct session *session = bc->session;
	uint32_t size = (uint32_t)min_u64(session->back.ca_maxrequestsize, BACKCHANNEL_CALL_MAX);
	struct nfs_cb_argop4 sequence = { .argop = OP_CB_SEQUENCE };
	struct CB_SEQUENCE4args *args = &sequence.nfs_cb_argop4_u.opcbsequence;
	struct referring referring;
	struct wire_compound_out out;
	struct wire_enc enc;
	void *msg = malloc(BACKCHANNEL_CALL_MAX);
	int err;

	if (!msg)
		return -ENOMEM;
	memcpy(args->csa_sessionid, session->id, sizeof(args->csa_sessionid));
	args->csa_sequenceid = call->slot->seqid + 1;
	args->csa_slotid = (uint32_t)(call->slot - bc->slots);
	args->csa_highest_slotid = highest_slot(bc);
	put_refs(ask ? ask->refs : NULL, &referring, args);
	wire_enc_init(&enc, msg, size);
	err = put_header(&enc, session, call->xid);
	if (!err)
		/* Linux finds its session only if this is the minor version of its mount. */
		err = wire_cb_args_begin(&out, &enc, "", 0, session->client->minor ? session->client->minor : 2);
	if (!err)
		err = wire_cb_args_add(&out, &sequence);
	if (!err && ask)
		err = wire_cb_args_add(&out, ask->op);
	if (err) {
		free(msg);
		return err;
	}
	wire_args_end(&out);
	*ret_msg = msg;
	*ret_len = wire_compound_size(&out);
	return 0;
}

static uint32_t fresh_xid(struct backchannel *bc, const struct conn *conn)
{
	bool taken;

	do {
		bc->next_xid++;
		taken = false;
		list_for_each (pos, &conn->calls)
			taken = taken || list_entry(pos, struct backchannel_call, by_conn)->xid == bc->next_xid;
	} while (taken);
	return bc->next_xid;
}

/* -EPIPE: @conn has ended; -EMSGSIZE; -ENOMEM. */
static int call_send(struct backchannel *bc, struct backchannel_slot *slot, struct conn *conn,
		     const struct question *ask, struct backchannel_call **ret_call)
{
	struct backchannel_call *call = malloc(sizeof(*call));
	uint32_t len;
	void *msg;
	int err;

	if (!call)
		return -ENOMEM;
	*call = (struct backchannel_call){ .bc = bc, .slot = slot, .xid = fresh_xid(bc, conn), .alone = !ask };
	wait_queue_init(&call->done);
	err = request_make(call, ask, &msg, &len);
	if (!err) {
		/* Before it is sent: sending may find that the connection has ended. */
		list_add_tail(&call->by_conn, &conn->calls);
		err = conn_send(conn, msg, len);
		if (err)
			list_del(&call->by_conn);
	}
	if (err) {
		free(call);
		return err;
	}
	*ret_call = call;
	return 0;
}

/* 0, -EPIPE, -EPROTO, or -ETIMEDOUT: the call keeps the slot, and frees both when it ends. */
static FIBER_FN int call_wait(struct backchannel_call *call, uint64_t deadline_ns, struct answer *ret_answer)
{
	int err = call->finished ? 0 : wait_queue_wait_until(&call->done, deadline_ns);

	if (err && !call->finished) {
		call->abandoned = true;
		call->bc->nr_users++;
		return err;
	}
	err = call->err;
	if (!err)
		*ret_answer = call->answer;
	free(call);
	return err;
}

static bool is_past(struct backchannel *bc, uint64_t time_ns)
{
	return reactor_now_ns(bc->mds->reactor) >= time_ns;
}

/* Ask until there is an answer, by whatever connection.  -ENOTCONN: there is none (any more). */
static FIBER_FN int exchange(struct backchannel *bc, struct backchannel_slot *slot, const struct question *ask,
			     uint64_t deadline_ns, struct answer *ret_answer)
{
	uint64_t give_up_ns = min_u64(deadline_ns, reactor_now_ns(bc->mds->reactor) + RECONNECT_NS);
	bool sent = false;

	for (;;) {
		struct conn *conn = bc->session ? path(bc->session) : NULL;
		struct backchannel_call *call;
		int err = conn ? call_send(bc, slot, conn, ask, &call) : -EPIPE;

		if (!err) {
			sent = true;
			slot->unsure = true;
			err = call_wait(call, deadline_ns, ret_answer);
			give_up_ns = min_u64(deadline_ns, reactor_now_ns(bc->mds->reactor) + RECONNECT_NS);
		}
		if (err != -EPIPE)
			return err;
		if (!bc->session || !sent || bc->mds->stopping || is_past(bc, give_up_ns))
			return -ENOTCONN;
		fiber_sleep_ns(AGAIN_NS);
	}
}

/* Before a number is sent it is durable.  -EAGAIN: the session is gone. */
static FIBER_FN int number_store(struct backchannel *bc, struct backchannel_slot *slot)
{
	uint32_t seqid = slot->seqid + 1;
	int err;

	if (slot->stored == seqid)
		return 0;
	if (!bc->session)
		return -EAGAIN;
	err = callback_number_write(bc->mds, bc->session, (uint32_t)(slot - bc->slots), seqid);
	if (err)
		return err == -ENOENT ? -EAGAIN : err;
	slot->stored = seqid;
	return 0;
}

/* One callback in its slot, which is free again after this, unless it returns -ETIMEDOUT.  -EAGAIN: in another. */
static FIBER_FN int slot_call(struct backchannel *bc, struct backchannel_slot *slot, const struct question *ask,
			      uint64_t deadline_ns, struct answer *ret_answer)
{
	for (unsigned int tries = 0; tries < BACKCHANNEL_TRIES_MAX; tries++) {
		const struct question *now = slot->unsure ? NULL : ask;
		struct answer answer;
		int err = number_store(bc, slot);

		if (!err)
			err = exchange(bc, slot, now, deadline_ns, &answer);
		if (err == -ETIMEDOUT)
			return err;
		bc->fault = bc->fault || err == -EPROTO;
		if (err) {
			slot_free(bc, slot);
			return err == -ENOTCONN ? -EAGAIN : err;
		}
		if (slot_learn(bc, slot, &answer) && now) {
			slot_free(bc, slot);
			*ret_answer = answer;
			return 0;
		}
		switch (answer.sequence) {
		case NFS4_OK:
		case NFS4ERR_RETRY_UNCACHED_REP:
		case NFS4ERR_SEQ_FALSE_RETRY:
			break;
		case NFS4ERR_DELAY:
			/* An operation was not begun. */
			slot->unsure = !now;
			fiber_sleep_ns(AGAIN_NS);
			break;
		case NFS4ERR_SEQ_MISORDERED:
		case NFS4ERR_BADSLOT:
			slot_kill(bc, slot);
			return -EAGAIN;
		case NFS4ERR_BADSESSION:
		case NFS4ERR_DEADSESSION:
			bc->fault = true;
			slot_free(bc, slot);
			return -EAGAIN;
		default:
			slot_free(bc, slot);
			answer.status = answer.sequence;
			*ret_answer = answer;
			return 0;
		}
		if (is_past(bc, deadline_ns))
			break;
	}
	slot_free(bc, slot);
	return -ETIMEDOUT;
}

static FIBER_FN int call_client(struct mds *mds, struct client *client, const struct question *ask,
				uint64_t deadline_ns, struct answer *ret_answer)
{
	struct backchannel *bc;
	int err = -EAGAIN;

	mds->counts.callbacks++;
	client_hold(client);
	while (err == -EAGAIN && (bc = choose(client))) {
		struct backchannel_slot *slot;

		bc->nr_users++;
		err = slot_take(bc, deadline_ns, &slot);
		if (!err)
			err = slot_call(bc, slot, ask, deadline_ns, ret_answer);
		put(bc);
		if (err == -EAGAIN && reactor_now_ns(mds->reactor) >= deadline_ns)
			err = -ETIMEDOUT;
	}
	client_drop(mds, client);
	mds->counts.callbacks_failed += err != 0;
	return err == -EAGAIN ? -ENOTCONN : err;
}

FIBER_FN int backchannel_call(struct mds *mds, struct client *client, const struct nfs_cb_argop4 *op,
			      uint64_t deadline_ns, nfsstat4 *ret_status)
{
	return backchannel_call_after(mds, client, op, NULL, deadline_ns, ret_status);
}

FIBER_FN int backchannel_call_after(struct mds *mds, struct client *client, const struct nfs_cb_argop4 *op,
				    const struct backchannel_refs *refs, uint64_t deadline_ns, nfsstat4 *ret_status)
{
	const struct question ask = { .op = op, .refs = refs };
	struct answer answer;
	int err = call_client(mds, client, &ask, deadline_ns, &answer);

	if (!err)
		*ret_status = answer.status;
	return err;
}

FIBER_FN int backchannel_getattr(struct mds *mds, struct client *client, const struct nfs_cb_argop4 *op,
				 uint64_t deadline_ns, nfsstat4 *ret_status, struct backchannel_attrs *ret_attrs)
{
	const struct question ask = { .op = op };
	struct answer answer;
	int err = call_client(mds, client, &ask, deadline_ns, &answer);

	if (err)
		return err;
	*ret_status = answer.status;
	*ret_attrs = answer.attrs;
	return 0;
}

/* A callback that nobody waits for; the operation lies here as on the wire. */
struct notice {
	struct mds *mds;
	struct client *client;
	struct backchannel *bc; /* where it is counted */
	uint32_t len;
	uint8_t op[BACKCHANNEL_OP_MAX];
};

static FIBER_FN void notify_fiber(void *arg)
{
	struct notice *notice = arg;
	struct mds *mds = notice->mds;
	struct nfs_cb_argop4 op;
	struct wire_arena arena;
	struct wire_dec dec;
	nfsstat4 status;
	int err;

	wire_arena_init(&arena, BACKCHANNEL_ARENA);
	wire_dec_init(&dec, notice->op, notice->len, &arena);
	err = wire_get(&dec, nfs_cb_argop4, &op);
	if (!err)
		err = backchannel_call(mds, notice->client, &op, reactor_now_ns(mds->reactor) + NOTIFY_LIMIT_NS,
				       &status);
	/* It was only news, and failures are counted. */
	(void)err;
	wire_arena_release(&arena);
	notice->bc->nr_notify--;
	put(notice->bc);
	client_drop(mds, notice->client);
	free(notice);
	mds->nr_fibers--;
	wait_queue_wake_all(&mds->idle);
}

static int notify_start(struct mds *mds, struct client *client, const struct nfs_cb_argop4 *op)
{
	struct backchannel *bc = choose(client);
	struct notice *notice;
	struct wire_enc enc;
	int err;

	if (!bc)
		return -ENOTCONN;
	if (bc->nr_notify >= BACKCHANNEL_NOTIFY_MAX || mds->stopping)
		return -EAGAIN;
	notice = malloc(sizeof(*notice));
	if (!notice)
		return -ENOMEM;
	*notice = (struct notice){ .mds = mds, .client = client, .bc = bc };
	wire_enc_init(&enc, notice->op, sizeof(notice->op));
	err = wire_put(&enc, nfs_cb_argop4, (struct nfs_cb_argop4 *)(uintptr_t)op);
	notice->len = wire_enc_pos(&enc);
	if (!err)
		err = fiber_spawn(mds->reactor, "callback", notify_fiber, notice, NULL);
	if (err) {
		free(notice);
		return err;
	}
	bc->nr_notify++;
	bc->nr_users++;
	client_hold(client);
	mds->nr_fibers++;
	return 0;
}

void backchannel_notify(struct mds *mds, struct client *client, const struct nfs_cb_argop4 *op)
{
	if (notify_start(mds, client, op) == 0)
		return;
	mds->counts.callbacks++;
	mds->counts.callbacks_failed++;
}

uint32_t backchannel_status_flags(const struct client *client, const struct session *session)
{
	bool asked = false, up = false;
	uint32_t flags = 0;

	list_for_each (pos, &client->sessions) {
		const struct session *s = list_entry(pos, struct session, by_client);

		asked = asked || s->backchannel;
		up = up || (s->backchannel && path(s));
	}
	if (asked && !up)
		flags |= SEQ4_STATUS_CB_PATH_DOWN;
	if (session->backchannel && !path(session))
		flags |= SEQ4_STATUS_CB_PATH_DOWN_SESSION;
	if (session->backchannel && session->backchannel->fault)
		flags |= SEQ4_STATUS_BACKCHANNEL_FAULT;
	return flags;
}
