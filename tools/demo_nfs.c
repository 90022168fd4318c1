/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lamina demo nfs: a restart that nobody notices, shown.  Clients make, write, rename and remove files over NFS, each
 * worker in a directory of its own, so that it knows what every answer must be.  Meanwhile the server is killed with
 * SIGKILL and started again at once.  No request may fail; at the end every file must be what was acknowledged.
 */

#include "tools/demo_nfs.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "dev/sock.h"
#include "tools/demo_nfs_work.h"
#include "tools/spawn.h"

#define UP_TRIES_MAX 1000
#define UP_TRY_NS    (10 * 1000000ull)

struct run {
	const struct demo_nfs_options *opt;
	char file[PATH_MAX], conf[PATH_MAX], log[PATH_MAX];
	struct demo_nfs demo;
	pid_t server;
};

static int server_start(struct run *run)
{
	const char *argv[] = { "lamina", "serve", "-c", run->conf, run->file, NULL };

	return spawn_lamina(argv, run->log, &run->server);
}

static int volume_make(struct run *run)
{
	char size[32];
	const char *argv[] = { "lamina", "format", "-q", "--size", size, run->file, NULL };
	pid_t pid = 0;
	int err;

	snprintf(size, sizeof(size), "%" PRIu64, run->opt->size);
	err = spawn_lamina(argv, run->log, &pid);
	return err ? err : spawn_wait(pid);
}

static int config_make(struct run *run)
{
	char listen[SOCK_ADDR_TEXT_MAX];
	struct listener *l;
	FILE *out;
	int err = sock_addr_parse("127.0.0.1:0", &run->demo.addr);

	/* A port that is free, or was a moment ago. */
	if (!err)
		err = net_listen(run->demo.net, &run->demo.addr, &l);
	if (err)
		return err;
	run->demo.addr = l->addr;
	listener_close(l);
	sock_addr_print(&run->demo.addr, listen);
	out = fopen(run->conf, "w");
	if (!out)
		return -errno;
	fprintf(out,
		"listen = [ \"%s\" ];\n"
		"control = \"%s.control\";\n"
		"exports = ( { path = \"/\"; clients = ( { hosts = [ \"127.0.0.0/8\" ]; squash = \"none\"; } ); } "
		");\n",
		listen, run->file);
	return fclose(out) == 0 ? 0 : -errno;
}

static FIBER_FN int server_await(const struct run *run)
{
	struct sock *sock;
	int err = -ETIMEDOUT;

	for (unsigned int i = 0; i < UP_TRIES_MAX; i++) {
		err = net_connect(run->demo.net, &run->demo.addr, &sock);
		if (!err) {
			sock_close(sock);
			return 0;
		}
		if (waitpid(run->server, NULL, WNOHANG) != 0)
			return -ECHILD;
		fiber_sleep_ns(UP_TRY_NS);
	}
	return err;
}

/* Kill it, start it, and see how long nobody was answered. */
static FIBER_FN int kill_once(struct run *run, unsigned int round)
{
	struct demo_nfs *demo = &run->demo;
	uint64_t done = demo->nr_done, killed_ns, silent_ns;
	int err;

	fiber_sleep_ns((uint64_t)(run->opt->seconds * (double)NSEC_PER_SEC));
	done = demo->nr_done - done;
	kill(run->server, SIGKILL);
	killed_ns = reactor_now_ns(demo->reactor);
	waitpid(run->server, NULL, 0);
	demo->last_ns = 0;
	err = server_start(run);
	if (err)
		return err;
	while (!demo->err && !demo->last_ns) {
		if (waitpid(run->server, NULL, WNOHANG) != 0)
			return -ECHILD;
		fiber_sleep_ns(1000000);
	}
	silent_ns = demo->last_ns - killed_ns;
	if (!demo->err)
		printf("%5u %12" PRIu64 " %12.0f\n", round, done, (double)silent_ns / 1e6);
	fflush(stdout);
	return demo->err;
}

static FIBER_FN int demo_main(void *arg)
{
	struct run *run = arg;
	int err = server_await(run), end;

	if (err)
		return err;
	err = demo_nfs_start(&run->demo);
	if (err)
		return err;
	printf("%u clients with %u requests at a time on %s\n\n%5s %12s %12s\n", DEMO_NFS_CLIENTS, DEMO_NFS_WORKERS,
	       run->opt->file, "kill", "operations", "silent ms");
	for (unsigned int round = 1; !err && round <= run->opt->kills; round++)
		err = kill_once(run, round);
	end = demo_nfs_finish(&run->demo);
	return err ? err : end;
}

static void server_stop(struct run *run)
{
	if (run->server <= 0)
		return;
	kill(run->server, SIGTERM);
	waitpid(run->server, NULL, 0);
}

static int run_with_net(struct run *run)
{
	int err = config_make(run);

	if (!err)
		err = volume_make(run);
	if (!err)
		err = server_start(run);
	if (!err)
		err = reactor_run(run->demo.reactor, demo_main, run);
	server_stop(run);
	return err;
}

static void report(const struct run *run, int err)
{
	if (err) {
		fprintf(stderr, "lamina demo: %s\n", run->demo.why[0] ? run->demo.why : strerror(-err));
		fprintf(stderr, "what the server said:\n");
		spawn_show_log(run->log);
		return;
	}
	printf("\n%u kills, %" PRIu64 " operations, none failed; %" PRIu64 " files are there as acknowledged\n",
	       run->opt->kills, run->demo.nr_done, run->demo.nr_verified);
}

int demo_nfs_run(const struct demo_nfs_options *opt)
{
	struct run run = { .opt = opt };
	int err;

	if (access(opt->file, F_OK) == 0) {
		fprintf(stderr, "lamina demo: %s is there already; remove it, or name another with --file\n",
			opt->file);
		return -EEXIST;
	}
	/* The server's control socket wants an absolute path. */
	if (opt->file[0] == '/')
		snprintf(run.file, sizeof(run.file), "%s", opt->file);
	else if (getcwd(run.file, sizeof(run.file)))
		snprintf(run.file + strlen(run.file), sizeof(run.file) - strlen(run.file), "/%s", opt->file);
	snprintf(run.conf, sizeof(run.conf), "%.4000s.conf", run.file);
	snprintf(run.log, sizeof(run.log), "%.4000s.log", run.file);
	err = reactor_open(NULL, &run.demo.reactor);
	if (err)
		return err;
	err = net_open(run.demo.reactor, &run.demo.net);
	if (!err) {
		err = run_with_net(&run);
		net_close(run.demo.net);
	}
	reactor_close(run.demo.reactor);
	report(&run, err);
	unlink(run.conf);
	unlink(run.log);
	if (!opt->keep)
		unlink(run.file);
	return err;
}
