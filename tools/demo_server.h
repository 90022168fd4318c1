/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_DEMO_SERVER_H
#define LAMINA_TOOLS_DEMO_SERVER_H

/* The server of a demo: a child on a volume in one file, which the demo kills and starts again. */

#include <limits.h>
#include <sys/types.h>

#include "dev/sock.h"

struct demo_server {
	char file[PATH_MAX], conf[PATH_MAX], log[PATH_MAX];
	struct sock_addr addr;
	pid_t pid; /* 0: none */
};

/* -EEXIST, which it has said: @file is there already. */
int demo_server_init(struct demo_server *s, const char *file) MUST_CHECK;
/* Make its configuration: a port that is free, and @settings beside. */
int demo_server_configure(struct demo_server *s, struct net *net, const char *settings) MUST_CHECK;
int demo_server_start(struct demo_server *s) MUST_CHECK;
/* Kill it with SIGKILL and wait for its end.  -ECHILD: it had died by itself. */
int demo_server_kill(struct demo_server *s) MUST_CHECK;
/* SIGTERM, if it is there. */
void demo_server_stop(struct demo_server *s);
/* Remove its configuration and log; the file is the demo's. */
void demo_server_clean(const struct demo_server *s);

#endif
