/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a callback is executed once, whatever is sent again (RFC 8881, 2.10.6.1); it is answered as the hooks and
 * the rules of section 20 say, unless a fault was asked for; what a server sends never takes more than the limits.
 */

#include "tools/nfs_callback.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "proto/wire_compound.h"
#include "proto/wire_rpc.h"

#define ARENA_MAX	(256 << 10)
#define SESSION_WAIT_NS NSEC_PER_SEC

/* One callback on its way through the service. */
struct request {
	struct nfs_callback *cb;
	struct nfs_conn *conn;
	struct nfs_callback_event *event;
	struct nfs_callback_fault fault;
	bool is_unheard; /* a hook wants it not to have come */
	struct wire_compound_in in;
	struct wire_compound_out out;
	struct wire_dec dec;
	struct wire_enc enc;
	struct nfs_backchannel *channel;   /* NULL: CB_SEQUENCE was not taken */
	struct nfs_backchannel_slot *slot; /* which it holds */
	uint32_t results_pos;		   /* where the part that may be remembered begins */
	uint8_t reply[NFS_CALLBACK_REPLY_MAX];
};

void nfs_callback_init(struct nfs_callback *cb, struct reactor *r)
{
	*cb = (struct nfs_callback){ .reactor = r, .program = NFS_CALLBACK_PROGRAM };
	list_init(&cb->channels);
	list_init(&cb->events);
	wait_queue_init(&cb->event_came);
	wait_queue_init(&cb->channel_came);
}

void nfs_callback_done(struct nfs_callback_event *event)
{
	if (!event || --event->refs > 0)
		return;
	wire_arena_release(&event->arena);
	free(event->msg);
	free(event);
}

static void callback_drop_oldest(struct nfs_callback *cb)
{
	struct nfs_callback_event *event = list_first_entry(&cb->events, struct nfs_callback_event, link);

	list_del(&event->link);
	cb->nr_events--;
	nfs_callback_done(event);
}

void nfs_callback_clear(struct nfs_callback *cb)
{
	struct list events;

	list_init(&events);
	list_splice_tail(&cb->events, &events);
	cb->nr_events = 0;
	list_for_each_safe (pos, &events)
		nfs_callback_done(list_entry(pos, struct nfs_callback_event, link));
}

void nfs_callback_release(struct nfs_callback *cb)
{
	assert(list_is_empty(&cb->channels));
	nfs_callback_clear(cb);
}

void nfs_callback_channel_add(struct nfs_callback *cb, struct nfs_backchannel *channel)
{
	assert(channel->nr_slots <= NFS_CALLBACK_SLOTS_MAX);
	channel->fore_target = NFS4_UINT32_MAX;
	wait_queue_init(&channel->idle);
	list_add_tail(&channel->link, &cb->channels);
	wait_queue_wake_all(&cb->channel_came);
}

FIBER_FN void nfs_callback_channel_remove(struct nfs_backchannel *channel)
{
	list_del(&channel->link);
	for (uint32_t i = 0; i < channel->nr_slots; i++) {
		while (channel->slots[i].is_busy)
			wait_queue_wait(&channel->idle);
		free(channel->slots[i].reply);
	}
	memset(channel->slots, 0, sizeof(channel->slots));
}

static struct nfs_backchannel *callback_find(struct nfs_callback *cb, const char *sessionid)
{
	list_for_each (pos, &cb->channels) {
		struct nfs_backchannel *channel = list_entry(pos, struct nfs_backchannel, link);

		if (memcmp(channel->sessionid, sessionid, NFS4_SESSIONID_SIZE) == 0)
			return channel;
	}
	return NULL;
}

/* A server may call before the client has read the answer that names the session (RFC 8881, 2.10.6.3). */
static FIBER_FN struct nfs_backchannel *callback_find_wait(struct nfs_callback *cb, const char *sessionid)
{
	uint64_t deadline = reactor_now_ns(cb->reactor) + SESSION_WAIT_NS;
	struct nfs_backchannel *channel = callback_find(cb, sessionid);

	while (!channel && cb->nr_pending > 0) {
		if (wait_queue_wait_until(&cb->channel_came, deadline))
			break;
		channel = callback_find(cb, sessionid);
	}
	return channel;
}

const struct nfs_cb_argop4 *nfs_callback_arg(const struct nfs_callback_event *event, uint32_t op)
{
	for (uint32_t i = 0; i < event->nr_ops; i++)
		if (event->ops[i].argop == op)
			return &event->ops[i];
	return NULL;
}

static struct nfs_callback_event *callback_oldest(struct nfs_callback *cb, uint32_t op)
{
	list_for_each (pos, &cb->events) {
		struct nfs_callback_event *event = list_entry(pos, struct nfs_callback_event, link);

		if (op == 0 || nfs_callback_arg(event, op))
			return event;
	}
	return NULL;
}

FIBER_FN int nfs_callback_wait(struct nfs_callback *cb, uint32_t op, uint64_t deadline_ns,
			       struct nfs_callback_event **ret_event)
{
	struct nfs_callback_event *event;
	int err = 0;

	while (!(event = callback_oldest(cb, op)) && !err)
		err = wait_queue_wait_until(&cb->event_came, deadline_ns);
	if (!event)
		return err;
	list_del(&event->link);
	cb->nr_events--;
	*ret_event = event;
	return 0;
}

static void callback_queue(struct nfs_callback *cb, struct nfs_callback_event *event)
{
	if (cb->nr_events >= NFS_CALLBACK_EVENTS_MAX) {
		callback_drop_oldest(cb);
		cb->stats.lost++;
	}
	event->refs++;
	list_add_tail(&event->link, &cb->events);
	cb->nr_events++;
	wait_queue_wake_all(&cb->event_came);
}

/* As a client that holds neither delegations nor layouts, and takes all notices. */
static nfsstat4 callback_default(struct request *req, const struct nfs_cb_argop4 *arg)
{
	switch (arg->argop) {
	case OP_CB_GETATTR:
		return NFS4ERR_BADHANDLE;
	case OP_CB_RECALL:
		return NFS4ERR_BAD_STATEID;
	case OP_CB_LAYOUTRECALL:
		return NFS4ERR_NOMATCHING_LAYOUT;
	case OP_CB_RECALL_SLOT:
		req->channel->fore_target = arg->nfs_cb_argop4_u.opcbrecall_slot.rsa_target_highest_slotid;
		return NFS4_OK;
	case OP_CB_RECALL_ANY:
	case OP_CB_RECALLABLE_OBJ_AVAIL:
	case OP_CB_NOTIFY_LOCK:
	case OP_CB_NOTIFY_DEVICEID:
	case OP_CB_OFFLOAD:
	case OP_CB_WANTS_CANCELLED:
		return NFS4_OK;
	case OP_CB_SEQUENCE:
		return NFS4ERR_SEQUENCE_POS;
	default:
		return NFS4ERR_NOTSUPP;
	}
}

/* RFC 8881, 20.9.3 */
static nfsstat4 sequence_check(struct request *req, const CB_SEQUENCE4args *args)
{
	struct nfs_backchannel_slot *slot;

	if (req->fault.sequence != NFS4_OK)
		return req->fault.sequence;
	if (!req->channel)
		return NFS4ERR_BADSESSION;
	if (args->csa_slotid >= req->channel->nr_slots)
		return NFS4ERR_BADSLOT;
	if (args->csa_highest_slotid >= req->channel->nr_slots || args->csa_highest_slotid < args->csa_slotid)
		return NFS4ERR_BAD_HIGH_SLOT;
	slot = &req->channel->slots[args->csa_slotid];
	if (slot->is_busy)
		return args->csa_sequenceid == slot->sequenceid ? NFS4ERR_DELAY : NFS4ERR_SEQ_MISORDERED;
	if (args->csa_sequenceid != slot->sequenceid + 1)
		return NFS4ERR_SEQ_MISORDERED;
	slot->sequenceid = args->csa_sequenceid;
	slot->is_busy = true;
	req->slot = slot;
	req->channel->nr_calls++;
	return NFS4_OK;
}

static nfsstat4 do_sequence(struct request *req, const CB_SEQUENCE4args *args, struct nfs_cb_resop4 *res)
{
	CB_SEQUENCE4resok *ok = &res->nfs_cb_resop4_u.opcbsequence.CB_SEQUENCE4res_u.csr_resok4;
	nfsstat4 status = sequence_check(req, args);

	if (status != NFS4_OK)
		return status;
	memcpy(ok->csr_sessionid, args->csa_sessionid, sizeof(ok->csr_sessionid));
	ok->csr_sequenceid = args->csa_sequenceid;
	ok->csr_slotid = args->csa_slotid + req->fault.has_wrong_slot;
	ok->csr_highest_slotid = args->csa_highest_slotid;
	ok->csr_target_highest_slotid = req->channel->nr_slots - 1;
	return NFS4_OK;
}

static FIBER_FN nfsstat4 do_op(struct request *req, uint32_t index, const struct nfs_cb_argop4 *arg)
{
	struct nfs_cb_resop4 res = { .resop = arg->argop };
	const struct nfs_callback_hook *hook = NULL;
	nfsstat4 status;

	if (arg->argop < NFS_CALLBACK_OPS_MAX)
		hook = &req->cb->hooks[arg->argop];
	if (index == 0)
		status = arg->argop == OP_CB_SEQUENCE ? do_sequence(req, &arg->nfs_cb_argop4_u.opcbsequence, &res)
						      : NFS4ERR_OP_NOT_IN_SESSION;
	else if (hook && hook->answer)
		status = hook->answer(hook->owner, arg, &res);
	else
		status = callback_default(req, arg);
	if (status == NFS_CALLBACK_SILENT) {
		req->fault.is_silent = req->is_unheard = true;
		return NFS4ERR_DELAY;
	}
	if (status != NFS4_OK)
		return wire_cb_results_fail(&req->out, arg->argop, status) ? NFS4ERR_REP_TOO_BIG : status;
	memcpy(&res.nfs_cb_resop4_u, &status, sizeof(status));
	return wire_cb_results_add(&req->out, &res) ? NFS4ERR_REP_TOO_BIG : NFS4_OK;
}

static FIBER_FN nfsstat4 do_ops(struct request *req)
{
	struct nfs_callback_event *event = req->event;
	nfsstat4 status = NFS4_OK;

	for (uint32_t i = 0; i < event->nr_ops && status == NFS4_OK; i++) {
		status = do_op(req, i, &event->ops[i]);
		if (i > 0 || status != NFS4_OK)
			continue;
		req->cb->stats.compounds++;
		callback_queue(req->cb, event);
		if (req->fault.delay_ns)
			fiber_sleep_ns(req->fault.delay_ns);
	}
	return status;
}

/* Decode all, at most what there is room for; the status of what could not be. */
static nfsstat4 decode_ops(struct request *req)
{
	struct nfs_callback_event *event = req->event;
	int err = 0;

	if (req->in.minorversion < 1 || req->in.minorversion > 2)
		return NFS4ERR_MINOR_VERS_MISMATCH;
	while (event->nr_ops < NFS_CALLBACK_OPS_MAX) {
		err = wire_cb_args_next(&req->in, &event->ops[event->nr_ops]);
		if (err)
			break;
		event->nr_ops++;
	}
	if (err == -ENOENT || req->in.next == req->in.nr)
		return NFS4_OK;
	if (!err)
		return NFS4ERR_TOO_MANY_OPS;
	return err == -EOPNOTSUPP ? NFS4ERR_OP_ILLEGAL : NFS4ERR_BADXDR;
}

static bool is_replay(const struct request *req, const CB_SEQUENCE4args *args)
{
	const struct nfs_backchannel_slot *slot;

	if (!req->channel || req->fault.sequence != NFS4_OK || args->csa_slotid >= req->channel->nr_slots)
		return false;
	slot = &req->channel->slots[args->csa_slotid];
	return !slot->is_busy && slot->reply_len > 0 && slot->sequenceid == args->csa_sequenceid;
}

static void put_replay(struct request *req, const CB_SEQUENCE4args *args)
{
	const struct nfs_backchannel_slot *slot = &req->channel->slots[args->csa_slotid];
	void *at = wire_put_space(&req->enc, slot->reply_len);

	/* It fitted behind such a head before. */
	assert(at);
	memcpy(at, slot->reply, slot->reply_len);
	req->cb->stats.replays++;
}

static void remember(struct request *req)
{
	uint32_t len = wire_enc_pos(&req->enc) - req->results_pos;
	uint8_t *reply;

	if (req->is_unheard) {
		req->slot->sequenceid--;
		req->slot->is_busy = false;
		wait_queue_wake_all(&req->channel->idle);
		return;
	}
	reply = realloc(req->slot->reply, len);
	req->slot->is_busy = false;
	req->slot->reply_len = 0;
	wait_queue_wake_all(&req->channel->idle);
	if (!reply)
		return;
	memcpy(reply, req->reply + req->results_pos, len);
	req->slot->reply = reply;
	req->slot->reply_len = len;
}

static FIBER_FN int do_compound(struct request *req)
{
	struct nfs_callback_event *event = req->event;
	const CB_SEQUENCE4args *sequence = NULL;
	nfsstat4 bad, status;
	int err = wire_cb_args_open(&req->in, &req->dec);

	if (err)
		return err;
	bad = decode_ops(req);
	if (event->nr_ops > 0 && event->ops[0].argop == OP_CB_SEQUENCE) {
		sequence = &event->ops[0].nfs_cb_argop4_u.opcbsequence;
		event->sequence = *sequence;
		memcpy(event->sessionid, sequence->csa_sessionid, sizeof(event->sessionid));
		req->channel = callback_find_wait(req->cb, sequence->csa_sessionid);
	}
	if (sequence && is_replay(req, sequence)) {
		put_replay(req, sequence);
		return 0;
	}
	err = wire_cb_results_begin(&req->out, &req->enc, &req->in);
	if (err)
		return err;
	status = do_ops(req);
	if (status == NFS4_OK && bad != NFS4_OK) {
		status = bad;
		if (bad != NFS4ERR_MINOR_VERS_MISMATCH &&
		    wire_cb_results_fail(&req->out, bad == NFS4ERR_OP_ILLEGAL ? OP_CB_ILLEGAL : req->in.op, bad))
			return -EMSGSIZE;
	}
	wire_results_end(&req->out, status);
	if (req->slot)
		remember(req);
	else
		req->cb->stats.refused++;
	return 0;
}

static FIBER_FN void send_reply(struct request *req)
{
	struct iovec iov = { req->reply, wire_enc_pos(&req->enc) };
	const struct nfs_callback_fault *fault = &req->fault;
	int err = 0;

	if (fault->is_silent)
		return;
	if (fault->drops) {
		nfs_conn_drop(req->conn);
		return;
	}
	if (fault->has_wrong_xid)
		req->reply[0] ^= 0x55;
	if (fault->is_garbage)
		memset(req->reply + req->results_pos, 0xa5, iov.iov_len - req->results_pos);
	for (int i = 0; i < 1 + fault->is_twice && !err; i++)
		err = nfs_conn_send(req->conn, &iov, 1);
	/* Who calls will see the connection break, or try again. */
}

/* -EBADMSG: nothing that could be answered. */
static FIBER_FN int do_call(struct request *req, uint8_t *msg, uint32_t len)
{
	struct wire_program program = { req->cb->program, NFS_CB, NFS_CB, 2 };
	struct wire_reply reply;
	struct wire_call call;
	int err;

	wire_dec_init(&req->dec, msg, len, &req->event->arena);
	wire_enc_init(&req->enc, req->reply, sizeof(req->reply));
	err = wire_call_get(&req->dec, &call);
	if (err)
		return err;
	if (wire_call_is_refused(&call, &program, &reply)) {
		req->cb->stats.refused++;
		return wire_reply_put(&req->enc, &reply);
	}
	reply = wire_reply_accepted(call.xid, SUCCESS);
	err = wire_reply_put(&req->enc, &reply);
	if (err)
		return err;
	req->results_pos = wire_enc_pos(&req->enc);
	if (call.proc == CB_NULL) {
		req->cb->stats.nulls++;
		return 0;
	}
	if (req->cb->fault.nr > 0) {
		req->fault = req->cb->fault;
		req->cb->fault.nr--;
	}
	err = do_compound(req);
	if (err != -EBADMSG)
		return err;
	reply = wire_reply_accepted(call.xid, GARBAGE_ARGS);
	wire_enc_rewind(&req->enc, 0);
	return wire_reply_put(&req->enc, &reply);
}

static FIBER_FN void callback_serve(void *owner, struct nfs_conn *conn, uint8_t *msg, uint32_t len)
{
	struct request *req = calloc(1, sizeof(*req));
	struct nfs_callback_event *event = calloc(1, sizeof(*event));

	if (!req || !event) {
		free(event);
		free(req);
		free(msg);
		return;
	}
	req->cb = owner;
	req->conn = conn;
	req->event = event;
	event->msg = msg;
	event->refs = 1;
	event->at_ns = reactor_now_ns(req->cb->reactor);
	wire_arena_init(&event->arena, ARENA_MAX);
	if (do_call(req, msg, len) == 0)
		send_reply(req);
	nfs_callback_done(event);
	free(req);
}

struct nfs_conn_server nfs_callback_server(struct nfs_callback *cb)
{
	return (struct nfs_conn_server){ callback_serve, cb };
}
