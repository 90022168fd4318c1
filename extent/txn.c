/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises: a body sees and makes one instant of the store, because nothing switches while it runs; a failed body
 * leaves every item as it was; a committed one is in the tree and in the journal's gathering record before anybody
 * else runs.  Undoing needs neither memory nor blocks: every leaf that a change touched is dirty and in memory, and
 * what was there before fits again, since thin leaves are merged only after the commit.
 */

#include "extent/txn.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/btree.h"
#include "extent/fs_int.h"
#include "extent/node.h"

/* Blocks that a restarting body may fetch: they stay in memory until it has run, or it would never end. */
#define TXN_PINS_MAX   16384
#define TXN_PINS_FIRST 16
/* Reads under way at a time while a replay prefetches. */
#define TXN_PREFETCH_MAX 128
#define TXN_UNDO_KEEP	 (4u << 20)

struct undo_entry {
	struct key key;
	uint32_t len; /* of the old value, which lies before this entry */
	bool existed;
};

struct txn_pins {
	struct block *first[TXN_PINS_FIRST];
	struct block **more; /* instead of first, when that is full */
	unsigned int nr;
	unsigned int cap;
};

struct fs *txn_fs(struct txn *txn)
{
	return txn->fs;
}

uint64_t txn_wall_ns(const struct txn *txn)
{
	return txn->wall_ns;
}

uint64_t txn_seq(const struct txn *txn)
{
	const struct fs *fs = txn->fs;

	return fs->journal ? journal_next_seq(fs->journal) : fs->txn_seq + 1;
}

void txn_note_freed(struct txn *txn)
{
	assert(txn->running);
	txn->fs->freed_seq = txn_seq(txn);
}

uint64_t txn_new_ino(struct txn *txn)
{
	assert(txn->changing);
	assert(txn->fs->next_ino < KEY_LOW_MAX);
	return txn->fs->next_ino++;
}

uint64_t txn_hash_seed(const struct txn *txn)
{
	return txn->fs->super.hash_seed;
}

unsigned int txn_nr_devices(const struct txn *txn)
{
	return txn->fs->nr_devs;
}

void txn_device_range(const struct txn *txn, unsigned int dev, uint64_t *ret_first, uint64_t *ret_end)
{
	assert(dev < txn->fs->nr_devs);
	*ret_first = txn->fs->device[dev].first_block;
	*ret_end = txn->fs->device[dev].end_block;
}

/* Items */

int txn_get(struct txn *txn, struct key key, struct item *ret_item)
{
	assert(txn->running);
	return btree_get(txn, key, ret_item);
}

int txn_next(struct txn *txn, struct key from, struct key last, struct item *ret_item)
{
	assert(txn->running);
	return btree_next(txn, from, last, ret_item);
}

int txn_prev(struct txn *txn, struct key from, struct key first, struct item *ret_item)
{
	assert(txn->running);
	return btree_prev(txn, from, first, ret_item);
}

/* Carry the volume's counters over the change of one item from @old to @val; NULL is no item. */
static void txn_count(struct fs *fs, struct key key, const void *old, const void *val)
{
	struct super_counts *counts = &fs->counts;
	uint64_t one = val ? 1 : (uint64_t)-1;

	if (!old || !val)
		counts->items += one;
	switch (key_zone(key)) {
	case ZONE_FREE:
	case ZONE_LIMBO: {
		uint64_t *sum = key_zone(key) == ZONE_FREE ? &counts->free_blocks : &counts->limbo_blocks;

		if (key_zone(key) == ZONE_FREE && key_type(key) != ITEM_FREE_ADDR)
			return;
		*sum += val ? le64_get(((const struct disk_free *)val)->len) : 0;
		*sum -= old ? le64_get(((const struct disk_free *)old)->len) : 0;
		return;
	}
	case ZONE_ORPHAN:
		if (!old || !val)
			counts->orphans += one;
		return;
	case ZONE_FILE:
		if (key_type(key) == ITEM_INODE && (!old || !val))
			counts->inodes += one;
		return;
	default:
		return;
	}
}

static int undo_reserve(struct txn *txn, size_t len)
{
	size_t cap = txn->undo_cap ? txn->undo_cap : TXN_UNDO_FIRST;
	void *mem;

	while (cap < txn->undo_len + len)
		cap *= 2;
	if (cap == txn->undo_cap)
		return 0;
	mem = realloc(txn->undo, cap);
	if (!mem)
		return -ENOMEM;
	txn->undo = mem;
	txn->undo_cap = cap;
	return 0;
}

/* Room for it was reserved. */
static void undo_push(struct txn *txn, struct key key, const struct item *old)
{
	struct undo_entry e = { .key = key, .existed = old != NULL, .len = old ? (uint32_t)old->len : 0 };

	if (old && old->len > 0)
		memcpy(txn->undo + txn->undo_len, old->val, old->len);
	txn->undo_len += e.len;
	memcpy(txn->undo + txn->undo_len, &e, sizeof(e));
	txn->undo_len += sizeof(e);
}

/* A change of the same item earlier in this transaction, if its place in the log can be used again. */
static struct txn_recent *log_find(struct txn *txn, struct key key, size_t len)
{
	unsigned int nr = txn->nr_recent < TXN_RECENT ? txn->nr_recent : TXN_RECENT;

	for (unsigned int i = 0; i < nr; i++) {
		struct txn_recent *r = &txn->recent[(txn->nr_recent - 1 - i) % TXN_RECENT];

		if (key_cmp(r->key, key) == 0)
			return r->len == len ? r : NULL;
	}
	return NULL;
}

static int log_check(const struct txn *txn, size_t len)
{
	if (txn->log && txn->log_len + sizeof(struct disk_change) + len > txn->log_max)
		return -E2BIG;
	return 0;
}

/* Room for it was checked.  @val NULL: a deletion. */
static void log_append(struct txn *txn, struct key key, const void *val, size_t len)
{
	struct disk_change c = { .hi = le64_make(key.hi), .lo = le64_make(key.lo), .len = le16_make((uint16_t)len) };
	struct txn_recent *recent = val ? log_find(txn, key, len) : NULL;

	txn->nr++;
	if (!txn->log)
		return;
	if (recent) {
		txn->nr--;
		memcpy(txn->log + recent->off, val, len);
		return;
	}
	c.op = val ? CHANGE_PUT : CHANGE_DELETE;
	memcpy(txn->log + txn->log_len, &c, sizeof(c));
	txn->log_len += sizeof(c);
	txn->recent[txn->nr_recent++ % TXN_RECENT] =
		(struct txn_recent){ .key = key, .off = txn->log_len, .len = val ? len : SIZE_MAX };
	if (len > 0)
		memcpy(txn->log + txn->log_len, val, len);
	txn->log_len += len;
}

/* Make the item of @key changeable to @len bytes and remember what it was. */
static int txn_prepare(struct txn *txn, struct key key, size_t len, bool must_exist, struct btree_spot *ret_spot,
		       struct item *ret_old)
{
	struct btree_spot spot;
	struct item old = { .key = key, .val = NULL, .len = 0 };
	int err = btree_prepare(txn, key, len, &spot);

	if (err)
		return err;
	if (spot.found)
		leaf_item(spot.leaf, spot.slot, &old);
	else if (must_exist)
		return -ENOENT;
	err = log_check(txn, len == BTREE_NO_ROOM ? 0 : len);
	if (!err)
		err = undo_reserve(txn, old.len + sizeof(struct undo_entry));
	if (err)
		return err;
	undo_push(txn, key, spot.found ? &old : NULL);
	if (key_zone(key) == ZONE_FILE)
		fs_note_change(txn->fs, key_obj(key));
	*ret_spot = spot;
	*ret_old = old;
	return 0;
}

int txn_put(struct txn *txn, struct key key, const void *val, size_t len)
{
	static const char empty;
	struct btree_spot spot;
	struct item old;
	int err;

	assert(txn->running);
	assert(txn->changing);
	assert(len <= ITEM_VALUE_MAX);
	if (!val)
		val = &empty;
	assert(item_is_valid(key, val, len));
	err = txn_prepare(txn, key, len, false, &spot, &old);
	if (err)
		return err;
	txn_count(txn->fs, key, old.val, val);
	log_append(txn, key, val, len);
	btree_store(&spot, key, val, len);
	return 0;
}

int txn_delete(struct txn *txn, struct key key)
{
	struct btree_spot spot;
	struct item old;
	int err;

	assert(txn->running);
	assert(txn->changing);
	err = txn_prepare(txn, key, BTREE_NO_ROOM, true, &spot, &old);
	if (err)
		return err;
	txn_count(txn->fs, key, old.val, NULL);
	log_append(txn, key, NULL, 0);
	if (btree_erase(&spot) && txn->nr_thin < TXN_THIN_MAX)
		txn->thin[txn->nr_thin++] = key;
	return 0;
}

/* Undo */

static void txn_undo_one(struct txn *txn, const struct undo_entry *e, const void *old)
{
	struct btree_spot spot;
	int err = btree_prepare(txn, e->key, e->existed ? e->len : BTREE_NO_ROOM, &spot);

	assert(!err);
	assert(e->existed || spot.found);
	if (e->existed)
		btree_store(&spot, e->key, old, e->len);
	else
		btree_erase(&spot);
}

static void txn_undo(struct txn *txn)
{
	txn->undoing = true;
	while (txn->undo_len > 0) {
		struct undo_entry e;

		txn->undo_len -= sizeof(e);
		memcpy(&e, txn->undo + txn->undo_len, sizeof(e));
		txn->undo_len -= e.len;
		txn_undo_one(txn, &e, txn->undo + txn->undo_len);
	}
	txn->undoing = false;
	txn->fs->counts = txn->counts;
	txn->fs->next_ino = txn->next_ino;
	txn->fs->nr_undone++;
}

/* One run of a body */

static void txn_begin(struct fs *fs, const struct txn_options *opt, bool changing)
{
	struct txn *txn = &fs->txn;

	assert(!txn->running); /* bodies do not nest */
	txn->fs = fs;
	txn->running = true;
	txn->changing = changing;
	txn->reserve = opt && opt->frees_space ? 0 : fs_metadata_reserve(fs);
	txn->wall_ns = reactor_wall_ns(fs->reactor);
	txn->missing = NULL;
	txn->need_space = false;
	txn->log = NULL;
	txn->log_len = 0;
	txn->nr = 0;
	txn->nr_recent = 0;
	txn->undo_len = 0;
	txn->counts = fs->counts;
	txn->next_ino = fs->next_ino;
	txn->nr_thin = 0;
}

static void txn_end(struct txn *txn)
{
	/* One very large transaction is no reason to keep its memory. */
	if (txn->undo_cap > TXN_UNDO_KEEP) {
		free(txn->undo);
		txn->undo = NULL;
		txn->undo_cap = 0;
	}
	for (unsigned int i = 0; i < txn->nr_thin; i++)
		btree_merge_thin(txn, txn->thin[i]);
	txn->running = false;
}

static uint64_t txn_commit(struct txn *txn)
{
	struct fs *fs = txn->fs;

	if (txn->nr == 0)
		return 0;
	fs->nr_txns++;
	if (fs->bulk)
		return fs->txn_seq;
	fs->txn_seq = fs->journal ? journal_commit(fs->journal, txn->log_len, txn->nr) : fs->txn_seq + 1;
	return fs->txn_seq;
}

static int txn_run_once(struct fs *fs, const struct txn_options *opt, bool changing, size_t log_max,
			int (*body)(struct txn *txn, void *arg), void *arg, uint64_t *ret_seq)
{
	struct txn *txn = &fs->txn;
	int err;

	fiber_no_switch_begin();
	txn_begin(fs, opt, changing);
	if (changing && fs->journal && !fs->bulk) {
		txn->log = journal_begin(fs->journal);
		txn->log_max = log_max;
	}
	err = body(txn, arg);
	if (!err) {
		uint64_t seq = txn_commit(txn);

		if (ret_seq)
			*ret_seq = seq;
	} else {
		/* A block that failed to be read for somebody else is no reason to merge now. */
		txn->nr_thin = 0;
		txn_undo(txn);
	}
	txn_end(txn);
	fiber_no_switch_end();
	return err;
}

static struct block **pins_array(struct txn_pins *pins)
{
	return pins->more ? pins->more : pins->first;
}

static void pins_release(struct txn_pins *pins)
{
	for (unsigned int i = 0; i < pins->nr; i++)
		block_unpin(pins_array(pins)[i]);
	free(pins->more);
}

static int pins_add(struct txn_pins *pins, struct block *b)
{
	if (pins->nr == TXN_PINS_MAX)
		return -E2BIG;
	if (pins->nr == (pins->more ? pins->cap : TXN_PINS_FIRST)) {
		unsigned int cap = 4 * pins->nr;
		struct block **more = realloc(pins->more, cap * sizeof(struct block *));

		if (!more)
			return -ENOMEM;
		if (!pins->more)
			memcpy(more, pins->first, sizeof(pins->first));
		pins->more = more;
		pins->cap = cap;
	}
	block_pin(b);
	pins_array(pins)[pins->nr++] = b;
	return 0;
}

/* Move what is dirty to disk: by the checkpoint fiber, or while replaying by ourselves. */
FIBER_FN static int txn_checkpoint(struct fs *fs)
{
	if (fs->journal)
		return ckpt_wait(fs);
	/* A replay for reading only keeps all in memory: the ring bounds it. */
	return fs->read_only ? 0 : ckpt_write(fs);
}

/*
 * Metadata space has run out under a body that must leave @reserve blocks free: release what a checkpoint can, or add
 * a chunk.  0: try again.
 */
FIBER_FN static int txn_find_space(struct fs *fs, uint64_t reserve)
{
	if (fs->chunks.nr_gone + fs->chunks.nr_freeing > 0) {
		int err = txn_checkpoint(fs);

		if (err || fs->chunks.free > reserve + BLOCK_LEVEL_MAX)
			return err;
	}
	return fs_grow_metadata(fs);
}

/* Do what -ERESTART asked for.  0: run again. */
FIBER_FN static int txn_restart(struct fs *fs, struct txn_pins *pins)
{
	struct txn *txn = &fs->txn;
	struct block *missing = txn->missing;

	fs->nr_restarts++;
	if (missing) {
		int err = pins_add(pins, missing);

		return err ? err : block_wait(missing);
	}
	/* -ERESTART comes from nowhere else. */
	assert(txn->need_space);
	return txn_find_space(fs, txn->reserve);
}

void txn_wait_held(struct fs *fs)
{
	while (fs->holder && fs->holder != fiber_self())
		wait_queue_wait(&fs->held);
}

void txn_hold(struct fs *fs)
{
	/* Who adds a chunk now would wait for us, and we perhaps for him. */
	while (fs->grower || fs->holder) {
		txn_wait_held(fs);
		if (fs->grower)
			wait_queue_wait(&fs->grown);
	}
	fs->holder = fiber_self();
	fs_bulk_begin(fs);
}

void txn_unhold(struct fs *fs)
{
	assert(fs->holder == fiber_self());
	assert(!fs->bulk);
	fs->holder = NULL;
	wait_queue_wake_all(&fs->held);
}

/* Not too far ahead of the checkpoint, room in the journal. */
FIBER_FN static int txn_admit_once(struct fs *fs, size_t log_max)
{
	if (fs->failed)
		return -EROFS;
	fs_grow_early(fs);
	while (fs->cache.nr_dirty + fs->cache.nr_frozen > fs->opt.dirty_blocks_max && !fs->read_only) {
		int err = txn_checkpoint(fs);

		if (err)
			return err;
	}
	return fs->journal ? journal_wait_room(fs->journal, log_max) : 0;
}

/* Before a changing transaction.  Nothing switches between the return and the body. */
FIBER_FN static int txn_admit(struct fs *fs, size_t log_max)
{
	int err;

	do {
		txn_wait_held(fs);
		err = txn_admit_once(fs, log_max);
	} while (!err && fs->holder && fs->holder != fiber_self());
	return err;
}

/* What a failed body means for the store: its error stays its own unless it is about metadata. */
static int txn_failed(struct fs *fs, const struct txn_options *opt, int err)
{
	if (err == -EUCLEAN)
		fs_fail(fs, "transaction \"%s\" met damaged metadata", opt && opt->name ? opt->name : "?");
	return err;
}

FIBER_FN static int txn_loop(struct fs *fs, const struct txn_options *opt, bool changing,
			     int (*body)(struct txn *txn, void *arg), void *arg, uint64_t *ret_seq)
{
	size_t log_max = opt && opt->log_max ? opt->log_max : TXN_LOG_DEFAULT;
	struct txn_pins pins = { .nr = 0 };
	int err;

	assert(log_max <= TXN_LOG_MAX);
	do {
		err = changing ? txn_admit(fs, log_max) : 0;
		if (err)
			break;
		block_cache_shrink(fs);
		err = txn_run_once(fs, opt, changing, log_max, body, arg, ret_seq);
		if (!err)
			break;
		err = err == -ERESTART ? txn_restart(fs, &pins) : txn_failed(fs, opt, err);
	} while (!err);
	pins_release(&pins);
	return err;
}

int txn_run(struct fs *fs, const struct txn_options *opt, int (*body)(struct txn *txn, void *arg), void *arg,
	    uint64_t *ret_seq)
{
	int err = fs->read_only ? -EROFS : txn_loop(fs, opt, true, body, arg, ret_seq);

	if (!err)
		ckpt_consider(fs);
	return err;
}

int txn_read(struct fs *fs, int (*body)(struct txn *txn, void *arg), void *arg)
{
	return txn_loop(fs, NULL, false, body, arg, NULL);
}

int txn_wait_durable(struct fs *fs, uint64_t seq)
{
	int err = journal_wait_durable(fs->journal, seq);

	if (err)
		fs_fail(fs, "the journal could not be written (%s)", strerror(-err));
	return err;
}

int txn_run_unlogged(struct fs *fs, int (*body)(struct txn *txn, void *arg), void *arg)
{
	static const struct txn_options opt = { .name = "unlogged", .frees_space = true };

	assert(!fs->journal);
	return txn_loop(fs, &opt, true, body, arg, NULL);
}

void txn_release(struct fs *fs)
{
	assert(!fs->txn.running);
	free(fs->txn.undo);
	fs->txn.undo = NULL;
	fs->txn.undo_cap = 0;
}

/* Replay */

struct replay {
	const uint8_t *changes;
	size_t len;
};

static int replay_one(struct txn *txn, const struct disk_change *c, const void *val, size_t len)
{
	struct key key = { le64_get(c->hi), le64_get(c->lo) };
	int err;

	if (c->op == CHANGE_DELETE) {
		err = txn_delete(txn, key);
		return err == -ENOENT ? -EUCLEAN : err;
	}
	if (len > ITEM_VALUE_MAX || !item_is_valid(key, val, len))
		return -EUCLEAN;
	/* Of a device that an older superblock does not have yet. */
	if (key_zone(key) == ZONE_FREE && daddr_dev(key_off(key)) >= txn->fs->nr_devs)
		return -EUCLEAN;
	if (key_zone(key) == ZONE_FILE && key_type(key) == ITEM_INODE)
		txn->fs->next_ino = max_u64(txn->fs->next_ino, key_obj(key) + 1);
	return txn_put(txn, key, val, len);
}

static int replay_body(struct txn *txn, void *arg)
{
	const struct replay *r = arg;
	size_t off = 0;
	int err = 0;

	while (!err && off < r->len) {
		struct disk_change c;
		size_t len;

		memcpy(&c, r->changes + off, sizeof(c));
		len = le16_get(c.len);
		err = replay_one(txn, &c, r->changes + off + sizeof(c), len);
		off += sizeof(c) + len;
	}
	return err;
}

/* The chunks that a replayed transaction adds are there for the ones after it. */
static int replay_chunks(struct fs *fs, const struct replay *r)
{
	for (size_t off = 0; off < r->len;) {
		struct disk_change c;
		struct disk_chunk_item item;
		struct key key;
		int err;

		memcpy(&c, r->changes + off, sizeof(c));
		off += sizeof(c) + le16_get(c.len);
		key = (struct key){ le64_get(c.hi), le64_get(c.lo) };
		if (key_zone(key) != ZONE_VOLUME || key_type(key) != ITEM_CHUNK || c.op != CHANGE_PUT)
			continue;
		memcpy(&item, r->changes + off - sizeof(item), sizeof(item));
		err = key_off(key) == fs->chunks.nr ? chunk_add(&fs->chunks, le64_get(item.daddr)) : -EUCLEAN;
		if (err)
			return err;
	}
	return 0;
}

int txn_replay(struct fs *fs, uint64_t seq, const void *changes, size_t len)
{
	struct replay r = { .changes = changes, .len = len };
	int err = txn_run_unlogged(fs, replay_body, &r);

	if (!err)
		err = replay_chunks(fs, &r);
	if (!err)
		fs->txn_seq = seq;
	return err;
}

static int prefetch_body(struct txn *txn, void *arg)
{
	return btree_fetch(txn, *(const struct key *)arg);
}

void txn_prefetch(struct fs *fs, struct key key)
{
	int err = txn_read(fs, prefetch_body, &key);

	/* Whoever needs the block will meet the error. */
	if (err)
		return;
	while (fs->nr_reading > TXN_PREFETCH_MAX)
		fiber_sleep_ns(20000);
}
