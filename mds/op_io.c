// SPDX-License-Identifier: Apache-2.0
/*
 * READ, WRITE, COMMIT (RFC 8881, 18.22, 18.32, 18.3) and IO_ADVISE (RFC 7862, 15.5).
 *
 * READ puts the data where the reply has them and may return less than was asked for: never more than the session's
 * largest reply has room for.  Only the end of the file says eof.
 *
 * WRITE is all or nothing.  DATA_SYNC4 gets FILE_SYNC4: what belongs to the write in the inode is durable before any
 * answer leaves.  UNSTABLE4 may be answered with more than was asked, and otherwise is safe once COMMIT has answered
 * with the same verifier; the verifier changes with each start of the server.
 */

#include <string.h>

#include "extent/data.h"
#include "mds/atime.h"
#include "mds/client.h"
#include "mds/detour.h"
#include "mds/io_check.h"
#include "mds/mds.h"
#include "mds/op_layout.h"
#include "mds/ops.h"
#include "mds/status.h"

/* Bytes of READ's result before its data: operation, status, eof, length. */
#define READ_HEAD 16u

FIBER_FN nfsstat4 op_read(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct READ4args *args = &arg->nfs_argop4_u.opread;
	struct READ4resok *ok = &res->nfs_resop4_u.opread.READ4res_u.resok4;
	struct inode inode;
	uint32_t room, len = 0;
	bool eof = false;
	nfsstat4 status = io_check(c, &args->stateid, STATE_READ, &inode);
	char *at;
	int err;

	if (status != NFS4_OK)
		return status;
	at = wire_results_place(&c->out, READ_HEAD, &room);
	if (room == 0 && args->count > 0)
		return NFS4ERR_REP_TOO_BIG;
	room = (uint32_t)min_u64(room, min_u64(args->count, DATA_IO_MAX));
	/* Behind all that a file can hold there is no data, and nothing to add up (18.22.3). */
	if (args->offset > INODE_SIZE_MAX)
		eof = true;
	else {
		err = data_read(c->mds->fs, c->fh.ino, c->fh.generation, args->offset, at, room, &len, &eof);
		if (err)
			return nfs_status(err);
	}
	compound_saw(c, c->fh.ino);
	c->client->nr_reads++;
	detour_note(c->mds, c->client, args->offset, len, eof);
	if (len > 0)
		atime_note(c, &inode);
	ok->eof = eof;
	ok->data.data_len = len;
	ok->data.data_val = at;
	return NFS4_OK;
}

struct write_job {
	const struct mds *mds;
	uint32_t count;
	bool durable;
	struct WRITE4resok *ok;
};

static void fill_write(const struct write_job *w)
{
	w->ok->count = w->count;
	w->ok->committed = w->durable ? FILE_SYNC4 : UNSTABLE4;
	memcpy(w->ok->writeverf, w->mds->write_verifier, NFS4_VERIFIER_SIZE);
}

static int fill_write_body(struct txn *txn, const struct inode *inode, void *arg)
{
	fill_write(arg);
	return 0;
}

static FIBER_FN nfsstat4 write_data(struct compound *c, const struct WRITE4args *args, struct write_job *w)
{
	enum data_sync sync = w->durable ? DATA_DURABLE : DATA_UNSTABLE;
	struct compound_also also;
	struct inode after;
	uint64_t seq;
	bool durable;
	int err;

	compound_also_init(&also, c, fill_write_body, w);
	err = data_write(c->mds->fs, c->fh.ino, c->fh.generation, args->offset, args->data.data_val, w->count, sync,
			 &also.also, &after, &durable, &seq);
	if (err)
		return nfs_status(err);
	compound_did(c, seq);
	/*
	 * This one result may say more than the slot's record: who gets the record instead, after a crash, is told
	 * UNSTABLE4 with a verifier that is no longer valid, and writes again.
	 */
	w->durable = durable;
	fill_write(w);
	return NFS4_OK;
}

FIBER_FN nfsstat4 op_write(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct WRITE4args *args = &arg->nfs_argop4_u.opwrite;
	struct write_job w = {
		.mds = c->mds,
		.count = args->data.data_len,
		.durable = args->stable != UNSTABLE4,
		.ok = &res->nfs_resop4_u.opwrite.WRITE4res_u.resok4,
	};
	struct inode inode;
	nfsstat4 status;

	if (args->stable > FILE_SYNC4)
		return NFS4ERR_BADXDR;
	status = io_check(c, &args->stateid, STATE_WRITE, &inode);
	if (status == NFS4_OK && w.count == 0) {
		fill_write(&w);
		return NFS4_OK;
	}
	if (status == NFS4_OK && (args->offset > INODE_SIZE_MAX || w.count > INODE_SIZE_MAX - args->offset))
		status = NFS4ERR_FBIG;
	if (status == NFS4_OK)
		status = io_check_suid(c, &inode);
	if (status == NFS4_OK)
		status = layout_imply_commit(c, &inode, args->offset, w.count);
	if (status == NFS4_OK)
		status = write_data(c, args, &w);
	if (status != NFS4_OK)
		return status;
	c->client->nr_writes++;
	detour_note(c->mds, c->client, args->offset, w.count, args->offset + w.count >= inode.size);
	return NFS4_OK;
}

FIBER_FN nfsstat4 op_commit(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct COMMIT4args *args = &arg->nfs_argop4_u.opcommit;
	struct COMMIT4resok *ok = &res->nfs_resop4_u.opcommit.COMMIT4res_u.resok4;
	struct inode inode;
	nfsstat4 status;

	if (args->count > UINT64_MAX - args->offset)
		return NFS4ERR_INVAL;
	/* It has no stateid and shows nothing: who has the file handle may ask. */
	status = io_check_object(c, &inode);
	if (status == NFS4_OK)
		status = compound_may_change(c, &c->fh);
	/* The whole file: what is on its way to the device's cache is not known by ranges. */
	if (status == NFS4_OK)
		status = nfs_status(data_commit(c->mds->fs, c->fh.ino, c->fh.generation));
	if (status == NFS4_OK)
		memcpy(ok->writeverf, c->mds->write_verifier, NFS4_VERIFIER_SIZE);
	return status;
}

/* Hints are welcome, and none is followed: the answer names none. */
FIBER_FN nfsstat4 op_io_advise(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const struct IO_ADVISE4args *args = &arg->nfs_argop4_u.opio_advise;
	struct inode inode;
	nfsstat4 status;

	if (args->iaa_count > UINT64_MAX - args->iaa_offset)
		return NFS4ERR_INVAL;
	status = io_check(c, &args->iaa_stateid, STATE_READ, &inode);
	if (status == NFS4ERR_OPENMODE)
		status = io_check(c, &args->iaa_stateid, STATE_WRITE, &inode);
	return status;
}
