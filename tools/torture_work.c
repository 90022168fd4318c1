/* SPDX-License-Identifier: Apache-2.0 */

/* What a fiber does with files that are its own: each step opens one, works on it for a while, and lets go. */

#include <stdio.h>
#include <stdlib.h>

#include "dev/fiber.h"
#include "tools/torture_int.h"

#define OPS_MAX	  8
#define LOOKS_MAX 20 /* then others get at the file */
#define LOOK_NS	  (4 * TORTURE_NS_PER_MS)

static const char *const work_names[TORTURE_WORKS] = {
	[TORTURE_PRIVATE] = "private", [TORTURE_DISJOINT] = "disjoint", [TORTURE_OVERLAP] = "overlap",
	[TORTURE_APPEND] = "append",   [TORTURE_TRUNCATE] = "truncate", [TORTURE_CLONE] = "clone",
	[TORTURE_PUNCH] = "punch",     [TORTURE_RENAME] = "rename",	[TORTURE_UNLINK] = "unlink",
	[TORTURE_READERS] = "readers", [TORTURE_STORM] = "storm",	[TORTURE_MISBEHAVE] = "misbehave",
};

const char *torture_work_name(enum torture_work work)
{
	return work < TORTURE_WORKS ? work_names[work] : "?";
}

static uint64_t roll(struct torture_fiber *f, uint64_t below)
{
	return torture_roll(&f->dice, below);
}

void torture_pick(struct torture_fiber *f, uint32_t from, uint32_t end, uint32_t max, uint32_t *ret_first,
		  uint32_t *ret_nr)
{
	*ret_first = from + (uint32_t)roll(f, end - from);
	*ret_nr = 1 + (uint32_t)roll(f, min_u64(min_u64(max, TORTURE_RUN_MAX), end - *ret_first));
}

/* The file of this slot, made when there is none. */
static struct torture_file *own_file(struct torture_fiber *f, unsigned int slot, enum torture_work work,
				     bool *ret_is_new)
{
	char name[40];

	*ret_is_new = !f->own[slot];
	if (!f->own[slot]) {
		snprintf(name, sizeof(name), "%s-%u-%u-%u", torture_work_name(work), f->host->nr, f->nr,
			 f->nr_made++);
		f->own[slot] = torture_file_new(f->t, work, name);
	}
	return f->own[slot];
}

static FIBER_FN bool op_rename(struct torture_fiber *f, struct torture_open *open)
{
	struct torture_file *file = open->file;
	char to[sizeof(file->name)];
	int err;

	snprintf(to, sizeof(to), "renamed-%u-%u-%u", f->host->nr, f->nr, f->nr_made++);
	if (file->is_unnamed || (file->by_handle && roll(f, 2)))
		return true;
	/* If nobody ever answers, it may have either name. */
	file->by_handle = file->is_unnamed = true;
	err = nfs_file_rename(f->host->session, &f->t->dir, file->name, &f->t->dir, to);
	if (err) {
		torture_host_lose(f->host, err, "RENAME");
		return false;
	}
	snprintf(file->name, sizeof(file->name), "%s", to);
	file->is_unnamed = false;
	return true;
}

static FIBER_FN bool op_unlink(struct torture_fiber *f, struct torture_open *open)
{
	int err;

	if (open->file->is_gone || open->file->is_unnamed)
		return true;
	open->file->is_gone = true;
	err = nfs_file_remove(f->host->session, &f->t->dir, open->file->name);
	if (err)
		torture_host_lose(f->host, err, "REMOVE");
	return !err;
}

/* From another of its files, or from another place of this one. */
static FIBER_FN bool op_clone(struct torture_fiber *f, struct torture_open *open, unsigned int slot)
{
	unsigned int other = (unsigned int)roll(f, TORTURE_OWN_MAX);
	uint32_t half = open->file->nr_blks / 2, first, src_first, nr, size = 0;
	struct torture_open *src = open;
	bool ok;

	torture_pick(f, 0, half, 16, &first, &nr);
	if (other != slot && f->own[other] && !f->own[other]->is_gone && f->own[other]->fh.len)
		src = torture_open_get(f->host, f->own[other], false);
	if (!src)
		return false;
	ok = torture_do_commit(src) && torture_do_commit(open) && torture_do_size(src, &size);
	/* A range beyond the end cannot be cloned. */
	if (ok && size >= nr) {
		src_first = (uint32_t)roll(f, min_u64(half, size) - min_u64(nr, min_u64(half, size)) + 1);
		ok = torture_do_clone(f, src, open, src_first, half + (uint32_t)roll(f, half - nr + 1),
				      (uint32_t)min_u64(nr, size - src_first));
	}
	if (src != open)
		torture_open_put(src, roll(f, 2));
	return ok;
}

static FIBER_FN bool op_punch(struct torture_fiber *f, struct torture_open *open)
{
	uint32_t first, nr;

	torture_pick(f, 0, open->file->nr_blks, 32, &first, &nr);
	return torture_do_punch(f, open, first, nr);
}

/* Somebody else of the host who looks at the file: what a recall finds in use is what Linux keeps. */
struct looker {
	struct torture_open *open;
	uint32_t blk;
	uint64_t pause_ns;
	bool is_over;
};

static FIBER_FN void looker_main(void *arg)
{
	struct looker *looker = arg;

	for (unsigned int i = 0; i < LOOKS_MAX && !looker->is_over; i++) {
		if (!looker->open->is_open || looker->open->host->is_lost)
			break;
		/* Whoever needs the layout hears of errors. */
		(void)!pnfs_look(&looker->open->f, (uint64_t)looker->blk * TORTURE_BLOCK, TORTURE_BLOCK);
		fiber_sleep_ns(looker->pause_ns);
	}
}

/*
 * Only here: with operations that commit by themselves, a LAYOUTGET's answer from before the commit would look as if
 * the server took back what was committed.
 */
static FIBER_FN bool op_punch_seen(struct torture_fiber *f, struct torture_open *open)
{
	struct looker looker = { .open = open,
				 .blk = (uint32_t)roll(f, open->file->nr_blks),
				 .pause_ns = 1 + roll(f, LOOK_NS) };
	struct fiber *fiber;
	bool ok;

	if (fiber_spawn(f->t->r, "looker", looker_main, &looker, &fiber))
		torture_die();
	ok = op_punch(f, open);
	looker.is_over = true;
	fiber_join(fiber);
	return ok;
}

static FIBER_FN bool op_special(struct torture_fiber *f, struct torture_open *open, enum torture_work work,
				unsigned int slot)
{
	switch (work) {
	case TORTURE_PUNCH:
		return f->host->pnfs.keeps_extents ? op_punch_seen(f, open) : op_punch(f, open);
	case TORTURE_CLONE:
		return op_clone(f, open, slot);
	case TORTURE_RENAME:
		return op_rename(f, open);
	case TORTURE_UNLINK:
		return op_unlink(f, open);
	default:
		return torture_do_truncate(f, open, (uint32_t)roll(f, open->file->nr_blks + 1));
	}
}

static FIBER_FN bool op_any(struct torture_fiber *f, struct torture_open *open, enum torture_work work,
			    unsigned int slot)
{
	uint32_t first, nr;

	torture_pick(f, 0, open->file->nr_blks, roll(f, 3) ? 8 : TORTURE_RUN_MAX, &first, &nr);
	switch (roll(f, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		return torture_do_write(f, open, first, nr);
	case 4:
	case 5:
	case 6:
		return torture_do_read(f, open, first, nr);
	case 7:
		return torture_do_server_read(f, open, first, nr);
	case 8:
		return roll(f, 2) ? torture_do_server_write(f, open, first, nr)
				  : torture_do_write(f, open, first, nr);
	case 9:
		return torture_do_commit(open);
	default:
		return op_special(f, open, work, slot);
	}
}

static FIBER_FN void own_step(struct torture_fiber *f, enum torture_work work)
{
	unsigned int slot = (unsigned int)roll(f, TORTURE_OWN_MAX);
	unsigned int nr = 1 + (unsigned int)roll(f, OPS_MAX);
	struct torture_open *open;
	struct torture_file *file;
	bool ok = true, is_new;

	if (f->own[slot] && f->own[slot]->is_gone)
		f->own[slot] = NULL;
	file = own_file(f, slot, work, &is_new);
	if (!file)
		return;
	open = torture_open_get(f->host, file, is_new || !file->fh.len);
	if (!open)
		return;
	for (unsigned int i = 0; ok && i < nr; i++)
		ok = op_any(f, open, work, slot);
	if (ok && roll(f, 2))
		torture_do_commit(open);
	/* One without a name is gone when it is closed. */
	torture_open_put(open, file->is_gone || roll(f, 3) == 0);
}

FIBER_FN void torture_step(struct torture_fiber *f)
{
	enum torture_work work = (enum torture_work)roll(f, TORTURE_WORKS);

	while (!(f->t->works & (1ull << work)))
		work = (enum torture_work)roll(f, TORTURE_WORKS);
	f->t->report->steps++;
	torture_trace(f->t, (uint64_t)f->host->nr << 32 | f->nr << 8 | work);
	switch (work) {
	case TORTURE_PRIVATE:
	case TORTURE_CLONE:
	case TORTURE_PUNCH:
	case TORTURE_RENAME:
	case TORTURE_UNLINK:
		own_step(f, work);
		break;
	case TORTURE_MISBEHAVE:
		if (f->host->is_bad)
			torture_bad_step(f);
		else
			own_step(f, TORTURE_PRIVATE);
		break;
	default:
		torture_shared_step(f, work);
	}
}
