/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CLIENT_H
#define LAMINA_MDS_CLIENT_H

/*
 * Clients (RFC 8881, 2.4, 18.35) and their leases (8.3).  A client is an item in ZONE_STATE, so it survives kill -9;
 * its lease begins anew with each start of the server.  A client that falls silent keeps what it has (courtesy)
 * until somebody else needs it, or until config's courtesy time has passed.
 */

#include "dev/list.h"
#include "dev/sock.h"
#include "mds/cred.h"
#include "mds/mds.h"
#include "mds/table.h"
#include "proto/nfs4.h"

struct txn;

#define CLIENT_IMPL_MAX 256

struct client {
	uint64_t id; /* clientid4; also obj of its items, so below 2^56 */
	UT_hash_handle hh;
	UT_hash_handle by_owner; /* mds.owners[confirmed] */
	bool busy;		 /* being confirmed or destroyed: others wait */
	struct list by_lease;	 /* mds.clients_by_lease */
	uint8_t verifier[NFS4_VERIFIER_SIZE];
	uint32_t owner_len;
	uint8_t owner[NFS4_OPAQUE_LIMIT];
	bool confirmed;
	bool reclaim_complete;
	bool courtesy;	  /* the lease is over; kept until somebody needs what it holds */
	bool discarded;	  /* only the owner is left of it, who may reclaim by a new EXCHANGE_ID */
	bool can_reclaim; /* known from before the state was discarded: may reclaim in grace */
	uint32_t flags;	  /* of EXCHANGE_ID */
	uint32_t minor;	  /* minor version of its last EXCHANGE_ID or SEQUENCE; 0: none yet */
	bool has_cred;
	struct cred cred;	       /* who made it */
	char impl[CLIENT_IMPL_MAX];    /* implementation id, for people: "Linux 6.12..." */
	char peer[SOCK_ADDR_TEXT_MAX]; /* address, for people */
	uint64_t renewed_ns;	       /* reactor time of the last SEQUENCE */
	unsigned int nr_in_use;	       /* compounds that run for it; it is not freed meanwhile */
	bool gone;		       /* removed from the tables; freed when nr_in_use is 0 */

	/* CREATE_SESSION's own slot (18.36.4) */
	uint32_t create_seq; /* of the last one that was answered */
	bool create_cached;
	struct CREATE_SESSION4res create_res;

	struct list sessions; /* struct session.by_client */
	unsigned int nr_sessions;
	struct list states; /* struct state.by_client */
	uint64_t key;	    /* of its host on the devices (layout/fence.h); 0: not asked for yet */
	bool ends;	    /* its states are being given up: it gets none any more */
	unsigned int nr_states, nr_revoked;
	unsigned int nr_delegs_revoked; /* of nr_revoked */
	uint64_t nr_opens, nr_locks, nr_delegs, nr_layouts;
	/* Since this start: READs and WRITEs, LAYOUTGETs, and how the last of these was refused (NFS4_OK: it was not)
	 */
	uint64_t nr_reads, nr_writes, nr_layoutgets;
	nfsstat4 layout_refused;
	/* detour.c: its last READ or WRITE, and the last error of a device that it told of */
	struct list by_detour; /* mds.detours; empty before the first one */
	uint64_t detour_ns;
	bool detour_is_odd; /* not whole sectors */
	bool device_failed;
	uint64_t device_error_ns;
	unsigned int nr_layouts_revoked; /* of nr_revoked */
	unsigned int nr_recalls;	 /* fibers that ask it for layouts */
	uint64_t layouts_ended_ns;	 /* reactor time when one of them ceased to bind; 0: not since the start */
};

/* The client with this id, or NULL. */
struct client *client_find(const struct mds *mds, uint64_t id);
struct client *client_find_owner(const struct mds *mds, bool confirmed, const void *owner, uint32_t len);
/*
 * A new client, not confirmed, in memory only; at the limit the longest silent one that is not confirmed makes room.
 * NULL: no memory, or no room.
 */
struct client *client_new(struct mds *mds, const void *owner, uint32_t len, const char *verifier) MUST_CHECK;
/* One that is not confirmed, not busy: gone at once. */
void client_forget(struct mds *mds, struct client *client);
/* From now on it is the client of its owner, whose item the caller has just written. */
void client_confirm(struct mds *mds, struct client *client);
/* Its item, in a body. */
int client_put(struct txn *txn, const struct client *client) MUST_CHECK;
#define CLIENT_LOG_PUT (NFS4_OPAQUE_LIMIT + CLIENT_IMPL_MAX + 128u)

/* Its lease begins anew. */
void client_renew(struct mds *mds, struct client *client);
/* Whether its lease is over: what it holds may be taken away by who needs it. */
bool client_is_courteous(const struct mds *mds, const struct client *client);
void client_hold(struct client *client);
void client_drop(struct mds *mds, struct client *client);
/*
 * Remove the client with all sessions, opens and locks, in items and in memory: durable when the caller has waited
 * for
 * *@ret_seq (may be NULL).  In bounded transactions, the client's own item last; from the start it cannot be used.
 * Orphans that it had open go to the reaper.  -EBUSY: somebody else is about it.  The caller must not use @client
 * afterwards unless it holds it.
 */
FIBER_FN int client_destroy(struct mds *mds, struct client *client, uint64_t *ret_seq) MUST_CHECK;
/* sr_status_flags for a reply of SEQUENCE. */
uint32_t client_status_flags(const struct mds *mds, const struct client *client, const struct session *session);

/* client_load.c: all clients and sessions when the server starts; a new boot number is durable then. */
FIBER_FN int client_load(struct mds *mds, bool discard_state) MUST_CHECK;
/* Nobody uses any of them any more. */
void client_unload(struct mds *mds);

/* lease.c: looks after silent clients, in a fiber. */
int lease_start(struct mds *mds) MUST_CHECK;
FIBER_FN void lease_stop(struct mds *mds);

#endif
