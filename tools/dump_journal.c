/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The journal from the start of replay to its end.  Promise: shown is exactly what a mount would replay, and why
 * it would end there.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "extent/record.h"
#include "tools/cmd.h"
#include "tools/dump.h"

struct journal_dump {
	struct dump *d;
	struct record_owner owner;
	uint64_t lsn, chain, seq;
	uint64_t end; /* one round of the ring later */
	uint8_t *buf; /* RECORD_SIZE_MAX bytes */
};

static void show_record(struct journal_dump *j, const struct record_info *info)
{
	json_object *o = json_object_new_object();
	char text[256];

	dump_add_number(o, "record", info->lsn);
	dump_add_number(o, "size", info->size);
	dump_add_number(o, "transactions", info->nr_txns);
	dump_add_number(o, "first_seq", info->first_seq);
	dump_add_hex(o, "checksum", info->checksum);
	snprintf(text, sizeof(text), "record at %" PRIu64 ": %u bytes, %u transactions from %" PRIu64 "%s", info->lsn,
		 info->size, info->nr_txns, info->first_seq, info->nr_txns ? "" : " (filler)");
	dump_add_text(o, "text", text);
	dump_emit(j->d, o);
}

static void show_change(struct journal_dump *j, uint64_t seq, const struct record_change *c)
{
	json_object *o = dump_item(c->key, c->val, c->len), *item, *shown;
	bool put = c->op == CHANGE_PUT;
	char *text = NULL;

	if (!json_object_object_get_ex(o, "item", &item) || !json_object_object_get_ex(o, "text", &shown)) {
		json_object_put(o);
		return;
	}
	if (asprintf(&text, "  %" PRIu64 " %s %s", seq, put ? "put" : "delete",
		     json_object_get_string(put ? shown : item)) < 0)
		text = NULL;
	dump_add_number(o, "seq", seq);
	dump_add_text(o, "op", put ? "put" : "delete");
	if (!put)
		json_object_object_del(o, "value");
	if (text)
		dump_add_text(o, "text", text);
	free(text);
	dump_emit(j->d, o);
}

static void show_txns(struct journal_dump *j, const struct record_info *info)
{
	struct record_txns txns = record_txns(j->buf, info);
	struct record_txn txn;
	uint64_t seq = info->first_seq;

	for (; record_txn_next(&txns, &txn) == 0; seq++) {
		struct record_changes changes = record_changes(txn.changes, txn.len, txn.nr);
		struct record_change change;

		while (record_change_next(&changes, &change) == 0)
			show_change(j, seq, &change);
	}
}

FIBER_FN static int read_at(struct journal_dump *j, size_t from, size_t len)
{
	uint64_t byte = JOURNAL_OFFSET + j->lsn % j->d->super->journal_size + from;

	return dump_read(j->d, daddr_make(0, byte >> DADDR_BLOCK_SHIFT), j->buf + from, len);
}

/* The next record into the buffer; or why there is none. */
FIBER_FN static const char *read_record(struct journal_dump *j, struct record_info *info)
{
	uint64_t size = j->d->super->journal_size;

	if (read_at(j, 0, RECORD_ALIGN))
		return "the next one cannot be read";
	if (!record_decode(j->buf, &j->owner, info) || info->lsn != j->lsn || info->chain != j->chain)
		return "what follows is no record, or an old one";
	if (info->size > j->end - j->lsn || j->lsn % size + info->size > size)
		return "what follows is a record that cannot be there";
	if (record_written_size(info) > RECORD_ALIGN &&
	    read_at(j, RECORD_ALIGN, record_written_size(info) - RECORD_ALIGN))
		return "the next one cannot be read";
	if (!record_is_whole(j->buf, info))
		return "what follows is a torn record";
	if (!record_is_sound(j->buf, info))
		return "what follows is a record with impossible contents";
	return NULL;
}

int dump_journal(struct dump *d)
{
	struct journal_dump j = { .d = d,
				  .lsn = d->super->journal_lsn,
				  .chain = d->super->journal_chain,
				  .end = d->super->journal_lsn + d->super->journal_size,
				  .buf = blkdev_buf_alloc(RECORD_SIZE_MAX) };
	struct record_info info;
	const char *why = NULL;

	if (!j.buf)
		return CMD_FAILED;
	memcpy(j.owner.volume_uuid, d->super->volume_uuid, UUID_LEN);
	j.owner.era = d->super->journal_era;
	while (!why && j.lsn < j.end) {
		why = read_record(&j, &info);
		if (why)
			break;
		show_record(&j, &info);
		show_txns(&j, &info);
		j.lsn += info.size;
		j.chain = info.checksum;
	}
	dump_note("the journal ends at %" PRIu64 ": %s", j.lsn, why ? why : "that was the whole ring");
	blkdev_buf_free(j.buf);
	return CMD_OK;
}
