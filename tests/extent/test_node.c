/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Leaves and interior blocks against plain sorted arrays, through a million random operations; the rules of splits;
 * and what node_check() says of damaged blocks.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/node.h"
#include "extent/sum.h"
#include "tests/lib/dice.h"

#define MODEL_MAX 1024u
#define DADDR	  77u
#define EPOCH	  9u

static const uint8_t uuid[UUID_LEN] = "volume of tests";

static struct dice dice;

struct model_item {
	struct key key;
	size_t len;
	uint8_t val[ITEM_VALUE_MAX];
};

struct model {
	unsigned int nr;
	struct model_item *items[MODEL_MAX];
};

static void *block_new(unsigned int level)
{
	void *block = malloc(BLOCK_SIZE); /* not on the stack: the sanitizer sees its ends */

	assert_non_null(block);
	node_init(block, level, uuid);
	return block;
}

static void assert_checks(void *block)
{
	const char *why = NULL;
	int err;

	node_seal(block, DADDR, EPOCH);
	err = node_check(block, DADDR, EPOCH, uuid, node_level(block), &why);
	if (err)
		fail_msg("%s", why);
}

static void assert_refused(const void *block, const char *what)
{
	const char *why = NULL;

	assert_int_equal(node_check(block, DADDR, EPOCH, uuid, node_level(block), &why), -EUCLEAN);
	assert_non_null(why);
	if (!strstr(why, what))
		fail_msg("\"%s\" does not say \"%s\"", why, what);
}

static struct key state_key(uint64_t x)
{
	return key_make(ZONE_STATE, x >> 8, 1, x & 0xff);
}

/* The model */

static unsigned int model_lower_bound(const struct model *m, struct key key)
{
	unsigned int i = 0;

	while (i < m->nr && key_cmp(m->items[i]->key, key) < 0)
		i++;
	return i;
}

static void model_insert(struct model *m, unsigned int i, struct model_item *it)
{
	assert_true(m->nr < MODEL_MAX);
	memmove(&m->items[i + 1], &m->items[i], (m->nr - i) * sizeof(m->items[0]));
	m->items[i] = it;
	m->nr++;
}

static void model_remove(struct model *m, unsigned int i)
{
	free(m->items[i]);
	m->nr--;
	memmove(&m->items[i], &m->items[i + 1], (m->nr - i) * sizeof(m->items[0]));
}

static void model_clear(struct model *m)
{
	while (m->nr)
		model_remove(m, m->nr - 1);
}

static size_t model_bytes(const struct model *m)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < m->nr; i++)
		bytes += sizeof(struct disk_leaf_slot) + m->items[i]->len;
	return bytes;
}

static void assert_same(void *block, const struct model *m)
{
	assert_int_equal(node_nr(block), m->nr);
	assert_int_equal(leaf_used_bytes(block), model_bytes(m));
	assert_int_equal(leaf_free_bytes(block) + leaf_used_bytes(block), LEAF_CAPACITY);
	for (unsigned int i = 0; i < m->nr; i++) {
		struct item item;

		leaf_item(block, i, &item);
		assert_int_equal(key_cmp(item.key, m->items[i]->key), 0);
		assert_int_equal(key_cmp(node_key(block, i), item.key), 0);
		assert_int_equal(item.len, m->items[i]->len);
		assert_memory_equal(item.val, m->items[i]->val, item.len);
	}
	assert_checks(block);
}

/* Random operations */

static size_t random_len(void)
{
	switch (dice_below(&dice, 16)) {
	case 0:
		return 0;
	case 1:
		return ITEM_VALUE_MAX - dice_below(&dice, 2);
	case 2:
		return dice_below(&dice, ITEM_VALUE_MAX + 1);
	default:
		return dice_below(&dice, 80);
	}
}

static struct model_item *random_value(struct model_item *it)
{
	it->len = random_len();
	dice_fill(&dice, it->val, it->len);
	return it;
}

/* Move what the split moved, then put @it where the rule says; go on with one of the halves. */
static void step_split(void **block, struct model *m, unsigned int slot, struct model_item *it)
{
	void *left = *block, *right = block_new(0);
	unsigned int kept = leaf_split(left, right, slot, it->len);
	struct model upper = { .nr = m->nr - kept };
	bool to_left = slot < kept || (slot == kept && dice_below(&dice, 2) && leaf_has_room(left, it->len));

	assert_in_range(kept, 1, m->nr);
	memcpy(upper.items, m->items + kept, upper.nr * sizeof(m->items[0]));
	m->nr = kept;
	assert_same(left, m);
	assert_same(right, &upper);
	leaf_insert(to_left ? left : right, to_left ? slot : slot - kept, it->key, it->val, it->len);
	model_insert(to_left ? m : &upper, to_left ? slot : slot - kept, it);
	assert_same(left, m);
	assert_same(right, &upper);
	if (leaf_can_merge(left, right)) {
		leaf_merge(left, right);
		for (unsigned int i = 0; i < upper.nr; i++)
			m->items[m->nr++] = upper.items[i];
		assert_same(left, m);
	} else if (dice_below(&dice, 2)) {
		struct model lower = *m;

		*block = right;
		*m = upper;
		right = left;
		model_clear(&lower);
	} else {
		model_clear(&upper);
	}
	free(right);
}

static void step_insert(void **block, struct model *m, struct key key, unsigned int slot)
{
	struct model_item *it = malloc(sizeof(*it));

	assert_non_null(it);
	it->key = key;
	random_value(it);
	if (!leaf_has_room(*block, it->len)) {
		step_split(block, m, slot, it);
		return;
	}
	leaf_insert(*block, slot, key, it->val, it->len);
	model_insert(m, slot, it);
}

static void step_replace(void *block, struct model *m, unsigned int slot)
{
	static struct model_item now;

	random_value(&now);
	assert_int_equal(leaf_can_replace(block, slot, now.len),
			 model_bytes(m) - m->items[slot]->len + now.len <= LEAF_CAPACITY);
	if (!leaf_can_replace(block, slot, now.len))
		return;
	leaf_replace(block, slot, now.val, now.len);
	m->items[slot]->len = now.len;
	memcpy(m->items[slot]->val, now.val, now.len);
}

static void step(void **block, struct model *m, bool growing)
{
	struct key key = state_key(dice_below(&dice, 4 * MODEL_MAX));
	unsigned int slot, expect = model_lower_bound(m, key);
	bool there = expect < m->nr && key_cmp(m->items[expect]->key, key) == 0;

	assert_int_equal(leaf_find(*block, key, &slot), there);
	assert_int_equal(slot, expect);
	assert_int_equal(node_lower_bound(*block, key), expect);
	if (!there && (growing || dice_below(&dice, 4) == 0))
		step_insert(block, m, key, slot);
	else if (there && dice_below(&dice, 2))
		step_replace(*block, m, slot);
	else if (m->nr && (!growing || dice_below(&dice, 4) == 0)) {
		slot = (unsigned int)dice_below(&dice, m->nr);
		leaf_delete(*block, slot);
		model_remove(m, slot);
	}
}

static void test_leaf_model(void **state)
{
	static struct model m;
	void *block = block_new(0);
	unsigned int phase = 0;

	for (unsigned int i = 0; i < 1000000; i++) {
		if (dice_below(&dice, 500) == 0)
			phase = (unsigned int)dice_below(&dice, 3);
		step(&block, &m, phase > 0);
		if (i % 64 == 0)
			assert_same(block, &m);
	}
	assert_same(block, &m);
	model_clear(&m);
	free(block);
}

static void test_inner_model(void **state)
{
	void *block = block_new(3);
	uint64_t model[INNER_CAPACITY]; /* keys; the child follows from the key */
	unsigned int nr = 0;

	for (unsigned int i = 0; i < 200000; i++) {
		uint64_t x = dice_below(&dice, 3000);
		unsigned int slot = 0;

		while (slot < nr && model[slot] < x)
			slot++;
		assert_int_equal(node_lower_bound(block, state_key(x)), slot);
		if (nr) {
			unsigned int expect = slot < nr && model[slot] == x ? slot : slot ? slot - 1 : 0;

			assert_int_equal(inner_child_slot(block, state_key(x)), expect);
			assert_int_equal(inner_child_slot(block, KEY_MAX), nr - 1);
			assert_int_equal(inner_child_slot(block, KEY_MIN), 0);
		}
		if (slot < nr && model[slot] == x) {
			inner_delete(block, slot);
			memmove(&model[slot], &model[slot + 1], (--nr - slot) * sizeof(model[0]));
		} else if (inner_has_room(block)) {
			inner_insert(block, slot, state_key(x), x + 1, EPOCH);
			memmove(&model[slot + 1], &model[slot], (nr++ - slot) * sizeof(model[0]));
			model[slot] = x;
		} else {
			nr /= 2;
			for (unsigned int j = node_nr(block); j-- > nr;)
				inner_delete(block, j);
		}
		if (i % 256 || nr == 0)
			continue;
		for (unsigned int j = 0; j < nr; j++) {
			uint64_t daddr, epoch;

			inner_child(block, j, &daddr, &epoch);
			assert_int_equal(key_cmp(node_key(block, j), state_key(model[j])), 0);
			assert_int_equal(daddr, model[j] + 1);
			assert_int_equal(epoch, EPOCH);
		}
		assert_checks(block);
	}
	free(block);
}

/* Inserts at the right edge, and in the middle, leave full blocks: how full is what ascending inserts leave. */
static double fill_of_ascending(bool middle)
{
	void *block = block_new(0);
	size_t used = 0, nr = 0;
	uint8_t val[30] = { 0 };

	if (middle)
		for (unsigned int i = 0; i < 5; i++)
			leaf_insert(block, i, key_make(ZONE_STATE, 1000000 + i, 1, 0), val, sizeof(val));
	for (uint64_t i = 0; i < 20000; i++) {
		struct key key = key_make(ZONE_STATE, i, 1, 0);
		unsigned int slot, kept;
		void *right;

		assert_false(leaf_find(block, key, &slot));
		if (leaf_has_room(block, sizeof(val))) {
			leaf_insert(block, slot, key, val, sizeof(val));
			continue;
		}
		right = block_new(0);
		kept = leaf_split(block, right, slot, sizeof(val));
		if (slot < kept || (slot == kept && leaf_has_room(block, sizeof(val)))) {
			leaf_insert(block, slot, key, val, sizeof(val));
			free(right);
			continue;
		}
		leaf_insert(right, slot - kept, key, val, sizeof(val));
		used += leaf_used_bytes(block);
		nr++;
		free(block);
		block = right;
	}
	free(block);
	assert_true(nr > 10);
	return (double)used / (double)(nr * LEAF_CAPACITY);
}

static void test_ascending_fills(void **state)
{
	assert_true(fill_of_ascending(false) > 0.99);
	assert_true(fill_of_ascending(true) > 0.99);
}

static void test_split_halves(void **state)
{
	void *left = block_new(0), *right = block_new(0);
	uint8_t val[100] = { 0 };
	unsigned int nr = 0;

	/* Descending inserts: nothing ascends. */
	for (uint64_t i = 1000; leaf_has_room(left, sizeof(val)); i--, nr++)
		leaf_insert(left, 0, state_key(i), val, sizeof(val));
	assert_in_range(leaf_split(left, right, nr / 3, sizeof(val)), nr / 2 - 2, nr / 2 + 2);
	assert_checks(left);
	assert_checks(right);
	assert_true(leaf_can_merge(left, right));
	leaf_merge(left, right);
	assert_int_equal(node_nr(left), nr);
	assert_checks(left);
	free(left);
	free(right);
}

static void test_inner_split(void **state)
{
	void *left = block_new(1), *right = block_new(1);
	uint64_t daddr, epoch;

	for (unsigned int i = 0; i < INNER_CAPACITY; i++) {
		assert_true(inner_has_room(left));
		inner_insert(left, i, state_key(i), i, 1);
	}
	assert_false(inner_has_room(left));
	assert_checks(left);
	assert_int_equal(inner_split(left, right, INNER_CAPACITY), INNER_CAPACITY);
	assert_int_equal(node_nr(right), 0);
	assert_int_equal(inner_split(left, right, INNER_CAPACITY - 20), INNER_CAPACITY - 20);
	inner_merge(left, right);
	node_init(right, 1, uuid);
	assert_int_equal(inner_split(left, right, 7), INNER_CAPACITY / 2);
	assert_int_equal(node_nr(right), INNER_CAPACITY - INNER_CAPACITY / 2);
	inner_child(right, 0, &daddr, &epoch);
	assert_int_equal(daddr, INNER_CAPACITY / 2);
	assert_checks(left);
	assert_checks(right);
	assert_true(inner_can_merge(left, right));
	inner_set_key(right, 0, state_key(INNER_CAPACITY / 2));
	inner_set_child(right, 0, 12345, 2);
	inner_merge(left, right);
	assert_checks(left);
	assert_int_equal(node_nr(left), INNER_CAPACITY);
	inner_child(left, INNER_CAPACITY / 2, &daddr, &epoch);
	assert_int_equal(daddr, 12345);
	assert_int_equal(epoch, 2);
	inner_insert(right, 0, KEY_MIN, 1, 1);
	assert_false(inner_can_merge(left, right));
	free(left);
	free(right);
}

/* node_check */

static void put(void *block, struct key key, const void *val, size_t len)
{
	unsigned int slot;

	assert_true(item_is_valid(key, val, len));
	assert_false(leaf_find(block, key, &slot));
	leaf_insert(block, slot, key, val, len);
}

/* A leaf with an item of every type, and a dead value. */
static void *rich_leaf(void)
{
	struct disk_free run = { le64_make(8) };
	struct disk_shared shared = { le64_make(8), le32_make(2) };
	struct disk_extent extent = { .daddr = le64_make(1000), .len = le32_make(16), .state = EXTENT_WRITTEN };
	struct disk_inode inode = { .mode = le32_make(0100644), .trim_from = le64_make(UINT64_MAX) };
	struct {
		struct disk_dirent head;
		char name[3];
	} dirent = { { .ino = le64_make(12), .type = 8, .name_len = 3 }, "abc" };
	void *block = block_new(0);

	put(block, key_make(ZONE_VOLUME, 0, ITEM_CHUNK, 3), &(struct disk_chunk_item){ le64_make(64) }, 8);
	put(block, key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 100), &run, sizeof(run));
	put(block, key_make(ZONE_FREE, 3, ITEM_FREE_SIZE, 100), NULL, 0);
	put(block, key_make(ZONE_LIMBO, 5, ITEM_LIMBO, 200), &run, sizeof(run));
	put(block, key_make(ZONE_SHARED, 0, ITEM_SHARED, 300), &shared, sizeof(shared));
	put(block, key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, 9), NULL, 0);
	put(block, key_make(ZONE_FILE, 12, ITEM_INODE, 0), &inode, sizeof(inode));
	put(block, key_make(ZONE_FILE, 12, ITEM_SYMLINK, 0), "target", 6);
	put(block, key_make(ZONE_FILE, 12, ITEM_XATTR, 0x10001), "0123456789", 10);
	put(block, key_make(ZONE_FILE, 12, ITEM_DIRENT, 0x4200), &dirent, sizeof(dirent));
	put(block, key_make(ZONE_FILE, 12, ITEM_EXTENT, 0), &extent, sizeof(extent));
	put(block, key_make(ZONE_FILE, 12, ITEM_EXTENT, 16), &extent, sizeof(extent));
	put(block, key_make(ZONE_FILE, 12, ITEM_COW, 16), &extent, sizeof(extent));
	for (uint64_t i = 0; i < 40; i++)
		put(block, key_make(ZONE_STATE, 1, 2, i), "the state of the server", 23);
	leaf_delete(block, 10);
	assert_checks(block);
	return block;
}

static void *rich_inner(void)
{
	void *block = block_new(2);

	for (unsigned int i = 0; i < 40; i++)
		inner_insert(block, i, i ? state_key(i) : KEY_MIN, 1000 + i, EPOCH);
	assert_checks(block);
	return block;
}

static void test_check_origin(void **state)
{
	uint8_t other[UUID_LEN] = "another volume";
	void *block = rich_leaf();
	const char *why;

	assert_int_equal(node_check_alone(block, NULL, NULL), 0);
	assert_int_equal(node_check_alone(block, uuid, NULL), 0);
	assert_int_equal(node_check_alone(block, other, &why), -EUCLEAN);
	assert_int_equal(node_check(block, DADDR, EPOCH, other, 0, &why), -EUCLEAN);
	assert_non_null(strstr(why, "another volume"));
	assert_int_equal(node_check(block, DADDR + 1, EPOCH, uuid, 0, &why), -EUCLEAN);
	assert_non_null(strstr(why, "another address"));
	assert_int_equal(node_check(block, DADDR, EPOCH + 1, uuid, 0, &why), -EUCLEAN);
	assert_non_null(strstr(why, "another checkpoint"));
	assert_int_equal(node_check(block, DADDR, EPOCH, uuid, 1, &why), -EUCLEAN);
	assert_non_null(strstr(why, "level"));
	((uint8_t *)block)[9000] ^= 4;
	assert_refused(block, "checksum");
	memset(block, 0, BLOCK_SIZE);
	assert_refused(block, "magic");
	free(block);
}

/* One damage each, under a good checksum. */
static void test_check_leaf_structure(void **state)
{
	static const struct {
		size_t off;
		uint16_t val;
		const char *why;
	} cases[] = {
		{ offsetof(struct disk_block, nr), 60000, "slots" },
		{ offsetof(struct disk_block, nr), 51, "add up" },
		{ offsetof(struct disk_block, heap), 16385, "heap" },
		{ offsetof(struct disk_block, heap), 64, "heap" },
		{ offsetof(struct disk_block, heap), BLOCK_SIZE, "outside" },
		{ offsetof(struct disk_block, frag), 999, "add up" },
		{ offsetof(struct disk_block, reserved0), 1, "reserved" },
		{ sizeof(struct disk_block) + offsetof(struct disk_leaf_slot, val_off), BLOCK_SIZE - 4, "outside" },
		{ sizeof(struct disk_block) + offsetof(struct disk_leaf_slot, val_off), BLOCK_SIZE - 9, "overlap" },
		{ sizeof(struct disk_block) + offsetof(struct disk_leaf_slot, val_len), 7, "add up" },
		{ sizeof(struct disk_block) + offsetof(struct disk_leaf_slot, val_len), ITEM_VALUE_MAX + 1,
		  "too long" },
		{ sizeof(struct disk_block) + 2 * sizeof(struct disk_leaf_slot) +
			  offsetof(struct disk_leaf_slot, val_off),
		  BLOCK_SIZE - 1, "empty value" }, /* the third item has none */
		{ sizeof(struct disk_block) + offsetof(struct disk_leaf_slot, lo), 5000, "type" },
		{ sizeof(struct disk_block) + offsetof(struct disk_leaf_slot, hi) + 6, 0xffff, "ascend" },
	};
	void *block = rich_leaf(), *copy = malloc(BLOCK_SIZE);

	assert_non_null(copy);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(copy, block, BLOCK_SIZE);
		*(struct le16 *)((uint8_t *)copy + cases[i].off) = le16_make(cases[i].val);
		sum_set(copy, BLOCK_SIZE);
		assert_refused(copy, cases[i].why);
	}
	free(copy);
	free(block);
}

static void test_check_inner_structure(void **state)
{
	void *block = rich_inner();

	inner_set_child(block, 3, KEY_LOW_MAX + 1, 1);
	sum_set(block, BLOCK_SIZE);
	assert_refused(block, "address");
	inner_set_child(block, 3, daddr_make(VOLUME_DEVICES_MAX, 1), 1);
	sum_set(block, BLOCK_SIZE);
	assert_refused(block, "address");
	inner_set_child(block, 3, 1, EPOCH + 1);
	sum_set(block, BLOCK_SIZE);
	assert_refused(block, "younger");
	inner_set_child(block, 3, 1, 0);
	sum_set(block, BLOCK_SIZE);
	assert_refused(block, "no checkpoint");
	inner_set_child(block, 3, 1, 1);
	inner_set_key(block, 3, node_key(block, 2));
	sum_set(block, BLOCK_SIZE);
	assert_refused(block, "ascend");
	while (node_nr(block))
		inner_delete(block, 0);
	sum_set(block, BLOCK_SIZE);
	assert_refused(block, "without children");
	free(block);
}

/* Everything that node.h can do with a leaf; the sanitizer watches. */
static void use_leaf(void *block)
{
	void *right = block_new(0);
	struct item item;
	unsigned int slot;

	for (unsigned int i = 0; i < node_nr(block); i++) {
		leaf_item(block, i, &item);
		(void)!leaf_find(block, item.key, &slot);
		assert_int_equal(slot, i);
	}
	if (node_nr(block) > 2)
		leaf_delete(block, 1);
	while (leaf_has_room(block, 200))
		leaf_insert(block, node_nr(block) / 2, KEY_MAX, right, 200);
	leaf_split(block, right, node_nr(block) / 3, 200);
	if (leaf_can_merge(right, block))
		leaf_merge(right, block);
	free(right);
}

static void use_inner(void *block)
{
	void *right = block_new(node_level(block));

	(void)!inner_child_slot(block, state_key(3));
	while (inner_has_room(block))
		inner_insert(block, node_nr(block) / 2, KEY_MAX, 1, 1);
	inner_split(block, right, 1);
	inner_merge(right, block);
	free(right);
}

/* Any byte may have any value: node_check() never crashes, and what it accepts works. */
static unsigned int mutate_all(void *block)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };
	void *copy = malloc(BLOCK_SIZE);
	unsigned int accepted = 0;

	assert_non_null(copy);
	for (size_t off = 8; off < BLOCK_SIZE; off++) {
		for (size_t i = 0; i < ARRAY_SIZE(flips); i++) {
			memcpy(copy, block, BLOCK_SIZE);
			((uint8_t *)copy)[off] ^= flips[i];
			sum_set(copy, BLOCK_SIZE);
			if (node_check_alone(copy, NULL, NULL))
				continue;
			accepted++;
			if (off % 16)
				continue;
			if (node_level(copy))
				use_inner(copy);
			else
				use_leaf(copy);
		}
	}
	free(copy);
	return accepted;
}

static void test_mutations(void **state)
{
	void *leaf = rich_leaf(), *inner = rich_inner();

	/* The hole, and bytes of the server's values, may be anything: so there is something to use. */
	assert_true(mutate_all(leaf) > 1000);
	assert_true(mutate_all(inner) > 1000);
	free(leaf);
	free(inner);
}

static void test_noise(void **state)
{
	void *block = malloc(BLOCK_SIZE), *clean = rich_leaf();

	assert_non_null(block);
	for (unsigned int i = 0; i < 20000; i++) {
		memcpy(block, clean, BLOCK_SIZE);
		for (unsigned int j = (unsigned int)dice_below(&dice, 8); j < 8; j++)
			((uint8_t *)block)[8 + dice_below(&dice, 1500)] = (uint8_t)dice_roll(&dice);
		sum_set(block, BLOCK_SIZE);
		if (!node_check_alone(block, NULL, NULL) && node_level(block) == 0)
			use_leaf(block);
	}
	free(clean);
	free(block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaf_model),
		cmocka_unit_test(test_inner_model),
		cmocka_unit_test(test_ascending_fills),
		cmocka_unit_test(test_split_halves),
		cmocka_unit_test(test_inner_split),
		cmocka_unit_test(test_check_origin),
		cmocka_unit_test(test_check_leaf_structure),
		cmocka_unit_test(test_check_inner_structure),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_noise),
	};

	dice = dice_seed(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
