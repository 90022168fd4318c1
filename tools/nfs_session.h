/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_NFS_SESSION_H
#define LAMINA_TOOLS_NFS_SESSION_H

/*
 * A session (RFC 8881, 2.10): slots, SEQUENCE in front of every compound, the same request sent again after a broken
 * connection, so that it is executed exactly once.
 *
 * Any number of fibers send at the same time and wait for a free slot.  A slot whose answer never came is in doubt:
 * before its next use the session finds out with a lone SEQUENCE whether the server has seen the request.
 */

#include "tools/nfs_client.h"

#define NFS_SESSION_SLOTS_MAX 1024
#define NFS_SESSION_CONNS_MAX 64

struct nfs_slot {
	uint32_t sequenceid; /* to be used next */
	bool is_busy;
	bool is_in_doubt;
};

/* What is asked for; 0: the default in parentheses. */
struct nfs_session_options {
	uint32_t slots;		      /* (64) */
	uint32_t back_slots;	      /* (16), at most NFS_CALLBACK_SLOTS_MAX */
	uint32_t max_request;	      /* (1 MiB + 4 KiB) */
	uint32_t max_response;	      /* (likewise) */
	uint32_t max_response_cached; /* (8 KiB) */
	uint32_t max_ops;	      /* (64) */
	bool has_no_back_channel;
	bool asks_persist;
	bool skips_reclaim_complete; /* false: RECLAIM_COMPLETE is sent as soon as the session stands */
};

struct nfs_session {
	struct nfs_client *client;
	char sessionid[NFS4_SESSIONID_SIZE];
	uint32_t flags;		    /* CREATE_SESSION4_FLAG_* that were granted */
	struct channel_attrs4 fore; /* that were granted */
	struct channel_attrs4 back;
	struct nfs_backchannel channel;
	bool is_stopped; /* nfs_session_stop() */
	uint32_t nr_slots;
	uint32_t target_highest; /* the server's wish: the highest slot to use */
	uint32_t status_flags;	 /* of the last SEQUENCE */
	uint32_t status_seen;	 /* all since the start */
	uint64_t answered_ns;	 /* when SEQUENCE succeeded last: the lease was renewed then */
	struct nfs_slot slots[NFS_SESSION_SLOTS_MAX];
	struct wait_queue slot_came;

	uint32_t nr_conns;
	uint32_t next_conn;
	struct nfs_session_conn {
		struct nfs_conn *conn;
		channel_dir_from_client4 dir;
		uint64_t bound_generation; /* that knows of this session */
	} conns[NFS_SESSION_CONNS_MAX];
	struct fiber_mutex bind_lock;

	struct fiber *renewer; /* NULL: none */
	uint64_t renew_ns;
	bool renewer_ends;
	struct wait_queue renew_end;
};

/* CREATE_SESSION's arguments (RFC 8881, 18.36) as the options say. */
CREATE_SESSION4args nfs_session_create_args(const struct nfs_client *client, const struct nfs_session_options *opt)
	MUST_CHECK;
/* CREATE_SESSION over @conn, which stays the caller's and outlives the session.  @opt NULL: all defaults. */
FIBER_FN int nfs_session_open(struct nfs_client *client, struct nfs_conn *conn, const struct nfs_session_options *opt,
			      struct nfs_session **ret_session) MUST_CHECK;
/* The session of a CREATE_SESSION that the caller has sent itself over @conn.  -ENOMEM. */
int nfs_session_adopt(struct nfs_client *client, struct nfs_conn *conn, const CREATE_SESSION4resok *ok,
		      struct nfs_session **ret_session) MUST_CHECK;
/* DESTROY_SESSION, then forget it.  Nobody may be sending. */
FIBER_FN int nfs_session_close(struct nfs_session *session) MUST_CHECK;
/* Forget it without telling the server.  NULL is allowed. */
FIBER_FN void nfs_session_discard(struct nfs_session *session);

/* BIND_CONN_TO_SESSION (RFC 8881, 18.34) over @conn, which is used like the others from now on. */
FIBER_FN int nfs_session_add_conn(struct nfs_session *session, struct nfs_conn *conn, channel_dir_from_client4 dir)
	MUST_CHECK;
void nfs_session_remove_conn(struct nfs_session *session, struct nfs_conn *conn);

/*
 * The client is given up: nothing is sent again after a broken connection, nothing new is sent, calls in flight end
 * with -ECONNRESET.
 */
void nfs_session_stop(struct nfs_session *session);

/* Begin a compound of this session's client in @c: minor version, user, time. */
void nfs_session_begin(const struct nfs_session *session, struct nfs_compound *c);
/*
 * Send with SEQUENCE in front, wait, and take the answer.  After a broken connection: connect, bind and send again,
 * as long as there is time (c->timeout_ns) and c->resends.  Negative errno: those of nfs_compound_wait() and
 * nfs_conn_reconnect(); -ETIMEDOUT also if no slot became free.  0: c->status counts, also SEQUENCE's failures.
 */
FIBER_FN int nfs_session_send(struct nfs_session *session, struct nfs_compound *c) MUST_CHECK;
/* In two steps.  After a successful start wait must follow. */
FIBER_FN int nfs_session_start(struct nfs_session *session, struct nfs_compound *c) MUST_CHECK;
FIBER_FN int nfs_session_wait(struct nfs_session *session, struct nfs_compound *c) MUST_CHECK;

/* For who does it by himself: a slot of one's own, its SEQUENCE, and whether the server has taken that. */
FIBER_FN int nfs_session_slot_take(struct nfs_session *session, uint64_t deadline_ns, uint32_t *ret_slot) MUST_CHECK;
void nfs_session_slot_give(struct nfs_session *session, uint32_t slot);
SEQUENCE4args nfs_session_sequence(const struct nfs_session *session, uint32_t slot) MUST_CHECK;
void nfs_session_slot_used(struct nfs_session *session, uint32_t slot);

/* A lone SEQUENCE. */
FIBER_FN int nfs_session_ping(struct nfs_session *session) MUST_CHECK;
/* A fiber that sends one when @every_ns have passed without any.  -ENOMEM, -EAGAIN. */
int nfs_session_renew_start(struct nfs_session *session, uint64_t every_ns) MUST_CHECK;
FIBER_FN void nfs_session_renew_stop(struct nfs_session *session);

#endif
