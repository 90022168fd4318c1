/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space adds up (I10).  The devices are gone through in windows that fit in memory; for each, all items that name
 * blocks are read, and each block must be free, in limbo, reserved or metadata once, or have as many owners as its
 * count says.  Four numbers for each block are kept as differences to the block before, so a run costs two additions
 * however long it is; they are counts modulo 2^32.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "extent/check_int.h"
#include "extent/fs_int.h"

enum check_use {
	USE_OWNERS, /* data maps */
	USE_PLAIN,  /* of these the ones that do not say "shared" */
	USE_SINGLE, /* free, limbo, reserved, metadata */
	USE_REFS,   /* the count that ZONE_SHARED gives */
	USES,
};

enum check_verdict {
	VERDICT_GOOD,
	VERDICT_LOST,
	VERDICT_TWICE,
	VERDICT_COUNT,
	VERDICT_PLAIN,
};

struct check_window {
	struct check *ck;
	bool first;	 /* of all: the one that reports what does not depend on the window */
	uint64_t lo, hi; /* daddrs of one device: [lo, hi) */
	uint32_t *diff[USES];
};

static uint64_t check_window_blocks(const struct check *ck)
{
	return max_u64(ck->memory / (USES * sizeof(uint32_t)), 1024);
}

static uint64_t check_device_windows(const struct check *ck, unsigned int dev)
{
	const struct super_device *d = &ck->fs->device[dev];

	return (d->end_block - d->first_block + check_window_blocks(ck) - 1) / check_window_blocks(ck);
}

uint64_t check_space_passes(const struct check *ck)
{
	uint64_t passes = 0;

	for (unsigned int dev = 0; dev < ck->fs->nr_devs; dev++)
		passes += check_device_windows(ck, dev);
	return passes;
}

static void check_use(struct check_window *w, enum check_use use, uint64_t daddr, uint64_t len, uint32_t times)
{
	uint64_t from = max_u64(daddr, w->lo), end = min_u64(daddr + len, w->hi);

	if (from >= end)
		return;
	w->diff[use][from - w->lo] += times;
	w->diff[use][end - w->lo] -= times;
}

/* A run of blocks that an item names; false if there are no such blocks. */
static bool check_run_is_valid(struct check_window *w, const char *what, uint64_t daddr, uint64_t len)
{
	if (check_range_is_valid(w->ck, daddr, len))
		return true;
	if (w->first)
		check_error(w->ck, "%s: %" PRIu64 " blocks at %#" PRIx64 " are not inside a device", what, len,
			    daddr);
	return false;
}

FIBER_FN static int check_free_addr(struct check_window *w, uint64_t last, uint64_t len)
{
	bool there;
	int err;

	if (!check_run_is_valid(w, "free space", last + 1 - len, len))
		return 0;
	check_use(w, USE_SINGLE, last + 1 - len, len, 1);
	if (!w->first)
		return 0;
	w->ck->res.free_blocks += len;
	err = check_has(w->ck, key_make(ZONE_FREE, 63 - (uint64_t)__builtin_clzll(len), ITEM_FREE_SIZE, last),
			&there);
	if (!err && !there)
		check_error(w->ck, "the free blocks that end at %#" PRIx64 " are missing in the index by size", last);
	return err;
}

FIBER_FN static int check_free_size(struct check_window *w, struct key key)
{
	bool there;
	int err;

	if (!w->first)
		return 0;
	err = check_has(w->ck, key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, key_off(key)), &there);
	if (!err && !there)
		check_error(w->ck, "the index by size names free blocks that end at %#" PRIx64 ", where none do",
			    key_off(key));
	return err;
}

/*
 * Each run in the index by address has exactly one place in that by size, which is looked up; so wrong classes show
 * as a difference of the numbers of entries.
 */
struct check_free_count {
	struct check_window *w;
	uint64_t addrs, sizes;
};

FIBER_FN static int check_free_item(struct check *ck, const struct item *it, void *arg)
{
	struct check_free_count *n = arg;
	const struct disk_free *disk = it->val;

	if (key_type(it->key) == ITEM_FREE_ADDR) {
		n->addrs++;
		return check_free_addr(n->w, key_off(it->key), le64_get(disk->len));
	}
	n->sizes++;
	return check_free_size(n->w, it->key);
}

static int check_limbo_item(struct check *ck, const struct item *it, void *arg)
{
	const struct disk_free *disk = it->val;
	struct check_window *w = arg;
	uint64_t len = le64_get(disk->len);

	if (!check_run_is_valid(w, "limbo", key_off(it->key), len))
		return 0;
	check_use(w, USE_SINGLE, key_off(it->key), len, 1);
	if (w->first)
		ck->res.limbo_blocks += len;
	return 0;
}

static int check_shared_item(struct check *ck, const struct item *it, void *arg)
{
	const struct disk_shared *disk = it->val;
	struct check_window *w = arg;

	if (check_run_is_valid(w, "shared blocks", key_off(it->key), le64_get(disk->len)))
		check_use(w, USE_REFS, key_off(it->key), le64_get(disk->len), le32_get(disk->refs));
	return 0;
}

static int check_file_item(struct check *ck, const struct item *it, void *arg)
{
	const struct disk_extent *disk = it->val;
	struct check_window *w = arg;
	uint64_t daddr, len;
	char what[64];

	if (key_type(it->key) != ITEM_EXTENT && key_type(it->key) != ITEM_COW)
		return 0;
	daddr = le64_get(disk->daddr);
	len = le32_get(disk->len);
	if (!check_range_is_valid(ck, daddr, len)) {
		snprintf(what, sizeof(what), "inode %" PRIu64 ", file block %" PRIu64, key_obj(it->key),
			 key_off(it->key));
		check_run_is_valid(w, what, daddr, len);
		return 0;
	}
	if (key_type(it->key) == ITEM_COW) {
		check_use(w, USE_SINGLE, daddr, len, 1);
		if (w->first)
			ck->res.reserved_blocks += len;
		return 0;
	}
	check_use(w, USE_OWNERS, daddr, len, 1);
	if (!(disk->flags & EXTENT_FLAG_SHARED))
		check_use(w, USE_PLAIN, daddr, len, 1);
	return 0;
}

static int check_chunk_item(struct check *ck, const struct item *it, void *arg)
{
	const struct disk_chunk_item *disk = it->val;
	const struct chunks *cs = &ck->fs->chunks;
	uint64_t *nr = arg;

	(*nr)++;
	if (key_off(it->key) >= cs->nr || cs->chunk[key_off(it->key)]->daddr != le64_get(disk->daddr))
		check_error(ck, "metadata chunk %" PRIu64 " lies elsewhere than the superblock says",
			    key_off(it->key));
	return 0;
}

FIBER_FN static int check_chunks(struct check_window *w)
{
	const struct chunks *cs = &w->ck->fs->chunks;
	uint64_t nr = 0;
	int err;

	for (unsigned int i = 0; i < cs->nr; i++)
		check_use(w, USE_SINGLE, cs->chunk[i]->daddr, cs->chunk_blocks, 1);
	if (!w->first)
		return 0;
	w->ck->res.metadata_blocks = cs->nr * cs->chunk_blocks;
	err = check_scan(w->ck, key_make(ZONE_VOLUME, 0, ITEM_CHUNK, 0),
			 key_make(ZONE_VOLUME, 0, ITEM_CHUNK, KEY_LOW_MAX), check_chunk_item, &nr);
	if (!err && nr != cs->nr)
		check_error(w->ck, "the superblock names %u metadata chunks, the tree %" PRIu64, cs->nr, nr);
	return err;
}

FIBER_FN static int check_zone(struct check_window *w, enum item_zone zone,
			       int (*fn)(struct check *ck, const struct item *item, void *arg), void *arg)
{
	return check_scan(w->ck, (struct key){ (uint64_t)zone << KEY_BITS_LOW, 0 },
			  (struct key){ ((uint64_t)zone << KEY_BITS_LOW) | KEY_LOW_MAX, UINT64_MAX }, fn, arg);
}

FIBER_FN static int check_window_read(struct check_window *w)
{
	struct check_free_count n = { .w = w };
	int err;

	err = check_chunks(w);
	if (!err)
		err = check_zone(w, ZONE_FREE, check_free_item, &n);
	if (!err && w->first && n.addrs != n.sizes)
		check_error(w->ck, "%" PRIu64 " runs of free blocks by address, but %" PRIu64 " by size", n.addrs,
			    n.sizes);
	if (!err)
		err = check_zone(w, ZONE_LIMBO, check_limbo_item, w);
	if (!err)
		err = check_zone(w, ZONE_SHARED, check_shared_item, w);
	if (!err)
		err = check_zone(w, ZONE_FILE, check_file_item, w);
	return err;
}

static enum check_verdict check_judge(const uint32_t use[USES])
{
	if (!use[USE_OWNERS] && !use[USE_SINGLE])
		return VERDICT_LOST;
	if (use[USE_SINGLE] > 1 || (use[USE_SINGLE] && use[USE_OWNERS]))
		return VERDICT_TWICE;
	if (use[USE_REFS] != (use[USE_OWNERS] > 1 ? use[USE_OWNERS] : 0))
		return VERDICT_COUNT;
	return use[USE_OWNERS] > 1 && use[USE_PLAIN] ? VERDICT_PLAIN : VERDICT_GOOD;
}

/* @use is that of the run's blocks. */
static void check_sentence(struct check *ck, enum check_verdict verdict, uint64_t daddr, uint64_t nr,
			   const uint32_t use[USES])
{
	if (verdict == VERDICT_LOST)
		check_error(ck, "%" PRIu64 " blocks at %#" PRIx64 " are lost: neither free nor used", nr, daddr);
	if (verdict == VERDICT_TWICE)
		check_error(ck, "%" PRIu64 " blocks at %#" PRIx64 " have more than one use: %u files, %u others", nr,
			    daddr, use[USE_OWNERS], use[USE_SINGLE]);
	if (verdict == VERDICT_COUNT)
		check_error(ck, "%" PRIu64 " blocks at %#" PRIx64 " have %u owners, but their count says %u", nr,
			    daddr, use[USE_OWNERS], use[USE_REFS] ? use[USE_REFS] : 1);
	if (verdict == VERDICT_PLAIN)
		check_error(ck,
			    "%" PRIu64 " blocks at %#" PRIx64 " are shared, and a file that has them does not know",
			    nr, daddr);
}

static void check_window_judge(struct check_window *w)
{
	uint32_t use[USES] = { 0 }, before[USES] = { 0 };
	uint64_t begin = 0, nr = w->hi - w->lo;

	for (uint64_t i = 0; i <= nr; i++) {
		memcpy(before, use, sizeof(use));
		for (unsigned int u = 0; u < USES; u++)
			use[u] += w->diff[u][i];
		if (i == nr || (i && memcmp(before, use, sizeof(use)) != 0)) {
			check_sentence(w->ck, check_judge(before), w->lo + begin, i - begin, before);
			w->ck->res.data_blocks += before[USE_OWNERS] ? i - begin : 0;
			w->ck->res.shared_blocks += before[USE_OWNERS] > 1 ? i - begin : 0;
			begin = i;
		}
	}
}

FIBER_FN static int check_windows(struct check_window *w)
{
	for (unsigned int dev = 0; dev < w->ck->fs->nr_devs; dev++) {
		const struct super_device *d = &w->ck->fs->device[dev];

		for (uint64_t n = 0; n < check_device_windows(w->ck, dev); n++) {
			uint64_t block = d->first_block + n * check_window_blocks(w->ck);
			int err;

			w->lo = daddr_make(dev, block);
			w->hi = daddr_make(dev, min_u64(block + check_window_blocks(w->ck), d->end_block));
			for (unsigned int u = 0; u < USES; u++)
				memset(w->diff[u], 0, (w->hi - w->lo + 1) * sizeof(uint32_t));
			err = check_window_read(w);
			if (err)
				return err;
			check_window_judge(w);
			w->first = false;
		}
	}
	return 0;
}

int check_space(struct check *ck)
{
	struct check_window w = { .ck = ck, .first = true };
	uint64_t blocks = 0;
	int err = 0;

	for (unsigned int dev = 0; dev < ck->fs->nr_devs; dev++)
		blocks = max_u64(blocks, ck->fs->device[dev].end_block);
	blocks = min_u64(blocks, check_window_blocks(ck));
	for (unsigned int u = 0; u < USES; u++) {
		w.diff[u] = malloc((blocks + 1) * sizeof(uint32_t));
		err = w.diff[u] ? err : -ENOMEM;
	}
	if (!err)
		err = check_windows(&w);
	for (unsigned int u = 0; u < USES; u++)
		free(w.diff[u]);
	return err;
}
