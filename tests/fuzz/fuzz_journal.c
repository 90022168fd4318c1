/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A ring of arbitrary bytes is given to journal_replay(): whatever it says, it ends, and stays inside its memory;
 * what it gives to apply can be walked to the end.
 *
 * The input is a mode byte and then pieces: le16 block of the ring, le16 length, bytes; the rest of the ring is
 * zeros.  With bit 0 of the mode the blocks that begin with the magic of a record are made good first, from where the
 * replay begins: volume, era, place, chain and checksum, so that the bytes behind them are reached.  With bit 1 the
 * lsns begin near the end of the ring, with bit 2 the numbers begin later than the records'.
 *
 * The corpus was made by running this program with LAMINA_FUZZ_SAMPLES=DIRECTORY: it writes a few inputs there, made
 * by the journal itself, and ends.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/journal.h"
#include "extent/record.h"
#include "extent/sum.h"
#include "tests/lib/mem_disk.h"
#include "tests/lib/sample_txn.h"

#define RING_SIZE      JOURNAL_SIZE_MIN
#define FIRST_CHAIN    5
#define ERA	       77

#define MODE_MAKE_GOOD 1
#define MODE_NEAR_END  2
#define MODE_LATER_SEQ 4

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct reactor *reactor;
static struct mem_disk disk;
static uint8_t ring[RING_SIZE] __attribute__((aligned(4096)));

static struct journal_config config(void)
{
	return (struct journal_config){
		.reactor = reactor,
		.dev = &disk.dev,
		.size = RING_SIZE,
		.volume_uuid = "0123456789abcde",
		.era = ERA,
	};
}

static struct journal_pos start_of(uint8_t mode)
{
	return (struct journal_pos){
		.lsn = mode & MODE_NEAR_END ? 10 * (uint64_t)RING_SIZE - 8 * RECORD_ALIGN : 0,
		.chain = FIRST_CHAIN,
	};
}

static void ring_fill(const uint8_t *data, size_t size)
{
	memset(ring, 0, sizeof(ring));
	while (size >= 4) {
		size_t at = (data[0] | (size_t)data[1] << 8) % (RING_SIZE / RECORD_ALIGN) * RECORD_ALIGN;
		size_t len = data[2] | (size_t)data[3] << 8;

		data += 4;
		size -= 4;
		len = min_u64(min_u64(len, size), RING_SIZE - at);
		memcpy(ring + at, data, len);
		data += len;
		size -= len;
	}
}

/* Give the record at @lsn, if there is something like one, what a writer would have given it.  Returns its size. */
static size_t make_good(uint64_t lsn, uint64_t chain)
{
	const struct journal_config cfg = config();
	uint8_t *at = ring + lsn % RING_SIZE;
	struct disk_record head;
	size_t rest = RING_SIZE - lsn % RING_SIZE;
	size_t size;

	memcpy(&head, at, sizeof(head));
	if (le32_get(head.magic) != RECORD_MAGIC)
		return 0;
	size = le32_get(head.size) & ~(size_t)(RECORD_ALIGN - 1);
	size = size ? min_u64(size, rest) : RECORD_ALIGN;
	head.size = le32_make((uint32_t)size);
	head.era = le64_make(ERA);
	head.lsn = le64_make(lsn);
	head.chain = le64_make(chain);
	memcpy(head.volume_uuid, cfg.volume_uuid, UUID_LEN);
	memcpy(at, &head, sizeof(head));
	sum_set(at, le32_get(head.nr_txns) ? size : RECORD_ALIGN);
	return size;
}

static void make_all_good(struct journal_pos pos)
{
	uint64_t end = pos.lsn + RING_SIZE;
	size_t size;

	while (pos.lsn < end) {
		size = make_good(pos.lsn, pos.chain);
		if (size == 0)
			return;
		pos.chain = sum_get(ring + pos.lsn % RING_SIZE);
		pos.lsn += size;
	}
}

static int apply(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr)
{
	struct record_changes it = record_changes(changes, len, nr);
	struct record_change change;
	uint64_t *last_seq = arg;
	uint64_t sum = 0;
	int err;

	if (seq <= *last_seq)
		abort();
	*last_seq = seq;
	while (!(err = record_change_next(&it, &change)))
		for (size_t i = 0; i < change.len; i++)
			sum += ((const uint8_t *)change.val)[i];
	if (err != -ENOENT)
		abort();
	return sum == UINT64_MAX ? -EIO : 0; /* never; but the bytes must be looked at */
}

FIBER_FN static int replay_main(void *arg)
{
	uint8_t mode = *(uint8_t *)arg;
	struct journal_config cfg = config();
	uint64_t last_seq = mode & MODE_LATER_SEQ ? 10 : 0;
	uint64_t next_seq = last_seq + 1;
	struct journal_replay_result res;
	int err = journal_replay(&cfg, start_of(mode), last_seq, apply, &last_seq, &res);

	if (err && err != -EUCLEAN)
		abort();
	if (res.next_seq < next_seq || res.end.lsn < start_of(mode).lsn ||
	    res.end.lsn > start_of(mode).lsn + RING_SIZE)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t mode;

	if (size == 0)
		return 0;
	mode = data[0];
	ring_fill(data + 1, size - 1);
	if (mode & MODE_MAKE_GOOD)
		make_all_good(start_of(mode));
	if (reactor_run(reactor, replay_main, &mode))
		abort();
	return 0;
}

/* Samples */

FIBER_FN static int write_records(void *arg)
{
	uint8_t mode = *(uint8_t *)arg;
	struct journal_config cfg = config();
	struct journal *j;
	uint64_t seq;

	if (journal_open(&cfg, start_of(mode), start_of(mode).lsn, 1, &j))
		return -EIO;
	for (int i = 0; i < 20; i++) {
		if (sample_txn_add(j, 0, &seq) || (i % 3 == 0 && journal_wait_durable(j, seq)))
			return -EIO;
	}
	journal_close(j);
	return 0;
}

/* Blocks without their zeros at the end. */
static void sample_write(FILE *out, uint8_t mode)
{
	fputc(mode, out);
	for (size_t block = 0; block < RING_SIZE / RECORD_ALIGN; block++) {
		const uint8_t *at = ring + block * RECORD_ALIGN;
		size_t len = RECORD_ALIGN;

		while (len > 0 && at[len - 1] == 0)
			len--;
		if (len == 0)
			continue;
		fprintf(out, "%c%c%c%c", (int)(block & 0xff), (int)(block >> 8), (int)(len & 0xff), (int)(len >> 8));
		fwrite(at, 1, len, out);
	}
}

static int samples_make(const char *dir)
{
	char path[4096];
	FILE *out;

	for (uint8_t mode = 0; mode < 8; mode++) {
		memset(ring, 0, sizeof(ring));
		if (reactor_run(reactor, write_records, &mode))
			return 1;
		snprintf(path, sizeof(path), "%s/written-%u", dir, mode);
		out = fopen(path, "w");
		if (!out)
			return 1;
		sample_write(out, mode);
		if (fclose(out))
			return 1;
	}
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *dir = getenv("LAMINA_FUZZ_SAMPLES");

	log_set_level(LOG_LEVEL_ERR);
	if (reactor_open(NULL, &reactor))
		abort();
	mem_disk_init(&disk, reactor, ring, sizeof(ring));
	if (dir)
		exit(samples_make(dir));
	return 0;
}
