/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_SPAWN_H
#define LAMINA_TOOLS_SPAWN_H

/* Our own program as a child: servers for demos and benchmarks. */

#include <sys/types.h>

#include "dev/base.h"

/*
 * Run `lamina` with @argv (argv[0] "lamina", NULL at the end); what it says is appended to @log; it is killed when we
 * end.  *@ret_pid is the caller's to wait for.  Errors of fork(2).
 */
int spawn_lamina(const char *const argv[], const char *log, pid_t *ret_pid) MUST_CHECK;
/* 0: it has ended with exit code 0; -EIO: with another, or by a signal. */
int spawn_wait(pid_t pid) MUST_CHECK;
/* Show what was logged on standard error. */
void spawn_show_log(const char *log);

#endif
