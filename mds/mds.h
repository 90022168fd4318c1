/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_MDS_H
#define LAMINA_MDS_MDS_H

/*
 * The server's memory: what all of mds/ shares.  One for each mounted volume; everything belongs to the reactor's
 * thread.
 */

#include "dev/fiber_sync.h"
#include "dev/list.h"
#include "dev/reactor.h"
#include "extent/fs.h"
#include "mds/config.h"
#include "mds/export.h"
#include "proto/nfs4.h"

struct client;
struct conn;
struct copy;
struct file;
struct layouts;
struct net;
struct open;
struct session;
struct state;

struct mds_counts {
	uint64_t requests, replays, resumed,
		refused; /* COMPOUNDs: all, answered from a slot, gone on with, malformed */
	uint64_t connections, connections_refused, connections_cut;
	uint64_t ops[OP_REMOVEXATTR + 1];
	uint64_t op_errors;
	uint64_t clients_expired, callbacks, callbacks_failed;
};

/* A file of which no delegation is given for a while, because one was just recalled. */
#define DELEG_REFUSALS 256u
struct deleg_refusal {
	uint64_t ino, until_ns;
};

struct mds {
	struct reactor *reactor;
	struct fs *fs;
	struct net *net;
	const struct config *config;
	struct export_tree *exports;
	uint32_t boot; /* counts starts of this volume's server; the upper half of client ids */
	uint32_t next_client;
	char owner_text[64]; /* so_major_id and server scope: "lamina:" and the volume's UUID */
	uint64_t started_ns; /* wall clock */
	uint8_t write_verifier[NFS4_VERIFIER_SIZE]; /* new at each start: unstable writes are to be repeated */
	uint8_t volume_tag[8];			    /* in handles and stateids: of the volume's UUID */

	/* clients.c, session.c */
	struct client *clients;	      /* by id (uthash) */
	struct client *owners[2];     /* by owner: unconfirmed, confirmed (uthash) */
	struct session *sessions;     /* by id (uthash) */
	struct list clients_by_lease; /* struct client.by_lease, the longest silent first */
	struct list detours;	      /* struct client.by_detour */
	unsigned int nr_clients, nr_sessions;
	uint64_t reply_cache_bytes; /* promised to slots */
	/* state.c, file.c, open.c, lock.c, lock_wait.c */
	struct state *states; /* by number (uthash) */
	struct file *files;   /* with opens, by inode number (uthash) */
	struct open *opens;   /* by inode, client and owner (uthash) */
	uint64_t nr_opens, nr_locks;
	uint64_t next_lock;	/* number of the next range's item */
	struct list lock_waits; /* struct lock_wait.by_mds, the oldest first */
	unsigned int nr_lock_waits;
	/* deleg.c, deleg_recall.c */
	uint64_t nr_delegs;
	unsigned int nr_recalls;
	struct wait_queue deleg_gone;			     /* one is, or the server stops */
	struct deleg_refusal deleg_refusals[DELEG_REFUSALS]; /* by inode number, the newest of each place */
	/* layout.c, layout_start.c, layout_recall.c; NULL: before layout_start() */
	struct layouts *layouts;
	/* copy.c: asynchronous copies */
	struct copy *copies;
	/* grace.c: reclaim after --discard-state (RFC 8881, 8.4.2) */
	bool in_grace;
	uint64_t grace_begin_ns;
	uint64_t grace_end_ns; /* reactor time */
	/* reaper.c: inodes without a name whose last user is gone */
	struct list reap_queue;
	struct wait_queue reap_work;
	unsigned int nr_reap; /* in the queue */
	uint64_t reaping;     /* inode that is being taken apart, 0: none */
	bool reap_scan;	      /* look through all orphans: the queue did not hold them all */
	bool reap_stop, reap_runs;
	/* server.c */
	struct list conns;
	unsigned int nr_conns;
	uint64_t next_conn;
	struct server *server;
	struct fiber_sem requests; /* in flight in all */
	unsigned int nr_waiting;   /* connections that wait for one of them */
	uint64_t partial_bytes;	   /* memory of records that are being received */
	uint64_t small_bytes;	   /* short replies that wait to be sent */
	struct list buffers;	   /* free reply buffers */
	unsigned int nr_buffers;
	bool stopping;
	struct wait_queue idle; /* a connection or fiber has ended */
	unsigned int nr_fibers; /* that must end before the mds may be freed */
	struct fiber *lease_fiber;
	struct wait_queue lease_work;
	bool clients_wanted; /* the table is full: the longest silent whose lease is over makes room */
	struct mds_counts counts;
};

#endif
