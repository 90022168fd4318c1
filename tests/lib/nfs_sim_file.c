/* SPDX-License-Identifier: Apache-2.0 */

/* Contents, attributes and extended attributes of the files in a home, compared to the byte. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/nfs_sim_int.h"
#include "tools/nfs_status.h"

struct bitmap4 sim_asked;

void sim_prepare(struct sim_fiber *f)
{
	memcpy(f->next, f->now, sizeof(*f->next));
	f->in_doubt = true;
	f->torn_len = 0;
	f->nr_mids = 0;
}

void sim_commit(struct sim_fiber *f)
{
	struct home *home = f->now;

	for (unsigned int i = 0; i < HOME_INODES; i++)
		if (f->now->inodes[i].type && !f->next->inodes[i].type)
			sim_bury(f->sim, &f->now->inodes[i].fh, f->now->inodes[i].fileid);
	f->now = f->next;
	f->next = home;
	f->in_doubt = false;
}

static void check_same(struct sim_fiber *f, const struct home_inode *want, const struct wire_attrs *attrs,
		       const char *when)
{
	if (attrs->fileid != want->fileid)
		sim_fail(f->sim, f, "handle", "%s: the handle of inode %llu leads to %llu", when,
			 (unsigned long long)want->fileid, (unsigned long long)attrs->fileid);
	if (attrs->type != want->type || attrs->mode != want->mode || attrs->numlinks != want->nlink ||
	    (want->type == NF4REG && attrs->size != want->size))
		sim_fail(f->sim, f, "attributes",
			 "%s: type %u mode %o links %u size %llu, not type %u mode %o links %u size %llu", when,
			 attrs->type, attrs->mode, attrs->numlinks, (unsigned long long)attrs->size, want->type,
			 want->mode, want->nlink, (unsigned long long)want->size);
}

static void check_change(struct sim_fiber *f, const struct home_inode *want, uint64_t change, const char *when)
{
	if (want->change_is == HOME_EXACT  ? change == want->change
	    : want->change_is == HOME_MORE ? change > want->change
					   : change >= want->change)
		return;
	sim_fail(f->sim, f, "change", "%s: the change attribute is %llu, not %llu%s", when,
		 (unsigned long long)change, (unsigned long long)want->change,
		 want->change_is == HOME_EXACT ? "" : " or more");
}

/* Before the operation nothing has changed since it was last seen: also not by the same operation, done before. */
void sim_check_before(struct sim_fiber *f, unsigned int i, const struct wire_attrs *attrs, enum home_change then)
{
	check_same(f, &f->now->inodes[i], attrs, "before");
	check_change(f, &f->now->inodes[i], attrs->change, "before");
	f->next->inodes[i].change = attrs->change;
	f->next->inodes[i].change_is = then;
}

void sim_check_inode(struct sim_fiber *f, unsigned int i, const struct wire_attrs *attrs)
{
	struct home_inode *want = &f->next->inodes[i];

	check_same(f, want, attrs, "after");
	check_change(f, want, attrs->change, "after");
	want->change = attrs->change;
	want->change_is = HOME_EXACT;
}

/* A live regular file, or -1. */
static int pick_file(struct sim_fiber *f)
{
	unsigned int start = (unsigned int)sim_roll(f, HOME_INODES);

	for (unsigned int i = 0; i < HOME_INODES; i++)
		if (f->now->inodes[(start + i) % HOME_INODES].type == NF4REG)
			return (int)((start + i) % HOME_INODES);
	return -1;
}

/* A state id that may do this, and what comes of it. */
static stateid4 pick_state(struct sim_fiber *f, unsigned int i, uint32_t access, int *ret_want)
{
	unsigned int start = (unsigned int)sim_roll(f, HOME_OPENS + 2);

	*ret_want = NFS4_OK;
	for (unsigned int n = start; n < HOME_OPENS; n++) {
		const struct home_open *o = &f->now->opens[n];

		if (o->used && o->inode == i && (o->access & access))
			return o->has_lock && sim_roll(f, 2) ? o->lock : o->stateid;
	}
	if (home_denies(f->now, i, HOME_OWNERS, access, 0))
		*ret_want = NFS4ERR_LOCKED;
	return nfs_stateid_anonymous;
}

/* An operation between two looks at the attributes. */
struct change_job {
	unsigned int inode;
	enum home_change then; /* what the operation does to the change attribute */
	uint32_t at_before, at_op, at_after;
};

static struct nfs_compound *change_begin(struct sim_fiber *f, struct change_job *job, unsigned int i)
{
	struct nfs_compound *c = sim_begin(f, &f->now->inodes[i].fh);

	job->inode = i;
	job->then = HOME_EXACT;
	job->at_before = nfs_op_getattr(c, sim_asked);
	return c;
}

static FIBER_FN bool change_send(struct sim_fiber *f, struct change_job *job, int want)
{
	struct wire_attrs attrs;

	job->at_after = nfs_op_getattr(&f->c, sim_asked);
	if (!sim_expect(f, want))
		return false;
	attrs = sim_attrs(f, job->at_before);
	sim_check_before(f, job->inode, &attrs, job->then);
	if (want) {
		f->in_doubt = false;
		f->now->inodes[job->inode].change = attrs.change;
		f->now->inodes[job->inode].change_is = HOME_EXACT;
		return false;
	}
	attrs = sim_attrs(f, job->at_after);
	sim_check_inode(f, job->inode, &attrs);
	return true;
}

static FIBER_FN void step_read(struct sim_fiber *f, unsigned int i)
{
	uint64_t off = sim_roll(f, HOME_SIZE_MAX), want_len;
	uint32_t len = (uint32_t)(1 + sim_roll(f, 8192));
	const struct home_inode *in = &f->now->inodes[i];
	struct change_job job;
	READ4resok ok;
	stateid4 stateid;
	int want;

	sim_prepare(f);
	stateid = pick_state(f, i, OPEN4_SHARE_ACCESS_READ, &want);
	snprintf(f->doing, sizeof(f->doing), "READ %u+%u of inode %u (%llu)", (unsigned int)off, len, i,
		 (unsigned long long)in->fileid);
	job.at_op = nfs_op_read(change_begin(f, &job, i), &stateid, off, len);
	f->c.cachethis = false;
	if (!change_send(f, &job, want))
		return;
	want_len = off >= in->size ? 0 : min_u64(len, in->size - off);
	if (nfs_op_got_read(&f->c, job.at_op, &ok))
		sim_fail(f->sim, f, "answer", "no data");
	if (ok.data.data_len != want_len || (ok.eof != 0) != (off + want_len >= in->size))
		sim_fail(f->sim, f, "contents", "%u bytes and eof %d, not %u of %u", ok.data.data_len, ok.eof,
			 (unsigned int)want_len, (unsigned int)in->size);
	if (memcmp(ok.data.data_val, in->bytes + off, want_len) != 0)
		sim_fail(f->sim, f, "contents", "other bytes than were written");
	sim_commit(f);
}

static void model_write(struct home_inode *in, uint64_t off, const void *bytes, uint32_t len)
{
	if (off + len > in->size)
		home_set_size(in, off + len);
	memcpy(in->bytes + off, bytes, len);
	home_touch(in);
}

/* What was written UNSTABLE is safe after COMMIT with the same verifier; else it is written again. */
static FIBER_FN void write_finish(struct sim_fiber *f, unsigned int i, uint64_t off, const void *bytes, uint32_t len,
				  const char *verifier)
{
	const struct nfs_resop4 *res;
	struct wire_attrs attrs;
	uint32_t at;

	nfs_op_commit(sim_begin(f, &f->now->inodes[i].fh), 0, 0);
	if (!sim_expect(f, NFS4_OK))
		return;
	res = nfs_compound_result(&f->c, 1, OP_COMMIT);
	if (!res)
		sim_fail(f->sim, f, "answer", "no verifier");
	if (memcmp(res->nfs_resop4_u.opcommit.COMMIT4res_u.resok4.writeverf, verifier, NFS4_VERIFIER_SIZE) == 0)
		return sim_commit(f);
	nfs_op_write(sim_begin(f, &f->now->inodes[i].fh), &nfs_stateid_anonymous, off, FILE_SYNC4, bytes, len);
	at = nfs_op_getattr(&f->c, sim_asked);
	if (!sim_expect(f, NFS4_OK))
		return;
	attrs = sim_attrs(f, at);
	f->next->inodes[i].change_is = HOME_MORE;
	f->next->inodes[i].change = f->now->inodes[i].change;
	sim_check_inode(f, i, &attrs);
	sim_commit(f);
}

static FIBER_FN void step_write(struct sim_fiber *f, unsigned int i)
{
	static const stable_how4 hows[] = { UNSTABLE4, DATA_SYNC4, FILE_SYNC4 };
	bool appends = sim_roll(f, 4) == 0;
	uint64_t off = appends ? f->now->inodes[i].size : sim_roll(f, HOME_SIZE_MAX);
	uint32_t len = (uint32_t)(1 + sim_roll(f, sim_roll(f, 2) ? 200 : 6000));
	uint8_t *bytes;
	struct change_job job;
	stable_how4 how = hows[sim_roll(f, 3)];
	char verifier[NFS4_VERIFIER_SIZE];
	stateid4 stateid;
	WRITE4resok ok;
	int want;

	if (off >= HOME_SIZE_MAX)
		return;
	len = (uint32_t)min_u64(len, HOME_SIZE_MAX - off);
	sim_prepare(f);
	stateid = pick_state(f, i, OPEN4_SHARE_ACCESS_WRITE, &want);
	/* A write again needs to get through. */
	if (how == UNSTABLE4 && home_denies(f->now, i, HOME_OWNERS, OPEN4_SHARE_ACCESS_WRITE, 0))
		how = FILE_SYNC4;
	snprintf(f->doing, sizeof(f->doing), "WRITE %u+%u of inode %u (%llu) %d", (unsigned int)off, len, i,
		 (unsigned long long)f->now->inodes[i].fileid, how);
	bytes = malloc(len);
	if (!bytes)
		abort();
	home_pattern(bytes, len, dice_roll(&f->dice));
	job.at_op = nfs_op_write(change_begin(f, &job, i), &stateid, off, how, bytes, len);
	if (!want)
		model_write(&f->next->inodes[i], off, bytes, len);
	f->torn_inode = i;
	f->torn_off = off;
	f->torn_len = len;
	job.then = HOME_MORE;
	if (change_send(f, &job, want)) {
		if (nfs_op_got_write(&f->c, job.at_op, &ok) || ok.count != len || ok.committed < how)
			sim_fail(f->sim, f, "answer", "not all was written, or not as asked");
		memcpy(verifier, ok.writeverf, sizeof(verifier));
		if (ok.committed == UNSTABLE4)
			write_finish(f, i, off, bytes, len, verifier);
		else
			sim_commit(f);
	}
	free(bytes);
}

static FIBER_FN void step_setattr(struct sim_fiber *f, unsigned int i)
{
	struct wire_attrs attrs = { 0 };
	struct change_job job;
	stateid4 stateid = nfs_stateid_anonymous;
	struct home_inode *in;
	int want = NFS4_OK;

	sim_prepare(f);
	in = &f->next->inodes[i];
	if (sim_roll(f, 2)) {
		attrs.mask = NFS_ATTRS(FATTR4_MODE);
		attrs.mode = (uint32_t)sim_roll(f, 01000);
		in->mode = attrs.mode;
	} else {
		attrs.mask = NFS_ATTRS(FATTR4_SIZE);
		attrs.size = sim_roll(f, sim_roll(f, 2) ? HOME_SIZE_MAX : in->size + 1);
		stateid = pick_state(f, i, OPEN4_SHARE_ACCESS_WRITE, &want);
		if (!want)
			home_set_size(in, attrs.size);
	}
	if (!want)
		home_touch(in);
	snprintf(f->doing, sizeof(f->doing), "SETATTR of inode %u (%llu): size %u mode %o", i,
		 (unsigned long long)in->fileid, (unsigned int)attrs.size, attrs.mode);
	job.at_op = nfs_op_setattr(change_begin(f, &job, i), &stateid, &attrs);
	job.then = HOME_MORE;
	if (change_send(f, &job, want))
		sim_commit(f);
}

static FIBER_FN void step_space(struct sim_fiber *f, unsigned int i)
{
	uint64_t off = sim_roll(f, HOME_SIZE_MAX), len = 1 + sim_roll(f, HOME_SIZE_MAX - off);
	bool allocates = sim_roll(f, 3) == 0;
	struct home_inode *in;
	struct change_job job;
	stateid4 stateid;
	int want;

	sim_prepare(f);
	in = &f->next->inodes[i];
	stateid = pick_state(f, i, OPEN4_SHARE_ACCESS_WRITE, &want);
	snprintf(f->doing, sizeof(f->doing), "%s %u+%u of inode %u (%llu)", allocates ? "ALLOCATE" : "DEALLOCATE",
		 (unsigned int)off, (unsigned int)len, i, (unsigned long long)in->fileid);
	change_begin(f, &job, i);
	if (allocates) {
		nfs_op_allocate(&f->c, &stateid, off, len);
		if (!want)
			home_set_size(in, max_u64(in->size, off + len));
	} else {
		nfs_op_deallocate(&f->c, &stateid, off, len);
		if (!want && off < in->size)
			memset(in->bytes + off, 0, min_u64(len, in->size - off));
	}
	if (!want)
		in->change_is = HOME_AT_LEAST;
	job.then = HOME_AT_LEAST;
	if (change_send(f, &job, want))
		sim_commit(f);
}

static bool has_bytes(const uint8_t *bytes, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		if (bytes[i])
			return true;
	return false;
}

static FIBER_FN void step_seek(struct sim_fiber *f, unsigned int i)
{
	const struct home_inode *in = &f->now->inodes[i];
	uint64_t off = sim_roll(f, HOME_SIZE_MAX), got;
	bool data = sim_roll(f, 2);
	const struct nfs_resop4 *res;
	struct change_job job;
	stateid4 stateid;
	int want;

	sim_prepare(f);
	stateid = pick_state(f, i, OPEN4_SHARE_ACCESS_READ, &want);
	if (!want && off >= in->size)
		want = NFS4ERR_NXIO;
	snprintf(f->doing, sizeof(f->doing), "SEEK of %s from %u in inode %u", data ? "data" : "holes",
		 (unsigned int)off, i);
	job.at_op =
		nfs_op_seek(change_begin(f, &job, i), &stateid, off, data ? NFS4_CONTENT_DATA : NFS4_CONTENT_HOLE);
	if (!change_send(f, &job, want))
		return;
	res = nfs_compound_result(&f->c, job.at_op, OP_SEEK);
	if (!res)
		sim_fail(f->sim, f, "answer", "no result");
	got = res->nfs_resop4_u.opseek.SEEK4res_u.resok4.sr_offset;
	if (got < off || got > in->size)
		sim_fail(f->sim, f, "seek", "found at %llu", (unsigned long long)got);
	if (data && has_bytes(in->bytes, off, got))
		sim_fail(f->sim, f, "seek", "there is data before %llu", (unsigned long long)got);
	if (!data && got < in->size && has_bytes(in->bytes, got, min_u64(in->size, got + 1)))
		sim_fail(f->sim, f, "seek", "no hole at %llu", (unsigned long long)got);
	sim_commit(f);
}

static FIBER_FN void step_clone(struct sim_fiber *f, unsigned int dst)
{
	int picked = pick_file(f), want_src, want_dst;
	unsigned int src = (unsigned int)picked;
	uint64_t blocks, from, to, len;
	struct nfs_copy copy = { .synchronous = true };
	struct wire_attrs attrs;
	struct home_inode *in;
	uint32_t at;

	if (picked < 0 || src == dst || f->now->inodes[src].size < HOME_BLOCK)
		return;
	blocks = f->now->inodes[src].size / HOME_BLOCK;
	from = sim_roll(f, blocks) * HOME_BLOCK;
	len = (1 + sim_roll(f, blocks - from / HOME_BLOCK)) * HOME_BLOCK;
	to = sim_roll(f, (HOME_SIZE_MAX - len) / HOME_BLOCK + 1) * HOME_BLOCK;
	sim_prepare(f);
	copy.src = pick_state(f, src, OPEN4_SHARE_ACCESS_READ, &want_src);
	copy.dst = pick_state(f, dst, OPEN4_SHARE_ACCESS_WRITE, &want_dst);
	if (want_src || want_dst)
		return sim_commit(f);
	in = &f->next->inodes[dst];
	model_write(in, to, f->now->inodes[src].bytes + from, (uint32_t)len);
	copy.src_offset = from;
	copy.dst_offset = to;
	copy.count = len;
	snprintf(f->doing, sizeof(f->doing), "CLONE %u+%u of inode %u to %u of inode %u (%llu)", (unsigned int)from,
		 (unsigned int)len, src, (unsigned int)to, dst, (unsigned long long)in->fileid);
	nfs_op_savefh(sim_begin(f, &f->now->inodes[src].fh));
	nfs_op_putfh(&f->c, &f->now->inodes[dst].fh);
	nfs_op_clone(&f->c, &copy);
	at = nfs_op_getattr(&f->c, sim_asked);
	if (!sim_expect(f, NFS4_OK))
		return;
	attrs = sim_attrs(f, at);
	sim_check_inode(f, dst, &attrs);
	sim_commit(f);
}

/* Within what both have, so that a part of it changes no size. */
static FIBER_FN void step_copy(struct sim_fiber *f, unsigned int dst)
{
	int picked = pick_file(f), want_src, want_dst;
	unsigned int src = (unsigned int)picked;
	struct nfs_copy copy = { .synchronous = true };
	const struct nfs_resop4 *res;
	struct wire_attrs attrs;
	uint32_t at, at_attrs;
	uint64_t room, count;

	if (picked < 0 || src == dst || !f->now->inodes[src].size || !f->now->inodes[dst].size)
		return;
	sim_prepare(f);
	copy.src_offset = sim_roll(f, f->now->inodes[src].size);
	copy.dst_offset = sim_roll(f, f->now->inodes[dst].size);
	room = min_u64(f->now->inodes[src].size - copy.src_offset, f->now->inodes[dst].size - copy.dst_offset);
	copy.count = 1 + sim_roll(f, room);
	copy.src = pick_state(f, src, OPEN4_SHARE_ACCESS_READ, &want_src);
	copy.dst = pick_state(f, dst, OPEN4_SHARE_ACCESS_WRITE, &want_dst);
	if (want_src || want_dst)
		return sim_commit(f);
	model_write(&f->next->inodes[dst], copy.dst_offset, f->now->inodes[src].bytes + copy.src_offset,
		    (uint32_t)copy.count);
	f->torn_inode = dst;
	f->torn_off = copy.dst_offset;
	f->torn_len = copy.count;
	snprintf(f->doing, sizeof(f->doing), "COPY %u+%u of inode %u to %u of inode %u",
		 (unsigned int)copy.src_offset, (unsigned int)copy.count, src, (unsigned int)copy.dst_offset, dst);
	nfs_op_savefh(sim_begin(f, &f->now->inodes[src].fh));
	nfs_op_putfh(&f->c, &f->now->inodes[dst].fh);
	at = nfs_op_copy(&f->c, &copy);
	nfs_op_commit(&f->c, 0, 0);
	at_attrs = nfs_op_getattr(&f->c, sim_asked);
	if (!sim_expect(f, NFS4_OK))
		return;
	res = nfs_compound_result(&f->c, at, OP_COPY);
	if (!res)
		sim_fail(f->sim, f, "answer", "no result");
	count = res->nfs_resop4_u.opcopy.COPY4res_u.cr_resok4.cr_response.wr_count;
	if (count > copy.count || count == 0)
		sim_fail(f->sim, f, "answer", "%llu bytes are copied", (unsigned long long)count);
	memcpy(f->next->inodes[dst].bytes + copy.dst_offset + count,
	       f->now->inodes[dst].bytes + copy.dst_offset + count, copy.count - count);
	attrs = sim_attrs(f, at_attrs);
	sim_check_inode(f, dst, &attrs);
	sim_commit(f);
}

static FIBER_FN void step_read_plus(struct sim_fiber *f, unsigned int i)
{
	uint64_t off = sim_roll(f, HOME_SIZE_MAX), end;
	uint32_t len = (uint32_t)(1 + sim_roll(f, 12000));
	const struct home_inode *in = &f->now->inodes[i];
	const struct nfs_resop4 *res;
	const struct read_plus_res4 *ok;
	struct change_job job;
	stateid4 stateid;
	int want;

	sim_prepare(f);
	stateid = pick_state(f, i, OPEN4_SHARE_ACCESS_READ, &want);
	snprintf(f->doing, sizeof(f->doing), "READ_PLUS %u+%u of inode %u (%llu)", (unsigned int)off, len, i,
		 (unsigned long long)in->fileid);
	job.at_op = nfs_op_read_plus(change_begin(f, &job, i), &stateid, off, len);
	f->c.cachethis = false;
	if (!change_send(f, &job, want))
		return;
	res = nfs_compound_result(&f->c, job.at_op, OP_READ_PLUS);
	if (!res)
		sim_fail(f->sim, f, "answer", "no data");
	ok = &res->nfs_resop4_u.opread_plus.READ_PLUS4res_u.rp_resok4;
	end = off + len < in->size ? off + len : max_u64(off, in->size);
	for (u_int n = 0; n < ok->rpr_contents.rpr_contents_len; n++) {
		const struct read_plus_content *piece = &ok->rpr_contents.rpr_contents_val[n];
		bool is_data = piece->rpc_content == NFS4_CONTENT_DATA;
		const struct data4 *data = &piece->read_plus_content_u.rpc_data;
		uint64_t from = is_data ? data->d_offset : piece->read_plus_content_u.rpc_hole.di_offset;
		uint64_t nr = is_data ? data->d_data.d_data_len : piece->read_plus_content_u.rpc_hole.di_length;

		if (from != off || nr == 0 || nr > end - off)
			sim_fail(f->sim, f, "contents", "a piece %llu+%llu, where %llu was next",
				 (unsigned long long)from, (unsigned long long)nr, (unsigned long long)off);
		if (is_data ? memcmp(data->d_data.d_data_val, in->bytes + off, nr) != 0
			    : has_bytes(in->bytes, off, off + nr))
			sim_fail(f->sim, f, "contents", "other bytes than were written, in the piece at %llu",
				 (unsigned long long)off);
		off += nr;
	}
	if ((ok->rpr_eof != 0) != (off >= in->size))
		sim_fail(f->sim, f, "contents", "eof is %d at %llu", ok->rpr_eof, (unsigned long long)off);
	sim_commit(f);
}

static const char *const xattr_names[HOME_XATTRS] = { "user.a", "user.b" };

static FIBER_FN void xattr_get(struct sim_fiber *f, unsigned int i, unsigned int x)
{
	uint32_t val = f->now->inodes[i].xattrs[x], got;
	const struct nfs_resop4 *res;
	const xattrvalue4 *value;

	snprintf(f->doing, sizeof(f->doing), "GETXATTR %u of inode %u", x, i);
	nfs_op_getxattr(sim_begin(f, &f->now->inodes[i].fh), xattr_names[x]);
	if (!sim_expect(f, val ? NFS4_OK : NFS4ERR_NOXATTR) || !val)
		return;
	res = nfs_compound_result(&f->c, 1, OP_GETXATTR);
	if (!res)
		sim_fail(f->sim, f, "answer", "no value");
	value = &res->nfs_resop4_u.opgetxattr.GETXATTR4res_u.gxr_value;
	if (value->xattrvalue4_len != sizeof(got))
		sim_fail(f->sim, f, "xattr", "%u bytes", value->xattrvalue4_len);
	memcpy(&got, value->xattrvalue4_val, sizeof(got));
	if (got != val)
		sim_fail(f->sim, f, "xattr", "%u, not %u", got, val);
}

static FIBER_FN void step_xattr(struct sim_fiber *f, unsigned int i)
{
	static const setxattr_option4 options[] = { SETXATTR4_EITHER, SETXATTR4_CREATE, SETXATTR4_REPLACE };
	unsigned int x = (unsigned int)sim_roll(f, HOME_XATTRS), how = (unsigned int)sim_roll(f, 5);
	struct home_inode *in = &f->now->inodes[i];
	uint32_t val = (uint32_t)dice_roll(&f->dice) | 1;
	struct change_job job;
	int want = NFS4_OK;

	if (how == 4)
		return xattr_get(f, i, x);
	sim_prepare(f);
	in = &f->next->inodes[i];
	snprintf(f->doing, sizeof(f->doing), "%s %u of inode %u (%llu)", how == 3 ? "REMOVEXATTR" : "SETXATTR", x, i,
		 (unsigned long long)in->fileid);
	change_begin(f, &job, i);
	if (how == 3) {
		nfs_op_removexattr(&f->c, xattr_names[x]);
		want = in->xattrs[x] ? NFS4_OK : NFS4ERR_NOXATTR;
	} else {
		nfs_op_setxattr(&f->c, options[how], xattr_names[x], &val, sizeof(val));
		if (how == 1 && in->xattrs[x])
			want = NFS4ERR_EXIST;
		if (how == 2 && !in->xattrs[x])
			want = NFS4ERR_NOXATTR;
	}
	if (!want) {
		in->xattrs[x] = how == 3 ? 0 : val;
		home_touch(in);
	}
	job.then = HOME_MORE;
	if (change_send(f, &job, want))
		sim_commit(f);
}

FIBER_FN void sim_file_step(struct sim_fiber *f)
{
	int picked = pick_file(f);
	unsigned int i = (unsigned int)picked;

	if (picked < 0)
		return;
	switch (sim_roll(f, 18)) {
	case 0:
	case 1:
	case 2:
		return step_read(f, i);
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
		return step_write(f, i);
	case 8:
	case 9:
		return step_setattr(f, i);
	case 10:
		return step_space(f, i);
	case 11:
		return step_seek(f, i);
	case 12:
		return step_clone(f, i);
	case 13:
		return step_copy(f, i);
	case 14:
		return step_read_plus(f, i);
	default:
		return step_xattr(f, i);
	}
}
