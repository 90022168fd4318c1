/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_DEMO_NFS_WORK_H
#define LAMINA_TOOLS_DEMO_NFS_WORK_H

/* The clients of `lamina demo nfs`. */

#include "dev/sock.h"
#include "tools/nfs_file.h"

#define DEMO_NFS_CLIENTS 4
#define DEMO_NFS_WORKERS 32

struct demo_nfs_client {
	struct nfs_client client;
	struct nfs_conn *conn;
	struct nfs_session *session;
};

struct demo_nfs_worker {
	struct demo_nfs *demo;
	struct nfs_session *session;
	struct fiber *fiber;
	unsigned int number;
	struct nfs_fh dir;
	uint64_t first, next; /* files [first, next) are there */
};

struct demo_nfs {
	struct reactor *reactor;
	struct net *net;
	struct sock_addr addr;
	struct demo_nfs_client clients[DEMO_NFS_CLIENTS];
	struct demo_nfs_worker workers[DEMO_NFS_WORKERS];
	unsigned int nr_workers; /* whose fibers run */
	bool stop;
	uint64_t nr_done;     /* operations that were answered well */
	uint64_t last_ns;     /* reactor time of the first answer since it was set to 0 */
	uint64_t nr_verified; /* files */
	int err;	      /* the first failure: negative errno */
	char why[256];
};

/* Connect all clients and let them work.  Errors are said in demo->why. */
FIBER_FN int demo_nfs_start(struct demo_nfs *demo) MUST_CHECK;
/* Let them end, then compare every directory with what was acknowledged. */
FIBER_FN int demo_nfs_finish(struct demo_nfs *demo) MUST_CHECK;

#endif
