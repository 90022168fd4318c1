/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names in a home: since nobody else is there, each result is known before, and one that comes of the own request
 * done before (EXIST for what was just made, NOENT for what was just removed) is found.
 */

#include <stdio.h>
#include <string.h>

#include "tests/lib/nfs_sim_int.h"

static void take_change(struct sim_fiber *f, unsigned int dir, const change_info4 *change)
{
	struct home_dir *d = &f->next->dirs[dir];

	if (change->before != f->now->dirs[dir].change || change->after <= change->before)
		sim_fail(f->sim, f, "change", "the change attribute of directory %u goes from %llu to %llu, was %llu",
			 dir, (unsigned long long)change->before, (unsigned long long)change->after,
			 (unsigned long long)f->now->dirs[dir].change);
	d->change = change->after;
	d->change_is = HOME_EXACT;
}

/* Ends an operation that failed as expected. */
static FIBER_FN void refuse(struct sim_fiber *f, int want)
{
	if (sim_expect(f, want))
		f->in_doubt = false;
}

static FIBER_FN void step_make(struct sim_fiber *f, unsigned int name)
{
	bool links = sim_roll(f, 2);
	int i = home_free_inode(f->now);
	unsigned int dir = home_dir_of(name);
	uint32_t mode = (uint32_t)sim_roll(f, 01000), at, at_fh, at_attrs, target = 1 + (uint32_t)sim_roll(f, 100000);
	struct home_inode *in;
	struct wire_attrs attrs;
	change_info4 change;
	char text[16];

	if (i < 0)
		return;
	sim_prepare(f);
	in = &f->next->inodes[i];
	snprintf(f->doing, sizeof(f->doing), "%s %s", links ? "SYMLINK" : "MKDIR", home_name(name));
	snprintf(text, sizeof(text), "%u", target);
	sim_begin(f, &f->now->dirs[dir].fh);
	at = links ? nfs_op_symlink(&f->c, home_name(name), text) : nfs_op_mkdir(&f->c, home_name(name), mode);
	at_fh = nfs_op_getfh(&f->c);
	at_attrs = nfs_op_getattr(&f->c, sim_asked);
	if (f->now->names[name])
		return refuse(f, NFS4ERR_EXIST);
	memset(in, 0, sizeof(*in));
	in->type = links ? NF4LNK : NF4DIR;
	in->nlink = links ? 1 : 2;
	in->mode = links ? 0777 : mode;
	in->target = links ? target : 0;
	f->next->names[name] = (unsigned int)i + 1;
	f->next->dirs[dir].change_is = HOME_MORE;
	if (!sim_expect(f, NFS4_OK))
		return;
	change = sim_change(f, at);
	take_change(f, dir, &change);
	attrs = sim_attrs(f, at_attrs);
	in->fh = sim_fh(f, at_fh);
	in->fileid = attrs.fileid;
	in->change = attrs.change;
	if (links)
		in->mode = attrs.mode;
	sim_check_inode(f, (unsigned int)i, &attrs);
	sim_commit(f);
}

static FIBER_FN void step_remove(struct sim_fiber *f, unsigned int name)
{
	unsigned int dir = home_dir_of(name);
	change_info4 change;
	uint32_t at;

	sim_prepare(f);
	snprintf(f->doing, sizeof(f->doing), "REMOVE %s (%llu)", home_name(name),
		 f->now->names[name] ? (unsigned long long)f->now->inodes[f->now->names[name] - 1].fileid : 0);
	at = nfs_op_remove(sim_begin(f, &f->now->dirs[dir].fh), home_name(name));
	if (!f->now->names[name])
		return refuse(f, NFS4ERR_NOENT);
	home_unname(f->next, name);
	f->next->dirs[dir].change_is = HOME_MORE;
	if (!sim_expect(f, NFS4_OK))
		return;
	change = sim_change(f, at);
	take_change(f, dir, &change);
	sim_commit(f);
}

static int pick_inode(struct sim_fiber *f)
{
	unsigned int start = (unsigned int)sim_roll(f, HOME_INODES);

	for (unsigned int i = 0; i < HOME_INODES; i++)
		if (f->now->inodes[(start + i) % HOME_INODES].type)
			return (int)((start + i) % HOME_INODES);
	return -1;
}

/* Also of a file that has no name any more, but is open. */
static FIBER_FN void step_link(struct sim_fiber *f, unsigned int name)
{
	int i = pick_inode(f);
	unsigned int dir = home_dir_of(name);
	uint32_t at_before, at, at_after;
	struct wire_attrs attrs;
	change_info4 change;

	if (i < 0 || f->now->inodes[i].type == NF4DIR)
		return;
	sim_prepare(f);
	snprintf(f->doing, sizeof(f->doing), "LINK of inode %d (%llu, %u links) as %s", i,
		 (unsigned long long)f->now->inodes[i].fileid, f->now->inodes[i].nlink, home_name(name));
	at_before = nfs_op_getattr(sim_begin(f, &f->now->inodes[i].fh), sim_asked);
	nfs_op_savefh(&f->c);
	nfs_op_putfh(&f->c, &f->now->dirs[dir].fh);
	at = nfs_op_link(&f->c, home_name(name));
	nfs_op_restorefh(&f->c);
	at_after = nfs_op_getattr(&f->c, sim_asked);
	if (f->now->names[name])
		return refuse(f, NFS4ERR_EXIST);
	f->next->inodes[i].nlink++;
	home_touch(&f->next->inodes[i]);
	f->next->names[name] = (unsigned int)i + 1;
	f->next->dirs[dir].change_is = HOME_MORE;
	if (!sim_expect(f, NFS4_OK))
		return;
	attrs = sim_attrs(f, at_before);
	sim_check_before(f, (unsigned int)i, &attrs, HOME_MORE);
	attrs = sim_attrs(f, at_after);
	sim_check_inode(f, (unsigned int)i, &attrs);
	change = sim_change(f, at);
	take_change(f, dir, &change);
	sim_commit(f);
}

/* What RENAME does in the model. */
static void model_rename(struct home *h, unsigned int from, unsigned int to)
{
	unsigned int inode = h->names[from];

	if (inode == h->names[to])
		return;
	if (h->names[to])
		home_unname(h, to);
	h->names[to] = inode;
	h->names[from] = 0;
	/* Linux changes ctime, not everybody does. */
	h->inodes[inode - 1].change_is = HOME_AT_LEAST;
	h->dirs[home_dir_of(from)].change_is = HOME_MORE;
	h->dirs[home_dir_of(to)].change_is = HOME_MORE;
}

static int rename_wants(const struct home *h, unsigned int from, unsigned int to)
{
	bool moves_dir, onto_dir;

	if (!h->names[from])
		return NFS4ERR_NOENT;
	if (!h->names[to] || h->names[to] == h->names[from])
		return NFS4_OK;
	moves_dir = h->inodes[h->names[from] - 1].type == NF4DIR;
	onto_dir = h->inodes[h->names[to] - 1].type == NF4DIR;
	return moves_dir == onto_dir ? NFS4_OK : moves_dir ? NFS4ERR_NOTDIR : NFS4ERR_ISDIR;
}

static FIBER_FN void step_rename(struct sim_fiber *f, unsigned int from)
{
	unsigned int to = (unsigned int)sim_roll(f, HOME_NAMES);
	int want = rename_wants(f->now, from, to);
	const struct nfs_resop4 *res;
	bool same;
	uint32_t at;

	sim_prepare(f);
	snprintf(f->doing, sizeof(f->doing), "RENAME %s to %s", home_name(from), home_name(to));
	nfs_op_savefh(sim_begin(f, &f->now->dirs[home_dir_of(from)].fh));
	nfs_op_putfh(&f->c, &f->now->dirs[home_dir_of(to)].fh);
	at = nfs_op_rename(&f->c, home_name(from), home_name(to));
	if (want)
		return refuse(f, want);
	same = f->now->names[from] == f->now->names[to];
	model_rename(f->next, from, to);
	if (!sim_expect(f, NFS4_OK))
		return;
	res = nfs_compound_result(&f->c, at, OP_RENAME);
	if (!res)
		sim_fail(f->sim, f, "answer", "no change_info");
	if (!same) {
		const RENAME4resok *ok = &res->nfs_resop4_u.oprename.RENAME4res_u.resok4;

		take_change(f, home_dir_of(from), &ok->source_cinfo);
		take_change(f, home_dir_of(to), &ok->target_cinfo);
	}
	sim_commit(f);
}

static FIBER_FN void step_lookup(struct sim_fiber *f, unsigned int name)
{
	unsigned int i = f->now->names[name] - 1;
	struct wire_attrs attrs;
	uint32_t at;

	snprintf(f->doing, sizeof(f->doing), "LOOKUP %s", home_name(name));
	sim_prepare(f);
	nfs_op_lookup(sim_begin(f, &f->now->dirs[home_dir_of(name)].fh), home_name(name));
	at = nfs_op_getattr(&f->c, sim_asked);
	if (!f->now->names[name])
		return refuse(f, NFS4ERR_NOENT);
	if (!sim_expect(f, NFS4_OK))
		return;
	attrs = sim_attrs(f, at);
	sim_check_before(f, i, &attrs, HOME_EXACT);
	sim_commit(f);
}

/* A handle of what is gone: nobody there, or the last of it. */
static FIBER_FN void step_dead(struct sim_fiber *f)
{
	struct nfs_sim *sim = f->sim;
	unsigned int i = sim->nr_dead ? (unsigned int)sim_roll(f, min_u64(sim->nr_dead, SIM_DEAD_MAX)) : 0;
	struct wire_attrs attrs;
	uint64_t fileid;
	uint32_t at;
	int got;

	if (!sim->nr_dead)
		return;
	fileid = sim->dead[i].fileid;
	snprintf(f->doing, sizeof(f->doing), "GETATTR by the handle of inode %llu, which is gone",
		 (unsigned long long)fileid);
	at = nfs_op_getattr(sim_begin(f, &sim->dead[i].fh), sim_asked);
	got = sim_send(f);
	if (got < 0 || got == NFS4ERR_STALE)
		return;
	if (got)
		sim_fail(sim, f, "handle", "status %d, not STALE", got);
	attrs = sim_attrs(f, at);
	if (attrs.fileid != fileid || attrs.numlinks > 0)
		sim_fail(sim, f, "handle", "leads to inode %llu with %u links", (unsigned long long)attrs.fileid,
			 attrs.numlinks);
}

FIBER_FN void sim_name_step(struct sim_fiber *f)
{
	unsigned int name = (unsigned int)sim_roll(f, HOME_NAMES);

	switch (sim_roll(f, 12)) {
	case 0:
	case 1:
		return step_make(f, name);
	case 2:
	case 3:
	case 4:
		return step_remove(f, name);
	case 5:
	case 6:
		return step_link(f, name);
	case 7:
	case 8:
		return step_rename(f, name);
	case 9:
		return step_dead(f);
	default:
		return step_lookup(f, name);
	}
}
