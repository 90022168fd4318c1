/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_NFS_DELEG_H
#define LAMINA_TESTS_LIB_NFS_DELEG_H

/* A client that has a delegation, and answers callbacks about it, as protocol tests need it. */

#include "tests/lib/nfs_state.h"

struct nfs_deleg {
	struct nfs_state s; /* who has it */
	struct nfs_client *client;
	struct nfs_state_open f;
	stateid4 stateid;
	/* How it answers. */
	bool returns;	  /* gives it back when it is recalled */
	nfsstat4 recall;  /* else the answer */
	nfsstat4 getattr; /* the answer to CB_GETATTR; NFS4_OK: with */
	uint64_t change, size;
	/* What it was asked. */
	unsigned int nr_recalls, nr_getattrs;
	CB_RECALL4args recalled;
	bool is_returning;
	struct nfs_compound c;
};

/* The configuration's text for tests that want delegations: "none", "read", "write". */
void nfs_deleg_configure(const char *which);

/*
 * The test's first client, or with @other another one, makes "f" if it is not there and opens it with @access, wants
 * included; must be released.  What it got is in f.ok.delegation, and stateid if it is a delegation.
 */
FIBER_FN struct nfs_deleg *nfs_deleg_open(struct nfs_test *t, bool other, uint32_t access);
/* The same, and it must be a delegation of that type. */
FIBER_FN struct nfs_deleg *nfs_deleg_get(struct nfs_test *t, bool other, open_delegation_type4 type);
/* Waits until it has answered. */
FIBER_FN void nfs_deleg_free(struct nfs_deleg *d);
/* DELEGRETURN of @stateid, of its file or of @fh. */
FIBER_FN void nfs_deleg_return(struct nfs_deleg *d, const struct nfs_fh *fh, nfsstat4 want);

#endif
