/* SPDX-License-Identifier: Apache-2.0 */
/* One body for each function: it takes what struct call holds and leaves its output where ret points. */
#include "tests/mock/call.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

struct call {
	uint64_t ino;
	struct name_at at, to;
	const struct name_create *how;
	const void *in;
	void *ret;
	void *buf;
	size_t size;
	unsigned int flags;
};

static struct name_at at(uint64_t dir, const char *name)
{
	return (struct name_at){ dir, name, strlen(name) };
}

static int body_root(struct txn *txn, void *arg)
{
	return inode_create_root(txn, 0755, 0, 0);
}

void call_init(struct mock_store *store)
{
	mock_init(store);
	if (mock_run(store, body_root, NULL))
		abort();
}

static int body_get(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return inode_get(txn, c->ino, c->ret);
}

int call_get(struct mock_store *store, uint64_t ino, struct inode *ret)
{
	struct call c = { .ino = ino, .ret = ret };

	return mock_read(store, body_get, &c);
}

static int body_put(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return inode_put(txn, c->in);
}

int call_put(struct mock_store *store, const struct inode *inode)
{
	struct call c = { .in = inode };

	return mock_run(store, body_put, &c);
}

static int body_setattr(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return inode_setattr(txn, c->ino, c->in, c->ret);
}

int call_setattr(struct mock_store *store, uint64_t ino, const struct inode_attrs *attrs, struct inode *ret)
{
	struct call c = { .ino = ino, .in = attrs, .ret = ret };

	store->log_max = INODE_LOG_SETATTR;
	return mock_run(store, body_setattr, &c);
}

static int body_lookup(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return name_lookup(txn, &c->at, c->ret);
}

int call_lookup(struct mock_store *store, uint64_t dir, const char *name, struct name_result *ret)
{
	struct call c = { .at = at(dir, name), .ret = ret };

	return mock_read(store, body_lookup, &c);
}

static int body_create(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return name_create(txn, &c->at, c->how, c->ret);
}

int call_create(struct mock_store *store, uint64_t dir, const char *name, uint32_t mode, struct name_result *ret)
{
	struct name_create how = { .mode = mode, .uid = 1000, .gid = 100 };
	struct call c = { .at = at(dir, name), .how = &how, .ret = ret };

	store->log_max = NAME_LOG_CREATE;
	return mock_run(store, body_create, &c);
}

int call_symlink(struct mock_store *store, uint64_t dir, const char *name, const char *target, size_t len,
		 struct name_result *ret)
{
	struct name_create how = { .mode = S_IFLNK | 0777, .target = target, .target_len = len };
	struct call c = { .at = at(dir, name), .how = &how, .ret = ret };

	store->log_max = NAME_LOG_SYMLINK;
	return mock_run(store, body_create, &c);
}

static int body_link(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return name_link(txn, c->ino, &c->at, c->ret);
}

int call_link(struct mock_store *store, uint64_t ino, uint64_t dir, const char *name, struct name_result *ret)
{
	struct call c = { .ino = ino, .at = at(dir, name), .ret = ret };

	store->log_max = NAME_LOG_LINK;
	return mock_run(store, body_link, &c);
}

static int body_unlink(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return name_unlink(txn, &c->at, c->ret);
}

int call_unlink(struct mock_store *store, uint64_t dir, const char *name, struct name_result *ret)
{
	struct call c = { .at = at(dir, name), .ret = ret };

	store->log_max = NAME_LOG_UNLINK;
	return mock_run(store, body_unlink, &c);
}

static int body_rename(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return name_rename(txn, &c->at, &c->to, c->flags, c->ret);
}

int call_rename(struct mock_store *store, uint64_t from, const char *from_name, uint64_t to, const char *to_name,
		unsigned int flags, struct name_rename_result *ret)
{
	struct call c = { .at = at(from, from_name), .to = at(to, to_name), .flags = flags, .ret = ret };

	store->log_max = NAME_LOG_RENAME;
	return mock_run(store, body_rename, &c);
}

static int body_dir_lookup(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return dir_lookup(txn, c->at.dir, c->at.name, c->at.len, c->ret);
}

int call_dir_lookup(struct mock_store *store, uint64_t dir, const char *name, size_t len, struct dir_entry *ret)
{
	struct call c = { .at = { dir, name, len }, .ret = ret };

	return mock_read(store, body_dir_lookup, &c);
}

static int body_dir_insert(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return dir_insert(txn, c->at.dir, c->at.name, c->at.len, c->ino, DT_REG);
}

int call_dir_insert(struct mock_store *store, uint64_t dir, const char *name, size_t len, uint64_t ino)
{
	struct call c = { .at = { dir, name, len }, .ino = ino };

	store->log_max = DIR_LOG_PUT;
	return mock_run(store, body_dir_insert, &c);
}

static int body_dir_remove(struct txn *txn, void *arg)
{
	struct dir_entry entry;
	struct call *c = arg;
	int err;

	err = dir_lookup(txn, c->at.dir, c->at.name, c->at.len, &entry);
	return err ? err : dir_remove(txn, c->at.dir, &entry);
}

int call_dir_remove(struct mock_store *store, uint64_t dir, const char *name, size_t len)
{
	struct call c = { .at = { dir, name, len } };

	store->log_max = DIR_LOG_REMOVE;
	return mock_run(store, body_dir_remove, &c);
}

static int body_dir_next(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return dir_next(txn, c->at.dir, c->ino, c->ret);
}

int call_dir_next(struct mock_store *store, uint64_t dir, uint64_t after, struct dir_entry *ret)
{
	struct call c = { .at = { .dir = dir }, .ino = after, .ret = ret };

	return mock_read(store, body_dir_next, &c);
}

static int body_readlink(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return symlink_get(txn, c->ino, c->buf, c->ret);
}

int call_readlink(struct mock_store *store, uint64_t ino, char *buf, size_t *ret_len)
{
	struct call c = { .ino = ino, .buf = buf, .ret = ret_len };

	return mock_read(store, body_readlink, &c);
}

static int body_xattr_set(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return xattr_set(txn, c->ino, c->at.name, c->at.len, c->in, c->size, (enum xattr_how)c->flags, c->ret);
}

int call_xattr_set(struct mock_store *store, uint64_t ino, const char *name, const void *val, size_t len,
		   enum xattr_how how, struct inode *ret)
{
	struct call c = { .ino = ino, .at = at(0, name), .in = val, .size = len, .flags = how, .ret = ret };

	store->log_max = XATTR_LOG_SET(len);
	return mock_run(store, body_xattr_set, &c);
}

static int body_xattr_get(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return xattr_get(txn, c->ino, c->at.name, c->at.len, c->buf, c->size, c->ret);
}

int call_xattr_get(struct mock_store *store, uint64_t ino, const char *name, void *buf, size_t size, size_t *ret_len)
{
	struct call c = { .ino = ino, .at = at(0, name), .buf = buf, .size = size, .ret = ret_len };

	return mock_read(store, body_xattr_get, &c);
}

static int body_xattr_remove(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return xattr_remove(txn, c->ino, c->at.name, c->at.len, c->ret);
}

int call_xattr_remove(struct mock_store *store, uint64_t ino, const char *name, struct inode *ret)
{
	struct call c = { .ino = ino, .at = at(0, name), .ret = ret };

	store->log_max = XATTR_LOG_REMOVE;
	return mock_run(store, body_xattr_remove, &c);
}

static int body_xattr_next(struct txn *txn, void *arg)
{
	struct call *c = arg;

	return xattr_next(txn, c->ino, c->at.dir, c->ret);
}

int call_xattr_next(struct mock_store *store, uint64_t ino, uint64_t after, struct xattr_entry *ret)
{
	struct call c = { .ino = ino, .at = { .dir = after }, .ret = ret };

	return mock_read(store, body_xattr_next, &c);
}

uint64_t call_make(struct mock_store *store, uint64_t dir, const char *name, uint32_t mode)
{
	struct name_result r;

	if (call_create(store, dir, name, mode, &r))
		abort();
	return r.inode.ino;
}

struct inode call_inode(struct mock_store *store, uint64_t ino)
{
	struct inode inode;

	if (call_get(store, ino, &inode))
		abort();
	return inode;
}

bool call_is_orphan(const struct mock_store *store, uint64_t ino)
{
	struct key key = key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, ino);
	struct item item;

	return mock_next(store, key, &item) && key_cmp(item.key, key) == 0;
}
