/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Entries of directories.  An entry takes the lowest free place among those of its hash, and a search looks at all
 * that are there (a range scan that usually meets one item): so removing one never hides another.
 */

#include "extent/dir.h"

#include <dirent.h>
#include <string.h>

#include "extent/format.h"
#include "extent/namehash.h"

#define HASH_BITS     48
#define COLLISION_MAX 255u

static_assert(DIR_LOG_PUT == sizeof(struct disk_change) + sizeof(struct disk_dirent) + DIR_NAME_MAX,
	      "log of an entry");
static_assert(DIR_COOKIE_FIRST == COLLISION_MAX + 1, "hashes begin at 1");

static struct key dir_key(uint64_t dir, uint64_t cookie)
{
	return key_make(ZONE_FILE, dir, ITEM_DIRENT, cookie);
}

int dir_check_name(const char *name, size_t len)
{
	if (len > DIR_NAME_MAX)
		return -ENAMETOOLONG;
	if (len == 0 || memchr(name, '/', len) || memchr(name, '\0', len))
		return -EINVAL;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return -EINVAL;
	return 0;
}

static int entry_decode(const struct item *item, struct dir_entry *entry)
{
	struct disk_dirent d;
	const char *name;

	if (item->len <= sizeof(d))
		return -EUCLEAN;
	memcpy(&d, item->val, sizeof(d));
	name = (const char *)item->val + sizeof(d);
	if (item->len != sizeof(d) + d.name_len || dir_check_name(name, d.name_len))
		return -EUCLEAN;
	*entry = (struct dir_entry){
		.cookie = key_off(item->key), .ino = le64_get(d.ino), .type = d.type, .name_len = d.name_len
	};
	memcpy(entry->name, name, d.name_len);
	if (!item_dirent_type_is_valid(entry->type) || entry->ino == 0 || entry->ino > KEY_LOW_MAX ||
	    entry->cookie < DIR_COOKIE_FIRST)
		return -EUCLEAN;
	return 0;
}

static bool entry_has_name(const struct dir_entry *entry, const char *name, size_t len)
{
	return entry->name_len == len && memcmp(entry->name, name, len) == 0;
}

/* Find @name among the entries of its hash; -ENOENT, then *@ret_free is the lowest place that none of them has. */
static int dir_search(struct txn *txn, uint64_t dir, const char *name, size_t len, struct dir_entry *entry,
		      uint64_t *ret_free)
{
	uint64_t first = namehash(txn, name, len, HASH_BITS) << 8;
	uint64_t last = first + COLLISION_MAX;
	uint64_t unused = first;
	struct item item;
	int err;

	for (uint64_t at = first; at <= last; at = entry->cookie + 1) {
		err = txn_next(txn, dir_key(dir, at), dir_key(dir, last), &item);
		if (err == -ENOENT)
			break;
		if (!err)
			err = entry_decode(&item, entry);
		if (err)
			return err;
		if (entry_has_name(entry, name, len))
			return 0;
		if (entry->cookie == unused)
			unused++;
	}
	*ret_free = unused;
	return -ENOENT;
}

int dir_lookup(struct txn *txn, uint64_t dir, const char *name, size_t len, struct dir_entry *ret_entry)
{
	struct dir_entry entry;
	uint64_t unused;
	int err;

	err = dir_check_name(name, len);
	if (err)
		return err;
	err = dir_search(txn, dir, name, len, &entry, &unused);
	if (err)
		return err;
	*ret_entry = entry;
	return 0;
}

static int dir_put(struct txn *txn, uint64_t dir, uint64_t cookie, const char *name, size_t len, uint64_t ino,
		   uint8_t type)
{
	uint8_t val[sizeof(struct disk_dirent) + DIR_NAME_MAX];
	struct disk_dirent d = { .ino = le64_make(ino), .type = type, .name_len = (uint8_t)len };

	memcpy(val, &d, sizeof(d));
	memcpy(val + sizeof(d), name, len);
	return txn_put(txn, dir_key(dir, cookie), val, sizeof(d) + len);
}

int dir_insert(struct txn *txn, uint64_t dir, const char *name, size_t len, uint64_t ino, uint8_t type)
{
	struct dir_entry entry;
	uint64_t cookie;
	int err;

	assert(item_dirent_type_is_valid(type));
	err = dir_check_name(name, len);
	if (err)
		return err;
	err = dir_search(txn, dir, name, len, &entry, &cookie);
	if (!err)
		return -EEXIST;
	if (err != -ENOENT)
		return err;
	if (cookie >> 8 != namehash(txn, name, len, HASH_BITS))
		return -ENOSPC;
	return dir_put(txn, dir, cookie, name, len, ino, type);
}

int dir_replace(struct txn *txn, uint64_t dir, const struct dir_entry *entry, uint64_t ino, uint8_t type)
{
	assert(item_dirent_type_is_valid(type));
	return dir_put(txn, dir, entry->cookie, entry->name, entry->name_len, ino, type);
}

int dir_remove(struct txn *txn, uint64_t dir, const struct dir_entry *entry)
{
	return txn_delete(txn, dir_key(dir, entry->cookie));
}

int dir_next(struct txn *txn, uint64_t dir, uint64_t after, struct dir_entry *ret_entry)
{
	struct dir_entry entry;
	struct item item;
	int err;

	if (after >= KEY_LOW_MAX)
		return -ENOENT;
	err = txn_next(txn, dir_key(dir, after + 1), dir_key(dir, KEY_LOW_MAX), &item);
	if (!err)
		err = entry_decode(&item, &entry);
	if (err)
		return err;
	*ret_entry = entry;
	return 0;
}

int dir_is_empty(struct txn *txn, uint64_t dir, bool *ret_empty)
{
	struct item item;
	int err;

	err = txn_next(txn, dir_key(dir, 0), dir_key(dir, KEY_LOW_MAX), &item);
	if (err && err != -ENOENT)
		return err;
	*ret_empty = err == -ENOENT;
	return 0;
}
