/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lamina demo layouts: the main job, shown.  8 hosts write and read an image file directly, by layouts of a server
 * that is killed with SIGKILL and started again meanwhile; then hosts misbehave and are fenced.  Each time all is
 * read back, and at the end the volume is checked.
 */

#include "tools/demo_layouts.h"

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
#include "tools/spawn.h"
#include "tools/torture_tcp.h"

#define HOSTS	     8
#define FIBERS	     2
#define UP_TRIES_MAX 1000
#define UP_TRY_NS    (10 * 1000000ull)

struct run {
	const struct demo_nfs_options *opt;
	uint64_t seed;
	char file[PATH_MAX], conf[PATH_MAX], log[PATH_MAX];
	struct sock_addr addr;
	struct torture_tcp tcp;
	struct reactor *reactor;
	struct torture_report report;
	pid_t server;
	struct why why;
};

static int lamina(struct run *run, const char *const argv[])
{
	pid_t pid = 0;
	int err = spawn_lamina(argv, run->log, &pid);

	return err ? err : spawn_wait(pid);
}

static int volume_make(struct run *run)
{
	const char *argv[] = { "lamina", "format", "-q", run->file, NULL };

	return lamina(run, argv);
}

static int volume_check(struct run *run)
{
	const char *argv[] = { "lamina", "check", run->file, NULL };

	return lamina(run, argv);
}

static int config_make(struct run *run)
{
	char listen[SOCK_ADDR_TEXT_MAX];
	struct listener *l;
	FILE *out;
	int err = sock_addr_parse("127.0.0.1:0", &run->addr);

	/* A port that is free, or was a moment ago. */
	if (!err)
		err = net_listen(run->tcp.net, &run->addr, &l);
	if (err)
		return err;
	run->addr = l->addr;
	listener_close(l);
	sock_addr_print(&run->addr, listen);
	out = fopen(run->conf, "w");
	if (!out)
		return -errno;
	/* The shortest lease, so that nobody waits long for who misbehaves. */
	fprintf(out,
		"listen = [ \"%s\" ];\n"
		"control = \"%s.control\";\n"
		"lease_seconds = 10;\n"
		"grace_seconds = 10;\n"
		"file_reservations = \"on\";\n"
		"exports = ( { path = \"/\"; clients = ( { hosts = [ \"127.0.0.0/8\" ]; squash = \"none\"; } ); } "
		");\n",
		listen, run->file);
	return fclose(out) == 0 ? 0 : -errno;
}

static int server_start(struct run *run)
{
	const char *argv[] = { "lamina", "serve", "-c", run->conf, run->file, NULL };

	return spawn_lamina(argv, run->log, &run->server);
}

static FIBER_FN int server_await(const struct run *run)
{
	struct sock *sock;
	int err = -ETIMEDOUT;

	for (unsigned int i = 0; i < UP_TRIES_MAX; i++) {
		err = net_connect(run->tcp.net, &run->addr, &sock);
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

static FIBER_FN int server_kill(void *owner)
{
	struct run *run = owner;

	if (waitpid(run->server, NULL, WNOHANG) != 0)
		return -ECHILD;
	kill(run->server, SIGKILL);
	waitpid(run->server, NULL, 0);
	return server_start(run);
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

	torture_tcp_world(&run->tcp, &run->addr, &world);
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
	int err = server_await(run);

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

static void server_stop(struct run *run)
{
	if (run->server <= 0)
		return;
	kill(run->server, SIGTERM);
	waitpid(run->server, NULL, 0);
	run->server = 0;
}

static int run_with_net(struct run *run)
{
	int err = config_make(run);

	if (!err)
		err = volume_make(run);
	if (!err)
		err = server_start(run);
	if (!err)
		err = reactor_run(run->reactor, demo_main, run);
	server_stop(run);
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
	FILE *image = fopen(run->file, "wx");
	int err = 0;

	if (!image || ftruncate(fileno(image), (off_t)run->opt->size) < 0)
		err = why_set(&run->why, -errno, "%s: %s", run->file, strerror(errno));
	if (image)
		fclose(image);
	return err;
}

static int run_with_reactor(struct run *run)
{
	const char *paths[] = { run->file };
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

static void names_make(struct run *run, const char *file)
{
	/* The server's control socket wants an absolute path. */
	if (file[0] == '/')
		snprintf(run->file, sizeof(run->file), "%s", file);
	else if (getcwd(run->file, sizeof(run->file)))
		snprintf(run->file + strlen(run->file), sizeof(run->file) - strlen(run->file), "/%s", file);
	snprintf(run->conf, sizeof(run->conf), "%.4000s.conf", run->file);
	snprintf(run->log, sizeof(run->log), "%.4000s.log", run->file);
}

int demo_layouts_run(const struct demo_nfs_options *opt, uint64_t seed)
{
	static struct run run;
	char reservations[PATH_MAX];
	int err;

	if (access(opt->file, F_OK) == 0) {
		fprintf(stderr, "lamina demo: %s is there already; remove it, or name another with --file\n",
			opt->file);
		return -EEXIST;
	}
	run = (struct run){ .opt = opt, .seed = seed };
	names_make(&run, opt->file);
	err = run_with_reactor(&run);
	if (err) {
		fprintf(stderr, "lamina demo: %s\nwhat the server said:\n",
			run.why.text[0] ? run.why.text : strerror(-err));
		spawn_show_log(run.log);
	} else {
		printf("lamina check: no error\n0 lost, 0 stale, 0 misplaced\n");
	}
	unlink(run.conf);
	unlink(run.log);
	snprintf(reservations, sizeof(reservations), "%.4000s.reservations", run.file);
	if (!opt->keep) {
		unlink(run.file);
		unlink(reservations);
	}
	return err;
}
