/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lamina demo layouts: the main job, shown.  8 hosts write and read an image file directly, by layouts of a server
 * that is killed with SIGKILL and started again meanwhile; then hosts misbehave and are fenced.  Each time all is
 * read back, and at the end the volume is checked.
 */

#include "tools/demo_layouts.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dev/reactor.h"
#include "tools/demo_server.h"
#include "tools/spawn.h"
#include "tools/torture_tcp.h"

#define HOSTS  8
#define FIBERS 2

struct run {
	const struct demo_nfs_options *opt;
	uint64_t seed;
	struct demo_server server;
	struct torture_tcp tcp;
	struct reactor *reactor;
	struct torture_report report;
	struct why why;
};

static int volume_make(struct run *run)
{
	const char *argv[] = { "lamina", "format", "-q", run->server.file, NULL };

	return spawn_run(argv, run->server.log);
}

static int volume_check(struct run *run)
{
	const char *argv[] = { "lamina", "check", run->server.file, NULL };

	return spawn_run(argv, run->server.log);
}

static FIBER_FN int server_kill(void *owner)
{
	struct run *run = owner;
	int err = demo_server_kill(&run->server);

	return err ? err : demo_server_start(&run->server);
}

static void say(void *owner, const char *line)
{
	printf("%s\n", line);
	fflush(stdout);
}

/* Torture it for @seconds with these works; with kills, or not. */
static FIBER_FN int part(struct run *run, uint64_t works, double seconds, bool kills)
{
	struct torture_options opt = { .seed = run->seed++,
				       .hosts = HOSTS,
				       .fibers = FIBERS,
				       .works = works,
				       .file_bytes = 4 << 20,
				       .type = LAYOUT4_SCSI,
				       .minorversion = 2,
				       .ranges = true,
				       .removes = true };
	struct torture_world world;
	int err;

	torture_tcp_world(&run->tcp, &run->server.addr, &world);
	snprintf(world.path, sizeof(world.path), "/");
	world.progress = say;
	opt.end_ns = reactor_now_ns(run->reactor) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	run->tcp.kill = kills ? server_kill : NULL;
	run->tcp.owner = run;
	run->tcp.is_calm = false;
	run->tcp.every_ns = (uint64_t)(run->opt->seconds * (double)NSEC_PER_SEC);
	run->tcp.until_ns = opt.end_ns;
	err = torture_run(&opt, &world, &run->report, &run->why);
	if (!err && run->tcp.why.text[0])
		err = why_set(&run->why, -EIO, "%s", run->tcp.why.text);
	if (err)
		return err;
	printf("\n");
	torture_report_print(&run->report);
	printf("\n");
	return torture_is_clean(&run->report) ? 0 : why_set(&run->why, -EUCLEAN, "the findings are above");
}

static FIBER_FN int demo_main(void *arg)
{
	struct run *run = arg;
	uint64_t good = ((UINT64_C(1) << TORTURE_WORKS) - 1) & ~(UINT64_C(1) << TORTURE_MISBEHAVE);
	int err = spawn_await(run->server.pid, run->tcp.net, &run->server.addr);

	if (err)
		return err;
	if (!run->seed)
		run->seed = reactor_random(run->reactor) | 1;
	printf("%u hosts write and read %s by layouts; the server is killed every %.1f s (seed %" PRIu64 ")\n\n",
	       HOSTS, run->opt->file, run->opt->seconds, run->seed);
	err = part(run, good, run->opt->seconds * (run->opt->kills + 1), true);
	if (err)
		return err;
	printf("2 of the %u hosts don't give back what is recalled, and write late; the others want it\n\n", HOSTS);
	return part(run, 1u << TORTURE_MISBEHAVE | 1u << TORTURE_PRIVATE, 2 * run->opt->seconds, false);
}

static int run_with_net(struct run *run)
{
	/* The shortest lease, so that nobody waits long for who misbehaves. */
	int err = demo_server_configure(&run->server, run->tcp.net,
					"lease_seconds = 10;\n"
					"grace_seconds = 10;\n"
					"file_reservations = \"on\";\n");

	if (!err)
		err = volume_make(run);
	if (!err)
		err = demo_server_start(&run->server);
	if (!err)
		err = reactor_run(run->reactor, demo_main, run);
	demo_server_stop(&run->server);
	if (!err) {
		err = volume_check(run);
		if (err)
			why_set(&run->why, err, "lamina check finds errors");
	}
	return err;
}

/* It has to be there before the hosts can open it. */
static int image_make(struct run *run)
{
	FILE *image = fopen(run->server.file, "wx");
	int err = 0;

	if (!image || ftruncate(fileno(image), (off_t)run->opt->size) < 0)
		err = why_set(&run->why, -errno, "%s: %s", run->server.file, strerror(errno));
	if (image)
		fclose(image);
	return err;
}

static int run_with_reactor(struct run *run)
{
	const char *paths[] = { run->server.file };
	int err = image_make(run);

	if (err)
		return err;
	err = reactor_open(NULL, &run->reactor);
	if (err)
		return err;
	err = torture_tcp_open(&run->tcp, run->reactor, paths, 1, &run->why);
	if (!err) {
		err = run_with_net(run);
		printf("%" PRIu64 " kills\n", run->tcp.kills);
		torture_tcp_close(&run->tcp);
	}
	reactor_close(run->reactor);
	return err;
}

int demo_layouts_run(const struct demo_nfs_options *opt, uint64_t seed)
{
	static struct run run;
	char reservations[PATH_MAX];
	int err;

	run = (struct run){ .opt = opt, .seed = seed };
	err = demo_server_init(&run.server, opt->file);
	if (err)
		return err;
	err = run_with_reactor(&run);
	if (err) {
		fprintf(stderr, "lamina demo: %s\nwhat the server said:\n",
			run.why.text[0] ? run.why.text : strerror(-err));
		spawn_show_log(run.server.log);
	} else {
		printf("lamina check: no error\n0 lost, 0 stale, 0 misplaced\n");
	}
	demo_server_clean(&run.server);
	snprintf(reservations, sizeof(reservations), "%.4000s.reservations", run.server.file);
	if (!opt->keep) {
		unlink(run.server.file);
		unlink(reservations);
	}
	return err;
}
