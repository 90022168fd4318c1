/* SPDX-License-Identifier: Apache-2.0 */

/* Superblocks there and back, every way they can be wrong, and which of the two slots is taken. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/reactor.h"
#include "extent/sum.h"
#include "extent/super.h"
#include "tests/lib/dice.h"
#include "tests/lib/mem_disk.h"

#define MIB	  (1u << 20)
#define DISK_SIZE MIB
#define EPOCH	  7u /* slot 1 */

static uint8_t block[SUPER_SIZE], other[SUPER_SIZE];
static struct super super, got;

static void sample(uint64_t epoch)
{
	super = (struct super){
		.volume_uuid = "volume of tests",
		.epoch = epoch,
		.root_daddr = daddr_make(1, 512 + 8),
		.root_epoch = epoch,
		.root_level = 3,
		.nr_devices = 2,
		.nr_chunks = 3,
		.chunk_blocks = 256,
		.txn_seq = 12345,
		.next_ino = 99,
		.journal_size = 4 * MIB,
		.journal_era = 0xfedcba9876543210,
		.journal_lsn = 3 * 4096,
		.journal_chain = 0x1122334455667788,
		.hash_seed = 0x99aabbccddeeff00,
		.counts = { .inodes = 5, .orphans = 1, .free_blocks = 100, .limbo_blocks = 7, .items = 44 },
		.bitmaps_checksum = 0x0123456789abcdef,
		.devices = { { .uuid = "device zero",
			       .size = 64 * MIB,
			       .first_block = 5 * 256,
			       .end_block = 64 * 256 - 1 },
			     { .uuid = "device one",
			       .size = 32 * MIB,
			       .first_block = 256,
			       .end_block = 32 * 256 - 1 } },
		.chunks = { daddr_make(0, 1280), daddr_make(1, 512), daddr_make(0, 2560) },
		.chunk_slots = { 1, 0, 1 },
	};
	super_encode(&super, block);
}

static void assert_same(const struct super *a, const struct super *b)
{
	assert_memory_equal(a->volume_uuid, b->volume_uuid, UUID_LEN);
	assert_int_equal(a->epoch, b->epoch);
	assert_int_equal(a->root_daddr, b->root_daddr);
	assert_int_equal(a->root_epoch, b->root_epoch);
	assert_int_equal(a->root_level, b->root_level);
	assert_int_equal(a->nr_devices, b->nr_devices);
	assert_int_equal(a->nr_chunks, b->nr_chunks);
	assert_int_equal(a->chunk_blocks, b->chunk_blocks);
	assert_int_equal(a->txn_seq, b->txn_seq);
	assert_int_equal(a->next_ino, b->next_ino);
	assert_int_equal(a->journal_size, b->journal_size);
	assert_int_equal(a->journal_era, b->journal_era);
	assert_int_equal(a->journal_lsn, b->journal_lsn);
	assert_int_equal(a->journal_chain, b->journal_chain);
	assert_int_equal(a->hash_seed, b->hash_seed);
	assert_int_equal(a->bitmaps_checksum, b->bitmaps_checksum);
	assert_memory_equal(&a->features, &b->features, sizeof(a->features));
	assert_memory_equal(&a->counts, &b->counts, sizeof(a->counts));
	assert_memory_equal(a->devices, b->devices, sizeof(a->devices));
	assert_memory_equal(a->chunks, b->chunks, sizeof(a->chunks));
	assert_memory_equal(a->chunk_slots, b->chunk_slots, sizeof(a->chunk_slots));
}

static void test_round_trip(void **state)
{
	sample(EPOCH);
	assert_int_equal(super_decode(block, 1, super.volume_uuid, &got, NULL), 0);
	assert_same(&super, &got);
	assert_int_equal(super_decode(block, 1, NULL, &got, NULL), 0);
}

static void test_largest(void **state)
{
	sample(EPOCH);
	super.nr_devices = VOLUME_DEVICES_MAX;
	super.nr_chunks = VOLUME_CHUNKS_MAX;
	for (uint32_t i = 0; i < VOLUME_DEVICES_MAX; i++) {
		struct super_device *dev = &super.devices[i];

		*dev = super.devices[0];
		dev->uuid[15] = (uint8_t)(i + 1);
	}
	for (uint32_t i = 0; i < VOLUME_CHUNKS_MAX; i++) {
		super.chunks[i] = daddr_make(i % 64, 1280 + 256 * (i / 64));
		super.chunk_slots[i] = i % 3 == 0;
	}
	super.root_daddr = super.chunks[VOLUME_CHUNKS_MAX - 1] + 4;
	super_encode(&super, block);
	assert_int_equal(super_decode(block, 1, NULL, &got, NULL), 0);
	assert_same(&super, &got);
}

static void assert_refused(unsigned int slot, int err, const char *what)
{
	struct why why = { "" };

	assert_int_equal(super_decode(block, slot, (const uint8_t *)"volume of tests", &got, &why), err);
	if (!strstr(why.text, what))
		fail_msg("\"%s\" does not say \"%s\"", why.text, what);
}

static void test_damage(void **state)
{
	sample(EPOCH);
	for (size_t i = 0; i < SUPER_SIZE; i += 1 + i / 1000) {
		bool magic = i >= 8 && i < 16;

		block[i] ^= 0x10;
		assert_refused(1, magic ? -EMEDIUMTYPE : -EBADMSG, magic ? "no superblock" : "checksum");
		block[i] ^= 0x10;
	}
	assert_refused(0, -EUCLEAN, "this slot");
	assert_int_equal(super_decode(block, 1, (const uint8_t *)"a foreign volume", &got, NULL), -EXDEV);
}

#define AT(field) offsetof(struct disk_super, field)
#define DEV(i, field)                                                                                                \
	(AT(devices) + (i) * sizeof(struct disk_super_device) + offsetof(struct disk_super_device, field))
#define CHUNK(i) (AT(chunks) + (i)*8)

/* One number wrong under a good checksum. */
static void test_impossible(void **state)
{
	static const struct {
		size_t off;
		uint64_t val;
		int err;
		const char *what;
	} cases[] = {
		{ AT(feature_incompat), 2, -EOPNOTSUPP, "bits 0x2" },
		{ AT(epoch), 0, -EUCLEAN, "slot" },
		{ AT(epoch), 8, -EUCLEAN, "slot" },
		{ AT(chunk_blocks), 128, -EUCLEAN, "size of metadata chunks" },
		{ AT(chunk_blocks), 300, -EUCLEAN, "size of metadata chunks" },
		{ AT(chunk_blocks), 131072, -EUCLEAN, "size of metadata chunks" },
		{ AT(journal_size), MIB / 2, -EUCLEAN, "journal" },
		{ AT(journal_size), 4 * MIB + 512, -EUCLEAN, "journal" },
		{ AT(journal_size), UINT64_MAX - 4095, -EUCLEAN, "journal" },
		{ AT(journal_size), 8 * MIB, -EUCLEAN, "allocatable" },
		{ AT(journal_lsn), 100, -EUCLEAN, "journal" },
		{ AT(next_ino), 0, -EUCLEAN, "inode" },
		{ AT(next_ino), KEY_LOW_MAX + 2, -EUCLEAN, "inode" },
		{ AT(root.epoch), 0, -EUCLEAN, "root" },
		{ AT(root.epoch), EPOCH + 1, -EUCLEAN, "root" },
		{ AT(root.daddr), (1ULL << 48) + 512, -EUCLEAN, "root" },
		{ AT(root.daddr), (1ULL << 48) + 512 + 5, -EUCLEAN, "root" },
		{ AT(root.daddr), (1ULL << 48) + 256 + 8, -EUCLEAN, "root" },
		{ AT(root.daddr), UINT64_MAX - 3, -EUCLEAN, "root" },
		{ AT(counts.free_blocks), 1ULL << 40, -EUCLEAN, "free" },
		{ AT(counts.limbo_blocks), UINT64_MAX, -EUCLEAN, "free" },
		{ AT(counts.reserved), 1, -EUCLEAN, "reserved" },
		{ AT(reserved) + 2000, 1, -EUCLEAN, "reserved" },
		{ SUPER_SIZE - 8, 1, -EUCLEAN, "reserved" },
		{ AT(chunk_slots), 0xff, -EUCLEAN, "reserved" },
		{ DEV(1, size), 0, -EUCLEAN, "size" },
		{ DEV(1, size), UINT64_MAX, -EUCLEAN, "size" },
		{ DEV(1, first_block), 255, -EUCLEAN, "allocatable" },
		{ DEV(1, first_block), 32 * 256, -EUCLEAN, "allocatable" },
		{ DEV(1, end_block), 32 * 256, -EUCLEAN, "allocatable" },
		{ DEV(1, end_block), UINT64_MAX, -EUCLEAN, "allocatable" },
		{ DEV(1, flags), 1, -EUCLEAN, "reserved" },
		{ DEV(2, size), 1, -EUCLEAN, "reserved" },
		{ CHUNK(0), 1280 + 8, -EUCLEAN, "chunk" },
		{ CHUNK(0), 1024, -EUCLEAN, "chunk" },
		{ CHUNK(0), 63 * 256, -EUCLEAN, "chunk" },
		{ CHUNK(0), 64 * 256, -EUCLEAN, "chunk" },
		{ CHUNK(0), 2ULL << 48, -EUCLEAN, "chunk" },
		{ CHUNK(0), UINT64_MAX << 56, -EUCLEAN, "chunk" },
		{ CHUNK(2), 1280, -EUCLEAN, "twice" },
		{ CHUNK(3), 2560, -EUCLEAN, "reserved" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sample(EPOCH);
		*(struct le64 *)(block + cases[i].off) = le64_make(cases[i].val);
		sum_set(block, SUPER_SIZE);
		assert_refused(1, cases[i].err, cases[i].what);
	}
}

/* Fields of 32 bits, and those that are more than a number. */
static void test_impossible_too(void **state)
{
	static const struct {
		size_t off;
		uint32_t val;
		int err;
		const char *what;
	} cases[] = {
		{ AT(version), 2, -EPROTONOSUPPORT, "version 2" },
		{ AT(nr_devices), 0, -EUCLEAN, "number of devices" },
		{ AT(nr_devices), 65, -EUCLEAN, "number of devices" },
		{ AT(nr_devices), 3, -EUCLEAN, "zeros" },
		{ AT(nr_chunks), 0, -EUCLEAN, "number of metadata chunks" },
		{ AT(nr_chunks), 2049, -EUCLEAN, "number of metadata chunks" },
		{ AT(root_level), 11, -EUCLEAN, "root" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sample(EPOCH);
		*(struct le32 *)(block + cases[i].off) = le32_make(cases[i].val);
		sum_set(block, SUPER_SIZE);
		assert_refused(1, cases[i].err, cases[i].what);
	}
	sample(EPOCH);
	memcpy(super.devices[1].uuid, super.devices[0].uuid, UUID_LEN);
	super_encode(&super, block);
	assert_refused(1, -EUCLEAN, "twice");
}

static void test_noise(void **state)
{
	struct dice dice = dice_seed(1);

	sample(EPOCH);
	memcpy(other, block, SUPER_SIZE);
	for (unsigned int i = 0; i < 20000; i++) {
		memcpy(block, other, SUPER_SIZE);
		for (uint64_t j = dice_below(&dice, 4); j < 4; j++)
			block[8 + dice_below(&dice, 240)] = (uint8_t)dice_roll(&dice);
		sum_set(block, SUPER_SIZE);
		if (super_decode(block, 1, NULL, &got, NULL) || feature_is_newer(&got.features))
			continue;
		memcpy(&super, &got, sizeof(got));
		super_encode(&super, block);
		assert_int_equal(super_decode(block, 1, NULL, &got, NULL), 0);
		assert_same(&super, &got);
	}
}

/* On a device */

struct world {
	struct reactor *reactor;
	struct mem_disk disk;
	struct super_report rep;
	struct why why;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	uint8_t *bytes = calloc(1, DISK_SIZE);

	assert_true(w && bytes);
	assert_int_equal(reactor_open(NULL, &w->reactor), 0);
	mem_disk_init(&w->disk, w->reactor, bytes, DISK_SIZE);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	reactor_close(w->reactor);
	free(w->disk.bytes);
	free(w);
	return 0;
}

FIBER_FN static int do_read(void *arg)
{
	struct world *w = arg;

	return super_read(&w->disk.dev, (const uint8_t *)"volume of tests", &got, &w->rep, &w->why);
}

static uint8_t *put(struct world *w, uint64_t epoch)
{
	uint8_t *place = w->disk.bytes + SUPER_OFFSET(super_slot(epoch));

	sample(epoch);
	memcpy(place, block, SUPER_SIZE);
	return place;
}

static void assert_reads(struct world *w, int err, uint64_t epoch, bool trouble)
{
	assert_int_equal(reactor_run(w->reactor, do_read, w), err);
	if (!err) {
		assert_int_equal(got.epoch, epoch);
		assert_int_equal(w->rep.chosen, epoch % 2);
		assert_int_equal(w->rep.trouble.text[0] != '\0', trouble);
	}
}

static void test_choose(void **state)
{
	struct world *w = *state;
	uint8_t *newer;

	assert_reads(w, -EMEDIUMTYPE, 0, false);
	put(w, 1);
	assert_reads(w, 0, 1, false); /* the other was never written */
	put(w, 2);
	assert_reads(w, 0, 2, false);
	put(w, 3);
	assert_reads(w, 0, 3, false);
	newer = put(w, 4);
	newer[20000] ^= 1;
	assert_reads(w, 0, 3, true);
	assert_int_equal(w->rep.slot_err[0], -EBADMSG);
	assert_non_null(strstr(w->rep.trouble.text, "checkpoint 3"));
	/* Torn: the head is old. */
	memset(newer, 0, 512);
	assert_reads(w, 0, 3, true);
	w->disk.bytes[SUPER_OFFSET(1) + 100] ^= 1;
	assert_reads(w, -EBADMSG, 0, true);
	assert_non_null(strstr(w->why.text, "slot 1"));
}

/* Reads of slot 0 fail. */
static const struct blkdev_ops *real_ops;
static void (*real_done)(struct blk_req *req);

static void fail_done(struct blk_req *req)
{
	req->result = -EIO;
	real_done(req);
}

static void fail_submit(struct blkdev *dev, struct blk_req *req)
{
	if (req->off == SUPER_OFFSET(0)) {
		real_done = req->done;
		req->done = fail_done;
	}
	real_ops->submit(dev, req);
}

static void test_unreadable(void **state)
{
	struct world *w = *state;
	struct blkdev_ops ops;

	real_ops = w->disk.dev.ops;
	ops = *real_ops;
	ops.submit = fail_submit;
	w->disk.dev.ops = &ops;
	put(w, 4);
	assert_reads(w, -EIO, 0, false);
	assert_non_null(strstr(w->why.text, "cannot be read"));
	put(w, 3);
	put(w, 4);
	assert_reads(w, 0, 3, true);
	w->disk.dev.ops = real_ops;
}

/* What we don't understand may be the newer one. */
static void test_newer_version(void **state)
{
	struct world *w = *state;
	struct disk_super *d;

	put(w, 3);
	d = (void *)put(w, 4);
	d->version = le32_make(2);
	sum_set(d, SUPER_SIZE);
	assert_reads(w, -EPROTONOSUPPORT, 0, false);
	assert_non_null(strstr(w->why.text, "version 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_impossible),
		cmocka_unit_test(test_impossible_too),
		cmocka_unit_test(test_noise),
		cmocka_unit_test_setup_teardown(test_choose, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newer_version, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
