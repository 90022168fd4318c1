/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own store at work: many fibers, each making one file after the other, every file one transaction of about
 * 370 bytes: the file's inode, its name, one extent of 64 KiB, the directory's inode and the free space.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/blkfile.h"
#include "dev/fiber.h"
#include "dev/reactor.h"
#include "extent/name.h"
#include "tools/bench_store.h"
#include "tools/bench_work.h"

#define FILE_BLOCKS 16 /* 64 KiB */
#define LOAD_FIBERS 64
#define YIELD_EVERY 32 /* transactions of a fiber that waits for nothing */

struct store_job {
	struct bench_store *store;
	const struct bench_load *load; /* NULL: to bench_store_load() */
	uint64_t end_ns;	       /* run until then */
	uint64_t end_file;	       /* or until so many files are there */
	struct bench_meter meter;
	int err; /* the first */
};

struct create {
	uint64_t dir;
	char name[BENCH_WORK_NAME_MAX + 1];
	size_t len;
};

static int create_body(struct txn *txn, void *arg)
{
	const struct create *c = arg;
	const struct name_at at = { .dir = c->dir, .name = c->name, .len = c->len };
	const struct name_create how = { .mode = S_IFREG | 0644 };
	const struct map_want want = { 0 };
	struct name_result made;
	uint64_t stop;
	int err;

	err = name_create(txn, &at, &how, &made);
	if (err)
		return err;
	err = map_alloc(txn, &made.inode, 0, FILE_BLOCKS, &want, 1, &stop);
	if (err)
		return err;
	return inode_put(txn, &made.inode);
}

FIBER_FN int bench_store_create(struct bench_store *s, uint64_t *ret_seq)
{
	static const struct txn_options options = { .name = "create" };
	struct create c = { 0 };
	uint64_t i = s->next++;

	c.dir = s->dirs[bench_work_dir(i)];
	c.len = bench_work_name(c.name, i);
	return txn_run(s->fs, &options, create_body, &c, ret_seq);
}

/* One client: the next file as soon as the last one is done. */
static FIBER_FN void client(void *arg)
{
	struct store_job *job = arg;
	struct bench_store *s = job->store;
	unsigned int turns = 0;

	while (!job->err) {
		uint64_t begin = reactor_now_ns(s->reactor), seq;
		int err;

		/* At least once, however late we are: a rate of nothing says nothing. */
		if ((begin >= job->end_ns && turns > 0) || s->next >= job->end_file)
			return;
		err = bench_store_create(s, &seq);
		if (!err && job->load && !job->load->volatile_ok)
			err = txn_wait_durable(s->fs, seq);
		else if (!err && turns % YIELD_EVERY == YIELD_EVERY - 1)
			fiber_yield();
		turns++;
		if (err && !job->err)
			job->err = err;
		bench_hist_add(&job->meter.hist, reactor_now_ns(s->reactor) - begin, 1);
	}
}

static FIBER_FN void checkpointer(void *arg)
{
	struct store_job *job = arg;

	while (!job->err && reactor_now_ns(job->store->reactor) < job->end_ns) {
		int err = fs_checkpoint(job->store->fs);

		if (err && !job->err)
			job->err = err;
	}
}

/* Start @nr clients, and wait for them. */
static FIBER_FN int run_clients(struct store_job *job, unsigned int nr)
{
	struct fiber *fibers[BENCH_STORE_DEPTH_MAX + 1];
	unsigned int started = 0;
	int err = 0;

	assert(nr <= BENCH_STORE_DEPTH_MAX);

	if (job->load && job->load->checkpointing)
		err = fiber_spawn(job->store->reactor, "checkpointer", checkpointer, job, &fibers[started++]);
	while (!err && nr-- > 0)
		err = fiber_spawn(job->store->reactor, "client", client, job, &fibers[started++]);
	if (err) {
		job->err = err;
		started--;
	}
	while (started > 0)
		fiber_join(fibers[--started]);
	return job->err;
}

FIBER_FN int bench_store_load(struct bench_store *s, uint64_t files)
{
	struct store_job *job = calloc(1, sizeof(*job));
	int err;

	if (!job)
		return -ENOMEM;
	job->store = s;
	job->end_ns = UINT64_MAX;
	job->end_file = files;
	err = run_clients(job, LOAD_FIBERS);
	free(job);
	return err;
}

static FIBER_FN int measure(void *arg)
{
	struct store_job *job = arg;
	uint64_t begin = reactor_now_ns(job->store->reactor);

	bench_meter_start(&job->meter, begin);
	job->end_ns += begin;
	return run_clients(job, job->load->outstanding);
}

int bench_store_run(struct bench_env *env, const struct bench_load *load, uint64_t ns, struct bench_run *ret_run)
{
	static struct store_job job;
	int err;

	memset(&job, 0, sizeof(job));
	job.store = env->store;
	job.load = load;
	job.end_ns = ns;
	job.end_file = UINT64_MAX;
	err = reactor_run(env->reactor, measure, &job);
	if (err)
		return err;
	bench_meter_stop(&job.meter, reactor_now_ns(env->reactor), ret_run);
	return 0;
}

/* All directories of the workload. */
static int make_dirs_body(struct txn *txn, void *arg)
{
	struct bench_store *s = arg;

	for (unsigned int i = 0; i < BENCH_WORK_DIRS; i++) {
		const struct name_create how = { .mode = S_IFDIR | 0755 };
		struct name_result made;
		char name[24];
		struct name_at at = { .dir = INO_ROOT, .name = name };
		int err;

		at.len = (size_t)snprintf(name, sizeof(name), "dir-%u", i);
		err = name_create(txn, &at, &how, &made);
		if (err)
			return err;
		s->dirs[i] = made.inode.ino;
	}
	return 0;
}

static FIBER_FN int format_and_mount(void *arg)
{
	static const struct txn_options options = { .name = "make directories" };
	const struct fs_format_options format = { .name = "bench" };
	struct bench_store *s = arg;
	struct why why;
	int err;

	err = fs_format(s->reactor, &s->dev, 1, &format, &why);
	if (!err)
		err = bench_store_mount(s);
	if (err)
		return err;
	return txn_run(s->fs, &options, make_dirs_body, s, NULL);
}

FIBER_FN int bench_store_mount(struct bench_store *s)
{
	const struct fs_mount_options mount = { .cache_bytes = BENCH_STORE_CACHE };
	struct why why;

	return fs_mount(s->reactor, &s->dev, 1, &mount, &s->fs, &why);
}

int bench_store_open(struct bench_env *env, const char *name, struct bench_store **ret_store)
{
	struct bench_store *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->reactor = env->reactor;
	bench_path(env->opt, name, s->path, sizeof(s->path));
	err = bench_file_make(s->path, env->opt->size);
	if (!err)
		err = blkfile_open(env->reactor, s->path, BLKFILE_EXCLUSIVE, &s->dev);
	if (!err)
		err = reactor_run(env->reactor, format_and_mount, s);
	if (err) {
		bench_store_close(s);
		return err;
	}
	*ret_store = s;
	return 0;
}

static FIBER_FN int abandon(void *arg)
{
	struct bench_store *s = arg;

	fs_abandon(s->fs);
	return 0;
}

void bench_store_close(struct bench_store *s)
{
	if (!s)
		return;
	if (s->fs)
		(void)!reactor_run(s->reactor, abandon, s);
	blkdev_close(s->dev);
	bench_file_remove(s->path);
	free(s);
}
