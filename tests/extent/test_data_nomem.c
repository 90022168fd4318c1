/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of memory that a call of extent/data.h makes fails in turn: the call says so or does without, what
 * it should have changed is as before or as wanted, and no space is lost.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/check.h"
#include "tests/lib/data_file.h"
#include "tests/lib/fault.h"

#define BLK DADDR_BLOCK_SIZE

enum what {
	NEW,	 /* a write to a hole */
	PARTIAL, /* a write that needs old bytes */
	SHARED,	 /* to a shared block */
	CUT,
	GROW, /* over a dirty tail */
	ALLOCATE,
	DEALLOCATE,
	CLONE,
	READ,
	COMMIT,
	HOLD,  /* the block of a dirty tail, for writing */
	READY, /* to grow over it */
	ZERO,  /* holes behind the end */
	UNRESERVE,
	WHATS
};

struct files {
	struct data_file f, g;
};

FIBER_FN static int clone(struct data_file *src, struct data_file *dst)
{
	struct data_range from = { src->ino, src->generation, 0 }, to = { dst->ino, dst->generation, 0 };
	struct inode inode;
	uint64_t seq;

	return data_clone(src->store->fs, &from, &to, 0, NULL, &inode, &seq);
}

FIBER_FN static int hold(struct data_file *f)
{
	struct fs *fs = f->store->fs;
	struct data_hold hold;
	int err;

	err = data_hold(fs, &hold, f->ino, f->generation, 0, 9, true, NULL);
	if (!err)
		data_unhold(fs, &hold);
	return err;
}

FIBER_FN static int act(struct files *files, enum what what)
{
	struct data_file *f = &files->f;
	struct fs *fs = f->store->fs;
	struct inode_attrs attrs = { .mask = INODE_SET_SIZE, .size = what == CUT ? 10 : 9 * BLK };
	struct inode inode;
	char buf[5];
	uint32_t got;
	uint64_t seq;
	bool flag;

	switch (what) {
	case NEW:
		return data_write(fs, f->ino, f->generation, 5 * BLK, "new", 3, DATA_UNSTABLE, NULL, &inode, &flag,
				  &seq);
	case PARTIAL:
	case SHARED:
		return data_write(fs, f->ino, f->generation, BLK + 100, "new", 3, DATA_DURABLE, NULL, &inode, &flag,
				  &seq);
	case CUT:
	case GROW:
		return data_setattr(fs, f->ino, f->generation, &attrs, NULL, &inode, &seq);
	case ALLOCATE:
		return data_allocate(fs, f->ino, f->generation, 4 * BLK, 4 * BLK, NULL, &inode, &seq);
	case DEALLOCATE:
		return data_deallocate(fs, f->ino, f->generation, 100, 2 * BLK, NULL, &inode, &seq);
	case CLONE:
		return clone(f, &files->g);
	case READ:
		return data_read(fs, f->ino, f->generation, 100, buf, 5, &got, &flag);
	case HOLD:
		return hold(f);
	case READY:
		return data_ready_to_grow(fs, f->ino, f->generation, NULL);
	case ZERO:
		return data_make_readable(fs, f->ino, f->generation, 1, 5, 5, NULL);
	case UNRESERVE:
		return data_unreserve(fs, f->ino, f->generation, 0, DATA_END, NULL);
	default:
		return data_commit(fs, f->ino, f->generation);
	}
}

/* The files as @what finds them. */
FIBER_FN static void prepare(struct store *s, struct files *files, enum what what)
{
	uint8_t old[3 * BLK];

	memset(old, 'o', sizeof(old));
	files->f = data_file_new(s, "f");
	files->g = data_file_new(s, "g");
	data_file_write(&files->f, 0, old, sizeof(old), DATA_UNSTABLE);
	if (what == SHARED)
		CHECK_EQ(clone(&files->f, &files->g), 0);
	if (what == UNRESERVE)
		CHECK_EQ(data_make_readable(s->fs, files->f.ino, files->f.generation, 3, 5, 5, NULL), 0);
	if (what == GROW || what == HOLD || what == READY)
		data_file_truncate(&files->f, 2 * BLK + 10);
	data_settle(s->fs);
}

FIBER_FN static void judge(struct files *files, enum what what, int err)
{
	uint8_t buf[9 * BLK];
	uint32_t len = data_file_read(&files->f, 0, buf, sizeof(buf));

	if (what == PARTIAL || what == SHARED)
		CHECK(!memcmp(buf + BLK + 100, err ? "ooo" : "new", 3));
	if (what == NEW)
		CHECK_EQ(len, err ? 3 * BLK : 5 * BLK + 3);
	if (what == GROW && !err)
		CHECK(data_file_is_zero(buf + 2 * BLK + 10, 7 * BLK - 10));
	if ((what == HOLD || what == READY) && !err)
		CHECK(!(data_file_inode(&files->f).flags & INODE_DIRTY_TAIL));
	if (what == UNRESERVE)
		CHECK_EQ(data_file_inode(&files->f).blocks, err ? 5 : 3);
	if (what == CLONE && !err)
		CHECK_EQ(data_file_read(&files->g, 0, buf, sizeof(buf)), 3 * BLK);
}

struct round {
	enum what what;
	uint64_t n;
	bool hit;
};

FIBER_FN static void do_fail(struct store *s, void *arg)
{
	struct round *round = arg;
	struct files files;
	struct fs_stats before, after;
	int err;

	prepare(s, &files, round->what);
	fs_stats(s->fs, &before);
	fault_alloc_arm(round->n, 1);
	err = act(&files, round->what);
	fault_alloc_disarm();
	round->hit = fault_alloc_failed() > 0;
	CHECK(!err || err == -ENOMEM);
	fs_stats(s->fs, &after);
	if (err && round->what != DEALLOCATE)
		CHECK_EQ(after.free_blocks, before.free_blocks);
	judge(&files, round->what, err);
}

static void test_every_allocation(void **state)
{
	unsigned int hits = 0;

	for (enum what what = NEW; what < WHATS; what++) {
		struct round round = { .what = what, .hit = true };

		while (round.hit) {
			round.n++;
			data_file_run(&(struct store_config){ .seed = 1, .disk_size = 16 << 20 }, do_fail, &round);
			hits += round.hit;
		}
	}
	assert_true(hits > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
