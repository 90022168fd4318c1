/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Old bytes in the block of the end of file, and layouts of it and behind it: they are made zeros before anybody can
 * let the file grow who does not answer for them, and nobody is asked for more than that needs.
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

/* @who may read block @blk by a layout; until the next one goes. */
static void may_read(struct party *p, const struct data_asker *who, uint64_t blk)
{
	p->all.v[p->all.nr++] = (struct data_holding){
		.ino = p->f.ino, .first = blk, .end = blk + 1, .owner = who->owner, .reads = true
	};
}

static void reads_no_more(struct party *p)
{
	CHECK(p->all.v[--p->all.nr].reads);
}

FIBER_FN static bool tail_is_dirty(struct data_file *f)
{
	return data_file_inode(f).flags & INODE_DIRTY_TAIL;
}

/*
 * Who gets blocks behind the block of the end has that made zeros first.  One who only reads it is in the way only
 * where it becomes another block.
 */
FIBER_FN static void do_tail_before_the_range(struct store *s, void *arg)
{
	for (unsigned int shared = 0; shared < 2; shared++) {
		struct party *p = party_new(s);

		CHECK_EQ(party_put(p, 0, 2 * BLK), 0);
		if (shared)
			CHECK_EQ(party_share(p, &p->f, 0, &p->g, 0, 0), 0);
		CHECK_EQ(party_resize(p, BLK + 100), 0);
		may_read(p, shared ? &p->b : &p->a, 1);
		CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 1), 0); /* it does not grow by that */
		CHECK(tail_is_dirty(&p->f));
		CHECK_EQ(p->a.asked, 0);
		CHECK_EQ(data_holder_get(&p->a, &p->f, 10, 12), shared ? -EBUSY : 0);
		CHECK_EQ(p->a.asked, 1);
		CHECK(p->a.first == 1 && p->a.end == 2 && p->a.touch == (shared ? DATA_REMAP : DATA_TAIL));
		CHECK_EQ(tail_is_dirty(&p->f), shared);
		if (shared) {
			CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
			reads_no_more(p);
			CHECK_EQ(data_holder_get(&p->a, &p->f, 10, 12), 0);
			CHECK(!tail_is_dirty(&p->f));
		}
		party_scribble(p, &p->a, 10, 2, 'a');
		CHECK_EQ(party_commit(p, &p->a, 10, 2, 11 * BLK), 0);
		party_expect(p, 0, BLK + 100, 's');
		party_expect(p, BLK + 100, 10 * BLK, 0);
		party_expect(p, 10 * BLK, 11 * BLK, 'a');
		p->all.nr = 0;
		data_file_unlink(s, "f");
		data_file_unlink(s, "g");
		free(p);
	}
}

static void test_tail_before_the_range(void **state)
{
	run(do_tail_before_the_range);
}

/* One who asks for blocks behind the end waits for the write that moves it. */

struct tail_fiber {
	struct party *p;
	int result;
	bool done;
};

FIBER_FN static void writing_main(void *arg)
{
	struct tail_fiber *w = arg;

	w->result = party_put(w->p, BLK, BLK);
	w->done = true;
}

FIBER_FN static void getting_main(void *arg)
{
	struct tail_fiber *h = arg;

	h->result = data_holder_get(&h->p->a, &h->p->f, 10, 12);
	h->done = true;
}

static bool is_data(const struct blk_req *req, void *arg)
{
	const uint8_t *byte = req->nr_iov ? req->iov[0].iov_base : NULL;

	return byte && req->op != BLK_READ && *byte == 's';
}

FIBER_FN static void do_tail_is_locked(struct store *s, void *arg)
{
	struct party *p = party_new(s);
	struct tail_fiber w = { .p = p }, h = { .p = p };

	CHECK_EQ(party_put(p, 0, 4 * BLK), 0);
	CHECK_EQ(party_resize(p, BLK + 100), 0);
	sim_disk_hold(s->disks[0], is_data, NULL);
	CHECK_EQ(fiber_spawn(s->r, "writing", writing_main, &w, NULL), 0);
	while (!sim_disk_nr_held(s->disks[0]))
		fiber_sleep_ns(1000);
	CHECK_EQ(fiber_spawn(s->r, "getting", getting_main, &h, NULL), 0);
	fiber_sleep_ns(100000000);
	CHECK(!h.done && !w.done);
	sim_disk_release(s->disks[0]);
	while (!h.done || !w.done)
		fiber_sleep_ns(1000);
	CHECK(!h.result && !w.result);
	CHECK_EQ(party_commit(p, &p->a, 10, 2, 11 * BLK), 0);
	party_expect(p, 0, 2 * BLK, 's');
	party_expect(p, 2 * BLK, 10 * BLK, 0);
	free(p);
}

static void test_tail_is_locked(void **state)
{
	run(do_tail_is_locked);
}

/* A holder of the block of the end has gone since; who only reads it, and what is behind it, keep nothing from zeros.
 */
FIBER_FN static void do_tail_that_is_read(struct store *s, void *arg)
{
	for (unsigned int behind = 0; behind < 2; behind++) {
		struct party *p = party_new(s);

		CHECK_EQ(party_put(p, 0, 100), 0);
		CHECK_EQ(data_holder_get(&p->b, &p->f, 0, 1), 0);
		CHECK_EQ(data_holder_get(&p->a, &p->f, 10, 12), 0);
		CHECK_EQ(p->a.asked, 0);
		party_scribble(p, &p->b, 0, 1, 'b');
		party_scribble(p, &p->a, 10, 2, 'a');
		CHECK_EQ(data_holder_return(&p->b, &p->f), 0);
		may_read(p, &p->b, 0);
		CHECK(tail_is_dirty(&p->f));
		if (behind)
			CHECK_EQ(data_holder_commit(&p->a, &p->f, 10, 2, false, 0, UINT64_MAX, &p->seq), 0);
		/* What it committed itself is left to whoever asks. */
		CHECK_EQ(party_commit(p, &p->a, 10, 2, 11 * BLK), behind ? -EBUSY : 0);
		CHECK_EQ(tail_is_dirty(&p->f), false);
		CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
		CHECK_EQ(party_resize(p, 12 * BLK), 0);
		party_expect(p, 0, 100, 'b');
		party_expect(p, 100, 10 * BLK, 0);
		party_expect(p, 10 * BLK, 11 * BLK, behind ? 0 : 'a');
		reads_no_more(p);
		data_file_unlink(s, "f");
		data_file_unlink(s, "g");
		free(p);
	}
}

static void test_tail_that_is_read(void **state)
{
	run(do_tail_that_is_read);
}

/* Once a block is shared its tail could be cleaned only in another one. */
FIBER_FN static void do_clone_cleans(struct store *s, void *arg)
{
	struct party *p = party_new(s);

	CHECK_EQ(party_put(p, 0, 100), 0);
	CHECK_EQ(data_holder_get(&p->a, &p->f, 0, 1), 0);
	party_scribble(p, &p->a, 0, 1, 'a');
	CHECK_EQ(data_holder_return(&p->a, &p->f), 0);
	CHECK(tail_is_dirty(&p->f));
	CHECK_EQ(party_share(p, &p->f, 0, &p->g, 0, 0), 0);
	CHECK(!tail_is_dirty(&p->f) && !tail_is_dirty(&p->g));
	data_file_truncate(&p->g, BLK);
	CHECK_EQ(party_resize(p, BLK), 0);
	party_expect(p, 0, 100, 'a');
	party_expect(p, 100, BLK, 0);
	CHECK_EQ(data_file_read(&p->g, 0, p->buf, BLK), BLK);
	CHECK(p->buf[99] == 'a' && p->buf[100] == 0 && p->buf[BLK - 1] == 0);
	free(p);
}

static void test_clone_cleans(void **state)
{
	run(do_clone_cleans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tail_before_the_range),
		cmocka_unit_test(test_tail_is_locked),
		cmocka_unit_test(test_tail_that_is_read),
		cmocka_unit_test(test_clone_cleans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
