/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Opens and locks in the home: by several owners of one client, with share modes and byte ranges, so that each result
 * is known before.
 */

#include <stdio.h>
#include <string.h>

#include "tests/lib/nfs_sim_int.h"

static const char *const owners[HOME_OWNERS] = { "owner 0", "owner 1", "owner 2" };
/* Owners of different fibers of one client are different. */
static const char *owner_name(const struct sim_fiber *f, unsigned int owner)
{
	static char text[32];

	snprintf(text, sizeof(text), "%u %s", f->nr, owners[owner]);
	return text;
}

static bool same_state(const stateid4 *a, const stateid4 *b)
{
	return memcmp(a->other, b->other, sizeof(a->other)) == 0;
}

/* What OPEN of this name, which is there, says. */
static int open_wants(const struct home *h, unsigned int inode, const struct nfs_open *open)
{
	if (open->creates && open->mode != UNCHECKED4)
		return NFS4ERR_EXIST;
	if (h->inodes[inode].type == NF4DIR)
		return NFS4ERR_ISDIR;
	if (h->inodes[inode].type == NF4LNK)
		return NFS4ERR_SYMLINK;
	/* An owner's first open is in the way of his second one like anybody else's (9.7). */
	return home_denies(h, inode, HOME_OWNERS, open->access & OPEN4_SHARE_ACCESS_BOTH, open->deny)
		       ? NFS4ERR_SHARE_DENIED
		       : NFS4_OK;
}

struct open_job {
	struct nfs_open open;
	unsigned int name, owner, inode;
	int slot;
	bool makes;
	uint32_t at_open, at_fh, at_attrs;
};

static void open_take_state(struct sim_fiber *f, const struct open_job *job)
{
	struct home_open *o = &f->next->opens[job->slot];
	stateid4 stateid;

	if (nfs_op_got_stateid(&f->c, job->at_open, &stateid))
		sim_fail(f->sim, f, "answer", "no stateid");
	if (o->used && (!same_state(&stateid, &o->stateid) || stateid.seqid != o->stateid.seqid + 1))
		sim_fail(f->sim, f, "stateid", "an upgrade gives another state, or seqid %u after %u", stateid.seqid,
			 o->stateid.seqid);
	if (!o->used)
		*o = (struct home_open){ .used = true, .inode = job->inode, .owner = job->owner };
	o->access |= job->open.access & OPEN4_SHARE_ACCESS_BOTH;
	o->deny |= job->open.deny;
	o->stateid = stateid;
}

static void open_made(struct sim_fiber *f, const struct open_job *job)
{
	struct home_dir *dir = &f->next->dirs[home_dir_of(job->name)];
	change_info4 change = sim_change(f, job->at_open);

	if (change.before != dir->change || change.after <= change.before)
		sim_fail(f->sim, f, "change", "the directory's change attribute goes from %llu to %llu, was %llu",
			 (unsigned long long)change.before, (unsigned long long)change.after,
			 (unsigned long long)dir->change);
	dir->change = change.after;
	dir->change_is = HOME_EXACT;
	f->next->inodes[job->inode].fh = sim_fh(f, job->at_fh);
}

static FIBER_FN void open_send(struct sim_fiber *f, struct open_job *job, int want)
{
	struct home_dir *dir = &f->next->dirs[home_dir_of(job->name)];
	struct home_inode *inode = &f->next->inodes[job->inode];
	struct nfs_compound *c = sim_begin(f, &dir->fh);
	struct wire_attrs attrs;

	job->at_open = nfs_op_open(c, &job->open);
	job->at_fh = nfs_op_getfh(c);
	job->at_attrs = nfs_op_getattr(c, sim_asked);
	if (!sim_expect(f, want))
		return;
	if (want) {
		f->in_doubt = false;
		return;
	}
	if (job->makes) {
		open_made(f, job);
		attrs = sim_attrs(f, job->at_attrs);
		inode->fileid = attrs.fileid;
		inode->change = attrs.change;
		inode->change_is = HOME_EXACT;
	}
	open_take_state(f, job);
	attrs = sim_attrs(f, job->at_attrs);
	sim_check_inode(f, job->inode, &attrs);
	sim_commit(f);
}

static FIBER_FN void step_open(struct sim_fiber *f)
{
	static const createmode4 modes[] = { UNCHECKED4, GUARDED4, EXCLUSIVE4_1 };
	struct open_job job = { .name = (unsigned int)sim_roll(f, HOME_NAMES),
				.owner = (unsigned int)sim_roll(f, HOME_OWNERS) };
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = (uint32_t)sim_roll(f, 01000) };
	uint64_t verifier = dice_roll(&f->dice);
	int want, inode;

	job.open =
		(struct nfs_open){ .name = home_name(job.name), .owner = owner_name(f, job.owner), .attrs = &attrs };
	job.open.access = OPEN4_SHARE_ACCESS_WANT_NO_DELEG | (uint32_t)(1 + sim_roll(f, 3));
	job.open.deny = sim_roll(f, 3) ? 0 : (uint32_t)sim_roll(f, 4);
	job.open.creates = sim_roll(f, 3) > 0;
	job.open.mode = modes[sim_roll(f, 3)];
	memcpy(job.open.verifier, &verifier, sizeof(verifier));
	sim_prepare(f);
	job.makes = !f->now->names[job.name];
	inode = job.makes ? home_free_inode(f->now) : (int)f->now->names[job.name] - 1;
	if (inode < 0)
		return sim_commit(f);
	job.inode = (unsigned int)inode;
	if (job.makes)
		want = job.open.creates ? NFS4_OK : NFS4ERR_NOENT;
	else
		want = open_wants(f->now, job.inode, &job.open);
	job.slot = job.makes ? -1 : home_find_open(f->now, job.inode, job.owner);
	if (job.slot < 0)
		job.slot = home_free_open(f->now);
	if (job.slot < 0 && want == NFS4_OK)
		return sim_commit(f);
	snprintf(f->doing, sizeof(f->doing), "OPEN %s by %u, access %u deny %u create %d mode %d", job.open.name,
		 job.owner, job.open.access & 3, job.open.deny, job.open.creates, job.open.mode);
	if (want == NFS4_OK && job.makes) {
		struct home_inode *in = &f->next->inodes[job.inode];

		memset(in, 0, sizeof(*in));
		in->type = NF4REG;
		in->mode = attrs.mode;
		in->nlink = 1;
		f->next->names[job.name] = job.inode + 1;
		f->next->dirs[home_dir_of(job.name)].change_is = HOME_MORE;
	}
	open_send(f, &job, want);
}

static int pick_open(struct sim_fiber *f)
{
	unsigned int start = (unsigned int)sim_roll(f, HOME_OPENS);

	for (unsigned int i = 0; i < HOME_OPENS; i++)
		if (f->now->opens[(start + i) % HOME_OPENS].used)
			return (int)((start + i) % HOME_OPENS);
	return -1;
}

static FIBER_FN void close_one(struct sim_fiber *f, unsigned int slot)
{
	struct home_open *o = &f->now->opens[slot];
	unsigned int inode = o->inode;

	snprintf(f->doing, sizeof(f->doing), "CLOSE of open %u of inode %u (%llu)", slot, inode,
		 (unsigned long long)f->now->inodes[inode].fileid);
	sim_prepare(f);
	f->next->opens[slot].used = false;
	home_settle(f->next, inode);
	nfs_op_close(sim_begin(f, &f->now->inodes[inode].fh), &o->stateid);
	if (sim_expect(f, NFS4_OK))
		sim_commit(f);
}

static FIBER_FN void step_close(struct sim_fiber *f)
{
	int slot = pick_open(f);

	if (slot >= 0)
		close_one(f, (unsigned int)slot);
}

FIBER_FN void sim_open_close_all(struct sim_fiber *f)
{
	for (unsigned int i = 0; i < HOME_OPENS && !f->client->crashed; i++)
		if (f->now->opens[i].used)
			close_one(f, i);
}

static FIBER_FN void step_downgrade(struct sim_fiber *f)
{
	int slot = pick_open(f);
	struct home_open *o;
	uint32_t at;

	if (slot < 0)
		return;
	o = &f->now->opens[slot];
	/* Only what an OPEN has asked for (18.18): here, what it has already. */
	snprintf(f->doing, sizeof(f->doing), "OPEN_DOWNGRADE of open %d to the same", slot);
	sim_prepare(f);
	at = nfs_op_open_downgrade(sim_begin(f, &f->now->inodes[o->inode].fh), &o->stateid, o->access, o->deny);
	if (!sim_expect(f, NFS4_OK))
		return;
	if (nfs_op_got_stateid(&f->c, at, &f->next->opens[slot].stateid))
		sim_fail(f->sim, f, "answer", "no stateid");
	sim_commit(f);
}

/* Whether another owner's lock is in the way. */
static bool unit_denied(const struct home *h, unsigned int slot, unsigned int unit, nfs_lock_type4 type)
{
	for (unsigned int i = 0; i < HOME_OPENS; i++) {
		const struct home_open *o = &h->opens[i];

		if (i != slot && o->used && o->inode == h->opens[slot].inode && o->units[unit] &&
		    (type == WRITE_LT || o->units[unit] == WRITE_LT))
			return true;
	}
	return false;
}

static FIBER_FN void lock_send(struct sim_fiber *f, unsigned int slot, const struct nfs_lock *lock, bool locks,
			       int want)
{
	struct home_open *o = &f->next->opens[slot];
	struct nfs_compound *c = sim_begin(f, &f->now->inodes[o->inode].fh);
	stateid4 stateid;
	uint32_t at;

	if (!locks)
		at = nfs_op_locku(c, &o->lock, lock);
	else if (o->has_lock)
		at = nfs_op_lock(c, &o->lock, lock);
	else
		at = nfs_op_lock_first(c, &o->stateid, lock);
	if (!sim_expect(f, want))
		return;
	if (want) {
		f->in_doubt = false;
		return;
	}
	if (nfs_op_got_stateid(&f->c, at, &stateid))
		sim_fail(f->sim, f, "answer", "no stateid");
	if (o->has_lock && (!same_state(&stateid, &o->lock) || stateid.seqid != o->lock.seqid + 1))
		sim_fail(f->sim, f, "stateid", "a lock's state is another one, or seqid %u after %u", stateid.seqid,
			 o->lock.seqid);
	o->lock = stateid;
	o->has_lock = true;
	sim_commit(f);
}

static FIBER_FN void step_lock(struct sim_fiber *f)
{
	unsigned int unit = (unsigned int)sim_roll(f, HOME_UNITS);
	bool locks = sim_roll(f, 3) > 0;
	int slot = pick_open(f), want = NFS4_OK;
	struct nfs_lock lock = { .type = sim_roll(f, 2) ? READ_LT : WRITE_LT,
				 .offset = unit * 1000,
				 .length = unit + 1 == HOME_UNITS ? NFS4_UINT64_MAX : 1000 };
	struct home_open *o;

	if (slot < 0)
		return;
	sim_prepare(f);
	o = &f->next->opens[slot];
	if (!locks && !o->has_lock)
		return sim_commit(f);
	lock.owner = owner_name(f, o->owner);
	snprintf(f->doing, sizeof(f->doing), "%s of unit %u, open %d of inode %u by %u, type %d",
		 locks ? "LOCK" : "LOCKU", unit, slot, o->inode, o->owner, lock.type);
	if (locks && !(o->access & (lock.type == READ_LT ? OPEN4_SHARE_ACCESS_READ : OPEN4_SHARE_ACCESS_WRITE)))
		want = NFS4ERR_OPENMODE;
	else if (locks && unit_denied(f->now, (unsigned int)slot, unit, lock.type))
		want = NFS4ERR_DENIED;
	if (!want)
		o->units[unit] = locks ? (uint8_t)lock.type : 0;
	lock_send(f, (unsigned int)slot, &lock, locks, want);
}

static FIBER_FN void step_lockt(struct sim_fiber *f)
{
	unsigned int unit = (unsigned int)sim_roll(f, HOME_UNITS);
	struct nfs_lock lock = { .type = WRITE_LT, .offset = unit * 1000, .length = 10, .owner = "nobody" };
	int slot = pick_open(f);
	bool denied = false;
	struct home_open *o;

	if (slot < 0)
		return;
	o = &f->now->opens[slot];
	for (unsigned int i = 0; i < HOME_OPENS; i++)
		if (f->now->opens[i].used && f->now->opens[i].inode == o->inode && f->now->opens[i].units[unit])
			denied = true;
	snprintf(f->doing, sizeof(f->doing), "LOCKT of unit %u of inode %u", unit, o->inode);
	nfs_op_lockt(sim_begin(f, &f->now->inodes[o->inode].fh), &lock);
	if (!sim_expect(f, denied ? NFS4ERR_DENIED : NFS4_OK))
		return;
}

FIBER_FN void sim_open_step(struct sim_fiber *f)
{
	switch (sim_roll(f, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		return step_open(f);
	case 5:
	case 6:
		return step_close(f);
	case 7:
		return step_downgrade(f);
	case 8:
		return step_lockt(f);
	default:
		return step_lock(f);
	}
}
