/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_SERVER_H
#define LAMINA_MDS_SERVER_H

/* The server as a whole: start on a mounted volume, stop. */

#include "extent/fs.h"
#include "extent/why.h"
#include "mds/config.h"

struct blkdev;
struct layout_source;
struct mds;
struct net;
struct reactor;

struct server_options {
	/*
	 * Forget opens, locks and sessions of before; clients that are known may reclaim theirs within
	 * config's grace time (RFC 8881, 8.4.2).  Not set: everything goes on as if nothing had been.
	 */
	bool discard_state;
	/* What is known of the store's devices (layout/device.h); for layouts of the SCSI type. */
	const struct layout_source *sources;
	unsigned int nr_sources;
};

/*
 * Load what clients had, listen on config's addresses and serve, in fibers of this reactor.  @fs, @net and @config
 * stay the caller's and must outlive the server.  Errors of net_listen() and transactions; -EEXIST, -EUCLEAN; said in
 * @why.
 */
FIBER_FN int server_start(struct reactor *r, struct fs *fs, struct net *net, const struct config *config,
			  const struct server_options *opt, struct mds **ret_mds, struct why *why) MUST_CHECK;
/*
 * Add @dev to the volume, whatever is on it, while clients use it; @source as in server_options.  With @dry_run only
 * say whether it can be.  Errors of fs_grow() and, what stands against layouts, of layout_device_propose() and
 * fence_admit(); -ESHUTDOWN.  @dev: as fs_grow() says.
 */
FIBER_FN int server_grow(struct mds *mds, struct blkdev *dev, const struct layout_source *source, bool dry_run,
			 struct why *why) MUST_CHECK;
/* End all connections, wait for requests that run, free.  Nothing is lost: clients come back to the next start. */
FIBER_FN void server_stop(struct mds *mds);

#endif
