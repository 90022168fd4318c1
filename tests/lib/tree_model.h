/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_TREE_MODEL_H
#define LAMINA_TESTS_LIB_TREE_MODEL_H

/*
 * A model of a POSIX tree in a few arrays, random operations on it, and the comparison with the store.
 *
 * An operation is drawn (tree_op_draw) and then run as the body of a transaction (tree_op_body).  The body does the
 * real thing first and, as its last act, the same to the model, and compares: so a body that is restarted or fails by
 * injected trouble leaves the model alone, and several fibers may share one model.  Whatever differs ends the test
 * with a message.
 *
 * The model is plain memory: copying struct tree copies a state, and tree_op_replay() makes an operation's change
 * once more, on a copy, from what the operation remembers.
 */

#include "extent/name.h"
#include "extent/xattr.h"
#include "tests/lib/dice.h"

#define TREE_NODES   160
#define TREE_NAMES   40
#define TREE_XATTRS  6
#define TREE_READERS 4

struct tree_xattr {
	bool there;
	uint32_t len;
	uint32_t salt; /* of the value's bytes */
};

struct tree_node {
	bool used;
	struct inode inode;
	uint32_t salt;		     /* of a symbolic link's target */
	int16_t entries[TREE_NAMES]; /* node + 1, or 0 */
	struct tree_xattr xattrs[TREE_XATTRS];
};

/* Somebody who reads a directory, a few entries at a time, while others change it. */
struct tree_reader {
	bool active;
	uint64_t dir;
	uint64_t after;
	uint64_t steady; /* bit per name: there since the reader began */
	uint64_t seen;
};

struct tree {
	struct tree_node nodes[TREE_NODES];
	struct tree_reader readers[TREE_READERS];
};

enum tree_kind {
	TREE_CREATE,
	TREE_LINK,
	TREE_UNLINK,
	TREE_RENAME,
	TREE_LOOKUP,
	TREE_SETATTR,
	TREE_XATTR_SET,
	TREE_XATTR_REMOVE,
	TREE_XATTR_GET,
	TREE_READLINK,
	TREE_READDIR,
	TREE_REAP,
	TREE_KINDS,
};

#define TREE_READ_MAX 8

struct tree_op {
	struct tree *tree;
	enum tree_kind kind;
	uint64_t ino, dir, dir2;
	unsigned int name, name2; /* TREE_NAMES and above: "." and ".." of a lookup */
	unsigned int flags;	  /* of rename; enum xattr_how; reader; max of reap */
	uint32_t mode, len, salt;
	struct inode_attrs attrs;

	/* What the last run of the body found; tree_op_replay() does not look at got. */
	int err;
	struct inode_time now;
	uint64_t seq;
	struct inode new_inode; /* of TREE_CREATE */
	bool more;		/* of TREE_REAP */
	union {
		struct name_result name_result;
		struct name_rename_result rename_result;
		struct inode inode;
		struct {
			unsigned int nr;
			bool end;
			struct dir_entry entries[TREE_READ_MAX];
		} read;
	} got;
};

/* A tree that holds @root and nothing else. */
void tree_init(struct tree *tree, const struct inode *root);
void tree_op_draw(struct tree *tree, struct dice *dice, struct tree_op *op);
/* For txn_options.log_max. */
size_t tree_op_log(const struct tree_op *op);
bool tree_op_changes(const struct tree_op *op);
bool tree_op_frees(const struct tree_op *op);
/* Body of a transaction; @arg is a struct tree_op.  Returns what the operation did; op->err is the same. */
int tree_op_body(struct txn *txn, void *arg);
/* Make the change of @op, a committed one, on @tree. */
void tree_op_replay(struct tree *tree, const struct tree_op *op);
void tree_op_print(const struct tree_op *op);

/* Do to the model what @op did to the store; the model's opinion of the result. */
int tree_apply(struct tree *tree, struct tree_op *op);

/* Compare, as bodies that read; *@arg is a struct tree_check. */
struct tree_check {
	struct tree *tree;
	unsigned int node;
};
int tree_check_node_body(struct txn *txn, void *arg);
int tree_check_orphans_body(struct txn *txn, void *arg);
/* Items that the store must hold for this tree, maps aside; false while something is being reaped. */
bool tree_count_items(const struct tree *tree, uint64_t *ret_items);

/* The index of inode @ino, -1 if there is none; tree_find() does not know one that is being reaped. */
int tree_find(const struct tree *tree, uint64_t ino);
int tree_find_any(const struct tree *tree, uint64_t ino);
size_t tree_name(unsigned int i, char name[DIR_NAME_MAX + 1]);
size_t tree_xattr_name(unsigned int i, char name[XATTR_NAME_MAX + 1]);
void tree_fill(void *buf, size_t len, uint32_t salt);
bool tree_inode_equal(const struct inode *a, const struct inode *b);

/* Say what is wrong and end the program: the seed has been printed at the start. */
#define tree_fail(...) tree_fail_at(__FILE__, __LINE__, __VA_ARGS__)
void tree_fail_at(const char *file, int line, const char *fmt, ...) PRINTF_FMT(3, 4) __attribute__((noreturn));

#endif
