/* SPDX-License-Identifier: Apache-2.0 */

/* Looking at a whole home, as any client could, and comparing it with the model. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/nfs_sim_int.h"
#include "tools/nfs_status.h"

/* One reply's entries; *@cookie is the last one's. */
static void list_take(struct sim_fiber *f, const dirlist4 *list, uint64_t *cookie, struct sim_each each)
{
	struct wire_dir_reader reader;
	struct wire_attrs attrs;
	entry4 entry;
	char name[32];

	wire_dir_open(&reader, list);
	while (wire_dir_next(&reader, &entry) == 0) {
		if (nfs_op_attrs_of(&f->c, &entry.attrs, &attrs))
			sim_fail(f->sim, f, "answer", "an entry without attributes");
		if (entry.cookie == *cookie)
			sim_fail(f->sim, f, "readdir", "a cookie twice");
		*cookie = entry.cookie;
		snprintf(name, sizeof(name), "%.*s", (int)entry.name.component4_len, entry.name.component4_val);
		each.sim_told(each.arg, name, attrs.fileid);
	}
}

FIBER_FN bool sim_list(struct sim_fiber *f, const struct nfs_fh *dir, struct sim_each each)
{
	struct nfs_readdir args = { .attrs = NFS_ATTRS(FATTR4_FILEID) };
	READDIR4resok ok = { 0 };
	uint32_t at;

	while (!ok.reply.eof) {
		uint64_t before = args.cookie;

		args.maxcount = (uint32_t)(150 + sim_roll(f, 700));
		args.dircount = args.maxcount;
		sim_begin(f, dir);
		f->c.cachethis = false;
		at = nfs_op_readdir(&f->c, &args);
		if (!sim_expect(f, NFS4_OK))
			return false;
		if (nfs_op_got_readdir(&f->c, at, &ok))
			sim_fail(f->sim, f, "answer", "no entries");
		memcpy(args.verifier, ok.cookieverf, sizeof(args.verifier));
		list_take(f, &ok.reply, &args.cookie, each);
		if (args.cookie == before && !ok.reply.eof)
			sim_fail(f->sim, f, "readdir", "neither an entry nor the end");
	}
	return true;
}

struct listed {
	struct sim_fiber *f;
	struct home_seen *seen;
	unsigned int dir;
};

static void listed_entry(void *arg, const char *name, uint64_t fileid)
{
	struct listed *l = arg;

	if (l->dir == 0 && strcmp(name, "sub") == 0)
		return;
	for (unsigned int i = 0; i < HOME_NAMES; i++) {
		if (strcmp(name, home_name(i)) != 0 || home_dir_of(i) != l->dir)
			continue;
		if (l->seen->there[i])
			sim_fail(l->f->sim, l->f, "readdir", "%s is told twice", name);
		l->seen->there[i] = true;
		l->seen->inodes[i].fileid = fileid;
		return;
	}
	sim_fail(l->f->sim, l->f, "readdir", "%s is none of ours", name);
}

static FIBER_FN bool see_dir(struct sim_fiber *f, struct home_seen *seen, unsigned int d)
{
	struct listed l = { f, seen, d };
	uint32_t at;

	at = nfs_op_getattr(sim_begin(f, &f->now->dirs[d].fh), sim_asked);
	if (!sim_expect(f, NFS4_OK))
		return false;
	seen->dirs[d].change = sim_attrs(f, at).change;
	return sim_list(f, &f->now->dirs[d].fh, (struct sim_each){ listed_entry, &l });
}

static FIBER_FN bool see_bytes(struct sim_fiber *f, unsigned int name, struct home_inode *in)
{
	unsigned int i = f->now->names[name] - 1;
	READ4resok ok;
	uint32_t at;

	/* Who denies it to others denies it to us; there is another day. */
	if (f->now->names[name] && home_denies(f->now, i, HOME_OWNERS, OPEN4_SHARE_ACCESS_READ, 0)) {
		memcpy(in->bytes, f->now->inodes[i].bytes, sizeof(in->bytes));
		return true;
	}
	at = nfs_op_read(sim_begin(f, &in->fh), &nfs_stateid_anonymous, 0, HOME_SIZE_MAX);
	f->c.cachethis = false;
	if (!sim_expect(f, NFS4_OK))
		return false;
	if (nfs_op_got_read(&f->c, at, &ok) || ok.data.data_len != in->size)
		sim_fail(f->sim, f, "contents", "%s: its bytes are not as many as its size says", home_name(name));
	memcpy(in->bytes, ok.data.data_val, in->size);
	return true;
}

static FIBER_FN bool see_target(struct sim_fiber *f, struct home_inode *in)
{
	const struct nfs_resop4 *res;
	const linktext4 *text;
	char target[16];

	nfs_op_readlink(sim_begin(f, &in->fh));
	if (!sim_expect(f, NFS4_OK))
		return false;
	res = nfs_compound_result(&f->c, 1, OP_READLINK);
	if (!res)
		sim_fail(f->sim, f, "answer", "no target");
	text = &res->nfs_resop4_u.opreadlink.READLINK4res_u.resok4.link;
	snprintf(target, sizeof(target), "%.*s", (int)text->linktext4_len, text->linktext4_val);
	in->target = (uint32_t)strtoul(target, NULL, 10);
	return true;
}

static FIBER_FN bool see_xattrs(struct sim_fiber *f, struct home_inode *in)
{
	static const char *const names[HOME_XATTRS] = { "user.a", "user.b" };

	for (unsigned int x = 0; x < HOME_XATTRS; x++) {
		const struct nfs_resop4 *res;
		const xattrvalue4 *value;
		int got;

		nfs_op_getxattr(sim_begin(f, &in->fh), names[x]);
		got = sim_send(f);
		if (got < 0)
			return false;
		if (got == NFS4ERR_NOXATTR)
			continue;
		res = got ? NULL : nfs_compound_result(&f->c, 1, OP_GETXATTR);
		if (!res)
			sim_fail(f->sim, f, "result", "GETXATTR: %s", nfs_status_name((uint32_t)got));
		value = &res->nfs_resop4_u.opgetxattr.GETXATTR4res_u.gxr_value;
		if (value->xattrvalue4_len != sizeof(in->xattrs[x]))
			sim_fail(f->sim, f, "xattr", "%u bytes", value->xattrvalue4_len);
		memcpy(&in->xattrs[x], value->xattrvalue4_val, sizeof(in->xattrs[x]));
	}
	return true;
}

static FIBER_FN bool see_name(struct sim_fiber *f, struct home_seen *seen, unsigned int name)
{
	struct home_inode *in = &seen->inodes[name];
	struct wire_attrs attrs;
	uint32_t at, at_fh;

	nfs_op_lookup(sim_begin(f, &f->now->dirs[home_dir_of(name)].fh), home_name(name));
	at_fh = nfs_op_getfh(&f->c);
	at = nfs_op_getattr(&f->c, sim_asked);
	if (!sim_expect(f, NFS4_OK))
		return false;
	attrs = sim_attrs(f, at);
	in->fh = sim_fh(f, at_fh);
	if (attrs.fileid != in->fileid)
		sim_fail(f->sim, f, "readdir", "%s is inode %llu, READDIR says %llu", home_name(name),
			 (unsigned long long)attrs.fileid, (unsigned long long)in->fileid);
	in->type = attrs.type;
	in->mode = attrs.mode;
	in->nlink = attrs.numlinks;
	in->size = attrs.size;
	in->change = attrs.change;
	if (in->type == NF4REG && in->size > HOME_SIZE_MAX)
		sim_fail(f->sim, f, "attributes", "%s has %llu bytes", home_name(name), (unsigned long long)in->size);
	if (in->type == NF4LNK)
		return see_target(f, in);
	return in->type != NF4REG || (see_bytes(f, name, in) && see_xattrs(f, in));
}

static FIBER_FN bool see_all(struct sim_fiber *f, struct home_seen *seen)
{
	for (unsigned int d = 0; d < 2; d++)
		if (!see_dir(f, seen, d))
			return false;
	for (unsigned int i = 0; i < HOME_NAMES; i++)
		if (seen->there[i] && !see_name(f, seen, i))
			return false;
	return true;
}

/*
 * A write in place that nobody has answered: any of its bytes may be there, with the attributes of before as well
 * as those of after.
 */
static void take_torn(struct sim_fiber *f, const struct home_seen *seen)
{
	struct home_inode *now = &f->now->inodes[f->torn_inode], *next = &f->next->inodes[f->torn_inode];
	uint64_t end = min_u64(f->torn_off + f->torn_len, now->size);
	const struct home_inode *in = NULL;

	for (unsigned int i = 0; i < HOME_NAMES; i++)
		if (f->now->names[i] == f->torn_inode + 1 && seen->there[i])
			in = &seen->inodes[i];
	for (uint64_t b = f->torn_off; in && b < end; b++)
		if (in->bytes[b] == now->bytes[b] || in->bytes[b] == next->bytes[b])
			now->bytes[b] = next->bytes[b] = in->bytes[b];
}

static void compare(struct sim_fiber *f, const struct home_seen *seen)
{
	const char *differs;
	char text[300];

	if (f->in_doubt && f->torn_len > 0)
		take_torn(f, seen);
	differs = home_differs(f->now, seen);
	if (!differs) {
		home_adopt(f->now, seen);
		f->in_doubt = false;
		return;
	}
	snprintf(text, sizeof(text), "%s", differs);
	for (unsigned int i = 0; f->in_doubt && i < f->nr_mids; i++)
		if (!home_differs(f->mids[i], seen)) {
			memcpy(f->next, f->mids[i], sizeof(*f->next));
			break;
		}
	if (f->in_doubt && !home_differs(f->next, seen)) {
		home_adopt(f->next, seen);
		sim_commit(f);
		return;
	}
	sim_fail(f->sim, f, "home", "%s%s", text, f->in_doubt ? "; nor as after what was in doubt" : "");
}

FIBER_FN void sim_verify(struct sim_fiber *f)
{
	struct home_seen *seen = calloc(1, sizeof(*seen));
	bool was_in_doubt = f->in_doubt;

	if (!seen)
		abort();
	if (!was_in_doubt)
		snprintf(f->doing, sizeof(f->doing), "looking at all of it");
	if (see_all(f, seen))
		compare(f, seen);
	free(seen);
}
