/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a replay finds: after a power cut at every write, with sectors torn and lost, everything promised and nothing
 * else; old generations and lives never; damage, unreadable blocks and impossible contents where they are.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/journal.h"
#include "extent/record.h"
#include "extent/sum.h"
#include "tests/lib/check.h"
#include "tests/lib/sample_txn.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_reactor.h"

#define DISK_SIZE (32u << 20)
#define RING_OFF  (1u << 20)

/* A machine with a disk, from power on to power off. */
struct box {
	struct reactor *reactor;
	struct sim_disk *disk;
	struct blkdev *dev;
	struct journal_config cfg;
	struct journal *j;
	struct sim_tape *tape;
	unsigned int life;
};

static void box_on(struct box *b, const struct sim_image *contents, uint64_t ring_size, uint64_t seed)
{
	struct sim_disk_config disk = { .size = DISK_SIZE, .seed = seed };

	*b = (struct box){ .reactor = sim_reactor_new(seed) };
	b->disk = contents ? sim_disk_new_from(&disk, contents) : sim_disk_new(&disk);
	b->dev = sim_disk_open(b->disk, b->reactor);
	b->cfg = (struct journal_config){
		.reactor = b->reactor,
		.dev = b->dev,
		.off = RING_OFF,
		.size = ring_size,
		.volume_uuid = "0123456789abcde",
		.era = 0x1234567890abcdef,
	};
}

static void box_off(struct box *b)
{
	blkdev_close(b->dev);
	sim_disk_free(b->disk);
	reactor_close(b->reactor);
}

/* Call @fn(@arg) in a fiber of @b. */
static void box_run(struct box *b, int (*fn)(void *arg), void *arg)
{
	CHECK_EQ(reactor_run(b->reactor, fn, arg), 0);
}

/* What a superblock would say. */
struct super {
	struct journal_pos pos;
	uint64_t seq;
};

struct replay_job {
	struct box *box;
	struct super super;
	struct sample_check check;
	struct journal_replay_result res;
	int err;
};

FIBER_FN static int replay_main(void *arg)
{
	struct replay_job *job = arg;

	job->check.last_seq = job->super.seq;
	job->err = journal_replay(&job->box->cfg, job->super.pos, job->super.seq, sample_check_txn, &job->check,
				  &job->res);
	return 0;
}

static void replay(struct replay_job *job)
{
	box_run(job->box, replay_main, job);
}

/* Power cuts */

#define MARK_PROMISED 1 /* value: a sequence number */
#define MARK_SUPER    2 /* value: an index of supers[] */

#define SUPERS_MAX    256
#define NR_WRITERS    8

struct workload {
	struct box *box;
	struct super supers[SUPERS_MAX];
	size_t nr_supers;
	int left; /* transactions to do */
	bool over;
	uint64_t end_lsn;
};

FIBER_FN static void workload_writer(void *arg)
{
	struct workload *w = arg;

	while (w->left-- > 0) {
		uint64_t seq;

		CHECK_EQ(sample_txn_add(w->box->j, w->box->life, &seq), 0);
		CHECK_EQ(journal_wait_durable(w->box->j, seq), 0);
		sim_tape_mark(w->box->tape, MARK_PROMISED, seq);
	}
}

FIBER_FN static void workload_checkpointer(void *arg)
{
	struct workload *w = arg;

	while (!w->over) {
		struct super super = { journal_mark(w->box->j), journal_next_seq(w->box->j) - 1 };

		CHECK_EQ(journal_wait_durable(w->box->j, super.seq), 0);
		fiber_sleep_ns(30000000);
		CHECK(w->nr_supers < SUPERS_MAX);
		w->supers[w->nr_supers] = super;
		sim_tape_mark(w->box->tape, MARK_SUPER, w->nr_supers++);
		journal_trim(w->box->j, super.pos.lsn);
	}
}

FIBER_FN static int workload_main(void *arg)
{
	struct workload *w = arg;
	struct fiber *writers[NR_WRITERS], *checkpointer;

	CHECK_EQ(journal_open(&w->box->cfg, w->supers[0].pos, w->supers[0].pos.lsn, w->supers[0].seq + 1, &w->box->j),
		 0);
	CHECK_EQ(fiber_spawn(w->box->reactor, "checkpointer", workload_checkpointer, w, &checkpointer), 0);
	for (int i = 0; i < NR_WRITERS; i++)
		CHECK_EQ(fiber_spawn(w->box->reactor, "writer", workload_writer, w, &writers[i]), 0);
	for (int i = 0; i < NR_WRITERS; i++)
		fiber_join(writers[i]);
	w->over = true;
	fiber_join(checkpointer);
	w->end_lsn = journal_mark(w->box->j).lsn;
	journal_close(w->box->j);
	return 0;
}

/* What the world knows at the moment of a cut. */
struct owed {
	const struct workload *workload;
	struct super super;
	uint64_t promised;
};

static void owed_mark(void *arg, uint64_t what, uint64_t value)
{
	struct owed *owed = arg;

	if (what == MARK_PROMISED)
		owed->promised = max_u64(owed->promised, value);
	else
		owed->super = owed->workload->supers[value];
}

/* The second life after a cut: other transactions over the remains, until the power goes once more. */
struct second_life {
	struct box *box;
	struct replay_job *before;
	uint64_t promised;
	bool power_lost;
};

FIBER_FN static void second_life_writer(void *arg)
{
	struct second_life *l = arg;
	uint64_t seq;

	while (!sample_txn_add(l->box->j, 1, &seq) && !journal_wait_durable(l->box->j, seq))
		l->promised = seq;
	l->power_lost = true;
}

FIBER_FN static int second_life_main(void *arg)
{
	struct second_life *l = arg;
	struct journal_replay_result *res = &l->before->res;
	struct fiber *writer;

	CHECK_EQ(journal_open(&l->box->cfg, res->end, l->before->super.pos.lsn, res->next_seq, &l->box->j), 0);
	CHECK_EQ(fiber_spawn(l->box->reactor, "writer", second_life_writer, l, &writer), 0);
	fiber_join(writer);
	journal_close(l->box->j);
	return 0;
}

static void check_second_life(struct replay_job *before, uint64_t seed)
{
	struct sim_cut cut = { .style = SIM_CUT_ANY, .seed = seed };
	struct second_life life = { .box = before->box, .before = before };
	struct replay_job after = *before;
	struct sim_disk *disk;
	struct box box;

	sim_disk_power_off_at(before->box->disk, 1 + seed % 4, false, SIM_POWER_ERRORS);
	box_run(before->box, second_life_main, &life);
	CHECK(life.power_lost);
	disk = sim_disk_reboot(before->box->disk, &cut);
	box_on(&box, sim_disk_contents(disk), before->box->cfg.size, seed);
	after.box = &box;
	after.check.nr_lives = 2;
	after.check.first_seq[1] = before->res.next_seq;
	replay(&after);
	CHECK_EQ(after.err, 0);
	CHECK(after.check.last_seq >= max_u64(life.promised, before->check.last_seq));
	box_off(&box);
	sim_disk_free(disk);
}

static void check_cut(const struct sim_player *player, const struct owed *owed, uint64_t ring_size, uint64_t seed)
{
	struct sim_cut cut = { .style = (enum sim_cut_style)(seed % (SIM_CUT_STYLES + 1)), .seed = seed };
	struct replay_job job = { .super = owed->super, .check.nr_lives = 1 };
	struct sim_image contents;
	struct box box;

	sim_player_cut(player, 0, &cut, &contents);
	box_on(&box, &contents, ring_size, seed);
	job.box = &box;
	replay(&job);
	if (job.err || job.check.last_seq < owed->promised) {
		fprintf(stderr,
			"cut %" PRIu64 " (%s): %d, damage at %" PRIu64 ", next %" PRIu64 "; found up to %" PRIu64
			", promised %" PRIu64 "\n",
			seed, sim_cut_style_name(cut.style), job.err, job.res.damaged_lsn, job.res.next_good_lsn,
			job.check.last_seq, owed->promised);
		sim_player_print(player, stderr);
		abort();
	}
	CHECK_EQ(job.res.next_seq, job.check.last_seq + 1);
	check_second_life(&job, seed);
	box_off(&box);
	sim_image_release(&contents);
}

/* A workload from @lsn on, with the power cut at every point of it.  Returns the number of crash states. */
static size_t cut_everywhere(uint64_t lsn, int nr_txns, uint64_t seed)
{
	struct workload *w = sim_alloc(sizeof(*w));
	struct owed owed = { .workload = w };
	struct sim_player player;
	uint64_t nr = 0;
	struct box box;

	box_on(&box, NULL, JOURNAL_SIZE_MIN, seed);
	box.tape = sim_tape_new();
	sim_disk_record(box.disk, box.tape);
	w->box = &box;
	w->left = nr_txns;
	w->supers[w->nr_supers++] = (struct super){ .pos = { .lsn = lsn, .chain = 77 } };
	owed.super = w->supers[0];
	box_run(&box, workload_main, w);
	CHECK(w->end_lsn > round_up_u64(lsn + 1, box.cfg.size)); /* round the end */
	sim_player_init(&player, box.tape, owed_mark, &owed);
	do {
		for (int i = 0; i < 2; i++)
			check_cut(&player, &owed, box.cfg.size, seed * 1000 + nr++);
	} while (sim_player_next(&player));
	sim_player_release(&player);
	sim_tape_free(box.tape);
	box_off(&box);
	free(w);
	return 2 * nr;
}

static void test_power_cuts(void **state)
{
	uint64_t seed = sim_seed(1);
	size_t nr;

	fprintf(stderr, "LAMINA_SEED=%" PRIu64 "\n", seed);
	nr = cut_everywhere(0, 1100, seed * 1000);
	/* The end of the ring, with fillers of all sizes. */
	for (uint64_t i = 1; i <= 12; i++)
		nr += cut_everywhere(3 * JOURNAL_SIZE_MIN - i * RECORD_ALIGN, 50, seed * 1000 + i);
	fprintf(stderr, "%zu crash states\n", nr);
}

/* A row of records, one transaction each, with the place of each */

#define NR_RECORDS 400

struct row {
	struct box *box;
	struct journal_pos start;
	uint64_t tail_lsn;
	uint64_t first_seq;
	size_t nr;
	struct super supers[NR_RECORDS + 1]; /* before each record and behind the last */
};

FIBER_FN static int row_main(void *arg)
{
	struct row *row = arg;
	uint64_t seq;

	CHECK_EQ(journal_open(&row->box->cfg, row->start, row->tail_lsn, row->first_seq, &row->box->j), 0);
	for (size_t i = 0; i < row->nr; i++) {
		row->supers[i] = (struct super){ journal_mark(row->box->j), row->first_seq + i - 1 };
		CHECK_EQ(sample_txn_add(row->box->j, 0, &seq), 0);
		CHECK_EQ(journal_wait_durable(row->box->j, seq), 0);
		if (i >= 20)
			journal_trim(row->box->j, row->supers[i - 20].pos.lsn);
	}
	row->supers[row->nr] = (struct super){ journal_mark(row->box->j), row->first_seq + row->nr - 1 };
	journal_close(row->box->j);
	return 0;
}

static void row_make(struct row *row, struct box *box, size_t nr)
{
	*row = (struct row){ .box = box, .start = { .chain = 3 }, .first_seq = 1, .nr = nr };
	box_run(box, row_main, row);
}

/* Replay from record @from on. */
static struct replay_job row_replay(const struct row *row, size_t from)
{
	struct replay_job job = { .box = row->box, .super = row->supers[from], .check.nr_lives = 1 };

	replay(&job);
	return job;
}

static uint64_t place(const struct box *b, uint64_t lsn)
{
	return b->cfg.off + lsn % b->cfg.size;
}

/* Change one bit of the disk, look, and change it back. */
static struct replay_job with_flipped_bit(const struct row *row, size_t from, uint64_t off, unsigned int bit)
{
	struct replay_job job;

	sim_disk_flip_bit(row->box->disk, off, bit);
	job = row_replay(row, from);
	sim_disk_flip_bit(row->box->disk, off, bit);
	return job;
}

/* The last records of a ring that went round several times, one bit flipped anywhere in each of them. */
static void test_bit_flips(void **state)
{
	struct sim_rng rng = sim_rng_make(sim_seed(1), 3);
	struct row *row = sim_alloc(sizeof(*row));
	struct box box;
	size_t from;

	box_on(&box, NULL, JOURNAL_SIZE_MIN, 1);
	row_make(row, &box, NR_RECORDS);
	CHECK(row->supers[row->nr].pos.lsn > 2 * box.cfg.size / 3);
	from = row->nr - 15;
	for (int i = 0; i < 600; i++) {
		size_t nr = from + sim_rng_below(&rng, row->nr - from);
		uint64_t lsn = row->supers[nr].pos.lsn;
		uint64_t len = row->supers[nr + 1].pos.lsn - lsn;
		uint64_t at = sim_rng_below(&rng, i % 2 ? len : 72);
		struct replay_job job = with_flipped_bit(row, from, place(&box, lsn + at), i % 8);

		if (job.err == 0 && job.check.last_seq == row->nr) /* behind the head of a filler */
			continue;
		CHECK_EQ(job.check.last_seq, nr);
		CHECK_EQ(job.err, nr + 1 < row->nr ? -EUCLEAN : 0);
		if (!job.err)
			continue; /* the last: nothing can tell it from an unfinished one */
		/* The filler before the record, if there is one, is another. */
		CHECK(job.res.damaged_lsn >= lsn && job.res.damaged_lsn <= lsn + at);
		CHECK(job.res.next_good_lsn > job.res.damaged_lsn &&
		      job.res.next_good_lsn < row->supers[nr + 2].pos.lsn);
	}
	box_off(&box);
	free(row);
}

/* A bit of old remains says nothing about today. */
static void test_flips_in_old_remains(void **state)
{
	struct row *row = sim_alloc(sizeof(*row));
	struct box box;

	box_on(&box, NULL, JOURNAL_SIZE_MIN, 1);
	row_make(row, &box, NR_RECORDS);
	/* The highest bits of the lsns of old records: flipped, they seem to be of later generations. */
	for (size_t nr = row->nr - 60; nr < row->nr; nr++)
		for (unsigned int byte = 2; byte < 8; byte += 2) {
			uint64_t at = row->supers[nr].pos.lsn + offsetof(struct disk_record, lsn) + byte;
			struct replay_job job = with_flipped_bit(row, row->nr, place(&box, at), nr % 8);

			CHECK_EQ(job.err, 0);
			CHECK_EQ(job.res.end.lsn, row->supers[row->nr].pos.lsn);
			CHECK_EQ(job.res.nr_records, 0);
		}
	box_off(&box);
	free(row);
}

/* From every record of the newest generation on, exactly what follows is found. */
static void test_every_start(void **state)
{
	struct row *row = sim_alloc(sizeof(*row));
	struct box box;

	box_on(&box, NULL, JOURNAL_SIZE_MIN, 1);
	row_make(row, &box, NR_RECORDS);
	for (size_t from = row->nr - 40; from <= row->nr; from++) {
		struct replay_job job = row_replay(row, from);

		CHECK_EQ(job.err, 0);
		CHECK_EQ(job.check.last_seq, row->nr);
		CHECK_EQ(job.res.nr_txns, row->nr - from);
		CHECK_EQ(job.res.end.lsn, row->supers[row->nr].pos.lsn);
		CHECK_EQ(job.res.end.chain, row->supers[row->nr].pos.chain);
	}
	box_off(&box);
	free(row);
}

static void test_wrong_starts(void **state)
{
	struct row *row = sim_alloc(sizeof(*row));
	struct replay_job job;
	struct box box;

	box_on(&box, NULL, JOURNAL_SIZE_MIN, 1);
	row_make(row, &box, NR_RECORDS);
	/* Long overwritten. */
	job = row_replay(row, 0);
	CHECK_EQ(job.err, -EUCLEAN);
	CHECK(job.res.damaged);
	CHECK_EQ(job.res.damaged_lsn, 0);
	CHECK_EQ(job.res.nr_txns, 0);
	/* A whole record with another past. */
	row->supers[row->nr - 5].pos.chain ^= 1;
	job = row_replay(row, row->nr - 5);
	CHECK_EQ(job.err, -EUCLEAN);
	CHECK_EQ(job.res.damaged_lsn, row->supers[row->nr - 5].pos.lsn);
	row->supers[row->nr - 5].pos.chain ^= 1;
	/* Transactions are missing before it. */
	row->supers[row->nr - 5].seq--;
	job = row_replay(row, row->nr - 5);
	CHECK_EQ(job.err, -EUCLEAN);
	CHECK_EQ(job.res.next_good_lsn, job.res.damaged_lsn);
	row->supers[row->nr - 5].seq++;
	/* Another era, another volume: as if nothing had been written. */
	box.cfg.era++;
	job = row_replay(row, row->nr - 5);
	CHECK_EQ(job.err, 0);
	CHECK_EQ(job.res.nr_records, 0);
	CHECK_EQ(job.res.next_seq, row->nr - 4);
	box.cfg.era--;
	box.cfg.volume_uuid[3] ^= 1;
	job = row_replay(row, row->nr - 5);
	CHECK_EQ(job.err, 0);
	CHECK_EQ(job.res.nr_records, 0);
	box.cfg.volume_uuid[3] ^= 1;
	/* No position at all. */
	row->supers[0].pos.lsn = 512;
	CHECK_EQ(row_replay(row, 0).err, -EINVAL);
	row->supers[0].pos.lsn = 1ULL << 63;
	CHECK_EQ(row_replay(row, 0).err, -EINVAL);
	row->supers[0] = (struct super){ .seq = UINT64_MAX };
	CHECK_EQ(row_replay(row, 0).err, -EINVAL);
	box_off(&box);
	free(row);
}

/* A good checksum over contents that nobody writes. */
static void test_unsound(void **state)
{
	struct row *row = sim_alloc(sizeof(*row));
	struct replay_job job;
	struct box box;
	uint64_t lsn, len;
	uint8_t *rec;

	box_on(&box, NULL, JOURNAL_SIZE_MIN, 1);
	row_make(row, &box, 20);
	lsn = row->supers[10].pos.lsn;
	len = row->supers[11].pos.lsn - lsn;
	rec = sim_alloc(len);
	CHECK_EQ(sim_disk_peek(box.disk, place(&box, lsn), rec, len), 0);
	rec[sizeof(struct disk_record) + sizeof(struct disk_txn) + offsetof(struct disk_change, op)] = 9;
	sum_set(rec, len);
	sim_disk_poke(box.disk, place(&box, lsn), rec, len);
	job = row_replay(row, 0);
	CHECK_EQ(job.err, -EUCLEAN);
	CHECK_EQ(job.res.nr_txns, 10);
	CHECK_EQ(job.res.damaged_lsn, lsn);
	CHECK_EQ(job.res.next_good_lsn, lsn);
	free(rec);
	box_off(&box);
	free(row);
}

/* A record with a good checksum that goes on at the ring's start: nobody writes that. */
static void test_across_the_end(void **state)
{
	static const uint8_t zeros[ITEM_VALUE_MAX];
	const size_t value = record_change_size(ITEM_VALUE_MAX);
	struct record_change c = { .key = { 1, 2 }, .op = CHANGE_PUT, .val = zeros, .len = ITEM_VALUE_MAX };
	struct disk_txn head = { .len = le32_make((uint32_t)(2 * value)), .nr = le32_make(2) };
	struct record_info info = { .chain = 3, .first_seq = 1, .nr_txns = 1 };
	struct replay_job job = { .check.nr_lives = 1 };
	static uint8_t rec[2 * RECORD_ALIGN];
	uint8_t *body = rec + sizeof(struct disk_record);
	struct record_owner owner;
	struct box box;

	box_on(&box, NULL, JOURNAL_SIZE_MIN, 1);
	info.lsn = box.cfg.size - RECORD_ALIGN;
	info.used = (uint32_t)(sizeof(head) + 2 * value);
	info.size = sizeof(rec);
	memcpy(body, &head, sizeof(head));
	record_change_write(body + sizeof(head), &c);
	record_change_write(body + sizeof(head) + value, &c);
	owner.era = box.cfg.era;
	memcpy(owner.volume_uuid, box.cfg.volume_uuid, UUID_LEN);
	record_seal(rec, &owner, &info);
	sim_disk_poke(box.disk, place(&box, info.lsn), rec, RECORD_ALIGN);
	sim_disk_poke(box.disk, place(&box, 0), rec + RECORD_ALIGN, RECORD_ALIGN);
	job.box = &box;
	job.super.pos = (struct journal_pos){ .lsn = info.lsn, .chain = info.chain };
	replay(&job);
	CHECK_EQ(job.err, 0);
	CHECK_EQ(job.res.nr_records, 0);
	CHECK_EQ(job.res.end.lsn, info.lsn);
	box_off(&box);
}

static void drop_line(void *owner, enum log_level level, const char *msg)
{
}

static void count_line(void *owner, enum log_level level, const char *msg)
{
	(*(int *)owner)++;
}

/* Blocks that cannot be read, with a ring that is larger than any record. */
static void test_unreadable(void **state)
{
	struct row *row = sim_alloc(sizeof(*row));
	struct replay_job job;
	int log_lines = 0;
	struct box box;
	uint64_t end;

	box_on(&box, NULL, 24 << 20, 1);
	row_make(row, &box, 20);
	end = row->supers[20].pos.lsn;
	log_set_sink(count_line, &log_lines);
	/* Far behind the end: stale, or never written. */
	sim_disk_set_bad(box.disk, place(&box, end + RECORD_SIZE_MAX + RECORD_ALIGN), 512);
	job = row_replay(row, 0);
	CHECK_EQ(job.err, 0);
	CHECK_EQ(job.check.last_seq, 20);
	CHECK_EQ(log_lines, 1);
	/* Where the successor of a damaged last record would begin. */
	sim_disk_set_bad(box.disk, place(&box, end + RECORD_SIZE_MAX), 512);
	job = row_replay(row, 0);
	CHECK_EQ(job.err, -EIO);
	CHECK_EQ(job.check.last_seq, 20);
	CHECK_EQ(job.res.damaged_lsn, end);
	/* In a record: what comes before it in the same large read is still had. */
	sim_disk_set_bad(box.disk, place(&box, row->supers[13].pos.lsn), 512);
	job = row_replay(row, 0);
	CHECK_EQ(job.err, -EIO);
	CHECK_EQ(job.check.last_seq, 13);
	CHECK_EQ(job.res.damaged_lsn, row->supers[13].pos.lsn);
	CHECK_EQ(log_lines, 1);
	log_set_sink(drop_line, NULL);
	box_off(&box);
	free(row);
}

/* An error of apply, whichever, ends the replay and comes back. */
static int apply_refuse(void *arg, uint64_t seq, const void *changes, size_t len, uint32_t nr)
{
	return seq == 7 ? -ENOENT : 0;
}

FIBER_FN static int refuse_main(void *arg)
{
	struct row *row = arg;
	struct journal_replay_result res;

	CHECK_EQ(journal_replay(&row->box->cfg, row->start, 0, apply_refuse, NULL, &res), -ENOENT);
	CHECK_EQ(res.nr_txns, 6);
	return 0;
}

static void test_apply_fails(void **state)
{
	struct row *row = sim_alloc(sizeof(*row));
	struct box box;

	box_on(&box, NULL, JOURNAL_SIZE_MIN, 1);
	row_make(row, &box, 20);
	box_run(&box, refuse_main, row);
	box_off(&box);
	free(row);
}

/*
 * The process was killed with a record in the disk's cache; the next one finds it and goes on behind it; then the
 * power goes.  Without a flush in between the record is lost, and those promised behind it with it.
 */
struct killed {
	struct row *row;
	void *rec;
	size_t len;
};

FIBER_FN static int killed_write(void *arg)
{
	struct killed *k = arg;
	struct box *b = k->row->box;

	return blkdev_write(b->dev, place(b, k->row->supers[9].pos.lsn), k->rec, k->len);
}

static void test_killed_then_power_cut(void **state)
{
	struct sim_cut cut = { .style = SIM_CUT_NOTHING };
	struct row *row = sim_alloc(sizeof(*row));
	struct killed killed = { .row = row };
	struct replay_job job;
	struct sim_disk *disk;
	struct box box, later;

	/* The last record of ten, to be put behind nine equal ones, but not durably. */
	box_on(&box, NULL, JOURNAL_SIZE_MIN, 1);
	row_make(row, &box, 10);
	killed.len = row->supers[10].pos.lsn - row->supers[9].pos.lsn;
	killed.rec = blkdev_buf_alloc(killed.len);
	CHECK(killed.rec);
	CHECK_EQ(sim_disk_peek(box.disk, place(&box, row->supers[9].pos.lsn), killed.rec, killed.len), 0);
	box_off(&box);
	box_on(&box, NULL, JOURNAL_SIZE_MIN, 2);
	row_make(row, &box, 9);
	box_run(&box, killed_write, &killed);

	job = row_replay(row, 0);
	CHECK_EQ(job.err, 0);
	CHECK_EQ(job.check.last_seq, 10);
	*row = (struct row){ .box = &box, .start = job.res.end, .first_seq = 11, .nr = 10 };
	box_run(&box, row_main, row);
	disk = sim_disk_reboot(box.disk, &cut);
	box_on(&later, sim_disk_contents(disk), JOURNAL_SIZE_MIN, 3);
	job.box = &later;
	replay(&job);
	CHECK_EQ(job.err, 0);
	CHECK_EQ(job.check.last_seq, 20);
	box_off(&later);
	sim_disk_free(disk);
	box_off(&box);
	blkdev_buf_free(killed.rec);
	free(row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_cuts),	     cmocka_unit_test(test_bit_flips),
		cmocka_unit_test(test_flips_in_old_remains), cmocka_unit_test(test_every_start),
		cmocka_unit_test(test_wrong_starts),	     cmocka_unit_test(test_unsound),
		cmocka_unit_test(test_across_the_end),	     cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_apply_fails),	     cmocka_unit_test(test_killed_then_power_cut),
	};

	log_set_sink(drop_line, NULL); /* each of the many cuts would write one */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
