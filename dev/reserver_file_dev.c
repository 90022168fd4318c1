/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain file as a host reaches it through emulated reservations.  Promise: while a request touches the file nobody
 * changes the reservations, so one that was allowed is over before a preempt of its host has answered.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/blkdev.h"
#include "dev/blklimits.h"
#include "dev/reactor.h"
#include "dev/reserver.h"
#include "dev/reserver_sidecar.h"

#define IN_FLIGHT_MAX 64 /* requests in helper threads or waiting for one; others wait here */

struct file_path {
	struct blkdev dev;
	int fd;
	char host[SIDECAR_HOST_LEN];
	struct list waiting; /* blk_req.link */
	unsigned int in_flight;
	char path[];
};

static_assert(sizeof(struct reactor_work) <= sizeof(((struct blk_req *)0)->priv), "the work of a request");

static struct reactor_work *work_of(struct blk_req *req)
{
	return (struct reactor_work *)(void *)&req->priv;
}

/* In helper threads */

static int transfer_part(int fd, bool write, const struct iovec *v, uint64_t off)
{
	size_t done = 0;

	while (done < v->iov_len) {
		char *at = (char *)v->iov_base + done;
		ssize_t n = write ? pwrite(fd, at, v->iov_len - done, (off_t)(off + done))
				  : pread(fd, at, v->iov_len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static int transfer(int fd, const struct blk_req *req)
{
	uint64_t off = req->off;

	for (unsigned int i = 0; i < req->nr_iov; i++) {
		int err = transfer_part(fd, req->op != BLK_READ, &req->iov[i], off);

		if (err)
			return err;
		off += req->iov[i].iov_len;
	}
	if (req->op == BLK_WRITE_DURABLE && fdatasync(fd) != 0)
		return -errno;
	return 0;
}

static int execute(int fd, const struct blk_req *req)
{
	int result;

	switch (req->op) {
	case BLK_FLUSH:
		result = fdatasync(fd);
		break;
	case BLK_DISCARD:
	case BLK_WRITE_ZEROES: /* a hole reads as zeros */
		result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)req->off, (off_t)req->len);
		break;
	default:
		return transfer(fd, req);
	}
	return result == 0 ? 0 : -errno;
}

static void path_run(struct reactor_work *w)
{
	struct blk_req *req = w->owner;
	const struct file_path *p = container_of(req->dev, struct file_path, dev);
	struct sidecar side;
	int fd = -1;

	req->result = sidecar_open(p->path, SIDECAR_SHARED, &fd, &side);
	if (req->result)
		return;
	if (sidecar_may(&side, p->host, req->op != BLK_READ))
		req->result = execute(p->fd, req);
	else
		req->result = -EBADE;
	close(fd);
}

/* In the reactor */

static void path_done(struct reactor_work *w);

static void path_start(struct file_path *p, struct blk_req *req)
{
	struct reactor_work *w = work_of(req);

	p->in_flight++;
	*w = (struct reactor_work){ .run = path_run, .done = path_done, .owner = req };
	list_init(&w->link);
	reactor_offload(p->dev.reactor, w);
}

static void path_done(struct reactor_work *w)
{
	struct blk_req *req = w->owner;
	struct file_path *p = container_of(req->dev, struct file_path, dev);

	p->in_flight--;
	if (!list_is_empty(&p->waiting)) {
		struct blk_req *next = list_first_entry(&p->waiting, struct blk_req, link);

		list_del(&next->link);
		path_start(p, next);
	}
	req->done(req);
}

static void path_submit(struct blkdev *dev, struct blk_req *req)
{
	struct file_path *p = container_of(dev, struct file_path, dev);

	if (p->in_flight >= IN_FLIGHT_MAX)
		list_add_tail(&req->link, &p->waiting);
	else
		path_start(p, req);
}

static void path_close(struct blkdev *dev)
{
	struct file_path *p = container_of(dev, struct file_path, dev);

	assert(p->in_flight == 0);
	close(p->fd);
	free(p);
}

/* Opening */

/* As the server does it, by O_DIRECT where there is such a thing, so that both see the same bytes. */
static int open_data(const char *path, struct blklimits *ret_limits)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int err;

	if (fd < 0)
		return -errno;
	err = blklimits_get(fd, ret_limits);
	if (!err && ret_limits->is_block)
		err = -EOPNOTSUPP;
	if (!err && ret_limits->direct && fcntl(fd, F_SETFL, O_DIRECT) != 0 && fcntl(fd, F_SETFL, 0) != 0)
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int make_path(struct reactor *r, const char *path, const char *host, int fd, const struct blklimits *l,
		     struct blkdev **ret_dev)
{
	static const struct blkdev_ops ops = { .submit = path_submit, .close = path_close };
	struct file_path *p = calloc(1, sizeof(*p) + strlen(path) + 1);

	if (!p)
		return -ENOMEM;
	p->dev = (struct blkdev){ .ops = &ops, .reactor = r };
	p->dev.info = (struct blkdev_info){
		.size = l->size,
		.logical_sector = l->logical_sector,
		.physical_sector = l->physical_sector,
		.volatile_cache = true,
		.can_discard = l->can_discard,
		.can_write_zeroes = l->can_discard,
	};
	snprintf(p->dev.info.name, sizeof(p->dev.info.name), "%s", path);
	p->fd = fd;
	list_init(&p->waiting);
	snprintf(p->host, sizeof(p->host), "%s", host);
	memcpy(p->path, path, strlen(path) + 1);
	*ret_dev = &p->dev;
	return 0;
}

int reserver_file_blkdev(struct reactor *r, const char *path, const char *host, struct blkdev **ret_dev)
{
	struct blklimits limits;
	struct sidecar side;
	int fd, side_fd = -1, err;

	if (!sidecar_name_is_good(host))
		return -EINVAL;
	fd = open_data(path, &limits);
	if (fd < 0)
		return fd;
	err = sidecar_open(path, SIDECAR_MAKE, &side_fd, &side);
	if (!err) {
		close(side_fd);
		err = make_path(r, path, host, fd, &limits, ret_dev);
	}
	if (err)
		close(fd);
	return err;
}
