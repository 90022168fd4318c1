/* SPDX-License-Identifier: Apache-2.0 */
/* Busy neighbours: a child on each processor that runs for ever, stopped until it is wanted.  They die with us. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench.h"

#define BUSY_MAX 256

static pid_t children[BUSY_MAX];
static long nr_children;

static void be_busy(void)
{
	volatile uint64_t turns = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	raise(SIGSTOP);
	for (;;)
		turns = turns + 1;
}

int bench_busy_start(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (nr_children = 0; nr_children < cpus && nr_children < BUSY_MAX; nr_children++) {
		pid_t pid = fork();

		if (pid < 0)
			return -errno;
		if (pid == 0)
			be_busy();
		children[nr_children] = pid;
	}
	return 0;
}

void bench_busy_set(bool on)
{
	for (long i = 0; i < nr_children; i++)
		kill(children[i], on ? SIGCONT : SIGSTOP);
}

void bench_busy_stop(void)
{
	for (long i = 0; i < nr_children; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	nr_children = 0;
}
