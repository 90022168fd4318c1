/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises: items are found by key in one walk from the root; a change copies the blocks on its way once per epoch
 * (block_writable), top down, so that a failure on the way leaves a whole tree; full inner blocks are split on the
 * way down, so that a leaf's split always finds room above it; thin leaves are merged only after a transaction has
 * committed, so that undoing one never needs new blocks.
 *
 * An inner block's slot i leads to keys from its own up to the next slot's; what is smaller than slot 0 goes to slot
 * 0.
 */

#include "extent/btree.h"

#include "extent/fs_int.h"
#include "extent/node.h"

/* Neighbours to start reading when a scan walks into a leaf that is not in memory. */
#define BTREE_READ_AHEAD 8
/* A walk that splits twice as often as the tree can be high is going in circles. */
#define BTREE_TRIES_MAX (4 * BLOCK_LEVEL_MAX)

struct btree_path {
	struct btree_leaf leaf; /* at its end, but for the block itself while that is not in memory */
	unsigned int height;	/* level of the root */
	struct block *block[BLOCK_LEVEL_MAX + 1];
	unsigned int slot[BLOCK_LEVEL_MAX + 1]; /* in inner blocks: the child taken */
};

int btree_create(struct fs *fs)
{
	struct block *b;
	int err = block_new(fs, 0, 0, &b);

	if (err)
		return err;
	fs->root = (struct fs_root){ .daddr = b->daddr, .epoch = b->epoch, .level = 0 };
	return 0;
}

static int btree_block(struct txn *t, uint64_t daddr, uint64_t epoch, unsigned int level, struct block **ret_block)
{
	struct block *b;
	int err = block_get(t->fs, daddr, epoch, level, &b);

	if (err == -ERESTART)
		t->missing = b;
	if (!err)
		*ret_block = b;
	return err;
}

static int btree_child(struct txn *t, struct btree_path *path, unsigned int level, unsigned int slot,
		       struct block **ret_block)
{
	uint64_t daddr, epoch;

	inner_child(path->block[level]->data, slot, &daddr, &epoch);
	return btree_block(t, daddr, epoch, level - 1, ret_block);
}

/* Narrow the bounds of @path's leaf to child @slot of @inner. */
static void btree_narrow(struct btree_path *path, const void *inner, unsigned int slot)
{
	struct btree_leaf *leaf = &path->leaf;

	if (slot > 0) {
		leaf->has_lo = true;
		leaf->lo = node_key(inner, slot);
	}
	if (slot + 1 < node_nr(inner)) {
		leaf->has_hi = true;
		leaf->hi = node_key(inner, slot + 1);
	}
}

/* Walk to the block of level @to, or to the root if that is lower, on the way to the leaf of @key. */
static int btree_descend_to(struct txn *t, struct key key, unsigned int to, struct btree_path *path)
{
	const struct fs_root *root = &t->fs->root;
	int err = btree_block(t, root->daddr, root->epoch, root->level, &path->block[root->level]);

	path->height = root->level;
	path->leaf = (struct btree_leaf){ .block = NULL };
	for (unsigned int level = root->level; !err && level > to; level--) {
		const void *inner = path->block[level]->data;

		path->slot[level] = inner_child_slot(inner, key);
		btree_narrow(path, inner, path->slot[level]);
		err = btree_child(t, path, level, path->slot[level], &path->block[level - 1]);
	}
	return err;
}

/* Walk to the leaf of @key, changing nothing. */
static int btree_descend(struct txn *t, struct key key, struct btree_path *path)
{
	int err = btree_descend_to(t, key, 0, path);

	if (!err)
		path->leaf.block = path->block[0];
	return err;
}

static bool btree_leaf_has(const struct btree_leaf *leaf, struct key key)
{
	return (!leaf->has_lo || key_cmp(key, leaf->lo) >= 0) && (!leaf->has_hi || key_cmp(key, leaf->hi) < 0);
}

/* The leaf of @key if it was found lately: what one transaction touches lies in few leaves. */
static const struct btree_leaf *btree_finger(struct fs *fs, struct key key)
{
	for (unsigned int i = 0; i < fs->nr_fingers; i++) {
		const struct btree_leaf *leaf = &fs->fingers[i];

		if (btree_leaf_has(leaf, key)) {
			leaf->block->referenced = true;
			return leaf;
		}
	}
	return NULL;
}

static void btree_remember(struct fs *fs, const struct btree_leaf *leaf)
{
	if (fs->nr_fingers < BTREE_FINGERS) {
		fs->fingers[fs->nr_fingers++] = *leaf;
		return;
	}
	fs->fingers[fs->next_finger++ % BTREE_FINGERS] = *leaf;
}

/* The leaf of @key.  @path is filled only as far as a walk was needed; its height is 0 if none was. */
static int btree_leaf(struct txn *t, struct key key, struct btree_path *path)
{
	const struct btree_leaf *finger = btree_finger(t->fs, key);
	int err;

	path->height = 0;
	if (finger) {
		path->leaf = *finger;
		return 0;
	}
	path->block[1] = NULL;
	err = btree_descend(t, key, path);
	if (!err)
		btree_remember(t->fs, &path->leaf);
	return err;
}

int btree_fetch(struct txn *t, struct key key)
{
	struct btree_path path;
	uint64_t daddr, epoch;
	struct block *b;
	int err = btree_descend_to(t, key, 1, &path);

	if (err || path.height == 0)
		return err;
	inner_child(path.block[1]->data, inner_child_slot(path.block[1]->data, key), &daddr, &epoch);
	err = block_get(t->fs, daddr, epoch, 0, &b);
	return err == -ERESTART ? 0 : err;
}

int btree_get(struct txn *t, struct key key, struct item *ret_item)
{
	struct btree_path path;
	unsigned int slot;
	int err = btree_leaf(t, key, &path);

	if (err)
		return err;
	if (!leaf_find(path.leaf.block->data, key, &slot))
		return -ENOENT;
	leaf_item(path.leaf.block->data, slot, ret_item);
	return 0;
}

/* Start reading the leaves behind the one that @path misses: a scan will want them. */
static void btree_read_ahead(struct txn *t, const struct btree_path *path)
{
	const void *inner = path->block[1]->data;
	unsigned int slot = path->slot[1] + 1, end = slot + BTREE_READ_AHEAD;
	uint64_t daddr, epoch;
	struct block *b;
	int err = 0;

	for (; slot < node_nr(inner) && slot < end && (!err || err == -ERESTART); slot++) {
		inner_child(inner, slot, &daddr, &epoch);
		err = block_get(t->fs, daddr, epoch, 0, &b);
	}
}

int btree_next(struct txn *t, struct key from, struct key last, struct item *ret_item)
{
	struct btree_path path;
	unsigned int slot;
	bool scanning = false;
	int err;

	for (; key_cmp(from, last) <= 0; scanning = true) {
		const void *leaf;

		err = btree_leaf(t, from, &path);
		if (err) {
			if (err == -ERESTART && scanning && path.height > 0 && path.block[1])
				btree_read_ahead(t, &path);
			return err;
		}
		leaf = path.leaf.block->data;
		slot = node_lower_bound(leaf, from);
		if (slot < node_nr(leaf)) {
			if (key_cmp(node_key(leaf, slot), last) > 0)
				return -ENOENT;
			leaf_item(leaf, slot, ret_item);
			return 0;
		}
		if (!path.leaf.has_hi)
			return -ENOENT;
		from = path.leaf.hi;
	}
	return -ENOENT;
}

int btree_prev(struct txn *t, struct key from, struct key first, struct item *ret_item)
{
	struct btree_path path;
	unsigned int slot;
	int err;

	while (key_cmp(from, first) >= 0) {
		const void *leaf;

		err = btree_leaf(t, from, &path);
		if (err)
			return err;
		leaf = path.leaf.block->data;
		if (!leaf_find(leaf, from, &slot))
			slot--; /* wraps if it was 0: nothing smaller in this leaf */
		if (slot < node_nr(leaf)) {
			if (key_cmp(node_key(leaf, slot), first) < 0)
				return -ENOENT;
			leaf_item(leaf, slot, ret_item);
			return 0;
		}
		if (!path.leaf.has_lo)
			return -ENOENT;
		from = path.leaf.lo;
		if (from.lo-- == 0)
			from.hi--;
	}
	return -ENOENT;
}

static int btree_new_block(struct txn *t, unsigned int level, struct block **ret_block)
{
	int err = block_new(t->fs, level, t->reserve, ret_block);

	if (err != -ENOSPC)
		return err;
	t->need_space = true;
	return -ERESTART;
}

static int btree_writable(struct txn *t, struct block *b, struct block **ret_block)
{
	int err = block_writable(t->fs, b, t->reserve, ret_block);

	if (err != -ENOSPC)
		return err;
	t->need_space = true;
	return -ERESTART;
}

/* A new root above the old one, so that the old one can be split. */
static int btree_grow_root(struct txn *t, struct block *old)
{
	struct fs_root *root = &t->fs->root;
	struct block *b;
	int err;

	if (root->level == BLOCK_LEVEL_MAX)
		return -EUCLEAN; /* the tree would hold more than 10^20 blocks: its shape is nonsense */
	err = btree_new_block(t, root->level + 1, &b);
	if (err)
		return err;
	inner_insert(b->data, 0, KEY_MIN, old->daddr, old->epoch);
	*root = (struct fs_root){ .daddr = b->daddr, .epoch = b->epoch, .level = root->level + 1 };
	return 0;
}

/* Split writable @left, child @slot of writable @parent, around @at; @len as for leaf_split. */
static int btree_split(struct txn *t, struct block *parent, unsigned int slot, struct block *left, struct key key,
		       unsigned int at, size_t len)
{
	struct block *right;
	struct key separator;
	unsigned int kept;
	int err = btree_new_block(t, left->level, &right);

	if (err)
		return err;
	kept = left->level ? inner_split(left->data, right->data, at) : leaf_split(left->data, right->data, at, len);
	separator = node_nr(right->data) > 0 ? node_key(right->data, 0) : key;
	if (!left->level && at >= kept && key_cmp(key, separator) < 0)
		separator = key;
	inner_insert(parent->data, slot + 1, separator, right->daddr, right->epoch);
	btree_forget_fingers(t->fs);
	return 0;
}

static int btree_writable_root(struct txn *t, struct block **ret_block)
{
	struct fs_root *root = &t->fs->root;
	int err = btree_block(t, root->daddr, root->epoch, root->level, ret_block);

	if (!err)
		err = btree_writable(t, *ret_block, ret_block);
	if (!err) {
		root->daddr = (*ret_block)->daddr;
		root->epoch = (*ret_block)->epoch;
	}
	return err;
}

static int btree_writable_child(struct txn *t, struct btree_path *path, unsigned int level)
{
	struct block *child;
	int err = btree_child(t, path, level, path->slot[level], &child);

	if (err)
		return err;
	if (block_is_dirty(child)) {
		path->block[level - 1] = child;
		return 0;
	}
	err = btree_writable(t, child, &child);
	if (err)
		return err;
	inner_set_child(path->block[level]->data, path->slot[level], child->daddr, child->epoch);
	path->block[level - 1] = child;
	return 0;
}

/*
 * Walk to the leaf of @key, making every block on the way writable.  With @room every inner block has room for one
 * more child; *@ret_again: something was split, walk again.
 */
static int btree_descend_write(struct txn *t, struct key key, bool room, struct btree_path *path, bool *ret_again)
{
	const struct fs_root *root = &t->fs->root;
	int err = btree_writable_root(t, &path->block[root->level]);

	*ret_again = false;
	path->height = root->level;
	if (!err && room && root->level > 0 && !inner_has_room(path->block[root->level]->data)) {
		*ret_again = true;
		err = btree_grow_root(t, path->block[root->level]);
		return err;
	}
	for (unsigned int level = path->height; !err && level > 0; level--) {
		struct block *b = path->block[level], *child;

		path->slot[level] = inner_child_slot(b->data, key);
		err = btree_writable_child(t, path, level);
		if (err || !room || level == 1)
			continue;
		child = path->block[level - 1];
		if (!inner_has_room(child->data)) {
			*ret_again = true;
			return btree_split(t, b, path->slot[level], child, key, inner_child_slot(child->data, key),
					   0);
		}
	}
	return err;
}

static bool spot_fits(const struct btree_spot *spot, size_t len)
{
	if (len == BTREE_NO_ROOM)
		return true;
	return spot->found ? leaf_can_replace(spot->leaf, spot->slot, len) : leaf_has_room(spot->leaf, len);
}

int btree_prepare(struct txn *t, struct key key, size_t len, struct btree_spot *ret_spot)
{
	bool room = len != BTREE_NO_ROOM && !t->undoing, again;
	const struct btree_leaf *finger = btree_finger(t->fs, key);
	struct btree_path path;
	int err;

	/* If a leaf is dirty, so is all above it: with room in it no walk is needed. */
	if (finger && block_is_dirty(finger->block)) {
		struct btree_spot spot = { .leaf = finger->block->data };

		spot.found = leaf_find(spot.leaf, key, &spot.slot);
		if (spot_fits(&spot, len)) {
			*ret_spot = spot;
			return 0;
		}
	}

	for (unsigned int tries = 0; tries < BTREE_TRIES_MAX; tries++) {
		struct btree_spot spot;

		err = btree_descend_write(t, key, room, &path, &again);
		if (err)
			return err;
		if (again)
			continue;
		spot.leaf = path.block[0]->data;
		spot.found = leaf_find(spot.leaf, key, &spot.slot);
		if (spot_fits(&spot, len)) {
			*ret_spot = spot;
			return 0;
		}
		/* What is undone was there before, and fitted. */
		assert(!t->undoing);
		if (path.height == 0)
			err = btree_grow_root(t, path.block[0]);
		else
			err = btree_split(t, path.block[1], path.slot[1], path.block[0], key, spot.slot, len);
		if (err)
			return err;
	}
	assert(!"a leaf that cannot be split far enough");
	return -EUCLEAN;
}

void btree_store(const struct btree_spot *spot, struct key key, const void *val, size_t len)
{
	if (spot->found)
		leaf_replace(spot->leaf, spot->slot, val, len);
	else
		leaf_insert(spot->leaf, spot->slot, key, val, len);
}

bool btree_erase(const struct btree_spot *spot)
{
	assert(spot->found);
	leaf_delete(spot->leaf, spot->slot);
	return leaf_used_bytes(spot->leaf) < BLOCK_SIZE / 4;
}

/* Whether child @slot + 1 of @parent can be merged into child @slot; both must be in memory. */
static bool btree_can_merge(struct fs *fs, const void *parent, unsigned int slot, struct block **ret_left,
			    struct block **ret_right)
{
	uint64_t daddr, epoch;
	struct block *left, *right;

	inner_child(parent, slot, &daddr, &epoch);
	left = block_peek(fs, daddr);
	inner_child(parent, slot + 1, &daddr, &epoch);
	right = block_peek(fs, daddr);
	if (!left || !right || left->level != right->level)
		return false;
	*ret_left = left;
	*ret_right = right;
	return left->level ? inner_can_merge(left->data, right->data) : leaf_can_merge(left->data, right->data);
}

/* Merge child @slot + 1 of writable @parent into child @slot.  False if there is no block to write to. */
static bool btree_merge(struct fs *fs, void *parent, unsigned int slot, struct block *left, struct block *right)
{
	unsigned int nr;

	if (block_writable(fs, left, 0, &left))
		return false;
	inner_set_child(parent, slot, left->daddr, left->epoch);
	nr = node_nr(left->data);
	if (left->level) {
		inner_merge(left->data, right->data);
		/* What was smaller than the right block's slot 0 belongs to it and not to what is now before it. */
		inner_set_key(left->data, nr, node_key(parent, slot + 1));
	} else {
		leaf_merge(left->data, right->data);
	}
	inner_delete(parent, slot + 1);
	block_free(fs, right);
	btree_forget_fingers(fs);
	return true;
}

/* A root with one child is not needed. */
static void btree_shrink_root(struct fs *fs)
{
	struct fs_root *root = &fs->root;

	while (root->level > 0) {
		struct block *b = block_peek(fs, root->daddr);
		uint64_t daddr, epoch;

		if (!b || node_nr(b->data) != 1)
			return;
		inner_child(b->data, 0, &daddr, &epoch);
		*root = (struct fs_root){ .daddr = daddr, .epoch = epoch, .level = root->level - 1 };
		block_free(fs, b);
	}
}

/* Merge @b, child @slot of @parent, with its right or left neighbour. */
static bool btree_merge_either(struct fs *fs, void *parent, unsigned int slot)
{
	struct block *left, *right;

	if (slot + 1 < node_nr(parent) && btree_can_merge(fs, parent, slot, &left, &right))
		return btree_merge(fs, parent, slot, left, right);
	if (slot > 0 && btree_can_merge(fs, parent, slot - 1, &left, &right))
		return btree_merge(fs, parent, slot - 1, left, right);
	return false;
}

static bool btree_is_thin(const struct block *b)
{
	return b->level ? node_nr(b->data) < BLOCK_SIZE / 4 / sizeof(struct disk_node_slot)
			: leaf_used_bytes(b->data) < BLOCK_SIZE / 4;
}

void btree_merge_thin(struct txn *t, struct key key)
{
	struct btree_path path;
	struct fs *fs = t->fs;

	if (btree_descend(t, key, &path))
		return;
	for (unsigned int level = 0; level < path.height; level++) {
		struct block *b = path.block[level], *parent = path.block[level + 1];

		if (!block_is_dirty(b) || !block_is_dirty(parent) || !btree_is_thin(b))
			break;
		if (node_nr(b->data) == 0 && node_nr(parent->data) > 1) {
			inner_delete(parent->data, path.slot[level + 1]);
			block_free(fs, b);
			btree_forget_fingers(fs);
		} else if (!btree_merge_either(fs, parent->data, path.slot[level + 1])) {
			break;
		}
	}
	btree_shrink_root(fs);
}
