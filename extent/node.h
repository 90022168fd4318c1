/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_NODE_H
#define LAMINA_EXTENT_NODE_H

/*
 * One tree block in memory (struct disk_block and what follows it): pure operations, no I/O, no allocation, no
 * switch.  A block is BLOCK_SIZE bytes, of any alignment.  Except for node_check() the functions trust their block:
 * it was made here, or node_check() has accepted it.  Values given in may not point into the block that changes.
 *
 * A leaf's free space is one hole between slots and values, plus the dead values ("frag") above the hole.  Deleting
 * leaves dead values behind; when the hole is too small for a change that would fit, the values are compacted first.
 * So every function that changes a leaf invalidates the pointers that leaf_item() gave.
 */

#include "extent/format.h"

#define LEAF_CAPACITY  (BLOCK_SIZE - sizeof(struct disk_block))	       /* bytes of slots and values */
#define INNER_CAPACITY (LEAF_CAPACITY / sizeof(struct disk_node_slot)) /* children */

/* An empty block of @level <= BLOCK_LEVEL_MAX; 0 is a leaf. */
void node_init(void *block, unsigned int level, const uint8_t uuid[UUID_LEN]);
unsigned int node_level(const void *block);
/* Number of slots in use. */
unsigned int node_nr(const void *block);
/* Key of slot @i < nr. */
struct key node_key(const void *block, unsigned int i);
/* First slot with a key >= @key; nr if there is none. */
unsigned int node_lower_bound(const void *block, struct key key);

/* Whether there is an item with exactly @key; *@ret_slot is its slot, or (also if not) where it would be inserted. */
bool leaf_find(const void *block, struct key key, unsigned int *ret_slot);
/* The item in slot @i < nr; its value points into the block. */
void leaf_item(const void *block, unsigned int i, struct item *ret_item);
/* Bytes for slots and values that are free, dead values counted. */
size_t leaf_free_bytes(const void *block);
/* Bytes of slots and live values; with leaf_free_bytes() they are LEAF_CAPACITY. */
size_t leaf_used_bytes(const void *block);
/* Whether one more item with a value of @val_len bytes fits. */
bool leaf_has_room(const void *block, size_t val_len);
/*
 * Insert at @slot, which must be the place for @key (asserted are only room and bounds); @len <= ITEM_VALUE_MAX.
 */
void leaf_insert(void *block, unsigned int slot, struct key key, const void *val, size_t len);
bool leaf_can_replace(const void *block, unsigned int slot, size_t len);
/* Give slot @slot another value; leaf_can_replace() said yes. */
void leaf_replace(void *block, unsigned int slot, const void *val, size_t len);
void leaf_delete(void *block, unsigned int slot);
/*
 * Move the upper part of @left to the empty leaf @right, to make room for an item with @len bytes of value that
 * belongs at @slot of @left; leaf_has_room(@left, @len) said no.  Returns the number of slots kept in @left.  The
 * item goes
 *   - to @left at @slot, if @slot < kept;
 *   - to @right at @slot - kept, if @slot >= kept.  If @slot == kept and leaf_has_room(@left), it may as well go to
 *     the end of @left, which then fills up completely under ascending inserts.
 * It fits there.  Ascending inserts at the right edge or in the middle leave full blocks behind, others halves.
 * @left is never empty afterwards; @right only if @slot was behind all others, until the item is in.
 */
unsigned int leaf_split(void *left, void *right, unsigned int slot, size_t len);
/* Whether all items fit in one leaf. */
bool leaf_can_merge(const void *left, const void *right);
/* Append a copy of all items of @right, whose keys are higher, to @left. */
void leaf_merge(void *left, const void *right);

/* Of an interior block with at least one child: the last slot with a key <= @key; 0 if all are higher. */
unsigned int inner_child_slot(const void *block, struct key key);
void inner_child(const void *block, unsigned int i, uint64_t *ret_daddr, uint64_t *ret_epoch);
void inner_set_child(void *block, unsigned int i, uint64_t daddr, uint64_t epoch);
void inner_set_key(void *block, unsigned int i, struct key key);
bool inner_has_room(const void *block);
void inner_insert(void *block, unsigned int slot, struct key key, uint64_t daddr, uint64_t epoch);
void inner_delete(void *block, unsigned int slot);
/*
 * As leaf_split(), of a full block, for a child that belongs at @slot or that will come from a split of the child
 * there: it goes to @left if @slot < kept, else to @right at @slot - kept.
 */
unsigned int inner_split(void *left, void *right, unsigned int slot);
bool inner_can_merge(const void *left, const void *right);
void inner_merge(void *left, const void *right);

/* Fill in where and when the block is written, and its checksum: the last thing before the write. */
void node_seal(void *block, uint64_t daddr, uint64_t epoch);
/*
 * Whether @block, as read from @daddr, is a block of level @level that checkpoint @epoch of volume @uuid wrote there:
 * header, checksum, then the whole structure: bounds, order of keys, the arithmetic of heap and frag, values that
 * don't overlap, item_is_valid() of each item.  0, or -EUCLEAN and *@ret_why (may be NULL) says what is wrong.
 * @block may hold anything.
 */
int node_check(const void *block, uint64_t daddr, uint64_t epoch, const uint8_t uuid[UUID_LEN], unsigned int level,
	       const char **ret_why) MUST_CHECK;
/*
 * The same where nothing is known but the volume (or not even that: @uuid NULL): what the block says of itself
 * counts.
 */
int node_check_alone(const void *block, const uint8_t *uuid, const char **ret_why) MUST_CHECK;

#endif
