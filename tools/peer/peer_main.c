/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lamina-peer STORE DIRECTORY FILES: creates the store, loads it with so many files, says "ready", and then does what
 * its standard input says, a line for a line:
 *
 *     run OUTSTANDING NANOSECONDS  ->  NR NS P50 P99 MAX CPU_US
 *
 * As in a server with one thread for its store, all transactions that are outstanding go into one commit, and each
 * client asks again as soon as it has its answer.  Its clients cost nothing here: that is in the peer's favour.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "dev/reactor.h"
#include "tools/bench_run.h"
#include "tools/peer/peer.h"

#define LOAD_BATCH 1000

static const struct peer_ops *const peers[] = {
#ifdef LAMINA_HAVE_LMDB
	&peer_lmdb,
#endif
#ifdef LAMINA_HAVE_ROCKSDB
	&peer_rocksdb,
#endif
};

struct job {
	const struct peer_ops *ops;
	struct peer *peer;
	struct reactor *clock; /* for its clock alone */
	uint64_t next;	       /* transaction */
};

static const struct peer_ops *find_peer(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		if (strcmp(peers[i]->name, name) == 0)
			return peers[i];
	}
	return NULL;
}

static int commit_batch(struct job *job, unsigned int nr, bool sync)
{
	int err = job->ops->begin(job->peer);

	for (unsigned int i = 0; !err && i < nr; i++)
		err = peer_work_put(job->ops, job->peer, job->next++);
	if (err)
		return err;
	return job->ops->commit(job->peer, sync);
}

static int load(struct job *job, uint64_t files)
{
	while (job->next < files) {
		int err = commit_batch(job, LOAD_BATCH, false);

		if (err)
			return err;
	}
	return commit_batch(job, 1, true);
}

static int run(struct job *job, unsigned int outstanding, uint64_t ns, struct bench_run *ret_run)
{
	static struct bench_meter meter;
	uint64_t begin = reactor_now_ns(job->clock);
	uint64_t end = begin + ns;

	bench_meter_start(&meter, begin);
	while (begin < end) {
		int err = commit_batch(job, outstanding, true);
		uint64_t now = reactor_now_ns(job->clock);

		if (err)
			return err;
		bench_hist_add(&meter.hist, now - begin, outstanding);
		begin = now;
	}
	bench_meter_stop(&meter, begin, ret_run);
	return 0;
}

static int serve(struct job *job)
{
	char line[128];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		struct bench_run r;
		unsigned int outstanding;
		uint64_t ns;
		int err;

		if (sscanf(line, "run %u %" SCNu64, &outstanding, &ns) != 2 || outstanding == 0)
			return -EINVAL;
		err = run(job, outstanding, ns, &r);
		if (err)
			return err;
		printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %.3f\n", r.nr, r.ns, r.p50_ns,
		       r.p99_ns, r.max_ns, r.cpu_us);
		fflush(stdout);
	}
	return 0;
}

static int open_and_serve(struct job *job, const char *dir, uint64_t files)
{
	int err = job->ops->open(dir, &job->peer);

	if (err)
		return err;
	err = load(job, files);
	if (!err)
		err = serve(job);
	job->ops->close(job->peer);
	return err;
}

int main(int argc, char **argv)
{
	struct job job = { .ops = argc == 4 ? find_peer(argv[1]) : NULL };
	int err;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
			puts(peers[i]->name);
		return 0;
	}
	if (!job.ops) {
		fputs("usage: lamina-peer STORE DIRECTORY FILES | --list\n", stderr);
		return 2;
	}
	log_set_level(LOG_LEVEL_WARN);
	err = reactor_open(NULL, &job.clock);
	if (!err) {
		err = open_and_serve(&job, argv[2], strtoull(argv[3], NULL, 10));
		reactor_close(job.clock);
	}
	if (err)
		fprintf(stderr, "lamina-peer: %s: %s\n", argv[1], strerror(-err));
	return err ? 1 : 0;
}
