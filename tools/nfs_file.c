/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: each call does its one thing in one compound or, where data or directories are large, in several. */

#include "tools/nfs_file.h"

#include <string.h>

#include "dev/fiber.h"
#include "dev/reactor.h"

#define PAUSE_MIN_NS (10 * 1000000ull)
#define PAUSE_MAX_NS (1000 * 1000000ull)
/* What a READ or WRITE takes on the wire besides its data, RPC's head with the largest credential included. */
#define IO_OVERHEAD 1024
#define IO_MIN	    512

FIBER_FN int nfs_file_send(struct nfs_session *session, struct nfs_compound *c)
{
	struct reactor *r = session->client->reactor;
	uint64_t deadline = nfs_compound_deadline(c, r), pause = PAUSE_MIN_NS;
	int err;

	for (;;) {
		err = nfs_session_send(session, c);
		/* The reply was lost, and nobody was to keep it: the request is made anew. */
		if (!err && c->status == NFS4ERR_RETRY_UNCACHED_REP && !c->cachethis && reactor_now_ns(r) < deadline)
			continue;
		if (err || (c->status != NFS4ERR_DELAY && c->status != NFS4ERR_GRACE) ||
		    reactor_now_ns(r) >= deadline)
			return err;
		fiber_sleep_ns(pause);
		pause = min_u64(2 * pause, PAUSE_MAX_NS);
	}
}

/* A compound of this session. */
static void compound_open(struct nfs_compound *c, struct nfs_session *session)
{
	nfs_compound_init(c);
	nfs_session_begin(session, c);
}

static FIBER_FN int compound_run(struct nfs_compound *c, struct nfs_session *session)
{
	int err = nfs_file_send(session, c);

	return err ? err : (int)c->status;
}

/* An answer without what it must have is no answer. */
static int need(int err)
{
	return err ? -EPROTO : 0;
}

static FIBER_FN int compound_close(struct nfs_compound *c, struct nfs_session *session)
{
	int err = compound_run(c, session);

	nfs_compound_release(c);
	return err;
}

static void start_at(struct nfs_compound *c, const struct nfs_fh *from)
{
	if (from)
		nfs_op_putfh(c, from);
	else
		nfs_op_putrootfh(c);
}

static FIBER_FN int compound_close_fh(struct nfs_compound *c, struct nfs_session *session, struct nfs_fh *ret_fh)
{
	uint32_t at = nfs_op_getfh(c);
	int err = compound_run(c, session);

	if (!err)
		err = need(nfs_op_got_fh(c, at, ret_fh));
	nfs_compound_release(c);
	return err;
}

FIBER_FN int nfs_file_walk(struct nfs_session *session, const struct nfs_fh *from, const char *path,
			   struct nfs_fh *ret_fh)
{
	struct nfs_compound c;
	unsigned int nr = 0;

	compound_open(&c, session);
	start_at(&c, from);
	while (*path && nr <= NFS_FILE_PATH_MAX) {
		size_t len = strcspn(path, "/");

		if (len > 0) {
			nfs_op_lookup_str(&c, (struct nfs_str){ path, (uint32_t)len });
			nr++;
		}
		path += len;
		path += strspn(path, "/");
	}
	if (nr > NFS_FILE_PATH_MAX) {
		nfs_compound_release(&c);
		return -ENAMETOOLONG;
	}
	return compound_close_fh(&c, session, ret_fh);
}

FIBER_FN int nfs_file_mkdir(struct nfs_session *session, const struct nfs_fh *dir, const char *name, uint32_t mode,
			    struct nfs_fh *ret_fh)
{
	struct nfs_compound c;

	compound_open(&c, session);
	start_at(&c, dir);
	nfs_op_mkdir(&c, name, mode);
	return compound_close_fh(&c, session, ret_fh);
}

FIBER_FN int nfs_file_remove(struct nfs_session *session, const struct nfs_fh *dir, const char *name)
{
	struct nfs_compound c;

	compound_open(&c, session);
	start_at(&c, dir);
	nfs_op_remove(&c, name);
	return compound_close(&c, session);
}

FIBER_FN int nfs_file_rename(struct nfs_session *session, const struct nfs_fh *from_dir, const char *from,
			     const struct nfs_fh *to_dir, const char *to)
{
	struct nfs_compound c;

	compound_open(&c, session);
	start_at(&c, from_dir);
	nfs_op_savefh(&c);
	start_at(&c, to_dir);
	nfs_op_rename(&c, from, to);
	return compound_close(&c, session);
}

FIBER_FN int nfs_file_link(struct nfs_session *session, const struct nfs_fh *fh, const struct nfs_fh *dir,
			   const char *name)
{
	struct nfs_compound c;

	compound_open(&c, session);
	start_at(&c, fh);
	nfs_op_savefh(&c);
	start_at(&c, dir);
	nfs_op_link(&c, name);
	return compound_close(&c, session);
}

FIBER_FN int nfs_file_symlink(struct nfs_session *session, const struct nfs_fh *dir, const char *name,
			      const char *target)
{
	struct nfs_compound c;

	compound_open(&c, session);
	start_at(&c, dir);
	nfs_op_symlink(&c, name, target);
	return compound_close(&c, session);
}

static int take_link(const struct nfs_compound *c, uint32_t at, char *ret_target, size_t size)
{
	const struct nfs_resop4 *res = nfs_compound_result(c, at, OP_READLINK);
	const linktext4 *text;

	if (!res)
		return -EPROTO;
	text = &res->nfs_resop4_u.opreadlink.READLINK4res_u.resok4.link;
	if (text->linktext4_len >= size)
		return -ERANGE;
	memcpy(ret_target, text->linktext4_val, text->linktext4_len);
	ret_target[text->linktext4_len] = 0;
	return 0;
}

FIBER_FN int nfs_file_readlink(struct nfs_session *session, const struct nfs_fh *fh, char *ret_target, size_t size)
{
	struct nfs_compound c;
	uint32_t at;
	int err;

	compound_open(&c, session);
	start_at(&c, fh);
	at = nfs_op_readlink(&c);
	err = compound_run(&c, session);
	if (!err)
		err = take_link(&c, at, ret_target, size);
	nfs_compound_release(&c);
	return err;
}

/* Forget what points into the compound. */
static void attrs_cut(struct wire_attrs *attrs)
{
	attrs->acl = (fattr4_acl){ 0 };
	attrs->filehandle = (fattr4_filehandle){ 0 };
	attrs->fs_locations = (fattr4_fs_locations){ 0 };
	attrs->mimetype = (fattr4_mimetype){ 0 };
	attrs->owner = (fattr4_owner){ 0 };
	attrs->owner_group = (fattr4_owner_group){ 0 };
	attrs->dacl = (fattr4_dacl){ 0 };
	attrs->sacl = (fattr4_sacl){ 0 };
	attrs->fs_status = (fattr4_fs_status){ 0 };
	attrs->fs_layout_types = (fattr4_fs_layout_types){ 0 };
	attrs->layout_types = (fattr4_layout_types){ 0 };
	attrs->fs_locations_info = (fattr4_fs_locations_info){ 0 };
	attrs->mdsthreshold = (fattr4_mdsthreshold){ 0 };
	attrs->retention_get = (fattr4_retention_get){ 0 };
	attrs->retentevt_get = (fattr4_retentevt_get){ 0 };
	attrs->sec_label = (fattr4_sec_label){ 0 };
}

FIBER_FN int nfs_file_getattr(struct nfs_session *session, const struct nfs_fh *fh, struct bitmap4 attrs,
			      struct wire_attrs *ret_attrs)
{
	struct nfs_compound c;
	uint32_t at;
	int err;

	compound_open(&c, session);
	start_at(&c, fh);
	at = nfs_op_getattr(&c, attrs);
	err = compound_run(&c, session);
	if (!err)
		err = need(nfs_op_got_attrs(&c, at, ret_attrs));
	nfs_compound_release(&c);
	if (!err)
		attrs_cut(ret_attrs);
	return err;
}

FIBER_FN int nfs_file_setattr(struct nfs_session *session, const struct nfs_fh *fh, const struct wire_attrs *attrs)
{
	struct nfs_compound c;

	compound_open(&c, session);
	start_at(&c, fh);
	nfs_op_setattr(&c, &nfs_stateid_anonymous, attrs);
	return compound_close(&c, session);
}

FIBER_FN int nfs_file_open(struct nfs_session *session, const struct nfs_fh *dir, const struct nfs_open *open,
			   struct nfs_file *ret_file)
{
	struct nfs_file file = { .session = session };
	struct nfs_compound c;
	uint32_t at, at_fh;
	int err;

	compound_open(&c, session);
	start_at(&c, dir);
	at = nfs_op_open(&c, open);
	at_fh = nfs_op_getfh(&c);
	err = compound_run(&c, session);
	if (!err)
		err = need(nfs_op_got_stateid(&c, at, &file.stateid));
	if (!err)
		err = need(nfs_op_got_fh(&c, at_fh, &file.fh));
	nfs_compound_release(&c);
	if (!err)
		*ret_file = file;
	return err;
}

FIBER_FN int nfs_file_create(struct nfs_session *session, const struct nfs_fh *dir, const char *name,
			     struct nfs_file *ret_file)
{
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE), .mode = 0644 };
	struct nfs_open open = { .name = name, .creates = true, .mode = UNCHECKED4, .attrs = &attrs };

	return nfs_file_open(session, dir, &open, ret_file);
}

FIBER_FN int nfs_file_close(struct nfs_file *file)
{
	struct nfs_compound c;

	compound_open(&c, file->session);
	nfs_op_putfh(&c, &file->fh);
	nfs_op_close(&c, &file->stateid);
	return compound_close(&c, file->session);
}

static uint32_t io_size(uint32_t channel_size, size_t len)
{
	uint32_t max = channel_size > IO_OVERHEAD + IO_MIN ? channel_size - IO_OVERHEAD : IO_MIN;

	/* In whole KiB, where there is that much. */
	if (max > 4096)
		max = (uint32_t)round_down_u64(max, 4096);
	return (uint32_t)min_u64(min_u64(max, NFS4_DATA_MAX), len);
}

static FIBER_FN int read_once(struct nfs_file *file, struct nfs_compound *c, uint64_t offset, void *bytes,
			      uint32_t len, size_t *ret_len, bool *ret_eof)
{
	READ4resok ok;
	uint32_t at;
	int err;

	nfs_session_begin(file->session, c);
	c->cachethis = false;
	nfs_op_putfh(c, &file->fh);
	at = nfs_op_read(c, &file->stateid, offset, len);
	err = compound_run(c, file->session);
	if (err)
		return err;
	if (nfs_op_got_read(c, at, &ok) || ok.data.data_len > len)
		return -EPROTO;
	memcpy(bytes, ok.data.data_val, ok.data.data_len);
	*ret_len = ok.data.data_len;
	*ret_eof = ok.eof;
	return 0;
}

FIBER_FN int nfs_file_read(struct nfs_file *file, uint64_t offset, void *bytes, size_t len, size_t *ret_len,
			   bool *ret_eof)
{
	struct nfs_compound c;
	size_t done = 0, got = 0;
	bool eof = false;
	int err;

	nfs_compound_init(&c);
	do {
		err = read_once(file, &c, offset + done, (char *)bytes + done,
				io_size(file->session->fore.ca_maxresponsesize, len - done), &got, &eof);
		if (!err && got == 0 && !eof && len > done)
			err = -EPROTO;
		if (!err)
			done += got;
	} while (!err && !eof && done < len);
	nfs_compound_release(&c);
	if (!err) {
		*ret_len = done;
		*ret_eof = eof;
	}
	return err;
}

FIBER_FN int nfs_file_write(struct nfs_file *file, uint64_t offset, const void *bytes, size_t len, stable_how4 stable)
{
	struct nfs_compound c;
	size_t done = 0;
	WRITE4resok ok;
	uint32_t at, part;
	int err = 0;

	nfs_compound_init(&c);
	while (!err && done < len) {
		part = io_size(file->session->fore.ca_maxrequestsize, len - done);
		nfs_session_begin(file->session, &c);
		nfs_op_putfh(&c, &file->fh);
		at = nfs_op_write(&c, &file->stateid, offset + done, stable, (const char *)bytes + done, part);
		err = compound_run(&c, file->session);
		if (!err && (nfs_op_got_write(&c, at, &ok) || ok.count == 0 || ok.count > part))
			err = -EPROTO;
		if (!err)
			done += ok.count;
	}
	nfs_compound_release(&c);
	return err;
}

FIBER_FN int nfs_file_commit(struct nfs_file *file)
{
	struct nfs_compound c;

	compound_open(&c, file->session);
	nfs_op_putfh(&c, &file->fh);
	nfs_op_commit(&c, 0, 0);
	return compound_close(&c, file->session);
}
