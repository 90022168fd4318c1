/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: every transaction whose durability was ever reported is given to the caller, in order and once, or the
 * replay fails and says where.  Nothing of another era, volume or ring generation is given.
 *
 * Where the records end is decided at the first place P without a whole successor.  Either P was never finished, then
 * nobody was promised it and it is dropped; or it was and is damaged.  The writer begins a record only when the one
 * before it is durable, so any record of this era with a higher lsn than P proves damage.  Its header is proof
 * enough, even if it is torn itself: an old generation's has a lower lsn and lower sequence numbers (both, so that a
 * flipped bit in old remains proves nothing), and the era is a secret that nobody can put into the contents of a
 * record.  A damaged last record cannot be told from an unfinished one by any means.
 *
 * A block that cannot be read is never taken for a torn one: a record, or the place of the next record, that cannot
 * be read is -EIO.  Behind P only the places matter where the direct successor of a damaged P would begin.  Farther
 * away an unreadable block is most likely stale and will be written over; to lose anything by it, P, its whole
 * successor and everything readable after that would have to be damaged too.
 */

#include <inttypes.h>

#include "dev/log.h"
#include "extent/journal.h"
#include "extent/record.h"
#include "extent/ring.h"

struct replay {
	const struct journal_config *cfg;
	struct record_owner owner;
	struct ring *ring;
	struct journal_pos pos; /* of the next record */
	uint64_t end_lsn;	/* one round behind the first record */
	uint64_t after_seq;
	uint64_t next_seq; /* that the next record begins with; 0: none was read */
	int (*apply)(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr);
	void *arg;
	struct journal_replay_result *res;
};

/* Numbers may be skipped only among those that the caller doesn't want. */
static uint64_t next_seq_max(const struct replay *r)
{
	return max_u64(r->next_seq, r->after_seq + 1);
}

static int damaged(struct replay *r, uint64_t later_lsn)
{
	r->res->damaged = true;
	r->res->damaged_lsn = r->pos.lsn;
	r->res->next_good_lsn = later_lsn;
	return -EUCLEAN;
}

static int unreadable(struct replay *r)
{
	r->res->damaged_lsn = r->pos.lsn;
	return -EIO;
}

/* Whether a record of that size can lie at @lsn: neither across the ring's end nor over the first one. */
static bool fits_at(const struct replay *r, uint64_t lsn, uint64_t size)
{
	return size <= r->cfg->size - lsn % r->cfg->size && size <= r->end_lsn - lsn;
}

/* The whole record at r->pos; -ENOENT: there is none; -EUCLEAN: one that can't be. */
FIBER_FN static int read_record(struct replay *r, struct record_info *ret_info, const void **ret_rec)
{
	uint64_t lsn = r->pos.lsn;
	struct record_info info;
	const void *rec;

	if (lsn == r->end_lsn)
		return -ENOENT;
	if (ring_view(r->ring, lsn, RECORD_ALIGN, &rec))
		return unreadable(r);
	if (!record_decode(rec, &r->owner, &info) || info.lsn != lsn || !fits_at(r, lsn, info.size))
		return -ENOENT;
	if (ring_view(r->ring, lsn, record_written_size(&info), &rec))
		return unreadable(r);
	if (!record_is_whole(rec, &info)) {
		r->res->torn = info.chain == r->pos.chain;
		return -ENOENT;
	}
	if (info.chain != r->pos.chain || info.first_seq < r->next_seq || info.first_seq > next_seq_max(r) ||
	    !record_is_sound(rec, &info))
		return damaged(r, lsn);
	*ret_info = info;
	*ret_rec = rec;
	return 0;
}

FIBER_FN static int apply_record(struct replay *r, const struct record_info *info, const void *rec)
{
	struct record_txns it = record_txns(rec, info);
	uint64_t seq = info->first_seq;
	struct record_txn txn;
	int err;

	for (;; seq++) {
		err = record_txn_next(&it, &txn);
		if (err == -ENOENT)
			break;
		if (!err && seq > r->after_seq) {
			err = r->apply(r->arg, seq, txn.changes, txn.len, txn.nr);
			r->res->nr_txns += !err;
		}
		if (err)
			return err;
	}
	r->pos = (struct journal_pos){ .lsn = info->lsn + info->size, .chain = info->checksum };
	r->next_seq = seq;
	r->res->nr_records++;
	return 0;
}

/* 0: up to the first place without a whole record, which is r->pos then. */
FIBER_FN static int apply_all(struct replay *r)
{
	struct record_info info;
	const void *rec;
	int err;

	for (;;) {
		err = read_record(r, &info, &rec);
		if (err == -ENOENT)
			return 0;
		if (!err)
			err = apply_record(r, &info, rec);
		if (err)
			return err;
	}
}

/* Whether the header of a block with place @lsn belongs to a record begun when the one at r->pos was durable. */
static bool is_later(const struct replay *r, uint64_t lsn, const void *head, uint64_t *ret_lsn)
{
	struct record_info info;

	if (!record_decode(head, &r->owner, &info))
		return false;
	if (info.lsn <= r->pos.lsn || info.lsn % r->cfg->size != lsn % r->cfg->size)
		return false;
	if (info.nr_txns == 0 ? info.first_seq < next_seq_max(r)
			      : info.first_seq > INT64_MAX || info.first_seq + info.nr_txns <= next_seq_max(r))
		return false;
	*ret_lsn = info.lsn;
	return true;
}

/* Look through the rest of the ring for a proof that the record at r->pos is not torn, but damaged. */
FIBER_FN static int search_later(struct replay *r)
{
	uint64_t nr_unreadable = 0;
	uint64_t later_lsn;
	const void *head;

	if (r->pos.lsn == r->end_lsn)
		return 0;
	ring_seek(r->ring, r->pos.lsn + RECORD_ALIGN);
	for (uint64_t lsn = r->pos.lsn + RECORD_ALIGN; lsn < r->end_lsn; lsn += RECORD_ALIGN) {
		if (ring_view(r->ring, lsn, RECORD_ALIGN, &head)) {
			if (lsn - r->pos.lsn <= RECORD_SIZE_MAX)
				return unreadable(r);
			nr_unreadable++;
		} else if (is_later(r, lsn, head, &later_lsn)) {
			return damaged(r, later_lsn);
		}
	}
	if (nr_unreadable)
		log_warn("journal: %" PRIu64 " blocks of %s that are not in use cannot be read; they will be written "
			 "over",
			 nr_unreadable, r->cfg->dev->info.name);
	return 0;
}

/* Records may have come from a device's cache; who writes behind them relies on them. */
FIBER_FN static int make_durable(const struct journal_config *cfg)
{
	return cfg->dev->info.read_only ? 0 : blkdev_flush(cfg->dev);
}

FIBER_FN static int replay_run(struct replay *r)
{
	int err = apply_all(r);

	if (!err)
		err = search_later(r);
	if (!err)
		err = make_durable(r->cfg);
	return err;
}

FIBER_FN int journal_replay(const struct journal_config *cfg, struct journal_pos pos, uint64_t after_seq,
			    int (*apply)(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr),
			    void *arg, struct journal_replay_result *ret)
{
	struct journal_replay_result res = { 0 };
	struct replay r = {
		.cfg = cfg,
		.owner.era = cfg->era,
		.pos = pos,
		.end_lsn = pos.lsn + cfg->size,
		.after_seq = after_seq,
		.apply = apply,
		.arg = arg,
		.res = &res,
	};
	int err;

	*ret = res;
	if (!journal_config_is_possible(cfg) || !is_aligned_u64(pos.lsn, RECORD_ALIGN) || pos.lsn > INT64_MAX ||
	    after_seq > INT64_MAX)
		return -EINVAL;
	memcpy(r.owner.volume_uuid, cfg->volume_uuid, UUID_LEN);
	err = ring_open(cfg, pos.lsn, &r.ring);
	if (err)
		return err;
	err = replay_run(&r);
	ring_close(r.ring);
	res.end = r.pos;
	res.next_seq = next_seq_max(&r);
	*ret = res;
	return err;
}
