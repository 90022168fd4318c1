/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real device on plain files, on tmpfs and, where the machine lets us make them, on loop devices; each on both
 * back ends of the reactor.
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/blkfile.h"
#include "dev/blklimits.h"
#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"

#define DEVICE_SIZE (16u << 20)
#define BLOCK	    4096u

/* In a fiber cmocka's own asserts can't be used: they jump to another stack. */
#define CHECK(x)                                                                                                     \
	do {                                                                                                         \
		if (!(x))                                                                                            \
			return -__LINE__;                                                                            \
	} while (0)

struct place {
	const char *dir; /* of the file */
	bool loop;	 /* use it through a loop device */
	char file[256];
	char path[256]; /* what is opened */
	int loop_fd;
};

static struct place places[] = {
	{ .dir = "." },
	{ .dir = "/dev/shm" },
	{ .dir = ".", .loop = true },
};

static struct reactor *reactor;
static const char *path; /* of the device under test */
static char last_log[LOG_MSG_MAX];

static void keep_log(void *owner, enum log_level level, const char *msg)
{
	snprintf(last_log, sizeof(last_log), "%s", msg);
}

/* ---- places ---- */

static bool make_file(struct place *p)
{
	int fd;

	snprintf(p->file, sizeof(p->file), "%s/lamina-blkfile-XXXXXX", p->dir);
	fd = mkstemp(p->file);
	if (fd < 0)
		return false;
	assert_int_equal(ftruncate(fd, DEVICE_SIZE), 0);
	close(fd);
	snprintf(p->path, sizeof(p->path), "%s", p->file);
	return true;
}

static bool attach_loop(struct place *p)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);

	if (control >= 0)
		close(control);
	if (number < 0)
		return false;
	snprintf(p->path, sizeof(p->path), "/dev/loop%d", number);
	p->loop_fd = open(p->path, O_RDWR | O_CLOEXEC);
	config.fd = (uint32_t)open(p->file, O_RDWR | O_CLOEXEC);
	if (p->loop_fd < 0 || ioctl(p->loop_fd, LOOP_CONFIGURE, &config) != 0) {
		close((int)config.fd);
		return false;
	}
	close((int)config.fd);
	return true;
}

/* Another process may take the number that was free a moment ago. */
static bool make_loop(struct place *p)
{
	for (unsigned int try = 0; try < 20; try++) {
		if (attach_loop(p))
			return true;
	}
	return false;
}

static bool make_place(struct place *p)
{
	p->loop_fd = -1;
	if (!make_file(p))
		return false;
	if (!p->loop || make_loop(p))
		return true;
	unlink(p->file);
	return false;
}

static void remove_place(struct place *p)
{
	if (p->loop_fd >= 0)
		close(p->loop_fd);
	unlink(p->file);
}

static bool open_reactor(enum reactor_backend backend)
{
	struct reactor_options opt = { .backend = backend };

	return reactor_open(&opt, &reactor) == 0;
}

/* Run the fiber @fn for each place on each back end. */
static void everywhere(int (*fn)(void *arg))
{
	static const enum reactor_backend backends[] = { REACTOR_URING, REACTOR_LIBAIO };

	for (size_t b = 0; b < ARRAY_SIZE(backends); b++) {
		if (!open_reactor(backends[b])) {
			print_message("skipped: %s\n", last_log);
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			struct place *p = &places[i];
			int result;

			if (!make_place(p)) {
				print_message("skipped: no %s here\n", p->loop ? "loop device" : p->dir);
				continue;
			}
			path = p->path;
			result = reactor_run(reactor, fn, NULL);
			if (result)
				print_error("%s on %s: line %d\n", reactor_backend_name(reactor), path, -result);
			remove_place(p);
			assert_int_equal(result, 0);
		}
		reactor_close(reactor);
	}
}

/* ---- helpers in fibers ---- */

static void fill(uint8_t *buf, size_t len, uint32_t salt)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)((i >> 9) * 31 + i + salt);
}

static bool is_all(const uint8_t *buf, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i] != value)
			return false;
	}
	return true;
}

/* What the medium holds, without going through the device under test's own file. */
FIBER_FN static int read_directly(uint64_t off, uint8_t *buf, size_t len)
{
	struct blkdev *dev;

	CHECK(blkfile_open(reactor, path, BLKFILE_READ_ONLY, &dev) == 0);
	CHECK(blkdev_read(dev, off, buf, len) == 0);
	blkdev_close(dev);
	return 0;
}

/* ---- tests ---- */

FIBER_FN static int write_and_read(void *arg)
{
	uint8_t *out = blkdev_buf_alloc(1 << 20), *in = blkdev_buf_alloc(1 << 20);
	struct blkdev *dev;

	CHECK(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &dev) == 0);
	CHECK(dev->info.size == DEVICE_SIZE);
	CHECK(dev->info.logical_sector >= 512 && dev->info.logical_sector <= 4096);
	CHECK(dev->info.physical_sector >= dev->info.logical_sector);
	CHECK(!dev->info.read_only);
	CHECK(strcmp(dev->info.name, path) == 0);
	fill(out, 1 << 20, 1);
	CHECK(blkdev_write(dev, 3 * BLOCK, out, 1 << 20) == 0);
	CHECK(blkdev_flush(dev) == 0);
	CHECK(blkdev_read(dev, 3 * BLOCK, in, 1 << 20) == 0);
	CHECK(memcmp(in, out, 1 << 20) == 0);
	memset(in, 0, 1 << 20);
	CHECK(read_directly(3 * BLOCK, in, 1 << 20) == 0);
	CHECK(memcmp(in, out, 1 << 20) == 0);
	/* the very last block */
	CHECK(blkdev_write_durable(dev, DEVICE_SIZE - BLOCK, out, BLOCK) == 0);
	CHECK(blkdev_write_durable(dev, DEVICE_SIZE, out, BLOCK) == -EINVAL);
	blkdev_close(dev);
	blkdev_buf_free(out);
	blkdev_buf_free(in);
	return 0;
}

static void test_write_and_read(void **state)
{
	everywhere(write_and_read);
}

/* More buffers than one system call takes, of different sizes. */
FIBER_FN static int many_buffers(void *arg)
{
	enum {
		NR = 1500
	};
	uint8_t *out = blkdev_buf_alloc(NR * 2 * BLOCK), *in = blkdev_buf_alloc(NR * 2 * BLOCK);
	struct iovec *iov = calloc(NR, sizeof(*iov));
	struct blkdev *dev;
	size_t sum = 0;

	CHECK(out && in && iov);
	fill(out, NR * 2 * BLOCK, 2);
	for (unsigned int i = 0; i < NR; i++) {
		iov[i] = (struct iovec){ out + sum, (1 + i % 2) * BLOCK };
		sum += iov[i].iov_len;
	}
	CHECK(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &dev) == 0);
	CHECK(blkdev_writev(dev, BLOCK, iov, NR) == 0);
	for (unsigned int i = 0; i < NR; i++)
		iov[i].iov_base = in + ((uint8_t *)iov[i].iov_base - out);
	CHECK(blkdev_readv(dev, BLOCK, iov, NR) == 0);
	CHECK(memcmp(in, out, sum) == 0);
	blkdev_close(dev);
	blkdev_buf_free(out);
	blkdev_buf_free(in);
	free(iov);
	return 0;
}

static void test_many_buffers(void **state)
{
	everywhere(many_buffers);
}

struct storm {
	struct fiber *fiber;
	unsigned int left;
	int first_error;
};

static void storm_done(struct blk_req *req)
{
	struct storm *s = req->owner;

	if (req->result && !s->first_error)
		s->first_error = req->result;
	s->left--;
	fiber_wake(s->fiber);
}

/* More requests at once than the device keeps in flight: durable and plain writes, reads and flushes. */
FIBER_FN static int many_requests(void *arg)
{
	enum {
		NR = 1000
	};
	struct storm s = { .fiber = fiber_self(), .left = NR };
	struct blk_req *reqs = calloc(NR, sizeof(*reqs));
	struct iovec *iov = calloc(NR, sizeof(*iov));
	uint8_t *out = blkdev_buf_alloc(NR * BLOCK), *in = blkdev_buf_alloc(NR * BLOCK);
	struct blkdev *dev;

	fill(out, NR * BLOCK, 3);
	CHECK(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &dev) == 0);
	for (unsigned int i = 0; i < NR; i++) {
		static const enum blk_op ops[] = { BLK_WRITE, BLK_WRITE_DURABLE, BLK_WRITE, BLK_WRITE, BLK_FLUSH };

		iov[i] = (struct iovec){ out + i * BLOCK, BLOCK };
		reqs[i] = (struct blk_req){ .op = ops[i % 5],
					    .off = i * BLOCK,
					    .len = BLOCK,
					    .iov = &iov[i],
					    .nr_iov = 1,
					    .done = storm_done,
					    .owner = &s };
		blkdev_submit(dev, &reqs[i]);
	}
	CHECK(s.left == NR); /* nothing ended inside submit */
	while (s.left > 0)
		fiber_park();
	CHECK(s.first_error == 0);
	CHECK(blkdev_read(dev, 0, in, NR * BLOCK) == 0);
	for (unsigned int i = 0; i < NR; i++)
		CHECK(i % 5 == 4 || memcmp(in + i * BLOCK, out + i * BLOCK, BLOCK) == 0);
	blkdev_close(dev);
	free(reqs);
	free(iov);
	blkdev_buf_free(out);
	blkdev_buf_free(in);
	return 0;
}

static void test_many_requests(void **state)
{
	everywhere(many_requests);
}

FIBER_FN static int discard_and_zeroes(void *arg)
{
	uint8_t *buf = blkdev_buf_alloc(64 * BLOCK);
	struct blkdev *dev;

	CHECK(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &dev) == 0);
	memset(buf, 0xaa, 64 * BLOCK);
	CHECK(blkdev_write(dev, 0, buf, 64 * BLOCK) == 0);
	CHECK(blkdev_write_zeroes(dev, BLOCK, 3 * BLOCK) == (dev->info.can_write_zeroes ? 0 : -EOPNOTSUPP));
	CHECK(blkdev_discard(dev, 32 * BLOCK, 16 * BLOCK) == (dev->info.can_discard ? 0 : -EOPNOTSUPP));
	CHECK(blkdev_read(dev, 0, buf, 64 * BLOCK) == 0);
	CHECK(is_all(buf, BLOCK, 0xaa));
	CHECK(!dev->info.can_write_zeroes || is_all(buf + BLOCK, 3 * BLOCK, 0));
	CHECK(is_all(buf + 4 * BLOCK, 28 * BLOCK, 0xaa));
	CHECK(is_all(buf + 48 * BLOCK, 16 * BLOCK, 0xaa));
	CHECK(blkdev_write_zeroes(dev, DEVICE_SIZE - BLOCK, 2 * BLOCK) == -EINVAL);
	blkdev_close(dev);
	blkdev_buf_free(buf);
	return 0;
}

static void test_discard_and_zeroes(void **state)
{
	everywhere(discard_and_zeroes);
}

FIBER_FN static int in_use(void *arg)
{
	struct blkdev *dev, *other = NULL;
	char text[512];

	CHECK(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &dev) == 0);
	CHECK(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &other) == -EBUSY);
	CHECK(other == NULL);
	blklimits_explain(path, -EBUSY, text, sizeof(text));
	CHECK(strstr(text, path) && strstr(text, "in use") && strstr(text, "fuser -v"));
	/* looking at it is allowed */
	CHECK(blkfile_open(reactor, path, BLKFILE_READ_ONLY, &other) == 0);
	blkdev_close(other);
	blkdev_close(dev);
	CHECK(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &dev) == 0);
	blkdev_close(dev);
	return 0;
}

static void test_in_use(void **state)
{
	everywhere(in_use);
}

FIBER_FN static int read_only(void *arg)
{
	uint8_t *buf = blkdev_buf_alloc(BLOCK);
	struct blkdev *dev;

	CHECK(blkfile_open(reactor, path, BLKFILE_READ_ONLY, &dev) == 0);
	CHECK(dev->info.read_only);
	CHECK(blkdev_read(dev, 0, buf, BLOCK) == 0);
	CHECK(blkdev_write(dev, 0, buf, BLOCK) == -EROFS);
	CHECK(blkdev_flush(dev) == 0);
	blkdev_close(dev);
	blkdev_buf_free(buf);
	return 0;
}

static void test_read_only(void **state)
{
	everywhere(read_only);
}

/* A file that shrank under us: an error, not a loop. */
FIBER_FN static int shrunken(void *arg)
{
	uint8_t *buf;
	struct blkdev *dev;

	if (strncmp(path, "/dev/loop", 9) == 0)
		return 0;
	buf = blkdev_buf_alloc(4 * BLOCK);
	CHECK(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &dev) == 0);
	CHECK(truncate(path, 2 * BLOCK) == 0);
	CHECK(blkdev_read(dev, 0, buf, 2 * BLOCK) == 0);
	CHECK(blkdev_read(dev, 0, buf, 4 * BLOCK) == -EIO);
	CHECK(blkdev_read(dev, 8 * BLOCK, buf, 4 * BLOCK) == -EIO);
	blkdev_close(dev);
	blkdev_buf_free(buf);
	return 0;
}

static void test_shrunken(void **state)
{
	everywhere(shrunken);
}

/* Each method writes the same, and the named one is used. */
FIBER_FN static int methods(void *arg)
{
	uint8_t *out = blkdev_buf_alloc(8 * BLOCK), *in = blkdev_buf_alloc(8 * BLOCK);
	struct blkdev *dev;

	for (enum durable_method m = 0; m < DURABLE_METHODS; m++) {
		setenv("LAMINA_DURABLE", durable_method_name(m), 1);
		CHECK(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &dev) == 0);
		fill(out, 8 * BLOCK, 50 + m);
		CHECK(blkdev_write_durable(dev, m * BLOCK, out, 8 * BLOCK) == 0);
		CHECK(blkdev_read(dev, m * BLOCK, in, 8 * BLOCK) == 0);
		CHECK(memcmp(in, out, 8 * BLOCK) == 0);
		if (dev->info.volatile_cache)
			CHECK(blkfile_durable(dev)->nr_writes[m] == 1);
		blkdev_close(dev);
	}
	setenv("LAMINA_DURABLE", "prayer", 1);
	CHECK(blkfile_open(reactor, path, BLKFILE_EXCLUSIVE, &dev) == -EINVAL);
	CHECK(strstr(last_log, "LAMINA_DURABLE"));
	unsetenv("LAMINA_DURABLE");
	blkdev_buf_free(out);
	blkdev_buf_free(in);
	return 0;
}

static void test_methods(void **state)
{
	everywhere(methods);
}

/* What can't be opened at all, and what is said about it. */
FIBER_FN static int refusals(void *arg)
{
	static const struct {
		const char *path;
		int err;
		const char *remedy;
	} cases[] = {
		{ "/does/not/exist", -ENOENT, "lamina devices" },
		{ "/tmp", -ENOTBLK, "lamina devices" },
		{ "/dev/null", -ENOTBLK, "lamina devices" },
	};
	struct blkdev *dev = NULL;
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK(blkfile_open(reactor, cases[i].path, 0, &dev) == cases[i].err);
		CHECK(dev == NULL);
		blklimits_explain(cases[i].path, cases[i].err, text, sizeof(text));
		CHECK(strstr(text, cases[i].path) && strstr(text, cases[i].remedy));
	}
	if (strncmp(path, "/dev/loop", 9) != 0) {
		CHECK(truncate(path, 0) == 0);
		CHECK(blkfile_open(reactor, path, 0, &dev) == -ENOMEDIUM);
		blklimits_explain(path, -ENOMEDIUM, text, sizeof(text));
		CHECK(strstr(text, "truncate -s"));
	}
	return 0;
}

static void test_refusals(void **state)
{
	everywhere(refusals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_and_read), cmocka_unit_test(test_many_buffers),
		cmocka_unit_test(test_many_requests),  cmocka_unit_test(test_discard_and_zeroes),
		cmocka_unit_test(test_in_use),	       cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_shrunken),       cmocka_unit_test(test_methods),
		cmocka_unit_test(test_refusals),
	};

	log_set_sink(keep_log, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
