/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints: the tree on disk moves from one whole state to the next, in the background.
 *
 *   freeze    in one instant: the dirty blocks, the bitmaps and the numbers of the superblock are set apart; changes
 *             from now on belong to the next epoch and copy what they touch
 *   write     blocks and bitmaps go to places that no checkpoint uses, few at a time, since they share the device
 * with the journal flush     all of that is on stable storage, and so is the journal up to the last transaction in it
 *   flip      the superblock is written, durable, to the slot that does not hold the current one
 *   thaw      what the old checkpoint alone used is free: metadata blocks and the ring before the new start of replay
 *
 * Promises: a crash at any point leaves the old or the new superblock, with everything that it refers to; an error
 * turns the store read-only and leaves the old one in force.
 */

#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/fs_int.h"
#include "extent/node.h"

#define CKPT_RUN_MAX  8 /* neighbouring blocks in one write */
#define CKPT_RETRY_NS 10000000

/* One checkpoint on its way. */
struct ckpt_job {
	struct fs *fs;
	struct super *super; /* as it will be */
	int err;	     /* the first of any writer */
};

/* Where replay has to begin, if this were written now. */
static struct journal_pos ckpt_journal_pos(const struct fs *fs)
{
	/* While replaying: at the same record as before; the sequence number says what of it is in the tree. */
	if (!fs->journal)
		return (struct journal_pos){ fs->super.journal_lsn, fs->super.journal_chain };
	return journal_mark(fs->journal);
}

static void ckpt_fill_super(struct ckpt_job *job)
{
	struct fs *fs = job->fs;
	struct journal_pos pos = ckpt_journal_pos(fs);

	*job->super = fs->super;
	job->super->nr_devices = fs->nr_devs;
	memcpy(job->super->devices, fs->device, sizeof(job->super->devices));
	job->super->epoch = fs->epoch;
	job->super->root_daddr = fs->root.daddr;
	job->super->root_epoch = fs->root.epoch;
	job->super->root_level = fs->root.level;
	job->super->txn_seq = fs->txn_seq;
	job->super->next_ino = fs->next_ino;
	job->super->journal_lsn = pos.lsn;
	job->super->journal_chain = pos.chain;
	job->super->counts = fs->counts;
	job->super->bitmaps_checksum = chunks_bitmaps_checksum(&fs->chunks);
	job->super->nr_chunks = fs->chunks.nr;
	for (uint32_t i = 0; i < fs->chunks.nr; i++) {
		job->super->chunks[i] = fs->chunks.chunk[i]->daddr;
		job->super->chunk_slots[i] = (uint8_t)chunk_next_slot(fs->chunks.chunk[i]);
	}
}

static int ckpt_freeze(struct ckpt_job *job)
{
	struct fs *fs = job->fs;
	int err;

	fiber_no_switch_begin();
	assert(!fs->txn.running);
	err = chunks_freeze(&fs->chunks, fs->epoch);
	if (!err) {
		ckpt_fill_super(job);
		block_freeze_all(fs);
		fs->epoch++;
	}
	fiber_no_switch_end();
	return err;
}

/* Take blocks that lie side by side off the frozen list. */
static unsigned int ckpt_take_run(struct fs *fs, struct block **run)
{
	struct list *frozen = &fs->cache.frozen;
	unsigned int nr = 0;

	while (nr < CKPT_RUN_MAX && !list_is_empty(frozen)) {
		struct block *b = list_first_entry(frozen, struct block, link);

		if (nr > 0 && b->daddr != run[nr - 1]->daddr + BLOCK_DADDRS)
			break;
		list_del(&b->link);
		run[nr++] = b;
	}
	return nr;
}

/* After an error nothing more is written, only thawed. */
FIBER_FN static int ckpt_write_run(struct ckpt_job *job, struct block **run, unsigned int nr)
{
	struct fs *fs = job->fs;
	struct iovec iov[CKPT_RUN_MAX];
	uint64_t daddr = run[0]->daddr;
	int err = job->err;

	for (unsigned int i = 0; i < nr; i++) {
		node_seal(run[i]->data, run[i]->daddr, run[i]->epoch);
		iov[i].iov_base = run[i]->data;
		iov[i].iov_len = BLOCK_SIZE;
	}
	if (!err)
		err = blkdev_writev(fs->devs[daddr_dev(daddr)], daddr_block(daddr) << DADDR_BLOCK_SHIFT, iov, nr);
	for (unsigned int i = 0; i < nr; i++)
		block_thaw(fs, run[i]);
	return err;
}

FIBER_FN static void ckpt_writer(void *arg)
{
	struct ckpt_job *job = arg;
	struct fs *fs = job->fs;
	struct block *run[CKPT_RUN_MAX];
	unsigned int nr;

	while ((nr = ckpt_take_run(fs, run)) > 0) {
		int err = ckpt_write_run(job, run, nr);

		fs->ckpt.stats.blocks += nr;
		if (err && !job->err)
			job->err = err;
		/* The journal and readers come first. */
		fiber_yield();
	}
}

FIBER_FN static int ckpt_write_blocks(struct ckpt_job *job)
{
	struct fs *fs = job->fs;
	struct fiber *writers[CKPT_DEPTH_MAX];
	unsigned int nr = 0, depth = fs->opt.checkpoint_depth;

	while (nr + 1 < depth && !fiber_spawn(fs->reactor, "checkpoint writer", ckpt_writer, job, &writers[nr]))
		nr++;
	ckpt_writer(job);
	while (nr-- > 0)
		fiber_join(writers[nr]);
	return job->err;
}

FIBER_FN static int ckpt_write_bitmaps(struct ckpt_job *job)
{
	struct chunks *cs = &job->fs->chunks;
	int err = 0;

	for (uint32_t i = 0; i < job->super->nr_chunks && !err; i++) {
		struct chunk *c = cs->chunk[i];

		if (c->image)
			err = blkdev_write(job->fs->devs[daddr_dev(c->daddr)],
					   chunk_slot_offset(c, chunk_next_slot(c)), c->image, sizeof(*c->image));
	}
	return err;
}

FIBER_FN static int ckpt_flush(struct fs *fs)
{
	for (unsigned int i = 0; i < fs->nr_devs; i++) {
		int err = blkdev_flush(fs->devs[i]);

		if (err)
			return err;
	}
	return 0;
}

/*
 * In the slot may lie a superblock that an earlier life could not finish.  Ours has the same epoch and many of the
 * same bytes: torn in its turn, it could complete that one, whose tree is long overwritten.  So the first checkpoint
 * of a life puts chance bytes over the head of what lies there; whatever of them survives completes nothing.
 */
FIBER_FN static int ckpt_clean_slot(struct fs *fs, uint64_t off, uint8_t *buf)
{
	int err;

	if (fs->slot_is_clean)
		return 0;
	for (size_t i = 0; i < DADDR_BLOCK_SIZE; i++)
		buf[i] = (uint8_t)reactor_random(fs->reactor);
	err = blkdev_write_durable(fs->devs[0], off, buf, DADDR_BLOCK_SIZE);
	if (!err)
		fs->slot_is_clean = true;
	return err;
}

FIBER_FN static int ckpt_flip(struct ckpt_job *job)
{
	uint64_t off = SUPER_OFFSET(super_slot(job->super->epoch));
	void *buf = blkdev_buf_alloc(SUPER_SIZE);
	int err;

	if (!buf)
		return -ENOMEM;
	err = ckpt_clean_slot(job->fs, off, buf);
	if (!err) {
		super_encode(job->super, buf);
		err = blkdev_write_durable(job->fs->devs[0], off, buf, SUPER_SIZE);
	}
	blkdev_buf_free(buf);
	return err;
}

static void ckpt_thaw(struct ckpt_job *job)
{
	struct fs *fs = job->fs;

	chunks_thaw(&fs->chunks);
	fs->super = *job->super;
	if (fs->journal)
		journal_trim(fs->journal, fs->super.journal_lsn);
}

int ckpt_write(struct fs *fs)
{
	uint64_t start = reactor_now_ns(fs->reactor);
	struct ckpt_job job = { .fs = fs, .super = &fs->ckpt.super };
	int err;

	assert(!fs->read_only);
	if (fs->failed)
		return -EIO;
	err = ckpt_freeze(&job);
	if (err)
		return err; /* nothing has changed: tried again later */
	/*
	 * Before anything is written: a chunk may lie where a file had its blocks, and until the transaction that
	 * took them away is durable, that file may come back.
	 */
	if (fs->journal && job.super->txn_seq > 0)
		job.err = journal_wait_durable(fs->journal, job.super->txn_seq);
	err = ckpt_write_blocks(&job);
	if (!err)
		err = ckpt_write_bitmaps(&job);
	if (!err)
		err = ckpt_flush(fs);
	if (!err)
		err = ckpt_flip(&job);
	if (err) {
		fs_fail(fs, "checkpoint %llu could not be written: %s", (unsigned long long)job.super->epoch,
			strerror(-err));
		return -EIO;
	}
	ckpt_thaw(&job);
	fs->ckpt.stats.nr++;
	fs->ckpt.stats.last_ns = reactor_now_ns(fs->reactor) - start;
	return 0;
}

/* The fiber that does it in a mounted store */

static bool ckpt_has_work(const struct fs *fs)
{
	return fs->cache.nr_dirty > 0 || fs->txn_seq != fs->super.txn_seq;
}

void ckpt_request(struct fs *fs)
{
	fs->ckpt.wanted = true;
	wait_queue_wake_one(&fs->ckpt.work);
}

void ckpt_consider(struct fs *fs)
{
	if (fs->ckpt.wanted || fs->ckpt.state == CKPT_WRITING)
		return;
	if (fs->cache.nr_dirty > fs->opt.dirty_blocks_max / 2 ||
	    journal_used(fs->journal) > fs->opt.checkpoint_log_bytes)
		ckpt_request(fs);
}

static void ckpt_tick(struct reactor_timer *timer)
{
	struct fs *fs = timer->owner;

	if (ckpt_has_work(fs))
		ckpt_request(fs);
	reactor_timer_arm(fs->reactor, timer, reactor_now_ns(fs->reactor) + fs->opt.checkpoint_ns);
}

FIBER_FN static void ckpt_loop(void *arg)
{
	struct fs *fs = arg;
	struct ckpt *ckpt = &fs->ckpt;

	while (!ckpt->stopping) {
		if (!ckpt->wanted) {
			wait_queue_wait(&ckpt->work);
			continue;
		}
		ckpt->wanted = false;
		ckpt->state = CKPT_WRITING;
		if (!fs->failed && ckpt_has_work(fs) && ckpt_write(fs) && !fs->failed) {
			/* Out of memory before it began: give the others a chance to release some. */
			fiber_sleep_ns(CKPT_RETRY_NS);
			ckpt->wanted = true;
			continue;
		}
		ckpt->state = CKPT_IDLE;
		ckpt->done++;
		wait_queue_wake_all(&ckpt->changed);
	}
	ckpt->state = CKPT_IDLE;
}

int ckpt_start(struct fs *fs)
{
	struct ckpt *ckpt = &fs->ckpt;
	int err;

	wait_queue_init(&ckpt->work);
	wait_queue_init(&ckpt->changed);
	err = fiber_spawn(fs->reactor, "checkpoint", ckpt_loop, fs, &ckpt->fiber);
	if (err)
		return err;
	ckpt->timer.fire = ckpt_tick;
	ckpt->timer.owner = fs;
	reactor_timer_arm(fs->reactor, &ckpt->timer, reactor_now_ns(fs->reactor) + fs->opt.checkpoint_ns);
	return 0;
}

void ckpt_stop(struct fs *fs)
{
	struct ckpt *ckpt = &fs->ckpt;

	if (!ckpt->fiber)
		return;
	reactor_timer_cancel(fs->reactor, &ckpt->timer);
	ckpt->stopping = true;
	wait_queue_wake_one(&ckpt->work);
	fiber_join(ckpt->fiber);
	ckpt->fiber = NULL;
}

int ckpt_wait(struct fs *fs)
{
	struct ckpt *ckpt = &fs->ckpt;
	/* One that is being written began before this call: the one after it counts. */
	uint64_t target = ckpt->done + (ckpt->state == CKPT_WRITING ? 2 : 1);

	while (ckpt->done < target && !fs->failed) {
		if (ckpt->state != CKPT_WRITING || ckpt->done + 1 < target)
			ckpt_request(fs);
		wait_queue_wait(&ckpt->changed);
	}
	return fs->failed ? -EIO : 0;
}
