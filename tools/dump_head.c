/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Labels, superblocks, chunks and single tree blocks.  Promise: a damaged structure is shown as far as its bytes
 * go, with what is wrong beside it; nothing in it is trusted.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extent/node.h"
#include "extent/sum.h"
#include "tools/cmd.h"
#include "tools/dump.h"

static void add_state(struct dump *d, json_object *o, int err, const struct why *why)
{
	dump_add_text(o, "state", err ? why->text : "good");
	if (err)
		d->damaged = true;
}

static void add_features(json_object *o, struct le64 compat, struct le64 ro_compat, struct le64 incompat)
{
	dump_add_hex(o, "feature_compat", le64_get(compat));
	dump_add_hex(o, "feature_ro_compat", le64_get(ro_compat));
	dump_add_hex(o, "feature_incompat", le64_get(incompat));
}

static void add_label(json_object *o, const struct disk_label *l)
{
	dump_add_hex(o, "checksum", le64_get(l->checksum));
	dump_add_number(o, "version", le32_get(l->version));
	dump_add_number(o, "device_index", le32_get(l->device_index));
	dump_add_number(o, "nr_devices", le32_get(l->nr_devices));
	dump_add_uuid(o, "volume_uuid", l->volume_uuid);
	dump_add_uuid(o, "device_uuid", l->device_uuid);
	dump_add_number(o, "device_size", le64_get(l->device_size));
	add_features(o, l->feature_compat, l->feature_ro_compat, l->feature_incompat);
	dump_add_number(o, "created_sec", le64_get(l->created_sec));
	dump_add_bytes(o, "volume_name", l->volume_name, LABEL_NAME_LEN);
}

/* One copy; returns what the label says of the device's size, if it can be believed. */
FIBER_FN static uint64_t show_label(struct dump *d, struct blkdev *dev, uint64_t off, struct disk_label *buf)
{
	json_object *o = json_object_new_object();
	struct label label = { .device_size = dev->info.size };
	struct why why;
	int err = blkdev_read(dev, off, buf, LABEL_SIZE);

	dump_add_text(o, "device", dev->info.name);
	dump_add_number(o, "byte", off);
	if (err) {
		why_set(&why, err, "cannot be read: %s", strerror(-err));
		add_state(d, o, err, &why);
	} else {
		err = label_decode(buf, &label, &why);
		add_state(d, o, err, &why);
		if (err != -EMEDIUMTYPE)
			add_label(o, buf);
	}
	dump_emit(d, o);
	return label.device_size <= dev->info.size ? label.device_size : dev->info.size;
}

int dump_label(struct dump *d)
{
	struct disk_label *buf = blkdev_buf_alloc(LABEL_SIZE);

	if (!buf)
		return CMD_FAILED;
	for (unsigned int i = 0; i < d->v->nr; i++) {
		uint64_t size = show_label(d, d->v->devs[i], 0, buf);

		if (size >= LABEL_DEVICE_SIZE_MIN)
			show_label(d, d->v->devs[i], label_copy_offset(size), buf);
	}
	blkdev_buf_free(buf);
	return CMD_OK;
}

static json_object *super_devices(const struct disk_super *s)
{
	json_object *list = json_object_new_array();
	uint64_t nr = min_u64(le32_get(s->nr_devices), VOLUME_DEVICES_MAX);

	for (uint64_t i = 0; i < nr; i++) {
		const struct disk_super_device *dev = &s->devices[i];
		json_object *o = json_object_new_object();

		dump_add_number(o, "device", i);
		dump_add_uuid(o, "uuid", dev->uuid);
		dump_add_number(o, "size", le64_get(dev->size));
		dump_add_number(o, "first_block", le64_get(dev->first_block));
		dump_add_number(o, "end_block", le64_get(dev->end_block));
		dump_add_hex(o, "flags", le64_get(dev->flags));
		json_object_array_add(list, o);
	}
	return list;
}

static void add_super(json_object *o, const struct disk_super *s)
{
	dump_add_hex(o, "checksum", le64_get(s->checksum));
	dump_add_number(o, "version", le32_get(s->version));
	dump_add_uuid(o, "volume_uuid", s->volume_uuid);
	dump_add_number(o, "epoch", le64_get(s->epoch));
	add_features(o, s->feature_compat, s->feature_ro_compat, s->feature_incompat);
	dump_add_daddr(o, "root", le64_get(s->root.daddr));
	dump_add_number(o, "root_epoch", le64_get(s->root.epoch));
	dump_add_number(o, "root_level", le32_get(s->root_level));
	dump_add_number(o, "nr_chunks", le32_get(s->nr_chunks));
	dump_add_number(o, "chunk_blocks", le64_get(s->chunk_blocks));
	dump_add_hex(o, "bitmaps_checksum", le64_get(s->bitmaps_checksum));
	dump_add_number(o, "txn_seq", le64_get(s->txn_seq));
	dump_add_number(o, "next_ino", le64_get(s->next_ino));
	dump_add_number(o, "journal_size", le64_get(s->journal_size));
	dump_add_hex(o, "journal_era", le64_get(s->journal_era));
	dump_add_number(o, "journal_lsn", le64_get(s->journal_lsn));
	dump_add_hex(o, "journal_chain", le64_get(s->journal_chain));
	dump_add_number(o, "inodes", le64_get(s->counts.inodes));
	dump_add_number(o, "orphans", le64_get(s->counts.orphans));
	dump_add_number(o, "free_blocks", le64_get(s->counts.free_blocks));
	dump_add_number(o, "limbo_blocks", le64_get(s->counts.limbo_blocks));
	dump_add_number(o, "items", le64_get(s->counts.items));
	json_object_object_add(o, "devices", super_devices(s));
}

FIBER_FN static void show_super(struct dump *d, unsigned int slot, struct disk_super *buf, struct super *scratch)
{
	json_object *o = json_object_new_object();
	struct why why;
	int err = dump_read(d, daddr_make(0, SUPER_OFFSET(slot) >> DADDR_BLOCK_SHIFT), buf, SUPER_SIZE);

	dump_add_number(o, "slot", slot);
	if (err) {
		why_set(&why, err, "cannot be read: %s", strerror(-err));
		add_state(d, o, err, &why);
	} else {
		err = super_decode(buf, slot, d->uuid, scratch, &why);
		/* The second slot of a young volume was never written. */
		if (err == -EMEDIUMTYPE && d->has_super && d->super->epoch == 1)
			dump_add_text(o, "state", "not written yet");
		else
			add_state(d, o, err, &why);
		if (err != -EMEDIUMTYPE)
			add_super(o, buf);
	}
	dump_emit(d, o);
}

int dump_super(struct dump *d)
{
	struct disk_super *buf = blkdev_buf_alloc(SUPER_SIZE);
	struct super *scratch = calloc(1, sizeof(*scratch));

	for (unsigned int slot = 0; buf && scratch && slot < 2; slot++)
		show_super(d, slot, buf, scratch);
	free(scratch);
	blkdev_buf_free(buf);
	return CMD_OK;
}

/* What a chunk's current bitmap says, or what is wrong with it. */
static void add_bitmap(struct dump *d, json_object *o, const struct disk_bitmap *b, uint32_t i)
{
	if (le32_get(b->magic) != BITMAP_MAGIC || !sum_is_good(b, sizeof(*b)) || le32_get(b->chunk) != i ||
	    le64_get(b->daddr) != d->super->chunks[i]) {
		dump_add_text(o, "state", "the bitmap is damaged");
		d->damaged = true;
		return;
	}
	dump_add_text(o, "state", "good");
	dump_add_number(o, "epoch", le64_get(b->epoch));
	dump_add_number(o, "tree_blocks", le32_get(b->nr_tree_blocks));
	dump_add_number(o, "used", le32_get(b->nr_used));
}

int dump_chunks(struct dump *d)
{
	struct disk_bitmap *b = blkdev_buf_alloc(sizeof(*b));

	for (uint32_t i = 0; b && i < d->super->nr_chunks; i++) {
		json_object *o = json_object_new_object();
		uint64_t daddr = d->super->chunks[i];

		dump_add_number(o, "chunk", i);
		dump_add_daddr(o, "address", daddr);
		dump_add_number(o, "slot", d->super->chunk_slots[i]);
		if (dump_read(d, daddr + d->super->chunk_slots[i], b, sizeof(*b)))
			dump_add_text(o, "state", "the bitmap cannot be read");
		else
			add_bitmap(d, o, b, i);
		dump_emit(d, o);
	}
	blkdev_buf_free(b);
	return CMD_OK;
}

/* Slots of a block that may hold anything: only those whose bytes are there. */
static json_object *block_items(const uint8_t *block, unsigned int nr)
{
	const struct disk_leaf_slot *slots = (const void *)(block + sizeof(struct disk_block));
	json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < nr && i < LEAF_CAPACITY / sizeof(slots[0]); i++) {
		struct key key = { le64_get(slots[i].hi), le64_get(slots[i].lo) };
		size_t off = le16_get(slots[i].val_off), len = le16_get(slots[i].val_len);

		if (off > BLOCK_SIZE || len > BLOCK_SIZE - off)
			len = 0;
		json_object_array_add(list, dump_item(key, block + off, len));
	}
	return list;
}

static json_object *block_children(const uint8_t *block, unsigned int nr)
{
	const struct disk_node_slot *slots = (const void *)(block + sizeof(struct disk_block));
	json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < nr && i < INNER_CAPACITY; i++) {
		struct key key = { le64_get(slots[i].hi), le64_get(slots[i].lo) };
		json_object *o = dump_item(key, NULL, 0), *item;

		json_object_object_get_ex(o, "item", &item);
		json_object_object_add(o, "from", json_object_get(item));
		json_object_object_del(o, "item");
		json_object_object_del(o, "value");
		json_object_object_del(o, "text");
		dump_add_daddr(o, "address", le64_get(slots[i].child.daddr));
		dump_add_number(o, "epoch", le64_get(slots[i].child.epoch));
		json_object_array_add(list, o);
	}
	return list;
}

static void show_block(struct dump *d, uint64_t daddr, const uint8_t *block)
{
	const struct disk_block *head = (const void *)block;
	json_object *o = json_object_new_object();
	const char *reason;
	unsigned int nr = le16_get(head->nr);
	int err = node_check_alone(block, d->uuid, &reason);

	if (!err && le64_get(head->daddr) != daddr) {
		reason = "a tree block that belongs at another address";
		err = -EUCLEAN;
	}
	dump_add_daddr(o, "address", daddr);
	dump_add_text(o, "state", err ? reason : "good");
	d->damaged = d->damaged || err;
	dump_add_hex(o, "checksum", le64_get(head->checksum));
	dump_add_hex(o, "magic", le32_get(head->magic));
	dump_add_number(o, "level", le16_get(head->level));
	dump_add_number(o, "nr", nr);
	dump_add_daddr(o, "own_address", le64_get(head->daddr));
	dump_add_number(o, "epoch", le64_get(head->epoch));
	dump_add_uuid(o, "volume_uuid", head->volume_uuid);
	dump_add_number(o, "heap", le16_get(head->heap));
	dump_add_number(o, "frag", le16_get(head->frag));
	if (le32_get(head->magic) == BLOCK_MAGIC && le16_get(head->level) == 0)
		json_object_object_add(o, "items", block_items(block, nr));
	else if (le32_get(head->magic) == BLOCK_MAGIC)
		json_object_object_add(o, "children", block_children(block, nr));
	dump_emit(d, o);
}

int dump_block(struct dump *d)
{
	uint8_t *buf;
	struct key key;
	char text[DADDR_TEXT_MAX + 16];

	/* The address as the offset of a key: the same rules and limits. */
	snprintf(text, sizeof(text), "shared from %.*s", DADDR_TEXT_MAX, d->args[0]);
	if (item_key_parse(text, &key)) {
		dump_note("'%s' is no address of a block; give DEVICE-INDEX:BLOCK, as in 0:1280", d->args[0]);
		return CMD_USAGE;
	}
	buf = blkdev_buf_alloc(BLOCK_SIZE);
	if (!buf || dump_read(d, key_off(key), buf, BLOCK_SIZE)) {
		blkdev_buf_free(buf);
		return CMD_FAILED;
	}
	show_block(d, key_off(key), buf);
	blkdev_buf_free(buf);
	return CMD_OK;
}
