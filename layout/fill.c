/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Makes the extents of a grant.  Promise: what it answers passes every check of the clients and can do no harm in one
 * that checks nothing: no gap, no overlap, one device, boundaries only between pages of the client; READ_WRITE only
 * where the file's own data lies alone, INVALID only where readers still get zeros or the old shared block.
 */

#include "layout/fill.h"

#include "layout/grant.h"

/* What is behind the next blocks. */
struct fill_piece {
	uint64_t blk, nr;
	enum fill_state state;
	uint64_t daddr;	 /* not of FILL_NONE */
	bool has_source; /* copy on write: */
	uint64_t source;
};

static uint64_t piece_end(const struct fill_piece *piece)
{
	return piece->blk + piece->nr;
}

/* Space for the first part of what is asked for, as far as one look reaches. */
static int fill_holes(struct txn *txn, struct inode *inode, struct fill *fill)
{
	const struct map_want want = { .min_align = fill->page > 1 ? fill->page : 0 };
	struct map_extent runs[FILL_EXTENTS_MAX];
	uint64_t end = min_u64(fill->end, fill->fresh_max), stop;
	unsigned int nr;
	int err;

	if (fill->first >= end)
		return 0;
	err = map_read(txn, inode->ino, MAP_DATA, fill->first, end - fill->first, FILL_EXTENTS_MAX, runs, &nr);
	if (err)
		return err;
	end = runs[nr - 1].blk + runs[nr - 1].nr;
	for (unsigned int i = 0; i < nr; i++)
		if (runs[i].state == MAP_HOLE)
			fill->holes[fill->nr_holes++] = (struct fill_hole){ runs[i].blk, runs[i].nr };
	err = map_alloc(txn, inode, fill->first, end - fill->first, &want, FILL_EXTENTS_MAX, &stop);
	if (err)
		return err;
	/* What it did not come to is not fresh. */
	while (fill->nr_holes > 0 && fill->holes[fill->nr_holes - 1].blk >= stop)
		fill->nr_holes--;
	if (fill->nr_holes > 0) {
		struct fill_hole *last = &fill->holes[fill->nr_holes - 1];

		last->nr = min_u64(last->nr, stop - last->blk);
	}
	return 0;
}

/* Of shared blocks: where the writer goes.  *@ret_piece is cut to what is alike.  False: there is nothing yet. */
static int fill_find_cow(struct txn *txn, uint64_t ino, const struct map_extent *run, struct fill_piece *ret_piece,
			 bool *ret_found)
{
	struct map_extent cow;
	unsigned int nr;
	int err;

	err = map_read(txn, ino, MAP_COW, run->blk, run->nr, 1, &cow, &nr);
	if (err)
		return err;
	*ret_found = cow.state != MAP_HOLE;
	*ret_piece = (struct fill_piece){ .blk = run->blk,
					  .nr = min_u64(run->nr, cow.nr),
					  .state = FILL_INVALID,
					  .daddr = cow.daddr,
					  .has_source = true,
					  .source = run->daddr };
	return 0;
}

/* The piece at @blk.  *@ret_found: false where nothing can be granted. */
static int fill_look(struct txn *txn, uint64_t ino, const struct fill *fill, uint64_t blk,
		     struct fill_piece *ret_piece, bool *ret_found)
{
	struct map_extent run;
	unsigned int nr;
	int err;

	*ret_found = true;
	err = map_read(txn, ino, MAP_DATA, blk, fill->end - blk, 1, &run, &nr);
	if (err)
		return err;
	*ret_piece = (struct fill_piece){ .blk = run.blk, .nr = run.nr, .daddr = run.daddr };
	if (!fill->write) {
		ret_piece->state = run.state == MAP_WRITTEN ? FILL_READ : FILL_NONE;
		return 0;
	}
	if (run.state == MAP_WRITTEN && run.shared)
		return fill_find_cow(txn, ino, &run, ret_piece, ret_found);
	*ret_found = run.state != MAP_HOLE;
	ret_piece->state = run.state == MAP_WRITTEN ? FILL_READ_WRITE : FILL_INVALID;
	return 0;
}

static bool is_page(const struct fill *fill, uint64_t blk)
{
	return blk % fill->page == 0;
}

static bool fill_fits(const struct fill *fill, const struct fill_piece *piece, bool has_device)
{
	unsigned int room = fill->max - fill->nr;

	if (room < (piece->has_source ? 2u : 1u))
		return false;
	if (piece->state == FILL_NONE)
		return true;
	if (!is_page(fill, piece->daddr) || (has_device && daddr_dev(piece->daddr) != fill->device))
		return false;
	return !piece->has_source ||
	       (is_page(fill, piece->source) && daddr_dev(piece->source) == daddr_dev(piece->daddr));
}

static void fill_add(struct fill *fill, uint64_t blk, uint64_t nr, uint64_t daddr, enum fill_state state)
{
	struct fill_extent *last = fill->nr ? &fill->extents[fill->nr - 1] : NULL;

	if (last && last->state == state && last->blk + last->nr == blk &&
	    (state == FILL_NONE || last->daddr + last->nr == daddr))
		last->nr += nr;
	else
		fill->extents[fill->nr++] = (struct fill_extent){ blk, nr, state == FILL_NONE ? 0 : daddr, state };
}

/* What was added from @end on is taken back. */
static void fill_cut(struct fill *fill, uint64_t end)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < fill->nr; i++) {
		struct fill_extent *e = &fill->extents[i];

		if (e->blk >= end)
			continue;
		e->nr = min_u64(e->nr, end - e->blk);
		fill->extents[nr++] = *e;
	}
	fill->nr = nr;
}

/* Cut to what the client has all of, or nothing; whether it has. */
static bool fill_cut_held(const struct fill *fill, struct fill_piece *piece)
{
	const struct grant *run = fill->has ? grants_find(fill->has, piece->blk, piece_end(piece), GRANT_RW) : NULL;

	if (!run)
		return false;
	if (run->blk > piece->blk) {
		piece->nr = run->blk - piece->blk;
		return false;
	}
	piece->nr = min_u64(piece_end(piece), run->blk + run->nr) - piece->blk;
	return true;
}

static int fill_list(struct txn *txn, uint64_t ino, struct fill *fill)
{
	uint64_t at = fill->first;
	bool has_device = false;

	fill->nr = 0;
	fill->invalid = 0;
	while (at < fill->end) {
		struct fill_piece piece;
		bool found;
		int err;

		err = fill_look(txn, ino, fill, at, &piece, &found);
		if (err)
			return err;
		/* A boundary inside a page: nothing of that page. */
		if (!is_page(fill, piece.blk) || !found || !fill_fits(fill, &piece, has_device))
			break;
		if (piece.state == FILL_INVALID && !fill_cut_held(fill, &piece)) {
			piece.nr = min_u64(piece.nr, fill->invalid_max - fill->invalid);
			if (piece.nr == 0)
				break;
			fill->invalid += piece.nr;
		}
		if (piece.state != FILL_NONE) {
			fill->device = daddr_dev(piece.daddr);
			has_device = true;
		}
		if (piece.has_source)
			fill_add(fill, piece.blk, piece.nr, piece.source, FILL_READ);
		fill_add(fill, piece.blk, piece.nr, piece.daddr, piece.state);
		at = piece_end(&piece);
	}
	fill->ret_end = round_down_u64(at, fill->page);
	fill_cut(fill, fill->ret_end);
	return 0;
}

int fill_run(struct txn *txn, struct inode *inode, struct fill *fill)
{
	int err;

	assert(fill->first < fill->need_end && fill->need_end <= fill->end && fill->max <= FILL_EXTENTS_MAX);
	assert(is_page(fill, fill->first) && is_page(fill, fill->end) && is_page(fill, fill->need_end));
	fill->nr = fill->nr_holes = 0;
	if (inode->trim_from < fill->end)
		return -EAGAIN;
	err = fill->write ? fill_holes(txn, inode, fill) : 0;
	if (!err)
		err = fill_list(txn, inode->ino, fill);
	if (err)
		return err;
	return fill->ret_end < fill->need_end ? -ENODATA : 0;
}
