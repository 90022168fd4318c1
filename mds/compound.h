/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_COMPOUND_H
#define LAMINA_MDS_COMPOUND_H

/*
 * One COMPOUND on its way through the server (RFC 8881, 16.2): current and saved file handle and stateid, who asks,
 * and what the operations share.
 *
 * A handler (op_NAME in mds/op_*.c, table in mds/ops.c) gets its decoded arguments and a zeroed result with resop
 * set.
 *   - NFS4_OK: it has filled the result.  Any other status: the result is the status alone (only NFS4ERR_DENIED of
 *     LOCK and LOCKT, NFS4ERR_TOOSMALL of GETDEVICEINFO and NFS4ERR_LAYOUTTRYLATER of LAYOUTGET are sent as the
 *     handler has filled them).
 *   - It checks rights itself.  Whether there is a current file handle, where the operation needs one, was checked.
 *   - Memory for results is from @arena, which lives until the reply is sent.
 *
 * Changes, durable and exactly once (I1, I6).  A handler that changes something does it in one transaction made with
 * compound_run() (or with compound_also() through extent/data.h), the last one if it needs several.  Its body fills
 * the result completely, and sets c->fh and c->stateid if the operation changes these, *inside the body*: what they
 * are when the body returns 0 is recorded with the change in the session's slot.  Whoever repeats the request, even
 * after a crash, gets this result and goes on behind it; nothing is done twice.  So a handler must not alter the
 * result after compound_run(). (Before each run of the body c->fh and c->stateid are what they were when
 * compound_run() was called.)
 *
 * Memory of the server (opens, locks, clients) mirrors items of ZONE_STATE.  The pattern for every change of it is:
 * take all memory that may be needed; in the body check the conditions (others may have run before a body's rerun)
 * and write the items; after compound_run() has returned 0, which it does without another switch, change the mirror,
 * which cannot fail.
 *
 * Replies wait until what they tell is durable: compound_saw() for every inode whose attributes, names, contents or
 * absence the reply tells, after having read it; changes through compound_run() count by themselves.
 */

#include "extent/data.h"
#include "extent/txn.h"
#include "mds/cred.h"
#include "mds/fh.h"
#include "mds/layout_guard.h"
#include "proto/wire_compound.h"

struct client;
struct conn;
struct mds;
struct session;
struct slot;

struct compound {
	struct mds *mds;
	struct conn *conn;     /* where the request came from; outlives the compound */
	struct client *client; /* NULL: no SEQUENCE */
	struct session *session;
	struct slot *slot;
	struct cred cred; /* as in the call, AUTH_SYS; not squashed: compound_cred() */
	bool has_cred;	  /* false: AUTH_NONE */
	uint32_t minor;	  /* minor version: 1 or 2 */
	uint32_t nr_ops;  /* in the request */
	uint32_t op_index;
	bool cachethis;

	struct fh fh; /* current file handle */
	struct fh saved_fh;
	/* Current and saved stateid (RFC 8881, 16.2.3.1.2); all zeros and "has" false: none. */
	bool has_stateid, has_saved_stateid;
	struct stateid4 stateid, saved_stateid;

	struct wire_arena arena; /* arguments and results */
	struct wire_dec dec;
	struct wire_enc enc;
	struct wire_compound_in in;
	struct wire_compound_out out;
	struct nfs_argop4 arg; /* of the operation that runs */
	struct nfs_resop4 res;
	uint32_t results_pos; /* where in the reply the compound begins */

	uint64_t wait_seq;   /* the reply waits for this transaction */
	bool changed;	     /* something was changed: the reply is cached at any rate */
	bool failed;	     /* an operation did, perhaps for what is not durable yet */
	bool noted;	     /* by the operation that runs */
	uint32_t note_parts; /* items of the slot, when the transaction has committed */
	/* The slot has the whole reply: this, until the next switch. */
	bool replay;
	const void *replay_bytes;
	uint32_t replay_len;
	uint64_t recalling;  /* inode whose delegations or layouts keep the operation from running: being recalled; 0:
				none */
	bool retry_uncached; /* the request was answered, and its reply not kept */
	uint32_t request_len;
	uint32_t skip;	 /* operations whose results were recorded before a crash */
	uint64_t digest; /* of the request */
};

/* Bytes of changes that recording a result in the slot may cost. */
#define COMPOUND_NOTE_LOG 9600u

/*
 * txn_run() with @body, then the record in the slot, all in one transaction; @opt->log_max counts @body's changes
 * only.  Errors of txn_run().
 */
FIBER_FN int compound_run(struct compound *c, const struct txn_options *opt, int (*body)(struct txn *txn, void *arg),
			  void *arg) MUST_CHECK;
/*
 * The same for functions of extent/data.h, which run the transaction: @fill (may be NULL) fills the result from the
 * inode as it is then.  After success the caller says compound_did(c, seq).  Layouts in the way are recalled, and the
 * function fails with -EBUSY.
 */
struct compound_also {
	struct data_also also; /* for data_write() and the like */
	struct layout_guard guard;
	struct compound *c;
	int (*fill)(struct txn *txn, const struct inode *inode, void *arg);
	void *arg;
	struct fh fh;
	struct stateid4 stateid;
	bool has_stateid;
};
void compound_also_init(struct compound_also *a, struct compound *c,
			int (*fill)(struct txn *txn, const struct inode *inode, void *arg), void *arg);
/* The reply waits for transaction @seq. */
void compound_did(struct compound *c, uint64_t seq);
/* The reply tells something of inode @ino, which the caller has read. */
void compound_saw(struct compound *c, uint64_t ino);
/* txn_read(), and compound_saw() of @ino. */
FIBER_FN int compound_read(struct compound *c, uint64_t ino, int (*body)(struct txn *txn, void *arg), void *arg)
	MUST_CHECK;

/* Who asks, as the rule of @fh's export makes of it. */
struct cred compound_cred(const struct compound *c, const struct fh *fh) MUST_CHECK;
/* NFS4ERR_ROFS if @fh's export (or the volume) cannot be changed by this peer, or is the pseudo file system. */
nfsstat4 compound_may_change(const struct compound *c, const struct fh *fh) MUST_CHECK;
/*
 * The stateid that @arg means: the special stateid "current" (seqid 1, other zeros) is replaced (RFC 8881, 8.2.3).
 * NFS4ERR_BAD_STATEID: there is no current one.
 */
nfsstat4 compound_stateid(const struct compound *c, const struct stateid4 *arg, struct stateid4 *ret_stateid)
	MUST_CHECK;
void compound_set_stateid(struct compound *c, const struct stateid4 *stateid);
/* A name as sent: NFS4ERR_INVAL (empty), NFS4ERR_NAMETOOLONG, NFS4ERR_BADNAME ("." ".." '/' NUL), as any bytes. */
nfsstat4 compound_check_name(const component4 *name) MUST_CHECK;

#endif
