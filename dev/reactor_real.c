/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The real reactor: the kernel's clocks and dice, a back end to sleep in, a pool of helper threads.  Promises: which
 * back end was taken, and why, is said once in the log; the loop never spins.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "dev/backend.h"
#include "dev/helpers.h"
#include "dev/log.h"
#include "dev/reactor_int.h"

#define DEPTH_DEFAULT	256
#define DEPTH_MIN	2 /* a linked pair */
#define DEPTH_MAX	4096
#define HELPERS_DEFAULT 4
#define HELPERS_MAX	256

struct real_reactor {
	struct reactor r;
	struct backend *backend;
	struct helpers *helpers;
	int wake_fd; /* eventfd: a helper has something for us */
	uint64_t random_state;
};

static struct real_reactor *to_real(struct reactor *r)
{
	return container_of(r, struct real_reactor, r);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	int err = clock_gettime(clock, &ts);

	assert(!err);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t real_now_ns(struct reactor *r)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t real_wall_ns(struct reactor *r)
{
	return clock_ns(CLOCK_REALTIME);
}

/* SplitMix64. */
static uint64_t real_random(struct reactor *r)
{
	uint64_t x = to_real(r)->random_state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void real_poll(struct reactor *r, uint64_t deadline_ns)
{
	struct real_reactor *real = to_real(r);
	uint64_t wait_ns = deadline_ns;

	if (deadline_ns != 0 && deadline_ns != UINT64_MAX) {
		uint64_t now = real_now_ns(r);

		wait_ns = deadline_ns > now ? deadline_ns - now : 0;
	}
	real->backend->ops->poll(real->backend, wait_ns);
	helpers_deliver(real->helpers);
}

static void real_offload(struct reactor *r, struct reactor_work *w)
{
	helpers_queue(to_real(r)->helpers, w);
}

static void real_io_submit(struct reactor *r, struct io_req *req)
{
	struct backend *b = to_real(r)->backend;

	memset(req->priv, 0, sizeof(req->priv));
	list_add_tail(&req->link, req->op == IO_POLL ? &b->polls : &b->queued);
}

static bool real_io_is_supported(const struct reactor *r, enum io_op op)
{
	const struct real_reactor *real = container_of(r, const struct real_reactor, r);

	return real->backend->ops->is_supported(real->backend, op);
}

/* Also takes apart what real_open_parts() has left half-built. */
static void real_close(struct reactor *r)
{
	struct real_reactor *real = to_real(r);

	helpers_close(real->helpers);
	if (real->backend)
		real->backend->ops->close(real->backend);
	if (real->wake_fd >= 0)
		close(real->wake_fd);
	reactor_release(r);
	free(real);
}

static const struct reactor_ops real_ops = {
	.now_ns = real_now_ns,
	.wall_ns = real_wall_ns,
	.random = real_random,
	.poll = real_poll,
	.offload = real_offload,
	.close = real_close,
};

static const struct io_ops real_io_ops = {
	.submit = real_io_submit,
	.is_supported = real_io_is_supported,
};

/* ---- the choice of the back end ---- */

struct backend_choice {
	enum reactor_backend backend;
	const char *why;
};

static int choice_make(const struct reactor_options *opt, struct backend_choice *ret_choice)
{
	const char *env = getenv("LAMINA_IO");
	static const struct {
		const char *name;
		enum reactor_backend backend;
	} names[] = {
		{ "auto", REACTOR_AUTO },
		{ "uring", REACTOR_URING },
		{ "libaio", REACTOR_LIBAIO },
	};
	size_t i;

	if (!env || !*env) {
		*ret_choice = (struct backend_choice){ opt->backend, "as configured" };
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(env, names[i].name) == 0) {
			*ret_choice = (struct backend_choice){ names[i].backend, "as LAMINA_IO says" };
			return 0;
		}
	}
	log_err("LAMINA_IO is \"%s\": set it to uring, libaio or auto, or unset it", env);
	return -EINVAL;
}

static const char *uring_remedy(int err)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		return "sysctl kernel.io_uring_disabled or the container's seccomp profile forbids it";
	case -ENOSYS:
		return "the kernel is older than 5.11, or the container hides it";
	case -ENOMEM:
		return "the limit of locked memory is too low (ulimit -l)";
	default:
		return "see io_uring_setup(2)";
	}
}

static int open_uring(struct real_reactor *real, unsigned int depth, const char *why)
{
	int err = uring_open(depth, real->wake_fd, &real->backend);

	if (err)
		log_err("cannot use io_uring, %s: %s: %s", why, strerror(-err), uring_remedy(err));
	else
		log_info("file I/O goes through io_uring, %s", why);
	return err;
}

/* @uring_err 0: io_uring was not tried. */
static int open_libaio(struct real_reactor *real, unsigned int depth, const char *why, int uring_err)
{
	int err = libaio_open(depth, real->wake_fd, &real->backend);

	if (err)
		log_err("cannot use libaio: %s: raise sysctl fs.aio-max-nr, or let the container use it or io_uring",
			strerror(-err));
	else if (uring_err)
		log_warn("file I/O goes through libaio, which is slower, as io_uring is refused: %s: %s",
			 strerror(-uring_err), uring_remedy(uring_err));
	else
		log_info("file I/O goes through libaio, %s", why);
	return err;
}

static int open_backend(struct real_reactor *real, const struct reactor_options *opt, unsigned int depth)
{
	struct backend_choice choice;
	int err = choice_make(opt, &choice);

	if (err)
		return err;
	if (choice.backend == REACTOR_URING)
		return open_uring(real, depth, choice.why);
	if (choice.backend == REACTOR_LIBAIO)
		return open_libaio(real, depth, choice.why, 0);
	err = uring_open(depth, real->wake_fd, &real->backend);
	if (err)
		return open_libaio(real, depth, choice.why, err);
	log_info("file I/O goes through io_uring, the first choice");
	return 0;
}

/* ---- opening ---- */

static int real_open_parts(struct real_reactor *real, const struct reactor_options *opt)
{
	unsigned int depth = opt->queue_depth ? opt->queue_depth : DEPTH_DEFAULT;
	unsigned int helpers = opt->helpers ? opt->helpers : HELPERS_DEFAULT;
	int err;

	if (depth < DEPTH_MIN || depth > DEPTH_MAX || helpers > HELPERS_MAX)
		return -EINVAL;
	real->random_state = opt->seed;
	if (opt->seed == 0 && getrandom(&real->random_state, sizeof(real->random_state), 0) < 0)
		return -errno;
	real->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (real->wake_fd < 0)
		return -errno;
	err = helpers_open(helpers, real->wake_fd, &real->helpers);
	if (err)
		return err;
	err = open_backend(real, opt, depth);
	if (err)
		return err;
	real->r.name = real->backend->ops->name;
	real->r.io_ops = &real_io_ops;
	return 0;
}

int reactor_open(const struct reactor_options *opt, struct reactor **ret_r)
{
	static const struct reactor_options defaults;
	struct real_reactor *real = calloc(1, sizeof(*real));
	int err;

	if (!real)
		return -ENOMEM;
	real->wake_fd = -1;
	err = reactor_init(&real->r, &real_ops, "none yet", opt);
	if (err) {
		free(real);
		return err;
	}
	err = real_open_parts(real, opt ? opt : &defaults);
	if (err) {
		real_close(&real->r);
		return err;
	}
	*ret_r = &real->r;
	return 0;
}
