/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: the owner's buffers are his again when he is told of the end, shut or not. */

#include "tests/lib/torture_valve.h"

#include <stdlib.h>

#include "dev/reactor.h"
#include "tests/lib/dice.h"

#define WAIT_NS 300000

struct torture_valve {
	struct blkdev dev;
	struct blkdev *inner;
	struct dice dice;
	bool is_shut;
	uint64_t shut_at; /* 0: not */
	unsigned int in_flight;
};

struct pass {
	struct blk_req inner;
	struct blk_req *outer;
	struct torture_valve *valve;
	struct reactor_timer timer;
};

static void pass_end(struct pass *pass, int result)
{
	struct blk_req *outer = pass->outer;

	pass->valve->in_flight--;
	outer->result = pass->valve->is_shut ? -ENODEV : result;
	free(pass);
	outer->done(outer);
}

static void pass_done(struct blk_req *req)
{
	pass_end(req->owner, req->result);
}

static void pass_go(struct reactor_timer *timer)
{
	struct pass *pass = timer->owner;

	if (pass->valve->is_shut)
		pass_end(pass, -ENODEV);
	else
		blkdev_submit(pass->valve->inner, &pass->inner);
}

static void valve_submit(struct blkdev *dev, struct blk_req *req)
{
	struct torture_valve *valve = container_of(dev, struct torture_valve, dev);
	struct pass *pass = calloc(1, sizeof(*pass));
	uint64_t wait = dice_below(&valve->dice, 4) ? 0 : dice_below(&valve->dice, WAIT_NS);

	if (!pass)
		abort();
	pass->inner = (struct blk_req){ .op = req->op,
					.off = req->off,
					.len = req->len,
					.iov = req->iov,
					.nr_iov = req->nr_iov,
					.done = pass_done,
					.owner = pass };
	pass->outer = req;
	pass->valve = valve;
	pass->timer = (struct reactor_timer){ .fire = pass_go, .owner = pass };
	valve->in_flight++;
	if (req->op != BLK_READ && valve->shut_at > 0 && --valve->shut_at == 0)
		valve->is_shut = true;
	if (wait > 0 || valve->is_shut)
		reactor_timer_arm(dev->reactor, &pass->timer, reactor_now_ns(dev->reactor) + wait);
	else
		blkdev_submit(valve->inner, &pass->inner);
}

static void valve_close(struct blkdev *dev)
{
}

static const struct blkdev_ops valve_ops = { .submit = valve_submit, .close = valve_close };

struct torture_valve *torture_valve_new(struct blkdev *inner, uint64_t seed)
{
	struct torture_valve *valve = calloc(1, sizeof(*valve));

	if (!valve)
		abort();
	valve->dice.state = seed;
	torture_valve_reset(valve, inner);
	return valve;
}

void torture_valve_free(struct torture_valve *valve)
{
	assert(valve->in_flight == 0);
	free(valve);
}

struct blkdev *torture_valve_dev(struct torture_valve *valve)
{
	return &valve->dev;
}

void torture_valve_shut(struct torture_valve *valve)
{
	valve->is_shut = true;
}

void torture_valve_shut_at(struct torture_valve *valve, uint64_t nth)
{
	valve->shut_at = nth;
}

bool torture_valve_is_shut(const struct torture_valve *valve)
{
	return valve->is_shut;
}

void torture_valve_reset(struct torture_valve *valve, struct blkdev *inner)
{
	assert(valve->in_flight == 0);
	valve->inner = inner;
	valve->is_shut = false;
	valve->shut_at = 0;
	valve->dev = (struct blkdev){ .ops = &valve_ops, .reactor = inner->reactor, .info = inner->info };
}

unsigned int torture_valve_in_flight(const struct torture_valve *valve)
{
	return valve->in_flight;
}
