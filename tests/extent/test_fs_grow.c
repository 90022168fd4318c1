/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adding a device to a mounted volume: what is refused, what the volume is afterwards, and what a power cut leaves at
 * every write of it, under transactions that go on; and again at every write of adding it a second time.
 */

#include "extent/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "extent/alloc.h"
#include "extent/check_run.h"
#include "extent/label.h"
#include "extent/limbo.h"
#include "tests/lib/check.h"
#include "tests/lib/store.h"
#include "tests/sim/sim_util.h"

#define MIB (1u << 20)

static void with_store(const struct store_config *cfg, void (*fn)(struct store *s, void *arg), void *arg)
{
	struct store s;

	store_init(&s, cfg);
	store_run(&s, fn, arg);
	CHECK(!s.fs);
	store_release(&s);
}

static void expect_text(const struct why *why, const char *text)
{
	if (strstr(why->text, text))
		return;
	fprintf(stderr, "\"%s\" does not say \"%s\"\n", why->text, text);
	abort();
}

static void say(void *arg, enum check_severity severity, const char *sentence)
{
	if (severity == CHECK_ERROR)
		fprintf(stderr, "check: %s\n", sentence);
}

FIBER_FN static void check_all(struct fs *fs)
{
	struct check_options opt = { .memory = MIB, .report = say };
	struct check_result res;

	CHECK_EQ(check_run(fs, &opt, &res), 0);
	CHECK_EQ(res.errors, 0);
}

/* A transaction that leaves a version under a number, and blocks in limbo: they have an owner, for the check. */
struct step {
	uint64_t number, version;
	int dev; /* where blocks are taken */
	uint64_t daddr, len;
	size_t more; /* bytes of another item */
};

static int step_body(struct txn *txn, void *arg)
{
	static const uint8_t bytes[1024];
	struct step *st = arg;
	struct alloc_want want = { .len = 1 + st->version % 8, .min_len = 1, .goal = ALLOC_ANY, .dev = st->dev };
	int err = alloc_take(txn, &want, &st->daddr, &st->len);

	if (!err)
		err = limbo_add(txn, st->number, st->daddr, st->len);
	if (!err)
		err = txn_put(txn, key_make(ZONE_STATE, st->number, 1, 0), &st->version, sizeof(st->version));
	if (!err && st->more)
		err = txn_put(txn, key_make(ZONE_STATE, st->number, 1, 1), bytes, st->more);
	return err;
}

FIBER_FN static void step_durable(struct fs *fs, struct step *st)
{
	uint64_t seq = 0;

	CHECK_EQ(txn_run(fs, NULL, step_body, st, &seq), 0);
	CHECK_EQ(txn_wait_durable(fs, seq), 0);
}

static int version_body(struct txn *txn, void *arg)
{
	struct step *st = arg;
	struct item item;
	int err = txn_get(txn, key_make(ZONE_STATE, st->number, 1, 0), &item);

	st->version = 0;
	if (!err)
		memcpy(&st->version, item.val, sizeof(st->version));
	return err == -ENOENT ? 0 : err;
}

FIBER_FN static uint64_t version_of(struct fs *fs, uint64_t number)
{
	struct step st = { .number = number };

	CHECK_EQ(txn_read(fs, version_body, &st), 0);
	return st.version;
}

/* ---- what it is afterwards ---- */

FIBER_FN static void take_all_of_device(struct fs *fs, unsigned int dev)
{
	struct fs_stats before, after;
	struct step st = { .number = 7, .version = 7, .dev = (int)dev };

	fs_stats(fs, &before);
	for (unsigned int i = 0; i < 20; i++) {
		step_durable(fs, &st);
		CHECK_EQ(daddr_dev(st.daddr), dev);
	}
	fs_stats(fs, &after);
	CHECK_EQ(before.free_blocks - after.free_blocks, 20 * 8);
}

FIBER_FN static void mount_must_fail(struct store *s, const char *text, const char *more)
{
	CHECK_EQ(store_mount(s), -EINVAL);
	expect_text(&s->why, text);
	expect_text(&s->why, more);
}

static void swap_devices(struct store *s)
{
	struct blkdev *first = s->devs[0];

	s->devs[0] = s->devs[1];
	s->devs[1] = first;
}

FIBER_FN static void do_grow(struct store *s, void *arg)
{
	struct step st = { .number = 1, .version = 5, .dev = ALLOC_DEV_ANY };
	struct fs_stats before, after;
	char uuid[UUID_STR_LEN];
	uint8_t id[UUID_LEN];

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	step_durable(s->fs, &st);
	fs_stats(s->fs, &before);
	CHECK_EQ(store_grow(s), 0);
	CHECK_EQ(fs_nr_devices(s->fs), 2);
	CHECK(fs_device(s->fs, 1) == s->devs[1]);
	fs_stats(s->fs, &after);
	/* All but what is before the data, and the copy of the label. */
	CHECK_EQ(after.total_blocks - before.total_blocks, (s->cfg.disk_size - DATA_OFFSET_OTHERS) / 4096 - 1);
	CHECK_EQ(after.free_blocks - before.free_blocks, after.total_blocks - before.total_blocks);
	CHECK(memcmp(fs_device_uuid(s->fs, 0), fs_device_uuid(s->fs, 1), UUID_LEN) != 0);
	memcpy(id, fs_device_uuid(s->fs, 1), UUID_LEN);
	take_all_of_device(s->fs, 1);
	check_all(s->fs);
	store_unmount(s);

	/* Without it there is no volume, and who it is gets said. */
	s->cfg.nr_disks = 1;
	uuid_unparse_lower(id, uuid);
	mount_must_fail(s, "device 2 of the volume's 2 is missing", uuid);
	s->cfg.nr_disks = 2;
	swap_devices(s);
	CHECK_EQ(store_mount(s), 0);
	swap_devices(s);
	CHECK(fs_device(s->fs, 1) == s->devs[1]);
	CHECK(memcmp(fs_device_uuid(s->fs, 1), id, UUID_LEN) == 0);
	CHECK_EQ(version_of(s->fs, 1), 5);
	check_all(s->fs);
	/* And once more. */
	CHECK_EQ(store_grow(s), 0);
	take_all_of_device(s->fs, 2);
	store_power_cut(s, 9);
	CHECK_EQ(store_mount(s), 0);
	CHECK_EQ(fs_nr_devices(s->fs), 3);
	check_all(s->fs);
	store_unmount(s);
}

static void test_grow(void **state)
{
	with_store(&(struct store_config){ .seed = 1, .nr_spare = 2 }, do_grow, NULL);
}

/* Take blocks two by two, each pair with items of its own, until there are no more. */
FIBER_FN static uint64_t fill(struct fs *fs, uint64_t first)
{
	struct step st = { .number = first, .version = 1, .dev = ALLOC_DEV_ANY, .more = 1000 };
	int err = 0;

	for (; !err; st.number++)
		err = txn_run(fs, NULL, step_body, &st, NULL);
	CHECK_EQ(err, -ENOSPC);
	return st.number - first;
}

/* A volume that is full, for its metadata too, is so no more. */
FIBER_FN static void do_full(struct store *s, void *arg)
{
	struct fs_stats before, after;
	uint64_t nr;

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	nr = fill(s->fs, 100);
	fs_stats(s->fs, &before);
	CHECK_EQ(store_grow(s), 0);
	CHECK(fill(s->fs, 100000) > nr);
	fs_stats(s->fs, &after);
	CHECK(after.metadata_blocks > before.metadata_blocks);
	store_unmount(s);
	CHECK_EQ(store_mount(s), 0);
	check_all(s->fs);
	store_unmount(s);
}

static void test_full_volume(void **state)
{
	with_store(&(struct store_config){ .seed = 2, .nr_spare = 1, .disk_size = 10 * MIB }, do_full, NULL);
}

/* ---- what is refused ---- */

FIBER_FN static void expect_refused(struct store *s, struct blkdev *dev, int err, const char *text)
{
	unsigned int nr = fs_nr_devices(s->fs);
	struct why why = { "" };

	CHECK_EQ(fs_grow(s->fs, dev, &why), err);
	expect_text(&why, text);
	CHECK_EQ(fs_nr_devices(s->fs), nr);
}

FIBER_FN static void refuse_one(struct store *s, const struct sim_disk_config *cfg, int err, const char *text)
{
	struct sim_disk *disk = sim_disk_new(cfg);
	struct blkdev *dev = sim_disk_open(disk, s->r);

	expect_refused(s, dev, err, text);
	CHECK_EQ(sim_disk_stats(disk).durable_writes + sim_disk_stats(disk).writes, 0);
	blkdev_close(dev);
	sim_disk_free(disk);
}

/* What is another path to a member, or a copy of one. */
FIBER_FN static void refuse_copy(struct store *s, unsigned int index)
{
	struct sim_disk_config cfg = { .size = s->cfg.disk_size };
	struct sim_disk *disk = sim_disk_new_from(&cfg, sim_disk_contents(s->disks[index]));
	struct blkdev *dev = sim_disk_open(disk, s->r);
	uint8_t junk[512] = { 1, 2, 3 };

	expect_refused(s, dev, -EEXIST, "is in the volume already");
	/* Of the first label nothing is left but its head; then only the copy. */
	sim_disk_poke(disk, 512, junk, sizeof(junk));
	expect_refused(s, dev, -EEXIST, "is in the volume already");
	sim_disk_poke(disk, 0, junk, sizeof(junk));
	expect_refused(s, dev, -EEXIST, "is in the volume already");
	blkdev_close(dev);
	sim_disk_free(disk);
}

FIBER_FN static void do_refuse(struct store *s, void *arg)
{
	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	refuse_one(s, &(struct sim_disk_config){ .size = 4 * MIB }, -EINVAL, "too small");
	refuse_one(s, &(struct sim_disk_config){ .size = 64 * MIB, .read_only = true }, -EROFS, "read-only");
	expect_refused(s, s->devs[0], -EEXIST, "already");
	CHECK_EQ(store_grow(s), 0);
	expect_refused(s, s->devs[1], -EEXIST, "already");
	refuse_copy(s, 0);
	refuse_copy(s, 1);
	store_unmount(s);
	s->cfg.mount.read_only = true;
	CHECK_EQ(store_mount(s), 0);
	refuse_one(s, &(struct sim_disk_config){ .size = 64 * MIB }, -EROFS, "the volume is read-only");
	store_unmount(s);
}

static void test_refusals(void **state)
{
	with_store(&(struct store_config){ .seed = 3, .nr_spare = 1 }, do_refuse, NULL);
}

FIBER_FN static void do_many(struct store *s, void *arg)
{
	struct sim_disk *disks[VOLUME_DEVICES_MAX];
	struct blkdev *devs[VOLUME_DEVICES_MAX];
	const struct sim_disk_config cfg = { .size = FS_DEVICE_SIZE_MIN };
	struct why why;

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	for (unsigned int i = 1; i < VOLUME_DEVICES_MAX; i++) {
		disks[i] = sim_disk_new(&cfg);
		devs[i] = sim_disk_open(disks[i], s->r);
		CHECK_EQ(fs_grow(s->fs, devs[i], &why), 0);
	}
	refuse_one(s, &cfg, -EINVAL, "64 devices already");
	check_all(s->fs);
	fs_abandon(s->fs);
	devs[0] = s->devs[0];
	CHECK_EQ(fs_mount(s->r, devs, VOLUME_DEVICES_MAX, NULL, &s->fs, &why), 0);
	check_all(s->fs);
	store_unmount(s);
	for (unsigned int i = 1; i < VOLUME_DEVICES_MAX; i++) {
		blkdev_close(devs[i]);
		sim_disk_free(disks[i]);
	}
}

static void test_as_many_as_there_can_be(void **state)
{
	with_store(&(struct store_config){ .seed = 4 }, do_many, NULL);
}

/* ---- errors ---- */

/* A device that takes no label is not in the volume, and the volume goes on. */
FIBER_FN static void do_bad_device(struct store *s, void *arg)
{
	struct step st = { .number = 1, .version = 1, .dev = ALLOC_DEV_ANY };
	const struct sim_fault fault = {
		.kind = SIM_FAULT_ERROR, .ops = SIM_OP(BLK_WRITE_DURABLE), .nth = 1, .times = 1, .error = -EIO
	};

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	for (unsigned int i = 0; i < 4; i++) {
		struct sim_fault f = fault;

		f.nth = 1 + i;
		sim_disk_fault(s->disks[1], &f);
		CHECK_EQ(store_grow(s), -EIO);
		expect_text(&s->why, "label cannot be written");
		CHECK_EQ(fs_nr_devices(s->fs), 1);
		CHECK(!fs_is_read_only(s->fs));
		step_durable(s->fs, &st);
		sim_disk_clear_faults(s->disks[1]);
	}
	CHECK_EQ(store_grow(s), 0);
	check_all(s->fs);
	store_unmount(s);
}

static void test_bad_device(void **state)
{
	with_store(&(struct store_config){ .seed = 5, .nr_spare = 1 }, do_bad_device, NULL);
}

/*
 * From the n-th write or flush on the first device fails: the volume is read-only (I12), and a mount finds the old or
 * the new one.
 */
FIBER_FN static void do_bad_volume(struct store *s, void *arg)
{
	struct sim_fault fault = { .kind = SIM_FAULT_ERROR,
				   .ops = SIM_OPS_WRITES | SIM_OP(BLK_FLUSH),
				   .nth = *(const uint64_t *)arg,
				   .times = UINT64_MAX,
				   .error = -EIO };
	struct step st = { .number = 1, .version = 1, .dev = ALLOC_DEV_ANY };
	int err;

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	step_durable(s->fs, &st);
	sim_disk_fault(s->disks[0], &fault);
	err = store_grow(s);
	CHECK_EQ(fs_is_read_only(s->fs), err != 0);
	if (!err)
		*(uint64_t *)arg = 0;
	sim_disk_clear_faults(s->disks[0]);
	store_power_cut(s, fault.nth);
	CHECK_EQ(store_mount_grown(s), 0);
	CHECK_EQ(version_of(s->fs, 1), 1);
	check_all(s->fs);
	store_unmount(s);
}

static void test_bad_volume(void **state)
{
	uint64_t nth = 1, nr = 0;

	for (; nth; nth += nth > 0, nr++)
		with_store(&(struct store_config){ .seed = 6, .nr_spare = 1 }, do_bad_volume, &nth);
	/* Two checkpoints: blocks, flush, superblock. */
	assert_true(nr > 6);
}

/* ---- begun and not done ---- */

static bool is_super(const struct blk_req *req, void *arg)
{
	return req->op == BLK_WRITE_DURABLE && req->off >= SUPER_OFFSET(0) && req->off < JOURNAL_OFFSET;
}

FIBER_FN static void grow_main(void *arg)
{
	struct store *s = arg;

	if (store_grow(s))
		CHECK(fs_is_read_only(s->fs));
}

struct late {
	struct store *s;
	bool done;
};

FIBER_FN static void late_main(void *arg)
{
	struct late *late = arg;
	struct step st = { .number = 3, .version = 1, .dev = ALLOC_DEV_ANY };

	CHECK_EQ(txn_run(late->s->fs, NULL, step_body, &st, NULL), 0);
	late->done = true;
}

/* While the superblock is on its way others wait; they go on as soon as it is there. */
FIBER_FN static void do_hold(struct store *s, void *arg)
{
	struct late late = { .s = s };
	struct fiber *grower, *writer;
	struct step st = { .number = 1, .version = 1, .dev = ALLOC_DEV_ANY };

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	step_durable(s->fs, &st);
	CHECK_EQ(fs_checkpoint(s->fs), 0);
	sim_disk_hold(s->disks[0], is_super, NULL);
	CHECK_EQ(fiber_spawn(s->r, "grow", grow_main, s, &grower), 0);
	while (sim_disk_nr_held(s->disks[0]) == 0)
		fiber_sleep_ns(NSEC_PER_SEC / 1000);
	CHECK_EQ(fs_nr_devices(s->fs), 2);
	CHECK_EQ(fs_grow(s->fs, s->devs[2], &s->why), -EBUSY);
	CHECK_EQ(fiber_spawn(s->r, "late", late_main, &late, &writer), 0);
	fiber_sleep_ns(NSEC_PER_SEC);
	CHECK(!late.done);
	/* Reading goes on. */
	CHECK_EQ(version_of(s->fs, 1), 1);
	sim_disk_release(s->disks[0]);
	fiber_join(writer);
	fiber_join(grower);
	CHECK(late.done);
	check_all(s->fs);
	store_unmount(s);
}

static void test_others_wait(void **state)
{
	with_store(&(struct store_config){ .seed = 7, .nr_spare = 2 }, do_hold, NULL);
}

/* The power goes before the superblock: a mount with the device says what to do, without it all is as before. */
FIBER_FN static void do_begun(struct store *s, void *arg)
{
	enum fs_stranger is;
	struct fiber *f;

	store_format(s);
	CHECK_EQ(store_mount(s), 0);
	CHECK_EQ(fs_checkpoint(s->fs), 0);
	CHECK_EQ(fs_stranger(s->fs, s->devs[1], &is), 0);
	CHECK_EQ(is, FS_STRANGER);
	sim_disk_hold(s->disks[0], is_super, NULL);
	CHECK_EQ(fiber_spawn(s->r, "grow", grow_main, s, &f), 0);
	while (sim_disk_nr_held(s->disks[0]) == 0)
		fiber_sleep_ns(NSEC_PER_SEC / 1000);
	sim_disk_power_off(s->disks[0], SIM_POWER_ERRORS);
	sim_disk_power_off(s->disks[1], SIM_POWER_ERRORS);
	sim_disk_release(s->disks[0]);
	fiber_join(f);
	/* What was held has done nothing: whatever this seed says. */
	fs_abandon(s->fs);
	s->fs = NULL;
	for (unsigned int i = 0; i < 2; i++) {
		struct sim_disk *after =
			sim_disk_reboot(s->disks[i], &(struct sim_cut){ .style = SIM_CUT_NOTHING, .seed = 1 });

		blkdev_close(s->devs[i]);
		sim_disk_free(s->disks[i]);
		s->disks[i] = after;
		s->devs[i] = sim_disk_open(after, s->r);
	}
	s->cfg.nr_disks = 2;
	mount_must_fail(s, "is not one of the volume's 1 devices", "lamina grow");
	s->cfg.nr_disks = 1;
	CHECK_EQ(store_mount(s), 0);
	CHECK_EQ(fs_stranger(s->fs, s->devs[1], &is), 0);
	CHECK_EQ(is, FS_STRANGER_BEGUN);
	check_all(s->fs);
	CHECK_EQ(store_grow(s), 0);
	CHECK_EQ(fs_stranger(s->fs, s->devs[1], &is), 0);
	CHECK_EQ(is, FS_STRANGER_MEMBER);
	check_all(s->fs);
	store_unmount(s);
}

static void test_begun(void **state)
{
	with_store(&(struct store_config){ .seed = 8, .nr_spare = 1 }, do_begun, NULL);
}

/* ---- every cut ---- */

#define WORKERS	 3
#define NR_DISKS 2
#define DRAWS	 3 /* of what survives */

enum mark {
	MARK_GROWN,
	MARK_DURABLE, /* number << 32 | version */
};

/* What may not be lost. */
struct promises {
	bool grown;
	uint64_t version[WORKERS];
};

struct life {
	uint64_t seed;
	struct reactor *r;
	struct sim_disk *disk[NR_DISKS];
	struct blkdev *dev[NR_DISKS];
	struct sim_tape *tape; /* NULL: not recorded */
	struct fs *fs;
	bool is_grown;
	unsigned int nr_steps; /* of a worker, at least */
	struct promises before;
	uint64_t points, old, new; /* lives after a cut, by what was found */
};

struct worker {
	struct life *life;
	uint64_t number;
	uint64_t nr_new; /* steps that took blocks of the new device */
};

static struct sim_disk_config disk_config(uint64_t seed, unsigned int i)
{
	return (struct sim_disk_config){ .size = 12 * MIB,
					 .name = i ? "sim1" : "sim0",
					 .seed = seed + i,
					 .logical_sector = seed % 2 ? 512 : 4096,
					 .atomic_unit = seed % 2 ? 512 : 4096 };
}

static void life_begin(struct life *life, uint64_t seed, const struct sim_image *images)
{
	*life = (struct life){ .seed = seed, .r = sim_reactor_new(seed) };
	for (unsigned int i = 0; i < NR_DISKS; i++) {
		struct sim_disk_config cfg = disk_config(seed, i);

		life->disk[i] = images ? sim_disk_new_from(&cfg, &images[i]) : sim_disk_new(&cfg);
		life->dev[i] = sim_disk_open(life->disk[i], life->r);
	}
}

static void life_end(struct life *life)
{
	for (unsigned int i = 0; i < NR_DISKS; i++) {
		blkdev_close(life->dev[i]);
		sim_disk_free(life->disk[i]);
	}
	reactor_close(life->r);
	if (life->tape)
		sim_tape_free(life->tape);
}

static void life_record(struct life *life)
{
	life->tape = sim_tape_new();
	for (unsigned int i = 0; i < NR_DISKS; i++)
		sim_disk_record(life->disk[i], life->tape);
}

static void life_mark(struct life *life, enum mark mark, uint64_t value)
{
	if (life->tape)
		sim_tape_mark(life->tape, mark, value);
}

FIBER_FN static void worker_main(void *arg)
{
	struct worker *w = arg;
	struct life *life = w->life;

	for (unsigned int n = 0; n < life->nr_steps || w->nr_new < life->nr_steps; n++) {
		bool fresh = life->is_grown && n % 2;
		struct step st = { .number = w->number,
				   .version = version_of(life->fs, w->number) + 1,
				   .dev = fresh ? 1 : ALLOC_DEV_ANY };

		step_durable(life->fs, &st);
		w->nr_new += daddr_dev(st.daddr) == 1;
		life_mark(life, MARK_DURABLE, st.number << 32 | st.version);
	}
}

/* Add the device while transactions go on, before, meanwhile, and after that until each has taken blocks of it. */
FIBER_FN static void life_grow(struct life *life)
{
	struct fiber *fibers[WORKERS];
	struct worker workers[WORKERS];
	struct why why;

	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .life = life, .number = i };
		CHECK_EQ(fiber_spawn(life->r, "worker", worker_main, &workers[i], &fibers[i]), 0);
	}
	if (!life->is_grown)
		CHECK_EQ(fs_grow(life->fs, life->dev[1], &why), 0);
	life->is_grown = true;
	life_mark(life, MARK_GROWN, 0);
	for (unsigned int i = 0; i < WORKERS; i++)
		fiber_join(fibers[i]);
}

FIBER_FN static int first_life(void *arg)
{
	const struct fs_format_options format = { .name = "grow", .journal_size = MIB, .chunk_size = MIB };
	struct fs_mount_options mount = { .cache_bytes = MIB };
	struct life *life = arg;
	struct why why;

	mount.checkpoint_log_bytes = life->seed % 3 ? 64 << 10 : 0;
	CHECK_EQ(fs_format(life->r, life->dev, 1, &format, &why), 0);
	CHECK_EQ(fs_mount(life->r, life->dev, 1, &mount, &life->fs, &why), 0);
	life_record(life);
	life->nr_steps = 6;
	life_grow(life);
	check_all(life->fs);
	fs_abandon(life->fs);
	return 0;
}

/* Whether the volume has the device, or still is what it was. */
FIBER_FN static void life_mount(struct life *life)
{
	struct why why = { "" };
	enum fs_stranger is;
	int err = fs_mount(life->r, life->dev, 1, NULL, &life->fs, &why);

	if (err) {
		CHECK_EQ(err, -EINVAL);
		expect_text(&why, "device 2 of the volume's 2 is missing");
		CHECK_EQ(fs_mount(life->r, life->dev, 2, NULL, &life->fs, &why), 0);
		life->is_grown = true;
	}
	CHECK(life->is_grown || !life->before.grown);
	CHECK_EQ(fs_nr_devices(life->fs), life->is_grown ? 2 : 1);
	CHECK_EQ(fs_stranger(life->fs, life->is_grown ? life->dev[0] : life->dev[1], &is), 0);
	CHECK(life->is_grown ? is == FS_STRANGER_MEMBER : is != FS_STRANGER_MEMBER);
}

FIBER_FN static int later_life(void *arg)
{
	struct life *life = arg;

	life_mount(life);
	life->old += !life->is_grown;
	life->new += life->is_grown;
	for (unsigned int i = 0; i < WORKERS; i++)
		CHECK(version_of(life->fs, i) >= life->before.version[i]);
	check_all(life->fs);
	if (!life->is_grown || life->tape) {
		life->nr_steps = 2;
		life_grow(life);
		check_all(life->fs);
	}
	fs_abandon(life->fs);
	return 0;
}

static void note_mark(void *arg, uint64_t what, uint64_t value)
{
	struct promises *p = arg;

	if (what == MARK_GROWN)
		p->grown = true;
	else
		p->version[value >> 32] = max_u64(p->version[value >> 32], (uint32_t)value);
}

static void cut_all(struct life *first, unsigned int depth);

/* The power goes where @player stands. */
static void cut_and_live(struct life *first, const struct sim_player *player, const struct promises *p,
			 unsigned int depth, unsigned int draw)
{
	uint64_t seed = sim_mix(first->seed * 1000003 + DRAWS * player->point + draw);
	struct sim_cut cut = { .style = (enum sim_cut_style)(seed % SIM_CUT_STYLES) };
	struct sim_image images[NR_DISKS];
	struct life life;

	for (unsigned int i = 0; i < NR_DISKS; i++) {
		cut.seed = seed + i;
		sim_player_cut(player, i, &cut, &images[i]);
	}
	life_begin(&life, (seed & ~1ull) | (first->seed & 1), images);
	life.before = *p;
	if (depth == 1 && draw == 0 && player->point % 8 == 0)
		life_record(&life);
	if (reactor_run(life.r, later_life, &life))
		abort();
	first->points++;
	first->old += life.old;
	first->new += life.new;
	if (life.tape) {
		cut_all(&life, depth + 1);
		first->points += life.points;
	}
	for (unsigned int i = 0; i < NR_DISKS; i++)
		sim_image_release(&images[i]);
	life_end(&life);
}

static void cut_all(struct life *first, unsigned int depth)
{
	struct promises p = first->before;
	struct sim_player player;

	sim_player_init(&player, first->tape, note_mark, &p);
	while (sim_player_next(&player))
		for (unsigned int draw = 0; draw < (depth == 1 ? DRAWS : 1); draw++)
			cut_and_live(first, &player, &p, depth, draw);
	sim_player_release(&player);
}

static void drop_log(void *owner, enum log_level level, const char *msg)
{
}

static void test_every_cut(void **state)
{
	const char *text = getenv("LAMINA_SCALE");
	uint64_t nr = text ? strtoull(text, NULL, 0) : 1, points = 0, old = 0, new = 0;

	log_set_sink(drop_log, NULL);
	for (uint64_t seed = 1; seed <= 8 * nr; seed++) {
		struct life life;

		life_begin(&life, seed, NULL);
		if (reactor_run(life.r, first_life, &life))
			abort();
		cut_all(&life, 1);
		points += life.points;
		old += life.old;
		new += life.new;
		life_end(&life);
	}
	log_set_sink(NULL, NULL);
	print_message("%" PRIu64 " cuts; after the first ones the volume was the old one %" PRIu64
		      " times, the new one %" PRIu64 " times\n",
		      points, old, new);
	assert_true(old > 100 * nr && new > 100 * nr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grow),	    cmocka_unit_test(test_full_volume),
		cmocka_unit_test(test_refusals),    cmocka_unit_test(test_as_many_as_there_can_be),
		cmocka_unit_test(test_bad_device),  cmocka_unit_test(test_bad_volume),
		cmocka_unit_test(test_others_wait), cmocka_unit_test(test_begun),
		cmocka_unit_test(test_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
