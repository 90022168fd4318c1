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
