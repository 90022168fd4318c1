/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a request takes effect when it is submitted, completes from the reactor's loop, and never fails. */

#include "tests/lib/mem_disk.h"

#include <string.h>

#include "dev/reactor.h"

static void transfer(struct mem_disk *d, const struct blk_req *req)
{
	uint8_t *at = d->bytes + req->off;

	for (unsigned int i = 0; i < req->nr_iov; i++) {
		if (req->op == BLK_READ)
			memcpy(req->iov[i].iov_base, at, req->iov[i].iov_len);
		else
			memcpy(at, req->iov[i].iov_base, req->iov[i].iov_len);
		at += req->iov[i].iov_len;
	}
}

static void fire(struct reactor_timer *t)
{
	struct blk_req *req = t->owner;

	req->done(req);
}

static void mem_disk_submit(struct blkdev *dev, struct blk_req *req)
{
	struct mem_disk *d = container_of(dev, struct mem_disk, dev);
	struct reactor_timer *t = (struct reactor_timer *)(void *)&req->priv;

	if (req->op == BLK_WRITE_ZEROES)
		memset(d->bytes + req->off, 0, req->len);
	else if (req->op != BLK_FLUSH && req->op != BLK_DISCARD)
		transfer(d, req);
	d->nr_writes += req->op == BLK_WRITE || req->op == BLK_WRITE_DURABLE;
	*t = (struct reactor_timer){ .fire = fire, .owner = req };
	reactor_timer_arm(dev->reactor, t, reactor_now_ns(dev->reactor));
}

static void mem_disk_close(struct blkdev *dev)
{
}

void mem_disk_init(struct mem_disk *d, struct reactor *r, uint8_t *bytes, uint64_t size)
{
	static const struct blkdev_ops ops = { .submit = mem_disk_submit, .close = mem_disk_close };

	*d = (struct mem_disk){ .dev = { .ops = &ops, .reactor = r }, .bytes = bytes };
	d->dev.info = (struct blkdev_info){
		.size = size,
		.logical_sector = 512,
		.physical_sector = 512,
		.can_discard = true,
		.can_write_zeroes = true,
		.name = "memory",
	};
}
