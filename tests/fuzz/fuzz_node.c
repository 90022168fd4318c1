/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A tree block that may hold anything: node_check() must survive it, and what it accepts must survive use.  The input
 * is two bytes N, N bytes for the start of the block, and the rest for its end; the checksum is made good.
 */

#include <stdlib.h>

#include "extent/node.h"
#include "extent/sum.h"
#include "tests/lib/fuzz.h"

static const uint8_t uuid[UUID_LEN] = "fuzz";

/* Block to input. */
static void seed(const char *name, void *block)
{
	static uint8_t buf[2 + BLOCK_SIZE];
	size_t head = sizeof(struct disk_block), tail;
	struct le16 len;

	node_seal(block, 4, 7);
	head += node_nr(block) * (node_level(block) ? sizeof(struct disk_node_slot) : sizeof(struct disk_leaf_slot));
	tail = node_level(block) ? BLOCK_SIZE : le16_get(((struct disk_block *)block)->heap);
	len = le16_make((uint16_t)head);
	memcpy(buf, &len, 2);
	memcpy(buf + 2, block, head);
	memcpy(buf + 2 + head, (uint8_t *)block + tail, BLOCK_SIZE - tail);
	fuzz_seed_write(name, buf, 2 + head + BLOCK_SIZE - tail);
}

static void put(void *block, struct key key, const void *val, size_t len)
{
	unsigned int slot;

	if (!leaf_find(block, key, &slot))
		leaf_insert(block, slot, key, val, len);
}

static void seeds(void)
{
	struct disk_free run = { le64_make(8) };
	struct disk_extent extent = { .daddr = le64_make(1000), .len = le32_make(16), .state = EXTENT_WRITTEN };
	struct disk_inode inode = { .mode = le32_make(0100644), .trim_from = le64_make(UINT64_MAX) };
	void *block = malloc(BLOCK_SIZE);

	fuzz_require(block);
	node_init(block, 0, uuid);
	seed("empty", block);
	put(block, key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 100), &run, sizeof(run));
	put(block, key_make(ZONE_FREE, 3, ITEM_FREE_SIZE, 100), NULL, 0);
	put(block, key_make(ZONE_FILE, 12, ITEM_INODE, 0), &inode, sizeof(inode));
	put(block, key_make(ZONE_FILE, 12, ITEM_SYMLINK, 0), "target", 6);
	put(block, key_make(ZONE_FILE, 13, ITEM_EXTENT, 0), &extent, sizeof(extent));
	put(block, key_make(ZONE_FILE, 13, ITEM_EXTENT, 16), &extent, sizeof(extent));
	seed("leaf", block);
	leaf_delete(block, 2);
	seed("leaf-frag", block);
	node_init(block, 1, uuid);
	for (unsigned int i = 0; i < 5; i++)
		inner_insert(block, i, i ? key_make(ZONE_FILE, i, 0, 0) : KEY_MIN, 100 * i, 7);
	seed("inner", block);
	free(block);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (fuzz_seed_dir()) {
		seeds();
		exit(0);
	}
	return 0;
}

static void use_leaf(void *block, void *right)
{
	for (unsigned int i = 0; i < node_nr(block); i++) {
		struct item item;
		unsigned int slot;

		leaf_item(block, i, &item);
		fuzz_require(leaf_find(block, item.key, &slot) && slot == i);
	}
	if (node_nr(block) > 1)
		leaf_delete(block, node_nr(block) / 2);
	for (size_t len = 0; leaf_has_room(block, len); len = (len * 7 + 13) % ITEM_VALUE_MAX)
		leaf_insert(block, node_nr(block) / 2, KEY_MAX, right, len);
	for (unsigned int i = 0; i < node_nr(block); i += 3)
		if (leaf_can_replace(block, i, 100))
			leaf_replace(block, i, right, 100);
	if (leaf_has_room(block, ITEM_VALUE_MAX))
		return;
	leaf_split(block, right, node_nr(block) / 3, ITEM_VALUE_MAX);
	fuzz_require(leaf_free_bytes(block) + leaf_used_bytes(block) == LEAF_CAPACITY);
	if (leaf_can_merge(block, right))
		leaf_merge(block, right);
}

static void use_inner(void *block, void *right)
{
	for (unsigned int i = 0; i < node_nr(block); i++)
		fuzz_require(inner_child_slot(block, node_key(block, i)) == i);
	while (inner_has_room(block))
		inner_insert(block, node_nr(block) / 2, KEY_MAX, 1, 1);
	inner_split(block, right, 1);
	inner_merge(block, right);
	inner_delete(block, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint8_t *block = calloc(1, BLOCK_SIZE), *right = malloc(BLOCK_SIZE);
	size_t head = fuzz_u16(&in);

	fuzz_require(block && right);
	if (head > BLOCK_SIZE)
		head = BLOCK_SIZE;
	head = fuzz_bytes(&in, block, head);
	if (in.size <= BLOCK_SIZE - head)
		fuzz_bytes(&in, block + BLOCK_SIZE - in.size, in.size);
	sum_set(block, BLOCK_SIZE);
	if (!node_check_alone(block, NULL, NULL)) {
		node_init(right, node_level(block), uuid);
		if (node_level(block))
			use_inner(block, right);
		else
			use_leaf(block, right);
	}
	free(right);
	free(block);
	return 0;
}
