/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a request with SEQUENCE is executed once, and a retry gets the first answer to the byte. */

#include "tests/lib/fake_nfs.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "proto/wire_rpc.h"
#include "tests/lib/check.h"

#define ARENA (1 << 20)

struct answer {
	struct fake_nfs *server;
	struct fake_call call;
	struct fake_nfs_slot *slot; /* to be remembered in */
	struct wire_arena arena;
	struct wire_enc enc;
	uint8_t reply[FAKE_NFS_REPLY_MAX];
};

const struct sock_addr *fake_nfs_addr(const struct fake_nfs *server)
{
	return &server->listener->addr;
}

static struct fake_nfs_session *session_find(struct fake_nfs *server, const char *sessionid)
{
	for (unsigned int i = 0; i < FAKE_NFS_SESSIONS_MAX; i++)
		if (server->sessions[i].exists &&
		    memcmp(server->sessions[i].sessionid, sessionid, NFS4_SESSIONID_SIZE) == 0)
			return &server->sessions[i];
	return NULL;
}

static void session_forget(struct fake_nfs_session *session)
{
	for (unsigned int i = 0; i < FAKE_NFS_SLOTS_MAX; i++)
		free(session->slots[i].results);
	memset(session, 0, sizeof(*session));
}

void fake_nfs_forget(struct fake_nfs *server)
{
	for (unsigned int i = 0; i < FAKE_NFS_SESSIONS_MAX; i++)
		session_forget(&server->sessions[i]);
}

static void do_exchange_id(struct nfs_resop4 *res)
{
	EXCHANGE_ID4resok *ok = &res->nfs_resop4_u.opexchange_id.EXCHANGE_ID4res_u.eir_resok4;

	ok->eir_clientid = 4711;
	ok->eir_sequenceid = 1;
	ok->eir_flags = EXCHGID4_FLAG_USE_NON_PNFS;
	ok->eir_state_protect.spr_how = SP4_NONE;
	ok->eir_server_owner.so_major_id.so_major_id_len = 4;
	ok->eir_server_owner.so_major_id.so_major_id_val = (char *)(uintptr_t) "fake";
}

static nfsstat4 do_create_session(struct answer *a, const CREATE_SESSION4args *args, struct nfs_resop4 *res)
{
	CREATE_SESSION4resok *ok = &res->nfs_resop4_u.opcreate_session.CREATE_SESSION4res_u.csr_resok4;
	struct fake_nfs_session *session = NULL;

	for (unsigned int i = 0; i < FAKE_NFS_SESSIONS_MAX && !session; i++)
		if (!a->server->sessions[i].exists)
			session = &a->server->sessions[i];
	if (!session)
		return NFS4ERR_RESOURCE;
	session->exists = true;
	session->cb_program = args->csa_cb_program;
	session->back = args->csa_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN ? a->call.conn : NULL;
	memset(session->sessionid, 's', sizeof(session->sessionid));
	session->sessionid[0] = (char)('0' + (session - a->server->sessions));
	session->nr_slots = (uint32_t)min_u64(args->csa_fore_chan_attrs.ca_maxrequests, a->server->slots_granted);
	memcpy(ok->csr_sessionid, session->sessionid, sizeof(ok->csr_sessionid));
	ok->csr_sequence = args->csa_sequence;
	ok->csr_flags = args->csa_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN;
	ok->csr_fore_chan_attrs = args->csa_fore_chan_attrs;
	ok->csr_fore_chan_attrs.ca_maxrequests = session->nr_slots;
	ok->csr_back_chan_attrs = args->csa_back_chan_attrs;
	return NFS4_OK;
}

static nfsstat4 do_bind(struct answer *a, const BIND_CONN_TO_SESSION4args *args, struct nfs_resop4 *res)
{
	BIND_CONN_TO_SESSION4resok *ok =
		&res->nfs_resop4_u.opbind_conn_to_session.BIND_CONN_TO_SESSION4res_u.bctsr_resok4;
	struct fake_nfs_session *session = session_find(a->server, args->bctsa_sessid);

	if (!session)
		return NFS4ERR_BADSESSION;
	if (args->bctsa_dir != CDFC4_FORE)
		session->back = a->call.conn;
	memcpy(ok->bctsr_sessid, args->bctsa_sessid, sizeof(ok->bctsr_sessid));
	ok->bctsr_dir = args->bctsa_dir == CDFC4_FORE ? CDFS4_FORE : CDFS4_BOTH;
	return NFS4_OK;
}

static nfsstat4 do_sequence(struct answer *a, const SEQUENCE4args *args, struct nfs_resop4 *res)
{
	SEQUENCE4resok *ok = &res->nfs_resop4_u.opsequence.SEQUENCE4res_u.sr_resok4;
	struct fake_nfs_session *session = session_find(a->server, args->sa_sessionid);
	struct fake_nfs_slot *slot;

	if (!session)
		return NFS4ERR_BADSESSION;
	if (args->sa_slotid >= session->nr_slots)
		return NFS4ERR_BADSLOT;
	slot = &session->slots[args->sa_slotid];
	if (slot->is_busy)
		return NFS4ERR_DELAY;
	if (args->sa_sequenceid != slot->sequenceid + 1)
		return NFS4ERR_SEQ_MISORDERED;
	slot->sequenceid++;
	slot->is_busy = true;
	a->slot = slot;
	memcpy(ok->sr_sessionid, args->sa_sessionid, sizeof(ok->sr_sessionid));
	ok->sr_sequenceid = args->sa_sequenceid;
	ok->sr_slotid = args->sa_slotid;
	ok->sr_highest_slotid = session->nr_slots - 1;
	ok->sr_target_highest_slotid = a->server->target_highest;
	ok->sr_status_flags = a->server->status_flags;
	return NFS4_OK;
}

static nfsstat4 do_destroy_session(struct answer *a, const DESTROY_SESSION4args *args)
{
	struct fake_nfs_session *session = session_find(a->server, args->dsa_sessionid);

	if (!session)
		return NFS4ERR_BADSESSION;
	session_forget(session);
	return NFS4_OK;
}

static nfsstat4 do_op(struct answer *a, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	switch (arg->argop) {
	case OP_EXCHANGE_ID:
		do_exchange_id(res);
		return NFS4_OK;
	case OP_CREATE_SESSION:
		return do_create_session(a, &arg->nfs_argop4_u.opcreate_session, res);
	case OP_BIND_CONN_TO_SESSION:
		return do_bind(a, &arg->nfs_argop4_u.opbind_conn_to_session, res);
	case OP_DESTROY_SESSION:
		return do_destroy_session(a, &arg->nfs_argop4_u.opdestroy_session);
	case OP_SEQUENCE:
		return do_sequence(a, &arg->nfs_argop4_u.opsequence, res);
	default:
		return NFS4_OK;
	}
}

static FIBER_FN nfsstat4 add_result(struct answer *a, const struct nfs_argop4 *arg, struct wire_compound_out *out)
{
	const struct fake_nfs_script *script = &a->server->script;
	struct nfs_resop4 res = { .resop = arg->argop };
	nfsstat4 status;

	if (!script->on_op || !script->on_op(script->owner, &a->call, arg, &res)) {
		status = do_op(a, arg, &res);
		memcpy(&res.nfs_resop4_u, &status, sizeof(status));
	}
	memcpy(&status, &res.nfs_resop4_u, sizeof(status));
	if (status == NFS4_OK && arg->argop <= OP_REMOVEXATTR)
		a->server->executed[arg->argop]++;
	CHECK_EQ(wire_results_add(out, &res), 0);
	return status;
}

static bool put_replay(struct answer *a)
{
	const SEQUENCE4args *args = &a->call.ops[0].nfs_argop4_u.opsequence;
	struct fake_nfs_session *session;
	struct fake_nfs_slot *slot;
	void *at;

	if (a->call.nr_ops == 0 || a->call.ops[0].argop != OP_SEQUENCE)
		return false;
	session = session_find(a->server, args->sa_sessionid);
	if (!session || args->sa_slotid >= session->nr_slots)
		return false;
	slot = &session->slots[args->sa_slotid];
	if (slot->is_busy || slot->len == 0 || slot->sequenceid != args->sa_sequenceid)
		return false;
	at = wire_put_space(&a->enc, slot->len);
	CHECK(at);
	memcpy(at, slot->results, slot->len);
	a->server->nr_replays++;
	return true;
}

static void remember(struct answer *a, uint32_t from)
{
	struct fake_nfs_slot *slot = a->slot;

	slot->is_busy = false;
	slot->len = wire_enc_pos(&a->enc) - from;
	free(slot->results);
	slot->results = malloc(slot->len);
	CHECK(slot->results);
	memcpy(slot->results, a->reply + from, slot->len);
}

static FIBER_FN void execute(struct answer *a, const struct wire_compound_in *in)
{
	uint32_t from = wire_enc_pos(&a->enc);
	struct wire_compound_out out;
	nfsstat4 status = NFS4_OK;

	if (put_replay(a))
		return;
	CHECK_EQ(wire_results_begin(&out, &a->enc, in), 0);
	for (uint32_t i = 0; i < a->call.nr_ops && status == NFS4_OK; i++)
		status = add_result(a, &a->call.ops[i], &out);
	wire_results_end(&out, status);
	if (a->slot)
		remember(a, from);
}

/* Few bytes of many, small values mostly; sometimes the end is missing. */
static void flip(struct answer *a, uint32_t len)
{
	struct reactor *r = a->server->net->reactor;
	uint64_t nr = 1 + reactor_random_below(r, 3);

	for (uint64_t i = 0; i < nr; i++) {
		uint64_t pos = 8 + reactor_random_below(r, len - 8);

		a->reply[pos] =
			(uint8_t)(reactor_random_below(r, 2) ? reactor_random_below(r, 8) : reactor_random(r));
	}
	if (reactor_random_below(r, 8) == 0)
		wire_enc_rewind(&a->enc, (8 + (uint32_t)reactor_random_below(r, len - 8)) & ~3u);
}

static FIBER_FN void send_answer(struct answer *a, enum fake_action action)
{
	uint8_t head[WIRE_RECORD_MARK];
	struct iovec iov;
	int err = 0;

	if (action == FAKE_FLIP)
		flip(a, wire_enc_pos(&a->enc));
	iov = (struct iovec){ a->reply, wire_enc_pos(&a->enc) };

	if (action == FAKE_ANSWER_DROP) {
		nfs_conn_drop(a->call.conn);
		return;
	}
	if (action == FAKE_GARBAGE)
		memset(a->reply + 24, 0xa5, iov.iov_len - 24);
	if (action == FAKE_HALF) {
		wire_record_mark(head, (uint32_t)iov.iov_len);
		err = nfs_conn_send_bytes(a->call.conn, head, sizeof(head));
		if (!err)
			err = nfs_conn_send_bytes(a->call.conn, a->reply, iov.iov_len / 2);
		nfs_conn_drop(a->call.conn);
		return;
	}
	for (int i = 0; i < 1 + (action == FAKE_ANSWER_TWICE) && !err; i++)
		err = nfs_conn_send(a->call.conn, &iov, 1);
}

static FIBER_FN void do_call(struct answer *a, struct wire_dec *dec)
{
	const struct fake_nfs_script *script = &a->server->script;
	enum fake_action action = FAKE_ANSWER;
	struct wire_reply reply;
	struct wire_compound_in in;

	CHECK_EQ(wire_call_get(dec, &a->call.rpc), 0);
	reply = wire_reply_accepted(a->call.rpc.xid, SUCCESS);
	CHECK_EQ(wire_reply_put(&a->enc, &reply), 0);
	if (a->call.rpc.proc == NFSPROC4_COMPOUND) {
		CHECK_EQ(wire_args_open(&in, dec), 0);
		a->call.minorversion = in.minorversion;
		while (a->call.nr_ops < FAKE_NFS_OPS_MAX && wire_args_next(&in, &a->call.ops[a->call.nr_ops]) == 0)
			a->call.nr_ops++;
		CHECK_EQ(a->call.nr_ops, in.nr);
	}
	if (script->on_call)
		action = script->on_call(script->owner, &a->call);
	if (action == FAKE_IGNORE)
		return;
	if (action == FAKE_DROP) {
		nfs_conn_drop(a->call.conn);
		return;
	}
	if (a->call.rpc.proc == NFSPROC4_COMPOUND)
		execute(a, &in);
	send_answer(a, action);
}

static FIBER_FN void serve(void *owner, struct nfs_conn *conn, uint8_t *msg, uint32_t len)
{
	struct answer *a = calloc(1, sizeof(*a));
	struct wire_dec dec;

	CHECK(a);
	a->server = owner;
	a->call.conn = conn;
	a->call.number = ++a->server->nr_calls;
	wire_arena_init(&a->arena, ARENA);
	wire_dec_init(&dec, msg, len, &a->arena);
	wire_enc_init(&a->enc, a->reply, sizeof(a->reply));
	do_call(a, &dec);
	wire_arena_release(&a->arena);
	free(a);
	free(msg);
}

static FIBER_FN void accept_fiber(void *arg)
{
	struct fake_nfs *server = arg;
	struct nfs_conn_options opt = { .server = { serve, server } };
	struct sock *sock;
	int err;

	while ((err = listener_accept(server->listener, &sock)) != -ESHUTDOWN) {
		if (err) {
			fiber_sleep_ns(1000000);
			continue;
		}
		CHECK(server->nr_conns < FAKE_NFS_CONNS_MAX);
		CHECK_EQ(nfs_conn_adopt(server->net, sock, &opt, &server->conns[server->nr_conns]), 0);
		server->nr_conns++;
		server->nr_accepts++;
	}
}

FIBER_FN void fake_nfs_start(struct fake_nfs *server, struct net *net, const struct sock_addr *addr)
{
	*server = (struct fake_nfs){ .net = net,
				     .script = server->script,
				     .target_highest = FAKE_NFS_SLOTS_MAX - 1,
				     .slots_granted = FAKE_NFS_SLOTS_MAX };
	CHECK_EQ(net_listen(net, addr, &server->listener), 0);
	CHECK_EQ(fiber_spawn(net->reactor, "fake server", accept_fiber, server, &server->acceptor), 0);
}

void fake_nfs_drop_all(struct fake_nfs *server)
{
	for (unsigned int i = 0; i < server->nr_conns; i++)
		nfs_conn_drop(server->conns[i]);
}

FIBER_FN void fake_nfs_stop(struct fake_nfs *server)
{
	listener_shutdown(server->listener);
	fiber_join(server->acceptor);
	listener_close(server->listener);
	for (unsigned int i = 0; i < server->nr_conns; i++)
		nfs_conn_close(server->conns[i]);
	fake_nfs_forget(server);
}

struct nfs_cb_argop4 fake_nfs_cb_sequence(const struct fake_nfs_session *session, uint32_t slot, uint32_t sequenceid)
{
	struct nfs_cb_argop4 op = { .argop = OP_CB_SEQUENCE };
	CB_SEQUENCE4args *args = &op.nfs_cb_argop4_u.opcbsequence;

	memcpy(args->csa_sessionid, session->sessionid, sizeof(args->csa_sessionid));
	args->csa_slotid = slot;
	args->csa_highest_slotid = slot;
	args->csa_sequenceid = sequenceid;
	return op;
}

FIBER_FN int fake_nfs_call_back(struct fake_nfs *server, struct nfs_conn *conn, uint32_t program,
				const struct nfs_cb_argop4 *ops, uint32_t nr, uint64_t timeout_ns,
				struct wire_dec *dec, struct wire_compound_in *ret_in, uint8_t **ret_msg)
{
	struct wire_call call = { .xid = nfs_conn_xid(conn), .prog = program, .vers = NFS_CB, .proc = CB_COMPOUND };
	struct nfs_call flight = { .xid = call.xid };
	struct wire_compound_out out;
	struct wire_reply reply;
	struct wire_enc enc;
	struct iovec iov;
	uint8_t msg[4096];
	int err;

	wire_enc_init(&enc, msg, sizeof(msg));
	CHECK_EQ(wire_call_put(&enc, &call), 0);
	CHECK_EQ(wire_cb_args_begin(&out, &enc, NULL, 0, 1), 0);
	for (uint32_t i = 0; i < nr; i++)
		CHECK_EQ(wire_cb_args_add(&out, &ops[i]), 0);
	wire_args_end(&out);
	iov = (struct iovec){ msg, wire_enc_pos(&enc) };
	err = nfs_conn_expect(conn, &flight);
	if (err)
		return err;
	err = nfs_conn_send(conn, &iov, 1);
	if (!err)
		err = nfs_conn_wait(conn, &flight, reactor_now_ns(server->net->reactor) + timeout_ns);
	nfs_conn_forget(conn, &flight);
	if (err)
		return err;
	*ret_msg = flight.reply;
	wire_dec_init(dec, flight.reply, flight.reply_len, NULL);
	err = wire_reply_get(dec, &reply);
	if (!err && (reply.stat != MSG_ACCEPTED || reply.accept != SUCCESS))
		err = -EIO;
	return err ? err : wire_cb_results_open(ret_in, dec);
}
