/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_STATE_H
#define LAMINA_MDS_STATE_H

/*
 * Stateids, opens and locks (RFC 8881, 8 and 9).
 *
 * A state number is the sequence number of the transaction that made the state, so it is never used again, also
 * after a crash.  In a stateid "other" is the number, the kind and the volume's tag; seqid counts changes.  All
 * states are items of ZONE_STATE (mds/state_record.h), written in the transaction of the change, and mirrored here.
 */

#include <uthash.h>

#include "dev/list.h"
#include "mds/client.h"
#include "mds/compound.h"

enum state_kind {
	STATE_OPEN = 1,
	STATE_LOCK = 2,
	STATE_LAYOUT = 3, /* not yet */
	STATE_COPY = 4,	  /* an asynchronous COPY; in memory only */
};

struct state {
	uint64_t number;
	enum state_kind kind;
	uint32_t seqid;
	bool revoked; /* TEST_STATEID and use say NFS4ERR_EXPIRED or _ADMIN_REVOKED until FREE_STATEID */
	nfsstat4 revoked_status;
	struct client *client;
	struct list by_client;
	UT_hash_handle hh; /* mds.states */
};

/* What somebody has open: an inode with opens, in memory only while it has some. */
struct file {
	uint64_t ino;
	uint64_t generation;
	UT_hash_handle hh;     /* mds.files */
	struct list opens;     /* struct open.by_file */
	struct list locks;     /* struct lock ranges */
	unsigned int nr_users; /* opens, and whoever holds it otherwise */
};

void state_make_stateid(const struct mds *mds, const struct state *state, struct stateid4 *ret_stateid);
/*
 * The state of @stateid for client @c->client, of kind @kind or (0) any: NFS4ERR_BAD_STATEID, _OLD_STATEID, _EXPIRED,
 * _ADMIN_REVOKED, as RFC 8881, 8.2.2 and 8.2.4 say.  seqid 0 means the newest.
 */
nfsstat4 state_find(const struct compound *c, const struct stateid4 *stateid, enum state_kind kind,
		    struct state **ret_state) MUST_CHECK;

/* What READ, WRITE, SETATTR of size and the like want of a stateid (8.2.3, 9.1.2). */
enum state_access {
	STATE_READ = 1,
	STATE_WRITE = 2,
};
/*
 * Whether c->fh may be read or written with @stateid (open, lock, anonymous, or READ bypass): the stateid fits the
 * file and its access, and no other open denies it.  *@ret_owner_may: an open with that access was found, so
 * permission bits need not be checked again (the file may be mode 000 by now).  NFS4ERR_OPENMODE, _LOCKED,
 * _BAD_STATEID, _DELAY (a silent client's state is in the way and is being removed), ...
 */
FIBER_FN nfsstat4 state_check_io(struct compound *c, const struct stateid4 *stateid, enum state_access access,
				 bool *ret_owner_may) MUST_CHECK;

/* Whether somebody has inode @ino open: then, without a name, it lives on (I8). */
bool state_file_is_open(const struct mds *mds, uint64_t ino);

/* DESTROY_CLIENTID: anything that a lease holds? */
bool state_client_has_any(const struct client *client);
/*
 * In client_destroy(): delete items of @client's opens and locks in a body, at most @max; then forget them in memory.
 * Files that are orphans without users go to the reaper (mds/reaper.h).
 */
FIBER_FN int state_release_client(struct mds *mds, struct client *client, uint64_t *ret_seq) MUST_CHECK;

/* Load all at start, after client_load(); and free all at the end. */
FIBER_FN int state_load(struct mds *mds) MUST_CHECK;
void state_unload(struct mds *mds);

#endif
