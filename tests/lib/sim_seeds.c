/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: a seed that fails, dies or hangs takes nobody else with it. */

#include "tests/lib/sim_seeds.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/base.h"

#define WORKERS 2

struct worker {
	pid_t pid;
	uint64_t seed;
	FILE *words, *report;
};

static void *report_new(const struct sim_kind *kind)
{
	void *report = calloc(1, kind->report_size);

	if (!report)
		abort();
	return report;
}

static void worker_start(struct worker *w, const struct sim_kind *kind, uint64_t seed, void (*before)(void))
{
	void *report;

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
	if (!getenv("LAMINA_SIM_LOG")) /* whoever wants the log wants all of it */
		dup2(fileno(w->words), STDERR_FILENO);
	alarm(kind->seconds_max);
	if (before)
		before();
	report = report_new(kind);
	kind->run(seed, report);
	_exit(write(fileno(w->report), report, kind->report_size) == (ssize_t)kind->report_size ? 0 : 1);
}

/* The end of what it said. */
static void worker_words(const struct worker *w, char *ret_text)
{
	size_t len;

	if (fseek(w->words, -(SIM_SEEDS_TEXT - 1), SEEK_END)) /* it said less */
		rewind(w->words);
	len = fread(ret_text, 1, SIM_SEEDS_TEXT - 1, w->words);
	while (len > 0 && ret_text[len - 1] == '\n')
		len--;
	ret_text[len] = '\0';
}

static bool worker_end(struct worker *w, const struct sim_kind *kind, void *ret_report, char *ret_text)
{
	int status = 0;
	bool ok;

	if (waitpid(w->pid, &status, 0) != w->pid)
		abort();
	w->pid = 0;
	worker_words(w, ret_text);
	if (WIFSIGNALED(status))
		snprintf(ret_text + min_u64(strlen(ret_text), SIM_SEEDS_TEXT - 64), 64, "\n[died] seed %llu: %s",
			 (unsigned long long)w->seed, strsignal(WTERMSIG(status)));
	rewind(w->report);
	ok = WIFEXITED(status) && WEXITSTATUS(status) == 0 && fread(ret_report, kind->report_size, 1, w->report) == 1;
	fclose(w->words);
	fclose(w->report);
	return ok;
}

bool sim_seeds_fork(const struct sim_kind *kind, uint64_t seed, void (*before)(void), void *ret_report,
		    char *ret_text)
{
	void *report = report_new(kind);
	struct worker w;
	bool ok;

	worker_start(&w, kind, seed, before);
	ok = worker_end(&w, kind, report, ret_text);
	if (ok && ret_report)
		memcpy(ret_report, report, kind->report_size);
	free(report);
	return ok;
}

static uint64_t count_get(const struct sim_count *count, const void *report)
{
	uint64_t value;

	memcpy(&value, (const char *)report + count->offset, sizeof(value));
	return value;
}

static void sums_say(const struct sim_kind *kind, uint64_t nr, const uint64_t *sums)
{
	printf("%llu seeds", (unsigned long long)nr);
	for (size_t i = 0; i < kind->nr_counts; i++)
		printf(", %llu %s", (unsigned long long)(sums[i] / kind->counts[i].unit), kind->counts[i].what);
	printf("\n");
}

uint64_t sim_seeds_many(const struct sim_kind *kind, uint64_t first, uint64_t nr)
{
	struct worker workers[WORKERS] = { { 0 } };
	uint64_t *sums = calloc(kind->nr_counts, sizeof(*sums)), failed = 0;
	void *report = report_new(kind);
	char text[SIM_SEEDS_TEXT];

	if (!sums)
		abort();
	for (uint64_t i = 0; i < nr + WORKERS; i++) {
		struct worker *w = &workers[i % WORKERS];

		if (w->pid && worker_end(w, kind, report, text)) {
			for (size_t k = 0; k < kind->nr_counts; k++)
				sums[k] += count_get(&kind->counts[k], report);
		} else if (i >= WORKERS) {
			printf("%s\nLAMINA_SEED=%llu\n", text, (unsigned long long)w->seed);
			failed++;
		}
		if (i < nr)
			worker_start(w, kind, first + i, NULL);
	}
	sums_say(kind, nr, sums);
	free(sums);
	free(report);
	return failed;
}

static uint64_t env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

void sim_seeds_test(const struct sim_kind *kind, uint64_t first, uint64_t nr)
{
	bool is_one = getenv("LAMINA_SEED") != NULL;

	assert_int_equal(sim_seeds_many(kind, env("LAMINA_SEED", first), env("LAMINA_SEEDS", is_one ? 1 : nr)), 0);
}

/* Other addresses: nothing may depend on them. */
static void shift_memory(void)
{
	for (unsigned int i = 1; i < 500; i++) {
		void *volatile unused = malloc(i * 24);

		(void)unused;
	}
}

static uint64_t report_hash(const void *report)
{
	uint64_t hash;

	memcpy(&hash, report, sizeof(hash));
	return hash;
}

void sim_seeds_test_repeats(const struct sim_kind *kind)
{
	void *a = report_new(kind), *b = report_new(kind), *other = report_new(kind);
	uint64_t seed = env("LAMINA_SEED", 7);
	char text[SIM_SEEDS_TEXT];

	if (!sim_seeds_fork(kind, seed, NULL, a, text) || !sim_seeds_fork(kind, seed, shift_memory, b, text) ||
	    !sim_seeds_fork(kind, seed + 1, NULL, other, text))
		fail_msg("%s", text);
	print_message("seed %llu: trace %016llx\n", (unsigned long long)seed, (unsigned long long)report_hash(a));
	assert_int_equal(report_hash(a), report_hash(b));
	for (size_t i = 0; i < kind->nr_counts; i++)
		assert_int_equal(count_get(&kind->counts[i], a), count_get(&kind->counts[i], b));
	assert_int_not_equal(report_hash(a), report_hash(other));
	free(a);
	free(b);
	free(other);
}

void sim_seeds_test_caught(const struct sim_kind *kind, void (*plant)(void), uint64_t nr, const char *checks)
{
	char text[SIM_SEEDS_TEXT], check[32];
	unsigned int others = 0;

	for (uint64_t seed = 1; seed <= nr; seed++) {
		const char *at;

		if (sim_seeds_fork(kind, seed, plant, NULL, text))
			continue;
		at = strchr(text, '[');
		text[strcspn(text, "\n")] = '\0';
		if (at && sscanf(at, "%30[^]]", check) == 1 && strstr(checks, check)) {
			print_message("%s\n", text);
			return;
		}
		others++;
		print_message("otherwise: %s\n", text);
	}
	fail_msg("not caught by %s in %u seeds, but %u times otherwise", checks, (unsigned int)nr, others);
}

void sim_seeds_test_harmless(const struct sim_kind *kind, void (*plant)(void), uint64_t nr)
{
	char text[SIM_SEEDS_TEXT];

	for (uint64_t seed = 1; seed <= nr; seed++)
		if (!sim_seeds_fork(kind, seed, plant, NULL, text))
			fail_msg("the wrappers alone are no bug: %s", text);
}
