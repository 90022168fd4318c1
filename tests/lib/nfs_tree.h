/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_NFS_TREE_H
#define LAMINA_TESTS_LIB_NFS_TREE_H

/*
 * Names and attributes over a session, for protocol tests: a test says which status it expects, everything else that
 * goes wrong (no answer, a malformed one) ends it.
 */

#include "tests/lib/nfs_test.h"
#include "tools/nfs_file.h"
#include "tools/nfs_op.h"
#include "tools/nfs_session.h"

struct tree {
	struct nfs_test *test;
	struct nfs_session *session;
	struct nfs_compound *c;
	struct nfs_fh top; /* a directory of this test's own */
	struct nfs_cred cred;
};

/* Who sends from now on: user 0 with group 0 at first. */
void tree_as(struct tree *t, uint32_t uid, uint32_t gid);
/* And is in this group too. */
void tree_in_group(struct tree *t, uint32_t gid);

/* Begin a compound: PUTFH of @fh; NULL: PUTROOTFH. */
void tree_begin(struct tree *t, const struct nfs_fh *fh);
/* PUTFH @saved, SAVEFH, PUTFH @fh. */
void tree_begin_two(struct tree *t, const struct nfs_fh *saved, const struct nfs_fh *fh);
/* Send; the compound's status. */
FIBER_FN nfsstat4 tree_send(struct tree *t);

/* Each a compound of its own; the status of it.  @ret_fh may be NULL. */
FIBER_FN nfsstat4 tree_lookup(struct tree *t, const struct nfs_fh *dir, const char *name, struct nfs_fh *ret_fh);
FIBER_FN nfsstat4 tree_lookupp(struct tree *t, const struct nfs_fh *dir, struct nfs_fh *ret_fh);
FIBER_FN nfsstat4 tree_create(struct tree *t, const struct nfs_fh *dir, nfs_ftype4 type, const char *name,
			      const struct wire_attrs *attrs, struct nfs_fh *ret_fh);
FIBER_FN nfsstat4 tree_mkdir(struct tree *t, const struct nfs_fh *dir, const char *name, uint32_t mode,
			     struct nfs_fh *ret_fh);
FIBER_FN nfsstat4 tree_symlink(struct tree *t, const struct nfs_fh *dir, const char *name, const char *target,
			       struct nfs_fh *ret_fh);
FIBER_FN nfsstat4 tree_remove(struct tree *t, const struct nfs_fh *dir, const char *name);
FIBER_FN nfsstat4 tree_rename(struct tree *t, const struct nfs_fh *from_dir, const char *from,
			      const struct nfs_fh *to_dir, const char *to);
FIBER_FN nfsstat4 tree_link(struct tree *t, const struct nfs_fh *fh, const struct nfs_fh *dir, const char *name);
FIBER_FN nfsstat4 tree_setattr(struct tree *t, const struct nfs_fh *fh, const struct wire_attrs *attrs);
FIBER_FN nfsstat4 tree_access(struct tree *t, const struct nfs_fh *fh, uint32_t bits, ACCESS4resok *ret_ok);
/* An OPEN that makes the file, with mode 0644, and a CLOSE. */
FIBER_FN nfsstat4 tree_file(struct tree *t, const struct nfs_fh *dir, const char *name, struct nfs_fh *ret_fh);
/* Set the mode, which must work. */
FIBER_FN void tree_chmod(struct tree *t, const struct nfs_fh *fh, uint32_t mode);
FIBER_FN void tree_chown(struct tree *t, const struct nfs_fh *fh, uint32_t uid, uint32_t gid);

/* GETATTR, which must work; what @attrs points to lives until the next compound. */
FIBER_FN struct wire_attrs tree_attrs(struct tree *t, const struct nfs_fh *fh, struct bitmap4 asked);
FIBER_FN uint64_t tree_change(struct tree *t, const struct nfs_fh *fh);
FIBER_FN uint32_t tree_mode(struct tree *t, const struct nfs_fh *fh);
FIBER_FN uint32_t tree_nlink(struct tree *t, const struct nfs_fh *fh);
/* The owner as a number. */
FIBER_FN uint32_t tree_owner(struct tree *t, const struct nfs_fh *fh);
FIBER_FN uint32_t tree_group(struct tree *t, const struct nfs_fh *fh);

bool tree_fh_equal(const struct nfs_fh *a, const struct nfs_fh *b);

/* Attributes to set, for one call. */
struct wire_attrs tree_set_mode(uint32_t mode);
struct wire_attrs tree_set_size(uint64_t size);
struct wire_attrs tree_set_owner(const char *owner, const char *group);

/* Several, for a directory that has to have some: "PREFIX0", "PREFIX1" ...  Files are FIFOs: quicker than OPEN. */
FIBER_FN void tree_populate(struct tree *t, const struct nfs_fh *dir, const char *prefix, unsigned int nr);

/* For a test's first line: its session, its directory.  Returns @t. */
struct tree *tree_open(struct tree *t, struct nfs_test *test) MUST_CHECK;

#endif
