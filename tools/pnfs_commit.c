/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: what was written through the device before a commit began is named in it, however many compounds that
 * takes; what is returned is committed first; refusals end as they do in the Linux client.
 */

#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "tools/pnfs_int.h"

#define COMMIT_WAIT_NS (30 * NSEC_PER_SEC)
#define RETURN_WAIT_NS (10 * NSEC_PER_SEC)
/* What a LAYOUTCOMMIT takes on the wire besides its list. */
#define COMMIT_OVERHEAD 1024
#define COMMIT_MAX	16384u
#define OLD_TRIES	8

/* What one compound says. */
struct commit {
	struct pnfs_inode *inode;
	struct nfs_range *ranges;
	unsigned int nr, max;
	bool is_final;
	uint64_t last;
	bool has_last;
};

static FIBER_FN int commit_once(const struct commit *commit, const struct nfs_layoutcommit *args)
{
	struct pnfs_inode *inode = commit->inode;
	uint64_t grown = inode->grown;
	struct wire_attrs attrs;
	struct nfs_compound c;
	uint32_t at_attr;
	int err;

	nfs_compound_init(&c);
	nfs_session_begin(inode->host->session, &c);
	nfs_op_putfh(&c, &inode->fh);
	nfs_op_layoutcommit(&c, args);
	at_attr = nfs_op_getattr(&c, NFS_ATTRS(FATTR4_CHANGE, FATTR4_SIZE, FATTR4_TIME_METADATA, FATTR4_TIME_MODIFY));
	inode->host->counts.commits++;
	err = pnfs_send(inode->host, &c);
	if (!err && nfs_op_got_attrs(&c, at_attr, &attrs) == 0 && wire_bitmap_test(&attrs.mask, FATTR4_SIZE))
		pnfs_inode_set_size(inode, attrs.size, grown);
	nfs_compound_release(&c);
	return err;
}

/* An answer after which the same is sent again. */
static bool commit_again(struct pnfs_inode *inode, int err, stateid4 *stateid, unsigned int *olds)
{
	if (err == NFS4ERR_DELAY)
		return true;
	if (err != NFS4ERR_OLD_STATEID || ++*olds > OLD_TRIES)
		return false;
	if (inode->has_layout && pnfs_seqid_newer(inode->layout.seqid, stateid->seqid))
		stateid->seqid = inode->layout.seqid;
	return true;
}

/* Linux takes these for success, whatever becomes of the data. */
static bool commit_is_swallowed(int err)
{
	return err == NFS4ERR_GRACE || err == NFS4ERR_BADLAYOUT || err == NFS4ERR_BADIOMODE ||
	       err == NFS4ERR_DELEG_REVOKED;
}

static FIBER_FN int commit_send(const struct commit *commit)
{
	struct pnfs_inode *inode = commit->inode;
	uint64_t deadline = pnfs_now(inode->host) + COMMIT_WAIT_NS, pause = PNFS_PAUSE_MIN_NS;
	struct nfs_layoutcommit args = { .type = inode->host->type,
					 .stateid = inode->layout,
					 .length = commit->has_last ? commit->last + 1 : 0,
					 .has_last = commit->has_last && commit->is_final,
					 .last = commit->last,
					 .ranges = commit->ranges,
					 .nr = commit->nr };
	unsigned int olds = 0;
	int err;

	for (;;) {
		err = commit_once(commit, &args);
		if (!commit_again(inode, err, &args.stateid, &olds) || pnfs_now(inode->host) >= deadline)
			break;
		fiber_sleep_ns(pause);
		pause = min_u64(2 * pause, PNFS_PAUSE_MAX_NS);
	}
	if (!err && inode->host->faults.repeats_commits)
		err = commit_once(commit, &args);
	if (commit_is_swallowed(err)) {
		log_warn("pnfs: LAYOUTCOMMIT was refused with status %d, and what was written may be lost", err);
		inode->host->counts.commits_dropped++;
		return 0;
	}
	if (pnfs_is_revoked(err)) {
		pnfs_inode_revoked(inode, &args.stateid);
		/* Written when there was no layout any more: lost as well. */
		if (!inode->has_layout)
			pnfs_inode_forget(inode);
	}
	return err;
}

/* The next compound's worth of ranges from @from on. */
static void commit_collect(struct commit *commit, uint64_t from)
{
	unsigned int max = commit->inode->host->faults.splits_commits ? 1 : commit->max;
	struct nfs_range next;

	commit->nr = pnfs_extents_written(commit->inode, from, commit->ranges, max);
	commit->is_final = commit->nr < max;
	if (!commit->is_final) {
		const struct nfs_range *last = &commit->ranges[commit->nr - 1];

		commit->is_final = pnfs_extents_written(commit->inode, last->offset + last->length, &next, 1) == 0;
	}
}

static FIBER_FN int commit_all(struct commit *commit)
{
	struct pnfs_inode *inode = commit->inode;
	uint64_t writes = inode->writes, from = 0, drops;
	int err;

	commit->has_last = inode->has_last;
	commit->last = inode->last;
	do {
		commit_collect(commit, from);
		drops = inode->drops;
		err = commit_send(commit);
		if (err)
			return err;
		if (drops == inode->drops)
			pnfs_extents_committed(inode, commit->ranges, commit->nr);
		if (commit->nr > 0)
			from = commit->ranges[commit->nr - 1].offset + commit->ranges[commit->nr - 1].length;
	} while (!commit->is_final);
	if (writes == inode->writes) {
		inode->needs_commit = false;
		inode->has_last = false;
	}
	return 0;
}

static uint32_t commit_fits(const struct pnfs_host *host)
{
	uint32_t room = host->session->fore.ca_maxrequestsize;

	room = room > COMMIT_OVERHEAD + WIRE_EXTENT_SIZE ? room - COMMIT_OVERHEAD : WIRE_EXTENT_SIZE;
	room /= host->type == LAYOUT4_SCSI ? WIRE_RANGE_SIZE : WIRE_EXTENT_SIZE;
	return (uint32_t)min_u64(room, COMMIT_MAX);
}

FIBER_FN int pnfs_inode_commit(struct pnfs_inode *inode)
{
	struct commit commit = { .inode = inode, .max = commit_fits(inode->host) };
	int err = 0;

	if (inode->host->faults.skips_commits)
		return 0;
	fiber_mutex_lock(&inode->commit_lock);
	if (inode->needs_commit && !inode->is_gone) {
		commit.ranges = calloc(commit.max, sizeof(*commit.ranges));
		err = commit.ranges ? commit_all(&commit) : -ENOMEM;
		free(commit.ranges);
	}
	fiber_mutex_unlock(&inode->commit_lock);
	return err;
}

static FIBER_FN int return_once(struct pnfs_inode *inode, const struct nfs_layoutreturn *ret,
				layoutreturn_stateid *ret_left)
{
	struct nfs_compound c;
	uint32_t at;
	int err;

	nfs_compound_init(&c);
	nfs_session_begin(inode->host->session, &c);
	nfs_op_putfh(&c, &inode->fh);
	at = nfs_op_layoutreturn(&c, ret);
	inode->host->counts.returns++;
	err = pnfs_send(inode->host, &c);
	if (!err && nfs_op_got_layoutreturn(&c, at, ret_left))
		err = -EPROTO;
	nfs_compound_release(&c);
	return err;
}

/* As in Linux, whose LAYOUTGET holds what it knows of the layout: extents, and the stateid if there is one. */
static void return_take_pinned(struct pnfs_inode *inode, const layoutreturn_stateid *left)
{
	struct pnfs_kept kept = inode->kept;

	inode->kept = (struct pnfs_kept){ 0 };
	pnfs_inode_forget(inode);
	inode->kept = kept;
	inode->host->counts.kept++;
	if (!left->lrs_present)
		return;
	inode->layout = left->layoutreturn_stateid_u.lrs_stateid;
	inode->has_layout = true;
}

/* What the server says is left. */
static void return_take(struct pnfs_inode *inode, const layoutreturn_stateid *left, bool is_whole)
{
	const stateid4 *stateid = &left->layoutreturn_stateid_u.lrs_stateid;

	if (!inode->has_layout)
		return;
	if (is_whole && inode->kept.nr > 0 && inode->recalled && inode->pins > 0) {
		return_take_pinned(inode, left);
	} else if (is_whole || !left->lrs_present) {
		if (is_whole && left->lrs_present)
			log_debug("pnfs: a layout stateid is left after all was returned");
		pnfs_inode_forget(inode);
	} else if (memcmp(stateid->other, inode->layout.other, sizeof(stateid->other)) == 0 &&
		   pnfs_seqid_newer(stateid->seqid, inode->layout.seqid)) {
		inode->layout.seqid = stateid->seqid;
	}
}

FIBER_FN int pnfs_inode_return(struct pnfs_inode *inode, stateid4 stateid, uint64_t off, uint64_t end)
{
	uint64_t deadline = pnfs_now(inode->host) + RETURN_WAIT_NS, pause = PNFS_PAUSE_MIN_NS;
	bool is_whole = off == 0 && end == NFS4_UINT64_MAX;
	struct nfs_layoutreturn ret = { .type = inode->host->type,
					.iomode = LAYOUTIOMODE4_ANY,
					.how = LAYOUTRETURN4_FILE,
					.offset = off,
					.length = end == NFS4_UINT64_MAX ? NFS4_UINT64_MAX : end - off,
					.stateid = stateid };
	layoutreturn_stateid left = { 0 };
	unsigned int olds = 0;
	int err;

	if (!inode->host->faults.writes_late) {
		if (inode->host->keeps_extents && inode->recalled && is_whole)
			pnfs_kept_take(inode);
		pnfs_inode_drop(inode, off, end);
	}
	for (;;) {
		err = return_once(inode, &ret, &left);
		if (err != NFS4ERR_DELAY && (err != NFS4ERR_OLD_STATEID || ++olds > OLD_TRIES))
			break;
		if (err == NFS4ERR_OLD_STATEID)
			ret.stateid.seqid++;
		if (pnfs_now(inode->host) >= deadline)
			break;
		fiber_sleep_ns(pause);
		pause = min_u64(2 * pause, PNFS_PAUSE_MAX_NS);
	}
	/* A refused one is done too: the server has no such layout. */
	if (err == 0)
		return_take(inode, &left, is_whole);
	else
		pnfs_inode_forget(inode);
	return err < 0 ? err : 0;
}

FIBER_FN int pnfs_inode_give_back(struct pnfs_inode *inode)
{
	int err = pnfs_inode_calm(inode), err_return = 0;

	if (err || !inode->has_layout)
		return err;
	inode->returning = true;
	inode->epoch++;
	pnfs_inode_settle(inode);
	err = pnfs_inode_commit(inode);
	if (inode->has_layout && !inode->is_gone)
		err_return = pnfs_inode_return(inode, inode->layout, 0, NFS4_UINT64_MAX);
	inode->returning = false;
	wait_queue_wake_all(&inode->idle);
	return err ? err : err_return;
}
