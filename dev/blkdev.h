/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_BLKDEV_H
#define LAMINA_DEV_BLKDEV_H

/*
 * The block device seam.  Above it everything sees one kind of device: a whole disk, a partition, a loop device, a
 * plain file, or the simulated disk of the tests, all with O_DIRECT semantics (buffers and ranges aligned to the
 * logical sector; nothing cached by the host).
 *
 * A write that has completed is in the device, but survives a power cut only once a later flush has completed, or
 * if it was a durable write (BLK_WRITE_DURABLE), or if the device has no volatile cache.  Requests in flight at the
 * same time have no order among themselves.
 */

#include <sys/uio.h>

#include "dev/base.h"
#include "dev/list.h"

struct reactor;
struct blkdev;

enum blk_op {
	BLK_READ,
	BLK_WRITE,
	BLK_WRITE_DURABLE, /* as BLK_WRITE, and on stable storage when it completes; says nothing of other writes */
	BLK_FLUSH,	   /* every write completed before this was submitted is on stable storage */
	BLK_DISCARD,	   /* contents of the range become undefined */
	BLK_WRITE_ZEROES,  /* contents of the range become zeros; needs a flush like a write */
};

/*
 * One request.  The caller owns the memory until done() was called.  @off and the lengths are bytes, multiples of
 * the logical sector, not 0, inside the device: else the result is -EINVAL and nothing happens.  The same with -EROFS
 * for a change of a read-only device and -EOPNOTSUPP for an operation that its info says it can't do.
 */
struct blk_req {
	enum blk_op op;
	uint64_t off;
	uint64_t len;		 /* bytes; for the vectored operations the sum of iov */
	const struct iovec *iov; /* READ, WRITE*: buffers aligned to the logical sector, also in length */
	unsigned int nr_iov;
	int result;			   /* 0, or negative errno of this request alone */
	void (*done)(struct blk_req *req); /* called from the reactor, never from inside blkdev_submit() */
	void *owner;			   /* the caller's */
	struct list link;		   /* the device's while in flight */
	struct blkdev *dev;		   /* set by blkdev_submit() */
	union {				   /* the device's while in flight */
		uint64_t u64[12];
		void *ptr[12];
	} priv;
};

struct blkdev_info {
	uint64_t size;		  /* bytes, a multiple of logical_sector */
	uint32_t logical_sector;  /* bytes, power of two, 512..4096 (larger is refused at open) */
	uint32_t physical_sector; /* bytes, >= logical_sector: the unit that is written atomically, if any is */
	bool read_only;
	bool volatile_cache; /* completed writes may be lost by a power cut until flushed */
	bool fua;	     /* a durable write needs no separate flush */
	bool can_discard;
	bool can_write_zeroes;
	char name[128]; /* path or other name, for messages */
};

struct blkdev_ops {
	void (*submit)(struct blkdev *dev, struct blk_req *req);
	void (*close)(struct blkdev *dev);
};

struct blkdev {
	const struct blkdev_ops *ops;
	struct reactor *reactor;
	struct blkdev_info info;
};

/* Start @req; done() will be called later, also for requests that are refused.  Never switches, never fails. */
void blkdev_submit(struct blkdev *dev, struct blk_req *req);
/* Nothing may be in flight. NULL is allowed. */
void blkdev_close(struct blkdev *dev);

/* The same for a fiber that wants to wait.  0 or negative errno; after an error of a write the range is undefined. */
FIBER_FN int blkdev_read(struct blkdev *dev, uint64_t off, void *buf, size_t len) MUST_CHECK;
FIBER_FN int blkdev_write(struct blkdev *dev, uint64_t off, const void *buf, size_t len) MUST_CHECK;
FIBER_FN int blkdev_write_durable(struct blkdev *dev, uint64_t off, const void *buf, size_t len) MUST_CHECK;
FIBER_FN int blkdev_readv(struct blkdev *dev, uint64_t off, const struct iovec *iov, unsigned int nr_iov) MUST_CHECK;
FIBER_FN int blkdev_writev(struct blkdev *dev, uint64_t off, const struct iovec *iov, unsigned int nr_iov) MUST_CHECK;
FIBER_FN int blkdev_flush(struct blkdev *dev) MUST_CHECK;
FIBER_FN int blkdev_discard(struct blkdev *dev, uint64_t off, uint64_t len) MUST_CHECK;
FIBER_FN int blkdev_write_zeroes(struct blkdev *dev, uint64_t off, uint64_t len) MUST_CHECK;

/* Memory that any device takes: aligned to 4096, zeroed.  NULL if there is none. */
void *blkdev_buf_alloc(size_t len);
void blkdev_buf_free(void *buf);

#endif
