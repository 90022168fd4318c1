/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_NFS_FILE_H
#define LAMINA_TOOLS_NFS_FILE_H

/*
 * Files through a session, an operation a call, for who wants the effect and not the compound.
 *
 * Returns 0, a negative errno if there was no usable answer, or an nfsstat4, which is positive.  NFS4ERR_DELAY and
 * NFS4ERR_GRACE are waited out, for as long as a compound may take.
 */

#include "tools/nfs_op.h"
#include "tools/nfs_session.h"

#define NFS_FILE_PATH_MAX 64 /* components */

/* An open file. */
struct nfs_file {
	struct nfs_session *session;
	struct nfs_fh fh;
	stateid4 stateid;
};

/*
 * Walk @path, components between slashes, from @from (NULL: the root of the pseudo file system); empty ones and a
 * leading slash count for nothing.  -ENAMETOOLONG: more than NFS_FILE_PATH_MAX components.
 */
FIBER_FN int nfs_file_walk(struct nfs_session *session, const struct nfs_fh *from, const char *path,
			   struct nfs_fh *ret_fh) MUST_CHECK;
FIBER_FN int nfs_file_mkdir(struct nfs_session *session, const struct nfs_fh *dir, const char *name, uint32_t mode,
			    struct nfs_fh *ret_fh) MUST_CHECK;
FIBER_FN int nfs_file_remove(struct nfs_session *session, const struct nfs_fh *dir, const char *name) MUST_CHECK;
FIBER_FN int nfs_file_rename(struct nfs_session *session, const struct nfs_fh *from_dir, const char *from,
			     const struct nfs_fh *to_dir, const char *to) MUST_CHECK;
FIBER_FN int nfs_file_link(struct nfs_session *session, const struct nfs_fh *fh, const struct nfs_fh *dir,
			   const char *name) MUST_CHECK;
FIBER_FN int nfs_file_symlink(struct nfs_session *session, const struct nfs_fh *dir, const char *name,
			      const char *target) MUST_CHECK;
/* @size bytes at @ret_target, terminated.  -ERANGE: longer. */
FIBER_FN int nfs_file_readlink(struct nfs_session *session, const struct nfs_fh *fh, char *ret_target, size_t size)
	MUST_CHECK;

/*
 * Attributes of plain values: those that need memory (ACLs, lists, strings) are 0 in what is returned, though set in
 * the mask.
 */
FIBER_FN int nfs_file_getattr(struct nfs_session *session, const struct nfs_fh *fh, struct bitmap4 attrs,
			      struct wire_attrs *ret_attrs) MUST_CHECK;
FIBER_FN int nfs_file_setattr(struct nfs_session *session, const struct nfs_fh *fh, const struct wire_attrs *attrs)
	MUST_CHECK;

/* @dir: where open->name is looked up, or with name NULL the file itself. */
FIBER_FN int nfs_file_open(struct nfs_session *session, const struct nfs_fh *dir, const struct nfs_open *open,
			   struct nfs_file *ret_file) MUST_CHECK;
/* Create it (UNCHECKED, mode 0644) if it is not there, open it for reading and writing. */
FIBER_FN int nfs_file_create(struct nfs_session *session, const struct nfs_fh *dir, const char *name,
			     struct nfs_file *ret_file) MUST_CHECK;
FIBER_FN int nfs_file_close(struct nfs_file *file) MUST_CHECK;
/* Up to @len bytes; *@ret_len says how many came.  Both loop over what the session takes at once. */
FIBER_FN int nfs_file_read(struct nfs_file *file, uint64_t offset, void *bytes, size_t len, size_t *ret_len,
			   bool *ret_eof) MUST_CHECK;
FIBER_FN int nfs_file_write(struct nfs_file *file, uint64_t offset, const void *bytes, size_t len, stable_how4 stable)
	MUST_CHECK;
FIBER_FN int nfs_file_commit(struct nfs_file *file) MUST_CHECK;

/*
 * Every entry of a directory, in chunks of @maxcount bytes (0: 32 KiB).  @each, which may switch, sees each with the
 * attributes asked for in @attrs, and ends it by returning other than 0, which is returned.  -ELOOP: a cookie came
 * twice in a row, or there was a chunk without entries and without an end.
 */
struct nfs_file_each {
	FIBER_FN int (*entry)(void *owner, const entry4 *entry, const struct wire_attrs *attrs);
	void *owner;
};
FIBER_FN int nfs_file_readdir(struct nfs_session *session, const struct nfs_fh *dir, struct bitmap4 attrs,
			      uint32_t maxcount, struct nfs_file_each each) MUST_CHECK;
/* Remove @name and all below it, as deep as NFS_FILE_PATH_MAX. */
FIBER_FN int nfs_file_remove_tree(struct nfs_session *session, const struct nfs_fh *dir, const char *name) MUST_CHECK;

/* Send until the answer is neither NFS4ERR_DELAY nor NFS4ERR_GRACE, or the time is over. */
FIBER_FN int nfs_file_send(struct nfs_session *session, struct nfs_compound *c) MUST_CHECK;

#endif
