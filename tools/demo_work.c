/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workload of the demo on a real store, and the look at what is there afterwards.  A client goes on to its next
 * operation only when the last one is durable; only then the model moves.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/map.h"
#include "extent/name.h"
#include "tools/demo.h"

struct demo_txn {
	struct demo_log *log;
	const struct demo_client *client;
	struct demo_op op;
	const struct demo_state *state;
	bool same; /* of comparing */
};

struct demo_fiber {
	struct fs *fs;
	struct demo_log *log;
	struct demo_client *client;
	unsigned int index;
	uint64_t max;
	int *err; /* the first of all fibers */
};

#define DEMO_NAME_MAX 16

static struct name_at slot_name(uint64_t dir, unsigned int slot, char buf[DEMO_NAME_MAX])
{
	struct name_at at = { .dir = dir, .name = buf };

	at.len = (size_t)snprintf(buf, DEMO_NAME_MAX, "name-%u", slot);
	return at;
}

/* Allocate the next piece of a file, which makes it longer. */
static int alloc_chunk(struct txn *txn, struct inode *inode)
{
	const struct map_want want = { 0 };
	uint64_t blk = inode->size / DADDR_BLOCK_SIZE, stop;
	int err = map_alloc(txn, inode, blk, DEMO_CHUNK_BLOCKS, &want, DEMO_CHUNK_BLOCKS, &stop);

	if (err)
		return err;
	if (stop != blk + DEMO_CHUNK_BLOCKS)
		return -ENOSPC;
	inode->size += (uint64_t)DEMO_CHUNK_BLOCKS * DADDR_BLOCK_SIZE;
	inode_touch(txn, inode, true);
	return inode_put(txn, inode);
}

static int create(struct txn *txn, const struct name_at *at, uint32_t id)
{
	const struct name_create how = { .mode = S_IFREG | 0644, .uid = id };
	struct name_result made;
	int err = name_create(txn, at, &how, &made);

	return err ? err : alloc_chunk(txn, &made.inode);
}

static int rename_to(struct txn *txn, const struct name_at *at, unsigned int to)
{
	struct name_rename_result result;
	char buf[DEMO_NAME_MAX];
	struct name_at target = slot_name(at->dir, to, buf);

	return name_rename(txn, at, &target, 0, &result);
}

static int write_all(struct txn *txn, struct inode *inode)
{
	uint64_t nr = inode->size / DADDR_BLOCK_SIZE, stop;
	int err = map_convert(txn, inode, 0, nr, 0, 2 * DEMO_CHUNKS_MAX, &stop);

	if (err)
		return err;
	assert(stop == nr);
	return inode_put(txn, inode);
}

static int op_body(struct txn *txn, void *arg)
{
	const struct demo_txn *t = arg;
	struct name_result found;
	char buf[DEMO_NAME_MAX];
	struct name_at at = slot_name(t->client->dir, t->op.slot, buf);
	int err;

	if (t->op.kind == DEMO_CREATE)
		return create(txn, &at, t->op.id);
	if (t->op.kind == DEMO_UNLINK)
		return name_unlink(txn, &at, &found);
	if (t->op.kind == DEMO_RENAME)
		return rename_to(txn, &at, t->op.to);
	err = name_lookup(txn, &at, &found);
	if (err)
		return err;
	return t->op.kind == DEMO_ALLOC ? alloc_chunk(txn, &found.inode) : write_all(txn, &found.inode);
}

/* One operation of a client, until it is durable. */
static FIBER_FN int step(struct demo_fiber *f)
{
	static const struct txn_options options = { .name = "demo" };
	struct demo_client *c = f->client;
	struct demo_txn t = { .log = f->log, .client = c };
	struct demo_state *before = &c->states[c->done % 2], *after = &c->states[(c->done + 1) % 2];
	uint64_t seq;
	int err;

	demo_choose(f->log->seed, f->index, c->done, before, &t.op);
	err = txn_run(f->fs, &options, op_body, &t, &seq);
	if (!err)
		err = txn_wait_durable(f->fs, seq);
	if (err)
		return err;
	demo_apply(&t.op, before, after);
	__atomic_store_n(&c->done, c->done + 1, __ATOMIC_RELEASE);
	return 0;
}

static FIBER_FN void client(void *arg)
{
	struct demo_fiber *f = arg;
	struct reactor *r = fiber_reactor();

	while (!*f->err && f->client->done < f->max) {
		uint64_t begin = reactor_now_ns(r);
		int err = step(f);

		if (err && !*f->err)
			*f->err = err;
		bench_hist_add(&f->log->hist, reactor_now_ns(r) - begin, 1);
	}
}

FIBER_FN int demo_run(struct fs *fs, struct demo_log *log, uint64_t max)
{
	struct demo_fiber context[DEMO_CLIENTS];
	struct fiber *fibers[DEMO_CLIENTS];
	unsigned int nr = 0;
	int err = 0;

	for (; nr < DEMO_CLIENTS && !err; nr++) {
		context[nr] = (struct demo_fiber){ fs, log, &log->clients[nr], nr, max, &err };
		err = fiber_spawn(fiber_reactor(), "client", client, &context[nr], &fibers[nr]);
		if (err)
			break;
	}
	while (nr > 0)
		fiber_join(fibers[--nr]);
	return err;
}

static int prepare_body(struct txn *txn, void *arg)
{
	struct demo_log *log = arg;

	for (unsigned int i = 0; i < DEMO_CLIENTS; i++) {
		const struct name_create how = { .mode = S_IFDIR | 0755 };
		struct name_result made;
		char name[24];
		struct name_at at = { .dir = INO_ROOT, .name = name };
		int err;

		at.len = (size_t)snprintf(name, sizeof(name), "client-%u", i);
		err = name_create(txn, &at, &how, &made);
		if (err)
			return err;
		log->clients[i].dir = made.inode.ino;
	}
	return 0;
}

FIBER_FN int demo_prepare(struct fs *fs, struct demo_log *log)
{
	static const struct txn_options options = { .name = "demo directories" };
	uint64_t seq;
	int err = txn_run(fs, &options, prepare_body, log, &seq);

	return err ? err : txn_wait_durable(fs, seq);
}

/* Is every block of the file's map in the state that the model says? */
static int compare_map(struct txn *txn, const struct inode *inode, const struct demo_slot *slot, bool *ret_same)
{
	uint64_t written = (uint64_t)slot->written * DEMO_CHUNK_BLOCKS;
	uint64_t end = (uint64_t)slot->chunks * DEMO_CHUNK_BLOCKS;

	for (uint64_t blk = 0; blk < end;) {
		struct map_extent extent;
		unsigned int nr;
		int err = map_read(txn, inode->ino, MAP_DATA, blk, end - blk, 1, &extent, &nr);

		if (err)
			return err;
		if (extent.state != (blk < written ? MAP_WRITTEN : MAP_UNWRITTEN) ||
		    (blk < written && blk + extent.nr > written))
			*ret_same = false;
		blk += extent.nr;
	}
	return 0;
}

static int compare_slot(struct txn *txn, uint64_t dir, unsigned int i, const struct demo_slot *slot, bool *ret_same)
{
	uint64_t blocks = (uint64_t)slot->chunks * DEMO_CHUNK_BLOCKS;
	struct name_result found;
	char buf[DEMO_NAME_MAX];
	struct name_at at = slot_name(dir, i, buf);
	int err = name_lookup(txn, &at, &found);

	if (err == -ENOENT) {
		*ret_same = *ret_same && slot->id == 0;
		return 0;
	}
	if (err)
		return err;
	if (slot->id == 0 || found.inode.uid != slot->id || found.inode.blocks != blocks ||
	    found.inode.size != blocks * DADDR_BLOCK_SIZE) {
		*ret_same = false;
		return 0;
	}
	return compare_map(txn, &found.inode, slot, ret_same);
}

static int compare_body(struct txn *txn, void *arg)
{
	struct demo_txn *t = arg;
	bool same = true;

	for (unsigned int i = 0; same && i < DEMO_SLOTS; i++) {
		int err = compare_slot(txn, t->client->dir, i, &t->state->slots[i], &same);

		if (err)
			return err;
	}
	t->same = same;
	return 0;
}

static FIBER_FN int compare(struct fs *fs, const struct demo_client *c, const struct demo_state *state,
			    bool *ret_same)
{
	struct demo_txn t = { .client = c, .state = state };
	int err = txn_read(fs, compare_body, &t);

	if (!err)
		*ret_same = t.same;
	return err;
}

/* As acknowledged, or one operation further. */
static FIBER_FN int verify_client(struct fs *fs, struct demo_log *log, unsigned int index, struct demo_verdict *v)
{
	struct demo_client *c = &log->clients[index];
	struct demo_state *now = &c->states[c->done % 2], *next = &c->states[(c->done + 1) % 2];
	struct demo_op op;
	bool same;
	int err = compare(fs, c, now, &same);

	if (err || same)
		return err;
	demo_choose(log->seed, index, c->done, now, &op);
	demo_apply(&op, now, next);
	err = compare(fs, c, next, &same);
	if (err)
		return err;
	if (!same) {
		v->wrong++;
		return 0;
	}
	c->done++;
	v->in_flight++;
	return 0;
}

FIBER_FN int demo_verify(struct fs *fs, struct demo_log *log, struct demo_verdict *ret_verdict)
{
	struct demo_verdict v = { 0 };

	for (unsigned int i = 0; i < DEMO_CLIENTS; i++) {
		const struct demo_client *c = &log->clients[i];
		int err;

		v.acknowledged += c->done;
		err = verify_client(fs, log, i, &v);
		if (err)
			return err;
		for (unsigned int s = 0; s < DEMO_SLOTS; s++)
			v.files += c->states[c->done % 2].slots[s].id != 0;
	}
	*ret_verdict = v;
	return 0;
}
