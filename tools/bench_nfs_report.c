/* SPDX-License-Identifier: Apache-2.0 */
/* The results of `lamina bench nfs`: a table and the targets for people, JSON for programs. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "dev/reactor.h"
#include "tools/bench_nfs.h"

#define TARGET_DEPTH 64
#define MIB	     (1024.0 * 1024)

struct numbers {
	struct bench_median m;
	double server_cpu_us, journal_bytes, units;
};

static struct numbers numbers_of(const struct bench_nfs_result *res)
{
	unsigned int nr = res->load.nr_runs;

	return (struct numbers){
		.m = bench_load_median(&res->load),
		.server_cpu_us = bench_median_of(res->server_cpu_us, nr),
		.journal_bytes = bench_median_of(res->journal_bytes, nr),
		.units = bench_median_of(res->units, nr),
	};
}

/* ---- targets ---- */

static const struct bench_nfs_load *find(const struct bench_nfs *b, const char *work)
{
	const struct bench_nfs_load *found = NULL;

	for (unsigned int i = 0; i < b->nr_loads; i++) {
		const struct bench_nfs_load *load = &b->loads[i];

		if (strcmp(load->work->name, work) != 0 || load->outstanding != TARGET_DEPTH)
			continue;
		/* The store's own load has many directories as well. */
		if (!found || (load->many && !found->many))
			found = load;
	}
	return found;
}

static void add_target(struct bench_target *targets, unsigned int *nr, const char *what, double want, double got)
{
	if (got > 0)
		targets[(*nr)++] = (struct bench_target){ .what = what, .want = want, .got = got };
}

static unsigned int find_layout_targets(const struct bench_nfs *b, struct bench_target targets[BENCH_TARGETS_MAX],
					unsigned int nr)
{
	const struct bench_nfs_growth *last = b->nr_growth > 1 ? &b->growth[b->nr_growth - 1] : NULL;
	const struct bench_nfs_recall *most = NULL;

	for (unsigned int i = 0; i < b->nr_recalls; i++)
		if (b->recalls[i].answer_ms > 0 && (!most || b->recalls[i].holders >= most->holders))
			most = &b->recalls[i];
	if (last)
		targets[nr++] = (struct bench_target){ .what = "LAYOUTGET at the most extents, x at the fewest",
						       .at_most = true,
						       .want = 2,
						       .got = last->p50_us / b->growth[0].p50_us };
	if (most)
		targets[nr++] = (struct bench_target){ .what = "recall from the most holders, x the slowest answer",
						       .at_most = true,
						       .want = 2,
						       .got = most->ms / most->slowest_ms };
	return nr;
}

static unsigned int find_targets(const struct bench_nfs *b, struct bench_target targets[BENCH_TARGETS_MAX])
{
	const struct bench_nfs_load *create = find(b, "create"), *stat = find(b, "stat");
	const struct bench_nfs_load *layout = find(b, "layout-new");
	unsigned int nr = 0;

	if (create && b->store.nr_runs)
		add_target(targets, &nr, "create, 64 outstanding, x store", 0.7,
			   bench_load_median(&create->results[0].load).rate / bench_load_median(&b->store).rate);
	if (create && b->nr_servers > 1)
		add_target(targets, &nr, "create, 64 outstanding, x peer", 5,
			   bench_load_median(&create->results[0].load).rate /
				   bench_load_median(&create->results[1].load).rate);
	if (stat && b->nr_servers > 1)
		add_target(targets, &nr, "stat, 64 outstanding, x peer per core", 2,
			   numbers_of(&stat->results[1]).server_cpu_us / numbers_of(&stat->results[0]).server_cpu_us);
	if (layout && layout->results[0].load.nr_runs && b->store.nr_runs)
		add_target(targets, &nr, "layout cycle of new space, 64 outstanding, x store", 0.5,
			   bench_load_median(&layout->results[0].load).rate / bench_load_median(&b->store).rate);
	return find_layout_targets(b, targets, nr);
}

/* ---- text ---- */

static void print_known(FILE *out, double value, int width)
{
	char text[32] = "-";

	if (value >= 0)
		snprintf(text, sizeof(text), "%.1f", value);
	fprintf(out, "%*s", width, text);
}

static void print_units(FILE *out, const struct bench_nfs_work *work, double units)
{
	if (work->units && strcmp(work->units, "bytes") == 0)
		fprintf(out, "  %.0f MiB/s", units / MIB);
	else if (work->units)
		fprintf(out, "  %.0f %s/s", units, work->units);
	fputc('\n', out);
}

static void print_load(const struct bench_nfs *b, const struct bench_nfs_load *load, unsigned int nr, FILE *out)
{
	const struct bench_nfs_result *res = &load->results[nr];
	char title[64];
	struct numbers n;

	if (res->load.nr_runs == 0)
		return;
	n = numbers_of(res);
	snprintf(title, sizeof(title), "%s%s%s", nr ? "  peer " : "", load->work->name,
		 !load->work->in_dirs ? ""
		 : load->many	      ? ", many"
				      : ", one");
	fprintf(out, "%-24s %5u %5u %9.0f %8.0f %8.0f %8.1f", title, load->outstanding, load->sessions, n.m.rate,
		n.m.p50_us, n.m.p99_us, n.m.cpu_us);
	print_known(out, n.server_cpu_us, 8);
	print_known(out, n.journal_bytes, 9);
	if (nr == 0 && b->nr_servers > 1 && load->results[1].load.nr_runs) {
		struct numbers peer = numbers_of(&load->results[1]);

		fprintf(out, "%8.2f", n.m.rate / peer.m.rate);
		print_known(out, n.server_cpu_us > 0 ? peer.server_cpu_us / n.server_cpu_us : -1, 8);
	}
	print_units(out, load->work, n.units);
}

static void print_targets(const struct bench_nfs *b, FILE *out)
{
	struct bench_target targets[BENCH_TARGETS_MAX];
	unsigned int nr = find_targets(b, targets);

	if (nr)
		fprintf(out, "\n%-58s %9s %9s\n", "targets", "wanted", "measured");
	for (unsigned int i = 0; i < nr; i++)
		fprintf(out, "%-58s %s %6.2f %9.2f  %s\n", targets[i].what,
			targets[i].at_most ? "<=" : ">=", targets[i].want, targets[i].got,
			bench_target_met(&targets[i]) ? "met" : "MISSED");
}

static void print_layouts(const struct bench_nfs *b, FILE *out)
{
	if (b->nr_growth)
		fprintf(out, "\n%-24s %9s %8s %8s\n", "LAYOUTGET", "extents", "p50 us", "p99 us");
	for (unsigned int i = 0; i < b->nr_growth; i++)
		fprintf(out, "%-24s %9" PRIu64 " %8.0f %8.0f\n", "", b->growth[i].extents, b->growth[i].p50_us,
			b->growth[i].p99_us);
	if (b->nr_recalls)
		fprintf(out, "\n%-24s %9s %9s %9s\n", "recall, ms", "holders", "in all", "slowest");
	for (unsigned int i = 0; i < b->nr_recalls; i++) {
		char title[32];

		snprintf(title, sizeof(title), "answers take %.0f ms", b->recalls[i].answer_ms);
		fprintf(out, "%-24s %9u %9.2f %9.2f\n", title, b->recalls[i].holders, b->recalls[i].ms,
			b->recalls[i].slowest_ms);
	}
}

void bench_nfs_report_text(const struct bench_nfs *b, FILE *out)
{
	struct utsname host;

	if (uname(&host) == 0)
		fprintf(out, "%ld processors, %s %s; ", sysconf(_SC_NPROCESSORS_ONLN), host.sysname, host.release);
	fprintf(out, "medians of %u rounds of %.3g s each; NFSv4.%u; %" PRIu64 " files\n", b->opt->repeats,
		b->opt->seconds, b->opt->minor, b->opt->files);
	for (unsigned int i = 0; i < b->nr_servers; i++)
		fprintf(out, "%s: %s%s%s%s\n", i ? "peer" : "server", b->servers[i].name,
			b->servers[i].banner[0] ? " (" : "", b->servers[i].banner,
			b->servers[i].banner[0] ? ")" : "");
	fprintf(out, "\n%-24s %5s %5s %9s %8s %8s %8s%8s%9s%s\n", "", "out", "sess", "rate/s", "p50 us", "p99 us",
		"CPU us", "server", "journal", b->nr_servers > 1 ? "  x peer  x core" : "");
	if (b->store.nr_runs) {
		struct bench_median m = bench_load_median(&b->store);

		fprintf(out, "%-24s %5u %5s %9.0f %8.0f %8.0f %8.1f\n", "store", b->store.outstanding, "-", m.rate,
			m.p50_us, m.p99_us, m.cpu_us);
	}
	for (unsigned int i = 0; i < b->nr_loads; i++) {
		for (unsigned int nr = 0; nr < b->nr_servers; nr++)
			print_load(b, &b->loads[i], nr, out);
	}
	print_layouts(b, out);
	print_targets(b, out);
}

/* ---- JSON ---- */

static void put_double(struct json_object *to, const char *key, double value)
{
	json_object_object_add(to, key, value < 0 ? NULL : json_object_new_double(value));
}

static void put_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

static void put_int(struct json_object *to, const char *key, uint64_t value)
{
	json_object_object_add(to, key, json_object_new_uint64(value));
}

static void put_median(struct json_object *to, const struct bench_load *load)
{
	struct bench_median m = bench_load_median(load);

	put_int(to, "outstanding", load->outstanding);
	put_int(to, "rounds", load->nr_runs);
	put_double(to, "rate_per_s", m.rate);
	put_double(to, "p50_us", m.p50_us);
	put_double(to, "p99_us", m.p99_us);
	put_double(to, "max_us", m.max_us);
	put_double(to, "cpu_us", m.cpu_us);
}

static struct json_object *load_json(const struct bench_nfs *b, const struct bench_nfs_load *load, unsigned int nr)
{
	struct json_object *o = json_object_new_object();
	struct numbers n = numbers_of(&load->results[nr]);
	char key[32];

	put_text(o, "server", b->servers[nr].name);
	put_text(o, "work", load->work->name);
	put_text(o, "directories", !load->work->in_dirs ? "" : load->many ? "many" : "one");
	put_int(o, "sessions", load->sessions);
	put_median(o, &load->results[nr].load);
	put_double(o, "server_cpu_us", n.server_cpu_us);
	put_double(o, "journal_bytes", n.journal_bytes);
	if (load->work->units) {
		snprintf(key, sizeof(key), "%s_per_s", load->work->units);
		put_double(o, key, n.units);
	}
	return o;
}

static struct json_object *targets_json(const struct bench_nfs *b)
{
	struct json_object *array = json_object_new_array();
	struct bench_target targets[BENCH_TARGETS_MAX];
	unsigned int nr = find_targets(b, targets);

	for (unsigned int i = 0; i < nr; i++) {
		struct json_object *o = json_object_new_object();

		put_text(o, "what", targets[i].what);
		put_text(o, "bound", targets[i].at_most ? "at most" : "at least");
		put_double(o, "wanted", targets[i].want);
		put_double(o, "measured", targets[i].got);
		json_object_object_add(o, "met", json_object_new_boolean(bench_target_met(&targets[i])));
		json_object_array_add(array, o);
	}
	return array;
}

static void put_layouts(const struct bench_nfs *b, struct json_object *top)
{
	struct json_object *growth = json_object_new_array(), *recalls = json_object_new_array();

	for (unsigned int i = 0; i < b->nr_growth; i++) {
		struct json_object *o = json_object_new_object();

		put_int(o, "extents", b->growth[i].extents);
		put_double(o, "p50_us", b->growth[i].p50_us);
		put_double(o, "p99_us", b->growth[i].p99_us);
		json_object_array_add(growth, o);
	}
	for (unsigned int i = 0; i < b->nr_recalls; i++) {
		struct json_object *o = json_object_new_object();

		put_int(o, "holders", b->recalls[i].holders);
		put_double(o, "answer_ms", b->recalls[i].answer_ms);
		put_double(o, "ms", b->recalls[i].ms);
		put_double(o, "slowest_ms", b->recalls[i].slowest_ms);
		json_object_array_add(recalls, o);
	}
	json_object_object_add(top, "layoutget", growth);
	json_object_object_add(top, "recalls", recalls);
}

void bench_nfs_report_json(const struct bench_nfs *b, FILE *out)
{
	struct json_object *top = json_object_new_object();
	struct json_object *servers = json_object_new_array(), *loads = json_object_new_array();

	for (unsigned int i = 0; i < b->nr_servers; i++) {
		struct json_object *o = json_object_new_object();

		put_text(o, "name", b->servers[i].name);
		put_text(o, "implementation", b->servers[i].banner);
		json_object_array_add(servers, o);
	}
	for (unsigned int i = 0; i < b->nr_loads; i++) {
		for (unsigned int nr = 0; nr < b->nr_servers; nr++) {
			if (b->loads[i].results[nr].load.nr_runs)
				json_object_array_add(loads, load_json(b, &b->loads[i], nr));
		}
	}
	put_text(top, "version", LAMINA_VERSION);
	put_int(top, "processors", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	put_double(top, "seconds", b->opt->seconds);
	put_int(top, "files", b->opt->files);
	put_int(top, "minor_version", b->opt->minor);
	json_object_object_add(top, "servers", servers);
	if (b->store.nr_runs) {
		struct json_object *store = json_object_new_object();

		put_median(store, &b->store);
		json_object_object_add(top, "store", store);
	}
	json_object_object_add(top, "loads", loads);
	put_layouts(b, top);
	json_object_object_add(top, "targets", targets_json(b));
	fprintf(out, "%s\n", json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY));
	json_object_put(top);
}
