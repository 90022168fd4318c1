/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_RECORD_H
#define LAMINA_EXTENT_RECORD_H

/*
 * One record of the journal as bytes (extent/format.h): building it, telling whether bytes are one, and walking
 * its transactions and their changes.  No I/O, no state; any bytes may be given to what reads.
 *
 * A filler is a record without transactions that uses up the end of the ring.  Only its first RECORD_ALIGN bytes are
 * written and checksummed; what lies behind them is whatever was there.
 */

#include "extent/format.h"

/* Whose records: bytes that carry another volume or era are not ours. */
struct record_owner {
	uint8_t volume_uuid[UUID_LEN];
	uint64_t era;
};

/* A record's header. */
struct record_info {
	uint64_t checksum;
	uint64_t lsn;
	uint64_t chain;
	uint64_t first_seq;
	uint32_t size; /* bytes, a multiple of RECORD_ALIGN, at most RECORD_SIZE_MAX */
	uint32_t used; /* bytes of transactions */
	uint32_t nr_txns;
};

/* The size of a record with @used bytes of transactions, disk_txn headers included. */
static inline uint64_t record_size(uint64_t used)
{
	return round_up_u64(sizeof(struct disk_record) + used, RECORD_ALIGN);
}

/* Bytes that are written and checksummed: all of it, or a filler's head. */
static inline size_t record_written_size(const struct record_info *info)
{
	return info->nr_txns ? info->size : RECORD_ALIGN;
}

/*
 * Finish the record whose transactions lie at @rec + sizeof(struct disk_record): header, zeros up to its end,
 * checksum.
 * @info->checksum is not looked at; @info->size is record_size(used) unless it is a filler.  Returns the checksum.
 */
uint64_t record_seal(void *rec, const struct record_owner *owner, const struct record_info *info);

/* Whether the sizeof(struct disk_record) bytes at @head are a possible header of @owner's. */
bool record_decode(const void *head, const struct record_owner *owner, struct record_info *ret_info) MUST_CHECK;
/* Whether the record_written_size() bytes at @rec are what was sealed.  @info was decoded from them. */
bool record_is_whole(const void *rec, const struct record_info *info) MUST_CHECK;
/* Whether every transaction and change has a possible form.  True of everything that journal.c ever wrote. */
bool record_is_sound(const void *rec, const struct record_info *info) MUST_CHECK;

/* The transactions of one record, in order. */
struct record_txns {
	const uint8_t *pos;
	size_t left;
	uint32_t nr_left;
};

struct record_txn {
	const void *changes;
	uint32_t len; /* bytes */
	uint32_t nr;  /* changes */
};

struct record_txns record_txns(const void *rec, const struct record_info *info);
/* 0; -ENOENT: that was all; -EUCLEAN: not a transaction (never, if record_is_sound()). */
int record_txn_next(struct record_txns *it, struct record_txn *ret_txn) MUST_CHECK;

/* The changes of one transaction, in order. */
struct record_changes {
	const uint8_t *pos;
	size_t left;
	uint32_t nr_left;
};

struct record_change {
	struct key key;
	const void *val; /* into the record, not aligned */
	uint16_t len;	 /* at most ITEM_VALUE_MAX; 0 for CHANGE_DELETE */
	uint8_t op;	 /* CHANGE_PUT or CHANGE_DELETE */
};

/* @len bytes with @nr changes, as journal_replay() gives them. */
struct record_changes record_changes(const void *changes, size_t len, uint32_t nr);
/* 0; -ENOENT: that was all; -EUCLEAN: not a change (never, for what journal_replay() gives). */
int record_change_next(struct record_changes *it, struct record_change *ret_change) MUST_CHECK;

/* Bytes of a change whose value has @len bytes. */
static inline size_t record_change_size(size_t len)
{
	return sizeof(struct disk_change) + len;
}

/* Write @change to @at, record_change_size(@change->len) bytes, which are returned. */
size_t record_change_write(void *at, const struct record_change *change);

#endif
