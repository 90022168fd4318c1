/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LIB_SIM_SEEDS_H
#define LAMINA_TESTS_LIB_SIM_SEEDS_H

/*
 * Simulations that are a function of a seed, and what their tests share: each seed in a process of its own, many
 * seeds and what they did together, that a seed repeats, and that a planted bug is seen.
 *
 * A run that finds something wrong says "seed N, ...: [CHECK] what" on standard error, and ends its process with
 * SIM_SEEDS_FAILED.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_SEEDS_FAILED 3
#define SIM_SEEDS_TEXT	 2048

/* A uint64_t of a report. */
struct sim_count {
	const char *what; /* "kills" */
	size_t offset;
	uint64_t unit; /* it is counted in */
};

#define SIM_COUNT(text, type, field, in)                                                                             \
	{                                                                                                            \
		.what = (text), .offset = offsetof(type, field), .unit = (in)                                        \
	}

struct sim_kind {
	/* Its report begins with a uint64_t, the hash of all that happened. */
	void (*run)(uint64_t seed, void *ret_report);
	size_t report_size;
	unsigned int seconds_max; /* for a run: it hangs */
	const struct sim_count *counts;
	size_t nr_counts;
};

/*
 * Run @seed in a child and wait.  False: it failed or died.  @before, which may be NULL, is called in the child
 * first;
 * @ret_report may be NULL; @ret_text, SIM_SEEDS_TEXT bytes, gets the child's last words (with LAMINA_SIM_LOG they
 * stay on standard error).
 */
bool sim_seeds_fork(const struct sim_kind *kind, uint64_t seed, void (*before)(void), void *ret_report,
		    char *ret_text);
/* The seeds @first .. @first + @nr - 1, two at a time; returns how many failed, having said how. */
uint64_t sim_seeds_many(const struct sim_kind *kind, uint64_t first, uint64_t nr);

/* For a cmocka test, which fails unless... */

/* ...these seeds are well: @nr from @first, or LAMINA_SEEDS of them, or the one of LAMINA_SEED. */
void sim_seeds_test(const struct sim_kind *kind, uint64_t first, uint64_t nr);
/* ...a seed does the same again, wherever its memory lies, and another one does something else. */
void sim_seeds_test_repeats(const struct sim_kind *kind);
/* ...one of the first @nr seeds, with the bug that @plant plants, fails by one of @checks: "[names][result]". */
void sim_seeds_test_caught(const struct sim_kind *kind, void (*plant)(void), uint64_t nr, const char *checks);
/* ...the first @nr seeds are well with what @plant does. */
void sim_seeds_test_harmless(const struct sim_kind *kind, void (*plant)(void), uint64_t nr);

#endif
