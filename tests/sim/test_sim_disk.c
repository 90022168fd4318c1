/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated disk, held against its own description: what must survive does, and everything that may happen does
 * happen for some seed.
 */
#include "tests/sim/sim_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/sim/sim_reactor.h"

#define DISK_SIZE (1u << 20)
#define SECTOR	  512u

/* A test as a fiber with a disk. */
struct bench {
	struct reactor *r;
	struct sim_disk *d;
	struct blkdev *dev;
	uint8_t *buf; /* 64 KiB */
	uint64_t seed;
};

static void bench_run(const struct sim_disk_config *more, int (*fn)(void *arg))
{
	struct sim_disk_config cfg = *more;
	struct bench b = { .seed = sim_seed(11), .buf = blkdev_buf_alloc(65536) };

	cfg.size = cfg.size ? cfg.size : DISK_SIZE;
	cfg.seed = b.seed;
	b.r = sim_reactor_new(b.seed);
	b.d = sim_disk_new(&cfg);
	b.dev = sim_disk_open(b.d, b.r);
	assert_int_equal(reactor_run(b.r, fn, &b), 0);
	blkdev_close(b.dev);
	sim_disk_free(b.d);
	reactor_close(b.r);
	blkdev_buf_free(b.buf);
}

static FIBER_FN int write_fill(struct bench *b, uint64_t off, size_t len, uint8_t byte)
{
	memset(b->buf, byte, len);
	return blkdev_write(b->dev, off, b->buf, len);
}

static uint8_t byte_at(const struct sim_disk *d, uint64_t off)
{
	uint8_t byte;

	assert_int_equal(sim_disk_peek(d, off, &byte, 1), 0);
	return byte;
}

/* The byte at @off after a power cut of style @style. */
static uint8_t after_cut(const struct bench *b, uint64_t off, enum sim_cut_style style, uint64_t seed)
{
	struct sim_disk *d = sim_disk_reboot(b->d, &(struct sim_cut){ .style = style, .seed = seed });
	uint8_t byte = byte_at(d, off);

	sim_disk_free(d);
	return byte;
}

/* Which of the 256 bytes any of many cuts leaves at @off. */
static void collect(const struct bench *b, uint64_t off, bool seen[256])
{
	memset(seen, 0, 256 * sizeof(bool));
	for (uint64_t seed = 0; seed < 500; seed++)
		seen[after_cut(b, off, SIM_CUT_ANY, seed)] = true;
}

static void assert_seen(const struct bench *b, uint64_t off, const char *bytes)
{
	bool seen[256], want[256] = { false };

	for (; *bytes; bytes++)
		want[*bytes == '0' ? 0 : (uint8_t)*bytes] = true;
	collect(b, off, seen);
	for (int i = 0; i < 256; i++)
		if (seen[i] != want[i])
			fail_msg("at %llu a cut %s %c", (unsigned long long)off, want[i] ? "never left" : "left", i);
}

static FIBER_FN int body_reads_back(void *arg)
{
	struct bench *b = arg;
	uint8_t *other = blkdev_buf_alloc(8192);
	struct iovec iov[2] = { { other + 4096, 512 }, { other, 1024 } };

	assert_int_equal(write_fill(b, 3 * SECTOR, 3 * SECTOR, 'x'), 0);
	memset(b->buf + SECTOR, 'y', SECTOR);
	assert_int_equal(blkdev_write(b->dev, 3 * SECTOR, b->buf, 3 * SECTOR), 0);
	assert_int_equal(blkdev_readv(b->dev, 3 * SECTOR, iov, 2), 0);
	assert_int_equal(other[4096], 'x');
	assert_int_equal(other[0], 'y');
	assert_int_equal(other[512], 'x');
	assert_int_equal(blkdev_read(b->dev, 0, other, 512), 0);
	assert_int_equal(other[0], 0);
	assert_int_equal(blkdev_write_zeroes(b->dev, 4 * SECTOR, SECTOR), 0);
	assert_int_equal(byte_at(b->d, 4 * SECTOR), 0);
	assert_int_equal(byte_at(b->d, 5 * SECTOR), 'x');
	assert_int_equal(sim_disk_stats(b->d).writes, 2);
	assert_int_equal(sim_disk_stats(b->d).reads, 2);
	blkdev_buf_free(other);
	return 0;
}

static void test_reads_back(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_reads_back);
}

static FIBER_FN int body_cache(void *arg)
{
	struct bench *b = arg;

	/* Sector 0: flushed a, then b and c unflushed: any of the three. */
	assert_int_equal(write_fill(b, 0, SECTOR, 'a'), 0);
	assert_seen(b, 0, "0a");
	assert_int_equal(blkdev_flush(b->dev), 0);
	assert_seen(b, 0, "a");
	assert_int_equal(write_fill(b, 0, SECTOR, 'b'), 0);
	assert_int_equal(write_fill(b, 0, SECTOR, 'c'), 0);
	assert_seen(b, 0, "abc");
	/* A durable write replaces all that, and nothing older comes back. */
	memset(b->buf, 'd', SECTOR);
	assert_int_equal(blkdev_write_durable(b->dev, 0, b->buf, SECTOR), 0);
	assert_seen(b, 0, "d");
	assert_int_equal(write_fill(b, 0, SECTOR, 'e'), 0);
	assert_seen(b, 0, "de");
	/* It says nothing of other sectors. */
	assert_int_equal(write_fill(b, 8 * SECTOR, SECTOR, 'f'), 0);
	assert_int_equal(blkdev_write_durable(b->dev, 16 * SECTOR, b->buf, SECTOR), 0);
	assert_seen(b, 8 * SECTOR, "0f");
	assert_seen(b, 16 * SECTOR, "f");
	assert_int_equal(blkdev_flush(b->dev), 0);
	assert_seen(b, 0, "e");
	assert_seen(b, 8 * SECTOR, "f");
	return 0;
}

static void test_volatile_cache(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_cache);
}

static FIBER_FN int body_write_through(void *arg)
{
	struct bench *b = arg;

	assert_int_equal(write_fill(b, 0, SECTOR, 'a'), 0);
	assert_seen(b, 0, "a");
	return 0;
}

static void test_no_volatile_cache(void **state)
{
	bench_run(&(struct sim_disk_config){ .no_volatile_cache = true }, body_write_through);
}

/* Units of one write survive independently, also newer ones without older ones, but no unit is torn. */
static FIBER_FN int body_tearing(void *arg)
{
	struct bench *b = arg;
	bool first_only = false, second_only = false;

	assert_int_equal(write_fill(b, 0, 16384, 'a'), 0);
	for (uint64_t seed = 0; seed < 2000; seed++) {
		struct sim_disk *d = sim_disk_reboot(b->d, &(struct sim_cut){ .style = SIM_CUT_ANY, .seed = seed });
		uint8_t data[16384];

		assert_int_equal(sim_disk_peek(d, 0, data, sizeof(data)), 0);
		for (size_t i = 1; i < sizeof(data); i++)
			if (i % 4096)
				assert_int_equal(data[i], data[i - 1]);
		first_only |= data[0] && !data[4096];
		second_only |= !data[0] && data[4096];
		sim_disk_free(d);
	}
	assert_true(first_only);
	assert_true(second_only);
	return 0;
}

static void test_tearing(void **state)
{
	bench_run(&(struct sim_disk_config){ .atomic_unit = 4096 }, body_tearing);
}

/* One write by its own request, for those that shall overlap in time. */
struct flight {
	struct blk_req req;
	struct iovec iov;
	struct fiber *fiber;
	uint64_t *clock;
	uint64_t ended;
};

static void flight_done(struct blk_req *req)
{
	struct flight *f = req->owner;

	f->ended = ++*f->clock;
	fiber_wake(f->fiber);
}

static void flight_start(struct bench *b, struct flight *f, enum blk_op op, uint64_t off, size_t len, void *buf,
			 uint64_t *clock)
{
	*f = (struct flight){ .iov = { buf, len }, .fiber = fiber_self(), .clock = clock };
	f->req = (struct blk_req){ .op = op, .off = off, .len = len, .done = flight_done, .owner = f };
	if (op != BLK_FLUSH) {
		f->req.iov = &f->iov;
		f->req.nr_iov = 1;
	}
	blkdev_submit(b->dev, &f->req);
}

static FIBER_FN void flight_wait(const struct flight *f)
{
	while (!f->ended)
		fiber_park();
}

static FIBER_FN int body_flush_is_exact(void *arg)
{
	struct bench *b = arg;
	struct flight w, fl;
	uint64_t clock = 0;
	bool write_first = false;

	/* A write that completes after the flush was submitted is not covered, even if it completes before it. */
	for (uint64_t off = 0; off < 200 * SECTOR; off += SECTOR) {
		memset(b->buf, 'a', SECTOR);
		flight_start(b, &w, BLK_WRITE, off, SECTOR, b->buf, &clock);
		flight_start(b, &fl, BLK_FLUSH, 0, 0, NULL, &clock);
		flight_wait(&w);
		flight_wait(&fl);
		write_first |= w.ended < fl.ended;
		assert_int_equal(after_cut(b, off, SIM_CUT_NOTHING, 1), 0);
		assert_int_equal(after_cut(b, off, SIM_CUT_EVERYTHING, 1), 'a');
	}
	assert_true(write_first);
	return 0;
}

static void test_flush_is_exact(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_flush_is_exact);
}

static FIBER_FN int body_order(void *arg)
{
	struct bench *b = arg;
	struct flight f[8];
	uint64_t clock = 0;
	bool swapped = false;

	for (unsigned int i = 0; i < ARRAY_SIZE(f); i++)
		flight_start(b, &f[i], BLK_WRITE, 4096 * i, SECTOR, b->buf, &clock);
	assert_int_equal(sim_disk_nr_in_flight(b->d), ARRAY_SIZE(f));
	for (unsigned int i = 0; i < ARRAY_SIZE(f); i++) {
		flight_wait(&f[i]);
		swapped |= i > 0 && f[i].ended < f[i - 1].ended;
	}
	assert_true(swapped);
	return 0;
}

static void test_completion_order(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_order);
}

static bool is_write(const struct blk_req *req, void *arg)
{
	return req->op == BLK_WRITE;
}

static FIBER_FN int body_hold(void *arg)
{
	struct bench *b = arg;
	struct flight w, r;
	uint64_t clock = 0;

	memset(b->buf, 'h', SECTOR);
	sim_disk_hold(b->d, is_write, NULL);
	flight_start(b, &w, BLK_WRITE, 0, SECTOR, b->buf, &clock);
	flight_start(b, &r, BLK_READ, 4096, SECTOR, b->buf + 4096, &clock);
	flight_wait(&r);
	fiber_sleep_ns(NSEC_PER_SEC);
	assert_int_equal(w.ended, 0);
	assert_int_equal(sim_disk_nr_held(b->d), 1);
	assert_seen(b, 0, "0h"); /* held, but in flight */
	assert_int_equal(byte_at(b->d, 0), 0);
	sim_disk_release(b->d);
	flight_wait(&w);
	assert_int_equal(byte_at(b->d, 0), 'h');
	return 0;
}

static void test_hold(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_hold);
}

static FIBER_FN int body_faults(void *arg)
{
	struct bench *b = arg;

	sim_disk_fault(b->d, &(struct sim_fault){ .ops = SIM_OP(BLK_WRITE), .nth = 2, .times = 1, .error = -EIO });
	assert_int_equal(write_fill(b, 0, SECTOR, 'a'), 0);
	assert_int_equal(write_fill(b, 0, SECTOR, 'a'), -EIO);
	assert_int_equal(write_fill(b, 0, SECTOR, 'a'), 0);
	sim_disk_clear_faults(b->d);

	/* A lie: acknowledged and forgotten, even durably. */
	sim_disk_fault(b->d, &(struct sim_fault){
				     .kind = SIM_FAULT_FORGOTTEN, .ops = SIM_OPS_WRITES, .nth = 1, .times = 1 });
	assert_int_equal(write_fill(b, 0, SECTOR, 'b'), 0);
	assert_int_equal(byte_at(b->d, 0), 'a');
	sim_disk_fault(b->d, &(struct sim_fault){ .kind = SIM_FAULT_MISDIRECTED,
						  .ops = SIM_OPS_WRITES,
						  .nth = 1,
						  .times = 1,
						  .to = 64 * SECTOR });
	assert_int_equal(write_fill(b, 0, SECTOR, 'c'), 0);
	assert_int_equal(byte_at(b->d, 0), 'a');
	assert_int_equal(byte_at(b->d, 64 * SECTOR), 'c');

	sim_disk_fault(
		b->d, &(struct sim_fault){ .kind = SIM_FAULT_BIT_FLIP, .ops = SIM_OPS_WRITES, .nth = 1, .times = 1 });
	assert_int_equal(write_fill(b, 0, SECTOR, 0), 0);
	assert_int_equal(blkdev_read(b->dev, 0, b->buf, SECTOR), 0);
	for (unsigned int i = 0; i < SECTOR - 1; i++)
		b->buf[SECTOR - 1] |= b->buf[i];
	assert_true(is_power_of_2_u64(b->buf[SECTOR - 1]));
	assert_int_equal(sim_disk_stats(b->d).lies, 3);
	assert_int_equal(sim_disk_stats(b->d).errors, 1);

	sim_disk_set_bad(b->d, 7 * SECTOR, SECTOR);
	assert_int_equal(blkdev_read(b->dev, 0, b->buf, 16 * SECTOR), -EIO);
	assert_int_equal(blkdev_read(b->dev, 0, b->buf, 7 * SECTOR), 0);
	assert_int_equal(write_fill(b, 7 * SECTOR, SECTOR, 'z'), 0);
	assert_int_equal(blkdev_read(b->dev, 0, b->buf, 16 * SECTOR), 0);
	/* The medicine was in the cache. */
	assert_int_equal(sim_disk_peek(b->d, 7 * SECTOR, b->buf, 1), 0);
	return 0;
}

static void test_faults(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_faults);
}

/* A failed flush: what it should have saved is safe, or lost at the next cut, whatever later flushes say. */
static FIBER_FN int body_failed_flush(void *arg)
{
	struct bench *b = arg;
	unsigned int lost = 0;

	assert_int_equal(write_fill(b, 0, 64 * SECTOR, 'a'), 0);
	sim_disk_fault(b->d, &(struct sim_fault){ .ops = SIM_OP(BLK_FLUSH), .nth = 1, .times = 1, .error = -EIO });
	assert_int_equal(blkdev_flush(b->dev), -EIO);
	assert_int_equal(blkdev_flush(b->dev), 0);
	for (unsigned int i = 0; i < 64; i++) {
		assert_int_equal(byte_at(b->d, i * SECTOR), 'a');
		lost += after_cut(b, i * SECTOR, SIM_CUT_EVERYTHING, 1) != 'a';
	}
	assert_in_range(lost, 1, 63);
	return 0;
}

static void test_failed_flush(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_failed_flush);
}

/* A failed write is written in part. */
static FIBER_FN int body_failed_write(void *arg)
{
	struct bench *b = arg;
	unsigned int written = 0;

	sim_disk_fault(b->d, &(struct sim_fault){ .ops = SIM_OPS_ALL, .nth = 1, .times = 1, .error = -EIO });
	memset(b->buf, 'a', 64 * SECTOR);
	assert_int_equal(blkdev_write_durable(b->dev, 0, b->buf, 64 * SECTOR), -EIO);
	for (unsigned int i = 0; i < 64; i++)
		written += byte_at(b->d, i * SECTOR) == 'a';
	assert_in_range(written, 1, 63);
	return 0;
}

static void test_failed_write(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_failed_write);
}

static FIBER_FN int body_discard(void *arg)
{
	struct bench *b = arg;
	bool old = false, zero = false, garbage = false;

	for (uint64_t off = 0; off < 100 * SECTOR; off += SECTOR) {
		uint8_t byte;

		assert_int_equal(write_fill(b, off, SECTOR, 'a'), 0);
		assert_int_equal(blkdev_discard(b->dev, off, SECTOR), 0);
		byte = byte_at(b->d, off);
		old |= byte == 'a';
		zero |= byte == 0;
		garbage |= byte != 'a' && byte != 0;
	}
	assert_true(old && zero && garbage);
	return 0;
}

static void test_discard(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_discard);
}

/* Power off at the third write, which is in flight: two whole ones, and the third in any state. */
static FIBER_FN int body_power_off_errors(void *arg)
{
	struct bench *b = arg;

	sim_disk_power_off_at(b->d, 3, false, SIM_POWER_ERRORS);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(write_fill(b, i * SECTOR, SECTOR, 'a'), 0);
	assert_int_equal(blkdev_flush(b->dev), 0);
	assert_true(sim_disk_has_power(b->d));
	assert_int_equal(write_fill(b, 2 * SECTOR, SECTOR, 'a'), -ENODEV);
	assert_false(sim_disk_has_power(b->d));
	assert_int_equal(write_fill(b, 3 * SECTOR, SECTOR, 'a'), -ENODEV);
	assert_int_equal(blkdev_read(b->dev, 0, b->buf, SECTOR), -ENODEV);
	assert_seen(b, SECTOR, "a");
	assert_seen(b, 2 * SECTOR, "0a");
	assert_seen(b, 3 * SECTOR, "0");
	return 0;
}

static void test_power_off_with_errors(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_power_off_errors);
}

static FIBER_FN void write_for_ever(void *arg)
{
	struct bench *b = arg;

	for (unsigned int i = 0;; i++)
		assert_int_equal(write_fill(b, (i % 64) * SECTOR, SECTOR, 'w'), 0);
}

static FIBER_FN int body_power_off_silent(void *arg)
{
	struct bench *b = arg;

	sim_disk_power_off_at(b->d, 5, true, SIM_POWER_SILENT);
	assert_int_equal(fiber_spawn(b->r, "writer", write_for_ever, b, NULL), 0);
	fiber_sleep_ns(10 * NSEC_PER_SEC);
	assert_false(sim_disk_has_power(b->d));
	assert_int_equal(sim_disk_stats(b->d).writes, 5);
	assert_int_equal(byte_at(b->d, 3 * SECTOR), 'w');
	assert_int_equal(byte_at(b->d, 4 * SECTOR), 0);
	assert_seen(b, 4 * SECTOR, "0w");
	return 0;
}

static void test_power_off_in_silence(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_power_off_silent);
}

static FIBER_FN int body_unreadable(void *arg)
{
	struct bench *b = arg;
	struct flight w;
	uint64_t clock = 0;
	bool bad = false, good = false;

	sim_disk_hold(b->d, NULL, NULL);
	flight_start(b, &w, BLK_WRITE, 0, SECTOR, b->buf, &clock);
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct sim_cut cut = { .style = SIM_CUT_ANY, .seed = seed, .unreadable_ppm = 500000 };
		struct sim_disk *d = sim_disk_reboot(b->d, &cut);
		uint8_t byte;

		if (sim_disk_peek(d, 0, &byte, 1))
			bad = true;
		else
			good = true;
		assert_int_equal(sim_disk_peek(d, SECTOR, &byte, 1), 0);
		sim_disk_free(d);
	}
	assert_true(bad && good);
	sim_disk_release(b->d);
	flight_wait(&w);
	return 0;
}

static void test_unreadable_after_cut(void **state)
{
	bench_run(&(struct sim_disk_config){ 0 }, body_unreadable);
}

/* A random workload; what it leaves behind and how it went are one seed's. */

#define STEPS 300

struct writer {
	struct bench *b;
	unsigned int index;
	struct sim_tape *tape;
};

static FIBER_FN void writer_main(void *arg)
{
	struct writer *w = arg;
	struct sim_rng dice = sim_rng_make(w->b->seed, w->index);
	uint8_t *buf = blkdev_buf_alloc(4096);

	for (unsigned int i = 0; i < STEPS / 4; i++) {
		uint64_t off = w->index * (DISK_SIZE / 4) + sim_rng_below(&dice, 16) * 4096;
		int err;

		memset(buf, (int)sim_rng_below(&dice, 256), 4096);
		switch (sim_rng_below(&dice, 6)) {
		case 0:
			err = blkdev_flush(w->b->dev);
			break;
		case 1:
			err = blkdev_write_durable(w->b->dev, off, buf, 4096);
			break;
		case 2:
			err = blkdev_read(w->b->dev, off, buf, 4096);
			break;
		default:
			err = blkdev_write(w->b->dev, off, buf, 4096);
		}
		assert_true(err == 0 || err == -EIO);
		if (w->tape)
			sim_tape_mark(w->tape, w->index, i);
	}
	blkdev_buf_free(buf);
}

static struct sim_tape *workload_tape;

static FIBER_FN int body_workload(void *arg)
{
	struct bench *b = arg;
	struct writer w[4];
	struct fiber *f[4];

	if (workload_tape)
		sim_disk_record(b->d, workload_tape);
	for (unsigned int i = 0; i < ARRAY_SIZE(w); i++) {
		w[i] = (struct writer){ .b = b, .index = i, .tape = workload_tape };
		assert_int_equal(fiber_spawn(b->r, "writer", writer_main, &w[i], &f[i]), 0);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(w); i++)
		fiber_join(f[i]);
	return 0;
}

static const struct sim_disk_config nasty = {
	.size = DISK_SIZE,
	.rates = { .read_error = 10000, .write_error = 10000, .flush_error = 50000, .bit_flip = 10000 },
};

static struct bench workload_run(uint64_t seed, struct sim_tape *tape)
{
	struct sim_disk_config cfg = nasty;
	struct bench b = { .seed = seed, .r = sim_reactor_new(seed) };

	cfg.seed = seed;
	b.d = sim_disk_new(&cfg);
	b.dev = sim_disk_open(b.d, b.r);
	workload_tape = tape;
	assert_int_equal(reactor_run(b.r, body_workload, &b), 0);
	blkdev_close(b.dev);
	return b;
}

static void bench_end(struct bench *b)
{
	sim_disk_free(b->d);
	reactor_close(b->r);
}

static void test_one_seed_one_run(void **state)
{
	uint64_t seed = sim_seed(5);
	struct bench a = workload_run(seed, NULL), b = workload_run(seed, NULL), c = workload_run(seed + 1, NULL);

	assert_int_equal(sim_disk_trace_hash(a.d), sim_disk_trace_hash(b.d));
	assert_int_equal(sim_reactor_trace_hash(a.r), sim_reactor_trace_hash(b.r));
	assert_int_equal(sim_image_hash(sim_disk_contents(a.d)), sim_image_hash(sim_disk_contents(b.d)));
	assert_int_not_equal(sim_disk_trace_hash(a.d), sim_disk_trace_hash(c.d));
	assert_int_not_equal(sim_image_hash(sim_disk_contents(a.d)), sim_image_hash(sim_disk_contents(c.d)));
	bench_end(&a);
	bench_end(&b);
	bench_end(&c);
}

static void count_mark(void *arg, uint64_t what, uint64_t value)
{
	++*(uint64_t *)arg;
}

/* The player passes through the disk's states: at the end it has the disk's contents, and draws the same cuts. */
static void test_tape(void **state)
{
	struct sim_tape *tape = sim_tape_new();
	struct bench b = workload_run(sim_seed(6), tape);
	struct sim_disk_stats stats = sim_disk_stats(b.d);
	uint64_t marks = 0, points = 0;
	struct sim_player p;

	sim_player_init(&p, tape, count_mark, &marks);
	for (; sim_player_next(&p); points++)
		assert_int_equal(p.point, points);
	assert_int_equal(points, sim_tape_nr_points(tape));
	assert_int_equal(points, stats.writes + stats.durable_writes + stats.flushes + 1);
	assert_int_equal(marks, 4 * (STEPS / 4));
	assert_int_equal(sim_image_hash(&p.media[0].visible), sim_image_hash(sim_disk_contents(b.d)));
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct sim_cut cut = { .style = SIM_CUT_ANY, .seed = seed };
		struct sim_disk *live = sim_disk_reboot(b.d, &cut);
		struct sim_image played;

		sim_player_cut(&p, 0, &cut, &played);
		assert_int_equal(sim_image_hash(&played), sim_image_hash(sim_disk_contents(live)));
		sim_image_release(&played);
		sim_disk_free(live);
	}
	sim_player_release(&p);
	sim_tape_free(tape);
	bench_end(&b);
}

/* Images: forks are independent, sparse zeros are zeros, huge sizes cost nothing. */
static void test_image(void **state)
{
	uint64_t size = 1ULL << 47;
	struct sim_image a, b;
	uint8_t data[10000], back[10000];

	memset(data, 'x', sizeof(data));
	sim_image_init(&a, size);
	sim_image_write(&a, size - 20480, data, 8192);
	sim_image_write(&a, 0, data, 512);
	sim_image_fork(&b, &a);
	assert_int_equal(sim_image_hash(&a), sim_image_hash(&b));
	sim_image_zero(&b, size - 20480 + 512, 4096);
	assert_int_equal(sim_image_read(&a, size - 20480, back, 8192), 0);
	assert_memory_equal(back, data, 8192);
	assert_int_equal(sim_image_read(&b, size - 20480, back, 8192), 0);
	assert_int_equal(back[511], 'x');
	assert_int_equal(back[512], 0);
	assert_int_equal(back[512 + 4095], 0);
	assert_int_equal(back[512 + 4096], 'x');
	sim_image_zero(&b, 512, size - 512);
	sim_image_zero(&a, 4096, size - 4096);
	assert_int_equal(sim_image_hash(&a), sim_image_hash(&b));
	sim_image_flip_bit(&b, 1, 3);
	assert_int_not_equal(sim_image_hash(&a), sim_image_hash(&b));
	sim_image_release(&a);
	sim_image_release(&b);
}

static void test_image_dump(void **state)
{
	char path[] = "/tmp/sim_image_XXXXXX";
	int fd = mkstemp(path);
	struct sim_image img;
	uint8_t data[4096];

	assert_true(fd >= 0);
	sim_image_init(&img, 1u << 20);
	sim_image_write(&img, 8192, "hello", 5);
	assert_int_equal(sim_image_dump(&img, path), 0);
	assert_int_equal(pread(fd, data, sizeof(data), 8192), sizeof(data));
	assert_memory_equal(data, "hello", 6);
	assert_int_equal(lseek(fd, 0, SEEK_END), 1 << 20);
	close(fd);
	unlink(path);
	sim_image_release(&img);
}

/* Misuse that no real disk would tell us about aborts the test. */

static FIBER_FN int body_overlap(void *arg)
{
	struct bench *b = arg;
	struct flight f[2];
	uint64_t clock = 0;

	flight_start(b, &f[0], BLK_WRITE, 0, 2 * SECTOR, b->buf, &clock);
	flight_start(b, &f[1], BLK_WRITE, SECTOR, SECTOR, b->buf, &clock);
	flight_wait(&f[0]);
	flight_wait(&f[1]);
	return 0;
}

static FIBER_FN int body_changed_buffer(void *arg)
{
	struct bench *b = arg;
	struct flight f;
	uint64_t clock = 0;

	flight_start(b, &f, BLK_WRITE, 0, 2 * SECTOR, b->buf, &clock);
	b->buf[5] ^= 1;
	flight_wait(&f);
	return 0;
}

static bool aborts(int (*body)(void *arg))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fclose(stderr);
		bench_run(&(struct sim_disk_config){ 0 }, body);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_misuse_aborts(void **state)
{
	assert_false(aborts(body_reads_back));
	assert_true(aborts(body_overlap));
	assert_true(aborts(body_changed_buffer));
	bench_run(&(struct sim_disk_config){ .allow_overlap = true }, body_overlap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_back),
		cmocka_unit_test(test_volatile_cache),
		cmocka_unit_test(test_no_volatile_cache),
		cmocka_unit_test(test_tearing),
		cmocka_unit_test(test_flush_is_exact),
		cmocka_unit_test(test_completion_order),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_failed_flush),
		cmocka_unit_test(test_failed_write),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_power_off_with_errors),
		cmocka_unit_test(test_power_off_in_silence),
		cmocka_unit_test(test_unreadable_after_cut),
		cmocka_unit_test(test_one_seed_one_run),
		cmocka_unit_test(test_tape),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_image_dump),
		cmocka_unit_test(test_misuse_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
