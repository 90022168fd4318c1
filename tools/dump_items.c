/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Items and maps.  Promise: what a damaged block hides is named and skipped, everything else is shown; a tree that
 * refers to itself ends, since each block must hold keys of the range that its parent gives it.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extent/fs.h"
#include "extent/map.h"
#include "extent/node.h"
#include "extent/txn.h"
#include "tools/cmd.h"
#include "tools/dump.h"

/* Walking the tree of the last checkpoint */

struct walk {
	struct dump *d;
	struct key from, to; /* shown: from <= key <= to */
	bool (*each)(void *arg, const struct item *item);
	void *arg;
	bool stop;
	uint8_t *blocks; /* one for each level */
};

/* A reference and the keys that may lie below it: lo <= key < hi, or any if hi is KEY_MIN. */
struct walk_ref {
	uint64_t daddr, epoch;
	unsigned int level;
	struct key lo, hi;
};

static bool below(struct key key, struct key hi)
{
	return key_cmp(hi, KEY_MIN) == 0 || key_cmp(key, hi) < 0;
}

static const char *walk_check(struct walk *w, const struct walk_ref *ref, const uint8_t *block)
{
	const char *why;
	unsigned int nr;

	if (node_check(block, ref->daddr, ref->epoch, w->d->super->volume_uuid, ref->level, &why))
		return why;
	nr = node_nr(block);
	if (nr > 0 && (key_cmp(node_key(block, 0), ref->lo) < 0 || !below(node_key(block, nr - 1), ref->hi)))
		return "it holds keys that belong elsewhere";
	return NULL;
}

static void walk_leaf(struct walk *w, const uint8_t *block)
{
	unsigned int nr = node_nr(block);

	for (unsigned int i = node_lower_bound(block, w->from); i < nr && !w->stop; i++) {
		struct item item;

		leaf_item(block, i, &item);
		w->stop = key_cmp(item.key, w->to) > 0 || !w->each(w->arg, &item);
	}
}

FIBER_FN static void walk_ref(struct walk *w, const struct walk_ref *ref);

FIBER_FN static void walk_inner(struct walk *w, const struct walk_ref *ref, const uint8_t *block)
{
	unsigned int nr = node_nr(block);

	for (unsigned int i = inner_child_slot(block, w->from); i < nr && !w->stop; i++) {
		struct walk_ref child = { .level = ref->level - 1, .lo = i ? node_key(block, i) : ref->lo };

		child.hi = i + 1 < nr ? node_key(block, i + 1) : ref->hi;
		inner_child(block, i, &child.daddr, &child.epoch);
		if (key_cmp(child.lo, w->to) > 0)
			w->stop = true;
		else
			walk_ref(w, &child);
	}
}

FIBER_FN static void walk_ref(struct walk *w, const struct walk_ref *ref)
{
	uint8_t *block = w->blocks + (size_t)ref->level * BLOCK_SIZE;
	char text[DADDR_TEXT_MAX];
	const char *why;

	if (dump_read(w->d, ref->daddr, block, BLOCK_SIZE))
		return;
	why = walk_check(w, ref, block);
	if (why)
		dump_damage(w->d, "tree block %s: %s; what lies below it is missing here",
			    dump_daddr_text(ref->daddr, text), why);
	else if (ref->level == 0)
		walk_leaf(w, block);
	else
		walk_inner(w, ref, block);
}

FIBER_FN static int walk_checkpoint(struct dump *d, struct walk *w)
{
	struct walk_ref root = { d->super->root_daddr, d->super->root_epoch, d->super->root_level, KEY_MIN, KEY_MIN };

	w->blocks = blkdev_buf_alloc((size_t)BLOCK_SIZE * (root.level + 1));
	if (!w->blocks)
		return CMD_FAILED;
	walk_ref(w, &root);
	blkdev_buf_free(w->blocks);
	return CMD_OK;
}

/* Walking the mounted volume: a body fetches a lot of items, and what it fetched is shown after it. */

#define LOT_ITEMS 64u

struct lot {
	struct key from, to;
	unsigned int nr;
	bool last;
	struct item items[LOT_ITEMS];
	uint8_t values[LOT_ITEMS][ITEM_VALUE_MAX];
};

static int lot_body(struct txn *txn, void *arg)
{
	struct lot *lot = arg;
	struct key from = lot->from;
	int err = 0;

	lot->last = false;
	for (lot->nr = 0; lot->nr < LOT_ITEMS; lot->nr++) {
		struct item *item = &lot->items[lot->nr];

		err = txn_next(txn, from, lot->to, item);
		if (err)
			break;
		if (item->len)
			memcpy(lot->values[lot->nr], item->val, item->len);
		item->val = lot->values[lot->nr];
		lot->last = key_cmp(item->key, KEY_MAX) == 0;
		if (lot->last) {
			lot->nr++;
			break;
		}
		from = (struct key){ item->key.hi + (item->key.lo == UINT64_MAX), item->key.lo + 1 };
	}
	if (err != -ENOENT)
		return err;
	lot->last = true;
	return 0;
}

FIBER_FN static int walk_mounted(struct fs *fs, struct walk *w, struct lot *lot)
{
	int err = 0;

	lot->from = w->from;
	lot->to = w->to;
	lot->last = false;
	while (!lot->last && !w->stop && !err) {
		err = txn_read(fs, lot_body, lot);
		for (unsigned int i = 0; !err && i < lot->nr && !w->stop; i++)
			w->stop = !w->each(w->arg, &lot->items[i]);
		if (!err && lot->nr) {
			struct key last = lot->items[lot->nr - 1].key;

			lot->from = (struct key){ last.hi + (last.lo == UINT64_MAX), last.lo + 1 };
		}
	}
	return err;
}

FIBER_FN static int walk_replayed(struct dump *d, struct walk *w)
{
	struct fs_mount_options opt = { .read_only = true };
	struct lot *lot = malloc(sizeof(*lot));
	struct why why = { "" };
	struct fs *fs;
	int err = lot ? fs_mount(d->v->r, d->v->devs, d->v->nr, &opt, &fs, &why) : -ENOMEM;

	if (err) {
		free(lot);
		dump_note("%s; without --replay the last checkpoint is shown as far as it goes",
			  why.text[0] ? why.text : strerror(-err));
		return CMD_FAILED;
	}
	err = walk_mounted(fs, w, lot);
	if (err)
		dump_damage(d, "%s", fs_error(fs) ? fs_error(fs) : strerror(-err));
	fs_abandon(fs);
	free(lot);
	return err ? CMD_FAILED : CMD_OK;
}

int dump_walk(struct dump *d, struct key from, struct key to, bool (*each)(void *arg, const struct item *item),
	      void *arg)
{
	struct walk w = { .d = d, .from = from, .to = to, .each = each, .arg = arg };

	return d->replay ? walk_replayed(d, &w) : walk_checkpoint(d, &w);
}

/* Items */

static bool show_item(void *arg, const struct item *item)
{
	dump_emit(arg, dump_item(item->key, item->val, item->len));
	return true;
}

static bool parse_key(const char *text, struct key *ret_key)
{
	if (!item_key_parse(text, ret_key))
		return true;
	dump_note("'%s' is no key; write it as `lamina dump` prints it, as in 'file 12 extent 40'", text);
	return false;
}

int dump_items(struct dump *d)
{
	struct key from = KEY_MIN, to = KEY_MAX;

	if ((d->nr_args > 0 && !parse_key(d->args[0], &from)) || (d->nr_args > 1 && !parse_key(d->args[1], &to)))
		return CMD_USAGE;
	return dump_walk(d, from, to, show_item, d);
}

/* Maps */

struct map_dump {
	struct dump *d;
	uint64_t ino;
	uint64_t next[2]; /* where the extents and the copy-on-write extents shown so far end, in blocks */
	bool inode_seen;
};

static void show_run(struct map_dump *m, uint64_t off, uint64_t len, const char *state, const struct disk_extent *e)
{
	json_object *o = json_object_new_object();
	char text[256], daddr[DADDR_TEXT_MAX] = "-";

	dump_add_number(o, "offset", off);
	dump_add_number(o, "blocks", len);
	dump_add_text(o, "state", state);
	if (e) {
		dump_add_daddr(o, "address", le64_get(e->daddr));
		json_object_object_add(o, "shared", json_object_new_boolean(e->flags & EXTENT_FLAG_SHARED));
		dump_daddr_text(le64_get(e->daddr), daddr);
	}
	snprintf(text, sizeof(text), "%14" PRIu64 " %12" PRIu64 "  %-9s %s%s", off, len, state, daddr,
		 e && e->flags & EXTENT_FLAG_SHARED ? " shared" : "");
	dump_add_text(o, "text", text);
	dump_emit(m->d, o);
}

static bool show_map_item(void *arg, const struct item *item)
{
	struct map_dump *m = arg;
	uint64_t off = key_off(item->key);
	bool cow = key_type(item->key) == ITEM_COW;
	struct disk_extent e;

	if (key_type(item->key) == ITEM_INODE) {
		m->inode_seen = true;
		return show_item(m->d, item);
	}
	if (key_type(item->key) != ITEM_EXTENT && !cow)
		return true;
	memcpy(&e, item->val, sizeof(e)); /* the block was checked, and so was the item */
	if (!cow && off > m->next[0])
		show_run(m, m->next[0], off - m->next[0], "hole", NULL);
	show_run(m, off, le32_get(e.len), cow ? "cow" : e.state == EXTENT_WRITTEN ? "written" : "unwritten", &e);
	m->next[cow] = off + le32_get(e.len);
	return true;
}

int dump_map(struct dump *d)
{
	struct map_dump m = { .d = d };
	char text[64];
	struct key key;
	int exit_code;

	snprintf(text, sizeof(text), "orphan %.40s", d->args[0]);
	if (item_key_parse(text, &key) || key_off(key) == 0) {
		dump_note("'%s' is no inode number", d->args[0]);
		return CMD_USAGE;
	}
	m.ino = key_off(key);
	if (!d->json)
		printf("# offset and length in blocks of 4096 bytes, state, address\n");
	exit_code = dump_walk(d, key_make(ZONE_FILE, m.ino, ITEM_INODE, 0),
			      key_make(ZONE_FILE, m.ino, ITEM_COW, KEY_LOW_MAX), show_map_item, &m);
	if (exit_code == CMD_OK && !m.inode_seen) {
		dump_note("there is no inode %" PRIu64 "%s", m.ino,
			  d->replay ? "" : " in the last checkpoint; --replay looks into the journal too");
		return CMD_FAILED;
	}
	return exit_code;
}
