/* SPDX-License-Identifier: Apache-2.0 */

/* What all hosts do with the same files. */

#include <stdio.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tools/torture_int.h"

#define STRIPE	   16u /* blocks */
#define LOCK_TRIES 20
#define LOCK_NS	   (20 * TORTURE_NS_PER_MS)

static uint64_t roll(struct torture_fiber *f, uint64_t below)
{
	return torture_roll(&f->dice, below);
}

/* A run in a stripe of this host; false: the file is too small for it to have one. */
static bool pick_own(struct torture_fiber *f, const struct torture_file *file, uint32_t *ret_first, uint32_t *ret_nr)
{
	uint32_t stripes = file->nr_blks / STRIPE, hosts = f->t->nr_hosts;
	uint32_t mine = (stripes + hosts - 1 - f->host->nr % hosts) / hosts, stripe;

	if (stripes == 0 || mine == 0)
		return false;
	stripe = f->host->nr + hosts * (uint32_t)roll(f, mine);
	torture_pick(f, stripe * STRIPE, (stripe + 1) * STRIPE, STRIPE, ret_first, ret_nr);
	return true;
}

static FIBER_FN bool step_disjoint(struct torture_fiber *f, struct torture_open *open)
{
	uint32_t first, nr;
	bool ok = true;

	for (unsigned int i = 0; ok && i < 6; i++) {
		if (roll(f, 3) == 0) {
			torture_pick(f, 0, open->file->nr_blks, 32, &first, &nr);
			ok = torture_do_read(f, open, first, nr);
		} else if (pick_own(f, open->file, &first, &nr)) {
			ok = torture_do_write(f, open, first, nr);
		}
		if (ok && roll(f, 3) == 0)
			ok = torture_do_commit(open);
	}
	return ok;
}

/* Byte-range locks. */

struct range {
	uint64_t off, len;
	stateid4 stateid;
};

static FIBER_FN int lock_try(struct torture_fiber *f, struct torture_open *open, struct range *range)
{
	struct nfs_lock lock = { .type = WRITE_LT, .offset = range->off, .length = range->len, .owner = f->name };
	struct nfs_compound c;
	uint32_t at;
	int err;

	nfs_compound_init(&c);
	nfs_session_begin(open->host->session, &c);
	nfs_op_putfh(&c, &open->f.nfs.fh);
	at = nfs_op_lock_first(&c, &open->f.nfs.stateid, &lock);
	err = nfs_file_send(open->host->session, &c);
	if (!err)
		err = (int)c.status;
	if (!err)
		err = nfs_op_got_stateid(&c, at, &range->stateid);
	nfs_compound_release(&c);
	return err;
}

/* 0; NFS4ERR_DENIED: others have it; else the host is lost. */
static FIBER_FN int lock_take(struct torture_fiber *f, struct torture_open *open, struct range *range)
{
	int err = NFS4ERR_DENIED;

	for (unsigned int i = 0; err == NFS4ERR_DENIED && i < LOCK_TRIES && !open->host->is_lost; i++) {
		err = lock_try(f, open, range);
		if (err == NFS4ERR_DENIED)
			fiber_sleep_ns(1 + roll(f, LOCK_NS));
	}
	if (err && err != NFS4ERR_DENIED)
		torture_host_lose(open->host, err, "LOCK");
	return err;
}

static FIBER_FN bool lock_drop(struct torture_fiber *f, struct torture_open *open, struct range *range)
{
	struct nfs_lock lock = { .type = WRITE_LT, .offset = range->off, .length = range->len, .owner = f->name };
	struct nfs_compound c;
	int err;

	if (open->host->is_lost)
		return false;
	nfs_compound_init(&c);
	nfs_session_begin(open->host->session, &c);
	nfs_op_putfh(&c, &open->f.nfs.fh);
	nfs_op_locku(&c, &range->stateid, &lock);
	err = torture_send(open, &c);
	if (!err) {
		nfs_compound_init(&c);
		nfs_session_begin(open->host->session, &c);
		range->stateid.seqid = 0;
		nfs_op_free_stateid(&c, &range->stateid);
		err = torture_send(open, &c);
	}
	if (err)
		torture_host_lose(open->host, err, "LOCKU");
	return !err;
}

static FIBER_FN bool step_overlap(struct torture_fiber *f, struct torture_open *open)
{
	uint32_t stripe = (uint32_t)roll(f, open->file->nr_blks / STRIPE), first, nr;
	struct range range = { .off = (uint64_t)stripe * STRIPE * TORTURE_BLOCK, .len = STRIPE * TORTURE_BLOCK };
	int err = lock_take(f, open, &range);
	bool ok = !err;

	if (err)
		return err == NFS4ERR_DENIED;
	for (unsigned int i = 0; ok && i < 3; i++) {
		torture_pick(f, stripe * STRIPE, (stripe + 1) * STRIPE, STRIPE, &first, &nr);
		ok = roll(f, 3) ? torture_do_write(f, open, first, nr) : torture_do_read(f, open, first, nr);
	}
	/* What is written under a lock is there for the next who takes it. */
	return ok && torture_do_commit(open) && lock_drop(f, open, &range);
}

static FIBER_FN bool step_append(struct torture_fiber *f, struct torture_open *open)
{
	struct range range = { .off = 0, .len = NFS4_UINT64_MAX };
	uint32_t size = 0, nr = 1 + (uint32_t)roll(f, 8), now = 0;
	int err = lock_take(f, open, &range);
	bool ok;

	if (err)
		return err == NFS4ERR_DENIED;
	ok = torture_do_size(open, &size);
	if (ok && size + nr > open->file->nr_blks)
		ok = torture_do_truncate(f, open, size = 0);
	ok = ok && torture_do_write(f, open, size, nr) && torture_do_commit(open) && torture_do_size(open, &now);
	if (ok && now != size + nr && torture_model_has_room(open->file, size, nr) &&
	    !torture_host_is_excused(open->host))
		torture_find(f->t, "lost", "%s appended %u blocks at %u to file %u, and it has %u", open->host->name,
			     nr, size, open->file->id, now);
	return ok && lock_drop(f, open, &range);
}

/* Many inside, or one alone. */
static FIBER_FN void file_enter(struct torture_file *file, bool alone)
{
	while (file->is_alone || (alone && file->nr_inside > 0))
		wait_queue_wait(&file->queue);
	if (alone)
		file->is_alone = true;
	else
		file->nr_inside++;
}

static void file_leave(struct torture_file *file, bool alone)
{
	if (alone)
		file->is_alone = false;
	else
		file->nr_inside--;
	wait_queue_wake_all(&file->queue);
}

static FIBER_FN bool step_truncate(struct torture_fiber *f, struct torture_open *open)
{
	bool alone = roll(f, 4) == 0, ok = true;
	uint32_t first, nr;

	file_enter(open->file, alone);
	if (alone) {
		ok = torture_do_truncate(f, open, (uint32_t)roll(f, open->file->nr_blks + 1));
		if (ok && roll(f, 2)) {
			torture_pick(f, 0, open->file->nr_blks, 32, &first, &nr);
			ok = torture_do_read(f, open, first, nr);
		}
	} else {
		for (unsigned int i = 0; ok && i < 3; i++)
			if (pick_own(f, open->file, &first, &nr))
				ok = torture_do_write(f, open, first, nr);
		ok = ok && torture_do_commit(open);
	}
	file_leave(open->file, alone);
	return ok;
}

static FIBER_FN bool step_readers(struct torture_fiber *f, struct torture_open *open)
{
	bool writes = f->host->nr == open->file->id % f->t->nr_hosts, ok = true;
	uint32_t first, nr;

	for (unsigned int i = 0; ok && i < 4; i++) {
		torture_pick(f, 0, open->file->nr_blks, 16, &first, &nr);
		if (writes)
			ok = torture_do_write(f, open, first, nr) && (roll(f, 2) || torture_do_commit(open));
		else
			ok = roll(f, 4) ? torture_do_read(f, open, first, nr)
					: torture_do_server_read(f, open, first, nr);
	}
	return ok;
}

static FIBER_FN bool step_storm(struct torture_fiber *f, struct torture_open *open)
{
	uint32_t first, nr;

	if (roll(f, 6) == 0)
		return torture_do_truncate(f, open, roll(f, 2) ? 0 : (uint32_t)roll(f, open->file->nr_blks));
	if (roll(f, 3) == 0) {
		torture_pick(f, 0, open->file->nr_blks, 16, &first, &nr);
		return torture_do_read(f, open, first, nr);
	}
	if (!pick_own(f, open->file, &first, &nr))
		return true;
	return torture_do_write(f, open, first, nr);
}

FIBER_FN void torture_shared_step(struct torture_fiber *f, enum torture_work work)
{
	static FIBER_FN bool (*const steps[TORTURE_WORKS])(struct torture_fiber * f, struct torture_open * open) = {
		[TORTURE_DISJOINT] = step_disjoint, [TORTURE_OVERLAP] = step_overlap, [TORTURE_APPEND] = step_append,
		[TORTURE_TRUNCATE] = step_truncate, [TORTURE_READERS] = step_readers, [TORTURE_STORM] = step_storm,
	};
	struct torture_open *open;
	bool ok;

	if (!f->t->shared[work])
		return;
	open = torture_open_get(f->host, f->t->shared[work], true);
	if (!open)
		return;
	ok = steps[work](f, open);
	torture_open_put(open, ok && roll(f, 8) == 0);
}
