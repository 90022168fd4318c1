/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own program as a child.  Promises: it does not outlive us, and what it says is not lost.
 */

#include "tools/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dev/fiber.h"

#define UP_TRIES_MAX 3000
#define UP_TRY_NS    (NSEC_PER_SEC / 100)

int spawn_lamina(const char *const argv[], const char *log, pid_t *ret_pid)
{
	pid_t pid = fork();
	int fd;

	if (pid < 0)
		return -errno;
	if (pid > 0) {
		*ret_pid = pid;
		return 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(127);
}

int spawn_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

bool spawn_is_alive(pid_t pid)
{
	siginfo_t ended = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
}

int spawn_run(const char *const argv[], const char *log)
{
	pid_t pid = 0;
	int err = spawn_lamina(argv, log, &pid);

	return err ? err : spawn_wait(pid);
}

int spawn_find_port(struct net *net, struct sock_addr *ret_addr)
{
	struct listener *l;
	struct sock_addr any;
	int err = sock_addr_parse("127.0.0.1:0", &any);

	if (!err)
		err = net_listen(net, &any, &l);
	if (err)
		return err;
	*ret_addr = l->addr;
	listener_close(l);
	return 0;
}

FIBER_FN int spawn_await(pid_t pid, struct net *net, const struct sock_addr *addr)
{
	int err = -ETIMEDOUT;

	for (unsigned int i = 0; i < UP_TRIES_MAX; i++) {
		struct sock *sock;

		err = net_connect(net, addr, &sock);
		if (!err) {
			sock_close(sock);
			return 0;
		}
		if (!spawn_is_alive(pid))
			return -ECHILD;
		fiber_sleep_ns(UP_TRY_NS);
	}
	return err;
}

void spawn_show_log(const char *log)
{
	FILE *in = fopen(log, "r");
	char line[1024];

	if (!in)
		return;
	while (fgets(line, sizeof(line), in))
		fprintf(stderr, "  %s", line);
	fclose(in);
}
