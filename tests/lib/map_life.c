/* SPDX-License-Identifier: Apache-2.0 */

/* See the header: operations on files, what the inode must say after each, and the comparison after a mount. */

#include "tests/lib/map_life.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/name.h"
#include "extent/orphan.h"
#include "tests/lib/check.h"
#include "tests/lib/tree_model.h"

enum act {
	ACT_MAP,
	ACT_CREATE,
	ACT_UNLINK,
	ACT_SHRINK,
	ACT_TRIM,
	ACT_REAP,
	ACTS
};

struct call {
	struct map_life *life;
	enum act act;
	struct map_op op;
	uint64_t blk; /* new end of a file that shrinks */
	bool give_up; /* with -EDOM, when all is done */
	/* What the last run found */
	uint64_t nr;
	struct inode inode;
};

/* Bodies.  -EAGAIN: as things are now, this is not to be done; nothing was changed. */

static int make_file(struct txn *txn, struct call *c)
{
	struct name_create how = { .mode = S_IFREG | 0600 };
	struct name_result res;
	char name[16];
	struct name_at at = { INO_ROOT, name, (size_t)snprintf(name, sizeof(name), "f%u", c->op.file) };
	int err;

	if (c->inode.ino)
		return -EAGAIN;
	err = name_create(txn, &at, &how, &res);
	if (err)
		return err;
	CHECK_EQ(res.inode.ino, c->life->max_ino + 1); /* none is used twice, none is lost by a body that fails */
	c->inode = res.inode;
	return 0;
}

static int unlink_file(struct txn *txn, struct call *c)
{
	struct name_result res;
	char name[16];
	struct name_at at = { INO_ROOT, name, (size_t)snprintf(name, sizeof(name), "f%u", c->op.file) };
	int err;

	if (c->inode.nlink == 0)
		return -EAGAIN;
	err = name_unlink(txn, &at, &res);
	if (err)
		return err;
	CHECK_EQ(res.inode.ino, c->inode.ino);
	CHECK_EQ(res.inode.nlink, 0);
	c->inode = res.inode;
	return 0;
}

static int shrink_file(struct txn *txn, struct call *c)
{
	struct inode_attrs attrs = { .mask = INODE_SET_SIZE, .size = c->blk * DADDR_BLOCK_SIZE };
	struct inode before = c->inode;
	uint64_t trim = before.trim_from;
	int err;

	if (before.ino == 0 || (before.flags & INODE_REAPING))
		return -EAGAIN;
	err = inode_setattr(txn, before.ino, &attrs, &c->inode);
	if (err == -EAGAIN)
		CHECK(attrs.size > before.size && (c->blk > before.trim_from || (before.flags & INODE_DIRTY_BEHIND)));
	if (err)
		return err;
	if (attrs.size < before.size && before.blocks > 0)
		trim = min_u64(trim, c->blk);
	CHECK_EQ(c->inode.trim_from, trim);
	CHECK_EQ(c->inode.size, attrs.size);
	CHECK_EQ(c->inode.blocks, before.blocks);
	return 0;
}

static int trim_file(struct txn *txn, struct call *c)
{
	struct map_life *life = c->life;
	struct map_op *op = &c->op;
	uint64_t from = c->inode.trim_from;
	int err;

	if (c->inode.ino == 0 || (c->inode.flags & INODE_REAPING) || from == INODE_NO_TRIM)
		return -EAGAIN;
	op->kind = MAP_TRUNCATE;
	op->blk = from;
	err = inode_trim_step(txn, c->inode.ino, op->tag, op->max, &op->more);
	if (!err)
		err = map_op_follow(txn, &life->model, op);
	if (!err)
		err = inode_get(txn, c->inode.ino, &c->inode);
	if (err)
		return err;
	CHECK_EQ(c->inode.trim_from, op->more ? from : INODE_NO_TRIM);
	CHECK_EQ(c->inode.blocks, op->after.blocks);
	return 0;
}

static int reap_file(struct txn *txn, struct call *c)
{
	struct map_op *op = &c->op;
	uint64_t ino = c->inode.ino;
	int err;

	if (ino == 0 || c->inode.nlink > 0)
		return -EAGAIN;
	op->kind = MAP_TRUNCATE;
	op->blk = 0;
	err = orphan_reap_step(txn, ino, op->tag, op->max, &op->more);
	if (!err)
		err = map_op_follow(txn, &c->life->model, op);
	if (err)
		return err;
	if (!op->more) {
		CHECK_EQ(op->after.blocks, 0);
		CHECK_EQ(inode_get_any(txn, ino, &c->inode), -ENOENT);
		c->inode = (struct inode){ .ino = 0 };
		return 0;
	}
	err = inode_get_any(txn, ino, &c->inode);
	if (err)
		return err;
	CHECK(c->inode.flags & INODE_REAPING);
	CHECK_EQ(c->inode.blocks, op->after.blocks);
	return 0;
}

/* Nobody maps blocks behind a cut before what was there is away, nor clones what is not there any more. */
static bool map_may(const struct call *c)
{
	const struct inode *src = &c->life->inodes[c->op.src];
	const struct map_op *op = &c->op;

	if (c->inode.ino == 0 || (c->inode.flags & INODE_REAPING))
		return false;
	if ((op->kind == MAP_ALLOC || op->kind == MAP_CONVERT || op->kind == MAP_CLONE) &&
	    inode_may_map(&c->inode, op->blk + op->nr - 1))
		return false;
	return op->kind != MAP_CLONE ||
	       (src->ino && !(src->flags & INODE_REAPING) && !inode_may_map(src, op->src_blk + op->nr - 1));
}

static int map_file(struct txn *txn, struct call *c)
{
	uint64_t size;
	int err;

	if (c->op.kind == MAP_RELEASE)
		return map_op_run(txn, &c->life->model, &c->op, &c->inode);
	if (!map_may(c))
		return -EAGAIN;
	err = map_op_run(txn, &c->life->model, &c->op, &c->inode);
	if (err)
		return err;
	size = min_u64(c->op.stop, 1 << 20) * DADDR_BLOCK_SIZE;
	if (c->op.kind == MAP_CONVERT && size > c->inode.size && !inode_may_grow(&c->inode, size))
		c->inode.size = size;
	if ((c->op.kind == MAP_CONVERT || c->op.kind == MAP_CLONE) && c->op.stop * DADDR_BLOCK_SIZE > c->inode.size)
		c->inode.flags |= INODE_DIRTY_BEHIND;
	inode_touch(txn, &c->inode, true);
	return inode_put(txn, &c->inode);
}

static int read_inode(struct txn *txn, struct call *c)
{
	const struct inode *want = &c->life->inodes[c->op.file];
	int err;

	c->inode = (struct inode){ .ino = 0 };
	if (want->ino == 0)
		return 0;
	err = inode_get_any(txn, want->ino, &c->inode);
	if (err == -ENOENT)
		tree_fail("inode %" PRIu64 " is lost", want->ino);
	if (!err && !tree_inode_equal(&c->inode, want))
		tree_fail("inode %" PRIu64 " is another", want->ino);
	return err;
}

static void commit(struct call *c)
{
	struct map_life *life = c->life;
	unsigned int slot = c->op.file;
	struct map_life_state *state = &life->log[c->nr - life->tally.base_nr - 1];

	CHECK(c->nr - life->tally.base_nr <= MAP_LIFE_OPS);
	if (c->act == ACT_MAP || c->act == ACT_TRIM || c->act == ACT_REAP)
		map_op_commit(&life->model, &c->op);
	life->inodes[slot] = c->inode;
	life->model.ino[slot] = c->inode.ino;
	life->max_ino = max_u64(life->max_ino, c->inode.ino);
	*state = (struct map_life_state){ .slot = slot, .file = life->model.files[slot], .inode = c->inode };
	memcpy(state->limbo, life->model.limbo, sizeof(state->limbo));
	life->last[slot] = state;
	life->last_nr[slot] = c->nr;
	life->tally.nr = c->nr;
}

static int call_body(struct txn *txn, void *arg)
{
	static int (*const run[ACTS])(struct txn * txn, struct call * c) = {
		[ACT_MAP] = map_file,	    [ACT_CREATE] = make_file, [ACT_UNLINK] = unlink_file,
		[ACT_SHRINK] = shrink_file, [ACT_TRIM] = trim_file,   [ACT_REAP] = reap_file,
	};
	struct call *c = arg, again = *c;
	int err;

	err = tally_put(txn, &c->life->tally, &c->nr);
	if (!err)
		err = read_inode(txn, c);
	if (!err)
		err = run[c->act](txn, c);
	if (!err && c->give_up)
		err = -EDOM;
	if (!err) {
		c->life->last_seq = txn_seq(txn);
		commit(c);
	} else {
		c->op = again.op;
	}
	return err;
}

/* Steps */

static size_t call_log(const struct call *c)
{
	static const size_t other[ACTS] = {
		[ACT_CREATE] = NAME_LOG_CREATE, [ACT_UNLINK] = NAME_LOG_UNLINK, [ACT_SHRINK] = INODE_LOG_SETATTR
	};

	if (c->act == ACT_MAP)
		return TALLY_LOG + map_op_log(&c->op) + INODE_LOG_PUT;
	if (c->act == ACT_TRIM)
		return TALLY_LOG + INODE_LOG_TRIM(c->op.max);
	return TALLY_LOG + (c->act == ACT_REAP ? ORPHAN_LOG_REAP(c->op.max) : other[c->act]);
}

static void call_draw(struct map_life *life, struct call *c)
{
	struct dice *dice = &life->dice;
	const struct inode *inode;

	*c = (struct call){ .life = life, .give_up = !dice_below(dice, 16) };
	life->model.nr_used = life->tally.store->cfg.nr_disks;
	map_op_draw(&life->model, dice, &c->op);
	inode = &life->inodes[c->op.file];
	c->blk = map_spot_blk((unsigned int)dice_below(dice, MAP_SPOTS));
	if (!inode->ino)
		c->act = ACT_CREATE;
	else if (inode->nlink == 0)
		c->act = (inode->flags & INODE_REAPING) || !dice_below(dice, 4) ? ACT_REAP : ACT_MAP;
	else if (inode->trim_from != INODE_NO_TRIM && dice_below(dice, 2))
		c->act = ACT_TRIM;
	else if (!dice_below(dice, 80))
		c->act = ACT_UNLINK;
	else
		c->act = dice_below(dice, 16) ? ACT_MAP : ACT_SHRINK;
}

/*
 * A client writes only where it was told so, which is after everything that led to that is durable (I1); and only
 * while it is true, which here means that the file has not changed since.
 */
FIBER_FN static int client_writes(struct map_life *life, const struct map_op *op)
{
	uint64_t nr = life->tally.nr;
	unsigned int slot = op->file;
	int err;

	err = tally_wait(&life->tally, nr, life->last_seq);
	if (err || life->last_nr[slot] > nr)
		return err;
	map_op_client_writes(&life->model, op, life->tally.nr == nr);
	life->last[slot]->file = life->model.files[slot];
	return 0;
}

struct meal {
	uint64_t want;
	uint64_t got;
};

static int eat_body(struct txn *txn, void *arg)
{
	struct meal *meal = arg;
	struct alloc_want want = { .len = meal->want, .goal = ALLOC_ANY, .dev = ALLOC_DEV_ANY };
	uint64_t daddr;
	int err;

	err = alloc_take(txn, &want, &daddr, &meal->got);
	return err ? err : limbo_add(txn, MAP_TAGS, daddr, meal->got);
}

void map_life_eat(struct map_life *life, uint64_t leave)
{
	struct fs *fs = life->tally.store->fs;
	struct fs_stats stats;
	struct meal meal;
	uint64_t seq = 0;

	for (fs_stats(fs, &stats); stats.free_blocks > leave; fs_stats(fs, &stats)) {
		meal.want = stats.free_blocks - leave;
		CHECK_EQ(txn_run(fs, NULL, eat_body, &meal, &seq), 0);
		life->eaten += meal.got;
	}
	CHECK_EQ(txn_wait_durable(fs, seq), 0);
}

/* On a volume made full, and by an allocation, which may be refused then (how exactly is tested over the mock). */
static bool is_nospace(const struct map_life *life, const struct call *c, int err)
{
	return err == -ENOSPC && life->eaten && c->act == ACT_MAP && c->op.kind == MAP_ALLOC;
}

static bool is_trouble(int err)
{
	return err == -EIO || err == -EROFS || err == -ENOMEM || err == -ENOSPC;
}

int map_life_step(struct map_life *life, uint64_t wait_odds)
{
	struct txn_options opt = { .name = "model" };
	struct call c;
	uint64_t seq;
	int err = 0;

	call_draw(life, &c);
	opt.log_max = call_log(&c);
	opt.frees_space = c.act == ACT_UNLINK || c.act == ACT_TRIM || c.act == ACT_REAP;
	if (c.act == ACT_MAP && c.op.kind == MAP_CONVERT)
		err = client_writes(life, &c.op);
	if (!err)
		err = txn_run(life->tally.store->fs, &opt, call_body, &c, &seq);
	if (!err && !dice_below(&life->dice, wait_odds))
		return tally_wait(&life->tally, c.nr, seq);
	if (is_nospace(life, &c, err)) {
		life->nospace++;
		return 0;
	}
	if (!err || is_trouble(err))
		return err;
	if (err != -EAGAIN && err != -EINVAL && err != -ENXIO && err != -EDOM)
		tree_fail("a transaction returned %d", err);
	life->refused++;
	return 0;
}

/* Mounts */

static void take_state(struct map_life *life, const struct map_life_state *state)
{
	map_model_set(&life->model, state->slot, &state->file);
	life->model.ino[state->slot] = state->inode.ino;
	life->inodes[state->slot] = state->inode;
	life->max_ino = max_u64(life->max_ino, state->inode.ino);
	memcpy(life->model.limbo, state->limbo, sizeof(state->limbo));
}

static void take_base(struct map_life *life)
{
	life->base_ino = life->max_ino;
	for (unsigned int i = 0; i < life->model.nr_files; i++) {
		struct map_life_state *b = &life->base[i];

		*b = (struct map_life_state){ .slot = i, .file = life->model.files[i], .inode = life->inodes[i] };
		memcpy(b->limbo, life->model.limbo, sizeof(b->limbo));
		life->last[i] = b;
		life->last_nr[i] = life->tally.nr;
	}
}

void map_life_mounted(struct map_life *life, bool crash)
{
	uint64_t base_nr = life->tally.base_nr;

	tally_mounted(&life->tally, crash);
	if (crash)
		life->max_ino = life->base_ino;
	for (unsigned int i = 0; i < life->model.nr_files && crash; i++)
		take_state(life, &life->base[i]);
	for (uint64_t i = 0; i < life->tally.nr - base_nr && crash; i++)
		take_state(life, &life->log[i]);
	take_base(life);
	life->last_seq = 0;
}

struct map_life *map_life_new(struct store *store, struct dice dice)
{
	unsigned int nr_devs = store->cfg.nr_disks + store->cfg.nr_spare;
	uint64_t ends[MAP_DEVS_MAX];
	struct map_life *life = calloc(1, sizeof(*life));

	CHECK(life != NULL);
	life->log = calloc(MAP_LIFE_OPS, sizeof(*life->log));
	CHECK(life->log != NULL);
	life->dice = dice;
	life->max_ino = INO_ROOT;
	life->tally = (struct tally){ .store = store, .id = 1 };
	for (unsigned int i = 0; i < nr_devs; i++)
		ends[i] = store->cfg.disk_size / DADDR_BLOCK_SIZE;
	map_model_init(&life->model, nr_devs, ends, MAP_FILES_MAX);
	take_base(life);
	return life;
}

void map_life_free(struct map_life *life)
{
	map_model_release(&life->model);
	free(life->log);
	free(life);
}

/* Comparing */

static int inode_body(struct txn *txn, void *arg)
{
	return read_inode(txn, arg);
}

void map_life_check(struct map_life *life)
{
	struct map_check check = { .m = &life->model };
	struct fs *fs = life->tally.store->fs;
	uint64_t inodes = 1, orphans = 0;
	struct call c = { .life = life };
	struct fs_stats stats;

	for (unsigned int i = 0; i < life->model.nr_files; i++) {
		check.file = c.op.file = i;
		CHECK_EQ(txn_read(fs, map_check_file_body, &check), 0);
		CHECK_EQ(txn_read(fs, inode_body, &c), 0);
		inodes += life->inodes[i].ino != 0;
		orphans += life->inodes[i].ino != 0 &&
			   (life->inodes[i].nlink == 0 || life->inodes[i].trim_from != INODE_NO_TRIM);
	}
	CHECK_EQ(txn_read(fs, map_check_limbo_body, &check), 0);
	fs_stats(fs, &stats);
	CHECK_EQ(stats.inodes, inodes);
	CHECK_EQ(stats.orphans, orphans);
	CHECK_EQ(stats.limbo_blocks, life->model.limbo[0] + life->model.limbo[1] + life->eaten);
}
