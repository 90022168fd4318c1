/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_NFS_STATE_H
#define LAMINA_TESTS_LIB_NFS_STATE_H

/* Opens and locks as protocol tests need them: one operation a call, with the status that it must have. */

#include "tests/lib/nfs_test.h"

/* Who sends, where. */
struct nfs_state {
	struct nfs_test *t;
	struct nfs_session *session;
	struct nfs_fh dir;
	struct nfs_cred cred; /* of what is sent */
};

struct nfs_state_open {
	struct nfs_fh fh;
	stateid4 stateid;
	OPEN4resok ok; /* without what points elsewhere */
};

/* The test's own client, and another one. */
struct nfs_state nfs_state_first(struct nfs_test *t);
FIBER_FN struct nfs_state nfs_state_other(struct nfs_test *t, struct nfs_test_client **ret_client);

/* OPEN by name in s->dir, or of @fh; nothing is returned unless it succeeds. */
FIBER_FN struct nfs_state_open nfs_state_open(struct nfs_state *s, const struct nfs_fh *fh,
					      const struct nfs_open *open, nfsstat4 want);
/* Create @name as @owner (NULL: "owner"), readable and writable, or open it so. */
FIBER_FN struct nfs_state_open nfs_state_make(struct nfs_state *s, const char *name, const char *owner);
/* Open @name that is there. */
FIBER_FN struct nfs_state_open nfs_state_share(struct nfs_state *s, const char *name, const char *owner,
					       uint32_t access, uint32_t deny, nfsstat4 want);
FIBER_FN void nfs_state_close(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid, nfsstat4 want);
FIBER_FN stateid4 nfs_state_downgrade(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid,
				      uint32_t access, uint32_t deny, nfsstat4 want);
FIBER_FN void nfs_state_write(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid, nfsstat4 want);
FIBER_FN void nfs_state_read(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid, nfsstat4 want);
FIBER_FN void nfs_state_setattr(struct nfs_state *s, const struct nfs_fh *fh, const struct wire_attrs *attrs,
				nfsstat4 want);
FIBER_FN struct wire_attrs nfs_state_getattr(struct nfs_state *s, const struct nfs_fh *fh, struct bitmap4 asked);
FIBER_FN void nfs_state_remove(struct nfs_state *s, const char *name);

/* LOCK for the first time of this owner with @open, or with a lock's stateid; LOCKU; LOCKT. */
FIBER_FN stateid4 nfs_state_lock_first(struct nfs_state *s, const struct nfs_state_open *open,
				       const struct nfs_lock *lock, nfsstat4 want);
FIBER_FN stateid4 nfs_state_lock(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid,
				 const struct nfs_lock *lock, nfsstat4 want);
FIBER_FN stateid4 nfs_state_unlock(struct nfs_state *s, const struct nfs_fh *fh, const stateid4 *stateid,
				   uint64_t off, uint64_t len, nfsstat4 want);
/* *@ret_denied (may be NULL): who is in the way, owner's bytes left out. */
FIBER_FN void nfs_state_lockt(struct nfs_state *s, const struct nfs_fh *fh, const struct nfs_lock *lock,
			      nfsstat4 want, LOCK4denied *ret_denied);

FIBER_FN nfsstat4 nfs_state_test(struct nfs_state *s, const stateid4 *stateid);
FIBER_FN void nfs_state_free(struct nfs_state *s, const stateid4 *stateid, nfsstat4 want);

/* Whether @a and @b are the same state, whatever their seqids. */
bool nfs_state_same(const stateid4 *a, const stateid4 *b);
stateid4 nfs_state_seqid(const stateid4 *stateid, uint32_t seqid);

#endif
