/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the works need on a server: one directory, many directories, the same number of files in both, and a few
 * files with contents; all below one directory that nothing else has, so that removing that removes everything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/reactor.h"
#include "tools/bench_nfs.h"
#include "tools/nfs_status.h"

#define MAKERS 16 /* outstanding: what any server grants in one session */

const struct nfs_fh *bench_nfs_tree_dir(const struct bench_nfs_server *server, bool many, uint64_t i)
{
	return many ? &server->many[i % BENCH_NFS_DIRS] : &server->one;
}

/* ---- single steps, as works of one worker ---- */

static FIBER_FN int step_dirs(struct bench_nfs_worker *w)
{
	struct bench_nfs_server *s = w->job->server;
	struct nfs_fh top;
	char name[32];
	int err;

	if (w->turns++)
		return -ENOENT;
	snprintf(s->base_name, sizeof(s->base_name), "lamina-bench-%d-%08x", (int)getpid(),
		 (unsigned int)reactor_random(w->job->b->reactor));
	err = nfs_file_walk(w->session, NULL, s->path, &top);
	if (!err)
		err = nfs_file_mkdir(w->session, &top, s->base_name, 0755, &s->base);
	if (!err)
		err = nfs_file_mkdir(w->session, &s->base, "one", 0755, &s->one);
	if (!err)
		err = nfs_file_mkdir(w->session, &s->base, "data", 0755, &s->data);
	for (unsigned int i = 0; !err && i < BENCH_NFS_DIRS; i++) {
		snprintf(name, sizeof(name), "many-%u", i);
		err = nfs_file_mkdir(w->session, &s->base, name, 0755, &s->many[i]);
	}
	return err;
}

static FIBER_FN int step_data(struct bench_nfs_worker *w)
{
	const struct bench_nfs *b = w->job->b;
	struct bench_nfs_server *s = w->job->server;
	uint64_t size = max_u64(b->opt->data / BENCH_NFS_DATA_FILES, BENCH_NFS_BLOCK_MAX);
	struct nfs_file file;
	char name[32];
	int err, close_err;

	if (w->turns++ || w->number >= BENCH_NFS_DATA_FILES)
		return -ENOENT;
	snprintf(name, sizeof(name), "data-%u", w->number);
	err = nfs_file_create(w->session, &s->data, name, &file);
	if (err)
		return err;
	s->data_files[w->number] = file.fh;
	for (uint64_t off = 0; !err && off < size; off += BENCH_NFS_BLOCK_MAX)
		err = nfs_file_write(&file, off, b->block, BENCH_NFS_BLOCK_MAX, UNSTABLE4);
	if (!err)
		err = nfs_file_commit(&file);
	close_err = nfs_file_close(&file);
	return err ? err : close_err;
}

/* What is left when the files are gone. */
static FIBER_FN int step_remove(struct bench_nfs_worker *w)
{
	struct nfs_fh top;
	int err;

	if (w->turns++)
		return -ENOENT;
	err = nfs_file_walk(w->session, NULL, w->job->server->path, &top);
	return err ? err : nfs_file_remove_tree(w->session, &top, w->job->server->base_name);
}

static const struct bench_nfs_work work_dirs = { .name = "make directories", .step = step_dirs };
static const struct bench_nfs_work work_files = { .name = "make files", .step = bench_nfs_work_create };
static const struct bench_nfs_work work_data = { .name = "write files", .step = step_data };
static const struct bench_nfs_work work_remove = { .name = "remove everything", .step = step_remove };

/* ---- all of it ---- */

static int run(struct bench_nfs *b, struct bench_nfs_server *s, const struct bench_nfs_work *work,
	       unsigned int outstanding, struct bench_nfs_names *names)
{
	struct bench_nfs_job job = { .b = b,
				     .server = s,
				     .work = work,
				     .outstanding = outstanding,
				     .nr_sessions = 1,
				     .names = names,
				     .ns = UINT64_MAX / 4 };

	if (names) {
		job.many = names->many;
		job.end_name = work == &work_files ? b->opt->files : UINT64_MAX;
	}
	return bench_nfs_run(&job);
}

static bool wants_data(const struct bench_nfs *b)
{
	for (unsigned int i = 0; i < bench_nfs_nr_works; i++) {
		if ((b->opt->works & 1ull << i) && bench_nfs_works[i].bytes)
			return true;
	}
	return false;
}

int bench_nfs_tree_make(struct bench_nfs *b, struct bench_nfs_server *s)
{
	int err = run(b, s, &work_dirs, 1, NULL);

	for (unsigned int many = 0; !err && many < 2; many++) {
		s->kept[many] = (struct bench_nfs_names){ .prefix = 'f', .many = many };
		s->made[many] = (struct bench_nfs_names){ .prefix = 'c', .many = many };
		s->files[many] = calloc(b->opt->files, sizeof(*s->files[many]));
		err = s->files[many] ? run(b, s, &work_files, MAKERS, &s->kept[many]) : -ENOMEM;
	}
	if (!err && wants_data(b))
		err = run(b, s, &work_data, MAKERS, NULL);
	return err;
}

int bench_nfs_tree_remove(struct bench_nfs *b, struct bench_nfs_server *s)
{
	int err = 0;

	for (unsigned int i = 0; i < bench_nfs_nr_works; i++) {
		if (!bench_nfs_works[i].takes_files || s->is_ours || !s->base_name[0])
			continue;
		for (unsigned int many = 0; !err && many < 2; many++)
			err = run(b, s, &bench_nfs_works[i], MAKERS, &s->kept[many]);
		for (unsigned int many = 0; !err && many < 2; many++)
			err = run(b, s, &bench_nfs_works[i], MAKERS, &s->made[many]);
	}
	if (!err && !s->is_ours && s->base_name[0])
		err = run(b, s, &work_remove, 1, NULL);
	for (unsigned int many = 0; many < 2; many++)
		free(s->files[many]);
	return err;
}
