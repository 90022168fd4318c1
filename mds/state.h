/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_STATE_H
#define LAMINA_MDS_STATE_H

/*
 * Stateids, opens and locks (RFC 8881, 8 and 9): what all kinds share.  mds/open.h, mds/lock.h and mds/deleg.h have
 * the rest.
 *
 * A state number is the sequence number of the transaction that made the state (of a delegation: with a bit added),
 * so it is never used again, also after a crash.  In a stateid "other" is the number, the kind and the volume's tag;
 * seqid counts changes.  Opens and locks are items of ZONE_STATE (mds/state_record.h), written in the transaction of
 * the change, and mirrored here.
 */

#include "dev/list.h"
#include "mds/client.h"
#include "mds/compound.h"
#include "mds/table.h"

enum state_kind {
	STATE_ANY = 0,
	STATE_OPEN = 1,
	STATE_LOCK = 2,
	STATE_LAYOUT = 3,
	STATE_COPY = 4, /* an asynchronous COPY (mds/copy.h) */
	STATE_DELEG = 5,
};

struct state {
	uint64_t number;
	enum state_kind kind;
	uint32_t seqid;
	bool revoked; /* TEST_STATEID and use say revoked_status (_EXPIRED, _DELEG_REVOKED) until FREE_STATEID */
	nfsstat4 revoked_status;
	struct client *client;
	struct list by_client;
	UT_hash_handle hh; /* mds.states */
	/* Kinds without items: the client or the server goes; state_remove() was called, free it. */
	void (*forget)(struct mds *mds, struct state *state);
};

/* Enter @state, which is filled in, in the tables of the server and its client; take it out again. */
void state_add(struct mds *mds, struct state *state);
void state_remove(struct mds *mds, struct state *state);
/* It stays until FREE_STATEID, and every use of it is answered with @status. */
void state_mark_revoked(struct state *state, nfsstat4 status);
/* NULL: there is none. */
struct state *state_lookup(const struct mds *mds, uint64_t number, enum state_kind kind);
/* Behind 2^32 - 1 comes 1: 0 means something else in a stateid (8.2.2). */
uint32_t state_next_seqid(uint32_t seqid);

void state_stateid(const struct mds *mds, enum state_kind kind, uint64_t number, uint32_t seqid,
		   struct stateid4 *ret_stateid);
/* What kind @stateid looks like; it may be none of ours. */
enum state_kind state_kind_of(const struct stateid4 *stateid) MUST_CHECK;
void state_make_stateid(const struct mds *mds, const struct state *state, struct stateid4 *ret_stateid);
/* What is left where a state was (8.2.3): the stateid that is always refused. */
extern const struct stateid4 state_invalid_stateid;
/*
 * The state of @stateid for client @c->client, of kind @kind or any: NFS4ERR_BAD_STATEID, _OLD_STATEID, _EXPIRED,
 * _ADMIN_REVOKED, as RFC 8881, 8.2.2 and 8.2.4 say.  seqid 0 means the newest.  Special stateids are
 * NFS4ERR_BAD_STATEID.  Does not look at the current file handle.
 */
nfsstat4 state_find(const struct compound *c, const struct stateid4 *stateid, enum state_kind kind,
		    struct state **ret_state) MUST_CHECK;
/* As state_find(), but of a revoked state too. */
nfsstat4 state_find_any(const struct compound *c, const struct stateid4 *stateid, enum state_kind kind,
			struct state **ret_state) MUST_CHECK;

/* What READ, WRITE, SETATTR of size and the like want of a stateid (8.2.3, 9.1.2). */
enum state_access {
	STATE_READ = 1,
	STATE_WRITE = 2,
};
/*
 * Whether c->fh may be read or written with @stateid (open, lock, delegation, anonymous, or READ bypass; "current"
 * was replaced: compound_stateid()): the stateid fits the file and its access, and no other open denies it, nor
 * another client's delegation.  *@ret_owner_may: an open with that access was found, so permission bits need not be
 * checked again (the file may be mode 000 by now). NFS4ERR_OPENMODE, _LOCKED, _GRACE, _BAD_STATEID, _OLD_STATEID,
 * _EXPIRED; _DELAY: a delegation is being recalled, or silent clients' state is in the way, more than can be removed
 * at once.
 */
FIBER_FN nfsstat4 state_check_io(struct compound *c, const struct stateid4 *stateid, enum state_access access,
				 bool *ret_owner_may) MUST_CHECK;

/* Whether somebody has inode @ino open: then, without a name, it lives on (I8). */
bool state_file_is_open(const struct mds *mds, uint64_t ino);
/*
 * Whether an operation that would get or reclaim a lock may (8.4.2): NFS4ERR_GRACE, _NO_GRACE, _RECLAIM_BAD.
 */
nfsstat4 state_check_grace(const struct compound *c, bool reclaim) MUST_CHECK;

/* DESTROY_CLIENTID: anything that a lease holds? */
bool state_client_has_any(const struct client *client);
/*
 * In client_destroy(): the client gets no new state from here on; delete its opens, locks and delegations, in bounded
 * transactions, from items and memory.  After an error it has what is left.  Files that are orphans without users go
 * to the reaper (mds/reaper.h).
 * *@ret_seq is raised to the last transaction.
 */
FIBER_FN int state_release_client(struct mds *mds, struct client *client, uint64_t *ret_seq) MUST_CHECK;

/* Load all at start, after client_load(); -EUCLEAN: items contradict each other.  And free all at the end. */
FIBER_FN int state_load(struct mds *mds) MUST_CHECK;
void state_unload(struct mds *mds);

#endif
