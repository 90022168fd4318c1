/* SPDX-License-Identifier: Apache-2.0 */

/* What the pNFS client keeps of layouts: a model of single pages says what must be there. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/log.h"
#include "tests/lib/check.h"
#include "tests/lib/dice.h"
#include "tools/pnfs_int.h"

#define PAGE  4096u
#define PAGES 64u

static struct pnfs_host host;
static struct pnfs_inode inode;

static int setup(void **state)
{
	memset(&host, 0, sizeof(host));
	memset(&inode, 0, sizeof(inode));
	inode.host = &host;
	return 0;
}

static int teardown(void **state)
{
	pnfs_extents_clear(&inode);
	return 0;
}

static struct pnfs_extent extent(uint64_t page, uint64_t nr, uint64_t at, enum pnfs_block_extent_state4 state)
{
	return (struct pnfs_extent){ .off = page * PAGE, .len = nr * PAGE, .device_off = at * PAGE, .state = state };
}

static void add(uint64_t page, uint64_t nr, uint64_t at, enum pnfs_block_extent_state4 state, int want)
{
	struct pnfs_extent e = extent(page, nr, at, state);

	CHECK_EQ(pnfs_extents_add(&inode, &e, 1), want);
}

static void expect(unsigned int i, uint64_t page, uint64_t nr, uint64_t at, enum pnfs_block_extent_state4 state)
{
	CHECK(i < inode.nr);
	CHECK_EQ(inode.extents[i].off, page * PAGE);
	CHECK_EQ(inode.extents[i].len, nr * PAGE);
	CHECK_EQ(inode.extents[i].device_off, at * PAGE);
	CHECK_EQ(inode.extents[i].state, state);
}

static void test_merges(void **state)
{
	add(0, 4, 100, PNFS_BLOCK_READWRITE_DATA, 0);
	add(4, 4, 104, PNFS_BLOCK_READWRITE_DATA, 0);
	CHECK_EQ(inode.nr, 1);
	expect(0, 0, 8, 100, PNFS_BLOCK_READWRITE_DATA);
	add(8, 4, 200, PNFS_BLOCK_READWRITE_DATA, 0);
	add(12, 4, 204, PNFS_BLOCK_INVALID_DATA, 0);
	CHECK_EQ(inode.nr, 3);
	CHECK(!pnfs_extent_find(&inode, 16 * PAGE));
	CHECK_EQ(pnfs_extent_find(&inode, 9 * PAGE)->device_off, 200 * PAGE);
}

/* Those for writing take the place of those for reading, and fill gaps between those that are there. */
static void test_fills(void **state)
{
	add(0, 16, 0, PNFS_BLOCK_NONE_DATA, 0);
	add(4, 4, 100, PNFS_BLOCK_INVALID_DATA, 0);
	CHECK_EQ(inode.nr, 3);
	expect(0, 0, 4, 0, PNFS_BLOCK_NONE_DATA);
	expect(1, 4, 4, 100, PNFS_BLOCK_INVALID_DATA);
	expect(2, 8, 8, 0, PNFS_BLOCK_NONE_DATA);
	add(0, 16, 96, PNFS_BLOCK_INVALID_DATA, 0);
	CHECK_EQ(inode.nr, 1);
	expect(0, 0, 16, 96, PNFS_BLOCK_INVALID_DATA);
	/* Those for reading take nothing away. */
	add(0, 20, 0, PNFS_BLOCK_NONE_DATA, 0);
	CHECK_EQ(inode.nr, 2);
	expect(1, 16, 4, 0, PNFS_BLOCK_NONE_DATA);
}

static void test_finds_changes(void **state)
{
	log_set_level(0);
	add(0, 8, 100, PNFS_BLOCK_READ_DATA, 0);
	add(2, 4, 300, PNFS_BLOCK_READWRITE_DATA, -EBADMSG);
	add(2, 4, 102, PNFS_BLOCK_READWRITE_DATA, 0);
	add(6, 2, 106, PNFS_BLOCK_INVALID_DATA, -EBADMSG);
	add(8, 4, 108, PNFS_BLOCK_INVALID_DATA, 0);
	add(8, 4, 109, PNFS_BLOCK_INVALID_DATA, -EBADMSG);
	CHECK_EQ(host.counts.bad_layouts, 3);
	/* Written and not committed: the server knows nothing of it. */
	CHECK_EQ(pnfs_extents_wrote(&inode, 8 * PAGE, 10 * PAGE), 0);
	add(8, 4, 108, PNFS_BLOCK_INVALID_DATA, 0);
	add(8, 4, 0, PNFS_BLOCK_NONE_DATA, 0);
	log_set_level(LOG_LEVEL_INFO);
}

static void test_commits(void **state)
{
	struct nfs_range ranges[4];

	add(0, 16, 100, PNFS_BLOCK_INVALID_DATA, 0);
	CHECK_EQ(pnfs_extents_wrote(&inode, PAGE, 2 * PAGE), 0);
	CHECK_EQ(pnfs_extents_wrote(&inode, 2 * PAGE, 3 * PAGE), 0);
	CHECK_EQ(pnfs_extents_wrote(&inode, 8 * PAGE, 9 * PAGE), 0);
	CHECK_EQ(pnfs_extents_written(&inode, 0, ranges, 4), 2);
	CHECK_EQ(ranges[0].offset, PAGE);
	CHECK_EQ(ranges[0].length, 2 * PAGE);
	CHECK_EQ(pnfs_extents_written(&inode, 3 * PAGE, ranges + 1, 1), 1);
	CHECK_EQ(ranges[1].offset, 8 * PAGE);
	/* What was written since is not committed. */
	CHECK_EQ(pnfs_extents_wrote(&inode, 9 * PAGE, 10 * PAGE), 0);
	pnfs_extents_committed(&inode, ranges, 2);
	CHECK_EQ(pnfs_extent_find(&inode, PAGE)->state, PNFS_BLOCK_READWRITE_DATA);
	CHECK_EQ(pnfs_extent_find(&inode, 8 * PAGE)->state, PNFS_BLOCK_READWRITE_DATA);
	CHECK(pnfs_extent_find(&inode, 9 * PAGE)->written);
	CHECK_EQ(pnfs_extents_written(&inode, 0, ranges, 4), 1);
	CHECK_EQ(ranges[0].offset, 9 * PAGE);
}

static void test_cuts(void **state)
{
	add(0, 16, 100, PNFS_BLOCK_READWRITE_DATA, 0);
	CHECK_EQ(pnfs_extents_cut(&inode, 4 * PAGE, 8 * PAGE), 0);
	CHECK_EQ(inode.nr, 2);
	expect(1, 8, 8, 108, PNFS_BLOCK_READWRITE_DATA);
	CHECK_EQ(pnfs_extents_cut(&inode, 0, UINT64_MAX), 0);
	CHECK_EQ(inode.nr, 0);
}

/* Random changes against a model of single pages. */
struct page {
	bool is_there, is_rw, invalid, written;
};

static void model_add(struct page *pages, uint64_t from, uint64_t nr, enum pnfs_block_extent_state4 state)
{
	bool is_rw = state == PNFS_BLOCK_READWRITE_DATA || state == PNFS_BLOCK_INVALID_DATA;

	for (uint64_t i = from; i < from + nr; i++)
		if (!pages[i].is_there || (is_rw && !pages[i].is_rw))
			pages[i] = (struct page){ true, is_rw, state == PNFS_BLOCK_INVALID_DATA, false };
}

static void model_check(const struct page *pages)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		const struct pnfs_extent *e = pnfs_extent_find(&inode, i * PAGE);

		CHECK_EQ(e != NULL, pages[i].is_there);
		if (!e)
			continue;
		CHECK_EQ(pnfs_extent_is_rw(e), pages[i].is_rw);
		CHECK_EQ(e->state == PNFS_BLOCK_INVALID_DATA, pages[i].invalid);
		CHECK_EQ(e->written, pages[i].written);
		CHECK_EQ(e->device_off + (i * PAGE - e->off), (1000 + i) * PAGE);
	}
	for (unsigned int i = 1; i < inode.nr; i++)
		CHECK(pnfs_extent_end(&inode.extents[i - 1]) <= inode.extents[i].off);
}

static void test_random(void **state)
{
	/* Those that may meet: a block for reading is never one that is not written. */
	const enum pnfs_block_extent_state4 states[2][2] = {
		{ PNFS_BLOCK_READ_DATA, PNFS_BLOCK_READWRITE_DATA },
		{ PNFS_BLOCK_INVALID_DATA, PNFS_BLOCK_INVALID_DATA },
	};
	struct dice dice = dice_seed(1);
	struct page pages[PAGES] = { 0 };

	for (int n = 0; n < 20000; n++) {
		uint64_t half = dice_below(&dice, 2) * (PAGES / 2);
		uint64_t from = half + dice_below(&dice, PAGES / 2);
		uint64_t nr = 1 + dice_below(&dice, half + PAGES / 2 - from);
		enum pnfs_block_extent_state4 which = states[half != 0][dice_below(&dice, 2)];

		switch (dice_below(&dice, 3)) {
		case 0:
			add(from, nr, 1000 + from, which, 0);
			model_add(pages, from, nr, which);
			break;
		case 1:
			CHECK_EQ(pnfs_extents_wrote(&inode, from * PAGE, (from + nr) * PAGE), 0);
			for (uint64_t i = from; i < from + nr; i++)
				pages[i].written |= pages[i].invalid;
			break;
		default:
			CHECK_EQ(pnfs_extents_cut(&inode, from * PAGE, (from + nr) * PAGE), 0);
			memset(&pages[from], 0, nr * sizeof(pages[0]));
			break;
		}
		model_check(pages);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_merges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fills, setup, teardown),
		cmocka_unit_test_setup_teardown(test_finds_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_commits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cuts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
