/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of files to and from the devices.  What lies side by side goes as one request, and a bounded number of them
 * is in flight; whoever gets the result knows that nothing of it is on its way any more.
 */

#include <stdlib.h>

#include "dev/fiber.h"
#include "extent/fs_int.h"

#define IO_DEPTH  32
#define IO_BLOCKS 256 /* of one request: 1 MiB */
/* Bytes of a request that makes zeros: writes them, or tells the device to */
#define ZEROS_WRITTEN (1u << 20)
#define ZEROS_TOLD    (64u << 20)

struct io;

struct io_slot {
	struct blk_req req;
	struct iovec iov[DATA_IMAGE_PARTS];
	struct io *io;
	struct list link;
};

/* One request that gathers: blocks side by side, in the file and on the device. */
struct io_piece {
	enum blk_op op;
	uint64_t blk;
	uint64_t nr;
	uint64_t daddr;
};

struct io {
	struct fs *fs;
	struct data_image *image;
	struct io_slot *slots;
	struct list idle;
	struct wait_queue done; /* a slot has become idle */
	unsigned int nr_slots;
	unsigned int nr_busy;
	int err; /* the first */
	struct io_piece piece;
	bool devs_to_flush[VOLUME_DEVICES_MAX];
	bool to_flush;
};

static int io_init(struct io *io, struct fs *fs, struct data_image *image, uint64_t requests)
{
	*io = (struct io){ .fs = fs, .image = image };
	io->nr_slots = (unsigned int)min_u64(requests, IO_DEPTH);
	io->slots = calloc(io->nr_slots, sizeof(*io->slots));
	if (!io->slots)
		return -ENOMEM;
	list_init(&io->idle);
	wait_queue_init(&io->done);
	for (unsigned int i = 0; i < io->nr_slots; i++) {
		io->slots[i].io = io;
		list_add_tail(&io->slots[i].link, &io->idle);
	}
	return 0;
}

static void io_done(struct blk_req *req)
{
	struct io_slot *slot = req->owner;
	struct io *io = slot->io;

	if (req->result && !io->err)
		io->err = req->result;
	list_add_head(&slot->link, &io->idle);
	io->nr_busy--;
	wait_queue_wake_one(&io->done);
}

FIBER_FN static void io_submit(struct io *io, unsigned int dev, const struct blk_req *req, const struct iovec *iov)
{
	struct io_slot *slot;

	while (list_is_empty(&io->idle))
		wait_queue_wait(&io->done);
	slot = list_first_entry(&io->idle, struct io_slot, link);
	list_del(&slot->link);
	slot->req = *req;
	for (unsigned int i = 0; i < req->nr_iov; i++)
		slot->iov[i] = iov[i];
	slot->req.iov = slot->iov;
	slot->req.done = io_done;
	slot->req.owner = slot;
	io->nr_busy++;
	blkdev_submit(io->fs->devs[dev], &slot->req);
}

FIBER_FN static void io_send(struct io *io)
{
	struct io_piece *p = &io->piece;
	struct iovec iov[DATA_IMAGE_PARTS];
	struct blk_req req = { .op = p->op,
			       .off = daddr_block(p->daddr) << DADDR_BLOCK_SHIFT,
			       .len = p->nr << DADDR_BLOCK_SHIFT };

	if (!p->nr)
		return;
	req.nr_iov = data_image_iov(io->image, p->blk, p->nr, iov);
	io_submit(io, daddr_dev(p->daddr), &req, iov);
	p->nr = 0;
}

/* The next blocks in the order of the file. */
FIBER_FN static void io_add(struct io *io, enum blk_op op, uint64_t blk, uint64_t nr, uint64_t daddr)
{
	struct io_piece *p = &io->piece;

	while (nr && !io->err) {
		uint64_t take;

		if (p->nr == IO_BLOCKS ||
		    (p->nr && (p->op != op || p->blk + p->nr != blk || p->daddr + p->nr != daddr)))
			io_send(io);
		if (!p->nr)
			*p = (struct io_piece){ .op = op, .blk = blk, .daddr = daddr };
		take = min_u64(nr, IO_BLOCKS - p->nr);
		p->nr += take;
		blk += take;
		daddr += take;
		nr -= take;
	}
}

FIBER_FN static void io_wait(struct io *io)
{
	if (!io->err)
		io_send(io);
	while (io->nr_busy)
		wait_queue_wait(&io->done);
}

static int io_release(struct io *io)
{
	free(io->slots);
	return io->err;
}

/* Requests that @runs can need. */
static uint64_t io_count(const struct data_run *runs, unsigned int nr)
{
	uint64_t sum = 1;

	for (unsigned int i = 0; i < nr; i++)
		sum += 1 + runs[i].nr / IO_BLOCKS;
	return sum;
}

int data_io_read(struct fs *fs, const struct data_run *runs, unsigned int nr, struct data_image *image)
{
	struct io io;
	int err;

	err = io_init(&io, fs, image, io_count(runs, nr));
	if (err)
		return err;
	for (unsigned int i = 0; i < nr; i++)
		if (runs[i].state == MAP_WRITTEN)
			io_add(&io, BLK_READ, runs[i].blk, runs[i].nr, runs[i].daddr);
	io_wait(&io);
	return io_release(&io);
}

/*
 * How to write so that it is durable in the end.  Where a durable write is a write and a flush, one flush for all
 * does.
 */
static enum blk_op io_durable_op(struct io *io, unsigned int dev, bool alone)
{
	const struct blkdev_info *info = &io->fs->devs[dev]->info;

	if (!info->volatile_cache)
		return BLK_WRITE;
	if (info->fua || alone)
		return BLK_WRITE_DURABLE;
	io->devs_to_flush[dev] = true;
	io->to_flush = true;
	return BLK_WRITE;
}

FIBER_FN static void io_flush(struct io *io)
{
	const struct blk_req flush = { .op = BLK_FLUSH };

	for (unsigned int dev = 0; dev < io->fs->nr_devs && !io->err; dev++)
		if (io->devs_to_flush[dev])
			io_submit(io, dev, &flush, NULL);
	io_wait(io);
}

int data_io_write(struct fs *fs, const struct data_run *runs, unsigned int nr, struct data_image *image, bool durable,
		  bool *ret_durable)
{
	bool all = true, alone = nr == 1 && runs[0].nr <= IO_BLOCKS;
	struct io io;
	int err;

	if (fs_is_read_only(fs))
		return -EROFS;
	err = io_init(&io, fs, image, io_count(runs, nr));
	if (err)
		return err;
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int dev = daddr_dev(runs[i].target);
		bool lasting = durable || !runs[i].in_place;
		enum blk_op op = lasting ? io_durable_op(&io, dev, alone) : BLK_WRITE;

		all = all && (lasting || !fs->devs[dev]->info.volatile_cache);
		io_add(&io, op, runs[i].blk, runs[i].nr, runs[i].target);
	}
	io_wait(&io);
	if (!io.err && io.to_flush)
		io_flush(&io);
	err = io_release(&io);
	if (!err)
		*ret_durable = all;
	return err;
}

/* Zeros */

/* Of a run, by requests of at most so many blocks. */
FIBER_FN static void io_zero(struct io *io, const struct data_run *run, void *zeros)
{
	uint64_t off = daddr_block(run->target) << DADDR_BLOCK_SHIFT, end = off + (run->nr << DADDR_BLOCK_SHIFT);
	unsigned int dev = daddr_dev(run->target);

	io->devs_to_flush[dev] = io->fs->devs[dev]->info.volatile_cache;
	while (off < end && !io->err) {
		uint64_t len = min_u64(end - off, zeros ? ZEROS_WRITTEN : ZEROS_TOLD);
		struct iovec iov = { .iov_base = zeros, .iov_len = len };
		struct blk_req req = {
			.op = zeros ? BLK_WRITE : BLK_WRITE_ZEROES, .off = off, .len = len, .nr_iov = zeros ? 1 : 0
		};

		io_submit(io, dev, &req, &iov);
		off += len;
	}
}

/* Those runs whose device can do it by itself, or (@zeros) the others; with @all, all of them. */
FIBER_FN static void io_zero_runs(struct io *io, const struct data_run *runs, unsigned int nr, void *zeros, bool all)
{
	for (unsigned int i = 0; i < nr; i++)
		if (all || io->fs->devs[daddr_dev(runs[i].target)]->info.can_write_zeroes == !zeros)
			io_zero(io, &runs[i], zeros);
	while (io->nr_busy)
		wait_queue_wait(&io->done);
}

FIBER_FN static void io_zero_all(struct io *io, const struct data_run *runs, unsigned int nr, void *zeros)
{
	io_zero_runs(io, runs, nr, NULL, false);
	if (io->err == -EOPNOTSUPP) { /* it said that it could */
		io->err = 0;
		io_zero_runs(io, runs, nr, zeros, true);
	} else if (!io->err) {
		io_zero_runs(io, runs, nr, zeros, false);
	}
	if (!io->err)
		io_flush(io);
}

int data_io_zero(struct fs *fs, const struct data_run *runs, unsigned int nr)
{
	struct io io;
	void *zeros;
	int err;

	if (fs_is_read_only(fs))
		return -EROFS;
	err = io_init(&io, fs, NULL, IO_DEPTH);
	if (err)
		return err;
	fiber_sem_take(&fs->data.bounce, ZEROS_WRITTEN);
	zeros = blkdev_buf_alloc(ZEROS_WRITTEN);
	if (zeros)
		io_zero_all(&io, runs, nr, zeros);
	else
		io.err = -ENOMEM;
	blkdev_buf_free(zeros);
	fiber_sem_give(&fs->data.bounce, ZEROS_WRITTEN);
	return io_release(&io);
}

int data_io_flush(struct fs *fs)
{
	struct io io;
	int err;

	err = io_init(&io, fs, NULL, fs->nr_devs);
	if (err)
		return err;
	for (unsigned int dev = 0; dev < fs->nr_devs; dev++)
		io.devs_to_flush[dev] = fs->devs[dev]->info.volatile_cache;
	io_flush(&io);
	return io_release(&io);
}

int data_io_wait_freed(struct fs *fs)
{
	uint64_t seq = min_u64(fs->freed_seq, fs->txn_seq);

	return seq > fs_durable_seq(fs) ? txn_wait_durable(fs, seq) : 0;
}

uint32_t data_io_align(const struct fs *fs)
{
	uint32_t align = 512;

	for (unsigned int dev = 0; dev < fs->nr_devs; dev++)
		align = (uint32_t)max_u64(align, fs->devs[dev]->info.logical_sector);
	return align;
}
