/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IO_POLL, with each back end: readiness, errors, far more polls than the depth, file I/O beside them, and a reactor
 * that is closed while they wait.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/io.h"
#include "dev/reactor.h"
#include "tests/lib/check.h"

#define DEPTH	   8
#define MANY	   400 /* pairs, two files each */
#define CLOSE_POLL 3

static int setup(void **state, enum reactor_backend backend)
{
	const struct reactor_options opt = { .backend = backend, .queue_depth = DEPTH };
	struct reactor *r;

	assert_int_equal(reactor_open(&opt, &r), 0);
	*state = r;
	return 0;
}

static int setup_uring(void **state)
{
	return setup(state, REACTOR_URING);
}

static int setup_libaio(void **state)
{
	return setup(state, REACTOR_LIBAIO);
}

static int teardown(void **state)
{
	reactor_close(*state);
	return 0;
}

struct wait {
	struct io_req req;
	struct iovec iov;
	struct fiber *fiber;
	unsigned int over;
};

static void wait_done(struct io_req *req)
{
	struct wait *w = req->owner;

	CHECK(!fiber_self());
	w->over++;
	fiber_wake(w->fiber);
}

static void poll_start(struct wait *w, int fd, short events)
{
	memset(w, 0xa5, sizeof(*w)); /* what a poll has no use for may hold anything */
	w->req.op = IO_POLL;
	w->req.fd = fd;
	w->req.events = events;
	w->req.done = wait_done;
	w->req.owner = w;
	w->fiber = fiber_self();
	w->over = 0;
	io_req_submit(fiber_reactor(), &w->req);
	CHECK(!w->over);
}

static FIBER_FN int64_t wait_end(struct wait *w)
{
	while (!w->over)
		fiber_park();
	CHECK_EQ(w->over, 1);
	return w->req.result;
}

static void pair_open(int pair[2])
{
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
}

static void pair_close(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

static void put_byte(int fd)
{
	CHECK_EQ(send(fd, "x", 1, MSG_NOSIGNAL), 1);
}

static FIBER_FN int readiness(void *arg)
{
	struct wait in, out;
	char byte;
	int pair[2];
	unsigned int i;

	CHECK(io_is_supported(arg, IO_POLL));
	pair_open(pair);
	for (i = 0; i < 3; i++) {
		/* Both kinds at once, again and again. */
		poll_start(&in, pair[0], POLLIN);
		poll_start(&out, pair[0], POLLOUT);
		CHECK_EQ(wait_end(&out), POLLOUT);
		fiber_sleep_ns(1000000);
		CHECK(!in.over);
		put_byte(pair[1]);
		CHECK_EQ(wait_end(&in) & POLLIN, POLLIN);
		/* What is ready already ends as well. */
		poll_start(&in, pair[0], POLLIN);
		CHECK_EQ(wait_end(&in) & POLLIN, POLLIN);
		CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
	}
	poll_start(&in, pair[0], POLLIN);
	CHECK_EQ(shutdown(pair[0], SHUT_RDWR), 0);
	CHECK(wait_end(&in) & POLLHUP);
	pair_close(pair);
	poll_start(&in, pair[0], POLLIN);
	CHECK_EQ(wait_end(&in), -EBADF);
	/* The same number, another file. */
	pair_open(pair);
	poll_start(&in, pair[0], POLLIN);
	fiber_sleep_ns(1000000);
	CHECK(!in.over);
	put_byte(pair[1]);
	CHECK_EQ(wait_end(&in) & POLLIN, POLLIN);
	pair_close(pair);
	return 0;
}

static void test_readiness(void **state)
{
	assert_int_equal(reactor_run(*state, readiness, *state), 0);
}

/* Many idle polls, and file I/O has its whole depth; then all of the polls end. */
static FIBER_FN int crowd(void *arg)
{
	struct wait *polls = calloc(MANY, sizeof(*polls));
	struct wait files[3 * DEPTH] = { 0 };
	int(*pairs)[2] = calloc(MANY, sizeof(*pairs));
	char bytes[8] = "abcdefg";
	int fd = memfd_create("test", MFD_CLOEXEC);
	unsigned int i;

	CHECK(polls && pairs && fd >= 0);
	for (i = 0; i < MANY; i++) {
		pair_open(pairs[i]);
		poll_start(&polls[i], pairs[i][0], POLLIN);
	}
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		struct wait *w = &files[i];

		w->iov = (struct iovec){ bytes, sizeof(bytes) };
		w->fiber = fiber_self();
		w->req = (struct io_req){
			.op = IO_WRITEV, .fd = fd, .iov = &w->iov, .nr_iov = 1, .done = wait_done, .owner = w
		};
		io_req_submit(arg, &w->req);
	}
	for (i = 0; i < ARRAY_SIZE(files); i++)
		CHECK_EQ(wait_end(&files[i]), 8);
	for (i = 0; i < MANY; i++) {
		CHECK(!polls[i].over);
		put_byte(pairs[i][1]);
	}
	for (i = 0; i < MANY; i++) {
		CHECK_EQ(wait_end(&polls[i]) & POLLIN, POLLIN);
		pair_close(pairs[i]);
	}
	close(fd);
	free(pairs);
	free(polls);
	return 0;
}

static void test_more_than_the_depth(void **state)
{
	assert_int_equal(reactor_run(*state, crowd, *state), 0);
}

struct left {
	struct wait polls[CLOSE_POLL];
	int pairs[CLOSE_POLL][2];
};

static FIBER_FN int leave_polls(void *arg)
{
	struct left *left = arg;
	unsigned int i;

	for (i = 0; i < CLOSE_POLL; i++) {
		pair_open(left->pairs[i]);
		poll_start(&left->polls[i], left->pairs[i][0], POLLIN);
		/* Some are with the kernel, the last is still in the queue. */
		if (i + 1 < CLOSE_POLL)
			fiber_sleep_ns(1000000);
	}
	put_byte(left->pairs[0][1]);
	return 0;
}

/* Nobody hears of them any more. */
static void close_with_polls(enum reactor_backend backend)
{
	struct left left = { 0 };
	void *r;
	unsigned int i;

	setup(&r, backend);
	assert_int_equal(reactor_run(r, leave_polls, &left), 0);
	reactor_close(r);
	for (i = 0; i < CLOSE_POLL; i++) {
		assert_int_equal(left.polls[i].over, 0);
		pair_close(left.pairs[i]);
	}
}

static void test_close(void **state)
{
	close_with_polls(REACTOR_URING);
	close_with_polls(REACTOR_LIBAIO);
}

#define BOTH(test)                                                                                                   \
	{ #test " (io_uring)", test, setup_uring, teardown, NULL },                                                  \
	{                                                                                                            \
#test " (libaio)", test, setup_libaio, teardown, NULL                                                \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_readiness),
		BOTH(test_more_than_the_depth),
		cmocka_unit_test(test_close),
	};

	unsetenv("LAMINA_IO");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
