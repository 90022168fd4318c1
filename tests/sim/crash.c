/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash test's engine: record, cut, recover, compare.  Promise: everything follows from the seed, and each
 * recovery from the seed and its own place alone, so one failure can be run again without all the others.
 */
#include "tests/sim/crash.h"

#include <inttypes.h>
#include <stdarg.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/check_run.h"
#include "tests/sim/crash_load.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_reactor.h"

#define DISKS_MAX    2
#define MIB	     (1u << 20)
#define CHECK_ONE_IN 4 /* recoveries: the check takes as long as all the rest */

/* What all rounds of one seed share. */
struct crash {
	const struct crash_config *cfg;
	struct crash_report *rep;
	unsigned int nr_disks;
	struct sim_disk_config disk;
	struct fs_mount_options mount;
	struct load_shape shape;
	uint64_t warm_up; /* bytes of journal to be written before the recording begins; 0: record the format too */
	unsigned int wanted[3]; /* from cfg->only; UINT_MAX: all */
	char last_log[256];
};

/* One life of the store: on these disks, until the power goes. */
struct life {
	struct crash *c;
	uint64_t seed;
	struct reactor *r;
	struct sim_disk *disk[DISKS_MAX];
	struct blkdev *dev[DISKS_MAX];
	struct sim_tape *tape; /* NULL: not recorded */
	struct history history;
	/* Of a life after a cut: what must be found.  Of the first: what holds when the recording begins. */
	const struct history *before;
	uint64_t promised, committed;
	bool formatted; /* else it need not mount */
	uint64_t found; /* sequence number */
	bool mounted;
	char wrong[512];
};

static void life_fail(struct life *f, const char *fmt, ...) PRINTF_FMT(2, 3);
static void life_fail(struct life *f, const char *fmt, ...)
{
	va_list ap;

	if (f->wrong[0])
		return;
	va_start(ap, fmt);
	vsnprintf(f->wrong, sizeof(f->wrong), fmt, ap);
	va_end(ap);
}

/* The store complains about what we do to it; the last complaint is of interest if the test fails. */
static void keep_log(void *owner, enum log_level level, const char *msg)
{
	struct crash *c = owner;

	snprintf(c->last_log, sizeof(c->last_log), "%s", msg);
}

/* One of @nr, the same for the same place: decisions that must not depend on each other have different @what. */
static uint64_t choice(uint64_t seed, uint64_t what, uint64_t nr)
{
	struct sim_rng dice = sim_rng_make(seed, what);

	return sim_rng_below(&dice, nr);
}

static void life_begin(struct life *f, struct crash *c, uint64_t seed, const struct sim_image *images)
{
	*f = (struct life){ .c = c, .seed = seed, .r = sim_reactor_new(seed) };
	for (unsigned int i = 0; i < c->nr_disks; i++) {
		struct sim_disk_config cfg = c->disk;

		cfg.name = i == 0 ? "sim0" : "sim1";
		cfg.seed = seed + i;
		f->disk[i] = images ? sim_disk_new_from(&cfg, &images[i]) : sim_disk_new(&cfg);
		f->dev[i] = sim_disk_open(f->disk[i], f->r);
	}
}

static void life_record(struct life *f)
{
	f->tape = sim_tape_new();
	for (unsigned int i = 0; i < f->c->nr_disks; i++)
		sim_disk_record(f->disk[i], f->tape);
}

static void life_end(struct life *f)
{
	uint64_t *hash = &f->c->rep->hash;

	sim_hash_add(hash, sim_reactor_trace_hash(f->r));
	for (unsigned int i = 0; i < f->c->nr_disks; i++) {
		sim_hash_add(hash, sim_disk_trace_hash(f->disk[i]));
		blkdev_close(f->dev[i]);
		sim_disk_free(f->disk[i]);
	}
	reactor_close(f->r);
	history_release(&f->history);
	if (f->tape)
		sim_tape_free(f->tape);
}

/* The first life */

static FIBER_FN bool life_mount(struct life *f, struct fs **ret_fs)
{
	struct why why = { "" };
	int err = fs_mount(f->r, f->dev, f->c->nr_disks, &f->c->mount, ret_fs, &why);

	f->mounted = !err;
	if (err)
		life_fail(f, "mount: %s: %s", strerror(-err), why.text);
	return !err;
}

static FIBER_FN bool life_format(struct life *f)
{
	struct fs_format_options opt = { .name = "crash", .journal_size = MIB, .chunk_size = MIB };
	struct why why = { "" };
	int err = fs_format(f->r, f->dev, f->c->nr_disks, &opt, &why);

	if (err)
		life_fail(f, "format: %s: %s", strerror(-err), why.text);
	else if (f->tape)
		sim_tape_mark(f->tape, LOAD_FORMATTED, 0);
	return !err;
}

/* See what is in the volume and begin a history with it. */
static FIBER_FN bool life_look(struct life *f, struct fs *fs, struct load_view *view)
{
	struct fs_stats stats;
	int err = load_look_at(fs, view);

	if (err || view->wrong[0]) {
		life_fail(f, "what was mounted cannot be right: %s", err ? strerror(-err) : view->wrong);
		return false;
	}
	fs_stats(fs, &stats);
	f->found = stats.txn_seq;
	history_init(&f->history, stats.txn_seq, view->hash);
	f->c->rep->torn += stats.replayed_torn;
	return true;
}

static FIBER_FN void life_work(struct life *f, struct fs *fs, const struct load_view *view,
			       const struct load_shape *shape, struct load *l)
{
	*l = (struct load){ .shape = *shape, .fs = fs, .tape = f->tape, .history = &f->history };
	l->shape.seed = f->seed + f->found;
	l->last_seq = f->found;
	memcpy(l->model.version, view->version, sizeof(l->model.version));
	l->model.next_version = sim_mix(f->seed + f->found) | 1;
	if (!load_run(l))
		life_fail(f, "%s", l->wrong);
}

static FIBER_FN void life_unmount(struct life *f, struct fs *fs, uint64_t last_seq)
{
	int err;

	if (choice(f->seed, 3, 2)) {
		fs_abandon(fs);
		return;
	}
	err = fs_unmount(fs);
	if (err)
		life_fail(f, "unmount: %s", strerror(-err));
	else
		sim_tape_mark(f->tape, LOAD_PROMISED, last_seq);
}

/*
 * Bring the journal to where the recording shall begin: near the end of the ring, so that a short workload wraps it.
 * Nothing of it is cut.
 */
static FIBER_FN void life_warm_up(struct life *f, struct fs *fs, struct load_view *view)
{
	struct load_shape shape = {
		.fibers = 3, .txns = 3, .puts = 8, .keys = LOAD_KEYS, .value_max = 3000, .names = 3
	};
	struct fs_stats stats;
	struct load l;

	for (fs_stats(fs, &stats); stats.journal_bytes < f->c->warm_up && !f->wrong[0]; fs_stats(fs, &stats)) {
		life_work(f, fs, view, &shape, &l);
		f->found = l.last_seq;
		memcpy(view->version, l.model.version, sizeof(view->version));
	}
	if (!f->wrong[0] && txn_wait_durable(fs, f->found))
		life_fail(f, "the warm-up is not durable");
	f->promised = f->found;
	f->committed = f->found;
	f->formatted = true;
	life_record(f);
}

static FIBER_FN int first_life(void *arg)
{
	struct life *f = arg;
	struct crash_report *rep = f->c->rep;
	struct load_view view;
	struct fs_stats stats;
	struct load l;
	struct fs *fs;

	if (!life_format(f) || !life_mount(f, &fs))
		return 0;
	if (!life_look(f, fs, &view)) {
		fs_abandon(fs);
		return 0;
	}
	if (f->c->warm_up)
		life_warm_up(f, fs, &view);
	life_work(f, fs, &view, &f->c->shape, &l);
	fs_stats(fs, &stats);
	rep->commits = l.commits;
	rep->checkpoints = stats.ckpt.nr;
	rep->rounds = stats.journal_bytes / stats.journal_size;
	life_unmount(f, fs, l.last_seq);
	return 0;
}

/* A life after a cut */

/* Whether the recovered state is one that may be. */
static void judge(struct life *f, const struct load_view *view)
{
	uint64_t seq;

	for (seq = f->committed; seq > f->promised; seq--)
		if (history_get(f->before, seq) == view->hash)
			break;
	f->c->rep->behind += f->found < f->committed;
	if (history_get(f->before, f->found) == view->hash && f->found >= f->promised && f->found <= f->committed)
		return;
	if (f->found > f->committed)
		life_fail(f, "the volume claims to be at transaction %" PRIu64 ", but only %" PRIu64 " was ever made",
			  f->found, f->committed);
	else if (f->found < f->promised)
		life_fail(f, "transaction %" PRIu64 " was promised durable, but the volume is back at %" PRIu64,
			  f->promised, f->found);
	else if (history_get(f->before, seq) == view->hash)
		life_fail(f, "the volume claims to be at transaction %" PRIu64 ", but is as after %" PRIu64, f->found,
			  seq);
	else if (history_get(f->before, f->found))
		life_fail(f,
			  "the volume claims to be at transaction %" PRIu64 " (promised %" PRIu64 ", last %" PRIu64
			  "), but is in no state that ever was",
			  f->found, f->promised, f->committed);
}

static void keep_finding(void *arg, enum check_severity severity, const char *sentence)
{
	if (severity == CHECK_ERROR)
		life_fail(arg, "check: %s", sentence);
}

/* Everything that the check of a whole volume knows to check. */
static FIBER_FN void check_all(struct life *f, struct fs *fs)
{
	struct check_options opt = { .memory = MIB, .report = keep_finding, .arg = f };
	struct check_result res;
	int err = check_run(fs, &opt, &res);

	if (err)
		life_fail(f, "check: %s", strerror(-err));
}

static FIBER_FN int later_life(void *arg)
{
	static const struct load_shape small = {
		.fibers = 2, .txns = 3, .puts = 3, .keys = 24, .value_max = 200, .names = 4, .checkpoint = 12
	};
	struct life *f = arg;
	struct load_view view;
	struct load l;
	struct fs *fs;

	if (!life_mount(f, &fs))
		return 0;
	if (life_look(f, fs, &view))
		judge(f, &view);
	if (!f->wrong[0] && choice(f->seed, 4, CHECK_ONE_IN) == 0)
		check_all(f, fs);
	if (f->tape && !f->wrong[0]) {
		life_work(f, fs, &view, &small, &l);
		life_unmount(f, fs, l.last_seq);
	} else {
		fs_abandon(fs);
	}
	return 0;
}

/* Cuts */

/* The player's view of what was promised. */
struct promises {
	uint64_t promised, committed;
	bool formatted;
};

static void note_mark(void *arg, uint64_t what, uint64_t value)
{
	struct promises *p = arg;

	switch ((enum load_mark)what) {
	case LOAD_FORMATTED:
		p->formatted = true;
		break;
	case LOAD_COMMITTED:
		p->committed = max_u64(p->committed, value);
		break;
	case LOAD_PROMISED:
		p->promised = max_u64(p->promised, value);
		break;
	}
}

/* Where we are: point of the workload, draw, point of the recovery. */
struct place {
	unsigned int at[3];
	unsigned int depth;
};

static uint64_t place_seed(const struct crash *c, const struct place *pl)
{
	uint64_t seed = c->cfg->seed;

	for (unsigned int i = 0; i < pl->depth; i++)
		seed = sim_mix(seed * 1000003 + pl->at[i] + 1);
	return seed;
}

static bool place_is_wanted(const struct crash *c, const struct place *pl)
{
	for (unsigned int i = 0; i < pl->depth; i++)
		if (c->wanted[i] != UINT32_MAX && c->wanted[i] != pl->at[i])
			return false;
	return true;
}

static bool place_is_deep(const struct crash *c, const struct place *pl)
{
	unsigned int every = c->cfg->deep_every;

	return every < 2 || c->wanted[0] != UINT32_MAX || choice(place_seed(c, pl), 2, every) == 0;
}

static void dump_images(const struct crash *c, const struct sim_image *images)
{
	for (unsigned int i = 0; c->cfg->dump && i < c->nr_disks; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s.%u", c->cfg->dump, i);
		if (sim_image_dump(&images[i], path))
			fprintf(stderr, "%s cannot be written\n", path);
	}
}

static void report_failure(struct crash *c, const struct life *f, const struct place *pl, const struct sim_cut *cut,
			   const struct sim_player *player, const struct sim_image *images)
{
	struct crash_report *rep = c->rep;
	char where[256] = "";
	FILE *out = fmemopen(where, sizeof(where) - 1, "w");

	if (out) {
		sim_player_print(player, out);
		fclose(out);
	}
	rep->failed = true;
	if (pl->depth == 2)
		snprintf(rep->at, sizeof(rep->at), "%u.%u", pl->at[0], pl->at[1]);
	else
		snprintf(rep->at, sizeof(rep->at), "%u.%u.%u", pl->at[0], pl->at[1], pl->at[2]);
	snprintf(rep->what, sizeof(rep->what), "%s\n  cut at %s  survivors: %s; last message: %s", f->wrong, where,
		 sim_cut_style_name(cut->style), c->last_log);
	dump_images(c, images);
}

static void cut_second_life(struct crash *c, const struct life *parent, struct place *pl);

/* Cut the power where @player stands and live on.  @pl is the cut's place. */
static void cut_and_recover(struct crash *c, const struct sim_player *player, const struct promises *p,
			    const struct history *before, struct place *pl)
{
	uint64_t seed = place_seed(c, pl);
	struct sim_cut cut = { .style = (enum sim_cut_style)choice(seed, 1, SIM_CUT_STYLES) };
	struct sim_image images[DISKS_MAX];
	struct life f;

	for (unsigned int i = 0; i < c->nr_disks; i++) {
		cut.seed = seed + i;
		sim_player_cut(player, i, &cut, &images[i]);
	}
	life_begin(&f, c, seed, images);
	f.before = before;
	f.promised = p->promised;
	f.committed = p->committed;
	c->last_log[0] = '\0';
	if (pl->depth == 2 && place_is_deep(c, pl))
		life_record(&f);
	if (reactor_run(f.r, later_life, &f))
		life_fail(&f, "the first fiber could not run");
	/* A volume that is still being formatted may be none. */
	if (!p->formatted && !f.mounted)
		f.wrong[0] = '\0';
	if (f.wrong[0])
		report_failure(c, &f, pl, &cut, player, images);
	if (f.tape && f.mounted && !c->rep->failed)
		cut_second_life(c, &f, pl);
	for (unsigned int i = 0; i < c->nr_disks; i++)
		sim_image_release(&images[i]);
	life_end(&f);
}

/* The power goes again at every point of @parent, which is itself a recovery at place @pl. */
static void cut_second_life(struct crash *c, const struct life *parent, struct place *pl)
{
	struct promises p = { .promised = parent->found, .committed = parent->found, .formatted = true };
	struct sim_player player;

	pl->depth = 3;
	sim_player_init(&player, parent->tape, note_mark, &p);
	while (!c->rep->failed && sim_player_next(&player)) {
		pl->at[2] = (unsigned int)player.point;
		if (!place_is_wanted(c, pl))
			continue;
		c->rep->deep_states++;
		cut_and_recover(c, &player, &p, &parent->history, pl);
	}
	sim_player_release(&player);
	pl->depth = 2;
}

static void cut_first_life(struct crash *c, const struct life *first)
{
	struct promises p = { .promised = max_u64(first->promised, first->history.base),
			      .committed = max_u64(first->committed, first->history.base),
			      .formatted = first->formatted };
	unsigned int draws = c->cfg->draws ? c->cfg->draws : 2;
	struct sim_player player;

	sim_player_init(&player, first->tape, note_mark, &p);
	while (!c->rep->failed && sim_player_next(&player)) {
		struct place pl = { .at = { (unsigned int)player.point }, .depth = 2 };

		c->rep->points++;
		for (; pl.at[1] < draws && !c->rep->failed; pl.at[1]++) {
			if (!place_is_wanted(c, &pl))
				continue;
			c->rep->states++;
			cut_and_recover(c, &player, &p, &first->history, &pl);
		}
	}
	sim_player_release(&player);
}

/* Set-up */

static void draw_shape(struct crash *c, struct sim_rng *dice)
{
	struct load_shape *s = &c->shape;

	s->fibers = (unsigned int)sim_rng_between(dice, 1, 6);
	s->puts = (unsigned int)sim_rng_between(dice, 1, 12);
	s->keys = (unsigned int)sim_rng_between(dice, 8, LOAD_KEYS);
	s->names = (unsigned int)sim_rng_between(dice, 0, 7);
	s->checkpoint = (unsigned int)sim_rng_between(dice, 0, 6);
	s->value_max = sim_rng_chance(dice, 1, 2) ? 3000 : (unsigned int)sim_rng_between(dice, 8, 600);
	/* Few large transactions or many small ones. */
	s->txns = (s->value_max * s->puts > 8000 ? 200 : 120) / s->fibers;
}

static void draw_world(struct crash *c, struct sim_rng *dice)
{
	bool big_sectors = sim_rng_chance(dice, 1, 3);

	c->nr_disks = sim_rng_chance(dice, 1, 4) ? 2 : 1;
	c->disk = (struct sim_disk_config){
		.size = 12 * MIB,
		.logical_sector = big_sectors ? 4096 : 512,
		.atomic_unit = big_sectors || sim_rng_chance(dice, 1, 2) ? 4096 : 512,
		.no_volatile_cache = sim_rng_chance(dice, 1, 8),
	};
	c->mount = (struct fs_mount_options){
		.cache_bytes = sim_rng_chance(dice, 1, 2) ? MIB : 16 * MIB,
		.checkpoint_log_bytes = sim_rng_between(dice, 32 << 10, 400 << 10),
		.checkpoint_ns = sim_rng_between(dice, 10000000, 500000000),
		.checkpoint_depth = (unsigned int)sim_rng_between(dice, 1, 8),
		.record_max = sim_rng_between(dice, 18, 64) * 4096,
	};
	if (sim_rng_chance(dice, 3, 4))
		c->warm_up = sim_rng_between(dice, MIB / 2, 3 * MIB / 2);
	draw_shape(c, dice);
}

static void parse_only(struct crash *c)
{
	const char *text = c->cfg->only;

	for (unsigned int i = 0; i < ARRAY_SIZE(c->wanted); i++) {
		char *end;

		c->wanted[i] = UINT32_MAX;
		if (!text || !*text)
			continue;
		c->wanted[i] = (unsigned int)strtoul(text, &end, 10);
		text = *end == '.' ? end + 1 : NULL;
	}
}

void crash_run(const struct crash_config *cfg, struct crash_report *ret_report)
{
	struct crash c = { .cfg = cfg, .rep = ret_report };
	struct sim_rng dice = sim_rng_make(cfg->seed, 0xc4a5);
	struct life first;

	*ret_report = (struct crash_report){ .hash = cfg->seed };
	log_set_sink(keep_log, &c);
	draw_world(&c, &dice);
	parse_only(&c);
	life_begin(&first, &c, cfg->seed, NULL);
	if (!c.warm_up)
		life_record(&first);
	if (reactor_run(first.r, first_life, &first))
		life_fail(&first, "the first fiber could not run");
	if (first.wrong[0]) {
		ret_report->failed = true;
		snprintf(ret_report->what, sizeof(ret_report->what), "without any cut: %s; last message: %s",
			 first.wrong, c.last_log);
	} else {
		cut_first_life(&c, &first);
	}
	life_end(&first);
	log_set_sink(NULL, NULL);
}
