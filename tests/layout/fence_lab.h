/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TESTS_LAYOUT_FENCE_LAB_H
#define LAMINA_TESTS_LAYOUT_FENCE_LAB_H

/*
 * A volume on disks with simulated reservations, its keeper of fences, and hosts that reach the disks.  To be
 * included once in a test program.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "layout/fence_int.h"
#include "tests/lib/store.h"
#include "tests/sim/sim_reserve.h"

#define DISKS	   3
#define MS	   UINT64_C(1000000)
#define BLOCK_WAIT (90 * 1000 * MS)
#define DRAIN	   (30 * 1000 * MS)
#define AWAY	   (8u << 20) /* of what the store uses at first */
#define EA	   RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY
#define EA_ALL	   RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS

/* A host's paths. */
struct host {
	struct blkdev *dev[DISKS];
	struct reserver *res[DISKS];
};

struct world {
	struct store store;
	struct sim_reserve *sr[DISKS];
	struct host server, victim, other;
	struct identity identity;
	struct layout_source sources[DISKS];
	struct layout_devices devices;
	struct fence_options opt;
	struct fence *fence;
	uint64_t key; /* of the victim */
};

static struct world *world_of(struct store *s)
{
	return container_of(s, struct world, store);
}

static void host_open(struct world *w, const char *name, struct host *h)
{
	for (unsigned int i = 0; i < DISKS; i++)
		assert_int_equal(sim_reserve_attach(w->sr[i], name, w->store.devs[i], &h->dev[i], &h->res[i]), 0);
}

static void host_close(struct host *h)
{
	for (unsigned int i = 0; i < DISKS; i++) {
		reserver_close(h->res[i]);
		blkdev_close(h->dev[i]);
	}
}

static FIBER_FN int host_write(struct host *h, unsigned int i)
{
	void *buf = blkdev_buf_alloc(4096);
	int err = blkdev_write(h->dev[i], AWAY, buf, 4096);

	blkdev_buf_free(buf);
	return err;
}

static FIBER_FN void keeper_open(struct world *w)
{
	for (unsigned int i = 0; i < DISKS; i++)
		w->sources[i] = (struct layout_source){ .dev = w->store.devs[i],
							.identity = &w->identity,
							.reserver = w->server.res[i] };
	assert_int_equal(layout_devices_open(w->store.fs, w->sources, DISKS, &w->devices), 0);
	assert_int_equal(fence_open(w->store.r, w->store.fs, &w->devices, &w->opt, &w->fence, NULL), 0);
}

static FIBER_FN void keeper_close(struct world *w)
{
	fence_interrupt(w->fence);
	fence_close(w->fence);
	w->fence = NULL;
	layout_devices_close(&w->devices);
}

struct key_job {
	const char *owner;
	uint64_t key;
};

static int key_body(struct txn *txn, void *arg)
{
	struct key_job *job = arg;

	return fence_key(txn, job->owner, strlen(job->owner), &job->key);
}

static FIBER_FN uint64_t key_of(struct world *w, const char *owner)
{
	const struct txn_options opt = { .log_max = FENCE_LOG_KEY };
	struct key_job job = { .owner = owner };

	assert_int_equal(txn_run(w->store.fs, &opt, key_body, &job, NULL), 0);
	assert_true(job.key != 0);
	return job.key;
}

static FIBER_FN void host_join(struct host *h, uint64_t key)
{
	for (unsigned int i = 0; i < DISKS; i++) {
		assert_int_equal(reserver_register(h->res[i], key), 0);
		assert_int_equal(host_write(h, i), 0);
	}
}

static FIBER_FN void world_up(struct world *w)
{
	host_open(w, "server", &w->server);
	host_open(w, "victim", &w->victim);
	host_open(w, "other", &w->other);
	keeper_open(w);
	w->key = key_of(w, "Linux NFSv4.2 victim");
}

static FIBER_FN void world_down(struct world *w)
{
	keeper_close(w);
	host_close(&w->server);
	host_close(&w->victim);
	host_close(&w->other);
}

/* As by kill -9 and a power cut of the disks; reservations stay. */
static FIBER_FN void world_restart(struct world *w)
{
	world_down(w);
	store_power_cut(&w->store, 1);
	assert_int_equal(store_mount(&w->store), 0);
	world_up(w);
}

static void faults(struct world *w, const struct sim_reserve_faults *f)
{
	for (unsigned int i = 0; i < DISKS; i++)
		sim_reserve_set_faults(w->sr[i], f);
}

static FIBER_FN uint64_t now(struct world *w)
{
	return reactor_now_ns(w->store.r);
}

static FIBER_FN void check_fenced(struct world *w)
{
	assert_int_equal(fence_state_of(w->fence, w->key), FENCE_PROVED);
	for (unsigned int i = 0; i < DISKS; i++) {
		assert_false(sim_reserve_has_key(w->sr[i], w->key));
		assert_int_equal(host_write(&w->victim, i), -EBADE);
	}
}

static FIBER_FN void fence_it(struct world *w, uint64_t key)
{
	enum fence_proof proof = FENCE_BY_NOTHING;

	assert_int_equal(fence_client(w->fence, key, LAYOUT_SCSI, "10.0.0.9", &proof), 0);
	assert_int_equal(proof, FENCE_BY_KEYS);
}

static FIBER_FN void fence_fails(struct world *w)
{
	enum fence_proof proof = FENCE_BY_NOTHING;

	assert_int_equal(fence_client(w->fence, w->key, LAYOUT_SCSI, "10.0.0.9", &proof), -EBUSY);
	assert_int_equal(proof, FENCE_BY_NOTHING);
	assert_int_equal(fence_state_of(w->fence, w->key), FENCE_BEGUN);
}

/* A fence that the end of the server interrupts. */
static FIBER_FN void fence_stopped(void *arg)
{
	struct world *w = arg;
	enum fence_proof proof;
	int err = fence_client(w->fence, w->key, LAYOUT_SCSI, "", &proof);

	assert_int_equal(err, -ESHUTDOWN);
}

/* ---- the frame ---- */

static FIBER_FN void frame_main(struct store *s, void *arg)
{
	FIBER_FN void (*const *body)(struct store * s, void *arg) = arg;

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	(*body)(s, NULL);
	store_unmount(s);
}

/* The last @nr_spare of the disks are not of the volume yet. */
static void run_grows(void (*body)(struct store *s, void *arg), unsigned int nr_spare)
{
	const struct store_config cfg = { .seed = store_seed(1), .nr_disks = DISKS - nr_spare, .nr_spare = nr_spare };
	struct world w = { .opt = { .type = EA, .block_wait_ns = BLOCK_WAIT, .drain_ns = DRAIN } };
	char name[8];

	store_init(&w.store, &cfg);
	w.identity = (struct identity){ .kind = IDENTITY_SCSI, .nr_designators = 1 };
	w.identity.designators[0] = (struct designator){
		.type = DESIGNATOR_NAA, .code_set = CODE_SET_BINARY, .len = 8, .bytes = "12345"
	};
	w.identity.reservations.supported = true;
	for (unsigned int i = 0; i < DISKS; i++) {
		snprintf(name, sizeof(name), "lu%u", i);
		assert_int_equal(sim_reserve_open(w.store.r, cfg.seed + i, name, &w.sr[i]), 0);
	}
	store_run(&w.store, frame_main, &body);
	for (unsigned int i = 0; i < DISKS; i++)
		sim_reserve_close(w.sr[i]);
	store_release(&w.store);
}

static void run(void (*body)(struct store *s, void *arg))
{
	run_grows(body, 0);
}

#define FENCE_TEST(name)                                                                                             \
	static void test_##name(void **state)                                                                        \
	{                                                                                                            \
		run(name##_main);                                                                                    \
	}

#endif
