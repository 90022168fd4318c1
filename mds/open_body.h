/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_OPEN_BODY_H
#define LAMINA_MDS_OPEN_BODY_H

/* The transaction of an OPEN: finds or makes the file, checks rights and share reservations, writes the open. */

#include "extent/name.h"
#include "mds/attr.h"
#include "mds/deleg.h"
#include "mds/open.h"

/* Bytes of all changes but a truncation's. */
#define OPEN_BODY_LOG (NAME_LOG_CREATE + INODE_LOG_SETATTR + INODE_LOG_PUT + OPEN_LOG_PUT + DELEG_LOG_PUT)

/* What the body returns besides errors of transactions. */
#define OPEN_BODY_STATUS   (-ECANCELED)	  /* status */
#define OPEN_BODY_TRUNCATE (-EINPROGRESS) /* to be run again by data_setattr() of ino, with truncate */
#define OPEN_BODY_CHANGED  (-EREMCHG)	  /* while it was truncated the name came to mean another file */
#define OPEN_BODY_VICTIM   (-EBUSY)	  /* victim, of a silent client, is in the way */

struct open_body {
	struct compound *c;
	const OPEN4args *args;
	OPEN4resok *ok;
	struct cred cred;
	uint8_t access, deny;
	bool creates, guarded, exclusive;
	uint8_t verifier[NFS4_VERIFIER_SIZE];
	struct attr_set set;
	struct open *fresh; /* memory for a new open; NULL when it was used */
	struct file *spare;
	struct deleg *deleg;	       /* memory for a delegation; NULL: used, or none is wanted */
	struct stateid4 deleg_stateid; /* CLAIM_DELEGATE_CUR, CLAIM_DELEG_CUR_FH */
	const struct inode *truncated; /* runs inside data_setattr(), which has made this of the file */
	/* What the last run found */
	nfsstat4 status;
	uint64_t victim; /* state number */
	struct attr_set truncate;
	uint64_t ino, generation;
	struct open *old; /* this owner has it open already */
	uint64_t number;
	uint32_t seqid;
	struct open_share share;
	bool made;	/* the file, exclusively: fresh has the verifier */
	bool delegated; /* deleg is to be given */
};

/* The body, for compound_run() with struct open_body. */
int open_body_run(struct txn *txn, void *arg) MUST_CHECK;
/* The claims that have a name, and it. */
bool open_body_has_name(const OPEN4args *args);
const component4 *open_body_name(const OPEN4args *args);
/* After the transaction: in memory. */
void open_body_apply(struct open_body *b);

#endif
