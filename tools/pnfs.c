/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: all that have a file open share one picture of it; when the last one closes it nothing is left that the
 * server would have to recall, unless the host is forgetful.
 */

#include "tools/pnfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/pnfs_int.h"

static struct pnfs_inode *inode_find(struct pnfs_host *host, const struct nfs_fh *fh)
{
	list_for_each (pos, &host->inodes) {
		struct pnfs_inode *inode = list_entry(pos, struct pnfs_inode, by_host);

		if (!inode->is_gone && inode->fh.len == fh->len && memcmp(inode->fh.bytes, fh->bytes, fh->len) == 0)
			return inode;
	}
	return NULL;
}

static struct pnfs_inode *inode_get(struct pnfs_host *host, const struct nfs_fh *fh)
{
	struct pnfs_inode *inode = inode_find(host, fh);

	if (!inode) {
		inode = calloc(1, sizeof(*inode));
		if (!inode)
			return NULL;
		inode->host = host;
		inode->fh = *fh;
		wait_queue_init(&inode->idle);
		fiber_mutex_init(&inode->commit_lock);
		list_add_tail(&inode->by_host, &host->inodes);
	}
	inode->refs++;
	inode->opens++;
	return inode;
}

static FIBER_FN int inode_getattr(struct pnfs_inode *inode)
{
	uint64_t grown = inode->grown;
	struct wire_attrs attrs;
	int err = nfs_file_getattr(inode->host->session, &inode->fh, NFS_ATTRS(FATTR4_SIZE), &attrs);

	if (!err && !wire_bitmap_test(&attrs.mask, FATTR4_SIZE))
		err = -EPROTO;
	if (!err)
		pnfs_inode_set_size(inode, attrs.size, grown);
	return err;
}

FIBER_FN int pnfs_open(struct pnfs_host *host, const struct nfs_fh *dir, const struct nfs_open *open,
		       struct pnfs_file *ret_file)
{
	struct pnfs_file file = { .host = host };
	struct nfs_open mine = *open;
	char owner[32];
	int err;

	/* One owner is one open, and its first CLOSE would close it for all. */
	snprintf(owner, sizeof(owner), "pnfs %llu", (unsigned long long)++host->nr_opens);
	if (!mine.owner)
		mine.owner = owner;
	err = nfs_file_open(host->session, dir, &mine, &file.nfs);
	if (err)
		return err;
	file.inode = inode_get(host, &file.nfs.fh);
	err = file.inode ? pnfs_revalidate(&file) : -ENOMEM;
	if (err) {
		int err_close = file.inode ? pnfs_close(&file) : nfs_file_close(&file.nfs);

		return err_close < 0 ? err_close : err;
	}
	file.losses = file.inode->losses;
	*ret_file = file;
	return 0;
}

/* RFC 8881, 18.43.3, logr_return_on_close: in one compound with CLOSE, as Linux does. */
static FIBER_FN int close_with_return(struct pnfs_file *file)
{
	struct pnfs_inode *inode = file->inode;
	struct nfs_layoutreturn ret = { .type = file->host->type,
					.iomode = LAYOUTIOMODE4_ANY,
					.how = LAYOUTRETURN4_FILE,
					.length = NFS4_UINT64_MAX };
	struct nfs_compound c;
	int err;

	inode->returning = true;
	inode->epoch++;
	pnfs_inode_settle(inode);
	ret.stateid = inode->layout;
	nfs_compound_init(&c);
	nfs_session_begin(file->host->session, &c);
	nfs_op_putfh(&c, &inode->fh);
	nfs_op_layoutreturn(&c, &ret);
	nfs_op_close(&c, &file->nfs.stateid);
	file->host->counts.returns++;
	err = nfs_file_send(file->host->session, &c);
	/* A refused return does not keep the file open. */
	if (!err && c.status != NFS4_OK && c.nr_results < 3)
		err = nfs_file_close(&file->nfs);
	else if (!err)
		err = (int)c.status;
	nfs_compound_release(&c);
	if (inode->has_layout)
		pnfs_inode_forget(inode);
	inode->returning = false;
	wait_queue_wake_all(&inode->idle);
	return err;
}

static FIBER_FN int close_last(struct pnfs_file *file)
{
	struct pnfs_inode *inode = file->inode;
	int err = pnfs_inode_calm(inode), err_close;

	if (!err && inode->has_layout && inode->return_on_close && !file->host->faults.keeps_layouts)
		return close_with_return(file);
	if (inode->has_layout && !file->host->is_forgetful && !file->host->faults.keeps_layouts)
		err = pnfs_inode_give_back(inode);
	err_close = nfs_file_close(&file->nfs);
	if (inode->has_layout && inode->opens == 0)
		pnfs_inode_forget(inode);
	return err ? err : err_close;
}

FIBER_FN int pnfs_close(struct pnfs_file *file)
{
	struct pnfs_inode *inode = file->inode;
	int err = pnfs_commit(file), err_close;

	err_close = --inode->opens == 0 ? close_last(file) : nfs_file_close(&file->nfs);
	pnfs_inode_put(inode);
	file->inode = NULL;
	return err ? err : err_close;
}

FIBER_FN void pnfs_abandon(struct pnfs_file *file)
{
	struct pnfs_inode *inode = file->inode;

	if (--inode->opens == 0) {
		inode->is_gone = true;
		pnfs_inode_settle(inode);
		inode->needs_commit = false;
		pnfs_inode_forget(inode);
	}
	pnfs_inode_put(inode);
	file->inode = NULL;
}

FIBER_FN int pnfs_commit(struct pnfs_file *file)
{
	struct pnfs_inode *inode = file->inode;
	int err = pnfs_inode_commit(inode);

	if (inode->losses == file->losses)
		return err;
	file->losses = inode->losses;
	return err ? err : -EIO;
}

FIBER_FN int pnfs_return(struct pnfs_file *file)
{
	int err = pnfs_commit(file), err_return = pnfs_inode_give_back(file->inode);

	return err ? err : err_return;
}

FIBER_FN int pnfs_revalidate(struct pnfs_file *file)
{
	/* What this client wrote is to be in what the server says; if it fails, that waits for pnfs_commit(). */
	int err = pnfs_inode_commit(file->inode);

	return err < 0 ? err : inode_getattr(file->inode);
}

FIBER_FN int pnfs_set_size(struct pnfs_file *file, uint64_t size)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE), .size = size };
	struct pnfs_inode *inode = file->inode;
	struct nfs_compound c;
	int err = size < inode->size ? pnfs_return(file) : 0;

	if (err)
		return err;
	nfs_compound_init(&c);
	nfs_session_begin(file->host->session, &c);
	nfs_op_putfh(&c, &inode->fh);
	nfs_op_setattr(&c, &file->nfs.stateid, &attrs);
	err = nfs_file_send(file->host->session, &c);
	if (!err)
		err = (int)c.status;
	nfs_compound_release(&c);
	if (err)
		return err;
	inode->grown++;
	inode->size = inode->has_last ? max_u64(size, inode->last + 1) : size;
	return 0;
}

FIBER_FN int pnfs_get(struct pnfs_file *file, layoutiomode4 iomode, uint64_t off, uint64_t len, uint64_t min)
{
	struct nfs_layoutget get = {
		.type = file->host->type, .iomode = iomode, .offset = off, .length = len, .minlength = min
	};

	return pnfs_inode_get(file->inode, &file->nfs.stateid, &get);
}

struct pnfs_extent *pnfs_extent_at(struct pnfs_file *file, uint64_t off)
{
	return pnfs_extent_find(file->inode, off);
}
