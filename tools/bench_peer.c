/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of lamina-peer: starts it from the directory of our own program and talks to it over two pipes. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench.h"

extern char **environ;

struct bench_peer {
	const char *name;
	char dir[4096];
	pid_t pid;
	FILE *to;
	FILE *from;
};

/* lamina-peer lies beside lamina. */
static int find_program(char *buf, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", buf, len - 1);
	char *slash;

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (!slash || (size_t)(slash - buf) + sizeof("/lamina-peer") > len)
		return -ENOENT;
	snprintf(slash, len - (size_t)(slash - buf), "/lamina-peer");
	return access(buf, X_OK) < 0 ? -ENOENT : 0;
}

static int spawn(struct bench_peer *p, const char *program, uint64_t files, int in, int out)
{
	posix_spawn_file_actions_t actions;
	char count[24];
	char *argv[] = { (char *)program, (char *)p->name, p->dir, count, NULL };
	int err;

	snprintf(count, sizeof(count), "%" PRIu64, files);
	err = posix_spawn_file_actions_init(&actions);
	if (err)
		return -err;
	err = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (!err)
		err = posix_spawn(&p->pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

static int start(struct bench_peer *p, const char *program, uint64_t files)
{
	int to[2], from[2];
	int err;

	if (pipe2(to, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(from, O_CLOEXEC) < 0) {
		err = -errno;
		close(to[0]);
		close(to[1]);
		return err;
	}
	err = spawn(p, program, files, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	p->to = fdopen(to[1], "w");
	p->from = fdopen(from[0], "r");
	if (!err && (!p->to || !p->from))
		err = -ENOMEM;
	return err;
}

/* Waits until it is loaded.  -ENOENT: it does not know this store. */
static int wait_ready(struct bench_peer *p)
{
	char line[64];

	return fgets(line, sizeof(line), p->from) && strcmp(line, "ready\n") == 0 ? 0 : -ENOENT;
}

int bench_peer_open(const struct bench_options *opt, const char *name, struct bench_peer **ret_peer)
{
	struct bench_peer *p;
	char program[4096];
	int err = find_program(program, sizeof(program));

	if (err)
		return err;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->name = name;
	bench_path(opt, name, p->dir, sizeof(p->dir));
	err = mkdir(p->dir, 0700) < 0 ? -errno : start(p, program, opt->files);
	if (!err)
		err = wait_ready(p);
	if (err) {
		bench_peer_close(p);
		return err;
	}
	*ret_peer = p;
	return 0;
}

int bench_peer_run(struct bench_env *env, const struct bench_load *load, uint64_t ns, struct bench_run *ret_run)
{
	struct bench_peer *p = env->peers[load->peer];
	struct bench_run run;
	char line[256];

	fprintf(p->to, "run %u %" PRIu64 "\n", load->outstanding, ns);
	if (fflush(p->to) != 0 || !fgets(line, sizeof(line), p->from))
		return -EPIPE;
	if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %lf", &run.nr, &run.ns,
		   &run.p50_ns, &run.p99_ns, &run.max_ns, &run.cpu_us) != 6 ||
	    run.ns == 0)
		return -EPROTO;
	*ret_run = run;
	return 0;
}

void bench_peer_close(struct bench_peer *p)
{
	if (!p)
		return;
	if (p->to)
		fclose(p->to);
	if (p->from)
		fclose(p->from);
	if (p->pid)
		waitpid(p->pid, NULL, 0);
	bench_file_remove(p->dir);
	free(p);
}

const char *bench_peer_name(const struct bench_peer *p)
{
	return p->name;
}
