/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a superblock that decodes has every address, size and count in range and no device or chunk twice, so that
 * mount may use them without looking again; and of two slots the right one is taken, or none.
 */

#include "extent/super.h"

#include <inttypes.h>
#include <string.h>

#include "extent/journal.h"
#include "extent/sum.h"

#define LABEL_COPY_BLOCKS (LABEL_SIZE / DADDR_BLOCK_SIZE)

static bool bytes_are_zero(const void *data, size_t len)
{
	const uint8_t *bytes = data;

	return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* Encode */

static void encode_devices(const struct super *super, struct disk_super *d)
{
	for (uint32_t i = 0; i < super->nr_devices; i++) {
		const struct super_device *from = &super->devices[i];
		struct disk_super_device *to = &d->devices[i];

		memcpy(to->uuid, from->uuid, UUID_LEN);
		to->size = le64_make(from->size);
		to->first_block = le64_make(from->first_block);
		to->end_block = le64_make(from->end_block);
		to->flags = le64_make(from->flags);
	}
}

static void encode_chunks(const struct super *super, struct disk_super *d)
{
	for (uint32_t i = 0; i < super->nr_chunks; i++) {
		d->chunks[i] = le64_make(super->chunks[i]);
		d->chunk_slots[i / 8] |= (uint8_t)(super->chunk_slots[i] << i % 8);
	}
}

static void encode_numbers(const struct super *super, struct disk_super *d)
{
	struct le64 seed = le64_make(super->hash_seed);

	d->epoch = le64_make(super->epoch);
	d->root.daddr = le64_make(super->root_daddr);
	d->root.epoch = le64_make(super->root_epoch);
	d->root_level = le32_make(super->root_level);
	d->chunk_blocks = le64_make(super->chunk_blocks);
	d->txn_seq = le64_make(super->txn_seq);
	d->next_ino = le64_make(super->next_ino);
	d->journal_size = le64_make(super->journal_size);
	d->journal_era = le64_make(super->journal_era);
	d->journal_lsn = le64_make(super->journal_lsn);
	d->journal_chain = le64_make(super->journal_chain);
	memcpy(d->hash_seed, &seed, sizeof(d->hash_seed));
	d->bitmaps_checksum = le64_make(super->bitmaps_checksum);
	d->counts.inodes = le64_make(super->counts.inodes);
	d->counts.orphans = le64_make(super->counts.orphans);
	d->counts.free_blocks = le64_make(super->counts.free_blocks);
	d->counts.limbo_blocks = le64_make(super->counts.limbo_blocks);
	d->counts.items = le64_make(super->counts.items);
}

void super_encode(const struct super *super, void *ret_block)
{
	struct disk_super *d = ret_block;

	assert(super->nr_devices > 0 && super->nr_devices <= VOLUME_DEVICES_MAX);
	assert(super->nr_chunks > 0 && super->nr_chunks <= VOLUME_CHUNKS_MAX);
	assert(super->epoch > 0);

	memset(d, 0, SUPER_SIZE);
	d->magic = le64_make(SUPER_MAGIC);
	d->version = le32_make(FORMAT_VERSION);
	memcpy(d->volume_uuid, super->volume_uuid, UUID_LEN);
	d->feature_compat = le64_make(super->features.compat);
	d->feature_ro_compat = le64_make(super->features.ro_compat);
	d->feature_incompat = le64_make(super->features.incompat);
	d->nr_devices = le32_make(super->nr_devices);
	d->nr_chunks = le32_make(super->nr_chunks);
	encode_numbers(super, d);
	encode_devices(super, d);
	encode_chunks(super, d);
	sum_set(d, SUPER_SIZE);
}

/* Check.  Each function returns NULL, or what is wrong. */

static const char *check_numbers(const struct disk_super *d, unsigned int slot)
{
	uint64_t epoch = le64_get(d->epoch), chunk_blocks = le64_get(d->chunk_blocks);
	uint64_t journal_size = le64_get(d->journal_size), next_ino = le64_get(d->next_ino);

	if (bytes_are_zero(d->volume_uuid, UUID_LEN))
		return "the volume's identifier is all zeros";
	if (epoch == 0 || super_slot(epoch) != slot)
		return "it does not belong into this slot";
	if (le32_get(d->nr_devices) == 0 || le32_get(d->nr_devices) > VOLUME_DEVICES_MAX)
		return "the number of devices is out of range";
	if (le32_get(d->nr_chunks) == 0 || le32_get(d->nr_chunks) > VOLUME_CHUNKS_MAX)
		return "the number of metadata chunks is out of range";
	if (!is_power_of_2_u64(chunk_blocks) || chunk_blocks < SUPER_CHUNK_BLOCKS_MIN ||
	    chunk_blocks > SUPER_CHUNK_BLOCKS_MAX)
		return "the size of metadata chunks is out of range";
	if (journal_size < JOURNAL_SIZE_MIN || journal_size > 1ULL << 48 ||
	    !is_aligned_u64(journal_size, RECORD_ALIGN) || !is_aligned_u64(le64_get(d->journal_lsn), RECORD_ALIGN))
		return "the journal's size or start is out of range";
	if (next_ino == 0 || next_ino > KEY_LOW_MAX + 1)
		return "the next inode number is out of range";
	return NULL;
}

static const char *check_device(const struct disk_super *d, uint32_t i)
{
	const struct disk_super_device *dev = &d->devices[i];
	uint64_t size = le64_get(dev->size), first = le64_get(dev->first_block), end = le64_get(dev->end_block);
	uint64_t first_byte = i == 0 ? JOURNAL_OFFSET + le64_get(d->journal_size) : DATA_OFFSET_OTHERS;

	if (bytes_are_zero(dev->uuid, UUID_LEN))
		return "a device's identifier is all zeros";
	for (uint32_t j = 0; j < i; j++)
		if (memcmp(d->devices[j].uuid, dev->uuid, UUID_LEN) == 0)
			return "a device is there twice";
	if (size >> DADDR_BLOCK_SHIFT > 1ULL << DADDR_BLOCK_BITS || size < LABEL_SIZE)
		return "a device's size is out of range";
	if (first >= end || end > (size >> DADDR_BLOCK_SHIFT) - LABEL_COPY_BLOCKS ||
	    first < round_up_u64(first_byte, DADDR_BLOCK_SIZE) >> DADDR_BLOCK_SHIFT)
		return "the allocatable part of a device is out of range";
	return NULL;
}

static const char *check_devices(const struct disk_super *d)
{
	uint32_t nr = le32_get(d->nr_devices);

	for (uint32_t i = 0; i < nr; i++) {
		const char *why = check_device(d, i);

		if (why)
			return why;
	}
	return NULL;
}

/* Whether [block, block + len) of device @dev is allocatable; numbers may be anything. */
static bool range_is_allocatable(const struct disk_super *d, unsigned int dev, uint64_t block, uint64_t len)
{
	if (dev >= le32_get(d->nr_devices))
		return false;
	return block >= le64_get(d->devices[dev].first_block) && block < le64_get(d->devices[dev].end_block) &&
	       len <= le64_get(d->devices[dev].end_block) - block;
}

static const char *check_chunk(const struct disk_super *d, uint32_t i)
{
	uint64_t daddr = le64_get(d->chunks[i]), chunk_blocks = le64_get(d->chunk_blocks);

	if (daddr > KEY_LOW_MAX || !is_aligned_u64(daddr_block(daddr), chunk_blocks) ||
	    !range_is_allocatable(d, daddr_dev(daddr), daddr_block(daddr), chunk_blocks))
		return "a metadata chunk is misaligned or outside of its device";
	for (uint32_t j = 0; j < i; j++)
		if (le64_get(d->chunks[j]) == daddr)
			return "a metadata chunk is there twice";
	return NULL;
}

static const char *check_chunks(const struct disk_super *d)
{
	uint32_t nr = le32_get(d->nr_chunks);

	for (uint32_t i = 0; i < nr; i++) {
		const char *why = check_chunk(d, i);

		if (why)
			return why;
	}
	return NULL;
}

/* The root is one of the tree blocks in one of the chunks. */
static const char *check_root(const struct disk_super *d)
{
	uint64_t daddr = le64_get(d->root.daddr), epoch = le64_get(d->root.epoch);
	uint64_t chunk_blocks = le64_get(d->chunk_blocks), into = daddr & (chunk_blocks - 1);
	uint32_t nr = le32_get(d->nr_chunks);

	if (le32_get(d->root_level) > BLOCK_LEVEL_MAX || epoch == 0 || epoch > le64_get(d->epoch))
		return "the root's level or epoch is out of range";
	if (into < CHUNK_HEADER_DADDRS || into % BLOCK_DADDRS != 0)
		return "the root is not at the place of a tree block";
	for (uint32_t i = 0; i < nr; i++)
		if (le64_get(d->chunks[i]) == daddr - into)
			return NULL;
	return "the root is in no metadata chunk";
}

static const char *check_counts(const struct disk_super *d)
{
	uint64_t total = 0, limbo = le64_get(d->counts.limbo_blocks);
	uint32_t nr = le32_get(d->nr_devices);

	for (uint32_t i = 0; i < nr; i++)
		total += le64_get(d->devices[i].end_block) - le64_get(d->devices[i].first_block);
	if (limbo > total || le64_get(d->counts.free_blocks) > total - limbo)
		return "more blocks are free than there are";
	return NULL;
}

/* What this version leaves zero. */
static const char *check_reserved(const struct disk_super *d)
{
	uint32_t nr_devices = le32_get(d->nr_devices), nr_chunks = le32_get(d->nr_chunks);
	bool zero =
		bytes_are_zero(d->reserved, sizeof(d->reserved)) &&
		bytes_are_zero(d->reserved1, sizeof(d->reserved1)) &&
		bytes_are_zero(d->counts.reserved, sizeof(d->counts.reserved)) &&
		bytes_are_zero(&d->devices[nr_devices], (VOLUME_DEVICES_MAX - nr_devices) * sizeof(d->devices[0])) &&
		bytes_are_zero(&d->chunks[nr_chunks], (VOLUME_CHUNKS_MAX - nr_chunks) * sizeof(d->chunks[0]));

	for (uint32_t i = 0; i < nr_devices; i++)
		zero = zero && le64_get(d->devices[i].flags) == 0 &&
		       bytes_are_zero(d->devices[i].reserved, sizeof(d->devices[i].reserved));
	for (uint32_t i = nr_chunks; i < VOLUME_CHUNKS_MAX; i++)
		zero = zero && (d->chunk_slots[i / 8] >> i % 8 & 1) == 0;
	return zero ? NULL : "reserved bytes are not zero";
}

static struct features super_features(const struct disk_super *d)
{
	return (struct features){ le64_get(d->feature_compat), le64_get(d->feature_ro_compat),
				  le64_get(d->feature_incompat) };
}

static const char *check_contents(const struct disk_super *d, unsigned int slot)
{
	struct features features = super_features(d);
	const char *why = check_numbers(d, slot);

	if (!why)
		why = check_devices(d);
	if (!why)
		why = check_chunks(d);
	if (!why)
		why = check_root(d);
	if (!why)
		why = check_counts(d);
	if (!why && !feature_is_newer(&features))
		why = check_reserved(d);
	return why;
}

static int super_check(const struct disk_super *d, unsigned int slot, const uint8_t *uuid, struct why *why)
{
	struct features features = super_features(d);
	const char *reason;
	int err;

	if (le64_get(d->magic) != SUPER_MAGIC)
		return why_set(why, -EMEDIUMTYPE, "superblock slot %u holds no superblock", slot);
	if (!sum_is_good(d, SUPER_SIZE))
		return why_set(why, -EBADMSG, "superblock slot %u is damaged: its checksum is wrong", slot);
	err = feature_check(&features, le32_get(d->version), "superblock", why);
	if (err)
		return err;
	if (uuid && memcmp(d->volume_uuid, uuid, UUID_LEN) != 0)
		return why_set(why, -EXDEV, "superblock slot %u belongs to another volume than the label", slot);
	reason = check_contents(d, slot);
	if (reason)
		return why_set(why, -EUCLEAN, "superblock slot %u is impossible, though its checksum is right: %s",
			       slot, reason);
	return 0;
}

/* Decode */

static void decode_devices(const struct disk_super *d, struct super *super)
{
	for (uint32_t i = 0; i < super->nr_devices; i++) {
		const struct disk_super_device *from = &d->devices[i];
		struct super_device *to = &super->devices[i];

		memcpy(to->uuid, from->uuid, UUID_LEN);
		to->size = le64_get(from->size);
		to->first_block = le64_get(from->first_block);
		to->end_block = le64_get(from->end_block);
		to->flags = le64_get(from->flags);
	}
}

static void decode_chunks(const struct disk_super *d, struct super *super)
{
	for (uint32_t i = 0; i < super->nr_chunks; i++) {
		super->chunks[i] = le64_get(d->chunks[i]);
		super->chunk_slots[i] = d->chunk_slots[i / 8] >> i % 8 & 1;
	}
}

static void decode_numbers(const struct disk_super *d, struct super *super)
{
	struct le64 seed;

	memcpy(&seed, d->hash_seed, sizeof(seed));
	super->hash_seed = le64_get(seed);
	super->epoch = le64_get(d->epoch);
	super->root_daddr = le64_get(d->root.daddr);
	super->root_epoch = le64_get(d->root.epoch);
	super->root_level = le32_get(d->root_level);
	super->nr_devices = le32_get(d->nr_devices);
	super->nr_chunks = le32_get(d->nr_chunks);
	super->chunk_blocks = le64_get(d->chunk_blocks);
	super->txn_seq = le64_get(d->txn_seq);
	super->next_ino = le64_get(d->next_ino);
	super->journal_size = le64_get(d->journal_size);
	super->journal_era = le64_get(d->journal_era);
	super->journal_lsn = le64_get(d->journal_lsn);
	super->journal_chain = le64_get(d->journal_chain);
	super->bitmaps_checksum = le64_get(d->bitmaps_checksum);
	super->counts.inodes = le64_get(d->counts.inodes);
	super->counts.orphans = le64_get(d->counts.orphans);
	super->counts.free_blocks = le64_get(d->counts.free_blocks);
	super->counts.limbo_blocks = le64_get(d->counts.limbo_blocks);
	super->counts.items = le64_get(d->counts.items);
}

int super_decode(const void *block, unsigned int slot, const uint8_t *uuid, struct super *ret_super, struct why *why)
{
	const struct disk_super *d = block;
	int err = super_check(d, slot, uuid, why);

	if (err)
		return err;
	memset(ret_super, 0, sizeof(*ret_super));
	memcpy(ret_super->volume_uuid, d->volume_uuid, UUID_LEN);
	ret_super->features = super_features(d);
	decode_numbers(d, ret_super);
	decode_devices(d, ret_super);
	decode_chunks(d, ret_super);
	return 0;
}

/* Choose */

static bool is_foreign_version(int err)
{
	return err == -EPROTONOSUPPORT || err == -EOPNOTSUPP;
}

/* The slot to take; or an error, and *@why is that slot's. */
static int super_choose(const struct disk_super *d, const int *slot_err, const struct why *slot_why,
			unsigned int *ret_slot, struct why *why)
{
	for (unsigned int i = 0; i < 2; i++)
		if (is_foreign_version(slot_err[i]))
			return why_set(why, slot_err[i], "%s", slot_why[i].text);
	if (!slot_err[0] && !slot_err[1])
		*ret_slot = le64_get(d[1].epoch) > le64_get(d[0].epoch);
	else if (!slot_err[0] || !slot_err[1])
		*ret_slot = slot_err[0] != 0;
	else {
		/* An empty slot says less than a damaged one. */
		unsigned int worse = slot_err[0] == -EMEDIUMTYPE;

		return why_set(why, slot_err[worse], "no superblock is good: %s; restore device 0 from a copy",
			       slot_why[worse].text);
	}
	return 0;
}

/* A slot that was never written yet is no trouble: the volume is young. */
static void super_note(const struct disk_super *d, struct super_report *rep, const struct why *slot_why)
{
	unsigned int other = !rep->chosen;

	if (!rep->slot_err[other] || bytes_are_zero(&d[other], SUPER_SIZE))
		return;
	why_set(&rep->trouble, 0,
		"%s; the other one, of checkpoint %" PRIu64
		", is used: right if a crash interrupted the writing of the "
		"bad one",
		slot_why[other].text, le64_get(d[rep->chosen].epoch));
}

FIBER_FN static int super_read_slots(struct blkdev *dev, const uint8_t *uuid, struct disk_super *d,
				     struct super *super, struct super_report *rep, struct why *why)
{
	struct why slot_why[2];
	int err;

	for (unsigned int i = 0; i < 2; i++) {
		err = blkdev_read(dev, SUPER_OFFSET(i), &d[i], SUPER_SIZE);
		if (err)
			rep->slot_err[i] = why_set(&slot_why[i], err, "superblock slot %u cannot be read: %s", i,
						   strerror(-err));
		else
			rep->slot_err[i] = super_check(&d[i], i, uuid, &slot_why[i]);
	}
	err = super_choose(d, rep->slot_err, slot_why, &rep->chosen, why);
	if (err)
		return err;
	super_note(d, rep, slot_why);
	return super_decode(&d[rep->chosen], rep->chosen, uuid, super, why);
}

int super_read(struct blkdev *dev, const uint8_t *uuid, struct super *ret_super, struct super_report *ret_report,
	       struct why *why)
{
	struct disk_super *d;
	int err;

	*ret_report = (struct super_report){ 0 };
	d = blkdev_buf_alloc(2 * SUPER_SIZE);
	if (!d)
		return why_set(why, -ENOMEM, "out of memory");
	err = super_read_slots(dev, uuid, d, ret_super, ret_report, why);
	blkdev_buf_free(d);
	return err;
}
