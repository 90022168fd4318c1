/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a seed that fails, dies or hangs takes nobody else with it. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/torture_sim.h"

#define WORKERS	    2
#define SECONDS_MAX 120

struct worker {
	pid_t pid;
	uint64_t seed;
	FILE *words, *report;
};

static void worker_start(struct worker *w, uint64_t seed, void (*before)(void))
{
	struct torture_sim_report report;

	fflush(NULL);
	w->seed = seed;
	w->words = tmpfile();
	w->report = tmpfile();
	if (!w->words || !w->report)
		abort();
	w->pid = fork();
	if (w->pid < 0)
		abort();
	if (w->pid > 0)
		return;
	dup2(fileno(w->words), STDERR_FILENO);
	alarm(SECONDS_MAX);
	if (before)
		before();
	torture_sim_run(seed, &report);
	_exit(write(fileno(w->report), &report, sizeof(report)) == sizeof(report) ? 0 : 1);
}

static bool worker_end(struct worker *w, struct torture_sim_report *ret_report, char *ret_text)
{
	int status = 0;
	size_t len;
	bool ok;

	if (waitpid(w->pid, &status, 0) != w->pid)
		abort();
	w->pid = 0;
	rewind(w->words);
	rewind(w->report);
	len = fread(ret_text, 1, TORTURE_SIM_TEXT - 1, w->words);
	ret_text[len] = '\0';
	if (WIFSIGNALED(status))
		snprintf(ret_text + min_u64(len, TORTURE_SIM_TEXT - 64), 64, "[died] seed %llu: %s",
			 (unsigned long long)w->seed, strsignal(WTERMSIG(status)));
	ok = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	     fread(ret_report, sizeof(*ret_report), 1, w->report) == 1;
	fclose(w->words);
	fclose(w->report);
	return ok;
}

bool torture_sim_fork(uint64_t seed, void (*before)(void), struct torture_sim_report *ret_report, char *ret_text)
{
	struct torture_sim_report report;
	struct worker w;
	bool ok;

	worker_start(&w, seed, before);
	ok = worker_end(&w, &report, ret_text);
	if (ok && ret_report)
		*ret_report = report;
	return ok;
}

struct sum {
	const char *what;
	size_t offset;
	uint64_t nr;
};

#define SUM(text, field)                                                                                             \
	{                                                                                                            \
		text, offsetof(struct torture_sim_report, field), 0                                                  \
	}

static void sum_add(struct sum *sums, size_t nr, const struct torture_sim_report *report)
{
	uint64_t value;

	for (size_t i = 0; i < nr; i++) {
		memcpy(&value, (const char *)report + sums[i].offset, sizeof(value));
		sums[i].nr += value;
	}
}

uint64_t torture_sim_many(uint64_t first, uint64_t nr)
{
	struct sum sums[] = {
		SUM("ns of their time", torture.virtual_ns),
		SUM("steps", torture.steps),
		SUM("writes", torture.writes),
		SUM("reads", torture.reads),
		SUM("blocks read back", torture.blocks),
		SUM("LAYOUTGETs", torture.pnfs.gets),
		SUM("LAYOUTCOMMITs", torture.pnfs.commits),
		SUM("LAYOUTRETURNs", torture.pnfs.returns),
		SUM("recalls", torture.pnfs.recalls),
		SUM("direct reads", torture.pnfs.direct_reads),
		SUM("direct writes", torture.pnfs.direct_writes),
		SUM("reads by the server", torture.pnfs.server_reads),
		SUM("writes by the server", torture.pnfs.server_writes),
		SUM("requests refused by disks", conflicts),
		SUM("late writes refused", torture.late_refused),
		SUM("times that a host misbehaved", torture.misbehaved),
		SUM("times that a host began anew", torture.losses),
		SUM("layouts revoked", revoked),
		SUM("fences", fences),
		SUM("kills", kills),
		SUM("power outages", outages),
		SUM("restarts", restarts),
		SUM("host crashes", crashes),
		SUM("cuts", cuts),
		SUM("resets", resets),
		SUM("slow disks", holds),
		SUM("times that nobody could be fenced", unfenced),
		SUM("disks added", grown),
	};
	struct worker workers[WORKERS] = { { 0 } };
	struct torture_sim_report report;
	char text[TORTURE_SIM_TEXT];
	uint64_t failed = 0;

	for (uint64_t i = 0; i < nr + WORKERS; i++) {
		struct worker *w = &workers[i % WORKERS];

		if (w->pid && worker_end(w, &report, text)) {
			sum_add(sums, ARRAY_SIZE(sums), &report);
		} else if (i >= WORKERS) {
			printf("%s\nLAMINA_SEED=%llu\n", text, (unsigned long long)w->seed);
			failed++;
		}
		if (i < nr)
			worker_start(w, first + i, NULL);
	}
	printf("%llu seeds", (unsigned long long)nr);
	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		printf(", %llu %s", (unsigned long long)sums[i].nr, sums[i].what);
	printf("\n");
	return failed;
}
