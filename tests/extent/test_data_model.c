/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random life of several files, each used by many at once, against a model that knows for every byte what may be
 * there: in reads meanwhile, at rest, after a mount, and after power cuts at random moments.  The disks are full of a
 * stranger's bytes at first.  At every rest the volume is checked.  Some of the users hold layouts: they write to the
 * devices themselves, and leave garbage wherever they may.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "extent/orphan.h"
#include "tests/lib/check.h"
#include "tests/lib/data_holder.h"
#include "tests/lib/data_model.h"
#include "tests/lib/dice.h"

#define FILES	  3
#define WORKERS	  6
#define BLK	  DADDR_BLOCK_SIZE
#define LIMBO_TAG 5
#define GARBAGE	  0xdb /* no byte of the model's */

struct config {
	struct store_config store;
	unsigned int rounds;
	unsigned int steps; /* of a worker in a round */
	bool cuts;
	bool full;	      /* few free blocks */
	bool fragmented;      /* and not two of them side by side */
	uint32_t faults;      /* of a million data requests fail */
	unsigned int holders; /* so many of the workers hold layouts */
};

struct file {
	struct data_file f;
	struct data_model model;
	unsigned int name;
};

struct world {
	const struct config *cfg;
	struct store *store;
	struct dice dice;
	struct file *files;
	bool trouble;	    /* the power has gone: nobody begins anything more */
	unsigned int names; /* given so far */
	struct data_holders holders;
	uint64_t lost_ino; /* what leaves its map goes to limbo */
	uint64_t commits, gets, refused;
	uint64_t done[DATA_CHANGE_KINDS], failed, reads;
};

struct worker {
	struct world *w;
	struct fiber *fiber;
	struct data_asker asker;
	struct data_also also;
	struct data_change change;
	struct data_model_read read;
	uint8_t buf[DATA_MODEL_SIZE + 512];
};

/* Mostly near the edges of blocks. */
static uint32_t draw_off(struct world *w, uint32_t max)
{
	uint32_t off = (uint32_t)dice_below(&w->dice, max + 1), near;

	if (dice_below(&w->dice, 3) == 0)
		return off;
	near = (uint32_t)round_down_u64(off, BLK);
	if (dice_below(&w->dice, 2))
		near += (uint32_t)dice_below(&w->dice, 7);
	else
		near -= near ? (uint32_t)dice_below(&w->dice, 7) : 0;
	return (uint32_t)min_u64(near, max);
}

static void draw_range(struct world *w, uint32_t *ret_off, uint32_t *ret_len)
{
	uint32_t a, b;

	do {
		a = draw_off(w, DATA_MODEL_SIZE);
		b = dice_below(&w->dice, 3) ? draw_off(w, DATA_MODEL_SIZE)
					    : (uint32_t)min_u64(a + dice_below(&w->dice, 600), DATA_MODEL_SIZE);
	} while (a == b);
	*ret_off = (uint32_t)min_u64(a, b);
	*ret_len = (uint32_t)max_u64(a, b) - *ret_off;
}

/* What an operation gave: 1: it is done; 0: refused, nothing has happened; -1: nobody knows. */
static int judge(struct world *w, int err)
{
	if (!err)
		return 1;
	if (err == -ENOSPC && w->cfg->full)
		return 0;
	w->refused += err == -EBUSY;
	if (err == -EBUSY && w->cfg->holders)
		return 0;
	w->failed++;
	if (w->cfg->faults && err == -EIO && !fs_is_read_only(w->store->fs))
		return -1;
	if (!w->cfg->cuts || (err != -EIO && err != -EROFS && err != -ENODEV)) {
		fprintf(stderr, "an operation failed: %s\n", strerror(-err));
		abort();
	}
	w->trouble = true;
	return -1;
}

FIBER_FN static int wait_durable(struct world *w, uint64_t seq)
{
	return txn_wait_durable(w->store->fs, seq);
}

/* Begin, do, end: with half of the changes one waits until they are durable. */

FIBER_FN static void finish(struct worker *k, int err, uint64_t seq, bool can_last)
{
	struct world *w = k->w;
	bool durable = false;
	int is = judge(w, err);

	if (is > 0 && can_last && dice_below(&w->dice, 2))
		durable = judge(w, wait_durable(w, seq)) > 0;
	w->done[k->change.kind] += is > 0;
	if (is > 0)
		data_model_end(&k->change, durable);
	else if (is == 0)
		data_model_cancel(&k->change);
	else
		data_model_fail(&k->change);
}

FIBER_FN static void do_write(struct worker *k, struct file *file)
{
	struct data_change *c = &k->change;
	enum data_sync sync = dice_below(&k->w->dice, 2) ? DATA_DURABLE : DATA_UNSTABLE;
	uint8_t *buf = k->buf + (dice_below(&k->w->dice, 2) ? 0 : dice_below(&k->w->dice, 512));
	struct inode inode;
	uint64_t seq = 0;
	bool durable = false;
	int err;

	c->kind = DATA_CHANGE_WRITE;
	draw_range(k->w, &c->off, &c->len);
	data_model_begin(c);
	for (uint32_t i = 0; i < c->len; i++)
		buf[i] = data_model_value(c->id, c->off + i);
	err = data_write(file->f.store->fs, file->f.ino, file->f.generation, c->off, buf, c->len, sync, &k->also,
			 &inode, &durable, &seq);
	finish(k, err, seq, durable);
}

FIBER_FN static void do_zero(struct worker *k, struct file *file)
{
	struct data_change *c = &k->change;
	struct inode inode;
	uint64_t seq = 0;
	int err;

	c->kind = DATA_CHANGE_ZERO;
	draw_range(k->w, &c->off, &c->len);
	data_model_begin(c);
	err = data_deallocate(file->f.store->fs, file->f.ino, file->f.generation, c->off, c->len, &k->also, &inode,
			      &seq);
	if (err == -ENOSPC && k->w->cfg->full)
		data_model_fail(c); /* at one edge; the other may be zeros already */
	else
		finish(k, err, seq, true);
}

FIBER_FN static void do_trunc(struct worker *k, struct file *file)
{
	struct data_change *c = &k->change;
	struct inode_attrs attrs = { .mask = INODE_SET_SIZE };
	struct inode inode;
	uint64_t seq = 0;
	int err;

	c->kind = DATA_CHANGE_TRUNC;
	c->off = draw_off(k->w, DATA_MODEL_SIZE);
	attrs.size = c->off;
	data_model_begin(c);
	err = data_setattr(file->f.store->fs, file->f.ino, file->f.generation, &attrs, &k->also, &inode, &seq);
	if (!err)
		CHECK_EQ(inode.size, attrs.size);
	finish(k, err, seq, true);
}

FIBER_FN static void do_extend(struct worker *k, struct file *file)
{
	struct data_change *c = &k->change;
	struct inode inode;
	uint64_t seq = 0;
	int err;

	c->kind = DATA_CHANGE_EXTEND;
	draw_range(k->w, &c->off, &c->len);
	data_model_begin(c);
	err = data_allocate(file->f.store->fs, file->f.ino, file->f.generation, c->off, c->len, &k->also, &inode,
			    &seq);
	finish(k, err, seq, true);
}

FIBER_FN static void do_copy(struct worker *k, struct file *file)
{
	struct world *w = k->w;
	struct data_change *c = &k->change;
	struct file *src = &w->files[dice_below(&w->dice, FILES)];
	uint32_t blocks = DATA_MODEL_SIZE / BLK;
	uint32_t nr = 1 + (uint32_t)dice_below(&w->dice, blocks / 2);
	struct data_range from = { src->f.ino, src->f.generation, 0 }, to = { file->f.ino, file->f.generation, 0 };
	struct inode inode;
	uint64_t seq = 0;
	int err;

	c->kind = DATA_CHANGE_COPY;
	c->len = nr * BLK;
	c->off = (uint32_t)dice_below(&w->dice, blocks - nr + 1) * BLK;
	c->src_off = (uint32_t)dice_below(&w->dice, blocks - nr + 1) * BLK;
	c->src = &src->model;
	from.off = c->src_off;
	to.off = c->off;
	data_model_begin(c);
	err = data_clone(file->f.store->fs, &from, &to, c->len, &k->also, &inode, &seq);
	if (err == -EINVAL)
		data_model_cancel(c); /* beyond the source's end, or over itself */
	else
		finish(k, err, seq, true);
}

FIBER_FN static void do_read(struct worker *k, struct file *file)
{
	uint8_t *buf = k->buf + (dice_below(&k->w->dice, 2) ? 0 : dice_below(&k->w->dice, 512));
	uint32_t off, len, got;
	bool eof;
	int err;

	draw_range(k->w, &off, &len);
	data_model_read_begin(&k->read, &file->model, off, len);
	err = data_read(file->f.store->fs, file->f.ino, file->f.generation, off, buf, len, &got, &eof);
	if (judge(k->w, err) < 1)
		return;
	CHECK(eof || got == len);
	data_model_read_end(&k->read, buf, got);
	k->w->reads++;
}

/* Holders of layouts */

FIBER_FN static void do_get(struct worker *k, struct file *file)
{
	uint64_t blocks = DATA_MODEL_SIZE / BLK, nr = 1 + dice_below(&k->w->dice, blocks / 4);
	uint64_t first = dice_below(&k->w->dice, blocks - nr + 1);

	k->asker.zero = dice_below(&k->w->dice, 3) == 0;
	if (k->w->holders.nr < DATA_HOLDINGS_MAX - WORKERS)
		k->w->gets += judge(k->w, data_holder_get(&k->asker, &file->f, first, first + nr)) > 0;
}

FIBER_FN static void do_return(struct worker *k, struct file *file)
{
	(void)judge(k->w, data_holder_return(&k->asker, &file->f));
}

/* Some blocks that it has; false: there are none. */
static bool draw_held(struct worker *k, struct file *file, uint64_t *ret_blk, uint64_t *ret_nr)
{
	uint64_t blk = dice_below(&k->w->dice, DATA_MODEL_SIZE / BLK), nr = 0, max = 1 + dice_below(&k->w->dice, 8);

	while (nr < max &&
	       data_holders_have(&k->w->holders, k->asker.owner, file->f.ino, blk + nr, blk + nr + 1, true))
		nr++;
	*ret_blk = blk;
	*ret_nr = nr;
	return nr > 0;
}

/*
 * Whole blocks to the devices; what of them is behind the new end of file is garbage.  A holder answers for what
 * lies between the old end and what it writes, as far as it has the blocks: here by never leaving such a gap.
 */
FIBER_FN static void do_direct(struct worker *k, struct file *file)
{
	struct data_change *c = &k->change;
	uint64_t blk, nr, seq = 0, size, last;
	bool grows;
	int err;

	if (!draw_held(k, file, &blk, &nr)) {
		do_get(k, file);
		return;
	}
	size = data_file_size(&file->f);
	last = size / BLK;
	/* It may have given back or the file may have grown while it looked. */
	if (!data_holders_have(&k->w->holders, k->asker.owner, file->f.ino, blk, blk + nr, true) ||
	    (blk > last && data_holders_have(&k->w->holders, k->asker.owner, file->f.ino, last, blk, false)))
		return;
	c->kind = DATA_CHANGE_WRITE;
	c->off = (uint32_t)(blk * BLK);
	c->len = (uint32_t)(nr * BLK);
	grows = c->off + c->len > size;
	if (grows)
		c->len = (uint32_t)max_u64(max_u64(size, c->off + 1) - c->off, dice_below(&k->w->dice, c->len + 1));
	data_model_begin(c);
	memset(k->buf, GARBAGE, nr * BLK);
	for (uint32_t i = 0; i < c->len; i++)
		k->buf[i] = data_model_value(c->id, c->off + i);
	err = data_holder_write(&k->asker, &file->f, blk, nr, k->buf);
	if (!err && dice_below(&k->w->dice, 8) == 0) {
		data_model_fail(c); /* and then it dies */
		return;
	}
	if (!err)
		err = data_holder_commit(&k->asker, &file->f, blk, nr, grows, c->off + c->len,
					 grows ? c->off + c->len : UINT64_MAX, &seq);
	k->w->commits += !err;
	if (err == -EBUSY || err == -EAGAIN || err == -EFBIG)
		data_model_fail(c); /* what was written before may be overwritten all the same */
	else
		finish(k, err, seq, true);
}

FIBER_FN static void holder_main(void *arg)
{
	static void (*const what[])(struct worker * k, struct file * file) = { do_get,	  do_direct, do_direct,
									       do_direct, do_return, do_return };
	struct worker *k = arg;
	struct world *w = k->w;

	for (unsigned int i = 0; i < w->cfg->steps && !w->trouble; i++) {
		k->change.model = &w->files[dice_below(&w->dice, FILES)].model;
		what[dice_below(&w->dice, ARRAY_SIZE(what))](k, container_of(k->change.model, struct file, model));
	}
	for (unsigned int i = 0; i < FILES && !w->trouble; i++)
		do_return(k, &w->files[i]);
}

FIBER_FN static void worker_main(void *arg)
{
	static void (*const what[])(struct worker * k,
				    struct file * file) = { do_write, do_write,	 do_write, do_write, do_zero,
							    do_trunc, do_extend, do_copy,  do_read,  do_read };
	struct worker *k = arg;
	struct world *w = k->w;

	for (unsigned int i = 0; i < w->cfg->steps && !w->trouble; i++) {
		k->change.model = &w->files[dice_below(&w->dice, FILES)].model;
		what[dice_below(&w->dice, ARRAY_SIZE(what))](k, container_of(k->change.model, struct file, model));
	}
}

/* Rests */

/* What seeks say is so: data follows data, and holes are zeros. */
FIBER_FN static void check_seeks(struct file *file, const uint8_t *bytes, uint64_t size)
{
	struct fs *fs = file->f.store->fs;
	uint64_t off = 0, at;
	bool data = true, eof = false;

	while (off < size) {
		CHECK_EQ(data_seek(fs, file->f.ino, file->f.generation, off, data, &at, &eof), 0);
		CHECK(at >= off && at <= size && eof == (at == size));
		CHECK(!data || data_file_is_zero(bytes + off, at - off));
		data = !data;
		off = at;
	}
	CHECK_EQ(data_seek(fs, file->f.ino, file->f.generation, size, data, &at, &eof), -ENXIO);
}

FIBER_FN static void check_files(struct world *w, bool cut)
{
	uint8_t *bytes = malloc(DATA_MODEL_SIZE);

	for (unsigned int i = 0; i < FILES; i++) {
		struct file *file = &w->files[i];
		uint64_t size = data_file_size(&file->f);

		CHECK_EQ(data_file_read(&file->f, 0, bytes, DATA_MODEL_SIZE), size);
		check_seeks(file, bytes, size);
		data_model_adopt(&file->model, bytes, size, cut);
	}
	free(bytes);
}

static int listed_body(struct txn *txn, void *arg)
{
	uint64_t *ino = arg;

	return orphan_next(txn, *ino, ino);
}

/* As a server does after a mount. */
FIBER_FN static void finish_trims(struct world *w)
{
	uint64_t ino = 0;

	while (!txn_read(w->store->fs, listed_body, &ino))
		CHECK_EQ(data_trim(w->store->fs, ino), 0);
}

FIBER_FN static void file_new(struct world *w, struct file *file)
{
	char name[16];

	file->name = w->names++;
	snprintf(name, sizeof(name), "f%u", file->name);
	file->f = data_file_new(w->store, name);
	data_model_init(&file->model);
}

/* One file goes, with all its blocks, and another takes its place. */
FIBER_FN static void file_replace(struct world *w, struct file *file)
{
	char old[16];

	snprintf(old, sizeof(old), "f%u", file->name);
	data_file_unlink(w->store, old);
	CHECK_EQ(data_reap(w->store->fs, file->f.ino), 0);
	file_new(w, file);
}

FIBER_FN static void sync_all(struct world *w)
{
	struct fs_stats stats;

	CHECK_EQ(data_commit(w->store->fs, w->files[0].f.ino, w->files[0].f.generation), 0);
	fs_stats(w->store->fs, &stats);
	CHECK_EQ(txn_wait_durable(w->store->fs, stats.txn_seq), 0);
	for (unsigned int i = 0; i < FILES; i++)
		data_model_sync(&w->files[i].model);
}

FIBER_FN static void power_cut(struct world *w)
{
	store_power_cut(w->store, dice_roll(&w->dice));
	CHECK_EQ(store_mount(w->store), 0);
	w->holders.nr = 0;
	w->trouble = false;
	if (dice_below(&w->dice, 2))
		finish_trims(w);
	check_files(w, true);
}

FIBER_FN static void run_workers(struct world *w, struct worker *workers)
{
	for (unsigned int i = 0; i < WORKERS; i++) {
		bool holds = i < w->cfg->holders;

		workers[i].w = w;
		data_asker_init(&workers[i].asker, &w->holders, holds ? i + 1 : 0);
		workers[i].also.guard = &workers[i].asker.guard;
		CHECK_EQ(fiber_spawn(w->store->r, "worker", holds ? holder_main : worker_main, &workers[i],
				     &workers[i].fiber),
			 0);
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		fiber_join(workers[i].fiber);
}

static void order_faults(struct world *w, uint32_t rate)
{
	/* The journal and all the metadata lie on disk 0, but checkpoints flush all disks. */
	struct sim_disk_rates rates = { .read_error = rate, .write_error = rate };

	sim_disk_set_rates(w->store->disks[1], &rates);
}

static uint64_t limbo_of(void *arg, uint64_t ino)
{
	const struct world *w = arg;

	return ino == w->lost_ino ? LIMBO_TAG : LIMBO_NONE;
}

FIBER_FN static void release_limbo(struct world *w)
{
	struct fs_stats stats;

	CHECK_EQ(data_limbo_release(w->store->fs, LIMBO_TAG), 0);
	w->lost_ino = 0;
	fs_stats(w->store->fs, &stats);
	CHECK_EQ(stats.limbo_blocks, 0);
}

FIBER_FN static void round_of_life(struct world *w, struct worker *workers)
{
	bool cut = w->cfg->cuts && dice_below(&w->dice, 2);

	if (cut)
		sim_disk_power_off_at(w->store->disks[0], 1 + dice_below(&w->dice, 3ull * w->cfg->steps * WORKERS),
				      dice_below(&w->dice, 2), SIM_POWER_ERRORS);
	if (w->cfg->faults)
		order_faults(w, w->cfg->faults);
	if (w->cfg->holders) {
		w->lost_ino = dice_below(&w->dice, 2) ? w->files[dice_below(&w->dice, FILES)].f.ino : 0;
		data_set_limbo(w->store->fs, limbo_of, w);
	}
	run_workers(w, workers);
	if (w->cfg->faults)
		order_faults(w, 0);
	if (cut) {
		power_cut(w);
	} else {
		CHECK(!w->trouble);
		check_files(w, false);
	}
	data_file_check_volume(w->store);
	release_limbo(w);
	switch (dice_below(&w->dice, 5)) {
	case 0:
		sync_all(w);
		break;
	case 1:
		sync_all(w);
		store_unmount(w->store);
		CHECK_EQ(store_mount(w->store), 0);
		break;
	case 2:
		sync_all(w);
		file_replace(w, &w->files[dice_below(&w->dice, FILES)]);
		break;
	default:
		break;
	}
}

/* All but few free blocks go to one file; with holes cut into it at the end, none of them side by side. */
FIBER_FN static void eat(struct world *w, uint64_t leave)
{
	struct data_file hog = data_file_new(w->store, "hog");
	struct fs *fs = w->store->fs;
	struct fs_stats stats;
	struct inode inode;
	uint64_t seq;

	CHECK_EQ(fs_checkpoint(fs), 0);
	fs_stats(fs, &stats);
	if (w->cfg->fragmented) {
		CHECK_EQ(data_allocate(fs, hog.ino, hog.generation, 0, (stats.free_blocks - 8) * BLK, NULL, &inode,
				       &seq),
			 0);
		for (uint64_t i = 0; i < leave; i++)
			CHECK_EQ(data_deallocate(fs, hog.ino, hog.generation, 2 * i * BLK, BLK, NULL, &inode, &seq),
				 0);
	} else {
		CHECK_EQ(data_allocate(fs, hog.ino, hog.generation, 0, (stats.free_blocks - leave) * BLK, NULL,
				       &inode, &seq),
			 0);
	}
	CHECK_EQ(txn_wait_durable(fs, seq), 0);
}

FIBER_FN static void do_life(struct store *s, void *arg)
{
	struct world w = { .cfg = arg, .store = s, .dice = { s->cfg.seed } };
	struct worker *workers = calloc(WORKERS, sizeof(*workers));

	w.files = calloc(FILES, sizeof(*w.files));
	for (unsigned int i = 0; i < FILES; i++)
		file_new(&w, &w.files[i]);
	if (w.cfg->full)
		eat(&w, 30);
	else if (w.cfg->fragmented)
		eat(&w, 200);
	for (unsigned int i = 0; i < w.cfg->rounds; i++)
		round_of_life(&w, workers);
	printf("%llu writes, %llu zeroings, %llu cuts of size, %llu allocations, %llu clones, %llu reads, %llu "
	       "failed; %llu layouts, %llu commits, %llu refused\n",
	       (unsigned long long)w.done[DATA_CHANGE_WRITE], (unsigned long long)w.done[DATA_CHANGE_ZERO],
	       (unsigned long long)w.done[DATA_CHANGE_TRUNC], (unsigned long long)w.done[DATA_CHANGE_EXTEND],
	       (unsigned long long)w.done[DATA_CHANGE_COPY], (unsigned long long)w.reads,
	       (unsigned long long)w.failed, (unsigned long long)w.gets, (unsigned long long)w.commits,
	       (unsigned long long)w.refused);
	free(w.files);
	free(workers);
}

static void drop_message(void *arg, enum log_level level, const char *text)
{
}

static void run(struct config cfg, unsigned int seeds)
{
	uint64_t seed = store_seed(1000);

	log_set_sink(drop_message, NULL);
	for (unsigned int i = 0; i < seeds; i++) {
		cfg.store.seed = seed + i;
		data_file_run(&cfg.store, do_life, &cfg);
	}
	log_set_sink(NULL, NULL);
}

static void test_quiet(void **state)
{
	run((struct config){ .rounds = 6, .steps = 40 }, 3);
}

static void test_power_cuts(void **state)
{
	run((struct config){ .rounds = 8, .steps = 20, .cuts = true }, 6);
}

static void test_power_cuts_two_disks(void **state)
{
	run((struct config){ .store = { .nr_disks = 2, .no_fua = true }, .rounds = 8, .steps = 20, .cuts = true }, 4);
}

static void test_large_sectors(void **state)
{
	run((struct config){ .store = { .logical_sector = 4096 }, .rounds = 6, .steps = 20, .cuts = true }, 3);
}

static void test_fragmented(void **state)
{
	run((struct config){ .store = { .disk_size = 16 << 20 },
			     .rounds = 6,
			     .steps = 20,
			     .cuts = true,
			     .fragmented = true },
	    3);
}

static void test_full(void **state)
{
	run((struct config){ .store = { .disk_size = 16 << 20 }, .rounds = 6, .steps = 30, .full = true }, 3);
}

/* What is freed is used again at once: the power goes while nobody can be sure yet that it was freed. */
static void test_full_power_cuts(void **state)
{
	run(
		(struct config){
			.store = { .disk_size = 16 << 20 }, .rounds = 10, .steps = 10, .full = true, .cuts = true },
		6);
}

static void test_faults(void **state)
{
	run((struct config){ .store = { .nr_disks = 2 }, .rounds = 6, .steps = 30, .faults = 30000 }, 3);
}

static void test_holders(void **state)
{
	run((struct config){ .store = { .overlap = true }, .rounds = 8, .steps = 40, .holders = 3 }, 4);
}

static void test_holders_power_cuts(void **state)
{
	run((struct config){ .store = { .overlap = true, .nr_disks = 2, .no_fua = true },
			     .rounds = 10,
			     .steps = 20,
			     .cuts = true,
			     .holders = 4 },
	    6);
}

static void test_holders_full(void **state)
{
	run((struct config){ .store = { .overlap = true, .disk_size = 16 << 20 },
			     .rounds = 8,
			     .steps = 20,
			     .full = true,
			     .cuts = true,
			     .holders = 3 },
	    4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_power_cuts),
		cmocka_unit_test(test_power_cuts_two_disks),
		cmocka_unit_test(test_large_sectors),
		cmocka_unit_test(test_fragmented),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_full_power_cuts),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_holders),
		cmocka_unit_test(test_holders_power_cuts),
		cmocka_unit_test(test_holders_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
