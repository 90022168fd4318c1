/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises: a block handed out is in no checkpoint that a crash could bring back; the image of a checkpoint's bitmap
 * shows exactly the blocks of that checkpoint's tree; freeze changes nothing if it fails.
 */

#include "extent/chunk.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "extent/sum.h"

#define WORD_BITS 64

static bool bit_test(const uint64_t *map, uint32_t i)
{
	return map[i / WORD_BITS] >> (i % WORD_BITS) & 1;
}

static void bit_set(uint64_t *map, uint32_t i)
{
	map[i / WORD_BITS] |= 1ULL << (i % WORD_BITS);
}

static void bit_clear(uint64_t *map, uint32_t i)
{
	map[i / WORD_BITS] &= ~(1ULL << (i % WORD_BITS));
}

static uint32_t words_of(uint32_t bits)
{
	return (bits + WORD_BITS - 1) / WORD_BITS;
}

uint32_t chunk_tree_blocks(uint64_t chunk_blocks)
{
	uint64_t nr = (chunk_blocks - CHUNK_HEADER_DADDRS) / BLOCK_DADDRS;

	return (uint32_t)min_u64(nr, CHUNK_TREE_BLOCKS_MAX);
}

int chunks_init(struct chunks *cs, const uint8_t uuid[UUID_LEN], uint64_t chunk_blocks, unsigned int nr_devs,
		const uint64_t *dev_end)
{
	assert(is_power_of_2_u64(chunk_blocks));
	assert(nr_devs <= VOLUME_DEVICES_MAX);
	memset(cs, 0, sizeof(*cs));
	memcpy(cs->uuid, uuid, UUID_LEN);
	cs->chunk_blocks = chunk_blocks;
	cs->chunk_shift = (unsigned int)__builtin_ctzll(chunk_blocks);
	for (unsigned int i = 0; i < nr_devs; i++) {
		int err = chunks_add_device(cs, i, dev_end[i]);

		if (err) {
			chunks_release(cs);
			return err;
		}
	}
	return 0;
}

int chunks_add_device(struct chunks *cs, unsigned int dev, uint64_t dev_end)
{
	uint64_t places = dev_end >> cs->chunk_shift;
	uint16_t *by_place = calloc(places + 1, sizeof(*by_place));

	assert(dev < VOLUME_DEVICES_MAX);
	if (!by_place)
		return -ENOMEM;
	free(cs->by_place[dev]);
	cs->by_place[dev] = by_place;
	cs->places[dev] = places;
	return 0;
}

static void chunk_destroy(struct chunk *c)
{
	if (!c)
		return;
	free(c->used);
	free(c->busy);
	free(c->gone);
	free(c->freeing);
	free(c->cached);
	free(c->image);
	free(c);
}

void chunks_release(struct chunks *cs)
{
	for (uint32_t i = 0; i < cs->nr; i++)
		chunk_destroy(cs->chunk[i]);
	for (unsigned int i = 0; i < VOLUME_DEVICES_MAX; i++)
		free(cs->by_place[i]);
	memset(cs, 0, sizeof(*cs));
}

static struct chunk *chunk_create(uint64_t daddr, uint32_t index, uint32_t nr_blocks)
{
	uint32_t words = words_of(nr_blocks);
	struct chunk *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->daddr = daddr;
	c->index = index;
	c->nr_blocks = nr_blocks;
	c->used = calloc(words, sizeof(*c->used));
	c->busy = calloc(words, sizeof(*c->busy));
	c->gone = calloc(words, sizeof(*c->gone));
	c->freeing = calloc(words, sizeof(*c->freeing));
	c->cached = calloc(nr_blocks, sizeof(*c->cached));
	if (!c->used || !c->busy || !c->gone || !c->freeing || !c->cached) {
		chunk_destroy(c);
		return NULL;
	}
	/* The bits behind the last block are never free. */
	for (uint32_t i = nr_blocks; i < words * WORD_BITS; i++)
		bit_set(c->busy, i);
	return c;
}

int chunk_add(struct chunks *cs, uint64_t daddr)
{
	unsigned int dev = daddr_dev(daddr);
	uint64_t place = daddr_block(daddr) >> cs->chunk_shift;
	struct chunk *c;

	if (cs->nr == VOLUME_CHUNKS_MAX)
		return -ENOSPC;
	if (daddr > KEY_LOW_MAX || dev >= VOLUME_DEVICES_MAX ||
	    !is_aligned_u64(daddr_block(daddr), cs->chunk_blocks) || place >= cs->places[dev] ||
	    cs->by_place[dev][place])
		return -EUCLEAN;
	c = chunk_create(daddr, cs->nr, chunk_tree_blocks(cs->chunk_blocks));
	if (!c)
		return -ENOMEM;
	c->changed = true;
	cs->chunk[cs->nr++] = c;
	cs->by_place[dev][place] = (uint16_t)cs->nr;
	cs->total += c->nr_blocks;
	cs->free += c->nr_blocks;
	return 0;
}

/* The chunk and number of tree block @daddr; NULL if it is none. */
static struct chunk *chunk_of(const struct chunks *cs, uint64_t daddr, uint32_t *ret_bit)
{
	unsigned int dev = daddr_dev(daddr);
	uint64_t block = daddr_block(daddr), place = block >> cs->chunk_shift, in;
	struct chunk *c;

	if (daddr > KEY_LOW_MAX || dev >= VOLUME_DEVICES_MAX || place >= cs->places[dev] || !cs->by_place[dev][place])
		return NULL;
	c = cs->chunk[cs->by_place[dev][place] - 1];
	in = block & (cs->chunk_blocks - 1);
	if (in < CHUNK_HEADER_DADDRS || (in - CHUNK_HEADER_DADDRS) % BLOCK_DADDRS != 0)
		return NULL;
	in = (in - CHUNK_HEADER_DADDRS) / BLOCK_DADDRS;
	if (in >= c->nr_blocks)
		return NULL;
	*ret_bit = (uint32_t)in;
	return c;
}

struct block **chunk_cached(struct chunks *cs, uint64_t daddr)
{
	uint32_t bit;
	struct chunk *c = chunk_of(cs, daddr, &bit);

	return c ? &c->cached[bit] : NULL;
}

bool chunk_block_is_used(const struct chunks *cs, uint64_t daddr)
{
	uint32_t bit;
	const struct chunk *c = chunk_of(cs, daddr, &bit);

	return c && bit_test(c->used, bit);
}

/* The first bit of @c from @from on that is not busy; false if there is none. */
static bool chunk_find(const struct chunk *c, uint32_t from, uint32_t *ret_bit)
{
	uint32_t words = words_of(c->nr_blocks), w = from / WORD_BITS;
	uint64_t hole;

	if (c->nr_busy == c->nr_blocks || w >= words)
		return false;
	hole = ~c->busy[w] & ~0ULL << (from % WORD_BITS);
	while (!hole) {
		if (++w == words)
			return false;
		hole = ~c->busy[w];
	}
	*ret_bit = w * WORD_BITS + (uint32_t)__builtin_ctzll(hole);
	return true;
}

int chunk_alloc(struct chunks *cs, uint64_t reserve, uint64_t *ret_daddr)
{
	struct chunk *c;
	uint32_t bit;

	if (cs->free <= reserve)
		return -ENOSPC;
	/* One chunk is visited twice if the search began in its middle. */
	for (uint32_t tries = 0; tries <= cs->nr; tries++) {
		c = cs->chunk[cs->cursor_chunk];
		if (chunk_find(c, cs->cursor_bit, &bit)) {
			bit_set(c->busy, bit);
			bit_set(c->used, bit);
			c->nr_busy++;
			c->changed = true;
			cs->free--;
			cs->cursor_bit = bit + 1;
			*ret_daddr = c->daddr + CHUNK_HEADER_DADDRS + (uint64_t)bit * BLOCK_DADDRS;
			return 0;
		}
		cs->cursor_chunk = (cs->cursor_chunk + 1) % cs->nr;
		cs->cursor_bit = 0;
	}
	assert(!"free blocks that cannot be found");
	return -ENOSPC;
}

void chunk_free(struct chunks *cs, uint64_t daddr, bool fresh)
{
	uint32_t bit = 0;
	struct chunk *c = chunk_of(cs, daddr, &bit);

	assert(c);
	assert(bit_test(c->used, bit));
	assert(bit_test(c->busy, bit));
	bit_clear(c->used, bit);
	c->changed = true;
	if (fresh) {
		bit_clear(c->busy, bit);
		c->nr_busy--;
		cs->free++;
		return;
	}
	bit_set(c->gone, bit);
	c->has_gone = true;
	cs->nr_gone++;
}

static struct disk_bitmap *chunk_image(const struct chunks *cs, const struct chunk *c, uint64_t epoch)
{
	struct disk_bitmap *image = aligned_alloc(CHUNK_BITMAP_SIZE, CHUNK_BITMAP_SIZE);
	uint32_t nr_used = 0;

	if (!image)
		return NULL;
	memset(image, 0, sizeof(*image));
	image->magic = le32_make(BITMAP_MAGIC);
	image->chunk = le32_make(c->index);
	image->epoch = le64_make(epoch);
	image->nr_tree_blocks = le32_make(c->nr_blocks);
	memcpy(image->volume_uuid, cs->uuid, UUID_LEN);
	image->daddr = le64_make(c->daddr);
	for (uint32_t w = 0; w < words_of(c->nr_blocks); w++) {
		struct le64 word = le64_make(c->used[w]);

		memcpy(image->bits + w * sizeof(word), &word, sizeof(word));
		nr_used += (uint32_t)__builtin_popcountll(c->used[w]);
	}
	image->nr_used = le32_make(nr_used);
	sum_set(image, sizeof(*image));
	return image;
}

int chunks_freeze(struct chunks *cs, uint64_t epoch)
{
	for (uint32_t i = 0; i < cs->nr; i++) {
		struct chunk *c = cs->chunk[i];

		assert(!c->image);
		if (!c->changed)
			continue;
		c->image = chunk_image(cs, c, epoch);
		if (!c->image) {
			while (i-- > 0) {
				free(cs->chunk[i]->image);
				cs->chunk[i]->image = NULL;
			}
			return -ENOMEM;
		}
	}
	for (uint32_t i = 0; i < cs->nr; i++) {
		struct chunk *c = cs->chunk[i];
		uint64_t *empty = c->freeing;

		assert(!c->has_freeing);
		c->changed = false;
		c->freeing = c->gone;
		c->gone = empty;
		c->has_freeing = c->has_gone;
		c->has_gone = false;
	}
	cs->nr_freeing = cs->nr_gone;
	cs->nr_gone = 0;
	return 0;
}

void chunks_thaw(struct chunks *cs)
{
	for (uint32_t i = 0; i < cs->nr; i++) {
		struct chunk *c = cs->chunk[i];

		if (c->image) {
			c->slot = chunk_next_slot(c);
			c->checksum = le64_get(c->image->checksum);
			free(c->image);
			c->image = NULL;
		}
		if (!c->has_freeing)
			continue;
		for (uint32_t w = 0; w < words_of(c->nr_blocks); w++) {
			uint32_t nr = (uint32_t)__builtin_popcountll(c->freeing[w]);

			c->busy[w] &= ~c->freeing[w];
			c->freeing[w] = 0;
			c->nr_busy -= nr;
			cs->free += nr;
		}
		c->has_freeing = false;
	}
	cs->nr_freeing = 0;
}

uint64_t chunk_slot_offset(const struct chunk *c, uint32_t slot)
{
	return (daddr_block(c->daddr) << DADDR_BLOCK_SHIFT) + slot * CHUNK_BITMAP_SIZE;
}

uint32_t chunk_next_slot(const struct chunk *c)
{
	return c->image ? !c->slot : c->slot;
}

uint64_t chunks_bitmaps_checksum(const struct chunks *cs)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < cs->nr; i++) {
		const struct chunk *c = cs->chunk[i];
		struct le64 one = c->image ? c->image->checksum : le64_make(c->checksum);

		sum = XXH3_64bits_withSeed(&one, sizeof(one), sum);
	}
	return sum;
}

static const char *bitmap_fault(const struct chunks *cs, const struct chunk *c, const struct disk_bitmap *image)
{
	uint32_t nr_used = 0;

	if (!sum_is_good(image, sizeof(*image)))
		return "checksum does not match";
	if (le32_get(image->magic) != BITMAP_MAGIC || memcmp(image->volume_uuid, cs->uuid, UUID_LEN) != 0)
		return "not a bitmap of this volume";
	if (le32_get(image->chunk) != c->index || le64_get(image->daddr) != c->daddr)
		return "bitmap of another chunk";
	if (le32_get(image->nr_tree_blocks) != c->nr_blocks)
		return "wrong number of blocks";
	for (uint32_t i = 0; i < CHUNK_TREE_BLOCKS_MAX; i++) {
		if (!(image->bits[i / 8] >> (i % 8) & 1))
			continue;
		if (i >= c->nr_blocks)
			return "a bit behind the last block is set";
		nr_used++;
	}
	return nr_used == le32_get(image->nr_used) ? NULL : "number of used blocks does not match the bits";
}

int chunk_load(struct chunks *cs, uint32_t index, uint32_t slot, const struct disk_bitmap *image,
	       const char **ret_why)
{
	struct chunk *c = cs->chunk[index];
	const char *why = bitmap_fault(cs, c, image);

	assert(index < cs->nr);
	assert(c->nr_busy == 0);
	if (why) {
		*ret_why = why;
		return -EUCLEAN;
	}
	for (uint32_t w = 0; w < words_of(c->nr_blocks); w++) {
		struct le64 word;

		memcpy(&word, image->bits + w * sizeof(word), sizeof(word));
		c->used[w] = le64_get(word);
		c->busy[w] |= c->used[w];
	}
	c->nr_busy = le32_get(image->nr_used);
	cs->free -= c->nr_busy;
	c->slot = slot;
	c->checksum = le64_get(image->checksum);
	c->changed = false;
	return 0;
}
