/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workload of the crash test.  Promises: history says for every commit what the whole volume was right after it;
 * a promise is marked on the tape not before the store has given it.
 */
#include "tests/sim/crash_load.h"

#include <inttypes.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "dev/fiber.h"
#include "extent/format.h"
#include "extent/map.h"
#include "extent/name.h"

#define PUTS_MAX    12
#define VALUE_MIN   8
#define NAMES	    6
#define FILE_BLOCKS 40
#define MAP_STEPS   6
#define LIMBO_TAG   5
#define LOG_MAX	    (PUTS_MAX * (ITEM_VALUE_MAX + 32))

/* History */

void history_init(struct history *h, uint64_t base, uint64_t hash)
{
	*h = (struct history){ .base = base };
	history_set(h, base, hash);
}

void history_release(struct history *h)
{
	free(h->hash);
}

void history_set(struct history *h, uint64_t seq, uint64_t hash)
{
	size_t i = seq - h->base;

	assert(seq >= h->base);
	if (i >= h->room) {
		size_t room = 2 * i + 64;

		h->hash = sim_realloc(h->hash, room * sizeof(*h->hash));
		memset(h->hash + h->room, 0, (room - h->room) * sizeof(*h->hash));
		h->room = room;
	}
	h->hash[i] = hash;
	h->nr = max_u64(h->nr, i + 1);
}

uint64_t history_get(const struct history *h, uint64_t seq)
{
	return seq >= h->base && seq - h->base < h->nr ? h->hash[seq - h->base] : 0;
}

/* Values */

static struct key key_of(unsigned int index)
{
	/* Neighbours in number are not neighbours in the tree. */
	return key_make(ZONE_STATE, index * 7 % 5, 1, index);
}

static size_t value_make(uint64_t version, unsigned int value_max, uint8_t *out)
{
	struct sim_rng dice = sim_rng_make(version, 0x7a1);
	size_t len = sim_rng_between(&dice, VALUE_MIN, value_max);

	memcpy(out, &version, sizeof(version));
	for (size_t i = sizeof(version); i < len; i++)
		out[i] = (uint8_t)(version + i * 37);
	return len;
}

/* The version of a value, 0 if no version has these bytes.  The length depends on who wrote it: any will do. */
static uint64_t value_version(const uint8_t *val, size_t len)
{
	uint64_t version;

	if (len < VALUE_MIN)
		return 0;
	memcpy(&version, val, sizeof(version));
	for (size_t i = sizeof(version); i < len; i++)
		if (val[i] != (uint8_t)(version + i * 37))
			return 0;
	return version;
}

/* Looking */

static void look_state_item(struct load_view *v, const struct item *item)
{
	uint64_t index = key_off(item->key);

	if (index >= LOAD_KEYS || key_cmp(item->key, key_of((unsigned int)index)) != 0)
		snprintf(v->wrong, sizeof(v->wrong), "an item of ZONE_STATE with a key that nobody wrote");
	else if ((v->version[index] = value_version(item->val, item->len)) == 0)
		snprintf(v->wrong, sizeof(v->wrong), "state item %" PRIu64 " has bytes that nobody wrote", index);
}

static void look_item(struct load_view *v, const struct item *item)
{
	uint8_t zone = key_zone(item->key), type = key_type(item->key);

	v->items++;
	v->hash = XXH3_64bits_withSeed(&item->key, sizeof(item->key), v->hash);
	v->hash = XXH3_64bits_withSeed(item->val, item->len, v->hash + item->len + 1);
	if (!item_is_valid(item->key, item->val, item->len)) {
		snprintf(v->wrong, sizeof(v->wrong), "an invalid item in zone %u", zone);
		return;
	}
	if (zone == ZONE_STATE)
		look_state_item(v, item);
	v->inodes += zone == ZONE_FILE && type == ITEM_INODE;
	v->orphans += zone == ZONE_ORPHAN;
	if (zone == ZONE_FREE && type == ITEM_FREE_ADDR)
		v->free_blocks += le64_get(((const struct disk_free *)item->val)->len);
	if (zone == ZONE_LIMBO)
		v->limbo_blocks += le64_get(((const struct disk_free *)item->val)->len);
}

int load_look(struct txn *txn, struct load_view *ret_view)
{
	struct key from = KEY_MIN;
	struct item item;
	int err;

	*ret_view = (struct load_view){ .hash = 1 };
	while (!(err = txn_next(txn, from, KEY_MAX, &item))) {
		look_item(ret_view, &item);
		from = item.key;
		if (++from.lo == 0)
			from.hi++;
	}
	return err == -ENOENT ? 0 : err;
}

static int look_body(struct txn *txn, void *arg)
{
	return load_look(txn, arg);
}

FIBER_FN int load_look_at(struct fs *fs, struct load_view *ret_view)
{
	struct fs_stats stats;
	int err = txn_read(fs, look_body, ret_view);

	if (err || ret_view->wrong[0])
		return err;
	fs_stats(fs, &stats);
	if (stats.items != ret_view->items || stats.inodes != ret_view->inodes ||
	    stats.orphans != ret_view->orphans || stats.free_blocks != ret_view->free_blocks ||
	    stats.limbo_blocks != ret_view->limbo_blocks)
		snprintf(ret_view->wrong, sizeof(ret_view->wrong),
			 "the store counts %" PRIu64 " items, %" PRIu64 " inodes, %" PRIu64 " free blocks; there are "
			 "%" PRIu64 ", %" PRIu64 ", %" PRIu64,
			 stats.items, stats.inodes, stats.free_blocks, ret_view->items, ret_view->inodes,
			 ret_view->free_blocks);
	return 0;
}

/* One transaction */

enum op_kind {
	OP_ITEMS,
	OP_CREATE,
	OP_MKDIR,
	OP_UNLINK,
	OP_RENAME,
	OP_LINK,
	OP_SYMLINK,
	OP_ALLOC,
	OP_CONVERT,
	OP_PUNCH,
	OP_CLONE,
	OP_RELEASE, /* limbo */
	OP_KINDS,
};

/* Drawn before the body runs, for that may run several times. */
struct op {
	struct load *l;
	enum op_kind kind;
	unsigned int nr;
	unsigned int index[PUTS_MAX];
	uint64_t version[PUTS_MAX]; /* 0: delete */
	bool fails;		    /* on purpose, when all is done */
	uint64_t noted;		    /* the number under which the body noted what it leaves */
	char name[2][16];
	uint64_t blk[2], nr_blks; /* of a file */
	struct load_model after;
};

static void load_fail(struct load *l, const char *fmt, ...) PRINTF_FMT(2, 3);
static void load_fail(struct load *l, const char *fmt, ...)
{
	va_list ap;

	if (l->wrong[0])
		return;
	va_start(ap, fmt);
	vsnprintf(l->wrong, sizeof(l->wrong), fmt, ap);
	va_end(ap);
}

static void mark(struct load *l, enum load_mark what, uint64_t seq)
{
	if (l->tape)
		sim_tape_mark(l->tape, what, seq);
}

static int op_items(struct txn *txn, const struct op *o)
{
	uint8_t val[ITEM_VALUE_MAX];
	int err = 0;

	for (unsigned int i = 0; i < o->nr && !err; i++) {
		struct key key = key_of(o->index[i]);

		if (o->version[i])
			err = txn_put(txn, key, val, value_make(o->version[i], o->l->shape.value_max, val));
		else
			err = txn_delete(txn, key);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

static int op_convert(struct txn *txn, const struct op *o, struct inode *inode)
{
	uint64_t stop;
	int err = map_alloc(txn, inode, o->blk[0], o->nr_blks, &(struct map_want){ 0 }, MAP_STEPS, &stop);

	if (!err && stop > o->blk[0])
		err = map_convert(txn, inode, o->blk[0], stop - o->blk[0], LIMBO_TAG, MAP_STEPS, &stop);
	return err;
}

/* Allocate, write, punch and clone blocks of the first file, from the second one. */
static int op_map(struct txn *txn, const struct op *o)
{
	struct name_at at = { INO_ROOT, o->name[0], strlen(o->name[0]) };
	struct name_at from = { INO_ROOT, o->name[1], strlen(o->name[1]) };
	struct name_create how = { .mode = S_IFREG | 0644 };
	struct name_result file, source;
	uint64_t stop;
	bool more;
	int err = o->kind == OP_RELEASE ? limbo_release(txn, LIMBO_TAG, MAP_STEPS, &more) : 0;

	if (err || o->kind == OP_RELEASE)
		return err;
	err = name_lookup(txn, &at, &file);
	if (err == -ENOENT)
		err = name_create(txn, &at, &how, &file);
	source = file;
	if (!err && o->kind == OP_CLONE)
		err = name_lookup(txn, &from, &source);
	if (err)
		return err;
	if (o->kind == OP_ALLOC)
		err = map_alloc(txn, &file.inode, o->blk[0], o->nr_blks, &(struct map_want){ 0 }, MAP_STEPS, &stop);
	else if (o->kind == OP_CONVERT)
		err = op_convert(txn, o, &file.inode);
	else if (o->kind == OP_PUNCH)
		err = map_punch(txn, &file.inode, o->blk[0], o->nr_blks, LIMBO_TAG, MAP_STEPS, &stop);
	else
		err = map_clone(txn, source.inode.ino, o->blk[1], &file.inode, o->blk[0], o->nr_blks, LIMBO_TAG,
				MAP_STEPS, &stop);
	if (o->kind == OP_CONVERT || o->kind == OP_CLONE) /* nothing written behind the end */
		file.inode.size = max_u64(file.inode.size, (o->blk[0] + o->nr_blks) * DADDR_BLOCK_SIZE);
	inode_touch(txn, &file.inode, true);
	return err ? err : inode_put(txn, &file.inode);
}

static int op_names(struct txn *txn, const struct op *o)
{
	struct name_at at = { INO_ROOT, o->name[0], strlen(o->name[0]) };
	struct name_at to = { INO_ROOT, o->name[1], strlen(o->name[1]) };
	struct name_create how = { .mode = S_IFREG | 0644 };
	struct name_rename_result renamed;
	struct name_result res;
	int err;

	switch (o->kind) {
	case OP_MKDIR:
		how.mode = S_IFDIR | 0755;
		return name_create(txn, &at, &how, &res);
	case OP_SYMLINK:
		how = (struct name_create){ .mode = S_IFLNK | 0777, .target = "to", .target_len = 2 };
		return name_create(txn, &at, &how, &res);
	case OP_UNLINK:
		return name_unlink(txn, &at, &res);
	case OP_RENAME:
		return name_rename(txn, &at, &to, 0, &renamed);
	case OP_LINK:
		err = name_lookup(txn, &at, &res);
		return err ? err : name_link(txn, res.inode.ino, &to, &res);
	case OP_ALLOC:
	case OP_CONVERT:
	case OP_PUNCH:
	case OP_CLONE:
	case OP_RELEASE:
		return op_map(txn, o);
	default:
		return name_create(txn, &at, &how, &res);
	}
}

/* The model's opinion of the items that @v saw. */
static void check_model(struct load *l, const struct load_model *m, const struct load_view *v, const char *when)
{
	if (v->wrong[0])
		load_fail(l, "%s: %s", when, v->wrong);
	for (unsigned int i = 0; i < LOAD_KEYS; i++)
		if (v->version[i] != m->version[i])
			load_fail(l, "%s: state item %u has version %" PRIu64 " instead of %" PRIu64, when, i,
				  v->version[i], m->version[i]);
}

/* A transaction of the store's own (growing) may have gone before ours: note what it left. */
static int note_before(struct txn *txn, struct load *l)
{
	uint64_t before = txn_seq(txn) - 1;
	struct load_view v;
	int err;

	if (history_get(l->history, before))
		return 0;
	err = load_look(txn, &v);
	if (!err) {
		check_model(l, &l->model, &v, "before a transaction");
		history_set(l->history, before, v.hash);
	}
	return err;
}

static int op_body(struct txn *txn, void *arg)
{
	struct op *o = arg;
	struct load_view v;
	int err = note_before(txn, o->l);

	if (!err)
		err = o->kind == OP_ITEMS ? op_items(txn, o) : op_names(txn, o);
	if (!err)
		err = load_look(txn, &v);
	if (err)
		return err;
	/* Made only now: until the body ran, others could still change the model. */
	o->after = o->l->model;
	for (unsigned int i = 0; i < o->nr; i++)
		o->after.version[o->index[i]] = o->version[i];
	check_model(o->l, &o->after, &v, "in a transaction");
	if (o->l->wrong[0] || o->fails)
		return -ECANCELED;
	o->noted = txn_seq(txn);
	history_set(o->l->history, o->noted, v.hash);
	return 0;
}

/* By kind, so that most of what is tried can be done: f are files, d directories, s symbolic links. */
static void op_draw_names(struct op *o, struct sim_rng *dice)
{
	char kind = 'f';

	if (o->kind == OP_MKDIR)
		kind = 'd';
	else if (o->kind == OP_SYMLINK)
		kind = 's';
	else if (o->kind == OP_UNLINK || o->kind == OP_RENAME)
		kind = "ffds"[sim_rng_below(dice, 4)];
	for (unsigned int i = 0; i < 2; i++)
		snprintf(o->name[i], sizeof(o->name[i]), "%c%u", kind, (unsigned int)sim_rng_below(dice, NAMES));
}

static void op_draw(struct op *o, struct load *l, struct sim_rng *dice)
{
	const struct load_shape *s = &l->shape;

	*o = (struct op){ .l = l, .kind = OP_ITEMS };
	if (sim_rng_chance(dice, s->names, 8))
		o->kind = (enum op_kind)sim_rng_between(dice, OP_ITEMS + 1, OP_KINDS - 1);
	o->fails = sim_rng_chance(dice, 1, 16);
	op_draw_names(o, dice);
	for (unsigned int i = 0; i < 2; i++)
		o->blk[i] = sim_rng_below(dice, FILE_BLOCKS);
	o->nr_blks = sim_rng_between(dice, 1, FILE_BLOCKS);
	if (o->kind != OP_ITEMS)
		return;
	o->nr = (unsigned int)sim_rng_between(dice, 1, s->puts);
	for (unsigned int i = 0; i < o->nr; i++) {
		o->index[i] = (unsigned int)sim_rng_below(dice, s->keys);
		o->version[i] = sim_rng_chance(dice, 1, 3) ? 0 : l->model.next_version++;
	}
}

static bool is_store_error(int err)
{
	return err == -EIO || err == -EROFS || err == -EUCLEAN || err == -ENOMEM || err == -ERESTART || err == -E2BIG;
}

static FIBER_FN void op_run(struct load *l, struct sim_rng *dice, uint64_t *ret_seq)
{
	static const struct txn_options opt = { .name = "crash", .log_max = LOG_MAX };
	uint64_t seq = 0;
	struct op o;
	int err;

	op_draw(&o, l, dice);
	err = txn_run(l->fs, &opt, op_body, &o, &seq);
	if (is_store_error(err))
		load_fail(l, "a transaction failed: %s", strerror(-err));
	/* It changed nothing and has no number: that number may become somebody else's. */
	if (!err && seq == 0)
		history_set(l->history, o.noted, 0);
	if (err || seq == 0)
		return;
	for (unsigned int i = 0; i < o.nr; i++)
		l->model.version[o.index[i]] = o.version[i];
	l->last_seq = seq;
	l->commits++;
	*ret_seq = seq;
	mark(l, LOAD_COMMITTED, seq);
}

/* Fibers */

static FIBER_FN void wait_durable(struct load *l, uint64_t seq)
{
	int err = txn_wait_durable(l->fs, seq);

	if (err)
		load_fail(l, "waiting for durability failed: %s", strerror(-err));
	else
		mark(l, LOAD_PROMISED, seq);
}

static FIBER_FN void checkpoint(struct load *l)
{
	uint64_t seq = l->last_seq;
	int err = fs_checkpoint(l->fs);

	if (err)
		load_fail(l, "a checkpoint failed: %s", strerror(-err));
	else
		mark(l, LOAD_PROMISED, seq);
}

struct walker {
	struct load *l;
	struct sim_rng dice;
	struct fiber *fiber;
};

static FIBER_FN void walker_main(void *arg)
{
	struct walker *w = arg;
	struct load *l = w->l;
	uint64_t seq = 0;

	for (unsigned int i = 0; i < l->shape.txns && !l->wrong[0]; i++) {
		op_run(l, &w->dice, &seq);
		if (seq && !l->wrong[0] && sim_rng_chance(&w->dice, 1, 2))
			wait_durable(l, seq);
		if (sim_rng_chance(&w->dice, 1, 8))
			fiber_sleep_ns(sim_rng_below(&w->dice, 4000000));
		if (!l->wrong[0] && sim_rng_chance(&w->dice, l->shape.checkpoint, 64))
			checkpoint(l);
	}
}

FIBER_FN bool load_run(struct load *l)
{
	struct walker walker[16];
	unsigned int nr = (unsigned int)min_u64(l->shape.fibers, ARRAY_SIZE(walker));

	assert(l->shape.puts <= PUTS_MAX && l->shape.keys <= LOAD_KEYS && l->shape.value_max <= ITEM_VALUE_MAX);
	for (unsigned int i = 0; i < nr; i++) {
		struct walker *w = &walker[i];

		*w = (struct walker){ .l = l, .dice = sim_rng_make(l->shape.seed, 0x10ad + i) };
		if (fiber_spawn(fiber_reactor(), "walker", walker_main, w, &w->fiber))
			abort();
	}
	for (unsigned int i = 0; i < nr; i++)
		fiber_join(walker[i].fiber);
	return !l->wrong[0];
}
