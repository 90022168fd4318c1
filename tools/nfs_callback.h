/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_NFS_CALLBACK_H
#define LAMINA_TOOLS_NFS_CALLBACK_H

/*
 * The callback service of one client (RFC 8881, 20): answers what servers call over the client's connections.
 *
 * As it is it behaves as a good client that holds nothing: CB_SEQUENCE with slots and a reply cache, recalls of what
 * it does not have refused with the right status.  A hook answers one operation otherwise; faults make the service as
 * bad as a test needs it.  Each callback is also kept, NFS_CALLBACK_EVENTS_MAX at most, so that a test can wait for
 * it.
 */

#include "dev/fiber_sync.h"
#include "dev/list.h"
#include "proto/nfs4.h"
#include "proto/wire_xdr.h"
#include "tools/nfs_conn.h"

#define NFS_CALLBACK_PROGRAM	0x40000000
#define NFS_CALLBACK_EVENTS_MAX 256
#define NFS_CALLBACK_OPS_MAX	16 /* operations of a callback, and room for the hooks of each */
#define NFS_CALLBACK_SLOTS_MAX	64
#define NFS_CALLBACK_REPLY_MAX	4096 /* bytes of an answer, and of one that is remembered */

/* The back channel of a session: the server's slots. */
struct nfs_backchannel_slot {
	uint32_t sequenceid; /* of the last call */
	bool is_busy;
	uint32_t reply_len; /* 0: not remembered */
	uint8_t *reply;
};

struct nfs_backchannel {
	char sessionid[NFS4_SESSIONID_SIZE];
	uint32_t nr_slots;
	uint32_t fore_target; /* CB_RECALL_SLOT: the highest slot that may be used in the other direction */
	uint64_t nr_calls;
	struct nfs_backchannel_slot slots[NFS_CALLBACK_SLOTS_MAX];
	struct list link;
	struct wait_queue idle; /* a slot is not busy any more */
};

/*
 * Answers an operation: fills what *@ret_res says beyond its status (all zeros, resop set), and returns the status.
 * It may take its time and use the session.
 */
#define NFS_CALLBACK_SILENT ((nfsstat4)0x7fffffff) /* or this: no answer, as if the callback had never come */
struct nfs_callback_hook {
	FIBER_FN nfsstat4 (*answer)(void *owner, const struct nfs_cb_argop4 *arg, struct nfs_cb_resop4 *ret_res);
	void *owner;
};

/* What goes wrong with the next .nr callbacks (compounds). */
struct nfs_callback_fault {
	uint32_t nr;
	bool is_silent;	     /* no answer */
	bool drops;	     /* no answer, and the connection breaks */
	bool is_twice;	     /* the answer comes twice */
	bool is_garbage;     /* an accepted answer with nonsense behind its head */
	bool has_wrong_xid;  /* the answer to another call */
	bool has_wrong_slot; /* CB_SEQUENCE answers for another slot */
	uint64_t delay_ns;   /* before the answer, and before any operation behind CB_SEQUENCE */
	nfsstat4 sequence;   /* CB_SEQUENCE fails with this; NFS4_OK: no */
};

/* A callback that came. */
struct nfs_callback_event {
	uint64_t at_ns;
	char sessionid[NFS4_SESSIONID_SIZE];
	CB_SEQUENCE4args sequence;
	uint32_t nr_ops; /* with CB_SEQUENCE, which is the first */
	struct nfs_cb_argop4 ops[NFS_CALLBACK_OPS_MAX];
	struct wire_arena arena;
	uint8_t *msg;
	uint32_t refs;
	struct list link;
};

struct nfs_callback_stats {
	uint64_t nulls;
	uint64_t compounds; /* executed */
	uint64_t replays;
	uint64_t refused; /* by CB_SEQUENCE or before */
	uint64_t lost;	  /* events that were dropped because nobody took them */
};

struct nfs_callback {
	struct reactor *reactor;
	uint32_t program;
	struct nfs_callback_hook hooks[NFS_CALLBACK_OPS_MAX]; /* by operation; answer NULL: the default */
	struct nfs_callback_fault fault;
	struct nfs_callback_stats stats;
	uint32_t nr_pending; /* sessions that are being made: their id is not known yet */
	struct list channels;
	struct list events;
	uint32_t nr_events;
	struct wait_queue event_came;
	struct wait_queue channel_came;
};

void nfs_callback_init(struct nfs_callback *cb, struct reactor *r);
/* No connection may serve it any more, and no channel be left. */
void nfs_callback_release(struct nfs_callback *cb);
/* For nfs_conn_serve(). */
struct nfs_conn_server nfs_callback_server(struct nfs_callback *cb) MUST_CHECK;

/* @channel->sessionid and nr_slots are set. */
void nfs_callback_channel_add(struct nfs_callback *cb, struct nfs_backchannel *channel);
/* Waits for callbacks that are being executed. */
FIBER_FN void nfs_callback_channel_remove(struct nfs_backchannel *channel);

/*
 * The oldest callback that has an operation @op (0: any), until reactor time @deadline_ns; it leaves the queue.
 * -ETIMEDOUT.
 */
FIBER_FN int nfs_callback_wait(struct nfs_callback *cb, uint32_t op, uint64_t deadline_ns,
			       struct nfs_callback_event **ret_event) MUST_CHECK;
/* Its first operation @op; NULL: none such. */
const struct nfs_cb_argop4 *nfs_callback_arg(const struct nfs_callback_event *event, uint32_t op) MUST_CHECK;
void nfs_callback_done(struct nfs_callback_event *event);
/* Drop all events that have come so far. */
void nfs_callback_clear(struct nfs_callback *cb);

#endif
