/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the same for every block device: a request that could do harm never reaches one.  Alignment, range,
 * operation and permission are checked here and nowhere else, so a back end may trust them.  A refused request
 * completes like any other, from the reactor's loop.  Here are also the waiting forms for fibers.
 */
#include "dev/blkdev.h"

#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"

#define BUF_ALIGN 4096u

static_assert(sizeof(struct reactor_timer) <= sizeof(((struct blk_req *)0)->priv), "the timer of a refusal");

static bool op_is_transfer(enum blk_op op)
{
	return op == BLK_READ || op == BLK_WRITE || op == BLK_WRITE_DURABLE;
}

/* The buffers are whole aligned sectors and add up to what the request says. */
static bool iov_is_good(const struct blk_req *req, uint32_t sector)
{
	uint64_t sum = 0;

	if (req->nr_iov == 0 || !req->iov)
		return false;
	for (unsigned int i = 0; i < req->nr_iov; i++) {
		const struct iovec *v = &req->iov[i];

		if (v->iov_len == 0 || !is_aligned_u64(v->iov_len, sector) ||
		    !is_aligned_u64((uintptr_t)v->iov_base, sector))
			return false;
		if (v->iov_len > req->len - sum)
			return false;
		sum += v->iov_len;
	}
	return sum == req->len;
}

static bool range_is_good(const struct blkdev_info *info, const struct blk_req *req)
{
	return req->len > 0 && is_aligned_u64(req->off | req->len, info->logical_sector) && req->off <= info->size &&
	       req->len <= info->size - req->off;
}

static int check_req(const struct blkdev_info *info, const struct blk_req *req)
{
	if ((unsigned int)req->op > BLK_WRITE_ZEROES)
		return -EINVAL;
	if (req->op == BLK_FLUSH)
		return 0;
	if (!range_is_good(info, req))
		return -EINVAL;
	if (op_is_transfer(req->op) && !iov_is_good(req, info->logical_sector))
		return -EINVAL;
	if (req->op != BLK_READ && info->read_only)
		return -EROFS;
	if (req->op == BLK_DISCARD && !info->can_discard)
		return -EOPNOTSUPP;
	if (req->op == BLK_WRITE_ZEROES && !info->can_write_zeroes)
		return -EOPNOTSUPP;
	return 0;
}

static void refuse_fire(struct reactor_timer *t)
{
	struct blk_req *req = t->owner;

	req->done(req);
}

/* The request's memory is ours until done(), so the timer can live in it. */
static void refuse_later(struct blkdev *dev, struct blk_req *req, int err)
{
	struct reactor_timer *t = (struct reactor_timer *)(void *)&req->priv;

	req->result = err;
	*t = (struct reactor_timer){ .fire = refuse_fire, .owner = req };
	reactor_timer_arm(dev->reactor, t, reactor_now_ns(dev->reactor));
}

void blkdev_submit(struct blkdev *dev, struct blk_req *req)
{
	int err = check_req(&dev->info, req);

	req->dev = dev;
	list_init(&req->link);
	if (err) {
		refuse_later(dev, req, err);
		return;
	}
	req->result = 0;
	dev->ops->submit(dev, req);
}

void blkdev_close(struct blkdev *dev)
{
	if (dev)
		dev->ops->close(dev);
}

/* Waiting for one request */

struct waiting {
	struct blk_req req;
	struct fiber *fiber;
	bool done;
};

static void waiting_done(struct blk_req *req)
{
	struct waiting *w = req->owner;

	w->done = true;
	fiber_wake(w->fiber);
}

FIBER_FN static int submit_and_wait(struct blkdev *dev, const struct blk_req *req)
{
	struct waiting w = { .req = *req, .fiber = fiber_self() };

	assert(w.fiber);
	w.req.done = waiting_done;
	w.req.owner = &w;
	blkdev_submit(dev, &w.req);
	while (!w.done)
		fiber_park();
	return w.req.result;
}

FIBER_FN static int transfer_vec(struct blkdev *dev, enum blk_op op, uint64_t off, const struct iovec *iov,
				 unsigned int nr_iov)
{
	struct blk_req req = { .op = op, .off = off, .iov = iov, .nr_iov = nr_iov };

	for (unsigned int i = 0; i < nr_iov; i++)
		req.len += iov[i].iov_len;
	return submit_and_wait(dev, &req);
}

FIBER_FN static int transfer_buf(struct blkdev *dev, enum blk_op op, uint64_t off, void *buf, size_t len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };

	return transfer_vec(dev, op, off, &iov, 1);
}

FIBER_FN int blkdev_read(struct blkdev *dev, uint64_t off, void *buf, size_t len)
{
	return transfer_buf(dev, BLK_READ, off, buf, len);
}

FIBER_FN int blkdev_write(struct blkdev *dev, uint64_t off, const void *buf, size_t len)
{
	return transfer_buf(dev, BLK_WRITE, off, (void *)(uintptr_t)buf, len);
}

FIBER_FN int blkdev_write_durable(struct blkdev *dev, uint64_t off, const void *buf, size_t len)
{
	return transfer_buf(dev, BLK_WRITE_DURABLE, off, (void *)(uintptr_t)buf, len);
}

FIBER_FN int blkdev_readv(struct blkdev *dev, uint64_t off, const struct iovec *iov, unsigned int nr_iov)
{
	return transfer_vec(dev, BLK_READ, off, iov, nr_iov);
}

FIBER_FN int blkdev_writev(struct blkdev *dev, uint64_t off, const struct iovec *iov, unsigned int nr_iov)
{
	return transfer_vec(dev, BLK_WRITE, off, iov, nr_iov);
}

FIBER_FN int blkdev_flush(struct blkdev *dev)
{
	struct blk_req req = { .op = BLK_FLUSH };

	return submit_and_wait(dev, &req);
}

FIBER_FN int blkdev_discard(struct blkdev *dev, uint64_t off, uint64_t len)
{
	struct blk_req req = { .op = BLK_DISCARD, .off = off, .len = len };

	return submit_and_wait(dev, &req);
}

FIBER_FN int blkdev_write_zeroes(struct blkdev *dev, uint64_t off, uint64_t len)
{
	struct blk_req req = { .op = BLK_WRITE_ZEROES, .off = off, .len = len };

	return submit_and_wait(dev, &req);
}

void *blkdev_buf_alloc(size_t len)
{
	size_t padded = (len + BUF_ALIGN - 1) & ~(size_t)(BUF_ALIGN - 1);
	void *buf;

	if (padded < len || padded == 0)
		return NULL;
	buf = aligned_alloc(BUF_ALIGN, padded);
	if (buf)
		memset(buf, 0, padded);
	return buf;
}

void blkdev_buf_free(void *buf)
{
	free(buf);
}
