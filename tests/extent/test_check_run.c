/* SPDX-License-Identifier: Apache-2.0 */
/* A volume with something of everything is clean; and every kind of contradiction, planted in it, is found. */
#include "extent/check_run.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "extent/fs_int.h"
#include "extent/map.h"
#include "extent/name.h"
#include "extent/orphan.h"
#include "extent/symlink.h"
#include "extent/xattr.h"
#include "tests/lib/check.h"
#include "tests/lib/store.h"

#define LIMBO_TAG 7

/* What grows, by names and numbers: 2 dir "d", 3 file "d/a", 4 file "b", 5 link "l", 6 gone, 7 dir "d/e". */
enum {
	DIR_D = 2,
	FILE_A,
	FILE_B,
	LINK_L,
	GONE,
	DIR_E,
	NEVER_MADE
};

static int make(struct txn *txn, uint64_t dir, const char *name, uint32_t mode, uint64_t want)
{
	struct name_at at = { dir, name, strlen(name) };
	struct name_create how = { .mode = mode,
				   .target = S_ISLNK(mode) ? "somewhere" : NULL,
				   .target_len = S_ISLNK(mode) ? 9 : 0 };
	struct name_result res;
	int err = name_create(txn, &at, &how, &res);

	if (!err)
		CHECK_EQ(res.inode.ino, want);
	return err;
}

static int names_body(struct txn *txn, void *arg)
{
	struct name_at at = { INO_ROOT, "g", 1 };
	struct name_result res;
	struct inode inode;
	int err = make(txn, INO_ROOT, "d", S_IFDIR | 0755, DIR_D);

	if (!err)
		err = make(txn, DIR_D, "a", S_IFREG | 0644, FILE_A);
	if (!err)
		err = make(txn, INO_ROOT, "b", S_IFREG | 0644, FILE_B);
	if (!err)
		err = make(txn, INO_ROOT, "l", S_IFLNK | 0777, LINK_L);
	if (!err)
		err = make(txn, INO_ROOT, "g", S_IFREG | 0644, GONE);
	if (!err)
		err = make(txn, DIR_D, "e", S_IFDIR | 0755, DIR_E);
	if (!err)
		err = name_unlink(txn, &at, &res);
	if (!err)
		err = xattr_set(txn, FILE_A, "user.x", 6, "value", 5, XATTR_EITHER, &inode);
	return err;
}

/* @ino: 16 blocks, the first 12 written. */
static int fill(struct txn *txn, uint64_t ino)
{
	const struct map_want want = { .align = 0 };
	struct inode inode;
	uint64_t stop;
	int err = inode_get(txn, ino, &inode);

	if (!err)
		err = map_alloc(txn, &inode, 0, 16, &want, 9, &stop);
	if (!err)
		err = map_convert(txn, &inode, 0, 12, LIMBO_NONE, 9, &stop);
	inode.size = 16 * DADDR_BLOCK_SIZE;
	return err ? err : inode_put(txn, &inode);
}

static int maps_body(struct txn *txn, void *arg)
{
	const struct map_want want = { .align = 0 };
	struct inode b;
	uint64_t stop;
	int err = fill(txn, FILE_A);

	if (!err)
		err = fill(txn, FILE_B);
	if (!err)
		err = inode_get(txn, FILE_B, &b);
	if (!err) /* b: 4 of its own, 8 of a's, 4 unwritten; what was there goes to limbo */
		err = map_clone(txn, FILE_A, 0, &b, 4, 8, LIMBO_TAG, 9, &stop);
	if (!err)
		err = map_alloc(txn, &b, 4, 2, &want, 9, &stop);
	return err ? err : inode_put(txn, &b);
}

/* Planting */

static struct key file_key(uint64_t ino, uint8_t type, uint64_t off)
{
	return key_make(ZONE_FILE, ino, type, off);
}

/* Change byte @at of the first item at or behind @from. */
static int poke(struct txn *txn, struct key from, size_t at, uint8_t by)
{
	uint8_t val[ITEM_VALUE_MAX];
	struct item it;
	int err = txn_next(txn, from, KEY_MAX, &it);

	if (err)
		return err;
	CHECK(key_zone(it.key) == key_zone(from) && key_type(it.key) == key_type(from) && at < it.len);
	memcpy(val, it.val, it.len);
	val[at] = (uint8_t)(val[at] + by);
	return txn_put(txn, it.key, val, it.len);
}

static int drop(struct txn *txn, struct key from)
{
	struct item it;
	int err = txn_next(txn, from, KEY_MAX, &it);

	if (err)
		return err;
	CHECK(key_zone(it.key) == key_zone(from) && key_type(it.key) == key_type(from));
	return txn_delete(txn, it.key);
}

static int move(struct txn *txn, struct key from, struct key to)
{
	uint8_t val[ITEM_VALUE_MAX];
	size_t len;
	struct item it;
	int err = txn_next(txn, from, KEY_MAX, &it);

	if (err)
		return err;
	len = it.len;
	memcpy(val, it.val, len);
	err = txn_delete(txn, it.key);
	return err ? err : txn_put(txn, to, val, len);
}

#define AT(type, field) offsetof(struct type, field)

static int plant_lost(struct txn *txn, void *arg)
{
	uint64_t daddr, len;
	struct alloc_want want = { .len = 5, .goal = ALLOC_ANY, .dev = ALLOC_DEV_ANY };

	return alloc_take(txn, &want, &daddr, &len);
}

static int plant_twice(struct txn *txn, void *arg)
{
	return poke(txn, file_key(FILE_A, ITEM_EXTENT, 0), AT(disk_extent, daddr), 200);
}

static int plant_limbo_twice(struct txn *txn, void *arg)
{
	return move(txn, key_make(ZONE_LIMBO, LIMBO_TAG, ITEM_LIMBO, 0), key_make(ZONE_LIMBO, 9, ITEM_LIMBO, 4000));
}

static int plant_count(struct txn *txn, void *arg)
{
	return poke(txn, key_make(ZONE_SHARED, 0, ITEM_SHARED, 0), AT(disk_shared, refs), 1);
}

static int plant_no_count(struct txn *txn, void *arg)
{
	return drop(txn, key_make(ZONE_SHARED, 0, ITEM_SHARED, 0));
}

static int plant_plain(struct txn *txn, void *arg)
{
	return poke(txn, file_key(FILE_B, ITEM_EXTENT, 4), AT(disk_extent, flags), 255);
}

static int plant_off_device(struct txn *txn, void *arg)
{
	return poke(txn, file_key(FILE_A, ITEM_EXTENT, 0), AT(disk_extent, daddr) + 3, 1);
}

static int plant_no_size(struct txn *txn, void *arg)
{
	return drop(txn, key_make(ZONE_FREE, 8, ITEM_FREE_SIZE, 0));
}

static int plant_false_size(struct txn *txn, void *arg)
{
	return txn_put(txn, key_make(ZONE_FREE, 3, ITEM_FREE_SIZE, 999), NULL, 0);
}

static int plant_wrong_class(struct txn *txn, void *arg)
{
	struct item it;
	int err = txn_next(txn, key_make(ZONE_FREE, 8, ITEM_FREE_SIZE, 0), KEY_MAX, &it);

	return err ? err : txn_put(txn, key_make(ZONE_FREE, 2, ITEM_FREE_SIZE, key_off(it.key)), NULL, 0);
}

static int plant_blocks(struct txn *txn, void *arg)
{
	return poke(txn, file_key(FILE_A, ITEM_INODE, 0), AT(disk_inode, blocks), 1);
}

static int plant_behind(struct txn *txn, void *arg)
{
	return poke(txn, file_key(FILE_A, ITEM_INODE, 0), AT(disk_inode, size) + 2, 255);
}

static int plant_overlap(struct txn *txn, void *arg)
{
	return poke(txn, file_key(FILE_A, ITEM_EXTENT, 0), AT(disk_extent, len), 1);
}

static int plant_cow(struct txn *txn, void *arg)
{
	return move(txn, file_key(FILE_B, ITEM_COW, 4), file_key(FILE_B, ITEM_COW, 3));
}

static int plant_nlink(struct txn *txn, void *arg)
{
	return poke(txn, file_key(FILE_A, ITEM_INODE, 0), AT(disk_inode, nlink), 1);
}

static int plant_dir_nlink(struct txn *txn, void *arg)
{
	return poke(txn, file_key(DIR_D, ITEM_INODE, 0), AT(disk_inode, nlink), 1);
}

static int plant_dir_size(struct txn *txn, void *arg)
{
	return poke(txn, file_key(DIR_D, ITEM_INODE, 0), AT(disk_inode, size), 1);
}

static int plant_parent(struct txn *txn, void *arg)
{
	return poke(txn, file_key(DIR_E, ITEM_INODE, 0), AT(disk_inode, parent), 1);
}

static int plant_dangling(struct txn *txn, void *arg)
{
	return drop(txn, file_key(DIR_E, ITEM_INODE, 0));
}

static int plant_never_made(struct txn *txn, void *arg)
{
	return poke(txn, file_key(DIR_D, ITEM_DIRENT, 0), AT(disk_dirent, ino), 100);
}

static int plant_type(struct txn *txn, void *arg)
{
	return poke(txn, file_key(DIR_D, ITEM_DIRENT, 0), AT(disk_dirent, type), DT_FIFO - DT_REG);
}

static int plant_hash(struct txn *txn, void *arg)
{
	return poke(txn, file_key(DIR_D, ITEM_DIRENT, 0), sizeof(struct disk_dirent), 1);
}

static int plant_no_orphan(struct txn *txn, void *arg)
{
	return drop(txn, key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, 0));
}

static int plant_false_orphan(struct txn *txn, void *arg)
{
	return txn_put(txn, key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, FILE_A), NULL, 0);
}

static int plant_lost_orphan(struct txn *txn, void *arg)
{
	return txn_put(txn, key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, txn_new_ino(txn)), NULL, 0);
}

static int plant_far_orphan(struct txn *txn, void *arg)
{
	return txn_put(txn, key_make(ZONE_ORPHAN, 0, ITEM_ORPHAN, 1000), NULL, 0);
}

static int plant_xattrs(struct txn *txn, void *arg)
{
	return drop(txn, file_key(FILE_A, ITEM_XATTR, 0));
}

static int plant_target(struct txn *txn, void *arg)
{
	return drop(txn, file_key(LINK_L, ITEM_SYMLINK, 0));
}

static int plant_bodiless(struct txn *txn, void *arg)
{
	return move(txn, file_key(FILE_A, ITEM_XATTR, 0), file_key(NEVER_MADE, ITEM_XATTR, 1 << 16));
}

/* "e" goes from "d" into itself. */
static int plant_loop(struct txn *txn, void *arg)
{
	struct dir_entry entry;
	struct inode d, e;
	int err = dir_lookup(txn, DIR_D, "e", 1, &entry);

	if (!err)
		err = dir_remove(txn, DIR_D, &entry);
	if (!err)
		err = dir_insert(txn, DIR_E, "e", 1, DIR_E, DT_DIR);
	if (!err)
		err = inode_get(txn, DIR_D, &d);
	if (!err)
		err = inode_get(txn, DIR_E, &e);
	if (err)
		return err;
	d.size--;
	d.nlink--;
	e.size++;
	e.nlink++;
	e.parent = DIR_E;
	err = inode_put(txn, &d);
	return err ? err : inode_put(txn, &e);
}

static int plant_chunk(struct txn *txn, void *arg)
{
	return poke(txn, key_make(ZONE_VOLUME, 0, ITEM_CHUNK, 0), 0, 0x40);
}

static int plant_chunk_more(struct txn *txn, void *arg)
{
	struct disk_chunk_item item = { .daddr = le64_make(0x1000) };

	return txn_put(txn, key_make(ZONE_VOLUME, 0, ITEM_CHUNK, 5), &item, sizeof(item));
}

static void spoil_used(struct fs *fs)
{
	struct chunk *c = fs->chunks.chunk[0];

	c->used[(c->nr_blocks - 1) / 64] |= 1ULL << (c->nr_blocks - 1) % 64;
}

static void spoil_unused(struct fs *fs)
{
	struct chunk *c = fs->chunks.chunk[0];
	uint64_t at = (fs->root.daddr - c->daddr - CHUNK_HEADER_DADDRS) / BLOCK_DADDRS;

	c->used[at / 64] &= ~(1ULL << at % 64);
}

static void spoil_counts(struct fs *fs)
{
	fs->counts.free_blocks++;
}

static void spoil_root(struct fs *fs)
{
	fs->root.daddr += 1;
}

static const struct planted {
	int (*body)(struct txn *txn, void *arg);
	void (*spoil)(struct fs *fs); /* or this */
	const char *finding;	      /* part of a sentence that must come */
} planted[] = {
	{ plant_lost, NULL, "are lost" },
	{ plant_twice, NULL, "more than one use" },
	{ plant_limbo_twice, NULL, "more than one use" },
	{ plant_count, NULL, "owners, but their count says 3" },
	{ plant_no_count, NULL, "2 owners, but their count says 1" },
	{ plant_plain, NULL, "does not know" },
	{ plant_off_device, NULL, "not inside a device" },
	{ plant_no_size, NULL, "missing in the index by size" },
	{ plant_false_size, NULL, "where none do" },
	{ plant_wrong_class, NULL, "by address, but" },
	{ plant_blocks, NULL, "says 17 blocks, but has 16" },
	{ plant_behind, NULL, "written blocks behind its end" },
	{ plant_overlap, NULL, "overlapping extents" },
	{ plant_cow, NULL, "has nothing shared" },
	{ plant_nlink, NULL, "says 2 links, but has 1" },
	{ plant_dir_nlink, NULL, "says 4 links, but has 3" },
	{ plant_dir_size, NULL, "says 3 entries, but has 2" },
	{ plant_parent, NULL, "lies in 2, but says 3" },
	{ plant_dangling, NULL, "names inode 7, which does not exist" },
	{ plant_never_made, NULL, "which was never made" },
	{ plant_type, NULL, "another type" },
	{ plant_hash, NULL, "not where a search looks" },
	{ plant_no_orphan, NULL, "is not listed" },
	{ plant_false_orphan, NULL, "does not wait" },
	{ plant_lost_orphan, NULL, "listed to be freed, but does not exist" },
	{ plant_far_orphan, NULL, "inode 1000 is listed" },
	{ plant_xattrs, NULL, "says 1 extended attributes, but has 0" },
	{ plant_target, NULL, "bytes of target" },
	{ plant_bodiless, NULL, "but not the inode itself" },
	{ plant_loop, NULL, "below itself" },
	{ plant_chunk, NULL, "elsewhere than the superblock" },
	{ plant_chunk_more, NULL, "metadata chunks, the tree" },
	{ NULL, spoil_used, "marked used" },
	{ NULL, spoil_unused, "free in its bitmap" },
	{ NULL, spoil_counts, "free blocks, but there are" },
	{ NULL, spoil_root, "not in a metadata chunk" },
};

struct hearing {
	const char *finding; /* NULL: print all */
	bool heard;
	uint64_t done, total;
};

static void hear(void *arg, enum check_severity severity, const char *sentence)
{
	struct hearing *h = arg;

	if (!h->finding)
		fprintf(stderr, "found: %s\n", sentence);
	else if (strstr(sentence, h->finding))
		h->heard = true;
}

static void progress(void *arg, uint64_t done, uint64_t total)
{
	struct hearing *h = arg;

	CHECK(done >= h->done && done <= total);
	h->done = done;
	h->total = total;
}

FIBER_FN static struct check_result run_check(struct store *s, struct hearing *h, uint64_t memory)
{
	struct check_options opt = { .memory = memory, .report = hear, .progress = progress, .arg = h };
	struct check_result res;

	h->done = 0;
	CHECK_EQ(check_run(s->fs, &opt, &res), 0);
	return res;
}

FIBER_FN static void build(struct store *s)
{
	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	CHECK_EQ(txn_run(s->fs, NULL, names_body, NULL, NULL), 0);
	CHECK_EQ(txn_run(s->fs, NULL, maps_body, NULL, NULL), 0);
}

FIBER_FN static void expect_clean(struct store *s, uint64_t memory, uint64_t warnings)
{
	struct hearing h = { .finding = NULL };
	struct check_result res = run_check(s, &h, memory);
	struct fs_stats stats;

	fs_stats(s->fs, &stats);
	CHECK_EQ(res.errors, 0);
	CHECK_EQ(res.warnings, warnings);
	CHECK_EQ(res.inodes, stats.inodes);
	CHECK_EQ(res.free_blocks + res.limbo_blocks + res.data_blocks + res.reserved_blocks + res.metadata_blocks,
		 stats.total_blocks);
	CHECK_EQ(res.shared_blocks, 8);
	CHECK_EQ(res.limbo_blocks, 8);
	CHECK_EQ(res.reserved_blocks, 2);
	CHECK_EQ(h.total, h.done);
}

FIBER_FN static void clean(struct store *s, void *arg)
{
	build(s);
	expect_clean(s, 0, 0);
	expect_clean(s, 1, s->fs->next_ino > 16);
	store_unmount(s);
	s->cfg.mount.read_only = true;
	CHECK_EQ(store_mount(s), 0);
	expect_clean(s, 0, 0);
	store_unmount(s);
}

FIBER_FN static void plant_one(struct store *s, void *arg)
{
	const struct planted *p = arg;
	struct hearing h = { .finding = p->finding };
	struct check_result res;

	build(s);
	if (p->body)
		CHECK_EQ(txn_run(s->fs, NULL, p->body, NULL, NULL), 0);
	else
		p->spoil(s->fs);
	btree_forget_fingers(s->fs); /* what was spoiled is to be seen */
	if (p->spoil == spoil_root) {
		struct check_options opt = { .report = hear, .arg = &h };

		CHECK(check_run(s->fs, &opt, &res) != 0);
	} else {
		res = run_check(s, &h, 0);
	}
	if (!h.heard) {
		fprintf(stderr, "not found: %s; instead:\n", p->finding);
		h.finding = NULL;
		run_check(s, &h, 0);
	}
	CHECK(h.heard && res.errors > 0);
	fs_abandon(s->fs);
	s->fs = NULL;
}

static void with_store(unsigned int nr_disks, void (*fn)(struct store *s, void *arg), void *arg)
{
	struct store_config cfg = { .seed = 1, .nr_disks = nr_disks, .disk_size = 16u << 20 };
	struct store s;

	store_init(&s, &cfg);
	store_run(&s, fn, arg);
	store_release(&s);
}

static void test_clean(void **state)
{
	with_store(1, clean, NULL);
	with_store(3, clean, NULL);
}

static void test_planted(void **state)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(planted); i++)
		with_store(1, plant_one, (void *)(uintptr_t)&planted[i]);
}

/* More inodes than one window of the smallest memory holds. */
static int many_body(struct txn *txn, void *arg)
{
	char name[16];
	int err = 0;

	for (unsigned int i = 0; i < 60 && !err; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		err = make(txn, INO_ROOT, name, S_IFREG | 0600, NEVER_MADE + i);
	}
	return err;
}

FIBER_FN static void many(struct store *s, void *arg)
{
	build(s);
	CHECK_EQ(txn_run(s->fs, NULL, many_body, NULL, NULL), 0);
	expect_clean(s, 1, 1);
	expect_clean(s, 0, 0);
	store_unmount(s);
}

static void test_windows(void **state)
{
	with_store(2, many, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_planted),
		cmocka_unit_test(test_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
