/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_BTREE_H
#define LAMINA_EXTENT_BTREE_H

/*
 * The B+tree of items.  None of these switches fibers: a block that is not in memory gives -ERESTART and is named in
 * txn->missing, want of metadata space gives -ERESTART with txn->need_space.  Every function leaves a whole tree
 * behind, also when it fails.  Other errors: -EIO, -EUCLEAN, -ENOMEM.
 */

#include "extent/item.h"

struct fs;
struct txn;

/* An empty tree: one leaf. */
int btree_create(struct fs *fs) MUST_CHECK;
/* -ENOENT. */
int btree_get(struct txn *t, struct key key, struct item *ret_item) MUST_CHECK;
/* The first item with @from <= key <= @last; the last item with @first <= key <= @from.  -ENOENT. */
int btree_next(struct txn *t, struct key from, struct key last, struct item *ret_item) MUST_CHECK;
int btree_prev(struct txn *t, struct key from, struct key first, struct item *ret_item) MUST_CHECK;
/*
 * See that the leaf of @key is in memory or on its way there, without looking into it.  0, or -ERESTART for a block
 * above it.
 */
int btree_fetch(struct txn *t, struct key key) MUST_CHECK;
/*
 * Make the leaf of @key writable, with room to insert or replace an item of @len bytes if @len is not BTREE_NO_ROOM,
 * and find the item: *@ret_item->val is NULL if there is none.
 */
#define BTREE_NO_ROOM SIZE_MAX
struct btree_spot {
	void *leaf;
	unsigned int slot;
	bool found;
};
int btree_prepare(struct txn *t, struct key key, size_t len, struct btree_spot *ret_spot) MUST_CHECK;
/* What btree_prepare() made possible; these cannot fail. */
void btree_store(const struct btree_spot *spot, struct key key, const void *val, size_t len);
/* True: the leaf became thin. */
bool btree_erase(const struct btree_spot *spot);
/* Merge the leaf of @key, and what is above it, with a neighbour, if they are in memory and it is worth it. */
void btree_merge_thin(struct txn *t, struct key key);

#endif
