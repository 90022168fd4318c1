/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_DEV_BACKEND_H
#define LAMINA_DEV_BACKEND_H

/*
 * What the real reactor sleeps in: io_uring or libaio.  A back end starts requests, bounded in number, and waits for
 * their ends, for a time, or for somebody else's thread (wake_fd).
 */

#include "dev/base.h"
#include "dev/io.h"
#include "dev/list.h"

struct backend;

struct backend_ops {
	const char *name;
	bool (*is_supported)(const struct backend *b, enum io_op op);
	/*
	 * Start what is on backend.queued as far as the limit allows, all in one system call, then call done() of
	 * what has completed.  If nothing has, wait for it, or until wake_fd is readable (and read it empty), but for
	 * at most @wait_ns: 0 does not wait, UINT64_MAX has no limit.  May return early.
	 */
	void (*poll)(struct backend *b, uint64_t wait_ns);
	/* Wait for what is in flight, without calling done(), and free @b. */
	void (*close)(struct backend *b);
};

struct backend {
	const struct backend_ops *ops;
	struct list queued; /* requests to be started, by io_req.link */
	struct list polls;  /* those that are IO_POLL: the depth isn't for them, BACKEND_POLLS_MAX is */
};

/*
 * @depth requests in flight at most; @wake_fd an eventfd, non-blocking.  Errors are what the kernel says: -ENOSYS
 * (has it not), -EPERM (sysctl or a container forbids it), -ENOMEM (limit of locked memory), -EAGAIN (fs.aio-max-nr).
 */
int uring_open(unsigned int depth, int wake_fd, struct backend **ret_b) MUST_CHECK;
int libaio_open(unsigned int depth, int wake_fd, struct backend **ret_b) MUST_CHECK;

/* Polls in flight at most; more than fibers, and a fiber waits for one at a time. */
#define BACKEND_POLLS_MAX 65536u

/* The bytes that @req asks for. */
uint64_t io_req_len(const struct io_req *req);

#endif
