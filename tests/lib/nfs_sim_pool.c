/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The pool: a directory of all, where names come and go.  Who has made a name holds it, and only he removes or moves
 * it.
 *
 * Promises that are checked: a name is made by one at a time, EXIST is answered only if somebody else has it or just
 * had it; what the holder removes or moves is there; READDIR in many replies tells every name that is there all the
 * time exactly once, and none that is not.
 */

#include <stdio.h>
#include <string.h>

#include "tests/lib/nfs_sim_int.h"
#include "tools/nfs_status.h"

static const char *pool_name(char text[16], unsigned int i)
{
	snprintf(text, 16, "p%u", i);
	return text;
}

static void pool_busy(struct sim_fiber *f, enum sim_pool_op op, unsigned int a, unsigned int b)
{
	f->pool_op = op;
	f->pool_a = a;
	f->pool_b = b;
	f->sim->pool[a].busy++;
	if (op == POOL_RENAME)
		f->sim->pool[b].busy++;
	if (op == POOL_MAKE)
		f->sim->pool[a].makes++;
	if (op == POOL_REMOVE || op == POOL_RENAME)
		f->sim->pool[a].removing = true;
}

static void name_free(struct sim_fiber *f, unsigned int i)
{
	struct sim_name *n = &f->sim->pool[i];

	/* Somebody else may have made it in the meantime. */
	if (n->holder == f) {
		n->holder = NULL;
		n->removing = false;
	}
	n->gone_ns = sim_now(f->sim);
}

static void name_take(struct sim_fiber *f, unsigned int i, uint64_t fileid, bool is_link)
{
	struct sim_name *n = &f->sim->pool[i];

	if (n->holder && n->holder != f && !n->removing)
		sim_fail(f->sim, f, "names", "p%u is made anew, though %s has it", i, n->holder->name);
	n->holder = f;
	n->removing = false;
	n->fileid = fileid;
	n->is_link = is_link;
}

/* It has an answer, or what became of it is known. */
static void pool_idle(struct sim_fiber *f)
{
	uint64_t now = sim_now(f->sim);
	struct sim_name *a = &f->sim->pool[f->pool_a], *b = &f->sim->pool[f->pool_b];

	a->busy--;
	a->touched_ns = now;
	if (f->pool_op == POOL_RENAME) {
		b->busy--;
		b->touched_ns = now;
	}
	if (f->pool_op == POOL_MAKE)
		a->makes--;
	f->pool_op = POOL_NOTHING;
}

/* EXIST needs somebody who has it, had it when the request was sent, or is just making it. */
static void pool_refused(struct sim_fiber *f, unsigned int i, int got, uint64_t start)
{
	const struct sim_name *n = &f->sim->pool[i];

	if (got == NFS4ERR_EXIST && (n->holder || n->makes > 1 || n->gone_ns >= start))
		return;
	sim_fail(f->sim, f, "names", "making p%u gives %s, and nobody has it", i, nfs_status_name((uint32_t)got));
}

static FIBER_FN void step_make(struct sim_fiber *f, unsigned int i)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0400 + f->nr };
	struct nfs_open open = { .owner = f->name, .creates = true, .mode = GUARDED4, .attrs = &attrs };
	uint64_t start = sim_now(f->sim);
	bool links = sim_roll(f, 2);
	uint32_t at = 0, at_fh, at_attrs;
	char name[16], target[16];
	stateid4 stateid;
	struct nfs_fh fh;
	int got;

	open.name = pool_name(name, i);
	snprintf(target, sizeof(target), "%u", f->nr);
	snprintf(f->doing, sizeof(f->doing), "making %s, a %s", name, links ? "link" : "file");
	sim_begin(f, &f->sim->pool_fh);
	if (links)
		nfs_op_symlink(&f->c, name, target);
	else
		at = nfs_op_open(&f->c, &open);
	at_fh = nfs_op_getfh(&f->c);
	at_attrs = nfs_op_getattr(&f->c, sim_asked);
	pool_busy(f, POOL_MAKE, i, i);
	got = sim_send(f);
	if (got < 0)
		return;
	if (got) {
		pool_refused(f, i, got, start);
		return pool_idle(f);
	}
	name_take(f, i, sim_attrs(f, at_attrs).fileid, links);
	pool_idle(f);
	if (links)
		return;
	fh = sim_fh(f, at_fh);
	if (nfs_op_got_stateid(&f->c, at, &stateid))
		sim_fail(f->sim, f, "answer", "no stateid");
	nfs_op_close(sim_begin(f, &fh), &stateid);
	if (!sim_expect(f, NFS4_OK))
		return;
}

static FIBER_FN void step_remove(struct sim_fiber *f, unsigned int i)
{
	char name[16];

	snprintf(f->doing, sizeof(f->doing), "removing %s", pool_name(name, i));
	nfs_op_remove(sim_begin(f, &f->sim->pool_fh), name);
	pool_busy(f, POOL_REMOVE, i, i);
	if (!sim_expect(f, NFS4_OK))
		return;
	name_free(f, i);
	pool_idle(f);
}

/* To another name that is ours, too, so that nobody else is in the way. */
static FIBER_FN void step_rename(struct sim_fiber *f, unsigned int from, unsigned int to)
{
	struct sim_name *pool = f->sim->pool;
	struct wire_attrs attrs;
	char name[16], other[16];
	uint32_t at;

	pool_name(name, from);
	pool_name(other, to);
	snprintf(f->doing, sizeof(f->doing), "moving %s to %s", name, other);
	nfs_op_putfh(sim_begin(f, &f->sim->pool_fh), &f->sim->pool_fh);
	nfs_op_savefh(&f->c);
	nfs_op_rename(&f->c, name, other);
	nfs_op_lookup(&f->c, other);
	at = nfs_op_getattr(&f->c, sim_asked);
	pool_busy(f, POOL_RENAME, from, to);
	if (!sim_expect(f, NFS4_OK))
		return;
	attrs = sim_attrs(f, at);
	if (attrs.fileid != pool[from].fileid && pool[from].holder == f)
		sim_fail(f->sim, f, "names", "%s is now inode %llu, not %llu", other,
			 (unsigned long long)attrs.fileid, (unsigned long long)pool[from].fileid);
	pool[to].is_link = pool[from].is_link;
	pool[to].fileid = attrs.fileid;
	name_free(f, from);
	pool_idle(f);
}

FIBER_FN void sim_pool_step(struct sim_fiber *f)
{
	unsigned int i = (unsigned int)sim_roll(f, SIM_POOL), j = (unsigned int)sim_roll(f, SIM_POOL);

	if (f->sim->pool[i].holder != f)
		return step_make(f, i);
	if (i != j && f->sim->pool[j].holder == f)
		return step_rename(f, i, j);
	if (sim_roll(f, 4) == 0)
		return step_make(f, i);
	return step_remove(f, i);
}

/* Whether @i is what this fiber has made. */
static FIBER_FN int pool_is_mine(struct sim_fiber *f, unsigned int i, uint64_t *ret_fileid, bool *ret_link)
{
	const struct nfs_resop4 *res;
	struct wire_attrs attrs;
	char name[16], target[16];
	struct nfs_fh fh;
	uint32_t at, at_fh;
	int got;

	nfs_op_lookup(sim_begin(f, &f->sim->pool_fh), pool_name(name, i));
	at_fh = nfs_op_getfh(&f->c);
	at = nfs_op_getattr(&f->c, sim_asked);
	got = sim_send(f);
	if (got < 0)
		return got;
	if (got == NFS4ERR_NOENT)
		return false;
	if (got)
		sim_fail(f->sim, f, "result", "LOOKUP: %s", nfs_status_name((uint32_t)got));
	attrs = sim_attrs(f, at);
	*ret_fileid = attrs.fileid;
	*ret_link = attrs.type == NF4LNK;
	if (attrs.type != NF4LNK)
		return attrs.mode == 0400 + f->nr;
	fh = sim_fh(f, at_fh);
	nfs_op_readlink(sim_begin(f, &fh));
	got = sim_send(f);
	/* Of somebody else, who has removed it. */
	if (got)
		return got < 0 ? got : false;
	res = nfs_compound_result(&f->c, 1, OP_READLINK);
	snprintf(target, sizeof(target), "%u", f->nr);
	return res && res->nfs_resop4_u.opreadlink.READLINK4res_u.resok4.link.linktext4_len == strlen(target) &&
	       memcmp(res->nfs_resop4_u.opreadlink.READLINK4res_u.resok4.link.linktext4_val, target,
		      strlen(target)) == 0;
}

FIBER_FN void sim_pool_recover(struct sim_fiber *f)
{
	struct sim_name *a = &f->sim->pool[f->pool_a];
	uint64_t fileid = 0;
	bool is_link = false;
	int mine;

	if (f->pool_op == POOL_NOTHING)
		return;
	mine = pool_is_mine(f, f->pool_a, &fileid, &is_link);
	if (mine < 0)
		return;
	if (f->pool_op == POOL_MAKE && mine && a->holder != f)
		name_take(f, f->pool_a, fileid, is_link);
	else if (f->pool_op != POOL_MAKE && !mine)
		name_free(f, f->pool_a);
	else if (a->holder == f)
		a->removing = false;
	if (f->pool_op == POOL_RENAME) {
		if (pool_is_mine(f, f->pool_b, &fileid, &is_link) < 0)
			return;
		f->sim->pool[f->pool_b].fileid = fileid;
		f->sim->pool[f->pool_b].is_link = is_link;
	}
	pool_idle(f);
}

struct pool_seen {
	struct sim_fiber *f;
	unsigned int fixed[SIM_POOL_FIXED], names[SIM_POOL];
};

static void pool_entry(void *arg, const char *name, uint64_t fileid)
{
	struct pool_seen *seen = arg;
	unsigned int i;

	if (sscanf(name, "fixed %u", &i) == 1 && i < SIM_POOL_FIXED)
		seen->fixed[i]++;
	else if (sscanf(name, "p%u", &i) == 1 && i < SIM_POOL)
		seen->names[i]++;
	else
		sim_fail(seen->f->sim, seen->f, "readdir", "the pool has %s", name);
}

FIBER_FN void sim_pool_list(struct sim_fiber *f)
{
	struct sim_name *pool = f->sim->pool;
	struct pool_seen seen = { .f = f };
	struct sim_fiber *holders[SIM_POOL];
	uint64_t start = sim_now(f->sim);
	bool is_still[SIM_POOL];

	snprintf(f->doing, sizeof(f->doing), "listing the pool");
	for (unsigned int i = 0; i < SIM_POOL; i++) {
		is_still[i] = pool[i].busy == 0;
		holders[i] = pool[i].holder;
	}
	if (!sim_list(f, &f->sim->pool_fh, (struct sim_each){ pool_entry, &seen }))
		return;
	for (unsigned int i = 0; i < SIM_POOL_FIXED; i++)
		if (seen.fixed[i] != 1)
			sim_fail(f->sim, f, "readdir", "\"fixed %u\" is told %u times", i, seen.fixed[i]);
	for (unsigned int i = 0; i < SIM_POOL; i++) {
		unsigned int want = holders[i] ? 1 : 0;

		if (!is_still[i] || pool[i].busy > 0 || pool[i].touched_ns >= start)
			continue;
		if (seen.names[i] != want)
			sim_fail(f->sim, f, "readdir", "p%u is told %u times, not %u", i, seen.names[i], want);
	}
}

FIBER_FN void sim_pool_setup(struct sim_fiber *f)
{
	char name[16];
	uint32_t at;

	nfs_op_mkdir(sim_begin(f, &f->sim->root), "pool", 0777);
	at = nfs_op_getfh(&f->c);
	if (!sim_expect(f, NFS4_OK))
		sim_fail(f->sim, f, "setup", "no pool");
	f->sim->pool_fh = sim_fh(f, at);
	for (unsigned int i = 0; i < SIM_POOL_FIXED; i++) {
		snprintf(name, sizeof(name), "fixed %u", i);
		nfs_op_symlink(sim_begin(f, &f->sim->pool_fh), name, "nowhere");
		if (!sim_expect(f, NFS4_OK))
			sim_fail(f->sim, f, "setup", "no names");
	}
}
