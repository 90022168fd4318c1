/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_OPEN_H
#define LAMINA_MDS_OPEN_H

/*
 * Opens (RFC 8881, 9.7 to 9.11): share reservations of one open-owner on one file.
 *
 * An exclusive create's verifier lies in the open that made the file and lives as long as that (18.16.4): a client
 * that does not know whether its OPEN was done cannot have closed it.
 */

#include "mds/file.h"
#include "mds/state.h"
#include "mds/state_record.h"

/* What an open may do, as the wire has it. */
struct open_share {
	uint8_t access; /* OPEN4_SHARE_ACCESS_...: all OPENs together */
	uint8_t deny;
	uint16_t combos; /* bit access | deny << 2: such an OPEN was made, and not undone by OPEN_DOWNGRADE */
};

struct open {
	struct state state;
	struct file *file; /* NULL: revoked */
	struct list by_file;
	struct list holders; /* struct lock_holder.by_open */
	UT_hash_handle hh;   /* mds.opens */
	uint64_t ino, generation;
	struct open_share share;
	bool exclusive; /* it made the file, with */
	uint8_t verifier[NFS4_VERIFIER_SIZE];
	uint32_t owner_len;
	uint8_t key[]; /* ino, client, owner */
};

#define OPEN_KEY_HEAD 16u
#define OPEN_LOG_PUT  (20u + (uint32_t)sizeof(struct record_open) + NFS4_OPAQUE_LIMIT)

static inline const uint8_t *open_owner(const struct open *open)
{
	return open->key + OPEN_KEY_HEAD;
}

/* An open that is in no table yet; NULL: no memory. */
struct open *open_alloc(struct client *client, const void *owner, uint32_t owner_len);
/* Which file it is of; before open_add(). */
void open_set_file(struct open *open, uint64_t ino, uint64_t generation);
/* The open of @client's @owner on @ino, or NULL. @key: an open of that client and owner with open_set_file(). */
struct open *open_find(const struct mds *mds, const struct open *key);
/* In a body: write its item as @number, with @seqid and @share. OPEN_LOG_PUT. */
int open_write(struct txn *txn, const struct open *open, uint64_t number, uint32_t seqid,
	       const struct open_share *share, nfsstat4 revoked) MUST_CHECK;
/* In memory, after the transaction: a new one in all tables, @spare as in file_get(); its new shares; take it out of
 * its file (it is revoked or freed). */
void open_add(struct mds *mds, struct open *open, struct file **spare);
void open_set_share(struct open *open, const struct open_share *share);
void open_detach(struct mds *mds, struct open *open);

/* Both shares together. */
struct open_share open_share_union(const struct open_share *a, uint8_t access, uint8_t deny) MUST_CHECK;
/*
 * What remains after OPEN_DOWNGRADE to exactly @access and @deny (18.18.3).  False: no subset of the OPENs made gives
 * these.
 */
bool open_share_downgrade(const struct open_share *share, uint8_t access, uint8_t deny, struct open_share *ret_share)
	MUST_CHECK;
/* An open of @file that denies @access, or has what @deny denies; @but does not count (may be NULL).  NULL: none. */
struct open *open_conflict(const struct file *file, uint8_t access, uint8_t deny, const struct open *but);
/* The open that made @file exclusively with @verifier, or NULL. */
struct open *open_of_verifier(const struct file *file, const uint8_t verifier[NFS4_VERIFIER_SIZE]);

#endif
