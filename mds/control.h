/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_MDS_CONTROL_H
#define LAMINA_MDS_CONTROL_H

/*
 * The control socket: how `lamina status` and `lamina clients` ask a running server.  A connection carries one
 * request, a line, and gets one answer, a JSON document and a line end; then it is closed.
 *
 *	status				how the server is
 *	clients				who uses it
 *	{"command": "evict", "client": "5f00000001", "force": true}	forget a client
 *	{"command": "fence", "client": "5f00000001", "force": true}	cut its host off from the devices
 *	{"command": "unfence", "client": "5f00000001", "force": true}	and let it come back
 *
 * A request without arguments may also be written as an object.  What goes wrong is answered with an object that
 * has one member, "error".  The documents are described in lamina-status(8), lamina-clients(8) and lamina-fence(8).
 *Only the server's user may connect: the socket's mode is 0600.
 */

#include "dev/base.h"

struct blkdev;
struct control;
struct mds;

#define CONTROL_REQUEST_MAX 1024 /* bytes of a line, its end included */
#define CONTROL_CONNS_MAX   16	 /* more wait */
#define CONTROL_SECONDS	    10	 /* from connecting to the end; then the connection is cut */

struct control_options {
	struct mds *mds;
	const char *path; /* of the socket; what a killed server left there is replaced */
	struct blkdev *const *devs;
	unsigned int nr_devs;
};

/* Listen, on @opt->mds's network.  What @opt points to must outlive it.  Errors of net_listen(), -ENOMEM, -EAGAIN. */
int control_start(const struct control_options *opt, struct control **ret_control) MUST_CHECK;
/* NULL is allowed.  Before server_stop(). */
FIBER_FN void control_stop(struct control *control);

#endif
