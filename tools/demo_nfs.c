/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lamina demo nfs: a restart that nobody notices, shown.  Clients make, write, rename and remove files over NFS, each
 * worker in a directory of its own, so that it knows what every answer must be.  Meanwhile the server is killed with
 * SIGKILL and started again at once.  No request may fail; at the end every file must be what was acknowledged.
 */

#include "tools/demo_nfs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tools/demo_nfs_work.h"
#include "tools/demo_server.h"
#include "tools/spawn.h"

struct run {
	const struct demo_nfs_options *opt;
	struct demo_server server;
	struct demo_nfs demo;
};

static int volume_make(struct run *run)
{
	char size[32];
	const char *argv[] = { "lamina", "format", "-q", "--size", size, run->server.file, NULL };

	snprintf(size, sizeof(size), "%" PRIu64, run->opt->size);
	return spawn_run(argv, run->server.log);
}

/* Kill it, start it, and see how long nobody was answered. */
static FIBER_FN int kill_once(struct run *run, unsigned int round)
{
	struct demo_nfs *demo = &run->demo;
	uint64_t done = demo->nr_done, killed_ns, silent_ns;
	int err;

	fiber_sleep_ns((uint64_t)(run->opt->seconds * (double)NSEC_PER_SEC));
	done = demo->nr_done - done;
	killed_ns = reactor_now_ns(demo->reactor);
	err = demo_server_kill(&run->server);
	demo->last_ns = 0;
	if (!err)
		err = demo_server_start(&run->server);
	if (err)
		return err;
	while (!demo->err && !demo->last_ns) {
		if (!spawn_is_alive(run->server.pid))
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
	int err = spawn_await(run->server.pid, run->demo.net, &run->server.addr), end;

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

static int run_with_net(struct run *run)
{
	int err = demo_server_configure(&run->server, run->demo.net, "");

	if (!err)
		err = volume_make(run);
	if (!err)
		err = demo_server_start(&run->server);
	if (!err)
		run->demo.addr = run->server.addr;
	if (!err)
		err = reactor_run(run->demo.reactor, demo_main, run);
	demo_server_stop(&run->server);
	return err;
}

static void report(const struct run *run, int err)
{
	if (err) {
		fprintf(stderr, "lamina demo: %s\n", run->demo.why[0] ? run->demo.why : strerror(-err));
		fprintf(stderr, "what the server said:\n");
		spawn_show_log(run->server.log);
		return;
	}
	printf("\n%u kills, %" PRIu64 " operations, none failed; %" PRIu64 " files are there as acknowledged\n",
	       run->opt->kills, run->demo.nr_done, run->demo.nr_verified);
}

int demo_nfs_run(const struct demo_nfs_options *opt)
{
	struct run run = { .opt = opt };
	int err = demo_server_init(&run.server, opt->file);

	if (err)
		return err;
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
	demo_server_clean(&run.server);
	if (!opt->keep)
		unlink(run.server.file);
	return err;
}
