/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: nobody gets above the root of an export, or into one whose rules do not let him in, by names.  Paths of
 * exports are walked each time they matter, so renames in the volume have their effect at once.
 */

#include "mds/place.h"

#include <string.h>
#include <sys/stat.h>

#include "dev/log.h"
#include "extent/name.h"
#include "mds/config.h"
#include "mds/conn.h"
#include "mds/mds.h"
#include "mds/status.h"

const struct sockaddr_storage *place_peer(const struct compound *c)
{
	return &c->conn->sock->peer.ss;
}

bool place_may(const struct cred *cred, const struct inode *inode, uint32_t want)
{
	return (cred_access(cred, inode->mode, inode->uid, inode->gid) & want) == want;
}

nfsstat4 place_is_dir(const struct inode *inode)
{
	return S_ISDIR(inode->mode) ? NFS4_OK : NFS4ERR_NOTDIR;
}

void place_enter(struct compound *c, const struct fh *fh)
{
	c->fh = *fh;
	c->has_stateid = false;
	memset(&c->stateid, 0, sizeof(c->stateid));
}

static bool is_volume_root(const struct export *e)
{
	return strcmp(e->path, "/") == 0;
}

/* The directory of the volume that @e shows.  -ENOENT, -ENOTDIR: there is none. */
static int export_root_get(struct txn *txn, const struct export *e, struct inode *ret_inode)
{
	const char *at = e->path;
	struct name_result r;
	int err;

	err = name_get_dir(txn, INO_ROOT, true, &r.inode);
	while (!err && *(at += strspn(at, "/"))) {
		struct name_at name = { .dir = r.inode.ino, .name = at, .len = strcspn(at, "/") };

		err = name_lookup(txn, &name, &r);
		at += name.len;
	}
	if (!err && !S_ISDIR(r.inode.mode))
		err = -ENOTDIR;
	if (!err)
		*ret_inode = r.inode;
	return err;
}

/* Whether @ino is the directory that @e shows. */
static int export_root_is(struct txn *txn, const struct export *e, uint64_t ino, bool *ret_is)
{
	struct inode root;
	int err;

	if (is_volume_root(e)) {
		*ret_is = ino == INO_ROOT;
		return 0;
	}
	err = export_root_get(txn, e, &root);
	if (err && err != -ENOENT && err != -ENOTDIR)
		return err;
	*ret_is = !err && root.ino == ino;
	return 0;
}

static const struct export_node *node_of(const struct compound *c, const struct export *e)
{
	return export_node_of(c->mds->exports, e);
}

/* The root of an export that is nested in none is mounted on a node; but nothing is mounted on the root of all. */
static int mounted_on_get(struct txn *txn, const struct compound *c, struct attr_of *of)
{
	const struct export *e = of->fh.export;
	const struct export_node *node;
	bool is_root;
	int err;

	if (e->outer || !S_ISDIR(of->inode.mode))
		return 0;
	err = export_root_is(txn, e, of->inode.ino, &is_root);
	if (err || !is_root)
		return err;
	node = node_of(c, e);
	of->mounted_on = node->parent == node ? 0 : node->id;
	return 0;
}

int place_get(struct txn *txn, const struct compound *c, const struct fh *fh, struct attr_of *ret_of)
{
	struct attr_of of = { .fh = *fh };
	int err;

	if (fh->kind == FH_FILE) {
		err = inode_get_gen(txn, fh->ino, fh->generation, &of.inode);
		if (!err)
			err = mounted_on_get(txn, c, &of);
		if (err)
			return err;
	}
	*ret_of = of;
	return 0;
}

struct place_read {
	struct compound *c;
	const struct fh *fh;
	struct attr_of of;
};

static int read_body(struct txn *txn, void *arg)
{
	struct place_read *r = arg;

	return place_get(txn, r->c, r->fh, &r->of);
}

FIBER_FN nfsstat4 place_read(struct compound *c, const struct fh *fh, struct attr_of *ret_of)
{
	struct place_read r = { .c = c, .fh = fh, .of = { .fh = *fh } };
	nfsstat4 status = NFS4_OK;

	if (fh->kind == FH_FILE)
		status = nfs_status(compound_read(c, fh->ino, read_body, &r));
	if (!status)
		*ret_of = r.of;
	return status;
}

struct place_root {
	struct compound *c;
	const struct export_node *node;
	const struct export *export;
	struct attr_of of;
};

static int root_body(struct txn *txn, void *arg)
{
	struct place_root *r = arg;
	int err;

	err = export_root_get(txn, r->export, &r->of.inode);
	if (err)
		return err;
	r->of.fh.ino = r->of.inode.ino;
	r->of.fh.generation = r->of.inode.generation;
	r->of.mounted_on = r->node->parent == r->node ? 0 : r->node->id;
	return 0;
}

/* Once for each export and start of the server: clients may ask again and again. */
static void log_missing(const struct export *e, int err)
{
	static uint8_t logged[EXPORT_ID_MAX / 8 + 1];

	if (logged[e->id / 8] & 1u << e->id % 8)
		return;
	logged[e->id / 8] |= (uint8_t)(1u << e->id % 8);
	log_warn("export %s: %s is not a directory of the volume (%s); clients do not see it", e->pseudo, e->path,
		 strerror(-err));
}

FIBER_FN nfsstat4 place_of_node(struct compound *c, const struct export_node *node, struct attr_of *ret_of)
{
	struct place_root r = { .c = c, .node = node, .export = export_junction(node, place_peer(c)) };
	int err;

	r.of.fh = (struct fh){ .kind = FH_PSEUDO, .ino = node->id };
	if (r.export) {
		r.of.fh = (struct fh){ .kind = FH_FILE,
				       .export = r.export,
				       .rule = export_rule_for(r.export, place_peer(c)) };
		err = txn_read(c->mds->fs, root_body, &r);
		if (err == -ENOENT || err == -ENOTDIR) {
			log_missing(r.export, err);
			return NFS4ERR_NOENT;
		}
		if (err)
			return nfs_status(err);
		compound_saw(c, r.of.inode.ino);
	}
	*ret_of = r.of;
	return NFS4_OK;
}

static bool is_nested_in(const struct export *e, const struct export *in)
{
	while (e->outer) {
		e = e->outer;
		if (e == in)
			return true;
	}
	return false;
}

/* Whether the last name of @path is @name. */
static bool path_ends_in(const char *path, const void *name, size_t len)
{
	size_t path_len = strlen(path);

	return path_len > len && path[path_len - len - 1] == '/' && memcmp(path + path_len - len, name, len) == 0;
}

int place_cross(struct txn *txn, const struct compound *c, const struct fh *dir, const void *name, size_t len,
		struct attr_of *of)
{
	const struct config *config = c->mds->config;

	if (!S_ISDIR(of->inode.mode))
		return 0;
	for (unsigned int i = 0; i < config->nr_exports; i++) {
		const struct export *e = &config->exports[i];
		const struct export_rule *rule = NULL;
		bool is_root = false;
		int err;

		if (is_nested_in(e, dir->export) && path_ends_in(e->path, name, len))
			rule = export_rule_for(e, place_peer(c));
		if (!rule)
			continue;
		err = export_root_is(txn, e, of->inode.ino, &is_root);
		if (err)
			return err;
		if (is_root) {
			of->fh.export = e;
			of->fh.rule = rule;
			return 0;
		}
	}
	return 0;
}

struct place_lookup {
	struct compound *c;
	const component4 *name;
	struct attr_of dir;
	struct attr_of of;
	const struct export_node *node; /* what was found is a node of the pseudo file system */
	nfsstat4 status;
};

/* Whether who asks may search l->dir. */
static nfsstat4 may_search(const struct place_lookup *l)
{
	struct cred cred = compound_cred(l->c, &l->c->fh);

	if (S_ISLNK(l->dir.inode.mode))
		return NFS4ERR_SYMLINK;
	if (!S_ISDIR(l->dir.inode.mode))
		return NFS4ERR_NOTDIR;
	return place_may(&cred, &l->dir.inode, CRED_X) ? NFS4_OK : NFS4ERR_ACCESS;
}

static void found(struct place_lookup *l, const struct inode *inode)
{
	l->of = (struct attr_of){ .fh = l->c->fh, .inode = *inode };
	l->of.fh.ino = inode->ino;
	l->of.fh.generation = inode->generation;
}

static int lookup_body(struct txn *txn, void *arg)
{
	struct place_lookup *l = arg;
	struct name_at at = { .dir = l->c->fh.ino, .name = l->name->component4_val, .len = l->name->component4_len };
	struct name_result r;
	int err;

	err = inode_get_gen(txn, l->c->fh.ino, l->c->fh.generation, &l->dir.inode);
	if (err)
		return err;
	l->status = may_search(l);
	if (l->status)
		return 0;
	err = name_lookup(txn, &at, &r);
	if (err)
		return err;
	found(l, &r.inode);
	return place_cross(txn, l->c, &l->c->fh, at.name, at.len, &l->of);
}

static FIBER_FN nfsstat4 lookup_file(struct place_lookup *l)
{
	nfsstat4 status;

	status = nfs_status(compound_read(l->c, l->c->fh.ino, lookup_body, l));
	return status ? status : l->status;
}

FIBER_FN nfsstat4 place_lookup(struct compound *c, const component4 *name, struct attr_of *ret_of)
{
	struct place_lookup l = { .c = c, .name = name };
	const struct export_node *node;
	nfsstat4 status;

	status = compound_check_name(name);
	if (status)
		return status;
	if (c->fh.kind == FH_PSEUDO) {
		node = export_node_by_id(c->mds->exports, c->fh.ino);
		if (!node)
			return NFS4ERR_STALE;
		node = export_child(node, name->component4_val, name->component4_len, place_peer(c));
		return node ? place_of_node(c, node, ret_of) : NFS4ERR_NOENT;
	}
	status = lookup_file(&l);
	if (status)
		return status;
	compound_saw(c, l.of.inode.ino);
	*ret_of = l.of;
	return NFS4_OK;
}

/* The nearest export around @e that lets the peer in; NULL: none. */
static const struct export *outer_of(const struct compound *c, const struct export *e,
				     const struct export_rule **ret_rule)
{
	for (e = e->outer; e; e = e->outer) {
		*ret_rule = export_rule_for(e, place_peer(c));
		if (*ret_rule)
			return e;
	}
	return NULL;
}

/* From the root of an export: into the export around it, or the pseudo file system. */
static nfsstat4 leave_export(struct place_lookup *l, bool *ret_done)
{
	const struct export *e = l->c->fh.export;
	const struct export_node *node;
	const struct export_rule *rule;
	const struct export *outer = outer_of(l->c, e, &rule);

	if (outer) {
		l->of.fh.export = outer;
		l->of.fh.rule = rule;
		*ret_done = false;
		return NFS4_OK;
	}
	node = node_of(l->c, e);
	if (node->parent == node)
		return NFS4ERR_NOENT;
	l->node = node->parent;
	*ret_done = true;
	return NFS4_OK;
}

/* -EXDEV unless directory @dir lies in @e: it may have been moved out of it. */
static int check_inside(struct txn *txn, const struct export *e, const struct inode *dir)
{
	struct inode root, at = *dir;
	int err;

	if (is_volume_root(e))
		return 0;
	err = export_root_get(txn, e, &root);
	for (unsigned int depth = 0; !err && at.ino != root.ino; depth++) {
		if (at.ino == INO_ROOT || depth == NAME_DEPTH_MAX)
			return -EXDEV;
		err = name_get_dir(txn, at.parent, true, &at);
	}
	return err;
}

static int parent_body(struct txn *txn, void *arg)
{
	struct place_lookup *l = arg;
	struct fh *dir = &l->c->fh;
	struct name_at at = { .dir = dir->ino, .name = "..", .len = 2 };
	struct name_result r;
	bool is_root, done = false;
	int err;

	l->node = NULL;
	err = inode_get_gen(txn, dir->ino, dir->generation, &l->dir.inode);
	if (err)
		return err;
	l->status = may_search(l);
	if (l->status)
		return 0;
	err = export_root_is(txn, dir->export, dir->ino, &is_root);
	if (!err)
		err = name_lookup(txn, &at, &r);
	if (err)
		return err;
	found(l, &r.inode);
	if (is_root)
		l->status = leave_export(l, &done);
	if (l->status || done)
		return 0;
	err = check_inside(txn, l->of.fh.export, &r.inode);
	if (!err)
		err = mounted_on_get(txn, l->c, &l->of);
	return err == -EXDEV ? -ENOENT : err;
}

static nfsstat4 pseudo_parent(struct place_lookup *l)
{
	const struct export_node *node = export_node_by_id(l->c->mds->exports, l->c->fh.ino);

	if (!node)
		return NFS4ERR_STALE;
	l->node = node->parent;
	return node->parent == node ? NFS4ERR_NOENT : NFS4_OK;
}

FIBER_FN nfsstat4 place_lookup_parent(struct compound *c, struct attr_of *ret_of)
{
	struct place_lookup l = { .c = c };
	nfsstat4 status;

	if (c->fh.kind == FH_PSEUDO) {
		status = pseudo_parent(&l);
	} else {
		status = nfs_status(compound_read(c, c->fh.ino, parent_body, &l));
		status = status ? status : l.status;
	}
	if (status)
		return status;
	if (l.node)
		return place_of_node(c, l.node, ret_of);
	compound_saw(c, l.of.inode.ino);
	*ret_of = l.of;
	return NFS4_OK;
}
