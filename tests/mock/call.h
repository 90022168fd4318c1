/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_CALL_H
#define LAMINA_TESTS_CALL_H

/* Each function of inodes, names and attributes as one transaction on a mock store, names as C strings. */

#include <sys/stat.h>

#include "extent/name.h"
#include "extent/symlink.h"
#include "extent/xattr.h"
#include "tests/mock/mock_txn.h"

/* A store with an empty root directory. */
void call_init(struct mock_store *store);

int call_get(struct mock_store *store, uint64_t ino, struct inode *ret);
int call_put(struct mock_store *store, const struct inode *inode);
int call_setattr(struct mock_store *store, uint64_t ino, const struct inode_attrs *attrs, struct inode *ret);

int call_lookup(struct mock_store *store, uint64_t dir, const char *name, struct name_result *ret);
int call_create(struct mock_store *store, uint64_t dir, const char *name, uint32_t mode, struct name_result *ret);
int call_symlink(struct mock_store *store, uint64_t dir, const char *name, const char *target, size_t len,
		 struct name_result *ret);
int call_link(struct mock_store *store, uint64_t ino, uint64_t dir, const char *name, struct name_result *ret);
int call_unlink(struct mock_store *store, uint64_t dir, const char *name, struct name_result *ret);
int call_rename(struct mock_store *store, uint64_t from, const char *from_name, uint64_t to, const char *to_name,
		unsigned int flags, struct name_rename_result *ret);

int call_dir_lookup(struct mock_store *store, uint64_t dir, const char *name, size_t len, struct dir_entry *ret);
int call_dir_insert(struct mock_store *store, uint64_t dir, const char *name, size_t len, uint64_t ino);
int call_dir_remove(struct mock_store *store, uint64_t dir, const char *name, size_t len);
int call_dir_next(struct mock_store *store, uint64_t dir, uint64_t after, struct dir_entry *ret);

int call_readlink(struct mock_store *store, uint64_t ino, char *buf, size_t *ret_len);
int call_xattr_set(struct mock_store *store, uint64_t ino, const char *name, const void *val, size_t len,
		   enum xattr_how how, struct inode *ret);
int call_xattr_get(struct mock_store *store, uint64_t ino, const char *name, void *buf, size_t size, size_t *ret_len);
int call_xattr_remove(struct mock_store *store, uint64_t ino, const char *name, struct inode *ret);
int call_xattr_next(struct mock_store *store, uint64_t ino, uint64_t after, struct xattr_entry *ret);

/* For tests that need no errors: they abort on one. */
uint64_t call_make(struct mock_store *store, uint64_t dir, const char *name, uint32_t mode);
struct inode call_inode(struct mock_store *store, uint64_t ino);
bool call_is_orphan(const struct mock_store *store, uint64_t ino);

#endif
