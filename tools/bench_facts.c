/* SPDX-License-Identifier: Apache-2.0 */
/* What is measured once and not in rounds, and the targets that all numbers are held against. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench.h"

void bench_fact_add(struct bench_env *env, const char *what, const char *unit, double at, double value)
{
	unsigned int pos = env->nr_facts;

	assert(env->nr_facts < BENCH_FACTS_MAX);
	for (unsigned int i = 0; i < env->nr_facts; i++) {
		if (strcmp(env->facts[i].what, what) == 0)
			pos = i + 1;
	}
	memmove(&env->facts[pos + 1], &env->facts[pos], (env->nr_facts - pos) * sizeof(env->facts[0]));
	env->facts[pos] = (struct bench_fact){ .what = what, .unit = unit, .at = at, .value = value };
	env->nr_facts++;
}

void bench_facts_text(const struct bench_env *env, FILE *out)
{
	const char *before = "";

	for (unsigned int i = 0; i < env->nr_facts; i++) {
		const struct bench_fact *f = &env->facts[i];

		if (strcmp(before, f->what) != 0)
			fprintf(out, "\n%-40s %-10s", f->what, f->unit);
		before = f->what;
		if (f->at > 0)
			fprintf(out, "  %.0e: %.4g", f->at, f->value);
		else
			fprintf(out, "  %.4g", f->value);
	}
	if (env->nr_facts)
		fputc('\n', out);
}

void bench_facts_json(const struct bench_env *env, struct json_object *top)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < env->nr_facts; i++) {
		const struct bench_fact *f = &env->facts[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "what", json_object_new_string(f->what));
		json_object_object_add(o, "unit", json_object_new_string(f->unit));
		if (f->at > 0)
			json_object_object_add(o, "at", json_object_new_double(f->at));
		json_object_object_add(o, "value", json_object_new_double(f->value));
		json_object_array_add(array, o);
	}
	json_object_object_add(top, "facts", array);
}

/* The rate of one load over that of another, 0 if one was not measured. */
static double ratio(const struct bench_env *env, const char *name, unsigned int outstanding, bool busy,
		    const char *to, unsigned int to_outstanding)
{
	const struct bench_load *a = bench_find(env, name, outstanding, busy);
	const struct bench_load *b = bench_find(env, to, to_outstanding, false);

	if (!a || !b)
		return 0;
	return bench_load_median(a).rate / bench_load_median(b).rate;
}

static void add(struct bench_target *targets, unsigned int *nr, const char *what, bool at_most, double want,
		double got)
{
	assert(*nr < BENCH_TARGETS_MAX);
	if (got > 0)
		targets[(*nr)++] =
			(struct bench_target){ .what = what, .at_most = at_most, .want = want, .got = got };
}

static double fact_value(const struct bench_env *env, const char *what, bool last)
{
	double value = 0;

	for (unsigned int i = 0; i < env->nr_facts; i++) {
		if (strcmp(env->facts[i].what, what) == 0 && (last || value == 0))
			value = env->facts[i].value;
	}
	return value;
}

static double growth(const struct bench_env *env, const char *what)
{
	double first = fact_value(env, what, false);

	return first > 0 ? fact_value(env, what, true) / first : 0;
}

static double tail(const struct bench_env *env)
{
	const struct bench_load *load = bench_find(env, BENCH_STORE_CHECKPOINTING, 64, false);
	struct bench_median m;

	if (!load)
		return 0;
	m = bench_load_median(load);
	return m.p50_us > 0 ? m.p99_us / m.p50_us : 0;
}

unsigned int bench_targets(const struct bench_env *env, struct bench_target targets[BENCH_TARGETS_MAX])
{
	unsigned int nr = 0;

	add(targets, &nr, "store, 1 outstanding, x raw", false, 0.75, ratio(env, "store", 1, false, "raw", 1));
	add(targets, &nr, "store, 64 outstanding, x raw", false, 12, ratio(env, "store", 64, false, "raw", 1));
	add(targets, &nr, "store, 64 outstanding, x LMDB", false, 4, ratio(env, "store", 64, false, "lmdb", 64));
	add(targets, &nr, "store, 64 outstanding, x RocksDB", false, 2,
	    ratio(env, "store", 64, false, "rocksdb", 64));
	add(targets, &nr, "processors busy, 1 outstanding, x calm", false, 0.3,
	    ratio(env, "store", 1, true, "store", 1));
	add(targets, &nr, "processors busy, 64 outstanding, x calm", false, 0.3,
	    ratio(env, "store", 64, true, "store", 64));
	add(targets, &nr, "p99 over p50 while checkpointing", true, 10, tail(env));
	add(targets, &nr, "mount after a kill, s", true, 1, fact_value(env, BENCH_MOUNT_KILLED, true));
	add(targets, &nr, "growth of allocating in a file", true, 2, growth(env, BENCH_GROWTH_ALLOC));
	add(targets, &nr, "growth of converting in a file", true, 2, growth(env, BENCH_GROWTH_CONVERT));
	add(targets, &nr, "growth of looking up in a file", true, 2, growth(env, BENCH_GROWTH_LOOKUP));
	add(targets, &nr, "growth of allocating in a volume", true, 2, growth(env, BENCH_VOLUME_ALLOC));
	add(targets, &nr, "growth of converting in a volume", true, 2, growth(env, BENCH_VOLUME_CONVERT));
	add(targets, &nr, "growth of looking up in a volume", true, 2, growth(env, BENCH_VOLUME_LOOKUP));
	return nr;
}

bool bench_target_met(const struct bench_target *t)
{
	return t->at_most ? t->got <= t->want : t->got >= t->want;
}
