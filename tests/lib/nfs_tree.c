/* SPDX-License-Identifier: Apache-2.0 */

/* Promise: what a test does not ask about worked, or the test has ended. */

#include "tests/lib/nfs_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire_bitmap.h"

struct tree *tree_open(struct tree *t, struct nfs_test *test)
{
	*t = (struct tree){ .test = test, .session = test->session, .c = &test->c, .top = test->dir };
	return t;
}

void tree_as(struct tree *t, uint32_t uid, uint32_t gid)
{
	t->cred = (struct nfs_cred){ .uid = uid, .gid = gid };
}

void tree_in_group(struct tree *t, uint32_t gid)
{
	NFS_CHECK(t->test, t->cred.nr_gids < WIRE_AUTHSYS_GIDS_MAX);
	t->cred.gids[t->cred.nr_gids++] = gid;
}

void tree_begin(struct tree *t, const struct nfs_fh *fh)
{
	nfs_session_begin(t->session, t->c);
	t->c->cred = t->cred;
	if (fh)
		nfs_op_putfh(t->c, fh);
	else
		nfs_op_putrootfh(t->c);
}

void tree_begin_two(struct tree *t, const struct nfs_fh *saved, const struct nfs_fh *fh)
{
	tree_begin(t, saved);
	nfs_op_savefh(t->c);
	nfs_op_putfh(t->c, fh);
}

FIBER_FN nfsstat4 tree_send(struct tree *t)
{
	NFS_CHECK_EQ(t->test, nfs_file_send(t->session, t->c), 0);
	return t->c->status;
}

/* Send with a GETFH behind. */
static FIBER_FN nfsstat4 tree_send_fh(struct tree *t, struct nfs_fh *ret_fh)
{
	uint32_t at = nfs_op_getfh(t->c);
	nfsstat4 status = tree_send(t);

	if (!status && ret_fh)
		NFS_CHECK_EQ(t->test, nfs_op_got_fh(t->c, at, ret_fh), 0);
	return status;
}

FIBER_FN nfsstat4 tree_lookup(struct tree *t, const struct nfs_fh *dir, const char *name, struct nfs_fh *ret_fh)
{
	tree_begin(t, dir);
	nfs_op_lookup(t->c, name);
	return tree_send_fh(t, ret_fh);
}

FIBER_FN nfsstat4 tree_lookupp(struct tree *t, const struct nfs_fh *dir, struct nfs_fh *ret_fh)
{
	tree_begin(t, dir);
	nfs_op_lookupp(t->c);
	return tree_send_fh(t, ret_fh);
}

FIBER_FN nfsstat4 tree_create(struct tree *t, const struct nfs_fh *dir, nfs_ftype4 type, const char *name,
			      const struct wire_attrs *attrs, struct nfs_fh *ret_fh)
{
	tree_begin(t, dir);
	nfs_op_create(t->c, type, name, attrs);
	return tree_send_fh(t, ret_fh);
}

FIBER_FN nfsstat4 tree_mkdir(struct tree *t, const struct nfs_fh *dir, const char *name, uint32_t mode,
			     struct nfs_fh *ret_fh)
{
	tree_begin(t, dir);
	nfs_op_mkdir(t->c, name, mode);
	return tree_send_fh(t, ret_fh);
}

FIBER_FN nfsstat4 tree_symlink(struct tree *t, const struct nfs_fh *dir, const char *name, const char *target,
			       struct nfs_fh *ret_fh)
{
	tree_begin(t, dir);
	nfs_op_symlink(t->c, name, target);
	return tree_send_fh(t, ret_fh);
}

FIBER_FN nfsstat4 tree_remove(struct tree *t, const struct nfs_fh *dir, const char *name)
{
	tree_begin(t, dir);
	nfs_op_remove(t->c, name);
	return tree_send(t);
}

FIBER_FN nfsstat4 tree_rename(struct tree *t, const struct nfs_fh *from_dir, const char *from,
			      const struct nfs_fh *to_dir, const char *to)
{
	tree_begin_two(t, from_dir, to_dir);
	nfs_op_rename(t->c, from, to);
	return tree_send(t);
}

FIBER_FN nfsstat4 tree_link(struct tree *t, const struct nfs_fh *fh, const struct nfs_fh *dir, const char *name)
{
	tree_begin_two(t, fh, dir);
	nfs_op_link(t->c, name);
	return tree_send(t);
}

FIBER_FN nfsstat4 tree_setattr(struct tree *t, const struct nfs_fh *fh, const struct wire_attrs *attrs)
{
	tree_begin(t, fh);
	nfs_op_setattr(t->c, &nfs_stateid_anonymous, attrs);
	return tree_send(t);
}

FIBER_FN nfsstat4 tree_access(struct tree *t, const struct nfs_fh *fh, uint32_t bits, ACCESS4resok *ret_ok)
{
	const struct nfs_resop4 *res;
	nfsstat4 status;
	uint32_t at;

	tree_begin(t, fh);
	at = nfs_op_access(t->c, bits);
	status = tree_send(t);
	if (status)
		return status;
	res = nfs_compound_result(t->c, at, OP_ACCESS);
	NFS_CHECK(t->test, res != NULL);
	*ret_ok = res->nfs_resop4_u.opaccess.ACCESS4res_u.resok4;
	return NFS4_OK;
}

FIBER_FN nfsstat4 tree_file(struct tree *t, const struct nfs_fh *dir, const char *name, struct nfs_fh *ret_fh)
{
	struct wire_attrs attrs = tree_set_mode(0644);
	struct nfs_open open = { .access = NFS_OPEN_READ, .name = name, .creates = true, .attrs = &attrs };
	uint32_t at;
	nfsstat4 status;

	tree_begin(t, dir);
	nfs_op_open(t->c, &open);
	at = nfs_op_getfh(t->c);
	nfs_op_close(t->c, &nfs_stateid_current);
	status = tree_send(t);
	if (!status && ret_fh)
		NFS_CHECK_EQ(t->test, nfs_op_got_fh(t->c, at, ret_fh), 0);
	return status;
}

FIBER_FN void tree_chmod(struct tree *t, const struct nfs_fh *fh, uint32_t mode)
{
	struct wire_attrs attrs = tree_set_mode(mode);

	NFS_CHECK_EQ(t->test, tree_setattr(t, fh, &attrs), NFS4_OK);
}

FIBER_FN void tree_chown(struct tree *t, const struct nfs_fh *fh, uint32_t uid, uint32_t gid)
{
	char owner[16], group[16];
	struct wire_attrs attrs;

	snprintf(owner, sizeof(owner), "%" PRIu32, uid);
	snprintf(group, sizeof(group), "%" PRIu32, gid);
	attrs = tree_set_owner(owner, group);
	NFS_CHECK_EQ(t->test, tree_setattr(t, fh, &attrs), NFS4_OK);
}

FIBER_FN struct wire_attrs tree_attrs(struct tree *t, const struct nfs_fh *fh, struct bitmap4 asked)
{
	struct wire_attrs attrs;
	uint32_t at;

	tree_begin(t, fh);
	at = nfs_op_getattr(t->c, asked);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_attrs(t->c, at, &attrs), 0);
	return attrs;
}

FIBER_FN uint64_t tree_change(struct tree *t, const struct nfs_fh *fh)
{
	return tree_attrs(t, fh, NFS_ATTRS(FATTR4_CHANGE)).change;
}

FIBER_FN uint32_t tree_mode(struct tree *t, const struct nfs_fh *fh)
{
	return tree_attrs(t, fh, NFS_ATTRS(FATTR4_MODE)).mode;
}

FIBER_FN uint32_t tree_nlink(struct tree *t, const struct nfs_fh *fh)
{
	return tree_attrs(t, fh, NFS_ATTRS(FATTR4_NUMLINKS)).numlinks;
}

static uint32_t number_of(struct tree *t, const utf8string *s)
{
	char text[16] = "";

	NFS_CHECK(t->test, s->utf8string_len > 0 && s->utf8string_len < sizeof(text));
	memcpy(text, s->utf8string_val, s->utf8string_len);
	return (uint32_t)strtoul(text, NULL, 10);
}

FIBER_FN uint32_t tree_owner(struct tree *t, const struct nfs_fh *fh)
{
	struct wire_attrs attrs = tree_attrs(t, fh, NFS_ATTRS(FATTR4_OWNER));

	return number_of(t, &attrs.owner);
}

FIBER_FN uint32_t tree_group(struct tree *t, const struct nfs_fh *fh)
{
	struct wire_attrs attrs = tree_attrs(t, fh, NFS_ATTRS(FATTR4_OWNER_GROUP));

	return number_of(t, &attrs.owner_group);
}

bool tree_fh_equal(const struct nfs_fh *a, const struct nfs_fh *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

struct wire_attrs tree_set_mode(uint32_t mode)
{
	return (struct wire_attrs){ .mask = NFS_ATTRS(FATTR4_MODE), .mode = mode };
}

struct wire_attrs tree_set_size(uint64_t size)
{
	return (struct wire_attrs){ .mask = NFS_ATTRS(FATTR4_SIZE), .size = size };
}

static utf8string string_of(const char *text)
{
	return (utf8string){ .utf8string_val = (char *)(uintptr_t)text, .utf8string_len = (u_int)strlen(text) };
}

struct wire_attrs tree_set_owner(const char *owner, const char *group)
{
	struct wire_attrs attrs = { .size = 0 };

	if (owner) {
		wire_bitmap_set(&attrs.mask, FATTR4_OWNER);
		attrs.owner = string_of(owner);
	}
	if (group) {
		wire_bitmap_set(&attrs.mask, FATTR4_OWNER_GROUP);
		attrs.owner_group = string_of(group);
	}
	return attrs;
}

FIBER_FN void tree_populate(struct tree *t, const struct nfs_fh *dir, const char *prefix, unsigned int nr)
{
	char name[64];

	for (unsigned int i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "%s%u", prefix, i);
		NFS_CHECK_EQ(t->test, tree_create(t, dir, NF4FIFO, name, NULL, NULL), NFS4_OK);
	}
}
