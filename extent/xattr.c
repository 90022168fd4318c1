/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Extended attributes in parts.  All parts but the last are full, so the value's length says how many there are; a
 * new value is written over the old parts and those left over are deleted, in one transaction.
 */

#include "extent/xattr.h"

#include <string.h>

#include "extent/format.h"
#include "extent/namehash.h"

#define HASH_BITS     40
#define COLLISION_MAX 255u
#define PART_BITS     8
#define PART_MAX      ((1u << PART_BITS) - 1)

static_assert(sizeof(struct disk_xattr) == 8, "XATTR_LOG_SET");
static_assert((uint64_t)XATTR_PARTS_MAX * ITEM_VALUE_MAX >=
		      sizeof(struct disk_xattr) + XATTR_NAME_MAX + XATTR_VALUE_MAX,
	      "parts of the longest");

static struct key xattr_key(uint64_t ino, uint64_t off)
{
	return key_make(ZONE_FILE, ino, ITEM_XATTR, off);
}

static int xattr_check_name(const char *name, size_t len)
{
	if (len > XATTR_NAME_MAX)
		return -ENAMETOOLONG;
	return len == 0 || memchr(name, '\0', len) ? -EINVAL : 0;
}

/* Parts of an attribute; at least one. */
static unsigned int xattr_nr_parts(size_t name_len, size_t value_len)
{
	size_t len = sizeof(struct disk_xattr) + name_len + value_len;

	return (unsigned int)((len + ITEM_VALUE_MAX - 1) / ITEM_VALUE_MAX);
}

/* Bytes of @part. */
static size_t xattr_part_len(size_t name_len, size_t value_len, unsigned int part)
{
	size_t len = sizeof(struct disk_xattr) + name_len + value_len;

	return min_u64(len - (size_t)part * ITEM_VALUE_MAX, ITEM_VALUE_MAX);
}

/* Decode part 0. */
static int xattr_decode(const struct item *item, struct xattr_entry *entry)
{
	struct disk_xattr d;

	if (item->len < sizeof(d) || (key_off(item->key) & PART_MAX) != 0)
		return -EUCLEAN;
	memcpy(&d, item->val, sizeof(d));
	*entry = (struct xattr_entry){ .cookie = key_off(item->key),
				       .value_len = le32_get(d.value_len),
				       .name_len = d.name_len };
	if (entry->name_len == 0 || entry->value_len > XATTR_VALUE_MAX ||
	    item->len != xattr_part_len(entry->name_len, entry->value_len, 0))
		return -EUCLEAN;
	memcpy(entry->name, (const char *)item->val + sizeof(d), entry->name_len);
	return 0;
}

/* -ENODATA if there is none, then *@ret_free is the lowest place of its hash that is free. */
static int xattr_search(struct txn *txn, uint64_t ino, const char *name, size_t len, struct xattr_entry *entry,
			uint64_t *ret_free)
{
	uint64_t first = namehash(txn, name, len, HASH_BITS) << 16;
	uint64_t last = first | COLLISION_MAX << PART_BITS | PART_MAX;
	uint64_t unused = first;
	struct item item;
	int err;

	for (uint64_t at = first; at <= last; at = entry->cookie + PART_MAX + 1) {
		err = txn_next(txn, xattr_key(ino, at), xattr_key(ino, last), &item);
		if (err == -ENOENT)
			break;
		if (!err)
			err = xattr_decode(&item, entry);
		if (err)
			return err;
		if (entry->name_len == len && memcmp(entry->name, name, len) == 0)
			return 0;
		if (entry->cookie == unused)
			unused += PART_MAX + 1;
	}
	*ret_free = unused;
	return -ENODATA;
}

static int xattr_find(struct txn *txn, uint64_t ino, const char *name, size_t len, struct inode *inode,
		      struct xattr_entry *entry, uint64_t *ret_free)
{
	int err;

	err = xattr_check_name(name, len);
	if (!err)
		err = inode_get(txn, ino, inode);
	return err ? err : xattr_search(txn, ino, name, len, entry, ret_free);
}

/* Part 0 is put together here, the others are the value's own bytes. */
static int xattr_put(struct txn *txn, uint64_t ino, const struct xattr_entry *entry, const char *value)
{
	size_t head = sizeof(struct disk_xattr) + entry->name_len;
	struct disk_xattr d = { .value_len = le32_make(entry->value_len), .name_len = entry->name_len };
	uint8_t first[ITEM_VALUE_MAX];
	const void *part = first;
	int err;

	memcpy(first, &d, sizeof(d));
	memcpy(first + sizeof(d), entry->name, entry->name_len);
	if (entry->value_len > 0)
		memcpy(first + head, value, min_u64(entry->value_len, sizeof(first) - head));
	for (unsigned int i = 0; i < xattr_nr_parts(entry->name_len, entry->value_len); i++) {
		if (i > 0)
			part = value + (size_t)i * ITEM_VALUE_MAX - head;
		err = txn_put(txn, xattr_key(ino, entry->cookie + i), part,
			      xattr_part_len(entry->name_len, entry->value_len, i));
		if (err)
			return err;
	}
	return 0;
}

/* Delete parts [@from, @end). */
static int xattr_delete(struct txn *txn, uint64_t ino, uint64_t cookie, unsigned int from, unsigned int end)
{
	int err;

	for (unsigned int i = from; i < end; i++) {
		err = txn_delete(txn, xattr_key(ino, cookie + i));
		if (err)
			return err == -ENOENT ? -EUCLEAN : err;
	}
	return 0;
}

static int xattr_insert(struct txn *txn, struct inode *inode, const struct xattr_entry *entry, const void *value)
{
	if (inode->nr_xattrs >= XATTR_NR_MAX ||
	    entry->cookie >> 16 != namehash(txn, entry->name, entry->name_len, HASH_BITS))
		return -ENOSPC;
	inode->nr_xattrs++;
	return xattr_put(txn, inode->ino, entry, value);
}

static int xattr_overwrite(struct txn *txn, const struct inode *inode, const struct xattr_entry *entry,
			   const void *value, uint32_t old_len)
{
	int err;

	err = xattr_put(txn, inode->ino, entry, value);
	if (err)
		return err;
	return xattr_delete(txn, inode->ino, entry->cookie, xattr_nr_parts(entry->name_len, entry->value_len),
			    xattr_nr_parts(entry->name_len, old_len));
}

static int xattr_finish(struct txn *txn, struct inode *inode, struct inode *ret_inode)
{
	int err;

	inode_touch(txn, inode, false);
	err = inode_put(txn, inode);
	if (err)
		return err;
	*ret_inode = *inode;
	return 0;
}

int xattr_set(struct txn *txn, uint64_t ino, const char *name, size_t name_len, const void *value, size_t len,
	      enum xattr_how how, struct inode *ret_inode)
{
	struct xattr_entry entry;
	struct inode inode;
	uint64_t unused;
	uint32_t old_len;
	int err;

	if (len > XATTR_VALUE_MAX)
		return -E2BIG;
	err = xattr_find(txn, ino, name, name_len, &inode, &entry, &unused);
	if (err && (err != -ENODATA || how == XATTR_EXISTING))
		return err;
	if (!err && how == XATTR_NEW)
		return -EEXIST;
	if (err) {
		entry = (struct xattr_entry){ .cookie = unused, .name_len = (uint8_t)name_len };
		memcpy(entry.name, name, name_len);
		entry.value_len = (uint32_t)len;
		err = xattr_insert(txn, &inode, &entry, value);
	} else {
		old_len = entry.value_len;
		entry.value_len = (uint32_t)len;
		err = xattr_overwrite(txn, &inode, &entry, value, old_len);
	}
	return err ? err : xattr_finish(txn, &inode, ret_inode);
}

int xattr_remove(struct txn *txn, uint64_t ino, const char *name, size_t name_len, struct inode *ret_inode)
{
	struct xattr_entry entry;
	struct inode inode;
	uint64_t unused;
	int err;

	err = xattr_find(txn, ino, name, name_len, &inode, &entry, &unused);
	if (!err && inode.nr_xattrs == 0)
		err = -EUCLEAN;
	if (!err)
		err = xattr_delete(txn, ino, entry.cookie, 0, xattr_nr_parts(entry.name_len, entry.value_len));
	if (err)
		return err;
	inode.nr_xattrs--;
	return xattr_finish(txn, &inode, ret_inode);
}

/* The bytes of @part that belong to the value, to their place in @buf. */
static int xattr_get_part(struct txn *txn, uint64_t ino, const struct xattr_entry *entry, unsigned int part,
			  char *buf)
{
	size_t head = sizeof(struct disk_xattr) + entry->name_len;
	struct item item;
	int err;

	err = txn_get(txn, xattr_key(ino, entry->cookie + part), &item);
	if (err)
		return err == -ENOENT ? -EUCLEAN : err;
	if (item.len != xattr_part_len(entry->name_len, entry->value_len, part))
		return -EUCLEAN;
	if (part == 0)
		memcpy(buf, (const char *)item.val + head, item.len - head);
	else
		memcpy(buf + (size_t)part * ITEM_VALUE_MAX - head, item.val, item.len);
	return 0;
}

int xattr_get(struct txn *txn, uint64_t ino, const char *name, size_t name_len, void *buf, size_t size,
	      size_t *ret_len)
{
	struct xattr_entry entry;
	struct inode inode;
	uint64_t unused;
	int err;

	err = xattr_find(txn, ino, name, name_len, &inode, &entry, &unused);
	if (err)
		return err;
	if (size > 0 && size < entry.value_len)
		return -ERANGE;
	for (unsigned int i = 0; size > 0 && i < xattr_nr_parts(entry.name_len, entry.value_len); i++) {
		err = xattr_get_part(txn, ino, &entry, i, buf);
		if (err)
			return err;
	}
	*ret_len = entry.value_len;
	return 0;
}

int xattr_next(struct txn *txn, uint64_t ino, uint64_t after, struct xattr_entry *ret_entry)
{
	struct xattr_entry entry;
	struct item item;
	int err;

	after |= PART_MAX; /* behind the last part of the one that has this cookie */
	if (ino == 0 || ino > KEY_LOW_MAX || after >= KEY_LOW_MAX)
		return -ENOENT;
	err = txn_next(txn, xattr_key(ino, after + 1), xattr_key(ino, KEY_LOW_MAX), &item);
	if (!err)
		err = xattr_decode(&item, &entry);
	if (err)
		return err;
	*ret_entry = entry;
	return 0;
}
