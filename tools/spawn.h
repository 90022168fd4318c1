/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_SPAWN_H
#define LAMINA_TOOLS_SPAWN_H

/* Our own program as a child: servers for demos and benchmarks. */

#include <sys/types.h>

#include "dev/sock.h"

/*
 * Run `lamina` with @argv (argv[0] "lamina", NULL at the end); what it says is appended to @log; it is killed when we
 * end.  *@ret_pid is the caller's to wait for.  Errors of fork(2).
 */
int spawn_lamina(const char *const argv[], const char *log, pid_t *ret_pid) MUST_CHECK;
/* 0: it has ended with exit code 0; -EIO: with another, or by a signal. */
int spawn_wait(pid_t pid) MUST_CHECK;
/* It has not ended.  One that has is still the caller's to wait for. */
bool spawn_is_alive(pid_t pid) MUST_CHECK;
/* Run `lamina` with @argv to its end, as spawn_lamina() and spawn_wait() do. */
int spawn_run(const char *const argv[], const char *log) MUST_CHECK;

/* A port of this machine that is free, or was a moment ago. */
int spawn_find_port(struct net *net, struct sock_addr *ret_addr) MUST_CHECK;
/* Wait until the server @pid takes connections at @addr.  -ECHILD: it has ended. */
FIBER_FN int spawn_await(pid_t pid, struct net *net, const struct sock_addr *addr) MUST_CHECK;

/* Show what was logged on standard error. */
void spawn_show_log(const char *log);

#endif
