/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated reservations, held against SPC-4 and against what sim_reserve.h says: who is refused, what a preempt
 * leaves, and that each fault is what it is called.
 */
#include "tests/sim/sim_reserve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_reactor.h"

#define WERO   RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY
#define EARO   RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY
#define SERVER 0x5e17e4ull
#define CLIENT 0xc11e47ull
#define SECTOR 512u

/* A server and a client at one disk. */
struct bench {
	struct reactor *r;
	struct sim_disk *d;
	struct blkdev *disk;
	struct sim_reserve *sr;
	struct blkdev *dev[2];
	struct reserver *res[2];
	uint8_t *buf;
	uint64_t seed;
};

static void attach(struct bench *b)
{
	b->disk = sim_disk_open(b->d, b->r);
	assert_int_equal(sim_reserve_attach(b->sr, "server", b->disk, &b->dev[0], &b->res[0]), 0);
	assert_int_equal(sim_reserve_attach(b->sr, "client", b->disk, &b->dev[1], &b->res[1]), 0);
}

static void detach(struct bench *b)
{
	for (int i = 0; i < 2; i++) {
		reserver_close(b->res[i]);
		blkdev_close(b->dev[i]);
	}
	blkdev_close(b->disk);
}

static uint64_t bench_seeded(uint64_t seed, int (*fn)(void *arg))
{
	struct sim_disk_config cfg = { .size = 1 << 20, .seed = seed, .allow_overlap = true };
	struct bench b = { .seed = seed, .buf = blkdev_buf_alloc(65536) };
	uint64_t hash;

	b.r = sim_reactor_new(seed);
	b.d = sim_disk_new(&cfg);
	assert_int_equal(sim_reserve_open(b.r, seed, "lu0", &b.sr), 0);
	attach(&b);
	assert_int_equal(reactor_run(b.r, fn, &b), 0);
	hash = sim_reactor_trace_hash(b.r) ^ sim_disk_trace_hash(b.d);
	detach(&b);
	sim_reserve_close(b.sr);
	sim_disk_free(b.d);
	reactor_close(b.r);
	blkdev_buf_free(b.buf);
	return hash;
}

static void bench_run(int (*fn)(void *arg))
{
	bench_seeded(sim_seed(17), fn);
}

static FIBER_FN int fill(struct bench *b, int who, uint64_t off, uint8_t byte)
{
	memset(b->buf, byte, SECTOR);
	return blkdev_write(b->dev[who], off, b->buf, SECTOR);
}

static FIBER_FN int look(struct bench *b, int who, uint64_t off)
{
	return blkdev_read(b->dev[who], off, b->buf, SECTOR);
}

static uint8_t byte_at(const struct bench *b, uint64_t off)
{
	uint8_t byte;

	assert_int_equal(sim_disk_peek(b->d, off, &byte, 1), 0);
	return byte;
}

/* The server holds, the client is registered. */
static FIBER_FN void set_up(struct bench *b, enum reservation_type type)
{
	assert_int_equal(reserver_register(b->res[0], SERVER), 0);
	assert_int_equal(reserver_reserve(b->res[0], SERVER, type), 0);
	assert_int_equal(reserver_register(b->res[1], CLIENT), 0);
}

static FIBER_FN int body_who_may(void *arg)
{
	struct bench *b = arg;

	assert_int_equal(fill(b, 1, 0, 'a'), 0);
	assert_int_equal(reserver_register(b->res[0], SERVER), 0);
	assert_int_equal(fill(b, 1, 0, 'b'), 0);
	assert_int_equal(reserver_reserve(b->res[0], SERVER, WERO), 0);
	assert_int_equal(fill(b, 1, 0, 'c'), -EBADE);
	assert_int_equal(blkdev_write_zeroes(b->dev[1], 0, SECTOR), -EBADE);
	assert_int_equal(blkdev_discard(b->dev[1], 0, SECTOR), -EBADE);
	assert_int_equal(blkdev_flush(b->dev[1]), -EBADE);
	assert_int_equal(byte_at(b, 0), 'b');
	assert_int_equal(look(b, 1, 0), 0);
	assert_int_equal(b->buf[0], 'b');
	assert_int_equal(fill(b, 0, 0, 'd'), 0);
	assert_int_equal(sim_reserve_conflicts(b->sr), 4);
	assert_int_equal(reserver_register(b->res[1], CLIENT), 0);
	assert_int_equal(fill(b, 1, 0, 'e'), 0);
	assert_int_equal(byte_at(b, 0), 'e');
	return 0;
}

static void test_registrants_only(void **state)
{
	bench_run(body_who_may);
}

static FIBER_FN int body_exclusive_access(void *arg)
{
	struct bench *b = arg;

	assert_int_equal(reserver_register(b->res[0], SERVER), 0);
	assert_int_equal(reserver_reserve(b->res[0], SERVER, EARO), 0);
	assert_int_equal(look(b, 1, 0), -EBADE);
	assert_int_equal(fill(b, 1, 0, 'x'), -EBADE);
	assert_int_equal(reserver_register(b->res[1], CLIENT), 0);
	assert_int_equal(look(b, 1, 0), 0);
	assert_int_equal(reserver_unregister(b->res[1], CLIENT + 1), -EBUSY);
	assert_int_equal(reserver_unregister(b->res[1], CLIENT), 0);
	assert_int_equal(look(b, 1, 0), -EBADE);
	assert_int_equal(reserver_unregister(b->res[0], SERVER), 0);
	assert_int_equal(look(b, 1, 0), 0);
	return 0;
}

static void test_exclusive_access(void **state)
{
	bench_run(body_exclusive_access);
}

static FIBER_FN int body_commands(void *arg)
{
	struct bench *b = arg;
	struct reserver_view v;

	assert_int_equal(reserver_reserve(b->res[0], SERVER, EARO), -EBUSY);
	set_up(b, EARO);
	assert_int_equal(reserver_reserve(b->res[0], SERVER, EARO), 0);
	assert_int_equal(reserver_reserve(b->res[0], SERVER, WERO), -EBUSY);
	assert_int_equal(reserver_reserve(b->res[1], CLIENT, EARO), -EBUSY);
	assert_int_equal(reserver_preempt(b->res[1], CLIENT + 1, SERVER, EARO, false), -EBUSY);
	assert_int_equal(reserver_preempt(b->res[1], CLIENT, SERVER + 1, EARO, false), -EBUSY);
	assert_int_equal(reserver_register(b->res[1], 0), -EINVAL);
	assert_int_equal(reserver_reserve(b->res[0], SERVER, (enum reservation_type)4), -EINVAL);
	assert_int_equal(reserver_read(b->res[1], &v), 0);
	assert_true(v.reserved && v.type == EARO && v.holder == SERVER && v.nr_keys == 2);
	assert_true(reserver_view_has(&v, CLIENT) && reserver_view_has(&v, SERVER));
	assert_true(v.keys[0].holder && !v.keys[1].holder);
	assert_memory_equal(v.keys[1].host, "client", 7);
	assert_int_equal(v.generation, 2);
	reserver_view_release(&v);
	/* The client takes all over. */
	assert_int_equal(reserver_preempt(b->res[1], CLIENT, SERVER, WERO, false), 0);
	assert_int_equal(reserver_read(b->res[0], &v), 0);
	assert_true(v.reserved && v.type == WERO && v.holder == CLIENT && v.nr_keys == 1);
	reserver_view_release(&v);
	assert_int_equal(fill(b, 0, 0, 'x'), -EBADE);
	return 0;
}

static void test_commands(void **state)
{
	bench_run(body_commands);
}

/* A fiber that writes as the client until it is refused. */
struct writer {
	struct bench *b;
	uint8_t *buf;
	int err;
	unsigned int ends;
};

static FIBER_FN void write_on(void *arg)
{
	struct writer *w = arg;

	while (w->err == 0) {
		w->err = blkdev_write(w->b->dev[1], 0, w->buf, SECTOR);
		w->ends++;
	}
}

/* After a preempt has answered, nothing of the victim comes any more. Returns how often that was not so. */
static FIBER_FN unsigned int preempt_under_load(struct bench *b, bool abort)
{
	struct fiber *f[8];
	struct writer w[8];
	unsigned int late = 0, ends = 0;

	for (int i = 0; i < 8; i++) {
		w[i] = (struct writer){ .b = b, .buf = blkdev_buf_alloc(SECTOR) };
		memset(w[i].buf, 'c', SECTOR);
		assert_int_equal(fiber_spawn(b->r, "writer", write_on, &w[i], &f[i]), 0);
	}
	fiber_sleep_ns(20000000);
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, abort), 0);
	assert_false(sim_reserve_has_key(b->sr, CLIENT));
	sim_disk_poke(b->d, 0, "s", 1);
	fiber_sleep_ns(100000000);
	late += byte_at(b, 0) != 's';
	for (int i = 0; i < 8; i++) {
		fiber_join(f[i]);
		assert_int_equal(w[i].err, -EBADE);
		ends += w[i].ends;
		blkdev_buf_free(w[i].buf);
	}
	assert_true(ends > 8);
	return late;
}

static FIBER_FN int body_preempt(void *arg)
{
	struct bench *b = arg;

	set_up(b, EARO);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(preempt_under_load(b, i % 2), 0);
		assert_int_equal(reserver_register(b->res[1], CLIENT), 0);
	}
	return 0;
}

static void test_preempt_waits(void **state)
{
	bench_run(body_preempt);
}

static FIBER_FN int body_leaves_in_flight(void *arg)
{
	struct bench *b = arg;
	unsigned int late = 0;

	set_up(b, EARO);
	sim_reserve_set_faults(b->sr, &(struct sim_reserve_faults){ .preempt_leaves_in_flight = true });
	for (int i = 0; i < 20; i++) {
		assert_int_equal(preempt_under_load(b, true), 0);
		assert_int_equal(reserver_register(b->res[1], CLIENT), 0);
		late += preempt_under_load(b, false);
		assert_int_equal(reserver_register(b->res[1], CLIENT), 0);
	}
	assert_true(late > 0);
	return 0;
}

static void test_leaves_in_flight(void **state)
{
	bench_run(body_leaves_in_flight);
}

/* What was held in the disk when the victim's commands were aborted: preempt waits, and the host may get an error. */
struct late_release {
	struct bench *b;
	bool released;
};

static FIBER_FN void release_later(void *arg)
{
	struct late_release *l = arg;

	fiber_sleep_ns(500000000);
	l->released = true;
	sim_disk_release(l->b->d);
}

static FIBER_FN int body_held(void *arg)
{
	struct bench *b = arg;
	struct writer w = { .b = b, .buf = b->buf };
	struct late_release l = { .b = b };
	struct fiber *f, *g;

	set_up(b, EARO);
	sim_disk_hold(b->d, NULL, NULL);
	assert_int_equal(fiber_spawn(b->r, "writer", write_on, &w, &f), 0);
	assert_int_equal(fiber_spawn(b->r, "release", release_later, &l, &g), 0);
	fiber_sleep_ns(1000000);
	assert_int_equal(sim_disk_nr_held(b->d), 1);
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, true), 0);
	assert_true(l.released);
	fiber_join(f);
	fiber_join(g);
	assert_int_equal(w.err, -EBADE);
	return 0;
}

static void test_waits_for_the_disk(void **state)
{
	bench_run(body_held);
}

static FIBER_FN int body_lies(void *arg)
{
	struct bench *b = arg;

	set_up(b, EARO);
	sim_reserve_set_faults(b->sr, &(struct sim_reserve_faults){ .preempt_lies = true });
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, true), 0);
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, false), 0);
	assert_true(sim_reserve_has_key(b->sr, CLIENT));
	/* It can change the type by preempting itself; then nobody is the holder, and it works. */
	assert_int_equal(
		reserver_preempt(b->res[0], SERVER, SERVER, RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS, false), 0);
	assert_true(sim_reserve_has_key(b->sr, SERVER));
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, true), 0);
	assert_false(sim_reserve_has_key(b->sr, CLIENT));
	assert_int_equal(look(b, 1, 0), -EBADE);
	assert_int_equal(reserver_unregister(b->res[0], SERVER), 0);
	set_up(b, EARO);
	/* Not the holder: now it works. */
	assert_int_equal(reserver_unregister(b->res[0], SERVER), 0);
	assert_int_equal(reserver_register(b->res[0], SERVER), 0);
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, true), 0);
	assert_false(sim_reserve_has_key(b->sr, CLIENT));
	assert_int_equal(reserver_reserve(b->res[0], SERVER, RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS), 0);
	assert_int_equal(reserver_register(b->res[1], CLIENT), 0);
	assert_int_equal(look(b, 1, 0), 0);
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, true), 0);
	assert_false(sim_reserve_has_key(b->sr, CLIENT));
	assert_int_equal(look(b, 1, 0), -EBADE);
	return 0;
}

static void test_lies(void **state)
{
	bench_run(body_lies);
}

static FIBER_FN int body_hangs(void *arg)
{
	struct bench *b = arg;
	uint64_t before;

	set_up(b, EARO);
	sim_reserve_set_faults(b->sr, &(struct sim_reserve_faults){ .preempt_abort_hangs = true });
	before = reactor_now_ns(b->r);
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, true), -EIO);
	assert_true(reactor_now_ns(b->r) - before >= NSEC_PER_SEC);
	assert_true(sim_reserve_has_key(b->sr, CLIENT));
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, false), 0);
	assert_false(sim_reserve_has_key(b->sr, CLIENT));
	assert_int_equal(reserver_register(b->res[1], CLIENT), 0);
	sim_reserve_set_faults(b->sr, &(struct sim_reserve_faults){ .preempt_fails = true });
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, false), -EIO);
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, EARO, true), -EIO);
	assert_true(sim_reserve_has_key(b->sr, CLIENT));
	return 0;
}

static void test_hangs(void **state)
{
	bench_run(body_hangs);
}

static FIBER_FN int body_errors(void *arg)
{
	struct bench *b = arg;
	unsigned int done = 0, not_done = 0;

	sim_reserve_set_faults(b->sr, &(struct sim_reserve_faults){ .error_ppm = 500000 });
	for (uint64_t key = 1; key < 200; key++) {
		int err = reserver_register(b->res[1], key);
		bool has = sim_reserve_has_key(b->sr, key);

		assert_true(err == 0 || err == -EIO);
		assert_true(err || has);
		done += err && has;
		not_done += err && !has;
	}
	assert_true(done > 10 && not_done > 10);
	return 0;
}

static void test_errors(void **state)
{
	bench_run(body_errors);
}

/* The power goes while the client has requests everywhere; the keys stay, and the next disk is as protected. */
static FIBER_FN int body_power_cut(void *arg)
{
	struct bench *b = arg;
	struct writer w = { .b = b, .buf = b->buf };
	struct sim_cut cut = { .seed = b->seed };
	struct sim_disk *after;

	set_up(b, WERO);
	assert_int_equal(fiber_spawn(b->r, "writer", write_on, &w, NULL), 0);
	fiber_sleep_ns(5000000);
	sim_disk_power_off(b->d, b->seed % 2 ? SIM_POWER_SILENT : SIM_POWER_ERRORS);
	if (b->seed % 2 == 0)
		fiber_sleep_ns(100000000);
	after = sim_disk_reboot(b->d, &cut);
	detach(b);
	sim_disk_free(b->d);
	b->d = after;
	attach(b);
	assert_true(sim_reserve_has_key(b->sr, CLIENT));
	assert_int_equal(fill(b, 1, 4096, 'x'), 0);
	assert_int_equal(reserver_preempt(b->res[0], SERVER, CLIENT, WERO, true), 0);
	assert_int_equal(fill(b, 1, 4096, 'y'), -EBADE);
	assert_int_equal(byte_at(b, 4096), 'x');
	return 0;
}

static void test_power_cut(void **state)
{
	for (uint64_t seed = 0; seed < 40; seed++)
		bench_seeded(sim_seed(0) + seed, body_power_cut);
}

static void test_seed_repeats(void **state)
{
	uint64_t hash = bench_seeded(5, body_leaves_in_flight);

	assert_true(bench_seeded(5, body_leaves_in_flight) == hash);
	assert_true(bench_seeded(6, body_leaves_in_flight) != hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registrants_only),
		cmocka_unit_test(test_exclusive_access),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_preempt_waits),
		cmocka_unit_test(test_leaves_in_flight),
		cmocka_unit_test(test_waits_for_the_disk),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_power_cut),
		cmocka_unit_test(test_seed_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
