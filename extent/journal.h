/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_JOURNAL_H
#define LAMINA_EXTENT_JOURNAL_H

/*
 * The journal: a ring of chained, checksummed records on device 0, each one durable write.  While a record is being
 * written the next one gathers (group commit), one write in flight at a time.  So a record was acknowledged if and
 * only if it and everything before it is whole; and a record of this era behind a broken one proves damage, not a
 * torn tail, for it was begun only after the broken one had been durable.
 */

#include "dev/blkdev.h"
#include "extent/format.h"

struct journal;

struct journal_config {
	struct reactor *reactor;
	struct blkdev *dev;
	uint64_t off;  /* bytes on @dev, a multiple of RECORD_ALIGN */
	uint64_t size; /* bytes, a multiple of RECORD_ALIGN, at least JOURNAL_SIZE_MIN */
	uint8_t volume_uuid[UUID_LEN];
	/*
	 * Chosen at random, so that no user can put something that looks like a record into a name or an attribute.
	 * Whoever gives up records that journal_replay() refused needs a new one: they must not be found again.
	 */
	uint64_t era;
	/*
	 * Bytes of one record at most; 0: what a transaction of TXN_LOG_MAX needs.  Never more than a third of the
	 * ring: so the largest fits after one trim to a mark, wherever the ring begins then and although the record
	 * that gathered at the mark is still in it.  Two buffers of this size are kept.
	 */
	size_t record_max;
	/*
	 * More than half of the ring is used, or somebody waits for room: trim soon.  Never switches.  Called once,
	 * then not before the next journal_trim(), but perhaps from inside that: so a call that comes while a
	 * checkpoint is running must lead to another one after it.  What it starts must not need room itself.
	 */
	void (*low)(void *arg);
	void *low_arg;
};

#define JOURNAL_SIZE_MIN (1u << 20)

/* Whether the ring lies inside the device and has a size that the functions below take; else they return -EINVAL. */
bool journal_config_is_possible(const struct journal_config *cfg) MUST_CHECK;

/* A boundary between two records: where the later one lies, and the checksum of the earlier one. */
struct journal_pos {
	uint64_t lsn;
	uint64_t chain;
};

/* Fill the ring with zeros, durable: an allocated but unwritten region would halve the rate of durable appends. */
FIBER_FN int journal_format(const struct journal_config *cfg) MUST_CHECK;

struct journal_replay_result {
	struct journal_pos end; /* where the next record goes */
	uint64_t next_seq;
	uint64_t nr_records;
	uint64_t nr_txns;	/* given to @apply */
	bool torn;		/* an unfinished record was seen at the end: dropped, nobody was promised it */
	bool damaged;		/* -EUCLEAN is the journal's, not @apply's */
	uint64_t damaged_lsn;	/* with -EUCLEAN and -EIO: where the damage lies; may be 0 */
	uint64_t next_good_lsn; /* with -EUCLEAN: a record that was begun when the damaged one was durable, or the
				   same lsn if that record is whole but can't be: a fault of ours, or forged */
};

/*
 * Give @apply every transaction with seq > @after_seq, in order, from the records at @pos and behind it.  It may
 * switch fibers; an error of it ends the replay and is returned.  Changes given to @apply are checked for form
 * (lengths, operations), not for meaning; extent/record.h walks them.
 *
 * -EUCLEAN: damage in the middle; what came before it was applied, nothing after.  -EIO: a record that may have been
 * acknowledged can't be read.  -ENOMEM.  *@ret counts what happened also when it fails.
 *
 * On success everything that was found survives a power cut: records that a killed process wrote may still be in the
 * device's cache, and writing behind them would promise them.  The whole ring is read, to see damage.
 */
FIBER_FN int journal_replay(const struct journal_config *cfg, struct journal_pos pos, uint64_t after_seq,
			    int (*apply)(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr),
			    void *arg, struct journal_replay_result *ret) MUST_CHECK;

/*
 * Go on writing at @pos; the ring between @tail_lsn (the oldest record still needed) and there is in use.
 * The first transaction will get @next_seq (> 0).  -ENOMEM, -EAGAIN (too many fibers), -EINVAL.
 */
int journal_open(const struct journal_config *cfg, struct journal_pos pos, uint64_t tail_lsn, uint64_t next_seq,
		 struct journal **ret_journal) MUST_CHECK;
/* Wait until everything committed is durable (or failed), then free it.  Who still waits for room gets -EIO. */
FIBER_FN void journal_close(struct journal *j);

/* Bytes of changes that one transaction can have at most. */
size_t journal_txn_max(const struct journal *j);

/*
 * Wait until a transaction of @len bytes of changes fits, first come, first served.  The room is good until the
 * caller switches fibers.  -EIO: the journal has failed.  -E2BIG: more than journal_txn_max().
 */
FIBER_FN int journal_wait_room(struct journal *j, size_t len) MUST_CHECK;

/*
 * Room for the changes of one transaction, at least as much as the last journal_wait_room() of this fiber promised:
 * they are built in place.  Calling it again without a commit gives the same room anew.
 */
void *journal_begin(struct journal *j);
/* The first @len bytes of that room are a transaction of @nr (> 0) changes.  Returns its number; not yet durable. */
uint64_t journal_commit(struct journal *j, size_t len, uint32_t nr);

/* 0: everything up to @seq survives a crash.  -EIO: it may not, and the journal accepts nothing more. */
FIBER_FN int journal_wait_durable(struct journal *j, uint64_t seq) MUST_CHECK;
uint64_t journal_durable_seq(const struct journal *j);
/* The number that the next transaction will get. */
uint64_t journal_next_seq(const struct journal *j);

/*
 * A boundary at or before the record that will hold the next transaction: a replay from here misses nothing newer.
 * A superblock that names it together with a sequence number may be written only when everything up to that number
 * is durable here.  Otherwise, after a crash, an unfinished record of an earlier life could take the place of the one
 * that the tree has seen half of.
 */
struct journal_pos journal_mark(const struct journal *j);
/* Records before @lsn are not needed any more; @lsn comes from journal_mark(). */
void journal_trim(struct journal *j, uint64_t lsn);
/* Bytes of the ring in use. */
uint64_t journal_used(const struct journal *j);
bool journal_has_failed(const struct journal *j);

struct journal_stats {
	uint64_t records, txns, bytes; /* durable since open; bytes with headers, padding and fillers */
	uint64_t waits_for_room;
};
struct journal_stats journal_stats(const struct journal *j);

#endif
