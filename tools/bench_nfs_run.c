/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One load on one server.  Promises: clients and sessions are made before the time that is measured and destroyed
 * after it, so that no run sees what another has left; the time begins when every worker is ready.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tools/bench_nfs.h"
#include "tools/nfs_status.h"

#define SLOTS_MAX 256

static void job_fail(struct bench_nfs_job *job, const char *what, int err)
{
	if (job->err)
		return;
	job->err = err;
	job->err_op = what;
}

FIBER_FN int bench_nfs_send(struct bench_nfs_worker *w)
{
	int err = nfs_file_send(w->session, &w->c);

	return err ? err : (int)w->c.status;
}

/* ---- clients ---- */

FIBER_FN int bench_nfs_client_open(struct bench_nfs_job *job, struct bench_nfs_client *cl)
{
	struct bench_nfs *b = job->b;
	struct nfs_identity identity = nfs_identity_random(b->reactor);
	struct nfs_conn_options conn_opt = { .batches = true };
	struct nfs_session_options opt = { 0 };
	unsigned int each = (job->outstanding + job->nr_sessions - 1) / job->nr_sessions;
	int err;

	identity.minorversion = b->opt->minor;
	opt.slots = (uint32_t)min_u64(each, SLOTS_MAX);
	nfs_client_init(&cl->client, b->reactor, &identity);
	conn_opt.server = nfs_callback_server(&cl->client.callback);
	err = nfs_conn_open(b->net, &job->server->addr, &conn_opt, &cl->conn);
	if (!err)
		err = nfs_client_exchange_id(&cl->client, cl->conn);
	if (!err)
		err = nfs_session_open(&cl->client, cl->conn, &opt, &cl->session);
	if (!err)
		snprintf(job->server->banner, sizeof(job->server->banner), "%s", cl->client.server_name);
	return err;
}

/* What fails here was only courtesy. */
FIBER_FN void bench_nfs_client_close(struct bench_nfs_client *cl)
{
	if (cl->session && nfs_session_close(cl->session) == 0)
		(void)!nfs_client_destroy(&cl->client, cl->conn);
	nfs_conn_close(cl->conn);
	nfs_client_release(&cl->client);
}

static FIBER_FN int clients_open(struct bench_nfs_job *job)
{
	int err = 0;

	job->clients = calloc(job->nr_sessions, sizeof(*job->clients));
	if (!job->clients)
		return -ENOMEM;
	while (!err && job->nr_clients < job->nr_sessions)
		err = bench_nfs_client_open(job, &job->clients[job->nr_clients++]);
	return err;
}

static FIBER_FN void clients_close(struct bench_nfs_job *job)
{
	while (job->nr_clients > 0)
		bench_nfs_client_close(&job->clients[--job->nr_clients]);
	free(job->clients);
	job->clients = NULL;
}

/* ---- workers ---- */

static FIBER_FN void worker_steps(struct bench_nfs_worker *w)
{
	struct bench_nfs_job *job = w->job;

	uint64_t start;
	int err;

	if (job->err)
		return;
	/* At least one, however late we are: a rate of nothing says nothing. */
	do {
		start = reactor_now_ns(job->b->reactor);
		w->took_ns = 0;
		err = job->work->step(w);
		if (err == -ENOENT)
			return;
		if (err)
			job_fail(job, job->work->name, err);
		else
			bench_hist_add(&job->meter.hist,
				       w->took_ns ? w->took_ns : reactor_now_ns(job->b->reactor) - start, 1);
	} while (!job->err && reactor_now_ns(job->b->reactor) < job->end_ns);
}

static FIBER_FN void worker_main(void *arg)
{
	struct bench_nfs_worker *w = arg;
	struct bench_nfs_job *job = w->job;
	int err = job->work->prepare && !job->err ? job->work->prepare(w) : 0;

	if (err)
		job_fail(job, "to prepare", err);
	job->nr_ready++;
	wait_queue_wake_all(&job->changed);
	while (!job->go)
		wait_queue_wait(&job->changed);
	worker_steps(w);
	job->nr_done++;
	wait_queue_wake_all(&job->changed);
	/* Not before the time is taken. */
	while (job->go)
		wait_queue_wait(&job->changed);
	err = job->work->finish && !job->err ? job->work->finish(w) : 0;
	if (err)
		job_fail(job, "to finish", err);
}

static FIBER_FN unsigned int workers_start(struct bench_nfs_job *job)
{
	unsigned int nr;

	for (nr = 0; nr < job->outstanding; nr++) {
		struct bench_nfs_worker *w = &job->workers[nr];
		int err;

		w->job = job;
		w->number = nr;
		w->session = job->clients[nr % job->nr_clients].session;
		snprintf(w->owner, sizeof(w->owner), "worker %u", nr);
		nfs_compound_init(&w->c);
		err = fiber_spawn(job->b->reactor, "bench worker", worker_main, w, &w->fiber);
		if (err) {
			nfs_compound_release(&w->c);
			job_fail(job, "to start", err);
			break;
		}
	}
	return nr;
}

/* All that are ready work from the same moment on. */
static FIBER_FN void workers_measure(struct bench_nfs_job *job, unsigned int nr)
{
	struct reactor *r = job->b->reactor;
	uint64_t start;
	double cpu;

	while (job->nr_ready < nr)
		wait_queue_wait(&job->changed);
	cpu = bench_nfs_server_cpu(job->server);
	start = reactor_now_ns(r);
	job->end_ns = start + job->ns;
	job->units = 0;
	bench_meter_start(&job->meter, start);
	job->go = true;
	wait_queue_wake_all(&job->changed);
	while (job->nr_done < nr)
		wait_queue_wait(&job->changed);
	bench_meter_stop(&job->meter, reactor_now_ns(r), &job->run);
	job->server_cpu_us = cpu < 0 ? -1 : bench_nfs_server_cpu(job->server) - cpu;
	job->go = false;
	wait_queue_wake_all(&job->changed);
}

static FIBER_FN int job_main(void *arg)
{
	struct bench_nfs_job *job = arg;
	unsigned int nr;
	int err = clients_open(job);

	if (err) {
		job_fail(job, "to get a session", err);
	} else {
		nr = workers_start(job);
		workers_measure(job, nr);
		while (nr > 0) {
			fiber_join(job->workers[--nr].fiber);
			nfs_compound_release(&job->workers[nr].c);
		}
	}
	clients_close(job);
	return job->err;
}

static void explain(const struct bench_nfs_job *job)
{
	fprintf(stderr, "lamina bench: %s: %s with %u outstanding over %u sessions: %s: %s\n", job->server->name,
		job->work->name, job->outstanding, job->nr_sessions, job->err_op,
		job->err < 0 ? strerror(-job->err) : nfs_status_name((uint32_t)job->err));
}

int bench_nfs_run(struct bench_nfs_job *job)
{
	job->workers = calloc(job->outstanding, sizeof(*job->workers));
	if (!job->workers)
		return -ENOMEM;
	wait_queue_init(&job->changed);
	if (reactor_run(job->b->reactor, job_main, job))
		explain(job);
	free(job->workers);
	job->workers = NULL;
	return job->err;
}
