/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Free space.  The address index and the size index always say the same, runs never touch or overlap, and a call
 * that fails has changed nothing that its transaction does not undo.
 *
 * The search never walks a size class: it looks at a few runs on both sides of the goal, and where none of them fits
 * goes up a class, where every run fits for certain.  So the worst fragmentation costs a constant.
 */
#include "extent/alloc.h"

#include <xxhash.h>

#include "extent/format.h"

#define ALLOC_PROBES	4 /* runs of a class that are looked at on each side of the goal */
#define ALLOC_CLASS_MAX (KEY_BITS_LOW - 1)

#define ALLOC_PIECE_MAX (1ULL << 18) /* 1 GiB */
#define ALLOC_PIECE_MIN (1ULL << 12) /* 16 MiB */
#define ALLOC_PIECES	32	     /* at least so many pieces fit on a device of average size */

struct alloc_run {
	uint64_t first;
	uint64_t len;
};

/* A place found in a run. */
struct alloc_fit {
	struct alloc_run run;
	uint64_t start;
	uint64_t len; /* 0: nothing found yet */
};

struct alloc_search {
	struct txn *txn;
	const struct alloc_want *want;
	uint64_t align;
	uint64_t lo, hi;      /* daddrs allowed, inclusive */
	uint64_t goal;	      /* within them */
	bool full;	      /* only all of want->len will do */
	struct alloc_fit fit; /* the best so far */
};

static unsigned int alloc_class(uint64_t len)
{
	return 63 - (unsigned int)__builtin_clzll(len);
}

static struct key alloc_addr_key(uint64_t last)
{
	return key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, last);
}

static struct key alloc_size_key(unsigned int class, uint64_t last)
{
	return key_make(ZONE_FREE, class, ITEM_FREE_SIZE, last);
}

bool alloc_range_is_valid(const struct txn *txn, uint64_t daddr, uint64_t len)
{
	uint64_t first, end, block;

	if (daddr > KEY_LOW_MAX || daddr_dev(daddr) >= txn_nr_devices(txn))
		return false;
	txn_device_range(txn, daddr_dev(daddr), &first, &end);
	block = daddr_block(daddr);
	return len > 0 && block >= first && block < end && len <= end - block;
}

static int alloc_decode(const struct txn *txn, const struct item *it, struct alloc_run *ret_run)
{
	const struct disk_free *disk = it->val;
	uint64_t last = key_off(it->key), len;

	if (it->len != sizeof(*disk))
		return -EUCLEAN;
	len = le64_get(disk->len);
	if (len == 0 || len > last + 1 || !alloc_range_is_valid(txn, last + 1 - len, len))
		return -EUCLEAN;
	*ret_run = (struct alloc_run){ last + 1 - len, len };
	return 0;
}

/* The run that ends exactly at @last, or -ENOENT. */
static int alloc_get_ending(struct txn *txn, uint64_t last, struct alloc_run *ret_run)
{
	struct item it;
	int err;

	err = txn_get(txn, alloc_addr_key(last), &it);
	if (err)
		return err;
	return alloc_decode(txn, &it, ret_run);
}

/* The first run that ends at or after @from, or -ENOENT. */
static int alloc_get_after(struct txn *txn, uint64_t from, struct alloc_run *ret_run)
{
	struct item it;
	int err;

	err = txn_next(txn, alloc_addr_key(from), alloc_addr_key(KEY_LOW_MAX), &it);
	if (err)
		return err;
	return alloc_decode(txn, &it, ret_run);
}

int alloc_next(struct txn *txn, uint64_t from, uint64_t *ret_daddr, uint64_t *ret_len)
{
	struct alloc_run run;
	int err;

	err = alloc_get_after(txn, from, &run);
	if (err)
		return err;
	*ret_daddr = run.first;
	*ret_len = run.len;
	return 0;
}

static int alloc_put_addr(struct txn *txn, uint64_t last, uint64_t len)
{
	struct disk_free disk = { .len = le64_make(len) };

	return txn_put(txn, alloc_addr_key(last), &disk, sizeof(disk));
}

static int alloc_put_size(struct txn *txn, uint64_t last, uint64_t len)
{
	return txn_put(txn, alloc_size_key(alloc_class(len), last), NULL, 0);
}

/* Delete an item that the other index promises. */
static int alloc_delete(struct txn *txn, struct key key)
{
	int err;

	err = txn_delete(txn, key);
	return err == -ENOENT ? -EUCLEAN : err;
}

static int alloc_insert(struct txn *txn, uint64_t first, uint64_t len)
{
	int err;

	err = alloc_put_addr(txn, first + len - 1, len);
	if (err)
		return err;
	return alloc_put_size(txn, first + len - 1, len);
}

static int alloc_remove(struct txn *txn, const struct alloc_run *run)
{
	uint64_t last = run->first + run->len - 1;
	int err;

	err = alloc_delete(txn, alloc_addr_key(last));
	if (err)
		return err;
	return alloc_delete(txn, alloc_size_key(alloc_class(run->len), last));
}

/* Give @run, whose end stays, another length. */
static int alloc_resize(struct txn *txn, const struct alloc_run *run, uint64_t len)
{
	uint64_t last = run->first + run->len - 1;
	int err;

	err = alloc_put_addr(txn, last, len);
	if (err || alloc_class(len) == alloc_class(run->len))
		return err;
	err = alloc_delete(txn, alloc_size_key(alloc_class(run->len), last));
	if (err)
		return err;
	return alloc_put_size(txn, last, len);
}

/* Take the place that was found out of its run. */
static int alloc_carve(struct txn *txn, const struct alloc_fit *fit)
{
	uint64_t front = fit->start - fit->run.first;
	uint64_t back = fit->run.len - front - fit->len;
	int err;

	err = back ? alloc_resize(txn, &fit->run, back) : alloc_remove(txn, &fit->run);
	if (err || !front)
		return err;
	return alloc_insert(txn, fit->run.first, front);
}

/* How much of @want a run can hold from @start on; 0 if too little. */
static uint64_t alloc_room(const struct alloc_want *want, const struct alloc_run *run, uint64_t start)
{
	uint64_t room = run->first + run->len - start, over;

	if (room >= want->len)
		return want->len;
	if (want->min_align > 1) {
		over = (start + room) & (want->min_align - 1);
		room = over < room ? room - over : 0;
	}
	return room >= max_u64(want->min_len, 1) ? room : 0;
}

static uint64_t alloc_distance(const struct alloc_search *s, const struct alloc_run *run)
{
	return run->first > s->goal ? run->first - s->goal : s->goal - run->first;
}

/* See whether @run holds a better place than the best so far: less left over, or, if it can't be full, more. */
static void alloc_consider(struct alloc_search *s, const struct alloc_run *run)
{
	uint64_t skip = (s->want->phase - run->first) & (s->align - 1), len;

	if (skip >= run->len)
		return;
	len = alloc_room(s->want, run, run->first + skip);
	if (!len || (s->full && len < s->want->len))
		return;
	if (s->fit.len) {
		if (len < s->fit.len)
			return;
		if (len == s->fit.len && run->len > s->fit.run.len)
			return;
		if (len == s->fit.len && run->len == s->fit.run.len &&
		    alloc_distance(s, run) >= alloc_distance(s, &s->fit.run))
			return;
	}
	s->fit = (struct alloc_fit){ *run, run->first + skip, len };
}

/* Look at the run behind one item of the size index. */
static int alloc_probe(struct alloc_search *s, unsigned int class, const struct item *it)
{
	struct alloc_run run;
	int err;

	err = alloc_get_ending(s->txn, key_off(it->key), &run);
	if (!err && alloc_class(run.len) != class)
		err = -EUCLEAN;
	if (err)
		return err == -ENOENT ? -EUCLEAN : err;
	if (run.first >= s->lo) /* runs do not cross devices: its end is in range */
		alloc_consider(s, &run);
	return 0;
}

static int alloc_probe_up(struct alloc_search *s, unsigned int class, unsigned int probes)
{
	struct key from = alloc_size_key(class, s->goal), last = alloc_size_key(class, s->hi);
	struct item it;
	int err;

	for (unsigned int n = 0; n < probes; n++) {
		err = txn_next(s->txn, from, last, &it);
		if (err)
			return err == -ENOENT ? 0 : err;
		from = it.key;
		if (!key_cmp(from, last))
			probes = n + 1;
		else
			from.lo++;
		err = alloc_probe(s, class, &it);
		if (err)
			return err;
	}
	return 0;
}

static int alloc_probe_down(struct alloc_search *s, unsigned int class, unsigned int probes)
{
	struct key from = alloc_size_key(class, s->goal), first = alloc_size_key(class, s->lo);
	struct item it;
	int err;

	for (unsigned int n = 0; n < probes && key_cmp(from, first) > 0; n++) {
		from.lo--;
		err = txn_prev(s->txn, from, first, &it);
		if (err)
			return err == -ENOENT ? 0 : err;
		from = it.key;
		err = alloc_probe(s, class, &it);
		if (err)
			return err;
	}
	return 0;
}

static int alloc_probe_class(struct alloc_search *s, unsigned int class)
{
	/* Where every run fits for certain, the nearest one is as good as any. */
	bool sure = 1ULL << class >= s->want->len + s->align - 1;
	int err;

	err = alloc_probe_up(s, class, sure ? 1 : ALLOC_PROBES);
	if (err || (sure && s->fit.len))
		return err;
	return alloc_probe_down(s, class, sure ? 1 : ALLOC_PROBES);
}

/* The first class from *@class on that has a run on any device; false: there is none. */
static int alloc_class_up(struct txn *txn, unsigned int *class, bool *ret_found)
{
	struct item it;
	int err;

	*ret_found = false;
	if (*class > ALLOC_CLASS_MAX)
		return 0;
	err = txn_next(txn, alloc_size_key(*class, 0), alloc_size_key(ALLOC_CLASS_MAX, KEY_LOW_MAX), &it);
	if (err)
		return err == -ENOENT ? 0 : err;
	*ret_found = true;
	*class = (unsigned int)key_obj(it.key);
	return 0;
}

static int alloc_class_down(struct txn *txn, unsigned int *class, unsigned int lowest, bool *ret_found)
{
	struct item it;
	int err;

	err = txn_prev(txn, alloc_size_key(*class, KEY_LOW_MAX), alloc_size_key(lowest, 0), &it);
	*ret_found = !err;
	if (err)
		return err == -ENOENT ? 0 : err;
	*class = (unsigned int)key_obj(it.key);
	return 0;
}

/* All of want->len in one run. */
static int alloc_search_full(struct alloc_search *s)
{
	bool found;
	int err;

	s->full = true;
	for (unsigned int class = alloc_class(s->want->len); !s->fit.len; class ++) {
		err = alloc_class_up(s->txn, &class, &found);
		if (err || !found)
			return err;
		err = alloc_probe_class(s, class);
		if (err)
			return err;
	}
	return 0;
}

/* As much as there is in one run. */
static int alloc_search_part(struct alloc_search *s)
{
	unsigned int lowest = alloc_class(max_u64(s->want->min_len, 1));
	unsigned int class = alloc_class(s->want->len) + 1;
	bool found;
	int err;

	s->full = false;
	for (; !s->fit.len; class --) {
		err = alloc_class_down(s->txn, &class, lowest, &found);
		if (err || !found)
			return err;
		err = alloc_probe_class(s, class);
		if (err || class == lowest)
			return err;
	}
	return 0;
}

/* Exactly at the goal, as far as it is free there. */
static int alloc_search_goal(struct alloc_search *s)
{
	const struct alloc_want *want = s->want;
	struct alloc_run run;
	int err;

	if (want->goal == ALLOC_ANY || want->goal != s->goal || ((want->goal - want->phase) & (want->min_align - 1)))
		return 0;
	err = alloc_get_after(s->txn, s->goal, &run);
	if (err || run.first > s->goal)
		return err == -ENOENT ? 0 : err;
	s->fit = (struct alloc_fit){ run, s->goal, alloc_room(want, &run, s->goal) };
	return 0;
}

static int alloc_search_run(struct alloc_search *s, uint64_t align)
{
	int err;

	s->align = max_u64(align, s->want->min_align);
	err = alloc_search_goal(s);
	if (err || s->fit.len)
		return err;
	err = alloc_search_full(s);
	if (err || s->fit.len)
		return err;
	if (s->align > s->want->min_align) {
		s->align = s->want->min_align;
		err = alloc_search_full(s);
		if (err || s->fit.len)
			return err;
	}
	return alloc_search_part(s);
}

int alloc_take(struct txn *txn, const struct alloc_want *wish, uint64_t *ret_daddr, uint64_t *ret_len)
{
	struct alloc_want want = *wish;
	struct alloc_search s = { .txn = txn, .want = &want, .lo = 0, .hi = KEY_LOW_MAX };
	int err;

	want.min_align = max_u64(want.min_align, 1);
	assert(want.len > 0 && want.len <= KEY_LOW_MAX && want.min_len <= want.len);
	assert(is_power_of_2_u64(want.min_align) && (!want.align || is_power_of_2_u64(want.align)));
	if (want.dev >= 0) {
		s.lo = daddr_make((unsigned int)want.dev, 0);
		s.hi = s.lo | ((1ULL << DADDR_BLOCK_BITS) - 1);
	}
	s.goal = want.goal >= s.lo && want.goal <= s.hi ? want.goal : s.lo;
	err = alloc_search_run(&s, want.align);
	if (err)
		return err;
	if (!s.fit.len)
		return -ENOSPC;
	err = alloc_carve(txn, &s.fit);
	if (err)
		return err;
	*ret_daddr = s.fit.start;
	*ret_len = s.fit.len;
	return 0;
}

int alloc_give(struct txn *txn, uint64_t daddr, uint64_t len)
{
	struct alloc_run before, after, run = { daddr, len };
	bool joins_after = false;
	int err;

	if (!alloc_range_is_valid(txn, daddr, len))
		return -EUCLEAN;
	txn_note_freed(txn);
	err = alloc_get_after(txn, daddr, &after);
	if (err && err != -ENOENT)
		return err;
	if (!err && after.first < daddr + len)
		return -EUCLEAN;
	if (!err)
		joins_after = after.first == daddr + len && daddr_dev(after.first) == daddr_dev(daddr);
	err = daddr_block(daddr) ? alloc_get_ending(txn, daddr - 1, &before) : -ENOENT;
	if (err && err != -ENOENT)
		return err;
	if (!err) {
		err = alloc_remove(txn, &before);
		if (err)
			return err;
		run = (struct alloc_run){ before.first, before.len + len };
	}
	if (joins_after)
		return alloc_resize(txn, &after, run.len + after.len);
	return alloc_insert(txn, run.first, run.len);
}

static uint64_t alloc_device_blocks(const struct txn *txn, unsigned int dev)
{
	uint64_t first, end;

	txn_device_range(txn, dev, &first, &end);
	return end - first;
}

static uint64_t alloc_volume_blocks(const struct txn *txn)
{
	uint64_t sum = 0;

	for (unsigned int dev = 0; dev < txn_nr_devices(txn); dev++)
		sum += alloc_device_blocks(txn, dev);
	return sum;
}

uint64_t alloc_piece_blocks(const struct txn *txn)
{
	uint64_t share = alloc_volume_blocks(txn) / txn_nr_devices(txn) / ALLOC_PIECES;

	if (share <= ALLOC_PIECE_MIN)
		return ALLOC_PIECE_MIN;
	return min_u64(1ULL << alloc_class(share), ALLOC_PIECE_MAX);
}

unsigned int alloc_piece_device(const struct txn *txn, uint64_t ino, uint64_t blk)
{
	uint64_t name[2] = { ino, blk / alloc_piece_blocks(txn) };
	unsigned int dev = 0;
	uint64_t point;

	point = (uint64_t)((unsigned __int128)XXH3_64bits(name, sizeof(name)) * alloc_volume_blocks(txn) >> 64);
	while (dev + 1 < txn_nr_devices(txn) && point >= alloc_device_blocks(txn, dev))
		point -= alloc_device_blocks(txn, dev++);
	return dev;
}
