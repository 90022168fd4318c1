/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Forks for tests.  The child takes back the default action of the signals that the test framework or a sanitizer
 * may have caught, so that its death looks the same in every build.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/child.h"

#define EXIT_NO_STDERR 99

int child_status(void (*body)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		const struct sigaction by_default = { .sa_handler = SIG_DFL };

		sigaction(SIGABRT, &by_default, NULL);
		sigaction(SIGSEGV, &by_default, NULL);
		if (!freopen("/dev/null", "w", stderr))
			_exit(EXIT_NO_STDERR);
		body();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		abort();
	return status;
}

bool child_aborts(void (*body)(void))
{
	int status = child_status(body);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

int child_exit_status(void (*body)(void))
{
	int status = child_status(body);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
