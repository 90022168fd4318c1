/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which loads are measured on which servers, and in which order: in a round each load runs on one server right after
 * the other, so that their ratio stands on a machine whose speed drifts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/reactor.h"
#include "tools/bench_nfs.h"
#include "tools/bench_store.h"

#define SESSION_REQUESTS 64 /* of one session, unless it is said how many sessions */
#define STORE_DEPTH	 64
#define FILL_RATE	 20000 /* files a second that are made for those who remove them */

static void add(struct bench_nfs *b, const struct bench_nfs_work *work, bool many, unsigned int outstanding,
		unsigned int sessions)
{
	struct bench_nfs_load *load = &b->loads[b->nr_loads++];

	load->work = work;
	load->many = many;
	load->outstanding = outstanding;
	load->sessions = sessions;
	for (unsigned int i = 0; i < BENCH_NFS_SERVERS; i++) {
		load->results[i].load.name = work->name;
		load->results[i].load.outstanding = outstanding;
	}
}

/* One work with all counts of requests and sessions. */
static void plan_counts(struct bench_nfs *b, const struct bench_nfs_work *work, bool many)
{
	const struct bench_nfs_options *opt = b->opt;

	for (unsigned int i = 0; i < opt->nr_outstanding; i++) {
		unsigned int outstanding = opt->outstanding[i];

		if (opt->nr_sessions == 0 && work->each_client)
			add(b, work, many, outstanding,
			    outstanding < BENCH_NFS_SESSIONS_MAX ? outstanding : BENCH_NFS_SESSIONS_MAX);
		else if (opt->nr_sessions == 0)
			add(b, work, many, outstanding, (outstanding + SESSION_REQUESTS - 1) / SESSION_REQUESTS);
		for (unsigned int j = 0; j < opt->nr_sessions; j++) {
			if (opt->sessions[j] <= outstanding)
				add(b, work, many, outstanding, opt->sessions[j]);
		}
	}
}

static int plan(struct bench_nfs *b)
{
	const struct bench_nfs_options *opt = b->opt;

	b->loads = calloc((size_t)bench_nfs_nr_works * 2 * BENCH_NFS_STEPS * BENCH_NFS_STEPS, sizeof(*b->loads));
	if (!b->loads)
		return -ENOMEM;
	for (unsigned int i = 0; i < bench_nfs_nr_works; i++) {
		const struct bench_nfs_work *work = &bench_nfs_works[i];

		if (!(opt->works & 1ull << i))
			continue;
		if (!work->in_dirs || opt->one)
			plan_counts(b, work, false);
		if (work->in_dirs && opt->many)
			plan_counts(b, work, true);
	}
	return 0;
}

/* ---- one load ---- */

/* Files for those who remove them. */
static int fill(struct bench_nfs *b, const struct bench_nfs_job *like)
{
	static const struct bench_nfs_work work = { .name = "make files", .step = bench_nfs_work_create };
	struct bench_nfs_job job = *like;
	uint64_t want = (uint64_t)(b->opt->seconds * FILL_RATE) + 1;

	if (job.names->next - job.names->first >= want)
		return 0;
	job.work = &work;
	job.end_name = job.names->first + want;
	return bench_nfs_run(&job);
}

static int load_run(struct bench_nfs *b, struct bench_nfs_load *load, unsigned int nr)
{
	struct bench_nfs_server *server = &b->servers[nr];
	struct bench_nfs_result *res = &load->results[nr];
	struct bench_nfs_job job = { .b = b,
				     .server = server,
				     .work = load->work,
				     .many = load->many,
				     .outstanding = load->outstanding,
				     .nr_sessions = load->sessions,
				     .names = &server->made[load->many],
				     .end_name = UINT64_MAX,
				     .ns = (uint64_t)(b->opt->seconds * 1e9) };
	unsigned int at = res->load.nr_runs;
	double before, after, nr_ops;
	int err;

	if (load->work->needs_layouts && !server->layout_type)
		return 0;
	err = load->work->takes_files ? fill(b, &job) : 0;
	if (err)
		return err;
	before = bench_nfs_server_journal(server);
	err = bench_nfs_run(&job);
	if (err)
		return err;
	after = bench_nfs_server_journal(server);
	nr_ops = (double)max_u64(job.run.nr, 1);
	res->load.runs[at] = job.run;
	res->server_cpu_us[at] = job.server_cpu_us < 0 ? -1 : job.server_cpu_us / nr_ops;
	res->journal_bytes[at] = before < 0 || after < 0 ? -1 : (after - before) / nr_ops;
	res->units[at] = (double)job.units * 1e9 / (double)job.run.ns;
	res->load.nr_runs++;
	return 0;
}

static FIBER_FN int load_store(void *arg)
{
	struct bench_nfs *b = arg;

	return bench_store_load(b->env.store, b->opt->files);
}

/* A store of its own in each round: so it does nothing while servers are measured. */
static int store_run(struct bench_nfs *b)
{
	struct bench_load *load = &b->store;
	int err = bench_store_open(&b->env, "store", &b->env.store);

	if (!err)
		err = reactor_run(b->reactor, load_store, b);
	if (!err)
		err = bench_store_run(&b->env, load, (uint64_t)(b->opt->seconds * 1e9), &load->runs[load->nr_runs]);
	if (!err)
		load->nr_runs++;
	else
		fprintf(stderr, "lamina bench: the store: %s\n", strerror(-err));
	bench_store_close(b->env.store);
	b->env.store = NULL;
	return err;
}

static void show_progress(const struct bench_nfs *b, unsigned int round, const struct bench_nfs_load *load)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[Kround %u of %u: %s, %s, %u outstanding", round + 1, b->opt->repeats,
			load->work->name, load->many ? "many directories" : "one directory", load->outstanding);
}

static int round_run(struct bench_nfs *b, unsigned int round)
{
	int err = b->opt->store ? store_run(b) : 0;

	for (unsigned int i = 0; !err && i < b->nr_loads; i++) {
		show_progress(b, round, &b->loads[i]);
		for (unsigned int nr = 0; !err && nr < b->nr_servers; nr++)
			err = load_run(b, &b->loads[i], nr);
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return err;
}

/* ---- everything ---- */

static int add_server(struct bench_nfs *b, const char *text, unsigned long pid, const char *control)
{
	struct bench_nfs_server *server = &b->servers[b->nr_servers++];
	int err = bench_nfs_server_parse(text, server);

	if (err)
		fprintf(stderr, "lamina bench: '%s' is no address; say ADDRESS:PORT or ADDRESS:PORT/PATH\n", text);
	server->pid = pid;
	if (control)
		snprintf(server->control, sizeof(server->control), "%s", control);
	return err;
}

static int open_servers(struct bench_nfs *b)
{
	const struct bench_nfs_options *opt = b->opt;
	int err;

	if (opt->server)
		err = add_server(b, opt->server, opt->pid, opt->control);
	else
		err = bench_nfs_server_start(b, &b->servers[b->nr_servers++]);
	if (!err && opt->peer)
		err = add_server(b, opt->peer, opt->peer_pid, NULL);
	for (unsigned int i = 0; !err && i < b->nr_servers; i++) {
		err = bench_nfs_tree_make(b, &b->servers[i]);
		if (!err)
			err = bench_nfs_layout_type(b, &b->servers[i]);
	}
	return err;
}

static int close_servers(struct bench_nfs *b, int err)
{
	for (unsigned int i = 0; i < b->nr_servers; i++) {
		int remove_err = bench_nfs_tree_remove(b, &b->servers[i]);

		err = err ? err : remove_err;
		bench_nfs_server_stop(&b->servers[i]);
	}
	return err;
}

/* What is about the size of things, once. */
static int layouts_measure(struct bench_nfs *b)
{
	int err = b->opt->extents ? bench_nfs_layout_growth(b, &b->servers[0]) : 0;

	return err ? err : bench_nfs_recalls(b, &b->servers[0]);
}

static int measure(struct bench_nfs *b)
{
	int err = net_open(b->reactor, &b->net);

	if (err)
		return err;
	err = open_servers(b);
	for (unsigned int round = 0; !err && round < b->opt->repeats; round++)
		err = round_run(b, round);
	if (!err && b->servers[0].layout_type)
		err = layouts_measure(b);
	err = close_servers(b, err);
	net_close(b->net);
	return err;
}

static int measure_report(struct bench_nfs *b)
{
	int err = reactor_open(NULL, &b->reactor);

	if (err)
		return err;
	b->env.reactor = b->reactor;
	err = measure(b);
	if (!err && b->opt->json)
		bench_nfs_report_json(b, stdout);
	else if (!err)
		bench_nfs_report_text(b, stdout);
	reactor_close(b->reactor);
	return err;
}

int bench_nfs_all(const struct bench_nfs_options *opt)
{
	const struct bench_options store_opt = { .dir = opt->dir, .size = opt->size };
	struct bench_nfs *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->opt = opt;
	b->env.opt = &store_opt;
	b->store = (struct bench_load){ .name = "store", .outstanding = STORE_DEPTH };
	b->block = malloc(BENCH_NFS_BLOCK_MAX);
	err = b->block ? plan(b) : -ENOMEM;
	if (!err) {
		memset(b->block, 0x5a, BENCH_NFS_BLOCK_MAX);
		err = measure_report(b);
	}
	free(b->loads);
	free(b->block);
	free(b);
	return err;
}
