/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_NFS_SIM_HOME_H
#define LAMINA_TESTS_LIB_NFS_SIM_HOME_H

/* The model of a home: two directories that nobody else touches, with what is in them and who has it open. */

#include "tools/nfs_op.h"

#define HOME_INODES   7
#define HOME_NAMES    10 /* of these in the upper directory: */
#define HOME_UPPER    6
#define HOME_SIZE_MAX 16384
#define HOME_OPENS    6
#define HOME_OWNERS   3
#define HOME_UNITS    6 /* ranges that may be locked */
#define HOME_XATTRS   2
#define HOME_BLOCK    4096

/* What is known of a change attribute. */
enum home_change {
	HOME_EXACT,
	HOME_MORE,     /* it was this, and has changed */
	HOME_AT_LEAST, /* it was this, and may have changed */
};

struct home_inode {
	uint32_t type; /* nfs_ftype4; 0: unused */
	uint32_t mode, nlink;
	uint64_t size;
	uint64_t change;
	enum home_change change_is;
	uint64_t fileid; /* 0: not known yet */
	struct nfs_fh fh;
	uint32_t xattrs[HOME_XATTRS]; /* 0: none */
	uint32_t target;	      /* of a symbolic link */
	uint8_t bytes[HOME_SIZE_MAX];
};

struct home_open {
	bool used;
	unsigned int inode, owner;
	uint32_t access, deny;
	stateid4 stateid;
	bool has_lock; /* state id, perhaps without any range */
	stateid4 lock;
	uint8_t units[HOME_UNITS]; /* 0, READ_LT, WRITE_LT */
};

struct home_dir {
	struct nfs_fh fh;
	uint64_t change;
	enum home_change change_is;
};

struct home {
	struct home_inode inodes[HOME_INODES];
	unsigned int names[HOME_NAMES]; /* inode + 1 */
	struct home_open opens[HOME_OPENS];
	struct home_dir dirs[2];
};

/* "n3"; the directory that it is in. */
const char *home_name(unsigned int name);
unsigned int home_dir_of(unsigned int name);
/* -1: none. */
int home_free_inode(const struct home *h);
int home_find_open(const struct home *h, unsigned int inode, unsigned int owner);
int home_free_open(const struct home *h);
bool home_is_open(const struct home *h, unsigned int inode);
/* Whether opens of others than @owner (HOME_OWNERS: of all) deny or are denied. */
bool home_denies(const struct home *h, unsigned int inode, unsigned int owner, uint32_t access, uint32_t deny);
/* Nobody can reach it any more: it goes. */
void home_settle(struct home *h, unsigned int inode);
/* The name's inode has a name less. */
void home_unname(struct home *h, unsigned int name);
void home_touch(struct home_inode *inode);
/* The client is gone: so are its opens. */
void home_forget_opens(struct home *h);
void home_set_size(struct home_inode *inode, uint64_t size);
/* Bytes that nobody else writes. */
void home_pattern(void *bytes, uint64_t len, uint64_t seed);

/* A home as it was seen, name by name. */
struct home_seen {
	bool there[HOME_NAMES];
	struct home_inode inodes[HOME_NAMES]; /* by name */
	struct home_dir dirs[2];
};
/* NULL: it is as @h says; else a sentence, in a static buffer. */
const char *home_differs(const struct home *h, const struct home_seen *seen);
/* Take from @seen what @h did not know: numbers, handles, change attributes. */
void home_adopt(struct home *h, const struct home_seen *seen);

#endif
