/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reservation keys.  Promises: a host has the same key for ever, and no two hosts the same; no key is 0; the table of
 * keys is bounded, whatever names clients give themselves.
 *
 * A key is "LM", 24 bits of the volume, and the host's place in the table, counted from 1; the server's own has all
 * ones there.  So whoever sees keys on a device knows whose they are.  A place is found by the hash of the owner,
 * then the next ones are tried; places are never given back, since a client that comes back after a year still has
 * its key (and a device id that is registered with another one cannot be registered anew on some NVMe targets).
 */
#include "layout/fence_int.h"

#include <stdio.h>
#include <string.h>

#include "extent/fs.h"

#define KEY_MARK       0x4c4dULL /* "LM" */
#define KEY_MARK_SHIFT 48
#define KEY_TAG_SHIFT  24
#define KEY_LOW	       0xffffffULL
#define KEY_PROBES     16u /* places for an owner */

/* As Linux begins its owner strings; what follows is the minor version of the mount, a digit, and a blank. */
static const char linux_owner[] = "Linux NFSv4.";

static uint64_t key_head(const uint8_t volume_uuid[UUID_LEN])
{
	return KEY_MARK << KEY_MARK_SHIFT | (XXH3_64bits(volume_uuid, UUID_LEN) & KEY_LOW) << KEY_TAG_SHIFT;
}

uint64_t fence_key_own(const uint8_t volume_uuid[UUID_LEN])
{
	return key_head(volume_uuid) | KEY_LOW;
}

bool fence_key_is_own(uint64_t key)
{
	return key >> KEY_MARK_SHIFT == KEY_MARK && (key & KEY_LOW) == KEY_LOW;
}

static uint64_t key_at(const struct fs *fs, uint64_t place)
{
	return key_head(fs_uuid(fs)) | (place + 1);
}

int fence_key_place(const struct fs *fs, uint64_t key, uint64_t *ret_place)
{
	uint64_t low = key & KEY_LOW;

	if ((key & ~KEY_LOW) != key_head(fs_uuid(fs)) || low == 0 || low > FENCE_KEYS_MAX)
		return -ENOENT;
	*ret_place = low - 1;
	return 0;
}

static struct key item_key(uint64_t place)
{
	return key_make(ZONE_STATE, 0, FENCE_RECORD_KEY, place);
}

struct owner {
	size_t len;
	uint8_t bytes[FENCE_OWNER_MAX];
};

/* The host's name in @bytes: without the minor version, if it is a Linux client's. */
static void owner_of(const void *bytes, size_t len, struct owner *ret_owner)
{
	const size_t head = sizeof(linux_owner) - 1;
	const uint8_t *p = bytes;

	len = min_u64(len, FENCE_OWNER_MAX);
	memcpy(ret_owner->bytes, bytes, len);
	ret_owner->len = len;
	if (len > head + 2 && memcmp(p, linux_owner, head) == 0 && p[head] >= '0' && p[head] <= '9' &&
	    p[head + 1] == ' ') {
		memmove(ret_owner->bytes + head, p + head + 1, len - head - 1);
		ret_owner->len = len - 1;
	}
}

static bool item_is_of(const struct item *item, const struct owner *owner)
{
	return item->len == sizeof(struct disk_fence_key) + owner->len &&
	       memcmp((const uint8_t *)item->val + sizeof(struct disk_fence_key), owner->bytes, owner->len) == 0;
}

static int put_new(struct txn *txn, uint64_t place, uint64_t key, const struct owner *owner)
{
	const struct disk_fence_key rec = { .key = le64_make(key) };
	uint8_t bytes[sizeof(rec) + FENCE_OWNER_MAX];

	memcpy(bytes, &rec, sizeof(rec));
	memcpy(bytes + sizeof(rec), owner->bytes, owner->len);
	return txn_put(txn, item_key(place), bytes, sizeof(rec) + owner->len);
}

int fence_key(struct txn *txn, const void *owner_bytes, size_t len, uint64_t *ret_key)
{
	struct owner owner;
	uint64_t first, place, key;
	struct item item;
	int err;

	owner_of(owner_bytes, len, &owner);
	first = XXH3_64bits_withSeed(owner.bytes, owner.len, txn_hash_seed(txn));
	for (uint64_t i = 0; i < KEY_PROBES; i++) {
		place = (first + i) % FENCE_KEYS_MAX;
		key = key_at(txn_fs(txn), place);
		err = txn_get(txn, item_key(place), &item);
		if (err == -ENOENT)
			err = put_new(txn, place, key, &owner);
		else if (!err && !item_is_of(&item, &owner))
			continue;
		if (!err)
			*ret_key = key;
		return err;
	}
	return -ENOBUFS;
}

int fence_key_decode(const struct fs *fs, const struct item *item, struct fence_host *ret_host)
{
	const struct disk_fence_key *rec = item->val;
	struct fence_entry *e = &ret_host->entry;
	const uint8_t *owner;
	size_t len;

	if (item->len < sizeof(*rec) || key_off(item->key) >= FENCE_KEYS_MAX || rec->state > FENCE_PROVED ||
	    rec->proof > FENCE_BY_ADMIN || le64_get(rec->key) != key_at(fs, key_off(item->key)))
		return -EUCLEAN;
	e->key = le64_get(rec->key);
	e->since_ns = le64_get(rec->since_ns);
	e->took_ns = le64_get(rec->took_ns);
	e->tries = le32_get(rec->tries);
	e->state = (enum fence_state)rec->state;
	e->proof = (enum fence_proof)rec->proof;
	e->held = rec->held != 0;
	ret_host->undrained = rec->undrained != 0;
	owner = (const uint8_t *)item->val + sizeof(*rec);
	len = min_u64(item->len - sizeof(*rec), sizeof(e->owner) - 1);
	for (size_t i = 0; i < len; i++)
		e->owner[i] = owner[i] < ' ' || owner[i] >= 0x7f ? '?' : (char)owner[i];
	e->owner[len] = '\0';
	return 0;
}

int fence_key_load(struct txn *txn, uint64_t key, struct fence_host *ret_host)
{
	struct item item;
	uint64_t place;
	int err = fence_key_place(txn_fs(txn), key, &place);

	if (!err)
		err = txn_get(txn, item_key(place), &item);
	return err ? err : fence_key_decode(txn_fs(txn), &item, ret_host);
}

int fence_key_save(struct txn *txn, const struct fence_host *host)
{
	const struct fence_entry *e = &host->entry;
	uint8_t bytes[sizeof(struct disk_fence_key) + FENCE_OWNER_MAX];
	struct disk_fence_key *rec = (struct disk_fence_key *)(void *)bytes;
	struct item item;
	uint64_t place;
	int err = fence_key_place(txn_fs(txn), e->key, &place);

	if (!err)
		err = txn_get(txn, item_key(place), &item);
	if (err)
		return err;
	if (item.len < sizeof(*rec) || item.len > sizeof(bytes))
		return -EUCLEAN;
	memcpy(bytes, item.val, item.len);
	rec->since_ns = le64_make(e->since_ns);
	rec->took_ns = le64_make(e->took_ns);
	rec->tries = le32_make(e->tries);
	rec->state = (uint8_t)e->state;
	rec->proof = (uint8_t)e->proof;
	rec->undrained = host->undrained;
	rec->held = e->held;
	return txn_put(txn, item_key(place), bytes, item.len);
}
