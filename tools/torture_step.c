/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Single operations of a host on a file that it has open, with the model going along.
 *
 * Promise: a change is acknowledged in the model when the server's word makes it durable and visible, not before; and
 * whatever an operation that fails may have done stays possible.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/reactor.h"
#include "tools/torture_int.h"

/* True: the answer says that there was no room, which is nobody's fault. */
static bool open_failed(struct torture_open *open, struct torture_change *change, int err, const char *doing)
{
	struct torture_host *host = open->host;
	char text[96];

	if (change && err > 0)
		torture_change_failed(host->t, change);
	else if (change)
		list_move_tail(&change->link, &host->doubts);
	if (err == NFS4ERR_NOSPC)
		return true;
	snprintf(text, sizeof(text), "%s of %s", doing, open->file->name);
	torture_host_lose(host, err, text);
	return false;
}

static FIBER_FN bool open_lock(struct torture_open *open)
{
	fiber_mutex_lock(&open->lock);
	if (open->is_open && !open->host->is_lost)
		return true;
	fiber_mutex_unlock(&open->lock);
	return false;
}

static void fill(struct torture_fiber *f, const struct torture_open *open, uint32_t first, uint32_t nr, uint64_t gen)
{
	struct torture_stamp stamp = {
		.file = open->file->id, .writer = open->host->nr, .gen = gen, .seed = f->t->opt->seed
	};

	for (uint32_t i = 0; i < nr; i++) {
		stamp.off = (uint64_t)(first + i) * TORTURE_BLOCK;
		torture_stamp_block(f->buf + (size_t)i * TORTURE_BLOCK, &stamp);
	}
}

static FIBER_FN bool write_any(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr,
			       bool by_server)
{
	struct torture *t = f->t;
	uint64_t off = (uint64_t)first * TORTURE_BLOCK, gen = ++t->gen;
	size_t len = (size_t)nr * TORTURE_BLOCK;
	struct torture_change *change;
	bool ok = true;
	int err;

	if (!torture_model_has_room(open->file, first, nr))
		return true;
	if (!open_lock(open))
		return false;
	fill(f, open, first, nr, gen);
	change = torture_change_begin(t, open->file, first, nr, gen, open->number);
	if (!change)
		torture_die();
	err = by_server ? nfs_file_write(&open->f.nfs, off, f->buf, len, FILE_SYNC4)
			: pnfs_write(&open->f, off, f->buf, len);
	if (err) {
		ok = open_failed(open, change, err, by_server ? "WRITE" : "write");
	} else if (by_server) {
		torture_change_ack(t, change);
		err = pnfs_revalidate(&open->f);
		if (err)
			ok = open_failed(open, NULL, err, "GETATTR");
	} else {
		torture_change_wrote(t, change);
		list_add_tail(&change->link, &open->changes);
	}
	if (!err) {
		t->report->writes++;
		t->report->bytes_written += len;
	}
	fiber_mutex_unlock(&open->lock);
	return ok;
}

FIBER_FN bool torture_do_write(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr)
{
	return write_any(f, open, first, nr, false);
}

FIBER_FN bool torture_do_server_write(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr)
{
	return write_any(f, open, first, nr, true);
}

FIBER_FN bool torture_do_commit(struct torture_open *open)
{
	struct torture_host *host = open->host;
	uint64_t dropped = host->pnfs.counts.commits_dropped;
	bool ok = true;
	int err;

	if (!open_lock(open))
		return false;
	err = pnfs_commit(&open->f);
	if (!err && !torture_host_promises(host, dropped))
		err = -EIO;
	if (err)
		ok = open_failed(open, NULL, err, "commit");
	/* Those of a lost host are in doubt: torture_host.c. */
	while (!err && !list_is_empty(&open->changes))
		torture_change_ack(host->t, list_first_entry(&open->changes, struct torture_change, link));
	fiber_mutex_unlock(&open->lock);
	return ok;
}

static FIBER_FN int read_size(struct torture_open *open, uint64_t *ret_size)
{
	struct wire_attrs attrs;
	int err = nfs_file_getattr(open->host->session, &open->f.nfs.fh, NFS_ATTRS(FATTR4_SIZE), &attrs);

	if (!err)
		*ret_size = attrs.size;
	return err;
}

/* Whether the server can still take it for alive. */
static bool is_fresh(const struct torture_host *host)
{
	return !host->is_lost && torture_now(host->t) < host->session->answered_ns + host->lease_ns / 2;
}

/*
 * Somebody whose layouts may be revoked reads what nobody answers for: the fence keeps it from the devices, but not
 * from showing zeros for what was a hole when it was heard of last.  The word that they are revoked ends that only
 * when it has gone through all of them, as in Linux.
 */
static bool is_trusted(const struct torture_host *host)
{
	return is_fresh(host) && !host->pnfs.is_checking &&
	       !(host->session->status_seen & SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
}

static FIBER_FN bool read_any(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr,
			      bool by_server)
{
	struct torture *t = f->t;
	uint64_t off = (uint64_t)first * TORTURE_BLOCK;
	size_t len = (size_t)nr * TORTURE_BLOCK, got = 0;
	struct torture_host *host = open->host;
	struct torture_look look;
	uint64_t revoked;
	bool ok = true, trusted, eof;
	int err;

	if (!open_lock(open))
		return false;
	/* The server knows what it has, whoever asks. */
	trusted = by_server || is_trusted(host);
	revoked = host->pnfs.counts.revoked;
	torture_look_begin(t, open->file, &look);
	/* Close-to-open, as if it had just been opened: others may have made it longer or shorter. */
	err = by_server ? 0 : pnfs_revalidate(&open->f);
	if (!err)
		err = by_server ? nfs_file_read(&open->f.nfs, off, f->buf, len, &got, &eof)
				: pnfs_read(&open->f, off, f->buf, len, &got);
	if (err) {
		ok = open_failed(open, NULL, err, by_server ? "READ" : "read");
	} else {
		memset(f->buf + got, 0, len - got);
		if (!by_server)
			trusted = trusted && is_trusted(host) && revoked == host->pnfs.counts.revoked;
		if (trusted && is_fresh(host))
			torture_look_judge(t, open->file, &look, first, nr, f->buf, host->name,
					   by_server ? "READs" : "reads");
		t->report->reads++;
		t->report->bytes_read += got;
	}
	torture_look_end(open->file, &look);
	fiber_mutex_unlock(&open->lock);
	return ok;
}

FIBER_FN bool torture_do_read(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr)
{
	return read_any(f, open, first, nr, false);
}

FIBER_FN bool torture_do_server_read(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr)
{
	return read_any(f, open, first, nr, true);
}

FIBER_FN bool torture_do_size(struct torture_open *open, uint32_t *ret_blks)
{
	uint64_t size = 0;
	int err;

	if (!open_lock(open))
		return false;
	err = read_size(open, &size);
	if (err)
		(void)open_failed(open, NULL, err, "GETATTR");
	fiber_mutex_unlock(&open->lock);
	*ret_blks = (uint32_t)(min_u64(size, (uint64_t)open->file->nr_blks * TORTURE_BLOCK) / TORTURE_BLOCK);
	return !err;
}

FIBER_FN int torture_send(struct torture_open *open, struct nfs_compound *c)
{
	int err = nfs_file_send(open->host->session, c);

	if (!err)
		err = (int)c->status;
	nfs_compound_release(c);
	return err;
}

static void compound_begin(struct torture_open *open, struct nfs_compound *c)
{
	nfs_compound_init(c);
	nfs_session_begin(open->host->session, c);
}

/* The end of a change that the server has made alone. */
static bool change_end(struct torture_open *open, struct torture_change *change, int err, const char *doing)
{
	if (err)
		return open_failed(open, change, err, doing);
	torture_change_ack(open->host->t, change);
	return true;
}

static struct torture_change *zeros_begin(struct torture_open *open, uint32_t first, uint32_t nr)
{
	struct torture_change *change = torture_change_begin(open->host->t, open->file, first, nr, 0, open->number);

	if (!change)
		torture_die();
	return change;
}

FIBER_FN bool torture_do_truncate(struct torture_fiber *f, struct torture_open *open, uint32_t blks)
{
	struct torture_file *file = open->file;
	struct torture_change *change;
	bool ok;

	if (!torture_model_has_room(file, blks, file->nr_blks - blks))
		return true;
	if (!open_lock(open))
		return false;
	change = zeros_begin(open, blks, file->nr_blks - blks);
	ok = change_end(open, change, pnfs_set_size(&open->f, (uint64_t)blks * TORTURE_BLOCK), "SETATTR");
	torture_trace(f->t, blks);
	fiber_mutex_unlock(&open->lock);
	return ok;
}

FIBER_FN bool torture_do_punch(struct torture_fiber *f, struct torture_open *open, uint32_t first, uint32_t nr)
{
	struct torture_change *change;
	struct nfs_compound c;
	bool ok;

	if (!torture_model_has_room(open->file, first, nr))
		return true;
	if (!open_lock(open))
		return false;
	change = zeros_begin(open, first, nr);
	compound_begin(open, &c);
	nfs_op_putfh(&c, &open->f.nfs.fh);
	nfs_op_deallocate(&c, &open->f.nfs.stateid, (uint64_t)first * TORTURE_BLOCK, (uint64_t)nr * TORTURE_BLOCK);
	ok = change_end(open, change, torture_send(open, &c), "DEALLOCATE");
	torture_trace(f->t, first);
	fiber_mutex_unlock(&open->lock);
	return ok;
}

/* The source is committed and, like the destination, the fiber's own. */
FIBER_FN bool torture_do_clone(struct torture_fiber *f, struct torture_open *src, struct torture_open *dst,
			       uint32_t src_first, uint32_t first, uint32_t nr)
{
	struct nfs_copy copy = { .src_offset = (uint64_t)src_first * TORTURE_BLOCK,
				 .dst_offset = (uint64_t)first * TORTURE_BLOCK,
				 .count = (uint64_t)nr * TORTURE_BLOCK };
	struct torture_change *change;
	struct nfs_compound c;
	bool ok;
	int err;

	if (!torture_model_has_room(dst->file, first, nr))
		return true;
	for (uint32_t i = 0; i < nr; i++)
		if (src->file->blks[src_first + i].nr + dst->file->blks[first + i].nr > TORTURE_CHANCES_MAX)
			return true;
	if (!open_lock(dst))
		return false;
	change = torture_change_clone(f->t, dst->file, first, nr, src->file, src_first);
	if (!change)
		torture_die();
	copy.src = src->f.nfs.stateid;
	copy.dst = dst->f.nfs.stateid;
	compound_begin(dst, &c);
	nfs_op_putfh(&c, &src->f.nfs.fh);
	nfs_op_savefh(&c);
	nfs_op_putfh(&c, &dst->f.nfs.fh);
	nfs_op_clone(&c, &copy);
	err = torture_send(dst, &c);
	if (!err)
		err = pnfs_revalidate(&dst->f);
	ok = change_end(dst, change, err, "CLONE");
	fiber_mutex_unlock(&dst->lock);
	return ok;
}
