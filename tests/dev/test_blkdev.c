/* SPDX-License-Identifier: Apache-2.0 */
/* What every device refuses, and how: by done(), later, without the back end having seen the request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dev/blkdev.h"
#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"

#define SECTOR 512u
#define SIZE   (64 * SECTOR)

/* A device that only counts; it ends requests from a timer. */
struct counting_dev {
	struct blkdev dev;
	unsigned int nr_submitted;
	struct blk_req *last; /* in flight only */
	struct blkdev *last_dev;
	struct reactor_timer timer;
	int result;
};

static void counting_fire(struct reactor_timer *t)
{
	struct counting_dev *c = t->owner;

	c->last->result = c->result;
	c->last->done(c->last);
}

static void counting_submit(struct blkdev *dev, struct blk_req *req)
{
	struct counting_dev *c = container_of(dev, struct counting_dev, dev);

	c->nr_submitted++;
	c->last = req;
	c->last_dev = req->dev;
	c->timer = (struct reactor_timer){ .fire = counting_fire, .owner = c };
	reactor_timer_arm(dev->reactor, &c->timer, reactor_now_ns(dev->reactor));
}

static void counting_close(struct blkdev *dev)
{
	container_of(dev, struct counting_dev, dev)->nr_submitted = UINT32_MAX;
}

static const struct blkdev_ops counting_ops = { counting_submit, counting_close };
static struct counting_dev device;
static struct reactor *reactor;
static _Alignas(4096) uint8_t memory[SIZE];

static void log_nothing(void *owner, enum log_level level, const char *msg)
{
}

static int setup(void **state)
{
	device = (struct counting_dev){ .dev.ops = &counting_ops };
	if (reactor_open(NULL, &reactor) != 0)
		return -1;
	device.dev.reactor = reactor;
	device.dev.info = (struct blkdev_info){ .size = SIZE,
						.logical_sector = SECTOR,
						.physical_sector = SECTOR,
						.can_discard = true,
						.can_write_zeroes = true };
	return 0;
}

static int teardown(void **state)
{
	reactor_close(reactor);
	return 0;
}

struct wait {
	struct blk_req req;
	struct fiber *fiber;
	unsigned int nr_done;
};

static void wait_done(struct blk_req *req)
{
	struct wait *w = req->owner;

	w->nr_done++;
	fiber_wake(w->fiber);
}

/* In a fiber: submit the request and wait; its result, or 1 if it ended inside of submit. */
FIBER_FN static int submit_in_fiber(void *arg)
{
	struct wait w = { .req = *(struct blk_req *)arg, .fiber = fiber_self() };

	w.req.done = wait_done;
	w.req.owner = &w;
	blkdev_submit(&device.dev, &w.req);
	if (w.nr_done != 0)
		return 1;
	while (w.nr_done == 0)
		fiber_park();
	fiber_yield();
	return w.nr_done == 1 ? w.req.result : 2;
}

static int submit(struct blk_req req)
{
	return reactor_run(reactor, submit_in_fiber, &req);
}

static struct blk_req transfer(enum blk_op op, uint64_t off, struct iovec *iov, unsigned int nr)
{
	struct blk_req req = { .op = op, .off = off, .iov = iov, .nr_iov = nr };

	for (unsigned int i = 0; i < nr; i++)
		req.len += iov[i].iov_len;
	return req;
}

static void test_bad_ranges(void **state)
{
	static const struct {
		uint64_t off, len;
	} bad[] = {
		{ 0, 0 },
		{ 1, SECTOR },
		{ 0, SECTOR + 1 },
		{ SIZE, SECTOR },
		{ SIZE - SECTOR, 2 * SECTOR },
		{ 0, SIZE + SECTOR },
		{ UINT64_MAX - 511, 1024 },
		{ SECTOR, UINT64_MAX - 511 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct blk_req req = { .op = BLK_DISCARD, .off = bad[i].off, .len = bad[i].len };

		assert_int_equal(submit(req), -EINVAL);
		req.op = BLK_WRITE_ZEROES;
		assert_int_equal(submit(req), -EINVAL);
	}
	assert_int_equal(device.nr_submitted, 0);
}

static void test_bad_buffers(void **state)
{
	struct iovec shifted = { memory + 1, SECTOR };
	struct iovec odd[2] = { { memory, 100 }, { memory + SECTOR, SECTOR - 100 } };
	struct iovec empty[2] = { { memory, SECTOR }, { memory, 0 } };
	struct iovec good = { memory, SECTOR };
	struct blk_req req = transfer(BLK_WRITE, 0, &good, 1);

	assert_int_equal(submit(transfer(BLK_READ, 0, &shifted, 1)), -EINVAL);
	assert_int_equal(submit(transfer(BLK_READ, 0, odd, 2)), -EINVAL);
	assert_int_equal(submit(transfer(BLK_READ, 0, empty, 2)), -EINVAL);
	req.len = 2 * SECTOR; /* more than the buffers hold */
	assert_int_equal(submit(req), -EINVAL);
	req.nr_iov = 0;
	assert_int_equal(submit(req), -EINVAL);
	req = transfer(BLK_WRITE, 0, &good, 1);
	req.op = 99;
	assert_int_equal(submit(req), -EINVAL);
	assert_int_equal(device.nr_submitted, 0);
}

static void test_read_only(void **state)
{
	struct iovec iov = { memory, SECTOR };

	device.dev.info.read_only = true;
	assert_int_equal(submit(transfer(BLK_WRITE, 0, &iov, 1)), -EROFS);
	assert_int_equal(submit(transfer(BLK_WRITE_DURABLE, 0, &iov, 1)), -EROFS);
	assert_int_equal(submit((struct blk_req){ .op = BLK_DISCARD, .len = SECTOR }), -EROFS);
	assert_int_equal(submit((struct blk_req){ .op = BLK_WRITE_ZEROES, .len = SECTOR }), -EROFS);
	assert_int_equal(device.nr_submitted, 0);
	assert_int_equal(submit(transfer(BLK_READ, 0, &iov, 1)), 0);
	assert_int_equal(submit((struct blk_req){ .op = BLK_FLUSH }), 0);
	assert_int_equal(device.nr_submitted, 2);
}

static void test_not_supported(void **state)
{
	device.dev.info.can_discard = false;
	device.dev.info.can_write_zeroes = false;
	assert_int_equal(submit((struct blk_req){ .op = BLK_DISCARD, .len = SECTOR }), -EOPNOTSUPP);
	assert_int_equal(submit((struct blk_req){ .op = BLK_WRITE_ZEROES, .len = SECTOR }), -EOPNOTSUPP);
	assert_int_equal(device.nr_submitted, 0);
}

static void test_result_is_handed_on(void **state)
{
	struct iovec iov[2] = { { memory, SECTOR }, { memory + 4 * SECTOR, 2 * SECTOR } };

	device.result = -EIO;
	assert_int_equal(submit(transfer(BLK_READ, SIZE - 3 * SECTOR, iov, 2)), -EIO);
	assert_int_equal(device.nr_submitted, 1);
	assert_ptr_equal(device.last_dev, &device.dev);
}

FIBER_FN static int waiting_forms(void *arg)
{
	int err = blkdev_read(&device.dev, 0, memory, SECTOR);

	if (!err)
		err = blkdev_write_durable(&device.dev, SECTOR, memory, SIZE - SECTOR);
	if (!err)
		err = blkdev_flush(&device.dev);
	if (!err && blkdev_write(&device.dev, SECTOR, memory, SIZE) != -EINVAL)
		err = 1;
	return err;
}

static void test_waiting_forms(void **state)
{
	assert_int_equal(reactor_run(reactor, waiting_forms, NULL), 0);
	assert_int_equal(device.nr_submitted, 3);
}

static void test_close(void **state)
{
	blkdev_close(NULL);
	blkdev_close(&device.dev);
	assert_int_equal(device.nr_submitted, UINT32_MAX);
}

static void test_buffers(void **state)
{
	uint8_t *buf = blkdev_buf_alloc(5000);

	assert_non_null(buf);
	assert_int_equal((uintptr_t)buf % 4096, 0);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(buf[i], 0);
	blkdev_buf_free(buf);
	blkdev_buf_free(NULL);
	assert_null(blkdev_buf_alloc(SIZE_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bad_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_supported, setup, teardown),
		cmocka_unit_test_setup_teardown(test_result_is_handed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close, setup, teardown),
		cmocka_unit_test(test_buffers),
	};

	log_set_sink(log_nothing, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
