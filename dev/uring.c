/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The io_uring back end.  Promises: everything that one turn of the loop submits goes out in one system call, a wait
 * in the same one; no more than the depth is in flight, so with that the completion ring never overflows (with very
 * many polls it may, and then the kernel keeps the surplus); a linked write and flush ends once, when both halves
 * have; and polls, however many, take no room from file I/O.
 */

#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/backend.h"
#include "dev/log.h"

#define URING_BATCH	 64 /* completions taken at a time */
#define URING_POLLS_ROOM 64 /* entries of the ring, at least, that each turn has for new polls */

struct uring {
	struct backend b;
	struct io_uring ring;
	int wake_fd;
	bool wake_armed;	/* a poll of wake_fd is in flight */
	unsigned int in_flight; /* ring entries of requests */
	unsigned int depth;	/* the most of these */
	unsigned int nr_polls;	/* of requests, in flight */
};

/*
 * The tag of an entry is its request's address; the second half of a linked pair has the lowest bit set; 0 is the
 * poll of wake_fd.
 */
#define TAG_WAKE   UINT64_C(0)
#define TAG_SECOND UINT64_C(1)

/* What io_req.priv means while a linked pair is in flight. */
enum pair_priv {
	PAIR_WRITE_RESULT,
	PAIR_SYNC_RESULT,
	PAIR_LEFT, /* halves that have not ended */
};

static struct uring *to_uring(struct backend *b)
{
	return container_of(b, struct uring, b);
}

static bool uring_is_supported(const struct backend *b, enum io_op op)
{
	return true;
}

/* ---- starting ---- */

static struct io_uring_sqe *uring_sqe(struct uring *u, uint64_t tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	assert(sqe); /* the ring has room for the depth, the poll of wake_fd and as many polls as it is given */
	sqe->user_data = tag;
	return sqe;
}

static void uring_prepare_sync(struct uring *u, struct io_req *req, uint64_t tag)
{
	io_uring_prep_fsync(uring_sqe(u, tag), req->fd, IORING_FSYNC_DATASYNC);
}

static struct io_uring_sqe *uring_prepare_write(struct uring *u, struct io_req *req, uint64_t tag, int rw_flags)
{
	struct io_uring_sqe *sqe = uring_sqe(u, tag);

	io_uring_prep_writev2(sqe, req->fd, req->iov, req->nr_iov, req->off, rw_flags);
	return sqe;
}

static void uring_prepare(struct uring *u, struct io_req *req)
{
	uint64_t tag = (uintptr_t)req;

	assert(!(tag & TAG_SECOND));
	switch (req->op) {
	case IO_READV:
		io_uring_prep_readv(uring_sqe(u, tag), req->fd, req->iov, req->nr_iov, req->off);
		return;
	case IO_WRITEV:
		uring_prepare_write(u, req, tag, 0);
		return;
	case IO_WRITEV_DSYNC:
		uring_prepare_write(u, req, tag, RWF_DSYNC);
		return;
	case IO_FDATASYNC:
		uring_prepare_sync(u, req, tag);
		return;
	case IO_WRITEV_FDATASYNC:
		req->priv[PAIR_LEFT] = 2;
		uring_prepare_write(u, req, tag, 0)->flags |= IOSQE_IO_LINK;
		uring_prepare_sync(u, req, tag | TAG_SECOND);
		return;
	case IO_POLL:
		io_uring_prep_poll_add(uring_sqe(u, tag), req->fd, (unsigned short)req->events);
		return;
	}
	assert(!"a request of no known kind");
}

static unsigned int uring_entries_of(const struct io_req *req)
{
	return req->op == IO_WRITEV_FDATASYNC ? 2 : 1;
}

/* Put what is queued on the ring, as far as the depth allows, in order. */
static void uring_prepare_queued(struct uring *u)
{
	while (!list_is_empty(&u->b.queued)) {
		struct io_req *req = list_first_entry(&u->b.queued, struct io_req, link);

		if (u->in_flight + uring_entries_of(req) > u->depth)
			return;
		u->in_flight += uring_entries_of(req);
		list_del(&req->link);
		uring_prepare(u, req);
	}
}

/*
 * Put polls on the ring, as far as it has room that neither requests (up to the depth) nor the poll of wake_fd may
 * ask for.  False: some are left for lack of that room, which is there again once the ring was submitted.
 */
static bool uring_prepare_polls(struct uring *u)
{
	while (!list_is_empty(&u->b.polls) && u->nr_polls < BACKEND_POLLS_MAX) {
		struct io_req *req = list_first_entry(&u->b.polls, struct io_req, link);

		if (io_uring_sq_space_left(&u->ring) <= u->depth - u->in_flight + !u->wake_armed)
			return false;
		u->nr_polls++;
		list_del(&req->link);
		uring_prepare(u, req);
	}
	return true;
}

static void uring_arm_wake(struct uring *u)
{
	struct io_uring_sqe *sqe;

	if (u->wake_armed)
		return;
	sqe = uring_sqe(u, TAG_WAKE);
	io_uring_prep_poll_add(sqe, u->wake_fd, POLLIN);
	sqe->user_data = TAG_WAKE;
	u->wake_armed = true;
}

/* ---- ending ---- */

static void uring_wake_ended(struct uring *u)
{
	uint64_t count;

	u->wake_armed = false;
	/* EAGAIN, EINTR: nothing is lost, the next poll looks again. */
	if (read(u->wake_fd, &count, sizeof(count)) < 0)
		return;
}

/*
 * A write that fell short has broken the link, and the flush was not tried: then the short count is the result, and
 * the flush that goes with the rest covers the whole.
 */
static int64_t pair_result(const struct io_req *req)
{
	int64_t written = (int64_t)req->priv[PAIR_WRITE_RESULT];
	int64_t synced = (int64_t)req->priv[PAIR_SYNC_RESULT];

	if (written < 0 || (uint64_t)written < io_req_len(req))
		return written;
	return synced < 0 ? synced : written;
}

/* Whether @req has ended in full, with its result set. */
static bool uring_entry_ended(struct uring *u, struct io_req *req, bool second, int res)
{
	if (req->op == IO_POLL)
		u->nr_polls--;
	else
		u->in_flight--;
	if (req->op != IO_WRITEV_FDATASYNC) {
		req->result = res;
		return true;
	}
	req->priv[second ? PAIR_SYNC_RESULT : PAIR_WRITE_RESULT] = (uint64_t)(int64_t)res;
	if (--req->priv[PAIR_LEFT] > 0)
		return false;
	req->result = pair_result(req);
	return true;
}

/* Take up to URING_BATCH completions; @deliver: call done().  Returns how many there were. */
static unsigned int uring_reap(struct uring *u, bool deliver)
{
	struct io_uring_cqe *cqes[URING_BATCH];
	struct io_req *ended[URING_BATCH];
	unsigned int nr_ended = 0;
	unsigned int nr = io_uring_peek_batch_cqe(&u->ring, cqes, URING_BATCH);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		uint64_t tag = cqes[i]->user_data;
		struct io_req *req = (struct io_req *)(uintptr_t)(tag & ~TAG_SECOND);

		if (tag == TAG_WAKE)
			uring_wake_ended(u);
		else if (uring_entry_ended(u, req, tag & TAG_SECOND, cqes[i]->res))
			ended[nr_ended++] = req;
	}
	io_uring_cq_advance(&u->ring, nr);
	for (i = 0; i < nr_ended && deliver; i++)
		ended[i]->done(ended[i]);
	return nr;
}

/* Submit what is on the ring; wait for a completion as uring_poll() says. */
static int uring_enter(struct uring *u, uint64_t wait_ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = (int64_t)(wait_ns / NSEC_PER_SEC),
		.tv_nsec = (int64_t)(wait_ns % NSEC_PER_SEC),
	};
	struct io_uring_cqe *cqe;

	if (wait_ns == UINT64_MAX)
		return io_uring_submit_and_wait(&u->ring, 1);
	if (wait_ns > 0)
		return io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL);
	/* With nothing to submit, peeking enters the kernel just when the kernel has something for us. */
	return io_uring_sq_ready(&u->ring) ? io_uring_submit_and_get_events(&u->ring) : 0;
}

static void uring_enter_checked(struct uring *u, uint64_t wait_ns)
{
	struct pollfd wake = { .fd = u->wake_fd, .events = POLLIN };
	int ret = uring_enter(u, wait_ns);

	if (ret >= 0 || ret == -ETIME || ret == -EINTR)
		return;
	if (ret != -EAGAIN && ret != -EBUSY && ret != -ENOMEM) {
		log_err("io_uring_enter: %s; this should not be possible, stopping", strerror(-ret));
		abort();
	}
	/* The kernel lacks memory for what is on the ring, which stays there: give it time. */
	poll(&wake, 1, 1);
}

static void uring_poll(struct backend *b, uint64_t wait_ns)
{
	struct uring *u = to_uring(b);

	uring_prepare_queued(u);
	uring_arm_wake(u);
	if (!uring_prepare_polls(u))
		wait_ns = 0;
	uring_enter_checked(u, wait_ns);
	while (uring_reap(u, true) == URING_BATCH)
		;
}

/* ---- opening ---- */

static void uring_close(struct backend *b)
{
	struct uring *u = to_uring(b);

	/* The kernel would go on writing into buffers of reads in flight.  Polls have none, and end with the ring. */
	while (u->in_flight > 0) {
		uring_enter_checked(u, UINT64_MAX);
		uring_reap(u, false);
	}
	io_uring_queue_exit(&u->ring);
	free(u);
}

static const struct backend_ops uring_ops = {
	.name = "io_uring",
	.is_supported = uring_is_supported,
	.poll = uring_poll,
	.close = uring_close,
};

/* From the best way to run a ring (Linux 6.1) to the plainest. */
static int uring_setup(struct uring *u, unsigned int entries)
{
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		0,
	};
	int err = -EINVAL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags) && err == -EINVAL; i++)
		err = io_uring_queue_init(entries, &u->ring, flags[i] | IORING_SETUP_CLAMP);
	return err;
}

int uring_open(unsigned int depth, int wake_fd, struct backend **ret_b)
{
	/* Waiting with a time limit in the same call (Linux 5.11); completions are never dropped (5.5). */
	const unsigned int needed = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP;
	const unsigned int entries = depth + 1 + URING_POLLS_ROOM;
	struct uring *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	u->b.ops = &uring_ops;
	list_init(&u->b.queued);
	list_init(&u->b.polls);
	u->wake_fd = wake_fd;
	u->depth = depth;
	err = uring_setup(u, entries);
	if (err)
		goto err_free;
	if ((u->ring.features & needed) != needed || *u->ring.sq.kring_entries < entries) {
		io_uring_queue_exit(&u->ring);
		err = -ENOSYS;
		goto err_free;
	}
	*ret_b = &u->b;
	return 0;

err_free:
	free(u);
	return err;
}
