/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_IO_H
#define LAMINA_DEV_IO_H

/*
 * Asynchronous file I/O of the real reactor: what io_uring and libaio both offer, as one request type.  Only the
 * real devices and sockets use it; everything else talks to a seam above.
 */

#include <sys/uio.h>

#include "dev/base.h"
#include "dev/list.h"

struct reactor;

enum io_op {
	IO_READV,
	IO_WRITEV,
	IO_WRITEV_DSYNC, /* RWF_DSYNC */
	IO_FDATASYNC,
	/*
	 * A write, linked to an fdatasync that starts when it has completed in full.  After a short write nothing
	 * was synced: whoever continues with the rest by the same operation has it all synced in the end.
	 */
	IO_WRITEV_FDATASYNC,
	/*
	 * Wait until @fd is ready for io_req.events, which is POLLIN or POLLOUT, not both; the result is what is
	 * ready, with POLLERR and POLLHUP.  At most one of each kind for a file at a time.  Polls wait for others'
	 * pleasure and so don't count among the requests in flight, and reactor_close() doesn't wait for them.
	 */
	IO_POLL,
};

struct io_req {
	enum io_op op;
	int fd;
	const struct iovec *iov;
	unsigned int nr_iov;
	uint64_t off;
	short events;			  /* of IO_POLL only, which has no @iov and @off */
	int64_t result;			  /* bytes, or negative errno; short transfers are the caller's to continue */
	void (*done)(struct io_req *req); /* from the reactor's loop, never from inside io_req_submit() */
	void *owner;
	struct list link; /* the reactor's while in flight */
	uint64_t priv[4]; /* the same */
};

/*
 * Start @req. Queued inside when the ring is full; submissions of one turn of the loop go out together.  Requests in
 * flight at the same time have no order among themselves.
 */
void io_req_submit(struct reactor *r, struct io_req *req);

/* Whether the back end does @op asynchronously; where not, the caller takes a helper thread. */
bool io_is_supported(const struct reactor *r, enum io_op op);

#endif
