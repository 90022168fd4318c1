/* SPDX-License-Identifier: Apache-2.0 */

/*
 * READDIR (RFC 8881, 18.23).
 *
 * Promise: who reads on with the last cookie sees each name that is there all the time exactly once, whatever comes
 * and goes meanwhile and across restarts.  A reply is read in steps of one instant each, so directories of any size
 * cost bounded transactions; it is not one instant as a whole.
 *
 * A cookie is the entry's own for its whole life, so the cookie verifier need not say anything: it is always zeros.
 */

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/dir.h"
#include "mds/config.h"
#include "mds/mds.h"
#include "mds/ops.h"
#include "mds/place.h"
#include "mds/status.h"
#include "proto/wire_dir.h"

#define READDIR_STEP	  64		/* entries in one transaction */
#define READDIR_BYTES_MAX (256u * 1024) /* of a reply, whatever the client asks for */
#define READDIR_ENTRY_MIN 64		/* bytes that an entry takes at least, about */
/* Bytes that an entry takes at most: flag, cookie, name, mask, values. */
#define READDIR_ENTRY_MAX (4 + 8 + 4 + 256 + 16 + 4 + ATTR_BYTES_MAX)

struct readdir_entry {
	struct dir_entry entry;
	struct attr_of of;
	int err; /* its attributes cannot be had */
};

struct readdir {
	struct compound *c;
	const struct READDIR4args *args;
	struct cred cred;
	uint64_t cookie; /* of the last entry that was told */
	bool eof;

	/* the reply */
	struct wire_dir_writer writer;
	uint32_t size;	   /* bytes for entries */
	uint32_t dir_used; /* of dircount */
	unsigned int nr;
	bool full;

	/* one step */
	bool want_inode; /* the entry alone does not tell what is asked for */
	nfsstat4 status;
	struct inode dir;
	unsigned int nr_step, step_max;
	bool step_eof;
	struct readdir_entry step[READDIR_STEP];
};

/* What an entry tells by itself: its type and number, and what is the same for all. */
static bool wants_inode(const struct bitmap4 *asked)
{
	static const uint8_t inodes[] = {
		FATTR4_CHANGE,	    FATTR4_SIZE,	  FATTR4_FILEHANDLE,  FATTR4_MODE,	 FATTR4_NUMLINKS,
		FATTR4_OWNER,	    FATTR4_OWNER_GROUP,	  FATTR4_RAWDEV,      FATTR4_SPACE_USED, FATTR4_TIME_ACCESS,
		FATTR4_TIME_CREATE, FATTR4_TIME_METADATA, FATTR4_TIME_MODIFY,
	};

	for (size_t i = 0; i < sizeof(inodes); i++) {
		if (wire_bitmap_test(asked, inodes[i]))
			return true;
	}
	return false;
}

/* Attributes of @e, which was found by the last dir_next(). */
static int readdir_attrs(struct txn *txn, const struct readdir *r, struct readdir_entry *e)
{
	const struct fh *dir = &r->c->fh;
	int err;

	e->err = 0;
	e->of = (struct attr_of){ .fh = *dir, .inode = { .ino = e->entry.ino, .mode = DTTOIF(e->entry.type) } };
	if (r->want_inode) {
		err = inode_get(txn, e->entry.ino, &e->of.inode);
		/* One damaged inode must not hide the directory. */
		if (err == -ENOENT || err == -EUCLEAN) {
			e->err = -EUCLEAN;
			return 0;
		}
		if (err)
			return err;
	}
	e->of.fh.ino = e->of.inode.ino;
	e->of.fh.generation = e->of.inode.generation;
	return place_cross(txn, r->c, dir, e->entry.name, e->entry.name_len, &e->of);
}

static int readdir_body(struct txn *txn, void *arg)
{
	struct readdir *r = arg;
	uint64_t after = r->cookie;
	int err;

	r->nr_step = 0;
	r->step_eof = false;
	err = inode_get_gen(txn, r->c->fh.ino, r->c->fh.generation, &r->dir);
	if (err)
		return err;
	r->status = place_is_dir(&r->dir);
	if (!r->status && !place_may(&r->cred, &r->dir, CRED_R))
		r->status = NFS4ERR_ACCESS;
	while (!r->status && r->nr_step < r->step_max) {
		struct readdir_entry *e = &r->step[r->nr_step];

		err = dir_next(txn, r->dir.ino, after, &e->entry);
		if (err == -ENOENT) {
			r->step_eof = true;
			break;
		}
		if (!err)
			err = readdir_attrs(txn, r, e);
		if (err)
			return err;
		after = e->entry.cookie;
		r->nr_step++;
	}
	return 0;
}

/* Room for entries in the result: what the client, the session and we allow.  Not yet: whether one fits. */
static nfsstat4 readdir_size(struct readdir *r)
{
	struct compound *c = r->c;
	uint32_t left = wire_enc_left(&c->enc);
	uint32_t used = wire_compound_size(&c->out);

	left = (uint32_t)min_u64(left, c->out.limit > used ? c->out.limit - used : 0);
	left -= (uint32_t)min_u64(left, 8 + 4 * WIRE_RESULT_FAIL_MAX);
	if (r->args->maxcount < WIRE_DIR_OVERHEAD)
		return NFS4ERR_TOOSMALL;
	if (left < WIRE_DIR_OVERHEAD)
		return NFS4ERR_REP_TOO_BIG;
	r->size = (uint32_t)min_u64(min_u64(left, r->args->maxcount), READDIR_BYTES_MAX) - WIRE_DIR_OVERHEAD;
	return NFS4_OK;
}

/* Memory for them: no more than a directory of @nr entries can need. */
static nfsstat4 readdir_begin(struct readdir *r, uint64_t nr)
{
	uint32_t size = r->size;
	void *buf;

	if (nr < READDIR_BYTES_MAX / READDIR_ENTRY_MAX)
		size = (uint32_t)min_u64(size, (nr + 1) * READDIR_ENTRY_MAX);
	buf = wire_arena_alloc(&r->c->arena, size + 1);
	if (!buf)
		return NFS4ERR_DELAY;
	wire_dir_begin(&r->writer, buf, size);
	return NFS4_OK;
}

/* One entry more in the reply, with attributes @of or the @error that kept them away. */
static nfsstat4 readdir_tell(struct readdir *r, uint64_t cookie, const char *name, size_t len,
			     const struct attr_of *of, nfsstat4 error)
{
	const struct bitmap4 *asked = &r->args->attr_request;
	uint32_t dir_bytes = 8 + 4 + (uint32_t)round_up_u64(len, 4);
	struct entry4 entry = { .cookie = cookie,
				.name = { .component4_len = (u_int)len, .component4_val = (char *)(uintptr_t)name } };
	uint8_t buf[ATTR_BYTES_MAX];
	nfsstat4 status;

	/* dircount is a hint; one entry there is always. */
	if (r->nr > 0 && r->args->dircount > 0 && r->dir_used + dir_bytes > r->args->dircount) {
		r->full = true;
		return NFS4_OK;
	}
	status = error ? error : attr_encode(r->c, of, asked, buf, sizeof(buf), &entry.attrs);
	if (status && wire_bitmap_test(asked, FATTR4_RDATTR_ERROR) && status != NFS4ERR_INVAL)
		status = attr_encode_error(status, buf, sizeof(buf), &entry.attrs);
	if (status)
		return status;
	if (wire_dir_add(&r->writer, &entry)) {
		r->full = true;
		return NFS4_OK;
	}
	r->dir_used += dir_bytes;
	r->cookie = cookie;
	r->nr++;
	return NFS4_OK;
}

static FIBER_FN nfsstat4 readdir_step(struct readdir *r)
{
	uint32_t left = r->nr ? wire_enc_left(&r->writer.enc) : r->size;
	nfsstat4 status;
	int err;

	r->step_max = (unsigned int)min_u64(READDIR_STEP, left / READDIR_ENTRY_MIN + 1);
	err = compound_read(r->c, r->c->fh.ino, readdir_body, r);
	status = err ? nfs_status(err) : r->status;
	if (!status && !r->writer.enc.buf)
		status = readdir_begin(r, r->dir.size);
	for (unsigned int i = 0; !status && !r->full && i < r->nr_step; i++) {
		struct readdir_entry *e = &r->step[i];

		if (r->want_inode)
			compound_saw(r->c, e->entry.ino);
		status = readdir_tell(r, e->entry.cookie, e->entry.name, e->entry.name_len, &e->of,
				      e->err ? nfs_status(e->err) : NFS4_OK);
	}
	r->eof = r->step_eof && !r->full;
	return status;
}

static FIBER_FN nfsstat4 readdir_file(struct readdir *r)
{
	nfsstat4 status = NFS4_OK;

	if (r->cookie > KEY_LOW_MAX)
		return NFS4ERR_BAD_COOKIE;
	r->cred = compound_cred(r->c, &r->c->fh);
	r->want_inode = wants_inode(&r->args->attr_request);
	while (!status && !r->full && !r->eof)
		status = readdir_step(r);
	return status;
}

/* An export whose directory is missing is not there, as LOOKUP says too. */
static FIBER_FN nfsstat4 readdir_pseudo(struct readdir *r)
{
	const struct sockaddr_storage *peer = place_peer(r->c);
	const struct export_node *node = export_node_by_id(r->c->mds->exports, r->c->fh.ino);
	const struct export_node *child;
	struct attr_of of;
	nfsstat4 status;

	if (!node)
		return NFS4ERR_STALE;
	status = readdir_begin(r, node->nr_children);
	for (uint64_t at = r->cookie; !status && !r->full; at = child->id) {
		child = export_child_next(node, at, peer);
		if (!child) {
			r->eof = true;
			break;
		}
		status = place_of_node(r->c, child, &of);
		if (status == NFS4ERR_NOENT)
			status = NFS4_OK;
		else
			status = readdir_tell(r, child->id, child->name, strlen(child->name), &of, status);
	}
	return status;
}

static nfsstat4 readdir_check(const struct READDIR4args *args)
{
	static const uint8_t zeros[NFS4_VERIFIER_SIZE];
	bool zero = memcmp(args->cookieverf, zeros, sizeof(zeros)) == 0;

	/* 1 and 2 are never given out, as other servers mean "." and ".." by them. */
	if (args->cookie == 1 || args->cookie == 2 || (args->cookie == 0 && !zero))
		return NFS4ERR_BAD_COOKIE;
	return zero ? NFS4_OK : NFS4ERR_NOT_SAME;
}

static FIBER_FN nfsstat4 readdir_run(struct readdir *r, struct READDIR4resok *ok)
{
	nfsstat4 status;

	status = readdir_check(r->args);
	if (!status)
		status = readdir_size(r);
	if (!status)
		status = r->c->fh.kind == FH_PSEUDO ? readdir_pseudo(r) : readdir_file(r);
	if (status)
		return status;
	if (r->nr == 0 && !r->eof) /* not even one entry: whose limit was it? */
		return r->size + WIRE_DIR_OVERHEAD == r->args->maxcount ? NFS4ERR_TOOSMALL : NFS4ERR_REP_TOO_BIG;
	wire_dir_end(&r->writer, r->eof, &ok->reply);
	return NFS4_OK;
}

FIBER_FN nfsstat4 op_readdir(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct READDIR4args *args = &arg->nfs_argop4_u.opreaddir;
	struct readdir *r;
	nfsstat4 status;

	r = calloc(1, sizeof(*r)); /* too much for a fiber's stack */
	if (!r)
		return NFS4ERR_DELAY;
	r->c = c;
	r->args = args;
	r->cookie = args->cookie;
	status = readdir_run(r, &res->nfs_resop4_u.opreaddir.READDIR4res_u.resok4);
	free(r);
	return status;
}
