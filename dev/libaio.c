/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The libaio back end, for kernels and containers that refuse io_uring.  Promises: what one turn submits goes out in
 * one system call as long as the kernel accepts it; ends of requests arrive through the same eventfd by which other
 * threads wake us, so that and the polls (dev/pollset.h) are all there is to sleep on; a request that the kernel
 * refuses ends with the kernel's error.
 */

#include <libaio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "dev/backend.h"
#include "dev/log.h"
#include "dev/pollset.h"

#define LIBAIO_BATCH 64 /* completions taken at a time */

struct libaio {
	struct backend b;
	io_context_t ctx;
	int wake_fd;
	struct pollset polls;
	bool can_sync; /* the kernel does IO_CMD_FDSYNC, and so also knows flags of writes */
	unsigned int in_flight;
	unsigned int depth;
	struct iocb *iocbs;  /* @depth of them */
	struct iocb **free;  /* those not in flight: the first depth - in_flight */
	struct iocb **batch; /* to be submitted */
};

/* What io_req.priv means while a write with a flush is in flight. */
enum pair_priv {
	PAIR_WRITTEN, /* bytes: now the flush is under way; 0: still the write */
};

static struct libaio *to_libaio(struct backend *b)
{
	return container_of(b, struct libaio, b);
}

static bool libaio_is_supported(const struct backend *b, enum io_op op)
{
	return op == IO_READV || op == IO_WRITEV || op == IO_POLL ||
	       container_of(b, const struct libaio, b)->can_sync;
}

/* ---- starting ---- */

static void libaio_prepare(struct libaio *l, struct iocb *iocb, struct io_req *req)
{
	bool sync = req->op == IO_FDATASYNC || (req->op == IO_WRITEV_FDATASYNC && req->priv[PAIR_WRITTEN]);

	if (sync)
		*iocb = (struct iocb){ .aio_fildes = req->fd, .aio_lio_opcode = IO_CMD_FDSYNC };
	else if (req->op == IO_READV)
		io_prep_preadv(iocb, req->fd, req->iov, (int)req->nr_iov, (long long)req->off);
	else
		io_prep_pwritev(iocb, req->fd, req->iov, (int)req->nr_iov, (long long)req->off);
	if (req->op == IO_WRITEV_DSYNC)
		iocb->aio_rw_flags = RWF_DSYNC;
	iocb->data = req;
	io_set_eventfd(iocb, l->wake_fd);
}

/* Move what is queued into l->batch, as far as the depth allows, in order. */
static unsigned int libaio_prepare_queued(struct libaio *l)
{
	unsigned int nr = 0;

	while (!list_is_empty(&l->b.queued) && l->in_flight < l->depth) {
		struct io_req *req = list_first_entry(&l->b.queued, struct io_req, link);
		struct iocb *iocb = l->free[l->depth - 1 - l->in_flight++];

		list_del(&req->link);
		libaio_prepare(l, iocb, req);
		l->batch[nr++] = iocb;
	}
	return nr;
}

static struct io_req *libaio_take_back(struct libaio *l, struct iocb *iocb)
{
	l->free[l->depth - l->in_flight--] = iocb;
	return iocb->data;
}

/* The kernel has no room for l->batch[@from..@to): put them back to the head of the queue, in order. */
static void libaio_requeue(struct libaio *l, unsigned int from, unsigned int to)
{
	while (to > from) {
		struct io_req *req = libaio_take_back(l, l->batch[--to]);

		list_add_head(&req->link, &l->b.queued);
	}
}

/* Start what is queued; done() is called of what the kernel refuses.  Returns how many these were. */
static unsigned int libaio_start_queued(struct libaio *l)
{
	unsigned int nr = libaio_prepare_queued(l);
	unsigned int refused = 0;
	unsigned int i = 0;

	while (i < nr) {
		int ret = io_submit(l->ctx, nr - i, l->batch + i);
		struct io_req *req;

		if (ret > 0) {
			i += (unsigned int)ret;
			continue;
		}
		if (ret == -EINTR)
			continue;
		/* Room comes back when something ends, if anything else is in flight. */
		if (ret == -EAGAIN && l->in_flight > nr - i) {
			libaio_requeue(l, i, nr);
			break;
		}
		req = libaio_take_back(l, l->batch[i++]);
		req->result = ret ? ret : -EIO;
		req->done(req);
		refused++;
	}
	return refused;
}

/* ---- ending ---- */

/* Whether @req has ended in full, with its result set; if not it is queued for its second half. */
static bool libaio_half_ended(struct libaio *l, struct io_req *req, int64_t res)
{
	if (req->op != IO_WRITEV_FDATASYNC) {
		req->result = res;
		return true;
	}
	if (req->priv[PAIR_WRITTEN]) {
		req->result = res < 0 ? res : (int64_t)req->priv[PAIR_WRITTEN];
		return true;
	}
	if (res <= 0 || (uint64_t)res < io_req_len(req)) {
		req->result = res;
		return true;
	}
	req->priv[PAIR_WRITTEN] = (uint64_t)res;
	list_add_tail(&req->link, &l->b.queued);
	return false;
}

/* Take up to LIBAIO_BATCH completions; @deliver: call done().  Returns how many there were. */
static int libaio_reap(struct libaio *l, bool deliver)
{
	struct timespec no_wait = { 0 };
	struct io_event events[LIBAIO_BATCH];
	struct io_req *ended[LIBAIO_BATCH];
	int nr_ended = 0;
	int nr = io_getevents(l->ctx, 0, LIBAIO_BATCH, events, &no_wait);
	int i;

	for (i = 0; i < nr; i++) {
		struct io_req *req = libaio_take_back(l, events[i].obj);

		if (libaio_half_ended(l, req, (long)events[i].res))
			ended[nr_ended++] = req;
	}
	for (i = 0; i < nr_ended && deliver; i++)
		ended[i]->done(ended[i]);
	return nr;
}

static void libaio_sleep(struct libaio *l, uint64_t wait_ns)
{
	struct pollfd fds[1 + POLLSET_FDS] = { { .fd = l->wake_fd, .events = POLLIN } };
	struct timespec ts = {
		.tv_sec = (time_t)(wait_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(wait_ns % NSEC_PER_SEC),
	};
	uint64_t count;

	pollset_fds(&l->polls, &fds[1]);
	if (ppoll(fds, ARRAY_SIZE(fds), wait_ns == UINT64_MAX ? NULL : &ts, NULL) <= 0 || !fds[0].revents)
		return;
	/* EAGAIN, EINTR: nothing is lost, the next poll looks again. */
	if (read(l->wake_fd, &count, sizeof(count)) < 0)
		return;
}

static void libaio_poll(struct backend *b, uint64_t wait_ns)
{
	struct libaio *l = to_libaio(b);
	int nr;

	if (pollset_start(&l->polls, &l->b.polls) + libaio_start_queued(l) > 0)
		wait_ns = 0;
	if (wait_ns > 0)
		libaio_sleep(l, wait_ns);
	do
		nr = libaio_reap(l, true);
	while (nr == LIBAIO_BATCH);
	pollset_deliver(&l->polls);
	/* A flush that follows a write goes out at once, not after the next turn. */
	libaio_start_queued(l);
}

/* ---- opening ---- */

static void libaio_free(struct libaio *l)
{
	pollset_close(&l->polls);
	free(l->batch);
	free(l->free);
	free(l->iocbs);
	free(l);
}

static void libaio_close(struct backend *b)
{
	struct libaio *l = to_libaio(b);

	pollset_close(&l->polls);
	/* The kernel would go on writing into buffers of reads in flight. */
	while (l->in_flight > 0) {
		libaio_sleep(l, UINT64_MAX);
		while (libaio_reap(l, false) > 0)
			;
	}
	io_destroy(l->ctx);
	libaio_free(l);
}

/* Kernels before 4.18 refuse the operation, and then nothing but trying tells. */
static bool libaio_probe_sync(struct libaio *l)
{
	struct iocb iocb = { .aio_lio_opcode = IO_CMD_FDSYNC };
	struct iocb *list = &iocb;
	struct io_event event;
	bool ok;
	int fd = memfd_create("lamina-probe", MFD_CLOEXEC);

	if (fd < 0)
		return false;
	iocb.aio_fildes = fd;
	ok = io_submit(l->ctx, 1, &list) == 1 && io_getevents(l->ctx, 1, 1, &event, NULL) == 1 && event.res == 0;
	close(fd);
	return ok;
}

static const struct backend_ops libaio_ops = {
	.name = "libaio",
	.is_supported = libaio_is_supported,
	.poll = libaio_poll,
	.close = libaio_close,
};

int libaio_open(unsigned int depth, int wake_fd, struct backend **ret_b)
{
	struct libaio *l = calloc(1, sizeof(*l));
	unsigned int i;
	int err;

	if (!l)
		return -ENOMEM;
	l->b.ops = &libaio_ops;
	list_init(&l->b.queued);
	list_init(&l->b.polls);
	l->wake_fd = wake_fd;
	l->depth = depth;
	l->iocbs = calloc(depth, sizeof(*l->iocbs));
	l->free = calloc(depth, sizeof(struct iocb *));
	l->batch = calloc(depth, sizeof(struct iocb *));
	err = pollset_open(&l->polls);
	if (!err)
		err = l->iocbs && l->free && l->batch ? io_setup((int)depth, &l->ctx) : -ENOMEM;
	if (err) {
		libaio_free(l);
		return err;
	}
	for (i = 0; i < depth; i++)
		l->free[i] = &l->iocbs[i];
	l->can_sync = libaio_probe_sync(l);
	*ret_b = &l->b;
	return 0;
}
