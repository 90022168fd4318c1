/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: every failure that a test did not ask for ends it at once, with the reason. */

#include "tests/lib/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/reactor.h"

#define MIB (1ull << 20)

static void store_die(const struct store *s, const char *what, int err)
{
	fprintf(stderr, "%s: %s: %s (seed %llu)\n", what, strerror(-err), s->why.text,
		(unsigned long long)s->cfg.seed);
	abort();
}

static unsigned int store_nr_disks(const struct store *s)
{
	return s->cfg.nr_disks + s->cfg.nr_spare;
}

void store_init(struct store *s, const struct store_config *cfg)
{
	memset(s, 0, sizeof(*s));
	s->cfg = *cfg;
	if (!s->cfg.nr_disks)
		s->cfg.nr_disks = 1;
	if (!s->cfg.disk_size)
		s->cfg.disk_size = 64 * MIB;
	if (!s->cfg.format.journal_size)
		s->cfg.format.journal_size = MIB;
	if (!s->cfg.format.chunk_size)
		s->cfg.format.chunk_size = MIB;
	if (!s->cfg.mount.cache_bytes)
		s->cfg.mount.cache_bytes = 2 * MIB;
	if (!s->cfg.mount.record_max)
		s->cfg.mount.record_max = 128 << 10;
	assert(store_nr_disks(s) <= STORE_DISKS_MAX);
	s->r = sim_reactor_new(s->cfg.seed);
	for (unsigned int i = 0; i < store_nr_disks(s); i++) {
		struct sim_disk_config dc = { .size = s->cfg.disk_size,
					      .logical_sector = s->cfg.logical_sector,
					      .no_fua = s->cfg.no_fua,
					      .no_write_zeroes = s->cfg.no_write_zeroes,
					      .allow_overlap = s->cfg.overlap,
					      .seed = s->cfg.seed + 1000 + i,
					      .rates = s->cfg.rates };

		s->disks[i] = sim_disk_new(&dc);
		s->devs[i] = sim_disk_open(s->disks[i], s->r);
	}
}

void store_release(struct store *s)
{
	assert(!s->fs);
	for (unsigned int i = 0; i < store_nr_disks(s); i++) {
		blkdev_close(s->devs[i]);
		sim_disk_free(s->disks[i]);
	}
	reactor_close(s->r);
}

struct store_call {
	struct store *store;
	void (*fn)(struct store *s, void *arg);
	void *arg;
};

static int store_call(void *arg)
{
	struct store_call *call = arg;

	call->fn(call->store, call->arg);
	return 0;
}

void store_run(struct store *s, void (*fn)(struct store *s, void *arg), void *arg)
{
	struct store_call call = { s, fn, arg };
	int err = reactor_run(s->r, store_call, &call);

	assert(!err);
}

void store_format(struct store *s)
{
	int err = fs_format(s->r, s->devs, s->cfg.nr_disks, &s->cfg.format, &s->why);

	if (err)
		store_die(s, "format", err);
}

int store_mount(struct store *s)
{
	int err;

	assert(!s->fs);
	s->why.text[0] = '\0';
	err = fs_mount(s->r, s->devs, s->cfg.nr_disks, &s->cfg.mount, &s->fs, &s->why);
	if (err && !s->why.text[0])
		store_die(s, "a mount failed without a sentence", err);
	return err;
}

void store_unmount(struct store *s)
{
	int err = fs_unmount(s->fs);

	s->fs = NULL;
	if (err)
		store_die(s, "unmount", err);
}

void store_grown(struct store *s)
{
	s->cfg.nr_disks++;
	s->cfg.nr_spare--;
}

int store_grow(struct store *s)
{
	int err;

	assert(s->cfg.nr_spare > 0);
	err = fs_grow(s->fs, s->devs[s->cfg.nr_disks], &s->why);
	if (!err)
		store_grown(s);
	return err;
}

int store_mount_grown(struct store *s)
{
	int err = store_mount(s);

	if (err != -EINVAL || !s->cfg.nr_spare || !strstr(s->why.text, "is missing"))
		return err;
	store_grown(s);
	return store_mount(s);
}

void store_power_cut(struct store *s, uint64_t seed)
{
	for (unsigned int i = 0; i < store_nr_disks(s); i++)
		if (sim_disk_has_power(s->disks[i]))
			sim_disk_power_off(s->disks[i], SIM_POWER_ERRORS);
	if (s->fs)
		fs_abandon(s->fs);
	s->fs = NULL;
	for (unsigned int i = 0; i < store_nr_disks(s); i++) {
		struct sim_cut cut = { .seed = seed + i };
		struct sim_disk *after = sim_disk_reboot(s->disks[i], &cut);

		blkdev_close(s->devs[i]);
		sim_disk_free(s->disks[i]);
		s->disks[i] = after;
		s->devs[i] = sim_disk_open(after, s->r);
	}
}

uint64_t store_seed(uint64_t fallback)
{
	const char *text = getenv("LAMINA_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : fallback;

	printf("LAMINA_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}
