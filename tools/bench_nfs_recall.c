/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a recall takes: so many clients hold a layout of one file for reading, and another one asks for it for
 * writing.  Each holder takes a while for its answer, as one far away or at work would, so that what is measured is
 * whether they are asked one after the other or all at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tools/bench_nfs.h"
#include "tools/nfs_op_layout.h"

#define PAUSE_NS (1000000ull)
#define ASKERS	 32u /* that get ready at the same time */
#define BYTES	 (64u << 10)

struct holder {
	struct bench_nfs_worker w; /* what the functions for workers need */
	struct bench_nfs_client cl;
	struct recall *recall;
	uint64_t came_ns, answered_ns;
};

struct recall {
	struct bench_nfs_job job;
	struct holder *holders; /* the last one is the writer */
	unsigned int nr, next;
	uint64_t answer_ns;
	struct bench_nfs_recall result;
	int err;
};

static FIBER_FN nfsstat4 holder_answer(void *owner, const struct nfs_cb_argop4 *arg, struct nfs_cb_resop4 *ret_res)
{
	struct holder *h = owner;
	struct reactor *r = h->recall->job.b->reactor;

	(void)arg;
	(void)ret_res;
	h->came_ns = reactor_now_ns(r);
	if (h->recall->answer_ns)
		fiber_sleep_ns(h->recall->answer_ns);
	h->answered_ns = reactor_now_ns(r);
	return NFS4ERR_NOMATCHING_LAYOUT;
}

static FIBER_FN int holder_open(struct recall *recall, struct holder *h)
{
	int err = bench_nfs_client_open(&recall->job, &h->cl);

	h->recall = recall;
	h->w.job = &recall->job;
	h->w.session = h->cl.session;
	snprintf(h->w.owner, sizeof(h->w.owner), "holder");
	nfs_compound_init(&h->w.c);
	if (err)
		return err;
	h->cl.client.callback.hooks[OP_CB_LAYOUTRECALL] = (struct nfs_callback_hook){ holder_answer, h };
	return bench_nfs_layout_open(&h->w, "recalled");
}

static FIBER_FN void holder_close(struct holder *h)
{
	/* What fails here was only courtesy. */
	if (h->w.is_open)
		(void)!bench_nfs_layout_return(&h->w, 0, NFS4_UINT64_MAX);
	if (h->w.is_open)
		(void)!bench_nfs_layout_close(&h->w);
	nfs_compound_release(&h->w.c);
	bench_nfs_client_close(&h->cl);
}

static FIBER_FN void opener(void *arg)
{
	struct recall *recall = arg;

	while (!recall->err && recall->next <= recall->nr) {
		int err = holder_open(recall, &recall->holders[recall->next++]);

		if (err && !recall->err)
			recall->err = err;
	}
}

static FIBER_FN void getter(void *arg)
{
	struct recall *recall = arg;
	uint64_t len;

	while (!recall->err && recall->next < recall->nr) {
		int err = bench_nfs_layout_get(&recall->holders[recall->next++].w, LAYOUTIOMODE4_READ, 0, BYTES,
					       BYTES, &len);

		if (err && !recall->err)
			recall->err = err;
	}
}

static FIBER_FN void side_by_side(struct recall *recall, void (*fn)(void *arg))
{
	struct fiber *fibers[ASKERS];
	unsigned int nr = 0;

	recall->next = 0;
	for (int err = 0; nr < ASKERS && !err; nr += !err) {
		err = fiber_spawn(recall->job.b->reactor, "bench holder", fn, recall, &fibers[nr]);
		if (err)
			recall->err = err;
	}
	while (nr > 0)
		fiber_join(fibers[--nr]);
}

/* Something to be read. */
static FIBER_FN int recall_fill(struct recall *recall)
{
	struct bench_nfs_worker *w = &recall->holders[recall->nr].w;
	struct nfs_file file = { .session = w->session, .fh = w->fh, .stateid = w->stateid };

	return nfs_file_write(&file, 0, recall->job.b->block, BYTES, FILE_SYNC4);
}

static bool is_busy(int err)
{
	return err == NFS4ERR_DELAY || err == NFS4ERR_RECALLCONFLICT || err == NFS4ERR_LAYOUTTRYLATER;
}

static FIBER_FN int measure_recall(struct recall *recall)
{
	struct bench_nfs_worker *writer = &recall->holders[recall->nr].w;
	struct reactor *r = recall->job.b->reactor;
	uint64_t start = reactor_now_ns(r), slowest = 0, len;
	int err;

	writer->asks_once = true;
	while (is_busy(err = bench_nfs_layout_get(writer, LAYOUTIOMODE4_RW, 0, BYTES, BYTES, &len)))
		fiber_sleep_ns(PAUSE_NS);
	if (err)
		return err;
	recall->result.ms = (double)(reactor_now_ns(r) - start) / 1e6;
	for (unsigned int i = 0; i < recall->nr; i++) {
		const struct holder *h = &recall->holders[i];

		/* Nobody may have been left out. */
		if (!h->came_ns)
			return -EPROTO;
		slowest = max_u64(slowest, h->answered_ns - h->came_ns);
	}
	recall->result.slowest_ms = (double)slowest / 1e6;
	return 0;
}

static FIBER_FN int recall_main(void *arg)
{
	struct recall *recall = arg;

	side_by_side(recall, opener);
	if (!recall->err)
		recall->err = recall_fill(recall);
	if (!recall->err)
		side_by_side(recall, getter);
	if (!recall->err)
		recall->err = measure_recall(recall);
	for (unsigned int i = 0; i <= recall->nr; i++)
		if (recall->holders[i].recall)
			holder_close(&recall->holders[i]);
	return recall->err;
}

static int recall_once(struct bench_nfs *b, struct bench_nfs_server *s, struct bench_nfs_recall *ret_result)
{
	struct recall recall = { .job = { .b = b, .server = s, .outstanding = 1, .nr_sessions = 1 },
				 .nr = ret_result->holders,
				 .answer_ns = (uint64_t)(ret_result->answer_ms * 1e6) };
	int err;

	recall.result = *ret_result;
	recall.holders = calloc(recall.nr + 1, sizeof(*recall.holders));
	err = recall.holders ? reactor_run(b->reactor, recall_main, &recall) : -ENOMEM;
	free(recall.holders);
	if (!err)
		*ret_result = recall.result;
	else
		fprintf(stderr, "lamina bench: %s: recall from %u holders: error %d\n", s->name, recall.nr, err);
	return err;
}

static int recall_median(struct bench_nfs *b, struct bench_nfs_server *s, struct bench_nfs_recall *result)
{
	double ms[BENCH_REPEATS_MAX], slowest[BENCH_REPEATS_MAX];
	int err = 0;

	for (unsigned int i = 0; i < b->opt->repeats && !err; i++) {
		err = recall_once(b, s, result);
		ms[i] = result->ms;
		slowest[i] = result->slowest_ms;
	}
	if (err)
		return err;
	result->ms = bench_median_of(ms, b->opt->repeats);
	result->slowest_ms = bench_median_of(slowest, b->opt->repeats);
	return 0;
}

int bench_nfs_recalls(struct bench_nfs *b, struct bench_nfs_server *s)
{
	static const double answers_ms[] = { 0, BENCH_NFS_ANSWER_MS };
	struct rlimit limit;
	int err = 0;

	/* A connection for each holder; where that is too few the system says so. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)!setrlimit(RLIMIT_NOFILE, &limit);
	}

	for (unsigned int i = 0; i < b->opt->nr_holders && !err; i++)
		for (unsigned int j = 0; j < ARRAY_SIZE(answers_ms) && !err; j++) {
			struct bench_nfs_recall *result = &b->recalls[b->nr_recalls];

			result->holders = b->opt->holders[i];
			result->answer_ms = answers_ms[j];
			err = recall_median(b, s, result);
			b->nr_recalls += !err;
		}
	return err;
}
