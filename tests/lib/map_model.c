/* SPDX-License-Identifier: Apache-2.0 */

/* What maps must do, written down for single blocks: no runs, no splitting, no merging that could be wrong here too.
 */

#include "tests/lib/map_model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/tree_model.h"

#define RUNS_MAX (2 * MAP_SPOTS + 3)

uint64_t map_spot_blk(unsigned int spot)
{
	return spot < MAP_SPOTS / 2 ? spot : MAP_SPOTS_FAR + spot - MAP_SPOTS / 2;
}

struct map_place *map_place(const struct map_model *m, uint64_t daddr)
{
	CHECK(daddr_dev(daddr) < m->nr_devs && daddr_block(daddr) < m->dev_end[daddr_dev(daddr)]);
	return &m->places[daddr_dev(daddr)][daddr_block(daddr)];
}

void map_model_init(struct map_model *m, unsigned int nr_devs, const uint64_t *dev_end, unsigned int nr_files)
{
	CHECK(nr_devs <= MAP_DEVS_MAX && nr_files <= MAP_FILES_MAX);
	*m = (struct map_model){ .nr_devs = nr_devs, .nr_used = nr_devs, .nr_files = nr_files };
	for (unsigned int i = 0; i < nr_devs; i++) {
		m->dev_end[i] = dev_end[i];
		m->places[i] = calloc(dev_end[i], sizeof(*m->places[i]));
		CHECK(m->places[i] != NULL);
	}
}

void map_model_release(struct map_model *m)
{
	for (unsigned int i = 0; i < m->nr_devs; i++)
		free(m->places[i]);
}

static void file_own(struct map_model *m, const struct map_file *f, int sign)
{
	for (unsigned int i = 0; i < MAP_SPOTS; i++) {
		const struct map_spot *s = &f->spots[i];
		const uint64_t daddr[] = { s->daddr, s->cow_daddr };
		const bool has[] = { s->state != MAP_HOLE, s->cow };

		for (unsigned int k = 0; k < 2; k++) {
			struct map_place *p = has[k] ? map_place(m, daddr[k]) : NULL;

			if (!p)
				continue;
			m->owned -= p->owners > 0;
			p->owners += (uint32_t)sign;
			m->owned += p->owners > 0;
		}
	}
}

void map_model_set(struct map_model *m, unsigned int file, const struct map_file *state)
{
	file_own(m, &m->files[file], -1);
	m->files[file] = *state;
	file_own(m, state, 1);
}

uint64_t map_model_cow_blocks(const struct map_model *m)
{
	uint64_t sum = 0;

	for (unsigned int f = 0; f < m->nr_files; f++)
		for (unsigned int i = 0; i < MAP_SPOTS; i++)
			sum += m->files[f].spots[i].cow;
	return sum;
}

/* Reading the real maps */

static void spots_fill(struct map_file *f, enum map_fork fork, const struct map_extent *e)
{
	for (unsigned int i = 0; i < MAP_SPOTS; i++) {
		struct map_spot *s = &f->spots[i];
		uint64_t blk = map_spot_blk(i), daddr = e->daddr + (blk - e->blk);

		if (blk < e->blk || blk >= e->blk + e->nr)
			continue;
		f->blocks += e->state != MAP_HOLE;
		if (fork == MAP_DATA) {
			s->state = e->state;
			s->shared = e->shared;
			s->daddr = e->state == MAP_HOLE ? 0 : daddr;
		} else {
			CHECK(e->state != MAP_WRITTEN && !e->shared);
			s->cow = e->state != MAP_HOLE;
			s->cow_daddr = s->cow ? daddr : 0;
		}
	}
}

static int fork_read(struct txn *txn, uint64_t ino, enum map_fork fork, struct map_file *f)
{
	static struct map_extent runs[RUNS_MAX]; /* a body never switches */
	uint64_t mapped = f->blocks;
	unsigned int nr;
	int err;

	err = map_read(txn, ino, fork, 0, MAP_BLK_MAX, RUNS_MAX, runs, &nr);
	if (err)
		return err;
	CHECK_EQ(runs[0].blk, 0);
	for (unsigned int i = 0; i < nr; i++) {
		const struct map_extent *a = &runs[i], *b = a + 1;

		spots_fill(f, fork, a);
		mapped += a->state != MAP_HOLE ? a->nr : 0;
		if (i + 1 == nr)
			continue;
		CHECK_EQ(b->blk, a->blk + a->nr);
		CHECK(!(a->state == b->state && a->shared == b->shared &&
			(a->state == MAP_HOLE || a->daddr + a->nr == b->daddr)));
	}
	CHECK_EQ(runs[nr - 1].blk + runs[nr - 1].nr, MAP_BLK_MAX);
	CHECK_EQ(mapped, f->blocks); /* nothing between our spots */
	return 0;
}

/* All but the versions. */
static int file_read(struct txn *txn, uint64_t ino, struct map_file *f)
{
	int err;

	f->blocks = 0;
	err = fork_read(txn, ino, MAP_DATA, f);
	return err ? err : fork_read(txn, ino, MAP_COW, f);
}

/* What an operation makes of one block */

static void expect_convert(const struct map_model *m, struct map_spot *s)
{
	CHECK(s->state != MAP_HOLE);
	if (s->cow)
		s->daddr = s->cow_daddr;
	if (s->cow || s->state == MAP_UNWRITTEN)
		s->version = map_place(m, s->daddr)->content;
	s->state = MAP_WRITTEN;
	s->cow = false;
}

static void expect_clone(const struct map_model *m, const struct map_op *op, unsigned int i, struct map_spot *s)
{
	unsigned int from = i;

	while (map_spot_blk(from) != op->src_blk + (map_spot_blk(i) - op->blk))
		from = (from + 1) % MAP_SPOTS;
	*s = m->files[op->src].spots[from];
	if (s->state != MAP_WRITTEN)
		*s = (struct map_spot){ .state = MAP_HOLE };
	s->cow = false;
}

/* @s: before, and as it should be after.  @is: as it is. */
static void expect(const struct map_model *m, const struct map_op *op, unsigned int i, const struct map_spot *is,
		   struct map_spot *s)
{
	switch (op->kind) {
	case MAP_ALLOC:
		if (s->state == MAP_HOLE) {
			*s = (struct map_spot){ .state = MAP_UNWRITTEN, .daddr = is->daddr };
			CHECK_EQ(map_place(m, is->daddr)->owners, 0);
		} else if (s->state == MAP_WRITTEN) {
			CHECK_EQ(is->shared, is->cow); /* writable in place, or elsewhere */
			if (is->cow && !s->cow)
				CHECK_EQ(map_place(m, is->cow_daddr)->owners, 0);
			s->cow_daddr = s->cow ? s->cow_daddr : is->cow_daddr;
			s->cow = is->cow;
		}
		break;
	case MAP_CONVERT:
		if (s->cow)
			CHECK(!is->shared);
		expect_convert(m, s);
		break;
	case MAP_CLONE:
		expect_clone(m, op, i, s);
		CHECK(is->state == MAP_HOLE || is->shared);
		break;
	case MAP_UNRESERVE:
		if (s->state != MAP_WRITTEN)
			s->state = MAP_HOLE;
		s->cow = false;
		break;
	case MAP_COW_CANCEL:
		s->cow = false;
		break;
	default:
		*s = (struct map_spot){ .state = MAP_HOLE };
	}
}

static void spot_compare(const struct map_op *op, unsigned int i, const struct map_spot *is, const struct map_spot *s)
{
	if (is->state == s->state && is->cow == s->cow && (s->state == MAP_HOLE || is->daddr == s->daddr) &&
	    (!s->cow || is->cow_daddr == s->cow_daddr))
		return;
	if (op)
		fprintf(stderr,
			"operation %d, %u:%" PRIu64 " + %" PRIu64 " (from %u:%" PRIu64 "), as far as %" PRIu64 "\n",
			(int)op->kind, op->file, op->blk, op->nr, op->src, op->src_blk, op->stop);
	tree_fail("block %" PRIu64 " has state %d at %" PRIu64 ", cow %d at %" PRIu64 "; not %d %" PRIu64
		  " %d %" PRIu64,
		  map_spot_blk(i), (int)is->state, is->daddr, is->cow, is->cow_daddr, (int)s->state, s->daddr, s->cow,
		  s->cow_daddr);
}

/* Truncation does not say how far it came: to the first block that is left. */
static uint64_t truncate_stop(const struct map_op *op)
{
	for (unsigned int i = 0; i < MAP_SPOTS && op->more; i++)
		if (map_spot_blk(i) >= op->blk && (op->after.spots[i].state != MAP_HOLE || op->after.spots[i].cow))
			return map_spot_blk(i);
	return MAP_BLK_MAX;
}

static int limbo_count(struct txn *txn, uint64_t tag, uint64_t *ret_blocks)
{
	struct limbo_run run = { .tag = tag };
	uint64_t sum = 0;
	int err;

	while (!(err = limbo_next(txn, tag, run.daddr + run.len, &run)) && run.tag == tag)
		sum += run.len;
	if (err && err != -ENOENT)
		return err;
	*ret_blocks = sum;
	return 0;
}

static int follow_release(struct txn *txn, const struct map_model *m, struct map_op *op)
{
	int err;

	if (op->tag == LIMBO_NONE)
		return 0;
	err = limbo_count(txn, op->tag, &op->limbo_left);
	if (err)
		return err;
	CHECK_EQ(op->more, op->limbo_left > 0);
	CHECK(op->limbo_left < m->limbo[op->tag] || m->limbo[op->tag] == 0);
	return 0;
}

int map_op_follow(struct txn *txn, const struct map_model *m, struct map_op *op)
{
	const struct map_file *before = &m->files[op->file];
	int err;

	if (op->kind == MAP_RELEASE)
		return follow_release(txn, m, op);
	op->after = *before;
	err = file_read(txn, m->ino[op->file], &op->after);
	if (err)
		return err;
	if (op->kind == MAP_TRUNCATE)
		op->stop = truncate_stop(op);
	for (unsigned int i = 0; i < MAP_SPOTS; i++) {
		struct map_spot s = before->spots[i];

		if (map_spot_blk(i) >= op->blk && map_spot_blk(i) < op->stop)
			expect(m, op, i, &op->after.spots[i], &s);
		spot_compare(op, i, &op->after.spots[i], &s);
		op->after.spots[i].version = s.version;
	}
	return 0;
}

void map_op_commit(struct map_model *m, const struct map_op *op)
{
	uint64_t owned = m->owned;

	if (op->kind == MAP_RELEASE) {
		if (op->tag != LIMBO_NONE)
			m->limbo[op->tag] = op->limbo_left;
		return;
	}
	map_model_set(m, op->file, &op->after);
	if (op->kind != MAP_ALLOC && op->tag != LIMBO_NONE)
		m->limbo[op->tag] += owned - m->owned;
}

/* Operations */

static bool range_has_hole(const struct map_model *m, const struct map_op *op)
{
	for (unsigned int i = 0; i < MAP_SPOTS; i++)
		if (map_spot_blk(i) >= op->blk && map_spot_blk(i) < op->blk + op->nr &&
		    m->files[op->file].spots[i].state == MAP_HOLE)
			return true;
	return op->blk < MAP_SPOTS / 2 && op->blk + op->nr > MAP_SPOTS / 2; /* what lies between the spots is one */
}

static int op_expected(const struct map_model *m, const struct map_op *op)
{
	if (op->kind == MAP_CLONE && op->src == op->file && op->src_blk < op->blk + op->nr &&
	    op->blk < op->src_blk + op->nr)
		return -EINVAL;
	return op->kind == MAP_CONVERT && range_has_hole(m, op) ? -ENXIO : 0;
}

int map_op_bare(struct txn *txn, const struct map_model *m, struct map_op *op, struct inode *inode)
{
	op->stop = op->blk + op->nr;
	op->more = false;
	switch (op->kind) {
	case MAP_ALLOC:
		return map_alloc(txn, inode, op->blk, op->nr, &op->want, op->max, &op->stop);
	case MAP_CONVERT:
		return map_convert(txn, inode, op->blk, op->nr, op->tag, op->max, &op->stop);
	case MAP_PUNCH:
		return map_punch(txn, inode, op->blk, op->nr, op->tag, op->max, &op->stop);
	case MAP_TRUNCATE:
		return map_truncate(txn, inode, op->blk, op->tag, op->max, &op->more);
	case MAP_UNRESERVE:
		return map_unreserve(txn, inode, op->blk, op->nr, op->tag, op->max, &op->stop);
	case MAP_COW_CANCEL:
		return map_cow_cancel(txn, inode, op->blk, op->nr, op->tag, op->max, &op->stop);
	case MAP_CLONE:
		return map_clone(txn, m->ino[op->src], op->src_blk, inode, op->blk, op->nr, op->tag, op->max,
				 &op->stop);
	default:
		return op->tag == LIMBO_NONE ? 0 : limbo_release(txn, op->tag, op->max, &op->more);
	}
}

static bool err_is_trouble(int err)
{
	return err == -ERESTART || err == -EIO || err == -ENOMEM || err == -EROFS || err == -ENOSPC || err == -E2BIG;
}

int map_op_run(struct txn *txn, const struct map_model *m, struct map_op *op, struct inode *inode)
{
	int err, want = op_expected(m, op);

	err = map_op_bare(txn, m, op, inode);
	if (err_is_trouble(err))
		return err;
	if (err != want && !(err == 0 && want == -ENXIO)) /* a conversion may stop before it meets the hole */
		tree_fail("operation %d on maps gives %d, the model says %d", (int)op->kind, err, want);
	if (!err)
		err = map_op_follow(txn, m, op);
	if (!err && op->kind != MAP_RELEASE)
		CHECK_EQ(op->after.blocks, inode->blocks);
	return err;
}

size_t map_op_log(const struct map_op *op)
{
	static const size_t bound[MAP_KINDS] = { MAP_ALLOC_LOG, MAP_CONVERT_LOG, MAP_PUNCH_LOG, MAP_PUNCH_LOG,
						 MAP_PUNCH_LOG, MAP_PUNCH_LOG,	 MAP_CLONE_LOG, LIMBO_RELEASE_LOG };

	return bound[op->kind] * op->max;
}

void map_op_draw(const struct map_model *m, struct dice *dice, struct map_op *op)
{
	static const enum map_kind kinds[] = { MAP_ALLOC,     MAP_ALLOC,      MAP_ALLOC,  MAP_CONVERT, MAP_CONVERT,
					       MAP_CONVERT,   MAP_PUNCH,      MAP_CLONE,  MAP_CLONE,   MAP_TRUNCATE,
					       MAP_UNRESERVE, MAP_COW_CANCEL, MAP_RELEASE };
	unsigned int spot = (unsigned int)dice_below(dice, MAP_SPOTS);
	uint64_t room = spot < 32 ? 32 - spot : MAP_SPOTS - spot;

	*op = (struct map_op){ .kind = kinds[dice_below(dice, ARRAY_SIZE(kinds))],
			       .file = (unsigned int)dice_below(dice, m->nr_files),
			       .src = (unsigned int)dice_below(dice, m->nr_files),
			       .blk = map_spot_blk(spot),
			       .nr = 1 + dice_below(dice, dice_below(dice, 3) ? min_u64(room, 6) : room),
			       .tag = dice_below(dice, MAP_TAGS + 2),
			       .max = 1 + (unsigned int)dice_below(dice, dice_below(dice, 2) ? 3 : 30) };
	if (op->tag >= MAP_TAGS)
		op->tag = LIMBO_NONE;
	op->want = (struct map_want){ .align = dice_below(dice, 2) ? 4 : 0,
				      .min_align = dice_below(dice, 8) ? 0 : 2,
				      .has_goal = dice_below(dice, 4) == 0,
				      .goal = dice_below(dice, m->dev_end[0]),
				      .has_dev = dice_below(dice, 4) == 0,
				      .dev = (unsigned int)dice_below(dice, m->nr_used) };
	spot = (unsigned int)dice_below(dice, MAP_SPOTS);
	op->src_blk = map_spot_blk(spot);
	if (op->kind == MAP_CLONE)
		op->nr = min_u64(op->nr, spot < 32 ? 32 - spot : MAP_SPOTS - spot);
	else if (op->kind != MAP_ALLOC && !dice_below(dice, 10) && op->blk < 32)
		op->nr += MAP_SPOTS_FAR; /* over the hole in the middle, into the second group */
}

void map_op_client_writes(struct map_model *m, const struct map_op *op, bool in_place)
{
	for (unsigned int i = 0; i < MAP_SPOTS; i++) {
		struct map_spot *s = &m->files[op->file].spots[i];
		bool old = s->state == MAP_WRITTEN && !s->cow;

		if (map_spot_blk(i) < op->blk || map_spot_blk(i) >= op->blk + op->nr || s->state == MAP_HOLE)
			continue;
		if (old && (!in_place || map_place(m, s->daddr)->owners > 1))
			continue;
		map_place(m, s->cow ? s->cow_daddr : s->daddr)->content = ++m->version;
		if (old)
			s->version = m->version;
	}
}

uint64_t map_op_need(const struct map_model *m, const struct map_op *op)
{
	uint64_t need = 0;

	for (unsigned int i = 0; i < MAP_SPOTS; i++) {
		const struct map_spot *s = &m->files[op->file].spots[i];

		if (map_spot_blk(i) >= op->blk && map_spot_blk(i) < op->blk + op->nr)
			need += s->state == MAP_HOLE || (map_place(m, s->daddr)->owners > 1 && !s->cow);
	}
	return need;
}

/* Everything */

static void check_spot(const struct map_model *m, const struct map_spot *is, const struct map_spot *s)
{
	const struct map_place *p = s->state == MAP_HOLE ? NULL : map_place(m, s->daddr);

	if (s->state == MAP_WRITTEN && p->content != s->version)
		tree_fail("device block %" PRIu64 " holds version %" PRIu64 ", not %" PRIu64, s->daddr, p->content,
			  s->version);
	CHECK(!p || p->owners == 1 || is->shared);
	CHECK(!s->cow || (is->state == MAP_WRITTEN && is->shared && map_place(m, s->cow_daddr)->owners == 1));
}

int map_check_file_body(struct txn *txn, void *arg)
{
	const struct map_check *check = arg;
	const struct map_model *m = check->m;
	const struct map_file *f = &m->files[check->file];
	struct map_file is = *f;
	int err;

	err = file_read(txn, m->ino[check->file], &is);
	if (err)
		return err;
	for (unsigned int i = 0; i < MAP_SPOTS; i++) {
		spot_compare(NULL, i, &is.spots[i], &f->spots[i]);
		check_spot(m, &is.spots[i], &f->spots[i]);
	}
	CHECK_EQ(is.blocks, f->blocks);
	return 0;
}

int map_check_limbo_body(struct txn *txn, void *arg)
{
	const struct map_check *check = arg;

	for (uint64_t tag = 0; tag < MAP_TAGS; tag++) {
		uint64_t blocks = 0;
		int err = limbo_count(txn, tag, &blocks);

		if (err)
			return err;
		CHECK_EQ(blocks, check->m->limbo[tag]);
	}
	return 0;
}
