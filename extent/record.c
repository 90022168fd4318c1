/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: what record_seal() finished is decoded, whole and sound again, with the same contents; any other bytes are
 * told apart from that as far as the checksum can, and nothing outside of the given bytes is ever looked at.
 */

#include "extent/record.h"

#include "extent/sum.h"

uint64_t record_seal(void *rec, const struct record_owner *owner, const struct record_info *info)
{
	struct disk_record head = {
		.magic = le32_make(RECORD_MAGIC),
		.size = le32_make(info->size),
		.era = le64_make(owner->era),
		.lsn = le64_make(info->lsn),
		.chain = le64_make(info->chain),
		.first_seq = le64_make(info->first_seq),
		.nr_txns = le32_make(info->nr_txns),
		.used = le32_make(info->used),
	};
	size_t filled = sizeof(head) + info->used;

	assert((info->nr_txns == 0) == (info->used == 0));
	assert(info->nr_txns == 0 || info->size == record_size(info->used));
	assert(info->size > 0 && info->size <= RECORD_SIZE_MAX && is_aligned_u64(info->size, RECORD_ALIGN));
	memcpy(head.volume_uuid, owner->volume_uuid, UUID_LEN);
	memcpy(rec, &head, sizeof(head));
	memset((uint8_t *)rec + filled, 0, record_written_size(info) - filled);
	sum_set(rec, record_written_size(info));
	return sum_get(rec);
}

static bool sizes_are_possible(const struct record_info *info)
{
	const uint32_t txn_min = sizeof(struct disk_txn) + sizeof(struct disk_change);

	if (info->size == 0 || info->size > RECORD_SIZE_MAX || !is_aligned_u64(info->size, RECORD_ALIGN))
		return false;
	if (info->nr_txns == 0)
		return info->used == 0;
	return record_size(info->used) == info->size && info->nr_txns <= info->used / txn_min;
}

bool record_decode(const void *head, const struct record_owner *owner, struct record_info *ret_info)
{
	struct disk_record disk;
	struct record_info info;

	memcpy(&disk, head, sizeof(disk));
	if (le32_get(disk.magic) != RECORD_MAGIC || le64_get(disk.era) != owner->era ||
	    memcmp(disk.volume_uuid, owner->volume_uuid, UUID_LEN) != 0)
		return false;
	info = (struct record_info){
		.checksum = le64_get(disk.checksum),
		.lsn = le64_get(disk.lsn),
		.chain = le64_get(disk.chain),
		.first_seq = le64_get(disk.first_seq),
		.size = le32_get(disk.size),
		.used = le32_get(disk.used),
		.nr_txns = le32_get(disk.nr_txns),
	};
	if (!sizes_are_possible(&info))
		return false;
	*ret_info = info;
	return true;
}

bool record_is_whole(const void *rec, const struct record_info *info)
{
	return info->checksum == sum_compute(rec, record_written_size(info));
}

static bool txn_is_sound(const struct record_txn *txn)
{
	struct record_changes it = record_changes(txn->changes, txn->len, txn->nr);
	struct record_change change;
	int err;

	do {
		err = record_change_next(&it, &change);
	} while (!err);
	return err == -ENOENT;
}

bool record_is_sound(const void *rec, const struct record_info *info)
{
	struct record_txns it = record_txns(rec, info);
	struct record_txn txn;
	int err;

	for (;;) {
		err = record_txn_next(&it, &txn);
		if (err)
			return err == -ENOENT;
		if (!txn_is_sound(&txn))
			return false;
	}
}

struct record_txns record_txns(const void *rec, const struct record_info *info)
{
	return (struct record_txns){
		.pos = (const uint8_t *)rec + sizeof(struct disk_record),
		.left = info->used,
		.nr_left = info->nr_txns,
	};
}

/* Nothing may be left over when the last of what the header counted has been taken. */
static int end_of(size_t left)
{
	return left == 0 ? -ENOENT : -EUCLEAN;
}

int record_txn_next(struct record_txns *it, struct record_txn *ret_txn)
{
	struct disk_txn head;
	uint32_t len;

	if (it->nr_left == 0)
		return end_of(it->left);
	if (it->left < sizeof(head))
		return -EUCLEAN;
	memcpy(&head, it->pos, sizeof(head));
	len = le32_get(head.len);
	if (len > it->left - sizeof(head) || le32_get(head.nr) == 0)
		return -EUCLEAN;
	*ret_txn = (struct record_txn){ .changes = it->pos + sizeof(head), .len = len, .nr = le32_get(head.nr) };
	it->pos += sizeof(head) + len;
	it->left -= sizeof(head) + len;
	it->nr_left--;
	return 0;
}

struct record_changes record_changes(const void *changes, size_t len, uint32_t nr)
{
	return (struct record_changes){ .pos = changes, .left = len, .nr_left = nr };
}

static bool change_is_possible(const struct disk_change *disk)
{
	uint16_t len = le16_get(disk->len);

	if (disk->reserved != 0)
		return false;
	if (disk->op == CHANGE_DELETE)
		return len == 0;
	return disk->op == CHANGE_PUT && len <= ITEM_VALUE_MAX;
}

int record_change_next(struct record_changes *it, struct record_change *ret_change)
{
	struct disk_change disk;
	size_t size;

	if (it->nr_left == 0)
		return end_of(it->left);
	if (it->left < sizeof(disk))
		return -EUCLEAN;
	memcpy(&disk, it->pos, sizeof(disk));
	size = record_change_size(le16_get(disk.len));
	if (!change_is_possible(&disk) || size > it->left)
		return -EUCLEAN;
	*ret_change = (struct record_change){
		.key = { le64_get(disk.hi), le64_get(disk.lo) },
		.val = it->pos + sizeof(disk),
		.len = le16_get(disk.len),
		.op = disk.op,
	};
	it->pos += size;
	it->left -= size;
	it->nr_left--;
	return 0;
}

size_t record_change_write(void *at, const struct record_change *change)
{
	struct disk_change disk = {
		.hi = le64_make(change->key.hi),
		.lo = le64_make(change->key.lo),
		.len = le16_make(change->len),
		.op = change->op,
	};

	assert(change_is_possible(&disk));
	memcpy(at, &disk, sizeof(disk));
	if (change->len)
		memcpy((uint8_t *)at + sizeof(disk), change->val, change->len);
	return record_change_size(change->len);
}
