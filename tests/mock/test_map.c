/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File maps against arrays: what every block of every file reads as, through whatever blocks the maps name; and after
 * it all, that every block of the devices is free, in limbo, or owned exactly as often as its count says (I10).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "extent/map.h"
#include "tests/mock/mock_txn.h"

#define FILES	 3
#define SPOTS	 64 /* blocks of a file that we use: 32 at its start, 32 around the border of two pieces */
#define FAR	 (4096 - 16)
#define DEVS	 2
#define DEV_END	 160
#define STEPS	 600000
#define TAGS	 2
#define RUNS_MAX 80

enum kind {
	ALLOC,
	CONVERT,
	PUNCH,
	TRUNCATE,
	UNRESERVE,
	COW_CANCEL,
	CLONE,
	RELEASE,
	KINDS
};

struct spot {
	enum map_state state;
	uint64_t version; /* what it reads as; 0: zeros */
	bool cow;
};

struct op {
	enum kind kind;
	unsigned int file, src;
	uint64_t blk, src_blk, nr, tag;
	struct map_want want;
	unsigned int max;
	int give_up;
};

struct world {
	struct mock_store store;
	struct spot spots[FILES][SPOTS];
	uint64_t blocks[FILES];
	uint64_t content[DEVS][DEV_END]; /* of the devices */
	uint64_t version;
	struct op op;
	/* what the body's last run found */
	struct inode inode;
	uint64_t stop;
	bool more;
	unsigned int seen[KINDS], refused, nospace, shared_seen, cow_seen;
};

static const struct mock_device devices[DEVS] = { { 8, DEV_END }, { 0, 70 } };

static uint64_t blk_of(unsigned int spot)
{
	return spot < 32 ? spot : FAR + spot - 32;
}

static uint64_t *content_of(struct world *w, uint64_t daddr)
{
	assert_true(daddr_dev(daddr) < DEVS && daddr_block(daddr) < DEV_END);
	return &w->content[daddr_dev(daddr)][daddr_block(daddr)];
}

/* One operation in one body */

static int op_body(struct txn *txn, void *arg)
{
	struct world *w = arg;
	struct op *op = &w->op;
	struct inode *inode = &w->inode;
	int err = 0;

	*inode = (struct inode){ .ino = op->file + 10, .blocks = w->blocks[op->file] };
	w->stop = op->blk + op->nr;
	w->more = false;
	if (op->kind == ALLOC)
		err = map_alloc(txn, inode, op->blk, op->nr, &op->want, op->max, &w->stop);
	else if (op->kind == CONVERT)
		err = map_convert(txn, inode, op->blk, op->nr, op->tag, op->max, &w->stop);
	else if (op->kind == PUNCH)
		err = map_punch(txn, inode, op->blk, op->nr, op->tag, op->max, &w->stop);
	else if (op->kind == TRUNCATE)
		err = map_truncate(txn, inode, op->blk, op->tag, op->max, &w->more);
	else if (op->kind == UNRESERVE)
		err = map_unreserve(txn, inode, op->blk, op->nr, op->tag, op->max, &w->stop);
	else if (op->kind == COW_CANCEL)
		err = map_cow_cancel(txn, inode, op->blk, op->nr, op->tag, op->max, &w->stop);
	else if (op->kind == CLONE)
		err = map_clone(txn, op->src + 10, op->src_blk, inode, op->blk, op->nr, op->tag, op->max, &w->stop);
	else if (op->tag != LIMBO_NONE)
		err = limbo_release(txn, op->tag, op->max, &w->more);
	return err ? err : op->give_up;
}

/* Reading maps */

struct reading {
	struct world *w;
	unsigned int file;
	enum map_fork fork;
	uint64_t blk, nr;
	unsigned int max, got;
	struct map_extent runs[RUNS_MAX];
};

static int read_body(struct txn *txn, void *arg)
{
	struct reading *r = arg;

	return map_read(txn, r->file + 10, r->fork, r->blk, r->nr, r->max, r->runs, &r->got);
}

static void read_map(struct world *w, struct reading *r, unsigned int file, enum map_fork fork)
{
	unsigned int odds = w->store.restart_odds;

	*r = (struct reading){ .w = w, .file = file, .fork = fork, .nr = MAP_BLK_MAX, .max = RUNS_MAX };
	w->store.restart_odds = 0;
	assert_int_equal(mock_read(&w->store, read_body, r), 0);
	w->store.restart_odds = odds;
	assert_int_equal(r->runs[0].blk, 0);
	for (unsigned int i = 1; i < r->got; i++) {
		const struct map_extent *a = &r->runs[i - 1], *b = &r->runs[i];

		assert_int_equal(b->blk, a->blk + a->nr);
		assert_false(a->state == b->state && a->shared == b->shared &&
			     (a->state == MAP_HOLE || a->daddr + a->nr == b->daddr));
	}
	assert_int_equal(r->runs[r->got - 1].blk + r->runs[r->got - 1].nr, MAP_BLK_MAX);
}

static const struct map_extent *run_at(const struct reading *r, uint64_t blk)
{
	unsigned int i = 0;

	while (r->runs[i].blk + r->runs[i].nr <= blk)
		i++;
	return &r->runs[i];
}

static uint64_t daddr_at(const struct map_extent *run, uint64_t blk)
{
	return run->daddr + blk - run->blk;
}

/* Everything at once */

struct ledger {
	unsigned int owners[DEVS][DEV_END];
	unsigned int others[DEVS][DEV_END]; /* free, limbo, copy-on-write */
	bool unflagged[DEVS][DEV_END];	    /* some owner does not know that it is shared */
};

static void count(struct world *w, unsigned int (*where)[DEV_END], uint64_t daddr, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++) {
		content_of(w, daddr + i);
		where[daddr_dev(daddr)][daddr_block(daddr) + i]++;
	}
}

static void check_spot(struct world *w, const struct spot *s, const struct map_extent *data,
		       const struct map_extent *cow, uint64_t blk)
{
	assert_int_equal(data->state, s->state);
	if (s->state == MAP_WRITTEN)
		assert_int_equal(*content_of(w, daddr_at(data, blk)), s->version);
	assert_int_equal(cow->state == MAP_UNWRITTEN, s->cow);
	if (s->cow)
		assert_true(data->state == MAP_WRITTEN && data->shared);
	w->cow_seen += s->cow;
	w->shared_seen += data->shared;
}

static void check_file(struct world *w, unsigned int file, struct ledger *l)
{
	struct reading data, cow;
	uint64_t blocks = 0;

	read_map(w, &data, file, MAP_DATA);
	read_map(w, &cow, file, MAP_COW);
	for (unsigned int i = 0; i < SPOTS; i++)
		check_spot(w, &w->spots[file][i], run_at(&data, blk_of(i)), run_at(&cow, blk_of(i)), blk_of(i));
	for (unsigned int i = 0; i < data.got; i++) {
		const struct map_extent *e = &data.runs[i];

		if (e->state == MAP_HOLE)
			continue;
		count(w, l->owners, e->daddr, e->nr);
		for (uint64_t b = 0; b < e->nr && !e->shared; b++)
			l->unflagged[daddr_dev(e->daddr)][daddr_block(e->daddr) + b] = true;
		blocks += e->nr;
	}
	for (unsigned int i = 0; i < cow.got; i++) {
		if (cow.runs[i].state == MAP_HOLE)
			continue;
		count(w, l->others, cow.runs[i].daddr, cow.runs[i].nr);
		blocks += cow.runs[i].nr;
	}
	assert_int_equal(blocks, w->blocks[file]);
}

static void check_space(struct world *w, struct ledger *l)
{
	unsigned int shared[DEVS][DEV_END] = { { 0 } };
	struct key from = KEY_MIN;
	struct item it;

	for (; mock_next(&w->store, from, &it) && key_zone(it.key) < ZONE_FILE; from = it.key, from.lo++) {
		const struct disk_shared *disk = it.val; /* its length lies where that of struct disk_free does */
		uint64_t len = it.len ? le64_get(disk->len) : 0;

		if (key_zone(it.key) == ZONE_FREE && key_type(it.key) == ITEM_FREE_ADDR)
			count(w, l->others, key_off(it.key) + 1 - len, len);
		if (key_zone(it.key) == ZONE_LIMBO)
			count(w, l->others, key_off(it.key), len);
		for (uint64_t i = 0; key_zone(it.key) == ZONE_SHARED && i < len; i++)
			shared[daddr_dev(key_off(it.key))][daddr_block(key_off(it.key)) + i] = le32_get(disk->refs);
	}
	for (unsigned int d = 0; d < DEVS; d++)
		for (uint64_t b = devices[d].first; b < devices[d].end; b++) {
			assert_int_equal(l->others[d][b] + !!l->owners[d][b], 1);
			assert_int_equal(shared[d][b], l->owners[d][b] > 1 ? l->owners[d][b] : 0);
			assert_false(l->owners[d][b] > 1 && l->unflagged[d][b]);
		}
}

/* What continues is one item. */
static void check_joined(struct world *w)
{
	struct key from = key_make(ZONE_FILE, 0, ITEM_EXTENT, 0), last_key = KEY_MIN;
	struct disk_extent last = { .len = le32_make(0) }, disk;
	struct item it;

	for (; mock_next(&w->store, from, &it); from = it.key, from.lo++) {
		memcpy(&disk, it.val, sizeof(disk));
		assert_false(it.key.hi == last_key.hi && it.key.lo == last_key.lo + le32_get(last.len) &&
			     le64_get(disk.daddr) == le64_get(last.daddr) + le32_get(last.len) &&
			     disk.state == last.state && disk.flags == last.flags);
		last_key = it.key;
		last = disk;
	}
}

static void check_world(struct world *w)
{
	struct ledger l;

	memset(&l, 0, sizeof(l));
	for (unsigned int f = 0; f < FILES; f++)
		check_file(w, f, &l);
	check_space(w, &l);
	check_joined(w);
}

/* The model follows */

static void follow_alloc(struct world *w, unsigned int i, const struct map_extent *data, const struct map_extent *cow)
{
	struct spot *s = &w->spots[w->op.file][i];

	if (s->state == MAP_HOLE)
		s->state = MAP_UNWRITTEN;
	if (s->state != MAP_WRITTEN)
		return;
	s->cow = cow->state != MAP_HOLE;
	assert_int_equal(data->shared, s->cow); /* writable in place, or elsewhere */
}

static void follow_convert(struct world *w, unsigned int i, const struct map_extent *data)
{
	struct spot *s = &w->spots[w->op.file][i];

	assert_true(s->state != MAP_HOLE);
	if (s->state == MAP_UNWRITTEN || s->cow)
		s->version = *content_of(w, daddr_at(data, blk_of(i)));
	if (s->cow)
		assert_false(data->shared);
	s->state = MAP_WRITTEN;
	s->cow = false;
}

static void follow_clone(struct world *w, unsigned int i, const struct spot *before)
{
	unsigned int from = i;

	while (blk_of(from) != w->op.src_blk + (blk_of(i) - w->op.blk))
		from = (from + 1) % SPOTS;
	w->spots[w->op.file][i] = (struct spot){ MAP_HOLE, 0, false };
	if (before[from].state == MAP_WRITTEN)
		w->spots[w->op.file][i] = (struct spot){ MAP_WRITTEN, before[from].version, false };
}

static void follow(struct world *w)
{
	struct op *op = &w->op;
	struct reading data, cow;
	struct spot before[SPOTS];
	uint64_t stop = w->stop;

	read_map(w, &data, op->file, MAP_DATA);
	read_map(w, &cow, op->file, MAP_COW);
	memcpy(before, w->spots[op->src], sizeof(before));
	if (op->kind == TRUNCATE) {
		stop = MAP_BLK_MAX;
		for (unsigned int i = 0; i < SPOTS && w->more; i++) /* as far as it came: to the first that is left */
			if (blk_of(i) >= op->blk && run_at(&data, blk_of(i))->state != MAP_HOLE) {
				stop = blk_of(i);
				break;
			}
	}
	for (unsigned int i = 0; i < SPOTS; i++) {
		struct spot *s = &w->spots[op->file][i];

		if (blk_of(i) < op->blk || blk_of(i) >= stop || op->kind == RELEASE)
			continue;
		if (op->kind == ALLOC)
			follow_alloc(w, i, run_at(&data, blk_of(i)), run_at(&cow, blk_of(i)));
		else if (op->kind == CONVERT)
			follow_convert(w, i, run_at(&data, blk_of(i)));
		else if (op->kind == CLONE)
			follow_clone(w, i, before);
		else if (op->kind == PUNCH || op->kind == TRUNCATE ||
			 (op->kind == UNRESERVE && s->state != MAP_WRITTEN))
			*s = (struct spot){ MAP_HOLE, 0, false };
		else
			s->cow = false;
	}
	w->blocks[op->file] = w->inode.blocks;
}

/* The client writes where the maps let it, before it commits. */
static void client_writes(struct world *w)
{
	struct op *op = &w->op;
	struct reading data, cow;

	read_map(w, &data, op->file, MAP_DATA);
	read_map(w, &cow, op->file, MAP_COW);
	for (unsigned int i = 0; i < SPOTS; i++) {
		const struct map_extent *d = run_at(&data, blk_of(i)), *c = run_at(&cow, blk_of(i));

		if (blk_of(i) < op->blk || blk_of(i) >= op->blk + op->nr || d->state == MAP_HOLE)
			continue;
		if (d->shared && c->state == MAP_HOLE)
			continue;
		*content_of(w, daddr_at(d->shared ? c : d, blk_of(i))) = ++w->version;
		if (d->state == MAP_WRITTEN && !d->shared)
			w->spots[op->file][i].version = w->version;
	}
}

static uint64_t free_blocks(struct world *w, bool has_dev, unsigned int dev)
{
	struct key from = key_make(ZONE_FREE, 0, ITEM_FREE_ADDR, 0);
	uint64_t sum = 0;
	struct item it;

	for (; mock_next(&w->store, from, &it) && key_zone(it.key) == ZONE_FREE && key_type(it.key) == ITEM_FREE_ADDR;
	     from = it.key, from.lo++) {
		const struct disk_free *disk = it.val;

		if (!has_dev || daddr_dev(key_off(it.key)) == dev)
			sum += le64_get(disk->len);
	}
	return sum;
}

/* -ENOSPC is right only if there are fewer free blocks than the range could need. */
static void check_nospace(struct world *w)
{
	struct op *op = &w->op;
	struct reading data;
	uint64_t need = 0;

	read_map(w, &data, op->file, MAP_DATA);
	for (unsigned int i = 0; i < SPOTS; i++) {
		const struct map_extent *d = run_at(&data, blk_of(i));

		if (blk_of(i) >= op->blk && blk_of(i) < op->blk + op->nr)
			need += d->state == MAP_HOLE || (d->shared && !w->spots[op->file][i].cow);
	}
	assert_true(op->want.min_align > 1 || need > free_blocks(w, op->want.has_dev, op->want.dev));
	w->nospace++;
}

static bool range_has_hole(struct world *w)
{
	for (unsigned int i = 0; i < SPOTS; i++)
		if (blk_of(i) >= w->op.blk && blk_of(i) < w->op.blk + w->op.nr &&
		    w->spots[w->op.file][i].state == MAP_HOLE)
			return true;
	return w->op.blk < 32 && w->op.blk + w->op.nr > 32; /* what lies between the spots is one */
}

static void make_op(struct world *w)
{
	struct mock_store *s = &w->store;
	static const enum kind kinds[] = { ALLOC, ALLOC, ALLOC,	   CONVERT,   CONVERT,	  CONVERT, PUNCH,
					   CLONE, CLONE, TRUNCATE, UNRESERVE, COW_CANCEL, RELEASE };
	struct op *op = &w->op;
	unsigned int spot = (unsigned int)mock_random(s, SPOTS);
	uint64_t room = spot < 32 ? 32 - spot : SPOTS - spot;

	*op = (struct op){ .kind = kinds[mock_random(s, ARRAY_SIZE(kinds))],
			   .file = (unsigned int)mock_random(s, FILES),
			   .src = (unsigned int)mock_random(s, FILES),
			   .blk = blk_of(spot),
			   .nr = 1 + mock_random(s, mock_random(s, 3) ? min_u64(room, 6) : room),
			   .tag = mock_random(s, TAGS + 2),
			   .max = 1 + (unsigned int)mock_random(s, mock_random(s, 2) ? 3 : 30),
			   .give_up = mock_random(s, 20) ? 0 : -EDOM };
	if (op->tag >= TAGS)
		op->tag = LIMBO_NONE;
	op->want = (struct map_want){ .align = mock_random(s, 2) ? 4 : 0,
				      .min_align = mock_random(s, 8) ? 0 : 2,
				      .has_goal = mock_random(s, 4) == 0,
				      .goal = mock_random(s, DEV_END),
				      .has_dev = mock_random(s, 4) == 0,
				      .dev = (unsigned int)mock_random(s, DEVS) };
	spot = (unsigned int)mock_random(s, SPOTS);
	op->src_blk = blk_of(spot);
	if (op->kind == CLONE)
		op->nr = min_u64(op->nr, spot < 32 ? 32 - spot : SPOTS - spot);
	else if (op->kind != ALLOC && !mock_random(s, 10) && op->blk < 32)
		op->nr += FAR; /* over the hole in the middle, into the second group */
	if (op->kind == CONVERT)
		client_writes(w);
}

static int expected(struct world *w)
{
	struct op *op = &w->op;

	if (op->kind == CLONE && op->src == op->file && op->src_blk < op->blk + op->nr &&
	    op->blk < op->src_blk + op->nr)
		return -EINVAL;
	return op->kind == CONVERT && range_has_hole(w) ? -ENXIO : 0;
}

static size_t log_bound(const struct op *op)
{
	static const size_t bound[KINDS] = { MAP_ALLOC_LOG, MAP_CONVERT_LOG, MAP_PUNCH_LOG, MAP_PUNCH_LOG,
					     MAP_PUNCH_LOG, MAP_PUNCH_LOG,   MAP_CLONE_LOG, LIMBO_RELEASE_LOG };

	return bound[op->kind] * op->max;
}

static void world_step(struct world *w)
{
	struct mock_store *s = &w->store;
	int err, want;

	make_op(w);
	want = expected(w);
	s->fail_at = mock_random(s, 25) ? 0 : 1 + mock_random(s, 60);
	s->fail_err = mock_random(s, 2) ? -ENOMEM : -EIO;
	err = mock_run(s, op_body, w);
	s->fail_at = 0;
	assert_true(s->log_bytes <= log_bound(&w->op));
	if (err == -ENOSPC && w->op.kind == ALLOC)
		check_nospace(w);
	else if (want == -ENXIO)
		assert_true(err == -ENXIO || err == w->op.give_up || err == s->fail_err);
	else
		assert_true(err == want || err == w->op.give_up || err == s->fail_err);
	w->refused += err != 0;
	if (err)
		return;
	w->seen[w->op.kind]++;
	follow(w);
}

static int format_body(struct txn *txn, void *arg)
{
	for (unsigned int dev = 0; dev < txn_nr_devices(txn); dev++) {
		uint64_t first, end;
		int err;

		txn_device_range(txn, dev, &first, &end);
		err = alloc_give(txn, daddr_make(dev, first), end - first);
		if (err)
			return err;
	}
	return 0;
}

static void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	mock_init(&w->store);
	w->store.dice = seed;
	w->store.nr_devices = DEVS;
	w->store.log_max = 4u << 20;
	memcpy(w->store.devices, devices, sizeof(devices));
	assert_int_equal(mock_run(&w->store, format_body, NULL), 0);
}

static void test_model(void **state)
{
	struct world w;

	world_init(&w, mock_seed(1));
	w.store.restart_odds = 400;
	for (unsigned int n = 0; n < STEPS; n++) {
		world_step(&w);
		if (n % 8 == 0)
			check_world(&w);
	}
	for (unsigned int k = 0; k < KINDS; k++)
		assert_true(w.seen[k] > 1000);
	assert_true(w.refused > 1000 && w.nospace > 100 && w.shared_seen > 1000 && w.cow_seen > 1000);
	mock_release(&w.store);
}

/* Files written in order, or in the opposite order, or by turns with space ahead, are one extent. */
static void test_stay_together(void **state)
{
	struct reading r;
	struct world w;

	for (unsigned int how = 0; how < 2; how++) {
		world_init(&w, 1);
		for (unsigned int n = 0; n < 16; n++) {
			w.op = (struct op){ .kind = ALLOC, .blk = how ? n * 2 % 16 + n / 8 : n, .nr = 1, .max = 9 };
			assert_int_equal(mock_run(&w.store, op_body, &w), 0);
			w.blocks[0] = w.inode.blocks;
		}
		read_map(&w, &r, 0, MAP_DATA);
		assert_int_equal(r.got, 2);
		assert_int_equal(r.runs[0].nr, 16);
		mock_release(&w.store);
	}
}

static void test_damaged_items(void **state)
{
	const struct {
		uint64_t daddr;
		uint32_t len;
		uint8_t state, flags;
		size_t size;
		uint64_t blk;
	} cases[] = {
		{ 10, 0, 1, 0, 16, 3 },		 /* empty */
		{ 10, 3, 1, 0, 15, 3 },		 /* short */
		{ 10, 3, 2, 0, 16, 3 },		 /* no such state */
		{ 10, 3, 1, 2, 16, 3 },		 /* no such flag */
		{ 10, 3, 0, 1, 16, 3 },		 /* unwritten, but shared */
		{ DEV_END - 1, 3, 1, 0, 16, 3 }, /* over the device's end */
		{ 3, 3, 1, 0, 16, 3 },		 /* before its first block */
		{ daddr_make(7, 3), 3, 1, 0, 16, 3 },
		{ UINT64_MAX, 3, 1, 0, 16, 3 },
		{ 10, 3, 1, 0, 16, KEY_LOW_MAX }, /* beyond all files: never met */
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct disk_extent disk = { .daddr = le64_make(cases[i].daddr),
					    .len = le32_make(cases[i].len),
					    .state = cases[i].state,
					    .flags = cases[i].flags };

		for (unsigned int k = 0; k <= COW_CANCEL; k++) {
			struct world w;
			int want = cases[i].blk == 3 ? -EUCLEAN : k == CONVERT ? -ENXIO : 0;

			world_init(&w, 1);
			mock_put(&w.store, key_make(ZONE_FILE, 10, ITEM_EXTENT, cases[i].blk), &disk, cases[i].size);
			w.op = (struct op){ .kind = k, .blk = 3, .nr = 4, .tag = LIMBO_NONE, .max = 9 };
			assert_int_equal(mock_run(&w.store, op_body, &w), want);
			mock_release(&w.store);
		}
	}
}

/* Items that are right each but not together. */
static void test_contradictions(void **state)
{
	struct disk_extent disk = { .daddr = le64_make(20), .len = le32_make(8), .state = EXTENT_WRITTEN };
	struct reading r = { .nr = 20, .max = 9 };
	struct world w;

	world_init(&w, 1);
	w.blocks[0] = 100;
	mock_put(&w.store, key_make(ZONE_FILE, 10, ITEM_EXTENT, 4), &disk, sizeof(disk));
	w.op = (struct op){ .kind = PUNCH, .blk = 0, .nr = 20, .tag = LIMBO_NONE, .max = 9 };
	assert_int_equal(mock_run(&w.store, op_body, &w), -EUCLEAN); /* the blocks are free */
	mock_put(&w.store, key_make(ZONE_FILE, 10, ITEM_EXTENT, 9), &disk, sizeof(disk));
	assert_int_equal(mock_read(&w.store, read_body, &r), -EUCLEAN); /* overlapping */
	w.blocks[0] = 3;
	w.op = (struct op){ .kind = PUNCH, .blk = 4, .nr = 5, .tag = 1, .max = 9 };
	assert_int_equal(mock_run(&w.store, op_body, &w), -EUCLEAN); /* the inode has not so many */
	w.op = (struct op){ .kind = PUNCH, .blk = MAP_BLK_MAX, .nr = 1, .tag = 1, .max = 9 };
	assert_int_equal(mock_run(&w.store, op_body, &w), -EINVAL);
	w.op = (struct op){ .kind = PUNCH, .blk = 1, .nr = UINT64_MAX, .tag = 1, .max = 9 };
	assert_int_equal(mock_run(&w.store, op_body, &w), -EINVAL);
	w.op.nr = 0;
	assert_int_equal(mock_run(&w.store, op_body, &w), -EINVAL);
	mock_release(&w.store);
}

/* When the other owner is gone, blocks are written in place again, and none are reserved. */
static void test_unshare(void **state)
{
	static const struct {
		enum kind kind;
		unsigned int file;
	} ops[] = { { ALLOC, 0 },      { CONVERT, 0 }, { CLONE, 1 }, { ALLOC, 1 },
		    { COW_CANCEL, 1 }, { PUNCH, 0 },   { ALLOC, 1 } };
	static const uint64_t blocks[] = { 8, 8, 8, 16, 8, 0, 8 };
	struct reading r;
	struct world w;

	world_init(&w, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		w.op = (struct op){ .kind = ops[i].kind, .file = ops[i].file, .nr = 8, .tag = LIMBO_NONE, .max = 9 };
		assert_int_equal(mock_run(&w.store, op_body, &w), 0);
		w.blocks[ops[i].file] = w.inode.blocks;
		assert_int_equal(w.inode.blocks, blocks[i]);
	}
	read_map(&w, &r, 1, MAP_DATA);
	assert_true(r.runs[0].nr == 8 && r.runs[0].state == MAP_WRITTEN && !r.runs[0].shared);
	mock_release(&w.store);
}

struct next {
	uint64_t blk;
	struct map_extent e;
};

static int next_body(struct txn *txn, void *arg)
{
	struct next *n = arg;

	return map_next(txn, 10, MAP_DATA, n->blk, &n->e);
}

static void test_next(void **state)
{
	struct disk_extent disk = { .daddr = le64_make(20), .len = le32_make(8), .state = EXTENT_WRITTEN };
	struct next n = { .blk = 0 };
	struct world w;

	world_init(&w, 1);
	mock_put(&w.store, key_make(ZONE_FILE, 10, ITEM_EXTENT, 1000), &disk, sizeof(disk));
	assert_int_equal(mock_read(&w.store, next_body, &n), 0);
	assert_true(n.e.blk == 1000 && n.e.nr == 8 && n.e.daddr == 20 && n.e.state == MAP_WRITTEN);
	n.blk = 1003;
	assert_int_equal(mock_read(&w.store, next_body, &n), 0);
	assert_true(n.e.blk == 1003 && n.e.nr == 5 && n.e.daddr == 23);
	n.blk = 1008;
	assert_int_equal(mock_read(&w.store, next_body, &n), -ENOENT);
	mock_release(&w.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),	      cmocka_unit_test(test_stay_together),
		cmocka_unit_test(test_damaged_items), cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_next),	      cmocka_unit_test(test_unshare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
