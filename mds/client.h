/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CLIENT_H
#define LAMINA_MDS_CLIENT_H

/*
 * Clients (RFC 8881, 2.4, 18.35) and their leases (8.3).  A client is an item in ZONE_STATE, so it survives kill -9;
 * its lease begins anew with each start of the server.  A client that falls silent keeps what it has (courtesy)
 * until somebody else needs it, or until config's courtesy time has passed.
 */

#include <uthash.h>

#include "dev/list.h"
#include "mds/cred.h"
#include "mds/mds.h"
#include "proto/nfs4.h"

struct txn;

#define CLIENT_IMPL_MAX 256

struct client {
	uint64_t id; /* clientid4; also obj of its items, so below 2^56 */
	UT_hash_handle hh;
	struct list by_lease; /* mds.clients_by_lease */
	uint8_t verifier[NFS4_VERIFIER_SIZE];
	uint32_t owner_len;
	uint8_t owner[NFS4_OPAQUE_LIMIT];
	bool confirmed;
	bool reclaim_complete;
	bool courtesy;	  /* the lease is over; kept until somebody needs what it holds */
	bool can_reclaim; /* known from before the state was discarded: may reclaim in grace */
	uint32_t flags;	  /* of EXCHANGE_ID */
	bool has_cred;
	struct cred cred;	    /* who made it */
	char impl[CLIENT_IMPL_MAX]; /* implementation id, for people: "Linux 6.12..." */
	char peer[64];		    /* address, for people */
	uint64_t renewed_ns;	    /* reactor time of the last SEQUENCE */
	unsigned int nr_in_use;	    /* compounds that run for it; it is not freed meanwhile */
	bool gone;		    /* removed from the tables; freed when nr_in_use is 0 */

	/* CREATE_SESSION's own slot (18.36.4) */
	uint32_t create_seq; /* of the last one that was answered */
	bool create_cached;
	struct CREATE_SESSION4res create_res;

	struct list sessions; /* struct session.by_client */
	unsigned int nr_sessions;
	struct list states; /* struct state.by_client */
	unsigned int nr_states, nr_revoked;
	uint64_t nr_opens, nr_locks;
};

/* The client with this id, or NULL. */
struct client *client_find(const struct mds *mds, uint64_t id);
/* Its lease begins anew. */
void client_renew(struct mds *mds, struct client *client);
/* Whether its lease is over: what it holds may be taken away by who needs it. */
bool client_is_courteous(const struct mds *mds, const struct client *client);
void client_hold(struct client *client);
void client_drop(struct mds *mds, struct client *client);
/*
 * Remove the client with all sessions, opens and locks, in items and in memory: durable when the caller has waited
 * for
 * *@ret_seq.  In bounded transactions, the client's own item last; until then it cannot be used.  Orphans that it had
 * open go to the reaper.
 */
FIBER_FN int client_destroy(struct mds *mds, struct client *client, uint64_t *ret_seq) MUST_CHECK;
/* Load all clients and sessions when the server starts. */
FIBER_FN int client_load(struct mds *mds) MUST_CHECK;
void client_release_all(struct mds *mds);
/* sr_status_flags for a reply of SEQUENCE. */
uint32_t client_status_flags(const struct mds *mds, const struct client *client, const struct session *session);

#endif
