/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_FAKE_NFS_H
#define LAMINA_TESTS_LIB_FAKE_NFS_H

/*
 * A server without files, for tests of the client: EXCHANGE_ID, CREATE_SESSION and SEQUENCE with a reply cache are
 * real, any other operation succeeds with all zeros.  A script may do otherwise with single calls and operations, and
 * the test may call back.
 */

#include "proto/wire_compound.h"
#include "proto/wire_rpc.h"
#include "tools/nfs_conn.h"

#define FAKE_NFS_CONNS_MAX    256
#define FAKE_NFS_SESSIONS_MAX 8
#define FAKE_NFS_SLOTS_MAX    64
#define FAKE_NFS_OPS_MAX      32
#define FAKE_NFS_REPLY_MAX    65536

/* A call that is being answered. */
struct fake_call {
	struct nfs_conn *conn;
	uint64_t number; /* of the calls that came, from 1 */
	struct wire_call rpc;
	uint32_t minorversion;
	uint32_t nr_ops;
	struct nfs_argop4 ops[FAKE_NFS_OPS_MAX];
};

enum fake_action {
	FAKE_ANSWER,
	FAKE_IGNORE,	   /* neither execute nor answer */
	FAKE_DROP,	   /* the connection, before anything is executed */
	FAKE_ANSWER_DROP,  /* execute, remember, drop the connection instead of answering */
	FAKE_ANSWER_TWICE, /* the same answer two times */
	FAKE_GARBAGE,	   /* an answer of nonsense, execution or not */
	FAKE_FLIP,	   /* execute, answer with some bytes behind the xid changed */
	FAKE_HALF,	   /* execute, send half of the answer, drop */
};

struct fake_nfs_script {
	/* What to do with a call; NULL: FAKE_ANSWER. */
	FIBER_FN enum fake_action (*on_call)(void *owner, const struct fake_call *call);
	/* Execute an operation; false: as the server does by itself.  *@ret_res is all zeros, resop set. */
	FIBER_FN bool (*on_op)(void *owner, const struct fake_call *call, const struct nfs_argop4 *arg,
			       struct nfs_resop4 *ret_res);
	void *owner;
};

struct fake_nfs_slot {
	uint32_t sequenceid;
	bool is_busy;
	uint32_t len;
	uint8_t *results;
};

struct fake_nfs_session {
	bool exists;
	char sessionid[NFS4_SESSIONID_SIZE];
	uint32_t nr_slots;
	uint32_t cb_program;
	struct nfs_conn *back; /* the last that was bound for callbacks */
	struct fake_nfs_slot slots[FAKE_NFS_SLOTS_MAX];
};

struct fake_nfs {
	struct net *net;
	struct listener *listener;
	struct fiber *acceptor;
	struct fake_nfs_script script;
	uint64_t nr_calls;
	uint64_t nr_accepts;
	uint64_t nr_replays;
	uint64_t executed[OP_REMOVEXATTR + 1];
	uint32_t status_flags;	 /* what SEQUENCE tells */
	uint32_t target_highest; /* the highest slot that the client shall use */
	uint32_t slots_granted;	 /* at most */
	unsigned int nr_conns;
	struct nfs_conn *conns[FAKE_NFS_CONNS_MAX];
	struct fake_nfs_session sessions[FAKE_NFS_SESSIONS_MAX];
};

/* Listen at @addr of @net. */
FIBER_FN void fake_nfs_start(struct fake_nfs *server, struct net *net, const struct sock_addr *addr);
FIBER_FN void fake_nfs_stop(struct fake_nfs *server);
const struct sock_addr *fake_nfs_addr(const struct fake_nfs *server);
/* Break all connections. */
void fake_nfs_drop_all(struct fake_nfs *server);
/* Forget all sessions, as a restarted server without memory. */
void fake_nfs_forget(struct fake_nfs *server);

/*
 * Call back over @conn: the operations as they are.  Returns nfs_conn_wait()'s error, or 0 and the answer's results
 * in *@ret_in, whose decoder is *@dec and whose message the caller frees.
 */
FIBER_FN int fake_nfs_call_back(struct fake_nfs *server, struct nfs_conn *conn, uint32_t program,
				const struct nfs_cb_argop4 *ops, uint32_t nr, uint64_t timeout_ns,
				struct wire_dec *dec, struct wire_compound_in *ret_in, uint8_t **ret_msg);
/* CB_SEQUENCE of the session's slot with this number. */
struct nfs_cb_argop4 fake_nfs_cb_sequence(const struct fake_nfs_session *session, uint32_t slot, uint32_t sequenceid);

#endif
