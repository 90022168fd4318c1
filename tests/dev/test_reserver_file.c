/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emulated reservations of a plain file: the same as the simulated ones, command by command; between programs; and
 * with files that are no good.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/blkdev.h"
#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "dev/reserver.h"
#include "dev/reserver_sidecar.h"
#include "tests/lib/dice.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_reactor.h"
#include "tests/sim/sim_reserve.h"

#define EARO   RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY
#define WERO   RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY
#define SERVER 0x5e17e4ull
#define CLIENT 0xc11e47ull
#define BLOCK  4096u
#define SIZE   (1u << 20)

static char path[64], sidecar_path[96];
static char last_log[LOG_MSG_MAX];

static void keep_log(void *owner, enum log_level level, const char *msg)
{
	snprintf(last_log, sizeof(last_log), "%s", msg);
}

static int make_file(void **state)
{
	int fd;

	snprintf(path, sizeof(path), "lamina-reserver-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	close(fd);
	snprintf(sidecar_path, sizeof(sidecar_path), "%s.reservations", path);
	last_log[0] = '\0';
	log_set_sink(keep_log, NULL);
	return 0;
}

static int remove_file(void **state)
{
	log_set_sink(NULL, NULL);
	unlink(path);
	unlink(sidecar_path);
	return 0;
}

/* A host on a real reactor. */
struct host {
	struct reactor *r;
	struct reserver *res;
	struct blkdev *dev;
	uint8_t *buf;
};

static void host_open(struct host *h, struct reactor *r, const char *name)
{
	h->r = r;
	assert_int_equal(reserver_file_open(r, path, name, &h->res), 0);
	assert_int_equal(reserver_file_blkdev(r, path, name, &h->dev), 0);
	assert_true(h->res->is_emulated);
	h->buf = blkdev_buf_alloc(BLOCK);
}

static void host_close(struct host *h)
{
	blkdev_buf_free(h->buf);
	blkdev_close(h->dev);
	reserver_close(h->res);
}

static struct reactor *real_reactor(void)
{
	struct reactor_options opt = { .helpers = 4 };
	struct reactor *r;

	assert_int_equal(reactor_open(&opt, &r), 0);
	return r;
}

static FIBER_FN int fill(struct host *h, uint64_t off, uint8_t byte)
{
	memset(h->buf, byte, BLOCK);
	return blkdev_write(h->dev, off, h->buf, BLOCK);
}

static FIBER_FN int body_io(void *arg)
{
	struct host *server = arg, *client = server + 1;

	assert_int_equal(fill(client, 0, 'a'), 0);
	assert_int_equal(reserver_register(server->res, SERVER), 0);
	assert_int_equal(reserver_reserve(server->res, SERVER, WERO), 0);
	assert_int_equal(fill(client, 0, 'b'), -EBADE);
	assert_int_equal(blkdev_flush(client->dev), -EBADE);
	assert_int_equal(blkdev_read(client->dev, 0, client->buf, BLOCK), 0);
	assert_int_equal(client->buf[BLOCK - 1], 'a');
	assert_int_equal(reserver_register(client->res, CLIENT), 0);
	assert_int_equal(fill(client, 0, 'c'), 0);
	assert_int_equal(blkdev_flush(client->dev), 0);
	memset(client->buf, 'd', BLOCK);
	assert_int_equal(blkdev_write_durable(client->dev, BLOCK, client->buf, BLOCK), 0);
	assert_int_equal(blkdev_read(server->dev, BLOCK, server->buf, BLOCK), 0);
	assert_int_equal(server->buf[0], 'd');
	if (client->dev->info.can_write_zeroes) {
		assert_int_equal(blkdev_write_zeroes(client->dev, 0, BLOCK), 0);
		assert_int_equal(blkdev_read(server->dev, 0, server->buf, BLOCK), 0);
		assert_int_equal(server->buf[0], 0);
	}
	assert_int_equal(reserver_preempt(server->res, SERVER, CLIENT, WERO, true), 0);
	assert_int_equal(fill(client, 0, 'e'), -EBADE);
	return 0;
}

static void test_io(void **state)
{
	struct reactor *r = real_reactor();
	struct host h[2];

	host_open(&h[0], r, "server");
	host_open(&h[1], r, "client");
	assert_int_equal(reactor_run(r, body_io, h), 0);
	host_close(&h[0]);
	host_close(&h[1]);
	reactor_close(r);
}

/* Many at a time. */
struct batch {
	struct blk_req req[200];
	struct iovec iov;
	unsigned int nr_done;
	struct fiber *fiber;
};

static void batch_done(struct blk_req *req)
{
	struct batch *b = req->owner;

	b->nr_done++;
	fiber_wake(b->fiber);
}

static FIBER_FN int body_many(void *arg)
{
	struct host *h = arg;
	struct batch b = { .iov = { h->buf, BLOCK }, .fiber = fiber_self() };

	for (unsigned int i = 0; i < ARRAY_SIZE(b.req); i++) {
		b.req[i] = (struct blk_req){ .op = BLK_WRITE, .off = i * BLOCK, .len = BLOCK, .iov = &b.iov };
		b.req[i].nr_iov = 1;
		b.req[i].done = batch_done;
		b.req[i].owner = &b;
		blkdev_submit(h->dev, &b.req[i]);
	}
	while (b.nr_done < ARRAY_SIZE(b.req))
		fiber_park();
	for (unsigned int i = 0; i < ARRAY_SIZE(b.req); i++)
		assert_int_equal(b.req[i].result, 0);
	return 0;
}

static void test_many_requests(void **state)
{
	struct reactor *r = real_reactor();
	struct host h;

	host_open(&h, r, "client");
	assert_int_equal(reactor_run(r, body_many, &h), 0);
	host_close(&h);
	reactor_close(r);
}

/* Writes of 'w' are slow. */
static bool slow_began, slow_ended; /* atomic */

ssize_t __real_pwrite(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t off);

ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	bool slow = *(const char *)buf == 'w';
	ssize_t n;

	if (slow) {
		__atomic_store_n(&slow_began, true, __ATOMIC_RELEASE);
		(void)poll(NULL, 0, 100);
	}
	n = __real_pwrite(fd, buf, len, off);
	if (slow)
		__atomic_store_n(&slow_ended, true, __ATOMIC_RELEASE);
	return n;
}

static FIBER_FN void write_slowly(void *arg)
{
	assert_int_equal(fill(arg, 0, 'w'), 0);
}

static FIBER_FN int body_slow(void *arg)
{
	struct host *server = arg, *client = server + 1;
	struct fiber *f;

	assert_int_equal(reserver_register(server->res, SERVER), 0);
	assert_int_equal(reserver_reserve(server->res, SERVER, EARO), 0);
	assert_int_equal(reserver_register(client->res, CLIENT), 0);
	assert_int_equal(fiber_spawn(client->r, "client", write_slowly, client, &f), 0);
	while (!__atomic_load_n(&slow_began, __ATOMIC_ACQUIRE))
		fiber_sleep_ns(1000000);
	assert_int_equal(reserver_preempt(server->res, SERVER, CLIENT, EARO, false), 0);
	assert_true(__atomic_load_n(&slow_ended, __ATOMIC_ACQUIRE));
	fiber_join(f);
	assert_int_equal(fill(client, 0, 'x'), -EBADE);
	return 0;
}

/* A preempt waits for what is under way. */
static void test_slow_write(void **state)
{
	struct reactor *r = real_reactor();
	struct host h[2];

	host_open(&h[0], r, "server");
	host_open(&h[1], r, "client");
	assert_int_equal(reactor_run(r, body_slow, h), 0);
	host_close(&h[0]);
	host_close(&h[1]);
	reactor_close(r);
}

/* Programs that have registered, shared with them: who did so only after the fence would rightly write on. */
static unsigned int *nr_registered;

/* The client as a program of its own, which writes until it is refused; with what error is its exit status. */
static FIBER_FN int body_client(void *arg)
{
	struct host *h = arg;
	int err = reserver_register(h->res, CLIENT);

	__atomic_add_fetch(nr_registered, 1, __ATOMIC_RELEASE);
	for (uint64_t i = 0; !err; i++)
		err = fill(h, i % 16 * BLOCK, 'c');
	return err;
}

static pid_t start_client(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct reactor *r = real_reactor();
		struct host h;

		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not wait for it */
		host_open(&h, r, "client");
		_exit(-reactor_run(r, body_client, &h));
	}
	assert_true(pid > 0);
	return pid;
}

static FIBER_FN int body_fence(void *arg)
{
	struct host *h = arg;
	struct reserver_view v = { 0 };

	assert_int_equal(reserver_register(h->res, SERVER), 0);
	assert_int_equal(reserver_reserve(h->res, SERVER, EARO), 0);
	while (__atomic_load_n(nr_registered, __ATOMIC_ACQUIRE) < 2)
		fiber_sleep_ns(1000000);
	assert_int_equal(reserver_read(h->res, &v), 0);
	assert_true(reserver_view_has(&v, CLIENT));
	reserver_view_release(&v);
	fiber_sleep_ns(20000000);
	assert_int_equal(reserver_preempt(h->res, SERVER, CLIENT, EARO, true), 0);
	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(fill(h, i * BLOCK, 's'), 0);
	fiber_sleep_ns(20000000);
	for (uint64_t i = 0; i < 16; i++) {
		assert_int_equal(blkdev_read(h->dev, i * BLOCK, h->buf, BLOCK), 0);
		assert_int_equal(h->buf[0], 's');
		assert_int_equal(h->buf[BLOCK - 1], 's');
	}
	return 0;
}

/* Nothing of the fenced program comes after the fence. */
static void test_fence_between_programs(void **state)
{
	for (int i = 0; i < 10; i++) {
		pid_t client = start_client(), other = start_client();
		struct reactor *r = real_reactor();
		struct host h;
		int status;

		host_open(&h, r, "server");
		assert_int_equal(reactor_run(r, body_fence, &h), 0);
		host_close(&h);
		reactor_close(r);
		assert_int_equal(waitpid(client, &status, 0), client);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EBADE);
		assert_int_equal(waitpid(other, &status, 0), other);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EBADE);
		unlink(sidecar_path);
		*nr_registered = 0;
	}
}

static FIBER_FN int body_stopped(void *arg)
{
	struct host *h = arg;

	assert_int_equal(reserver_register(h->res, SERVER), 0);
	return reserver_unregister(h->res, SERVER);
}

/* Somebody was killed while it held the file, or wrote it: nobody notices. */
static void test_killed(void **state)
{
	for (int i = 0; i < 20; i++) {
		pid_t client = start_client();
		struct reactor *r = real_reactor();
		struct host h;

		(void)poll(NULL, 0, i);
		kill(client, SIGKILL);
		host_open(&h, r, "server");
		assert_int_equal(reactor_run(r, body_stopped, &h), 0);
		host_close(&h);
		reactor_close(r);
		assert_int_equal(waitpid(client, NULL, 0), client);
	}
}

/* The same as the simulated ones */

#define MODEL_HOSTS 4

struct twins {
	struct reactor *r;
	struct dice dice;
	struct reserver *file[MODEL_HOSTS], *sim[MODEL_HOSTS];
	struct blkdev *file_dev[MODEL_HOSTS], *sim_dev[MODEL_HOSTS];
};

static enum reservation_type any_type(struct dice *d)
{
	static const enum reservation_type types[] = { 1, 3, 5, 5, 6, 6, 7, 8 };

	return types[dice_below(d, ARRAY_SIZE(types))];
}

static FIBER_FN int command(struct reserver *res, struct dice dice)
{
	uint64_t key = 1 + dice_below(&dice, 4), victim = 1 + dice_below(&dice, 4);
	uint64_t what = dice_below(&dice, 9);
	enum reservation_type type = any_type(&dice);

	if (what < 3)
		return reserver_register(res, key);
	if (what < 4)
		return reserver_unregister(res, key);
	if (what < 6)
		return reserver_reserve(res, key, type);
	if (what == 8)
		return reserver_release(res, key, type);
	return reserver_preempt(res, key, victim, type, what == 7);
}

static const struct reserver_key *key_of(const struct reserver_view *v, const uint8_t host[16])
{
	for (unsigned int i = 0; i < v->nr_keys; i++)
		if (memcmp(v->keys[i].host, host, 16) == 0)
			return &v->keys[i];
	return NULL;
}

static FIBER_FN void compare(struct twins *t)
{
	struct reserver_view a, b;

	assert_int_equal(reserver_read(t->file[0], &a), 0);
	assert_int_equal(reserver_read(t->sim[0], &b), 0);
	assert_int_equal(a.reserved, b.reserved);
	assert_int_equal(a.type, b.type);
	assert_true(a.holder == b.holder);
	assert_int_equal(a.generation, b.generation);
	assert_int_equal(a.nr_keys, b.nr_keys);
	for (unsigned int i = 0; i < a.nr_keys; i++) {
		const struct reserver_key *other = key_of(&b, a.keys[i].host);

		assert_non_null(other);
		assert_true(other->key == a.keys[i].key && other->holder == a.keys[i].holder);
	}
	reserver_view_release(&a);
	reserver_view_release(&b);
}

static FIBER_FN void compare_io(struct twins *t, unsigned int host)
{
	uint8_t *buf = blkdev_buf_alloc(BLOCK);

	assert_int_equal(blkdev_read(t->file_dev[host], 0, buf, BLOCK), blkdev_read(t->sim_dev[host], 0, buf, BLOCK));
	assert_int_equal(blkdev_write(t->file_dev[host], 0, buf, BLOCK),
			 blkdev_write(t->sim_dev[host], 0, buf, BLOCK));
	blkdev_buf_free(buf);
}

static FIBER_FN int body_twins(void *arg)
{
	struct twins *t = arg;

	for (int i = 0; i < 3000; i++) {
		unsigned int host = (unsigned int)dice_below(&t->dice, MODEL_HOSTS);
		struct dice dice = { t->dice.state };

		(void)dice_roll(&t->dice);
		assert_int_equal(command(t->file[host], dice), command(t->sim[host], dice));
		compare(t);
		compare_io(t, (unsigned int)dice_below(&t->dice, MODEL_HOSTS));
	}
	return 0;
}

static void test_as_simulated(void **state)
{
	static const char *const names[MODEL_HOSTS] = { "a", "b", "fifteen letters", "d" };
	uint64_t seed = sim_seed(3);
	struct twins t = { .r = sim_reactor_new(seed), .dice = { seed } };
	struct sim_disk *d = sim_disk_new(&(struct sim_disk_config){ .size = SIZE, .seed = seed });
	struct blkdev *disk = sim_disk_open(d, t.r);
	struct sim_reserve *sr;

	assert_int_equal(sim_reserve_open(t.r, seed, "sim", &sr), 0);
	for (int i = 0; i < MODEL_HOSTS; i++) {
		assert_int_equal(reserver_file_open(t.r, path, names[i], &t.file[i]), 0);
		assert_int_equal(reserver_file_blkdev(t.r, path, names[i], &t.file_dev[i]), 0);
		assert_int_equal(sim_reserve_attach(sr, names[i], disk, &t.sim_dev[i], &t.sim[i]), 0);
	}
	assert_int_equal(reactor_run(t.r, body_twins, &t), 0);
	for (int i = 0; i < MODEL_HOSTS; i++) {
		reserver_close(t.file[i]);
		blkdev_close(t.file_dev[i]);
		reserver_close(t.sim[i]);
		blkdev_close(t.sim_dev[i]);
	}
	sim_reserve_close(sr);
	blkdev_close(disk);
	sim_disk_free(d);
	reactor_close(t.r);
}

/* Files that are no good */

static void write_sidecar(const void *bytes, size_t len)
{
	int fd = open(sidecar_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void check_damaged(const uint8_t *bytes, size_t len, const char *what)
{
	struct reactor *r = sim_reactor_new(1);
	struct reserver *res;
	struct blkdev *dev;

	write_sidecar(bytes, len);
	last_log[0] = '\0';
	assert_int_equal(reserver_file_open(r, path, "server", &res), -EUCLEAN);
	assert_non_null(strstr(last_log, what));
	assert_non_null(strstr(last_log, "remove this file"));
	assert_int_equal(reserver_file_blkdev(r, path, "server", &dev), -EUCLEAN);
	reactor_close(r);
}

static void good_bytes(uint8_t bytes[SIDECAR_SIZE])
{
	struct sidecar side = { 0 };

	assert_int_equal(sidecar_register(&side, "a", 1), 0);
	assert_int_equal(sidecar_register(&side, "b", 2), 0);
	assert_int_equal(sidecar_reserve(&side, "b", 2, EARO), 0);
	sidecar_encode(&side, bytes);
}

static void check_byte(size_t at, uint8_t value, const char *what)
{
	uint8_t bytes[SIDECAR_SIZE];

	good_bytes(bytes);
	bytes[at] = value;
	check_damaged(bytes, sizeof(bytes), what);
}

static void test_damaged(void **state)
{
	uint8_t bytes[SIDECAR_SIZE + 1] = { 0 };

	check_byte(0, 'X', "beginning");
	check_byte(8, 2, "version");
	check_byte(16, 169, "too many");
	check_byte(16, 3, "key 0");
	check_byte(20, 4, "type");
	check_byte(20, 7, "without a holder");
	check_byte(24, 2, "without a holder");
	check_byte(64 + 24 + 8, 0, "bad name");
	check_byte(64 + 24 + 8, 'a', "twice");
	good_bytes(bytes);
	check_damaged(bytes, SIDECAR_SIZE - 1, "size");
	check_damaged(bytes, SIDECAR_SIZE + 1, "size");
	check_damaged((const uint8_t *)"hello", 5, "size");
}

/* Any damage is found or harmless. */
static void test_damaged_anyhow(void **state)
{
	struct dice dice = { 7 };

	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[SIDECAR_SIZE], again[SIDECAR_SIZE];
		struct sidecar side;
		const char *what;

		good_bytes(bytes);
		for (uint64_t n = 1 + dice_below(&dice, 4); n > 0; n--)
			bytes[dice_below(&dice, 130)] = (uint8_t)dice_roll(&dice);
		if (sidecar_decode(bytes, &side, &what))
			continue;
		assert_int_equal(sidecar_preempt(&side, side.hosts[0].name, side.hosts[0].key, 0xffff, EARO), -EBUSY);
		(void)!sidecar_unregister(&side, "a", 1);
		sidecar_encode(&side, again);
		assert_int_equal(sidecar_decode(again, &side, &what), 0);
	}
}

static void test_full(void **state)
{
	struct sidecar side = { 0 };
	char name[SIDECAR_HOST_LEN];

	for (unsigned int i = 0; i < SIDECAR_HOSTS_MAX; i++) {
		snprintf(name, sizeof(name), "host %u", i);
		assert_int_equal(sidecar_register(&side, name, 1), 0);
	}
	assert_int_equal(sidecar_register(&side, "one more", 1), -ENOSPC);
	assert_int_equal(sidecar_register(&side, "host 5", 2), 0);
	assert_int_equal(sidecar_reserve(&side, "host 5", 2, EARO), 0);
	assert_int_equal(sidecar_preempt(&side, "host 5", 2, 1, EARO), 0);
	assert_int_equal(side.nr, 1);
	assert_true(sidecar_holds(&side, 0));
}

static void test_refused(void **state)
{
	struct reactor *r = sim_reactor_new(1);
	struct reserver *res;
	struct blkdev *dev;

	assert_int_equal(reserver_file_open(r, path, "", &res), -EINVAL);
	assert_int_equal(reserver_file_open(r, path, "sixteen letters!", &res), -EINVAL);
	assert_int_equal(reserver_file_blkdev(r, path, "", &dev), -EINVAL);
	assert_int_equal(reserver_file_open(r, "no such file", "a", &res), -ENOENT);
	assert_int_equal(reserver_file_blkdev(r, "no such file", "a", &dev), -ENOENT);
	assert_int_equal(access("no such file.reservations", F_OK), -1);
	assert_int_equal(reserver_file_open(r, "/dev/null", "a", &res), -EOPNOTSUPP);
	reactor_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_io, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_many_requests, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_slow_write, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_fence_between_programs, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_killed, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_as_simulated, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_damaged, make_file, remove_file),
		cmocka_unit_test(test_damaged_anyhow),
		cmocka_unit_test(test_full),
		cmocka_unit_test_setup_teardown(test_refused, make_file, remove_file),
	};

	nr_registered = mmap(NULL, sizeof(*nr_registered), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(nr_registered != MAP_FAILED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
