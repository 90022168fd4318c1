/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promise: a transaction whose number journal_wait_durable() answered with 0, and every one before it, is found by
 * journal_replay() after any crash.  There is one writer fiber and one write in flight; everybody else only appends
 * to the record that gathers in memory.  Neither a full ring nor a full record stops anybody for ever, as long as
 * somebody trims when asked to.  The first failed write ends the journal's life.
 *
 * What an unfinished record leaves behind is harmless, although the next life writes other, perhaps shorter records
 * over it.  Replay goes only from a whole record to its successor at that very lsn, whose chain must be the checksum
 * of the first: remains of another record, an older generation or an older life say something else there.  And where
 * a whole record ends, nothing with a higher lsn can follow, for it would have been begun before its predecessor was
 * durable.  One place is special: at the head may lie a record of ours that an earlier life could not finish.  Our
 * first record, torn in its turn, could supply just what that one lacks, say its zeros at the end, and so bring back
 * what a recovery has found to be lost.  So before the first record of a life the place of its header is overwritten.
 */

#include "extent/journal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "dev/fiber.h"
#include "dev/fiber_sync.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/record.h"
#include "extent/txn.h"

#define FORMAT_PIECE (1u << 20)

/* A record that gathers, or is being written. */
struct group {
	uint8_t *buf; /* record_max bytes */
	uint32_t used;
	uint32_t nr_txns;
	uint64_t first_seq;	   /* if nr_txns > 0 */
	struct wait_queue waiters; /* for its being durable */
};

struct journal {
	struct journal_config cfg;
	struct record_owner owner;
	size_t record_max;
	struct group groups[2];
	struct group *gathering; /* the other one is being written, or empty */
	uint8_t *filler;	 /* RECORD_ALIGN bytes */
	struct journal_pos head; /* behind the last sealed record: where the gathering one will lie */
	uint64_t tail_lsn;
	uint64_t next_seq;
	uint64_t durable_seq;
	struct list room_line; /* struct room_waiter, the longest waiting first */
	bool low_called;       /* since the last trim */
	bool failed;
	bool closing;
	bool writer_idle;
	bool head_is_clean; /* nothing of an earlier life lies at the head */
	struct fiber *writer;
	unsigned int nr_waiting; /* fibers inside of a wait function */
	struct wait_queue no_waiting;
	struct journal_stats stats;
};

struct room_waiter {
	struct list link;
	struct fiber *fiber;
};

bool journal_config_is_possible(const struct journal_config *cfg)
{
	uint64_t dev_size = cfg->dev->info.size;

	return is_aligned_u64(cfg->off | cfg->size, RECORD_ALIGN) && cfg->size >= JOURNAL_SIZE_MIN &&
	       cfg->size <= dev_size && cfg->off <= dev_size - cfg->size;
}

FIBER_FN int journal_format(const struct journal_config *cfg)
{
	void *zeros;
	int err = 0;

	if (!journal_config_is_possible(cfg))
		return -EINVAL;
	zeros = blkdev_buf_alloc(FORMAT_PIECE);
	if (!zeros)
		return -ENOMEM;
	for (uint64_t done = 0; done < cfg->size && !err; done += FORMAT_PIECE)
		err = blkdev_write(cfg->dev, cfg->off + done, zeros, min_u64(FORMAT_PIECE, cfg->size - done));
	if (!err)
		err = blkdev_flush(cfg->dev);
	blkdev_buf_free(zeros);
	return err;
}

/* Room */

/* Bytes from the head to the end of the ring if a record of @size does not fit there, else 0. */
static uint64_t filler_size(const struct journal *j, uint64_t size)
{
	uint64_t rest = j->cfg.size - j->head.lsn % j->cfg.size;

	return size > rest ? rest : 0;
}

enum room {
	ROOM_ENOUGH,
	ROOM_RECORD_FULL, /* until the writer has taken the gathering record */
	ROOM_RING_FULL,	  /* until somebody trims */
};

static enum room room_for(const struct journal *j, size_t len)
{
	uint64_t size = record_size(j->gathering->used + sizeof(struct disk_txn) + len);

	if (size > j->record_max)
		return ROOM_RECORD_FULL;
	if (journal_used(j) + filler_size(j, size) + size > j->cfg.size)
		return ROOM_RING_FULL;
	return ROOM_ENOUGH;
}

static void call_low(struct journal *j)
{
	if (j->low_called || !j->cfg.low)
		return;
	j->low_called = true;
	j->cfg.low(j->cfg.low_arg);
}

static void call_low_early(struct journal *j)
{
	if (journal_used(j) > j->cfg.size / 2)
		call_low(j);
}

static void room_line_wake(struct journal *j)
{
	if (!list_is_empty(&j->room_line))
		fiber_wake(list_first_entry(&j->room_line, struct room_waiter, link)->fiber);
}

static void waiting_end(struct journal *j)
{
	assert(j->nr_waiting > 0);
	if (--j->nr_waiting == 0)
		wait_queue_wake_all(&j->no_waiting);
}

/* First in line and served?  If not, see to it that something happens. */
static bool room_is_mine(struct journal *j, const struct room_waiter *w, size_t len)
{
	enum room room;

	if (j->room_line.next != &w->link)
		return false;
	room = room_for(j, len);
	if (room == ROOM_RING_FULL)
		call_low(j);
	return room == ROOM_ENOUGH;
}

/*
 * Only the first in line is ever woken, by whatever makes room, and it wakes the next when it leaves: newcomers queue
 * up behind it, so nobody takes from a large transaction the room that it waits for.
 */
FIBER_FN static int room_wait_in_line(struct journal *j, size_t len)
{
	struct room_waiter w = { .fiber = fiber_self() };

	list_add_tail(&w.link, &j->room_line);
	j->nr_waiting++;
	j->stats.waits_for_room++;
	while (!j->failed && !room_is_mine(j, &w, len))
		fiber_park();
	list_del(&w.link);
	room_line_wake(j);
	waiting_end(j);
	return j->failed ? -EIO : 0;
}

size_t journal_txn_max(const struct journal *j)
{
	return j->record_max - sizeof(struct disk_record) - sizeof(struct disk_txn);
}

FIBER_FN int journal_wait_room(struct journal *j, size_t len)
{
	assert(!j->closing);
	if (j->failed)
		return -EIO;
	if (len > journal_txn_max(j))
		return -E2BIG;
	if (list_is_empty(&j->room_line) && room_for(j, len) == ROOM_ENOUGH)
		return 0;
	return room_wait_in_line(j, len);
}

/* Appending */

static uint8_t *group_end(const struct group *g)
{
	return g->buf + sizeof(struct disk_record) + g->used;
}

static void writer_wake(struct journal *j)
{
	if (!j->writer_idle)
		return;
	j->writer_idle = false;
	fiber_wake(j->writer);
}

void *journal_begin(struct journal *j)
{
	return group_end(j->gathering) + sizeof(struct disk_txn);
}

uint64_t journal_commit(struct journal *j, size_t len, uint32_t nr)
{
	struct group *g = j->gathering;
	struct disk_txn head = { .len = le32_make((uint32_t)len), .nr = le32_make(nr) };

	assert(!j->failed && !j->closing);
	assert(nr > 0 && len >= nr * sizeof(struct disk_change));
	assert(room_for(j, len) == ROOM_ENOUGH);
	memcpy(group_end(g), &head, sizeof(head));
	if (g->nr_txns == 0)
		g->first_seq = j->next_seq;
	g->nr_txns++;
	g->used += (uint32_t)(sizeof(head) + len);
	writer_wake(j);
	return j->next_seq++;
}

/* Waiting for durability */

static struct group *group_other(struct journal *j)
{
	return &j->groups[j->gathering == &j->groups[0]];
}

/* What is not durable is being written or gathers. */
static struct group *group_of(struct journal *j, uint64_t seq)
{
	struct group *g = j->gathering;

	return g->nr_txns > 0 && seq >= g->first_seq ? g : group_other(j);
}

FIBER_FN int journal_wait_durable(struct journal *j, uint64_t seq)
{
	if (seq <= j->durable_seq)
		return 0;
	if (j->failed)
		return -EIO;
	assert(seq < j->next_seq);
	j->nr_waiting++;
	wait_queue_wait(&group_of(j, seq)->waiters);
	waiting_end(j);
	return seq <= j->durable_seq ? 0 : -EIO;
}

/* Writing */

/* Seal the record at @rec, which goes to the head, and move the head behind it.  Returns its place on the device. */
static uint64_t seal_at_head(struct journal *j, void *rec, struct record_info *info)
{
	uint64_t off = j->cfg.off + j->head.lsn % j->cfg.size;

	info->lsn = j->head.lsn;
	info->chain = j->head.chain;
	j->head.chain = record_seal(rec, &j->owner, info);
	j->head.lsn += info->size;
	assert(journal_used(j) <= j->cfg.size);
	return off;
}

struct piece {
	const void *buf;
	uint64_t off; /* on the device */
	size_t len;
};

/* Seal the gathering record and let the other one gather.  Returns how many pieces (1 or 2) are to be written. */
static unsigned int group_seal(struct journal *j, struct piece *ret_pieces)
{
	struct group *g = j->gathering;
	struct record_info filler = { .first_seq = g->first_seq };
	struct record_info info = { .first_seq = g->first_seq, .used = g->used, .nr_txns = g->nr_txns };
	unsigned int nr = 0;

	info.size = (uint32_t)record_size(g->used);
	filler.size = (uint32_t)filler_size(j, info.size);
	if (filler.size > 0) {
		ret_pieces[nr] = (struct piece){ .buf = j->filler, .len = RECORD_ALIGN };
		ret_pieces[nr++].off = seal_at_head(j, j->filler, &filler);
	}
	ret_pieces[nr] = (struct piece){ .buf = g->buf, .len = info.size };
	ret_pieces[nr++].off = seal_at_head(j, g->buf, &info);
	j->gathering = group_other(j);
	assert(j->gathering->nr_txns == 0);
	return nr;
}

static void journal_fail(struct journal *j, const struct piece *piece, int err)
{
	log_err("journal: writing %zu bytes at %" PRIu64 " of %s failed (%s); nothing more is accepted, restart when "
		"the device is well",
		piece->len, piece->off, j->cfg.dev->info.name, strerror(-err));
	j->failed = true;
	wait_queue_wake_all(&j->groups[0].waiters);
	wait_queue_wake_all(&j->groups[1].waiters);
	room_line_wake(j);
}

static void group_done(struct journal *j, struct group *g)
{
	j->durable_seq = g->first_seq + g->nr_txns - 1;
	j->stats.records++;
	j->stats.txns += g->nr_txns;
	g->nr_txns = 0;
	g->used = 0;
	wait_queue_wake_all(&g->waiters);
}

/*
 * By chance bytes: whatever of them survives completes no record.  The place is free, for the record that is about to
 * be written has room there.
 */
FIBER_FN static bool head_clean(struct journal *j)
{
	struct piece piece = { .buf = j->filler, .len = RECORD_ALIGN };
	int err;

	piece.off = j->cfg.off + j->head.lsn % j->cfg.size;
	for (size_t i = 0; i < RECORD_ALIGN; i++)
		j->filler[i] = (uint8_t)reactor_random(j->cfg.reactor);
	err = blkdev_write_durable(j->cfg.dev, piece.off, piece.buf, piece.len);
	memset(j->filler, 0, RECORD_ALIGN);
	if (err)
		journal_fail(j, &piece, err);
	j->head_is_clean = true;
	return !err;
}

/* One after the other: a record may be begun only when the one before it, here a filler, is durable. */
FIBER_FN static void group_write(struct journal *j)
{
	struct group *g = j->gathering;
	struct piece pieces[2];
	unsigned int nr = group_seal(j, pieces);
	int err;

	call_low_early(j);
	room_line_wake(j);
	for (unsigned int i = 0; i < nr; i++) {
		err = blkdev_write_durable(j->cfg.dev, pieces[i].off, pieces[i].buf, pieces[i].len);
		if (err) {
			journal_fail(j, &pieces[i], err);
			return;
		}
		j->stats.bytes += pieces[i].len;
	}
	group_done(j, g);
}

/*
 * journal_commit() makes this fiber runnable behind all others that are, so their transactions join the group.  After
 * a write the next group has gathered meanwhile and goes at once, without waiting for those just woken: what they
 * compute overlaps with the write.
 */
FIBER_FN static void writer_main(void *arg)
{
	struct journal *j = arg;

	while (!j->failed) {
		if (j->gathering->nr_txns > 0) {
			if (j->head_is_clean || head_clean(j))
				group_write(j);
		} else if (j->closing) {
			return;
		} else {
			j->writer_idle = true;
			fiber_park();
		}
	}
}

/* Life */

static size_t record_max_of(const struct journal_config *cfg)
{
	uint64_t max = cfg->record_max;

	if (max == 0)
		max = record_size(sizeof(struct disk_txn) + TXN_LOG_MAX);
	max = min_u64(max, RECORD_SIZE_MAX);
	max = min_u64(max, cfg->size / 3);
	return max_u64(round_down_u64(max, RECORD_ALIGN), RECORD_ALIGN);
}

static void journal_free(struct journal *j)
{
	if (!j)
		return;
	blkdev_buf_free(j->groups[0].buf);
	blkdev_buf_free(j->groups[1].buf);
	blkdev_buf_free(j->filler);
	free(j);
}

static struct journal *journal_alloc(const struct journal_config *cfg)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->cfg = *cfg;
	j->record_max = record_max_of(cfg);
	j->filler = blkdev_buf_alloc(RECORD_ALIGN);
	for (size_t i = 0; i < ARRAY_SIZE(j->groups); i++) {
		j->groups[i].buf = blkdev_buf_alloc(j->record_max);
		wait_queue_init(&j->groups[i].waiters);
	}
	if (!j->filler || !j->groups[0].buf || !j->groups[1].buf) {
		journal_free(j);
		return NULL;
	}
	j->gathering = &j->groups[0];
	j->owner.era = cfg->era;
	memcpy(j->owner.volume_uuid, cfg->volume_uuid, UUID_LEN);
	list_init(&j->room_line);
	wait_queue_init(&j->no_waiting);
	return j;
}

int journal_open(const struct journal_config *cfg, struct journal_pos pos, uint64_t tail_lsn, uint64_t next_seq,
		 struct journal **ret_journal)
{
	struct journal *j;
	int err;

	if (!journal_config_is_possible(cfg) || !is_aligned_u64(pos.lsn | tail_lsn, RECORD_ALIGN) ||
	    pos.lsn > INT64_MAX || tail_lsn > pos.lsn || pos.lsn - tail_lsn > cfg->size || next_seq == 0)
		return -EINVAL;
	j = journal_alloc(cfg);
	if (!j)
		return -ENOMEM;
	j->head = pos;
	j->tail_lsn = tail_lsn;
	j->next_seq = next_seq;
	j->durable_seq = next_seq - 1;
	err = fiber_spawn(cfg->reactor, "journal", writer_main, j, &j->writer);
	if (err) {
		journal_free(j);
		return err;
	}
	*ret_journal = j;
	return 0;
}

FIBER_FN void journal_close(struct journal *j)
{
	j->closing = true;
	writer_wake(j);
	fiber_join(j->writer);
	j->failed = true;
	room_line_wake(j);
	/* Those already woken still have to look at @j. */
	while (j->nr_waiting > 0)
		wait_queue_wait(&j->no_waiting);
	journal_free(j);
}

struct journal_pos journal_mark(const struct journal *j)
{
	return j->head;
}

void journal_trim(struct journal *j, uint64_t lsn)
{
	assert(lsn <= j->head.lsn && is_aligned_u64(lsn, RECORD_ALIGN));
	j->tail_lsn = max_u64(j->tail_lsn, lsn);
	j->low_called = false;
	call_low_early(j);
	room_line_wake(j);
}

/* Looking */

uint64_t journal_durable_seq(const struct journal *j)
{
	return j->durable_seq;
}

uint64_t journal_next_seq(const struct journal *j)
{
	return j->next_seq;
}

uint64_t journal_used(const struct journal *j)
{
	return j->head.lsn - j->tail_lsn;
}

bool journal_has_failed(const struct journal *j)
{
	return j->failed;
}

struct journal_stats journal_stats(const struct journal *j)
{
	return j->stats;
}
