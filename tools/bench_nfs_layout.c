/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Works with layouts: LAYOUTGET, LAYOUTCOMMIT and LAYOUTRETURN as a client sends them that writes 64 KiB at a time to
 * the devices; the devices themselves are left alone.  Promise: as in bench_nfs_work.c; and nothing that was granted
 * is kept.
 */
#include <stdio.h>
#include <string.h>

#include "dev/reactor.h"
#include "tools/bench_nfs.h"
#include "tools/nfs_op_layout.h"

#define RANGE	     (64u << 10) /* bytes of a cycle */
#define KEPT_BYTES   (4u << 20)	 /* of a file that is there already */
#define PIECE	     4096u
#define GROWN_BYTES  (1u << 20) /* in which every other piece is written */
#define GROWN_RANGES (GROWN_BYTES / PIECE / 2)

static void begin(struct bench_nfs_worker *w, bool cachethis)
{
	nfs_session_begin(w->session, &w->c);
	w->c.cachethis = cachethis;
	nfs_op_putfh(&w->c, &w->fh);
}

/* What is left of an operation that the server wants to be asked again: layouts of others are being recalled. */
static FIBER_FN int send_again(struct bench_nfs_worker *w)
{
	int err;

	if (w->asks_once) {
		err = nfs_session_send(w->session, &w->c);
		return err ? err : (int)w->c.status;
	}
	do {
		err = bench_nfs_send(w);
	} while (err == NFS4ERR_RECALLCONFLICT || err == NFS4ERR_LAYOUTTRYLATER);
	return err;
}

FIBER_FN int bench_nfs_layout_get(struct bench_nfs_worker *w, layoutiomode4 iomode, uint64_t off, uint64_t len,
				  uint64_t min, uint64_t *ret_len)
{
	struct nfs_layoutget get = { .type = (layouttype4)w->job->server->layout_type,
				     .iomode = iomode,
				     .offset = off,
				     .length = len,
				     .minlength = min,
				     .stateid = w->stateid };
	LAYOUTGET4resok ok;
	uint32_t at;
	int err;

	begin(w, false);
	at = nfs_op_layoutget(&w->c, &get);
	err = send_again(w);
	if (!err)
		err = nfs_op_got_layout(&w->c, at, &ok);
	if (err)
		return err;
	if (ok.logr_layout.logr_layout_len == 0 || ok.logr_layout.logr_layout_val[0].lo_offset > off)
		return -EPROTO;
	w->layout = ok.logr_stateid;
	*ret_len = ok.logr_layout.logr_layout_val[0].lo_offset + ok.logr_layout.logr_layout_val[0].lo_length - off;
	return 0;
}

static FIBER_FN int layout_commit(struct bench_nfs_worker *w, const struct nfs_range *ranges, uint32_t nr)
{
	const struct nfs_range *end = &ranges[nr - 1];
	struct nfs_layoutcommit commit = { .type = (layouttype4)w->job->server->layout_type,
					   .stateid = w->layout,
					   .length = end->offset + end->length,
					   .has_last = true,
					   .last = end->offset + end->length - 1,
					   .ranges = ranges,
					   .nr = nr };

	begin(w, true);
	nfs_op_layoutcommit(&w->c, &commit);
	nfs_op_getattr(&w->c, NFS_ATTRS(FATTR4_CHANGE, FATTR4_SIZE, FATTR4_TIME_METADATA, FATTR4_TIME_MODIFY));
	return bench_nfs_send(w);
}

FIBER_FN int bench_nfs_layout_return(struct bench_nfs_worker *w, uint64_t off, uint64_t len)
{
	struct nfs_layoutreturn ret = { .type = (layouttype4)w->job->server->layout_type,
					.iomode = LAYOUTIOMODE4_ANY,
					.how = LAYOUTRETURN4_FILE,
					.offset = off,
					.length = len,
					.stateid = w->layout };

	begin(w, true);
	nfs_op_layoutreturn(&w->c, &ret);
	return bench_nfs_send(w);
}

/* ---- files ---- */

FIBER_FN int bench_nfs_layout_open(struct bench_nfs_worker *w, const char *name)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0644 };
	const struct nfs_open open = { .access = NFS_OPEN_BOTH,
				       .owner = w->owner,
				       .name = name,
				       .creates = true,
				       .mode = UNCHECKED4,
				       .attrs = &attrs };
	uint32_t at, at_fh;
	int err;

	nfs_session_begin(w->session, &w->c);
	nfs_op_putfh(&w->c, &w->job->server->data);
	at = nfs_op_open(&w->c, &open);
	at_fh = nfs_op_getfh(&w->c);
	err = bench_nfs_send(w);
	if (!err)
		err = nfs_op_got_stateid(&w->c, at, &w->stateid);
	if (!err)
		err = nfs_op_got_fh(&w->c, at_fh, &w->fh);
	w->is_open = !err;
	return err;
}

FIBER_FN int bench_nfs_layout_close(struct bench_nfs_worker *w)
{
	if (!w->is_open)
		return 0;
	w->is_open = false;
	begin(w, true);
	nfs_op_close(&w->c, &w->stateid);
	return bench_nfs_send(w);
}

FIBER_FN int bench_nfs_layout_own(struct bench_nfs_worker *w)
{
	w->pos = 0;
	w->file = w->job->server->next_name++;
	snprintf(w->names[0], sizeof(w->names[0]), "l%08llu", (unsigned long long)w->file);
	return bench_nfs_layout_open(w, w->names[0]);
}

FIBER_FN int bench_nfs_layout_remove(struct bench_nfs_worker *w)
{
	int err = bench_nfs_layout_close(w);

	if (err)
		return err;
	nfs_session_begin(w->session, &w->c);
	nfs_op_putfh(&w->c, &w->job->server->data);
	nfs_op_remove(&w->c, w->names[0]);
	return bench_nfs_send(w);
}

FIBER_FN int bench_nfs_layout_kept(struct bench_nfs_worker *w)
{
	struct nfs_file file = { .session = w->session };
	int err = bench_nfs_layout_own(w);

	file.fh = w->fh;
	file.stateid = w->stateid;
	for (uint64_t off = 0; !err && off < KEPT_BYTES; off += BENCH_NFS_BLOCK_MAX)
		err = nfs_file_write(&file, off, w->job->b->block, BENCH_NFS_BLOCK_MAX, UNSTABLE4);
	return err ? err : nfs_file_commit(&file);
}

FIBER_FN int bench_nfs_layout_shared(struct bench_nfs_worker *w)
{
	return bench_nfs_layout_open(w, "shared");
}

/* ---- cycles ---- */

static FIBER_FN int cycle(struct bench_nfs_worker *w, uint64_t off)
{
	struct nfs_range range = { off, RANGE };
	uint64_t len;
	int err = bench_nfs_layout_get(w, LAYOUTIOMODE4_RW, off, RANGE, RANGE, &len);

	if (err)
		return err;
	range.length = len < RANGE ? len : RANGE;
	err = layout_commit(w, &range, 1);
	return err ? err : bench_nfs_layout_return(w, off, len);
}

FIBER_FN int bench_nfs_cycle_new(struct bench_nfs_worker *w)
{
	return cycle(w, w->pos++ * RANGE);
}

FIBER_FN int bench_nfs_cycle_kept(struct bench_nfs_worker *w)
{
	return cycle(w, w->pos++ % (KEPT_BYTES / RANGE) * RANGE);
}

FIBER_FN int bench_nfs_cycle_shared(struct bench_nfs_worker *w)
{
	return cycle(w, ((uint64_t)w->number * (KEPT_BYTES / RANGE) + w->pos++ % (KEPT_BYTES / RANGE)) * RANGE);
}

/* Only the LAYOUTGET counts. */
static FIBER_FN int get_timed(struct bench_nfs_worker *w, uint64_t off, uint64_t min)
{
	uint64_t start = reactor_now_ns(w->job->b->reactor), len;
	int err = bench_nfs_layout_get(w, LAYOUTIOMODE4_READ, off, RANGE, min, &len);

	w->took_ns = reactor_now_ns(w->job->b->reactor) - start;
	return err ? err : bench_nfs_layout_return(w, 0, NFS4_UINT64_MAX);
}

FIBER_FN int bench_nfs_get_kept(struct bench_nfs_worker *w)
{
	return get_timed(w, reactor_random_below(w->job->b->reactor, KEPT_BYTES / RANGE) * RANGE, RANGE);
}

/* ---- a volume of many extents ---- */

static FIBER_FN int grow_begin(struct bench_nfs_worker *w)
{
	snprintf(w->names[0], sizeof(w->names[0]), "grown-%u", w->number);
	w->pos = w->job->server->grown[w->number];
	return bench_nfs_layout_open(w, w->names[0]);
}

/* Another MiB, in which every other piece is committed: each is an extent. */
static FIBER_FN int grow_step(struct bench_nfs_worker *w)
{
	struct bench_nfs_server *s = w->job->server;
	struct nfs_range ranges[GROWN_RANGES];
	uint32_t nr = 0;
	uint64_t len;
	int err;

	if (s->extents >= s->extents_wanted)
		return -ENOENT;
	err = bench_nfs_layout_get(w, LAYOUTIOMODE4_RW, w->pos, GROWN_BYTES, PIECE, &len);
	if (err)
		return err;
	len = len < GROWN_BYTES ? len : GROWN_BYTES;
	for (uint64_t off = 0; off < len && nr < GROWN_RANGES; off += 2 * PIECE)
		ranges[nr++] = (struct nfs_range){ w->pos + off, PIECE };
	err = layout_commit(w, ranges, nr);
	if (!err)
		err = bench_nfs_layout_return(w, 0, NFS4_UINT64_MAX);
	w->pos += len < 2 * PIECE ? 2 * PIECE : round_down_u64(len, 2 * PIECE);
	s->grown[w->number] = w->pos;
	s->extents += nr;
	return err;
}

static FIBER_FN int grown_begin(struct bench_nfs_worker *w)
{
	snprintf(w->names[0], sizeof(w->names[0]), "grown-0");
	return bench_nfs_layout_open(w, w->names[0]);
}

static FIBER_FN int get_grown(struct bench_nfs_worker *w)
{
	uint64_t nr = w->job->server->grown[0] / RANGE;

	return get_timed(w, reactor_random_below(w->job->b->reactor, nr ? nr : 1) * RANGE, PIECE);
}

static const struct bench_nfs_work work_grow = {
	.name = "make extents", .prepare = grow_begin, .step = grow_step, .finish = bench_nfs_layout_close
};
static const struct bench_nfs_work work_grown = {
	.name = "LAYOUTGET", .prepare = grown_begin, .step = get_grown, .finish = bench_nfs_layout_close
};

static int growth_measure(struct bench_nfs *b, struct bench_nfs_server *s, uint64_t extents,
			  struct bench_nfs_growth *growth)
{
	struct bench_nfs_job job = { .b = b,
				     .server = s,
				     .work = &work_grow,
				     .outstanding = BENCH_NFS_GROWERS,
				     .nr_sessions = 1,
				     .ns = UINT64_MAX / 4 };
	int err;

	s->extents_wanted = extents;
	err = bench_nfs_run(&job);
	if (err)
		return err;
	growth->extents = s->extents;
	job = (struct bench_nfs_job){ .b = b,
				      .server = s,
				      .work = &work_grown,
				      .outstanding = 1,
				      .nr_sessions = 1,
				      .ns = (uint64_t)(b->opt->seconds * 1e9) * b->opt->repeats };
	err = bench_nfs_run(&job);
	if (err)
		return err;
	growth->p50_us = (double)job.run.p50_ns / 1e3;
	growth->p99_us = (double)job.run.p99_ns / 1e3;
	return 0;
}

int bench_nfs_layout_growth(struct bench_nfs *b, struct bench_nfs_server *s)
{
	int err = 0;

	for (uint64_t n = BENCH_NFS_GROWTH_FIRST; !err && b->nr_growth < BENCH_NFS_STEPS; n *= 1000) {
		n = n < b->opt->extents ? n : b->opt->extents;
		err = growth_measure(b, s, n, &b->growth[b->nr_growth]);
		b->nr_growth += !err;
		if (n == b->opt->extents)
			break;
	}
	return err;
}

/* ---- which type of layouts ---- */

static FIBER_FN int type_step(struct bench_nfs_worker *w)
{
	struct bench_nfs_server *s = w->job->server;
	struct wire_attrs attrs;
	uint32_t at;
	int err;

	if (w->turns++)
		return -ENOENT;
	nfs_session_begin(w->session, &w->c);
	nfs_op_putfh(&w->c, &s->data);
	at = nfs_op_getattr(&w->c, NFS_ATTRS(FATTR4_FS_LAYOUT_TYPES));
	err = bench_nfs_send(w);
	if (!err)
		err = nfs_op_got_attrs(&w->c, at, &attrs);
	if (err || !wire_bitmap_test(&attrs.mask, FATTR4_FS_LAYOUT_TYPES))
		return err;
	for (unsigned int i = 0; i < attrs.fs_layout_types.fattr4_fs_layout_types_len; i++) {
		uint32_t type = attrs.fs_layout_types.fattr4_fs_layout_types_val[i];

		/* As Linux prefers them. */
		if (type == LAYOUT4_SCSI || (type == LAYOUT4_BLOCK_VOLUME && s->layout_type != LAYOUT4_SCSI))
			s->layout_type = type;
	}
	return 0;
}

int bench_nfs_layout_type(struct bench_nfs *b, struct bench_nfs_server *s)
{
	static const struct bench_nfs_work work = { .name = "ask for layout types", .step = type_step };
	struct bench_nfs_job job = {
		.b = b, .server = s, .work = &work, .outstanding = 1, .nr_sessions = 1, .ns = UINT64_MAX / 4
	};

	return bench_nfs_run(&job);
}
