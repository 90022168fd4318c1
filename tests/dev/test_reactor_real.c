/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The real reactor: chance; file I/O, once with each back end; the choice of the back end where the kernel refuses
 * one.
 */

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/io.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "tests/lib/child.h"

#define MILLISECOND	 UINT64_C(1000000)
#define EXIT_AS_EXPECTED 42 /* of a child */

/* ---- chance ---- */

static struct reactor *open_real(const struct reactor_options *opt)
{
	struct reactor *r;

	assert_int_equal(reactor_open(opt, &r), 0);
	return r;
}

static void test_random(void **state)
{
	const struct reactor_options opt = { .seed = 42 };
	struct reactor *a = open_real(&opt);
	struct reactor *b = open_real(&opt);
	struct reactor *c = open_real(NULL);
	struct reactor *d = open_real(NULL);
	unsigned int seen[5] = { 0 };
	unsigned int equal = 0;
	size_t i;

	for (i = 0; i < 1000; i++) {
		assert_int_equal(reactor_random(a), reactor_random(b));
		equal += reactor_random(c) == reactor_random(d);
		seen[reactor_random_below(a, ARRAY_SIZE(seen))]++;
		reactor_random_below(b, ARRAY_SIZE(seen));
	}
	assert_true(equal < 3);
	for (i = 0; i < ARRAY_SIZE(seen); i++)
		assert_in_range(seen[i], 100, 300);
	assert_int_equal(reactor_random_below(a, 1), 0);
	reactor_close(a);
	reactor_close(b);
	reactor_close(c);
	reactor_close(d);
}

/* ---- file I/O ---- */

#define BLOCK 4096

struct backend_state {
	struct reactor *r;
	int fd;
};

static int backend_setup(void **state, enum reactor_backend backend)
{
	const struct reactor_options opt = { .backend = backend, .queue_depth = 8 };
	struct backend_state *s = calloc(1, sizeof(*s));
	char path[] = "lamina-test-XXXXXX"; /* in the build directory: the system's may be a tmpfs */

	s->r = open_real(&opt);
	s->fd = mkstemp(path);
	assert_true(s->fd >= 0);
	assert_int_equal(unlink(path), 0);
	/* Not every file system has O_DIRECT; the requests are fit for it where it can be had. */
	if (fcntl(s->fd, F_SETFL, O_DIRECT) < 0)
		print_message("no O_DIRECT here\n");
	*state = s;
	return 0;
}

static int setup_uring(void **state)
{
	return backend_setup(state, REACTOR_URING);
}

static int setup_libaio(void **state)
{
	return backend_setup(state, REACTOR_LIBAIO);
}

static int backend_teardown(void **state)
{
	struct backend_state *s = *state;

	reactor_close(s->r);
	close(s->fd);
	free(s);
	return 0;
}

/* One request and the fiber that waits for it. */
struct io_wait {
	struct io_req req;
	struct iovec iov;
	struct fiber *fiber;
	bool over;
};

static void io_wait_done(struct io_req *req)
{
	struct io_wait *w = req->owner;

	assert_false(w->over);
	assert_null(fiber_self());
	w->over = true;
	fiber_wake(w->fiber);
}

static void io_wait_start(struct io_wait *w, enum io_op op, int fd, void *buf, size_t len, uint64_t off)
{
	memset(w, 0xa5, sizeof(*w)); /* priv and link need no preparation */
	w->iov = (struct iovec){ buf, len };
	w->req.op = op;
	w->req.fd = fd;
	w->req.iov = &w->iov;
	w->req.nr_iov = op == IO_FDATASYNC ? 0 : 1;
	w->req.off = off;
	w->req.done = io_wait_done;
	w->req.owner = w;
	w->fiber = fiber_self();
	w->over = false;
	io_req_submit(fiber_reactor(), &w->req);
	assert_false(w->over);
}

static FIBER_FN int64_t io_wait_end(struct io_wait *w)
{
	while (!w->over)
		fiber_park();
	return w->req.result;
}

static FIBER_FN int64_t io_sync(enum io_op op, int fd, void *buf, size_t len, uint64_t off)
{
	struct io_wait w;

	io_wait_start(&w, op, fd, buf, len, off);
	return io_wait_end(&w);
}

static char *block_alloc(size_t nr, char fill)
{
	char *block = aligned_alloc(BLOCK, nr * BLOCK);

	assert_non_null(block);
	memset(block, fill, nr * BLOCK);
	return block;
}

static FIBER_FN int every_operation(void *arg)
{
	static const enum io_op writes[] = { IO_WRITEV, IO_WRITEV_DSYNC, IO_WRITEV_FDATASYNC };
	struct backend_state *s = arg;
	char *out = block_alloc(2, 0);
	char *in = block_alloc(2, 0);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		if (!io_is_supported(fiber_reactor(), writes[i]))
			continue;
		memset(out, 'a' + (int)i, 2 * BLOCK);
		assert_int_equal(io_sync(writes[i], s->fd, out, 2 * BLOCK, i * BLOCK), 2 * BLOCK);
		assert_int_equal(io_sync(IO_READV, s->fd, in, 2 * BLOCK, i * BLOCK), 2 * BLOCK);
		assert_memory_equal(in, out, 2 * BLOCK);
	}
	if (io_is_supported(fiber_reactor(), IO_FDATASYNC))
		assert_int_equal(io_sync(IO_FDATASYNC, s->fd, NULL, 0, 0), 0);
	assert_int_equal(io_sync(IO_READV, s->fd, in, BLOCK, 100 * BLOCK), 0); /* behind the end */
	free(in);
	free(out);
	return 0;
}

static void test_every_operation(void **state)
{
	struct backend_state *s = *state;

	assert_int_equal(reactor_run(s->r, every_operation, s), 0);
}

static FIBER_FN int vectors(void *arg)
{
	struct backend_state *s = arg;
	char *blocks = block_alloc(3, 0);
	char *in = block_alloc(3, 0);
	struct iovec iov[3];
	struct io_wait w;
	size_t i;

	for (i = 0; i < 3; i++) {
		memset(blocks + i * BLOCK, 'x' + (int)i, BLOCK);
		iov[i] = (struct iovec){ blocks + (2 - i) * BLOCK, BLOCK };
	}
	w = (struct io_wait){
		.req = { .op = IO_WRITEV, .fd = s->fd, .iov = iov, .nr_iov = 3, .done = io_wait_done, .owner = &w },
		.fiber = fiber_self(),
	};
	io_req_submit(fiber_reactor(), &w.req);
	assert_int_equal(io_wait_end(&w), 3 * BLOCK);
	assert_int_equal(io_sync(IO_READV, s->fd, in, 3 * BLOCK, 0), 3 * BLOCK);
	for (i = 0; i < 3; i++)
		assert_memory_equal(in + i * BLOCK, blocks + (2 - i) * BLOCK, BLOCK);
	free(in);
	free(blocks);
	return 0;
}

static void test_vectors(void **state)
{
	struct backend_state *s = *state;

	assert_int_equal(reactor_run(s->r, vectors, s), 0);
}

/* Far more requests than the depth, linked pairs among them: all end, each once, each with its own result. */
static FIBER_FN int flood(void *arg)
{
	static const enum io_op ops[] = { IO_WRITEV, IO_WRITEV_FDATASYNC, IO_WRITEV, IO_FDATASYNC, IO_WRITEV_DSYNC };
	struct backend_state *s = arg;
	struct io_wait *waits = calloc(200, sizeof(*waits));
	char *out = block_alloc(200, 0);
	char *in = block_alloc(200, 0);
	size_t i;

	for (i = 0; i < 200; i++) {
		enum io_op op = ops[i % ARRAY_SIZE(ops)];

		if (!io_is_supported(fiber_reactor(), op))
			op = IO_WRITEV;
		memset(out + i * BLOCK, (int)i, op == IO_FDATASYNC ? 0 : BLOCK);
		io_wait_start(&waits[i], op, s->fd, out + i * BLOCK, BLOCK, i * BLOCK);
	}
	for (i = 0; i < 200; i++)
		assert_int_equal(io_wait_end(&waits[i]), waits[i].req.op == IO_FDATASYNC ? 0 : BLOCK);
	assert_int_equal(io_sync(IO_READV, s->fd, in, 200 * BLOCK, 0), 200 * BLOCK);
	assert_memory_equal(in, out, 200 * BLOCK);
	free(in);
	free(out);
	free(waits);
	return 0;
}

static void test_more_than_the_depth(void **state)
{
	struct backend_state *s = *state;

	assert_int_equal(reactor_run(s->r, flood, s), 0);
}

static FIBER_FN int bad_requests(void *arg)
{
	static const enum io_op ops[] = { IO_READV, IO_WRITEV, IO_WRITEV_FDATASYNC, IO_WRITEV_DSYNC, IO_FDATASYNC };
	struct backend_state *s = arg;
	struct io_wait waits[ARRAY_SIZE(ops)];
	char *buf = block_alloc(1, 0);
	struct io_wait good;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		enum io_op op = io_is_supported(fiber_reactor(), ops[i]) ? ops[i] : IO_READV;

		io_wait_start(&waits[i], op, -1, buf, BLOCK, 0);
	}
	io_wait_start(&good, IO_WRITEV, s->fd, buf, BLOCK, 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_int_equal(io_wait_end(&waits[i]), -EBADF);
	assert_int_equal(io_wait_end(&good), BLOCK);
	free(buf);
	return 0;
}

static void test_bad_requests(void **state)
{
	struct backend_state *s = *state;

	assert_int_equal(reactor_run(s->r, bad_requests, s), 0);
}

/* The file-size limit cuts a write short: the count says so, nothing was flushed, and then the rest is refused. */
static FIBER_FN int short_write(void *arg)
{
	struct backend_state *s = arg;
	char *buf = block_alloc(4, 'x');
	struct io_wait w;

	if (!io_is_supported(fiber_reactor(), IO_WRITEV_FDATASYNC))
		return EXIT_AS_EXPECTED;
	io_wait_start(&w, IO_WRITEV_FDATASYNC, s->fd, buf, 4 * BLOCK, 0);
	if (io_wait_end(&w) != 3 * BLOCK)
		return 1;
	/* Nothing outside tells a flush that was not tried from one that was; io_uring's own note does. */
	if (strcmp(reactor_backend_name(fiber_reactor()), "io_uring") == 0 && (int64_t)w.req.priv[1] != -ECANCELED)
		return 4;
	if (io_sync(IO_WRITEV_FDATASYNC, s->fd, buf, BLOCK, 3 * BLOCK) != -EFBIG)
		return 2;
	if (io_sync(IO_WRITEV_FDATASYNC, s->fd, buf, BLOCK, 0) != BLOCK)
		return 3;
	free(buf);
	return EXIT_AS_EXPECTED;
}

static struct backend_state *short_write_state;

/* The limit must not meet the log of a test runner, nor a ring work for another process than its own. */
static void short_write_body(void)
{
	const struct reactor_options opt = {
		.backend = strcmp(reactor_backend_name(short_write_state->r), "libaio") == 0 ? REACTOR_LIBAIO
											     : REACTOR_URING,
	};
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	const struct rlimit low = { .rlim_cur = 3 * BLOCK, .rlim_max = 3 * BLOCK };

	if (sigaction(SIGXFSZ, &ignore, NULL) || setrlimit(RLIMIT_FSIZE, &low))
		_exit(90);
	_exit(reactor_run(open_real(&opt), short_write, short_write_state));
}

static void test_short_write(void **state)
{
	short_write_state = *state;
	assert_int_equal(child_exit_status(short_write_body), EXIT_AS_EXPECTED);
}

static FIBER_FN int leave_reads_in_flight(void *arg)
{
	struct backend_state *s = arg;
	static struct io_wait waits[20]; /* must outlive this fiber */
	static char buf[20 * BLOCK] __attribute__((aligned(BLOCK)));
	size_t i;

	assert_int_equal(io_sync(IO_WRITEV, s->fd, buf, sizeof(buf), 0), sizeof(buf));
	for (i = 0; i < ARRAY_SIZE(waits); i++)
		io_wait_start(&waits[i], IO_READV, s->fd, buf + i * BLOCK, BLOCK, i * BLOCK);
	fiber_yield();
	return 0;
}

static void test_close_with_io_in_flight(void **state)
{
	struct backend_state *s = *state;

	assert_int_equal(reactor_run(s->r, leave_reads_in_flight, s), 0);
	/* The teardown closes; nothing may be delivered after that, nor written into the buffers. */
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static FIBER_FN int sleep_200_ms(void *arg)
{
	fiber_sleep_ns(200 * MILLISECOND);
	return 0;
}

/* An idle loop costs no processor time. */
static void test_idle_sleeps(void **state)
{
	struct backend_state *s = *state;
	uint64_t before = cpu_ns();

	assert_int_equal(reactor_run(s->r, sleep_200_ms, NULL), 0);
	assert_true(cpu_ns() - before < 100 * MILLISECOND);
}

/* ---- the choice of the back end ---- */

struct caught {
	unsigned int nr;
	enum log_level level;
	char msg[LOG_MSG_MAX];
};

static void catch_msg(void *owner, enum log_level level, const char *msg)
{
	struct caught *c = owner;

	c->nr++;
	c->level = level;
	snprintf(c->msg, sizeof(c->msg), "%s", msg);
}

/* From here on, system call @nr fails with @error. */
static void forbid(int nr, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(96);
}

static FIBER_FN int write_and_read(void *arg)
{
	struct backend_state s = { .fd = memfd_create("test", MFD_CLOEXEC) };
	char *buf = block_alloc(1, 'x');

	if (io_sync(IO_WRITEV, s.fd, buf, BLOCK, 0) != BLOCK || io_sync(IO_READV, s.fd, buf, BLOCK, 0) != BLOCK)
		_exit(95);
	free(buf);
	return 0;
}

/* Opening with @backend succeeds with libaio, with one line of @level that contains @why. */
static void expect_libaio(enum reactor_backend backend, enum log_level level, const char *why)
{
	const struct reactor_options opt = { .backend = backend };
	struct caught c = { 0 };
	struct reactor *r;

	log_set_sink(catch_msg, &c);
	if (reactor_open(&opt, &r) || strcmp(reactor_backend_name(r), "libaio") != 0)
		_exit(90);
	if (c.nr != 1 || c.level != level || !strstr(c.msg, why))
		_exit(91);
	if (reactor_run(r, write_and_read, NULL))
		_exit(92);
	reactor_close(r);
	_exit(EXIT_AS_EXPECTED);
}

/* Opening with @backend fails with @error, and the last line of the log, an error, contains @why. */
static void expect_refusal(enum reactor_backend backend, int error, const char *why)
{
	const struct reactor_options opt = { .backend = backend };
	struct reactor *r = NULL;
	struct caught c = { 0 };

	log_set_sink(catch_msg, &c);
	if (reactor_open(&opt, &r) != error || r)
		_exit(90);
	if (c.nr == 0 || c.level != LOG_LEVEL_ERR || !strstr(c.msg, why))
		_exit(91);
	_exit(EXIT_AS_EXPECTED);
}

static void uring_hidden_body(void)
{
	forbid(SYS_io_uring_setup, ENOSYS);
	expect_libaio(REACTOR_AUTO, LOG_LEVEL_WARN, "5.11");
}

static void uring_forbidden_body(void)
{
	forbid(SYS_io_uring_setup, EPERM);
	expect_libaio(REACTOR_AUTO, LOG_LEVEL_WARN, "io_uring_disabled");
}

static void uring_no_memory_body(void)
{
	forbid(SYS_io_uring_setup, ENOMEM);
	expect_libaio(REACTOR_AUTO, LOG_LEVEL_WARN, "ulimit -l");
}

static void uring_wanted_body(void)
{
	forbid(SYS_io_uring_setup, EPERM);
	expect_refusal(REACTOR_URING, -EPERM, "io_uring_disabled");
}

static void nothing_left_body(void)
{
	forbid(SYS_io_uring_setup, EPERM);
	forbid(SYS_io_setup, EAGAIN);
	expect_refusal(REACTOR_AUTO, -EAGAIN, "fs.aio-max-nr");
}

static void env_libaio_body(void)
{
	setenv("LAMINA_IO", "libaio", 1);
	expect_libaio(REACTOR_URING, LOG_LEVEL_INFO, "LAMINA_IO");
}

static void env_wrong_body(void)
{
	setenv("LAMINA_IO", "epoll", 1);
	expect_refusal(REACTOR_AUTO, -EINVAL, "epoll");
}

static void test_refused_uring(void **state)
{
	assert_int_equal(child_exit_status(uring_hidden_body), EXIT_AS_EXPECTED);
	assert_int_equal(child_exit_status(uring_forbidden_body), EXIT_AS_EXPECTED);
	assert_int_equal(child_exit_status(uring_no_memory_body), EXIT_AS_EXPECTED);
	assert_int_equal(child_exit_status(uring_wanted_body), EXIT_AS_EXPECTED);
	assert_int_equal(child_exit_status(nothing_left_body), EXIT_AS_EXPECTED);
}

static void test_environment(void **state)
{
	assert_int_equal(child_exit_status(env_libaio_body), EXIT_AS_EXPECTED);
	assert_int_equal(child_exit_status(env_wrong_body), EXIT_AS_EXPECTED);
}

static void test_options_are_checked(void **state)
{
	const struct reactor_options deep = { .queue_depth = 1 << 30 };
	const struct reactor_options crowded = { .helpers = 1 << 30 };
	struct reactor *r = NULL;

	assert_int_equal(reactor_open(&deep, &r), -EINVAL);
	assert_int_equal(reactor_open(&crowded, &r), -EINVAL);
	assert_null(r);
	reactor_close(NULL);
}

#define BOTH(test)                                                                                                   \
	{ #test " (io_uring)", test, setup_uring, backend_teardown, NULL },                                          \
	{                                                                                                            \
#test " (libaio)", test, setup_libaio, backend_teardown, NULL                                        \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		BOTH(test_every_operation),
		BOTH(test_vectors),
		BOTH(test_more_than_the_depth),
		BOTH(test_bad_requests),
		BOTH(test_short_write),
		BOTH(test_close_with_io_in_flight),
		BOTH(test_idle_sleeps),
		cmocka_unit_test(test_refused_uring),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_options_are_checked),
	};

	/* The choice is what is tested here. */
	unsetenv("LAMINA_IO");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
