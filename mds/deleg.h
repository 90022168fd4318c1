/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_DELEG_H
#define LAMINA_MDS_DELEG_H

/*
 * Delegations of files (RFC 8881, 10.2 to 10.4): a client that has one need not ask about opens of that file, and may
 * keep what it reads (and, of a write delegation, writes) to itself, until it is asked to give the delegation back.
 *
 * For a file there are read delegations of any number of clients, or one write delegation, and never an open of
 * another client that contradicts them.  They are items as opens are, so they survive kill -9.  That one is being
 * recalled is in memory only: whoever it is in the way of asks again, and so recalls it again.
 */

#include "mds/file.h"
#include "mds/state.h"
#include "mds/state_record.h"

struct attr_of;

struct deleg {
	struct state state;
	struct file *file; /* NULL: revoked */
	struct list by_file;
	uint64_t ino, generation;
	bool write;
	uint64_t change; /* of the file when it was given: a holder that tells of another one has changed the file */
	uint8_t fh[FH_SIZE]; /* the handle by which the client knows the file */
	bool recalled;	     /* a fiber is about it */
};

/* A delegation is given in the transaction of an open, which has that transaction's number; it has this one. */
#define DELEG_NUMBER(seq) ((seq) | 1ull << 54)
#define DELEG_LOG_PUT	  (20u + (uint32_t)sizeof(struct record_deleg))

/* One that is in no table yet; NULL: no memory. */
struct deleg *deleg_alloc(struct client *client);
/* In a body: its item as @number; @revoked as in struct record_deleg.  DELEG_LOG_PUT. */
int deleg_write(struct txn *txn, const struct deleg *deleg, uint64_t number, nfsstat4 revoked) MUST_CHECK;
/* In memory, after the transaction: into all tables (@spare as in file_get()); out of its file. */
void deleg_add(struct mds *mds, struct deleg *deleg, struct file **spare);
void deleg_detach(struct mds *mds, struct deleg *deleg);

/* @client's delegation of @file, or NULL. */
struct deleg *deleg_of(const struct file *file, const struct client *client);
/* Another client's that is in the way of reading, or of changing, @file; NULL: none.  @file may be NULL. */
struct deleg *deleg_conflict(const struct file *file, const struct client *client, bool changes);

/* An OPEN that has succeeded so far. */
struct deleg_wish {
	const struct client *client;
	uint64_t ino;
	uint32_t access; /* share_access, wants included */
	bool reclaim;	 /* CLAIM_PREVIOUS, with */
	open_delegation_type4 type;
};
/*
 * What @wish gets (18.16.3): OPEN_DELEGATE_READ or _WRITE; or _NONE_EXT with *@ret_why, or _NONE.  Not more than the
 * configuration allows, not against somebody's open or delegation, not without a way to recall it, and not shortly
 * after one of that file was recalled.
 */
open_delegation_type4 deleg_choose(const struct mds *mds, const struct deleg_wish *wish, why_no_delegation4 *ret_why)
	MUST_CHECK;

/*
 * deleg_recall.c.  Whether @c's client may read, or change, inode @ino: NFS4_OK; or NFS4ERR_DELAY: what is in the way
 * is being recalled, and revoked if it does not come back within a lease.  Does not switch: also for bodies.
 */
nfsstat4 deleg_check(struct compound *c, uint64_t ino, bool changes) MUST_CHECK;
/* An operation failed after deleg_check(): wait a moment for what it recalled.  True: worth another try. */
FIBER_FN bool deleg_recall_wait(struct compound *c) MUST_CHECK;
/*
 * Attributes in @asked of the file @of were read: if another client has it delegated for writing, ask that one, as
 * 10.4.3 says, and adjust @of.  A file that was changed there gets a new change attribute.  NFS4ERR_DELAY: no usable
 * answer; the delegation is recalled.
 */
FIBER_FN nfsstat4 deleg_getattr(struct compound *c, const struct bitmap4 *asked, struct attr_of *of) MUST_CHECK;

#endif
