/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Compounds that change several things in a home, so that a crash may find them half done.
 *
 * Promise that is checked: what was done before the crash is not done again, what was not is done after it, and the
 * answers to all of it are as if there had been no crash.
 */

#include <stdio.h>
#include <string.h>

#include "tests/lib/nfs_sim_int.h"
#include "tools/nfs_status.h"

enum chain_kind {
	CHAIN_MAKE,
	CHAIN_REMOVE,
	CHAIN_LINK,
	CHAIN_RENAME,
	CHAIN_XATTR,
	CHAIN_KINDS
};

struct chain_part {
	enum chain_kind kind;
	unsigned int name, to, inode;
	uint32_t at, at_fh, at_attrs;
};

struct chain {
	struct chain_part parts[SIM_CHAIN_MAX];
	unsigned int nr;
	uint64_t dirs[2]; /* change attributes, as the answers go through them */
};

static void part_touch_dir(struct home *h, unsigned int name)
{
	h->dirs[home_dir_of(name)].change_is = HOME_MORE;
}

static bool part_make(struct sim_fiber *f, struct chain_part *part)
{
	struct home *h = f->next;
	int i = home_free_inode(h);
	struct home_inode *in;
	uint32_t mode = (uint32_t)sim_roll(f, 01000);

	if (h->names[part->name] || i < 0)
		return false;
	part->inode = (unsigned int)i;
	in = &h->inodes[i];
	memset(in, 0, sizeof(*in));
	in->type = NF4DIR;
	in->nlink = 2;
	in->mode = mode;
	h->names[part->name] = part->inode + 1;
	part_touch_dir(h, part->name);
	nfs_op_putfh(&f->c, &h->dirs[home_dir_of(part->name)].fh);
	part->at = nfs_op_mkdir(&f->c, home_name(part->name), mode);
	part->at_fh = nfs_op_getfh(&f->c);
	part->at_attrs = nfs_op_getattr(&f->c, sim_asked);
	return true;
}

static bool part_remove(struct sim_fiber *f, struct chain_part *part)
{
	struct home *h = f->next;

	if (!h->names[part->name])
		return false;
	home_unname(h, part->name);
	part_touch_dir(h, part->name);
	nfs_op_putfh(&f->c, &h->dirs[home_dir_of(part->name)].fh);
	part->at = nfs_op_remove(&f->c, home_name(part->name));
	return true;
}

static bool part_link(struct sim_fiber *f, struct chain_part *part)
{
	struct home *h = f->next;
	struct home_inode *in = &h->inodes[part->inode];

	if (h->names[part->name] || !in->type || in->type == NF4DIR || !in->fileid)
		return false;
	in->nlink++;
	home_touch(in);
	h->names[part->name] = part->inode + 1;
	part_touch_dir(h, part->name);
	nfs_op_putfh(&f->c, &in->fh);
	nfs_op_savefh(&f->c);
	nfs_op_putfh(&f->c, &h->dirs[home_dir_of(part->name)].fh);
	part->at = nfs_op_link(&f->c, home_name(part->name));
	return true;
}

/* Only to a name that is free. */
static bool part_rename(struct sim_fiber *f, struct chain_part *part)
{
	struct home *h = f->next;
	unsigned int inode = h->names[part->name];

	if (!inode || h->names[part->to])
		return false;
	h->names[part->to] = inode;
	h->names[part->name] = 0;
	if (h->inodes[inode - 1].change_is == HOME_EXACT)
		h->inodes[inode - 1].change_is = HOME_AT_LEAST;
	part_touch_dir(h, part->name);
	part_touch_dir(h, part->to);
	nfs_op_putfh(&f->c, &h->dirs[home_dir_of(part->name)].fh);
	nfs_op_savefh(&f->c);
	nfs_op_putfh(&f->c, &h->dirs[home_dir_of(part->to)].fh);
	part->at = nfs_op_rename(&f->c, home_name(part->name), home_name(part->to));
	return true;
}

static bool part_xattr(struct sim_fiber *f, struct chain_part *part)
{
	struct home_inode *in = &f->next->inodes[part->inode];
	uint32_t val = (uint32_t)dice_roll(&f->dice) | 1;

	if (in->type != NF4REG || !in->fileid || in->xattrs[0])
		return false;
	in->xattrs[0] = val;
	home_touch(in);
	nfs_op_putfh(&f->c, &in->fh);
	part->at = nfs_op_setxattr(&f->c, SETXATTR4_CREATE, "user.a", &val, sizeof(val));
	return true;
}

/* One part more, if there is one that must succeed. */
static bool chain_add(struct sim_fiber *f, struct chain *chain)
{
	static bool (*const adds[CHAIN_KINDS])(struct sim_fiber * f,
					       struct chain_part * part) = { part_make, part_remove, part_link,
									     part_rename, part_xattr };
	struct chain_part *part = &chain->parts[chain->nr];

	for (unsigned int tries = 0; tries < 20; tries++) {
		part->kind = (enum chain_kind)sim_roll(f, CHAIN_KINDS);
		part->name = (unsigned int)sim_roll(f, HOME_NAMES);
		part->to = (unsigned int)sim_roll(f, HOME_NAMES);
		part->inode = (unsigned int)sim_roll(f, HOME_INODES);
		if (adds[part->kind](f, part)) {
			memcpy(f->mids[chain->nr++], f->next, sizeof(*f->next));
			return true;
		}
	}
	return false;
}

static void chain_dir(struct sim_fiber *f, struct chain *chain, unsigned int dir, const change_info4 *change)
{
	if (change->before != chain->dirs[dir] || change->after <= change->before)
		sim_fail(f->sim, f, "change", "the change attribute of directory %u goes from %llu to %llu, was %llu",
			 dir, (unsigned long long)change->before, (unsigned long long)change->after,
			 (unsigned long long)chain->dirs[dir]);
	chain->dirs[dir] = change->after;
}

static void part_take(struct sim_fiber *f, struct chain *chain, const struct chain_part *part)
{
	struct home_inode *in = &f->next->inodes[part->inode];
	const struct nfs_resop4 *res;
	const RENAME4resok *ok;
	struct wire_attrs attrs;
	change_info4 change;

	if (part->kind == CHAIN_XATTR)
		return;
	if (part->kind == CHAIN_RENAME) {
		res = nfs_compound_result(&f->c, part->at, OP_RENAME);
		if (!res)
			sim_fail(f->sim, f, "answer", "no change_info");
		ok = &res->nfs_resop4_u.oprename.RENAME4res_u.resok4;
		chain_dir(f, chain, home_dir_of(part->name), &ok->source_cinfo);
		/* In one directory they are one change. */
		if (home_dir_of(part->name) != home_dir_of(part->to))
			chain_dir(f, chain, home_dir_of(part->to), &ok->target_cinfo);
		return;
	}
	change = sim_change(f, part->at);
	chain_dir(f, chain, home_dir_of(part->name), &change);
	if (part->kind != CHAIN_MAKE)
		return;
	attrs = sim_attrs(f, part->at_attrs);
	/* A later part may have removed it, and another one taken its place. */
	for (const struct chain_part *later = part + 1; later < chain->parts + chain->nr; later++)
		if (later->kind == CHAIN_MAKE && later->inode == part->inode)
			return;
	if (in->type == NF4DIR) {
		in->fileid = attrs.fileid;
		in->fh = sim_fh(f, part->at_fh);
		in->change = attrs.change;
	}
}

FIBER_FN void sim_chain_step(struct sim_fiber *f)
{
	struct chain chain = { .dirs = { f->now->dirs[0].change, f->now->dirs[1].change } };
	uint64_t want = 2 + sim_roll(f, SIM_CHAIN_MAX - 1);
	int got;

	sim_prepare(f);
	sim_begin(f, NULL);
	while (chain.nr < want && chain_add(f, &chain))
		;
	snprintf(f->doing, sizeof(f->doing), "%u changes in one compound: %d %d %d", chain.nr, chain.parts[0].kind,
		 chain.parts[1].kind, chain.parts[2].kind);
	f->sim->report.chains++;
	f->nr_mids = chain.nr;
	f->ends_at_delay = true;
	got = sim_send(f);
	f->ends_at_delay = false;
	if (got < 0)
		return;
	if (got == NFS4ERR_DELAY)
		/* Some of it is done. */
		return sim_verify(f);
	if (got)
		sim_fail(f->sim, f, "result", "%s (operation %u)", nfs_status_name((uint32_t)got), f->c.nr_results);
	for (unsigned int i = 0; i < chain.nr; i++)
		part_take(f, &chain, &chain.parts[i]);
	for (unsigned int d = 0; d < 2; d++) {
		f->next->dirs[d].change = chain.dirs[d];
		f->next->dirs[d].change_is = HOME_EXACT;
	}
	sim_commit(f);
}
