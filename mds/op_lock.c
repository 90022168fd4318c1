/* SPDX-License-Identifier: Apache-2.0 */

/*
 * LOCK, LOCKT and LOCKU (RFC 8881, 18.10 to 18.12).  The conflict is looked for in the body that writes the ranges,
 * so between the two nobody else gets anything.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/inode.h"
#include "mds/config.h"
#include "mds/drop.h"
#include "mds/lock_ranges.h"
#include "mds/lock_wait.h"
#include "mds/ops.h"
#include "mds/status.h"

/* What bodies return besides errors of transactions. */
#define OP_LOCK_STATUS	 (-ECANCELED)
#define OP_LOCK_CONFLICT (-EBUSY)   /* struct op_lock.other */
#define OP_LOCK_GREW	 (-EREMCHG) /* the plan has not room enough any more */
#define OP_LOCK_TRIES	 8

struct op_lock {
	struct compound *c;
	uint64_t first, last;
	enum lock_ranges_how how;
	nfsstat4 status;
	/* LOCK */
	const LOCK4args *args;
	struct stateid4 stateid; /* of the open, or of the holder */
	struct lock_holder *fresh;
	/* The last run */
	struct file *file;
	struct open *open;
	struct lock_holder *holder; /* NULL: fresh */
	struct lock_owner owner;
	struct lock *other; /* conflict */
	uint64_t number;
	uint32_t seqid;
	struct lock_plan plan;
	struct lock *new[2];
	struct stateid4 *ret_stateid;
};

static int op_lock_refuse(struct op_lock *w, nfsstat4 status)
{
	w->status = status;
	return OP_LOCK_STATUS;
}

/* Offset and length as sent; all ones is "to the end" (18.10.3). */
static nfsstat4 op_lock_range(struct op_lock *w, uint64_t off, uint64_t len)
{
	if (len == 0 || (len != UINT64_MAX && len > ~off))
		return NFS4ERR_INVAL;
	w->first = off;
	w->last = len == UINT64_MAX ? UINT64_MAX : off + len - 1;
	return NFS4_OK;
}

static nfsstat4 op_lock_type(nfs_lock_type4 type, enum lock_ranges_how *ret_how, bool *ret_waits)
{
	if (type < READ_LT || type > WRITEW_LT)
		return NFS4ERR_INVAL;
	*ret_how = type == READ_LT || type == READW_LT ? LOCK_RANGES_READ : LOCK_RANGES_WRITE;
	*ret_waits = type == READW_LT || type == WRITEW_LT;
	return NFS4_OK;
}

/* The current file handle is a regular file that is there. */
static int op_lock_check_file(struct txn *txn, struct op_lock *w)
{
	struct compound *c = w->c;
	struct inode inode;
	int err;

	err = inode_get_gen(txn, c->fh.ino, c->fh.generation, &inode);
	if (err)
		return err;
	if (S_ISDIR(inode.mode))
		return op_lock_refuse(w, NFS4ERR_ISDIR);
	if (!S_ISREG(inode.mode))
		return op_lock_refuse(w, S_ISLNK(inode.mode) ? NFS4ERR_SYMLINK : NFS4ERR_WRONG_TYPE);
	return 0;
}

/* Whom LOCK and LOCKU speak of, from the stateid; LOCK4args also for one that is new. */
static nfsstat4 op_lock_find(struct op_lock *w, bool new_owner)
{
	struct compound *c = w->c;
	struct state *state;
	nfsstat4 status;

	if (c->client->ends)
		return NFS4ERR_DELAY;
	status = state_find(c, &w->stateid, new_owner ? STATE_OPEN : STATE_LOCK, &state);
	if (status)
		return status;
	if (new_owner) {
		const lock_owner4 *owner = &w->args->locker.locker4_u.open_owner.lock_owner;

		w->open = container_of(state, struct open, state);
		w->holder = lock_holder_find(w->open, owner->owner.owner_val, owner->owner.owner_len);
		w->owner = (struct lock_owner){ c->client, w->fresh->owner, w->fresh->owner_len };
	} else {
		w->holder = container_of(state, struct lock_holder, state);
		w->open = w->holder->open;
		w->owner = (struct lock_owner){ c->client, w->holder->owner, w->holder->owner_len };
	}
	w->file = w->open->file;
	if (w->open->ino != c->fh.ino || w->open->generation != c->fh.generation)
		return NFS4ERR_BAD_STATEID;
	return NFS4_OK;
}

static bool op_lock_full(const struct op_lock *w)
{
	const struct config_limits *limits = &w->c->mds->config->limits;
	const struct client *client = w->c->client;

	if (!w->holder && client->nr_states >= limits->opens_per_client + limits->locks_per_client)
		return true;
	if (w->holder && w->holder->nr_locks + w->plan.nr_fresh > LOCK_HOLDER_MAX)
		return true;
	return w->plan.nr_fresh > 0 && (w->file->nr_locks + w->plan.nr_fresh > LOCK_FILE_MAX ||
					w->c->mds->nr_locks + w->plan.nr_fresh > limits->locks ||
					client->nr_locks + w->plan.nr_fresh > limits->locks_per_client);
}

/* Write what was planned, and the holder with its next seqid; fill the result. */
static int op_lock_put(struct txn *txn, struct op_lock *w)
{
	struct mds *mds = w->c->mds;
	const struct lock_holder *holder = w->holder ? w->holder : w->fresh;
	int err;

	w->number = w->holder ? holder->state.number : txn_seq(txn);
	w->seqid = w->holder ? state_next_seqid(holder->state.seqid) : 1;
	err = lock_holder_write(txn, holder, w->number, w->open->state.number, w->seqid, NFS4_OK);
	for (unsigned int i = 0; i < w->plan.nr_changes && !err; i++) {
		const struct lock_change *ch = &w->plan.changes[i];
		const struct lock_holder *of = ch->lock->holder;

		if (ch->gone)
			err = txn_delete(txn, record_key(of->state.client->id, RECORD_LOCK, ch->lock->number));
		else
			err = lock_write(txn, of, of->state.number, ch->lock->number, ch->first, ch->last,
					 ch->lock->write);
	}
	for (unsigned int i = 0; i < w->plan.nr_fresh && !err; i++) {
		const struct lock_fresh *fr = &w->plan.fresh[i];

		err = lock_write(txn, fr->holder ? fr->holder : holder,
				 fr->holder ? fr->holder->state.number : w->number, mds->next_lock + i, fr->first,
				 fr->last, fr->write);
	}
	if (err)
		return err;
	state_stateid(mds, STATE_LOCK, w->number, w->seqid, w->ret_stateid);
	compound_set_stateid(w->c, w->ret_stateid);
	return 0;
}

/* After the transaction: in memory. */
static void op_lock_apply(struct op_lock *w)
{
	struct mds *mds = w->c->mds;

	if (!w->holder) {
		w->holder = w->fresh;
		w->fresh = NULL;
		w->holder->state.number = w->number;
		lock_holder_add(mds, w->holder, w->open);
	}
	w->holder->state.seqid = w->seqid;
	for (unsigned int i = 0; i < w->plan.nr_changes; i++) {
		struct lock_change *ch = &w->plan.changes[i];

		lock_remove(mds, ch->lock);
		if (ch->gone) {
			free(ch->lock);
			continue;
		}
		ch->lock->first = ch->first;
		ch->lock->last = ch->last;
		lock_add(mds, ch->lock);
	}
	for (unsigned int i = 0; i < w->plan.nr_fresh; i++) {
		const struct lock_fresh *fr = &w->plan.fresh[i];
		struct lock *lock = w->new[i];

		w->new[i] = NULL;
		lock->number = mds->next_lock++;
		lock->holder = fr->holder ? fr->holder : w->holder;
		lock->first = fr->first;
		lock->last = fr->last;
		lock->write = fr->write;
		lock_add(mds, lock);
	}
	if (w->plan.frees)
		lock_wait_wake(mds, w->file);
}

static int op_lock_body(struct txn *txn, void *arg)
{
	struct op_lock *w = arg;
	bool write = w->how == LOCK_RANGES_WRITE;
	uint8_t needs = write ? OPEN4_SHARE_ACCESS_WRITE : OPEN4_SHARE_ACCESS_READ;
	const struct lock_owner *owner = &w->owner;
	int err;

	err = op_lock_check_file(txn, w);
	if (err)
		return err;
	w->status = op_lock_find(w, w->args->locker.new_lock_owner);
	if (w->status)
		return OP_LOCK_STATUS;
	if (!(w->open->share.access & needs))
		return op_lock_refuse(w, NFS4ERR_OPENMODE);
	w->other = lock_conflict(w->file, owner, w->first, w->last, write);
	if (w->other)
		return OP_LOCK_CONFLICT;
	if (!lock_ranges_plan(w->file, owner, w->holder, w->first, w->last, w->how, &w->plan))
		return OP_LOCK_GREW;
	if (op_lock_full(w))
		return op_lock_refuse(w, NFS4ERR_DELAY);
	return op_lock_put(txn, w);
}

static int op_locku_body(struct txn *txn, void *arg)
{
	struct op_lock *w = arg;
	int err;

	err = op_lock_check_file(txn, w);
	if (err)
		return err;
	w->status = op_lock_find(w, false);
	if (w->status)
		return OP_LOCK_STATUS;
	if (!lock_ranges_plan(w->file, &w->owner, w->holder, w->first, w->last, w->how, &w->plan))
		return OP_LOCK_GREW;
	if (w->plan.nr_fresh > 0 && w->holder->nr_locks + w->plan.nr_fresh > LOCK_HOLDER_MAX)
		return op_lock_refuse(w, NFS4ERR_DELAY);
	return op_lock_put(txn, w);
}

/* Memory for the plan of the body, as far as can be known before it runs. */
static bool op_lock_prepare(struct op_lock *w, bool new_owner)
{
	unsigned int nr = 0;

	if (op_lock_find(w, new_owner) == NFS4_OK)
		nr = lock_ranges_count(w->file, &w->owner, w->first, w->last);
	free(w->plan.changes);
	w->plan.max_changes = nr;
	w->plan.changes = calloc(nr + 1, sizeof(*w->plan.changes));
	for (int i = 0; i < 2; i++)
		if (!w->new[i])
			w->new[i] = calloc(1, sizeof(*w->new[i]));
	return w->plan.changes && w->new[0] && w->new[1];
}

FIBER_FN static int op_lock_run(struct op_lock *w, int (*body)(struct txn *txn, void *arg), bool new_owner)
{
	struct txn_options opt = { .name = "lock", .frees_space = w->how == LOCK_RANGES_UNLOCK };
	int err = OP_LOCK_GREW;

	for (unsigned int i = 0; i < OP_LOCK_TRIES && err == OP_LOCK_GREW; i++) {
		if (!op_lock_prepare(w, new_owner))
			return -ENOMEM;
		/* Of all changes at most two are not deletions: at the two ends. */
		opt.log_max = LOCK_LOG_HOLDER + w->plan.max_changes * 20u + 4 * LOCK_LOG_RANGE;
		err = compound_run(w->c, &opt, body, w);
	}
	if (!err)
		op_lock_apply(w);
	return err;
}

static void op_lock_release(struct op_lock *w)
{
	free(w->plan.changes);
	free(w->new[0]);
	free(w->new[1]);
	free(w->fresh);
}

/* Say who is in the way; what it points to lives in the arena. */
static nfsstat4 op_lock_denied(struct compound *c, const struct lock *other, LOCK4denied *ret)
{
	const struct lock_holder *holder = other->holder;
	char *owner = wire_arena_alloc(&c->arena, holder->owner_len + 1);

	if (!owner)
		return NFS4ERR_DELAY;
	memcpy(owner, holder->owner, holder->owner_len);
	ret->offset = other->first;
	ret->length = other->last == UINT64_MAX ? UINT64_MAX : other->last - other->first + 1;
	ret->locktype = other->write ? WRITE_LT : READ_LT;
	ret->owner.clientid = holder->state.client->id;
	ret->owner.owner.owner_len = holder->owner_len;
	ret->owner.owner.owner_val = owner;
	return NFS4ERR_DENIED;
}

/*
 * Somebody is in the way.  NFS4_OK: he was silent and is out of it now, look again; NFS4ERR_DENIED: *@ret says who,
 * and nothing has switched since it was found.
 */
FIBER_FN static nfsstat4 op_lock_conflict(struct compound *c, const struct lock *other, unsigned int *revoked,
					  LOCK4denied *ret)
{
	int err;

	if (other->holder->state.client == c->client || !client_is_courteous(c->mds, other->holder->state.client))
		return op_lock_denied(c, other, ret);
	if ((*revoked)++ == DROP_REVOKE_MAX)
		return NFS4ERR_DELAY;
	err = drop_revoke(c->mds, other->holder->state.number, STATE_LOCK);
	return !err || err == -EBUSY ? NFS4_OK : nfs_status(err);
}

FIBER_FN static nfsstat4 op_lock_do(struct op_lock *w, bool waits, LOCK4res *res)
{
	bool new_owner = w->args->locker.new_lock_owner;
	unsigned int revoked = 0;
	nfsstat4 status;
	int err;

	for (;;) {
		err = op_lock_run(w, op_lock_body, new_owner);
		if (err == OP_LOCK_STATUS)
			return w->status;
		if (err == OP_LOCK_GREW || err == -ENOMEM)
			return NFS4ERR_DELAY;
		if (err != OP_LOCK_CONFLICT)
			break;
		status = op_lock_conflict(w->c, w->other, &revoked, &res->LOCK4res_u.denied);
		if (status == NFS4ERR_DENIED && w->args->reclaim)
			return NFS4ERR_RECLAIM_CONFLICT;
		/* The only failure that says more than its status. */
		if (status == NFS4ERR_DENIED)
			res->status = status;
		if (status == NFS4ERR_DENIED && waits)
			lock_wait_add(w->c->mds, w->file, &w->c->fh, &w->owner, w->first, w->last,
				      w->how == LOCK_RANGES_WRITE);
		if (status)
			return status;
	}
	if (!err)
		lock_wait_cancel(w->c->mds, w->file, &w->owner);
	return nfs_status(err);
}

FIBER_FN nfsstat4 op_lock(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const LOCK4args *args = &arg->nfs_argop4_u.oplock;
	const open_to_lock_owner4 *by_open = &args->locker.locker4_u.open_owner;
	struct op_lock w = {
		.c = c,
		.args = args,
		.ret_stateid = &res->nfs_resop4_u.oplock.LOCK4res_u.resok4.lock_stateid,
	};
	bool waits = false;
	nfsstat4 status;

	if (c->fh.kind != FH_FILE)
		return NFS4ERR_ISDIR;
	status = op_lock_range(&w, args->offset, args->length);
	if (!status)
		status = op_lock_type(args->locktype, &w.how, &waits);
	if (!status)
		status = state_check_grace(c, args->reclaim);
	if (!status)
		status = compound_stateid(c,
					  args->locker.new_lock_owner
						  ? &by_open->open_stateid
						  : &args->locker.locker4_u.lock_owner.lock_stateid,
					  &w.stateid);
	if (status)
		return status;
	if (args->locker.new_lock_owner) {
		w.fresh = lock_holder_alloc(c->client, by_open->lock_owner.owner.owner_val,
					    by_open->lock_owner.owner.owner_len);
		if (!w.fresh)
			return NFS4ERR_DELAY;
	}
	status = op_lock_do(&w, waits, &res->nfs_resop4_u.oplock);
	op_lock_release(&w);
	return status;
}

FIBER_FN nfsstat4 op_locku(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const LOCKU4args *args = &arg->nfs_argop4_u.oplocku;
	struct op_lock w = {
		.c = c,
		.ret_stateid = &res->nfs_resop4_u.oplocku.LOCKU4res_u.lock_stateid,
	};
	enum lock_ranges_how how;
	bool waits;
	nfsstat4 status;
	int err;

	if (c->fh.kind != FH_FILE)
		return NFS4ERR_ISDIR;
	status = op_lock_range(&w, args->offset, args->length);
	if (!status)
		status = op_lock_type(args->locktype, &how, &waits);
	if (!status)
		status = compound_stateid(c, &args->lock_stateid, &w.stateid);
	if (status)
		return status;
	w.how = LOCK_RANGES_UNLOCK;
	err = op_lock_run(&w, op_locku_body, false);
	status = err == OP_LOCK_STATUS			 ? w.status
		 : err == OP_LOCK_GREW || err == -ENOMEM ? NFS4ERR_DELAY
							 : nfs_status(err);
	op_lock_release(&w);
	return status;
}

static int op_lockt_body(struct txn *txn, void *arg)
{
	struct op_lock *w = arg;
	int err;

	err = op_lock_check_file(txn, w);
	if (err)
		return err;
	w->file = file_find(w->c->mds, w->c->fh.ino);
	w->other =
		!w->file ? NULL : lock_conflict(w->file, &w->owner, w->first, w->last, w->how == LOCK_RANGES_WRITE);
	return w->other ? OP_LOCK_CONFLICT : 0;
}

FIBER_FN nfsstat4 op_lockt(struct compound *c, const struct nfs_argop4 *arg, struct nfs_resop4 *res)
{
	const LOCKT4args *args = &arg->nfs_argop4_u.oplockt;
	struct op_lock w = {
		.c = c,
		.owner = { c->client, args->owner.owner.owner_val, args->owner.owner.owner_len },
	};
	unsigned int revoked = 0;
	bool waits;
	nfsstat4 status;

	if (c->fh.kind != FH_FILE)
		return NFS4ERR_ISDIR;
	status = op_lock_range(&w, args->offset, args->length);
	if (!status)
		status = op_lock_type(args->locktype, &w.how, &waits);
	if (!status)
		status = state_check_grace(c, false);
	while (!status) {
		int err = compound_read(c, c->fh.ino, op_lockt_body, &w);

		if (err != OP_LOCK_CONFLICT)
			return err == OP_LOCK_STATUS ? w.status : nfs_status(err);
		status = op_lock_conflict(c, w.other, &revoked, &res->nfs_resop4_u.oplockt.LOCKT4res_u.denied);
		res->nfs_resop4_u.oplockt.status = status;
	}
	return status;
}
