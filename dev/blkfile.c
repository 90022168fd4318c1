/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real device.  It promises that a request ends in full or with an error: short transfers are continued and
 * transfers that the kernel only could not start yet are started again, here and nowhere else.  Requests in flight
 * are bounded; what comes beyond waits in order.  How a durable write is done is asked from dev/durable.c each time.
 *
 * On a block device only O_DIRECT is used, so nothing of ours lies in the page cache, and where the device has no
 * volatile cache a flush has nothing to do.
 */
#include "dev/blkfile.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dev/blklimits.h"
#include "dev/io.h"
#include "dev/log.h"
#include "dev/reactor.h"

#define OPS_MAX	    256		  /* requests in flight; others wait */
#define RETRIES_MAX 2000	  /* of a transfer that the kernel can't start */
#define RETRY_NS    (1000 * 1000) /* wait before each */

/* One request in flight. */
struct blkfile_op {
	struct blkfile *file;
	struct blk_req *req;
	struct io_req io;
	struct reactor_work work;
	struct reactor_timer timer;
	struct durable_ticket ticket;
	bool has_ticket;
	unsigned int retries;
	uint64_t start_ns;
	uint64_t bytes_done;
	struct iovec rest; /* of a buffer that was transferred in part */
	struct list link;  /* blkfile.free */
};

struct blkfile {
	struct blkdev dev;
	int fd;
	struct blklimits limits;
	struct durable durable;
	struct list free;    /* blkfile_op.link */
	struct list waiting; /* blk_req.link */
	struct blkfile_op *ops;
	unsigned int in_flight;
};

static void start_next(struct blkfile *f, struct blk_req *req);
static void op_transfer(struct blkfile_op *op);

static struct blkfile *to_blkfile(struct blkdev *dev)
{
	return container_of(dev, struct blkfile, dev);
}

/* The end of a request */

static void settle_ticket(struct blkfile_op *op, int err)
{
	struct blkfile *f = op->file;

	if (!op->has_ticket)
		return;
	op->has_ticket = false;
	if (err)
		durable_cancel(&f->durable, &op->ticket);
	else
		durable_finish(&f->durable, &op->ticket, reactor_now_ns(f->dev.reactor) - op->start_ns);
}

static void op_end(struct blkfile_op *op, int err)
{
	struct blkfile *f = op->file;
	struct blk_req *req = op->req;

	settle_ticket(op, err);
	list_add_head(&op->link, &f->free);
	f->in_flight--;
	if (!list_is_empty(&f->waiting)) {
		struct blk_req *next = list_first_entry(&f->waiting, struct blk_req, link);

		list_del(&next->link);
		start_next(f, next);
	}
	req->result = err;
	req->done(req);
}

/* Parts */

/*
 * The buffers from @done bytes on, as one system call takes them: whole ones, or the rest of the one that was
 * transferred in part.
 */
static unsigned int next_part(const struct blk_req *req, uint64_t done, struct iovec *rest,
			      const struct iovec **ret_iov)
{
	unsigned int i = 0;

	while (done >= req->iov[i].iov_len)
		done -= req->iov[i++].iov_len;
	if (done == 0) {
		*ret_iov = &req->iov[i];
		return (unsigned int)min_u64(req->nr_iov - i, IOV_MAX);
	}
	rest->iov_base = (char *)req->iov[i].iov_base + done;
	rest->iov_len = req->iov[i].iov_len - done;
	*ret_iov = rest;
	return 1;
}

/* Direct I/O continues at a sector: what was transferred of a broken one is done again. */
static uint64_t whole_sectors(const struct blkfile *f, uint64_t bytes)
{
	return round_down_u64(bytes, f->limits.logical_sector);
}

/* Helper threads: the same device, blocking */

static int write_all_blocking(struct blkfile *f, const struct blk_req *req)
{
	uint64_t done = 0;

	while (done < req->len) {
		const struct iovec *iov;
		struct iovec rest;
		unsigned int nr = next_part(req, done, &rest, &iov);
		ssize_t n = pwritev(f->fd, iov, (int)nr, (off_t)(req->off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		n = (ssize_t)whole_sectors(f, (uint64_t)n);
		if (n == 0)
			return -EIO;
		done += (uint64_t)n;
	}
	return 0;
}

static int fdatasync_blocking(struct blkfile *f)
{
	return fdatasync(f->fd) == 0 ? 0 : -errno;
}

static int discard_blocking(struct blkfile *f, const struct blk_req *req)
{
	uint64_t range[2] = { req->off, req->len };
	int result;

	if (f->limits.is_block)
		result = ioctl(f->fd, BLKDISCARD, range);
	else
		result = fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)req->off,
				   (off_t)req->len);
	return result == 0 ? 0 : -errno;
}

/* A file system that can't mark a range as zeros can make a hole of it, which reads the same. */
static int zero_file_blocking(struct blkfile *f, const struct blk_req *req)
{
	if (fallocate(f->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)req->off, (off_t)req->len) == 0)
		return 0;
	return errno == EOPNOTSUPP ? discard_blocking(f, req) : -errno;
}

static int write_zeroes_blocking(struct blkfile *f, const struct blk_req *req)
{
	uint64_t range[2] = { req->off, req->len };

	if (!f->limits.is_block)
		return zero_file_blocking(f, req);
	return ioctl(f->fd, BLKZEROOUT, range) == 0 ? 0 : -errno;
}

static int run_blocking(struct blkfile *f, const struct blk_req *req)
{
	int err;

	switch (req->op) {
	case BLK_WRITE_DURABLE:
		err = write_all_blocking(f, req);
		return err ? err : fdatasync_blocking(f);
	case BLK_FLUSH:
		return fdatasync_blocking(f);
	case BLK_DISCARD:
		return discard_blocking(f, req);
	case BLK_WRITE_ZEROES:
		return write_zeroes_blocking(f, req);
	default:
		return -EINVAL;
	}
}

static void work_run(struct reactor_work *w)
{
	struct blkfile_op *op = w->owner;

	op->io.result = run_blocking(op->file, op->req);
}

static void work_done(struct reactor_work *w)
{
	struct blkfile_op *op = w->owner;

	op_end(op, (int)op->io.result);
}

static void op_offload(struct blkfile_op *op)
{
	op->work = (struct reactor_work){ .run = work_run, .done = work_done, .owner = op };
	reactor_offload(op->file->dev.reactor, &op->work);
}

/* Asynchronous transfers */

static void retry_fire(struct reactor_timer *t)
{
	op_transfer(t->owner);
}

static void op_retry_later(struct blkfile_op *op)
{
	struct reactor *r = op->file->dev.reactor;

	op->timer = (struct reactor_timer){ .fire = retry_fire, .owner = op };
	reactor_timer_arm(r, &op->timer, reactor_now_ns(r) + RETRY_NS);
}

static void op_start_durable(struct blkfile_op *op);

/* The method of @op is not known to the kernel or file system: do without it from now on. */
static bool op_change_method(struct blkfile_op *op)
{
	enum durable_method method = op->ticket.method;

	if (!op->has_ticket || durable_forbid(&op->file->durable, method) != 0)
		return false;
	log_info("%s: durable writes by method %s do not work here; using the others", op->file->dev.info.name,
		 durable_method_name(method));
	settle_ticket(op, -EOPNOTSUPP);
	op->bytes_done = 0;
	op_start_durable(op);
	return true;
}

static void op_fail(struct blkfile_op *op, int err)
{
	if ((err == -EAGAIN || err == -EINTR) && op->retries++ < RETRIES_MAX)
		op_retry_later(op);
	else if (err != -EOPNOTSUPP || !op_change_method(op))
		op_end(op, err == -EAGAIN ? -EIO : err);
}

static void transfer_done(struct io_req *io)
{
	struct blkfile_op *op = io->owner;
	uint64_t bytes;

	if (io->result < 0) {
		op_fail(op, (int)io->result);
		return;
	}
	bytes = whole_sectors(op->file, (uint64_t)io->result);
	op->bytes_done += bytes;
	if (op->bytes_done >= op->req->len)
		op_end(op, 0);
	else if (bytes == 0)
		op_end(op, -EIO); /* behind the end of something that shrank, or a device that gives nothing */
	else
		op_transfer(op);
}

static void op_transfer(struct blkfile_op *op)
{
	op->io.nr_iov = next_part(op->req, op->bytes_done, &op->rest, &op->io.iov);
	op->io.off = op->req->off + op->bytes_done;
	op->io.fd = op->file->fd;
	op->io.done = transfer_done;
	op->io.owner = op;
	io_req_submit(op->file->dev.reactor, &op->io);
}

static void op_start_transfer(struct blkfile_op *op, enum io_op io_op)
{
	op->io.op = io_op;
	op_transfer(op);
}

/* Whether a completed write may still be lost: only then is there something to flush. */
static bool needs_flush(const struct blkfile *f)
{
	return f->limits.volatile_cache || !f->limits.direct;
}

static void op_start_durable(struct blkfile_op *op)
{
	struct blkfile *f = op->file;

	durable_start(&f->durable, op->req->len, &op->ticket);
	op->has_ticket = true;
	op->start_ns = reactor_now_ns(f->dev.reactor);
	switch (op->ticket.method) {
	case DURABLE_DSYNC:
		op_start_transfer(op, IO_WRITEV_DSYNC);
		break;
	case DURABLE_LINKED:
		op_start_transfer(op, IO_WRITEV_FDATASYNC);
		break;
	default:
		op_offload(op);
		break;
	}
}

static void flush_done(struct io_req *io)
{
	op_end(io->owner, io->result < 0 ? (int)io->result : 0);
}

static void nothing_fire(struct reactor_timer *t)
{
	op_end(t->owner, 0);
}

static void op_start_flush(struct blkfile_op *op)
{
	struct reactor *r = op->file->dev.reactor;

	if (!needs_flush(op->file)) {
		op->timer = (struct reactor_timer){ .fire = nothing_fire, .owner = op };
		reactor_timer_arm(r, &op->timer, reactor_now_ns(r));
	} else if (io_is_supported(r, IO_FDATASYNC)) {
		op->io = (struct io_req){ .op = IO_FDATASYNC, .fd = op->file->fd, .done = flush_done, .owner = op };
		io_req_submit(r, &op->io);
	} else {
		op_offload(op);
	}
}

static void op_start(struct blkfile_op *op)
{
	switch (op->req->op) {
	case BLK_READ:
		op_start_transfer(op, IO_READV);
		break;
	case BLK_WRITE:
		op_start_transfer(op, IO_WRITEV);
		break;
	case BLK_WRITE_DURABLE:
		if (needs_flush(op->file))
			op_start_durable(op);
		else
			op_start_transfer(op, IO_WRITEV);
		break;
	case BLK_FLUSH:
		op_start_flush(op);
		break;
	default:
		op_offload(op);
		break;
	}
}

static void start_next(struct blkfile *f, struct blk_req *req)
{
	struct blkfile_op *op = list_first_entry(&f->free, struct blkfile_op, link);

	list_del(&op->link);
	f->in_flight++;
	*op = (struct blkfile_op){ .file = f, .req = req };
	list_init(&op->link);
	op_start(op);
}

/* The seam */

static void blkfile_submit(struct blkdev *dev, struct blk_req *req)
{
	struct blkfile *f = to_blkfile(dev);

	if (list_is_empty(&f->free))
		list_add_tail(&req->link, &f->waiting);
	else
		start_next(f, req);
}

static void blkfile_close(struct blkdev *dev)
{
	struct blkfile *f = to_blkfile(dev);

	assert(f->in_flight == 0);
	close(f->fd);
	free(f->ops);
	free(f);
}

static const struct blkdev_ops blkfile_ops = {
	.submit = blkfile_submit,
	.close = blkfile_close,
};

const struct durable *blkfile_durable(const struct blkdev *dev)
{
	assert(dev->ops == &blkfile_ops);
	return &container_of(dev, const struct blkfile, dev)->durable;
}

/* Opening */

static int open_flags(unsigned int flags, bool is_block)
{
	int result = O_CLOEXEC | O_NONBLOCK | (flags & BLKFILE_READ_ONLY ? O_RDONLY : O_RDWR);

	return is_block && flags & BLKFILE_EXCLUSIVE ? result | O_EXCL : result;
}

/* Without a claim, to look what it is; O_EXCL means nothing on a plain file. */
static int open_fd(const char *path, unsigned int flags, struct blklimits *ret_limits, int *ret_fd)
{
	int fd = open(path, open_flags(flags, false));
	int err;

	if (fd < 0)
		return errno == EISDIR ? -ENOTBLK : -errno;
	err = blklimits_get(fd, ret_limits);
	if (!err && ret_limits->is_block && flags & BLKFILE_EXCLUSIVE) {
		close(fd);
		fd = open(path, open_flags(flags, true));
		err = fd < 0 ? -errno : blklimits_get(fd, ret_limits);
	}
	if (!err && ret_limits->read_only && !(flags & BLKFILE_READ_ONLY))
		err = -EROFS;
	if (err) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/* The lock belongs to the open file, so a second opening by the same process is refused as well. */
static int lock_file(int fd, unsigned int flags)
{
	struct flock lock = { .l_type = flags & BLKFILE_READ_ONLY ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* From here on by O_DIRECT, where there is such a thing. */
static int set_direct(const char *path, int fd, struct blklimits *limits)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags &= ~O_NONBLOCK;
	if (limits->direct && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0)
		return 0;
	if (limits->is_block)
		return -errno;
	limits->direct = false;
	log_warn("%s: its file system does no direct I/O; going through the page cache, which is slower: "
		 "for more than trying out, use a block device or a file on another file system",
		 path);
	return fcntl(fd, F_SETFL, flags) == 0 ? 0 : -errno;
}

static int prepare_fd(const char *path, int fd, unsigned int flags, struct blklimits *limits)
{
	int err;

	if (!limits->is_block && flags & BLKFILE_EXCLUSIVE) {
		err = lock_file(fd, flags);
		if (err)
			return err;
	}
	/* What somebody before us left in the page cache must not be written over our own writes later. */
	if (limits->is_block && !(flags & BLKFILE_READ_ONLY) && fsync(fd) != 0)
		return -errno;
	return set_direct(path, fd, limits);
}

static int choose_methods(struct reactor *r, struct durable *d)
{
	const char *name = getenv("LAMINA_DURABLE");
	unsigned int allowed;

	if (durable_parse(name && *name ? name : NULL, &allowed) != 0) {
		log_err("LAMINA_DURABLE is \"%s\": set it to dsync, linked, thread or auto, or unset it", name);
		return -EINVAL;
	}
	if (!io_is_supported(r, IO_WRITEV_DSYNC))
		allowed &= ~(1u << DURABLE_DSYNC);
	if (!io_is_supported(r, IO_WRITEV_FDATASYNC))
		allowed &= ~(1u << DURABLE_LINKED);
	durable_init(d, allowed ? allowed : 1u << DURABLE_THREAD);
	return 0;
}

static void fill_info(struct blkdev_info *info, const struct blklimits *l, const char *path, unsigned int flags)
{
	*info = (struct blkdev_info){
		.size = l->size,
		.logical_sector = l->logical_sector,
		.physical_sector = l->physical_sector,
		.read_only = (flags & BLKFILE_READ_ONLY) || l->read_only,
		.volatile_cache = l->volatile_cache,
		.fua = l->fua,
		.can_discard = l->can_discard,
		.can_write_zeroes = l->can_write_zeroes,
	};
	snprintf(info->name, sizeof(info->name), "%s", path);
}

static int make_blkfile(struct reactor *r, const char *path, unsigned int flags, int fd,
			const struct blklimits *limits, struct blkdev **ret_dev)
{
	struct blkfile *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->ops = calloc(OPS_MAX, sizeof(*f->ops));
	err = f->ops ? choose_methods(r, &f->durable) : -ENOMEM;
	if (err) {
		free(f->ops);
		free(f);
		return err;
	}
	f->dev.ops = &blkfile_ops;
	f->dev.reactor = r;
	fill_info(&f->dev.info, limits, path, flags);
	f->fd = fd;
	f->limits = *limits;
	list_init(&f->free);
	list_init(&f->waiting);
	for (unsigned int i = 0; i < OPS_MAX; i++)
		list_add_tail(&f->ops[i].link, &f->free);
	*ret_dev = &f->dev;
	return 0;
}

int blkfile_open(struct reactor *r, const char *path, unsigned int flags, struct blkdev **ret_dev)
{
	struct blklimits limits = { .size = 0 };
	int fd = -1;
	int err = open_fd(path, flags, &limits, &fd);

	if (err)
		return err;
	err = prepare_fd(path, fd, flags, &limits);
	if (!err)
		err = make_blkfile(r, path, flags, fd, &limits, ret_dev);
	if (err)
		close(fd);
	return err;
}
