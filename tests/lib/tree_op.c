/* SPDX-License-Identifier: Apache-2.0 */

/* Random operations, run on the store and then on the model. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/orphan.h"
#include "extent/symlink.h"
#include "tests/lib/tree_model.h"

#define TREE_NODES_SPARE 16 /* for creations in flight */

/* Short names, some of the greatest length, all different. */
size_t tree_name(unsigned int i, char name[DIR_NAME_MAX + 1])
{
	size_t len = i % 8 == 7 ? DIR_NAME_MAX : 2 + i % 8;

	assert(i < TREE_NAMES);
	memset(name, 'n', len);
	name[0] = (char)('A' + i % 26);
	name[1] = (char)('a' + i / 26);
	name[len] = '\0';
	return len;
}

size_t tree_xattr_name(unsigned int i, char name[XATTR_NAME_MAX + 1])
{
	return (size_t)snprintf(name, XATTR_NAME_MAX + 1, "user.%u%s", i, i % 2 ? "-and-a-longer-name" : "");
}

/* Bytes without NUL, as a symbolic link's target must be. */
void tree_fill(void *buf, size_t len, uint32_t salt)
{
	uint8_t *bytes = buf;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(1 + (i * 31 + salt + (i >> 8)) % 255);
}

static unsigned int tree_nr_used(const struct tree *tree)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < TREE_NODES; i++)
		n += tree->nodes[i].used;
	return n;
}

/* Any inode, or one of the last ones that were, or nonsense. */
static uint64_t draw_ino(struct tree *tree, struct dice *dice, bool want_dir)
{
	unsigned int i;

	for (unsigned int tries = 0; tries < 40; tries++) {
		i = (unsigned int)dice_below(dice, TREE_NODES);
		if (tree->nodes[i].used && (!want_dir || S_ISDIR(tree->nodes[i].inode.mode)))
			return tree->nodes[i].inode.ino;
	}
	return dice_below(dice, 20) ? INO_ROOT : dice_roll(dice);
}

/* Mostly a directory. */
static uint64_t draw_dir(struct tree *tree, struct dice *dice)
{
	return draw_ino(tree, dice, dice_below(dice, 50) != 0);
}

/* A name that is in @dir, if there is one and chance says so. */
static unsigned int draw_name(struct tree *tree, struct dice *dice, uint64_t dir, unsigned int odds)
{
	unsigned int name = (unsigned int)dice_below(dice, TREE_NAMES);
	int i = tree_find(tree, dir);

	if (i < 0 || !dice_below(dice, odds))
		return name;
	for (unsigned int n = 0; n < TREE_NAMES; n++)
		if (tree->nodes[i].entries[(name + n) % TREE_NAMES])
			return (name + n) % TREE_NAMES;
	return name;
}

static uint32_t draw_mode(struct dice *dice)
{
	static const uint32_t types[] = { S_IFDIR, S_IFDIR, S_IFREG, S_IFREG, S_IFREG, S_IFLNK, S_IFIFO, S_IFSOCK };

	return types[dice_below(dice, ARRAY_SIZE(types))] | (uint32_t)dice_below(dice, 010000);
}

static void draw_attrs(struct dice *dice, struct inode_attrs *attrs)
{
	*attrs = (struct inode_attrs){
		.mask = (unsigned int)dice_below(dice, INODE_SET_BTIME),
		.mode = (uint32_t)dice_below(dice, 010000),
		.uid = (uint32_t)dice_roll(dice),
		.gid = (uint32_t)dice_roll(dice),
		.size = dice_below(dice, 1 << 30),
		.atime = { (int64_t)dice_roll(dice), (uint32_t)dice_below(dice, NSEC_PER_SEC) },
		.mtime = { (int64_t)dice_roll(dice), (uint32_t)dice_below(dice, NSEC_PER_SEC) },
	};
}

static uint32_t draw_len(struct dice *dice, enum tree_kind kind)
{
	if (kind == TREE_CREATE)
		return 1 + (uint32_t)dice_below(dice, dice_below(dice, 8) ? 60 : SYMLINK_MAX_LEN);
	return (uint32_t)dice_below(dice, dice_below(dice, 16) ? 100 : XATTR_VALUE_MAX + 1);
}

static unsigned int draw_flags(struct dice *dice, enum tree_kind kind)
{
	static const unsigned int rename_flags[] = { 0, 0, 0, NAME_NOREPLACE, NAME_EXCHANGE };

	switch (kind) {
	case TREE_RENAME:
		return rename_flags[dice_below(dice, ARRAY_SIZE(rename_flags))];
	case TREE_READDIR:
		return (unsigned int)dice_below(dice, TREE_READERS);
	case TREE_XATTR_SET:
		return (unsigned int)dice_below(dice, 3);
	default:
		return 1 + (unsigned int)dice_below(dice, 6);
	}
}

/* An orphan, if one turns up. */
static uint64_t draw_orphan(struct tree *tree, struct dice *dice)
{
	unsigned int first = (unsigned int)dice_below(dice, TREE_NODES);

	for (unsigned int n = 0; n < TREE_NODES; n++) {
		const struct tree_node *node = &tree->nodes[(first + n) % TREE_NODES];

		if (node->used && node->inode.nlink == 0)
			return node->inode.ino;
	}
	return draw_ino(tree, dice, false);
}

static enum tree_kind draw_kind(struct tree *tree, struct dice *dice)
{
	static const uint8_t weights[TREE_KINDS] = {
		[TREE_CREATE] = 14,   [TREE_LINK] = 8,	   [TREE_UNLINK] = 11,	 [TREE_RENAME] = 18,
		[TREE_LOOKUP] = 8,    [TREE_SETATTR] = 8,  [TREE_XATTR_SET] = 6, [TREE_XATTR_REMOVE] = 3,
		[TREE_XATTR_GET] = 3, [TREE_READLINK] = 3, [TREE_READDIR] = 12,	 [TREE_REAP] = 6,
	};
	uint64_t roll = dice_below(dice, 100);
	unsigned int kind = 0;

	while (roll >= weights[kind])
		roll -= weights[kind++];
	if (kind == TREE_CREATE && tree_nr_used(tree) > TREE_NODES - TREE_NODES_SPARE)
		return dice_below(dice, 2) ? TREE_UNLINK : TREE_REAP;
	return (enum tree_kind)kind;
}

void tree_op_draw(struct tree *tree, struct dice *dice, struct tree_op *op)
{
	enum tree_kind kind = draw_kind(tree, dice);

	*op = (struct tree_op){ .tree = tree, .kind = kind };
	op->dir = draw_dir(tree, dice);
	op->dir2 = dice_below(dice, 3) ? draw_dir(tree, dice) : op->dir;
	op->name = draw_name(tree, dice, op->dir, kind == TREE_CREATE || kind == TREE_LINK ? 1 : 6);
	op->name2 = draw_name(tree, dice, op->dir2, 2);
	op->flags = draw_flags(dice, kind);
	op->len = draw_len(dice, kind);
	op->mode = draw_mode(dice);
	op->salt = (uint32_t)dice_roll(dice);
	op->ino = kind == TREE_REAP || (kind == TREE_LINK && dice_below(dice, 2)) ? draw_orphan(tree, dice)
										  : draw_ino(tree, dice, false);
	if (kind == TREE_LOOKUP && !dice_below(dice, 4))
		op->name = TREE_NAMES + (unsigned int)dice_below(dice, 2);
	if (kind == TREE_XATTR_SET || kind == TREE_XATTR_REMOVE || kind == TREE_XATTR_GET)
		op->name %= TREE_XATTRS;
	draw_attrs(dice, &op->attrs);
}

bool tree_op_changes(const struct tree_op *op)
{
	return op->kind != TREE_LOOKUP && op->kind != TREE_XATTR_GET && op->kind != TREE_READLINK &&
	       op->kind != TREE_READDIR;
}

size_t tree_op_log(const struct tree_op *op)
{
	switch (op->kind) {
	case TREE_CREATE:
		return S_ISLNK(op->mode) ? NAME_LOG_SYMLINK : NAME_LOG_CREATE;
	case TREE_LINK:
		return NAME_LOG_LINK;
	case TREE_UNLINK:
		return NAME_LOG_UNLINK;
	case TREE_RENAME:
		return NAME_LOG_RENAME;
	case TREE_SETATTR:
		return INODE_LOG_SETATTR;
	case TREE_XATTR_SET:
		return XATTR_LOG_SET(op->len);
	case TREE_XATTR_REMOVE:
		return XATTR_LOG_REMOVE;
	case TREE_REAP:
		return ORPHAN_LOG_REAP(op->flags);
	default:
		return 0;
	}
}

bool tree_op_frees(const struct tree_op *op)
{
	return op->kind == TREE_UNLINK || op->kind == TREE_REAP || op->kind == TREE_XATTR_REMOVE;
}

static struct name_at op_at(uint64_t dir, unsigned int i, char name[DIR_NAME_MAX + 1])
{
	if (i >= TREE_NAMES)
		return (struct name_at){ dir, "..", i - TREE_NAMES + 1 };
	return (struct name_at){ dir, name, tree_name(i, name) };
}

static int run_create(struct txn *txn, struct tree_op *op)
{
	char name[DIR_NAME_MAX + 1], target[SYMLINK_MAX_LEN];
	struct name_at at = op_at(op->dir, op->name, name);
	struct name_create how = { .mode = op->mode, .uid = op->salt, .gid = op->len, .target = target };
	int err;

	how.target_len = op->len;
	tree_fill(target, op->len, op->salt);
	err = name_create(txn, &at, &how, &op->got.name_result);
	if (!err)
		op->new_inode = op->got.name_result.inode;
	return err;
}

static int run_link(struct txn *txn, struct tree_op *op)
{
	char name[DIR_NAME_MAX + 1];
	struct name_at at = op_at(op->dir, op->name, name);

	return name_link(txn, op->ino, &at, &op->got.name_result);
}

static int run_unlink(struct txn *txn, struct tree_op *op)
{
	char name[DIR_NAME_MAX + 1];
	struct name_at at = op_at(op->dir, op->name, name);

	return name_unlink(txn, &at, &op->got.name_result);
}

static int run_rename(struct txn *txn, struct tree_op *op)
{
	char from_name[DIR_NAME_MAX + 1], to_name[DIR_NAME_MAX + 1];
	struct name_at from = op_at(op->dir, op->name, from_name), to = op_at(op->dir2, op->name2, to_name);

	return name_rename(txn, &from, &to, op->flags, &op->got.rename_result);
}

static int run_lookup(struct txn *txn, struct tree_op *op)
{
	char name[DIR_NAME_MAX + 1];
	struct name_at at = op_at(op->dir, op->name, name);

	return name_lookup(txn, &at, &op->got.name_result);
}

static int run_setattr(struct txn *txn, struct tree_op *op)
{
	return inode_setattr(txn, op->ino, &op->attrs, &op->got.inode);
}

static int run_xattr_set(struct txn *txn, struct tree_op *op)
{
	static uint8_t value[XATTR_VALUE_MAX];
	char name[XATTR_NAME_MAX + 1];
	size_t len = tree_xattr_name(op->name, name);

	tree_fill(value, op->len, op->salt);
	return xattr_set(txn, op->ino, name, len, value, op->len, (enum xattr_how)op->flags, &op->got.inode);
}

static int run_xattr_remove(struct txn *txn, struct tree_op *op)
{
	char name[XATTR_NAME_MAX + 1];
	size_t len = tree_xattr_name(op->name, name);

	return xattr_remove(txn, op->ino, name, len, &op->got.inode);
}

static int run_xattr_get(struct txn *txn, struct tree_op *op)
{
	static uint8_t value[XATTR_VALUE_MAX], want[XATTR_VALUE_MAX];
	int i = tree_find(op->tree, op->ino);
	char name[XATTR_NAME_MAX + 1];
	size_t len = tree_xattr_name(op->name, name), got;
	const struct tree_xattr *x;
	int err;

	err = xattr_get(txn, op->ino, name, len, value, sizeof(value), &got);
	if (err)
		return err;
	x = i < 0 ? NULL : &op->tree->nodes[i].xattrs[op->name];
	if (!x || !x->there)
		tree_fail("attribute %s is there", name);
	tree_fill(want, x->len, x->salt);
	if (got != x->len || memcmp(want, value, got) != 0)
		tree_fail("attribute %s has another value", name);
	return 0;
}

static int run_readlink(struct txn *txn, struct tree_op *op)
{
	char target[SYMLINK_MAX_LEN], want[SYMLINK_MAX_LEN];
	int i = tree_find(op->tree, op->ino);
	size_t len;
	int err;

	err = symlink_get(txn, op->ino, target, &len);
	if (err)
		return err;
	if (i < 0 || len != op->tree->nodes[i].inode.size)
		tree_fail("a symbolic link of %zu bytes", len);
	tree_fill(want, len, op->tree->nodes[i].salt);
	if (memcmp(want, target, len) != 0)
		tree_fail("a symbolic link has another target");
	return 0;
}

static int run_readdir(struct txn *txn, struct tree_op *op)
{
	const struct tree_reader *reader = &op->tree->readers[op->flags];
	uint64_t dir = reader->active ? reader->dir : op->dir;
	uint64_t after = reader->active ? reader->after : 0;
	int err;

	op->got.read.nr = 0;
	op->got.read.end = dir > KEY_LOW_MAX;
	while (!op->got.read.end && op->got.read.nr < TREE_READ_MAX) {
		err = dir_next(txn, dir, after, &op->got.read.entries[op->got.read.nr]);
		if (err && err != -ENOENT)
			return err;
		if (err)
			op->got.read.end = true;
		else
			after = op->got.read.entries[op->got.read.nr++].cookie;
	}
	return 0;
}

static int run_reap(struct txn *txn, struct tree_op *op)
{
	return orphan_reap_step(txn, op->ino, 0, op->flags, &op->more);
}

static void same_inode(struct tree *tree, const struct inode *got)
{
	int i = tree_find(tree, got->ino);

	if (i < 0 || !tree_inode_equal(got, &tree->nodes[i].inode))
		tree_fail("inode %" PRIu64 " is not what it should be", got->ino);
}

/* What the operation returned about inodes. */
static void check_result(struct tree_op *op)
{
	const struct name_rename_result *r = &op->got.rename_result;

	switch (op->kind) {
	case TREE_CREATE:
	case TREE_LINK:
	case TREE_UNLINK:
	case TREE_LOOKUP:
		same_inode(op->tree, &op->got.name_result.dir);
		same_inode(op->tree, &op->got.name_result.inode);
		break;
	case TREE_RENAME:
		same_inode(op->tree, &r->from_dir);
		same_inode(op->tree, &r->to_dir);
		same_inode(op->tree, &r->moved);
		if (r->has_other)
			same_inode(op->tree, &r->other);
		break;
	case TREE_SETATTR:
	case TREE_XATTR_SET:
	case TREE_XATTR_REMOVE:
		same_inode(op->tree, &op->got.inode);
		break;
	default:
		break;
	}
}

static bool err_is_trouble(int err)
{
	return err == -ERESTART || err == -EIO || err == -ENOMEM || err == -EROFS || err == -ENOSPC || err == -E2BIG;
}

int tree_op_body(struct txn *txn, void *arg)
{
	static int (*const run[TREE_KINDS])(struct txn * txn, struct tree_op * op) = {
		[TREE_CREATE] = run_create,	  [TREE_LINK] = run_link,
		[TREE_UNLINK] = run_unlink,	  [TREE_RENAME] = run_rename,
		[TREE_LOOKUP] = run_lookup,	  [TREE_SETATTR] = run_setattr,
		[TREE_XATTR_SET] = run_xattr_set, [TREE_XATTR_REMOVE] = run_xattr_remove,
		[TREE_XATTR_GET] = run_xattr_get, [TREE_READLINK] = run_readlink,
		[TREE_READDIR] = run_readdir,	  [TREE_REAP] = run_reap,
	};
	struct tree_op *op = arg;
	int want;

	op->now = inode_time_now(txn);
	op->seq = txn_seq(txn);
	op->err = run[op->kind](txn, op);
	if (err_is_trouble(op->err))
		return op->err;
	want = tree_apply(op->tree, op);
	if (op->err != want) {
		tree_op_print(op);
		tree_fail("result %d, the model says %d", op->err, want);
	}
	if (!op->err)
		check_result(op);
	return op->err;
}

void tree_op_print(const struct tree_op *op)
{
	static const char *const names[TREE_KINDS] = { "create",    "link",	"unlink",    "rename",
						       "lookup",    "setattr",	"xattr set", "xattr remove",
						       "xattr get", "readlink", "readdir",   "reap" };

	fprintf(stderr,
		"%s ino %" PRIu64 " dir %" PRIu64 " name %u dir2 %" PRIu64 " name2 %u flags %u mode %o len %u: %d\n",
		names[op->kind], op->ino, op->dir, op->name, op->dir2, op->name2, op->flags, op->mode, op->len,
		op->err);
}
