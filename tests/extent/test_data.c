/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File contents through the server, one behaviour a test: what reads find after writes, cuts, growth, holes and
 * clones, what errors and a full volume leave, and that the tail of a block never shows what was not written there.
 */

#include "extent/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/check_run.h"
#include "tests/lib/check.h"
#include "tests/lib/data_file.h"

#define BLK DADDR_BLOCK_SIZE

/* Writes and reads of any bytes */

FIBER_FN static void do_bytes(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f");
	uint8_t buf[3 * BLK];

	data_file_write(&f, 5, "hello", 5, DATA_UNSTABLE);
	CHECK_EQ(data_file_size(&f), 10);
	data_file_write(&f, 2 * BLK - 3, "across", 6, DATA_UNSTABLE);
	CHECK_EQ(data_file_read(&f, 0, buf, sizeof(buf)), 2 * BLK + 3);
	CHECK(data_file_is_zero(buf, 5));
	CHECK(!memcmp(buf + 5, "hello", 5));
	CHECK(data_file_is_zero(buf + 10, 2 * BLK - 3 - 10));
	CHECK(!memcmp(buf + 2 * BLK - 3, "across", 6));
	data_file_write(&f, 6, "EL", 2, DATA_DURABLE);
	CHECK_EQ(data_file_read(&f, 4, buf, 7), 7);
	CHECK(!memcmp(buf, "\0hELlo\0", 7));
	CHECK_EQ(data_file_read(&f, 2 * BLK + 3, buf, 7), 0);
	CHECK_EQ(data_file_read(&f, UINT64_MAX, buf, 7), 0);
}

static void test_any_bytes(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_bytes, NULL);
}

FIBER_FN static void do_refused(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f");
	struct inode inode;
	uint32_t got;
	uint64_t seq;
	bool flag;
	char c = 0;

	CHECK_EQ(data_write(s->fs, f.ino, f.generation, 0, &c, 0, DATA_UNSTABLE, NULL, &inode, &flag, &seq), -EINVAL);
	CHECK_EQ(data_write(s->fs, f.ino, f.generation, INODE_SIZE_MAX, &c, 1, DATA_UNSTABLE, NULL, &inode, &flag,
			    &seq),
		 -EFBIG);
	CHECK_EQ(data_write(s->fs, f.ino, f.generation + 1, 0, &c, 1, DATA_UNSTABLE, NULL, &inode, &flag, &seq),
		 -ESTALE);
	CHECK_EQ(data_write(s->fs, INO_ROOT, data_file_generation(s, INO_ROOT), 0, &c, 1, DATA_UNSTABLE, NULL, &inode,
			    &flag, &seq),
		 -EISDIR);
	CHECK_EQ(data_read(s->fs, f.ino, f.generation + 1, 0, &c, 1, &got, &flag), -ESTALE);
	CHECK_EQ(data_read(s->fs, f.ino, f.generation, 0, &c, DATA_IO_MAX + 1, &got, &flag), -EINVAL);
	CHECK_EQ(data_read(s->fs, INO_ROOT, data_file_generation(s, INO_ROOT), 0, &c, 1, &got, &flag), -EISDIR);
	CHECK_EQ(data_commit(s->fs, f.ino, f.generation + 1), -ESTALE);
	/* The very last bytes that a file can have. */
	data_file_write(&f, INODE_SIZE_MAX - 1, "x", 1, DATA_UNSTABLE);
	CHECK_EQ(data_file_size(&f), INODE_SIZE_MAX);
	CHECK_EQ(data_file_read(&f, INODE_SIZE_MAX - 1, &c, 1), 1);
	CHECK_EQ(c, 'x');
}

static void test_refused(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_refused, NULL);
}

/* The end of file in the middle of a block */

FIBER_FN static void do_tail(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f");
	uint8_t buf[2 * BLK];

	memset(buf, 'a', sizeof(buf));
	data_file_write(&f, 0, buf, 2 * BLK, DATA_DURABLE);
	data_file_truncate(&f, 100);
	data_file_truncate(&f, 2 * BLK); /* grows over what was cut off */
	CHECK_EQ(data_file_read(&f, 0, buf, sizeof(buf)), 2 * BLK);
	CHECK_EQ(buf[99], 'a');
	CHECK(data_file_is_zero(buf + 100, 2 * BLK - 100));

	memset(buf, 'b', sizeof(buf));
	data_file_write(&f, 0, buf, BLK, DATA_DURABLE);
	data_file_truncate(&f, 200);
	data_file_write(&f, 300, "c", 1, DATA_UNSTABLE); /* within the block */
	CHECK_EQ(data_file_read(&f, 0, buf, sizeof(buf)), 301);
	CHECK_EQ(buf[199], 'b');
	CHECK(data_file_is_zero(buf + 200, 100));
	data_file_write(&f, 5 * BLK, "d", 1, DATA_UNSTABLE); /* behind it */
	CHECK_EQ(data_file_read(&f, 0, buf, sizeof(buf)), 2 * BLK);
	CHECK_EQ(buf[300], 'c');
	CHECK(data_file_is_zero(buf + 301, 2 * BLK - 301));
}

static void test_tail_is_zero(void **state)
{
	for (uint64_t seed = 1; seed <= 10; seed++)
		data_file_run(&(struct store_config){ .seed = seed }, do_tail, NULL);
}

/* A write that grows a file within its last block, and is lost, leaves nothing that later growth would show. */
FIBER_FN static void do_tail_lost(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f");
	struct inode inode;
	uint8_t buf[BLK];
	uint64_t seq, size;
	bool durable;
	int err;

	data_file_write(&f, 0, "begin", 5, DATA_DURABLE);
	data_file_sync(&f);
	sim_disk_power_off_at(s->disks[0], 1 + s->cfg.seed % 5, true, SIM_POWER_ERRORS);
	memset(buf, 'x', sizeof(buf));
	err = data_write(s->fs, f.ino, f.generation, 7, buf, 100, DATA_UNSTABLE, NULL, &inode, &durable, &seq);
	if (!err)
		err = txn_wait_durable(s->fs, seq);
	store_power_cut(s, s->cfg.seed);
	CHECK_EQ(store_mount(s), 0);
	size = data_file_size(&f);
	CHECK(size == 107 || size == 5);
	CHECK(err || size == 107);
	data_file_truncate(&f, BLK);
	CHECK_EQ(data_file_read(&f, 0, buf, sizeof(buf)), BLK);
	CHECK(!memcmp(buf, "begin\0\0", 7));
	CHECK(data_file_is_zero(buf + size, BLK - size));
}

static void drop_message(void *arg, enum log_level level, const char *text)
{
}

static void test_lost_growth_leaves_no_tail(void **state)
{
	log_set_sink(drop_message, NULL); /* a volume that loses its disk has much to say */
	for (uint64_t seed = 1; seed <= 100; seed++)
		data_file_run(&(struct store_config){ .seed = seed }, do_tail_lost, NULL);
	log_set_sink(NULL, NULL);
}

/* Who commits together with a write */

struct also_arg {
	int err;
	uint64_t size;
};

static int also_body(struct txn *txn, const struct inode *inode, void *arg)
{
	struct also_arg *a = arg;
	struct inode mine = *inode;

	a->size = inode->size;
	mine.mode &= ~(uint32_t)04000;
	if (a->err)
		return a->err;
	return inode_put(txn, &mine);
}

FIBER_FN static void do_also(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f");
	struct also_arg a = { .err = -EDOM };
	struct data_also also = { .body = also_body, .arg = &a, .log_max = INODE_LOG_PUT };
	struct inode_attrs attrs = { .mask = INODE_SET_MODE, .mode = 04755 };
	struct fs_stats before, after;
	struct inode inode;
	uint64_t seq;
	bool durable;

	CHECK_EQ(data_setattr(s->fs, f.ino, f.generation, &attrs, NULL, &inode, &seq), 0);
	fs_stats(s->fs, &before);
	CHECK_EQ(data_write(s->fs, f.ino, f.generation, 0, "abc", 3, DATA_UNSTABLE, &also, &inode, &durable, &seq),
		 -EDOM);
	fs_stats(s->fs, &after);
	CHECK_EQ(data_file_size(&f), 0);
	CHECK_EQ(after.free_blocks, before.free_blocks);
	a.err = 0;
	CHECK_EQ(data_write(s->fs, f.ino, f.generation, 0, "abc", 3, DATA_UNSTABLE, &also, &inode, &durable, &seq),
		 0);
	CHECK(durable); /* it was a hole */
	CHECK_EQ(a.size, 3);
	CHECK_EQ(inode.mode & 07777, 0755);
	CHECK_EQ(inode.blocks, 1);
	CHECK_EQ(data_write(s->fs, f.ino, f.generation, 0, "ABC", 3, DATA_UNSTABLE, NULL, &inode, &durable, &seq), 0);
	CHECK(!durable);
	CHECK_EQ(data_write(s->fs, f.ino, f.generation, 0, "abc", 3, DATA_DURABLE, NULL, &inode, &durable, &seq), 0);
	CHECK(durable);
}

static void test_also(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_also, NULL);
}

/* A write that fails leaves zeros, never what was on the device. */
FIBER_FN static void do_io_error(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f");
	struct fs_stats before, after;
	struct inode inode;
	uint8_t buf[4 * BLK];
	uint64_t seq;
	bool durable;

	memset(buf, 'x', sizeof(buf));
	data_file_write(&f, 3 * BLK, buf, BLK, DATA_DURABLE);
	data_file_sync(&f);
	CHECK_EQ(fs_checkpoint(s->fs), 0);
	fs_stats(s->fs, &before);
	sim_disk_fault(s->disks[0],
		       &(struct sim_fault){ .ops = SIM_OPS_WRITES, .nth = 1, .times = 1, .error = -EIO });
	CHECK_EQ(data_write(s->fs, f.ino, f.generation, 0, buf, 3 * BLK, DATA_UNSTABLE, NULL, &inode, &durable, &seq),
		 -EIO);
	fs_stats(s->fs, &after);
	CHECK_EQ(after.free_blocks, before.free_blocks);
	CHECK_EQ(data_file_read(&f, 0, buf, sizeof(buf)), 4 * BLK);
	CHECK(data_file_is_zero(buf, 3 * BLK));
	CHECK_EQ(buf[3 * BLK], 'x');
}

static void test_write_error(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_io_error, NULL);
}

/* A full volume */

FIBER_FN static void do_full(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	uint32_t len = 256 * BLK;
	uint8_t *buf = calloc(1, len);
	struct fs_stats before, after;
	struct inode inode, other;
	uint64_t seq, off = 0;
	bool durable;
	int err;

	data_file_write(&g, 0, buf, 100 * BLK, DATA_UNSTABLE);
	do {
		fs_stats(s->fs, &before);
		inode = data_file_inode(&f);
		err = data_write(s->fs, f.ino, f.generation, off, buf, len, DATA_UNSTABLE, NULL, &other, &durable,
				 &seq);
		off += len;
	} while (!err);
	CHECK_EQ(err, -ENOSPC);
	fs_stats(s->fs, &after);
	CHECK_EQ(after.free_blocks, before.free_blocks);
	CHECK_EQ(data_file_inode(&f).blocks, inode.blocks);
	CHECK_EQ(data_file_size(&f), inode.size);
	before = after;
	CHECK_EQ(data_allocate(s->fs, f.ino, f.generation, off, 1ull << 40, NULL, &other, &seq), -ENOSPC);
	fs_stats(s->fs, &after);
	CHECK_EQ(after.free_blocks, before.free_blocks);
	CHECK_EQ(after.txns, before.txns); /* nobody was deprived of anything meanwhile */
	CHECK_EQ(data_file_size(&f), inode.size);
	/* What is there can be overwritten, and what goes away makes room at once. */
	data_file_write(&f, 0, "still", 5, DATA_UNSTABLE);
	data_file_truncate(&g, 0);
	data_file_write(&f, inode.size, buf, 100 * BLK, DATA_UNSTABLE);
	free(buf);
}

static void test_full_volume(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1, .disk_size = 16 << 20 }, do_full, NULL);
}

/* Holes, seeks, allocation, deallocation */

FIBER_FN static uint64_t seek(struct data_file *f, uint64_t off, bool data, bool *eof)
{
	uint64_t at;

	CHECK_EQ(data_seek(f->store->fs, f->ino, f->generation, off, data, &at, eof), 0);
	return at;
}

FIBER_FN static void do_holes(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f");
	struct inode inode;
	uint8_t buf[8 * BLK];
	uint64_t seq;
	bool eof;

	CHECK_EQ(data_seek(s->fs, f.ino, f.generation, 0, true, &seq, &eof), -ENXIO);
	CHECK_EQ(data_allocate(s->fs, f.ino, f.generation, 10, 8 * BLK - 10, NULL, &inode, &seq), 0);
	CHECK_EQ(inode.size, 8 * BLK);
	CHECK_EQ(inode.blocks, 8);
	CHECK_EQ(seek(&f, 5, true, &eof), 8 * BLK); /* unwritten is no data */
	CHECK(eof);
	CHECK_EQ(seek(&f, 5, false, &eof), 5);
	CHECK(!eof);
	memset(buf, 'd', sizeof(buf));
	data_file_write(&f, 2 * BLK, buf, 3 * BLK, DATA_UNSTABLE);
	CHECK_EQ(data_file_inode(&f).blocks, 8);
	CHECK_EQ(seek(&f, 5, true, &eof), 2 * BLK);
	CHECK_EQ(seek(&f, 3 * BLK + 7, true, &eof), 3 * BLK + 7);
	CHECK_EQ(seek(&f, 3 * BLK + 7, false, &eof), 5 * BLK);
	CHECK_EQ(data_deallocate(s->fs, f.ino, f.generation, 3 * BLK - 10, BLK + 20, NULL, &inode, &seq), 0);
	CHECK_EQ(inode.size, 8 * BLK);
	CHECK_EQ(inode.blocks, 7);
	CHECK_EQ(seek(&f, 2 * BLK, false, &eof), 3 * BLK);
	CHECK_EQ(data_file_read(&f, 0, buf, sizeof(buf)), 8 * BLK);
	CHECK(data_file_is_zero(buf, 2 * BLK));
	CHECK_EQ(buf[3 * BLK - 11], 'd');
	CHECK(data_file_is_zero(buf + 3 * BLK - 10, BLK + 20));
	CHECK_EQ(buf[4 * BLK + 10], 'd');
	/* To the end and beyond; inside one block; nothing at all. */
	CHECK_EQ(data_deallocate(s->fs, f.ino, f.generation, 4 * BLK + 11, UINT64_MAX, NULL, &inode, &seq), 0);
	CHECK_EQ(inode.blocks, 4);
	CHECK_EQ(data_deallocate(s->fs, f.ino, f.generation, 2 * BLK + 1, 2, NULL, &inode, &seq), 0);
	CHECK_EQ(data_deallocate(s->fs, f.ino, f.generation, 0, 0, NULL, &inode, &seq), -EINVAL);
	CHECK_EQ(data_file_read(&f, 2 * BLK, buf, 4), 4);
	CHECK(!memcmp(buf, "d\0\0d", 4));
	data_file_write(&f, 8 * BLK, "end", 3, DATA_UNSTABLE);
	CHECK_EQ(seek(&f, 8 * BLK + 2, false, &eof), 8 * BLK + 3);
	CHECK(eof);
}

static void test_holes(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_holes, NULL);
}

/* Clones */

FIBER_FN static int clone(struct data_file *src, uint64_t src_off, struct data_file *dst, uint64_t off, uint64_t len)
{
	struct data_range from = { src->ino, src->generation, src_off }, to = { dst->ino, dst->generation, off };
	struct inode inode;
	uint64_t seq;

	return data_clone(src->store->fs, &from, &to, len, NULL, &inode, &seq);
}

FIBER_FN static void do_clone(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	uint8_t buf[6 * BLK], want[6 * BLK];

	for (unsigned int i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(1 + i % 199);
	memcpy(want, buf, sizeof(buf));
	data_file_write(&f, 0, buf, 4 * BLK + 50, DATA_UNSTABLE);
	CHECK_EQ(clone(&f, 1, &g, 0, BLK), -EINVAL);
	CHECK_EQ(clone(&f, 0, &g, BLK, 5 * BLK), -EINVAL); /* beyond the source */
	CHECK_EQ(clone(&f, 0, &f, 2 * BLK, 3 * BLK - 4046), -EINVAL);
	CHECK_EQ(clone(&f, 0, &g, 0, 0), 0);
	CHECK_EQ(data_file_read(&g, 0, buf, sizeof(buf)), 4 * BLK + 50);
	CHECK(!memcmp(buf, want, 4 * BLK + 50));
	CHECK_EQ(data_file_inode(&g).blocks, 5);
	CHECK_EQ(clone(&f, 4 * BLK, &g, BLK, 50), -EINVAL); /* not at the destination's end */
	/* Each goes its own way. */
	data_file_write(&g, BLK + 7, "g", 1, DATA_UNSTABLE);
	data_file_write(&f, 2 * BLK + 7, "f", 1, DATA_UNSTABLE);
	CHECK_EQ(data_file_read(&f, 0, buf, sizeof(buf)), 4 * BLK + 50);
	CHECK_EQ(buf[BLK + 7], want[BLK + 7]);
	CHECK_EQ(buf[2 * BLK + 7], 'f');
	CHECK_EQ(data_file_read(&g, 0, buf, sizeof(buf)), 4 * BLK + 50);
	CHECK_EQ(buf[BLK + 7], 'g');
	CHECK(!memcmp(buf + 2 * BLK, want + 2 * BLK, 2 * BLK + 50));
	/* Within one file, over its end. */
	CHECK_EQ(clone(&g, 0, &g, 8 * BLK, 2 * BLK), 0);
	CHECK_EQ(data_file_size(&g), 10 * BLK);
	CHECK_EQ(data_file_read(&g, 4 * BLK, buf, 6 * BLK), 6 * BLK);
	CHECK(!memcmp(buf, want + 4 * BLK, 50));
	CHECK(data_file_is_zero(buf + 50, 4 * BLK - 50));
	CHECK(!memcmp(buf + 4 * BLK, want, BLK));
	CHECK_EQ(buf[5 * BLK + 7], 'g');
}

static void test_clone(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_clone, NULL);
}

/* The source's tail may be dirty: what comes with it must not show in the destination. */
FIBER_FN static void do_clone_dirty(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f"), g = data_file_new(s, "g");
	uint8_t buf[2 * BLK];

	memset(buf, 'x', sizeof(buf));
	data_file_write(&f, 0, buf, BLK, DATA_UNSTABLE);
	data_file_truncate(&f, 10);
	CHECK_EQ(clone(&f, 0, &g, 0, 0), 0);
	data_file_truncate(&g, BLK);
	CHECK_EQ(data_file_read(&g, 0, buf, sizeof(buf)), BLK);
	CHECK(data_file_is_zero(buf + 10, BLK - 10));
	data_file_truncate(&f, BLK);
	CHECK_EQ(data_file_read(&f, 0, buf, sizeof(buf)), BLK);
	CHECK(data_file_is_zero(buf + 10, BLK - 10));
}

static void test_clone_of_a_dirty_tail(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_clone_dirty, NULL);
}

/* An inode without a name gives everything back. */
FIBER_FN static void do_reap(struct store *s, void *arg)
{
	struct data_file f = data_file_new(s, "f");
	struct fs_stats before, after;
	uint8_t buf[BLK] = "x";
	struct inode inode;

	fs_stats(s->fs, &before);
	for (unsigned int i = 0; i < 100; i++)
		data_file_write(&f, 2ull * i * BLK, buf, BLK, DATA_UNSTABLE);
	CHECK_EQ(data_reap(s->fs, f.ino), -EBUSY);
	data_file_unlink(s, "f");
	inode = data_file_inode(&f);
	CHECK_EQ(inode.blocks, 100);
	CHECK_EQ(data_reap(s->fs, f.ino), 0);
	CHECK_EQ(data_reap(s->fs, f.ino), -ENOENT);
	CHECK_EQ(data_trim(s->fs, f.ino), 0);
	fs_stats(s->fs, &after);
	CHECK_EQ(after.free_blocks, before.free_blocks);
	CHECK_EQ(after.inodes + 1, before.inodes);
}

static void test_reap(void **state)
{
	data_file_run(&(struct store_config){ .seed = 1 }, do_reap, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_bytes),    cmocka_unit_test(test_refused),
		cmocka_unit_test(test_tail_is_zero), cmocka_unit_test(test_lost_growth_leaves_no_tail),
		cmocka_unit_test(test_also),	     cmocka_unit_test(test_write_error),
		cmocka_unit_test(test_full_volume),  cmocka_unit_test(test_holes),
		cmocka_unit_test(test_clone),	     cmocka_unit_test(test_clone_of_a_dirty_tail),
		cmocka_unit_test(test_reap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
