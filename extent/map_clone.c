/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clones.  Each step makes one run of the destination show the source's blocks, and takes away what was there in the
 * same step; the new owner is counted before the old one leaves, so that blocks in both never look unowned.
 */
#include "extent/map_int.h"

struct map_clone {
	struct txn *txn;
	uint64_t src_ino;
	struct inode *inode;
	uint64_t tag;
};

/* Take away [@blk, @blk + @nr), which is alike in both maps but may have two counts of owners. */
static int map_clone_clear(struct map_clone *c, uint64_t blk, uint64_t nr)
{
	struct map_run run;
	int err;

	for (uint64_t end = blk + nr; blk < end; blk += run.nr) {
		err = map_measure(c->txn, c->inode->ino, blk, end, &run);
		if (err)
			return err;
		err = map_drop(c->txn, c->inode, &run, c->tag);
		if (err)
			return err;
	}
	return 0;
}

/* Let the source's @nr blocks from @src_blk on have one owner more, and say so in its map. */
static int map_clone_own(struct map_clone *c, const struct map_extent *src, uint64_t src_blk, uint64_t nr)
{
	uint64_t daddr = map_daddr(src, src_blk), left = nr, len;
	int err;

	for (; left; left -= len, daddr += len) {
		err = share_add(c->txn, daddr, left, &len);
		if (err)
			return err;
	}
	if (src->shared)
		return 0;
	return map_edit(c->txn, c->src_ino, MAP_DATA, src, src_blk, nr, map_daddr(src, src_blk), MAP_WRITTEN, true);
}

/* @dst is measured, and not longer than the run of the source that begins at @src_blk. */
static int map_clone_share(struct map_clone *c, const struct map_extent *src, uint64_t src_blk,
			   const struct map_run *dst)
{
	const struct map_extent hole = { .state = MAP_HOLE };
	uint64_t daddr = map_daddr(src, src_blk);
	int err;

	if (dst->data.state == MAP_WRITTEN && map_daddr(&dst->data, dst->blk) == daddr) /* cloned before */
		return map_drop_cow(c->txn, c->inode, dst, c->tag);
	err = map_clone_own(c, src, src_blk, dst->nr);
	if (err)
		return err;
	err = map_clone_clear(c, dst->blk,
			      dst->nr); /* measures again: within one file the edit may have moved items */
	if (err)
		return err;
	err = map_edit(c->txn, c->inode->ino, MAP_DATA, &hole, dst->blk, dst->nr, daddr, MAP_WRITTEN, true);
	if (err)
		return err;
	c->inode->blocks += dst->nr;
	return 0;
}

static int map_clone_step(struct map_clone *c, uint64_t src_blk, uint64_t blk, uint64_t nr, uint64_t *ret_nr)
{
	struct map_extent src;
	struct map_run dst;
	uint32_t refs;
	int err;

	err = map_find(c->txn, c->src_ino, MAP_DATA, src_blk, src_blk + nr, &src);
	if (err)
		return err;
	nr = min_u64(nr, src.blk + src.nr - src_blk);
	if (src.shared) {
		err = share_lookup(c->txn, map_daddr(&src, src_blk), nr, &refs, &nr);
		if (err)
			return err;
	}
	err = map_measure(c->txn, c->inode->ino, blk, blk + nr, &dst);
	if (err)
		return err;
	if (src.state == MAP_WRITTEN)
		err = map_clone_share(c, &src, src_blk, &dst);
	else
		err = map_drop(c->txn, c->inode, &dst, c->tag);
	if (err)
		return err;
	*ret_nr = dst.nr;
	return 0;
}

int map_clone(struct txn *txn, uint64_t src_ino, uint64_t src_blk, struct inode *inode, uint64_t blk, uint64_t nr,
	      uint64_t tag, unsigned int max, uint64_t *ret_stop)
{
	struct map_clone c = { .txn = txn, .src_ino = src_ino, .inode = inode, .tag = tag };
	uint64_t done = 0, len;
	int err;

	err = map_check_range(src_blk, nr);
	if (!err)
		err = map_check_range(blk, nr);
	if (!err && src_ino == inode->ino && src_blk < blk + nr && blk < src_blk + nr)
		err = -EINVAL;
	if (err)
		return err;
	assert(max > 0);
	for (unsigned int n = 0; n < max && done < nr; n++, done += len) {
		err = map_clone_step(&c, src_blk + done, blk + done, nr - done, &len);
		if (err)
			return err;
	}
	*ret_stop = blk + done;
	return 0;
}
