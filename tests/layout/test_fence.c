/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and fences over simulated reservations.  What counts in each test is that the victim's writes are refused once
 * the fence is proved, and that nothing is called proved before.
 */

#include "tests/layout/fence_lab.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- tests ---- */

static FIBER_FN void keys_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);
	uint64_t key, other;

	world_up(w);
	key = w->key;
	assert_int_equal(key >> 48, 0x4c4d);
	assert_true(key != fence_own_key(w->fence));
	/* One host has several owners, and keeps its key for ever. */
	assert_int_equal(key_of(w, "Linux NFSv4.1 victim"), key);
	assert_int_equal(key_of(w, "Linux NFSv4.0 victim"), key);
	other = key_of(w, "Linux NFSv4.2 victim2");
	assert_true(other != key);
	assert_true(key_of(w, "Linux NFSv4.2 id/victim") != key);
	assert_true(key_of(w, "Linux NFSv4.") != key_of(w, "Linux NFSv4. "));
	assert_true(key_of(w, "") != key_of(w, "x"));
	world_restart(w);
	assert_int_equal(w->key, key);
	assert_int_equal(key_of(w, "Linux NFSv4.2 victim2"), other);
	world_down(w);
}

/* A thousand hosts have a thousand keys. */
static FIBER_FN void many_keys_main(struct store *s, void *arg)
{
	static uint64_t keys[1000];
	struct world *w = world_of(s);
	char owner[32];

	world_up(w);
	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++) {
		snprintf(owner, sizeof(owner), "host %u", i);
		keys[i] = key_of(w, owner);
		for (unsigned int j = 0; j < i; j++)
			assert_true(keys[i] != keys[j]);
	}
	world_down(w);
}

static FIBER_FN void plain_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);
	struct reserver_view view = { 0 };
	struct fence_entry e;
	uint64_t begin;

	world_up(w);
	assert_int_equal(w->devices.offers, LAYOUT_SCSI);
	host_join(&w->victim, w->key);
	assert_int_equal(fence_state_of(w->fence, w->key), FENCE_NONE);
	assert_false(fence_entry(w->fence, 0, &e));
	begin = now(w);
	fence_it(w, w->key);
	assert_true(now(w) - begin < 100 * MS);
	check_fenced(w);
	assert_true(fence_entry(w->fence, 0, &e));
	assert_int_equal(e.key, w->key);
	assert_int_equal(e.proof, FENCE_BY_KEYS);
	assert_true(e.took_ns > 0 && e.took_ns < 100 * MS);
	assert_string_equal(e.owner, "Linux NFSv4. victim");
	assert_int_equal(fence_read_device(w->fence, 0, &view), 0);
	assert_true(view.reserved && view.type == EA && view.holder == fence_own_key(w->fence));
	assert_int_equal(view.nr_keys, 1);
	reserver_view_release(&view);
	/* Once more, and after a restart: it is what it was. */
	fence_it(w, w->key);
	world_restart(w);
	check_fenced(w);
	/* It registers by itself, though it was told no key; and is cut again. */
	host_join(&w->victim, w->key);
	fence_it(w, w->key);
	check_fenced(w);
	/* Back and clean. */
	assert_int_equal(fence_lift(w->fence, w->key), 0);
	assert_int_equal(fence_lift(w->fence, w->key), -ENOENT);
	assert_int_equal(fence_state_of(w->fence, w->key), FENCE_NONE);
	world_restart(w);
	assert_int_equal(fence_state_of(w->fence, w->key), FENCE_NONE);
	host_join(&w->victim, w->key);
	assert_int_equal(fence_lift(w->fence, 0x1234), -ENOENT);
	world_down(w);
}

/* Other hosts go on, and stay fenced. */
static FIBER_FN void lies_main(struct store *s, void *arg)
{
	const struct sim_reserve_faults lies = { .preempt_lies = true };
	struct world *w = world_of(s);
	struct reserver_view view = { 0 };
	uint64_t other, begin;

	world_up(w);
	other = key_of(w, "other");
	host_join(&w->victim, w->key);
	host_join(&w->other, other);
	faults(w, &lies);
	begin = now(w);
	fence_it(w, w->key);
	/* Everything was aborted, so nothing is waited for. */
	assert_true(now(w) - begin < 100 * MS);
	check_fenced(w);
	for (unsigned int i = 0; i < DISKS; i++)
		assert_int_equal(host_write(&w->other, i), 0);
	fence_it(w, other);
	assert_int_equal(host_write(&w->other, 0), -EBADE);
	check_fenced(w);
	assert_int_equal(fence_read_device(w->fence, 1, &view), 0);
	assert_true(view.reserved && view.type == EA_ALL);
	reserver_view_release(&view);
	/* A reservation of all registrants is taken over as it is. */
	world_restart(w);
	assert_int_equal(w->devices.offers, LAYOUT_SCSI);
	check_fenced(w);
	world_down(w);
}

struct writer {
	struct world *w;
	bool stop;
	unsigned int writes;
};

static FIBER_FN void write_on(void *arg)
{
	struct writer *writer = arg;

	while (!writer->stop) {
		for (unsigned int i = 0; i < DISKS; i++)
			assert_int_equal(host_write(&writer->w->server, i), 0);
		writer->writes++;
	}
}

/* All at once: whatever it takes, the server itself reads and writes meanwhile. */
static FIBER_FN void lies_and_hangs_main(struct store *s, void *arg)
{
	const struct sim_reserve_faults bad = { .preempt_lies = true, .preempt_abort_hangs = true };
	struct world *w = world_of(s);
	struct writer writer = { .w = w };
	struct fiber *fiber;
	uint64_t other;

	world_up(w);
	other = key_of(w, "other");
	host_join(&w->victim, w->key);
	host_join(&w->other, other);
	faults(w, &bad);
	assert_int_equal(fiber_spawn(s->r, "writer", write_on, &writer, &fiber), 0);
	fence_it(w, w->key);
	check_fenced(w);
	/* There already is a reservation of all registrants. */
	fence_it(w, other);
	check_fenced(w);
	assert_int_equal(host_write(&w->other, 0), -EBADE);
	writer.stop = true;
	fiber_join(fiber);
	assert_true(writer.writes > 100);
	world_down(w);
}

/* Without abort: what the victim has in the device may still happen, and is waited for, over a restart too. */
static FIBER_FN void hangs_main(struct store *s, void *arg)
{
	const struct sim_reserve_faults hangs = { .preempt_abort_hangs = true };
	struct world *w = world_of(s);
	uint64_t begin;

	world_up(w);
	host_join(&w->victim, w->key);
	faults(w, &hangs);
	begin = now(w);
	fence_it(w, w->key);
	assert_true(now(w) - begin >= DRAIN && now(w) - begin < DRAIN + 5000 * MS);
	check_fenced(w);
	begin = now(w);
	fence_it(w, w->key);
	assert_true(now(w) - begin < 100 * MS);
	world_down(w);
}

static FIBER_FN void interrupted_main(struct store *s, void *arg)
{
	const struct sim_reserve_faults hangs = { .preempt_abort_hangs = true };
	struct world *w = world_of(s);
	struct fiber *fiber;
	uint64_t begin;

	world_up(w);
	host_join(&w->victim, w->key);
	faults(w, &hangs);
	assert_int_equal(fiber_spawn(s->r, "fence", fence_stopped, w, &fiber), 0);
	fiber_sleep_ns(5000 * MS);
	assert_true(fence_is_busy(w->fence, w->key));
	assert_false(sim_reserve_has_key(w->sr[0], w->key));
	assert_int_equal(fence_state_of(w->fence, w->key), FENCE_BEGUN);
	fence_interrupt(w->fence);
	fiber_join(fiber);
	world_restart(w);
	assert_int_equal(fence_state_of(w->fence, w->key), FENCE_BEGUN);
	begin = now(w);
	fence_it(w, w->key);
	assert_true(now(w) - begin >= DRAIN);
	check_fenced(w);
	world_down(w);
}

/* Nothing helps: then it is not proved, and says so, until something does. */
static FIBER_FN void fails_main(struct store *s, void *arg)
{
	const struct sim_reserve_faults fails = { .preempt_fails = true }, none = { .preempt_fails = false };
	struct world *w = world_of(s);
	struct fence_entry e;

	world_up(w);
	host_join(&w->victim, w->key);
	/* One of three devices is enough to be in danger. */
	sim_reserve_set_faults(w->sr[1], &fails);
	fence_fails(w);
	assert_true(sim_reserve_has_key(w->sr[1], w->key));
	assert_true(fence_entry(w->fence, 0, &e));
	assert_int_equal(e.took_ns, 0);
	assert_non_null(strstr(e.why, "still registered"));
	world_restart(w);
	assert_int_equal(fence_state_of(w->fence, w->key), FENCE_BEGUN);
	fence_fails(w);
	assert_true(fence_entry(w->fence, 0, &e));
	assert_int_equal(e.tries, 2);
	sim_reserve_set_faults(w->sr[1], &none);
	fence_it(w, w->key);
	check_fenced(w);
	world_down(w);
}

/* A person vouches. */
static FIBER_FN void vouch_main(struct store *s, void *arg)
{
	const struct sim_reserve_faults fails = { .preempt_fails = true };
	struct world *w = world_of(s);
	enum fence_proof proof;

	world_up(w);
	host_join(&w->victim, w->key);
	faults(w, &fails);
	fence_fails(w);
	assert_int_equal(fence_vouch(w->fence, w->key), 0);
	world_restart(w);
	assert_int_equal(fence_state_of(w->fence, w->key), FENCE_PROVED);
	assert_int_equal(fence_client(w->fence, w->key, LAYOUT_SCSI, "", &proof), 0);
	assert_int_equal(proof, FENCE_BY_ADMIN);
	assert_int_equal(fence_vouch(w->fence, 0x4c4d000000000001), -ENOENT);
	world_down(w);
}

/* What a person fences only a person lifts. */
static FIBER_FN void hold_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);
	struct fence_entry e;

	world_up(w);
	host_join(&w->victim, w->key);
	assert_int_equal(fence_hold(w->fence, w->key, true), 0);
	fence_it(w, w->key);
	assert_int_equal(fence_lift(w->fence, w->key), -EPERM);
	world_restart(w);
	assert_int_equal(fence_lift(w->fence, w->key), -EPERM);
	assert_true(fence_entry_of(w->fence, w->key, &e) && e.held);
	check_fenced(w);
	assert_int_equal(fence_hold(w->fence, w->key, false), 0);
	assert_int_equal(fence_lift(w->fence, w->key), 0);
	assert_false(fence_entry_of(w->fence, w->key, &e));
	world_down(w);
}

/* A target that lost everything: first the reservation is there again, then the fence means something. */
static FIBER_FN void lost_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);

	world_up(w);
	host_join(&w->victim, w->key);
	for (unsigned int i = 0; i < DISKS; i++) {
		assert_int_equal(reserver_unregister(w->victim.res[i], w->key), 0);
		assert_int_equal(reserver_unregister(w->server.res[i], fence_own_key(w->fence)), 0);
		assert_int_equal(host_write(&w->victim, i), 0);
	}
	fence_it(w, w->key);
	check_fenced(w);
	world_down(w);
}

/* The watch finds out without a fence: of a target that lost all, and of a host that comes back by itself. */
static FIBER_FN void watch_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);

	w->opt.watch_ns = 60 * 1000 * MS;
	world_up(w);
	host_join(&w->victim, w->key);
	fence_it(w, w->key);
	for (unsigned int i = 0; i < DISKS; i++)
		assert_int_equal(reserver_unregister(w->server.res[i], fence_own_key(w->fence)), 0);
	assert_int_equal(host_write(&w->victim, 1), 0);
	fiber_sleep_ns(61 * 1000 * MS);
	check_fenced(w);
	for (unsigned int i = 0; i < DISKS; i++)
		assert_int_equal(reserver_register(w->victim.res[i], w->key), 0);
	assert_int_equal(host_write(&w->victim, 1), 0);
	fiber_sleep_ns(6 * 1000 * MS);
	check_fenced(w);
	world_down(w);
}

/* Errors by chance: never proved while it can write, and proved in the end. */
static FIBER_FN void errors_main(struct store *s, void *arg)
{
	const struct sim_reserve_faults errors = { .error_ppm = 200000 };
	const struct sim_reserve_faults none = { .error_ppm = 0 };
	struct world *w = world_of(s);
	enum fence_proof proof;
	int err = -EBUSY;

	world_up(w);
	for (unsigned int round = 0; round < 20; round++) {
		faults(w, &none);
		host_join(&w->victim, w->key);
		faults(w, &errors);
		do
			err = fence_client(w->fence, w->key, LAYOUT_SCSI, "", &proof);
		while (err == -EBUSY);
		assert_int_equal(err, 0);
		check_fenced(w);
		assert_int_equal(fence_lift(w->fence, w->key), 0);
	}
	world_down(w);
}

/* Somebody else's reservation is not ours to take. */
static FIBER_FN void foreign_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);

	host_open(w, "server", &w->server);
	host_open(w, "victim", &w->victim);
	host_open(w, "other", &w->other);
	assert_int_equal(reserver_register(w->other.res[2], 77), 0);
	assert_int_equal(reserver_reserve(w->other.res[2], 77, EA), 0);
	keeper_open(w);
	assert_int_equal(w->devices.offers, 0);
	assert_non_null(strstr(w->devices.v[2].why_not_scsi, "0x4d"));
	assert_true(sim_reserve_has_key(w->sr[2], 77));
	world_down(w);
}

/* The server on another host: nothing can be read before it has registered again. */
static FIBER_FN void rejoin_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);
	void *buf = blkdev_buf_alloc(4096);

	world_up(w);
	assert_int_equal(fence_rejoin(w->other.res[0]), 0);
	assert_int_equal(blkdev_read(w->other.dev[0], 0, buf, 4096), 0);
	assert_int_equal(blkdev_read(w->other.dev[1], 0, buf, 4096), -EBADE);
	host_join(&w->victim, w->key);
	host_close(&w->server);
	keeper_close(w);
	host_open(w, "server 2", &w->server);
	for (unsigned int i = 0; i < DISKS; i++)
		assert_int_equal(fence_rejoin(w->server.res[i]), 0);
	keeper_open(w);
	assert_int_equal(w->devices.offers, LAYOUT_SCSI);
	fence_it(w, w->key);
	check_fenced(w);
	world_down(w);
	blkdev_buf_free(buf);
}

/* The reservation's type is changed by the configuration. */
static FIBER_FN void type_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);
	void *buf = blkdev_buf_alloc(4096);

	world_up(w);
	assert_int_equal(blkdev_read(w->other.dev[0], 0, buf, 4096), -EBADE);
	keeper_close(w);
	w->opt.type = RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY;
	keeper_open(w);
	assert_int_equal(w->devices.offers, LAYOUT_SCSI);
	assert_int_equal(blkdev_read(w->other.dev[0], 0, buf, 4096), 0);
	assert_int_equal(host_write(&w->other, 0), -EBADE);
	host_join(&w->victim, w->key);
	fence_it(w, w->key);
	check_fenced(w);
	world_down(w);
	blkdev_buf_free(buf);
}

/* ---- layouts of the block type ---- */

static FIBER_FN void time_main(struct store *s, void *arg)
{
	struct world *w = world_of(s);
	enum fence_proof proof = FENCE_BY_NOTHING;
	uint64_t begin;

	world_up(w);
	begin = now(w);
	assert_int_equal(fence_client(w->fence, w->key, LAYOUT_BLOCK, "10.0.0.9", &proof), 0);
	assert_int_equal(proof, FENCE_BY_TIME);
	assert_true(now(w) - begin >= BLOCK_WAIT);
	begin = now(w);
	assert_int_equal(fence_client(w->fence, w->key, LAYOUT_BLOCK, "10.0.0.9", &proof), 0);
	assert_true(now(w) == begin);
	world_down(w);
}

static void write_script(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, 0700), 0);
	assert_int_equal(close(fd), 0);
}

static FIBER_FN void command_main(struct store *s, void *arg)
{
	char script[] = "/tmp/lamina_fence_XXXXXX", seen[64], line[128] = "", want[128];
	struct world *w = world_of(s);
	enum fence_proof proof = FENCE_BY_NOTHING;
	FILE *in;

	write_script(script, "#!/bin/sh\necho \"$1 $2 $#\" > \"$0.seen\"\n");
	w->opt.command = script;
	world_up(w);
	assert_int_equal(fence_client(w->fence, w->key, LAYOUT_BLOCK, "10.0.0.9", &proof), 0);
	assert_int_equal(proof, FENCE_BY_COMMAND);
	snprintf(seen, sizeof(seen), "%s.seen", script);
	in = fopen(seen, "r");
	assert_non_null(in);
	assert_non_null(fgets(line, sizeof(line), in));
	fclose(in);
	snprintf(want, sizeof(want), "10.0.0.9 %016llx 2\n", (unsigned long long)w->key);
	assert_string_equal(line, want);
	unlink(seen);
	unlink(script);
	world_down(w);
}

/* It fails; it is killed; there is none such. */
static FIBER_FN void bad_command_main(struct store *s, void *arg)
{
	static const char *const bad[] = { "#!/bin/sh\nexit 3\n", "#!/bin/sh\nkill -9 $$\n" };
	struct world *w = world_of(s);
	enum fence_proof proof = FENCE_BY_NOTHING;
	struct fence_entry e;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char script[] = "/tmp/lamina_fence_XXXXXX";

		write_script(script, bad[i]);
		w->opt.command = script;
		world_up(w);
		assert_int_equal(fence_client(w->fence, w->key, LAYOUT_BLOCK, "a", &proof), -EBUSY);
		assert_true(fence_entry(w->fence, 0, &e));
		assert_non_null(strstr(e.why, i ? "signal 9" : "exit code 3"));
		world_down(w);
		unlink(script);
	}
	w->opt.command = "/nowhere/at/all";
	world_up(w);
	assert_int_equal(fence_client(w->fence, w->key, LAYOUT_BLOCK, "a", &proof), -EBUSY);
	assert_int_equal(proof, FENCE_BY_NOTHING);
	world_down(w);
}

struct under_way {
	struct world *w;
	bool done;
};

static FIBER_FN void under_way_main(void *arg)
{
	struct under_way *u = arg;

	fence_it(u->w, u->w->key);
	u->done = true;
}

/* A device is added to the volume, while a fence is under way on the others. */
static FIBER_FN void added_main(struct store *s, void *arg)
{
	const struct sim_reserve_faults hangs = { .preempt_abort_hangs = true };
	const unsigned int new = DISKS - 1;
	struct world *w = world_of(s);
	struct under_way u = { .w = w };
	struct why why = { "" };
	uint64_t other;

	world_up(w);
	assert_int_equal(w->devices.nr, new);
	other = key_of(w, "Linux NFSv4.2 other");
	/* Somebody else's: nothing of the server is left there. */
	assert_int_equal(reserver_register(w->other.res[new], 0x77), 0);
	assert_int_equal(reserver_reserve(w->other.res[new], 0x77, EA), 0);
	assert_int_equal(layout_device_propose(&w->devices, s->devs[new], &w->sources[new], &why), 0);
	assert_int_equal(fence_admit(w->fence, new, &why), -EBUSY);
	assert_non_null(strstr(why.text, "with key 0x77"));
	assert_false(sim_reserve_has_key(w->sr[new], fence_own_key(w->fence)));
	assert_int_equal(reserver_unregister(w->other.res[new], 0x77), 0);
	/* Taken, and given back. */
	assert_int_equal(fence_admit(w->fence, new, &why), 0);
	assert_int_equal(host_write(&w->victim, new), -EBADE);
	fence_dismiss(w->fence, new);
	assert_int_equal(host_write(&w->victim, new), 0);

	for (unsigned int i = 0; i < new; i++)
		assert_int_equal(reserver_register(w->victim.res[i], w->key), 0);
	faults(w, &hangs);
	assert_int_equal(fiber_spawn(s->r, "fence", under_way_main, &u, NULL), 0);
	fiber_sleep_ns(100 * MS);
	assert_int_equal(layout_device_propose(&w->devices, s->devs[new], &w->sources[new], &why), 0);
	assert_int_equal(fence_admit(w->fence, new, &why), 0);
	assert_int_equal(store_grow(s), 0);
	layout_device_adopt(&w->devices, s->fs, &w->sources[new]);
	assert_false(u.done);
	while (!u.done)
		fiber_sleep_ns(1000 * MS);
	check_fenced(w);
	faults(w, &(struct sim_reserve_faults){ 0 });

	/* From now on it is one like the others. */
	host_join(&w->other, other);
	fence_it(w, other);
	for (unsigned int i = 0; i < DISKS; i++)
		assert_int_equal(host_write(&w->other, i), -EBADE);
	world_restart(w);
	assert_int_equal(w->devices.nr, DISKS);
	check_fenced(w);
	world_down(w);
}

static void test_added(void **state)
{
	run_grows(added_main, 1);
}

FENCE_TEST(keys)
FENCE_TEST(many_keys)
FENCE_TEST(plain)
FENCE_TEST(lies)
FENCE_TEST(lies_and_hangs)
FENCE_TEST(hangs)
FENCE_TEST(interrupted)
FENCE_TEST(fails)
FENCE_TEST(vouch)
FENCE_TEST(hold)
FENCE_TEST(lost)
FENCE_TEST(watch)
FENCE_TEST(errors)
FENCE_TEST(foreign)
FENCE_TEST(rejoin)
FENCE_TEST(type)
FENCE_TEST(time)
FENCE_TEST(command)
FENCE_TEST(bad_command)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),	    cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_plain),	    cmocka_unit_test(test_lies_and_hangs),
		cmocka_unit_test(test_lies),	    cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_interrupted), cmocka_unit_test(test_fails),
		cmocka_unit_test(test_vouch),	    cmocka_unit_test(test_hold),
		cmocka_unit_test(test_lost),	    cmocka_unit_test(test_watch),
		cmocka_unit_test(test_errors),	    cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_rejoin),	    cmocka_unit_test(test_type),
		cmocka_unit_test(test_time),	    cmocka_unit_test(test_command),
		cmocka_unit_test(test_bad_command), cmocka_unit_test(test_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
