/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: every function leaves a block that node_check() would accept once sealed, as long as keys are inserted
 * where they belong.  This is the hot path of the store: searches take no branch that depends on the keys, inserts
 * move slots (20 bytes each) and never values, and a leaf is compacted only when its hole is too small.
 */

#include "extent/node.h"

#include "extent/sum.h"

#define SLOTS_START sizeof(struct disk_block)

static struct disk_block *node_head(void *block)
{
	return block;
}

static const struct disk_block *node_head_const(const void *block)
{
	return block;
}

static void *node_at(void *block, size_t off)
{
	return (uint8_t *)block + off;
}

static const void *node_at_const(const void *block, size_t off)
{
	return (const uint8_t *)block + off;
}

static struct disk_leaf_slot *leaf_slots(void *block)
{
	return node_at(block, SLOTS_START);
}

static const struct disk_leaf_slot *leaf_slots_const(const void *block)
{
	return node_at_const(block, SLOTS_START);
}

static struct disk_node_slot *inner_slots(void *block)
{
	return node_at(block, SLOTS_START);
}

static const struct disk_node_slot *inner_slots_const(const void *block)
{
	return node_at_const(block, SLOTS_START);
}

static void node_set_nr(void *block, size_t nr)
{
	node_head(block)->nr = le16_make((uint16_t)nr);
}

void node_init(void *block, unsigned int level, const uint8_t uuid[UUID_LEN])
{
	struct disk_block *head = node_head(block);

	assert(level <= BLOCK_LEVEL_MAX);
	/* All of it: the hole reaches the disk too, and must not carry strangers' memory there. */
	memset(block, 0, BLOCK_SIZE);
	head->magic = le32_make(BLOCK_MAGIC);
	head->level = le16_make((uint16_t)level);
	head->heap = le16_make(level ? 0 : BLOCK_SIZE);
	memcpy(head->volume_uuid, uuid, UUID_LEN);
}

unsigned int node_level(const void *block)
{
	return le16_get(node_head_const(block)->level);
}

unsigned int node_nr(const void *block)
{
	return le16_get(node_head_const(block)->nr);
}

/* Search */

/* Both kinds of slot begin with the key. */
static inline struct key slot_key(const void *slot)
{
	const struct disk_leaf_slot *s = slot;

	return (struct key){ le64_get(s->hi), le64_get(s->lo) };
}

static inline unsigned __int128 key_wide(struct key key)
{
	return (unsigned __int128)key.hi << 64 | key.lo;
}

/*
 * The number of the @nr slots whose keys are lower than @key.  The loop runs log2(nr) times whatever the keys are,
 * and its choice is arithmetic, so the processor has nothing to mispredict.
 */
static inline __attribute__((always_inline)) unsigned int slots_below(const uint8_t *slots, size_t nr, size_t stride,
								      unsigned __int128 key)
{
	const uint8_t *base = slots;
	size_t below = 0;

	while (nr > 1) {
		size_t half = nr / 2, next = (nr - half) / 2;
		size_t go;

		__builtin_prefetch(base + next * stride);
		__builtin_prefetch(base + (half + next) * stride);
		go = -(size_t)(key_wide(slot_key(base + (half - 1) * stride)) < key) & half;
		base += go * stride;
		below += go;
		nr -= half;
	}
	if (nr == 1)
		below += key_wide(slot_key(base)) < key;
	return (unsigned int)below;
}

static inline size_t node_stride(const void *block)
{
	return node_level(block) ? sizeof(struct disk_node_slot) : sizeof(struct disk_leaf_slot);
}

struct key node_key(const void *block, unsigned int i)
{
	assert(i < node_nr(block));
	return slot_key(node_at_const(block, SLOTS_START + i * node_stride(block)));
}

unsigned int node_lower_bound(const void *block, struct key key)
{
	const uint8_t *slots = node_at_const(block, SLOTS_START);

	if (node_level(block))
		return slots_below(slots, node_nr(block), sizeof(struct disk_node_slot), key_wide(key));
	return slots_below(slots, node_nr(block), sizeof(struct disk_leaf_slot), key_wide(key));
}

/* Leaves */

static size_t leaf_heap(const void *block)
{
	return le16_get(node_head_const(block)->heap);
}

static size_t leaf_frag(const void *block)
{
	return le16_get(node_head_const(block)->frag);
}

static void leaf_set_heap(void *block, size_t heap, size_t frag)
{
	struct disk_block *head = node_head(block);

	assert(frag <= BLOCK_SIZE - heap);
	head->heap = le16_make((uint16_t)heap);
	head->frag = le16_make((uint16_t)frag);
}

/* Bytes between the last slot and the first value. */
static size_t leaf_hole(const void *block)
{
	return leaf_heap(block) - SLOTS_START - node_nr(block) * sizeof(struct disk_leaf_slot);
}

bool leaf_find(const void *block, struct key key, unsigned int *ret_slot)
{
	size_t nr = node_nr(block);
	unsigned int slot =
		slots_below(node_at_const(block, SLOTS_START), nr, sizeof(struct disk_leaf_slot), key_wide(key));

	assert(node_level(block) == 0);
	*ret_slot = slot;
	return slot < nr && key_wide(slot_key(&leaf_slots_const(block)[slot])) == key_wide(key);
}

void leaf_item(const void *block, unsigned int i, struct item *ret_item)
{
	const struct disk_leaf_slot *slot = &leaf_slots_const(block)[i];

	assert(i < node_nr(block));
	ret_item->key = slot_key(slot);
	ret_item->val = node_at_const(block, le16_get(slot->val_off));
	ret_item->len = le16_get(slot->val_len);
}

size_t leaf_free_bytes(const void *block)
{
	return leaf_hole(block) + leaf_frag(block);
}

size_t leaf_used_bytes(const void *block)
{
	return LEAF_CAPACITY - leaf_free_bytes(block);
}

bool leaf_has_room(const void *block, size_t val_len)
{
	return sizeof(struct disk_leaf_slot) + val_len <= leaf_free_bytes(block);
}

/* Put the values side by side at the block's end, the first slot's topmost. */
static void leaf_compact(void *block)
{
	static _Thread_local uint8_t scratch[BLOCK_SIZE];
	struct disk_leaf_slot *slots = leaf_slots(block);
	size_t nr = node_nr(block), heap = leaf_heap(block);

	memcpy(scratch + heap, node_at(block, heap), BLOCK_SIZE - heap);
	heap = BLOCK_SIZE;
	for (size_t i = 0; i < nr; i++) {
		size_t len = le16_get(slots[i].val_len);

		if (len == 0)
			continue;
		heap -= len;
		memcpy(node_at(block, heap), scratch + le16_get(slots[i].val_off), len);
		slots[i].val_off = le16_make((uint16_t)heap);
	}
	leaf_set_heap(block, heap, 0);
}

/* Store @val in the hole, which has the room, and let @slot name it.  An empty value has offset 0. */
static void leaf_put_value(void *block, struct disk_leaf_slot *slot, const void *val, size_t len)
{
	size_t heap = leaf_heap(block);

	slot->val_len = le16_make((uint16_t)len);
	slot->val_off = le16_make(0);
	if (len == 0)
		return;
	heap -= len;
	memcpy(node_at(block, heap), val, len);
	slot->val_off = le16_make((uint16_t)heap);
	leaf_set_heap(block, heap, leaf_frag(block));
}

/* The value of @slot is dead from now on: part of the hole if it lies next to it. */
static void leaf_drop_value(void *block, const struct disk_leaf_slot *slot)
{
	size_t off = le16_get(slot->val_off), len = le16_get(slot->val_len);
	size_t heap = leaf_heap(block), frag = leaf_frag(block);

	if (len == 0)
		return;
	if (off == heap)
		leaf_set_heap(block, heap + len, frag);
	else
		leaf_set_heap(block, heap, frag + len);
}

void leaf_insert(void *block, unsigned int slot, struct key key, const void *val, size_t len)
{
	size_t nr = node_nr(block);
	struct disk_leaf_slot *s = leaf_slots(block) + slot;

	assert(node_level(block) == 0);
	assert(slot <= nr);
	assert(len <= ITEM_VALUE_MAX);
	assert(leaf_has_room(block, len));

	if (leaf_hole(block) < sizeof(*s) + len)
		leaf_compact(block);
	memmove(s + 1, s, (nr - slot) * sizeof(*s));
	node_set_nr(block, nr + 1);
	s->hi = le64_make(key.hi);
	s->lo = le64_make(key.lo);
	leaf_put_value(block, s, val, len);
}

bool leaf_can_replace(const void *block, unsigned int slot, size_t len)
{
	assert(slot < node_nr(block));
	return len <= leaf_free_bytes(block) + le16_get(leaf_slots_const(block)[slot].val_len);
}

/* A value that shrinks stays where it is; what it loses is dead, or part of the hole if it lies next to it. */
static void leaf_shrink_value(void *block, struct disk_leaf_slot *slot, size_t len)
{
	size_t off = le16_get(slot->val_off), lost = le16_get(slot->val_len) - len;
	size_t heap = leaf_heap(block), frag = leaf_frag(block);

	if (off == heap) {
		slot->val_off = le16_make((uint16_t)(off + lost));
		leaf_set_heap(block, heap + lost, frag);
	} else {
		leaf_set_heap(block, heap, frag + lost);
	}
	slot->val_len = le16_make((uint16_t)len);
}

void leaf_replace(void *block, unsigned int slot, const void *val, size_t len)
{
	struct disk_leaf_slot *s = leaf_slots(block) + slot;
	size_t old = le16_get(s->val_len);

	assert(len <= ITEM_VALUE_MAX);
	assert(leaf_can_replace(block, slot, len));

	if (len > 0 && len <= old) {
		if (len < old)
			leaf_shrink_value(block, s, len);
		memcpy(node_at(block, le16_get(s->val_off)), val, len);
		return;
	}
	leaf_drop_value(block, s);
	s->val_len = le16_make(0);
	if (leaf_hole(block) < len)
		leaf_compact(block);
	leaf_put_value(block, s, val, len);
}

void leaf_delete(void *block, unsigned int slot)
{
	struct disk_leaf_slot *s = leaf_slots(block) + slot;
	size_t nr = node_nr(block);

	assert(node_level(block) == 0);
	assert(slot < nr);
	leaf_drop_value(block, s);
	memmove(s, s + 1, (nr - slot - 1) * sizeof(*s));
	node_set_nr(block, nr - 1);
	if (nr == 1)
		leaf_set_heap(block, BLOCK_SIZE, 0);
}

/* Append copies of the slots from @from on of @src to @dst, which has the room in its hole; returns their value
 * bytes. */
static size_t leaf_append(void *dst, const void *src, size_t from)
{
	const struct disk_leaf_slot *in = leaf_slots_const(src);
	struct disk_leaf_slot *out = leaf_slots(dst) + node_nr(dst);
	size_t nr = node_nr(src), bytes = 0;

	for (size_t i = from; i < nr; i++, out++) {
		size_t len = le16_get(in[i].val_len);

		*out = in[i];
		leaf_put_value(dst, out, node_at_const(src, le16_get(in[i].val_off)), len);
		bytes += len;
	}
	node_set_nr(dst, node_nr(dst) + nr - from);
	return bytes;
}

/*
 * Whether an insert at @slot goes on where the last two inserts ended: then their values are the lowest ones, in
 * order.  One alone says little, items often come in pairs (an inode and its extent).
 */
static bool leaf_insert_ascends(const void *block, size_t slot)
{
	const struct disk_leaf_slot *s = leaf_slots_const(block) + slot;

	return slot >= 2 && le16_get(s[-1].val_off) == leaf_heap(block) &&
	       le16_get(s[-2].val_off) == leaf_heap(block) + le16_get(s[-1].val_len);
}

static size_t leaf_slot_bytes(const void *block, size_t i)
{
	return sizeof(struct disk_leaf_slot) + le16_get(leaf_slots_const(block)[i].val_len);
}

/*
 * The number of slots before the middle of the bytes, the new item at @slot < nr counted in.  Neither side can
 * overflow: it gets at most half of the bytes and two of the largest items.  Neither side is empty: half of the bytes
 * of a leaf without room are more than two of the largest items.
 */
static unsigned int leaf_middle(const void *block, size_t slot, size_t new_bytes)
{
	size_t half = (leaf_used_bytes(block) + new_bytes) / 2;
	size_t nr = node_nr(block), bytes = 0, i;

	for (i = 0; i < nr; i++) {
		bytes += leaf_slot_bytes(block, i) + (i == slot ? new_bytes : 0);
		if (bytes > half)
			break;
	}
	return (unsigned int)i;
}

/* Bytes of the slots from @from on and their values. */
static size_t leaf_bytes_from(const void *block, size_t from)
{
	size_t nr = node_nr(block), bytes = 0;

	for (size_t i = from; i < nr; i++)
		bytes += leaf_slot_bytes(block, i);
	return bytes;
}

static unsigned int leaf_split_point(const void *block, unsigned int slot, size_t new_bytes)
{
	if (slot == node_nr(block))
		return slot;
	if (leaf_insert_ascends(block, slot) && leaf_bytes_from(block, slot) + new_bytes <= LEAF_CAPACITY)
		return slot;
	return leaf_middle(block, slot, new_bytes);
}

unsigned int leaf_split(void *left, void *right, unsigned int slot, size_t len)
{
	unsigned int kept;

	assert(node_level(left) == 0);
	assert(slot <= node_nr(left));
	assert(node_level(right) == 0);
	assert(node_nr(right) == 0);
	assert(len <= ITEM_VALUE_MAX);
	assert(!leaf_has_room(left, len));

	kept = leaf_split_point(left, slot, sizeof(struct disk_leaf_slot) + len);
	leaf_set_heap(left, leaf_heap(left), leaf_frag(left) + leaf_append(right, left, kept));
	node_set_nr(left, kept);
	return kept;
}

bool leaf_can_merge(const void *left, const void *right)
{
	return leaf_used_bytes(left) + leaf_used_bytes(right) <= LEAF_CAPACITY;
}

void leaf_merge(void *left, const void *right)
{
	assert(leaf_can_merge(left, right));
	if (leaf_hole(left) < leaf_used_bytes(right))
		leaf_compact(left);
	leaf_append(left, right, 0);
}

/* Interior blocks */

unsigned int inner_child_slot(const void *block, struct key key)
{
	unsigned __int128 wide = key_wide(key);
	unsigned int below;

	assert(node_level(block) > 0);
	assert(node_nr(block) > 0);
	/* Slots with keys <= key; there is no key above KEY_MAX, and all are <= it. */
	if (wide == key_wide(KEY_MAX))
		return node_nr(block) - 1;
	below = slots_below(node_at_const(block, SLOTS_START), node_nr(block), sizeof(struct disk_node_slot),
			    wide + 1);
	return below ? below - 1 : 0;
}

void inner_child(const void *block, unsigned int i, uint64_t *ret_daddr, uint64_t *ret_epoch)
{
	const struct disk_node_slot *slot = inner_slots_const(block) + i;

	assert(node_level(block) > 0);
	assert(i < node_nr(block));
	*ret_daddr = le64_get(slot->child.daddr);
	*ret_epoch = le64_get(slot->child.epoch);
}

void inner_set_child(void *block, unsigned int i, uint64_t daddr, uint64_t epoch)
{
	struct disk_node_slot *slot = inner_slots(block) + i;

	assert(node_level(block) > 0);
	assert(i < node_nr(block));
	slot->child.daddr = le64_make(daddr);
	slot->child.epoch = le64_make(epoch);
}

void inner_set_key(void *block, unsigned int i, struct key key)
{
	struct disk_node_slot *slot = inner_slots(block) + i;

	assert(node_level(block) > 0);
	assert(i < node_nr(block));
	slot->hi = le64_make(key.hi);
	slot->lo = le64_make(key.lo);
}

bool inner_has_room(const void *block)
{
	return node_nr(block) < INNER_CAPACITY;
}

void inner_insert(void *block, unsigned int slot, struct key key, uint64_t daddr, uint64_t epoch)
{
	struct disk_node_slot *s = inner_slots(block) + slot;
	size_t nr = node_nr(block);

	assert(node_level(block) > 0);
	assert(slot <= nr);
	assert(inner_has_room(block));
	memmove(s + 1, s, (nr - slot) * sizeof(*s));
	node_set_nr(block, nr + 1);
	inner_set_key(block, slot, key);
	inner_set_child(block, slot, daddr, epoch);
}

void inner_delete(void *block, unsigned int slot)
{
	struct disk_node_slot *s = inner_slots(block) + slot;
	size_t nr = node_nr(block);

	assert(node_level(block) > 0);
	assert(slot < nr);
	memmove(s, s + 1, (nr - slot - 1) * sizeof(*s));
	node_set_nr(block, nr - 1);
}

static void inner_append(void *dst, const void *src, size_t from)
{
	size_t nr = node_nr(src), old = node_nr(dst);

	memcpy(inner_slots(dst) + old, inner_slots_const(src) + from, (nr - from) * sizeof(struct disk_node_slot));
	node_set_nr(dst, old + nr - from);
}

unsigned int inner_split(void *left, void *right, unsigned int slot)
{
	unsigned int nr = node_nr(left);
	/* Near the right edge keys most likely go on ascending (new files): leave a nearly full block behind. */
	unsigned int kept = slot >= nr - nr / 8 ? slot : nr / 2;

	assert(node_level(left) > 0);
	assert(!inner_has_room(left));
	assert(slot <= nr);
	assert(node_level(right) == node_level(left));
	assert(node_nr(right) == 0);
	inner_append(right, left, kept);
	node_set_nr(left, kept);
	return kept;
}

bool inner_can_merge(const void *left, const void *right)
{
	return node_nr(left) + node_nr(right) <= INNER_CAPACITY;
}

void inner_merge(void *left, const void *right)
{
	assert(node_level(left) > 0);
	assert(node_level(right) == node_level(left));
	assert(inner_can_merge(left, right));
	inner_append(left, right, 0);
}

void node_seal(void *block, uint64_t daddr, uint64_t epoch)
{
	struct disk_block *head = node_head(block);

	head->daddr = le64_make(daddr);
	head->epoch = le64_make(epoch);
	sum_set(block, BLOCK_SIZE);
}
