/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and the holders of layouts, one behaviour a test: what is asked before anything is touched, what a commit
 * makes readable, and that nothing shows behind an end of file that nobody wrote there.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/lib/check.h"
#include "tests/lib/data_party.h"

#define BLK DADDR_BLOCK_SIZE

static void run(void (*fn)(struct store *s, void *arg))
{
	data_file_run(&(struct store_config){ .seed = store_seed(1) }, fn, NULL);
}

/* Nobody has been asked since; or it was this last. */
static void asked_nothing(struct party *p)
{
	CHECK_EQ(p->server.asked, 0);
}

static void asked(struct party *p, uint64_t first, uint64_t end, enum data_touch touch)
{
	CHECK(p->server.asked > 0);
	CHECK_EQ(p->server.first, first);
	CHECK_EQ(p->server.end, end);
	CHECK_EQ(p->server.touch, touch);
	p->server.asked = 0;
}

/* What is asked */

FIBER_FN static void do_questions(struct store *s, void *arg)
{
	struct party *p = party_new(s);

	CHECK_EQ(party_put(p, 10, 2 * BLK), 0);
	asked(p, 0, 3, DATA_FILL); /* a hole */
	CHECK_EQ(party_put(p, BLK, 10), 0);
	asked(p, 1, 2, DATA_OVERWRITE);
	CHECK_EQ(party_put(p, 2 * BLK, BLK), 0);
	asked(p, 2, 3, DATA_OVERWRITE); /* grows within its block, where nobody can have left anything */
	CHECK_EQ(party_resize(p, 6 * BLK), 0);
	asked_nothing(p);
	CHECK_EQ(party_allocate(p, 0, 3 * BLK), 0);
	asked_nothing(p);
	CHECK_EQ(party_allocate(p, BLK, 4 * BLK), 0);
	asked(p, 3, 5, DATA_REMAP);
	CHECK_EQ(party_put(p, 2 * BLK, 2 * BLK), 0);
	asked(p, 2, 4, DATA_FILL); /* unwritten */
	CHECK_EQ(party_deallocate(p, BLK + 1, BLK), 0);
	asked(p, 1, 3, DATA_REMAP);
	CHECK_EQ(party_resize(p, 6 * BLK), 0);
	asked_nothing(p);
	CHECK_EQ(party_resize(p, 5 * BLK + 100), 0);
	asked(p, 5, DATA_END, DATA_REMAP);
	CHECK_EQ(party_resize(p, 7 * BLK), 0);
	asked(p, 5, 6, DATA_TAIL); /* the dirty one */
	CHECK_EQ(party_share(p, &p->f, 0, &p->g, BLK, 2 * BLK), 0);
	CHECK_EQ(p->server.asked, 2);
	asked(p, 1, 3, DATA_REMAP);
	CHECK_EQ(party_put(p, 0, BLK), 0);
	asked(p, 0, 1, DATA_FILL); /* shared */
	free(p);
}

static void test_questions(void **state)
{
	run(do_questions);
}

/* A refusal changes nothing. */

FIBER_FN static void check_untouched(struct party *p, const struct inode *before, const struct fs_stats *stats)
{
	struct inode now = data_file_inode(&p->f);
	struct fs_stats is;

	CHECK_EQ(now.change, before->change);
	CHECK_EQ(now.size, before->size);
	CHECK_EQ(now.blocks, before->blocks);
	fs_stats(p->f.store->fs, &is);
	CHECK_EQ(is.free_blocks, stats->free_blocks);
	CHECK(p->server.refused > 0);
	p->server.refused = 0;
}

FIBER_FN static void do_refusals(struct store *s, void *arg)
{
	struct party *p = party_new(s);
	struct inode before;
	struct fs_stats stats;

	CHECK_EQ(party_put(p, 0, 4 * BLK), 0);
	data_file_write(&p->g, 0, p->buf, 4 * BLK, DATA_UNSTABLE);
	CHECK_EQ(party_allocate(p, 6 * BLK, BLK), 0);
	CHECK_EQ(data_holder_get(&p->a, &p->f, 2, 6), 0);
	CHECK_EQ(data_holder_get(&p->b, &p->f, 5, 9), -EBUSY);
	before = data_file_inode(&p->f);
	fs_stats(s->fs, &stats);
	CHECK_EQ(party_put(p, 2 * BLK, 10), -EBUSY);
	check_untouched(p, &before, &stats);
	CHECK_EQ(party_put(p, 0, 8 * BLK), -EBUSY);
	check_untouched(p, &before, &stats);
	CHECK_EQ(party_resize(p, 5 * BLK + 1), -EBUSY);
	check_untouched(p, &before, &stats);
	CHECK_EQ(party_deallocate(p, 5 * BLK + 1, 10), -EBUSY);
	check_untouched(p, &before, &stats);
	CHECK_EQ(party_share(p, &p->g, 0, &p->f, 0, 3 * BLK), -EBUSY);
	check_untouched(p, &before, &stats);
	CHECK_EQ(party_share(p, &p->f, 2 * BLK, &p->g, 0, BLK), -EBUSY);
	check_untouched(p, &before, &stats);
	/* What it does not have. */
	CHECK_EQ(party_put(p, 0, 2 * BLK), 0);
	CHECK_EQ(party_share(p, &p->f, 0, &p->g, 0, 2 * BLK), 0);
	CHECK_EQ(party_resize(p, 6 * BLK), 0);
	CHECK_EQ(party_allocate(p, 0, 8 * BLK), 0);
	CHECK_EQ(p->server.refused, 0);
	/* A holder itself may overwrite what is in place; more only when it has given back. */
	p->also.guard = &p->a.guard;
	CHECK_EQ(party_put(p, 2 * BLK, 10), 0);
	CHECK_EQ(party_put(p, 5 * BLK, 10), -EBUSY);
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	CHECK_EQ(party_put(p, 5 * BLK, 10), 0);
	free(p);
}

static void test_refusals(void **state)
{
	run(do_refusals);
}

/* An allocation of many parts is refused in its last one. */
FIBER_FN static void do_refused_late(struct store *s, void *arg)
{
	struct party *p = party_new(s);
	struct fs_stats before, after;

	CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 1), 0);
	for (uint64_t blk = 2; blk < 2200; blk += 2)
		CHECK_EQ(party_allocate(p, blk * BLK, BLK), 0);
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	/* A hole in the hands of somebody, as a layout for reading may have it. */
	p->all.v[p->all.nr++] =
		(struct data_holding){ .ino = p->f.ino, .first = 2101, .end = 2102, .owner = p->a.owner };
	fs_stats(s->fs, &before);
	CHECK_EQ(party_allocate(p, 0, 2200 * BLK), -EBUSY);
	fs_stats(s->fs, &after);
	CHECK_EQ(after.free_blocks, before.free_blocks);
	free(p);
}

static void test_refused_late(void **state)
{
	run(do_refused_late);
}

/* Locks */

struct holding_fiber {
	struct party *p;
	int result;
	bool done;
};

FIBER_FN static void holding_main(void *arg)
{
	struct holding_fiber *h = arg;

	h->result = data_holder_get(&h->p->a, &h->p->f, 1, 2);
	h->done = true;
}

FIBER_FN static void writing_main(void *arg)
{
	struct holding_fiber *h = arg;

	h->result = party_put(h->p, BLK, BLK);
	h->done = true;
}

static bool is_data(const struct blk_req *req, void *arg)
{
	const uint8_t *byte = req->nr_iov ? req->iov[0].iov_base : NULL;

	return byte && req->op != BLK_READ && *byte == 's';
}

FIBER_FN static void do_locks(struct store *s, void *arg)
{
	struct party *p = party_new(s);
	struct holding_fiber w = { .p = p }, h = { .p = p };

	CHECK_EQ(party_put(p, 0, 4 * BLK), 0);
	sim_disk_hold(s->disks[0], is_data, NULL);
	CHECK_EQ(fiber_spawn(s->r, "writing", writing_main, &w, NULL), 0);
	while (!sim_disk_nr_held(s->disks[0]))
		fiber_sleep_ns(1000);
	CHECK_EQ(fiber_spawn(s->r, "holding", holding_main, &h, NULL), 0);
	fiber_sleep_ns(100000000);
	CHECK(!h.done && !w.done); /* the write was allowed before: nobody gets a layout until it is over */
	sim_disk_release(s->disks[0]);
	while (!h.done || !w.done)
		fiber_sleep_ns(1000);
	CHECK(!h.result && !w.result);
	CHECK_EQ(party_put(p, BLK, BLK), -EBUSY);
	free(p);
}

static void test_locks(void **state)
{
	run(do_locks);
}

/* Commits */

FIBER_FN static void do_exact(struct store *s, void *arg)
{
	struct party *p = party_new(s);
	struct inode before;

	CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 8), 0);
	party_scribble(p, &p->a, 0, 8, 'a');
	CHECK_EQ(party_commit(p, &p->a, 2, 2, 8 * BLK), 0);
	party_expect(p, 0, 2 * BLK, 0);
	party_expect(p, 2 * BLK, 4 * BLK, 'a');
	party_expect(p, 4 * BLK, 8 * BLK, 0);
	CHECK_EQ(party_commit(p, &p->a, 2, 3, 100), 0); /* partly again, and never shrinks */
	party_expect(p, 2 * BLK, 5 * BLK, 'a');
	party_expect(p, 5 * BLK, 8 * BLK, 0);
	before = data_file_inode(&p->f);
	CHECK_EQ(party_commit(p, &p->a, 7, 2, 9 * BLK), -ENXIO); /* a hole: nothing at all */
	CHECK_EQ(data_file_inode(&p->f).change, before.change);
	CHECK_EQ(data_file_size(&p->f), 8 * BLK);
	party_expect(p, 7 * BLK, 8 * BLK, 0);
	CHECK_EQ(data_holder_commit(&p->a, &p->f, 0, 0, false, 0, UINT64_MAX, &p->seq), 0);
	CHECK(data_file_inode(&p->f).change > before.change);
	CHECK_EQ(party_commit(p, &p->a, 0, 0, INODE_SIZE_MAX + 1), -EFBIG);
	CHECK_EQ(party_commit(p, &p->a, MAP_BLK_MAX, 1, 0), -EINVAL);
	CHECK_EQ(party_commit(p, &p->a, 1, MAP_BLK_MAX, 0), -EINVAL);
	/* A copy-on-write commit: the other owner keeps the old blocks. */
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	CHECK_EQ(data_file_inode(&p->f).blocks, 3);
	CHECK_EQ(party_share(p, &p->f, 0, &p->g, 0, 0), 0);
	CHECK_EQ(data_holder_get(&p->a, &p->f, 2, 5), 0);
	party_scribble(p, &p->a, 3, 1, 'A');
	party_expect(p, 2 * BLK, 5 * BLK, 'a');
	CHECK_EQ(party_commit(p, &p->a, 3, 1, 0), 0);
	party_expect(p, 3 * BLK, 4 * BLK, 'A');
	CHECK_EQ(data_file_read(&p->g, 3 * BLK, p->buf, BLK), BLK);
	CHECK(p->buf[0] == 'a' && p->buf[BLK - 1] == 'a');
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	CHECK_EQ(data_file_inode(&p->f).blocks, 3);
	free(p);
}

static void test_commit_is_exact(void **state)
{
	run(do_exact);
}

struct raw_commit {
	struct data_layout_commit c;
	struct inode inode;
};

static int raw_body(struct txn *txn, void *arg)
{
	struct raw_commit *r = arg;

	return data_commit_layout(txn, &r->c, &r->inode);
}

FIBER_FN static void do_times(struct store *s, void *arg)
{
	struct txn_options opt = { .log_max = DATA_COMMIT_LOG(1) };
	struct party *p = party_new(s);
	struct raw_commit r = {
		.c = { .ino = p->f.ino, .generation = p->f.generation, .has_mtime = true, .mtime = { 77, 999999999 } }
	};
	struct data_commit_run *runs = calloc(DATA_COMMIT_STEPS + 1, sizeof(*runs));

	CHECK_EQ(txn_run(s->fs, &opt, raw_body, &r, NULL), 0);
	CHECK_EQ(data_file_inode(&p->f).mtime.sec, 77);
	CHECK(data_file_inode(&p->f).ctime.sec != 77);
	r.c.mtime.nsec++;
	CHECK_EQ(txn_run(s->fs, &opt, raw_body, &r, NULL), -EINVAL);
	r.c.has_mtime = false;
	CHECK_EQ(party_put(p, 0, BLK), 0);
	for (unsigned int i = 0; i <= DATA_COMMIT_STEPS; i++)
		runs[i].nr = 1;
	r.c.runs = runs;
	r.c.nr = DATA_COMMIT_STEPS + 1;
	CHECK_EQ(txn_run(s->fs, &opt, raw_body, &r, NULL), -E2BIG);
	r.c.nr--;
	CHECK_EQ(txn_run(s->fs, &opt, raw_body, &r, NULL), 0);
	r.c.generation++;
	CHECK_EQ(txn_run(s->fs, &opt, raw_body, &r, NULL), -ESTALE);
	free(runs);
	free(p);
}

static void test_commit_times_and_limits(void **state)
{
	run(do_times);
}

/* Reads and commits */

struct reading {
	struct party *p;
	uint8_t buf[2 * BLK];
	bool done;
};

FIBER_FN static void reading_main(void *arg)
{
	struct reading *r = arg;

	CHECK_EQ(data_file_read(&r->p->f, 0, r->buf, 2 * BLK), 2 * BLK);
	r->done = true;
}

static bool is_read(const struct blk_req *req, void *arg)
{
	return req->op == BLK_READ;
}

/* A commit puts other blocks in the place of those that are being read, and these are given to somebody else. */
FIBER_FN static void do_read_meanwhile(struct store *s, void *arg)
{
	struct party *p = party_new(s);
	struct reading r = { .p = p };
	uint8_t other[BLK];
	uint64_t daddr;

	CHECK_EQ(party_put(p, 0, 2 * BLK), 0);
	CHECK_EQ(data_holder_get(&p->a, &p->f, 1, 2), 0);
	daddr = p->all.v[0].daddr[0];
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	CHECK_EQ(party_share(p, &p->f, 0, &p->g, 0, 0), 0);
	CHECK_EQ(data_holder_get(&p->a, &p->f, 1, 2), 0);
	CHECK(p->all.v[0].daddr[0] != daddr);
	data_file_truncate(&p->g, 0);
	data_settle(s->fs);
	party_scribble(p, &p->a, 1, 1, 'a');
	sim_disk_hold(s->disks[0], is_read, NULL);
	CHECK_EQ(fiber_spawn(s->r, "reading", reading_main, &r, NULL), 0);
	while (!sim_disk_nr_held(s->disks[0]))
		fiber_sleep_ns(1000);
	CHECK_EQ(party_commit(p, &p->a, 1, 1, 0), 0);
	memset(other, DATA_FILE_STRANGER, sizeof(other));
	sim_disk_poke(s->disks[0], daddr_block(daddr) << DADDR_BLOCK_SHIFT, other, BLK);
	sim_disk_release(s->disks[0]);
	while (!r.done)
		fiber_sleep_ns(1000);
	CHECK_EQ(r.buf[BLK - 1], 's');
	CHECK_EQ(r.buf[BLK], 'a');
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	free(p);
}

static void test_read_meanwhile(void **state)
{
	run(do_read_meanwhile);
}

/* The end of file */

/* What lets the file of 100 bytes grow to at least 3 blocks. */
FIBER_FN static int grow(struct party *p, unsigned int how)
{
	switch (how) {
	case 0:
		return party_resize(p, 5 * BLK);
	case 1:
		return party_put(p, 4 * BLK, 10);
	case 2:
		return party_put(p, 3 * BLK - 1, 1);
	case 3:
		return party_allocate(p, 3 * BLK, 10);
	default:
		data_file_write(&p->g, 0, p->buf, BLK, DATA_UNSTABLE);
		return party_share(p, &p->g, 0, &p->f, 4 * BLK, BLK);
	}
}

#define GROWS 5

FIBER_FN static void do_tail(struct store *s, void *arg)
{
	for (unsigned int how = 0; how < GROWS; how++) {
		struct party *p = party_new(s);

		CHECK_EQ(party_put(p, 0, 100), 0);
		CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 1), 0);
		party_scribble(p, &p->a, 0, 1, 'a');
		CHECK_EQ(grow(p, how), -EBUSY);
		CHECK_EQ(party_put(p, 50, 100), -EBUSY);
		/* Not even the holder itself: what it wrote behind the end it may still commit. */
		p->also.guard = &p->a.guard;
		CHECK_EQ(grow(p, how), -EBUSY);
		CHECK_EQ(party_put(p, 50, 100), -EBUSY);
		p->also.guard = &p->server.guard;
		CHECK_EQ(party_commit(p, &p->a, 0, 0, 200), 0);
		CHECK_EQ(grow(p, how), -EBUSY);
		CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
		CHECK_EQ(grow(p, how), 0);
		party_expect(p, 0, 200, 'a');
		party_expect(p, 200, 3 * BLK - 1, 0);
		data_file_unlink(s, "f");
		data_file_unlink(s, "g");
		free(p);
	}
}

static void test_tail(void **state)
{
	run(do_tail);
}

/* The file has grown into a block that was granted before, and nothing was dirty then. */
FIBER_FN static void do_grown_into(struct store *s, void *arg)
{
	struct party *p = party_new(s);

	CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 4), 0);
	CHECK_EQ(party_resize(p, 100), 0);
	party_scribble(p, &p->a, 0, 1, 'a');
	CHECK_EQ(data_holder_commit(&p->a, &p->f, 0, 1, false, 0, UINT64_MAX, &p->seq), 0);
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	CHECK_EQ(party_resize(p, BLK), 0);
	party_expect(p, 0, 100, 'a');
	party_expect(p, 100, BLK, 0);
	free(p);
}

static void test_grown_into(void **state)
{
	run(do_grown_into);
}

/* Blocks wholly behind the end are committed: a client with larger pages, or one whose size comes later. */
FIBER_FN static void do_behind(struct store *s, void *arg)
{
	for (unsigned int how = 0; how <= GROWS; how++) {
		struct party *p = party_new(s);

		CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 8), 0);
		party_scribble(p, &p->a, 0, 8, 'a');
		CHECK_EQ(party_commit(p, &p->a, 0, 8, 100), 0);
		CHECK(data_file_inode(&p->f).flags & INODE_DIRTY_BEHIND);
		data_file_check_volume(s);
		if (how == GROWS) {
			/* Its size comes: nothing of what it wrote is lost. */
			CHECK_EQ(party_commit(p, &p->a, 0, 0, 8 * BLK), 0);
			party_expect(p, 0, 8 * BLK, 'a');
			CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
			party_expect(p, 0, 8 * BLK, 'a');
		} else {
			CHECK_EQ(grow(p, how), -EBUSY);
			CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
			CHECK_EQ(grow(p, how), 0);
			party_expect(p, 0, 100, 'a');
			party_expect(p, 100, 3 * BLK - 1, 0);
			CHECK(!(data_file_inode(&p->f).flags & INODE_DIRTY_BEHIND));
		}
		data_file_unlink(s, "f");
		data_file_unlink(s, "g");
		free(p);
	}
}

static void test_behind(void **state)
{
	run(do_behind);
}

/* The next holder finds zeros behind the end. */
FIBER_FN static void do_next_holder(struct store *s, void *arg)
{
	struct party *p = party_new(s);

	CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 8), 0);
	party_scribble(p, &p->a, 0, 8, 'a');
	CHECK_EQ(party_commit(p, &p->a, 0, 8, 100), 0);
	/* Its own next one leaves alone what it may still commit. */
	CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 10), 0);
	CHECK_EQ(party_commit(p, &p->a, 0, 0, 200), 0);
	party_expect(p, 0, 200, 'a');
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	CHECK_EQ(data_holder_get(&p->b, &p->f, 0, 8), 0);
	party_scribble(p, &p->b, 6, 1, 'b');
	CHECK_EQ(party_commit(p, &p->b, 6, 1, 7 * BLK), 0);
	party_expect(p, 0, 200, 'a');
	party_expect(p, 200, 6 * BLK, 0);
	party_expect(p, 6 * BLK, 7 * BLK, 'b');
	CHECK_EQ(data_holder_return(&p->b, &p->f), 0);
	free(p);
}

static void test_next_holder(void **state)
{
	run(do_next_holder);
}

/* Two holders of parts that do not meet: one may not let the file grow over what the other has left behind its end.
 */
FIBER_FN static void do_two_holders(struct store *s, void *arg)
{
	for (unsigned int behind = 0; behind < 2; behind++) {
		struct party *p = party_new(s);
		uint64_t size = behind ? BLK : 100;

		CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 4), 0);
		CHECK_EQ(data_holder_get(&p->b, &p->f, 10, 12), 0);
		party_scribble(p, &p->a, 0, 4, 'a');
		CHECK_EQ(party_commit(p, &p->a, 0, behind ? 4 : 1, size), 0);
		party_scribble(p, &p->b, 10, 2, 'b');
		CHECK_EQ(party_commit(p, &p->b, 10, 2, 11 * BLK), -EBUSY);
		CHECK_EQ(data_file_size(&p->f), size);
		CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
		/* Nothing of the others goes: what is its own it may commit. */
		CHECK_EQ(party_commit(p, &p->b, 10, 2, 11 * BLK), behind ? -EBUSY : 0);
		if (behind) {
			CHECK_EQ(data_holder_return(&p->b, &p->f), 0);
			CHECK_EQ(data_holder_get(&p->b, &p->f, 0, 12), 0);
			party_scribble(p, &p->b, 10, 2, 'b');
			CHECK_EQ(party_commit(p, &p->b, 10, 2, 11 * BLK), 0);
		}
		party_expect(p, 0, size, 'a');
		party_expect(p, size, 10 * BLK, 0);
		party_expect(p, 10 * BLK, 11 * BLK, 'b');
		CHECK_EQ(data_holder_return(&p->b, &p->f), 0);
		data_file_unlink(s, "f");
		data_file_unlink(s, "g");
		free(p);
	}
}

static void test_two_holders(void **state)
{
	run(do_two_holders);
}

/* What is left */

FIBER_FN static void do_unreserve(struct store *s, void *arg)
{
	struct party *p = party_new(s);
	struct fs_stats before, after;

	CHECK_EQ(party_put(p, 0, 4 * BLK), 0);
	CHECK_EQ(party_share(p, &p->f, 0, &p->g, 0, 2 * BLK), 0);
	fs_stats(s->fs, &before);
	CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 16), 0);
	CHECK_EQ(data_holder_get(&p->b, &p->f, 20, 30), 0);
	CHECK_EQ(data_file_inode(&p->f).blocks, 4 + 2 + 12 + 10);
	CHECK_EQ(data_unreserve(s->fs, p->f.ino, p->f.generation, 0, DATA_END, &p->server.guard), 0);
	CHECK_EQ(data_file_inode(&p->f).blocks, 4 + 2 + 12 + 10);
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	CHECK_EQ(data_unreserve(s->fs, p->f.ino, p->f.generation, 7, 7, NULL), 0);
	CHECK_EQ(data_file_inode(&p->f).blocks, 4 + 10);
	CHECK_EQ(data_unreserve(s->fs, p->f.ino, p->f.generation, 0, DATA_END, NULL), 0);
	fs_stats(s->fs, &after);
	CHECK_EQ(after.free_blocks, before.free_blocks);
	party_expect(p, 0, 4 * BLK, 's');
	CHECK_EQ(data_unreserve(s->fs, p->f.ino, p->f.generation + 1, 0, 9, NULL), -ESTALE);
	free(p);
}

static void test_unreserve(void **state)
{
	run(do_unreserve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),	cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_refused_late),	cmocka_unit_test(test_locks),
		cmocka_unit_test(test_commit_is_exact), cmocka_unit_test(test_commit_times_and_limits),
		cmocka_unit_test(test_read_meanwhile),	cmocka_unit_test(test_tail),
		cmocka_unit_test(test_grown_into),	cmocka_unit_test(test_behind),
		cmocka_unit_test(test_next_holder),	cmocka_unit_test(test_two_holders),
		cmocka_unit_test(test_unreserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
