/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of work, as a client of Linux would send them where it matters.  Promises: an operation that is counted
 * was answered with success; after finish() a worker leaves nothing open, and no file but those that create makes.
 */
#include <stdio.h>
#include <string.h>

#include "dev/reactor.h"
#include "tools/bench_nfs.h"

#define READDIR_BYTES (32u << 10)

/* What Linux asks for when it wants to know a file. */
static struct bitmap4 attrs_stat(void)
{
	return NFS_ATTRS(FATTR4_TYPE, FATTR4_CHANGE, FATTR4_SIZE, FATTR4_FSID, FATTR4_FILEID, FATTR4_MODE,
			 FATTR4_NUMLINKS, FATTR4_OWNER, FATTR4_OWNER_GROUP, FATTR4_RAWDEV, FATTR4_SPACE_USED,
			 FATTR4_TIME_ACCESS, FATTR4_TIME_METADATA, FATTR4_TIME_MODIFY, FATTR4_MOUNTED_ON_FILEID);
}

static struct bitmap4 attrs_readdir(void)
{
	return NFS_ATTRS(FATTR4_TYPE, FATTR4_CHANGE, FATTR4_SIZE, FATTR4_FSID, FATTR4_RDATTR_ERROR, FATTR4_FILEHANDLE,
			 FATTR4_FILEID, FATTR4_MODE, FATTR4_NUMLINKS, FATTR4_OWNER, FATTR4_OWNER_GROUP, FATTR4_RAWDEV,
			 FATTR4_SPACE_USED, FATTR4_TIME_ACCESS, FATTR4_TIME_METADATA, FATTR4_TIME_MODIFY,
			 FATTR4_MOUNTED_ON_FILEID);
}

static void begin(struct bench_nfs_worker *w, bool cachethis)
{
	nfs_session_begin(w->session, &w->c);
	w->c.cachethis = cachethis;
}

static void print_name(char *buf, size_t len, char prefix, uint64_t i)
{
	snprintf(buf, len, "%c%08llu", prefix, (unsigned long long)i);
}

static const struct nfs_fh *dir_of(const struct bench_nfs_worker *w, uint64_t i)
{
	return bench_nfs_tree_dir(w->job->server, w->job->many, i);
}

/* ---- names ---- */

/* PUTFH, OPEN, GETFH; returns GETFH's index. */
static uint32_t add_create(struct bench_nfs_worker *w, const struct nfs_fh *dir, const char *name)
{
	struct wire_attrs attrs = { .mode = 0644 };
	const struct nfs_open open = { .access = NFS_OPEN_BOTH,
				       .owner = w->owner,
				       .name = name,
				       .creates = true,
				       .mode = UNCHECKED4,
				       .attrs = &attrs };

	wire_bitmap_set(&attrs.mask, FATTR4_MODE);
	nfs_op_putfh(&w->c, dir);
	nfs_op_open(&w->c, &open);
	return nfs_op_getfh(&w->c);
}

FIBER_FN int bench_nfs_work_create(struct bench_nfs_worker *w)
{
	struct bench_nfs_job *job = w->job;
	struct nfs_fh *files = job->server->files[job->many];
	uint64_t i = job->names->next;
	char name[32];
	uint32_t at;
	int err;

	if (i >= job->end_name)
		return -ENOENT;
	job->names->next++;
	print_name(name, sizeof(name), job->names->prefix, i);
	begin(w, true);
	at = add_create(w, dir_of(w, i), name);
	nfs_op_close(&w->c, &nfs_stateid_current);
	err = bench_nfs_send(w);
	if (!err && job->names == &job->server->kept[job->many])
		err = nfs_op_got_fh(&w->c, at, &files[i]);
	return err;
}

/* As Linux does it: the attributes at once, and CLOSE in a request of its own. */
static FIBER_FN int create_linux(struct bench_nfs_worker *w)
{
	struct bench_nfs_job *job = w->job;
	uint64_t i = job->names->next++;
	char name[32];
	uint32_t at;
	int err;

	print_name(name, sizeof(name), job->names->prefix, i);
	begin(w, true);
	at = add_create(w, dir_of(w, i), name);
	nfs_op_access(&w->c, ACCESS4_READ | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_EXECUTE);
	nfs_op_getattr(&w->c, attrs_stat());
	err = bench_nfs_send(w);
	if (!err)
		err = nfs_op_got_fh(&w->c, at, &w->fh);
	if (!err)
		err = nfs_op_got_stateid(&w->c, at - 1, &w->stateid);
	if (err)
		return err;
	begin(w, true);
	nfs_op_putfh(&w->c, &w->fh);
	nfs_op_close(&w->c, &w->stateid);
	return bench_nfs_send(w);
}

static FIBER_FN int remove_file(struct bench_nfs_worker *w)
{
	struct bench_nfs_names *names = w->job->names;
	uint64_t i = names->first;
	char name[32];
	int err;

	if (i >= names->next)
		return -ENOENT;
	names->first++;
	print_name(name, sizeof(name), names->prefix, i);
	begin(w, true);
	nfs_op_putfh(&w->c, dir_of(w, i));
	nfs_op_remove(&w->c, name);
	err = bench_nfs_send(w);
	/* A create that failed has left a gap. */
	return err == NFS4ERR_NOENT ? 0 : err;
}

/* Each worker has a file of its own, with two names in turn. */
static FIBER_FN int rename_begin(struct bench_nfs_worker *w)
{
	w->file = w->job->server->next_name++;
	print_name(w->names[0], sizeof(w->names[0]), 'r', w->file);
	print_name(w->names[1], sizeof(w->names[1]), 's', w->file);
	begin(w, true);
	add_create(w, dir_of(w, w->file), w->names[0]);
	nfs_op_close(&w->c, &nfs_stateid_current);
	return bench_nfs_send(w);
}

static FIBER_FN int rename_step(struct bench_nfs_worker *w)
{
	unsigned int from = w->pos++ & 1;

	begin(w, true);
	nfs_op_putfh(&w->c, dir_of(w, w->file));
	nfs_op_savefh(&w->c);
	nfs_op_rename(&w->c, w->names[from], w->names[!from]);
	return bench_nfs_send(w);
}

static FIBER_FN int rename_end(struct bench_nfs_worker *w)
{
	begin(w, true);
	nfs_op_putfh(&w->c, dir_of(w, w->file));
	nfs_op_remove(&w->c, w->names[w->pos & 1]);
	return bench_nfs_send(w);
}

/* ---- looking ---- */

static uint64_t random_file(struct bench_nfs_worker *w)
{
	return reactor_random_below(w->job->b->reactor, w->job->b->opt->files);
}

static FIBER_FN int open_close(struct bench_nfs_worker *w)
{
	uint64_t i = random_file(w);
	struct nfs_open open = { .access = NFS_OPEN_READ, .owner = w->owner };
	char name[32];
	uint32_t at;
	int err;

	print_name(name, sizeof(name), w->job->server->kept[w->job->many].prefix, i);
	open.name = name;
	begin(w, true);
	nfs_op_putfh(&w->c, dir_of(w, i));
	at = nfs_op_open(&w->c, &open);
	nfs_op_getfh(&w->c);
	nfs_op_access(&w->c, ACCESS4_READ | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_EXECUTE);
	nfs_op_getattr(&w->c, attrs_stat());
	err = bench_nfs_send(w);
	if (!err)
		err = nfs_op_got_stateid(&w->c, at, &w->stateid);
	if (err)
		return err;
	begin(w, true);
	nfs_op_putfh(&w->c, &w->job->server->files[w->job->many][i]);
	nfs_op_close(&w->c, &w->stateid);
	return bench_nfs_send(w);
}

static FIBER_FN int stat_file(struct bench_nfs_worker *w)
{
	begin(w, false);
	nfs_op_putfh(&w->c, &w->job->server->files[w->job->many][random_file(w)]);
	nfs_op_getattr(&w->c, attrs_stat());
	return bench_nfs_send(w);
}

static FIBER_FN int lookup(struct bench_nfs_worker *w)
{
	uint64_t i = random_file(w);
	char name[32];

	print_name(name, sizeof(name), w->job->server->kept[w->job->many].prefix, i);
	begin(w, false);
	nfs_op_putfh(&w->c, dir_of(w, i));
	nfs_op_lookup(&w->c, name);
	nfs_op_getfh(&w->c);
	nfs_op_getattr(&w->c, attrs_stat());
	return bench_nfs_send(w);
}

static FIBER_FN int readdir_begin(struct bench_nfs_worker *w)
{
	w->file = w->number;
	return 0;
}

/* One READDIR; at the end of a directory the next one begins. */
static FIBER_FN int readdir_step(struct bench_nfs_worker *w)
{
	struct nfs_readdir readdir = {
		.cookie = w->pos, .dircount = READDIR_BYTES, .maxcount = READDIR_BYTES, .attrs = attrs_readdir()
	};
	struct wire_dir_reader reader;
	struct entry4 entry;
	READDIR4resok ok;
	uint32_t at;
	int err;

	memcpy(readdir.verifier, w->verifier, sizeof(readdir.verifier));
	begin(w, false);
	nfs_op_putfh(&w->c, dir_of(w, w->file));
	at = nfs_op_readdir(&w->c, &readdir);
	err = bench_nfs_send(w);
	if (!err)
		err = nfs_op_got_readdir(&w->c, at, &ok);
	if (err)
		return err;
	wire_dir_open(&reader, &ok.reply);
	while (wire_dir_next(&reader, &entry) == 0) {
		w->pos = entry.cookie;
		w->job->units++;
	}
	memcpy(w->verifier, ok.cookieverf, sizeof(w->verifier));
	if (ok.reply.eof) {
		w->pos = 0;
		memset(w->verifier, 0, sizeof(w->verifier));
		w->file++;
	}
	return 0;
}

/* ---- contents ---- */

static uint64_t blocks_of(const struct bench_nfs_worker *w)
{
	uint64_t nr = w->job->b->opt->data / BENCH_NFS_DATA_FILES / w->job->work->bytes;

	return max_u64(nr, 1);
}

static FIBER_FN int data_begin(struct bench_nfs_worker *w)
{
	const struct nfs_open open = { .access = NFS_OPEN_BOTH, .owner = w->owner };
	uint32_t at;
	int err;

	w->fh = w->job->server->data_files[w->number % BENCH_NFS_DATA_FILES];
	/* Those that share a file begin at different places of it. */
	w->pos = (uint64_t)w->number / BENCH_NFS_DATA_FILES * 16;
	begin(w, true);
	nfs_op_putfh(&w->c, &w->fh);
	at = nfs_op_open(&w->c, &open);
	err = bench_nfs_send(w);
	if (!err)
		err = nfs_op_got_stateid(&w->c, at, &w->stateid);
	w->is_open = !err;
	return err;
}

static FIBER_FN int data_end(struct bench_nfs_worker *w)
{
	if (!w->is_open)
		return 0;
	begin(w, true);
	nfs_op_putfh(&w->c, &w->fh);
	nfs_op_close(&w->c, &w->stateid);
	return bench_nfs_send(w);
}

static uint64_t next_offset(struct bench_nfs_worker *w)
{
	const struct bench_nfs_work *work = w->job->work;
	uint64_t nr = blocks_of(w);
	uint64_t blk = work->random ? reactor_random_below(w->job->b->reactor, nr) : w->pos++ % nr;

	return blk * work->bytes;
}

static FIBER_FN int data_read(struct bench_nfs_worker *w)
{
	uint32_t bytes = w->job->work->bytes, at;
	READ4resok ok;
	int err;

	begin(w, false);
	nfs_op_putfh(&w->c, &w->fh);
	at = nfs_op_read(&w->c, &w->stateid, next_offset(w), bytes);
	err = bench_nfs_send(w);
	if (!err)
		err = nfs_op_got_read(&w->c, at, &ok);
	if (err)
		return err;
	w->job->units += ok.data.data_len;
	return ok.data.data_len == 0 ? -EPROTO : 0;
}

static FIBER_FN int data_write(struct bench_nfs_worker *w)
{
	uint32_t bytes = w->job->work->bytes, at;
	WRITE4resok ok;
	int err;

	begin(w, false);
	nfs_op_putfh(&w->c, &w->fh);
	at = nfs_op_write(&w->c, &w->stateid, next_offset(w), FILE_SYNC4, w->job->b->block, bytes);
	err = bench_nfs_send(w);
	if (!err)
		err = nfs_op_got_write(&w->c, at, &ok);
	if (err)
		return err;
	w->job->units += ok.count;
	return ok.committed == FILE_SYNC4 ? 0 : -EPROTO;
}

#define DATA(n, text, size, anywhere, fn)                                                                            \
	{                                                                                                            \
		.name = n, .what = text, .units = "bytes", .bytes = size, .random = anywhere, .is_default = true,    \
		.prepare = data_begin, .step = fn, .finish = data_end                                                \
	}

#define LAYOUT(n, text, first, fn, last)                                                                             \
	.name = n, .what = text, .needs_layouts = true, .is_default = true, .prepare = first, .step = fn,            \
	.finish = last

const struct bench_nfs_work bench_nfs_works[] = {
	{ .name = "create",
	  .what = "make a file, durable: OPEN, GETFH, CLOSE in one request",
	  .in_dirs = true,
	  .is_default = true,
	  .step = bench_nfs_work_create },
	{ .name = "remove",
	  .what = "remove a file, durable",
	  .in_dirs = true,
	  .takes_files = true,
	  .is_default = true,
	  .step = remove_file },
	{ .name = "create-linux",
	  .what = "make a file as Linux does: OPEN with attributes, and CLOSE in a request of its own",
	  .in_dirs = true,
	  .is_default = true,
	  .step = create_linux },
	{ .name = "open",
	  .what = "open a file that is there, with attributes, and close it: two requests",
	  .in_dirs = true,
	  .is_default = true,
	  .step = open_close },
	{ .name = "stat", .what = "GETATTR of a file", .in_dirs = true, .is_default = true, .step = stat_file },
	{ .name = "lookup",
	  .what = "LOOKUP and GETATTR of a file",
	  .in_dirs = true,
	  .is_default = true,
	  .step = lookup },
	{ .name = "readdir",
	  .what = "READDIR with attributes, 32 KiB at a time",
	  .units = "entries",
	  .in_dirs = true,
	  .is_default = true,
	  .prepare = readdir_begin,
	  .step = readdir_step },
	{ .name = "rename",
	  .what = "rename a file within its directory, durable",
	  .in_dirs = true,
	  .is_default = true,
	  .prepare = rename_begin,
	  .step = rename_step,
	  .finish = rename_end },
	DATA("read-4k", "read 4 KiB after 4 KiB", 4096, false, data_read),
	DATA("read-4k-random", "read 4 KiB anywhere", 4096, true, data_read),
	DATA("read-1m", "read 1 MiB after 1 MiB", 1 << 20, false, data_read),
	DATA("read-1m-random", "read 1 MiB anywhere", 1 << 20, true, data_read),
	DATA("write-4k", "write 4 KiB after 4 KiB, durable", 4096, false, data_write),
	DATA("write-4k-random", "write 4 KiB anywhere, durable", 4096, true, data_write),
	DATA("write-1m", "write 1 MiB after 1 MiB, durable", 1 << 20, false, data_write),
	DATA("write-1m-random", "write 1 MiB anywhere, durable", 1 << 20, true, data_write),
	{ LAYOUT("layout-new", "LAYOUTGET, LAYOUTCOMMIT and LAYOUTRETURN of 64 KiB of new space",
		 bench_nfs_layout_own, bench_nfs_cycle_new, bench_nfs_layout_remove) },
	{ LAYOUT("layout-kept", "the same of 64 KiB that were written before", bench_nfs_layout_kept,
		 bench_nfs_cycle_kept, bench_nfs_layout_remove) },
	{ LAYOUT("layout-shared", "the same in one file, in which each client has its own part",
		 bench_nfs_layout_shared, bench_nfs_cycle_shared, bench_nfs_layout_close),
	  .each_client = true },
	{ LAYOUT("layout-get", "LAYOUTGET alone, of 64 KiB that were written before", bench_nfs_layout_kept,
		 bench_nfs_get_kept, bench_nfs_layout_remove) },
};
const unsigned int bench_nfs_nr_works = ARRAY_SIZE(bench_nfs_works);
