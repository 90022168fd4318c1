/* SPDX-License-Identifier: Apache-2.0 */
/* The results: a table for people, JSON for programs, data and a script for gnuplot. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "dev/reactor.h"
#include "tools/bench.h"

/* The bare append of 4 KiB that everything is compared with: the calm one, also for the busy loads. */
static double raw_rate(const struct bench_env *env)
{
	const struct bench_load *raw = bench_find(env, "raw", 1, false);

	return raw ? bench_load_median(raw).rate : 0;
}

static void load_title(const struct bench_load *load, char *buf, size_t len)
{
	char bytes[32] = "";

	if (load->bytes)
		snprintf(bytes, sizeof(bytes), " %zu KiB", load->bytes >> 10);
	snprintf(buf, len, "%s%s%s", load->name, bytes, load->busy ? ", busy" : "");
}

static void print_loads(const struct bench_env *env, FILE *out)
{
	double raw = raw_rate(env);

	if (env->nr_loads == 0)
		return;
	fprintf(out, "%-26s %11s %10s %7s %9s %9s %9s %7s\n", "", "outstanding", "rate/s", "x raw", "p50 us",
		"p99 us", "max us", "CPU us");
	for (unsigned int i = 0; i < env->nr_loads; i++) {
		const struct bench_load *load = &env->loads[i];
		struct bench_median m;
		char title[64];

		if (load->nr_runs == 0)
			continue;
		m = bench_load_median(load);
		load_title(load, title, sizeof(title));
		fprintf(out, "%-26s %11u %10.0f %7.2f %9.0f %9.0f %9.0f %7.1f\n", title, load->outstanding, m.rate,
			raw > 0 ? m.rate / raw : 0, m.p50_us, m.p99_us, m.max_us, m.cpu_us);
	}
}

static void print_targets(const struct bench_env *env, FILE *out)
{
	struct bench_target targets[BENCH_TARGETS_MAX];
	unsigned int nr = bench_targets(env, targets);

	if (nr)
		fprintf(out, "\n%-58s %9s %9s\n", "targets", "wanted", "measured");
	for (unsigned int i = 0; i < nr; i++) {
		const struct bench_target *t = &targets[i];

		fprintf(out, "%-58s %s %6.2f %9.2f  %s\n", t->what, t->at_most ? "<=" : ">=", t->want, t->got,
			bench_target_met(t) ? "met" : "MISSED");
	}
}

void bench_report_text(const struct bench_env *env, FILE *out)
{
	struct utsname host;

	if (uname(&host) == 0)
		fprintf(out, "%ld processors, %s %s, %s; ", sysconf(_SC_NPROCESSORS_ONLN), host.sysname, host.release,
			reactor_backend_name(env->reactor));
	fprintf(out, "medians of %u rounds of %.3g s each; %" PRIu64 " files loaded before\n\n", env->opt->repeats,
		env->opt->seconds, env->opt->files);
	print_loads(env, out);
	bench_facts_text(env, out);
	print_targets(env, out);
}

static void add_double(struct json_object *to, const char *key, double value)
{
	json_object_object_add(to, key, json_object_new_double(value));
}

static struct json_object *load_json(const struct bench_load *load, double raw)
{
	struct bench_median m = bench_load_median(load);
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(load->name));
	if (load->bytes)
		json_object_object_add(o, "bytes", json_object_new_int64((int64_t)load->bytes));
	json_object_object_add(o, "outstanding", json_object_new_int((int)load->outstanding));
	json_object_object_add(o, "busy", json_object_new_boolean(load->busy));
	json_object_object_add(o, "rounds", json_object_new_int((int)load->nr_runs));
	add_double(o, "rate_per_s", m.rate);
	add_double(o, "rate_over_raw", raw > 0 ? m.rate / raw : 0);
	add_double(o, "p50_us", m.p50_us);
	add_double(o, "p99_us", m.p99_us);
	add_double(o, "max_us", m.max_us);
	add_double(o, "cpu_us", m.cpu_us);
	return o;
}

static struct json_object *targets_json(const struct bench_env *env)
{
	struct json_object *array = json_object_new_array();
	struct bench_target targets[BENCH_TARGETS_MAX];
	unsigned int nr = bench_targets(env, targets);

	for (unsigned int i = 0; i < nr; i++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "what", json_object_new_string(targets[i].what));
		json_object_object_add(o, "bound",
				       json_object_new_string(targets[i].at_most ? "at most" : "at least"));
		add_double(o, "wanted", targets[i].want);
		add_double(o, "measured", targets[i].got);
		json_object_object_add(o, "met", json_object_new_boolean(bench_target_met(&targets[i])));
		json_object_array_add(array, o);
	}
	return array;
}

void bench_report_json(const struct bench_env *env, FILE *out)
{
	struct json_object *top = json_object_new_object();
	struct json_object *loads = json_object_new_array();

	for (unsigned int i = 0; i < env->nr_loads; i++) {
		if (env->loads[i].nr_runs)
			json_object_array_add(loads, load_json(&env->loads[i], raw_rate(env)));
	}
	json_object_object_add(top, "version", json_object_new_string(LAMINA_VERSION));
	json_object_object_add(top, "processors", json_object_new_int((int)sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_object_add(top, "backend", json_object_new_string(reactor_backend_name(env->reactor)));
	add_double(top, "seconds", env->opt->seconds);
	json_object_object_add(top, "files", json_object_new_int64((int64_t)env->opt->files));
	json_object_object_add(top, "loads", loads);
	bench_facts_json(env, top);
	json_object_object_add(top, "targets", targets_json(env));
	fprintf(out, "%s\n", json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY));
	json_object_put(top);
}

static const char *const plotted[] = { "store", "lmdb", "rocksdb" };

static int plot_data(const struct bench_env *env, const char *path)
{
	FILE *out = fopen(path, "w");

	if (!out)
		return -errno;
	fputs("# outstanding rate/s p50_us p99_us; a block for each store\n", out);
	for (size_t s = 0; s < ARRAY_SIZE(plotted); s++) {
		fprintf(out, "\n\n\"%s\"\n", plotted[s]);
		for (unsigned int i = 0; i < env->nr_loads; i++) {
			const struct bench_load *load = &env->loads[i];
			struct bench_median m;

			if (load->nr_runs == 0 || load->busy || strcmp(load->name, plotted[s]) != 0)
				continue;
			m = bench_load_median(load);
			fprintf(out, "%u %.0f %.1f %.1f\n", load->outstanding, m.rate, m.p50_us, m.p99_us);
		}
	}
	return fclose(out) == 0 ? 0 : -errno;
}

static int plot_script(const struct bench_env *env, const char *path, const char *prefix)
{
	FILE *out = fopen(path, "w");

	if (!out)
		return -errno;
	fprintf(out,
		"set terminal svg size 900,420\n"
		"set output '%s.svg'\n"
		"set multiplot layout 1,2\n"
		"set logscale xy\n"
		"set xlabel 'outstanding'\n"
		"set key left top\n"
		"set title 'durable transactions per second'\n"
		"plot for [i=0:%zu] '%s.dat' index i using 1:2 with linespoints title columnheader(1), \\\n"
		"     %.0f with lines dashtype 2 title 'raw append'\n"
		"set title 'latency p99, us'\n"
		"plot for [i=0:%zu] '%s.dat' index i using 1:4 with linespoints title columnheader(1)\n"
		"unset multiplot\n",
		prefix, ARRAY_SIZE(plotted) - 1, prefix, raw_rate(env), ARRAY_SIZE(plotted) - 1, prefix);
	return fclose(out) == 0 ? 0 : -errno;
}

int bench_report_plot(const struct bench_env *env, const char *prefix)
{
	char path[4096];
	int err;

	snprintf(path, sizeof(path), "%s.dat", prefix);
	err = plot_data(env, path);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s.gp", prefix);
	return plot_script(env, path, prefix);
}
