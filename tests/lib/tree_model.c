/* SPDX-License-Identifier: Apache-2.0 */

/* The rules of a POSIX tree, written down once more and in another way than extent/name.c has them. */

#include "tests/lib/tree_model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void tree_fail_at(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

void tree_init(struct tree *tree, const struct inode *root)
{
	*tree = (struct tree){ 0 };
	tree->nodes[0].used = true;
	tree->nodes[0].inode = *root;
}

int tree_find_any(const struct tree *tree, uint64_t ino)
{
	for (int i = 0; i < TREE_NODES; i++)
		if (tree->nodes[i].used && tree->nodes[i].inode.ino == ino)
			return i;
	return -1;
}

int tree_find(const struct tree *tree, uint64_t ino)
{
	int i = tree_find_any(tree, ino);

	return i < 0 || (tree->nodes[i].inode.flags & INODE_REAPING) ? -1 : i;
}

static struct tree_node *tree_node(struct tree *tree, uint64_t ino)
{
	int i = tree_find(tree, ino);

	return i < 0 ? NULL : &tree->nodes[i];
}

static bool node_is_dir(const struct tree_node *node)
{
	return S_ISDIR(node->inode.mode);
}

static struct tree_node *tree_child(struct tree *tree, const struct tree_node *dir, unsigned int name)
{
	return dir->entries[name] ? &tree->nodes[dir->entries[name] - 1] : NULL;
}

static unsigned int tree_nr_entries(const struct tree_node *dir)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < TREE_NAMES; i++)
		n += dir->entries[i] != 0;
	return n;
}

static void node_changed(struct tree_node *node, struct inode_time now, bool data)
{
	node->inode.change++;
	node->inode.ctime = now;
	if (data)
		node->inode.mtime = now;
}

/* An entry for @node appears (or changes), or with NULL disappears, and everything that follows from it. */
static void tree_set_entry(struct tree *tree, struct tree_node *dir, unsigned int name, struct tree_node *node)
{
	dir->entries[name] = node ? (int16_t)(node - tree->nodes + 1) : 0;
	for (unsigned int i = 0; i < TREE_READERS && !node; i++)
		if (tree->readers[i].dir == dir->inode.ino)
			tree->readers[i].steady &= ~(1ULL << name);
}

/* Recount what the entries say: no arithmetic here that could be wrong in the same way as the real one. */
static void tree_recount(struct tree *tree, struct tree_node *dir)
{
	dir->inode.size = 0;
	dir->inode.nlink = 2;
	for (unsigned int i = 0; i < TREE_NAMES; i++) {
		const struct tree_node *child = tree_child(tree, dir, i);

		dir->inode.size += child != NULL;
		dir->inode.nlink += child && node_is_dir(child);
	}
}

static int tree_dir(struct tree *tree, uint64_t ino, struct tree_node **ret_dir)
{
	struct tree_node *dir = tree_node(tree, ino);

	if (!dir)
		return -ENOENT;
	if (!node_is_dir(dir))
		return -ENOTDIR;
	*ret_dir = dir;
	return 0;
}

static int apply_create(struct tree *tree, struct tree_op *op)
{
	struct tree_node *dir, *node = tree->nodes;
	int err;

	err = tree_dir(tree, op->dir, &dir);
	if (err)
		return err;
	if (dir->inode.nlink == 0)
		return -ENOENT;
	if (dir->entries[op->name])
		return -EEXIST;
	while (node->used)
		if (++node == tree->nodes + TREE_NODES)
			tree_fail("no node is left");
	*node = (struct tree_node){ .used = true, .salt = op->salt };
	node->inode = (struct inode){
		.ino = op->new_inode.ino,
		.generation = op->new_inode.generation,
		.mode = op->mode,
		.uid = op->salt,
		.gid = op->len,
		.nlink = S_ISDIR(op->mode) ? 2 : 1,
		.change = 1,
		.atime = op->now,
		.mtime = op->now,
		.ctime = op->now,
		.btime = op->now,
		.parent = op->dir,
		.trim_from = INODE_NO_TRIM,
		.size = S_ISLNK(op->mode) ? op->len : 0,
	};
	tree_set_entry(tree, dir, op->name, node);
	tree_recount(tree, dir);
	node_changed(dir, op->now, true);
	return 0;
}

static int apply_link(struct tree *tree, struct tree_op *op)
{
	struct tree_node *dir, *node;
	int err;

	err = tree_dir(tree, op->dir, &dir);
	if (err)
		return err;
	node = tree_node(tree, op->ino);
	if (dir->inode.nlink == 0 || !node)
		return -ENOENT;
	if (node_is_dir(node))
		return -EISDIR;
	if (dir->entries[op->name])
		return -EEXIST;
	if (node->inode.nlink == 0)
		node->inode.parent = op->dir;
	node->inode.nlink++;
	node_changed(node, op->now, false);
	tree_set_entry(tree, dir, op->name, node);
	tree_recount(tree, dir);
	node_changed(dir, op->now, true);
	return 0;
}

static void tree_drop(struct tree_node *node, struct inode_time now)
{
	node->inode.nlink = node_is_dir(node) ? 0 : node->inode.nlink - 1;
	node_changed(node, now, false);
}

static int apply_unlink(struct tree *tree, struct tree_op *op)
{
	struct tree_node *dir, *node;
	int err;

	err = tree_dir(tree, op->dir, &dir);
	if (err)
		return err;
	node = tree_child(tree, dir, op->name);
	if (!node)
		return -ENOENT;
	if (node_is_dir(node) && tree_nr_entries(node))
		return -ENOTEMPTY;
	tree_set_entry(tree, dir, op->name, NULL);
	tree_recount(tree, dir);
	node_changed(dir, op->now, true);
	tree_drop(node, op->now);
	return 0;
}

/* Whether @node is @above or below it. */
static bool tree_is_below(struct tree *tree, const struct tree_node *node, const struct tree_node *above)
{
	while (node != above) {
		if (node->inode.ino == INO_ROOT)
			return false;
		node = tree_node(tree, node->inode.parent);
	}
	return true;
}

static int tree_may_replace(const struct tree_node *node, const struct tree_node *other)
{
	if (node_is_dir(node) && !node_is_dir(other))
		return -ENOTDIR;
	if (!node_is_dir(node) && node_is_dir(other))
		return -EISDIR;
	return node_is_dir(other) && tree_nr_entries(other) ? -ENOTEMPTY : 0;
}

static int tree_may_rename(struct tree *tree, const struct tree_op *op, struct tree_node *from, struct tree_node *to,
			   struct tree_node *node, struct tree_node *other)
{
	bool exchange = op->flags & NAME_EXCHANGE;

	if (!node || to->inode.nlink == 0 || (exchange && !other))
		return -ENOENT;
	if (other && (op->flags & NAME_NOREPLACE))
		return -EEXIST;
	if (node == other)
		return 0;
	if (from != to && node_is_dir(node) && tree_is_below(tree, to, node))
		return -EINVAL;
	if (from != to && exchange && node_is_dir(other) && tree_is_below(tree, from, other))
		return -EINVAL;
	return other && !exchange ? tree_may_replace(node, other) : 0;
}

static int apply_rename(struct tree *tree, struct tree_op *op)
{
	struct tree_node *from, *to, *node, *other;
	int err;

	err = tree_dir(tree, op->dir, &from);
	if (!err)
		err = tree_dir(tree, op->dir2, &to);
	if (err)
		return err;
	node = tree_child(tree, from, op->name);
	other = tree_child(tree, to, op->name2);
	err = tree_may_rename(tree, op, from, to, node, other);
	if (err || node == other)
		return err;
	tree_set_entry(tree, from, op->name, op->flags & NAME_EXCHANGE ? other : NULL);
	tree_set_entry(tree, to, op->name2, node);
	node->inode.parent = op->dir2;
	node_changed(node, op->now, false);
	if (op->flags & NAME_EXCHANGE) {
		other->inode.parent = op->dir;
		node_changed(other, op->now, false);
	} else if (other) {
		tree_drop(other, op->now);
	}
	tree_recount(tree, from);
	node_changed(from, op->now, true);
	if (to != from) {
		tree_recount(tree, to);
		node_changed(to, op->now, true);
	}
	return 0;
}

static int apply_lookup(struct tree *tree, struct tree_op *op)
{
	struct tree_node *dir, *node;
	int err;

	err = tree_dir(tree, op->dir, &dir);
	if (err)
		return err;
	if (op->name == TREE_NAMES)
		node = dir;
	else if (op->name > TREE_NAMES)
		node = dir->inode.nlink ? tree_node(tree, dir->inode.parent) : NULL;
	else
		node = tree_child(tree, dir, op->name);
	return node ? 0 : -ENOENT;
}

static int apply_setattr(struct tree *tree, struct tree_op *op)
{
	struct tree_node *node = tree_node(tree, op->ino);
	const struct inode_attrs *a = &op->attrs;

	if (!node)
		return -ENOENT;
	if ((a->mask & INODE_SET_SIZE) && node_is_dir(node))
		return -EISDIR;
	if ((a->mask & INODE_SET_SIZE) && !S_ISREG(node->inode.mode))
		return -EINVAL;
	if (a->mask)
		node_changed(node, op->now, a->mask & INODE_SET_SIZE);
	if (a->mask & INODE_SET_SIZE)
		node->inode.size = a->size;
	if (a->mask & INODE_SET_MODE)
		node->inode.mode = (node->inode.mode & S_IFMT) | a->mode;
	if (a->mask & INODE_SET_UID)
		node->inode.uid = a->uid;
	if (a->mask & INODE_SET_GID)
		node->inode.gid = a->gid;
	if (a->mask & INODE_SET_ATIME)
		node->inode.atime = a->atime;
	if (a->mask & INODE_SET_MTIME)
		node->inode.mtime = a->mtime;
	return 0;
}

static int apply_xattr(struct tree *tree, struct tree_op *op)
{
	struct tree_node *node = tree_node(tree, op->ino);
	struct tree_xattr *x;

	if (!node)
		return -ENOENT;
	x = &node->xattrs[op->name];
	if (!x->there && (op->kind != TREE_XATTR_SET || op->flags == XATTR_EXISTING))
		return -ENODATA;
	if (x->there && op->kind == TREE_XATTR_SET && op->flags == XATTR_NEW)
		return -EEXIST;
	if (op->kind == TREE_XATTR_GET)
		return 0;
	node->inode.nr_xattrs += (op->kind == TREE_XATTR_SET) - (uint32_t)x->there;
	*x = (struct tree_xattr){ op->kind == TREE_XATTR_SET, op->len, op->salt };
	node_changed(node, op->now, false);
	return 0;
}

static int apply_readlink(struct tree *tree, struct tree_op *op)
{
	struct tree_node *node = tree_node(tree, op->ino);

	if (!node)
		return -ENOENT;
	return S_ISLNK(node->inode.mode) ? 0 : -EINVAL;
}

static int apply_reap(struct tree *tree, struct tree_op *op)
{
	int i = tree_find_any(tree, op->ino);
	struct tree_node *node;

	if (i < 0)
		return -ENOENT;
	node = &tree->nodes[i];
	if (node->inode.nlink > 0)
		return -EBUSY;
	if (op->more)
		node->inode.flags |= INODE_REAPING;
	else
		node->used = false;
	return 0;
}

static void reader_step(struct tree *tree, struct tree_reader *reader, const struct tree_op *op)
{
	struct tree_node *dir = tree_node(tree, reader->dir);
	char name[DIR_NAME_MAX + 1];

	for (unsigned int i = 0; i < op->got.read.nr; i++) {
		const struct dir_entry *entry = &op->got.read.entries[i];
		unsigned int n = 0;

		while (n < TREE_NAMES && (tree_name(n, name) != entry->name_len || strcmp(name, entry->name) != 0))
			n++;
		if (n == TREE_NAMES || !dir || !dir->entries[n] ||
		    tree_child(tree, dir, n)->inode.ino != entry->ino || entry->cookie <= reader->after)
			tree_fail("readdir gives what is not there: %s", entry->name);
		if (reader->seen & reader->steady & 1ULL << n)
			tree_fail("readdir gives %s twice", entry->name);
		reader->seen |= 1ULL << n;
		reader->after = entry->cookie;
	}
	if (!op->got.read.end)
		return;
	if (reader->steady & ~reader->seen)
		tree_fail("readdir of %" PRIu64 " has missed names: %" PRIx64, reader->dir,
			  reader->steady & ~reader->seen);
	reader->active = false;
}

static int apply_readdir(struct tree *tree, struct tree_op *op)
{
	struct tree_reader *reader = &tree->readers[op->flags];
	struct tree_node *dir;

	if (!reader->active) {
		*reader = (struct tree_reader){ .active = true, .dir = op->dir };
		dir = tree_node(tree, op->dir);
		for (unsigned int i = 0; dir && i < TREE_NAMES; i++)
			if (dir->entries[i])
				reader->steady |= 1ULL << i;
	}
	reader_step(tree, reader, op);
	return 0;
}

int tree_apply(struct tree *tree, struct tree_op *op)
{
	static int (*const apply[TREE_KINDS])(struct tree * tree, struct tree_op * op) = {
		[TREE_CREATE] = apply_create,	  [TREE_LINK] = apply_link,	     [TREE_UNLINK] = apply_unlink,
		[TREE_RENAME] = apply_rename,	  [TREE_LOOKUP] = apply_lookup,	     [TREE_SETATTR] = apply_setattr,
		[TREE_XATTR_SET] = apply_xattr,	  [TREE_XATTR_REMOVE] = apply_xattr, [TREE_XATTR_GET] = apply_xattr,
		[TREE_READLINK] = apply_readlink, [TREE_READDIR] = apply_readdir,    [TREE_REAP] = apply_reap,
	};

	return apply[op->kind](tree, op);
}

void tree_op_replay(struct tree *tree, const struct tree_op *op)
{
	struct tree_op copy = *op;

	if (op->kind == TREE_READDIR)
		return;
	if (tree_apply(tree, &copy))
		tree_fail("an operation that succeeded does not when replayed");
}
