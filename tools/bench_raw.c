/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The yardstick: durable appends, one at a time, through the same block device code that the store uses, to a region
 * that was written before.
 */
#include <stdio.h>
#include <string.h>

#include "dev/blkfile.h"
#include "dev/reactor.h"
#include "tools/bench.h"

#define RAW_SIZE (64ULL << 20)
#define RAW_STEP (1u << 20)

struct raw_job {
	struct bench_env *env;
	size_t bytes;
	uint64_t ns;
	void *buf;
	struct bench_meter meter;
	struct bench_run run;
};

static FIBER_FN int fill(void *arg)
{
	struct bench_env *env = arg;
	void *buf = blkdev_buf_alloc(RAW_STEP);
	int err = 0;

	if (!buf)
		return -ENOMEM;
	for (uint64_t off = 0; !err && off < RAW_SIZE; off += RAW_STEP)
		err = blkdev_write(env->raw_dev, off, buf, RAW_STEP);
	if (!err)
		err = blkdev_flush(env->raw_dev);
	blkdev_buf_free(buf);
	return err;
}

int bench_raw_open(struct bench_env *env)
{
	char path[4096];
	int err;

	bench_path(env->opt, "raw", path, sizeof(path));
	err = bench_file_make(path, RAW_SIZE);
	if (err)
		return err;
	err = blkfile_open(env->reactor, path, BLKFILE_EXCLUSIVE, &env->raw_dev);
	if (err)
		return err;
	return reactor_run(env->reactor, fill, env);
}

static FIBER_FN int append(void *arg)
{
	struct raw_job *job = arg;
	struct bench_env *env = job->env;
	uint64_t begin = reactor_now_ns(env->reactor);
	uint64_t end = begin + job->ns;

	bench_meter_start(&job->meter, begin);
	/* At least once, however late we are. */
	do {
		uint64_t now;
		int err;

		if (env->raw_next + job->bytes > RAW_SIZE)
			env->raw_next = 0;
		err = blkdev_write_durable(env->raw_dev, env->raw_next, job->buf, job->bytes);
		if (err)
			return err;
		env->raw_next += job->bytes;
		now = reactor_now_ns(env->reactor);
		bench_hist_add(&job->meter.hist, now - begin, 1);
		begin = now;
	} while (begin < end);
	bench_meter_stop(&job->meter, begin, &job->run);
	return 0;
}

int bench_raw_run(struct bench_env *env, const struct bench_load *load, uint64_t ns, struct bench_run *ret_run)
{
	static struct raw_job job;
	int err;

	memset(&job, 0, sizeof(job));
	job.env = env;
	job.bytes = load->bytes;
	job.ns = ns;
	job.buf = blkdev_buf_alloc(load->bytes);
	if (!job.buf)
		return -ENOMEM;
	memset(job.buf, 0x5a, load->bytes);
	err = reactor_run(env->reactor, append, &job);
	blkdev_buf_free(job.buf);
	if (!err)
		*ret_run = job.run;
	return err;
}

void bench_raw_close(struct bench_env *env)
{
	char path[4096];

	blkdev_close(env->raw_dev);
	bench_path(env->opt, "raw", path, sizeof(path));
	bench_file_remove(path);
}
