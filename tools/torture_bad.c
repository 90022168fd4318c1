/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Hosts as bad as they can be: they don't give back what is recalled, or say nothing any more, and when the server
 * has at last taken the blocks away and somebody else has written them, they write by what they once were granted.
 *
 * Promise that is checked: the others get on, after a while, and nothing that a host writes late reaches the device.
 */

#include <stdio.h>
#include <string.h>

#include "dev/fiber.h"
#include "tools/torture_int.h"

enum vice {
	VICE_IGNORES,
	VICE_DELAYS,
	VICE_KEEPS,
	VICE_SILENT,
	VICES
};

static uint64_t roll(struct torture_fiber *f, uint64_t below)
{
	return torture_roll(&f->dice, below);
}

static void vice_begin(struct torture_host *host, enum vice vice)
{
	host->pnfs.faults = (struct pnfs_faults){ .ignores_recalls = vice == VICE_IGNORES || vice == VICE_SILENT,
						  .delays_recalls = vice == VICE_DELAYS,
						  .keeps_layouts = vice == VICE_KEEPS,
						  .writes_late = true };
	host->is_silent = vice == VICE_SILENT;
	host->t->report->misbehaved++;
}

/* Somebody good, who is up; NULL: nobody. */
static struct torture_host *find_victim(struct torture_fiber *f)
{
	struct torture *t = f->t;
	unsigned int from = (unsigned int)roll(f, t->nr_hosts);

	for (unsigned int i = 0; i < t->nr_hosts; i++) {
		struct torture_host *host = &t->hosts[(from + i) % t->nr_hosts];

		if (!host->is_bad && host->is_up && !host->is_lost)
			return host;
	}
	return NULL;
}

/* By @extent, which the server has taken back: the device must refuse. */
static FIBER_FN void write_late(struct torture_fiber *f, const struct torture_file *file,
				const struct pnfs_extent *extent, uint32_t first)
{
	struct torture *t = f->t;
	struct torture_stamp stamp = { .file = file->id,
				       .writer = f->host->nr,
				       .off = (uint64_t)first * TORTURE_BLOCK,
				       .gen = ++t->gen,
				       .seed = t->opt->seed };
	int err;

	torture_stamp_block(f->buf, &stamp);
	t->lates[t->nr_lates++ % ARRAY_SIZE(t->lates)] = stamp.gen;
	err = pnfs_extent_io(&f->host->pnfs, extent, true, stamp.off, f->buf, TORTURE_BLOCK);
	if (err == -EBADE)
		t->report->late_refused++;
	else if (!err)
		torture_find(t, "late", "%s could write file %u at %llu after it was taken from it", f->host->name,
			     file->id, (unsigned long long)stamp.off);
}

/* True: the victim has written @first of it, and knows that it is safe. */
static FIBER_FN bool victim_writes(struct torture_fiber *f, struct torture_host *victim, struct torture_file *file,
				   uint32_t first)
{
	struct torture_open *open = torture_open_get(victim, file, false);
	bool ok;

	if (!open)
		return false;
	ok = torture_do_write(f, open, first, 1) && torture_do_commit(open) && list_is_empty(&open->changes);
	if (ok && roll(f, 2))
		ok = torture_do_read(f, open, 0, (uint32_t)min_u64(file->nr_blks, TORTURE_RUN_MAX));
	torture_open_put(open, ok && roll(f, 2));
	return ok;
}

static FIBER_FN bool victim_reads(struct torture_fiber *f, struct torture_host *victim, struct torture_file *file)
{
	struct torture_open *open = torture_open_get(victim, file, false);
	bool ok;

	if (!open)
		return false;
	ok = torture_do_read(f, open, 0, (uint32_t)min_u64(file->nr_blks, TORTURE_RUN_MAX));
	torture_open_put(open, true);
	return ok;
}

static FIBER_FN void crime(struct torture_fiber *f, struct torture_open *open, struct torture_host *victim)
{
	struct torture_file *file = open->file;
	uint32_t max = (uint32_t)min_u64(file->nr_blks, TORTURE_RUN_MAX), first, nr;
	struct pnfs_extent extent = { 0 }, *at;

	torture_pick(f, 0, max, 16, &first, &nr);
	if (!torture_do_write(f, open, first, nr) || (roll(f, 2) && !torture_do_commit(open)))
		return;
	at = open->f.inode->has_layout ? pnfs_extent_at(&open->f, (uint64_t)first * TORTURE_BLOCK) : NULL;
	if (at)
		extent = *at;
	vice_begin(f->host, (enum vice)roll(f, VICES));
	if (!victim_writes(f, victim, file, first))
		return;
	/* Nothing fences a host with layouts of the other type. */
	if (!at || f->t->opt->type != LAYOUT4_SCSI || f->host->is_lost ||
	    (extent.state != PNFS_BLOCK_READWRITE_DATA && extent.state != PNFS_BLOCK_INVALID_DATA))
		return;
	write_late(f, file, &extent, first);
	(void)victim_reads(f, victim, file);
}

FIBER_FN void torture_bad_step(struct torture_fiber *f)
{
	struct torture_host *victim = find_victim(f);
	struct torture_open *open;
	char name[40];

	if (!victim)
		return;
	if (!f->bad) {
		snprintf(name, sizeof(name), "misbehave-%u", f->host->nr);
		f->bad = torture_file_new(f->t, TORTURE_MISBEHAVE, name);
	}
	if (!f->bad)
		return;
	/* Most keep to the one file, so that the others have something to do meanwhile. */
	if (roll(f, 4))
		torture_open_close_all(f->host);
	open = torture_open_get(f->host, f->bad, !f->bad->fh.len);
	if (!open)
		return;
	victim->nr_guests++;
	crime(f, open, victim);
	victim->nr_guests--;
	wait_queue_wake_all(&victim->changed);
	torture_open_put(open, false);
	/* It begins anew, as one that was rebooted. */
	torture_host_lose(f->host, 0, NULL);
}
