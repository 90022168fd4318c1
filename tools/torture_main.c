/* SPDX-License-Identifier: Apache-2.0 */

/* lamina-torture: the torture tester against any server, over TCP and with the devices that this machine has. */

#include <getopt.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/log.h"
#include "dev/reactor.h"
#include "tools/cmd.h"
#include "tools/spawn.h"
#include "tools/torture_tcp.h"

static const char usage_text[] =
	"usage: lamina-torture --server ADDRESS[:PORT] --path DIRECTORY [OPTION...]\n"
	"\n"
	"Many pNFS clients in one process write, read, cut, clone and punch files of a server, and know what must "
	"be\n"
	"there.\n"
	"\n"
	"  --server ADDRESS[:PORT]  the server (port 2049)\n"
	"  --path DIRECTORY         a directory of the server, from its root\n"
	"  --device PATH            a device of its volume, or image file with emulated reservations; may be "
	"repeated\n"
	"  --hosts N                so many clients (default 8)\n"
	"  --fibers N               each does so much at a time (default 4)\n"
	"  --time SECONDS           work so long, then read all back (default 30)\n"
	"  --seed N                 of what they do (default: chosen)\n"
	"  --work NAME,...          do only this: private, disjoint, overlap, append, truncate, clone, punch, "
	"rename,\n"
	"                           unlink, readers, storm, misbehave\n"
	"  --file-size BYTES        largest size of a file (default 4194304)\n"
	"  --ranges                 half of the hosts honour recalls of ranges; else all behave as Linux\n"
	"  --type scsi|block        of layouts (default scsi)\n"
	"  --kill-server COMMAND    a shell command that kills the server and starts it again\n"
	"  --every SECONDS          run it so often (default 5)\n"
	"  --json                   the report as JSON, and nothing else\n"
	"  --help\n";

struct run {
	struct torture_options opt;
	struct torture_world world;
	struct torture_tcp tcp;
	struct torture_report report;
	struct sock_addr addr;
	const char *server, *path, *kill_command;
	const char *devices[VOLUME_DEVICES_MAX];
	unsigned int nr_devices;
	double seconds, every;
	bool json;
	struct why why;
};

/* By the shell, as its user wrote it. */
static int command_run(void *arg)
{
	const char *const argv[] = { "sh", "-c", arg, NULL };
	pid_t pid = 0;
	int err = -posix_spawn(&pid, "/bin/sh", NULL, NULL, (char *const *)(uintptr_t)argv, environ);

	return err ? err : spawn_wait(pid);
}

static FIBER_FN int kill_by_command(void *owner)
{
	struct run *run = owner;

	return reactor_call(run->tcp.reactor, command_run, (void *)(uintptr_t)run->kill_command);
}

static void say(void *owner, const char *line)
{
	printf("%s\n", line);
	fflush(stdout);
}

/* So that a wrong address is told at once. */
static FIBER_FN int server_is_there(struct run *run)
{
	struct sock *sock;
	int err = net_connect(run->tcp.net, &run->addr, &sock);

	if (err)
		return why_set(&run->why, err, "%s: %s", run->server, strerror(-err));
	sock_close(sock);
	return 0;
}

static FIBER_FN int run_main(void *arg)
{
	struct run *run = arg;
	int err = server_is_there(run);

	if (err)
		return err;
	torture_tcp_world(&run->tcp, &run->addr, &run->world);
	snprintf(run->world.path, sizeof(run->world.path), "%s", run->path);
	if (!run->json)
		run->world.progress = say;
	if (run->kill_command) {
		run->tcp.kill = kill_by_command;
		run->tcp.owner = run;
		run->tcp.every_ns = (uint64_t)(run->every * (double)NSEC_PER_SEC);
	}
	if (!run->opt.seed)
		run->opt.seed = reactor_random(run->tcp.reactor) | 1;
	run->opt.end_ns = reactor_now_ns(run->tcp.reactor) + (uint64_t)(run->seconds * (double)NSEC_PER_SEC);
	run->tcp.until_ns = run->opt.end_ns;
	if (!run->json)
		printf("%u hosts, seed %" PRIu64 "\n", run->opt.hosts, run->opt.seed);
	err = torture_run(&run->opt, &run->world, &run->report, &run->why);
	if (!err && run->tcp.why.text[0])
		err = why_set(&run->why, -EIO, "%s", run->tcp.why.text);
	return err;
}

/* Real devices know this machine as one initiator, which has one key. */
static int check_devices(struct run *run)
{
	for (unsigned int i = 0; i < run->tcp.nr_devices; i++)
		if (!run->tcp.devices[i].is_file && run->opt.type == LAYOUT4_SCSI && run->opt.hosts > 1)
			return why_set(
				&run->why, -EINVAL,
				"%s takes all hosts for one: use --hosts 1 with layouts of the scsi type on it",
				run->tcp.devices[i].path);
	return 0;
}

static int run_all(struct run *run)
{
	struct reactor *r = NULL;
	int err = reactor_open(NULL, &r);

	if (err)
		return why_set(&run->why, err, "no reactor: %s", strerror(-err));
	err = torture_tcp_open(&run->tcp, r, run->devices, run->nr_devices, &run->why);
	if (!err) {
		err = check_devices(run);
		if (!err)
			err = reactor_run(r, run_main, run);
		torture_tcp_close(&run->tcp);
	}
	reactor_close(r);
	return err;
}

static int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < min || value > max)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int parse_seconds(const char *text, double *ret_seconds)
{
	char *end;
	double value = strtod(text, &end);

	if (end != text && strcmp(end, "s") == 0)
		end++;
	if (end == text || *end || !(value > 0) || value > 1e7)
		return -EINVAL;
	*ret_seconds = value;
	return 0;
}

static int parse_type(const char *text, layouttype4 *ret_type)
{
	if (strcmp(text, "scsi") != 0 && strcmp(text, "block") != 0)
		return -EINVAL;
	*ret_type = strcmp(text, "scsi") == 0 ? LAYOUT4_SCSI : LAYOUT4_BLOCK_VOLUME;
	return 0;
}

/* "10.0.0.1", "10.0.0.1:2049", "[::1]:2049" */
static int parse_server(struct run *run, const char *text)
{
	char with_port[SOCK_ADDR_TEXT_MAX + 8];
	bool is_v6 = strchr(text, ':') != strrchr(text, ':');
	bool has_port = is_v6 ? strstr(text, "]:") != NULL : strchr(text, ':') != NULL;

	run->server = text;
	if (strlen(text) >= SOCK_ADDR_TEXT_MAX)
		return -EINVAL;
	snprintf(with_port, sizeof(with_port), is_v6 && text[0] != '[' ? "[%s]%s" : "%s%s", text,
		 has_port ? "" : ":2049");
	return sock_addr_parse(with_port, &run->addr);
}

static int apply_number(struct run *run, int c, const char *arg)
{
	uint64_t value = 0;
	int err;

	switch (c) {
	case 'H':
		err = parse_u64(arg, 1, TORTURE_HOSTS_MAX, &value);
		run->opt.hosts = (unsigned int)value;
		return err;
	case 'f':
		err = parse_u64(arg, 1, 32, &value);
		run->opt.fibers = (unsigned int)value;
		return err;
	case 'r':
		return parse_u64(arg, 1, UINT64_MAX, &run->opt.seed);
	case 'b':
		return parse_u64(arg, 256 << 10, 1 << 30, &run->opt.file_bytes);
	case 't':
		return parse_seconds(arg, &run->seconds);
	default:
		return parse_seconds(arg, &run->every);
	}
}

static int apply_option(struct run *run, int c, char *arg)
{
	switch (c) {
	case 's':
		return parse_server(run, arg);
	case 'p':
		run->path = arg;
		return strlen(arg) < sizeof(run->world.path) ? 0 : -EINVAL;
	case 'd':
		if (run->nr_devices >= VOLUME_DEVICES_MAX)
			return -EINVAL;
		run->devices[run->nr_devices++] = arg;
		return 0;
	case 'w':
		return torture_works_parse(arg, &run->opt.works);
	case 'T':
		return parse_type(arg, &run->opt.type);
	case 'k':
		run->kill_command = arg;
		return 0;
	case 'R':
		run->opt.ranges = true;
		return 0;
	case 'j':
		run->json = true;
		return 0;
	default:
		return apply_number(run, c, arg);
	}
}

/* An exit code, or -1: go on. */
static int parse_options(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "server", required_argument, NULL, 's' }, { "path", required_argument, NULL, 'p' },
		{ "device", required_argument, NULL, 'd' }, { "hosts", required_argument, NULL, 'H' },
		{ "fibers", required_argument, NULL, 'f' }, { "time", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 'r' },   { "work", required_argument, NULL, 'w' },
		{ "ranges", no_argument, NULL, 'R' },	    { "type", required_argument, NULL, 'T' },
		{ "every", required_argument, NULL, 'e' },  { "kill-server", required_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },	    { "file-size", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 },
	};
	int c, which;

	while ((c = getopt_long(argc, argv, "", options, &which)) != -1) {
		if (c == 'h') {
			fputs(usage_text, stdout);
			return CMD_OK;
		}
		if (c == '?')
			return CMD_USAGE;
		if (apply_option(run, c, optarg) < 0) {
			fprintf(stderr, "lamina-torture: --%s does not take '%s'\n", options[which].name, optarg);
			return CMD_USAGE;
		}
	}
	if (optind == argc && run->server && run->path)
		return -1;
	fputs("lamina-torture: --server and --path are needed, and nothing but options; see --help\n", stderr);
	return CMD_USAGE;
}

int main(int argc, char **argv)
{
	static struct run run = { .seconds = 30, .every = 5 };
	int code, err;

	run.opt = (struct torture_options){ .hosts = 8,
					    .fibers = 4,
					    .file_bytes = 4 << 20,
					    .type = LAYOUT4_SCSI,
					    .minorversion = 2,
					    .removes = true };
	code = parse_options(&run, argc, argv);
	if (code >= 0)
		return code;
	log_set_level(LOG_LEVEL_WARN);
	err = run_all(&run);
	if (err) {
		fprintf(stderr, "lamina-torture: %s\n", run.why.text[0] ? run.why.text : strerror(-err));
		return CMD_USAGE;
	}
	if (run.json)
		torture_report_json(&run.report);
	else
		torture_report_print(&run.report);
	return torture_is_clean(&run.report) ? CMD_OK : CMD_FAILED;
}
