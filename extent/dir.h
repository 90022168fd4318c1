/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_DIR_H
#define LAMINA_EXTENT_DIR_H

/*
 * Directory entries, one item each: key off = 48 bits of the name's hash, then a collision number of 8.  That number
 * is the entry's cookie: it is the entry's for its whole life, whatever else comes and goes and across restarts, so
 * who reads on behind a cookie sees every entry that was there all the time exactly once.
 *
 * These functions know entries only; inodes, link counts and times are name.h's.  @dir is the number of a directory
 * that the caller has looked up.
 */

#include "extent/txn.h"

#define DIR_NAME_MAX	 255
#define DIR_COOKIE_FIRST 256u /* no entry has a smaller cookie: 0, 1 and 2 mean something else to NFS */

#define DIR_LOG_PUT	 285u /* bytes of changes of dir_insert and dir_replace */
#define DIR_LOG_REMOVE	 20u

struct dir_entry {
	uint64_t cookie; /* DIR_COOKIE_FIRST..KEY_LOW_MAX */
	uint64_t ino;
	uint8_t type; /* DT_REG and so on */
	uint8_t name_len;
	char name[DIR_NAME_MAX + 1]; /* any bytes but '/' and NUL; a NUL follows */
};

/* -ENAMETOOLONG: longer than DIR_NAME_MAX; -EINVAL: empty, "." or "..", or with '/' or NUL in it. */
int dir_check_name(const char *name, size_t len) MUST_CHECK;

/* -ENOENT, or as dir_check_name(). */
int dir_lookup(struct txn *txn, uint64_t dir, const char *name, size_t len, struct dir_entry *ret_entry) MUST_CHECK;
/*
 * Add an entry.  -EEXIST; -ENOSPC: all 256 places for names with this hash are taken (not to be expected in any
 * directory that fits on a volume); or as dir_check_name().
 */
int dir_insert(struct txn *txn, uint64_t dir, const char *name, size_t len, uint64_t ino, uint8_t type) MUST_CHECK;
/* Let @entry, found in this transaction, name another inode; its cookie stays. */
int dir_replace(struct txn *txn, uint64_t dir, const struct dir_entry *entry, uint64_t ino, uint8_t type) MUST_CHECK;
/* Remove @entry, found in this transaction. */
int dir_remove(struct txn *txn, uint64_t dir, const struct dir_entry *entry) MUST_CHECK;

/* The entry with the smallest cookie > @after (any number; 0 begins), or -ENOENT: that was the last. */
int dir_next(struct txn *txn, uint64_t dir, uint64_t after, struct dir_entry *ret_entry) MUST_CHECK;
int dir_is_empty(struct txn *txn, uint64_t dir, bool *ret_empty) MUST_CHECK;

#endif
