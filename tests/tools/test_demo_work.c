/* SPDX-License-Identifier: Apache-2.0 */
/* Does the demo's look at the volume see what is missing?  Its model is moved against a store that is as it was. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/blkfile.h"
#include "dev/reactor.h"
#include "extent/name.h"
#include "tools/demo.h"

#define IMAGE_SIZE (4ULL << 30)
#define OPS	   60

static char path[] = "/var/tmp/test-demo-XXXXXX";
static struct reactor *reactor;
static struct blkdev *dev;
static struct fs *fs;
static struct demo_log demo_log;

static FIBER_FN int format_and_work(void *arg)
{
	const struct fs_format_options format = { .name = "test" };
	const struct fs_mount_options mount = { 0 };

	assert_int_equal(fs_format(reactor, &dev, 1, &format, NULL), 0);
	assert_int_equal(fs_mount(reactor, &dev, 1, &mount, &fs, NULL), 0);
	assert_int_equal(demo_prepare(fs, &demo_log), 0);
	return demo_run(fs, &demo_log, OPS);
}

static FIBER_FN int verify(void *arg)
{
	return demo_verify(fs, &demo_log, arg);
}

static FIBER_FN int unmount(void *arg)
{
	return fs_unmount(fs);
}

static struct demo_verdict look(void)
{
	struct demo_verdict v;

	assert_int_equal(reactor_run(reactor, verify, &v), 0);
	return v;
}

static void test_all_there(void **state)
{
	struct demo_verdict v = look();

	assert_int_equal(v.acknowledged, DEMO_CLIENTS * OPS);
	assert_int_equal(v.in_flight, 0);
	assert_int_equal(v.wrong, 0);
	assert_true(v.files > 0);
}

/* The store is one operation further than was acknowledged: fine, and the model follows. */
static void test_in_flight(void **state)
{
	struct demo_verdict v;

	demo_log.clients[5].done--;
	v = look();
	assert_int_equal(v.in_flight, 1);
	assert_int_equal(v.wrong, 0);
	assert_int_equal(demo_log.clients[5].done, OPS);
	assert_int_equal(look().in_flight, 0);
}

/* More was acknowledged than is there. */
static void test_lost(void **state)
{
	struct demo_client *c = &demo_log.clients[7], saved = *c;
	struct demo_op op;

	demo_choose(demo_log.seed, 7, c->done, &c->states[c->done % 2], &op);
	demo_apply(&op, &c->states[c->done % 2], &c->states[(c->done + 1) % 2]);
	c->done++;
	assert_int_equal(look().wrong, 1);
	*c = saved;
	assert_int_equal(look().wrong, 0);
}

static int unlink_body(struct txn *txn, void *arg)
{
	const struct name_at *at = arg;
	struct name_result result;

	return name_unlink(txn, at, &result);
}

static FIBER_FN int remove_a_name(void *arg)
{
	static const struct txn_options options = { .name = "test" };

	return txn_run(fs, &options, unlink_body, arg, NULL);
}

/* A file is gone that nobody removed. */
static void test_tampered(void **state)
{
	struct demo_client *c = &demo_log.clients[9];
	struct name_at at = { .dir = c->dir };
	char name[16];
	unsigned int slot = 0;

	while (c->states[c->done % 2].slots[slot].id == 0)
		slot++;
	at.name = name;
	at.len = (size_t)snprintf(name, sizeof(name), "name-%u", slot);
	assert_int_equal(reactor_run(reactor, remove_a_name, &at), 0);
	assert_int_equal(look().wrong, 1);
}

static int open_store(void **state)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, IMAGE_SIZE), 0);
	close(fd);
	demo_log.seed = 42;
	assert_int_equal(reactor_open(NULL, &reactor), 0);
	assert_int_equal(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &dev), 0);
	return reactor_run(reactor, format_and_work, NULL);
}

static int close_store(void **state)
{
	int err = reactor_run(reactor, unmount, NULL);

	blkdev_close(dev);
	reactor_close(reactor);
	unlink(path);
	return err;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_there),
		cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_tampered),
	};

	return cmocka_run_group_tests(tests, open_store, close_store);
}
