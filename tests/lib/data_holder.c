/* SPDX-License-Identifier: Apache-2.0 */

/* See the header.  Memory only: after a restart nobody holds anything, unless the test says so. */

#include "tests/lib/data_holder.h"

#include <string.h>

#include "dev/blkdev.h"
#include "tests/lib/check.h"

static const struct data_holding *find(const struct data_holders *all, unsigned int owner, uint64_t ino,
				       uint64_t first, uint64_t end)
{
	for (unsigned int i = 0; i < all->nr; i++) {
		const struct data_holding *h = &all->v[i];

		if (h->ino == ino && h->first < end && first < h->end && (!owner || h->owner == owner) && !h->reads)
			return h;
	}
	return NULL;
}

bool data_holders_have(const struct data_holders *all, unsigned int owner, uint64_t ino, uint64_t first, uint64_t end,
		       bool every)
{
	while (every && first < end && find(all, owner, ino, first, first + 1))
		first++;
	return every ? first >= end : find(all, owner, ino, first, end) != NULL;
}

/* Others than @owner, for whatever */
static bool others_have(const struct data_holders *all, unsigned int owner, uint64_t ino, uint64_t first,
			uint64_t end)
{
	for (unsigned int i = 0; i < all->nr; i++) {
		const struct data_holding *h = &all->v[i];

		if (h->ino == ino && h->first < end && first < h->end && h->owner != owner)
			return true;
	}
	return false;
}

static int asker_check(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end,
		       enum data_touch touch)
{
	struct data_asker *a = container_of(guard, struct data_asker, guard);
	bool busy = touch == DATA_TAIL ? data_holders_have(a->all, 0, ino, first, end, false)
				       : others_have(a->all, touch == DATA_OVERWRITE ? a->owner : 0, ino, first, end);

	CHECK(first < end);
	a->first = first;
	a->end = end;
	a->touch = touch;
	a->asked++;
	a->refused += busy;
	return busy ? -EBUSY : 0;
}

static bool asker_held(const struct data_guard *guard, uint64_t ino, uint64_t first, uint64_t end)
{
	return data_holders_have(container_of(guard, struct data_asker, guard)->all, 0, ino, first, end, false);
}

void data_asker_init(struct data_asker *asker, struct data_holders *all, unsigned int owner)
{
	*asker = (struct data_asker){ .guard = { .check = asker_check, .held = asker_held },
				      .all = all,
				      .owner = owner };
}

/* Getting */

struct get {
	struct data_asker *asker;
	struct data_file *f;
	struct data_holding holding;
};

/* Where each block is to be written: in the copy-on-write map, if it is there. */
static int get_daddrs(struct txn *txn, struct get *g, enum map_fork fork)
{
	struct data_holding *h = &g->holding;
	uint64_t blk = h->first;
	struct map_extent e;
	unsigned int nr;
	int err;

	while (blk < h->end) {
		err = map_read(txn, h->ino, fork, blk, h->end - blk, 1, &e, &nr);
		if (err)
			return err;
		for (uint64_t i = 0; i < e.nr; i++)
			if (e.state != MAP_HOLE)
				h->daddr[e.blk + i - h->first] = e.daddr + i;
		blk = e.blk + e.nr;
	}
	return 0;
}

static int get_body(struct txn *txn, void *arg)
{
	struct get *g = arg;
	struct data_holding *h = &g->holding;
	struct inode inode;
	uint64_t stop = h->end;
	int err;

	if (others_have(g->asker->all, h->owner, h->ino, h->first, h->end))
		return -EBUSY;
	err = inode_get_gen(txn, h->ino, g->f->generation, &inode);
	if (err)
		return err;
	CHECK_EQ(inode_may_map(&inode, h->end - 1), 0);
	err = map_alloc(txn, &inode, h->first, h->end - h->first, &(struct map_want){ 0 }, 2 * DATA_HOLDING_BLKS,
			&stop);
	if (err)
		return err;
	CHECK_EQ(stop, h->end);
	data_hold_grant(&inode, h->first, h->end);
	err = inode_put(txn, &inode);
	if (!err)
		err = get_daddrs(txn, g, MAP_DATA);
	return err ? err : get_daddrs(txn, g, MAP_COW);
}

int data_holder_get(struct data_asker *asker, struct data_file *f, uint64_t first, uint64_t end)
{
	const struct txn_options opt = { .name = "get",
					 .log_max = 2 * DATA_HOLDING_BLKS * MAP_ALLOC_LOG + INODE_LOG_PUT };
	struct fs *fs = f->store->fs;
	struct get g = { .asker = asker,
			 .f = f,
			 .holding = { .ino = f->ino, .first = first, .end = end, .owner = asker->owner } };
	struct data_hold hold;
	uint64_t seq = 0;
	int err;

	CHECK(end - first <= DATA_HOLDING_BLKS && asker->owner && asker->all->nr < DATA_HOLDINGS_MAX);
	err = data_hold(fs, &hold, f->ino, f->generation, first, end, true, &asker->guard);
	if (err)
		return err;
	if (asker->zero)
		err = data_make_readable(fs, f->ino, f->generation, first, end, end, &asker->guard);
	if (!err)
		err = txn_run(fs, &opt, get_body, &g, &seq);
	if (!err)
		asker->all->v[asker->all->nr++] = g.holding;
	data_unhold(fs, &hold);
	return err ? err : txn_wait_durable(fs, seq);
}

/* Using */

static uint64_t holding_daddr(const struct data_asker *asker, const struct data_file *f, uint64_t blk)
{
	const struct data_holding *h = find(asker->all, asker->owner, f->ino, blk, blk + 1);

	CHECK(h != NULL);
	return h->daddr[blk - h->first];
}

int data_holder_write(struct data_asker *asker, struct data_file *f, uint64_t blk, uint64_t nr, const void *buf)
{
	uint8_t *mem = blkdev_buf_alloc(DADDR_BLOCK_SIZE);
	int err = 0;

	for (uint64_t i = 0; i < nr && !err; i++) {
		uint64_t daddr = holding_daddr(asker, f, blk + i);

		memcpy(mem, (const uint8_t *)buf + i * DADDR_BLOCK_SIZE, DADDR_BLOCK_SIZE);
		err = blkdev_write(f->store->devs[daddr_dev(daddr)], daddr_block(daddr) << DADDR_BLOCK_SHIFT, mem,
				   DADDR_BLOCK_SIZE);
	}
	blkdev_buf_free(mem);
	return err;
}

struct commit {
	struct data_asker *asker;
	struct data_file *f;
	struct data_commit_run run;
	bool has_size;
	uint64_t size, max;
};

static bool commit_has(void *arg, uint64_t first, uint64_t end)
{
	const struct commit *c = arg;

	return data_holders_have(c->asker->all, c->asker->owner, c->f->ino, first, end, true);
}

static int commit_body(struct txn *txn, void *arg)
{
	struct commit *c = arg;
	struct data_layout_commit commit = { .ino = c->f->ino,
					     .generation = c->f->generation,
					     .runs = &c->run,
					     .nr = c->run.nr > 0,
					     .has_size = c->has_size,
					     .size = c->size,
					     .holds = commit_has,
					     .arg = c };
	struct inode before, inode;
	int err;

	err = inode_get_gen(txn, c->f->ino, c->f->generation, &before);
	if (err)
		return err;
	if (before.size > c->max)
		return -EFBIG;
	err = data_commit_layout(txn, &commit, &inode);
	if (err)
		return err;
	CHECK(inode.change > before.change);
	CHECK_EQ(inode.size, c->has_size ? max_u64(c->size, before.size) : before.size);
	return 0;
}

int data_holder_commit(struct data_asker *asker, struct data_file *f, uint64_t blk, uint64_t nr, bool has_size,
		       uint64_t size, uint64_t max, uint64_t *ret_seq)
{
	const struct txn_options opt = { .name = "commit", .log_max = DATA_COMMIT_LOG(DATA_HOLDING_BLKS) };
	struct commit c = {
		.asker = asker, .f = f, .run = { blk, nr }, .has_size = has_size, .size = size, .max = max
	};
	struct fs *fs = f->store->fs;
	int err;

	err = data_flush_devices(fs);
	if (!err)
		err = txn_run(fs, &opt, commit_body, &c, ret_seq);
	if (err == -EAGAIN) {
		err = data_ready_to_grow(fs, f->ino, f->generation, &asker->guard);
		if (!err)
			err = txn_run(fs, &opt, commit_body, &c, ret_seq);
	}
	return err;
}

int data_holder_return(struct data_asker *asker, struct data_file *f)
{
	struct data_holders *all = asker->all;
	unsigned int i = 0;
	int err = 0;

	while (i < all->nr && !err) {
		struct data_holding gone = all->v[i];

		if (gone.ino != f->ino || gone.owner != asker->owner) {
			i++;
			continue;
		}
		all->v[i] = all->v[--all->nr];
		err = data_unreserve(f->store->fs, f->ino, f->generation, gone.first, gone.end, &asker->guard);
		i = 0; /* others came and went meanwhile */
	}
	return err;
}
