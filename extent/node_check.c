/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: whatever bytes a block holds, looking at them is safe, and a block that passes can be given to every
 * function of node.h, and every value in it to every decoder in extent/.
 */

#include "extent/node.h"
#include "extent/sum.h"

/* Each check_ function returns NULL, or what is wrong. */

static const char *check_origin(const struct disk_block *head, const uint8_t *uuid)
{
	if (le32_get(head->magic) != BLOCK_MAGIC)
		return "no tree block: the magic number is wrong";
	if (!sum_is_good(head, BLOCK_SIZE))
		return "the checksum is wrong";
	if (uuid && memcmp(head->volume_uuid, uuid, UUID_LEN) != 0)
		return "a tree block of another volume";
	return NULL;
}

static const char *check_place(const struct disk_block *head, uint64_t daddr, uint64_t epoch, unsigned int level)
{
	if (le64_get(head->daddr) != daddr)
		return "a tree block that belongs at another address";
	if (le64_get(head->epoch) != epoch)
		return "a tree block of another checkpoint";
	if (le16_get(head->level) != level)
		return "the level is not the one that the parent gives";
	return NULL;
}

static const char *check_head(const struct disk_block *head)
{
	size_t max = le16_get(head->level) ? INNER_CAPACITY : LEAF_CAPACITY / sizeof(struct disk_leaf_slot);

	if (le16_get(head->level) > BLOCK_LEVEL_MAX)
		return "the level is too high";
	if (le16_get(head->nr) > max)
		return "more slots than fit";
	if (le64_get(head->daddr) > KEY_LOW_MAX)
		return "its own address is out of range";
	if (le32_get(head->reserved0) != 0 || le64_get(head->reserved1) != 0)
		return "reserved bytes of the header are not zero";
	return NULL;
}

static const char *check_key_order(const void *block)
{
	unsigned int nr = node_nr(block);

	for (unsigned int i = 1; i < nr; i++)
		if (key_cmp(node_key(block, i - 1), node_key(block, i)) >= 0)
			return "the keys do not ascend";
	return NULL;
}

/* Mark bits [off, off + len) of @map; false: some are marked already. */
static bool bits_claim(uint64_t *map, size_t off, size_t len)
{
	while (len > 0) {
		size_t n = min_u64(len, 64 - off % 64);
		uint64_t bits = (n == 64 ? UINT64_MAX : (1ULL << n) - 1) << off % 64;

		if (map[off / 64] & bits)
			return false;
		map[off / 64] |= bits;
		off += n;
		len -= n;
	}
	return true;
}

/* The place of one value; @taken has a bit for each byte of the block. */
static const char *check_value_place(const struct disk_leaf_slot *slot, size_t heap, uint64_t *taken)
{
	size_t off = le16_get(slot->val_off), len = le16_get(slot->val_len);

	if (len > ITEM_VALUE_MAX)
		return "a value is too long";
	if (len == 0)
		return off == 0 ? NULL : "an empty value has a place";
	if (off < heap || off > BLOCK_SIZE - len)
		return "a value lies outside of the heap";
	if (!bits_claim(taken, off, len))
		return "values overlap";
	return NULL;
}

static const char *check_leaf_space(const void *block)
{
	const struct disk_block *head = block;
	const struct disk_leaf_slot *slots = (const void *)(head + 1);
	size_t nr = le16_get(head->nr), heap = le16_get(head->heap), used = 0;
	uint64_t taken[BLOCK_SIZE / 64] = { 0 };

	if (heap > BLOCK_SIZE || heap < sizeof(*head) + nr * sizeof(*slots))
		return "the heap begins inside of the slots or behind the end";
	for (size_t i = 0; i < nr; i++) {
		const char *why = check_value_place(&slots[i], heap, taken);

		if (why)
			return why;
		used += le16_get(slots[i].val_len);
	}
	if (used + le16_get(head->frag) != BLOCK_SIZE - heap)
		return "live and dead values do not add up to the heap";
	return NULL;
}

static const char *check_leaf_items(const void *block)
{
	unsigned int nr = node_nr(block);

	for (unsigned int i = 0; i < nr; i++) {
		struct item item;

		leaf_item(block, i, &item);
		if (!item_is_valid(item.key, item.val, item.len))
			return "an item has a key or value that its type cannot have";
	}
	return NULL;
}

static const char *check_leaf(const void *block)
{
	const char *why = check_leaf_space(block);

	if (!why)
		why = check_key_order(block);
	if (!why)
		why = check_leaf_items(block);
	return why;
}

static const char *check_inner(const void *block)
{
	const struct disk_block *head = block;
	unsigned int nr = le16_get(head->nr);

	if (nr == 0)
		return "an interior block without children";
	if (le16_get(head->heap) != 0 || le16_get(head->frag) != 0)
		return "an interior block with values";
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t daddr, epoch;

		inner_child(block, i, &daddr, &epoch);
		if (daddr > KEY_LOW_MAX || daddr_dev(daddr) >= VOLUME_DEVICES_MAX)
			return "a child's address is out of range";
		/* A block is rewritten whenever a child moves. */
		if (epoch == 0 || epoch > le64_get(head->epoch))
			return "a child is younger than its parent, or of no checkpoint";
	}
	return check_key_order(block);
}

static const char *check_contents(const void *block)
{
	const char *why = check_head(block);

	if (why)
		return why;
	return node_level(block) ? check_inner(block) : check_leaf(block);
}

static int node_verdict(const char *why, const char **ret_why)
{
	if (!why)
		return 0;
	if (ret_why)
		*ret_why = why;
	return -EUCLEAN;
}

int node_check(const void *block, uint64_t daddr, uint64_t epoch, const uint8_t uuid[UUID_LEN], unsigned int level,
	       const char **ret_why)
{
	const char *why = check_origin(block, uuid);

	if (!why)
		why = check_place(block, daddr, epoch, level);
	if (!why)
		why = check_contents(block);
	return node_verdict(why, ret_why);
}

int node_check_alone(const void *block, const uint8_t *uuid, const char **ret_why)
{
	const char *why = check_origin(block, uuid);

	if (!why)
		why = check_contents(block);
	return node_verdict(why, ret_why);
}
