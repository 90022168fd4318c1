/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes with damage of every kind are mounted and used: whatever lies on the disk may give errors, but never a
 * crash, an assert or a hang (I13).  Checksums are mostly made right again after the damage, so that it gets past
 * them: first into the form of blocks and items, then, where the form still holds, into what they mean (maps that
 * overlap, names of inodes that are not there, free space that is not free).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/check_run.h"
#include "extent/map.h"
#include "extent/name.h"
#include "extent/node.h"
#include "extent/orphan.h"
#include "extent/sum.h"
#include "extent/symlink.h"
#include "extent/xattr.h"
#include "tests/lib/dice.h"
#include "tests/lib/store.h"

#define DISK_SIZE  (16ull << 20)
#define VOLUMES	   4000
#define OPS_MAKE   6000 /* operations that make the volume */
#define OPS_USE	   200	/* operations on each damaged one */
#define NAMES	   40
#define INODES	   200 /* numbers that operations try */
#define PLACES_MAX 4096
#define STEPS	   8 /* of maps, in one operation */

/* What a place of the image holds. */
struct place {
	uint64_t off;
	size_t len; /* under the checksum at its start */
	bool is_block;
};

struct damage {
	struct dice dice;
	struct place places[PLACES_MAX];
	unsigned int nr_places;
	uint64_t mounts, failures, errors;
};

/* One random operation in one body */

struct op {
	uint64_t seed;
};

static uint64_t some_ino(struct dice *d)
{
	return 1 + dice_below(d, dice_below(d, 2) ? INODES : 8);
}

static struct name_at some_name(struct dice *d, char buf[16])
{
	size_t len = (size_t)snprintf(buf, 16, "n%u", (unsigned int)dice_below(d, NAMES));

	return (struct name_at){ .dir = dice_below(d, 2) ? INO_ROOT : some_ino(d), .name = buf, .len = len };
}

static int op_names(struct txn *txn, struct dice *d)
{
	static const uint32_t types[] = { S_IFREG, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFBLK };
	char a[16], b[16];
	struct name_at at = some_name(d, a), to = some_name(d, b);
	struct name_create how = { .mode = types[dice_below(d, ARRAY_SIZE(types))] | 0644 };
	struct name_rename_result renamed;
	struct name_result res;

	if (S_ISLNK(how.mode)) {
		how.target = "some/where/else";
		how.target_len = strlen(how.target);
	}
	switch (dice_below(d, 8)) {
	case 0:
	case 1:
	case 2:
		return name_create(txn, &at, &how, &res);
	case 3:
		return name_link(txn, some_ino(d), &at, &res);
	case 4:
		return name_unlink(txn, &at, &res);
	case 5:
		return name_rename(txn, &at, &to, 0, &renamed);
	case 6:
		return name_rename(txn, &at, &to, NAME_EXCHANGE, &renamed);
	default:
		return name_lookup(txn, &at, &res);
	}
}

static int op_lists(struct txn *txn, struct dice *d)
{
	uint64_t ino = some_ino(d), at = 0;
	char target[4096];
	size_t len = sizeof(target);
	int err = 0;

	for (unsigned int i = 0; i < 64 && !err; i++) {
		struct dir_entry entry;

		err = dir_next(txn, ino, at, &entry);
		at = entry.cookie;
	}
	if (err && err != -ENOENT)
		return err;
	err = 0;
	at = 0;
	for (unsigned int i = 0; i < 64 && !err; i++) {
		struct xattr_entry entry;

		err = xattr_next(txn, ino, at, &entry);
		at = entry.cookie;
	}
	if (err && err != -ENOENT)
		return err;
	return symlink_get(txn, ino, target, &len);
}

static int op_xattr(struct txn *txn, struct dice *d)
{
	static const char value[9000];
	uint64_t ino = some_ino(d);
	char buf[9000], name[16];
	size_t len = (size_t)snprintf(name, sizeof(name), "user.%u", (unsigned int)dice_below(d, 4));
	struct inode inode;

	switch (dice_below(d, 3)) {
	case 0:
		return xattr_set(txn, ino, name, len, value, dice_below(d, sizeof(value)), XATTR_EITHER, &inode);
	case 1:
		return xattr_remove(txn, ino, name, len, &inode);
	default:
		return xattr_get(txn, ino, name, len, buf, sizeof(buf), &len);
	}
}

/* One change of the map of @inode, which the caller has read and puts. */
static int op_map_change(struct txn *txn, struct dice *d, struct inode *inode)
{
	static const struct map_want want;
	uint64_t blk = dice_below(d, 64), nr = 1 + dice_below(d, 64), tag = dice_below(d, 3) ? LIMBO_NONE : 7, stop;

	switch (dice_below(d, 7)) {
	case 0:
	case 1:
		return map_alloc(txn, inode, blk, nr, &want, STEPS, &stop);
	case 2:
		return map_convert(txn, inode, blk, nr, tag, STEPS, &stop);
	case 3:
		return map_punch(txn, inode, blk, nr, tag, STEPS, &stop);
	case 4:
		return map_clone(txn, some_ino(d), dice_below(d, 64), inode, blk + 64, nr, tag, STEPS, &stop);
	case 5:
		return map_unreserve(txn, inode, blk, nr, tag, STEPS, &stop);
	default:
		return map_cow_cancel(txn, inode, blk, nr, tag, STEPS, &stop);
	}
}

static int op_map(struct txn *txn, struct dice *d)
{
	struct map_extent extents[STEPS];
	struct inode inode;
	unsigned int nr;
	int err = inode_get(txn, some_ino(d), &inode);

	if (!err && !S_ISREG(inode.mode))
		return -EISDIR;
	if (!err)
		err = inode_may_map(&inode, 0);
	if (!err)
		err = op_map_change(txn, d, &inode);
	if (!err)
		err = inode_put(txn, &inode);
	if (!err)
		err = map_read(txn, inode.ino, MAP_DATA, 0, 200, STEPS, extents, &nr);
	return err ? err : map_read(txn, inode.ino, MAP_COW, 0, 200, STEPS, extents, &nr);
}

static int op_end(struct txn *txn, struct dice *d)
{
	struct inode_attrs attrs = { .mask = INODE_SET_SIZE, .size = dice_below(d, 1 << 20) };
	uint64_t ino = some_ino(d), tag = dice_below(d, 3) ? LIMBO_NONE : 7;
	struct inode inode;
	bool more;

	switch (dice_below(d, 5)) {
	case 0:
		return inode_setattr(txn, ino, &attrs, &inode);
	case 1:
		return inode_trim_step(txn, ino, tag, STEPS, &more);
	case 2:
		return limbo_release(txn, 7, STEPS, &more);
	default:
		/* A server reaps only what nobody uses; here everything with a place on the list. */
		for (uint64_t at = 0;;) {
			int err = orphan_next(txn, at, &at);

			if (err)
				return err;
			if (at >= ino)
				return orphan_reap_step(txn, at, tag, STEPS, &more);
		}
	}
}

static int op_body(struct txn *txn, void *arg)
{
	struct dice d = { ((const struct op *)arg)->seed };

	switch (dice_below(&d, 8)) {
	case 0:
	case 1:
		return op_names(txn, &d);
	case 2:
		return op_lists(txn, &d);
	case 3:
		return op_xattr(txn, &d);
	case 4:
		return op_end(txn, &d);
	default:
		return op_map(txn, &d);
	}
}

FIBER_FN static void use(struct store *s, struct dice *dice, unsigned int nr)
{
	static const struct txn_options opt = { .name = "use", .log_max = 100000 };

	for (unsigned int i = 0; i < nr; i++) {
		struct op op = { dice_roll(dice) };
		uint64_t seq;
		int err = txn_run(s->fs, &opt, op_body, &op, &seq);

		/* Whatever either says is right, as long as it says something. */
		if (!err && dice_below(dice, 8) == 0 && txn_wait_durable(s->fs, seq))
			return;
	}
}

/* A volume with something of everything, some of it in the journal only. */
FIBER_FN static void do_make(struct store *s, void *arg)
{
	struct damage *dmg = arg;
	int err;

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	use(s, &dmg->dice, OPS_MAKE);
	err = fs_checkpoint(s->fs);
	assert_int_equal(err, 0);
	use(s, &dmg->dice, OPS_MAKE / 4);
	assert_null(fs_error(s->fs));
	store_power_cut(s, 1);
}

static void find_places(const struct store *s, struct damage *dmg)
{
	static uint8_t buf[SUPER_SIZE];

	for (uint64_t off = 0; off < DISK_SIZE && dmg->nr_places < PLACES_MAX; off += DADDR_BLOCK_SIZE) {
		const struct disk_label *label = (const void *)buf;
		const struct disk_super *super = (const void *)buf;
		const struct disk_block *block = (const void *)buf;
		const struct disk_record *record = (const void *)buf;
		struct place p = { .off = off };

		assert_int_equal(sim_disk_peek(s->disks[0], off, buf, DADDR_BLOCK_SIZE), 0);
		if (le64_get(label->magic) == LABEL_MAGIC)
			p.len = LABEL_SIZE;
		else if (le64_get(super->magic) == SUPER_MAGIC)
			p.len = SUPER_SIZE;
		else if (le32_get(record->magic) == RECORD_MAGIC && le32_get(record->size) <= 65536)
			p.len = le32_get(record->size);
		else if (le32_get(block->magic) == BITMAP_MAGIC)
			p.len = CHUNK_BITMAP_SIZE;
		else if (le32_get(block->magic) == BLOCK_MAGIC && le64_get(block->daddr) == off >> DADDR_BLOCK_SHIFT)
			p = (struct place){ .off = off, .len = BLOCK_SIZE, .is_block = true };
		if (p.len > 0 && off + p.len <= DISK_SIZE)
			dmg->places[dmg->nr_places++] = p;
	}
	assert_true(dmg->nr_places > 20);
}

/* Tree blocks most of the time: there is more to get wrong. */
static const struct place *some_place(struct damage *dmg)
{
	for (unsigned int tries = 0; tries < 1000; tries++) {
		const struct place *p = &dmg->places[dice_below(&dmg->dice, dmg->nr_places)];

		if (p->is_block || dice_below(&dmg->dice, 16) == 0)
			return p;
	}
	return &dmg->places[0];
}

/* Change one byte of some item's key or value in leaf @block: the form mostly survives. */
static void damage_item(struct dice *d, uint8_t *block)
{
	unsigned int i = (unsigned int)dice_below(d, node_nr(block));
	struct disk_leaf_slot slot;
	size_t at = sizeof(struct disk_block) + i * sizeof(slot);

	memcpy(&slot, block + at, sizeof(slot));
	if (le16_get(slot.val_len) == 0 || dice_below(d, 4) == 0)
		block[at + dice_below(d, 16)] ^= (uint8_t)(1u << dice_below(d, 8));
	else if (le16_get(slot.val_off) + le16_get(slot.val_len) <= BLOCK_SIZE)
		block[le16_get(slot.val_off) + dice_below(d, le16_get(slot.val_len))] ^=
			(uint8_t)(1u << dice_below(d, 8));
}

static void damage_bytes(struct dice *d, uint8_t *buf, size_t len)
{
	static const uint64_t extremes[] = { 0, UINT64_MAX, 1, 0x8000000000000000ULL, 0x7fffffff };
	/* Heads are where numbers lie. */
	size_t at = dice_below(d, 2) ? dice_below(d, min_u64(len, 256) - 8) : dice_below(d, len - 8);

	if (dice_below(d, 2))
		buf[at] ^= (uint8_t)(1u << dice_below(d, 8));
	else
		memcpy(buf + at, &extremes[dice_below(d, ARRAY_SIZE(extremes))], 1 + dice_below(d, 8));
}

static void damage_place(struct store *s, struct dice *d, const struct place *p)
{
	static uint8_t buf[65536];

	assert_int_equal(sim_disk_peek(s->disks[0], p->off, buf, p->len), 0);
	for (uint64_t n = 1 + dice_below(d, 3); n > 0; n--) {
		if (p->is_block && node_level(buf) == 0 && node_nr(buf) > 0 &&
		    node_nr(buf) <= LEAF_CAPACITY / sizeof(struct disk_leaf_slot) && dice_below(d, 8))
			damage_item(d, buf);
		else
			damage_bytes(d, buf, p->len);
	}
	if (dice_below(d, 8))
		sum_set(buf, p->len);
	sim_disk_poke(s->disks[0], p->off, buf, p->len);
}

static void quiet_report(void *arg, enum check_severity severity, const char *sentence)
{
	struct damage *dmg = arg;

	assert_true(strlen(sentence) > 0);
	dmg->errors += severity == CHECK_ERROR;
}

FIBER_FN static void do_use_damaged(struct store *s, void *arg)
{
	struct damage *dmg = arg;
	const struct check_options opt = { .report = quiet_report, .arg = dmg };
	struct check_result res;
	int failed;

	for (uint64_t n = 1 + dice_below(&dmg->dice, 4); n > 0; n--)
		damage_place(s, &dmg->dice, some_place(dmg));
	s->cfg.mount.read_only = dice_below(&dmg->dice, 8) == 0;
	s->cfg.mount.forget_damage = dice_below(&dmg->dice, 2) == 0;
	s->why.text[0] = '\0';
	if (store_mount(s)) {
		assert_true(strlen(s->why.text) > 0);
		dmg->failures++;
		return;
	}
	dmg->mounts++;
	if (dice_below(&dmg->dice, 2) && check_run(s->fs, &opt, &res))
		dmg->failures++;
	use(s, &dmg->dice, OPS_USE);
	failed = check_run(s->fs, &opt, &res);
	if (fs_unmount(s->fs) || failed)
		dmg->failures++;
	s->fs = NULL;
}

static void drop_message(void *owner, enum log_level level, const char *msg)
{
}

static void test_damaged_volumes(void **state)
{
	static struct damage dmg;
	const struct store_config cfg = { .seed = 1, .disk_size = DISK_SIZE };
	struct store made;

	dmg.dice = dice_seed(20261121);
	store_init(&made, &cfg);
	store_run(&made, do_make, &dmg);
	find_places(&made, &dmg);
	log_set_sink(drop_message, NULL);
	for (unsigned int i = 0; i < VOLUMES; i++) {
		struct sim_disk_config disk = { .size = DISK_SIZE, .seed = i };
		struct store s;

		store_init(&s, &cfg);
		blkdev_close(s.devs[0]);
		sim_disk_free(s.disks[0]);
		s.disks[0] = sim_disk_new_from(&disk, sim_disk_contents(made.disks[0]));
		s.devs[0] = sim_disk_open(s.disks[0], s.r);
		store_run(&s, do_use_damaged, &dmg);
		store_release(&s);
	}
	log_set_sink(NULL, NULL);
	store_release(&made);
	print_message("%u damaged volumes: %llu mounted, %llu refused or failed, %llu findings\n", VOLUMES,
		      (unsigned long long)dmg.mounts, (unsigned long long)dmg.failures,
		      (unsigned long long)dmg.errors);
	/* Both happen, or the damage is not what it should be. */
	assert_true(dmg.mounts > VOLUMES / 10);
	assert_true(dmg.failures > VOLUMES / 10);
	assert_true(dmg.errors > VOLUMES / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_volumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
