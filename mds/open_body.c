/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an OPEN does in one instant of the store.  It leaves the mirror alone, and whatever it found is found anew in
 * each run; open_body_apply() then makes the mirror as the items are.
 */

#include "mds/open_body.h"

#include <string.h>
#include <sys/stat.h>

#include "mds/config.h"
#include "mds/reaper.h"

/* Of a new file when the client does not say: it will, with SETATTR (EXCLUSIVE4). */
#define OPEN_MODE_DEFAULT 0600u

static int open_body_refuse(struct open_body *b, nfsstat4 status)
{
	b->status = status;
	return OPEN_BODY_STATUS;
}

static uint32_t open_body_rights(const struct open_body *b, const struct inode *inode)
{
	return cred_access(&b->cred, inode->mode, inode->uid, inode->gid);
}

/* A name is to be made in @dir: may it? */
static int open_body_may_create(struct open_body *b, const struct inode *dir)
{
	nfsstat4 status = compound_may_change(b->c, &b->c->fh);

	if (status)
		return open_body_refuse(b, status);
	if (!(open_body_rights(b, dir) & CRED_W))
		return open_body_refuse(b, NFS4ERR_ACCESS);
	return 0;
}

static int open_body_create(struct txn *txn, struct open_body *b, const struct name_at *at, struct name_result *r)
{
	struct inode_attrs size = { .mask = INODE_SET_SIZE, .size = b->set.attrs.size };
	struct name_create how = { 0 };
	nfsstat4 status;
	int err;

	status = attr_create_as(&b->cred, &r->dir, S_IFREG, OPEN_MODE_DEFAULT, &b->set, &how);
	if (status)
		return open_body_refuse(b, status);
	err = name_create(txn, at, &how, r);
	if (!err && b->set.attrs.mask & INODE_SET_SIZE && size.size > 0)
		err = inode_setattr(txn, r->inode.ino, &size, &r->inode);
	if (!err)
		err = attr_set_times(txn, &b->set, &r->inode);
	return err;
}

/* The verifier of an exclusive create is that of the file that is there: it is a repetition (18.16.3). */
static bool open_body_is_repeat(const struct open_body *b, uint64_t ino)
{
	const struct file *file = file_find(b->c->mds, ino);

	return b->exclusive && file && open_of_verifier(file, b->verifier);
}

static void open_body_cinfo(struct open_body *b, const struct inode *dir, bool made)
{
	b->ok->cinfo.atomic = TRUE;
	b->ok->cinfo.before = dir->change - (made ? 1 : 0);
	b->ok->cinfo.after = dir->change;
}

bool open_body_has_name(const OPEN4args *args)
{
	return args->claim.claim == CLAIM_NULL || args->claim.claim == CLAIM_DELEGATE_CUR;
}

const component4 *open_body_name(const OPEN4args *args)
{
	return args->claim.claim == CLAIM_DELEGATE_CUR ? &args->claim.open_claim4_u.delegate_cur_info.file
						       : &args->claim.open_claim4_u.file;
}

/* CLAIM_NULL, CLAIM_DELEGATE_CUR: the file by its name, or a new one.  *@ret_trusted: no look at its mode is needed.
 */
static int open_body_by_name(struct txn *txn, struct open_body *b, struct inode *ret_inode, bool *ret_trusted)
{
	const component4 *name = open_body_name(b->args);
	struct compound *c = b->c;
	struct name_at at = { c->fh.ino, name->component4_val, name->component4_len };
	struct name_result r;
	int err;

	err = inode_get_gen(txn, c->fh.ino, c->fh.generation, &r.dir);
	if (err)
		return err;
	compound_saw(c, c->fh.ino);
	if (!S_ISDIR(r.dir.mode))
		return open_body_refuse(b, S_ISLNK(r.dir.mode) ? NFS4ERR_SYMLINK : NFS4ERR_NOTDIR);
	if (!(open_body_rights(b, &r.dir) & CRED_X))
		return open_body_refuse(b, NFS4ERR_ACCESS);
	err = name_lookup(txn, &at, &r);
	if (err == -ENOENT && b->creates) {
		err = open_body_may_create(b, &r.dir);
		if (!err)
			err = open_body_create(txn, b, &at, &r);
		if (err)
			return err;
		open_body_cinfo(b, &r.dir, true);
		b->ok->attrset = b->set.set;
		b->made = b->exclusive;
		*ret_trusted = true;
		*ret_inode = r.inode;
		return 0;
	}
	if (err)
		return err;
	compound_saw(c, r.inode.ino);
	*ret_trusted = open_body_is_repeat(b, r.inode.ino);
	if (b->guarded || (b->exclusive && !*ret_trusted))
		return open_body_refuse(b, NFS4ERR_EXIST);
	if (*ret_trusted)
		b->ok->attrset = b->set.set;
	open_body_cinfo(b, &r.dir, false);
	*ret_inode = r.inode;
	return 0;
}

/* CLAIM_FH, CLAIM_PREVIOUS, CLAIM_DELEG_CUR_FH: the file itself is the current file handle. */
static int open_body_by_handle(struct txn *txn, struct open_body *b, struct inode *ret_inode)
{
	int err;

	err = inode_get_gen(txn, b->c->fh.ino, b->c->fh.generation, ret_inode);
	if (err)
		return err;
	compound_saw(b->c, ret_inode->ino);
	b->ok->cinfo.before = b->ok->cinfo.after = ret_inode->change;
	return 0;
}

static int open_body_check_type(struct open_body *b, const struct inode *inode)
{
	if (S_ISREG(inode->mode)) {
		/* The last user is gone, and it is being taken apart (I8). */
		if (reaper_has(b->c->mds, inode->ino))
			return open_body_refuse(b, inode->nlink == 0 ? NFS4ERR_STALE : NFS4ERR_DELAY);
		return 0;
	}
	if (S_ISDIR(inode->mode))
		return open_body_refuse(b, NFS4ERR_ISDIR);
	return open_body_refuse(b, S_ISLNK(inode->mode) ? NFS4ERR_SYMLINK : NFS4ERR_WRONG_TYPE);
}

/* What the mode says.  By its handle the owner may always: he could change the mode, and may have since he opened. */
static int open_body_check_rights(struct open_body *b, const struct inode *inode, bool trusted)
{
	bool by_handle = !open_body_has_name(b->args);
	uint32_t rights = open_body_rights(b, inode);
	nfsstat4 status;

	if (b->access & OPEN4_SHARE_ACCESS_WRITE) {
		status = compound_may_change(b->c, &b->c->fh);
		if (status)
			return open_body_refuse(b, status);
	}
	if (trusted || (by_handle && b->cred.uid == inode->uid))
		return 0;
	/* To run a program is to read it, and the client asks for nothing else. */
	if (b->access & OPEN4_SHARE_ACCESS_READ && !(rights & (CRED_R | CRED_X)))
		return open_body_refuse(b, NFS4ERR_ACCESS);
	if (b->access & OPEN4_SHARE_ACCESS_WRITE && !(rights & CRED_W))
		return open_body_refuse(b, NFS4ERR_ACCESS);
	return 0;
}

/* The client has opened the file by itself, under a delegation, and says so now (10.2). */
static int open_body_check_claim(struct open_body *b, const struct inode *inode)
{
	const struct deleg *deleg;
	struct state *state;
	nfsstat4 status;

	if (b->args->claim.claim != CLAIM_DELEGATE_CUR && b->args->claim.claim != CLAIM_DELEG_CUR_FH)
		return 0;
	status = state_find(b->c, &b->deleg_stateid, STATE_DELEG, &state);
	if (status)
		return open_body_refuse(b, status);
	deleg = container_of(state, struct deleg, state);
	if (deleg->ino != inode->ino || deleg->generation != inode->generation)
		return open_body_refuse(b, NFS4ERR_BAD_STATEID);
	/* What a read delegation lets a client do by itself. */
	if (!deleg->write && (b->access & OPEN4_SHARE_ACCESS_WRITE || b->deny & OPEN4_SHARE_DENY_READ))
		return open_body_refuse(b, NFS4ERR_INVAL);
	return 0;
}

/* Delegations of others (10.4): their holders may have opens of which nobody knows. */
static int open_body_check_delegs(struct open_body *b, uint64_t ino, uint8_t access)
{
	bool changes = access & OPEN4_SHARE_ACCESS_WRITE || b->deny & OPEN4_SHARE_DENY_READ;
	nfsstat4 status;

	if (b->args->claim.claim == CLAIM_PREVIOUS)
		return deleg_conflict(file_find(b->c->mds, ino), b->c->client, changes)
			       ? open_body_refuse(b, NFS4ERR_RECLAIM_CONFLICT)
			       : 0;
	status = deleg_check(b->c, ino, changes);
	return status ? open_body_refuse(b, status) : 0;
}

/* Share reservations (9.7).  An owner's own earlier OPENs count too: their denials were meant for this as well. */
static int open_body_check_share(struct open_body *b, uint64_t ino, uint8_t access)
{
	const struct mds *mds = b->c->mds;
	const struct file *file = file_find(mds, ino);
	const struct open *other = file ? open_conflict(file, access, b->deny, NULL) : NULL;

	if (!other)
		return 0;
	if (other->state.client == b->c->client || !client_is_courteous(mds, other->state.client))
		return open_body_refuse(b, b->args->claim.claim == CLAIM_PREVIOUS ? NFS4ERR_RECLAIM_CONFLICT
										  : NFS4ERR_SHARE_DENIED);
	b->victim = other->state.number;
	return OPEN_BODY_VICTIM;
}

/* UNCHECKED4 with size 0 on a file that is there: all other attributes are ignored (18.16.3). */
static int open_body_truncate(struct open_body *b, const struct inode *inode)
{
	nfsstat4 status;

	if (b->truncated)
		return b->ino == inode->ino ? 0 : OPEN_BODY_CHANGED;
	status = compound_may_change(b->c, &b->c->fh);
	if (status)
		return open_body_refuse(b, status);
	if (!(open_body_rights(b, inode) & CRED_W))
		return open_body_refuse(b, NFS4ERR_ACCESS);
	memset(&b->truncate, 0, sizeof(b->truncate));
	b->truncate.attrs.mask = INODE_SET_SIZE;
	status = attr_may_set(&b->cred, inode, &b->truncate, true);
	if (status)
		return open_body_refuse(b, status);
	b->ino = inode->ino;
	b->generation = inode->generation;
	return OPEN_BODY_TRUNCATE;
}

static void open_body_say_delegated(struct open_body *b, const struct inode *inode)
{
	static char everyone[] = "EVERYONE@";
	/* It allows nothing: the client asks with ACCESS when another of its users opens (10.4). */
	const nfsace4 ask = {
		.type = ACE4_ACCESS_ALLOWED_ACE_TYPE,
		.who = { .utf8string_val = everyone, .utf8string_len = sizeof(everyone) - 1 },
	};
	open_write_delegation4 *write = &b->ok->delegation.open_delegation4_u.write;
	open_read_delegation4 *read = &b->ok->delegation.open_delegation4_u.read;

	if (!b->deleg->write) {
		state_stateid(b->c->mds, STATE_DELEG, b->deleg->state.number, 1, &read->stateid);
		read->permissions = ask;
		return;
	}
	state_stateid(b->c->mds, STATE_DELEG, b->deleg->state.number, 1, &write->stateid);
	write->permissions = ask;
	/* Space for more is not promised: what is longer is to be written at the last close. */
	write->space_limit.limitby = NFS_LIMIT_SIZE;
	write->space_limit.nfs_space_limit4_u.filesize = inode->size;
}

/* Give a delegation with the open, if there is one to be had. */
static int open_body_delegate(struct txn *txn, struct open_body *b, const struct inode *inode)
{
	struct deleg_wish wish = {
		.client = b->c->client,
		.ino = inode->ino,
		.access = b->args->share_access,
		.reclaim = b->args->claim.claim == CLAIM_PREVIOUS,
	};
	open_delegation4 *ret = &b->ok->delegation;
	why_no_delegation4 why = WND4_RESOURCE;

	if (wish.reclaim)
		wish.type = b->args->claim.open_claim4_u.delegate_type;
	ret->delegation_type = deleg_choose(b->c->mds, &wish, &why);
	if (ret->delegation_type == OPEN_DELEGATE_NONE)
		return 0;
	if (ret->delegation_type == OPEN_DELEGATE_NONE_EXT) {
		ret->open_delegation4_u.od_whynone.ond_why = why;
		return 0;
	}
	assert(b->deleg);
	b->deleg->write = ret->delegation_type == OPEN_DELEGATE_WRITE;
	b->deleg->ino = inode->ino;
	b->deleg->generation = inode->generation;
	b->deleg->change = inode->change;
	b->deleg->state.number = DELEG_NUMBER(txn_seq(txn));
	fh_encode(b->c->mds, &b->c->fh, b->deleg->fh);
	b->delegated = true;
	open_body_say_delegated(b, inode);
	return deleg_write(txn, b->deleg, b->deleg->state.number, NFS4_OK);
}

/* Write the open and fill the result. */
static int open_body_put(struct txn *txn, struct open_body *b, const struct inode *inode)
{
	const struct config_limits *limits = &b->c->mds->config->limits;
	struct compound *c = b->c;
	struct open *open = b->fresh;
	int err;

	open_set_file(open, inode->ino, inode->generation);
	b->old = open_find(c->mds, open);
	if (!b->old && (c->mds->nr_opens >= limits->opens || c->client->nr_opens >= limits->opens_per_client ||
			c->client->nr_states >= limits->opens_per_client + limits->locks_per_client))
		return open_body_refuse(b, NFS4ERR_DELAY);
	if (b->old) {
		b->number = b->old->state.number;
		b->seqid = state_next_seqid(b->old->state.seqid);
		b->share = open_share_union(&b->old->share, b->access, b->deny);
		open = b->old;
	} else {
		struct open_share none = { 0 };

		b->number = txn_seq(txn);
		b->seqid = 1;
		b->share = open_share_union(&none, b->access, b->deny);
		open->exclusive = b->made;
		memcpy(open->verifier, b->verifier, sizeof(open->verifier));
	}
	err = open_write(txn, open, b->number, b->seqid, &b->share, NFS4_OK);
	if (err)
		return err;
	state_stateid(c->mds, STATE_OPEN, b->number, b->seqid, &b->ok->stateid);
	b->ok->rflags = OPEN4_RESULT_LOCKTYPE_POSIX | OPEN4_RESULT_PRESERVE_UNLINKED | OPEN4_RESULT_MAY_NOTIFY_LOCK;
	c->fh.ino = inode->ino;
	c->fh.generation = inode->generation;
	compound_set_stateid(c, &b->ok->stateid);
	return open_body_delegate(txn, b, inode);
}

int open_body_run(struct txn *txn, void *arg)
{
	struct open_body *b = arg;
	struct inode inode;
	bool trusted = false, truncate;
	uint8_t access;
	int err;

	memset(b->ok, 0, sizeof(*b->ok));
	b->made = b->delegated = false;
	if (b->c->client->ends)
		return open_body_refuse(b, NFS4ERR_DELAY);
	if (open_body_has_name(b->args))
		err = open_body_by_name(txn, b, &inode, &trusted);
	else
		err = open_body_by_handle(txn, b, &inode);
	if (!err)
		err = open_body_check_type(b, &inode);
	if (!err)
		err = open_body_check_rights(b, &inode, trusted);
	if (!err)
		err = open_body_check_claim(b, &inode);
	truncate = !trusted && b->creates && b->set.attrs.mask & INODE_SET_SIZE && b->set.attrs.size == 0;
	access = truncate ? b->access | OPEN4_SHARE_ACCESS_WRITE : b->access;
	if (!err)
		err = open_body_check_delegs(b, inode.ino, access);
	if (!err)
		err = open_body_check_share(b, inode.ino, access);
	if (!err && truncate) {
		err = open_body_truncate(b, &inode);
		wire_bitmap_set(&b->ok->attrset, FATTR4_SIZE);
	}
	if (!err)
		err = open_body_put(txn, b, &inode);
	return err;
}

static void open_body_apply_fresh(struct open_body *b)
{
	b->fresh->state.number = b->number;
	b->fresh->state.seqid = b->seqid;
	b->fresh->share = b->share;
	open_add(b->c->mds, b->fresh, &b->spare);
	b->fresh = NULL;
}

void open_body_apply(struct open_body *b)
{
	struct mds *mds = b->c->mds;

	if (b->old) {
		b->old->state.seqid = b->seqid;
		open_set_share(b->old, &b->share);
	} else {
		open_body_apply_fresh(b);
	}
	if (!b->delegated)
		return;
	deleg_add(mds, b->deleg, &b->spare);
	b->deleg = NULL;
}
