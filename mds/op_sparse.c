// SPDX-License-Identifier: Apache-2.0
/*
 * ALLOCATE, DEALLOCATE, READ_PLUS and SEEK (RFC 7862, 15.1, 15.4, 15.10, 15.11).
 *
 * A hole is what reads as zeros and never was written: no blocks, or blocks that hold nothing yet.  Zeros that were
 * written are data.
 *
 * READ_PLUS answers with data and holes in order and without gaps, from the offset on, up to a bounded number of
 * pieces; data lie where the reply has them.  It is not one instant: between two pieces others may write, as between
 * two READs.
 */

#include "dev/base.h"
#include "extent/data.h"
#include "mds/atime.h"
#include "mds/io_check.h"
#include "mds/mds.h"
#include "mds/ops.h"
#include "mds/status.h"

/* A range to be changed, and how. */
struct range {
	uint64_t off;
	uint64_t len;
	FIBER_FN int (*alter)(struct fs *fs, uint64_t ino, uint64_t generation, uint64_t off, uint64_t len,
			      const struct data_also *also, struct inode *ret_inode, uint64_t *ret_seq);
};

static FIBER_FN nfsstat4 change_range(struct compound *c, const struct stateid4 *stateid, const struct range *range)
{
	struct compound_also also;
	struct inode inode, after;
	nfsstat4 status = io_check(c, stateid, STATE_WRITE, &inode);
	uint64_t seq;

	if (status == NFS4_OK && range->len == 0)
		status = NFS4ERR_INVAL;
	if (status == NFS4_OK)
		status = io_check_suid(c, &inode);
	if (status != NFS4_OK)
		return status;
	compound_also_init(&also, c, NULL, NULL);
	if (range->alter == data_deallocate)
		layout_guard_frees(&also.guard, c->fh.ino, range->off, range->off + range->len);
	status = nfs_status(range->alter(c->mds->fs, c->fh.ino, c->fh.generation, range->off, range->len, &also.also,
					 &after, &seq));
	if (status == NFS4_OK)
		compound_did(c, seq);
	return status;
}

FIBER_FN nfsstat4 op_allocate(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct ALLOCATE4args *args = &arg->nfs_argop4_u.opallocate;
	struct range range = { args->aa_offset, args->aa_length, data_allocate };
	nfsstat4 status = io_check_range(args->aa_offset, args->aa_length);

	return status != NFS4_OK ? status : change_range(c, &args->aa_stateid, &range);
}

FIBER_FN nfsstat4 op_deallocate(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct DEALLOCATE4args *args = &arg->nfs_argop4_u.opdeallocate;
	struct range range = { args->da_offset, args->da_length, data_deallocate };
	nfsstat4 status = io_check_range(args->da_offset, args->da_length);

	/* Behind what a file can hold is nothing that could be taken away; FBIG is none of its errors. */
	if (status == NFS4ERR_FBIG) {
		range.off = min_u64(range.off, INODE_SIZE_MAX - 1);
		range.len = INODE_SIZE_MAX - range.off;
		status = NFS4_OK;
	}
	return status != NFS4_OK ? status : change_range(c, &args->da_stateid, &range);
}

FIBER_FN nfsstat4 op_seek(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct SEEK4args *args = &arg->nfs_argop4_u.opseek;
	struct seek_res4 *ok = &res->nfs_resop4_u.opseek.SEEK4res_u.resok4;
	bool want_data = args->sa_what == NFS4_CONTENT_DATA;
	struct inode inode;
	uint64_t off;
	bool eof;
	nfsstat4 status;
	int err;

	if (!want_data && args->sa_what != NFS4_CONTENT_HOLE)
		return NFS4ERR_UNION_NOTSUPP;
	status = io_check(c, &args->sa_stateid, STATE_READ, &inode);
	if (status != NFS4_OK)
		return status;
	if (args->sa_offset >= inode.size)
		return NFS4ERR_NXIO;
	err = data_seek(c->mds->fs, c->fh.ino, c->fh.generation, args->sa_offset, want_data, &off, &eof);
	compound_saw(c, c->fh.ino);
	/* No data up to the end is an answer, not an error. */
	if (err == -ENXIO && want_data) {
		off = inode.size;
		eof = true;
		err = 0;
	}
	if (err)
		return err == -ENXIO ? NFS4ERR_NXIO : nfs_status(err);
	ok->sr_eof = eof;
	ok->sr_offset = off;
	return NFS4_OK;
}

/* Bytes on the wire: before the first piece; of a hole; of a piece of data before the data. */
#define PLUS_HEAD 16u
#define PLUS_HOLE 20u
#define PLUS_DATA 16u
/*
 * A shorter hole is told as zeros.  Linux puts the pieces where the data goes, which has room for as much as it asked
 * for: where a hole's words don't fit there it fails with an I/O error (seen with 6.12 and 7.2 and one byte).
 */
#define PLUS_HOLE_MIN DADDR_BLOCK_SIZE
/* Pieces of one answer: the rest of a file that is torn to pieces comes with the next. */
#define PLUS_PIECES_MAX 64u

static_assert(PLUS_PIECES_MAX <= NFS4_SEGMENTS_MAX, "pieces of READ_PLUS");

struct plus {
	struct compound *c;
	struct read_plus_content *pieces;
	unsigned int nr;
	uint32_t used; /* bytes of the result on the wire */
	uint64_t pos;
	uint64_t end;  /* of what is wanted and is there */
	uint64_t size; /* of the file */
	bool full;
	bool eof;
};

static uint32_t plus_room(const struct plus *p, uint32_t head, char **ret_at)
{
	uint32_t room;

	*ret_at = wire_results_place(&p->c->out, p->used + head, &room);
	return room;
}

static void plus_hole(struct plus *p, uint64_t end)
{
	struct read_plus_content *piece = &p->pieces[p->nr];
	char *at;

	/* The place before a hole's end is inside it or at it, so what remains says whether all of it fits. */
	if (plus_room(p, PLUS_HOLE - 4, &at) < 4) {
		p->full = true;
		return;
	}
	piece->rpc_content = NFS4_CONTENT_HOLE;
	piece->read_plus_content_u.rpc_hole.di_offset = p->pos;
	piece->read_plus_content_u.rpc_hole.di_length = end - p->pos;
	p->nr++;
	p->used += PLUS_HOLE;
	p->pos = end;
}

static FIBER_FN int plus_data(struct plus *p, uint64_t end)
{
	struct data4 *data = &p->pieces[p->nr].read_plus_content_u.rpc_data;
	const struct fh *fh = &p->c->fh;
	uint64_t want = min_u64(end - p->pos, DATA_IO_MAX);
	char *at;
	uint32_t room = plus_room(p, PLUS_DATA, &at);
	uint32_t len;
	bool eof;
	int err;

	p->full = room < want;
	if (room == 0)
		return 0;
	err = data_read(p->c->mds->fs, fh->ino, fh->generation, p->pos, at, (uint32_t)min_u64(want, room), &len,
			&eof);
	if (err)
		return err;
	/* Somebody has truncated the file meanwhile. */
	if (len < min_u64(want, room))
		p->full = p->eof = true;
	if (len == 0)
		return 0;
	p->pieces[p->nr].rpc_content = NFS4_CONTENT_DATA;
	data->d_offset = p->pos;
	data->d_data.d_data_len = len;
	data->d_data.d_data_val = at;
	p->nr++;
	p->used += PLUS_DATA + (uint32_t)round_up_u64(len, 4);
	p->pos += len;
	return 0;
}

/* The next piece. */
static FIBER_FN int plus_step(struct plus *p)
{
	const struct fh *fh = &p->c->fh;
	struct fs *fs = p->c->mds->fs;
	uint64_t data, hole = p->end;
	bool eof;
	int err = data_seek(fs, fh->ino, fh->generation, p->pos, true, &data, &eof);

	if (err == -ENXIO) {
		data = p->size;
		err = 0;
	}
	if (err)
		return err;
	data = min_u64(data, p->end);
	if (data - p->pos >= PLUS_HOLE_MIN) {
		plus_hole(p, data);
		return 0;
	}
	if (data < p->end)
		err = data_seek(fs, fh->ino, fh->generation, data, false, &hole, &eof);
	if (err == -ENXIO) {
		p->full = p->eof = true;
		return 0;
	}
	return err ? err : plus_data(p, min_u64(hole, p->end));
}

FIBER_FN nfsstat4 op_read_plus(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct READ_PLUS4args *args = &arg->nfs_argop4_u.opread_plus;
	struct read_plus_res4 *ok = &res->nfs_resop4_u.opread_plus.READ_PLUS4res_u.rp_resok4;
	struct plus p = { .c = c, .used = PLUS_HEAD, .pos = args->rpa_offset };
	struct inode inode;
	nfsstat4 status = io_check(c, &args->rpa_stateid, STATE_READ, &inode);
	int err = 0;

	if (status != NFS4_OK)
		return status;
	p.pieces = wire_arena_alloc(&c->arena, PLUS_PIECES_MAX * sizeof(*p.pieces));
	if (!p.pieces)
		return NFS4ERR_DELAY;
	p.size = inode.size;
	p.end = p.pos < p.size ? p.pos + min_u64(args->rpa_count, p.size - p.pos) : p.pos;
	while (!err && p.pos < p.end && p.nr < PLUS_PIECES_MAX && !p.full)
		err = plus_step(&p);
	if (err)
		return nfs_status(err);
	if (p.pos < p.end && p.nr == 0 && !p.eof)
		return NFS4ERR_REP_TOO_BIG;
	compound_saw(c, c->fh.ino);
	if (p.nr > 0)
		atime_note(c, &inode);
	ok->rpr_eof = p.eof || p.pos >= p.size;
	ok->rpr_contents.rpr_contents_len = p.nr;
	ok->rpr_contents.rpr_contents_val = p.pieces;
	return NFS4_OK;
}
