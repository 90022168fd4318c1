/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a seed that fails, dies or hangs takes nobody else with it. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dev/base.h"
#include "tests/lib/nfs_sim.h"

#define WORKERS	    2
#define SECONDS_MAX 300

struct worker {
	pid_t pid;
	uint64_t seed;
	int words, report; /* to read from */
};

static void worker_start(struct worker *w, uint64_t seed, void (*before)(void))
{
	struct nfs_sim_report report;
	int words[2], result[2];

	fflush(NULL);
	if (pipe(words) || pipe(result))
		abort();
	w->seed = seed;
	w->pid = fork();
	if (w->pid < 0)
		abort();
	if (w->pid == 0) {
		dup2(words[1], 2);
		alarm(SECONDS_MAX);
		if (before)
			before();
		nfs_sim_run(seed, &report);
		_exit(write(result[1], &report, sizeof(report)) == sizeof(report) ? 0 : 1);
	}
	close(words[1]);
	close(result[1]);
	w->words = words[0];
	w->report = result[0];
}

/* The end of what it said. */
static void worker_words(const struct worker *w, char *ret_text)
{
	char buf[NFS_SIM_TEXT];
	ssize_t got;
	size_t len = 0;

	ret_text[0] = '\0';
	while ((got = read(w->words, buf, sizeof(buf) - 1)) > 0) {
		size_t keep = min_u64(len, NFS_SIM_TEXT - 1 - (size_t)got);

		memmove(ret_text, ret_text + len - keep, keep);
		memcpy(ret_text + keep, buf, (size_t)got);
		len = keep + (size_t)got;
		ret_text[len] = '\0';
	}
	while (len > 0 && ret_text[len - 1] == '\n')
		ret_text[--len] = '\0';
}

static bool worker_end(struct worker *w, struct nfs_sim_report *ret_report, char *ret_text)
{
	char text[NFS_SIM_TEXT];
	struct nfs_sim_report report = { 0 };
	int status;
	bool ok;

	worker_words(w, text);
	ok = read(w->report, &report, sizeof(report)) == sizeof(report);
	close(w->words);
	close(w->report);
	if (waitpid(w->pid, &status, 0) != w->pid)
		abort();
	w->pid = 0;
	if (WIFSIGNALED(status))
		snprintf(text + min_u64(strlen(text), NFS_SIM_TEXT - 64), 64, "\n[died] seed %llu: %s",
			 (unsigned long long)w->seed, strsignal(WTERMSIG(status)));
	ok = ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (ok && ret_report)
		*ret_report = report;
	if (ret_text)
		snprintf(ret_text, NFS_SIM_TEXT, "%s", text);
	return ok;
}

bool nfs_sim_fork(uint64_t seed, void (*before)(void), struct nfs_sim_report *ret_report, char *ret_check)
{
	struct worker w;

	worker_start(&w, seed, before);
	return worker_end(&w, ret_report, ret_check);
}

static void add_report(struct nfs_sim_report *sum, const struct nfs_sim_report *report)
{
	sum->virtual_ns += report->virtual_ns;
	sum->steps += report->steps;
	sum->requests += report->requests;
	sum->kills += report->kills;
	sum->restarts += report->restarts;
	sum->crashes += report->crashes;
	sum->cuts += report->cuts;
	sum->resets += report->resets;
	sum->holds += report->holds;
	sum->duplicates += report->duplicates;
	sum->drops += report->drops;
	sum->replays += report->replays;
	sum->resumed += report->resumed;
	sum->chains += report->chains;
	sum->lost_locks += report->lost_locks;
}

static void say_sum(uint64_t nr, const struct nfs_sim_report *sum)
{
	const struct {
		const char *what;
		uint64_t nr;
	} counts[] = {
		{ "s of their time", sum->virtual_ns / NSEC_PER_SEC },
		{ "steps", sum->steps },
		{ "requests", sum->requests },
		{ "compounds of several changes", sum->chains },
		{ "kills", sum->kills },
		{ "restarts", sum->restarts },
		{ "client crashes", sum->crashes },
		{ "cuts", sum->cuts },
		{ "resets", sum->resets },
		{ "slow disks", sum->holds },
		{ "requests sent twice", sum->duplicates },
		{ "connections dropped behind a request", sum->drops },
		{ "answers from a slot", sum->replays },
		{ "requests resumed after a kill", sum->resumed },
		{ "locks lost", sum->lost_locks },
	};

	printf("%llu seeds", (unsigned long long)nr);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		printf(", %llu %s", (unsigned long long)counts[i].nr, counts[i].what);
	printf("\n");
}

uint64_t nfs_sim_many(uint64_t first, uint64_t nr)
{
	struct worker workers[WORKERS] = { { 0 } };
	struct nfs_sim_report sum = { 0 }, report;
	uint64_t failed = 0;
	char text[NFS_SIM_TEXT];

	for (uint64_t i = 0; i < nr + WORKERS; i++) {
		struct worker *w = &workers[i % WORKERS];

		memset(&report, 0, sizeof(report));
		if (w->pid && !worker_end(w, &report, text)) {
			printf("%s\nLAMINA_SEED=%llu\n", text, (unsigned long long)w->seed);
			failed++;
		}
		add_report(&sum, &report);
		if (i < nr)
			worker_start(w, first + i, NULL);
	}
	say_sum(nr, &sum);
	return failed;
}
