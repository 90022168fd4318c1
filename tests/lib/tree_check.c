/* SPDX-License-Identifier: Apache-2.0 */

/* Everything that the store says about a node of the model. */

#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/format.h"
#include "extent/orphan.h"
#include "tests/lib/tree_model.h"

static bool time_equal(struct inode_time a, struct inode_time b)
{
	return a.sec == b.sec && a.nsec == b.nsec;
}

bool tree_inode_equal(const struct inode *a, const struct inode *b)
{
	return a->ino == b->ino && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->nlink == b->nlink && a->size == b->size && a->blocks == b->blocks && a->change == b->change &&
	       a->generation == b->generation && time_equal(a->atime, b->atime) && time_equal(a->mtime, b->mtime) &&
	       time_equal(a->ctime, b->ctime) && time_equal(a->btime, b->btime) && a->parent == b->parent &&
	       a->rdev_major == b->rdev_major && a->rdev_minor == b->rdev_minor && a->flags == b->flags &&
	       a->nr_xattrs == b->nr_xattrs && a->trim_from == b->trim_from;
}

static int check_entries(struct txn *txn, const struct tree *tree, const struct tree_node *dir)
{
	char name[DIR_NAME_MAX + 1];
	struct dir_entry entry;
	uint64_t n = 0;
	int err;

	for (unsigned int i = 0; i < TREE_NAMES; i++) {
		const struct tree_node *child = dir->entries[i] ? &tree->nodes[dir->entries[i] - 1] : NULL;
		size_t len = tree_name(i, name);

		err = dir_lookup(txn, dir->inode.ino, name, len, &entry);
		if (err && err != -ENOENT)
			return err;
		if ((err == 0) != (child != NULL))
			tree_fail("entry %s of %" PRIu64 ": %d", name, dir->inode.ino, err);
		if (!err && (entry.ino != child->inode.ino || entry.type != IFTODT(child->inode.mode)))
			tree_fail("entry %s of %" PRIu64 " leads to %" PRIu64, name, dir->inode.ino, entry.ino);
	}
	for (entry.cookie = 0; !(err = dir_next(txn, dir->inode.ino, entry.cookie, &entry));)
		n++;
	if (err == -ENOENT && n != dir->inode.size)
		tree_fail("directory %" PRIu64 " has %" PRIu64 " entries", dir->inode.ino, n);
	return err == -ENOENT ? 0 : err;
}

static int check_xattrs(struct txn *txn, const struct tree_node *node)
{
	static uint8_t value[XATTR_VALUE_MAX], want[XATTR_VALUE_MAX];
	char name[XATTR_NAME_MAX + 1];
	struct xattr_entry entry;
	uint32_t n = 0;
	size_t len;
	int err;

	for (unsigned int i = 0; i < TREE_XATTRS; i++) {
		const struct tree_xattr *x = &node->xattrs[i];

		len = tree_xattr_name(i, name);
		err = xattr_get(txn, node->inode.ino, name, len, value, sizeof(value), &len);
		if (err && err != -ENODATA)
			return err;
		tree_fill(want, x->len, x->salt);
		if ((err == 0) != x->there || (!err && (len != x->len || memcmp(value, want, len) != 0)))
			tree_fail("attribute %u of %" PRIu64 ": %d", i, node->inode.ino, err);
	}
	for (entry.cookie = 0; !(err = xattr_next(txn, node->inode.ino, entry.cookie, &entry));)
		n++;
	if (err == -ENOENT && n != node->inode.nr_xattrs)
		tree_fail("inode %" PRIu64 " has %u attributes", node->inode.ino, n);
	return err == -ENOENT ? 0 : err;
}

int tree_check_node_body(struct txn *txn, void *arg)
{
	const struct tree_check *check = arg;
	const struct tree_node *node = &check->tree->nodes[check->node];
	struct inode inode;
	int err;

	if (!node->used || (node->inode.flags & INODE_REAPING))
		return 0;
	err = inode_get(txn, node->inode.ino, &inode);
	if (err == -ENOENT)
		tree_fail("inode %" PRIu64 " is lost", node->inode.ino);
	if (err)
		return err;
	if (!tree_inode_equal(&inode, &node->inode))
		tree_fail("inode %" PRIu64 " is another", inode.ino);
	if (S_ISDIR(inode.mode))
		err = check_entries(txn, check->tree, node);
	return err ? err : check_xattrs(txn, node);
}

int tree_check_orphans_body(struct txn *txn, void *arg)
{
	const struct tree_check *check = arg;
	unsigned int want = 0, n = 0;
	uint64_t ino = 0;
	int err, i;

	for (i = 0; i < TREE_NODES; i++)
		want += check->tree->nodes[i].used && (check->tree->nodes[i].inode.nlink == 0 ||
						       check->tree->nodes[i].inode.trim_from != INODE_NO_TRIM);
	while (!(err = orphan_next(txn, ino, &ino))) {
		i = tree_find_any(check->tree, ino);
		if (i < 0 ||
		    (check->tree->nodes[i].inode.nlink > 0 && check->tree->nodes[i].inode.trim_from == INODE_NO_TRIM))
			tree_fail("inode %" PRIu64 " is no orphan", ino);
		n++;
	}
	if (err != -ENOENT)
		return err;
	if (n != want)
		tree_fail("%u orphans of %u", n, want);
	return 0;
}

static uint64_t count_node(const struct tree_node *node)
{
	uint64_t items = 1 + (node->inode.nlink == 0);
	char name[XATTR_NAME_MAX + 1];

	if (S_ISDIR(node->inode.mode))
		items += node->inode.size;
	if (S_ISLNK(node->inode.mode))
		items += (node->inode.size + ITEM_VALUE_MAX - 1) / ITEM_VALUE_MAX;
	for (unsigned int i = 0; i < TREE_XATTRS; i++)
		if (node->xattrs[i].there)
			items += (sizeof(struct disk_xattr) + tree_xattr_name(i, name) + node->xattrs[i].len +
				  ITEM_VALUE_MAX - 1) /
				 ITEM_VALUE_MAX;
	return items;
}

bool tree_count_items(const struct tree *tree, uint64_t *ret_items)
{
	uint64_t items = 0;

	for (unsigned int i = 0; i < TREE_NODES; i++) {
		if (tree->nodes[i].used && (tree->nodes[i].inode.flags & INODE_REAPING))
			return false;
		if (tree->nodes[i].used)
			items += count_node(&tree->nodes[i]);
	}
	*ret_items = items;
	return true;
}
