/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A COMPOUND from its first operation to its last.  Promises: operations run in order until one fails; none that
 * changes anything is begun if its result might not fit; what was done before a crash is not done again; the
 * results are complete when compound_execute() returns, and @wait_seq says what they wait for.
 */

#include "mds/compound.h"

#include <string.h>

#include "dev/log.h"
#include "extent/name.h"
#include "mds/client.h"
#include "mds/compound_int.h"
#include "mds/conn.h"
#include "mds/deleg.h"
#include "mds/mds.h"
#include "mds/ops.h"
#include "mds/session.h"
#include "mds/status.h"

void compound_did(struct compound *c, uint64_t seq)
{
	slot_noted(c);
	c->wait_seq = max_u64(c->wait_seq, seq);
	c->changed = true;
}

void compound_saw(struct compound *c, uint64_t ino)
{
	c->wait_seq = max_u64(c->wait_seq, fs_last_change(c->mds->fs, ino));
}

FIBER_FN int compound_read(struct compound *c, uint64_t ino, int (*body)(struct txn *txn, void *arg), void *arg)
{
	int err = txn_read(c->mds->fs, body, arg);

	compound_saw(c, ino);
	return err;
}

struct run_arg {
	struct compound *c;
	int (*body)(struct txn *txn, void *arg);
	void *arg;
	struct fh fh;
	struct stateid4 stateid;
	bool has_stateid;
};

static int run_body(struct txn *txn, void *arg)
{
	struct run_arg *a = arg;
	int err;

	a->c->fh = a->fh;
	a->c->stateid = a->stateid;
	a->c->has_stateid = a->has_stateid;
	err = a->body(txn, a->arg);
	return err ? err : slot_note(txn, a->c);
}

FIBER_FN int compound_run(struct compound *c, const struct txn_options *opt, int (*body)(struct txn *txn, void *arg),
			  void *arg)
{
	struct run_arg a = { c, body, arg, c->fh, c->stateid, c->has_stateid };
	struct txn_options with_note = *opt;
	uint64_t seq = 0;
	int err;

	with_note.log_max = (opt->log_max ? opt->log_max : TXN_LOG_DEFAULT) + COMPOUND_NOTE_LOG;
	err = txn_run(c->mds->fs, &with_note, run_body, &a, &seq);
	if (err) {
		c->fh = a.fh;
		c->stateid = a.stateid;
		c->has_stateid = a.has_stateid;
		return err;
	}
	compound_did(c, seq);
	return 0;
}

static int also_body(struct txn *txn, const struct inode *inode, void *arg)
{
	struct compound_also *a = arg;
	int err;

	a->c->fh = a->fh;
	a->c->stateid = a->stateid;
	a->c->has_stateid = a->has_stateid;
	err = a->fill ? a->fill(txn, inode, a->arg) : 0;
	return err ? err : slot_note(txn, a->c);
}

void compound_also_init(struct compound_also *a, struct compound *c,
			int (*fill)(struct txn *txn, const struct inode *inode, void *arg), void *arg)
{
	*a = (struct compound_also){
		.also = { .body = also_body, .arg = a, .log_max = COMPOUND_NOTE_LOG, .guard = &a->guard.guard },
		.c = c,
		.fill = fill,
		.arg = arg,
		.fh = c->fh,
		.stateid = c->stateid,
		.has_stateid = c->has_stateid,
	};
	layout_guard_init(&a->guard, c);
}

struct cred compound_cred(const struct compound *c, const struct fh *fh)
{
	struct cred cred = c->cred;

	if (fh->kind != FH_FILE)
		return cred;
	if (!c->has_cred)
		return cred_anonymous(fh->rule);
	cred_squash(fh->rule, &cred);
	return cred;
}

nfsstat4 compound_may_change(const struct compound *c, const struct fh *fh)
{
	if (fh->kind != FH_FILE || fh->rule->read_only || fs_is_read_only(c->mds->fs))
		return NFS4ERR_ROFS;
	return NFS4_OK;
}

nfsstat4 compound_stateid(const struct compound *c, const struct stateid4 *arg, struct stateid4 *ret_stateid)
{
	static const char zeros[NFS4_OTHER_SIZE];

	if (arg->seqid == 1 && memcmp(arg->other, zeros, sizeof(zeros)) == 0) {
		if (!c->has_stateid)
			return NFS4ERR_BAD_STATEID;
		*ret_stateid = c->stateid;
		return NFS4_OK;
	}
	*ret_stateid = *arg;
	return NFS4_OK;
}

void compound_set_stateid(struct compound *c, const struct stateid4 *stateid)
{
	c->stateid = *stateid;
	c->has_stateid = true;
}

nfsstat4 compound_check_name(const component4 *name)
{
	if (name->component4_len == 0)
		return NFS4ERR_INVAL;
	switch (dir_check_name(name->component4_val, name->component4_len)) {
	case 0:
		return NFS4_OK;
	case -ENAMETOOLONG:
		return NFS4ERR_NAMETOOLONG;
	default:
		return NFS4ERR_BADNAME;
	}
}

/* The first operation says whether there is a session (RFC 8881, 2.10.2); others stand only where they may. */
static nfsstat4 check_place(const struct compound *c, uint32_t number, const struct op *op)
{
	if (number == OP_SEQUENCE)
		return c->op_index == 0 ? NFS4_OK : NFS4ERR_SEQUENCE_POS;
	if (c->retry_uncached)
		return NFS4ERR_RETRY_UNCACHED_REP;
	if (c->session)
		return number == OP_BIND_CONN_TO_SESSION ? NFS4ERR_NOT_ONLY_OP : NFS4_OK;
	if (!op || !(op->flags & OP_NO_SESSION))
		return NFS4ERR_OP_NOT_IN_SESSION;
	return c->nr_ops == 1 ? NFS4_OK : NFS4ERR_NOT_ONLY_OP;
}

/* Whether @op may begin: file handles are there, and its result will fit. */
static nfsstat4 check_op(struct compound *c, const struct op *op)
{
	if (!op || !op->execute)
		return NFS4ERR_NOTSUPP;
	if ((op->flags & OP_NEEDS_FH) && c->fh.kind == FH_NONE)
		return NFS4ERR_NOFILEHANDLE;
	if ((op->flags & OP_NEEDS_SAVED) && c->saved_fh.kind == FH_NONE)
		return NFS4ERR_NOFILEHANDLE;
	/* Behind the result there must be room for the next operation's failure. */
	if ((op->flags & OP_CHANGES) && wire_enc_left(&c->enc) < op->result_max + WIRE_RESULT_FAIL_MAX)
		return c->cachethis ? NFS4ERR_REP_TOO_BIG_TO_CACHE : NFS4ERR_REP_TOO_BIG;
	return NFS4_OK;
}

static FIBER_FN nfsstat4 run_op(struct compound *c, uint32_t number, const struct op *op)
{
	nfsstat4 status;

	if (number == OP_SEQUENCE)
		return session_sequence(c, &c->arg.nfs_argop4_u.opsequence, &c->res.nfs_resop4_u.opsequence);
	status = check_op(c, op);
	if (status != NFS4_OK)
		return status;
	c->noted = false;
	c->recalling = 0;
	status = op->execute(c, &c->arg, &c->res);
	if (status != NFS4ERR_DELAY || !c->recalling || !deleg_recall_wait(c))
		return status;
	/* What failed has changed nothing, so it may simply run again. */
	memset(&c->res, 0, sizeof(c->res));
	c->res.resop = (nfs_opnum4)number;
	return op->execute(c, &c->arg, &c->res);
}

/* Failures whose results are more than the status. */
static bool fails_with_more(uint32_t number, nfsstat4 status)
{
	switch (number) {
	case OP_LOCK:
	case OP_LOCKT:
		return status == NFS4ERR_DENIED;
	case OP_GETDEVICEINFO:
		return status == NFS4ERR_TOOSMALL;
	case OP_LAYOUTGET:
		return status == NFS4ERR_LAYOUTTRYLATER;
	default:
		return false;
	}
}

/*
 * A failure may come from anything that was changed before: a state that is gone, a name that is not there.  It is
 * told when all of that is durable (I1), unless it only says "later".
 */
static void wait_with_failure(struct compound *c, uint32_t number, nfsstat4 status)
{
	/* Slots tell of requests, not of what is stored. */
	if (number == OP_SEQUENCE)
		return;
	switch (status) {
	case NFS4ERR_DELAY:
	case NFS4ERR_GRACE:
	case NFS4ERR_LAYOUTTRYLATER:
	case NFS4ERR_RECALLCONFLICT:
	case NFS4ERR_NOTSUPP:
	case NFS4ERR_ROFS:
	case NFS4ERR_IO:
	case NFS4ERR_RETRY_UNCACHED_REP:
	case NFS4ERR_OP_ILLEGAL:
	case NFS4ERR_BADXDR:
		return;
	default:
		c->failed = true;
		c->wait_seq = max_u64(c->wait_seq, fs_last_seq(c->mds->fs));
	}
}

/* One operation, decoded in c->arg: execute it and append its result. */
static FIBER_FN nfsstat4 step(struct compound *c)
{
	uint32_t number = c->in.op;
	const struct op *op = op_find(number);
	nfsstat4 status = check_place(c, number, op);

	memset(&c->res, 0, sizeof(c->res));
	c->res.resop = (nfs_opnum4)number;
	if (number < ARRAY_SIZE(c->mds->counts.ops))
		c->mds->counts.ops[number]++;
	if (status == NFS4_OK)
		status = run_op(c, number, op);
	if (c->replay || (c->skip && number == OP_SEQUENCE))
		return status; /* its result, and what follows, is there already */
	if (fails_with_more(number, status)) {
		wait_with_failure(c, number, status);
		/* Every result begins with its status. */
		c->res.nfs_resop4_u.oplock.status = status;
		if (wire_results_add(&c->out, &c->res) == 0)
			return status;
	}
	if (status == NFS4_OK) {
		if (wire_results_add(&c->out, &c->res) == 0)
			return status;
		assert(!c->noted);
		status = c->cachethis ? NFS4ERR_REP_TOO_BIG_TO_CACHE : NFS4ERR_REP_TOO_BIG;
	}
	c->mds->counts.op_errors++;
	wait_with_failure(c, number, status);
	/* A limit that not even SEQUENCE's result fits in must not hide why. */
	wire_compound_limit(&c->out, c->enc.size);
	/* There is room for a failure: that is why check_op() and wire_results_add() keep some. */
	if (wire_results_fail(&c->out, number, status))
		log_debug("connection %lu: no room for the failure of %s", (unsigned long)c->conn->number,
			  wire_op_name(number));
	return status;
}

/* An operation that could not be decoded. */
static nfsstat4 step_undecoded(struct compound *c, int err)
{
	uint32_t number = c->in.op;
	nfsstat4 status = NFS4ERR_BADXDR;

	if (err == -EOPNOTSUPP) {
		status = NFS4ERR_OP_ILLEGAL;
		number = OP_ILLEGAL;
	} else if (err == -ENOMEM || err == -ENOBUFS) {
		status = NFS4ERR_DELAY;
	}
	if (wire_results_fail(&c->out, number, status))
		log_debug("connection %lu: no room for a failure", (unsigned long)c->conn->number);
	return status;
}

FIBER_FN nfsstat4 compound_execute(struct compound *c)
{
	nfsstat4 status = NFS4_OK;
	int err;

	while (status == NFS4_OK && !c->replay) {
		err = wire_args_next(&c->in, &c->arg);
		if (err == -ENOENT)
			break;
		if (c->op_index < c->skip) {
			/* Done before a crash: its result is in the reply already. */
			c->op_index++;
			if (err)
				return NFS4ERR_SERVERFAULT;
			continue;
		}
		status = err ? step_undecoded(c, err) : step(c);
		c->op_index++;
	}
	return status;
}
