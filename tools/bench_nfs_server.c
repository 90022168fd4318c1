/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers: one of our own on a fresh volume, which is gone with everything it had when we are done; or any other, of
 * which the address is known, and perhaps the process.
 */
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dev/reactor.h"
#include "tools/ask.h"
#include "tools/bench_nfs.h"
#include "tools/spawn.h"

int bench_nfs_server_parse(const char *text, struct bench_nfs_server *server)
{
	const char *slash = strchr(text, '/');
	char addr[SOCK_ADDR_TEXT_MAX];
	size_t len = slash ? (size_t)(slash - text) : strlen(text);

	if (len >= sizeof(addr) || (slash && strlen(slash) >= sizeof(server->path)))
		return -EINVAL;
	memcpy(addr, text, len);
	addr[len] = '\0';
	snprintf(server->path, sizeof(server->path), "%s", slash ? slash : "/");
	server->name = text;
	return len > 0 ? sock_addr_parse(addr, &server->addr) : -EINVAL;
}

/* ---- our own ---- */

static void file_path(const struct bench_nfs_server *s, const char *name, char buf[PATH_MAX])
{
	snprintf(buf, PATH_MAX, "%s/%s", s->dir, name);
}

static int volume_make(const struct bench_nfs *b, const struct bench_nfs_server *s)
{
	char volume[PATH_MAX], log[PATH_MAX], size[32];
	const char *argv[] = { "lamina", "format", "-q", "--size", size, volume, NULL };

	file_path(s, "volume", volume);
	file_path(s, "log", log);
	snprintf(size, sizeof(size), "%" PRIu64, b->opt->size);
	return spawn_run(argv, log);
}

static int config_make(const struct bench_nfs_server *s)
{
	char conf[PATH_MAX], listen[SOCK_ADDR_TEXT_MAX];
	FILE *out;

	file_path(s, "conf", conf);
	sock_addr_print(&s->addr, listen);
	out = fopen(conf, "w");
	if (!out)
		return -errno;
	fprintf(out,
		"devices = [ \"%s/volume\" ];\n"
		"listen = [ \"%s\" ];\n"
		"exports = ( { path = \"/\"; clients = ( { hosts = [ \"*\" ]; squash = \"none\";\n"
		"  layouts = [ \"scsi\", \"block\" ]; } ); } );\n"
		"limits = { slots_per_session = 256; requests_per_connection = 256; connections_per_address = 4096; "
		"};\n"
		"store = { cache_bytes = \"2G\"; };\n",
		s->dir, listen);
	if (s->control[0])
		fprintf(out, "control = \"%s\";\n", s->control);
	return fclose(out) == 0 ? 0 : -errno;
}

struct wait_up {
	const struct bench_nfs *b;
	const struct bench_nfs_server *server;
};

static FIBER_FN int wait_up(void *arg)
{
	const struct wait_up *up = arg;

	return spawn_await((pid_t)up->server->pid, up->b->net, &up->server->addr);
}

static int serve_start(struct bench_nfs *b, struct bench_nfs_server *s)
{
	struct wait_up up = { b, s };
	char conf[PATH_MAX], log[PATH_MAX];
	const char *argv[] = { "lamina", "serve", "-c", conf, NULL };
	pid_t pid = 0;
	int err;

	file_path(s, "conf", conf);
	file_path(s, "log", log);
	err = spawn_lamina(argv, log, &pid);
	if (err)
		return err;
	s->pid = (unsigned long)pid;
	err = reactor_run(b->reactor, wait_up, &up);
	if (err == -ECHILD) {
		waitpid(pid, NULL, 0);
		s->pid = 0;
	}
	return err;
}

int bench_nfs_server_start(struct bench_nfs *b, struct bench_nfs_server *s)
{
	char top[PATH_MAX], log[PATH_MAX];
	int err;

	s->name = "lamina";
	s->is_ours = true;
	snprintf(s->path, sizeof(s->path), "/");
	if (!realpath(b->opt->dir, top) || strlen(top) + 64 > sizeof(s->dir)) {
		fprintf(stderr, "lamina bench: %s: %s\n", b->opt->dir, strerror(errno));
		return -ENOENT;
	}
	snprintf(s->dir, sizeof(s->dir), "%.4000s/bench-nfs.%d", top, (int)getpid());
	if (mkdir(s->dir, 0700) < 0) {
		err = -errno;
		fprintf(stderr, "lamina bench: %s: %s\n", s->dir, strerror(errno));
		s->dir[0] = '\0';
		return err;
	}
	/* Where the path is too long for a socket there is none, and the journal's numbers are unknown. */
	if (strlen(s->dir) + sizeof("/control") <= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		snprintf(s->control, sizeof(s->control), "%.400s/control", s->dir);
	err = spawn_find_port(b->net, &s->addr);
	if (!err)
		err = volume_make(b, s);
	if (!err)
		err = config_make(s);
	if (!err)
		err = serve_start(b, s);
	if (err) {
		file_path(s, "log", log);
		fprintf(stderr, "lamina bench: the server does not start: %s\n", strerror(-err));
		spawn_show_log(log);
	}
	return err;
}

void bench_nfs_server_stop(struct bench_nfs_server *s)
{
	if (!s->is_ours)
		return;
	if (s->pid) {
		kill((pid_t)s->pid, SIGTERM);
		if (spawn_wait((pid_t)s->pid)) {
			char log[PATH_MAX];

			file_path(s, "log", log);
			fprintf(stderr, "lamina bench: the server did not end well:\n");
			spawn_show_log(log);
		}
	}
	if (s->dir[0])
		bench_file_remove(s->dir);
	s->pid = 0;
	s->dir[0] = '\0';
}

/* ---- what they spend ---- */

double bench_nfs_server_cpu(const struct bench_nfs_server *s)
{
	unsigned long long user, system;
	char path[64], line[2048];
	const char *rest;
	FILE *in;
	bool got;

	if (!s->pid)
		return -1;
	snprintf(path, sizeof(path), "/proc/%lu/stat", s->pid);
	in = fopen(path, "r");
	if (!in)
		return -1;
	got = fgets(line, sizeof(line), in);
	fclose(in);
	/* Behind the name, which may have anything in it, come a letter and ten numbers. */
	rest = got ? strrchr(line, ')') : NULL;
	if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
		return -1;
	return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

double bench_nfs_server_journal(const struct bench_nfs_server *s)
{
	const struct ask_options opt = { .socket = s->control };
	struct json_object *status;
	double bytes;

	if (!s->control[0] || ask_server("bench", &opt, "status", &status))
		return -1;
	bytes = ask_double(ask_member(status, "journal"), "written_bytes");
	json_object_put(status);
	return bytes;
}
