/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: of the server nothing is left but the file with the volume. */

#include "tools/demo_server.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/spawn.h"

int demo_server_init(struct demo_server *s, const char *file)
{
	if (access(file, F_OK) == 0) {
		fprintf(stderr, "lamina demo: %s is there already; remove it, or name another with --file\n", file);
		return -EEXIST;
	}
	*s = (struct demo_server){ .pid = 0 };
	/* The server's control socket wants an absolute path. */
	if (file[0] == '/')
		snprintf(s->file, sizeof(s->file), "%s", file);
	else if (getcwd(s->file, sizeof(s->file)))
		snprintf(s->file + strlen(s->file), sizeof(s->file) - strlen(s->file), "/%s", file);
	snprintf(s->conf, sizeof(s->conf), "%.4000s.conf", s->file);
	snprintf(s->log, sizeof(s->log), "%.4000s.log", s->file);
	return 0;
}

int demo_server_configure(struct demo_server *s, struct net *net, const char *settings)
{
	char listen[SOCK_ADDR_TEXT_MAX];
	FILE *out;
	int err = spawn_find_port(net, &s->addr);

	if (err)
		return err;
	sock_addr_print(&s->addr, listen);
	out = fopen(s->conf, "w");
	if (!out)
		return -errno;
	fprintf(out,
		"listen = [ \"%s\" ];\n"
		"control = \"%s.control\";\n"
		"%s"
		"exports = ( { path = \"/\"; clients = ( { hosts = [ \"127.0.0.0/8\" ]; squash = \"none\"; } ); } "
		");\n",
		listen, s->file, settings);
	return fclose(out) == 0 ? 0 : -errno;
}

int demo_server_start(struct demo_server *s)
{
	const char *argv[] = { "lamina", "serve", "-c", s->conf, s->file, NULL };

	return spawn_lamina(argv, s->log, &s->pid);
}

int demo_server_kill(struct demo_server *s)
{
	if (!spawn_is_alive(s->pid))
		return -ECHILD;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	return 0;
}

void demo_server_stop(struct demo_server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGTERM);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void demo_server_clean(const struct demo_server *s)
{
	unlink(s->conf);
	unlink(s->log);
}
