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
 *	{"command": "grow", "device": "/dev/sdc", "force": true, "dry_run": true}	add a device to the volume
 *
 * A request without arguments may also be written as an object.  What goes wrong is answered with an object that
 * has one member, "error".  The documents are described in lamina-status(8), lamina-clients(8), lamina-fence(8)
 * and lamina-grow(8).  Only the server's user may connect: the socket's mode is 0600.
 */

#include "extent/why.h"

struct control;
struct mds;

#define CONTROL_REQUEST_MAX  1024 /* bytes of a line, its end included */
#define CONTROL_CONNS_MAX    16	  /* more wait */
#define CONTROL_SECONDS	     10	  /* from connecting to the end; then the connection is cut */
#define CONTROL_GROW_SECONDS 300  /* the same where a device is added: it may be slow */

struct control_grow {
	const char *path;
	bool force;   /* whatever it holds */
	bool dry_run; /* only say whether it can be */
};

struct control_grown {
	unsigned int index; /* that the device has, or would have */
	uint64_t size;	    /* bytes */
	char held[256];	    /* what is lost; "": nothing */
	/* Of all devices, as the next start must have them: whoever adds one keeps them. */
	const char *const *paths;
	unsigned int nr_paths;
};

struct control_options {
	struct mds *mds;
	const char *path; /* of the socket; what a killed server left there is replaced */
	/* Open the device and server_grow(); who opens devices knows how.  NULL: there is nobody. */
	FIBER_FN int (*grow)(void *arg, const struct control_grow *ask, struct control_grown *ret_grown,
			     struct why *why);
	void *grow_arg;
};

/* Listen, on @opt->mds's network.  What @opt points to must outlive it.  Errors of net_listen(), -ENOMEM, -EAGAIN. */
int control_start(const struct control_options *opt, struct control **ret_control) MUST_CHECK;
/* NULL is allowed.  Before server_stop(). */
FIBER_FN void control_stop(struct control *control);

#endif
